package payex

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/connectid-kit/connectid/flows/order"
)

// Standing reads the payment order.
func (p *Provider) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	_, s, err := p.standing(ctx, r)
	if err != nil {
		return order.Standing{}, fmt.Errorf("payex: standing: %w", err)
	}
	return s, nil
}

func (p *Provider) standing(ctx context.Context, r order.Ref) (answer, order.Standing, error) {
	a, err := p.read(ctx, r)
	if err != nil {
		return answer{}, order.Standing{}, err
	}
	s, err := standingOf(a)
	if err != nil {
		return answer{}, order.Standing{}, err
	}
	if r.Recurring && (s.State == order.Authorized || s.State == order.Captured) {
		s.Token = unscheduledToken(a.PaymentOrder.Paid)
	}
	return a, s, nil
}

// standingOf says what a payment order's status means
// (technical-reference/status-models). What is not known is an error, so that nothing
// is believed to be paid by mistake.
func standingOf(a answer) (order.Standing, error) {
	o := a.PaymentOrder
	s := order.Standing{Amount: o.Amount, Currency: o.Currency}
	if len(o.Currency) != 3 {
		return order.Standing{}, errors.New("the payment order has no currency")
	}
	switch o.Status {
	case "Initialized":
		s.State = order.Open
	case "Failed":
		s.State, s.Reason = order.Failed, o.Failed.Problem.reason()
	case "Aborted": // by the payer on the page of Redirect, or by Cancel
		s.State, s.Reason = order.Cancelled, short(o.Aborted.AbortReason)
	case "Cancelled": // all of what was reserved
		s.State = order.Released
	case "Reversed": // all of what was taken
		s.State = order.Refunded
	case "Paid":
		s.Amount = o.Paid.Amount
		var err error
		if s.State, err = stateOfPaid(o); err != nil {
			return order.Standing{}, err
		}
	default:
		return order.Standing{}, fmt.Errorf("the payment order has the unknown status %q", short(o.Status))
	}
	return s, nil
}

// stateOfPaid tells money that is reserved from money that is taken: "Paid" is both
// (get-started/validate-status).
func stateOfPaid(o *paymentOrder) (order.State, error) {
	if o.Paid.Amount <= 0 {
		return "", errors.New("the payment order does not say what was paid")
	}
	switch o.Paid.TransactionType {
	case "Sale": // one phase: Swish
		return order.Captured, nil
	case "Authorization":
	default:
		return "", fmt.Errorf("the payment has the unknown transaction type %q", short(o.Paid.TransactionType))
	}
	taken, known := taken(o)
	switch {
	case !known:
		return "", errors.New("the payment order does not say what was captured")
	case taken == 0 && (o.RemainingCaptureAmount == nil || *o.RemainingCaptureAmount == o.Paid.Amount):
		return order.Authorized, nil
	case taken == o.Paid.Amount:
		return order.Captured, nil
	}
	return "", fmt.Errorf("%d of %d were captured: a person has to look", taken, o.Paid.Amount)
}

// taken is how much was captured, and whether that is known.
func taken(o *paymentOrder) (int64, bool) {
	if list := o.FinancialTransactions.List; list != nil {
		return sum(list, "Capture"), true
	}
	if left := o.RemainingCaptureAmount; left != nil && *left <= o.Paid.Amount {
		return o.Paid.Amount - *left, true
	}
	return 0, false
}

// givenBack is how much of what was taken was reversed.
func givenBack(o *paymentOrder) int64 {
	if list := o.FinancialTransactions.List; list != nil {
		return sum(list, "Reversal")
	}
	if left := o.RemainingReversalAmount; left != nil && *left < o.Paid.Amount {
		return o.Paid.Amount - *left
	}
	return 0
}

func sum(list []transaction, kind string) int64 {
	var n int64
	for _, t := range list {
		if t.Type == kind {
			n = min(n+t.Amount, maxAmount)
		}
	}
	return n
}

// The instruments that are asked for by paymentMethod
// (features/customize-ui/instrument-mode).
const (
	creditCard = "CreditCard"
	swish      = "Swish"
)

// tokenPrefix marks tokens of cards, which are the ones that Charge can repeat: an
// unscheduled purchase with another may take money at once.
const tokenPrefix = "card:"

// unscheduledToken is what the payment was paid with, for later charges
// (features/optional/unscheduled, "GET the token"); empty when it gave none that can be
// used. The documents write its type with a capital letter, and without.
func unscheduledToken(p paid) string {
	if !strings.EqualFold(p.Instrument, creditCard) {
		return ""
	}
	for _, t := range p.Tokens {
		if strings.EqualFold(t.Type, "unscheduled") && t.Token != "" && len(t.Token) <= 500 && plain(t.Token) {
			return tokenPrefix + t.Token
		}
	}
	return ""
}
