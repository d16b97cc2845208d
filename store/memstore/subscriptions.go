package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

type subscriptions struct {
	mu         sync.RWMutex
	byID       map[string]store.Subscription
	byCustomer map[customer]map[string]struct{}
}

func (t *subscriptions) init() {
	t.byID = map[string]store.Subscription{}
	t.byCustomer = map[customer]map[string]struct{}{}
}

// PutSubscription implements [store.Subscriptions].
func (s *Store) PutSubscription(ctx context.Context, r store.Subscription) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.ID == "" {
		return errNoKey
	}
	utc(&r.StartsAt, &r.EndsAt, &r.CreatedAt)

	t := &s.subscriptions
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(r.ID)
	t.byID[r.ID] = r
	of := customer{r.PartnerID, r.CustomerNumber}
	if t.byCustomer[of] == nil {
		t.byCustomer[of] = map[string]struct{}{}
	}
	t.byCustomer[of][r.ID] = struct{}{}
	return nil
}

// Subscription implements [store.Subscriptions].
func (s *Store) Subscription(ctx context.Context, id string) (store.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return store.Subscription{}, err
	}
	s.subscriptions.mu.RLock()
	defer s.subscriptions.mu.RUnlock()
	r, ok := s.subscriptions.byID[id]
	if !ok {
		return store.Subscription{}, store.ErrNotFound
	}
	return r, nil
}

// CustomerSubscriptions implements [store.Subscriptions].
func (s *Store) CustomerSubscriptions(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Subscription, error] {
	return list(ctx, func() []store.Subscription {
		t := &s.subscriptions
		t.mu.RLock()
		defer t.mu.RUnlock()
		var all []store.Subscription
		for id := range t.byCustomer[customer{partnerID, number}] {
			all = append(all, t.byID[id])
		}
		slices.SortFunc(all, func(a, b store.Subscription) int {
			return cmp.Or(b.StartsAt.Compare(a.StartsAt), cmp.Compare(a.ID, b.ID))
		})
		return all
	})
}

// DeleteSubscription implements [store.Subscriptions].
func (s *Store) DeleteSubscription(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.subscriptions.mu.Lock()
	defer s.subscriptions.mu.Unlock()
	s.subscriptions.drop(id)
	return nil
}

// drop removes the subscription, if there is one. The lock is held.
func (t *subscriptions) drop(id string) {
	r, ok := t.byID[id]
	if !ok {
		return
	}
	delete(t.byID, id)
	of := customer{r.PartnerID, r.CustomerNumber}
	if delete(t.byCustomer[of], id); len(t.byCustomer[of]) == 0 {
		delete(t.byCustomer, of)
	}
}
