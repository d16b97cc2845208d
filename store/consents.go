package store

import (
	"context"
	"iter"
	"time"
)

// Consent is what a user has agreed that a client may have (ConnectID: consent).
type Consent struct {
	UserID   string
	ClientID string
	// Scopes are the tokens of scope that she agreed to, in the order of their
	// bytes, each once.
	Scopes  []string
	GivenAt time.Time // when the last of them was
}

// Consents keeps what users have agreed to. They end when they are taken back.
type Consents interface {
	// AddConsent adds the scopes to those that the user agreed to before, in one
	// step, and sets GivenAt. No concurrent addition is lost.
	AddConsent(ctx context.Context, c Consent) error
	// Consent returns what the user agreed to at the client, or ErrNotFound.
	Consent(ctx context.Context, userID, clientID string) (Consent, error)
	// UserConsents lists what the user agreed to, ordered by ClientID.
	UserConsents(ctx context.Context, userID string) iter.Seq2[Consent, error]
	// DeleteConsent takes it back; no error when there is none.
	DeleteConsent(ctx context.Context, userID, clientID string) error
	// DeleteUserConsents takes back all that the user agreed to and returns at how
	// many clients there was something.
	DeleteUserConsents(ctx context.Context, userID string) (int, error)
}
