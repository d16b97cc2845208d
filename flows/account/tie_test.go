package account_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

func customer(number string) store.Tie {
	return store.Tie{Kind: store.CustomerTie, PartnerID: "p", Number: number}
}

func TestTie(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	kari, ola := e.addUser(t, goodPassword, "kari@example.com"), e.addUser(t, goodPassword, "ola@example.com")
	member := store.Tie{Kind: store.MembershipTie, PartnerID: "p", Number: "1"}
	elsewhere := store.Tie{Kind: store.CustomerTie, PartnerID: "q", Number: "1"}
	for i, step := range []struct {
		user store.User
		tie  store.Tie
		want error
	}{
		{kari, customer("1"), nil},
		{kari, customer("1"), nil}, // again
		{kari, customer("2"), account.ErrTiedElsewhere},
		{ola, customer("1"), account.ErrTied},
		{ola, customer("2"), nil},
		{kari, member, nil}, // another kind
		{ola, member, account.ErrTied},
		{ola, elsewhere, nil}, // another partner
		{store.User{ID: "nobody"}, customer("9"), account.ErrUserGone},
	} {
		if err := e.Tie(t.Context(), step.user, "c", step.tie); !errors.Is(err, step.want) {
			t.Errorf("step %d: %v, want %v", i, err, step.want)
		}
	}
	u, err := e.store.User(t.Context(), kari.ID)
	if err != nil || len(u.Ties) != 2 || u.CustomerNumber("p") != 1 || u.CustomerNumber("q") != 0 || u.Ties[0].TiedAt.IsZero() {
		t.Errorf("ties %+v, %v", u.Ties, err)
	}
	if owner, err := e.TiedTo(t.Context(), store.CustomerTie, "p", "2"); owner != ola.ID || err != nil {
		t.Errorf("TiedTo = %q, %v", owner, err)
	}
	if owner, err := e.TiedTo(t.Context(), store.CustomerTie, "p", "3"); owner != "" || err != nil {
		t.Errorf("TiedTo of a free number = %q, %v", owner, err)
	}
	if n := e.noticed(account.NoticeTied); n != 4 {
		t.Errorf("%d notices, want 4", n)
	}
	if err := e.Block(t.Context(), ola.ID); err != nil {
		t.Fatal(err)
	}
	if err := e.Tie(t.Context(), ola, "c", customer("2")); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("a blocked user: %v", err)
	}
}

// Many users race for one number, while each record also changes otherwise.
func TestTieRace(t *testing.T) {
	t.Parallel()
	const racers = 8
	e := setUp(t)
	var users [racers]store.User
	for i := range users {
		users[i] = e.addUser(t, goodPassword, fmt.Sprintf("u%d@example.com", i))
	}
	for round := range 20 {
		var wg sync.WaitGroup
		var errs [racers]error
		tie := store.Tie{Kind: store.CustomerTie, PartnerID: fmt.Sprint("partner ", round), Number: "1"}
		for i, u := range users {
			wg.Go(func() { errs[i] = e.Tie(t.Context(), u, "c", tie) })
			wg.Go(func() {
				other := store.Tie{Kind: store.MembershipTie, PartnerID: fmt.Sprint("partner ", round), Number: u.ID}
				if err := e.Tie(t.Context(), u, "c", other); err != nil {
					t.Errorf("a tie of one's own: %v", err)
				}
			})
		}
		wg.Wait()
		won := 0
		for i, err := range errs {
			u, _ := e.store.User(t.Context(), users[i].ID)
			_, has := u.Tie(store.CustomerTie, tie.PartnerID)
			if has != (err == nil) || err != nil && !errors.Is(err, account.ErrTied) {
				t.Errorf("user %d: tied %v, %v", i, has, err)
			}
			if has {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d users got the number", won)
		}
	}
}

func TestTieOutage(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"UserByTie", "UpdateUser"} {
		var faulty *storetest.Faulty
		e := setUp(t, func(c *account.Config) {
			faulty = storetest.NewFaulty(c.Store.(store.Store))
			c.Store = faulty
		})
		u := e.addUser(t, goodPassword, "kari@example.com")
		faulty.Inject(storetest.Fault{Method: method})
		if err := e.Tie(t.Context(), u, "c", customer("1")); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("%s fails: %v, want an outage", method, err)
		}
		faulty.Heal()
		if u, _ = e.store.User(t.Context(), u.ID); len(u.Ties) != 0 {
			t.Errorf("%s fails: tied all the same", method)
		}
	}
}

// The counters of searches are raised before the look-up, given back for right
// ones, kept for wrong ones, and hold no number and no address.
func TestStartSearch(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) { c.Limits.SearchesPerUser = account.Budget{N: 2, Window: time.Hour} })
	a := account.SearchAttempt{Client: clientA, UserID: "u", Kind: store.CustomerTie, Number: "17", Origin: from(1)}
	for range 5 {
		s, err := e.StartSearch(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		s.Right(t.Context())
	}
	for range 2 {
		s, err := e.StartSearch(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		s.Wrong(t.Context())
	}
	_, err := e.StartSearch(t.Context(), a)
	if l, ok := errors.AsType[*account.LimitedError](err); !ok || l.Limit != account.LimitSearchUser {
		t.Errorf("the third wrong one: %v", err)
	}
	a.UserID = "v"
	if _, err := e.StartSearch(t.Context(), a); err != nil {
		t.Errorf("another user: %v", err)
	}
	if e.noticed(account.NoticeNumberWrong) != 2 || e.noticed(account.NoticeLimited) != 1 {
		t.Error("the observer was not told")
	}
}

func TestWriteToCare(t *testing.T) {
	t.Parallel()
	broken := &brokenSender{}
	e := setUp(t, func(c *account.Config) { broken.next = c.Sender; c.Sender = broken })
	u := e.addUser(t, goodPassword, "kari@example.com")
	r := account.CareRequest{Client: clientA, User: u, Credential: cred(t, "kari@example.com"), Number: "17", LastName: "N\r\nBcc: x@example.com"}
	if err := e.WriteToCare(t.Context(), r); !errors.Is(err, account.ErrUndeliverable) {
		t.Errorf("a client without an address: %v", err)
	}
	r.Client.CustomerCareEmail = "care@example.com"
	broken.down = true
	for range 5 { // what was not sent is not counted
		if err := e.WriteToCare(t.Context(), r); !errors.Is(err, account.ErrUndeliverable) {
			t.Errorf("no mail: %v", err)
		}
	}
	broken.down = false
	for range 3 {
		if err := e.WriteToCare(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	if _, ok := errors.AsType[*account.LimitedError](e.WriteToCare(t.Context(), r)); !ok {
		t.Error("a fourth mail")
	}
	mails := e.outbox.List()
	if len(mails) != 3 || mails[0].To != "care@example.com" || strings.Contains(mails[0].Text, "\nBcc") {
		t.Errorf("mails %+v", mails)
	}
	if strings.Contains(e.log.String(), "kari@example.com") {
		t.Error("the log names the reader")
	}
}
