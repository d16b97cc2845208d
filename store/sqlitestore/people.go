package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var customerKind = newKind("connectid_customers", `partner_id number key first_name last_name company_name
	street postal_code city country contacts created_at updated_at middle_name department invoice_email`,
	func(c *store.Customer) []any {
		return []any{
			&c.PartnerID, &c.Number, (*optional)(&c.Key), &c.FirstName, &c.LastName, &c.CompanyName,
			&c.Street, &c.PostalCode, &c.City, &c.Country, (*contacts)(&c.Contacts), (*stamp)(&c.CreatedAt), (*stamp)(&c.UpdatedAt), &c.MiddleName, &c.Department, &c.InvoiceEmail,
		}
	})

var subscriptionKind = newKind("connectid_subscriptions", `id partner_id customer_number product name starts_at ended_at
	stopped paid price currency payment created_at sharable share_type distribution_level`,
	func(s *store.Subscription) []any {
		return []any{
			&s.ID, &s.PartnerID, &s.CustomerNumber, &s.Product, &s.Name, (*stamp)(&s.StartsAt), (*stamp)(&s.EndsAt),
			&s.Stopped, &s.Paid, &s.Price, &s.Currency, &s.Payment, (*stamp)(&s.CreatedAt), &s.Sharable, &s.ShareType, &s.DistributionLevel,
		}
	})

var membershipKind = newKind("connectid_memberships", `partner_id number first_name last_name postal_code city
	organisation contacts starts_at ended_at updated_at`,
	func(m *store.Membership) []any {
		return []any{
			&m.PartnerID, &m.Number, &m.FirstName, &m.LastName, &m.PostalCode, &m.City,
			&m.Organisation, (*contacts)(&m.Contacts), (*stamp)(&m.StartsAt), (*stamp)(&m.EndsAt), (*stamp)(&m.UpdatedAt),
		}
	})

// PutCustomer implements [store.Customers].
func (s *Store) PutCustomer(ctx context.Context, c store.Customer) error {
	c.Contacts = slices.Clone(c.Contacts)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) { return struct{}{}, t.putCustomer(c) })
	return err
}

