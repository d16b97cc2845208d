package vipps_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/vipps"
)

const (
	paymentID = "7K2QJ6ZP4M5XWTHN3VYB2RADCE"
	chargeID  = "M4T2V7QXHJ5ZKP3WNY6BRADC2E"
)

func config(s *simulator) vipps.Config {
	return vipps.Config{
		BaseURL: s.srv.URL, InsecureAllowHTTP: true, ClientID: clientID, ClientSecret: clientSecret, SubscriptionKey: subscriptionKey, MerchantSerialNumber: msn,
		WebhookSecrets: []string{oldSecret, secret}, AgreementURL: "https://fjordposten.example/abonnement",
		SystemName: "acme", SystemVersion: "3.1.2", PluginName: "acme-webshop", PluginVersion: "4.5.6",
	}
}

func newProvider(t testing.TB, s *simulator, change func(*vipps.Config)) *vipps.Provider {
	t.Helper()
	c := config(s)
	if change != nil {
		change(&c)
	}
	p, err := vipps.New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.SetNow(s.clock)
	return p
}

func start(m order.Method) order.Start {
	s := order.Start{
		ID: paymentID, Key: paymentID + ":start", MerchantID: "fjord", Method: m, Flow: order.Redirect, Amount: 19905, VATAmount: 3981, Currency: "NOK",
		Description: "Fjordposten Digital", Lines: []order.StartLine{{Reference: "DIGITAL", Name: "Fjordposten Digital", Quantity: 1, Amount: 19905, VATAmount: 3981, VATPercent: 2500}},
		Payer: order.Payer{Phone: "+4791234567"}, Lang: "nb", ReturnURL: "https://connectid.example/user/pay?run=1", CallbackURL: "https://connectid.example/capi/mcpay/callback/fjord",
	}
	if m == order.VippsRecurring {
		s.Recurring = true
		s.Renewal = order.Renewal{Price: 24950, Period: order.Period{Length: 1, Unit: "months"}}
	}
	return s
}

func action(name string) order.Action {
	return order.Action{Key: paymentID + ":" + name, Amount: 19905, VATAmount: 3981, Currency: "NOK", Description: "Fjordposten Digital"}
}

func refOf(m order.Method, started order.Started) order.Ref {
	return order.Ref{ID: paymentID, Provider: started.Ref, MerchantID: "fjord", Method: m, Recurring: m == order.VippsRecurring}
}

// begin starts a payment.
func begin(t testing.TB, p *vipps.Provider, m order.Method) (order.Ref, order.Started) {
	t.Helper()
	started, err := p.Start(t.Context(), start(m))
	if err != nil {
		t.Fatal(err)
	}
	return refOf(m, started), started
}

// agreementOf is the agreement in a reference.
func agreementOf(r order.Ref) string { return strings.Split(r.Provider, ":")[1] }

// agree is what the payer does in the app.
func (s *simulator) agree(r order.Ref) {
	if r.Method == order.VippsRecurring {
		s.accept(agreementOf(r))
		return
	}
	s.approve(r.ID)
}

// op is the operation of one method that is called like the other's.
func op(m order.Method, ePayment, recurring string) string {
	if m == order.VippsRecurring {
		return recurring
	}
	return ePayment
}

func wantState(t testing.TB, got order.Standing, err error, want order.State) {
	t.Helper()
	if err != nil || got.State != want {
		t.Fatalf("got %+v %v, want %s", got, err, want)
	}
	if (want == order.Authorized || want == order.Captured || want == order.Refunded || want == order.Released) && (got.Amount != 19905 || got.Currency != "NOK") {
		t.Fatalf("got %+v", got)
	}
}

var methods = []order.Method{order.VippsEcommerce, order.VippsRecurring}

func TestWholePayment(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			p := newProvider(t, s, nil)
			ctx := t.Context()
			ref, started := begin(t, p, m)
			if !strings.HasPrefix(started.RedirectURL, "https://landing.vipps.no/") || started.View.Kind != "" {
				t.Errorf("started %+v", started)
			}
			st, err := p.Standing(ctx, ref)
			wantState(t, st, err, order.Open)
			if _, err := p.Capture(ctx, ref, action("capture")); !errors.Is(err, order.ErrRefused) {
				t.Errorf("capture of an open payment: %v", err)
			}
			if _, err := p.Refund(ctx, ref, action("refund")); !errors.Is(err, order.ErrRefused) {
				t.Errorf("refund of an open payment: %v", err)
			}
			s.agree(ref)
			st, err = p.Standing(ctx, ref)
			wantState(t, st, err, order.Authorized)
			if recurring := m == order.VippsRecurring; recurring != (st.Token == agreementOf(ref)) {
				t.Errorf("token %q", st.Token)
			}
			for _, a := range []order.Action{{Key: "k", Amount: 19904, Currency: "NOK"}, {Key: "k", Amount: 19906, Currency: "NOK"}, {Key: "k", Amount: 19905, Currency: "EUR"}} {
				if _, err := p.Capture(ctx, ref, a); !errors.Is(err, order.ErrRefused) {
					t.Errorf("capture of %+v: %v", a, err)
				}
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { // at once, with one key
					if st, err := p.Capture(ctx, ref, action("capture")); err != nil || st.State != order.Captured || st.Amount != 19905 {
						t.Errorf("captured %+v %v", st, err)
					}
				})
			}
			wg.Wait()
			if st, err = p.Capture(ctx, ref, action("another key")); !errors.Is(err, order.ErrRefused) || st.State != order.Captured {
				t.Errorf("captured by another key: %+v %v", st, err)
			}
			if _, err := p.Cancel(ctx, ref, action("cancel")); !errors.Is(err, order.ErrRefused) {
				t.Errorf("cancel of a captured payment: %v", err)
			}
			for range 3 {
				st, err = p.Refund(ctx, ref, action("refund"))
				wantState(t, st, err, order.Refunded)
			}
			if s.moved["captured"] != 19905 || s.moved["refunded"] != 19905 || s.moved["released"] != 0 {
				t.Errorf("moved %v", s.moved)
			}
			if m == order.VippsRecurring && s.agreements[agreementOf(ref)].Status != "STOPPED" {
				t.Error("the agreement of a refunded payment is still active")
			}
		})
	}
}

