package order_test

import (
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// raceRounds is how often a race is run: SOAK_ROUNDS sets another number.
func raceRounds(t *testing.T, n int) int {
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		rounds, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("SOAK_ROUNDS: %v", err)
		}
		return rounds
	}
	return n
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for status, want := range map[store.PaymentStatus][4]order.Outcome{ // of one order, of several, with others that are paid, of the script
		store.PaymentNew:        {order.Waiting, order.Waiting, order.Waiting, order.Waiting},
		store.PaymentOpen:       {order.Waiting, order.Waiting, order.Waiting, order.Waiting},
		store.PaymentAuthorized: {order.Waiting, order.Waiting, order.Waiting, order.Success},
		store.PaymentCapturing:  {order.Waiting, order.Waiting, order.Waiting, order.Success},
		store.PaymentCaptured:   {order.Success, order.Success, order.Success, order.Success},
		store.PaymentReleasing:  {order.Waiting, order.Waiting, order.Waiting, order.Waiting},
		store.PaymentReleased:   {order.Error, order.Uncertain, order.Uncertain, order.Error},
		store.PaymentRefunding:  {order.Error, order.Uncertain, order.Uncertain, order.Error},
		store.PaymentRefunded:   {order.Error, order.Uncertain, order.Uncertain, order.Error},
		store.PaymentCancelled:  {order.Cancel, order.Cancel, order.Uncertain, order.Cancel},
		store.PaymentFailed:     {order.Error, order.Error, order.Uncertain, order.Error},
	} {
		for i, p := range []store.Payment{
			{Orders: []int64{1}, Data: []byte("{}")}, {Orders: []int64{1, 2}, Data: []byte("{}")},
			{Orders: []int64{1}, Data: []byte(`{"others":true}`)}, {Reference: "x", Data: []byte("{}")},
		} {
			p.Status = status
			if got := order.OutcomeOf(p); got != want[i] {
				t.Errorf("%s, case %d: %q, want %q", status, i, got, want[i])
			}
		}
	}
	if got := order.OutcomeOf(store.Payment{Status: store.PaymentCaptured}); got != order.Success {
		t.Errorf("without data: %q", got)
	}
}

func TestSettleUnknown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if _, err := s.Settle(t.Context(), "NOSUCHPAYMENT"); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// What is not what was asked for pays for nothing, and is given back.
func TestSettleWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*bank)
		status store.PaymentStatus
	}{
		"another amount, reserved":   {func(b *bank) { b.wrong = true }, store.PaymentReleased},
		"another amount, taken":      {func(b *bank) { b.wrong, b.instant = true, true }, store.PaymentRefunded},
		"another currency, reserved": {func(b *bank) { b.foreign = true }, store.PaymentReleased},
		"another currency, taken":    {func(b *bank) { b.foreign, b.instant = true, true }, store.PaymentRefunded},
		"the capture is refused":     {func(b *bank) { b.refuseCapture = true }, store.PaymentReleased},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			s := newShop(t, func(c *order.Config) { c.Logger = textLogger(&log) })
			tt.change(s.bank)
			o := s.order()
			due := s.pay(o.ID)
			s.bank.pay(due.PaymentID)
			p := s.settle(due.PaymentID)
			a := s.bank.payments[p.ID]
			if p.Status != tt.status || order.OutcomeOf(p) != order.Error || s.stored(o.ID).Status != store.OrderFailed || s.press.count(o.ID) != 0 {
				t.Errorf("payment %s, order %s", p.Status, s.stored(o.ID).Status)
			}
			if a.captured != a.refunded || a.state == order.Authorized {
				t.Errorf("the bank has %d and %d of it is refunded; %s", a.captured, a.refunded, a.state)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), p.ID) {
				t.Errorf("the log says %s", log.String())
			}
			// It can be paid for again.
			s.bank.wrong, s.bank.foreign, s.bank.refuseCapture = false, false, false
			again := s.pay(o.ID)
			s.bank.pay(again.PaymentID)
			if p := s.settle(again.PaymentID); order.OutcomeOf(p) != order.Success {
				t.Errorf("again: %s", p.Status)
			}
		})
	}
}

