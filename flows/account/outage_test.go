package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// answers are the errors that tell a reader something. An outage is none of them.
var answers = []error{
	account.ErrWrong, account.ErrExpired, account.ErrTheft, account.ErrUserGone, account.ErrUndeliverable,
	account.ErrPasswordCommon, store.ErrNotFound, store.ErrConflict,
}

// TestOutage lets the store fail at each call of each operation, before and
// after the call has happened: the operation fails, it gives no answer, and it
// works again when the store does.
func TestOutage(t *testing.T) {
	t.Parallel()
	type world struct {
		*env
		spy    *spyStore
		user   store.User
		sess   store.Session
		h      account.Handles
		cookie string
		code   string
	}
	for name, op := range map[string]struct {
		do    func(ctx context.Context, w *world) error
		again error // what the operation gives when it is repeated after a call that happened: nil, or an answer
	}{
		"VerifyPassword": {do: func(ctx context.Context, w *world) error {
			_, err := w.VerifyPassword(ctx, account.PasswordAttempt{Client: clientA, Credential: cred(t, "ola@example.com"), Password: goodPassword, Origin: from(1)})
			return err
		}},
		"SendCode": {do: func(ctx context.Context, w *world) error {
			return w.SendCode(ctx, account.CodeRequest{Client: clientA, Credential: cred(t, "kari@example.com"), Purpose: account.PurposeLogin, Origin: from(1)})
		}},
		"VerifyCode": {do: func(ctx context.Context, w *world) error {
			_, err := w.VerifyCode(ctx, account.CodeAttempt{Client: clientA, Credential: cred(t, "ola@example.com"), Purpose: account.PurposeLogin, Origin: from(1), Code: w.code})
			return err
		}, again: account.ErrExpired},
		"CreateUser": {do: func(ctx context.Context, w *world) error {
			_, err := w.CreateUser(ctx, account.NewUser{Client: clientA, Credential: cred(t, "kari@example.com")})
			return err
		}, again: account.ErrTaken},
		"SetPassword": {do: func(ctx context.Context, w *world) error {
			u, err := w.SetPassword(ctx, w.user, account.PasswordChange{
				Client: clientA, Password: "en helt ny frase", Epoch: w.user.Epoch, Used: cred(t, "ola@example.com"),
			})
			if u.ID != "" {
				w.user = u
			}
			return err
		}, again: account.ErrUserGone},
		"Block": {do: func(ctx context.Context, w *world) error { return w.Block(ctx, w.user.ID) }},
		"StartSession": {do: func(ctx context.Context, w *world) error {
			h, _, err := w.StartSession(ctx, account.SessionStart{UserID: w.user.ID, Replace: w.sess.Handle})
			if err != nil && h != (account.Handles{}) {
				t.Error("a handle beside an error")
			}
			return err
		}},
		"Session":      {do: func(ctx context.Context, w *world) error { _, err := w.Session(ctx, w.h.Session); return err }},
		"CheckSession": {do: func(ctx context.Context, w *world) error { _, err := w.CheckSession(ctx, w.h.Check); return err }},
		"Touch": {do: func(ctx context.Context, w *world) error {
			sess := w.sess
			sess.UsedAt = sess.UsedAt.Add(-time.Hour)
			return w.Touch(ctx, &sess)
		}},
		"EndSession": {do: func(ctx context.Context, w *world) error { return w.EndSession(ctx, w.sess.Handle) }},
		"Remember": {do: func(ctx context.Context, w *world) error {
			c, err := w.Remember(ctx, account.RememberStart{UserID: w.user.ID, ClientID: clientA.ID, Old: w.cookie})
			if err != nil && c != "" {
				t.Error("a cookie beside an error")
			}
			return err
		}},
		"Recall": {do: func(ctx context.Context, w *world) error {
			r, err := w.Recall(ctx, clientA.ID, w.cookie, from(1))
			if err != nil && r.Cookie != "" {
				t.Error("a cookie beside an error")
			}
			return err
		}},
		"Peek":   {do: func(ctx context.Context, w *world) error { _, err := w.Peek(ctx, clientA.ID, w.cookie); return err }},
		"Forget": {do: func(ctx context.Context, w *world) error { return w.Forget(ctx, clientA.ID, w.cookie) }},
	} {
		for _, mode := range []string{"from there on", "from there on, after it happened", "once"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				open := func() *world {
					w := &world{spy: &spyStore{after: strings.Contains(mode, "after"), once: mode == "once"}}
					w.env = setUp(t, func(c *account.Config) { w.spy.Store, c.Store = c.Store, w.spy })
					w.user = w.addUser(t, goodPassword, "ola@example.com")
					var err error
					if w.h, w.sess, err = w.StartSession(t.Context(), account.SessionStart{UserID: w.user.ID}); err != nil {
						t.Fatal(err)
					}
					_, w.cookie = w.remember(t)
					if err := w.send(t, "ola@example.com", from(1)); err != nil {
						t.Fatal(err)
					}
					w.code = w.lastCode(t)
					w.spy.reset()
					return w
				}
				w := open()
				if err := op.do(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				calls := w.spy.calls
				if len(calls) == 0 {
					t.Fatal("no call reached the store")
				}
				for i, call := range calls {
					w := open()
					w.spy.failAt = i + 1
					err := op.do(t.Context(), w)
					// What is given back stays raised; what others are told is extra.
					failing := calls[i:]
					if mode == "once" {
						failing = calls[i : i+1]
					}
					tolerated := !slices.ContainsFunc(failing, func(call string) bool {
						return call != "GiveBack" && !(call == "Add" && name == "SetPassword")
					})
					if (err == nil) != tolerated {
						t.Errorf("%s fails as call %d: %v, tolerated %v", call, i+1, err, tolerated)
					}
					for _, a := range answers {
						if errors.Is(err, a) {
							t.Errorf("%s fails at call %d: %v tells the reader something", call, i+1, err)
						}
					}
					w.spy.reset()
					if err := op.do(t.Context(), w); err != nil && !errors.Is(err, op.again) {
						t.Errorf("after %s failed at call %d: %v", call, i+1, err)
					}
				}
				cancelled, cancel := context.WithCancel(t.Context())
				cancel()
				if err := op.do(cancelled, open()); !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled: %v", err)
				}
			})
		}
	}
}

