package order

import (
	"context"
	"errors"
	"fmt"
)

// ReadCallback judges a call to a provider's callback address and settles the
// payment that it is about. proof is the last part of the address that [Start] gave
// the provider, for one that names a payment. ErrForged and ErrNotFound say that it
// was nothing.
func (s *Service) ReadCallback(ctx context.Context, proof string, c Callback) error {
	m := s.merchants[c.MerchantID]
	if m == nil {
		return ErrNotFound
	}
	provider := m.provider(c.Method)
	if provider == nil {
		return ErrNotFound
	}
	if c.PaymentID != "" && !s.proved(callbackPurpose, proof, c.MerchantID, string(c.Method), c.PaymentID) {
		return ErrForged
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, err := provider.Callback(call, c)
	switch {
	case errors.Is(err, ErrForged), errors.Is(err, ErrUnknown), errors.Is(err, ErrRefused):
		return ErrForged
	case err != nil:
		return fmt.Errorf("read a callback of merchant %s: %w", c.MerchantID, err)
	case id == "":
		return nil
	case c.PaymentID != "" && id != c.PaymentID:
		return ErrForged
	}
	p, err := s.payment(ctx, id)
	if err != nil {
		return err
	}
	if p.MerchantID != m.ID || Method(p.Method).card() != c.Method.card() {
		return ErrForged
	}
	// What it says is not believed: it makes the kit ask.
	_, err = s.Settle(ctx, id)
	return err
}
