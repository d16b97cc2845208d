// Package theme shows what the login server has to say: one client's look over
// one set of pages.
//
// A page is an html/template, chosen by the name of its state. What two readers
// would see alike is executed once and kept; what is a reader's own is put into
// it afterwards, at holes that are proven when the page is first rendered. See
// [Themes.Render].
//
// # A client's own look
//
// Most clients need only a [Folder] with a logo, a background and a custom.css
// that sets a few of the custom properties listed at the top of login.css. All of
// login.css is in the layer "connectid", so every rule of custom.css wins over it.
//
// # A client's own templates
//
// A file of the folder's templates/ replaces the standard one with its name, and
// of layout.html and parts.html those templates that it defines:
// layout.html (the frame, "page" and "footer"), parts.html (what forms are made of)
// or the page of a state, such as startLoginState.html, which defines "content".
// The standard ones in this package's templates/ show how. The dot offers
//
//	.Lang .Dir .Flow .State .Class  for the html element
//	.Title                          the page's heading in its language
//	.Client                         ID, Name, Description, Product, Homepage,
//	                                CustomerCarePhone, CustomerCareEmail, PhoneURL,
//	                                EmailURL, SubscriptionTermsURL, UserTermsURL
//	.Links                          Stylesheets, Script, Logo (URL, Width, Height)
//	.Action                         where forms post
//	.Flag "name" .Locked .Prefilled .HasHeading .HasDetails
//	.Faults .Summary .FocusSummary .Notice
//	.Lines                          what the next step would do, as HTML
//	.Intro .CredentialLabel         where another credential is asked for
//	.Field "name"                   ID and Fault of one field
//	.Focus "name" first             whether the field gets the focus
//	.T "id" args…                   a text
//	.Rich "id" arg links…           a text as HTML: its argument set apart, its
//	                                marks <1>…</1> as links
//	.MinPassword .CodeMinutes .Restart
//	.List "name"                    items with Key, Title, Detail, Age, Is "flag"
//	.Parts .Link "name" .Used age .LanguageName "nb"
//
// and what is a reader's own:
//
//	.Ticket .CSRF .Heading .Developer .Value "field" .Arg "destination"
//
// These may be printed as text and in double-quoted attributes that hold plain
// text. Used in any other way they work too, as html/template guards them, but
// the page is then rendered anew for each reader and the log says so.
package theme

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Config configures [Themes].
type Config struct {
	// Base is the path under which the login server is mounted, with a slash at
	// both ends; default "/user/".
	Base string
	// Folders holds a [Folder] for each client that has a look of its own, named by
	// its client ID. None is needed.
	Folders fs.FS
	// CachedPages bounds how many rendered pages are kept; default 1024, of about
	// 8 KB each. Negative keeps none.
	CachedPages int
	// MinPassword is the least length of a new password, as the page says it;
	// default 8.
	MinPassword int
	// CodeMinutes says how long a one-time code is valid; default 10.
	CodeMinutes int
	Logger      *slog.Logger // default slog.Default()
}

// Themes renders the pages of all clients. It is safe for concurrent use.
type Themes struct {
	config   Config
	standard *look
	clients  map[string]*look
	records  []store.Client
	cache    *cache
	assets   *assetSet
}

//go:embed static
var static embed.FS

// look is what makes one client's pages differ from another's, beside its record.
type look struct {
	templates map[string]*template.Template // by state
	texts     *texts.Overlay
	links     links
}

// links are the addresses of what a page loads.
type links struct {
	Stylesheets []string // in order
	Script      string
	Logo        *picture
}

// picture is an image with the size at which a browser makes room for it.
type picture struct {
	URL           string
	Width, Height int
}

