package account_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// remember starts a series for a new user.
func (e *env) remember(t testing.TB) (userID, cookie string) {
	t.Helper()
	u, err := e.store.UserByCredential(t.Context(), store.Email, "ola@example.com")
	if errors.Is(err, store.ErrNotFound) {
		u, err = e.addUser(t, "", "ola@example.com"), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	cookie, err = e.Remember(t.Context(), account.RememberStart{UserID: u.ID, ClientID: clientA.ID, Agent: "Firefox"})
	if err != nil {
		t.Fatal(err)
	}
	return u.ID, cookie
}

func (e *env) recall(t testing.TB, cookie string) (string, error) {
	t.Helper()
	r, err := e.Recall(t.Context(), clientA.ID, cookie, from(1))
	return r.Cookie, err
}

func (e *env) mustRecall(t testing.TB, cookie string) string {
	t.Helper()
	next, err := e.recall(t, cookie)
	if err != nil {
		t.Fatalf("recall: %v", err)
	}
	return next
}

func TestRemember(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := setUp(t)
	id, cookie := e.remember(t)
	if len(cookie) > 50 || strings.Trim(cookie, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("cookie %q", cookie)
	}
	if got, err := e.Peek(ctx, clientA.ID, cookie); err != nil || got != id {
		t.Errorf("Peek = %q, %v", got, err)
	}
	r, err := e.Recall(ctx, clientA.ID, cookie, from(1))
	if err != nil || r.User.ID != id || r.Cookie == cookie || r.Cookie[:16] != cookie[:16] || r.Series.UserID != id {
		t.Fatalf("Recall = %+v, %v", r, err)
	}
	for i, bad := range []string{
		"", "x", cookie[1:], cookie + "A", strings.Repeat("A", 48), cookie[:47] + "!", "\x00" + cookie[1:], strings.Repeat("x", 1<<20),
	} {
		if _, err := e.Recall(ctx, clientA.ID, bad, from(1)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("damaged cookie %d: %v", i, err)
		}
		if _, err := e.Peek(ctx, clientA.ID, bad); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("peek at damaged cookie %d: %v", i, err)
		}
		if err := e.Forget(ctx, clientA.ID, bad); err != nil {
			t.Errorf("forget damaged cookie %d: %v", i, err)
		}
	}
	// At another client it is nothing, and nothing happens to it.
	if _, err := e.Recall(ctx, clientB.ID, r.Cookie, from(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("at another client: %v", err)
	}
	if err := e.Forget(ctx, clientB.ID, r.Cookie); err != nil {
		t.Error(err)
	}
	if e.mustRecall(t, r.Cookie) == "" {
		t.Error("it has ended")
	}
	if err := e.Forget(ctx, clientA.ID, r.Cookie); err != nil {
		t.Error(err)
	}
	if _, err := e.recall(t, r.Cookie); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after Forget: %v", err)
	}
	// Ticked over an existing cookie: a new series, and the old one ends.
	_, old := e.remember(t)
	next, err := e.Remember(ctx, account.RememberStart{UserID: id, ClientID: clientA.ID, Old: old})
	if err != nil || next[:16] == old[:16] {
		t.Fatalf("%q, %v", next, err)
	}
	if _, err := e.recall(t, old); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old series: %v", err)
	}
	e.mustRecall(t, next)
	// The store has seen no token.
	for s := range e.store.UserSeries(ctx, id) {
		if s.Current != store.DigestOf(e.mustRecall(t, next)[16:]) && s.Previous != store.DigestOf(next[16:]) {
			t.Errorf("series %+v", s)
		}
	}
}

