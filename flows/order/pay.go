package order

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	// maxOrders bounds how many orders are paid for together.
	maxOrders = 50
	// maxShown is the length of a description that a provider shows, in characters.
	maxShown = 40
	// patience is how long a payment that another has begun is waited for before the
	// provider is asked for the same again, and patienceStep how often it is read.
	patience     = 3 * time.Second
	patienceStep = 50 * time.Millisecond
	// freshFor is for how long an open payment is not asked about when its payer comes
	// by again.
	freshFor = 2 * time.Second
)

// Check finds the orders of a checkout, without a word to a provider: all of one
// client and one merchant group, of this user or of nobody, and several only if all
// are paid by card. ErrNotFound for an unknown order and another user's alike, a
// *RefusedError for a list that can not be paid for together. Before somebody is
// logged in c.UserID may be empty.
func (s *Service) Check(ctx context.Context, c Checkout) ([]Order, error) {
	ids := slices.Clone(c.OrderIDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return nil, refuse("orderId", "is missing")
	case len(ids) > maxOrders:
		return nil, refuse("orderId", "names %d orders, want at most %d", len(ids), maxOrders)
	}
	var orders []Order
	owner := c.UserID
	for _, id := range ids {
		stored, err := s.c.Store.Order(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, ErrNotFound
		case err != nil:
			return nil, fmt.Errorf("find order %d: %w", id, err)
		case c.ClientID != "" && stored.ClientID != c.ClientID:
			return nil, ErrNotFound
		case stored.UserID != "" && owner != "" && stored.UserID != owner:
			return nil, ErrNotFound // of somebody else, or of two
		}
		if owner == "" {
			owner = stored.UserID
		}
		content, err := decodeContent(stored.Data)
		if err != nil {
			return nil, fmt.Errorf("order %d: %w", id, err)
		}
		if content.Forgotten { // nobody else's either
			return nil, ErrNotFound
		}
		orders = append(orders, Order{stored, content})
	}
	group := ""
	for _, o := range orders {
		m := s.merchant(o.PartnerID, o.MerchantID)
		switch {
		case o.ClientID != orders[0].ClientID:
			return nil, refuse("orderId", "names orders of several clients")
		case len(orders) > 1 && Method(o.Method).card() != CreditCardPayEx:
			return nil, refuse("orderId", "names several orders, and one of them is not paid by creditcard")
		case len(orders) > 1 && o.Currency != orders[0].Currency:
			return nil, refuse("orderId", "names orders in several currencies")
		case !paid(o) && (m == nil || m.provider(Method(o.Method)) == nil):
			return nil, refuse("orderId", "names an order for which no configured merchant is paid by %s", o.Method)
		case m == nil:
			continue
		case len(orders) > 1 && group != "" && m.Group != group:
			return nil, refuse("orderId", "names orders of several merchant groups")
		}
		group = m.Group
	}
	return orders, nil
}

// paid reports whether there is nothing to pay for the order any more.
func paid(o Order) bool { return o.Status == store.OrderPaid || o.Status == store.OrderHandedOver }

// Pay begins the payment of the orders, or goes on with the one that has begun: of
// any number of callers, at any number of nodes, all get the same. Orders that need
// no provider are Success at once. The error is ErrClosed when one of the orders can
// not be paid for any more, and as for Check.
func (s *Service) Pay(ctx context.Context, c Checkout) (Due, error) {
	if c.UserID == "" {
		return Due{}, errors.New("order: Pay needs to know who pays")
	}
	begun := time.Now()
	for range maxSteps {
		orders, err := s.Check(ctx, c)
		if err != nil {
			return Due{}, err
		}
		due, err := s.pay(ctx, c, orders, begun)
		if !isConflict(err) {
			return due, err
		}
	}
	return Due{}, fmt.Errorf("pay for orders %v: %w", c.OrderIDs, errBusy)
}

