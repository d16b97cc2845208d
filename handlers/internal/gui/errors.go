package gui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// Fault is a mistake of whoever made the link or the request. It is shown to
// that developer on a page that offers the reader no link to a foreign place.
type Fault struct {
	Param  string // what is wrong, such as the name of a parameter
	Reason string // how: completes the sentence that begins with Param
	Status int    // default 400
}

// Error names the fault.
func (f *Fault) Error() string { return f.Param + " " + f.Reason }

// fail answers an error.
func (g *GUI) fail(w http.ResponseWriter, r *http.Request, err error) {
	if f, ok := errors.AsType[*Fault](err); ok {
		g.BadRequest(w, r, f)
		return
	}
	if errors.Is(err, errTicket) {
		g.formExpired(w, r)
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read an answer
	}
	// Every other error is an outage: of the store, of mail, of the hash pool.
	g.Logger.WarnContext(r.Context(), "request failed", "path", r.URL.Path, "err", err)
	w.Header().Set("Retry-After", "5")
	ctx := lastMoment(r.Context())
	defer ctx.Stop()
	r = r.WithContext(ctx)
	page := theme.Page{State: "busyPage", Action: g.prefix, Lang: langOf(r)}
	if client, path, query, ok := g.restart(r); ok {
		page.Client, page.Action, page.Values = client, path, map[string]string{"restartQuery": query}
	}
	if errors.Is(err, account.ErrBusy) {
		w.Header().Set("Retry-After", "2")
	}
	g.mustWrite(w, r, http.StatusServiceUnavailable, page)
}

// BadRequest answers with the page for a faulty link.
func (g *GUI) BadRequest(w http.ResponseWriter, r *http.Request, f *Fault) {
	status := f.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	g.Logger.InfoContext(r.Context(), "bad request", "path", r.URL.Path, "param", f.Param, "reason", f.Reason)
	g.mustWrite(w, r, status, theme.Page{State: "errorPage", Action: g.prefix, Lang: langOf(r), Developer: f.Error()})
}

// NotFound answers a path that the login server does not have.
func (g *GUI) NotFound(w http.ResponseWriter, r *http.Request) {
	g.headers.Set(w.Header())
	g.BadRequest(w, r, &Fault{Param: "path", Reason: "is not one of the login server's", Status: http.StatusNotFound})
}

// Unavailable answers an outage, for handlers that are not pages.
func (g *GUI) Unavailable(w http.ResponseWriter, r *http.Request, err error) { g.fail(w, r, err) }

// refuse answers a post that the CSRF protection did not let through.
func (g *GUI) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	if errors.Is(err, middleware.ErrForged) {
		g.formExpired(w, r)
		return
	}
	g.BadRequest(w, r, &Fault{Param: "form", Reason: "is refused: " + err.Error(), Status: status})
}

// formExpired answers a form that was forged, moved or kept for too long. A user
// who has logged in since, in another tab, is sent to where the page began,
// which knows her.
func (g *GUI) formExpired(w http.ResponseWriter, r *http.Request) {
	ctx := lastMoment(r.Context())
	defer ctx.Stop()
	r = r.WithContext(ctx)
	page := theme.Page{State: "formExpiredPage", Action: g.prefix, Lang: langOf(r)}
	if client, path, query, ok := g.restart(r); ok {
		if s, err := g.Session(r); err == nil && !s.Handle.IsZero() {
			redirect(w, http.StatusSeeOther, path+"?"+query)
			return
		}
		page.Client, page.Action, page.Values = client, path, map[string]string{"restartQuery": query}
	}
	g.mustWrite(w, r, http.StatusBadRequest, page)
}

// lastMoment returns the little time that is left for an error page to find out
// whose it is, when the request's own may be up.
func lastMoment(ctx context.Context) *deadline.Deadline {
	return deadline.New(context.WithoutCancel(ctx), time.Now(), 300*time.Millisecond)
}

// restart says how the run of a request can be begun again: by the ticket that
// it carries, as nothing else of it may be believed.
func (g *GUI) restart(r *http.Request) (client store.Client, path, query string, ok bool) {
	page := strings.TrimPrefix(r.URL.Path, g.prefix)
	page = strings.Trim(page, "/")
	sealed := ""
	if r.Method == http.MethodPost {
		sealed = r.PostForm.Get("ticket")
	} else if q, err := Query(r.URL.RawQuery); err == nil {
		sealed = q.Get("run")
		if sealed == "" { // the GET itself can be repeated
			c, err := g.Client(r.Context(), q.Get("clientId"))
			if err != nil {
				return store.Client{}, "", "", false
			}
			return *c, g.prefix + page, r.URL.RawQuery, true
		}
	}
	t, err := g.openTicket(page, sealed)
	if err != nil {
		return store.Client{}, "", "", false
	}
	if q, err := Query(t.Query); err == nil {
		if c, err := g.Client(r.Context(), q.Get("clientId")); err == nil {
			client = *c
		}
	}
	return client, g.prefix + page, t.Query, true
}

// mustWrite writes a page, or plain text if not even that page can be made.
func (g *GUI) mustWrite(w http.ResponseWriter, r *http.Request, status int, p theme.Page) {
	if err := g.write(w, r, status, p); err != nil {
		g.Logger.ErrorContext(r.Context(), "page failed", "state", p.State, "err", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	}
}

// write renders the page as a whole before the first byte is sent.
func (g *GUI) write(w http.ResponseWriter, r *http.Request, status int, p theme.Page) error {
	var b bytes.Buffer
	// An outage page must come out although the request's time is up.
	if err := g.Themes.Render(context.WithoutCancel(r.Context()), &b, p); err != nil {
		return fmt.Errorf("render %s: %w", p.State, err)
	}
	h := w.Header()
	h["Content-Type"] = []string{"text/html; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(b.Len())}
	h["Content-Language"] = []string{p.Lang}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a reader who has gone needs no answer
	return nil
}

// Lang chooses the language of a request's pages.
func Lang(r *http.Request, lang, locales, fallback string) string {
	return texts.Match(lang, locales, r.Header.Get("Accept-Language"), fallback)
}

func langOf(r *http.Request) string { return Lang(r, "", "", "") }

// printable shortens what a stranger wrote for an error page.
func printable(s string) string {
	s = strconv.QuoteToASCII(s)
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return s
}

// allowForms lets the page's form lead on to where the run ends when that is not
// https: browsers check every hop after a post. It is an app's own address (RFC
// 8252), or a client of a developer's machine.
func (g *GUI) allowForms(w http.ResponseWriter, req *flows.Request) {
	places := make([]string, 0, 4)
	for _, u := range []target.URL{req.Return, req.Error, req.Abort} {
		switch origin := u.Origin(); {
		case u.IsZero() || strings.HasPrefix(origin, "https:"):
		case origin != "":
			places = append(places, origin)
		default:
			scheme, _, _ := strings.Cut(u.String(), ":")
			places = append(places, strings.ToLower(scheme)+":")
		}
	}
	if !g.secure {
		places = append(places, formOrigins(req.Client)...)
	}
	if len(places) > 0 {
		slices.Sort(places)
		g.headers.AllowForms(w.Header(), slices.Compact(places)...)
	}
}
