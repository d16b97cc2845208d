package theme

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What this file writes is read back by every browser as exactly the token that
// was checked: names and strings are decoded once and written anew, in the
// narrowest form that CSSOM, section 2.1, knows, so that no escape, comment or
// rare character is left that two parsers could read differently.

// cssDecode resolves the escapes of an identifier or of the inside of a string
// (CSS Syntax 3, section 4.3.7).
func cssDecode(raw []byte) string {
	var b strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			i++
			continue
		}
		i++
		if i == len(raw) {
			break
		}
		if raw[i] == '\n' { // a line that goes on, in strings only
			i++
			continue
		}
		n, r := 0, rune(0)
		for n < 6 && i+n < len(raw) && isHex(raw[i+n]) {
			r = r<<4 | hexValue(raw[i+n])
			n++
		}
		if n == 0 {
			c, size := utf8.DecodeRune(raw[i:])
			b.WriteRune(c)
			i += size
			continue
		}
		i += n
		if i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n') {
			i++
		}
		if r == 0 || !utf8.ValidRune(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) rune {
	switch {
	case c >= 'a':
		return rune(c-'a') + 10
	case c >= 'A':
		return rune(c-'A') + 10
	}
	return rune(c - '0')
}

// cssIdent writes an identifier (CSSOM, "serialize an identifier").
func cssIdent(name string) string {
	var b strings.Builder
	for i, r := range name {
		digit := r >= '0' && r <= '9'
		switch {
		case digit && (i == 0 || i == 1 && name[0] == '-'):
			fmt.Fprintf(&b, "\\%x ", r)
		case r == '-' && len(name) == 1:
			b.WriteString("\\-")
		default:
			writeNameRune(&b, r)
		}
	}
	return b.String()
}

// cssName writes what follows a # (CSSOM: an identifier without the rule about
// its start).
func cssName(name string) string {
	var b strings.Builder
	for _, r := range name {
		writeNameRune(&b, r)
	}
	return b.String()
}

func writeNameRune(b *strings.Builder, r rune) {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		b.WriteRune(r)
	case r > 0x20 && r < 0x7f && !isHex(byte(r)):
		b.WriteByte('\\')
		b.WriteRune(r)
	case r == 0xb7, r >= 0xc0 && r <= 0x1fff && r != 0xd7 && r != 0xf7 && r != 0x37e,
		r >= 0x2070 && r <= 0x218f, r >= 0x2c00 && r <= 0x2fef, r >= 0x3001 && r <= 0xd7ff,
		r >= 0xf900 && r <= 0xfdcf, r >= 0xfdf0 && r < 0xfffd, r >= 0x10000:
		// Identifier characters in every edition of CSS Syntax 3.
		b.WriteRune(r)
	default:
		fmt.Fprintf(b, "\\%x ", r)
	}
}

// cssString writes a string in double quotes (CSSOM, "serialize a string"). The
// characters that HTML and XML treat specially are escaped too.
func cssString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r < 0x20, r == 0x7f, r == '<', r == '>', r == '&', r == 0x2028, r == 0x2029, r == utf8.RuneError:
			fmt.Fprintf(&b, "\\%x ", r)
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
