package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

var (
	siteA    = store.Client{ID: "a", PartnerID: "p"}
	siteA2   = store.Client{ID: "a2", PartnerID: "p"}
	siteB    = store.Client{ID: "b", PartnerID: "q"}
	outsider = account.ExternalID{Type: "D", ID: "4711"}
)

func TestParseExternalID(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"D", "E", "H", "I", "L", "M", "X", "Z"} {
		x, err := account.ParseExternalID(kind, "4711")
		want := "4711"
		if kind == "D" {
			want = "AID:4711"
		}
		if err != nil || x != (account.ExternalID{Type: store.CredentialKind(kind), ID: "4711"}) || x.Credential() != want {
			t.Errorf("type %s: %+v, %q, %v", kind, x, x.Credential(), err)
		}
	}
	for name, id := range map[string]string{
		"one character": "1", "60 characters": strings.Repeat("å", 60), "a space inside": "4711 B", "punctuation": `<a href="x">'&%`, "capitals": "aB",
	} {
		if x, err := account.ParseExternalID("X", id); err != nil || x.ID != id {
			t.Errorf("%s: %+v, %v", name, x, err)
		}
	}
	for name, id := range map[string]string{
		"nothing": "", "61 characters": strings.Repeat("1", 61), "61 wide ones": strings.Repeat("å", 61), "white space": "  ", "a space before": " 4711",
		"a space after": "4711 ", "a line end": "4711\n", "NUL": "47\x0011", "DEL": "47\x7f11", "C1": "47\u008511", "no text": "47\xff11",
		"what stands for no text": "47\uFFFD11", "a character that does not show": "47\u200b11", "another direction": "47\u202e11", "a line separator": "47\u202811",
	} {
		if _, err := account.ParseExternalID("X", id); !errors.Is(err, account.ErrExternalID) {
			t.Errorf("%s: %v, want ErrExternalID", name, err)
		}
	}
	for _, kind := range []string{"", "A", "B", "C", "d", "DE", "D ", "\x00", "Å"} {
		if _, err := account.ParseExternalID(kind, "4711"); !errors.Is(err, account.ErrExternalType) {
			t.Errorf("type %q: %v, want ErrExternalType", kind, err)
		}
	}
}

func FuzzParseExternalID(f *testing.F) {
	f.Add("D", "4711")
	f.Add("X", "å \u200b")
	f.Fuzz(func(t *testing.T, kind, id string) {
		x, err := account.ParseExternalID(kind, id)
		if err != nil {
			return
		}
		if x.ID != id || string(x.Type) != kind || len(kind) != 1 || !utf8.ValidString(id) || utf8.RuneCountInString(id) > account.ExternalMax || strings.TrimSpace(id) != id {
			t.Errorf("%q, %q is %+v", kind, id, x)
		}
		tie := store.Tie{Kind: store.ExternalTie(x.Type), Number: x.ID}
		if back, ok := account.ExternalOf(tie); !ok || back != x {
			t.Errorf("%+v comes back as %+v, %v", x, back, ok)
		}
	})
}

