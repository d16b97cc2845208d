package order

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// StoreDesk takes the orders of partners that have no system of their own: customers,
// subscriptions and rights to read in the kit's own store.
//
// A coupon of a subscription product makes a subscription to it and to what comes
// with it, from the startDate of the line or else from when it is taken, for the
// coupon's period. One that is invoiced or free and is renewed has no end: the
// publisher sends the next invoice. Any other ends with its period; a renewal is an
// order of its own. A coupon of another product opens that for its period, and a
// digital product, an issue or an article is opened for good. What is sent by post is
// the publisher's own business.
//
// Each customer, subscription and right is named by the order and the line, so that
// an order that is taken again, or was cut off at any point, makes nothing twice and
// leaves what was changed since as it is.
type StoreDesk struct{ store publisher.Store }

var _ Desk = (*StoreDesk)(nil)

// NewStoreDesk returns the desk on the store.
func NewStoreDesk(s publisher.Store) *StoreDesk { return &StoreDesk{s} }

// Take implements [Desk].
func (d *StoreDesk) Take(ctx context.Context, h HandOver) (Receipt, error) {
	if h.OrderID <= 0 || h.PartnerID == "" {
		return Receipt{}, fmt.Errorf("an order without an ID or a partner: %w", ErrUnacceptable)
	}
	people, ofLine := h.Content.recipients()
	numbers := make([]int64, len(people))
	for i, p := range people {
		known := p.CustomerNumber
		if i == 0 {
			known = cmp.Or(known, h.CustomerNumber)
		}
		var err error
		if numbers[i], err = d.customer(ctx, h, i, p, known); err != nil {
			return Receipt{}, err
		}
	}
	for i, l := range h.Content.Lines {
		t := taking{h: h, line: l, id: lineID(h.OrderID, i), customer: numbers[ofLine[i]]}
		if ofLine[i] == 0 {
			t.userID = h.UserID
		}
		if err := d.take(ctx, t); err != nil {
			return Receipt{}, fmt.Errorf("line %d: %w", i, err)
		}
	}
	return Receipt{CustomerNumber: numbers[0], New: cmp.Or(people[0].CustomerNumber, h.CustomerNumber) == 0}, nil
}

// customer returns the number of the nth recipient of the order, who becomes a
// customer if she is none.
func (d *StoreDesk) customer(ctx context.Context, h HandOver, nth int, p Person, known int64) (int64, error) {
	if known != 0 {
		_, err := d.store.Customer(ctx, h.PartnerID, known)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return 0, fmt.Errorf("there is no customer %d: %w", known, ErrUnacceptable)
		case err != nil:
			return 0, fmt.Errorf("look up customer: %w", err)
		}
		return known, nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := store.Customer{
		PartnerID: h.PartnerID, Key: fmt.Sprintf("order:%d:customer:%d", h.OrderID, nth),
		FirstName: p.FirstName, LastName: p.LastName, CompanyName: p.CompanyName, Street: p.street(),
		PostalCode: p.PostalCode, City: p.PostalPlace, Country: p.CountryCode, CreatedAt: now, UpdatedAt: now,
	}
	if nth == 0 {
		c.Contacts = slices.Clone(h.Contacts)
	}
	add := func(contact Contact) {
		if !slices.ContainsFunc(c.Contacts, func(o Contact) bool { return o.Kind == contact.Kind && o.Identity == contact.Identity }) {
			c.Contacts = append(c.Contacts, contact)
		}
	}
	for _, e := range p.Emails {
		if id, ok := canonicalEmail(e); ok {
			add(Contact{Kind: store.Email, Identity: id})
		}
	}
	for _, n := range p.PhoneNumbers {
		if id, ok := canonicalPhone(n); ok {
			add(Contact{Kind: store.Phone, Identity: id})
		}
	}
	c, err := d.store.CreateCustomer(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("create customer: %w", err)
	}
	return c.Number, nil
}

// street is the address in one line, as it stands on an envelope.
func (p Person) street() string {
	line := strings.Join(strings.Fields(strings.Join([]string{p.Street, p.StreetNumber, p.Entrance, p.Floor}, " ")), " ")
	if p.COAddress == "" {
		return line
	}
	return strings.TrimSuffix("c/o "+p.COAddress+", "+line, ", ")
}

// taking is a line that is taken.
type taking struct {
	h        HandOver
	line     Line
	id       string
	customer int64
	userID   string // of who gets it, if she is the order's user
}

