package publisher

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// StoreMemberships is the membership system of partners that have none. Numbers
// are kept in the form of [MembershipNumber].
type StoreMemberships struct{ store store.Memberships }

// NewStoreMemberships returns the membership system on the store.
func NewStoreMemberships(s store.Memberships) *StoreMemberships { return &StoreMemberships{s} }

// Search implements [People]. A membership that has ended is not found.
func (s *StoreMemberships) Search(ctx context.Context, q Search) (Person, error) {
	m, err := s.store.Membership(ctx, q.PartnerID, MembershipNumber(q.Number))
	if err != nil {
		return Person{}, notFound(err)
	}
	if ended(m) || !q.proves(m.LastName, "", m.PostalCode) {
		return Person{}, ErrNotFound
	}
	return memberOf(m), nil
}

// ByCredential implements [People].
func (s *StoreMemberships) ByCredential(ctx context.Context, q CredentialSearch) ([]Person, error) {
	var all []Person
	for m, err := range s.store.MembershipsByContact(ctx, q.PartnerID, q.Contact) {
		if err != nil {
			return nil, err
		}
		if !ended(m) {
			all = append(all, memberOf(m))
		}
	}
	return all, nil
}

// Tie implements [People].
func (s *StoreMemberships) Tie(ctx context.Context, t Tie) error {
	m, err := s.store.Membership(ctx, t.PartnerID, t.Number)
	if err == nil && ended(m) {
		return ErrNotFound
	}
	return notFound(err)
}

// Untie implements [People].
func (s *StoreMemberships) Untie(ctx context.Context, _ Tie) error { return ctx.Err() }

func ended(m store.Membership) bool { return !m.EndsAt.IsZero() && !m.EndsAt.After(time.Now()) }

func memberOf(m store.Membership) Person {
	return Person{Number: m.Number, Name: joined(m.FirstName, m.LastName), Place: joined(m.PostalCode, m.City), Detail: m.Organisation}
}
