// Package connectid is a complete sign-in for publishers to mount into a
// net/http server: the login pages with single sign-on, an OAuth 2.0
// authorization server that is an OpenID Connect provider too, and the API that a
// newspaper's site asks who is reading.
//
// [New] puts the parts together; the [Kit] it returns is an [http.Handler].
package connectid

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// Version is the version of the kit.
const Version = "0.1.0"

// Kit is the login server, the API server and the payment server of one configuration. It is safe
// for concurrent use; two of them in one process share nothing.
//
// As a handler it serves every URL below the paths of LoginURL, APIURL, PayURL and
// ScriptURL, and
// the metadata of RFC 8414 below /.well-known/. It also works behind
// [http.StripPrefix].
type Kit struct {
	login    *handlers.Server
	oauth    *oauth.Server
	api      *api.Server
	pay      *pay.Server
	accounts *account.Service
	orders   *order.Service
	themes   *theme.Themes
	store    store.Store
	headers  *middleware.SecurityHeaders
	bounds   *middleware.Bounds
	host     middleware.LoginConfig

	directories map[string]Directory
	clients     store.Clients // what Run needs
	signer      *signing.Signer
	logger      *slog.Logger
	ring        *keys.Ring

	loginServer, apiServer, payServer, scriptServer, wellKnown http.Handler

	loginPath, apiPath, payPath, scriptPath string // with a slash at both ends
}

// New returns the kit of the configuration. The error names everything that is
// wrong with it at once, each with what to change.
func New(c Config) (*Kit, error) {
	c, at, err := c.withDefaults()
	errs := []error{err}
	ring, err := keys.New(c.Keys)
	if err != nil {
		errs = append(errs, fmt.Errorf("bad Keys: %w", err))
	}
	proxies, err := middleware.NewAddresses(c.TrustedProxies)
	if err != nil {
		errs = append(errs, fmt.Errorf("bad TrustedProxies: %w", err))
	}
	k := &Kit{store: c.Store, directories: maps.Clone(c.Directories)}
	if err != nil || ring == nil || errs[0] != nil {
		// What is left is checked with stand-ins, so that all faults are told at once.
		c, at, ring, proxies = standIns(c, at, ring, proxies)
	}
	errs = append(errs, k.assemble(c, at, ring, proxies))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("connectid: %w", err)
	}
	return k, nil
}

// standIns fills what is missing, in a configuration that has failed already.
func standIns(c Config, at addresses, ring *keys.Ring, proxies *middleware.Addresses) (Config, addresses, *keys.Ring, *middleware.Addresses) {
	if c.Store == nil {
		c.Store = struct{ store.Store }{}
	}
	if c.Sender == nil {
		c.Sender = message.SenderFunc(func(context.Context, message.Message) error { return nil })
	}
	if at.login == nil {
		at.login = &url.URL{Scheme: "https", Host: "connectid.invalid", Path: "/user"}
	}
	if at.api == nil {
		at.api = at.login.JoinPath("../capi")
	}
	if at.pay == nil {
		at.pay = at.api.JoinPath("mcpay")
	}
	if at.script == nil {
		at.script = beside(at.login, "mcpay")
	}
	if ring == nil {
		secret := make([]byte, keys.MinLength)
		rand.Read(secret)
		c.Keys = [][]byte{secret}
		ring, _ = keys.New(c.Keys) // 32 random bytes are a key
	}
	if proxies == nil {
		proxies = &middleware.Addresses{}
	}
	return c, at, ring, proxies
}

