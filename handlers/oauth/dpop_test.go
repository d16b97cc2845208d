package oauth_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/dpoptest"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	tokenURL = issuer + "/oauth/token"
	parURL   = issuer + "/oauth/par"
)

// nonce returns the nonce that is good at this moment.
func (w *world) nonce() dpoptest.Change {
	h := http.Header{}
	newDPoP(w.tb, w.store).SetNonce(h)
	return dpoptest.Nonce(h.Get("DPoP-Nonce"))
}

// proved adds the proof of a key to a token request.
func (w *world) proved(k *dpoptest.Key, r *http.Request, changes ...dpoptest.Change) *http.Request {
	r.Header.Add("DPoP", k.Proof("POST", tokenURL, append([]dpoptest.Change{w.nonce()}, changes...)...))
	return r
}

// boundTo is do for a request that has to give a token of the key.
func (w *world) boundTo(k *dpoptest.Key, r *http.Request) reply {
	w.tb.Helper()
	a := w.do(r)
	if a.Status != 200 || a.Type != "DPoP" {
		w.tb.Fatalf("answer %d %s, want a DPoP token", a.Status, a.Body)
	}
	t, err := w.store.AccessToken(w.tb.Context(), store.DigestOf(a.Access))
	if err != nil || t.DPoPKey != k.Thumbprint() {
		w.tb.Fatalf("token %+v, %v, want it bound to %s", t, err, k.JKT())
	}
	return a
}

var clientCredentials = form("grant_type", "client_credentials")

func (w *world) introspect(token string) reply {
	w.tb.Helper()
	return do(w.tb, w.server.Introspect(), basic("web", webSecret, form("token", token)))
}

// RFC 9449, sections 5 and 6.2.
func TestDPoPToken(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t, withEcho), dpoptest.NewKey(t)
	for name, r := range map[string]*http.Request{
		"client_credentials": basic("web", webSecret, clientCredentials),
		"authorization_code": basic("web", webSecret, redeem(w.putCode("web"))),
		"refresh_token":      basic("web", webSecret, refreshWith(w.grant("web", webSecret).Refresh)),
		"extension":          basic("web", webSecret, form("grant_type", extURN, "user", "u")),
		"extension, client":  basic("web", webSecret, form("grant_type", extURN)),
	} {
		a := w.boundTo(key, w.proved(key, r))
		if a.Header.Get("DPoP-Nonce") == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", name, a.Header)
		}
		if i := w.introspect(a.Access); !i.Active || i.Type != "DPoP" || i.Confirm["jkt"] != key.JKT() {
			t.Errorf("%s: introspection %s", name, i.Body)
		}
	}
	a := w.ok(basic("web", webSecret, clientCredentials))
	if i := w.introspect(a.Access); i.Type != "Bearer" || i.Confirm != nil || a.Header.Get("DPoP-Nonce") != "" {
		t.Errorf("a bearer token: %s, headers %v", i.Body, a.Header)
	}
}

