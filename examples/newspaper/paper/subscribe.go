package paper

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"golang.org/x/oauth2/clientcredentials"
)

// purchase is what a reader is about to buy. It is kept in a cookie until the order
// is placed, so that a payment which is made finds its order again.
type purchase struct {
	Reference  string `json:"ref"` // the newspaper's own name of the order and its payment
	Coupon     offer  `json:"coupon"`
	FirstName  string `json:"first"`
	LastName   string `json:"last"`
	PostalCode string `json:"post"`
	// Sign is what the payment script asks with: the same for as long as the payment
	// may be open, so that a reload goes on with it.
	Sign  string            `json:"sign,omitempty"`
	Flow  order.PaymentFlow `json:"flow,omitempty"`
	Until time.Time         `json:"until,omitzero"`
}

// purchaseLifetime is how long a payment can wait for its order.
const purchaseLifetime = 12 * time.Hour

// offer is a coupon for sale, as the newspaper reads it of GET
// v1/client/coupon/{productCode}.
type offer struct {
	Code        string      `json:"couponCode"`
	Number      int64       `json:"couponNumber"`
	Description string      `json:"description"`
	Price       json.Number `json:"couponPrice"`
	Currency    string      `json:"currency"`
}

// ID names the offer in a form.
func (o offer) ID() string { return o.Code + "-" + strconv.FormatInt(o.Number, 10) }

// Cost is the price as it is written in the edition's language.
func (o offer) Cost() string { return cost(o.Price, o.Currency) }

func cost(amount json.Number, currency string) string {
	whole, fraction, _ := strings.Cut(amount.String(), ".")
	if fraction != "" {
		whole += "," + (fraction + "0")[:2]
	}
	if currency == "NOK" || currency == "SEK" || currency == "DKK" {
		currency = "kr"
	}
	return whole + "\u00a0" + currency
}

// receipt is what the newspaper reads of POST v1/order/status.
type receipt struct {
	OrderID  int64       `json:"orderId"`
	Status   string      `json:"orderStatus"`
	Amount   json.Number `json:"orderAmount"`
	Currency string      `json:"currency"`
	Lines    []struct {
		Description string `json:"description"`
		Product     string `json:"product"`
	} `json:"orderLines"`
}

// Cost is what was paid.
func (r receipt) Cost() string { return cost(r.Amount, r.Currency) }

// Bought reports whether the newspaper has been paid.
func (r receipt) Bought() bool { return r.Status == "paid" || r.Status == "handedOver" }

// offers asks the API, as the newspaper itself, how its digital edition is sold.
func (p *Paper) offers(ctx context.Context) ([]offer, error) {
	var answer struct {
		Coupons []offer `json:"coupons"`
	}
	c := clientcredentials.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, TokenURL: p.oauth.Endpoint.TokenURL, AuthStyle: p.oauth.Endpoint.AuthStyle}
	token, err := c.Token(p.withClient(ctx))
	if err != nil {
		return nil, err
	}
	if err := p.get(ctx, &session{Token: token}, "/v1/client/coupon/DIGITAL", &answer); err != nil {
		return nil, err
	}
	var paid []offer
	for _, o := range answer.Coupons {
		if o.Price != "0" {
			paid = append(paid, o)
		}
	}
	return paid, nil
}

// subscribe shows what can be bought, to a reader who is logged in.
func (p *Paper) subscribe(w http.ResponseWriter, r *http.Request, s *session) {
	p.shop(w, r, s, http.StatusOK, purchase{}, "")
}

