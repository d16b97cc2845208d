package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

type customers struct {
	people[customer, store.Customer]
	byCreation map[creation]*store.Customer
	last       map[string]int64 // the highest number that a partner ever gave out
}

type customer struct {
	partner string
	number  int64
}

// creation is what makes the creation of a customer repeatable.
type creation struct{ partner, key string }

func (t *customers) init() {
	t.people.init()
	t.contacts = func(c *store.Customer) (string, []store.Contact) { return c.PartnerID, c.Contacts }
	t.compare = func(a, b *store.Customer) int { return cmp.Compare(a.Number, b.Number) }
	t.byCreation = map[creation]*store.Customer{}
	t.last = map[string]int64{}
}

// PutCustomer implements [store.Customers].
func (s *Store) PutCustomer(ctx context.Context, c store.Customer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.PartnerID == "" || c.Number <= 0 {
		return errNoKey
	}
	c = copyCustomer(c)

	t := &s.customers
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.byCreation[creation{c.PartnerID, c.Key}]; o != nil && o.Number != c.Number {
		return store.ErrConflict
	}
	t.add(&c)
	return nil
}

// CreateCustomer implements [store.Customers].
func (s *Store) CreateCustomer(ctx context.Context, c store.Customer) (store.Customer, error) {
	if err := ctx.Err(); err != nil {
		return store.Customer{}, err
	}
	if c.PartnerID == "" || c.Key == "" {
		return store.Customer{}, errNoKey
	}
	c = copyCustomer(c)

	t := &s.customers
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.byCreation[creation{c.PartnerID, c.Key}]; o != nil {
		return copyCustomer(*o), nil
	}
	c.Number = max(t.last[c.PartnerID]+1, store.FirstCustomer)
	t.add(&c)
	return copyCustomer(c), nil
}

// add puts the customer in place of the one with its number. The lock is held.
func (t *customers) add(c *store.Customer) {
	t.remove(customer{c.PartnerID, c.Number})
	t.put(customer{c.PartnerID, c.Number}, c)
	if c.Key != "" {
		t.byCreation[creation{c.PartnerID, c.Key}] = c
	}
	t.last[c.PartnerID] = max(t.last[c.PartnerID], c.Number)
}

// remove drops the customer, if there is one. The lock is held.
func (t *customers) remove(key customer) {
	if old := t.byKey[key]; old != nil {
		delete(t.byCreation, creation{old.PartnerID, old.Key})
		t.drop(key)
	}
}

// ReplaceCustomer implements [store.Customers].
func (s *Store) ReplaceCustomer(ctx context.Context, c store.Customer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c = copyCustomer(c)
	t := &s.customers
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byKey[customer{c.PartnerID, c.Number}]
	if old == nil {
		return store.ErrNotFound
	}
	c.Key, c.CreatedAt = old.Key, old.CreatedAt
	t.add(&c)
	return nil
}

// Customer implements [store.Customers].
func (s *Store) Customer(ctx context.Context, partnerID string, number int64) (store.Customer, error) {
	if err := ctx.Err(); err != nil {
		return store.Customer{}, err
	}
	s.customers.mu.RLock()
	c := s.customers.byKey[customer{partnerID, number}]
	s.customers.mu.RUnlock()
	if c == nil {
		return store.Customer{}, store.ErrNotFound
	}
	return copyCustomer(*c), nil
}

// CustomersByContact implements [store.Customers].
func (s *Store) CustomersByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Customer, error] {
	return list(ctx, func() []store.Customer {
		return s.customers.found(contact{partnerID, c.Kind, c.Identity}, copyCustomer)
	})
}

// DeleteCustomer implements [store.Customers].
func (s *Store) DeleteCustomer(ctx context.Context, partnerID string, number int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.customers.mu.Lock()
	defer s.customers.mu.Unlock()
	s.customers.remove(customer{partnerID, number})
	return nil
}

// copyCustomer returns a customer that shares nothing with c.
func copyCustomer(c store.Customer) store.Customer {
	c.Contacts = slices.Clone(c.Contacts)
	utc(&c.CreatedAt, &c.UpdatedAt)
	return c
}
