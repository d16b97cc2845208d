// Package vipps takes payments with Vipps MobilePay: vippsEcommerce by the ePayment
// API, and vippsRecurring by the Recurring API v3. [New] returns a [Provider], an
// order.Provider and order.Charger for both methods at one sales unit.
//
// A payment of vippsEcommerce is reserved by the payer and captured by the kit. One
// of vippsRecurring is an agreement with an initial charge, which is reserved and
// captured alike; later charges are drawn days after they were made, so that their
// Standing is Open until then.
//
// Nothing depends on the browser in which the payer comes back: Vipps can open
// another one than she left (guide "Recommendations regarding handling redirects").
// How a payment stands is always fetched. Webhooks only say that it is worth doing.
//
// Sources: the OpenAPI files and guides in the public repositories
// vippsas/vipps-epayment-api, vippsas/vipps-recurring-api, vippsas/webhooks-api and
// vippsas/access-token-api, and developer.vippsmobilepay.com.
package vipps

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/connectid-kit/connectid/flows/order"
)

// The environments of Vipps MobilePay.
const (
	Production = "https://api.vipps.no"
	Test       = "https://apitest.vipps.no"
)

// Config configures a [Provider].
type Config struct {
	// BaseURL is where the APIs are; default [Production]. https, or http on a
	// loopback address with InsecureAllowHTTP.
	BaseURL string
	// ClientID, ClientSecret and SubscriptionKey are the API keys of the sales unit,
	// and MerchantSerialNumber its number (MSN). Required.
	ClientID             string
	ClientSecret         string
	SubscriptionKey      string
	MerchantSerialNumber string
	// WebhookSecrets are those of the webhooks that are registered for the sales
	// unit ([Provider.RegisterWebhook]), all that may still be in use. Without one
	// no webhook is believed, and the kit asks on its own.
	WebhookSecrets []string
	// AgreementURL is the page on which payers manage what they have agreed to
	// (merchantAgreementUrl); https. Without it vippsRecurring is refused.
	AgreementURL string
	// Renewal is what payers agree to when a recurring payment does not say what it
	// costs later. Without it such a payment is refused.
	Renewal order.Renewal
	// DaysAhead is how many days a charge is made before it is drawn: default 2, the
	// least that every sales unit may do.
	DaysAhead int
	// RetryDays is for how many days after that Vipps tries again, at most 14;
	// default 5. Below zero for none.
	RetryDays int
	// SystemName tells Vipps what calls, in at most 30 characters, as the three below;
	// default connectid.
	SystemName string
	// SystemVersion is its version; default 1.
	SystemVersion string
	// PluginName names a part of it; default SystemName.
	PluginName string
	// PluginVersion is the version of that; default SystemVersion.
	PluginVersion string
	// HTTPClient makes the calls; default one that waits 10 seconds. Redirects are
	// never followed.
	HTTPClient *http.Client
	// InsecureAllowHTTP permits http on loopback addresses, for tests.
	InsecureAllowHTTP bool
}

// Provider is a sales unit at Vipps MobilePay. It is safe for concurrent use.
type Provider struct {
	c      Config
	base   *url.URL
	http   *http.Client
	tokens tokens
	now    func() time.Time
}

var _ order.Charger = (*Provider)(nil)

var msnForm = regexp.MustCompile(`^[0-9]{4,10}$`)

