// Package api is the API server (ConnectID, "API"): what a client asks, with an
// access token, after its user has logged in.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Version is what X-Mediaconnect-Api-Version says when [Config] names no other.
const Version = "1.0"

// Config configures a [Server].
type Config struct {
	Clients  store.Clients  // required
	Users    store.Users    // required
	Grants   store.Grants   // required
	Counters store.Counters // required
	// Publishers knows what publishers sell, to whom, and who may read what. Required.
	Publishers *publisher.Systems
	// Accounts keeps the users of external identities; without it the endpoints
	// below v1/client/extid are not there.
	Accounts *account.Service

	// Orders places orders and knows how far they have come; without it the endpoints
	// of orders are not there.
	Orders *order.Service

	// URL is the address of the server as callers see it, such as
	// https://connectid.example/capi. Required with DPoP. A token that names
	// resources has to name it (RFC 8707). The documentation says it too, or only
	// Prefix without it.
	URL string
	// DPoP checks the proofs of tokens that are bound to a key (RFC 9449). Default:
	// none, such tokens are refused.
	DPoP *middleware.DPoP
	// Prefix is the path that the server is mounted at, with a slash at both
	// ends; default "/capi/".
	Prefix string
	// AuthorizationURL and TokenURL are the addresses of the authorization server;
	// for the documentation, which says nothing of them by default.
	AuthorizationURL string
	TokenURL         string
	// Version is the version of the API that answers are based upon; default
	// [Version].
	Version string
	// Addresses finds out who calls without a token; default: the peer of the
	// connection, no proxy is trusted.
	Addresses *middleware.Addresses
	// LegacyXML answers in XML, on the endpoints that always could, when a
	// request accepts anything or says nothing, as old clients expect.
	LegacyXML bool

	// CacheFor is how long clients may keep products and coupons; default 5 minutes.
	CacheFor time.Duration
	// Lifecycle says when endpoints enter the stages of their lives, by method and
	// path below Prefix, such as "GET /v1/customer/profile". Those that are not
	// named are in production, and stay.
	Lifecycle map[string]middleware.Lifecycle
	// TestEnvironment says that this is where endpoints are found that are in
	// test.
	TestEnvironment bool
	// OnDeprecatedCall is told of each call of an endpoint that is deprecated or
	// gone; default: nobody. It must not block.
	OnDeprecatedCall func(context.Context, middleware.DeprecatedCall)

	// CallsPerMinute and CallsPerSecond are the limits of a client whose record
	// has none of its own; defaults 2000 and 100. The first holds over all
	// nodes, the second in this process.
	CallsPerMinute int
	CallsPerSecond int
	// AnonymousPerMinute is how many calls without a good token one address may
	// make; default 300.
	AnonymousPerMinute int
	// MaxBody is the largest request body in bytes; default 256 KiB.
	MaxBody int64
	// Timeout is how long a call may take before the answer is 503; default 4
	// seconds.
	Timeout time.Duration
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	var errs []error
	for _, f := range []struct {
		name    string
		missing bool
	}{{"Clients", c.Clients == nil}, {"Users", c.Users == nil}, {"Grants", c.Grants == nil}, {"Counters", c.Counters == nil}, {"Publishers", c.Publishers == nil}} {
		if f.missing {
			errs = append(errs, fmt.Errorf("missing %s", f.name))
		}
	}
	c.Prefix = cmp.Or(c.Prefix, "/capi/")
	if !strings.HasPrefix(c.Prefix, "/") || !strings.HasSuffix(c.Prefix, "/") || strings.ContainsAny(c.Prefix, "{} ?#%") || !isClean(c.Prefix) {
		errs = append(errs, fmt.Errorf("bad Prefix %q: want a plain path with a slash at both ends", c.Prefix))
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{{"CallsPerMinute", &c.CallsPerMinute, 2000}, {"CallsPerSecond", &c.CallsPerSecond, 100}, {"AnonymousPerMinute", &c.AnonymousPerMinute, 300}} {
		if *n.value = cmp.Or(*n.value, n.def); *n.value < 0 {
			errs = append(errs, fmt.Errorf("bad %s %d: want at least 1", n.name, *n.value))
		}
	}
	c.MaxBody = cmp.Or(c.MaxBody, 256<<10)
	if c.MaxBody < 0 {
		errs = append(errs, fmt.Errorf("bad MaxBody %d: want at least 1", c.MaxBody))
	}
	c.Timeout = cmp.Or(c.Timeout, 4*time.Second)
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("bad Timeout %v", c.Timeout))
	}
	c.CacheFor = cmp.Or(c.CacheFor, 5*time.Minute)
	if c.CacheFor < 0 {
		errs = append(errs, fmt.Errorf("bad CacheFor %v", c.CacheFor))
	}
	c.Version = cmp.Or(c.Version, Version)
	if c.Addresses == nil {
		c.Addresses = &middleware.Addresses{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(errs...)
}

// Server is the API server. It is safe for concurrent use.
type Server struct {
	c         Config
	version   *middleware.Version
	bearer    *middleware.Bearer
	perClient *middleware.RateLimiter
	anonymous *middleware.RateLimiter
	vouchers  *middleware.RateLimiter
	bounds    *middleware.Bounds
	lives     *middleware.Lifecycles
	described atomic.Pointer[documents]
}

// New returns the server, or all that is wrong with c.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	errs := []error{err}
	s := &Server{c: c}
	if s.version, err = middleware.NewVersion(c.Version); err != nil {
		errs = append(errs, err)
	}
	if s.lives, err = newLives(c); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s.bearer, err = middleware.NewBearer(middleware.BearerConfig{
		Grants: c.Grants, Clients: c.Clients, Timeout: c.Timeout,
		// Requests have the whole path, the prefix too.
		DPoP: c.DPoP, URL: store.TargetOrigin(c.URL), Resource: c.URL,
	})
	errs = append(errs, err)
	s.perClient, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "api-client", Key: clientOf, Limits: limitsOf, Timeout: c.Timeout,
		Limit: c.CallsPerMinute, PerSecond: c.CallsPerSecond, Refuse: s.refuseCall,
	})
	errs = append(errs, err)
	s.anonymous, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "api-address", Key: c.Addresses.KeyOf, Timeout: c.Timeout,
		Limit: c.AnonymousPerMinute, Refuse: s.refuseCall,
	})
	errs = append(errs, err)
	s.vouchers, err = middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: c.Counters, Name: "api-voucher", Timeout: c.Timeout, Limit: vouchersPerMinute,
	})
	errs = append(errs, err)
	s.bounds, err = middleware.NewBounds(middleware.BoundsConfig{MaxBody: c.MaxBody, Refuse: s.refuseBound})
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return s, nil
}

