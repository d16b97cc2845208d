package flows

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// offers returns what the reader can order here: what needs no payment provider,
// and what her publisher's one can be paid for. Without any the page does without
// its button.
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
	all = slices.DeleteFunc(all, func(o publisher.Offer) bool { return o.Payment() == "" && len(r.methods(o)) == 0 })
	return all[:min(len(all), maxChoices)]
}

// methodTexts name the ways to pay that are offered, in the order in which they are.
var methodTexts = []struct {
	method    order.Method
	recurring bool // it can be drawn again
	once      bool // it can be drawn once
	text      texts.ID
}{
	{order.CreditCardPayEx, true, true, "order.by.card"},
	{order.VippsRecurring, true, false, "order.by.vipps"},
	{order.VippsEcommerce, false, true, "order.by.vipps"},
	{order.SwishPayEx, false, true, "order.by.swish"},
}

// recurs reports whether the offer goes on, and is paid for, until it is ended.
func recurs(o publisher.Offer) bool { return o.Renewal.Period.Length > 0 }

// methods returns how the offer can be paid for with a provider.
func (r *Run) methods(o publisher.Offer) (all []order.Method) {
	if r.Orders == nil || o.Price <= 0 || o.Currency == "" || o.Coupon == (publisher.CouponID{}) {
		return nil
	}
	can := r.Orders.Methods(r.Request.Client.PartnerID)
	for _, m := range methodTexts {
		if slices.Contains(can, m.method) && (m.recurring && recurs(o) || m.once && !recurs(o)) {
			all = append(all, m.method)
		}
	}
	return all
}

// buy is an offer and how it is paid for.
type buy struct {
	offer  publisher.Offer
	method order.Method // of a provider; "" for none
}

// value names the choice in the form.
func (b buy) value() string {
	if b.method == "" {
		return b.offer.ID
	}
	return b.offer.ID + " " + string(b.method)
}

// detail says what it costs.
func (b buy) detail(lang string) string {
	if b.method == "" {
		return b.offer.Terms
	}
	price := texts.Money(lang, b.offer.Price, b.offer.Currency)
	switch lasts := periodText(lang, b.offer.Period, b.offer.Renewal, b.offer.Currency); {
	case lasts != "":
		price += " " + lasts
	case b.offer.Terms != "":
		price += " · " + b.offer.Terms
	}
	for _, m := range methodTexts {
		if m.method == b.method {
			return price + " · " + texts.Get(lang, m.text)
		}
	}
	return price
}

// buys are the choices of newSubscriberState.
func (r *Run) buys() (all []buy) {
	for _, o := range r.Data.Subscriber.Offers {
		if o.Payment() != "" {
			all = append(all, buy{o, ""})
			continue
		}
		for _, m := range r.methods(o) {
			all = append(all, buy{o, m})
		}
	}
	return all
}

// prepareSubscriber leads to the order of a new subscription.
func prepareSubscriber(ctx context.Context, r *Run) (Event, error) {
	if len(r.buys()) == 0 {
		r.Fault("", "fault.offers.none")
		return Stay, nil
	}
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	r.Data.Values = map[string]string{
		"firstName": user.FirstName, "lastName": user.LastName, "postalCode": r.Data.Subscriber.PostalCode,
		"offer": r.buys()[0].value(),
	}
	return PrepareCreateSubscriber, nil
}

func viewNewSubscriber(r *Run, v *View) {
	viewSubscriber(r, v)
	for _, b := range r.buys() {
		v.Choices = append(v.Choices, Choice{b.value(), b.offer.Name, b.detail(r.Request.Lang), b.value() == r.Data.Values["offer"]})
		v.Flags["payment"] = v.Flags["payment"] || b.method != ""
	}
	v.Flags["invoice"] = slices.ContainsFunc(r.Data.Subscriber.Offers, func(o publisher.Offer) bool { return o.Payment() == publisher.PayInvoice })
	v.Flags["acceptTerms"] = r.Data.Values["acceptTerms"] != ""
	delete(v.Values, "acceptTerms")
	delete(v.Values, "offer")
}

