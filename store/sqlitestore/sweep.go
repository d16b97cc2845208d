package sqlitestore

import (
	"context"
	"time"
)

// sweepBatch is how many records are removed in one transaction.
const sweepBatch = 200

// sweeps are the tables whose records end, with their keys.
var sweeps = []struct{ table, key string }{
	{"connectid_sessions", "handle"},
	{"connectid_series", "id"},
	{"connectid_one_time_codes", "key"},
	{"connectid_runs", "id"},
	{"connectid_codes", "hash"},
	{"connectid_grants", "id"},
	{"connectid_revoked", "id"},
	{"connectid_access_tokens", "hash"},
	{"connectid_counters", "key"},
	{"connectid_merges", "id"},
	{"connectid_tickets", "kind, hash"},
	{"connectid_signing_keys", "id"},
	{"connectid_deliveries", "kind, id"},
	{"connectid_accesses", "id"},
}

// Sweep implements [store.Sweeper].
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	total := 0
	for _, in := range sweeps {
		query := "DELETE FROM " + in.table + " WHERE (" + in.key + ") IN (SELECT " + in.key + " FROM " + in.table + " WHERE ends_at <= ? LIMIT ?)"
		for total < limit {
			batch := min(sweepBatch, limit-total)
			n, err := s.count(ctx, query, micro(now), batch)
			total += n
			if err != nil {
				return total, err
			}
			if n < batch {
				break
			}
		}
	}
	return total, ctx.Err()
}
