package order

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

const (
	// callTimeout bounds one call of a provider.
	callTimeout = 20 * time.Second
	// payGrace is how long a payment that begins when its order is about to be closed
	// may take.
	payGrace = 15 * time.Minute
	// chargeWithin is how long a provider may try to take money without the payer:
	// Vipps draws it days later, and tries for some more.
	chargeWithin = 45 * 24 * time.Hour
)

// paymentData is what is kept of a payment beside the fields of its record. It holds
// no secret but Token, which is sealed.
type paymentData struct {
	// Start is what the provider is asked for, the same each time, but for the
	// addresses that hold a proof: they are made with the kit key that Key names.
	Start *Start `json:"start,omitempty"`
	// Charge is the same for money that is taken without the payer, but for its Token.
	Charge *Charge `json:"charge,omitempty"`
	Key    string  `json:"key,omitempty"`
	// Until is when the provider is asked to end it if it is still open.
	Until time.Time `json:"until,omitzero"`
	// Others says that the checkout had orders that were paid for already.
	Others bool `json:"others,omitempty"`

	RedirectURL string `json:"redirectUrl,omitempty"` // Started
	View        View   `json:"view,omitzero"`

	Script *scriptData `json:"script,omitempty"`
	// Token is what later charges are made with, sealed.
	Token []byte `json:"token,omitempty"`
	// SecuredAt is when the money was first reserved or taken, and PaidAt when it was
	// taken.
	SecuredAt time.Time `json:"securedAt,omitzero"`
	PaidAt    time.Time `json:"paidAt,omitzero"`
	// Fault says why its money can not be kept; empty when it is merely too late.
	Fault string `json:"fault,omitempty"`
	// Taken and TakenCurrency are what was taken when it is not what was asked for.
	Taken         int64  `json:"taken,omitempty"`
	TakenCurrency string `json:"takenCurrency,omitempty"`
	// Refusals is how often the provider has refused to release or refund: what was
	// refused is asked for under another key.
	Refusals int    `json:"refusals,omitempty"`
	Reason   string `json:"reason,omitempty"` // the provider's, for why it failed
}

// scriptData is what is kept of a payment of the script.
type scriptData struct {
	Sign      store.Digest `json:"sign"` // of the sign as it came
	ReturnURL string       `json:"returnUrl,omitempty"`
	// Coupon is what it pays for.
	Coupon store.CouponID `json:"coupon"`
}

func readPayment(p store.Payment) (paymentData, error) {
	var d paymentData
	if err := json.Unmarshal(p.Data, &d); err != nil {
		return d, fmt.Errorf("read payment %s: %w", p.ID, err)
	}
	return d, nil
}

func (d paymentData) bytes() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write a payment: %w", err)
	}
	return b, nil
}

// The purposes of keys. Each is a language of its own.
const (
	callbackPurpose = "payment callback"
	returnPurpose   = "payment return"
	tokenPurpose    = "payment token"
)

// callbackAddress is where the provider calls about the payment: below CallbackURL
// merchant, method, payment and a proof that the kit has named it.
func (s *Service) callbackAddress(keyID string, p store.Payment) string {
	parts := []string{p.MerchantID, p.Method, p.ID}
	mac, ok := s.c.Keys.MACWith(keyID, callbackPurpose, parts...)
	if !ok { // the key is gone, and what it proved too
		mac = s.c.Keys.MAC(callbackPurpose, parts...)
	}
	return below(s.c.CallbackURL, append(parts, keys.Token(mac))...)
}

// returnAddress is where a payer of the script comes back to.
func (s *Service) returnAddress(keyID, paymentID string) string {
	mac, ok := s.c.Keys.MACWith(keyID, returnPurpose, paymentID)
	if !ok {
		mac = s.c.Keys.MAC(returnPurpose, paymentID)
	}
	return below(s.c.ScriptReturnURL, paymentID+"."+keys.Token(mac))
}

