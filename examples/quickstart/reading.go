package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/connectid-kit/connectid/store"
)

// readingClient is a client of somebody else than the newspapers' publisher, which
// has to ask readers for their consent.
const readingClient = "no.mediaconnect.reading"

// reading returns the client record of the reading circle, a public client.
func (u urls) reading() store.Client {
	return store.Client{
		ID: readingClient, PartnerID: "reading-circle",
		Name: "Lesesirkelen", Description: "Les sammen, også når dere ikke er det", Homepage: u.Host + "/demo/reading",
		CustomerCareEmail: "hei@example.com", UserTermsURL: u.Host + "/demo/reading#terms",
		Language: "nb", Region: "NO", GUIVersion: 2,
		Targets: []string{u.Host + "/demo"}, RedirectURIs: []string{u.Host + "/demo/reading/callback"},
		Public: true, GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes: []string{"openid", "profile", "email", "phone", "offline_access"}, ConsentRequired: true,
	}
}

// readingApp is the reading circle's site: as little of one as shows what consent is.
type readingApp struct {
	oauth     oauth2.Config
	http      *http.Client
	secure    bool
	templates *template.Template
	logger    *slog.Logger
}

func newReadingApp(u urls, client *http.Client, logger *slog.Logger) (http.Handler, error) {
	t, err := template.ParseFS(pageFiles, "pages/reading.html")
	if err != nil {
		return nil, err
	}
	c := u.reading()
	a := &readingApp{
		oauth: oauth2.Config{
			ClientID: c.ID, RedirectURL: c.RedirectURIs[0],
			Endpoint: oauth2.Endpoint{AuthURL: u.Login + "/oauth/authorize", TokenURL: u.Login + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
		},
		http: client, secure: u.secure(), templates: t, logger: logger,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/reading", func(w http.ResponseWriter, r *http.Request) { a.show(w, r, readingPage{}) })
	mux.HandleFunc("GET /demo/reading/connect", a.connect)
	mux.HandleFunc("GET /demo/reading/callback", a.callback)
	return localOnly(mux), nil
}

// readingPage is what came of the last attempt.
type readingPage struct {
	Allowed []string // scopes
	Error   string   // of the authorization endpoint
}

func (a *readingApp) show(w http.ResponseWriter, r *http.Request, page readingPage) {
	p := pages{templates: a.templates, logger: a.logger}
	p.render(w, r, "reading.html", page)
}

const readingCookie = "demo-reading"

// connect starts an authorization request with state and PKCE.
func (a *readingApp) connect(w http.ResponseWriter, r *http.Request) {
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	http.SetCookie(w, &http.Cookie{
		Name: readingCookie, Value: state + "." + verifier, Path: "/demo/reading", MaxAge: 1800,
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
	scope := "openid profile"
	if r.FormValue("email") != "" {
		scope += " email"
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("scope", scope)}
	if prompt := r.FormValue("prompt"); slices.Contains([]string{"login", "consent", "select_account"}, prompt) {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	http.Redirect(w, r, a.oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
}

// callback is the redirect URI.
func (a *readingApp) callback(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(readingCookie)
	if err != nil {
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther) // reloaded, or from elsewhere
		return
	}
	state, verifier, _ := strings.Cut(cookie.Value, ".")
	if subtle.ConstantTimeCompare([]byte(state), []byte(r.FormValue("state"))) != 1 {
		http.Redirect(w, r, "/demo/reading", http.StatusSeeOther)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: readingCookie, Path: "/demo/reading", MaxAge: -1, HttpOnly: true, Secure: a.secure})
	if reason := r.FormValue("error"); reason != "" {
		a.show(w, r, readingPage{Error: reason})
		return
	}
	ctx := context.WithValue(r.Context(), oauth2.HTTPClient, a.http)
	token, err := a.oauth.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		a.logger.WarnContext(ctx, "exchange a code", "err", err)
		a.show(w, r, readingPage{Error: "server_error"})
		return
	}
	scope, _ := token.Extra("scope").(string)
	a.show(w, r, readingPage{Allowed: strings.Fields(scope)})
}
