package order

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// agreed is a price that was settled before the order: that of a payment of the
// script. What was paid for is not refused for its price afterwards.
type agreed struct {
	coupon   store.CouponID
	amount   int64
	currency string
	used     bool // by a line
}

// pricing is an order that is being priced.
type pricing struct {
	catalogue publisher.Catalogue
	partnerID string
	override  bool
	agreed    *agreed
	content   *Content
	products  map[string]*publisher.Product // that were looked up
	total     int64
	currency  string // of all lines that cost something
	// invoiced says that the publisher sends an invoice for all that costs something.
	invoiced bool
}

// mayPrice reports whether the client may name amounts that are not the
// catalogue's. A public client is whoever runs it, so it never may.
func mayPrice(c *store.Client) bool { return c.PriceOverride && !c.Public }

// price fills in what the catalogue says of each line, and adds it up. An amount of
// the content that disagrees is refused, unless the client may set its own
// (decided: orders-and-payment, Orders).
func (s *Service) price(ctx context.Context, client *store.Client, c *Content, a *agreed) (*pricing, error) {
	p := &pricing{
		catalogue: s.c.Publishers.Catalogue(client.PartnerID), partnerID: client.PartnerID, override: mayPrice(client),
		agreed: a, content: c, products: map[string]*publisher.Product{}, invoiced: true,
	}
	if c.MarketingCode != "" {
		_, err := p.catalogue.Price(ctx, publisher.PriceQuestion{PartnerID: p.partnerID, Coupon: store.CouponID{Code: c.MarketingCode, Number: c.MarketingNumber}})
		switch {
		case errors.Is(err, publisher.ErrNotFound):
			return nil, refuse("marketingCouponCode", "and marketingCouponNumber name no coupon that is sold")
		case err != nil:
			return nil, fmt.Errorf("look up the marketing coupon: %w", err)
		}
	}
	for i := range c.Lines {
		if err := p.line(ctx, client, &c.Lines[i], fmt.Sprintf("orderLines[%d]", i)); err != nil {
			return nil, err
		}
	}
	if a != nil && !a.used {
		return nil, refuse("mcPayRef", "is a payment for coupon %s %d, which no line orders", a.coupon.Code, a.coupon.Number)
	}
	if err := p.add(); err != nil {
		return nil, err
	}
	return p, nil
}

// line prices one line, of which one costs what the publisher wants for it, with
// value-added tax and delivery.
func (p *pricing) line(ctx context.Context, client *store.Client, l *Line, field string) error {
	to, _ := p.content.receiver(*l)
	q := publisher.PriceQuestion{PartnerID: p.partnerID, Country: to.CountryCode, PostalCode: to.PostalCode}
	coupon := store.CouponID{Code: l.SpecCode, Number: l.SpecNo}
	if l.SpecType == specCoupon {
		q.Coupon = coupon
	} else {
		q.Product = l.SpecCode
	}
	price, err := p.catalogue.Price(ctx, q)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, publisher.ErrNotFound):
		return fmt.Errorf("look up price: %w", err)
	case !known && l.SpecType == specCoupon:
		return refuse(field+".productSpecCode", "and productSpecNo name no coupon that is sold")
	case !known && l.SpecType == specProduct:
		return refuse(field+".productSpecCode", "names no product that is sold")
	case known && l.SpecType == specCoupon:
		if err := p.coupon(ctx, l, coupon, price.Product, field); err != nil {
			return err
		}
	}
	if err := p.product(ctx, client, l, field); err != nil {
		return err
	}
	free := l.SpecType == specCoupon // a coupon without a price is free; anything else has none
	delivery := price.Distribution
	unit := price.Price
	l.VATAmount, l.VATPercent = price.VATAmount+price.DistributionVAT, price.VATPercent
	if !price.VATIncluded {
		unit += price.VATAmount
		delivery += price.DistributionVAT
	}
	known = known && (free || unit > 0)
	bare := unit
	unit += delivery
	currency := price.Currency
	if a := p.agreed; a != nil && !a.used && l.SpecType == specCoupon && a.coupon == coupon && l.Quantity == 1 && l.VoucherCode == "" {
		a.used = true
		bare, unit, currency = unit, a.amount, a.currency
		l.VATAmount = vatIn(unit, l.VATPercent)
	}
	if unit < 0 || unit > maxAmount {
		return fmt.Errorf("the catalogue's price of %s is %d", field, unit)
	}
	switch {
	case l.VoucherCode != "":
		if l.UnitPrice != nil && *l.UnitPrice != 0 && *l.UnitPrice != bare && *l.UnitPrice != unit {
			return refuse(field+".unitPrice", "is not the catalogue's price")
		}
		unit, l.VATAmount = 0, 0
	case l.UnitPrice == nil && !known:
		return refuse(field+".unitPrice", "is missing: the catalogue has no price for it")
	case l.UnitPrice == nil:
	case known && (*l.UnitPrice == unit || *l.UnitPrice == bare): // with or without delivery
	case !p.override:
		return refuse(field+".unitPrice", "is not the catalogue's price")
	default:
		unit = *l.UnitPrice
		l.VATAmount = vatIn(unit, l.VATPercent)
	}
	l.Price = unit
	if currency == "" {
		currency = p.content.Currency
	}
	if unit > 0 {
		return p.in(currency, field)
	}
	return nil
}

