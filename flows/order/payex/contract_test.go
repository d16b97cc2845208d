package payex_test

import (
	"testing"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/ordertest"
	"github.com/connectid-kit/connectid/internal/payextest"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*order.Start){
		"redirect": func(*order.Start) {}, "seamless": seamless, "recurring": recurring, "swish": bySwish,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ordertest.Run(t, func(t *testing.T) ordertest.Subject {
				sim := payextest.New(t)
				address := func(r order.Ref) string { return sim.Address(r.Provider) }
				s := start(change)
				s.ReturnURL, s.CallbackURL = "", ""
				return ordertest.Subject{
					Provider: newProvider(t, sim), Start: s, Sale: s.Method == order.SwishPayEx,
					Agree: func(t *testing.T, r order.Ref) {
						if _, err := sim.Pay(address(r)); err != nil {
							t.Fatal(err)
						}
					},
					GiveUp: func(t *testing.T, r order.Ref) {
						if _, err := sim.Leave(address(r)); err != nil {
							t.Fatal(err)
						}
					},
					Decline: func(_ *testing.T, r order.Ref) {
						sim.Change(r.Provider, func(o *payextest.Order) { o.Status, o.Problem = "Failed", "frauddetected" })
					},
					NotIdempotent: []string{"start", "charge"},
				}
			})
		})
	}
}
