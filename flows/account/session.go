package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Handles are the values of a new session's cookies, 256 bits each. The store
// only sees their digests.
type Handles struct {
	Session string
	Check   string // of the narrow cookie for embedded login checks
}

// handleLen is the length of a handle: 32 bytes in base64url.
const handleLen = 43

func newHandle() string { return randomText(32) }

// newSessionID returns the public ID of a login: 128 bits, so that it is unique
// without asking (OpenID Connect Back-Channel Logout 1.0, section 2.1: sid).
func newSessionID() string { return randomText(16) }

// randomText returns that many random bytes in base64url.
func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
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
	Epoch    int64 // of the user when she proved who she is
	ClientID string
	Method   string
	Fresh    bool         // she did so by password or code
	ProvenAt time.Time    // when, if Fresh; default now
	Replace  store.Digest // the handle of the browser's old session; zero for none
	Agent    string
}

// StartSession starts a session with new handles, and ends the one that it
// replaces in the same step. If that is a live one of the same user, it is the
// same login in other words: its ID stays, and so do the clients that want to be
// told of its end. Any other session gets an ID of its own. [ErrUserGone] when the user has been blocked,
// deleted or absorbed meanwhile, or has ended all that she had: the epoch is
// another one.
func (s *Service) StartSession(ctx context.Context, st SessionStart) (Handles, store.Session, error) {
	h := Handles{Session: newHandle(), Check: newHandle()}
	id, err := s.sessionID(ctx, st)
	if err != nil {
		return Handles{}, store.Session{}, fmt.Errorf("start session: %w", err)
	}
	at := now()
	sess := store.Session{
		Handle: store.DigestOf(h.Session), Check: store.DigestOf(h.Check), ID: id,
		UserID: st.UserID, ClientID: st.ClientID, Method: st.Method, Agent: st.Agent,
		CreatedAt: at, UsedAt: at,
		IdleAt:    at.Add(s.life.SessionIdle + s.life.SessionTouch),
		ExpiresAt: at.Add(s.life.SessionMax),
	}
	if st.Fresh {
		if sess.FreshAt = st.ProvenAt.UTC().Truncate(time.Millisecond); st.ProvenAt.IsZero() {
			sess.FreshAt = at
		}
	}
	if st.Replace.IsZero() {
		err = s.store.CreateSession(ctx, sess)
	} else {
		err = s.store.ReplaceSession(ctx, st.Replace, sess)
	}
	if err != nil {
		return Handles{}, store.Session{}, fmt.Errorf("start session: %w", err)
	}
	if err := s.still(ctx, st.UserID, st.Epoch); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		// It has the clients of the one that it replaced. It ends also when they can
		// not be told.
		return Handles{}, store.Session{}, errors.Join(err, s.EndSession(ctx, sess.Handle), s.store.EndSession(ctx, sess.Handle))
	}
	return h, sess, nil
}

// sessionID returns the ID that the session is to have: that of the one it
// replaces, if it is the same user's.
func (s *Service) sessionID(ctx context.Context, st SessionStart) (string, error) {
	if st.Replace.IsZero() {
		return newSessionID(), nil
	}
	old, err := s.SessionOf(ctx, st.Replace)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return newSessionID(), nil
	case err != nil:
		return "", err
	case old.UserID != st.UserID: // that login ends
		return newSessionID(), s.announceEnd(ctx, old)
	case old.ID == "":
		return newSessionID(), nil
	}
	return old.ID, nil
}

// still returns [ErrUserGone] unless the user is in that epoch and not blocked.
// It is asked after a session or series is stored: whoever ends everything from
// here on finds that record to end, and who did so before is noticed here.
func (s *Service) still(ctx context.Context, userID string, epoch int64) error {
	u, err := s.User(ctx, userID)
	if err == nil && u.Epoch != epoch {
		return ErrUserGone
	}
	return err
}

// Session returns the live session of a cookie, or [store.ErrNotFound]. It is
// one hash and one look-up.
func (s *Service) Session(ctx context.Context, handle string) (store.Session, error) {
	if len(handle) != handleLen {
		return store.Session{}, store.ErrNotFound
	}
	return s.SessionOf(ctx, store.DigestOf(handle))
}

// SessionOf is [Service.Session] for a caller who has the handle's digest.
func (s *Service) SessionOf(ctx context.Context, handle store.Digest) (store.Session, error) {
	sess, err := s.store.Session(ctx, handle)
	return live(sess, err)
}

// CheckSession returns the live session of a check cookie, or [store.ErrNotFound].
func (s *Service) CheckSession(ctx context.Context, check string) (store.Session, error) {
	if len(check) != handleLen {
		return store.Session{}, store.ErrNotFound
	}
	sess, err := s.store.SessionByCheck(ctx, store.DigestOf(check))
	return live(sess, err)
}

// live checks expiry by the kit's own clock: a backend may be late.
func live(sess store.Session, err error) (store.Session, error) {
	if err != nil {
		return store.Session{}, err
	}
	if t := time.Now(); !t.Before(sess.IdleAt) || !t.Before(sess.ExpiresAt) {
		return store.Session{}, store.ErrNotFound
	}
	return sess, nil
}

// Touch extends the session, at most once a minute: it ends 20 to 21 minutes
// after its last use, never earlier. It updates sess. [store.ErrNotFound] when
// the session has ended meanwhile.
func (s *Service) Touch(ctx context.Context, sess *store.Session) error {
	at := now()
	if at.Sub(sess.UsedAt) < s.life.SessionTouch {
		return nil
	}
	idle := at.Add(s.life.SessionIdle + s.life.SessionTouch)
	if err := s.store.TouchSession(ctx, sess.Handle, at, idle); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	sess.UsedAt, sess.IdleAt = at, idle
	return nil
}

// EndSession ends the session, and has the clients told that want to be; no error
// when there is none.
func (s *Service) EndSession(ctx context.Context, handle store.Digest) error {
	if handle.IsZero() {
		return nil
	}
	switch sess, err := s.store.Session(ctx, handle); {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return fmt.Errorf("end session: %w", err)
	default:
		if err := s.announceEnd(ctx, sess); err != nil {
			return err
		}
	}
	if err := s.store.EndSession(ctx, handle); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// IsFreshWithin reports whether the user has proven who she is not longer ago
// than max.
func IsFreshWithin(sess store.Session, max time.Duration) bool {
	return !sess.FreshAt.IsZero() && time.Since(sess.FreshAt) < max
}

// IsFresh reports whether the user has proven who she is within [Lifetimes].Fresh,
// by default the last 5 minutes.
func (s *Service) IsFresh(sess store.Session) bool {
	return IsFreshWithin(sess, s.life.Fresh)
}
