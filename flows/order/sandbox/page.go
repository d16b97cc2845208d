package sandbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// Step is where a payer is.
type Step string

// The steps.
const (
	TypeCard Step = "card"
	Confirm  Step = "confirm" // 3-D Secure
	Wait     Step = "wait"    // for her bank
	Over     Step = "over"    // the State says how
)

// Page is what the page of a payment shows.
type Page struct {
	ID          string // the unguessable part of its address
	PaymentID   string
	Step        Step
	State       order.State
	Reason      string
	Shop        string
	Amount      int64
	Currency    string
	Recurring   bool
	Renewal     order.Renewal
	Description string
	Lines       []order.StartLine
	Lang        string
	Flow        order.PaymentFlow
	TermsURL    string
	ReturnURL   string   // of Redirect
	Origins     []string // of Seamless: who may frame it, and is told
	// FormToken goes with each [Event].
	FormToken string
	// Leave says that the payer goes to ReturnURL, or that the page around is told.
	Leave bool
	// Callbacks is what she has chosen.
	Callbacks Callbacks
}

// EventName is what a payer does.
type EventName string

// What she does.
const (
	Pay     EventName = "pay"
	GiveUp  EventName = "cancel"
	Approve EventName = "approve" // at her bank
	Reject  EventName = "reject"
)

// Event is a post from a page.
type Event struct {
	Name      EventName
	FormToken string
	Card      Card      // of Pay
	Callbacks Callbacks // of Pay
}

// Errors of [Provider.Post] beside [order.ErrUnknown] and [*CardError].
var (
	// ErrForm says that the post is not from the payment's own page.
	ErrForm = errors.New("sandbox: not from this payment's form")
	// ErrEvent says that there is no such event or way of callbacks.
	ErrEvent = errors.New("sandbox: no such event")
)

// Page returns what the page shows; [order.ErrUnknown] if there is none.
func (p *Provider) Page(ctx context.Context, id string) (Page, error) {
	return p.visit(ctx, id, nil)
}

// Post does what the payer wants, and returns what she sees then. What comes too
// late, as the second half of a double click does, changes nothing. With a
// *CardError or ErrForm the page is returned too.
func (p *Provider) Post(ctx context.Context, id string, e Event) (Page, error) {
	return p.visit(ctx, id, func(q *payment, now time.Time) error {
		if !p.proves(e.FormToken, "form", q.Page) {
			return ErrForm
		}
		if !slices.Contains([]Callbacks{CallAtOnce, CallLate, CallTwice, CallNever}, e.Callbacks) {
			return ErrEvent
		}
		switch e.Name {
		case Pay:
			return p.pay(q, e, now)
		case GiveUp:
			if q.step() == TypeCard || q.step() == Confirm {
				q.move(p, order.Cancelled, "", now)
			}
		case Approve:
			if q.step() == Confirm {
				q.move(p, p.agreed(q), "", now)
			}
		case Reject:
			if q.step() == Confirm {
				q.move(p, order.Failed, ReasonUnconfirmed, now)
			}
		default:
			return ErrEvent
		}
		return nil
	})
}

func (p *Provider) visit(ctx context.Context, id string, f func(*payment, time.Time) error) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.payments[id]
	if q == nil || q.Charge {
		return Page{}, order.ErrUnknown
	}
	q, err := p.change(q, time.Now(), f)
	if q == nil {
		return Page{}, err
	}
	return p.page(q), err
}

// agreed is what a payment becomes when the payer agrees.
func (p *Provider) agreed(q *payment) order.State {
	if slices.Contains(p.c.Sale, q.Method) {
		return order.Captured
	}
	return order.Authorized
}

func (p *Provider) pay(q *payment, e Event, now time.Time) error {
	if q.step() != TypeCard {
		return nil
	}
	card, err := e.Card.read(now)
	if err != nil {
		return err
	}
	q.Card, q.Callbacks = card, e.Callbacks
	switch card {
	case Approved, NeverReturns, RenewalDeclined:
		q.move(p, p.agreed(q), "", now)
	case Declined:
		q.move(p, order.Failed, ReasonDeclined, now)
	case InsufficientFunds:
		q.move(p, order.Failed, ReasonFunds, now)
	case Challenge:
		q.Challenged = true
	case Slow:
		q.Pending, q.PendingUntil = p.agreed(q), now.Add(p.c.Slow).UTC()
	case NoAnswer:
		q.Pending, q.PendingReason, q.PendingUntil = order.Failed, ReasonTimeout, q.Until
	}
	return nil
}

func (q *payment) step() Step {
	switch {
	case q.State != order.Open:
		return Over
	case q.Challenged:
		return Confirm
	case q.Pending != "":
		return Wait
	}
	return TypeCard
}

func (p *Provider) page(q *payment) Page {
	shop := p.c.Shops[q.MerchantID]
	if shop == "" {
		shop = q.MerchantID
	}
	v := Page{
		ID: q.Page, PaymentID: q.ID, Step: q.step(), State: q.State, Reason: q.Reason, Shop: shop,
		Amount: q.Amount, Currency: q.Currency, Recurring: q.Recurring, Renewal: q.Renewal, Description: q.Description,
		Lang: q.Lang, Flow: q.Flow, TermsURL: q.TermsURL, ReturnURL: q.ReturnURL, Origins: slices.Clone(q.Origins),
		FormToken: p.mac("form", q.Page), Callbacks: q.Callbacks,
	}
	for _, l := range q.Lines {
		v.Lines = append(v.Lines, order.StartLine{Name: l.Name, Quantity: l.Quantity, Amount: l.Amount})
	}
	switch v.Step {
	case Over:
		v.Leave = q.Card != NeverReturns
	case Wait: // the payer need not wait where she can be sent back; a frame waits
		v.Leave = q.Card == Slow && q.Flow == order.Redirect
	}
	return v
}
