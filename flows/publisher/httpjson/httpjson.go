// Package httpjson asks a publisher's own systems over HTTP and JSON. [New]
// returns a client that is a [publisher.Customers], and has a
// [publisher.Memberships], a [publisher.Catalogue] and a [publisher.Access].
//
// # The protocol
//
// Every call is a POST of a JSON object, so that no name, number or address
// stands in a URL, to one of these addresses below the base, and is answered by
// 200 with a JSON object (tie and untie may answer 204 with nothing):
//
//	customers/search         {"partnerId","clientId","number","lastName","postalCode"} → {"person":{…}}
//	customers/by-credential  {"partnerId","clientId","credentialType":"A"|"B","credential"} → {"persons":[…]}
//	customers/tie            {"partnerId","clientId","number","userId"} → {}
//	customers/untie          {"partnerId","clientId","number","userId"} → {}
//	customers/offers         {"partnerId","clientId"} → {"offers":[{"id","product","name","terms","price","currency","invoice"}]}
//	customers/create         {"key","partnerId","clientId","offerId","payment","userId","firstName",…} → {"person":{…}}
//	customers/subscriptions  {"partnerId","number"} → {"subscriptions":[{"id","product","name","startTime","endTime","stopped","paid","price","currency"}]}
//	customers/info           {"partnerId","number"} → {"info":{…}}
//	customers/replace        {"partnerId","number","info":{…}} → {}
//	memberships/search, memberships/by-credential, memberships/tie, memberships/untie: the same
//	catalogue/products         {"partnerId","code","type","shop","onlyActive","changedAfter"} → {"products":[{…}]}
//	catalogue/coupons          {"partnerId","product"} → {"coupons":[{…}]}
//	catalogue/price            {"partnerId","couponCode","couponNumber","product","customerNumber","country","postalCode"} → {"price":{…}}
//	catalogue/voucher          {"partnerId","code"} → {"coupons":[{…}]}
//	catalogue/voucher/spend    {"partnerId","code","couponCode","couponNumber","use"} → {}
//	catalogue/voucher/release  {"partnerId","code","couponCode","couponNumber","use"} → {}
//	access/check               {"partnerId","clientId","userId","customerNumbers","product","articleId",…} → {"access","accesses":[{…}],"articles":[…]}
//	access/products            {"partnerId","userId","customerNumbers"} → {"products":[{"productId","accessType","startTime","endTime"}]}
//
// A person is {"number","name","place","detail"}; the other objects are the
// structs of this package with their JSON names. Prices are whole minor units of
// the currency, percentages hundredths (2500 is 25 percent), times milliseconds
// since 1970. 404 says that there is no such person (or that the name or postal
// code is not hers: a system must not tell which), product, coupon or voucher;
// 409 that a person is tied to another user, or a voucher spent. Any other status
// is an outage.
//
// # Authentication
//
// A call carries either Authorization: Bearer with [Config] Token, or, with
// [Config] Secret, the headers X-Connectid-Timestamp (seconds since 1970) and
// X-Connectid-Signature: "v1=" and the hexadecimal HMAC-SHA256 of
// method, path, timestamp and body, each but the last followed by a newline.
// [Verify] checks it on the publisher's side.
package httpjson

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// Config configures a [Client].
type Config struct {
	// URL is the base of all addresses, such as https://crm.example/connectid/.
	// Required; https, or http on a loopback address with InsecureAllowHTTP.
	URL string
	// Token is sent as a bearer token (RFC 6750). Either it or Secret is required.
	Token string
	// Secret signs each call; at least 32 bytes.
	Secret []byte
	// InsecureAllowHTTP permits http on loopback addresses, for development.
	InsecureAllowHTTP bool
	// Timeout bounds one call; default 3 seconds, so that a reader is answered
	// within 5.
	Timeout time.Duration
	// MaxBody is the largest answer that is read, in bytes after decompression;
	// default 1 MiB.
	MaxBody int64
	// Transport makes the calls; default: http.DefaultTransport's settings with
	// a pool of its own. Redirects are never followed.
	Transport http.RoundTripper
}

