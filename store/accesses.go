package store

import (
	"context"
	"iter"
	"time"
)

// NoEnd is the ExpiresAt of what lasts.
var NoEnd = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Access is a right to read beside subscriptions of one's own: what an order
// grants until it is handled, a single article that was bought, or a share in
// another's subscription.
type Access struct {
	ID        string // unique; the same when what grants it is done again
	PartnerID string
	// UserID or CustomerNumber, or both, say who has it.
	UserID         string
	CustomerNumber int64
	// Product and ArticleID say to what; of a share neither has to.
	Product   string
	ArticleID string
	// Subscription makes it a share: the ID of the subscription that its owner
	// shares, and as good as that.
	Subscription string
	StartsAt     time.Time
	ExpiresAt    time.Time // NoEnd for what lasts
	// Moved are the IDs of the merges that have made it its user's, the latest last.
	Moved []string
}

// Accesses keeps rights to read.
type Accesses interface {
	// PutAccess inserts the access or replaces the one with its ID. One without a
	// UserID and a CustomerNumber is refused with an error.
	PutAccess(ctx context.Context, a Access) error
	// UserAccesses lists the user's live accesses at the partner, and at all
	// partners if partnerID is empty, by an indexed look-up: the latest ExpiresAt
	// first, then by ID.
	UserAccesses(ctx context.Context, partnerID, userID string) iter.Seq2[Access, error]
	// CustomerAccesses lists those of the partner's customer, in the same order.
	CustomerAccesses(ctx context.Context, partnerID string, number int64) iter.Seq2[Access, error]
	// MoveAccesses makes the live accesses of one user those of another, at all
	// partners, and adds the merge to Moved of each. It returns how many there
	// were: none when it is done again.
	MoveAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error)
	// ReturnAccesses undoes MoveAccesses: of the live accesses that fromUser has,
	// those that the merge has moved become toUser's, and Moved ends before it.
	ReturnAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error)
	// DeleteAccess removes the access; no error when there is none.
	DeleteAccess(ctx context.Context, id string) error
	// DeleteUserAccesses removes all that the user has, at all partners, and
	// returns how many there were.
	DeleteUserAccesses(ctx context.Context, userID string) (int, error)
}
