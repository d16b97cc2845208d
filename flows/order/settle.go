package order

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	// maxSteps bounds how often a payment is read again in one call: the steps that it
	// can take, and some that others take meanwhile.
	maxSteps = 24
	// firstCheck is when an open payment is first asked about without being asked to.
	firstCheck = 30 * time.Second
	// settleIn is how long a record that a delivery was queued for may take to be
	// stored, and a provider to know of what it has said.
	settleIn = time.Hour
	// refundPause is how long a refund that was refused waits: a person has to look.
	refundPause = 24 * time.Hour
)

// errBusy says that others were faster each time.
var errBusy = errors.New("too many changes at once")

// errPending says that the provider has begun, and not finished, what it was asked
// to do to the money.
var errPending = errors.New("the provider is not finished")

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// OutcomeOf says what the payment's status means to who began it.
func OutcomeOf(p store.Payment) Outcome {
	d, err := readPayment(p)
	mixed := err == nil && d.Others || len(p.Orders) > 1
	switch p.Status {
	case store.PaymentCaptured:
		return Success
	case store.PaymentAuthorized, store.PaymentCapturing:
		if ours(p) { // it may be named by an order, which is what takes the money
			return Success
		}
		return Waiting
	case store.PaymentCancelled:
		if err == nil && d.Others { // some are paid for, and some are not
			return Uncertain
		}
		return Cancel
	case store.PaymentFailed:
		if err == nil && d.Others {
			return Uncertain
		}
		return Error
	case store.PaymentReleased, store.PaymentRefunding, store.PaymentRefunded:
		if mixed {
			return Uncertain
		}
		return Error
	}
	return Waiting
}

// Settle asks the provider how the payment stands, and brings payment and orders
// along: money that is reserved for orders is taken, and what is paid is handed
// over. It returns the payment as it is stored then. However often and by whomever
// it is called, money is taken once.
func (s *Service) Settle(ctx context.Context, paymentID string) (store.Payment, error) {
	p, err := s.settle(ctx, paymentID)
	if err != nil && !errors.Is(err, errPending) {
		return p, err
	}
	bounded, cancel := context.WithTimeout(ctx, handOverWithin)
	defer cancel()
	if err := s.deliverPaid(bounded, p); err != nil {
		// It is paid all the same, and the delivery of the order is tried again.
		s.c.Logger.WarnContext(ctx, "a paid order is not handed over yet", "payment", p.ID, "err", err)
	}
	return p, nil
}

// settle brings the payment as far as it gets.
func (s *Service) settle(ctx context.Context, paymentID string) (store.Payment, error) {
	defer s.turns.take(ctx, paymentID)()
	var t turn
	for range maxSteps {
		p, err := s.payment(ctx, paymentID)
		if err != nil {
			return p, err
		}
		moved, err := s.step(ctx, &t, p)
		if err != nil && !isConflict(err) {
			return p, fmt.Errorf("settle payment %s: %w", p.ID, err)
		}
		if err == nil && !moved {
			return p, nil
		}
	}
	return store.Payment{}, fmt.Errorf("settle payment %s: %w", paymentID, errBusy)
}

func (s *Service) payment(ctx context.Context, id string) (store.Payment, error) {
	p, err := s.c.Store.Payment(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return p, ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("find payment %s: %w", id, err)
	}
	return p, nil
}

// providerOf returns who is asked about the payment.
func (s *Service) providerOf(p store.Payment) (Provider, error) {
	m := s.merchants[p.MerchantID]
	if m == nil || m.PartnerID != p.PartnerID {
		return nil, fmt.Errorf("merchant %q of partner %q is not configured: its payments can not go on", p.MerchantID, p.PartnerID)
	}
	provider := m.provider(Method(p.Method))
	if provider == nil {
		return nil, fmt.Errorf("merchant %s has no provider for %s: its payments can not go on", m.ID, p.Method)
	}
	return provider, nil
}

// turn is what one call of settle has learnt.
type turn struct {
	word *Standing // the provider's last word, not acted upon yet
}

// step moves the payment one status on, if the provider's word or the clock does.
func (s *Service) step(ctx context.Context, t *turn, p store.Payment) (moved bool, err error) {
	d, err := readPayment(p)
	if err != nil {
		return false, err
	}
	final := false
	switch p.Status {
	case store.PaymentReleased, store.PaymentRefunded, store.PaymentCancelled, store.PaymentFailed:
		final = true
	case store.PaymentCaptured:
		if final = len(p.Orders) > 0; !final {
			return s.unclaimed(ctx, p, d)
		}
	}
	if final {
		return false, nil
	}
	provider, err := s.providerOf(p)
	if err != nil {
		return false, err
	}
	if p.Status == store.PaymentNew {
		return true, s.begin(ctx, t, provider, p, d)
	}
	word := t.word
	if t.word = nil; word == nil {
		asked, err := s.ask(ctx, provider, p, d)
		if err != nil {
			return false, err
		}
		word = &asked
	}
	if moved, err := s.judge(ctx, t, p, d, *word); moved || err != nil {
		return moved, err
	}
	return s.act(ctx, t, provider, p, d, *word)
}

