package memstore

import (
	"bytes"
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// outbox keeps deliveries by their id and, for each kind, by when they are due.
type outbox struct {
	mu  sync.Mutex
	t   table[deliveryKey, *delivery]
	due map[store.DeliveryKind]*dueHeap
}

type deliveryKey struct {
	kind store.DeliveryKind
	id   string
}

type delivery struct {
	store.Delivery
	pos int // in the heap of its kind
}

func (t *outbox) init() {
	t.t = newTable[deliveryKey, *delivery]()
	t.t.dropped = func(it *item[deliveryKey, *delivery]) { heap.Remove(t.due[it.key.kind], it.rec.pos) }
	t.due = map[store.DeliveryKind]*dueHeap{}
}

func (t *outbox) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// PutDelivery implements [store.Outbox].
func (s *Store) PutDelivery(ctx context.Context, d store.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.Kind == "" || d.ID == "" {
		return errNoKey
	}
	d.Attempts, d.Data = 0, bytes.Clone(d.Data)
	utc(&d.DueAt, &d.CreatedAt, &d.ExpiresAt)
	now, key := time.Now(), deliveryKey{d.Kind, d.ID}
	t := &s.outbox
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.t.live(key, now) != nil {
		return store.ErrConflict
	}
	if t.due[d.Kind] == nil {
		t.due[d.Kind] = new(dueHeap)
	}
	rec := &delivery{Delivery: d}
	t.t.insert(key, rec, d.ExpiresAt, now)
	heap.Push(t.due[d.Kind], rec)
	return nil
}

// ClaimDelivery implements [store.Outbox].
func (s *Store) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, now, until time.Time) (store.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return store.Delivery{}, err
	}
	utc(&until)
	t, clock := &s.outbox, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for due := t.due[kind]; due != nil && due.Len() > 0; {
		d := (*due)[0]
		if d.DueAt.After(now) {
			break
		}
		it := t.t.byKey[deliveryKey{kind, d.ID}]
		if !it.expires.After(clock) {
			t.t.remove(it)
			continue
		}
		d.Attempts++
		d.DueAt = until
		heap.Fix(due, d.pos)
		return d.copied(), nil
	}
	return store.Delivery{}, store.ErrNotFound
}

// RetryDelivery implements [store.Outbox].
func (s *Store) RetryDelivery(ctx context.Context, kind store.DeliveryKind, id string, attempts int, dueAt time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	utc(&dueAt)
	t, now := &s.outbox, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	it := t.t.live(deliveryKey{kind, id}, now)
	switch {
	case it == nil:
		return store.ErrNotFound
	case it.rec.Attempts != attempts:
		return store.ErrConflict
	}
	it.rec.DueAt = dueAt
	heap.Fix(t.due[kind], it.rec.pos)
	return nil
}

// FinishDelivery implements [store.Outbox].
func (s *Store) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &s.outbox
	t.mu.Lock()
	defer t.mu.Unlock()
	if it := t.t.byKey[deliveryKey{kind, id}]; it != nil {
		t.t.remove(it)
	}
	return nil
}

func (d *delivery) copied() store.Delivery {
	r := d.Delivery
	r.Data = bytes.Clone(r.Data)
	return r
}

// dueHeap is a heap of deliveries, the earliest due first.
type dueHeap []*delivery

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].DueAt.Before(h[j].DueAt) }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

// Push implements [heap.Interface].
func (h *dueHeap) Push(x any) {
	d := x.(*delivery)
	d.pos = len(*h)
	*h = append(*h, d)
}

// Pop implements [heap.Interface].
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
