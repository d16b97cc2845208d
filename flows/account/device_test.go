package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func userOf(id string) store.User { return store.User{ID: id} }

func TestDeviceCookie(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) { c.Limits.DevicesPerAccount.N = 100 })
	var v string
	for i := range 7 {
		next, err := e.DeviceCookie(t.Context(), v, userOf(fmt.Sprint("user", i)))
		if err != nil {
			t.Fatal(err)
		}
		v = next
	}
	for i := range 7 {
		if got := e.Known(v, userOf(fmt.Sprint("user", i))); got != (i >= 2) {
			t.Errorf("user %d known: %v; want the last five", i, got)
		}
	}
	// Who logs in again moves to the front, and is in it once.
	v, err := e.DeviceCookie(t.Context(), v, userOf("user4"))
	if err != nil {
		t.Fatal(err)
	}
	if v, err = e.DeviceCookie(t.Context(), v, userOf("user7")); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{"user2": false, "user3": true, "user4": true, "user5": true, "user6": true, "user7": true, "": false, "user": false} {
		if got := e.Known(v, userOf(user)); got != want {
			t.Errorf("%q known: %v, want %v", user, got, want)
		}
	}
	if len(v) > 256 || strings.Contains(v, "user") {
		t.Errorf("cookie of %d bytes: %s", len(v), v)
	}
	for _, bad := range []string{"", "x", v[1:], v + "x", strings.Repeat("A", 300), strings.ToUpper(v)} {
		if e.Known(bad, userOf("user7")) {
			t.Errorf("%.20q is known", bad)
		}
		if next, err := e.DeviceCookie(t.Context(), bad, userOf("user7")); err != nil || !e.Known(next, userOf("user7")) {
			t.Errorf("in place of %.20q: %q, %v", bad, next, err)
		}
	}
	other := setUp(t, func(c *account.Config) { c.Keys = ring(t, 'z') })
	if other.Known(v, userOf("user7")) {
		t.Error("another kit's cookie is known")
	}
	newer := setUp(t, func(c *account.Config) { c.Keys = ring(t, 'n', 'a') })
	if !newer.Known(v, userOf("user7")) {
		t.Error("not known under a newer key")
	}
	if v, err = newer.DeviceCookie(t.Context(), v, userOf("user7")); err != nil || !newer.Known(v, userOf("user7")) || !newer.Known(v, userOf("user6")) || e.Known(v, userOf("user7")) {
		t.Errorf("renewed under a newer key: %v", err)
	}
}

func TestDeviceCookieEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		v := e.newDevice(t, "user")
		time.Sleep(365 * 24 * time.Hour)
		if !e.Known(v, userOf("user")) {
			t.Error("not known for a year")
		}
		time.Sleep(time.Minute)
		if e.Known(v, userOf("user")) {
			t.Error("known for longer than a year")
		}
	})
}

func FuzzDeviceCookie(f *testing.F) {
	e := setUp(f, func(c *account.Config) { c.Limits.DevicesPerAccount.N = 1 << 40 })
	v := e.newDevice(f, "user")
	f.Add(v)
	f.Add(v[:len(v)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, old string) {
		if e.Known(old, userOf("another")) {
			t.Fatalf("%q is known to another user", old)
		}
		next, err := e.DeviceCookie(t.Context(), old, userOf("another"))
		if err != nil || !e.Known(next, userOf("another")) || len(next) > 256 {
			t.Fatalf("%q gave %q, %v", old, next, err)
		}
	})
}

// TestDevicesAreFew: only so many browsers become known to an account in a day,
// and one that is known may log in as often as it likes.
func TestDevicesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		u := e.addUser(t, goodPassword, "kari@example.com")
		mint := func(old string) string {
			t.Helper()
			v, err := e.DeviceCookie(t.Context(), old, u)
			if err != nil || v != "" && !e.Known(v, u) {
				t.Fatalf("%q, %v", v, err)
			}
			return v
		}
		var last string
		for i := range 8 {
			v := mint("")
			if (v != "") != (i < 5) {
				t.Errorf("browser %d known: %v", i+1, v != "")
			}
			if v != "" {
				last = v
			}
		}
		for range 20 {
			if last = mint(last); last == "" {
				t.Fatal("a known browser is forgotten at its own login")
			}
		}
		if n := e.noticed(account.NoticeLimited); n != 3 {
			t.Errorf("%d notices, want 3", n)
		}
		time.Sleep(24*time.Hour + time.Second)
		if mint("") == "" {
			t.Error("no new browser on the next day")
		}
		u.Epoch++
		if e.Known(last, u) {
			t.Error("a browser is known in the next epoch")
		}
		if mint(last) == "" {
			t.Error("the owner's browser is not known again after her new password")
		}
	})
}

// TestDevicesShareBudgets: all known browsers of an account together guess and
// send only so often, and none of them after a new password.
func TestDevicesShareBudgets(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		e := setUp(t, func(c *account.Config) { c.Limits.DevicesPerAccount.N = 50 })
		u := e.addUser(t, goodPassword, "kari@example.com")
		var devices []string
		for range 50 {
			devices = append(devices, e.newDevice(t, u.ID))
		}
		wantGuesses, wantSent := 30, 10
		if after {
			if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "helt nytt passord", Client: clientA, Used: cred(t, "kari@example.com")}); err != nil {
				t.Fatal(err)
			}
			wantGuesses, wantSent = 20, 5 // what any stranger has: ten passwords, ten codes
		}
		guesses, sent := 0, 0
		for i, d := range devices {
			o := fromNet(i)
			o.Device = d
			if e.send(t, "kari@example.com", o) == nil {
				sent++
			}
			for range 6 {
				if errors.Is(e.login(t, "kari@example.com", "gjett", o), account.ErrWrong) {
					guesses++
				}
				if _, err := e.try(t, "kari@example.com", wrongCode(e.lastCode(t)), o); errors.Is(err, account.ErrWrong) {
					guesses++
				}
			}
		}
		if guesses != wantGuesses || sent != wantSent {
			t.Errorf("after a new password %v: %d guesses and %d messages, want %d and %d", after, guesses, sent, wantGuesses, wantSent)
		}
	}
}

// TestDevicesShareTheAddress: known browsers spend the budget of their address.
func TestDevicesShareTheAddress(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	sent := 0
	for i := range 10 {
		address := fmt.Sprintf("user%d@example.com", i)
		u := e.addUser(t, goodPassword, address)
		o := from(1)
		o.Device = e.newDevice(t, u.ID)
		for range 4 {
			if e.send(t, address, o) == nil {
				sent++
			}
		}
	}
	if sent != 20 {
		t.Errorf("%d messages in an hour from one address, want 20", sent)
	}
}
