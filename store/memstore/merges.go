package memstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// merges belong to users: the same locks guard both.
type merges struct {
	t        table[string, store.Merge] // index 0: survivor
	absorbed map[string]absorbed        // by ID
	numbers  map[int64]bool             // of the absorbed
}

// absorbed is what stays of an account that another has absorbed.
type absorbed struct {
	number int64
	into   string // the survivor's ID
}

func (t *merges) init() {
	t.t = newTable[string](func(m *store.Merge) string { return m.Survivor })
	t.absorbed = map[string]absorbed{}
	t.numbers = map[int64]bool{}
}

// errInside answers an attempt to change an account from the callback of a
// merge, which would wait for itself.
var errInside = errors.New("memstore: accounts can not be changed inside a merge")

type insideKey struct{}

// gate lets one change of accounts go on at a time. A merge keeps it while its
// callback runs; reading goes on meanwhile.
type gate struct {
	once sync.Once
	c    chan struct{}
}

func (g *gate) enter(ctx context.Context, s *Store) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Value(insideKey{}) == s {
		return errInside
	}
	g.once.Do(func() { g.c = make(chan struct{}, 1) })
	select {
	case g.c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() { <-g.c }

// MergeUsers implements [store.Merges].
func (s *Store) MergeUsers(ctx context.Context, m store.Merge, survivor store.User, fn func(context.Context) error) error {
	m, survivor = copyMerge(m), copyUser(survivor)
	m.Version = 1
	m.Survivor = survivor.ID
	return s.inStep(ctx, fn, func(t *users, now time.Time) (func(), error) {
		if m.ID == "" {
			return nil, errNoKey
		}
		old, gone := t.byID[survivor.ID], t.byID[m.Absorbed]
		switch {
		case old == nil || gone == nil:
			return nil, store.ErrNotFound
		case old == gone || old.Version != survivor.Version || gone.Version != m.Taken.Version ||
			t.merges.t.live(m.ID, now) != nil || t.taken(survivor, gone.ID):
			return nil, store.ErrConflict
		}
		survivor.Version++
		survivor.Number, survivor.CreatedAt = old.Number, old.CreatedAt
		return func() {
			t.drop(gone)
			t.drop(old)
			t.add(&survivor)
			t.merges.absorbed[gone.ID] = absorbed{gone.Number, survivor.ID}
			t.merges.numbers[gone.Number] = true
			t.merges.t.insert(m.ID, m, m.ExpiresAt, now)
		}, nil
	})
}

// UnmergeUsers implements [store.Merges].
func (s *Store) UnmergeUsers(ctx context.Context, m store.Merge, survivor, back store.User, fn func(context.Context) error) error {
	m, survivor, back = copyMerge(m), copyUser(survivor), copyUser(back)
	return s.inStep(ctx, fn, func(t *users, now time.Time) (func(), error) {
		it, old := t.merges.t.live(m.ID, now), t.byID[survivor.ID]
		if it == nil || old == nil {
			return nil, store.ErrNotFound
		}
		was, left := t.merges.absorbed[back.ID]
		if it.rec.Version != m.Version || it.rec.Absorbed != back.ID || !left || old.Version != survivor.Version ||
			t.taken(survivor) || t.taken(back, survivor.ID) || share(survivor, back) {
			return nil, store.ErrConflict
		}
		survivor.Version++
		survivor.Number, survivor.CreatedAt = old.Number, old.CreatedAt
		back.Version++
		back.Number = was.number
		m.Version++
		m.Survivor, m.Absorbed = it.rec.Survivor, it.rec.Absorbed
		return func() {
			t.drop(old)
			t.add(&survivor)
			t.add(&back)
			delete(t.merges.absorbed, back.ID)
			delete(t.merges.numbers, was.number)
			t.merges.t.update(it, m, m.ExpiresAt)
		}, nil
	})
}

// inStep checks, lets fn do its share, and changes. Nobody else changes an
// account in between.
func (s *Store) inStep(ctx context.Context, fn func(context.Context) error, check func(*users, time.Time) (func(), error)) error {
	t := &s.users
	if err := t.gate.enter(ctx, s); err != nil {
		return err
	}
	defer t.gate.leave()
	now := time.Now()
	t.mu.RLock()
	change, err := check(t, now)
	t.mu.RUnlock()
	if err != nil {
		return err
	}
	if fn != nil {
		if err := fn(context.WithValue(ctx, insideKey{}, s)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	return nil
}

// share reports whether both have a credential or a tie.
func share(a, b store.User) bool {
	if slices.ContainsFunc(a.Ties, func(t store.Tie) bool {
		return slices.ContainsFunc(b.Ties, func(o store.Tie) bool { return tieOf(t) == tieOf(o) })
	}) {
		return true
	}
	return slices.ContainsFunc(a.Credentials, func(c store.Credential) bool {
		return slices.ContainsFunc(b.Credentials, func(d store.Credential) bool { return c.Kind == d.Kind && c.Identity == d.Identity })
	})
}

// Merge implements [store.Merges].
func (s *Store) Merge(ctx context.Context, id string) (store.Merge, error) {
	if err := ctx.Err(); err != nil {
		return store.Merge{}, err
	}
	now := time.Now()
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	it := s.users.merges.t.live(id, now)
	if it == nil {
		return store.Merge{}, store.ErrNotFound
	}
	return copyMerge(it.rec), nil
}

// SwapMerge implements [store.Merges].
func (s *Store) SwapMerge(ctx context.Context, m store.Merge) error {
	m = copyMerge(m)
	if err := s.users.gate.enter(ctx, s); err != nil { // an undo may be about to swap it too
		return err
	}
	defer s.users.gate.leave()
	now := time.Now()
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	it := s.users.merges.t.live(m.ID, now)
	switch {
	case it == nil:
		return store.ErrNotFound
	case it.rec.Version != m.Version:
		return store.ErrConflict
	}
	m.Version++
	m.Survivor, m.Absorbed = it.rec.Survivor, it.rec.Absorbed
	s.users.merges.t.update(it, m, m.ExpiresAt)
	return nil
}

// PendingMerges implements [store.Merges].
func (s *Store) PendingMerges(ctx context.Context, now time.Time) iter.Seq2[store.Merge, error] {
	return list(ctx, func() []store.Merge {
		var all []store.Merge
		at := time.Now()
		s.users.mu.RLock()
		defer s.users.mu.RUnlock()
		for _, it := range s.users.merges.t.byKey { // those of the last days
			if it.expires.After(at) && !it.rec.SettleAt.IsZero() && !it.rec.SettleAt.After(now) {
				all = append(all, copyMerge(it.rec))
			}
		}
		return all
	})
}

// UserMerges implements [store.Merges].
func (s *Store) UserMerges(ctx context.Context, survivorID string) iter.Seq2[store.Merge, error] {
	return list(ctx, func() []store.Merge {
		var all []store.Merge
		s.users.mu.RLock()
		s.users.merges.t.each(0, survivorID, time.Now(), func(it *item[string, store.Merge]) { all = append(all, copyMerge(it.rec)) })
		s.users.mu.RUnlock()
		slices.SortStableFunc(all, func(a, b store.Merge) int { return b.MergedAt.Compare(a.MergedAt) })
		return all
	})
}

// ResolveUser implements [store.Merges].
func (s *Store) ResolveUser(ctx context.Context, id string) (store.User, error) {
	if err := ctx.Err(); err != nil {
		return store.User{}, err
	}
	s.users.mu.RLock()
	u := s.users.byID[id]
	for u == nil { // no circle: who absorbs is no absorbed one
		a, ok := s.users.merges.absorbed[id]
		if !ok {
			break
		}
		id = a.into
		u = s.users.byID[id]
	}
	s.users.mu.RUnlock()
	if u == nil {
		return store.User{}, store.ErrNotFound
	}
	return copyUser(*u), nil
}

// forget drops what is left of those whom the user absorbed. The lock is held.
func (t *merges) forget(userID string, now time.Time) {
	t.t.each(0, userID, now, t.t.remove)
	for id, a := range t.absorbed {
		if a.into == userID {
			delete(t.absorbed, id)
			delete(t.numbers, a.number)
			t.forget(id, now)
		}
	}
}

func (t *users) sweep(now time.Time, limit int) int {
	return locked(&t.mu, t.merges.t.sweep, now, limit)
}

// copyMerge returns a merge that shares nothing with m.
func copyMerge(m store.Merge) store.Merge {
	m.Before, m.Taken = copyUser(m.Before), copyUser(m.Taken)
	m.Owed = copyCredentials(m.Owed)
	m.Links = slices.Clone(m.Links)
	for i := range m.Links {
		utc(&m.Links[i].CreatedAt)
	}
	utc(&m.MergedAt, &m.SettleAt, &m.EndedAt, &m.UndoUntil, &m.UndoneAt, &m.ExpiresAt)
	return m
}
