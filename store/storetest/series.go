package storetest

import (
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// inVersion returns r as it is stored in the given version.
func inVersion(r store.Series, version int64) store.Series {
	r.Version = version
	return r
}

var seriesRules = []rule[store.RememberSeries]{
	{"every field comes back", saysTimes, func(c *recorder, s store.RememberSeries) {
		for name, r := range variants[store.Series]("ID", "IdleAt", "ExpiresAt") {
			c.ok(s.CreateSeries(c.ctx, r), "CreateSeries, "+name)
			returns(c, "Series, "+name, inVersion(r, 1))(s.Series(c.ctx, r.ID))
		}
	}},
	{"a taken ID conflicts", "CreateSeries inserts the series with Version 1, or returns ErrConflict when the ID is taken.", func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		o := fresh[store.Series]()
		o.ID = r.ID
		c.is(s.CreateSeries(c.ctx, o), store.ErrConflict, "CreateSeries with a taken ID")
		returns(c, "Series", inVersion(r, 1))(s.Series(c.ctx, r.ID))
	}},
	{"a series without an ID is refused", saysKey, func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		r.ID = ""
		if s.CreateSeries(c.ctx, r) == nil {
			c.errorf("CreateSeries took a series without an ID")
		}
		fails[store.Series](c, "Series", store.ErrNotFound)(s.Series(c.ctx, ""))
	}},
	{"an unknown series is not found", "Series returns the live series with the given ID, or ErrNotFound.", func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		r.ID = "Abc"
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		for _, id := range []string{"", "abc", "ABC", "Abc ", "%", "unknown"} {
			fails[store.Series](c, fmt.Sprintf("Series(%q)", id), store.ErrNotFound)(s.Series(c.ctx, id))
		}
	}},
	{"an expired series is absent", saysExpiry, func(c *recorder, s store.RememberSeries) {
		for name, at := range expiries() {
			for _, field := range []string{"ExpiresAt", "IdleAt"} {
				r := fresh[store.Series]()
				if field == "IdleAt" {
					r.IdleAt = at
				} else {
					r.ExpiresAt = at
				}
				what := fmt.Sprintf("with %s %s", field, name)
				c.ok(s.CreateSeries(c.ctx, r), "CreateSeries "+what)
				fails[store.Series](c, "Series "+what, store.ErrNotFound)(s.Series(c.ctx, r.ID))
				next := inVersion(r, 1)
				next.IdleAt, next.ExpiresAt = future(), future()
				c.is(s.SwapSeries(c.ctx, next), store.ErrNotFound, "SwapSeries "+what)
				lists(c, "UserSeries "+what, s.UserSeries(c.ctx, r.UserID))
				if n, err := s.EndUserSeries(c.ctx, r.UserID); n != 0 || err != nil {
					c.errorf("EndUserSeries %s: %d, %v, want 0 and no error", what, n, err)
				}
				c.ok(s.CreateSeries(c.ctx, r), "CreateSeries "+what)
				live := fresh[store.Series]()
				live.ID = r.ID
				c.ok(s.CreateSeries(c.ctx, live), "CreateSeries with the ID of one "+what)
				returns(c, "Series", inVersion(live, 1))(s.Series(c.ctx, r.ID))
				// A swap can end it, too.
				next = inVersion(live, 1)
				if field == "IdleAt" {
					next.IdleAt = at
				} else {
					next.ExpiresAt = at
				}
				c.ok(s.SwapSeries(c.ctx, next), "SwapSeries to one "+what)
				fails[store.Series](c, "Series swapped to one "+what, store.ErrNotFound)(s.Series(c.ctx, r.ID))
			}
		}
	}},
	{"a series is swapped whole", "SwapSeries replaces the series if s.Version is the stored one, and stores it with the next Version.", func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		version := int64(1)
		for name, next := range variants[store.Series]("IdleAt", "ExpiresAt") {
			next.ID, next.Version = r.ID, version
			c.ok(s.SwapSeries(c.ctx, next), "SwapSeries, "+name)
			version++
			returns(c, "Series, "+name, inVersion(next, version))(s.Series(c.ctx, r.ID))
			if next.UserID != "" {
				lists(c, "UserSeries, "+name, s.UserSeries(c.ctx, next.UserID), inVersion(next, version))
			}
			lists(c, "UserSeries of whose it was, "+name, s.UserSeries(c.ctx, r.UserID))
			r = next
		}
	}},
	{"a swap of another version conflicts", "ErrConflict when another version is stored.", func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		for _, version := range []int64{-1, 0, 2} {
			next := inVersion(fresh[store.Series](), version)
			next.ID = r.ID
			c.is(s.SwapSeries(c.ctx, next), store.ErrConflict, fmt.Sprintf("SwapSeries of version %d", version))
		}
		returns(c, "Series", inVersion(r, 1))(s.Series(c.ctx, r.ID))
	}},
	{"a swap resurrects nothing", "ErrNotFound when there is no live series with that ID.", func(c *recorder, s store.RememberSeries) {
		r := fresh[store.Series]()
		c.is(s.SwapSeries(c.ctx, r), store.ErrNotFound, "SwapSeries of an unknown series")
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		c.ok(s.EndSeries(c.ctx, r.ID), "EndSeries")
		c.is(s.SwapSeries(c.ctx, inVersion(r, 1)), store.ErrNotFound, "SwapSeries of an ended series")
		fails[store.Series](c, "Series", store.ErrNotFound)(s.Series(c.ctx, r.ID))
	}},
	{"one of many swaps succeeds", "Of many concurrent callers with one version exactly one succeeds.", func(c *recorder, s store.RememberSeries) {
		r := inVersion(fresh[store.Series](), 1)
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		c.rounds(func(int) {
			winner := c.oneWins("SwapSeries", store.ErrConflict, func(i int) error {
				next := r
				next.Agent = fmt.Sprint(i)
				return s.SwapSeries(c.ctx, next)
			})
			r.Agent = fmt.Sprint(winner)
			r.Version++
			returns(c, "Series", r)(s.Series(c.ctx, r.ID))
		})
	}},
	{"one of many creates a series", "CreateSeries … returns ErrConflict when the ID is taken.", func(c *recorder, s store.RememberSeries) {
		c.someRounds(func() {
			id := fresh[store.Series]().ID
			c.oneWins("CreateSeries", store.ErrConflict, func(int) error {
				r := fresh[store.Series]()
				r.ID = id
				return s.CreateSeries(c.ctx, r)
			})
		})
	}},
	{"an ended series is gone", "EndSeries ends the series; no error when there is none.", func(c *recorder, s store.RememberSeries) {
		r, other := fresh[store.Series](), fresh[store.Series]()
		c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
		c.ok(s.CreateSeries(c.ctx, other), "CreateSeries")
		c.ok(s.EndSeries(c.ctx, r.ID), "EndSeries")
		c.ok(s.EndSeries(c.ctx, r.ID), "EndSeries once more")
		fails[store.Series](c, "Series", store.ErrNotFound)(s.Series(c.ctx, r.ID))
		lists(c, "UserSeries", s.UserSeries(c.ctx, r.UserID))
		returns(c, "Series of another", inVersion(other, 1))(s.Series(c.ctx, other.ID))
	}},
	{"a user's series are listed and end together", "UserSeries lists the user's live series, the newest first. EndUserSeries ends all series of the user and returns how many there were.", func(c *recorder, s store.RememberSeries) {
		var want [3]store.Series
		for _, place := range []int{1, 0, 2} {
			r := fresh[store.Series]()
			r.UserID, r.CreatedAt = "mine", future().Add(-time.Duration(place)*time.Second)
			c.ok(s.CreateSeries(c.ctx, r), "CreateSeries")
			want[place] = inVersion(r, 1)
		}
		other := fresh[store.Series]()
		c.ok(s.CreateSeries(c.ctx, other), "CreateSeries")
		lists(c, "UserSeries", s.UserSeries(c.ctx, "mine"), want[:]...)
		for _, step := range []struct {
			user string
			want int
		}{{"nobody", 0}, {"", 0}, {"MINE", 0}, {"mine", 3}, {"mine", 0}} {
			if n, err := s.EndUserSeries(c.ctx, step.user); n != step.want || err != nil {
				c.errorf("EndUserSeries(%q) = %d, %v, want %d", step.user, n, err, step.want)
			}
		}
		lists(c, "UserSeries", s.UserSeries(c.ctx, "mine"))
		fails[store.Series](c, "Series", store.ErrNotFound)(s.Series(c.ctx, want[0].ID))
		returns(c, "Series of another", inVersion(other, 1))(s.Series(c.ctx, other.ID))
	}},
	endedContexts[store.RememberSeries](),
	hammered[store.RememberSeries](),
}
