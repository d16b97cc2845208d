// Package pay is what the browser and the payment providers need for payments: the
// payment script (ConnectID: "Mediaconnect payment SDK"), the API that the script
// calls, the addresses that providers call and send payers back to, and the pages
// of the sandbox.
package pay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Version is what X-Mediaconnect-Api-Version says when [Config] names no other.
const Version = "1.0"

// Payments is what the server needs of an [order.Service].
type Payments interface {
	VerifySign(ctx context.Context, c *store.Client, token string) (order.Claims, error)
	StartScript(ctx context.Context, p order.ScriptStart) (order.ScriptPayment, error)
	ScriptStanding(ctx context.Context, clientID, id, attempt string) (order.ScriptPayment, error)
	ScriptReturn(ctx context.Context, sealed string) (address string, err error)
	ReadCallback(ctx context.Context, proof string, c order.Callback) error
}

var _ Payments = (*order.Service)(nil)

// Config configures a [Server].
type Config struct {
	Payments Payments       // required
	Clients  store.Clients  // required
	Counters store.Counters // required

	// URL is the address of the API as browsers and providers see it (ConnectID:
	// mcPayApiServer), such as https://connectid.example/capi/mcpay. Required. Its
	// path is where API is mounted.
	URL string
	// ScriptPrefix is the path that Scripts is mounted at (ConnectID:
	// mcPayCdnServer), with a slash at both ends; default "/mcpay/".
	ScriptPrefix string
	// Sandbox serves the pages of the sandbox, below sandbox/ of URL. Default: none,
	// nothing is found there.
	Sandbox http.Handler
	// Version is the version of the API that answers are based upon; default
	// [Version].
	Version string
	// Addresses finds out who calls; default: the peer of the connection, no proxy is
	// trusted.
	Addresses *middleware.Addresses

	// CallsPerMinute and CallsPerSecond are the limits of a client whose record has
	// none of its own, over all its payers; defaults 2000 and 100. The first holds
	// over all nodes, the second in this process.
	CallsPerMinute int
	CallsPerSecond int
	// AddressPerMinute is how many calls of the script, and ways back from a provider,
	// one address may make, and as many preflights; default 300.
	AddressPerMinute int
	// CallbacksPerMinute is how many callbacks one address may make; default 6000:
	// a provider has few addresses.
	CallbacksPerMinute int
	// MaxCallback is the largest body of a callback in bytes; default 256 KiB.
	MaxCallback int64
	// ScriptMaxAge is how long browsers keep a script whose version is not exact;
	// default 5 minutes.
	ScriptMaxAge time.Duration
	// Timeout is how long a call may take before the answer is 503; default 4500
	// milliseconds.
	Timeout time.Duration
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, *url.URL, error) {
	var errs []error
	for _, f := range []struct {
		name    string
		missing bool
	}{{"Payments", c.Payments == nil}, {"Clients", c.Clients == nil}, {"Counters", c.Counters == nil}, {"URL", c.URL == ""}} {
		if f.missing {
			errs = append(errs, fmt.Errorf("missing %s", f.name))
		}
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	var base *url.URL
	if c.URL != "" {
		t, err := target.Parse(c.URL)
		if err == nil {
			base, err = url.Parse(c.URL)
		}
		if err == nil && (strings.ContainsAny(c.URL, "?#%{}") || base.Path != "" && t.Path() != base.Path) {
			err = errors.New("want scheme, host and a plain path")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("bad URL %q: %w", c.URL, err))
		}
	}
	c.ScriptPrefix = cmp.Or(c.ScriptPrefix, "/mcpay/")
	if p := c.ScriptPrefix; !strings.HasPrefix(p, "/") || !strings.HasSuffix(p, "/") || strings.ContainsAny(p, "{} ?#%") || p != "/" && path.Clean(p)+"/" != p {
		errs = append(errs, fmt.Errorf("bad ScriptPrefix %q: want a plain path with a slash at both ends", p))
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"CallsPerMinute", &c.CallsPerMinute, 2000}, {"CallsPerSecond", &c.CallsPerSecond, 100},
		{"AddressPerMinute", &c.AddressPerMinute, 300}, {"CallbacksPerMinute", &c.CallbacksPerMinute, 6000},
	} {
		if *n.value = cmp.Or(*n.value, n.def); *n.value < 0 {
			errs = append(errs, fmt.Errorf("bad %s %d: want at least 1", n.name, *n.value))
		}
	}
	if c.MaxCallback = cmp.Or(c.MaxCallback, 256<<10); c.MaxCallback < 0 {
		errs = append(errs, fmt.Errorf("bad MaxCallback %d: want at least 1", c.MaxCallback))
	}
	if c.ScriptMaxAge = cmp.Or(c.ScriptMaxAge, 5*time.Minute); c.ScriptMaxAge < 0 {
		errs = append(errs, fmt.Errorf("bad ScriptMaxAge %v", c.ScriptMaxAge))
	}
	if c.Timeout = cmp.Or(c.Timeout, 4500*time.Millisecond); c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("bad Timeout %v", c.Timeout))
	}
	c.Version = cmp.Or(c.Version, Version)
	if c.Addresses == nil {
		c.Addresses = &middleware.Addresses{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, base, errors.Join(errs...)
}

// Server is the payment script, its API, and what providers call. It is safe for
// concurrent use.
type Server struct {
	c         Config
	prefix    string // of the API, with a slash at both ends
	library   *library
	version   *middleware.Version
	clients   *middleware.RateLimiter
	addresses *middleware.RateLimiter
	// preflights are counted apart: their browsers make the calls that follow too.
	preflights *middleware.RateLimiter
	callers    *middleware.RateLimiter
	headers    *middleware.SecurityHeaders
	bounds     *middleware.Bounds
	api        http.Handler
}

// New returns the server, or all that is wrong with c.
func New(c Config) (*Server, error) {
	c, base, err := c.withDefaults()
	errs := []error{err}
	s := &Server{c: c}
	if s.version, err = middleware.NewVersion(c.Version); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("pay: %w", err)
	}
	s.prefix = base.Path + "/"
	lib, err := fs.Sub(scripts, "lib")
	if err == nil {
		s.library, err = newLibrary(lib)
	}
	errs = append(errs, err)
	s.clients, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "pay-client", Limits: limitsOf, Limit: c.CallsPerMinute, PerSecond: c.CallsPerSecond, Timeout: c.Timeout,
	})
	errs = append(errs, err)
	s.addresses, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "pay-address", Limit: c.AddressPerMinute, Timeout: c.Timeout,
	})
	errs = append(errs, err)
	s.preflights, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "pay-preflight", Limit: c.AddressPerMinute, Timeout: c.Timeout,
	})
	errs = append(errs, err)
	s.callers, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "pay-callback", Limit: c.CallbacksPerMinute, Timeout: c.Timeout,
	})
	errs = append(errs, err)
	s.headers, err = middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{Origin: store.TargetOrigin(c.URL)})
	errs = append(errs, err)
	s.bounds, err = middleware.NewBounds(middleware.BoundsConfig{MaxBody: max(c.MaxCallback, maxCall), Refuse: s.refuseBound})
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("pay: %w", err)
	}
	s.api = s.routes()
	return s, nil
}

