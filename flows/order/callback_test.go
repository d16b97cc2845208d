package order_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

func TestReadCallback(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o, other := s.order(), s.order(method(order.VippsEcommerce))
	due, second := s.pay(o.ID), s.pay(other.ID)
	start, _ := s.bank.find(due.PaymentID)
	if want := "https://login.example/capi/mcpay/callback/main/creditcardPayex/" + due.PaymentID + "/"; !strings.HasPrefix(start.CallbackURL, want) || len(start.CallbackURL) != len(want)+43 {
		t.Fatalf("the address is %s", start.CallbackURL)
	}
	proof, good := s.called(store.Payment{ID: due.PaymentID}, start)
	for name, tt := range map[string]struct {
		proof  string
		change func(*order.Callback)
		want   error // nil for none
	}{
		"without a proof":          {"", func(*order.Callback) {}, order.ErrForged},
		"another proof":            {strings.Repeat("A", 43), func(*order.Callback) {}, order.ErrForged},
		"cut off":                  {proof[:42], func(*order.Callback) {}, order.ErrForged},
		"for another payment":      {proof, func(c *order.Callback) { c.PaymentID = second.PaymentID }, order.ErrForged},
		"by another method's name": {proof, func(c *order.Callback) { c.Method = order.CreditCard }, order.ErrForged},
		"of another merchant":      {proof, func(c *order.Callback) { c.MerchantID = "second" }, order.ErrForged},
		"of no merchant":           {proof, func(c *order.Callback) { c.MerchantID = "nobody" }, order.ErrNotFound},
		"of no method":             {proof, func(c *order.Callback) { c.Method = order.SwishPayEx }, order.ErrNotFound},
		"not the provider's":       {proof, func(c *order.Callback) { c.Body = []byte("{}") }, order.ErrForged},
		"says another payment":     {proof, func(c *order.Callback) { c.Body = []byte("signed by the bank: " + second.PaymentID) }, order.ErrForged},
		"for all, about none":      {"", func(c *order.Callback) { c.PaymentID, c.Body = "", []byte("signed by the bank: ") }, nil},
		"for all, unknown":         {"", func(c *order.Callback) { c.PaymentID, c.Body = "", []byte("signed by the bank: NOSUCHPAYMENT") }, order.ErrNotFound},
		"for all, another method's": {"", func(c *order.Callback) {
			c.PaymentID, c.Body = "", []byte("signed by the bank: "+second.PaymentID)
		}, order.ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tt.change(&c)
			asked := s.bank.count("Standing")
			if err := s.ReadCallback(t.Context(), tt.proof, c); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if s.bank.count("Standing") != asked {
				t.Error("the provider was asked")
			}
		})
	}
	// What it says is not believed: nothing was paid.
	if err := s.ReadCallback(t.Context(), proof, good); err != nil || s.payment(due.PaymentID).Status != store.PaymentOpen {
		t.Errorf("%v, %s", err, s.payment(due.PaymentID).Status)
	}
	s.bank.pay(due.PaymentID)
	for range 3 { // and replayed
		if err := s.ReadCallback(t.Context(), proof, good); err != nil || s.stored(o.ID).Status != store.OrderHandedOver {
			t.Errorf("%v, %s", err, s.stored(o.ID).Status)
		}
	}
	if a := s.bank.payments[due.PaymentID]; a.captures != 1 || s.press.count(o.ID) != 1 {
		t.Errorf("captured %d times, handed over %d times", a.captures, s.press.count(o.ID))
	}
	// A webhook of all payments of the merchant.
	s.bank.pay(second.PaymentID)
	c := order.Callback{MerchantID: "main", Method: order.VippsEcommerce, Body: []byte("signed by the bank: " + second.PaymentID)}
	if err := s.ReadCallback(t.Context(), "", c); err != nil || s.stored(other.ID).Status != store.OrderHandedOver {
		t.Errorf("%v, %s", err, s.stored(other.ID).Status)
	}
}

// The address stays good when keys rotate, as long as its key is there.
func TestCallbackKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		line := &outage{direct: direct{s.bank}, fail: map[string]error{"Start": errFault}, after: true}
		s.Service = s.node(s.store, line)
		o := s.order()
		s.Pay(t.Context(), checkout(o.ID))
		id := s.stored(o.ID).PaymentID
		before, _ := s.bank.find(id)
		proof, c := s.called(store.Payment{ID: id}, before)
		old, fresh := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
		rotated, err := keys.New([][]byte{fresh, old})
		if err != nil {
			t.Fatal(err)
		}
		s.ring = rotated
		s.Service = s.node(s.store, direct{s.bank})
		if due := s.pay(o.ID); due.PaymentID != id || len(s.bank.faults) > 0 {
			t.Fatalf("begun again as %+v: %v", due, s.bank.faults)
		}
		if err := s.ReadCallback(t.Context(), proof, c); err != nil {
			t.Error(err)
		}
		if s.ring, err = keys.New([][]byte{fresh}); err != nil {
			t.Fatal(err)
		}
		if err := s.node(s.store, direct{s.bank}).ReadCallback(t.Context(), proof, c); !errors.Is(err, order.ErrForged) {
			t.Errorf("without the key: %v", err)
		}
	})
}