// Client is a publisher's system behind HTTP and JSON. It is safe for concurrent use.
type Client struct {
	*people // of the customer system

	members   *people
	catalogue *catalogue
	access    *access
}

var _ publisher.Customers = (*Client)(nil)

// New returns the client, or all that is wrong with c.
func New(c Config) (*Client, error) {
	var errs []error
	base, err := url.Parse(c.URL)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		errs = append(errs, fmt.Errorf("bad URL %q: want the absolute address of the system, without a query", c.URL))
	case base.Scheme == "http" && (!c.InsecureAllowHTTP || !loopback(base.Hostname())):
		errs = append(errs, fmt.Errorf("bad URL %q: use https, or InsecureAllowHTTP for a loopback address", c.URL))
	case base.Scheme != "http" && base.Scheme != "https":
		errs = append(errs, fmt.Errorf("bad URL %q: use https", c.URL))
	}
	switch {
	case (c.Token == "") == (len(c.Secret) == 0):
		errs = append(errs, errors.New("want either Token or Secret"))
	case c.Token != "" && strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		errs = append(errs, errors.New("bad Token: want printable ASCII"))
	case c.Token == "" && len(c.Secret) < 32:
		errs = append(errs, errors.New("bad Secret: want at least 32 random bytes"))
	}
	if c.Timeout < 0 || c.MaxBody < 0 {
		errs = append(errs, errors.New("negative Timeout or MaxBody"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("httpjson: %w", err)
	}
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.Secret = bytes.Clone(c.Secret)
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		t.MaxConnsPerHost = 64
		c.Transport = t
	}
	k := &caller{config: c, base: base, http: &http.Client{
		Transport: c.Transport,
		// The answer of another place is not the system's, and must not get its token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return &Client{people: &people{k, "customers/"}, members: &people{k, "memberships/"}, catalogue: &catalogue{k}, access: &access{k}}, nil
}

// Memberships returns the membership system behind the same base.
func (c *Client) Memberships() publisher.Memberships { return c.members }

// Catalogue returns the catalogue behind the same base.
func (c *Client) Catalogue() publisher.Catalogue { return c.catalogue }

// Access returns who decides behind the same base.
func (c *Client) Access() publisher.Access { return c.access }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// caller makes calls.
type caller struct {
	config Config
	base   *url.URL
	http   *http.Client
}

// call posts in as JSON and reads the answer into out. Its errors name neither
// what was asked nor what was answered.
func (c *caller) call(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	if err := c.try(ctx, path, in, out); err != nil {
		if errors.Is(err, publisher.ErrNotFound) || errors.Is(err, publisher.ErrTied) {
			return err
		}
		return fmt.Errorf("httpjson: %s: %w", path, err)
	}
	return nil
}

func (c *caller) try(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "connectid")
	if c.config.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.config.Token)
	} else {
		Sign(r, body, c.config.Secret, time.Now())
	}
	w, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return err
	}
	defer w.Body.Close()
	switch w.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		if out == nil {
			return nil
		}
		return errors.New("answered 204 where a body is needed")
	case http.StatusNotFound:
		if !isJSON(w.Header) { // a page of somebody who does not know the address at all
			return errors.New("answered 404, but not in JSON: is the URL right?")
		}
		return publisher.ErrNotFound
	case http.StatusConflict:
		return publisher.ErrTied
	default:
		return fmt.Errorf("answered %d", w.StatusCode)
	}
	if !isJSON(w.Header) {
		return errors.New("answered something else than JSON")
	}
	data, err := io.ReadAll(io.LimitReader(w.Body, c.config.MaxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case int64(len(data)) > c.config.MaxBody:
		return fmt.Errorf("the answer is larger than %d bytes", c.config.MaxBody)
	case !utf8.Valid(data):
		return errors.New("the answer is not in UTF-8")
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return errors.New("the answer is not the JSON that was asked for") // the error may quote it
	}
	return nil
}

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
