package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

func newLimiter(t testing.TB, c middleware.RateLimitConfig) *middleware.RateLimiter {
	t.Helper()
	if c.Counters == nil {
		c.Counters = memstore.New()
	}
	if c.Key == nil {
		c.Key = func(r *http.Request) string { return r.Header.Get("Key") }
	}
	c.Name = "test"
	l, err := middleware.NewRateLimiter(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func call(h http.Handler, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Key", key)
	return serve(h, r)
}

func TestRateLimiterWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newLimiter(t, middleware.RateLimitConfig{Limit: 2}).Handler(okHandler)
		for i, step := range []struct {
			wait                    time.Duration
			key                     string
			status                  int
			remaining, reset, retry string
		}{
			{0, "a", 200, "1", "60", ""},
			{20*time.Second + time.Millisecond, "a", 200, "0", "40", ""}, // whole seconds, rounded up
			{0, "a", 429, "0", "40", "40"},
			{0, "b", 200, "1", "60", ""},                  // a key of its own
			{39*time.Second + 0, "a", 429, "0", "1", "1"}, // a refusal moves no window
			{998 * time.Millisecond, "a", 429, "0", "1", "1"},
			{time.Millisecond, "a", 200, "1", "60", ""}, // 60 s after its first call
			{0, "b", 200, "0", "21", ""},
		} {
			time.Sleep(step.wait) // the bubble's clock: no real waiting
			w := call(h, step.key)
			got := []string{strconv.Itoa(w.Code), w.Header().Get("X-RateLimit-Remaining"), w.Header().Get("X-RateLimit-Reset"), w.Header().Get("Retry-After")}
			want := []string{strconv.Itoa(step.status), step.remaining, step.reset, step.retry}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("step %d: got %q, want %q", i, got, want)
			}
		}
	})
}

func TestRateLimiterSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &brokenStore{Store: memstore.New()}
		h := newLimiter(t, middleware.RateLimitConfig{Counters: s, Limit: 1000, PerSecond: 5}).Handler(okHandler)
		pass := func(n int) (ok int) {
			for range n {
				if call(h, "a").Code == 200 {
					ok++
				}
			}
			return ok
		}
		if got := pass(20); got != 5 {
			t.Errorf("at once: %d calls passed, want 5", got)
		}
		w := call(h, "a")
		if w.Code != 429 || w.Header().Get("Retry-After") != "1" || w.Header().Get("X-RateLimit-Remaining") != "995" || w.Header().Get("X-RateLimit-Reset") != "60" {
			t.Errorf("refused for its second: %d %v", w.Code, w.Header())
		}
		if s.adds != 5 {
			t.Errorf("refused calls reached the store: %d calls, want 5", s.adds)
		}
		if call(h, "b").Code != 200 {
			t.Error("another key was refused")
		}
		time.Sleep(200 * time.Millisecond)
		if got := pass(20); got != 1 {
			t.Errorf("0.2 s later: %d calls passed, want 1", got)
		}
		// In its idle time a bucket is dropped: full again, not fuller.
		for _, wait := range []time.Duration{time.Second, 1400 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
			time.Sleep(wait)
			if got := pass(20); got != 5 {
				t.Errorf("after %v: %d calls passed, want 5", wait, got)
			}
		}
	})
}

// The rate alone would let nearly twice the limit pass in one window: a full
// bucket at its start and what drips in until its end.
func TestRateLimiterWindowIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 100, PerSecond: 10})
		passed := 0
		for range 60 * 20 {
			q, err := l.Take(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if q.Allowed {
				passed++
			}
			time.Sleep(49 * time.Millisecond)
		}
		if passed != 100 {
			t.Errorf("%d calls passed in one window, want 100", passed)
		}
	})
}

func TestRateLimiterLimitsPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perSecond := 3
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 10, PerSecond: 5, Limits: func(_ context.Context, key string) (int, int) {
			switch key {
			case "window":
				return 2, 0
			case "second":
				return 0, perSecond
			case "negative":
				return -1, -1
			}
			return 0, 0
		}})
		pass := func(key string) (ok int) {
			for range 20 {
				if q, err := l.Take(t.Context(), key); err != nil {
					t.Fatal(err)
				} else if q.Allowed {
					ok++
				}
			}
			return ok
		}
		for key, want := range map[string]int{"window": 2, "second": 3, "negative": 5, "other": 5} {
			if got := pass(key); got != want {
				t.Errorf("%s: %d calls passed, want %d", key, got, want)
			}
		}
		perSecond = 1 // the client's record was changed
		time.Sleep(time.Second)
		if got := pass("second"); got != 1 {
			t.Errorf("lowered: %d calls passed, want 1", got)
		}
		perSecond = 4
		time.Sleep(time.Second)
		if got := pass("second"); got > 4 || got < 1 {
			t.Errorf("raised: %d calls passed, want 1 to 4", got)
		}
	})
}

