package storetest_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// looksThenSpends asks whether the voucher is good, and then spends it.
type looksThenSpends struct{ *mem }

func (s *looksThenSpends) SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (store.Voucher, error) {
	v, err := s.mem.Voucher(ctx, partnerID, code)
	if err != nil || use == "" {
		return s.mem.SpendVoucher(ctx, partnerID, code, use, at)
	}
	good := v.SpentBy == ""
	runtime.Gosched()
	v, err = s.mem.SpendVoucher(ctx, partnerID, code, use, at)
	if good && errors.Is(err, store.ErrUsed) {
		return s.mem.Voucher(ctx, partnerID, code) // the look was good enough
	}
	return v, err
}

// spendsOnce does not know the use that has spent a voucher.
type spendsOnce struct{ *mem }

func (s *spendsOnce) SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (store.Voucher, error) {
	if v, err := s.mem.Voucher(ctx, partnerID, code); err == nil && use != "" && v.SpentBy == use {
		return store.Voucher{}, store.ErrUsed
	}
	return s.mem.SpendVoucher(ctx, partnerID, code, use, at)
}

// importsAnew puts a voucher as if it had never been there.
type importsAnew struct{ *mem }

func (s *importsAnew) PutVoucher(ctx context.Context, v store.Voucher) error {
	if err := s.mem.DeleteVoucher(ctx, v.PartnerID, v.Code); err != nil {
		return err
	}
	return s.mem.PutVoucher(ctx, v)
}

// numbersAsText sorts 10 before 2.
type numbersAsText struct{ *mem }

func (s *numbersAsText) ProductCoupons(ctx context.Context, partnerID, product string) iter.Seq2[store.Coupon, error] {
	return func(yield func(store.Coupon, error) bool) {
		var late []store.Coupon
		for c, err := range s.mem.ProductCoupons(ctx, partnerID, product) {
			if err == nil && c.Number < 10 && c.Code == "B" {
				late = append(late, c)
				continue
			}
			if !yield(c, err) {
				return
			}
		}
		for _, c := range late {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// returnsAll gives back also what was granted after the merge.
type returnsAll struct{ *mem }

func (s *returnsAll) ReturnAccesses(ctx context.Context, _, fromUser, toUser string) (int, error) {
	return s.mem.MoveAccesses(ctx, "back", fromUser, toUser)
}

// anyMarks finds organisations by the value of a mark, whatever its kind.
type anyMarks struct{ *mem }

func (s *anyMarks) MarkedOrganisations(ctx context.Context, partnerID string, marks []store.Mark) iter.Seq2[store.Organisation, error] {
	var all []store.Mark
	for _, m := range marks {
		for _, kind := range []store.MarkKind{m.Kind, store.AddressMark, store.DomainMark, store.TenantMark} {
			all = append(all, store.Mark{Kind: kind, Value: m.Value})
		}
	}
	return s.mem.MarkedOrganisations(ctx, partnerID, all)
}

// insertsWhatIsMissing replaces a customer who is not there.
type insertsWhatIsMissing struct{ *mem }

func (s *insertsWhatIsMissing) ReplaceCustomer(ctx context.Context, c store.Customer) error {
	err := s.mem.ReplaceCustomer(ctx, c)
	if errors.Is(err, store.ErrNotFound) {
		return s.mem.PutCustomer(ctx, c)
	}
	return err
}
