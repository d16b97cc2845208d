package httpjson

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// catalogue is the [publisher.Catalogue] of a [Client].
type catalogue struct{ *caller }

// maxEntries bounds what is taken of products and coupons from one answer.
const maxEntries = 10000

// Product is what a publisher sells.
type Product struct {
	Code          string         `json:"code"`
	CompanyCode   string         `json:"companyCode,omitempty"`
	Description   string         `json:"description,omitempty"`
	Type          string         `json:"type,omitempty"`
	CategoryTypes []string       `json:"categoryTypes,omitempty"`
	StartTime     int64          `json:"startTime,omitempty"`
	EndTime       int64          `json:"endTime,omitempty"`
	WebOfferPrice int64          `json:"webOfferPrice"`
	RetailPrice   int64          `json:"retailPrice"`
	Currency      string         `json:"currency,omitempty"` // ISO 4217; required with a price
	VATPercent    int            `json:"vatPercent"`
	VATIncluded   bool           `json:"vatIncluded"`
	Digital       bool           `json:"digital"`
	Shop          bool           `json:"shop"`
	Distribution  []Distribution `json:"distribution,omitempty"`
	ChangedTime   int64          `json:"changedTime,omitempty"`
}

// Distribution is what delivery to one place costs.
type Distribution struct {
	Country      string `json:"country"` // ISO 3166 alpha-2
	PostalPrefix string `json:"postalPrefix"`
	Price        int64  `json:"price"`
}

// Coupon is a way to buy a product.
type Coupon struct {
	Code          string         `json:"code"`
	Number        int64          `json:"number"`
	Product       string         `json:"product"`
	Description   string         `json:"description,omitempty"`
	Terms         string         `json:"terms,omitempty"`
	StartTime     int64          `json:"startTime,omitempty"`
	EndTime       int64          `json:"endTime,omitempty"`
	Price         int64          `json:"price"`
	Currency      string         `json:"currency,omitempty"` // ISO 4217; required with a price
	PeriodLength  int            `json:"periodLength,omitempty"`
	PeriodType    string         `json:"periodType,omitempty"` // days, weeks, months or years
	ExtraProducts []ExtraProduct `json:"extraProducts,omitempty"`
	Renewal       *Renewal       `json:"renewal,omitempty"`
	Marketing     *Marketing     `json:"marketing,omitempty"`
	Offered       bool           `json:"offered"`
	Invoice       bool           `json:"invoice"`
	ChangedTime   int64          `json:"changedTime,omitempty"`
}

// ExtraProduct is a product that comes with a coupon.
type ExtraProduct struct {
	Product     string `json:"product"`
	Description string `json:"description,omitempty"`
}

// Renewal is what a subscription costs after its first period.
type Renewal struct {
	Price        int64  `json:"price"`
	PeriodLength int    `json:"periodLength"`
	PeriodType   string `json:"periodType"`
}

// Marketing says in which campaign a coupon is sold.
type Marketing struct {
	Project     string `json:"project,omitempty"`
	Market      string `json:"market,omitempty"`
	Activity    string `json:"activity,omitempty"`
	SalesMethod string `json:"salesMethod,omitempty"`
}

// Price is what is to be paid.
type Price struct {
	CompanyCode     string `json:"companyCode,omitempty"`
	Product         string `json:"product"`
	Currency        string `json:"currency"`
	Price           int64  `json:"price"`
	VATAmount       int64  `json:"vatAmount"`
	VATPercent      int    `json:"vatPercent"`
	VATIncluded     bool   `json:"vatIncluded"`
	Distribution    int64  `json:"distribution"`
	DistributionVAT int64  `json:"distributionVat"`
}

type productsCall struct {
	PartnerID    string `json:"partnerId"`
	Code         string `json:"code,omitempty"`
	Type         string `json:"type,omitempty"`
	Shop         bool   `json:"shop"`
	OnlyActive   bool   `json:"onlyActive"`
	ChangedAfter int64  `json:"changedAfter,omitempty"`
}

