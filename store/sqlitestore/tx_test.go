package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// host opens a database with a table of the host's own beside the store's.
func host(t *testing.T) (*sql.DB, *sqlitestore.Store) {
	t.Helper()
	dsn := url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "host.db"), RawQuery: "_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlitestore.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE bookmarks (user_id TEXT NOT NULL, article TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO bookmarks VALUES ('b', 'herring')"); err != nil {
		t.Fatal(err)
	}
	return db, s
}

// couple creates the users a and b and returns what makes them one.
func couple(t *testing.T, s store.Users) (store.Merge, store.User) {
	t.Helper()
	var users []store.User
	for i, id := range []string{"a", "b"} {
		u := store.User{ID: id, Number: int64(i + 1), Version: 1, Credentials: []store.Credential{{Kind: store.Email, Identity: id + "@example.com"}}}
		if err := s.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	survivor := users[0]
	survivor.Credentials = append(survivor.Credentials, users[1].Credentials...)
	return store.Merge{ID: "m", Absorbed: "b", Before: users[0], Taken: users[1], ExpiresAt: time.Now().Add(time.Hour)}, survivor
}

func owner(t *testing.T, db *sql.DB) (id string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT user_id FROM bookmarks").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

const move = "UPDATE bookmarks SET user_id = ? WHERE user_id = ?"

func TestTxMovesTheHostsRows(t *testing.T) {
	db, s := host(t)
	m, survivor := couple(t, s)
	var kept *sqlitestore.Tx
	err := s.MergeUsers(t.Context(), m, survivor, func(ctx context.Context) error {
		tx, ok := sqlitestore.TxFrom(ctx)
		if !ok {
			return errors.New("no transaction")
		}
		kept = tx
		if _, err := tx.ExecContext(ctx, move, "a", "b"); err != nil {
			return err
		}
		var inside string
		if err := tx.QueryRowContext(ctx, "SELECT user_id FROM bookmarks").Scan(&inside); err != nil || inside != "a" {
			t.Errorf("inside, the row is %q's, %v", inside, err)
		}
		rows, err := tx.QueryContext(ctx, "SELECT user_id FROM bookmarks")
		if err != nil {
			return err
		}
		if got := owner(t, db); got != "b" {
			t.Errorf("outside, the row is %q's before the commit", got)
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := owner(t, db); got != "a" {
		t.Errorf("the row is %q's", got)
	}
	if _, err := kept.ExecContext(t.Context(), move, "x", "a"); err == nil {
		t.Error("the transaction goes on after its end")
	}
	if _, err := kept.QueryContext(t.Context(), "SELECT 1"); err == nil {
		t.Error("the transaction is read after its end")
	}
	if err := kept.QueryRowContext(t.Context(), "SELECT 1").Scan(new(int)); err == nil {
		t.Error("the transaction is asked for a row after its end")
	}
	if _, ok := sqlitestore.TxFrom(t.Context()); ok {
		t.Error("a transaction in any context")
	}
}

func TestTxIsUndoneWithTheMerge(t *testing.T) {
	fails := errors.New("the host says no")
	for name, tt := range map[string]struct {
		end  func(cancel func()) error
		want string
	}{
		"an error":            {func(func()) error { return fails }, "the host says no"},
		"a panic":             {func(func()) error { panic("the host is confused") }, "the host is confused"},
		"a context that ends": {func(cancel func()) error { cancel(); return nil }, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			db, s := host(t)
			m, survivor := couple(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := s.MergeUsers(ctx, m, survivor, func(ctx context.Context) error {
				tx, _ := sqlitestore.TxFrom(ctx)
				if _, err := tx.ExecContext(ctx, move, "a", "b"); err != nil {
					return err
				}
				return tt.end(cancel)
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("MergeUsers = %v, want %q", err, tt.want)
			}
			if err := s.Ping(t.Context()); err != nil { // the writer goes on, after what was under way
				t.Fatal(err)
			}
			if got := owner(t, db); got != "b" {
				t.Errorf("the row is %q's", got)
			}
			if _, err := s.User(t.Context(), "b"); err != nil {
				t.Errorf("User = %v", err)
			}
		})
	}
}

// The store's own methods take part too: who ends sessions in a merge does not
// wait for herself.
func TestStoreInsideATransaction(t *testing.T) {
	_, s := host(t)
	m, survivor := couple(t, s)
	sess := store.Session{Handle: store.DigestOf("x"), UserID: "b", IdleAt: time.Now().Add(time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
	if err := s.CreateSession(t.Context(), sess); err != nil {
		t.Fatal(err)
	}
	fails := errors.New("after all of it")
	for _, end := range []error{fails, nil} {
		var leaked context.Context
		err := s.MergeUsers(t.Context(), m, survivor, func(ctx context.Context) error {
			leaked = ctx
			if u, err := s.User(ctx, "a"); err != nil || len(u.Credentials) != 2 {
				t.Errorf("inside: %+v, %v", u, err)
			}
			if n, err := s.EndUserSessions(ctx, "b", store.Digest{}); n != 1 || err != nil {
				t.Errorf("EndUserSessions = %d, %v", n, err)
			}
			if err := s.UpdateUser(ctx, survivor); !errors.Is(err, store.ErrConflict) { // takes back itself alone
				t.Errorf("UpdateUser of the old version = %v", err)
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatalf("MergeUsers = %v, want %v", err, end)
		}
		_, err = s.Session(t.Context(), sess.Handle)
		if gone := errors.Is(err, store.ErrNotFound); gone != (end == nil) {
			t.Errorf("after %v the session is gone: %v", end, gone)
		}
		if err := s.EndSession(leaked, sess.Handle); err == nil {
			t.Error("a write in the transaction after its end")
		}
		if _, err := s.User(leaked, "a"); err == nil {
			t.Error("a look into the transaction after its end")
		}
	}
}
