package store

import (
	"context"
	"time"
)

// TicketKind is what a ticket is good for. Tickets of different kinds do not meet.
type TicketKind string

// The kinds of ticket.
const (
	PushedRequest TicketKind = "par"   // an authorization request that was pushed (RFC 9126)
	ExternalCode  TicketKind = "extid" // an extidCode (ConnectID: External Identity API)
	OrderLink     TicketKind = "order" // the link to an order that logs its user in (ConnectID: order/{orderId}/user)
	ProofID       TicketKind = "dpop"  // the jti of a DPoP proof (RFC 9449, section 11.1)
)

// Ticket is something that may happen once: a request that is spent, a code that
// is exchanged, a proof that is shown.
type Ticket struct {
	Kind      TicketKind
	Hash      Digest // of what names it; unique within its kind
	ClientID  string // whose it is
	UserID    string // for whom it was issued; empty for nobody
	GrantID   string // of the grant that it will give; empty for none
	Data      []byte // what it says; opaque to stores
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Tickets keeps tickets until they expire, used ones too, so that a replay is
// recognisable.
type Tickets interface {
	// PutTicket inserts the ticket, or returns ErrConflict when its hash is taken
	// within its kind, also by a used one. Of many concurrent callers with one
	// hash exactly one succeeds.
	PutTicket(ctx context.Context, t Ticket) error
	// Ticket returns the live ticket, ErrUsed with it when it has been used, or
	// ErrNotFound. It uses nothing up.
	Ticket(ctx context.Context, kind TicketKind, hash Digest) (Ticket, error)
	// TakeTicket marks the client's live ticket as used and returns it. Of many
	// concurrent callers exactly one gets a nil error, the rest get the ticket
	// and ErrUsed. Without a live ticket of that client the error is ErrNotFound,
	// and the ticket of another client is left as it was.
	TakeTicket(ctx context.Context, kind TicketKind, hash Digest, clientID string) (Ticket, error)
	// DropUserTickets removes the tickets for the user, whether used or not, and
	// returns how many there were.
	DropUserTickets(ctx context.Context, userID string) (int, error)
}
