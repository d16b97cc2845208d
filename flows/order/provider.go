package order

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Errors of a [Provider]. Any other is an outage: the provider may have done what
// it was asked for, or not, and is asked again with the same key.
var (
	// ErrRefused says that the provider will not do it, and that nothing has
	// happened. It may be wrapped with the provider's reason, for the log.
	ErrRefused = errors.New("order: refused by the provider")
	// ErrUnknown says that the provider has no such payment.
	ErrUnknown = errors.New("order: unknown to the provider")
	// ErrForged says that a callback is not the provider's.
	ErrForged = errors.New("order: not a callback of the provider")
)

// Method is a way to pay (ConnectID: paymentMethod).
type Method string

// The methods of the documents. The last six are paid with a provider only if the
// merchant has one for them.
const (
	Free            Method = "free"
	Invoice         Method = "invoice"
	CreditCard      Method = "creditcard" // the old name of CreditCardPayEx
	CreditCardPayEx Method = "creditcardPayex"
	VippsRecurring  Method = "vippsRecurring"
	VippsEcommerce  Method = "vippsEcommerce"
	SwishPayEx      Method = "swishPayex"
	KlarnaCheckout  Method = "kco"
	Nexi            Method = "nexi"
	SMS             Method = "sms"
	OtherMethod     Method = "other"
)

// PaymentFlow is how the payer gets to the provider (ConnectID: paymentFlow).
type PaymentFlow string

// The ways to the provider.
const (
	Redirect PaymentFlow = "redirect" // her browser is sent there
	Seamless PaymentFlow = "seamless" // its view is shown in the page where she is
)

// What contracts and stores have in common, so that adapters need this package
// only.
type (
	Period  = store.Period
	Renewal = store.Renewal
	Contact = store.Contact
)

// Provider is a payment service. Implementations are safe for concurrent use, obey
// the context, and keep nothing that a restart would lose: what is to be kept of a
// payment is in the Ref that they return.
//
// Nothing that a browser or a callback says is believed: it only makes the kit ask
// for the Standing.
type Provider interface {
	// Start begins a payment, or returns the one that has begun under the same
	// Start.Key. After an error that does not match ErrRefused it is called again
	// with the same Start.
	Start(ctx context.Context, s Start) (Started, error)
	// Standing asks how the payment stands. ErrUnknown says that it never began.
	Standing(ctx context.Context, r Ref) (Standing, error)
	// Capture takes the reserved money, and returns how the payment stands then.
	// The same Key again takes nothing more. A payment that takes the money when
	// the payer agrees is Captured at once; it is never captured again.
	Capture(ctx context.Context, r Ref, a Action) (Standing, error)
	// Cancel ends a payment before money is taken: it releases what is reserved,
	// and makes a payment that is Open one that can not be paid any more. ErrRefused
	// says that it is too late; the Standing says why.
	Cancel(ctx context.Context, r Ref, a Action) (Standing, error)
	// Refund gives taken money back.
	Refund(ctx context.Context, r Ref, a Action) (Standing, error)
	// Callback checks that a call to the callback address is the provider's and
	// returns the ID of the payment that it is about ([Start].ID). ErrForged says
	// that it is not; an empty ID that it is about none that the kit has to ask for.
	// c.PaymentID is what the address says, if it says it.
	Callback(ctx context.Context, c Callback) (paymentID string, err error)
}

// Charger is a [Provider] that can take money again from a payer who has agreed to
// that in a payment with Recurring.
type Charger interface {
	Provider
	// Charge takes money without the payer, or returns what has begun under the
	// same Key. The Standing of a charge that takes its time (Vipps draws money
	// days later) is Open; one that reserves the money is Authorized, and Capture
	// takes it. A provider that can't find what has begun (Swedbank Pay) may reserve
	// the money once more: of several with one Key only that is captured which is kept.
	Charge(ctx context.Context, c Charge) (Charged, error)
}

// Start is a payment that begins.
type Start struct {
	// ID is the payment's own: letters and digits, at most 32, never used before.
	// It is the reference that payer and merchant see at the provider.
	ID         string
	Key        string // the idempotency key: the same when the call is made again
	MerchantID string
	Method     Method
	Flow       PaymentFlow
	Amount     int64  // in minor units of Currency
	VATAmount  int64  // in Amount
	Currency   string // ISO 4217
	Recurring  bool   // money may be taken again later
	// Renewal is what a recurring payment costs later, as the payer agrees to it; a
	// zero Period says that it is not known.
	Renewal     Renewal
	Description string // in the payer's words; at most 40 characters
	Lines       []StartLine
	Payer       Payer
	Lang        string // nb, nn, sv, da, fi or en
	// ReturnURL is where the payer's browser comes back to, however it ended, and
	// CallbackURL where the provider calls. Both are the kit's own.
	ReturnURL   string
	CallbackURL string
	// TermsURL are the terms of the merchant, and LogoURL its logo; may be empty.
	TermsURL string
	LogoURL  string
	// Origins are those of the pages that may show a seamless view.
	Origins []string
	// PageURL is the page that shows a seamless view: where the payer's browser comes
	// back to when her bank has wanted the whole window for a check (3-D Secure). The
	// page then shows the same view again. Empty when it is not known.
	PageURL string
}