// pay makes one attempt: ErrConflict says that somebody else was faster.
func (s *Service) pay(ctx context.Context, c Checkout, orders []Order, begun time.Time) (Due, error) {
	var open, orphans []Order
	for _, o := range orders {
		switch {
		case !paid(o):
			open = append(open, o)
		case o.UserID == "":
			orphans = append(orphans, o)
		}
	}
	if err := s.adopt(ctx, orphans, c.UserID); err != nil {
		return Due{}, err
	}
	if len(open) == 0 {
		return Due{Outcome: Success, PaymentID: orders[0].PaymentID}, nil
	}
	for _, o := range open {
		if o.PaymentID == "" {
			continue
		}
		p, err := s.payment(ctx, o.PaymentID)
		if err != nil {
			return Due{}, err
		}
		if o.Status != store.OrderAwaitingPayment {
			if !p.CreatedAt.Before(begun) && covers(p, open) { // another has tried meanwhile
				return due(p)
			}
			continue
		}
		if !covers(p, open) {
			if isFor(p, open) { // the orders were read while it began
				return Due{}, store.ErrConflict
			}
			// It is for other orders too, or not for all of these.
			if err := s.stopPayment(ctx, p.ID); err != nil {
				return Due{}, err
			}
			return Due{}, store.ErrConflict
		}
		return s.goOn(ctx, p)
	}
	for _, o := range open {
		if s.closed(o) {
			return Due{}, ErrClosed
		}
	}
	p, err := s.open(ctx, c, open, len(open) < len(orders))
	if err != nil {
		return Due{}, err
	}
	if p, err = s.began(ctx, p.ID, true); err != nil {
		return Due{}, err
	}
	return due(p)
}

// closed reports whether the order can not be paid for any more.
func (s *Service) closed(o Order) bool {
	return !time.Now().Before(o.CreatedAt.Add(s.c.PayWithin))
}

