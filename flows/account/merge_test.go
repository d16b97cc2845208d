package account_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// merge makes one account of two, as the flow does: plan, then do.
func (e *env) merge(ctx context.Context, survivor store.User, proven store.Credential) (store.User, error) {
	c := account.Credential{Kind: proven.Kind, Identity: proven.Identity, Spelling: proven.Spelling}
	p, err := e.PlanMerge(ctx, survivor.ID, c)
	if err != nil {
		return store.User{}, err
	}
	return e.Merge(ctx, account.MergeRequest{Client: clientA, Survivor: survivor.ID, Proven: c, Owner: p.Absorbed, Seen: p.Lines})
}

// mergesOf lists the merges of a user.
func (e *env) mergesOf(t testing.TB, id string) (all []store.Merge) {
	t.Helper()
	for m, err := range e.store.UserMerges(context.Background(), id) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// session starts a session and a series for the user.
func (e *env) session(t testing.TB, id string) account.Handles {
	t.Helper()
	u, err := e.store.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: id, Epoch: u.Epoch, ClientID: clientA.ID, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Remember(t.Context(), account.RememberStart{UserID: id, Epoch: u.Epoch, ClientID: clientA.ID}); err != nil {
		t.Fatal(err)
	}
	return h
}

// unchanged leaves out of a user what every change changes.
func unchanged(u store.User) store.User {
	u.Version, u.Epoch, u.UpdatedAt = 0, 0, time.Time{}
	slices.SortFunc(u.Credentials, func(a, b store.Credential) int { return strings.Compare(a.Identity, b.Identity) })
	return u
}

func same(a, b store.User) bool {
	return fmt.Sprintf("%+v", unchanged(a)) == fmt.Sprintf("%+v", unchanged(b))
}

// TestMergeGraphs lets random accounts merge, part, and get credentials, in any
// order. No credential is lost, none is on two accounts, every subject that ever
// was leads to an account that has what it had, and an undo restores.
func TestMergeGraphs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*soakRounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		e := setUp(t, func(c *account.Config) {
			c.Sender = discard{}
			c.Limits.SendsPerCredential = account.Budget{N: 1 << 20}
		})
		var ids []string          // all accounts that ever were
		creds := map[string]int{} // all credentials that ever were
		var ties []store.Tie      // all numbers that somebody is tied to
		for i := range 2 + r.IntN(6) {
			u := store.User{ID: fmt.Sprint("user", i), Number: int64(i + 1), CreatedAt: e.born.UTC().Truncate(time.Millisecond)}
			for j := range 1 + r.IntN(3) {
				c := cred(t, fmt.Sprintf("u%d.%d@example.com", i, j))
				u.Credentials = append(u.Credentials, store.Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling, VerifiedAt: e.born, AddedAt: e.born})
				creds[c.Identity] = 0
			}
			if r.IntN(2) == 0 {
				u.FirstName, u.PasswordHash, u.Language = fmt.Sprint("Name", i), "x", "nb"
			}
			if r.IntN(3) == 0 {
				tie := store.Tie{Kind: store.CustomerTie, PartnerID: fmt.Sprint("partner", r.IntN(2)), Number: fmt.Sprint(i), TiedAt: e.born.UTC().Truncate(time.Millisecond)}
				u.Ties = append(u.Ties, tie)
				ties = append(ties, tie)
			}
			if err := e.store.CreateUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, u.ID)
		}
		live := func() (all []store.User) {
			for _, id := range ids {
				if u, err := e.store.User(t.Context(), id); err == nil {
					all = append(all, u)
				}
			}
			return all
		}
		check := func(what string) {
			t.Helper()
			seen := maps.Clone(creds)
			for _, u := range live() {
				for _, c := range u.Credentials {
					seen[c.Identity]++
				}
				if len(u.Credentials) == 0 {
					t.Fatalf("seed %d, %s: %s has no credential", seed, what, u.ID)
				}
			}
			for identity, n := range seen {
				if n != 1 {
					t.Fatalf("seed %d, %s: %s is on %d accounts", seed, what, identity, n)
				}
			}
			for _, tie := range ties {
				owner, err := e.store.UserByTie(t.Context(), tie.Kind, tie.PartnerID, tie.Number)
				if own, _ := owner.Tie(tie.Kind, tie.PartnerID); err != nil || own != tie {
					t.Fatalf("seed %d, %s: the tie %v is %v of %s, %v", seed, what, tie, own, owner.ID, err)
				}
			}
			for _, id := range ids {
				if _, err := e.Resolve(t.Context(), id); err != nil {
					t.Fatalf("seed %d, %s: the subject %s leads nowhere: %v", seed, what, id, err)
				}
			}
		}
		for step := range 12 {
			users := live()
			a := users[r.IntN(len(users))]
			var merges []store.Merge
			for _, id := range ids {
				merges = append(merges, e.mergesOf(t, id)...)
			}
			switch k := r.IntN(4); {
			case k == 0: // a credential more
				c := cred(t, fmt.Sprintf("more%d@example.com", step))
				if _, err := e.AddCredential(t.Context(), a.ID, account.Addition{Client: clientA, Credential: c}); err != nil {
					t.Fatal(err)
				}
				creds[c.Identity] = 0
			case k == 1 && len(merges) > 0: // some merge of the past is undone
				m := merges[r.IntN(len(merges))]
				survivor, err := e.store.ResolveUser(t.Context(), m.Survivor)
				if err != nil {
					t.Fatal(err)
				}
				err = e.Unmerge(t.Context(), m.ID, clientA)
				if err != nil && !errors.Is(err, account.ErrUndoOver) {
					t.Fatalf("seed %d: undo: %v", seed, err)
				}
				if err == nil {
					if back, err := e.store.User(t.Context(), m.Absorbed); err != nil || back.Number != m.Taken.Number || back.PasswordHash != m.Taken.PasswordHash {
						t.Fatalf("seed %d: %+v came back, %v", seed, back, err)
					}
					if _, err := e.store.User(t.Context(), survivor.ID); err != nil {
						t.Fatalf("seed %d: the survivor: %v", seed, err)
					}
				}
			default:
				b := users[r.IntN(len(users))]
				if a.ID == b.ID {
					continue
				}
				bound := slices.ContainsFunc(b.Ties, func(o store.Tie) bool {
					_, both := a.Tie(o.Kind, o.PartnerID)
					return both
				})
				got, err := e.merge(t.Context(), a, b.Credentials[r.IntN(len(b.Credentials))])
				if bound != errors.Is(err, account.ErrMergeRefused) || !bound && err != nil {
					t.Fatalf("seed %d: merge of %v and %v: %v", seed, a.Ties, b.Ties, err)
				}
				if bound {
					break
				}
				if got.ID != a.ID || got.Number != a.Number || len(got.Credentials) != len(a.Credentials)+len(b.Credentials) {
					t.Fatalf("seed %d: survivor %+v", seed, got)
				}
				if u, err := e.Resolve(t.Context(), b.ID); err != nil || u.ID != a.ID {
					t.Fatalf("seed %d: %s leads to %s, %v", seed, b.ID, u.ID, err)
				}
				check("merge")
				if r.IntN(3) > 0 {
					break
				}
				m := e.mergesOf(t, a.ID)[0]
				for _, x := range e.mergesOf(t, a.ID) {
					if x.Absorbed == b.ID && x.UndoneAt.IsZero() {
						m = x
					}
				}
				if err := e.Unmerge(t.Context(), m.ID, clientA); err != nil {
					t.Fatalf("seed %d: undo at once: %v", seed, err)
				}
				for _, was := range []store.User{a, b} {
					if now, err := e.store.User(t.Context(), was.ID); err != nil || !same(now, was) {
						t.Fatalf("seed %d: after the undo\n%+v, want\n%+v", seed, now, was)
					}
				}
			}
			check(fmt.Sprint("step ", step))
		}
	}
}

