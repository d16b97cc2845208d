package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// shards is how many locks the counters share; more than there are cores.
const shards = 64

// maxShared bounds how many lengths of window have a shared counter of their own.
const maxShared = 64

type counters struct {
	seed   maphash.Seed
	shards [shards]counterShard
}

type counterShard struct {
	mu  sync.Mutex
	max int
	t   table[string, int]
	// shared counts, by length of window, the keys that found no room.
	shared map[time.Duration]*store.Count
}

// errFull refuses a key for which there is not even a shared counter.
var errFull = errors.New("memstore: too many counters")

func (t *counters) init(most int) {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].max = max(1, most/shards)
		t.shards[i].t = newTable[string, int]()
	}
}

func (t *counters) sweep(now time.Time, limit int) int {
	n := 0
	for i := range t.shards {
		n += locked(&t.shards[i].mu, t.shards[i].t.sweep, now, limit-n)
	}
	return n
}

// Add implements [store.Counters].
func (s *Store) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	if err := ctx.Err(); err != nil {
		return store.Count{}, err
	}
	if window <= 0 {
		return store.Count{}, fmt.Errorf("memstore: bad window %v: want a positive one", window)
	}
	now := time.Now()
	t := &s.counters.shards[maphash.String(s.counters.seed, key)%shards]
	t.mu.Lock()
	defer t.mu.Unlock()
	if it := t.t.live(key, now); it != nil {
		it.rec = add(it.rec, n)
		return store.Count{N: it.rec, ResetAt: it.expires}, nil
	}
	return t.start(key, n, window, now)
}

// start counts a key that has no running window.
//
// Keys that found no room share a counter, whose window ends only when the last
// of them would have ended. Until then a key that finds room again may be one of
// them, and takes the shared count along: it may reach a limit early, never late.
func (t *counterShard) start(key string, n int, window time.Duration, now time.Time) (store.Count, error) {
	shared := t.shared[window]
	if shared != nil && !shared.ResetAt.After(now) {
		delete(t.shared, window)
		shared = nil
	}
	count := store.Count{ResetAt: now.Add(window).UTC()}
	if shared != nil {
		count.N = shared.N
	}
	if n <= 0 { // what others share is not given back
		return count, nil
	}
	if t.t.byKey[key] == nil && len(t.t.byKey) >= t.max && t.t.sweep(now, 1) == 0 {
		if shared == nil {
			if len(t.shared) >= maxShared {
				return store.Count{}, errFull
			}
			if t.shared == nil {
				t.shared = map[time.Duration]*store.Count{}
			}
			shared = &store.Count{}
			t.shared[window] = shared
		}
		shared.N, shared.ResetAt = add(shared.N, n), now.Add(window).UTC()
		return *shared, nil
	}
	count.N = add(count.N, n)
	t.t.insert(key, count.N, count.ResetAt, now)
	return count, nil
}

// add adds without falling below zero or running over.
func add(count, n int) int {
	if n > 0 && count > math.MaxInt-n {
		return math.MaxInt
	}
	return max(0, count+n)
}
