package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// An order that is paid for in the sandbox becomes paid whatever becomes of the
// payer's browser and of the callbacks, and its money is taken once.
func TestOrdersArePaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		card   sandbox.Outcome
		calls  sandbox.Callbacks
		within time.Duration // after it, nothing is left to do
		want   store.PaymentStatus
	}{
		"at once":               {sandbox.Approved, sandbox.CallAtOnce, time.Second, store.PaymentCaptured},
		"twice":                 {sandbox.Approved, sandbox.CallTwice, time.Second, store.PaymentCaptured},
		"late":                  {sandbox.NeverReturns, sandbox.CallLate, time.Minute, store.PaymentCaptured},
		"never":                 {sandbox.NeverReturns, sandbox.CallNever, 30 * time.Minute, store.PaymentCaptured},
		"slow":                  {sandbox.Slow, sandbox.CallAtOnce, 20 * time.Second, store.PaymentCaptured},
		"slow and never called": {sandbox.Slow, sandbox.CallNever, 30 * time.Minute, store.PaymentCaptured},
		"declined":              {sandbox.Declined, sandbox.CallAtOnce, time.Second, store.PaymentFailed},
		"no answer":             {sandbox.NoAnswer, sandbox.CallAtOnce, 31 * time.Minute, store.PaymentFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var service *order.Service
				box := open(t, sandbox.Config{Deliver: func(ctx context.Context, proof string, c order.Callback) error {
					return service.ReadCallback(ctx, proof, c)
				}})
				ring, err := keys.New([][]byte{bytes.Repeat([]byte("kit key "), 4)})
				if err != nil {
					t.Fatal(err)
				}
				s := memstore.New()
				if err := s.PutClient(ctx, store.Client{ID: "no.fjord.test", PartnerID: "partner", Name: "Fjordposten"}); err != nil {
					t.Fatal(err)
				}
				systems, err := publisher.New(publisher.Config{Store: s})
				if err != nil {
					t.Fatal(err)
				}
				service, err = order.New(order.Config{
					Store: s, Clients: s, Keys: ring, Publishers: systems,
					CallbackURL: "https://connectid.example/capi/mcpay/callback", ScriptReturnURL: "https://connectid.example/capi/mcpay/return",
					Merchants: []order.Merchant{{ID: "fjord", PartnerID: "partner", Default: true, Providers: map[order.Method]order.Provider{order.CreditCardPayEx: box}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				go box.Run(ctx)
				go service.Run(ctx)
				content, err := json.Marshal(order.Content{Method: order.CreditCardPayEx, Lines: []order.Line{{SpecType: "coupon", Quantity: 1, Price: 19900, Name: "Paper"}}})
				if err != nil {
					t.Fatal(err)
				}
				user := strings.Repeat("a", 32)
				err = s.CommitOrders(ctx, []store.Order{{
					ID: 1, PartnerID: "partner", ClientID: "no.fjord.test", UserID: user, Status: store.OrderPreliminary, Method: string(order.CreditCardPayEx),
					MerchantID: "fjord", Amount: 19900, Currency: "NOK", Data: content, CreatedAt: time.Now(), UpdatedAt: time.Now(), OrderedAt: time.Now(),
				}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				due, err := service.Pay(ctx, order.Checkout{OrderIDs: []int64{1}, UserID: user, Lang: "nb", ReturnURL: "https://connectid.example/user/fulfillment"})
				if err != nil {
					t.Fatal(err)
				}
				page, ok := strings.CutPrefix(due.RedirectURL, base+"/")
				if !ok {
					t.Fatalf("the payer goes to %q", due.RedirectURL)
				}
				if _, err := post(t, box, page, sandbox.Event{Name: sandbox.Pay, Card: card(c.card), Callbacks: c.calls}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.within)
				synctest.Wait()
				p, err := s.Payment(ctx, due.PaymentID)
				if err != nil || p.Status != c.want {
					t.Errorf("the payment is %q, %v, want %q", p.Status, err, c.want)
				}
				o, err := s.Order(ctx, 1)
				paid := o.Status == store.OrderPaid || o.Status == store.OrderHandedOver
				if err != nil || paid != (c.want == store.PaymentCaptured) {
					t.Errorf("the order is %q, %v", o.Status, err)
				}
				want := order.Standing{State: order.Captured, Amount: 19900, Currency: "NOK"}
				if c.want == store.PaymentFailed {
					want.State = order.Failed
				}
				got := standing(t, box, order.Ref{ID: p.ID, Provider: p.ProviderRef, MerchantID: "fjord"})
				if got.Reason = ""; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the sandbox says %+v, want %+v", got, want)
				}
				stop()
				synctest.Wait()
			})
		})
	}
}
