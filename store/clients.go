package store

import (
	"context"
	"iter"
	"net/url"
	"strings"
	"time"
)

// Client is a site or app that sends its users to connectid (ConnectID:
// "Configuration for new client"; RFC 6749, section 2). It belongs to a partner,
// the publisher.
type Client struct {
	ID        string // the unique clientId, such as no.mediaconnect.test
	PartnerID string // the publisher, whose customers, products and articles the API shows it
	Disabled  bool   // a disabled client is answered like an unknown one

	// What its pages and messages show.
	Name                 string
	Description          string
	Homepage             string // an absolute URL
	CustomerCarePhone    string
	CustomerCareEmail    string
	Product              string
	SubscriptionTermsURL string
	UserTermsURL         string
	Language             string // nb, nn, sv, da, fi or en; default nb
	Region               string // ISO 3166 alpha-2 of phone numbers without prefix; default NO
	GUIVersion           int    // 1 or 2; default 2

	// Targets are the places where its users may be sent (returnUrl, errorUrl,
	// abortUrl): absolute origins, optionally with a path prefix. Empty refuses
	// everything.
	Targets []string
	// RedirectURIs are the OAuth redirect URIs, compared exactly (RFC 6749,
	// section 3.1.2.2; loopback addresses with any port, RFC 8252, section 7.3).
	RedirectURIs []string
	// InsecureRedirectPrefixes also allow redirect URIs by origin and path
	// prefix, for publishers that send a different article URL each time.
	InsecureRedirectPrefixes []string
	// InsecureAllowHTTP permits http targets and redirect URIs on hosts that
	// are not loopback.
	InsecureAllowHTTP bool

	// Public marks a client that can not keep a secret (RFC 6749, section 2.1).
	Public bool
	// Secrets are the hashes of its client secrets, as oauth.NewSecret and
	// oauth.HashSecret make them; any of them passes.
	Secrets []string
	// GrantTypes are the values of grant_type that the client may use, such as
	// authorization_code, refresh_token and client_credentials.
	GrantTypes []string
	// Scopes are those that it may ask for, for OpenID Connect openid and what else
	// of profile, email, phone and offline_access; empty allows no scope but the
	// empty one.
	Scopes []string
	// InsecureSkipPKCE lets a confidential client do without PKCE. A challenge
	// that was sent must be proven all the same.
	InsecureSkipPKCE bool
	// OmitIssuer leaves out the iss parameter of RFC 9207.
	OmitIssuer bool
	// KeepRefreshToken turns rotation of refresh tokens off. Those of a public
	// client rotate all the same, unless they are bound to a key (RFC 9700, section
	// 4.14.2).
	KeepRefreshToken bool
	// MayIntrospect lets the client call the introspection endpoint.
	MayIntrospect bool
	// ConsentRequired asks each user, once for each scope, whether the client may
	// have what it asks for.
	ConsentRequired bool
	// RequirePAR refuses authorization requests that were not pushed (RFC 9126,
	// section 6: require_pushed_authorization_requests).
	RequirePAR bool
	// RequireDPoP refuses token requests without a DPoP proof (RFC 9449, section
	// 5.2: dpop_bound_access_tokens).
	RequireDPoP bool
	// Resources are the resource servers that it may ask tokens for (RFC 8707),
	// as absolute URIs without a fragment.
	Resources []string
	// PostLogoutRedirectURIs are where its users may be sent after a logout that
	// it asked for, compared exactly (OpenID Connect RP-Initiated Logout 1.0).
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI is told, by a signed token, when a session ends in which
	// the client got a code (OpenID Connect Back-Channel Logout 1.0); empty for
	// not at all.
	BackchannelLogoutURI string
	// IDTokenAlg is how its ID tokens are signed: ES256 or RS256; default ES256.
	IDTokenAlg      string
	AccessLifetime  time.Duration // of access tokens; default 12 hours
	RefreshLifetime time.Duration // of unused refresh tokens; default 30 days

	// PaymentSecrets are the keys of which any signs what its payment script asks
	// for (ConnectID: sign), each sealed as order.SealSecret does.
	PaymentSecrets []string
	// PriceOverride lets its orders and payments name amounts that are not the
	// catalogue's.
	PriceOverride bool

	// PasswordOptional lets new users skip choosing a password.
	PasswordOptional bool
	// CallsPerMinute and CallsPerSecond are its API limits; defaults 2000 and 100.
	CallsPerMinute int
	CallsPerSecond int
	// SendsPerHour bounds the codes sent on its behalf; default 10000.
	SendsPerHour int

	UpdatedAt time.Time
}

// Clients keeps client records.
type Clients interface {
	// PutClient inserts the client or replaces the one with its ID.
	PutClient(ctx context.Context, c Client) error
	// Client returns the client with the given ID, disabled ones too, or
	// ErrNotFound. IDs are compared exactly. The slices of the record are shared
	// for speed: callers must not change their elements.
	Client(ctx context.Context, id string) (Client, error)
	// ClientsByOrigin lists, by an indexed look-up, the clients that have a
	// target with the given origin (scheme://host[:port], as [TargetOrigin]
	// writes it), ordered by ID. Whether a path prefix matches is the caller's
	// business. No client has the origin "".
	ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[Client, error]
	// Clients lists all clients, ordered by ID.
	Clients(ctx context.Context) iter.Seq2[Client, error]
	// DeleteClient removes the client; no error when there is none.
	DeleteClient(ctx context.Context, id string) error
}

// ClientSharer is implemented by stores that keep client records in memory and
// never change one in place. SharedClient is [Clients].Client without the copy:
// the record is shared by all callers, and none may change it.
type ClientSharer interface {
	SharedClient(ctx context.Context, id string) (*Client, error)
}

// SharedClient returns the client with the given ID from a store that shares its
// records, and a copy from any other.
func SharedClient(ctx context.Context, s Clients, id string) (*Client, error) {
	if shares, ok := s.(ClientSharer); ok {
		return shares.SharedClient(ctx, id)
	}
	c, err := s.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// TargetOrigin returns the origin of an absolute http or https URL in the form
// in which [Clients.ClientsByOrigin] compares it: lower case, without the
// scheme's own port. It returns "" for anything else.
func TargetOrigin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return ""
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	switch {
	case scheme != "http" && scheme != "https":
		return ""
	case scheme == "http" && port == "80", scheme == "https" && port == "443":
		port = ""
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return scheme + "://" + host
}
