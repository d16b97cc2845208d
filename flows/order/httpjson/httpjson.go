// Package httpjson hands orders over to a publisher's own system over HTTP and JSON.
// [New] returns an [order.Desk].
//
// # The protocol
//
// A paid order is a POST of a JSON object to the address orders below the base, and
// is answered by 200 or 201 with a JSON object, or by 204 with nothing:
//
//	orders  {"orderId","partnerId","clientId","uniqueUserId","contacts":[{"credentialType","credential"}],
//	         "customerNumber","amount","currency","orderTime","paidTime","mcPayRef","order":{…}}
//	        → {"customerNumber","newCustomer"}
//
// The order is what [Order] has, with the names of the order API. Prices are whole
// minor units of the currency, percentages hundredths (2500 is 25 percent), times
// milliseconds since 1970. What is empty or zero may be left out; unknown members
// have to be expected. customerNumber in the answer is the payer's, new or known; 0
// or nothing says none. newCustomer (true) says that this order has made the
// customer: the user of the order is tied to the number then, and otherwise only if
// all of the payer's addresses and numbers are among contacts, which she has proved to
// own.
//
// The same order comes again when an answer was lost, with the same Idempotency-Key
// ("order-" and the orderId): it must not be taken twice, and is answered as before.
//
// A status of 4xx says that the order will never be taken, except 408, 409, 425 and
// 429. Those, any other status, and an answer that is not as above, or takes longer
// than [Config] Timeout, are an outage: the order comes again, after a second at
// first and then rarer. Redirects are not followed.
//
// # Authentication
//
// Each call is signed. It carries X-Connectid-Key (which key, [Config] KeyID),
// X-Connectid-Timestamp (seconds since 1970) and X-Connectid-Signature: "v1=" and the
// hexadecimal HMAC-SHA256 under the key of method, path, timestamp and body, each but
// the last followed by a newline: the same signature as that of package
// flows/publisher/httpjson. [Verify] checks it on the publisher's side, and its
// source is short enough for any other language.
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

	"github.com/connectid-kit/connectid/flows/order"
)

// Config configures a [Desk].
type Config struct {
	// URL is the base of the address, such as https://crm.example/connectid/.
	// Required; https, or http on a loopback address with InsecureAllowHTTP.
	URL string
	// Secret signs each call; at least 32 random bytes. Required.
	Secret []byte
	// KeyID says which secret signs, so that the publisher can have two while one is
	// replaced; default "1".
	KeyID string
	// InsecureAllowHTTP permits http on loopback addresses, for development.
	InsecureAllowHTTP bool
	// Timeout bounds one call; default 8 seconds.
	Timeout time.Duration
	// MaxBody is the largest answer that is read, in bytes after decompression;
	// default 64 KiB.
	MaxBody int64
	// Transport makes the calls; default: http.DefaultTransport's settings with a
	// pool of its own.
	Transport http.RoundTripper
}

// Desk is a publisher's system that takes orders over HTTP. It is safe for
// concurrent use.
type Desk struct {
	config  Config
	address string
	http    *http.Client
}

var _ order.Desk = (*Desk)(nil)

// New returns the desk, or all that is wrong with c.
func New(c Config) (*Desk, error) {
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
	if len(c.Secret) < 32 {
		errs = append(errs, errors.New("bad Secret: want at least 32 random bytes"))
	}
	c.KeyID = cmp.Or(c.KeyID, "1")
	if len(c.KeyID) > 100 || strings.ContainsFunc(c.KeyID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("bad KeyID: want at most 100 printable ASCII characters"))
	}
	if c.Timeout < 0 || c.MaxBody < 0 {
		errs = append(errs, errors.New("negative Timeout or MaxBody"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("httpjson: %w", err)
	}
	c.Timeout = cmp.Or(c.Timeout, 8*time.Second)
	c.MaxBody = cmp.Or(c.MaxBody, 64<<10)
	c.Secret = bytes.Clone(c.Secret)
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		t.MaxConnsPerHost = 16
		c.Transport = t
	}
	return &Desk{config: c, address: base.JoinPath("orders").String(), http: &http.Client{
		Transport: c.Transport,
		// An order goes to the address that was configured, and its answer comes from there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Take implements [order.Desk]. Its errors name neither what was ordered nor what was
// answered.
func (d *Desk) Take(ctx context.Context, h order.HandOver) (order.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	receipt, err := d.try(ctx, h)
	if err != nil {
		return order.Receipt{}, fmt.Errorf("httpjson: %w", err)
	}
	return receipt, nil
}

func (d *Desk) try(ctx context.Context, h order.HandOver) (order.Receipt, error) {
	body, err := json.Marshal(callOf(h))
	if err != nil {
		return order.Receipt{}, fmt.Errorf("encode: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.address, bytes.NewReader(body))
	if err != nil {
		return order.Receipt{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "connectid")
	r.Header.Set("Idempotency-Key", fmt.Sprintf("order-%d", h.OrderID))
	Sign(r, body, d.config.KeyID, d.config.Secret, time.Now())
	w, err := d.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return order.Receipt{}, err
	}
	defer w.Body.Close()
	switch code := w.StatusCode; {
	case code == http.StatusNoContent:
		return order.Receipt{}, nil
	case code == http.StatusOK, code == http.StatusCreated:
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return order.Receipt{}, fmt.Errorf("answered %d", code)
	case code >= 400 && code < 500:
		return order.Receipt{}, fmt.Errorf("answered %d: %w", code, order.ErrUnacceptable)
	default:
		return order.Receipt{}, fmt.Errorf("answered %d", code)
	}
	kind, _, err := mime.ParseMediaType(w.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return order.Receipt{}, errors.New("answered something else than JSON")
	}
	data, err := io.ReadAll(io.LimitReader(w.Body, d.config.MaxBody+1))
	switch {
	case err != nil:
		return order.Receipt{}, fmt.Errorf("read the answer: %w", err)
	case int64(len(data)) > d.config.MaxBody:
		return order.Receipt{}, fmt.Errorf("the answer is larger than %d bytes", d.config.MaxBody)
	}
	return read(data)
}

// read reads an answer, strictly: an order counts as taken by it.
func read(data []byte) (order.Receipt, error) {
	if !utf8.Valid(data) {
		return order.Receipt{}, errors.New("the answer is not in UTF-8")
	}
	var out *struct {
		CustomerNumber int64 `json:"customerNumber"`
		NewCustomer    bool  `json:"newCustomer"`
	}
	if err := json.Unmarshal(data, &out); err != nil || out == nil {
		return order.Receipt{}, errors.New("the answer is not the JSON that was asked for") // the error may quote it
	}
	if out.CustomerNumber < 0 || out.CustomerNumber > 999_999_999_999_999 {
		return order.Receipt{}, errors.New("the answer has a customer number below one or with more than 15 digits")
	}
	return order.Receipt{CustomerNumber: out.CustomerNumber, New: out.NewCustomer && out.CustomerNumber != 0}, nil
}