// external opens an identity, and the test fails when that does.
func (e *env) external(t testing.TB, c store.Client, x account.ExternalID) store.User {
	t.Helper()
	u, _, err := e.External(t.Context(), c, x)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestExternal(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u, made, err := e.External(t.Context(), siteA, outsider)
	if err != nil || !made || len(u.ID) != 32 || u.Number <= 0 || len(u.Credentials) != 0 || u.PasswordHash != "" || account.CanLogIn(u) {
		t.Fatalf("the first call: %+v, %v, %v", u, made, err)
	}
	if stored, err := e.store.User(t.Context(), u.ID); err != nil || !same(stored, u) || stored.Version != u.Version {
		t.Errorf("stored %+v, %v; returned %+v", stored, err, u)
	}
	if again, made, err := e.External(t.Context(), siteA2, outsider); err != nil || made || again.ID != u.ID {
		t.Errorf("again, at another client of the partner: %s, %v, %v; want %s", again.ID, made, err, u.ID)
	}
	for name, other := range map[string]struct {
		c store.Client
		x account.ExternalID
	}{
		"another partner's": {siteB, outsider}, "another type": {siteA, account.ExternalID{Type: "E", ID: "4711"}},
		"another identity": {siteA, account.ExternalID{Type: "D", ID: "4712"}},
	} {
		if o, made, err := e.External(t.Context(), other.c, other.x); err != nil || !made || o.ID == u.ID || o.Number == u.Number {
			t.Errorf("%s: %s, %v, %v; want a user of its own", name, o.ID, made, err)
		}
	}
	if n := e.noticed(account.NoticeUserCreated); n != 4 {
		t.Errorf("%d notices of users that were created, want 4", n)
	}
	// A customer with that number is somebody else.
	if owner, err := e.TiedTo(t.Context(), store.CustomerTie, "p", "4711"); owner != "" || err != nil {
		t.Errorf("the customer of that number is %q, %v", owner, err)
	}
	if err := e.Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if again, made, err := e.External(t.Context(), siteA, outsider); err != nil || made || again.ID != u.ID || !again.Blocked {
		t.Errorf("blocked: %+v, %v, %v", again, made, err)
	}
}

func TestExternalRace(t *testing.T) {
	t.Parallel()
	for round := range *soakRounds {
		e := setUp(t)
		var mu sync.Mutex
		ids, made := map[string]bool{}, 0
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 64 {
			wg.Go(func() {
				<-start
				u, first, err := e.External(context.Background(), siteA, outsider)
				mu.Lock()
				defer mu.Unlock()
				ids[u.ID] = true
				if err != nil {
					t.Error(err)
				}
				if first {
					made++
				}
			})
		}
		close(start)
		wg.Wait()
		if len(ids) != 1 || made != 1 {
			t.Fatalf("round %d: 64 first calls: %d users, %d of them made", round, len(ids), made)
		}
	}
}

// code issues an extidCode, and the test fails when that does.
func (e *env) extidCode(t testing.TB, c store.Client, u store.User, x account.ExternalID) string {
	t.Helper()
	code, err := e.IssueExternalCode(t.Context(), c, u, x)
	if err != nil || len(code) != 43 {
		t.Fatalf("issue: %q, %v", code, err)
	}
	return code
}

func TestExternalCode(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.external(t, siteA, outsider)
	code := e.extidCode(t, siteA, u, outsider)
	if other := e.extidCode(t, siteA, u, outsider); other == code {
		t.Error("two codes are one")
	}
	for name, wrong := range map[string]string{"none": "", "short": "x", "unknown": strings.Repeat("A", 43), "long": code + "A", "the digest": store.DigestOf(code).String()} {
		if _, err := e.TakeExternalCode(t.Context(), wrong, siteA.ID); !errors.Is(err, account.ErrExpired) {
			t.Errorf("%s: %v, want ErrExpired", name, err)
		}
	}
	for range 2 { // also not for a client of the same partner, and it is not used up
		if _, err := e.TakeExternalCode(t.Context(), code, siteA2.ID); !errors.Is(err, account.ErrExpired) {
			t.Errorf("at another client: %v, want ErrExpired", err)
		}
	}
	x, err := e.TakeExternalCode(t.Context(), code, siteA.ID)
	if err != nil || x.UserID != u.ID || len(x.GrantID) != 22 || time.Since(x.IssuedAt) > time.Minute {
		t.Fatalf("taken: %+v, %v", x, err)
	}
	if err := e.StillExternal(t.Context(), x); err != nil {
		t.Errorf("still: %v", err)
	}
	again, err := e.TakeExternalCode(t.Context(), code, siteA.ID)
	if !errors.Is(err, account.ErrUsed) || again.GrantID != x.GrantID || again.UserID != "" {
		t.Errorf("again: %+v, %v; want ErrUsed with the grant", again, err)
	}
}

func TestExternalCodeExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, step := range []struct {
			wait time.Duration
			want error
		}{{59 * time.Second, nil}, {60 * time.Second, account.ErrExpired}} {
			e := setUp(t)
			code := e.extidCode(t, siteA, e.external(t, siteA, outsider), outsider)
			time.Sleep(step.wait)
			if _, err := e.TakeExternalCode(t.Context(), code, siteA.ID); !errors.Is(err, step.want) {
				t.Errorf("after %v: %v, want %v", step.wait, err, step.want)
			}
		}
	})
}

// lagging is a store that finds tickets that have expired, as a backend with a
// time-to-live of its own may.
type lagging struct{ account.Store }

func (s lagging) PutTicket(ctx context.Context, r store.Ticket) error {
	r.ExpiresAt = r.ExpiresAt.Add(time.Hour)
	return s.Store.PutTicket(ctx, r)
}

func (s lagging) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	r, err := s.Store.TakeTicket(ctx, kind, hash, clientID)
	r.ExpiresAt = r.ExpiresAt.Add(-time.Hour)
	return r, err
}

func TestExternalCodeExpiresByTheKitsClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) { c.Store = lagging{c.Store} })
		code := e.extidCode(t, siteA, e.external(t, siteA, outsider), outsider)
		time.Sleep(time.Minute)
		if _, err := e.TakeExternalCode(t.Context(), code, siteA.ID); !errors.Is(err, account.ErrExpired) {
			t.Errorf("%v, want ErrExpired", err)
		}
	})
}

