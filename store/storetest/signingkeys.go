package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const saysSigningKey = "CreateSigningKey inserts the key, or returns ErrConflict when its ID, or its Generation of its Alg, is taken."

// inOrder returns the keys as they are listed.
func inOrder(all ...store.SigningKey) []store.SigningKey {
	slices.SortFunc(all, func(a, b store.SigningKey) int {
		return cmp.Or(cmp.Compare(a.Alg, b.Alg), cmp.Compare(b.Generation, a.Generation))
	})
	return all
}

var signingKeyRules = []rule[store.SigningKeys]{
	{"every field comes back", saysTimes, func(c *recorder, s store.SigningKeys) {
		var want []store.SigningKey
		for name, k := range variants[store.SigningKey]("ID", "ExpiresAt") {
			c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey, "+name)
			want = append(want, k)
			lists(c, "SigningKeys, "+name, s.SigningKeys(c.ctx), inOrder(want...)...)
		}
	}},
	{"a key without an ID is refused", saysKey, func(c *recorder, s store.SigningKeys) {
		k := fresh[store.SigningKey]()
		k.ID = ""
		if s.CreateSigningKey(c.ctx, k) == nil {
			c.errorf("CreateSigningKey took a key without an ID")
		}
		lists(c, "SigningKeys", s.SigningKeys(c.ctx))
	}},
	{"what is taken conflicts", saysSigningKey, func(c *recorder, s store.SigningKeys) {
		k := fresh[store.SigningKey]()
		k.Alg, k.Generation = "ES256", 7
		c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey")
		sameID, sameGeneration := fresh[store.SigningKey](), fresh[store.SigningKey]()
		sameID.ID = k.ID
		sameGeneration.Alg, sameGeneration.Generation = k.Alg, k.Generation
		for name, o := range map[string]store.SigningKey{"ID": sameID, "Generation": sameGeneration, "everything": k} {
			c.is(s.CreateSigningKey(c.ctx, o), store.ErrConflict, "CreateSigningKey with a taken "+name)
			lists(c, "SigningKeys after a conflict", s.SigningKeys(c.ctx), k)
		}
		otherAlg, next := fresh[store.SigningKey](), fresh[store.SigningKey]()
		otherAlg.Alg, otherAlg.Generation = "RS256", 7
		next.Alg, next.Generation = "ES256", 8
		c.ok(s.CreateSigningKey(c.ctx, otherAlg), "CreateSigningKey with the Generation of another Alg")
		c.ok(s.CreateSigningKey(c.ctx, next), "CreateSigningKey with the next Generation")
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), next, k, otherAlg)
	}},
	{"one of many makes a generation", "Of many concurrent callers with one Alg and Generation exactly one succeeds.", func(c *recorder, s store.SigningKeys) {
		c.rounds(func(round int) {
			keys := make([]store.SigningKey, racers)
			for i := range keys {
				keys[i] = fresh[store.SigningKey]()
				keys[i].Alg, keys[i].Generation = "ES256", int64(round+1)
			}
			if round%4 == 0 { // an expired one is in nobody's way
				old := fresh[store.SigningKey]()
				old.Alg, old.Generation, old.ExpiresAt = "ES256", int64(round+1), past()
				c.ok(s.CreateSigningKey(c.ctx, old), "CreateSigningKey of an expired one")
			}
			winner := c.oneWins("CreateSigningKey", store.ErrConflict, func(i int) error { return s.CreateSigningKey(c.ctx, keys[i]) })
			if winner < 0 {
				return
			}
			lists(c, "SigningKeys", s.SigningKeys(c.ctx), keys[winner])
			c.ok(s.DeleteSigningKey(c.ctx, keys[winner].ID), "DeleteSigningKey")
		})
	}},
	{"an expired key is absent", saysExpiry, func(c *recorder, s store.SigningKeys) {
		for name, at := range expiries() {
			k := fresh[store.SigningKey]()
			k.ExpiresAt = at
			c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey of one that expired "+name)
			lists(c, "SigningKeys with one that expired "+name, s.SigningKeys(c.ctx))
			sameID, sameGeneration := fresh[store.SigningKey](), fresh[store.SigningKey]()
			sameID.ID = k.ID
			c.ok(s.CreateSigningKey(c.ctx, sameID), "CreateSigningKey with the ID of one that expired "+name)
			c.ok(s.DeleteSigningKey(c.ctx, sameID.ID), "DeleteSigningKey")
			c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey of one that expired "+name)
			sameGeneration.Alg, sameGeneration.Generation = k.Alg, k.Generation
			c.ok(s.CreateSigningKey(c.ctx, sameGeneration), "CreateSigningKey with the Generation of one that expired "+name)
			lists(c, "SigningKeys", s.SigningKeys(c.ctx), sameGeneration)
			c.ok(s.DeleteSigningKey(c.ctx, sameGeneration.ID), "DeleteSigningKey")
		}
		soon := fresh[store.SigningKey]()
		soon.ExpiresAt = time.Now().Add(30 * time.Second).Truncate(time.Millisecond)
		c.ok(s.CreateSigningKey(c.ctx, soon), "CreateSigningKey")
		lists(c, "SigningKeys with half a minute to go", s.SigningKeys(c.ctx), soon)
	}},
	{"keys are listed in order", "SigningKeys lists the live keys of all algorithms, by Alg and then by Generation, the newest first.", func(c *recorder, s store.SigningKeys) {
		lists(c, "SigningKeys of an empty store", s.SigningKeys(c.ctx))
		var all []store.SigningKey
		for _, n := range []int64{2, 10, 1, 9} {
			for _, alg := range []string{"RS256", "ES256"} {
				k := fresh[store.SigningKey]()
				k.Alg, k.Generation = alg, n
				c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey")
				all = append(all, k)
			}
		}
		all = inOrder(all...)
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), all...)
		for k, err := range s.SigningKeys(c.ctx) { // a list that is left early, and a write while it is walked
			c.ok(err, "SigningKeys")
			c.ok(s.DeleteSigningKey(c.ctx, k.ID), "DeleteSigningKey while SigningKeys is walked")
			break
		}
		lists(c, "SigningKeys after the first was deleted", s.SigningKeys(c.ctx), all[1:]...)
	}},
	{"a deleted key is gone", "DeleteSigningKey removes the key, such as one whose private half became known; no error when there is none.", func(c *recorder, s store.SigningKeys) {
		k, other := fresh[store.SigningKey](), fresh[store.SigningKey]()
		c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey")
		c.ok(s.CreateSigningKey(c.ctx, other), "CreateSigningKey")
		for _, id := range []string{"", "unknown", k.ID + " ", "%"} {
			c.ok(s.DeleteSigningKey(c.ctx, id), fmt.Sprintf("DeleteSigningKey(%q)", id))
		}
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), inOrder(k, other)...)
		c.ok(s.DeleteSigningKey(c.ctx, k.ID), "DeleteSigningKey")
		c.ok(s.DeleteSigningKey(c.ctx, k.ID), "DeleteSigningKey once more")
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), other)
		c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey of a deleted one")
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), inOrder(k, other)...)
	}},
	{"records are values", saysValues, func(c *recorder, s store.SigningKeys) {
		k := fresh[store.SigningKey]()
		want := k
		want.Private, want.Public = bytes.Clone(k.Private), bytes.Clone(k.Public)
		c.ok(s.CreateSigningKey(c.ctx, k), "CreateSigningKey")
		spoil(k.Private)
		spoil(k.Public)
		for got, err := range s.SigningKeys(c.ctx) {
			returns(c, "SigningKeys after what was given was changed", want)(got, err)
			spoil(got.Private)
			spoil(got.Public)
		}
		lists(c, "SigningKeys after what was returned was changed", s.SigningKeys(c.ctx), want)
	}},
	endedContexts[store.SigningKeys](),
	hammered[store.SigningKeys](),
}
