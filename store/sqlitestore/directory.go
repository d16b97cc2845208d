package sqlitestore

import (
	"context"
	"iter"

	"github.com/connectid-kit/connectid/store"
)

var directoryKind = newKind("connectid_directory_links", `directory user_id tenant object_id created_at`,
	func(l *store.DirectoryLink) []any {
		return []any{&l.Directory, &l.UserID, &l.Tenant, &l.ObjectID, (*stamp)(&l.CreatedAt)}
	})

// PutDirectoryLink implements [store.DirectoryLinks].
func (s *Store) PutDirectoryLink(ctx context.Context, l store.DirectoryLink) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		none := struct{}{}
		taken, err := t.exists("connectid_directory_links WHERE tenant = ? AND object_id = ? AND user_id <> ?", l.Tenant, l.ObjectID, l.UserID)
		switch {
		case err != nil:
			return none, err
		case taken:
			return none, store.ErrConflict
		}
		_, err = t.exec(directoryKind.inserts, directoryKind.fields(&l)...)
		return none, conflict(err)
	})
	return err
}

// DirectoryLink implements [store.DirectoryLinks].
func (s *Store) DirectoryLink(ctx context.Context, directory, userID string) (store.DirectoryLink, error) {
	return readOne(ctx, s, directoryKind, "WHERE user_id = ? AND directory = ?", userID, directory)
}

// DirectoryLinks implements [store.DirectoryLinks].
func (s *Store) DirectoryLinks(ctx context.Context, userID string) iter.Seq2[store.DirectoryLink, error] {
	return list(ctx, func() ([]store.DirectoryLink, error) {
		return readAll(ctx, s, directoryKind, "WHERE user_id = ? ORDER BY created_at, directory", userID)
	})
}

// DirectoryUser implements [store.DirectoryLinks].
func (s *Store) DirectoryUser(ctx context.Context, tenant, objectID string) (string, error) {
	l, err := readOne(ctx, s, directoryKind, "WHERE tenant = ? AND object_id = ? LIMIT 1", tenant, objectID)
	return l.UserID, err
}

// DeleteDirectoryLink implements [store.DirectoryLinks].
func (s *Store) DeleteDirectoryLink(ctx context.Context, directory, userID string) error {
	return s.exec(ctx, "DELETE FROM connectid_directory_links WHERE user_id = ? AND directory = ?", userID, directory)
}

// DeleteUserDirectoryLinks implements [store.DirectoryLinks].
func (s *Store) DeleteUserDirectoryLinks(ctx context.Context, userID string) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_directory_links WHERE user_id = ?", userID)
}
