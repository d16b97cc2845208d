package flows

import (
	"context"
	"errors"
	"slices"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// offers returns what the reader can order here without a payment provider.
// Without them the page does without its button.
func offers(ctx context.Context, r *Run) []publisher.Offer {
	if r.tieKind() != store.CustomerTie {
		return nil
	}
	c := r.Request.Client
	all, err := r.Publishers.Customers(c.PartnerID).Offers(ctx, c.PartnerID, c.ID)
	if err != nil {
		r.Accounts.PublisherFailed(ctx, r.Data.UserID, r.Client(), err)
		return nil
	}
	all = slices.DeleteFunc(all, func(o publisher.Offer) bool { return o.Payment() == "" })
	return all[:min(len(all), maxChoices)]
}

// prepareSubscriber leads to the order of a new subscription.
func prepareSubscriber(ctx context.Context, r *Run) (Event, error) {
	if len(r.Data.Subscriber.Offers) == 0 {
		r.Fault("", "fault.offers.none")
		return Stay, nil
	}
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	r.Data.Values = map[string]string{
		"firstName": user.FirstName, "lastName": user.LastName, "postalCode": r.Data.Subscriber.PostalCode,
		"offer": r.Data.Subscriber.Offers[0].ID,
	}
	return PrepareCreateSubscriber, nil
}

func viewNewSubscriber(r *Run, v *View) {
	viewSubscriber(r, v)
	for _, o := range r.Data.Subscriber.Offers {
		v.Choices = append(v.Choices, Choice{o.ID, o.Name, o.Terms, o.ID == r.Data.Values["offer"]})
	}
	v.Flags["invoice"] = slices.ContainsFunc(r.Data.Subscriber.Offers, func(o publisher.Offer) bool { return o.Payment() == publisher.PayInvoice })
	v.Flags["acceptTerms"] = r.Data.Values["acceptTerms"] != ""
	delete(v.Values, "acceptTerms")
	delete(v.Values, "offer")
}

// orderFields are the fields of newSubscriberState with the faults of empty
// ones. An invoice needs an address.
var orderFields = []struct {
	name    string
	empty   texts.ID
	invoice bool
}{
	{"firstName", "fault.firstName.empty", false},
	{"lastName", "fault.lastName.empty", false},
	{"street", "fault.street.empty", true},
	{"postalCode", "fault.postalCode.empty", true},
	{"city", "fault.city.empty", true},
}

// submitNewSubscriber is newSubscriberState: it orders, free or by invoice.
func submitNewSubscriber(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != CreateSubscriber {
		return leaveOrSearch(ctx, r, e)
	}
	if stale(r) {
		return Stay, nil
	}
	chosen := slices.IndexFunc(r.Data.Subscriber.Offers, func(o publisher.Offer) bool { return o.ID == r.Form["offer"] })
	r.Data.Values = map[string]string{"acceptTerms": r.Form["acceptTerms"]}
	var offer publisher.Offer
	if chosen < 0 {
		r.Fault("offer", "fault.offer.empty")
	} else {
		offer = r.Data.Subscriber.Offers[chosen]
		r.Data.Values["offer"] = offer.ID
	}
	for _, f := range orderFields {
		before := len(r.Data.Faults)
		value := takeName(r, f.name)
		if value == "" && len(r.Data.Faults) == before && (!f.invoice || offer.Payment() == publisher.PayInvoice) {
			r.Fault(f.name, f.empty)
		}
		r.Data.Values[f.name] = value
	}
	if r.Form["acceptTerms"] == "" {
		r.Fault("acceptTerms", "fault.terms.order")
	}
	if len(r.Data.Faults) > 0 {
		return Stay, nil
	}
	return createSubscriber(ctx, r, offer)
}

func createSubscriber(ctx context.Context, r *Run, offer publisher.Offer) (Event, error) {
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	c, f := r.Request.Client, r.Data.Values
	if _, ok := user.Tie(store.CustomerTie, c.PartnerID); ok {
		return AlreadyTied, nil // in another tab, or before what came then failed
	}
	n := publisher.NewSubscriber{
		// One order for one user at one partner, however often it is sent.
		Key: "register:" + user.ID, PartnerID: c.PartnerID, ClientID: c.ID, OfferID: offer.ID, Payment: offer.Payment(), UserID: user.ID,
		FirstName: f["firstName"], LastName: f["lastName"], Street: f["street"], PostalCode: f["postalCode"], City: f["city"], Country: c.Region,
	}
	for _, own := range user.Credentials {
		if !own.VerifiedAt.IsZero() {
			n.Contacts = append(n.Contacts, store.Contact{Kind: own.Kind, Identity: own.Identity})
		}
	}
	ordering, cancel := within(ctx, searchWithin)
	defer cancel()
	person, err := r.Publishers.Customers(c.PartnerID).Create(ordering, n)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		r.Fault("offer", "fault.offer.gone")
		return Stay, nil
	case err != nil && ctx.Err() == nil:
		return outage(ctx, r, err)
	case err != nil:
		return "", err
	}
	r.Data.Subscriber.Number = person.Number
	return CreateSubscriber, nil
}
