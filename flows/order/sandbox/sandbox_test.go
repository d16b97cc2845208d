package sandbox_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/ordertest"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
)

const base = "https://connectid.example/mcpay/sandbox"

func open(t *testing.T, c sandbox.Config) *sandbox.Provider {
	t.Helper()
	if c.URL == "" {
		c.URL = base
	}
	c.Logger = slog.New(slog.DiscardHandler)
	p, err := sandbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(flow order.PaymentFlow) order.Start {
	s := order.Start{
		ID: rand.Text(), Key: rand.Text(), MerchantID: "fjord", Method: order.CreditCardPayEx, Flow: flow,
		Amount: 19900, VATAmount: 3980, Currency: "NOK", Description: "Fjordposten, one month", Lang: "nb",
		Lines:       []order.StartLine{{Reference: "paper", Name: "Paper", Quantity: 1, Amount: 19900}},
		ReturnURL:   "https://connectid.example/user/fulfillment?run=1",
		CallbackURL: "https://connectid.example/capi/mcpay/callback/fjord/creditcardPayex/x/proof",
	}
	if flow == order.Seamless {
		s.Origins = []string{"https://fjord.example", "http://localhost:8080"}
	}
	return s
}

func begin(t *testing.T, p *sandbox.Provider, s order.Start) (order.Ref, string) {
	t.Helper()
	started, err := p.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	page, ok := strings.CutPrefix(started.RedirectURL+started.View.URL, base+"/")
	if !ok || len(page) < 26 {
		t.Fatalf("started %+v: want a page of 128 bits below %s", started, base)
	}
	return order.Ref{ID: s.ID, Provider: started.Ref, MerchantID: s.MerchantID, Method: s.Method}, page
}

func number(o sandbox.Outcome) string {
	for _, c := range sandbox.Cards() {
		if c.Outcome == o {
			return c.Number
		}
	}
	return ""
}

func card(o sandbox.Outcome) sandbox.Card {
	return sandbox.Card{Number: number(o), Expiry: "12/68", CVC: "123"}
}

func post(t testing.TB, p *sandbox.Provider, page string, e sandbox.Event) (sandbox.Page, error) {
	t.Helper()
	v, err := p.Page(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	e.FormToken = v.FormToken
	return p.Post(t.Context(), page, e)
}

func pay(t testing.TB, p *sandbox.Provider, page string, o sandbox.Outcome) sandbox.Page {
	t.Helper()
	v, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: card(o)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func standing(t *testing.T, p *sandbox.Provider, r order.Ref) order.Standing {
	t.Helper()
	s, err := p.Standing(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func action(s order.Start, key string) order.Action {
	return order.Action{Key: key, Amount: s.Amount, VATAmount: s.VATAmount, Currency: s.Currency}
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sale    bool
		start   order.Start
		storage bool
	}{
		"card": {}, "seamless": {start: order.Start{Flow: order.Seamless}}, "recurring": {start: order.Start{Recurring: true}},
		"sale": {sale: true, start: order.Start{Method: order.SwishPayEx}}, "file": {storage: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ordertest.Run(t, func(t *testing.T) ordertest.Subject {
				config := sandbox.Config{Sale: []order.Method{order.SwishPayEx}}
				if c.storage {
					config.Storage = sandbox.File(filepath.Join(t.TempDir(), "payments.json"))
				}
				p := open(t, config)
				pages := map[string]string{}
				page := func(t testing.TB, r order.Ref) string {
					if pages[r.ID] == "" {
						for page := range sandbox.Pages(p) {
							v, err := p.Page(t.Context(), page)
							if err == nil {
								pages[v.PaymentID] = page
							}
						}
					}
					return pages[r.ID]
				}
				return ordertest.Subject{
					Provider: p, Start: c.start, Sale: c.sale,
					Agree:   func(t *testing.T, r order.Ref) { pay(t, p, page(t, r), sandbox.Approved) },
					Decline: func(t *testing.T, r order.Ref) { pay(t, p, page(t, r), sandbox.Declined) },
					GiveUp: func(t *testing.T, r order.Ref) {
						if _, err := post(t, p, page(t, r), sandbox.Event{Name: sandbox.GiveUp}); err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []sandbox.Config{
		{}, {URL: "sandbox"}, {URL: "ftp://x.example"}, {URL: base + "/"}, {URL: base + "?x"}, {URL: "https://u:p@x.example/y"},
		{URL: base, OpenFor: -1}, {URL: base, Max: -1},
		{URL: base, Storage: sandbox.File("/nowhere/at/all.json")},
	} {
		if p, err := sandbox.New(c); err == nil || p != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestStartRefused(t *testing.T) {
	t.Parallel()
	p := open(t, sandbox.Config{})
	for name, change := range map[string]func(*order.Start){
		"no ID":              func(s *order.Start) { s.ID = "" },
		"long ID":            func(s *order.Start) { s.ID = strings.Repeat("a", 33) },
		"ID with a sign":     func(s *order.Start) { s.ID = "a-b" },
		"no key":             func(s *order.Start) { s.Key = "" },
		"no merchant":        func(s *order.Start) { s.MerchantID = "" },
		"nothing to pay":     func(s *order.Start) { s.Amount, s.VATAmount, s.Lines = 0, 0, nil },
		"negative":           func(s *order.Start) { s.Amount, s.VATAmount, s.Lines = -1, 0, nil },
		"VAT beyond amount":  func(s *order.Start) { s.VATAmount = 19901 },
		"currency":           func(s *order.Start) { s.Currency = "kr" },
		"lines do not match": func(s *order.Start) { s.Lines[0].Amount-- },
		"flow":               func(s *order.Start) { s.Flow = "" },
		"return address":     func(s *order.Start) { s.ReturnURL = "javascript:alert(1)" },
		"terms":              func(s *order.Start) { s.TermsURL = "javascript:alert(1)" },
		"no origins":         func(s *order.Start) { s.Flow = order.Seamless },
		"origin *":           func(s *order.Start) { s.Flow, s.Origins = order.Seamless, []string{"*"} },
		"origin and policy":  func(s *order.Start) { s.Flow, s.Origins = order.Seamless, []string{"https://x.example; script-src *"} },
		"origin with a path": func(s *order.Start) { s.Flow, s.Origins = order.Seamless, []string{"https://x.example/"} },
		"long description":   func(s *order.Start) { s.Description = strings.Repeat("a", 401) },
	} {
		s := start(order.Redirect)
		change(&s)
		if got, err := p.Start(t.Context(), s); !errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: %+v, %v, want ErrRefused", name, got, err)
		}
	}
}

// A key stands for one payment, an ID for one too.
func TestKeysAreNotSharedOut(t *testing.T) {
	t.Parallel()
	p := open(t, sandbox.Config{})
	first := start(order.Redirect)
	ref, _ := begin(t, p, first)
	for name, change := range map[string]func(*order.Start){
		"amount":   func(s *order.Start) { s.Amount, s.Lines = 100, nil; s.VATAmount = 0 },
		"currency": func(s *order.Start) { s.Currency = "SEK" },
		"ID":       func(s *order.Start) { s.ID = rand.Text() },
		"key":      func(s *order.Start) { s.Key = rand.Text() },
		"flow":     func(s *order.Start) { s.Flow, s.Origins = order.Seamless, []string{"https://x.example"} },
	} {
		s := first
		change(&s)
		if got, err := p.Start(t.Context(), s); !errors.Is(err, order.ErrRefused) {
			t.Errorf("another %s: %+v, %v", name, got, err)
		}
	}
	for name, r := range map[string]order.Ref{
		"another merchant": {ID: first.ID, Provider: ref.Provider, MerchantID: "other"},
		"another ID":       {ID: rand.Text(), Provider: ref.Provider, MerchantID: "fjord"},
	} {
		if _, err := p.Standing(t.Context(), r); !errors.Is(err, order.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := start(order.Redirect)
	other.MerchantID, other.Key = "other", first.Key // keys are the merchant's own
	begin(t, p, other)
}

func TestActionsAreOfTheWholeAmount(t *testing.T) {
	t.Parallel()
	p := open(t, sandbox.Config{})
	s := start(order.Redirect)
	ref, page := begin(t, p, s)
	pay(t, p, page, sandbox.Approved)
	for _, a := range []order.Action{
		{Key: "k", Amount: s.Amount - 1, Currency: "NOK"}, {Key: "k", Amount: s.Amount + 1, Currency: "NOK"},
		{Key: "k", Amount: s.Amount, Currency: "SEK"}, {Amount: s.Amount, Currency: "NOK"}, {Key: "k"},
	} {
		if got, err := p.Capture(t.Context(), ref, a); !errors.Is(err, order.ErrRefused) {
			t.Errorf("Capture %+v: %+v, %v", a, got, err)
		}
	}
	if got := standing(t, p, ref); got.State != order.Authorized {
		t.Errorf("the payment is %+v", got)
	}
	if _, err := p.Capture(t.Context(), ref, action(s, "take")); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Refund(t.Context(), ref, order.Action{Key: "back", Amount: 1, Currency: "NOK"}); !errors.Is(err, order.ErrRefused) {
		t.Errorf("Refund of a part: %+v, %v", got, err)
	}
	if _, err := p.Refund(t.Context(), ref, action(s, "back")); err != nil {
		t.Fatal(err)
	}
	// The key of what was done before still says how the payment stands.
	if got, err := p.Capture(t.Context(), ref, action(s, "take")); err != nil || got.State != order.Refunded {
		t.Errorf("Capture again: %+v, %v", got, err)
	}
}

// What a card decides, and where the payer is then.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		card   sandbox.Outcome
		state  order.State
		reason string
		step   sandbox.Step
		leave  bool
	}{
		{sandbox.Approved, order.Authorized, "", sandbox.Over, true},
		{sandbox.Declined, order.Failed, sandbox.ReasonDeclined, sandbox.Over, true},
		{sandbox.InsufficientFunds, order.Failed, sandbox.ReasonFunds, sandbox.Over, true},
		{sandbox.Challenge, order.Open, "", sandbox.Confirm, false},
		{sandbox.Slow, order.Open, "", sandbox.Wait, true},
		{sandbox.NeverReturns, order.Authorized, "", sandbox.Over, false},
		{sandbox.NoAnswer, order.Open, "", sandbox.Wait, false},
		{sandbox.RenewalDeclined, order.Authorized, "", sandbox.Over, true},
	} {
		p := open(t, sandbox.Config{})
		ref, page := begin(t, p, start(order.Redirect))
		v := pay(t, p, page, c.card)
		if v.Step != c.step || v.State != c.state || v.Reason != c.reason || v.Leave != c.leave {
			t.Errorf("%s: %+v", c.card, v)
		}
		if got := standing(t, p, ref); got.State != c.state || got.Reason != c.reason {
			t.Errorf("%s: %+v", c.card, got)
		}
		// A reload, a double click and another card change nothing.
		for _, e := range []sandbox.Event{{Name: sandbox.Pay, Card: card(c.card)}, {Name: sandbox.Pay, Card: card(sandbox.Declined)}} {
			if again, err := post(t, p, page, e); err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("%s, again: %+v, %v", c.card, again, err)
			}
		}
	}
	if n := len(sandbox.Cards()); n != 8 {
		t.Errorf("%d cards: the table has 8", n)
	}
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	for event, want := range map[sandbox.EventName]order.State{
		sandbox.Approve: order.Authorized, sandbox.Reject: order.Failed, sandbox.GiveUp: order.Cancelled,
	} {
		p := open(t, sandbox.Config{})
		ref, page := begin(t, p, start(order.Redirect))
		if v, err := post(t, p, page, sandbox.Event{Name: sandbox.Approve}); err != nil || v.State != order.Open {
			t.Errorf("approved before the bank asked: %+v, %v", v, err)
		}
		pay(t, p, page, sandbox.Challenge)
		v, err := post(t, p, page, sandbox.Event{Name: event})
		if err != nil || v.State != want || !v.Leave {
			t.Errorf("%s: %+v, %v", event, v, err)
		}
		for _, late := range []sandbox.EventName{sandbox.Approve, sandbox.Reject, sandbox.GiveUp} {
			if _, err := post(t, p, page, sandbox.Event{Name: late}); err != nil {
				t.Error(err)
			}
		}
		if got := standing(t, p, ref); got.State != want {
			t.Errorf("%s: %+v", event, got)
		}
	}
}

func TestPostRefused(t *testing.T) {
	t.Parallel()
	p := open(t, sandbox.Config{})
	ref, page := begin(t, p, start(order.Redirect))
	_, other := begin(t, p, start(order.Redirect))
	foreign, err := p.Page(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "x", foreign.FormToken} {
		v, err := p.Post(t.Context(), page, sandbox.Event{Name: sandbox.Pay, FormToken: token, Card: card(sandbox.Approved)})
		if !errors.Is(err, sandbox.ErrForm) || v.ID != page {
			t.Errorf("token %q: %+v, %v", token, v, err)
		}
	}
	for _, e := range []sandbox.Event{{}, {Name: "steal"}, {Name: sandbox.Pay, Card: card(sandbox.Approved), Callbacks: "thrice"}} {
		if _, err := post(t, p, page, e); !errors.Is(err, sandbox.ErrEvent) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for _, id := range []string{"", "x", ref.ID, ref.Provider, page + "x", strings.ToLower(page)} {
		if _, err := p.Page(t.Context(), id); !errors.Is(err, order.ErrUnknown) {
			t.Errorf("page %q: %v", id, err)
		}
		if _, err := p.Post(t.Context(), id, sandbox.Event{}); !errors.Is(err, order.ErrUnknown) {
			t.Errorf("post to %q: %v", id, err)
		}
	}
	if got := standing(t, p, ref); got.State != order.Open {
		t.Errorf("the payment is %+v", got)
	}
}

func TestCardFaults(t *testing.T) {
	t.Parallel()
	type faults = sandbox.CardError
	synctest.Test(t, func(t *testing.T) { // it is January 2000
		p := open(t, sandbox.Config{})
		_, page := begin(t, p, start(order.Redirect))
		good := number(sandbox.Declined)
		for _, c := range []struct {
			number, expiry, cvc string
			want                faults
		}{
			{"", "", "", faults{sandbox.Missing, sandbox.Missing, sandbox.Missing}},
			{" ", "\t", " ", faults{sandbox.Missing, sandbox.Missing, sandbox.Missing}},
			{"4111 1111 1111 1112", "01/00", "123", faults{Number: sandbox.Misspelt}},
			{"411111111111111", "01/00", "123", faults{Number: sandbox.Misspelt}},
			{"4111 1111 1111 1111 x", "01/00", "123", faults{Number: sandbox.Misspelt}},
			{"0000 0000 0000 0000 0000", "01/00", "123", faults{Number: sandbox.Misspelt}},
			{"4242 4242 4242 4242", "01/00", "123", faults{Number: sandbox.NoTestCard}},
			{good, "12/1999", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "1", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "13/30", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "00/30", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "1/3/0", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "130", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "12/030", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "juli 30", "123", faults{Expiry: sandbox.Misunderstood}},
			{good, "12/30", "12", faults{CVC: sandbox.Misunderstood}},
			{good, "12/30", "1234", faults{CVC: sandbox.Misunderstood}},
			{good, "12/30", "1 3", faults{CVC: sandbox.Misunderstood}},
			{good, "12/30", "１２３", faults{CVC: sandbox.Misunderstood}},
		} {
			_, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: c.number, Expiry: c.expiry, CVC: c.cvc}})
			got, ok := errors.AsType[*sandbox.CardError](err)
			if !ok || *got != c.want {
				t.Errorf("%q %q %q: %+v, want %+v", c.number, c.expiry, c.cvc, err, c.want)
			}
		}
		for _, c := range []sandbox.Card{
			{Number: "4000000000000002", Expiry: "0100", CVC: "123"}, {Number: "4000-0000-0000-0002", Expiry: "1/00", CVC: " 123 "},
			{Number: "4000\u00a00000\u00a00000\u00a00002", Expiry: "01 / 2000", CVC: "000"}, {Number: good, Expiry: "01-00", CVC: "123"},
			{Number: good, Expiry: "01.2000", CVC: "123"}, {Number: good, Expiry: "012000", CVC: "123"},
		} {
			_, page := begin(t, p, start(order.Redirect))
			if v, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: c}); err != nil || v.State != order.Failed {
				t.Errorf("%+v: %+v, %v", c, v, err)
			}
		}
		time.Sleep(31*24*time.Hour + 13*time.Hour) // into February
		_, page = begin(t, p, start(order.Redirect))
		_, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: good, Expiry: "01/00", CVC: "123"}})
		if got, ok := errors.AsType[*sandbox.CardError](err); !ok || *got != (faults{Expiry: sandbox.Expired}) {
			t.Errorf("expired: %v", err)
		}
	})
}

func TestTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Config{})
		open, _ := begin(t, p, start(order.Redirect))
		slow, slowPage := begin(t, p, start(order.Redirect))
		asked, askedPage := begin(t, p, start(order.Redirect))
		mute, mutePage := begin(t, p, start(order.Redirect))
		kept, keptPage := begin(t, p, start(order.Redirect))
		pay(t, p, slowPage, sandbox.Slow)
		pay(t, p, askedPage, sandbox.Challenge)
		pay(t, p, mutePage, sandbox.NoAnswer)
		pay(t, p, keptPage, sandbox.Approved)
		wants := func(when string, r order.Ref, state order.State, reason string) {
			t.Helper()
			if got := standing(t, p, r); got.State != state || got.Reason != reason {
				t.Errorf("%s: %+v, want %s %s", when, got, state, reason)
			}
		}
		time.Sleep(15*time.Second - 1)
		wants("just before", slow, order.Open, "")
		time.Sleep(time.Nanosecond)
		wants("after 15 seconds", slow, order.Authorized, "")
		time.Sleep(30*time.Minute - 15*time.Second - 1)
		for _, r := range []order.Ref{open, asked, mute} {
			wants("just before its end", r, order.Open, "")
		}
		time.Sleep(time.Nanosecond)
		for _, r := range []order.Ref{open, asked, mute} {
			wants("after its end", r, order.Failed, sandbox.ReasonTimeout)
		}
		if v, err := post(t, p, askedPage, sandbox.Event{Name: sandbox.Approve}); err != nil || v.State != order.Failed || !v.Leave {
			t.Errorf("approved too late: %+v, %v", v, err)
		}
		time.Sleep(7*24*time.Hour - 30*time.Minute - 1)
		wants("a week later", kept, order.Authorized, "")
		time.Sleep(time.Nanosecond)
		wants("a week later", kept, order.Released, sandbox.ReasonNotCaptured)
	})
}