// A proof that is refused uses nothing up; where a proof does not belong it is none.
func TestDPoPRefusals(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t), dpoptest.NewKey(t)
	code := w.putCode("web")
	send := func(proofs ...string) *http.Request {
		r := basic("web", webSecret, redeem(code))
		for _, p := range proofs {
			r.Header.Add("DPoP", p)
		}
		return r
	}
	good := func(changes ...dpoptest.Change) string {
		return key.Proof("POST", tokenURL, append([]dpoptest.Change{w.nonce()}, changes...)...)
	}
	for name, c := range map[string]struct {
		r    *http.Request
		code string
	}{
		"empty":            {send(""), middleware.InvalidDPoPProof},
		"repeated":         {send(good(), good()), middleware.InvalidDPoPProof},
		"oversized":        {send(good(dpoptest.Claim("x", strings.Repeat("x", 9000)))), middleware.InvalidDPoPProof},
		"malformed":        {send("a.b.c"), middleware.InvalidDPoPProof},
		"another endpoint": {send(key.Proof("POST", parURL, w.nonce())), middleware.InvalidDPoPProof},
		"another method":   {send(good(dpoptest.Claim("htm", "GET"))), middleware.InvalidDPoPProof},
		"another issuer":   {send(good(dpoptest.Claim("htu", "https://evil.test/user/oauth/token"))), middleware.InvalidDPoPProof},
		"too old":          {send(good(dpoptest.Claim("iat", time.Now().Unix()-100))), middleware.InvalidDPoPProof},
		"no nonce":         {send(key.Proof("POST", tokenURL)), middleware.UseDPoPNonce},
		"old nonce":        {send(good(dpoptest.Nonce("AAAAAAAAAAAAAAAAAAAAAA"))), middleware.UseDPoPNonce},
	} {
		a := w.refused(c.r, 400, c.code)
		// RFC 9449, section 8.
		if a.Header.Get("DPoP-Nonce") == "" || a.Detail == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", name, a.Body, a.Header)
		}
	}
	w.boundTo(key, send(good()))

	misplaced := basic("web", webSecret, with(clientCredentials, "DPoP", good()))
	misplaced.URL.RawQuery = url.Values{"dpop": {good()}}.Encode()
	w.ok(misplaced)
	// The nonce that a refusal hands out is the one to use.
	a := w.refused(w.proved(key, basic("web", webSecret, clientCredentials), dpoptest.Claim("nonce", nil)), 400, middleware.UseDPoPNonce)
	w.boundTo(key, w.proved(key, basic("web", webSecret, clientCredentials), dpoptest.Nonce(a.Header.Get("DPoP-Nonce"))))
	// Of strangers nothing is said about proofs.
	a = w.refused(w.proved(key, basic("web", "wrong", clientCredentials), dpoptest.Claim("nonce", nil)), 401, oauth.InvalidClient)
	if a.Header.Get("DPoP-Nonce") != "" {
		t.Error("a stranger gets a nonce")
	}
}

// RFC 9449, section 5.2: dpop_bound_access_tokens.
func TestRequireDPoP(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t), dpoptest.NewKey(t)
	code := w.putCode("keyed")
	for _, v := range []url.Values{clientCredentials, redeem(code), refreshWith("x")} {
		if a := w.refused(basic("keyed", webSecret, v), 400, middleware.InvalidDPoPProof); a.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("headers %v", a.Header)
		}
	}
	a := w.boundTo(key, w.proved(key, basic("keyed", webSecret, redeem(code))))
	w.refused(basic("keyed", webSecret, refreshWith(a.Refresh)), 400, middleware.InvalidDPoPProof)
	w.boundTo(key, w.proved(key, basic("keyed", webSecret, refreshWith(a.Refresh))))

	// A server that knows no DPoP gives such a client nothing, and ignores proofs of others.
	none := newWorld(t, func(c *oauth.Config) { c.DPoP = nil })
	none.refused(none.proved(key, basic("keyed", webSecret, clientCredentials)), 400, middleware.InvalidDPoPProof)
	none.ok(none.proved(key, basic("web", webSecret, clientCredentials)))
}

func spa(id string, v url.Values) *http.Request { return newPost(with(v, "client_id", id).Encode()) }

// RFC 9449, section 5: refresh tokens of public clients are bound, those of others
// are bound to their client.
func TestDPoPRefresh(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"spa", "keyedspa"} { // with rotation and without
		w, key, other := newWorld(t), dpoptest.NewKey(t), dpoptest.NewKey(t)
		a := w.boundTo(key, w.proved(key, spa(id, redeem(w.putCode(id)))))
		w.refused(spa(id, refreshWith(a.Refresh)), 400, oauth.InvalidGrant)
		w.refused(w.proved(other, spa(id, refreshWith(a.Refresh))), 400, oauth.InvalidGrant)
		if i := w.introspect(a.Refresh); !i.Active || i.Confirm["jkt"] != key.JKT() || i.Type != "" {
			t.Errorf("%s: introspection of the refresh token %s", id, i.Body)
		}
		b := w.boundTo(key, w.proved(key, spa(id, refreshWith(a.Refresh))))
		// An old token without the key does not end the family either.
		w.refused(w.proved(other, spa(id, refreshWith(a.Refresh))), 400, oauth.InvalidGrant)
		w.boundTo(key, w.proved(key, spa(id, refreshWith(b.Refresh))))

		// What began without a key is bound by the first proof.
		a = w.ok(spa(id, redeem(w.putCode(id))))
		b = w.boundTo(key, w.proved(key, spa(id, refreshWith(a.Refresh))))
		w.refused(spa(id, refreshWith(b.Refresh)), 400, oauth.InvalidGrant)
		w.boundTo(key, w.proved(key, spa(id, refreshWith(b.Refresh))))
	}

	w, key, other := newWorld(t), dpoptest.NewKey(t), dpoptest.NewKey(t)
	a := w.boundTo(key, w.proved(key, basic("web", webSecret, redeem(w.putCode("web")))))
	b := w.boundTo(other, w.proved(other, basic("web", webSecret, refreshWith(a.Refresh))))
	w.ok(basic("web", webSecret, refreshWith(b.Refresh)))
	w.refused(w.proved(key, basic("other", otherSecret, refreshWith(b.Refresh))), 400, oauth.InvalidGrant)
}