// orderFields are the fields of newSubscriberState with the faults of empty
// ones. An invoice needs an address, and a payment a part of it.
var orderFields = []struct {
	name    string
	empty   texts.ID
	invoice bool
	paid    bool
}{
	{"firstName", "fault.firstName.empty", false, false},
	{"lastName", "fault.lastName.empty", false, false},
	{"street", "fault.street.empty", true, false},
	{"postalCode", "fault.postalCode.empty", true, true},
	{"city", "fault.city.empty", true, false},
}

// submitNewSubscriber is newSubscriberState: it orders, free, by invoice, or what
// is to be paid for first.
func submitNewSubscriber(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != CreateSubscriber {
		return leaveOrSearch(ctx, r, e)
	}
	if stale(r) {
		return Stay, nil
	}
	buys := r.buys()
	chosen := slices.IndexFunc(buys, func(b buy) bool { return b.value() == r.Form["offer"] })
	r.Data.Values = map[string]string{"acceptTerms": r.Form["acceptTerms"]}
	var wanted buy
	if chosen < 0 {
		r.Fault("offer", "fault.offer.empty")
	} else {
		wanted = buys[chosen]
		r.Data.Values["offer"] = wanted.value()
	}
	for _, f := range orderFields {
		before := len(r.Data.Faults)
		value := takeName(r, f.name)
		if value == "" && len(r.Data.Faults) == before && needed(f.invoice, f.paid, wanted) {
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
	if wanted.method != "" {
		return placeOrder(ctx, r, wanted)
	}
	return createSubscriber(ctx, r, wanted.offer)
}

// needed reports whether a field has to be filled in.
func needed(invoice, paid bool, b buy) bool {
	switch {
	case !invoice && !paid:
		return true
	case b.method != "":
		return paid
	}
	return invoice && b.offer.Payment() == publisher.PayInvoice
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

// registerPrefix begins the externalOrderIds of orders that readers place here
// themselves.
const registerPrefix = "register-"

// maxAttempts bounds how often the same may be ordered again after what was ordered
// could not be paid for any more.
const maxAttempts = 20

// recently is how long an order that is not hers to go on with yet may be found by
// a reader who comes back for it.
const recently = 7 * 24 * time.Hour

// placeOrder orders what has to be paid for. The same asked for again, in another
// tab or after a payment that came to nothing, is the same order for as long as it
// can be paid for.
func placeOrder(ctx context.Context, r *Run, b buy) (Event, error) {
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	if _, ok := user.Tie(store.CustomerTie, r.Request.Client.PartnerID); ok {
		return AlreadyTied, nil
	}
	if len(r.Data.Paying.OrderIDs) > 0 { // she has been away to pay before: for that, perhaps
		s, err := stand(ctx, r.Orders, r.checkout())
		switch {
		case err != nil:
			return paymentOutage(ctx, r, err)
		case s.outcome == order.Success:
			return PaymentAccepted, nil
		case s.taking:
			return r.paid(order.Waiting), nil
		}
	}
	content := r.contentOf(user, b)
	for attempt := r.Data.Paying.Closed; attempt < maxAttempts; attempt++ {
		body := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%+v\n%d", user.ID, b.offer.ID, b.method, content, attempt))
		content.ExternalID = registerPrefix + base64.RawURLEncoding.EncodeToString(body[:18])
		o, err := r.Orders.Place(ctx, order.Placement{
			Client: r.Request.Client, UserID: user.ID, Body: store.Digest(body), Content: content,
		})
		if _, refused := errors.AsType[*order.RefusedError](err); refused {
			r.Accounts.PublisherFailed(ctx, user.ID, r.Client(), err)
			r.Fault("offer", "fault.offer.gone")
			return Stay, nil
		}
		switch done := outcomeOf(o); {
		case err != nil:
			return paymentOutage(ctx, r, err)
		case done == order.Success && time.Since(o.CreatedAt) > recently,
			done != order.Success && time.Since(o.CreatedAt) > orderOpen: // that was another time
			content.ExternalID = ""
			continue
		}
		r.Data.Paying = Paying{OrderIDs: []int64{o.ID}, Closed: attempt}
		switch {
		case outcomeOf(o) == order.Success:
			return PaymentAccepted, nil
		case r.isRemembered():
			return LoginAgain, nil
		}
		return PaymentInit, nil
	}
	r.Fault("", "fault.offer.gone")
	return Stay, nil
}

// orderOpen is how long an order is paid for, rather than another one placed.
const orderOpen = 12 * time.Hour

// paymentOutage shows the form again, with all that was typed.
func paymentOutage(ctx context.Context, r *Run, err error) (Event, error) {
	if ctx.Err() != nil {
		return "", err
	}
	r.Accounts.PublisherFailed(ctx, r.Data.UserID, r.Client(), err)
	r.Fault("", "fault.outage")
	return Stay, nil
}

// contentOf is the order of what she buys for herself.
func (r *Run) contentOf(user store.User, b buy) order.Content {
	c, f := r.Request.Client, r.Data.Values
	payer := order.Person{
		FirstName: f["firstName"], LastName: f["lastName"], Street: f["street"],
		PostalCode: f["postalCode"], PostalPlace: f["city"], CountryCode: firstOf(c.Region, "NO"),
	}
	for _, own := range user.Credentials {
		switch {
		case own.VerifiedAt.IsZero():
		case own.Kind == store.Email:
			payer.Emails = append(payer.Emails, own.Identity)
		case own.Kind == store.Phone:
			payer.PhoneNumbers = append(payer.PhoneNumbers, own.Identity)
		}
	}
	return order.Content{
		Method: b.method, Currency: b.offer.Currency, UniqueUserID: user.ID, Payer: payer, Recurring: recurs(b.offer),
		Lines: []order.Line{{SpecType: "coupon", SpecCode: b.offer.Coupon.Code, SpecNo: b.offer.Coupon.Number, Quantity: 1}},
	}
}

// purchase looks for what the user has ordered here herself and paid for, or may
// just be paying for, when she comes back for it: in another browser, or after hers
// was closed.
func purchase(ctx context.Context, r *Run, user store.User) (Event, error) {
	if r.tieKind() != store.CustomerTie || r.Orders == nil || len(r.Orders.Methods(r.Request.Client.PartnerID)) == 0 {
		return "", nil
	}
	all, err := r.Orders.Orders(ctx, r.Request.Client.PartnerID, user.ID)
	if err != nil {
		return "", err
	}
	for _, o := range all {
		if o.ClientID != r.Request.Client.ID || !strings.HasPrefix(o.ExternalID, registerPrefix) || time.Since(o.CreatedAt) > recently {
			continue
		}
		if outcome := outcomeOf(o); outcome == order.Cancel || outcome == order.Error {
			continue
		}
		r.Data.Paying = Paying{OrderIDs: []int64{o.ID}}
		s, err := stand(ctx, r.Orders, r.checkout())
		switch {
		case err != nil && len(s.orders) == 0:
			return "", err
		case err != nil: // the provider can not be asked
		case s.outcome == order.Success:
			return PaymentAccepted, nil
		case s.taking:
			return r.paid(order.Waiting), nil
		}
		r.Data.Paying = Paying{}
	}
	return "", nil
}

// takeSubscription takes the customer number of what was paid for, once the
// publisher's system has it.
func takeSubscription(ctx context.Context, r *Run) (Event, error) {
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	all, err := r.Orders.Check(ctx, r.checkout())
	if err != nil {
		return "", noOrder(err)
	}
	for _, o := range all {
		if number, ok := o.CustomerOf(user); ok {
			r.Data.Subscriber.Number = strconv.FormatInt(number, 10)
			return CreateSubscriber, nil
		}
	}
	return SubscriberPending, nil
}

// checkReceipt shows a receipt to who has paid for something.
func checkReceipt(_ context.Context, r *Run) (Event, error) {
	if len(r.Data.Paying.OrderIDs) == 0 {
		return Continue, nil
	}
	return ShowReceipt, nil
}

func loadOrderReceipt(ctx context.Context, r *Run, v *View) error {
	v.Flags["waiting"] = r.Data.Paying.Outcome == order.Waiting && !r.Data.Paying.Since.IsZero()
	v.Flags["pending"] = r.Data.Subscriber.Number == "" && !v.Flags["waiting"]
	return loadReceipt(ctx, r, v)
}
