package account_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// limitOf returns the limit that the error names, and "" for any other error.
func limitOf(err error) account.Limit {
	if l, ok := errors.AsType[*account.LimitedError](err); ok {
		return l.Limit
	}
	return ""
}

// fromNet is somebody at an address of his own.
func fromNet(i int) account.Origin {
	o := from(1)
	o.Address = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return o
}

// TestLimits crosses each limit, and waits until it ends by itself.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		limit  account.Limit
		budget int
		window time.Duration
		// attempt is the i-th attempt that counts against the limit and against
		// no other that is reached first.
		attempt func(t *testing.T, e *env, i int) error
		each    error // what attempts within the budget give
	}{
		{account.LimitPasswordAccount, 10, 15 * time.Minute, func(t *testing.T, e *env, i int) error {
			spelling := []string{"ola@example.com", "OLA@example.com", " Ola@EXAMPLE.com"}[i%3]
			return e.login(t, spelling, "wrong password", fromNet(i))
		}, account.ErrWrong},
		{account.LimitPasswordAccount, 10, 15 * time.Minute, func(t *testing.T, e *env, i int) error {
			return e.login(t, "unknown@example.com", "wrong password", fromNet(i))
		}, account.ErrWrong},
		{account.LimitPasswordAddress, 100, time.Hour, func(t *testing.T, e *env, i int) error {
			return e.login(t, fmt.Sprintf("user%d@example.com", i), "wrong password", from(1))
		}, account.ErrWrong},
		{account.LimitPasswordDevice, 10, 15 * time.Minute, func(t *testing.T, e *env, i int) error {
			o := fromNet(i)
			o.Device = e.device
			return e.login(t, "ola@example.com", "wrong password", o)
		}, account.ErrWrong},
		{account.LimitCodeAccount, 10, 24 * time.Hour, func(t *testing.T, e *env, i int) error {
			return e.guess(t, []string{"ola@example.com", "Ola@Example.com"}[i%2], i, "")
		}, account.ErrWrong},
		{account.LimitCodeAccount, 10, 24 * time.Hour, func(t *testing.T, e *env, i int) error {
			return e.guess(t, "unknown@example.com", i, "")
		}, account.ErrWrong},
		{account.LimitCodeDevice, 10, 24 * time.Hour, func(t *testing.T, e *env, i int) error {
			return e.guess(t, "ola@example.com", i, e.device)
		}, account.ErrWrong},
		{account.LimitSendCredential, 5, time.Hour, func(t *testing.T, e *env, i int) error {
			return e.send(t, []string{"40612345", "+47 40 61 23 45"}[i%2], fromNet(i))
		}, nil},
		{account.LimitSendDevice, 5, time.Hour, func(t *testing.T, e *env, i int) error {
			o := fromNet(i)
			o.Device = e.device
			return e.send(t, "ola@example.com", o)
		}, nil},
		{account.LimitSendAddress, 20, time.Hour, func(t *testing.T, e *env, i int) error {
			return e.send(t, fmt.Sprintf("user%d@example.com", i), from(1))
		}, nil},
		{account.LimitSendClient, 30, time.Hour, func(t *testing.T, e *env, i int) error {
			client := clientA
			client.SendsPerHour = 30
			return e.SendCode(t.Context(), account.CodeRequest{
				Client: client, Credential: cred(t, fmt.Sprintf("user%d@example.com", i)), Purpose: account.PurposeLogin, Origin: fromNet(i),
			})
		}, nil},
		{account.LimitSendOverall, 40, time.Hour, func(t *testing.T, e *env, i int) error {
			return e.SendCode(t.Context(), account.CodeRequest{
				Client: store.Client{ID: fmt.Sprint("client", i)}, Credential: cred(t, fmt.Sprintf("user%d@example.com", i)),
				Purpose: account.PurposeLogin, Origin: fromNet(i),
			})
		}, nil},
	} {
		t.Run(string(c.limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := setUp(t, func(cfg *account.Config) { cfg.Limits.SendsOverall.N = 40 })
				u := e.addUser(t, goodPassword, "ola@example.com", "91234567")
				e.device = e.newDevice(t, u.ID)
				start := time.Now()
				for i := range c.budget {
					if err := c.attempt(t, e, i); !errors.Is(err, c.each) {
						t.Fatalf("attempt %d: %v, want %v", i+1, err, c.each)
					}
				}
				for i := range 3 {
					err := c.attempt(t, e, c.budget+i)
					if limitOf(err) != c.limit {
						t.Fatalf("attempt %d: %v, want limit %s", c.budget+i+1, err, c.limit)
					}
					l, _ := errors.AsType[*account.LimitedError](err)
					if got := l.RetryAt.Sub(start); got < c.window || got > c.window+time.Second {
						t.Errorf("it ends after %v, want %v", got, c.window)
					}
				}
				if e.noticed(account.NoticeLimited) != 3 {
					t.Errorf("%d notices, want 3", e.noticed(account.NoticeLimited))
				}
				time.Sleep(c.window - time.Second - time.Since(start))
				if err := c.attempt(t, e, c.budget+3); limitOf(err) != c.limit {
					t.Errorf("a second before its end: %v", err)
				}
				time.Sleep(2 * time.Second)
				if err := c.attempt(t, e, c.budget+4); !errors.Is(err, c.each) {
					t.Errorf("after its end: %v, want %v", err, c.each)
				}
			})
		})
	}
}

