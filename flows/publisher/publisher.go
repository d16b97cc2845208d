// Package publisher is the contracts to a publisher's own systems: who its
// customers and members are, what they subscribe to, what is sold to them, and
// who may read what.
//
// A publisher that has a customer system implements [Customers], one with a
// membership system [Memberships], with a catalogue [Catalogue], with rules of
// its own [Access]; package httpjson does so for systems that speak HTTP and
// JSON. For the others [StoreCustomers], [StoreMemberships], [StoreCatalogue] and
// [StoreAccess] work on the kit's own store, so that everything works at once.
package publisher

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/store"
)

// Errors that callers branch on. Any other error is an outage: it is never taken
// for "no such person", and never for a match.
var (
	// ErrNotFound says that there is nobody with that number, or that the name or
	// postal code is another person's. A system does not tell which.
	ErrNotFound = errors.New("publisher: not found")
	// ErrTied says that the person is tied to another user.
	ErrTied = errors.New("publisher: tied to another user")
	// ErrSpent says that a voucher has been used.
	ErrSpent = errors.New("publisher: the voucher is spent")
)

// What contracts and stores have in common, so that adapters need this package
// only.
type (
	Contact      = store.Contact
	Subscription = store.Subscription
	Product      = store.Product
	Coupon       = store.Coupon
	CouponID     = store.CouponID
	ShareType    = store.ShareType
	PeriodUnit   = store.PeriodUnit
	Period       = store.Period
	Renewal      = store.Renewal
	ExtraProduct = store.ExtraProduct
	Marketing    = store.Marketing
	Distribution = store.Distribution

	CredentialKind = store.CredentialKind
)

// The kinds of contacts.
const (
	Email = store.Email
	Phone = store.Phone
)

// Search is what a reader says of herself.
type Search struct {
	PartnerID string
	ClientID  string // at which site she asks
	Number    string // customer or membership number, without the spaces around it
	// LastName and PostalCode prove it. At least one is given, and each that is
	// given has to be right.
	LastName   string
	PostalCode string
}

// CredentialSearch asks for the persons who can be reached at a credential that
// the reader has proved to own.
type CredentialSearch struct {
	PartnerID string
	ClientID  string
	Contact   Contact
}

// Person is a customer or a member, as much of her as a reader is shown who may
// be her.
type Person struct {
	Number string `json:"number"`           // by which she is tied; canonical
	Name   string `json:"name,omitempty"`   // first and last name, or the company's
	Place  string `json:"place,omitempty"`  // postal code and town, not the street
	Detail string `json:"detail,omitempty"` // what she subscribes to or is a member of
}

// Tie says which user a person is.
type Tie struct {
	PartnerID string
	ClientID  string
	Number    string
	UserID    string // uniqueId: 32 hexadecimal digits
}

// People is what customer and membership systems have in common.
// Implementations are safe for concurrent use and obey the context.
type People interface {
	// Search returns the person with the number if the proof is right, and
	// ErrNotFound for an unknown number and for a wrong proof alike. The kit
	// limits how often a reader may ask, and makes the time of a refusal tell
	// nothing as long as it is below 4 seconds.
	Search(ctx context.Context, s Search) (Person, error)
	// ByCredential returns the persons who can be reached at the contact, by
	// Number; none is no error.
	ByCredential(ctx context.Context, s CredentialSearch) ([]Person, error)
	// Tie notes that the person is the user: ErrNotFound when there is no such
	// person, ErrTied when she is tied to another user. The same tie again is no
	// error. Of many concurrent callers with different users at most one gets a
	// nil error, if the system keeps ties at all; the kit keeps them too, and
	// ties a number to one user whatever the system says.
	Tie(ctx context.Context, t Tie) error
	// Untie takes back what Tie noted for this user; no error when there is
	// nothing to take back.
	Untie(ctx context.Context, t Tie) error
}

// Memberships is the membership system of a partner.
type Memberships interface {
	People
}

// Customers is the customer system of a partner. Its numbers are positive whole
// numbers in decimal digits.
type Customers interface {
	People
	// Offers returns what a reader without a subscription can order at the
	// client; none is no error.
	Offers(ctx context.Context, partnerID, clientID string) ([]Offer, error)
	// Create makes a new customer with a subscription to the offer and returns
	// her. The same Key again returns the same customer and orders nothing more.
	// ErrNotFound when there is no such offer, or it can not be paid for so.
	Create(ctx context.Context, n NewSubscriber) (Person, error)
	// Subscriptions returns what the customer subscribes to, ended ones too, the
	// latest first; none is no error.
	Subscriptions(ctx context.Context, partnerID string, number int64) ([]Subscription, error)
	// Info returns what the system knows of the customer, or ErrNotFound.
	Info(ctx context.Context, partnerID string, number int64) (CustomerInfo, error)
	// Replace makes i all that is known of the customer, but for an Address that
	// is nil, which leaves hers as it is. ErrNotFound when there is no such
	// customer. The kit asks for nothing that [CustomerInfo.Check] refuses.
	Replace(ctx context.Context, partnerID string, number int64, i CustomerInfo) error
}

// The ways to pay for a subscription that need no payment provider.
const (
	PayFree    = "free"
	PayInvoice = "invoice"
)

// Offer is a subscription that readers can order.
type Offer struct {
	ID      string `json:"id"`
	Product string `json:"product"` // the product's code
	Name    string `json:"name"`    // as readers call it
	Terms   string `json:"terms"`   // price and period in words, such as "299 kr a month"
	// Price is what a period costs, in minor units of Currency (ISO 4217); zero
	// is free.
	Price    int64  `json:"price"`
	Currency string `json:"currency,omitempty"`
	// Invoice says that the publisher sends an invoice for it.
	Invoice bool `json:"invoice,omitempty"`
	// Coupon is what of the catalogue is ordered when it is paid for with a payment
	// provider; without one it can not be.
	Coupon CouponID `json:"coupon,omitzero"`
	// Period is how long it lasts for the Price, and Renewal what it costs then.
	Period  Period  `json:"period,omitzero"`
	Renewal Renewal `json:"renewal,omitzero"`
}

// Payment returns how the offer is paid for, or "" if that needs a provider.
func (o Offer) Payment() string {
	switch {
	case o.Price == 0:
		return PayFree
	case o.Invoice:
		return PayInvoice
	}
	return ""
}

// NewSubscriber is a reader who orders a subscription.
type NewSubscriber struct {
	// Key is the same when the order is sent again: the idempotency key.
	Key        string
	PartnerID  string
	ClientID   string
	OfferID    string
	Payment    string // PayFree or PayInvoice
	UserID     string
	FirstName  string
	LastName   string
	Street     string // empty, with PostalCode and City, when nothing is to be sent
	PostalCode string
	City       string
	Country    string    // ISO 3166 alpha-2
	Contacts   []Contact // that she has proved to own
}
