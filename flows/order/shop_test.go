package order_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	partner = "paper"
	site    = "no.paper"
	alice   = "a11ce0000000000000000000000000a1"
	mallory = "ma110000000000000000000000000000"
)

var silent = textLogger(io.Discard)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// press is the publisher's system that takes orders. It takes each once.
type press struct {
	mu    sync.Mutex
	taken map[int64]int
	err   error
	// stored is looked into: only what is stored as paid is handed over.
	stored func(id int64) (store.Order, error)
	faults []string
}

func (p *press) Take(_ context.Context, h order.HandOver) (order.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stored != nil {
		if o, err := p.stored(h.OrderID); err != nil || o.Status != store.OrderPaid && o.Status != store.OrderHandedOver {
			p.faults = append(p.faults, "order "+strconv.FormatInt(h.OrderID, 10)+" is handed over when it is "+string(o.Status))
		}
	}
	if p.err != nil {
		return order.Receipt{}, p.err
	}
	p.taken[h.OrderID]++
	return order.Receipt{}, nil
}

func (p *press) count(id int64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[id]
}

// shop is a publisher's shop with a bank.
type shop struct {
	t     testing.TB
	store *memstore.Store
	bank  *bank
	press *press
	ring  *keys.Ring
	*order.Service
	steps struct {
		sync.Mutex
		all []order.Step
	}
	nextID int64
}

