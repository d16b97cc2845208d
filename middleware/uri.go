package middleware

import (
	"net/url"
	"strings"
)

// maxURI is the longest URI that is compared.
const maxURI = 4 << 10

// sameURI reports whether two http or https URIs name the same place when query
// and fragment are left out, as htu is compared (RFC 9449, section 4.3): after the
// normalization of RFC 3986, sections 6.2.2 and 6.2.3.
func sameURI(a, b string) bool {
	x, ok := normalURI(a)
	if !ok {
		return false
	}
	y, ok := normalURI(b)
	return ok && x == y
}

// normalURI returns the URI without query and fragment in the form in which it is
// compared; false when it is none of http or https, or names a user.
func normalURI(raw string) (string, bool) {
	if raw == "" || len(raw) > maxURI {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case scheme != "http" && scheme != "https":
		return "", false
	case scheme == "http" && port == "80", scheme == "https" && port == "443":
		port = ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return scheme + "://" + host + withoutDots(decodeUnreserved(u.EscapedPath())), true
}

// decodeUnreserved decodes what need not be encoded, and writes the rest with
// capital digits (RFC 3986, sections 6.2.2.1 and 6.2.2.2).
func decodeUnreserved(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
			b.WriteByte(s[i])
			continue
		}
		switch c := byte(unhex(s[i+1])<<4 | unhex(s[i+2])); {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// withoutDots removes the segments "." and ".." (RFC 3986, section 5.2.4). An
// empty path is "/" (section 6.2.3); doubled slashes stay, as they are no dots.
func withoutDots(path string) string {
	if path == "" {
		return "/"
	}
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "") // what ends in a dot segment ends in a slash
		}
	}
	return "/" + strings.Join(out, "/")
}