// TestRotation walks the rule: what each generation of token is worth, and when.
func TestRotation(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps func(t *testing.T, e *env, t0 string)
	}{
		{"each presentation rotates", func(t *testing.T, e *env, t0 string) {
			seen := []string{t0}
			for range 20 {
				next := e.mustRecall(t, seen[len(seen)-1])
				if slices.Contains(seen, next) {
					t.Fatal("no new token")
				}
				seen = append(seen, next)
				time.Sleep(31 * time.Second)
			}
		}},
		{"aborted navigation: the answer never arrives", func(t *testing.T, e *env, t0 string) {
			seen := []string{e.mustRecall(t, t0)}
			for range 10 {
				time.Sleep(24 * time.Hour)
				next := e.mustRecall(t, t0)
				if slices.Contains(seen, next) {
					t.Fatal("handed out a token that was given up")
				}
				seen = append(seen, next)
			}
			e.mustRecall(t, seen[10])
		}},
		{"a token that was given up is theft", func(t *testing.T, e *env, t0 string) {
			lost := e.mustRecall(t, t0)
			time.Sleep(30 * time.Second)
			e.wantTheft(t, lost, e.mustRecall(t, t0))
		}},
		{"so is the predecessor when one took its place", func(t *testing.T, e *env, t0 string) {
			e.mustRecall(t, t0)
			time.Sleep(time.Hour)
			t1 := e.mustRecall(t, t0)
			e.mustRecall(t, t1)
			time.Sleep(30 * time.Second)
			e.wantTheft(t, t0, t1)
		}},
		{"given up 20 s after it was handed out, at the earliest", func(t *testing.T, e *env, t0 string) {
			t1 := e.mustRecall(t, t0)
			for range 50 {
				time.Sleep(20*time.Second - time.Millisecond)
				if got := e.mustRecall(t, t0); got != t1 {
					t.Fatal("another successor")
				}
			}
			e.mustRecall(t, t1)
		}},
		{"a predecessor passes for 30 s after its successor was presented", func(t *testing.T, e *env, t0 string) {
			t1 := e.mustRecall(t, t0)
			time.Sleep(time.Hour)
			t2 := e.mustRecall(t, t1)
			time.Sleep(30*time.Second - time.Millisecond)
			if got := e.mustRecall(t, t0); got != t2 {
				t.Error("the older token is not answered with the newest")
			}
			time.Sleep(time.Millisecond)
			e.wantTheft(t, t0, t2)
		}},
		{"the predecessor's predecessor is theft", func(t *testing.T, e *env, t0 string) {
			t1 := e.mustRecall(t, t0)
			t2 := e.mustRecall(t, t1)
			time.Sleep(31 * time.Second)
			t3 := e.mustRecall(t, t2)
			e.wantTheft(t, t0, t3)
		}},
		{"not rotated while three generations would pass", func(t *testing.T, e *env, t0 string) {
			t1 := e.mustRecall(t, t0)
			t2 := e.mustRecall(t, t1) // t0 passes for 30 s
			time.Sleep(10 * time.Second)
			if got := e.mustRecall(t, t2); got != t2 {
				t.Error("rotated")
			}
			if e.mustRecall(t, t0) != t2 || e.mustRecall(t, t1) != t2 {
				t.Error("not answered with the current token")
			}
			time.Sleep(20 * time.Second)
			if got := e.mustRecall(t, t2); got == t2 {
				t.Error("not rotated when the grace was over")
			}
		}},
		{"presented within a grace counts", func(t *testing.T, e *env, t0 string) {
			t1 := e.mustRecall(t, t0)
			t2 := e.mustRecall(t, t1)
			e.mustRecall(t, t2) // no rotation, but presented
			time.Sleep(30*time.Second - time.Millisecond)
			e.mustRecall(t, t1)
			time.Sleep(time.Millisecond)
			e.wantTheft(t, t1, t2)
		}},
		{"a thief comes first", func(t *testing.T, e *env, t0 string) {
			stolen := e.mustRecall(t, e.mustRecall(t, t0))
			time.Sleep(time.Minute)
			e.mustRecall(t, stolen)
			e.wantTheft(t, t0, stolen)
		}},
		{"a made-up token of a real series", func(t *testing.T, e *env, t0 string) {
			e.wantTheft(t, t0[:16]+strings.Repeat("A", 32), t0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := setUp(t)
				_, t0 := e.remember(t)
				c.steps(t, e, t0)
			})
		})
	}
}

// wantTheft presents a stolen token, and holds that the series ends for all.
func (e *env) wantTheft(t *testing.T, stolen, current string) {
	t.Helper()
	if _, err := e.Peek(t.Context(), clientA.ID, stolen); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("peek at a stolen token: %v", err)
	}
	if e.noticed(account.NoticeRememberTheft) != 0 {
		t.Error("theft before it happened")
	}
	if _, err := e.recall(t, stolen); !errors.Is(err, account.ErrTheft) {
		t.Errorf("stolen token: %v, want ErrTheft", err)
	}
	if e.noticed(account.NoticeRememberTheft) != 1 {
		t.Error("the observer was not told")
	}
	for _, c := range []string{stolen, current} {
		if _, err := e.recall(t, c); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after theft: %v", err)
		}
	}
}

