// Package oauth is the authorization server: the endpoints of RFC 6749 under the
// login server's oauth/ path, with PKCE (RFC 7636), revocation (RFC 7009),
// introspection (RFC 7662), metadata (RFC 8414) and the rules of RFC 9700. On top
// of it stands OpenID Connect: ID tokens, UserInfo, discovery and the keys to
// check with.
//
// Tokens are opaque. An access token is 256 random or derived bits; a refresh
// token is the id of its grant, a dot, and a secret. A store sees digests only.
package oauth

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Config configures a [Server].
type Config struct {
	Clients  store.Clients   // required
	Grants   store.Grants    // required
	Sessions store.Sessions  // required; a code is worth no more than its session
	Counters store.Counters  // required; counts wrong client secrets and pushed requests
	Tickets  store.Tickets   // required; keeps pushed requests
	Keys     *keys.Ring      // required; derives successors of refresh tokens
	Users    store.Users     // required; whom UserInfo tells of
	Signer   *signing.Signer // required; signs ID tokens
	Outbox   store.Outbox    // required; the logouts that clients are to be told of
	// Consents are what users have agreed to; required. Clients that do not have to
	// ask cost no look-up.
	Consents store.Consents
	// GUI shows the login pages. Required for Authorize and OAuthLogin; without
	// it these two panic when they are called.
	GUI *gui.GUI
	// Issuer is the login server's URL without a slash at the end, such as
	// https://connectid.example/user (RFC 8414, section 2); required. Endpoints
	// in the metadata and redirects to oauthLogin start with it.
	Issuer string
	// AddressKey names whom a wrong client secret counts against, in general
	// the client address that middleware.Addresses finds. Required, as no
	// default is safe: behind a proxy, RemoteAddr is the proxy.
	AddressKey func(*http.Request) string

	// DPoP checks proofs of keys, to which tokens are then bound (RFC 9449). Default:
	// none, all tokens are bearer tokens, and clients that need others get none.
	DPoP *middleware.DPoP

	// ExtensionGrants are further grant types of the token endpoint.
	ExtensionGrants []ExtensionGrant

	// AccessLifetime is that of access tokens of clients that set none; default 12 hours.
	AccessLifetime time.Duration
	// RefreshLifetime is that of unused refresh tokens of clients that set none; default 30 days.
	RefreshLifetime time.Duration
	// GrantLifetime is the absolute end of a refresh token family; default 1 year.
	GrantLifetime time.Duration
	// IDTokenLifetime is that of ID tokens; default 1 hour, at most 7 days.
	IDTokenLifetime time.Duration
	// CodeLifetime is that of authorization codes; default 60 seconds.
	CodeLifetime time.Duration
	// PushedLifetime is how long a client has to send the browser with a request
	// that it has pushed (RFC 9126, section 2.2); default 90 seconds.
	PushedLifetime time.Duration
	// RunLifetime is how long a user may then take to log in, with the same request;
	// default 30 minutes.
	RunLifetime time.Duration
	// RetryWindow is how long the predecessor of a refresh token gets the same
	// successor again; default 10 seconds, negative for not at all.
	RetryWindow time.Duration
	// Timeout bounds what one request may wait for the stores; default 4 seconds.
	Timeout time.Duration
	// LogoutClient calls the clients that want to be told of logouts; default: one
	// that waits 5 seconds and follows no redirect.
	LogoutClient *http.Client

	Logger *slog.Logger // default slog.Default()
}

func (c Config) withDefaults() (Config, error) {
	var errs []error
	missing := func(name string, is bool) {
		if is {
			errs = append(errs, errors.New("missing "+name))
		}
	}
	missing("Clients", c.Clients == nil)
	missing("Grants", c.Grants == nil)
	missing("Sessions", c.Sessions == nil)
	missing("Counters", c.Counters == nil)
	missing("Consents", c.Consents == nil)
	missing("Tickets", c.Tickets == nil)
	missing("Keys", c.Keys == nil)
	missing("Users", c.Users == nil)
	missing("Signer", c.Signer == nil)
	missing("Outbox", c.Outbox == nil)
	missing("AddressKey", c.AddressKey == nil)
	if _, err := target.Parse(c.Issuer); err != nil {
		errs = append(errs, fmt.Errorf("bad Issuer %q: %w", c.Issuer, err))
	} else if strings.HasSuffix(c.Issuer, "/") || strings.ContainsAny(c.Issuer, "?#") {
		errs = append(errs, fmt.Errorf("bad Issuer %q: want no slash at the end, no query and no fragment", c.Issuer))
	}
	lifetime := func(name string, d *time.Duration, def time.Duration) {
		*d = cmp.Or(*d, def)
		if *d < time.Second {
			errs = append(errs, fmt.Errorf("bad %s %v: want at least a second", name, *d))
		}
	}
	lifetime("AccessLifetime", &c.AccessLifetime, 12*time.Hour)
	lifetime("RefreshLifetime", &c.RefreshLifetime, 30*24*time.Hour)
	lifetime("GrantLifetime", &c.GrantLifetime, 365*24*time.Hour)
	lifetime("IDTokenLifetime", &c.IDTokenLifetime, time.Hour)
	if c.IDTokenLifetime > signing.MaxLifetime { // nobody could check one whose key is gone
		errs = append(errs, fmt.Errorf("bad IDTokenLifetime %v: want at most %v", c.IDTokenLifetime, signing.MaxLifetime))
	}
	lifetime("CodeLifetime", &c.CodeLifetime, time.Minute)
	lifetime("PushedLifetime", &c.PushedLifetime, 90*time.Second)
	lifetime("RunLifetime", &c.RunLifetime, 30*time.Minute)
	lifetime("Timeout", &c.Timeout, 4*time.Second)
	c.RetryWindow = cmp.Or(c.RetryWindow, 10*time.Second)
	if c.LogoutClient == nil {
		c.LogoutClient = newLogoutClient()
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(errs...)
}

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	config     Config
	extensions map[string]ExtensionGrant
	secrets    secretChecker
	headers    *middleware.SecurityHeaders
	bearer     *middleware.Bearer // of UserInfo
	document   []byte             // the metadata
	wake       chan struct{}      // says that there may be a logout to deliver
	rests      rests
	log        *slog.Logger
}

// New returns a server, or everything that is wrong with the configuration.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	extensions, err2 := checkExtensions(c.ExtensionGrants)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	headers, err := middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{Origin: store.TargetOrigin(c.Issuer)})
	if err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	bearer, err := middleware.NewBearer(middleware.BearerConfig{
		Grants: c.Grants, Clients: c.Clients, Timeout: c.Timeout, DPoP: c.DPoP, URL: c.Issuer,
	})
	if err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	s := &Server{config: c, extensions: extensions, headers: headers, bearer: bearer, log: c.Logger, wake: make(chan struct{}, 1), rests: rests{slow: map[string]*rest{}}}
	s.secrets = secretChecker{
		server: s,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		proven: map[store.Digest]struct{}{}, checking: map[store.Digest]chan struct{}{},
	}
	s.document = s.metadata()
	return s, nil
}

func (s *Server) accessLifetime(c *store.Client) time.Duration {
	if c.AccessLifetime > 0 {
		return c.AccessLifetime
	}
	return s.config.AccessLifetime
}

func (s *Server) refreshLifetime(c *store.Client) time.Duration {
	if c.RefreshLifetime > 0 {
		return c.RefreshLifetime
	}
	return s.config.RefreshLifetime
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
