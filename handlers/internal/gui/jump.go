package gui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// Jump is a URL that never shows a page of a flow: loginCheck, logout and azure.
// Its flow has no visible state.
type Jump struct {
	Flow  *flows.Flow
	Parse func(context.Context, *http.Request, Params) (flows.Request, error)
	// Embeddable answers requests of other sites' pages too: by the check cookie
	// alone, with CORS for the client's own origins.
	Embeddable bool
	// Refuse says that the request is not to be acted on: it ends at the
	// errorUrl, to which nothing is added. Optional.
	Refuse func(*http.Request) bool
	// Leaves says that the flow has a hop: the browser is sent to an outside
	// party, and comes back to the address of a [Back].
	Leaves bool
}

// Embedded reports whether the browser asks for something inside a page rather
// than for a page (Fetch Metadata: Sec-Fetch-Dest).
func Embedded(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest != "" && dest != "document"
}

// Jump returns the handler of a jump. It answers GET and HEAD.
func (g *GUI) Jump(j Jump) http.Handler {
	return g.headers.Handler(g.bounds.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := deadline.New(r.Context(), time.Now(), timeout)
		defer ctx.Stop()
		if err := j.serve(ctx, g, w, r); err != nil {
			g.fail(w, r.WithContext(ctx), err)
		}
	})))
}

// serve gets its context beside the request, as a request with another one
// would be a copy.
func (j Jump) serve(ctx context.Context, g *GUI, w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return &Fault{Param: "method", Reason: "must be GET", Status: http.StatusMethodNotAllowed}
	}
	q, err := Query(r.URL.RawQuery)
	if err != nil {
		return err
	}
	req, err := j.Parse(ctx, r, q)
	if err != nil {
		return err
	}
	if j.Refuse != nil && j.Refuse(r) {
		redirect(w, http.StatusFound, req.Error.String())
		return nil
	}
	req.Query = r.URL.RawQuery
	var b flows.Browser
	if j.Embeddable {
		allowOrigin(w, r, req.Client)
	}
	id := ""
	switch {
	case j.Leaves:
		id = flows.NewID()
		b, err = g.browser(w, r, req.Client.ID)
	case j.Embeddable && Embedded(r):
		b, err = g.embedded(ctx, r)
	default:
		b, err = g.visitor(ctx, r, req.Client.ID)
	}
	if err != nil {
		return err
	}
	run, err := g.Engine.Start(ctx, j.Flow, id, req, b)
	if err != nil {
		return err
	}
	defer g.Engine.Recycle(run)
	return g.end(ctx, w, r, run, nil)
}

// end answers with where a run without pages leads: to its end, or away.
func (g *GUI) end(ctx context.Context, w http.ResponseWriter, r *http.Request, run *flows.Run,
	where func(context.Context, *flows.Run, flows.End) (string, error),
) error {
	if where == nil {
		where = Location
	}
	if address, ok := run.Away(); ok {
		if err := g.apply(w, r, run); err != nil {
			return err
		}
		redirect(w, http.StatusFound, address)
		return nil
	}
	end, ok := run.End()
	if !ok {
		return fmt.Errorf("flow %s waits in %s", run.Flow(), run.State())
	}
	if err := g.apply(w, r, run); err != nil {
		return err
	}
	location, err := where(ctx, run, end)
	if err != nil {
		return err
	}
	redirect(w, http.StatusFound, location)
	return nil
}

// visitor reads what a browser brought to a URL that needs no run.
func (g *GUI) visitor(ctx context.Context, r *http.Request, clientID string) (flows.Browser, error) {
	jar := readCookies(r)
	if len(jar) == 0 {
		return flows.Browser{}, nil
	}
	b := flows.Browser{Remember: jar.remember(g.cookies, clientID)}
	var err error
	b.Session, err = g.sessionOf(ctx, jar.get(g.cookies.session))
	if b.Remember != "" && err == nil {
		b.Origin = account.Origin{
			Address: g.Addresses.Of(r), Browser: store.DigestOf(jar.get(g.cookies.browser)),
			Agent: agentName(r.UserAgent()), Device: jar.get(g.cookies.device),
		}
	}
	return b, err
}

// embedded reads the session of a request from inside another site's page: by
// the check cookie, or by the session's own when the browser sent that (as it
// does from the same site).
func (g *GUI) embedded(ctx context.Context, r *http.Request) (flows.Browser, error) {
	jar := readCookies(r)
	s, err := g.sessionOf(ctx, jar.get(g.cookies.session))
	check := ""
	if g.cookies.check != "" {
		check = jar.get(g.cookies.check)
	}
	if err != nil || !s.Handle.IsZero() || check == "" || len(check) > 512 {
		return flows.Browser{Session: s}, err
	}
	s, err = g.Accounts.CheckSession(ctx, check)
	if err == nil {
		err = g.Accounts.Touch(ctx, &s)
	}
	if errors.Is(err, store.ErrNotFound) {
		return flows.Browser{}, nil
	}
	return flows.Browser{Session: s}, err
}

var varyOrigin = []string{"Origin"} // with no room behind it, so that adding to it copies

// allowOrigin lets scripts of the client's own pages follow the redirect
// (Fetch: CORS protocol).
func allowOrigin(w http.ResponseWriter, r *http.Request, c *store.Client) {
	h := w.Header()
	h["Vary"] = varyOrigin
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(target.For(c).Origins(), origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}
