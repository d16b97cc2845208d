package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// claims checks an ID token as a client does, by the published keys, and returns
// what it says.
func (w *world) claims(token string) map[string]any {
	w.tb.Helper()
	var set jose.JSONWebKeySet
	a := httptest.NewRecorder()
	w.server.JWKS().ServeHTTP(a, httptest.NewRequest("GET", "/oauth/jwks", nil))
	if err := json.Unmarshal(a.Body.Bytes(), &set); err != nil {
		w.tb.Fatal(err)
	}
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		w.tb.Fatalf("ID token %q: %v", token, err)
	}
	found := set.Key(parsed.Signatures[0].Protected.KeyID)
	if len(found) != 1 {
		w.tb.Fatalf("%d published keys for the ID token", len(found))
	}
	payload, err := parsed.Verify(found[0])
	if err != nil {
		w.tb.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		w.tb.Fatalf("claims %s: %v", payload, err)
	}
	return claims
}

// openID is a change of a code that makes it one of OpenID Connect.
func openID(c *store.AuthorizationCode) { c.Scope = "openid profile" }

func TestIDTokenClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now()
		session := func(method string) {
			err := w.store.ReplaceSession(t.Context(), store.DigestOf("session"), store.Session{
				Handle: store.DigestOf("session of " + method), UserID: "user-1", Method: method,
				IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, method := range []string{"password", "code", "remember", "company"} {
			session(method)
		}
		base := map[string]any{
			"iss": issuer, "sub": "user-1", "aud": "oidc",
			"iat": float64(now.Unix()), "exp": float64(now.Add(time.Hour).Unix()), "auth_time": float64(now.Unix()),
		}
		for name, tt := range map[string]struct {
			client string
			change func(*store.AuthorizationCode)
			want   map[string]any // beside base; nil for none
		}{
			"plain":     {},
			"RS256":     {"oidcrsa", nil, map[string]any{"aud": "oidcrsa"}},
			"nonce":     {"", func(c *store.AuthorizationCode) { c.Nonce = `n-0S6_"\<å` + "\u2028" }, map[string]any{"nonce": `n-0S6_"\<å` + "\u2028"}},
			"session":   {"", func(c *store.AuthorizationCode) { c.SessionID = "sid-1" }, map[string]any{"sid": "sid-1"}},
			"auth_time": {"", func(c *store.AuthorizationCode) { c.AuthenticatedAt = now.Add(-time.Hour) }, map[string]any{"auth_time": float64(now.Add(-time.Hour).Unix())}},
			"no auth_time": {"", func(c *store.AuthorizationCode) { c.AuthenticatedAt = time.Time{} },
				map[string]any{"auth_time": nil}},
			"password": {"", func(c *store.AuthorizationCode) { c.Session = store.DigestOf("session of password") }, map[string]any{"amr": []any{"pwd"}}},
			"code":     {"", func(c *store.AuthorizationCode) { c.Session = store.DigestOf("session of code") }, map[string]any{"amr": []any{"otp"}}},
			"remember": {"", func(c *store.AuthorizationCode) { c.Session = store.DigestOf("session of remember") }, map[string]any{"acr": "0"}},
			"unknown":  {"", func(c *store.AuthorizationCode) { c.Session = store.DigestOf("session of company") }, nil},
		} {
			client := tt.client
			if client == "" {
				client = "oidc"
			}
			a := w.ok(basic(client, webSecret, redeem(w.putCode(client, openID, func(c *store.AuthorizationCode) {
				if tt.change != nil {
					tt.change(c)
				}
			}))))
			want := maps.Clone(base)
			maps.Copy(want, tt.want)
			hash := sha256.Sum256([]byte(a.Access)) // OpenID Connect Core 1.0, section 3.1.3.6
			want["at_hash"] = base64.RawURLEncoding.EncodeToString(hash[:16])
			maps.DeleteFunc(want, func(_ string, v any) bool { return v == nil })
			if got := w.claims(a.IDToken); !same(got, want) {
				t.Errorf("%s: claims %v, want %v", name, got, want)
			}
		}
	})
}

