package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

// txn is the writer's connection with its prepared statements. Its calls take
// no context: they are one group's, not one caller's.
type txn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newTxn(db *sql.DB) (*txn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t := &txn{conn: conn, stmts: map[string]*sql.Stmt{}}
	for _, pragma := range []string{
		fmt.Sprintf("busy_timeout = %d", busyTimeout.Milliseconds()), "synchronous = FULL", "foreign_keys = 1",
	} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

func (t *txn) close() error {
	var errs []error
	for _, stmt := range t.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}

func (t *txn) stmt(query string) (*sql.Stmt, error) {
	if stmt := t.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err == nil {
		t.stmts[query] = stmt
	}
	return stmt, err
}

// exec runs a statement and returns how many rows it changed.
func (t *txn) exec(query string, args ...any) (int, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// scanner is a row, or why there is none.
type scanner interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// row runs a query for one row.
func (t *txn) row(query string, args ...any) scanner {
	stmt, err := t.stmt(query)
	if err != nil {
		return failedRow{err}
	}
	return stmt.QueryRowContext(context.Background(), args...)
}

// exists reports whether the query selects something.
func (t *txn) exists(query string, args ...any) (bool, error) {
	var found bool
	err := t.row("SELECT EXISTS (SELECT 1 FROM "+query+")", args...).Scan(&found)
	return found, err
}

// insert runs an INSERT. When a unique key is taken by records that have
// expired, which the DELETE removes, they make room.
func (t *txn) insert(query string, args []any, makeRoom string, keys ...any) error {
	_, err := t.exec(query, args...)
	if !isUnique(err) {
		return err
	}
	n, err := t.exec(makeRoom, keys...)
	switch {
	case err != nil:
		return err
	case n == 0:
		return store.ErrConflict
	}
	if _, err = t.exec(query, args...); isUnique(err) {
		return store.ErrConflict
	}
	return err
}
