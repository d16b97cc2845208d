package sqlitestore

import (
	"context"
	"iter"

	"github.com/connectid-kit/connectid/store"
)

// CreateSeries implements [store.RememberSeries].
func (s *Store) CreateSeries(ctx context.Context, r store.Series) error {
	r.Version = 1
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(seriesKind.inserts, seriesKind.fields(&r),
			"DELETE FROM connectid_series WHERE id = ? AND ends_at <= ?", r.ID, now())
	})
	return err
}

// Series implements [store.RememberSeries].
func (s *Store) Series(ctx context.Context, id string) (store.Series, error) {
	return readOne(ctx, s, seriesKind, "WHERE id = ? AND ends_at > ?", id, now())
}

// SwapSeries implements [store.RememberSeries].
func (s *Store) SwapSeries(ctx context.Context, r store.Series) error {
	next := r
	next.Version++
	return swap(ctx, s, seriesKind, &next, r.ID, r.Version)
}

// swap replaces the live record with the ID if it has the version.
func swap[R any](ctx context.Context, s *Store, k kind[R], next *R, id string, version int64) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) { return struct{}{}, swapIn(t, k, next, id, version) })
	return err
}

func swapIn[R any](t *txn, k kind[R], next *R, id string, version int64) error {
	at := now()
	n, err := t.exec(k.updates+"WHERE id = ? AND version = ? AND ends_at > ?", append(k.fields(next), id, version, at)...)
	if err == nil && n == 0 {
		return t.missed(k.table+" WHERE id = ? AND ends_at > ?", id, at)
	}
	return err
}

// EndSeries implements [store.RememberSeries].
func (s *Store) EndSeries(ctx context.Context, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_series WHERE id = ?", id)
}

// EndUserSeries implements [store.RememberSeries].
func (s *Store) EndUserSeries(ctx context.Context, userID string) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_series WHERE user_id = ? AND user_id <> '' AND ends_at > ?", userID, now())
}

// UserSeries implements [store.RememberSeries].
func (s *Store) UserSeries(ctx context.Context, userID string) iter.Seq2[store.Series, error] {
	return list(ctx, func() ([]store.Series, error) {
		return readAll(ctx, s, seriesKind, "WHERE user_id = ? AND user_id <> '' AND ends_at > ? ORDER BY created_at DESC", userID, now())
	})
}
