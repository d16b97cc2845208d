package order_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

func refusedField(t *testing.T, err error) string {
	t.Helper()
	r, ok := errors.AsType[*order.RefusedError](err)
	if !ok {
		t.Fatalf("got %v, want a *RefusedError", err)
	}
	if r.Reason == "" {
		t.Error("a refusal without a reason")
	}
	return r.Field
}

// method makes an order one of another method.
func method(m order.Method) func(*store.Order, *order.Content) {
	return func(o *store.Order, _ *order.Content) { o.Method = string(m) }
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	of := func(change func(*store.Order)) int64 {
		return s.order(func(o *store.Order, _ *order.Content) { change(o) }).ID
	}
	mine, second := of(func(*store.Order) {}), of(func(o *store.Order) { o.MerchantID = "second" })
	payex := of(func(o *store.Order) { o.Method = "creditcardPayex" })
	nobodys := of(func(o *store.Order) { o.UserID = "" })
	theirs := of(func(o *store.Order) { o.UserID = mallory })
	vipps := of(func(o *store.Order) { o.Method = "vippsEcommerce" })
	group := of(func(o *store.Order) { o.MerchantID = "other" })
	otherClient := of(func(o *store.Order) { o.ClientID = "no.other" })
	euro := of(func(o *store.Order) { o.Currency = "EUR" })
	swish := of(func(o *store.Order) { o.Method = "swishPayex" })
	gone := of(func(o *store.Order) { o.MerchantID = "gone" })
	foreign := of(func(o *store.Order) { o.PartnerID = "another" })
	free := of(func(o *store.Order) { o.Method, o.Status, o.MerchantID = "free", store.OrderPaid, "" })
	paid := of(func(o *store.Order) { o.Status, o.MerchantID = store.OrderHandedOver, "second" })
	paidOther := of(func(o *store.Order) { o.Status, o.MerchantID = store.OrderHandedOver, "other" })
	anonymous := func(ids ...int64) order.Checkout { return order.Checkout{OrderIDs: ids} }
	for name, tt := range map[string]struct {
		c    order.Checkout
		want []int64 // nil for a refusal
		err  error   // nil for a *RefusedError
	}{
		"one":                        {checkout(mine), []int64{mine}, nil},
		"nobody's":                   {checkout(nobodys), []int64{nobodys}, nil},
		"the same twice":             {checkout(mine, mine), []int64{mine}, nil},
		"a list of one group":        {checkout(second, mine, nobodys), []int64{mine, second, nobodys}, nil},
		"both names of cards":        {checkout(mine, payex), []int64{mine, payex}, nil},
		"one of vipps":               {checkout(vipps), []int64{vipps}, nil},
		"free":                       {checkout(free), []int64{free}, nil},
		"one is paid for":            {checkout(mine, paid), []int64{mine, paid}, nil},
		"before a login":             {anonymous(theirs), []int64{theirs}, nil},
		"before a login, nobody's":   {anonymous(nobodys, mine), []int64{mine, nobodys}, nil},
		"its client":                 {order.Checkout{OrderIDs: []int64{mine}, ClientID: site, UserID: alice}, []int64{mine}, nil},
		"none":                       {checkout(), nil, nil},
		"unknown":                    {checkout(4711), nil, order.ErrNotFound},
		"unknown in a list":          {checkout(mine, 4711), nil, order.ErrNotFound},
		"somebody else's":            {checkout(theirs), nil, order.ErrNotFound},
		"somebody else's in a list":  {checkout(mine, theirs), nil, order.ErrNotFound},
		"before a login, of two":     {anonymous(mine, theirs), nil, order.ErrNotFound},
		"another client's":           {order.Checkout{OrderIDs: []int64{mine}, ClientID: "no.other", UserID: alice}, nil, order.ErrNotFound},
		"two clients":                {checkout(mine, otherClient), nil, nil},
		"two groups":                 {checkout(mine, group), nil, nil},
		"two groups, one paid":       {checkout(mine, paidOther), nil, nil},
		"two currencies":             {checkout(mine, euro), nil, nil},
		"a list with vipps":          {checkout(mine, vipps), nil, nil},
		"a list of vipps":            {checkout(vipps, of(func(o *store.Order) { o.Method = "vippsEcommerce" })), nil, nil},
		"a list with a free one":     {checkout(mine, free), nil, nil},
		"a method without provider":  {checkout(swish), nil, nil},
		"a merchant that is no more": {checkout(gone), nil, nil},
		"another partner's merchant": {checkout(foreign), nil, nil},
		"too many": {checkout(func() (ids []int64) {
			for i := range int64(51) {
				ids = append(ids, i+1)
			}
			return
		}()...), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Check(t.Context(), tt.c)
			switch {
			case tt.err != nil:
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
			case tt.want == nil:
				if field := refusedField(t, err); field != "orderId" {
					t.Errorf("refused for %q, want orderId", field)
				}
			case err != nil:
				t.Fatal(err)
			}
			var ids []int64
			for _, o := range got {
				if ids = append(ids, o.ID); len(o.Content.Lines) != 1 {
					t.Errorf("order %d has no content", o.ID)
				}
			}
			if !reflect.DeepEqual(ids, tt.want) {
				t.Errorf("got %v, want %v", ids, tt.want)
			}
		})
	}
	if n := s.bank.count("Start") + s.bank.count("Standing"); n != 0 {
		t.Errorf("the provider was called %d times", n)
	}
}

