package order

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/connectid-kit/connectid/store"
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
	switch p.Status {
	case store.PaymentCancelled, store.PaymentFailed, store.PaymentReleased:
		return s.askAgain(ctx, provider, p)
	}
	_, err = s.Settle(ctx, id)
	return err
}

// askAgain asks about a payment that has ended, which its provider has more to say
// of. Money that was reserved or taken after the end is nobody's, and is given back.
func (s *Service) askAgain(ctx context.Context, provider Provider, p store.Payment) error {
	d, err := readPayment(p)
	if err != nil {
		return err
	}
	word, err := s.ask(ctx, provider, p, d)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("payment %s, which has ended: %w", p.ID, err)
	}
	to := store.PaymentReleasing
	switch word.State {
	case Captured:
		to = store.PaymentRefunding
	case Authorized:
	default:
		return nil
	}
	d.Fault = fmt.Sprintf("it is %s at the provider, after it was %s", word.State, p.Status)
	d.Refusals++ // what was done before the end was another thing
	if word.Amount != p.Amount || word.Currency != p.Currency {
		d.Taken, d.TakenCurrency = word.Amount, word.Currency
	}
	s.c.Logger.ErrorContext(ctx, "a payment's money can not be kept and is given back", "payment", p.ID,
		"merchant", p.MerchantID, "provider", p.ProviderRef, "state", word.State, "reason", d.Fault)
	// A name of its own: the payment's first delivery may be about to be finished.
	if err := s.queue(ctx, p.ID+" late "+strconv.FormatInt(p.Version, 10)); err != nil {
		return err
	}
	if err := s.commitChange(ctx, newChange(p).to(to), d); err != nil && !isConflict(err) {
		return err
	}
	_, err = s.Settle(ctx, p.ID)
	return err
}