// Of 64 who merge the same two, or one into the other and the other way round,
// while others log in and add credentials, one does; and no login of the
// absorbed account is left.
func TestMergeRaces(t *testing.T) {
	t.Parallel()
	for round := range min(*soakRounds, 40) {
		calls := 0
		e := setUp(t, func(c *account.Config) {
			c.Sender = discard{}
			c.Limits.SendsPerCredential = account.Budget{N: 1 << 20}
			c.Merge.OnMerge = func(context.Context, store.Merge) error { calls++; return nil }
		})
		a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, "", "b@example.com")
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				<-start
				var err error
				switch i % 4 {
				case 0:
					_, err = e.merge(t.Context(), a, b.Credentials[0])
				case 1:
					_, err = e.merge(t.Context(), b, a.Credentials[0])
				case 2:
					u := []store.User{a, b}[i/4%2]
					_, _, err = e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Epoch: u.Epoch, Fresh: true})
				case 3:
					u := []store.User{a, b}[i/4%2]
					_, err = e.AddCredential(t.Context(), u.ID, account.Addition{Client: clientA, Credential: cred(t, "c@example.com")})
				}
				for _, fine := range []error{nil, account.ErrUserGone, account.ErrMergeChanged, account.ErrTaken} {
					if errors.Is(err, fine) {
						return
					}
				}
				t.Errorf("round %d, caller %d: %v", round, i, err)
			})
		}
		close(start)
		wg.Wait()
		if calls > 1 {
			t.Errorf("round %d: the host was called %d times", round, calls)
		}
		if calls == 0 { // all saw a plan that had changed
			continue
		}
		survivor, err := e.Resolve(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		gone := a.ID
		if survivor.ID == a.ID {
			gone = b.ID
		}
		if u, err := e.Resolve(t.Context(), gone); err != nil || u.ID != survivor.ID || len(u.Credentials) != 3 {
			t.Errorf("round %d: %+v, %v", round, u, err)
		}
		for s := range e.store.UserSessions(t.Context(), gone) {
			t.Errorf("round %d: a session of the absorbed account: %+v", round, s)
		}
	}
}

