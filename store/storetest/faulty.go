package storetest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ErrInjected is the error of a [Fault] that names none.
var ErrInjected = errors.New("storetest: injected fault")

// Fault says what goes wrong, and when.
type Fault struct {
	Method string // such as "TakeCode"; empty for any method
	Nth    int    // which call of it from now on, from 1; zero for every one
	// Delay is waited before the work, or until the context ends.
	Delay time.Duration
	// Err is what the call returns; nil is [ErrInjected], unless there is a Delay
	// or a Hook, which alone are no failure.
	Err error
	// After lets the call do its work first: the write happened, but nobody knows.
	After bool
	// Hook is called first, with the method's name; it may panic, cancel a
	// context, or let another call overtake.
	Hook func(method string)
}

// Faulty is a store that fails on purpose: what a database does that is down,
// slow, or lost the connection after the commit. Without a fault it is the store
// that it wraps. It is safe for concurrent use.
type Faulty struct {
	store.Store

	mu     sync.Mutex
	faults []*pending
	calls  []string
}

var (
	_ store.Store   = (*Faulty)(nil)
	_ store.Sweeper = (*Faulty)(nil)
	_ store.Pinger  = (*Faulty)(nil)
)

type pending struct {
	Fault
	seen int
}

// NewFaulty wraps a store.
func NewFaulty(s store.Store) *Faulty { return &Faulty{Store: s} }

// Inject adds a fault. The first of several that apply to a call counts.
func (f *Faulty) Inject(fault Fault) {
	if fault.Err == nil && fault.Delay == 0 && fault.Hook == nil {
		fault.Err = ErrInjected
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &pending{Fault: fault})
}

// Heal removes all faults.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Calls returns the names of the methods called so far, and forgets them.
func (f *Faulty) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// Sweep implements [store.Sweeper]; it sweeps nothing if the wrapped store can not.
func (f *Faulty) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return get(ctx, f, "Sweep", func() (int, error) {
		if s, ok := f.Store.(store.Sweeper); ok {
			return s.Sweep(ctx, now, limit)
		}
		return 0, ctx.Err()
	})
}

// Ping implements [store.Pinger]; a wrapped store that is none is always there.
func (f *Faulty) Ping(ctx context.Context) error {
	return f.do(ctx, "Ping", func() error {
		if s, ok := f.Store.(store.Pinger); ok {
			return s.Ping(ctx)
		}
		return ctx.Err()
	})
}

// next returns the fault of this call of the method, if it has one.
func (f *Faulty) next(method string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method)
	var hit *pending
	for _, p := range f.faults {
		if p.Method != "" && p.Method != method {
			continue
		}
		p.seen++
		if hit == nil && (p.Nth == 0 || p.Nth == p.seen) {
			hit = p
		}
	}
	if hit == nil {
		return Fault{}, false
	}
	return hit.Fault, true
}

// before does what a fault does first, and returns the error with which the call
// ends then.
func (fault Fault) before(ctx context.Context, method string) error {
	if fault.Hook != nil {
		fault.Hook(method)
	}
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fault.After {
		return nil
	}
	return fault.Err
}

func (f *Faulty) do(ctx context.Context, method string, work func() error) error {
	_, err := get(ctx, f, method, func() (struct{}, error) { return struct{}{}, work() })
	return err
}

func get[R any](ctx context.Context, f *Faulty, method string, work func() (R, error)) (R, error) {
	var none R
	fault, ok := f.next(method)
	if !ok {
		return work()
	}
	if err := fault.before(ctx, method); err != nil {
		return none, err
	}
	r, err := work()
	if fault.After && fault.Err != nil {
		return none, fault.Err
	}
	return r, err
}

func list[R any](ctx context.Context, f *Faulty, method string, seq iter.Seq2[R, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		fault, ok := f.next(method)
		if ok {
			if err := fault.before(ctx, method); err != nil {
				yield(none, err)
				return
			}
		}
		for r, err := range seq {
			if !yield(r, err) {
				return
			}
		}
		if ok && fault.After && fault.Err != nil {
			yield(none, fault.Err)
		}
	}
}
