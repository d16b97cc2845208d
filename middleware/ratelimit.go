package middleware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/store"
)

// RateLimitConfig configures a [RateLimiter].
type RateLimitConfig struct {
	// Counters keeps the windows; required. With a store that several nodes
	// share, the limit holds over all of them.
	Counters store.Counters
	// Name stands before each key in Counters, so that limiters which share a
	// store do not count together; required.
	Name string
	// Key names whom a request counts against. Required by Handler, as no
	// default is safe: behind a proxy, RemoteAddr is the proxy. See
	// [Addresses.KeyOf].
	Key func(*http.Request) string
	// Limit is how many calls a key may make per Window; required.
	Limit int
	// Window starts at the key's first call, by the store's clock; default 1
	// minute, at least 1 second.
	Window time.Duration
	// PerSecond bounds the calls of a key in this process per second, and how
	// many may come at once. Zero: no such bound.
	PerSecond int
	// Limits returns the limits of one key in place of Limit and PerSecond; zero
	// or less keeps the one configured here. nil: every key has the same.
	Limits func(ctx context.Context, key string) (perWindow, perSecond int)
	// MaxKeys is of how many keys that called in the last seconds the calls per
	// second are remembered; default 1048576. A key that called once costs at most
	// 64 bytes, one that calls again some 200 more; one that is idle for three
	// seconds costs nothing. Further keys share one bound while there are so many
	// at once.
	MaxKeys int
	// Timeout is how long Counters may take; default 3 seconds.
	Timeout time.Duration
	// Refuse answers a call that is over the limit (429) or that could not be
	// counted (503). The headers are set already. Default: the API's error body
	// as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)
}

func (c RateLimitConfig) withDefaults() (RateLimitConfig, error) {
	var errs []error
	if c.Counters == nil {
		errs = append(errs, errors.New("missing Counters"))
	}
	if c.Name == "" {
		errs = append(errs, errors.New("missing Name"))
	}
	if c.Limit < 1 {
		errs = append(errs, fmt.Errorf("bad Limit %d: want at least 1", c.Limit))
	}
	if c.PerSecond < 0 {
		errs = append(errs, fmt.Errorf("bad PerSecond %d: want at least 1, or 0 for none", c.PerSecond))
	}
	c.Window = cmp.Or(c.Window, time.Minute)
	if c.Window < time.Second {
		errs = append(errs, fmt.Errorf("bad Window %v: want at least 1s", c.Window))
	}
	c.MaxKeys = cmp.Or(c.MaxKeys, 1<<20)
	if c.MaxKeys < 0 {
		errs = append(errs, fmt.Errorf("bad MaxKeys %d: want at least 1", c.MaxKeys))
	}
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("bad Timeout %v", c.Timeout))
	}
	if c.Refuse == nil {
		c.Refuse = refuseCall
	}
	return c, errors.Join(errs...)
}

// RateLimiter limits calls per key in two ways: so many in a window that the
// store counts, which is exact over all nodes, and so many per second in this
// process. golang.org/x/time/rate alone would let nearly twice the limit pass in
// one window, and twice more with a second node.
type RateLimiter struct {
	c       RateLimitConfig
	prefix  string
	seconds *perSecond
}

// NewRateLimiter returns a limiter, or all that is wrong with c.
func NewRateLimiter(c RateLimitConfig) (*RateLimiter, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("rate limit: %w", err)
	}
	return &RateLimiter{c: c, prefix: c.Name + ":", seconds: newPerSecond(c.Name+":", c.MaxKeys)}, nil
}

// Quota says how a key stands after a call.
type Quota struct {
	// Allowed is whether the call may go on.
	Allowed bool
	// Remaining is how many more calls the window allows; never negative.
	Remaining int
	// Reset is in how many seconds the window ends: at least 1, at most the
	// window.
	Reset int
	// RetryAfter is after how many seconds a refused call may be tried again;
	// zero when it was allowed.
	RetryAfter int
}

// ErrLimited says that a key made too many calls.
var ErrLimited = errors.New("too many calls")

