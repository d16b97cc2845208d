package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/connectid-kit/connectid/store"
)

const (
	saysVisit    = "VisitSession adds the client to Clients of the session, if it is still live and does not have it, in one step; ErrNotFound when it is not live. No concurrent visit is lost."
	saysInherits = "If both have the same ID, s gets the Clients of old in that step, before those that it brings: no visit is lost."
)

func allSessionRules() []rule[store.Sessions] { return slices.Concat(sessionRules, visitRules) }

// visited returns r with those clients and no others.
func visited(r store.Session, clients ...string) store.Session {
	r.Clients = clients
	return r
}

var visitRules = []rule[store.Sessions]{
	{"visits are kept", saysVisit + " Clients are … in the order in which they were visited, each once.", func(c *recorder, s store.Sessions) {
		r, other := visited(fresh[store.Session]()), fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		c.ok(s.CreateSession(c.ctx, other), "CreateSession")
		for _, step := range []struct {
			client string
			want   []string
		}{
			{"b", []string{"b"}}, {"b", []string{"b"}}, {"a", []string{"b", "a"}}, {"B", []string{"b", "a", "B"}},
			{hostile, []string{"b", "a", "B", hostile}}, {"a", []string{"b", "a", "B", hostile}},
		} {
			c.ok(s.VisitSession(c.ctx, r.Handle, step.client), fmt.Sprintf("VisitSession(%q)", step.client))
			want := visited(r, step.want...)
			returns(c, "Session", want)(s.Session(c.ctx, r.Handle))
			returns(c, "SessionByCheck", want)(s.SessionByCheck(c.ctx, r.Check))
			lists(c, "UserSessions", s.UserSessions(c.ctx, r.UserID), want)
		}
		c.ok(s.TouchSession(c.ctx, r.Handle, r.UsedAt, r.IdleAt), "TouchSession")
		returns(c, "Session after a touch", visited(r, "b", "a", "B", hostile))(s.Session(c.ctx, r.Handle))
		returns(c, "Session of another", other)(s.Session(c.ctx, other.Handle))
	}},
	{"a visit resurrects nothing", saysVisit, func(c *recorder, s store.Sessions) {
		for name, handle := range map[string]store.Digest{"an unknown session": fresh[store.Session]().Handle, "the zero handle": {}} {
			c.is(s.VisitSession(c.ctx, handle, "client"), store.ErrNotFound, "VisitSession of "+name)
		}
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		c.is(s.VisitSession(c.ctx, r.Check, "client"), store.ErrNotFound, "VisitSession by the check handle")
		c.ok(s.EndSession(c.ctx, r.Handle), "EndSession")
		c.is(s.VisitSession(c.ctx, r.Handle, "client"), store.ErrNotFound, "VisitSession of an ended session")
		fails[store.Session](c, "Session", store.ErrNotFound)(s.Session(c.ctx, r.Handle))
		for name, at := range expiries() {
			for _, field := range []string{"ExpiresAt", "IdleAt"} {
				r := fresh[store.Session]()
				if field == "IdleAt" {
					r.IdleAt = at
				} else {
					r.ExpiresAt = at
				}
				c.ok(s.CreateSession(c.ctx, r), "CreateSession")
				c.is(s.VisitSession(c.ctx, r.Handle, "client"), store.ErrNotFound, "VisitSession of one with "+field+" "+name)
			}
		}
	}},
	{"no visit is lost", saysVisit, func(c *recorder, s store.Sessions) {
		c.rounds(func(int) {
			r := visited(fresh[store.Session](), "first")
			c.ok(s.CreateSession(c.ctx, r), "CreateSession")
			for i, err := range race(func(i int) error {
				if i%8 == 0 {
					return s.TouchSession(c.ctx, r.Handle, r.UsedAt, r.IdleAt)
				}
				return s.VisitSession(c.ctx, r.Handle, fmt.Sprint("client ", i/2)) // each by two
			}) {
				c.noError(err, fmt.Sprint("caller ", i))
			}
			got, err := s.Session(c.ctx, r.Handle)
			c.ok(err, "Session")
			want := []string{"first"}
			for i := range racers {
				if id := fmt.Sprint("client ", i/2); i%8 != 0 && !slices.Contains(want, id) {
					want = append(want, id)
				}
			}
			if len(got.Clients) == 0 || got.Clients[0] != "first" {
				c.errorf("Session: Clients are %q, want the first one first", got.Clients)
			}
			slices.Sort(got.Clients)
			slices.Sort(want)
			c.same(got, visited(r, want...), "Session")
		})
	}},
	{"an end wins over visits", saysVisit, func(c *recorder, s store.Sessions) {
		c.someRounds(func() {
			r := fresh[store.Session]()
			c.ok(s.CreateSession(c.ctx, r), "CreateSession")
			race(func(i int) error {
				if i == racers/2 {
					return s.EndSession(c.ctx, r.Handle)
				}
				if err := s.VisitSession(c.ctx, r.Handle, fmt.Sprint(i)); err != nil && !errors.Is(err, store.ErrNotFound) {
					c.errorf("VisitSession: %v, want no error or ErrNotFound", err)
				}
				return nil
			})
			fails[store.Session](c, "Session after its end", store.ErrNotFound)(s.Session(c.ctx, r.Handle))
		})
	}},
	{"a replacement inherits the visits", saysInherits, func(c *recorder, s store.Sessions) {
		for _, step := range []struct {
			name        string
			oldID, ID   string
			had, brings []string
			want        []string
			change      func(old *store.Session)
		}{
			{name: "of the same ID", oldID: "a", ID: "a", had: []string{"x", "y"}, want: []string{"x", "y"}},
			{name: "of the same ID that brings some", oldID: "a", ID: "a", had: []string{"x", "y"}, brings: []string{"z", "x"}, want: []string{"x", "y", "z"}},
			{name: "of the same ID without any", oldID: "a", ID: "a", brings: []string{"z"}, want: []string{"z"}},
			{name: "of another ID", oldID: "a", ID: "A", had: []string{"x", "y"}, brings: []string{"z"}, want: []string{"z"}},
			{name: "without an ID", had: []string{"x"}, brings: []string{"z"}, want: []string{"z"}},
			{name: "of one that has ended", oldID: "a", ID: "a", had: []string{"x"}, brings: []string{"z"}, want: []string{"z"},
				change: func(old *store.Session) { old.IdleAt = past() }},
		} {
			old, r := visited(fresh[store.Session](), step.had...), visited(fresh[store.Session](), step.brings...)
			old.ID, r.ID = step.oldID, step.ID
			if step.change != nil {
				step.change(&old)
			}
			c.ok(s.CreateSession(c.ctx, old), "CreateSession")
			c.ok(s.ReplaceSession(c.ctx, old.Handle, r), "ReplaceSession by one "+step.name)
			returns(c, "Session "+step.name, visited(r, step.want...))(s.Session(c.ctx, r.Handle))
			fails[store.Session](c, "Session of the old handle", store.ErrNotFound)(s.Session(c.ctx, old.Handle))
		}
	}},
	{"a visit during a replacement is not lost", saysInherits, func(c *recorder, s store.Sessions) {
		c.someRounds(func() {
			old, r := visited(fresh[store.Session]()), visited(fresh[store.Session]())
			r.ID = old.ID
			c.ok(s.CreateSession(c.ctx, old), "CreateSession")
			var visits [racers]atomic.Bool
			race(func(i int) error {
				if i == racers/2 {
					c.noError(s.ReplaceSession(c.ctx, old.Handle, r), "ReplaceSession")
					return nil
				}
				err := s.VisitSession(c.ctx, old.Handle, fmt.Sprint(i))
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					c.errorf("VisitSession: %v, want no error or ErrNotFound", err)
				}
				visits[i].Store(err == nil)
				return nil
			})
			got, err := s.Session(c.ctx, r.Handle)
			c.ok(err, "Session")
			for i := range visits {
				if has := slices.Contains(got.Clients, fmt.Sprint(i)); has != visits[i].Load() {
					c.errorf("the visit of client %d succeeded: %v; the session in the old one's place has it: %v", i, visits[i].Load(), has)
				}
			}
		})
	}},
	{"records are values", saysValues, func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		want := visited(r, slices.Clone(r.Clients)...)
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		spoil(r.Clients)
		got, err := s.Session(c.ctx, r.Handle)
		returns(c, "Session after what was given was changed", want)(got, err)
		spoil(got.Clients)
		got, err = s.SessionByCheck(c.ctx, r.Check)
		returns(c, "SessionByCheck after what was returned was changed", want)(got, err)
		spoil(got.Clients)
		for got, err := range s.UserSessions(c.ctx, r.UserID) {
			returns(c, "UserSessions after what was returned was changed", want)(got, err)
			spoil(got.Clients)
		}
		returns(c, "Session after what was listed was changed", want)(s.Session(c.ctx, r.Handle))
		// A list that was returned is not appended to either.
		got, err = s.Session(c.ctx, r.Handle)
		c.ok(err, "Session")
		var wg sync.WaitGroup
		wg.Go(func() { c.noError(s.VisitSession(c.ctx, r.Handle, "later"), "VisitSession") })
		_ = append(got.Clients, "mine")
		wg.Wait()
		returns(c, "Session", visited(want, append(slices.Clone(want.Clients), "later")...))(s.Session(c.ctx, r.Handle))
	}},
}