// shop is the page with the offers; what was filled in stays filled in.
func (p *Paper) shop(w http.ResponseWriter, r *http.Request, s *session, status int, filled purchase, fault string) {
	if s.Token == nil {
		p.authorize(w, r, "/subscribe")
		return
	}
	who, ok := p.whoIs(w, r, s)
	if !ok {
		return
	}
	if s.Token == nil {
		p.authorize(w, r, "/subscribe")
		return
	}
	all, err := p.offers(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	filled.FirstName, filled.LastName = cmp.Or(filled.FirstName, who.Name.First), cmp.Or(filled.LastName, who.Name.Last)
	if filled.Coupon.Code == "" && len(all) > 0 {
		filled.Coupon = all[0]
	}
	p.render(w, r, status, "subscribe", view{
		Session: s, Title: p.Edition.Text("shopHeading"), Page: "/subscribe", Offers: all, Purchase: filled, Fault: fault, Script: len(p.PaymentSecret) > 0,
	})
}

// buy takes the form of the shop. way says how it is paid for: by an order and
// connectid's fulfillment URL, or by the payment script, in this page or at the
// provider's.
func (p *Paper) buy(w http.ResponseWriter, r *http.Request) {
	s := p.session(r)
	if s.Token == nil {
		p.authorize(w, r, "/subscribe")
		return
	}
	all, err := p.offers(r.Context())
	if err != nil {
		p.failAt(w, r, "/subscribe", err)
		return
	}
	b := purchase{Reference: rand.Text(), FirstName: clip(r.PostFormValue("firstName")), LastName: clip(r.PostFormValue("lastName")), PostalCode: clip(r.PostFormValue("postalCode"))}
	for _, o := range all {
		if o.ID() == r.PostFormValue("offer") {
			b.Coupon = o
		}
	}
	switch {
	case b.Coupon.Code == "":
		p.shop(w, r, s, http.StatusBadRequest, b, "shopNoOffer")
		return
	case b.LastName == "" || b.PostalCode == "":
		p.shop(w, r, s, http.StatusBadRequest, b, "shopNoAddress")
		return
	}
	flow := order.PaymentFlow(r.PostFormValue("way"))
	byScript := len(p.PaymentSecret) > 0 && (flow == order.Seamless || flow == order.Redirect)
	if byScript {
		err = p.sign(&b, flow)
	}
	if err := errors.Join(err, p.cookies.set(w, "purchase", b, purchaseLifetime)); err != nil {
		p.failAt(w, r, "/subscribe", err)
		return
	}
	if byScript {
		http.Redirect(w, r, "/subscribe/pay", http.StatusSeeOther)
		return
	}
	p.orderFirst(w, r, s, b)
}

// sign makes the sign of the payment script (ConnectID: Mediaconnect payment SDK).
// It is made here, on the server: the key never leaves it.
func (p *Paper) sign(b *purchase, flow order.PaymentFlow) (err error) {
	at := time.Now()
	b.Flow, b.Until = flow, at.Add(time.Hour)
	b.Sign, err = order.Sign(p.PaymentSecret, order.Claims{
		ClientCode: p.ClientID, PaymentMethod: order.CreditCardPayEx, PaymentFlow: flow, ProductSpecCode: b.Coupon.Code, ProductSpecNo: b.Coupon.Number,
		Recurring: true, Description: b.Coupon.Description, ExternalReference: b.Reference, ReturnURL: p.Base + "/subscribe/paid",
		NotBefore: at, IssuedAt: at, Expiry: b.Until,
	})
	return err
}

func clip(s string) string {
	s = strings.TrimSpace(s)
	return s[:min(len(s), 60)]
}

// orderFirst places the order, and sends the reader to pay for it (ConnectID:
// fulfillment).
func (p *Paper) orderFirst(w http.ResponseWriter, r *http.Request, s *session, b purchase) {
	id, err := p.place(r.Context(), s, b, "")
	if err != nil {
		p.refused(w, r, s, b, err)
		return
	}
	q := url.Values{"clientId": {p.ClientID}, "orderId": {strconv.FormatInt(id, 10)}, "returnUrl": {p.Base + "/subscribe/done"}, "lang": {p.Edition.Lang}}
	http.Redirect(w, r, p.LoginServer+"/fulfillment?"+q.Encode(), http.StatusSeeOther)
}

// place orders what the reader buys. The same purchase again is the same order.
func (p *Paper) place(ctx context.Context, s *session, b purchase, mcPayRef string) (int64, error) {
	o := map[string]any{
		"externalOrderId": b.Reference, "paymentMethod": "creditcardPayex", "recurring": true, "currency": b.Coupon.Currency,
		"payer": map[string]any{
			"firstName": b.FirstName, "lastName": b.LastName, "postalCode": b.PostalCode, "countryCode": p.Edition.Country(),
			"emails": []string{s.Credential},
		},
		"orderLines": []map[string]any{{"productSpecType": "coupon", "productSpecCode": b.Coupon.Code, "productSpecNo": b.Coupon.Number, "allowAccessProduct": "DIGITAL", "allowAccessSeconds": 3600}},
	}
	if !strings.Contains(s.Credential, "@") {
		payer := o["payer"].(map[string]any)
		payer["phoneNumbers"] = payer["emails"]
		delete(payer, "emails")
	}
	if mcPayRef != "" {
		o["mcPayRef"] = mcPayRef
	}
	var answer struct {
		OrderID int64 `json:"orderId"`
	}
	err := p.call(p.withClient(ctx), s, http.MethodPost, "/v1/order", o, &answer)
	return answer.OrderID, err
}

// refused answers when an order was not taken.
func (p *Paper) refused(w http.ResponseWriter, r *http.Request, s *session, b purchase, err error) {
	if errors.Is(err, errLoggedOut) {
		p.authorize(w, r, "/subscribe")
		return
	}
	if e, ok := errors.AsType[*apiError](err); ok && e.status < 500 {
		p.Logger.WarnContext(r.Context(), "order refused", "err", err)
		p.shop(w, r, s, http.StatusBadRequest, b, "shopRefused")
		return
	}
	p.failAt(w, r, "/subscribe", err)
}

// pay is the page with the payment script. Who comes back to it after the order was
// placed sees what has become of it.
func (p *Paper) pay(w http.ResponseWriter, r *http.Request, s *session) {
	var b purchase
	if s.Token == nil || !p.cookies.get(r, "purchase", &b) || b.Sign == "" || !time.Now().Before(b.Until) {
		http.Redirect(w, r, "/subscribe", http.StatusSeeOther)
		return
	}
	switch _, found, err := p.ordered(r.Context(), s, b); {
	case errors.Is(err, errLoggedOut):
		p.authorize(w, r, "/subscribe")
		return
	case err != nil:
		p.failAt(w, r, "/subscribe", err)
		return
	case found:
		http.Redirect(w, r, "/subscribe/done", http.StatusSeeOther)
		return
	}
	p.render(w, r, http.StatusOK, "pay", view{
		Session: s, Title: p.Edition.Text("payHeading"), Page: "/subscribe", Purchase: b, PayServer: p.PayServer,
		ScriptURL: p.ScriptServer + "/lib/v/1/mediaconnectpay.js", ClientID: p.ClientID,
	})
}

// ordered asks the API for the order of the purchase; false when none was placed.
func (p *Paper) ordered(ctx context.Context, s *session, b purchase) (o receipt, found bool, err error) {
	var answer struct {
		Orders []receipt `json:"orders"`
	}
	err = p.call(p.withClient(ctx), s, http.MethodPost, "/v1/order/status", map[string]any{"externalOrderId": b.Reference}, &answer)
	if e, refused := errors.AsType[*apiError](err); refused && e.status == http.StatusNotFound {
		return receipt{}, false, nil
	}
	if err != nil || len(answer.Orders) != 1 {
		return receipt{}, false, err
	}
	return answer.Orders[0], true, nil
}

// paid is where a payment made with the script ends up: the provider's redirect, or
// the script's own page. The order is placed now, and names the payment; whether it
// has succeeded is the API's to say, not the address's.
func (p *Paper) paid(w http.ResponseWriter, r *http.Request, s *session) {
	var b purchase
	switch {
	case s.Token == nil:
		p.authorize(w, r, "/subscribe")
		return
	case !p.cookies.get(r, "purchase", &b):
		http.Redirect(w, r, "/subscribe", http.StatusSeeOther)
		return
	case r.FormValue("status") != "success":
		p.message(w, r, http.StatusOK, "notPaid", "/subscribe")
		return
	}
	id, err := p.place(r.Context(), s, b, r.FormValue("mcPayRef"))
	if err != nil {
		p.refused(w, r, s, b, err)
		return
	}
	http.Redirect(w, r, "/subscribe/done?fulfillmentStatus=success&orderId="+strconv.FormatInt(id, 10), http.StatusSeeOther)
}

// done is where a purchase ends. The address is a hint: the receipt is what the API
// says of the order.
func (p *Paper) done(w http.ResponseWriter, r *http.Request, s *session) {
	var b purchase
	if s.Token == nil {
		p.authorize(w, r, "/subscribe")
		return
	}
	if !p.cookies.get(r, "purchase", &b) {
		http.Redirect(w, r, "/me", http.StatusSeeOther)
		return
	}
	o, found, err := p.ordered(r.Context(), s, b)
	switch {
	case errors.Is(err, errLoggedOut):
		p.authorize(w, r, "/subscribe")
		return
	case err != nil:
		p.failAt(w, r, "/subscribe", err)
		return
	case !found:
		http.Redirect(w, r, "/subscribe", http.StatusSeeOther)
		return
	}
	key := "doneWaiting"
	switch {
	case o.Bought():
		key = "doneBought"
	case o.Status == "cancelled":
		key = "doneCancelled"
	case o.Status == "failed":
		key = "doneFailed"
	}
	p.render(w, r, http.StatusOK, "receipt", view{Session: s, Title: p.Edition.Text(key + "Heading"), Page: "/subscribe", Key: key, Receipt: o, Article: p.forSubscribers()})
}

// forSubscribers returns a story that only subscribers can read.
func (p *Paper) forSubscribers() Article {
	for _, a := range p.Edition.Articles {
		if a.Subscribers {
			return a
		}
	}
	return p.Edition.Articles[0]
}
