package store

import (
	"context"
	"time"
)

// DeliveryKind is who makes a delivery. Deliveries of different kinds do not meet.
type DeliveryKind string

const (
	// BackchannelLogout tells a client that a session has ended (OpenID Connect
	// Back-Channel Logout 1.0).
	BackchannelLogout DeliveryKind = "backchannel logout"
	// OrderWork brings an order to its end: it is handed over, or closed when nobody
	// has paid for it. Its ID is the order's in decimal digits.
	OrderWork DeliveryKind = "order"
	// PaymentWork brings a payment to its end, whatever becomes of the browser. Its
	// ID is the payment's.
	PaymentWork DeliveryKind = "payment"
	// OrderNews tells a client what has become of an order that it asked about.
	OrderNews DeliveryKind = "order news"
)

// Delivery is something that another system has to be told, again and again until
// it has taken it or it is no longer worth telling.
type Delivery struct {
	Kind DeliveryKind
	ID   string // unique within its kind; the same again is the same delivery
	Data []byte // what is to be told; opaque to stores, and no secret
	// Attempts is how often somebody has claimed it.
	Attempts  int
	DueAt     time.Time // when it is to be tried
	CreatedAt time.Time
	ExpiresAt time.Time // when it is given up
}

// Outbox keeps deliveries until they are made.
type Outbox interface {
	// PutDelivery inserts the delivery with no Attempts, or returns ErrConflict
	// when its ID is taken within its kind.
	PutDelivery(ctx context.Context, d Delivery) error
	// ClaimDelivery returns the live delivery of the kind that has been due for the
	// longest at the given time, and ErrNotFound when none is. In the same step it
	// counts the attempt and sets DueAt to until, so that nobody else gets it
	// before: of many concurrent callers no two get the same. The delivery is
	// returned as it is stored then.
	ClaimDelivery(ctx context.Context, kind DeliveryKind, now, until time.Time) (Delivery, error)
	// RetryDelivery sets DueAt of a delivery that was claimed if its Attempts are
	// those given: whoever claimed it meanwhile decides. ErrConflict when they
	// differ, ErrNotFound when there is none.
	RetryDelivery(ctx context.Context, kind DeliveryKind, id string, attempts int, dueAt time.Time) error
	// FinishDelivery removes the delivery; no error when there is none.
	FinishDelivery(ctx context.Context, kind DeliveryKind, id string) error
}
