package account_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
)

func TestDeviceCookie(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	var v string
	for i := range 7 {
		next, err := e.DeviceCookie(v, fmt.Sprint("user", i))
		if err != nil {
			t.Fatal(err)
		}
		v = next
	}
	for i := range 7 {
		if got := e.Known(v, fmt.Sprint("user", i)); got != (i >= 2) {
			t.Errorf("user %d known: %v; want the last five", i, got)
		}
	}
	// Who logs in again moves to the front, and is in it once.
	v, err := e.DeviceCookie(v, "user4")
	if err != nil {
		t.Fatal(err)
	}
	if v, err = e.DeviceCookie(v, "user7"); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{"user2": false, "user3": true, "user4": true, "user5": true, "user6": true, "user7": true, "": false, "user": false} {
		if got := e.Known(v, user); got != want {
			t.Errorf("%q known: %v, want %v", user, got, want)
		}
	}
	if len(v) > 256 || strings.Contains(v, "user") {
		t.Errorf("cookie of %d bytes: %s", len(v), v)
	}
	for _, bad := range []string{"", "x", v[1:], v + "x", strings.Repeat("A", 300), strings.ToUpper(v)} {
		if e.Known(bad, "user7") {
			t.Errorf("%.20q is known", bad)
		}
		if next, err := e.DeviceCookie(bad, "user7"); err != nil || !e.Known(next, "user7") {
			t.Errorf("in place of %.20q: %q, %v", bad, next, err)
		}
	}
	other := setUp(t, func(c *account.Config) { c.Keys = ring(t, 'z') })
	if other.Known(v, "user7") {
		t.Error("another kit's cookie is known")
	}
	newer := setUp(t, func(c *account.Config) { c.Keys = ring(t, 'n', 'a') })
	if !newer.Known(v, "user7") {
		t.Error("not known under a newer key")
	}
	if v, err = newer.DeviceCookie(v, "user7"); err != nil || !newer.Known(v, "user7") || !newer.Known(v, "user6") || e.Known(v, "user7") {
		t.Errorf("renewed under a newer key: %v", err)
	}
}

func TestDeviceCookieEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		v := e.newDevice(t, "user")
		time.Sleep(365 * 24 * time.Hour)
		if !e.Known(v, "user") {
			t.Error("not known for a year")
		}
		time.Sleep(time.Minute)
		if e.Known(v, "user") {
			t.Error("known for longer than a year")
		}
	})
}

func FuzzDeviceCookie(f *testing.F) {
	e := setUp(f)
	v := e.newDevice(f, "user")
	f.Add(v)
	f.Add(v[:len(v)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, old string) {
		if e.Known(old, "another") {
			t.Fatalf("%q is known to another user", old)
		}
		next, err := e.DeviceCookie(old, "another")
		if err != nil || !e.Known(next, "another") || len(next) > 256 {
			t.Fatalf("%q gave %q, %v", old, next, err)
		}
	})
}
