package gui

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/internal/deadline"
)

// Back is the address at which an outside party hands users back. They come by
// GET, or by a form that the party's page posts (OAuth 2.0 Form Post Response
// Mode). Browsers send no SameSite=Lax cookies with such a post, so it is
// answered with a redirect to the same address, which they follow with them.
type Back struct {
	Flow *flows.Flow
	// Parse reads the parameters with which the run began. It gets the request
	// that came back, for what is in its path.
	Parse func(context.Context, *http.Request, Params) (flows.Request, error)
	// Page is the path of the flow's page, for runs that go on there; "" for a
	// flow without pages.
	Page string
	// Location says where the end of a run leads. Default [Location].
	Location func(context.Context, *flows.Run, flows.End) (string, error)
	// Lost says where a browser is sent whose run can not go on: it took too long,
	// or is another browser's. Default: to the errorUrl.
	Lost func(context.Context, flows.Request) (string, error)
	// Fault names what is wrong with the link when the flow ends in an error that
	// says so; nil for any other error. Optional.
	Fault func(error) *Fault
	// Params are the parameters of an answer, beside state. Others are dropped.
	Params []string
}

// Back returns the handler of such an address.
func (g *GUI) Back(b Back) http.Handler {
	return g.headers.Handler(g.bounds.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := deadline.New(r.Context(), time.Now(), timeout)
		defer ctx.Stop()
		serve := b.get
		switch r.Method {
		case http.MethodGet:
		case http.MethodPost:
			serve = b.post
		default:
			serve = func(_ context.Context, _ *GUI, w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Allow", "GET, POST")
				return &Fault{Param: "method", Reason: "must be GET or POST", Status: http.StatusMethodNotAllowed}
			}
		}
		if err := serve(ctx, g, w, r); err != nil {
			g.fail(w, r, err)
		}
	})))
}

// answer reads the parameters of an answer, each of which is given once.
func (b Back) answer(values url.Values) (flows.Form, error) {
	answer := flows.Form{}
	for name, v := range values {
		if name != "state" && !slices.Contains(b.Params, name) {
			continue
		}
		if len(v) > 1 {
			return nil, &Fault{Param: name, Reason: "is given twice"}
		}
		answer[name] = v[0]
	}
	return answer, nil
}

// post believes nothing and does nothing: what it was given is judged when the
// browser brings it along with its cookies.
func (b Back) post(_ context.Context, _ *GUI, w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return &Fault{Param: "form", Reason: "is not application/x-www-form-urlencoded", Status: http.StatusUnsupportedMediaType}
	}
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return &Fault{Param: "form", Reason: "is too large", Status: http.StatusRequestEntityTooLarge}
		}
		return &Fault{Param: "form", Reason: "is not percent-encoded"}
	}
	answer, err := b.answer(r.PostForm)
	if err != nil {
		return err
	}
	q := url.Values{}
	for name, value := range answer {
		q.Set(name, value)
	}
	redirect(w, http.StatusSeeOther, r.URL.EscapedPath()+"?"+q.Encode())
	return nil
}

// get gives the answer to the run. A run that can not go on ends at the errorUrl
// with which it began: the user is far from any page of ours.
func (b Back) get(ctx context.Context, g *GUI, w http.ResponseWriter, r *http.Request) error {
	q, err := Query(r.URL.RawQuery)
	if err != nil {
		return err
	}
	answer, err := b.answer(q.Values())
	if err != nil {
		return err
	}
	trip, err := g.Engine.Trip(ctx, b.Flow, answer["state"])
	if errors.Is(err, flows.ErrNoTrip) {
		return &Fault{Param: "state", Reason: "is that of nothing that was begun here in the last day"}
	}
	if err != nil {
		return err
	}
	began, err := Query(trip.Query)
	if err != nil {
		return err
	}
	req, err := b.Parse(ctx, r, began)
	if err != nil {
		return err
	}
	req.Query = trip.Query
	browser, err := g.browser(w, r, req.Client.ID)
	if err != nil {
		return err
	}
	run, err := g.Engine.Back(ctx, b.Flow, trip, req, browser, answer)
	for _, over := range []error{flows.ErrOver, flows.ErrExpired, flows.ErrElsewhere} {
		if errors.Is(err, over) {
			g.Logger.InfoContext(ctx, "answer not taken", "path", r.URL.Path, "err", err)
			location := req.Error.String()
			if b.Lost != nil {
				if location, err = b.Lost(ctx, req); err != nil {
					return fmt.Errorf("back: %w", err)
				}
			}
			redirect(w, http.StatusFound, location)
			return nil
		}
	}
	if errors.Is(err, flows.ErrLost) { // another request is at work on it
		redirect(w, http.StatusFound, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		return nil
	}
	if err != nil {
		if b.Fault != nil {
			if f := b.Fault(err); f != nil {
				return f
			}
		}
		return fmt.Errorf("back: %w", err)
	}
	if b.Page != "" {
		return b.goOn(g, w, r, run, flows.Ticket{Run: run.ID, Query: trip.Query, Browser: browser.Cookie, Started: trip.Started()})
	}
	return g.end(ctx, w, r, run, b.Location)
}

// goOn is end for a flow that may wait for the user on a page.
func (b Back) goOn(g *GUI, w http.ResponseWriter, r *http.Request, run *flows.Run, t flows.Ticket) error {
	_, away := run.Away()
	if _, ended := run.End(); ended || away {
		return g.end(r.Context(), w, r, run, b.Location)
	}
	sealed, err := g.sealTicket(b.Page, t)
	if err != nil {
		return err
	}
	if err := g.apply(w, r, run); err != nil {
		return err
	}
	redirect(w, http.StatusFound, g.Path(b.Page)+"?run="+url.QueryEscape(sealed))
	return nil
}
