package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// pair returns a fresh grant and a token of it.
func pair() (store.Grant, store.AccessToken) {
	g, t := fresh[store.Grant](), fresh[store.AccessToken]()
	t.GrantID, t.ClientID, t.UserID = g.ID, g.ClientID, g.UserID
	return g, t
}

// saved returns g as it is stored in the given version.
func saved(g store.Grant, version int64) store.Grant {
	g.Version = version
	return g
}

// granted stores a fresh grant with its token, and returns both as stored.
func (c *recorder) granted(s store.Grants) (store.Grant, store.AccessToken) {
	g, t := pair()
	c.ok(s.CreateGrant(c.ctx, g, t), "CreateGrant")
	return saved(g, 1), t
}

func grantRules() []rule[store.Grants] {
	return slices.Concat(codeRules, grantOnlyRules, revocationRules, tokenRules, []rule[store.Grants]{
		endedContexts[store.Grants](),
		hammered[store.Grants](),
	})
}

var codeRules = []rule[store.Grants]{
	{"every field of a code comes back", saysTimes, func(c *recorder, s store.Grants) {
		for name, r := range variants[store.AuthorizationCode]("Hash", "ExpiresAt") {
			c.ok(s.PutCode(c.ctx, r), "PutCode, "+name)
			returns(c, "TakeCode, "+name, r)(s.TakeCode(c.ctx, r.Hash, r.ClientID))
		}
	}},
	{"a taken hash conflicts", "PutCode saves the code, or returns ErrConflict when its hash is taken.", func(c *recorder, s store.Grants) {
		r := fresh[store.AuthorizationCode]()
		c.ok(s.PutCode(c.ctx, r), "PutCode")
		o := fresh[store.AuthorizationCode]()
		o.Hash = r.Hash
		c.is(s.PutCode(c.ctx, o), store.ErrConflict, "PutCode with a taken hash")
		returns(c, "TakeCode", r)(s.TakeCode(c.ctx, r.Hash, r.ClientID))
		c.is(s.PutCode(c.ctx, o), store.ErrConflict, "PutCode with the hash of a used code")
		got, err := s.TakeCode(c.ctx, r.Hash, r.ClientID)
		c.is(err, store.ErrUsed, "TakeCode")
		c.same(got, r, "TakeCode")
	}},
	{"a replay is recognised", "TakeCode marks the client's live code with the given hash as used and returns it. … the rest get the code and ErrUsed.", func(c *recorder, s store.Grants) {
		r := fresh[store.AuthorizationCode]()
		c.ok(s.PutCode(c.ctx, r), "PutCode")
		returns(c, "TakeCode", r)(s.TakeCode(c.ctx, r.Hash, r.ClientID))
		for range 3 {
			got, err := s.TakeCode(c.ctx, r.Hash, r.ClientID)
			c.is(err, store.ErrUsed, "TakeCode of a used code")
			c.same(got, r, "TakeCode of a used code")
		}
	}},
	{"another client's code is left as it was", "Without a live code of that client the error is ErrNotFound, and the code of another client is left as it was.", func(c *recorder, s store.Grants) {
		r := fresh[store.AuthorizationCode]()
		c.ok(s.PutCode(c.ctx, r), "PutCode")
		foreign := func(when string) {
			for _, client := range []string{"another", "", r.ClientID + " ", "%"} {
				fails[store.AuthorizationCode](c, "TakeCode by another client, "+when, store.ErrNotFound)(s.TakeCode(c.ctx, r.Hash, client))
			}
		}
		foreign("unused")
		returns(c, "TakeCode", r)(s.TakeCode(c.ctx, r.Hash, r.ClientID))
		foreign("used")
		_, err := s.TakeCode(c.ctx, r.Hash, r.ClientID)
		c.is(err, store.ErrUsed, "TakeCode of a used code")
	}},
	{"an unknown or expired code is not found", saysExpiry, func(c *recorder, s store.Grants) {
		fails[store.AuthorizationCode](c, "TakeCode of an empty store", store.ErrNotFound)(s.TakeCode(c.ctx, fresh[store.Session]().Handle, "client"))
		for name, at := range expiries() {
			r := fresh[store.AuthorizationCode]()
			r.ExpiresAt = at
			c.ok(s.PutCode(c.ctx, r), "PutCode")
			for range 2 {
				fails[store.AuthorizationCode](c, "TakeCode of one that expired "+name, store.ErrNotFound)(s.TakeCode(c.ctx, r.Hash, r.ClientID))
			}
			live := fresh[store.AuthorizationCode]()
			live.Hash = r.Hash
			c.ok(s.PutCode(c.ctx, live), "PutCode with the hash of one that expired "+name)
			returns(c, "TakeCode", live)(s.TakeCode(c.ctx, live.Hash, live.ClientID))
		}
	}},
	{"the zero digest is none", saysZero, func(c *recorder, s store.Grants) {
		r := fresh[store.AuthorizationCode]()
		r.Hash = store.Digest{}
		if s.PutCode(c.ctx, r) == nil {
			c.errorf("PutCode took a code without a Hash: %s", saysKey)
		}
		fails[store.AuthorizationCode](c, "TakeCode", store.ErrNotFound)(s.TakeCode(c.ctx, store.Digest{}, r.ClientID))
		g, t := pair()
		t.Hash = store.Digest{}
		if s.CreateGrant(c.ctx, g, t) == nil || s.PutAccessToken(c.ctx, store.AccessToken{ClientID: "c", ExpiresAt: future()}) == nil {
			c.errorf("a token without a Hash was taken: %s", saysKey)
		}
		fails[store.Grant](c, "Grant that came with such a token", store.ErrNotFound)(s.Grant(c.ctx, g.ID))
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, store.Digest{}))
		c.ok(s.DeleteAccessToken(c.ctx, store.Digest{}), "DeleteAccessToken")
		g, t = pair()
		g.ID, t.GrantID = "", ""
		if s.CreateGrant(c.ctx, g, t) == nil {
			c.errorf("CreateGrant took a grant without an ID: %s", saysKey)
		}
	}},
	{"one of many takes a code", "Of many concurrent callers exactly one gets a nil error, the rest get the code and ErrUsed.", func(c *recorder, s store.Grants) {
		c.rounds(func(int) {
			r := fresh[store.AuthorizationCode]()
			c.ok(s.PutCode(c.ctx, r), "PutCode")
			c.oneWins("TakeCode", store.ErrUsed, func(i int) error {
				if i%8 == 0 { // someone who stole it
					_, err := s.TakeCode(c.ctx, r.Hash, "another")
					if errors.Is(err, store.ErrNotFound) {
						return store.ErrUsed
					}
					return fmt.Errorf("by another client: %w", err)
				}
				got, err := s.TakeCode(c.ctx, r.Hash, r.ClientID)
				c.same(got, r, "TakeCode")
				return err
			})
		})
	}},
}

