package sqlitestore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var mergeKind = newKind("connectid_merges", `id version client_id survivor absorbed before_merge taken hosted
	links owed merged_at settle_at ended_at undo_until undone_at ends_at`,
	func(m *store.Merge) []any {
		return []any{
			&m.ID, &m.Version, &m.ClientID, &m.Survivor, &m.Absorbed, asJSON(&m.Before), asJSON(&m.Taken), &m.Hosted,
			asJSON(&m.Links), asJSON(&m.Owed), (*stamp)(&m.MergedAt), (*stamp)(&m.SettleAt), (*stamp)(&m.EndedAt), (*stamp)(&m.UndoUntil), (*stamp)(&m.UndoneAt), (*stamp)(&m.ExpiresAt),
		}
	})

// taking, of an absorbed user, and giving back.
const (
	notAbsorbed = "connectid_absorbed WHERE id = ? OR number = ?"
	freeMerge   = "DELETE FROM connectid_merges WHERE id = ? AND ends_at <= ?"
)

// MergeUsers implements [store.Merges].
func (s *Store) MergeUsers(ctx context.Context, m store.Merge, survivor store.User, fn func(context.Context) error) error {
	m, survivor = copyMerge(m), copyUser(survivor)
	m.Version, m.Survivor = 1, survivor.ID
	return s.step(ctx, fn, func(t *txn) error {
		switch found, err := t.exists("connectid_users WHERE id = ?", survivor.ID); {
		case err != nil:
			return err
		case !found:
			return store.ErrNotFound
		case m.Absorbed == survivor.ID:
			return store.ErrConflict
		}
		n, err := t.exec(`INSERT INTO connectid_absorbed (id, number, user_id)
			SELECT id, number, ? FROM connectid_users WHERE id = ? AND version = ?`, survivor.ID, m.Absorbed, m.Taken.Version)
		switch {
		case err != nil:
			return conflict(err)
		case n == 0:
			return t.missed("connectid_users WHERE id = ?", m.Absorbed)
		}
		return each(
			func() error { return t.do("DELETE FROM connectid_users WHERE id = ?", m.Absorbed) },
			func() error { return t.updateUser(survivor) },
			func() error { return t.insert(mergeKind.inserts, mergeKind.fields(&m), freeMerge, m.ID, now()) },
		)
	})
}

// UnmergeUsers implements [store.Merges].
func (s *Store) UnmergeUsers(ctx context.Context, m store.Merge, survivor, absorbed store.User, fn func(context.Context) error) error {
	m, survivor, absorbed = copyMerge(m), copyUser(survivor), copyUser(absorbed)
	absorbed.Version++
	return s.step(ctx, fn, func(t *txn) error {
		stored, err := t.swapMerge(m)
		if err != nil {
			return err
		}
		if stored != absorbed.ID {
			return store.ErrConflict
		}
		err = t.row("SELECT number FROM connectid_absorbed WHERE id = ?", absorbed.ID).Scan(&absorbed.Number)
		if errors.Is(fault(ctx, err), store.ErrNotFound) {
			return store.ErrConflict
		}
		return each(
			func() error { return err },
			func() error { return t.do("DELETE FROM connectid_absorbed WHERE id = ?", absorbed.ID) },
			func() error { return t.updateUser(survivor) },
			func() error {
				_, err := t.exec(userKind.inserts, userKind.fields(&absorbed)...)
				return conflict(err)
			},
			func() error { return t.putCredentials(absorbed) },
			func() error { return t.putTies(absorbed) },
		)
	})
}

// step runs the work and then fn in one transaction that is nobody else's.
func (s *Store) step(ctx context.Context, fn func(context.Context) error, work func(*txn) error) error {
	if fn == nil {
		_, err := write(ctx, s, func(t *txn) (struct{}, error) { return struct{}{}, work(t) })
		return err
	}
	_, err := writeAlone(ctx, s, func(t *txn) (struct{}, error) {
		if err := work(t); err != nil {
			return struct{}{}, err
		}
		if err := s.join(ctx, t, fn); err != nil {
			return struct{}{}, &foreign{err}
		}
		return struct{}{}, ctx.Err()
	})
	if f, ok := errors.AsType[*foreign](err); ok {
		return f.error
	}
	return err
}

