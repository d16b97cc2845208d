package sqlitestore

import (
	"context"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// PutClient implements [store.Clients].
func (s *Store) PutClient(ctx context.Context, c store.Client) error {
	for _, list := range []*[]string{&c.Targets, &c.RedirectURIs, &c.InsecureRedirectPrefixes, &c.Secrets, &c.GrantTypes, &c.Scopes, &c.Resources, &c.PostLogoutRedirectURIs, &c.PaymentSecrets} {
		*list = slices.Clone(*list)
	}
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		none := struct{}{}
		if _, err := t.exec("DELETE FROM connectid_clients WHERE id = ?", c.ID); err != nil {
			return none, err
		}
		if _, err := t.exec(clientKind.inserts, clientKind.fields(&c)...); err != nil {
			return none, err
		}
		for _, target := range c.Targets {
			origin := store.TargetOrigin(target)
			if origin == "" {
				continue
			}
			if _, err := t.exec("INSERT OR IGNORE INTO connectid_client_origins (origin, client_id) VALUES (?, ?)", origin, c.ID); err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}

// Client implements [store.Clients].
func (s *Store) Client(ctx context.Context, id string) (store.Client, error) {
	return readOne(ctx, s, clientKind, "WHERE id = ?", id)
}

// ClientsByOrigin implements [store.Clients].
func (s *Store) ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[store.Client, error] {
	return list(ctx, func() ([]store.Client, error) {
		return readAll(ctx, s, clientKind, "WHERE id IN (SELECT client_id FROM connectid_client_origins WHERE origin = ?) ORDER BY id", origin)
	})
}

// Clients implements [store.Clients].
func (s *Store) Clients(ctx context.Context) iter.Seq2[store.Client, error] {
	return list(ctx, func() ([]store.Client, error) { return readAll(ctx, s, clientKind, "ORDER BY id") })
}

// DeleteClient implements [store.Clients].
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_clients WHERE id = ?", id)
}

// exec runs one statement in a transaction.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.count(ctx, query, args...)
	return err
}

// count runs one statement in a transaction and returns how many rows it changed.
func (s *Store) count(ctx context.Context, query string, args ...any) (int, error) {
	return write(ctx, s, func(t *txn) (int, error) { return t.exec(query, args...) })
}

// list yields the records, or the error of reading them, or that of a context
// that ends while they are looked at.
func list[R any](ctx context.Context, read func() ([]R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		all, err := read()
		if err != nil {
			yield(none, err)
			return
		}
		for _, r := range all {
			if err := ctx.Err(); err != nil {
				yield(none, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
