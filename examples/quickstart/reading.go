package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/connectid-kit/connectid/store"
)

// readingClient is a client of somebody else than the newspapers' publisher, which
// has to ask readers for their consent.
const readingClient = "no.mediaconnect.reading"

// reading returns the client record of the reading circle, a public client.
func (u urls) reading() store.Client {
	base := u.Host + "/demo/reading"
	return store.Client{
		ID: readingClient, PartnerID: "reading-circle",
		Name: "Lesesirkelen", Description: "Les sammen, også når dere ikke er det", Homepage: base,
		CustomerCareEmail: "hei@example.com", UserTermsURL: base + "#terms",
		Language: "nb", Region: "NO", GUIVersion: 2,
		Targets: []string{u.Host + "/demo"}, RedirectURIs: []string{base + "/callback"},
		PostLogoutRedirectURIs: []string{base}, BackchannelLogoutURI: base + "/backchannel",
		Public: true, GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes: []string{"openid", "profile", "email", "phone", "offline_access"}, ConsentRequired: true,
	}
}

// readingApp is the reading circle's site, by a stock OpenID Connect library
// (coreos/go-oidc) alone: the issuer's address and a client ID are all that it knows
// of connectid.
type readingApp struct {
	issuer, base, clientID string

	http      *http.Client
	secure    bool
	templates *template.Template
	logger    *slog.Logger

	mu       sync.Mutex
	provider *oidc.Provider         // nil before the first visitor
	visitors map[string]visitorInfo // by the value of the site's own cookie
}

// visitorInfo is what the site knows of who is signed in.
type visitorInfo struct {
	Name, Email string
	Scopes      []string
	IDToken     string
	Session     string // sid: how the issuer tells of its end
}

// maxVisitors bounds the sessions of the site, which are kept in memory.
const maxVisitors = 1000

func newReadingApp(u urls, client *http.Client, logger *slog.Logger) (http.Handler, error) {
	t, err := template.ParseFS(pageFiles, "pages/reading.html")
	if err != nil {
		return nil, err
	}
	a := &readingApp{
		issuer: u.Login, base: u.Host + "/demo/reading", clientID: readingClient,
		http: client, secure: u.secure(), templates: t, logger: logger, visitors: map[string]visitorInfo{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/reading", func(w http.ResponseWriter, r *http.Request) { a.show(w, r, readingPage{}) })
	mux.HandleFunc("GET /demo/reading/connect", a.connect)
	mux.HandleFunc("GET /demo/reading/callback", a.callback)
	mux.HandleFunc("GET /demo/reading/logout", a.logout)
	mux.HandleFunc("POST /demo/reading/backchannel", a.backchannel)
	return localOnly(mux), nil
}

// discover reads what the issuer says of itself (OpenID Connect Discovery 1.0), once.
func (a *readingApp) discover() (*oidc.Provider, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.provider != nil {
		return a.provider, nil
	}
	// Keys are fetched later, too, so no visitor's context will do.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), a.http), a.issuer)
	if err == nil {
		a.provider = p
	}
	return p, err
}

func (a *readingApp) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.clientID, Endpoint: p.Endpoint(), RedirectURL: a.base + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile"},
	}
}

// readingPage is who is signed in, and what came of the last attempt.
type readingPage struct {
	Visitor visitorInfo
	Allowed []string // scopes
	Error   string   // of the authorization endpoint
}

func (a *readingApp) show(w http.ResponseWriter, r *http.Request, page readingPage) {
	if page.Visitor.IDToken == "" {
		if c, err := r.Cookie(readingSession); err == nil {
			a.mu.Lock()
			page.Visitor = a.visitors[c.Value]
			a.mu.Unlock()
		}
	}
	p := pages{templates: a.templates, logger: a.logger}
	p.render(w, r, "reading.html", page)
}

// The site's cookies: the login under way, and who is signed in.
const (
	readingCookie  = "demo-reading"
	readingSession = "demo-reading-session"
)

func (a *readingApp) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/demo/reading", MaxAge: maxAge,
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
}

// fail says that it did not work, and logs why.
func (a *readingApp) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.logger.WarnContext(r.Context(), "the reading circle", "err", err)
	a.show(w, r, readingPage{Error: "server_error"})
}