// proved reports whether proof is the MAC of the parts under one of the kit's keys.
func (s *Service) proved(purpose, proof string, parts ...string) bool {
	return slices.ContainsFunc(s.c.Keys.IDs(), func(id string) bool {
		mac, ok := s.c.Keys.MACWith(id, purpose, parts...)
		return ok && same(keys.Token(mac), proof)
	})
}

// start is what the provider is asked for: the same each time.
func (s *Service) start(p store.Payment, d paymentData) Start {
	start := *d.Start
	start.CallbackURL = s.callbackAddress(d.Key, p)
	if d.Script != nil {
		start.ReturnURL = s.returnAddress(d.Key, p.ID)
	}
	return start
}

// key is the idempotency key of what is done to a payment. It is stored by being
// made of what is stored.
func key(p store.Payment, action string) string { return p.ID + "-" + action }

func ref(p store.Payment) Ref {
	return Ref{ID: p.ID, Provider: p.ProviderRef, MerchantID: p.MerchantID, Method: Method(p.Method), Recurring: p.Recurring}
}

// action is something done to all the money of the payment.
func (d paymentData) action(p store.Payment, name string) Action {
	a := Action{Key: key(p, name), Amount: p.Amount, Currency: p.Currency}
	if d.Refusals > 0 {
		a.Key += fmt.Sprint(d.Refusals)
	}
	switch {
	case d.Start != nil:
		a.VATAmount, a.Description = d.Start.VATAmount, d.Start.Description
	case d.Charge != nil:
		a.VATAmount, a.Description = d.Charge.VATAmount, d.Charge.Description
	}
	if d.TakenCurrency != "" {
		a.Amount, a.Currency, a.VATAmount = d.Taken, d.TakenCurrency, 0
	}
	return a
}

// ours reports whether the payment was begun by the payment script.
func ours(p store.Payment) bool { return p.Reference != "" }

// change is a step of a payment and its orders that is about to be stored.
type change struct {
	payment store.Payment
	orders  []store.Order // those that change
	steps   []Step
}

func newChange(p store.Payment) *change { return &change{payment: p} }

// to sets the payment's status.
func (c *change) to(status store.PaymentStatus) *change {
	from := c.payment.Status
	if c.payment.Version == 0 {
		from = ""
	}
	c.steps = append(c.steps, Step{PaymentID: c.payment.ID, ClientID: c.payment.ClientID, From: string(from), To: string(status)})
	c.payment.Status, c.payment.UpdatedAt = status, time.Now()
	return c
}

// order adds an order with its next status.
func (c *change) order(o store.Order, status store.OrderStatus) *change {
	from := o.Status
	if o.Version == 0 {
		from = ""
	}
	c.steps = append(c.steps, Step{OrderID: o.ID, PaymentID: c.payment.ID, ClientID: o.ClientID, From: string(from), To: string(status)})
	o.Status, o.UpdatedAt = status, time.Now()
	c.orders = append(c.orders, o)
	return c
}

// commitChange stores the change in one step and tells the observer. ErrConflict says that
// somebody else was faster.
func (s *Service) commitChange(ctx context.Context, c *change, d paymentData) error {
	if c.payment.Status != store.PaymentNew { // the provider knows who pays: nobody else has to
		d = d.withoutPayer()
	}
	data, err := d.bytes()
	if err != nil {
		return err
	}
	c.payment.Data = data
	if err := s.c.Store.CommitOrders(ctx, c.orders, []store.Payment{c.payment}); err != nil {
		return fmt.Errorf("store payment %s: %w", c.payment.ID, err)
	}
	for _, step := range c.steps {
		s.observe(ctx, step)
	}
	return nil
}

// queue queues the work on a payment, until it is finished; what is queued stays as it
// is.
func (s *Service) queue(ctx context.Context, id string) error {
	now := time.Now()
	err := s.c.Store.PutDelivery(ctx, store.Delivery{
		Kind: store.PaymentWork, ID: id, DueAt: now.Add(firstCheck), CreatedAt: now, ExpiresAt: store.NoEnd,
	})
	if err != nil && !isConflict(err) {
		return fmt.Errorf("queue the work on payment %s: %w", id, err)
	}
	return nil
}
