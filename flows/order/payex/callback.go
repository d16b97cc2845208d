package payex

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/order"
)

// maxCallback is the largest callback that is read.
const maxCallback = 64 << 10

// Callback checks a callback's address and form
// (features/payment-operations/callback, "Callback v3.1"). It carries no signature, so
// that it says no more than that the payment order is to be read; the kit's own proof in
// the callback address is what keeps others from saying so.
func (p *Provider) Callback(_ context.Context, c order.Callback) (string, error) {
	if c.HTTPMethod != http.MethodPost {
		return "", fmt.Errorf("payex: callback: %w: a %s", order.ErrForged, short(c.HTTPMethod))
	}
	address := c.Address.Unmap().WithZone("")
	if !slices.ContainsFunc(p.c.CallbackAddresses, func(n netip.Prefix) bool { return n.Contains(address) }) {
		return "", fmt.Errorf("payex: callback: %w: from %v", order.ErrForged, c.Address)
	}
	reference, err := p.parseCallback(c.Body)
	if err != nil {
		return "", fmt.Errorf("payex: callback: %w: %w", order.ErrForged, err)
	}
	switch {
	case c.PaymentID == "":
		return reference, nil
	case reference != "" && reference != c.PaymentID:
		return "", fmt.Errorf("payex: callback: %w: it is about another payment", order.ErrForged)
	}
	return c.PaymentID, nil
}

// parseCallback returns the orderReference of a callback, which is the payment's ID;
// empty when it has none.
func (p *Provider) parseCallback(body []byte) (string, error) {
	var in struct {
		OrderReference string `json:"orderReference"`
		PaymentOrder   struct {
			ID string `json:"id"`
		} `json:"paymentOrder"`
	}
	if len(body) > maxCallback || !utf8.Valid(body) || json.Unmarshal(body, &in) != nil {
		return "", fmt.Errorf("not a callback's body")
	}
	if _, err := p.same(in.PaymentOrder.ID); err != nil {
		return "", err
	}
	if in.OrderReference == "" {
		return "", nil
	}
	if err := checkAmount(in.OrderReference, 1, 0, "SEK"); err != nil {
		return "", fmt.Errorf("not a payment's ID")
	}
	return in.OrderReference, nil
}