// Products implements [publisher.Catalogue]. The system may answer with more than
// was asked for.
func (c *catalogue) Products(ctx context.Context, partnerID string, f publisher.ProductFilter) ([]publisher.Product, error) {
	var out struct {
		Products []Product `json:"products"`
	}
	err := c.call(ctx, "catalogue/products", productsCall{partnerID, f.Code, f.Type, f.Shop, f.OnlyActive, millis(f.ChangedAfter)}, &out)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Products) > maxEntries:
		return nil, fmt.Errorf("httpjson: %d products", len(out.Products))
	}
	var all []publisher.Product
	now := time.Now()
	for _, in := range out.Products {
		p, err := in.product(partnerID)
		if err != nil {
			return nil, err
		}
		if f.Admits(p, now) {
			all = append(all, p)
		}
	}
	return all, nil
}

func (in Product) product(partnerID string) (publisher.Product, error) {
	p := publisher.Product{
		PartnerID: partnerID, Code: in.Code, CompanyCode: in.CompanyCode, Description: in.Description, Type: in.Type, CategoryTypes: in.CategoryTypes,
		StartsAt: at(in.StartTime), EndsAt: at(in.EndTime), WebOfferPrice: in.WebOfferPrice, RetailPrice: in.RetailPrice, Currency: in.Currency,
		VATPercent: in.VATPercent, VATIncluded: in.VATIncluded, Digital: in.Digital, Shop: in.Shop, UpdatedAt: at(in.ChangedTime),
	}
	for _, d := range in.Distribution {
		p.Distribution = append(p.Distribution, publisher.Distribution(d))
	}
	switch {
	case in.Code == "":
		return p, errors.New("httpjson: a product without a code")
	case in.WebOfferPrice < 0 || in.RetailPrice < 0 || in.VATPercent < 0 || in.VATPercent > 10000:
		return p, errors.New("httpjson: a product with a price or a tax below zero, or a tax above the price")
	case in.WebOfferPrice+in.RetailPrice > 0 && !publisher.IsCurrency(in.Currency):
		return p, errors.New("httpjson: a product with a price in no currency")
	}
	return p, plain(append([]string{in.Code, in.CompanyCode, in.Description, in.Type}, in.CategoryTypes...)...)
}

type couponCall struct {
	PartnerID      string `json:"partnerId"`
	Code           string `json:"code,omitempty"` // of a voucher
	CouponCode     string `json:"couponCode,omitempty"`
	CouponNumber   int64  `json:"couponNumber,omitempty"`
	Product        string `json:"product,omitempty"`
	CustomerNumber string `json:"customerNumber,omitempty"`
	Country        string `json:"country,omitempty"`
	PostalCode     string `json:"postalCode,omitempty"`
	Use            string `json:"use,omitempty"`
}

// Coupons implements [publisher.Catalogue].
func (c *catalogue) Coupons(ctx context.Context, partnerID, product string) ([]publisher.Coupon, error) {
	return c.coupons(ctx, "catalogue/coupons", couponCall{PartnerID: partnerID, Product: product})
}

// VoucherCoupons implements [publisher.Catalogue].
func (c *catalogue) VoucherCoupons(ctx context.Context, partnerID, code string) ([]publisher.Coupon, error) {
	all, err := c.coupons(ctx, "catalogue/voucher", couponCall{PartnerID: partnerID, Code: code})
	if err == nil && len(all) == 0 {
		return nil, publisher.ErrNotFound
	}
	return all, spent(err)
}

// spent is what 409 means of a voucher.
func spent(err error) error {
	if errors.Is(err, publisher.ErrTied) {
		return publisher.ErrSpent
	}
	return err
}

