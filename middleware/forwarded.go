package middleware

import "strings"

// parseForwarded returns the values of the for parameters in all Forwarded
// lines, in order, one per element (RFC 7239, section 4). It is false when a
// line breaks the grammar, or when an element has no for: then nobody can say
// who stands behind it.
//
// Each line is read from its start on its own, so that a quote that a client
// left open cannot swallow what a proxy adds.
func parseForwarded(lines []string) ([]string, bool) {
	var nodes []string
	for _, line := range lines {
		p := forwardedParser{s: line}
		for !p.done() {
			node, empty, ok := p.element()
			if !ok {
				return nil, false
			}
			if !empty {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes, len(nodes) > 0
}

// forwardedParser reads one line of the header.
type forwardedParser struct {
	s string
	i int
}

func (p *forwardedParser) done() bool { return p.i >= len(p.s) }

func (p *forwardedParser) space() {
	for !p.done() && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

// element reads pairs up to and with the next comma. An empty element is allowed
// (RFC 9110, section 5.6.1.2).
func (p *forwardedParser) element() (node string, empty, ok bool) {
	empty = true
	for {
		p.space()
		if !p.done() && p.s[p.i] != ';' && p.s[p.i] != ',' {
			name, value, valid := p.pair()
			if !valid {
				return "", false, false
			}
			if strings.EqualFold(name, "for") {
				if node != "" || value == "" {
					return "", false, false // a parameter stands once in an element
				}
				node = value
			}
			empty = false
			p.space()
		}
		if p.done() {
			break
		}
		c := p.s[p.i]
		p.i++
		if c == ',' {
			break
		}
		if c != ';' {
			return "", false, false
		}
		empty = false
	}
	return node, empty, empty || node != ""
}

// pair reads token "=" ( token / quoted-string ).
func (p *forwardedParser) pair() (name, value string, ok bool) {
	name = p.token()
	if name == "" || p.done() || p.s[p.i] != '=' {
		return "", "", false
	}
	p.i++
	if p.done() {
		return "", "", false
	}
	if p.s[p.i] == '"' {
		value, ok = p.quoted()
		return name, value, ok
	}
	value = p.token()
	return name, value, value != ""
}

func (p *forwardedParser) token() string {
	from := p.i
	for !p.done() && isTokenByte(p.s[p.i]) {
		p.i++
	}
	return p.s[from:p.i]
}

// quoted reads a quoted-string (RFC 9110, section 5.6.4).
func (p *forwardedParser) quoted() (string, bool) {
	p.i++
	var b strings.Builder
	for !p.done() {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\':
			if p.done() {
				return "", false
			}
			c = p.s[p.i]
			p.i++
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

// isTokenByte reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