func TestSeriesExpires(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		gap  time.Duration
		uses int
		then time.Duration
		live bool
	}{
		{"unused for almost 90 days", 0, 0, 90*day - time.Second, true},
		{"unused for 90 days", 0, 0, 90 * day, false},
		{"used each 80 days", 80 * day, 4, 44 * day, true},              // day 364
		{"used each 80 days, for a year", 80 * day, 4, 45 * day, false}, // day 365
		{"used each hour, then not", time.Hour, 50, 90*day - time.Second, true},
		{"used each hour, then not for 90 days", time.Hour, 50, 90 * day, false},
	} {
		for _, aborted := range []bool{false, true} { // the answer may never arrive
			synctest.Test(t, func(t *testing.T) {
				e := setUp(t)
				_, cookie := e.remember(t)
				for range c.uses {
					time.Sleep(c.gap)
					if next := e.mustRecall(t, cookie); !aborted {
						cookie = next
					}
				}
				// Uses of a token that was not rotated are written down once a day.
				then := c.then
				if aborted && c.uses > 10 && c.live {
					then -= day
				}
				time.Sleep(then)
				if _, err := e.recall(t, cookie); (err == nil) != c.live {
					t.Errorf("%s (aborted %v): %v, want live %v", c.name, aborted, err, c.live)
				}
			})
		}
	}
}

// TestBrowserModel drives a browser with tabs that open together, answers that
// arrive late, in any order or never, and pauses from none to days: an honest
// user is never logged out. A copy of the cookie that the browser has moved on
// from is always found out.
func TestBrowserModel(t *testing.T) {
	for seed := range uint64(*soakRounds) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			e := setUp(t)
			_, jar := e.remember(t)
			type answer struct {
				arrives time.Time
				cookie  string
			}
			var copies []string // what a thief could have taken, with how old it is
			for step := range 30 {
				copies = append(copies, jar)
				var flying []answer
				for range 1 + r.IntN(4) { // tabs that present what is in the jar
					next, err := e.recall(t, jar)
					if err != nil {
						t.Fatalf("seed %d, step %d: honest user: %v", seed, step, err)
					}
					if r.IntN(4) > 0 { // else the navigation was aborted
						flying = append(flying, answer{time.Now().Add(time.Duration(r.IntN(10000)) * time.Millisecond), next})
					}
					if r.IntN(2) == 0 {
						time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
					}
				}
				r.Shuffle(len(flying), func(i, j int) { flying[i], flying[j] = flying[j], flying[i] })
				for _, a := range flying {
					time.Sleep(time.Until(a.arrives))
					jar = a.cookie
				}
				time.Sleep([]time.Duration{0, time.Second, 29 * time.Second, time.Minute, 20 * time.Minute, 25 * time.Hour}[r.IntN(6)])
			}
			if n := e.noticed(account.NoticeRememberTheft); n != 0 {
				t.Fatalf("seed %d: %d thefts that were none", seed, n)
			}
			// Move on for certain, then the thief comes with an old copy.
			for range 3 {
				time.Sleep(31 * time.Second)
				jar = e.mustRecall(t, jar)
			}
			time.Sleep(31 * time.Second)
			if _, err := e.recall(t, copies[r.IntN(len(copies))]); !errors.Is(err, account.ErrTheft) {
				t.Fatalf("seed %d: a copy: %v", seed, err)
			}
			if _, err := e.recall(t, jar); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("seed %d: the series goes on: %v", seed, err)
			}
		})
	}
}

// TestTrailingThief: a copy that is used once after each visit of the owner, so
// that it is never more than a generation behind, is found out at her next one.
func TestTrailingThief(t *testing.T) {
	for _, first := range []string{"owner", "thief"} {
		synctest.Test(t, func(t *testing.T) {
			e := setUp(t)
			_, owner := e.remember(t)
			thief := owner
			if first == "thief" {
				thief = e.mustRecall(t, thief)
				time.Sleep(time.Hour)
			}
			visits := 0
			for ; visits < 60; visits++ {
				var err error
				if owner, err = e.recall(t, owner); err != nil {
					break
				}
				time.Sleep(6 * time.Hour)
				if thief, err = e.recall(t, thief); err != nil {
					break
				}
				time.Sleep(18 * time.Hour)
			}
			if visits > 1 || e.noticed(account.NoticeRememberTheft) != 1 {
				t.Errorf("the %s first: %d visits and %d thefts", first, visits, e.noticed(account.NoticeRememberTheft))
			}
		})
	}
}