// guess asks for a code as often as the limits on sending allow, from a browser
// and a client of its own, and tries a wrong one.
func (e *env) guess(t *testing.T, credential string, i int, device string) error {
	t.Helper()
	o := fromNet(i)
	o.Device, o.Browser = device, store.DigestOf(fmt.Sprint("browser", i%4))
	client := []store.Client{clientA, clientB}[i%2]
	purpose := []string{account.PurposeLogin, account.PurposeReset}[i/2%2]
	if i < 4 { // four live codes, each bound otherwise
		err := e.SendCode(t.Context(), account.CodeRequest{Client: client, Credential: cred(t, credential), Purpose: purpose, Origin: o})
		if err != nil {
			t.Fatal(err)
		}
	} else if i > 4 && time.Since(e.born) > 20*time.Hour {
		if err := e.SendCode(t.Context(), account.CodeRequest{Client: client, Credential: cred(t, credential), Purpose: purpose, Origin: o}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := e.VerifyCode(t.Context(), account.CodeAttempt{
		Client: client, Credential: cred(t, credential), Purpose: purpose, Origin: o, Code: wrongCode(e.lastCode(t)),
	})
	return err
}

// newDevice is the cookie of a browser in which the user has logged in before.
func (e *env) newDevice(t testing.TB, userID string) string {
	t.Helper()
	v, err := e.DeviceCookie(t.Context(), "", userOf(userID))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOwnerIsNotLockedOut: strangers use up all that they can; the owner goes
// on at a known browser, by password and by code.
func TestOwnerIsNotLockedOut(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola@example.com")
	home := from(1)
	home.Device = e.newDevice(t, u.ID)
	if err := e.send(t, "ola@example.com", from(2)); err != nil {
		t.Fatal(err)
	}
	code := e.lastCode(t)
	for i := range 200 {
		e.login(t, "ola@example.com", "wrong password", from(1)) // even at the owner's address
		e.login(t, fmt.Sprintf("user%d@example.com", i), "wrong password", from(1))
		e.send(t, "ola@example.com", from(byte(i)))
		e.try(t, "ola@example.com", wrongCode(code), from(2))
	}
	if err := e.login(t, "ola@example.com", goodPassword, from(3)); limitOf(err) != account.LimitPasswordAccount {
		t.Fatalf("a stranger's 11th guess: %v", err)
	}
	if _, err := e.try(t, "ola@example.com", code, from(2)); limitOf(err) != account.LimitCodeAccount {
		t.Fatalf("a stranger's 11th code: %v", err)
	}
	if err := e.login(t, "ola@example.com", goodPassword, home); err != nil {
		t.Errorf("the owner's password at home: %v", err)
	}
	if err := e.send(t, "ola@example.com", home); err != nil {
		t.Errorf("the owner asks for a code at home: %v", err)
	}
	if _, err := e.try(t, "ola@example.com", e.lastCode(t), home); err != nil {
		t.Errorf("the owner's code at home: %v", err)
	}
	// A device cookie helps with no other account.
	e.addUser(t, goodPassword, "kari@example.com")
	for range 10 {
		e.login(t, "kari@example.com", "wrong password", fromNet(7))
	}
	stranger := fromNet(8)
	stranger.Device = home.Device
	if err := e.login(t, "kari@example.com", goodPassword, stranger); limitOf(err) != account.LimitPasswordAccount {
		t.Errorf("with another user's device cookie: %v", err)
	}
}

// TestAccountBudgetIsShared: all credentials of an account spend one budget,
// and nobody can tell by it that two credentials belong together.
func TestAccountBudgetIsShared(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, goodPassword, "ola@example.com", "40612345")
	for i := range 10 {
		if err := e.login(t, "ola@example.com", "wrong password", fromNet(i)); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
	}
	for i, credential := range []string{"40612345", "41612345"} { // the second is nobody's
		for n := range 10 {
			if err := e.login(t, credential, goodPassword, fromNet(100*i+n)); !errors.Is(err, account.ErrWrong) {
				t.Errorf("attempt %d at %s: %v, want ErrWrong", n+1, credential, err)
			}
		}
		if err := e.login(t, credential, goodPassword, fromNet(100*i+50)); limitOf(err) != account.LimitPasswordAccount {
			t.Errorf("attempt 11 at %s: %v, want a limit", credential, err)
		}
	}

	// The same for codes: after ten wrong ones at the address the right one at
	// the number is of no use.
	e = setUp(t)
	e.addUser(t, goodPassword, "ola@example.com", "40612345")
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := e.try(t, "ola@example.com", wrongCode(e.lastCode(t)), from(1)); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
	}
	if err := e.send(t, "40612345", from(2)); err != nil {
		t.Fatal(err)
	}
	if p, err := e.try(t, "40612345", e.lastCode(t), from(2)); !errors.Is(err, account.ErrWrong) || p.Exists {
		t.Errorf("the right code after ten wrong ones: %+v, %v", p, err)
	}
}

// TestSuccessIsNotCounted: who knows the password may log in all day.
func TestSuccessIsNotCounted(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, goodPassword, "ola@example.com")
	for i := range 9 {
		if err := e.login(t, "ola@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	for range 150 {
		if err := e.login(t, "ola@example.com", goodPassword, from(1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.login(t, "ola@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the tenth wrong one: %v", err)
	}
	if err := e.login(t, "ola@example.com", goodPassword, from(1)); limitOf(err) == "" {
		t.Errorf("after ten wrong ones: %v", err)
	}
}

// TestBurstIsLimited: no more guesses pass in a burst than one by one, and the
// burst leaves no more behind than was let through.
func TestBurstIsLimited(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, goodPassword, "ola@example.com")
	burst := func(password string) (wrong, limited, right int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				err := e.login(t, "ola@example.com", password, fromNet(i))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					right++
				case errors.Is(err, account.ErrWrong):
					wrong++
				case limitOf(err) == account.LimitPasswordAccount:
					limited++
				}
			})
		}
		wg.Wait()
		return
	}
	if _, limited, right := burst(goodPassword); limited+right != 64 || right == 0 {
		t.Fatalf("right passwords: %d in, %d limited", right, limited)
	}
	if wrong, limited, _ := burst("wrong password"); wrong != 10 || limited != 54 {
		t.Errorf("wrong passwords: %d were checked, %d limited; want 10 and 54", wrong, limited)
	}
}

