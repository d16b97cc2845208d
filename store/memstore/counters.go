package memstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connectid-kit/connectid/internal/compact"
	"github.com/connectid-kit/connectid/store"
)

// shards is how many locks and tables the counters are spread over: so many that
// a table with its share of a million keys grows in well under a millisecond.
const shards = 256

// maxShared bounds how many lengths of window have a shared counter of their own.
const maxShared = 64

// counters keep a window in 32 bytes: a hash of its key, its sum and its end.
// Strangers choose many of the keys, so this is what their number costs.
type counters struct {
	seed   compact.Seed
	begin  time.Time // what windows' ends are counted from
	max    int64
	n      atomic.Int64 // windows in all shards
	shards [shards]counterShard
	swept  atomic.Uint32 // how many shards were swept; the next one is this, modulo shards
}

type counterShard struct {
	mu      sync.Mutex
	windows compact.Table[window]
	// shared counts, by length of window, the keys that found no room.
	shared map[time.Duration]*store.Count
}

// window is a counter: n until ends, in time since counters.begin. So it goes by
// the clock that nobody sets back or forth.
type window struct {
	n    int
	ends time.Duration
}

// errFull refuses a key for which there is not even a shared counter.
var errFull = errors.New("memstore: too many counters")

func (t *counters) init(most int) {
	t.seed, t.begin, t.max = compact.NewSeed(), time.Now(), int64(most)
}

func (t *counters) count(w window) store.Count {
	return store.Count{N: w.n, ResetAt: t.begin.Add(w.ends).UTC()}
}

// sweep goes on at the shard where the sweep before stopped, so that those who
// call it until nothing is left walk each shard about once.
func (t *counters) sweep(now time.Time, limit int) int {
	at, n := now.Sub(t.begin), 0
	for range shards {
		next := t.swept.Load()
		s := &t.shards[next%shards]
		s.mu.Lock()
		n += t.drop(s, s.windows.Size(), limit-n, at)
		s.windows.Shrink()
		s.mu.Unlock()
		if n >= limit {
			break
		}
		t.swept.CompareAndSwap(next, next+1)
	}
	return n
}

// drop removes up to limit windows that have ended, of look slots that it looks at.
func (t *counters) drop(s *counterShard, look, limit int, now time.Duration) int {
	n := s.windows.Sweep(look, limit, func(w *window) bool { return w.ends <= now })
	t.n.Add(int64(-n))
	return n
}

// Add implements [store.Counters].
func (s *Store) Add(ctx context.Context, key string, n int, length time.Duration) (store.Count, error) {
	if err := ctx.Err(); err != nil {
		return store.Count{}, err
	}
	if length <= 0 {
		return store.Count{}, fmt.Errorf("memstore: bad window %v: want a positive one", length)
	}
	t := &s.counters
	k := t.seed.Key(key)
	now := time.Now()
	shard := &t.shards[k.Shard(shards)]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	w := shard.windows.Get(k)
	if w != nil && w.ends > now.Sub(t.begin) {
		w.n = add(w.n, n)
		return t.count(*w), nil
	}
	return t.start(shard, k, w != nil, n, length, now)
}

// start counts a key that has no running window; old says that it still has the
// place of one that has ended.
//
// Keys that found no room share a counter, whose window ends only when the last
// of them would have ended. Until then a key that finds room again may be one of
// them, and takes the shared count along: it may reach a limit early, never late.
func (t *counters) start(s *counterShard, k compact.Key, old bool, n int, length time.Duration, now time.Time) (store.Count, error) {
	shared := s.shared[length]
	if shared != nil && !shared.ResetAt.After(now) {
		delete(s.shared, length)
		shared = nil
	}
	at := now.Sub(t.begin)
	w := window{ends: at + length}
	if shared != nil {
		w.n = shared.N
	}
	if n <= 0 { // what others share is not given back
		return t.count(w), nil
	}
	w.n = add(w.n, n)
	if !old {
		// Each insertion looks at a few slots, so that windows that have ended do
		// not gather while Sweep is not called.
		t.drop(s, 8, 8, at)
		if t.n.Load() >= t.max && t.drop(s, 64, 1, at) == 0 {
			return s.share(shared, w, length, now)
		}
		t.n.Add(1)
	}
	s.windows.Put(k, w)
	return t.count(w), nil
}

// share counts a key for which there is no room together with all such.
func (s *counterShard) share(shared *store.Count, w window, length time.Duration, now time.Time) (store.Count, error) {
	if shared == nil {
		if len(s.shared) >= maxShared {
			return store.Count{}, errFull
		}
		if s.shared == nil {
			s.shared = map[time.Duration]*store.Count{}
		}
		shared = &store.Count{}
		s.shared[length] = shared
	}
	shared.N, shared.ResetAt = w.n, now.Add(length).UTC()
	return *shared, nil
}

// add adds without falling below zero or running over.
func add(count, n int) int {
	if n > 0 && count > math.MaxInt-n {
		return math.MaxInt
	}
	return max(0, count+n)
}
