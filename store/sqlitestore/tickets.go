package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/connectid-kit/connectid/store"
)

// ticket is a ticket with what a store knows of it.
type ticket struct {
	store.Ticket
	used bool
}

var ticketKind = newKind("connectid_tickets", `kind hash client_id user_id grant_id data created_at ends_at used`,
	func(t *ticket) []any {
		return []any{
			(*string)(&t.Kind), (*digest)(&t.Hash), &t.ClientID, &t.UserID, &t.GrantID, &t.Data, (*stamp)(&t.CreatedAt), (*stamp)(&t.ExpiresAt), &t.used,
		}
	})

// PutTicket implements [store.Tickets].
func (s *Store) PutTicket(ctx context.Context, r store.Ticket) error {
	r.Data = bytes.Clone(r.Data)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		return struct{}{}, t.insert(ticketKind.inserts, ticketKind.fields(&ticket{Ticket: r}),
			"DELETE FROM connectid_tickets WHERE kind = ? AND hash = ? AND ends_at <= ?", string(r.Kind), key(r.Hash), now())
	})
	return err
}

// Ticket implements [store.Tickets].
func (s *Store) Ticket(ctx context.Context, kind store.TicketKind, hash store.Digest) (store.Ticket, error) {
	r, err := readOne(ctx, s, ticketKind, "WHERE kind = ? AND hash = ? AND ends_at > ?", string(kind), key(hash), now())
	if err == nil && r.used {
		err = store.ErrUsed
	}
	return r.Ticket, err
}

// TakeTicket implements [store.Tickets].
func (s *Store) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	return write(ctx, s, func(t *txn) (store.Ticket, error) {
		const live = "WHERE kind = ? AND hash = ? AND client_id = ? AND ends_at > ?"
		var r ticket
		at := now()
		err := t.row("UPDATE connectid_tickets SET used = 1 "+live+" AND used = 0 RETURNING "+ticketKind.list,
			string(kind), key(hash), clientID, at).Scan(ticketKind.fields(&r)...)
		if !errors.Is(err, sql.ErrNoRows) {
			return r.Ticket, err
		}
		err = t.row(ticketKind.selects+live, string(kind), key(hash), clientID, at).Scan(ticketKind.fields(&r)...)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return store.Ticket{}, store.ErrNotFound
		case err != nil:
			return store.Ticket{}, err
		}
		return r.Ticket, store.ErrUsed
	})
}

// DropUserTickets implements [store.Tickets].
func (s *Store) DropUserTickets(ctx context.Context, userID string) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_tickets WHERE user_id = ? AND user_id <> '' AND ends_at > ?", userID, now())
}