// Cancelling wins over a bank that is slow.
func TestCancelPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Config{})
		s := start(order.Redirect)
		ref, page := begin(t, p, s)
		pay(t, p, page, sandbox.Slow)
		if _, err := p.Cancel(t.Context(), ref, order.Action{Key: "stop"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := standing(t, p, ref); got.State != order.Cancelled {
			t.Errorf("%+v", got)
		}
	})
}

func TestCharges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Config{})
		tokenOf := func(o sandbox.Outcome) string {
			s := start(order.Redirect)
			s.Recurring = true
			ref, page := begin(t, p, s)
			pay(t, p, page, o)
			return standing(t, p, ref).Token
		}
		charge := func(token string) order.Charge {
			return order.Charge{ID: rand.Text(), Key: rand.Text(), MerchantID: "fjord", Method: order.CreditCardPayEx, Token: token, Amount: 100, Currency: "NOK"}
		}
		if tokenOf(sandbox.Declined) != "" {
			t.Error("a declined card has a token")
		}
		got, err := p.Charge(t.Context(), charge(tokenOf(sandbox.RenewalDeclined)))
		if err != nil || got.State != order.Failed || got.Reason != sandbox.ReasonDeclined {
			t.Errorf("renewal declined: %+v, %v", got, err)
		}
		c := charge(tokenOf(sandbox.Approved))
		c.DueAt = time.Now().Add(48 * time.Hour)
		got, err = p.Charge(t.Context(), c)
		if err != nil || got.State != order.Open {
			t.Errorf("due later: %+v, %v", got, err)
		}
		ref := order.Ref{ID: c.ID, Provider: got.Ref, MerchantID: "fjord", Recurring: true}
		time.Sleep(48*time.Hour - 1)
		if s := standing(t, p, ref); s.State != order.Open {
			t.Errorf("before it is due: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		if s := standing(t, p, ref); s.State != order.Captured || s.Amount != 100 {
			t.Errorf("when it is due: %+v", s)
		}
		if s, err := p.Refund(t.Context(), ref, order.Action{Key: "r", Amount: 100, Currency: "NOK"}); err != nil || s.State != order.Refunded {
			t.Errorf("Refund: %+v, %v", s, err)
		}
		for page := range sandbox.Pages(p) { // a charge has no page
			if v, err := p.Page(t.Context(), page); err == nil && v.PaymentID == c.ID {
				t.Error("a charge has a page")
			}
		}
		for name, change := range map[string]func(*order.Charge){
			"merchant": func(c *order.Charge) { c.MerchantID = "other" },
			"token":    func(c *order.Charge) { c.Token = "" },
			"amount":   func(c *order.Charge) { c.Amount = 0 },
			"key":      func(c *order.Charge) { c.Key = "" },
			"ID":       func(c *order.Charge) { c.ID = "a b" },
		} {
			bad := charge(c.Token)
			change(&bad)
			if got, err := p.Charge(t.Context(), bad); !errors.Is(err, order.ErrRefused) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		again := c
		again.Amount = 200
		if got, err := p.Charge(t.Context(), again); !errors.Is(err, order.ErrRefused) {
			t.Errorf("the key for another amount: %+v, %v", got, err)
		}
	})
}