// The predecessor that is excepted stays bound to client, scope, resource and key.
func TestRefreshRetryIsBound(t *testing.T) {
	t.Parallel()
	w, key, other := newWorld(t), dpoptest.NewKey(t), dpoptest.NewKey(t)
	code := w.putCode("apis", func(c *store.AuthorizationCode) { c.Resources = []string{api1, api2} })
	first := w.ok(basic("apis", webSecret, redeem(code))).Refresh
	ask := with(with(refreshWith(first), "scope", "read write"), "resource", api1)
	a := w.boundTo(key, w.proved(key, basic("apis", webSecret, ask)))
	for name, c := range map[string]struct {
		r    *http.Request
		code string
	}{
		"another client":     {w.proved(key, basic("web", webSecret, without(ask, "resource"))), oauth.InvalidGrant},
		"a narrower scope":   {w.proved(key, basic("apis", webSecret, with(ask, "scope", "read"))), oauth.InvalidScope},
		"a wider scope":      {w.proved(key, basic("apis", webSecret, with(ask, "scope", "read write a&b"))), oauth.InvalidScope},
		"another resource":   {w.proved(key, basic("apis", webSecret, with(ask, "resource", api2))), oauth.InvalidTarget},
		"a foreign resource": {w.proved(key, basic("apis", webSecret, with(ask, "resource", "https://x.test"))), oauth.InvalidTarget},
		"another key":        {w.proved(other, basic("apis", webSecret, ask)), oauth.InvalidGrant},
		"no key":             {basic("apis", webSecret, ask), oauth.InvalidGrant},
	} {
		if got := w.do(c.r); got.Status != 400 || got.Error != c.code || got.Access != "" {
			t.Errorf("%s: %d %s, want %s", name, got.Status, got.Body, c.code)
		}
	}
	again := w.boundTo(key, w.proved(key, basic("apis", webSecret, ask)))
	if again.Access != a.Access || again.Refresh != a.Refresh || again.Scope != "read write" {
		t.Errorf("retry %s, want %s", again.Body, a.Body)
	}
	w.ok(basic("apis", webSecret, refreshWith(a.Refresh)))

	// A bearer token is not handed to a key, as its answer would say DPoP.
	first = w.grant("web", webSecret).Refresh
	w.ok(basic("web", webSecret, refreshWith(first)))
	w.refused(w.proved(key, basic("web", webSecret, refreshWith(first))), 400, oauth.InvalidGrant)
	w.ok(basic("web", webSecret, refreshWith(first)))
	// Nor is what is for everything handed to who asks for one resource.
	first = w.ok(basic("apis", webSecret, redeem(w.putCode("apis")))).Refresh
	w.ok(basic("apis", webSecret, refreshWith(first)))
	w.refused(basic("apis", webSecret, with(refreshWith(first), "resource", api1)), 400, oauth.InvalidTarget)
}

// RFC 9449, section 10: a code that is bound to a key.
func TestDPoPCode(t *testing.T) {
	t.Parallel()
	w, key, other := newWorld(t), dpoptest.NewKey(t), dpoptest.NewKey(t)
	bound := func(c *store.AuthorizationCode) { c.DPoPKey = key.Thumbprint() }
	w.refused(basic("web", webSecret, redeem(w.putCode("web", bound))), 400, oauth.InvalidGrant)
	w.refused(w.proved(other, basic("web", webSecret, redeem(w.putCode("web", bound)))), 400, oauth.InvalidGrant)
	w.boundTo(key, w.proved(key, basic("web", webSecret, redeem(w.putCode("web", bound)))))
	w.boundTo(other, w.proved(other, basic("web", webSecret, redeem(w.putCode("web")))))
}

