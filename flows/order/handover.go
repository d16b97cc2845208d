package order

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

const (
	// maxSwaps bounds how often a record that others change too is tried.
	maxSwaps = 10
	// closeAfter is added to PayWithin before an order is closed, so that a node
	// whose clock is behind begins no payment for what another has closed.
	closeAfter = 5 * time.Minute
	// refusedPause is when an order is handed over again that the publisher's system
	// refuses: it is paid for, so somebody has to look.
	refusedPause = 24 * time.Hour
)

// handOver hands a paid order over to the publisher's system, and opens what is to
// be read meanwhile. Of an order that was handed over before it makes good what was
// cut off after that; of one that is not paid for it does nothing. An error that
// matches ErrUnacceptable is the publisher's last word; after any other it is tried
// again by the order's delivery.
func (s *Service) handOver(ctx context.Context, id int64) error {
	defer s.turns.take(ctx, "order "+orderKey(id))()
	err := s.handOverNow(ctx, id)
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrUnacceptable) {
		s.c.Logger.ErrorContext(ctx, "a publisher's system refuses a paid order: somebody has to look", "order", id, "err", err)
	} else {
		s.c.Logger.WarnContext(ctx, "an order is to be handed over later", "order", id, "err", err)
		s.hasten(ctx, id)
	}
	return err
}

// hasten makes the delivery of the order due, unless somebody has tried it often.
func (s *Service) hasten(ctx context.Context, id int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	due := time.Now().UTC().Add(time.Second)
	for attempts := range 3 {
		if err := s.c.Store.RetryDelivery(ctx, store.OrderWork, orderKey(id), attempts, due); !errors.Is(err, store.ErrConflict) {
			return
		}
	}
}

func (s *Service) handOverNow(ctx context.Context, id int64) error {
	o, err := s.c.Store.Order(ctx, id)
	if err != nil {
		return fmt.Errorf("look up order: %w", err)
	}
	c, err := decodeContent(o.Data)
	if err != nil {
		return err
	}
	switch o.Status {
	case store.OrderHandedOver:
		return s.handedOver(ctx, o, c)
	case store.OrderPaid:
	default:
		return nil
	}
	if err := s.grant(ctx, o, c); err != nil {
		return err
	}
	h, err := s.handOverOf(ctx, o, c)
	if err != nil {
		return err
	}
	receipt, err := s.desk(o.PartnerID).Take(ctx, h)
	if err != nil {
		if errors.Is(err, ErrUnacceptable) {
			s.observe(ctx, Step{OrderID: o.ID, PaymentID: o.PaymentID, ClientID: o.ClientID, From: string(store.OrderPaid), To: "unacceptable"})
		}
		return fmt.Errorf("hand over: %w", err)
	}
	for range maxSwaps {
		if o.Status == store.OrderHandedOver {
			return s.handedOver(ctx, o, c)
		}
		next := o
		next.Status, next.UpdatedAt = store.OrderHandedOver, time.Now().UTC().Truncate(time.Millisecond)
		next.CustomerNumber = cmp.Or(receipt.CustomerNumber, o.CustomerNumber)
		kept := c
		if kept.NewCustomer = receipt.New && h.UserID != ""; kept.NewCustomer != c.NewCustomer {
			if o.Data, err = encodeContent(kept); err != nil {
				return err
			}
		}
		if next.Data, err = forgotten(o.Data); err != nil {
			return err
		}
		err := s.c.Store.CommitOrders(ctx, []store.Order{next}, nil)
		switch {
		case err == nil:
			s.observe(ctx, Step{OrderID: o.ID, PaymentID: o.PaymentID, ClientID: o.ClientID, From: string(o.Status), To: string(next.Status)})
			return s.handedOver(ctx, next, kept)
		case !errors.Is(err, store.ErrConflict):
			return fmt.Errorf("store order: %w", err)
		}
		if o, err = s.c.Store.Order(ctx, id); err != nil {
			return fmt.Errorf("look up order: %w", err)
		}
		if c, err = decodeContent(o.Data); err != nil {
			return err
		}
	}
	return fmt.Errorf("store order: %w again and again", store.ErrConflict)
}