// clientKey is where the client of a call stands.
type clientKey struct{}

func limitsOf(ctx context.Context, _ string) (perMinute, perSecond int) {
	if c, ok := ctx.Value(clientKey{}).(*store.Client); ok {
		return c.CallsPerMinute, c.CallsPerSecond
	}
	return 0, 0
}

// API returns the handler of everything below URL.
func (s *Server) API() http.Handler { return s.api }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(s.prefix+"init", s.handle(s.call(s.init)))
	mux.Handle(s.prefix+"status", s.handle(s.call(s.status)))
	mux.Handle(s.prefix+"callback/{merchant}/{method}", s.handle(s.callback))
	mux.Handle(s.prefix+"callback/{merchant}/{method}/{payment}/{proof}", s.handle(s.callback))
	mux.Handle(s.prefix+"return/{sealed}", http.HandlerFunc(s.comeBack))
	mux.Handle("/", s.handle(func(http.ResponseWriter, *http.Request) error { return notFound() }))
	bounded := s.bounds.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.c.Sandbox != nil && strings.HasPrefix(r.URL.Path, s.prefix+"sandbox/") {
			s.c.Sandbox.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		s.version.Set(h)
		s.headers.SetTransport(h)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // addresses of callbacks and returns are secrets
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		ctx, cancel := context.WithTimeout(r.Context(), s.c.Timeout)
		defer cancel()
		bounded.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Error is an answer that says what is wrong (ConnectID, "API: errors").
type Error struct {
	Status  int
	Type    string // exceptionType
	Message string // errorMessage
	Code    string // error
	Err     error  // why, for the log; never sent
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Type + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Type + ": " + e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func badRequest(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidRequest", Message: message, Code: "invalid_request"}
}

func notFound() *Error {
	return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is nothing at this address", Code: "not_found"}
}

// answerTo returns what the caller is told of err. What nobody has foreseen is an
// outage: the call may be repeated, and is the same call then.
func answerTo(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	refused, isRefused := errors.AsType[*order.RefusedError](err)
	switch {
	case isRefused && errors.Is(err, order.ErrSign):
		return &Error{Status: http.StatusUnauthorized, Type: "InvalidSign", Message: refused.Field + " " + refused.Reason, Code: "invalid_sign", Err: err}
	case isRefused:
		return &Error{Status: http.StatusBadRequest, Type: "InvalidClaim", Message: refused.Field + " " + refused.Reason, Code: "invalid_claim", Err: err}
	case errors.Is(err, order.ErrRefused):
		return &Error{Status: http.StatusBadRequest, Type: "PaymentRefused", Message: "the payment provider does not take this payment", Code: "payment_refused", Err: err}
	case errors.Is(err, order.ErrForged):
		return &Error{Status: http.StatusForbidden, Type: "Forged", Message: "this is not a callback of the provider", Code: "forged", Err: err}
	case errors.Is(err, order.ErrRepeated), errors.Is(err, order.ErrClosed):
		return &Error{Status: http.StatusConflict, Type: "RepeatedReference", Message: "externalReference was used before: it is good for one payment", Code: "repeated_reference", Err: err}
	case errors.Is(err, order.ErrNotFound), errors.Is(err, order.ErrUnknown):
		return &Error{Status: http.StatusNotFound, Type: "UnknownPayment", Message: "there is no such payment", Code: "unknown_payment", Err: err}
	}
	return &Error{Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable", Message: "the call can not be answered now; try again later", Code: "temporarily_unavailable", Err: err}
}

// handle is the only place that turns errors into answers.
func (s *Server) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := answerTo(err)
	level := slog.LevelInfo
	if e.Status >= 500 {
		level = slog.LevelError
		w.Header().Set("Retry-After", cmp.Or(w.Header().Get("Retry-After"), "5"))
	}
	// The call's context may be what has ended; the line is written all the same.
	// The path of callbacks and returns is a secret: the route stands for it.
	s.c.Logger.Log(context.WithoutCancel(r.Context()), level, "payment call failed", "route", r.Pattern, "status", e.Status, "err", err)
	body, marshalErr := json.Marshal(struct {
		ExceptionType string `json:"exceptionType"`
		ErrorMessage  string `json:"errorMessage"`
		Error         string `json:"error"`
	}{e.Type, e.Message, e.Code})
	if marshalErr != nil {
		body = []byte("{}") // three strings always marshal
	}
	write(w, r, e.Status, "application/json; charset=utf-8", body)
}

func (s *Server) refuseBound(w http.ResponseWriter, r *http.Request, err *middleware.BoundError) {
	s.fail(w, r, &Error{Status: err.Status, Type: "RequestTooLarge", Message: fmt.Sprintf("%s: %s", http.StatusText(err.Status), err), Code: "invalid_request"})
}

// notAllowed is the answer to a method that an address does not have.
func notAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return &Error{Status: http.StatusMethodNotAllowed, Type: "MethodNotAllowed", Message: "this address answers " + allow, Code: "invalid_request"}
}

// count counts a call and writes how the key stands, unless another key that counts
// this call stands worse.
func count(ctx context.Context, h http.Header, l *middleware.RateLimiter, key string) error {
	q, err := l.Take(ctx, key)
	if n, e := strconv.Atoi(h.Get("X-Ratelimit-Remaining")); e != nil || q.Remaining < n || !q.Allowed {
		q.Set(h)
	}
	switch {
	case err != nil:
		return err
	case !q.Allowed:
		return &Error{Status: http.StatusTooManyRequests, Type: "TooManyRequests", Message: "too many calls: wait for the seconds in Retry-After", Code: "rate_limited", Err: middleware.ErrLimited}
	}
	return nil
}

// write sends a whole answer; HEAD gets the headers of it.
func write(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a caller who has gone needs no answer
	}
}
