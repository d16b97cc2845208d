package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

const maxAmount = 1_000_000_000_000

func refuse(field, format string, args ...any) error {
	return &RefusedError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
func mayPrice(c *store.Client) bool           { return c.PriceOverride && !c.Public }
func encodeContent(c Content) ([]byte, error) { return json.Marshal(c) }
func decodeContent(data []byte) (c Content, err error) {
	if len(data) == 0 {
		return
	}
	err = json.Unmarshal(data, &c)
	return
}
func vatIn(amount int64, percent int) int64 {
	all := int64(10000 + percent)
	return (amount*int64(percent) + all/2) / all
}

func (s *Service) handOver(ctx context.Context, id int64) error {
	for range 10 {
		o, err := s.c.Store.Order(ctx, id)
		if err != nil {
			return err
		}
		if o.Status != store.OrderPaid {
			return nil
		}
		if desk := s.c.Desks[o.PartnerID]; desk != nil {
			if _, err := desk.Take(ctx, HandOver{OrderID: o.ID}); err != nil {
				return err
			}
		}
		from := o.Status
		o.Status, o.UpdatedAt = store.OrderHandedOver, time.Now()
		err = s.c.Store.CommitOrders(ctx, []store.Order{o}, nil)
		if isConflict(err) {
			continue
		}
		if err == nil {
			s.observe(ctx, Step{OrderID: o.ID, ClientID: o.ClientID, From: string(from), To: string(o.Status)})
		}
		return err
	}
	return errBusy
}

func (s *Service) observe(ctx context.Context, step Step) {
	if s.c.Observer != nil {
		s.c.Observer(ctx, step)
	}
}

func (s *Service) putWork(ctx context.Context, o store.Order, vouchers []publisher.VoucherUse) error {
	now := time.Now()
	err := s.c.Store.PutDelivery(ctx, store.Delivery{
		Kind: store.OrderWork, ID: strconv.FormatInt(o.ID, 10), DueAt: now.Add(30 * time.Second), CreatedAt: now, ExpiresAt: store.NoEnd,
	})
	if isConflict(err) {
		err = nil
	}
	return err
}

func (s *Service) workOrder(ctx context.Context, d store.Delivery) error {
	id, err := strconv.ParseInt(d.ID, 10, 64)
	if err != nil {
		return err
	}
	o, err := s.c.Store.Order(ctx, id)
	if err == nil {
		err = s.handOver(ctx, id)
	}
	if isNotFound := errors.Is(err, store.ErrNotFound); err == nil && o.Status != store.OrderAwaitingPayment || isNotFound {
		return s.c.Store.FinishDelivery(ctx, d.Kind, d.ID)
	}
	return errors.Join(err, s.c.Store.RetryDelivery(ctx, d.Kind, d.ID, d.Attempts, time.Now().Add(time.Minute)))
}

func (s *Service) workNews(ctx context.Context, d store.Delivery) error { return nil }
