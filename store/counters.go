package store

import (
	"context"
	"time"
)

// Count is the state of a counter.
type Count struct {
	N       int       // the sum of what was added in this window
	ResetAt time.Time // when the window ends
}

// Counters counts what happens in fixed windows: API calls, wrong guesses, sent
// messages.
type Counters interface {
	// Add adds n to the counter in one step and returns its state after that. A
	// window starts with the key's first positive Add, by the store's clock, and
	// ends window later, when the counter is zero again; a later Add does not
	// move its end. n may be negative to give back, and zero to ask: the counter
	// never falls below zero, and asking or giving back starts no window (the
	// ResetAt of a counter that has none is now plus window).
	//
	// A backend may bound its memory, but it never forgets a running window to
	// make room: when it is full it counts new keys together, so that they may
	// reach a limit early but never late, or refuses them with an error.
	Add(ctx context.Context, key string, n int, window time.Duration) (Count, error)
}