func (t *txn) putCustomer(c store.Customer) error {
	if _, err := t.exec("DELETE FROM connectid_customers WHERE partner_id = ? AND number = ?", c.PartnerID, c.Number); err != nil {
		return err
	}
	if _, err := t.exec(customerKind.inserts, customerKind.fields(&c)...); err != nil {
		return conflict(err)
	}
	for _, at := range c.Contacts {
		_, err := t.exec("INSERT OR IGNORE INTO connectid_customer_contacts (partner_id, kind, identity, number) VALUES (?, ?, ?, ?)",
			c.PartnerID, string(at.Kind), at.Identity, c.Number)
		if err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO connectid_customer_numbers (partner_id, last) VALUES (?, ?)
		ON CONFLICT DO UPDATE SET last = max(last, excluded.last)`, c.PartnerID, c.Number)
	return err
}

// CreateCustomer implements [store.Customers].
func (s *Store) CreateCustomer(ctx context.Context, c store.Customer) (store.Customer, error) {
	if c.Key == "" {
		return store.Customer{}, errors.New("sqlitestore: a customer is created without a key")
	}
	c.Contacts = slices.Clone(c.Contacts)
	return write(ctx, s, func(t *txn) (store.Customer, error) {
		var made store.Customer
		const created = "WHERE partner_id = ? AND key = ?"
		found, err := t.exists("connectid_customers "+created, c.PartnerID, c.Key)
		if err != nil {
			return made, err
		}
		if !found {
			next := c
			err := t.row("SELECT max(?, coalesce(max(last), 0) + 1) FROM connectid_customer_numbers WHERE partner_id = ?",
				store.FirstCustomer, c.PartnerID).Scan(&next.Number)
			if err == nil {
				err = t.putCustomer(next)
			}
			if err != nil {
				return made, err
			}
		}
		return made, t.row(customerKind.selects+created, c.PartnerID, c.Key).Scan(customerKind.fields(&made)...)
	})
}

// ReplaceCustomer implements [store.Customers].
func (s *Store) ReplaceCustomer(ctx context.Context, c store.Customer) error {
	c.Contacts = slices.Clone(c.Contacts)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		var old store.Customer
		err := t.row(customerKind.selects+"WHERE partner_id = ? AND number = ?", c.PartnerID, c.Number).Scan(customerKind.fields(&old)...)
		if err != nil {
			return struct{}{}, fault(ctx, err)
		}
		next := c
		next.Key, next.CreatedAt = old.Key, old.CreatedAt
		return struct{}{}, t.putCustomer(next)
	})
	return err
}

// Customer implements [store.Customers].
func (s *Store) Customer(ctx context.Context, partnerID string, number int64) (store.Customer, error) {
	return readOne(ctx, s, customerKind, "WHERE partner_id = ? AND number = ?", partnerID, number)
}

// CustomersByContact implements [store.Customers].
func (s *Store) CustomersByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Customer, error] {
	return list(ctx, func() ([]store.Customer, error) {
		return readAll(ctx, s, customerKind, `WHERE partner_id = ? AND number IN (SELECT number FROM connectid_customer_contacts
			WHERE partner_id = ? AND kind = ? AND identity = ?) ORDER BY number`, partnerID, partnerID, string(c.Kind), c.Identity)
	})
}

// DeleteCustomer implements [store.Customers].
func (s *Store) DeleteCustomer(ctx context.Context, partnerID string, number int64) error {
	return s.exec(ctx, "DELETE FROM connectid_customers WHERE partner_id = ? AND number = ?", partnerID, number)
}

// PutSubscription implements [store.Subscriptions].
func (s *Store) PutSubscription(ctx context.Context, r store.Subscription) error {
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		if _, err := t.exec("DELETE FROM connectid_subscriptions WHERE id = ?", r.ID); err != nil {
			return struct{}{}, err
		}
		_, err := t.exec(subscriptionKind.inserts, subscriptionKind.fields(&r)...)
		return struct{}{}, err
	})
	return err
}

// Subscription implements [store.Subscriptions].
func (s *Store) Subscription(ctx context.Context, id string) (store.Subscription, error) {
	return readOne(ctx, s, subscriptionKind, "WHERE id = ?", id)
}

// CustomerSubscriptions implements [store.Subscriptions].
func (s *Store) CustomerSubscriptions(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Subscription, error] {
	return list(ctx, func() ([]store.Subscription, error) {
		return readAll(ctx, s, subscriptionKind, "WHERE partner_id = ? AND customer_number = ? ORDER BY starts_at DESC, id", partnerID, number)
	})
}

// DeleteSubscription implements [store.Subscriptions].
func (s *Store) DeleteSubscription(ctx context.Context, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_subscriptions WHERE id = ?", id)
}

// PutMembership implements [store.Memberships].
func (s *Store) PutMembership(ctx context.Context, m store.Membership) error {
	m.Contacts = slices.Clone(m.Contacts)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		none := struct{}{}
		if _, err := t.exec("DELETE FROM connectid_memberships WHERE partner_id = ? AND number = ?", m.PartnerID, m.Number); err != nil {
			return none, err
		}
		if _, err := t.exec(membershipKind.inserts, membershipKind.fields(&m)...); err != nil {
			return none, err
		}
		for _, at := range m.Contacts {
			_, err := t.exec("INSERT OR IGNORE INTO connectid_membership_contacts (partner_id, kind, identity, number) VALUES (?, ?, ?, ?)",
				m.PartnerID, string(at.Kind), at.Identity, m.Number)
			if err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}

// Membership implements [store.Memberships].
func (s *Store) Membership(ctx context.Context, partnerID, number string) (store.Membership, error) {
	return readOne(ctx, s, membershipKind, "WHERE partner_id = ? AND number = ?", partnerID, number)
}

// MembershipsByContact implements [store.Memberships].
func (s *Store) MembershipsByContact(ctx context.Context, partnerID string, c store.Contact) iter.Seq2[store.Membership, error] {
	return list(ctx, func() ([]store.Membership, error) {
		return readAll(ctx, s, membershipKind, `WHERE partner_id = ? AND number IN (SELECT number FROM connectid_membership_contacts
			WHERE partner_id = ? AND kind = ? AND identity = ?) ORDER BY number`, partnerID, partnerID, string(c.Kind), c.Identity)
	})
}

// DeleteMembership implements [store.Memberships].
func (s *Store) DeleteMembership(ctx context.Context, partnerID, number string) error {
	return s.exec(ctx, "DELETE FROM connectid_memberships WHERE partner_id = ? AND number = ?", partnerID, number)
}

// optional is a text that is NULL when it is empty, so that it is unique only
// when there is one.
type optional string

// Value implements [driver.Valuer].
func (o *optional) Value() (driver.Value, error) {
	if *o == "" {
		return nil, nil
	}
	return string(*o), nil
}

// Scan implements [database/sql.Scanner].
func (o *optional) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*o = ""
	case string:
		*o = optional(v)
	default:
		return fmt.Errorf("a text is a %T", v)
	}
	return nil
}

// contacts is a list as JSON.
type contacts []store.Contact

// Value implements [driver.Valuer].
func (c *contacts) Value() (driver.Value, error) { return toJSON(*c) }

// Scan implements [database/sql.Scanner].
func (c *contacts) Scan(v any) error { return fromJSON(v, c) }

// ties is a list as JSON.
type ties []store.Tie

// Value implements [driver.Valuer].
func (t *ties) Value() (driver.Value, error) { return toJSON(*t) }

// Scan implements [database/sql.Scanner].
func (t *ties) Scan(v any) error {
	err := fromJSON(v, t)
	for i := range *t {
		(*t)[i].TiedAt = (*t)[i].TiedAt.UTC()
	}
	return err
}

func toJSON(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func fromJSON[L ~[]E, E any](v any, list *L) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list is a %T, want a text", v)
	}
	*list = nil
	return json.Unmarshal([]byte(s), list)
}