// newShop returns a shop with a client that sells the coupon TOTT 1 for 299 NOK a
// month, and its parts may be changed before anything is bought.
func newShop(t testing.TB, change ...func(*order.Config)) *shop {
	t.Helper()
	s := &shop{t: t, store: memstore.New(), bank: newBank(), press: &press{taken: map[int64]int{}}, nextID: 1000}
	s.bank.intent = func(id string) (store.Payment, error) { return s.store.Payment(context.Background(), id) }
	s.press.stored = func(id int64) (store.Order, error) { return s.store.Order(context.Background(), id) }
	var err error
	if s.ring, err = keys.New([][]byte{[]byte("0123456789abcdef0123456789abcdef")}); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, err := range []error{
		s.store.PutClient(ctx, store.Client{ID: site, PartnerID: partner, Name: "The Paper", Targets: []string{"https://paper.example"}}),
		s.store.PutProduct(ctx, store.Product{PartnerID: partner, Code: "DIGITAL", Description: "The Paper, digital", Currency: "NOK", VATPercent: 2500, VATIncluded: true, Digital: true}),
		s.store.PutCoupon(ctx, store.Coupon{
			PartnerID: partner, Code: "TOTT", Number: 1, Product: "DIGITAL", Description: "The Paper for a month", Price: 29900, Currency: "NOK",
			Period: store.Period{Length: 1, Unit: store.Months}, Renewal: store.Renewal{Price: 34900, Period: store.Period{Length: 1, Unit: store.Months}},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Service = s.node(s.store, direct{s.bank}, change...)
	return s
}

// node returns a service of its own on what the shop has.
func (s *shop) node(st order.Store, provider order.Provider, change ...func(*order.Config)) *order.Service {
	s.t.Helper()
	svc, err := order.New(s.config(st, provider, change...))
	if err != nil {
		s.t.Fatal(err)
	}
	return svc
}

func (s *shop) config(st order.Store, provider order.Provider, change ...func(*order.Config)) order.Config {
	s.t.Helper()
	systems, err := publisher.New(publisher.Config{Store: s.store})
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[order.Method]order.Provider{order.CreditCard: provider, order.VippsRecurring: provider, order.VippsEcommerce: provider}
	c := order.Config{
		Store: st, Clients: s.store, Keys: s.ring, Publishers: systems,
		Merchants: []order.Merchant{
			{ID: "other", PartnerID: partner, Group: "g2", Providers: map[order.Method]order.Provider{order.CreditCardPayEx: provider}},
			{ID: "main", PartnerID: partner, Group: "g1", Default: true, Providers: all},
			{ID: "second", PartnerID: partner, Group: "g1", Providers: map[order.Method]order.Provider{order.CreditCardPayEx: provider}},
		},
		Desks:       map[string]order.Desk{partner: s.press},
		CallbackURL: "https://login.example/capi/mcpay/callback", ScriptReturnURL: "https://login.example/capi/mcpay/return",
		Logger: silent,
		Observer: func(_ context.Context, step order.Step) {
			s.steps.Lock()
			defer s.steps.Unlock()
			s.steps.all = append(s.steps.all, step)
		},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// order stores an order as placing does.
func (s *shop) order(change ...func(*store.Order, *order.Content)) store.Order {
	s.t.Helper()
	s.nextID++
	now := time.Now()
	o := store.Order{
		ID: s.nextID, PartnerID: partner, ClientID: site, UserID: alice, Status: store.OrderPreliminary,
		Method: string(order.CreditCard), MerchantID: "main", Amount: 29900, Currency: "NOK", OrderedAt: now, CreatedAt: now, UpdatedAt: now,
	}
	content := order.Content{Recurring: true, Lines: []order.Line{{
		SpecType: "coupon", SpecCode: "TOTT", SpecNo: 1, Product: "DIGITAL", Quantity: 1, Price: 29900, VATAmount: 5980, VATPercent: 2500,
		Name: "The Paper for a month", Renewal: store.Renewal{Price: 34900, Period: store.Period{Length: 1, Unit: store.Months}},
	}}}
	for _, f := range change {
		f(&o, &content)
	}
	var err error
	if o.Data, err = json.Marshal(content); err != nil {
		s.t.Fatal(err)
	}
	ctx := context.Background()
	if err := s.store.PutDelivery(ctx, store.Delivery{Kind: store.OrderWork, ID: strconv.FormatInt(o.ID, 10),
		Data: []byte(`{"partnerId":"paper","clientId":"no.paper"}`), DueAt: now.Add(time.Minute), CreatedAt: now, ExpiresAt: store.NoEnd}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.CommitOrders(ctx, []store.Order{o}, nil); err != nil {
		s.t.Fatal(err)
	}
	return s.stored(o.ID)
}

func (s *shop) stored(id int64) store.Order {
	s.t.Helper()
	o, err := s.store.Order(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *shop) payment(id string) store.Payment {
	s.t.Helper()
	p, err := s.store.Payment(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func checkout(ids ...int64) order.Checkout {
	return order.Checkout{OrderIDs: ids, UserID: alice, Lang: "nb", ReturnURL: "https://login.example/user/fulfillment?run=x"}
}

// pay begins the payment of the orders.
func (s *shop) pay(ids ...int64) order.Due {
	s.t.Helper()
	due, err := s.Pay(context.Background(), checkout(ids...))
	if err != nil {
		s.t.Fatal(err)
	}
	return due
}

func (s *shop) settle(id string) store.Payment {
	s.t.Helper()
	p, err := s.Settle(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// work does what is due until nothing is, with the clock of the test's bubble moved
// on by step each time.
func (s *shop) work(svc *order.Service, times int, step time.Duration) {
	s.t.Helper()
	for range times {
		if _, err := svc.Work(context.Background()); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(step)
	}
}

// queued returns the IDs of the deliveries that are left. It takes them out.
func (s *shop) queued(kind store.DeliveryKind) []string {
	var ids []string
	for {
		d, err := s.store.ClaimDelivery(context.Background(), kind, store.NoEnd, store.NoEnd)
		if errors.Is(err, store.ErrNotFound) || err == nil && slices.Contains(ids, d.ID) {
			return ids
		}
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
}

// called is a call of the bank to the address that it was given.
func (s *shop) called(p store.Payment, start order.Start) (proof string, c order.Callback) {
	s.t.Helper()
	rest, ok := strings.CutPrefix(start.CallbackURL, "https://login.example/capi/mcpay/callback/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 4 {
		s.t.Fatalf("callback address %q", start.CallbackURL)
	}
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	return parts[3], order.Callback{
		MerchantID: parts[0], Method: order.Method(parts[1]), PaymentID: parts[2], HTTPMethod: "POST", URL: start.CallbackURL,
		Body: []byte("signed by the bank: " + p.ID), At: time.Now(),
	}
}

func (s *shop) statuses() []string {
	s.steps.Lock()
	defer s.steps.Unlock()
	var all []string
	for _, step := range s.steps.all {
		what := "order"
		if step.OrderID == 0 {
			what = "payment"
		}
		all = append(all, what+" "+step.From+">"+step.To)
	}
	return all
}
