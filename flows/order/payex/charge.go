package payex

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// errNotDue says that a charge is made too early; it is made when it is due.
var errNotDue = errors.New("not due yet")

// Charge makes an unscheduled purchase with the token of a payment by card
// (features/optional/unscheduled). It reserves the money: the Standing is Authorized,
// and Capture takes it. No callback tells of one. Before DueAt the error is neither
// ErrRefused nor ErrUnknown, and a later call makes it.
//
// When an earlier call with the same Charge has reserved the money and its answer was
// lost, this reserves it again; only this one can be captured, and the other lapses.
func (p *Provider) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	charged, err := p.charge(ctx, c)
	if err != nil {
		return order.Charged{}, fmt.Errorf("payex: charge: %w", err)
	}
	return charged, nil
}

func (p *Provider) charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	o, err := p.newCharge(c)
	if err != nil {
		return order.Charged{}, fmt.Errorf("%w: %w", order.ErrRefused, err)
	}
	if !c.DueAt.IsZero() && time.Until(c.DueAt) > time.Minute {
		return order.Charged{}, errNotDue
	}
	a, err := p.create(ctx, o, c.ID, "charge", c.Key)
	if err != nil {
		return order.Charged{}, err
	}
	ref := order.Ref{ID: c.ID, Provider: a.PaymentOrder.ID, MerchantID: c.MerchantID, Method: c.Method}
	// What was made is the caller's to keep, even if it can't be read at this moment.
	s, err := standingOf(a)
	if err != nil || s.State == order.Open {
		if _, read, err := p.standing(ctx, ref); err == nil {
			s = read
		} else {
			s = order.Standing{State: order.Open, Amount: c.Amount, Currency: c.Currency}
		}
	}
	return order.Charged{Ref: ref.Provider, Standing: s}, nil
}

func (p *Provider) newCharge(c order.Charge) (newOrder, error) {
	if c.Method != order.CreditCard && c.Method != order.CreditCardPayEx {
		return newOrder{}, fmt.Errorf("the payment method %q can not be charged again", c.Method)
	}
	if err := checkAmount(c.ID, c.Amount, c.VATAmount, c.Currency); err != nil {
		return newOrder{}, err
	}
	token, ok := strings.CutPrefix(c.Token, tokenPrefix)
	if !ok || token == "" {
		return newOrder{}, errors.New("not a token of a card")
	}
	return newOrder{
		Operation: "UnscheduledPurchase", UnscheduledToken: token,
		Currency: c.Currency, Amount: c.Amount, VATAmount: c.VATAmount,
		Description: describe(c.Description, p.c.PayeeName), UserAgent: p.c.UserAgent, Language: culture(""),
		URLs:  orderURLs{CallbackURL: c.CallbackURL},
		Payer: chargedPayer(c.Payer),
	}, nil
}

func chargedPayer(who order.Payer) *payer {
	if who.UserID == "" {
		return nil
	}
	return &payer{PayerReference: who.UserID}
}
