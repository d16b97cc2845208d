package vipps

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// SetNow gives the provider a clock.
func (p *Provider) SetNow(now func() time.Time) { p.now = now }

// Sign signs a webhook as Vipps does.
func Sign(secret, address, date, digest string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return signature(secret, u, date, digest)
}

// JudgePayment judges the answer to a question for an ePayment.
func JudgePayment(body []byte) (order.Standing, error) {
	var b payment
	if err := json.Unmarshal(body, &b); err != nil {
		return order.Standing{}, err
	}
	v, err := b.view()
	return v.standing, err
}

// JudgeCharge judges the answer to a question for a charge: an initial one of an
// agreement in the state, or a later one.
func JudgeCharge(agreement string, body []byte) (order.Standing, error) {
	var c charge
	if err := json.Unmarshal(body, &c); err != nil {
		return order.Standing{}, err
	}
	if agreement == "" {
		v, err := c.view()
		return v.standing, err
	}
	v, err := c.initial(agreement)
	return v.standing, err
}

// PaymentOf reads an authentic webhook.
func (p *Provider) PaymentOf(body []byte) string { return p.paymentOf(body) }

// Redo is a reference, read and written again.
func Redo(ref string) (string, error) {
	r, err := parseReference(ref)
	return r.String(), err
}
