// Package ordertest checks that a payment provider keeps the contract of
// [order.Provider].
//
// An adapter's own tests need one call:
//
//	func TestProvider(t *testing.T) {
//		ordertest.Run(t, func(t *testing.T) ordertest.Subject {
//			simulator := newSimulator(t)
//			return ordertest.Subject{
//				Provider: myprovider.New(...),
//				Start:    order.Start{MerchantID: "shop", Method: order.CreditCardPayEx, ...},
//				Agree:    func(t *testing.T, r order.Ref) { simulator.pay(r.Provider) },
//			}
//		})
//	}
//
// Every case names the sentence of the contract that it checks, and logs it when
// it fails.
package ordertest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// Subject is a provider, and what plays the payer.
type Subject struct {
	Provider order.Provider
	// Start is a payment as this provider takes it. Its ID and Key are made anew
	// for each payment; what is empty of the rest is filled in.
	Start order.Start
	// Agree has the payer agree to a payment that has begun. Required.
	Agree func(t *testing.T, r order.Ref)
	// Decline makes the payment fail, and GiveUp has the payer cancel it. The cases
	// without one are left out.
	Decline func(t *testing.T, r order.Ref)
	GiveUp  func(t *testing.T, r order.Ref)
	// Sale says that the money is taken when the payer agrees.
	Sale bool
	// OnlyRecurring says that there are no other payments.
	OnlyRecurring bool
	// Unsigned says that the provider signs no callbacks: who calls is known by the
	// address alone.
	Unsigned bool
	// NotIdempotent names the actions whose keys the provider does not know: of
	// "start", "capture", "cancel", "refund" and "charge". It asks first how the payment
	// stands, so that the same again does no more, but many at once may be refused. A
	// start or a charge again is another, of which the caller keeps one.
	NotIdempotent []string
}

type rule struct {
	sentence string
	check    func(t testing.TB, s *subject)
}

var rules = []rule{
	{"a payment that has begun is open, and its Ref is of 1 to 1000 bytes", startOpens},
	{"a payment that begins says where the payer goes, or what is shown to her", startLeadsOn},
	{"Start again with the same Start returns the payment that has begun", startAgain},
	{"of many Starts with one key all return one payment", startRace},
	{"ErrUnknown: a payment that never began", unknownPayment},
	{"a payment whose Start was not answered is found by its own ID", refWithoutAnswer},
	{"a payer who agrees makes it authorized or captured, with the amount and currency that were asked for", agreed},
	{"Capture takes all of the reserved money", captureTakes},
	{"the same key again takes nothing more", captureAgain},
	{"another key after a full capture is refused, and nothing happens", captureOtherKey},
	{"of many captures with one key the money is taken once", captureRace},
	{"of captures with different keys one takes the money", captureTwoKeys},
	{"a payment that is open can not be captured", captureOpen},
	{"what was captured at once is never captured again", captureSale},
	{"Cancel releases what is reserved", cancelReleases},
	{"Cancel makes an open payment one that can not be paid any more", cancelOpen},
	{"Cancel again with the same key says how the payment stands", cancelAgain},
	{"ErrRefused: it is too late to cancel when the money is taken", cancelCaptured},
	{"a payment that was cancelled can not be captured", captureCancelled},
	{"of a capture and a cancel one wins", captureOrCancel},
	{"Refund gives all of the taken money back", refundGives},
	{"Refund again with the same key gives nothing more", refundAgain},
	{"what was not taken is not refunded", refundUntaken},
	{"a payment that was declined has failed for good", declined},
	{"a payment that the payer gave up is cancelled for good", givenUp},
	{"a recurring payment has a token once it has succeeded, any other none", token},
	{"the context is obeyed", cancelledContext},
	{"ErrForged: a callback that is not the provider's", forgedCallback},
	{"a charge takes money once for a key", chargeOnce},
	{"a charge with a token that is not one takes nothing", chargeForged},
}

// Run checks the contract. open is called once per case.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, r := range rules {
		t.Run(r.sentence, func(t *testing.T) {
			s := open(t)
			if s.Provider == nil || s.Agree == nil {
				t.Fatal("a Subject needs a Provider and Agree")
			}
			r.check(t, &subject{s, t})
			if t.Failed() {
				t.Logf("the contract says: %s", r.sentence)
			}
		})
	}
}

type subject struct {
	Subject
	t *testing.T // of who plays the payer
}

