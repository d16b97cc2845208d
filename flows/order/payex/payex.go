// Package payex takes payments with Swedbank Pay (PayEx): payment orders of its
// Online Payments (checkout v3), version 3.1 of the protocol. [New] returns a
// provider for one payee, which is an [order.Provider] and an [order.Charger].
//
//	card, err := payex.New(payex.Config{
//		Token:     os.Getenv("PAYEX_TOKEN"), // made in the Merchant Portal, for one payee
//		PayeeID:   "5cabf558-5283-482f-b252-4d58e06f6f3b",
//		PayeeName: "Bladet",
//	})
//	…
//	connectid.Config{Merchants: []order.Merchant{{
//		ID: "bladet", PartnerID: "bladet", Default: true,
//		Providers: map[order.Method]order.Provider{order.CreditCardPayEx: card, order.SwishPayEx: card},
//	}}}
//
// The sources named in this package are pages of developer.swedbankpay.com, below
// checkout-v3.
//
// # What happens to a payment
//
// A payment is one payment order (get-started/payment-request). The payer is sent to
// its redirect-checkout, or the page shows its view-checkout; nothing that her
// browser or a callback says is believed, the payment order is read instead
// (get-started/validate-status). Cards reserve money, which Capture takes; Swish takes
// it at once. A recurring payment makes an unscheduled token, with which Charge
// reserves money again (features/optional/unscheduled). Only cards are offered for
// those.
//
// # Money is not taken twice
//
// Swedbank Pay knows no idempotency key. What it has is the payeeReference, which is
// unique for each operation, "to ensure an exactly-once delivery", and it does not
// allow a second payment order with the same one (technical-reference/payee-reference,
// features/customize-ui/instrument-mode). It does not say what the first answer was,
// and no payment order can be found by it. So:
//
//   - The payeeReference is derived from the payment, the action, its key and a count;
//     the orderReference is the payment's own ID.
//   - Start, repeated because its answer was lost, is refused for the reference, and
//     makes another payment order with the next one. The first one stays behind, but its
//     address was only in the answer that nobody has, so that nobody can pay it. It
//     follows that a caller gives the payer the address of the Started that it has
//     stored, and of no other.
//   - Capture, Cancel and Refund read the payment order first, and again after whatever
//     was answered: a thing that is done is not done again. They are for all of the
//     money, of which Swedbank Pay moves no more than there is, so that even two of them
//     at the same moment take it once.
//   - Charge, repeated because its answer was lost, reserves the money once more with the
//     next reference. An unscheduled purchase takes nothing: a reservation that no
//     Capture names lapses, and only the payment order that was returned can be
//     captured. This holds for cards, so tokens of anything else are not used.
package payex

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/order"
)

// Where the protocol is spoken (get-started/fundamental-principles, "URL usage").
const (
	Production          = "https://api.payex.com"
	ExternalIntegration = "https://api.externalintegration.payex.com" // for tests, with test cards
)

// CallbackAddresses are those from which callbacks come, in production and in the
// test environment alike (features/payment-operations/callback, "Callback IP
// addresses").
func CallbackAddresses() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("20.91.170.120/29"),
		netip.MustParsePrefix("51.107.183.58/32"),
		netip.MustParsePrefix("91.132.170.1/32"),
	}
}

// Config configures a [Provider].
type Config struct {
	// BaseURL is where the protocol is spoken; default [Production]. http is for
	// loopback addresses with InsecureAllowHTTP.
	BaseURL string
	// Token is the access token of the payee, from the Merchant Portal; required.
	Token string
	// PayeeID is who gets the money, by Swedbank Pay's ID; required.
	PayeeID string
	// PayeeName is what payers see; required.
	PayeeName string
	// UserAgent names the system that calls; default connectid.
	UserAgent string
	// WholeMenu offers every way to pay that the payee's agreement has, instead of the
	// one that the order's paymentMethod names. Recurring payments are by card all the
	// same.
	WholeMenu bool
	// Prefill gives the payer's e-mail address and mobile number to Swedbank Pay, which
	// fills them in and keeps them. It asks for the payer's explicit consent, which is
	// the merchant's to get.
	Prefill bool
	// DigitReferences makes references of 12 digits, for a payee that settles with its
	// acquirer itself (technical-reference/payee-reference, "Option B").
	DigitReferences bool
	// CallbackAddresses are those from which callbacks are believed to be Swedbank
	// Pay's; default the documented ones. The kit sees the right address of a caller
	// only when it knows its proxies.
	CallbackAddresses []netip.Prefix
	// Hosts are hosts, with all below them, that payers may be sent to and scripts be
	// loaded from; default payex.com and swedbankpay.com. The host of BaseURL is always
	// one.
	Hosts []string
	// HTTPClient makes the calls; default one that waits 10 seconds. Redirects are never
	// followed.
	HTTPClient *http.Client
	// InsecureAllowHTTP permits http on loopback addresses, for development.
	InsecureAllowHTTP bool
	Logger            *slog.Logger // default slog.Default()
}

