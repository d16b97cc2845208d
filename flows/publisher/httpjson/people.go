package httpjson

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// people is one system: the customers or the members.
type people struct {
	*caller
	room string
}

// maxPersons bounds what is taken from one answer.
const maxPersons = 50

type searchCall struct {
	PartnerID  string `json:"partnerId"`
	ClientID   string `json:"clientId"`
	Number     string `json:"number"`
	LastName   string `json:"lastName,omitempty"`
	PostalCode string `json:"postalCode,omitempty"`
}

type personAnswer struct {
	Person *publisher.Person `json:"person"`
}

// Search implements [publisher.People].
func (p *people) Search(ctx context.Context, s publisher.Search) (publisher.Person, error) {
	var out personAnswer
	err := p.call(ctx, p.room+"search", searchCall(s), &out)
	found, err := p.person(out, err)
	if err == nil && publisher.MembershipNumber(found.Number) != publisher.MembershipNumber(s.Number) {
		if typed, _ := publisher.Digits(s.Number); typed != found.Number {
			err = errors.New("httpjson: the answer is a person with another number")
		}
	}
	if err != nil {
		return publisher.Person{}, err
	}
	return found, nil
}

// person checks an answer that has to be one person.
func (p *people) person(out personAnswer, err error) (publisher.Person, error) {
	switch {
	case err != nil:
		return publisher.Person{}, err
	case out.Person == nil:
		return publisher.Person{}, errors.New("httpjson: the answer has no person")
	}
	return *out.Person, p.check(*out.Person)
}

// check refuses a person who could be shown or tied wrongly: what a system says
// is outside input.
func (p *people) check(o publisher.Person) error {
	if o.Number == "" {
		return errors.New("httpjson: a person without a number")
	}
	if canonical, ok := publisher.Digits(o.Number); p.room == "customers/" && (!ok || canonical != o.Number) {
		return errors.New("httpjson: a customer number is no positive whole number")
	}
	for _, s := range []string{o.Number, o.Name, o.Place, o.Detail} {
		if utf8.RuneCountInString(s) > 200 || strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("httpjson: a person with a field that is too long or has a control character")
		}
	}
	return nil
}

type credentialCall struct {
	PartnerID      string `json:"partnerId"`
	ClientID       string `json:"clientId"`
	CredentialType string `json:"credentialType"`
	Credential     string `json:"credential"`
}

// ByCredential implements [publisher.People].
func (p *people) ByCredential(ctx context.Context, s publisher.CredentialSearch) ([]publisher.Person, error) {
	var out struct {
		Persons []publisher.Person `json:"persons"`
	}
	err := p.call(ctx, p.room+"by-credential", credentialCall{s.PartnerID, s.ClientID, string(s.Contact.Kind), s.Contact.Identity}, &out)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Persons) > maxPersons:
		return nil, fmt.Errorf("httpjson: %d persons for one credential", len(out.Persons))
	}
	for _, o := range out.Persons {
		if err := p.check(o); err != nil {
			return nil, err
		}
	}
	return out.Persons, nil
}

type tieCall struct {
	PartnerID string `json:"partnerId"`
	ClientID  string `json:"clientId"`
	Number    string `json:"number"`
	UserID    string `json:"userId"`
}

// Tie implements [publisher.People].
func (p *people) Tie(ctx context.Context, t publisher.Tie) error {
	return p.call(ctx, p.room+"tie", tieCall(t), nil)
}

// Untie implements [publisher.People].
func (p *people) Untie(ctx context.Context, t publisher.Tie) error {
	err := p.call(ctx, p.room+"untie", tieCall(t), nil)
	if errors.Is(err, publisher.ErrNotFound) {
		return nil
	}
	return err
}

// Offers implements [publisher.Customers].
func (c *Client) Offers(ctx context.Context, partnerID, clientID string) ([]publisher.Offer, error) {
	in := struct {
		PartnerID string `json:"partnerId"`
		ClientID  string `json:"clientId"`
	}{partnerID, clientID}
	var out struct {
		Offers []publisher.Offer `json:"offers"`
	}
	err := c.call(ctx, "customers/offers", in, &out)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Offers) > maxPersons:
		return nil, fmt.Errorf("httpjson: %d offers", len(out.Offers))
	}
	for _, o := range out.Offers {
		if o.ID == "" || o.Name == "" || o.Price < 0 || strings.ContainsFunc(o.Name+o.Terms, unicode.IsControl) {
			return nil, errors.New("httpjson: an offer without an ID or a name, or with a price below zero")
		}
	}
	return out.Offers, nil
}

type createCall struct {
	Key        string    `json:"key"`
	PartnerID  string    `json:"partnerId"`
	ClientID   string    `json:"clientId"`
	OfferID    string    `json:"offerId"`
	Payment    string    `json:"payment"`
	UserID     string    `json:"userId"`
	FirstName  string    `json:"firstName"`
	LastName   string    `json:"lastName"`
	Street     string    `json:"street,omitempty"`
	PostalCode string    `json:"postalCode,omitempty"`
	City       string    `json:"city,omitempty"`
	Country    string    `json:"country,omitempty"`
	Contacts   []contact `json:"contacts"`
}

type contact struct {
	CredentialType string `json:"credentialType"`
	Credential     string `json:"credential"`
	Use            string `json:"use,omitempty"`
}

// Create implements [publisher.Customers].
func (c *Client) Create(ctx context.Context, n publisher.NewSubscriber) (publisher.Person, error) {
	in := createCall{n.Key, n.PartnerID, n.ClientID, n.OfferID, n.Payment, n.UserID,
		n.FirstName, n.LastName, n.Street, n.PostalCode, n.City, n.Country, []contact{}}
	for _, o := range n.Contacts {
		in.Contacts = append(in.Contacts, contact{CredentialType: string(o.Kind), Credential: o.Identity})
	}
	var out personAnswer
	err := c.call(ctx, "customers/create", in, &out)
	return c.person(out, err)
}