func (s *subject) idempotent(action string) bool {
	return !slices.Contains(s.NotIdempotent, action)
}

// start is a Start of its own.
func (s *subject) start() order.Start {
	r := s.Start
	r.ID, r.Key = rand.Text(), rand.Text()
	def := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	def(&r.MerchantID, "shop")
	def((*string)(&r.Method), string(order.CreditCardPayEx))
	def((*string)(&r.Flow), string(order.Redirect))
	def(&r.Currency, "NOK")
	def(&r.Description, "The paper, one month")
	def(&r.Lang, "nb")
	def(&r.ReturnURL, "https://connectid.example/return/"+r.ID)
	def(&r.CallbackURL, "https://connectid.example/callback/"+r.ID+"/proof")
	if r.Amount == 0 {
		r.Amount, r.VATAmount = 19900, 3980
	}
	if r.Flow == order.Seamless && len(r.Origins) == 0 {
		r.Origins = []string{"https://paper.example"}
	}
	return r
}

func (s *subject) begun(t testing.TB) (order.Start, order.Ref) {
	t.Helper()
	r := s.start()
	return r, s.begin(t, r)
}

func (s *subject) begin(t testing.TB, r order.Start) order.Ref {
	t.Helper()
	started, err := s.Provider.Start(t.Context(), r)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return ref(r, started.Ref)
}

func ref(r order.Start, provider string) order.Ref {
	return order.Ref{ID: r.ID, Provider: provider, MerchantID: r.MerchantID, Method: r.Method, Recurring: r.Recurring}
}

func action(r order.Start, key string) order.Action {
	return order.Action{Key: key, Amount: r.Amount, VATAmount: r.VATAmount, Currency: r.Currency, Description: r.Description}
}

// reserved is a payment to which the payer has agreed.
func (s *subject) reserved(t testing.TB) (order.Start, order.Ref) {
	t.Helper()
	r, at := s.begun(t)
	s.Agree(s.t, at)
	return r, at
}

// taken is one whose money is taken.
func (s *subject) taken(t testing.TB) (order.Start, order.Ref) {
	t.Helper()
	r, at := s.reserved(t)
	if !s.Sale {
		if _, err := s.Provider.Capture(t.Context(), at, action(r, "take "+r.ID)); err != nil {
			t.Fatalf("Capture: %v", err)
		}
	}
	s.stands(t, at, order.Captured)
	return r, at
}

func (s *subject) standing(t testing.TB, at order.Ref) order.Standing {
	t.Helper()
	got, err := s.Provider.Standing(t.Context(), at)
	if err != nil {
		t.Fatalf("Standing: %v", err)
	}
	return got
}

func (s *subject) stands(t testing.TB, at order.Ref, want ...order.State) {
	t.Helper()
	got := s.standing(t, at).State
	if slices.Contains(want, got) {
		return
	}
	t.Errorf("the payment is %q, want %q", got, want)
}

func needReservation(t testing.TB, s *subject) {
	t.Helper()
	if s.Sale {
		t.Skip("the provider takes the money at once")
	}
}

func startOpens(t testing.TB, s *subject) {
	_, at := s.begun(t)
	if at.Provider == "" || len(at.Provider) > 1000 {
		t.Errorf("a Ref of %d bytes", len(at.Provider))
	}
	s.stands(t, at, order.Open)
}

func startLeadsOn(t testing.TB, s *subject) {
	r := s.start()
	started, err := s.Provider.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Flow == order.Seamless {
		if started.View.URL == "" || started.View.Kind == "" {
			t.Errorf("nothing is shown: %+v", started)
		}
	} else if started.RedirectURL == "" {
		t.Errorf("the payer goes nowhere: %+v", started)
	}
}

func startAgain(t testing.TB, s *subject) {
	if !s.idempotent("start") {
		t.Skip("the provider has no keys for Start")
	}
	r, at := s.begun(t)
	if again := s.begin(t, r); again != at {
		t.Errorf("the second Start made %v, the first %v", again, at)
	}
	s.Agree(s.t, at)
	if again := s.begin(t, r); again != at {
		t.Errorf("a Start after the payer agreed made %v, the first %v", again, at)
	}
}