// Provider takes payments for one payee. It is safe for concurrent use.
type Provider struct {
	c    Config
	base *url.URL
	http *http.Client
}

var _ order.Charger = (*Provider)(nil)

// timeout is how long a call may take, with its answer.
const timeout = 10 * time.Second

// New returns the provider, or all that is wrong with c.
func New(c Config) (*Provider, error) {
	var errs []error
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, Production), "/")
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.Path != "" || base.RawQuery != "" || base.Fragment != "":
		errs = append(errs, fmt.Errorf("bad BaseURL %q: want scheme and host only, such as %s", c.BaseURL, Production))
	case base.Scheme == "http" && (!c.InsecureAllowHTTP || !loopback(base.Hostname())):
		errs = append(errs, fmt.Errorf("bad BaseURL %q: use https, or InsecureAllowHTTP for a loopback address", c.BaseURL))
	case base.Scheme != "http" && base.Scheme != "https":
		errs = append(errs, fmt.Errorf("bad BaseURL %q: use https", c.BaseURL))
	}
	if c.Token == "" {
		errs = append(errs, errors.New("missing Token"))
	} else if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("bad Token: want printable ASCII")) // never the token itself
	}
	if c.PayeeID == "" || len(c.PayeeID) > 100 || !plain(c.PayeeID) {
		errs = append(errs, fmt.Errorf("bad PayeeID %q", c.PayeeID))
	}
	if c.PayeeName == "" || len(c.PayeeName) > 100 || !plain(c.PayeeName) {
		errs = append(errs, fmt.Errorf("bad PayeeName %q", c.PayeeName))
	}
	c.UserAgent = cmp.Or(c.UserAgent, "connectid")
	if strings.ContainsFunc(c.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		errs = append(errs, fmt.Errorf("bad UserAgent %q: want printable ASCII", c.UserAgent))
	}
	if c.CallbackAddresses == nil {
		c.CallbackAddresses = CallbackAddresses()
	}
	c.CallbackAddresses = slices.Clone(c.CallbackAddresses)
	for _, p := range c.CallbackAddresses {
		if !p.IsValid() {
			errs = append(errs, fmt.Errorf("bad CallbackAddresses: %v", p))
		}
	}
	if c.Hosts == nil {
		c.Hosts = []string{"payex.com", "swedbankpay.com"}
	}
	c.Hosts = slices.Clone(c.Hosts)
	for i, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/:@* ") || strings.HasPrefix(h, ".") {
			errs = append(errs, fmt.Errorf("bad Hosts: %q is not a host", h))
		}
		c.Hosts[i] = strings.ToLower(h)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("payex: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.Timeout = cmp.Or(client.Timeout, timeout)
	// The answer of another place is not Swedbank Pay's, and must not get the token.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Provider{c, base, &client}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// plain says that s is text without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// same resolves an address that Swedbank Pay has given of one of its own resources.
// Another origin is refused: it would get the token.
func (p *Provider) same(address string) (*url.URL, error) {
	if address == "" || len(address) > 1000 || !plain(address) || strings.Contains(address, `\`) {
		return nil, errors.New("a bad address of a resource")
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("a bad address of a resource")
	}
	if u = p.base.ResolveReference(u); u.Scheme != p.base.Scheme || !strings.EqualFold(u.Host, p.base.Host) || len(u.Path) < 2 {
		return nil, errors.New("the address of a resource is of another origin")
	}
	return u, nil
}

// shown checks an address that the payer's browser is given: a page or a script.
func (p *Provider) shown(address string) (string, error) {
	if len(address) > 2000 || !plain(address) || strings.Contains(address, `\`) {
		return "", errors.New("a bad address for the payer")
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" {
		return "", errors.New("a bad address for the payer")
	}
	host := strings.ToLower(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && p.c.InsecureAllowHTTP && loopback(host)) {
		return "", errors.New("the address for the payer is not of https")
	}
	if host != strings.ToLower(p.base.Hostname()) && !slices.ContainsFunc(p.c.Hosts, func(h string) bool {
		return host == h || strings.HasSuffix(host, "."+h)
	}) {
		return "", fmt.Errorf("the address for the payer is of the host %q", host)
	}
	return u.String(), nil
}