// Take counts one call of key. The error is that of the counter store, which
// nobody may read as allowed: then Allowed is false, Remaining is 0 and
// RetryAfter is set.
//
// A call that is refused for its second does not count in the window, and a flood
// of them does not reach the store.
func (l *RateLimiter) Take(ctx context.Context, key string) (Quota, error) {
	perWindow, perSecond := l.c.Limit, l.c.PerSecond
	if l.c.Limits != nil {
		w, s := l.c.Limits(ctx, key)
		if w > 0 {
			perWindow = w
		}
		if s > 0 {
			perSecond = s
		}
	}
	now := time.Now()
	var slot *slot
	if perSecond > 0 {
		var ok bool
		if slot, ok = l.seconds.take(key, perSecond, now); !ok {
			return l.refusedSecond(l.last(ctx, slot, now), perWindow, now), nil
		}
	}
	var counter string
	if slot != nil {
		counter = slot.counter
	} else {
		counter = l.prefix + key
	}
	d := deadline.New(ctx, now, l.c.Timeout)
	count, err := l.c.Counters.Add(d, counter, 1, l.c.Window)
	d.Stop()
	if err != nil {
		return Quota{Reset: retryAfter, RetryAfter: retryAfter}, fmt.Errorf("count a call: %w", err)
	}
	slot.remember(count)
	q := Quota{
		Allowed:   count.N <= perWindow,
		Remaining: max(0, perWindow-count.N),
		Reset:     l.reset(count.ResetAt, now),
	}
	if !q.Allowed {
		q.RetryAfter = q.Reset
	}
	return q, nil
}

// last returns how the window of a slot stood at the last call that was counted.
// When none has told yet the store is asked, once; when it does not answer, or
// there is no slot, nobody knows, and the Count is zero.
func (l *RateLimiter) last(ctx context.Context, s *slot, now time.Time) store.Count {
	if s.ask() {
		d := deadline.New(ctx, now, l.c.Timeout)
		defer d.Stop()
		if count, err := l.c.Counters.Add(d, s.counter, 0, l.c.Window); err == nil {
			s.remember(count)
		}
	}
	return s.last()
}

// refusedSecond is the quota of a call over the limit per second: how the window
// stood at the last call that was counted. When that is not known, nothing is
// promised.
func (l *RateLimiter) refusedSecond(last store.Count, perWindow int, now time.Time) Quota {
	switch {
	case last.ResetAt.IsZero():
		last = store.Count{N: perWindow, ResetAt: now.Add(l.c.Window)}
	case !now.Before(last.ResetAt):
		last = store.Count{ResetAt: now.Add(l.c.Window)}
	}
	return Quota{Remaining: max(0, perWindow-last.N), Reset: l.reset(last.ResetAt, now), RetryAfter: 1}
}

// reset returns the whole seconds until at. The store's clock need not be ours,
// so they are kept within what a window can be.
func (l *RateLimiter) reset(at, now time.Time) int {
	seconds := int((at.Sub(now) + time.Second - 1) / time.Second)
	return min(max(1, seconds), int((l.c.Window+time.Second-1)/time.Second))
}

// Set writes the headers X-RateLimit-Remaining and X-RateLimit-Reset, and
// Retry-After when the call was refused.
func (q Quota) Set(h http.Header) {
	// One array for all values; each slice ends where it begins, so that an
	// added value cannot run into the next.
	values := new([3]string)
	values[0], values[1] = strconv.Itoa(q.Remaining), strconv.Itoa(q.Reset)
	h["X-Ratelimit-Remaining"] = values[0:1:1]
	h["X-Ratelimit-Reset"] = values[1:2:2]
	if !q.Allowed {
		values[2] = strconv.Itoa(q.RetryAfter)
		h["Retry-After"] = values[2:3:3]
	}
}

// Handler counts each request before next, says on every answer how the key
// stands, and refuses what is over the limit with 429. When the counter cannot be
// reached the answer is 503: a limit fails closed. It panics when Key is missing,
// a mistake in the source.
func (l *RateLimiter) Handler(next http.Handler) http.Handler {
	if l.c.Key == nil {
		panic("middleware: rate limit: missing Key")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := l.Take(r.Context(), l.c.Key(r))
		q.Set(w.Header())
		switch {
		case err != nil:
			l.c.Refuse(w, r, http.StatusServiceUnavailable, err)
		case !q.Allowed:
			l.c.Refuse(w, r, http.StatusTooManyRequests, ErrLimited)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuseCall(w http.ResponseWriter, r *http.Request, status int, _ error) {
	if status == http.StatusTooManyRequests {
		writeError(w, r, status, "rate_limited", "too many calls: wait for the seconds in Retry-After")
		return
	}
	writeError(w, r, status, "temporarily_unavailable", "the call could not be counted; try again later")
}
