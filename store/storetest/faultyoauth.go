package storetest

import (
	"context"
	"iter"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// PutTicket implements [store.Tickets].
func (f *Faulty) PutTicket(ctx context.Context, t store.Ticket) error {
	return f.do(ctx, "PutTicket", func() error { return f.Store.PutTicket(ctx, t) })
}

// Ticket implements [store.Tickets].
func (f *Faulty) Ticket(ctx context.Context, kind store.TicketKind, hash store.Digest) (store.Ticket, error) {
	return get(ctx, f, "Ticket", func() (store.Ticket, error) { return f.Store.Ticket(ctx, kind, hash) })
}

// TakeTicket implements [store.Tickets].
func (f *Faulty) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	return get(ctx, f, "TakeTicket", func() (store.Ticket, error) { return f.Store.TakeTicket(ctx, kind, hash, clientID) })
}

// DropUserTickets implements [store.Tickets].
func (f *Faulty) DropUserTickets(ctx context.Context, userID string) (int, error) {
	return get(ctx, f, "DropUserTickets", func() (int, error) { return f.Store.DropUserTickets(ctx, userID) })
}

// CreateSigningKey implements [store.SigningKeys].
func (f *Faulty) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	return f.do(ctx, "CreateSigningKey", func() error { return f.Store.CreateSigningKey(ctx, k) })
}

// SigningKeys implements [store.SigningKeys].
func (f *Faulty) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	return list(ctx, f, "SigningKeys", f.Store.SigningKeys(ctx))
}

// DeleteSigningKey implements [store.SigningKeys].
func (f *Faulty) DeleteSigningKey(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteSigningKey", func() error { return f.Store.DeleteSigningKey(ctx, id) })
}

// AddConsent implements [store.Consents].
func (f *Faulty) AddConsent(ctx context.Context, c store.Consent) error {
	return f.do(ctx, "AddConsent", func() error { return f.Store.AddConsent(ctx, c) })
}

// Consent implements [store.Consents].
func (f *Faulty) Consent(ctx context.Context, userID, clientID string) (store.Consent, error) {
	return get(ctx, f, "Consent", func() (store.Consent, error) { return f.Store.Consent(ctx, userID, clientID) })
}

// UserConsents implements [store.Consents].
func (f *Faulty) UserConsents(ctx context.Context, userID string) iter.Seq2[store.Consent, error] {
	return list(ctx, f, "UserConsents", f.Store.UserConsents(ctx, userID))
}

// DeleteConsent implements [store.Consents].
func (f *Faulty) DeleteConsent(ctx context.Context, userID, clientID string) error {
	return f.do(ctx, "DeleteConsent", func() error { return f.Store.DeleteConsent(ctx, userID, clientID) })
}

// DeleteUserConsents implements [store.Consents].
func (f *Faulty) DeleteUserConsents(ctx context.Context, userID string) (int, error) {
	return get(ctx, f, "DeleteUserConsents", func() (int, error) { return f.Store.DeleteUserConsents(ctx, userID) })
}

// PutDelivery implements [store.Outbox].
func (f *Faulty) PutDelivery(ctx context.Context, d store.Delivery) error {
	return f.do(ctx, "PutDelivery", func() error { return f.Store.PutDelivery(ctx, d) })
}

// ClaimDelivery implements [store.Outbox].
func (f *Faulty) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, now, until time.Time) (store.Delivery, error) {
	return get(ctx, f, "ClaimDelivery", func() (store.Delivery, error) { return f.Store.ClaimDelivery(ctx, kind, now, until) })
}

// RetryDelivery implements [store.Outbox].
func (f *Faulty) RetryDelivery(ctx context.Context, kind store.DeliveryKind, id string, attempts int, dueAt time.Time) error {
	return f.do(ctx, "RetryDelivery", func() error { return f.Store.RetryDelivery(ctx, kind, id, attempts, dueAt) })
}

// FinishDelivery implements [store.Outbox].
func (f *Faulty) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	return f.do(ctx, "FinishDelivery", func() error { return f.Store.FinishDelivery(ctx, kind, id) })
}
