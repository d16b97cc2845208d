package payex_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/internal/payextest"
)

func charge(token string, change ...func(*order.Charge)) order.Charge {
	c := order.Charge{
		ID: "charge1", Key: "charge1/charge", MerchantID: "bladet", Method: order.CreditCardPayEx, Token: token,
		Amount: 24900, VATAmount: 4980, Currency: "NOK", Description: "Bladet, 4 uker", Payer: order.Payer{UserID: userID},
		CallbackURL: "https://connectid.example/capi/mcpay/callback/bladet/creditcardPayex/charge1/proof",
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// agreed is the token of a payment in which the payer has agreed to later ones.
func agreed(t *testing.T, sim *payextest.Server, p *payex.Provider) string {
	t.Helper()
	s := start(recurring)
	r := paid(t, sim, p, s)
	got := wantState(t, p, r, order.Authorized)
	if got.Token == "" {
		t.Fatal("no token")
	}
	after, err := p.Capture(t.Context(), r, action(s, "capture"))
	if err != nil || after.Token != got.Token {
		t.Fatalf("after capture: got %+v, %v", after, err)
	}
	return got.Token
}

func captureCharge(t *testing.T, p *payex.Provider, c order.Charge, ch order.Charged) order.Standing {
	t.Helper()
	r := order.Ref{ID: c.ID, Provider: ch.Ref, MerchantID: c.MerchantID, Method: c.Method}
	a := order.Action{Key: c.ID + "/capture", Amount: c.Amount, VATAmount: c.VATAmount, Currency: c.Currency}
	s, err := p.Capture(t.Context(), r, a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCharge(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	token := agreed(t, sim, p)
	before := sim.Taken()
	c := charge(token)
	ch, err := p.Charge(t.Context(), c)
	if err != nil || ch.State != order.Authorized || ch.Amount != c.Amount || ch.Currency != c.Currency || ch.Ref == "" {
		t.Fatalf("got %+v, %v", ch, err)
	}
	o := sim.Order(ch.Ref)
	if o.Reference != c.ID || o.Operation != "UnscheduledPurchase" || o.Payer["payerReference"] != userID || len(o.URLs.HostURLs) != 0 || o.Language == "" {
		t.Errorf("got %+v", o)
	}
	if got := captureCharge(t, p, c, ch); got.State != order.Captured || got.Token != "" || sim.Taken() != before+c.Amount {
		t.Errorf("got %+v; %d taken", got, sim.Taken())
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start(recurring)
	r := paid(t, sim, p, s)
	plain := r
	plain.Recurring = false
	if got := wantState(t, p, plain, order.Authorized); got.Token != "" {
		t.Error("a token of a payment that does not recur")
	}
	for name, change := range map[string]func(map[string]any){
		"none":             func(m map[string]any) { delete(m, "tokens") },
		"of other kinds":   func(m map[string]any) { m["tokens"] = []any{map[string]any{"type": "payment", "token": "x"}} },
		"empty":            func(m map[string]any) { m["tokens"] = []any{map[string]any{"type": "unscheduled", "token": ""}} },
		"of something odd": func(m map[string]any) { m["tokens"] = []any{map[string]any{"type": "unscheduled", "token": "a\x00"}} },
		"of another way":   func(m map[string]any) { m["instrument"] = "Trustly" },
	} {
		sim.Fail(payextest.Read, payextest.Edit(func(o, _ map[string]any) { change(o["paid"].(map[string]any)) }))
		if got := wantState(t, p, r, order.Authorized); got.Token != "" {
			t.Errorf("tokens %s: got %q", name, got.Token)
		}
	}
}

func TestChargeThatIsNone(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	token := agreed(t, sim, p)
	for name, change := range map[string]func(*order.Charge){
		"no token":          func(c *order.Charge) { c.Token = "" },
		"another's token":   func(c *order.Charge) { c.Token = strings.TrimPrefix(c.Token, "card:") },
		"an empty token":    func(c *order.Charge) { c.Token = "card:" },
		"swish":             func(c *order.Charge) { c.Method = order.SwishPayEx },
		"no amount":         func(c *order.Charge) { c.Amount, c.VATAmount = 0, 0 },
		"no currency":       func(c *order.Charge) { c.Currency = "" },
		"an ID that is bad": func(c *order.Charge) { c.ID = "a b" },
	} {
		if _, err := p.Charge(t.Context(), charge(token, change)); !errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := p.Charge(t.Context(), charge(token, func(c *order.Charge) { c.DueAt = time.Now().Add(time.Hour) })); !outage(err) {
		t.Errorf("before it is due: got %v", err)
	}
	if n := sim.Calls(payextest.Charge); n != 0 {
		t.Errorf("%d calls", n)
	}
	if _, err := p.Charge(t.Context(), charge(token, func(c *order.Charge) { c.DueAt = time.Now() })); err != nil {
		t.Errorf("when it is due: got %v", err)
	}
}

func TestChargeIsDeclined(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	token := agreed(t, sim, p)
	before := sim.Taken()
	c := charge(token)
	sim.Decline("acquirerinsufficientfunds")
	if _, err := p.Charge(t.Context(), c); !errors.Is(err, order.ErrRefused) || !strings.Contains(err.Error(), "acquirerinsufficientfunds") {
		t.Errorf("got %v", err)
	}
	c.ID, c.Key = "charge2", "charge2/charge"
	sim.Decline("silently")
	if got, err := p.Charge(t.Context(), c); err != nil || got.State != order.Failed || got.Ref == "" || got.Reason == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	sim.Delete(strings.TrimPrefix(token, "card:"))
	c.ID, c.Key = "charge3", "charge3/charge"
	if _, err := p.Charge(t.Context(), c); !errors.Is(err, order.ErrRefused) || !strings.Contains(err.Error(), "paymenttokeninactive") {
		t.Errorf("a deleted token: got %v", err)
	}
	c.ID, c.Key, c.Token = "charge4", "charge4/charge", "card:unknown"
	if _, err := p.Charge(t.Context(), c); !errors.Is(err, order.ErrRefused) {
		t.Errorf("an unknown token: got %v", err)
	}
	if sim.Taken() != before {
		t.Error("money was taken")
	}
}

// A Charge whose answer was lost is repeated; what is taken is taken once.
func TestChargeAgainAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		if name == "another payment order" { // its Ref is the caller's to keep
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, sim *payextest.Server, p *payex.Provider) {
				token := agreed(t, sim, p)
				before := sim.Taken()
				c := charge(token)
				sim.Fail(payextest.Charge, fault)
				if got, err := p.Charge(t.Context(), c); !outage(err) {
					t.Fatalf("got %+v, %v", got, err)
				}
				if got := sim.Taken(); got != before {
					t.Errorf("%d were taken by what was lost", got-before)
				}
				ch, err := p.Charge(t.Context(), c)
				if err != nil || ch.State != order.Authorized {
					t.Fatalf("again: got %+v, %v", ch, err)
				}
				captureCharge(t, p, c, ch)
				captureCharge(t, p, c, ch)
				if got := sim.Taken() - before; got != c.Amount {
					t.Errorf("%d were taken, want %d", got, c.Amount)
				}
			})
		})
	}
}

// What was made is returned, even if it can't be read just then.
func TestChargeThatTakesItsTime(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	token := agreed(t, sim, p)
	for i, test := range []struct {
		create, read payextest.Fault
		want         order.State
	}{
		{payextest.Edit(func(o, _ map[string]any) { o["status"] = "Initialized" }), payextest.Before(500), order.Open},
		{payextest.Edit(func(o, _ map[string]any) { o["status"] = "Initialized" }), nil, order.Authorized},
		{payextest.Edit(func(o, _ map[string]any) { o["status"] = "Wondering" }), payextest.Before(503), order.Open},
		{payextest.Edit(func(o, _ map[string]any) { o["paid"] = map[string]any{"id": "/x"} }), nil, order.Authorized},
	} {
		c := charge(token, func(c *order.Charge) { c.ID += string(rune('a' + i)) })
		sim.Fail(payextest.Charge, test.create)
		sim.Fail(payextest.Read, test.read)
		got, err := p.Charge(t.Context(), c)
		if err != nil || got.State != test.want || got.Ref == "" || got.Currency != "NOK" || got.Amount != c.Amount {
			t.Errorf("%d: got %+v, %v", i, got, err)
		}
		wantState(t, p, order.Ref{ID: c.ID, Provider: got.Ref}, order.Authorized)
	}
}
