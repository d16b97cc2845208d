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

// subscriber is a customer of a newspaper, or a member of the club that gives
// its members both.
type subscriber struct {
	Partner                        string // empty for both
	Name, Street, PostalCode, City string
	Country                        string
	Credential                     string // by which the publisher knows her; may be empty
	CustomerNumber                 int64
	Product, Subscription          string // of a customer: what, and what it is called
	Shared                         bool   // her subscription can be shared
	MembershipNumber               string
}

// subscribers are in the publishers' systems from the start. None is tied to a
// user: that is what register and activateMembership are for.
var subscribers = []subscriber{
	{Partner: fjord, Name: "Kari Nordmann", Street: "Strandgata 14", PostalCode: "9008", City: "Tromsø", Country: "NO", Credential: "kari.nordmann@example.com",
		CustomerNumber: 204117, Product: "PAPER", Subscription: "Papir og digitalt, alle dager"},
	{Partner: fjord, Name: "Nils Nordmann", Street: "Strandgata 14", PostalCode: "9008", City: "Tromsø", Country: "NO", Credential: "kari.nordmann@example.com",
		CustomerNumber: 204118, Product: "WEEKEND", Subscription: "Helg", Shared: true},
	{Partner: fjord, Name: "Ingrid Ødegård", Street: "Nordnesgaten 3 B", PostalCode: "5005", City: "Bergen", Country: "NO",
		CustomerNumber: 198632, Product: "DIGITAL", Subscription: "Digitalt"},
	{Partner: skargard, Name: "Astrid Lindqvist", Street: "Skeppargatan 27", PostalCode: "114 52", City: "Stockholm", Country: "SE",
		CustomerNumber: 301509, Product: "PAPER", Subscription: "Papper och digitalt"},
	{Partner: skargard, Name: "Kari Nordmann", Street: "Sjövägen 2", PostalCode: "452 30", City: "Strömstad", Country: "SE", Credential: "kari.nordmann@example.com",
		CustomerNumber: 305220, Product: "DIGITAL", Subscription: "Digitalt"},
	{Name: "Ola Svensson", PostalCode: "411 06", City: "Göteborg", Credential: "ola.svensson@example.com", MembershipNumber: "KL20481"},
	{Name: "Ingrid Ødegård", PostalCode: "5005", City: "Bergen", MembershipNumber: "KL17730"},
}

// club is what the members are members of.
const club = "Kystlaget"

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
		for _, partner := range []string{fjord, skargard} {
			if err := s.PutMembership(ctx, store.Membership{
				PartnerID: partner, Number: p.MembershipNumber, FirstName: first, LastName: last, PostalCode: p.PostalCode, City: p.City,
				Organisation: club, Contacts: contacts, StartsAt: now.AddDate(-3, 0, 0), UpdatedAt: now,
			}); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := s.Customer(ctx, p.Partner, p.CustomerNumber)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	err = s.PutCustomer(ctx, store.Customer{
		PartnerID: p.Partner, Number: p.CustomerNumber, FirstName: first, LastName: last,
		Street: p.Street, PostalCode: p.PostalCode, City: p.City, Country: p.Country, Contacts: contacts, CreatedAt: now, UpdatedAt: now,
	})
	if err != nil {
		return err
	}
	level := "PAPER"
	if p.Product == "DIGITAL" {
		level = "DIGITAL"
	}
	sub := store.Subscription{
		ID: subscriptionID(p), PartnerID: p.Partner, CustomerNumber: p.CustomerNumber,
		Product: p.Product, Name: p.Subscription, StartsAt: now.AddDate(-2, -3, 0), Paid: true, Price: 39900, Currency: currencies[p.Partner],
		Payment: publisher.PayInvoice, DistributionLevel: level, CreatedAt: now,
	}
	if p.Shared {
		sub.Sharable, sub.ShareType = true, store.ShareUsers
	}
	return s.PutSubscription(ctx, sub)
}

func subscriptionID(p subscriber) string { return fmt.Sprintf("%s-%d", p.Partner, p.CustomerNumber) }
