package exhibit

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

//go:embed static
var files embed.FS

var index = template.Must(template.ParseFS(files, "static/index.html"))

// Config configures a [Gallery].
type Config struct {
	Folders fs.FS          // the clients' folders, as for the kit
	Clients []store.Client // whose pages are shown; at least one
	Logger  *slog.Logger   // default slog.Default()
}

// Gallery is a web server's handler that shows the pages. It is safe for
// concurrent use.
type Gallery struct {
	config  Config
	mux     *http.ServeMux
	changes *changes
	counter *counter

	mu     sync.RWMutex
	themes *theme.Themes
	fault  error // of the folders, as they are now
}

// New returns the gallery. A fault in a client's folder is not an error here: it
// is what the gallery then shows.
func New(c Config) (*Gallery, error) {
	if len(c.Clients) == 0 {
		return nil, errors.New("exhibit: missing Clients")
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	g := &Gallery{config: c, mux: http.NewServeMux(), changes: newChanges()}
	var err error
	if g.counter, err = newCounter(); err != nil {
		return nil, fmt.Errorf("exhibit: %w", err)
	}
	g.Reload()
	g.mux.Handle("/sandbox/", g.counter)
	g.mux.HandleFunc("GET /{$}", g.index)
	g.mux.HandleFunc("GET /page", g.page)
	g.mux.HandleFunc("GET /user/theme/", g.asset)
	g.mux.HandleFunc("POST /user/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	g.mux.HandleFunc("GET /changes", g.changes.serve)
	g.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "static/icon.svg")
	})
	g.mux.HandleFunc("GET /gallery/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "static/"+r.PathValue("file"))
	})
	return g, nil
}

// Reload reads the clients' folders anew and tells the open index pages.
func (g *Gallery) Reload() {
	themes, err := theme.New(theme.Config{Folders: g.config.Folders, Logger: g.config.Logger})
	g.mu.Lock()
	g.fault = err
	if err == nil {
		g.themes = themes
	}
	g.mu.Unlock()
	g.changes.tell()
}

// ServeHTTP shows the index at /, a page at /page, and what pages load.
func (g *Gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'")
	g.mux.ServeHTTP(w, r)
}

func (g *Gallery) asset(w http.ResponseWriter, r *http.Request) {
	g.mu.RLock()
	themes := g.themes
	g.mu.RUnlock()
	if themes == nil {
		http.NotFound(w, r)
		return
	}
	themes.Assets().ServeHTTP(w, r)
}

// URL returns the path at which a case is shown.
func URL(c Case, clientID, lang string) string {
	return "/page?" + url.Values{"case": {c.Name}, "client": {clientID}, "lang": {lang}}.Encode()
}

func (g *Gallery) client(id string) store.Client {
	for _, c := range g.config.Clients {
		if c.ID == id {
			return c
		}
	}
	return g.config.Clients[0]
}

func (g *Gallery) page(w http.ResponseWriter, r *http.Request) {
	g.mu.RLock()
	themes, fault := g.themes, g.fault
	g.mu.RUnlock()
	w.Header().Set("Cache-Control", "no-store")
	if fault != nil {
		http.Error(w, fault.Error(), http.StatusInternalServerError)
		return
	}
	c, err := find(r.FormValue("case"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	p := c.page
	if p.Client.ID == "-" {
		p.Client = store.Client{}
	} else {
		p.Client = g.client(r.FormValue("client"))
	}
	if p.Lang = r.FormValue("lang"); !slices.Contains(Langs(), p.Lang) {
		p.Lang = Langs()[0]
	}
	var buf bytes.Buffer
	if err := themes.Render(r.Context(), &buf, p); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	g.write(w, r, &buf)
}

// view is what the index shows.
type view struct {
	Clients []store.Client
	Client  store.Client
	Langs   []string
	Lang    string
	States  []theme.State
	State   string
	Widths  []int
	Cases   []Case
	Sandbox []SandboxCase
	Fault   error
}

// Sandbox is what stands among the states for the pages of the payment sandbox.
const Sandbox = "sandbox"

// SandboxCases returns the sandbox's pages in the language.
func (g *Gallery) SandboxCases(lang string) []SandboxCase { return g.counter.cases[lang] }

// Src returns the address of a case in the chosen theme and language.
func (v view) Src(c Case) string { return URL(c, v.Client.ID, v.Lang) }

func (g *Gallery) index(w http.ResponseWriter, r *http.Request) {
	g.mu.RLock()
	fault := g.fault
	g.mu.RUnlock()
	v := view{
		Clients: g.config.Clients, Client: g.client(r.FormValue("client")),
		Langs: Langs(), Lang: cmp.Or(r.FormValue("lang"), Langs()[0]),
		States: theme.States(), State: r.FormValue("state"), Widths: []int{390, 1280}, Fault: fault,
	}
	switch r.FormValue("width") {
	case "390":
		v.Widths = v.Widths[:1]
	case "1280":
		v.Widths = v.Widths[1:]
	}
	for _, c := range Cases() {
		if v.State == "" && c.Plain || v.State == c.State || v.State == "all" {
			v.Cases = append(v.Cases, c)
		}
	}
	if v.State == "" || v.State == Sandbox || v.State == "all" {
		v.Sandbox = g.SandboxCases(v.Lang)
	}
	var buf bytes.Buffer
	if err := index.Execute(&buf, v); err != nil {
		http.Error(w, fmt.Sprint("index: ", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	g.write(w, r, &buf)
}

func (g *Gallery) write(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) {
	if _, err := buf.WriteTo(w); err != nil {
		g.config.Logger.DebugContext(r.Context(), "write", "err", err)
	}
}
