package flows

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// PublisherParts are what publishers' systems know of users, for My account, the
// export of an account and its deletion: subscriptions, memberships and rights to
// read.
func PublisherParts(systems *publisher.Systems) []account.Part {
	return []account.Part{
		{
			Name: "subscriptions", Page: "register",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				for _, t := range tiesOf(u, store.CustomerTie) {
					number, err := strconv.ParseInt(t.Number, 10, 64)
					if err != nil {
						return nil, fmt.Errorf("customer number of partner %s: %w", t.PartnerID, err)
					}
					all, err := systems.Customers(t.PartnerID).Subscriptions(ctx, t.PartnerID, number)
					if err != nil {
						return nil, fmt.Errorf("subscriptions at partner %s: %w", t.PartnerID, err)
					}
					for _, s := range all {
						items = append(items, account.PartItem{Title: s.Name, Detail: t.Number, Data: s})
					}
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				return untie(ctx, u, store.CustomerTie, func(id string) publisher.People { return systems.Customers(id) })
			},
		},
		{
			Name: "memberships", Page: "activateMembership",
			List: func(_ context.Context, u store.User) (items []account.PartItem, err error) {
				for _, t := range tiesOf(u, store.MembershipTie) {
					items = append(items, account.PartItem{Title: t.Number, Data: t})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				return untie(ctx, u, store.MembershipTie, func(id string) publisher.People { return systems.Memberships(id) })
			},
		},
		{
			Name: "accesses",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				all, err := systems.UserAccesses(ctx, u.ID)
				if err != nil {
					return nil, err
				}
				for _, a := range all {
					items = append(items, account.PartItem{Title: cmp.Or(a.ArticleID, a.Product, a.Subscription), Data: a})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error { return systems.RemoveAccesses(ctx, u.ID) },
		},
	}
}

// PublisherMerge moves what publishers have given a user to read when two
// accounts become one.
func PublisherMerge(systems *publisher.Systems) account.MergePart { return mergeAccesses{systems} }

type mergeAccesses struct{ systems *publisher.Systems }

func (p mergeAccesses) PlanMerge(ctx context.Context, _, absorbed store.User) ([]account.Line, error) {
	all, err := p.systems.UserAccesses(ctx, absorbed.ID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return []account.Line{{Text: "merge.line.accesses"}}, nil
}

func (p mergeAccesses) Merge(ctx context.Context, m store.Merge) error {
	return p.systems.MoveAccesses(ctx, m)
}

func (p mergeAccesses) Unmerge(ctx context.Context, m store.Merge) error {
	return p.systems.ReturnAccesses(ctx, m)
}

// OrderParts are what users have ordered and paid, for My account, the export of an
// account and its deletion: what was ordered stays, as the publisher's bookkeeping,
// and is nobody's.
func OrderParts(s store.Orders) []account.Part {
	return []account.Part{
		{
			Name: "orders",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				for o, err := range s.UserOrders(ctx, "", u.ID) {
					if err != nil {
						return nil, fmt.Errorf("list orders: %w", err)
					}
					items = append(items, account.PartItem{Title: order.Title(o), Detail: standing(string(o.Status), o.Amount, o.Currency), Data: orderItem(o)})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				forget := func(o store.Order) error { return s.CommitOrders(ctx, []store.Order{order.Forget(o)}, nil) }
				return forgetAll(u.ID, s.UserOrders(ctx, "", u.ID), forget, func(o store.Order) (store.Order, string, error) {
					o, err := s.Order(ctx, o.ID)
					return o, o.UserID, err
				})
			},
		},
		{
			Name: "payments",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				for p, err := range s.UserPayments(ctx, u.ID) {
					if err != nil {
						return nil, fmt.Errorf("list payments: %w", err)
					}
					items = append(items, account.PartItem{Title: p.ID, Detail: standing(string(p.Status), p.Amount, p.Currency), Data: PaymentItem{
						ID: p.ID, ClientID: p.ClientID, Orders: p.Orders, Reference: p.Reference, Method: p.Method, Merchant: p.MerchantID,
						Status: string(p.Status), MinorUnits: p.Amount, Currency: p.Currency, Recurring: p.Recurring, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
					}})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				forget := func(p store.Payment) error {
					return s.CommitOrders(ctx, nil, []store.Payment{order.ForgetPayment(p)})
				}
				return forgetAll(u.ID, s.UserPayments(ctx, u.ID), forget, func(p store.Payment) (store.Payment, string, error) {
					p, err := s.Payment(ctx, p.ID)
					return p, p.UserID, err
				})
			},
		},
	}
}

// OrderItem is an order in the export of an account.
type OrderItem struct {
	ID             int64           `json:"orderId"`
	ExternalID     string          `json:"externalOrderId,omitempty"`
	PartnerID      string          `json:"partnerId"`
	ClientID       string          `json:"clientId"`
	CustomerNumber int64           `json:"customerNumber,omitempty"`
	Status         string          `json:"status"`
	Method         string          `json:"paymentMethod,omitempty"`
	PaymentID      string          `json:"mcPayRef,omitempty"`
	MinorUnits     int64           `json:"minorUnits"` // of Currency
	Currency       string          `json:"currency,omitempty"`
	Content        json.RawMessage `json:"content,omitempty"` // all that it says
	OrderedAt      time.Time       `json:"orderedAt,omitzero"`
	CreatedAt      time.Time       `json:"createdAt"`
	UpdatedAt      time.Time       `json:"updatedAt"`
}

func orderItem(o store.Order) OrderItem {
	i := OrderItem{
		ID: o.ID, ExternalID: o.ExternalID, PartnerID: o.PartnerID, ClientID: o.ClientID, CustomerNumber: o.CustomerNumber, Status: string(o.Status),
		Method: o.Method, PaymentID: o.PaymentID, MinorUnits: o.Amount, Currency: o.Currency, OrderedAt: o.OrderedAt, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
	if json.Valid(o.Data) {
		i.Content = o.Data
	}
	return i
}

// PaymentItem is a payment in the export of an account. What is kept to take money
// again is sealed, and not in it.
type PaymentItem struct {
	ID         string    `json:"mcPayRef"`
	ClientID   string    `json:"clientId"`
	Orders     []int64   `json:"orderIds,omitempty"`
	Reference  string    `json:"externalReference,omitempty"`
	Method     string    `json:"paymentMethod"`
	Merchant   string    `json:"merchantId"`
	Status     string    `json:"status"`
	MinorUnits int64     `json:"minorUnits"` // of Currency
	Currency   string    `json:"currency"`
	Recurring  bool      `json:"recurring,omitempty"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
}

// standing is how an order or a payment stands, in an export.
func standing(status string, amount int64, currency string) string {
	if amount == 0 {
		return status
	}
	return status + ", " + texts.Money("en", amount, currency)
}

// forgetAttempts bounds how often a record that somebody else changes is tried.
const forgetAttempts = 10

// forgetAll forgets each of the user's records: write changes one, and again reads
// it and whose it is when somebody else was faster. What is not hers any more by then
// is not forgotten.
func forgetAll[R any](userID string, all iter.Seq2[R, error], write func(R) error, again func(R) (r R, owner string, err error)) error {
	for r, err := range all {
		for attempt := 0; err == nil; attempt++ {
			if err = write(r); !errors.Is(err, store.ErrConflict) || attempt == forgetAttempts {
				break
			}
			owner := ""
			if r, owner, err = again(r); owner != userID {
				break
			}
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("forget what was ordered: %w", err)
		}
	}
	return nil
}

// OrderMerge moves what a user has ordered and paid when two accounts become one.
func OrderMerge(s store.Orders) account.MergePart { return mergeOrders{s} }

type mergeOrders struct{ store store.Orders }

func (p mergeOrders) PlanMerge(ctx context.Context, _, absorbed store.User) ([]account.Line, error) {
	for _, err := range p.store.UserOrders(ctx, "", absorbed.ID) {
		if err != nil {
			return nil, fmt.Errorf("list orders: %w", err)
		}
		return []account.Line{{Text: "merge.line.orders"}}, nil
	}
	return nil, nil
}

func (p mergeOrders) Merge(ctx context.Context, m store.Merge) error {
	if _, err := p.store.MoveOrders(ctx, m.ID, m.Absorbed, m.Survivor); err != nil {
		return fmt.Errorf("move orders: %w", err)
	}
	return nil
}

func (p mergeOrders) Unmerge(ctx context.Context, m store.Merge) error {
	if _, err := p.store.ReturnOrders(ctx, m.ID, m.Survivor, m.Absorbed); err != nil {
		return fmt.Errorf("move orders back: %w", err)
	}
	return nil
}

func tiesOf(u store.User, kind store.TieKind) (ties []store.Tie) {
	for _, t := range u.Ties {
		if t.Kind == kind {
			ties = append(ties, t)
		}
	}
	return ties
}

// untie tells the partners' systems that the user is nobody of theirs any more.
// The kit's own ties go with the account.
func untie(ctx context.Context, u store.User, kind store.TieKind, of func(partnerID string) publisher.People) error {
	for _, t := range tiesOf(u, kind) {
		if err := of(t.PartnerID).Untie(ctx, publisher.Tie{PartnerID: t.PartnerID, Number: t.Number, UserID: u.ID}); err != nil {
			return fmt.Errorf("untie at partner %s: %w", t.PartnerID, err)
		}
	}
	return nil
}