// Buckets that are still filling are not forgotten, whatever the pause between
// the calls and however the generations turn meanwhile.
func TestRateLimiterKeepsFillingBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 1 << 30, PerSecond: 10})
		drain := func() (n int) {
			for range 15 {
				if q, err := l.Take(t.Context(), "a"); err != nil {
					t.Fatal(err)
				} else if q.Allowed {
					n++
				}
			}
			return n
		}
		drain()
		for range 5 {
			for tenths := 1; tenths <= 14; tenths++ {
				time.Sleep(time.Duration(tenths)*100*time.Millisecond + time.Microsecond)
				if got, want := drain(), min(10, tenths); got != want {
					t.Errorf("after %d00 ms: %d calls passed, want %d", tenths, got, want)
				}
			}
		}
	})
}

// Buckets that are full again give their room to others.
func TestRateLimiterDropsIdleBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 1 << 30, PerSecond: 1, MaxKeys: 100})
		for round := range 30 {
			for i := range 20 { // at most 80 in three seconds
				if q, err := l.Take(t.Context(), fmt.Sprint(round, "-", i)); err != nil || !q.Allowed {
					t.Fatalf("round %d: %+v, %v: no room for a new key", round, q, err)
				}
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		for round := range 30 {
			for i := range 60 { // the same ones, each with one place
				if q, err := l.Take(t.Context(), fmt.Sprint(i)); err != nil || !q.Allowed {
					t.Fatalf("round %d: %+v, %v: a key in use has no room", round, q, err)
				}
			}
			for i := range 10 {
				if q, err := l.Take(t.Context(), fmt.Sprint("more", round, "-", i)); err != nil || !q.Allowed {
					t.Fatalf("round %d: %+v, %v: no room beside keys in use", round, q, err)
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// Who has many keys must not be able to push out another's used-up bucket, or
// his own.
func TestRateLimiterEvictionFreesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 1 << 30, PerSecond: 10, MaxKeys: 100})
		take := func(key string) bool {
			q, err := l.Take(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return q.Allowed
		}
		for range 10 {
			take("attacker")
		}
		passed := 0
		for i := range 1000 {
			if take("key" + strconv.Itoa(i)) {
				passed++
			}
		}
		if take("attacker") {
			t.Error("the attacker's bucket was forgotten")
		}
		if want := 99 + 10; passed != want { // 99 found room, the others share ten a second
			t.Errorf("%d keys passed, want %d", passed, want)
		}
		w := call(l.Handler(okHandler), "key999")
		if w.Code != 429 || w.Header().Get("X-RateLimit-Remaining") != "0" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("without room: %d %v", w.Code, w.Header())
		}
		time.Sleep(4 * time.Second)
		passed = 0
		for i := range 50 {
			if take("later" + strconv.Itoa(i)) {
				passed++
			}
		}
		if passed != 50 {
			t.Errorf("when the others are idle: %d keys passed, want 50", passed)
		}
	})
}

func TestRateLimiterStoreDown(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		t.Run(fmt.Sprintf("frozen=%t", frozen), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &brokenStore{Store: memstore.New(), counters: true, frozen: frozen}
				reached := false
				h := newLimiter(t, middleware.RateLimitConfig{Counters: s, Limit: 5}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
				start := time.Now()
				w := call(h, "a")
				if took := time.Since(start); took >= 5*time.Second {
					t.Errorf("took %v, want less than 5s", took)
				}
				if w.Code != 503 || reached || w.Header().Get("Retry-After") != "5" || w.Header().Get("X-RateLimit-Remaining") != "0" {
					t.Errorf("got %d %v, reached %t", w.Code, w.Header(), reached)
				}
				if strings.Contains(w.Body.String(), "10.9.8.7") {
					t.Errorf("the body tells of the inside: %s", w.Body)
				}
				s.counters = false // recovery needs no restart
				if w := call(h, "a"); w.Code != 200 {
					t.Errorf("after the outage: %d", w.Code)
				}
			})
		})
	}
}

