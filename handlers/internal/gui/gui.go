// Package gui is the one adapter between browsers and flows: it starts and
// resumes runs, shows states as pages, takes posts, and ends in redirects.
//
// A GET of a page's path starts a run that is stored nowhere: what there is to
// know of it travels sealed in the form. A post answers 303 to the same path
// with ?run=…, and that GET only reads, so that reload and back are harmless.
package gui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// Config configures a [GUI].
type Config struct {
	// Base is the login server's own address as browsers see it, such as
	// https://connectid.example/user. Required.
	Base *url.URL
	// Kit is the word in the names of cookies. Required.
	Kit       string
	Keys      *keys.Ring            // required
	Clients   store.Clients         // required
	Accounts  *account.Service      // required
	Engine    *flows.Engine         // required
	Themes    *theme.Themes         // required
	Addresses *middleware.Addresses // required
	Logger    *slog.Logger          // default slog.Default()
}

// GUI adapts flows to HTTP. It is safe for concurrent use.
type GUI struct {
	Config

	prefix  string // path of Base with a slash at its end
	origin  string
	secure  bool
	life    account.Lifetimes
	cookies cookieNames
	session *keys.Codec
	opened  openedCookies // of sessions
	tickets *keys.Codec
	csrf    *middleware.CSRF
	headers *middleware.SecurityHeaders
	bounds  *middleware.Bounds
}

// maxQuery is the greatest size of the query that starts a run. It travels
// sealed in the address of the run, which is then about twice as long.
const maxQuery = 8 << 10

// timeout bounds what one request may take, so that a frozen store is answered
// within 5 seconds.
const timeout = 4500 * time.Millisecond

// New returns the adapter, or what is wrong with the configuration.
func New(c Config) (*GUI, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	g := &GUI{
		Config: c,
		prefix: strings.TrimSuffix(c.Base.EscapedPath(), "/") + "/",
		origin: store.TargetOrigin(c.Base.String()),
		secure: c.Base.Scheme == "https",
		life:   c.Accounts.Lifetimes(),
		// A run that is over is still recognised for a day.
		tickets: c.Keys.Codec("ticket", 24*time.Hour, true),
	}
	// securecookie knows no sliding age; idle time lives in the store.
	g.session = c.Keys.Codec("session", max(g.life.SessionMax, 24*time.Hour), false)
	g.cookies = g.names(c.Kit)
	var errs [3]error
	g.headers, errs[0] = middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{Origin: g.origin})
	g.csrf, errs[1] = middleware.NewCSRF(middleware.CSRFConfig{
		Origin: g.origin, InsecureAllowHTTP: !g.secure, Kit: c.Kit, Refuse: g.refuse,
	})
	g.bounds, errs[2] = middleware.NewBounds(middleware.BoundsConfig{
		Refuse: func(w http.ResponseWriter, r *http.Request, e *middleware.BoundError) {
			g.BadRequest(w, r, &Fault{Param: "request", Reason: "is too large: " + e.Error(), Status: e.Status})
		},
	})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("gui: %w", err)
	}
	return g, nil
}

// Path returns the absolute path of a page, as browsers see it.
func (g *GUI) Path(page string) string { return g.prefix + page }

// URL returns the absolute address of a page, as browsers see it.
func (g *GUI) URL(page string) string { return g.origin + g.prefix + page }

// Client returns the enabled client with the given ID. An unknown or disabled
// one is a [Fault].
func (g *GUI) Client(ctx context.Context, id string) (*store.Client, error) {
	if id == "" {
		return nil, &Fault{Param: "clientId", Reason: "is missing"}
	}
	c, err := store.SharedClient(ctx, g.Clients, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Disabled {
		return nil, &Fault{Param: "clientId", Reason: "is not a known client"}
	}
	return c, err
}

// Target parses a URL that the browser may be sent to, and checks it against
// the client's allowed targets. Our own authorization endpoint and account pages
// are allowed to every client: they check for themselves where they lead.
func (g *GUI) Target(c *store.Client, param, raw string) (target.URL, error) {
	if raw == "" {
		return target.URL{}, &Fault{Param: param, Reason: "is missing"}
	}
	u, err := target.Parse(raw)
	if err != nil {
		return target.URL{}, &Fault{Param: param, Reason: "is refused: " + err.Error()}
	}
	if target.For(c).Allows(u) || u.Origin() == g.origin && (u.Path() == g.prefix+"oauth/authorize" || u.Path() == g.prefix+"account") {
		return u, nil
	}
	if err := target.Check(c); err != nil {
		g.Logger.Warn("a client's record is faulty", "client", c.ID, "err", err)
	}
	return target.URL{}, &Fault{Param: param, Reason: "is not among the allowed targets of this client"}
}

// browser reads what the request's browser brought. The session's life is
// extended. A browser without the cookie that binds runs to it is given one.
func (g *GUI) browser(w http.ResponseWriter, r *http.Request, clientID string) (flows.Browser, error) {
	jar := readCookies(r)
	id := jar.get(g.cookies.browser)
	if !plausible(id) {
		id = flows.NewID()
		g.set(w, g.cookies.browser, id, 0)
	}
	b := flows.Browser{
		Cookie:   store.DigestOf(id),
		Remember: jar.remember(g.cookies, clientID),
		Origin: account.Origin{
			Address: g.Addresses.Of(r),
			Browser: store.DigestOf(id),
			Agent:   agentName(r.UserAgent()),
			Device:  jar.get(g.cookies.device),
		},
	}
	var err error
	b.Session, err = g.sessionOf(r.Context(), jar.get(g.cookies.session))
	return b, err
}

// Session returns the browser's live session and extends its life; the zero
// Session when nobody is logged in.
func (g *GUI) Session(r *http.Request) (store.Session, error) {
	return g.sessionOf(r.Context(), readCookies(r).get(g.cookies.session))
}

func (g *GUI) sessionOf(ctx context.Context, sealed string) (store.Session, error) {
	if sealed == "" || len(sealed) > 512 {
		return store.Session{}, nil
	}
	digest, ok := g.opened.get(sealed)
	if !ok {
		handle, err := g.session.Open(g.cookies.session, sealed)
		if err != nil {
			return store.Session{}, nil // damaged means anonymous
		}
		digest = store.DigestOf(string(handle))
		g.opened.put(sealed, digest)
	}
	s, err := g.Accounts.SessionOf(ctx, digest)
	if err == nil {
		err = g.Accounts.Touch(ctx, &s)
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Session{}, nil
	}
	if err != nil {
		return store.Session{}, fmt.Errorf("session: %w", err)
	}
	return s, nil
}

// formOrigins returns the origins to which a form of the client's pages leads.
func formOrigins(c *store.Client) []string {
	return append(target.For(c).Origins(), target.RedirectsFor(c).Origins()...)
}