// A login that was proven while two accounts were one is none after they part,
// whose ever it was; and a proof of the other account ends when that ends
// everything.
func TestProofsEndWhereAccountsPart(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, goodPassword, "b@example.com")
	if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: a.ID, Epoch: a.Epoch}); err != nil {
		t.Fatal(err)
	}
	if err := e.Unmerge(t.Context(), e.mergesOf(t, a.ID)[0].ID, clientA); err != nil {
		t.Fatal(err)
	}
	for _, u := range []store.User{a, b} {
		if h, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Epoch: u.Epoch}); !errors.Is(err, account.ErrUserGone) || h != (account.Handles{}) {
			t.Errorf("StartSession = %v", err)
		}
		for s := range e.store.UserSessions(t.Context(), u.ID) {
			t.Errorf("session %+v", s)
		}
	}

	c := cred(t, "b@example.com")
	p, err := e.PlanMerge(t.Context(), a.ID, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.SetPassword(t.Context(), p.Absorbed, account.PasswordChange{Password: "en helt ny frase", Epoch: p.Absorbed.Epoch, Client: clientA}); err != nil {
		t.Fatal(err)
	}
	for name, owner := range map[string]store.User{"before a new password": p.Absorbed, "when it was nobody's": {}, "somebody else's": {ID: "x"}} {
		r := account.MergeRequest{Client: clientA, Survivor: a.ID, Proven: c, Owner: owner, Seen: p.Lines}
		if _, err := e.Merge(t.Context(), r); !errors.Is(err, account.ErrTaken) {
			t.Errorf("proven %s: %v", name, err)
		}
	}
}