// What the payer agrees to is what she is told.
func TestAgreement(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ref, _ := begin(t, p, order.VippsRecurring)
	a, c := s.agreements[agreementOf(ref)], s.charges[paymentID]
	if a.Price != 24950 || a.Unit != "MONTH" || a.Count != 1 || a.Currency != "NOK" || a.ExternalID != paymentID || a.Phone != "4791234567" {
		t.Errorf("agreement %+v", a)
	}
	if c == nil || c.Amount != 19905 || c.Description != "Fjordposten Digital" {
		t.Errorf("charge %+v", c)
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		length int
		unit   string
		want   string // or refused
	}{
		{1, "days", "DAY 1"}, {31, "days", "DAY 31"}, {35, "days", "WEEK 5"}, {91, "days", "WEEK 13"}, {90, "days", ""}, {365, "days", ""},
		{4, "weeks", "WEEK 4"}, {32, "weeks", ""}, {3, "months", "MONTH 3"}, {12, "months", "MONTH 12"}, {36, "months", "YEAR 3"}, {33, "months", ""},
		{1, "years", "YEAR 1"}, {32, "years", ""}, {1, "fortnights", ""}, {-1, "days", ""}, {0, "days", ""},
	} {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		in := start(order.VippsRecurring)
		in.Renewal.Period.Length = tt.length
		switch tt.unit {
		case "days":
			in.Renewal.Period.Unit = "days"
		case "weeks":
			in.Renewal.Period.Unit = "weeks"
		case "months":
			in.Renewal.Period.Unit = "months"
		case "years":
			in.Renewal.Period.Unit = "years"
		default:
			in.Renewal.Period.Unit = "fortnights"
		}
		started, err := p.Start(t.Context(), in)
		got := ""
		if err == nil {
			a := s.agreements[agreementOf(refOf(in.Method, started))]
			got = fmt.Sprint(a.Unit, " ", a.Count)
		} else if !errors.Is(err, order.ErrRefused) || s.count("draftAgreement") > 0 {
			t.Errorf("%d %s: %v", tt.length, tt.unit, err)
		}
		if got != tt.want {
			t.Errorf("%d %s: %q, want %q", tt.length, tt.unit, got, tt.want)
		}
	}
}

func TestUnknownRenewal(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	in := start(order.VippsRecurring)
	in.Renewal = order.Renewal{}
	if _, err := newProvider(t, s, nil).Start(t.Context(), in); !errors.Is(err, order.ErrRefused) {
		t.Errorf("without a renewal: %v", err)
	}
	p := newProvider(t, s, func(c *vipps.Config) {
		c.Renewal = order.Renewal{Price: 9900, Period: order.Period{Length: 2, Unit: "weeks"}}
	})
	started, err := p.Start(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.agreements[agreementOf(refOf(in.Method, started))]; a.Price != 9900 || a.Unit != "WEEK" || a.Count != 2 {
		t.Errorf("agreement %+v", a)
	}
}

func TestStartRefused(t *testing.T) {
	t.Parallel()
	e, r := order.VippsEcommerce, order.VippsRecurring
	for name, tt := range map[string]struct {
		method order.Method
		change func(*order.Start)
		config func(*vipps.Config)
	}{
		"card":                 {e, func(s *order.Start) { s.Method = order.CreditCardPayEx }, nil},
		"recurring ecommerce":  {e, func(s *order.Start) { s.Recurring = true }, nil},
		"recurring not":        {r, func(s *order.Start) { s.Recurring = false }, nil},
		"seamless":             {e, func(s *order.Start) { s.Flow = order.Seamless }, nil},
		"short ID":             {e, func(s *order.Start) { s.ID = "1234567" }, nil},
		"ID with a slash":      {e, func(s *order.Start) { s.ID = "12345678/capture" }, nil},
		"long ID":              {e, func(s *order.Start) { s.ID = strings.Repeat("a", 33) }, nil},
		"currency":             {e, func(s *order.Start) { s.Currency = "SEK" }, nil},
		"nothing":              {e, func(s *order.Start) { s.Amount = 0 }, nil},
		"below zero":           {r, func(s *order.Start) { s.Amount = -1 }, nil},
		"too much":             {e, func(s *order.Start) { s.Amount = 65000001 }, nil},
		"too little for Vipps": {e, func(s *order.Start) { s.Amount = 99 }, nil},
		"long return":          {r, func(s *order.Start) { s.ReturnURL += strings.Repeat("a", 1024) }, nil},
		"cheap renewal":        {r, func(s *order.Start) { s.Renewal.Price = 99 }, nil},
		"no agreement page":    {r, func(*order.Start) {}, func(c *vipps.Config) { c.AgreementURL = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			p := newProvider(t, s, tt.config)
			in := start(tt.method)
			tt.change(&in)
			got, err := p.Start(t.Context(), in)
			if !errors.Is(err, order.ErrRefused) || got != (order.Started{}) {
				t.Errorf("got %+v %v", got, err)
			}
			if len(s.payments)+len(s.agreements) > 0 {
				t.Error("something has begun")
			}
		})
	}
	p := newProvider(t, newSimulator(t), nil)
	in := start(e)
	in.Key = ""
	if _, err := p.Start(t.Context(), in); err == nil || errors.Is(err, order.ErrRefused) {
		t.Errorf("without a key: %v", err)
	}
}

func TestPhones(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "+4791234567": "4791234567", "+4741234567": "4741234567", "+4722334455": "", "+46701234567": "", "+479123456": "", "91234567": "", "+47912345678": ""} {
		s := newSimulator(t)
		begun := start(order.VippsEcommerce)
		begun.Payer.Phone = in
		if _, err := newProvider(t, s, nil).Start(t.Context(), begun); err != nil {
			t.Fatal(err)
		}
		if got := s.payments[paymentID].Phone; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Texts of any length and content make a request that Vipps takes.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		for _, d := range []string{"", "ab", "abc", strings.Repeat("å", 40), strings.Repeat("æ", 300), "a\x00b\nc", "\x01", "\xff\xfe", "  "} {
			s := newSimulator(t)
			in := start(m)
			in.Description, in.Lines = d, nil
			if _, err := newProvider(t, s, nil).Start(t.Context(), in); err != nil {
				t.Errorf("%s %q: %v", m, d, err)
			}
		}
	}
}