// calls collects what is delivered, and hands it to the provider's own Callback.
type calls struct {
	mu    sync.Mutex
	p     *sandbox.Provider
	fail  int
	at    []time.Duration
	begun time.Time
	last  order.Callback
	proof string
}

func (c *calls) deliver(ctx context.Context, proof string, cb order.Callback) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.begun))
	if c.fail > 0 {
		c.fail--
		return errors.New("no answer")
	}
	id, err := c.p.Callback(ctx, cb)
	if err == nil && id != cb.PaymentID {
		err = fmt.Errorf("about %s", id)
	}
	if err == nil { // the provider may be asked from inside the call
		_, err = c.p.Standing(ctx, order.Ref{ID: id})
	}
	c.last, c.proof = cb, proof
	return err
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	s := time.Second
	for name, c := range map[string]struct {
		choice sandbox.Callbacks
		card   sandbox.Outcome
		fail   int
		want   []time.Duration
	}{
		"at once":        {want: []time.Duration{0}},
		"late":           {choice: sandbox.CallLate, want: []time.Duration{30 * s}},
		"twice":          {choice: sandbox.CallTwice, want: []time.Duration{0, 0}},
		"never":          {choice: sandbox.CallNever},
		"slow":           {card: sandbox.Slow, want: []time.Duration{15 * s}},
		"slow and late":  {card: sandbox.Slow, choice: sandbox.CallLate, want: []time.Duration{45 * s}},
		"no answer":      {card: sandbox.NoAnswer, want: []time.Duration{30 * time.Minute}},
		"taken at last":  {fail: 3, want: []time.Duration{0, s, 3 * s, 7 * s}},
		"never taken":    {fail: 100, want: []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 127 * s}},
		"still to come":  {card: sandbox.Challenge, want: []time.Duration{30 * time.Minute}},
		"failed at once": {card: sandbox.Declined, want: []time.Duration{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seen := &calls{fail: c.fail, begun: time.Now()}
				p := open(t, sandbox.Config{Deliver: seen.deliver})
				seen.p = p
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { p.Run(ctx); close(ended) }()
				synctest.Wait()
				_, page := begin(t, p, start(order.Redirect))
				if c.card == "" {
					c.card = sandbox.Approved
				}
				if _, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: card(c.card), Callbacks: c.choice}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(24 * time.Hour)
				stop()
				<-ended
				if !slices.Equal(seen.at, c.want) {
					t.Errorf("called at %v, want %v", seen.at, c.want)
				}
				if c.fail == 0 && len(c.want) > 0 && (seen.proof != "proof" || seen.last.MerchantID != "fjord" || seen.last.Method != order.CreditCardPayEx) {
					t.Errorf("called with %q %+v", seen.proof, seen.last)
				}
			})
		})
	}
}

func TestForgedCallbacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &calls{begun: time.Now()}
		p := open(t, sandbox.Config{Deliver: seen.deliver})
		seen.p = p
		_, page := begin(t, p, start(order.Redirect))
		pay(t, p, page, sandbox.Approved)
		if n := p.Work(t.Context()); n != 1 {
			t.Fatalf("%d calls", n)
		}
		good := seen.last
		if id, err := p.Callback(t.Context(), good); err != nil || id != good.PaymentID {
			t.Fatalf("the same call again: %q, %v", id, err)
		}
		everywhere := good
		everywhere.PaymentID = "" // an address of all payments
		if id, err := p.Callback(t.Context(), everywhere); err != nil || id != good.PaymentID {
			t.Errorf("at an address of all payments: %q, %v", id, err)
		}
		for name, change := range map[string]func(*order.Callback){
			"method":       func(c *order.Callback) { c.HTTPMethod = "PUT" },
			"address":      func(c *order.Callback) { c.URL += "x" },
			"body":         func(c *order.Callback) { c.Body = append([]byte(" "), c.Body...) },
			"payment":      func(c *order.Callback) { c.PaymentID = rand.Text() },
			"no signature": func(c *order.Callback) { c.Header = nil },
			"two signatures": func(c *order.Callback) {
				h := c.Header["Sandbox-Signature"]
				c.Header = map[string][]string{"Sandbox-Signature": {h[0], h[0]}}
			},
			"time": func(c *order.Callback) {
				c.Header = map[string][]string{"Sandbox-Signature": {"1" + c.Header["Sandbox-Signature"][0]}}
			},
			"empty": func(c *order.Callback) { c.Header = map[string][]string{"Sandbox-Signature": {""}} },
		} {
			c := good
			change(&c)
			if id, err := p.Callback(t.Context(), c); !errors.Is(err, order.ErrForged) || id != "" {
				t.Errorf("another %s: %q, %v", name, id, err)
			}
		}
		if id, err := open(t, sandbox.Config{}).Callback(t.Context(), good); !errors.Is(err, order.ErrForged) {
			t.Errorf("another sandbox's: %q, %v", id, err)
		}
		time.Sleep(5*time.Minute + time.Second)
		if id, err := p.Callback(t.Context(), good); !errors.Is(err, order.ErrForged) {
			t.Errorf("an old one: %q, %v", id, err)
		}
	})
}

