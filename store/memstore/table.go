package memstore

import "time"

// table keeps records that expire: by key, by when they are due, and by up to
// two further properties (the indexes). Its owner holds the lock.
type table[K comparable, R any] struct {
	byKey   map[K]*item[K, R]
	due     []*item[K, R] // a heap, the earliest first
	indexes []index[K, R]
	dropped func(*item[K, R]) // told of every item that goes; may be nil
}

// item is one record with its places in the table.
type item[K comparable, R any] struct {
	rec     R
	key     K
	expires time.Time
	due     time.Time // not after expires: a record that lives longer is queued again when due
	pos     int       // in table.due
	links   [2]link[K, R]
}

// link is an item's place among those with the same value of one index.
type link[K comparable, R any] struct {
	value      string
	prev, next *item[K, R]
}

// index finds items by a property; items where it is "" are in no list.
type index[K comparable, R any] struct {
	of    func(*R) string
	heads map[string]*item[K, R]
}

func newTable[K comparable, R any](indexes ...func(*R) string) table[K, R] {
	t := table[K, R]{byKey: map[K]*item[K, R]{}}
	for _, of := range indexes {
		t.indexes = append(t.indexes, index[K, R]{of: of, heads: map[string]*item[K, R]{}})
	}
	return t
}

// live returns the item with the key, or nil when there is none or it has expired.
func (t *table[K, R]) live(key K, now time.Time) *item[K, R] {
	it := t.byKey[key]
	if it == nil || !it.expires.After(now) {
		return nil
	}
	return it
}

// insert adds the record in place of any other with its key. On the way it
// drops up to two expired records, so that a table in use does not grow by them.
func (t *table[K, R]) insert(key K, rec R, expires, now time.Time) *item[K, R] {
	t.sweep(now, 2)
	if old := t.byKey[key]; old != nil {
		t.remove(old)
	}
	it := &item[K, R]{rec: rec, key: key, expires: expires, due: expires, pos: len(t.due)}
	t.byKey[key] = it
	t.due = append(t.due, it)
	t.up(it.pos)
	t.link(it)
	return it
}

// update replaces an item's record.
func (t *table[K, R]) update(it *item[K, R], rec R, expires time.Time) {
	t.unlink(it)
	it.rec = rec
	t.link(it)
	t.postpone(it, expires)
}

// postpone sets when the item expires, which may also be earlier than before.
func (t *table[K, R]) postpone(it *item[K, R], expires time.Time) {
	it.expires = expires
	if expires.Before(it.due) {
		it.due = expires
		t.up(it.pos)
	}
}

// remove drops the item.
func (t *table[K, R]) remove(it *item[K, R]) {
	if t.dropped != nil {
		t.dropped(it)
	}
	t.unlink(it)
	delete(t.byKey, it.key)
	last := len(t.due) - 1
	moved, pos := t.due[last], it.pos
	t.due[last] = nil
	t.due = t.due[:last]
	if moved != it {
		t.due[pos], moved.pos = moved, pos
		t.down(pos)
		t.up(moved.pos)
	}
	if c := cap(t.due); c > 1024 && last < c/4 { // give the memory of a past rush back
		t.due = append(make([]*item[K, R], 0, c/2), t.due...)
	}
}

// sweep drops at most limit expired items and returns how many.
func (t *table[K, R]) sweep(now time.Time, limit int) int {
	n := 0
	for n < limit && len(t.due) > 0 {
		it := t.due[0]
		switch {
		case it.due.After(now):
			return n
		case it.expires.After(now): // it was postponed
			it.due = it.expires
			t.down(0)
		default:
			t.remove(it)
			n++
		}
	}
	return n
}

// each calls f for every live item with the value of the i-th index. f may remove it.
func (t *table[K, R]) each(i int, value string, now time.Time, f func(*item[K, R])) {
	if value == "" {
		return
	}
	for it := t.indexes[i].heads[value]; it != nil; {
		next := it.links[i].next
		if it.expires.After(now) {
			f(it)
		}
		it = next
	}
}

func (t *table[K, R]) link(it *item[K, R]) {
	for i := range t.indexes {
		value := t.indexes[i].of(&it.rec)
		if value == "" {
			it.links[i] = link[K, R]{}
			continue
		}
		head := t.indexes[i].heads[value]
		it.links[i] = link[K, R]{value: value, next: head}
		if head != nil {
			head.links[i].prev = it
		}
		t.indexes[i].heads[value] = it
	}
}

func (t *table[K, R]) unlink(it *item[K, R]) {
	for i := range t.indexes {
		l := it.links[i]
		if l.value == "" {
			continue
		}
		if l.next != nil {
			l.next.links[i].prev = l.prev
		}
		switch {
		case l.prev != nil:
			l.prev.links[i].next = l.next
		case l.next != nil:
			t.indexes[i].heads[l.value] = l.next
		default:
			delete(t.indexes[i].heads, l.value)
		}
		it.links[i] = link[K, R]{}
	}
}

func (t *table[K, R]) up(pos int) {
	for pos > 0 {
		parent := (pos - 1) / 2
		if !t.due[pos].due.Before(t.due[parent].due) {
			return
		}
		t.swap(pos, parent)
		pos = parent
	}
}

func (t *table[K, R]) down(pos int) {
	for {
		least := pos
		for child := 2*pos + 1; child <= 2*pos+2 && child < len(t.due); child++ {
			if t.due[child].due.Before(t.due[least].due) {
				least = child
			}
		}
		if least == pos {
			return
		}
		t.swap(pos, least)
		pos = least
	}
}

func (t *table[K, R]) swap(i, j int) {
	t.due[i], t.due[j] = t.due[j], t.due[i]
	t.due[i].pos, t.due[j].pos = i, j
}