// ask asks the provider how the payment stands.
func (s *Service) ask(ctx context.Context, provider Provider, p store.Payment, d paymentData) (Standing, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	word, err := provider.Standing(call, ref(p))
	switch {
	case errors.Is(err, ErrUnknown) && (p.Status == store.PaymentOpen || p.Status == store.PaymentReleasing):
		// It may not have heard of its own answer yet.
		if time.Since(p.UpdatedAt) < settleIn || p.Status == store.PaymentOpen && time.Now().Before(d.Until) {
			return Standing{State: Open}, nil
		}
		return Standing{State: Failed, Reason: "unknown to the provider"}, nil
	case err != nil:
		return Standing{}, fmt.Errorf("ask how it stands: %w", err)
	}
	return word, nil
}

// begin makes the provider begin a payment that it may not know of yet.
func (s *Service) begin(ctx context.Context, t *turn, provider Provider, p store.Payment, d paymentData) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	if d.Charge != nil {
		var charged Charged
		if charged, err = s.charge(call, provider, p, d); err == nil {
			p.ProviderRef, t.word = charged.Ref, &charged.Standing
		}
	} else {
		var started Started
		if started, err = provider.Start(call, s.start(p, d)); err == nil {
			if p.ProviderRef = started.Ref; p.ProviderRef == "" {
				return errors.New("the provider gave the payment no name")
			}
			d.RedirectURL, d.View = started.RedirectURL, started.View
		}
	}
	if errors.Is(err, ErrRefused) {
		d.Reason = err.Error()
		s.c.Logger.WarnContext(ctx, "a provider refuses a payment", "payment", p.ID, "merchant", p.MerchantID, "method", p.Method, "err", err)
		return s.endPayment(ctx, p, d, store.PaymentFailed, store.OrderFailed)
	}
	if err != nil {
		return fmt.Errorf("begin it: %w", err)
	}
	if err := s.commitChange(ctx, newChange(p).to(store.PaymentOpen), d); err != nil {
		t.word = nil
		return err
	}
	return nil
}

// judge moves the payment as the provider's word says. It does not when the word
// changes nothing.
func (s *Service) judge(ctx context.Context, t *turn, p store.Payment, d paymentData, word Standing) (moved bool, err error) {
	if word.Reason != "" {
		d.Reason = word.Reason
	}
	switch word.State {
	case Cancelled:
		return true, s.endPayment(ctx, p, d, store.PaymentCancelled, store.OrderCancelled)
	case Failed:
		return true, s.endPayment(ctx, p, d, store.PaymentFailed, store.OrderFailed)
	case Released:
		end := store.OrderCancelled
		if d.Fault != "" {
			end = store.OrderFailed
		}
		return true, s.endPayment(ctx, p, d, store.PaymentReleased, end)
	case Refunded:
		return true, s.endPayment(ctx, p, d, store.PaymentRefunded, store.OrderFailed)
	case Open:
		if p.Status == store.PaymentOpen && !time.Now().Before(d.Until) {
			t.word = &word
			return true, s.commitChange(ctx, newChange(p).to(store.PaymentReleasing), d)
		}
		return false, nil
	case Authorized, Captured:
		return s.judgeMoney(ctx, t, p, d, word)
	}
	return false, fmt.Errorf("the provider says %q, which it can not", word.State)
}