// Whatever goes wrong on the way, a call that is made again with the same key does
// one thing, and nothing that went wrong was said to have ended anything.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		for _, f := range []fault{failBefore, failAfter, dropAfter, slowAfter, tooMany, badGateway, truncated, oversized, html, elsewhere, revoked} {
			t.Run(fmt.Sprint(m, " ", f), func(t *testing.T) {
				t.Parallel()
				s := newSimulator(t)
				p := newProvider(t, s, func(c *vipps.Config) {
					c.HTTPClient = &http.Client{Timeout: 10 * time.Second}
					if f == slowAfter {
						c.HTTPClient.Timeout = 150 * time.Millisecond
					}
				})
				ctx := t.Context()
				// again calls until it is answered, and counts how often it was not.
				again := func(what, operation string, call func() error) {
					t.Helper()
					faults := []fault{f}
					if f == revoked {
						faults = []fault{f, f} // once with a fresh token, too
					}
					s.fail(operation, faults...)
					failed := 0
					for range 4 {
						err := call()
						if err == nil {
							break
						}
						if failed++; errors.Is(err, order.ErrRefused) || errors.Is(err, order.ErrUnknown) || errors.Is(err, order.ErrForged) {
							t.Fatalf("%s: %v", what, err)
						}
						if text := err.Error(); strings.Contains(text, clientSecret) || strings.Contains(text, "4791234567") || strings.Contains(text, "attacker") || strings.Contains(text, s.srv.URL) {
							t.Errorf("%s: %v", what, err)
						}
					}
					if failed == 4 {
						t.Fatalf("%s is never answered", what)
					}
					if s.faults[operation] != nil && len(s.faults[operation]) > 0 {
						t.Fatalf("%s: %s was not called", what, operation)
					}
				}
				var started order.Started
				again("start", op(m, "createPayment", "draftAgreement"), func() (err error) {
					started, err = p.Start(ctx, start(m))
					return err
				})
				if n := len(s.payments) + len(s.agreements); n != 1 {
					t.Fatalf("%d payments have begun", n)
				}
				ref := refOf(m, started)
				s.agree(ref)
				var st order.Standing
				again("standing", op(m, "getPayment", "fetchAgreement"), func() (err error) { st, err = p.Standing(ctx, ref); return err })
				wantState(t, st, nil, order.Authorized)
				if m == order.VippsRecurring {
					again("standing", "fetchCharge", func() (err error) { st, err = p.Standing(ctx, ref); return err })
					wantState(t, st, nil, order.Authorized)
				}
				again("capture", op(m, "capturePayment", "captureCharge"), func() (err error) { st, err = p.Capture(ctx, ref, action("capture")); return err })
				wantState(t, st, nil, order.Captured)
				again("refund", op(m, "refundPayment", "refundCharge"), func() (err error) { st, err = p.Refund(ctx, ref, action("refund")); return err })
				wantState(t, st, nil, order.Refunded)
				if s.moved["captured"] != 19905 || s.moved["refunded"] != 19905 {
					t.Errorf("moved %v", s.moved)
				}
			})
		}
	}
}

func TestCancelFaults(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		for _, agreed := range []bool{false, true} {
			for _, f := range []fault{failBefore, failAfter, dropAfter, tooMany, html, truncated, revoked} {
				t.Run(fmt.Sprint(m, " ", agreed, " ", f), func(t *testing.T) {
					t.Parallel()
					s := newSimulator(t)
					p := newProvider(t, s, nil)
					ref, _ := begin(t, p, m)
					if agreed {
						s.agree(ref)
					}
					s.fail(op(m, "cancelPayment", "patchAgreement"), f, f)
					s.fail("cancelCharge", f, f)
					var st order.Standing
					var err error
					for range 6 {
						if st, err = p.Cancel(t.Context(), ref, action("cancel")); err == nil && st.State != order.Open && st.State != order.Authorized {
							break
						}
						if errors.Is(err, order.ErrRefused) {
							t.Fatal(err)
						}
					}
					want := order.Released
					if m == order.VippsRecurring && !agreed {
						want = order.Cancelled // nothing was ever reserved
					}
					if err != nil || st.State != want {
						t.Fatalf("got %+v %v, want %s", st, err, want)
					}
					if m == order.VippsRecurring && s.agreements[agreementOf(ref)].Status != "STOPPED" {
						t.Errorf("the agreement is %s", s.agreements[agreementOf(ref)].Status)
					}
					if agreed != (s.moved["released"] == 19905) || s.moved["captured"] != 0 {
						t.Errorf("moved %v", s.moved)
					}
					if st, err = p.Cancel(t.Context(), ref, action("cancel")); err != nil || st.State != want {
						t.Errorf("again: %+v %v", st, err)
					}
					if st, err = p.Capture(t.Context(), ref, action("capture")); !errors.Is(err, order.ErrRefused) || st.State != want {
						t.Errorf("capture: %+v %v", st, err)
					}
				})
			}
		}
	}
}

// A payer who is confirming can not be stopped. That is no refusal for good, though
// Vipps answers a key for ever as it did first.
func TestCancelTooEarly(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, _ := begin(t, p, m)
		s.with(func() {
			s.stubborn = true
			if m == order.VippsEcommerce {
				s.payments[paymentID].busy = true
			}
		})
		if _, err := p.Cancel(t.Context(), ref, action("cancel")); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: %v", m, err)
		}
		s.agree(ref)
		s.with(func() {
			if m == order.VippsEcommerce {
				s.payments[paymentID].busy = false
			}
			s.now = s.now.Add(time.Hour)
		})
		st, err := p.Cancel(t.Context(), ref, action("cancel"))
		wantState(t, st, err, order.Released)
	}
}

// When Start was never answered, the payment is found by the kit's own name.
func TestNeverAnswered(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		lost := refOf(m, order.Started{})
		for name, err := range map[string]error{
			"standing": second(p.Standing(t.Context(), lost)), "cancel": second(p.Cancel(t.Context(), lost, action("cancel"))), "capture": second(p.Capture(t.Context(), lost, action("capture"))),
		} {
			if !errors.Is(err, order.ErrUnknown) {
				t.Errorf("%s %s: %v", m, name, err)
			}
		}
		s.fail(op(m, "createPayment", "draftAgreement"), failAfter)
		if _, err := p.Start(t.Context(), start(m)); err == nil {
			t.Error("started")
		}
		st, err := p.Standing(t.Context(), lost)
		wantState(t, st, err, order.Open)
		var ref order.Ref
		s.with(func() {
			ref = lost
			for id := range s.agreements {
				ref.Provider = "recurring:" + id + ":" + paymentID
			}
		})
		s.agree(ref)
		st, err = p.Capture(t.Context(), lost, action("capture"))
		wantState(t, st, err, order.Captured)
	}
}

func second[T any](_ T, err error) error { return err }