// same compares what JSON says.
func same(a, b any) bool { return bytes.Equal(must(json.Marshal(a)), must(json.Marshal(b))) }

// Without the scope openid there is no ID token, and no key is made.
func TestIDTokenOnlyForOpenID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, scope := range []string{"", "read", "profile email", "openid2 xopenid openidopenid", "OPENID"} {
		a := w.ok(basic("web", webSecret, redeem(w.putCode("web", func(c *store.AuthorizationCode) { c.Scope = scope }))))
		b := w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
		if strings.Contains(a.Body+b.Body, "id_token") {
			t.Errorf("scope %q: %s", scope, a.Body)
		}
	}
	for range w.store.SigningKeys(t.Context()) {
		t.Error("a key was made that nobody needs")
	}
	a := w.ok(basic("oidc", webSecret, form("grant_type", "client_credentials", "scope", "openid read")))
	if strings.Contains(a.Body, "id_token") {
		t.Errorf("an ID token of no user: %s", a.Body)
	}
}

// OpenID Connect Core 1.0, section 12.2.
func TestIDTokenOnRefresh(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"oidc", "oidckeep", "oidcrsa"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			code := w.putCode(client, openID, func(c *store.AuthorizationCode) { c.Nonce, c.SessionID = "n", "sid-1" })
			time.Sleep(30 * time.Second)
			a := w.ok(basic(client, webSecret, redeem(code)))
			first := w.claims(a.IDToken)
			time.Sleep(time.Hour)
			b := w.ok(basic(client, webSecret, refreshWith(a.Refresh)))
			second := w.claims(b.IDToken)
			for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
				if first[name] == nil || first[name] != second[name] {
					t.Errorf("%s: %s is %v, and was %v", client, name, second[name], first[name])
				}
			}
			if second["nonce"] != nil || second["iat"] != float64(time.Now().Unix()) || second["exp"] != float64(time.Now().Add(time.Hour).Unix()) ||
				second["at_hash"] == first["at_hash"] {
				t.Errorf("%s: claims %v after %v", client, second, first)
			}
			// A narrower scope without openid has none, and the next has one again.
			c := w.ok(basic(client, webSecret, with(refreshWith(b.Refresh), "scope", "profile")))
			if c.IDToken != "" {
				t.Errorf("%s: %s", client, c.Body)
			}
			if d := w.ok(basic(client, webSecret, with(refreshWith(c.Refresh), "scope", "openid"))); d.IDToken == "" {
				t.Errorf("%s: %s", client, d.Body)
			}
		})
	}
}

// All answers to one race are the same, the ID token too, also those of the
// second after.
func TestIDTokenRefreshRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, client := range []string{"oidc", "oidcrsa"} {
		token := w.ok(basic(client, webSecret, redeem(w.putCode(client, openID)))).Refresh
		for range min(rounds(t), 50) {
			replies := race(t, w.token, 16, func() *http.Request { return basic(client, webSecret, refreshWith(token)) })
			for _, a := range replies {
				if a.Status != 200 || a.IDToken == "" || a.IDToken != replies[0].IDToken || a.Refresh != replies[0].Refresh {
					t.Fatalf("answers differ: %d %s and %s", a.Status, a.Body, replies[0].Body)
				}
			}
			token = replies[0].Refresh
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, rounding{memstore.New()})
		a := w.ok(basic("oidc", webSecret, redeem(w.putCode("oidc", openID))))
		time.Sleep(999*time.Millisecond + 700*time.Microsecond)
		b := w.ok(basic("oidc", webSecret, refreshWith(a.Refresh)))
		time.Sleep(3 * time.Second)
		// Another node, that has just begun.
		other := newWorldOn(t, w.store)
		if c := other.ok(basic("oidc", webSecret, refreshWith(a.Refresh))); c.IDToken != b.IDToken {
			t.Errorf("the retry has %v, want %v", w.claims(c.IDToken), w.claims(b.IDToken))
		}
	})
}

// rounding is a store that keeps times to the nearest millisecond, as one may.
type rounding struct{ *memstore.Store }

