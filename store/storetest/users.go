package storetest

import (
	"fmt"
	"reflect"

	"github.com/connectid-kit/connectid/store"
)

// stored returns u as it is stored in the given version.
func stored(u store.User, version int64) store.User {
	u.Version = version
	return u
}

var userRules = []rule[store.Users]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Users) {
		for name, u := range variants[store.User]("ID", "Number") {
			c.ok(s.CreateUser(c.ctx, u), "CreateUser, "+name)
			returns(c, "User, "+name, stored(u, 1))(s.User(c.ctx, u.ID))
			for _, cred := range u.Credentials { // they keep their order
				returns(c, "UserByCredential, "+name, stored(u, 1))(s.UserByCredential(c.ctx, cred.Kind, cred.Identity))
			}
			for _, t := range u.Ties {
				returns(c, "UserByTie, "+name, stored(u, 1))(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
			}
		}
	}},
	{"a user starts with version 1", "CreateUser inserts the user with Version 1, whatever u.Version says.", func(c *recorder, s store.Users) {
		for _, version := range []int64{-1, 0, 1, 77} {
			u := fresh[store.User]()
			u.Version = version
			c.ok(s.CreateUser(c.ctx, u), "CreateUser")
			returns(c, "User", stored(u, 1))(s.User(c.ctx, u.ID))
		}
	}},
	{"what is taken conflicts", "CreateUser … returns ErrConflict when the ID, the Number, one of the credentials or one of the ties is taken.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		for name, change := range map[string]func(*store.User){
			"ID":              func(o *store.User) { o.ID = u.ID },
			"Number":          func(o *store.User) { o.Number = u.Number },
			"first identity":  func(o *store.User) { o.Credentials[2].Identity = u.Credentials[0].Identity },
			"last identity":   func(o *store.User) { o.Credentials[2].Identity = u.Credentials[2].Identity },
			"identity, twice": func(o *store.User) { o.Credentials[2].Identity = o.Credentials[0].Identity },
			"first tie":       func(o *store.User) { o.Ties[2] = u.Ties[0] },
			"last tie":        func(o *store.User) { o.Ties[2] = u.Ties[2] },
			"tie, twice":      func(o *store.User) { o.Ties[2] = o.Ties[0] },
		} {
			o := fresh[store.User]()
			change(&o)
			c.is(s.CreateUser(c.ctx, o), store.ErrConflict, "CreateUser with a taken "+name)
			if o.ID != u.ID {
				fails[store.User](c, "User after a conflict", store.ErrNotFound)(s.User(c.ctx, o.ID))
			}
			free := o.Credentials[1] // of those before and after it one is taken
			fails[store.User](c, "UserByCredential after a conflict", store.ErrNotFound)(s.UserByCredential(c.ctx, free.Kind, free.Identity))
			loose := o.Ties[1]
			fails[store.User](c, "UserByTie after a conflict", store.ErrNotFound)(s.UserByTie(c.ctx, loose.Kind, loose.PartnerID, loose.Number))
		}
		returns(c, "User", stored(u, 1))(s.User(c.ctx, u.ID))
		o := fresh[store.User]() // the same identity of another kind is another credential
		o.Credentials[0].Kind, o.Credentials[0].Identity = store.Phone, u.Credentials[0].Identity
		c.ok(s.CreateUser(c.ctx, o), "CreateUser with an identity of another kind")
		returns(c, "UserByCredential of another kind", stored(o, 1))(s.UserByCredential(c.ctx, store.Phone, u.Credentials[0].Identity))
		returns(c, "UserByCredential of the first kind", stored(u, 1))(s.UserByCredential(c.ctx, store.Email, u.Credentials[0].Identity))
		// The same number of another kind, or at another partner, is another tie.
		p := fresh[store.User]()
		p.Ties[0].PartnerID, p.Ties[0].Number = u.Ties[0].PartnerID, u.Ties[0].Number
		p.Ties[1].Kind, p.Ties[1].Number = u.Ties[0].Kind, u.Ties[0].Number
		c.ok(s.CreateUser(c.ctx, p), "CreateUser with a number of another kind and of another partner")
		for _, t := range p.Ties {
			returns(c, "UserByTie of another", stored(p, 1))(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
		}
		returns(c, "UserByTie of the first", stored(u, 1))(s.UserByTie(c.ctx, u.Ties[0].Kind, u.Ties[0].PartnerID, u.Ties[0].Number))
	}},
	{"a user without an ID is refused", saysKey, func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		u.ID = ""
		if s.CreateUser(c.ctx, u) == nil {
			c.errorf("CreateUser took a user without an ID")
		}
		fails[store.User](c, "User", store.ErrNotFound)(s.User(c.ctx, ""))
	}},
	{"an unknown user is not found", "User returns the user with the given ID, or ErrNotFound. UserByCredential returns the user who has the credential, or ErrNotFound. UserByTie returns the user who is tied to the number, or ErrNotFound.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		u.Credentials[0].Identity = "ola@example.com"
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		fails[store.User](c, "User", store.ErrNotFound)(s.User(c.ctx, "unknown"))
		for _, identity := range []string{"", "OLA@example.com", "ola@example.com ", "ola@example.co", "ola@%", "*", u.Credentials[0].Spelling} {
			fails[store.User](c, fmt.Sprintf("UserByCredential(%q)", identity), store.ErrNotFound)(s.UserByCredential(c.ctx, store.Email, identity))
		}
		fails[store.User](c, "UserByCredential of another kind", store.ErrNotFound)(s.UserByCredential(c.ctx, store.Phone, "ola@example.com"))
		t := u.Ties[0]
		for _, o := range []store.Tie{
			{}, {Kind: t.Kind, PartnerID: t.PartnerID}, {Kind: t.Kind, PartnerID: t.PartnerID, Number: t.Number + " "},
			{Kind: t.Kind, PartnerID: u.Ties[1].PartnerID, Number: t.Number}, {Kind: u.Ties[1].Kind, PartnerID: t.PartnerID, Number: t.Number},
			{Kind: t.Kind, PartnerID: t.PartnerID, Number: "%"}, {Kind: t.Kind, PartnerID: t.PartnerID + t.Number},
		} {
			fails[store.User](c, fmt.Sprintf("UserByTie(%v)", o), store.ErrNotFound)(s.UserByTie(c.ctx, o.Kind, o.PartnerID, o.Number))
		}
	}},
	{"a user is replaced whole", "UpdateUser replaces the user, its credentials and ties included, if u.Version is the stored one, and stores it with the next Version.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		version := int64(1)
		for name, next := range variants[store.User]("ID") {
			next.ID, next.Version, next.Number, next.CreatedAt = u.ID, version, u.Number, u.CreatedAt
			c.ok(s.UpdateUser(c.ctx, next), "UpdateUser, "+name)
			version++
			returns(c, "User, "+name, stored(next, version))(s.User(c.ctx, u.ID))
			for _, cred := range u.Credentials {
				fails[store.User](c, "UserByCredential of one that was removed, "+name, store.ErrNotFound)(s.UserByCredential(c.ctx, cred.Kind, cred.Identity))
			}
			for _, t := range u.Ties {
				fails[store.User](c, "UserByTie of one that was removed, "+name, store.ErrNotFound)(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
			}
			for _, t := range next.Ties {
				returns(c, "UserByTie of one that was added, "+name, stored(next, version))(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
			}
			for _, cred := range next.Credentials {
				returns(c, "UserByCredential of one that was added, "+name, stored(next, version))(s.UserByCredential(c.ctx, cred.Kind, cred.Identity))
			}
			u = next
		}
		// Keeping some credentials, in another order, is no conflict with oneself.
		next := fresh[store.User]()
		next.ID, next.Version, next.Number, next.CreatedAt = u.ID, version, u.Number, u.CreatedAt
		c.ok(s.UpdateUser(c.ctx, next), "UpdateUser")
		next.Version++
		next.Credentials = []store.Credential{next.Credentials[2], next.Credentials[0]}
		next.Ties = []store.Tie{next.Ties[2], next.Ties[0]}
		c.ok(s.UpdateUser(c.ctx, next), "UpdateUser with some of its own credentials and ties")
		returns(c, "User", stored(next, version+2))(s.User(c.ctx, u.ID))
	}},
	{"number and creation never change", "Number and CreatedAt never change.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		next := fresh[store.User]()
		next.ID, next.Version = u.ID, 1
		c.ok(s.UpdateUser(c.ctx, next), "UpdateUser")
		next.Number, next.CreatedAt = u.Number, u.CreatedAt
		returns(c, "User", stored(next, 2))(s.User(c.ctx, u.ID))
	}},
	{"an update of another version conflicts", "ErrConflict says that the version differs.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		for _, version := range []int64{-1, 0, 2} {
			next := fresh[store.User]()
			next.ID, next.Version = u.ID, version
			c.is(s.UpdateUser(c.ctx, next), store.ErrConflict, fmt.Sprintf("UpdateUser of version %d", version))
			fails[store.User](c, "UserByCredential after a conflict", store.ErrNotFound)(s.UserByCredential(c.ctx, store.Email, next.Credentials[0].Identity))
		}
		returns(c, "User", stored(u, 1))(s.User(c.ctx, u.ID))
	}},
	{"an update with a taken credential conflicts", "ErrConflict says … that another user has one of the credentials.", func(c *recorder, s store.Users) {
		u, other := fresh[store.User](), fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		c.ok(s.CreateUser(c.ctx, other), "CreateUser")
		for name, taken := range map[string]store.Credential{"another user's": other.Credentials[1], "its own, twice": u.Credentials[0]} {
			next := fresh[store.User]()
			next.ID, next.Version = u.ID, 1
			next.Credentials = []store.Credential{u.Credentials[0], next.Credentials[0], taken}
			c.is(s.UpdateUser(c.ctx, next), store.ErrConflict, "UpdateUser with "+name)
			fails[store.User](c, "UserByCredential after a conflict", store.ErrNotFound)(s.UserByCredential(c.ctx, store.Email, next.Credentials[1].Identity))
		}
		returns(c, "User", stored(u, 1))(s.User(c.ctx, u.ID))
		for _, owner := range []store.User{u, other} {
			for _, cred := range owner.Credentials {
				returns(c, "UserByCredential", stored(owner, 1))(s.UserByCredential(c.ctx, cred.Kind, cred.Identity))
			}
		}
	}},
	{"an update with a taken tie conflicts", "ErrConflict says … that another user has one of the … ties.", func(c *recorder, s store.Users) {
		u, other := fresh[store.User](), fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		c.ok(s.CreateUser(c.ctx, other), "CreateUser")
		for name, taken := range map[string]store.Tie{"another user's": other.Ties[1], "its own, twice": u.Ties[0]} {
			next := fresh[store.User]()
			next.ID, next.Version = u.ID, 1
			loose := next.Ties[0]
			next.Ties = []store.Tie{u.Ties[0], loose, taken}
			c.is(s.UpdateUser(c.ctx, next), store.ErrConflict, "UpdateUser with a tie that is "+name)
			fails[store.User](c, "UserByTie after a conflict", store.ErrNotFound)(s.UserByTie(c.ctx, loose.Kind, loose.PartnerID, loose.Number))
		}
		for _, owner := range []store.User{u, other} {
			for _, t := range owner.Ties {
				returns(c, "UserByTie", stored(owner, 1))(s.UserByTie(c.ctx, t.Kind, t.PartnerID, t.Number))
			}
		}
	}},
	{"an update of nobody is not found", "ErrNotFound [says] that there is no such user.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.is(s.UpdateUser(c.ctx, u), store.ErrNotFound, "UpdateUser")
		fails[store.User](c, "User", store.ErrNotFound)(s.User(c.ctx, u.ID))
	}},
	{"one of many updates succeeds", "UpdateUser replaces the user if u.Version is the stored one.", func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		c.rounds(func(round int) {
			winner := c.oneWins("UpdateUser", store.ErrConflict, func(i int) error {
				next := stored(u, int64(round+1))
				next.FirstName = fmt.Sprint(i)
				return s.UpdateUser(c.ctx, next)
			})
			u.FirstName = fmt.Sprint(winner)
			returns(c, "User", stored(u, int64(round+2)))(s.User(c.ctx, u.ID))
		})
	}},
	{"one of many gets a credential", "unique over all users, together with Kind", func(c *recorder, s store.Users) {
		c.someRounds(func() {
			taken := fresh[store.Credential]()
			c.oneWins("CreateUser", store.ErrConflict, func(int) error {
				u := fresh[store.User]()
				u.Credentials = append(u.Credentials, taken)
				return s.CreateUser(c.ctx, u)
			})
		})
	}},
	{"one of many is tied to a number", "unique over all users, together with Kind and PartnerID", func(c *recorder, s store.Users) {
		c.rounds(func(int) {
			taken := fresh[store.Tie]()
			var users [racers]store.User
			for i := range users {
				users[i] = fresh[store.User]()
				c.ok(s.CreateUser(c.ctx, users[i]), "CreateUser")
			}
			winner := c.oneWins("UpdateUser", store.ErrConflict, func(i int) error {
				u := stored(users[i], 1)
				u.Ties = append(append([]store.Tie(nil), u.Ties...), taken)
				return s.UpdateUser(c.ctx, u)
			})
			if u, err := s.UserByTie(c.ctx, taken.Kind, taken.PartnerID, taken.Number); winner >= 0 && u.ID != users[winner].ID {
				c.errorf("UserByTie found %q, %v; want the winner", u.ID, err)
			}
			for _, u := range users {
				c.ok(s.DeleteUser(c.ctx, u.ID), "DeleteUser")
			}
		})
	}},
	{"a deleted user is gone", "DeleteUser removes the user and frees the credentials and ties; no error when there is none.", func(c *recorder, s store.Users) {
		u, other := fresh[store.User](), fresh[store.User]()
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		c.ok(s.CreateUser(c.ctx, other), "CreateUser")
		c.ok(s.DeleteUser(c.ctx, u.ID), "DeleteUser")
		c.ok(s.DeleteUser(c.ctx, u.ID), "DeleteUser once more")
		fails[store.User](c, "User", store.ErrNotFound)(s.User(c.ctx, u.ID))
		fails[store.User](c, "UserByCredential", store.ErrNotFound)(s.UserByCredential(c.ctx, store.Email, u.Credentials[0].Identity))
		c.is(s.UpdateUser(c.ctx, stored(u, 1)), store.ErrNotFound, "UpdateUser of a deleted user")
		returns(c, "User", stored(other, 1))(s.User(c.ctx, other.ID))
		next := fresh[store.User]()
		fails[store.User](c, "UserByTie", store.ErrNotFound)(s.UserByTie(c.ctx, u.Ties[0].Kind, u.Ties[0].PartnerID, u.Ties[0].Number))
		next.Credentials, next.Ties = u.Credentials, u.Ties
		c.ok(s.CreateUser(c.ctx, next), "CreateUser with the freed credentials and ties")
		returns(c, "UserByCredential", stored(next, 1))(s.UserByCredential(c.ctx, store.Email, u.Credentials[2].Identity))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Users) {
		u := fresh[store.User]()
		want := stored(u, 1)
		want.Credentials = append([]store.Credential(nil), u.Credentials...)
		want.Ties = append([]store.Tie(nil), u.Ties...)
		c.ok(s.CreateUser(c.ctx, u), "CreateUser")
		spoil(u.Credentials)
		spoil(u.Ties)
		got, err := s.User(c.ctx, u.ID)
		returns(c, "User after what was given was changed", want)(got, err)
		spoil(got.Credentials)
		spoil(got.Ties)
		got, err = s.UserByCredential(c.ctx, store.Email, want.Credentials[0].Identity)
		returns(c, "UserByCredential after what was returned was changed", want)(got, err)
		spoil(got.Credentials)
		spoil(got.Ties)
		returns(c, "User after what was returned was changed", want)(s.User(c.ctx, u.ID))
		next := want
		next.Credentials = append([]store.Credential(nil), want.Credentials...)
		next.Ties = append([]store.Tie(nil), want.Ties...)
		c.ok(s.UpdateUser(c.ctx, next), "UpdateUser")
		spoil(next.Credentials)
		spoil(next.Ties)
		returns(c, "User after what was given was changed", stored(want, 2))(s.User(c.ctx, u.ID))
	}},
	endedContexts[store.Users](),
	hammered[store.Users](),
}

// spoil overwrites the elements of a slice.
func spoil[E any](s []E) {
	for i := range s {
		reflect.ValueOf(&s[i]).Elem().SetZero()
	}
}
