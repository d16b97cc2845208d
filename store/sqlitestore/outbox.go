package sqlitestore

import (
	"bytes"
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var deliveryKind = newKind("connectid_deliveries", `kind id data attempts due_at created_at ends_at`,
	func(d *store.Delivery) []any {
		return []any{
			(*string)(&d.Kind), &d.ID, &d.Data, &d.Attempts, (*stamp)(&d.DueAt), (*stamp)(&d.CreatedAt), (*stamp)(&d.ExpiresAt),
		}
	})

// PutDelivery implements [store.Outbox].
func (s *Store) PutDelivery(ctx context.Context, d store.Delivery) error {
	d.Attempts, d.Data = 0, bytes.Clone(d.Data)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(deliveryKind.inserts, deliveryKind.fields(&d),
			"DELETE FROM connectid_deliveries WHERE kind = ? AND id = ? AND ends_at <= ?", string(d.Kind), d.ID, now())
	})
	return err
}

// ClaimDelivery implements [store.Outbox].
func (s *Store) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, at, until time.Time) (store.Delivery, error) {
	return write(ctx, s, func(t *txn) (store.Delivery, error) {
		var d store.Delivery
		err := t.row(`UPDATE connectid_deliveries SET attempts = attempts + 1, due_at = ?4
			WHERE kind = ?1 AND id = (SELECT id FROM connectid_deliveries
				WHERE kind = ?1 AND due_at <= ?2 AND ends_at > ?3 ORDER BY due_at LIMIT 1)
			RETURNING `+deliveryKind.list, string(kind), micro(at), now(), micro(until)).Scan(deliveryKind.fields(&d)...)
		if err != nil {
			return store.Delivery{}, fault(context.Background(), err)
		}
		return d, nil
	})
}

// RetryDelivery implements [store.Outbox].
func (s *Store) RetryDelivery(ctx context.Context, kind store.DeliveryKind, id string, attempts int, dueAt time.Time) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		const live = "connectid_deliveries WHERE kind = ? AND id = ? AND ends_at > ?"
		end := now()
		n, err := t.exec("UPDATE connectid_deliveries SET due_at = ? WHERE kind = ? AND id = ? AND ends_at > ? AND attempts = ?",
			micro(dueAt), string(kind), id, end, attempts)
		if err == nil && n == 0 {
			err = t.missed(live, string(kind), id, end)
		}
		return struct{}{}, err
	})
	return err
}

// FinishDelivery implements [store.Outbox].
func (s *Store) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_deliveries WHERE kind = ? AND id = ?", string(kind), id)
}