func TestAuthorizeDPoPKey(t *testing.T) {
	t.Parallel()
	p, key := newPortal(t), dpoptest.NewKey(t)
	b := p.browser()
	b.login()
	for _, jkt := range []string{"x", key.JKT() + "=", key.JKT()[1:], strings.Repeat("+", 43), key.JKT()[:42] + "_", strings.Repeat("A", 5000), key.JKT() + "\n"} {
		q := answerOf(t, b.get(authorizeURL(with(ask("web"), "dpop_jkt", jkt))), appURI+"?")
		if q.Get("error") != oauth.InvalidRequest || q.Has("code") {
			t.Errorf("dpop_jkt %.50q: %v", jkt, q)
		}
	}
	v := with(ask("web"), "dpop_jkt", key.JKT())
	if q := answerOf(t, b.get(authorizeURL(v)+"&dpop_jkt="+key.JKT()), appURI+"?"); q.Get("error") != oauth.InvalidRequest {
		t.Errorf("repeated dpop_jkt: %v", q)
	}
	code := func(v url.Values) string { return answerOf(t, b.get(authorizeURL(v)), appURI+"?").Get("code") }
	p.refused(basic("web", webSecret, redeem(code(v))), 400, oauth.InvalidGrant)
	p.boundTo(key, p.proved(key, basic("web", webSecret, redeem(code(v)))))
	p.ok(basic("web", webSecret, redeem(code(with(ask("web"), "dpop_jkt", ""))))) // empty is omitted
}

// RFC 9449, section 11.1, at the token endpoint: of 64 callers with one proof one
// gets a token; with one code and proofs of their own the rule of codes holds; with
// one refresh token all get the same.
func TestDPoPRace(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t), dpoptest.NewKey(t)
	refresh := w.boundTo(key, w.proved(key, spa("spa", redeem(w.putCode("spa"))))).Refresh
	for round := range rounds(t) {
		proof := key.Proof("POST", tokenURL, w.nonce())
		replies := race(t, w.token, 64, func() *http.Request {
			r := basic("web", webSecret, clientCredentials)
			r.Header.Set("DPoP", proof)
			return r
		})
		passed := 0
		for _, a := range replies {
			switch {
			case a.Status == 200:
				passed++
			case a.Status != 400 || a.Error != middleware.InvalidDPoPProof:
				t.Fatalf("answer %d %s", a.Status, a.Body)
			}
		}
		if passed != 1 {
			t.Fatalf("round %d: %d callers with one proof got a token", round, passed)
		}
		if round%10 > 0 {
			continue // signing is slow
		}
		token := refresh
		replies = race(t, w.token, 16, func() *http.Request { return w.proved(key, spa("spa", refreshWith(token))) })
		for _, a := range replies {
			if a.Status != 200 || a.Refresh != replies[0].Refresh || a.Access != replies[0].Access || a.Type != "DPoP" {
				t.Fatalf("answers differ: %d %s and %s", a.Status, a.Body, replies[0].Body)
			}
		}
		refresh = replies[0].Refresh
	}
}

// A proof that was shown is known for as long as it is good.
func TestDPoPReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, key := newWorld(t), dpoptest.NewKey(t)
		proof := key.Proof("POST", tokenURL, w.nonce(), dpoptest.Claim("iat", time.Now().Unix()+60))
		for minute := range 4 {
			r := basic("web", webSecret, clientCredentials)
			r.Header.Set("DPoP", proof)
			if a := w.do(r); (a.Status == 200) != (minute == 0) {
				t.Errorf("minute %d: %d %s", minute, a.Status, a.Body)
			}
			time.Sleep(time.Minute)
		}
	})
}

// ticketSpy counts tickets, and can fail.
type ticketSpy struct {
	*memstore.Store
	puts atomic.Int32
	down string // the method that fails
	on   atomic.Bool
}

