package storetest

import (
	"errors"

	"github.com/connectid-kit/connectid/store"
)

var subscriptionRules = []rule[store.Subscriptions]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Subscriptions) {
		for name, r := range variants[store.Subscription]("ID") {
			c.ok(s.PutSubscription(c.ctx, r), "PutSubscription, "+name)
			returns(c, "Subscription, "+name, r)(s.Subscription(c.ctx, r.ID))
			lists(c, "CustomerSubscriptions, "+name, s.CustomerSubscriptions(c.ctx, r.PartnerID, r.CustomerNumber), r)
		}
	}},
	{"a subscription is replaced whole", "PutSubscription inserts the subscription or replaces the one with its ID.", func(c *recorder, s store.Subscriptions) {
		old := fresh[store.Subscription]()
		c.ok(s.PutSubscription(c.ctx, old), "PutSubscription")
		for name, r := range variants[store.Subscription]("ID") {
			r.ID = old.ID
			c.ok(s.PutSubscription(c.ctx, r), "PutSubscription over another, "+name)
			returns(c, "Subscription, "+name, r)(s.Subscription(c.ctx, r.ID))
			lists(c, "CustomerSubscriptions of the new customer, "+name, s.CustomerSubscriptions(c.ctx, r.PartnerID, r.CustomerNumber), r)
			lists(c, "CustomerSubscriptions of the old customer, "+name, s.CustomerSubscriptions(c.ctx, old.PartnerID, old.CustomerNumber))
			old = r
		}
	}},
	{"an unknown subscription is not found", "Subscription returns the subscription with the ID, ended ones too, or ErrNotFound.", func(c *recorder, s store.Subscriptions) {
		r := fresh[store.Subscription]()
		r.EndsAt = past()
		c.ok(s.PutSubscription(c.ctx, r), "PutSubscription")
		returns(c, "Subscription that has ended", r)(s.Subscription(c.ctx, r.ID))
		fails[store.Subscription](c, "Subscription", store.ErrNotFound)(s.Subscription(c.ctx, "unknown"))
		if err := s.PutSubscription(c.ctx, store.Subscription{PartnerID: "p"}); err == nil || errors.Is(err, store.ErrConflict) {
			c.errorf("PutSubscription without an ID: %v, want it refused (%s)", err, saysKey)
		}
	}},
	{"a customer's subscriptions are listed", "CustomerSubscriptions lists the subscriptions of the partner's customer, ended ones too: the latest StartsAt first, then by ID.", func(c *recorder, s store.Subscriptions) {
		put := func(id, partner string, number int64, hours int) store.Subscription {
			r := fresh[store.Subscription]()
			r.ID, r.PartnerID, r.CustomerNumber = id, partner, number
			r.StartsAt, r.EndsAt = past().AddDate(0, 0, -hours), past()
			c.ok(s.PutSubscription(c.ctx, r), "PutSubscription")
			return r
		}
		oldest, b, a, newest := put("1", "p", 7, 9), put("b", "p", 7, 5), put("a", "p", 7, 5), put("0", "p", 7, 1)
		b.StartsAt = a.StartsAt
		c.ok(s.PutSubscription(c.ctx, b), "PutSubscription")
		put("other", "p", 8, 1)
		foreign := put("foreign", "q", 7, 1)
		lists(c, "CustomerSubscriptions", s.CustomerSubscriptions(c.ctx, "p", 7), newest, a, b, oldest)
		lists(c, "CustomerSubscriptions of another partner", s.CustomerSubscriptions(c.ctx, "q", 7), foreign)
		lists(c, "CustomerSubscriptions of nobody", s.CustomerSubscriptions(c.ctx, "p", 9))
	}},
	{"a deleted subscription is gone", "DeleteSubscription removes the subscription; no error when there is none.", func(c *recorder, s store.Subscriptions) {
		r, other := fresh[store.Subscription](), fresh[store.Subscription]()
		other.PartnerID, other.CustomerNumber = r.PartnerID, r.CustomerNumber
		c.ok(s.PutSubscription(c.ctx, r), "PutSubscription")
		c.ok(s.PutSubscription(c.ctx, other), "PutSubscription")
		for range 2 {
			c.ok(s.DeleteSubscription(c.ctx, r.ID), "DeleteSubscription")
		}
		fails[store.Subscription](c, "Subscription", store.ErrNotFound)(s.Subscription(c.ctx, r.ID))
		lists(c, "CustomerSubscriptions", s.CustomerSubscriptions(c.ctx, r.PartnerID, r.CustomerNumber), other)
	}},
	endedContexts[store.Subscriptions](),
	hammered[store.Subscriptions](),
}
