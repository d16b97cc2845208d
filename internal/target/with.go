package target

import (
	"net/url"
	"strings"
)

// With returns the URL with the given parameters, written as key, value, key,
// value. Earlier values of these keys are removed; every other byte of the URL
// stays as it is, keys without value included. The parameters stand at the end
// of the query, before the fragment. Without pairs it is [URL.String]. An odd
// number of arguments is a mistake in the source and panics.
func (u URL) With(pairs ...string) string {
	if len(pairs)%2 != 0 {
		panic("target: With needs pairs of key and value")
	}
	if len(pairs) == 0 || u.raw == "" {
		return u.raw
	}
	head, fragment := u.raw, ""
	if i := strings.IndexByte(head, '#'); i >= 0 {
		head, fragment = head[:i], head[i:]
	}
	head, query, _ := strings.Cut(head, "?")

	var b strings.Builder
	b.Grow(len(u.raw) + 64)
	b.WriteString(head)
	b.WriteByte('?')
	start, first := b.Len(), true
	if query != "" {
		for part := range strings.SplitSeq(query, "&") {
			if isOneOf(part, pairs) {
				continue
			}
			if !first {
				b.WriteByte('&')
			}
			b.WriteString(part)
			first = false
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if s := b.String(); len(s) > start && s[len(s)-1] != '&' {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pairs[i]))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(pairs[i+1]))
	}
	b.WriteString(fragment)
	return b.String()
}

// isOneOf reports whether part of a query sets one of the keys in pairs.
func isOneOf(part string, pairs []string) bool {
	key, _, _ := strings.Cut(part, "=")
	if strings.ContainsAny(key, "%+") {
		key = unescape(key)
	}
	for i := 0; i < len(pairs); i += 2 {
		if key == pairs[i] {
			return true
		}
	}
	return false
}

// unescape decodes a key as WHATWG URL, "application/x-www-form-urlencoded
// parsing", does: a percent sign without two digits stands for itself.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Below returns the URL of the segment below u's path. A slash at the end of the
// path is not doubled; query and fragment stay as they are.
func (u URL) Below(segment string) (URL, error) {
	end := len(u.raw)
	if i := strings.IndexAny(u.raw, "?#"); i >= 0 {
		end = i
	}
	head := strings.TrimSuffix(u.raw[:end], "/")
	return Parse(head + "/" + url.PathEscape(segment) + u.raw[end:])
}