func (s *ticketSpy) fails(method string) error {
	if s.on.Load() && s.down == method {
		return errDown
	}
	return nil
}

func (s *ticketSpy) PutTicket(ctx context.Context, t store.Ticket) error {
	s.puts.Add(1)
	return cmpErr(s.fails("PutTicket"), func() error { return s.Store.PutTicket(ctx, t) })
}

func (s *ticketSpy) Ticket(ctx context.Context, k store.TicketKind, h store.Digest) (store.Ticket, error) {
	if err := s.fails("Ticket"); err != nil {
		return store.Ticket{}, err
	}
	return s.Store.Ticket(ctx, k, h)
}

func (s *ticketSpy) TakeTicket(ctx context.Context, k store.TicketKind, h store.Digest, id string) (store.Ticket, error) {
	if err := s.fails("TakeTicket"); err != nil {
		return store.Ticket{}, err
	}
	return s.Store.TakeTicket(ctx, k, h, id)
}

// Who gets nothing writes nothing, and a store that can not remember a proof lets
// nobody pass.
func TestDPoPStore(t *testing.T) {
	t.Parallel()
	st, key := &ticketSpy{Store: memstore.New(), down: "PutTicket"}, dpoptest.NewKey(t)
	w := newWorldOn(t, st)
	for _, r := range []*http.Request{
		spa("spa", redeem("guess")), spa("spa", refreshWith("AAAAAAAAAAAAAAAAAAAAAA."+strings.Repeat("A", 43))),
		spa("spa", clientCredentials), spa("nobody", redeem("guess")), basic("web", "wrong", clientCredentials),
		basic("web", webSecret, with(clientCredentials, "scope", "admin")), basic("web", webSecret, with(clientCredentials, "resource", api1)),
		basic("web", webSecret, with(redeem(w.putCode("web")), "code_verifier", strings.Repeat("x", 43))),
	} {
		if a := w.do(w.proved(key, r)); a.Status == 200 {
			t.Errorf("answer %s", a.Body)
		}
	}
	if n := st.puts.Load(); n != 0 {
		t.Errorf("%d proofs are kept of requests that were refused", n)
	}
	st.on.Store(true)
	a := w.grant("web", webSecret)
	for _, v := range []url.Values{clientCredentials, redeem(w.putCode("web")), refreshWith(a.Refresh)} {
		got := w.refused(w.proved(key, basic("web", webSecret, v)), 503, oauth.TemporarilyUnavailable)
		if strings.Contains(got.Body, "detail") {
			t.Errorf("answer %s", got.Body)
		}
	}
	st.on.Store(false)
	w.boundTo(key, w.proved(key, basic("web", webSecret, refreshWith(a.Refresh))))
	if _, err := w.store.AccessToken(t.Context(), store.DigestOf("")); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// A script of a public client may send proofs and read nonces (RFC 9449, section 8).
func TestDPoPCORS(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t), dpoptest.NewKey(t)
	r := w.proved(key, spa("spa", redeem(w.putCode("spa"))))
	r.Header.Set("Origin", "https://app.test")
	if a := w.boundTo(key, r); !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Errorf("headers %v", a.Header)
	}
	r = newPost("")
	r.Method = http.MethodOptions
	r.Header.Set("Origin", "https://app.test")
	if a := w.do(r); !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "DPoP") {
		t.Errorf("headers %v", a.Header)
	}
}

