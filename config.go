package connectid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Config configures a [Kit]. Four fields are required: Store, Keys, LoginURL and
// Sender. The zero value of every other field means its default.
type Config struct {
	// Store keeps everything. Required. [store.Compose] puts several together.
	Store store.Store
	// Keys seal cookies and forms and derive what is kept hashed: at least one,
	// each of 32 or more random bytes. Required. The first is used, the others
	// still open what they sealed, so that keys can be rotated.
	Keys [][]byte
	// LoginURL is the address of the login server as browsers see it, such as
	// https://connectid.example/user. Required. It is the OAuth issuer, and all
	// links, cookies and form actions follow from it, never from a request.
	LoginURL string
	// APIURL is the address of the API server; default: /capi beside LoginURL.
	APIURL string
	// Sender hands over mails and SMS. Required.
	Sender message.Sender
	// Clients holds a folder for each client that has a look of its own:
	// clients/no.mediaconnect.test/{client.json, logo.svg, background.jpg,
	// custom.css, texts.json, templates/}. A folder's client.json stands before a
	// record of the same ID in Store. Default: none.
	Clients fs.FS
	// Directories are the company directories with which readers can register
	// (azureUrl), by the id in the URL: letters, digits, hyphens, underscores and
	// inner dots. Default: none. What the directory's owner registers as redirect
	// URI is LoginURL followed by /azure/{id}/callback.
	Directories map[string]Directory
	// Name is the word in the names of cookies; default "connectid". Two kits
	// under one host need two names.
	Name string
	// Version is what X-Mediaconnect-Api-Version says; default [api.Version].
	Version string
	// LegacyXML answers in XML, on the endpoints that always could, when a request
	// accepts anything or says nothing, as old clients expect.
	LegacyXML bool
	// InsecureAllowHTTP permits a LoginURL with http, on loopback only.
	InsecureAllowHTTP bool
	// TrustedProxies are the addresses whose X-Forwarded-For counts; default none.
	TrustedProxies []netip.Prefix

	// HostClient is the client as which users of the host's own handlers log in;
	// see [Kit.RequireLogin]. Its Targets must allow HostURL.
	HostClient string
	// HostURL is the address at which browsers see the root of the host's own
	// handlers: on the host of LoginURL, as the session's cookie goes nowhere
	// else. Default: the origin of LoginURL.
	HostURL string
	// HostErrorURL is where a user goes who leaves without logging in; default
	// HostURL. It is one of the Targets too.
	HostErrorURL string

	// Parts are what else is kept of users, by the host: shown in My account,
	// exported and removed with the account.
	Parts []account.Part
	// OnDelete is called before an account is deleted, so that the host removes
	// what it keeps of the user. After an error nothing is deleted. It may be
	// called again for one user: a deletion that failed later is repeated, and two
	// may race.
	OnDelete func(context.Context, store.User) error

	// Limits, Lifetimes and Passwords are the numbers of accounts; see package
	// account for the defaults.
	Limits    account.Limits
	Lifetimes account.Lifetimes
	Passwords account.Passwords
	// Captcha slows programs down when a budget of Limits runs low, such as
	// [account.NewPuzzle] does; default: nobody is asked anything.
	Captcha account.Captcha
	// CaptchaWhen says whether an attempt has to solve a challenge first; default
	// [account.HalfUsed].
	CaptchaWhen func(account.CaptchaCase) bool
	// RunLifetime is how long a reader may take from page to page; default 30
	// minutes.
	RunLifetime time.Duration
	// GrantLifetime is the absolute end of a refresh token family; default 1 year.
	GrantLifetime time.Duration
	// AccessLifetime is that of access tokens of clients whose record has none;
	// default 12 hours.
	AccessLifetime time.Duration
	// RefreshLifetime is that of unused refresh tokens of clients whose record has
	// none; default 30 days.
	RefreshLifetime time.Duration
	// IDTokenLifetime is that of ID tokens (OpenID Connect Core 1.0, section 2);
	// default 1 hour, at most 7 days.
	IDTokenLifetime time.Duration
	// SigningPeriod is how long a key signs ID tokens before its successor does, at
	// least a day; default 90 days.
	SigningPeriod time.Duration
	// PushedLifetime is how long a client has to send the browser with an
	// authorization request that it has pushed (RFC 9126); default 90 seconds.
	PushedLifetime time.Duration
	// DPoPWindow is how far the time of a DPoP proof may be from ours, in both
	// directions (RFC 9449); default 60 seconds.
	DPoPWindow time.Duration
	// InsecureSkipDPoPNonce accepts DPoP proofs without a nonce of ours: whoever
	// could use a client's key for a moment can then make proofs for later.
	InsecureSkipDPoPNonce bool
	// CallsPerMinute is the API's limit, over all nodes, of clients whose record has
	// none; default 2000.
	CallsPerMinute int
	// CallsPerSecond is the API's limit in this process of clients whose record has
	// none; default 100.
	CallsPerSecond int
	// AnonymousPerMinute is how many API calls without a good token an address may
	// make; default 300.
	AnonymousPerMinute int
	// Lifecycle says when endpoints of the API enter the stages of their lives, from
	// Proposed to Sunset, by method and path below APIURL, such as
	// "GET /v1/customer/profile". Those that are not named are in production, and
	// stay.
	Lifecycle map[string]middleware.Lifecycle
	// TestEnvironment says that this is the test environment, where endpoints of
	// the API are found that are in test.
	TestEnvironment bool
	// OnDeprecatedCall is told of each call of an endpoint of the API that is
	// deprecated or gone. It must not block. [Kit.Run] writes once a day to the
	// log who made them.
	OnDeprecatedCall func(context.Context, middleware.DeprecatedCall)
	// Customers and Memberships are the systems of publishers, by the PartnerID
	// of their clients; package httpjson asks one over HTTP. Partners that are
	// not named have their customers and members in Store.
	Customers   map[string]publisher.Customers
	Memberships map[string]publisher.Memberships
	// Catalogues and Accesses are, in the same way, who knows what partners sell,
	// and who decides what may be read. Partners that are not named have products,
	// coupons, vouchers, articles, accesses and organisations in Store.
	Catalogues map[string]publisher.Catalogue
	Accesses   map[string]publisher.Access
	// Merchants get the money of orders, each by the payment providers that it has:
	// packages payex, vipps and sandbox. Default: none, orders are free, invoiced or
	// prepaid.
	Merchants []order.Merchant
	// Desks are the systems of publishers that take orders which are paid, by the
	// PartnerID of their clients; package order/httpjson asks one over HTTP. Orders
	// of partners that are not named become customers and subscriptions in Store.
	Desks map[string]order.Desk
	// PayURL is the address of the payment API (ConnectID: mcPayApiServer); default:
	// APIURL followed by /mcpay.
	PayURL string
	// ScriptURL is the address of the payment script (ConnectID: mcPayCdnServer);
	// default: /mcpay beside LoginURL.
	ScriptURL string
	// PayWithin is how long an order can be paid for; default 24 hours.
	PayWithin time.Duration
	// ClaimWithin is how long a payment made with the script waits for its order
	// before the money goes back; default 24 hours.
	ClaimWithin time.Duration
	// OnOrder is told of every step of orders and payments. It must not block, and
	// gets no secret.
	OnOrder func(context.Context, order.Step)
	// LogoutClient calls the clients that want to be told when a session ends
	// (BackchannelLogoutURI); default: one that waits 5 seconds and follows no
	// redirect.
	LogoutClient *http.Client
	// ExtensionGrants are further grant types of the token endpoint.
	ExtensionGrants []oauth.ExtensionGrant

	// MergeUndo is how long two accounts that became one can be parted again;
	// default 7 days, negative for never.
	MergeUndo time.Duration
	// OnMerge moves what the host keeps for the user m.Absorbed to m.Survivor when
	// two accounts become one, and OnUnmerge moves it back. They are called in the
	// transaction that changes the accounts, which stores with transactions put
	// into the context (sqlitestore.TxFrom); an error leaves the accounts as they
	// were. With OnMerge and without OnUnmerge no merge can be undone.
	OnMerge   func(context.Context, store.Merge) error
	OnUnmerge func(context.Context, store.Merge) error

	// OnEvent is told of every event of every flow, for those who count their
	// funnel; OnNotice of what happens to accounts (a wrong password, a theft, a
	// limit reached). Both must not block, and get no secret.
	OnEvent  func(context.Context, flows.Happening)
	OnNotice func(context.Context, account.Notice)
	Logger   *slog.Logger // default slog.Default()
}

