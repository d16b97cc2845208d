package sqlitestore

import (
	"bytes"
	"context"

	"github.com/connectid-kit/connectid/store"
)

// InsertRun implements [store.Runs].
func (s *Store) InsertRun(ctx context.Context, r store.Run) error {
	r.Version = 1
	r.Data = bytes.Clone(r.Data)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(runKind.inserts, runKind.fields(&r),
			"DELETE FROM connectid_runs WHERE id = ? AND ends_at <= ?", r.ID, now())
	})
	return err
}

// Run implements [store.Runs].
func (s *Store) Run(ctx context.Context, id string) (store.Run, error) {
	return readOne(ctx, s, runKind, "WHERE id = ? AND ends_at > ?", id, now())
}

// SwapRun implements [store.Runs].
func (s *Store) SwapRun(ctx context.Context, r store.Run) error {
	next := r
	next.Version++
	next.Data = bytes.Clone(r.Data)
	return swap(ctx, s, runKind, &next, r.ID, r.Version)
}
