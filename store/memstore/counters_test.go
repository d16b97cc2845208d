package memstore_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/store/memstore"
)

// A full store counts further keys together: early, never late.
func TestCountersFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 640
		s, err := memstore.NewWith(memstore.Config{MaxCounters: most})
		if err != nil {
			t.Fatal(err)
		}
		add := func(key string, n int) int {
			t.Helper()
			c, err := s.Add(t.Context(), key, n, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return c.N
		}
		if got := add("running", 7); got != 7 {
			t.Fatalf("Add = %d, want 7", got)
		}
		for i := range 20 * most { // an attacker's keys
			add(fmt.Sprint("flood", i), 1)
		}
		if got := add("running", 1); got != 8 {
			t.Errorf("a running window counts %d, want 8: it was forgotten to make room", got)
		}
		time.Sleep(30 * time.Second)
		first := add("late", 1)
		if first < 2 {
			t.Errorf("a key without room counts %d alone, want it counted with others", first)
		}
		if got := add("late", -1); got < first {
			t.Errorf("giving back took %d to %d: others' count was lowered", first, got)
		}
		time.Sleep(31 * time.Second) // the flood's windows end, that of late's Add does not
		if got := add("late", 1); got <= first {
			t.Errorf("a key that found room again counts %d, want more than %d: it is late", got, first)
		}
		if n, err := s.Sweep(t.Context(), time.Now(), 10*most); err != nil || n > most {
			t.Errorf("Sweep = %d, %v, want at most %d: memory was not bounded", n, err, most)
		}
		time.Sleep(time.Minute)
		if got := add("late", 1); got != 1 {
			t.Errorf("a minute later the key counts %d, want 1", got)
		}
	})
}

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

// A key whose window runs costs at most 64 bytes, with all that is kept about
// it, at a million keys and on the way there: tables grow at different sizes.
func TestCountersMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		before := heap()
		for n := 1; n <= million; n++ {
			// As long as the keys of real limiters.
			if _, err := s.Add(t.Context(), "api-address:2001:db8:"+strconv.Itoa(n)+"::/64", 1, time.Minute); err != nil {
				t.Fatal(err)
			}
			if n >= million/2 && n%(million/8) == 0 {
				perKey := float64(heap()-before) / float64(n)
				if perKey > 64 {
					t.Errorf("%d keys: %.1f bytes a key, want at most 64", n, perKey)
				}
				t.Logf("%d keys: %.1f bytes a key", n, perKey)
			}
		}
		runtime.KeepAlive(s)
	})
}

// When windows have ended, a sweep gives their memory back.
func TestCountersSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		before := heap()
		const most = 100_000
		for i := range most {
			if _, err := s.Add(t.Context(), strconv.Itoa(i), 1, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.Sweep(t.Context(), time.Now(), most); n != 0 || err != nil {
			t.Fatalf("Sweep of windows that run = %d, %v", n, err)
		}
		time.Sleep(time.Minute)
		removed := 0
		for n := 1; n > 0; removed += n {
			var err error
			if n, err = s.Sweep(t.Context(), time.Now(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if removed != most {
			t.Errorf("swept %d counters, want %d", removed, most)
		}
		if left := heap() - before; left > most {
			t.Errorf("after the sweep %d bytes are left", left)
		}
		runtime.KeepAlive(s)
	})
}

// Without any sweep, windows that have ended make room for others.
func TestCountersReuseRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		before := heap()
		const each = 20_000
		for round := range 20 {
			for i := range each {
				if c, err := s.Add(t.Context(), fmt.Sprint(round, " ", i), 1, time.Minute); err != nil || c.N != 1 {
					t.Fatalf("round %d: Add = %v, %v", round, c, err)
				}
			}
			time.Sleep(time.Minute)
		}
		if used := heap() - before; used > 3*64*each {
			t.Errorf("%d bytes for %d live keys: windows that ended are kept", used, each)
		}
		runtime.KeepAlive(s)
	})
}

// Who is over a limit does not become free by filling the store with other keys,
// more of them than it keeps apart.
func TestCountersFloodFreesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		if _, err := s.Add(t.Context(), "attacker", 2001, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		for i := range million * 11 / 10 {
			if _, err := s.Add(t.Context(), strconv.Itoa(i), 1, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := s.Add(t.Context(), "attacker", 1, time.Minute); err != nil || c.N != 2002 {
			t.Errorf("after the flood: %v, %v; want 2002", c, err)
		}
		time.Sleep(time.Second)
		if c, err := s.Add(t.Context(), "attacker", 1, time.Minute); err != nil || c.N < 1 || c.N > 2001 {
			t.Errorf("in the next window: %v, %v", c, err)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	if _, err := memstore.NewWith(memstore.Config{MaxCounters: -1}); err == nil {
		t.Error("NewWith accepted a negative MaxCounters")
	}
}