// New returns the provider, or all that is wrong with c. It makes no call.
func New(c Config) (*Provider, error) {
	c.BaseURL = cmp.Or(c.BaseURL, Production)
	c.SystemName = cmp.Or(c.SystemName, "connectid")
	c.SystemVersion = cmp.Or(c.SystemVersion, "1")
	c.PluginName = cmp.Or(c.PluginName, c.SystemName)
	c.PluginVersion = cmp.Or(c.PluginVersion, c.SystemVersion)
	c.DaysAhead = cmp.Or(c.DaysAhead, 2)
	c.RetryDays = max(cmp.Or(c.RetryDays, 5), 0)
	c.WebhookSecrets = slices.Clone(c.WebhookSecrets)

	var errs []error
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		errs = append(errs, fmt.Errorf("bad BaseURL %q: want an absolute address without a query", c.BaseURL))
	case base.Scheme == "http" && (!c.InsecureAllowHTTP || !loopback(base.Hostname())):
		errs = append(errs, fmt.Errorf("bad BaseURL %q: use https, or InsecureAllowHTTP for a loopback address", c.BaseURL))
	case base.Scheme != "http" && base.Scheme != "https":
		errs = append(errs, fmt.Errorf("bad BaseURL %q: use https", c.BaseURL))
	}
	for name, value := range map[string]string{"ClientID": c.ClientID, "ClientSecret": c.ClientSecret, "SubscriptionKey": c.SubscriptionKey} {
		if value == "" {
			errs = append(errs, errors.New("missing "+name))
		} else if !printable(value) {
			errs = append(errs, fmt.Errorf("bad %s: want printable ASCII", name))
		}
	}
	if !msnForm.MatchString(c.MerchantSerialNumber) {
		errs = append(errs, fmt.Errorf("bad MerchantSerialNumber %q: want 4 to 10 digits", c.MerchantSerialNumber))
	}
	for name, value := range map[string]string{"SystemName": c.SystemName, "SystemVersion": c.SystemVersion, "PluginName": c.PluginName, "PluginVersion": c.PluginVersion} {
		if len(value) > 30 || !printable(value) {
			errs = append(errs, fmt.Errorf("bad %s %q: want at most 30 printable ASCII characters", name, value))
		}
	}
	for i, secret := range c.WebhookSecrets {
		if len(secret) < 16 {
			errs = append(errs, fmt.Errorf("bad WebhookSecrets[%d]: too short to be one", i))
		}
	}
	if c.AgreementURL != "" {
		if u, err := url.Parse(c.AgreementURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(c.AgreementURL) > 1024 {
			errs = append(errs, fmt.Errorf("bad AgreementURL %q: want an absolute https address of at most 1024 bytes", c.AgreementURL))
		}
	}
	if c.Renewal != (order.Renewal{}) {
		if _, err := intervalOf(c.Renewal.Period); err != nil || c.Renewal.Price < 100 {
			errs = append(errs, fmt.Errorf("bad Renewal: want a price of at least 100 minor units and a period that Vipps knows (%v)", err))
		}
	}
	if c.DaysAhead < 1 || c.DaysAhead > 700 {
		errs = append(errs, fmt.Errorf("bad DaysAhead %d: want 1 to 700", c.DaysAhead))
	}
	if c.RetryDays > 14 {
		errs = append(errs, fmt.Errorf("bad RetryDays %d: want at most 14", c.RetryDays))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("vipps: %w", err)
	}

	client := http.Client{Transport: http.DefaultTransport}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.Timeout = cmp.Or(client.Timeout, 10*time.Second)
	client.Jar = nil
	// The answer of another place is not Vipps', and must not get its token.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := &Provider{c: c, base: base, http: &client, now: time.Now}
	p.tokens.fetch = p.fetchToken
	p.tokens.now = func() time.Time { return p.now() }
	return p, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// The kinds of references. A later charge is one of its own, for it says nothing of
// the agreement.
const (
	ePayment = "epayment"
	initial  = "recurring"
	later    = "charge"
)

// reference is what a payment is called at Vipps.
type reference struct {
	kind      string
	id        string // of the ePayment or the charge
	agreement string
}

func (r reference) String() string {
	if r.kind == ePayment {
		return r.kind + ":" + r.id
	}
	return r.kind + ":" + r.agreement + ":" + r.id
}

var (
	// paymentForm is what [order.Start] promises, and the least that both APIs take
	// (ePayment: ReferenceType; Recurring: orderId).
	paymentForm = regexp.MustCompile(`^[a-zA-Z0-9]{8,32}$`)
	// nameForm is that of what Vipps names itself, such as agr_5kSeqz.
	nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
)

func parseReference(s string) (reference, error) {
	parts := strings.Split(s, ":")
	switch {
	case len(parts) == 2 && parts[0] == ePayment && nameForm.MatchString(parts[1]):
		return reference{kind: ePayment, id: parts[1]}, nil
	case len(parts) == 3 && (parts[0] == initial || parts[0] == later) && nameForm.MatchString(parts[1]) && nameForm.MatchString(parts[2]):
		return reference{kind: parts[0], agreement: parts[1], id: parts[2]}, nil
	}
	return reference{}, fmt.Errorf("vipps: %w: %q is no reference of this provider", order.ErrUnknown, s)
}

// find returns what the payment is called. When Start was never answered, Vipps is
// asked: its own name for a payment is the kit's, and a charge knows its agreement.
func (p *Provider) find(ctx context.Context, r order.Ref) (reference, error) {
	if r.Provider != "" {
		return parseReference(r.Provider)
	}
	switch {
	case !paymentForm.MatchString(r.ID):
		return reference{}, fmt.Errorf("vipps: payment %q: %w", r.ID, order.ErrUnknown)
	case r.Method != order.VippsRecurring:
		return reference{kind: ePayment, id: r.ID}, nil
	}
	return p.findCharge(ctx, r.ID)
}

// Start implements [order.Provider].
func (p *Provider) Start(ctx context.Context, s order.Start) (order.Started, error) {
	var err error
	switch {
	case s.Method != order.VippsEcommerce && s.Method != order.VippsRecurring:
		err = refuse("no payments by %q", s.Method)
	case s.Recurring != (s.Method == order.VippsRecurring):
		err = refuse("%s with recurring=%t", s.Method, s.Recurring)
	case s.Flow != order.Redirect && s.Flow != "":
		err = refuse("no %q view: payers are sent to Vipps", s.Flow)
	case !paymentForm.MatchString(s.ID):
		err = refuse("payment ID %q can be no reference", s.ID)
	case s.Key == "":
		err = errors.New("vipps: a payment without an idempotency key")
	case !slices.Contains([]string{"NOK", "DKK", "EUR"}, s.Currency): // ePayment: Currency
		err = refuse("currency %q", s.Currency)
	case s.Amount <= 0 || s.Amount > 65_000_000: // ePayment: Amount
		err = refuse("amount %d", s.Amount)
	case len(s.ReturnURL) > 1024: // Recurring: merchantRedirectUrl
		err = refuse("a return URL of %d bytes", len(s.ReturnURL))
	}
	if err != nil {
		return order.Started{}, err
	}
	if s.Method == order.VippsRecurring {
		return p.startAgreement(ctx, s)
	}
	return p.startPayment(ctx, s)
}

// Standing implements [order.Provider]. An agreement whose initial charge has failed
// is stopped before it is said to have.
func (p *Provider) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	ref, err := p.find(ctx, r)
	if err != nil {
		return order.Standing{}, err
	}
	switch ref.kind {
	case ePayment:
		v, err := p.getPayment(ctx, ref.id)
		return v.standing, err
	case initial:
		v, err := p.getAgreement(ctx, ref)
		if err == nil && v.status == agreementActive && over(v.standing.State) {
			err = p.finish(ctx, ref, v, ref.id)
		}
		if err != nil {
			return order.Standing{}, err
		}
		return v.standing, nil
	}
	v, err := p.getCharge(ctx, ref)
	return v.standing, err
}