// Another key for a payment that exists, as after the keys have gone: it is found.
func TestStartAgain(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, first := begin(t, p, m)
		in := start(m)
		if got, err := p.Start(t.Context(), in); err != nil || got != first {
			t.Errorf("%s: the same again: %+v %v, want %+v", m, got, err, first)
		}
		in.Key = "other"
		if got, err := p.Start(t.Context(), in); err != nil || got != first {
			t.Errorf("%s: by another key: %+v %v, want %+v", m, got, err, first)
		}
		in.Amount--
		if got, err := p.Start(t.Context(), in); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: of another amount: %+v %v", m, got, err)
		}
		s.agree(ref)
		in = start(m)
		in.Key = "a third"
		if got, err := p.Start(t.Context(), in); err != nil || got.Ref != first.Ref || got.RedirectURL != in.ReturnURL {
			t.Errorf("%s: after she has agreed: %+v %v", m, got, err)
		}
		if n := len(s.payments) + len(s.agreements); n != 1 {
			t.Errorf("%d payments", n)
		}
	}
}

// An agreement whose initial charge has failed is stopped before it is said to have.
func TestFailedInitialCharge(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]order.State{"FAILED": order.Failed, "CANCELLED": order.Released} {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, _ := begin(t, p, order.VippsRecurring)
		s.agree(ref)
		a := agreementOf(ref)
		s.with(func() { s.charges[paymentID].Status, s.charges[paymentID].Reason = status, "user_action_required" })
		s.fail("patchAgreement", failBefore, forbidden)
		for range 2 {
			if st, err := p.Standing(t.Context(), ref); err == nil || errors.Is(err, order.ErrRefused) {
				t.Errorf("%s, and the agreement is active: %+v %v", status, st, err)
			}
		}
		st, err := p.Standing(t.Context(), ref)
		if err != nil || st.State != want || st.Token != "" {
			t.Errorf("%s: %+v %v", status, st, err)
		}
		if want == order.Failed && st.Reason != "user_action_required" {
			t.Errorf("reason %q", st.Reason)
		}
		if s.agreements[a].Status != "STOPPED" {
			t.Errorf("the agreement is %s", s.agreements[a].Status)
		}
		if st, err := p.Standing(t.Context(), ref); err != nil || st.State != want {
			t.Errorf("again: %+v %v", st, err)
		}
	}
}

// What a payer does in the app, as the kit is told.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		agreement, charge string // "" for no such charge
		gone              bool
		want              order.State
		wrong             bool
	}{
		"rejected":                   {agreement: "STOPPED", charge: "CANCELLED", want: order.Cancelled},
		"rejected, charge pending":   {agreement: "STOPPED", charge: "PENDING", want: order.Cancelled},
		"rejected, no charge":        {agreement: "STOPPED", gone: true, want: order.Cancelled},
		"expired":                    {agreement: "EXPIRED", charge: "CANCELLED", want: order.Failed},
		"expired, charge due":        {agreement: "EXPIRED", charge: "DUE", want: order.Failed},
		"expired, no charge":         {agreement: "EXPIRED", gone: true, want: order.Failed},
		"expired, charge failed":     {agreement: "EXPIRED", charge: "FAILED", want: order.Failed},
		"expired, being processed":   {agreement: "EXPIRED", charge: "PROCESSING", want: order.Open},
		"active, being processed":    {agreement: "ACTIVE", charge: "PROCESSING", want: order.Open},
		"active, due":                {agreement: "ACTIVE", charge: "DUE", want: order.Open},
		"active, no charge":          {agreement: "ACTIVE", gone: true, wrong: true},
		"active, unknown":            {agreement: "ACTIVE", charge: "UNKNOWN", wrong: true},
		"active, another state":      {agreement: "ACTIVE", charge: "PAID", wrong: true},
		"pending":                    {agreement: "PENDING", charge: "PENDING", want: order.Open},
		"pending, whatever":          {agreement: "PENDING", charge: "RESERVED", want: order.Open},
		"another state":              {agreement: "PAUSED", charge: "RESERVED", wrong: true},
		"no state":                   {agreement: "", charge: "RESERVED", wrong: true},
		"stopped after she has paid": {agreement: "STOPPED", charge: "CHARGED", want: order.Captured},
		"stopped, still reserved":    {agreement: "STOPPED", charge: "RESERVED", want: order.Authorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			p := newProvider(t, s, nil)
			ref, _ := begin(t, p, order.VippsRecurring)
			s.with(func() {
				s.agreements[agreementOf(ref)].Status = tt.agreement
				c := s.charges[paymentID]
				c.Status, c.hidden = tt.charge, tt.gone
				if tt.charge == "CHARGED" {
					c.Captured = c.Amount
				}
			})
			st, err := p.Standing(t.Context(), ref)
			if tt.wrong {
				if err == nil || errors.Is(err, order.ErrRefused) || errors.Is(err, order.ErrUnknown) && !tt.gone {
					t.Errorf("got %+v %v", st, err)
				}
				return
			}
			if err != nil || st.State != tt.want {
				t.Errorf("got %+v %v, want %s", st, err, tt.want)
			}
			if st.Token != "" {
				t.Errorf("a token of an agreement that is %s", tt.agreement)
			}
		})
	}
}

// Refunding releases what somebody has left reserved by hand.
func TestRefundOfAPart(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, _ := begin(t, p, m)
		s.agree(ref)
		s.with(func() {
			if m == order.VippsEcommerce {
				s.payments[paymentID].Captured = 5000
				return
			}
			s.charges[paymentID].Captured, s.charges[paymentID].Status = 5000, "PARTIALLY_CAPTURED"
		})
		st, err := p.Standing(t.Context(), ref)
		if err != nil || st.State != order.Captured || st.Amount != 5000 {
			t.Fatalf("%s: %+v %v", m, st, err)
		}
		a := action("capture")
		a.Amount = 5000
		if _, err := p.Capture(t.Context(), ref, a); !errors.Is(err, order.ErrRefused) || s.moved["captured"] != 0 {
			t.Errorf("%s: another part is captured: %v", m, err)
		}
		if st, err = p.Refund(t.Context(), ref, action("refund")); err != nil || st.State != order.Refunded || st.Amount != 5000 {
			t.Errorf("%s: %+v %v", m, st, err)
		}
		if s.moved["refunded"] != 5000 || s.moved["released"] != 14905 {
			t.Errorf("%s: moved %v", m, s.moved)
		}
	}
}