func TestPay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		o := s.order(func(o *store.Order, _ *order.Content) { o.UserID = "" })
		due := s.pay(o.ID)
		if due.Outcome != order.Waiting || due.RedirectURL != "https://bank.example/pay/"+due.PaymentID {
			t.Fatalf("got %+v", due)
		}
		got, p := s.stored(o.ID), s.payment(due.PaymentID)
		if got.Status != store.OrderAwaitingPayment || got.UserID != alice || got.PaymentID != p.ID {
			t.Errorf("the order is %+v", got)
		}
		if p.Status != store.PaymentOpen || p.UserID != alice || p.Amount != 29900 || p.Currency != "NOK" || p.Method != "creditcardPayex" ||
			p.MerchantID != "main" || !p.Recurring || len(p.Orders) != 1 || p.ProviderRef != "bank "+p.ID || p.Reference != "" {
			t.Errorf("the payment is %+v", p)
		}
		start, _ := s.bank.find(p.ID)
		want := order.Start{
			ID: p.ID, Key: p.ID + "-start", MerchantID: "main", Method: order.CreditCardPayEx, Flow: order.Redirect, Amount: 29900, VATAmount: 5980,
			Currency: "NOK", Recurring: true, Renewal: store.Renewal{Price: 34900, Period: store.Period{Length: 1, Unit: store.Months}},
			Description: "The Paper for a month",
			Lines:       []order.StartLine{{Reference: "DIGITAL", Name: "The Paper for a month", Quantity: 1, Amount: 29900, VATAmount: 5980, VATPercent: 2500}},
			Payer:       order.Payer{UserID: alice}, Lang: "nb", ReturnURL: "https://login.example/user/fulfillment?run=x", CallbackURL: start.CallbackURL,
		}
		if !reflect.DeepEqual(start, want) {
			t.Errorf("the provider was asked for\n%+v, want\n%+v", start, want)
		}
		if strings.Contains(string(p.Data), start.CallbackURL) || strings.Contains(string(p.Data), start.CallbackURL[strings.LastIndexByte(start.CallbackURL, '/')+1:]) {
			t.Error("the store has the proof of the callback")
		}
		// Again, at once and later: the same.
		if again := s.pay(o.ID); again != due {
			t.Errorf("again: %+v, want %+v", again, due)
		}
		time.Sleep(time.Hour)
		if again := s.pay(o.ID); again != due {
			t.Errorf("an hour later: %+v, want %+v", again, due)
		}
		// She pays, and comes by again without coming back.
		s.bank.pay(p.ID)
		if again := s.pay(o.ID); again != (order.Due{Outcome: order.Success, PaymentID: p.ID}) {
			t.Errorf("after it was paid: %+v", again)
		}
		if got := s.stored(o.ID); got.Status != store.OrderHandedOver || s.press.count(o.ID) != 1 {
			t.Errorf("the order is %+v, handed over %d times", got, s.press.count(o.ID))
		}
		if s.bank.count("Start") != 1 || s.bank.count("Capture") != 1 {
			t.Errorf("calls: %v", s.bank.calls)
		}
		wantSteps := []string{"payment >new", "order preliminary>awaitingPayment", "payment new>open", "payment open>capturing", "payment capturing>captured", "order awaitingPayment>paid", "order paid>handedOver"}
		if got := s.statuses(); !reflect.DeepEqual(got, wantSteps) {
			t.Errorf("steps %v, want %v", got, wantSteps)
		}
	})
}

func TestPayNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	free := s.order(func(o *store.Order, _ *order.Content) {
		o.Method, o.Status, o.MerchantID, o.UserID, o.Amount = "free", store.OrderPaid, "", "", 0
	})
	if due := s.pay(free.ID); due != (order.Due{Outcome: order.Success}) {
		t.Errorf("got %+v", due)
	}
	if got := s.stored(free.ID); got.UserID != alice {
		t.Errorf("the order is %q's", got.UserID)
	}
	if _, err := s.Pay(t.Context(), order.Checkout{OrderIDs: []int64{free.ID}, UserID: mallory}); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := s.Pay(t.Context(), order.Checkout{OrderIDs: []int64{free.ID}}); err == nil {
		t.Error("nobody pays")
	}
}

func TestPayTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		a, b := s.order(), s.order(func(o *store.Order, _ *order.Content) { o.MerchantID, o.UserID = "second", "" })
		due := s.pay(b.ID, a.ID)
		p := s.payment(due.PaymentID)
		if p.Amount != 2*29900 || p.MerchantID != "main" || !reflect.DeepEqual(p.Orders, []int64{a.ID, b.ID}) {
			t.Errorf("the payment is %+v", p)
		}
		if again := s.pay(a.ID, b.ID); again != due {
			t.Errorf("in another order: %+v, want %+v", again, due)
		}
		s.bank.pay(p.ID)
		if p = s.settle(p.ID); order.OutcomeOf(p) != order.Success {
			t.Errorf("the payment is %s", p.Status)
		}
		for _, id := range p.Orders {
			if got := s.stored(id); got.Status != store.OrderHandedOver || got.UserID != alice || s.press.count(id) != 1 {
				t.Errorf("the order is %+v", got)
			}
		}
	})
}

// A list that is not that of the open payment ends it, and the payer pays for what
// she asked for.
func TestPayOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		a, b := s.order(), s.order()
		first := s.pay(a.ID)
		both := s.pay(a.ID, b.ID)
		if both.PaymentID == first.PaymentID || s.payment(first.PaymentID).Status != store.PaymentReleased {
			t.Fatalf("the first payment is %s", s.payment(first.PaymentID).Status)
		}
		if s.bank.pay(first.PaymentID) {
			t.Error("the first payment can still be paid")
		}
		s.bank.pay(both.PaymentID)
		time.Sleep(time.Minute)
		if due := s.pay(a.ID, b.ID); due.Outcome != order.Success {
			t.Errorf("got %+v", due)
		}
		// Paid meanwhile: only the rest is left, and the end of that leaves doubt.
		c, d := s.order(), s.order()
		first = s.pay(c.ID)
		s.bank.pay(first.PaymentID)
		rest := s.pay(c.ID, d.ID)
		if p := s.payment(rest.PaymentID); !reflect.DeepEqual(p.Orders, []int64{d.ID}) || s.stored(c.ID).Status != store.OrderHandedOver {
			t.Errorf("the rest is %+v", p)
		}
		s.bank.end(rest.PaymentID, order.Cancelled)
		if got := order.OutcomeOf(s.settle(rest.PaymentID)); got != order.Uncertain {
			t.Errorf("one is paid and one is cancelled: %q, want %q", got, order.Uncertain)
		}
	})
}

