package middleware_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/internal/dpoptest"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// The examples of RFC 9449, sections 4.1, 6.1 and 7.1.
const (
	rfcHeader = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
	rfcTokenProof = rfcHeader + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
		"WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcResourceProof = rfcHeader + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
		"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9." +
		"2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcThumbprint  = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	rfcAccessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
)

const (
	apiURL   = "https://api.test/base"
	callURL  = "https://api.test/base/thing"
	boundTok = "bound-token-VmFsaWQ"
)

var dpopKeys = [][]byte{bytes.Repeat([]byte{1, 2, 3, 4}, 8)}

func newDPoP(tb testing.TB, s store.Tickets, change ...func(*middleware.DPoPConfig)) *middleware.DPoP {
	tb.Helper()
	c := middleware.DPoPConfig{Tickets: s, Keys: dpopKeys}
	for _, f := range change {
		f(&c)
	}
	d, err := middleware.NewDPoP(c)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func skipNonce(c *middleware.DPoPConfig) { c.InsecureSkipNonce = true }

func nonceOf(d *middleware.DPoP) string {
	h := http.Header{}
	d.SetNonce(h)
	return h.Get("DPoP-Nonce")
}

// request is one with the given proofs.
func request(method string, proofs ...string) *http.Request {
	r := httptest.NewRequest(method, "http://behind.proxy.internal/", nil)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

// proofCode is the code of a proof's fault, "" for none.
func proofCode(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*middleware.ProofError](err)
	if !ok {
		t.Fatalf("error %v is no ProofError", err)
	}
	return e.Code
}

func rounds(tb testing.TB) int {
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatalf("SOAK_ROUNDS: %v", err)
		}
		return n
	}
	if testing.Short() {
		return 20
	}
	return 200
}

func TestProofExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDPoP(t, memstore.New(), skipNonce)
		time.Sleep(time.Until(time.Unix(1562262616, 0)))
		for _, c := range []struct{ proof, method, address, token string }{
			{rfcTokenProof, "POST", "https://server.example.com/token", ""},
			{rfcResourceProof, "GET", "https://resource.example.org/protectedresource", rfcAccessToken},
		} {
			p, err := d.Check(request(c.method, c.proof), c.address, c.token)
			if err != nil {
				t.Fatal(err)
			}
			if got := base64.RawURLEncoding.EncodeToString(p.Key[:]); got != rfcThumbprint {
				t.Errorf("thumbprint %s, want %s", got, rfcThumbprint)
			}
		}
		if _, err := d.Check(request("GET", rfcResourceProof), "https://resource.example.org/protectedresource", "other"); proofCode(t, err) != "invalid_dpop_proof" {
			t.Errorf("with another token: %v", err)
		}
	})
}

