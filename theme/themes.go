// Package theme shows what the login server has to say: one client's look over
// one set of pages.
//
// A page is an html/template, chosen by the name of its state. What two readers
// would see alike is executed once and kept; what is a reader's own is put into
// it afterwards, at holes that are proven when the page is first rendered. See
// [Themes.Render].
package theme

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/connectid-kit/connectid/internal/texts"
)

// Config configures [Themes].
type Config struct {
	// Base is the path under which the login server is mounted, with a slash at
	// both ends; default "/user/".
	Base string
	// Folders holds a folder for each client that has a look of its own, named by
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
	cache    *cache
}

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
// All faults are reported at once.
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
	t := &Themes{config: c, clients: make(map[string]*look), cache: newCache(c.CachedPages)}
	var errs []error
	standard, err := parseTemplates(nil)
	errs = append(errs, err)
	t.standard = &look{templates: standard}
	return t, errors.Join(errs...)
}

// look returns the look of the client's pages: the standard one for a client
// without a folder.
func (t *Themes) look(clientID string) *look {
	if l, ok := t.clients[clientID]; ok {
		return l
	}
	return t.standard
}
