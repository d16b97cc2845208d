package order_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// bought is an order that is paid for and handed over.
func (s *shop) bought(change ...func(*store.Order, *order.Content)) store.Order {
	s.t.Helper()
	o := s.order(change...)
	due := s.pay(o.ID)
	s.bank.pay(due.PaymentID)
	s.settle(due.PaymentID)
	return s.stored(o.ID)
}

func TestChargeAgain(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"the token comes with the money": false, "and after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.bank.lateToken = late
				first := s.bought()
				if data := string(s.payment(first.PaymentID).Data); strings.Contains(data, "token "+first.PaymentID) {
					t.Errorf("the store has the token: %s", data)
				}
				s.bank.instant = true
				got, err := s.ChargeAgain(t.Context(), first.ID, "2026-12")
				if err != nil {
					t.Fatal(err)
				}
				if got.ID == first.ID || got.Status != store.OrderHandedOver || got.Amount != 34900 || got.UserID != alice || got.Content.Lines[0].Price != 34900 ||
					got.Content.Lines[0].VATAmount != 6980 || got.ExternalID != "" {
					t.Errorf("got %+v", got)
				}
				if again, err := s.ChargeAgain(t.Context(), first.ID, "2026-12"); err != nil || again.ID != got.ID {
					t.Errorf("the same key: order %d, %v", again.ID, err)
				}
				other, err := s.ChargeAgain(t.Context(), first.ID, "2027-01")
				if err != nil || other.ID == got.ID || s.bank.count("Charge") != 2 {
					t.Errorf("another key: order %d, %v", other.ID, err)
				}
				// A renewal is renewed as well.
				if third, err := s.ChargeAgain(t.Context(), got.ID, "2026-12"); err != nil || third.ID == got.ID || third.Status != store.OrderHandedOver {
					t.Errorf("of the renewal: %+v, %v", third, err)
				}
			})
		})
	}
}

// A charge may take days. The work goes on with it.
func TestChargeLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		first := s.bought(method(order.VippsRecurring))
		got, err := s.ChargeAgain(t.Context(), first.ID, "2026-12")
		if err != nil || got.Status != store.OrderAwaitingPayment {
			t.Fatalf("%s, %v", got.Status, err)
		}
		s.work(s.Service, 72, time.Hour)
		if o := s.stored(got.ID); o.Status != store.OrderAwaitingPayment {
			t.Errorf("after three days: %s", o.Status)
		}
		s.bank.pay(got.PaymentID)
		s.work(s.Service, 3, time.Hour)
		if o, a := s.stored(got.ID), s.bank.payments[got.PaymentID]; o.Status != store.OrderHandedOver || a.captures != 1 {
			t.Errorf("%s, taken %d times", o.Status, a.captures)
		}
		// And one that the provider never gets round to is given up in the end.
		got, err = s.ChargeAgain(t.Context(), first.ID, "2027-01")
		if err != nil {
			t.Fatal(err)
		}
		s.work(s.Service, 50, 24*time.Hour)
		if o := s.stored(got.ID); o.Status != store.OrderCancelled {
			t.Errorf("after fifty days: %s", o.Status)
		}
	})
}

func TestChargeRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.bought()
	once := s.bought(func(_ *store.Order, c *order.Content) { c.Recurring = false })
	ends := s.bought(func(_ *store.Order, c *order.Content) { c.Lines[0].Renewal = store.Renewal{} })
	unpaid := s.order()
	free := s.order(func(o *store.Order, _ *order.Content) { o.Status, o.Method, o.MerchantID = store.OrderPaid, "free", "" })
	long := strings.Repeat("k", 101)
	for name, tt := range map[string]struct {
		id  int64
		key string
		err error // nil for a *RefusedError
	}{
		"unknown": {4711, "k", order.ErrNotFound}, "no key": {first.ID, "", nil}, "long key": {first.ID, long, nil}, "paid once": {once.ID, "k", nil},
		"ends": {ends.ID, "k", nil}, "unpaid": {unpaid.ID, "k", nil}, "free": {free.ID, "k", nil},
	} {
		_, err := s.ChargeAgain(t.Context(), tt.id, tt.key)
		if tt.err != nil && !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		} else if tt.err == nil {
			refusedField(t, err)
		}
	}
	// A provider that can not.
	type plain struct{ order.Provider }
	other := s.node(s.store, plain{direct{s.bank}})
	_, err := other.ChargeAgain(t.Context(), first.ID, "k")
	refusedField(t, err)
	// Money that was given back is not asked for again.
	if _, err := s.Refund(t.Context(), first.PaymentID); err != nil {
		t.Fatal(err)
	}
	_, err = s.ChargeAgain(t.Context(), first.ID, "k")
	refusedField(t, err)
	// The provider says no: the order is there, and can be paid for by hand.
	second := s.bought()
	s.bank.refuseStart = true
	got, err := s.ChargeAgain(t.Context(), second.ID, "k")
	if err != nil || got.Status != store.OrderFailed {
		t.Fatalf("%s, %v", got.Status, err)
	}
	s.bank.refuseStart = false
	due := s.pay(got.ID)
	s.bank.pay(due.PaymentID)
	if p := s.settle(due.PaymentID); p.Amount != 34900 || s.stored(got.ID).Status != store.OrderHandedOver {
		t.Errorf("paid by hand: %+v", p)
	}
}

func TestChargeRace(t *testing.T) {
	t.Parallel()
	for range raceRounds(t, 10) {
		s := newShop(t)
		first := s.bought()
		s.bank.instant = true
		nodes := []*order.Service{s.Service, s.node(s.store, direct{s.bank})}
		var mu sync.Mutex
		ids := map[int64]int{}
		race(callers, func(i int) {
			o, err := nodes[i%2].ChargeAgain(context.Background(), first.ID, "2026-12")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[o.ID]++
		})
		if len(ids) != 1 || len(s.bank.payments) != 2 {
			t.Fatalf("orders %v, %d payments", ids, len(s.bank.payments))
		}
		for id, a := range s.bank.payments {
			if a.captures != 1 {
				t.Errorf("payment %s was taken %d times", id, a.captures)
			}
		}
	}
}

// Who pays for two orders together has agreed to be charged again for that which is
// recurring.
func TestChargeNotRecurring(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := s.order(), s.order(func(_ *store.Order, c *order.Content) { c.Recurring = false })
	due := s.pay(a.ID, b.ID)
	s.bank.pay(due.PaymentID)
	s.settle(due.PaymentID)
	if _, err := s.ChargeAgain(t.Context(), a.ID, "month 2"); err != nil {
		t.Error(err)
	}
	_, err := s.ChargeAgain(t.Context(), b.ID, "month 2")
	if field(err) != "orderId" {
		t.Errorf("charged again: %v", err)
	}
}
