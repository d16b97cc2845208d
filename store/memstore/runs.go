package memstore

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type runs struct {
	mu sync.RWMutex
	t  table[string, store.Run]
}

func (t *runs) init() { t.t = newTable[string, store.Run]() }

func (t *runs) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// InsertRun implements [store.Runs].
func (s *Store) InsertRun(ctx context.Context, r store.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.ID == "" {
		return errNoKey
	}
	r = copyRun(r)
	r.Version = 1
	now := time.Now()
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if s.runs.t.live(r.ID, now) != nil {
		return store.ErrConflict
	}
	s.runs.t.insert(r.ID, r, r.ExpiresAt, now)
	return nil
}

// Run implements [store.Runs].
func (s *Store) Run(ctx context.Context, id string) (store.Run, error) {
	if err := ctx.Err(); err != nil {
		return store.Run{}, err
	}
	now := time.Now()
	s.runs.mu.RLock()
	defer s.runs.mu.RUnlock()
	it := s.runs.t.live(id, now)
	if it == nil {
		return store.Run{}, store.ErrNotFound
	}
	return copyRun(it.rec), nil
}

// SwapRun implements [store.Runs].
func (s *Store) SwapRun(ctx context.Context, r store.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r = copyRun(r)
	now := time.Now()
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	it := s.runs.t.live(r.ID, now)
	switch {
	case it == nil:
		return store.ErrNotFound
	case it.rec.Version != r.Version:
		return store.ErrConflict
	}
	r.Version++
	s.runs.t.update(it, r, r.ExpiresAt)
	return nil
}

// copyRun returns a run that shares nothing with r.
func copyRun(r store.Run) store.Run {
	r.Data = bytes.Clone(r.Data)
	utc(&r.ClaimUntil, &r.FinishedAt, &r.CreatedAt, &r.ExpiresAt)
	return r
}
