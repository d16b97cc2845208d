package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Addresses finds out which address a request comes from. The zero value trusts
// no proxy.
type Addresses struct {
	trusted []netip.Prefix
}

// NewAddresses returns the Addresses that believe the proxies in the given
// prefixes, and nobody else, about whom they forward for. None is fine: then
// every request comes from the peer of its connection. A prefix that is not
// valid, or that holds every address there is, is a fault.
func NewAddresses(trusted []netip.Prefix) (*Addresses, error) {
	var errs []error
	a := &Addresses{}
	for i, p := range trusted {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		switch {
		case !p.IsValid():
			errs = append(errs, fmt.Errorf("trusted proxy %d is no valid prefix", i))
		case p.Bits() == 0:
			errs = append(errs, fmt.Errorf("trusted proxy %d: %s is everybody, so anyone could claim any address", i, p))
		default:
			a.trusted = append(a.trusted, p.Masked())
		}
	}
	return a, errors.Join(errs...)
}

// Of returns the canonical address of the client that sent r: without zone, and
// as IPv4 where it is one. It is the zero Addr when the connection has no
// Internet address (a Unix socket); all such callers share one key.
//
// When the peer of the connection is a trusted proxy, the client is the last
// address in X-Forwarded-For, or in Forwarded (RFC 7239), that is not a trusted
// proxy itself: what stands before it was written by the client. When that place
// is malformed or hidden, or both headers are there and do not agree (a proxy
// sets one and passes the client's other on), the client is the peer: callers
// who tamper share one limit.
func (a *Addresses) Of(r *http.Request) netip.Addr {
	peer := peerOf(r.RemoteAddr)
	if !a.trusts(peer) {
		return peer
	}
	xff, fwd := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	if len(xff) == 0 && len(fwd) == 0 {
		return peer
	}
	var byXFF, byFwd netip.Addr
	okXFF, okFwd := true, true
	if len(xff) > 0 {
		byXFF, okXFF = a.lastUntrusted(forwardedForList(xff))
	}
	if len(fwd) > 0 {
		nodes, ok := parseForwarded(fwd)
		if okFwd = ok; ok {
			byFwd, okFwd = a.lastUntrusted(nodes)
		}
	}
	switch {
	case !okXFF || !okFwd:
		return peer
	case len(xff) == 0:
		return byFwd
	case len(fwd) == 0, byFwd == byXFF:
		return byXFF
	}
	return peer
}

// Key returns the name under which calls from addr are counted: the address, or
// for IPv6 its /64, as one subscriber has at least that many. The zero Addr is
// "unknown", one key for all.
func (a *Addresses) Key(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unknown"
	}
	addr = canonical(addr)
	if addr.Is4() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return "unknown" // only for lengths that are not written here
	}
	return p.String()
}

// KeyOf returns Key of the address of r: the usual [RateLimitConfig] Key.
func (a *Addresses) KeyOf(r *http.Request) string { return a.Key(a.Of(r)) }

func (a *Addresses) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(a.trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// lastUntrusted walks the chain from its end to the first address that is not a
// trusted proxy's. When all are, it is the first of the chain.
func (a *Addresses) lastUntrusted(chain []string) (netip.Addr, bool) {
	var addr netip.Addr
	for _, s := range slices.Backward(chain) {
		var ok bool
		if addr, ok = parseNode(s); !ok {
			return netip.Addr{}, false
		}
		if !a.trusts(addr) {
			return addr, true
		}
	}
	return addr, addr.IsValid()
}

// peerOf returns the address in a RemoteAddr of net/http.
func peerOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return canonical(ap.Addr())
	}
	if addr, err := netip.ParseAddr(remote); err == nil {
		return canonical(addr)
	}
	return netip.Addr{}
}

func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// forwardedForList returns the entries of all X-Forwarded-For lines, in order.
func forwardedForList(lines []string) []string {
	if len(lines) == 1 && !strings.Contains(lines[0], ",") {
		return lines
	}
	return strings.Split(strings.Join(lines, ","), ",")
}

// parseNode reads an address as proxies write it: bare, or with a port, and then
// IPv6 in brackets (RFC 7239, section 6). Hidden and unknown nodes are none.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	var addr netip.Addr
	var err error
	if strings.HasPrefix(s, "[") {
		host, port, found := strings.Cut(s[1:], "]")
		if !found || !strings.Contains(host, ":") || port != "" && !validPort(port) {
			return netip.Addr{}, false
		}
		addr, err = netip.ParseAddr(host)
	} else {
		if host, port, found := strings.Cut(s, ":"); found && !strings.Contains(port, ":") {
			if !validPort(":" + port) {
				return netip.Addr{}, false
			}
			s = host
		}
		addr, err = netip.ParseAddr(s)
	}
	if err != nil || addr.IsUnspecified() {
		return netip.Addr{}, false
	}
	return canonical(addr), true
}

// validPort reports whether s is a colon and a port, or an obfuscated one
// (RFC 7239, section 6.3).
func validPort(s string) bool {
	s, ok := strings.CutPrefix(s, ":")
	if rest, hidden := strings.CutPrefix(s, "_"); hidden {
		return ok && rest != "" && !strings.ContainsFunc(rest, func(c rune) bool {
			return c >= 0x80 || !isTokenByte(byte(c))
		})
	}
	return ok && len(s) >= 1 && len(s) <= 5 && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}