// Each end of a payment, and that the order can be paid for again after it.
func TestPayAgain(t *testing.T) {
	t.Parallel()
	for state, want := range map[order.State]struct {
		outcome order.Outcome
		order   store.OrderStatus
		payment store.PaymentStatus
	}{
		order.Cancelled: {order.Cancel, store.OrderCancelled, store.PaymentCancelled},
		order.Failed:    {order.Error, store.OrderFailed, store.PaymentFailed},
		order.Released:  {order.Error, store.OrderCancelled, store.PaymentReleased},
		order.Refunded:  {order.Error, store.OrderFailed, store.PaymentRefunded},
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				o := s.order()
				first := s.pay(o.ID)
				s.bank.end(first.PaymentID, state)
				p := s.settle(first.PaymentID)
				if got := s.stored(o.ID); order.OutcomeOf(p) != want.outcome || p.Status != want.payment || got.Status != want.order {
					t.Errorf("%q, payment %s, order %s", order.OutcomeOf(p), p.Status, got.Status)
				}
				time.Sleep(time.Second)
				again := s.pay(o.ID)
				if again.PaymentID == first.PaymentID || again.RedirectURL == "" {
					t.Fatalf("again: %+v", again)
				}
				s.bank.pay(again.PaymentID)
				if p := s.settle(again.PaymentID); order.OutcomeOf(p) != order.Success || s.stored(o.ID).PaymentID != p.ID {
					t.Errorf("the second payment is %s", p.Status)
				}
			})
		})
	}
}

func TestPayClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		o, late := s.order(), s.order()
		first := s.pay(o.ID)
		time.Sleep(24*time.Hour - time.Minute)
		last := s.pay(late.ID) // has some time all the same
		s.bank.end(first.PaymentID, order.Cancelled)
		s.settle(first.PaymentID)
		time.Sleep(2 * time.Minute)
		if _, err := s.Pay(t.Context(), checkout(o.ID)); !errors.Is(err, order.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		s.bank.pay(last.PaymentID)
		if due := s.pay(late.ID); due.Outcome != order.Success {
			t.Errorf("got %+v", due)
		}
	})
}

func TestPayRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.bank.refuseStart = true
		o := s.order()
		due := s.pay(o.ID)
		if due.Outcome != order.Error || due.RedirectURL != "" || s.stored(o.ID).Status != store.OrderFailed {
			t.Errorf("got %+v", due)
		}
	})
}

// outage is the bank behind a line that fails.
type outage struct {
	direct
	mu    sync.Mutex
	fail  map[string]error // by call
	after bool             // it happens all the same
	delay time.Duration
}

func (o *outage) begin(ctx context.Context, call string) (err error, after bool) {
	o.mu.Lock()
	err, after = o.fail[call], o.after
	delay := o.delay
	o.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return ctx.Err(), after
	}
	return err, after
}

func (o *outage) heal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail, o.delay = nil, 0
}

func through[R any](ctx context.Context, o *outage, call string, f func() (R, error)) (R, error) {
	err, after := o.begin(ctx, call)
	if err != nil && !after {
		var none R
		return none, err
	}
	r, e := f()
	if err != nil {
		var none R
		return none, err
	}
	return r, e
}

func (o *outage) Start(ctx context.Context, s order.Start) (order.Started, error) {
	return through(ctx, o, "Start", func() (order.Started, error) { return o.start(s) })
}
func (o *outage) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	return through(ctx, o, "Standing", func() (order.Standing, error) { return o.ask(r) })
}
func (o *outage) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return through(ctx, o, "Capture", func() (order.Standing, error) { return o.capture(r, a) })
}
func (o *outage) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return through(ctx, o, "Cancel", func() (order.Standing, error) { return o.cancel(r, a) })
}
func (o *outage) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return through(ctx, o, "Refund", func() (order.Standing, error) { return o.refund(r, a) })
}

