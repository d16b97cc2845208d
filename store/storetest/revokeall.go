package storetest

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// revokesAll checks RevokeUserGrants or RevokeClientGrants; the owner functions
// say whose a record is.
func (c *recorder) revokesAll(
	s store.Grants, name string, revoke func(context.Context, string, time.Time) (int, error),
	ownerOfCode func(*store.AuthorizationCode) *string,
	ownerOfGrant func(*store.Grant) *string,
	ownerOfToken func(*store.AccessToken) *string,
	sparesClientTokens bool,
) {
	grant := func(owner string) (store.Grant, store.AccessToken) {
		g, t := pair()
		*ownerOfGrant(&g), *ownerOfToken(&t) = owner, owner
		c.ok(s.CreateGrant(c.ctx, g, t), "CreateGrant")
		return saved(g, 1), t
	}
	code := func(owner string) store.AuthorizationCode {
		r := fresh[store.AuthorizationCode]()
		*ownerOfCode(&r) = owner
		c.ok(s.PutCode(c.ctx, r), "PutCode")
		return r
	}
	clientToken := func(client string) store.AccessToken {
		t := store.AccessToken{Hash: fresh[store.Session]().Handle, ClientID: client, ExpiresAt: future()}
		c.ok(s.PutAccessToken(c.ctx, t), "PutAccessToken of a client")
		return t
	}
	a, at := grant("mine")
	b, bt := grant("mine")
	bt2 := tokenOf(b.ID) // a token that does not name the owner is the grant's all the same
	c.ok(s.PutAccessToken(c.ctx, bt2), "PutAccessToken")
	expired, et := pair()
	*ownerOfGrant(&expired), *ownerOfToken(&et), expired.ExpiresAt = "mine", "mine", past()
	c.ok(s.CreateGrant(c.ctx, expired, et), "CreateGrant")
	unused, used := code("mine"), code("mine")
	returns(c, "TakeCode", used)(s.TakeCode(c.ctx, used.Hash, used.ClientID))
	other, ot := grant("other")
	otherCode := code("other")
	own, otherOwn := clientToken("mine"), clientToken("other")

	for _, step := range []struct {
		owner string
		until time.Time
		want  int
	}{{"nobody", future(), 0}, {"", future(), 0}, {"MINE", future(), 0}, {"mine", future(), 2}, {"mine", past(), 0}} {
		if n, err := revoke(c.ctx, step.owner, step.until); n != step.want || err != nil {
			c.errorf("%s(%q) = %d, %v, want %d", name, step.owner, n, err, step.want)
		}
	}
	c.dead(s, "after "+name, a.ID, at)
	c.dead(s, "after "+name, b.ID, bt, bt2)
	fails[store.AuthorizationCode](c, "TakeCode of an unused code after "+name, store.ErrNotFound)(s.TakeCode(c.ctx, unused.Hash, unused.ClientID))
	got, err := s.TakeCode(c.ctx, used.Hash, used.ClientID) // it stays, so that a replay is recognisable
	c.is(err, store.ErrUsed, "TakeCode of a used code after "+name)
	c.same(got, used, "TakeCode of a used code after "+name)
	c.dead(s, "whose code was used before "+name, used.GrantID)

	returns(c, "Grant of another", other)(s.Grant(c.ctx, other.ID))
	returns(c, "AccessToken of another", ot)(s.AccessToken(c.ctx, ot.Hash))
	returns(c, "TakeCode of another", otherCode)(s.TakeCode(c.ctx, otherCode.Hash, otherCode.ClientID))
	returns(c, "AccessToken of another client", otherOwn)(s.AccessToken(c.ctx, otherOwn.Hash))
	if sparesClientTokens {
		returns(c, "AccessToken of a client", own)(s.AccessToken(c.ctx, own.Hash))
	} else {
		fails[store.AccessToken](c, "AccessToken of the client after "+name, store.ErrNotFound)(s.AccessToken(c.ctx, own.Hash))
	}

	// It reaches what is being stored in this moment: a grant is either counted
	// or stored after, and then live.
	c.someRounds(func() {
		r := fresh[store.AuthorizationCode]()
		*ownerOfCode(&r) = "racing"
		c.ok(s.PutCode(c.ctx, r), "PutCode")
		g, t := pair()
		g.ID, t.GrantID = r.GrantID, r.GrantID
		*ownerOfGrant(&g), *ownerOfToken(&t) = "racing", "racing"
		race(func(i int) error {
			if i%16 == 0 {
				if _, err := revoke(c.ctx, "racing", future()); err != nil {
					c.errorf("%s: %v", name, err)
				}
				return nil
			}
			if _, err := s.TakeCode(c.ctx, r.Hash, r.ClientID); err == nil {
				if err := s.CreateGrant(c.ctx, g, t); err != nil && !isSentinel(err) {
					c.errorf("CreateGrant: %v", err)
				}
			}
			return nil
		})
		if _, err := revoke(c.ctx, "racing", future()); err != nil {
			c.errorf("%s: %v", name, err)
		}
		fails[store.AccessToken](c, "AccessToken after a race with "+name, store.ErrNotFound)(s.AccessToken(c.ctx, t.Hash))
	})
}
