package store

import (
	"context"
	"iter"
	"time"
)

// Product is what a publisher sells: a newspaper in paper, its digital edition, a
// single issue. It is sold by coupons.
type Product struct {
	PartnerID   string
	Code        string // unique at the partner
	CompanyCode string // the publisher's company that sells it
	Description string // what readers call it
	Type        string // [SubscriptionProduct], or what else the publisher sells
	// CategoryTypes are what kinds of content it opens, in the publisher's own
	// words; see accessing by category.
	CategoryTypes []string
	StartsAt      time.Time // when it is first sold; zero for always
	EndsAt        time.Time // zero while no end is known
	// WebOfferPrice and RetailPrice are in minor units of Currency (ISO 4217).
	WebOfferPrice int64
	RetailPrice   int64
	Currency      string
	VATPercent    int  // in hundredths: 2500 is 25 percent
	VATIncluded   bool // in the prices of the product and its coupons
	Digital       bool
	Shop          bool // sold in the web shop
	// Distribution is what it costs to have it delivered: the entry with the
	// customer's country and the longest PostalPrefix counts.
	Distribution []Distribution
	UpdatedAt    time.Time
}

// SubscriptionProduct is the Type of products that are subscribed to.
const SubscriptionProduct = "subscription"

// Distribution is what delivery to one place costs.
type Distribution struct {
	Country      string // ISO 3166 alpha-2
	PostalPrefix string // empty for the whole country
	Price        int64  // in minor units of the product's currency
}

// Products keeps what is sold by publishers that have no catalogue of their own.
type Products interface {
	// PutProduct inserts the product or replaces the partner's one with that Code.
	PutProduct(ctx context.Context, p Product) error
	// Product returns the partner's product with the code, ended ones too, or
	// ErrNotFound. Codes are compared exactly.
	Product(ctx context.Context, partnerID, code string) (Product, error)
	// Products lists the partner's products, ended ones too, ordered by Code.
	Products(ctx context.Context, partnerID string) iter.Seq2[Product, error]
	// DeleteProduct removes the product; no error when there is none. Its coupons
	// stay.
	DeleteProduct(ctx context.Context, partnerID, code string) error
}
