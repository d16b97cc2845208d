package main

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/store"
)

// openBank makes the payment provider of both newspapers: a sandbox, which takes
// nobody's money. In production it is payex, vipps, or an adapter of your own.
func (d *demo) openBank() ([]order.Merchant, error) {
	merchants := []order.Merchant{
		{ID: "fjord", PartnerID: fjord, Default: true},
		{ID: "skarg", PartnerID: skargard, Default: true},
	}
	var err error
	d.bank, err = sandbox.New(sandbox.Config{
		URL: d.Host + "/bank", Storage: sandbox.File(d.data.file("sandbox.json")), Logger: d.logger,
		Shops: map[string]string{"fjord": "Fjordposten", "skarg": "Skärgårdsnytt"},
		Deliver: func(ctx context.Context, proof string, c order.Callback) error {
			return d.kit.Orders().ReadCallback(ctx, proof, c)
		},
	})
	for i := range merchants {
		merchants[i].Providers = map[order.Method]order.Provider{
			order.CreditCardPayEx: d.bank, order.VippsRecurring: d.bank, order.VippsEcommerce: d.bank,
		}
	}
	return merchants, err
}

// sealPaymentSecrets writes into the clients' records what their payment script is
// checked with.
func (d *demo) sealPaymentSecrets(ctx context.Context, registered []store.Client) error {
	var errs []error
	for _, c := range registered {
		secret := d.data.PaymentSecrets[c.ID]
		if secret == nil {
			continue
		}
		sealed, err := d.kit.SealPaymentSecret(c.ID, secret)
		c.PaymentSecrets = []string{sealed}
		errs = append(errs, err, d.store.PutClient(ctx, c))
	}
	return errors.Join(errs...)
}
