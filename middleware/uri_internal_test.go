package middleware

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/internal/dpoptest"
	"github.com/connectid-kit/connectid/store/memstore"
)

// RFC 3986, sections 6.2.2 and 6.2.3.
func TestSameURI(t *testing.T) {
	t.Parallel()
	const base = "https://server.test/a/b"
	for uri, same := range map[string]bool{
		base: true, "HTTPS://SERVER.Test/a/b": true, "https://server.test:443/a/b": true, "https://server.test:/a/b": true,
		"https://server.test/%61/b": true, "https://server.test/./a/x/../b": true, "https://server.test/../a/b": true,
		"https://server.test/a/%2E/b": true, base + "?q=1": true, base + "#f": true,
		"https://server.test/A/b": false, "https://server.test/a/b/": false, "https://server.test//a/b": false, "https://server.test/a//b": false,
		"https://server.test:8443/a/b": false, "https://server.test:80/a/b": false, "http://server.test/a/b": false, "http://server.test:443/a/b": false,
		"https://server.test.evil.test/a/b": false, "https://u@server.test/a/b": false, "https://u:p@server.test/a/b": false,
		"https://evil.test/https://server.test/a/b": false, "https://server.test/a%2Fb": false, "https://server.test/a%2fb": false,
		"//server.test/a/b": false, "/a/b": false, "": false, "https:server.test/a/b": false, "https:///a/b": false, "javascript:alert(1)": false,
		"https://server.test/a/b ": false, " https://server.test/a/b": false, "https://server.test/a/b\n": false, "https://server.test/%zz": false,
		`https://server.test\@evil.test/a/b`: false, "https://server.test/" + strings.Repeat("./", 4000) + "a/b": false,
	} {
		if got := sameURI(uri, base); got != same {
			t.Errorf("%.60q: %v, want %v", uri, got, same)
		}
	}
	for _, pair := range [][2]string{
		{"https://server.test", "https://server.test/"}, {"https://[2001:DB8::1]:443/", "https://[2001:db8::1]"}, {"http://h:80", "http://h/"},
		{"https://h/a/..", "https://h/"}, {"https://h/a/.", "https://h/a/"}, {"https://h/%e2%82%ac", "https://h/%E2%82%AC"}, {"https://h/%7e", "https://h/~"},
	} {
		if !sameURI(pair[0], pair[1]) {
			t.Errorf("%q is not %q", pair[0], pair[1])
		}
	}
}

// FuzzSameURI: what is the same has the same host and, decoded, the same path
// without dot segments, and comparing knows no order.
func FuzzSameURI(f *testing.F) {
	for _, s := range []string{"https://h/a", "https://h:443/%61", "http://h/../a/./b//c", "https://[::1]/%2e%2E/x", "https://h?q#f", "https://u@h/", "https://h/%", "HTTPS://H/%C3%A6"} {
		f.Add(s, "https://h/a")
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := normalURI(a)
		if ok {
			if again, ok := normalURI(x); !ok || again != x {
				t.Fatalf("%q is %q, and that is %q", a, x, again)
			}
			for _, s := range strings.Split(strings.TrimPrefix(x, "https://"), "/") {
				if s == "." || s == ".." {
					t.Fatalf("%q is %q", a, x)
				}
			}
			u, err := url.Parse(x)
			v, err2 := url.Parse(a)
			if err != nil || err2 != nil || !strings.EqualFold(u.Hostname(), v.Hostname()) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
				t.Fatalf("%q is %q", a, x)
			}
		}
		if sameURI(a, b) != sameURI(b, a) || sameURI(a, a) != ok {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

// FuzzProof: whatever a caller sends, only what its key signed is a proof.
func FuzzProof(f *testing.F) {
	key, other := dpoptest.NewKey(f), dpoptest.NewKey(f)
	d, err := NewDPoP(DPoPConfig{Tickets: memstore.New(), Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	if err != nil {
		f.Fatal(err)
	}
	const address = "https://h/a"
	good := key.Proof("GET", address, dpoptest.Nonce(d.nonce()))
	f.Add(good, part(good, 0), part(good, 1))
	f.Add("a.b.c", `{"typ":"dpop+jwt","alg":"none"}`, `{"jti":1}`)
	f.Add(other.Proof("GET", address), `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AA"}}`, `{"jti":"a","htm":"GET","htu":"https://h/a","iat":1e308}`)
	f.Fuzz(func(t *testing.T, raw, header, claims string) {
		for _, proof := range []string{raw, key.Sign(header, claims)} {
			k, c, err := parseProof(proof)
			if _, checkErr := d.check(proof, "GET", address, "", time.Now()); err != nil && checkErr == nil {
				t.Fatalf("%q passes", proof)
			}
			if err != nil {
				if e, ok := err.(*ProofError); !ok || e.Description == "" || strings.ContainsAny(e.Description, "\"\\\r\n") {
					t.Fatalf("%q: %v", proof, err)
				}
				continue
			}
			if k.IsZero() || c.ID == "" || len(c.ID) > maxJTI || c.Method == "" || c.URI == "" || c.IssuedAt <= 0 {
				t.Fatalf("%q says %+v", proof, c)
			}
			if proof != raw && k != key.Thumbprint() {
				t.Fatalf("%q is a proof of a key that did not sign it", proof)
			}
		}
	})
}

func part(jwt string, i int) string {
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[i])
	if err != nil {
		panic(err)
	}
	return string(b)
}
