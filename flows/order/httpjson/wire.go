package httpjson

import (
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// Call is an order that is handed over.
type Call struct {
	OrderID        int64     `json:"orderId"`
	PartnerID      string    `json:"partnerId"`
	ClientID       string    `json:"clientId"`
	UniqueUserID   string    `json:"uniqueUserId,omitempty"`
	Contacts       []Contact `json:"contacts,omitempty"` // that the user has proved to own
	CustomerNumber int64     `json:"customerNumber,omitempty"`
	Amount         int64     `json:"amount"` // all that was to be paid
	Currency       string    `json:"currency,omitempty"`
	OrderTime      int64     `json:"orderTime"`
	PaidTime       int64     `json:"paidTime,omitempty"`
	PaymentRef     string    `json:"mcPayRef,omitempty"`
	Order          Order     `json:"order"`
}

// Contact is an e-mail address (A) or a phone number (B).
type Contact struct {
	Type  string `json:"credentialType"`
	Value string `json:"credential"`
}

// Order is what was ordered.
type Order struct {
	ExternalOrderID       string       `json:"externalOrderId,omitempty"`
	PaymentMethod         string       `json:"paymentMethod,omitempty"`
	MerchantID            string       `json:"merchantId,omitempty"`
	MarketingCouponCode   string       `json:"marketingCouponCode,omitempty"`
	MarketingCouponNumber int64        `json:"marketingCouponNumber,omitempty"`
	CompanyCode           string       `json:"companyCode,omitempty"`
	CustomerReference     string       `json:"customerReference,omitempty"`
	Seller                string       `json:"seller,omitempty"`
	SalesMethod           string       `json:"salesMethod,omitempty"`
	Payer                 order.Person `json:"payer"`
	OrderLines            []Line       `json:"orderLines"`
	Prepaid               bool         `json:"prepaid,omitempty"`
	Recurring             bool         `json:"recurring,omitempty"`
	PaymentInfo           string       `json:"paymentInfo,omitempty"`
}

// Line is a line of an order.
type Line struct {
	ProductSpecType string        `json:"productSpecType"` // coupon, product, issue or article
	ProductSpecCode string        `json:"productSpecCode"`
	ProductSpecNo   int64         `json:"productSpecNo,omitempty"`
	Product         string        `json:"product,omitempty"`
	Description     string        `json:"description,omitempty"`
	Quantity        int           `json:"quantity"`
	UnitPrice       int64         `json:"unitPrice"`            // with VAT and delivery, after a voucher
	VATAmount       int64         `json:"vatAmount,omitempty"`  // in UnitPrice
	VATPercent      int           `json:"vatPercent,omitempty"` // in hundredths
	VoucherCode     string        `json:"voucherCode,omitempty"`
	StartTime       int64         `json:"startTime,omitempty"` // startInfo.startDate
	PeriodLength    int           `json:"periodLength,omitempty"`
	PeriodType      string        `json:"periodType,omitempty"` // days, weeks, months or years
	Renewal         *Renewal      `json:"renewal,omitempty"`
	ExtraProducts   []string      `json:"extraProducts,omitempty"`
	Receiver        *order.Person `json:"receiver,omitempty"` // the payer if there is none
}

// Renewal is what a subscription costs after its first period.
type Renewal struct {
	Price        int64  `json:"price"`
	PeriodLength int    `json:"periodLength"`
	PeriodType   string `json:"periodType"`
}

func callOf(h order.HandOver) Call {
	c := h.Content
	call := Call{
		OrderID: h.OrderID, PartnerID: h.PartnerID, ClientID: h.ClientID, UniqueUserID: h.UserID, CustomerNumber: h.CustomerNumber,
		Amount: h.Amount, Currency: h.Currency, OrderTime: millis(h.OrderedAt), PaidTime: millis(h.PaidAt), PaymentRef: h.PaymentRef,
		Order: Order{
			ExternalOrderID: c.ExternalID, PaymentMethod: string(c.Method), MerchantID: c.MerchantID,
			MarketingCouponCode: c.MarketingCode, MarketingCouponNumber: c.MarketingNumber, CompanyCode: c.CompanyCode,
			CustomerReference: c.CustomerReference, Seller: c.Seller, SalesMethod: c.SalesMethod, Payer: c.Payer, OrderLines: []Line{},
			Prepaid: c.Prepaid, Recurring: c.Recurring, PaymentInfo: c.PaymentInfo,
		},
	}
	for _, o := range h.Contacts {
		call.Contacts = append(call.Contacts, Contact{string(o.Kind), o.Identity})
	}
	for _, l := range c.Lines {
		line := Line{
			ProductSpecType: l.SpecType, ProductSpecCode: l.SpecCode, ProductSpecNo: l.SpecNo, Product: l.Product, Description: l.Name,
			Quantity: l.Quantity, UnitPrice: l.Price, VATAmount: l.VATAmount, VATPercent: l.VATPercent, VoucherCode: l.VoucherCode,
			StartTime: millis(l.StartDate), PeriodLength: l.Period.Length, PeriodType: string(l.Period.Unit),
			ExtraProducts: l.ExtraProducts, Receiver: l.Receiver,
		}
		if r := l.Renewal; r.Period.Length > 0 {
			line.Renewal = &Renewal{r.Price, r.Period.Length, string(r.Period.Unit)}
		}
		call.Order.OrderLines = append(call.Order.OrderLines, line)
	}
	return call
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