// Directory is a company directory with which readers of a client can register.
type Directory = handlers.Directory

// addresses are the parsed URLs of a Config.
type addresses struct{ login, api, pay, script *url.URL }

func (c Config) withDefaults() (Config, addresses, error) {
	var errs []error
	missing := func(is bool, field, how string) {
		if is {
			errs = append(errs, fmt.Errorf("missing %s: %s", field, how))
		}
	}
	missing(c.Store == nil, "Store", "give a store, such as memstore.New()")
	if f, ok := c.Sender.(message.SenderFunc); ok && f == nil {
		c.Sender = nil
	}
	missing(c.Sender == nil, "Sender", "give a message.Sender, such as message.NewOutbox in development")
	missing(c.LoginURL == "", "LoginURL", `give the login server's address, such as "https://connectid.example/user"`)
	errs = append(errs, checkDirectories(c.Directories)...)
	c.Name = cmp.Or(c.Name, "connectid")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var a addresses
	if c.LoginURL != "" {
		var err error
		if a.login, err = c.address("LoginURL", c.LoginURL); err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case c.APIURL != "":
		var err error
		if a.api, err = c.address("APIURL", c.APIURL); err != nil {
			errs = append(errs, err)
		}
	case a.login != nil:
		a.api = beside(a.login, "capi")
	}
	if c.PayURL == "" && a.api != nil {
		a.pay = a.api.JoinPath("mcpay")
	} else if c.PayURL != "" {
		var err error
		if a.pay, err = c.address("PayURL", c.PayURL); err != nil {
			errs = append(errs, err)
		}
	}
	if c.ScriptURL == "" && a.login != nil {
		a.script = beside(a.login, "mcpay")
	} else if c.ScriptURL != "" {
		var err error
		if a.script, err = c.address("ScriptURL", c.ScriptURL); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, a.distinct())
	if a.login != nil {
		if c.HostURL == "" {
			c.HostURL = a.login.Scheme + "://" + a.login.Host
		}
		if host, err := c.address("HostURL", c.HostURL); err != nil {
			errs = append(errs, err)
		} else if host.Hostname() != a.login.Hostname() || host.Scheme != a.login.Scheme {
			errs = append(errs, fmt.Errorf("bad HostURL %q: the session's cookie goes to the host of LoginURL alone; use %s://%s",
				c.HostURL, a.login.Scheme, a.login.Host))
		}
	}
	return c, a, errors.Join(errs...)
}

