package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// near reports whether t is d from now, give or take what a slow machine takes.
func near(t time.Time, d time.Duration) bool {
	off := time.Until(t) - d
	return off > -10*time.Second && off < time.Second
}

// adds complains when Add does not return want, or a window that ends elsewhere
// than at end (zero: a window from now).
func (c *recorder) adds(s store.Counters, key string, n int, window time.Duration, want int, end time.Time) time.Time {
	got, err := s.Add(c.ctx, key, n, window)
	what := fmt.Sprintf("Add(%q, %d, %v)", key, n, window)
	c.ok(err, what)
	if got.N != want {
		c.errorf("%s: N is %d, want %d", what, got.N, want)
	}
	switch {
	case got.ResetAt.Location() != time.UTC:
		c.errorf("%s: ResetAt is %v, want it in UTC", what, got.ResetAt)
	case end.IsZero() && !near(got.ResetAt, window):
		c.errorf("%s: the window ends in %v", what, time.Until(got.ResetAt))
	case !end.IsZero() && got.ResetAt.Sub(end).Abs() > 2*time.Millisecond:
		c.errorf("%s: the end of the window moved by %v", what, got.ResetAt.Sub(end))
	}
	return got.ResetAt
}

var counterRules = []rule[store.Counters]{
	{"what is added is summed", "Add adds n to the counter in one step and returns its state after that.", func(c *recorder, s store.Counters) {
		end := c.adds(s, "a", 1, time.Hour, 1, time.Time{})
		c.adds(s, "a", 2, time.Hour, 3, end)
		c.adds(s, "b", 10, time.Minute, 10, time.Time{})
		c.adds(s, "A", 1, time.Minute, 1, time.Time{})
		c.adds(s, "a ", 1, time.Minute, 1, time.Time{})
		c.adds(s, "a", 4, time.Hour, 7, end)
		c.adds(s, "a", 1<<30, time.Hour, 7+1<<30, end)
	}},
	{"keys of any kind", "Add adds n to the counter in one step and returns its state after that.", func(c *recorder, s store.Counters) {
		for i, key := range []string{hostile, hostile + "x", "", fmt.Sprintf("%02000d", 1), fmt.Sprintf("%02000d", 2)} {
			c.adds(s, key, i+1, time.Hour, i+1, time.Time{})
		}
	}},
	{"the end of a window does not move", "A window starts with the key's first positive Add, by the store's clock, and ends window later; a later Add does not move its end.", func(c *recorder, s store.Counters) {
		end := c.adds(s, "a", 1, time.Hour, 1, time.Time{})
		until := time.Now().Add(20 * time.Millisecond)
		for n := 2; time.Now().Before(until); n++ {
			c.adds(s, "a", 1, time.Hour, n, end)
		}
		c.adds(s, "a", -1<<20, time.Minute, 0, end)
		c.adds(s, "a", 3, 48*time.Hour, 3, end) // given back to zero it goes on, whatever the length that is asked for
		c.adds(s, "a", 0, time.Second, 3, end)
	}},
	{"a window ends", "A window … ends window later, when the counter is zero again.", func(c *recorder, s store.Counters) {
		const window = 100 * time.Millisecond
		first, err := s.Add(c.ctx, "a", 5, window)
		c.ok(err, "Add")
		for n := 6; ; n++ {
			got, err := s.Add(c.ctx, "a", 1, window)
			c.ok(err, "Add")
			if now := time.Now(); got.N == 1 {
				if now.Before(first.ResetAt.Add(-2 * time.Millisecond)) {
					c.errorf("the counter is zero again %v before the end of its window", first.ResetAt.Sub(now))
				}
				if !got.ResetAt.After(first.ResetAt) {
					c.errorf("the next window ends at %v, the first at %v", got.ResetAt, first.ResetAt)
				}
				return
			} else if now.After(first.ResetAt.Add(time.Minute)) {
				c.fatalf("Add = %d a minute after the end of the window, want 1", got.N)
			}
			if got.N != n {
				c.errorf("Add = %d, want %d", got.N, n)
			}
			if first.ResetAt.Sub(got.ResetAt).Abs() > 2*time.Millisecond {
				c.fatalf("the end of the window moved by %v", got.ResetAt.Sub(first.ResetAt))
			}
		}
	}},
	{"giving back stops at zero", "n may be negative to give back, and zero to ask: the counter never falls below zero.", func(c *recorder, s store.Counters) {
		end := c.adds(s, "a", 3, time.Hour, 3, time.Time{})
		c.adds(s, "a", -1, time.Hour, 2, end)
		c.adds(s, "a", 0, time.Hour, 2, end)
		c.adds(s, "a", -7, time.Hour, 0, end)
		c.adds(s, "a", 0, time.Hour, 0, end)
		c.adds(s, "a", 1, time.Hour, 1, end)
	}},
	{"asking starts no window", "asking or giving back starts no window (the ResetAt of a counter that has none is now plus window).", func(c *recorder, s store.Counters) {
		c.adds(s, "a", 0, time.Hour, 0, time.Time{})
		c.adds(s, "a", -3, time.Hour, 0, time.Time{})
		c.adds(s, "a", 0, time.Minute, 0, time.Time{})
		c.adds(s, "a", 1, 24*time.Hour, 1, time.Time{})
	}},
	{"no addition is lost", "Add adds n to the counter in one step and returns its state after that.", func(c *recorder, s store.Counters) {
		c.rounds(func(round int) {
			key := fmt.Sprint("round ", round)
			var (
				mu   sync.Mutex
				seen = map[int]int{}
				ends = map[int64]bool{}
			)
			race(func(int) error {
				got, err := s.Add(c.ctx, key, 1, time.Hour)
				if err != nil {
					c.errorf("Add: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[got.N]++
				ends[got.ResetAt.UnixMilli()] = true
				return nil
			})
			for n := 1; n <= racers; n++ {
				if seen[n] != 1 {
					c.errorf("of %d callers %d were told %d, want one", racers, seen[n], n)
				}
			}
			if len(ends) != 1 {
				c.errorf("one window has %d ends", len(ends))
			}
		})
	}},
	{"a running window is never forgotten", "A backend may bound its memory, but it never forgets a running window to make room.", func(c *recorder, s store.Counters) {
		end := c.adds(s, "first", 5, time.Hour, 5, time.Time{})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 100 {
					got, err := s.Add(c.ctx, fmt.Sprint(i, " ", j), 1, time.Hour)
					if err == nil && got.N < 1 { // refusing is allowed
						c.errorf("Add of a new key = %d, want at least 1", got.N)
					}
				}
			})
		}
		wg.Wait()
		c.adds(s, "first", 1, time.Hour, 6, end)
	}},
	endedContexts[store.Counters](),
	hammered[store.Counters](),
}