// TestRecallRace: 64 callers who present one token at once get the same answer,
// and one successor is stored; in every generation.
func TestRecallRace(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, "", "ola@example.com")
	race := func(round int, tokens ...string) string {
		answers := make([]string, 64)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				r, err := e.Recall(t.Context(), clientA.ID, tokens[i%len(tokens)], from(1))
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				answers[i] = r.Cookie
			})
		}
		wg.Wait()
		if c := slices.Compact(answers); len(c) != 1 {
			t.Fatalf("round %d: %d different answers", round, len(c))
		}
		return answers[0]
	}
	for round := range *soakRounds {
		_, t0 := e.remember(t)
		t1 := race(round, t0)
		t2 := race(round, t1)
		if got := race(round, t0, t1, t2); got != t2 {
			t.Fatalf("round %d: all generations together: another answer", round)
		}
		s, err := e.store.Series(t.Context(), t0[:16])
		if err != nil {
			t.Fatal(err)
		}
		// Created, rotated, rotated, marked as presented: nothing else was stored.
		if s.Version != 4 || s.Current != store.DigestOf(t2[16:]) || s.Previous != store.DigestOf(t1[16:]) || s.Older != store.DigestOf(t0[16:]) {
			t.Fatalf("round %d: version %d", round, s.Version)
		}
		// All of them again much later, when nobody has presented what they got.
		_, t0 = e.remember(t)
		t1 = race(round, t0)
		if s, err = e.store.Series(t.Context(), t0[:16]); err != nil {
			t.Fatal(err)
		}
		s.RotatedAt = s.RotatedAt.Add(-time.Hour)
		if err := e.store.SwapSeries(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		next := race(round, t0)
		if s, err = e.store.Series(t.Context(), t0[:16]); err != nil {
			t.Fatal(err)
		}
		if next == t1 || s.Version != 4 || s.Lost != 1 || s.Current != store.DigestOf(next[16:]) || s.Previous != store.DigestOf(t0[16:]) {
			t.Fatalf("round %d: given up %d times, version %d", round, s.Lost, s.Version)
		}
		for _, c := range []string{t0, t2} {
			if err := e.Forget(t.Context(), clientA.ID, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := e.noticed(account.NoticeRememberTheft); n != 0 {
		t.Errorf("%d thefts that were none", n)
	}
}

func TestRecallOfUserWhoIsGone(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	id, cookie := e.remember(t)
	if err := e.store.DeleteUser(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := e.recall(t, cookie); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("recall: %v", err)
	}
	if _, err := e.store.Series(t.Context(), cookie[:16]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("series: %v", err)
	}
}

func TestRecallOverKeyRotation(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	with := func(r *keys.Ring) *env {
		e := setUp(t, func(c *account.Config) { c.Store, c.Keys = st, r })
		e.store = st
		return e
	}
	before, after, without := with(ring(t, 'a')), with(ring(t, 'b', 'a')), with(ring(t, 'b'))
	_, t0 := before.remember(t)
	t1 := before.mustRecall(t, t0)
	if got := after.mustRecall(t, t0); got != t1 {
		t.Error("another successor under a newer key")
	}
	t2 := after.mustRecall(t, t1)
	if got := after.mustRecall(t, t0); got != t2 {
		t.Error("over both keys: not the newest token")
	}
	if got := without.mustRecall(t, t0); got != t0 && got != t2 {
		t.Error("without the old key: a token that nobody stored")
	}
	if got := without.mustRecall(t, t1); got != t2 {
		t.Error("without the old key: another successor")
	}
}

// TestPeekWritesNothing: an anonymous look has no effect, however often.
func TestPeekWritesNothing(t *testing.T) {
	t.Parallel()
	spy := &spyStore{}
	e := setUp(t, func(c *account.Config) { spy.Store, c.Store = c.Store, spy })
	_, cookie := e.remember(t)
	spy.reset()
	for range 3 {
		if _, err := e.Peek(context.Background(), clientA.ID, cookie); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(spy.calls, " "); got != "Series Series Series" {
		t.Errorf("store calls: %s", got)
	}
}
