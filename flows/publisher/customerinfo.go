package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CustomerInfo is what a customer system knows of a customer.
type CustomerInfo struct {
	FirstName   string
	MiddleName  string
	LastName    string
	CompanyName string
	Department  string
	// Contacts are her e-mail addresses and numbers, in canonical form.
	Contacts []Contact
	// InvoiceEmail is where invoices are sent; empty for paper.
	InvoiceEmail string
	// Address is where the paper is delivered; nil if it is not known, or not to
	// be changed.
	Address *Address
}

// Address is a postal address.
type Address struct {
	Street     string
	PostalCode string
	City       string
	Country    string // ISO 3166 alpha-2; empty if it is not known
}

// ErrNameless says that a customer has neither a last name nor a company's.
var ErrNameless = errors.New("publisher: a customer needs a last name or a company name")

// Check returns what keeps i from being a customer's data: [ErrNameless].
func (i CustomerInfo) Check() error {
	if joined(i.LastName) == "" && joined(i.CompanyName) == "" {
		return ErrNameless
	}
	return nil
}

// Info implements [Customers].
func (s *StoreCustomers) Info(ctx context.Context, partnerID string, number int64) (CustomerInfo, error) {
	c, err := s.store.Customer(ctx, partnerID, number)
	if err != nil {
		return CustomerInfo{}, notFound(err)
	}
	i := CustomerInfo{
		FirstName: c.FirstName, MiddleName: c.MiddleName, LastName: c.LastName, CompanyName: c.CompanyName, Department: c.Department,
		Contacts: c.Contacts, InvoiceEmail: c.InvoiceEmail,
	}
	if a := (Address{c.Street, c.PostalCode, c.City, c.Country}); a != (Address{}) {
		i.Address = &a
	}
	return i, nil
}

// Replace implements [Customers].
func (s *StoreCustomers) Replace(ctx context.Context, partnerID string, number int64, i CustomerInfo) error {
	if err := i.Check(); err != nil {
		return err
	}
	c, err := s.store.Customer(ctx, partnerID, number)
	if err != nil {
		return notFound(err)
	}
	c.FirstName, c.MiddleName, c.LastName, c.CompanyName, c.Department = i.FirstName, i.MiddleName, i.LastName, i.CompanyName, i.Department
	c.Contacts, c.InvoiceEmail = i.Contacts, i.InvoiceEmail
	if i.Address != nil {
		c.Street, c.PostalCode, c.City, c.Country = i.Address.Street, i.Address.PostalCode, i.Address.City, i.Address.Country
	}
	c.UpdatedAt = time.Now().UTC().Truncate(time.Millisecond)
	if err := s.store.ReplaceCustomer(ctx, c); err != nil {
		return fmt.Errorf("replace customer: %w", notFound(err))
	}
	return nil
}