// beside returns the address of that name beside another's.
func beside(u *url.URL, name string) *url.URL {
	path := "/" + name
	if i := strings.LastIndexByte(u.Path, '/'); i > 0 {
		path = u.Path[:i] + path
	}
	return u.ResolveReference(&url.URL{Path: path})
}

// distinct says which servers have one path.
func (a addresses) distinct() error {
	var errs []error
	names := map[string]string{}
	for _, server := range []struct {
		field string
		at    *url.URL
	}{{"LoginURL", a.login}, {"APIURL", a.api}, {"PayURL", a.pay}, {"ScriptURL", a.script}} {
		if server.at == nil {
			continue
		}
		if other, taken := names[server.at.Path]; taken {
			errs = append(errs, fmt.Errorf("%s and %s have one path, %q: give each server its own", other, server.field, server.at.Path))
		}
		names[server.at.Path] = server.field
	}
	return errors.Join(errs...)
}

// address parses a server's address.
func (c Config) address(field, raw string) (*url.URL, error) {
	raw = strings.TrimSuffix(raw, "/")
	t, err := target.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("bad %s %q: %w", field, raw, err)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("bad %s %q: %w", field, raw, err)
	case u.RawQuery != "" || u.Fragment != "" || t.Path() != cmp.Or(u.Path, "/"):
		return nil, fmt.Errorf("bad %s %q: want scheme, host and a plain path", field, raw)
	case u.Scheme == "http" && !c.InsecureAllowHTTP:
		return nil, fmt.Errorf("bad %s %q: use https, or set InsecureAllowHTTP for development on this machine", field, raw)
	case u.Scheme == "http" && !t.IsLoopback():
		return nil, fmt.Errorf("bad %s %q: InsecureAllowHTTP is for loopback addresses only", field, raw)
	}
	return u, nil
}

var directoryID = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func checkDirectories(all map[string]Directory) (errs []error) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		d := all[id]
		if len(id) > 64 || !directoryID.MatchString(id) {
			errs = append(errs, fmt.Errorf("bad Directories id %q: want up to 64 letters, digits, hyphens, underscores and inner dots", id))
		}
		if d.ClientID == "" {
			errs = append(errs, fmt.Errorf("missing Directories[%q].ClientID: name the client whose readers register", id))
		}
		if d.Directory == nil {
			errs = append(errs, fmt.Errorf("missing Directories[%q].Directory: give one, such as entra.New(...)", id))
		}
	}
	return errs
}
