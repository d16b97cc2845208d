package storetest

import (
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var accessRules = []rule[store.Accesses]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Accesses) {
		for name, r := range variants[store.Access]("ID", "PartnerID", "UserID", "ExpiresAt") {
			c.ok(s.PutAccess(c.ctx, r), "PutAccess, "+name)
			lists(c, "UserAccesses, "+name, s.UserAccesses(c.ctx, r.PartnerID, r.UserID), r)
			if r.CustomerNumber != 0 {
				lists(c, "CustomerAccesses, "+name, s.CustomerAccesses(c.ctx, r.PartnerID, r.CustomerNumber), r)
			}
		}
		r := fresh[store.Access]()
		r.ExpiresAt = store.NoEnd
		c.ok(s.PutAccess(c.ctx, r), "PutAccess without an end")
		lists(c, "UserAccesses of what has no end", s.UserAccesses(c.ctx, r.PartnerID, r.UserID), r)
	}},
	{"an access is replaced whole", "PutAccess inserts the access or replaces the one with its ID.", func(c *recorder, s store.Accesses) {
		old := fresh[store.Access]()
		c.ok(s.PutAccess(c.ctx, old), "PutAccess")
		for name, r := range variants[store.Access]("PartnerID", "UserID", "ExpiresAt") {
			r.ID = old.ID
			c.ok(s.PutAccess(c.ctx, r), "PutAccess over another, "+name)
			lists(c, "UserAccesses of who had it, "+name, s.UserAccesses(c.ctx, old.PartnerID, old.UserID))
			lists(c, "CustomerAccesses of who had it, "+name, s.CustomerAccesses(c.ctx, old.PartnerID, old.CustomerNumber))
			lists(c, "UserAccesses, "+name, s.UserAccesses(c.ctx, r.PartnerID, r.UserID), r)
			old = r
		}
	}},
	{"an access without a key is refused", saysKey + " One without a UserID and a CustomerNumber is refused with an error.", func(c *recorder, s store.Accesses) {
		for name, change := range map[string]func(*store.Access){
			"ID":                      func(r *store.Access) { r.ID = "" },
			"PartnerID":               func(r *store.Access) { r.PartnerID = "" },
			"user and without number": func(r *store.Access) { r.UserID, r.CustomerNumber = "", 0 },
		} {
			r := fresh[store.Access]()
			change(&r)
			if s.PutAccess(c.ctx, r) == nil {
				c.errorf("PutAccess took an access without %s", name)
			}
			lists(c, "UserAccesses", s.UserAccesses(c.ctx, r.PartnerID, r.UserID))
			lists(c, "CustomerAccesses", s.CustomerAccesses(c.ctx, r.PartnerID, r.CustomerNumber))
		}
	}},
	{"accesses are listed", "UserAccesses lists the user's live accesses at the partner, and at all partners if partnerID is empty, by an indexed look-up: the latest ExpiresAt first, then by ID. CustomerAccesses lists those of the partner's customer, in the same order.", func(c *recorder, s store.Accesses) {
		put := func(id, partner, user string, number int64, hours int) store.Access {
			r := fresh[store.Access]()
			r.ID, r.PartnerID, r.UserID, r.CustomerNumber = id, partner, user, number
			r.ExpiresAt = time.Now().Truncate(time.Hour).Add(time.Duration(hours) * time.Hour)
			c.ok(s.PutAccess(c.ctx, r), "PutAccess")
			return r
		}
		b, a, last := put("b", "p", "u", 0, 3), put("a", "p", "u", 7, 3), put("z", "p", "u", 7, 9)
		customers := put("c", "p", "", 7, 5)
		foreign := put("f", "q", "u", 7, 5)
		put("o", "p", "v", 8, 5)
		lists(c, "UserAccesses", s.UserAccesses(c.ctx, "p", "u"), last, a, b)
		lists(c, "UserAccesses of another partner", s.UserAccesses(c.ctx, "q", "u"), foreign)
		lists(c, "UserAccesses of all partners", s.UserAccesses(c.ctx, "", "u"), last, foreign, a, b)
		lists(c, "CustomerAccesses", s.CustomerAccesses(c.ctx, "p", 7), last, customers, a)
		lists(c, "UserAccesses of nobody", s.UserAccesses(c.ctx, "p", ""))
		lists(c, "CustomerAccesses of nobody", s.CustomerAccesses(c.ctx, "p", 0))
	}},
	{"an expired access is absent", "A record whose ExpiresAt has passed is absent.", func(c *recorder, s store.Accesses) {
		for name, at := range expiries() {
			r := fresh[store.Access]()
			r.ExpiresAt = at
			c.ok(s.PutAccess(c.ctx, r), "PutAccess")
			lists(c, "UserAccesses, expired "+name, s.UserAccesses(c.ctx, r.PartnerID, r.UserID))
			lists(c, "CustomerAccesses, expired "+name, s.CustomerAccesses(c.ctx, r.PartnerID, r.CustomerNumber))
			if n, err := s.MoveAccesses(c.ctx, "m", r.UserID, "other"); n != 0 || err != nil {
				c.errorf("MoveAccesses of what has expired = %d, %v", n, err)
			}
			if n, err := s.DeleteUserAccesses(c.ctx, r.UserID); n != 0 || err != nil {
				c.errorf("DeleteUserAccesses of what has expired = %d, %v", n, err)
			}
		}
	}},
	{"accesses move with a merge, and back", "MoveAccesses makes the live accesses of one user those of another, at all partners … none when it is done again. ReturnAccesses undoes MoveAccesses: of the live accesses that fromUser has, those that the merge has moved become toUser's, and Moved ends before it.", func(c *recorder, s store.Accesses) {
		put := func(user string) store.Access {
			r := fresh[store.Access]()
			r.UserID, r.Moved = user, nil
			c.ok(s.PutAccess(c.ctx, r), "PutAccess")
			return r
		}
		has := func(what string, r store.Access, user string, moved ...string) {
			r.UserID, r.Moved = user, moved
			lists(c, what, s.UserAccesses(c.ctx, r.PartnerID, user), r)
		}
		count := func(what string, want int) func(int, error) {
			return func(n int, err error) {
				if n != want || err != nil {
					c.errorf("%s = %d, %v, want %d", what, n, err, want)
				}
			}
		}
		first, second, own := put("c"), put("c"), put("b")
		count("MoveAccesses", 2)(s.MoveAccesses(c.ctx, "m'1\"", "c", "b"))
		count("MoveAccesses again", 0)(s.MoveAccesses(c.ctx, "m'1\"", "c", "b"))
		has("UserAccesses of who got it", first, "b", "m'1\"")
		lists(c, "UserAccesses of who had it", s.UserAccesses(c.ctx, first.PartnerID, "c"))
		count("MoveAccesses of a second merge", 3)(s.MoveAccesses(c.ctx, "m2", "b", "a"))
		has("UserAccesses after two merges", second, "a", "m'1\"", "m2")
		count("ReturnAccesses of an unknown merge", 0)(s.ReturnAccesses(c.ctx, "m3", "a", "b"))
		since := put("a")
		count("ReturnAccesses of the second", 3)(s.ReturnAccesses(c.ctx, "m2", "a", "b"))
		has("UserAccesses after the second was undone", second, "b", "m'1\"")
		has("UserAccesses of what was granted since", since, "a")
		count("ReturnAccesses of the first", 2)(s.ReturnAccesses(c.ctx, "m'1\"", "b", "c"))
		count("ReturnAccesses again", 0)(s.ReturnAccesses(c.ctx, "m'1\"", "b", "c"))
		has("UserAccesses after the first was undone", first, "c")
		has("UserAccesses of who had her own", own, "b")
		count("MoveAccesses of nobody", 0)(s.MoveAccesses(c.ctx, "m4", "", "a"))
		if _, err := s.MoveAccesses(c.ctx, "m4", "b", ""); err == nil {
			c.errorf("MoveAccesses took nobody")
		}
		has("UserAccesses that were moved to nobody", own, "b")
	}},
	{"deleted accesses are gone", "DeleteAccess removes the access; no error when there is none. DeleteUserAccesses removes all that the user has, at all partners, and returns how many there were.", func(c *recorder, s store.Accesses) {
		one, two, three, other := fresh[store.Access](), fresh[store.Access](), fresh[store.Access](), fresh[store.Access]()
		two.UserID, two.PartnerID, three.UserID = one.UserID, one.PartnerID, one.UserID
		for _, r := range []store.Access{one, two, three, other} {
			c.ok(s.PutAccess(c.ctx, r), "PutAccess")
		}
		for range 2 {
			c.ok(s.DeleteAccess(c.ctx, one.ID), "DeleteAccess")
		}
		lists(c, "UserAccesses", s.UserAccesses(c.ctx, one.PartnerID, one.UserID), two)
		for _, want := range []int{2, 0} {
			if n, err := s.DeleteUserAccesses(c.ctx, one.UserID); n != want || err != nil {
				c.errorf("DeleteUserAccesses = %d, %v, want %d", n, err, want)
			}
		}
		lists(c, "UserAccesses at another partner", s.UserAccesses(c.ctx, three.PartnerID, three.UserID))
		lists(c, "UserAccesses of another user", s.UserAccesses(c.ctx, other.PartnerID, other.UserID), other)
		if n, err := s.DeleteUserAccesses(c.ctx, ""); n != 0 || err != nil {
			c.errorf("DeleteUserAccesses of nobody = %d, %v", n, err)
		}
	}},
	{"records are values", saysValues, func(c *recorder, s store.Accesses) {
		r := fresh[store.Access]()
		want := r
		want.Moved = slices.Clone(r.Moved)
		c.ok(s.PutAccess(c.ctx, r), "PutAccess")
		spoil(r.Moved)
		all, err := collect(s.UserAccesses(c.ctx, want.PartnerID, want.UserID))
		if c.ok(err, "UserAccesses"); len(all) == 1 {
			c.same(all[0], want, "UserAccesses after what was given was changed")
			spoil(all[0].Moved)
		}
		lists(c, "UserAccesses after what was listed was changed", s.UserAccesses(c.ctx, want.PartnerID, want.UserID), want)
	}},
	endedContexts[store.Accesses](),
	hammered[store.Accesses](),
}