// handedOver does what follows a hand-over, as often as it is called: the user is
// tied to the customer that the publisher made of her, temporary access ends where
// the desk has opened what was bought, and the delivery is done.
func (s *Service) handedOver(ctx context.Context, o store.Order, c Content) error {
	if err := s.tie(ctx, o, c); err != nil {
		return err
	}
	if _, ok := s.desk(o.PartnerID).(*StoreDesk); ok {
		for i, l := range c.Lines {
			if l.AccessSeconds == 0 || l.StartDate.After(time.Now()) {
				continue
			}
			if err := s.c.Store.DeleteAccess(ctx, lineID(o.ID, i)); err != nil {
				return fmt.Errorf("end temporary access: %w", err)
			}
		}
	} else if err := s.grant(ctx, o, c); err != nil {
		return err
	}
	if err := s.c.Store.FinishDelivery(ctx, store.OrderWork, orderKey(o.ID)); err != nil {
		return fmt.Errorf("finish delivery: %w", err)
	}
	return nil
}

// tie makes the user the customer that the publisher has made of her.
func (s *Service) tie(ctx context.Context, o store.Order, c Content) error {
	if s.c.Tie == nil || o.UserID == "" || o.CustomerNumber == 0 {
		return nil
	}
	u, err := store.ResolveUser(ctx, s.c.Store, o.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up user: %w", err)
	}
	o.UserID = u.ID
	number, ok := Order{o, c}.CustomerOf(u)
	if !ok {
		return nil
	}
	if err := s.c.Tie(ctx, o.ClientID, u.ID, o.PartnerID, number); err != nil {
		return fmt.Errorf("tie user: %w", err)
	}
	return nil
}

// CustomerOf returns the number that the publisher has given the user as the payer of
// the order, once that was handed over. An order may say of its payer what it likes,
// and the publisher finds a customer by that: the number is the user's only if it was
// new when it was given to her, or all that the payer is reached at is what she has
// proved to own. One that the order named itself proves nothing.
func (o Order) CustomerOf(u store.User) (number int64, ok bool) {
	if o.Status != store.OrderHandedOver || o.UserID != u.ID || o.CustomerNumber == 0 || o.Content.Payer.CustomerNumber != 0 {
		return 0, false
	}
	return o.CustomerNumber, o.Content.NewCustomer || o.Content.Payer.provedBy(u)
}

// provedBy reports whether the person is reached at nothing but what the user has
// proved to own.
func (p Person) provedBy(u store.User) bool {
	proved := func(kind store.CredentialKind, identity string) bool {
		return slices.ContainsFunc(u.Credentials, func(c store.Credential) bool {
			return c.Kind == kind && c.Identity == identity && !c.VerifiedAt.IsZero()
		})
	}
	for _, e := range p.Emails {
		if id, ok := canonicalEmail(e); !ok || !proved(store.Email, id) {
			return false
		}
	}
	for _, n := range p.PhoneNumbers {
		if id, ok := canonicalPhone(n); !ok || !proved(store.Phone, id) {
			return false
		}
	}
	return len(p.Emails)+len(p.PhoneNumbers) > 0
}

// grant opens what the order opens until it is handled (ConnectID:
// allowAccessProduct, allowAccessSeconds), from when it was paid for. What nobody is
// known for is opened when somebody is.
func (s *Service) grant(ctx context.Context, o store.Order, c Content) error {
	if !slices.ContainsFunc(c.Lines, func(l Line) bool { return l.AccessSeconds > 0 }) {
		return nil
	}
	start, err := s.paidAt(ctx, o)
	if err != nil {
		return err
	}
	if start.IsZero() {
		start = o.CreatedAt
	}
	for i, l := range c.Lines {
		a := store.Access{
			ID: lineID(o.ID, i), PartnerID: o.PartnerID, UserID: o.UserID, CustomerNumber: o.CustomerNumber, Moved: o.Moved,
			StartsAt: start, ExpiresAt: start.Add(time.Duration(l.AccessSeconds) * time.Second),
		}
		a.Product, a.ArticleID = l.opens()
		if l.AccessProduct != "" {
			a.Product, a.ArticleID = l.AccessProduct, ""
		}
		if r, other := c.receiver(l); other {
			a.UserID, a.CustomerNumber = "", r.CustomerNumber
		}
		if l.AccessSeconds == 0 || a.UserID == "" && a.CustomerNumber == 0 || !a.ExpiresAt.After(time.Now()) {
			continue
		}
		if err := s.c.Store.PutAccess(ctx, a); err != nil {
			return fmt.Errorf("open temporary access: %w", err)
		}
	}
	return nil
}

