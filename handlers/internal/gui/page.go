package gui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// Page is one GUI URL.
type Page struct {
	// Path is the page's path below the login server's, such as "login".
	Path string
	Flow *flows.Flow
	// Parse reads the parameters of the query. It runs again with every request
	// of a run, so that a client that was disabled meanwhile ends it. A [Fault]
	// becomes a 400 page.
	Parse func(context.Context, *http.Request, Params) (flows.Request, error)
	// Location says where the end of a run leads. Default [Location].
	Location func(context.Context, *flows.Run, flows.End) (string, error)
	// Fault names what is wrong with the link when the flow ends in an error that
	// says so; nil for any other error. Optional.
	Fault func(error) *Fault
	// Links are links of the page by name, and the GUI pages they lead to, which
	// come back to this one. Those of a [flows.View] are added.
	Links map[string]string
}

// Location is where the end of a run leads by the documents: to the returnUrl,
// or to the errorUrl with error and error_description.
func Location(_ context.Context, run *flows.Run, end flows.End) (string, error) {
	switch {
	case !end.Failed:
		return run.Request.Return.String(), nil
	case end.Reason == flows.AccessDenied && !run.Request.Abort.IsZero():
		return run.Request.Abort.String(), nil
	case end.Reason == "":
		return run.Request.Error.String(), nil
	}
	return WithError(run.Request.Error, end.Reason), nil
}

// WithError adds the documented parameters of a failure to an errorUrl.
func WithError(u target.URL, reason string) string {
	return u.With("error", reason, "error_description", descriptions[reason])
}

var descriptions = map[string]string{
	flows.AccessDenied:           "the user left without logging in",
	flows.TemporarilyUnavailable: "the service is busy, try again",
	flows.ServerError:            "something went wrong",
	flows.InvalidRequest:         "the request is not valid",
}

// Handler returns the handler of a page: GET and HEAD start or resume a run,
// POST goes on with it.
func (g *GUI) Handler(p Page) http.Handler {
	if p.Location == nil {
		p.Location = Location
	}
	serve := p.serve(g)
	if p.Fault != nil {
		pages := serve
		serve = func(w http.ResponseWriter, r *http.Request) error {
			err := pages(w, r)
			if err != nil {
				if f := p.Fault(err); f != nil {
					return f
				}
			}
			return err
		}
	}
	return g.headers.Handler(g.bounds.Handler(g.csrf.Handler(g.handle(serve))))
}

// handle bounds the time of a request and is the only place that turns errors
// into answers.
func (g *GUI) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := deadline.New(r.Context(), time.Now(), timeout)
		defer ctx.Stop()
		r = r.WithContext(ctx)
		if err := f(w, r); err != nil {
			g.fail(w, r, err)
		}
	})
}

func (p Page) serve(g *GUI) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			return p.get(g, w, r)
		case http.MethodPost:
			return p.post(g, w, r)
		}
		w.Header().Set("Allow", "GET, HEAD, POST")
		return &Fault{Param: "method", Reason: "must be GET or POST", Status: http.StatusMethodNotAllowed}
	}
}

