package vipps

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// The dates of webhooks that are believed. Vipps repeats one for up to 7 days
// (Webhooks API guide, "Retries"), and does not say that it dates it anew.
const (
	oldest = 8 * 24 * time.Hour
	newest = 15 * time.Minute
)

// Callback implements [order.Provider] for the webhooks of the Webhooks API: signed
// by one of Config.WebhookSecrets (guide "Request authentication"). An authentic one
// that is about no payment of the kit's is about "": Vipps sends nothing else of a
// payment before one is taken, so none may be refused for what it says. To send one
// again does no harm, for it is only worth a question to Vipps.
func (p *Provider) Callback(ctx context.Context, c order.Callback) (string, error) {
	if err := p.authentic(c); err != nil {
		return "", fmt.Errorf("vipps: %w: %w", order.ErrForged, err)
	}
	id := p.paymentOf(c.Body)
	if id != "" && c.PaymentID != "" && id != c.PaymentID {
		return "", fmt.Errorf("vipps: %w: it is about another payment than its address", order.ErrForged)
	}
	return id, nil
}

// authentic says what is wrong with a webhook.
func (p *Provider) authentic(c order.Callback) error {
	if len(p.c.WebhookSecrets) == 0 {
		return errors.New("there is no webhook secret")
	}
	one := func(name string) string {
		if v := c.Header[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	date, digest, authorization := one("X-Ms-Date"), one("X-Ms-Content-Sha256"), one("Authorization")
	at, err := http.ParseTime(date)
	u, urlErr := url.Parse(c.URL)
	now := c.At
	if now.IsZero() {
		now = p.now()
	}
	sum := sha256.Sum256(c.Body)
	switch {
	case c.HTTPMethod != http.MethodPost:
		return errors.New("it is no POST")
	case urlErr != nil || u.Host == "":
		return errors.New("its address is none")
	case err != nil:
		return errors.New("it has no date")
	case now.Sub(at) > oldest || at.Sub(now) > newest:
		return errors.New("its date is not of these days")
	case !hmac.Equal([]byte(digest), []byte(base64.StdEncoding.EncodeToString(sum[:]))):
		return errors.New("its body is another")
	}
	for _, secret := range p.c.WebhookSecrets {
		if hmac.Equal([]byte(authorization), []byte(signature(secret, u, date, digest))) {
			return nil
		}
	}
	return errors.New("its signature is not by a secret at hand")
}

// signature is the Authorization of a webhook. The secret is used as it is written.
func signature(secret string, u *url.URL, date, digest string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "POST\n%s\n%s;%s;%s", u.RequestURI(), date, u.Host, digest)
	return "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// paymentOf reads which payment an authentic webhook is about. An ePayment has the
// kit's name as its reference, a charge as its chargeId, and an agreement as its
// external ID.
func (p *Provider) paymentOf(body []byte) string {
	var event struct {
		MSN         string `json:"msn"`
		Reference   string `json:"reference"`
		EventType   string `json:"eventType"`
		ChargeID    string `json:"chargeId"`
		AgreementID string `json:"agreementExternalId"`
	}
	if json.Unmarshal(body, &event) != nil || event.MSN != "" && event.MSN != p.c.MerchantSerialNumber {
		return ""
	}
	id := event.Reference
	switch {
	case strings.HasPrefix(event.EventType, "recurring.charge-"):
		id = event.ChargeID
	case strings.HasPrefix(event.EventType, "recurring.agreement-"):
		id = event.AgreementID
	}
	if !paymentForm.MatchString(id) {
		return ""
	}
	return id
}

// Events returns the types of webhooks that say something of payments by the method.
func Events(m order.Method) []string {
	switch m {
	case order.VippsEcommerce:
		return []string{
			"epayments.payment.aborted.v1", "epayments.payment.expired.v1", "epayments.payment.terminated.v1", "epayments.payment.authorized.v1",
			"epayments.payment.cancelled.v1", "epayments.payment.captured.v1", "epayments.payment.refunded.v1",
		}
	case order.VippsRecurring:
		return []string{
			"recurring.agreement-activated.v1", "recurring.agreement-rejected.v1", "recurring.agreement-stopped.v1", "recurring.agreement-expired.v1",
			"recurring.charge-reserved.v1", "recurring.charge-captured.v1", "recurring.charge-canceled.v1", "recurring.charge-failed.v1",
		}
	}
	return nil
}

// Webhook is an address that Vipps calls.
type Webhook struct {
	ID     string   `json:"id"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	// Secret is for Config.WebhookSecrets. It is told only when the webhook is
	// registered.
	Secret string `json:"secret"`
}

const webhooksPath = "/webhooks/v1/webhooks"

// RegisterWebhook makes Vipps call the address when one of the events occurs
// (Webhooks API: POST /v1/webhooks). The address is the callback address of the
// merchant and the method: https, and not one that redirects. Each call makes a
// webhook more, so it is for the host's own hands, once.
func (p *Provider) RegisterWebhook(ctx context.Context, address string, events []string) (Webhook, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https":
		return Webhook{}, fmt.Errorf("vipps: bad address %q: want an absolute https address", address)
	case len(events) == 0:
		return Webhook{}, errors.New("vipps: a webhook without events")
	}
	in := struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}{address, events}
	w := Webhook{URL: address, Events: events}
	if err := p.call(ctx, http.MethodPost, webhooksPath, "", in, &w); err != nil {
		return Webhook{}, err
	}
	if !nameForm.MatchString(w.ID) || w.Secret == "" {
		return Webhook{}, errors.New("vipps: the answer has no secret")
	}
	return w, nil
}

// Webhooks lists what is registered for the sales unit, without the secrets.
func (p *Provider) Webhooks(ctx context.Context) ([]Webhook, error) {
	var out struct {
		Webhooks []Webhook `json:"webhooks"`
	}
	err := p.call(ctx, http.MethodGet, webhooksPath, "", nil, &out)
	return out.Webhooks, err
}

// DeleteWebhook ends a webhook.
func (p *Provider) DeleteWebhook(ctx context.Context, id string) error {
	if !nameForm.MatchString(id) {
		return fmt.Errorf("vipps: bad webhook ID %q", id)
	}
	return p.call(ctx, http.MethodDelete, webhooksPath+"/"+id, "", nil, nil)
}
