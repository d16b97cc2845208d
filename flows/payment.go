package flows

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// The documented events of payments.
const (
	PaymentInit      Event = "paymentInitEvent"      // there is something to pay, and she is sent to the provider
	PaymentAccepted  Event = "paymentAcceptedEvent"  // it is paid, or needs no payment
	PaymentFailed    Event = "paymentFailedEvent"    // it was declined, or can not be paid any more
	PaymentCancelled Event = "paymentCancelledEvent" // she did not want to pay
)

// Events of payments in the style of the documents.
const (
	PaymentOutage  Event = "paymentOutageEvent"  // the provider can not be asked, and she has a form to send again
	PaymentWait    Event = "paymentWaitEvent"    // nobody knows yet how it has ended
	PaymentUnknown Event = "paymentUnknownEvent" // nobody knows, and she goes on all the same; or of several orders some are paid
)

// Orders is what flows ask of orders and their payments: an [order.Service].
type Orders interface {
	// Methods returns the ways to pay at the default merchant of the partner.
	Methods(partnerID string) []order.Method
	Place(ctx context.Context, p order.Placement) (order.Order, error)
	Orders(ctx context.Context, partnerID, userID string) ([]order.Order, error)
	Check(ctx context.Context, c order.Checkout) ([]order.Order, error)
	Pay(ctx context.Context, c order.Checkout) (order.Due, error)
	Settle(ctx context.Context, paymentID string) (store.Payment, error)
}

// ErrNoOrder says that what is to be paid for is nothing that this user can pay
// for here: an unknown order, somebody else's, or orders that do not go together.
// Which, nobody is told.
var ErrNoOrder = errors.New("flows: no such orders")

// Paying is what a run remembers of what is paid for.
type Paying struct {
	OrderIDs []int64       `json:"orders,omitempty"`  // placed by the run itself
	Outcome  order.Outcome `json:"outcome,omitempty"` // how it has ended
	Since    time.Time     `json:"since,omitzero"`    // when the wait for that began
	Closed   int           `json:"closed,omitempty"`  // how many orders for the same can not be paid for any more
}

// IsZero reports whether there is nothing to remember.
func (p Paying) IsZero() bool {
	return len(p.OrderIDs) == 0 && p.Outcome == "" && p.Since.IsZero() && p.Closed == 0
}

// waitFor is how long a page waits for the outcome of a payment before the user
// goes on without it. Whatever becomes of it then, the order does not need her.
const waitFor = 3 * time.Minute

// payWithin bounds what the provider may take to begin a payment, so that something
// can still be answered.
const payWithin = 4 * time.Second

// The states of a payment.

func payment(more ...Event) *State {
	return Hop("paymentState", leaveForPayment, backFromPayment,
		append([]Event{PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentWait, PaymentUnknown}, more...)...).
		AnyTrip().Watch(watchTrip)
}

func paymentWait() *Sequence {
	return NewSequence("paymentWaitSequence",
		Show("paymentWaitState", submitWait,
			Continue, PaymentInit, NavigateAway, PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentUnknown, LoginAgain).
			Own(PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentUnknown, LoginAgain).
			Guard(sameUser).Watch(watchPayment).Load(loadPaymentWait),
		On(Continue, "paymentWaitState"),
	)
}

func (r *Run) checkout() order.Checkout {
	ids := r.Data.Paying.OrderIDs
	if len(r.Request.OrderIDs) > 0 {
		ids = r.Request.OrderIDs
	}
	return order.Checkout{OrderIDs: ids, ClientID: r.Request.Client.ID, UserID: r.Data.UserID, Lang: r.Request.Lang}
}

// noOrder turns what is wrong with a checkout into [ErrNoOrder].
func noOrder(err error) error {
	if _, refused := errors.AsType[*order.RefusedError](err); refused || errors.Is(err, order.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrNoOrder, err)
	}
	return err
}

// stood is how the orders of a checkout stand.
type stood struct {
	outcome order.Outcome
	orders  []order.Order
	// taking says that the payer has agreed, and that it is the provider's or the
	// kit's turn: there is nothing for her to pay.
	taking bool
}

