package storetest

import (
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// unspent returns the voucher as it is put.
func unspent(v store.Voucher) store.Voucher {
	v.SpentBy, v.SpentAt = "", time.Time{}
	return v
}

var voucherRules = []rule[store.Vouchers]{
	{"every field comes back", saysTimes + " v.SpentBy and v.SpentAt count for nothing.", func(c *recorder, s store.Vouchers) {
		for name, r := range variants[store.Voucher]("PartnerID", "Code") {
			c.ok(s.PutVoucher(c.ctx, r), "PutVoucher, "+name)
			returns(c, "Voucher, "+name, unspent(r))(s.Voucher(c.ctx, r.PartnerID, r.Code))
			use, at := "use "+name+hostile, time.Now().In(zone).Truncate(time.Millisecond)
			r.SpentBy, r.SpentAt = use, at
			returns(c, "SpendVoucher, "+name, r)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, use, at))
			returns(c, "Voucher that is spent, "+name, r)(s.Voucher(c.ctx, r.PartnerID, r.Code))
		}
	}},
	{"a spent voucher stays spent when it is replaced", "PutVoucher inserts the voucher, unspent, or replaces what the partner's one with that Code says; one that was spent stays spent.", func(c *recorder, s store.Vouchers) {
		first := fresh[store.Voucher]()
		c.ok(s.PutVoucher(c.ctx, first), "PutVoucher")
		at := past()
		_, err := s.SpendVoucher(c.ctx, first.PartnerID, first.Code, "order 1", at)
		c.ok(err, "SpendVoucher")
		for name, r := range variants[store.Voucher]("PartnerID", "Code") {
			r.PartnerID, r.Code = first.PartnerID, first.Code
			c.ok(s.PutVoucher(c.ctx, r), "PutVoucher over another, "+name)
			r.SpentBy, r.SpentAt = "order 1", at
			returns(c, "Voucher, "+name, r)(s.Voucher(c.ctx, r.PartnerID, r.Code))
		}
	}},
	{"a voucher without a key is refused", saysKey, func(c *recorder, s store.Vouchers) {
		for _, r := range []store.Voucher{{}, {PartnerID: "p"}, {Code: "c"}} {
			if s.PutVoucher(c.ctx, r) == nil {
				c.errorf("PutVoucher took %+v", r)
			}
			fails[store.Voucher](c, "Voucher", store.ErrNotFound)(s.Voucher(c.ctx, r.PartnerID, r.Code))
			fails[store.Voucher](c, "SpendVoucher", store.ErrNotFound)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", past()))
		}
		r := fresh[store.Voucher]()
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		if _, err := s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "", past()); err == nil {
			c.errorf("SpendVoucher took an empty use")
		}
		returns(c, "Voucher that was spent on nothing", unspent(r))(s.Voucher(c.ctx, r.PartnerID, r.Code))
	}},
	{"codes are compared exactly", "Voucher returns the partner's voucher, spent ones too, or ErrNotFound. Codes are compared exactly.", func(c *recorder, s store.Vouchers) {
		r := fresh[store.Voucher]()
		r.PartnerID, r.Code = "p", "GAVE-2026"
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		for _, code := range []string{"", "gave-2026", "GAVE-2026 ", "GAVE_2026", "%"} {
			fails[store.Voucher](c, fmt.Sprintf("Voucher(%q)", code), store.ErrNotFound)(s.Voucher(c.ctx, "p", code))
			fails[store.Voucher](c, fmt.Sprintf("SpendVoucher(%q)", code), store.ErrNotFound)(s.SpendVoucher(c.ctx, "p", code, "order", past()))
		}
		fails[store.Voucher](c, "SpendVoucher of another partner", store.ErrNotFound)(s.SpendVoucher(c.ctx, "q", r.Code, "order", past()))
		c.ok(s.ReleaseVoucher(c.ctx, "q", r.Code, "order"), "ReleaseVoucher of another partner")
	}},
	{"one of many spends a voucher", "Of many concurrent callers with different uses exactly one gets a nil error, the others ErrUsed.", func(c *recorder, s store.Vouchers) {
		c.rounds(func(int) {
			r := fresh[store.Voucher]()
			c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
			winner := c.oneWins("SpendVoucher", store.ErrUsed, func(i int) error {
				_, err := s.SpendVoucher(c.ctx, r.PartnerID, r.Code, fmt.Sprint("order ", i), past())
				return err
			})
			if got, err := s.Voucher(c.ctx, r.PartnerID, r.Code); err != nil || got.SpentBy != fmt.Sprint("order ", winner) {
				c.errorf("the voucher is spent by %q, %v; want caller %d", got.SpentBy, err, winner)
			}
		})
	}},
	{"the same use again", "The same use again gets the voucher as it was spent.", func(c *recorder, s store.Vouchers) {
		r := fresh[store.Voucher]()
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		r.SpentBy, r.SpentAt = "order", past()
		returns(c, "SpendVoucher", r)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", r.SpentAt))
		returns(c, "SpendVoucher again", r)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", future()))
		fails[store.Voucher](c, "SpendVoucher by another use", store.ErrUsed)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "another", past()))
		for i, err := range race(func(int) error {
			_, err := s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", future())
			return err
		}) {
			c.noError(err, fmt.Sprint("SpendVoucher by the same use, caller ", i))
		}
		returns(c, "Voucher", r)(s.Voucher(c.ctx, r.PartnerID, r.Code))
	}},
	{"who spent it can give it back", "ReleaseVoucher makes the voucher good again if use has spent it; no error when there is nothing to give back.", func(c *recorder, s store.Vouchers) {
		r := fresh[store.Voucher]()
		c.ok(s.ReleaseVoucher(c.ctx, r.PartnerID, r.Code, "order"), "ReleaseVoucher of an unknown voucher")
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		c.ok(s.ReleaseVoucher(c.ctx, r.PartnerID, r.Code, "order"), "ReleaseVoucher of a good voucher")
		_, err := s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", past())
		c.ok(err, "SpendVoucher")
		c.ok(s.ReleaseVoucher(c.ctx, r.PartnerID, r.Code, "another"), "ReleaseVoucher by who has not spent it")
		fails[store.Voucher](c, "SpendVoucher after another gave it back", store.ErrUsed)(s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "another", past()))
		for range 2 {
			c.ok(s.ReleaseVoucher(c.ctx, r.PartnerID, r.Code, "order"), "ReleaseVoucher")
		}
		returns(c, "Voucher that was given back", unspent(r))(s.Voucher(c.ctx, r.PartnerID, r.Code))
		_, err = s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "another", past())
		c.ok(err, "SpendVoucher after it was given back")
	}},
	{"a deleted voucher is gone", "DeleteVoucher removes the voucher; no error when there is none.", func(c *recorder, s store.Vouchers) {
		r := fresh[store.Voucher]()
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		_, err := s.SpendVoucher(c.ctx, r.PartnerID, r.Code, "order", past())
		c.ok(err, "SpendVoucher")
		for range 2 {
			c.ok(s.DeleteVoucher(c.ctx, r.PartnerID, r.Code), "DeleteVoucher")
		}
		fails[store.Voucher](c, "Voucher", store.ErrNotFound)(s.Voucher(c.ctx, r.PartnerID, r.Code))
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher after a deletion")
		returns(c, "Voucher that was put again", unspent(r))(s.Voucher(c.ctx, r.PartnerID, r.Code))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Vouchers) {
		r := fresh[store.Voucher]()
		want := unspent(r)
		want.Coupons = append([]store.CouponID(nil), r.Coupons...)
		c.ok(s.PutVoucher(c.ctx, r), "PutVoucher")
		spoil(r.Coupons)
		got, err := s.Voucher(c.ctx, want.PartnerID, want.Code)
		returns(c, "Voucher after what was given was changed", want)(got, err)
		spoil(got.Coupons)
		got, err = s.SpendVoucher(c.ctx, want.PartnerID, want.Code, "order", past())
		want.SpentBy, want.SpentAt = got.SpentBy, got.SpentAt
		returns(c, "SpendVoucher after what was returned was changed", want)(got, err)
		spoil(got.Coupons)
		returns(c, "Voucher after what was spent was changed", want)(s.Voucher(c.ctx, want.PartnerID, want.Code))
	}},
	endedContexts[store.Vouchers](),
	hammered[store.Vouchers](),
}