// New checks the pages and every client's folder and returns what renders them.
// All faults are reported at once, those in folders as [FileFaults].
func New(c Config) (*Themes, error) {
	if c.Base == "" {
		c.Base = "/user/"
	}
	if c.CachedPages == 0 {
		c.CachedPages = 1024
	}
	if c.MinPassword == 0 {
		c.MinPassword = 8
	}
	if c.CodeMinutes == 0 {
		c.CodeMinutes = 10
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if !strings.HasPrefix(c.Base, "/") || !strings.HasSuffix(c.Base, "/") {
		return nil, fmt.Errorf("bad Base %q: want a path with a slash at both ends", c.Base)
	}
	t := &Themes{config: c, clients: make(map[string]*look), cache: newCache(c.CachedPages), assets: newAssetSet(c.Base)}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// load makes the standard look and those of the clients' folders.
func (t *Themes) load() error {
	css, err1 := fs.ReadFile(static, "static/login.css")
	js, err2 := fs.ReadFile(static, "static/page.js")
	templates, err3 := parseTemplates(nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("theme: %w", err)
	}
	t.standard = &look{templates: templates, links: links{
		Stylesheets: []string{t.assets.add("", "login.css", "text/css", css)},
		Script:      t.assets.add("", "page.js", "text/javascript", js),
	}}
	if t.config.Folders == nil {
		return nil
	}
	folders, err := LoadFolders(t.config.Folders)
	faults, ok := errors.AsType[FileFaults](err)
	if err != nil && !ok {
		return err
	}
	if faults != nil {
		return append(faults, t.templateFaults()...)
	}
	for _, f := range folders {
		l, err := t.dress(f)
		if own, ok := errors.AsType[FileFaults](err); ok {
			faults = append(faults, own...)
		} else if err != nil {
			return err
		}
		t.clients[f.Client.ID] = l
		if f.HasClient {
			t.records = append(t.records, f.Client)
		}
		for _, w := range f.Warnings {
			t.config.Logger.Warn("theme: " + w.String())
		}
	}
	return faults.orNil()
}

// templateFaults returns what is wrong with the templates of folders that can not
// be loaded for other reasons.
func (t *Themes) templateFaults() (faults FileFaults) {
	dirs, err := fs.Glob(t.config.Folders, "*/templates")
	if err != nil {
		return nil // the pattern is a good one
	}
	for _, dir := range dirs {
		id := path.Dir(dir)
		own, err := fs.Sub(t.config.Folders, dir)
		if err == nil {
			_, err = t.templates(own, look{}, store.Client{ID: id})
		}
		if own, ok := errors.AsType[FileFaults](err); ok {
			faults = append(faults, own...)
		} else if err != nil {
			faults = append(faults, FileFault{File: dir, Text: err.Error()})
		}
	}
	return faults
}

// templates parses a client's own templates and executes all pages, so that what
// is wrong with one is known before a reader meets it. Its error is a
// [FileFaults].
func (t *Themes) templates(own fs.FS, l look, c store.Client) (map[string]*template.Template, error) {
	templates, err := parseTemplates(own)
	if err == nil {
		l.templates = templates
		err = t.try(&l, c)
	}
	if err != nil {
		return nil, FileFaults{{File: c.ID + "/templates", Text: strings.ReplaceAll(err.Error(), "\n", "; ")}}
	}
	return templates, nil
}

// dress makes the look of a folder. What is wrong with its templates is a
// [FileFaults].
func (t *Themes) dress(f Folder) (*look, error) {
	files, err := f.publish(t.assets)
	if err != nil {
		return nil, err
	}
	l := &look{templates: t.standard.templates, texts: f.Texts, links: t.standard.links}
	if files.Stylesheet != "" {
		l.links.Stylesheets = append(slices.Clip(l.links.Stylesheets), files.Stylesheet)
	}
	if files.Logo != "" {
		l.links.Logo = &picture{files.Logo, files.LogoWidth, files.LogoHeight}
	}
	if f.Templates != nil {
		l.templates, err = t.templates(f.Templates, *l, f.Client)
	}
	return l, err
}

// try executes all templates of the look in their barest and their fullest form.
func (t *Themes) try(l *look, c store.Client) error {
	var errs []error
	for _, s := range States() {
		for _, on := range []bool{false, true} {
			p := Page{Client: c, Lang: texts.Default, State: s.Name, Action: "/", Locked: on}
			if on {
				p.Faults, p.Lines, p.Flags = s.Faults, s.Lines, make(map[string]bool)
				for _, f := range s.Flags {
					p.Flags[f] = true
				}
				p.Lists, p.Links = make(map[string][]Item), make(map[string]string)
				for _, name := range s.Lists {
					p.Lists[name] = []Item{{Key: "key", Title: "title", Detail: "detail"}, {}}
				}
				for _, name := range s.Links {
					p.Links[name] = "/"
				}
				if s.Choices != "" {
					p.Choices = []Choice{{Value: "1", Name: "One", Chosen: true}, {Value: "2", Name: "Two", Detail: "more"}}
				}
			}
			if err := t.execute(io.Discard, &p, l, p.whole); err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// Assets serves what pages load: styles, scripts, logos, backgrounds, fonts. It
// answers at {Base}theme/; the address of a file changes with what is in it.
func (t *Themes) Assets() http.Handler { return t.assets }

// Clients returns the records of those folders that hold one (client.json), in
// the order of their IDs.
func (t *Themes) Clients() []store.Client { return slices.Clone(t.records) }

// Logo returns the path of the client's logo on this server, for messages, and ""
// if it has none.
func (t *Themes) Logo(clientID string) string {
	if l := t.look(clientID).links.Logo; l != nil {
		return l.URL
	}
	return ""
}

// look returns the look of the client's pages: the standard one for a client
// without a folder.
func (t *Themes) look(clientID string) *look {
	if l, ok := t.clients[clientID]; ok {
		return l
	}
	return t.standard
}
