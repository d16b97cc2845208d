package middleware

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectid-kit/connectid/internal/compact"
	"github.com/connectid-kit/connectid/store"
)

// slot is what is kept of a key that calls more than once in the idle time: its
// bucket, and how its window stood at the last call that was counted.
type slot struct {
	counter string // the key's name in the store, kept so that it is put together once
	bucket  *rate.Limiter
	limit   int // calls per second, and the size of the bucket

	mu    sync.Mutex
	count store.Count
	asked bool
}

// last returns how the window stood; zero when nobody knows.
func (s *slot) last() store.Count {
	if s == nil {
		return store.Count{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *slot) remember(c store.Count) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.count = c
	s.mu.Unlock()
}

// ask reports whether the caller is the one to ask the store how the window
// stands: once in a slot's life, and only when no call has told.
func (s *slot) ask() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked || !s.count.ResetAt.IsZero() {
		return false
	}
	s.asked = true
	return true
}

// idle is how long a key must be unused before it may go. A bucket of n that
// fills by n per second is full again after one second: forgetting it then
// changes nothing for its key. The rest is slack for clocks.
const idle = 1500 * time.Millisecond

// seen is what is kept of every key in use: only when it called, until it calls
// again. Then it gets a bucket from which that first call is taken too.
type seen struct {
	at   time.Duration // the first call, since perSecond.begin
	slot *slot
}

// generation holds the keys that were used in one stretch of time.
type generation struct {
	tables [128]compact.Table[seen]
	n      int
}

func (g *generation) table(k compact.Key) *compact.Table[seen] {
	return &g.tables[k.Shard(len(g.tables))]
}

// perSecond keeps the keys in use in two generations. A key that is used moves to
// the younger; when the younger is idle old, the elder, whose keys nobody used
// meanwhile, is dropped whole. So nothing is scanned, nothing that still counts
// is dropped, and both together hold at most max keys.
type perSecond struct {
	prefix string // of counter names
	max    int
	seed   compact.Seed
	begin  time.Time

	mu      sync.Mutex
	young   *generation
	old     *generation
	turned  time.Time // when young was begun
	crowd   *slot     // what keys share for which there is no room
	crowded time.Time // when it was last used
}

func newPerSecond(prefix string, maxKeys int) *perSecond {
	return &perSecond{
		prefix: prefix, max: maxKeys, seed: compact.NewSeed(), begin: time.Now(),
		young: &generation{}, old: &generation{},
	}
}

// take takes one call of key from its bucket of the given size, and returns
// whether there was one left, and the key's slot; nil when it has none.
//
// It is always Allow: Wait and Reserve of the bucket would hold handlers.
func (p *perSecond) take(key string, limit int, now time.Time) (*slot, bool) {
	k := p.seed.Key(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.turned) >= idle {
		p.turn(now)
	}
	table := p.young.table(k)
	e := table.Get(k)
	if e == nil {
		if before := p.old.table(k); before.Get(k) != nil {
			table.Put(k, *before.Get(k))
			before.Delete(k)
			p.old.n--
			p.young.n++
			e = table.Get(k)
		} else if p.young.n+p.old.n < p.max {
			table.Put(k, seen{at: now.Sub(p.begin)})
			p.young.n++
			return nil, true // the first of a full bucket, which holds at least one
		} else {
			return p.takeCrowd(limit, now)
		}
	}
	switch {
	case e.slot == nil:
		e.slot = newSlot(p.prefix+key, limit)
		e.slot.bucket.AllowN(p.begin.Add(e.at), 1)
	case e.slot.limit != limit:
		e.slot.resize(limit, now)
	}
	return e.slot, e.slot.bucket.AllowN(now, 1)
}

// turn drops the keys that nobody has used for a generation.
func (p *perSecond) turn(now time.Time) {
	p.old, p.young = p.young, &generation{}
	if now.Sub(p.turned) >= 2*idle {
		p.old = &generation{} // none was used since the generation before ended
	}
	p.turned = now
}

// takeCrowd takes a call of a key for which there is no room. All of them share
// one bucket, of the smallest limit among them: they may be refused early, never
// late, and no key in use is given up for them, which an attacker with many keys
// could bring about to be free of his own. There is no slot to return.
func (p *perSecond) takeCrowd(limit int, now time.Time) (*slot, bool) {
	if p.crowd == nil || now.Sub(p.crowded) >= idle {
		p.crowd = newSlot("", limit)
	} else if limit < p.crowd.limit {
		p.crowd.resize(limit, now)
	}
	p.crowded = now
	return nil, p.crowd.bucket.AllowN(now, 1)
}

func newSlot(counter string, limit int) *slot {
	return &slot{counter: counter, bucket: rate.NewLimiter(rate.Limit(limit), limit), limit: limit}
}

func (s *slot) resize(limit int, now time.Time) {
	s.limit = limit
	s.bucket.SetLimitAt(now, rate.Limit(limit))
	s.bucket.SetBurstAt(now, limit)
}