// TestBurstOfOwners: who knows the password and clicks 64 times at once is not
// locked out by the clicks that were over the limit.
func TestBurstOfOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) {
			c.Passwords = account.Passwords{Memory: 8, Passes: 1, Workers: 64, Verifiers: []account.Verifier{slowVerifier(time.Second)}}
		})
		u := e.addUser(t, "", "ola@example.com")
		u.PasswordHash = "slow"
		e.update(t, u)
		var right, limited atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				switch err := e.login(t, "ola@example.com", goodPassword, from(1)); {
				case err == nil:
					right.Add(1)
				case limitOf(err) == account.LimitPasswordAccount:
					limited.Add(1)
				}
			})
		}
		wg.Wait()
		if right.Load() != 10 || limited.Load() != 54 {
			t.Errorf("%d in, %d limited; want 10 and 54", right.Load(), limited.Load())
		}
		for i := range 10 {
			if err := e.login(t, "ola@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
				t.Errorf("wrong password %d after it: %v", i+1, err)
			}
		}
	})
}

// TestLimitedIsNoGuess: what one limit stops is not counted against another.
func TestLimitedIsNoGuess(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	for range 150 {
		e.login(t, "ola@example.com", "wrong password", from(1))
	}
	if err := e.login(t, "kari@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("another account from the same address: %v", err)
	}
}

