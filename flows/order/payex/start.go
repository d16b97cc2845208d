package payex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/connectid-kit/connectid/flows/order"
)

// cultures are the languages of the payment menu
// (get-started/fundamental-principles, "Locale").
var cultures = map[string]string{
	"nb": "nb-NO", "nn": "nb-NO", "sv": "sv-SE", "da": "da-DK", "fi": "fi-FI", "en": "en-US",
}

func culture(lang string) string {
	if c, ok := cultures[lang]; ok {
		return c
	}
	return "en-US"
}

// Start makes a payment order. When an earlier call with the same Start has made one
// whose answer was lost, this makes another: the first can not be paid, as nobody has
// its address.
func (p *Provider) Start(ctx context.Context, s order.Start) (order.Started, error) {
	started, err := p.start(ctx, s)
	if err != nil {
		return order.Started{}, fmt.Errorf("payex: start: %w", err)
	}
	return started, nil
}

func (p *Provider) start(ctx context.Context, s order.Start) (order.Started, error) {
	o, err := p.newOrder(s)
	if err != nil {
		return order.Started{}, fmt.Errorf("%w: %w", order.ErrRefused, err)
	}
	a, err := p.create(ctx, o, s.ID, "start", s.Key)
	if err != nil {
		return order.Started{}, err
	}
	if a.PaymentOrder.Operation != o.Operation || a.PaymentOrder.Amount != o.Amount || a.PaymentOrder.Currency != o.Currency {
		// Its address is given to nobody.
		return order.Started{}, errors.New("the payment order is not the one that was asked for")
	}
	if a.PaymentOrder.Status != "Initialized" {
		return order.Started{}, fmt.Errorf("a new payment order has the status %q", short(a.PaymentOrder.Status))
	}
	rel := "redirect-checkout"
	if s.Flow == order.Seamless {
		rel = "view-checkout"
	}
	op, ok := a.operation(rel)
	if !ok || op.Method != http.MethodGet {
		return order.Started{}, fmt.Errorf("the payment order has no operation %s", rel)
	}
	address, err := p.shown(op.Href)
	if err != nil {
		return order.Started{}, err
	}
	started := order.Started{Ref: a.PaymentOrder.ID}
	if s.Flow == order.Seamless {
		started.View = order.View{Kind: order.PayExView, URL: address}
	} else {
		started.RedirectURL = address
	}
	return started, nil
}

// create makes a payment order under the first payeeReference that was not used
// before.
func (p *Provider) create(ctx context.Context, o newOrder, id, action, key string) (answer, error) {
	u := p.base.JoinPath("/psp/paymentorders")
	u.RawQuery = expand
	for n := range orders {
		o.PayeeInfo = payeeInfo{
			PayeeID: p.c.PayeeID, PayeeName: p.c.PayeeName, OrderReference: id,
			PayeeReference: p.reference(id, action, key, n),
		}
		a, err := p.call(ctx, http.MethodPost, u, createRequest{o})
		if e, ok := errors.AsType[*problem](err); ok {
			if e.duplicate() {
				p.c.Logger.WarnContext(ctx, "payex: a payment order of this payment exists whose answer was lost",
					"payment", id, "action", action, "count", n+1)
				continue
			}
			if e.refused() {
				return answer{}, fmt.Errorf("%w: %w", order.ErrRefused, err)
			}
		}
		if err != nil {
			return answer{}, err
		}
		if _, err := p.same(a.PaymentOrder.ID); err != nil {
			return answer{}, err
		}
		return a, nil
	}
	// None of them can be paid or captured by anybody, and it is to come to an end.
	return answer{}, fmt.Errorf("%w: the answers of %d payment orders were lost", order.ErrRefused, orders)
}

