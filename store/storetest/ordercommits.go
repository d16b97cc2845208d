package storetest

import (
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var orderCommitRules = []rule[store.Orders]{
	{"nothing to write is no error", "Nothing to write is no error.", func(c *recorder, s store.Orders) {
		c.ok(s.CommitOrders(c.ctx, nil, nil), "CommitOrders of nothing")
		c.ok(s.CommitOrders(c.ctx, []store.Order{}, []store.Payment{}), "CommitOrders of empty lists")
	}},
	{"what is taken conflicts", saysInsert, func(c *recorder, s store.Orders) {
		o, p := c.commit(s, "CommitOrders", newOrder(), newPayment())
		again, external, paid, referred := newOrder(), newOrder(), newPayment(), newPayment()
		again.ID, paid.ID = o.ID, p.ID
		external.ClientID, external.ExternalID = o.ClientID, o.ExternalID
		referred.ClientID, referred.Reference = p.ClientID, p.Reference
		taken := func(when string) {
			c.is(s.CommitOrders(c.ctx, []store.Order{again}, nil), store.ErrConflict, "CommitOrders of a taken ID "+when)
			c.is(s.CommitOrders(c.ctx, []store.Order{external}, nil), store.ErrConflict, "CommitOrders of a taken ExternalID "+when)
			c.is(s.CommitOrders(c.ctx, nil, []store.Payment{paid}), store.ErrConflict, "CommitOrders of a taken payment ID "+when)
			c.is(s.CommitOrders(c.ctx, nil, []store.Payment{referred}), store.ErrConflict, "CommitOrders of a taken Reference "+when)
			c.stands(s, when, o, p)
			fails[store.Order](c, "Order that conflicted "+when, store.ErrNotFound)(s.Order(c.ctx, external.ID))
			fails[store.Payment](c, "Payment that conflicted "+when, store.ErrNotFound)(s.Payment(c.ctx, referred.ID))
		}
		taken("at first")
		// Unique for ever: whatever has become of what has the name.
		for _, status := range []store.PaymentStatus{store.PaymentCancelled, store.PaymentFailed, store.PaymentCaptured} {
			o.Status, p.Status, o.UserID, p.UserID = store.OrderCancelled, status, o.UserID+"'", p.UserID+"'"
			o, p = c.commit(s, "CommitOrders over another", o, p)
			taken("after the payment became " + string(status))
		}
	}},
	{"names are their client's", "ErrConflict when its ID is taken, or the ExternalID of an order, or the Reference of a payment, at its client.", func(c *recorder, s store.Orders) {
		o, p := c.commit(s, "CommitOrders", newOrder(), newPayment())
		other, paid := newOrder(), newPayment()
		other.ExternalID, paid.Reference = o.ExternalID, p.Reference
		other.PartnerID, paid.PartnerID = o.PartnerID, p.PartnerID
		other, paid = c.commit(s, "CommitOrders of names that another client has", other, paid)
		c.stands(s, "of the first client", o, p)
		c.stands(s, "of the second client", other, paid)
		// An order's ExternalID and a payment's Reference do not meet, nor their IDs.
		crossed, paying := newOrder(), newPayment()
		crossed.ExternalID, crossed.ClientID, paying.Reference, paying.ClientID = p.Reference, p.ClientID, o.ExternalID, o.ClientID
		paying.ID = fmt.Sprint(o.ID)
		crossed, paying = c.commit(s, "CommitOrders of names across kinds", crossed, paying)
		c.stands(s, "of names across kinds", crossed, paying)
		// Runs of text do not meet either: "a" of "bc" is not "ab" of "c".
		for _, at := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a\x00", "bc"}} {
			o, p := newOrder(), newPayment()
			o.ClientID, o.ExternalID, p.ClientID, p.Reference = at[0], at[1], at[0], at[1]
			o, p = c.commit(s, fmt.Sprintf("CommitOrders of %q", at), o, p)
			c.stands(s, fmt.Sprintf("of %q", at), o, p)
		}
		// No name is no name: any number has none.
		for range 3 {
			o, p := newOrder(), newPayment()
			o.ClientID, p.ClientID, o.ExternalID, p.Reference = "client", "client", "", ""
			c.commit(s, "CommitOrders without names", o, p)
		}
	}},
	{"a replacement needs the version", saysSwap, func(c *recorder, s store.Orders) {
		missing, unpaid := newOrder(), newPayment()
		missing.Version, unpaid.Version = 1, 1
		c.is(s.CommitOrders(c.ctx, []store.Order{missing}, nil), store.ErrNotFound, "CommitOrders over no order")
		c.is(s.CommitOrders(c.ctx, nil, []store.Payment{unpaid}), store.ErrNotFound, "CommitOrders over no payment")
		c.absent(s, "that was to be replaced", missing, unpaid)
		o, p := c.commit(s, "CommitOrders", newOrder(), newPayment())
		for range 3 {
			o.Amount++
			p.Amount++
			o, p = c.commit(s, "CommitOrders over another", o, p)
		}
		for _, version := range []int64{-1, 0, 1, 2, 3, 5, 1 << 40} {
			late, paid := o, p
			late.Version, paid.Version, late.Amount, paid.Amount = version, version, 0, 0
			c.is(s.CommitOrders(c.ctx, []store.Order{late}, nil), store.ErrConflict, fmt.Sprintf("CommitOrders with version %d over an order with 4", version))
			c.is(s.CommitOrders(c.ctx, nil, []store.Payment{paid}), store.ErrConflict, fmt.Sprintf("CommitOrders with version %d over a payment with 4", version))
		}
		c.stands(s, "after stale replacements", o, p)
	}},
	{"one fault leaves everything as it was", saysCommit, oneFault},
	{"no record twice", "No record may be given twice.", func(c *recorder, s store.Orders) {
		stored, held := c.commit(s, "CommitOrders", newOrder(), newPayment())
		o, p := newOrder(), newPayment()
		for name, given := range map[string]struct {
			orders   []store.Order
			payments []store.Payment
		}{
			"an order that is inserted":   {[]store.Order{o, o}, nil},
			"an order that is replaced":   {[]store.Order{stored, o, stored}, nil},
			"an order in both ways":       {[]store.Order{o, stored, ofVersion(stored, 0)}, nil},
			"an order and the next of it": {[]store.Order{stored, ofVersion(stored, stored.Version+1)}, nil},
			"a payment that is inserted":  {[]store.Order{o}, []store.Payment{p, p}},
			"a payment that is replaced":  {[]store.Order{o, stored}, []store.Payment{held, p, held}},
		} {
			if s.CommitOrders(c.ctx, given.orders, given.payments) == nil {
				c.errorf("CommitOrders took %s, twice", name)
			}
			c.absent(s, "beside "+name+", twice", o, p)
			c.stands(s, "beside "+name+", twice", stored, held)
		}
	}},
	{"no name twice in one step", saysInsert + " " + saysCommit, func(c *recorder, s store.Orders) {
		one, two := newOrder(), newOrder()
		two.ClientID, two.ExternalID = one.ClientID, one.ExternalID
		c.is(s.CommitOrders(c.ctx, []store.Order{one, two}, nil), store.ErrConflict, "CommitOrders of two orders of one name")
		paid, held := newPayment(), newPayment()
		held.ClientID, held.Reference = paid.ClientID, paid.Reference
		c.is(s.CommitOrders(c.ctx, []store.Order{newOrder()}, []store.Payment{paid, held}), store.ErrConflict, "CommitOrders of two payments of one name")
		c.absent(s, "of one name, the first", one, paid)
		c.absent(s, "of one name, the second", two, held)
		// The same name at two clients is two names, in one step too.
		two.ClientID, held.ClientID = two.ClientID+"'", held.ClientID+"'"
		c.ok(s.CommitOrders(c.ctx, []store.Order{one, two}, []store.Payment{paid, held}), "CommitOrders of one name at two clients")
	}},
	{"one of many replaces a version", "Of many concurrent callers that want to replace one version of a record, exactly one gets a nil error.", func(c *recorder, s store.Orders) {
		c.rounds(func(int) {
			o, p := c.commit(s, "CommitOrders", newOrder(), newPayment())
			// Some want the order, some the payment, some both: for both there is one.
			winner := c.oneWins("CommitOrders over one version", store.ErrConflict, func(i int) error {
				o, p := o, p
				o.Amount, p.Amount = int64(i), int64(i)
				return s.CommitOrders(c.ctx, []store.Order{o}, []store.Payment{p})
			})
			o.Amount, p.Amount, o.Version, p.Version = int64(winner), int64(winner), 2, 2
			c.stands(s, "after a race", o, p)
		})
	}},
	{"steps that overlap do not mix", saysCommit, func(c *recorder, s store.Orders) {
		c.someRounds(func() {
			var orders [3]store.Order
			for i := range orders {
				orders[i], _ = c.commit(s, "CommitOrders", newOrder(), newPayment())
			}
			// Each caller wants two of three orders in some order: no two of them share
			// a version, so one pair is written, and no half of another.
			winner := c.oneWins("CommitOrders over two of three orders", store.ErrConflict, func(i int) error {
				a, b := orders[i%3], orders[(i+1)%3]
				a.Amount, b.Amount = int64(i), int64(i)
				pair := []store.Order{a, b}
				if i%2 == 0 {
					slices.Reverse(pair)
				}
				return s.CommitOrders(c.ctx, pair, nil)
			})
			for k, o := range orders {
				if winner >= 0 && k != (winner+2)%3 {
					o.Amount, o.Version = int64(winner), 2
				}
				returns(c, "Order after a race", o)(s.Order(c.ctx, o.ID))
			}
		})
	}},
	{"one of many inserts", saysInsert, func(c *recorder, s store.Orders) {
		c.rounds(func(int) {
			o, p := newOrder(), newPayment()
			ids := make([]int64, racers)
			for i := range ids {
				ids[i] = newOrder().ID
			}
			winner := c.oneWins("CommitOrders of one name", store.ErrConflict, func(i int) error {
				o, p := o, p
				o.ID, p.ID = ids[i], fmt.Sprint(p.ID, " ", i)
				return s.CommitOrders(c.ctx, []store.Order{o}, []store.Payment{p})
			})
			if winner < 0 {
				return
			}
			o.ID, o.Version = ids[winner], 1
			p.ID, p.Version = fmt.Sprint(p.ID, " ", winner), 1
			c.stands(s, "after a race", o, p)
			for i, id := range ids {
				if i != winner {
					fails[store.Order](c, "Order of who lost", store.ErrNotFound)(s.Order(c.ctx, id))
				}
			}
		})
		c.rounds(func(int) {
			p, o := newPayment(), newOrder()
			refs := make([]string, racers)
			for i := range refs {
				refs[i] = newPayment().Reference
			}
			winner := c.oneWins("CommitOrders of one ID", store.ErrConflict, func(i int) error {
				p, o := p, o
				p.Reference, o.ExternalID = refs[i], refs[i]
				return s.CommitOrders(c.ctx, []store.Order{o}, []store.Payment{p})
			})
			if winner < 0 {
				return
			}
			p.Reference, o.ExternalID, p.Version, o.Version = refs[winner], refs[winner], 1, 1
			c.stands(s, "after a race of one ID", o, p)
			for i, ref := range refs { // the names of the losers are free
				if i != winner {
					fails[store.Payment](c, "PaymentByReference of who lost", store.ErrNotFound)(s.PaymentByReference(c.ctx, p.ClientID, ref))
				}
			}
		})
	}},
}

