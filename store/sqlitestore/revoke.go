package sqlitestore

import (
	"context"
	"errors"
	"time"
)

// errNoGrant answers the revocation of a grant without an ID.
var errNoGrant = errors.New("sqlitestore: revocation without a grant's ID")

// bury leaves tombstones, or makes those that are there last longer; a query for
// the IDs, and the time twice, follow it.
const (
	bury      = "INSERT INTO connectid_revoked (id, ends_at) "
	buryLater = " ON CONFLICT (id) DO UPDATE SET ends_at = max(ends_at, excluded.ends_at)"
)

// RevokeGrant implements [store.Grants].
func (s *Store) RevokeGrant(ctx context.Context, id string, until time.Time) error {
	if id == "" {
		return errNoGrant
	}
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, errors.Join(
			t.do(bury+"VALUES (?, ?)"+buryLater, id, micro(until)),
			t.do("DELETE FROM connectid_access_tokens WHERE grant_id = ? AND grant_id <> ''", id),
			t.do("DELETE FROM connectid_grants WHERE id = ?", id),
		)
	})
	return err
}

// RevokeUserGrants implements [store.Grants].
func (s *Store) RevokeUserGrants(ctx context.Context, userID string, until time.Time) (int, error) {
	return s.revokeAll(ctx, "user_id", userID, until)
}

// RevokeClientGrants implements [store.Grants].
func (s *Store) RevokeClientGrants(ctx context.Context, clientID string, until time.Time) (int, error) {
	return s.revokeAll(ctx, "client_id", clientID, until)
}

// revokeAll revokes all grants whose owner, a column, is the given one, and those
// that are about to be made of the owner's used codes.
func (s *Store) revokeAll(ctx context.Context, owner, id string, until time.Time) (int, error) {
	mine := owner + " = ?1 AND " + owner + " <> ''"
	grants := "SELECT id FROM connectid_grants WHERE " + mine
	codes := "SELECT grant_id FROM connectid_codes WHERE " + mine + " AND used = 1 AND grant_id <> ''"
	return write(ctx, s, func(t *txn) (int, error) {
		n, err := t.exec("UPDATE connectid_grants SET version = version WHERE "+mine+" AND ends_at > ?2", id, now())
		return n, errors.Join(err,
			t.do(bury+"SELECT id, ?2 FROM ("+grants+" UNION "+codes+") WHERE true"+buryLater, id, micro(until)),
			t.do("DELETE FROM connectid_access_tokens WHERE "+mine, id),
			t.do("DELETE FROM connectid_access_tokens WHERE grant_id IN ("+grants+" UNION "+codes+") AND grant_id <> ''", id),
			t.do("DELETE FROM connectid_grants WHERE id IN ("+grants+" UNION "+codes+")", id),
			t.do("DELETE FROM connectid_codes WHERE "+mine+" AND used = 0", id),
		)
	})
}

// do runs a statement of which only the error is of interest.
func (t *txn) do(query string, args ...any) error {
	_, err := t.exec(query, args...)
	return err
}