// paidAt returns when a provider took the money for the order; zero when none did.
func (s *Service) paidAt(ctx context.Context, o store.Order) (time.Time, error) {
	if o.PaymentID == "" {
		return time.Time{}, nil
	}
	p, err := s.payment(ctx, o.PaymentID)
	if err != nil {
		return time.Time{}, err
	}
	d, err := readPayment(p)
	return d.PaidAt, err
}

// handOverOf is the order as the publisher gets it.
func (s *Service) handOverOf(ctx context.Context, o store.Order, c Content) (HandOver, error) {
	h := HandOver{
		OrderID: o.ID, PartnerID: o.PartnerID, ClientID: o.ClientID, UserID: o.UserID, CustomerNumber: o.CustomerNumber,
		Amount: o.Amount, Currency: o.Currency, PaymentRef: o.PaymentID, OrderedAt: o.OrderedAt, Content: c,
	}
	var err error
	if h.PaidAt, err = s.paidAt(ctx, o); err != nil {
		return HandOver{}, err
	}
	if o.UserID == "" {
		return h, nil
	}
	u, err := store.ResolveUser(ctx, s.c.Store, o.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound): // the account was deleted; the order is paid for all the same
		h.UserID = ""
		return h, nil
	case err != nil:
		return HandOver{}, fmt.Errorf("look up user: %w", err)
	}
	h.UserID = u.ID
	h.CustomerNumber = cmp.Or(h.CustomerNumber, u.CustomerNumber(o.PartnerID))
	for _, cred := range u.Credentials {
		if !cred.VerifiedAt.IsZero() {
			h.Contacts = append(h.Contacts, Contact{Kind: cred.Kind, Identity: cred.Identity})
		}
	}
	return h, nil
}

// workOrder brings an order to its end, as far as that can be done at this time.
func (s *Service) workOrder(ctx context.Context, d store.Delivery) error {
	id, err := strconv.ParseInt(d.ID, 10, 64)
	if err != nil {
		return nil // it is no order's
	}
	o, err := s.c.Store.Order(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s.orphan(ctx, d, id)
	case err != nil:
		return fmt.Errorf("look up order: %w", err)
	case len(o.Data) == 0:
		return s.releaseVoid(ctx, d, o)
	case o.Status == store.OrderPaid, o.Status == store.OrderHandedOver:
		until, err := s.atDesk(o.PartnerID, func() error { return s.handOver(ctx, id) })
		now := time.Now()
		switch {
		case !until.IsZero():
			return later(until, nil)
		case errors.Is(err, ErrUnacceptable):
			return later(now.Add(refusedPause), nil) // handOver has said so
		case err != nil: // not by its attempts: it has rested too
			return later(now.Add(backOff(now.Sub(o.UpdatedAt))), err)
		}
		return nil
	}
	closes := o.CreatedAt.Add(s.c.PayWithin + closeAfter)
	if now := time.Now(); now.Before(closes) {
		// Also before that: an order that was paid for may not have been handed over.
		next := now.Add(min(longestPause, max(orphanAfter, now.Sub(o.CreatedAt)/2)))
		return later(earlier(next, closes), nil)
	}
	return s.closeOrder(ctx, d, o)
}

// orphan takes back what a placing has done that was cut off.
func (s *Service) orphan(ctx context.Context, d store.Delivery, id int64) error {
	if ready := d.CreatedAt.Add(orphanAfter); time.Now().Before(ready) {
		return later(ready, nil)
	}
	var w work
	if err := json.Unmarshal(d.Data, &w); err != nil || w.PartnerID == "" || w.ClientID == "" {
		s.c.Logger.ErrorContext(ctx, "a delivery says nothing of its order", "delivery", d.ID)
		return nil
	}
	if _, err := s.void(ctx, store.Order{ID: id, PartnerID: w.PartnerID, ClientID: w.ClientID}); err != nil && !errors.Is(err, errVoid) {
		return err
	}
	return later(time.Now(), nil) // it is there, or its ID is given up
}

