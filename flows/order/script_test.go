package order_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

var attempt = base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes 01"))

// asked is a payment that the script asks for.
func (s *shop) asked(change ...func(*order.ScriptStart)) order.ScriptStart {
	s.t.Helper()
	client, err := s.store.Client(s.t.Context(), site)
	if err != nil {
		s.t.Fatal(err)
	}
	p := order.ScriptStart{
		Client: &client, Token: "the sign", Attempt: attempt, Lang: "nb", UserAgent: "Browser/1", PageURL: "https://paper.example/buy",
		Claims: order.Claims{
			ClientCode: site, PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Seamless, ProductSpecCode: "TOTT", ProductSpecNo: 1,
			Recurring: true, ExternalReference: "UUID-2022-03-04T12:00:00.000Z", PhoneNumber: "+4790000000", Description: "A month",
			ReturnURL: "https://paper.example/thanks?a=1&status=success&mcPayRef=forged",
		},
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func (s *shop) begin(p order.ScriptStart) order.ScriptPayment {
	s.t.Helper()
	got, err := s.StartScript(s.t.Context(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func sealed(start order.Start) string {
	return start.ReturnURL[strings.LastIndexByte(start.ReturnURL, '/')+1:]
}

func TestStartScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		got := s.begin(s.asked())
		if got.ID == "" || got.Flow != order.Seamless || got.View != (order.View{Kind: order.FrameView, URL: "https://bank.example/frame/" + got.ID}) || got.Outcome != order.Waiting {
			t.Fatalf("got %+v", got)
		}
		p := s.payment(got.ID)
		if p.ClientID != site || p.PartnerID != partner || p.Reference != "UUID-2022-03-04T12:00:00.000Z" || p.Amount != 29900 || p.Currency != "NOK" ||
			!p.Recurring || p.MerchantID != "main" || len(p.Orders) != 0 || p.Status != store.PaymentOpen {
			t.Errorf("the payment is %+v", p)
		}
		if data := string(p.Data); strings.Contains(data, "the sign") || strings.Contains(data, attempt) {
			t.Errorf("the store has the sign or the attempt key: %s", data)
		}
		start, _ := s.bank.find(got.ID)
		want := order.Start{
			ID: got.ID, Key: got.ID + "-start", MerchantID: "main", Method: order.CreditCardPayEx, Flow: order.Seamless, Amount: 29900, VATAmount: 5980,
			Currency: "NOK", Recurring: true, Renewal: store.Renewal{Price: 34900, Period: store.Period{Length: 1, Unit: store.Months}}, Description: "A month",
			Lines: []order.StartLine{{Reference: "TOTT", Name: "The Paper for a month", Quantity: 1, Amount: 29900, VATAmount: 5980}},
			Payer: order.Payer{Phone: "+4790000000", UserAgent: "Browser/1"}, Lang: "nb", Origins: []string{"https://paper.example"}, PageURL: "https://paper.example/buy",
			ReturnURL: start.ReturnURL, CallbackURL: start.CallbackURL,
		}
		if !reflect.DeepEqual(start, want) || !strings.HasPrefix(start.ReturnURL, "https://login.example/capi/mcpay/return/"+got.ID) {
			t.Errorf("the provider was asked for\n%+v, want\n%+v", start, want)
		}
		// The identical token with the same attempt key, while it is open.
		if again := s.begin(s.asked()); again != got {
			t.Errorf("again: %+v, want %+v", again, got)
		}
		repeats := map[string]func(*order.ScriptStart){
			"another attempt": func(p *order.ScriptStart) {
				p.Attempt = base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes 02"))
			},
			"another token": func(p *order.ScriptStart) { p.Token = "another sign" },
		}
		check := func(when string) {
			t.Helper()
			for _, node := range []*order.Service{s.Service, s.node(s.store, direct{s.bank})} { // here, elsewhere, after a restart
				for name, change := range repeats {
					if _, err := node.StartScript(t.Context(), s.asked(change)); !errors.Is(err, order.ErrRepeated) {
						t.Errorf("%s, %s: %v", when, name, err)
					}
				}
			}
		}
		check("while it is open")
		repeats["the same"] = func(*order.ScriptStart) {}
		s.bank.end(got.ID, order.Failed)
		s.settle(got.ID)
		check("after failure")
		time.Sleep(1000 * 24 * time.Hour)
		check("years later")
		elsewhere := s.begin(s.asked(func(p *order.ScriptStart) {
			p.PageURL, p.Claims.ExternalReference = "https://evil.example/buy", "elsewhere"
		}))
		if start, _ := s.bank.find(elsewhere.ID); start.PageURL != "" {
			t.Errorf("the bank sends her to %s", start.PageURL)
		}
		// Another client has references of its own.
		err := s.store.PutClient(t.Context(), store.Client{ID: "no.other", PartnerID: partner, Targets: []string{"https://paper.example"}})
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.store.Client(t.Context(), "no.other")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.begin(s.asked(func(p *order.ScriptStart) { p.Client = &other })); got.RedirectURL == "" {
			t.Errorf("got %+v", got)
		}
		// One that is paid for is refused too.
		paid := func(p *order.ScriptStart) { p.Claims.ExternalReference = "paid" }
		s.bank.pay(s.begin(s.asked(paid)).ID)
		s.settle(s.payment(s.begin(s.asked(paid)).ID).ID)
		if _, err := s.StartScript(t.Context(), s.asked(paid)); !errors.Is(err, order.ErrRepeated) {
			t.Errorf("after success: %v", err)
		}
	})
}

// The table of methods and flows (ConnectID: "Payment methods").
func TestScriptMethods(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	type row struct {
		method    order.Method
		recurring bool
		flow      order.PaymentFlow
	}
	allowed := map[row]order.PaymentFlow{
		{order.CreditCardPayEx, true, order.Seamless}:  order.Seamless,
		{order.CreditCardPayEx, true, order.Redirect}:  order.Redirect,
		{order.CreditCardPayEx, true, ""}:              order.Seamless,
		{order.CreditCardPayEx, false, order.Seamless}: order.Seamless,
		{order.CreditCardPayEx, false, order.Redirect}: order.Redirect,
		{order.CreditCardPayEx, false, ""}:             order.Seamless,
		{order.VippsRecurring, true, order.Redirect}:   order.Redirect,
		{order.VippsRecurring, true, ""}:               order.Redirect,
		{order.VippsEcommerce, false, order.Redirect}:  order.Redirect,
		{order.VippsEcommerce, false, ""}:              order.Redirect,
	}
	n := 0
	for _, method := range []order.Method{order.CreditCardPayEx, order.CreditCard, order.VippsRecurring, order.VippsEcommerce, order.SwishPayEx, order.Free, ""} {
		for _, recurring := range []bool{true, false} {
			for _, flow := range []order.PaymentFlow{order.Seamless, order.Redirect, "", "popup"} {
				n++
				r := row{method, recurring, flow}
				got, err := s.StartScript(t.Context(), s.asked(func(p *order.ScriptStart) {
					p.Claims.PaymentMethod, p.Claims.Recurring, p.Claims.PaymentFlow = method, recurring, flow
					p.Claims.ExternalReference = strings.Repeat("x", n)
				}))
				if want, ok := allowed[r]; ok {
					if err != nil || got.Flow != want {
						t.Errorf("%+v: %q, %v", r, got.Flow, err)
					}
				} else if err == nil {
					t.Errorf("%+v is allowed", r)
				} else {
					refusedField(t, err)
				}
			}
		}
	}
}

func amount(n int64) *int64 { return &n }

func TestScriptRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ended := store.Coupon{PartnerID: partner, Code: "OLD", Number: 1, Product: "DIGITAL", Price: 100, Currency: "NOK", EndsAt: time.Now().Add(-time.Hour)}
	free := store.Coupon{PartnerID: partner, Code: "FREE", Number: 1, Product: "DIGITAL", Currency: "NOK"}
	for _, c := range []store.Coupon{ended, free} {
		if err := s.store.PutCoupon(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	override := func(p *order.ScriptStart) {
		c := *p.Client
		c.PriceOverride = true
		p.Client = &c
	}
	for name, tt := range map[string]struct {
		change func(*order.ScriptStart)
		field  string // "" when it is allowed
		amount int64
	}{
		"the coupon's amount":    {func(p *order.ScriptStart) { p.Claims.Amount, p.Claims.Currency = amount(29900), "NOK" }, "", 29900},
		"the coupon's currency":  {func(p *order.ScriptStart) { p.Claims.Currency = "NOK" }, "", 29900},
		"amount in hundredths":   {func(p *order.ScriptStart) { p.Claims.Amount = amount(29900) }, "", 29900},
		"less":                   {func(p *order.ScriptStart) { p.Claims.Amount = amount(29899) }, "amount", 0},
		"more":                   {func(p *order.ScriptStart) { p.Claims.Amount = amount(29901) }, "amount", 0},
		"another currency":       {func(p *order.ScriptStart) { p.Claims.Currency = "SEK" }, "currency", 0},
		"the same in another":    {func(p *order.ScriptStart) { p.Claims.Amount, p.Claims.Currency = amount(29900), "SEK" }, "currency", 0},
		"its own price":          {func(p *order.ScriptStart) { override(p); p.Claims.Amount = amount(100) }, "", 100},
		"its own currency":       {func(p *order.ScriptStart) { override(p); p.Claims.Amount, p.Claims.Currency = amount(100), "SEK" }, "", 100},
		"only its own currency":  {func(p *order.ScriptStart) { override(p); p.Claims.Currency = "SEK" }, "amount", 0},
		"nothing to pay":         {func(p *order.ScriptStart) { override(p); p.Claims.Amount = amount(0) }, "amount", 0},
		"money for the payer":    {func(p *order.ScriptStart) { override(p); p.Claims.Amount = amount(-100) }, "amount", 0},
		"a free coupon":          {func(p *order.ScriptStart) { p.Claims.ProductSpecCode = "FREE" }, "amount", 0},
		"an unknown coupon":      {func(p *order.ScriptStart) { p.Claims.ProductSpecCode = "TOTTT" }, "productSpecCode", 0},
		"another number":         {func(p *order.ScriptStart) { p.Claims.ProductSpecNo = 2 }, "productSpecCode", 0},
		"no number":              {func(p *order.ScriptStart) { p.Claims.ProductSpecNo = 0 }, "productSpecNo", 0},
		"one that has ended":     {func(p *order.ScriptStart) { p.Claims.ProductSpecCode = "OLD" }, "productSpecCode", 0},
		"seamless without end":   {func(p *order.ScriptStart) { p.Claims.ReturnURL = "" }, "", 29900},
		"redirect without end":   {func(p *order.ScriptStart) { p.Claims.ReturnURL, p.Claims.PaymentFlow = "", order.Redirect }, "returnUrl", 0},
		"an end elsewhere":       {func(p *order.ScriptStart) { p.Claims.ReturnURL = "https://evil.example/" }, "returnUrl", 0},
		"an end that looks good": {func(p *order.ScriptStart) { p.Claims.ReturnURL = "https://paper.example@evil.example/" }, "returnUrl", 0},
		"an attempt too short":   {func(p *order.ScriptStart) { p.Attempt = attempt[:21] }, "attempt", 0},
		"no attempt":             {func(p *order.ScriptStart) { p.Attempt = "" }, "attempt", 0},
		"attempt with more":      {func(p *order.ScriptStart) { p.Attempt = attempt + "AA" }, "attempt", 0},
		"another partner's": {func(p *order.ScriptStart) {
			c := *p.Client
			c.PartnerID = "another"
			p.Client = &c
		}, "paymentMethod", 0},
	} {
		t.Run(name, func(t *testing.T) {
			started := s.bank.count("Start")
			got, err := s.StartScript(t.Context(), s.asked(func(p *order.ScriptStart) {
				p.Claims.ExternalReference = name
				tt.change(p)
			}))
			if tt.field == "" {
				if err != nil || s.payment(got.ID).Amount != tt.amount {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if field := refusedField(t, err); field != tt.field {
				t.Errorf("refused for %s: %v, want %s", field, err, tt.field)
			}
			// Nothing has happened: the reference is still good.
			if _, err := s.store.PaymentByReference(t.Context(), site, name); !errors.Is(err, store.ErrNotFound) || s.bank.count("Start") != started {
				t.Errorf("something has happened: %v", err)
			}
		})
	}
	for name, p := range map[string]order.ScriptStart{
		"no client":    s.asked(func(p *order.ScriptStart) { p.Client = nil }),
		"no reference": s.asked(func(p *order.ScriptStart) { p.Claims.ExternalReference = "" }),
		"no token":     s.asked(func(p *order.ScriptStart) { p.Token = "" }),
	} {
		if _, err := s.StartScript(t.Context(), p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestScriptFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.bank.refuseStart = true
	got := s.begin(s.asked())
	if got.Outcome != order.Error || got.RedirectURL != "" || got.View != (order.View{}) {
		t.Errorf("got %+v", got)
	}
	s.bank.refuseStart = false
	if _, err := s.StartScript(t.Context(), s.asked()); !errors.Is(err, order.ErrRepeated) {
		t.Errorf("after it was refused: %v", err)
	}
}

// Lost answers of the provider: the same payment is begun again.
func TestScriptOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		line := &outage{direct: direct{s.bank}, fail: map[string]error{"Start": errFault}, after: true}
		s.Service = s.node(s.store, line)
		if _, err := s.StartScript(t.Context(), s.asked()); !errors.Is(err, errFault) {
			t.Fatalf("got %v", err)
		}
		line.heal()
		got := s.begin(s.asked())
		if got.View.URL == "" || len(s.bank.payments) != 1 {
			t.Errorf("got %+v of %d payments", got, len(s.bank.payments))
		}
	})
}

func TestScriptStanding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		got := s.begin(s.asked())
		for name, attempt := range map[string]string{"none": "", "another": base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes 02"))} {
			if _, err := s.ScriptStanding(t.Context(), site, got.ID, attempt); !errors.Is(err, order.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.ScriptStanding(t.Context(), site, "NOSUCHPAYMENT", attempt); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		for _, other := range []string{"no.other", ""} {
			if _, err := s.ScriptStanding(t.Context(), other, got.ID, attempt); !errors.Is(err, order.ErrNotFound) {
				t.Errorf("to the client %q: %v", other, err)
			}
		}
		due := s.pay(s.order().ID)
		if _, err := s.ScriptStanding(t.Context(), site, due.PaymentID, ""); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("of an order: %v", err)
		}
		standing := func() order.ScriptPayment {
			t.Helper()
			p, err := s.ScriptStanding(t.Context(), site, got.ID, attempt)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := standing(); p != got {
			t.Errorf("got %+v, want %+v", p, got)
		}
		s.bank.pay(got.ID)
		if p := standing(); p != (order.ScriptPayment{ID: got.ID, Flow: order.Seamless, Outcome: order.Success}) {
			t.Errorf("got %+v", p)
		}
		if p := s.payment(got.ID); p.Status != store.PaymentAuthorized || s.bank.payments[got.ID].captured != 0 {
			t.Errorf("the payment is %s: its money is taken when an order names it", p.Status)
		}
		// onSuccess is for the seamless flow: a redirect is at the returnUrl when it is over.
		redirect := s.begin(s.asked(func(p *order.ScriptStart) {
			p.Claims.PaymentFlow, p.Claims.ExternalReference = order.Redirect, "redirect"
		}))
		start, _ := s.bank.find(redirect.ID)
		s.bank.pay(redirect.ID)
		p, err := s.ScriptStanding(t.Context(), site, redirect.ID, attempt)
		if want := (order.ScriptPayment{ID: redirect.ID, Flow: order.Redirect, Outcome: order.Success, RedirectURL: start.ReturnURL}); err != nil || p != want {
			t.Errorf("got %+v, %v, want %+v", p, err, want)
		}
	})
}

func TestScriptReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		n := 0
		begin := func(change ...func(*order.ScriptStart)) (order.ScriptPayment, string) {
			n++
			p := s.begin(s.asked(append(change, func(p *order.ScriptStart) { p.Claims.ExternalReference = strings.Repeat("r", n) })...))
			start, _ := s.bank.find(p.ID)
			return p, sealed(start)
		}
		back := func(sealed string) string {
			t.Helper()
			to, err := s.ScriptReturn(t.Context(), sealed)
			if err != nil {
				t.Fatal(err)
			}
			return to
		}
		p, handle := begin()
		if to := back(handle); to != "" {
			t.Errorf("it is not known how it ended, and she is sent to %s", to)
		}
		for name, forged := range map[string]string{
			"none": "", "only the payment": p.ID, "no proof": p.ID + ".", "another proof": p.ID + "." + strings.Repeat("A", 43),
			"another payment": "OTHER" + handle[5:], "the callback's": p.ID + handle[strings.IndexByte(handle, '.'):][:10],
		} {
			if to, err := s.ScriptReturn(t.Context(), forged); !errors.Is(err, order.ErrNotFound) || to != "" {
				t.Errorf("%s: %q, %v", name, to, err)
			}
		}
		s.bank.pay(p.ID)
		for range 2 {
			if to, want := back(handle), "https://paper.example/thanks?a=1&mcPayRef="+p.ID+"&status=success"; to != want {
				t.Errorf("got %s, want %s", to, want)
			}
		}
		for _, state := range []order.State{order.Cancelled, order.Failed} {
			p, handle := begin()
			s.bank.end(p.ID, state)
			if to, want := back(handle), "https://paper.example/thanks?a=1&mcPayRef="+p.ID+"&status=failure"; to != want {
				t.Errorf("got %s, want %s", to, want)
			}
		}
		// The proof of one payment is not that of another.
		other, _ := begin()
		if _, err := s.ScriptReturn(t.Context(), other.ID+handle[strings.IndexByte(handle, '.'):]); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("with another's proof: %v", err)
		}
		_, nowhere := begin(func(p *order.ScriptStart) { p.Claims.ReturnURL = "" })
		if _, err := s.ScriptReturn(t.Context(), nowhere); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("without a returnUrl: %v", err)
		}
		// Its client's targets, and the client, are looked at again.
		client, err := s.store.Client(t.Context(), site)
		if err != nil {
			t.Fatal(err)
		}
		client.Targets = []string{"https://paper.example/other"}
		if err := s.store.PutClient(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if to, err := s.ScriptReturn(t.Context(), handle); !errors.Is(err, order.ErrNotFound) || to != "" {
			t.Errorf("the target is no more: %q, %v", to, err)
		}
		client.Targets, client.Disabled = []string{"https://paper.example"}, true
		if err := s.store.PutClient(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if to, err := s.ScriptReturn(t.Context(), handle); !errors.Is(err, order.ErrNotFound) || to != "" {
			t.Errorf("the client is disabled: %q, %v", to, err)
		}
	})
}

