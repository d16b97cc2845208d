package flows_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// shop is a flow with a page, a way out to a cashier, and a page for those who
// did not pay.
type shop struct {
	t      *testing.T
	engine *flows.Engine
	flow   *flows.Flow
	judged atomic.Int64
	req    flows.Request
	me     flows.Browser
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, me: flows.Browser{Cookie: store.DigestOf("mine")}}
	ring, err1 := keys.New([][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")})
	composer, err2 := message.NewComposer(message.ComposerConfig{BaseURL: "https://id.example/user"})
	outbox, err3 := message.NewOutbox(message.OutboxConfig{})
	st := memstore.New()
	accounts, err4 := account.New(account.Config{Store: st, Keys: ring, Composer: composer, Sender: outbox, Logger: slog.New(slog.DiscardHandler)})
	var err5 error
	s.engine, err5 = flows.NewEngine(flows.EngineConfig{Accounts: accounts, Runs: st, Keys: ring})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	s.req = flows.Request{Client: &store.Client{ID: "shop"}, Query: "cart=7"}
	pass := func(_ context.Context, _ *flows.Run, e flows.Event) (flows.Event, error) { return e, nil }
	s.flow = flows.New("shop",
		flows.Show("cartState", pass, flows.Continue, flows.NavigateAway).Entry(),
		flows.Hop("cashierState", s.leave, s.back, "paid", "failed", "noCashier"),
		flows.Return("thanksState"),
		flows.Show("failedState", pass, "again", flows.NavigateAway),
		flows.Fail("leaveState", flows.AccessDenied),
		flows.On("failed", "failedState"),
		flows.On("again", "cashierState"),
		flows.On("noCashier", "leaveState"),
		flows.On(flows.NavigateAway, "leaveState"),
	)
	return s
}

func (s *shop) leave(_ context.Context, r *flows.Run) (flows.Event, error) {
	if r.Request.Credential == "closed" {
		return "noCashier", nil
	}
	state := r.HopState()
	return flows.Stay, r.Leave("https://cashier.example/?state="+state, []byte("kept "+state))
}

func (s *shop) back(ctx context.Context, _ *flows.Run, kept []byte, answer flows.Form) (flows.Event, error) {
	s.judged.Add(1)
	time.Sleep(time.Millisecond)
	switch {
	case string(kept) != "kept "+answer["state"]:
		return "", errors.New("not what was kept")
	case answer["say"] == "outage":
		return "", errors.New("outage")
	}
	return flows.Event(answer["say"]), ctx.Err()
}

// pay goes to the cashier and returns the ticket of the page before, and the
// state with which she left.
func (s *shop) pay() (flows.Ticket, string) {
	s.t.Helper()
	t := flows.Ticket{Run: flows.NewID(), Query: "cart=7", Browser: s.me.Cookie, Started: time.Now(), State: "cartState"}
	r, err := s.engine.Post(s.t.Context(), s.flow, t, s.req, s.me, flows.Continue, nil)
	return t, s.away(r, err)
}

func (s *shop) away(r *flows.Run, err error) string {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	address, ok := r.Away()
	if !ok {
		s.t.Fatalf("the run is at %s; want it away", r.State())
	}
	_, state, _ := strings.Cut(address, "state=")
	return state
}

func (s *shop) answer(state, say string) (*flows.Run, error) { return s.answerOf(s.me, state, say) }

func (s *shop) answerOf(b flows.Browser, state, say string) (*flows.Run, error) {
	s.t.Helper()
	trip, err := s.engine.Trip(s.t.Context(), s.flow, state)
	if err != nil {
		return nil, err
	}
	if trip.Query != "cart=7" {
		s.t.Errorf("the run began with %q", trip.Query)
	}
	return s.engine.Back(s.t.Context(), s.flow, trip, s.req, b, flows.Form{"state": state, "say": say})
}

func (s *shop) wantState(want string, r *flows.Run, err error) {
	s.t.Helper()
	if err != nil || r.State() != want {
		state := ""
		if r != nil {
			state = r.State()
		}
		s.t.Fatalf("the run is at %q, %v; want %s", state, err, want)
	}
}

func wantErr(t *testing.T, want error) func(*flows.Run, error) {
	return func(_ *flows.Run, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("error %v; want %v", err, want)
		}
	}
}

func TestHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		ticket, state := s.pay()
		// By the back button she is sent to the same place, and nothing else changes.
		r, err := s.engine.Resume(t.Context(), s.flow, ticket, s.req, s.me)
		if again := s.away(r, err); again != state {
			t.Errorf("she is sent away with %s; want %s", again, state)
		}
		r, err = s.answer(state, "failed")
		s.wantState("failedState", r, err)
		r, err = s.answer(state, "failed") // reload
		s.wantState("failedState", r, err)
		wantErr(t, flows.ErrOver)(s.answer(state, "paid"))

		// Another try has another state; the first one is good for nothing.
		time.Sleep(time.Minute)
		ticket.State, ticket.Version = "failedState", r.Version()
		r, err = s.engine.Post(t.Context(), s.flow, ticket, s.req, s.me, "again", nil)
		second := s.away(r, err)
		wantErr(t, flows.ErrOver)(s.answer(state, "paid"))
		r, err = s.answer(second, "paid")
		s.wantState("thanksState", r, err)
		wantErr(t, flows.ErrOver)(s.answer(second, "failed"))
		if n := s.judged.Load(); n != 2 {
			t.Errorf("answers were judged %d times; want 2", n)
		}
	})
}

func TestHopWithoutPage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := flows.New("direct",
		flows.Hop("cashierState", s.leave, s.back, "paid", "noCashier"),
		flows.Return("thanksState"),
		flows.Fail("closedState", ""),
		flows.On("noCashier", "closedState"),
	)
	s.flow = f
	r, err := s.engine.Start(t.Context(), f, flows.NewID(), s.req, s.me)
	state := s.away(r, err)
	r, err = s.answer(state, "paid")
	s.wantState("thanksState", r, err)
	s.req.Credential = "closed"
	r, err = s.engine.Start(t.Context(), f, flows.NewID(), s.req, s.me)
	s.wantState("closedState", r, err)
	if _, away := r.Away(); away {
		t.Error("the run ended, and is away")
	}
}

func TestHopRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		_, state := s.pay()
		id, _, _ := strings.Cut(state, ".")
		for _, unknown := range []string{"", ".", "x", "x.y", id + "x.y", strings.Repeat("x", 1000) + ".y"} {
			wantErr(t, flows.ErrNoTrip)(s.answer(unknown, "paid"))
		}
		wantErr(t, flows.ErrOver)(s.answer(id+".guessed", "paid"))
		wantErr(t, flows.ErrElsewhere)(s.answerOf(flows.Browser{Cookie: store.DigestOf("another")}, state, "paid"))
		wantErr(t, flows.ErrElsewhere)(s.answerOf(flows.Browser{}, state, "paid"))
		if n := s.judged.Load(); n != 0 {
			t.Errorf("%d answers were judged", n)
		}
		// An error leaves the question open, an undeclared event too.
		if _, err := s.answer(state, "outage"); err == nil {
			t.Error("an outage is no error")
		}
		if _, err := s.answer(state, "unheard-of"); err == nil {
			t.Error("an undeclared event is no error")
		}
		time.Sleep(31 * time.Minute)
		wantErr(t, flows.ErrExpired)(s.answer(state, "paid"))
		time.Sleep(24 * time.Hour)
		wantErr(t, flows.ErrNoTrip)(s.answer(state, "paid"))
	})
}

// A user who goes back to the entry and begins anew has another state.
func TestHopAfterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		ticket, first := s.pay()
		time.Sleep(time.Minute)
		r, err := s.engine.Post(t.Context(), s.flow, ticket, s.req, s.me, flows.Continue, nil)
		second := s.away(r, err)
		if first == second {
			t.Error("two ways out have one state")
		}
		wantErr(t, flows.ErrOver)(s.answer(first, "paid"))
		r, err = s.answer(second, "paid")
		s.wantState("thanksState", r, err)
	})
}

func TestHopRace(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 50 {
		s.judged.Store(0)
		_, state := s.pay()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				r, err := s.answer(state, "paid")
				if errors.Is(err, flows.ErrLost) { // a browser is sent there again
					r, err = s.answer(state, "paid")
				}
				if err != nil || r.State() != "thanksState" {
					t.Errorf("the run ended with %v", err)
				}
			})
		}
		wg.Wait()
		if n := s.judged.Load(); n != 1 {
			t.Fatalf("the answer was judged %d times; want once", n)
		}
	}
}

func TestHopsAreChecked(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a hop without a way back is taken for sound")
		}
	}()
	flows.New("unsound", flows.Hop("away", nil, nil), flows.Return("end"))
}
