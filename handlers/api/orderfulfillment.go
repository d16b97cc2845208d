package api

import (
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/middleware"
)

// FulfillmentRequest names an order to be brought to its end: the body of POST
// v1/client/order/fulfillment. orderId is required.
type FulfillmentRequest struct {
	OrderID int64 `json:"orderId"`
	// CallbackURL is fetched with fulfillmentStatus=success or failed. It has to be
	// an address of the calling client, and a public one.
	CallbackURL string `json:"callbackUrl"`
}

// Fulfillment says what has become of it.
type Fulfillment struct {
	XMLName xml.Name `json:"-" xml:"fulfillment"`
	// FulfillmentStatus is OK, ERROR, or PENDING as long as nobody can know: then
	// callbackUrl is told, or the call is made again.
	FulfillmentStatus string `json:"fulfillmentStatus" xml:"fulfillmentStatus"`
	OrderID           int64  `json:"orderId" xml:"orderId"`
	ErrorMessage      string `json:"errorMessage,omitempty" xml:"errorMessage,omitempty"`
}

// fulfill serves POST v1/client/order/fulfillment.
func (s *Server) fulfill(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	var in FulfillmentRequest
	if err := decodeEither(r, &in); err != nil {
		return err
	}
	if in.OrderID <= 0 {
		return &badOrderID
	}
	o, outcome, reason, err := orders.Complete(r.Context(), t.Client, in.OrderID, in.CallbackURL)
	if refused, ok := errors.AsType[*order.RefusedError](err); ok {
		return badRequest("%s %s", refused.Field, refused.Reason)
	}
	if err != nil {
		return orderFault(err)
	}
	out := &Fulfillment{FulfillmentStatus: "ERROR", OrderID: o.ID, ErrorMessage: reason}
	switch outcome {
	case order.Success:
		out.FulfillmentStatus, out.ErrorMessage = "OK", ""
	case order.Waiting:
		out.FulfillmentStatus = "PENDING"
	}
	return s.respond(w, r, out)
}
