package memstore

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type sessions struct {
	mu      sync.RWMutex
	t       table[store.Digest, store.Session] // index 0: user
	byCheck map[store.Digest]*item[store.Digest, store.Session]
}

func (t *sessions) init() {
	t.t = newTable[store.Digest](func(s *store.Session) string { return s.UserID })
	t.byCheck = map[store.Digest]*item[store.Digest, store.Session]{}
	t.t.dropped = func(it *item[store.Digest, store.Session]) {
		if t.byCheck[it.rec.Check] == it {
			delete(t.byCheck, it.rec.Check)
		}
	}
}

func (t *sessions) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// CreateSession implements [store.Sessions].
func (s *Store) CreateSession(ctx context.Context, r store.Session) error {
	return s.ReplaceSession(ctx, store.Digest{}, r)
}

// Session implements [store.Sessions].
func (s *Store) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	if err := ctx.Err(); err != nil {
		return store.Session{}, err
	}
	now := time.Now()
	s.sessions.mu.RLock()
	defer s.sessions.mu.RUnlock()
	it := s.sessions.t.live(handle, now)
	if it == nil {
		return store.Session{}, store.ErrNotFound
	}
	return copySession(it.rec), nil
}

// SessionByCheck implements [store.Sessions].
func (s *Store) SessionByCheck(ctx context.Context, check store.Digest) (store.Session, error) {
	if err := ctx.Err(); err != nil {
		return store.Session{}, err
	}
	now := time.Now()
	s.sessions.mu.RLock()
	defer s.sessions.mu.RUnlock()
	it := s.sessions.byCheck[check]
	if it == nil || !it.expires.After(now) {
		return store.Session{}, store.ErrNotFound
	}
	return copySession(it.rec), nil
}

// TouchSession implements [store.Sessions].
func (s *Store) TouchSession(ctx context.Context, handle store.Digest, usedAt, idleAt time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	it := s.sessions.t.live(handle, now)
	if it == nil {
		return store.ErrNotFound
	}
	if usedAt.After(it.rec.UsedAt) {
		it.rec.UsedAt = usedAt.UTC()
	}
	if idleAt.After(it.rec.IdleAt) {
		it.rec.IdleAt = idleAt.UTC()
		s.sessions.t.postpone(it, earlier(it.rec.IdleAt, it.rec.ExpiresAt))
	}
	return nil
}

// VisitSession implements [store.Sessions].
func (s *Store) VisitSession(ctx context.Context, handle store.Digest, clientID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	it := s.sessions.t.live(handle, now)
	if it == nil {
		return store.ErrNotFound
	}
	if !slices.Contains(it.rec.Clients, clientID) {
		it.rec.Clients = append(it.rec.Clients, clientID)
	}
	return nil
}

// ReplaceSession implements [store.Sessions].
func (s *Store) ReplaceSession(ctx context.Context, old store.Digest, r store.Session) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Handle.IsZero() {
		return errNoKey
	}
	r = copySession(r)
	utc(&r.FreshAt, &r.CreatedAt, &r.UsedAt, &r.IdleAt, &r.ExpiresAt)
	now := time.Now()
	t := &s.sessions
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.t.live(r.Handle, now) != nil {
		return store.ErrConflict
	}
	if c := t.byCheck[r.Check]; c != nil && c.expires.After(now) {
		return store.ErrConflict
	}
	if it := t.t.byKey[old]; it != nil {
		if it.rec.ID == r.ID && r.ID != "" && it.expires.After(now) {
			r.Clients = union(it.rec.Clients, r.Clients)
		}
		t.t.remove(it)
	}
	it := t.t.insert(r.Handle, r, earlier(r.IdleAt, r.ExpiresAt), now)
	if !r.Check.IsZero() {
		t.byCheck[r.Check] = it
	}
	return nil
}

// EndSession implements [store.Sessions].
func (s *Store) EndSession(ctx context.Context, handle store.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	if it := s.sessions.t.byKey[handle]; it != nil {
		s.sessions.t.remove(it)
	}
	return nil
}

// EndUserSessions implements [store.Sessions].
func (s *Store) EndUserSessions(ctx context.Context, userID string, except store.Digest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	s.sessions.t.each(0, userID, time.Now(), func(it *item[store.Digest, store.Session]) {
		if it.key != except {
			s.sessions.t.remove(it)
			n++
		}
	})
	return n, nil
}

// UserSessions implements [store.Sessions].
func (s *Store) UserSessions(ctx context.Context, userID string) iter.Seq2[store.Session, error] {
	return list(ctx, func() []store.Session {
		var all []store.Session
		s.sessions.mu.RLock()
		s.sessions.t.each(0, userID, time.Now(), func(it *item[store.Digest, store.Session]) { all = append(all, copySession(it.rec)) })
		s.sessions.mu.RUnlock()
		slices.SortStableFunc(all, func(a, b store.Session) int { return b.CreatedAt.Compare(a.CreatedAt) })
		return all
	})
}

// union returns a list of its own with all of a and then what else is in b.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

func copySession(r store.Session) store.Session {
	r.Clients = slices.Clone(r.Clients)
	return r
}
