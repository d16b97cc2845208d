package storetest

import "github.com/connectid-kit/connectid/store"

var tokenRules = []rule[store.Grants]{
	{"every field of a token comes back", saysTimes, func(c *recorder, s store.Grants) {
		g, _ := c.granted(s)
		for name, t := range variants[store.AccessToken]("Hash", "ExpiresAt") {
			t.GrantID = "" // a client token
			c.ok(s.PutAccessToken(c.ctx, t), "PutAccessToken, "+name)
			returns(c, "AccessToken, "+name, t)(s.AccessToken(c.ctx, t.Hash))
			t.Hash, t.GrantID = fresh[store.AccessToken]().Hash, g.ID // one more of a live grant
			c.ok(s.PutAccessToken(c.ctx, t), "PutAccessToken of a grant, "+name)
			returns(c, "AccessToken of a grant, "+name, t)(s.AccessToken(c.ctx, t.Hash))
		}
	}},
	{"a taken token conflicts", "PutAccessToken … ErrConflict when its hash is taken.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		for _, grant := range []string{"", g.ID} {
			o := fresh[store.AccessToken]()
			o.Hash, o.GrantID = t.Hash, grant
			c.is(s.PutAccessToken(c.ctx, o), store.ErrConflict, "PutAccessToken with a taken hash")
		}
		returns(c, "AccessToken", t)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"a token needs a live grant", "PutAccessToken … ErrRevoked or ErrNotFound when it names a grant that is not live.", func(c *recorder, s store.Grants) {
		t := fresh[store.AccessToken]()
		c.is(s.PutAccessToken(c.ctx, t), store.ErrNotFound, "PutAccessToken of an unknown grant")
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
		g, _ := c.granted(s)
		c.ok(s.RevokeGrant(c.ctx, g.ID, future()), "RevokeGrant")
		t.GrantID = g.ID
		c.is(s.PutAccessToken(c.ctx, t), store.ErrRevoked, "PutAccessToken of a revoked grant")
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
	}},
	{"an unknown or expired token is not found", "AccessToken returns the live token, or ErrNotFound.", func(c *recorder, s store.Grants) {
		fails[store.AccessToken](c, "AccessToken of an empty store", store.ErrNotFound)(s.AccessToken(c.ctx, fresh[store.Session]().Handle))
		g, _ := c.granted(s)
		for name, at := range expiries() {
			t := fresh[store.AccessToken]()
			t.GrantID, t.ExpiresAt = g.ID, at
			c.ok(s.PutAccessToken(c.ctx, t), "PutAccessToken")
			fails[store.AccessToken](c, "AccessToken that expired "+name, store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
			live := fresh[store.AccessToken]()
			live.GrantID, live.Hash = "", t.Hash
			c.ok(s.PutAccessToken(c.ctx, live), "PutAccessToken with the hash of one that expired "+name)
			returns(c, "AccessToken", live)(s.AccessToken(c.ctx, t.Hash))
		}
	}},
	{"a deleted token is gone", "DeleteAccessToken removes the token; no error when there is none.", func(c *recorder, s store.Grants) {
		g, t := c.granted(s)
		o := fresh[store.AccessToken]()
		o.GrantID = g.ID
		c.ok(s.PutAccessToken(c.ctx, o), "PutAccessToken")
		c.ok(s.DeleteAccessToken(c.ctx, t.Hash), "DeleteAccessToken")
		c.ok(s.DeleteAccessToken(c.ctx, t.Hash), "DeleteAccessToken once more")
		fails[store.AccessToken](c, "AccessToken", store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
		returns(c, "AccessToken of the same grant", o)(s.AccessToken(c.ctx, o.Hash))
		returns(c, "Grant", g)(s.Grant(c.ctx, g.ID))
	}},
}