// stand asks the provider how the payments of the orders stand. What the browser
// says has no part in it.
func stand(ctx context.Context, orders Orders, c order.Checkout) (stood, error) {
	all, err := orders.Check(ctx, c)
	if err != nil {
		return stood{}, noOrder(err)
	}
	s, asked := stood{}, map[string]bool{"": true}
	for _, o := range all {
		if outcomeOf(o) != order.Waiting || asked[o.PaymentID] {
			continue
		}
		asked[o.PaymentID] = true
		p, err := orders.Settle(ctx, o.PaymentID)
		if err != nil {
			return stood{outcome: together(all), orders: all}, err
		}
		switch p.Status {
		case store.PaymentAuthorized, store.PaymentCapturing, store.PaymentReleasing, store.PaymentRefunding:
			s.taking = true
		}
	}
	if len(asked) > 1 {
		if all, err = orders.Check(ctx, c); err != nil {
			return stood{}, noOrder(err)
		}
	}
	s.outcome, s.orders = together(all), all
	return s, nil
}

func outcomeOf(o order.Order) order.Outcome {
	switch o.Status {
	case store.OrderPaid, store.OrderHandedOver:
		return order.Success
	case store.OrderCancelled:
		return order.Cancel
	case store.OrderFailed:
		return order.Error
	}
	return order.Waiting
}

// together is the outcome of all orders (ConnectID: fulfillmentStatus).
func together(all []order.Order) order.Outcome {
	outcomes := make([]order.Outcome, len(all))
	for i, o := range all {
		outcomes[i] = outcomeOf(o)
	}
	slices.Sort(outcomes)
	switch outcomes = slices.Compact(outcomes); {
	case slices.Contains(outcomes, order.Waiting):
		return order.Waiting
	case len(outcomes) == 1:
		return outcomes[0]
	}
	return order.Uncertain
}

// paid notes how it has ended, and returns the event that says so.
func (r *Run) paid(o order.Outcome) Event {
	r.Data.Paying.Outcome = o
	switch o {
	case order.Success:
		return PaymentAccepted
	case order.Cancel:
		return PaymentCancelled
	case order.Error:
		return PaymentFailed
	case order.Waiting:
		if r.Data.Paying.Since.IsZero() {
			r.Data.Paying.Since = time.Now().UTC()
		}
		return PaymentWait
	}
	return PaymentUnknown
}

// leaveForPayment sends the user to the provider. The payment is one, however many
// runs ask for it.
func leaveForPayment(ctx context.Context, r *Run) (Event, error) {
	c := r.checkout()
	c.ReturnURL = r.Request.PayReturn + "?state=" + url.QueryEscape(r.HopState())
	if err := r.Keep(ctx); err != nil {
		return "", err
	}
	paying, cancel := within(ctx, payWithin)
	defer cancel()
	due, err := r.Orders.Pay(paying, c)
	switch {
	case errors.Is(err, order.ErrClosed):
		due.Outcome, r.Data.Paying.Closed = order.Error, r.Data.Paying.Closed+1
	case err != nil && len(r.Data.Paying.OrderIDs) > 0 && ctx.Err() == nil:
		r.Accounts.PublisherFailed(ctx, r.Data.UserID, r.Client(), err)
		r.Fault("", "fault.outage")
		return PaymentOutage, nil
	case err != nil:
		return "", noOrder(err)
	}
	if due.Outcome != order.Waiting || due.RedirectURL == "" {
		return r.ended(due.Outcome), nil
	}
	if _, err := target.Parse(due.RedirectURL); err != nil {
		return "", fmt.Errorf("address of the payment provider: %w", err)
	}
	return Stay, r.Leave(due.RedirectURL, nil)
}

// backFromPayment has her come back. That she does says nothing.
func backFromPayment(ctx context.Context, r *Run, _ []byte, _ Form) (Event, error) {
	r.Data.Paying.Since = time.Time{}
	return askPayment(ctx, r)
}

// askPayment asks the provider how it went. While it does not answer, nobody knows.
func askPayment(ctx context.Context, r *Run) (Event, error) {
	s, err := stand(ctx, r.Orders, r.checkout())
	switch {
	case errors.Is(err, ErrNoOrder), err != nil && (ctx.Err() != nil || len(s.orders) == 0):
		return "", err
	case err != nil: // the service has logged it
		return r.paid(order.Waiting), nil
	}
	return r.ended(s.outcome), nil
}

// ended is paid, and says so to who sees the form of her order again.
func (r *Run) ended(o order.Outcome) Event {
	e := r.paid(o)
	if len(r.Data.Paying.OrderIDs) > 0 {
		switch e {
		case PaymentCancelled:
			r.Fault("", "fault.payment.cancelled")
		case PaymentFailed:
			r.Fault("", "fault.payment.failed")
		}
	}
	return e
}

// watchTrip looks whether it is paid before she is sent to the provider again.
func watchTrip(ctx context.Context, r *Run) (Event, error) {
	e, err := askPayment(ctx, r)
	if e == PaymentWait {
		r.Data.Paying.Since = time.Time{}
		return Stay, err
	}
	return e, err
}

