package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// Tx is the transaction of a step of the store, for the callback that has a
// share in it: what it writes to its own tables in the same file is committed
// together with the step, or not at all. It ends with the callback.
type Tx struct{ j *joined }

// TxFrom returns the transaction in whose step a callback was called, such as
// that of a merge; false for any other context. The methods of the [Store]
// itself, when called with that context, take part in the transaction too.
func TxFrom(ctx context.Context) (*Tx, bool) {
	j, ok := ctx.Value(joinedKey{}).(*joined)
	if !ok {
		return nil, false
	}
	return &Tx{j}, true
}

var errTxOver = errors.New("sqlitestore: the transaction is over")

// ExecContext runs a statement. COMMIT and ROLLBACK are the store's business.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := t.j.open(); err != nil {
		return nil, err
	}
	return t.j.t.conn.ExecContext(ctx, query, args...)
}

// QueryContext runs a query. The rows have to be closed before the callback
// returns.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.j.open(); err != nil {
		return nil, err
	}
	return t.j.t.conn.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a query for one row. After the end of the transaction
// the row says so.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := t.j.open(); err != nil {
		over, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return t.j.s.db.QueryRowContext(over, query, args...)
	}
	return t.j.t.conn.QueryRowContext(ctx, query, args...)
}

// joined is a transaction that is open to a callback.
type joined struct {
	s *Store
	t *txn

	mu   sync.Mutex
	over bool
}

type joinedKey struct{}

// joinedIn returns the transaction of this store that the context's caller is in.
func joinedIn(ctx context.Context, s *Store) *joined {
	if j, ok := ctx.Value(joinedKey{}).(*joined); ok && j.s == s {
		return j
	}
	return nil
}

func (j *joined) open() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return errTxOver
	}
	return nil
}

// join calls fn with the transaction in its context. A panic of fn is an error:
// the writer is everybody's.
func (s *Store) join(ctx context.Context, t *txn, fn func(context.Context) error) (err error) {
	j := &joined{s: s, t: t}
	defer func() {
		j.mu.Lock()
		j.over = true
		j.mu.Unlock()
		if p := recover(); p != nil {
			err = fmt.Errorf("sqlitestore: panic in a callback: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(context.WithValue(ctx, joinedKey{}, j))
}

// inJoined runs a write of the callback inside the transaction; a failure takes
// back that write alone.
func inJoined[R any](ctx context.Context, j *joined, do func(*txn) (R, error)) (R, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var none R
	if j.over {
		return none, errTxOver
	}
	if _, err := j.t.exec("SAVEPOINT inner_op"); err != nil {
		return none, fault(ctx, err)
	}
	r, err := do(j.t)
	if err != nil {
		if _, back := j.t.exec("ROLLBACK TO inner_op"); back != nil {
			return r, fault(ctx, errors.Join(err, back))
		}
	}
	if _, release := j.t.exec("RELEASE inner_op"); release != nil {
		return none, fault(ctx, errors.Join(err, release))
	}
	return r, fault(ctx, err)
}
