package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// Identity says who reads, in as many ways as a caller knows; all of them have
// to mean one person.
type Identity struct {
	PartnerID      string
	ClientID       string
	UserID         string
	Contact        Contact
	CustomerNumber int64
}

// Reader returns who the identity means, and false when it means nobody, or more
// than one person. user is who is logged in, and nil when nobody is: then
// customers can be meant, too, by a contact of theirs, unless its owner has tied
// herself to one or another user has tied herself to them, or by their number.
//
// A contact that means nobody, or a blocked user, is a reader without a right of
// her own, so that no publisher learns of the users of another.
func (s *Systems) Reader(ctx context.Context, i Identity, user *store.User) (Reader, bool, error) {
	nobody := Reader{PartnerID: i.PartnerID}
	byContact := user == nil && i.UserID == "" && i.Contact.Identity != ""
	if i.UserID != "" {
		u, err := store.ResolveUser(ctx, s.store, i.UserID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nobody, false, nil
		case err != nil:
			return nobody, false, fmt.Errorf("look up user: %w", err)
		case user != nil && user.ID != u.ID:
			return nobody, false, nil
		}
		user = &u
	}
	var customers []int64
	if i.Contact.Identity != "" {
		u, err := s.store.UserByCredential(ctx, i.Contact.Kind, i.Contact.Identity)
		switch {
		case err == nil && proved(u, i.Contact):
			if user != nil && user.ID != u.ID {
				return nobody, false, nil
			}
			user = &u
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nobody, false, fmt.Errorf("look up user: %w", err)
		case user != nil:
			return nobody, false, nil
		}
		if byContact && (user == nil || user.CustomerNumber(i.PartnerID) == 0) {
			if customers, err = s.customersAt(ctx, i, user); err != nil {
				return nobody, false, err
			}
		}
	}
	r := nobody
	switch {
	case user == nil:
	case !user.Blocked:
		r = ReaderOf(*user, i.PartnerID)
	case byContact:
		customers = nil
	default:
		return nobody, false, nil
	}
	r.Customers = append(r.Customers, customers...)
	if n := i.CustomerNumber; n != 0 {
		known := user != nil || i.Contact.Identity != ""
		if known && !slices.Contains(r.Customers, n) {
			return nobody, false, nil
		}
		r.Customers = []int64{n}
	}
	return r, true, nil
}

// ReaderOf returns the user as a reader of the partner's.
func ReaderOf(u store.User, partnerID string) Reader {
	r := Reader{PartnerID: partnerID, UserID: u.ID}
	if n := u.CustomerNumber(partnerID); n != 0 {
		r.Customers = []int64{n}
	}
	for _, c := range u.Credentials {
		_, domain, ok := strings.Cut(c.Identity, "@")
		if ok && c.Kind == store.Email && !c.VerifiedAt.IsZero() && !slices.Contains(r.Domains, domain) {
			r.Domains = append(r.Domains, domain)
		}
	}
	return r
}

// proved reports whether the user has proved to own the contact. What anybody
// could have written into an account says nothing about a reader.
func proved(u store.User, at Contact) bool {
	return slices.ContainsFunc(u.Credentials, func(c store.Credential) bool {
		return c.Kind == at.Kind && c.Identity == at.Identity && !c.VerifiedAt.IsZero()
	})
}

// customersAt returns the partner's customers who can be reached at the contact.
// Those that are tied to another user than its owner, nil if it is nobody's, are
// left out: customers write their contacts themselves, and would so give away what
// they may read.
func (s *Systems) customersAt(ctx context.Context, i Identity, owner *store.User) ([]int64, error) {
	all, err := s.Customers(i.PartnerID).ByCredential(ctx, CredentialSearch{PartnerID: i.PartnerID, ClientID: i.ClientID, Contact: i.Contact})
	if err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	var numbers []int64
	for _, p := range all {
		n, err := strconv.ParseInt(p.Number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("customer number: %w", err)
		}
		if owner != nil {
			users, err := s.CustomerUsers(ctx, i.PartnerID, n)
			if err != nil {
				return nil, err
			}
			if len(users) > 0 && !slices.Contains(users, owner.ID) {
				continue
			}
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// Check asks the partner's [Access] about the question, after filling in the
// companies that the reader works for if that is asked.
func (s *Systems) Check(ctx context.Context, q Question) (Verdict, error) {
	if q.ByDirectory && q.Reader.UserID != "" {
		for l, err := range s.store.DirectoryLinks(ctx, q.Reader.UserID) {
			if err != nil {
				return Verdict{}, fmt.Errorf("list directory links: %w", err)
			}
			q.Reader.Tenants = append(q.Reader.Tenants, l.Tenant)
		}
	}
	v, err := s.Access(q.Reader.PartnerID).Check(ctx, q)
	if err != nil {
		return Verdict{}, fmt.Errorf("check access: %w", err)
	}
	return v, nil
}

// CustomerUsers returns the IDs of the users who are tied to the partner's
// customer.
func (s *Systems) CustomerUsers(ctx context.Context, partnerID string, number int64) ([]string, error) {
	u, err := s.store.UserByTie(ctx, store.CustomerTie, partnerID, strconv.FormatInt(number, 10))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up the customer's user: %w", err)
	}
	return []string{u.ID}, nil
}