// A restart forgets nothing: payments, keys, forms, tokens and calls.
func TestFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := sandbox.File(filepath.Join(dir, "payments.json"))
		seen := &calls{begun: time.Now()}
		p := open(t, sandbox.Config{Storage: file, Deliver: seen.deliver})
		s := start(order.Redirect)
		s.Recurring = true
		s.Payer = order.Payer{UserID: "secretuser", Email: "kari@fjord.example", Phone: "+4799999999"}
		ref, page := begin(t, p, s)
		before, err := p.Page(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}

		p = open(t, sandbox.Config{Storage: file, Deliver: seen.deliver})
		seen.p = p
		if again, err := p.Page(t.Context(), page); err != nil || !reflect.DeepEqual(again, before) {
			t.Errorf("the page is %+v, %v, was %+v", again, err, before)
		}
		if again, _ := begin(t, p, s); again != ref {
			t.Errorf("started again as %v", again)
		}
		if v, err := p.Post(t.Context(), page, sandbox.Event{Name: sandbox.Pay, FormToken: before.FormToken, Card: card(sandbox.Slow)}); err != nil {
			t.Errorf("%+v, %v", v, err)
		}
		time.Sleep(time.Minute)

		p = open(t, sandbox.Config{Storage: file, Deliver: seen.deliver})
		seen.p = p
		if n := p.Work(t.Context()); n != 1 {
			t.Errorf("%d calls", n)
		}
		if _, err := p.Capture(t.Context(), ref, action(s, "take")); err != nil {
			t.Error(err)
		}
		token := standing(t, p, ref).Token

		p = open(t, sandbox.Config{Storage: file})
		if got, err := p.Capture(t.Context(), ref, action(s, "take")); err != nil || got.State != order.Captured || got.Token != token {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := p.Capture(t.Context(), ref, action(s, "another")); !errors.Is(err, order.ErrRefused) {
			t.Errorf("captured with another key: %v", err)
		}
		if got, err := p.Charge(t.Context(), order.Charge{ID: "c", Key: "c", MerchantID: "fjord", Token: token, Amount: 1, Currency: "NOK"}); err != nil || got.State != order.Captured {
			t.Errorf("%+v, %v", got, err)
		}

		info, err := os.Stat(string(file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v: want a file for its owner alone", info, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v, %v: want nothing beside it", entries, err)
		}
		raw, err := os.ReadFile(string(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{strings.ReplaceAll(number(sandbox.Slow), " ", ""), number(sandbox.Slow), "12/68", `"123"`, "secretuser", "kari@", "+4799999999", token} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("the file has %q", secret)
			}
		}
	})
}

