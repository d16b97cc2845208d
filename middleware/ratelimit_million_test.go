package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// million is how many keys the tests of memory and of floods have.
const million = 1_000_000

// heap returns how many bytes are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// uncounted keeps no window, so that a test measures the limiter alone.
type uncounted struct{}

func (uncounted) Add(_ context.Context, _ string, n int, window time.Duration) (store.Count, error) {
	return store.Count{N: n, ResetAt: time.Now().Add(window)}, nil
}

func address(n int) string { return "2001:db8:" + strconv.FormatInt(int64(n), 16) + "::/64" }

// At a million keys the limiter takes at most 64 bytes for one that called and
// then was idle, of which it keeps no rate.Limiter, and nothing soon after; keys
// that have one drop it when they are idle.
func TestRateLimiterMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Counters: uncounted{}, Limit: 2000, PerSecond: 100})
		before := heap()
		perKey := func(keys int) float64 { return float64(heap()-before) / float64(keys) }
		take := func(key string) {
			t.Helper()
			if q, err := l.Take(t.Context(), key); err != nil || !q.Allowed {
				t.Fatalf("%s: %+v, %v", key, q, err)
			}
		}
		for n := 1; n <= million; n++ {
			take(address(n))
			if n >= million/2 && n%(million/4) == 0 {
				got := perKey(n)
				if got > 64 {
					t.Errorf("%d keys: %.1f bytes a key, want at most 64", n, got)
				}
				t.Logf("%d keys that called once: %.1f bytes a key", n, got)
			}
		}
		for n := range 100_000 {
			take(address(n + 1))
		}
		t.Logf("with 100000 that called twice: %.1f bytes a key", perKey(million))
		for range 3 { // another key is all that calls from here on
			time.Sleep(2 * time.Second)
			take("other")
		}
		got := perKey(million)
		if got > 1 {
			t.Errorf("when all are idle: %.2f bytes a key, want none", got)
		}
		t.Logf("when all are idle: %.2f bytes a key", got)
		runtime.KeepAlive(l)
	})
}

// The limiter with its windows in memory: 64 bytes are enough for both.
func TestRateLimiterMemoryWithCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Counters: memstore.New(), Limit: 2000, PerSecond: 100})
		const keys = 300_000
		before := heap()
		for n := range keys {
			if q, err := l.Take(t.Context(), address(n)); err != nil || q.Remaining != 1999 {
				t.Fatalf("key %d: %+v, %v", n, q, err)
			}
			if n%1000 == 0 {
				time.Sleep(50 * time.Millisecond) // 20000 calls a second: all windows run at the end
			}
		}
		got := float64(heap()-before) / keys
		if got > 64 {
			t.Errorf("%.1f bytes a key, want at most 64", got)
		}
		t.Logf("%.1f bytes a key", got)
		runtime.KeepAlive(l)
	})
}

// An attacker who has used up his second, or his window, does not get another one
// by calling with a million other keys, more than are remembered.
func TestRateLimiterFloodFreesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.RateLimitConfig{Limit: 20, PerSecond: 15})
		pass := func(key string, n int) (passed int) {
			t.Helper()
			for range n {
				q, err := l.Take(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				if q.Allowed {
					passed++
				}
			}
			return passed
		}
		if got := pass("attacker", 50); got != 15 {
			t.Fatalf("%d calls passed at once, want 15", got)
		}
		for n := range million * 11 / 10 { // no time passes: it stands still in here
			pass(address(n), 1)
		}
		if got := pass("attacker", 50); got != 0 {
			t.Errorf("after a flood %d more calls passed in that second, want none", got)
		}
		time.Sleep(time.Second)
		if got := pass("attacker", 50); got != 5 {
			t.Errorf("in the next second %d calls passed, want the 5 that the window still had", got)
		}
		time.Sleep(58 * time.Second)
		if got := pass("attacker", 50); got != 0 {
			t.Errorf("a second before the window's end %d calls passed, want none", got)
		}
		time.Sleep(time.Second)
		if got := pass("attacker", 50); got > 15 {
			t.Errorf("in the next window %d calls passed at once, want at most 15", got)
		}
	})
}

// Of 64 callers at once exactly as many pass as the limit says, and each is told
// another number of calls that are left: by the window, and by the second.
func TestRateLimiterParallel(t *testing.T) {
	for name, c := range map[string]middleware.RateLimitConfig{
		"window": {Limit: 40},
		"second": {Limit: 1 << 20, PerSecond: 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for round := range 50 {
					h := newLimiter(t, c).Handler(okHandler)
					var passed atomic.Int64
					var remaining sync.Map
					var wg sync.WaitGroup
					for range 64 {
						wg.Go(func() {
							w := call(h, "same")
							if w.Code == http.StatusOK {
								passed.Add(1)
								if _, twice := remaining.LoadOrStore(w.Header().Get("X-RateLimit-Remaining"), true); twice {
									t.Errorf("two callers were told %s", w.Header().Get("X-RateLimit-Remaining"))
								}
							} else if w.Code != http.StatusTooManyRequests {
								t.Errorf("got %d", w.Code)
							}
						})
					}
					wg.Wait()
					if got := passed.Load(); got != 40 {
						t.Fatalf("round %d: %d calls passed, want 40", round, got)
					}
				}
			})
		})
	}
}

