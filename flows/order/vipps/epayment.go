package vipps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/order"
)

// money is an Amount of the ePayment API.
type money struct {
	Currency string `json:"currency"`
	Value    int64  `json:"value"`
}

// createPayment is a CreatePaymentRequest.
type createPayment struct {
	Amount              money         `json:"amount"`
	Customer            *customer     `json:"customer,omitempty"`
	CustomerInteraction string        `json:"customerInteraction"`
	PaymentMethod       paymentMethod `json:"paymentMethod"`
	Reference           string        `json:"reference"`
	ReturnURL           string        `json:"returnUrl"`
	UserFlow            string        `json:"userFlow"`
	Description         string        `json:"paymentDescription,omitempty"`
}

type customer struct {
	PhoneNumber string `json:"phoneNumber"`
}

type paymentMethod struct {
	Type string `json:"type"`
}

// payment is a GetPaymentResponse, and as much of it as a ModificationResponse has.
type payment struct {
	Reference string `json:"reference"`
	State     string `json:"state"`
	Amount    money  `json:"amount"`
	Aggregate struct {
		Authorized money `json:"authorizedAmount"`
		Cancelled  money `json:"cancelledAmount"`
		Captured   money `json:"capturedAmount"`
		Refunded   money `json:"refundedAmount"`
	} `json:"aggregate"`
	RedirectURL string `json:"redirectUrl"`
}

// The states of the ePayment API.
const (
	paymentCreated    = "CREATED"
	paymentAuthorized = "AUTHORIZED"
	paymentAborted    = "ABORTED"
	paymentExpired    = "EXPIRED"
	paymentTerminated = "TERMINATED"
)

func paymentPath(reference, more string) string { return "/epayment/v1/payments/" + reference + more }

// startPayment creates a payment (ePayment: createPayment).
func (p *Provider) startPayment(ctx context.Context, s order.Start) (order.Started, error) {
	in := createPayment{
		Amount:              money{s.Currency, s.Amount},
		CustomerInteraction: "CUSTOMER_NOT_PRESENT",
		PaymentMethod:       paymentMethod{"WALLET"},
		Reference:           s.ID,
		ReturnURL:           s.ReturnURL,
		UserFlow:            "WEB_REDIRECT",
		Description:         text(100, s.Description, firstName(s.Lines)),
	}
	if utf8.RuneCountInString(in.Description) < 3 {
		in.Description = "" // minLength 3
	}
	if n := phone(s.Payer.Phone); n != "" {
		in.Customer = &customer{n}
	}
	var out struct {
		RedirectURL string `json:"redirectUrl"`
		Reference   string `json:"reference"`
	}
	started := order.Started{Ref: reference{kind: ePayment, id: s.ID}.String()}
	err := p.call(ctx, http.MethodPost, "/epayment/v1/payments", keyOf("create", s.ID, s.Key), in, &out)
	if hasStatus(err, http.StatusConflict) {
		// The reference exists: it is the payment of a call that was not answered.
		b, err := p.readPayment(ctx, s.ID)
		if err != nil {
			return order.Started{}, err
		}
		if b.Amount != in.Amount {
			return order.Started{}, fmt.Errorf("vipps: payment %s exists with another amount", s.ID)
		}
		if b.State != paymentCreated {
			started.RedirectURL = s.ReturnURL // it has ended: there is nowhere to go but back
			return started, nil
		}
		started.RedirectURL = b.RedirectURL
		return started, p.checkRedirect(started.RedirectURL)
	}
	if err != nil {
		return order.Started{}, begun(err)
	}
	if out.Reference != s.ID {
		return order.Started{}, errors.New("vipps: the answer is of another payment")
	}
	if err := p.checkRedirect(out.RedirectURL); err != nil {
		return order.Started{}, err
	}
	started.RedirectURL = out.RedirectURL
	return started, nil
}

func firstName(lines []order.StartLine) string {
	for _, l := range lines {
		if l.Name != "" {
			return l.Name
		}
	}
	return ""
}

func (p *Provider) readPayment(ctx context.Context, id string) (payment, error) {
	var b payment
	if err := p.call(ctx, http.MethodGet, paymentPath(id, ""), "", nil, &b); err != nil {
		return payment{}, unknown(err)
	}
	if b.Reference != id {
		return payment{}, errors.New("vipps: the answer is of another payment")
	}
	return b, nil
}

