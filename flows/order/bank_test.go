package order_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// bank is a payment service with all that can go wrong. It is what the nodes of a
// test have in common, beside the store.
type bank struct {
	mu       sync.Mutex
	payments map[string]*account
	// instant takes the money when the payer agrees.
	instant bool
	// wrong reserves another amount, and foreign another currency.
	wrong, foreign bool
	refuseStart    bool // each payment
	refuseCapture  bool // and keep it reserved
	lateUnknown    time.Duration
	slowCapture    time.Duration // it is done some time after it was asked for
	lateToken      bool          // only after the money
	// store is looked into at each call: what is done has to be stored before.
	intent func(id string) (store.Payment, error)
	faults []string
	calls  map[string]int
}

// account is a payment at the bank.
type account struct {
	start              order.Start
	charge             bool
	state              order.State
	amount             int64 // reserved or taken
	currency           string
	captured, refunded int64
	captures           int
	answers            map[string]error // by key: what was answered once is answered again
	begunAt            time.Time
	captureAt          time.Time // of a slow capture
	reason             string
}

func newBank() *bank {
	return &bank{payments: map[string]*account{}, calls: map[string]int{}}
}

func (b *bank) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// stored checks that the intent is stored before it is done.
func (b *bank) stored(id, call string, want ...store.PaymentStatus) {
	b.calls[call]++
	if b.intent == nil {
		return
	}
	p, err := b.intent(id)
	if err != nil {
		b.fault("%s of payment %s, which is not stored: %v", call, id, err)
		return
	}
	for _, s := range want {
		if p.Status == s {
			return
		}
	}
	b.fault("%s of payment %s, which is stored as %s", call, id, p.Status)
}

// ends are statuses that another node may have stored meanwhile.
var ends = []store.PaymentStatus{store.PaymentCaptured, store.PaymentReleased, store.PaymentRefunded, store.PaymentCancelled, store.PaymentFailed}

// once answers as it did, if it was asked under the key before.
func (a *account) once(key string, do func() error) error {
	if key == "" {
		return errors.New("no idempotency key")
	}
	if err, ok := a.answers[key]; ok {
		return err
	}
	err := do()
	a.answers[key] = err
	return err
}

func (b *bank) account(id string) *account {
	a := b.payments[id]
	if a == nil {
		a = &account{answers: map[string]error{}}
	}
	return a
}

func (b *bank) start(s order.Start) (order.Started, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored(s.ID, "Start", append([]store.PaymentStatus{store.PaymentNew, store.PaymentOpen, store.PaymentAuthorized, store.PaymentCapturing, store.PaymentReleasing, store.PaymentRefunding}, ends...)...)
	a := b.account(s.ID)
	if a.state != "" && (fmt.Sprint(a.start) != fmt.Sprint(s)) {
		b.fault("payment %s is begun again in another way:\n%+v\n%+v", s.ID, a.start, s)
	}
	b.payments[s.ID] = a
	err := a.once(s.Key, func() error {
		if b.refuseStart {
			return fmt.Errorf("%w: not today", order.ErrRefused)
		}
		a.start, a.state, a.begunAt = s, order.Open, time.Now()
		return nil
	})
	return order.Started{
		Ref: "bank " + s.ID, RedirectURL: "https://bank.example/pay/" + s.ID,
		View: order.View{Kind: order.FrameView, URL: "https://bank.example/frame/" + s.ID},
	}, err
}

func (b *bank) charge(c order.Charge) (order.Charged, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored(c.ID, "Charge", append([]store.PaymentStatus{store.PaymentNew, store.PaymentOpen, store.PaymentCapturing, store.PaymentReleasing}, ends...)...)
	a := b.account(c.ID)
	b.payments[c.ID] = a
	err := a.once(c.Key, func() error {
		if b.refuseStart || !strings.HasPrefix(c.Token, "token ") {
			return fmt.Errorf("%w: the card is gone", order.ErrRefused)
		}
		a.charge, a.state, a.begunAt = true, order.Open, time.Now()
		a.start = order.Start{ID: c.ID, Amount: c.Amount, Currency: c.Currency, CallbackURL: c.CallbackURL, Recurring: true}
		if b.instant {
			b.take(a)
		}
		return nil
	})
	if err != nil {
		return order.Charged{}, err
	}
	return order.Charged{Ref: "bank " + c.ID, Standing: b.standing(a)}, nil
}

func (b *bank) take(a *account) {
	a.state, a.amount, a.currency = order.Captured, a.start.Amount, a.start.Currency
	if b.wrong {
		a.amount--
	}
	if b.foreign {
		a.currency = "EUR"
	}
	a.captured += a.amount
	a.captures++
}

