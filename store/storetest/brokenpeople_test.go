package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/connectid-kit/connectid/store"
)

// takesTieOver gives a number to whom asked last.
type takesTieOver struct{ *mem }

func (s *takesTieOver) UpdateUser(ctx context.Context, u store.User) error {
	for _, t := range u.Ties {
		owner, err := s.UserByTie(ctx, t.Kind, t.PartnerID, t.Number)
		if err != nil || owner.ID == u.ID {
			continue
		}
		owner.Ties = slices.DeleteFunc(owner.Ties, func(o store.Tie) bool { return o.Number == t.Number })
		_ = s.mem.UpdateUser(ctx, owner)
	}
	return s.mem.UpdateUser(ctx, u)
}

// looksThenCreates asks whether there is such a customer, and then makes one.
type looksThenCreates struct {
	*mem
	keys   sync.Map
	serial atomic.Int64
}

func (s *looksThenCreates) CreateCustomer(ctx context.Context, c store.Customer) (store.Customer, error) {
	key := c.PartnerID + "\x00" + c.Key
	if n, ok := s.keys.Load(key); ok {
		return s.Customer(ctx, c.PartnerID, n.(int64))
	}
	runtime.Gosched()
	if c.Key != "" {
		c.Key = fmt.Sprint(c.Key, " ", s.serial.Add(1))
	}
	made, err := s.mem.CreateCustomer(ctx, c)
	if err == nil {
		s.keys.Store(key, made.Number)
	}
	return made, err
}

// reusesNumbers takes the number after the highest that there is.
type reusesNumbers struct {
	*mem
	mu      sync.Mutex
	deleted map[string]int64
}

func (s *reusesNumbers) DeleteCustomer(ctx context.Context, partnerID string, number int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted == nil {
		s.deleted = map[string]int64{}
	}
	s.deleted[partnerID] = number
	return s.mem.DeleteCustomer(ctx, partnerID, number)
}

func (s *reusesNumbers) CreateCustomer(ctx context.Context, c store.Customer) (store.Customer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, ok := s.deleted[c.PartnerID]
	if !ok {
		return s.mem.CreateCustomer(ctx, c)
	}
	delete(s.deleted, c.PartnerID)
	c.Number = number
	if err := s.PutCustomer(ctx, c); err != nil {
		return store.Customer{}, err
	}
	return s.Customer(ctx, c.PartnerID, number)
}

// mixesPartners finds a number at whatever partner has it.
type mixesPartners struct {
	*mem
	partners sync.Map
}

func (s *mixesPartners) PutMembership(ctx context.Context, m store.Membership) error {
	s.partners.Store(m.Number, m.PartnerID)
	return s.mem.PutMembership(ctx, m)
}

func (s *mixesPartners) Membership(ctx context.Context, partnerID, number string) (store.Membership, error) {
	m, err := s.mem.Membership(ctx, partnerID, number)
	if other, ok := s.partners.Load(number); ok && errors.Is(err, store.ErrNotFound) {
		return s.mem.Membership(ctx, other.(string), number)
	}
	return m, err
}

// listsAsTheyCame forgets the order.
type listsAsTheyCame struct{ *mem }

func (s *listsAsTheyCame) CustomerSubscriptions(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Subscription, error] {
	return func(yield func(store.Subscription, error) bool) {
		var all []store.Subscription
		for r, err := range s.mem.CustomerSubscriptions(ctx, partnerID, number) {
			if err != nil {
				yield(r, err)
				return
			}
			all = append(all, r)
		}
		slices.Reverse(all)
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}
