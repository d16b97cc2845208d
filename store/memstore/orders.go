package memstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

var errGivenTwice = errors.New("memstore: a record is given twice")

// orders keeps orders and payments under one lock, as both change in one step.
type orders struct {
	mu       sync.RWMutex
	orders   map[int64]store.Order
	payments map[string]store.Payment
	external map[string]int64  // by client and ExternalID
	referred map[string]string // by client and Reference
	ofUser   map[string]map[int64]struct{}
	paidBy   map[string]map[string]struct{}
}

func (t *orders) init() {
	t.orders, t.payments = map[int64]store.Order{}, map[string]store.Payment{}
	t.external, t.referred = map[string]int64{}, map[string]string{}
	t.ofUser, t.paidBy = map[string]map[int64]struct{}{}, map[string]map[string]struct{}{}
}

func copyOrder(o store.Order) store.Order {
	o.Data, o.Moved = bytes.Clone(o.Data), slices.Clone(o.Moved)
	utc(&o.OrderedAt, &o.CreatedAt, &o.UpdatedAt)
	return o
}

func copyPayment(p store.Payment) store.Payment {
	p.Orders, p.Data, p.Moved = slices.Clone(p.Orders), bytes.Clone(p.Data), slices.Clone(p.Moved)
	utc(&p.CreatedAt, &p.UpdatedAt)
	return p
}

// CommitOrders implements [store.Orders].
func (s *Store) CommitOrders(ctx context.Context, all []store.Order, payments []store.Payment) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, o := range all {
		if o.ID <= 0 || o.PartnerID == "" || o.ClientID == "" {
			return errNoKey
		}
		if slices.ContainsFunc(all[:i], func(other store.Order) bool { return other.ID == o.ID }) {
			return errGivenTwice
		}
	}
	for i, p := range payments {
		if p.ID == "" || p.PartnerID == "" || p.ClientID == "" {
			return errNoKey
		}
		if slices.ContainsFunc(payments[:i], func(other store.Payment) bool { return other.ID == p.ID }) {
			return errGivenTwice
		}
	}
	t := &s.orders
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.check(all, payments); err != nil {
		return err
	}
	for _, o := range all {
		if old, ok := t.orders[o.ID]; ok {
			o.PartnerID, o.ClientID, o.ExternalID, o.CreatedAt = old.PartnerID, old.ClientID, old.ExternalID, old.CreatedAt
		}
		o.Version++
		t.putOrder(copyOrder(o))
	}
	for _, p := range payments {
		if old, ok := t.payments[p.ID]; ok {
			p.PartnerID, p.ClientID, p.Reference, p.CreatedAt = old.PartnerID, old.ClientID, old.Reference, old.CreatedAt
		}
		p.Version++
		t.putPayment(copyPayment(p))
	}
	return nil
}

// check says why the records can not be written. The lock is held.
func (t *orders) check(all []store.Order, payments []store.Payment) error {
	names := map[string]bool{} // that this call takes
	taken := func(key string) bool { was := names[key]; names[key] = true; return was }
	for _, o := range all {
		old, stored := t.orders[o.ID]
		if err := versions(o.Version, old.Version, stored); err != nil {
			return err
		}
		if key := group(o.ClientID, o.ExternalID); o.Version == 0 && o.ExternalID != "" {
			if _, ok := t.external[key]; ok || taken("o"+key) {
				return store.ErrConflict
			}
		}
	}
	for _, p := range payments {
		old, stored := t.payments[p.ID]
		if err := versions(p.Version, old.Version, stored); err != nil {
			return err
		}
		if key := group(p.ClientID, p.Reference); p.Version == 0 && p.Reference != "" {
			if _, ok := t.referred[key]; ok || taken("p"+key) {
				return store.ErrConflict
			}
		}
	}
	return nil
}

// versions judges a record that is given against the one that is stored.
func versions(given, old int64, stored bool) error {
	switch {
	case given == 0 && stored, stored && given != old:
		return store.ErrConflict
	case given != 0 && !stored:
		return store.ErrNotFound
	}
	return nil
}

func (t *orders) putOrder(o store.Order) {
	unlist(t.ofUser, t.orders[o.ID].UserID, o.ID)
	t.orders[o.ID] = o
	enlist(t.ofUser, o.UserID, o.ID)
	if o.ExternalID != "" {
		t.external[group(o.ClientID, o.ExternalID)] = o.ID
	}
}

func (t *orders) putPayment(p store.Payment) {
	unlist(t.paidBy, t.payments[p.ID].UserID, p.ID)
	t.payments[p.ID] = p
	enlist(t.paidBy, p.UserID, p.ID)
	if p.Reference != "" {
		t.referred[group(p.ClientID, p.Reference)] = p.ID
	}
}

