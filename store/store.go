// Package store holds the records of connectid and the contracts by which the
// rest of the kit reads and writes them.
//
// Each contract is one role ([Clients], [Users], [Sessions], …). A backend
// implements the roles it can; [Compose] puts several together. Every sentence
// of a contract has a case in package storetest.
//
// These rules hold for every method of every contract:
//
//   - Implementations are safe for concurrent use.
//   - A method that returns an error has changed nothing, unless the error is
//     one of the sentinels below and the method says otherwise.
//   - A cancelled or expired context ends the call with an error that matches
//     the context's, and a write that returns it happens either whole or not at
//     all; one that was under way may be seen to happen a moment later.
//   - Records are values: what is returned belongs to the caller, what is given
//     may be changed by the caller afterwards. Slices, maps and byte strings
//     inside are copied by the store; the one exception is [Clients].Client.
//   - Times are UTC and exact to the millisecond at least. A zero time is
//     stored and returned as the zero time.
//   - A record whose ExpiresAt (or, for sessions and series, IdleAt) has passed
//     is absent: it is not found, it does not conflict, it is not listed. The
//     kit checks expiry again with its own clock; a backend's own time-to-live
//     may lag by up to a minute, never lead.
//   - A record without a key (an empty ID, Code or PartnerID, a zero Handle,
//     Hash or Key, a customer's, member's or coupon's Number that is missing, a
//     ticket or delivery without a Kind, a consent without a UserID or ClientID,
//     an order whose ID is not positive) is refused with an error, and so is the revocation of a grant without an ID.
//   - Secrets never reach a store: it sees their [Digest], a keyed MAC, or what
//     the kit has sealed.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Errors that callers branch on. A backend may wrap them.
var (
	// ErrNotFound says that no live record has that key.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict says that a unique key is taken, or that a record's Version
	// is not the stored one any more.
	ErrConflict = errors.New("store: conflict")
	// ErrUsed says that a single-use record has been used before.
	ErrUsed = errors.New("store: used before")
	// ErrMismatch says that a record exists but the proof given for it is wrong.
	ErrMismatch = errors.New("store: mismatch")
	// ErrRevoked says that the grant has been revoked.
	ErrRevoked = errors.New("store: revoked")
)

// Digest is the SHA-256 of a secret with 256 bits of randomness, or a keyed MAC
// of a weaker one: the only form in which a secret is a key in a store. The
// zero Digest means "none" and never matches a record.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a secret, and the zero Digest for "".
func DigestOf(secret string) Digest {
	if secret == "" {
		return Digest{}
	}
	var room [128]byte // of a token and more: on the stack, where a conversion would allocate
	return sha256.Sum256(append(room[:0], secret...))
}

// String returns d in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d is no digest at all.
func (d Digest) IsZero() bool { return d == Digest{} }

// Store is every role that connectid needs.
type Store interface {
	Clients
	Users
	Merges
	Sessions
	RememberSeries
	OneTimeCodes
	Runs
	Grants
	Counters
	DirectoryLinks
	Customers
	Subscriptions
	Memberships
	Tickets
	SigningKeys
	Consents
	Outbox
	Products
	Coupons
	Vouchers
	Articles
	Accesses
	Organisations
	Orders
}

// Sweeper is implemented by stores that keep expired records until they are
// told to drop them. Sweep removes at most limit expired records (of all kinds
// together) and returns how many it removed; fewer than limit means that
// nothing expired is left. It holds no lock for longer than a short batch needs.
type Sweeper interface {
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// Pinger is implemented by stores that can be out of reach. Ping returns nil
// when a write would be likely to succeed.
type Pinger interface {
	Ping(ctx context.Context) error
}
