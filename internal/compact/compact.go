// Package compact keeps a small value for each of very many strings that
// strangers choose, such as addresses, in little memory: what limits on calls
// count. It keeps a keyed hash of the string in the string's place, in one array
// without pointers of its own.
package compact

import (
	"hash/maphash"
	"math/bits"
)

// Key stands for a string. Two strings have the same one with a probability of
// 2⁻¹²⁸, and as the hash is keyed, nobody can look for two that do.
type Key struct{ hi, lo uint64 }

// Seed makes keys. Those of two seeds have nothing in common.
type Seed struct{ hi, lo maphash.Seed }

// NewSeed returns a random seed.
func NewSeed() Seed { return Seed{maphash.MakeSeed(), maphash.MakeSeed()} }

// Key returns the key of a string.
func (s Seed) Key(str string) Key {
	// The lowest bit is set, as the zero Key marks a free slot.
	return Key{maphash.String(s.hi, str), maphash.String(s.lo, str) | 1}
}

// Shard spreads keys evenly over n shards, by other bits than a Table uses.
func (k Key) Shard(n int) int {
	shard, _ := bits.Mul64(k.lo, uint64(n))
	return int(shard)
}

// Table is a map from Key to V: an array that is searched from the place that
// the key's hash names (linear probing), and that is between 64 % and 80 % full
// while it grows. A built-in map doubles, which leaves it half empty at some
// sizes. The zero Table is empty and ready. Its owner holds the lock.
//
// Growing moves everything at once: for more than some ten thousand keys use
// several tables, by [Key.Shard].
type Table[V any] struct {
	slots []slot[V]
	n     int
	hand  int // where the next Sweep goes on
}

type slot[V any] struct {
	key   Key
	value V
}

// least is the size of the smallest table that is not empty.
const least = 8

// full is how many keys a table of the given size holds.
func full(size int) int { return size * 4 / 5 }

// Len returns how many keys are in the table.
func (t *Table[V]) Len() int { return t.n }

// home is the slot where the search for a key begins.
func (t *Table[V]) home(k Key) int {
	i, _ := bits.Mul64(k.hi, uint64(len(t.slots)))
	return int(i)
}

// find returns the slot of the key, or the free one where it belongs.
func (t *Table[V]) find(k Key) int {
	i := t.home(k)
	for t.slots[i].key != k && t.slots[i].key != (Key{}) {
		if i++; i == len(t.slots) {
			i = 0
		}
	}
	return i
}

// Get returns the value of a key, or nil when there is none. It may be changed
// in place, and moves with the next Put, Delete or Sweep.
func (t *Table[V]) Get(k Key) *V {
	if t.n == 0 {
		return nil
	}
	if s := &t.slots[t.find(k)]; s.key == k {
		return &s.value
	}
	return nil
}

// Put sets the value of a key.
func (t *Table[V]) Put(k Key, v V) {
	if len(t.slots) == 0 {
		t.resize(least)
	}
	i := t.find(k)
	if t.slots[i].key != k {
		if t.n >= full(len(t.slots)) {
			t.resize(len(t.slots) + max(least/2, len(t.slots)/4))
			i = t.find(k)
		}
		t.n++
	}
	t.slots[i] = slot[V]{k, v}
}

// Delete removes a key, if it is there.
func (t *Table[V]) Delete(k Key) {
	if t.n == 0 {
		return
	}
	if i := t.find(k); t.slots[i].key == k {
		t.free(i)
	}
}

// free empties a slot. What follows it moves up, so that no search ends at the
// gap before it has found its key.
func (t *Table[V]) free(gap int) {
	t.n--
	size := len(t.slots)
	for i := (gap + 1) % size; t.slots[i].key != (Key{}); i = (i + 1) % size {
		// A key may move to the gap if that is not before its home.
		if (i-t.home(t.slots[i].key)+size)%size >= (i-gap+size)%size {
			t.slots[gap] = t.slots[i]
			gap = i
		}
	}
	t.slots[gap] = slot[V]{}
}

// Sweep looks at up to look slots, from where the Sweep before ended, and removes
// those for whose value dead is true, at most limit of them. It returns how many
// it removed. Looking at as many slots as the table has once means looking at
// all keys.
func (t *Table[V]) Sweep(look, limit int, dead func(*V) bool) int {
	removed := 0
	for look = min(look, len(t.slots)); look > 0 && removed < limit; look-- {
		if t.hand >= len(t.slots) {
			t.hand = 0
		}
		// What free moves into the slot is looked at too.
		for removed < limit && t.slots[t.hand].key != (Key{}) && dead(&t.slots[t.hand].value) {
			t.free(t.hand)
			removed++
		}
		t.hand++
	}
	return removed
}

// Size returns how many slots there are, free ones too.
func (t *Table[V]) Size() int { return len(t.slots) }

// Shrink gives memory back when less than a third of the slots are in use.
func (t *Table[V]) Shrink() {
	switch {
	case t.n == 0:
		*t = Table[V]{}
	case len(t.slots) > least && t.n < len(t.slots)/3:
		t.resize(max(least, t.n*3/2+1))
	}
}

func (t *Table[V]) resize(size int) {
	old := t.slots
	t.slots, t.hand = make([]slot[V], size), 0
	for i := range old {
		if old[i].key != (Key{}) {
			t.slots[t.find(old[i].key)] = old[i]
		}
	}
}
