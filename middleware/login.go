package middleware

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// User is who is logged in, as the host's handlers see her.
type User struct {
	ID          string // uniqueId: also the OAuth subject
	Number      int64  // userId of the API
	FirstName   string
	LastName    string
	Language    string
	Credentials []store.Credential
	Ties        []store.Tie // who she is in publishers' own systems
	// FreshAt is when she last gave a password or code in this browser; zero
	// when she was remembered.
	FreshAt time.Time
}

type userKey struct{}

// WithUser returns ctx with the user who is logged in.
func WithUser(ctx context.Context, u User) context.Context {
	return context.WithValue(ctx, userKey{}, &u)
}

// UserFrom returns the user whom [Login.Handler] let through; false when there is
// none.
func UserFrom(ctx context.Context) (User, bool) {
	u, ok := ctx.Value(userKey{}).(*User)
	if !ok {
		return User{}, false
	}
	return *u, true
}

// LoginError is a refusal: the user has to go to URL first.
type LoginError struct {
	// URL is the login server's page, which leads back: to the request's own URL
	// when that is a page, else to the page that it was sent from.
	URL string
	// Stale is set when somebody is logged in and has to prove again who she is.
	Stale bool
}

func (e *LoginError) Error() string {
	if e.Stale {
		return "the login is not fresh"
	}
	return "not logged in"
}

// LoginConfig configures a [Login].
type LoginConfig struct {
	// Session returns the live session of a request and extends its life; the
	// zero Session when nobody is logged in. Required.
	Session func(*http.Request) (store.Session, error)
	// User returns the user with the ID, or [account.ErrUserGone]. Required.
	User func(ctx context.Context, id string) (store.User, error)
	// LoginURL and ReauthenticateURL are the login server's pages. Required.
	LoginURL, ReauthenticateURL string
	// ClientID is the client as which the host's users log in. Required.
	ClientID string
	// HostURL is the address at which browsers see the root of the host's
	// handlers, such as https://paper.example. It comes from configuration, as
	// the Host of a request is the caller's word. Required.
	HostURL string
	// ErrorURL is where a user goes who leaves without logging in; default HostURL.
	ErrorURL string
	// MaxAge is how long ago the user may have given a password or code; default:
	// any session will do. 10 seconds at least.
	MaxAge time.Duration
	// Timeout is how long the stores may take; default 3 seconds.
	Timeout time.Duration
	// Refuse answers a request that is not let through. err is a [*LoginError],
	// or another error when a store could not be asked, which is no reason to let
	// anybody in (503). Default: pages are redirected to the error's URL; all
	// else gets 401 with that URL in Location, Link and body.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Login lets only users who are logged in through to the host's own handlers.
type Login struct {
	c    LoginConfig
	host *url.URL
}

// NewLogin returns a Login, or all that is wrong with c.
func NewLogin(c LoginConfig) (*Login, error) {
	var errs []error
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"Session", c.Session == nil}, {"User", c.User == nil}, {"LoginURL", c.LoginURL == ""},
		{"ReauthenticateURL", c.ReauthenticateURL == ""}, {"ClientID", c.ClientID == ""},
	} {
		if f.missing {
			errs = append(errs, fmt.Errorf("missing %s", f.name))
		}
	}
	if c.MaxAge != 0 && c.MaxAge < 10*time.Second { // shorter than the way back from the login
		errs = append(errs, fmt.Errorf("bad MaxAge %v: want 10 seconds or more", c.MaxAge))
	}
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("bad Timeout %v", c.Timeout))
	}
	l := &Login{c: c}
	var err error
	if _, err = target.Parse(c.HostURL); err == nil {
		l.host, err = url.Parse(strings.TrimSuffix(c.HostURL, "/"))
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("bad HostURL %q: %w", c.HostURL, err))
	} else {
		l.c.ErrorURL = cmp.Or(c.ErrorURL, l.host.String()+"/")
		if _, err := target.Parse(l.c.ErrorURL); err != nil {
			errs = append(errs, fmt.Errorf("bad ErrorURL %q: %w", c.ErrorURL, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if c.Refuse == nil {
		l.c.Refuse = refuseLogin
	}
	return l, nil
}

// Check returns who is logged in: one look-up of the session, one of the user. The
// error is a [*LoginError] when she has to log in or prove again who she is, and
// any other when a store could not be asked.
func (l *Login) Check(r *http.Request) (User, error) {
	ctx := deadline.New(r.Context(), time.Now(), l.c.Timeout)
	defer ctx.Stop()
	s, err := l.c.Session(r.WithContext(ctx))
	if err != nil {
		return User{}, fmt.Errorf("look up a session: %w", err)
	}
	if s.Handle.IsZero() {
		return User{}, &LoginError{URL: l.address(r)}
	}
	u, err := l.c.User(ctx, s.UserID)
	switch {
	case errors.Is(err, account.ErrUserGone):
		return User{}, &LoginError{URL: l.address(r)}
	case err != nil:
		return User{}, fmt.Errorf("look up the user of a session: %w", err)
	case l.c.MaxAge > 0 && !account.IsFreshWithin(s, l.c.MaxAge):
		return User{}, &LoginError{URL: l.address(r), Stale: true}
	}
	return User{
		ID: u.ID, Number: u.Number, FirstName: u.FirstName, LastName: u.LastName, Language: u.Language,
		Credentials: u.Credentials, Ties: u.Ties, FreshAt: s.FreshAt,
	}, nil
}

// Handler lets requests of users who are logged in through to next, which finds
// the user with [UserFrom]. What next answers is kept out of shared caches unless
// next says otherwise.
func (l *Login) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "private, no-cache")
		h.Add("Vary", "Cookie")
		u, err := l.Check(r)
		if err != nil {
			l.c.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithUser(r.Context(), u)))
	})
}

