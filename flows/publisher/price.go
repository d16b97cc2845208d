package publisher

import "strings"

// PriceQuestion asks what a coupon costs a customer.
type PriceQuestion struct {
	PartnerID string
	Coupon    CouponID
	// Product asks for the web offer price of a product instead, if Coupon is zero.
	Product string
	// CustomerNumber is the customer's, zero for none. If no Country is given,
	// hers counts.
	CustomerNumber int64
	Country        string // ISO 3166 alpha-2
	PostalCode     string
}

// Price is what is to be paid. Amounts are in minor units of Currency.
type Price struct {
	CompanyCode string
	Product     string
	Currency    string
	Price       int64
	VATAmount   int64 // in Price, or to be added to it
	VATPercent  int   // in hundredths: 2500 is 25 percent
	VATIncluded bool
	// Distribution is what delivery costs, and DistributionVAT the tax in it, or
	// to be added to it.
	Distribution    int64
	DistributionVAT int64
}

// priceOf prices the product at the amount, delivered to the place.
func priceOf(p Product, amount int64, currency, country, postalCode string) Price {
	out := Price{
		CompanyCode: p.CompanyCode, Product: p.Code, Currency: currency, Price: amount,
		VATAmount: vat(amount, p), VATPercent: p.VATPercent, VATIncluded: p.VATIncluded,
	}
	if out.Currency == "" {
		out.Currency = p.Currency
	}
	if out.Currency == p.Currency { // or it is not known in the coupon's
		out.Distribution = distribution(p, country, postalCode)
		out.DistributionVAT = vat(out.Distribution, p)
	}
	return out
}

// vat returns the value-added tax in the amount, or on top of it, rounded to the
// nearest minor unit.
func vat(amount int64, p Product) int64 {
	percent := int64(p.VATPercent)
	if p.VATIncluded {
		return divide(amount*percent, 10000+percent)
	}
	return divide(amount*percent, 10000)
}

// divide rounds to the nearest, halves away from zero.
func divide(a, b int64) int64 {
	if a < 0 {
		return -divide(-a, b)
	}
	return (a + b/2) / b
}

// distribution returns what delivery of the product to the place costs; nothing
// where the product has no price for it.
func distribution(p Product, country, postalCode string) int64 {
	code := postal(postalCode)
	longest, price := -1, int64(0)
	for _, d := range p.Distribution {
		if d.Country == country && strings.HasPrefix(code, d.PostalPrefix) && len(d.PostalPrefix) > longest {
			longest, price = len(d.PostalPrefix), d.Price
		}
	}
	return price
}
