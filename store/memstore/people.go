package memstore

import (
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

// people keeps the persons of publishers' systems, by number and by contact.
// Records are never changed in place.
type people[K comparable, R any] struct {
	mu        sync.RWMutex
	byKey     map[K]*R
	byContact map[contact][]*R
	contacts  func(*R) (partnerID string, all []store.Contact)
	compare   func(a, b *R) int // by number
}

// contact is where a person is found by what she can be reached at.
type contact struct {
	partner  string
	kind     store.CredentialKind
	identity string
}

func (t *people[K, R]) init() {
	t.byKey = map[K]*R{}
	t.byContact = map[contact][]*R{}
}

// put inserts the record in place of the one with its key. The lock is held.
func (t *people[K, R]) put(key K, r *R) {
	t.drop(key)
	t.byKey[key] = r
	partner, all := t.contacts(r)
	for _, c := range all {
		at := contact{partner, c.Kind, c.Identity}
		list := t.byContact[at]
		i, found := slices.BinarySearchFunc(list, r, t.compare)
		if !found { // once, also with a contact that stands twice
			// A copy: a caller may be walking the list that was.
			t.byContact[at] = slices.Insert(slices.Clone(list), i, r)
		}
	}
}

// drop removes the record, if there is one. The lock is held.
func (t *people[K, R]) drop(key K) {
	r := t.byKey[key]
	if r == nil {
		return
	}
	delete(t.byKey, key)
	partner, all := t.contacts(r)
	for _, c := range all {
		at := contact{partner, c.Kind, c.Identity}
		list := slices.DeleteFunc(slices.Clone(t.byContact[at]), func(o *R) bool { return o == r })
		if len(list) == 0 {
			delete(t.byContact, at)
		} else {
			t.byContact[at] = list
		}
	}
}

// found returns the records with the contact.
func (t *people[K, R]) found(at contact, clone func(R) R) []R {
	t.mu.RLock()
	list := t.byContact[at]
	t.mu.RUnlock()
	all := make([]R, len(list))
	for i, r := range list {
		all[i] = clone(*r)
	}
	return all
}
