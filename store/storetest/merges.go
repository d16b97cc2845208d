package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// account creates a user and returns it as it is stored.
func account(c *recorder, s store.Users) store.User {
	u := stored(fresh[store.User](), 1)
	c.ok(s.CreateUser(c.ctx, u), "CreateUser")
	return u
}

// joins returns what makes the two accounts one, and the survivor as she then is.
func joins(a, b store.User) (m store.Merge, survivor store.User) {
	m = fresh[store.Merge]()
	m.Version, m.Survivor, m.Absorbed, m.Before, m.Taken = 1, a.ID, b.ID, a, b
	survivor = a
	survivor.Credentials = slices.Concat(a.Credentials, b.Credentials)
	survivor.Ties = slices.Concat(a.Ties, b.Ties)
	return m, survivor
}

// merged makes one account of two.
func merged(c *recorder, s MergeStore) (m store.Merge, survivor store.User) {
	m, survivor = joins(account(c, s), account(c, s))
	c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers")
	survivor.Version++
	return m, survivor
}

// mergeIn returns m as it is stored in the given version.
func mergeIn(m store.Merge, version int64) store.Merge {
	m.Version = version
	return m
}

// one complains unless all credentials of the user lead to her, by every way.
func one(c *recorder, s MergeStore, what string, u store.User) {
	returns(c, what+": User", u)(s.User(c.ctx, u.ID))
	returns(c, what+": ResolveUser", u)(s.ResolveUser(c.ctx, u.ID))
	for _, cred := range u.Credentials {
		returns(c, what+": UserByCredential", u)(s.UserByCredential(c.ctx, cred.Kind, cred.Identity))
	}
	for _, t := range u.Ties {
		returns(c, what+": UserByTie", u)(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
	}
}

// untouched complains when anything of a merge can be seen.
func untouched(c *recorder, s MergeStore, what string, m store.Merge, users ...store.User) {
	for _, u := range users {
		one(c, s, what, u)
	}
	fails[store.Merge](c, what+": Merge", store.ErrNotFound)(s.Merge(c.ctx, m.ID))
}

var errCallback = errors.New("storetest: the callback fails")

var mergeRules = []rule[MergeStore]{
	{"every field comes back", saysTimes, func(c *recorder, s MergeStore) {
		for name, m := range variants[store.Merge]("ID", "ExpiresAt") {
			a, b := account(c, s), account(c, s)
			m.Absorbed, m.Survivor, m.Taken.Version = b.ID, a.ID, b.Version
			c.ok(s.MergeUsers(c.ctx, m, a, nil), "MergeUsers, "+name)
			returns(c, "Merge, "+name, mergeIn(m, 1))(s.Merge(c.ctx, m.ID))
			next := fresh[store.Merge]()
			next.ID, next.Version = m.ID, 1
			c.ok(s.SwapMerge(c.ctx, next), "SwapMerge, "+name)
			next.Survivor, next.Absorbed = a.ID, b.ID // these never change
			returns(c, "Merge after SwapMerge, "+name, mergeIn(next, 2))(s.Merge(c.ctx, m.ID))
		}
	}},
	{"two accounts become one", "MergeUsers replaces the survivor as UpdateUser would, removes the user m.Absorbed … and stores m with Version 1, in one step.", func(c *recorder, s MergeStore) {
		other := account(c, s)
		a, b := account(c, s), account(c, s)
		m, survivor := joins(a, b)
		m.Version = 77
		survivor.Number, survivor.CreatedAt = 1, time.Time{} // these never change
		c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers")
		survivor.Version, survivor.Number, survivor.CreatedAt = 2, a.Number, a.CreatedAt
		one(c, s, "survivor", survivor)
		one(c, s, "somebody else", other)
		fails[store.User](c, "User of the absorbed", store.ErrNotFound)(s.User(c.ctx, b.ID))
		returns(c, "ResolveUser of the absorbed", survivor)(s.ResolveUser(c.ctx, b.ID))
		returns(c, "Merge", mergeIn(m, 1))(s.Merge(c.ctx, m.ID))
		c.is(s.UpdateUser(c.ctx, b), store.ErrNotFound, "UpdateUser of the absorbed")
		fails[store.User](c, "ResolveUser of nobody", store.ErrNotFound)(s.ResolveUser(c.ctx, "nobody"))
		fails[store.User](c, "ResolveUser of an empty ID", store.ErrNotFound)(s.ResolveUser(c.ctx, ""))
	}},
	{"a credential may be left out", "MergeUsers replaces the survivor as UpdateUser would.", func(c *recorder, s MergeStore) {
		m, survivor := joins(account(c, s), account(c, s))
		free := survivor.Credentials[4]
		survivor.Credentials = slices.Delete(slices.Clone(survivor.Credentials), 4, 5)
		c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers")
		fails[store.User](c, "UserByCredential of what was left out", store.ErrNotFound)(s.UserByCredential(c.ctx, free.Kind, free.Identity))
		u := fresh[store.User]()
		u.Credentials = []store.Credential{free}
		c.ok(s.CreateUser(c.ctx, u), "CreateUser with what was left out")
	}},
	{"the absorbed ID and Number stay taken", "The ID and the Number of the absorbed user stay taken.", func(c *recorder, s MergeStore) {
		m, survivor := merged(c, s)
		for name, change := range map[string]func(*store.User){
			"ID": func(u *store.User) { u.ID = m.Absorbed }, "Number": func(u *store.User) { u.Number = m.Taken.Number },
		} {
			u := fresh[store.User]()
			change(&u)
			c.is(s.CreateUser(c.ctx, u), store.ErrConflict, "CreateUser with the absorbed "+name)
			fails[store.User](c, "UserByCredential after a conflict", store.ErrNotFound)(s.UserByCredential(c.ctx, store.Email, u.Credentials[0].Identity))
		}
		one(c, s, "survivor", survivor)
	}},
	{"what has changed conflicts", "ErrConflict when a version differs, when a third user has one of the survivor's credentials, when m.ID is taken, and for a user who would absorb herself.", func(c *recorder, s MergeStore) {
		third := account(c, s)
		before, _ := merged(c, s)
		a, b := account(c, s), account(c, s)
		for name, change := range map[string]func(*store.Merge, *store.User){
			"survivor of a later version": func(_ *store.Merge, u *store.User) { u.Version++ },
			"survivor of version 0":       func(_ *store.Merge, u *store.User) { u.Version = 0 },
			"absorbed of a later version": func(m *store.Merge, _ *store.User) { m.Taken.Version++ },
			"absorbed of version 0":       func(m *store.Merge, _ *store.User) { m.Taken.Version = 0 },
			"third's tie":                 func(_ *store.Merge, u *store.User) { u.Ties = append(slices.Clone(u.Ties), third.Ties[1]) },
			"tie twice":                   func(_ *store.Merge, u *store.User) { u.Ties = append(slices.Clone(u.Ties), b.Ties[1]) },
			"third's credential":          func(_ *store.Merge, u *store.User) { u.Credentials = append(u.Credentials, third.Credentials[1]) },
			"credential twice":            func(_ *store.Merge, u *store.User) { u.Credentials = append(u.Credentials, b.Credentials[1]) },
			"taken ID":                    func(m *store.Merge, _ *store.User) { m.ID = before.ID },
			"herself":                     func(m *store.Merge, _ *store.User) { m.Absorbed = a.ID },
		} {
			m, survivor := joins(a, b)
			change(&m, &survivor)
			called := false
			c.is(s.MergeUsers(c.ctx, m, survivor, func(context.Context) error { called = true; return nil }), store.ErrConflict, "MergeUsers, "+name)
			if called {
				c.errorf("MergeUsers, %s: the callback was called before a conflict", name)
			}
			one(c, s, name, a)
			one(c, s, name, b)
			if m.ID != before.ID {
				fails[store.Merge](c, "Merge after a conflict, "+name, store.ErrNotFound)(s.Merge(c.ctx, m.ID))
			}
		}
		one(c, s, "third", third)
		returns(c, "the earlier Merge", mergeIn(before, 1))(s.Merge(c.ctx, before.ID))
	}},
	{"nobody to merge is not found", "ErrNotFound when there is no such survivor or absorbed user.", func(c *recorder, s MergeStore) {
		a, nobody := account(c, s), fresh[store.User]()
		m, survivor := joins(a, nobody)
		c.is(s.MergeUsers(c.ctx, m, survivor, nil), store.ErrNotFound, "MergeUsers of nobody")
		untouched(c, s, "after nobody was absorbed", m, a)
		m, survivor = joins(nobody, a)
		c.is(s.MergeUsers(c.ctx, m, survivor, nil), store.ErrNotFound, "MergeUsers into nobody")
		untouched(c, s, "after nobody absorbed", m, a)
		gone, _ := merged(c, s) // an absorbed user is nobody
		m, survivor = joins(a, stored(gone.Taken, 1))
		survivor.Credentials = a.Credentials
		c.is(s.MergeUsers(c.ctx, m, survivor, nil), store.ErrNotFound, "MergeUsers of an absorbed user")
		m, survivor = joins(account(c, s), a)
		m.ID = ""
		if s.MergeUsers(c.ctx, m, survivor, nil) == nil {
			c.errorf("MergeUsers took a merge without an ID: %s", saysKey)
		}
	}},
	{"an error of the callback undoes all", "An error of fn … undoes the step; that error is returned.", func(c *recorder, s MergeStore) {
		a, b := account(c, s), account(c, s)
		m, survivor := joins(a, b)
		for _, want := range []error{errCallback, store.ErrConflict, store.ErrNotFound} {
			calls := 0
			err := s.MergeUsers(c.ctx, m, survivor, func(context.Context) error { calls++; return fmt.Errorf("wrapped: %w", want) })
			c.is(err, want, "MergeUsers whose callback fails")
			if calls != 1 {
				c.errorf("the callback was called %d times", calls)
			}
			untouched(c, s, "after a callback failed", m, a, b)
		}
		c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers after a callback has failed")
		survivor.Version++
		back := a
		back.Version = survivor.Version
		err := s.UnmergeUsers(c.ctx, m, back, b, func(context.Context) error { return errCallback })
		c.is(err, errCallback, "UnmergeUsers whose callback fails")
		one(c, s, "after the callback of an undo has failed", survivor)
		returns(c, "Merge", mergeIn(m, 1))(s.Merge(c.ctx, m.ID))
	}},
	{"the callback is part of the step", "Its context is the method's, in which a backend with transactions puts its own … While fn runs, nobody sees anything of the step.", func(c *recorder, s MergeStore) {
		a, b := account(c, s), account(c, s)
		m, survivor := joins(a, b)
		type key struct{}
		ctx := context.WithValue(c.ctx, key{}, "value")
		seen := false
		err := s.MergeUsers(ctx, m, survivor, func(ctx context.Context) error {
			seen = ctx.Value(key{}) == "value" && ctx.Err() == nil
			untouched(c, s, "while the callback runs", m, a, b)
			return nil
		})
		c.ok(err, "MergeUsers")
		if !seen {
			c.errorf("the callback's context is not the method's")
		}
		survivor.Version++
		one(c, s, "afterwards", survivor)
	}},
	{"a context that ends in the callback undoes all", "… or a context that has ended when it returns, undoes the step.", func(c *recorder, s MergeStore) {
		a, b := account(c, s), account(c, s)
		m, survivor := joins(a, b)
		ctx, cancel := context.WithCancel(c.ctx)
		c.is(s.MergeUsers(ctx, m, survivor, func(context.Context) error { cancel(); return nil }), context.Canceled, "MergeUsers")
		time.Sleep(10 * time.Millisecond) // what was under way
		untouched(c, s, "after the context ended", m, a, b)
	}},
	{"whoever changes an account meanwhile waits", "While fn runs … whoever wants to change an account waits.", func(c *recorder, s MergeStore) {
		a, b := account(c, s), account(c, s)
		m, survivor := joins(a, b)
		var wg sync.WaitGroup
		errs := make([]error, 2)
		err := s.MergeUsers(c.ctx, m, survivor, func(context.Context) error {
			wg.Go(func() { errs[0] = s.UpdateUser(c.ctx, a) })
			wg.Go(func() { errs[1] = s.UpdateUser(c.ctx, b) })
			time.Sleep(5 * time.Millisecond)
			return nil
		})
		c.ok(err, "MergeUsers")
		wg.Wait()
		c.is(errs[0], store.ErrConflict, "UpdateUser of the survivor during the merge")
		c.is(errs[1], store.ErrNotFound, "UpdateUser of the absorbed during the merge")
		survivor.Version++
		one(c, s, "afterwards", survivor)
	}},
	{"merges that cross leave one account", "in one step", func(c *recorder, s MergeStore) {
		c.rounds(func(int) {
			a, b := account(c, s), account(c, s)
			wins, merges := 0, [2]store.Merge{}
			var survivors [2]store.User
			merges[0], survivors[0] = joins(a, b)
			merges[1], survivors[1] = joins(b, a)
			winner := 0
			for i, err := range race(func(i int) error { return s.MergeUsers(c.ctx, merges[i%2], survivors[i%2], nil) }) {
				switch {
				case err == nil:
					wins++
					winner = i % 2
				case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound):
					c.errorf("MergeUsers: a loser got %v", err)
				}
			}
			if wins != 1 {
				c.errorf("MergeUsers: %d of %d callers succeeded, want exactly one", wins, racers)
			}
			one(c, s, "survivor", stored(survivors[winner], 2))
			returns(c, "ResolveUser of the absorbed", stored(survivors[winner], 2))(s.ResolveUser(c.ctx, merges[winner].Absorbed))
		})
	}},
	{"accounts part again", "UnmergeUsers replaces the survivor as UpdateUser would, inserts the absorbed user with her old ID and Number and the next of absorbed.Version, and swaps m as SwapMerge would, in one step.", func(c *recorder, s MergeStore) {
		m, survivor := merged(c, s)
		back := m.Before
		back.Version = survivor.Version
		absorbed := m.Taken
		absorbed.Version, absorbed.Number = 5, 1 // the Number is the old one
		m.UndoneAt = future()
		c.ok(s.UnmergeUsers(c.ctx, m, back, absorbed, nil), "UnmergeUsers")
		absorbed.Version, absorbed.Number = 6, m.Taken.Number
		one(c, s, "survivor", stored(back, survivor.Version+1))
		one(c, s, "absorbed", absorbed)
		returns(c, "Merge", mergeIn(m, 2))(s.Merge(c.ctx, m.ID))
		// And become one again, and part again.
		again, survivor := joins(stored(back, survivor.Version+1), absorbed)
		c.ok(s.MergeUsers(c.ctx, again, survivor, nil), "MergeUsers after an undo")
		c.is(s.UnmergeUsers(c.ctx, mergeIn(m, 1), back, absorbed, nil), store.ErrConflict, "UnmergeUsers of an older version")
		back.Version = survivor.Version + 1
		c.ok(s.UnmergeUsers(c.ctx, again, back, absorbed, nil), "UnmergeUsers once more")
	}},
	{"an undo that conflicts changes nothing", "ErrConflict when the version of m or of the survivor differs, when another user has one of the credentials, and when absorbed is not the user whom m absorbed …; ErrNotFound when there is no live merge or no survivor.", func(c *recorder, s MergeStore) {
		third := account(c, s)
		m, survivor := merged(c, s)
		good := m.Before
		good.Version = survivor.Version
		for name, tt := range map[string]struct {
			change func(m *store.Merge, survivor, absorbed *store.User)
			want   error
		}{
			"merge of another version":    {func(m *store.Merge, _, _ *store.User) { m.Version++ }, store.ErrConflict},
			"survivor of another version": {func(_ *store.Merge, u, _ *store.User) { u.Version++ }, store.ErrConflict},
			"survivor takes a third's": {func(_ *store.Merge, u, _ *store.User) {
				u.Credentials = append(slices.Clone(u.Credentials), third.Credentials[0])
			}, store.ErrConflict},
			"absorbed takes a third's": {func(_ *store.Merge, _, u *store.User) {
				u.Credentials = append(slices.Clone(u.Credentials), third.Credentials[0])
			}, store.ErrConflict},
			"both keep one": {func(_ *store.Merge, u, b *store.User) {
				u.Credentials = append(slices.Clone(u.Credentials), b.Credentials[0])
			}, store.ErrConflict},
			"another absorbed": {func(_ *store.Merge, _, u *store.User) { u.ID = "somebody" }, store.ErrConflict},
			"no such merge":    {func(m *store.Merge, _, _ *store.User) { m.ID = "none" }, store.ErrNotFound},
			"no such survivor": {func(_ *store.Merge, u, _ *store.User) { u.ID = "nobody" }, store.ErrNotFound},
		} {
			m, u, absorbed := m, good, m.Taken
			tt.change(&m, &u, &absorbed)
			called := false
			c.is(s.UnmergeUsers(c.ctx, m, u, absorbed, func(context.Context) error { called = true; return nil }), tt.want, "UnmergeUsers, "+name)
			if called {
				c.errorf("UnmergeUsers, %s: the callback was called", name)
			}
			one(c, s, name, survivor)
			fails[store.User](c, "User of the absorbed, "+name, store.ErrNotFound)(s.User(c.ctx, m.Absorbed))
		}
		returns(c, "Merge", mergeIn(m, 1))(s.Merge(c.ctx, m.ID))
	}},
	{"one of many undoes", "swaps m as SwapMerge would, in one step", func(c *recorder, s MergeStore) {
		c.rounds(func(int) {
			m, survivor := merged(c, s)
			back := m.Before
			back.Version = survivor.Version
			c.oneWins("UnmergeUsers", store.ErrConflict, func(int) error { return s.UnmergeUsers(c.ctx, m, back, m.Taken, nil) })
			one(c, s, "survivor", stored(back, back.Version+1))
			one(c, s, "absorbed", stored(m.Taken, m.Taken.Version+1))
		})
	}},
	{"an ID leads through every merge", "ResolveUser returns the user with the given ID, or the one who has absorbed her, however many merges ago.", func(c *recorder, s MergeStore) {
		first, a := merged(c, s)
		second, b := joins(account(c, s), a)
		c.ok(s.MergeUsers(c.ctx, second, b, nil), "MergeUsers")
		b.Version++
		for _, id := range []string{first.Absorbed, first.Survivor, second.Survivor} {
			returns(c, "ResolveUser", b)(s.ResolveUser(c.ctx, id))
		}
		// The inner one is undone first: "the survivor may be another than m.Survivor".
		rest := b
		rest.Credentials = slices.DeleteFunc(slices.Clone(b.Credentials), func(x store.Credential) bool {
			return slices.ContainsFunc(first.Taken.Credentials, func(y store.Credential) bool { return x.Identity == y.Identity })
		})
		rest.Ties = slices.DeleteFunc(slices.Clone(b.Ties), func(x store.Tie) bool { return slices.ContainsFunc(first.Taken.Ties, x.Names) })
		c.ok(s.UnmergeUsers(c.ctx, first, rest, first.Taken, nil), "UnmergeUsers of the inner merge")
		rest.Version++
		one(c, s, "the first absorbed", stored(first.Taken, first.Taken.Version+1))
		one(c, s, "the last survivor", rest)
		returns(c, "ResolveUser of the middle", rest)(s.ResolveUser(c.ctx, first.Survivor))
	}},
	{"one of many swaps succeeds", "Of many concurrent callers with one version exactly one succeeds.", func(c *recorder, s MergeStore) {
		m, _ := merged(c, s)
		c.rounds(func(round int) {
			m.Version = int64(round + 1)
			winner := c.oneWins("SwapMerge", store.ErrConflict, func(i int) error {
				next := m
				next.ClientID = fmt.Sprint(i)
				return s.SwapMerge(c.ctx, next)
			})
			m.ClientID = fmt.Sprint(winner)
			returns(c, "Merge", mergeIn(m, int64(round+2)))(s.Merge(c.ctx, m.ID))
		})
		c.is(s.SwapMerge(c.ctx, fresh[store.Merge]()), store.ErrNotFound, "SwapMerge of none")
	}},
	{"pending merges are listed", "PendingMerges lists live merges whose SettleAt is set and not after now.", func(c *recorder, s MergeStore) {
		now := time.Now()
		var due store.Merge
		for name, at := range map[string]time.Time{"due": past(), "later": future(), "settled": {}} {
			m, survivor := joins(account(c, s), account(c, s))
			m.SettleAt = at
			c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers, "+name)
			if name == "due" {
				due = m
			}
		}
		lists(c, "PendingMerges", s.PendingMerges(c.ctx, now), mergeIn(due, 1))
		due.SettleAt = time.Time{}
		c.ok(s.SwapMerge(c.ctx, due), "SwapMerge")
		lists(c, "PendingMerges after that was settled", s.PendingMerges(c.ctx, now))
	}},
	{"a user's merges are listed", "UserMerges lists the live merges by which the user absorbed others, the newest first.", func(c *recorder, s MergeStore) {
		merged(c, s)
		a := account(c, s)
		var all []store.Merge
		for i := range 3 {
			m, survivor := joins(a, account(c, s))
			m.MergedAt = past().Add(time.Duration(i) * time.Second)
			c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers")
			a = stored(survivor, survivor.Version+1)
			all = append([]store.Merge{mergeIn(m, 1)}, all...)
		}
		lists(c, "UserMerges", s.UserMerges(c.ctx, a.ID), all...)
		lists(c, "UserMerges of an absorbed", s.UserMerges(c.ctx, all[0].Absorbed))
		lists(c, "UserMerges of nobody", s.UserMerges(c.ctx, ""))
	}},
	{"an expired merge is absent, where the ID leads is not", "A record whose ExpiresAt has passed is absent; that the absorbed ID leads to the survivor does not end with it.", func(c *recorder, s MergeStore) {
		for name, at := range expiries() {
			m, survivor := joins(account(c, s), account(c, s))
			m.ExpiresAt, m.SettleAt = at, past()
			c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers, expired "+name)
			survivor.Version++
			fails[store.Merge](c, "Merge, expired "+name, store.ErrNotFound)(s.Merge(c.ctx, m.ID))
			c.is(s.SwapMerge(c.ctx, m), store.ErrNotFound, "SwapMerge, expired "+name)
			back := m.Before
			back.Version = survivor.Version
			c.is(s.UnmergeUsers(c.ctx, m, back, m.Taken, nil), store.ErrNotFound, "UnmergeUsers, expired "+name)
			lists(c, "PendingMerges, expired "+name, s.PendingMerges(c.ctx, time.Now()))
			lists(c, "UserMerges, expired "+name, s.UserMerges(c.ctx, survivor.ID))
			returns(c, "ResolveUser, expired "+name, survivor)(s.ResolveUser(c.ctx, m.Absorbed))
			o, other := joins(account(c, s), account(c, s))
			o.ID = m.ID
			c.ok(s.MergeUsers(c.ctx, o, other, nil), "MergeUsers with the ID of an expired one")
		}
	}},
	{"a deleted survivor takes all with her", "What is left of the users whom she absorbed goes with her.", func(c *recorder, s MergeStore) {
		first, a := merged(c, s)
		second, b := joins(account(c, s), a)
		c.ok(s.MergeUsers(c.ctx, second, b, nil), "MergeUsers")
		kept, other := merged(c, s)
		c.ok(s.DeleteUser(c.ctx, b.ID), "DeleteUser")
		for _, m := range []store.Merge{first, second} {
			fails[store.User](c, "ResolveUser", store.ErrNotFound)(s.ResolveUser(c.ctx, m.Absorbed))
			fails[store.Merge](c, "Merge", store.ErrNotFound)(s.Merge(c.ctx, m.ID))
			u := fresh[store.User]()
			u.ID, u.Number = m.Absorbed, m.Taken.Number
			c.ok(s.CreateUser(c.ctx, u), "CreateUser with what is free again")
		}
		returns(c, "ResolveUser of another", other)(s.ResolveUser(c.ctx, kept.Absorbed))
		returns(c, "another Merge", mergeIn(kept, 1))(s.Merge(c.ctx, kept.ID))
	}},
	{"records are values", saysValues, func(c *recorder, s MergeStore) {
		m, survivor := joins(account(c, s), account(c, s))
		want, wantUser := m, survivor
		want.Owed, want.Taken.Credentials = slices.Clone(m.Owed), slices.Clone(m.Taken.Credentials)
		want.Before.Credentials, wantUser.Credentials = slices.Clone(m.Before.Credentials), slices.Clone(survivor.Credentials)
		m.Taken.Credentials, m.Before.Credentials = slices.Clone(m.Taken.Credentials), slices.Clone(m.Before.Credentials)
		c.ok(s.MergeUsers(c.ctx, m, survivor, nil), "MergeUsers")
		spoil(m.Owed)
		spoil(m.Taken.Credentials)
		spoil(m.Before.Credentials)
		spoil(survivor.Credentials)
		got, err := s.Merge(c.ctx, m.ID)
		returns(c, "Merge after what was given was changed", want)(got, err)
		spoil(got.Owed)
		spoil(got.Taken.Credentials)
		spoil(got.Before.Credentials)
		returns(c, "Merge after what was returned was changed", want)(s.Merge(c.ctx, m.ID))
		u, err := s.ResolveUser(c.ctx, m.Absorbed)
		returns(c, "ResolveUser after what was given was changed", stored(wantUser, 2))(u, err)
		spoil(u.Credentials)
		returns(c, "ResolveUser after what was returned was changed", stored(wantUser, 2))(s.ResolveUser(c.ctx, m.Absorbed))
	}},
	endedContexts[MergeStore](),
	hammered[MergeStore](),
}
