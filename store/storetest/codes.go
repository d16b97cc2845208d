package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

var oneTimeRules = []rule[store.OneTimeCodes]{
	{"every field comes back", saysTimes, func(c *recorder, s store.OneTimeCodes) {
		for name, r := range variants[store.OneTimeCode]("Key", "MAC", "ExpiresAt") {
			c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode, "+name)
			returns(c, "TakeOneTimeCode, "+name, r)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		}
	}},
	{"a newer code replaces the older", "PutOneTimeCode saves the code in place of any other with its Key.", func(c *recorder, s store.OneTimeCodes) {
		older, other := fresh[store.OneTimeCode](), fresh[store.OneTimeCode]()
		c.ok(s.PutOneTimeCode(c.ctx, older), "PutOneTimeCode")
		c.ok(s.PutOneTimeCode(c.ctx, other), "PutOneTimeCode")
		for name, newer := range variants[store.OneTimeCode]("MAC", "ExpiresAt") {
			newer.Key = older.Key
			c.ok(s.PutOneTimeCode(c.ctx, older), "PutOneTimeCode")
			c.ok(s.PutOneTimeCode(c.ctx, newer), "PutOneTimeCode of a newer one, "+name)
			fails[store.OneTimeCode](c, "TakeOneTimeCode of the older, "+name, store.ErrMismatch)(s.TakeOneTimeCode(c.ctx, older.Key, older.MAC))
			returns(c, "TakeOneTimeCode of the newer, "+name, newer)(s.TakeOneTimeCode(c.ctx, newer.Key, newer.MAC))
			fails[store.OneTimeCode](c, "TakeOneTimeCode of the older after the newer, "+name, store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, older.Key, older.MAC))
		}
		returns(c, "TakeOneTimeCode of another key", other)(s.TakeOneTimeCode(c.ctx, other.Key, other.MAC))
	}},
	{"a newer code that has expired replaces the older too", "PutOneTimeCode saves the code in place of any other with its Key.", func(c *recorder, s store.OneTimeCodes) {
		older, newer := fresh[store.OneTimeCode](), fresh[store.OneTimeCode]()
		newer.Key, newer.ExpiresAt = older.Key, past()
		c.ok(s.PutOneTimeCode(c.ctx, older), "PutOneTimeCode")
		c.ok(s.PutOneTimeCode(c.ctx, newer), "PutOneTimeCode")
		fails[store.OneTimeCode](c, "TakeOneTimeCode of the older", store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, older.Key, older.MAC))
	}},
	{"a code is taken once", "TakeOneTimeCode removes and returns the live code with the given key if its MAC is mac.", func(c *recorder, s store.OneTimeCodes) {
		r := fresh[store.OneTimeCode]()
		c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode")
		returns(c, "TakeOneTimeCode", r)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		for range 2 {
			fails[store.OneTimeCode](c, "TakeOneTimeCode once more", store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		}
	}},
	{"a wrong code leaves the right one", "ErrMismatch when the MAC differs (the code stays).", func(c *recorder, s store.OneTimeCodes) {
		r, other := fresh[store.OneTimeCode](), fresh[store.OneTimeCode]()
		c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode")
		c.ok(s.PutOneTimeCode(c.ctx, other), "PutOneTimeCode")
		near := r.MAC
		near[len(near)-1] ^= 1
		for name, mac := range map[string]store.Digest{"another key's": other.MAC, "one bit off": near, "zero": {}, "the key": r.Key} {
			fails[store.OneTimeCode](c, "TakeOneTimeCode with a MAC that is "+name, store.ErrMismatch)(s.TakeOneTimeCode(c.ctx, r.Key, mac))
		}
		returns(c, "TakeOneTimeCode", r)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		returns(c, "TakeOneTimeCode of another", other)(s.TakeOneTimeCode(c.ctx, other.Key, other.MAC))
	}},
	{"the zero digest is none", saysZero, func(c *recorder, s store.OneTimeCodes) {
		r := fresh[store.OneTimeCode]()
		r.Key = store.Digest{}
		if s.PutOneTimeCode(c.ctx, r) == nil {
			c.errorf("PutOneTimeCode took a code without a Key: %s", saysKey)
		}
		fails[store.OneTimeCode](c, "TakeOneTimeCode", store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		r = fresh[store.OneTimeCode]()
		r.MAC = store.Digest{}
		if s.PutOneTimeCode(c.ctx, r) == nil { // a backend may refuse it; if it does not, nothing opens it
			fails[store.OneTimeCode](c, "TakeOneTimeCode with the zero MAC", store.ErrMismatch)(s.TakeOneTimeCode(c.ctx, r.Key, store.Digest{}))
		}
	}},
	{"an unknown or expired code is not found", "ErrNotFound when there is no live code.", func(c *recorder, s store.OneTimeCodes) {
		r := fresh[store.OneTimeCode]()
		fails[store.OneTimeCode](c, "TakeOneTimeCode of an empty store", store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		for name, at := range expiries() {
			r := fresh[store.OneTimeCode]()
			r.ExpiresAt = at
			c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode")
			fails[store.OneTimeCode](c, "TakeOneTimeCode of one that expired "+name, store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
			fails[store.OneTimeCode](c, "TakeOneTimeCode with a wrong MAC of one that expired "+name, store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.Key))
		}
	}},
	{"one of many takes a code", "Of many concurrent callers with the right MAC exactly one gets the code, the rest get ErrNotFound.", func(c *recorder, s store.OneTimeCodes) {
		c.rounds(func(int) {
			r := fresh[store.OneTimeCode]()
			c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode")
			var (
				mu  sync.Mutex
				got []store.OneTimeCode
			)
			c.oneWins("TakeOneTimeCode", store.ErrNotFound, func(i int) error {
				if i%4 == 0 { // a guesser
					_, err := s.TakeOneTimeCode(c.ctx, r.Key, r.Key)
					if errors.Is(err, store.ErrMismatch) {
						return store.ErrNotFound
					}
					return err
				}
				taken, err := s.TakeOneTimeCode(c.ctx, r.Key, r.MAC)
				if err == nil {
					mu.Lock()
					got = append(got, taken)
					mu.Unlock()
				}
				return err
			})
			for _, taken := range got {
				c.same(taken, r, "TakeOneTimeCode")
			}
		})
	}},
	{"a credential's codes are dropped", "DropOneTimeCodes removes every code that was sent to the credential.", func(c *recorder, s store.OneTimeCodes) {
		put := func(kind store.CredentialKind, identity string) store.OneTimeCode {
			r := fresh[store.OneTimeCode]()
			r.Kind, r.Identity = kind, identity
			c.ok(s.PutOneTimeCode(c.ctx, r), "PutOneTimeCode")
			return r
		}
		mine := []store.OneTimeCode{put(store.Email, "a_b@example.com"), put(store.Email, "a_b@example.com"), put(store.Email, "a_b@example.com")}
		others := []store.OneTimeCode{put(store.Phone, "a_b@example.com"), put(store.Email, "axb@example.com"), put(store.Email, "A_B@example.com")}
		c.ok(s.DropOneTimeCodes(c.ctx, store.Email, "a_b@example.com"), "DropOneTimeCodes")
		c.ok(s.DropOneTimeCodes(c.ctx, store.Email, "a_b@example.com"), "DropOneTimeCodes once more")
		for i, r := range mine {
			fails[store.OneTimeCode](c, fmt.Sprintf("TakeOneTimeCode of dropped code %d", i), store.ErrNotFound)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		}
		for _, r := range others {
			returns(c, "TakeOneTimeCode of another credential's", r)(s.TakeOneTimeCode(c.ctx, r.Key, r.MAC))
		}
	}},
	endedContexts[store.OneTimeCodes](),
	hammered[store.OneTimeCodes](),
}