// get starts a run, or shows one as it stands.
func (p Page) get(g *GUI, w http.ResponseWriter, r *http.Request) error {
	q, err := Query(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if sealed := q.Get("run"); sealed != "" {
		return p.resume(g, w, r, sealed)
	}
	if len(r.URL.RawQuery) > maxQuery {
		return &Fault{Param: "query", Reason: "is too long", Status: http.StatusRequestURITooLong}
	}
	req, err := p.Parse(r.Context(), r, q)
	if err != nil {
		return err
	}
	b, err := g.browser(w, r, req.Client.ID)
	if err != nil {
		return err
	}
	req.Query = r.URL.RawQuery
	run, err := g.Engine.Start(r.Context(), p.Flow, flows.NewID(), req, b)
	if err != nil {
		return err
	}
	t := flows.Ticket{Run: run.ID, Query: r.URL.RawQuery, Browser: b.Cookie, Started: time.Now()}
	return p.answer(g, w, r, run, t, "")
}

func (p Page) resume(g *GUI, w http.ResponseWriter, r *http.Request, sealed string) error {
	t, req, err := p.open(g, r, sealed)
	if err != nil {
		return err
	}
	b, err := g.browser(w, r, req.Client.ID)
	if err != nil {
		return err
	}
	run, err := g.Engine.Resume(r.Context(), p.Flow, t, req, b)
	switch {
	case errors.Is(err, flows.ErrExpired):
		return g.write(w, r, http.StatusOK, theme.Page{
			Client: *req.Client, Lang: req.Lang, Flow: p.Flow.Name(), State: "expiredPage",
			Action: g.Path(p.Path), Values: map[string]string{"restartQuery": t.Query},
		})
	case errors.Is(err, flows.ErrOver), errors.Is(err, flows.ErrElsewhere), errors.Is(err, flows.ErrLost), errors.Is(err, account.ErrUserGone):
		// The same question once more: a user who is logged in goes straight
		// on, another one begins, here and now.
		redirect(w, http.StatusFound, g.Path(p.Path)+"?"+t.Query)
		return nil
	case err != nil:
		return err
	}
	err = p.answer(g, w, r, run, t, "")
	if errors.Is(err, account.ErrUserGone) { // the page is not for who is there now
		redirect(w, http.StatusFound, g.Path(p.Path)+"?"+t.Query)
		return nil
	}
	return err
}

// post gives an event to the run.
func (p Page) post(g *GUI, w http.ResponseWriter, r *http.Request) error {
	sealed := r.PostForm.Get("ticket") // parsed when the form's token was checked
	t, req, err := p.open(g, r, sealed)
	if err != nil {
		return err
	}
	b, err := g.browser(w, r, req.Client.ID)
	if err != nil {
		return err
	}
	form := flows.Form{}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return &Fault{Param: "form field " + printable(name), Reason: "is given twice"}
		}
		form[name] = values[0]
	}
	// A button of a list sends its event and the key of its item.
	form["event"], form["item"], _ = strings.Cut(form["event"], " ")
	run, err := g.Engine.Post(r.Context(), p.Flow, t, req, b, flows.Event(form["event"]), form)
	switch {
	case errors.Is(err, flows.ErrLost), errors.Is(err, flows.ErrExpired), errors.Is(err, flows.ErrOver):
		redirect(w, http.StatusSeeOther, g.Path(p.Path)+"?run="+url.QueryEscape(sealed))
		return nil
	case errors.Is(err, flows.ErrElsewhere), errors.Is(err, account.ErrUserGone):
		redirect(w, http.StatusSeeOther, g.Path(p.Path)+"?"+t.Query)
		return nil
	case limited(err) && run != nil: // nothing is stored that a redirect could lead to
		return p.show(g, w, r, run, t)
	case errors.Is(err, flows.ErrEvent):
		return &Fault{Param: "form field event", Reason: "is no button of that page"}
	case err != nil:
		return err
	}
	return p.answer(g, w, r, run, t, sealed)
}

// limited reports whether the error says that too much was tried.
func limited(err error) bool {
	_, ok := errors.AsType[*account.LimitedError](err)
	return ok
}

// open returns what is sealed in a ticket, and the request that it began with.
func (p Page) open(g *GUI, r *http.Request, sealed string) (flows.Ticket, flows.Request, error) {
	t, err := g.openTicket(p.Path, sealed)
	if err != nil {
		return t, flows.Request{}, err
	}
	q, err := Query(t.Query)
	if err != nil {
		return t, flows.Request{}, err
	}
	req, err := p.Parse(r.Context(), r, q)
	req.Query = t.Query
	return t, req, err
}

// answer shows the run or ends it. posted is the sealed ticket of the form that
// was posted, "" after a GET.
func (p Page) answer(g *GUI, w http.ResponseWriter, r *http.Request, run *flows.Run, t flows.Ticket, posted string) error {
	location, leads := run.Away()
	if end, ok := run.End(); ok {
		var err error
		if location, err = p.Location(r.Context(), run, end); err != nil {
			return err
		}
		leads = true
	}
	if leads {
		if err := g.apply(w, r, run); err != nil {
			return err
		}
		status := http.StatusFound
		if posted != "" {
			status = http.StatusSeeOther
		}
		redirect(w, status, location)
		return nil
	}
	if err := g.apply(w, r, run); err != nil {
		return err
	}
	if d := run.Effects.Download; d != nil {
		download(w, d)
		return nil
	}
	if posted != "" {
		redirect(w, http.StatusSeeOther, g.Path(p.Path)+"?run="+url.QueryEscape(posted))
		return nil
	}
	return p.show(g, w, r, run, t)
}

