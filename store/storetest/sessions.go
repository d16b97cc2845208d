package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var sessionRules = []rule[store.Sessions]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Sessions) {
		for name, r := range variants[store.Session]("Handle", "IdleAt", "ExpiresAt") {
			c.ok(s.CreateSession(c.ctx, r), "CreateSession, "+name)
			returns(c, "Session, "+name, r)(s.Session(c.ctx, r.Handle))
			if !r.Check.IsZero() {
				returns(c, "SessionByCheck, "+name, r)(s.SessionByCheck(c.ctx, r.Check))
			}
			o := r // by ReplaceSession too
			o.Handle, o.Check = fresh[store.Session]().Handle, store.Digest{}
			c.ok(s.ReplaceSession(c.ctx, store.Digest{}, o), "ReplaceSession, "+name)
			returns(c, "Session after ReplaceSession, "+name, o)(s.Session(c.ctx, o.Handle))
		}
	}},
	{"what is taken conflicts", "CreateSession inserts the session, or returns ErrConflict when its Handle or Check is taken.", func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		o := fresh[store.Session]()
		o.Handle = r.Handle
		c.is(s.CreateSession(c.ctx, o), store.ErrConflict, "CreateSession with a taken Handle")
		fails[store.Session](c, "SessionByCheck after a conflict", store.ErrNotFound)(s.SessionByCheck(c.ctx, o.Check))
		o = fresh[store.Session]()
		o.Check = r.Check
		c.is(s.CreateSession(c.ctx, o), store.ErrConflict, "CreateSession with a taken Check")
		fails[store.Session](c, "Session after a conflict", store.ErrNotFound)(s.Session(c.ctx, o.Handle))
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		returns(c, "SessionByCheck", r)(s.SessionByCheck(c.ctx, r.Check))
	}},
	{"the zero digest is none", saysZero, func(c *recorder, s store.Sessions) {
		for range 3 { // sessions without check handle do not conflict with each other
			r := fresh[store.Session]()
			r.Check = store.Digest{}
			c.ok(s.CreateSession(c.ctx, r), "CreateSession without Check")
		}
		fails[store.Session](c, "SessionByCheck", store.ErrNotFound)(s.SessionByCheck(c.ctx, store.Digest{}))
		r := fresh[store.Session]()
		r.Handle = store.Digest{}
		if s.CreateSession(c.ctx, r) == nil {
			c.errorf("CreateSession took a session without a Handle: %s", saysKey)
		}
		fails[store.Session](c, "Session", store.ErrNotFound)(s.Session(c.ctx, store.Digest{}))
		fails[store.Session](c, "SessionByCheck of a refused session", store.ErrNotFound)(s.SessionByCheck(c.ctx, r.Check))
	}},
	{"an unknown session is not found", "Session returns the live session with the given handle, or ErrNotFound. SessionByCheck returns the live session with the given check handle, or ErrNotFound.", func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		fails[store.Session](c, "Session by the check handle", store.ErrNotFound)(s.Session(c.ctx, r.Check))
		fails[store.Session](c, "SessionByCheck by the handle", store.ErrNotFound)(s.SessionByCheck(c.ctx, r.Handle))
		fails[store.Session](c, "Session", store.ErrNotFound)(s.Session(c.ctx, fresh[store.Session]().Handle))
	}},
	{"an expired session is absent", saysExpiry, func(c *recorder, s store.Sessions) {
		for name, at := range expiries() {
			for _, field := range []string{"ExpiresAt", "IdleAt"} {
				r := fresh[store.Session]()
				if field == "IdleAt" {
					r.IdleAt = at
				} else {
					r.ExpiresAt = at
				}
				what := fmt.Sprintf("with %s %s", field, name)
				c.ok(s.CreateSession(c.ctx, r), "CreateSession "+what)
				fails[store.Session](c, "Session "+what, store.ErrNotFound)(s.Session(c.ctx, r.Handle))
				fails[store.Session](c, "SessionByCheck "+what, store.ErrNotFound)(s.SessionByCheck(c.ctx, r.Check))
				lists(c, "UserSessions "+what, s.UserSessions(c.ctx, r.UserID))
				c.is(s.TouchSession(c.ctx, r.Handle, future(), future()), store.ErrNotFound, "TouchSession "+what)
				n, err := s.EndUserSessions(c.ctx, r.UserID, store.Digest{})
				c.ok(err, "EndUserSessions "+what)
				if n != 0 {
					c.errorf("EndUserSessions %s: ended %d, want 0", what, n)
				}
				c.ok(s.CreateSession(c.ctx, r), "CreateSession "+what)
				other := fresh[store.Session]()
				other.Check = r.Check
				c.ok(s.CreateSession(c.ctx, other), "CreateSession with the Check of one "+what)
				live := fresh[store.Session]()
				live.Handle = r.Handle
				c.ok(s.CreateSession(c.ctx, live), "CreateSession with the Handle of one "+what)
				returns(c, "SessionByCheck", other)(s.SessionByCheck(c.ctx, r.Check))
				returns(c, "Session", live)(s.Session(c.ctx, r.Handle))
			}
		}
	}},
	{"expiry never leads", "A backend's own time-to-live may lag by up to a minute, never lead.", func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		r.IdleAt = time.Now().Add(30 * time.Second).Truncate(time.Millisecond)
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		returns(c, "Session with half a minute to go", r)(s.Session(c.ctx, r.Handle))
	}},
	{"a touch sets both times", "TouchSession sets UsedAt and IdleAt of the session if it is still live, in one step.", func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		r.UsedAt, r.IdleAt = r.UsedAt.Add(time.Minute), r.IdleAt.Add(2*time.Minute)
		c.ok(s.TouchSession(c.ctx, r.Handle, r.UsedAt, r.IdleAt), "TouchSession")
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		returns(c, "SessionByCheck", r)(s.SessionByCheck(c.ctx, r.Check))
		lists(c, "UserSessions", s.UserSessions(c.ctx, r.UserID), r)
	}},
	{"a touch never moves back", "A touch never moves either time back.", func(c *recorder, s store.Sessions) {
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		c.ok(s.TouchSession(c.ctx, r.Handle, r.UsedAt.Add(-time.Minute), r.IdleAt.Add(-time.Minute)), "TouchSession")
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		c.ok(s.TouchSession(c.ctx, r.Handle, r.UsedAt.Add(time.Minute), r.IdleAt.Add(-time.Minute)), "TouchSession")
		r.UsedAt = r.UsedAt.Add(time.Minute)
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		c.ok(s.TouchSession(c.ctx, r.Handle, r.UsedAt.Add(-time.Minute), r.IdleAt.Add(time.Minute)), "TouchSession")
		r.IdleAt = r.IdleAt.Add(time.Minute)
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		c.ok(s.TouchSession(c.ctx, r.Handle, past(), past()), "TouchSession") // not the way to end one
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
	}},
	{"a touch resurrects nothing", "TouchSession … ErrNotFound when it is not [live].", func(c *recorder, s store.Sessions) {
		c.is(s.TouchSession(c.ctx, fresh[store.Session]().Handle, future(), future()), store.ErrNotFound, "TouchSession of an unknown session")
		c.is(s.TouchSession(c.ctx, store.Digest{}, future(), future()), store.ErrNotFound, "TouchSession of the zero handle")
		r := fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		c.ok(s.EndSession(c.ctx, r.Handle), "EndSession")
		c.is(s.TouchSession(c.ctx, r.Handle, future(), future()), store.ErrNotFound, "TouchSession of an ended session")
		fails[store.Session](c, "Session", store.ErrNotFound)(s.Session(c.ctx, r.Handle))
	}},
	{"an end wins over touches", "TouchSession sets UsedAt and IdleAt of the session if it is still live, in one step.", func(c *recorder, s store.Sessions) {
		c.someRounds(func() {
			r := fresh[store.Session]()
			c.ok(s.CreateSession(c.ctx, r), "CreateSession")
			race(func(i int) error {
				if i == racers/2 {
					return s.EndSession(c.ctx, r.Handle)
				}
				at := r.IdleAt.Add(time.Duration(i) * time.Minute)
				if err := s.TouchSession(c.ctx, r.Handle, at, at); err != nil && !errors.Is(err, store.ErrNotFound) {
					c.errorf("TouchSession: %v, want no error or ErrNotFound", err)
				}
				return nil
			})
			fails[store.Session](c, "Session after its end", store.ErrNotFound)(s.Session(c.ctx, r.Handle))
		})
	}},
	{"a session is replaced", "ReplaceSession ends the session old, if there is one, and inserts s, in one step.", func(c *recorder, s store.Sessions) {
		old, r := fresh[store.Session](), fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, old), "CreateSession")
		c.ok(s.ReplaceSession(c.ctx, old.Handle, r), "ReplaceSession")
		fails[store.Session](c, "Session of the old handle", store.ErrNotFound)(s.Session(c.ctx, old.Handle))
		fails[store.Session](c, "SessionByCheck of the old one", store.ErrNotFound)(s.SessionByCheck(c.ctx, old.Check))
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
		returns(c, "SessionByCheck", r)(s.SessionByCheck(c.ctx, r.Check))
		c.ok(s.ReplaceSession(c.ctx, old.Handle, fresh[store.Session]()), "ReplaceSession of an ended session")
		c.ok(s.ReplaceSession(c.ctx, store.Digest{}, fresh[store.Session]()), "ReplaceSession of none")
		returns(c, "Session", r)(s.Session(c.ctx, r.Handle))
	}},
	{"a replacement that conflicts ends nothing", "ErrConflict when s.Handle or s.Check is taken, also by old itself; then old lives on.", func(c *recorder, s store.Sessions) {
		old, other := fresh[store.Session](), fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, old), "CreateSession")
		c.ok(s.CreateSession(c.ctx, other), "CreateSession")
		for name, change := range map[string]func(*store.Session){
			"Handle":          func(r *store.Session) { r.Handle = other.Handle },
			"Check":           func(r *store.Session) { r.Check = other.Check },
			"Handle of old's": func(r *store.Session) { r.Handle = old.Handle },
			"Check of old's":  func(r *store.Session) { r.Check = old.Check },
		} {
			r := fresh[store.Session]()
			change(&r)
			c.is(s.ReplaceSession(c.ctx, old.Handle, r), store.ErrConflict, "ReplaceSession with a taken "+name)
			returns(c, "Session of old", old)(s.Session(c.ctx, old.Handle))
			returns(c, "SessionByCheck of old", old)(s.SessionByCheck(c.ctx, old.Check))
			returns(c, "Session of another", other)(s.Session(c.ctx, other.Handle))
			lists(c, "UserSessions of what was refused", s.UserSessions(c.ctx, r.UserID))
		}
	}},
	{"nobody sees a session half replaced", "ReplaceSession ends the session old, if there is one, and inserts s, in one step.", func(c *recorder, s store.Sessions) {
		c.someRounds(func() {
			old, r := fresh[store.Session](), fresh[store.Session]()
			c.ok(s.CreateSession(c.ctx, old), "CreateSession")
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						_, err := s.Session(c.ctx, old.Handle)
						if err == nil {
							continue
						}
						if _, again := s.Session(c.ctx, r.Handle); again != nil || !errors.Is(err, store.ErrNotFound) {
							c.errorf("the old session: %v, and then the one in its place: %v", err, again)
						}
						return
					}
				})
			}
			err := s.ReplaceSession(c.ctx, old.Handle, r)
			if err != nil {
				c.errorf("ReplaceSession: %v", err)
				_ = s.EndSession(c.ctx, old.Handle) // lets the readers go
			}
			wg.Wait()
		})
	}},
	{"an ended session is gone", "EndSession ends the session; no error when there is none.", func(c *recorder, s store.Sessions) {
		r, other := fresh[store.Session](), fresh[store.Session]()
		c.ok(s.CreateSession(c.ctx, r), "CreateSession")
		c.ok(s.CreateSession(c.ctx, other), "CreateSession")
		c.ok(s.EndSession(c.ctx, r.Handle), "EndSession")
		c.ok(s.EndSession(c.ctx, r.Handle), "EndSession once more")
		c.ok(s.EndSession(c.ctx, store.Digest{}), "EndSession of the zero handle")
		fails[store.Session](c, "Session", store.ErrNotFound)(s.Session(c.ctx, r.Handle))
		fails[store.Session](c, "SessionByCheck", store.ErrNotFound)(s.SessionByCheck(c.ctx, r.Check))
		lists(c, "UserSessions", s.UserSessions(c.ctx, r.UserID))
		returns(c, "Session of another", other)(s.Session(c.ctx, other.Handle))
		c.ok(s.CreateSession(c.ctx, r), "CreateSession with the handles of an ended one")
	}},
	{"a user's sessions end together", "EndUserSessions ends all sessions of the user but the one with the handle except (zero: all), and returns how many it ended.", func(c *recorder, s store.Sessions) {
		var mine []store.Session
		for range 4 {
			r := fresh[store.Session]()
			r.UserID = "mine"
			c.ok(s.CreateSession(c.ctx, r), "CreateSession")
			mine = append(mine, r)
		}
		expired, other := fresh[store.Session](), fresh[store.Session]()
		expired.UserID, expired.IdleAt = "mine", past()
		c.ok(s.CreateSession(c.ctx, expired), "CreateSession")
		c.ok(s.CreateSession(c.ctx, other), "CreateSession")
		for _, step := range []struct {
			user   string
			except store.Digest
			want   int
		}{
			{"nobody", store.Digest{}, 0}, {"MINE", store.Digest{}, 0}, {"", store.Digest{}, 0},
			{"mine", mine[2].Handle, 3}, {"mine", mine[2].Handle, 0}, {"mine", other.Handle, 1},
		} {
			n, err := s.EndUserSessions(c.ctx, step.user, step.except)
			c.ok(err, "EndUserSessions")
			if n != step.want {
				c.errorf("EndUserSessions(%q) ended %d, want %d", step.user, n, step.want)
			}
			if step.want == 3 {
				lists(c, "UserSessions", s.UserSessions(c.ctx, "mine"), mine[2])
				fails[store.Session](c, "SessionByCheck", store.ErrNotFound)(s.SessionByCheck(c.ctx, mine[0].Check))
			}
		}
		lists(c, "UserSessions", s.UserSessions(c.ctx, "mine"))
		returns(c, "Session of another", other)(s.Session(c.ctx, other.Handle))
	}},
	{"a user's sessions are listed", "UserSessions lists the user's live sessions, the newest first.", func(c *recorder, s store.Sessions) {
		var want [3]store.Session
		for _, place := range []int{1, 0, 2} {
			r := fresh[store.Session]()
			r.UserID, r.CreatedAt = "mine", future().Add(-time.Duration(place)*time.Second)
			c.ok(s.CreateSession(c.ctx, r), "CreateSession")
			c.ok(s.CreateSession(c.ctx, fresh[store.Session]()), "CreateSession")
			want[place] = r
		}
		lists(c, "UserSessions", s.UserSessions(c.ctx, "mine"), want[:]...)
		lists(c, "UserSessions of nobody", s.UserSessions(c.ctx, "nobody"))
		lists(c, "UserSessions of the empty ID", s.UserSessions(c.ctx, ""))
		for r, err := range s.UserSessions(c.ctx, "mine") {
			c.ok(err, "UserSessions")
			c.ok(s.EndSession(c.ctx, r.Handle), "EndSession while UserSessions is walked")
			break
		}
		lists(c, "UserSessions", s.UserSessions(c.ctx, "mine"), want[1:]...)
	}},
	endedContexts[store.Sessions](),
	hammered[store.Sessions](),
}
