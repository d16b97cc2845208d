// Package sqlitestore keeps everything in one SQLite file, through the pure-Go
// driver modernc.org/sqlite. Its README says how to set it up, what is in the
// file, and what it is not for.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/connectid-kit/connectid/store"
)

var (
	_ store.Store   = (*Store)(nil)
	_ store.Sweeper = (*Store)(nil)
	_ store.Pinger  = (*Store)(nil)
)

// Store is a [store.Store] in SQLite. It is safe for concurrent use, also by
// several processes on one machine that have the file open.
type Store struct {
	db    *sql.DB // for reads, and where the writer takes its connection from
	owned bool    // Close closes db too
	reads sync.Map
	writer
}

// busyTimeout is how long a writer waits for another process.
const busyTimeout = 5 * time.Second

// Open opens the file, or creates it for its owner alone, and brings its schema
// up to date. The folder must exist. Every acknowledged write survives a crash
// of the process or the machine (journal_mode WAL, synchronous FULL).
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	// The driver would create it readable by all.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, os.ErrPermission): // perhaps it may be read
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), // first: the others may have to wait
		"synchronous(FULL)", "foreign_keys(1)",
	}}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	conns := 1 + max(4, 2*runtime.GOMAXPROCS(0)) // the writer's, and readers'
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	s, err := New(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.owned = true
	return s, nil
}

// New returns a store in a database that the caller has opened with the driver
// "sqlite" and goes on owning, and brings its schema up to date. The store keeps
// one connection for writing, on which it sets what [Open] sets, and reads
// through the others; a database in memory, or with a pool of one, is refused.
func New(ctx context.Context, db *sql.DB) (*Store, error) {
	if most := db.Stats().MaxOpenConnections; most == 1 {
		return nil, errors.New("sqlitestore: the pool has one connection: want at least 2, for a writer and readers")
	}
	var mode string
	err := retryBusy(ctx, func() error { return db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode) })
	if err != nil {
		return nil, fault(ctx, err)
	}
	if mode != "wal" {
		return nil, fmt.Errorf("sqlitestore: journal mode is %q, want wal: is it a file on a local disk?", mode)
	}
	if err := migrate(ctx, db); err != nil {
		return nil, err
	}
	s := &Store{db: db}
	s.writer.db = db
	return s, nil
}

// Close waits for the write that is going on, gives the writer's connection
// back, and, if the store was made by [Open], closes the database. Calls that
// come later fail.
func (s *Store) Close() error {
	err := s.writer.close()
	s.reads.Range(func(_, stmt any) bool {
		err = errors.Join(err, stmt.(*sql.Stmt).Close())
		return true
	})
	if s.owned {
		err = errors.Join(err, s.db.Close())
	}
	if err != nil {
		return fmt.Errorf("sqlitestore: close: %w", err)
	}
	return nil
}

// Ping implements [store.Pinger]: it takes the lock for writing and lets it go.
func (s *Store) Ping(ctx context.Context) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		// A read-only file lets the lock be taken; the setting of a value that is
		// already there does not.
		var version int64
		if err := t.row("PRAGMA user_version").Scan(&version); err != nil {
			return struct{}{}, err
		}
		_, err := t.exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		return struct{}{}, err
	})
	return err
}

// stmt returns the prepared statement for reading: inside a callback, what its
// transaction has written too.
func (s *Store) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if j := joinedIn(ctx, s); j != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.over {
			return nil, errTxOver
		}
		return j.t.stmt(query)
	}
	if stmt, ok := s.reads.Load(query); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if other, loaded := s.reads.LoadOrStore(query, stmt); loaded {
		return other.(*sql.Stmt), stmt.Close()
	}
	return stmt, nil
}

// readOne returns the record that the query selects, or ErrNotFound.
func readOne[R any](ctx context.Context, s *Store, k kind[R], where string, args ...any) (R, error) {
	var r R
	if err := ctx.Err(); err != nil {
		return r, err
	}
	stmt, err := s.stmt(ctx, k.selects+where)
	if err == nil {
		err = stmt.QueryRowContext(ctx, args...).Scan(k.fields(&r)...)
	}
	if err != nil {
		var none R
		return none, fault(ctx, err)
	}
	return r, nil
}

// readAll returns the records that the query selects. They are read at once:
// what the caller does with one can take as long as it likes.
func readAll[R any](ctx context.Context, s *Store, k kind[R], where string, args ...any) ([]R, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stmt, err := s.stmt(ctx, k.selects+where)
	if err != nil {
		return nil, fault(ctx, err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, fault(ctx, err)
	}
	defer rows.Close()
	var all []R
	for rows.Next() {
		var r R
		if err := rows.Scan(k.fields(&r)...); err != nil {
			return nil, fault(ctx, err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fault(ctx, err)
	}
	return all, nil
}
