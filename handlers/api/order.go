package api

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// OrderRequest is an order: the body of POST v1/order and v1/client/order. payer and
// orderLines are required. Amounts have two decimals at most; those that are left
// out are the catalogue's.
type OrderRequest struct {
	// ExternalOrderID is the client's own name for the order: the same order again
	// is the same order, and another one with this name is refused.
	ExternalOrderID     string      `json:"externalOrderId"`
	OrderDate           When        `json:"orderDate,omitzero"` // milliseconds since 1970, yyyy-mm-dd or ISO 8601; default is the time of the call
	PaymentMethod       string      `json:"paymentMethod"`      // free, invoice, creditcardPayex, vippsRecurring and so on
	MerchantID          string      `json:"merchantId"`         // who gets the money; default is the publisher's own choice
	OrderAmount         json.Number `json:"orderAmount"`
	Currency            string      `json:"currency"`
	MarketingCouponCode string      `json:"marketingCouponCode"` // with marketingCouponNumber, or neither
	MarketingNumber     int64       `json:"marketingCouponNumber"`
	CompanyCode         string      `json:"companyCode"`
	CustomerReference   string      `json:"customerReference"`
	UniqueUserID        string      `json:"uniqueUserId"` // whose order it is, for calls without a user
	Seller              string      `json:"seller"`
	SalesMethod         string      `json:"salesMethod"`
	Payer               OrderPerson `json:"payer"`
	OrderLines          []OrderLine `json:"orderLines"`
	Prepaid             bool        `json:"prepaid"` // it is paid for already, as paymentInfo says
	Recurring           bool        `json:"recurring"`
	PaymentInfo         string      `json:"paymentInfo"`
	MCPayRef            string      `json:"mcPayRef"` // of a payment made with the payment script
}

// OrderPerson is who pays or receives. It needs companyName or lastName, postalCode,
// and an e-mail address or a phone number.
type OrderPerson struct {
	CustomerNumber int64    `json:"customerNumber,omitzero"`
	CompanyName    string   `json:"companyName,omitempty"`
	FirstName      string   `json:"firstName,omitempty"`
	LastName       string   `json:"lastName,omitempty"`
	Street         string   `json:"street,omitempty"`
	StreetNumber   string   `json:"streetNumber,omitempty"`
	Entrance       string   `json:"entrance,omitempty"`
	Floor          string   `json:"floor,omitempty"`
	COAddress      string   `json:"coAddress,omitempty"`
	PostalCode     string   `json:"postalCode,omitempty"`
	PostalPlace    string   `json:"postalPlace,omitempty"`
	CountryCode    string   `json:"countryCode,omitempty"`
	BirthDate      string   `json:"birthDate,omitempty"` // yyyy-mm-dd
	Emails         []string `json:"emails,omitempty"`
	PhoneNumbers   []string `json:"phoneNumbers,omitempty"`
}

// OrderLine is a line of an order. productSpecType is required.
type OrderLine struct {
	ProductSpecType    string       `json:"productSpecType"`           // coupon, product, issue or article
	ProductSpecCode    string       `json:"productSpecCode,omitempty"` // the code of the coupon, product, issue or article
	ProductSpecNo      int64        `json:"productSpecNo,omitzero"`    // the number of the coupon
	Product            string       `json:"product,omitempty"`
	Quantity           int          `json:"quantity,omitzero"` // default 1
	UnitPrice          json.Number  `json:"unitPrice,omitempty"`
	VoucherCode        string       `json:"voucherCode,omitempty"`        // pays for one
	AllowAccessProduct string       `json:"allowAccessProduct,omitempty"` // may be read at once, until the order is handled
	AllowAccessSeconds int64        `json:"allowAccessSeconds,omitzero"`  // or for so long
	StartInfo          *StartInfo   `json:"startInfo,omitempty"`
	Receiver           *OrderPerson `json:"receiver,omitempty"` // default is the payer
}

// StartInfo says when a subscription begins.
type StartInfo struct {
	StartDate When `json:"startDate,omitzero"`
}

// PlacedOrder names an order that was placed.
type PlacedOrder struct {
	XMLName xml.Name `json:"-" xml:"order"`
	OrderID int64    `json:"orderId" xml:"orderId"`
}

// placeUserOrder serves POST v1/order (ConnectID: order).
func (s *Server) placeUserOrder(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	return s.place(w, r, t, u.ID)
}

// vouchersPerMinute is how many orders with a voucher a user may send: who guesses
// codes does not get far. Clients ask about vouchers anyway, and are trusted with it.
const vouchersPerMinute = 20