// TestGiveBackInTheNextWindow: what was raised in one window is not taken out
// of the next, where it would be a stranger's guess.
func TestGiveBackInTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) {
			c.Limits.PasswordsPerAccount = account.Budget{N: 2, Window: time.Minute}
			c.Passwords = account.Passwords{Memory: 8, Passes: 1, Workers: 2, Verifiers: []account.Verifier{slowVerifier(10 * time.Second)}}
		})
		u := e.addUser(t, "", "ola@example.com")
		if err := e.login(t, "ola@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
		u.PasswordHash = "slow"
		u = e.update(t, u)
		time.Sleep(55 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { // from 0:55 to 1:05, and right
			if err := e.login(t, "ola@example.com", goodPassword, from(2)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		u.PasswordHash = ""
		e.update(t, u)
		time.Sleep(6 * time.Second)
		for i := range 2 { // one while it runs, one after it
			if err := e.login(t, "ola@example.com", "wrong password", from(1)); !errors.Is(err, account.ErrWrong) {
				t.Errorf("guess %d: %v", i+1, err)
			}
			time.Sleep(5 * time.Second)
		}
		wg.Wait()
		if err := e.login(t, "ola@example.com", "wrong password", from(1)); limitOf(err) != account.LimitPasswordAccount {
			t.Errorf("guess 3: %v", err)
		}
	})
}

// TestIPv6IsLimitedByNetwork: one subscriber has 2^64 addresses.
func TestIPv6IsLimitedByNetwork(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) { c.Limits.PasswordsPerAddress.N = 3 })
	at := func(addr string, i int) error {
		o := from(1)
		o.Address = netip.MustParseAddr(addr)
		return e.login(t, fmt.Sprintf("user%d@example.com", i), "wrong password", o)
	}
	for i := range 3 {
		if err := at(fmt.Sprintf("2001:db8:1:2::%d", i+1), i); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
	}
	if err := at("2001:db8:1:2:ffff::1", 4); limitOf(err) != account.LimitPasswordAddress {
		t.Errorf("the same /64: %v", err)
	}
	if err := at("2001:db8:1:3::1", 5); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the next /64: %v", err)
	}
	for i := range 3 {
		at("192.0.2.77", 10+i)
	}
	if err := at("::ffff:192.0.2.77", 14); limitOf(err) != account.LimitPasswordAddress {
		t.Errorf("an IPv4 address in IPv6 form: %v", err)
	}
}

// TestFailedSendIsNotCounted: a provider that is down must not use up the
// reader's budget.
func TestFailedSendIsNotCounted(t *testing.T) {
	t.Parallel()
	broken := &brokenSender{}
	e := setUp(t, func(c *account.Config) { broken.next, c.Sender = c.Sender, broken })
	broken.down = true
	for i := range 30 {
		err := e.send(t, "ola@example.com", from(1))
		if !errors.Is(err, account.ErrUndeliverable) {
			t.Fatalf("attempt %d: %v", i, err)
		}
		if strings.Contains(err.Error(), "ola@") {
			t.Fatalf("the error names the recipient: %v", err)
		}
	}
	broken.down = false
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Error(err)
	}
	if strings.Contains(e.log.String(), "ola@") || !strings.Contains(e.log.String(), "o•••@example.com") {
		t.Errorf("log: %s", e.log)
	}
}