// Where sessions are in another backend, one that fails to end them keeps the
// accounts apart; what it loses after the commit is ended later.
func TestMergeOverTwoBackends(t *testing.T) {
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
		h := e.session(t, b.ID)
		for _, method := range []string{"EndUserSessions", "EndUserSeries", "RevokeUserGrants", "DropOneTimeCodes"} {
			rest.Inject(storetest.Fault{Method: method})
			if _, err := e.merge(t.Context(), a, b.Credentials[0]); err == nil || !strings.Contains(err.Error(), "injected") {
				t.Errorf("%s is down: %v", method, err)
			}
			rest.Heal()
			if u, err := people.User(t.Context(), b.ID); err != nil || !same(u, b) {
				t.Errorf("%s is down: %+v, %v", method, u, err)
			}
		}
		h = e.session(t, b.ID)
		rest.Inject(storetest.Fault{Method: "EndUserSessions", Nth: 2}) // after the commit
		rest.Inject(storetest.Fault{Method: "EndUserSessions", Nth: 1, Hook: func(string) {
			rest.Heal()
			rest.Inject(storetest.Fault{Method: "EndUserSessions"})
		}, Delay: time.Nanosecond})
		if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
			t.Fatal(err)
		}
		if e.noticed(account.NoticeUnsettled) != 1 {
			t.Error("nobody is told that a merge is not settled")
		}
		// A request that was under way has made a session meanwhile.
		late := store.Session{Handle: store.DigestOf("late"), UserID: b.ID, IdleAt: time.Now().Add(time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
		if err := rest.CreateSession(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		rest.Heal()
		time.Sleep(6 * time.Minute)
		if err := e.SettleMerges(t.Context(), both); err != nil {
			t.Fatal(err)
		}
		if _, err := rest.Session(t.Context(), late.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the late session: %v", err)
		}
		if _, err := e.Session(t.Context(), h.Session); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session: %v", err)
		}
		for m := range people.PendingMerges(t.Context(), time.Now().Add(time.Hour)) {
			t.Errorf("still pending: %+v", m)
		}
	})
}

// Notices that can not be sent are sent later, once each, and are given up after
// a day.
func TestMergeNoticesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			sender := &brokenSender{}
			var out *message.Outbox
			e := setUp(t, func(c *account.Config) {
				out = c.Sender.(*message.Outbox)
				sender.next = out
				c.Sender = sender
				c.Merge.UndoURL = func(_ store.Client, id, token string) string {
					return "https://login.example.com/user/unmerge?" + id + token
				}
			})
			if err := e.store.PutClient(t.Context(), clientA); err != nil {
				t.Fatal(err)
			}
			a, b := e.addUser(t, "", "a@example.com", "+4741234567"), e.addUser(t, "", "b@example.com")
			sender.down = true
			if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
				t.Fatal(err)
			}
			told := func() (to []string) {
				for _, m := range out.List() {
					if m.Kind == message.AccountsMerged {
						to = append(to, m.To)
					}
				}
				return to
			}
			if got := told(); got != nil {
				t.Fatalf("told %v", got)
			}
			for i := range 30 * 60 {
				time.Sleep(time.Minute)
				sender.down = !back || i < 60
				var wg sync.WaitGroup
				for range 3 { // nodes
					wg.Go(func() {
						if err := e.SettleMerges(t.Context(), e.store); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			want := []string(nil)
			if back {
				want = []string{"+4741234567", "a@example.com", "b@example.com"}
			}
			got := told()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
			for m := range e.store.PendingMerges(t.Context(), time.Now().Add(time.Hour)) {
				t.Errorf("still pending: %+v", m)
			}
		})
	}
}

