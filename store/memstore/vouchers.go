package memstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var errNoUse = errors.New("memstore: a voucher is spent on nothing")

type vouchers struct{ shelf[coded, store.Voucher] }

func (t *vouchers) init() {
	t.shelf.init()
	t.clone = func(v store.Voucher) store.Voucher {
		v.Coupons = slices.Clone(v.Coupons)
		utc(&v.StartsAt, &v.EndsAt, &v.UpdatedAt, &v.SpentAt)
		return v
	}
}

// PutVoucher implements [store.Vouchers].
func (s *Store) PutVoucher(ctx context.Context, v store.Voucher) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.PartnerID == "" || v.Code == "" {
		return errNoKey
	}
	t, key := &s.vouchers, coded{v.PartnerID, v.Code}
	v = t.clone(v)
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byKey[key]
	v.SpentBy, v.SpentAt = old.SpentBy, old.SpentAt
	t.set(key, v)
	return nil
}

// Voucher implements [store.Vouchers].
func (s *Store) Voucher(ctx context.Context, partnerID, code string) (store.Voucher, error) {
	if err := ctx.Err(); err != nil {
		return store.Voucher{}, err
	}
	return s.vouchers.get(coded{partnerID, code})
}

// SpendVoucher implements [store.Vouchers].
func (s *Store) SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (store.Voucher, error) {
	if err := ctx.Err(); err != nil {
		return store.Voucher{}, err
	}
	if use == "" {
		return store.Voucher{}, errNoUse
	}
	t, key := &s.vouchers, coded{partnerID, code}
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.byKey[key]
	switch {
	case !ok:
		return store.Voucher{}, store.ErrNotFound
	case v.SpentBy == "":
		v.SpentBy, v.SpentAt = use, at.UTC()
		t.set(key, v)
	case v.SpentBy != use:
		return store.Voucher{}, store.ErrUsed
	}
	return t.clone(v), nil
}

// ReleaseVoucher implements [store.Vouchers].
func (s *Store) ReleaseVoucher(ctx context.Context, partnerID, code, use string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, key := &s.vouchers, coded{partnerID, code}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, ok := t.byKey[key]; ok && v.SpentBy == use {
		v.SpentBy, v.SpentAt = "", time.Time{}
		t.set(key, v)
	}
	return nil
}

// DeleteVoucher implements [store.Vouchers].
func (s *Store) DeleteVoucher(ctx context.Context, partnerID, code string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.vouchers.remove(coded{partnerID, code})
	return nil
}
