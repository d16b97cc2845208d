package api

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
)

// Coupons are ways to buy: the answer of GET v1/client/coupon/{productCode} and
// v1/client/voucher/coupons/{voucherCode}.
type Coupons struct {
	XMLName xml.Name `json:"-" xml:"coupons"`
	Coupons []Coupon `json:"coupons" xml:"coupon"`
}

// Coupon is a way to buy a product. Times are milliseconds since 1970; what is
// not known is left out.
type Coupon struct {
	CouponCode    string         `json:"couponCode" xml:"couponCode"`
	CouponNumber  int64          `json:"couponNumber" xml:"couponNumber"`
	Product       string         `json:"product" xml:"product"`
	StartTime     int64          `json:"startTime,omitzero" xml:"startTime,omitempty"`
	EndTime       int64          `json:"endTime,omitzero" xml:"endTime,omitempty"`
	Description   string         `json:"description,omitempty" xml:"description,omitempty"`
	CouponPrice   json.Number    `json:"couponPrice" xml:"couponPrice"` // with two decimals at most
	Currency      string         `json:"currency,omitempty" xml:"currency,omitempty"`
	PeriodLength  int            `json:"periodLength,omitzero" xml:"periodLength,omitempty"`
	PeriodType    string         `json:"periodType,omitempty" xml:"periodType,omitempty"` // days, weeks, months or years
	ExtraProducts []ExtraProduct `json:"extraProducts" xml:"extraProducts>extraProduct"`
	Renewal       *Renewal       `json:"renewal,omitempty" xml:"renewal,omitempty"`
	Marketing     *Marketing     `json:"marketing,omitempty" xml:"marketing,omitempty"` // if it is asked for
}

// ExtraProduct is a product that comes with a coupon.
type ExtraProduct struct {
	ProductID   string `json:"productId" xml:"productId"`
	Description string `json:"description,omitempty" xml:"description,omitempty"`
}

// Renewal is what follows the coupon's period.
type Renewal struct {
	RenewalPrice json.Number `json:"renewalPrice" xml:"renewalPrice"`
	PeriodLength int         `json:"periodLength" xml:"periodLength"`
	PeriodType   string      `json:"periodType" xml:"periodType"`
}

// Marketing says in which campaign the coupon is sold.
type Marketing struct {
	Project     string `json:"project,omitempty" xml:"project,omitempty"`
	Market      string `json:"market,omitempty" xml:"market,omitempty"`
	Activity    string `json:"activity,omitempty" xml:"activity,omitempty"`
	SalesMethod string `json:"salesMethod,omitempty" xml:"salesMethod,omitempty"`
}

// CouponPriceRequest is the request of POST v1/client/coupon/price. CouponCode
// and CouponNumber are required.
type CouponPriceRequest struct {
	CouponCode     string `json:"couponCode"`
	CouponNumber   int64  `json:"couponNumber"`
	CustomerNumber int64  `json:"customerNumber"`
	// CountryCode (ISO 3166 alpha-2) and PostalCode say where it is delivered;
	// without them the customer's address counts.
	CountryCode string `json:"countryCode"`
	PostalCode  string `json:"postalCode"`
}

// CouponPrice is what a coupon costs. Amounts have two decimals at most.
type CouponPrice struct {
	XMLName        xml.Name    `json:"-" xml:"price"`
	CompanyCode    string      `json:"companyCode,omitempty" xml:"companyCode,omitempty"`
	Product        string      `json:"product" xml:"product"`
	Price          json.Number `json:"price" xml:"price"`
	VATAmount      json.Number `json:"vatAmount" xml:"vatAmount"`
	VATPercent     json.Number `json:"vatpercent" xml:"vatpercent"`
	VATInclude     bool        `json:"vatInclude" xml:"vatInclude"` // the tax is in the price
	Currency       string      `json:"currency,omitempty" xml:"currency,omitempty"`
	DistAmount     json.Number `json:"distAmount" xml:"distAmount"` // of delivery
	DistAmountVAT  json.Number `json:"distAmountvat" xml:"distAmountvat"`
	CustomerNumber int64       `json:"customerNumber,omitzero" xml:"customerNumber,omitempty"`
}