var grantOnlyRules = []rule[store.Grants]{
	{"every field of a grant and its token comes back", saysTimes, func(c *recorder, s store.Grants) {
		tokens := variants[store.AccessToken]("Hash", "ExpiresAt")
		for name, g := range variants[store.Grant]("ID", "ExpiresAt") {
			t := tokens[name]
			t.GrantID = g.ID
			c.ok(s.CreateGrant(c.ctx, g, t), "CreateGrant, "+name)
			returns(c, "Grant, "+name, saved(g, 1))(s.Grant(c.ctx, g.ID))
			returns(c, "AccessToken, "+name, t)(s.AccessToken(c.ctx, t.Hash))
		}
	}},
	{"what is taken conflicts", "CreateGrant … ErrConflict when its ID or the token's hash is taken.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		o, ot := pair()
		o.ID, ot.GrantID = g.ID, g.ID
		c.is(s.CreateGrant(c.ctx, o, ot), store.ErrConflict, "CreateGrant with a taken ID")
		fails[store.AccessToken](c, "AccessToken after a conflict", store.ErrNotFound)(s.AccessToken(c.ctx, ot.Hash))
		o, ot = pair()
		ot.Hash = t.Hash
		c.is(s.CreateGrant(c.ctx, o, ot), store.ErrConflict, "CreateGrant with a taken token")
		fails[store.Grant](c, "Grant after a conflict", store.ErrNotFound)(s.Grant(c.ctx, o.ID))
		lists(c, "UserGrants after a conflict", s.UserGrants(c.ctx, o.UserID))
		returns(c, "Grant", g)(s.Grant(c.ctx, g.ID))
		returns(c, "AccessToken", t)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"an unknown or expired grant is not found", saysExpiry, func(c *recorder, s store.Grants) {
		fails[store.Grant](c, "Grant of an empty store", store.ErrNotFound)(s.Grant(c.ctx, "unknown"))
		for name, at := range expiries() {
			g, t := pair()
			g.ExpiresAt = at
			c.ok(s.CreateGrant(c.ctx, g, t), "CreateGrant")
			fails[store.Grant](c, "Grant that expired "+name, store.ErrNotFound)(s.Grant(c.ctx, g.ID))
			lists(c, "UserGrants with one that expired "+name, s.UserGrants(c.ctx, g.UserID))
			next, nt := saved(g, 1), fresh[store.AccessToken]()
			next.ExpiresAt, nt.GrantID = future(), g.ID
			c.is(s.SwapGrant(c.ctx, next, nt), store.ErrNotFound, "SwapGrant of one that expired "+name)
			c.is(s.PutAccessToken(c.ctx, nt), store.ErrNotFound, "PutAccessToken of one that expired "+name)
			fails[store.AccessToken](c, "AccessToken of a failed swap", store.ErrNotFound)(s.AccessToken(c.ctx, nt.Hash))
			live, lt := pair()
			live.ID, lt.GrantID = g.ID, g.ID
			c.ok(s.CreateGrant(c.ctx, live, lt), "CreateGrant with the ID of one that expired "+name)
			returns(c, "Grant", saved(live, 1))(s.Grant(c.ctx, g.ID))
		}
	}},
	{"a grant is swapped whole", "SwapGrant replaces the grant if g.Version is the stored one, stores it with the next Version, and inserts the access token, in one step.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		for name, next := range variants[store.Grant]("ExpiresAt") {
			nt := fresh[store.AccessToken]()
			next.ID, next.Version, nt.GrantID = g.ID, g.Version, g.ID
			c.ok(s.SwapGrant(c.ctx, next, nt), "SwapGrant, "+name)
			next.Version++
			returns(c, "Grant, "+name, next)(s.Grant(c.ctx, g.ID))
			returns(c, "AccessToken, "+name, nt)(s.AccessToken(c.ctx, nt.Hash))
			returns(c, "AccessToken from before, "+name, t)(s.AccessToken(c.ctx, t.Hash))
			g, t = next, nt
		}
	}},
	{"a swap that conflicts changes nothing", "ErrConflict when another version is stored or the token's hash is taken.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		for _, version := range []int64{-1, 0, 2} {
			next, nt := saved(fresh[store.Grant](), version), fresh[store.AccessToken]()
			next.ID, nt.GrantID = g.ID, g.ID
			c.is(s.SwapGrant(c.ctx, next, nt), store.ErrConflict, fmt.Sprintf("SwapGrant of version %d", version))
			fails[store.AccessToken](c, "AccessToken after a conflict", store.ErrNotFound)(s.AccessToken(c.ctx, nt.Hash))
		}
		next, nt := saved(fresh[store.Grant](), 1), fresh[store.AccessToken]()
		next.ID, nt.GrantID, nt.Hash = g.ID, g.ID, t.Hash
		c.is(s.SwapGrant(c.ctx, next, nt), store.ErrConflict, "SwapGrant with a taken token")
		returns(c, "Grant", g)(s.Grant(c.ctx, g.ID))
		returns(c, "AccessToken", t)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"a foreign token is refused", "A token that names another grant is refused with an error, here and by SwapGrant.", func(c *recorder, s store.Grants) {
		g, _ := c.granted(s)
		for _, id := range []string{"", "another", g.ID} {
			o, ot := pair()
			ot.GrantID = id
			if s.CreateGrant(c.ctx, o, ot) == nil {
				c.errorf("CreateGrant took a token of the grant %q", id)
			}
			fails[store.Grant](c, "Grant that was refused", store.ErrNotFound)(s.Grant(c.ctx, o.ID))
			if id != g.ID && s.SwapGrant(c.ctx, g, ot) == nil {
				c.errorf("SwapGrant took a token of the grant %q", id)
			}
			fails[store.AccessToken](c, "AccessToken that was refused", store.ErrNotFound)(s.AccessToken(c.ctx, ot.Hash))
		}
		returns(c, "Grant", g)(s.Grant(c.ctx, g.ID))
	}},
	{"a swap of nothing is not found", "ErrNotFound when there is no live grant.", func(c *recorder, s store.Grants) {
		g, t := pair()
		c.is(s.SwapGrant(c.ctx, g, t), store.ErrNotFound, "SwapGrant")
		fails[store.Grant](c, "Grant", store.ErrNotFound)(s.Grant(c.ctx, g.ID))
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"one of many swaps succeeds", "Of many concurrent callers with one version exactly one succeeds.", func(c *recorder, s store.Grants) {
		g, _ := c.granted(s)
		c.rounds(func(int) {
			var tokens [racers]store.AccessToken
			for i := range tokens {
				tokens[i] = fresh[store.AccessToken]()
				tokens[i].GrantID = g.ID
			}
			winner := c.oneWins("SwapGrant", store.ErrConflict, func(i int) error {
				next := g
				next.Generation = i
				return s.SwapGrant(c.ctx, next, tokens[i])
			})
			g.Generation = winner
			g.Version++
			returns(c, "Grant", g)(s.Grant(c.ctx, g.ID))
			for i := range tokens {
				if _, err := s.AccessToken(c.ctx, tokens[i].Hash); (err == nil) != (i == winner) {
					c.errorf("AccessToken of caller %d: %v; the winner was %d", i, err, winner)
				}
			}
		})
	}},
	{"a user's grants are listed", "UserGrants lists the user's live grants, the newest first.", func(c *recorder, s store.Grants) {
		var want [3]store.Grant
		for _, place := range []int{1, 0, 2} {
			g, t := pair()
			g.UserID = "mine"
			g.CreatedAt = future().Add(-time.Duration(place) * time.Second)
			c.ok(s.CreateGrant(c.ctx, g, t), "CreateGrant")
			want[place] = saved(g, 1)
			c.granted(s)
		}
		revoked, t := pair()
		revoked.UserID = "mine"
		c.ok(s.CreateGrant(c.ctx, revoked, t), "CreateGrant")
		c.ok(s.RevokeGrant(c.ctx, revoked.ID, future()), "RevokeGrant")
		lists(c, "UserGrants", s.UserGrants(c.ctx, "mine"), want[:]...)
		lists(c, "UserGrants of nobody", s.UserGrants(c.ctx, "nobody"))
		lists(c, "UserGrants of the empty ID", s.UserGrants(c.ctx, ""))
	}},
}
