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

// Subscriptions is what the user subscribes to: the answer of GET
// v1/subscription.
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
	out := &Subscriptions{Subscriptions: []Subscription{}}
	partner := t.Client.PartnerID
	if number := u.CustomerNumber(partner); number != 0 {
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
	}
	if s.Currency != "" {
		out.PriceDetails = append(out.PriceDetails, PriceDetail{decimal(s.Price), s.Currency})
	}
	return out
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// decimal writes an amount in minor units as a number with at most two decimals.
func decimal(minor int64) json.Number {
	whole, cents := minor/100, minor%100
	switch {
	case cents == 0:
		return json.Number(fmt.Sprint(whole))
	case cents%10 == 0:
		return json.Number(fmt.Sprintf("%d.%d", whole, cents/10))
	}
	return json.Number(fmt.Sprintf("%d.%02d", whole, cents))
}
