package account_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func TestSession(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := setUp(t)
	u := e.addUser(t, "", "ola@example.com")
	h, sess, err := e.StartSession(ctx, account.SessionStart{
		UserID: u.ID, ClientID: clientA.ID, Method: account.MethodCode, Fresh: true, Agent: "Firefox",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{h.Session, h.Check} {
		if b, err := base64.RawURLEncoding.DecodeString(v); err != nil || len(b) != 32 {
			t.Errorf("handle %q: want 256 bits", v)
		}
	}
	got, err := e.Session(ctx, h.Session)
	if err != nil || !reflect.DeepEqual(got, sess) || got.UserID != u.ID || got.Method != "code" || got.Agent != "Firefox" || got.ClientID != clientA.ID {
		t.Errorf("Session = %+v, %v; want %+v", got, err, sess)
	}
	if got, err := e.CheckSession(ctx, h.Check); err != nil || !reflect.DeepEqual(got, sess) {
		t.Errorf("CheckSession = %+v, %v", got, err)
	}
	for _, v := range []string{"", h.Check, h.Session + "x", h.Session[1:], strings.Repeat("A", 43), sess.Handle.String(), strings.Repeat("x", 1<<20)} {
		if _, err := e.Session(ctx, v); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Session(%.50q): %v", v, err)
		}
	}
	for _, v := range []string{"", h.Session} { // the narrow handle and the session's can not stand for each other
		if _, err := e.CheckSession(ctx, v); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("CheckSession(%q): %v", v, err)
		}
	}

	// A switch of user ends the old session in the same step.
	kari := e.addUser(t, "", "kari@example.com")
	h2, _, err := e.StartSession(ctx, account.SessionStart{UserID: kari.ID, Replace: sess.Handle})
	if err != nil || h2.Session == h.Session || h2.Check == h.Check {
		t.Fatalf("%+v, %v", h2, err)
	}
	if _, err := e.Session(ctx, h.Session); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the replaced session: %v", err)
	}
	if got, err := e.Session(ctx, h2.Session); err != nil || got.UserID != kari.ID || !got.FreshAt.IsZero() {
		t.Errorf("the new session: %+v, %v", got, err)
	}
	for range 2 {
		if err := e.EndSession(ctx, store.DigestOf(h2.Session)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.EndSession(ctx, store.Digest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.CheckSession(ctx, h2.Check); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an ended session, by its check: %v", err)
	}
	if _, _, err := e.StartSession(ctx, account.SessionStart{UserID: "nobody"}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("a session for nobody: %v", err)
	}
}

func TestSessionIdle(t *testing.T) {
	// A session used at these moments, seen whenAsked.
	for _, c := range []struct {
		name string
		uses []time.Duration
		then time.Duration
		live bool
	}{
		{"not used", nil, 20*time.Minute - time.Second, true},
		{"not used", nil, 21 * time.Minute, false},
		{"used", []time.Duration{15 * time.Minute}, 35 * time.Minute, true},
		{"used", []time.Duration{15 * time.Minute}, 36 * time.Minute, false},
		{"a use that is not written down", []time.Duration{59 * time.Second}, 59*time.Second + 20*time.Minute, true},
		{"a use that is not written down", []time.Duration{59 * time.Second}, 21 * time.Minute, false},
		{"used all day", every(19*time.Minute, 24*time.Hour), 24*time.Hour - time.Second, true},
		{"used all day", every(19*time.Minute, 24*time.Hour), 24 * time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := setUp(t)
			u := e.addUser(t, "", "ola@example.com")
			h, sess, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for _, at := range c.uses {
				time.Sleep(at - time.Since(start))
				if sess, err = e.Session(t.Context(), h.Session); err != nil {
					t.Fatalf("%s: gone at %v", c.name, at)
				}
				if err := e.Touch(t.Context(), &sess); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(c.then - time.Since(start))
			if _, err := e.Session(t.Context(), h.Session); (err == nil) != c.live {
				t.Errorf("%s, after %v: %v, want live %v", c.name, c.then, err, c.live)
			}
		})
	}
}

func every(d, until time.Duration) (out []time.Duration) {
	for at := d; at < until; at += d {
		out = append(out, at)
	}
	return out
}

// TestTouchIsCoalesced: at most one write a minute.
func TestTouchIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spy := &spyStore{}
		e := setUp(t, func(c *account.Config) { spy.Store, c.Store = c.Store, spy })
		u := e.addUser(t, "", "ola@example.com")
		h, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID})
		if err != nil {
			t.Fatal(err)
		}
		spy.reset()
		writes := 0
		for range 600 { // ten minutes, a use each second
			time.Sleep(time.Second)
			sess, err := e.Session(t.Context(), h.Session)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Touch(t.Context(), &sess); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range spy.calls {
			if call == "TouchSession" {
				writes++
			}
		}
		if writes != 10 {
			t.Errorf("%d writes in ten minutes, want 10", writes)
		}
		sess, _ := e.Session(t.Context(), h.Session)
		time.Sleep(time.Minute)
		if err := e.EndSession(t.Context(), sess.Handle); err != nil {
			t.Fatal(err)
		}
		if err := e.Touch(t.Context(), &sess); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("touch of an ended session: %v", err)
		}
	})
}

// TestLateBackend: a store may be late with dropping what has expired; the kit
// looks at its own clock.
func TestLateBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &lateStore{}
		e := setUp(t, func(c *account.Config) { late.Store, c.Store = c.Store, late })
		u := e.addUser(t, "", "ola@example.com")
		h, sess, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, ClientID: clientA.ID})
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := e.Remember(t.Context(), account.RememberStart{UserID: u.ID, ClientID: clientA.ID})
		if err != nil {
			t.Fatal(err)
		}
		late.session = sess
		if late.series, err = e.store.Series(t.Context(), cookie[:16]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Minute)
		if _, err := e.Session(t.Context(), h.Session); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("session: %v", err)
		}
		if _, err := e.CheckSession(t.Context(), h.Check); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("check: %v", err)
		}
		time.Sleep(90 * 24 * time.Hour)
		if _, err := e.Recall(t.Context(), clientA.ID, cookie, from(1)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("series: %v", err)
		}
	})
}

func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		u := e.addUser(t, "", "ola@example.com")
		_, fresh, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Fresh: true})
		if err != nil {
			t.Fatal(err)
		}
		_, stale, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Method: account.MethodRemember})
		if err != nil {
			t.Fatal(err)
		}
		if !e.IsFresh(fresh) || e.IsFresh(stale) {
			t.Error("fresh is who has just proven it")
		}
		time.Sleep(5*time.Minute - time.Second)
		if !e.IsFresh(fresh) {
			t.Error("not fresh for 5 minutes")
		}
		time.Sleep(time.Second)
		if e.IsFresh(fresh) {
			t.Error("fresh for longer than 5 minutes")
		}
	})
}
