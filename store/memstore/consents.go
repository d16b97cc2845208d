package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

type consents struct {
	mu     sync.RWMutex
	byUser map[string][]store.Consent // by ClientID
}

func (t *consents) init() { t.byUser = map[string][]store.Consent{} }

// find returns where the user's consent at the client stands, or would stand. A
// lock is held.
func (t *consents) find(userID, clientID string) (int, bool) {
	return slices.BinarySearchFunc(t.byUser[userID], clientID, func(c store.Consent, id string) int {
		return strings.Compare(c.ClientID, id)
	})
}

// AddConsent implements [store.Consents].
func (s *Store) AddConsent(ctx context.Context, c store.Consent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.UserID == "" || c.ClientID == "" {
		return errNoKey
	}
	utc(&c.GivenAt)
	t := &s.consents
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(c.UserID, c.ClientID)
	all := t.byUser[c.UserID]
	var before []string
	if found {
		before = all[i].Scopes
	}
	c.Scopes = slices.Concat(before, c.Scopes)
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	if found {
		all[i] = c
	} else {
		all = slices.Insert(all, i, c)
	}
	t.byUser[c.UserID] = all
	return nil
}

// Consent implements [store.Consents].
func (s *Store) Consent(ctx context.Context, userID, clientID string) (store.Consent, error) {
	if err := ctx.Err(); err != nil {
		return store.Consent{}, err
	}
	t := &s.consents
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, found := t.find(userID, clientID)
	if !found {
		return store.Consent{}, store.ErrNotFound
	}
	return copyConsent(t.byUser[userID][i]), nil
}

// UserConsents implements [store.Consents].
func (s *Store) UserConsents(ctx context.Context, userID string) iter.Seq2[store.Consent, error] {
	return list(ctx, func() []store.Consent {
		s.consents.mu.RLock()
		defer s.consents.mu.RUnlock()
		var all []store.Consent
		for _, c := range s.consents.byUser[userID] {
			all = append(all, copyConsent(c))
		}
		return all
	})
}

// DeleteConsent implements [store.Consents].
func (s *Store) DeleteConsent(ctx context.Context, userID, clientID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &s.consents
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(userID, clientID)
	switch {
	case !found:
	case len(t.byUser[userID]) == 1:
		delete(t.byUser, userID)
	default:
		t.byUser[userID] = slices.Delete(t.byUser[userID], i, i+1)
	}
	return nil
}

// DeleteUserConsents implements [store.Consents].
func (s *Store) DeleteUserConsents(ctx context.Context, userID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.consents.mu.Lock()
	defer s.consents.mu.Unlock()
	n := len(s.consents.byUser[userID])
	delete(s.consents.byUser, userID)
	return n, nil
}

func copyConsent(c store.Consent) store.Consent {
	c.Scopes = slices.Clone(c.Scopes)
	return c
}
