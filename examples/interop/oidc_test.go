package interop

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/connectid-kit/connectid/store"
)

func segment(t *testing.T, token string, i int) []byte {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q has %d parts", token, len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sees says what the open page of a site says.
func (b *browser) sees(want string) *browser {
	b.t.Helper()
	if got := strings.TrimSpace(b.body); got != want {
		b.t.Fatalf("the page at %s says %.500q, want %q", b.at, got, want)
	}
	return b
}

// A site that was written with a stock OpenID Connect library alone: from discovery
// to the logout that it is told of.
func TestGoOIDC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, alg string
		client    func(*store.Client)
	}{
		{"ES256", oidc.ES256, func(*store.Client) {}}, // which is the default
		{"RS256", oidc.RS256, func(c *store.Client) { c.IDTokenAlg = oidc.RS256 }},
		{"public", oidc.ES256, func(c *store.Client) {
			c.Public, c.Secrets = true, nil
			c.GrantTypes = []string{"authorization_code", "refresh_token"}
			c.RedirectURIs = []string{"http://127.0.0.1/callback"} // at any port: RFC 8252, section 7.3
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			p := newSite(t, s, "no.example.site", tt.client)
			other := newSite(t, s, "no.example.other", func(*store.Client) {})
			b := newBrowser(t)
			login := func(pairs ...string) *browser {
				t.Helper()
				q := url.Values{}
				for i := 0; i < len(pairs); i += 2 {
					q.Set(pairs[i], pairs[i+1])
				}
				return b.get(p.URL + "/login?" + q.Encode())
			}

			// Nobody is logged in.
			b.get(p.URL + "/").sees("hello, whoever you are")
			login("prompt", "none").sees("refused: login_required")
			login("login_hint", reader, "ui_locales", "fi sv").want("startLoginState")
			if !strings.Contains(b.body, `value="`+reader+`"`) || !strings.Contains(b.body, `<html lang="fi"`) {
				t.Errorf("the page knows nothing of login_hint or ui_locales: %.3000s", b.body)
			}

			// The login.
			login()
			b.logIn().sees("hello, Kari")
			v := p.last(t)
			if v.claims.Subject != s.user.ID || v.claims.Session == "" || v.info.Email != reader || !v.info.EmailVerified {
				t.Errorf("claims %+v, UserInfo %+v", v.claims, v.info)
			}
			if alg, typ := header(t, v.raw); alg != tt.alg || typ != "" && typ != "JWT" {
				t.Errorf("the ID token is %s, %s, want %s", alg, typ, tt.alg)
			}
			if _, err := other.verifier.Verify(t.Context(), v.raw); err == nil {
				t.Error("the ID token passes at another client's site")
			}
			if _, err := p.verifier.VerifyLogout(t.Context(), v.raw); err == nil {
				t.Error("the ID token passes as a logout token")
			}

			// Again, without a page.
			for _, silent := range [][]string{nil, {"prompt", "none"}, {"max_age", "3600"}, {"prompt", "none", "id_token_hint", v.raw}} {
				login(silent...).sees("hello, Kari")
				again := p.last(t)
				if again == v || again.claims != v.claims {
					t.Errorf("%q: claims %+v, before %+v", silent, again.claims, v.claims)
				}
			}
			b.get(other.URL + "/login").sees("hello, Kari")
			if at := other.last(t); at.claims != v.claims {
				t.Errorf("at the other site %+v, here %+v", at.claims, v.claims)
			}

			// With one, as the site wants it.
			time.Sleep(2100 * time.Millisecond) // auth_time counts seconds
			for _, ask := range [][]string{{"max_age", "1"}, {"prompt", "login"}} {
				before := p.last(t).claims
				login(ask...).want("confirmUserState").press("verifyCredentialsEvent", "password", password).sees("hello, Kari")
				if after := p.last(t).claims; after.AuthTime < before.AuthTime || ask[0] == "max_age" && after.AuthTime == before.AuthTime || after.Subject != before.Subject || after.Session != before.Session {
					t.Errorf("%q: %+v, before %+v", ask, after, before)
				}
			}
			v = p.last(t)

			// Refresh.
			expired := *v.token
			expired.Expiry = time.Now().Add(-time.Minute)
			source := p.oauth.TokenSource(t.Context(), &expired)
			fresh, err := source.Token()
			if err != nil {
				t.Fatal(err)
			}
			if fresh.AccessToken == v.token.AccessToken || fresh.RefreshToken == v.token.RefreshToken || !fresh.Valid() {
				t.Errorf("the refreshed token is %+v, before %+v", fresh, v.token)
			}
			if info, err := p.provider.UserInfo(t.Context(), source); err != nil || info.Subject != s.user.ID {
				t.Errorf("UserInfo by the refreshed token: %+v, %v", info, err)
			}
			// OpenID Connect Core 1.0, section 12.2.
			raw, _ := fresh.Extra("id_token").(string)
			id, err := p.verifier.Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			var after claims
			if err := errors.Join(id.Claims(&after), id.VerifyAccessToken(fresh.AccessToken)); err != nil || after != v.claims {
				t.Errorf("the refreshed ID token has %+v, %v, want %+v", after, err, v.claims)
			}

			// The logout, of which both sites are told.
			b.get(p.URL + "/logout").sees("goodbye of " + v.claims.Session)
			p.wantTold(t, v.claims)
			other.wantTold(t, v.claims)
			b.get(p.URL + "/").sees("hello, whoever you are")
			b.get(other.URL + "/").sees("hello, whoever you are")
			login("prompt", "none").sees("refused: login_required")
			login().want("startLoginState")
		})
	}
}

