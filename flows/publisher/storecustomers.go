package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// StoreCustomers is the customer system of partners that have none: customers
// and subscriptions in the kit's own store. It keeps no ties; those of the kit
// are enough.
type StoreCustomers struct {
	store     Store
	catalogue *StoreCatalogue
}

var (
	_ Customers   = (*StoreCustomers)(nil)
	_ Memberships = (*StoreMemberships)(nil)
)

// NewStoreCustomers returns the customer system on the store. Readers can order
// the coupons of their site's partner that are Offered.
func NewStoreCustomers(s Store) *StoreCustomers {
	return &StoreCustomers{s, NewStoreCatalogue(s, nil)}
}

// Search implements [People].
func (s *StoreCustomers) Search(ctx context.Context, q Search) (Person, error) {
	c, err := s.customer(ctx, q.PartnerID, q.Number)
	if err != nil {
		return Person{}, err
	}
	if !q.proves(c.LastName, c.CompanyName, c.PostalCode) {
		return Person{}, ErrNotFound
	}
	return s.person(ctx, c)
}

// customer returns the customer with a number as it was typed.
func (s *StoreCustomers) customer(ctx context.Context, partnerID, typed string) (store.Customer, error) {
	digits, ok := Digits(typed)
	if !ok {
		return store.Customer{}, ErrNotFound
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return store.Customer{}, ErrNotFound
	}
	c, err := s.store.Customer(ctx, partnerID, number)
	return c, notFound(err)
}

// notFound turns the store's error into that of this package.
func notFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// ByCredential implements [People].
func (s *StoreCustomers) ByCredential(ctx context.Context, q CredentialSearch) ([]Person, error) {
	var all []Person
	for c, err := range s.store.CustomersByContact(ctx, q.PartnerID, q.Contact) {
		if err != nil {
			return nil, err
		}
		p, err := s.person(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (s *StoreCustomers) person(ctx context.Context, c store.Customer) (Person, error) {
	p := Person{Number: strconv.FormatInt(c.Number, 10), Name: joined(c.FirstName, c.LastName), Place: joined(c.PostalCode, c.City)}
	p.Name = cmp.Or(p.Name, c.CompanyName)
	for sub, err := range s.store.CustomerSubscriptions(ctx, c.PartnerID, c.Number) {
		if err != nil {
			return Person{}, err
		}
		if sub.EndsAt.IsZero() || sub.EndsAt.After(time.Now()) {
			p.Detail = sub.Name
			break
		}
	}
	return p, nil
}

// Tie implements [People].
func (s *StoreCustomers) Tie(ctx context.Context, t Tie) error {
	_, err := s.customer(ctx, t.PartnerID, t.Number)
	return err
}

// Untie implements [People].
func (s *StoreCustomers) Untie(ctx context.Context, _ Tie) error { return ctx.Err() }

// Offers implements [Customers]: an offer is a coupon that readers may order.
func (s *StoreCustomers) Offers(ctx context.Context, partnerID, _ string) ([]Offer, error) {
	coupons, err := s.catalogue.offered(ctx, partnerID)
	if err != nil {
		return nil, err
	}
	offers := make([]Offer, len(coupons))
	for i, c := range coupons {
		offers[i] = offerOf(c)
	}
	return offers, nil
}

func offerOf(c Coupon) Offer {
	return Offer{
		ID: fmt.Sprintf("%s-%d", c.Code, c.Number), Product: c.Product, Name: c.Description, Terms: c.Terms,
		Price: c.Price, Currency: c.Currency, Invoice: c.Invoice,
		Coupon: CouponID{Code: c.Code, Number: c.Number}, Period: c.Period, Renewal: c.Renewal,
	}
}

// Create implements [Customers].
func (s *StoreCustomers) Create(ctx context.Context, n NewSubscriber) (Person, error) {
	coupons, err := s.catalogue.offered(ctx, n.PartnerID)
	if err != nil {
		return Person{}, err
	}
	i := slices.IndexFunc(coupons, func(c Coupon) bool { return offerOf(c).ID == n.OfferID })
	if i < 0 {
		return Person{}, ErrNotFound
	}
	coupon := coupons[i]
	offer := offerOf(coupon)
	if offer.Payment() == "" || offer.Payment() != n.Payment {
		return Person{}, ErrNotFound
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	c, err := s.store.CreateCustomer(ctx, store.Customer{
		PartnerID: n.PartnerID, Key: n.Key, FirstName: n.FirstName, LastName: n.LastName,
		Street: n.Street, PostalCode: n.PostalCode, City: n.City, Country: n.Country, Contacts: n.Contacts,
		CreatedAt: now, UpdatedAt: now,
	})
	if err != nil {
		return Person{}, fmt.Errorf("create customer: %w", err)
	}
	// The ID follows from the customer, so that what was cut off here is made
	// good by sending the order again.
	id := fmt.Sprintf("%s-%d-first", n.PartnerID, c.Number)
	_, err = s.store.Subscription(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		var end time.Time
		if coupon.Renewal.Period.Length == 0 && coupon.Period.Length > 0 {
			end = PeriodEnd(coupon.Period, now)
		}
		err = s.store.PutSubscription(ctx, store.Subscription{
			ID: id, PartnerID: n.PartnerID, CustomerNumber: c.Number, Product: offer.Product, Name: offer.Name,
			StartsAt: now, EndsAt: end, Paid: offer.Price == 0, Price: offer.Price, Currency: offer.Currency, Payment: n.Payment, CreatedAt: now,
		})
	}
	if err != nil {
		return Person{}, fmt.Errorf("create subscription: %w", err)
	}
	return s.person(ctx, c)
}

// Subscriptions implements [Customers].
func (s *StoreCustomers) Subscriptions(ctx context.Context, partnerID string, number int64) ([]store.Subscription, error) {
	var all []store.Subscription
	for sub, err := range s.store.CustomerSubscriptions(ctx, partnerID, number) {
		if err != nil {
			return nil, err
		}
		all = append(all, sub)
	}
	return all, nil
}
