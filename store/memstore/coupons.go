package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

type coupon struct {
	partner string
	id      store.CouponID
}

type coupons struct{ shelf[coupon, store.Coupon] }

func (t *coupons) init() {
	t.shelf.init()
	t.groupOf = func(c *store.Coupon) []string {
		return []string{group(c.PartnerID), group(c.PartnerID, c.Product)}
	}
	t.compare = func(a, b store.Coupon) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Number, b.Number))
	}
	t.clone = func(c store.Coupon) store.Coupon {
		c.ExtraProducts = slices.Clone(c.ExtraProducts)
		utc(&c.StartsAt, &c.EndsAt, &c.UpdatedAt)
		return c
	}
}

// PutCoupon implements [store.Coupons].
func (s *Store) PutCoupon(ctx context.Context, c store.Coupon) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.PartnerID == "" || c.Code == "" || c.Number <= 0 {
		return errNoKey
	}
	s.coupons.put(coupon{c.PartnerID, store.CouponID{Code: c.Code, Number: c.Number}}, c)
	return nil
}

// Coupon implements [store.Coupons].
func (s *Store) Coupon(ctx context.Context, partnerID string, id store.CouponID) (store.Coupon, error) {
	if err := ctx.Err(); err != nil {
		return store.Coupon{}, err
	}
	return s.coupons.get(coupon{partnerID, id})
}

// Coupons implements [store.Coupons].
func (s *Store) Coupons(ctx context.Context, partnerID string) iter.Seq2[store.Coupon, error] {
	return list(ctx, func() []store.Coupon { return s.coupons.in(group(partnerID)) })
}

// ProductCoupons implements [store.Coupons].
func (s *Store) ProductCoupons(ctx context.Context, partnerID, product string) iter.Seq2[store.Coupon, error] {
	return list(ctx, func() []store.Coupon { return s.coupons.in(group(partnerID, product)) })
}

// DeleteCoupon implements [store.Coupons].
func (s *Store) DeleteCoupon(ctx context.Context, partnerID string, id store.CouponID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.coupons.remove(coupon{partnerID, id})
	return nil
}
