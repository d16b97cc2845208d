package account

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

// Handles are the values of a new session's cookies, 256 bits each. The store
// only sees their digests.
type Handles struct {
	Session string
	Check   string // of the narrow cookie for embedded login checks
}

// The methods of a session.
const (
	MethodPassword = "password"
	MethodCode     = "code"
	MethodRemember = "remember"
)

// SessionStart is a login that is complete.
type SessionStart struct {
	UserID   string
	ClientID string
	Method   string
	Fresh    bool         // the user has just given a password or code
	Replace  store.Digest // the handle of the browser's old session; zero for none
	Agent    string
}

// StartSession starts a session with new handles, and ends the one that it
// replaces in the same step. [ErrUserGone] when the user has been blocked or
// deleted meanwhile.
func (s *Service) StartSession(ctx context.Context, st SessionStart) (Handles, store.Session, error) {
	panic("unwritten")
}

// Session returns the live session of a cookie, or [store.ErrNotFound]. It is
// one hash and one look-up.
func (s *Service) Session(ctx context.Context, handle string) (store.Session, error) {
	panic("unwritten")
}

// CheckSession returns the live session of a check cookie, or [store.ErrNotFound].
func (s *Service) CheckSession(ctx context.Context, check string) (store.Session, error) {
	panic("unwritten")
}

// Touch extends the session, at most once a minute: it ends 20 to 21 minutes
// after its last use, never earlier. It updates sess. [store.ErrNotFound] when
// the session has ended meanwhile.
func (s *Service) Touch(ctx context.Context, sess *store.Session) error { panic("unwritten") }

// EndSession ends the session; no error when there is none.
func (s *Service) EndSession(ctx context.Context, handle store.Digest) error { panic("unwritten") }

// IsFresh reports whether the user has proven who she is in the last 5 minutes.
func (s *Service) IsFresh(sess store.Session) bool { panic("unwritten") }
