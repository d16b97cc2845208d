package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	saysCommit = "CommitOrders writes all the records in one step, or none of them."
	saysInsert = "One with Version zero is inserted: ErrConflict when its ID is taken, or the ExternalID of an order, or the Reference of a payment, at its client."
	saysSwap   = "Any other replaces the stored record of its ID if that has the same Version: ErrConflict when it has another, ErrNotFound when there is none. Each is stored with the next Version (1 for an inserted one)."
)

func orderRules() []rule[store.Orders] {
	return slices.Concat(orderRecordRules, orderCommitRules, orderListRules, []rule[store.Orders]{
		endedContexts[store.Orders](),
		hammered[store.Orders](),
	})
}

// newOrder and newPayment are records that are not stored yet.
func newOrder() store.Order {
	o := fresh[store.Order]()
	o.Version = 0
	return o
}

func newPayment() store.Payment {
	p := fresh[store.Payment]()
	p.Version = 0
	return p
}

// commit writes, and returns the records as they have to be stored then.
func (c *recorder) commit(s store.Orders, what string, o store.Order, p store.Payment) (store.Order, store.Payment) {
	c.ok(s.CommitOrders(c.ctx, []store.Order{o}, []store.Payment{p}), what)
	o.Version++
	p.Version++
	return o, p
}

// stands complains unless every look-up finds the records as they are given.
func (c *recorder) stands(s store.Orders, what string, o store.Order, p store.Payment) {
	returns(c, "Order, "+what, o)(s.Order(c.ctx, o.ID))
	if o.ExternalID != "" {
		returns(c, "OrderByExternalID, "+what, o)(s.OrderByExternalID(c.ctx, o.ClientID, o.ExternalID))
	}
	if o.UserID != "" {
		lists(c, "UserOrders, "+what, s.UserOrders(c.ctx, o.PartnerID, o.UserID), o)
	}
	returns(c, "Payment, "+what, p)(s.Payment(c.ctx, p.ID))
	if p.Reference != "" {
		returns(c, "PaymentByReference, "+what, p)(s.PaymentByReference(c.ctx, p.ClientID, p.Reference))
	}
	if p.UserID != "" {
		lists(c, "UserPayments, "+what, s.UserPayments(c.ctx, p.UserID), p)
	}
}

// absent complains unless no look-up finds the records.
func (c *recorder) absent(s store.Orders, what string, o store.Order, p store.Payment) {
	fails[store.Order](c, "Order, "+what, store.ErrNotFound)(s.Order(c.ctx, o.ID))
	fails[store.Order](c, "OrderByExternalID, "+what, store.ErrNotFound)(s.OrderByExternalID(c.ctx, o.ClientID, o.ExternalID))
	lists(c, "UserOrders, "+what, s.UserOrders(c.ctx, o.PartnerID, o.UserID))
	fails[store.Payment](c, "Payment, "+what, store.ErrNotFound)(s.Payment(c.ctx, p.ID))
	fails[store.Payment](c, "PaymentByReference, "+what, store.ErrNotFound)(s.PaymentByReference(c.ctx, p.ClientID, p.Reference))
	lists(c, "UserPayments, "+what, s.UserPayments(c.ctx, p.UserID))
}

