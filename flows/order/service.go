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
type Service struct{ c Config }

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

// New returns the service, or all that is wrong with c.
func New(c Config) (*Service, error) { return &Service{c}, nil }

var errUnbuilt = errors.New("not built") // only on the integration branch

// Place places an order. The same ExternalID with the same Body returns the order
// that exists; with another Body the error is ErrRepeated. A fault of the order is
// a *RefusedError. What needs no provider is handed over before Place returns, if
// the publisher's system takes it at once.
func (s *Service) Place(ctx context.Context, p Placement) (Order, error) { return Order{}, errUnbuilt }

// Order returns the client's order: ErrNotFound for an unknown one and for another
// client's. userID, unless it is empty, has to own it.
func (s *Service) Order(ctx context.Context, c *store.Client, userID string, id int64) (Order, error) {
	return Order{}, errUnbuilt
}

// OrderByExternalID is Order by the client's own name for it.
func (s *Service) OrderByExternalID(ctx context.Context, c *store.Client, userID, externalID string) (Order, error) {
	return Order{}, errUnbuilt
}

// Orders returns the user's orders at the partner, the latest first; at all partners
// if partnerID is empty.
func (s *Service) Orders(ctx context.Context, partnerID, userID string) ([]Order, error) {
	return nil, errUnbuilt
}

// Checkout is what the fulfillment URL asks for.
type Checkout struct {
	OrderIDs []int64
	// ClientID, if it is not empty, has to be that of the orders.
	ClientID string
	// UserID is who pays; required. Orders that are nobody's become hers.
	UserID string
	Lang   string
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

// Check finds the orders of a checkout, without a word to a provider: all of one
// client and one merchant group, of this user or of nobody, and several only if all
// are paid by card. ErrNotFound for an unknown order and another user's alike, a
// *RefusedError for a list that can not be paid for together. Before somebody is
// logged in c.UserID may be empty.
func (s *Service) Check(ctx context.Context, c Checkout) ([]Order, error) { return nil, errUnbuilt }

// Pay begins the payment of the orders, or goes on with the one that has begun: of
// any number of callers, at any number of nodes, all get the same. Orders that need
// no provider are Success at once.
func (s *Service) Pay(ctx context.Context, c Checkout) (Due, error) { return Due{}, errUnbuilt }

// Settle asks the provider how the payment stands, and brings payment and orders
// along: money that is reserved for orders is taken, and what is paid is handed
// over. It returns the payment as it is stored then. However often and by whomever
// it is called, money is taken once.
func (s *Service) Settle(ctx context.Context, paymentID string) (store.Payment, error) {
	return store.Payment{}, errUnbuilt
}

// OutcomeOf says what the payment's status means to who began it.
func OutcomeOf(p store.Payment) Outcome { return Waiting }

// ReadCallback judges a call to a provider's callback address and settles the
// payment that it is about. proof is the last part of the address that [Start] gave
// the provider, for one that names a payment. ErrForged and ErrNotFound say that it
// was nothing.
func (s *Service) ReadCallback(ctx context.Context, proof string, c Callback) error {
	return errUnbuilt
}

// ScriptStart is a payment that the payment script asks for, with its sign verified.
type ScriptStart struct {
	Client    *store.Client
	Claims    Claims
	Token     string // the sign as it came
	Attempt   string // the script's own key: 128 random bits in base64url
	Lang      string
	UserAgent string
}

// ScriptPayment is a payment of the script.
type ScriptPayment struct {
	ID          string // mcPayRef
	Flow        PaymentFlow
	RedirectURL string
	View        View
	Outcome     Outcome
}

// StartScript begins the payment, or returns the one that has begun with the same
// Token and Attempt, while it is open. Anything else with its externalReference is
// ErrRepeated, and a fault of the claims a *RefusedError.
func (s *Service) StartScript(ctx context.Context, p ScriptStart) (ScriptPayment, error) {
	return ScriptPayment{}, errUnbuilt
}

// ScriptStanding settles the payment, and says how it stands, to a script that shows
// the Attempt with which it began. ErrNotFound for any other.
func (s *Service) ScriptStanding(ctx context.Context, id, attempt string) (ScriptPayment, error) {
	return ScriptPayment{}, errUnbuilt
}

// ScriptReturn settles the payment of a payer who comes back from the provider, and
// returns where she goes on: the returnUrl of the sign with mcPayRef and status, each
// once; or "" while the outcome is not known. sealed is the last part of the address
// to which she came back.
func (s *Service) ScriptReturn(ctx context.Context, sealed string) (address string, err error) {
	return "", errUnbuilt
}

// Complete brings an order to its end without its payer (ConnectID: order/fulfillment
// of the client mode), as far as that can be done: Success, Error with a reason for a
// developer, or Waiting, and then callbackURL is told of the end.
func (s *Service) Complete(ctx context.Context, c *store.Client, id int64, callbackURL string) (o Order, outcome Outcome, reason string, err error) {
	return Order{}, "", "", errUnbuilt
}

// Assign makes an order that is nobody's the user's; ErrNotFound when it is
// somebody else's.
func (s *Service) Assign(ctx context.Context, c *store.Client, id int64, userID string) (Order, error) {
	return Order{}, errUnbuilt
}

// ChargeAgain takes money again for an order whose payment was recurring: a new
// order with the content of the first, at its renewal price, paid without the payer.
// key is the caller's own: the same again is the same charge.
func (s *Service) ChargeAgain(ctx context.Context, orderID int64, key string) (Order, error) {
	return Order{}, errUnbuilt
}

// Refund gives back what was taken for a payment. It is for the host's own hands.
func (s *Service) Refund(ctx context.Context, paymentID string) (store.Payment, error) {
	return store.Payment{}, errUnbuilt
}

// Run works on what is due until the context ends: payments whose payer never came
// back, orders to be handed over or closed, clients to be told. Any number of nodes
// may run it.
func (s *Service) Run(ctx context.Context) { <-ctx.Done() }

// Work does what is due now, once over, and returns how much that was.
func (s *Service) Work(ctx context.Context) (int, error) { return 0, errUnbuilt }
