package store

import (
	"context"
	"iter"
	"time"
)

// Contact is an e-mail address or mobile number by which a publisher's system
// knows a person, in the canonical form of [Credential].
type Contact struct {
	Kind     CredentialKind
	Identity string
	// Use says what a number is for, in the publisher's words, such as mobile or
	// company. It does not count when contacts are compared.
	Use string
}

// Customer is a person or a company in the customer system of a publisher.
type Customer struct {
	PartnerID string
	Number    int64 // the customer number, positive; unique at the partner
	// Key makes the creation of a customer repeatable; see
	// [Customers.CreateCustomer]. Empty for customers that came otherwise.
	Key         string
	FirstName   string
	MiddleName  string
	LastName    string
	CompanyName string
	Department  string // of the company
	Street      string
	PostalCode  string
	City        string
	Country     string    // ISO 3166 alpha-2
	Contacts    []Contact // a household may share one with another customer
	// InvoiceEmail is where invoices are sent; empty for paper.
	InvoiceEmail string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Customers keeps the customers of publishers that have no system of their own.
type Customers interface {
	// PutCustomer inserts the customer or replaces the partner's one with that
	// Number. ErrConflict when another customer of the partner has c.Key.
	PutCustomer(ctx context.Context, c Customer) error
	// CreateCustomer inserts the customer under the partner's next number and
	// returns it, in one step. If the partner has a customer with c.Key already,
	// that one is returned as it is: of many concurrent callers with one Key all
	// get the same customer. The next number is one more than the highest that
	// any customer of the partner ever had, and at least [FirstCustomer]. A
	// customer without a Key is refused with an error; c.Number counts for nothing.
	CreateCustomer(ctx context.Context, c Customer) (Customer, error)
	// ReplaceCustomer replaces the partner's customer with that Number in one
	// step, or returns ErrNotFound. Key and CreatedAt stay as they are.
	ReplaceCustomer(ctx context.Context, c Customer) error
	// Customer returns the partner's customer with the number, or ErrNotFound.
	Customer(ctx context.Context, partnerID string, number int64) (Customer, error)
	// CustomersByContact lists the partner's customers that have a contact of that
	// Kind and Identity, by an indexed look-up, ordered by Number.
	CustomersByContact(ctx context.Context, partnerID string, c Contact) iter.Seq2[Customer, error]
	// DeleteCustomer removes the customer; no error when there is none.
	DeleteCustomer(ctx context.Context, partnerID string, number int64) error
}

// FirstCustomer is the number of the first customer that is created at a partner.
const FirstCustomer = 100001
