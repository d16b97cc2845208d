package storetest

import (
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var organisationRules = []rule[store.Organisations]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Organisations) {
		for name, r := range variants[store.Organisation]("PartnerID", "ID") {
			c.ok(s.PutOrganisation(c.ctx, r), "PutOrganisation, "+name)
			returns(c, "Organisation, "+name, r)(s.Organisation(c.ctx, r.PartnerID, r.ID))
			for _, m := range r.Marks {
				lists(c, "MarkedOrganisations, "+name, s.MarkedOrganisations(c.ctx, r.PartnerID, []store.Mark{m}), r)
			}
		}
	}},
	{"an organisation is replaced whole", "PutOrganisation inserts the organisation or replaces the partner's one with that ID.", func(c *recorder, s store.Organisations) {
		old := fresh[store.Organisation]()
		c.ok(s.PutOrganisation(c.ctx, old), "PutOrganisation")
		for name, r := range variants[store.Organisation]("PartnerID", "ID") {
			r.PartnerID, r.ID = old.PartnerID, old.ID
			c.ok(s.PutOrganisation(c.ctx, r), "PutOrganisation over another, "+name)
			returns(c, "Organisation, "+name, r)(s.Organisation(c.ctx, r.PartnerID, r.ID))
			lists(c, "MarkedOrganisations of marks that it had, "+name, s.MarkedOrganisations(c.ctx, r.PartnerID, old.Marks))
			old = r
		}
	}},
	{"an organisation without a key is refused", saysKey, func(c *recorder, s store.Organisations) {
		for _, r := range []store.Organisation{{}, {PartnerID: "p"}, {ID: "o"}} {
			if s.PutOrganisation(c.ctx, r) == nil {
				c.errorf("PutOrganisation took %+v", r)
			}
			fails[store.Organisation](c, "Organisation", store.ErrNotFound)(s.Organisation(c.ctx, r.PartnerID, r.ID))
		}
	}},
	{"organisations are found by mark", "MarkedOrganisations lists the partner's organisations that have one of the marks or more, ended ones too, by an indexed look-up, ordered by ID. Marks are compared exactly.", func(c *recorder, s store.Organisations) {
		net, wide := store.Mark{Kind: store.AddressMark, Value: "192.0.2.0/24"}, store.Mark{Kind: store.AddressMark, Value: "192.0.0.0/16"}
		domain := store.Mark{Kind: store.DomainMark, Value: "havbruk.example"}
		put := func(partner, id string, marks ...store.Mark) store.Organisation {
			r := fresh[store.Organisation]()
			r.PartnerID, r.ID, r.Marks, r.EndsAt = partner, id, slices.Clone(marks), past()
			c.ok(s.PutOrganisation(c.ctx, r), "PutOrganisation")
			return r
		}
		b, a, none := put("p", "b", net, domain), put("p", "a", wide, net, net), put("p", "c")
		foreign := put("q", "b", net)
		put("p", "d", store.Mark{Kind: store.TenantMark, Value: net.Value})
		find := func(marks ...store.Mark) []store.Mark { return marks }
		lists(c, "MarkedOrganisations", s.MarkedOrganisations(c.ctx, "p", find(net)), a, b)
		lists(c, "MarkedOrganisations with several marks", s.MarkedOrganisations(c.ctx, "p", find(domain, wide, net)), a, b)
		lists(c, "MarkedOrganisations with another mark", s.MarkedOrganisations(c.ctx, "p", find(domain)), b)
		lists(c, "MarkedOrganisations of another partner", s.MarkedOrganisations(c.ctx, "q", find(net, wide)), foreign)
		lists(c, "MarkedOrganisations with no mark", s.MarkedOrganisations(c.ctx, "p", nil))
		lists(c, "MarkedOrganisations with other spellings", s.MarkedOrganisations(c.ctx, "p", find(store.Mark{}, store.Mark{Kind: store.DomainMark, Value: "Havbruk.example"}, store.Mark{Kind: store.DomainMark, Value: "%"}, store.Mark{Kind: store.AddressMark})))
		returns(c, "Organisation without marks", none)(s.Organisation(c.ctx, "p", "c"))
		for range 2 {
			c.ok(s.DeleteOrganisation(c.ctx, "p", "b"), "DeleteOrganisation removes the organisation; no error when there is none")
		}
		fails[store.Organisation](c, "Organisation that was deleted", store.ErrNotFound)(s.Organisation(c.ctx, "p", "b"))
		lists(c, "MarkedOrganisations after a deletion", s.MarkedOrganisations(c.ctx, "p", find(net, domain)), a)
	}},
	{"records are values", saysValues, func(c *recorder, s store.Organisations) {
		r := fresh[store.Organisation]()
		want := r
		want.Marks, want.Products = slices.Clone(r.Marks), slices.Clone(r.Products)
		c.ok(s.PutOrganisation(c.ctx, r), "PutOrganisation")
		spoil(r.Marks)
		spoil(r.Products)
		got, err := s.Organisation(c.ctx, want.PartnerID, want.ID)
		returns(c, "Organisation after what was given was changed", want)(got, err)
		spoil(got.Marks)
		spoil(got.Products)
		lists(c, "MarkedOrganisations after what was returned was changed", s.MarkedOrganisations(c.ctx, want.PartnerID, want.Marks), want)
	}},
	endedContexts[store.Organisations](),
	hammered[store.Organisations](),
}
