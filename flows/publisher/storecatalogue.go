package publisher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// StoreCatalogue is the catalogue of partners that have none of their own.
type StoreCatalogue struct {
	store     Store
	customers func(partnerID string) Customers
}

var _ Catalogue = (*StoreCatalogue)(nil)

// NewStoreCatalogue returns the catalogue on the store. customers returns the
// customer system of a partner, by which prices are those of a customer's place;
// nil for the store's own.
func NewStoreCatalogue(s Store, customers func(partnerID string) Customers) *StoreCatalogue {
	return &StoreCatalogue{s, customers}
}

// Products implements [Catalogue].
func (s *StoreCatalogue) Products(ctx context.Context, partnerID string, f ProductFilter) ([]Product, error) {
	now := time.Now()
	if f.Code != "" {
		p, err := s.store.Product(ctx, partnerID, f.Code)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("look up product: %w", err)
		case !f.Admits(p, now):
			return nil, nil
		}
		return []Product{p}, nil
	}
	all, err := collect(s.store.Products(ctx, partnerID))
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return slices.DeleteFunc(all, func(p Product) bool { return !f.Admits(p, now) }), nil
}

func collect[R any](seq iter.Seq2[R, error]) ([]R, error) {
	var all []R
	for r, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Coupons implements [Catalogue].
func (s *StoreCatalogue) Coupons(ctx context.Context, partnerID, product string) ([]Coupon, error) {
	p, err := s.store.Product(ctx, partnerID, product)
	if err != nil {
		return nil, notFound(err)
	}
	now := time.Now()
	if !within(p.StartsAt, p.EndsAt, now) {
		return nil, nil
	}
	all, err := collect(s.store.ProductCoupons(ctx, partnerID, product))
	if err != nil {
		return nil, fmt.Errorf("list coupons: %w", err)
	}
	return sold(all, now), nil
}

// offered returns the coupons that readers without a subscription may order now.
func (s *StoreCatalogue) offered(ctx context.Context, partnerID string) ([]Coupon, error) {
	all, err := collect(s.store.Coupons(ctx, partnerID))
	if err != nil {
		return nil, fmt.Errorf("list coupons: %w", err)
	}
	all = slices.DeleteFunc(all, func(c Coupon) bool { return !c.Offered })
	if len(all) == 0 {
		return nil, nil
	}
	products, err := s.Products(ctx, partnerID, ProductFilter{OnlyActive: true})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(sold(all, time.Now()), func(c Coupon) bool {
		return !slices.ContainsFunc(products, func(p Product) bool { return p.Code == c.Product })
	}), nil
}

// coupon returns a coupon that can be bought now, with what it buys.
func (s *StoreCatalogue) coupon(ctx context.Context, partnerID string, id CouponID) (Coupon, Product, error) {
	c, err := s.store.Coupon(ctx, partnerID, id)
	if err != nil {
		return Coupon{}, Product{}, notFound(err)
	}
	if !within(c.StartsAt, c.EndsAt, time.Now()) {
		return Coupon{}, Product{}, ErrNotFound
	}
	p, err := s.product(ctx, partnerID, c.Product)
	return c, p, err
}

func (s *StoreCatalogue) product(ctx context.Context, partnerID, code string) (Product, error) {
	p, err := s.store.Product(ctx, partnerID, code)
	if err != nil {
		return Product{}, notFound(err)
	}
	if !within(p.StartsAt, p.EndsAt, time.Now()) {
		return Product{}, ErrNotFound
	}
	return p, nil
}

// Price implements [Catalogue].
func (s *StoreCatalogue) Price(ctx context.Context, q PriceQuestion) (Price, error) {
	var amount int64
	var currency string
	var p Product
	var err error
	if q.Coupon == (CouponID{}) {
		p, err = s.product(ctx, q.PartnerID, q.Product)
		amount, currency = p.WebOfferPrice, p.Currency
	} else {
		var c Coupon
		c, p, err = s.coupon(ctx, q.PartnerID, q.Coupon)
		amount, currency = c.Price, c.Currency
	}
	if err != nil {
		return Price{}, err
	}
	if q.CustomerNumber != 0 {
		customers := Customers(NewStoreCustomers(s.store))
		if s.customers != nil {
			customers = s.customers(q.PartnerID)
		}
		i, err := customers.Info(ctx, q.PartnerID, q.CustomerNumber)
		if err != nil {
			return Price{}, err
		}
		if q.Country == "" && q.PostalCode == "" && i.Address != nil {
			q.Country, q.PostalCode = i.Address.Country, i.Address.PostalCode
		}
	}
	return priceOf(p, amount, currency, q.Country, q.PostalCode), nil
}

// VoucherCoupons implements [Catalogue].
func (s *StoreCatalogue) VoucherCoupons(ctx context.Context, partnerID, code string) ([]Coupon, error) {
	v, err := s.store.Voucher(ctx, partnerID, code)
	if err != nil {
		return nil, notFound(err)
	}
	if v.SpentBy != "" {
		return nil, ErrSpent
	}
	if !within(v.StartsAt, v.EndsAt, time.Now()) {
		return nil, ErrNotFound
	}
	var all []Coupon
	for _, id := range v.Coupons {
		c, _, err := s.coupon(ctx, partnerID, id)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		default:
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return all, nil
}

// SpendVoucher implements [Catalogue].
func (s *StoreCatalogue) SpendVoucher(ctx context.Context, u VoucherUse) error {
	v, err := s.store.Voucher(ctx, u.PartnerID, u.Code)
	if err != nil {
		return notFound(err)
	}
	good := within(v.StartsAt, v.EndsAt, time.Now()) || v.SpentBy == u.Use
	if !good || !slices.Contains(v.Coupons, u.Coupon) {
		return ErrNotFound
	}
	_, err = s.store.SpendVoucher(ctx, u.PartnerID, u.Code, u.Use, time.Now().UTC().Truncate(time.Millisecond))
	if errors.Is(err, store.ErrUsed) {
		return ErrSpent
	}
	return notFound(err)
}

// ReleaseVoucher implements [Catalogue].
func (s *StoreCatalogue) ReleaseVoucher(ctx context.Context, u VoucherUse) error {
	return s.store.ReleaseVoucher(ctx, u.PartnerID, u.Code, u.Use)
}
