package compact_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/connectid-kit/connectid/internal/compact"
)

// A table holds what a map holds, whatever is done to both.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := compact.NewSeed()
		var table compact.Table[int]
		model := map[compact.Key]int{}
		keys := 1 + r.IntN(400)
		key := func() compact.Key { return s.Key(fmt.Sprint(r.IntN(keys))) }
		for step := range 5000 {
			k := key()
			switch op := r.IntN(20); {
			case op < 8:
				table.Put(k, step)
				model[k] = step
			case op < 13:
				table.Delete(k)
				delete(model, k)
			case op == 13: // every third goes
				look := r.IntN(table.Size() + 2)
				before := table.Len()
				gone := table.Sweep(look, 1+r.IntN(10), func(v *int) bool { return *v%3 == 0 })
				if table.Len() != before-gone {
					t.Fatalf("Sweep says %d, and took %d", gone, before-table.Len())
				}
				for k, v := range model {
					if table.Get(k) == nil {
						if v%3 != 0 {
							t.Fatalf("Sweep removed %d", v)
						}
						delete(model, k)
						gone--
					}
				}
				if gone != 0 {
					t.Fatalf("Sweep miscounts by %d", gone)
				}
			case op == 14:
				table.Shrink()
			default:
				got := table.Get(k)
				want, ok := model[k]
				if ok != (got != nil) || ok && *got != want {
					t.Fatalf("seed %d, step %d: Get = %v, want %d, %t", seed, step, got, want, ok)
				}
			}
			if table.Len() != len(model) {
				t.Fatalf("seed %d, step %d: Len = %d, want %d", seed, step, table.Len(), len(model))
			}
		}
		for k, want := range model {
			if got := table.Get(k); got == nil || *got != want {
				t.Fatalf("seed %d: Get = %v, want %d", seed, got, want)
			}
		}
	}
}

// One sweep over all slots finds all that is dead, also where removing closes
// gaps around the array's end.
func TestSweepMissesNothing(t *testing.T) {
	t.Parallel()
	s := compact.NewSeed()
	for n := range 300 {
		var table compact.Table[bool]
		live := 0
		for i := range n {
			table.Put(s.Key(fmt.Sprint(n, " ", i)), i%4 != 0)
			if i%4 == 0 {
				live++
			}
		}
		table.Sweep(n/2, 3, func(dead *bool) bool { return *dead }) // so that the next begins in the middle
		table.Sweep(table.Size(), n, func(dead *bool) bool { return *dead })
		if table.Len() != live {
			t.Fatalf("of %d keys %d are left, want %d", n, table.Len(), live)
		}
	}
}

// While a table grows it is never less than 64 % full, from some hundred keys on.
func TestTableIsDense(t *testing.T) {
	t.Parallel()
	s := compact.NewSeed()
	var table compact.Table[int]
	for i := range 50_000 {
		table.Put(s.Key(fmt.Sprint(i)), i)
		if table.Len() > 100 && table.Len()*100 < table.Size()*63 {
			t.Fatalf("%d keys in %d slots", table.Len(), table.Size())
		}
	}
	table.Sweep(table.Size(), table.Len(), func(v *int) bool { return *v >= 1000 })
	table.Shrink()
	if table.Len() != 1000 || table.Size() > 3*1000 {
		t.Errorf("after the rush: %d keys in %d slots", table.Len(), table.Size())
	}
	table.Sweep(table.Size(), table.Len(), func(*int) bool { return true })
	if table.Shrink(); table.Size() != 0 {
		t.Errorf("empty, there are %d slots", table.Size())
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	a, b := compact.NewSeed(), compact.NewSeed()
	again := a // a seed may be copied
	if a.Key("x") != again.Key("x") || a.Key("x") == a.Key("y") || a.Key("x") == b.Key("x") || a.Key("") == (compact.Key{}) {
		t.Error("keys are not what they should be")
	}
	const shards, each = 64, 1000
	var hits [shards]int
	for i := range shards * each {
		hits[a.Key(fmt.Sprint(i)).Shard(shards)]++
	}
	for i, n := range hits {
		if n < each*8/10 || n > each*12/10 {
			t.Errorf("shard %d has %d keys, want about %d", i, n, each)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	s := compact.NewSeed()
	b.ReportAllocs()
	for b.Loop() {
		s.Key("api-client:no.mediaconnect.test")
	}
}
