package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// told returns what clients are to be told of, and forgets it.
func (e *env) told(t testing.TB) (all []string) {
	t.Helper()
	for {
		now := time.Now()
		d, err := e.store.ClaimDelivery(t.Context(), store.BackchannelLogout, now, now.Add(time.Minute))
		if errors.Is(err, store.ErrNotFound) {
			slices.Sort(all)
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := account.ParseLogoutNews(d.Data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n.UserID+" "+n.SessionID+" "+n.ClientID)
		if err := e.store.FinishDelivery(t.Context(), d.Kind, d.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// visited starts a session and visits clients with it.
func (e *env) visited(t testing.TB, st account.SessionStart, clients ...string) store.Session {
	t.Helper()
	st.ClientID, st.Method = clientA.ID, account.MethodPassword
	_, sess, err := e.StartSession(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if err := e.store.VisitSession(t.Context(), sess.Handle, c); err != nil {
			t.Fatal(err)
		}
	}
	return sess
}

// Whatever ends a session has the clients told that want to be, and no other.
func TestClientsAreToldOfTheEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(e *env, u, other store.User, one, two store.Session) error
		both bool // two ends as well
	}{
		"logout": {end: func(e *env, _, _ store.User, one, _ store.Session) error {
			return e.EndSession(context.Background(), one.Handle)
		}},
		"a device": {end: func(e *env, u, _ store.User, one, two store.Session) error {
			all, err := e.Devices(context.Background(), u.ID, account.Here{Session: two.Handle})
			for _, d := range all {
				if !d.Current {
					err = errors.Join(err, e.EndDevice(context.Background(), u.ID, d.Key))
				}
			}
			return err
		}},
		"other devices": {end: func(e *env, u, _ store.User, _, two store.Session) error {
			return e.EndOtherDevices(context.Background(), u.ID, account.Here{Session: two.Handle})
		}},
		"a password": {end: func(e *env, u, _ store.User, _, two store.Session) error {
			_, err := e.SetPassword(context.Background(), u, account.PasswordChange{
				Epoch: u.Epoch, Password: "another tree in bloom", Client: clientA, KeepSession: two.Handle,
			})
			return err
		}},
		"a block": {end: func(e *env, u, _ store.User, _, _ store.Session) error { return e.Block(context.Background(), u.ID) }, both: true},
		"deletion": {end: func(e *env, u, _ store.User, _, _ store.Session) error {
			return e.Delete(context.Background(), account.Deletion{UserID: u.ID, Client: clientA})
		}, both: true},
		"another user": {end: func(e *env, _, other store.User, one, _ store.Session) error {
			_, _, err := e.StartSession(context.Background(), account.SessionStart{UserID: other.ID, Epoch: other.Epoch, Replace: one.Handle})
			return err
		}},
	} {
		called := 0
		e := setUp(t, func(c *account.Config) { c.OnSessionEnd = func() { called++ } })
		u, other := e.addUser(t, "the first tree in bloom", "ola@example.com"), e.addUser(t, "", "kari@example.com")
		one := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1", "rp2")
		two := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
		e.visited(t, account.SessionStart{UserID: other.ID, Epoch: other.Epoch}, "rp3") // untouched
		want := []string{fmt.Sprint(u.ID, " ", one.ID, " rp1"), fmt.Sprint(u.ID, " ", one.ID, " rp2")}
		if tt.both {
			want = append(want, fmt.Sprint(u.ID, " ", two.ID, " rp1"))
		}
		slices.Sort(want)
		if err := tt.end(e, u, other, one, two); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := e.told(t); !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", name, got, want)
		}
		if called == 0 {
			t.Errorf("%s: nobody was woken", name)
		}
	}
}

// A session that is another one of the same login goes on.
func TestClientsAreNotToldOfARenewal(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "", "ola@example.com")
	one := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
	two := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch, Replace: one.Handle})
	if got := e.told(t); len(got) > 0 {
		t.Errorf("told %q of a login that goes on", got)
	}
	if err := e.EndSession(t.Context(), two.Handle); err != nil {
		t.Fatal(err)
	}
	if got, want := e.told(t), []string{u.ID + " " + one.ID + " rp1"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A login of an epoch that is over takes the place of the session that lives on, and
// ends: so does that login, and its clients are told.
func TestClientsAreToldOfARenewalThatFails(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "the first tree in bloom", "ola@example.com")
	one := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
	_, err := e.SetPassword(t.Context(), u, account.PasswordChange{
		Epoch: u.Epoch, Password: "another tree in bloom", Client: clientA, KeepSession: one.Handle,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID, Epoch: u.Epoch, Replace: one.Handle}); !errors.Is(err, account.ErrUserGone) {
		t.Fatalf("StartSession: %v, want ErrUserGone", err)
	}
	if _, err := e.SessionOf(t.Context(), one.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the session that was replaced: %v", err)
	}
	if got, want := e.told(t), []string{u.ID + " " + one.ID + " rp1"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A logout whose news can not be queued is not reported as done, and can be
// repeated; what has to end for safety ends all the same.
func TestNewsThatCanNotBeQueued(t *testing.T) {
	t.Parallel()
	var faulty *storetest.Faulty
	e := setUp(t, func(c *account.Config) {
		faulty = storetest.NewFaulty(c.Store.(store.Store))
		c.Store = faulty
	})
	u := e.addUser(t, "the first tree in bloom", "ola@example.com")
	one := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
	faulty.Inject(storetest.Fault{Method: "PutDelivery", Err: errDown})
	if err := e.EndSession(t.Context(), one.Handle); !errors.Is(err, errDown) {
		t.Errorf("EndSession: %v, want the store's error", err)
	}
	if _, err := e.SessionOf(t.Context(), one.Handle); err != nil {
		t.Errorf("the session: %v, want it live, so that the user can try again", err)
	}
	if err := e.Block(t.Context(), u.ID); !errors.Is(err, errDown) {
		t.Errorf("Block: %v, want the store's error", err)
	}
	if _, err := e.SessionOf(t.Context(), one.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session of a blocked user: %v", err)
	}
}

// News that can not be queued hold up no other, as their sessions end all the same.
func TestOtherNewsAreQueued(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 3; n++ {
		var faulty *storetest.Faulty
		e := setUp(t, func(c *account.Config) {
			faulty = storetest.NewFaulty(c.Store.(store.Store))
			c.Store = faulty
		})
		u := e.addUser(t, "the first tree in bloom", "ola@example.com")
		e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1", "rp2")
		e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
		faulty.Inject(storetest.Fault{Method: "PutDelivery", Nth: n, Err: errDown})
		if err := e.Block(t.Context(), u.ID); !errors.Is(err, errDown) {
			t.Errorf("Block: %v, want the store's error", err)
		}
		if got := e.told(t); len(got) != 2 {
			t.Errorf("fault %d of 3: told %q, want the other two", n, got)
		}
	}
}

// Nobody is told of what ended by itself.
func TestNobodyIsToldOfExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		u := e.addUser(t, "", "ola@example.com")
		one := e.visited(t, account.SessionStart{UserID: u.ID, Epoch: u.Epoch}, "rp1")
		time.Sleep(25 * time.Hour)
		if err := e.EndSession(t.Context(), one.Handle); err != nil {
			t.Fatal(err)
		}
		if got := e.told(t); len(got) > 0 {
			t.Errorf("told %q", got)
		}
	})
}
