package payex

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"

	"github.com/connectid-kit/connectid/flows/order"
)

// Capture takes all that is reserved (get-started/post-purchase, "Capture v3.1").
// Swedbank Pay locks a payment after five captures in a row that fail.
func (p *Provider) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	s, err := p.capture(ctx, r, a)
	if err != nil {
		return order.Standing{}, fmt.Errorf("payex: capture: %w", err)
	}
	return s, nil
}

func (p *Provider) capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return p.move(ctx, r, move{
		rel: "capture", action: "capture", kind: "Capture", key: a.Key, otherwise: "Capture", description: a.Description,
		done: func(s order.Standing) bool { return s.State == order.Captured },
		prepare: func(o *paymentOrder, s order.Standing) (int64, int64, error) {
			switch {
			case s.State != order.Authorized:
				return 0, 0, fmt.Errorf("%w: it is %s", order.ErrRefused, s.State)
			case a.Amount != s.Amount || a.Currency != s.Currency:
				// A part would leave the rest to nobody.
				return 0, 0, fmt.Errorf("%w: %d %s is not what is reserved", order.ErrRefused, a.Amount, a.Currency)
			case a.VATAmount < 0 || a.VATAmount > a.Amount:
				return 0, 0, fmt.Errorf("%w: a bad VAT amount", order.ErrRefused)
			}
			return a.Amount, a.VATAmount, nil
		},
	})
}

// Refund reverses what was taken (get-started/post-purchase, "Reversal v3.1"): never
// more than is left of it. Some reversals take up to three days: then the money is
// Captured until it is Refunded, and the error of a repetition says that it is on its
// way.
func (p *Provider) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	s, err := p.refund(ctx, r, a)
	if err != nil {
		return order.Standing{}, fmt.Errorf("payex: refund: %w", err)
	}
	return s, nil
}

func (p *Provider) refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return p.move(ctx, r, move{
		rel: "reversal", action: "refund", kind: "Reversal", key: a.Key, otherwise: "Refund", description: a.Description,
		done: func(s order.Standing) bool { return s.State == order.Refunded },
		prepare: func(o *paymentOrder, s order.Standing) (int64, int64, error) {
			left := s.Amount - givenBack(o)
			switch {
			case s.State != order.Captured:
				return 0, 0, fmt.Errorf("%w: it is %s", order.ErrRefused, s.State)
			case a.Amount != s.Amount || a.Currency != s.Currency:
				return 0, 0, fmt.Errorf("%w: %d %s is not what was taken", order.ErrRefused, a.Amount, a.Currency)
			case a.VATAmount < 0 || a.VATAmount > a.Amount:
				return 0, 0, fmt.Errorf("%w: a bad VAT amount", order.ErrRefused)
			case left <= 0:
				return 0, 0, errors.New("nothing is left to give back, and it is not reversed")
			}
			// Somebody may have given a part back in the Merchant Portal.
			return left, share(a.VATAmount, left, a.Amount), nil
		},
	})
}

// share is vat·part/whole, for part ≤ whole.
func share(vat, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(vat), uint64(part))
	n, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(n)
}

// Cancel aborts a payment order that is open (features/payment-operations/abort), and
// releases what is reserved (get-started/post-purchase, "Cancel v3.1"). While the payer
// is in another app, such as Swish, an abort is not offered: the error is neither
// ErrRefused nor ErrUnknown, and a later call may do it.
func (p *Provider) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	s, err := p.cancel(ctx, r, a)
	if err != nil {
		return order.Standing{}, fmt.Errorf("payex: cancel: %w", err)
	}
	return s, nil
}

