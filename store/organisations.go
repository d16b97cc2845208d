package store

import (
	"context"
	"iter"
	"time"
)

// MarkKind is by what the people of an organisation are recognised.
type MarkKind string

// The kinds of marks.
const (
	// AddressMark is a range of addresses that they come from: a prefix in the
	// canonical form of netip.Prefix.Masked, such as 192.0.2.0/24.
	AddressMark MarkKind = "address"
	// DomainMark is the domain of their e-mail addresses, in the form of a
	// [Credential]'s Identity.
	DomainMark MarkKind = "domain"
	// TenantMark is the Tenant of their [DirectoryLink].
	TenantMark MarkKind = "tenant"
)

// Mark is one thing by which people of an organisation are recognised.
type Mark struct {
	Kind  MarkKind
	Value string
}

// Organisation is a company, a school or a library whose people read on its
// account.
type Organisation struct {
	PartnerID string
	ID        string // unique at the partner
	Name      string
	Marks     []Mark
	Products  []string // that its people read
	StartsAt  time.Time
	EndsAt    time.Time // zero while no end is known
	UpdatedAt time.Time
}

// Organisations keeps organisations that publishers have agreements with.
type Organisations interface {
	// PutOrganisation inserts the organisation or replaces the partner's one with
	// that ID.
	PutOrganisation(ctx context.Context, o Organisation) error
	// Organisation returns the partner's organisation, ended ones too, or ErrNotFound.
	Organisation(ctx context.Context, partnerID, id string) (Organisation, error)
	// MarkedOrganisations lists the partner's organisations that have one of the
	// marks or more, ended ones too, by an indexed look-up, ordered by ID. Marks
	// are compared exactly.
	MarkedOrganisations(ctx context.Context, partnerID string, marks []Mark) iter.Seq2[Organisation, error]
	// DeleteOrganisation removes the organisation; no error when there is none.
	DeleteOrganisation(ctx context.Context, partnerID, id string) error
}