func enlist[K comparable](lists map[string]map[K]struct{}, userID string, key K) {
	if userID == "" {
		return
	}
	if lists[userID] == nil {
		lists[userID] = map[K]struct{}{}
	}
	lists[userID][key] = struct{}{}
}

func unlist[K comparable](lists map[string]map[K]struct{}, userID string, key K) {
	if delete(lists[userID], key); len(lists[userID]) == 0 {
		delete(lists, userID)
	}
}

// Order implements [store.Orders].
func (s *Store) Order(ctx context.Context, id int64) (store.Order, error) {
	return s.order(ctx, func(*orders) int64 { return id })
}

// OrderByExternalID implements [store.Orders].
func (s *Store) OrderByExternalID(ctx context.Context, clientID, externalID string) (store.Order, error) {
	return s.order(ctx, func(t *orders) int64 { return t.external[group(clientID, externalID)] })
}

func (s *Store) order(ctx context.Context, find func(*orders) int64) (store.Order, error) {
	if err := ctx.Err(); err != nil {
		return store.Order{}, err
	}
	s.orders.mu.RLock()
	defer s.orders.mu.RUnlock()
	if o, ok := s.orders.orders[find(&s.orders)]; ok {
		return copyOrder(o), nil
	}
	return store.Order{}, store.ErrNotFound
}

// UserOrders implements [store.Orders].
func (s *Store) UserOrders(ctx context.Context, partnerID, userID string) iter.Seq2[store.Order, error] {
	return list(ctx, func() []store.Order {
		var all []store.Order
		s.orders.mu.RLock()
		defer s.orders.mu.RUnlock()
		for id := range s.orders.ofUser[userID] {
			if o := s.orders.orders[id]; partnerID == "" || o.PartnerID == partnerID {
				all = append(all, copyOrder(o))
			}
		}
		slices.SortFunc(all, func(a, b store.Order) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		return all
	})
}

// Payment implements [store.Orders].
func (s *Store) Payment(ctx context.Context, id string) (store.Payment, error) {
	return s.payment(ctx, func(*orders) string { return id })
}

// PaymentByReference implements [store.Orders].
func (s *Store) PaymentByReference(ctx context.Context, clientID, reference string) (store.Payment, error) {
	return s.payment(ctx, func(t *orders) string { return t.referred[group(clientID, reference)] })
}

func (s *Store) payment(ctx context.Context, find func(*orders) string) (store.Payment, error) {
	if err := ctx.Err(); err != nil {
		return store.Payment{}, err
	}
	s.orders.mu.RLock()
	defer s.orders.mu.RUnlock()
	if p, ok := s.orders.payments[find(&s.orders)]; ok {
		return copyPayment(p), nil
	}
	return store.Payment{}, store.ErrNotFound
}

// UserPayments implements [store.Orders].
func (s *Store) UserPayments(ctx context.Context, userID string) iter.Seq2[store.Payment, error] {
	return list(ctx, func() []store.Payment {
		var all []store.Payment
		s.orders.mu.RLock()
		defer s.orders.mu.RUnlock()
		for id := range s.orders.paidBy[userID] {
			all = append(all, copyPayment(s.orders.payments[id]))
		}
		slices.SortFunc(all, func(a, b store.Payment) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
		})
		return all
	})
}

// MoveOrders implements [store.Orders].
func (s *Store) MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return s.moveOrders(ctx, fromUser, toUser, func(moved []string) ([]string, bool) {
		return append(slices.Clone(moved), merge), true
	})
}

// ReturnOrders implements [store.Orders].
func (s *Store) ReturnOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return s.moveOrders(ctx, fromUser, toUser, func(moved []string) ([]string, bool) {
		i := slices.Index(moved, merge)
		if i < 0 {
			return nil, false
		}
		return slices.Clone(moved[:i]), true
	})
}

func (s *Store) moveOrders(ctx context.Context, fromUser, toUser string, move func([]string) ([]string, bool)) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if toUser == "" {
		return 0, errNoKey
	}
	t, n := &s.orders, 0
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range slices.Collect(maps.Keys(t.ofUser[fromUser])) { // a copy: what moves leaves it
		o := t.orders[id]
		if moved, ok := move(o.Moved); ok {
			o.Moved, o.UserID = moved, toUser
			o.Version++
			t.putOrder(o)
			n++
		}
	}
	for _, id := range slices.Collect(maps.Keys(t.paidBy[fromUser])) {
		p := t.payments[id]
		if moved, ok := move(p.Moved); ok {
			p.Moved, p.UserID = moved, toUser
			p.Version++
			t.putPayment(p)
			n++
		}
	}
	return n, nil
}
