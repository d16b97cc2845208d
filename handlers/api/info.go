package api

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// CustomerInfo is what the publisher knows of a customer: the answer of GET
// v1/customer/info and v1/client/customer/info/{customerNumber}.
type CustomerInfo struct {
	XMLName        xml.Name `json:"-" xml:"customer"`
	CustomerNumber int64    `json:"customerNumber" xml:"customerNumber"`
	CustomerData
	// AttachedUsers are the users who are tied to the customer.
	AttachedUsers []AttachedUser `json:"attachedUsers" xml:"attachedUsers>attachedUser"`
}

// CustomerData is what can be changed of a customer: the request of POST
// v1/customer/info. It replaces all that is known of her, but for the address,
// which is left as it is when it is not given: older clients do not know it.
type CustomerData struct {
	Name         Name          `json:"name" xml:"name"`
	PhoneNumbers []PhoneNumber `json:"phoneNumbers" xml:"phoneNumbers>phoneNumber"`
	Emails       []string      `json:"emails" xml:"emails>email"`
	// InvoiceEmailAddress is where invoices are sent, at most 60 characters.
	InvoiceEmailAddress string   `json:"invoiceEmailAddress,omitempty" xml:"invoiceEmailAddress,omitempty"`
	Address             *Address `json:"address,omitempty" xml:"address,omitempty"`
}

// Address is where the paper is delivered.
type Address struct {
	Street      string `json:"street,omitempty" xml:"street,omitempty"`
	PostalCode  string `json:"postalCode,omitempty" xml:"postalCode,omitempty"`
	PostalPlace string `json:"postalPlace,omitempty" xml:"postalPlace,omitempty"`
	CountryCode string `json:"countryCode,omitempty" xml:"countryCode,omitempty"` // ISO 3166 alpha-2
}

// AttachedUser is a user who is tied to a customer.
type AttachedUser struct {
	UniqueID string `json:"uniqueId" xml:"uniqueId"`
}

// Success is the answer of calls that change something.
type Success struct {
	XMLName xml.Name `json:"-" xml:"result"`
	Success bool     `json:"success" xml:"success"`
}

// The bounds of customer data.
const (
	maxContacts     = 20
	maxInvoiceEmail = 60
)

// info serves GET v1/customer/info.
func (s *Server) info(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	number, err := s.ownCustomer(r.Context(), t)
	if err != nil {
		return err
	}
	return s.infoOf(w, r, t.Client.PartnerID, number)
}

// clientInfo serves GET v1/client/customer/info/{customerNumber}.
func (s *Server) clientInfo(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	number, err := customerNumber(r)
	if err != nil {
		return err
	}
	return s.infoOf(w, r, t.Client.PartnerID, number)
}

// ownCustomer returns the number of the customer that the token's user is at the
// calling client's publisher.
func (s *Server) ownCustomer(ctx context.Context, t middleware.Token) (int64, error) {
	u, err := s.user(ctx, t)
	if err != nil {
		return 0, err
	}
	number := u.CustomerNumber(t.Client.PartnerID)
	if number == 0 {
		return 0, &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "the user is tied to no customer"}
	}
	return number, nil
}

// customerNumber reads the number in the path.
func customerNumber(r *http.Request) (int64, error) {
	number, err := strconv.ParseInt(r.PathValue("customerNumber"), 10, 64)
	if err != nil || number <= 0 {
		return 0, badRequest("customerNumber has to be a whole number above zero")
	}
	return number, nil
}

// customer returns the partner's customer, or a 404.
func (s *Server) customer(ctx context.Context, partner string, number int64) (publisher.CustomerInfo, error) {
	i, err := s.c.Publishers.Customers(partner).Info(ctx, partner, number)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return i, &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no such customer"}
	case err != nil:
		return i, fmt.Errorf("look up customer: %w", err)
	}
	return i, nil
}

func (s *Server) infoOf(w http.ResponseWriter, r *http.Request, partner string, number int64) error {
	i, err := s.customer(r.Context(), partner, number)
	if err != nil {
		return err
	}
	users, err := s.c.Publishers.CustomerUsers(r.Context(), partner, number)
	if err != nil {
		return err
	}
	out := &CustomerInfo{CustomerNumber: number, CustomerData: dataOf(i), AttachedUsers: []AttachedUser{}}
	for _, id := range users {
		out.AttachedUsers = append(out.AttachedUsers, AttachedUser{id})
	}
	return s.reply(w, r, out)
}

