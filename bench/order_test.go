package bench

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// till is a provider that has been paid as soon as it is asked.
type till struct{ order.Provider }

func (till) Start(_ context.Context, s order.Start) (order.Started, error) {
	return order.Started{Ref: strconv.FormatInt(s.Amount, 10), RedirectURL: "https://bank.example/" + s.ID}, nil
}

func (till) standing(r order.Ref, s order.State) (order.Standing, error) {
	amount, err := strconv.ParseInt(r.Provider, 10, 64)
	return order.Standing{State: s, Amount: amount, Currency: "NOK"}, err
}

func (t till) Standing(_ context.Context, r order.Ref) (order.Standing, error) {
	return t.standing(r, order.Authorized)
}

func (t till) Capture(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return t.standing(r, order.Captured)
}

// BenchmarkOrders counts whole orders: each is placed, and handed over to the store's own
// desk, which makes a customer and a subscription of it. Paid ones are begun at a
// provider and captured in between.
func BenchmarkOrders(b *testing.B) {
	for _, kind := range []string{"memory", "sqlite"} {
		for _, method := range []order.Method{order.Invoice, order.CreditCardPayEx} {
			for _, at := range []string{"one at a time", "64 at once"} {
				b.Run(fmt.Sprintf("%s/%s/%s", kind, method, at), func(b *testing.B) {
					var s store.Store = memstore.New()
					if kind == "sqlite" {
						file, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"))
						if err != nil {
							b.Fatal(err)
						}
						defer file.Close()
						s = file
					}
					one, c := shop(b, s, method)
					var n atomic.Int64
					order := func() {
						if err := one(b.Context(), c, n.Add(1)); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportAllocs()
					if at == "one at a time" {
						for b.Loop() {
							order()
						}
					} else {
						b.SetParallelism(32) // of two processors
						b.RunParallel(func(pb *testing.PB) {
							for pb.Next() {
								order()
							}
						})
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
				})
			}
		}
	}
}

// buyers is how many readers order, again and again.
const buyers = 500

func buyer(n int64) string { return fmt.Sprintf("%032x", n+1) }

// shop returns what makes one whole order.
func shop(b *testing.B, s store.Store, method order.Method) (one func(context.Context, *store.Client, int64) error, c *store.Client) {
	b.Helper()
	out, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		b.Fatal(err)
	}
	kit, err := connectid.New(connectid.Config{
		Store: s, Keys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, LoginURL: loginURL, Sender: out, Logger: slog.New(slog.DiscardHandler),
		Merchants: []order.Merchant{{ID: "m", PartnerID: "p", Default: true, Providers: map[order.Method]order.Provider{order.CreditCardPayEx: till{}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	month := store.Period{Length: 1, Unit: store.Months}
	c = &store.Client{ID: clientID, PartnerID: "p", Targets: []string{"https://paper.example"}, Language: "nb"}
	for _, err := range []error{
		s.PutClient(b.Context(), *c),
		s.PutProduct(b.Context(), store.Product{PartnerID: "p", Code: "DIGITAL", Type: store.SubscriptionProduct, Currency: "NOK", WebOfferPrice: 24900, VATIncluded: true}),
		s.PutCoupon(b.Context(), store.Coupon{PartnerID: "p", Code: "MONTH", Number: 1, Product: "DIGITAL", Price: 24900, Currency: "NOK", Period: month, Invoice: true}),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	for n := range int64(buyers) {
		if err := s.CreateUser(b.Context(), store.User{ID: buyer(n), Number: n + 1}); err != nil {
			b.Fatal(err)
		}
	}
	orders := kit.Orders()
	return func(ctx context.Context, c *store.Client, n int64) error {
		external := strconv.FormatInt(n, 10)
		user := buyer(n % buyers)
		o, err := orders.Place(ctx, order.Placement{
			Client: c, UserID: user, Body: store.DigestOf(external),
			Content: order.Content{
				ExternalID: external, Method: method,
				Payer: order.Person{LastName: "Nordmann", PostalCode: "9008", CountryCode: "NO", Emails: []string{"kari" + external + "@example.com"}},
				Lines: []order.Line{{SpecType: "coupon", SpecCode: "MONTH", SpecNo: 1}},
			},
		})
		if err != nil {
			return err
		}
		if method != order.Invoice {
			due, err := orders.Pay(ctx, order.Checkout{OrderIDs: []int64{o.ID}, ClientID: c.ID, UserID: user, Lang: "nb", ReturnURL: loginURL + "/fulfillment/callback"})
			if err != nil {
				return err
			}
			if _, err := orders.Settle(ctx, due.PaymentID); err != nil {
				return err
			}
		}
		stored, err := orders.Order(ctx, c, "", o.ID)
		if err == nil && stored.Status != store.OrderHandedOver {
			err = fmt.Errorf("order %d is %s", o.ID, stored.Status)
		}
		return err
	}, c
}
