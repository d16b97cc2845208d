package storetest

import (
	"context"
	"iter"

	"github.com/connectid-kit/connectid/store"
)

// CommitOrders implements [store.Orders].
func (f *Faulty) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	return f.do(ctx, "CommitOrders", func() error { return f.Store.CommitOrders(ctx, orders, payments) })
}

// Order implements [store.Orders].
func (f *Faulty) Order(ctx context.Context, id int64) (store.Order, error) {
	return get(ctx, f, "Order", func() (store.Order, error) { return f.Store.Order(ctx, id) })
}

// OrderByExternalID implements [store.Orders].
func (f *Faulty) OrderByExternalID(ctx context.Context, clientID, externalID string) (store.Order, error) {
	return get(ctx, f, "OrderByExternalID", func() (store.Order, error) { return f.Store.OrderByExternalID(ctx, clientID, externalID) })
}

// UserOrders implements [store.Orders].
func (f *Faulty) UserOrders(ctx context.Context, partnerID, userID string) iter.Seq2[store.Order, error] {
	return list(ctx, f, "UserOrders", f.Store.UserOrders(ctx, partnerID, userID))
}

// Payment implements [store.Orders].
func (f *Faulty) Payment(ctx context.Context, id string) (store.Payment, error) {
	return get(ctx, f, "Payment", func() (store.Payment, error) { return f.Store.Payment(ctx, id) })
}

// PaymentByReference implements [store.Orders].
func (f *Faulty) PaymentByReference(ctx context.Context, clientID, reference string) (store.Payment, error) {
	return get(ctx, f, "PaymentByReference", func() (store.Payment, error) { return f.Store.PaymentByReference(ctx, clientID, reference) })
}

// UserPayments implements [store.Orders].
func (f *Faulty) UserPayments(ctx context.Context, userID string) iter.Seq2[store.Payment, error] {
	return list(ctx, f, "UserPayments", f.Store.UserPayments(ctx, userID))
}

// MoveOrders implements [store.Orders].
func (f *Faulty) MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return get(ctx, f, "MoveOrders", func() (int, error) { return f.Store.MoveOrders(ctx, merge, fromUser, toUser) })
}

// ReturnOrders implements [store.Orders].
func (f *Faulty) ReturnOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return get(ctx, f, "ReturnOrders", func() (int, error) { return f.Store.ReturnOrders(ctx, merge, fromUser, toUser) })
}
