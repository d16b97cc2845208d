package api

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Products is what the publisher sells: the answer of GET and POST
// v1/client/product and of GET v1/client/product/subscription.
type Products struct {
	XMLName  xml.Name  `json:"-" xml:"products"`
	Products []Product `json:"products" xml:"product"`
}

// Product is something that the publisher sells. Times are milliseconds since
// 1970; what is not known is left out.
type Product struct {
	CompanyCode   string      `json:"companyCode,omitempty" xml:"companyCode,omitempty"`
	Product       string      `json:"product" xml:"product"`
	Description   string      `json:"description,omitempty" xml:"description,omitempty"`
	ProductType   string      `json:"productType,omitempty" xml:"productType,omitempty"`
	StartTime     int64       `json:"startTime,omitzero" xml:"startTime,omitempty"`
	EndTime       int64       `json:"endTime,omitzero" xml:"endTime,omitempty"`
	WebOfferPrice json.Number `json:"webOfferPrice,omitempty" xml:"webOfferPrice,omitempty"` // with two decimals at most
	RetailPrice   json.Number `json:"retailPrice,omitempty" xml:"retailPrice,omitempty"`
	Currency      string      `json:"currency,omitempty" xml:"currency,omitempty"`
	VATPercent    json.Number `json:"vatPercent" xml:"vatPercent"`
	Digital       bool        `json:"digital" xml:"digital"`
}

// ProductsRequest is the request of POST v1/client/product.
type ProductsRequest struct {
	ChangedAfter int64 `json:"changedAfter"` // milliseconds since 1970
	OnlyActive   bool  `json:"onlyActive"`   // only what is sold now
}

// products serves GET v1/client/product.
func (s *Server) products(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.productList(w, r, t, "")
}

// subscriptionProducts serves GET v1/client/product/subscription.
func (s *Server) subscriptionProducts(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.productList(w, r, t, store.SubscriptionProduct)
}

// productList answers with the products of the type, "" for all, that the query
// asks for.
func (s *Server) productList(w http.ResponseWriter, r *http.Request, t middleware.Token, productType string) error {
	code, err := param(r, "productId")
	if err != nil {
		return err
	}
	shop, err := flag(r, "shop")
	if err != nil {
		return err
	}
	out, err := s.productsOf(r, t, publisher.ProductFilter{Code: code, Type: productType, Shop: shop})
	if err != nil {
		return err
	}
	if code != "" && len(out.Products) == 0 {
		return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no such product"}
	}
	return s.respondCacheable(w, r, out)
}

// changedProducts serves POST v1/client/product.
func (s *Server) changedProducts(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	var in ProductsRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	shop, err := flag(r, "shop")
	if err != nil {
		return err
	}
	f := publisher.ProductFilter{Shop: shop, OnlyActive: in.OnlyActive}
	if in.ChangedAfter < 0 {
		return badRequest("changedAfter has to be milliseconds since 1970")
	}
	if in.ChangedAfter > 0 {
		f.ChangedAfter = time.UnixMilli(in.ChangedAfter)
	}
	out, err := s.productsOf(r, t, f)
	if err != nil {
		return err
	}
	return s.respond(w, r, out)
}

func (s *Server) productsOf(r *http.Request, t middleware.Token, f publisher.ProductFilter) (*Products, error) {
	partner := t.Client.PartnerID
	all, err := s.c.Publishers.Catalogue(partner).Products(r.Context(), partner, f)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	out := &Products{Products: []Product{}}
	for _, p := range all {
		out.Products = append(out.Products, productOf(p))
	}
	return out, nil
}

func productOf(p publisher.Product) Product {
	out := Product{
		CompanyCode: p.CompanyCode, Product: p.Code, Description: p.Description, ProductType: p.Type,
		StartTime: millis(p.StartsAt), EndTime: millis(p.EndsAt), Currency: p.Currency,
		VATPercent: decimal(int64(p.VATPercent)), Digital: p.Digital,
	}
	if p.Currency != "" {
		out.WebOfferPrice, out.RetailPrice = money(p.WebOfferPrice, p.Currency), money(p.RetailPrice, p.Currency)
	}
	return out
}