func (p *Provider) cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	doc, s, err := p.standing(ctx, r)
	if err != nil {
		return order.Standing{}, err
	}
	if s.State == order.Open {
		op, ok := doc.operation("abort")
		if !ok {
			return order.Standing{}, errors.New("the payer is paying: there is nothing to abort yet")
		}
		var in abortRequest
		in.PaymentOrder.Operation, in.PaymentOrder.AbortReason = "Abort", "CancelledByConsumer"
		failed := p.follow(ctx, op, http.MethodPatch, in)
		if _, s, err = p.standing(ctx, r); err != nil {
			return order.Standing{}, errors.Join(failed, err)
		}
		if s.State == order.Open {
			return order.Standing{}, fmt.Errorf("it is open after an abort: %w", orElse(failed, "no reason"))
		}
		// The payer may have been faster.
	}
	return p.move(ctx, r, move{
		rel: "cancel", action: "cancel", key: a.Key, otherwise: "Cancellation", description: a.Description, without: true,
		done: func(s order.Standing) bool {
			return s.State == order.Cancelled || s.State == order.Released || s.State == order.Failed
		},
		prepare: func(o *paymentOrder, s order.Standing) (int64, int64, error) {
			if s.State != order.Authorized {
				return 0, 0, fmt.Errorf("%w: it is %s", order.ErrRefused, s.State)
			}
			return 0, 0, nil
		},
	})
}

// move is one thing that is done to money.
type move struct {
	rel, action, key       string
	kind                   string // of its transactions; empty if it does not matter whose they are
	description, otherwise string
	without                bool // amounts
	// done says that it is done, whoever did it.
	done func(order.Standing) bool
	// prepare says how much is moved, and with how much VAT, or why it can not be.
	prepare func(*paymentOrder, order.Standing) (amount, vat int64, err error)
}

// move does m unless it is done. What was answered is only a hint: the payment order
// is read again, and says whether it is done.
func (p *Provider) move(ctx context.Context, r order.Ref, m move) (order.Standing, error) {
	doc, s, err := p.standing(ctx, r)
	if err != nil {
		return order.Standing{}, err
	}
	for n := range attempts {
		if m.done(s) {
			return p.own(r, m, doc, s)
		}
		amount, vat, err := m.prepare(doc.PaymentOrder, s)
		if err != nil {
			return order.Standing{}, err
		}
		op, ok := doc.operation(m.rel)
		if !ok {
			// "The fact that expected post-purchase operations are not included […] can be
			// used as an indication that we have [one] that is still being processed."
			return order.Standing{}, fmt.Errorf("%s is not offered: something may be under way", m.rel)
		}
		var in moneyRequest
		in.Transaction.Description = describe(m.description, m.otherwise)
		in.Transaction.PayeeReference = p.reference(r.ID, m.action, m.key, n)
		if !m.without {
			in.Transaction.Amount, in.Transaction.VATAmount = &amount, &vat
		}
		failed := p.follow(ctx, op, http.MethodPost, in)
		if doc, s, err = p.standing(ctx, r); err != nil {
			return order.Standing{}, errors.Join(failed, err)
		}
		if m.done(s) {
			return p.own(r, m, doc, s)
		}
		e, ok := errors.AsType[*problem](failed)
		switch {
		case failed == nil && m.rel == "reversal": // 202: on its way
			return s, nil
		case ok && e.duplicate():
			// An earlier one with this reference did not succeed. Another can't take more
			// than there is, even if that one still does.
			continue
		case ok && e.refused():
			return order.Standing{}, fmt.Errorf("%w: %w", order.ErrRefused, failed)
		}
		return order.Standing{}, fmt.Errorf("it is %s after a %s: %w", s.State, m.rel, orElse(failed, "no reason"))
	}
	return order.Standing{}, fmt.Errorf("%d references were used before: a person has to look", attempts)
}

// own returns how the payment stands when m is done, if it was done under its key.
func (p *Provider) own(r order.Ref, m move, doc answer, s order.Standing) (order.Standing, error) {
	list := doc.PaymentOrder.FinancialTransactions.List
	if m.kind == "" || list == nil {
		return s, nil
	}
	for n := range attempts {
		reference := p.reference(r.ID, m.action, m.key, n)
		if slices.ContainsFunc(list, func(t transaction) bool { return t.Type == m.kind && t.PayeeReference == reference }) {
			return s, nil
		}
	}
	return order.Standing{}, fmt.Errorf("%w: it is %s already", order.ErrRefused, s.State)
}

func orElse(err error, reason string) error {
	if err == nil {
		return errors.New(reason)
	}
	return err
}