// judgeMoney is judge for money that the provider has reserved or taken.
func (s *Service) judgeMoney(ctx context.Context, t *turn, p store.Payment, d paymentData, word Standing) (moved bool, err error) {
	if p.Status == store.PaymentRefunding || p.Status == store.PaymentReleasing && word.State == Authorized {
		return false, nil // it is being given back
	}
	orders, err := s.paidBy(ctx, p)
	if err != nil {
		return false, err
	}
	switch {
	case word.Amount != p.Amount || word.Currency != p.Currency:
		d.Fault = fmt.Sprintf("%d %s instead of %d %s", word.Amount, word.Currency, p.Amount, p.Currency)
		d.Taken, d.TakenCurrency = word.Amount, word.Currency
	case d.Fault == "" && !all(orders, p):
		d.Fault = "its orders are not waiting for it"
	case d.Fault == "" && p.Status == store.PaymentReleasing && ours(p):
		d.Fault = "no order has named it in time"
	}
	if d.Fault != "" {
		s.c.Logger.ErrorContext(ctx, "a payment's money can not be kept and is given back", "payment", p.ID,
			"merchant", p.MerchantID, "provider", p.ProviderRef, "state", word.State, "reason", d.Fault)
		t.word = &word
		if word.State == Captured {
			return true, s.commitChange(ctx, newChange(p).to(store.PaymentRefunding), d)
		}
		return true, s.commitChange(ctx, newChange(p).to(store.PaymentReleasing), d)
	}
	if d.Token == nil && word.Token != "" && p.Recurring {
		if d.Token, err = s.c.Keys.Seal(tokenPurpose, p.ClientID, []byte(word.Token)); err != nil {
			return false, err
		}
	}
	now := time.Now()
	if d.SecuredAt.IsZero() {
		d.SecuredAt = now
	}
	switch {
	case word.State == Captured:
		d.PaidAt = now
		c := newChange(p).to(store.PaymentCaptured)
		for _, o := range orders {
			c.order(o, store.OrderPaid)
		}
		return true, s.commitChange(ctx, c, d)
	case p.Status == store.PaymentCapturing:
		return false, nil // act takes it
	case len(p.Orders) > 0:
		t.word = &word
		return true, s.commitChange(ctx, newChange(p).to(store.PaymentCapturing), d)
	case p.Status == store.PaymentOpen:
		t.word = &word
		return true, s.commitChange(ctx, newChange(p).to(store.PaymentAuthorized), d)
	}
	return s.unclaimed(ctx, p, d)
}

// unclaimed gives back the money of a payment of the script that no order has named
// for too long.
func (s *Service) unclaimed(ctx context.Context, p store.Payment, d paymentData) (moved bool, err error) {
	if time.Now().Before(s.claimUntil(p, d)) {
		return false, nil
	}
	to := store.PaymentReleasing
	if p.Status == store.PaymentCaptured {
		to = store.PaymentRefunding
	}
	return true, s.commitChange(ctx, newChange(p).to(to), d)
}

// claimUntil is when a payment of the script is given back if no order names it.
func (s *Service) claimUntil(p store.Payment, d paymentData) time.Time {
	return d.SecuredAt.Add(s.c.ClaimWithin)
}