// foreign is the error of a callback: whatever it matches, it is no answer of
// the store.
type foreign struct{ error }

// each runs the functions until one fails.
func each(all ...func() error) error {
	for _, f := range all {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// Merge implements [store.Merges].
func (s *Store) Merge(ctx context.Context, id string) (store.Merge, error) {
	return readOne(ctx, s, mergeKind, "WHERE id = ? AND ends_at > ?", id, now())
}

// SwapMerge implements [store.Merges].
func (s *Store) SwapMerge(ctx context.Context, m store.Merge) error {
	m = copyMerge(m)
	_, err := write(ctx, s, func(t *txn) (string, error) { return t.swapMerge(m) })
	return err
}

// swapMerge replaces the live merge if it has m's version, and returns whom it
// absorbed.
func (t *txn) swapMerge(m store.Merge) (absorbed string, err error) {
	const same = "connectid_merges WHERE id = ? AND ends_at > ?"
	var survivor string
	at, version := now(), m.Version
	err = t.row("SELECT survivor, absorbed FROM "+same, m.ID, at).Scan(&survivor, &absorbed)
	if err != nil {
		return "", fault(context.Background(), err)
	}
	m.Survivor, m.Absorbed = survivor, absorbed
	m.Version++
	return absorbed, swapIn(t, mergeKind, &m, m.ID, version)
}

// PendingMerges implements [store.Merges].
func (s *Store) PendingMerges(ctx context.Context, at time.Time) iter.Seq2[store.Merge, error] {
	return list(ctx, func() ([]store.Merge, error) {
		return readAll(ctx, s, mergeKind, "WHERE settle_at > -62135596800000000 AND settle_at <= ? AND ends_at > ?", micro(at), now())
	})
}

// UserMerges implements [store.Merges].
func (s *Store) UserMerges(ctx context.Context, survivorID string) iter.Seq2[store.Merge, error] {
	return list(ctx, func() ([]store.Merge, error) {
		return readAll(ctx, s, mergeKind, "WHERE survivor = ? AND ends_at > ? ORDER BY merged_at DESC", survivorID, now())
	})
}

// ResolveUser implements [store.Merges].
func (s *Store) ResolveUser(ctx context.Context, id string) (store.User, error) {
	// UNION rather than UNION ALL: it ends even if somebody made a circle.
	return s.user(ctx, `WHERE u.id IN (WITH RECURSIVE leads (id) AS (
		SELECT ?1 UNION SELECT a.user_id FROM connectid_absorbed a JOIN leads ON a.id = leads.id
	) SELECT id FROM leads) ORDER BY c.position`, id)
}

// forget drops what is left of those whom the user absorbed.
func (t *txn) forget(userID string) error {
	const leads = `WITH RECURSIVE leads (id) AS (
		SELECT ?1 UNION SELECT a.id FROM connectid_absorbed a JOIN leads ON a.user_id = leads.id
	) `
	return each(
		func() error {
			return t.do(leads+"DELETE FROM connectid_merges WHERE survivor IN (SELECT id FROM leads)", userID)
		},
		func() error {
			return t.do(leads+"DELETE FROM connectid_absorbed WHERE user_id IN (SELECT id FROM leads)", userID)
		},
	)
}

func copyUser(u store.User) store.User {
	u.Credentials, u.Ties = slices.Clone(u.Credentials), slices.Clone(u.Ties)
	return u
}

func copyMerge(m store.Merge) store.Merge {
	m.Before, m.Taken, m.Owed, m.Links = copyUser(m.Before), copyUser(m.Taken), slices.Clone(m.Owed), slices.Clone(m.Links)
	for i := range m.Links { // as JSON they keep their zone
		m.Links[i].CreatedAt = m.Links[i].CreatedAt.UTC()
	}
	return m
}
