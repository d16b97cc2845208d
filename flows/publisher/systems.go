package publisher

import (
	"errors"
	"fmt"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// Store is what the store-backed systems need of a backend.
type Store interface {
	store.Users
	store.DirectoryLinks
	store.Customers
	store.Subscriptions
	store.Memberships
	store.Products
	store.Coupons
	store.Vouchers
	store.Articles
	store.Accesses
	store.Organisations
}

// Config says whose systems are used. Partners that are not named in a map have
// their records in Store.
type Config struct {
	Store       Store                  // required
	Customers   map[string]Customers   // by partner
	Memberships map[string]Memberships // by partner
	Catalogues  map[string]Catalogue   // by partner
	Accesses    map[string]Access      // by partner
}

// Systems knows the systems of all partners. It is safe for concurrent use.
type Systems struct {
	store       Store
	customers   map[string]Customers
	memberships map[string]Memberships
	catalogues  map[string]Catalogue
	accesses    map[string]Access

	ownCustomers   Customers
	ownMemberships Memberships
	ownCatalogue   Catalogue
	ownAccess      Access
}

// New returns the systems, or an error that names all that is wrong with c.
func New(c Config) (*Systems, error) {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("missing Store"))
	}
	errs = append(errs, named("Customers", c.Customers), named("Memberships", c.Memberships),
		named("Catalogues", c.Catalogues), named("Accesses", c.Accesses))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("publisher: %w", err)
	}
	s := &Systems{
		store: c.Store, customers: c.Customers, memberships: c.Memberships, catalogues: c.Catalogues, accesses: c.Accesses,
		ownCustomers: NewStoreCustomers(c.Store), ownMemberships: NewStoreMemberships(c.Store),
	}
	s.ownCatalogue = NewStoreCatalogue(c.Store, s.Customers)
	s.ownAccess = NewStoreAccess(c.Store, s.Customers)
	return s, nil
}

func named[S any](field string, systems map[string]S) error {
	var errs []error
	for partner, s := range systems {
		if partner == "" || any(s) == nil {
			errs = append(errs, fmt.Errorf("bad %s[%q]: want a partner and its system", field, partner))
		}
	}
	return errors.Join(errs...)
}

// Customers returns the customer system of the partner.
func (s *Systems) Customers(partnerID string) Customers {
	return of(s.customers, partnerID, s.ownCustomers)
}

// Memberships returns the membership system of the partner.
func (s *Systems) Memberships(partnerID string) Memberships {
	return of(s.memberships, partnerID, s.ownMemberships)
}

// Catalogue returns the catalogue of the partner.
func (s *Systems) Catalogue(partnerID string) Catalogue {
	return of(s.catalogues, partnerID, s.ownCatalogue)
}

// Access returns who decides what readers of the partner may read.
func (s *Systems) Access(partnerID string) Access {
	return of(s.accesses, partnerID, s.ownAccess)
}

func of[S any](systems map[string]S, partnerID string, own S) S {
	if system, ok := systems[partnerID]; ok {
		return system
	}
	return own
}

// joined joins what there is of the parts by spaces.
func joined(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}
