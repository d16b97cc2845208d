package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// hookStore does something right before a record is stored.
type hookStore struct {
	account.Store
	before func()
}

func (s *hookStore) fire() {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
}

func (s *hookStore) ReplaceSession(ctx context.Context, old store.Digest, x store.Session) error {
	s.fire()
	return s.Store.ReplaceSession(ctx, old, x)
}

func (s *hookStore) CreateSession(ctx context.Context, x store.Session) error {
	s.fire()
	return s.Store.CreateSession(ctx, x)
}

func (s *hookStore) CreateSeries(ctx context.Context, x store.Series) error {
	s.fire()
	return s.Store.CreateSeries(ctx, x)
}

func (s *hookStore) SwapSeries(ctx context.Context, x store.Series) error {
	s.fire()
	return s.Store.SwapSeries(ctx, x)
}

// what is there of the user: sessions and series.
func (e *env) what(t *testing.T, userID string) (sessions, series int) {
	t.Helper()
	for range e.store.UserSessions(t.Context(), userID) {
		sessions++
	}
	for range e.store.UserSeries(t.Context(), userID) {
		series++
	}
	return sessions, series
}

// TestProofEndsWithTheEpoch: whatever was proven before a new password, a block
// or a takeover is worth nothing after it, wherever it was under way.
func TestProofEndsWithTheEpoch(t *testing.T) {
	t.Parallel()
	const address = "ola@example.com"
	ends := map[string]func(t *testing.T, e *env, u store.User) error{
		"new password": func(t *testing.T, e *env, u store.User) error {
			_, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Epoch: u.Epoch, Client: clientA})
			return err
		},
		"new password, other sessions kept": func(t *testing.T, e *env, u store.User) error {
			_, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Epoch: u.Epoch, KeepAll: true, Client: clientA})
			return err
		},
		"block and unblock": func(t *testing.T, e *env, u store.User) error {
			return errors.Join(e.Block(t.Context(), u.ID), e.Unblock(t.Context(), u.ID))
		},
		"takeover": func(t *testing.T, e *env, u store.User) error {
			u.Credentials[0].VerifiedAt = time.Time{}
			e.update(t, u)
			if err := e.send(t, address, from(7)); err != nil {
				return err
			}
			_, err := e.try(t, address, e.lastCode(t), from(7))
			return err
		},
	}
	for how, end := range ends {
		for what, act := range map[string]func(t *testing.T, e *env, u store.User, cookie string) error{
			"a session": func(t *testing.T, e *env, u store.User, _ string) error {
				h, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Epoch: u.Epoch, Fresh: true})
				if h != (account.Handles{}) {
					t.Errorf("handles %+v", h)
				}
				return err
			},
			"a session in place of another": func(t *testing.T, e *env, u store.User, _ string) error {
				_, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Epoch: u.Epoch, Replace: store.DigestOf("old")})
				return err
			},
			"remember-me": func(t *testing.T, e *env, u store.User, _ string) error {
				_, err := e.Remember(t.Context(), account.RememberStart{UserID: u.ID, Epoch: u.Epoch, ClientID: clientA.ID})
				return err
			},
			"a remembered session": func(t *testing.T, e *env, _ store.User, cookie string) error {
				r, err := e.Recall(t.Context(), clientA.ID, cookie, from(1))
				if err == nil { // presented in time: then the session comes too late
					_, _, err = e.StartSession(t.Context(), account.SessionStart{UserID: r.User.ID, Epoch: r.User.Epoch})
				}
				if errors.Is(err, store.ErrNotFound) {
					err = account.ErrUserGone
				}
				return err
			},
			"a password": func(t *testing.T, e *env, u store.User, _ string) error {
				e.hook.fire() // nothing is stored before the password itself
				_, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "tyvens egen frase", Epoch: u.Epoch, Client: clientA})
				return err
			},
		} {
			t.Run(what+" after "+how, func(t *testing.T) {
				t.Parallel()
				hook := &hookStore{}
				e := setUp(t, func(c *account.Config) { hook.Store, c.Store = c.Store, hook })
				e.hook = hook
				u := e.addUser(t, goodPassword, address)
				_, cookie := e.remember(t)
				proven, err := e.VerifyPassword(t.Context(), account.PasswordAttempt{
					Client: clientA, Credential: cred(t, address), Password: goodPassword, Origin: from(1),
				})
				if err != nil || proven.Epoch != u.Epoch {
					t.Fatalf("%+v, %v", proven, err)
				}
				hook.before = func() {
					if err := end(t, e, u); err != nil {
						t.Error(err)
					}
				}
				if err := act(t, e, proven, cookie); !errors.Is(err, account.ErrUserGone) {
					t.Errorf("got %v, want ErrUserGone", err)
				}
				if hook.before != nil {
					t.Error("nothing came in between")
				}
				if sessions, series := e.what(t, u.ID); sessions+series > 0 {
					t.Errorf("%d sessions and %d series outlive it", sessions, series)
				}
				if now, err := e.store.User(t.Context(), u.ID); err != nil || now.Epoch != u.Epoch+1 {
					t.Errorf("epoch %d, %v; want %d", now.Epoch, err, u.Epoch+1)
				}
			})
		}
	}
}

// TestSeriesOfAnEarlierEpoch: a series that its end has not reached, as when the
// store failed then, logs nobody in.
func TestSeriesOfAnEarlierEpoch(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	id, cookie := e.remember(t)
	u, err := e.store.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	u.Epoch++
	e.update(t, u)
	if _, err := e.recall(t, cookie); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("recall: %v", err)
	}
	if _, series := e.what(t, id); series > 0 {
		t.Error("the series is kept")
	}
}

// TestCodeOfAnEarlierEpoch: a code that was sent before everything ended is
// wrong after it, also when it was not dropped.
func TestCodeOfAnEarlierEpoch(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola@example.com")
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	u.Epoch++
	e.update(t, u)
	if p, err := e.try(t, "ola@example.com", e.lastCode(t), from(1)); !errors.Is(err, account.ErrWrong) || p.Exists {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestOrderOfEnds: the epoch is raised before anything ends, and what makes
// other things ends before them.
func TestOrderOfEnds(t *testing.T) {
	t.Parallel()
	spy := &spyStore{}
	e := setUp(t, func(c *account.Config) { spy.Store, c.Store = c.Store, spy })
	u := e.addUser(t, goodPassword, "ola@example.com")
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"new password", func() error {
			_, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Epoch: u.Epoch, Client: clientA})
			return err
		}},
		{"block", func() error { return e.Block(t.Context(), u.ID) }},
	} {
		spy.reset()
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(slices.DeleteFunc(spy.calls, func(call string) bool { return call == "User" || call == "Add" }), " ")
		if want := "UpdateUser EndUserSeries EndUserSessions DropOneTimeCodes DropUserTickets RevokeUserGrants"; got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}
