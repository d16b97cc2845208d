package interop

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/connectid-kit/connectid/store"
)

// site is a site that was written with coreos/go-oidc and golang.org/x/oauth2. It
// knows the issuer's address and its own client; what else there is to know of
// connectid it reads in the discovery document.
type site struct {
	*httptest.Server
	oauth      oauth2.Config
	provider   *oidc.Provider
	verifier   *oidc.IDTokenVerifier
	endSession string
	told       chan *oidc.LogoutToken // by the back channel

	mu       sync.Mutex
	attempts map[string]attempt  // by state
	logins   map[string]*visitor // by the value of the site's own cookie
}

// attempt is a login under way.
type attempt struct {
	nonce, verifier string
	maxAge          string
	started         time.Time
}

// visitor is somebody who is logged in at the site.
type visitor struct {
	claims   claims
	info     *oidc.UserInfo
	token    *oauth2.Token
	raw      string // the ID token
	response string // the authorization response
}

// claims are those of the ID token that go-oidc has no field for.
type claims struct {
	Subject  string `json:"sub"`
	Session  string `json:"sid"`
	AuthTime int64  `json:"auth_time"`
}

// newSite registers a client and starts its site.
func newSite(t *testing.T, s *idServer, id string, change func(*store.Client)) *site {
	t.Helper()
	mux := http.NewServeMux()
	p := &site{
		Server: httptest.NewServer(mux), told: make(chan *oidc.LogoutToken, 8),
		attempts: map[string]attempt{}, logins: map[string]*visitor{},
	}
	t.Cleanup(p.Close)
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}": p.front, "GET /login": p.login, "GET /callback": p.callback, "GET /logout": p.logout, "GET /left": p.left, "POST /backchannel": p.backchannel,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				http.Error(w, "refused: "+err.Error(), http.StatusBadRequest)
			}
		})
	}
	id, secret := s.client(t, p.URL, func(c *store.Client) {
		c.ID = id
		c.PostLogoutRedirectURIs, c.BackchannelLogoutURI = []string{p.URL + "/left"}, p.URL+"/backchannel"
		change(c)
	})
	c, err := s.store.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if c.Public {
		secret = ""
	}
	if p.provider, err = oidc.NewProvider(t.Context(), s.login); err != nil {
		t.Fatal(err)
	}
	var document struct {
		EndSession  string `json:"end_session_endpoint"`
		BackChannel bool   `json:"backchannel_logout_session_supported"`
	}
	if err := p.provider.Claims(&document); err != nil || document.EndSession == "" || !document.BackChannel {
		t.Fatalf("the discovery document has %+v, %v", document, err)
	}
	p.endSession = document.EndSession
	p.verifier = p.provider.Verifier(&oidc.Config{ClientID: id})
	p.oauth = oauth2.Config{
		ClientID: id, ClientSecret: secret, Endpoint: p.provider.Endpoint(), RedirectURL: p.URL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	return p
}

// cookie returns the name of a cookie: all servers of a test share 127.0.0.1.
func (p *site) cookie(name string) string { return name + "-" + p.oauth.ClientID }

// value returns what the browser's cookie says.
func (p *site) value(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookie(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// who returns who is logged in at the site; nil for nobody.
func (p *site) who(r *http.Request) *visitor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins[p.value(r, "session")]
}

// last returns who has logged in at the site, of whom there is one.
func (p *site) last(t *testing.T) *visitor {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.logins) != 1 {
		t.Fatalf("%d are logged in at %s, want one", len(p.logins), p.oauth.ClientID)
	}
	for _, v := range p.logins {
		return v
	}
	return nil
}

func (p *site) front(w http.ResponseWriter, r *http.Request) error {
	v := p.who(r)
	if v == nil {
		fmt.Fprint(w, "hello, whoever you are")
		return nil
	}
	var profile struct {
		GivenName string `json:"given_name"`
	}
	if err := v.info.Claims(&profile); err != nil {
		return err
	}
	fmt.Fprintf(w, "hello, %s", profile.GivenName)
	return nil
}

// login sends the browser to the issuer, with the parameters that the test wants.
func (p *site) login(w http.ResponseWriter, r *http.Request) error {
	state := rand.Text()
	a := attempt{nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), maxAge: r.FormValue("max_age"), started: time.Now()}
	p.mu.Lock()
	p.attempts[state] = a
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: p.cookie("attempt"), Value: state, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)}
	for name := range r.URL.Query() {
		options = append(options, oauth2.SetAuthURLParam(name, r.FormValue(name)))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(state, options...), http.StatusFound)
	return nil
}

