package payex_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/internal/payextest"
)

// A payment from its start to the refund, with the callback on the way.
func TestPaymentFromStartToRefund(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*order.Start){"redirect": func(*order.Start) {}, "seamless": seamless, "swish": bySwish} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := payextest.New(t)
			p := newProvider(t, sim)
			s := start(change)
			r, address := begin(t, p, s)
			if got := wantState(t, p, r, order.Open); got.Amount != s.Amount || got.Currency != s.Currency || got.Token != "" {
				t.Errorf("got %+v", got)
			}
			if err := sim.Try(address); err != nil { // a card that is declined: she may try another
				t.Fatal(err)
			}
			wantState(t, p, r, order.Open)
			back, err := sim.Pay(address)
			if err != nil || back != s.ReturnURL {
				t.Fatalf("she came back to %q, %v", back, err)
			}
			if id, err := p.Callback(t.Context(), callback(sim.CallbackBody(r.Provider))); err != nil || id != s.ID {
				t.Fatalf("callback: got %q, %v", id, err)
			}
			if s.Method == order.SwishPayEx {
				wantState(t, p, r, order.Captured) // one phase
			} else {
				wantState(t, p, r, order.Authorized)
				for range 3 {
					got, err := p.Capture(t.Context(), r, action(s, "capture"))
					if err != nil || got.State != order.Captured || got.Amount != s.Amount || got.Currency != s.Currency {
						t.Fatalf("capture: got %+v, %v", got, err)
					}
				}
				if n := sim.Calls(payextest.Capture); n != 1 {
					t.Errorf("%d captures", n)
				}
				if m := sim.Order(r.Provider).Moves[0]; m.VATAmount != s.VATAmount {
					t.Errorf("captured %+v", m)
				}
			}
			if got := sim.Taken(); got != s.Amount {
				t.Errorf("%d were taken", got)
			}
			if _, err := p.Cancel(t.Context(), r, action(s, "cancel")); !errors.Is(err, order.ErrRefused) {
				t.Errorf("cancel after capture: got %v", err)
			}
			for range 3 {
				got, err := p.Refund(t.Context(), r, action(s, "refund"))
				if err != nil || got.State != order.Refunded {
					t.Fatalf("refund: got %+v, %v", got, err)
				}
			}
			if sim.Taken() != 0 || sim.Calls(payextest.Reversal) != 1 {
				t.Errorf("%d are taken after %d reversals", sim.Taken(), sim.Calls(payextest.Reversal))
			}
			if _, err := p.Capture(t.Context(), r, action(s, "capture")); !errors.Is(err, order.ErrRefused) {
				t.Errorf("capture after refund: got %v", err)
			}
			wantState(t, p, r, order.Refunded)
		})
	}
}

