package store

import (
	"context"
	"time"
)

// Voucher is a code that pays for one of some coupons, once.
type Voucher struct {
	PartnerID string
	Code      string // unique at the partner; a secret of whoever bought it
	Coupons   []CouponID
	StartsAt  time.Time // zero for always
	EndsAt    time.Time // zero while no end is known
	UpdatedAt time.Time
	// SpentBy names what it was spent on, such as an order line; empty while it
	// is good. Only SpendVoucher and ReleaseVoucher change it and SpentAt.
	SpentBy string
	SpentAt time.Time
}

// Vouchers keeps the vouchers of publishers that have no catalogue of their own.
// Whether one is good at this time is the caller's business.
type Vouchers interface {
	// PutVoucher inserts the voucher, unspent, or replaces what the partner's one
	// with that Code says; one that was spent stays spent. v.SpentBy and v.SpentAt
	// count for nothing.
	PutVoucher(ctx context.Context, v Voucher) error
	// Voucher returns the partner's voucher, spent ones too, or ErrNotFound. Codes
	// are compared exactly.
	Voucher(ctx context.Context, partnerID, code string) (Voucher, error)
	// SpendVoucher marks the voucher as spent by use at the given time, and
	// returns it. Of many concurrent callers with different uses exactly one gets
	// a nil error, the others ErrUsed. The same use again gets the voucher as it
	// was spent, so that an order can be sent again. ErrNotFound when there is no
	// such voucher; an empty use is refused with an error.
	SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (Voucher, error)
	// ReleaseVoucher makes the voucher good again if use has spent it; no error
	// when there is nothing to give back.
	ReleaseVoucher(ctx context.Context, partnerID, code, use string) error
	// DeleteVoucher removes the voucher; no error when there is none.
	DeleteVoucher(ctx context.Context, partnerID, code string) error
}