func TestBadFile(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"no JSON": "{", "no key": `{"Key":"","Payments":[]}`, "null": `{"Key":"` + strings.Repeat("A", 43) + `=","Payments":[null]}`,
		"empty": "", "no names": `{"Key":"` + strings.Repeat("A", 43) + `=","Payments":[{"ID":"a"}]}`,
	} {
		file := filepath.Join(t.TempDir(), "payments.json")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.New(sandbox.Config{URL: base, Storage: sandbox.File(file)}); err == nil {
			t.Errorf("%s: opened", name)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != data {
			t.Errorf("%s: the file was overwritten", name)
		}
	}
}

// faulty fails to save when it is told to.
type faulty struct {
	data []byte
	fail bool
}

func (f *faulty) Load(context.Context) ([]byte, error) { return f.data, nil }
func (f *faulty) Save(_ context.Context, data []byte) error {
	if f.fail {
		return errors.New("disk full")
	}
	f.data = data
	return nil
}

// What could not be saved has not happened.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	disk := &faulty{}
	p := open(t, sandbox.Config{Storage: disk})
	s := start(order.Redirect)
	ref, page := begin(t, p, s)
	kept := string(disk.data)
	disk.fail = true
	if _, err := p.Start(t.Context(), start(order.Redirect)); err == nil || errors.Is(err, order.ErrRefused) {
		t.Errorf("Start: %v, want an outage", err)
	}
	if _, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: card(sandbox.Approved)}); err == nil {
		t.Error("paid")
	}
	if _, err := p.Cancel(t.Context(), ref, action(s, "c")); err == nil || errors.Is(err, order.ErrRefused) {
		t.Errorf("Cancel: %v, want an outage", err)
	}
	disk.fail = false
	if got := standing(t, p, ref); got.State != order.Open || string(disk.data) != kept {
		t.Errorf("%+v; saved %s", got, disk.data)
	}
	pay(t, p, page, sandbox.Approved)
	var b struct{ Payments []json.RawMessage }
	if err := json.Unmarshal(disk.data, &b); err != nil || len(b.Payments) != 1 {
		t.Errorf("%d payments, %v", len(b.Payments), err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Config{Max: 3, Keep: 24 * time.Hour})
		var refs []order.Ref
		begun := func(o sandbox.Outcome) {
			ref, page := begin(t, p, start(order.Redirect))
			refs = append(refs, ref)
			pay(t, p, page, o)
			time.Sleep(time.Second)
		}
		known := func(want ...int) {
			t.Helper()
			var got []int
			for i, r := range refs {
				if _, err := p.Standing(t.Context(), r); err == nil {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("known are %v, want %v", got, want)
			}
		}
		begun(sandbox.Approved)
		begun(sandbox.Declined)
		begun(sandbox.Declined)
		known(0, 1, 2)
		begun(sandbox.Declined) // 1 goes, as 0 has not ended
		known(0, 2, 3)
		begun(sandbox.Approved)
		begun(sandbox.Approved)
		known(0, 4, 5)
		if _, err := p.Start(t.Context(), start(order.Redirect)); err == nil || errors.Is(err, order.ErrRefused) {
			t.Errorf("a fourth: %v, want an outage", err)
		}
		known(0, 4, 5)
		time.Sleep(8 * 24 * time.Hour)
		known(0, 4, 5) // released
		time.Sleep(25 * time.Hour)
		begun(sandbox.Approved)
		known(6)
	})
}

