package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// subscriber is a customer of the newspapers, or a member of the club that gives
// its members the newspaper.
type subscriber struct {
	Name, Street, PostalCode, City string
	Credential                     string // by which the publisher knows her; may be empty
	CustomerNumber                 int64
	Subscription                   string // of a customer; empty for none
	MembershipNumber               string
}

// subscribers are in the publisher's systems from the start. None is tied to a
// user: that is what register and activateMembership are for.
var subscribers = []subscriber{
	{Name: "Kari Nordmann", Street: "Strandgata 14", PostalCode: "9008", City: "Tromsø", Credential: "kari.nordmann@example.com",
		CustomerNumber: 204117, Subscription: "Papir og digitalt, alle dager"},
	{Name: "Nils Nordmann", Street: "Strandgata 14", PostalCode: "9008", City: "Tromsø", Credential: "kari.nordmann@example.com",
		CustomerNumber: 204118, Subscription: "Helg"},
	{Name: "Ingrid Ødegård", Street: "Nordnesgaten 3 B", PostalCode: "5005", City: "Bergen",
		CustomerNumber: 198632, Subscription: "Digitalt"},
	{Name: "Astrid Lindqvist", Street: "Skeppargatan 27", PostalCode: "114 52", City: "Stockholm",
		CustomerNumber: 301509, Subscription: "Papper och digitalt"},
	{Name: "Ola Svensson", PostalCode: "411 06", City: "Göteborg", Credential: "ola.svensson@example.com", MembershipNumber: "KL20481"},
	{Name: "Ingrid Ødegård", PostalCode: "5005", City: "Bergen", MembershipNumber: "KL17730"},
}

// club is what the members are members of.
const club = "Kystlaget"

// offered are the subscriptions that readers can order without a payment provider.
var offered = map[string][]publisher.Offer{partner: {
	{ID: "four-weeks", Product: "DIGITAL-4W", Name: "Digital, 4 uker / veckor", Terms: "0 kr"},
	{ID: "weekend", Product: "WEEKEND", Name: "Helg", Terms: "249 kr / 4 uker (veckor), faktura", Price: 24900, Currency: "NOK", Invoice: true},
}}

// addSubscribers creates those who do not exist yet.
func addSubscribers(ctx context.Context, s publisher.Store) error {
	for _, p := range subscribers {
		if err := addSubscriber(ctx, s, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

func addSubscriber(ctx context.Context, s publisher.Store, p subscriber) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	var first, last string
	if _, err := fmt.Sscan(p.Name, &first, &last); err != nil {
		return err
	}
	var contacts []store.Contact
	if p.Credential != "" {
		c, err := account.ParseCredential(p.Credential, "NO")
		if err != nil {
			return err
		}
		contacts = []store.Contact{{Kind: c.Kind, Identity: c.Identity}}
	}
	if p.MembershipNumber != "" {
		return s.PutMembership(ctx, store.Membership{
			PartnerID: partner, Number: p.MembershipNumber, FirstName: first, LastName: last, PostalCode: p.PostalCode, City: p.City,
			Organisation: club, Contacts: contacts, StartsAt: now.AddDate(-3, 0, 0), UpdatedAt: now,
		})
	}
	_, err := s.Customer(ctx, partner, p.CustomerNumber)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	err = s.PutCustomer(ctx, store.Customer{
		PartnerID: partner, Number: p.CustomerNumber, FirstName: first, LastName: last,
		Street: p.Street, PostalCode: p.PostalCode, City: p.City, Contacts: contacts, CreatedAt: now, UpdatedAt: now,
	})
	if err != nil || p.Subscription == "" {
		return err
	}
	return s.PutSubscription(ctx, store.Subscription{
		ID: fmt.Sprintf("demo-%d", p.CustomerNumber), PartnerID: partner, CustomerNumber: p.CustomerNumber,
		Product: "PAPER", Name: p.Subscription, StartsAt: now.AddDate(-2, -3, 0), Paid: true, Price: 39900, Currency: "NOK", Payment: publisher.PayInvoice, CreatedAt: now,
	})
}
