// Package target holds the one type for places where a browser may be sent
// (returnUrl, errorUrl, abortUrl, redirect_uri): parsed once, compared as a
// browser would read it, and handed on byte for byte.
//
// The parser accepts only what the WHATWG URL standard and RFC 3986 read in the
// same way. Where a browser repairs what it is given (backslashes, tabs, missing
// or extra slashes, odd spellings of an address), the answer here is a refusal.
package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// MaxLength is the greatest length of a URL in bytes.
const MaxLength = 2048

// URL is an absolute URL that passed [Parse] or [ParseRedirect]. The zero URL is
// none: no set allows it.
type URL struct {
	raw    string
	origin string // "" for a private-use scheme
	path   string // as a browser would request it; "" for a private-use scheme
	// unclear says that servers disagree about what path means.
	unclear  bool
	http     bool // http, not https
	loopback bool
	port     [2]int // where the port with its colon stands in raw; equal for none
}

// Parse reads an absolute http or https URL of at most [MaxLength] bytes. It
// refuses userinfo, backslashes, white space, controls, quotes, angle brackets
// and raw non-ASCII characters anywhere, every host that is not written in its
// canonical form, and ports that are empty, zero or written with leading zeros.
func Parse(raw string) (URL, error) {
	if err := checkBytes(raw); err != nil {
		return URL{}, err
	}
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok {
		return URL{}, errors.New("not absolute: want https://host/…")
	}
	u := URL{raw: raw}
	switch {
	case strings.EqualFold(scheme, "https"):
		scheme = "https"
	case strings.EqualFold(scheme, "http"):
		scheme, u.http = "http", true
	default:
		return URL{}, errors.New("scheme is not http or https")
	}
	if !strings.HasPrefix(rest, "//") {
		return URL{}, errors.New("no // after the scheme")
	}
	authority := rest[2:]
	start := len(raw) - len(authority)
	end := len(authority)
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		end = i
	}
	authority, rest = authority[:end], authority[end:]
	if strings.Contains(authority, "@") {
		return URL{}, errors.New("it carries a user name")
	}
	host, port, err := splitPort(authority)
	if err != nil {
		return URL{}, err
	}
	u.port = [2]int{start + len(authority), start + len(authority)}
	if port != "" {
		u.port[0] -= len(port) + 1
	}
	lower := strings.ToLower(host)
	if u.loopback, err = checkHost(lower); err != nil {
		return URL{}, err
	}
	if port == "443" && !u.http || port == "80" && u.http {
		port = ""
	}
	switch {
	case lower == host && strings.HasPrefix(raw, scheme): // as nearly everybody writes it
		u.origin = raw[:start+len(host)]
		if port != "" {
			u.origin = raw[:u.port[1]]
		}
	case port != "":
		u.origin = scheme + "://" + lower + ":" + port
	default:
		u.origin = scheme + "://" + lower
	}
	path := rest
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		path = rest[:i]
	}
	if u.path, u.unclear, err = cleanPath(path); err != nil {
		return URL{}, err
	}
	return u, nil
}

// ParseRedirect reads an OAuth redirect URI: what [Parse] accepts, or a URI with
// a private-use scheme in reverse domain form (RFC 8252, section 7.1), such as
// com.example.app:/callback. It has no fragment (RFC 6749, section 3.1.2).
func ParseRedirect(raw string) (URL, error) {
	if err := checkBytes(raw); err != nil {
		return URL{}, err
	}
	if strings.Contains(raw, "#") {
		return URL{}, errors.New("it has a fragment")
	}
	scheme, rest, _ := strings.Cut(raw, ":")
	if !strings.Contains(scheme, ".") || strings.ContainsAny(scheme, "/?") {
		return Parse(raw)
	}
	for i := range len(scheme) {
		c := scheme[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !isDigit(scheme[i]) && !strings.Contains("+-.", scheme[i:i+1])) {
			return URL{}, errors.New("bad scheme")
		}
	}
	if rest == "" {
		return URL{}, errors.New("nothing after the scheme")
	}
	return URL{raw: raw}, nil
}

// String returns the URL byte for byte as it was given, and "" for the zero URL.
func (u URL) String() string { return u.raw }

// IsZero reports whether u is none.
func (u URL) IsZero() bool { return u.raw == "" }

// Origin returns scheme://host[:port] in the form of [store.TargetOrigin], and
// "" for a private-use scheme.
func (u URL) Origin() string { return u.origin }

// Path returns the path that a browser requests: at least "/", with dot segments
// resolved, also those that are written as %2e. It is "" for a private-use scheme.
func (u URL) Path() string { return u.path }

// IsLoopback reports whether the host is a loopback address, localhost or a name
// below localhost.
func (u URL) IsLoopback() bool { return u.loopback }

// checkBytes refuses what no URL contains. Browsers strip tabs and line breaks
// and read a backslash as a slash.
func checkBytes(raw string) error {
	if raw == "" {
		return errors.New("empty")
	}
	if len(raw) > MaxLength {
		return fmt.Errorf("longer than %d bytes", MaxLength)
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return errors.New("it contains white space or a control character")
		case c > 0x7f:
			return errors.New("it contains a character outside ASCII: percent-encode it")
		case c == '\\':
			return errors.New("it contains a backslash")
		case c == '"' || c == '<' || c == '>':
			return errors.New("it contains a quote or an angle bracket: percent-encode it")
		}
	}
	return nil
}

// splitPort splits host[:port].
func splitPort(authority string) (host, port string, err error) {
	host = authority
	// The colons of an IPv6 address stand inside its brackets.
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
		if port == "" || len(port) > 5 || port[0] == '0' || len(port) == 5 && port > "65535" {
			return "", "", errors.New("bad port")
		}
		for j := range len(port) {
			if !isDigit(port[j]) {
				return "", "", errors.New("bad port")
			}
		}
	}
	if host == "" {
		return "", "", errors.New("no host")
	}
	return host, port, nil
}

// checkHost checks a host in lower case. Browsers decode percent-encoding in
// hosts and rewrite every spelling of an address, so neither passes unless it is
// already what they would make of it.
func checkHost(host string) (loopback bool, err error) {
	if host[0] == '[' {
		a, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || "["+a.String()+"]" != host {
			return false, errors.New("bad IPv6 address: want the canonical form, without a zone")
		}
		return a.IsLoopback(), nil
	}
	if len(host) > 253 {
		return false, errors.New("host is too long")
	}
	last := ""
	for last = range strings.SplitSeq(host, ".") {
		if last == "" {
			return false, errors.New("host has an empty label")
		}
		if last[0] == '-' || last[len(last)-1] == '-' { // RFC 952: a sign, to some
			return false, errors.New("a label of the host begins or ends with a hyphen")
		}
		for i := range len(last) {
			if c := last[i]; !isDigit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return false, errors.New("bad host: want letters, digits, hyphens and dots (xn-- for others)")
			}
		}
	}
	// WHATWG URL, "ends in a number checker": such a host is an IPv4 address.
	// Some parsers go further, so nothing that only looks like one passes.
	if isNumber(last) {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is4() || a.String() != host {
			return false, errors.New("bad IPv4 address: want four decimal numbers")
		}
		return a.IsLoopback(), nil
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost"), nil
}

func isNumber(label string) bool {
	return strings.HasPrefix(label, "0x") || strings.Trim(label, "0123456789") == ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}