func TestPayerDoesNotWantTo(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r, address := begin(t, p, s)
	if back, err := sim.Leave(address); err != nil || back != s.ReturnURL {
		t.Fatalf("she came back to %q, %v", back, err)
	}
	if got := wantState(t, p, r, order.Cancelled); got.Reason != "Payment aborted by payer" {
		t.Errorf("got %+v", got)
	}
	if got, err := p.Cancel(t.Context(), r, action(s, "cancel")); err != nil || got.State != order.Cancelled {
		t.Errorf("cancel: got %+v, %v", got, err)
	}
	for what, do := range map[string]func() error{
		"capture": func() error { _, err := p.Capture(t.Context(), r, action(s, "capture")); return err },
		"refund":  func() error { _, err := p.Refund(t.Context(), r, action(s, "refund")); return err },
	} {
		if err := do(); !errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if sim.Calls(payextest.Abort)+sim.Calls(payextest.Capture)+sim.Calls(payextest.Reversal) != 0 {
		t.Error("something was asked for")
	}
}

func TestCancelOfAnOpenPayment(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r, address := begin(t, p, s)
	sim.Change(r.Provider, func(o *payextest.Order) { o.Away = true })
	if _, err := p.Cancel(t.Context(), r, action(s, "cancel")); !outage(err) {
		t.Errorf("while she pays in another app: got %v", err)
	}
	sim.Change(r.Provider, func(o *payextest.Order) { o.Away = false })
	for range 2 {
		if got, err := p.Cancel(t.Context(), r, action(s, "cancel")); err != nil || got.State != order.Cancelled {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if n := sim.Calls(payextest.Abort); n != 1 {
		t.Errorf("%d aborts", n)
	}
	if _, err := sim.Pay(address); err == nil {
		t.Error("it could be paid after that")
	}
}

// The payer pays while the payment is given up: what is reserved is released.
func TestCancelIsTooLateForAnAbort(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r, address := begin(t, p, s)
	sim.Fail(payextest.Abort, func(w http.ResponseWriter, do func() *recorder) {
		if _, err := sim.Pay(address); err != nil {
			t.Error(err)
		}
		payextest.Answer(w, do())
	})
	got, err := p.Cancel(t.Context(), r, action(s, "cancel"))
	if err != nil || got.State != order.Released {
		t.Fatalf("got %+v, %v", got, err)
	}
	if o := sim.Order(r.Provider); o.Released != s.Amount || o.Captured != 0 {
		t.Errorf("got %+v", o)
	}
}

func TestCancelOfAReservation(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	for range 2 {
		if got, err := p.Cancel(t.Context(), r, action(s, "cancel")); err != nil || got.State != order.Released {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if n := sim.Calls(payextest.Cancel); n != 1 {
		t.Errorf("%d cancellations", n)
	}
	if _, err := p.Capture(t.Context(), r, action(s, "capture")); !errors.Is(err, order.ErrRefused) {
		t.Errorf("capture: got %v", err)
	}
	if sim.Taken() != 0 {
		t.Error("money was taken")
	}
}

// faults are the ways in which an answer gets lost.
var faults = map[string]payextest.Fault{
	"the connection breaks after it":  payextest.Lose,
	"the connection breaks before it": payextest.Break,
	"it takes too long":               payextest.Hang(time.Minute),
	"the body takes too long":         payextest.Drip(time.Minute),
	"500 after it":                    payextest.After(500),
	"503 before it":                   payextest.Before(503),
	"409 before it":                   payextest.Before(409),
	"409 after it":                    payextest.After(409),
	"429":                             payextest.Before(429),
	"half an answer":                  payextest.Cut,
	"too large an answer":             payextest.Large,
	"garbage":                         payextest.Body("application/json", "}{"),
	"a page":                          payextest.Body("text/html", "<html>"),
	"the answer of version 3.0":       payextest.Body("application/json", `{"payment":"/psp/creditcard/payments/1","capture":{"transaction":{"state":"Completed"}}}`),
	"a system error":                  payextest.Problem(500, "systemerror"),
	"not allowed":                     payextest.Problem(403, "forbidden"),
	"a gateway's problem":             payextest.Problem(502, "creditcard/acquirergatewayerror"),
	"another payment order":           payextest.Edit(func(o, _ map[string]any) { o["id"] = "/psp/paymentorders/1" }),
}

// Whatever goes wrong with what moves money, the repetition moves it once.
func TestMoneyMovesOnce(t *testing.T) {
	t.Parallel()
	type does func(context.Context, *payex.Provider, order.Ref, order.Start) (order.Standing, error)
	for what, test := range map[string]struct {
		do   does
		want order.State
		prep does
	}{
		payextest.Capture: {want: order.Captured, do: func(ctx context.Context, p *payex.Provider, r order.Ref, s order.Start) (order.Standing, error) {
			return p.Capture(ctx, r, action(s, "capture"))
		}},
		payextest.Cancel: {want: order.Released, do: func(ctx context.Context, p *payex.Provider, r order.Ref, s order.Start) (order.Standing, error) {
			return p.Cancel(ctx, r, action(s, "cancel"))
		}},
		payextest.Reversal: {want: order.Refunded, prep: func(ctx context.Context, p *payex.Provider, r order.Ref, s order.Start) (order.Standing, error) {
			return p.Capture(ctx, r, action(s, "capture"))
		}, do: func(ctx context.Context, p *payex.Provider, r order.Ref, s order.Start) (order.Standing, error) {
			return p.Refund(ctx, r, action(s, "refund"))
		}},
	} {
		for name, fault := range maps.All(faults) {
			t.Run(what+": "+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, sim *payextest.Server, p *payex.Provider) {
					s := start()
					r := paid(t, sim, p, s)
					if test.prep != nil {
						if _, err := test.prep(t.Context(), p, r, s); err != nil {
							t.Fatal(err)
						}
					}
					sim.Fail(what, fault)
					var got order.Standing
					var err error
					for range 4 {
						if got, err = test.do(t.Context(), p, r, s); err == nil && got.State == test.want {
							break
						}
						if err != nil && !outage(err) {
							t.Fatalf("got %v", err)
						}
					}
					if err != nil || got.State != test.want {
						t.Fatalf("got %+v, %v", got, err)
					}
					o := sim.Order(r.Provider)
					if want := map[string]int64{payextest.Capture: s.Amount, payextest.Cancel: 0, payextest.Reversal: 0}[what]; o.Captured-o.Reversed != want || len(o.Moves) != 1 && test.prep == nil {
						t.Errorf("got %+v", o)
					}
				})
			})
		}
	}
}

// Reading the payment order fails just after the money was taken.
func TestReadFailsAfterCapture(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, sim *payextest.Server, p *payex.Provider) {
				s := start()
				r := paid(t, sim, p, s)
				sim.Fail(payextest.Read, nil, fault)
				if _, err := p.Capture(t.Context(), r, action(s, "capture")); !outage(err) {
					t.Fatalf("got %v", err)
				}
				if got, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil || got.State != order.Captured {
					t.Fatalf("again: got %+v, %v", got, err)
				}
				if sim.Taken() != s.Amount || sim.Calls(payextest.Capture) != 1 {
					t.Errorf("%d taken by %d captures", sim.Taken(), sim.Calls(payextest.Capture))
				}
			})
		})
	}
}

