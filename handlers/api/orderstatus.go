package api

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Orders are orders with how far they have come, the latest first.
type Orders struct {
	XMLName xml.Name      `json:"-" xml:"orders"`
	Orders  []OrderStatus `json:"orders" xml:"order"`
}

// OrderStatus is how far an order has come.
type OrderStatus struct {
	OrderID         int64  `json:"orderId" xml:"orderId"`
	ExternalOrderID string `json:"externalOrderId,omitempty" xml:"externalOrderId,omitempty"`
	OrderTime       int64  `json:"orderTime" xml:"orderTime"` // in milliseconds since 1970
	// OrderStatus is preliminary (to be paid for), awaitingPayment (its payment has
	// begun), paid, cancelled, failed or handedOver.
	OrderStatus    string      `json:"orderStatus" xml:"orderStatus"`
	OrderAmount    json.Number `json:"orderAmount" xml:"orderAmount"`
	Currency       string      `json:"currency,omitempty" xml:"currency,omitempty"`
	PaymentMethod  string      `json:"paymentMethod,omitempty" xml:"paymentMethod,omitempty"`
	CustomerNumber int64       `json:"customerNumber,omitzero" xml:"customerNumber,omitempty"`
	// OrderLines are given where one order was asked for, and in the history.
	OrderLines []OrderedLine `json:"orderLines,omitempty" xml:"orderLines>orderLine,omitempty"`
}

// OrderedLine is a line of an order that was placed.
type OrderedLine struct {
	ProductSpecType string      `json:"productSpecType" xml:"productSpecType"`
	ProductSpecCode string      `json:"productSpecCode,omitempty" xml:"productSpecCode,omitempty"`
	ProductSpecNo   int64       `json:"productSpecNo,omitzero" xml:"productSpecNo,omitempty"`
	Product         string      `json:"product,omitempty" xml:"product,omitempty"`
	Description     string      `json:"description,omitempty" xml:"description,omitempty"` // what readers call it
	Quantity        int         `json:"quantity" xml:"quantity"`
	UnitPrice       json.Number `json:"unitPrice" xml:"unitPrice"` // with tax, less a voucher
}

// OrderStatusRequest names an order: the body of POST v1/order/status. One of the
// two is required; of both, both have to be its own.
type OrderStatusRequest struct {
	OrderID         int64  `json:"orderId"`
	ExternalOrderID string `json:"externalOrderId"`
}

// orderStatuses serves GET v1/order/status: the user's orders at the publisher of
// the calling client.
func (s *Server) orderStatuses(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.userOrders(w, r, t, false, func(order.Order) bool { return true })
}

// orderHistory serves GET v1/customer/order/product/history: what the user has
// bought.
func (s *Server) orderHistory(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.userOrders(w, r, t, true, func(o order.Order) bool {
		return o.Status == store.OrderPaid || o.Status == store.OrderHandedOver
	})
}

func (s *Server) userOrders(w http.ResponseWriter, r *http.Request, t middleware.Token, lines bool, wanted func(order.Order) bool) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	all, err := orders.Orders(r.Context(), t.Client.PartnerID, u.ID)
	if err != nil {
		return err
	}
	out := &Orders{Orders: []OrderStatus{}}
	for _, o := range all {
		if wanted(o) {
			out.Orders = append(out.Orders, statusOf(o, lines))
		}
	}
	return s.respond(w, r, out)
}

// findOrder serves POST v1/order/status.
func (s *Server) findOrder(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	var in OrderStatusRequest
	if err := decodeEither(r, &in); err != nil {
		return err
	}
	var o order.Order
	switch {
	case in.OrderID < 0:
		return &badOrderID
	case in.OrderID == 0 && in.ExternalOrderID == "":
		return badRequest("orderId or externalOrderId is required")
	case in.OrderID != 0:
		o, err = orders.Order(r.Context(), t.Client, u.ID, in.OrderID)
		if err == nil && in.ExternalOrderID != "" && o.ExternalID != in.ExternalOrderID {
			err = order.ErrNotFound
		}
	default:
		o, err = orders.OrderByExternalID(r.Context(), t.Client, u.ID, in.ExternalOrderID)
	}
	if err != nil {
		return orderFault(err)
	}
	return s.respond(w, r, &Orders{Orders: []OrderStatus{statusOf(o, true)}})
}

// clientOrderStatus serves GET v1/client/order/status/{orderId}.
func (s *Server) clientOrderStatus(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	id, err := orderID(r)
	if err != nil {
		return err
	}
	o, err := orders.Order(r.Context(), t.Client, "", id)
	if err != nil {
		return orderFault(err)
	}
	return s.respond(w, r, &Orders{Orders: []OrderStatus{statusOf(o, true)}})
}

// orderID reads the number in the path.
func orderID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("orderId"), 10, 64)
	if err != nil || id <= 0 {
		return 0, &badOrderID
	}
	return id, nil
}

func statusOf(o order.Order, lines bool) OrderStatus {
	out := OrderStatus{
		OrderID: o.ID, ExternalOrderID: o.ExternalID, OrderTime: millis(o.OrderedAt), OrderStatus: string(o.Status),
		OrderAmount: money(o.Amount, o.Currency), Currency: o.Currency, PaymentMethod: o.Method, CustomerNumber: o.CustomerNumber,
	}
	if !lines {
		return out
	}
	for _, l := range o.Content.Lines {
		out.OrderLines = append(out.OrderLines, OrderedLine{
			ProductSpecType: l.SpecType, ProductSpecCode: l.SpecCode, ProductSpecNo: l.SpecNo, Product: l.Product,
			Description: l.Name, Quantity: max(l.Quantity, 1), UnitPrice: money(l.Price, o.Currency),
		})
	}
	return out
}
