package store

import (
	"context"
	"iter"
	"time"
)

// OrderStatus is how far an order has come.
type OrderStatus string

// The states of an order. Only paid orders are handed over.
const (
	OrderPreliminary     OrderStatus = "preliminary"     // placed, and to be paid by a provider
	OrderAwaitingPayment OrderStatus = "awaitingPayment" // its payment has begun
	OrderPaid            OrderStatus = "paid"            // or free, invoiced or prepaid: to be handed over
	OrderCancelled       OrderStatus = "cancelled"       // the payer did not want to pay
	OrderFailed          OrderStatus = "failed"          // the payment failed
	OrderHandedOver      OrderStatus = "handedOver"      // the publisher's system has it
)

// Order is what somebody has ordered of a publisher.
type Order struct {
	ID        int64 // random, positive, at most 53 bits
	PartnerID string
	ClientID  string
	// ExternalID is the client's own name for it (ConnectID: externalOrderId),
	// unique at the client; empty for none.
	ExternalID string
	// Body is the digest of what was asked for: the same again is the same order.
	Body Digest
	// UserID is whose order it is; empty while it is nobody's yet.
	UserID         string
	CustomerNumber int64 // of the payer at the partner, zero while unknown
	Status         OrderStatus
	Method         string // paymentMethod
	MerchantID     string // who gets the money; empty without a provider
	Amount         int64  // in minor units of Currency
	Currency       string // ISO 4217; empty when nothing is to be paid
	// PaymentID is the payment that pays for it, the latest if there were several.
	PaymentID string
	Data      []byte // what was ordered; opaque to stores
	OrderedAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	// Moved are the IDs of the merges that have made it its user's, the latest last.
	Moved   []string
	Version int64 // zero for an order that is not stored yet
}

// PaymentStatus is how far a payment has come.
type PaymentStatus string

// The states of a payment. What is about to be done to money is stored before it
// is done.
const (
	PaymentNew        PaymentStatus = "new"        // the provider may not know of it yet
	PaymentOpen       PaymentStatus = "open"       // the payer is asked
	PaymentAuthorized PaymentStatus = "authorized" // the money is reserved
	PaymentCapturing  PaymentStatus = "capturing"  // it is being taken
	PaymentCaptured   PaymentStatus = "captured"   // it is taken
	PaymentReleasing  PaymentStatus = "releasing"  // the reservation, or the question, is being given up
	PaymentReleased   PaymentStatus = "released"   // nothing is reserved
	PaymentRefunding  PaymentStatus = "refunding"  // what was taken is being given back
	PaymentRefunded   PaymentStatus = "refunded"   // it is given back
	PaymentCancelled  PaymentStatus = "cancelled"  // by the payer
	PaymentFailed     PaymentStatus = "failed"     // the provider says no
)

// Payment is one attempt to pay with a provider, for orders that exist or, begun by
// the payment script, for one that is placed when it has succeeded.
type Payment struct {
	ID        string // random (ConnectID: mcPayRef)
	PartnerID string
	ClientID  string
	UserID    string // of who pays; empty when nobody was logged in
	// Orders are what it pays for: the script's payments have none before one
	// claims them.
	Orders []int64
	// Reference is the client's own name for it (ConnectID: externalReference),
	// unique at the client for ever; empty for none.
	Reference string
	// Attempt is the digest of what a repetition has to show.
	Attempt     Digest
	Method      string // paymentMethod
	MerchantID  string
	Amount      int64  // in minor units of Currency
	Currency    string // ISO 4217
	Recurring   bool
	Status      PaymentStatus
	ProviderRef string // what the provider calls it; empty while it is new
	Data        []byte // opaque to stores
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// Moved are the IDs of the merges that have made it its user's, the latest last.
	Moved   []string
	Version int64 // zero for a payment that is not stored yet
}

// Orders keeps orders and their payments. They do not expire.
type Orders interface {
	// CommitOrders writes all the records in one step, or none of them. One with
	// Version zero is inserted: ErrConflict when its ID is taken, or the ExternalID
	// of an order, or the Reference of a payment, at its client. Any other replaces
	// the stored record of its ID if that has the same Version: ErrConflict when it
	// has another, ErrNotFound when there is none. Each is stored with the next
	// Version (1 for an inserted one). Of many concurrent callers that want to
	// replace one version of a record, exactly one gets a nil error. What never
	// changes of a record (PartnerID, ClientID, ExternalID and Reference, CreatedAt)
	// is kept as it was inserted. No record may be given twice; nothing to write is
	// no error. An order without a positive ID, a payment without an ID, and records
	// without a PartnerID or a ClientID are refused with an error.
	CommitOrders(ctx context.Context, orders []Order, payments []Payment) error
	// Order returns the order, or ErrNotFound.
	Order(ctx context.Context, id int64) (Order, error)
	// OrderByExternalID returns the client's order of that ExternalID, by an indexed
	// look-up, or ErrNotFound. No order has the ExternalID "".
	OrderByExternalID(ctx context.Context, clientID, externalID string) (Order, error)
	// UserOrders lists the user's orders at the partner, and at all partners if
	// partnerID is empty, by an indexed look-up: the latest CreatedAt first, then by
	// ID. Nobody has the user ID "".
	UserOrders(ctx context.Context, partnerID, userID string) iter.Seq2[Order, error]
	// Payment returns the payment, or ErrNotFound.
	Payment(ctx context.Context, id string) (Payment, error)
	// PaymentByReference returns the client's payment of that Reference, by an
	// indexed look-up, or ErrNotFound. No payment has the Reference "".
	PaymentByReference(ctx context.Context, clientID, reference string) (Payment, error)
	// UserPayments lists the user's payments at all partners, by an indexed look-up:
	// the latest CreatedAt first, then by ID. Nobody has the user ID "".
	UserPayments(ctx context.Context, userID string) iter.Seq2[Payment, error]
	// MoveOrders makes the orders and payments of one user those of another, adds
	// the merge to Moved of each and raises its Version. It returns how many there
	// were: none when it is done again.
	MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error)
	// ReturnOrders undoes MoveOrders: of what fromUser has, what the merge has moved
	// becomes toUser's, and Moved ends before it.
	ReturnOrders(ctx context.Context, merge, fromUser, toUser string) (int, error)
}