func (c *catalogue) coupons(ctx context.Context, path string, in couponCall) ([]publisher.Coupon, error) {
	var out struct {
		Coupons []Coupon `json:"coupons"`
	}
	if err := c.call(ctx, path, in, &out); err != nil {
		return nil, err
	}
	if len(out.Coupons) > maxEntries {
		return nil, fmt.Errorf("httpjson: %d coupons", len(out.Coupons))
	}
	var all []publisher.Coupon
	for _, one := range out.Coupons {
		o, err := one.coupon(in.PartnerID)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (in Coupon) coupon(partnerID string) (publisher.Coupon, error) {
	c := publisher.Coupon{
		PartnerID: partnerID, Code: in.Code, Number: in.Number, Product: in.Product, Description: in.Description, Terms: in.Terms,
		StartsAt: at(in.StartTime), EndsAt: at(in.EndTime), Price: in.Price, Currency: in.Currency,
		Period:  publisher.Period{Length: in.PeriodLength, Unit: publisher.PeriodUnit(in.PeriodType)},
		Offered: in.Offered, Invoice: in.Invoice, UpdatedAt: at(in.ChangedTime),
	}
	for _, e := range in.ExtraProducts {
		c.ExtraProducts = append(c.ExtraProducts, publisher.ExtraProduct(e))
	}
	if r := in.Renewal; r != nil {
		c.Renewal = publisher.Renewal{Price: r.Price, Period: publisher.Period{Length: r.PeriodLength, Unit: publisher.PeriodUnit(r.PeriodType)}}
	}
	if m := in.Marketing; m != nil {
		c.Marketing = publisher.Marketing(*m)
	}
	switch {
	case in.Code == "" || in.Number <= 0 || in.Product == "":
		return c, errors.New("httpjson: a coupon without code, number or product")
	case in.Price < 0 || c.Renewal.Price < 0 || in.PeriodLength < 0 || c.Renewal.Period.Length < 0:
		return c, errors.New("httpjson: a coupon with a price or period below zero")
	case in.Price+c.Renewal.Price > 0 && !publisher.IsCurrency(in.Currency):
		return c, errors.New("httpjson: a coupon with a price in no currency")
	case !c.Period.Known() || !c.Renewal.Period.Known():
		return c, errors.New("httpjson: a coupon with a period of no known type")
	}
	return c, plain(in.Code, in.Product, in.Description, in.Terms)
}

// Price implements [publisher.Catalogue].
func (c *catalogue) Price(ctx context.Context, q publisher.PriceQuestion) (publisher.Price, error) {
	in := couponCall{PartnerID: q.PartnerID, CouponCode: q.Coupon.Code, CouponNumber: q.Coupon.Number, Product: q.Product, Country: q.Country, PostalCode: q.PostalCode}
	if q.CustomerNumber != 0 {
		in.CustomerNumber = fmt.Sprint(q.CustomerNumber)
	}
	var out struct {
		Price *Price `json:"price"`
	}
	if err := c.call(ctx, "catalogue/price", in, &out); err != nil {
		return publisher.Price{}, err
	}
	p := out.Price
	switch {
	case p == nil:
		return publisher.Price{}, errors.New("httpjson: the answer has no price")
	case p.Price < 0 || p.VATAmount < 0 || p.VATPercent < 0 || p.Distribution < 0 || p.DistributionVAT < 0:
		return publisher.Price{}, errors.New("httpjson: a price below zero")
	case !publisher.IsCurrency(p.Currency):
		return publisher.Price{}, errors.New("httpjson: a price in no currency")
	}
	return publisher.Price{
		CompanyCode: p.CompanyCode, Product: p.Product, Currency: p.Currency, Price: p.Price,
		VATAmount: p.VATAmount, VATPercent: p.VATPercent, VATIncluded: p.VATIncluded,
		Distribution: p.Distribution, DistributionVAT: p.DistributionVAT,
	}, plain(p.CompanyCode, p.Product)
}

// SpendVoucher implements [publisher.Catalogue].
func (c *catalogue) SpendVoucher(ctx context.Context, u publisher.VoucherUse) error {
	return spent(c.call(ctx, "catalogue/voucher/spend", useOf(u), nil))
}

// ReleaseVoucher implements [publisher.Catalogue].
func (c *catalogue) ReleaseVoucher(ctx context.Context, u publisher.VoucherUse) error {
	err := c.call(ctx, "catalogue/voucher/release", useOf(u), nil)
	if errors.Is(err, publisher.ErrNotFound) || errors.Is(err, publisher.ErrTied) {
		return nil // there is nothing to give back
	}
	return err
}

func useOf(u publisher.VoucherUse) couponCall {
	return couponCall{PartnerID: u.PartnerID, Code: u.Code, CouponCode: u.Coupon.Code, CouponNumber: u.Coupon.Number, Use: u.Use}
}