// Of many posts one is taken.
func TestRacePosts(t *testing.T) {
	t.Parallel()
	for range 50 {
		p := open(t, sandbox.Config{})
		ref, page := begin(t, p, start(order.Redirect))
		v, err := p.Page(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[order.State]int{}
		for i := range 16 {
			wg.Go(func() {
				e := sandbox.Event{Name: sandbox.Pay, FormToken: v.FormToken, Card: card([]sandbox.Outcome{sandbox.Approved, sandbox.Declined}[i%2])}
				if i%4 == 3 {
					e.Name = sandbox.GiveUp
				}
				got, err := p.Post(t.Context(), page, e)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[got.State]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(seen) != 1 || seen[standing(t, p, ref).State] != 16 {
			t.Errorf("payers have seen %v", seen)
		}
	}
}

func FuzzCard(f *testing.F) {
	f.Add("4111 1111 1111 1111", "12/68", "123")
	f.Add("4000000000000002", "0130", "000")
	f.Add("-", "1/2/3", "")
	p, err := sandbox.New(sandbox.Config{URL: base, Max: 5})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, number, expiry, cvc string) {
		s := start(order.Redirect)
		ref, page := begin(t, p, s)
		v, err := post(t, p, page, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: number, Expiry: expiry, CVC: cvc}})
		if fault, ok := errors.AsType[*sandbox.CardError](err); err != nil && !ok || ok && (*fault == sandbox.CardError{} || v.State != order.Open) {
			t.Errorf("%+v, %v", v, err)
		}
		if _, err := p.Cancel(t.Context(), ref, order.Action{Key: "end"}); err != nil && !errors.Is(err, order.ErrRefused) {
			t.Error(err)
		}
	})
}
