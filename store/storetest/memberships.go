package storetest

import (
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

var membershipRules = []rule[store.Memberships]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Memberships) {
		for name, r := range variants[store.Membership]("PartnerID", "Number") {
			c.ok(s.PutMembership(c.ctx, r), "PutMembership, "+name)
			returns(c, "Membership, "+name, r)(s.Membership(c.ctx, r.PartnerID, r.Number))
			for _, at := range r.Contacts {
				lists(c, "MembershipsByContact, "+name, s.MembershipsByContact(c.ctx, r.PartnerID, at), r)
			}
		}
	}},
	{"a membership is replaced whole", "PutMembership inserts the membership or replaces the partner's one with that Number.", func(c *recorder, s store.Memberships) {
		first := fresh[store.Membership]()
		c.ok(s.PutMembership(c.ctx, first), "PutMembership")
		old := first
		for name, r := range variants[store.Membership]("PartnerID", "Number") {
			r.PartnerID, r.Number = first.PartnerID, first.Number
			c.ok(s.PutMembership(c.ctx, r), "PutMembership over another, "+name)
			returns(c, "Membership, "+name, r)(s.Membership(c.ctx, r.PartnerID, r.Number))
			for _, at := range old.Contacts {
				lists(c, "MembershipsByContact of one that was replaced, "+name, s.MembershipsByContact(c.ctx, r.PartnerID, at))
			}
			old = r
		}
	}},
	{"a membership without a key is refused", saysKey, func(c *recorder, s store.Memberships) {
		for _, r := range []store.Membership{{}, {PartnerID: "p"}, {Number: "1"}} {
			if s.PutMembership(c.ctx, r) == nil {
				c.errorf("PutMembership took %+v", r)
			}
			fails[store.Membership](c, "Membership", store.ErrNotFound)(s.Membership(c.ctx, r.PartnerID, r.Number))
		}
	}},
	{"an unknown or ended membership", "Membership returns the partner's membership with the number, ended ones too, or ErrNotFound. The number is compared exactly.", func(c *recorder, s store.Memberships) {
		r := fresh[store.Membership]()
		r.Number, r.EndsAt = "NA-17", past()
		c.ok(s.PutMembership(c.ctx, r), "PutMembership")
		returns(c, "Membership that has ended", r)(s.Membership(c.ctx, r.PartnerID, "NA-17"))
		for _, n := range []string{"", "na-17", "NA17", "NA-17 ", "%", "NA_17"} {
			fails[store.Membership](c, fmt.Sprintf("Membership(%q)", n), store.ErrNotFound)(s.Membership(c.ctx, r.PartnerID, n))
		}
		fails[store.Membership](c, "Membership of another partner", store.ErrNotFound)(s.Membership(c.ctx, "another", "NA-17"))
	}},
	{"memberships are found by contact", "MembershipsByContact lists the partner's memberships that have the contact, ended ones too … ordered by Number.", func(c *recorder, s store.Memberships) {
		at := store.Contact{Kind: store.Phone, Identity: "+4790000001"}
		put := func(partner, number string, all ...store.Contact) store.Membership {
			r := fresh[store.Membership]()
			r.PartnerID, r.Number, r.Contacts = partner, number, reach(all...)
			c.ok(s.PutMembership(c.ctx, r), "PutMembership")
			return r
		}
		b, a := put("p", "b", at), put("p", "a", at, at)
		put("p", "c", store.Contact{Kind: store.Email, Identity: at.Identity})
		foreign := put("q", "a", at)
		lists(c, "MembershipsByContact", s.MembershipsByContact(c.ctx, "p", at), a, b)
		lists(c, "MembershipsByContact of another partner", s.MembershipsByContact(c.ctx, "q", at), foreign)
		lists(c, "MembershipsByContact of nobody", s.MembershipsByContact(c.ctx, "p", store.Contact{}))
	}},
	{"a deleted membership is gone", "DeleteMembership removes the membership; no error when there is none.", func(c *recorder, s store.Memberships) {
		r, other := fresh[store.Membership](), fresh[store.Membership]()
		other.PartnerID, other.Contacts = r.PartnerID, reach(r.Contacts...)
		c.ok(s.PutMembership(c.ctx, r), "PutMembership")
		c.ok(s.PutMembership(c.ctx, other), "PutMembership")
		for range 2 {
			c.ok(s.DeleteMembership(c.ctx, r.PartnerID, r.Number), "DeleteMembership")
		}
		fails[store.Membership](c, "Membership", store.ErrNotFound)(s.Membership(c.ctx, r.PartnerID, r.Number))
		lists(c, "MembershipsByContact", s.MembershipsByContact(c.ctx, r.PartnerID, r.Contacts[0]), other)
	}},
	{"records are values", saysValues, func(c *recorder, s store.Memberships) {
		r := fresh[store.Membership]()
		want := r
		want.Contacts = reach(r.Contacts...)
		c.ok(s.PutMembership(c.ctx, r), "PutMembership")
		spoil(r.Contacts)
		got, err := s.Membership(c.ctx, want.PartnerID, want.Number)
		returns(c, "Membership after what was given was changed", want)(got, err)
		spoil(got.Contacts)
		lists(c, "MembershipsByContact after what was returned was changed", s.MembershipsByContact(c.ctx, want.PartnerID, want.Contacts[0]), want)
	}},
	endedContexts[store.Memberships](),
	hammered[store.Memberships](),
}
