package storetest

import (
	"context"
	"iter"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ReplaceCustomer implements [store.Customers].
func (f *Faulty) ReplaceCustomer(ctx context.Context, c store.Customer) error {
	return f.do(ctx, "ReplaceCustomer", func() error { return f.Store.ReplaceCustomer(ctx, c) })
}

// PutProduct implements [store.Products].
func (f *Faulty) PutProduct(ctx context.Context, p store.Product) error {
	return f.do(ctx, "PutProduct", func() error { return f.Store.PutProduct(ctx, p) })
}

// Product implements [store.Products].
func (f *Faulty) Product(ctx context.Context, partnerID, code string) (store.Product, error) {
	return get(ctx, f, "Product", func() (store.Product, error) { return f.Store.Product(ctx, partnerID, code) })
}

// Products implements [store.Products].
func (f *Faulty) Products(ctx context.Context, partnerID string) iter.Seq2[store.Product, error] {
	return list(ctx, f, "Products", f.Store.Products(ctx, partnerID))
}

// DeleteProduct implements [store.Products].
func (f *Faulty) DeleteProduct(ctx context.Context, partnerID, code string) error {
	return f.do(ctx, "DeleteProduct", func() error { return f.Store.DeleteProduct(ctx, partnerID, code) })
}

// PutCoupon implements [store.Coupons].
func (f *Faulty) PutCoupon(ctx context.Context, c store.Coupon) error {
	return f.do(ctx, "PutCoupon", func() error { return f.Store.PutCoupon(ctx, c) })
}

// Coupon implements [store.Coupons].
func (f *Faulty) Coupon(ctx context.Context, partnerID string, id store.CouponID) (store.Coupon, error) {
	return get(ctx, f, "Coupon", func() (store.Coupon, error) { return f.Store.Coupon(ctx, partnerID, id) })
}

// Coupons implements [store.Coupons].
func (f *Faulty) Coupons(ctx context.Context, partnerID string) iter.Seq2[store.Coupon, error] {
	return list(ctx, f, "Coupons", f.Store.Coupons(ctx, partnerID))
}

// ProductCoupons implements [store.Coupons].
func (f *Faulty) ProductCoupons(ctx context.Context, partnerID, product string) iter.Seq2[store.Coupon, error] {
	return list(ctx, f, "ProductCoupons", f.Store.ProductCoupons(ctx, partnerID, product))
}

// DeleteCoupon implements [store.Coupons].
func (f *Faulty) DeleteCoupon(ctx context.Context, partnerID string, id store.CouponID) error {
	return f.do(ctx, "DeleteCoupon", func() error { return f.Store.DeleteCoupon(ctx, partnerID, id) })
}

// PutVoucher implements [store.Vouchers].
func (f *Faulty) PutVoucher(ctx context.Context, v store.Voucher) error {
	return f.do(ctx, "PutVoucher", func() error { return f.Store.PutVoucher(ctx, v) })
}

// Voucher implements [store.Vouchers].
func (f *Faulty) Voucher(ctx context.Context, partnerID, code string) (store.Voucher, error) {
	return get(ctx, f, "Voucher", func() (store.Voucher, error) { return f.Store.Voucher(ctx, partnerID, code) })
}

// SpendVoucher implements [store.Vouchers].
func (f *Faulty) SpendVoucher(ctx context.Context, partnerID, code, use string, at time.Time) (store.Voucher, error) {
	return get(ctx, f, "SpendVoucher", func() (store.Voucher, error) { return f.Store.SpendVoucher(ctx, partnerID, code, use, at) })
}

// ReleaseVoucher implements [store.Vouchers].
func (f *Faulty) ReleaseVoucher(ctx context.Context, partnerID, code, use string) error {
	return f.do(ctx, "ReleaseVoucher", func() error { return f.Store.ReleaseVoucher(ctx, partnerID, code, use) })
}

// DeleteVoucher implements [store.Vouchers].
func (f *Faulty) DeleteVoucher(ctx context.Context, partnerID, code string) error {
	return f.do(ctx, "DeleteVoucher", func() error { return f.Store.DeleteVoucher(ctx, partnerID, code) })
}

// PutArticle implements [store.Articles].
func (f *Faulty) PutArticle(ctx context.Context, a store.Article) error {
	return f.do(ctx, "PutArticle", func() error { return f.Store.PutArticle(ctx, a) })
}

// Article implements [store.Articles].
func (f *Faulty) Article(ctx context.Context, partnerID, id string) (store.Article, error) {
	return get(ctx, f, "Article", func() (store.Article, error) { return f.Store.Article(ctx, partnerID, id) })
}

// DeleteArticle implements [store.Articles].
func (f *Faulty) DeleteArticle(ctx context.Context, partnerID, id string) error {
	return f.do(ctx, "DeleteArticle", func() error { return f.Store.DeleteArticle(ctx, partnerID, id) })
}

// PutAccess implements [store.Accesses].
func (f *Faulty) PutAccess(ctx context.Context, a store.Access) error {
	return f.do(ctx, "PutAccess", func() error { return f.Store.PutAccess(ctx, a) })
}

// UserAccesses implements [store.Accesses].
func (f *Faulty) UserAccesses(ctx context.Context, partnerID, userID string) iter.Seq2[store.Access, error] {
	return list(ctx, f, "UserAccesses", f.Store.UserAccesses(ctx, partnerID, userID))
}

// CustomerAccesses implements [store.Accesses].
func (f *Faulty) CustomerAccesses(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Access, error] {
	return list(ctx, f, "CustomerAccesses", f.Store.CustomerAccesses(ctx, partnerID, number))
}

// MoveAccesses implements [store.Accesses].
func (f *Faulty) MoveAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return get(ctx, f, "MoveAccesses", func() (int, error) { return f.Store.MoveAccesses(ctx, merge, fromUser, toUser) })
}