func dataOf(i publisher.CustomerInfo) CustomerData {
	d := CustomerData{
		Name:         Name{FirstName: i.FirstName, MiddleName: i.MiddleName, LastName: i.LastName, CompanyName: i.CompanyName, DepartmentName: i.Department},
		PhoneNumbers: []PhoneNumber{}, Emails: []string{}, InvoiceEmailAddress: i.InvoiceEmail,
	}
	for _, c := range i.Contacts {
		if c.Kind == store.Phone {
			d.PhoneNumbers = append(d.PhoneNumbers, PhoneNumber{c.Identity, c.Use})
		} else {
			d.Emails = append(d.Emails, c.Identity)
		}
	}
	if a := i.Address; a != nil {
		d.Address = &Address{Street: a.Street, PostalCode: a.PostalCode, PostalPlace: a.City, CountryCode: a.Country}
	}
	return d
}

// changeInfo serves POST v1/customer/info.
func (s *Server) changeInfo(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	number, err := s.ownCustomer(r.Context(), t)
	if err != nil {
		return err
	}
	var in CustomerData
	if err := decode(r, &in); err != nil {
		return err
	}
	i, err := in.info(t.Client.Region)
	if err != nil {
		return err
	}
	partner := t.Client.PartnerID
	err = s.c.Publishers.Customers(partner).Replace(r.Context(), partner, number, i)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no such customer"}
	case err != nil:
		return fmt.Errorf("replace customer: %w", err)
	}
	return s.reply(w, r, &Success{Success: true})
}

// info returns the data in canonical form, or what is wrong with it. Numbers
// without a prefix are of the region.
func (d CustomerData) info(region string) (publisher.CustomerInfo, error) {
	i := publisher.CustomerInfo{
		FirstName: d.Name.FirstName, MiddleName: d.Name.MiddleName, LastName: d.Name.LastName,
		CompanyName: d.Name.CompanyName, Department: d.Name.DepartmentName,
	}
	err := texts(maxText, map[string]*string{
		"name.firstName": &i.FirstName, "name.middleName": &i.MiddleName, "name.lastName": &i.LastName,
		"name.companyName": &i.CompanyName, "name.departmentName": &i.Department,
	})
	if err == nil {
		err = i.Check()
	}
	switch {
	case errors.Is(err, publisher.ErrNameless):
		return i, badRequest("name needs a lastName or a companyName")
	case err != nil:
		return i, err
	case len(d.PhoneNumbers)+len(d.Emails) > maxContacts:
		return i, badRequest("there are more than %d phone numbers and e-mail addresses", maxContacts)
	}
	for _, p := range d.PhoneNumbers {
		c, err := contact("phoneNumber", p.PhoneNumber, store.Phone, region)
		if err != nil {
			return i, err
		}
		if c.Use, err = text("phoneNumberType", p.PhoneNumberType, maxText); err != nil {
			return i, err
		}
		i.Contacts = append(i.Contacts, c)
	}
	for _, e := range d.Emails {
		c, err := contact("emails", e, store.Email, region)
		if err != nil {
			return i, err
		}
		i.Contacts = append(i.Contacts, c)
	}
	if d.InvoiceEmailAddress != "" {
		if len(d.InvoiceEmailAddress) > maxInvoiceEmail {
			return i, badRequest("invoiceEmailAddress is longer than %d characters", maxInvoiceEmail)
		}
		c, err := contact("invoiceEmailAddress", d.InvoiceEmailAddress, store.Email, region)
		if err != nil {
			return i, err
		}
		i.InvoiceEmail = c.Identity
	}
	if d.Address != nil {
		i.Address, err = d.Address.canonical()
	}
	return i, err
}

// contact returns an e-mail address, or a phone number as E.164.
func contact(name, raw string, kind store.CredentialKind, region string) (publisher.Contact, error) {
	c, err := account.ParseCredential(raw, region)
	if err != nil || c.Kind != kind {
		what := "an e-mail address"
		if kind == store.Phone {
			what = "a phone number"
		}
		return publisher.Contact{}, badRequest("%s has to be %s", name, what)
	}
	return publisher.Contact{Kind: c.Kind, Identity: c.Identity}, nil
}

func (a Address) canonical() (*publisher.Address, error) {
	if err := texts(maxText, map[string]*string{"address.street": &a.Street, "address.postalCode": &a.PostalCode, "address.postalPlace": &a.PostalPlace}); err != nil {
		return nil, err
	}
	if a.CountryCode != "" && !publisher.IsCountry(a.CountryCode) {
		return nil, badRequest("address.countryCode has to be a country of ISO 3166, alpha-2")
	}
	return &publisher.Address{Street: a.Street, PostalCode: a.PostalCode, City: a.PostalPlace, Country: a.CountryCode}, nil
}
