package payex_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/internal/payextest"
)

func callback(body []byte, change ...func(*order.Callback)) order.Callback {
	c := order.Callback{
		MerchantID: "bladet", Method: order.CreditCardPayEx, PaymentID: paymentID, HTTPMethod: "POST", Body: body,
		URL:     "https://connectid.example/capi/mcpay/callback/bladet/creditcardPayex/" + paymentID + "/proof",
		Header:  map[string][]string{"Content-Type": {"application/json"}},
		Address: netip.MustParseAddr("20.91.170.123"),
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

const body = `{"orderReference":"` + paymentID + `","paymentOrder":{"id":"/psp/paymentorders/8be318c1","instrument":"paymentorders","number":12345678}}`

func TestCallback(t *testing.T) {
	t.Parallel()
	p, err := payex.New(payex.Config{Token: "t", PayeeID: "p", PayeeName: "n"})
	if err != nil {
		t.Fatal(err)
	}
	from := func(a string) func(*order.Callback) {
		return func(c *order.Callback) { c.Address = netip.MustParseAddr(a) }
	}
	nobody := func(c *order.Callback) { c.PaymentID = "" }
	for name, test := range map[string]struct {
		c      order.Callback
		want   string
		forged bool
	}{
		"the documented one":           {c: callback([]byte(body)), want: paymentID},
		"of an address for all":        {c: callback([]byte(body), nobody), want: paymentID},
		"without our reference":        {c: callback([]byte(`{"paymentOrder":{"id":"/psp/paymentorders/1"}}`)), want: paymentID},
		"about nothing of ours":        {c: callback([]byte(`{"paymentOrder":{"id":"/psp/paymentorders/1"}}`), nobody)},
		"of version 3.0":               {c: callback([]byte(strings.Replace(body, "}}", `},"payment":{"id":"/psp/creditcard/payments/1","number":1},"transaction":{"id":"/x","number":2}}`, 1))), want: paymentID},
		"with a number that is text":   {c: callback([]byte(strings.Replace(body, "12345678", `"12345678"`, 1))), want: paymentID},
		"with the whole address":       {c: callback([]byte(strings.Replace(body, `"/psp`, `"https://api.payex.com/psp`, 1))), want: paymentID},
		"the first of the addresses":   {c: callback([]byte(body), from("20.91.170.120")), want: paymentID},
		"the last of the addresses":    {c: callback([]byte(body), from("20.91.170.127")), want: paymentID},
		"an old address":               {c: callback([]byte(body), from("91.132.170.1")), want: paymentID},
		"the other old address":        {c: callback([]byte(body), from("51.107.183.58")), want: paymentID},
		"an address in IPv6":           {c: callback([]byte(body), from("::ffff:20.91.170.123")), want: paymentID},
		"the address before":           {c: callback([]byte(body), from("20.91.170.119")), forged: true},
		"the address after":            {c: callback([]byte(body), from("20.91.170.128")), forged: true},
		"another address":              {c: callback([]byte(body), from("192.0.2.1")), forged: true},
		"loopback":                     {c: callback([]byte(body), from("127.0.0.1")), forged: true},
		"no address":                   {c: callback([]byte(body), func(c *order.Callback) { c.Address = netip.Addr{} }), forged: true},
		"a GET":                        {c: callback([]byte(body), func(c *order.Callback) { c.HTTPMethod = "GET" }), forged: true},
		"about another payment":        {c: callback([]byte(strings.Replace(body, paymentID, "another", 1))), forged: true},
		"a reference that is none":     {c: callback([]byte(strings.Replace(body, paymentID, "a/b", 1)), nobody), forged: true},
		"a reference that is too long": {c: callback([]byte(strings.Replace(body, paymentID, paymentID+"x", 1)), nobody), forged: true},
		"a reference that is a number": {c: callback([]byte(strings.Replace(body, `"`+paymentID+`"`, "1", 1))), forged: true},
		"a payment order elsewhere":    {c: callback([]byte(strings.Replace(body, `"/psp`, `"https://evil.example/psp`, 1))), forged: true},
		"no payment order":             {c: callback([]byte(`{"orderReference":"` + paymentID + `"}`)), forged: true},
		"nothing":                      {c: callback(nil), forged: true},
		"a form":                       {c: callback([]byte("a=b")), forged: true},
		"two values":                   {c: callback([]byte(body + body)), forged: true},
		"half of it":                   {c: callback([]byte(body[:60])), forged: true},
		"not UTF-8":                    {c: callback([]byte(strings.Replace(body, "paymentorders\"", "\xff\"", 1))), forged: true},
		"far too much":                 {c: callback([]byte(body + strings.Repeat(" ", 64<<10))), forged: true},
	} {
		id, err := p.Callback(t.Context(), test.c)
		if id != test.want || (err != nil) != test.forged || err != nil && !errors.Is(err, order.ErrForged) {
			t.Errorf("%s: got %q, %v", name, id, err)
		}
	}
}

func TestCallbackAddresses(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim, func(c *payex.Config) { c.CallbackAddresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	c := callback([]byte(body))
	if _, err := p.Callback(t.Context(), c); !errors.Is(err, order.ErrForged) {
		t.Errorf("got %v", err)
	}
	c.Address = netip.MustParseAddr("10.1.2.3")
	if id, err := p.Callback(t.Context(), c); err != nil || id != paymentID {
		t.Errorf("got %q, %v", id, err)
	}
	// A list of the caller's does not change what others get.
	payex.CallbackAddresses()[0] = netip.Prefix{}
	if !payex.CallbackAddresses()[0].IsValid() {
		t.Error("the documented addresses were changed")
	}
}

// A callback that is late, or comes twice, says the same.
func TestLateCallback(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	s := start()
	r := paid(t, sim, p, s)
	late := callback(sim.CallbackBody(r.Provider))
	if _, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Refund(t.Context(), r, action(s, "refund")); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if id, err := p.Callback(t.Context(), late); err != nil || id != s.ID {
			t.Fatalf("got %q, %v", id, err)
		}
		wantState(t, p, r, order.Refunded)
	}
	if sim.Taken() != 0 {
		t.Error("money was taken")
	}
}