// ReturnAccesses implements [store.Accesses].
func (f *Faulty) ReturnAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return get(ctx, f, "ReturnAccesses", func() (int, error) { return f.Store.ReturnAccesses(ctx, merge, fromUser, toUser) })
}

// DeleteAccess implements [store.Accesses].
func (f *Faulty) DeleteAccess(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteAccess", func() error { return f.Store.DeleteAccess(ctx, id) })
}

// DeleteUserAccesses implements [store.Accesses].
func (f *Faulty) DeleteUserAccesses(ctx context.Context, userID string) (int, error) {
	return get(ctx, f, "DeleteUserAccesses", func() (int, error) { return f.Store.DeleteUserAccesses(ctx, userID) })
}

// PutOrganisation implements [store.Organisations].
func (f *Faulty) PutOrganisation(ctx context.Context, o store.Organisation) error {
	return f.do(ctx, "PutOrganisation", func() error { return f.Store.PutOrganisation(ctx, o) })
}

// Organisation implements [store.Organisations].
func (f *Faulty) Organisation(ctx context.Context, partnerID, id string) (store.Organisation, error) {
	return get(ctx, f, "Organisation", func() (store.Organisation, error) { return f.Store.Organisation(ctx, partnerID, id) })
}

// MarkedOrganisations implements [store.Organisations].
func (f *Faulty) MarkedOrganisations(ctx context.Context, partnerID string, marks []store.Mark) iter.Seq2[store.Organisation, error] {
	return list(ctx, f, "MarkedOrganisations", f.Store.MarkedOrganisations(ctx, partnerID, marks))
}

// DeleteOrganisation implements [store.Organisations].
func (f *Faulty) DeleteOrganisation(ctx context.Context, partnerID, id string) error {
	return f.do(ctx, "DeleteOrganisation", func() error { return f.Store.DeleteOrganisation(ctx, partnerID, id) })
}
