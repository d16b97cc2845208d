package store

import (
	"context"
	"iter"
	"time"
)

// Session is one browser's login, shared by all clients (single sign-on).
type Session struct {
	Handle Digest // of the value in the session cookie
	// Check is the digest of the narrow handle that embedded login checks
	// present; it can not be exchanged for the session. Zero for none.
	Check Digest
	// ID is the public name of the login, the sid of OpenID Connect. A session that
	// replaces another one of its user keeps it; it opens nothing.
	ID       string
	UserID   string
	ClientID string // the client at which the user logged in
	Method   string // how: password, code, remember, …
	Agent    string // a short name of the browser, for the user's list of devices
	// FreshAt is when the user last proved who she is by password or code; zero
	// for a session made from remember-me.
	FreshAt time.Time
	// Clients are those that want to be told when the session ends, in the order
	// in which they were visited, each once.
	Clients   []string
	CreatedAt time.Time
	UsedAt    time.Time
	IdleAt    time.Time // it ends when not used before
	ExpiresAt time.Time // it ends in any case
}

// Sessions keeps sessions.
type Sessions interface {
	// CreateSession inserts the session, or returns ErrConflict when its Handle
	// or Check is taken.
	CreateSession(ctx context.Context, s Session) error
	// Session returns the live session with the given handle, or ErrNotFound.
	Session(ctx context.Context, handle Digest) (Session, error)
	// SessionByCheck returns the live session with the given check handle, or
	// ErrNotFound.
	SessionByCheck(ctx context.Context, check Digest) (Session, error)
	// TouchSession sets UsedAt and IdleAt of the session if it is still live, in
	// one step; ErrNotFound when it is not. A touch never moves either time back.
	TouchSession(ctx context.Context, handle Digest, usedAt, idleAt time.Time) error
	// VisitSession adds the client to Clients of the session, if it is still live
	// and does not have it, in one step; ErrNotFound when it is not live. No
	// concurrent visit is lost.
	VisitSession(ctx context.Context, handle Digest, clientID string) error
	// ReplaceSession ends the session old, if there is one, and inserts s, in
	// one step. If both have the same ID, s gets the Clients of old in that step,
	// before those that it brings: no visit is lost. ErrConflict when s.Handle or
	// s.Check is taken, also by old itself; then old lives on.
	ReplaceSession(ctx context.Context, old Digest, s Session) error
	// EndSession ends the session; no error when there is none.
	EndSession(ctx context.Context, handle Digest) error
	// EndUserSessions ends all sessions of the user but the one with the handle
	// except (zero: all), and returns how many it ended.
	EndUserSessions(ctx context.Context, userID string, except Digest) (int, error)
	// UserSessions lists the user's live sessions, the newest first.
	UserSessions(ctx context.Context, userID string) iter.Seq2[Session, error]
}

// Series is one browser's remember-me at one client (ConnectID:
// rememberMeCookie). Its token rotates; the rules of rotation are the kit's, a
// store only swaps.
type Series struct {
	ID       string // public, random
	Version  int64  // see [RememberSeries.SwapSeries]
	UserID   string
	Epoch    int64 // of its user when it started; it ends with that
	ClientID string
	Agent    string

	Current     Digest    // of the token that is valid now
	Previous    Digest    // of its predecessor; zero for none
	Older       Digest    // of the predecessor's predecessor, valid until OlderUntil
	OlderUntil  time.Time //
	PresentedAt time.Time // when Current was first presented; zero for not yet
	RotatedAt   time.Time // when Current was last handed out; zero for the first token
	Lost        int       // how many tokens were given up as lost on their way
	KeyID       string    // of the kit key that derives the successor
	FreshAt     time.Time // when its user last logged in with it being set
	CreatedAt   time.Time
	UsedAt      time.Time
	IdleAt      time.Time // it ends when not used before
	ExpiresAt   time.Time // it ends in any case
}

// RememberSeries keeps remember-me series.
type RememberSeries interface {
	// CreateSeries inserts the series with Version 1, or returns ErrConflict
	// when the ID is taken.
	CreateSeries(ctx context.Context, s Series) error
	// Series returns the live series with the given ID, or ErrNotFound.
	Series(ctx context.Context, id string) (Series, error)
	// SwapSeries replaces the series if s.Version is the stored one, and stores
	// it with the next Version; ErrConflict when another version is stored,
	// ErrNotFound when there is no live series with that ID. Of many concurrent
	// callers with one version exactly one succeeds.
	SwapSeries(ctx context.Context, s Series) error
	// EndSeries ends the series; no error when there is none.
	EndSeries(ctx context.Context, id string) error
	// EndUserSeries ends all series of the user and returns how many there were.
	EndUserSeries(ctx context.Context, userID string) (int, error)
	// UserSeries lists the user's live series, the newest first.
	UserSeries(ctx context.Context, userID string) iter.Seq2[Series, error]
}
