package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// addSQL counts ?2 for the key ?1, where a window that has ended before ?3 is
// followed by one that ends at ?4. The sum stops at the greatest integer.
const addSQL = `INSERT INTO connectid_counters (key, n, ends_at) VALUES (?1, ?2, ?4)
	ON CONFLICT (key) DO UPDATE SET
		n = CASE WHEN ends_at <= ?3 THEN ?2 WHEN n > 9223372036854775807 - ?2 THEN 9223372036854775807 ELSE n + ?2 END,
		ends_at = CASE WHEN ends_at <= ?3 THEN ?4 ELSE ends_at END
	RETURNING n, ends_at`

// Add implements [store.Counters].
func (s *Store) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	if window <= 0 {
		return store.Count{}, fmt.Errorf("sqlitestore: bad window %v: want a positive one", window)
	}
	var (
		count store.Count
		err   error
	)
	switch {
	case n > 0:
		count, err = write(ctx, s, func(t *txn) (store.Count, error) {
			at := time.Now()
			return scanCount(t.row(addSQL, key, n, micro(at), micro(at.Add(window))))
		})
	case n < 0:
		count, err = write(ctx, s, func(t *txn) (store.Count, error) {
			return scanCount(t.row("UPDATE connectid_counters SET n = max(0, n + ?) WHERE key = ? AND ends_at > ? RETURNING n, ends_at", n, key, now()))
		})
	default:
		count, err = readOne(ctx, s, countKind, "WHERE key = ? AND ends_at > ?", key, now())
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Count{ResetAt: time.UnixMicro(micro(time.Now().Add(window))).UTC()}, nil
	}
	return count, err
}

var countKind = newKind("connectid_counters", "n ends_at", func(c *store.Count) []any {
	return []any{&c.N, (*stamp)(&c.ResetAt)}
})

func scanCount(row scanner) (store.Count, error) {
	var c store.Count
	err := row.Scan(countKind.fields(&c)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	return c, err
}