var orderRecordRules = []rule[store.Orders]{
	{"every field comes back", saysTimes + " " + saysSwap, func(c *recorder, s store.Orders) {
		payments := variants[store.Payment]("ID", "PartnerID", "ClientID")
		for name, o := range variants[store.Order]("ID", "PartnerID", "ClientID") {
			p, ok := payments[name]
			if !ok {
				p = fresh[store.Payment]()
			}
			delete(payments, name)
			o.Version, p.Version = 0, 0
			o, p = c.commit(s, "CommitOrders, "+name, o, p)
			c.stands(s, name, o, p)
		}
		for name, p := range payments { // flags that orders have not
			p.Version = 0
			o, p := c.commit(s, "CommitOrders, "+name, newOrder(), p)
			c.stands(s, name, o, p)
		}
		o, p := newOrder(), newPayment()
		o.ID, o.Amount, p.Amount = 1<<53-1, math.MaxInt64, math.MinInt64
		p.Orders = []int64{o.ID, 1<<53 - 2}
		o, p = c.commit(s, "CommitOrders with great numbers", o, p)
		c.stands(s, "great numbers", o, p)
	}},
	{"a record is replaced whole, but for what is kept", saysSwap + " What never changes of a record (PartnerID, ClientID, ExternalID and Reference, CreatedAt) is kept as it was inserted.", func(c *recorder, s store.Orders) {
		first, paid := c.commit(s, "CommitOrders", newOrder(), newPayment())
		version := int64(1)
		payments := variants[store.Payment]("ID", "PartnerID", "ClientID")
		for name, o := range variants[store.Order]("ID", "PartnerID", "ClientID") {
			p, ok := payments[name]
			if !ok {
				p = fresh[store.Payment]()
			}
			o.ID, p.ID, o.Version, p.Version = first.ID, paid.ID, version, version
			given, paying := c.commit(s, "CommitOrders over another, "+name, o, p)
			version++
			o, p = given, paying
			o.PartnerID, o.ClientID, o.ExternalID, o.CreatedAt = first.PartnerID, first.ClientID, first.ExternalID, first.CreatedAt
			p.PartnerID, p.ClientID, p.Reference, p.CreatedAt = paid.PartnerID, paid.ClientID, paid.Reference, paid.CreatedAt
			c.stands(s, name, o, p)
			fails[store.Order](c, "OrderByExternalID of a name that was given late", store.ErrNotFound)(s.OrderByExternalID(c.ctx, given.ClientID, given.ExternalID))
			fails[store.Payment](c, "PaymentByReference of a name that was given late", store.ErrNotFound)(s.PaymentByReference(c.ctx, paying.ClientID, paying.Reference))
			if given.UserID != "" { // nor is it in the list of another partner
				lists(c, "UserOrders of another partner", s.UserOrders(c.ctx, given.PartnerID, given.UserID))
			}
		}
		lists(c, "UserOrders of who had it", s.UserOrders(c.ctx, "", first.UserID))
		lists(c, "UserPayments of who had it", s.UserPayments(c.ctx, paid.UserID))
		// The names that were not taken are free.
		o, p := newOrder(), newPayment()
		o.ExternalID, p.Reference = "late", "late"
		given, paying := first, paid
		given.Version, paying.Version, given.ExternalID, paying.Reference = version, version, "late", "late"
		c.commit(s, "CommitOrders with another name", given, paying)
		o.ClientID, p.ClientID = first.ClientID, paid.ClientID
		c.commit(s, "CommitOrders of a name that a replacement gave in vain", o, p)
	}},
	{"an unknown order or payment is not found", "Order returns the order, or ErrNotFound. No order has the ExternalID \"\". No payment has the Reference \"\".", func(c *recorder, s store.Orders) {
		c.absent(s, "of an empty store", newOrder(), newPayment())
		o, p := newOrder(), newPayment()
		o.ID, p.ID, o.ExternalID, p.Reference = 77, "pay-Æ", "ext-Æ", "ref-Æ"
		o.ClientID, p.ClientID = "client", "client"
		nameless, unnamed := newOrder(), newPayment()
		nameless.ExternalID, unnamed.Reference, nameless.ClientID, unnamed.ClientID = "", "", "client", "client"
		c.commit(s, "CommitOrders without names", nameless, unnamed)
		o, p = c.commit(s, "CommitOrders", o, p)
		for _, id := range []int64{0, -77, 7, 770, 76} {
			fails[store.Order](c, fmt.Sprintf("Order(%d)", id), store.ErrNotFound)(s.Order(c.ctx, id))
		}
		for _, id := range []string{"", "77", "PAY-Æ", "pay-æ", "pay-%", "pay_Æ", p.ID + " ", p.ID + "\x00", "pay"} {
			fails[store.Payment](c, fmt.Sprintf("Payment(%q)", id), store.ErrNotFound)(s.Payment(c.ctx, id))
		}
		for _, at := range [][2]string{{"client", ""}, {"", ""}, {"", "ext-Æ"}, {"other", "ext-Æ"}, {"CLIENT", "ext-Æ"}, {"client", "ext-æ"}, {"client", "ext-%"}, {"client", "ref-Æ"}, {"cliente", "xt-Æ"}} {
			fails[store.Order](c, fmt.Sprintf("OrderByExternalID(%q)", at), store.ErrNotFound)(s.OrderByExternalID(c.ctx, at[0], at[1]))
			ref := strings.ReplaceAll(at[1], "ext", "ref")
			if at[1] == "ref-Æ" {
				ref = "ext-Æ"
			}
			fails[store.Payment](c, fmt.Sprintf("PaymentByReference(%q, %q)", at[0], ref), store.ErrNotFound)(s.PaymentByReference(c.ctx, at[0], ref))
		}
		c.stands(s, "among others", o, p)
	}},
	{"a record without a key is refused", saysKey + " An order without a positive ID, a payment without an ID, and records without a PartnerID or a ClientID are refused with an error.", func(c *recorder, s store.Orders) {
		refused := func(what string, o store.Order, p store.Payment) {
			for _, replaces := range []int64{0, 1} {
				good, paid := newOrder(), newPayment()
				o.Version, p.Version = replaces, replaces
				if s.CommitOrders(c.ctx, []store.Order{good, o}, []store.Payment{paid, p}) == nil {
					c.errorf("CommitOrders took %s", what)
				}
				c.absent(s, "beside "+what, good, paid)
				fails[store.Order](c, "Order of "+what, store.ErrNotFound)(s.Order(c.ctx, o.ID))
			}
		}
		for name, change := range map[string]func(*store.Order, *store.Payment){
			"an order with the ID 0":       func(o *store.Order, _ *store.Payment) { o.ID = 0 },
			"an order with a negative ID":  func(o *store.Order, _ *store.Payment) { o.ID = -5 },
			"an order without a partner":   func(o *store.Order, _ *store.Payment) { o.PartnerID = "" },
			"an order without a client":    func(o *store.Order, _ *store.Payment) { o.ClientID = "" },
			"a payment without an ID":      func(_ *store.Order, p *store.Payment) { p.ID = "" },
			"a payment without a partner":  func(_ *store.Order, p *store.Payment) { p.PartnerID = "" },
			"a payment without its client": func(_ *store.Order, p *store.Payment) { p.ClientID = "" },
		} {
			o, p := newOrder(), newPayment()
			change(&o, &p)
			refused(name, o, p)
		}
		lists(c, "UserOrders of nobody", s.UserOrders(c.ctx, "", ""))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Orders) {
		o, p := newOrder(), newPayment()
		want, paid := o, p
		want.Data, want.Moved, want.Version = slices.Clone(o.Data), slices.Clone(o.Moved), 1
		paid.Data, paid.Moved, paid.Orders, paid.Version = slices.Clone(p.Data), slices.Clone(p.Moved), slices.Clone(p.Orders), 1
		orders, payments := []store.Order{o}, []store.Payment{p}
		c.ok(s.CommitOrders(c.ctx, orders, payments), "CommitOrders")
		c.same(orders[0].Version, int64(0), "the Version of what was given")
		c.same(payments[0].Version, int64(0), "the Version of what was given")
		spoil(o.Data)
		spoil(o.Moved)
		spoil(p.Data)
		spoil(p.Moved)
		spoil(p.Orders)
		spoil(orders)
		spoil(payments)
		for range 2 { // what is returned the second time has not been changed by who got the first
			c.stands(s, "after what was given and returned was changed", want, paid)
			for _, get := range []func() (store.Order, error){
				func() (store.Order, error) { return s.Order(c.ctx, want.ID) },
				func() (store.Order, error) { return s.OrderByExternalID(c.ctx, want.ClientID, want.ExternalID) },
				func() (store.Order, error) { return first(collect(s.UserOrders(c.ctx, "", want.UserID))) },
			} {
				o, err := get()
				c.ok(err, "an order")
				spoil(o.Data)
				spoil(o.Moved)
			}
			for _, get := range []func() (store.Payment, error){
				func() (store.Payment, error) { return s.Payment(c.ctx, paid.ID) },
				func() (store.Payment, error) { return s.PaymentByReference(c.ctx, paid.ClientID, paid.Reference) },
				func() (store.Payment, error) { return first(collect(s.UserPayments(c.ctx, paid.UserID))) },
			} {
				p, err := get()
				c.ok(err, "a payment")
				spoil(p.Data)
				spoil(p.Moved)
				spoil(p.Orders)
			}
		}
	}},
}