// adopt makes orders that are nobody's the user's.
func (s *Service) adopt(ctx context.Context, orders []Order, userID string) error {
	var mine []store.Order
	for _, o := range orders {
		o.UserID, o.UpdatedAt = userID, time.Now()
		mine = append(mine, o.Order)
	}
	if len(mine) == 0 {
		return nil
	}
	if err := s.c.Store.CommitOrders(ctx, mine, nil); err != nil {
		return fmt.Errorf("make orders the payer's: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, handOverWithin)
	defer cancel()
	for _, o := range mine {
		_ = s.handOver(bounded, o.ID) // what they open is opened for her; else the log says why not
	}
	return nil
}

// isFor reports whether the payment was begun for exactly the orders.
func isFor(p store.Payment, orders []Order) bool {
	return len(p.Orders) == len(orders) && !slices.ContainsFunc(orders, func(o Order) bool { return !slices.Contains(p.Orders, o.ID) })
}

// covers reports whether the payment is for exactly the orders, and the latest of
// each.
func covers(p store.Payment, orders []Order) bool {
	return isFor(p, orders) && !slices.ContainsFunc(orders, func(o Order) bool { return o.PaymentID != p.ID })
}

// goOn goes on with a payment that has begun.
func (s *Service) goOn(ctx context.Context, p store.Payment) (Due, error) {
	p, err := s.began(ctx, p.ID, false)
	if err != nil {
		return Due{}, err
	}
	if p.Status == store.PaymentOpen && time.Since(p.UpdatedAt) < freshFor || p.Status == store.PaymentFailed {
		return due(p)
	}
	open := p
	if p, err = s.Settle(ctx, p.ID); err != nil && open.Status == store.PaymentOpen {
		// Where she pays is known, and it may be that only the question failed.
		s.c.Logger.WarnContext(ctx, "a payment can not be asked about", "payment", open.ID, "err", err)
		return due(open)
	} else if err != nil {
		return Due{}, err
	}
	switch p.Status {
	case store.PaymentCancelled, store.PaymentFailed, store.PaymentReleased:
		return Due{}, store.ErrConflict // the orders are to be paid for again
	}
	return due(p)
}

// due is what is left to do for a payment.
func due(p store.Payment) (Due, error) {
	d, err := readPayment(p)
	if err != nil {
		return Due{}, err
	}
	out := Due{Outcome: OutcomeOf(p), PaymentID: p.ID}
	if p.Status == store.PaymentOpen {
		out.RedirectURL = d.RedirectURL
	}
	return out, nil
}

// stopPayment ends a payment that is in the way of another, unless its payer was faster.
// Without an error it is not open any more.
func (s *Service) stopPayment(ctx context.Context, id string) error {
	for range maxSteps {
		p, err := s.Settle(ctx, id)
		if err != nil {
			return err
		}
		switch p.Status {
		case store.PaymentCaptured, store.PaymentReleased, store.PaymentRefunded, store.PaymentCancelled, store.PaymentFailed:
			return nil
		case store.PaymentOpen, store.PaymentAuthorized:
		default:
			return fmt.Errorf("give up payment %s: %w", id, errPending)
		}
		d, err := readPayment(p)
		if err != nil {
			return err
		}
		if err := s.commitChange(ctx, newChange(p).to(store.PaymentReleasing), d); err != nil && !isConflict(err) {
			return err
		}
	}
	return fmt.Errorf("give up payment %s: %w", id, errBusy)
}

// open stores the payment of the orders: with it they become the payer's, and wait
// for it.
func (s *Service) open(ctx context.Context, c Checkout, orders []Order, others bool) (store.Payment, error) {
	client, err := store.SharedClient(ctx, s.c.Clients, orders[0].ClientID)
	if err != nil {
		return store.Payment{}, fmt.Errorf("find client %s: %w", orders[0].ClientID, err)
	}
	now := time.Now()
	m := s.merchant(orders[0].PartnerID, orders[0].MerchantID) // Check has seen to it
	p := store.Payment{
		ID: newPaymentID(), PartnerID: orders[0].PartnerID, ClientID: orders[0].ClientID, UserID: c.UserID,
		Method: string(Method(orders[0].Method).card()), MerchantID: m.ID, Currency: orders[0].Currency, CreatedAt: now,
	}
	until := now.Add(payGrace)
	start := &Start{
		ID: p.ID, Key: key(p, "start"), MerchantID: m.ID, Method: Method(p.Method), Flow: Redirect, Currency: p.Currency,
		Payer: payerOf(c.UserID, c.UserAgent, orders[0].Content.Payer), Lang: c.Lang, ReturnURL: c.ReturnURL, TermsURL: client.SubscriptionTermsURL,
	}
	var names []string
	for _, o := range orders {
		if o.Amount < 0 || o.Amount > math.MaxInt64-start.Amount {
			return store.Payment{}, fmt.Errorf("order %d: its amount can not be paid", o.ID)
		}
		p.Orders = append(p.Orders, o.ID)
		start.Amount += o.Amount
		start.Recurring = start.Recurring || o.Content.Recurring || Method(o.Method) == VippsRecurring
		if end := o.CreatedAt.Add(s.c.PayWithin); end.After(until) {
			until = end
		}
		for _, l := range o.Content.Lines {
			names = append(names, l.Name)
			start.Lines = append(start.Lines, startLine(l))
			start.VATAmount += startLine(l).VATAmount
		}
	}
	if lines := orders[0].Content.Lines; len(orders) == 1 && len(lines) == 1 {
		start.Renewal = lines[0].Renewal
	}
	start.Description = describe(client.Name, names...)
	start.Lines = balanced(start.Lines, start.Amount, start.VATAmount, start.Description)
	p.Amount, p.Recurring = start.Amount, start.Recurring
	d := paymentData{Start: start, Key: s.c.Keys.ID(), Until: until, Others: others}
	change := newChange(p).to(store.PaymentNew)
	for _, o := range orders {
		o.UserID, o.PaymentID = c.UserID, p.ID
		change.order(o.Order, store.OrderAwaitingPayment)
	}
	return p, s.insert(ctx, change, d)
}

// insert stores a payment that begins, and queues the work on it first: whatever
// becomes of this call and its caller, somebody looks after it.
func (s *Service) insert(ctx context.Context, c *change, d paymentData) error {
	id := c.payment.ID
	if err := s.queue(ctx, id); err != nil {
		return err
	}
	err := s.commitChange(ctx, c, d)
	if isConflict(err) { // so it is not stored; a delivery that stays finds nothing to do
		if err := s.c.Store.FinishDelivery(ctx, store.PaymentWork, id); err != nil {
			s.c.Logger.WarnContext(ctx, "a delivery can not be finished", "kind", store.PaymentWork, "delivery", id, "err", err)
		}
	}
	return err
}

// newPaymentID returns 26 letters and digits with 130 bits of randomness.
func newPaymentID() string { return rand.Text() }

// began returns the payment when the provider has begun it. Whoever has not inserted
// it waits for a while for who has, and then asks the provider itself, under the same
// key.
func (s *Service) began(ctx context.Context, id string, mine bool) (store.Payment, error) {
	for waited := time.Duration(0); !mine && waited < patience; waited += patienceStep {
		p, err := s.payment(ctx, id)
		if err != nil || p.Status != store.PaymentNew {
			return p, err
		}
		if age := time.Since(p.CreatedAt); age >= patience {
			break // whoever inserted it is gone
		}
		select {
		case <-time.After(patienceStep):
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
	defer s.turns.take(ctx, id)()
	for range maxSteps {
		p, err := s.payment(ctx, id)
		if err != nil || p.Status != store.PaymentNew {
			return p, err
		}
		d, err := readPayment(p)
		if err != nil {
			return p, err
		}
		provider, err := s.providerOf(p)
		if err != nil {
			return p, err
		}
		if err := s.begin(ctx, &turn{}, provider, p, d); err != nil && !isConflict(err) {
			return p, fmt.Errorf("payment %s: %w", p.ID, err)
		}
	}
	return store.Payment{}, fmt.Errorf("payment %s: %w", id, errBusy)
}

// payerOf is what a provider is told of who pays.
func payerOf(userID, userAgent string, who Person) Payer {
	p := Payer{UserID: userID, UserAgent: userAgent}
	if len(who.Emails) > 0 {
		p.Email = who.Emails[0]
	}
	if len(who.PhoneNumbers) > 0 {
		p.Phone = who.PhoneNumbers[0]
	}
	return p
}

// startLine is a line of an order as providers are told it.
func startLine(l Line) StartLine {
	n := int64(max(l.Quantity, 1))
	return StartLine{
		Reference: l.code(), Name: l.Name, Quantity: int(n),
		Amount: n * l.Price, VATAmount: n * l.VATAmount, VATPercent: l.VATPercent,
	}
}

// code is what the product of a line is called.
func (l Line) code() string {
	if l.Product != "" {
		return l.Product
	}
	return l.SpecCode
}

// balanced returns the lines if they add up to the amount, and one for all of it
// otherwise: an amount that the client has set itself.
func balanced(lines []StartLine, amount, vat int64, name string) []StartLine {
	sum := int64(0)
	for _, l := range lines {
		sum += l.Amount
	}
	if len(lines) > 0 && sum == amount {
		return lines
	}
	return []StartLine{{Reference: "order", Name: name, Quantity: 1, Amount: amount, VATAmount: min(vat, amount)}}
}

// describe joins names to a description.
func describe(client string, names ...string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.TrimSpace(n) == "" })
	text := strings.Join(strings.Fields(strings.Join(names, ", ")), " ")
	if text == "" {
		text = client
	}
	if r := []rune(text); len(r) > maxShown {
		text = strings.TrimSpace(string(r[:maxShown-1])) + "…"
	}
	return text
}
