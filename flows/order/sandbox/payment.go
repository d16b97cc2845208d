package sandbox

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// payment is a payment as it is kept. Once indexed it never changes: a change puts
// another in its place. There is nothing in it of the card but which test card it was.
type payment struct {
	Page        string // the unguessable part of its page's address
	Ref         string
	ID          string
	Key         string
	MerchantID  string
	Method      order.Method
	Charge      bool `json:",omitempty"` // without a payer
	Flow        order.PaymentFlow
	Amount      int64
	Currency    string
	Recurring   bool          `json:",omitempty"`
	Renewal     order.Renewal `json:",omitzero"`
	Description string        `json:",omitempty"`
	Lines       []line        `json:",omitempty"`
	Lang        string        `json:",omitempty"`
	ReturnURL   string        `json:",omitempty"`
	CallbackURL string        `json:",omitempty"`
	TermsURL    string        `json:",omitempty"`
	Origins     []string      `json:",omitempty"`

	State     order.State
	Reason    string    `json:",omitempty"`
	Card      Outcome   `json:",omitempty"`
	Until     time.Time // when it ends by itself while it is Open
	CreatedAt time.Time
	ChangedAt time.Time
	// Challenged says that the payer's bank asks her to confirm.
	Challenged bool `json:",omitempty"`
	// Pending is what it becomes at PendingUntil.
	Pending       order.State `json:",omitempty"`
	PendingReason string      `json:",omitempty"`
	PendingUntil  time.Time   `json:",omitzero"`
	// What was done once, and under which key.
	CaptureKey string `json:",omitempty"`
	CancelKey  string `json:",omitempty"`
	RefundKey  string `json:",omitempty"`

	Callbacks Callbacks `json:",omitempty"` // how its changes are told
	Calls     []call    `json:",omitempty"` // that are to be made
	Called    int       `json:",omitempty"` // how many there have been, made or not
}

// line is a line of what is paid for.
type line struct {
	Name     string
	Quantity int
	Amount   int64
}

// Reasons of a [order.Standing] that failed.
const (
	ReasonDeclined    = "card_declined"
	ReasonFunds       = "insufficient_funds"
	ReasonUnconfirmed = "not_confirmed" // the payer did not pass 3-D Secure
	ReasonTimeout     = "timeout"
	ReasonNotCaptured = "reservation_lapsed" // of one that is Released
)

// reserved is how long a bank keeps money for a merchant who does not take it.
const reserved = 7 * 24 * time.Hour

// ended reports whether nothing more happens to it by itself.
func (q *payment) ended() bool { return q.State != order.Open && q.State != order.Authorized }

// same reports whether n asks for what q is.
func (q *payment) same(n *payment) bool {
	return q.ID == n.ID && q.MerchantID == n.MerchantID && q.Method == n.Method && q.Charge == n.Charge && q.Flow == n.Flow &&
		q.Amount == n.Amount && q.Currency == n.Currency && q.Recurring == n.Recurring && q.ReturnURL == n.ReturnURL
}

// move brings it into another state and has the callback address told.
func (q *payment) move(p *Provider, to order.State, reason string, at time.Time) {
	q.State, q.Reason, q.ChangedAt = to, reason, at.UTC()
	q.Challenged, q.Pending, q.PendingReason, q.PendingUntil = false, "", "", time.Time{}
	q.tell(p, at)
}

// next is when time alone changes it; zero for never.
func (q *payment) next() time.Time {
	switch {
	case q.State == order.Open && q.Pending != "" && !q.PendingUntil.After(q.Until):
		return q.PendingUntil
	case q.State == order.Open:
		return q.Until
	case q.State == order.Authorized:
		return q.ChangedAt.Add(reserved)
	}
	return time.Time{}
}

// advance does what time has done to it.
func (q *payment) advance(p *Provider, now time.Time) {
	for at := q.next(); !at.IsZero() && !at.After(now); at = q.next() {
		switch {
		case q.State == order.Authorized: // a bank does not reserve for ever
			q.move(p, order.Released, ReasonNotCaptured, at)
		case q.Pending != "" && q.PendingUntil.Equal(at):
			q.move(p, q.Pending, q.PendingReason, at)
		default:
			q.move(p, order.Failed, ReasonTimeout, at)
		}
	}
}

// once brings the payment from one state into another under the key of a. The same
// key again changes nothing, another is refused.
func (q *payment) once(p *Provider, key *string, a order.Action, from, to order.State, now time.Time) error {
	switch {
	case a.Key == "":
		return fmt.Errorf("%w: no idempotency key", order.ErrRefused)
	case a.Amount != q.Amount || a.Currency != q.Currency:
		return fmt.Errorf("%w: %d %s of %d %s", order.ErrRefused, a.Amount, a.Currency, q.Amount, q.Currency)
	case *key == a.Key:
		return nil
	case *key != "" || q.State != from:
		return fmt.Errorf("%w: the payment is %s", order.ErrRefused, q.State)
	}
	*key = a.Key
	q.move(p, to, "", now)
	return nil
}

// change replaces the payment by one to which time, and then f, have been done. The
// caller holds p.mu.
func (p *Provider) change(q *payment, now time.Time, f func(*payment, time.Time) error) (*payment, error) {
	next := q.clone()
	next.advance(p, now)
	var refused error
	if f != nil {
		done := next.clone()
		if refused = f(done, now); refused == nil {
			next = done
		}
	}
	if !reflect.DeepEqual(next, q) {
		p.index(next)
		if err := p.save(); err != nil {
			p.index(q)
			return nil, err
		}
		p.nudge()
	}
	return next, refused
}

func (q *payment) clone() *payment {
	c := *q
	c.Calls = slices.Clone(q.Calls)
	return &c
}
