package order

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// Store is what the service needs of a backend.
type Store interface {
	publisher.Store
	store.Orders
	store.Outbox
}

// Config configures a [Service].
type Config struct {
	Store      Store              // required
	Clients    store.Clients      // required
	Keys       *keys.Ring         // required
	Publishers *publisher.Systems // required
	Merchants  []Merchant
	// Desks are the systems of publishers that take orders, by partner. Orders of
	// partners that are not named are kept in Store: [StoreDesk].
	Desks map[string]Desk
	// CallbackURL is the address below which providers call, such as
	// https://connectid.example/capi/mcpay/callback. Required with Merchants.
	CallbackURL string
	// ScriptReturnURL is where payers come back to whom the script has sent away,
	// such as https://connectid.example/capi/mcpay/return. Required with Merchants.
	ScriptReturnURL string
	// Tie makes the user the partner's customer that an order has made of her, in the
	// way in which readers are tied who say that they are one; nil ties nobody. That
	// she can not be tied is no error; any error is an outage, and it is tried again.
	Tie func(ctx context.Context, clientID, userID, partnerID string, number int64) error
	// Notify fetches the callbackUrl of a client; nil says that none is fetched.
	Notify func(ctx context.Context, address string) error
	// PayWithin is how long an order can be paid for; default 24 hours.
	PayWithin time.Duration
	// ClaimWithin is how long a payment of the script waits for its order; default 24
	// hours.
	ClaimWithin time.Duration
	// Observer is told of each step of orders and payments; default none. It must
	// not block.
	Observer func(context.Context, Step)
	Logger   *slog.Logger // default slog.Default()
}

// Step is one step of an order or a payment, for those who count. It holds no secret.
type Step struct {
	OrderID   int64  // or 0
	PaymentID string // or ""
	ClientID  string
	From, To  string // statuses; From is empty for what begins
}

// Service is orders and payments. It is safe for concurrent use, and any number of
// nodes may have one on one store.
type Service struct {
	c         Config
	merchants map[string]*Merchant // by ID
	turns     turns
	rests     rests
	wakes     map[store.DeliveryKind]chan struct{}
}

// Errors that callers branch on. Any other error is an outage.
var (
	// ErrNotFound says that there is no such order or payment for who asks.
	ErrNotFound = errors.New("order: not found")
	// ErrRepeated says that the externalOrderId or the externalReference was used for
	// something else.
	ErrRepeated = errors.New("order: repeated")
	// ErrClosed says that the order can not be paid for any more.
	ErrClosed = errors.New("order: closed")
)

// RefusedError is what is wrong with an order or a payment that was asked for: a
// fault of the caller. Nothing has happened.
type RefusedError struct {
	Field  string // by its name in the documents, such as orderLines[0].voucherCode; may be empty
	Reason string // for a developer
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("order: %s %s", e.Field, e.Reason) }

// Checkout is what the fulfillment URL asks for.
type Checkout struct {
	OrderIDs []int64
	// ClientID, if it is not empty, has to be that of the orders.
	ClientID string
	// UserID is who pays; required. Orders that are nobody's become hers.
	UserID string
	Lang   string
	// UserAgent is what her browser calls itself; may be empty.
	UserAgent string
	// ReturnURL is the kit's own address to which the provider sends her back.
	ReturnURL string
}

// Due is what is left to do for a checkout.
type Due struct {
	// Outcome is how it has ended; with Waiting there is something to pay.
	Outcome   Outcome
	PaymentID string
	// RedirectURL is where the payer goes to pay; empty while the provider has not
	// told.
	RedirectURL string
}

// ScriptStart is a payment that the payment script asks for, with its sign verified.
type ScriptStart struct {
	Client    *store.Client
	Claims    Claims
	Token     string // the sign as it came
	Attempt   string // the script's own key: 128 random bits in base64url
	Lang      string
	UserAgent string
	// PageURL is the page that shows the script. One that is not among the client's
	// targets is as good as none.
	PageURL string
}

// ScriptPayment is a payment of the script.
type ScriptPayment struct {
	ID          string // mcPayRef
	Flow        PaymentFlow
	RedirectURL string
	View        View
	Outcome     Outcome
}
