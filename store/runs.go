package store

import (
	"context"
	"time"
)

// Run is one user's way through one flow. What is in Data is the kit's business.
type Run struct {
	ID         string // drawn before the run is stored
	Version    int64  // see [Runs.SwapRun]
	Flow       string
	State      string
	ClientID   string
	Browser    Digest // of the cookie of the browser that started it
	Data       []byte
	Claim      string    // who is working on it; empty for nobody
	ClaimUntil time.Time // when the claim lapses
	FinishedAt time.Time // zero while it goes on
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// Runs keeps runs.
type Runs interface {
	// InsertRun inserts the run with Version 1, or returns ErrConflict when the
	// ID is taken by a live run.
	InsertRun(ctx context.Context, r Run) error
	// Run returns the live run with the given ID, or ErrNotFound.
	Run(ctx context.Context, id string) (Run, error)
	// SwapRun replaces the run if r.Version is the stored one, and stores it
	// with the next Version; ErrConflict when another version is stored,
	// ErrNotFound when there is no live run with that ID. Of many concurrent
	// callers with one version exactly one succeeds.
	SwapRun(ctx context.Context, r Run) error
}
