package middleware

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectid-kit/connectid/store"
)

// slot is what is remembered of one key: its bucket, and how its window stood at
// the last call that was counted.
type slot struct {
	counter string // the key's name in the store, kept so that it is put together once
	bucket  *rate.Limiter
	limit   int // calls per second, and the size of the bucket

	mu    sync.Mutex
	count store.Count
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

// idle is how long a slot must be unused before it may go. A bucket of n that
// fills by n per second is full again after one second: forgetting it then
// changes nothing for its key. The rest is slack for clocks.
const idle = 1500 * time.Millisecond

// perSecond keeps a bucket per key in two generations. A slot that is used moves
// to the younger; when the younger is idle old, the elder, whose slots nobody
// used meanwhile, is dropped whole. So nothing is scanned, nothing that still
// counts is dropped, and both together hold at most max slots.
type perSecond struct {
	prefix string // of counter names
	max    int

	mu      sync.Mutex
	young   map[string]*slot
	old     map[string]*slot
	turned  time.Time // when young was begun
	crowd   *slot     // what keys without a slot share while there is no room
	crowded time.Time // when it was last used
}

func newPerSecond(prefix string, maxKeys int) *perSecond {
	return &perSecond{prefix: prefix, max: maxKeys, young: map[string]*slot{}, old: map[string]*slot{}}
}

// take takes one call of key from its bucket of the given size, and returns the
// key's slot and whether there was one left.
//
// It is always Allow: Wait and Reserve of the bucket would hold handlers.
func (p *perSecond) take(key string, limit int, now time.Time) (*slot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.turned) >= idle {
		p.turn(now)
	}
	s := p.young[key]
	if s == nil {
		if s = p.old[key]; s != nil {
			delete(p.old, key)
			p.young[key] = s
		} else if len(p.young)+len(p.old) < p.max {
			s = newSlot(p.prefix+key, limit)
			p.young[key] = s
		} else {
			return p.takeCrowd(limit, now)
		}
	}
	if s.limit != limit {
		s.resize(limit, now)
	}
	return s, s.bucket.AllowN(now, 1)
}

// turn drops the slots that nobody has used for a generation.
func (p *perSecond) turn(now time.Time) {
	clear(p.old)
	if now.Sub(p.turned) >= 2*idle {
		clear(p.young) // none was used since the generation before ended
	}
	p.young, p.old = p.old, p.young
	p.turned = now
}

// takeCrowd takes a call of a key for which there is no room. All of them share
// one bucket, of the smallest limit among them: they may be refused early, never
// late, and no slot in use is given up for them, which an attacker with many keys
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
