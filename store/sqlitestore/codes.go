package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// PutOneTimeCode implements [store.OneTimeCodes].
func (s *Store) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	return s.exec(ctx, strings.Replace(oneTimeKind.inserts, "INSERT", "INSERT OR REPLACE", 1), oneTimeKind.fields(&c)...)
}

// TakeOneTimeCode implements [store.OneTimeCodes].
func (s *Store) TakeOneTimeCode(ctx context.Context, k, mac store.Digest) (store.OneTimeCode, error) {
	return write(ctx, s, func(t *txn) (store.OneTimeCode, error) {
		var c store.OneTimeCode
		at := now()
		err := t.row("DELETE FROM connectid_one_time_codes WHERE key = ? AND mac = ? AND ends_at > ? RETURNING "+oneTimeKind.list,
			key(k), key(mac), at).Scan(oneTimeKind.fields(&c)...)
		if !errors.Is(err, sql.ErrNoRows) {
			return c, err
		}
		found, err := t.exists("connectid_one_time_codes WHERE key = ? AND ends_at > ?", key(k), at)
		switch {
		case err != nil:
			return store.OneTimeCode{}, err
		case found:
			return store.OneTimeCode{}, store.ErrMismatch
		}
		return store.OneTimeCode{}, store.ErrNotFound
	})
}

// DropOneTimeCodes implements [store.OneTimeCodes].
func (s *Store) DropOneTimeCodes(ctx context.Context, kind store.CredentialKind, identity string) error {
	return s.exec(ctx, "DELETE FROM connectid_one_time_codes WHERE kind = ? AND identity = ?", kind, identity)
}