// start is when what is bought begins.
func (t taking) start() time.Time {
	if !t.line.StartDate.IsZero() {
		return t.line.StartDate
	}
	return time.Now().UTC().Truncate(time.Millisecond)
}

// end is when what begins at the given time is over; zero while no end is known.
func (t taking) end(start time.Time) time.Time {
	l := t.line
	if l.Period.Length == 0 {
		return time.Time{}
	}
	method := Method(t.h.Content.Method)
	if !t.h.Content.Prepaid && (method == Invoice || method == Free && l.VoucherCode == "") && l.Renewal.Period.Length > 0 {
		return time.Time{}
	}
	return publisher.PeriodEnd(l.Period, start)
}

func (d *StoreDesk) take(ctx context.Context, t taking) error {
	l := t.line
	switch {
	case l.SpecType == specCoupon && l.ProductType == store.SubscriptionProduct:
		return d.subscribe(ctx, t)
	case l.SpecType == specCoupon && (l.Digital || l.Period.Length > 0):
		return d.open(ctx, t, store.Access{Product: l.Product})
	case l.SpecType == specCoupon, l.SpecType == specProduct && !l.Digital: // goods
		return nil
	}
	var a store.Access
	a.Product, a.ArticleID = l.opens()
	return d.open(ctx, t, a)
}

// opens says what there is to read for who buys the line: a product, or of an issue or
// an article that itself, whatever product the line says that it is of.
func (l Line) opens() (product, article string) {
	switch {
	case l.SpecType == specCoupon, l.SpecType == specProduct:
		return l.Product, ""
	case l.ProductType != "" || l.Digital || l.Product == l.SpecCode: // the catalogue sells it by itself
		return l.SpecCode, ""
	}
	return l.Product, l.SpecCode
}

// subscribe makes the subscriptions that are not there yet.
func (d *StoreDesk) subscribe(ctx context.Context, t taking) error {
	h, l := t.h, t.line
	method := Method(h.Content.Method)
	start := t.start()
	first := store.Subscription{
		ID: t.id, PartnerID: h.PartnerID, CustomerNumber: t.customer, Product: l.Product, Name: l.Name,
		StartsAt: start, EndsAt: t.end(start), Paid: method != Invoice || h.Content.Prepaid || l.Price == 0,
		Price: l.Price * int64(l.Quantity), Currency: h.Currency, Payment: string(cmp.Or(method, OtherMethod)),
		CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
	if first.Price == 0 {
		first.Currency = ""
	}
	all := []store.Subscription{first}
	for _, product := range l.ExtraProducts {
		extra := first
		extra.ID, extra.Product, extra.Name, extra.Price, extra.Currency = t.id+":"+product, product, product, 0, ""
		p, err := d.store.Product(ctx, h.PartnerID, product)
		switch {
		case err == nil:
			extra.Name = cmp.Or(p.Description, product)
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("look up product: %w", err)
		}
		all = append(all, extra)
	}
	for i, s := range all {
		was, err := d.store.Subscription(ctx, s.ID)
		if err == nil {
			if i == 0 { // what comes with it is as long as it
				for j := range all {
					all[j].StartsAt, all[j].EndsAt = was.StartsAt, was.EndsAt
				}
			}
			continue
		}
		if errors.Is(err, store.ErrNotFound) {
			err = d.store.PutSubscription(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("create subscription: %w", err)
		}
	}
	return nil
}

// open gives the right to read, if it is not there yet.
func (d *StoreDesk) open(ctx context.Context, t taking, a store.Access) error {
	a.ID, a.PartnerID, a.UserID, a.CustomerNumber = t.id+":bought", t.h.PartnerID, t.userID, t.customer
	for there, err := range d.store.CustomerAccesses(ctx, a.PartnerID, a.CustomerNumber) {
		if err != nil {
			return fmt.Errorf("list accesses: %w", err)
		}
		if there.ID == a.ID {
			return nil
		}
	}
	a.StartsAt = t.start()
	if t.line.StartDate.IsZero() { // the same again when it is taken again
		a.StartsAt = cmp.Or(t.h.PaidAt, t.h.OrderedAt, a.StartsAt)
	}
	a.ExpiresAt = store.NoEnd
	if end := t.end(a.StartsAt); !end.IsZero() {
		a.ExpiresAt = end
	}
	if err := d.store.PutAccess(ctx, a); err != nil {
		return fmt.Errorf("open access: %w", err)
	}
	return nil
}
