package payex

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/order"
)

func fuzzed(t testing.TB) *Provider {
	p, err := New(Config{Token: "t", PayeeID: "p", PayeeName: "n", CallbackAddresses: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Nothing is paid unless the answer says "Paid" and how much, and no address leads away.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"paymentOrder":{"id":"/psp/paymentorders/1","status":"Initialized","operation":"Purchase","currency":"NOK","amount":19900},"operations":[{"method":"GET","href":"https://ecom.payex.com/checkout/1","rel":"redirect-checkout"}]}`,
		`{"paymentorder":{"id":"/psp/paymentorders/1","status":"Paid","currency":"NOK","amount":1,"remainingCaptureAmount":1,"paid":{"instrument":"CreditCard","transactionType":"Authorization","amount":1,"tokens":[{"type":"unscheduled","token":"a"}]},"financialTransactions":{"financialTransactionsList":[]}}}`,
		`{"paymentOrder":{"id":"/1","status":"Paid","currency":"NOK","amount":1,"paid":{"transactionType":"Sale","amount":1}}}`,
		`{"paymentOrder":{"id":"/1","status":"Paid","currency":"NOK","paid":{"transactionType":"Authorization","amount":2},"financialTransactions":{"financialTransactionsList":[{"type":"Capture","amount":2}]}}}`,
		`{"paymentOrder":{"id":"/1","status":"Aborted","currency":"NOK","aborted":{"abortReason":"x"}}}`,
		`{"paymentOrder":{"id":"//evil.example/1","status":"Failed","currency":"NOK","failed":{"problem":{"type":"https://api.payex.com/psp/errordetail/creditcard/x"}}}}`,
		`{"paymentOrder":{"id":"/1","status":"Paid","currency":"NOK","remainingCaptureAmount":-1}}`,
		`{"paymentOrder":{"amount":1e400}}`, `{}`, `[]`, `null`, "\xff", ``,
	} {
		f.Add([]byte(s))
	}
	p := fuzzed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseAnswer(data)
		if err != nil {
			return
		}
		if u, err := p.same(a.PaymentOrder.ID); err == nil && (u.Host != "api.payex.com" || u.Scheme != "https" || u.User != nil) {
			t.Errorf("%q leads to %s", a.PaymentOrder.ID, u)
		}
		for _, o := range a.Operations {
			if u, err := p.same(o.Href); err == nil && (u.Host != "api.payex.com" || u.Scheme != "https") {
				t.Errorf("%q leads to %s", o.Href, u)
			}
			if s, err := p.shown(o.Href); err == nil && !strings.HasPrefix(strings.ToLower(s), "https://") {
				t.Errorf("%q is shown as %q", o.Href, s)
			}
		}
		s, err := standingOf(a)
		if err != nil {
			if s != (order.Standing{}) {
				t.Errorf("an error with %+v", s)
			}
			return
		}
		switch s.State {
		case order.Authorized, order.Captured:
			if a.PaymentOrder.Status != "Paid" || s.Amount <= 0 || s.Amount != a.PaymentOrder.Paid.Amount || s.Currency == "" {
				t.Errorf("%+v is not what %s says", s, data)
			}
		case order.Open, order.Cancelled, order.Failed, order.Released, order.Refunded:
		default:
			t.Errorf("the state %q", s.State)
		}
		if left := givenBack(a.PaymentOrder); left < 0 {
			t.Errorf("%d given back", left)
		}
		if !utf8.ValidString(s.Reason) || strings.ContainsAny(s.Reason, "\n\r\x00") || len(s.Reason) > 600 {
			t.Errorf("the reason %q", s.Reason)
		}
	})
}

func FuzzProblem(f *testing.F) {
	f.Add(400, []byte(`{"type":"https://api.payex.com/psp/errordetail/inputerror","problems":[{"name":"PaymentOrder.PayeeInfo.PayeeReference","description":"used"}]}`))
	f.Add(403, []byte(`{"type":"https://api.payex.com/psp/errordetail/creditcard/carddeclined","title":"x"}`))
	f.Add(404, []byte(`{"type":"https://api.payex.com/psp/errordetail/notfound"}`))
	f.Add(500, []byte(`{"type":"%zz"}`))
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		err := parseProblem(status, data)
		if err == nil || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > 2500 {
			t.Errorf("got %v", err)
		}
		e, ok := errors.AsType[*problem](err)
		if !ok {
			return
		}
		if (e.refused() || e.duplicate() || e.missing()) && (status < 400 || status > 499) {
			t.Errorf("a no with the status %d", status)
		}
	})
}

func FuzzCallback(f *testing.F) {
	f.Add([]byte(`{"orderReference":"9Vx4","paymentOrder":{"id":"/psp/paymentorders/1","instrument":"x","number":1}}`), "")
	f.Add([]byte(`{"orderReference":"9Vx4","paymentOrder":{"id":"https://evil.example/1"}}`), "9Vx4")
	f.Add([]byte(`{"paymentOrder":{"id":"//evil.example"}}`), "a")
	f.Add([]byte("\xff"), "")
	p := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte, paymentID string) {
		id, err := p.Callback(t.Context(), order.Callback{HTTPMethod: "POST", Body: body, PaymentID: paymentID, Address: netip.MustParseAddr("192.0.2.1")})
		switch {
		case err != nil && (id != "" || !errors.Is(err, order.ErrForged)):
			t.Errorf("got %q, %v", id, err)
		case err == nil && paymentID != "" && id != paymentID:
			t.Errorf("got %q of %q", id, paymentID)
		case err == nil && paymentID == "" && id != "" && checkAmount(id, 1, 0, "SEK") != nil:
			t.Errorf("got %q", id)
		}
	})
}
