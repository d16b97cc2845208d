package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

type memberships struct {
	people[member, store.Membership]
}

type member struct{ partner, number string }

func (t *memberships) init() {
	t.people.init()
	t.contacts = func(m *store.Membership) (string, []store.Contact) { return m.PartnerID, m.Contacts }
	t.compare = func(a, b *store.Membership) int { return strings.Compare(a.Number, b.Number) }
}

// PutMembership implements [store.Memberships].
func (s *Store) PutMembership(ctx context.Context, m store.Membership) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.PartnerID == "" || m.Number == "" {
		return errNoKey
	}
	m = copyMembership(m)
	s.memberships.mu.Lock()
	defer s.memberships.mu.Unlock()
	s.memberships.put(member{m.PartnerID, m.Number}, &m)
	return nil
}

// Membership implements [store.Memberships].
func (s *Store) Membership(ctx context.Context, partnerID, number string) (store.Membership, error) {
	if err := ctx.Err(); err != nil {
		return store.Membership{}, err
	}
	s.memberships.mu.RLock()
	m := s.memberships.byKey[member{partnerID, number}]
	s.memberships.mu.RUnlock()
	if m == nil {
		return store.Membership{}, store.ErrNotFound
	}
	return copyMembership(*m), nil
}

// MembershipsByContact implements [store.Memberships].
func (s *Store) MembershipsByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Membership, error] {
	return list(ctx, func() []store.Membership {
		return s.memberships.found(contact{partnerID, c.Kind, c.Identity}, copyMembership)
	})
}

// DeleteMembership implements [store.Memberships].
func (s *Store) DeleteMembership(ctx context.Context, partnerID, number string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.memberships.mu.Lock()
	defer s.memberships.mu.Unlock()
	s.memberships.drop(member{partnerID, number})
	return nil
}

// copyMembership returns a membership that shares nothing with m.
func copyMembership(m store.Membership) store.Membership {
	m.Contacts = slices.Clone(m.Contacts)
	utc(&m.StartsAt, &m.EndsAt, &m.UpdatedAt)
	return m
}
