package memstore

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type tickets struct {
	mu sync.RWMutex
	t  table[ticketKey, ticket] // index 0: user
}

type ticketKey struct {
	kind store.TicketKind
	hash store.Digest
}

type ticket struct {
	store.Ticket
	used bool
}

func (t *tickets) init() {
	t.t = newTable[ticketKey](func(t *ticket) string { return t.UserID })
}

func (t *tickets) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// PutTicket implements [store.Tickets].
func (s *Store) PutTicket(ctx context.Context, r store.Ticket) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Kind == "" || r.Hash.IsZero() {
		return errNoKey
	}
	r.Data = bytes.Clone(r.Data)
	utc(&r.CreatedAt, &r.ExpiresAt)
	now, key := time.Now(), ticketKey{r.Kind, r.Hash}
	t := &s.tickets
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.t.live(key, now) != nil {
		return store.ErrConflict
	}
	t.t.insert(key, ticket{Ticket: r}, r.ExpiresAt, now)
	return nil
}

// Ticket implements [store.Tickets].
func (s *Store) Ticket(ctx context.Context, kind store.TicketKind, hash store.Digest) (store.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return store.Ticket{}, err
	}
	t, now := &s.tickets, time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	it := t.t.live(ticketKey{kind, hash}, now)
	if it == nil {
		return store.Ticket{}, store.ErrNotFound
	}
	if it.rec.used {
		return it.rec.copied(), store.ErrUsed
	}
	return it.rec.copied(), nil
}

// TakeTicket implements [store.Tickets].
func (s *Store) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return store.Ticket{}, err
	}
	t, now := &s.tickets, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	it := t.t.live(ticketKey{kind, hash}, now)
	switch {
	case it == nil || it.rec.ClientID != clientID:
		return store.Ticket{}, store.ErrNotFound
	case it.rec.used:
		return it.rec.copied(), store.ErrUsed
	}
	it.rec.used = true
	return it.rec.copied(), nil
}

// DropUserTickets implements [store.Tickets].
func (s *Store) DropUserTickets(ctx context.Context, userID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	s.tickets.t.each(0, userID, time.Now(), func(it *item[ticketKey, ticket]) {
		s.tickets.t.remove(it)
		n++
	})
	return n, nil
}

func (t *ticket) copied() store.Ticket {
	r := t.Ticket
	r.Data = bytes.Clone(r.Data)
	return r
}
