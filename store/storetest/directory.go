package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const saysLinkConflict = "PutDirectoryLink inserts the link, or returns ErrConflict when the user has one in that directory, or when the person is linked to another user, in whichever directory."

var directoryRules = []rule[store.DirectoryLinks]{
	{"every field comes back", saysTimes, func(c *recorder, s store.DirectoryLinks) {
		for name, l := range variants[store.DirectoryLink]("Directory", "UserID", "Tenant", "ObjectID") {
			c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink, "+name)
			returns(c, "DirectoryLink, "+name, l)(s.DirectoryLink(c.ctx, l.Directory, l.UserID))
			lists(c, "DirectoryLinks, "+name, s.DirectoryLinks(c.ctx, l.UserID), l)
			returns(c, "DirectoryUser, "+name, l.UserID)(s.DirectoryUser(c.ctx, l.Tenant, l.ObjectID))
		}
	}},
	{"a link without a key is refused", saysKey, func(c *recorder, s store.DirectoryLinks) {
		for name, clear := range map[string]func(*store.DirectoryLink){
			"Directory": func(l *store.DirectoryLink) { l.Directory = "" },
			"UserID":    func(l *store.DirectoryLink) { l.UserID = "" },
			"Tenant":    func(l *store.DirectoryLink) { l.Tenant = "" },
			"ObjectID":  func(l *store.DirectoryLink) { l.ObjectID = "" },
		} {
			l := fresh[store.DirectoryLink]()
			clear(&l)
			if s.PutDirectoryLink(c.ctx, l) == nil {
				c.errorf("PutDirectoryLink took a link without %s", name)
			}
			fails[store.DirectoryLink](c, "DirectoryLink without "+name, store.ErrNotFound)(s.DirectoryLink(c.ctx, l.Directory, l.UserID))
			fails[string](c, "DirectoryUser without "+name, store.ErrNotFound)(s.DirectoryUser(c.ctx, l.Tenant, l.ObjectID))
		}
	}},
	{"an unknown link is not found", "DirectoryLink returns the user's link in the directory, or ErrNotFound. … A person is Tenant and ObjectID together, compared exactly.", func(c *recorder, s store.DirectoryLinks) {
		l := fresh[store.DirectoryLink]()
		l.Directory, l.UserID, l.Tenant, l.ObjectID = "fjord", "u", "a", "bc"
		c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink")
		for _, key := range [][2]string{{"", ""}, {"fjord", ""}, {"", "u"}, {"Fjord", "u"}, {"fjord", "U"}, {"fjord ", "u"}, {"%", "u"}, {"u", "fjord"}} {
			fails[store.DirectoryLink](c, fmt.Sprintf("DirectoryLink(%q)", key), store.ErrNotFound)(s.DirectoryLink(c.ctx, key[0], key[1]))
		}
		for _, who := range [][2]string{{"", ""}, {"a", ""}, {"A", "bc"}, {"a", "BC"}, {"ab", "c"}, {"bc", "a"}, {"a", "b_"}, {"%", "bc"}} {
			fails[string](c, fmt.Sprintf("DirectoryUser(%q)", who), store.ErrNotFound)(s.DirectoryUser(c.ctx, who[0], who[1]))
		}
		lists[store.DirectoryLink](c, "DirectoryLinks of nobody", s.DirectoryLinks(c.ctx, ""))
		lists[store.DirectoryLink](c, "DirectoryLinks of another", s.DirectoryLinks(c.ctx, "U"))
	}},
	{"a person belongs to one user", saysLinkConflict, func(c *recorder, s store.DirectoryLinks) {
		l := fresh[store.DirectoryLink]()
		c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink")
		for _, directory := range []string{l.Directory, "another directory"} {
			o := fresh[store.DirectoryLink]()
			o.Directory, o.Tenant, o.ObjectID = directory, l.Tenant, l.ObjectID
			c.is(s.PutDirectoryLink(c.ctx, o), store.ErrConflict, "PutDirectoryLink of another user's person in "+directory)
			fails[store.DirectoryLink](c, "DirectoryLink after a conflict", store.ErrNotFound)(s.DirectoryLink(c.ctx, o.Directory, o.UserID))
		}
		for name, change := range map[string]func(*store.DirectoryLink){
			"tenant": func(o *store.DirectoryLink) { o.ObjectID = l.ObjectID },
			"object": func(o *store.DirectoryLink) { o.Tenant = l.Tenant },
		} {
			o := fresh[store.DirectoryLink]()
			o.Directory = l.Directory
			change(&o)
			c.ok(s.PutDirectoryLink(c.ctx, o), "PutDirectoryLink of another "+name)
		}
		again := l
		again.Directory = "another directory"
		c.ok(s.PutDirectoryLink(c.ctx, again), "PutDirectoryLink of the user's own person in another directory")
		returns(c, "DirectoryLink", l)(s.DirectoryLink(c.ctx, l.Directory, l.UserID))
		returns(c, "DirectoryLink in another directory", again)(s.DirectoryLink(c.ctx, again.Directory, l.UserID))
	}},
	{"a user has one link in a directory", saysLinkConflict, func(c *recorder, s store.DirectoryLinks) {
		l := fresh[store.DirectoryLink]()
		c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink")
		c.is(s.PutDirectoryLink(c.ctx, l), store.ErrConflict, "PutDirectoryLink of the same")
		o := fresh[store.DirectoryLink]()
		o.Directory, o.UserID = l.Directory, l.UserID
		c.is(s.PutDirectoryLink(c.ctx, o), store.ErrConflict, "PutDirectoryLink of another person")
		fails[string](c, "DirectoryUser after a conflict", store.ErrNotFound)(s.DirectoryUser(c.ctx, o.Tenant, o.ObjectID))
		returns(c, "DirectoryLink", l)(s.DirectoryLink(c.ctx, l.Directory, l.UserID))
	}},
	{"one of many gets a person", "Of many concurrent callers who link one person exactly one succeeds.", func(c *recorder, s store.DirectoryLinks) {
		c.rounds(func(round int) {
			want := fresh[store.DirectoryLink]()
			links := make([]store.DirectoryLink, racers)
			for i := range links {
				links[i] = fresh[store.DirectoryLink]()
				links[i].Tenant, links[i].ObjectID = want.Tenant, want.ObjectID
				if round%2 == 0 {
					links[i].Directory = want.Directory
				}
			}
			winner := c.oneWins("PutDirectoryLink", store.ErrConflict, func(i int) error { return s.PutDirectoryLink(c.ctx, links[i]) })
			if winner >= 0 {
				returns(c, "DirectoryUser", links[winner].UserID)(s.DirectoryUser(c.ctx, want.Tenant, want.ObjectID))
			}
		})
	}},
	{"a user's links are listed", "DirectoryLinks lists the user's links, the oldest first.", func(c *recorder, s store.DirectoryLinks) {
		var want []store.DirectoryLink
		user := fresh[store.DirectoryLink]().UserID
		for i := range 4 {
			l := fresh[store.DirectoryLink]()
			l.UserID, l.CreatedAt = user, future().Add(-time.Duration(i)*time.Minute)
			c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink")
			c.ok(s.PutDirectoryLink(c.ctx, fresh[store.DirectoryLink]()), "PutDirectoryLink of another user")
			want = append(want, l)
		}
		slices.Reverse(want)
		lists(c, "DirectoryLinks", s.DirectoryLinks(c.ctx, user), want...)
	}},
	{"a deleted link is gone", "DeleteDirectoryLink removes the user's link in the directory; no error when there is none. A person without any link left is free.", func(c *recorder, s store.DirectoryLinks) {
		l, other := fresh[store.DirectoryLink](), fresh[store.DirectoryLink]()
		other.Directory = l.Directory
		second := l
		second.Directory = "second"
		for _, one := range []store.DirectoryLink{l, other, second} {
			c.ok(s.PutDirectoryLink(c.ctx, one), "PutDirectoryLink")
		}
		c.ok(s.DeleteDirectoryLink(c.ctx, l.Directory, l.UserID), "DeleteDirectoryLink")
		c.ok(s.DeleteDirectoryLink(c.ctx, l.Directory, l.UserID), "DeleteDirectoryLink once more")
		fails[store.DirectoryLink](c, "DirectoryLink", store.ErrNotFound)(s.DirectoryLink(c.ctx, l.Directory, l.UserID))
		taker := fresh[store.DirectoryLink]()
		taker.Tenant, taker.ObjectID = l.Tenant, l.ObjectID
		c.is(s.PutDirectoryLink(c.ctx, taker), store.ErrConflict, "PutDirectoryLink of a person with a link left")
		c.ok(s.DeleteDirectoryLink(c.ctx, "second", l.UserID), "DeleteDirectoryLink")
		fails[string](c, "DirectoryUser", store.ErrNotFound)(s.DirectoryUser(c.ctx, l.Tenant, l.ObjectID))
		c.ok(s.PutDirectoryLink(c.ctx, taker), "PutDirectoryLink of a person who is free")
		returns(c, "DirectoryLink of another user", other)(s.DirectoryLink(c.ctx, other.Directory, other.UserID))
	}},
	{"a user's links are deleted", "DeleteUserDirectoryLinks removes all of the user's links and returns how many there were.", func(c *recorder, s store.DirectoryLinks) {
		other := fresh[store.DirectoryLink]()
		c.ok(s.PutDirectoryLink(c.ctx, other), "PutDirectoryLink")
		user := fresh[store.DirectoryLink]().UserID
		var links []store.DirectoryLink
		for range 3 {
			l := fresh[store.DirectoryLink]()
			l.UserID = user
			c.ok(s.PutDirectoryLink(c.ctx, l), "PutDirectoryLink")
			links = append(links, l)
		}
		for _, u := range []string{user, user, ""} {
			want := 0
			if len(links) > 0 && u != "" {
				want, links = len(links), nil
			}
			n, err := s.DeleteUserDirectoryLinks(c.ctx, u)
			if c.ok(err, "DeleteUserDirectoryLinks"); n != want {
				c.errorf("DeleteUserDirectoryLinks(%q) = %d, want %d", u, n, want)
			}
		}
		lists[store.DirectoryLink](c, "DirectoryLinks", s.DirectoryLinks(c.ctx, user))
		returns(c, "DirectoryLink of another user", other)(s.DirectoryLink(c.ctx, other.Directory, other.UserID))
	}},
	endedContexts[store.DirectoryLinks](),
	hammered[store.DirectoryLinks](),
}