// The process dies between any two calls: what was begun is whole or nothing,
// for a merge and for its undoing, and what is left over is done by the next one.
func TestMergeCrashes(t *testing.T) {
	t.Parallel()
	for _, undo := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				spy := &spyStore{}
				e := setUp(t, func(c *account.Config) {
					spy.Store = c.Store
					c.Store = spy
					c.Sender = discard{}
				})
				if err := e.store.PutClient(t.Context(), clientA); err != nil {
					t.Fatal(err)
				}
				a, b := e.addUser(t, goodPassword, "a@example.com"), e.addUser(t, "", "b@example.com")
				hb := e.session(t, b.ID)
				step := func() error { _, err := e.merge(t.Context(), a, b.Credentials[0]); return err }
				if undo {
					if err := step(); err != nil {
						t.Fatal(err)
					}
					id := e.mergesOf(t, a.ID)[0].ID
					step = func() error { return e.Unmerge(t.Context(), id, clientA) }
				}
				spy.reset()
				spy.failAt, spy.after = n, after
				err := step()
				calls := spy.calls
				spy.reset()
				u, err1 := e.store.User(t.Context(), a.ID)
				back, err2 := e.store.User(t.Context(), b.ID)
				if err1 != nil || err2 != nil && !errors.Is(err2, store.ErrNotFound) {
					t.Fatal(err1, err2)
				}
				apart, one := len(u.Credentials) == 1 && len(back.Credentials) == 1, len(u.Credentials) == 2 && back.ID == ""
				if apart == one {
					t.Fatalf("undo %v, call %d of %v: half-way: %+v and %+v", undo, n, calls, u, back)
				}
				if err == nil && one == undo {
					t.Fatalf("undo %v, call %d of %v: no error, and not done", undo, n, calls)
				}
				// The next try, or the next round of the worker, ends well.
				switch err := step(); {
				case err != nil && !errors.Is(err, account.ErrUndoOver):
					t.Fatalf("undo %v, call %d of %v: once more: %v", undo, n, calls, err)
				}
				if u, err = e.store.User(t.Context(), a.ID); err != nil || (len(u.Credentials) == 2) == undo {
					t.Fatalf("undo %v, call %d of %v: in the end %+v, %v", undo, n, calls, u, err)
				}
				for m := range e.store.UserMerges(t.Context(), a.ID) {
					if !m.SettleAt.IsZero() {
						m.SettleAt = time.Now().Add(-time.Minute)
						if err := e.store.SwapMerge(t.Context(), m); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := e.SettleMerges(t.Context(), e.store); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Session(t.Context(), hb.Session); !errors.Is(err, store.ErrNotFound) {
					t.Fatalf("undo %v, call %d of %v: a session goes on: %v", undo, n, calls, err)
				}
				for m := range e.store.PendingMerges(t.Context(), time.Now().Add(time.Hour)) {
					if len(m.Owed) > 0 || m.EndedAt.IsZero() {
						t.Fatalf("undo %v, call %d of %v: not settled: %+v", undo, n, calls, m)
					}
				}
				if n > len(calls) {
					t.Logf("undo %v, after %v: %d calls", undo, after, len(calls))
					break
				}
			}
		}
	}
}

// part is a room that keeps one thing for each user.
type part struct {
	of      map[string]string
	refuses bool
	err     error
}

func (p *part) PlanMerge(_ context.Context, _, absorbed store.User) ([]account.Line, error) {
	switch {
	case p.err != nil:
		return nil, p.err
	case p.refuses:
		return nil, fmt.Errorf("two of a kind: %w", account.ErrMergeRefused)
	case p.of[absorbed.ID] == "":
		return nil, nil
	}
	return []account.Line{{Text: "merge.line.customer", Words: []string{p.of[absorbed.ID]}}}, nil
}

func (p *part) Merge(_ context.Context, m store.Merge) error {
	p.of[m.Survivor], p.of[m.Absorbed] = p.of[m.Absorbed], ""
	return nil
}

func (p *part) Unmerge(_ context.Context, m store.Merge) error {
	p.of[m.Absorbed], p.of[m.Survivor] = p.of[m.Survivor], ""
	return nil
}

func TestMergeParts(t *testing.T) {
	t.Parallel()
	room := &part{of: map[string]string{}}
	e := setUp(t, func(c *account.Config) { c.Merge.Parts = []account.MergePart{room} })
	a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, "", "b@example.com")
	room.of[b.ID] = "a subscription"
	p, err := e.PlanMerge(t.Context(), a.ID, cred(t, "b@example.com"))
	if err != nil || !slices.ContainsFunc(p.Lines, func(l account.Line) bool { return slices.Equal(l.Words, []string{"a subscription"}) }) {
		t.Errorf("plan %+v, %v", p.Lines, err)
	}
	room.refuses = true
	if p, err := e.PlanMerge(t.Context(), a.ID, cred(t, "b@example.com")); err != nil || !p.Refused {
		t.Errorf("plan %+v, %v; want it refused", p, err)
	}
	room.refuses, room.err = false, errDown
	if _, err := e.PlanMerge(t.Context(), a.ID, cred(t, "b@example.com")); !errors.Is(err, errDown) {
		t.Errorf("plan: %v", err)
	}
	room.err = nil
	if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil || room.of[a.ID] != "a subscription" {
		t.Fatalf("merge: %v, %v", err, room.of)
	}
	if err := e.Unmerge(t.Context(), e.mergesOf(t, a.ID)[0].ID, clientA); err != nil || room.of[b.ID] != "a subscription" {
		t.Errorf("undo: %v, %v", err, room.of)
	}
}

