package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/middleware"
)

func newAddresses(t testing.TB, trusted ...string) *middleware.Addresses {
	t.Helper()
	var list []netip.Prefix
	for _, s := range trusted {
		list = append(list, netip.MustParsePrefix(s))
	}
	a, err := middleware.NewAddresses(list)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAddressesOf(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1:1234"
	for _, c := range []struct {
		name, remote string
		xff, fwd     []string
		want         string
	}{
		{"no proxy", "192.0.2.1:99", nil, nil, "192.0.2.1"},
		{"v4 in v6", "[::ffff:192.0.2.1]:99", nil, nil, "192.0.2.1"},
		{"zone", "[fe80::1%eth0]:99", nil, nil, "fe80::1"},
		{"unix socket", "@", nil, nil, "invalid IP"},
		{"a stranger's header counts for nothing", "192.0.2.1:99", []string{"203.0.113.9"}, []string{"for=203.0.113.9"}, "192.0.2.1"},
		{"the proxy itself", proxy, nil, nil, "10.0.0.1"},

		{"xff", proxy, []string{"203.0.113.9"}, nil, "203.0.113.9"},
		{"xff: the rightmost that is no proxy", proxy, []string{"1.1.1.1, 203.0.113.9, 10.0.0.7"}, nil, "203.0.113.9"},
		{"xff over several lines", proxy, []string{"1.1.1.1", "203.0.113.9", "10.0.0.7"}, nil, "203.0.113.9"},
		{"xff: all are proxies", proxy, []string{"10.0.0.9, 10.0.0.7"}, nil, "10.0.0.9"},
		{"xff: a trusted v4 written as v6", proxy, []string{"203.0.113.9, ::ffff:10.0.0.7"}, nil, "203.0.113.9"},
		{"xff: v4 with port", proxy, []string{"203.0.113.9:4711"}, nil, "203.0.113.9"},
		{"xff: v6 with port", proxy, []string{"[2001:db8::1]:4711"}, nil, "2001:db8::1"},
		{"xff: bare v6", proxy, []string{"2001:db8::1"}, nil, "2001:db8::1"},
		{"xff: v6 with zone", proxy, []string{"fe80::1%eth0"}, nil, "fe80::1"},
		{"xff: garbage at the end", proxy, []string{"203.0.113.9, x"}, nil, "10.0.0.1"},
		{"xff: empty entry at the end", proxy, []string{"203.0.113.9,"}, nil, "10.0.0.1"},
		{"xff: empty", proxy, []string{""}, nil, "10.0.0.1"},
		{"xff: garbage before the client is the client's", proxy, []string{"x, 203.0.113.9"}, nil, "203.0.113.9"},
		{"xff: unknown", proxy, []string{"unknown"}, nil, "10.0.0.1"},
		{"xff: unspecified", proxy, []string{"0.0.0.0"}, nil, "10.0.0.1"},
		{"xff: bad port", proxy, []string{"203.0.113.9:x"}, nil, "10.0.0.1"},
		{"xff: open bracket", proxy, []string{"[2001:db8::1"}, nil, "10.0.0.1"},
		{"xff: v4 in brackets", proxy, []string{"[203.0.113.9]"}, nil, "10.0.0.1"},

		{"forwarded", proxy, nil, []string{"for=203.0.113.9"}, "203.0.113.9"},
		{"forwarded: RFC 7239, section 4", proxy, nil, []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"forwarded: all parameters", proxy, nil, []string{"for=203.0.113.9;proto=http;by=203.0.113.43"}, "203.0.113.9"},
		{"forwarded: rightmost that is no proxy", proxy, nil, []string{"for=1.1.1.1, for=203.0.113.9,for=10.0.0.7"}, "203.0.113.9"},
		{"forwarded: several lines", proxy, nil, []string{"for=1.1.1.1", "for=203.0.113.9"}, "203.0.113.9"},
		{"forwarded: empty elements", proxy, nil, []string{"for=203.0.113.9, ,"}, "203.0.113.9"},
		{"forwarded: escaped", proxy, nil, []string{`for="203.0.\113.9"`}, "203.0.113.9"},
		{"forwarded: hidden", proxy, nil, []string{"for=_secret"}, "10.0.0.1"},
		{"forwarded: unknown", proxy, nil, []string{"for=unknown"}, "10.0.0.1"},
		{"forwarded: hidden port", proxy, nil, []string{`for="203.0.113.9:_x1"`}, "203.0.113.9"},
		{"forwarded: element without for", proxy, nil, []string{"for=203.0.113.9, proto=https"}, "10.0.0.1"},
		{"forwarded: for twice", proxy, nil, []string{"for=203.0.113.9;for=203.0.113.8"}, "10.0.0.1"},
		{"forwarded: a quote left open by the client", proxy, nil, []string{`for=1.1.1.1;x=", for=203.0.113.9`}, "10.0.0.1"},
		{"forwarded: a quote left open swallows a quoted node", proxy, nil, []string{`for=1.1.1.1;x=", for="[2001:db8::1]"`}, "10.0.0.1"},
		{"forwarded: a quote left open in its own line", proxy, nil, []string{`for="1.1.1.1`, "for=203.0.113.9"}, "10.0.0.1"},
		{"forwarded: control character", proxy, nil, []string{"for=\"203.0.113.9\x01\""}, "10.0.0.1"},
		{"forwarded: a comma in quotes separates nothing", proxy, nil, []string{`for=203.0.113.9;x=", for=1.1.1.1"`}, "203.0.113.9"},

		{"both agree", proxy, []string{"203.0.113.9"}, []string{"for=203.0.113.9"}, "203.0.113.9"},
		{"both, the client wrote one", proxy, []string{"1.1.1.1, 203.0.113.9"}, []string{"for=6.6.6.6"}, "10.0.0.1"},
		{"both, one is broken", proxy, []string{"203.0.113.9"}, []string{"for="}, "10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAddresses(t, "10.0.0.0/8")
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			if c.xff != nil {
				r.Header["X-Forwarded-For"] = c.xff
			}
			if c.fwd != nil {
				r.Header["Forwarded"] = c.fwd
			}
			if got := a.Of(r).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAddressesKey(t *testing.T) {
	t.Parallel()
	a := newAddresses(t)
	for in, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"::ffff:192.0.2.1":    "192.0.2.1",
		"2001:db8:0:1:a::1":   "2001:db8:0:1::/64",
		"2001:db8:0:1:ffff::": "2001:db8:0:1::/64",
		"fe80::1%eth0":        "fe80::/64",
		"2001:db8:0:2::1":     "2001:db8:0:2::/64",
	} {
		if got := a.Key(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := a.Key(netip.Addr{}); got != "unknown" {
		t.Errorf("no address: got %s", got)
	}
}

func TestNewAddressesFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewAddresses([]netip.Prefix{{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::ffff:0.0.0.0/96"), netip.MustParsePrefix("10.0.0.0/8")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"proxy 0", "proxy 1", "proxy 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "proxy 3") {
		t.Errorf("%q names a good one", err)
	}
	// A proxy given as IPv4 in IPv6 is the IPv4 one.
	a, err := middleware.NewAddresses([]netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.1.2.3:4"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if got := a.Of(r).String(); got != "203.0.113.9" {
		t.Errorf("got %s", got)
	}
}

// FuzzForwarded holds two promises: whatever stands in the headers, there is an
// answer that is canonical, and what a client writes before the last hop never
// moves what the proxy itself adds after it, unless to the proxy's own address.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "for=1.1.1.1", `for="[2001:db8::1]:80";proto=https`, `x="`, `for="\`, ",;=", "1.1.1.1, ::1", `for=a;for=b`, "\x00"} {
		f.Add(s)
	}
	a := newAddresses(f, "10.0.0.0/8")
	proxy, real := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.9")
	f.Fuzz(func(t *testing.T, s string) {
		for _, h := range []http.Header{
			{"X-Forwarded-For": {s + ", 203.0.113.9"}},
			{"X-Forwarded-For": {s, "203.0.113.9"}},
			{"Forwarded": {s + ", for=203.0.113.9"}},
			{"Forwarded": {s, "for=203.0.113.9"}},
			{"Forwarded": {s}, "X-Forwarded-For": {"203.0.113.9"}},
			{"X-Forwarded-For": {s}, "Forwarded": {"for=203.0.113.9"}},
		} {
			r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: h}
			if got := a.Of(r); got != real && got != proxy {
				t.Errorf("%q: got %s", h, got)
			}
		}
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			got := a.Of(&http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{name: {s}}})
			if !got.IsValid() || got.Is4In6() || got.Zone() != "" {
				t.Errorf("%s: %q: got %v, want a canonical address", name, s, got)
			}
		}
	})
}