func TestRateLimiterBody(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, middleware.RateLimitConfig{Limit: 1})
	h := l.Handler(okHandler)
	call(h, "a")
	w := call(h, "a")
	body, _ := io.ReadAll(w.Body)
	if !strings.Contains(string(body), `"exceptionType":"rate_limited"`) || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("default body: %s %v", body, w.Header())
	}
	l = newLimiter(t, middleware.RateLimitConfig{Limit: 1, Refuse: func(w http.ResponseWriter, r *http.Request, status int, err error) {
		if !errors.Is(err, middleware.ErrLimited) {
			t.Errorf("got %v", err)
		}
		w.WriteHeader(status)
		io.WriteString(w, "mine")
	}})
	h = l.Handler(okHandler)
	call(h, "a")
	if w := call(h, "a"); w.Code != 429 || w.Body.String() != "mine" {
		t.Errorf("own body: %d %s", w.Code, w.Body)
	}
}

// skewed is a store whose clock is an hour ahead, or behind.
type skewed struct{ by time.Duration }

func (s skewed) Add(_ context.Context, _ string, n int, window time.Duration) (store.Count, error) {
	return store.Count{N: n, ResetAt: time.Now().Add(window + s.by)}, nil
}

func TestRateLimiterSkewedStore(t *testing.T) {
	t.Parallel()
	for by, want := range map[time.Duration]int{time.Hour: 60, -time.Hour: 1} {
		q, err := newLimiter(t, middleware.RateLimitConfig{Counters: skewed{by}, Limit: 1}).Take(t.Context(), "a")
		if err != nil || q.Reset != want {
			t.Errorf("%v: got %+v, %v; want Reset %d", by, q, err, want)
		}
	}
}

func TestRateLimiterConcurrent(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, middleware.RateLimitConfig{Limit: 500, PerSecond: 1 << 20, MaxKeys: 10})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if q, err := l.Take(context.Background(), "same"); err == nil && q.Allowed {
					passed.Add(1)
				}
				l.Take(context.Background(), strconv.Itoa(g*1000+i))
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != 500 {
		t.Errorf("%d calls passed, want 500", got)
	}
}

func TestNewRateLimiterFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewRateLimiter(middleware.RateLimitConfig{Window: time.Millisecond, PerSecond: -1, MaxKeys: -1, Timeout: -1})
	for _, want := range []string{"Counters", "Name", "Limit", "Window", "PerSecond", "MaxKeys", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	l, err := middleware.NewRateLimiter(middleware.RateLimitConfig{Counters: memstore.New(), Name: "x", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Handler without Key did not panic")
		}
	}()
	l.Handler(okHandler)
}

func TestRateLimiterAllocations(t *testing.T) {
	// Values above 99 are not among strconv's ready strings.
	q := middleware.Quota{Allowed: true, Remaining: 1234, Reset: 42}
	h := http.Header{"X-Ratelimit-Remaining": nil, "X-Ratelimit-Reset": nil}
	if n := testing.AllocsPerRun(100, func() { q.Set(h) }); n > 3 {
		t.Errorf("headers take %v allocations, want at most 3", n)
	}
}

// discard is a ResponseWriter that costs nothing, so that a benchmark measures
// the limiter.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func benchmarkHandler(b *testing.B, h http.Handler) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Key", "no.mediaconnect.test")
		w := &discard{http.Header{}}
		for pb.Next() {
			clear(w.h)
			h.ServeHTTP(w, r)
		}
	})
}

var benchKey = func(r *http.Request) string { return r.Header["Key"][0] }

// BenchmarkLimiter is the limiter as middleware, over memstore.
func BenchmarkLimiter(b *testing.B) {
	l := newLimiter(b, middleware.RateLimitConfig{Limit: 1 << 40, PerSecond: 1 << 40, Key: benchKey})
	benchmarkHandler(b, l.Handler(okHandler))
}

// BenchmarkFloorLimiter does the same work with a map behind a mutex: a window
// and a rate per key, and the headers.
func BenchmarkFloorLimiter(b *testing.B) {
	type entry struct {
		n       int
		resetAt time.Time
		bucket  *rate.Limiter
	}
	var mu sync.Mutex
	m := map[string]*entry{}
	benchmarkHandler(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := benchKey(r)
		now := time.Now()
		mu.Lock()
		e := m[key]
		if e == nil {
			e = &entry{bucket: rate.NewLimiter(1<<40, 1<<40)}
			m[key] = e
		}
		if !now.Before(e.resetAt) {
			e.n, e.resetAt = 0, now.Add(time.Minute)
		}
		e.n++
		n, resetAt, ok := e.n, e.resetAt, e.bucket.Allow()
		mu.Unlock()
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(1<<40-n))
		w.Header().Set("X-RateLimit-Reset", strconv.Itoa(int(time.Until(resetAt)/time.Second)+1))
		if !ok || n > 1<<40 {
			w.WriteHeader(429)
			return
		}
		okHandler(w, r)
	}))
}