// countVouchers counts an order of a user that names a voucher.
func (s *Server) countVouchers(w http.ResponseWriter, r *http.Request, userID string, in *OrderRequest) error {
	if userID == "" || !slices.ContainsFunc(in.OrderLines, func(l OrderLine) bool { return l.VoucherCode != "" }) {
		return nil
	}
	q, err := s.vouchers.Take(r.Context(), userID)
	if err != nil {
		return fmt.Errorf("count an order with a voucher: %w", err)
	}
	if !q.Allowed {
		q.Set(w.Header())
		return &Error{Status: http.StatusTooManyRequests, Type: "TooManyRequests", Message: "too many orders with vouchers: wait for the seconds in Retry-After"}
	}
	return nil
}

// placeClientOrder serves POST v1/client/order.
func (s *Server) placeClientOrder(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.place(w, r, t, "")
}

func (s *Server) place(w http.ResponseWriter, r *http.Request, t middleware.Token, userID string) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	var in OrderRequest
	if err := decodeEither(r, &in); err != nil {
		return err
	}
	content, err := in.content()
	if err != nil {
		return err
	}
	if err := s.countVouchers(w, r, userID, &in); err != nil {
		return err
	}
	body, err := json.Marshal(content) // the same for the same order in either form
	if err != nil {
		return internal(fmt.Errorf("encode an order: %w", err))
	}
	o, err := orders.Place(r.Context(), order.Placement{
		Client: t.Client, UserID: userID, Body: store.DigestOf(userID + "\x00" + string(body)), Content: content,
	})
	if err != nil {
		return orderFault(err)
	}
	return s.respond(w, r, &PlacedOrder{OrderID: o.ID})
}

// orders returns the service of orders, as far as the calling client has one: orders
// go to its publisher.
func (s *Server) orders(t middleware.Token) (*order.Service, error) {
	switch {
	case s.c.Orders == nil:
		return nil, notFound()
	case t.Client.PartnerID == "":
		return nil, &middleware.BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
			Description: "this client has no publisher, to whom orders go", DPoP: !t.DPoPKey.IsZero()}
	}
	return s.c.Orders, nil
}

// orderFault is what a caller is told of an order that is refused.
func orderFault(err error) error {
	refused, ok := errors.AsType[*order.RefusedError](err)
	switch {
	case ok && refused.Field == "":
		return &Error{Status: http.StatusBadRequest, Type: "InvalidOrder", Message: refused.Reason, Err: err}
	case ok:
		return &Error{Status: http.StatusBadRequest, Type: "InvalidOrder", Message: refused.Field + " " + refused.Reason, Err: err}
	case errors.Is(err, order.ErrNotFound):
		return noOrder.because(err)
	case errors.Is(err, order.ErrRepeated):
		return repeatedOrder.because(err)
	case errors.Is(err, order.ErrClosed):
		return closedOrder.because(err)
	}
	return err
}

func (e Error) because(err error) *Error {
	e.Err = err
	return &e
}

// content returns the order in canonical form, or what can not be read of it. What
// it may say is the business of package order.
func (in *OrderRequest) content() (order.Content, error) {
	c := order.Content{
		ExternalID: in.ExternalOrderID, OrderDate: in.OrderDate.Time, Method: order.Method(in.PaymentMethod), MerchantID: in.MerchantID,
		Currency: in.Currency, MarketingCode: in.MarketingCouponCode, MarketingNumber: in.MarketingNumber, CompanyCode: in.CompanyCode,
		CustomerReference: in.CustomerReference, UniqueUserID: in.UniqueUserID, Seller: in.Seller, SalesMethod: in.SalesMethod,
		Payer: order.Person(in.Payer), Prepaid: in.Prepaid, Recurring: in.Recurring, PaymentInfo: in.PaymentInfo, PaymentRef: in.MCPayRef,
	}
	var err error
	if c.Amount, err = minor("orderAmount", in.OrderAmount, in.Currency); err != nil {
		return c, err
	}
	for i, l := range in.OrderLines {
		line := order.Line{
			SpecType: l.ProductSpecType, SpecCode: l.ProductSpecCode, SpecNo: l.ProductSpecNo, Product: l.Product, Quantity: l.Quantity,
			VoucherCode: l.VoucherCode, AccessProduct: l.AllowAccessProduct, AccessSeconds: l.AllowAccessSeconds,
		}
		if line.UnitPrice, err = minor(fmt.Sprintf("orderLines[%d].unitPrice", i), l.UnitPrice, in.Currency); err != nil {
			return c, err
		}
		if l.StartInfo != nil {
			line.StartDate = l.StartInfo.StartDate.Time
		}
		if l.Receiver != nil {
			line.Receiver = new(order.Person(*l.Receiver))
		}
		c.Lines = append(c.Lines, line)
	}
	return c, nil
}
