package account_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// kept is what a backend keeps of a user for clients: what she agreed to, and a
// single-use code that was issued for her.
type kept struct {
	t      testing.TB
	store  store.Store
	userID string
	ticket store.Ticket
}

func keep(t testing.TB, s store.Store, userID string) *kept {
	t.Helper()
	k := &kept{t: t, store: s, userID: userID, ticket: store.Ticket{
		Kind: store.ExternalCode, Hash: store.DigestOf("code of " + userID), ClientID: clientA.ID, UserID: userID, ExpiresAt: time.Now().Add(time.Hour),
	}}
	for _, client := range []string{clientA.ID, "another"} {
		if err := s.AddConsent(context.Background(), store.Consent{UserID: userID, ClientID: client, Scopes: []string{"email", "openid"}, GivenAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutTicket(context.Background(), k.ticket); err != nil {
		t.Fatal(err)
	}
	return k
}

// want complains unless there are as many consents, and the ticket or not.
func (k *kept) want(what string, consents int, ticket bool) {
	k.t.Helper()
	n := 0
	for _, err := range k.store.UserConsents(context.Background(), k.userID) {
		if err != nil {
			k.t.Fatal(err)
		}
		n++
	}
	_, err := k.store.Ticket(context.Background(), k.ticket.Kind, k.ticket.Hash)
	if n != consents || (err == nil) != ticket {
		k.t.Errorf("%s: %s has %d consents and a ticket with %v; want %d and %v", what, k.userID, n, err, consents, ticket)
	}
}

// What opens the account goes when its user says so; what she agreed to goes with
// the account, and with a holder who never proved to be it.
func TestConsentsGoWithTheAccount(t *testing.T) {
	t.Parallel()
	t.Run("a changed password ends codes", func(t *testing.T) {
		t.Parallel()
		e := setUp(t)
		u := e.addUser(t, goodPassword, "ola@example.com")
		k := keep(t, e.store, u.ID)
		if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Epoch: u.Epoch, Client: clientA}); err != nil {
			t.Fatal(err)
		}
		k.want("after a changed password", 2, false)
	})
	t.Run("so does a block", func(t *testing.T) {
		t.Parallel()
		e := setUp(t)
		u := e.addUser(t, goodPassword, "ola@example.com")
		k := keep(t, e.store, u.ID)
		if err := e.Block(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		k.want("after a block", 2, false)
	})
	t.Run("an owner takes nothing over", func(t *testing.T) {
		t.Parallel()
		e := setUp(t)
		u := e.addUser(t, goodPassword, "victim@example.com")
		u.Credentials[0].VerifiedAt = time.Time{}
		u = e.update(t, u)
		k := keep(t, e.store, u.ID)
		if err := e.send(t, "victim@example.com", from(1)); err != nil {
			t.Fatal(err)
		}
		if p, err := e.try(t, "victim@example.com", e.lastCode(t), from(1)); err != nil || p.User.ID != u.ID {
			t.Fatalf("%+v, %v", p, err)
		}
		k.want("after the owner came", 0, false)
	})
	t.Run("a deletion ends all, also what comes meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newEstate(t)
		other := keep(t, w.store, w.addUser(t, "", "kari@example.com").ID)
		before := keep(t, w.store, w.user.ID)
		w.faulty.Inject(storetest.Fault{Method: "DeleteUser", Hook: func(string) {
			before.want("at the end of a deletion", 0, false)
			keep(t, w.store, w.user.ID)
		}})
		if err := w.Delete(t.Context(), account.Deletion{UserID: w.user.ID, Client: clientA}); err != nil {
			t.Fatal(err)
		}
		before.want("after a deletion", 0, false)
		other.want("after somebody else's deletion", 2, true)
	})
}

// The survivor keeps hers, and gets nothing of what the absorbed user agreed to;
// nobody gets it back when the merge is undone.
func TestConsentsOfMerges(t *testing.T) {
	t.Parallel()
	people, rest := memstore.New(), storetest.NewFaulty(memstore.New())
	both, err := store.Compose(store.Roles{
		Clients: people, Users: people, Merges: people, Sessions: rest, RememberSeries: rest,
		OneTimeCodes: rest, Runs: rest, Grants: rest, Counters: rest, DirectoryLinks: people,
		Customers: people, Subscriptions: people, Memberships: people,
		Tickets: rest, SigningKeys: people, Consents: rest, Outbox: rest,
		Products: people, Coupons: people, Vouchers: people, Articles: people, Accesses: people, Organisations: people, Orders: people,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) { c.Store = both })
		e.store = people
		if err := people.PutClient(t.Context(), clientA); err != nil {
			t.Fatal(err)
		}
		a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, "", "b@example.com")
		ofA, ofB := keep(t, both, a.ID), keep(t, both, b.ID)
		for _, method := range []string{"DeleteUserConsents", "DropUserTickets"} {
			rest.Inject(storetest.Fault{Method: method})
			if _, err := e.merge(t.Context(), a, b.Credentials[0]); !errors.Is(err, storetest.ErrInjected) && (err == nil || !strings.Contains(err.Error(), "injected")) {
				t.Errorf("%s is down: %v", method, err)
			}
			rest.Heal()
			if u, err := people.User(t.Context(), b.ID); err != nil || !same(u, b) {
				t.Errorf("%s is down: %+v, %v", method, u, err)
			}
		}
		if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
			t.Fatal(err)
		}
		ofA.want("after a merge", 2, true)
		ofB.want("after a merge", 0, false)

		// Requests that were under way end with what follows the merge.
		late := keep(t, both, b.ID)
		time.Sleep(6 * time.Minute)
		if err := e.SettleMerges(t.Context(), both); err != nil {
			t.Fatal(err)
		}
		late.want("after a merge was settled", 0, false)
		ofA.want("after a merge was settled", 2, true)

		if err := e.Unmerge(t.Context(), e.mergesOf(t, a.ID)[0].ID, clientA); err != nil {
			t.Fatal(err)
		}
		ofA.want("after a merge was undone", 2, false) // either of the two may have got the code
		ofB.want("after a merge was undone", 0, false)
	})
}