func startRace(t testing.TB, s *subject) {
	if !s.idempotent("start") {
		t.Skip("the provider has no keys for Start")
	}
	r := s.start()
	var mu sync.Mutex
	refs := map[string]int{}
	each(16, func(int) {
		if started, err := s.Provider.Start(t.Context(), r); err != nil {
			t.Errorf("Start: %v", err)
		} else {
			mu.Lock()
			refs[started.Ref]++
			mu.Unlock()
		}
	})
	if len(refs) != 1 {
		t.Errorf("%d payments: %v", len(refs), refs)
	}
}

func unknownPayment(t testing.TB, s *subject) {
	for name, r := range map[string]order.Ref{"never answered": ref(s.start(), ""), "never begun": ref(s.start(), "unheard-of")} {
		if _, err := s.Provider.Standing(t.Context(), r); !errors.Is(err, order.ErrUnknown) {
			t.Errorf("%s: Standing: %v, want ErrUnknown", name, err)
		}
	}
}

func refWithoutAnswer(t testing.TB, s *subject) {
	r, at := s.begun(t)
	got, err := s.Provider.Standing(t.Context(), ref(r, ""))
	if errors.Is(err, order.ErrUnknown) { // then it is started again with its key
		if again := s.begin(t, r); s.idempotent("start") && again != at {
			t.Errorf("started again as %v, it was %v", again, at)
		}
		return
	}
	if err != nil || got.State != order.Open {
		t.Errorf("%+v, %v, want an open one", got, err)
	}
}

func agreed(t testing.TB, s *subject) {
	r, at := s.reserved(t)
	want := order.Authorized
	if s.Sale {
		want = order.Captured
	}
	if got := s.standing(t, at); got.State != want || got.Amount != r.Amount || got.Currency != r.Currency {
		t.Errorf("%+v, want %q with %d %s", got, want, r.Amount, r.Currency)
	}
}

func captureTakes(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	got, err := s.Provider.Capture(t.Context(), at, action(r, "take"))
	if err != nil || got.State != order.Captured || got.Amount != r.Amount || got.Currency != r.Currency {
		t.Errorf("Capture: %+v, %v", got, err)
	}
	s.stands(t, at, order.Captured)
}

func captureAgain(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	for range 3 {
		got, err := s.Provider.Capture(t.Context(), at, action(r, "take"))
		if err != nil || got.State != order.Captured || got.Amount != r.Amount {
			t.Errorf("Capture: %+v, %v", got, err)
		}
	}
}

func captureOtherKey(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.taken(t)
	if _, err := s.Provider.Capture(t.Context(), at, action(r, "another")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %v, want ErrRefused", err)
	}
	if got := s.standing(t, at); got.State != order.Captured || got.Amount != r.Amount {
		t.Errorf("the payment is %+v", got)
	}
}

func captureRace(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	each(64, func(int) {
		got, err := s.Provider.Capture(t.Context(), at, action(r, "take"))
		if err == nil && (got.State != order.Captured || got.Amount != r.Amount) {
			t.Errorf("Capture: %+v", got)
		}
		if err != nil && (s.idempotent("capture") || !errors.Is(err, order.ErrRefused)) {
			t.Errorf("Capture: %v", err)
		}
	})
	if got := s.standing(t, at); got.State != order.Captured || got.Amount != r.Amount {
		t.Errorf("the payment is %+v", got)
	}
}

func captureTwoKeys(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	var taken atomic.Int32
	each(16, func(i int) {
		_, err := s.Provider.Capture(t.Context(), at, action(r, []string{"one", "two"}[i%2]))
		switch {
		case err == nil:
			taken.Add(1)
		case !errors.Is(err, order.ErrRefused):
			t.Errorf("Capture: %v", err)
		}
	})
	if n := taken.Load(); n == 0 || n > 8 {
		t.Errorf("%d of 8 and 8 captures succeeded: want those of one key", n)
	}
	if got := s.standing(t, at); got.State != order.Captured || got.Amount != r.Amount {
		t.Errorf("the payment is %+v", got)
	}
}

func captureOpen(t testing.TB, s *subject) {
	r, at := s.begun(t)
	if got, err := s.Provider.Capture(t.Context(), at, action(r, "take")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Open)
}

func captureSale(t testing.TB, s *subject) {
	if !s.Sale {
		t.Skip("the provider reserves")
	}
	r, at := s.reserved(t)
	_, err := s.Provider.Capture(t.Context(), at, action(r, "take"))
	if err != nil && !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %v", err)
	}
	if got := s.standing(t, at); got.State != order.Captured || got.Amount != r.Amount {
		t.Errorf("the payment is %+v", got)
	}
}