// coupons serves GET v1/client/coupon/{productCode}.
func (s *Server) coupons(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	marketing, err := flag(r, "marketing")
	if err != nil {
		return err
	}
	partner := t.Client.PartnerID
	all, err := s.c.Publishers.Catalogue(partner).Coupons(r.Context(), partner, r.PathValue("productCode"))
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no such product"}
	case err != nil:
		return fmt.Errorf("list coupons: %w", err)
	}
	return s.replyCacheable(w, r, couponsOf(all, marketing))
}

// voucherCoupons serves GET v1/client/voucher/coupons/{voucherCode}. Whether a
// voucher is good can change at any time, so nobody may keep the answer.
func (s *Server) voucherCoupons(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	partner := t.Client.PartnerID
	all, err := s.c.Publishers.Catalogue(partner).VoucherCoupons(r.Context(), partner, r.PathValue("voucherCode"))
	switch {
	case errors.Is(err, publisher.ErrNotFound), errors.Is(err, publisher.ErrSpent):
		return &Error{Status: http.StatusBadRequest, Type: "InvalidVoucher", Message: "the voucher is unknown, used up or not good at this time"}
	case err != nil:
		return fmt.Errorf("look up voucher: %w", err)
	}
	return s.reply(w, r, couponsOf(all, false))
}

func couponsOf(all []publisher.Coupon, marketing bool) *Coupons {
	out := &Coupons{Coupons: []Coupon{}}
	for _, c := range all {
		one := Coupon{
			CouponCode: c.Code, CouponNumber: c.Number, Product: c.Product, StartTime: millis(c.StartsAt), EndTime: millis(c.EndsAt),
			Description: c.Description, CouponPrice: money(c.Price, c.Currency), Currency: c.Currency,
			PeriodLength: c.Period.Length, PeriodType: string(c.Period.Unit), ExtraProducts: []ExtraProduct{},
		}
		for _, e := range c.ExtraProducts {
			one.ExtraProducts = append(one.ExtraProducts, ExtraProduct{e.Product, e.Description})
		}
		if n := c.Renewal; n.Period.Length > 0 {
			one.Renewal = &Renewal{money(n.Price, c.Currency), n.Period.Length, string(n.Period.Unit)}
		}
		if m := Marketing(c.Marketing); marketing && m != (Marketing{}) {
			one.Marketing = &m
		}
		out.Coupons = append(out.Coupons, one)
	}
	return out
}

// couponPrice serves POST v1/client/coupon/price.
func (s *Server) couponPrice(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	var in CouponPriceRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := texts(maxText, map[string]*string{"couponCode": &in.CouponCode, "postalCode": &in.PostalCode}); err != nil {
		return err
	}
	switch {
	case in.CouponCode == "" || in.CouponNumber <= 0:
		return badRequest("couponCode and couponNumber are required")
	case in.CustomerNumber < 0:
		return badRequest("customerNumber has to be a whole number above zero")
	case in.CountryCode != "" && !publisher.IsCountry(in.CountryCode):
		return badRequest("countryCode has to be a country of ISO 3166, alpha-2")
	}
	partner := t.Client.PartnerID
	p, err := s.c.Publishers.Catalogue(partner).Price(r.Context(), publisher.PriceQuestion{
		PartnerID: partner, Coupon: publisher.CouponID{Code: in.CouponCode, Number: in.CouponNumber},
		CustomerNumber: in.CustomerNumber, Country: in.CountryCode, PostalCode: in.PostalCode,
	})
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no such coupon now, or no such customer"}
	case err != nil:
		return fmt.Errorf("price a coupon: %w", err)
	}
	return s.reply(w, r, &CouponPrice{
		CompanyCode: p.CompanyCode, Product: p.Product, Currency: p.Currency, Price: money(p.Price, p.Currency),
		VATAmount: money(p.VATAmount, p.Currency), VATPercent: decimal(int64(p.VATPercent)), VATInclude: p.VATIncluded,
		DistAmount: money(p.Distribution, p.Currency), DistAmountVAT: money(p.DistributionVAT, p.Currency), CustomerNumber: in.CustomerNumber,
	})
}