func (b *bank) standing(a *account) order.Standing {
	if !a.captureAt.IsZero() && !time.Now().Before(a.captureAt) && a.state == order.Authorized {
		a.state = order.Captured
		a.captured += a.amount
		a.captures++
	}
	s := order.Standing{State: a.state, Amount: a.amount, Currency: a.currency, Reason: a.reason}
	if a.start.Recurring && (a.state == order.Captured || a.state == order.Authorized && !b.lateToken) {
		s.Token = "token " + a.start.ID
	}
	return s
}

func (b *bank) ask(r order.Ref) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls["Standing"]++
	a := b.payments[r.ID]
	if a == nil || a.state == "" || time.Since(a.begunAt) < b.lateUnknown {
		return order.Standing{}, order.ErrUnknown
	}
	return b.standing(a), nil
}

func (b *bank) capture(r order.Ref, act order.Action) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(r.ID)
	b.standing(a)
	err := a.once(act.Key, func() error {
		b.stored(r.ID, "Capture", append([]store.PaymentStatus{store.PaymentCapturing}, ends...)...)
		switch {
		case b.refuseCapture:
			return fmt.Errorf("%w: insufficient", order.ErrRefused)
		case a.state == order.Captured: // under another key: taken twice
			a.captured += a.amount
			a.captures++
		case a.state != order.Authorized:
			return fmt.Errorf("%w: it is %s", order.ErrRefused, a.state)
		case act.Amount != a.amount || act.Currency != a.currency:
			return fmt.Errorf("%w: another amount", order.ErrRefused)
		case b.slowCapture > 0:
			a.captureAt = time.Now().Add(b.slowCapture)
		default:
			a.state = order.Captured
			a.captured += a.amount
			a.captures++
		}
		return nil
	})
	return b.standing(a), err
}

func (b *bank) cancel(r order.Ref, act order.Action) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(r.ID)
	b.standing(a)
	err := a.once(act.Key, func() error {
		b.stored(r.ID, "Cancel", append([]store.PaymentStatus{store.PaymentReleasing, store.PaymentRefunding}, ends...)...)
		switch a.state {
		case order.Open, order.Authorized:
			a.state, a.captureAt = order.Released, time.Time{}
		case order.Captured, order.Refunded:
			return fmt.Errorf("%w: too late", order.ErrRefused)
		}
		return nil
	})
	return b.standing(a), err
}

func (b *bank) refund(r order.Ref, act order.Action) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(r.ID)
	b.standing(a)
	err := a.once(act.Key, func() error {
		b.stored(r.ID, "Refund", append([]store.PaymentStatus{store.PaymentRefunding}, ends...)...)
		if a.state != order.Captured {
			return fmt.Errorf("%w: it is %s", order.ErrRefused, a.state)
		}
		a.refunded += act.Amount
		a.state = order.Refunded
		return nil
	})
	return b.standing(a), err
}

// pay is the payer at the bank's page: she agrees, if she still can.
func (b *bank) pay(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.payments[id]
	if a == nil || a.state != order.Open {
		return false
	}
	if b.instant {
		b.take(a)
		return true
	}
	a.state, a.amount, a.currency = order.Authorized, a.start.Amount, a.start.Currency
	if b.wrong {
		a.amount--
	}
	if b.foreign {
		a.currency = "EUR"
	}
	return true
}

// draw is the bank that gets round to what it was asked to take without the payer.
func (b *bank) draw(rng *rand.Rand) {
	var charges []string
	b.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(b.payments)) {
		if b.payments[id].charge {
			charges = append(charges, id)
		}
	}
	b.mu.Unlock()
	for _, id := range charges {
		switch {
		case rng.IntN(4) == 0:
			b.end(id, order.Failed)
		default:
			b.pay(id)
		}
	}
}

// end is the payer who does not want to, or whose card is no good.
func (b *bank) end(id string, state order.State) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.payments[id]
	if a == nil || a.state != order.Open {
		return false
	}
	a.state, a.reason = state, "as the payer wished"
	return true
}

func (b *bank) find(id string) (order.Start, order.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.payments[id]
	if a == nil {
		return order.Start{}, ""
	}
	return a.start, a.state
}

func (b *bank) count(call string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[call]
}

// callback reads what callback requests of the test look like: the payment's ID,
// signed by the bank.
func (b *bank) callback(c order.Callback) (string, error) {
	id, ok := strings.CutPrefix(string(c.Body), "signed by the bank: ")
	if !ok {
		return "", order.ErrForged
	}
	return id, nil
}

// direct is the bank as a [order.Charger] without any network between.
type direct struct{ *bank }

var _ order.Charger = direct{}

func (d direct) Start(ctx context.Context, s order.Start) (order.Started, error) { return d.start(s) }
func (d direct) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	return d.ask(r)
}
func (d direct) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return d.capture(r, a)
}
func (d direct) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return d.cancel(r, a)
}
func (d direct) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return d.refund(r, a)
}
func (d direct) Callback(ctx context.Context, c order.Callback) (string, error) {
	return d.callback(c)
}
func (d direct) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	return d.charge(c)
}