func cancelReleases(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	if got, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); err != nil || got.State != order.Released {
		t.Errorf("Cancel: %+v, %v", got, err)
	}
	s.stands(t, at, order.Released)
}

func cancelOpen(t testing.TB, s *subject) {
	r, at := s.begun(t)
	if _, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	s.stands(t, at, order.Cancelled, order.Released, order.Failed)
}

func cancelAgain(t testing.TB, s *subject) {
	r, at := s.begun(t)
	if _, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	if _, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); err != nil && s.idempotent("cancel") {
		t.Errorf("Cancel: %v", err)
	}
	s.stands(t, at, order.Cancelled, order.Released, order.Failed)
}

func cancelCaptured(t testing.TB, s *subject) {
	r, at := s.taken(t)
	if got, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Cancel: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Captured)
}

func captureCancelled(t testing.TB, s *subject) {
	needReservation(t, s)
	r, at := s.reserved(t)
	if _, err := s.Provider.Cancel(t.Context(), at, action(r, "release")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Provider.Capture(t.Context(), at, action(r, "take")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Released)
}

func captureOrCancel(t testing.TB, s *subject) {
	needReservation(t, s)
	for range 10 {
		r, at := s.reserved(t)
		var taken, released atomic.Bool
		each(2, func(i int) {
			do, won := s.Provider.Capture, &taken
			if i == 1 {
				do, won = s.Provider.Cancel, &released
			}
			_, err := do(t.Context(), at, action(r, []string{"take", "release"}[i]))
			won.Store(err == nil)
			if err != nil && !errors.Is(err, order.ErrRefused) {
				t.Error(err)
			}
		})
		if taken.Load() == released.Load() {
			t.Errorf("taken: %v, released: %v", taken.Load(), released.Load())
		}
		want := order.Released
		if taken.Load() {
			want = order.Captured
		}
		s.stands(t, at, want)
	}
}

func refundGives(t testing.TB, s *subject) {
	r, at := s.taken(t)
	if got, err := s.Provider.Refund(t.Context(), at, action(r, "back")); err != nil || got.State != order.Refunded {
		t.Errorf("Refund: %+v, %v", got, err)
	}
	s.stands(t, at, order.Refunded)
}

func refundAgain(t testing.TB, s *subject) {
	r, at := s.taken(t)
	each(16, func(int) {
		got, err := s.Provider.Refund(t.Context(), at, action(r, "back"))
		if err == nil && got.State != order.Refunded || err != nil && (s.idempotent("refund") || !errors.Is(err, order.ErrRefused)) {
			t.Errorf("Refund: %+v, %v", got, err)
		}
	})
	if _, err := s.Provider.Refund(t.Context(), at, action(r, "more")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Refund with another key: %v, want ErrRefused", err)
	}
	s.stands(t, at, order.Refunded)
}

func refundUntaken(t testing.TB, s *subject) {
	r, at := s.begun(t)
	if got, err := s.Provider.Refund(t.Context(), at, action(r, "back")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Refund: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Open)
}

func declined(t testing.TB, s *subject) {
	if s.Decline == nil {
		t.Skip("no payment is declined here")
	}
	r, at := s.begun(t)
	s.Decline(s.t, at)
	if got := s.standing(t, at); got.State != order.Failed || got.Token != "" {
		t.Errorf("%+v, want a failed one", got)
	}
	if got, err := s.Provider.Capture(t.Context(), at, action(r, "take")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Failed)
}

func givenUp(t testing.TB, s *subject) {
	if s.GiveUp == nil {
		t.Skip("no payment is given up here")
	}
	r, at := s.begun(t)
	s.GiveUp(s.t, at)
	s.stands(t, at, order.Cancelled)
	if got, err := s.Provider.Capture(t.Context(), at, action(r, "take")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Capture: %+v, %v, want ErrRefused", got, err)
	}
	s.stands(t, at, order.Cancelled)
}

func token(t testing.TB, s *subject) {
	for _, recurring := range []bool{s.Start.Recurring, false} {
		r := s.start()
		r.Recurring = recurring
		if !recurring && s.OnlyRecurring {
			continue
		}
		at := s.begin(t, r)
		if got := s.standing(t, at); got.Token != "" {
			t.Error("a token before the payer agreed")
		}
		s.Agree(s.t, at)
		if got := s.standing(t, at); (got.Token != "") != recurring {
			t.Errorf("recurring %v: a token: %v", recurring, got.Token != "")
		}
	}
}

func cancelledContext(t testing.TB, s *subject) {
	r, at := s.reserved(t)
	before := s.standing(t, at).State
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Provider.Standing(ctx, at); !errors.Is(err, context.Canceled) {
		t.Errorf("Standing: %v", err)
	}
	if _, err := s.Provider.Start(ctx, s.start()); !errors.Is(err, context.Canceled) || errors.Is(err, order.ErrRefused) {
		t.Errorf("Start: %v", err)
	}
	for name, do := range map[string]func(context.Context, order.Ref, order.Action) (order.Standing, error){
		"Capture": s.Provider.Capture, "Cancel": s.Provider.Cancel, "Refund": s.Provider.Refund,
	} {
		if _, err := do(ctx, at, action(r, name)); !errors.Is(err, context.Canceled) || errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.stands(t, at, before)
}

func forgedCallback(t testing.TB, s *subject) {
	if s.Unsigned {
		t.Skip("the provider signs nothing")
	}
	r, _ := s.begun(t)
	for name, c := range map[string]order.Callback{
		"empty":     {},
		"get":       {HTTPMethod: "GET"},
		"no text":   {HTTPMethod: "POST", Body: []byte("\x00\xff")},
		"a mere ID": {HTTPMethod: "POST", Body: []byte(`{"paymentId":"` + r.ID + `","reference":"` + r.ID + `"}`)},
		"another":   {HTTPMethod: "POST", Header: map[string][]string{"Authorization": {"Bearer x"}}, Body: []byte(`{}`)},
	} {
		c.MerchantID, c.Method, c.At = r.MerchantID, r.Method, time.Now()
		c.URL = r.CallbackURL
		if id, err := s.Provider.Callback(t.Context(), c); !errors.Is(err, order.ErrForged) || id != "" {
			t.Errorf("%s: %q, %v, want ErrForged", name, id, err)
		}
	}
}

// charger begins a recurring payment and returns its token.
func charger(t testing.TB, s *subject) (order.Charger, order.Charge) {
	t.Helper()
	c, ok := s.Provider.(order.Charger)
	if !ok || !s.Start.Recurring {
		t.Skip("no Charger, or no recurring Start")
	}
	r := s.start()
	at := s.begin(t, r)
	s.Agree(s.t, at)
	got := s.standing(t, at)
	if got.Token == "" {
		t.Fatal("no token")
	}
	return c, order.Charge{
		ID: rand.Text(), Key: rand.Text(), MerchantID: r.MerchantID, Method: r.Method, Token: got.Token,
		Amount: r.Amount, VATAmount: r.VATAmount, Currency: r.Currency, Description: r.Description, CallbackURL: r.CallbackURL,
	}
}

func chargeOnce(t testing.TB, s *subject) {
	c, charge := charger(t, s)
	var mu sync.Mutex
	refs := map[string]bool{}
	callers := 16
	if !s.idempotent("charge") {
		callers = 1
	}
	each(callers, func(int) {
		got, err := c.Charge(t.Context(), charge)
		if err != nil {
			t.Errorf("Charge: %v", err)
			return
		}
		if got.State != order.Captured && got.State != order.Authorized && got.State != order.Open || got.State != order.Open && (got.Amount != charge.Amount || got.Currency != charge.Currency) {
			t.Errorf("Charge: %+v", got)
		}
		mu.Lock()
		refs[got.Ref] = true
		mu.Unlock()
	})
	if len(refs) != 1 {
		t.Errorf("%d charges: %v", len(refs), refs)
	}
	for r := range refs {
		s.stands(t, order.Ref{ID: charge.ID, Provider: r, MerchantID: charge.MerchantID, Method: charge.Method, Recurring: true}, order.Captured, order.Authorized, order.Open)
	}
}

func chargeForged(t testing.TB, s *subject) {
	c, charge := charger(t, s)
	charge.Token = "x" + charge.Token
	if got, err := c.Charge(t.Context(), charge); err == nil && got.State != order.Failed || err != nil && !errors.Is(err, order.ErrRefused) && !errors.Is(err, order.ErrUnknown) {
		t.Errorf("Charge: %+v, %v", got, err)
	}
}

// each calls f n times at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-begin; f(i) })
	}
	close(begin)
	wg.Wait()
}