func ofVersion(o store.Order, version int64) store.Order {
	o.Version = version
	return o
}

// oneFault commits lists of which one record, in each place, is faulty.
func oneFault(c *recorder, s store.Orders) {
	stored, held := c.commit(s, "CommitOrders", newOrder(), newPayment())
	other, paid := c.commit(s, "CommitOrders", newOrder(), newPayment())
	named := func(o store.Order) store.Order {
		o.ClientID, o.ExternalID = other.ClientID, other.ExternalID
		return o
	}
	referred := func(p store.Payment) store.Payment {
		p.ClientID, p.Reference = paid.ClientID, paid.Reference
		return p
	}
	badOrders := map[string]store.Order{
		"a stale order":           ofVersion(other, 7),
		"an order that is gone":   ofVersion(newOrder(), 1),
		"an order with its ID":    ofVersion(other, 0),
		"an order with its name":  named(newOrder()),
		"an order without client": {ID: newOrder().ID, PartnerID: "p"},
	}
	stale, gone, again := paid, newPayment(), paid
	stale.Version, gone.Version, again.Version = 7, 1, 0
	badPayments := map[string]store.Payment{
		"a stale payment":           stale,
		"a payment that is gone":    gone,
		"a payment with its ID":     again,
		"a payment with its name":   referred(newPayment()),
		"a payment without client":  {ID: newPayment().ID, PartnerID: "p"},
		"a payment without partner": {ID: newPayment().ID, ClientID: "p"},
	}
	try := func(what string, badOrder *store.Order, badPayment *store.Payment) {
		for place := range 3 {
			changed, paying := stored, held
			changed.Amount, changed.UserID, changed.Status = 1, "somebody", store.OrderPaid
			paying.Amount, paying.UserID, paying.Status = 1, "somebody", store.PaymentCaptured
			inserted, begun := newOrder(), newPayment()
			orders, payments := []store.Order{changed, inserted}, []store.Payment{paying, begun}
			if badOrder != nil {
				orders = slices.Insert(orders, place, *badOrder)
			} else {
				payments = slices.Insert(payments, place, *badPayment)
			}
			if s.CommitOrders(c.ctx, orders, payments) == nil {
				c.errorf("CommitOrders took %s", what)
			}
			c.stands(s, "beside "+what, stored, held)
			c.stands(s, "that is there when "+what+" comes", other, paid)
			c.absent(s, "beside "+what, inserted, begun)
			lists(c, "UserOrders beside "+what, s.UserOrders(c.ctx, "", "somebody"))
			lists(c, "UserPayments beside "+what, s.UserPayments(c.ctx, "somebody"))
			// Its IDs and names are as free as before.
			inserted, begun = c.commit(s, "CommitOrders again without "+what, inserted, begun)
			c.stands(s, "without "+what, inserted, begun)
		}
	}
	for what, bad := range badOrders {
		try(what, &bad, nil)
	}
	for what, bad := range badPayments {
		try(what, nil, &bad)
	}
}