// clientOf counts a call with a good token against the client, whoever of its
// users it is made for.
func clientOf(r *http.Request) string {
	t, _ := middleware.TokenFrom(r.Context())
	return t.ClientID
}

func limitsOf(ctx context.Context, _ string) (perMinute, perSecond int) {
	if t, ok := middleware.TokenFrom(ctx); ok {
		return t.Client.CallsPerMinute, t.Client.CallsPerSecond
	}
	return 0, 0
}

// tokenErrKey is where the reason stands why a call has no good token.
type tokenErrKey struct{}

// Handler returns all endpoints, ready to be mounted at [Config] Prefix. Every
// answer, errors too, carries the version and how the caller's limit stands.
//
// The token is looked up before anything is counted, as it says whom to count
// against; calls without a good one count against the caller's address, and
// learn only afterwards what is wrong with theirs.
func (s *Server) Handler() http.Handler {
	endpoints := s.bounds.Handler(s.routes())
	known, unknown := s.perClient.Handler(endpoints), s.anonymous.Handler(endpoints)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		s.version.Set(h)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		ctx, cancel := context.WithTimeout(r.Context(), s.c.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		if t, err := s.bearer.Check(r); err != nil {
			unknown.ServeHTTP(w, r.WithContext(context.WithValue(ctx, tokenErrKey{}, err)))
		} else {
			s.bearer.Renew(h, t)
			known.ServeHTTP(w, r.WithContext(middleware.WithToken(ctx, t)))
		}
	})
}
