package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

type organisations struct {
	shelf[coded, store.Organisation]
}

func (t *organisations) init() {
	t.shelf.init()
	t.groupOf = func(o *store.Organisation) []string { return marked(o.PartnerID, o.Marks) }
	t.compare = func(a, b store.Organisation) int { return strings.Compare(a.ID, b.ID) }
	t.clone = func(o store.Organisation) store.Organisation {
		o.Marks, o.Products = slices.Clone(o.Marks), slices.Clone(o.Products)
		utc(&o.StartsAt, &o.EndsAt, &o.UpdatedAt)
		return o
	}
}

// marked names the groups of those who have the marks.
func marked(partnerID string, marks []store.Mark) []string {
	groups := make([]string, len(marks))
	for i, m := range marks {
		groups[i] = group(partnerID, string(m.Kind), m.Value)
	}
	return groups
}

// PutOrganisation implements [store.Organisations].
func (s *Store) PutOrganisation(ctx context.Context, o store.Organisation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.PartnerID == "" || o.ID == "" {
		return errNoKey
	}
	s.organisations.put(coded{o.PartnerID, o.ID}, o)
	return nil
}

// Organisation implements [store.Organisations].
func (s *Store) Organisation(ctx context.Context, partnerID, id string) (store.Organisation, error) {
	if err := ctx.Err(); err != nil {
		return store.Organisation{}, err
	}
	return s.organisations.get(coded{partnerID, id})
}

// MarkedOrganisations implements [store.Organisations].
func (s *Store) MarkedOrganisations(ctx context.Context, partnerID string, marks []store.Mark) iter.Seq2[store.Organisation, error] {
	groups := marked(partnerID, marks)
	return list(ctx, func() []store.Organisation { return s.organisations.in(groups...) })
}

// DeleteOrganisation implements [store.Organisations].
func (s *Store) DeleteOrganisation(ctx context.Context, partnerID, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.organisations.remove(coded{partnerID, id})
	return nil
}
