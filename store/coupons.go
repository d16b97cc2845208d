package store

import (
	"context"
	"iter"
	"time"
)

// Coupon is a way to buy a product: a price for a period. Code and Number name
// it together.
type Coupon struct {
	PartnerID   string
	Code        string
	Number      int64  // positive
	Product     string // the code of what it buys
	Description string // what readers call it
	// Terms are price and period in words, such as "299 kr a month".
	Terms    string
	StartsAt time.Time // zero for always
	EndsAt   time.Time // zero while no end is known
	// Price is in minor units of Currency (ISO 4217); zero is free.
	Price         int64
	Currency      string
	Period        Period
	ExtraProducts []ExtraProduct // that come with it
	Renewal       Renewal        // what follows the period
	Marketing     Marketing
	// Offered says that readers without a subscription may order it when they
	// register, and Invoice that the publisher sends an invoice for it: what is
	// neither free nor invoiced needs a payment provider.
	Offered   bool
	Invoice   bool
	UpdatedAt time.Time
}

// PeriodUnit is what a [Period] is counted in.
type PeriodUnit string

// The units of periods (ConnectID: periodType).
const (
	Days   PeriodUnit = "days"
	Weeks  PeriodUnit = "weeks"
	Months PeriodUnit = "months"
	Years  PeriodUnit = "years"
)

// Period is a length of time by the calendar. A zero Length is no period.
type Period struct {
	Length int
	Unit   PeriodUnit
}

// Known reports whether p is no period, or one in a known unit.
func (p Period) Known() bool {
	switch p.Unit {
	case Days, Weeks, Months, Years:
		return p.Length > 0
	}
	return p == Period{}
}

// ExtraProduct is a product that comes with a coupon.
type ExtraProduct struct {
	Product     string
	Description string
}

// Renewal is what a subscription costs after its first period. A zero Period
// says that it ends instead.
type Renewal struct {
	Price  int64 // in minor units of the coupon's currency
	Period Period
}

// Marketing says in which campaign a coupon is sold, in the publisher's words.
type Marketing struct {
	Project     string
	Market      string
	Activity    string
	SalesMethod string
}

// CouponID names a coupon at its partner.
type CouponID struct {
	Code   string
	Number int64
}

// Coupons keeps the coupons of publishers that have no catalogue of their own.
type Coupons interface {
	// PutCoupon inserts the coupon or replaces the partner's one with that Code
	// and Number.
	PutCoupon(ctx context.Context, c Coupon) error
	// Coupon returns the partner's coupon, ended ones too, or ErrNotFound. Codes
	// are compared exactly.
	Coupon(ctx context.Context, partnerID string, id CouponID) (Coupon, error)
	// Coupons lists the partner's coupons, ended ones too, ordered by Code and
	// Number.
	Coupons(ctx context.Context, partnerID string) iter.Seq2[Coupon, error]
	// ProductCoupons lists those of one product, by an indexed look-up, in the
	// same order.
	ProductCoupons(ctx context.Context, partnerID, product string) iter.Seq2[Coupon, error]
	// DeleteCoupon removes the coupon; no error when there is none.
	DeleteCoupon(ctx context.Context, partnerID string, id CouponID) error
}
