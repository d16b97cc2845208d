package store

import (
	"context"
	"iter"
	"time"
)

// Membership is a member in the membership system of a partner: a club, a union,
// a loyalty programme.
type Membership struct {
	PartnerID    string
	Number       string // the membership number, compared exactly; unique at the partner
	FirstName    string
	LastName     string
	PostalCode   string
	City         string
	Organisation string // what she is a member of, as readers call it
	Contacts     []Contact
	StartsAt     time.Time
	EndsAt       time.Time // zero while no end is known
	UpdatedAt    time.Time
}

// Memberships keeps the members of partners that have no system of their own.
type Memberships interface {
	// PutMembership inserts the membership or replaces the partner's one with
	// that Number.
	PutMembership(ctx context.Context, m Membership) error
	// Membership returns the partner's membership with the number, ended ones
	// too, or ErrNotFound.
	Membership(ctx context.Context, partnerID, number string) (Membership, error)
	// MembershipsByContact lists the partner's memberships that have a contact
	// of that Kind and Identity, ended ones too, by an indexed look-up, ordered by
	// Number.
	MembershipsByContact(ctx context.Context, partnerID string, c Contact) iter.Seq2[Membership, error]
	// DeleteMembership removes the membership; no error when there is none.
	DeleteMembership(ctx context.Context, partnerID, number string) error
}
