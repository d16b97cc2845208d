package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// newPasswords are the two places at which passwords are chosen.
func newPasswords(t *testing.T, e *env) map[string]func(password string) error {
	u := e.addUser(t, "", "ola@example.com")
	return map[string]func(password string) error{
		"new user": func(password string) error {
			_, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: cred(t, "kari@example.com"), Password: password})
			return err
		},
		"new password": func(password string) error {
			_, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: password, Client: clientA, Used: cred(t, "ola@example.com")})
			return err
		},
	}
}

func TestBreachedPassword(t *testing.T) {
	t.Parallel()
	const breached = "correct horse battery"
	for _, which := range []string{"new user", "new password"} {
		var asked []string
		e := setUp(t, func(c *account.Config) {
			c.Passwords.Breached = func(ctx context.Context, password string) (bool, error) {
				asked = append(asked, password)
				if end, ok := ctx.Deadline(); !ok || time.Until(end) > 2*time.Second {
					t.Error("the hook has more than 2 seconds")
				}
				return password == breached, nil
			}
		})
		choose := newPasswords(t, e)[which]
		hashed := e.PoolStats().Hashed
		if err := choose("password"); !errors.Is(err, account.ErrPasswordCommon) || len(asked) != 0 {
			t.Errorf("%s: a common password: %v, asked about %q", which, err, asked)
		}
		if err := choose(breached); !errors.Is(err, account.ErrPasswordBreached) || e.PoolStats().Hashed != hashed {
			t.Errorf("%s: a breached password: %v, %d hashes", which, err, e.PoolStats().Hashed-hashed)
		}
		if n := e.noticed(account.NoticePasswordBreached); n != 1 {
			t.Errorf("%s: %d notices", which, n)
		}
		if _, err := e.store.UserByCredential(t.Context(), store.Email, "kari@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: an account was made: %v", which, err)
		}
		if err := choose("bla\u030abærsyltetøy"); err != nil || asked[len(asked)-1] != "blåbærsyltetøy" {
			t.Errorf("%s: a good password: %v, asked about %q", which, err, asked)
		}
	}
}

// When the hook does not answer, the password is accepted with a notice, or
// refused, as configured; in 2 seconds either way.
func TestBreachedUnchecked(t *testing.T) {
	for name, hook := range map[string]func(context.Context, string) (bool, error){
		"fails":  func(_ context.Context, p string) (bool, error) { return true, fmt.Errorf("no route for %q", p) },
		"panics": func(context.Context, string) (bool, error) { panic("oops") },
		"frozen": func(context.Context, string) (bool, error) { time.Sleep(time.Minute); return true, nil },
		"slow": func(ctx context.Context, _ string) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		},
	} {
		for _, refuse := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", refuse ", refuse), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := setUp(t, func(c *account.Config) { c.Passwords.Breached, c.Passwords.RefuseUnchecked = hook, refuse })
					for which, choose := range newPasswords(t, e) {
						start := time.Now()
						err := choose(goodPassword)
						if (err != nil) != refuse || errors.Is(err, account.ErrPasswordBreached) {
							t.Errorf("%s: %v", which, err)
						}
						if took := time.Since(start); took > 2*time.Second {
							t.Errorf("%s: %v", which, took)
						}
						if err != nil && strings.Contains(err.Error(), goodPassword) {
							t.Errorf("%s: the error quotes the password: %v", which, err)
						}
					}
					if n := e.noticed(account.NoticeBreachUnchecked); n != 2 {
						t.Errorf("%d notices", n)
					}
					if strings.Contains(e.log.String(), goodPassword) {
						t.Error("the log quotes the password")
					}
					time.Sleep(2 * time.Minute) // until the frozen ones are over
				})
			})
		}
	}
}

// A caller who has gone away is no reason to accept anything.
func TestBreachedCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := setUp(t, func(c *account.Config) {
		c.Passwords.Breached = func(ctx context.Context, _ string) (bool, error) { cancel(); return false, ctx.Err() }
	})
	_, err := e.CreateUser(ctx, account.NewUser{Client: clientA, Credential: cred(t, "kari@example.com"), Password: goodPassword})
	if !errors.Is(err, context.Canceled) || e.noticed(account.NoticeBreachUnchecked) != 0 {
		t.Errorf("%v, %d notices", err, e.noticed(account.NoticeBreachUnchecked))
	}
}
