package httpjson

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/publisher"
)

type subscriptionAnswer struct {
	ID        string `json:"id"`
	Product   string `json:"product"`
	Name      string `json:"name"`
	StartTime int64  `json:"startTime"`
	EndTime   int64  `json:"endTime"`
	Stopped   bool   `json:"stopped"`
	Paid      bool   `json:"paid"`
	Price     int64  `json:"price"`
	Currency  string `json:"currency"`

	Sharable          bool   `json:"sharable"`
	ShareType         string `json:"shareType"`
	DistributionLevel string `json:"distributionLevel"`
}

// Subscriptions implements [publisher.Customers].
func (c *Client) Subscriptions(ctx context.Context, partnerID string, number int64) ([]publisher.Subscription, error) {
	in := struct {
		PartnerID string `json:"partnerId"`
		Number    string `json:"number"`
	}{partnerID, fmt.Sprint(number)}
	var out struct {
		Subscriptions []subscriptionAnswer `json:"subscriptions"`
	}
	err := c.call(ctx, "customers/subscriptions", in, &out)
	if errors.Is(err, publisher.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(out.Subscriptions) > maxEntries {
		return nil, fmt.Errorf("httpjson: %d subscriptions of one customer", len(out.Subscriptions))
	}
	all := make([]publisher.Subscription, 0, len(out.Subscriptions))
	for _, s := range out.Subscriptions {
		if err := s.check(); err != nil {
			return nil, err
		}
		all = append(all, publisher.Subscription{
			ID: s.ID, PartnerID: partnerID, CustomerNumber: number, Product: s.Product, Name: s.Name,
			StartsAt: at(s.StartTime), EndsAt: at(s.EndTime), Stopped: s.Stopped, Paid: s.Paid, Price: s.Price, Currency: s.Currency,
			Sharable: s.Sharable, ShareType: publisher.ShareType(s.ShareType), DistributionLevel: s.DistributionLevel,
		})
	}
	return all, nil
}

// check refuses a subscription that could not be shown or exported, or that might
// open what it does not.
func (s subscriptionAnswer) check() error {
	switch {
	case !slices.Contains([]string{"", "USERS", "NETS", "B2B"}, s.ShareType):
		return errors.New("httpjson: a subscription with a share of no known type")
	case s.Product == "":
		return errors.New("httpjson: a subscription to no product")
	case s.Price < 0 || s.Currency != "" && !publisher.IsCurrency(s.Currency):
		return errors.New("httpjson: a subscription with a price below zero or in no currency")
	case !hasYear(s.StartTime) || !hasYear(s.EndTime):
		return errors.New("httpjson: a subscription with a time in no year that can be written")
	}
	return plain(s.ID, s.Product, s.Name, s.DistributionLevel)
}

// hasYear reports whether the year of a time has at most four digits, as RFC 3339
// needs it: the export of an account would fail of one that has not.
func hasYear(ms int64) bool {
	year := time.UnixMilli(ms).UTC().Year()
	return year >= 1 && year <= 9999
}

// Info is a customer's data. An answer without an address has none; a call
// without one leaves it as it is.
type Info struct {
	FirstName    string    `json:"firstName,omitempty"`
	MiddleName   string    `json:"middleName,omitempty"`
	LastName     string    `json:"lastName,omitempty"`
	CompanyName  string    `json:"companyName,omitempty"`
	Department   string    `json:"departmentName,omitempty"`
	Contacts     []contact `json:"contacts"`
	InvoiceEmail string    `json:"invoiceEmail,omitempty"`
	Address      *Address  `json:"address,omitempty"`
}

// Address is a postal address.
type Address struct {
	Street     string `json:"street"`
	PostalCode string `json:"postalCode"`
	City       string `json:"city"`
	Country    string `json:"country"`
}

type infoCall struct {
	PartnerID string `json:"partnerId"`
	Number    string `json:"number"`
	Info      *Info  `json:"info,omitempty"`
}

// Info implements [publisher.Customers].
func (c *Client) Info(ctx context.Context, partnerID string, number int64) (publisher.CustomerInfo, error) {
	var out struct {
		Info *Info `json:"info"`
	}
	if err := c.call(ctx, "customers/info", infoCall{PartnerID: partnerID, Number: fmt.Sprint(number)}, &out); err != nil {
		return publisher.CustomerInfo{}, err
	}
	if out.Info == nil {
		return publisher.CustomerInfo{}, errors.New("httpjson: the answer has no customer")
	}
	in := *out.Info
	i := publisher.CustomerInfo{
		FirstName: in.FirstName, MiddleName: in.MiddleName, LastName: in.LastName, CompanyName: in.CompanyName, Department: in.Department, InvoiceEmail: in.InvoiceEmail,
	}
	texts := []string{in.FirstName, in.MiddleName, in.LastName, in.CompanyName, in.Department, in.InvoiceEmail}
	if len(in.Contacts) > maxPersons {
		return publisher.CustomerInfo{}, fmt.Errorf("httpjson: %d contacts of one customer", len(in.Contacts))
	}
	for _, o := range in.Contacts {
		kind := publisher.CredentialKind(o.CredentialType)
		if o.Credential == "" || kind != publisher.Email && kind != publisher.Phone {
			return publisher.CustomerInfo{}, errors.New("httpjson: a contact of no known type")
		}
		texts = append(texts, o.Credential, o.Use)
		i.Contacts = append(i.Contacts, publisher.Contact{Kind: kind, Identity: o.Credential, Use: o.Use})
	}
	if a := in.Address; a != nil {
		texts = append(texts, a.Street, a.PostalCode, a.City, a.Country)
		i.Address = &publisher.Address{Street: a.Street, PostalCode: a.PostalCode, City: a.City, Country: a.Country}
	}
	return i, plain(texts...)
}

// Replace implements [publisher.Customers].
func (c *Client) Replace(ctx context.Context, partnerID string, number int64, i publisher.CustomerInfo) error {
	in := Info{
		FirstName: i.FirstName, MiddleName: i.MiddleName, LastName: i.LastName, CompanyName: i.CompanyName, Department: i.Department,
		Contacts: []contact{}, InvoiceEmail: i.InvoiceEmail,
	}
	for _, o := range i.Contacts {
		in.Contacts = append(in.Contacts, contact{string(o.Kind), o.Identity, o.Use})
	}
	if a := i.Address; a != nil {
		in.Address = &Address{a.Street, a.PostalCode, a.City, a.Country}
	}
	return c.call(ctx, "customers/replace", infoCall{partnerID, fmt.Sprint(number), &in}, nil)
}

// plain refuses what can not be shown: what a system says is outside input.
func plain(texts ...string) error {
	for _, s := range texts {
		if utf8.RuneCountInString(s) > 1000 || strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("httpjson: a field that is too long or has a control character")
		}
	}
	return nil
}

// at is a time in milliseconds since 1970; zero for none.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// millis is the opposite of at.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
