package storetest

import (
	"bytes"
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

// savedRun returns r as it is stored in the given version.
func savedRun(r store.Run, version int64) store.Run {
	r.Version = version
	return r
}

var runRules = []rule[store.Runs]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Runs) {
		for name, r := range variants[store.Run]("ID", "ExpiresAt") {
			c.ok(s.InsertRun(c.ctx, r), "InsertRun, "+name)
			returns(c, "Run, "+name, savedRun(r, 1))(s.Run(c.ctx, r.ID))
		}
	}},
	{"any bytes come back", "Every field comes back as it was given.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		r.Data = nil
		for len(r.Data) < 64<<10 {
			r.Data = append(r.Data, byte(len(r.Data)), byte(len(r.Data)>>8))
		}
		c.ok(s.InsertRun(c.ctx, r), "InsertRun with 64 KiB")
		got, err := s.Run(c.ctx, r.ID)
		c.ok(err, "Run")
		if !bytes.Equal(got.Data, r.Data) {
			c.errorf("Run: Data differs from the %d bytes that were given", len(r.Data))
		}
	}},
	{"a taken ID conflicts", "InsertRun inserts the run with Version 1, or returns ErrConflict when the ID is taken by a live run.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		o := fresh[store.Run]()
		o.ID = r.ID
		c.is(s.InsertRun(c.ctx, o), store.ErrConflict, "InsertRun with a taken ID")
		returns(c, "Run", savedRun(r, 1))(s.Run(c.ctx, r.ID))
	}},
	{"a run without an ID is refused", saysKey, func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		r.ID = ""
		if s.InsertRun(c.ctx, r) == nil {
			c.errorf("InsertRun took a run without an ID")
		}
		fails[store.Run](c, "Run", store.ErrNotFound)(s.Run(c.ctx, ""))
	}},
	{"an unknown run is not found", "Run returns the live run with the given ID, or ErrNotFound.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		r.ID = "Abc"
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		for _, id := range []string{"", "abc", "ABC", "Abc ", "%", "unknown"} {
			fails[store.Run](c, fmt.Sprintf("Run(%q)", id), store.ErrNotFound)(s.Run(c.ctx, id))
		}
	}},
	{"an expired run is absent", saysExpiry, func(c *recorder, s store.Runs) {
		for name, at := range expiries() {
			r := fresh[store.Run]()
			r.ExpiresAt = at
			c.ok(s.InsertRun(c.ctx, r), "InsertRun")
			fails[store.Run](c, "Run that expired "+name, store.ErrNotFound)(s.Run(c.ctx, r.ID))
			next := savedRun(r, 1)
			next.ExpiresAt = future()
			c.is(s.SwapRun(c.ctx, next), store.ErrNotFound, "SwapRun of one that expired "+name)
			live := fresh[store.Run]()
			live.ID = r.ID
			c.ok(s.InsertRun(c.ctx, live), "InsertRun with the ID of one that expired "+name)
			returns(c, "Run", savedRun(live, 1))(s.Run(c.ctx, r.ID))
		}
	}},
	{"a run is swapped whole", "SwapRun replaces the run if r.Version is the stored one, and stores it with the next Version.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		version := int64(1)
		for name, next := range variants[store.Run]("ExpiresAt") {
			next.ID, next.Version = r.ID, version
			c.ok(s.SwapRun(c.ctx, next), "SwapRun, "+name)
			version++
			returns(c, "Run, "+name, savedRun(next, version))(s.Run(c.ctx, r.ID))
		}
	}},
	{"a swap of another version conflicts", "ErrConflict when another version is stored.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		for _, version := range []int64{-1, 0, 2} {
			next := savedRun(fresh[store.Run](), version)
			next.ID = r.ID
			c.is(s.SwapRun(c.ctx, next), store.ErrConflict, fmt.Sprintf("SwapRun of version %d", version))
		}
		returns(c, "Run", savedRun(r, 1))(s.Run(c.ctx, r.ID))
	}},
	{"a swap of nothing is not found", "ErrNotFound when there is no live run with that ID.", func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		c.is(s.SwapRun(c.ctx, r), store.ErrNotFound, "SwapRun")
		fails[store.Run](c, "Run", store.ErrNotFound)(s.Run(c.ctx, r.ID))
	}},
	{"one of many inserts a run", "InsertRun … returns ErrConflict when the ID is taken by a live run.", func(c *recorder, s store.Runs) {
		c.someRounds(func() {
			id := fresh[store.Run]().ID
			c.oneWins("InsertRun", store.ErrConflict, func(int) error {
				r := fresh[store.Run]()
				r.ID = id
				return s.InsertRun(c.ctx, r)
			})
		})
	}},
	{"one of many swaps succeeds", "Of many concurrent callers with one version exactly one succeeds.", func(c *recorder, s store.Runs) {
		r := savedRun(fresh[store.Run](), 1)
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		c.rounds(func(int) {
			winner := c.oneWins("SwapRun", store.ErrConflict, func(i int) error {
				next := r
				next.Claim = fmt.Sprint(i)
				return s.SwapRun(c.ctx, next)
			})
			r.Claim = fmt.Sprint(winner)
			r.Version++
			returns(c, "Run", r)(s.Run(c.ctx, r.ID))
		})
	}},
	{"records are values", saysValues, func(c *recorder, s store.Runs) {
		r := fresh[store.Run]()
		want := savedRun(r, 1)
		want.Data = bytes.Clone(r.Data)
		c.ok(s.InsertRun(c.ctx, r), "InsertRun")
		spoil(r.Data)
		got, err := s.Run(c.ctx, r.ID)
		returns(c, "Run after what was given was changed", want)(got, err)
		spoil(got.Data)
		returns(c, "Run after what was returned was changed", want)(s.Run(c.ctx, r.ID))
		next := want
		next.Data = bytes.Clone(want.Data)
		c.ok(s.SwapRun(c.ctx, next), "SwapRun")
		spoil(next.Data)
		returns(c, "Run after what was swapped in was changed", savedRun(want, 2))(s.Run(c.ctx, r.ID))
	}},
	endedContexts[store.Runs](),
	hammered[store.Runs](),
}