// RFC 9449, section 4.3: each point, broken alone.
func TestProofFaults(t *testing.T) {
	t.Parallel()
	d := newDPoP(t, memstore.New())
	key, other := dpoptest.NewKey(t), dpoptest.NewKey(t)
	nonce := dpoptest.Nonce(nonceOf(d))
	const method, address, token = "POST", "https://login.test/user/oauth/token", "the-token"
	with := func(changes ...dpoptest.Change) string {
		return key.Proof(method, address, append([]dpoptest.Change{nonce, dpoptest.For(token)}, changes...)...)
	}
	good := with()
	if _, err := d.Check(request(method, good), address, token); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	p384 := dpoptest.KeyOf(t, "ES384", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now().Unix()
	const invalid, use = "invalid_dpop_proof", "use_dpop_nonce"
	for name, c := range map[string]struct {
		proofs []string
		code   string
	}{
		"point 1, no proof":                {nil, invalid},
		"point 1, two proofs":              {[]string{with(), with()}, invalid},
		"point 2, empty":                   {[]string{""}, invalid},
		"point 2, no JWT":                  {[]string{"x"}, invalid},
		"point 2, two of five parts":       {[]string{parts[0] + "." + parts[1]}, invalid},
		"point 2, two JWTs in one field":   {[]string{good + ", " + with()}, invalid},
		"point 2, JSON serialization":      {[]string{`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`}, invalid},
		"point 2, oversized":               {[]string{with(dpoptest.Claim("x", strings.Repeat("x", 9000)))}, invalid},
		"point 2, claims are no object":    {[]string{key.Sign(decode(parts[0]), `[]`)}, invalid},
		"point 2, a claim twice":           {[]string{key.Sign(decode(parts[0]), strings.Replace(decode(parts[1]), "{", `{"htm":"POST",`, 1))}, invalid},
		"point 2, a header member twice":   {[]string{key.Sign(strings.Replace(decode(parts[0]), "{", `{"typ":"dpop+jwt",`, 1), decode(parts[1]))}, invalid},
		"point 3, no jti":                  {[]string{with(dpoptest.Claim("jti", nil))}, invalid},
		"point 3, empty jti":               {[]string{with(dpoptest.Claim("jti", ""))}, invalid},
		"point 3, jti is a number":         {[]string{with(dpoptest.Claim("jti", 7))}, invalid},
		"point 3, oversized jti":           {[]string{with(dpoptest.Claim("jti", strings.Repeat("x", 257)))}, invalid},
		"point 3, no htm":                  {[]string{with(dpoptest.Claim("htm", nil))}, invalid},
		"point 3, no htu":                  {[]string{with(dpoptest.Claim("htu", nil))}, invalid},
		"point 3, no iat":                  {[]string{with(dpoptest.Claim("iat", nil))}, invalid},
		"point 3, iat is a string":         {[]string{with(dpoptest.Claim("iat", strconv.FormatInt(now, 10)))}, invalid},
		"point 3, iat is negative":         {[]string{with(dpoptest.Claim("iat", -1))}, invalid},
		"point 3, iat is huge":             {[]string{with(dpoptest.Claim("iat", 1e300))}, invalid},
		"point 3, claims in another case":  {[]string{with(dpoptest.Claim("jti", nil), dpoptest.Claim("JTI", "x"))}, invalid},
		"point 4, no typ":                  {[]string{with(dpoptest.Header("typ", nil))}, invalid},
		"point 4, typ JWT":                 {[]string{with(dpoptest.Header("typ", "JWT"))}, invalid},
		"point 4, typ is an object":        {[]string{with(dpoptest.Header("typ", map[string]any{}))}, invalid},
		"point 5, no alg":                  {[]string{with(dpoptest.Header("alg", nil))}, invalid},
		"point 5, none":                    {[]string{with(dpoptest.Header("alg", "none"))}, invalid},
		"point 5, none without signature":  {[]string{strings.TrimSuffix(with(dpoptest.Header("alg", "none")), strings.Split(with(), ".")[2])}, invalid},
		"point 5, symmetric":               {[]string{with(dpoptest.Header("alg", "HS256"))}, invalid},
		"point 5, not in the list":         {[]string{p384.Proof(method, address, nonce, dpoptest.For(token))}, invalid},
		"point 5, alg of another key type": {[]string{with(dpoptest.Header("alg", "RS256"))}, invalid},
		"point 5, curve of another alg":    {[]string{p384.Proof(method, address, nonce, dpoptest.For(token), dpoptest.Header("alg", "ES256"))}, invalid},
		"point 5, crit":                    {[]string{with(dpoptest.Header("crit", []string{"b64"}), dpoptest.Header("b64", true))}, invalid},
		"point 6, no jwk":                  {[]string{with(dpoptest.Header("jwk", nil))}, invalid},
		"point 6, jwk is a string":         {[]string{with(dpoptest.Header("jwk", "x"))}, invalid},
		"point 6, jwk without y":           {[]string{with(dpoptest.JWK("y", nil))}, invalid},
		"point 6, jwk off the curve":       {[]string{with(dpoptest.JWK("y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))}, invalid},
		"point 6, another key":             {[]string{with(func(p dpoptest.Parts) { p.Header["jwk"] = header(other)["jwk"] })}, invalid},
		"point 6, another's signature":     {[]string{parts[0] + "." + parts[1] + "." + strings.Split(with(), ".")[2]}, invalid},
		"point 6, no signature":            {[]string{parts[0] + "." + parts[1] + "."}, invalid},
		"point 7, private":                 {[]string{with(dpoptest.JWK("d", base64.RawURLEncoding.EncodeToString(must(private.Bytes()))))}, invalid},
		"point 7, part of a private RSA":   {[]string{with(dpoptest.JWK("p", "AQAB"))}, invalid},
		"point 7, symmetric":               {[]string{with(dpoptest.Header("jwk", map[string]any{"kty": "oct", "k": "AAAA"}))}, invalid},
		"point 8, another method":          {[]string{with(dpoptest.Claim("htm", "GET"))}, invalid},
		"point 8, small letters":           {[]string{with(dpoptest.Claim("htm", "post"))}, invalid},
		"point 9, another path":            {[]string{with(dpoptest.Claim("htu", address+"/"))}, invalid},
		"point 9, another host":            {[]string{with(dpoptest.Claim("htu", "https://evil.test/user/oauth/token"))}, invalid},
		"point 9, another scheme":          {[]string{with(dpoptest.Claim("htu", "http://login.test/user/oauth/token"))}, invalid},
		"point 9, the Host header's":       {[]string{with(dpoptest.Claim("htu", "http://behind.proxy.internal/"))}, invalid},
		"point 10, no nonce":               {[]string{with(dpoptest.Claim("nonce", nil))}, use},
		"point 10, empty nonce":            {[]string{with(dpoptest.Nonce(""))}, use},
		"point 10, nonce of somebody else": {[]string{with(dpoptest.Nonce("AAAAAAAAAAAAAAAAAAAAAA"))}, use},
		"point 11, too old":                {[]string{with(dpoptest.Claim("iat", now-62))}, invalid},
		"point 11, from the future":        {[]string{with(dpoptest.Claim("iat", now+62))}, invalid},
		"point 12, no ath":                 {[]string{with(dpoptest.Claim("ath", nil))}, invalid},
		"point 12, ath of another token":   {[]string{with(dpoptest.For("another"))}, invalid},
		"point 12, ath padded":             {[]string{with(dpoptest.Claim("ath", "x="))}, invalid},
	} {
		if _, err := d.Check(request(method, c.proofs...), address, token); proofCode(t, err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		} else if e, _ := errors.AsType[*middleware.ProofError](err); strings.ContainsAny(e.Description, "\"\\\r\n") || e.Description == "" {
			t.Errorf("%s: description %q", name, e.Description)
		}
	}
	// RFC 9449, section 4.3: query and fragment do not count; section 4.2: unknown
	// claims and header members are allowed.
	for name, change := range map[string]dpoptest.Change{
		"query":            dpoptest.Claim("htu", address+"?a=b"),
		"fragment":         dpoptest.Claim("htu", address+"#x"),
		"port and case":    dpoptest.Claim("htu", "HTTPS://LOGIN.test:443/user/./oauth/x/../%74oken"),
		"unknown claim":    dpoptest.Claim("x", map[string]any{"a": 1}),
		"unknown member":   dpoptest.Header("x", 1),
		"kid in the key":   dpoptest.JWK("kid", "k1"),
		"iat with decimal": dpoptest.Claim("iat", float64(now)+0.25),
	} {
		if _, err := d.Check(request(method, with(change)), address, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func decode(part string) string { return string(must(base64.RawURLEncoding.DecodeString(part))) }

// header returns the header of a key's proofs.
func header(k *dpoptest.Key) (h map[string]any) {
	k.Proof("GET", "/", func(p dpoptest.Parts) { h = p.Header })
	return h
}

func TestProofAlgorithms(t *testing.T) {
	t.Parallel()
	d := newDPoP(t, memstore.New(), skipNonce)
	big := must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	if got := strings.Join(middleware.DPoPAlgs(), " "); got != "ES256 RS256 PS256 EdDSA" {
		t.Errorf("algorithms %s", got)
	}
	for alg, key := range map[string]*dpoptest.Key{
		"ES256": dpoptest.NewKey(t), "RS256": dpoptest.KeyOf(t, "RS256", big), "PS256": dpoptest.KeyOf(t, "PS256", big),
		"EdDSA": dpoptest.KeyOf(t, "EdDSA", ed),
	} {
		p, err := d.Check(request("GET", key.Proof("GET", callURL)), callURL, "")
		if err != nil || p.Key != key.Thumbprint() {
			t.Errorf("%s: %v", alg, err)
		}
	}
	for _, bits := range []int{1024, 4608} {
		key := dpoptest.KeyOf(t, "RS256", must(rsa.GenerateKey(rand.Reader, bits)))
		if _, err := d.Check(request("GET", key.Proof("GET", callURL)), callURL, ""); proofCode(t, err) != "invalid_dpop_proof" {
			t.Errorf("RSA of %d bits: %v", bits, err)
		}
	}
}

func TestProofWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		d := newDPoP(t, s, skipNonce, func(c *middleware.DPoPConfig) { c.Window = 10 * time.Second })
		key := dpoptest.NewKey(t)
		for _, c := range []struct {
			offset, wait int
			ok           bool
		}{{0, 0, true}, {0, 10, true}, {0, 11, false}, {10, 0, true}, {11, 0, false}, {11, 1, true}, {-10, 0, true}, {-11, 0, false}} {
			r := request("GET", key.Proof("GET", callURL, dpoptest.Claim("iat", time.Now().Unix()+int64(c.offset))))
			time.Sleep(time.Duration(c.wait) * time.Second)
			if _, err := d.Check(r, callURL, ""); (err == nil) != c.ok {
				t.Errorf("iat %+d s, shown after %d s: %v", c.offset, c.wait, err)
			}
		}
		// For as long as a proof is good, it is known to be used.
		r := request("GET", key.Proof("GET", callURL, dpoptest.Claim("iat", time.Now().Unix()+10)))
		for second := range 21 {
			p, err := d.Check(r, callURL, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Spend(t.Context(), p, "c"); (err == nil) != (second == 0) {
				t.Errorf("second %d: %v", second, err)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestNonceRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		older := bytes.Repeat([]byte{9, 8, 7, 6}, 8)
		d := newDPoP(t, s)
		node := newDPoP(t, s)
		rotated := newDPoP(t, s, func(c *middleware.DPoPConfig) { c.Keys = append([][]byte{older}, dpopKeys...) })
		foreign := newDPoP(t, s, func(c *middleware.DPoPConfig) { c.Keys = [][]byte{older} })
		key := dpoptest.NewKey(t)
		first := nonceOf(d)
		check := func(d *middleware.DPoP, nonce string) string {
			_, err := d.Check(request("GET", key.Proof("GET", callURL, dpoptest.Nonce(nonce))), callURL, "")
			return proofCode(t, err)
		}
		if len(first) != 22 || first != nonceOf(node) {
			t.Errorf("nonces %q and %q of two nodes", first, nonceOf(node))
		}
		for name, c := range map[string]struct {
			d    *middleware.DPoP
			code string
		}{"the same": {d, ""}, "another node": {node, ""}, "keys rotated": {rotated, ""}, "another kit": {foreign, "use_dpop_nonce"}} {
			if got := check(c.d, first); got != c.code {
				t.Errorf("%s: %q, want %q", name, got, c.code)
			}
		}
		if nonceOf(rotated) == first {
			t.Error("the new key makes the same nonce")
		}
		for minute := 1; minute <= 15; minute++ {
			time.Sleep(time.Minute)
			code := check(d, first)
			if minute <= 5 && code != "" || minute >= 10 && code != "use_dpop_nonce" {
				t.Errorf("after %d minutes: %q", minute, code)
			}
		}
		if check(d, nonceOf(d)) != "" || nonceOf(d) == first {
			t.Error("the nonce does not change")
		}
		// A node whose clock is ahead gives out the next one.
		late := request("GET", "")
		time.Sleep(5 * time.Minute)
		next := nonceOf(d)
		late.Header.Set("DPoP", key.Proof("GET", callURL, dpoptest.Nonce(next)))
		if got := check(d, next); got != "" {
			t.Errorf("next nonce: %q", got)
		}
		if skip := newDPoP(t, s, skipNonce); nonceOf(skip) != "" || check(skip, "whatever") != "" {
			t.Error("a nonce is given out or demanded although it is switched off")
		}
	})
}

// RFC 9449, section 11.1: of 64 callers with one proof exactly one passes.
func TestOneProofRace(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	d := newDPoP(t, s)
	key := dpoptest.NewKey(t)
	for round := range rounds(t) {
		proof := key.Proof("GET", callURL, dpoptest.Nonce(nonceOf(d)))
		var passed, replayed atomic.Int32
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				p, err := d.Check(request("GET", proof), callURL, "")
				if err == nil {
					err = d.Spend(context.Background(), p, "c")
				}
				switch e, ok := errors.AsType[*middleware.ProofError](err); {
				case err == nil:
					passed.Add(1)
				case ok && e.Code == "invalid_dpop_proof":
					replayed.Add(1)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 1 || replayed.Load() != 63 {
			t.Fatalf("round %d: %d passed, %d were replays", round, passed.Load(), replayed.Load())
		}
	}
	// The jti counts for its key: two clients may use the same.
	other := dpoptest.NewKey(t)
	for i, k := range []*dpoptest.Key{key, other, key} {
		p, err := d.Check(request("GET", k.Proof("GET", callURL, dpoptest.Nonce(nonceOf(d)), dpoptest.Claim("jti", "same"))), callURL, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Spend(t.Context(), p, "c"); (err == nil) != (i < 2) {
			t.Errorf("proof %d with one jti: %v", i, err)
		}
	}
}

func TestNewDPoPFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewDPoP(middleware.DPoPConfig{Window: time.Millisecond})
	for _, want := range []string{"Tickets", "Keys", "Window"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	s := memstore.New()
	for _, url := range []string{"", "api.test", "ftp://api.test", "https://u@api.test", "https://api.test/?x"} {
		if _, err := middleware.NewBearer(middleware.BearerConfig{Grants: s, Clients: s, DPoP: newDPoP(t, s), URL: url}); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Errorf("URL %q: %v", url, err)
		}
	}
}

// bound is a store with a token that is bound to a key, and a Bearer that takes it.
func bound(tb testing.TB, s store.Store, key *dpoptest.Key, change ...func(*middleware.BearerConfig)) (*middleware.Bearer, *middleware.DPoP) {
	tb.Helper()
	fill(tb, s)
	now := time.Now()
	err := s.PutAccessToken(tb.Context(), store.AccessToken{
		Hash: store.DigestOf(boundTok), ClientID: "site", DPoPKey: key.Thumbprint(), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	d := newDPoP(tb, s)
	c := middleware.BearerConfig{Grants: s, Clients: s, DPoP: d, URL: apiURL}
	for _, f := range change {
		f(&c)
	}
	b, err := middleware.NewBearer(c)
	if err != nil {
		tb.Fatal(err)
	}
	return b, d
}

// callWith is a GET of /thing with an Authorization and proofs.
func callWith(authorization string, proofs ...string) *http.Request {
	r := request("GET", proofs...)
	r.URL.Path = "/thing"
	r.Header.Set("Authorization", authorization)
	return r
}

func TestBearerDPoP(t *testing.T) {
	t.Parallel()
	s, key, other := memstore.New(), dpoptest.NewKey(t), dpoptest.NewKey(t)
	b, d := bound(t, s, key)
	h := b.Handler(okHandler)
	proof := func(k *dpoptest.Key, token string, changes ...dpoptest.Change) string {
		return k.Proof("GET", callURL, append([]dpoptest.Change{dpoptest.Nonce(nonceOf(d)), dpoptest.For(token)}, changes...)...)
	}
	const algs = `algs="ES256 RS256 PS256 EdDSA"`
	bearer := func(code string) []string { return []string{`Bearer realm="connectid"` + code, `DPoP ` + algs} }
	used := proof(key, boundTok)
	if w := serve(h, callWith("DPoP "+boundTok, used)); w.Code != 200 || w.Header().Get("DPoP-Nonce") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		want   []string // WWW-Authenticate, each up to its end or description
	}{
		"scheme in any case":        {callWith("dpop  "+boundTok, proof(key, boundTok)), 200, nil},
		"bearer":                    {callWith("Bearer " + userToken), 200, nil},
		"bearer with a proof":       {callWith("Bearer "+userToken, "nonsense"), 200, nil}, // which nobody has asked for
		"nothing":                   {request("GET"), 401, bearer("")},
		"another scheme":            {callWith("Basic eDp5"), 401, bearer("")},
		"DPoP without token":        {callWith("DPoP "), 401, bearer("")},
		"unknown as Bearer":         {callWith("Bearer x"), 401, bearer(`, error="invalid_token"`)},
		"unknown as DPoP":           {callWith("DPoP x", proof(key, "x")), 401, []string{`DPoP realm="connectid", error="invalid_token"`}},
		"malformed as DPoP":         {callWith(`DPoP a"b`), 401, []string{`DPoP realm="connectid", error="invalid_token"`}},
		"bound as Bearer":           {callWith("Bearer " + boundTok), 401, bearer(`, error="invalid_token"`)},
		"bound as Bearer, proof":    {callWith("Bearer "+boundTok, proof(key, boundTok)), 401, bearer(`, error="invalid_token"`)},
		"unbound as DPoP":           {callWith("DPoP "+userToken, proof(key, userToken)), 401, []string{`DPoP realm="connectid", error="invalid_token"`}},
		"no proof":                  {callWith("DPoP " + boundTok), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"two proofs":                {callWith("DPoP "+boundTok, proof(key, boundTok), proof(key, boundTok)), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"used proof":                {callWith("DPoP "+boundTok, used), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"proof of another key":      {callWith("DPoP "+boundTok, proof(other, boundTok)), 401, []string{`DPoP realm="connectid", error="invalid_token"`}},
		"proof of another token":    {callWith("DPoP "+boundTok, proof(key, userToken)), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"proof of another call":     {callWith("DPoP "+boundTok, proof(key, boundTok, dpoptest.Claim("htu", apiURL+"/other"))), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"proof of another method":   {callWith("DPoP "+boundTok, proof(key, boundTok, dpoptest.Claim("htm", "POST"))), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
		"proof without nonce":       {callWith("DPoP "+boundTok, proof(key, boundTok, dpoptest.Claim("nonce", nil))), 401, []string{`DPoP realm="connectid", error="use_dpop_nonce"`}},
		"both headers":              {twice(callWith("DPoP "+boundTok, proof(key, boundTok)), "Bearer "+userToken), 400, []string{`Bearer realm="connectid", error="invalid_request"`}},
		"address of the Host field": {callWith("DPoP "+boundTok, proof(key, boundTok, dpoptest.Claim("htu", "http://behind.proxy.internal/thing"))), 401, []string{`DPoP realm="connectid", error="invalid_dpop_proof"`}},
	} {
		w := serve(h, c.r)
		got := w.Header().Values("WWW-Authenticate")
		if w.Code != c.status || len(got) != len(c.want) {
			t.Errorf("%s: answer %d %q, want %d %q", name, w.Code, got, c.status, c.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) || strings.HasPrefix(got[i], "DPoP") && !strings.Contains(got[i], algs) {
				t.Errorf("%s: challenge %q, want %q", name, got[i], c.want[i])
			}
		}
		// RFC 9449, section 9: with a proof that is refused there comes a nonce, in an
		// answer that no cache keeps (section 8.2).
		about := strings.Contains(strings.Join(got, ""), "dpop")
		if about != (w.Header().Get("DPoP-Nonce") != "") && c.status != 200 || about && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
	if w := serve(h, callWith("Bearer "+userToken)); w.Header().Get("DPoP-Nonce") != "" || w.Header().Get("Cache-Control") != "" {
		t.Errorf("a bearer token is answered with %v", w.Header())
	}
	// Rights are refused in the scheme of the token (RFC 9449, section 7.1).
	hdr := http.Header{}
	e, _ := errors.AsType[*middleware.BearerError](middleware.RequireUserToken(middleware.Token{AccessToken: store.AccessToken{DPoPKey: key.Thumbprint()}}))
	e.Challenge(hdr)
	if got := hdr.Get("WWW-Authenticate"); !strings.HasPrefix(got, `DPoP realm="connectid", error="insufficient_scope"`) {
		t.Errorf("challenge %q", got)
	}
}

func twice(r *http.Request, authorization string) *http.Request {
	r.Header.Add("Authorization", authorization)
	return r
}

// Without a checker a bound token is no token, and DPoP is not offered.
func TestBearerWithoutDPoP(t *testing.T) {
	t.Parallel()
	s, key := memstore.New(), dpoptest.NewKey(t)
	b, _ := bound(t, s, key, func(c *middleware.BearerConfig) { c.DPoP = nil })
	h := b.Handler(okHandler)
	for _, r := range []*http.Request{callWith("Bearer " + boundTok), callWith("DPoP "+boundTok, key.Proof("GET", callURL, dpoptest.For(boundTok)))} {
		w := serve(h, r)
		if got := w.Header().Values("WWW-Authenticate"); w.Code != 401 || len(got) != 1 || !strings.HasPrefix(got[0], "Bearer") {
			t.Errorf("answer %d %q", w.Code, got)
		}
	}
}

// RFC 8707, section 2: a token for other resource servers is refused.
func TestBearerResources(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	now := time.Now()
	for i, c := range []struct {
		resources []string
		own       string
		ok        bool
	}{
		{nil, "", true}, {nil, apiURL, true}, {[]string{}, apiURL, true},
		{[]string{apiURL}, apiURL, true}, {[]string{"https://other.test", apiURL}, apiURL, true},
		{[]string{"HTTPS://API.test:443/base"}, apiURL, true}, {[]string{"urn:this"}, "urn:this", true},
		{[]string{apiURL}, "", false}, {[]string{"https://other.test"}, apiURL, false}, {[]string{apiURL + "/more"}, apiURL, false},
		{[]string{apiURL + "?x"}, apiURL, false}, {[]string{"https://api.test"}, apiURL, false}, {[]string{""}, "", false},
	} {
		token := fmt.Sprintf("token-%d", i)
		err := s.PutAccessToken(t.Context(), store.AccessToken{
			Hash: store.DigestOf(token), ClientID: "site", Resources: c.resources, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := middleware.NewBearer(middleware.BearerConfig{Grants: s, Clients: s, Resource: c.own})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Check(authorized("Bearer " + token))
		if (err == nil) != c.ok {
			t.Errorf("token for %q at %q: %v", c.resources, c.own, err)
		}
		if e, _ := errors.AsType[*middleware.BearerError](err); !c.ok && (e == nil || e.Code != "invalid_token" || e.Status != 401) {
			t.Errorf("token for %q at %q: %v, want invalid_token", c.resources, c.own, err)
		}
	}
}

// noTickets is a store that can not remember proofs.
type noTickets struct{ *memstore.Store }

func (noTickets) PutTicket(context.Context, store.Ticket) error { return errors.New("down") }

func TestDPoPOutage(t *testing.T) {
	t.Parallel()
	s, key := noTickets{memstore.New()}, dpoptest.NewKey(t)
	b, d := bound(t, s, key)
	w := serve(b.Handler(okHandler), callWith("DPoP "+boundTok, key.Proof("GET", callURL, dpoptest.Nonce(nonceOf(d)), dpoptest.For(boundTok))))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "down") {
		t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
}

// counting counts what is written.
type counting struct {
	*memstore.Store
	puts atomic.Int32
}

func (c *counting) PutTicket(ctx context.Context, t store.Ticket) error {
	c.puts.Add(1)
	return c.Store.PutTicket(ctx, t)
}

// Who has no bound token writes nothing.
func TestStrangersWriteNothing(t *testing.T) {
	t.Parallel()
	s, key := &counting{Store: memstore.New()}, dpoptest.NewKey(t)
	b, d := bound(t, s, key)
	other := dpoptest.NewKey(t)
	for _, c := range []struct {
		authorization, token string
		key                  *dpoptest.Key
	}{{"DPoP x", "x", key}, {"DPoP " + boundTok, boundTok, other}, {"DPoP " + userToken, userToken, key}, {"Bearer " + boundTok, boundTok, key}} {
		r := callWith(c.authorization, c.key.Proof("GET", callURL, dpoptest.Nonce(nonceOf(d)), dpoptest.For(c.token)))
		if _, err := b.Check(r); err == nil {
			t.Errorf("%q passed", c.authorization)
		}
	}
	if n := s.puts.Load(); n != 0 {
		t.Errorf("%d tickets written", n)
	}
}

// BenchmarkDPoP is the check of a bound token: what a bearer token costs, one
// ES256 signature verified, and one write.
func BenchmarkDPoP(b *testing.B) {
	s, key := memstore.New(), dpoptest.NewKey(b)
	bearer, d := bound(b, s, key)
	proofs := make([]string, 2000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i%len(proofs) == 0 {
			b.StopTimer()
			for j := range proofs {
				proofs[j] = key.Proof("GET", callURL, dpoptest.Nonce(nonceOf(d)), dpoptest.For(boundTok))
			}
			b.StartTimer()
		}
		if _, err := bearer.Check(callWith("DPoP "+boundTok, proofs[i%len(proofs)])); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
