package order_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// Run finds out by itself that a payer has paid who never came back.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx)
		}()
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		time.Sleep(40 * time.Second)
		if got := s.stored(o.ID); got.Status != store.OrderHandedOver {
			t.Errorf("the order is %s", got.Status)
		}
		stop()
		<-done
	})
}

// A provider that hangs keeps no other's payments waiting.
func TestRunStarves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		hung := &outage{direct: direct{s.bank}, delay: time.Hour} // until it is given up
		s.Service = s.node(s.store, direct{s.bank}, func(c *order.Config) {
			c.Merchants[2].Providers = map[order.Method]order.Provider{order.CreditCard: hung}
		})
		healthy := s.node(s.store, direct{s.bank})
		for range 100 {
			o := s.order(func(o *store.Order, _ *order.Content) { o.MerchantID = "second" })
			if _, err := healthy.Pay(t.Context(), checkout(o.ID)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		go s.Run(t.Context())
		time.Sleep(time.Minute)
		if got := s.stored(o.ID); got.Status != store.OrderHandedOver {
			t.Errorf("the order is %s", got.Status)
		}
		if got := s.payment(due.PaymentID).UpdatedAt.Sub(s.payment(due.PaymentID).CreatedAt); got > 40*time.Second {
			t.Errorf("it took %v", got)
		}
	})
}

// A desk that is out of order is tried again, and the payment is taken all the same.
func TestWorkDesk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.press.err = errFault
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		if p := s.settle(due.PaymentID); order.OutcomeOf(p) != order.Success || s.stored(o.ID).Status != store.OrderPaid {
			t.Fatalf("payment %s, order %s", p.Status, s.stored(o.ID).Status)
		}
		s.work(s.Service, 3, time.Minute)
		s.press.mu.Lock()
		s.press.err = nil
		s.press.mu.Unlock()
		s.work(s.Service, 3, time.Hour)
		if s.stored(o.ID).Status != store.OrderHandedOver || s.press.count(o.ID) != 1 {
			t.Errorf("order %s", s.stored(o.ID).Status)
		}
	})
}

// deaf is a store whose outbox can not be read, or can not be written.
type deaf struct {
	order.Store
	claim, finish error
}

func (d *deaf) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, now, until time.Time) (store.Delivery, error) {
	if d.claim != nil {
		return store.Delivery{}, d.claim
	}
	return d.Store.ClaimDelivery(ctx, kind, now, until)
}

func (d *deaf) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	if d.finish != nil {
		return d.finish
	}
	return d.Store.FinishDelivery(ctx, kind, id)
}

func TestWorkOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		line := &deaf{Store: s.store, claim: errFault}
		s.Service = s.node(line, direct{s.bank})
		due := s.pay(s.order().ID)
		s.bank.pay(due.PaymentID)
		time.Sleep(time.Minute)
		if _, err := s.Work(t.Context()); !errors.Is(err, errFault) {
			t.Errorf("got %v", err)
		}
		line.claim, line.finish = nil, errFault
		s.work(s.Service, 3, 5*time.Minute)
		if p := s.payment(due.PaymentID); p.Status != store.PaymentCaptured || s.bank.payments[p.ID].captures != 1 {
			t.Errorf("the payment is %s", p.Status)
		}
		if n, err := s.Work(t.Context()); n == 0 || err != nil {
			t.Errorf("what can not be finished is not tried again: %d, %v", n, err)
		}
		line.finish = nil
		s.work(s.Service, 3, 5*time.Minute)
		if left := s.queued(store.PaymentWork); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// A delivery of a payment that was never stored is finished after a decent while.
func TestWorkNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		now := time.Now()
		if err := s.store.PutDelivery(t.Context(), store.Delivery{Kind: store.PaymentWork, ID: "NEVERSTORED", DueAt: now, CreatedAt: now, ExpiresAt: store.NoEnd}); err != nil {
			t.Fatal(err)
		}
		s.work(s.Service, 55, time.Minute)
		if n, err := s.Work(t.Context()); n != 1 || err != nil {
			t.Fatalf("after 55 minutes: %d, %v", n, err)
		}
		s.work(s.Service, 10, time.Minute)
		if left := s.queued(store.PaymentWork); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// A context that ends cuts nothing off that is not gone on with.
func TestWorkCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		line := &outage{direct: direct{s.bank}, delay: 2 * time.Second}
		s.Service = s.node(s.store, line)
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second) // while it is captured
		defer stop()
		if _, err := s.Settle(ctx, due.PaymentID); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if p := s.payment(due.PaymentID); p.Status != store.PaymentCapturing {
			t.Fatalf("the payment is %s", p.Status)
		}
		s.work(s.Service, 2, time.Minute)
		if a := s.bank.payments[due.PaymentID]; a.captures != 1 || s.stored(o.ID).Status != store.OrderHandedOver {
			t.Errorf("captured %d times", a.captures)
		}
	})
}

// slowDesk is a publisher's system that never answers.
type slowDesk struct{}

func (slowDesk) Take(ctx context.Context, _ order.HandOver) (order.Receipt, error) {
	<-ctx.Done()
	return order.Receipt{}, ctx.Err()
}

// A payer who comes back, and a provider that calls, do not wait for a publisher's
// system that hangs: the money is taken, and the order is handed over later.
func TestSettleWithHungDesk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.Service = s.node(s.store, direct{s.bank}, func(c *order.Config) { c.Desks = map[string]order.Desk{partner: slowDesk{}} })
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		begun := time.Now()
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			s.Settle(ctx, due.PaymentID)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error("still waiting after a minute")
		}
		cancel()
		<-done
		if waited := time.Since(begun); waited > 15*time.Second {
			t.Errorf("waited %v", waited)
		}
		if got := s.stored(o.ID); got.Status != store.OrderPaid {
			t.Errorf("the order is %s", got.Status)
		}
	})
}

// A publisher's system that hangs keeps no other's orders waiting.
func TestRunStarvesNoDesk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		dead := s.node(s.store, direct{s.bank}, func(c *order.Config) {
			c.Desks = map[string]order.Desk{partner: slowDesk{}, "other": s.press}
		})
		for range 60 {
			s.order(func(o *store.Order, _ *order.Content) { o.Status = store.OrderPaid })
		}
		time.Sleep(time.Second)
		o := s.order(func(o *store.Order, _ *order.Content) { o.PartnerID, o.Status = "other", store.OrderPaid })
		go dead.Run(t.Context())
		time.Sleep(3 * time.Minute) // it is due after one
		if got := s.stored(o.ID); got.Status != store.OrderHandedOver {
			t.Errorf("the order is %s", got.Status)
		}
	})
}