// What has become of the credentials since is respected by an undo.
func TestUnmergeLater(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		since func(t *testing.T, e *env, u store.User)
		err   error
		a, b  []string // the credentials afterwards
	}{
		"nothing has happened": {func(*testing.T, *env, store.User) {}, nil, []string{"a@example.com"}, []string{"b1@example.com", "b2@example.com"}},
		"one is given up": {func(t *testing.T, e *env, u store.User) {
			u.Credentials = slices.Delete(u.Credentials, 1, 2)
			e.update(t, u)
		}, nil, []string{"a@example.com"}, []string{"b1@example.com", "b2@example.com"}},
		"one is somebody else's": {func(t *testing.T, e *env, u store.User) {
			u.Credentials = slices.Delete(u.Credentials, 1, 2)
			e.update(t, u)
			e.addUser(t, "", "b1@example.com")
		}, nil, []string{"a@example.com"}, []string{"b2@example.com"}},
		"one has been added": {func(t *testing.T, e *env, u store.User) {
			if _, err := e.AddCredential(t.Context(), u.ID, account.Addition{Client: clientA, Credential: cred(t, "c@example.com")}); err != nil {
				t.Error(err)
			}
		}, nil, []string{"a@example.com", "c@example.com"}, []string{"b1@example.com", "b2@example.com"}},
		"the survivor's own are gone": {func(t *testing.T, e *env, u store.User) {
			u.Credentials = slices.Delete(u.Credentials, 0, 1)
			e.update(t, u)
		}, account.ErrUndoOver, nil, nil},
		"the survivor is deleted": {func(t *testing.T, e *env, u store.User) {
			if err := e.store.DeleteUser(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
		}, account.ErrUndoOver, nil, nil},
		"the survivor is blocked": {func(t *testing.T, e *env, u store.User) {
			if err := e.Block(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
		}, nil, []string{"a@example.com"}, []string{"b1@example.com", "b2@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setUp(t)
			a, b := e.addUser(t, goodPassword, "a@example.com"), e.addUser(t, goodPassword, "b1@example.com", "b2@example.com")
			u, err := e.merge(t.Context(), a, b.Credentials[0])
			if err != nil {
				t.Fatal(err)
			}
			id := e.mergesOf(t, a.ID)[0].ID
			tt.since(t, e, u)
			if err := e.Unmerge(t.Context(), id, clientA); !errors.Is(err, tt.err) {
				t.Fatalf("Unmerge = %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			for id, want := range map[string][]string{a.ID: tt.a, b.ID: tt.b} {
				u, err := e.store.User(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, c := range u.Credentials {
					got = append(got, c.Identity)
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s has %v, want %v", id, got, want)
				}
			}
			if err := e.Unmerge(t.Context(), id, clientA); !errors.Is(err, account.ErrUndoOver) {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestUndoLinkOutlivesARotationOfKeys(t *testing.T) {
	t.Parallel()
	var link account.UndoLink
	note := func(c *account.Config) {
		c.Merge.UndoURL = func(_ store.Client, id, token string) string {
			link = account.UndoLink{ID: id, Token: token}
			return "https://login.example.com/user/unmerge"
		}
	}
	e := setUp(t, note)
	a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, "", "b@example.com")
	if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
		t.Fatal(err)
	}
	for firsts, want := range map[string]error{"ba": nil, "b": account.ErrUndoOver} {
		rotated := setUp(t, func(c *account.Config) { c.Store, c.Keys = e.store, ring(t, []byte(firsts)...) })
		if _, _, err := rotated.PlanUnmerge(t.Context(), link); !errors.Is(err, want) {
			t.Errorf("keys %s: %v, want %v", firsts, err, want)
		}
	}
	if err := e.UnmergeByLink(t.Context(), account.UndoLink{ID: link.ID, Token: link.Token + "A"}, clientA); !errors.Is(err, account.ErrUndoOver) {
		t.Errorf("another token: %v", err)
	}
}