// Each call of the provider fails once, before or after it has happened: the next
// Settle, or the work, goes on with it.
func TestSettleOutage(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Standing", "Capture"} {
		for name, after := range map[string]bool{"before": false, "after": true} {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newShop(t)
					line := &outage{direct: direct{s.bank}, fail: map[string]error{call: errFault}, after: after}
					s.Service = s.node(s.store, line)
					o := s.order()
					due := s.pay(o.ID)
					s.bank.pay(due.PaymentID)
					p, err := s.Settle(t.Context(), due.PaymentID)
					if !errors.Is(err, errFault) || order.OutcomeOf(s.payment(p.ID)) != order.Waiting {
						t.Fatalf("%s, %v", p.Status, err)
					}
					line.heal()
					s.work(s.Service, 3, time.Minute)
					if p := s.payment(due.PaymentID); p.Status != store.PaymentCaptured || s.press.count(o.ID) != 1 || s.bank.payments[p.ID].captures != 1 {
						t.Errorf("the payment is %s, captured %d times", p.Status, s.bank.payments[p.ID].captures)
					}
					if left := s.queued(store.PaymentWork); len(left) != 0 {
						t.Errorf("left: %v", left)
					}
				})
			})
		}
	}
}

// Money that is taken only later is waited for.
func TestSettlePending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.bank.slowCapture = time.Minute
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		if p := s.settle(due.PaymentID); p.Status != store.PaymentCapturing || order.OutcomeOf(p) != order.Waiting {
			t.Fatalf("the payment is %s", p.Status)
		}
		if again := s.pay(o.ID); again.Outcome != order.Waiting || again.RedirectURL != "" {
			t.Errorf("meanwhile: %+v", again)
		}
		s.work(s.Service, 5, time.Minute)
		if p := s.payment(due.PaymentID); p.Status != store.PaymentCaptured || s.bank.payments[p.ID].captures != 1 || s.bank.count("Capture") != 1 {
			t.Errorf("the payment is %s", p.Status)
		}
	})
}

// The provider does not know of its own payment for a while.
func TestSettleLateUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.bank.lateUnknown = time.Minute
		due := s.pay(s.order().ID)
		if p := s.settle(due.PaymentID); p.Status != store.PaymentOpen {
			t.Fatalf("the payment is %s", p.Status)
		}
		s.bank.lateUnknown = 100 * 24 * time.Hour // for ever
		s.work(s.Service, 40, time.Hour)
		if p := s.payment(due.PaymentID); p.Status != store.PaymentFailed {
			t.Errorf("the payment is %s", p.Status)
		}
	})
}

// A payer who never comes back: the work asks, and in the end makes the provider give
// it up.
func TestSettleGivesUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*shop, string)
		order  store.OrderStatus
		status store.PaymentStatus
	}{
		"she never pays": {func(*shop, string) {}, store.OrderCancelled, store.PaymentReleased},
		"she has paid":   {func(s *shop, id string) { s.bank.pay(id) }, store.OrderHandedOver, store.PaymentCaptured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				o := s.order()
				due := s.pay(o.ID)
				tt.change(s, due.PaymentID)
				s.work(s.Service, 30, time.Hour)
				if got, p := s.stored(o.ID), s.payment(due.PaymentID); got.Status != tt.order || p.Status != tt.status {
					t.Errorf("order %s, payment %s", got.Status, p.Status)
				}
				if s.bank.pay(due.PaymentID) {
					t.Error("it can still be paid")
				}
				if left := s.queued(store.PaymentWork); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
				if n := s.bank.count("Standing"); n > 40 {
					t.Errorf("the provider was asked %d times", n)
				}
			})
		})
	}
}

// It is too late to give it up: she was faster, at the provider.
func TestSettleTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.bank.instant = true
		line := &outage{direct: direct{s.bank}, fail: map[string]error{"Cancel": errFault}}
		s.Service = s.node(s.store, line)
		o := s.order()
		due := s.pay(o.ID)
		time.Sleep(25 * time.Hour)
		if _, err := s.Settle(t.Context(), due.PaymentID); !errors.Is(err, errFault) || s.payment(due.PaymentID).Status != store.PaymentReleasing {
			t.Fatalf("%v, %s", err, s.payment(due.PaymentID).Status)
		}
		s.bank.pay(due.PaymentID)
		line.heal()
		if p := s.settle(due.PaymentID); p.Status != store.PaymentCaptured || s.stored(o.ID).Status != store.OrderHandedOver {
			t.Errorf("the payment is %s", p.Status)
		}
	})
}

