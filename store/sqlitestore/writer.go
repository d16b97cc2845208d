package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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
	alone bool        // in a transaction of its own, and not run again
	taken atomic.Bool // by the writer, or by a caller that gave up
	err   error
	done  chan struct{}
}

var errClosed = errors.New("sqlitestore: closed")

// write runs do in a transaction and returns what it returns once that is
// durable. do changes nothing when it fails; it may be run again. It must not
// touch what the caller may change, since the caller may have gone.
func write[R any](ctx context.Context, s *Store, do func(*txn) (R, error)) (R, error) {
	return submit(ctx, s, false, do)
}

// writeAlone is write for what may do more than change the store: do has a
// transaction of its own and is run once.
func writeAlone[R any](ctx context.Context, s *Store, do func(*txn) (R, error)) (R, error) {
	return submit(ctx, s, true, do)
}

func submit[R any](ctx context.Context, s *Store, alone bool, do func(*txn) (R, error)) (R, error) {
	var none, result R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if j := joinedIn(ctx, s); j != nil {
		return inJoined(ctx, j, do)
	}
	o := &op{ctx: ctx, alone: alone, done: make(chan struct{})}
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
		if w.queue[0].alone {
			n = 1
		} else if i := slices.IndexFunc(w.queue[:n], func(o *op) bool { return o.alone }); i > 0 {
			n = i
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
