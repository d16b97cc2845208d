package store

import (
	"context"
	"iter"
	"time"
)

// AuthorizationCode is the code of RFC 6749, section 4.1.2. It stays stored as
// used until it expires, so that a replay is recognisable.
type AuthorizationCode struct {
	Hash        Digest
	ClientID    string
	GrantID     string // fixed when the code is issued
	UserID      string
	Scope       string
	RedirectURI string // as sent in the authorization request; empty if none was
	Challenge   string // S256 code_challenge; empty for none
	Session     Digest // the session in which it was issued
	SessionID   string // its public ID
	// Nonce is handed back in the ID token (OpenID Connect Core, section 3.1.2.1).
	Nonce     string
	Resources []string // that tokens are for (RFC 8707); empty for none named
	// DPoPKey is the thumbprint of the key to which the code is bound (RFC 9449,
	// section 10); zero for none.
	DPoPKey         Digest
	AuthenticatedAt time.Time
	CreatedAt       time.Time
	ExpiresAt       time.Time
}

// Grant is what a user allowed a client, from the code to the last refresh
// token (a refresh token family). A client's own access (client_credentials)
// has no grant.
type Grant struct {
	ID              string
	Version         int64 // see [Grants.SwapGrant]
	ClientID        string
	UserID          string
	Scope           string
	AuthenticatedAt time.Time
	SessionID       string   // public ID of the session in which it was given; empty for none
	Resources       []string // that tokens may be for (RFC 8707); empty for none named
	// DPoPKey is the thumbprint of the key to which a public client's refresh
	// tokens are bound (RFC 9449, section 5); zero for none.
	DPoPKey Digest

	Generation int       // how often the refresh token was rotated
	Refresh    Digest    // of the current refresh token; zero for none
	Previous   Digest    // of its predecessor; zero for none
	RotatedAt  time.Time // when Previous became the predecessor
	KeyID      string    // of the kit key that derived Refresh from Previous

	CreatedAt      time.Time
	RefreshExpires time.Time // when the current refresh token ends
	ExpiresAt      time.Time // the absolute end of the family
}

// AccessToken is the record of an opaque access token.
type AccessToken struct {
	Hash      Digest
	GrantID   string // empty for a client token
	ClientID  string
	UserID    string // empty for a client token
	Scope     string
	Resources []string // that it is for (RFC 8707); empty for all that the scope opens
	// DPoPKey is the thumbprint of the key that has to be proved to be had with
	// each use (RFC 9449, section 6); zero for a bearer token.
	DPoPKey   Digest
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Grants keeps authorization codes, grants and access tokens. They are one role
// because revoking a grant has to reach all three at once.
type Grants interface {
	// PutCode saves the code, or returns ErrConflict when its hash is taken.
	PutCode(ctx context.Context, c AuthorizationCode) error
	// TakeCode marks the client's live code with the given hash as used and
	// returns it. Of many concurrent callers exactly one gets a nil error, the
	// rest get the code and ErrUsed. Without a live code of that client the
	// error is ErrNotFound, and the code of another client is left as it was.
	TakeCode(ctx context.Context, hash Digest, clientID string) (AuthorizationCode, error)

	// CreateGrant inserts the grant with Version 1 together with its first
	// access token. ErrRevoked when the grant was revoked before it was stored,
	// ErrConflict when its ID or the token's hash is taken. A token that names
	// another grant is refused with an error, here and by SwapGrant.
	CreateGrant(ctx context.Context, g Grant, t AccessToken) error
	// Grant returns the live grant with the given ID, ErrRevoked when it has
	// been revoked (until the tombstone expires), or ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)
	// SwapGrant replaces the grant if g.Version is the stored one, stores it
	// with the next Version, and inserts the access token, in one step.
	// ErrConflict when another version is stored or the token's hash is taken,
	// ErrRevoked when the grant has been revoked, ErrNotFound when there is no
	// live grant. Of many concurrent callers with one version exactly one succeeds.
	SwapGrant(ctx context.Context, g Grant, t AccessToken) error
	// RevokeGrant ends the grant with all its access tokens, in one step, and
	// leaves a tombstone until the given time, also when the grant is not
	// stored yet. Revoking twice is no error; the later time counts.
	RevokeGrant(ctx context.Context, id string, until time.Time) error
	// RevokeUserGrants revokes all stored grants of the user, with tombstones
	// until the given time, removes the unused codes of the user, and returns
	// how many grants it revoked. The grants of the user's used codes get a
	// tombstone too, since they may be about to be stored.
	RevokeUserGrants(ctx context.Context, userID string, until time.Time) (int, error)
	// RevokeClientGrants does the same for a client, and removes the client's
	// own access tokens too.
	RevokeClientGrants(ctx context.Context, clientID string, until time.Time) (int, error)
	// UserGrants lists the user's live grants, the newest first.
	UserGrants(ctx context.Context, userID string) iter.Seq2[Grant, error]

	// PutAccessToken inserts a token: a client token, or one more of a live
	// grant. ErrConflict when its hash is taken, ErrRevoked or ErrNotFound when
	// it names a grant that is not live.
	PutAccessToken(ctx context.Context, t AccessToken) error
	// AccessToken returns the live token, or ErrNotFound. A token of a revoked
	// grant is not found.
	AccessToken(ctx context.Context, hash Digest) (AccessToken, error)
	// DeleteAccessToken removes the token; no error when there is none.
	DeleteAccessToken(ctx context.Context, hash Digest) error
}