func TestExportHoldsConsents(t *testing.T) {
	t.Parallel()
	w := newEstate(t)
	keep(t, w.store, w.user.ID)
	keep(t, w.store, "somebody else")
	x, err := w.Export(t.Context(), w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, item := range x.Parts["consents"] {
		titles = append(titles, item.Title)
	}
	if !slices.Equal(titles, []string{"another", clientA.Name}) && !slices.Equal(titles, []string{clientA.Name, "another"}) {
		t.Errorf("consents at %q", titles)
	}
	raw, err := json.Marshal(x.Parts["consents"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"scopes":["email","openid"]`, `"clientId":"another"`, `"givenAt":"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
	// A field that somebody adds to a consent has to be exported too.
	if n := reflect.TypeFor[store.Consent]().NumField(); n != 4 {
		t.Errorf("a consent has %d fields, and the export knows 4", n)
	}
	w.faulty.Inject(storetest.Fault{Method: "UserConsents"})
	if _, err := w.Export(t.Context(), w.user.ID); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("an export without consents: %v", err)
	}
}

// A session that takes the place of one of the same user is the same login.
func TestSessionID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e := setUp(t)
		ola, kari := e.addUser(t, "", "ola@example.com"), e.addUser(t, "", "kari@example.com")
		seen := map[string]bool{}
		start := func(u store.User, old store.Digest) store.Session {
			t.Helper()
			h, sess, err := e.StartSession(ctx, account.SessionStart{UserID: u.ID, ClientID: clientA.ID, Replace: old})
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Session(ctx, h.Session)
			if err != nil || got.ID != sess.ID {
				t.Fatalf("Session = %+v, %v; StartSession returned the ID %q", got, err, sess.ID)
			}
			if b, err := base64.RawURLEncoding.DecodeString(got.ID); err != nil || len(got.ID) != 22 || len(b) != 16 {
				t.Errorf("ID %q: want 128 bits in 22 characters", got.ID)
			}
			return got
		}
		fresh := func(sess store.Session, what string) store.Session {
			t.Helper()
			if seen[sess.ID] || len(sess.Clients) != 0 {
				t.Errorf("%s has an ID of before, or its clients: %+v", what, sess)
			}
			seen[sess.ID] = true
			if err := e.store.VisitSession(ctx, sess.Handle, "visited by "+sess.ID); err != nil {
				t.Fatal(err)
			}
			return sess
		}
		first := fresh(start(ola, store.Digest{}), "the first session")
		fresh(start(ola, store.Digest{}), "one in another browser")

		again := start(ola, first.Handle)
		if again.ID != first.ID || !slices.Equal(again.Clients, []string{"visited by " + first.ID}) || again.Handle == first.Handle {
			t.Errorf("a session in place of her own: %+v, want the ID %q and its client", again, first.ID)
		}
		hers := fresh(start(kari, again.Handle), "another user's session")
		fresh(start(ola, again.Handle), "one in place of a session that is gone")
		if err := e.EndSession(ctx, hers.Handle); err != nil {
			t.Fatal(err)
		}
		ended := fresh(start(kari, hers.Handle), "one in place of a session that she ended")
		time.Sleep(24 * time.Hour)
		fresh(start(kari, ended.Handle), "one in place of a session that has expired")

		// One that a program without IDs has left gets one.
		none := store.Session{Handle: store.DigestOf("old"), UserID: ola.ID, IdleAt: time.Now().Add(time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
		if err := e.store.CreateSession(ctx, none); err != nil {
			t.Fatal(err)
		}
		fresh(start(ola, none.Handle), "one in place of a session without an ID")
	})
}
