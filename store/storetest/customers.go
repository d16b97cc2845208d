package storetest

import (
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// reach returns the contact in another slice, so that a record can be given away.
func reach(all ...store.Contact) []store.Contact { return slices.Clone(all) }

var customerRules = []rule[store.Customers]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Customers) {
		for name, r := range variants[store.Customer]("PartnerID", "Number") {
			c.ok(s.PutCustomer(c.ctx, r), "PutCustomer, "+name)
			returns(c, "Customer, "+name, r)(s.Customer(c.ctx, r.PartnerID, r.Number))
			for _, at := range r.Contacts {
				lists(c, "CustomersByContact, "+name, s.CustomersByContact(c.ctx, r.PartnerID, at), r)
			}
		}
	}},
	{"a customer is replaced whole", "PutCustomer inserts the customer or replaces the partner's one with that Number.", func(c *recorder, s store.Customers) {
		first := fresh[store.Customer]()
		c.ok(s.PutCustomer(c.ctx, first), "PutCustomer")
		old := first
		for name, r := range variants[store.Customer]("PartnerID", "Number") {
			r.PartnerID, r.Number = first.PartnerID, first.Number
			c.ok(s.PutCustomer(c.ctx, r), "PutCustomer over another, "+name)
			returns(c, "Customer, "+name, r)(s.Customer(c.ctx, r.PartnerID, r.Number))
			for _, at := range old.Contacts {
				lists(c, "CustomersByContact of one that was replaced, "+name, s.CustomersByContact(c.ctx, r.PartnerID, at))
			}
			old = r
		}
	}},
	{"a customer without a key is refused", saysKey, func(c *recorder, s store.Customers) {
		for name, change := range map[string]func(*store.Customer){
			"PartnerID":           func(r *store.Customer) { r.PartnerID = "" },
			"Number":              func(r *store.Customer) { r.Number = 0 },
			"Number above zero":   func(r *store.Customer) { r.Number = -1 },
			"anything but a name": func(r *store.Customer) { *r = store.Customer{LastName: "Nordmann"} },
		} {
			r := fresh[store.Customer]()
			change(&r)
			if s.PutCustomer(c.ctx, r) == nil {
				c.errorf("PutCustomer took a customer without %s", name)
			}
			fails[store.Customer](c, "Customer", store.ErrNotFound)(s.Customer(c.ctx, r.PartnerID, r.Number))
		}
		for name, change := range map[string]func(*store.Customer){
			"PartnerID": func(r *store.Customer) { r.PartnerID = "" },
			"Key":       func(r *store.Customer) { r.Key = "" },
		} {
			r := fresh[store.Customer]()
			change(&r)
			if _, err := s.CreateCustomer(c.ctx, r); err == nil {
				c.errorf("CreateCustomer took a customer without %s", name)
			}
		}
	}},
	{"an unknown customer is not found", "Customer returns the partner's customer with the number, or ErrNotFound.", func(c *recorder, s store.Customers) {
		r, other := fresh[store.Customer](), fresh[store.Customer]()
		fails[store.Customer](c, "Customer of an empty store", store.ErrNotFound)(s.Customer(c.ctx, r.PartnerID, r.Number))
		c.ok(s.PutCustomer(c.ctx, r), "PutCustomer")
		fails[store.Customer](c, "Customer of another number", store.ErrNotFound)(s.Customer(c.ctx, r.PartnerID, other.Number))
		fails[store.Customer](c, "Customer of another partner", store.ErrNotFound)(s.Customer(c.ctx, other.PartnerID, r.Number))
		other.Number = r.Number
		c.ok(s.PutCustomer(c.ctx, other), "PutCustomer of another partner with the number")
		returns(c, "Customer", r)(s.Customer(c.ctx, r.PartnerID, r.Number))
		returns(c, "Customer of another partner", other)(s.Customer(c.ctx, other.PartnerID, r.Number))
	}},
	{"customers are found by contact", "CustomersByContact lists the partner's customers that have the contact … ordered by Number.", func(c *recorder, s store.Customers) {
		at := store.Contact{Kind: store.Email, Identity: "berit@example.com"}
		put := func(partner string, number int64, all ...store.Contact) store.Customer {
			r := fresh[store.Customer]()
			r.PartnerID, r.Number, r.Contacts = partner, number, reach(all...)
			c.ok(s.PutCustomer(c.ctx, r), "PutCustomer")
			return r
		}
		phone := store.Contact{Kind: store.Phone, Identity: at.Identity}
		tenth := put("p", 10, at)
		ninth := put("p", 9, phone, at)
		put("p", 8, phone)
		put("p", 7)
		foreign := put("q", 9, at)
		twice := put("p", 11, at, at)
		lists(c, "CustomersByContact", s.CustomersByContact(c.ctx, "p", at), ninth, tenth, twice)
		lists(c, "CustomersByContact of another partner", s.CustomersByContact(c.ctx, "q", at), foreign)
		for _, o := range []store.Contact{{}, {Kind: store.Email}, {Kind: store.Email, Identity: "Berit@example.com"}, {Kind: store.Email, Identity: "%"}, {Kind: store.Email, Identity: "berit@example.com "}} {
			lists(c, fmt.Sprintf("CustomersByContact(%v)", o), s.CustomersByContact(c.ctx, "p", o))
		}
		lists(c, "CustomersByContact of no partner", s.CustomersByContact(c.ctx, "", at))
		c.ok(s.DeleteCustomer(c.ctx, "p", 9), "DeleteCustomer")
		lists(c, "CustomersByContact after a deletion", s.CustomersByContact(c.ctx, "p", at), tenth, twice)
	}},
	{"a created customer gets the next number", "The next number is one more than the highest that any customer of the partner ever had, and at least FirstCustomer.", func(c *recorder, s store.Customers) {
		r := fresh[store.Customer]()
		create := func(want int64, what string) store.Customer {
			next := r
			next.Key, next.Contacts = what, reach(r.Contacts...)
			got, err := s.CreateCustomer(c.ctx, next)
			next.Number = want
			returns(c, "CreateCustomer, "+what, next)(got, err)
			returns(c, "Customer, "+what, next)(s.Customer(c.ctx, r.PartnerID, want))
			return next
		}
		create(store.FirstCustomer, "the first")
		other := fresh[store.Customer]()
		other.PartnerID, other.Number, other.Contacts = r.PartnerID, store.FirstCustomer+5, nil
		c.ok(s.PutCustomer(c.ctx, other), "PutCustomer")
		last := create(store.FirstCustomer+6, "after one that was put")
		c.ok(s.DeleteCustomer(c.ctx, r.PartnerID, last.Number), "DeleteCustomer")
		create(store.FirstCustomer+7, "after a deletion: no number is given twice")
		r.PartnerID += " other"
		create(store.FirstCustomer, "at another partner")
	}},
	{"a creation can be repeated", "If the partner has a customer with c.Key already, that one is returned as it is.", func(c *recorder, s store.Customers) {
		r := fresh[store.Customer]()
		made, err := s.CreateCustomer(c.ctx, r)
		c.ok(err, "CreateCustomer")
		again := fresh[store.Customer]()
		again.PartnerID, again.Key = r.PartnerID, r.Key
		returns(c, "CreateCustomer again", made)(s.CreateCustomer(c.ctx, again))
		returns(c, "Customer", made)(s.Customer(c.ctx, r.PartnerID, made.Number))
		for _, at := range again.Contacts {
			lists(c, "CustomersByContact of what was not created", s.CustomersByContact(c.ctx, r.PartnerID, at))
		}
		again.PartnerID += " other"
		other, err := s.CreateCustomer(c.ctx, again)
		again.Number = store.FirstCustomer
		returns(c, "CreateCustomer at another partner", again)(other, err)
	}},
	{"many creations make one customer", "Of many concurrent callers with one Key all get the same customer.", func(c *recorder, s store.Customers) {
		c.rounds(func(int) {
			r := fresh[store.Customer]()
			var got [racers]int64
			for i, err := range race(func(i int) error {
				made, err := s.CreateCustomer(c.ctx, r)
				got[i] = made.Number
				return err
			}) {
				if err != nil || got[i] != store.FirstCustomer {
					c.errorf("CreateCustomer = %d, %v; want %d", got[i], err, store.FirstCustomer)
				}
			}
		})
	}},
	{"many creations get many numbers", "CreateCustomer inserts the customer under the partner's next number … in one step.", func(c *recorder, s store.Customers) {
		c.rounds(func(int) {
			first := fresh[store.Customer]()
			var got [racers]int64
			for _, err := range race(func(i int) error {
				r := fresh[store.Customer]()
				r.PartnerID = first.PartnerID
				made, err := s.CreateCustomer(c.ctx, r)
				got[i] = made.Number
				return err
			}) {
				c.noError(err, "CreateCustomer")
			}
			slices.Sort(got[:])
			for i, n := range got {
				if n != store.FirstCustomer+int64(i) {
					c.errorf("the %d. number is %d; want %d", i, n, store.FirstCustomer+i)
				}
			}
		})
	}},
	{"another customer's key conflicts", "ErrConflict when another customer of the partner has c.Key.", func(c *recorder, s store.Customers) {
		r, other := fresh[store.Customer](), fresh[store.Customer]()
		c.ok(s.PutCustomer(c.ctx, r), "PutCustomer")
		other.PartnerID, other.Key = r.PartnerID, r.Key
		c.is(s.PutCustomer(c.ctx, other), store.ErrConflict, "PutCustomer with a taken key")
		fails[store.Customer](c, "Customer after a conflict", store.ErrNotFound)(s.Customer(c.ctx, other.PartnerID, other.Number))
		returns(c, "Customer", r)(s.Customer(c.ctx, r.PartnerID, r.Number))
		for range 2 { // no key is no conflict
			other.Key, other.Number = "", other.Number+1
			c.ok(s.PutCustomer(c.ctx, other), "PutCustomer without a key")
		}
		r.Key = "another"
		c.ok(s.PutCustomer(c.ctx, r), "PutCustomer that changes its key")
		other.Key, other.Number = "another", r.Number
		c.ok(s.PutCustomer(c.ctx, other), "PutCustomer in place of the one with the key")
	}},
	{"a customer is replaced if there is one", "ReplaceCustomer replaces the partner's customer with that Number in one step, or returns ErrNotFound. Key and CreatedAt stay as they are.", func(c *recorder, s store.Customers) {
		first := fresh[store.Customer]()
		c.is(s.ReplaceCustomer(c.ctx, first), store.ErrNotFound, "ReplaceCustomer of nobody")
		fails[store.Customer](c, "Customer that was not there to be replaced", store.ErrNotFound)(s.Customer(c.ctx, first.PartnerID, first.Number))
		c.ok(s.PutCustomer(c.ctx, first), "PutCustomer")
		old := first
		for name, r := range variants[store.Customer]("PartnerID", "Number") {
			r.PartnerID, r.Number = first.PartnerID, first.Number
			c.ok(s.ReplaceCustomer(c.ctx, r), "ReplaceCustomer, "+name)
			r.Key, r.CreatedAt = first.Key, first.CreatedAt
			returns(c, "Customer, "+name, r)(s.Customer(c.ctx, r.PartnerID, r.Number))
			for _, at := range old.Contacts {
				lists(c, "CustomersByContact of one that was replaced, "+name, s.CustomersByContact(c.ctx, r.PartnerID, at))
			}
			for _, at := range r.Contacts {
				at.Use = "another"
				lists(c, "CustomersByContact with another use, "+name, s.CustomersByContact(c.ctx, r.PartnerID, at), r)
			}
			old = r
		}
	}},
	{"a deleted customer is gone", "DeleteCustomer removes the customer; no error when there is none.", func(c *recorder, s store.Customers) {
		r, other := fresh[store.Customer](), fresh[store.Customer]()
		other.PartnerID = r.PartnerID
		c.ok(s.PutCustomer(c.ctx, r), "PutCustomer")
		c.ok(s.PutCustomer(c.ctx, other), "PutCustomer")
		for range 2 {
			c.ok(s.DeleteCustomer(c.ctx, r.PartnerID, r.Number), "DeleteCustomer")
		}
		fails[store.Customer](c, "Customer", store.ErrNotFound)(s.Customer(c.ctx, r.PartnerID, r.Number))
		returns(c, "Customer", other)(s.Customer(c.ctx, other.PartnerID, other.Number))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Customers) {
		r := fresh[store.Customer]()
		want := r
		want.Contacts = reach(r.Contacts...)
		c.ok(s.PutCustomer(c.ctx, r), "PutCustomer")
		spoil(r.Contacts)
		got, err := s.Customer(c.ctx, want.PartnerID, want.Number)
		returns(c, "Customer after what was given was changed", want)(got, err)
		spoil(got.Contacts)
		all, err := collect(s.CustomersByContact(c.ctx, want.PartnerID, want.Contacts[0]))
		if c.ok(err, "CustomersByContact"); len(all) == 1 {
			c.same(all[0], want, "CustomersByContact after what was returned was changed")
			spoil(all[0].Contacts)
		}
		returns(c, "Customer after what was listed was changed", want)(s.Customer(c.ctx, want.PartnerID, want.Number))
	}},
	endedContexts[store.Customers](),
	hammered[store.Customers](),
}