// Capture implements [order.Provider]. It takes all that is reserved.
func (p *Provider) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	ref, v, err := p.before(ctx, r, a)
	if err != nil {
		return order.Standing{}, err
	}
	st := v.standing
	switch {
	case st.State != order.Authorized && (st.State != order.Captured || v.rest > 0):
		return st, refuse("it is %s", st.State)
	case a.Amount != st.Amount || a.Currency != st.Currency:
		return st, refuse("there are %d %s, not %d %s", st.Amount, st.Currency, a.Amount, a.Currency)
	}
	// What is taken is asked for again: Vipps knows whether it was by this key, and
	// there is nothing more to take.
	return p.after(ctx, ref, v, p.capture(ctx, ref, v, a))
}

// Cancel implements [order.Provider]. With its initial charge an agreement ends. One
// that the payer is looking at may not be stopped: that is no refusal, for it expires
// within 10 minutes.
func (p *Provider) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	ref, v, err := p.before(ctx, r, a)
	if err != nil {
		return order.Standing{}, err
	}
	var failed error
	if open := v.standing.State == order.Open; open || v.standing.State == order.Authorized {
		if open && ref.kind == initial && (v.status == agreementPending || v.status == agreementActive) {
			failed = p.stop(ctx, ref, a.Key)
		} else {
			failed = p.release(ctx, ref, a)
		}
		if failed != nil && !refused(failed) {
			return order.Standing{}, failed
		}
		if v, err = p.get(ctx, ref); err != nil {
			return order.Standing{}, errors.Join(failed, err)
		}
		if open && v.standing.State == order.Open && failed != nil {
			return order.Standing{}, failed // not yet
		}
	}
	switch {
	case over(v.standing.State):
		if err := p.finish(ctx, ref, v, a.Key); err != nil {
			return order.Standing{}, err
		}
		return v.standing, nil
	case v.standing.State == order.Captured || v.standing.State == order.Refunded:
		return v.standing, refuse("the money is taken")
	case failed != nil:
		return v.standing, fmt.Errorf("%w: %w", order.ErrRefused, failed)
	}
	return v.standing, nil
}

