package storetest

import (
	"slices"

	"github.com/connectid-kit/connectid/store"
)

func couponID(c store.Coupon) store.CouponID { return store.CouponID{Code: c.Code, Number: c.Number} }

var couponRules = []rule[store.Coupons]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Coupons) {
		for name, r := range variants[store.Coupon]("PartnerID", "Code", "Number", "Product") {
			c.ok(s.PutCoupon(c.ctx, r), "PutCoupon, "+name)
			returns(c, "Coupon, "+name, r)(s.Coupon(c.ctx, r.PartnerID, couponID(r)))
			lists(c, "Coupons, "+name, s.Coupons(c.ctx, r.PartnerID), r)
			lists(c, "ProductCoupons, "+name, s.ProductCoupons(c.ctx, r.PartnerID, r.Product), r)
		}
	}},
	{"a coupon is replaced whole", "PutCoupon inserts the coupon or replaces the partner's one with that Code and Number.", func(c *recorder, s store.Coupons) {
		old := fresh[store.Coupon]()
		c.ok(s.PutCoupon(c.ctx, old), "PutCoupon")
		for name, r := range variants[store.Coupon]("PartnerID", "Code", "Number") {
			r.PartnerID, r.Code, r.Number = old.PartnerID, old.Code, old.Number
			c.ok(s.PutCoupon(c.ctx, r), "PutCoupon over another, "+name)
			lists(c, "Coupons, "+name, s.Coupons(c.ctx, r.PartnerID), r)
			lists(c, "ProductCoupons of what it was for, "+name, s.ProductCoupons(c.ctx, r.PartnerID, old.Product))
			lists(c, "ProductCoupons of what it is for, "+name, s.ProductCoupons(c.ctx, r.PartnerID, r.Product), r)
			old = r
		}
	}},
	{"a coupon without a key is refused", saysKey, func(c *recorder, s store.Coupons) {
		for _, r := range []store.Coupon{{}, {PartnerID: "p", Code: "c"}, {PartnerID: "p", Number: 1}, {Code: "c", Number: 1}, {PartnerID: "p", Code: "c", Number: -1}} {
			if s.PutCoupon(c.ctx, r) == nil {
				c.errorf("PutCoupon took %+v", r)
			}
			fails[store.Coupon](c, "Coupon", store.ErrNotFound)(s.Coupon(c.ctx, r.PartnerID, couponID(r)))
		}
	}},
	{"coupons are listed", "Coupons lists the partner's coupons, ended ones too, ordered by Code and Number. ProductCoupons lists those of one product, by an indexed look-up, in the same order.", func(c *recorder, s store.Coupons) {
		put := func(partner, product, code string, number int64) store.Coupon {
			r := fresh[store.Coupon]()
			r.PartnerID, r.Product, r.Code, r.Number, r.EndsAt = partner, product, code, number, past()
			c.ok(s.PutCoupon(c.ctx, r), "PutCoupon")
			return r
		}
		b2, b10, a, paper := put("p", "D", "B", 2), put("p", "D", "B", 10), put("p", "D", "A", 99), put("p", "P", "C", 1)
		foreign := put("q", "D", "B", 2)
		lists(c, "Coupons", s.Coupons(c.ctx, "p"), a, b2, b10, paper)
		lists(c, "ProductCoupons", s.ProductCoupons(c.ctx, "p", "D"), a, b2, b10)
		lists(c, "ProductCoupons of another product", s.ProductCoupons(c.ctx, "p", "P"), paper)
		lists(c, "Coupons of another partner", s.Coupons(c.ctx, "q"), foreign)
		lists(c, "ProductCoupons of another partner", s.ProductCoupons(c.ctx, "q", "D"), foreign)
		lists(c, "ProductCoupons of nothing", s.ProductCoupons(c.ctx, "p", ""))
		lists(c, "Coupons of nobody", s.Coupons(c.ctx, ""))
		for _, id := range []store.CouponID{{Code: "B", Number: 1}, {Code: "b", Number: 2}, {Code: "B"}, {Code: "%", Number: 2}} {
			fails[store.Coupon](c, "Coupon", store.ErrNotFound)(s.Coupon(c.ctx, "p", id))
		}
	}},
	{"a deleted coupon is gone", "DeleteCoupon removes the coupon; no error when there is none.", func(c *recorder, s store.Coupons) {
		r, other := fresh[store.Coupon](), fresh[store.Coupon]()
		other.PartnerID, other.Product = r.PartnerID, r.Product
		c.ok(s.PutCoupon(c.ctx, r), "PutCoupon")
		c.ok(s.PutCoupon(c.ctx, other), "PutCoupon")
		for range 2 {
			c.ok(s.DeleteCoupon(c.ctx, r.PartnerID, couponID(r)), "DeleteCoupon")
		}
		fails[store.Coupon](c, "Coupon", store.ErrNotFound)(s.Coupon(c.ctx, r.PartnerID, couponID(r)))
		lists(c, "Coupons", s.Coupons(c.ctx, r.PartnerID), other)
		lists(c, "ProductCoupons", s.ProductCoupons(c.ctx, r.PartnerID, r.Product), other)
	}},
	{"records are values", saysValues, func(c *recorder, s store.Coupons) {
		r := fresh[store.Coupon]()
		want := r
		want.ExtraProducts = slices.Clone(r.ExtraProducts)
		c.ok(s.PutCoupon(c.ctx, r), "PutCoupon")
		spoil(r.ExtraProducts)
		got, err := s.Coupon(c.ctx, want.PartnerID, couponID(want))
		returns(c, "Coupon after what was given was changed", want)(got, err)
		spoil(got.ExtraProducts)
		returns(c, "Coupon after what was returned was changed", want)(s.Coupon(c.ctx, want.PartnerID, couponID(want)))
	}},
	endedContexts[store.Coupons](),
	hammered[store.Coupons](),
}
