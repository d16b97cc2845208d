package middleware

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends after a time-out like that of
// [context.WithTimeout], but sets a timer only when somebody waits for it. A
// store in memory never does, and a limiter that stands before every call
// should not pay for a timer each time.
type deadline struct {
	context.Context
	at time.Time

	mu     sync.Mutex
	real   context.Context // made by the first Done
	cancel context.CancelFunc
}

// withDeadline returns parent, bounded to d from now. stop releases the timer if
// there is one; it must be called.
func withDeadline(parent context.Context, now time.Time, d time.Duration) *deadline {
	at := now.Add(d)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(at) {
		at = earlier
	}
	return &deadline{Context: parent, at: at}
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}

func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.real == nil {
		d.real, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.real.Done()
}

func (d *deadline) Err() error {
	d.mu.Lock()
	ctx := d.real
	d.mu.Unlock()
	if ctx != nil {
		return ctx.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the context with the timer once there is one, so that contexts made
// from d hang on that instead of starting a goroutine.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	ctx := d.real
	d.mu.Unlock()
	if ctx != nil {
		return ctx.Value(key)
	}
	return d.Context.Value(key)
}