// act does to the money what the status intends. The intent is stored, so that it
// may be done again, under the same key.
func (s *Service) act(ctx context.Context, t *turn, provider Provider, p store.Payment, d paymentData, word Standing) (moved bool, err error) {
	var do func(context.Context, Ref, Action) (Standing, error)
	var name string
	switch p.Status {
	case store.PaymentCapturing:
		if word.State == Open { // not what it said when the intent was stored
			return false, fmt.Errorf("capture it: %w", errPending)
		}
		do, name = provider.Capture, "capture"
	case store.PaymentReleasing:
		do, name = provider.Cancel, "cancel"
	case store.PaymentRefunding:
		if word.State != Captured {
			return false, fmt.Errorf("refund it: %w", errPending)
		}
		do, name = provider.Refund, "refund"
	default:
		return false, nil // it waits for its payer, or for its order
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	after, err := do(call, ref(p), d.action(p, name))
	if err == nil {
		if moved, err = s.judge(ctx, t, p, d, after); moved || err != nil {
			return moved, err
		}
		return false, fmt.Errorf("%s it: %w", name, errPending)
	}
	if !errors.Is(err, ErrRefused) && !errors.Is(err, ErrUnknown) {
		return false, fmt.Errorf("%s it: %w", name, err)
	}
	refusal := err
	if after, err = s.ask(ctx, provider, p, d); err != nil {
		return false, err
	}
	if moved, err := s.judge(ctx, t, p, d, after); moved || err != nil {
		return moved, err
	}
	// It stands as it stood, and nothing has happened.
	if p.Status == store.PaymentCapturing {
		d.Fault, d.Reason = "the provider refuses to take it", refusal.Error()
		s.c.Logger.ErrorContext(ctx, "a provider refuses to take money that it has reserved", "payment", p.ID, "merchant", p.MerchantID, "err", refusal)
		t.word = &after
		return true, s.commitChange(ctx, newChange(p).to(store.PaymentReleasing), d)
	}
	d.Refusals++
	if err := s.commitChange(ctx, newChange(p), d); err != nil {
		return false, err
	}
	return false, fmt.Errorf("%s it: %w", name, refusal)
}

// endPayment brings the payment to an end without money, and its orders with it.
func (s *Service) endPayment(ctx context.Context, p store.Payment, d paymentData, status store.PaymentStatus, end store.OrderStatus) error {
	orders, err := s.paidBy(ctx, p)
	if err != nil {
		return err
	}
	c := newChange(p).to(status)
	for _, o := range orders {
		c.order(o, end)
	}
	return s.commitChange(ctx, c, d)
}

// paidBy returns those orders of the payment that wait for it.
func (s *Service) paidBy(ctx context.Context, p store.Payment) ([]store.Order, error) {
	var waiting []store.Order
	for _, id := range p.Orders {
		o, err := s.c.Store.Order(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find order %d: %w", id, err)
		}
		if o.Status == store.OrderAwaitingPayment && o.PaymentID == p.ID {
			waiting = append(waiting, o)
		}
	}
	return waiting, nil
}

// all reports whether the orders are all that the payment is for.
func all(orders []store.Order, p store.Payment) bool { return len(orders) == len(p.Orders) }

// deliverPaid hands over the orders that the payment has paid for.
func (s *Service) deliverPaid(ctx context.Context, p store.Payment) error {
	if p.Status != store.PaymentCaptured {
		return nil
	}
	var errs []error
	for _, id := range p.Orders {
		errs = append(errs, s.handOver(ctx, id))
	}
	return errors.Join(errs...)
}

// workPayment makes one attempt to bring a payment to its end.
func (s *Service) workPayment(ctx context.Context, delivery store.Delivery) error {
	id, _, _ := strings.Cut(delivery.ID, " ")
	p, err := s.payment(ctx, id)
	if errors.Is(err, ErrNotFound) {
		if time.Since(delivery.CreatedAt) < settleIn {
			return later(time.Now().Add(firstCheck), nil)
		}
		return nil // it was never stored
	}
	if err != nil {
		return err
	}
	provider := p.MerchantID + " " + string(Method(p.Method).card())
	if until, ok := s.rests.begin(provider); !ok {
		return later(until, nil)
	}
	begun := time.Now()
	p, err = s.settle(ctx, id)
	s.rests.end(provider, err != nil && time.Since(begun) >= slowCall)
	if err == nil && p.Status == store.PaymentCaptured {
		var until time.Time
		if until, err = s.atDesk(p.PartnerID, func() error { return s.deliverPaid(ctx, p) }); !until.IsZero() {
			return later(until, nil)
		}
		if errors.Is(err, ErrUnacceptable) {
			err = nil // the order's own work goes on with that
		}
	}
	now := time.Now()
	switch pause := backOff(now.Sub(p.UpdatedAt)); {
	case errors.Is(err, ErrRefused) && p.Status == store.PaymentRefunding:
		return later(now.Add(refundPause), err)
	case errors.Is(err, errPending):
		return later(now.Add(pause), nil)
	case err != nil && p.ID != "":
		return later(now.Add(pause), err)
	case err != nil:
		return err
	}
	d, err := readPayment(p)
	if err != nil {
		return err
	}
	// As often as its age doubles, and when its time is over.
	next := now.Add(min(max(now.Sub(p.UpdatedAt), firstCheck), longestPause))
	switch p.Status {
	case store.PaymentOpen:
		return later(earlier(next, d.Until), nil)
	case store.PaymentAuthorized:
		return later(earlier(next, s.claimUntil(p, d)), nil)
	case store.PaymentCaptured:
		if len(p.Orders) == 0 {
			return later(s.claimUntil(p, d), nil)
		}
	}
	return nil
}

// earlier returns the earlier of the two, but a time to come.
func earlier(next, end time.Time) time.Time {
	if end.Before(next) && end.After(time.Now()) {
		return end
	}
	return next
}

// Refund gives back what was taken for a payment. It is for the host's own hands.
// Orders that have not been handed over are cancelled.
func (s *Service) Refund(ctx context.Context, paymentID string) (store.Payment, error) {
	for range maxSteps {
		p, err := s.payment(ctx, paymentID)
		if err != nil {
			return p, err
		}
		switch p.Status {
		case store.PaymentCaptured:
		case store.PaymentRefunding, store.PaymentRefunded:
			return s.settle(ctx, paymentID)
		default:
			return p, refuse("mcPayRef", "is a payment for which no money was taken: it is %s", p.Status)
		}
		d, err := readPayment(p)
		if err != nil {
			return p, err
		}
		c := newChange(p).to(store.PaymentRefunding)
		for _, id := range p.Orders {
			o, err := s.c.Store.Order(ctx, id)
			if err != nil {
				return p, fmt.Errorf("find order %d: %w", id, err)
			}
			if o.Status == store.OrderPaid && o.PaymentID == p.ID {
				c.order(o, store.OrderCancelled)
			}
		}
		// A name of its own: the payment's first delivery may be about to be finished.
		if err := s.queue(ctx, p.ID+" refund "+strconv.FormatInt(p.Version, 10)); err != nil {
			return p, err
		}
		switch err := s.commitChange(ctx, c, d); {
		case isConflict(err):
			continue
		case err != nil:
			return p, err
		}
		return s.settle(ctx, paymentID)
	}
	return store.Payment{}, fmt.Errorf("refund payment %s: %w", paymentID, errBusy)
}