// releaseVoid gives back what was used for an order whose ID was given up, until
// nobody can be at it any more who has not heard of that.
func (s *Service) releaseVoid(ctx context.Context, d store.Delivery, o store.Order) error {
	if err := s.releaseSealed(ctx, d, o.ID); err != nil {
		return err
	}
	if ready := o.CreatedAt.Add(orphanAfter); time.Now().Before(ready) {
		return later(ready, nil)
	}
	return nil
}

// releaseSealed gives the vouchers back that the delivery names.
func (s *Service) releaseSealed(ctx context.Context, d store.Delivery, id int64) error {
	var w work
	if err := json.Unmarshal(d.Data, &w); err != nil || w.Vouchers == "" {
		return nil
	}
	plain, err := s.c.Keys.Codec(voucherSeal, 0, true).Open(orderKey(id), w.Vouchers)
	var vouchers []publisher.VoucherUse
	if err == nil {
		err = json.Unmarshal(plain, &vouchers)
	}
	if err != nil {
		s.c.Logger.ErrorContext(ctx, "the vouchers of an order that was not placed can not be given back", "order", id, "err", err)
		return nil
	}
	return s.release(ctx, vouchers)
}

// closeOrder ends an order that nobody has paid for in time: for good, and with its
// vouchers released. As long as a payment of it may still succeed it waits.
func (s *Service) closeOrder(ctx context.Context, d store.Delivery, o store.Order) error {
	c, err := decodeContent(o.Data)
	if err != nil {
		return err
	}
	if o.PaymentID != "" {
		p, err := s.Settle(ctx, o.PaymentID)
		switch {
		case err != nil:
			return fmt.Errorf("settle payment: %w", err)
		case p.Status == store.PaymentCaptured || !ended(p.Status):
			return later(time.Now().Add(max(orphanAfter, backOffAfter(d.Attempts))), nil)
		}
		if o, err = s.c.Store.Order(ctx, o.ID); err != nil {
			return fmt.Errorf("look up order: %w", err)
		}
		if o.PaymentID != p.ID || o.Status == store.OrderPaid || o.Status == store.OrderHandedOver {
			return later(time.Now().Add(leastPause), nil)
		}
	}
	data, err := forgotten(o.Data)
	if err != nil {
		return err
	}
	next := o
	next.Data, next.UpdatedAt = data, time.Now().UTC().Truncate(time.Millisecond)
	ended := o.Status == store.OrderCancelled || o.Status == store.OrderFailed
	if !ended {
		next.Status = store.OrderCancelled
	}
	// Also when nothing changes: a payment that was about to begin for the order as it
	// was does not begin.
	if err := s.c.Store.CommitOrders(ctx, []store.Order{next}, nil); err != nil {
		return fmt.Errorf("close order: %w", err)
	}
	if !ended {
		s.observe(ctx, Step{OrderID: o.ID, PaymentID: o.PaymentID, ClientID: o.ClientID, From: string(o.Status), To: string(next.Status)})
	}
	var vouchers []publisher.VoucherUse
	for i, l := range c.Lines {
		if l.VoucherCode != "" {
			vouchers = append(vouchers, voucherUse(o.PartnerID, o.ID, i, l))
		}
		if l.AccessSeconds > 0 {
			if err := s.c.Store.DeleteAccess(ctx, lineID(o.ID, i)); err != nil {
				return fmt.Errorf("end temporary access: %w", err)
			}
		}
	}
	return s.release(ctx, vouchers)
}

// ended reports whether nothing more happens to the money of a payment.
func ended(s store.PaymentStatus) bool {
	switch s {
	case store.PaymentCaptured, store.PaymentReleased, store.PaymentRefunded, store.PaymentCancelled, store.PaymentFailed:
		return true
	}
	return false
}
