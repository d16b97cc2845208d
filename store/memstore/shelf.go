package memstore

import (
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

// shelf keeps records that do not expire: by key, and by the groups that they
// stand in.
type shelf[K comparable, R any] struct {
	mu      sync.RWMutex
	byKey   map[K]R
	groups  map[string]map[K]struct{}
	groupOf func(*R) []string // may be nil
	clone   func(R) R
	compare func(a, b R) int // the order of lists
}

func (t *shelf[K, R]) init() {
	t.byKey, t.groups = map[K]R{}, map[string]map[K]struct{}{}
}

// group names what records have in common.
func group(parts ...string) string {
	var b []byte
	for _, p := range parts { // by length, so that no part runs into the next
		b = append(append(b, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16)), p...)
	}
	return string(b)
}

// put inserts the record in place of the one with its key.
func (t *shelf[K, R]) put(key K, r R) {
	r = t.clone(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(key, r)
}

// set is put for who holds the lock and gives the record away.
func (t *shelf[K, R]) set(key K, r R) {
	t.drop(key)
	t.byKey[key] = r
	if t.groupOf == nil {
		return
	}
	for _, g := range t.groupOf(&r) {
		if t.groups[g] == nil {
			t.groups[g] = map[K]struct{}{}
		}
		t.groups[g][key] = struct{}{}
	}
}

// drop removes the record, if there is one. The lock is held.
func (t *shelf[K, R]) drop(key K) {
	r, ok := t.byKey[key]
	if !ok {
		return
	}
	delete(t.byKey, key)
	if t.groupOf == nil {
		return
	}
	for _, g := range t.groupOf(&r) {
		if delete(t.groups[g], key); len(t.groups[g]) == 0 {
			delete(t.groups, g)
		}
	}
}

// get returns the record with the key, or ErrNotFound.
func (t *shelf[K, R]) get(key K) (R, error) {
	t.mu.RLock()
	r, ok := t.byKey[key]
	t.mu.RUnlock()
	if !ok {
		return r, store.ErrNotFound
	}
	return t.clone(r), nil
}

// remove removes the record, if there is one.
func (t *shelf[K, R]) remove(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(key)
}

// in returns the records of the groups, each once, in order.
func (t *shelf[K, R]) in(groups ...string) []R {
	var all []R
	seen := map[K]struct{}{}
	t.mu.RLock()
	for _, g := range groups {
		for key := range t.groups[g] {
			if _, twice := seen[key]; !twice {
				seen[key] = struct{}{}
				all = append(all, t.byKey[key])
			}
		}
	}
	t.mu.RUnlock()
	for i := range all {
		all[i] = t.clone(all[i])
	}
	slices.SortFunc(all, t.compare)
	return all
}