// in notes the currency of a line that costs something.
func (p *pricing) in(currency, field string) error {
	switch {
	case currency == "":
		return refuse("currency", "is missing: the catalogue has none for %s", field)
	case p.content.Currency != "" && p.content.Currency != currency:
		return refuse("currency", "is not that of %s, which is %s", field, currency)
	case p.currency != "" && p.currency != currency:
		return refuse(field, "is sold in %s, and lines before it in %s", currency, p.currency)
	}
	p.currency = currency
	return nil
}

// coupon notes what the coupon says of itself.
func (p *pricing) coupon(ctx context.Context, l *Line, id store.CouponID, product, field string) error {
	if l.Product != "" && l.Product != product {
		return refuse(field+".product", "is not what the coupon buys")
	}
	l.Product = product
	all, err := p.catalogue.Coupons(ctx, p.partnerID, product)
	if err != nil && !errors.Is(err, publisher.ErrNotFound) {
		return fmt.Errorf("look up coupon: %w", err)
	}
	i := slices.IndexFunc(all, func(c publisher.Coupon) bool { return c.Code == id.Code && c.Number == id.Number })
	if i < 0 {
		return refuse(field+".productSpecCode", "and productSpecNo name no coupon that is sold")
	}
	c := all[i]
	l.Name, l.Period, l.Renewal = c.Description, c.Period, c.Renewal
	for _, e := range c.ExtraProducts {
		l.ExtraProducts = append(l.ExtraProducts, e.Product)
	}
	if c.Price > 0 && !c.Invoice {
		p.invoiced = false
	}
	return nil
}

// product notes what the catalogue says of the line's product.
func (p *pricing) product(ctx context.Context, client *store.Client, l *Line, field string) error {
	code := l.Product
	if l.SpecType == specIssue || l.SpecType == specArticle {
		code = l.SpecCode // a single issue or article that is sold as a product
		p.invoiced = false
	}
	found, err := p.look(ctx, code)
	if err != nil {
		return err
	}
	if found != nil {
		l.ProductType, l.Digital = found.Type, found.Digital
		if l.Product == "" {
			l.Product = code
		}
		if l.Name == "" {
			l.Name = found.Description
		}
	}
	if l.SpecType == specProduct {
		p.invoiced = false
	}
	if l.SpecType != specCoupon && l.ProductType == store.SubscriptionProduct {
		return refuse(field+".productSpecType", "is not coupon: a subscription is sold by a coupon, which says for how long")
	}
	if l.Name == "" {
		l.Name = l.SpecCode
	}
	switch {
	case l.AccessProduct == "":
	case client.Public && l.AccessProduct != code && !slices.Contains(l.ExtraProducts, l.AccessProduct):
		return refuse(field+".allowAccessProduct", "is not what the line buys")
	default:
		other, err := p.look(ctx, l.AccessProduct)
		if err != nil {
			return err
		}
		if other == nil {
			return refuse(field+".allowAccessProduct", "names no product that is sold")
		}
	}
	return nil
}

// look returns the product, or nil when it is not sold.
func (p *pricing) look(ctx context.Context, code string) (*publisher.Product, error) {
	if found, ok := p.products[code]; ok || code == "" {
		return found, nil
	}
	all, err := p.catalogue.Products(ctx, p.partnerID, publisher.ProductFilter{Code: code, OnlyActive: true})
	if err != nil {
		return nil, fmt.Errorf("look up product: %w", err)
	}
	p.products[code] = nil
	if len(all) > 0 {
		p.products[code] = &all[0]
	}
	return p.products[code], nil
}

// add adds the lines up. The amount of an order is always that of its lines.
func (p *pricing) add() error {
	c := p.content
	for i := range c.Lines {
		p.total += c.Lines[i].Price * int64(c.Lines[i].Quantity)
	}
	if want := c.Amount; want != nil && *want != p.total {
		l := &c.Lines[0]
		if !p.override || len(c.Lines) > 1 || l.UnitPrice != nil || l.VoucherCode != "" || *want%int64(l.Quantity) != 0 {
			return refuse("orderAmount", "is %d hundredths, but the lines cost %d", *want, p.total)
		}
		l.Price = *want / int64(l.Quantity)
		l.VATAmount = vatIn(l.Price, l.VATPercent)
		p.total = *want
		if p.total > 0 && p.currency == "" {
			if p.currency = c.Currency; p.currency == "" {
				return refuse("currency", "is missing")
			}
		}
	}
	if p.total > maxAmount {
		return refuse("orderAmount", "is too large")
	}
	if p.total == 0 {
		p.currency = ""
	}
	p.invoiced = p.invoiced || p.override
	return nil
}

// vatIn returns the value-added tax in the amount, at a rate in hundredths of a
// percent, rounded to the nearest minor unit.
func vatIn(amount int64, percent int) int64 {
	all := int64(10000 + percent)
	return (amount*int64(percent) + all/2) / all
}
