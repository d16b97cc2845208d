package order

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// open returns the order with what it says. An ID that was given up before an order
// had it is nobody's.
func open(o store.Order) (Order, error) {
	if len(o.Data) == 0 {
		return Order{}, ErrNotFound
	}
	c, err := decodeContent(o.Data)
	if err != nil {
		return Order{}, err
	}
	return Order{Order: o, Content: c}, nil
}

// stored turns the store's error into that of this package.
func stored(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return fmt.Errorf("look up order: %w", err)
}

// Order returns the client's order: ErrNotFound for an unknown one and for another
// client's. userID, unless it is empty, has to own it.
func (s *Service) Order(ctx context.Context, c *store.Client, userID string, id int64) (Order, error) {
	o, err := s.c.Store.Order(ctx, id)
	return owned(o, err, c, userID)
}

// OrderByExternalID is Order by the client's own name for it.
func (s *Service) OrderByExternalID(ctx context.Context, c *store.Client, userID, externalID string) (Order, error) {
	o, err := s.c.Store.OrderByExternalID(ctx, c.ID, externalID)
	return owned(o, err, c, userID)
}

func owned(o store.Order, err error, c *store.Client, userID string) (Order, error) {
	if err != nil {
		return Order{}, stored(err)
	}
	if o.ClientID != c.ID || userID != "" && o.UserID != userID {
		return Order{}, ErrNotFound
	}
	return open(o)
}

// Orders returns the user's orders at the partner, the latest first; at all partners
// if partnerID is empty.
func (s *Service) Orders(ctx context.Context, partnerID, userID string) ([]Order, error) {
	var all []Order
	for o, err := range s.c.Store.UserOrders(ctx, partnerID, userID) {
		if err != nil {
			return nil, fmt.Errorf("list orders: %w", err)
		}
		full, err := open(o)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, full)
	}
	return all, nil
}

// Assign makes an order that is nobody's the user's; ErrNotFound when it is
// somebody else's.
func (s *Service) Assign(ctx context.Context, c *store.Client, id int64, userID string) (Order, error) {
	u, err := store.ResolveUser(ctx, s.c.Store, userID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && u.Blocked:
		return Order{}, ErrNotFound
	case err != nil:
		return Order{}, fmt.Errorf("look up user: %w", err)
	}
	for range maxSwaps {
		o, err := s.Order(ctx, c, "", id)
		if err != nil {
			return Order{}, err
		}
		switch {
		case o.UserID == u.ID:
			return o, nil
		case o.UserID != "", o.Content.Forgotten: // somebody else's, or nobody's for good
			return Order{}, ErrNotFound
		}
		next := o.Order
		next.UserID, next.UpdatedAt = u.ID, time.Now().UTC().Truncate(time.Millisecond)
		if next.CustomerNumber == 0 {
			next.CustomerNumber = u.CustomerNumber(o.PartnerID)
		}
		err = s.c.Store.CommitOrders(ctx, []store.Order{next}, nil)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue
		case err != nil:
			return Order{}, fmt.Errorf("store order: %w", err)
		}
		return s.assigned(ctx, next)
	}
	return Order{}, fmt.Errorf("assign order: %w again and again", store.ErrConflict)
}

// assigned gives the user of an order, who was not known before, what others got
// when it was paid for.
func (s *Service) assigned(ctx context.Context, o store.Order) (Order, error) {
	bounded, cancel := context.WithTimeout(ctx, waitIn(ctx, handOverWithin))
	defer cancel()
	if err := s.handOver(bounded, o.ID); err != nil {
		s.c.Logger.WarnContext(ctx, "what an order opens for its user is to be opened later", "order", o.ID, "err", err)
	}
	if now, err := s.c.Store.Order(ctx, o.ID); err == nil {
		o = now
	}
	return open(o)
}
