package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/connectid-kit/connectid/store"
)

// writer commits writes in groups: those that arrive while one group is being
// written to the disk make up the next. SQLite has one writer at a time and a
// durable commit waits for the disk, so that is what makes many writers fast.
//
// No goroutine lives longer than there is something to write.
type writer struct {
	db      *sql.DB
	mu      sync.Mutex
	queue   []*op
	running bool
	closed  bool
	idle    *sync.Cond // running became false; made when somebody waits

	t *txn // of the running goroutine; nil until the first write and after a fault
}

// groupSize bounds how many writes share a transaction.
const groupSize = 128

// op is one write that waits for its turn.
type op struct {
	ctx   context.Context
	do    func(*txn) error
	taken atomic.Bool // by the writer, or by a caller that gave up
	err   error
	done  chan struct{}
}

var errClosed = errors.New("sqlitestore: closed")

// write runs do in a transaction and returns what it returns once that is
// durable. do changes nothing when it fails; it may be run again. It must not
// touch what the caller may change, since the caller may have gone.
func write[R any](ctx context.Context, s *Store, do func(*txn) (R, error)) (R, error) {
	var none, result R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	o := &op{ctx: ctx, done: make(chan struct{})}
	o.do = func(t *txn) (err error) {
		result, err = do(t)
		return err
	}
	w := &s.writer
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return none, errClosed
	}
	w.queue = append(w.queue, o)
	if !w.running {
		w.running = true
		go w.run()
	}
	w.mu.Unlock()

	select {
	case <-o.done:
	case <-ctx.Done():
		if o.taken.CompareAndSwap(false, true) {
			return none, ctx.Err() // it has not begun and never will
		}
		// It has begun. The disk may take its time; the caller need not.
		select {
		case <-o.done:
		default:
			return none, ctx.Err()
		}
	}
	if o.err != nil {
		return result, fault(ctx, o.err)
	}
	return result, nil
}

// run writes until the queue is empty.
func (w *writer) run() {
	for {
		w.mu.Lock()
		n := min(len(w.queue), groupSize)
		if n == 0 {
			w.queue = nil
			w.running = false
			if w.idle != nil {
				w.idle.Broadcast()
			}
			w.mu.Unlock()
			return
		}
		group := w.queue[:n:n]
		w.queue = w.queue[n:]
		w.mu.Unlock()

		live := group[:0]
		for _, o := range group {
			if o.taken.CompareAndSwap(false, true) {
				live = append(live, o)
			}
		}
		if len(live) > 0 && w.commit(live) && len(live) > 1 {
			for i := range live { // one of them is to blame; the others shall not suffer
				w.commit(live[i : i+1])
			}
		}
		for _, o := range live {
			close(o.done)
		}
	}
}

// commit runs the group in one transaction. A fault is the error of every op in
// it, and nothing is changed; opFault says that it was an op's, not the disk's. An
// op that fails with one of the store's own errors changes nothing, but is no fault.
func (w *writer) commit(group []*op) (opFault bool) {
	err := w.begin()
	if err == nil {
		if err = w.t.run(group); err != nil {
			opFault = true
		} else if _, err = w.t.exec("COMMIT"); err == nil {
			return false
		}
		if _, rollback := w.t.exec("ROLLBACK"); rollback != nil {
			w.drop()
		}
	}
	for _, o := range group {
		o.err = err
	}
	return opFault
}

// begin begins a transaction, on a fresh connection when there is none.
func (w *writer) begin() (err error) {
	if w.t == nil {
		if w.t, err = newTxn(w.db); err != nil {
			return err
		}
	}
	if _, err = w.t.exec("BEGIN IMMEDIATE"); err != nil {
		w.drop()
	}
	return err
}

// drop gives up the connection: the fault may be its own.
func (w *writer) drop() {
	_ = w.t.close()
	w.t = nil
}

// run runs the ops one after the other; the error is a fault.
func (t *txn) run(group []*op) error {
	for _, o := range group {
		if o.err = o.ctx.Err(); o.err != nil { // it gave up while the lock was waited for
			continue
		}
		if _, err := t.exec("SAVEPOINT op"); err != nil {
			return err
		}
		o.err = o.do(t)
		if o.err != nil {
			if !isAnswer(o.err) {
				return o.err
			}
			if _, err := t.exec("ROLLBACK TO op"); err != nil {
				return err
			}
		}
		if _, err := t.exec("RELEASE op"); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.idle == nil {
		w.idle = sync.NewCond(&w.mu)
	}
	for w.running {
		w.idle.Wait()
	}
	if w.t == nil {
		return nil
	}
	err := w.t.close()
	w.t = nil
	return err
}

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