// Refund implements [order.Provider]. It gives back all that was taken, releases
// what is still reserved, and stops the agreement whose initial charge it was.
func (p *Provider) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	ref, v, err := p.before(ctx, r, a)
	if err != nil {
		return order.Standing{}, err
	}
	amount := v.taken
	switch v.standing.State {
	case order.Captured:
	case order.Refunded:
		amount = v.standing.Amount // as in Capture: was it by this key?
	default:
		return v.standing, refuse("it is %s", v.standing.State)
	}
	if v.rest > 0 {
		if err := p.release(ctx, ref, a); err != nil {
			return p.after(ctx, ref, v, err)
		}
	}
	var failed error
	if amount > 0 {
		failed = p.refund(ctx, ref, v, amount, a)
	}
	if failed == nil || v.standing.State == order.Refunded {
		if err := p.finish(ctx, ref, v, a.Key); err != nil {
			return order.Standing{}, err
		}
	}
	return p.after(ctx, ref, v, failed)
}

// before finds a payment to whose money something is to be done.
func (p *Provider) before(ctx context.Context, r order.Ref, a order.Action) (reference, view, error) {
	if a.Key == "" {
		return reference{}, view{}, errors.New("vipps: an action without an idempotency key")
	}
	ref, err := p.find(ctx, r)
	if err != nil {
		return reference{}, view{}, err
	}
	v, err := p.get(ctx, ref)
	return ref, v, err
}

// after says how a payment stands to which something was done, or was not.
func (p *Provider) after(ctx context.Context, ref reference, before view, failed error) (order.Standing, error) {
	// 409 is an outage while there is something to do: another call is at work.
	again := before.standing.State == order.Refunded && hasStatus(failed, http.StatusConflict)
	if failed != nil && !refused(failed) && !again {
		return order.Standing{}, failed
	}
	v, err := p.get(ctx, ref)
	switch {
	case err != nil:
		return order.Standing{}, errors.Join(failed, err)
	case failed != nil:
		return v.standing, fmt.Errorf("%w: %w", order.ErrRefused, failed)
	}
	return v.standing, nil
}

// finish stops the agreement, if it is still active, of an initial charge that pays
// for nothing. Its failure is that of the whole: the payment has not ended before.
func (p *Provider) finish(ctx context.Context, ref reference, v view, key string) error {
	if ref.kind != initial || v.status != agreementActive {
		return nil
	}
	if err := p.stop(ctx, ref, key); err != nil {
		return fmt.Errorf("stop the agreement: %v", err) // not %w: it says nothing of the money
	}
	return nil
}

// view is how a payment stands, and what the standing does not say.
type view struct {
	standing    order.Standing
	status      string // of the agreement of an initial charge
	description string // that the payer has seen
	taken       int64  // and not given back
	rest        int64  // that is reserved and not taken
}

// over reports whether a payment has ended without money.
func over(s order.State) bool {
	return s == order.Cancelled || s == order.Failed || s == order.Released
}

