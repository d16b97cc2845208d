package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

// clients are never changed in place, so that records can share their slices.
type clients struct {
	mu       sync.RWMutex
	byID     map[string]*store.Client
	byOrigin map[string][]*store.Client // ordered by ID
}

func (t *clients) init() {
	t.byID = map[string]*store.Client{}
	t.byOrigin = map[string][]*store.Client{}
}

// PutClient implements [store.Clients].
func (s *Store) PutClient(ctx context.Context, c store.Client) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.ID == "" {
		return errNoKey
	}
	c.Targets = slices.Clone(c.Targets)
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	c.InsecureRedirectPrefixes = slices.Clone(c.InsecureRedirectPrefixes)
	c.Secrets = slices.Clone(c.Secrets)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	c.Scopes = slices.Clone(c.Scopes)
	c.Resources = slices.Clone(c.Resources)
	c.PaymentSecrets = slices.Clone(c.PaymentSecrets)
	c.PostLogoutRedirectURIs = slices.Clone(c.PostLogoutRedirectURIs)
	utc(&c.UpdatedAt)

	t := &s.clients
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c.ID)
	t.byID[c.ID] = &c
	for origin := range origins(c.Targets) {
		list := t.byOrigin[origin]
		i, _ := slices.BinarySearchFunc(list, &c, byClientID)
		// A copy: a caller may be walking the list that was.
		t.byOrigin[origin] = slices.Insert(slices.Clone(list), i, &c)
	}
	return nil
}

// Client implements [store.Clients].
func (s *Store) Client(ctx context.Context, id string) (store.Client, error) {
	c, err := s.SharedClient(ctx, id)
	if err != nil {
		return store.Client{}, err
	}
	return *c, nil
}

// SharedClient implements [store.ClientSharer].
func (s *Store) SharedClient(ctx context.Context, id string) (*store.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.clients.mu.RLock()
	c := s.clients.byID[id]
	s.clients.mu.RUnlock()
	if c == nil {
		return nil, store.ErrNotFound
	}
	return c, nil
}

// ClientsByOrigin implements [store.Clients].
func (s *Store) ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[store.Client, error] {
	return values(list(ctx, func() []*store.Client {
		s.clients.mu.RLock()
		defer s.clients.mu.RUnlock()
		return s.clients.byOrigin[origin]
	}))
}

// Clients implements [store.Clients].
func (s *Store) Clients(ctx context.Context) iter.Seq2[store.Client, error] {
	return values(list(ctx, func() []*store.Client {
		s.clients.mu.RLock()
		defer s.clients.mu.RUnlock()
		return slices.SortedFunc(maps.Values(s.clients.byID), byClientID)
	}))
}

// DeleteClient implements [store.Clients].
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	s.clients.drop(id)
	return nil
}

// drop removes the client, if there is one. The lock is held.
func (t *clients) drop(id string) {
	c := t.byID[id]
	if c == nil {
		return
	}
	delete(t.byID, id)
	for origin := range origins(c.Targets) {
		list := slices.DeleteFunc(slices.Clone(t.byOrigin[origin]), func(o *store.Client) bool { return o == c })
		if len(list) == 0 {
			delete(t.byOrigin, origin)
		} else {
			t.byOrigin[origin] = list
		}
	}
}

// origins returns the set of the targets' origins.
func origins(targets []string) map[string]struct{} {
	set := make(map[string]struct{}, len(targets))
	for _, t := range targets {
		if o := store.TargetOrigin(t); o != "" {
			set[o] = struct{}{}
		}
	}
	return set
}

func byClientID(a, b *store.Client) int { return strings.Compare(a.ID, b.ID) }

// values yields what the pointers point to.
func values(seq iter.Seq2[*store.Client, error]) iter.Seq2[store.Client, error] {
	return func(yield func(store.Client, error) bool) {
		for c, err := range seq {
			if c == nil {
				c = &store.Client{}
			}
			if !yield(*c, err) {
				return
			}
		}
	}
}
