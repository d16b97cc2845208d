package sqlitestore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var productKind = newKind("connectid_products", `partner_id code company_code description type category_types
	starts_at ended_at web_offer_price retail_price currency vat_percent vat_included digital shop distribution updated_at`,
	func(p *store.Product) []any {
		return []any{
			&p.PartnerID, &p.Code, &p.CompanyCode, &p.Description, &p.Type, (*texts)(&p.CategoryTypes),
			(*stamp)(&p.StartsAt), (*stamp)(&p.EndsAt), &p.WebOfferPrice, &p.RetailPrice, &p.Currency, &p.VATPercent, &p.VATIncluded, &p.Digital, &p.Shop, asJSON(&p.Distribution), (*stamp)(&p.UpdatedAt),
		}
	})

var couponKind = newKind("connectid_coupons", `partner_id code number product description terms
	starts_at ended_at price currency period extra_products renewal marketing offered invoice updated_at`,
	func(c *store.Coupon) []any {
		return []any{
			&c.PartnerID, &c.Code, &c.Number, &c.Product, &c.Description, &c.Terms,
			(*stamp)(&c.StartsAt), (*stamp)(&c.EndsAt), &c.Price, &c.Currency, asJSON(&c.Period), asJSON(&c.ExtraProducts), asJSON(&c.Renewal), asJSON(&c.Marketing), &c.Offered, &c.Invoice, (*stamp)(&c.UpdatedAt),
		}
	})

var voucherKind = newKind("connectid_vouchers", `partner_id code coupons starts_at ended_at updated_at spent_by spent_at`,
	func(v *store.Voucher) []any {
		return []any{
			&v.PartnerID, &v.Code, asJSON(&v.Coupons), (*stamp)(&v.StartsAt), (*stamp)(&v.EndsAt), (*stamp)(&v.UpdatedAt), &v.SpentBy, (*stamp)(&v.SpentAt),
		}
	})

// put replaces the record with the key, or inserts it.
func put[R any](ctx context.Context, s *Store, k kind[R], r R, where string, key ...any) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		if _, err := t.exec("DELETE FROM "+k.table+" "+where, key...); err != nil {
			return struct{}{}, err
		}
		_, err := t.exec(k.inserts, k.fields(&r)...)
		return struct{}{}, err
	})
	return err
}

// PutProduct implements [store.Products].
func (s *Store) PutProduct(ctx context.Context, p store.Product) error {
	p.CategoryTypes, p.Distribution = slices.Clone(p.CategoryTypes), slices.Clone(p.Distribution)
	return put(ctx, s, productKind, p, "WHERE partner_id = ? AND code = ?", p.PartnerID, p.Code)
}

// Product implements [store.Products].
func (s *Store) Product(ctx context.Context, partnerID, code string) (store.Product, error) {
	return readOne(ctx, s, productKind, "WHERE partner_id = ? AND code = ?", partnerID, code)
}

// Products implements [store.Products].
func (s *Store) Products(ctx context.Context, partnerID string) iter.Seq2[store.Product, error] {
	return list(ctx, func() ([]store.Product, error) {
		return readAll(ctx, s, productKind, "WHERE partner_id = ? ORDER BY code", partnerID)
	})
}

// DeleteProduct implements [store.Products].
func (s *Store) DeleteProduct(ctx context.Context, partnerID, code string) error {
	return s.exec(ctx, "DELETE FROM connectid_products WHERE partner_id = ? AND code = ?", partnerID, code)
}

// PutCoupon implements [store.Coupons].
func (s *Store) PutCoupon(ctx context.Context, c store.Coupon) error {
	c.ExtraProducts = slices.Clone(c.ExtraProducts)
	return put(ctx, s, couponKind, c, "WHERE partner_id = ? AND code = ? AND number = ?", c.PartnerID, c.Code, c.Number)
}

// Coupon implements [store.Coupons].
func (s *Store) Coupon(ctx context.Context, partnerID string, id store.CouponID) (store.Coupon, error) {
	return readOne(ctx, s, couponKind, "WHERE partner_id = ? AND code = ? AND number = ?", partnerID, id.Code, id.Number)
}

// Coupons implements [store.Coupons].
func (s *Store) Coupons(ctx context.Context, partnerID string) iter.Seq2[store.Coupon, error] {
	return list(ctx, func() ([]store.Coupon, error) {
		return readAll(ctx, s, couponKind, "WHERE partner_id = ? ORDER BY code, number", partnerID)
	})
}

// ProductCoupons implements [store.Coupons].
func (s *Store) ProductCoupons(ctx context.Context, partnerID, product string) iter.Seq2[store.Coupon, error] {
	return list(ctx, func() ([]store.Coupon, error) {
		return readAll(ctx, s, couponKind, "WHERE partner_id = ? AND product = ? ORDER BY code, number", partnerID, product)
	})
}

// DeleteCoupon implements [store.Coupons].
func (s *Store) DeleteCoupon(ctx context.Context, partnerID string, id store.CouponID) error {
	return s.exec(ctx, "DELETE FROM connectid_coupons WHERE partner_id = ? AND code = ? AND number = ?", partnerID, id.Code, id.Number)
}

// PutVoucher implements [store.Vouchers].
func (s *Store) PutVoucher(ctx context.Context, v store.Voucher) error {
	v.Coupons, v.SpentBy, v.SpentAt = slices.Clone(v.Coupons), "", time.Time{}
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		_, err := t.exec(voucherKind.inserts+` ON CONFLICT DO UPDATE SET
			(coupons, starts_at, ended_at, updated_at) = (excluded.coupons, excluded.starts_at, excluded.ended_at, excluded.updated_at)`, voucherKind.fields(&v)...)
		return struct{}{}, err
	})
	return err
}

// Voucher implements [store.Vouchers].
func (s *Store) Voucher(ctx context.Context, partnerID, code string) (store.Voucher, error) {
	return readOne(ctx, s, voucherKind, "WHERE partner_id = ? AND code = ?", partnerID, code)
}

// SpendVoucher implements [store.Vouchers].
func (s *Store) SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (store.Voucher, error) {
	if use == "" {
		return store.Voucher{}, errors.New("sqlitestore: a voucher is spent on nothing")
	}
	return write(ctx, s, func(t *txn) (store.Voucher, error) {
		const this = "WHERE partner_id = ? AND code = ?"
		if _, err := t.exec("UPDATE connectid_vouchers SET (spent_by, spent_at) = (?, ?) "+this+" AND spent_by = ''", use, micro(at), partnerID, code); err != nil {
			return store.Voucher{}, err
		}
		var v store.Voucher
		if err := t.row(voucherKind.selects+this, partnerID, code).Scan(voucherKind.fields(&v)...); err != nil {
			return store.Voucher{}, fault(ctx, err)
		}
		if v.SpentBy != use {
			return store.Voucher{}, store.ErrUsed
		}
		return v, nil
	})
}

// ReleaseVoucher implements [store.Vouchers].
func (s *Store) ReleaseVoucher(ctx context.Context, partnerID, code, use string) error {
	return s.exec(ctx, "UPDATE connectid_vouchers SET (spent_by, spent_at) = ('', ?) WHERE partner_id = ? AND code = ? AND spent_by = ?", micro(time.Time{}), partnerID, code, use)
}

// DeleteVoucher implements [store.Vouchers].
func (s *Store) DeleteVoucher(ctx context.Context, partnerID, code string) error {
	return s.exec(ctx, "DELETE FROM connectid_vouchers WHERE partner_id = ? AND code = ?", partnerID, code)
}
