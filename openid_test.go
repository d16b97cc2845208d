package connectid_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// read gets an address below host and decodes the JSON that it answers.
func read(t testing.TB, h http.Handler, address string, to any, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil || w.Code != 200 {
		t.Fatalf("GET %s: %d %v %s", address, w.Code, err, w.Body)
	}
	return w
}

// A site that knows nothing but the issuer logs a reader in: discovery, code, ID
// token, keys, UserInfo.
func TestOpenIDConnect(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		s := newSite(t)
		c := paper(clientID, "paper")
		c.Scopes, c.IDTokenAlg = []string{"openid", "profile", "email", "phone"}, string(alg)
		if err := s.store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		u := s.user(kari, password)
		var at struct {
			Issuer   string
			Auth     string   `json:"authorization_endpoint"`
			Token    string   `json:"token_endpoint"`
			Keys     string   `json:"jwks_uri"`
			UserInfo string   `json:"userinfo_endpoint"`
			Algs     []string `json:"id_token_signing_alg_values_supported"`
		}
		// OpenID Connect Discovery 1.0, section 4.1: behind the issuer, whose name
		// it says.
		read(t, s.kit, loginURL+"/.well-known/openid-configuration", &at)
		if at.Issuer != loginURL {
			t.Fatalf("issuer %q, want %q", at.Issuer, loginURL)
		}

		const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
		sum := sha256.Sum256([]byte(verifier))
		b := s.browser()
		b.get(at.Auth + "?" + url.Values{
			"client_id": {clientID}, "redirect_uri": {c.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid profile email"}, "nonce": {"n-1"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		}.Encode()).wantState("startLoginState")
		b.submit("verifyCredentialsEvent", "credential", kari, "password", password)
		code := b.url.Query().Get("code")

		r := httptest.NewRequest(http.MethodPost, at.Token, strings.NewReader(url.Values{
			"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {verifier},
		}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, r)
		var tokens struct {
			Access string `json:"access_token"`
			ID     string `json:"id_token"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &tokens); err != nil || tokens.ID == "" {
			t.Fatalf("tokens: %d %s", w.Code, w.Body)
		}
		var set jose.JSONWebKeySet
		read(t, s.kit, at.Keys, &set)
		parsed, err := jose.ParseSigned(tokens.ID, []jose.SignatureAlgorithm{alg})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := parsed.Verify(set.Key(parsed.Signatures[0].Protected.KeyID)[0])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Iss, Sub, Aud, Nonce, Sid string
			Amr                       []string
			AuthTime                  int64 `json:"auth_time"`
		}
		if err := json.Unmarshal(payload, &claims); err != nil || claims.Iss != loginURL || claims.Sub != u.ID || claims.Aud != clientID ||
			claims.Nonce != "n-1" || claims.Sid == "" || len(claims.Amr) != 1 || claims.Amr[0] != "pwd" || time.Since(time.Unix(claims.AuthTime, 0)) > time.Minute {
			t.Errorf("%s: claims %s, %v", alg, payload, err)
		}
		var info struct {
			Sub, Email    string
			EmailVerified bool `json:"email_verified"`
		}
		read(t, s.kit, at.UserInfo, &info, "Authorization", "Bearer "+tokens.Access)
		if info.Sub != u.ID || info.Email != kari || !info.EmailVerified {
			t.Errorf("UserInfo %+v", info)
		}
		if err := s.kit.Accounts().Block(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		r = httptest.NewRequest(http.MethodGet, at.UserInfo, nil)
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w = httptest.NewRecorder()
		if s.kit.ServeHTTP(w, r); w.Code != 401 {
			t.Errorf("UserInfo of a blocked user: %d %s", w.Code, w.Body)
		}
	}
}

// The metadata is one document, wherever it is asked for.
func TestMetadataPlaces(t *testing.T) {
	for login, places := range map[string][]string{
		host + "/user": {
			"/.well-known/oauth-authorization-server/user", "/user/.well-known/oauth-authorization-server",
			"/user/.well-known/openid-configuration", "/.well-known/openid-configuration/user", "/user//.well-known/openid-configuration",
		},
		host: {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
	} {
		s := newSite(t, func(c *connectid.Config) { c.LoginURL = login })
		first := ""
		for _, place := range places {
			var m struct{ Issuer string }
			w := read(t, s.kit, host+place, &m)
			if first == "" {
				first = w.Body.String()
			}
			if m.Issuer != login || w.Body.String() != first {
				t.Errorf("%s: issuer %q, %s", place, m.Issuer, w.Body)
			}
		}
	}
}

// Two nodes run on one store for some short periods: they publish the same
// keys, always one that signs and never many.
func TestSigningKeysOfTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var nodes []*site
		for range 2 {
			s := newSite(t, func(c *connectid.Config) { c.Store, c.SigningPeriod = shared, 2*24*time.Hour })
			nodes = append(nodes, s)
			go s.kit.Run(ctx)
		}
		synctest.Wait()
		kids := map[string]bool{}
		for range 10 {
			var live []store.SigningKey
			for k, err := range shared.SigningKeys(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				live = append(live, k)
				kids[k.ID] = true
			}
			var set, other jose.JSONWebKeySet
			a, b := read(t, nodes[0].kit, loginURL+"/oauth/jwks", &set), read(t, nodes[1].kit, loginURL+"/oauth/jwks", &other)
			if a.Body.String() != b.Body.String() || len(set.Keys) != len(live) || len(live) == 0 || len(live) > 9 {
				t.Fatalf("%d keys are live; the nodes publish %s and %s", len(live), a.Body, b.Body)
			}
			time.Sleep(24*time.Hour + time.Minute)
		}
		if len(kids) < 5 || len(kids) > 7 {
			t.Errorf("%d keys in 10 days, want one in 2", len(kids))
		}
		cancel()
		synctest.Wait()
	})
}