// assemble makes the servers. Its error names all faults that the parts find.
func (k *Kit) assemble(c Config, at addresses, ring *keys.Ring, proxies *middleware.Addresses) error {
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	of := func(field string, err error) { // says which field of Config it is about
		if err != nil {
			errs = append(errs, fmt.Errorf("bad %s: %w", field, err))
		}
	}
	loginURL := at.login.String()
	k.loginPath, k.apiPath = at.login.Path+"/", at.api.Path+"/"
	k.payPath, k.scriptPath = at.pay.Path+"/", at.script.Path+"/"

	var err error
	k.themes, err = theme.New(theme.Config{
		Base: k.loginPath, Folders: c.Clients, CodeMinutes: int(c.Lifetimes.Code / time.Minute), Logger: c.Logger,
	})
	of("Clients", err)
	var clients store.Clients = c.Store
	if k.themes != nil {
		clients, err = withFolders(c.Store, k.themes.Clients())
		note(err)
	}
	composer, err := message.NewComposer(message.ComposerConfig{BaseURL: loginURL, LogoURL: func(clientID string) string {
		if logo := k.themes.Logo(clientID); logo != "" {
			return at.login.ResolveReference(&url.URL{Path: logo}).String()
		}
		return ""
	}})
	note(err)
	systems, err := publisher.New(publisher.Config{
		Store: c.Store, Customers: c.Customers, Memberships: c.Memberships, Catalogues: c.Catalogues, Accesses: c.Accesses,
	})
	note(err)
	if err != nil {
		systems = new(publisher.Systems) // never used: stands in for the checks below
	}
	k.accounts, err = account.New(account.Config{
		Store: c.Store, Keys: ring, Composer: composer, Sender: c.Sender,
		Limits: c.Limits, Lifetimes: c.Lifetimes, Passwords: c.Passwords,
		Captcha: c.Captcha, CaptchaWhen: c.CaptchaWhen,
		Observer: c.OnNotice, Logger: c.Logger,
		ResetURL:   func(cl store.Client) string { return pageURL(loginURL, "resetPassword", cl) },
		AccountURL: func(cl store.Client) string { return pageURL(loginURL, "account", cl) },
		OrderURL:   func(cl store.Client, token string) string { return orderURL(loginURL, cl, token) },
		Clients:    clients, Parts: slices.Concat(flows.PublisherParts(systems), flows.OrderParts(c.Store), c.Parts), OnDelete: c.OnDelete,
		OnSessionEnd: func() { k.oauth.WakeLogouts() },
		Merge: account.MergeConfig{
			Undo: c.MergeUndo, OnMerge: c.OnMerge, OnUnmerge: c.OnUnmerge,
			Parts:   []account.MergePart{flows.PublisherMerge(systems), flows.OrderMerge(c.Store)},
			UndoURL: func(cl store.Client, id, token string) string { return undoURL(loginURL, cl, id, token) },
		},
	})
	note(err)
	if err != nil {
		k.accounts = new(account.Service) // never used either
	}
	k.orders, err = order.New(order.Config{
		Store: c.Store, Clients: clients, Keys: ring, Publishers: systems, Merchants: c.Merchants, Desks: c.Desks,
		CallbackURL: at.pay.JoinPath("callback").String(), ScriptReturnURL: at.pay.JoinPath("return").String(),
		Tie: flows.CustomerTies(k.accounts, systems), Notify: api.NewNotifier(c.InsecureAllowHTTP), PayWithin: c.PayWithin, ClaimWithin: c.ClaimWithin,
		Observer: c.OnOrder, Logger: c.Logger,
	})
	note(err)
	if err != nil {
		k.orders = new(order.Service) // never used: stands in for the checks below
	}
	k.clients, k.logger, k.ring = clients, c.Logger, ring
	engine, err := flows.NewEngine(flows.EngineConfig{
		Accounts: k.accounts, Runs: c.Store, Keys: ring, Publishers: systems, Orders: k.orders, Lifetime: c.RunLifetime, Observer: c.OnEvent,
	})
	of("RunLifetime", err)
	k.login, err = handlers.New(handlers.Config{
		Base: at.login, Kit: c.Name, Keys: ring, Clients: clients, Accounts: k.accounts,
		Engine: engine, Themes: k.themes, Addresses: proxies, Logger: c.Logger,
	})
	of("Name", err)
	k.signer, err = signing.New(signing.Config{
		Store: c.Store, Keys: ring, Clients: clients, Period: c.SigningPeriod, Logger: c.Logger,
	})
	of("SigningPeriod", err)
	if err != nil {
		k.signer = new(signing.Signer) // never used: stands in for the checks below
	}
	dpop, err := middleware.NewDPoP(middleware.DPoPConfig{
		Tickets: c.Store, Keys: c.Keys, Window: c.DPoPWindow, InsecureSkipNonce: c.InsecureSkipDPoPNonce,
	})
	of("DPoPWindow", err)
	oauthConfig := oauth.Config{
		Issuer: loginURL, Clients: clients, Grants: c.Store, Sessions: c.Store, Counters: c.Store, Tickets: c.Store, Consents: c.Store,
		Users: c.Store, Signer: k.signer, Outbox: c.Store, LogoutClient: c.LogoutClient, IDTokenLifetime: c.IDTokenLifetime,
		DPoP: dpop, PushedLifetime: c.PushedLifetime, RunLifetime: c.RunLifetime,
		Keys: ring, AddressKey: proxies.KeyOf, ExtensionGrants: extensionGrants(k.accounts, c.ExtensionGrants),
		AccessLifetime: c.AccessLifetime, RefreshLifetime: c.RefreshLifetime, GrantLifetime: c.GrantLifetime, Logger: c.Logger,
	}
	if k.login != nil {
		oauthConfig.GUI = k.login.GUI()
	}
	k.oauth, err = oauth.New(oauthConfig)
	note(err)
	k.api, err = api.New(api.Config{
		Prefix: k.apiPath, URL: at.api.String(), AuthorizationURL: loginURL + "/oauth/authorize", TokenURL: loginURL + "/oauth/token",
		DPoP: dpop, Clients: clients, Users: c.Store, Grants: c.Store, Counters: c.Store, Addresses: proxies,
		Version: c.Version, LegacyXML: c.LegacyXML, CallsPerMinute: c.CallsPerMinute, CallsPerSecond: c.CallsPerSecond,
		AnonymousPerMinute: c.AnonymousPerMinute, Publishers: systems, Accounts: k.accounts, Orders: k.orders, Logger: c.Logger,
		Lifecycle: c.Lifecycle, TestEnvironment: c.TestEnvironment, OnDeprecatedCall: c.OnDeprecatedCall,
	})
	note(err)
	k.pay, err = pay.New(pay.Config{
		Payments: k.orders, Clients: clients, Counters: c.Store, URL: at.pay.String(), ScriptPrefix: k.scriptPath,
		Version: c.Version, Addresses: proxies, CallsPerMinute: c.CallsPerMinute, CallsPerSecond: c.CallsPerSecond, Logger: c.Logger,
	})
	note(err)
	k.headers, err = middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{Origin: store.TargetOrigin(loginURL)})
	note(err)
	k.bounds, err = middleware.NewBounds(middleware.BoundsConfig{})
	note(err)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.host = middleware.LoginConfig{
		Session: k.login.GUI().Session, User: k.accounts.User,
		LoginURL: loginURL + "/login", ReauthenticateURL: loginURL + "/reauthenticate",
		ClientID: c.HostClient, HostURL: c.HostURL, ErrorURL: c.HostErrorURL,
	}
	k.route()
	return nil
}