// UserInfo is a protected resource too: it takes bound tokens with a proof of its
// own address, wherever it is mounted, and tokens for the issuer or for nothing.
func TestUserInfoBound(t *testing.T) {
	t.Parallel()
	w, key := newWorld(t), dpoptest.NewKey(t)
	w.putUser(kari)
	code := w.putCode("oidcspa", func(c *store.AuthorizationCode) { c.Scope = "openid email" })
	token := w.boundTo(key, w.proved(key, spa("oidcspa", redeem(code)))).Access
	const address = issuer + "/oauth/userinfo"
	ask := func(authorization, method, proof string) reply {
		r := httptest.NewRequest(method, "/elsewhere", nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("DPoP", proof)
		r.Header.Set("Origin", "https://app.test")
		return do(t, w.server.UserInfo(), r)
	}
	for _, method := range []string{"GET", "POST"} {
		a := ask("DPoP "+token, method, key.Proof(method, address, w.nonce(), dpoptest.For(token)))
		if a.Status != 200 || a.Subject != kari.ID || a.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %d %s %v", method, a.Status, a.Body, a.Header)
		}
	}
	for name, c := range map[string]struct {
		a    reply
		want string
	}{
		"as bearer":       {ask("Bearer "+token, "GET", ""), `Bearer realm="connectid", error="invalid_token"`},
		"another address": {ask("DPoP "+token, "GET", key.Proof("GET", "https://x.test/elsewhere", w.nonce(), dpoptest.For(token))), `error="invalid_dpop_proof"`},
		"without nonce":   {ask("DPoP "+token, "GET", key.Proof("GET", address, dpoptest.For(token))), `error="use_dpop_nonce"`},
		"without ath":     {ask("DPoP "+token, "GET", key.Proof("GET", address, w.nonce())), `error="invalid_dpop_proof"`},
	} {
		all := strings.Join(c.a.Header.Values("WWW-Authenticate"), "; ")
		if c.a.Status != 401 || !strings.Contains(all, c.want) || !strings.Contains(all, `algs="ES256`) ||
			!strings.Contains(c.a.Header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") || c.a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", name, c.a.Status, c.a.Body, c.a.Header)
		}
	}
	// RFC 8707.
	for resource, status := range map[string]int{"": 200, issuer: 200, api1: 401} {
		id := hex.EncodeToString([]byte("x" + resource))
		ends := time.Now().Add(time.Hour)
		tok := store.AccessToken{Hash: store.DigestOf(id), GrantID: id, ClientID: "oidc", UserID: kari.ID, Scope: "openid", ExpiresAt: ends}
		if resource != "" {
			tok.Resources = []string{resource}
		}
		if err := w.store.CreateGrant(t.Context(), store.Grant{ID: id, ClientID: "oidc", UserID: kari.ID, ExpiresAt: ends}, tok); err != nil {
			t.Fatal(err)
		}
		if a := w.userInfo("GET", id); a.Status != status {
			t.Errorf("token for %q: %d %s", resource, a.Status, a.Body)
		}
	}
}

// Where a parameter of these standards does not belong it means nothing, also when it
// is empty, repeated or long.
func TestBindingParametersInTheWrongPlace(t *testing.T) {
	t.Parallel()
	p, key := newPortal(t), dpoptest.NewKey(t)
	b := p.browser()
	b.login()
	for _, values := range [][]string{{""}, {"x"}, {"x", "y"}, {strings.Repeat("x", 4000)}} {
		// At the token endpoint, what belongs to authorization requests.
		v := clientCredentials
		for _, name := range []string{"dpop_jkt", "request", "request_uri"} {
			v = withAll(v, name, values...)
		}
		p.ok(basic("web", webSecret, v))
		code := answerOf(t, b.get(authorizeURL(ask("web"))), appURI+"?").Get("code")
		p.ok(basic("web", webSecret, withAll(redeem(code), "dpop_jkt", values...)))
		// At revocation and introspection, resource and the rest.
		token := p.ok(basic("web", webSecret, clientCredentials)).Access
		v = withAll(withAll(form("token", token), "resource", values...), "dpop_jkt", values...)
		if a := do(t, p.server.Introspect(), basic("web", webSecret, v)); !a.Active {
			t.Errorf("introspection with %.20q: %d %s", values, a.Status, a.Body)
		}
		if a := do(t, p.server.Revoke(), basic("web", webSecret, v)); a.Status != 200 || p.live(token) {
			t.Errorf("revocation with %.20q: %d %s", values, a.Status, a.Body)
		}
		// A proof as a parameter is none, and one at the authorization endpoint, which
		// a browser calls, binds nothing.
		q := withAll(ask("web"), "DPoP", values...)
		r := httptest.NewRequest("GET", authorizeURL(q), nil)
		for _, value := range values {
			r.Header.Add("DPoP", value)
		}
		r.Header.Add("DPoP", key.Proof("GET", issuer+"/oauth/authorize"))
		p.ok(basic("web", webSecret, redeem(answerOf(t, b.send(r), appURI+"?").Get("code"))))
	}
}
