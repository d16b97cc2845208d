// Package paper is a demo newspaper: a website that signs its readers in with
// connectid, as an OAuth 2.0 client that uses golang.org/x/oauth2. It shows what
// a site does: the top-level loginCheck redirect when a reader arrives, login
// with PKCE and state, the API for who she is, logout, and loginCheck from
// scripts.
package paper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Config configures a [Paper].
type Config struct {
	Edition      *Edition // required; see [LoadEdition]
	Base         string   // the newspaper's own origin, such as http://127.0.0.1:8081; required
	LoginServer  string   // connectid's login server, such as http://localhost:8080/user; required
	APIServer    string   // connectid's API, such as http://localhost:8080/capi; required
	ClientID     string   // required
	ClientSecret string   // empty for a public client
	HashKey      []byte   // signs cookies: 32 random bytes; required
	BlockKey     []byte   // encrypts cookies: 32 random bytes; required
	// PaymentSecret signs what the payment script asks for; empty to do without the
	// script. ScriptServer and PayServer are where connectid has it and its API, such
	// as http://localhost:8080/mcpay and http://localhost:8080/capi/mcpay.
	PaymentSecret []byte
	ScriptServer  string
	PayServer     string
	Directory     string // the id of a company directory with which readers register; empty for none
	HTTPClient    *http.Client
	Logger        *slog.Logger // default [slog.Default]
}

func (c Config) withDefaults() (Config, error) {
	var errs []error
	if c.Edition == nil {
		errs = append(errs, errors.New("missing Edition"))
	}
	for name, value := range map[string]string{"Base": c.Base, "LoginServer": c.LoginServer, "APIServer": c.APIServer} {
		if u, err := url.Parse(value); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("bad %s %q: want an absolute URL", name, value))
		}
	}
	if c.ClientID == "" {
		errs = append(errs, errors.New("missing ClientID"))
	}
	if len(c.HashKey) < 32 || len(c.BlockKey) != 32 {
		errs = append(errs, errors.New("HashKey and BlockKey: want 32 random bytes each"))
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(errs...)
}

// Paper is a newspaper's website.
type Paper struct {
	Config
	oauth     oauth2.Config
	cookies   *jar
	templates map[string]*template.Template
	handler   http.Handler
}

// New returns the newspaper. All faults of the configuration are reported at once.
func New(c Config) (*Paper, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	style := oauth2.AuthStyleInHeader
	if c.ClientSecret == "" {
		style = oauth2.AuthStyleInParams
	}
	p := &Paper{
		Config: c,
		oauth: oauth2.Config{
			ClientID:     c.ClientID,
			ClientSecret: c.ClientSecret,
			RedirectURL:  c.Base + "/callback",
			Endpoint: oauth2.Endpoint{
				AuthURL:   c.LoginServer + "/oauth/authorize",
				TokenURL:  c.LoginServer + "/oauth/token",
				AuthStyle: style,
			},
		},
		cookies: newJar(c.Edition.Slug, strings.HasPrefix(c.Base, "https:"), c.HashKey, c.BlockKey),
	}
	if p.templates, err = parseTemplates(c.Edition); err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	p.handler = p.headers(http.NewCrossOriginProtection().Handler(p.routes()))
	return p, nil
}

// ServeHTTP answers for the whole site.
func (p *Paper) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Paper) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.arriving(p.front))
	mux.HandleFunc("GET /article/{slug}", p.arriving(p.article))
	mux.HandleFunc("GET /section/{name}", p.arriving(p.section))
	mux.HandleFunc("GET /checked", p.checked)
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("GET /callback", p.callback)
	mux.HandleFunc("GET /join", p.join)
	mux.HandleFunc("GET /me", p.arriving(p.me))
	mux.HandleFunc("GET /me/callback", p.registered)
	mux.HandleFunc("GET /subscribe", p.arriving(p.subscribe))
	mux.HandleFunc("POST /subscribe", p.buy)
	mux.HandleFunc("GET /subscribe/pay", p.here(p.pay))
	mux.HandleFunc("GET /subscribe/paid", p.here(p.paid))
	mux.HandleFunc("GET /subscribe/done", p.here(p.done))
	mux.HandleFunc("POST /logout", p.logout)
	mux.HandleFunc("GET /logged-out", p.loggedOut)
	mux.HandleFunc("GET /terms", p.terms)
	mux.HandleFunc("GET /embedded", p.embedded)
	mux.HandleFunc("GET /embedded/{answer}", p.embeddedAnswer)
	mux.HandleFunc("GET /static/{file}", p.static)
	mux.Handle("GET /favicon.ico", http.RedirectHandler("/static/icon.svg", http.StatusFound))
	mux.HandleFunc("/", p.notFound)
	return mux
}

// headers sets what every answer carries. A form may go to the login server,
// since logging out posts here and is redirected there.
func (p *Paper) headers(next http.Handler) http.Handler {
	login := origin(p.LoginServer)
	policy := "default-src 'none'; img-src 'self'; style-src 'self'; " +
		"script-src 'self' " + login + "; connect-src 'self' " + login + "; frame-src " + login + "; " +
		"form-action 'self' " + login + "; frame-ancestors 'none'; base-uri 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// withClient lets x/oauth2 use the newspaper's own HTTP client, with its time-out.
func (p *Paper) withClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, p.HTTPClient)
}

func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
