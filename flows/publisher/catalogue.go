package publisher

import (
	"context"
	"slices"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"github.com/connectid-kit/connectid/store"
)

// Catalogue is what a partner sells. Implementations are safe for concurrent use
// and obey the context.
type Catalogue interface {
	// Products returns the partner's products that the filter admits, by Code;
	// none is no error.
	Products(ctx context.Context, partnerID string, f ProductFilter) ([]Product, error)
	// Coupons returns those by which the product can be bought now, by Code and
	// Number; none is no error. ErrNotFound when there is no such product.
	Coupons(ctx context.Context, partnerID, product string) ([]Coupon, error)
	// Price returns what is to be paid now. ErrNotFound when there is no such
	// coupon or product, or it is not sold now, or there is no such customer.
	Price(ctx context.Context, q PriceQuestion) (Price, error)
	// VoucherCoupons returns the coupons that the voucher can pay for now.
	// ErrNotFound when there is no such voucher or it is good for nothing now,
	// ErrSpent when it has been used.
	VoucherCoupons(ctx context.Context, partnerID, code string) ([]Coupon, error)
	// SpendVoucher uses the voucher up. Of many concurrent callers with different
	// uses exactly one gets a nil error, the others ErrSpent; the same use again
	// gets what it got. ErrNotFound as for VoucherCoupons, or if the voucher does
	// not pay for the coupon.
	SpendVoucher(ctx context.Context, u VoucherUse) error
	// ReleaseVoucher makes the voucher good again if u has spent it; no error when
	// there is nothing to give back.
	ReleaseVoucher(ctx context.Context, u VoucherUse) error
}

// ProductFilter says which products are wanted. The zero filter admits all.
type ProductFilter struct {
	Code         string
	Type         string    // such as store.SubscriptionProduct
	Shop         bool      // only what is sold in the web shop
	OnlyActive   bool      // only what is sold now
	ChangedAfter time.Time // only what was changed since
}

// Admits reports whether the product is wanted at the given time.
func (f ProductFilter) Admits(p Product, now time.Time) bool {
	return (f.Code == "" || p.Code == f.Code) && (f.Type == "" || p.Type == f.Type) && (!f.Shop || p.Shop) &&
		(!f.OnlyActive || within(p.StartsAt, p.EndsAt, now)) && (f.ChangedAfter.IsZero() || p.UpdatedAt.After(f.ChangedAfter))
}

// within reports whether now lies between the two; a zero end is no end.
func within(start, end, now time.Time) bool {
	return !now.Before(start) && (end.IsZero() || now.Before(end))
}

// VoucherUse is a voucher that is spent.
type VoucherUse struct {
	PartnerID string
	Code      string
	Coupon    CouponID // that it pays for
	Use       string   // names it, such as an order line: the idempotency key
}

// IsCurrency reports whether code is a currency of ISO 4217 in capitals, whose
// minor unit is at most a hundredth: what prices can be in.
func IsCurrency(code string) bool {
	_, ok := MinorDigits(code)
	return ok
}

// MinorDigits returns how many decimals amounts in the currency have; false when
// it is none that prices can be in.
func MinorDigits(code string) (int, bool) {
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		return 0, false
	}
	digits, _ := currency.Standard.Rounding(unit)
	return digits, digits <= 2
}

// IsCountry reports whether code is a country of ISO 3166-1, alpha-2, in capitals.
func IsCountry(code string) bool {
	r, err := language.ParseRegion(code)
	return err == nil && len(code) == 2 && r.IsCountry() && r.Canonicalize().String() == code
}

// PeriodEnd returns when a period that starts at the given time is over, by the
// calendar: a month from 31 January ends on the last day of February.
func PeriodEnd(p store.Period, start time.Time) time.Time {
	months := p.Length
	switch p.Unit {
	case store.Days:
		return start.AddDate(0, 0, p.Length)
	case store.Weeks:
		return start.AddDate(0, 0, 7*p.Length)
	case store.Years:
		months *= 12
	case store.Months:
	default:
		return start
	}
	end := start.AddDate(0, months, 0)
	if end.Day() != start.Day() { // the month has no such day
		end = end.AddDate(0, 0, -end.Day())
	}
	return end
}

// sold returns the coupons that can be bought now.
func sold(all []Coupon, now time.Time) []Coupon {
	return slices.DeleteFunc(all, func(c Coupon) bool { return !within(c.StartsAt, c.EndsAt, now) })
}
