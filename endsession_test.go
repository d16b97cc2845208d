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

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/store"
)

const goodbye = "https://paper.example/goodbye?x=1"

// openIDSite is a site with a client that uses OpenID Connect.
func openIDSite(t *testing.T, change ...func(*store.Client)) *site {
	t.Helper()
	s := newSite(t)
	c := paper(clientID, "paper")
	c.Scopes = []string{"openid", "profile"}
	c.PostLogoutRedirectURIs = []string{goodbye, "app.paper:/goodbye"}
	for _, f := range change {
		f(&c)
	}
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.user(kari, password)
	return s
}

// idToken has the browser, which is logged in, get the client an ID token.
func (b *browser) idToken() string {
	b.t.Helper()
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	sum := sha256.Sum256([]byte(verifier))
	redirect := "https://paper.example/callback"
	b.get(loginURL + "/oauth/authorize?" + url.Values{
		"client_id": {clientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {b.url.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}
	r := httptest.NewRequest(http.MethodPost, loginURL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.kit.ServeHTTP(w, r)
	var answer struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.ID == "" {
		b.t.Fatalf("no ID token at %s: %d %s", b.url, w.Code, w.Body)
	}
	return answer.ID
}

// logout visits the end_session_endpoint.
func (b *browser) logout(pairs ...string) *browser {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return b.get(loginURL + "/oauth/logout?" + q.Encode())
}

// An ID token of this very login: no question is asked (OpenID Connect
// RP-Initiated Logout 1.0, sections 2 and 3).
func TestLogoutByIDToken(t *testing.T) {
	t.Parallel()
	s := openIDSite(t)
	b := s.login(kari, password, true)
	hint := b.idToken()
	b.logout("id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", "a b&c=d")
	b.wantAt(goodbye + "&state=a+b%26c%3Dd")
	if b.loggedIn() {
		t.Error("still logged in; the rememberMeCookie of the client goes too")
	}
	// Once more, with nobody logged in: the browser goes where it would have gone.
	b.logout("id_token_hint", hint, "post_logout_redirect_uri", goodbye).wantAt(goodbye)

	// An app's own address, and a post from another site, which has no Lax cookie.
	b = s.login(kari, password, false)
	form := url.Values{"id_token_hint": {b.idToken()}, "post_logout_redirect_uri": {"app.paper:/goodbye"}, "client_id": {clientID}}
	b.do(http.MethodPost, loginURL+"/oauth/logout", form).wantAt("app.paper:/goodbye")
	if b.loggedIn() {
		t.Error("still logged in after a post")
	}
}

// Whatever does not prove that the client may ask has the user asked.
func TestLogoutIsConfirmed(t *testing.T) {
	t.Parallel()
	s := openIDSite(t)
	first := s.login(kari, password, false)
	old := first.idToken()
	s.user(ola, password)
	others := s.login(ola, password, false).idToken()
	for name, pairs := range map[string][]string{
		"no hint":         {"client_id", clientID, "post_logout_redirect_uri", goodbye},
		"another login":   {"id_token_hint", old, "post_logout_redirect_uri", goodbye},
		"another user":    {"id_token_hint", others, "post_logout_redirect_uri", goodbye},
		"a damaged hint":  {"client_id", clientID, "id_token_hint", old[:len(old)-4] + "AAAA", "post_logout_redirect_uri", goodbye},
		"not even a hint": {"client_id", clientID, "id_token_hint", "x", "post_logout_redirect_uri", goodbye},
	} {
		b := s.login(kari, password, false)
		if b.logout(pairs...); b.state() != "confirmLogoutState" {
			t.Errorf("%s: the page is %q at %s", name, b.state(), b.url)
			continue
		}
		if !b.loggedIn() {
			t.Errorf("%s: logged out without being asked", name)
		}
		page := b.form()
		if b.submit("navigateAwayEvent").wantAt(goodbye); !b.loggedIn() {
			t.Errorf("%s: logged out against her will", name)
		}
		b.logout(pairs...).wantState("confirmLogoutState")
		if b.submit("logoutEvent").wantAt(goodbye); b.loggedIn() {
			t.Errorf("%s: still logged in", name)
		}
		b.submitPage(page, "logoutEvent") // of the run that is over
		if b.loggedIn() {
			t.Errorf("%s: logged in by an old page", name)
		}
	}
	// Who is not logged in, but would be by her rememberMeCookie, is asked too.
	b := s.forgetSession(s.login(kari, password, true))
	b.logout("client_id", clientID).wantState("confirmLogoutState")
	if b.submit("logoutEvent").wantState("loggedOutState"); b.loggedIn() {
		t.Error("remembered after a logout")
	}
	// The ID token of somebody else, such as the owner of the site that sent her here,
	// does not make the client forget her.
	b = s.forgetSession(s.login(kari, password, true))
	b.logout("id_token_hint", others).wantState("confirmLogoutState")
	if !b.loggedIn() {
		t.Error("another's ID token has the client forget her")
	}
	// Her own does, whichever login it is of.
	b = s.forgetSession(s.login(kari, password, true))
	b.logout("id_token_hint", old).wantState("loggedOutState")
	if b.loggedIn() {
		t.Error("remembered after a logout by her ID token")
	}
}

// With nowhere to go back to the user is told, and led to the client's homepage.
func TestLogoutWithoutReturn(t *testing.T) {
	t.Parallel()
	s := openIDSite(t)
	b := s.login(kari, password, false)
	b.logout("id_token_hint", b.idToken()).wantState("loggedOutState")
	if b.loggedIn() {
		t.Error("still logged in")
	}
	b.submit("navigateAwayEvent").wantAt("https://paper.example/")

	// Neither says who asks: it is the client where the user logged in.
	b = s.login(kari, password, false)
	b.logout().wantState("confirmLogoutState")
	b.submit("logoutEvent").wantState("loggedOutState")
	b.logout().wantStatus(http.StatusBadRequest)

	// A homepage that is no target of the client is no place to lead to.
	s = openIDSite(t, func(c *store.Client) { c.Homepage = "https://elsewhere.example/" })
	b = s.login(kari, password, false)
	b.logout("id_token_hint", b.idToken()).wantState("loggedOutState")
	b.submit("navigateAwayEvent").wantState("loggedOutState")
}

// Nobody is redirected by a faulty request, and nobody logged out.
func TestFaultyLogout(t *testing.T) {
	t.Parallel()
	s := openIDSite(t)
	b := s.login(kari, password, false)
	hint := b.idToken()
	for name, pairs := range map[string][]string{
		"unregistered address":     {"id_token_hint", hint, "post_logout_redirect_uri", "https://paper.example/elsewhere"},
		"prefix of a registered":   {"id_token_hint", hint, "post_logout_redirect_uri", goodbye + "2"},
		"a redirect_uri":           {"id_token_hint", hint, "post_logout_redirect_uri", "https://paper.example/callback"},
		"not an address":           {"id_token_hint", hint, "post_logout_redirect_uri", "//paper.example/goodbye"},
		"a script":                 {"id_token_hint", hint, "post_logout_redirect_uri", "javascript:alert(1)"},
		"a long state":             {"id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", strings.Repeat("x", 2100)},
		"another client":           {"id_token_hint", hint, "client_id", otherID},
		"unknown client":           {"client_id", "no.example.nobody"},
		"unknown client, no hint":  {"client_id", "no.example.nobody", "id_token_hint", "x"},
		"repeated hint":            {"id_token_hint", hint, "id_token_hint", hint},
		"repeated address":         {"id_token_hint", hint, "post_logout_redirect_uri", goodbye, "post_logout_redirect_uri", goodbye},
		"repeated state":           {"id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", "a", "state", "b"},
		"repeated client":          {"client_id", clientID, "client_id", clientID},
		"address of a third party": {"client_id", otherID, "post_logout_redirect_uri", goodbye},
	} {
		if b.logout(pairs...); b.status != http.StatusBadRequest || b.url.Host != "id.example" {
			t.Errorf("%s: %d at %s", name, b.status, b.url)
		}
	}
	if !b.loggedIn() {
		t.Error("a faulty request has logged her out")
	}
	if w := b.send(http.MethodDelete, &url.URL{Scheme: "https", Host: "id.example", Path: "/user/oauth/logout"}, nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("DELETE: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// The client that got a code is told when the session ends, soon and by whatever
// ends it; Run does it.
func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *site, b *browser){
		"logoutUrl":    func(_ *site, b *browser) { b.open("logout").wantAt(returnURL) },
		"oauth/logout": func(_ *site, b *browser) { b.logout("client_id", clientID).submit("logoutEvent") },
		"a block": func(s *site, _ *browser) {
			if err := s.kit.Accounts().Block(s.t.Context(), s.userOf(store.Email, kari).ID); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			told := make(chan url.Values, 4)
			s := newSite(t, func(c *connectid.Config) {
				c.LogoutClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if err := r.ParseForm(); err != nil || r.URL.String() != "https://paper.example/backchannel" {
						t.Errorf("%s: %s %s, %v", name, r.Method, r.URL, err)
					}
					told <- r.PostForm
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
				})}
			})
			c := paper(clientID, "paper")
			c.Scopes, c.BackchannelLogoutURI = []string{"openid"}, "https://paper.example/backchannel"
			if err := s.store.PutClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			s.user(kari, password)
			b := s.login(kari, password, false)
			id := claimsOf(t, b.idToken())
			stop := s.run()
			defer stop()
			synctest.Wait()
			end(s, b)
			synctest.Wait()
			select {
			case form := <-told:
				got := claimsOf(t, form.Get("logout_token"))
				if got["sub"] != id["sub"] || got["sid"] != id["sid"] || got["aud"] != clientID || got["sid"] == "" {
					t.Errorf("%s: logout token %v of ID token %v", name, got, id)
				}
			default:
				t.Errorf("%s: nobody was told", name)
			}
			if len(told) > 0 {
				t.Errorf("%s: told %d times more", name, len(told))
			}
		})
	}
}

// run does the kit's work beside requests until stop is called.
func (s *site) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.kit.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// claimsOf reads a token without checking it.
func claimsOf(t testing.TB, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