// A provider that does not answer begins the same payment when it is asked again, by
// the payer or by the work.
func TestPayOutage(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				line := &outage{direct: direct{s.bank}, fail: map[string]error{"Start": errFault}, after: after}
				s.Service = s.node(s.store, line)
				o := s.order()
				if _, err := s.Pay(t.Context(), checkout(o.ID)); !errors.Is(err, errFault) {
					t.Fatalf("got %v", err)
				}
				id := s.stored(o.ID).PaymentID
				if p := s.payment(id); p.Status != store.PaymentNew {
					t.Fatalf("the payment is %s", p.Status)
				}
				line.heal()
				if name == "before" {
					s.work(s.Service, 2, time.Minute)
				}
				due := s.pay(o.ID)
				if due.PaymentID != id || due.RedirectURL == "" || len(s.bank.payments) != 1 {
					t.Errorf("got %+v of %d payments, want %s", due, len(s.bank.payments), id)
				}
				// It can not be asked how it stands: where she pays is known.
				line.fail = map[string]error{"Standing": errFault}
				time.Sleep(time.Minute)
				if again := s.pay(o.ID); again != due {
					t.Errorf("got %+v, want %+v", again, due)
				}
			})
		})
	}
}

// Whoever comes while another asks the provider waits for her answer, and does not
// wait for ever.
func TestPayWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		slow  time.Duration // the first node's call
		calls int           // Starts at the bank
	}{"quick": {time.Second, 1}, "slow": {10 * time.Second, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				first := s.node(s.store, &outage{direct: direct{s.bank}, delay: tt.slow})
				o := s.order()
				var dues [2]order.Due
				var wg sync.WaitGroup
				wg.Go(func() { dues[0], _ = first.Pay(t.Context(), checkout(o.ID)) })
				time.Sleep(time.Millisecond)
				wg.Go(func() { dues[1], _ = s.Pay(t.Context(), checkout(o.ID)) })
				wg.Wait()
				if dues[0] != dues[1] || dues[0].RedirectURL == "" || s.bank.count("Start") != tt.calls {
					t.Errorf("got %+v by %d calls", dues, s.bank.count("Start"))
				}
			})
		})
	}
}

// What a recurring payment costs later is told; an amount of the client's own has one
// line, and a long name is cut.
func TestPayLines(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.order(func(o *store.Order, c *order.Content) {
		o.Amount, c.Recurring = 10000, false
		c.Lines[0].Name = strings.Repeat("æ", 60)
		c.Payer = order.Person{Emails: []string{"alice@example.com"}, PhoneNumbers: []string{"+4790000000"}}
	})
	start, _ := s.bank.find(s.pay(o.ID).PaymentID)
	if want := strings.Repeat("æ", 39) + "…"; start.Description != want || start.Recurring {
		t.Errorf("described as %q", start.Description)
	}
	if len(start.Lines) != 1 || start.Lines[0].Amount != 10000 || start.Payer != (order.Payer{UserID: alice, Email: "alice@example.com", Phone: "+4790000000"}) {
		t.Errorf("got %+v", start)
	}
	v := s.order(method(order.VippsRecurring), func(_ *store.Order, c *order.Content) { c.Recurring = false })
	if p := s.payment(s.pay(v.ID).PaymentID); !p.Recurring || p.Method != "vippsRecurring" {
		t.Errorf("got %+v", p)
	}
}

// rounds of races
const callers = 64

