package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	saysPutTicket  = "PutTicket inserts the ticket, or returns ErrConflict when its hash is taken within its kind, also by a used one."
	saysTakeTicket = "TakeTicket marks the client's live ticket as used and returns it. Of many concurrent callers exactly one gets a nil error, the rest get the ticket and ErrUsed."
	saysNotTaken   = "Without a live ticket of that client the error is ErrNotFound, and the ticket of another client is left as it was."
)

// seesTicket complains unless both ways to see the used ticket give it, with ErrUsed.
func (c *recorder) seesTicket(s store.Tickets, want store.Ticket, what string) {
	got, err := s.Ticket(c.ctx, want.Kind, want.Hash)
	c.is(err, store.ErrUsed, "Ticket "+what)
	c.same(got, want, "Ticket "+what)
	got, err = s.TakeTicket(c.ctx, want.Kind, want.Hash, want.ClientID)
	c.is(err, store.ErrUsed, "TakeTicket "+what)
	c.same(got, want, "TakeTicket "+what)
}

var ticketRules = []rule[store.Tickets]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Tickets) {
		for name, t := range variants[store.Ticket]("Kind", "Hash", "ExpiresAt") {
			c.ok(s.PutTicket(c.ctx, t), "PutTicket, "+name)
			returns(c, "Ticket, "+name, t)(s.Ticket(c.ctx, t.Kind, t.Hash))
			returns(c, "TakeTicket, "+name, t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
			c.seesTicket(s, t, "that is used, "+name)
		}
	}},
	{"a ticket without a key is refused", saysKey, func(c *recorder, s store.Tickets) {
		noHash, noKind := fresh[store.Ticket](), fresh[store.Ticket]()
		noHash.Hash, noKind.Kind = store.Digest{}, ""
		for name, t := range map[string]store.Ticket{"Hash": noHash, "Kind": noKind} {
			if s.PutTicket(c.ctx, t) == nil {
				c.errorf("PutTicket took a ticket without a %s", name)
			}
			fails[store.Ticket](c, "Ticket without a "+name, store.ErrNotFound)(s.Ticket(c.ctx, t.Kind, t.Hash))
			fails[store.Ticket](c, "TakeTicket without a "+name, store.ErrNotFound)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		}
	}},
	{"a taken hash conflicts", saysPutTicket, func(c *recorder, s store.Tickets) {
		t, o := fresh[store.Ticket](), fresh[store.Ticket]()
		o.Kind, o.Hash = t.Kind, t.Hash
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		c.is(s.PutTicket(c.ctx, o), store.ErrConflict, "PutTicket with a taken hash")
		returns(c, "Ticket after a conflict", t)(s.Ticket(c.ctx, t.Kind, t.Hash))
		returns(c, "TakeTicket", t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		c.is(s.PutTicket(c.ctx, o), store.ErrConflict, "PutTicket with the hash of a used one")
		c.is(s.PutTicket(c.ctx, t), store.ErrConflict, "PutTicket of the used one itself")
		c.seesTicket(s, t, "after conflicts")
		fails[store.Ticket](c, "TakeTicket by whose ticket was refused", store.ErrNotFound)(s.TakeTicket(c.ctx, o.Kind, o.Hash, o.ClientID))
	}},
	{"kinds do not meet", "Tickets of different kinds do not meet.", func(c *recorder, s store.Tickets) {
		kinds := []store.TicketKind{store.PushedRequest, store.ExternalCode, store.ProofID, "pa", "par ", "PAR"}
		hash := fresh[store.Ticket]().Hash
		var all []store.Ticket
		for i, kind := range kinds {
			t := fresh[store.Ticket]()
			t.Kind, t.Hash, t.ClientID, t.UserID = kind, hash, "client", "nobody's"
			if i > 0 {
				fails[store.Ticket](c, fmt.Sprintf("Ticket of the kind %q", kind), store.ErrNotFound)(s.Ticket(c.ctx, kind, hash))
				fails[store.Ticket](c, fmt.Sprintf("TakeTicket of the kind %q", kind), store.ErrNotFound)(s.TakeTicket(c.ctx, kind, hash, "client"))
			}
			c.ok(s.PutTicket(c.ctx, t), fmt.Sprintf("PutTicket of the kind %q", kind))
			all = append(all, t)
		}
		for i, t := range all {
			returns(c, fmt.Sprintf("TakeTicket of the kind %q", t.Kind), t)(s.TakeTicket(c.ctx, t.Kind, hash, "client"))
			for _, later := range all[i+1:] {
				returns(c, fmt.Sprintf("Ticket of the kind %q", later.Kind), later)(s.Ticket(c.ctx, later.Kind, hash))
			}
		}
	}},
	{"a look uses nothing up", "Ticket returns the live ticket, ErrUsed with it when it has been used, or ErrNotFound. It uses nothing up.", func(c *recorder, s store.Tickets) {
		t := fresh[store.Ticket]()
		fails[store.Ticket](c, "Ticket of an empty store", store.ErrNotFound)(s.Ticket(c.ctx, t.Kind, t.Hash))
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		for range 3 {
			returns(c, "Ticket", t)(s.Ticket(c.ctx, t.Kind, t.Hash))
		}
		returns(c, "TakeTicket", t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
	}},
	{"a replay is recognised", "Tickets keeps tickets until they expire, used ones too, so that a replay is recognisable.", func(c *recorder, s store.Tickets) {
		t := fresh[store.Ticket]()
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		returns(c, "TakeTicket", t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		for i := range 3 {
			c.seesTicket(s, t, fmt.Sprint("replayed, ", i))
			c.ok(s.PutTicket(c.ctx, fresh[store.Ticket]()), "PutTicket of another")
		}
	}},
	{"another client's ticket is left as it was", saysNotTaken, func(c *recorder, s store.Tickets) {
		t := fresh[store.Ticket]()
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		foreign := func(when string) {
			for _, client := range []string{"another", "", t.ClientID + " ", "%"} {
				fails[store.Ticket](c, fmt.Sprintf("TakeTicket by the client %q, %s", client, when), store.ErrNotFound)(s.TakeTicket(c.ctx, t.Kind, t.Hash, client))
			}
		}
		foreign("unused")
		returns(c, "Ticket that another client asked for", t)(s.Ticket(c.ctx, t.Kind, t.Hash))
		returns(c, "TakeTicket", t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		foreign("used")
		c.seesTicket(s, t, "that another client asked for")
	}},
	{"an expired ticket is absent", saysExpiry, func(c *recorder, s store.Tickets) {
		for name, at := range expiries() {
			t := fresh[store.Ticket]()
			t.ExpiresAt = at
			c.ok(s.PutTicket(c.ctx, t), "PutTicket of one that expired "+name)
			fails[store.Ticket](c, "Ticket that expired "+name, store.ErrNotFound)(s.Ticket(c.ctx, t.Kind, t.Hash))
			fails[store.Ticket](c, "TakeTicket of one that expired "+name, store.ErrNotFound)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
			n, err := s.DropUserTickets(c.ctx, t.UserID)
			if c.ok(err, "DropUserTickets"); n != 0 {
				c.errorf("DropUserTickets of one that expired %s = %d, want 0", name, n)
			}
			c.ok(s.PutTicket(c.ctx, t), "PutTicket of one that expired "+name+", again")
			live := fresh[store.Ticket]()
			live.Kind, live.Hash = t.Kind, t.Hash
			c.ok(s.PutTicket(c.ctx, live), "PutTicket with the hash of one that expired "+name)
			fails[store.Ticket](c, "TakeTicket by whose ticket had expired "+name, store.ErrNotFound)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
			returns(c, "TakeTicket", live)(s.TakeTicket(c.ctx, live.Kind, live.Hash, live.ClientID))
		}
	}},
	{"expiry never leads", "A backend's own time-to-live may lag by up to a minute, never lead.", func(c *recorder, s store.Tickets) {
		t := fresh[store.Ticket]()
		t.ExpiresAt = time.Now().Add(30 * time.Second).Truncate(time.Millisecond)
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		returns(c, "TakeTicket with half a minute to go", t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		c.seesTicket(s, t, "with half a minute to go")
	}},
	{"one of many puts a ticket", "Of many concurrent callers with one hash exactly one succeeds.", func(c *recorder, s store.Tickets) {
		c.rounds(func(round int) {
			t := fresh[store.Ticket]()
			if round%4 == 0 { // in place of an expired one
				old := fresh[store.Ticket]()
				old.Kind, old.Hash, old.ExpiresAt = t.Kind, t.Hash, past()
				c.ok(s.PutTicket(c.ctx, old), "PutTicket of an expired one")
			}
			winner := c.oneWins("PutTicket", store.ErrConflict, func(i int) error {
				o := t
				o.GrantID = fmt.Sprint(i)
				return s.PutTicket(c.ctx, o)
			})
			t.GrantID = fmt.Sprint(winner)
			returns(c, "Ticket", t)(s.Ticket(c.ctx, t.Kind, t.Hash))
		})
	}},
	{"one of many takes a ticket", saysTakeTicket, func(c *recorder, s store.Tickets) {
		c.rounds(func(int) {
			t := fresh[store.Ticket]()
			c.ok(s.PutTicket(c.ctx, t), "PutTicket")
			c.oneWins("TakeTicket", store.ErrUsed, func(i int) error {
				switch i % 8 {
				case 0: // someone who stole it
					_, err := s.TakeTicket(c.ctx, t.Kind, t.Hash, "another")
					if errors.Is(err, store.ErrNotFound) {
						return store.ErrUsed
					}
					return fmt.Errorf("by another client: %w", err)
				case 1: // someone who looks
					got, err := s.Ticket(c.ctx, t.Kind, t.Hash)
					c.same(got, t, "Ticket")
					if err == nil {
						return store.ErrUsed
					}
					return err
				}
				got, err := s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID)
				c.same(got, t, "TakeTicket")
				return err
			})
			c.seesTicket(s, t, "after the race")
		})
	}},
	{"a user's tickets are dropped", "DropUserTickets removes the tickets for the user, whether used or not, and returns how many there were.", func(c *recorder, s store.Tickets) {
		put := func(user string) store.Ticket {
			t := fresh[store.Ticket]()
			t.UserID = user
			c.ok(s.PutTicket(c.ctx, t), "PutTicket")
			return t
		}
		mine := []store.Ticket{put("mine"), put("mine"), put("mine")}
		others := []store.Ticket{put("MINE"), put("mine "), put("%"), put("")}
		_, err := s.TakeTicket(c.ctx, mine[1].Kind, mine[1].Hash, mine[1].ClientID)
		c.ok(err, "TakeTicket")
		for _, step := range []struct {
			user string
			want int
		}{{"nobody", 0}, {"", 0}, {"mine", 3}, {"mine", 0}} {
			n, err := s.DropUserTickets(c.ctx, step.user)
			if c.ok(err, "DropUserTickets"); n != step.want {
				c.errorf("DropUserTickets(%q) = %d, want %d", step.user, n, step.want)
			}
		}
		for _, t := range mine {
			fails[store.Ticket](c, "Ticket that was dropped", store.ErrNotFound)(s.Ticket(c.ctx, t.Kind, t.Hash))
			fails[store.Ticket](c, "TakeTicket of one that was dropped", store.ErrNotFound)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
			c.ok(s.PutTicket(c.ctx, t), "PutTicket of one that was dropped")
		}
		for _, t := range others {
			returns(c, fmt.Sprintf("TakeTicket for the user %q", t.UserID), t)(s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID))
		}
	}},
	{"a drop wins over takers", "DropUserTickets removes the tickets for the user, whether used or not.", func(c *recorder, s store.Tickets) {
		c.someRounds(func() {
			t := fresh[store.Ticket]()
			c.ok(s.PutTicket(c.ctx, t), "PutTicket")
			race(func(i int) error {
				if i == racers/2 {
					n, err := s.DropUserTickets(c.ctx, t.UserID)
					if c.noError(err, "DropUserTickets"); n != 1 {
						c.errorf("DropUserTickets = %d, want 1", n)
					}
					return nil
				}
				if _, err := s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID); err != nil && !errors.Is(err, store.ErrUsed) && !errors.Is(err, store.ErrNotFound) {
					c.errorf("TakeTicket: %v", err)
				}
				return nil
			})
			fails[store.Ticket](c, "Ticket that was dropped", store.ErrNotFound)(s.Ticket(c.ctx, t.Kind, t.Hash))
		})
	}},
	{"records are values", saysValues, func(c *recorder, s store.Tickets) {
		t := fresh[store.Ticket]()
		want := t
		want.Data = bytes.Clone(t.Data)
		c.ok(s.PutTicket(c.ctx, t), "PutTicket")
		spoil(t.Data)
		got, err := s.Ticket(c.ctx, t.Kind, t.Hash)
		returns(c, "Ticket after what was given was changed", want)(got, err)
		spoil(got.Data)
		got, err = s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID)
		returns(c, "TakeTicket after what was returned was changed", want)(got, err)
		spoil(got.Data)
		got, _ = s.TakeTicket(c.ctx, t.Kind, t.Hash, t.ClientID)
		c.same(got, want, "TakeTicket after what was taken was changed")
		spoil(got.Data)
		got, _ = s.Ticket(c.ctx, t.Kind, t.Hash)
		c.same(got, want, "Ticket after what was taken was changed")
	}},
	endedContexts[store.Tickets](),
	hammered[store.Tickets](),
}