// connect starts an authorization request with state, nonce and PKCE.
func (a *readingApp) connect(w http.ResponseWriter, r *http.Request) {
	provider, err := a.discover()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	a.setCookie(w, readingCookie, state+"."+nonce+"."+verifier, 1800)
	conf := a.oauth(provider)
	if r.FormValue("email") != "" {
		conf.Scopes = append(conf.Scopes, "email")
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)}
	if prompt := r.FormValue("prompt"); slices.Contains([]string{"login", "consent", "select_account"}, prompt) {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	http.Redirect(w, r, conf.AuthCodeURL(state, options...), http.StatusSeeOther)
}

// callback is the redirect URI.
func (a *readingApp) callback(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(readingCookie)
	if err != nil {
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther) // reloaded, or from elsewhere
		return
	}
	kept := strings.Split(cookie.Value, ".")
	if len(kept) != 3 || subtle.ConstantTimeCompare([]byte(kept[0]), []byte(r.FormValue("state"))) != 1 {
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther)
		return
	}
	a.setCookie(w, readingCookie, "", -1)
	if reason := r.FormValue("error"); reason != "" {
		a.show(w, r, readingPage{Error: reason})
		return
	}
	visitor, err := a.visitor(r.Context(), r.FormValue("code"), kept[1], kept[2])
	if err != nil {
		a.fail(w, r, err)
		return
	}
	session := rand.Text()
	a.mu.Lock()
	for old := range a.visitors {
		if len(a.visitors) < maxVisitors {
			break
		}
		delete(a.visitors, old)
	}
	a.visitors[session] = visitor
	a.mu.Unlock()
	a.setCookie(w, readingSession, session, 0)
	a.show(w, r, readingPage{Visitor: visitor, Allowed: visitor.Scopes})
}

// visitor exchanges the code for an ID token, verifies it, and asks UserInfo.
func (a *readingApp) visitor(ctx context.Context, code, nonce, verifier string) (v visitorInfo, err error) {
	provider, err := a.discover()
	if err != nil {
		return v, err
	}
	ctx = oidc.ClientContext(ctx, a.http)
	token, err := a.oauth(provider).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return v, err
	}
	v.IDToken, _ = token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: a.clientID}).Verify(ctx, v.IDToken)
	if err != nil {
		return v, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return v, errors.New("the ID token is of another login")
	}
	user, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return v, err
	}
	if user.Subject != id.Subject {
		return v, errors.New("UserInfo is of somebody else")
	}
	var claims struct {
		Session string `json:"sid"`
	}
	var profile struct {
		Name string `json:"name"`
	}
	if err := errors.Join(id.Claims(&claims), user.Claims(&profile)); err != nil {
		return v, fmt.Errorf("read the claims: %w", err)
	}
	scope, _ := token.Extra("scope").(string)
	v.Name, v.Email, v.Session, v.Scopes = profile.Name, user.Email, claims.Session, strings.Fields(scope)
	return v, nil
}

// logout ends the visit here and at the issuer (OpenID Connect RP-Initiated Logout
// 1.0).
func (a *readingApp) logout(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(readingSession)
	if err != nil {
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther)
		return
	}
	provider, err := a.discover()
	var document struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err == nil {
		err = provider.Claims(&document)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.mu.Lock()
	v, known := a.visitors[cookie.Value]
	delete(a.visitors, cookie.Value)
	a.mu.Unlock()
	a.setCookie(w, readingSession, "", -1)
	if !known { // told so by the issuer
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther)
		return
	}
	q := url.Values{"id_token_hint": {v.IDToken}, "post_logout_redirect_uri": {a.base}}
	http.Redirect(w, r, document.EndSession+"?"+q.Encode(), http.StatusSeeOther)
}

// backchannel is told by the issuer that a session has ended, wherever its user
// logged out (OpenID Connect Back-Channel Logout 1.0).
func (a *readingApp) backchannel(w http.ResponseWriter, r *http.Request) {
	provider, err := a.discover()
	if err != nil {
		a.logger.WarnContext(r.Context(), "the reading circle", "err", err)
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token, err := provider.Verifier(&oidc.Config{ClientID: a.clientID}).VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for cookie, v := range a.visitors {
		if v.Session == token.SessionID {
			delete(a.visitors, cookie)
		}
	}
}
