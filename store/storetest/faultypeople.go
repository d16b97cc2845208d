package storetest

import (
	"context"
	"iter"

	"github.com/connectid-kit/connectid/store"
)

// PutCustomer implements [store.Customers].
func (f *Faulty) PutCustomer(ctx context.Context, c store.Customer) error {
	return f.do(ctx, "PutCustomer", func() error { return f.Store.PutCustomer(ctx, c) })
}

// CreateCustomer implements [store.Customers].
func (f *Faulty) CreateCustomer(ctx context.Context, c store.Customer) (store.Customer, error) {
	return get(ctx, f, "CreateCustomer", func() (store.Customer, error) { return f.Store.CreateCustomer(ctx, c) })
}

// Customer implements [store.Customers].
func (f *Faulty) Customer(ctx context.Context, partnerID string, number int64) (store.Customer, error) {
	return get(ctx, f, "Customer", func() (store.Customer, error) { return f.Store.Customer(ctx, partnerID, number) })
}

// CustomersByContact implements [store.Customers].
func (f *Faulty) CustomersByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Customer, error] {
	return list(ctx, f, "CustomersByContact", f.Store.CustomersByContact(ctx, partnerID, c))
}

// DeleteCustomer implements [store.Customers].
func (f *Faulty) DeleteCustomer(ctx context.Context, partnerID string, number int64) error {
	return f.do(ctx, "DeleteCustomer", func() error { return f.Store.DeleteCustomer(ctx, partnerID, number) })
}

// PutSubscription implements [store.Subscriptions].
func (f *Faulty) PutSubscription(ctx context.Context, s store.Subscription) error {
	return f.do(ctx, "PutSubscription", func() error { return f.Store.PutSubscription(ctx, s) })
}

// Subscription implements [store.Subscriptions].
func (f *Faulty) Subscription(ctx context.Context, id string) (store.Subscription, error) {
	return get(ctx, f, "Subscription", func() (store.Subscription, error) { return f.Store.Subscription(ctx, id) })
}

// CustomerSubscriptions implements [store.Subscriptions].
func (f *Faulty) CustomerSubscriptions(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Subscription, error] {
	return list(ctx, f, "CustomerSubscriptions", f.Store.CustomerSubscriptions(ctx, partnerID, number))
}

// DeleteSubscription implements [store.Subscriptions].
func (f *Faulty) DeleteSubscription(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteSubscription", func() error { return f.Store.DeleteSubscription(ctx, id) })
}

// PutMembership implements [store.Memberships].
func (f *Faulty) PutMembership(ctx context.Context, m store.Membership) error {
	return f.do(ctx, "PutMembership", func() error { return f.Store.PutMembership(ctx, m) })
}

// Membership implements [store.Memberships].
func (f *Faulty) Membership(ctx context.Context, partnerID, number string) (store.Membership, error) {
	return get(ctx, f, "Membership", func() (store.Membership, error) { return f.Store.Membership(ctx, partnerID, number) })
}

// MembershipsByContact implements [store.Memberships].
func (f *Faulty) MembershipsByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Membership, error] {
	return list(ctx, f, "MembershipsByContact", f.Store.MembershipsByContact(ctx, partnerID, c))
}

// DeleteMembership implements [store.Memberships].
func (f *Faulty) DeleteMembership(ctx context.Context, partnerID, number string) error {
	return f.do(ctx, "DeleteMembership", func() error { return f.Store.DeleteMembership(ctx, partnerID, number) })
}