// What goes wrong, or is made to, reaches the libraries in words that they know.
func TestGoOIDCErrors(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := newSite(t, s, "no.example.site", func(*store.Client) {})
	other := newSite(t, s, "no.example.other", func(*store.Client) {})
	b := newBrowser(t)
	b.get(p.URL + "/login")
	b.logIn().sees("hello, Kari")
	same := func(*oauth2.Config) {}

	// Discovery compares the issuer exactly.
	var mismatch *oidc.IssuerMismatchError
	if _, err := oidc.NewProvider(t.Context(), s.login+"/"); !errors.As(err, &mismatch) {
		t.Errorf("discovery with another issuer: %v", err)
	}

	// A redirect URI that is not the client's is never redirected to.
	wrong := p.oauth
	for _, uri := range []string{p.URL + "/callback/", p.URL + "/callback?x", p.URL + "/", "http://localhost.example/callback"} {
		wrong.RedirectURL = uri
		b.get(wrong.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
		b.wantAt(s.login + "/oauth/authorize")
	}

	// Another redirect URI at the exchange, another verifier, another client,
	// another secret.
	for _, tt := range []struct {
		what, code string
		verifier   string
		change     func(*oauth2.Config)
	}{
		{"another redirect_uri", "invalid_grant", "", func(c *oauth2.Config) { c.RedirectURL = p.URL + "/callback/" }},
		{"another code_verifier", "invalid_grant", oauth2.GenerateVerifier(), same},
		{"another client", "invalid_grant", "", func(c *oauth2.Config) { *c = other.oauth; c.RedirectURL = p.oauth.RedirectURL }},
		{"another secret", "invalid_client", "", func(c *oauth2.Config) { c.ClientSecret = other.oauth.ClientSecret }},
		{"an unknown client", "invalid_client", "", func(c *oauth2.Config) { c.ClientID = "no.example.nobody" }},
	} {
		code, verifier := p.code(t, b)
		if tt.verifier != "" {
			verifier = tt.verifier
		}
		_, err := p.exchange(t.Context(), code, verifier, tt.change)
		wantRefused(t, err, tt.what, tt.code)
	}

	// A code that is replayed costs all that came of it.
	code, verifier := p.code(t, b)
	token, err := p.exchange(t.Context(), code, verifier, same)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err != nil {
		t.Errorf("UserInfo: %v", err)
	}
	_, err = p.exchange(t.Context(), code, verifier, same)
	wantRefused(t, err, "the code again", "invalid_grant")
	_, err = p.oauth.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	wantRefused(t, err, "the refresh token of a code that was replayed", "invalid_grant")
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("the access token of a code that was replayed: %v", err)
	}

	// So does a refresh token that comes a second time, once the answer to the
	// first has been used.
	refresh := func(token string) (*oauth2.Token, error) {
		return p.oauth.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token}).Token()
	}
	first, err := refresh(p.last(t).token.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	second, err := refresh(first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = refresh(p.last(t).token.RefreshToken)
	wantRefused(t, err, "a refresh token again", "invalid_grant")
	_, err = refresh(second.RefreshToken)
	wantRefused(t, err, "the last refresh token of that grant", "invalid_grant")

	// A state that was tampered with is the site's to refuse, with the code unspent;
	// it comes back untouched, whatever stands in it.
	b.stops = []string{p.URL + "/callback"}
	b.get(p.URL + "/login")
	back := *b.at
	b.stops = nil
	q := back.Query()
	q.Set("state", q.Get("state")+"x")
	b.get(p.URL + "/callback?" + q.Encode()).sees("refused: another state")
	b.get(back.String()).sees("hello, Kari")
	b.stops = []string{p.oauth.RedirectURL}
	const odd = "a b+c&d=e%20f#g;æ😀\"'<>"
	b.get(p.oauth.AuthCodeURL(odd, oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	if got := b.wantAt(p.oauth.RedirectURL).Get("state"); got != odd {
		t.Errorf("the state %q comes back as %q", odd, got)
	}

	// Without a challenge there is no code.
	b.get(p.oauth.AuthCodeURL("state"))
	if q := b.wantAt(p.oauth.RedirectURL); q.Get("error") != "invalid_request" || q.Get("state") != "state" || q.Get("iss") != s.login || q.Has("code") {
		t.Errorf("without PKCE the browser is led to %s", b.at)
	}
	// Nor for a scope that is not the client's.
	wrong = p.oauth
	wrong.Scopes = append(wrong.Scopes, "phone")
	b.get(wrong.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	if q := b.wantAt(p.oauth.RedirectURL); q.Get("error") != "invalid_scope" || q.Has("code") {
		t.Errorf("another's scope leads to %s", b.at)
	}
}

// The client's own tokens, by golang.org/x/oauth2/clientcredentials.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, secret := s.client(t, "http://localhost:4711", func(*store.Client) {})
	provider, err := oidc.NewProvider(t.Context(), s.login)
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams, oauth2.AuthStyleAutoDetect} {
		c := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: provider.Endpoint().TokenURL, AuthStyle: style}
		token, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if token.RefreshToken != "" || !token.Valid() || token.Type() != "Bearer" || time.Until(token.Expiry) < 11*time.Hour {
			t.Errorf("style %d: %+v", style, token)
		}
		// Known, but not a user.
		resp, err := c.Client(t.Context()).Get(s.url + "/capi/v1/customer/profile")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("style %d: the API answers %s", style, resp.Status)
		}
		if _, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("style %d: UserInfo of a client: %v", style, err)
		}
		c.ClientSecret += "x"
		_, err = c.Token(t.Context())
		wantRefused(t, err, "a wrong secret", "invalid_client")
		c.ClientSecret, c.Scopes = secret, []string{"everything"}
		_, err = c.Token(t.Context())
		wantRefused(t, err, "a scope that is not the client's", "invalid_scope")
	}
}