// What no order names within a day is given back, and not before.
func TestScriptUnclaimed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		instant, paid bool
		before, after store.PaymentStatus
	}{
		"reserved":   {false, true, store.PaymentAuthorized, store.PaymentReleased},
		"taken":      {true, true, store.PaymentCaptured, store.PaymentRefunded},
		"never paid": {false, false, store.PaymentOpen, store.PaymentReleased},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.bank.instant = tt.instant
				p := s.begin(s.asked())
				if tt.paid {
					s.bank.pay(p.ID)
				}
				s.work(s.Service, 47, 30*time.Minute)
				if got := s.payment(p.ID); got.Status != tt.before {
					t.Errorf("after 23 hours: %s, want %s", got.Status, tt.before)
				}
				s.work(s.Service, 10, 30*time.Minute)
				a := s.bank.payments[p.ID]
				if got := s.payment(p.ID); got.Status != tt.after || a.captured != a.refunded || a.state == order.Authorized || a.state == order.Open {
					t.Errorf("after a day: %s, %d kept, %s; want %s", got.Status, a.captured-a.refunded, a.state, tt.after)
				}
				if left := s.queued(store.PaymentWork); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
			})
		})
	}
}

// An order that names the payment takes the money, once.
func TestScriptClaimed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.begin(s.asked())
	s.bank.pay(p.ID)
	paid := s.settle(p.ID)
	o := store.Order{ID: 77, PartnerID: partner, ClientID: site, Status: store.OrderAwaitingPayment, PaymentID: p.ID, Method: paid.Method,
		MerchantID: "main", Amount: paid.Amount, Currency: paid.Currency, Data: []byte(`{"orderLines":[{"price":29900}]}`), CreatedAt: time.Now()}
	paid.Status, paid.Orders = store.PaymentCapturing, []int64{o.ID}
	if err := s.store.CommitOrders(t.Context(), []store.Order{o}, []store.Payment{paid}); err != nil {
		t.Fatal(err)
	}
	if got := order.OutcomeOf(paid); got != order.Success {
		t.Errorf("to the script it is %q", got)
	}
	race(callers, func(int) {
		if got, err := s.Settle(t.Context(), p.ID); err != nil || got.Status != store.PaymentCaptured {
			t.Errorf("%s, %v", got.Status, err)
		}
	})
	if a := s.bank.payments[p.ID]; a.captures != 1 || s.stored(77).Status != store.OrderHandedOver {
		t.Errorf("captured %d times, order %s", a.captures, s.stored(77).Status)
	}
}

func TestStartScriptRace(t *testing.T) {
	t.Parallel()
	for range raceRounds(t, 10) {
		s := newShop(t)
		nodes := []*order.Service{s.Service, s.node(s.store, direct{s.bank})}
		var mu sync.Mutex
		ids := map[string]int{}
		var repeated atomic.Int64
		race(callers, func(i int) {
			p := s.asked()
			if i%4 == 0 {
				p.Token = "another sign"
			}
			got, err := nodes[i%2].StartScript(t.Context(), p)
			switch {
			case errors.Is(err, order.ErrRepeated):
				repeated.Add(1)
			case err != nil:
				t.Error(err)
			default:
				mu.Lock()
				ids[got.ID]++
				mu.Unlock()
			}
		})
		n := repeated.Load()
		if len(ids) != 1 || len(s.bank.payments) != 1 || n != callers/4 && n != callers*3/4 {
			t.Fatalf("payments %v, %d at the bank, %d were refused", ids, len(s.bank.payments), n)
		}
		if left := s.queued(store.PaymentWork); len(left) != 1 || ids[left[0]] == 0 {
			t.Errorf("queued: %v", left)
		}
		for _, fault := range s.bank.faults {
			t.Error(fault)
		}
	}
}
