// Package order is orders and their payments as state machines: what a client's
// order costs, how it is paid for by a [Provider], and how it gets to the
// publisher's system, a [Desk].
//
// The provider's own answer is the truth, never what a browser says. What is about
// to be done is stored before it is done, with the key under which the provider
// does it once; whoever finds it stored goes on with it: the payer who comes back,
// the provider's callback, or [Service.Run].
package order

import (
	"context"
	"errors"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Placement is an order as it is placed (ConnectID: order).
type Placement struct {
	Client *store.Client // who sends it; required
	UserID string        // of the token, in user mode; then it is hers
	// Body is the digest of the request, but for its form: the same ExternalID with
	// another Body is refused.
	Body store.Digest
	Content
}

// Content is what an order says. It is kept with the order.
type Content struct {
	ExternalID        string    `json:"externalOrderId,omitempty"`
	OrderDate         time.Time `json:"orderDate,omitzero"`
	Method            Method    `json:"paymentMethod,omitempty"`
	MerchantID        string    `json:"merchantId,omitempty"`
	Amount            *int64    `json:"orderAmount,omitempty"` // in minor units; nil for what the catalogue says
	Currency          string    `json:"currency,omitempty"`
	MarketingCode     string    `json:"marketingCouponCode,omitempty"`
	MarketingNumber   int64     `json:"marketingCouponNumber,omitempty"`
	CompanyCode       string    `json:"companyCode,omitempty"`
	CustomerReference string    `json:"customerReference,omitempty"`
	UniqueUserID      string    `json:"uniqueUserId,omitempty"`
	Seller            string    `json:"seller,omitempty"`
	SalesMethod       string    `json:"salesMethod,omitempty"`
	Payer             Person    `json:"payer,omitzero"`
	Lines             []Line    `json:"orderLines"`
	Prepaid           bool      `json:"prepaid,omitempty"`
	Recurring         bool      `json:"recurring,omitempty"`
	PaymentInfo       string    `json:"paymentInfo,omitempty"`
	// PaymentRef is a payment made with the script (mcPayRef).
	PaymentRef string `json:"mcPayRef,omitempty"`
	// Forgotten says that the account whose order it was is deleted: it is nobody's
	// for good, and who it is for is forgotten once it is handed over or closed.
	Forgotten bool `json:"forgotten,omitempty"`
	// NewCustomer says that the publisher made a customer of its user by this order.
	NewCustomer bool `json:"newCustomer,omitempty"`
}

// Person is who pays or receives.
type Person struct {
	CustomerNumber int64    `json:"customerNumber,omitempty"`
	CompanyName    string   `json:"companyName,omitempty"`
	FirstName      string   `json:"firstName,omitempty"`
	LastName       string   `json:"lastName,omitempty"`
	Street         string   `json:"street,omitempty"`
	StreetNumber   string   `json:"streetNumber,omitempty"`
	Entrance       string   `json:"entrance,omitempty"`
	Floor          string   `json:"floor,omitempty"`
	COAddress      string   `json:"coAddress,omitempty"`
	PostalCode     string   `json:"postalCode,omitempty"`
	PostalPlace    string   `json:"postalPlace,omitempty"`
	CountryCode    string   `json:"countryCode,omitempty"`
	BirthDate      string   `json:"birthDate,omitempty"` // yyyy-mm-dd
	Emails         []string `json:"emails,omitempty"`
	PhoneNumbers   []string `json:"phoneNumbers,omitempty"` // E.164
}

// Line is a line of an order. Amounts are in minor units.
type Line struct {
	SpecType      string    `json:"productSpecType"` // coupon, product, issue or article
	SpecCode      string    `json:"productSpecCode,omitempty"`
	SpecNo        int64     `json:"productSpecNo,omitempty"`
	Product       string    `json:"product,omitempty"`
	Quantity      int       `json:"quantity,omitempty"`
	UnitPrice     *int64    `json:"unitPrice,omitempty"` // nil for what the catalogue says
	VoucherCode   string    `json:"voucherCode,omitempty"`
	AccessProduct string    `json:"allowAccessProduct,omitempty"`
	AccessSeconds int64     `json:"allowAccessSeconds,omitempty"`
	StartDate     time.Time `json:"startDate,omitzero"` // startInfo
	Receiver      *Person   `json:"receiver,omitempty"`
	// What the catalogue says of it, written when it is placed.
	Price         int64    `json:"price"`                // of one, with VAT and delivery, after a voucher
	VATAmount     int64    `json:"vatAmount,omitempty"`  // in Price
	VATPercent    int      `json:"vatPercent,omitempty"` // in hundredths
	Name          string   `json:"name,omitempty"`
	Period        Period   `json:"period,omitzero"`
	Renewal       Renewal  `json:"renewal,omitzero"`
	ProductType   string   `json:"productType,omitempty"` // such as store.SubscriptionProduct
	Digital       bool     `json:"digital,omitempty"`
	ExtraProducts []string `json:"extraProducts,omitempty"` // codes of what comes with a coupon
}

// Order is an order and what it says.
type Order struct {
	store.Order
	Content Content
}

// Outcome is how an attempt to pay has ended, or that it has not
// (ConnectID: fulfillmentStatus).
type Outcome string

// The outcomes. Waiting is none of the documents': nobody knows yet.
const (
	Waiting   Outcome = ""
	Success   Outcome = "success"
	Cancel    Outcome = "cancel"
	Error     Outcome = "error"
	Uncertain Outcome = "unknown" // of several orders, when at least one is in doubt
)

// Desk is a publisher's system that takes orders. Implementations are safe for
// concurrent use and obey the context.
type Desk interface {
	// Take takes a paid order. The same order (HandOver.OrderID) again is not taken
	// twice and gets the same receipt. An error that matches [ErrUnacceptable] says
	// that it never will be; any other is an outage, and it is tried again.
	Take(ctx context.Context, h HandOver) (Receipt, error)
}

// ErrUnacceptable says that a publisher's system refuses an order for good.
var ErrUnacceptable = errors.New("order: not acceptable to the publisher")

// HandOver is a paid order on its way to the publisher.
type HandOver struct {
	OrderID   int64
	PartnerID string
	ClientID  string
	UserID    string // uniqueId; may be empty
	// Contacts are the user's proved ones.
	Contacts []Contact
	// CustomerNumber is the payer's, zero while unknown.
	CustomerNumber int64
	Amount         int64
	Currency       string
	PaidAt         time.Time // zero for free and invoiced ones
	PaymentRef     string    // mcPayRef of what paid for it; may be empty
	OrderedAt      time.Time
	Content        Content
}

// Receipt is what the publisher's system says of an order that it has taken.
type Receipt struct {
	CustomerNumber int64 // of the payer, new or known; zero when it says none
	// New says that nobody had the number before: the publisher has made a customer
	// of the payer by this order. The user of the order is tied to it then. Without it
	// she is only if every address and number of the payer is one that she has
	// proved to own: what else an order says of its payer anybody may write.
	New bool
}
