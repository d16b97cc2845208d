package store

import (
	"context"
	"time"
)

// OneTimeCode is a code sent by e-mail or SMS.
type OneTimeCode struct {
	// Key names what the code is bound to: a MAC over browser, purpose,
	// credential and client. A newer code with the same Key replaces the older.
	Key       Digest
	MAC       Digest // of the code, keyed
	Kind      CredentialKind
	Identity  string // the credential that it was sent to
	ClientID  string
	Purpose   string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// OneTimeCodes keeps codes until they are used.
type OneTimeCodes interface {
	// PutOneTimeCode saves the code in place of any other with its Key.
	PutOneTimeCode(ctx context.Context, c OneTimeCode) error
	// TakeOneTimeCode removes and returns the live code with the given key if
	// its MAC is mac. ErrMismatch when the MAC differs (the code stays),
	// ErrNotFound when there is no live code. Of many concurrent callers with
	// the right MAC exactly one gets the code, the rest get ErrNotFound.
	TakeOneTimeCode(ctx context.Context, key, mac Digest) (OneTimeCode, error)
	// DropOneTimeCodes removes every code that was sent to the credential.
	DropOneTimeCodes(ctx context.Context, kind CredentialKind, identity string) error
}
