package sqlitestore

import (
	"bytes"
	"context"
	"iter"

	"github.com/connectid-kit/connectid/store"
)

var signingKeyKind = newKind("connectid_signing_keys", `id alg generation private public created_at signs_at ends_at`,
	func(k *store.SigningKey) []any {
		return []any{
			&k.ID, &k.Alg, &k.Generation, &k.Private, &k.Public, (*stamp)(&k.CreatedAt), (*stamp)(&k.SignsAt), (*stamp)(&k.ExpiresAt),
		}
	})

// CreateSigningKey implements [store.SigningKeys].
func (s *Store) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	k.Private, k.Public = bytes.Clone(k.Private), bytes.Clone(k.Public)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(signingKeyKind.inserts, signingKeyKind.fields(&k),
			"DELETE FROM connectid_signing_keys WHERE (id = ? OR alg = ? AND generation = ?) AND ends_at <= ?", k.ID, k.Alg, k.Generation, now())
	})
	return err
}

// SigningKeys implements [store.SigningKeys].
func (s *Store) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	return list(ctx, func() ([]store.SigningKey, error) {
		return readAll(ctx, s, signingKeyKind, "WHERE ends_at > ? ORDER BY alg, generation DESC", now())
	})
}

// DeleteSigningKey implements [store.SigningKeys].
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_signing_keys WHERE id = ?", id)
}