// newOrder says what to ask for, or what is wrong with the Start: then nothing is
// asked for.
func (p *Provider) newOrder(s order.Start) (newOrder, error) {
	instrument, err := p.instrument(s.Method, s.Recurring)
	if err != nil {
		return newOrder{}, err
	}
	if err := checkAmount(s.ID, s.Amount, s.VATAmount, s.Currency); err != nil {
		return newOrder{}, err
	}
	back, err := url.Parse(s.ReturnURL)
	if err != nil || back.Host == "" {
		return newOrder{}, errors.New("a start without a ReturnURL")
	}
	o := newOrder{
		Operation: "Purchase", Currency: s.Currency, Amount: s.Amount, VATAmount: s.VATAmount,
		Description: describe(s.Description, p.c.PayeeName), UserAgent: short(s.Payer.UserAgent), Language: culture(s.Lang),
		Instrument: instrument, GenerateUnscheduledToken: s.Recurring,
		URLs: orderURLs{
			CompleteURL: s.ReturnURL, CancelURL: s.ReturnURL, CallbackURL: s.CallbackURL,
			LogoURL: overHTTPS(s.LogoURL), TermsOfServiceURL: overHTTPS(s.TermsURL),
		},
		Payer:      p.payer(s.Payer, s.Recurring, s.ID),
		OrderItems: items(s),
	}
	if o.UserAgent == "" {
		o.UserAgent = p.c.UserAgent
	}
	switch s.Flow {
	case order.Redirect:
		o.URLs.HostURLs = []string{back.Scheme + "://" + back.Host}
	case order.Seamless:
		if len(s.Origins) == 0 {
			return newOrder{}, errors.New("a seamless view that no page may show")
		}
		// "If both cancelUrl and paymentUrl is sent, the paymentUrl will [be] used."
		o.URLs.HostURLs, o.URLs.PaymentURL = s.Origins, s.PageURL
	default:
		return newOrder{}, fmt.Errorf("no payment flow %q", s.Flow)
	}
	return o, nil
}

// instrument is the one way to pay that is offered; empty for the whole menu.
func (p *Provider) instrument(m order.Method, recurring bool) (string, error) {
	switch m {
	case order.CreditCard, order.CreditCardPayEx:
		if p.c.WholeMenu && !recurring {
			return "", nil
		}
		return creditCard, nil
	case order.SwishPayEx:
		if recurring {
			return "", errors.New("swish has no payments that recur")
		}
		if p.c.WholeMenu {
			return "", nil
		}
		return swish, nil
	}
	return "", fmt.Errorf("the payment method %q is not Swedbank Pay's", m)
}

func checkAmount(id string, amount, vat int64, currency string) error {
	switch {
	case id == "" || len(id) > 32 || strings.ContainsFunc(id, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}):
		return fmt.Errorf("a bad payment ID %q", short(id))
	case amount <= 0 || amount > maxAmount:
		return fmt.Errorf("a bad amount %d", amount)
	case vat < 0 || vat > amount:
		return fmt.Errorf("a bad VAT amount %d of %d", vat, amount)
	case len(currency) != 3 || strings.ToUpper(currency) != currency:
		return fmt.Errorf("a bad currency %q", short(currency))
	}
	return nil
}

// payer is what Swedbank Pay is told of the payer. Its reference is not personal data:
// the uniqueId, or the payment's ID when nobody is logged in.
func (p *Provider) payer(who order.Payer, recurring bool, id string) *payer {
	w := payer{DigitalProducts: true, PayerReference: who.UserID}
	if w.PayerReference == "" && recurring {
		w.PayerReference = id
	}
	if p.c.Prefill {
		w.Email = who.Email
		// "8 to 15 digits", with the country code.
		if n := len(strings.TrimPrefix(who.Phone, "+")); strings.HasPrefix(who.Phone, "+") && n >= 8 && n <= 15 {
			w.MSISDN = who.Phone
		}
	}
	if w.PayerReference == "" && w.Email == "" && w.MSISDN == "" {
		return nil // a guest
	}
	return &w
}

// items are the lines, if they are what the amount is made of. They are voluntary in
// version 3.1, and wrong ones are refused (features/optional/order-items).
func items(s order.Start) []item {
	var list []item
	var amount, vat int64
	for _, l := range s.Lines {
		if l.Reference == "" || l.Name == "" || l.Quantity < 1 || l.Amount < 0 || l.Amount%int64(l.Quantity) != 0 {
			return nil
		}
		list = append(list, item{
			Reference: l.Reference, Name: l.Name, Type: "PRODUCT", Class: "Publication",
			Quantity: l.Quantity, QuantityUnit: "pcs", UnitPrice: l.Amount / int64(l.Quantity),
			VATPercent: l.VATPercent, Amount: l.Amount, VATAmount: l.VATAmount,
		})
		amount, vat = amount+l.Amount, vat+l.VATAmount
	}
	if amount != s.Amount || vat != s.VATAmount {
		return nil
	}
	return list
}

// describe bounds a description: "Maximum length is 40 characters".
func describe(s, otherwise string) string {
	if s = strings.TrimSpace(short(s)); s == "" {
		s = short(otherwise)
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:39]) + "…"
	}
	return s
}

// overHTTPS is the address, if it may be given: "HTTPS is a requirement".
func overHTTPS(address string) string {
	if !strings.HasPrefix(address, "https://") {
		return ""
	}
	return address
}