// getPayment asks how a payment stands (ePayment: getPayment).
func (p *Provider) getPayment(ctx context.Context, id string) (view, error) {
	b, err := p.readPayment(ctx, id)
	if err != nil {
		return view{}, err
	}
	return b.view()
}

// view judges a payment by its state and amounts (ePayment guide, "Payment states and
// modifications"): AUTHORIZED stays the state of what is captured, cancelled and
// refunded. What does not fit together is an error and never a success.
func (b payment) view() (view, error) {
	g, currency := b.Aggregate, b.Amount.Currency
	for _, m := range []money{b.Amount, g.Authorized, g.Cancelled, g.Captured, g.Refunded} {
		if m.Currency != currency || len(m.Currency) != 3 || m.Value < 0 || m.Value > 1<<40 {
			return view{}, errors.New("vipps: a payment of several currencies, or of amounts below zero")
		}
	}
	v := view{
		standing: order.Standing{Amount: b.Amount.Value, Currency: currency},
		taken:    g.Captured.Value - g.Refunded.Value,
		rest:     max(g.Authorized.Value-g.Captured.Value-g.Cancelled.Value, 0),
	}
	st := &v.standing
	switch {
	case g.Captured.Value > g.Authorized.Value || g.Refunded.Value > g.Captured.Value:
		return view{}, errors.New("vipps: more is captured than authorized, or refunded than captured")
	case b.State != paymentAuthorized && (g.Captured.Value > 0 || g.Authorized.Value > 0 && b.State != paymentTerminated):
		return view{}, fmt.Errorf("vipps: a payment in state %q with money", text(32, b.State))
	}
	switch b.State {
	case paymentCreated:
		st.State = order.Open
	case paymentAborted:
		st.State, st.Reason = order.Cancelled, b.State
	case paymentExpired:
		st.State, st.Reason = order.Failed, b.State
	case paymentTerminated:
		st.State, st.Reason = order.Released, b.State
	case paymentAuthorized:
		switch {
		case g.Authorized.Value == 0:
			return view{}, errors.New("vipps: a payment is authorized with nothing")
		case g.Captured.Value > 0 && g.Refunded.Value == g.Captured.Value && v.rest == 0:
			st.State, st.Amount = order.Refunded, g.Captured.Value
		case g.Captured.Value > 0:
			st.State, st.Amount = order.Captured, g.Captured.Value
		case v.rest == 0:
			st.State, st.Amount = order.Released, g.Authorized.Value
		default:
			st.State, st.Amount = order.Authorized, v.rest
		}
	default:
		return view{}, fmt.Errorf("vipps: a payment in the unknown state %q", text(32, b.State))
	}
	return v, nil
}

type modification struct {
	Amount money `json:"modificationAmount"`
}

// capture takes what is reserved (ePayment: capturePayment; Recurring: CaptureChargeV3).
func (p *Provider) capture(ctx context.Context, ref reference, v view, a order.Action) error {
	key := keyOf("capture", ref.id, a.Key, p.while(24*time.Hour))
	if ref.kind == ePayment {
		return p.call(ctx, http.MethodPost, paymentPath(ref.id, "/capture"), key, modification{money{v.standing.Currency, v.standing.Amount}}, nil)
	}
	return p.call(ctx, http.MethodPost, chargePath(ref, "/capture"), key, chargeModification{v.standing.Amount, text(45, a.Description, v.description, ref.id)}, nil)
}

// release gives up a reservation, or an ePayment that waits for its payer (ePayment: cancelPayment; Recurring: CancelChargeV3).
func (p *Provider) release(ctx context.Context, ref reference, a order.Action) error {
	key := keyOf("cancel", ref.id, a.Key, p.while(time.Hour))
	if ref.kind == ePayment {
		return p.call(ctx, http.MethodPost, paymentPath(ref.id, "/cancel"), key, nil, nil)
	}
	return p.call(ctx, http.MethodDelete, chargePath(ref, ""), key, nil, nil)
}

// refund gives back what is taken (ePayment: refundPayment; Recurring: RefundChargeV3).
func (p *Provider) refund(ctx context.Context, ref reference, v view, amount int64, a order.Action) error {
	key := keyOf("refund", ref.id, a.Key, p.while(24*time.Hour))
	if ref.kind == ePayment {
		return p.call(ctx, http.MethodPost, paymentPath(ref.id, "/refund"), key, modification{money{v.standing.Currency, amount}}, nil)
	}
	return p.call(ctx, http.MethodPost, chargePath(ref, "/refund"), key, chargeModification{amount, text(45, a.Description, v.description, ref.id)}, nil)
}