// show writes the page of a visible state.
func (p Page) show(g *GUI, w http.ResponseWriter, r *http.Request, run *flows.Run, t flows.Ticket) error {
	t.State, t.Version = run.State(), run.Version()
	sealed, err := g.sealTicket(p.Path, t)
	if err != nil {
		return err
	}
	v, err := run.View(r.Context())
	if err != nil {
		return err
	}
	page := theme.Page{
		Client: run.Client(), Lang: run.Request.Lang, Flow: v.Flow, State: v.State, Action: g.Path(p.Path),
		Ticket: sealed, CSRF: g.csrf.Token(r),
		Values: v.Values, Args: v.Args, Flags: v.Flags, Locked: v.Locked, Notice: v.Notice, Heading: v.Heading,
		Lists: map[string][]theme.Item{}, Links: p.links(g, run, t, v.Links),
	}
	for name, items := range v.Lists {
		for _, i := range items {
			page.Lists[name] = append(page.Lists[name], theme.Item(i))
		}
	}
	for _, l := range v.Lines {
		line := theme.Line{Text: l.Text}
		for _, n := range l.Numbers {
			line.Args = append(line.Args, n)
		}
		for _, word := range l.Words {
			line.Args = append(line.Args, word)
		}
		page.Lines = append(page.Lines, line)
	}
	for _, f := range v.Faults {
		args := make([]any, len(f.Args))
		for i, a := range f.Args {
			args[i] = a
		}
		page.Faults = append(page.Faults, theme.Fault{Field: f.Field, Text: f.Text, Args: args})
	}
	for _, c := range v.Choices {
		page.Choices = append(page.Choices, theme.Choice(c))
	}
	g.allowForms(w, &run.Request)
	if v.Refresh > 0 {
		w.Header().Set("Refresh", strconv.Itoa(v.Refresh)+";url="+g.Path(p.Path)+"?run="+url.QueryEscape(sealed))
	}
	page.Wait = v.Wait
	if v.Widget != nil {
		page.Widget = &theme.Widget{Script: v.Widget.Script, Class: v.Widget.Class, SiteKey: v.Widget.SiteKey}
		g.headers.AllowWidget(w.Header(), append([]string{store.TargetOrigin(v.Widget.Script)}, v.Widget.Sources...)...)
	}
	return g.write(w, r, http.StatusOK, page)
}

// links returns the addresses of the page's links. What they lead to comes back
// to where this run began.
func (p Page) links(g *GUI, run *flows.Run, t flows.Ticket, more map[string]string) map[string]string {
	if len(p.Links)+len(more) == 0 {
		return nil
	}
	back := g.URL(p.Path) + "?" + t.Query
	if _, err := target.Parse(back); err != nil { // too long, say
		back = run.Request.Return.String()
	}
	query := url.Values{
		"clientId": {run.Request.Client.ID}, "returnUrl": {back}, "errorUrl": {back}, "lang": {run.Request.Lang},
	}.Encode()
	all := map[string]string{}
	for _, links := range []map[string]string{p.Links, more} {
		for name, page := range links {
			all[name] = g.Path(page) + "?" + query
		}
	}
	return all
}

// download sends a file; the page that asked for it stays open.
func download(w http.ResponseWriter, f *flows.File) {
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", `attachment; filename="`+f.Name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(f.Body) // a reader who has gone needs no answer
}

// redirect sends the browser on. The location is written as it is: what
// http.Redirect would make of it is not what was checked.
func redirect(w http.ResponseWriter, status int, location string) {
	w.Header()["Location"] = []string{location}
	w.WriteHeader(status)
}

// Redirect is redirect for handlers whose answer is not a page's.
func Redirect(w http.ResponseWriter, status int, location string) { redirect(w, status, location) }