// An order that does not wait for the payment any more is not paid for by it.
func TestSettleWithoutOrder(t *testing.T) {
	t.Parallel()
	for _, instant := range []bool{false, true} {
		s := newShop(t)
		s.bank.instant = instant
		o := s.order()
		due := s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		closed := s.stored(o.ID)
		closed.Status = store.OrderCancelled
		if err := s.store.CommitOrders(t.Context(), []store.Order{closed}, nil); err != nil {
			t.Fatal(err)
		}
		p := s.settle(due.PaymentID)
		if a := s.bank.payments[p.ID]; a.captured != a.refunded || a.state == order.Authorized || s.stored(o.ID).Status != store.OrderCancelled {
			t.Errorf("payment %s, order %s, %d kept", p.Status, s.stored(o.ID).Status, a.captured-a.refunded)
		}
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		o := s.order()
		due := s.pay(o.ID)
		if _, err := s.Refund(t.Context(), due.PaymentID); err == nil {
			t.Error("nothing was taken, and it is given back")
		}
		if _, err := s.Refund(t.Context(), "NOSUCHPAYMENT"); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		s.bank.pay(due.PaymentID)
		s.press.err = errFault // so that it is not handed over
		s.settle(due.PaymentID)
		race(callers, func(int) {
			if p, err := s.Refund(t.Context(), due.PaymentID); err != nil || p.Status != store.PaymentRefunded {
				t.Errorf("%s, %v", p.Status, err)
			}
		})
		a := s.bank.payments[due.PaymentID]
		if a.refunded != 29900 || s.stored(o.ID).Status != store.OrderCancelled {
			t.Errorf("%d refunded, order %s", a.refunded, s.stored(o.ID).Status)
		}
		s.press.err = nil
		s.work(s.Service, 5, time.Hour)
		if s.press.count(o.ID) != 0 || len(s.queued(store.PaymentWork)) != 0 {
			t.Errorf("handed over %d times", s.press.count(o.ID))
		}
		// What is handed over stays so.
		o = s.order()
		due = s.pay(o.ID)
		s.bank.pay(due.PaymentID)
		s.settle(due.PaymentID)
		if p, err := s.Refund(t.Context(), due.PaymentID); err != nil || p.Status != store.PaymentRefunded || s.stored(o.ID).Status != store.OrderHandedOver {
			t.Errorf("%s, %v, order %s", p.Status, err, s.stored(o.ID).Status)
		}
	})
}

// A refund is stored before it is made, and tried again until it is made.
func TestRefundOutage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"outage": errFault, "refused": order.ErrRefused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				line := &outage{direct: direct{s.bank}, fail: map[string]error{"Refund": fault}}
				s.Service = s.node(s.store, line)
				due := s.pay(s.order().ID)
				s.bank.pay(due.PaymentID)
				s.settle(due.PaymentID)
				s.work(s.Service, 3, time.Minute) // its delivery is finished
				if _, err := s.Refund(t.Context(), due.PaymentID); !errors.Is(err, fault) || s.payment(due.PaymentID).Status != store.PaymentRefunding {
					t.Fatalf("%v, %s", err, s.payment(due.PaymentID).Status)
				}
				s.work(s.Service, 3, time.Minute)
				line.heal()
				s.work(s.Service, 30, time.Hour)
				if p, a := s.payment(due.PaymentID), s.bank.payments[due.PaymentID]; p.Status != store.PaymentRefunded || a.refunded != 29900 {
					t.Errorf("payment %s, %d refunded", p.Status, a.refunded)
				}
			})
		})
	}
}

// The provider refuses to release under one key: it is asked again under another.
func TestReleaseRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		line := &outage{direct: direct{s.bank}, fail: map[string]error{"Cancel": order.ErrRefused}}
		s.Service = s.node(s.store, line)
		due := s.pay(s.order().ID)
		s.work(s.Service, 26, time.Hour)
		if p := s.payment(due.PaymentID); p.Status != store.PaymentReleasing || !strings.Contains(string(p.Data), `"refusals":`) {
			t.Fatalf("the payment is %s: %s", p.Status, p.Data)
		}
		line.heal()
		s.work(s.Service, 3, time.Hour)
		if p := s.payment(due.PaymentID); p.Status != store.PaymentReleased {
			t.Errorf("the payment is %s", p.Status)
		}
		var keys []string
		for key := range s.bank.payments[due.PaymentID].answers {
			keys = append(keys, key)
		}
		if len(keys) != 2 || reflect.DeepEqual(keys, []string{due.PaymentID + "-cancel"}) || s.bank.payments[due.PaymentID].answers[due.PaymentID+"-cancel"] != nil {
			t.Errorf("keys: %v", keys)
		}
	})
}

// A merchant that is taken out of the configuration leaves its payments as they are.
func TestSettleWithoutMerchant(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	due := s.pay(s.order().ID)
	s.bank.pay(due.PaymentID)
	other := s.node(s.store, direct{s.bank}, func(c *order.Config) { c.Merchants = c.Merchants[:1] })
	if _, err := other.Settle(t.Context(), due.PaymentID); err == nil || !strings.Contains(err.Error(), `merchant "main"`) {
		t.Errorf("got %v", err)
	}
	if p := s.payment(due.PaymentID); p.Status != store.PaymentOpen {
		t.Errorf("the payment is %s", p.Status)
	}
}
