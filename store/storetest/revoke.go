package storetest

import (
	"errors"

	"github.com/connectid-kit/connectid/store"
)

// dead complains unless the grant is revoked and its tokens are gone.
func (c *recorder) dead(s store.Grants, what, id string, tokens ...store.AccessToken) {
	fails[store.Grant](c, "Grant "+what, store.ErrRevoked)(s.Grant(c.ctx, id))
	for _, t := range tokens {
		fails[store.AccessToken](c, "AccessToken "+what, store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
	}
	g, t := pair()
	g.ID, t.GrantID = id, id
	c.is(s.CreateGrant(c.ctx, g, t), store.ErrRevoked, "CreateGrant "+what)
	c.is(s.SwapGrant(c.ctx, saved(g, 1), t), store.ErrRevoked, "SwapGrant "+what)
	fails[store.AccessToken](c, "AccessToken that was refused "+what, store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
}

var revocationRules = []rule[store.Grants]{
	{"a revoked grant ends with all its tokens", "RevokeGrant ends the grant with all its access tokens, in one step. AccessToken: a token of a revoked grant is not found.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		other, ot := c.granted(s)
		t2, t3, own := fresh[store.AccessToken](), fresh[store.AccessToken](), fresh[store.AccessToken]()
		t2.GrantID, t3.GrantID, own.GrantID = g.ID, g.ID, ""
		c.ok(s.SwapGrant(c.ctx, g, t2), "SwapGrant")
		c.ok(s.PutAccessToken(c.ctx, t3), "PutAccessToken")
		c.ok(s.PutAccessToken(c.ctx, own), "PutAccessToken of a client")
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant")
		c.dead(s, "after its revocation", g.ID, t, t2, t3)
		returns(c, "Grant of another", other)(s.Grant(c.ctx, other.ID))
		returns(c, "AccessToken of another", ot)(s.AccessToken(c.ctx, ot.Hash))
		returns(c, "AccessToken of a client", own)(s.AccessToken(c.ctx, own.Hash))
		lists(c, "UserGrants", s.UserGrants(c.ctx, g.UserID))
	}},
	{"a grant can be revoked before it is stored", "RevokeGrant … leaves a tombstone until the given time, also when the grant is not stored yet. CreateGrant: ErrRevoked when the grant was revoked before it was stored.", func(c *recorder, s store.Grants) {
		g, _ := pair()
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant")
		c.dead(s, "that was never stored", g.ID)
	}},
	{"revoking twice keeps the later time", "Revoking twice is no error; the later time counts.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant")
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant once more")
		c.ok(s.RevokeGrant(c.ctx, g.ID, past()), "RevokeGrant with an earlier time")
		c.dead(s, "after an earlier time", g.ID, t)
		g, t = c.granted(s)
		c.ok(s.RevokeGrant(c.ctx, g.ID, past()), "RevokeGrant")
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant with a later time")
		c.dead(s, "after a later time", g.ID, t)
	}},
	{"a tombstone expires", "Grant returns … ErrRevoked when it has been revoked (until the tombstone expires), or ErrNotFound.", func(c *recorder, s store.Grants) {
		for name, at := range expiries() {
			g, t := c.granted(s)
			c.ok(s.RevokeGrant(c.ctx, g.ID, at), "RevokeGrant")
			fails[store.Grant](c, "Grant with a tombstone that expired "+name, store.ErrNotFound)(s.Grant(c.ctx, g.ID))
			fails[store.AccessToken](c, "AccessToken with a tombstone that expired "+name, store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
			c.is(s.SwapGrant(c.ctx, g, tokenOf(g.ID)), store.ErrNotFound, "SwapGrant with a tombstone that expired "+name)
			o, ot := pair()
			o.ID, ot.GrantID = g.ID, g.ID
			c.ok(s.CreateGrant(c.ctx, o, ot), "CreateGrant with a tombstone that expired "+name)
			returns(c, "Grant", saved(o, 1))(s.Grant(c.ctx, g.ID))
		}
	}},
	{"a grant without an ID can not be revoked", saysKey, func(c *recorder, s store.Grants) {
		t := fresh[store.AccessToken]()
		t.GrantID = ""
		c.ok(s.PutAccessToken(c.ctx, t), "PutAccessToken of a client")
		if s.RevokeGrant(c.ctx, "", future()) == nil {
			c.errorf("RevokeGrant took an empty ID")
		}
		returns(c, "AccessToken of a client", t)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"a revocation wins over a creation", "CreateGrant: ErrRevoked when the grant was revoked before it was stored. RevokeGrant ends the grant with all its access tokens, in one step.", func(c *recorder, s store.Grants) {
		c.someRounds(func() {
			g, t := pair()
			race(func(i int) error {
				if i%8 == 0 {
					c.is(s.RevokeGrant(c.ctx, g.ID, future()), nil, "RevokeGrant")
					return nil
				}
				mine := t
				if i%8 != 1 { // some present the same token, some one of their own
					mine = tokenOf(g.ID)
				}
				err := s.CreateGrant(c.ctx, g, mine)
				if err != nil && !errors.Is(err, store.ErrRevoked) && !errors.Is(err, store.ErrConflict) {
					c.errorf("CreateGrant: %v", err)
				}
				return nil
			})
			c.dead(s, "after a race", g.ID, t)
			lists(c, "UserGrants", s.UserGrants(c.ctx, g.UserID))
		})
	}},
	{"a revocation wins over swaps", "RevokeGrant ends the grant with all its access tokens, in one step.", func(c *recorder, s store.Grants) {
		c.someRounds(func() {
			g, first := c.granted(s)
			var tokens [racers]store.AccessToken
			for i := range tokens {
				tokens[i] = tokenOf(g.ID)
			}
			race(func(i int) error {
				var err error
				switch {
				case i == racers/2:
					err = s.RevokeGrant(c.ctx, g.ID, future())
				case i%2 == 0:
					err = s.PutAccessToken(c.ctx, tokens[i])
				default:
					err = s.SwapGrant(c.ctx, g, tokens[i])
				}
				if err != nil && !errors.Is(err, store.ErrRevoked) && !errors.Is(err, store.ErrConflict) {
					c.errorf("caller %d: %v", i, err)
				}
				return nil
			})
			c.dead(s, "after a race", g.ID, append(tokens[:], first)...)
		})
	}},
	{"a user's grants are revoked", "RevokeUserGrants revokes all stored grants of the user, with tombstones until the given time, removes the unused codes of the user, and returns how many grants it revoked.", func(c *recorder, s store.Grants) {
		c.revokesAll(s, "RevokeUserGrants", s.RevokeUserGrants,
			func(c *store.AuthorizationCode) *string { return &c.UserID },
			func(g *store.Grant) *string { return &g.UserID },
			func(t *store.AccessToken) *string { return &t.UserID }, true)
	}},
	{"a client's grants are revoked", "RevokeClientGrants does the same for a client, and removes the client's own access tokens too.", func(c *recorder, s store.Grants) {
		c.revokesAll(s, "RevokeClientGrants", s.RevokeClientGrants,
			func(c *store.AuthorizationCode) *string { return &c.ClientID },
			func(g *store.Grant) *string { return &g.ClientID },
			func(t *store.AccessToken) *string { return &t.ClientID }, false)
	}},
}

// tokenOf returns a fresh token of the grant.
func tokenOf(grant string) store.AccessToken {
	t := fresh[store.AccessToken]()
	t.GrantID = grant
	return t
}