// A call that is refused for its second learns how the window stands, even when
// only a single call was counted before.
func TestRateLimiterRefusedSecondIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &brokenStore{Store: memstore.New()}
		h := newLimiter(t, middleware.RateLimitConfig{Counters: s, Limit: 10, PerSecond: 1}).Handler(okHandler)
		call(h, "a")
		time.Sleep(500 * time.Millisecond)
		for range 20 {
			w := call(h, "a")
			if w.Code != 429 || w.Header().Get("X-RateLimit-Remaining") != "9" || w.Header().Get("X-RateLimit-Reset") != "60" || w.Header().Get("Retry-After") != "1" {
				t.Fatalf("%d %v", w.Code, w.Header())
			}
		}
		if s.adds != 2 {
			t.Errorf("%d calls of the store, want 2: to count one call and to ask once", s.adds)
		}
		time.Sleep(5 * time.Second)
		s.counters = true
		if w := call(h, "a"); w.Code != 503 {
			t.Errorf("store down: %d", w.Code)
		}
		if w := call(h, "a"); w.Code != 429 || w.Header().Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("refused while the store is down: %d %v", w.Code, w.Header())
		}
	})
}

// Callers in one /64 share a limit, callers in two do not, and what a client
// writes into a forwarded header moves it nowhere.
func TestRateLimiterByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxies := newAddresses(t, "10.0.0.0/8")
		h := newLimiter(t, middleware.RateLimitConfig{Limit: 3, Key: proxies.KeyOf}).Handler(okHandler)
		from := func(peer, forwarded string) int {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = peer
			if forwarded != "" {
				r.Header.Set("X-Forwarded-For", forwarded)
			}
			return serve(h, r).Code
		}
		for i, c := range []struct {
			peer, forwarded string
			want            int
		}{
			{"[2001:db8:1:2::1]:9", "", 200},
			{"[2001:db8:1:2:ffff::1]:9", "", 200},
			{"10.0.0.1:9", "2001:db8:1:2::3", 200}, // the same network behind our proxy
			{"[2001:db8:1:2::4]:9", "", 429},
			{"[2001:db8:1:2::4]:9", "203.0.113.1", 429}, // no proxy of ours: its header is a claim
			{"10.0.0.1:9", "203.0.113.2, 2001:db8:1:2::5", 429},
			{"[2001:db8:1:3::1]:9", "", 200},
			{"10.0.0.1:9", "198.51.100.1", 200},
			{"[::ffff:198.51.100.1]:9", "", 200},
			{"198.51.100.1:9", "", 200},
			{"10.0.0.2:9", "198.51.100.1", 429},
			{"198.51.100.2:9", "", 200},
		} {
			if got := from(c.peer, c.forwarded); got != c.want {
				t.Errorf("call %d, of %s for %q: %d, want %d", i, c.peer, c.forwarded, got, c.want)
			}
		}
	})
}

// BenchmarkHotKey is one key that calls again and again: alone, beside a million
// others that are remembered, and by 64 callers at once.
func BenchmarkHotKey(b *testing.B) {
	for _, others := range []int{0, million} {
		l := newLimiter(b, middleware.RateLimitConfig{Limit: 1 << 40, PerSecond: 1 << 40, Key: benchKey})
		for n := range others {
			if _, err := l.Take(b.Context(), address(n)); err != nil {
				b.Fatal(err)
			}
		}
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("others=%d/callers=%d", others, callers), func(b *testing.B) {
				if callers == 1 {
					benchmarkOne(b, l.Handler(okHandler))
					return
				}
				b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
				benchmarkHandler(b, l.Handler(okHandler))
			})
		}
	}
}

func benchmarkOne(b *testing.B, h http.Handler) {
	b.ReportAllocs()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Key", "no.mediaconnect.test")
	w := &discard{http.Header{}}
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

// BenchmarkMillionKeys is the first call of each of a million keys, and says what
// the limiter alone keeps of each.
func BenchmarkMillionKeys(b *testing.B) {
	for b.Loop() {
		l := newLimiter(b, middleware.RateLimitConfig{Counters: uncounted{}, Limit: 2000, PerSecond: 100})
		before := heap()
		start := time.Now()
		for n := range million {
			if _, err := l.Take(b.Context(), address(n)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/million, "ns/key")
		b.ReportMetric(float64(heap()-before)/million, "bytes/key")
		runtime.KeepAlive(l)
	}
}