// first returns the first of a list.
func first[R any](all []R, err error) (R, error) {
	var none R
	if err != nil {
		return none, err
	}
	if len(all) == 0 {
		return none, store.ErrNotFound
	}
	return all[0], nil
}

var orderListRules = []rule[store.Orders]{
	{"a user's orders are listed", "UserOrders lists the user's orders at the partner, and at all partners if partnerID is empty …: the latest CreatedAt first, then by ID. Nobody has the user ID \"\".", func(c *recorder, s store.Orders) {
		at := time.Now().Truncate(time.Hour)
		put := func(id int64, partner, user string, hours int) store.Order {
			o := newOrder()
			o.ID, o.PartnerID, o.UserID, o.CreatedAt = id, partner, user, at.Add(time.Duration(hours)*time.Hour)
			c.ok(s.CommitOrders(c.ctx, []store.Order{o}, nil), "CommitOrders")
			o.Version = 1
			return o
		}
		ten, nine, latest, oldest := put(10, "p", "u", 3), put(9, "p", "u", 3), put(500, "p", "u", 9), put(1, "p", "u", -100_000)
		foreign := put(70, "q", "u", 5)
		put(71, "p", "", 5)
		others := put(72, "p", "v", 5)
		lists(c, "UserOrders", s.UserOrders(c.ctx, "p", "u"), latest, nine, ten, oldest)
		lists(c, "UserOrders of another partner", s.UserOrders(c.ctx, "q", "u"), foreign)
		lists(c, "UserOrders of all partners", s.UserOrders(c.ctx, "", "u"), latest, foreign, nine, ten, oldest)
		lists(c, "UserOrders of another user", s.UserOrders(c.ctx, "", "v"), others)
		for _, user := range []string{"", "U", "u ", "%"} {
			lists(c, fmt.Sprintf("UserOrders of %q", user), s.UserOrders(c.ctx, "", user))
		}
		nine.UserID, ten.UserID = "v", ""
		c.ok(s.CommitOrders(c.ctx, []store.Order{nine, ten}, nil), "CommitOrders that gives orders away")
		nine.Version++
		lists(c, "UserOrders of who had them", s.UserOrders(c.ctx, "p", "u"), latest, oldest)
		lists(c, "UserOrders of who has one", s.UserOrders(c.ctx, "p", "v"), others, nine)
		lists(c, "UserOrders of nobody", s.UserOrders(c.ctx, "p", ""))
		for _, err := range s.UserOrders(c.ctx, "p", "u") { // a list that is left early
			c.ok(err, "UserOrders")
			break
		}
	}},
	{"a user's payments are listed", "UserPayments lists the user's payments at all partners …: the latest CreatedAt first, then by ID. Nobody has the user ID \"\".", func(c *recorder, s store.Orders) {
		at := time.Now().Truncate(time.Hour)
		put := func(id, partner, user string, hours int) store.Payment {
			p := newPayment()
			p.ID, p.PartnerID, p.UserID, p.CreatedAt = id, partner, user, at.Add(time.Duration(hours)*time.Hour)
			c.ok(s.CommitOrders(c.ctx, nil, []store.Payment{p}), "CommitOrders")
			p.Version = 1
			return p
		}
		b, a, last, foreign, oldest := put("b", "p", "u", 3), put("a", "p", "u", 3), put("z", "p", "u", 9), put("c", "q", "u", 5), put("0", "p", "u", -100_000)
		put("d", "p", "", 5)
		others := put("e", "p", "v", 5)
		lists(c, "UserPayments", s.UserPayments(c.ctx, "u"), last, foreign, a, b, oldest)
		for _, user := range []string{"", "U", "u ", "%"} {
			lists(c, fmt.Sprintf("UserPayments of %q", user), s.UserPayments(c.ctx, user))
		}
		a.UserID, b.UserID = "v", ""
		c.ok(s.CommitOrders(c.ctx, nil, []store.Payment{a, b}), "CommitOrders that gives payments away")
		a.Version++
		lists(c, "UserPayments of who had them", s.UserPayments(c.ctx, "u"), last, foreign, oldest)
		lists(c, "UserPayments of who has one", s.UserPayments(c.ctx, "v"), others, a)
		lists(c, "UserPayments of nobody", s.UserPayments(c.ctx, ""))
	}},
	{"look-ups are indexed", "OrderByExternalID returns the client's order …, by an indexed look-up … UserOrders lists …, by an indexed look-up … PaymentByReference …, by an indexed look-up … UserPayments lists …, by an indexed look-up.", indexedOrders},
	{"orders and payments move with a merge, and back", "MoveOrders makes the orders and payments of one user those of another, adds the merge to Moved of each and raises its Version. It returns how many there were: none when it is done again. ReturnOrders undoes MoveOrders: of what fromUser has, what the merge has moved becomes toUser's, and Moved ends before it.", func(c *recorder, s store.Orders) {
		put := func(user string) (store.Order, store.Payment) {
			o, p := newOrder(), newPayment()
			o.UserID, p.UserID, o.Moved, p.Moved = user, user, nil, nil
			return c.commit(s, "CommitOrders", o, p)
		}
		has := func(what string, o store.Order, p store.Payment, version int64, user string, moved ...string) {
			o.UserID, o.Moved, o.Version = user, moved, version
			p.UserID, p.Moved, p.Version = user, moved, version
			returns(c, "Order "+what, o)(s.Order(c.ctx, o.ID))
			returns(c, "Payment "+what, p)(s.Payment(c.ctx, p.ID))
			lists(c, "UserOrders "+what, s.UserOrders(c.ctx, o.PartnerID, user), o)
		}
		count := func(what string, want int) func(int, error) {
			return func(n int, err error) {
				if n != want || err != nil {
					c.errorf("%s = %d, %v, want %d", what, n, err, want)
				}
			}
		}
		const one = "m'1\"\\"
		o1, p1 := put("c")
		o2, p2 := put("c")
		own, owned := put("b")
		count("MoveOrders", 4)(s.MoveOrders(c.ctx, one, "c", "b"))
		count("MoveOrders again", 0)(s.MoveOrders(c.ctx, one, "c", "b"))
		has("of who got it", o1, p1, 2, "b", one)
		lists(c, "UserOrders of who had it", s.UserOrders(c.ctx, "", "c"))
		lists(c, "UserPayments of who had it", s.UserPayments(c.ctx, "c"))
		has("of who had her own", own, owned, 1, "b")
		c.is(s.CommitOrders(c.ctx, []store.Order{o1}, nil), store.ErrConflict, "CommitOrders of an order as it was before it moved")
		c.is(s.CommitOrders(c.ctx, nil, []store.Payment{p1}), store.ErrConflict, "CommitOrders of a payment as it was before it moved")
		count("MoveOrders of a second merge", 6)(s.MoveOrders(c.ctx, "m2", "b", "a"))
		has("after two merges", o2, p2, 3, "a", one, "m2")
		count("ReturnOrders of an unknown merge", 0)(s.ReturnOrders(c.ctx, "m3", "a", "b"))
		count("ReturnOrders of another's", 0)(s.ReturnOrders(c.ctx, "m2", "b", "a"))
		since, paidSince := put("a")
		count("ReturnOrders of the second", 6)(s.ReturnOrders(c.ctx, "m2", "a", "b"))
		has("after the second was undone", o2, p2, 4, "b", one)
		has("placed since", since, paidSince, 1, "a")
		count("ReturnOrders of the first", 4)(s.ReturnOrders(c.ctx, one, "b", "c"))
		count("ReturnOrders again", 0)(s.ReturnOrders(c.ctx, one, "b", "c"))
		has("after the first was undone", o1, p1, 5, "c")
		has("of who had her own, at the end", own, owned, 3, "b")
		// An earlier merge can be undone before a later one: all after it ends too.
		count("MoveOrders of a third merge", 4)(s.MoveOrders(c.ctx, "m4", "c", "d"))
		count("MoveOrders of a fourth merge", 4)(s.MoveOrders(c.ctx, "m5", "d", "e"))
		count("ReturnOrders of the third", 4)(s.ReturnOrders(c.ctx, "m4", "e", "c"))
		has("of whom a merge in between was undone", o1, p1, 8, "c")

		nobodys, unpaid := put("")
		count("MoveOrders of nobody", 0)(s.MoveOrders(c.ctx, "m6", "", "a"))
		count("ReturnOrders of nobody", 0)(s.ReturnOrders(c.ctx, "m6", "", "a"))
		returns(c, "Order of nobody", nobodys)(s.Order(c.ctx, nobodys.ID))
		returns(c, "Payment of nobody", unpaid)(s.Payment(c.ctx, unpaid.ID))
		for what, move := range map[string]func() (int, error){
			"MoveOrders":   func() (int, error) { return s.MoveOrders(c.ctx, "m6", "b", "") },
			"ReturnOrders": func() (int, error) { return s.ReturnOrders(c.ctx, "m6", "b", "") },
		} {
			if _, err := move(); err == nil {
				c.errorf("%s took nobody", what)
			}
		}
		has("that were moved to nobody", own, owned, 3, "b")
	}},
	{"a move and a change meet", "MoveOrders … raises its Version. Of many concurrent callers that want to replace one version of a record, exactly one gets a nil error.", func(c *recorder, s store.Orders) {
		c.someRounds(func() {
			o, p := newOrder(), newPayment()
			o.Moved, p.Moved, o.Amount = nil, nil, 0
			user := o.UserID
			p.UserID = user
			c.commit(s, "CommitOrders", o, p)
			changes := race(func(i int) error {
				if i == 7 {
					if n, err := s.MoveOrders(c.ctx, "m", user, user+" survivor"); n != 2 || err != nil {
						c.errorf("MoveOrders = %d, %v, want 2", n, err)
					}
					return store.ErrConflict
				}
				now, err := s.Order(c.ctx, o.ID)
				if err != nil {
					return err
				}
				now.Amount++
				return s.CommitOrders(c.ctx, []store.Order{now}, nil)
			})
			n := int64(0)
			for _, err := range changes {
				switch {
				case err == nil:
					n++
				case !errors.Is(err, store.ErrConflict):
					c.errorf("CommitOrders while an order moves: %v, want %v", err, store.ErrConflict)
				}
			}
			now, err := s.Order(c.ctx, o.ID)
			c.ok(err, "Order")
			if now.UserID != user+" survivor" || now.Version != n+2 || now.Amount != n || !slices.Equal(now.Moved, []string{"m"}) {
				c.errorf("after %d changes and a move the order is %q's, version %d, amount %d, moved %q", n, now.UserID, now.Version, now.Amount, now.Moved)
			}
		})
	}},
}

