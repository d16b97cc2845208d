package order

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// attemptBytes is the length of an attempt key.
const attemptBytes = 16

// StartScript begins the payment, or returns the one that has begun with the same
// Token and Attempt, while it is open. Anything else with its externalReference is
// ErrRepeated, and a fault of the claims a *RefusedError.
func (s *Service) StartScript(ctx context.Context, p ScriptStart) (ScriptPayment, error) {
	if p.Client == nil || p.Claims.ExternalReference == "" || p.Token == "" {
		return ScriptPayment{}, errors.New("order: StartScript needs a client and a verified sign")
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(p.Attempt); err != nil || len(b) != attemptBytes {
		return ScriptPayment{}, refuse("attempt", "is not %d random bytes in base64url", attemptBytes)
	}
	known, err := s.c.Store.PaymentByReference(ctx, p.Client.ID, p.Claims.ExternalReference)
	if err == nil {
		return s.repeatScript(ctx, p, known, false)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return ScriptPayment{}, fmt.Errorf("find a payment by its reference: %w", err)
	}
	payment, data, err := s.newScript(ctx, p)
	if err != nil {
		return ScriptPayment{}, err
	}
	err = s.insert(ctx, newChange(payment).to(store.PaymentNew), data)
	if isConflict(err) { // the reference was taken meanwhile
		known, err := s.c.Store.PaymentByReference(ctx, p.Client.ID, p.Claims.ExternalReference)
		if err != nil {
			return ScriptPayment{}, fmt.Errorf("find a payment by its reference: %w", err)
		}
		return s.repeatScript(ctx, p, known, false)
	}
	if err != nil {
		return ScriptPayment{}, err
	}
	return s.repeatScript(ctx, p, payment, true)
}

// repeatScript returns the payment that has begun if it was begun in the same way and
// is open.
func (s *Service) repeatScript(ctx context.Context, p ScriptStart, known store.Payment, mine bool) (ScriptPayment, error) {
	if !mine {
		d, err := readPayment(known)
		if err != nil {
			return ScriptPayment{}, err
		}
		if !attempted(known, p.Attempt) || d.Script == nil || d.Script.Sign != store.DigestOf(p.Token) {
			return ScriptPayment{}, ErrRepeated
		}
		if known.Status != store.PaymentNew && known.Status != store.PaymentOpen {
			return ScriptPayment{}, ErrRepeated
		}
	}
	begun, err := s.began(ctx, known.ID, mine)
	if err != nil {
		return ScriptPayment{}, err
	}
	return scriptPayment(begun)
}

// attempted reports whether the payment was begun with the attempt key.
func attempted(p store.Payment, attempt string) bool {
	shown := store.DigestOf(attempt)
	return !p.Attempt.IsZero() && same(string(p.Attempt[:]), string(shown[:]))
}

// newScript judges what is asked for, and returns the payment that it would be.
func (s *Service) newScript(ctx context.Context, p ScriptStart) (store.Payment, paymentData, error) {
	var none store.Payment
	fail := func(err error) (store.Payment, paymentData, error) { return none, paymentData{}, err }
	c := p.Claims
	if err := c.checkPayment(); err != nil { // which the verified sign has passed
		return fail(err)
	}
	flow := c.PaymentFlow
	if c.ReturnURL == "" && flow == Redirect {
		return fail(refuse("returnUrl", "is missing: the redirect flow ends there"))
	}
	if c.ReturnURL != "" {
		if _, err := returnTarget(p.Client, c.ReturnURL); err != nil {
			return fail(err)
		}
	}
	m := s.merchantFor(p.Client.PartnerID, c.PaymentMethod)
	if m == nil {
		return fail(refuse("paymentMethod", "%s is not configured for this client", c.PaymentMethod))
	}
	amount, vat, currency, name, renewal, err := s.scriptPrice(ctx, p.Client, c)
	if err != nil {
		return fail(err)
	}
	payment := store.Payment{
		ID: newPaymentID(), PartnerID: p.Client.PartnerID, ClientID: p.Client.ID,
		Reference: c.ExternalReference, Attempt: store.DigestOf(p.Attempt), Method: string(c.PaymentMethod.card()),
		MerchantID: m.ID, Amount: amount, Currency: currency, Recurring: c.Recurring, CreatedAt: time.Now(),
	}
	text := describe(p.Client.Name, c.Description)
	if c.Description == "" {
		text = describe(p.Client.Name, name)
	}
	start := &Start{
		ID: payment.ID, Key: key(payment, "start"), MerchantID: m.ID, Method: Method(payment.Method), Flow: flow,
		Amount: amount, VATAmount: vat, Currency: currency, Recurring: c.Recurring, Renewal: renewal, Description: text,
		Lines: []StartLine{{Reference: c.ProductSpecCode, Name: describe(p.Client.Name, name), Quantity: 1, Amount: amount, VATAmount: vat}},
		Payer: Payer{Phone: c.PhoneNumber, UserAgent: p.UserAgent}, Lang: p.Lang, TermsURL: p.Client.SubscriptionTermsURL,
	}
	if flow == Seamless {
		start.Origins = target.For(p.Client).Origins()
		if _, err := returnTarget(p.Client, p.PageURL); err == nil {
			start.PageURL = p.PageURL
		}
	}
	return payment, paymentData{
		Start: start, Key: s.c.Keys.ID(), Until: payment.CreatedAt.Add(s.c.ClaimWithin),
		Script: &scriptData{
			Sign: store.DigestOf(p.Token), ReturnURL: c.ReturnURL,
			Coupon: store.CouponID{Code: c.ProductSpecCode, Number: c.ProductSpecNo},
		},
	}, nil
}

// scriptPrice is what the coupon of the claims costs. An amount or a currency that
// disagrees is refused, unless the client may set its own: the same rule as for an
// order, so that what was paid for is not refused afterwards.
func (s *Service) scriptPrice(ctx context.Context, client *store.Client, c Claims) (amount, vat int64, currency, name string, renewal Renewal, err error) {
	catalogue := s.c.Publishers.Catalogue(client.PartnerID)
	id := store.CouponID{Code: c.ProductSpecCode, Number: c.ProductSpecNo}
	unsold := refuse("productSpecCode", "and productSpecNo name no coupon that is sold")
	if id.Code == "" || id.Number <= 0 {
		return 0, 0, "", "", renewal, unsold
	}
	price, err := catalogue.Price(ctx, publisher.PriceQuestion{PartnerID: client.PartnerID, Coupon: id})
	if errors.Is(err, publisher.ErrNotFound) {
		return 0, 0, "", "", renewal, unsold
	}
	if err != nil {
		return 0, 0, "", "", renewal, fmt.Errorf("look up the price: %w", err)
	}
	coupons, err := catalogue.Coupons(ctx, client.PartnerID, price.Product)
	if err != nil && !errors.Is(err, publisher.ErrNotFound) {
		return 0, 0, "", "", renewal, fmt.Errorf("look up the coupon: %w", err)
	}
	i := slices.IndexFunc(coupons, func(c publisher.Coupon) bool { return c.Code == id.Code && c.Number == id.Number })
	if i < 0 {
		return 0, 0, "", "", renewal, unsold
	}
	amount, currency = price.Price+price.Distribution, price.Currency
	if !price.VATIncluded {
		amount += price.VATAmount + price.DistributionVAT
	}
	wanted, agrees := c.AmountIn(currency)
	switch {
	case agrees && (wanted == nil || *wanted == amount):
	case !mayPrice(client) && c.Currency != "" && c.Currency != currency:
		return 0, 0, "", "", renewal, refuse("currency", "is not that of the coupon, which is %s", currency)
	case !mayPrice(client):
		return 0, 0, "", "", renewal, refuse("amount", "is not what the coupon costs")
	case agrees:
		amount = *wanted
	case c.Currency == "" || c.Amount == nil:
		return 0, 0, "", "", renewal, refuse("amount", "is missing, or has more decimals than %s", cmp.Or(c.Currency, currency))
	default:
		amount, currency = *c.Amount, c.Currency
	}
	if amount < 1 || amount > maxAmount {
		return 0, 0, "", "", renewal, refuse("amount", "is not one that can be paid")
	}
	return amount, vatIn(amount, price.VATPercent), currency, coupons[i].Description, coupons[i].Renewal, nil
}

// returnTarget is the returnUrl if the client's users may be sent there.
func returnTarget(client *store.Client, raw string) (target.URL, error) {
	u, err := target.Parse(raw)
	if err != nil {
		return target.URL{}, refuse("returnUrl", "is no address: %v", err)
	}
	if !target.For(client).Allows(u) {
		return target.URL{}, refuse("returnUrl", "is not among the client's targets")
	}
	return u, nil
}

// scriptPayment is what the script is told of a payment.
func scriptPayment(p store.Payment) (ScriptPayment, error) {
	d, err := readPayment(p)
	if err != nil {
		return ScriptPayment{}, err
	}
	out := ScriptPayment{ID: p.ID, Outcome: OutcomeOf(p)}
	if d.Start != nil {
		out.Flow = d.Start.Flow
	}
	if p.Status == store.PaymentOpen {
		out.RedirectURL, out.View = d.RedirectURL, d.View
	}
	return out, nil
}

// ScriptStanding settles the client's payment, and says how it stands, to a script
// that shows the Attempt with which it began. ErrNotFound for any other.
func (s *Service) ScriptStanding(ctx context.Context, clientID, id, attempt string) (ScriptPayment, error) {
	p, err := s.payment(ctx, id)
	if err != nil {
		return ScriptPayment{}, err
	}
	if !ours(p) || p.ClientID != clientID || !attempted(p, attempt) {
		return ScriptPayment{}, ErrNotFound
	}
	if p, err = s.Settle(ctx, id); err != nil {
		return ScriptPayment{}, err
	}
	out, err := scriptPayment(p)
	if err != nil || out.Outcome != Success || out.Flow != Redirect {
		return out, err
	}
	// A redirect ends at the returnUrl, also for who went back from there.
	d, err := readPayment(p)
	out.RedirectURL = s.returnAddress(d.Key, p.ID)
	return out, err
}

// ScriptReturn settles the payment of a payer who comes back from the provider, and
// returns where she goes on: the returnUrl of the sign with mcPayRef and status, each
// once; or "" while the outcome is not known. sealed is the last part of the address
// to which she came back. ErrNotFound says that it is none, or that the payment has
// no returnUrl to which the client's users may be sent.
func (s *Service) ScriptReturn(ctx context.Context, sealed string) (address string, err error) {
	id, proof, ok := strings.Cut(sealed, ".")
	if !ok || !s.proved(returnPurpose, proof, id) {
		return "", ErrNotFound
	}
	p, err := s.payment(ctx, id)
	if err != nil {
		return "", err
	}
	d, err := readPayment(p)
	if err != nil {
		return "", err
	}
	if d.Script == nil || d.Script.ReturnURL == "" {
		return "", ErrNotFound
	}
	client, err := store.SharedClient(ctx, s.c.Clients, p.ClientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("find client %s: %w", p.ClientID, err)
	}
	if err != nil || client.Disabled {
		return "", ErrNotFound
	}
	to, err := returnTarget(client, d.Script.ReturnURL) // its targets may have changed
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if p, err = s.Settle(ctx, id); err != nil {
		return "", err
	}
	switch OutcomeOf(p) {
	case Waiting:
		return "", nil
	case Success:
		return to.With("mcPayRef", p.ID, "status", "success"), nil
	}
	return to.With("mcPayRef", p.ID, "status", "failure"), nil
}

// scriptCoupon is what a payment of the script is for.
func scriptCoupon(p store.Payment) (store.CouponID, error) {
	d, err := readPayment(p)
	if err != nil || d.Script == nil {
		return store.CouponID{}, err
	}
	return d.Script.Coupon, nil
}
