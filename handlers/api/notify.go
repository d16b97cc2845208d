package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// notifyTimeout is how long a client has to answer its callbackUrl.
const notifyTimeout = 5 * time.Second

// errNotPublic answers an address inside somebody's own network.
var errNotPublic = errors.New("api: not a public address")

// NewNotifier returns what fetches the callbackUrl of clients (ConnectID: order
// fulfillment). It follows no redirect and speaks to public addresses alone,
// whatever a name resolves to: nobody reaches what stands beside the server through
// it. With insecureAllowLoopback, for development, this machine is allowed too.
func NewNotifier(insecureAllowLoopback bool) func(ctx context.Context, address string) error {
	d := &net.Dialer{
		Timeout: notifyTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("api: dial %s: %w", address, err)
			}
			if a := at.Addr().Unmap(); !isPublic(a) && !(insecureAllowLoopback && a.IsLoopback()) {
				return errNotPublic
			}
			return nil
		},
	}
	client := &http.Client{
		Timeout:       notifyTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: notifyTimeout, MaxResponseHeaderBytes: 16 << 10, IdleConnTimeout: time.Minute},
	}
	return func(ctx context.Context, address string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return errors.New("api: callbackUrl is none")
		}
		res, err := client.Do(req)
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address: it is the client's, and may hold a secret
		}
		if err != nil {
			return fmt.Errorf("api: callbackUrl: %w", err)
		}
		defer res.Body.Close() // unread: nothing that it says counts
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("api: callbackUrl answered %d", res.StatusCode)
		}
		return nil
	}
}

// notPublic are ranges of the registries of special addresses (RFC 6890) that
// package netip has no name for.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("192.88.99.0/24"), // relays of 6to4
	netip.MustParsePrefix("2002::/16"),      // any IPv4 address, by 6to4
	netip.MustParsePrefix("2001::/23"),      // of protocols, such as Teredo
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"), // for documents
}

// globalIPv6 is all of IPv6 that is given out for the Internet (RFC 4291, section
// 2.4). Outside stand the translated and the embedded forms of IPv4 addresses.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" || a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
