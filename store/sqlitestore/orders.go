package sqlitestore

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// What never changes of orders and payments are their first columns.
const keptColumns = 5

var orderKind = newKind("connectid_orders", `id partner_id client_id external_id created_at
	version body user_id customer_number status method merchant_id
	amount currency payment_id data ordered_at updated_at moved`,
	func(o *store.Order) []any {
		return []any{
			&o.ID, &o.PartnerID, &o.ClientID, &o.ExternalID, (*stamp)(&o.CreatedAt),
			&o.Version, (*digest)(&o.Body), &o.UserID, &o.CustomerNumber, (*string)(&o.Status), &o.Method, &o.MerchantID,
			&o.Amount, &o.Currency, &o.PaymentID, &o.Data, (*stamp)(&o.OrderedAt), (*stamp)(&o.UpdatedAt), (*texts)(&o.Moved),
		}
	})

var paymentKind = newKind("connectid_payments", `id partner_id client_id reference created_at
	version user_id orders attempt method merchant_id
	amount currency recurring status provider_ref data updated_at moved`,
	func(p *store.Payment) []any {
		return []any{
			&p.ID, &p.PartnerID, &p.ClientID, &p.Reference, (*stamp)(&p.CreatedAt),
			&p.Version, &p.UserID, asJSON(&p.Orders), (*digest)(&p.Attempt), &p.Method, &p.MerchantID,
			&p.Amount, &p.Currency, &p.Recurring, (*string)(&p.Status), &p.ProviderRef, &p.Data, (*stamp)(&p.UpdatedAt), (*texts)(&p.Moved),
		}
	})

// What may change of them.
var (
	orderChanges   = changesOf(orderKind)
	paymentChanges = changesOf(paymentKind)
)

func changesOf[R any](k kind[R]) kind[R] {
	return newKind(k.table, strings.Join(k.columns[keptColumns:], " "), func(r *R) []any { return k.fields(r)[keptColumns:] })
}

var (
	errOrderKey = errors.New("sqlitestore: an order or a payment without its ID, partner or client")
	errTwice    = errors.New("sqlitestore: an order or a payment is given twice")
)

// CommitOrders implements [store.Orders].
func (s *Store) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	orders, payments = slices.Clone(orders), slices.Clone(payments)
	for i := range orders {
		o := &orders[i]
		o.Data, o.Moved = bytes.Clone(o.Data), slices.Clone(o.Moved)
		if o.ID <= 0 || o.PartnerID == "" || o.ClientID == "" {
			return errOrderKey
		}
		if slices.ContainsFunc(orders[:i], func(other store.Order) bool { return other.ID == o.ID }) {
			return errTwice
		}
	}
	for i := range payments {
		p := &payments[i]
		p.Orders, p.Data, p.Moved = slices.Clone(p.Orders), bytes.Clone(p.Data), slices.Clone(p.Moved)
		if p.ID == "" || p.PartnerID == "" || p.ClientID == "" {
			return errOrderKey
		}
		if slices.ContainsFunc(payments[:i], func(other store.Payment) bool { return other.ID == p.ID }) {
			return errTwice
		}
	}
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		for _, o := range orders {
			version := o.Version
			o.Version++
			if err := commitRecord(t, orderKind, orderChanges, &o, o.ID, version); err != nil {
				return struct{}{}, err
			}
		}
		for _, p := range payments {
			version := p.Version
			p.Version++
			if err := commitRecord(t, paymentKind, paymentChanges, &p, p.ID, version); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// commitRecord inserts the record if the version is zero, and else changes the one
// with the ID if it has the version.
func commitRecord[R any](t *txn, k, changes kind[R], r *R, id any, version int64) error {
	if version == 0 {
		_, err := t.exec(k.inserts, k.fields(r)...)
		return conflict(err)
	}
	n, err := t.exec(changes.updates+"WHERE id = ? AND version = ?", append(changes.fields(r), id, version)...)
	if err == nil && n == 0 {
		return t.missed(k.table+" WHERE id = ?", id)
	}
	return err
}

// Order implements [store.Orders].
func (s *Store) Order(ctx context.Context, id int64) (store.Order, error) {
	return readOne(ctx, s, orderKind, "WHERE id = ?", id)
}

// OrderByExternalID implements [store.Orders].
func (s *Store) OrderByExternalID(ctx context.Context, clientID, externalID string) (store.Order, error) {
	return readOne(ctx, s, orderKind, "WHERE client_id = ? AND external_id = ? AND external_id <> ''", clientID, externalID)
}

// UserOrders implements [store.Orders].
func (s *Store) UserOrders(ctx context.Context, partnerID, userID string) iter.Seq2[store.Order, error] {
	return list(ctx, func() ([]store.Order, error) {
		return readAll(ctx, s, orderKind, "WHERE user_id = ?1 AND user_id <> '' AND (?2 = '' OR partner_id = ?2) ORDER BY created_at DESC, id", userID, partnerID)
	})
}

// Payment implements [store.Orders].
func (s *Store) Payment(ctx context.Context, id string) (store.Payment, error) {
	return readOne(ctx, s, paymentKind, "WHERE id = ?", id)
}

// PaymentByReference implements [store.Orders].
func (s *Store) PaymentByReference(ctx context.Context, clientID, reference string) (store.Payment, error) {
	return readOne(ctx, s, paymentKind, "WHERE client_id = ? AND reference = ? AND reference <> ''", clientID, reference)
}

// UserPayments implements [store.Orders].
func (s *Store) UserPayments(ctx context.Context, userID string) iter.Seq2[store.Payment, error] {
	return list(ctx, func() ([]store.Payment, error) {
		return readAll(ctx, s, paymentKind, "WHERE user_id = ? AND user_id <> '' ORDER BY created_at DESC, id", userID)
	})
}

var errToNobody = errors.New("sqlitestore: orders are moved to nobody")

// MoveOrders implements [store.Orders].
func (s *Store) MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return s.changeOwner(ctx, toUser, ` SET (version, user_id, moved) = (version + 1, ?1, json_insert(iif(json_type(moved) = 'array', moved, '[]'), '$[#]', ?2))
		WHERE user_id = ?3 AND user_id <> ''`, toUser, merge, fromUser)
}

// ReturnOrders implements [store.Orders].
func (s *Store) ReturnOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	const at = "(SELECT min(key) FROM json_each(moved) WHERE value = ?2)"
	return s.changeOwner(ctx, toUser, ` SET (version, user_id, moved) = (version + 1, ?1,
			(SELECT json_group_array(value) FROM (SELECT value FROM json_each(moved) WHERE key < `+at+` ORDER BY key)))
		WHERE user_id = ?3 AND user_id <> '' AND `+at+` IS NOT NULL`, toUser, merge, fromUser)
}

// changeOwner runs the update on orders and payments in one step.
func (s *Store) changeOwner(ctx context.Context, toUser, update string, args ...any) (int, error) {
	if toUser == "" {
		return 0, errToNobody
	}
	return write(ctx, s, func(t *txn) (int, error) {
		orders, err := t.exec("UPDATE connectid_orders"+update, args...)
		if err != nil {
			return 0, err
		}
		payments, err := t.exec("UPDATE connectid_payments"+update, args...)
		return orders + payments, err
	})
}