// watchPayment is paymentWaitState when its page is fetched again.
func watchPayment(ctx context.Context, r *Run) (Event, error) {
	e, err := askPayment(ctx, r)
	switch {
	case err != nil || e != PaymentWait:
		return e, err
	case time.Since(r.Data.Paying.Since) >= waitFor:
		return PaymentUnknown, nil
	}
	return Stay, nil
}

// submitWait is paymentWaitState: she looks again, goes on paying, or leaves.
func submitWait(ctx context.Context, r *Run, e Event) (Event, error) {
	got, err := askPayment(ctx, r)
	switch {
	case err != nil || got != PaymentWait:
		return got, err
	case e == NavigateAway:
		return PaymentUnknown, nil
	case e == PaymentInit && r.isRemembered():
		return LoginAgain, nil
	case e == PaymentInit:
		return PaymentInit, nil
	}
	r.Data.Notice = "notice.payment.waiting"
	return Stay, nil
}

func loadPaymentWait(ctx context.Context, r *Run, v *View) error {
	if v.Refresh = 3; time.Since(r.Data.Paying.Since) > 30*time.Second {
		v.Refresh = 10
	}
	return loadReceipt(ctx, r, v)
}

// loadReceipt shows what was ordered, in the language of the page.
func loadReceipt(ctx context.Context, r *Run, v *View) error {
	all, err := r.Orders.Check(ctx, r.checkout())
	if err != nil {
		return noOrder(err)
	}
	writeReceipt(v, all, r.Request.Lang)
	return nil
}

// writeReceipt lists the lines of orders. Orders of several currencies have no total.
func writeReceipt(v *View, all []order.Order, lang string) {
	var numbers []string
	total, vat, taxed, currency, mixed := int64(0), int64(0), true, "", false
	for _, o := range all {
		numbers = append(numbers, strconv.FormatInt(o.ID, 10))
		mixed = mixed || currency != "" && o.Currency != "" && currency != o.Currency
		currency = firstOf(o.Currency, currency)
		total += o.Amount
		for _, l := range o.Content.Lines {
			quantity := int64(max(1, l.Quantity))
			item := Item{
				Key: strconv.Itoa(len(v.Lists["receipt"])), Title: firstOf(l.Name, l.Product, l.SpecCode),
				Detail: periodText(lang, l.Period, l.Renewal, o.Currency),
			}
			if quantity > 1 {
				item.Detail = texts.Get(lang, "receipt.quantity", int(quantity), texts.Money(lang, l.Price, o.Currency))
			}
			if o.Currency != "" {
				item.Amount = texts.Money(lang, l.Price*quantity, o.Currency)
			}
			vat += l.VATAmount * quantity
			taxed = taxed && (l.VATPercent > 0 || l.VATAmount > 0 || l.Price == 0)
			v.Lists["receipt"] = append(v.Lists["receipt"], item)
		}
	}
	v.Args["order"] = strings.Join(numbers, ", ")
	if currency != "" && !mixed {
		v.Flags["total"], v.Args["total"] = true, texts.Money(lang, total, currency)
		if taxed && vat > 0 {
			v.Flags["vat"], v.Args["vat"] = true, texts.Money(lang, vat, currency)
		}
	}
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

var periodTexts = map[store.PeriodUnit]struct{ lasts, renews texts.ID }{
	store.Days:   {"period.days", "renewal.days"},
	store.Weeks:  {"period.weeks", "renewal.weeks"},
	store.Months: {"period.months", "renewal.months"},
	store.Years:  {"period.years", "renewal.years"},
}

// periodText says how long something lasts, and what it costs then.
func periodText(lang string, p store.Period, then store.Renewal, currency string) string {
	var parts []string
	if t, ok := periodTexts[p.Unit]; ok && p.Length > 0 {
		parts = append(parts, texts.Get(lang, t.lasts, p.Length))
	}
	if t, ok := periodTexts[then.Period.Unit]; ok && then.Period.Length > 0 {
		parts = append(parts, texts.Get(lang, t.renews, then.Period.Length, texts.Money(lang, then.Price, currency)))
	}
	return strings.Join(parts, ", ")
}

// isRemembered reports whether the user has not proven who she is in the session, by
// password or code: the browser remembers her, or a link in a message let her in. What is stored at a provider is not paid with then (security promise 8).
func (r *Run) isRemembered() bool {
	return r.Browser.LoggedIn() && r.Browser.Session.FreshAt.IsZero()
}