func (r rounding) SwapGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	g.RotatedAt, t.CreatedAt = g.RotatedAt.Round(time.Millisecond), t.CreatedAt.Round(time.Millisecond)
	return r.Store.SwapGrant(ctx, g, t)
}

func TestIDTokenOfExtensionGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	a := w.ok(basic("oidc", webSecret, form("grant_type", extURN, "user", "user-2", "scope", "openid")))
	if c := w.claims(a.IDToken); c["sub"] != "user-2" || c["aud"] != "oidc" || c["auth_time"] == nil || c["amr"] != nil {
		t.Errorf("claims %v", c)
	}
	if a := w.ok(basic("oidc", webSecret, form("grant_type", extURN, "user", "user-2", "scope", "read"))); a.IDToken != "" {
		t.Errorf("answer %s", a.Body)
	}
	if a := w.ok(basic("oidc", webSecret, form("grant_type", extURN, "scope", "openid"))); a.IDToken != "" {
		t.Errorf("an ID token of no user: %s", a.Body)
	}
}

// Without a key to sign with nothing is used up; what needs none goes on.
func TestIDTokenOutage(t *testing.T) {
	t.Parallel()
	st := newBroken("SigningKeys")
	var exchanged int
	w := newWorldOn(t, st, func(c *oauth.Config) {
		c.ExtensionGrants = []oauth.ExtensionGrant{{Type: extURN, Exchange: func(context.Context, oauth.GrantRequest) (oauth.GrantResult, error) {
			exchanged++
			return oauth.GrantResult{UserID: "user-2"}, nil
		}}}
	})
	code := w.putCode("oidc", openID)
	w.refused(basic("oidc", webSecret, redeem(code)), 503, oauth.TemporarilyUnavailable)
	w.refused(basic("oidc", webSecret, form("grant_type", extURN, "user", "user-2", "scope", "openid")), 503, oauth.TemporarilyUnavailable)
	if exchanged != 0 {
		t.Error("the extension was asked for what could not be given")
	}
	w.grant("web", webSecret)
	st.on.Store(false)
	a := w.ok(basic("oidc", webSecret, redeem(code)))
	if a.IDToken == "" {
		t.Errorf("answer %s", a.Body)
	}
	st.on.Store(true) // the key that is known goes on
	if a = w.ok(basic("oidc", webSecret, refreshWith(a.Refresh))); a.IDToken == "" {
		t.Errorf("answer %s", a.Body)
	}
	// A node that begins in the outage does not rotate the refresh token either.
	other := newWorldOn(t, st)
	other.refused(basic("oidc", webSecret, refreshWith(a.Refresh)), 503, oauth.TemporarilyUnavailable)
	g, err := w.store.Grant(t.Context(), grantOf(a.Refresh))
	if err != nil || g.Generation != 1 {
		t.Errorf("grant %+v, %v", g, err)
	}
}

// A client with an algorithm that nobody signs with gets nothing, and keeps its
// code until its record is right.
func TestIDTokenBadAlg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.putCode("oidcbad", openID)
	w.refused(basic("oidcbad", webSecret, redeem(code)), 503, oauth.TemporarilyUnavailable)
	if !strings.Contains(w.log.String(), "bad IDTokenAlg") {
		t.Errorf("the log does not tell why: %s", w.log)
	}
	c := must(w.store.Client(t.Context(), "oidcbad"))
	c.IDTokenAlg = "ES256"
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.ok(basic("oidcbad", webSecret, redeem(code)))
}

