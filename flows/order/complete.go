package order

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

const (
	// completeWithin bounds what a caller of Complete waits for.
	completeWithin = 8 * time.Second
	// newsWithin is how long a client is told of an order that has come to its end,
	// and newsFor how long an end is waited for.
	newsWithin  = 3 * 24 * time.Hour
	newsFor     = 60 * 24 * time.Hour
	newsTimeout = 10 * time.Second
)

// Complete brings an order to its end without its payer (ConnectID: order/fulfillment
// of the client mode), as far as that can be done: Success, Error with a reason for a
// developer, or Waiting. callbackURL, if it is not empty, is fetched with the outcome
// as soon as that is known; a *RefusedError when it is none of the client's Targets.
func (s *Service) Complete(ctx context.Context, c *store.Client, id int64, callbackURL string) (o Order, outcome Outcome, reason string, err error) {
	if callbackURL != "" {
		if err := s.checkCallback(c, callbackURL); err != nil {
			return Order{}, "", "", err
		}
	}
	if o, err = s.Order(ctx, c, "", id); err != nil {
		return Order{}, "", "", err
	}
	bounded, cancel := context.WithTimeout(ctx, waitIn(ctx, completeWithin))
	defer cancel()
	switch o.Status {
	case store.OrderPaid:
		_ = s.handOver(bounded, id) // it is paid for all the same, and handed over later
	case store.OrderAwaitingPayment:
		if _, err := s.Settle(bounded, o.PaymentID); err != nil {
			s.c.Logger.WarnContext(ctx, "how an order's payment stands is to be asked later", "order", id, "payment", o.PaymentID, "err", err)
		}
	}
	if o, err = s.Order(ctx, c, "", id); err != nil {
		return Order{}, "", "", err
	}
	outcome, reason = s.standing(o.Order)
	if callbackURL != "" {
		if err := s.putNews(ctx, o.Order, callbackURL, outcome != Waiting); err != nil {
			return Order{}, "", "", err
		}
	}
	return o, outcome, reason, nil
}

// waitIn returns how long to wait for somebody else on a caller's time: no longer
// than most, and not so long that nothing is left to say what is stored.
func waitIn(ctx context.Context, most time.Duration) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(most, time.Until(end)*3/4)
	}
	return most
}

// standing says what an order's status means to a client that wants it completed.
func (s *Service) standing(o store.Order) (Outcome, string) {
	switch o.Status {
	case store.OrderPaid, store.OrderHandedOver:
		return Success, ""
	case store.OrderAwaitingPayment:
		return Waiting, "the payment has begun, and its outcome is not known yet"
	case store.OrderCancelled:
		return Error, "the order was cancelled"
	case store.OrderFailed:
		return Error, "the payment failed"
	}
	return Error, fmt.Sprintf("the order is to be paid for with %s: send its payer to the fulfillment URL", o.Method)
}

// checkCallback refuses an address that is not the client's own.
func (s *Service) checkCallback(c *store.Client, raw string) error {
	u, err := target.Parse(raw)
	switch {
	case err != nil:
		return refuse("callbackUrl", "is no absolute address: %v", err)
	case !target.For(c).Allows(u):
		return refuse("callbackUrl", "is none of the client's own addresses")
	case s.c.Notify == nil:
		return refuse("callbackUrl", "is not fetched by this server")
	}
	return nil
}

// news is what a client is to be told of.
type news struct {
	OrderID  int64  `json:"orderId"`
	ClientID string `json:"clientId"`
	URL      string `json:"url"`
}

func (s *Service) putNews(ctx context.Context, o store.Order, address string, known bool) error {
	data, err := json.Marshal(news{o.ID, o.ClientID, address})
	if err != nil {
		return fmt.Errorf("encode news: %w", err)
	}
	now := time.Now()
	d := store.Delivery{Kind: store.OrderNews, Data: data, DueAt: now, CreatedAt: now, ExpiresAt: now.Add(newsWithin)}
	if !known {
		d.DueAt, d.ExpiresAt = now.Add(firstCheck), now.Add(newsFor)
	}
	digest := s.c.Keys.MAC("order news", address)
	d.ID = fmt.Sprintf("%d %s", o.ID, hex.EncodeToString(digest[:16]))
	if err := s.c.Store.PutDelivery(ctx, d); err != nil && !isConflict(err) {
		return fmt.Errorf("queue news: %w", err)
	}
	if known {
		s.wake(store.OrderNews)
	}
	return nil
}

// workNews tells a client what has become of an order, once that is known.
func (s *Service) workNews(ctx context.Context, d store.Delivery) error {
	var n news
	if err := json.Unmarshal(d.Data, &n); err != nil {
		s.c.Logger.ErrorContext(ctx, "news can not be read", "delivery", d.ID)
		return nil
	}
	o, err := s.c.Store.Order(ctx, n.OrderID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up order: %w", err)
	}
	status := "failed"
	switch outcome, _ := s.standing(o); outcome {
	case Success:
		status = "success"
	case Waiting:
		now := time.Now()
		return later(now.Add(min(longestPause, max(firstCheck, now.Sub(d.CreatedAt)/2))), nil)
	}
	c, err := s.c.Clients.Client(ctx, n.ClientID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && c.Disabled:
		return nil
	case err != nil:
		return fmt.Errorf("look up client: %w", err)
	}
	if err := s.checkCallback(&c, n.URL); err != nil { // its record has changed
		s.c.Logger.WarnContext(ctx, "a client is not told of an order", "order", o.ID, "client", c.ID, "err", err)
		return nil
	}
	u, err := target.Parse(n.URL)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, newsTimeout)
	defer cancel()
	if err := s.c.Notify(ctx, u.With("fulfillmentStatus", status)); err != nil {
		return fmt.Errorf("tell client %s of order %d: %w", c.ID, o.ID, err)
	}
	return nil
}
