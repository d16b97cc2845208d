package store

import (
	"context"
	"iter"
	"time"
)

// Subscription is what a customer of a publisher subscribes to.
type Subscription struct {
	ID             string
	PartnerID      string
	CustomerNumber int64
	Product        string // the product's code
	Name           string // what readers call it
	StartsAt       time.Time
	EndsAt         time.Time // zero while no end is known
	Stopped        bool      // paused by the customer or the publisher
	Paid           bool
	// Price is what a period costs, in minor units of Currency (ISO 4217).
	Price    int64
	Currency string
	// Payment is how it is paid for: "free", "invoice", …
	Payment string
	// Sharable says that the customer may share it, and ShareType with whom.
	Sharable  bool
	ShareType ShareType
	// DistributionLevel is how it reaches her, in the publisher's words, such as
	// paper or digital.
	DistributionLevel string
	CreatedAt         time.Time
}

// ShareType is with whom a subscription can be shared (ConnectID: shareType).
type ShareType string

// The types of shares.
const (
	ShareUsers    ShareType = "USERS" // other users, such as the family
	ShareNetworks ShareType = "NETS"  // whoever comes from some addresses or domains
	ShareBusiness ShareType = "B2B"
)

// Subscriptions keeps the subscriptions of customers.
type Subscriptions interface {
	// PutSubscription inserts the subscription or replaces the one with its ID.
	PutSubscription(ctx context.Context, s Subscription) error
	// Subscription returns the subscription with the ID, ended ones too, or
	// ErrNotFound.
	Subscription(ctx context.Context, id string) (Subscription, error)
	// CustomerSubscriptions lists the subscriptions of the partner's customer,
	// ended ones too: the latest StartsAt first, then by ID.
	CustomerSubscriptions(ctx context.Context, partnerID string, number int64) iter.Seq2[Subscription, error]
	// DeleteSubscription removes the subscription; no error when there is none.
	DeleteSubscription(ctx context.Context, id string) error
}