// callback is the redirect URI.
func (p *site) callback(w http.ResponseWriter, r *http.Request) error {
	state := r.FormValue("state")
	if subtle.ConstantTimeCompare([]byte(state), []byte(p.value(r, "attempt"))) != 1 {
		return errors.New("another state")
	}
	p.mu.Lock()
	a, ok := p.attempts[state]
	delete(p.attempts, state)
	p.mu.Unlock()
	switch {
	case !ok:
		return errors.New("no such attempt")
	case r.FormValue("iss") != p.issuer(): // RFC 9207
		return errors.New("another issuer")
	case r.FormValue("error") != "":
		return errors.New(r.FormValue("error"))
	}
	token, err := p.oauth.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return err
	}
	v := &visitor{token: token, response: r.URL.String()}
	v.raw, _ = token.Extra("id_token").(string)
	id, err := p.verifier.Verify(r.Context(), v.raw)
	if err != nil {
		return err
	}
	if err := errors.Join(id.VerifyAccessToken(token.AccessToken), id.Claims(&v.claims)); err != nil {
		return err
	}
	if id.Nonce != a.nonce {
		return errors.New("another nonce")
	}
	if a.maxAge != "" {
		allowed, err := time.ParseDuration(a.maxAge + "s")
		if err != nil || time.Unix(v.claims.AuthTime, 0).Before(a.started.Add(-allowed).Truncate(time.Second)) {
			return fmt.Errorf("logged in at %d, more than %s seconds ago, %v", v.claims.AuthTime, a.maxAge, err)
		}
	}
	if v.info, err = p.provider.UserInfo(r.Context(), oauth2.StaticTokenSource(token)); err != nil {
		return err
	}
	if v.info.Subject != id.Subject {
		return errors.New("UserInfo of somebody else")
	}
	session := rand.Text()
	p.mu.Lock()
	delete(p.logins, p.value(r, "session"))
	p.logins[session] = v
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: p.cookie("session"), Value: session, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (p *site) issuer() string {
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := p.provider.Claims(&document); err != nil {
		panic(err)
	}
	return document.Issuer
}

// logout logs the visitor out at the issuer, too.
func (p *site) logout(w http.ResponseWriter, r *http.Request) error {
	v := p.who(r)
	if v == nil {
		return errors.New("nobody is logged in")
	}
	http.Redirect(w, r, p.endSession+"?"+url.Values{
		"id_token_hint": {v.raw}, "post_logout_redirect_uri": {p.URL + "/left"}, "state": {"of " + v.claims.Session},
	}.Encode(), http.StatusFound)
	return nil
}

func (p *site) left(w http.ResponseWriter, r *http.Request) error {
	fmt.Fprintf(w, "goodbye %s", r.FormValue("state"))
	return nil
}

// backchannel is told of logouts by the issuer itself.
func (p *site) backchannel(w http.ResponseWriter, r *http.Request) error {
	token, err := p.verifier.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		return err
	}
	p.mu.Lock()
	for session, v := range p.logins {
		if v.claims.Session == token.SessionID {
			delete(p.logins, session)
		}
	}
	p.mu.Unlock()
	p.told <- token
	return nil
}

// wantTold waits until the site has been told that the session has ended.
func (p *site) wantTold(t *testing.T, session claims) {
	t.Helper()
	select {
	case token := <-p.told:
		if token.SessionID != session.Session || token.Subject != session.Subject || !slices.Equal(token.Audience, []string{p.oauth.ClientID}) {
			t.Errorf("%s is told of %+v, want %+v", p.oauth.ClientID, token, session)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s is told of no logout", p.oauth.ClientID)
	}
}

// code sends a browser that is logged in to the issuer, and returns the code that
// it comes back with, as an interceptor would get it.
func (p *site) code(t *testing.T, b *browser) (code, verifier string) {
	t.Helper()
	verifier = oauth2.GenerateVerifier()
	b.stops = []string{p.oauth.RedirectURL}
	defer func() { b.stops = nil }()
	b.get(p.oauth.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	if code = b.wantAt(p.oauth.RedirectURL).Get("code"); code == "" {
		t.Fatalf("there is no code at %s", b.at)
	}
	return code, verifier
}

// exchange exchanges a code as another site would.
func (p *site) exchange(ctx context.Context, code, verifier string, change func(*oauth2.Config)) (*oauth2.Token, error) {
	c := p.oauth
	change(&c)
	return c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
}

// wantRefused says with which error code the token endpoint refuses, in the words
// of golang.org/x/oauth2.
func wantRefused(t *testing.T, err error, what, code string) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// header returns the alg and typ that a token names.
func header(t *testing.T, raw string) (alg, typ string) {
	t.Helper()
	var h struct{ Alg, Typ string }
	if err := json.Unmarshal(segment(t, raw, 0), &h); err != nil {
		t.Fatal(err)
	}
	return h.Alg, h.Typ
}
