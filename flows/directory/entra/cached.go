package entra

import (
	"context"
	"sync"
	"time"
)

// cached keeps what is fetched from the provider. It is fetched again when it is
// old or lacks what is asked for, by one request at a time however many ask, and
// goes on being used while the provider is down.
type cached[T any] struct {
	fetch             func(context.Context) (T, error)
	timeout           time.Duration // of a fetch
	refresh, maxStale time.Duration

	mu     sync.Mutex
	value  T
	at     time.Time // when value was fetched; zero for never
	tried  time.Time // when the last fetch began
	flight *flight
}

// flight is a fetch that is under way.
type flight struct {
	done chan struct{}
	err  error
}

// pause is the least time between two fetches, so that neither an outage nor
// tokens with made-up keys become a stream of requests.
const pause = 10 * time.Second

// get returns the value. When has is given and says that the value lacks what is
// asked for, it is fetched anew first; if that may not be or fails, the value is
// returned as it is, and the caller finds out; an error says that fetching failed.
func (c *cached[T]) get(ctx context.Context, has func(T) bool) (T, error) {
	c.mu.Lock()
	now := time.Now()
	usable := !c.at.IsZero() && now.Sub(c.at) < c.maxStale
	wanting := usable && has != nil && !has(c.value)
	mayFetch := now.Sub(c.tried) >= pause
	if usable && !wanting {
		if c.flight == nil && mayFetch && now.Sub(c.at) >= c.refresh {
			c.start(ctx) // nobody waits for it
		}
		defer c.mu.Unlock()
		return c.value, nil
	}
	if c.flight == nil {
		if wanting && !mayFetch {
			defer c.mu.Unlock()
			return c.value, nil
		}
		c.start(ctx)
	}
	f := c.flight
	c.mu.Unlock()

	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case <-f.done:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.err != nil { // what is wanted may exist: an outage, not a forgery
		return none, f.err
	}
	return c.value, nil
}

// start begins a fetch, which outlives the caller: others may wait for it. The
// lock is held.
func (c *cached[T]) start(ctx context.Context) {
	f := &flight{done: make(chan struct{})}
	c.flight, c.tried = f, time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
		defer cancel()
		value, err := c.fetch(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.value, c.at = value, time.Now()
		}
		f.err = err
		c.flight = nil
		close(f.done)
	}()
}
