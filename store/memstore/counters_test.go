package memstore_test

import (
	"fmt"
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

func TestConfigFaults(t *testing.T) {
	if _, err := memstore.NewWith(memstore.Config{MaxCounters: -1}); err == nil {
		t.Error("NewWith accepted a negative MaxCounters")
	}
}
