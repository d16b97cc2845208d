package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// errForeignToken answers a token that comes with a grant but names another.
var errForeignToken = errors.New("sqlitestore: the access token names another grant")

// PutCode implements [store.Grants].
func (s *Store) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	c.Resources = slices.Clone(c.Resources)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(codeKind.inserts, codeKind.fields(&c),
			"DELETE FROM connectid_codes WHERE hash = ? AND ends_at <= ?", key(c.Hash), now())
	})
	return err
}

// TakeCode implements [store.Grants].
func (s *Store) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	return write(ctx, s, func(t *txn) (store.AuthorizationCode, error) {
		const live = "WHERE hash = ? AND client_id = ? AND ends_at > ?"
		var c store.AuthorizationCode
		at := now()
		err := t.row("UPDATE connectid_codes SET used = 1 "+live+" AND used = 0 RETURNING "+codeKind.list,
			key(hash), clientID, at).Scan(codeKind.fields(&c)...)
		if !errors.Is(err, sql.ErrNoRows) {
			return c, err
		}
		err = t.row(codeKind.selects+live, key(hash), clientID, at).Scan(codeKind.fields(&c)...)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return store.AuthorizationCode{}, store.ErrNotFound
		case err != nil:
			return store.AuthorizationCode{}, err
		}
		return c, store.ErrUsed
	})
}

// CreateGrant implements [store.Grants].
func (s *Store) CreateGrant(ctx context.Context, g store.Grant, a store.AccessToken) error {
	if a.GrantID != g.ID {
		return errForeignToken
	}
	g.Version = 1
	g.Resources, a.Resources = slices.Clone(g.Resources), slices.Clone(a.Resources)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		revoked, err := t.exists("connectid_revoked WHERE id = ? AND ends_at > ?", g.ID, now())
		switch {
		case err != nil:
			return struct{}{}, err
		case revoked:
			return struct{}{}, store.ErrRevoked
		}
		err = t.insert(grantKind.inserts, grantKind.fields(&g),
			"DELETE FROM connectid_grants WHERE id = ? AND ends_at <= ?", g.ID, now())
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, t.putToken(a)
	})
	return err
}

// putToken inserts the token; the caller has checked its grant.
func (t *txn) putToken(a store.AccessToken) error {
	return t.insert(tokenKind.inserts, tokenKind.fields(&a),
		"DELETE FROM connectid_access_tokens WHERE hash = ? AND ends_at <= ?", key(a.Hash), now())
}

// absent says why there is no live grant with the ID: ErrRevoked or ErrNotFound.
func (t *txn) absent(id string) error {
	revoked, err := t.exists("connectid_revoked WHERE id = ? AND ends_at > ?", id, now())
	switch {
	case err != nil:
		return err
	case revoked:
		return store.ErrRevoked
	}
	return store.ErrNotFound
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id string) (store.Grant, error) {
	g, err := readOne(ctx, s, grantKind, "WHERE id = ? AND ends_at > ?", id, now())
	if !errors.Is(err, store.ErrNotFound) {
		return g, err
	}
	// A grant that is revoked in between is one that is not found, and revoked.
	revoked, err := readAll(ctx, s, tombstoneKind, "WHERE id = ? AND ends_at > ?", id, now())
	switch {
	case err != nil:
		return store.Grant{}, err
	case len(revoked) > 0:
		return store.Grant{}, store.ErrRevoked
	}
	return store.Grant{}, store.ErrNotFound
}

// tombstoneKind reads the ID of a revoked grant.
var tombstoneKind = newKind("connectid_revoked", "id", func(id *string) []any { return []any{id} })

// SwapGrant implements [store.Grants].
func (s *Store) SwapGrant(ctx context.Context, g store.Grant, a store.AccessToken) error {
	if a.GrantID != g.ID {
		return errForeignToken
	}
	next := g
	next.Version++
	next.Resources, a.Resources = slices.Clone(g.Resources), slices.Clone(a.Resources)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		err := swapIn(t, grantKind, &next, g.ID, g.Version)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return struct{}{}, t.absent(g.ID)
		case err != nil:
			return struct{}{}, err
		}
		return struct{}{}, t.putToken(a)
	})
	return err
}

// UserGrants implements [store.Grants].
func (s *Store) UserGrants(ctx context.Context, userID string) iter.Seq2[store.Grant, error] {
	return list(ctx, func() ([]store.Grant, error) {
		return readAll(ctx, s, grantKind, "WHERE user_id = ? AND user_id <> '' AND ends_at > ? ORDER BY created_at DESC", userID, now())
	})
}

// PutAccessToken implements [store.Grants].
func (s *Store) PutAccessToken(ctx context.Context, a store.AccessToken) error {
	a.Resources = slices.Clone(a.Resources)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		if a.GrantID != "" {
			live, err := t.exists("connectid_grants WHERE id = ? AND ends_at > ?", a.GrantID, now())
			switch {
			case err != nil:
				return struct{}{}, err
			case !live:
				return struct{}{}, t.absent(a.GrantID)
			}
		}
		return struct{}{}, t.putToken(a)
	})
	return err
}

// AccessToken implements [store.Grants].
func (s *Store) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	return readOne(ctx, s, tokenKind, "WHERE hash = ? AND ends_at > ?", key(hash), now())
}

// DeleteAccessToken implements [store.Grants].
func (s *Store) DeleteAccessToken(ctx context.Context, hash store.Digest) error {
	return s.exec(ctx, "DELETE FROM connectid_access_tokens WHERE hash = ?", key(hash))
}
