package memstore

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The heap, the index and the map tell the same story after any mix of calls.
func TestTableStaysConsistent(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	tab := newTable[int](func(r *int) string { return fmt.Sprint(*r % 5) })
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now, want := start, map[int]time.Time{}
	for range 20_000 {
		key, expires := rnd.IntN(500), now.Add(time.Duration(rnd.IntN(300)-20)*time.Second)
		it := tab.byKey[key]
		switch op := rnd.IntN(10); {
		case op < 5:
			tab.insert(key, key, expires, now)
			want[key] = expires
		case op < 7 && it != nil:
			tab.update(it, rnd.IntN(50), expires)
			want[key] = expires
		case op < 8 && it != nil:
			tab.remove(it)
			delete(want, key)
		case op < 9:
			now = now.Add(time.Duration(rnd.IntN(5)) * time.Second)
		default:
			tab.sweep(now, rnd.IntN(3))
		}
	}
	live := 0
	for key, expires := range want {
		if it := tab.live(key, now); (it != nil) != expires.After(now) {
			t.Fatalf("key %d that expires at %v: found %v at %v", key, expires, it != nil, now)
		} else if it != nil {
			live++
		}
	}
	listed := 0
	for v := range 5 {
		tab.each(0, fmt.Sprint(v), now, func(it *item[int, int]) {
			if it.rec%5 != v {
				t.Errorf("record %d is listed under %d", it.rec, v)
			}
			listed++
		})
	}
	if listed != live || live == 0 {
		t.Errorf("%d listed, %d live", listed, live)
	}
	tab.sweep(now, 1<<30)
	if len(tab.byKey) != live || len(tab.due) != live {
		t.Errorf("after the sweep %d by key and %d due, want %d", len(tab.byKey), len(tab.due), live)
	}
	tab.sweep(now.Add(time.Hour), 1<<30)
	if len(tab.byKey)+len(tab.due)+len(tab.indexes[0].heads) != 0 {
		t.Error("an hour later something is left")
	}
}
