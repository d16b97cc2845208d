package memstore

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type series struct {
	mu sync.RWMutex
	t  table[string, store.Series] // index 0: user
}

func (t *series) init() {
	t.t = newTable[string](func(s *store.Series) string { return s.UserID })
}

func (t *series) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// CreateSeries implements [store.RememberSeries].
func (s *Store) CreateSeries(ctx context.Context, r store.Series) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.ID == "" {
		return errNoKey
	}
	utcSeries(&r)
	r.Version = 1
	now := time.Now()
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	if s.series.t.live(r.ID, now) != nil {
		return store.ErrConflict
	}
	s.series.t.insert(r.ID, r, earlier(r.IdleAt, r.ExpiresAt), now)
	return nil
}

// Series implements [store.RememberSeries].
func (s *Store) Series(ctx context.Context, id string) (store.Series, error) {
	if err := ctx.Err(); err != nil {
		return store.Series{}, err
	}
	now := time.Now()
	s.series.mu.RLock()
	defer s.series.mu.RUnlock()
	it := s.series.t.live(id, now)
	if it == nil {
		return store.Series{}, store.ErrNotFound
	}
	return it.rec, nil
}

// SwapSeries implements [store.RememberSeries].
func (s *Store) SwapSeries(ctx context.Context, r store.Series) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	utcSeries(&r)
	now := time.Now()
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	it := s.series.t.live(r.ID, now)
	switch {
	case it == nil:
		return store.ErrNotFound
	case it.rec.Version != r.Version:
		return store.ErrConflict
	}
	r.Version++
	s.series.t.update(it, r, earlier(r.IdleAt, r.ExpiresAt))
	return nil
}

// EndSeries implements [store.RememberSeries].
func (s *Store) EndSeries(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	if it := s.series.t.byKey[id]; it != nil {
		s.series.t.remove(it)
	}
	return nil
}

// EndUserSeries implements [store.RememberSeries].
func (s *Store) EndUserSeries(ctx context.Context, userID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	s.series.mu.Lock()
	defer s.series.mu.Unlock()
	s.series.t.each(0, userID, time.Now(), func(it *item[string, store.Series]) {
		s.series.t.remove(it)
		n++
	})
	return n, nil
}

// UserSeries implements [store.RememberSeries].
func (s *Store) UserSeries(ctx context.Context, userID string) iter.Seq2[store.Series, error] {
	return list(ctx, func() []store.Series {
		var all []store.Series
		s.series.mu.RLock()
		s.series.t.each(0, userID, time.Now(), func(it *item[string, store.Series]) { all = append(all, it.rec) })
		s.series.mu.RUnlock()
		slices.SortStableFunc(all, func(a, b store.Series) int { return b.CreatedAt.Compare(a.CreatedAt) })
		return all
	})
}

func utcSeries(r *store.Series) {
	utc(&r.OlderUntil, &r.PresentedAt, &r.RotatedAt, &r.FreshAt, &r.CreatedAt, &r.UsedAt, &r.IdleAt, &r.ExpiresAt)
}