func TestLaterCharges(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ctx := t.Context()
	first, _ := begin(t, p, order.VippsRecurring)
	s.agree(first)
	if _, err := p.Capture(ctx, first, action("capture")); err != nil {
		t.Fatal(err)
	}
	st, err := p.Standing(ctx, first)
	wantState(t, st, err, order.Captured)
	c := order.Charge{
		ID: chargeID, Key: chargeID + ":charge", MerchantID: "fjord", Method: order.VippsRecurring, Token: st.Token, Amount: 24950, Currency: "NOK", Description: "April",
	}
	var got order.Charged
	for _, f := range []fault{failBefore, failAfter, dropAfter, tooMany, truncated} {
		s.fail("createCharge", f)
	}
	for range 6 {
		if got, err = p.Charge(ctx, c); err == nil {
			break
		}
		if errors.Is(err, order.ErrRefused) {
			t.Fatal(err)
		}
	}
	if err != nil || got.State != order.Open || got.Ref != "charge:"+st.Token+":"+chargeID {
		t.Fatalf("got %+v %v", got, err)
	}
	// On another day the due date is another, and the charge is the same.
	s.pass(48 * time.Hour)
	if again, err := p.Charge(ctx, c); err != nil || again.Ref != got.Ref || again.State != order.Open {
		t.Errorf("again: %+v %v", again, err)
	}
	if s.moved["drawn"] != 24950 || s.charges[chargeID].Due != "2026-03-12" {
		t.Errorf("moved %v, charge %+v", s.moved, s.charges[chargeID])
	}
	ref := order.Ref{ID: chargeID, Provider: got.Ref, Method: order.VippsRecurring, Recurring: true}
	for _, status := range []string{"DUE", "PROCESSING"} {
		s.with(func() { s.charges[chargeID].Status = status })
		if st, err := p.Standing(ctx, ref); err != nil || st.State != order.Open {
			t.Errorf("%s: %+v %v", status, st, err)
		}
	}
	s.with(func() { s.charges[chargeID].Status = "RESERVED" })
	lost := ref
	lost.Provider = ""
	if st, err := p.Standing(ctx, lost); err != nil || st.State != order.Authorized || st.Amount != 24950 {
		t.Errorf("by its ID: %+v %v", st, err)
	}
	if st, err := p.Capture(ctx, ref, order.Action{Key: "k1", Amount: 24950, Currency: "NOK"}); err != nil || st.State != order.Captured || st.Token != c.Token {
		t.Errorf("captured %+v %v", st, err)
	}
	if st, err := p.Refund(ctx, ref, order.Action{Key: "k2", Amount: 24950, Currency: "NOK"}); err != nil || st.State != order.Refunded {
		t.Errorf("refunded %+v %v", st, err)
	}
	if s.agreements[c.Token].Status != "ACTIVE" {
		t.Error("a later charge has ended the agreement")
	}
}

// The failure or the end of a later charge is not the end of the agreement.
func TestLaterChargeEnds(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ctx := t.Context()
	first, _ := begin(t, p, order.VippsRecurring)
	s.agree(first)
	a := agreementOf(first)
	c := order.Charge{ID: chargeID, Key: "k", Method: order.VippsRecurring, Token: a, Amount: 24950, Currency: "NOK", Description: "April"}
	got, err := p.Charge(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	ref := order.Ref{ID: chargeID, Provider: got.Ref, Method: order.VippsRecurring, Recurring: true}
	if st, err := p.Cancel(ctx, ref, order.Action{Key: "k", Amount: 24950, Currency: "NOK"}); err != nil || st.State != order.Cancelled {
		t.Errorf("cancelled %+v %v", st, err)
	}
	s.with(func() { s.charges[chargeID].Status, s.charges[chargeID].Reason = "FAILED", "non_technical_error" })
	lost := ref
	lost.Provider = ""
	for _, r := range []order.Ref{ref, lost} {
		if st, err := p.Standing(ctx, r); err != nil || st.State != order.Failed || st.Reason != "non_technical_error" {
			t.Errorf("failed %+v %v", st, err)
		}
	}
	if s.agreements[a].Status != "ACTIVE" {
		t.Error("the agreement has ended")
	}
	// A charge that exists is told of, though no other could be made.
	s.with(func() { s.agreements[a].Status = "STOPPED" })
	if again, err := p.Charge(ctx, c); err != nil || again.State != order.Failed || again.Ref != got.Ref {
		t.Errorf("again: %+v %v", again, err)
	}
}

func TestDueDates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		now, due time.Time
		want     string // or refused
	}{
		"as soon as can be":           {now, time.Time{}, "2026-03-12"},
		"past":                        {now, now.AddDate(0, 0, -3), "2026-03-12"},
		"tomorrow":                    {now, now.AddDate(0, 0, 1), "2026-03-12"},
		"later":                       {now, now.AddDate(0, 0, 20), "2026-03-30"},
		"before midnight in Norway":   {now.Add(12*time.Hour + 30*time.Minute), time.Time{}, "2026-03-12"},
		"after midnight in Norway":    {now.Add(14 * time.Hour), time.Time{}, "2026-03-13"},
		"midnight in Norway, as UTC":  {now, time.Date(2026, 4, 30, 22, 0, 0, 0, time.UTC), "2026-05-01"},
		"at most in two years":        {now, now.AddDate(2, 0, 0), "2028-03-10"},
		"in more than two years":      {now, now.AddDate(2, 0, 1), ""},
		"the end of time is no while": {now, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			s.now, s.life = tt.now, 24*time.Hour
			p := newProvider(t, s, nil)
			first, _ := begin(t, p, order.VippsRecurring)
			s.agree(first)
			_, err := p.Charge(t.Context(), order.Charge{ID: chargeID, Key: "k", Method: order.VippsRecurring, Token: agreementOf(first), Amount: 24950, Currency: "NOK", DueAt: tt.due})
			got := ""
			if c := s.charges[chargeID]; c != nil {
				got = c.Due
			}
			if made := s.count("createCharge"); (made == 1) != (tt.want != "") {
				t.Errorf("%d charges", made)
			}
			if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, order.ErrRefused) {
				t.Errorf("due %q, want %q: %v", got, tt.want, err)
			}
		})
	}
}

func TestChargeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*order.Charge)
		vipps  func(*simAgreement)
	}{
		"other method":      {change: func(c *order.Charge) { c.Method = order.VippsEcommerce }},
		"no token":          {change: func(c *order.Charge) { c.Token = "" }},
		"strange token":     {change: func(c *order.Charge) { c.Token = "agr_1/charges/x" }},
		"unknown agreement": {change: func(c *order.Charge) { c.Token = "agr_unknown" }},
		"short ID":          {change: func(c *order.Charge) { c.ID = "1" }},
		"too little":        {change: func(c *order.Charge) { c.Amount = 99 }},
		"too much":          {change: func(c *order.Charge) { c.Amount = 5*24950 + 1 }},
		"other currency":    {change: func(c *order.Charge) { c.Currency = "EUR" }},
		"stopped":           {vipps: func(a *simAgreement) { a.Status = "STOPPED" }},
		"not agreed to":     {vipps: func(a *simAgreement) { a.Status = "PENDING" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			p := newProvider(t, s, nil)
			first, _ := begin(t, p, order.VippsRecurring)
			s.agree(first)
			c := order.Charge{ID: chargeID, Key: "k", Method: order.VippsRecurring, Token: agreementOf(first), Amount: 24950, Currency: "NOK"}
			if tt.change != nil {
				tt.change(&c)
			}
			if tt.vipps != nil {
				tt.vipps(s.agreements[agreementOf(first)])
			}
			if got, err := p.Charge(t.Context(), c); !errors.Is(err, order.ErrRefused) || s.moved["drawn"] != 0 {
				t.Errorf("got %+v %v, moved %v", got, err, s.moved)
			}
			if made := s.count("createCharge"); made > 0 && name != "too much" { // only Vipps knows her limit
				t.Errorf("%d charges", made)
			}
		})
	}
}