func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func TestPayRace(t *testing.T) {
	t.Parallel()
	for range raceRounds(t, 10) {
		s := newShop(t)
		nodes := []*order.Service{s.Service, s.node(s.store, direct{s.bank})}
		a, b := s.order(), s.order(func(o *store.Order, _ *order.Content) { o.UserID = "" })
		dues := make([]order.Due, callers)
		race(callers, func(i int) {
			var err error
			if dues[i], err = nodes[i%2].Pay(t.Context(), checkout(a.ID, b.ID)); err != nil {
				t.Error(err)
			}
		})
		for _, due := range dues {
			if due != dues[0] || due.RedirectURL == "" {
				t.Fatalf("got %+v and %+v", due, dues[0])
			}
		}
		if len(s.bank.payments) != 1 {
			t.Fatalf("%d payments were begun", len(s.bank.payments))
		}
		if left := s.queued(store.PaymentWork); len(left) != 1 || left[0] != dues[0].PaymentID {
			t.Errorf("queued: %v", left)
		}
		s.bank.pay(dues[0].PaymentID)
		race(callers, func(i int) {
			p, err := nodes[i%2].Settle(t.Context(), dues[0].PaymentID)
			if err != nil || p.Status != store.PaymentCaptured {
				t.Errorf("%s, %v", p.Status, err)
			}
		})
		account := s.bank.payments[dues[0].PaymentID]
		if account.captures != 1 || s.stored(a.ID).Status != store.OrderHandedOver || s.stored(b.ID).Status != store.OrderHandedOver {
			t.Errorf("captured %d times, the orders are %s and %s", account.captures, s.stored(a.ID).Status, s.stored(b.ID).Status)
		}
		for _, fault := range append(s.bank.faults, s.press.faults...) {
			t.Error(fault)
		}
	}
}

// torn is a store that shows one order of a list as it was before the payment.
type torn struct {
	order.Store
	mu  sync.Mutex
	old map[int64]store.Order // each once
}

func (s *torn) Order(ctx context.Context, id int64) (store.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.old[id]; ok {
		delete(s.old, id)
		return o, nil
	}
	return s.Store.Order(ctx, id)
}

// Orders are read one after the other. A payment that begins meanwhile is not taken
// for one of other orders.
func TestPayTornRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := s.order(), s.order()
	due := s.pay(a.ID, b.ID)
	for _, old := range []store.Order{a, b} {
		node := s.node(&torn{Store: s.store, old: map[int64]store.Order{old.ID: old}}, direct{s.bank})
		if again, err := node.Pay(t.Context(), checkout(a.ID, b.ID)); err != nil || again != due {
			t.Errorf("got %+v, %v; want %+v", again, err, due)
		}
	}
}

// stalled is a store at which a commit comes late.
type stalled struct {
	order.Store
	before func()
}

func (s *stalled) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	if s.before != nil && len(payments) == 1 && payments[0].Version == 0 {
		s.before()
	}
	return s.Store.CommitOrders(ctx, orders, payments)
}

// A payment that is about to begin when its order is closed does not begin: the
// order has failed before, and its voucher is somebody else's.
func TestClosedOrderIsNotPaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		l := coupon("A")
		l.VoucherCode = "GIFT"
		o, err := m.Place(t.Context(), m.of(order.CreditCardPayEx, l, coupon("A")))
		if err != nil {
			t.Fatal(err)
		}
		c := order.Checkout{OrderIDs: []int64{o.ID}, UserID: kari, ReturnURL: "https://login.example/back"}
		due, err := m.Pay(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		m.till.set(due.PaymentID, order.Failed)
		if _, err := m.Settle(t.Context(), due.PaymentID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(o.CreatedAt.Add(24*time.Hour - time.Second)))
		slow := &stalled{Store: m.store}
		slow.before = func() {
			for range 12 { // a machine that was stopped for an hour
				time.Sleep(5 * time.Minute)
				if _, err := m.Work(t.Context()); err != nil {
					t.Error(err)
				}
			}
			slow.before = nil
		}
		m.config.Store = slow
		late := m.node(t)
		_, err = late.Pay(t.Context(), c)
		if !errors.Is(err, order.ErrClosed) {
			t.Errorf("paid: %v, want ErrClosed", err)
		}
		if by := m.spentBy(t, "GIFT"); by != "" {
			t.Errorf("the voucher is spent by %q", by)
		}
		if o, err := m.Order(t.Context(), m.client, "", o.ID); err != nil || o.Status != store.OrderFailed {
			t.Errorf("the order is %s, %v", o.Status, err)
		}
	})
}
