package api

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Subscriptions is what a customer subscribes to: the answer of GET
// v1/subscription and v1/client/subscription/{customerNumber}.
type Subscriptions struct {
	XMLName       xml.Name       `json:"-" xml:"subscriptions"`
	Subscriptions []Subscription `json:"subscriptions" xml:"subscription"`
}

// Subscription is one subscription. Times are milliseconds since 1970; what is
// not known is left out.
type Subscription struct {
	Product      string        `json:"product" xml:"product"`
	Name         string        `json:"name,omitempty" xml:"name,omitempty"`
	Stopped      bool          `json:"stopped" xml:"stopped"`
	StartTime    int64         `json:"startTime,omitzero" xml:"startTime,omitempty"`
	EndTime      int64         `json:"endTime,omitzero" xml:"endTime,omitempty"`
	Paid         bool          `json:"paid" xml:"paid"`
	PriceDetails []PriceDetail `json:"priceDetails" xml:"priceDetails>priceDetail"`
	// Sharable says that the customer may share it, and ShareType with whom:
	// USERS, NETS (whoever comes from some addresses or domains) or B2B.
	Sharable          bool   `json:"sharable" xml:"sharable"`
	ShareType         string `json:"shareType,omitempty" xml:"shareType,omitempty"`
	DistributionLevel string `json:"distributionLevel,omitempty" xml:"distributionLevel,omitempty"`
}

// PriceDetail is what a period of a subscription costs.
type PriceDetail struct {
	Price    json.Number `json:"price" xml:"price"` // with two decimals at most
	Currency string      `json:"currency" xml:"currency"`
}

// subscriptions serves GET v1/subscription. A user who is tied to no customer of
// the calling client's publisher has none.
func (s *Server) subscriptions(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	partner := t.Client.PartnerID
	return s.subscriptionsOf(w, r, partner, u.CustomerNumber(partner))
}

// clientSubscriptions serves GET v1/client/subscription/{customerNumber}.
func (s *Server) clientSubscriptions(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	number, err := customerNumber(r)
	if err != nil {
		return err
	}
	partner := t.Client.PartnerID
	// Whom the system does not know has no subscriptions, and is unknown all the same.
	if _, err := s.customer(r.Context(), partner, number); err != nil {
		return err
	}
	return s.subscriptionsOf(w, r, partner, number)
}

// subscriptionsOf answers with what the customer subscribes to; 0 is no customer.
func (s *Server) subscriptionsOf(w http.ResponseWriter, r *http.Request, partner string, number int64) error {
	out := &Subscriptions{Subscriptions: []Subscription{}}
	if number != 0 {
		all, err := s.c.Publishers.Customers(partner).Subscriptions(r.Context(), partner, number)
		if err != nil {
			return fmt.Errorf("look up subscriptions: %w", err)
		}
		for _, sub := range all {
			out.Subscriptions = append(out.Subscriptions, subscriptionOf(sub))
		}
	}
	return s.respond(w, r, out)
}

func subscriptionOf(s store.Subscription) Subscription {
	out := Subscription{
		Product: s.Product, Name: s.Name, Stopped: s.Stopped, Paid: s.Paid,
		StartTime: millis(s.StartsAt), EndTime: millis(s.EndsAt), PriceDetails: []PriceDetail{},
		Sharable: s.Sharable, ShareType: string(s.ShareType), DistributionLevel: s.DistributionLevel,
	}
	if s.Currency != "" {
		out.PriceDetails = append(out.PriceDetails, PriceDetail{money(s.Price, s.Currency), s.Currency})
	}
	return out
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