// A provider that takes the money for a payment that it has called ended is made to
// give it back.
func TestCallbackAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, state := range []order.State{order.Authorized, order.Captured} {
		for _, end := range []order.State{order.Failed, order.Cancelled} {
			t.Run(string(state)+" after "+string(end), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newShop(t)
					s.bank.instant = state == order.Captured
					o := s.order()
					due := s.pay(o.ID)
					s.bank.end(due.PaymentID, end)
					s.settle(due.PaymentID)
					s.work(s.Service, 1, time.Hour)
					s.bank.mu.Lock()
					s.bank.payments[due.PaymentID].state = order.Open
					s.bank.mu.Unlock()
					s.bank.pay(due.PaymentID)
					start, _ := s.bank.find(due.PaymentID)
					proof, c := s.called(s.payment(due.PaymentID), start)
					for range 2 {
						if err := s.ReadCallback(t.Context(), proof, c); err != nil {
							t.Error(err)
						}
					}
					s.work(s.Service, 3, time.Hour)
					a := s.bank.payments[due.PaymentID]
					if a.captured != a.refunded || a.state == order.Authorized {
						t.Errorf("the bank has %d and is %s; the payment is %s", a.captured-a.refunded, a.state, s.payment(due.PaymentID).Status)
					}
					if left := s.queued(store.PaymentWork); len(left) != 0 {
						t.Errorf("left: %v", left)
					}
				})
			})
		}
	}
}

// Money that comes after the end of a payment is given back, and the payment that the
// order waits for meanwhile goes on.
func TestCallbackAfterTheEndOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.bank.instant, s.bank.wrong = true, true // it takes less, too
		o := s.order()
		first := s.pay(o.ID)
		s.bank.end(first.PaymentID, order.Failed)
		s.settle(first.PaymentID)
		time.Sleep(time.Minute)
		second := s.pay(o.ID)
		if second.PaymentID == first.PaymentID {
			t.Fatal("the order is paid for with a payment that failed")
		}
		s.bank.mu.Lock()
		a := s.bank.payments[first.PaymentID]
		a.state = order.Open
		s.bank.mu.Unlock()
		s.bank.pay(first.PaymentID)
		s.bank.wrong = false
		start, _ := s.bank.find(first.PaymentID)
		proof, c := s.called(s.payment(first.PaymentID), start)
		if err := s.ReadCallback(t.Context(), proof, c); err != nil {
			t.Error(err)
		}
		if p := s.payment(first.PaymentID); p.Status != store.PaymentRefunded || a.captured != a.refunded {
			t.Errorf("the payment is %s, and the bank has %d of it", p.Status, a.captured-a.refunded)
		}
		if got := s.stored(o.ID); got.Status != store.OrderAwaitingPayment || got.PaymentID != second.PaymentID {
			t.Errorf("the order is %s by %s", got.Status, got.PaymentID)
		}
		s.bank.pay(second.PaymentID)
		s.settle(second.PaymentID)
		if got := s.stored(o.ID); got.Status != store.OrderHandedOver || s.press.count(o.ID) != 1 {
			t.Errorf("the order is %s", got.Status)
		}
	})
}

// The node that is told of money after the end may crash when that is stored: another
// gives it back.
func TestCallbackAfterTheEndIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		o := s.order()
		due := s.pay(o.ID)
		p := s.settle(due.PaymentID)
		time.Sleep(25 * time.Hour)
		s.work(s.Service, 3, time.Hour) // it is released
		if p = s.payment(p.ID); p.Status != store.PaymentReleased {
			t.Fatalf("the payment is %s", p.Status)
		}
		s.bank.mu.Lock()
		s.bank.payments[p.ID].state = order.Open
		s.bank.mu.Unlock()
		s.bank.pay(p.ID)
		dead := s.node(s.store, &outage{direct: direct{s.bank}, fail: map[string]error{"Cancel": errFault}})
		start, _ := s.bank.find(p.ID)
		proof, c := s.called(p, start)
		if err := dead.ReadCallback(t.Context(), proof, c); err == nil {
			t.Error("the money is given back by a bank that is down")
		}
		s.work(s.Service, 3, time.Hour)
		if a := s.bank.payments[p.ID]; a.state != order.Released {
			t.Errorf("the bank says %s", a.state)
		}
	})
}

// careless is a provider that believes what callbacks say of themselves.
type careless struct{ direct }

func (careless) Callback(_ context.Context, c order.Callback) (string, error) {
	return string(c.Body), nil
}

// The address of one payment or merchant is no other's, whatever the provider makes
// of what comes there.
func TestCallbackIsForItsOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Service = s.node(s.store, careless{direct{s.bank}})
	a, b := s.pay(s.order().ID), s.pay(s.order().ID)
	begun, _ := s.bank.find(a.PaymentID)
	proof, good := s.called(store.Payment{ID: a.PaymentID}, begun)
	s.bank.pay(b.PaymentID)
	good.Body = []byte(b.PaymentID)
	webhook := order.Callback{MerchantID: "second", Method: order.CreditCardPayEx, Body: []byte(b.PaymentID)}
	for name, call := range map[string]func() error{
		"at another payment's address": func() error { return s.ReadCallback(t.Context(), proof, good) },
		"at another merchant's":        func() error { return s.ReadCallback(t.Context(), "", webhook) },
	} {
		if err := call(); !errors.Is(err, order.ErrForged) || s.payment(b.PaymentID).Status != store.PaymentOpen {
			t.Errorf("%s: %v, %s", name, err, s.payment(b.PaymentID).Status)
		}
	}
	webhook.MerchantID = "main"
	if err := s.ReadCallback(t.Context(), "", webhook); err != nil || s.payment(b.PaymentID).Status != store.PaymentCaptured {
		t.Errorf("at its own: %v, %s", err, s.payment(b.PaymentID).Status)
	}
}