// extensionGrants returns the kit's own extension grant beside the host's. One of
// the host's with the same type stands in for it.
func extensionGrants(accounts *account.Service, own []oauth.ExtensionGrant) []oauth.ExtensionGrant {
	if slices.ContainsFunc(own, func(g oauth.ExtensionGrant) bool { return g.Type == extid.Type }) {
		return own
	}
	return append([]oauth.ExtensionGrant{extid.Grant(accounts)}, own...)
}

// Accounts returns what hosts may do to accounts, such as to block one.
func (k *Kit) Accounts() *account.Service { return k.accounts }

// OAuth returns the authorization server, for what hosts may do to clients:
// disable one, replace its secret, revoke its tokens.
func (k *Kit) OAuth() *oauth.Server { return k.oauth }

// Orders returns orders and payments, for what hosts may do with them: charge
// again what was agreed upon, give money back.
func (k *Kit) Orders() *order.Service { return k.orders }

// SealPaymentSecret seals a secret of at least 64 bytes for PaymentSecrets of the
// client's record: with it the client signs what its payment script asks for.
func (k *Kit) SealPaymentSecret(clientID string, secret []byte) (string, error) {
	return order.SealSecret(k.ring, clientID, secret)
}

// Run does the work that no request should wait for: it brings payments and orders
// to their ends whatever becomes of browsers, makes and rotates the keys that
// tokens are signed with, tells clients of sessions that have ended,
// removes what has expired from the store, finishes what follows the merges of
// accounts, and writes once a day to the log who calls endpoints of the API that go
// away. Any number of nodes may run it. It returns when the context ends, with its
// error.
func (k *Kit) Run(ctx context.Context) error {
	var beside sync.WaitGroup // what goes on until the context ends
	defer beside.Wait()
	beside.Go(func() { k.api.Run(ctx) })
	beside.Go(func() { k.oauth.DeliverLogouts(ctx) })
	beside.Go(func() { k.orders.Run(ctx) })
	const pause, batch = time.Minute, 500
	sweeper, ok := k.store.(store.Sweeper)
	for {
		if err := k.signer.Tend(ctx); err != nil && ctx.Err() == nil {
			k.logger.WarnContext(ctx, "signing keys are not tended", "err", err) // the next round tries again
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if err := k.accounts.SettleMerges(ctx, k.clients); err != nil && ctx.Err() == nil {
			k.logger.WarnContext(ctx, "merges are not settled", "err", err) // the next round tries again
		}
		for n := batch; ok && n == batch; {
			var err error
			if n, err = sweeper.Sweep(ctx, time.Now(), batch); err != nil {
				break // the next round tries again
			}
		}
	}
}

// ServeHTTP serves every URL of the kit.
func (k *Kit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := singleSlashes(r.URL.Path); {
	case strings.HasPrefix(path, "/.well-known/"):
		k.wellKnown.ServeHTTP(w, r)
	case below(path, k.scriptPath): // before the payment API, which may end in the same segment
		k.scriptServer.ServeHTTP(w, r)
	case below(path, k.payPath):
		k.payServer.ServeHTTP(w, r)
	case below(path, k.apiPath):
		k.apiServer.ServeHTTP(w, r)
	default:
		k.loginServer.ServeHTTP(w, r)
	}
}

// LoginServer returns the handler of everything below LoginURL.
func (k *Kit) LoginServer() http.Handler { return k.loginServer }

// APIServer returns the handler of everything below APIURL, the payment API too if it
// is there.
func (k *Kit) APIServer() http.Handler { return k.apiServer }

// PayServer returns the handler of everything below PayURL (ConnectID:
// mcPayApiServer): what the payment script asks, and where providers call.
func (k *Kit) PayServer() http.Handler { return k.payServer }

// ScriptServer returns the handler of everything below ScriptURL (ConnectID:
// mcPayCdnServer): the payment script.
func (k *Kit) ScriptServer() http.Handler { return k.scriptServer }

// Metadata returns the handler of the authorization server's metadata, to be
// mounted at /.well-known/oauth-authorization-server followed by the path of
// LoginURL (RFC 8414, section 3.1).
func (k *Kit) Metadata() http.Handler { return k.wellKnown }