// What ends all that a user has ends her codes, also those that are being
// exchanged at that moment.
func TestExternalCodeEndsWithTheUser(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, e *env, u store.User){
		"blocked": func(t *testing.T, e *env, u store.User) {
			if err := e.Block(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		},
		"blocked for a while": func(t *testing.T, e *env, u store.User) {
			if err := errors.Join(e.Block(t.Context(), u.ID), e.Unblock(t.Context(), u.ID)); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, e *env, u store.User) {
			if err := e.Delete(t.Context(), account.Deletion{UserID: u.ID}); err != nil {
				t.Fatal(err)
			}
		},
		"absorbed": func(t *testing.T, e *env, u store.User) {
			if _, err := e.AddCredential(t.Context(), u.ID, account.Addition{Client: clientA, Credential: cred(t, "ola@example.com")}); err != nil {
				t.Fatal(err)
			}
			kari := e.addUser(t, goodPassword, "kari@example.com")
			if _, err := e.merge(t.Context(), kari, store.Credential{Kind: store.Email, Identity: "ola@example.com", Spelling: "ola@example.com"}); err != nil {
				t.Fatal(err)
			}
		},
		"another password": func(t *testing.T, e *env, u store.User) {
			if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Client: clientA, Password: "en helt ny frase", Epoch: u.Epoch}); err != nil {
				t.Fatal(err)
			}
		},
		"not that identity any more": func(t *testing.T, e *env, u store.User) {
			u.Ties = nil
			if err := e.store.UpdateUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setUp(t)
			u := e.external(t, siteA, outsider)
			open, taken := e.extidCode(t, siteA, u, outsider), e.extidCode(t, siteA, u, outsider)
			x, err := e.TakeExternalCode(t.Context(), taken, siteA.ID)
			if err != nil {
				t.Fatal(err)
			}
			end(t, e, u)
			if _, err := e.TakeExternalCode(t.Context(), open, siteA.ID); !errors.Is(err, account.ErrUserGone) && !errors.Is(err, account.ErrExpired) {
				t.Errorf("a code is taken afterwards: %v", err)
			}
			if err := e.StillExternal(t.Context(), x); !errors.Is(err, account.ErrUserGone) {
				t.Errorf("still: %v, want ErrUserGone", err)
			}
		})
	}
}

// The same without the store's help: the code says itself what it was worth.
func TestExternalCodeOutlivesNoEpoch(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.external(t, siteA, outsider)
	code := e.extidCode(t, siteA, u, outsider)
	u.Epoch++
	if err := e.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if _, err := e.TakeExternalCode(t.Context(), code, siteA.ID); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("%v, want ErrUserGone", err)
	}
}

// An account that an identity leads to has an owner, whoever else's address
// stands on it: who proves to own that address does not get the account.
func TestExternalIsNotTakenOver(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.external(t, siteA, outsider)
	u.Credentials = []store.Credential{{Kind: store.Email, Identity: "ola@example.com", Spelling: "ola@example.com", AddedAt: e.born}}
	u = e.update(t, u)
	if account.CanLogIn(u) {
		t.Error("an address that nobody has proven logs in")
	}
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	p, err := e.try(t, "ola@example.com", e.lastCode(t), from(1))
	if err != nil || p.Exists {
		t.Fatalf("the proof is %+v, %v; want an address without an account", p, err)
	}
	if left, err := e.store.User(t.Context(), u.ID); err != nil || len(left.Credentials) != 0 || left.Epoch != u.Epoch || len(left.Ties) != 1 {
		t.Errorf("what is left: %+v, %v", left, err)
	}
}

