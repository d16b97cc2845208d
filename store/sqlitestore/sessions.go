package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// CreateSession implements [store.Sessions].
func (s *Store) CreateSession(ctx context.Context, r store.Session) error {
	return s.ReplaceSession(ctx, store.Digest{}, r)
}

// Session implements [store.Sessions].
func (s *Store) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	return readOne(ctx, s, sessionKind, "WHERE handle = ? AND ends_at > ?", key(handle), now())
}

// SessionByCheck implements [store.Sessions].
func (s *Store) SessionByCheck(ctx context.Context, check store.Digest) (store.Session, error) {
	return readOne(ctx, s, sessionKind, "WHERE check_hash = ? AND ends_at > ?", key(check), now())
}

// TouchSession implements [store.Sessions].
func (s *Store) TouchSession(ctx context.Context, handle store.Digest, usedAt, idleAt time.Time) error {
	n, err := s.count(ctx, `UPDATE connectid_sessions SET used_at = max(used_at, ?), idle_at = max(idle_at, ?)
		WHERE handle = ? AND ends_at > ?`, micro(usedAt), micro(idleAt), key(handle), now())
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// VisitSession implements [store.Sessions].
func (s *Store) VisitSession(ctx context.Context, handle store.Digest, clientID string) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		var clients []string
		err := t.row("SELECT clients FROM connectid_sessions WHERE handle = ? AND ends_at > ?", key(handle), now()).Scan((*fewTexts)(&clients))
		if err != nil {
			return struct{}{}, fault(context.Background(), err)
		}
		if slices.Contains(clients, clientID) {
			return struct{}{}, nil
		}
		clients = append(clients, clientID)
		return struct{}{}, t.do("UPDATE connectid_sessions SET clients = ? WHERE handle = ?", (*fewTexts)(&clients), key(handle))
	})
	return err
}

// ReplaceSession implements [store.Sessions].
func (s *Store) ReplaceSession(ctx context.Context, old store.Digest, r store.Session) error {
	r.Clients = slices.Clone(r.Clients)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		next := r
		if !old.IsZero() && r.ID != "" {
			var before []string
			err := t.row("SELECT clients FROM connectid_sessions WHERE handle = ? AND id = ? AND ends_at > ?", key(old), r.ID, now()).Scan((*fewTexts)(&before))
			switch {
			case errors.Is(err, sql.ErrNoRows):
			case err != nil:
				return struct{}{}, err
			default:
				next.Clients = union(before, r.Clients)
			}
		}
		err := t.insert(sessionKind.inserts, sessionKind.fields(&next),
			"DELETE FROM connectid_sessions WHERE (handle = ? OR check_hash = ?) AND ends_at <= ?", key(r.Handle), key(r.Check), now())
		if err == nil && !old.IsZero() {
			_, err = t.exec("DELETE FROM connectid_sessions WHERE handle = ?", key(old))
		}
		return struct{}{}, err
	})
	return err
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

// EndSession implements [store.Sessions].
func (s *Store) EndSession(ctx context.Context, handle store.Digest) error {
	return s.exec(ctx, "DELETE FROM connectid_sessions WHERE handle = ?", key(handle))
}

// EndUserSessions implements [store.Sessions].
func (s *Store) EndUserSessions(ctx context.Context, userID string, except store.Digest) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_sessions WHERE user_id = ? AND user_id <> '' AND handle IS NOT ? AND ends_at > ?",
		userID, key(except), now())
}

// UserSessions implements [store.Sessions].
func (s *Store) UserSessions(ctx context.Context, userID string) iter.Seq2[store.Session, error] {
	return list(ctx, func() ([]store.Session, error) {
		return readAll(ctx, s, sessionKind, "WHERE user_id = ? AND user_id <> '' AND ends_at > ? ORDER BY created_at DESC", userID, now())
	})
}