func TestVerifyIDTokenHint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := func(client string) string {
			return w.ok(basic(client, webSecret, redeem(w.putCode(client, openID, func(c *store.AuthorizationCode) { c.SessionID = "sid-1" })))).IDToken
		}
		for _, client := range []string{"oidc", "oidcrsa"} {
			raw := token(client)
			for _, wait := range []time.Duration{0, 2 * time.Hour, 30 * 24 * time.Hour, 60 * 24 * time.Hour} { // expired as well, and the key has been rotated
				time.Sleep(wait)
				sub, sid, aud, err := w.server.VerifyIDTokenHint(t.Context(), raw)
				if err != nil || sub != "user-1" || sid != "sid-1" || !slices.Equal(aud, []string{client}) {
					t.Errorf("%s after %v: %q, %q, %q, %v", client, wait, sub, sid, aud, err)
				}
			}
		}
		sign := func(typ string, claims any) string {
			return must(w.signer.Sign(t.Context(), typ, signing.ES256, claims))
		}
		other := newWorldOn(t, memstore.New())
		for name, raw := range map[string]string{
			"nothing":         "",
			"not a token":     "x.y.z",
			"no issuer":       sign("JWT", map[string]any{"sub": "user-1", "aud": "oidc"}),
			"other issuer":    sign("JWT", map[string]any{"iss": issuer + "2", "sub": "user-1", "aud": "oidc"}),
			"no subject":      sign("JWT", map[string]any{"iss": issuer, "aud": "oidc"}),
			"no audience":     sign("JWT", map[string]any{"iss": issuer, "sub": "user-1"}),
			"empty audience":  sign("JWT", map[string]any{"iss": issuer, "sub": "user-1", "aud": []string{}}),
			"odd audience":    sign("JWT", map[string]any{"iss": issuer, "sub": "user-1", "aud": 7}),
			"not an object":   sign("JWT", "user-1"),
			"a logout token":  sign(signing.LogoutToken, map[string]any{"iss": issuer, "sub": "user-1", "aud": "oidc"}),
			"another server":  other.ok(basic("oidc", webSecret, redeem(other.putCode("oidc", openID)))).IDToken,
			"none":            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(token("oidc"), ".")[1] + ".",
			"an access token": w.grant("web", webSecret).Access,
		} {
			if sub, sid, aud, err := w.server.VerifyIDTokenHint(t.Context(), raw); !errors.Is(err, oauth.ErrHint) || sub != "" || sid != "" || aud != nil {
				t.Errorf("%s: %q, %q, %q, %v", name, sub, sid, aud, err)
			}
		}
		if _, _, aud, err := w.server.VerifyIDTokenHint(t.Context(), sign("JWT", map[string]any{"iss": issuer, "sub": "user-1", "aud": []string{"a", "b"}})); err != nil || !slices.Equal(aud, []string{"a", "b"}) {
			t.Errorf("two audiences: %q, %v", aud, err)
		}
	})
	down := newWorldOn(t, newBroken("SigningKeys"))
	up := newWorld(t)
	raw := up.ok(basic("oidc", webSecret, redeem(up.putCode("oidc", openID)))).IDToken
	if _, _, _, err := down.server.VerifyIDTokenHint(t.Context(), raw); err == nil || errors.Is(err, oauth.ErrHint) {
		t.Errorf("an outage: %v", err)
	}
}

func FuzzIDTokenHint(f *testing.F) {
	w := newWorld(f)
	raw := w.ok(basic("oidc", webSecret, redeem(w.putCode("oidc", openID)))).IDToken
	for _, s := range []string{"", "..", raw, raw[:len(raw)/2], raw + ".", `{"payload":"e30","signatures":[]}`, "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sub, sid, aud, err := w.server.VerifyIDTokenHint(t.Context(), s)
		if err == nil && (sub != "user-1" || strings.Join(aud, " ") != "oidc") || err != nil && (sub != "" || sid != "" || aud != nil) {
			t.Errorf("hint %q: %q, %q, %q, %v", s, sub, sid, aud, err)
		}
	})
}

// What the authorization endpoint is given comes back in the ID token.
func TestAuthorizeNonce(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in := p.browser()
	in.login()
	v := with(with(ask("oidc"), "scope", "openid"), "nonce", "n-0S6_WzA2Mj")
	a := p.ok(basic("oidc", webSecret, redeem(answerOf(t, in.get(authorizeURL(v)), appURI+"?").Get("code"))))
	if c := p.claims(a.IDToken); c["nonce"] != "n-0S6_WzA2Mj" || c["sub"] != p.user.ID || !same(c["amr"], []string{"pwd"}) {
		t.Errorf("claims %v", c)
	}
}