// A credential of her own lets her log in, and the identity leads to the account
// that has absorbed hers; undone, each has what she had.
func TestExternalMerge(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	kari := e.addUser(t, goodPassword, "kari@example.com")
	kariCred := store.Credential{Kind: store.Email, Identity: "kari@example.com", Spelling: "kari@example.com"}

	// As the survivor, without any credential of her own.
	u := e.external(t, siteA, outsider)
	joined, err := e.merge(t.Context(), u, kariCred)
	if err != nil || !account.CanLogIn(joined) || joined.ID != u.ID {
		t.Fatalf("merge: %+v, %v", joined, err)
	}
	if now := e.external(t, siteA, outsider); now.ID != u.ID || !account.CanLogIn(now) {
		t.Errorf("the identity leads to %+v", now)
	}
	if err := e.Unmerge(t.Context(), e.mergesOf(t, u.ID)[0].ID, clientA); err != nil {
		t.Fatal(err)
	}
	if now := e.external(t, siteA, outsider); now.ID != u.ID || account.CanLogIn(now) {
		t.Errorf("undone, the identity leads to %+v", now)
	}
	if back, err := e.store.User(t.Context(), kari.ID); err != nil || !account.CanLogIn(back) {
		t.Errorf("undone, the other account is %+v, %v", back, err)
	}

	// As the one who is absorbed.
	if _, err := e.AddCredential(t.Context(), u.ID, account.Addition{Client: clientA, Credential: cred(t, "ola@example.com")}); err != nil {
		t.Fatal(err)
	}
	olaCred := store.Credential{Kind: store.Email, Identity: "ola@example.com", Spelling: "ola@example.com"}
	plan, err := e.PlanMerge(t.Context(), kari.ID, cred(t, "ola@example.com"))
	if err != nil || !slices.ContainsFunc(plan.Lines, func(l account.Line) bool {
		return l.Text == "merge.line.external" && slices.Equal(l.Words, []string{"AID:4711"})
	}) {
		t.Errorf("the plan %+v does not tell of the identity, %v", plan.Lines, err)
	}
	if _, err := e.merge(t.Context(), kari, olaCred); err != nil {
		t.Fatal(err)
	}
	if now, made, err := e.External(t.Context(), siteA, outsider); err != nil || made || now.ID != kari.ID {
		t.Errorf("the identity leads to %s, %v, %v; want %s", now.ID, made, err, kari.ID)
	}
	if err := e.Unmerge(t.Context(), e.mergesOf(t, kari.ID)[0].ID, clientA); err != nil {
		t.Fatal(err)
	}
	if now := e.external(t, siteA, outsider); now.ID != u.ID {
		t.Errorf("undone, the identity leads to %s; want %s", now.ID, u.ID)
	}

	// Two identities of one kind at one partner are two persons.
	two := e.external(t, siteA, account.ExternalID{Type: "D", ID: "4712"})
	if _, err := e.merge(t.Context(), two, olaCred); !errors.Is(err, account.ErrMergeRefused) {
		t.Errorf("two identities: %v, want ErrMergeRefused", err)
	}
	if _, err := e.merge(t.Context(), e.external(t, siteB, outsider), olaCred); err != nil {
		t.Errorf("identities at two partners: %v", err)
	}
}

// An export names the identity, a deletion frees it.
func TestExternalDeletionAndExport(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.external(t, siteA, outsider)
	x, err := e.Export(t.Context(), u.ID)
	if err != nil || len(x.Account.Ties) != 1 || x.Account.Ties[0].Number != "4711" || x.Account.Ties[0].Kind != "external:D" ||
		len(x.Credentials) != 0 || len(x.Parts["externals"]) != 1 || x.Parts["externals"][0].Title != "AID:4711" {
		t.Errorf("the export holds %+v, %v", x, err)
	}
	if err := e.Delete(t.Context(), account.Deletion{UserID: u.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.UserByTie(t.Context(), store.ExternalTie("D"), "p", "4711"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the identity of a deleted user: %v", err)
	}
	if again, made, err := e.External(t.Context(), siteA, outsider); err != nil || !made || again.ID == u.ID {
		t.Errorf("after the deletion: %s, %v, %v; want another user", again.ID, made, err)
	}
}

// A store that fails is an outage each time, nothing is given, and the same call
// does it once the store is back, also when what failed had happened.
func TestExternalOutage(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		var faulty *storetest.Faulty
		e := setUp(t, func(c *account.Config) {
			faulty = storetest.NewFaulty(c.Store.(store.Store))
			c.Store = faulty
		})
		fail := func(method string, call func() error) {
			t.Helper()
			faulty.Inject(storetest.Fault{Method: method, After: after})
			if err := call(); !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("%s fails (after: %t): %v", method, after, err)
			}
			faulty.Heal()
		}
		open := func() error { _, _, err := e.External(t.Context(), siteA, outsider); return err }
		fail("UserByTie", open)
		fail("CreateUser", open)
		u := e.external(t, siteA, outsider)
		fail("PutTicket", func() error { _, err := e.IssueExternalCode(t.Context(), siteA, u, outsider); return err })
		code := e.extidCode(t, siteA, u, outsider)
		take := func() error { _, err := e.TakeExternalCode(t.Context(), code, siteA.ID); return err }
		fail("TakeTicket", take)
		if after { // it is used up, and nobody has it
			if err := take(); !errors.Is(err, account.ErrUsed) {
				t.Errorf("a code that was taken before: %v, want ErrUsed", err)
			}
			code = e.extidCode(t, siteA, u, outsider)
		}
		fail("User", take)
		fail("DropUserTickets", func() error { return e.Block(t.Context(), u.ID) })
		if err := e.Block(t.Context(), u.ID); err != nil { // done by doing it again
			t.Error(err)
		}
	}
}
