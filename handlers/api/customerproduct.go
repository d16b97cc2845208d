package api

import (
	"encoding/xml"
	"fmt"
	"net/http"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
)

// CustomerProducts is what the user has of the publisher's products: the answer
// of GET v1/customer/product.
type CustomerProducts struct {
	XMLName  xml.Name          `json:"-" xml:"products"`
	Products []CustomerProduct `json:"products" xml:"product"`
}

// CustomerProduct is what the user has of one product.
type CustomerProduct struct {
	PartnerID string `json:"partnerId" xml:"partnerId"`
	ProductID string `json:"productId" xml:"productId"`
	// AccessType is A for all, B for what lies between the times, D for none.
	AccessType string `json:"accessType" xml:"accessType"`
	StartTime  int64  `json:"startTime,omitzero" xml:"startTime,omitempty"`
	EndTime    int64  `json:"endTime,omitzero" xml:"endTime,omitempty"`
}

// customerProducts serves GET v1/customer/product.
func (s *Server) customerProducts(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	partner := t.Client.PartnerID
	all, err := s.c.Publishers.Access(partner).Products(r.Context(), publisher.ReaderOf(u, partner))
	if err != nil {
		return fmt.Errorf("look up what the user may read: %w", err)
	}
	out := &CustomerProducts{Products: []CustomerProduct{}}
	for _, p := range all {
		out.Products = append(out.Products, CustomerProduct{
			PartnerID: partner, ProductID: p.Product, AccessType: string(p.Type), StartTime: millis(p.StartsAt), EndTime: millis(p.EndsAt),
		})
	}
	return s.respond(w, r, out)
}
