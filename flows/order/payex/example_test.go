package payex_test

import (
	"fmt"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
)

func Example() {
	card, err := payex.New(payex.Config{
		BaseURL:   payex.ExternalIntegration,
		Token:     "made in the Merchant Portal",
		PayeeID:   "5cabf558-5283-482f-b252-4d58e06f6f3b",
		PayeeName: "Bladet",
	})
	fmt.Println(card != nil, err)

	card, err = payex.New(payex.Config{
		Token:     "made-in-the-merchant-portal",
		PayeeID:   "5cabf558-5283-482f-b252-4d58e06f6f3b",
		PayeeName: "Bladet",
	})
	fmt.Println(card != nil, err)

	_ = []order.Merchant{{ID: "bladet", PartnerID: "bladet", Default: true, Providers: map[order.Method]order.Provider{
		order.CreditCardPayEx: card, // cards, once and again
		order.SwishPayEx:      card,
	}}}
	// Output:
	// false payex: bad Token: want printable ASCII
	// true <nil>
}