// Two nodes that make one charge at once make one.
func TestChargeRace(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p, q := newProvider(t, s, nil), newProvider(t, s, func(c *vipps.Config) { c.DaysAhead = 3 })
	first, _ := begin(t, p, order.VippsRecurring)
	s.agree(first)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			c := order.Charge{ID: chargeID, Key: "k", Method: order.VippsRecurring, Token: agreementOf(first), Amount: 24950, Currency: "NOK"}
			who := p
			if i%2 > 0 {
				who = q
			}
			if got, err := who.Charge(context.Background(), c); err != nil || got.State != order.Open {
				t.Errorf("got %+v %v", got, err)
			}
		})
	}
	wg.Wait()
	if s.moved["drawn"] != 24950 {
		t.Errorf("moved %v", s.moved)
	}
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ctx := t.Context()
	lost := refOf(order.VippsEcommerce, order.Started{})
	ask := func() error {
		_, err := p.Standing(ctx, lost)
		if errors.Is(err, order.ErrUnknown) {
			return nil
		}
		return err
	}
	fetched := func(want int) {
		t.Helper()
		if got := s.count("token"); got != want {
			t.Errorf("%d fetches, want %d", got, want)
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := ask(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	fetched(1)
	s.pass(54 * time.Minute)
	if err := ask(); err != nil {
		t.Error(err)
	}
	fetched(1)
	// Five minutes before its end it is renewed, and good until then.
	s.pass(2 * time.Minute)
	s.fail("token", failBefore)
	if err := ask(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); s.count("token") < 3 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
	fetched(3)
	// One that is not taken is renewed once, for all who hold it.
	s.fail("getPayment", expire)
	for range 5 {
		wg.Go(func() {
			if err := ask(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	fetched(4)
	// When Vipps takes none, it is an outage, and not asked for again and again.
	s.fail("getPayment", revoked, revoked)
	if err := ask(); err == nil || errors.Is(err, order.ErrRefused) {
		t.Errorf("got %v", err)
	}
	fetched(5)
	s.with(func() { s.faults["getPayment"] = nil })
	// Without a token, too.
	s.pass(2 * time.Hour)
	for _, f := range []fault{failBefore, tooMany, html, truncated, oversized, revoked, elsewhere, dropAfter} {
		s.fail("token", f)
		if err := ask(); err == nil || errors.Is(err, order.ErrRefused) || errors.Is(err, order.ErrUnknown) || strings.Contains(err.Error(), clientSecret) {
			t.Errorf("%s: %v", f, err)
		}
	}
	// One past its end is not even tried.
	s.pass(2 * time.Hour)
	before := s.count("getPayment")
	if err := ask(); err != nil || s.count("getPayment") != before+1 {
		t.Errorf("%v after %d calls", err, s.count("getPayment")-before)
	}
}

func TestBadAccessTokens(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(map[string]any){
		"none":         func(m map[string]any) { delete(m, "access_token") },
		"two lines":    func(m map[string]any) { m["access_token"] = "a\r\nX-Other: b" },
		"endless":      func(m map[string]any) { m["access_token"] = strings.Repeat("a", 20000) },
		"no bearer's":  func(m map[string]any) { m["token_type"] = "mac" },
		"no end":       func(m map[string]any) { delete(m, "expires_in") },
		"at its end":   func(m map[string]any) { m["expires_in"] = "0" },
		"past its end": func(m map[string]any) { m["expires_in"] = -1 },
		"for ever":     func(m map[string]any) { m["expires_in"] = "99999999999" },
		"no number":    func(m map[string]any) { m["expires_in"] = "soon" },
	} {
		s := newSimulator(t)
		s.alter["token"] = change
		if _, err := newProvider(t, s, nil).Start(t.Context(), start(order.VippsEcommerce)); err == nil || errors.Is(err, order.ErrRefused) || len(s.payments) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newSimulator(t)
	s.alter["token"] = func(m map[string]any) { m["expires_in"] = 900 } // as the newer endpoint writes it
	if _, err := newProvider(t, s, nil).Start(t.Context(), start(order.VippsEcommerce)); err != nil {
		t.Error(err)
	}
}

// An answer that is of something else is none.
func TestAnswersOfAnother(t *testing.T) {
	t.Parallel()
	set := func(field string, value any) func(map[string]any) { return func(m map[string]any) { m[field] = value } }
	for _, tt := range []struct {
		method    order.Method
		operation string
		change    func(map[string]any)
		starts    bool // it is Start that is answered wrong
	}{
		{order.VippsEcommerce, "createPayment", set("reference", chargeID), true},
		{order.VippsEcommerce, "createPayment", set("redirectUrl", nil), true},
		{order.VippsEcommerce, "getPayment", set("reference", chargeID), false},
		{order.VippsRecurring, "draftAgreement", set("agreementId", "../x"), true},
		{order.VippsRecurring, "draftAgreement", set("agreementId", nil), true},
		{order.VippsRecurring, "draftAgreement", set("chargeId", "a/b"), true},
		{order.VippsRecurring, "draftAgreement", set("vippsConfirmationUrl", nil), true},
		{order.VippsRecurring, "fetchAgreement", set("id", "agr_other"), false},
		{order.VippsRecurring, "fetchCharge", set("id", chargeID), false},
		{order.VippsRecurring, "fetchCharge", set("agreementId", "agr_other"), false},
	} {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		s.alter[tt.operation] = tt.change
		started, err := p.Start(t.Context(), start(tt.method))
		if !tt.starts && err == nil {
			ref := refOf(tt.method, started)
			s.agree(ref)
			_, err = p.Standing(t.Context(), ref)
		}
		if err == nil || errors.Is(err, order.ErrRefused) || errors.Is(err, order.ErrUnknown) {
			t.Errorf("%s: %v", tt.operation, err)
		}
	}
	// A charge without its own name has the kit's.
	s := newSimulator(t)
	s.alter["draftAgreement"] = set("chargeId", nil)
	if got, err := newProvider(t, s, nil).Start(t.Context(), start(order.VippsRecurring)); err != nil || !strings.HasSuffix(got.Ref, ":"+paymentID) {
		t.Errorf("got %+v %v", got, err)
	}
	// What is looked for by its name is looked at, too.
	for _, change := range []func(map[string]any){set("id", chargeID), set("agreementId", "a/b"), set("type", "RECURRING"), set("amount", 1), set("currency", "EUR")} {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		begin(t, p, order.VippsRecurring)
		s.alter["fetchChargeById"] = change
		in := start(order.VippsRecurring)
		in.Key = "other"
		if got, err := p.Start(t.Context(), in); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("got %+v %v", got, err)
		}
	}
}

// A refusal after which the payment stands as before is one.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, _ := begin(t, p, m)
		s.agree(ref)
		s.fail(op(m, "capturePayment", "captureCharge"), forbidden)
		st, err := p.Capture(t.Context(), ref, action("capture"))
		if !errors.Is(err, order.ErrRefused) || st.State != order.Authorized {
			t.Errorf("%s capture: %+v %v", m, st, err)
		}
		st, err = p.Capture(t.Context(), ref, action("capture"))
		wantState(t, st, err, order.Captured)
		s.fail(op(m, "refundPayment", "refundCharge"), forbidden)
		st, err = p.Refund(t.Context(), ref, action("refund"))
		if !errors.Is(err, order.ErrRefused) || st.State != order.Captured {
			t.Errorf("%s refund: %+v %v", m, st, err)
		}
		// The answer to the question after it may fail as well.
		s.fail(op(m, "refundPayment", "refundCharge"), forbidden)
		before := s.count(op(m, "getPayment", "fetchCharge"))
		s.with(func() {
			s.alter[op(m, "getPayment", "fetchCharge")] = func(a map[string]any) {
				if s.calls[op(m, "getPayment", "fetchCharge")] > before {
					delete(a, "amount")
				}
			}
		})
		if _, err = p.Refund(t.Context(), ref, action("refund")); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("%s refund: %v", m, err)
		}
	}
}

// What Vipps has accepted and does later (202) is done once.
func TestAcceptedForLater(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ref, _ := begin(t, p, order.VippsRecurring)
	s.agree(ref)
	s.slow = true
	for range 2 {
		st, err := p.Capture(t.Context(), ref, action("capture"))
		wantState(t, st, err, order.Authorized)
	}
	s.with(func() { s.charges[paymentID].Status, s.charges[paymentID].Captured = "CHARGED", 19905 })
	st, err := p.Capture(t.Context(), ref, action("capture"))
	wantState(t, st, err, order.Captured)
	if n := s.count("captureCharge"); n != 3 || len(s.keys) != 2 { // the draft's, and one of all captures
		t.Errorf("%d captures by %d keys", n, len(s.keys))
	}
}

// Vipps may show an old standing. What is done is refused, and the standing says why.
func TestRefusalOfWhatIsDone(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ref, _ := begin(t, p, order.VippsEcommerce)
	s.agree(ref)
	if _, err := p.Capture(t.Context(), ref, action("capture")); err != nil {
		t.Fatal(err)
	}
	s.pass(24 * time.Hour)
	first := true
	s.with(func() {
		s.alter["getPayment"] = func(m map[string]any) {
			if first {
				m["aggregate"].(map[string]any)["capturedAmount"] = map[string]any{"currency": "NOK", "value": 0}
			}
			first = false
		}
	})
	st, err := p.Capture(t.Context(), ref, action("capture"))
	if !errors.Is(err, order.ErrRefused) || st.State != order.Captured {
		t.Errorf("got %+v %v", st, err)
	}
	if first || s.count("capturePayment") != 2 || s.moved["captured"] != 19905 {
		t.Errorf("moved %v in %d captures", s.moved, s.count("capturePayment"))
	}
}

// What was given back by hand is not given back again, but what is left is released.
func TestRefundOfNothing(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ref, _ := begin(t, p, order.VippsEcommerce)
	s.agree(ref)
	s.with(func() { s.payments[paymentID].Captured, s.payments[paymentID].Refunded = 5000, 5000 })
	if st, err := p.Refund(t.Context(), ref, action("refund")); err != nil || st.State != order.Refunded || s.moved["released"] != 14905 || s.count("refundPayment") != 0 {
		t.Errorf("%+v %v, moved %v", st, err, s.moved)
	}
}

// A refund that was interrupted before the agreement was stopped is ended.
func TestRefundStopsTheAgreement(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ref, _ := begin(t, p, order.VippsRecurring)
	s.agree(ref)
	if _, err := p.Capture(t.Context(), ref, action("capture")); err != nil {
		t.Fatal(err)
	}
	s.fail("patchAgreement", failBefore, forbidden)
	for range 2 {
		if st, err := p.Refund(t.Context(), ref, action("refund")); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("got %+v %v", st, err)
		}
	}
	if st, err := p.Refund(t.Context(), ref, action("another key")); !errors.Is(err, order.ErrRefused) || s.agreements[agreementOf(ref)].Status != "STOPPED" {
		t.Errorf("by another key: %+v %v", st, err)
	}
	st, err := p.Refund(t.Context(), ref, action("refund"))
	wantState(t, st, err, order.Refunded)
	if s.moved["refunded"] != 19905 || s.agreements[agreementOf(ref)].Status != "STOPPED" {
		t.Errorf("moved %v, the agreement is %s", s.moved, s.agreements[agreementOf(ref)].Status)
	}
}

// A key is another on another day, and takes nothing more.
func TestCaptureOnAnotherDay(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		s := newSimulator(t)
		p := newProvider(t, s, nil)
		ref, _ := begin(t, p, m)
		s.agree(ref)
		s.fail(op(m, "capturePayment", "captureCharge"), failAfter)
		if _, err := p.Capture(t.Context(), ref, action("capture")); err == nil {
			t.Errorf("%s: answered", m)
		}
		s.pass(24 * time.Hour)
		st, err := p.Capture(t.Context(), ref, action("capture"))
		if !errors.Is(err, order.ErrRefused) || st.State != order.Captured || s.moved["captured"] != 19905 {
			t.Errorf("%s: %+v %v, moved %v", m, st, err, s.moved)
		}
	}
}

// A caller who leaves does not take the token of the others with her.
func TestAccessTokenOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	asked, gate := make(chan struct{}), make(chan struct{})
	s := newSimulator(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/accesstoken") {
			close(asked)
			<-gate
		}
		s.ServeHTTP(w, r)
	}))
	defer front.Close()
	p := newProvider(t, s, func(c *vipps.Config) { c.BaseURL = front.URL })
	lost := refOf(order.VippsEcommerce, order.Started{})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := p.Standing(ctx, lost); left <- err }()
	<-asked
	stayed := make(chan error)
	go func() { _, err := p.Standing(t.Context(), lost); stayed <- err }()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("she who left: %v", err)
	}
	close(gate)
	if err := <-stayed; !errors.Is(err, order.ErrUnknown) {
		t.Errorf("who stayed: %v", err)
	}
	if n := s.count("token"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestConfirmationAddress(t *testing.T) {
	t.Parallel()
	for landing, good := range map[string]bool{
		"https://landing.vipps.no": true, "https://pay.mobilepay.dk": true, "http://127.0.0.1:1": true, "http://landing.vipps.no": false, "vipps://": false, "javascript:alert(1)//": false,
		"//landing.vipps.no": false, "": false, "https://kari@landing.vipps.no": false, "https://" + strings.Repeat("a", 5000): false, "data:text/html,": false,
	} {
		for _, m := range methods {
			s := newSimulator(t)
			s.landing = landing
			got, err := newProvider(t, s, nil).Start(t.Context(), start(m))
			if (err == nil) != good || errors.Is(err, order.ErrRefused) || err != nil && got != (order.Started{}) {
				t.Errorf("%s %.40s: %+v %v", m, landing, got, err)
			}
		}
	}
}

// References are the provider's own, and nothing in them gets into an address.
func TestReferences(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	for _, ref := range []string{"x", "epayment:", "epayment:a/b", "epayment:a:b", "epayment:..", "recurring:agr_1", "recurring:agr_1:../x", "recurring::chr", "charge:a", "order:1", "epayment:" + strings.Repeat("a", 65)} {
		_, err := p.Standing(t.Context(), order.Ref{ID: paymentID, Provider: ref, Method: order.VippsEcommerce})
		if !errors.Is(err, order.ErrUnknown) || len(s.calls) > 0 {
			t.Errorf("%q: %v, calls %v", ref, err, s.calls)
		}
	}
	for _, ref := range []string{"epayment:" + paymentID, "recurring:agr_5kSeqz:chr-123ab", "charge:agr_5kSeqz:" + chargeID} {
		if got, err := vipps.Redo(ref); err != nil || got != ref {
			t.Errorf("%q: %q %v", ref, got, err)
		}
		if _, err := p.Standing(t.Context(), order.Ref{ID: paymentID, Provider: ref, Method: order.VippsEcommerce}); !errors.Is(err, order.ErrUnknown) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, err := p.Standing(t.Context(), order.Ref{ID: "../x", Method: order.VippsEcommerce}); !errors.Is(err, order.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	for _, call := range []func(context.Context, order.Ref, order.Action) (order.Standing, error){p.Capture, p.Cancel, p.Refund} {
		if _, err := call(t.Context(), order.Ref{ID: paymentID, Method: order.VippsEcommerce}, order.Action{Amount: 1, Currency: "NOK"}); err == nil || errors.Is(err, order.ErrUnknown) {
			t.Errorf("without a key: %v", err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := vipps.Config{ClientID: clientID, ClientSecret: clientSecret, SubscriptionKey: subscriptionKey, MerchantSerialNumber: msn}
	if _, err := vipps.New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*vipps.Config){
		"BaseURL":              func(c *vipps.Config) { c.BaseURL = "http://api.vipps.no" },
		"BaseURL ":             func(c *vipps.Config) { c.BaseURL = "http://127.0.0.1:1" },
		"BaseURL  ":            func(c *vipps.Config) { c.BaseURL, c.InsecureAllowHTTP = "http://api.vipps.no", true },
		"BaseURL   ":           func(c *vipps.Config) { c.BaseURL = "api.vipps.no" },
		"BaseURL    ":          func(c *vipps.Config) { c.BaseURL = "https://a:b@api.vipps.no" },
		"ClientID":             func(c *vipps.Config) { c.ClientID = "" },
		"ClientSecret":         func(c *vipps.Config) { c.ClientSecret = "a\nb" },
		"SubscriptionKey":      func(c *vipps.Config) { c.SubscriptionKey = "ø" },
		"MerchantSerialNumber": func(c *vipps.Config) { c.MerchantSerialNumber = "12a" },
		"SystemName":           func(c *vipps.Config) { c.SystemName = strings.Repeat("a", 31) },
		"PluginVersion":        func(c *vipps.Config) { c.PluginVersion = "\x00" },
		"WebhookSecrets[1]":    func(c *vipps.Config) { c.WebhookSecrets = []string{secret, "x"} },
		"AgreementURL":         func(c *vipps.Config) { c.AgreementURL = "http://fjordposten.example" },
		"Renewal":              func(c *vipps.Config) { c.Renewal.Price = 100 },
		"Renewal ": func(c *vipps.Config) {
			c.Renewal = order.Renewal{Price: 99, Period: order.Period{Length: 1, Unit: "months"}}
		},
		"DaysAhead": func(c *vipps.Config) { c.DaysAhead = -1 },
		"RetryDays": func(c *vipps.Config) { c.RetryDays = 15 },
	} {
		c := good
		change(&c)
		if _, err := vipps.New(c); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v", want, err)
		} else if strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err := vipps.New(vipps.Config{})
	for _, want := range []string{"ClientID", "ClientSecret", "SubscriptionKey", "MerchantSerialNumber"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
}
