package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/flows/message"
)

//go:embed pages
var pageFiles embed.FS

// info is what /demo/info.json tells scripts.
type info struct {
	LoginServer  string       `json:"loginServer"`
	APIServer    string       `json:"apiServer"`
	PayServer    string       `json:"payServer"`
	PayAPIServer string       `json:"payApiServer"`
	Issuer       string       `json:"issuer"`
	Clients      []infoClient `json:"clients"`
	Users        []infoUser   `json:"users"`
	Subscribers  []subscriber `json:"-"`
	Catalogue    []sale       `json:"-"`

	Directories []infoDirectory `json:"directories"`
}

type infoClient struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"` // empty for a public client
	Name         string `json:"name"`
	RedirectURI  string `json:"redirectUri"`
	ReturnURL    string `json:"returnUrl"`
	ErrorURL     string `json:"errorUrl"`
	Homepage     string `json:"homepage"`
}

// infoDirectory is a company directory of a client.
type infoDirectory struct {
	ID       string       `json:"id"` // of azure/{id}
	ClientID string       `json:"clientId"`
	Company  string       `json:"company"`
	People   []infoPerson `json:"people"`
}

type infoPerson struct {
	Name     string `json:"name"`
	ObjectID string `json:"objectId"`
	Works    bool   `json:"works"` // there; others are refused
}

type infoUser struct {
	Credential string `json:"credential"`
	Password   string `json:"password"` // empty for an account without one
	Mobile     string `json:"mobile,omitempty"`
	Name       string `json:"name"`
}

// pages are what the demo adds beside connectid: a start page, the outbox, and
// both for scripts. They tell passwords and codes, so they answer requests for
// loopback names only: a foreign site that points its own name at this machine
// reads nothing.
type pages struct {
	info      info
	outbox    *message.Outbox
	templates *template.Template
	logger    *slog.Logger
}

func newPages(i info, outbox *message.Outbox, logger *slog.Logger) (*pages, error) {
	t, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	return &pages{info: i, outbox: outbox, templates: t, logger: logger}, nil
}

func (p *pages) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/demo", http.StatusSeeOther))
	mux.HandleFunc("GET /demo", p.start)
	mux.HandleFunc("GET /demo/info.json", func(w http.ResponseWriter, r *http.Request) { p.json(w, r, p.info) })
	mux.HandleFunc("GET /demo/outbox.json", func(w http.ResponseWriter, r *http.Request) { p.json(w, r, p.outbox.List()) })
	mux.HandleFunc("GET /demo/outbox", p.showOutbox)
	mux.HandleFunc("GET /demo/outbox/{index}", p.showMail)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "pages/icon.svg") })
	mux.Handle("GET /demo/static/", http.StripPrefix("/demo/static/", http.HandlerFunc(p.static)))
	return localOnly(mux)
}

func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(r.Host); err == nil {
			host = h
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this demo answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (p *pages) json(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		p.logger.DebugContext(r.Context(), "write", "err", err)
	}
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var buf bytes.Buffer
	if err := p.templates.ExecuteTemplate(&buf, name, data); err != nil {
		p.logger.ErrorContext(r.Context(), "render", "page", name, "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := buf.WriteTo(w); err != nil {
		p.logger.DebugContext(r.Context(), "write", "err", err)
	}
}

func (p *pages) start(w http.ResponseWriter, r *http.Request) { p.render(w, r, "start.html", p.info) }

// shownMessage is a message with its place in the outbox.
type shownMessage struct {
	message.OutboxEntry
	Index int
}

// showOutbox lists the messages, the newest first.
func (p *pages) showOutbox(w http.ResponseWriter, r *http.Request) {
	var shown []shownMessage
	for i, m := range slices.Backward(p.outbox.List()) {
		shown = append(shown, shownMessage{m, i})
	}
	p.render(w, r, "outbox.html", shown)
}

// showMail shows the HTML of one mail in a frame of the outbox. Mails bring
// their style along, as mail programs want it; scripts stay out.
func (p *pages) showMail(w http.ResponseWriter, r *http.Request) {
	messages := p.outbox.List()
	i, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || i < 0 || i >= len(messages) || messages[i].HTML == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := io.WriteString(w, messages[i].HTML); err != nil {
		p.logger.DebugContext(r.Context(), "write", "err", err)
	}
}

func (p *pages) static(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, ".html") {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, pageFiles, "pages/"+strings.TrimPrefix(r.URL.Path, "/"))
}