// address returns where the user has to go first.
func (l *Login) address(r *http.Request) string {
	q := url.Values{"clientId": {l.c.ClientID}, "returnUrl": {l.back(r)}, "errorUrl": {l.c.ErrorURL}}
	page := l.c.LoginURL
	if l.c.MaxAge > 0 {
		// Also for nobody: this page logs in, and a remembered user is not asked twice.
		page = l.c.ReauthenticateURL
		q.Set("maxAge", strconv.Itoa(int(l.c.MaxAge/time.Second)))
	}
	return page + "?" + q.Encode()
}

// back returns where the login leads back to. Whether the client may be sent there
// is judged by the login server.
func (l *Login) back(r *http.Request) string {
	var place string
	if isPage(r) {
		place = requestTarget(r)
	} else if from, err := url.Parse(r.Referer()); err == nil && from.Scheme == l.host.Scheme && from.Host == l.host.Host {
		place, _ = strings.CutPrefix(from.RequestURI(), l.host.EscapedPath())
	}
	if back := l.host.String() + place; strings.HasPrefix(place, "/") {
		if _, err := target.Parse(back); err == nil {
			return back
		}
	}
	return l.host.String() + "/"
}

// requestTarget returns path and query as the browser sent them, whatever a mux
// has stripped since.
func requestTarget(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.RequestURI()
	}
	return r.URL.RequestURI()
}

// isPage reports whether the request is a reader's way to a page, and not a post
// or a call by a script (Fetch Metadata; X-Requested-With and Accept of those
// that do not send it).
func isPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document"
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" || r.Header.Get("X-Requested-With") != "" {
		return false
	}
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

func refuseLogin(w http.ResponseWriter, r *http.Request, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	e, ok := errors.AsType[*LoginError](err)
	if !ok {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
		writeText(w, r, http.StatusServiceUnavailable, "Who is logged in can not be told right now. Try again in a little while.")
		return
	}
	h.Set("Location", e.URL)
	if isPage(r) {
		w.WriteHeader(http.StatusFound)
		return
	}
	code := "login_required"
	if e.Stale {
		code = "reauthentication_required"
	}
	h.Set("Link", "<"+e.URL+`>; rel="login"`)
	h.Set("WWW-Authenticate", `Cookie realm="connectid", error="`+code+`"`) // RFC 9110, section 15.5.2
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "text/plain") || strings.Contains(accept, "text/html") {
		writeText(w, r, http.StatusUnauthorized, "Log in first: "+e.URL)
		return
	}
	body, err := json.Marshal(struct {
		Error    string `json:"error"`
		LoginURL string `json:"loginUrl"`
	}{code, e.URL})
	if err != nil {
		panic(err) // two strings always marshal
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusUnauthorized)
	w.Write(body)
}