func (p *Provider) get(ctx context.Context, ref reference) (view, error) {
	switch ref.kind {
	case ePayment:
		return p.getPayment(ctx, ref.id)
	case initial:
		return p.getAgreement(ctx, ref)
	}
	return p.getCharge(ctx, ref)
}

// Charge implements [order.Charger]. The charge is drawn by Vipps on the day of
// DueAt, or as soon as can be.
func (p *Provider) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	switch {
	case c.Method != order.VippsRecurring:
		return order.Charged{}, refuse("no charges by %q", c.Method)
	case !nameForm.MatchString(c.Token):
		return order.Charged{}, refuse("the token names no agreement")
	case !paymentForm.MatchString(c.ID):
		return order.Charged{}, refuse("payment ID %q can be no reference", c.ID)
	case c.Key == "":
		return order.Charged{}, errors.New("vipps: a charge without an idempotency key")
	case c.Amount < 100: // Recurring: CreateCharge
		return order.Charged{}, refuse("amount %d", c.Amount)
	}
	return p.createCharge(ctx, c)
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("vipps: %w: %s", order.ErrRefused, fmt.Sprintf(format, args...))
}

// keyOf makes the idempotency key of one operation: 32 characters that both APIs
// take (Recurring: 1 to 40 without #, ?, / and \). Different requests never share
// one, for the Recurring API answers that with 409.
func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// while is a part of the keys of operations that do no harm when they are done twice:
// all of them end what there is, or take or give back the whole. A refusal is the
// answer to its key for ever (Recurring guide, "Idempotency Key header"), so one that
// came too early has to be asked for under another.
func (p *Provider) while(d time.Duration) string {
	return p.now().UTC().Truncate(d).Format(time.RFC3339)
}

// text cuts a text for the payer to n characters, or returns the first of the others
// that is none.
func text(n int, of ...string) string {
	for _, s := range of {
		s = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar {
				return ' '
			}
			return r
		}, s))
		if s == "" {
			continue
		}
		if r := []rune(s); len(r) > n {
			s = strings.TrimSpace(string(r[:n-1])) + "…"
		}
		return s
	}
	return ""
}

var norwegianMobile = regexp.MustCompile(`^\+47[49][0-9]{7}$`)

// phone is the payer's number as Vipps writes it (MSISDN: digits only), if it is one
// that can be a Vipps user's.
func phone(e164 string) string {
	if !norwegianMobile.MatchString(e164) {
		return ""
	}
	return e164[1:]
}

// checkRedirect judges the address that payers are sent to.
func (p *Provider) checkRedirect(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 4096 || u.Host == "" || u.User != nil || u.Opaque != "":
		return errors.New("vipps: the answer has no address to send the payer to")
	case u.Scheme == "https", u.Scheme == "http" && p.base.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("vipps: the payer is sent to an address of scheme %q", u.Scheme)
}

// tokens keeps the access token: one fetch for any number of callers.
type tokens struct {
	fetch func(context.Context) (token, error)
	now   func() time.Time
	mu    sync.Mutex
	token token
	call  *fetching
}

type token struct {
	value   string
	renewAt time.Time
	ends    time.Time
}

type fetching struct {
	done  chan struct{}
	token token
	err   error
}

// get returns a token that is not the stale one. One that is about to expire is
// renewed meanwhile, and is good until it does.
func (t *tokens) get(ctx context.Context, stale string) (string, error) {
	t.mu.Lock()
	now := t.now()
	old := t.token
	good := old.value != "" && old.value != stale && now.Before(old.ends)
	if good && now.Before(old.renewAt) {
		t.mu.Unlock()
		return old.value, nil
	}
	call := t.call
	if call == nil {
		call = &fetching{done: make(chan struct{})}
		t.call = call
		// It goes on when the caller who began it leaves: others wait for it.
		go func(ctx context.Context) {
			call.token, call.err = t.fetch(ctx)
			t.mu.Lock()
			if t.call = nil; call.err == nil {
				t.token = call.token
			}
			t.mu.Unlock()
			close(call.done)
		}(context.WithoutCancel(ctx))
	}
	t.mu.Unlock()
	if good {
		return old.value, nil
	}
	select {
	case <-call.done:
		return call.token.value, call.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