// Many callers at once, with the same key and with others: the money moves once.
func TestMoneyMovesOnceAtOnce(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	sim.Fail(payextest.Capture, payextest.Hang(20*time.Millisecond), payextest.Hang(20*time.Millisecond), payextest.Lose)
	atOnce := func(do func(key string) error) {
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				if err := do([]string{"one", "one", "other"}[i%3]); err != nil && !outage(err) && !errors.Is(err, order.ErrRefused) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	atOnce(func(key string) error { _, err := p.Capture(t.Context(), r, action(s, key)); return err })
	_, one := p.Capture(t.Context(), r, action(s, "one"))
	_, other := p.Capture(t.Context(), r, action(s, "other"))
	if (one == nil) == (other == nil) || !errors.Is(errors.Join(one, other), order.ErrRefused) || sim.Taken() != s.Amount {
		t.Fatalf("got %v and %v; %d taken", one, other, sim.Taken())
	}
	atOnce(func(key string) error { _, err := p.Refund(t.Context(), r, action(s, key)); return err })
	if got := sim.Order(r.Provider); got.Reversed != s.Amount {
		t.Errorf("%d given back", got.Reversed)
	}
}

func TestDeclinedMoves(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	sim.Decline("acquirererror")
	if _, err := p.Capture(t.Context(), r, action(s, "capture")); !errors.Is(err, order.ErrRefused) || !strings.Contains(err.Error(), "acquirererror") {
		t.Fatalf("got %v", err)
	}
	wantState(t, p, r, order.Authorized)
	// The reference of the one that was declined is used up.
	if got, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil || got.State != order.Captured {
		t.Fatalf("again: got %+v, %v", got, err)
	}
	sim.Decline("acquirererror")
	if _, err := p.Refund(t.Context(), r, action(s, "refund")); !errors.Is(err, order.ErrRefused) {
		t.Fatalf("got %v", err)
	}
	if got, err := p.Refund(t.Context(), r, action(s, "refund")); err != nil || got.State != order.Refunded {
		t.Fatalf("again: got %+v, %v", got, err)
	}

	r = paid(t, sim, p, start(func(s *order.Start) { s.ID = "another" }))
	sim.Decline("acquirererror")
	if _, err := p.Cancel(t.Context(), r, action(s, "cancel")); !errors.Is(err, order.ErrRefused) {
		t.Fatalf("got %v", err)
	}
}

func TestAmountsThatAreNotWhatIsThere(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	wrong := map[string]func(*order.Action){
		"less":             func(a *order.Action) { a.Amount-- },
		"more":             func(a *order.Action) { a.Amount++ },
		"another currency": func(a *order.Action) { a.Currency = "SEK" },
		"too much VAT":     func(a *order.Action) { a.VATAmount = a.Amount + 1 },
	}
	for name, change := range wrong {
		a := action(s, "capture")
		change(&a)
		if _, err := p.Capture(t.Context(), r, a); !errors.Is(err, order.ErrRefused) {
			t.Errorf("capture of %s: got %v", name, err)
		}
	}
	if _, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil {
		t.Fatal(err)
	}
	for name, change := range wrong {
		a := action(s, "refund")
		change(&a)
		if _, err := p.Refund(t.Context(), r, a); !errors.Is(err, order.ErrRefused) {
			t.Errorf("refund of %s: got %v", name, err)
		}
	}
	if sim.Calls(payextest.Capture) != 1 || sim.Calls(payextest.Reversal) != 0 {
		t.Error("it was asked for")
	}
}

// Parts are moved by people in the Merchant Portal only.
func TestParts(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	sim.Change(r.Provider, func(o *payextest.Order) {
		o.Captured, o.Moves = 100, []payextest.Move{{Type: "Capture", Amount: 100}}
	})
	if got, err := p.Standing(t.Context(), r); !outage(err) {
		t.Errorf("a part is taken: got %+v, %v", got, err)
	}
	if got, err := p.Capture(t.Context(), r, action(s, "capture")); !outage(err) {
		t.Errorf("capture of the rest: got %+v, %v", got, err)
	}
	sim.Change(r.Provider, func(o *payextest.Order) {
		o.Captured, o.Moves = s.Amount, []payextest.Move{{Type: "Capture", Amount: 100}, {Type: "Capture", Amount: s.Amount - 100}}
	})
	wantState(t, p, r, order.Captured)
	sim.Change(r.Provider, func(o *payextest.Order) {
		o.Reversed, o.Moves = 9900, append(o.Moves, payextest.Move{Type: "Reversal", Amount: 9900})
	})
	wantState(t, p, r, order.Captured)
	if got, err := p.Refund(t.Context(), r, action(s, "refund")); err != nil || got.State != order.Refunded {
		t.Fatalf("refund of what is left: got %+v, %v", got, err)
	}
	o := sim.Order(r.Provider)
	if m := o.Moves[len(o.Moves)-1]; m.Amount != 10000 || m.VATAmount != 2000 || sim.Taken() != 0 {
		t.Errorf("got %+v", m)
	}
}

// Some reversals take days: 202, and nothing else is offered meanwhile.
func TestRefundThatTakesDays(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start(bySwish)
	r := paid(t, sim, p, s)
	sim.Change(r.Provider, func(o *payextest.Order) { o.Away = true })
	if got, err := p.Refund(t.Context(), r, action(s, "refund")); err != nil || got.State != order.Captured {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := p.Refund(t.Context(), r, action(s, "refund")); !outage(err) {
		t.Fatalf("while it is on its way: got %v", err)
	}
	sim.Change(r.Provider, (*payextest.Order).Finish)
	if got, err := p.Refund(t.Context(), r, action(s, "refund")); err != nil || got.State != order.Refunded || sim.Calls(payextest.Reversal) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// What is offered is followed at Swedbank Pay's own origin only, and in its own way.
func TestOperationsAreOutsideInput(t *testing.T) {
	t.Parallel()
	other := payextest.New(t)
	for name, fault := range map[string]payextest.Fault{
		"none":           payextest.Rel("capture", nil),
		"elsewhere":      payextest.Rel("capture", func(m map[string]any) { m["href"] = other.URL + "/psp/paymentorders/1/captures" }),
		"no address":     payextest.Rel("capture", func(m map[string]any) { m["href"] = "" }),
		"another scheme": payextest.Rel("capture", func(m map[string]any) { m["href"] = "file:///etc/passwd" }),
		"with a user":    payextest.Rel("capture", func(m map[string]any) { m["href"] = strings.Replace(m["href"].(string), "//", "//u:p@", 1) }),
		"another method": payextest.Rel("capture", func(m map[string]any) { m["method"] = "DELETE" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := payextest.New(t)
			p := newProvider(t, sim)
			s := start()
			r := paid(t, sim, p, s)
			sim.Fail(payextest.Read, fault)
			if _, err := p.Capture(t.Context(), r, action(s, "capture")); !outage(err) {
				t.Errorf("got %v", err)
			}
			if sim.Taken() != 0 || other.Calls(payextest.Capture) != 0 {
				t.Error("it was followed")
			}
		})
	}
}

// A payment whose Start was never answered is unknown, and so is one that is not there.
func TestUnknownPayments(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	for _, id := range []string{"", "/psp/paymentorders/7e6cdfc3-1276-44e9-9992-7cf4419750e1"} {
		r := ref(s, order.Started{Ref: id})
		for what, do := range map[string]func() (order.Standing, error){
			"standing": func() (order.Standing, error) { return p.Standing(t.Context(), r) },
			"capture":  func() (order.Standing, error) { return p.Capture(t.Context(), r, action(s, "capture")) },
			"cancel":   func() (order.Standing, error) { return p.Cancel(t.Context(), r, action(s, "cancel")) },
			"refund":   func() (order.Standing, error) { return p.Refund(t.Context(), r, action(s, "refund")) },
		} {
			if got, err := do(); !errors.Is(err, order.ErrUnknown) {
				t.Errorf("%s of %q: got %+v, %v", what, id, got, err)
			}
		}
	}
	r := ref(s, order.Started{Ref: "/psp/paymentorders/1"})
	sim.Fail(payextest.Read, payextest.Before(404)) // of somebody who does not know the address at all
	if _, err := p.Standing(t.Context(), r); !outage(err) {
		t.Errorf("404 without a problem: got %v", err)
	}
	for _, id := range []string{"https://evil.example/psp/paymentorders/1", "//evil.example/1", "javascript:1", "/\n", "/"} {
		if _, err := p.Standing(t.Context(), ref(s, order.Started{Ref: id})); !outage(err) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

// Only what is known to be paid is paid.
func TestStandingsThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	sub := func(name, field string, value any) payextest.Fault {
		return payextest.Edit(func(o, _ map[string]any) { o[name].(map[string]any)[field] = value })
	}
	for name, fault := range map[string]payextest.Fault{
		"a status that is unknown":   payextest.Edit(func(o, _ map[string]any) { o["status"] = "Settled" }),
		"a status in small letters":  payextest.Edit(func(o, _ map[string]any) { o["status"] = "paid" }),
		"no status":                  payextest.Edit(func(o, _ map[string]any) { delete(o, "status") }),
		"no currency":                payextest.Edit(func(o, _ map[string]any) { delete(o, "currency") }),
		"another payment order":      payextest.Edit(func(o, _ map[string]any) { o["id"] = "/psp/paymentorders/1" }),
		"another payment":            sub("paid", "orderReference", "another"),
		"nothing of how it was paid": payextest.Edit(func(o, _ map[string]any) { o["paid"] = map[string]any{"id": "/x"} }),
		"no amount":                  sub("paid", "amount", 0),
		"a negative amount":          sub("paid", "amount", -19900),
		"an amount that is too much": sub("paid", "amount", int64(1)<<60),
		"a sale that is too much": payextest.Edit(func(o, _ map[string]any) {
			paid := o["paid"].(map[string]any)
			paid["transactionType"], paid["amount"] = "Sale", int64(1)<<60
		}),
		"an unknown transaction":         sub("paid", "transactionType", "Verification"),
		"no transaction":                 sub("paid", "transactionType", nil),
		"a capture that is too much":     sub("financialTransactions", "financialTransactionsList", []any{map[string]any{"type": "Capture", "amount": 20000}}),
		"captures that overflow":         sub("financialTransactions", "financialTransactionsList", []any{map[string]any{"type": "Capture", "amount": int64(1) << 62}, map[string]any{"type": "Capture", "amount": int64(1) << 62}}),
		"less to capture than there was": payextest.Edit(func(o, _ map[string]any) { o["remainingCaptureAmount"] = 1 }),
		"nothing of captures": payextest.Edit(func(o, _ map[string]any) {
			delete(o, "remainingCaptureAmount")
			o["financialTransactions"] = map[string]any{"id": "/x"}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := payextest.New(t)
			p := newProvider(t, sim)
			s := start()
			r := paid(t, sim, p, s)
			sim.Fail(payextest.Read, fault, fault)
			if got, err := p.Standing(t.Context(), r); !outage(err) {
				t.Errorf("got %+v, %v", got, err)
			}
			if _, err := p.Capture(t.Context(), r, action(s, "capture")); !outage(err) || sim.Calls(payextest.Capture) != 0 {
				t.Errorf("capture: got %v", err)
			}
		})
	}
}

func TestStandings(t *testing.T) {
	t.Parallel()
	collapsed := payextest.Edit(func(o, _ map[string]any) { o["financialTransactions"] = map[string]any{"id": "/x"} })
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	sim.Fail(payextest.Read, collapsed)
	wantState(t, p, r, order.Authorized)
	if _, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil {
		t.Fatal(err)
	}
	sim.Fail(payextest.Read, collapsed)
	wantState(t, p, r, order.Captured)
	// Another amount is told, and the caller compares.
	sim.Fail(payextest.Read, payextest.Edit(func(o, _ map[string]any) {
		o["paid"].(map[string]any)["amount"], o["paid"].(map[string]any)["transactionType"] = 1, "Sale"
	}))
	if got := wantState(t, p, r, order.Captured); got.Amount != 1 {
		t.Errorf("got %+v", got)
	}
	sim.Change(r.Provider, func(o *payextest.Order) { o.Status, o.Problem = "Failed", "frauddetected" })
	if got := wantState(t, p, r, order.Failed); got.Reason != "creditcard/frauddetected" {
		t.Errorf("got %+v", got)
	}
	if got, err := p.Cancel(t.Context(), r, action(s, "cancel")); err != nil || got.State != order.Failed {
		t.Errorf("cancel: got %+v, %v", got, err)
	}
}