// indexedOrders compares how long look-ups take with one record, and with a
// thousand more of other clients and users.
func indexedOrders(c *recorder, s store.Orders) {
	o, p := c.commit(s, "CommitOrders", newOrder(), newPayment())
	lookUps := map[string]func() error{
		"OrderByExternalID":  func() error { _, err := s.OrderByExternalID(c.ctx, o.ClientID, o.ExternalID); return err },
		"PaymentByReference": func() error { _, err := s.PaymentByReference(c.ctx, p.ClientID, p.Reference); return err },
		"UserOrders":         func() error { _, err := collect(s.UserOrders(c.ctx, "", o.UserID)); return err },
		"UserPayments":       func() error { _, err := collect(s.UserPayments(c.ctx, p.UserID)); return err },
	}
	best := func(what string) time.Duration {
		least := time.Hour
		for range 20 {
			start := time.Now()
			for range 20 {
				if err := lookUps[what](); err != nil {
					c.fatalf("%s: %v", what, err)
				}
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	few := map[string]time.Duration{}
	for what := range lookUps {
		few[what] = best(what)
	}
	for range 40 {
		var orders []store.Order
		var payments []store.Payment
		for range 50 {
			orders, payments = append(orders, newOrder()), append(payments, newPayment())
		}
		c.ok(s.CommitOrders(c.ctx, orders, payments), "CommitOrders")
	}
	for what := range lookUps {
		if many := best(what); many > 10*few[what]+time.Millisecond {
			c.errorf("20 times %s takes %v with one record and %v with 2001", what, few[what], many)
		}
	}
}
