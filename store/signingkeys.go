package store

import (
	"context"
	"iter"
	"time"
)

// SigningKey is a key pair with which tokens are signed for others to check
// (RFC 7517).
type SigningKey struct {
	ID  string // the kid; unique
	Alg string // ES256 or RS256 (RFC 7518, section 3.1)
	// Generation counts the keys of one Alg, from 1; unique together with it, so
	// that of nodes that rotate at once one wins.
	Generation int64
	// Private is the private key, sealed by the kit. A store never sees it open.
	Private   []byte
	Public    []byte    // the public key as a JWK
	CreatedAt time.Time // it is published from then on
	// SignsAt is when it begins to sign; clients have had time to fetch it by then.
	SignsAt   time.Time
	ExpiresAt time.Time // when nothing that it signed is worth anything any more
}

// SigningKeys keeps the keys that tokens are signed with.
type SigningKeys interface {
	// CreateSigningKey inserts the key, or returns ErrConflict when its ID, or its
	// Generation of its Alg, is taken. Of many concurrent callers with one Alg and
	// Generation exactly one succeeds.
	CreateSigningKey(ctx context.Context, k SigningKey) error
	// SigningKeys lists the live keys of all algorithms, by Alg and then by
	// Generation, the newest first.
	SigningKeys(ctx context.Context) iter.Seq2[SigningKey, error]
	// DeleteSigningKey removes the key, such as one whose private half became
	// known; no error when there is none.
	DeleteSigningKey(ctx context.Context, id string) error
}
