// Package deadline bounds the time of requests without setting a timer for each.
package deadline

import (
	"context"
	"sync/atomic"
	"time"
)

// Deadline is a context that ends after a time-out like that of
// [context.WithTimeout], but sets a timer only when somebody waits for it. A
// store in memory never does, and a limiter that stands before every call
// should not pay for a timer each time.
type Deadline struct {
	context.Context
	at    time.Time
	timer atomic.Pointer[timer] // set by the first Done
}

type timer struct {
	context.Context
	cancel context.CancelFunc
}

// New returns parent, bounded to d from now. Stop releases the timer if
// there is one; it must be called.
func New(parent context.Context, now time.Time, d time.Duration) *Deadline {
	at := now.Add(d)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(at) {
		at = earlier
	}
	return &Deadline{Context: parent, at: at}
}

// Stop releases what the context holds.
func (d *Deadline) Stop() {
	if t := d.timer.Load(); t != nil {
		t.cancel()
	}
}

// Deadline returns when the context ends.
func (d *Deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done sets the timer.
func (d *Deadline) Done() <-chan struct{} {
	if t := d.timer.Load(); t != nil {
		return t.Done()
	}
	t := &timer{}
	t.Context, t.cancel = context.WithDeadline(d.Context, d.at)
	if !d.timer.CompareAndSwap(nil, t) { // somebody else began to wait
		t.cancel()
		t = d.timer.Load()
	}
	return t.Done()
}

// Err looks at the clock while there is no timer.
func (d *Deadline) Err() error {
	if t := d.timer.Load(); t != nil {
		return t.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Until(d.at) <= 0 { // half of what time.Now costs
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the context with the timer once there is one, so that contexts made
// from d hang on that instead of starting a goroutine.
func (d *Deadline) Value(key any) any {
	if t := d.timer.Load(); t != nil {
		return t.Value(key)
	}
	return d.Context.Value(key)
}