// StartLine is a line of what is paid for. The Amounts add up to that of the Start.
type StartLine struct {
	Reference  string // the product's code
	Name       string
	Quantity   int
	Amount     int64 // of all of them, with VAT
	VATAmount  int64
	VATPercent int // in hundredths: 2500 is 25 percent
}

// Payer is who pays, as far as the kit knows.
type Payer struct {
	UserID string // uniqueId: 32 hexadecimal digits; empty for nobody
	Email  string
	Phone  string // E.164
	// UserAgent is what her browser calls itself; empty for a charge without her.
	UserAgent string
}

// Started is a payment that has begun.
type Started struct {
	// Ref is what the provider calls it, as [Ref].Provider is given later; at most
	// 1000 bytes, no secret.
	Ref string
	// RedirectURL is where the payer goes; for Redirect.
	RedirectURL string
	// View is what is shown to her; for Seamless.
	View View
}

// ViewKind is how a seamless view gets into the page.
type ViewKind string

// The kinds of views.
const (
	// FrameView is a page that is framed. It tells the page around it what happened
	// by window.postMessage, to the origins of the Start alone:
	// {"mcPayRef": …, "event": "success" | "failure" | "cancel"}, and
	// {"mcPayRef": …, "event": "height", "height": pixels}.
	FrameView ViewKind = "frame"
	// PayExView is the script of Swedbank Pay's payment menu (checkout v3, seamless
	// view).
	PayExView ViewKind = "payex"
)

// View is a seamless view.
type View struct {
	Kind ViewKind `json:"kind"`
	URL  string   `json:"url"`
}

// Ref names a payment to its provider.
type Ref struct {
	ID         string // the payment's own
	Provider   string // Started.Ref; empty when Start was never answered
	MerchantID string
	Method     Method
	Recurring  bool
}

// Action is something done to the money of a payment.
type Action struct {
	Key         string // the idempotency key
	Amount      int64
	VATAmount   int64
	Currency    string
	Description string
}

// State is what a provider says of a payment.
type State string

// What providers say.
const (
	Open       State = "open"       // the payer may pay
	Authorized State = "authorized" // the money is reserved
	Captured   State = "captured"   // the money is taken, all of it
	Cancelled  State = "cancelled"  // the payer did not want to; final
	Failed     State = "failed"     // it was declined, or took too long; final
	Released   State = "released"   // nothing is reserved any more, by Cancel; final
	Refunded   State = "refunded"   // it was given back, all of it; final
)

// Standing is how a payment stands at the provider.
type Standing struct {
	State State
	// Amount and Currency are what was reserved or taken. The kit compares them
	// with what it asked for.
	Amount   int64
	Currency string
	// Token is what later charges are made with, once a recurring payment has
	// succeeded. The kit keeps it sealed.
	Token string
	// Reason is the provider's word for why it failed, for logs.
	Reason string
}

// Charge is money that is taken without the payer.
type Charge struct {
	ID          string // the payment's own, as in [Start]
	Key         string
	MerchantID  string
	Method      Method
	Token       string // Standing.Token of the payment in which she agreed
	Amount      int64
	VATAmount   int64
	Currency    string
	Description string
	DueAt       time.Time // when it is to be taken; zero for as soon as can be
	Payer       Payer
	CallbackURL string
}

// Charged is a charge that was made, or has begun.
type Charged struct {
	Ref string
	Standing
}

// Callback is a request to a provider's callback address.
type Callback struct {
	MerchantID string
	Method     Method
	PaymentID  string // that the address names; empty for an address of all payments
	HTTPMethod string
	URL        string              // absolute, as the provider called it
	Header     map[string][]string // canonical names
	Body       []byte
	Address    netip.Addr // who calls
	At         time.Time
}

// Merchant is who gets the money: an account at one or several providers.
type Merchant struct {
	ID        string // ConnectID: merchantId
	PartnerID string
	// Group is the merchant group: orders of one group can be paid for together.
	// Default: ID.
	Group string
	// Default makes it the merchant of orders of its partner that name none.
	Default bool
	// Providers are by method. CreditCard is CreditCardPayEx when it is not named.
	Providers map[Method]Provider
}