// TestFrozenSender: a provider that does not answer is given up after 4 s.
func TestFrozenSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) {
			c.Sender = message.SenderFunc(func(ctx context.Context, m message.Message) error {
				<-ctx.Done()
				return ctx.Err()
			})
		})
		start := time.Now()
		if err := e.send(t, "ola@example.com", from(1)); !errors.Is(err, account.ErrUndeliverable) {
			t.Errorf("frozen: %v", err)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("given up after %v", took)
		}
		// The notice of a changed password holds nobody up for longer, and the change stands.
		u := e.addUser(t, goodPassword, "ola@example.com", "40612345", "41612345")
		start = time.Now()
		if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Client: clientA}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("all notices took %v", took)
		}
	})
}

// TestUnansweredMessagesCount: whether a message that the provider did not answer
// for was sent, nobody knows; one that it refused was not.
func TestUnansweredMessagesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frozen, asked := true, 0
		e := setUp(t, func(c *account.Config) {
			c.Sender = message.SenderFunc(func(ctx context.Context, m message.Message) error {
				if asked++; !frozen {
					return errors.New("550 refused")
				}
				<-ctx.Done()
				return fmt.Errorf("post: %w", ctx.Err())
			})
		})
		for range 8 {
			e.send(t, "ola@example.com", from(1))
		}
		if asked != 5 {
			t.Errorf("a provider that does not answer was asked %d times, want 5", asked)
		}
		frozen, asked = false, 0
		for range 8 {
			e.send(t, "kari@example.com", from(2))
		}
		if asked != 8 {
			t.Errorf("a provider that refuses was asked %d times, want 8", asked)
		}
	})
}

// TestNothingLeaks walks through a life of an account and searches what was
// logged and told for anything that should not be there.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	broken := &brokenSender{}
	e := setUp(t, func(c *account.Config) {
		broken.next, c.Sender = c.Sender, broken
		c.Limits.PasswordsPerAccount.N = 2
	})
	u := e.addUser(t, goodPassword, "ola.secret@example.com", "40612345")
	for range 4 {
		e.login(t, "ola.secret@example.com", "a wrong secret", from(1))
	}
	if err := e.send(t, "40612345", from(1)); err != nil {
		t.Fatal(err)
	}
	code := e.lastCode(t)
	if _, err := e.try(t, "40612345", wrongCode(code), from(1)); !errors.Is(err, account.ErrWrong) {
		t.Fatal(err)
	}
	h, sess, err := e.StartSession(ctx, account.SessionStart{UserID: u.ID})
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := e.Remember(ctx, account.RememberStart{UserID: u.ID, ClientID: clientA.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.recall(t, cookie[:16]+strings.Repeat("A", 32)); !errors.Is(err, account.ErrTheft) {
		t.Fatal(err)
	}
	broken.down = true
	e.send(t, "ola.secret@example.com", from(2))
	e.send(t, "40612345", from(2))
	if _, err := e.SetPassword(ctx, u, account.PasswordChange{Password: "en helt ny frase", Client: clientA}); err != nil {
		t.Fatal(err)
	}
	if err := e.Block(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	seen := e.log.String()
	for _, n := range e.notices {
		seen += fmt.Sprintf("%+v\n", n)
	}
	for _, secret := range []string{
		goodPassword, "a wrong secret", "en helt ny frase", "ola.secret", "40612345", "4061234", code,
		h.Session, h.Check, cookie, cookie[16:], sess.Handle.String(), u.PasswordHash, "192.0.2.",
	} {
		if strings.Contains(seen, secret) {
			t.Errorf("%q stands in\n%s", secret, seen)
		}
	}
	for _, want := range []account.NoticeKind{
		account.NoticeUserCreated, account.NoticePasswordWrong, account.NoticeLimited, account.NoticeCodeSent, account.NoticeCodeWrong,
		account.NoticeRememberTheft, account.NoticeSendFailed, account.NoticePasswordChanged, account.NoticeBlocked,
	} {
		if e.noticed(want) == 0 {
			t.Errorf("no notice %s", want)
		}
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := account.New(account.Config{
		Limits:      account.Limits{CodesPerAccount: account.Budget{N: -1}, SendsOverall: account.Budget{Window: -1}},
		Lifetimes:   account.Lifetimes{Code: -1},
		Passwords:   account.Passwords{Memory: 1, Passes: 1000, Workers: -1, Wait: -1, Verifiers: []account.Verifier{nil}},
		SendTimeout: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"missing Store", "missing Keys", "missing Composer", "missing Sender", "CodesPerAccount", "SendsOverall", "Lifetimes.Code",
		"Passwords.Memory", "Passwords.Passes", "Passwords.Workers", "Passwords.Wait", "nil Verifier", "SendTimeout",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}
