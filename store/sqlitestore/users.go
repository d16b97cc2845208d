package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// selectUser reads a user with all credentials in one statement, so that no
// update comes between them.
const selectUser = `SELECT u.id, u.number, u.version, u.epoch, u.blocked, u.password_hash, u.password_set_at,
	u.first_name, u.last_name, u.language, u.terms_at, u.ties, u.created_at, u.updated_at,
	coalesce(c.kind, ''), coalesce(c.identity, ''), coalesce(c.spelling, ''), coalesce(c.verified_at, 0), coalesce(c.added_at, 0), c.user_id IS NOT NULL
	FROM connectid_users u LEFT JOIN connectid_credentials c ON c.user_id = u.id `

// CreateUser implements [store.Users].
func (s *Store) CreateUser(ctx context.Context, u store.User) error {
	u.Version = 1
	u.Credentials, u.Ties = slices.Clone(u.Credentials), slices.Clone(u.Ties)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		if taken, err := t.exists(notAbsorbed, u.ID, u.Number); err != nil || taken {
			return struct{}{}, cmp.Or(err, store.ErrConflict)
		}
		if _, err := t.exec(userKind.inserts, userKind.fields(&u)...); err != nil {
			return struct{}{}, conflict(err)
		}
		if err := t.putCredentials(u); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, t.putTies(u)
	})
	return err
}

// User implements [store.Users].
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	return s.user(ctx, "WHERE u.id = ? ORDER BY c.position", id)
}

// UserByCredential implements [store.Users].
func (s *Store) UserByCredential(ctx context.Context, kind store.CredentialKind, identity string) (store.User, error) {
	return s.user(ctx, `WHERE u.id = (SELECT user_id FROM connectid_credentials WHERE kind = ? AND identity = ?)
		ORDER BY c.position`, kind, identity)
}

// UserByTie implements [store.Users].
func (s *Store) UserByTie(ctx context.Context, kind store.TieKind, partnerID, number string) (store.User, error) {
	return s.user(ctx, `WHERE u.id = (SELECT user_id FROM connectid_ties WHERE kind = ? AND partner_id = ? AND number = ?)
		ORDER BY c.position`, string(kind), partnerID, number)
}

func (s *Store) user(ctx context.Context, where string, args ...any) (store.User, error) {
	if err := ctx.Err(); err != nil {
		return store.User{}, err
	}
	stmt, err := s.stmt(ctx, selectUser+where)
	if err != nil {
		return store.User{}, fault(ctx, err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return store.User{}, fault(ctx, err)
	}
	defer rows.Close()
	var u store.User
	found := false
	for rows.Next() {
		var c store.Credential
		var has bool
		dest := append(userKind.fields(&u), &c.Kind, &c.Identity, &c.Spelling, (*stamp)(&c.VerifiedAt), (*stamp)(&c.AddedAt), &has)
		if err := rows.Scan(dest...); err != nil {
			return store.User{}, fault(ctx, err)
		}
		found = true
		if has {
			u.Credentials = append(u.Credentials, c)
		}
	}
	if err := rows.Err(); err != nil {
		return store.User{}, fault(ctx, err)
	}
	if !found {
		return store.User{}, fault(ctx, sql.ErrNoRows)
	}
	return u, nil
}

// UpdateUser implements [store.Users].
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	u.Credentials, u.Ties = slices.Clone(u.Credentials), slices.Clone(u.Ties)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) { return struct{}{}, t.updateUser(u) })
	return err
}

func (t *txn) updateUser(u store.User) error {
	n, err := t.exec(`UPDATE connectid_users SET version = version + 1, epoch = ?, blocked = ?, password_hash = ?, password_set_at = ?,
		first_name = ?, last_name = ?, language = ?, terms_at = ?, ties = ?, updated_at = ?
		WHERE id = ? AND version = ?`,
		u.Epoch, u.Blocked, u.PasswordHash, micro(u.PasswordSetAt), u.FirstName, u.LastName, u.Language, micro(u.TermsAt), (*ties)(&u.Ties), micro(u.UpdatedAt),
		u.ID, u.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.missed("connectid_users WHERE id = ?", u.ID)
	}
	return each(
		func() error { return t.do("DELETE FROM connectid_credentials WHERE user_id = ?", u.ID) },
		func() error { return t.do("DELETE FROM connectid_ties WHERE user_id = ?", u.ID) },
		func() error { return t.putCredentials(u) },
		func() error { return t.putTies(u) },
	)
}

// DeleteUser implements [store.Users].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		n, err := t.exec("DELETE FROM connectid_users WHERE id = ?", id)
		if err != nil || n == 0 {
			return struct{}{}, err
		}
		return struct{}{}, t.forget(id)
	})
	return err
}

func (t *txn) putCredentials(u store.User) error {
	for i, c := range u.Credentials {
		_, err := t.exec(`INSERT INTO connectid_credentials (kind, identity, user_id, position, spelling, verified_at, added_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, c.Kind, c.Identity, u.ID, i, c.Spelling, micro(c.VerifiedAt), micro(c.AddedAt))
		if err != nil {
			return conflict(err)
		}
	}
	return nil
}

// putTies keeps the numbers that users are tied to unique; what the ties say
// stands in the users' records.
func (t *txn) putTies(u store.User) error {
	for _, c := range u.Ties {
		_, err := t.exec("INSERT INTO connectid_ties (kind, partner_id, number, user_id) VALUES (?, ?, ?, ?)",
			string(c.Kind), c.PartnerID, c.Number, u.ID)
		if err != nil {
			return conflict(err)
		}
	}
	return nil
}

// missed says why a compare-and-swap changed nothing: ErrConflict when the query
// selects the record, which then has another version, or ErrNotFound.
func (t *txn) missed(query string, args ...any) error {
	found, err := t.exists(query, args...)
	switch {
	case err != nil:
		return err
	case found:
		return store.ErrConflict
	}
	return store.ErrNotFound
}

// conflict returns ErrConflict for a unique key that is taken.
func conflict(err error) error {
	if isUnique(err) {
		return store.ErrConflict
	}
	return err
}
