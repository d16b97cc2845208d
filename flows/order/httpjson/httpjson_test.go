package httpjson_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/httpjson"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// handOver is a paid order with something in each field.
var handOver = order.HandOver{
	OrderID: 4711, PartnerID: "p", ClientID: "site", UserID: "u", CustomerNumber: 100017, Amount: 29900, Currency: "NOK",
	Contacts: []order.Contact{{Kind: "A", Identity: "kari@example.com"}},
	PaidAt:   time.UnixMilli(1_700_000_001_000), OrderedAt: time.UnixMilli(1_700_000_000_000), PaymentRef: "REF",
	Content: order.Content{
		ExternalID: "x-1", Method: order.CreditCardPayEx, Payer: order.Person{LastName: "Nordmann", PostalCode: "0150"},
		Lines: []order.Line{{
			SpecType: "coupon", SpecCode: "A", SpecNo: 1, Product: "PAPER", Quantity: 1, Price: 29900, VATAmount: 5980, VATPercent: 2500,
			Period: order.Period{Length: 1, Unit: "months"}, Renewal: order.Renewal{Price: 39900, Period: order.Period{Length: 1, Unit: "months"}},
			ExtraProducts: []string{"APP"}, Receiver: &order.Person{LastName: "Hansen", PostalCode: "5003"},
		}},
	},
}

func desk(t *testing.T, h http.HandlerFunc, change ...func(*httpjson.Config)) *httpjson.Desk {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c := httpjson.Config{URL: server.URL + "/crm/", Secret: secret, KeyID: "k1", InsecureAllowHTTP: true}
	for _, f := range change {
		f(&c)
	}
	d, err := httpjson.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTake(t *testing.T) {
	t.Parallel()
	d := desk(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := httpjson.Verify(r, body, map[string][]byte{"k0": []byte("another"), "k1": secret}, time.Minute); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/crm/orders" || r.Header.Get("Idempotency-Key") != "order-4711" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		o, _ := got["order"].(map[string]any)
		lines, _ := o["orderLines"].([]any)
		if got["orderId"] != 4711.0 || got["paidTime"] != 1_700_000_001_000.0 || got["mcPayRef"] != "REF" || got["uniqueUserId"] != "u" || len(lines) != 1 {
			t.Errorf("body %s", body)
		}
		line, _ := lines[0].(map[string]any)
		for member, want := range map[string]any{
			"productSpecType": "coupon", "productSpecCode": "A", "productSpecNo": 1.0, "product": "PAPER", "quantity": 1.0, "unitPrice": 29900.0,
			"vatAmount": 5980.0, "periodLength": 1.0, "periodType": "months",
		} {
			if line[member] != want {
				t.Errorf("%s is %v, want %v", member, line[member], want)
			}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"customerNumber": 100018, "newCustomer": true, "more": true}`)
	})
	got, err := d.Take(t.Context(), handOver)
	if err != nil || got != (order.Receipt{CustomerNumber: 100018, New: true}) {
		t.Errorf("Take = %+v, %v", got, err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const ok, refused, outage = "ok", "refused", "outage"
	for _, tt := range []struct {
		status     int
		kind, body string
		want       string
	}{
		{200, "application/json", `{}`, ok}, {201, "application/json", `{"customerNumber":1}`, ok}, {204, "", "", ok},
		{200, "application/problem+json", `{}`, ok},
		{200, "text/html", `{}`, outage}, {200, "", `{}`, outage}, {200, "application/json", ``, outage}, {200, "application/json", `null`, outage},
		{200, "application/json", `[]`, outage}, {200, "application/json", `{} {}`, outage}, {200, "application/json", `{"customerNumber":"1"}`, outage},
		{200, "application/json", `{"customerNumber":-1}`, outage}, {200, "application/json", `{"customerNumber":1e15}`, outage},
		{200, "application/json", `{"customerNumber":1.5}`, outage}, {200, "application/json", "{\"x\":\"\xff\"}", outage},
		{200, "application/json", `{"x":"` + strings.Repeat("a", 70_000) + `"}`, outage},
		{202, "application/json", `{}`, outage}, {206, "application/json", `{}`, outage},
		{400, "", "", refused}, {401, "", "", refused}, {403, "", "", refused}, {404, "", "", refused}, {410, "", "", refused}, {422, "", "", refused},
		{408, "", "", outage}, {409, "", "", outage}, {425, "", "", outage}, {429, "", "", outage},
		{500, "", "", outage}, {502, "", "", outage}, {503, "", "", outage}, {301, "", "", outage}, {307, "", "", outage}, {308, "", "", outage},
	} {
		var calls atomic.Int32
		d := desk(t, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header()["Content-Type"] = nil
			if tt.kind != "" {
				w.Header().Set("Content-Type", tt.kind)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		_, err := d.Take(t.Context(), handOver)
		got := ok
		switch {
		case errors.Is(err, order.ErrUnacceptable):
			got = refused
		case err != nil:
			got = outage
		}
		if got != tt.want || calls.Load() != 1 {
			t.Errorf("%d %s %.40q: %s (%v) after %d calls, want %s after one", tt.status, tt.kind, tt.body, got, err, calls.Load(), tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "Nordmann") || strings.Contains(err.Error(), "127.0.0.1")) {
			t.Errorf("the error tells too much: %v", err)
		}
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	slow := desk(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}, func(c *httpjson.Config) { c.Timeout = 20 * time.Millisecond })
	if _, err := slow.Take(t.Context(), handOver); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, order.ErrUnacceptable) {
		t.Errorf("a system that hangs: %v", err)
	}
	cut := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"customerNumber":1}`)
	})
	if _, err := cut.Take(t.Context(), handOver); err == nil || errors.Is(err, order.ErrUnacceptable) {
		t.Errorf("an answer that is cut off: %v", err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	gone, err := httpjson.New(httpjson.Config{URL: server.URL, Secret: secret, InsecureAllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Take(t.Context(), handOver); err == nil || errors.Is(err, order.ErrUnacceptable) {
		t.Errorf("a system that is gone: %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config httpjson.Config
		want   string
	}{
		{httpjson.Config{URL: "https://crm.example/", Secret: secret}, ""},
		{httpjson.Config{URL: "http://127.0.0.1:1/", Secret: secret, InsecureAllowHTTP: true}, ""},
		{httpjson.Config{URL: "http://127.0.0.1:1/", Secret: secret}, "https"},
		{httpjson.Config{URL: "http://crm.example/", Secret: secret, InsecureAllowHTTP: true}, "https"},
		{httpjson.Config{URL: "ftp://crm.example/", Secret: secret}, "https"},
		{httpjson.Config{URL: "/orders", Secret: secret}, "absolute"},
		{httpjson.Config{URL: "https://a:b@crm.example/", Secret: secret}, "absolute"},
		{httpjson.Config{URL: "https://crm.example/?x=1", Secret: secret}, "query"},
		{httpjson.Config{URL: "https://crm.example/", Secret: secret[:31]}, "Secret"},
		{httpjson.Config{URL: "https://crm.example/", Secret: secret, KeyID: "a\nb"}, "KeyID"},
		{httpjson.Config{URL: "https://crm.example/", Secret: secret, Timeout: -1}, "negative"},
	} {
		_, err := httpjson.New(tt.config)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	secrets := map[string][]byte{"k1": secret, "empty": nil}
	body := []byte(`{"orderId":1}`)
	for name, change := range map[string]func(r *http.Request, body *[]byte){
		"another body":   func(_ *http.Request, body *[]byte) { *body = []byte(`{"orderId":2}`) },
		"another path":   func(r *http.Request, _ *[]byte) { r.URL.Path = "/orders/2" },
		"another method": func(r *http.Request, _ *[]byte) { r.Method = http.MethodPut },
		"an unknown key": func(r *http.Request, _ *[]byte) { r.Header.Set("X-Connectid-Key", "k2") },
		"no key":         func(r *http.Request, _ *[]byte) { r.Header.Del("X-Connectid-Key") },
		"no timestamp":   func(r *http.Request, _ *[]byte) { r.Header.Del("X-Connectid-Timestamp") },
		"no signature":   func(r *http.Request, _ *[]byte) { r.Header.Del("X-Connectid-Signature") },
		"a later timestamp": func(r *http.Request, _ *[]byte) {
			r.Header.Set("X-Connectid-Timestamp", fmt.Sprint(time.Now().Unix()+1))
		},
		"an old call":          func(r *http.Request, _ *[]byte) { httpjson.Sign(r, body, "k1", secret, time.Now().Add(-6*time.Minute)) },
		"a call of the future": func(r *http.Request, _ *[]byte) { httpjson.Sign(r, body, "k1", secret, time.Now().Add(6*time.Minute)) },
		"an empty secret":      func(r *http.Request, _ *[]byte) { httpjson.Sign(r, body, "empty", nil, time.Now()) },
		"another secret":       func(r *http.Request, _ *[]byte) { httpjson.Sign(r, body, "k1", []byte("x"), time.Now()) },
	} {
		r := httptest.NewRequest(http.MethodPost, "/orders", nil)
		httpjson.Sign(r, body, "k1", secret, time.Now())
		if err := httpjson.Verify(r, body, secrets, 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		sent := body
		change(r, &sent)
		if err := httpjson.Verify(r, sent, secrets, 5*time.Minute); !errors.Is(err, httpjson.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the documentation says of the signature, written without the package.
func TestSignatureAsDocumented(t *testing.T) {
	t.Parallel()
	d := desk(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stamp := r.Header.Get("X-Connectid-Timestamp")
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "POST\n/crm/orders\n%s\n%s", stamp, body)
		if r.Header.Get("X-Connectid-Signature") != "v1="+hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("X-Connectid-Key") != "k1" {
			t.Errorf("headers %v", r.Header)
		}
		if sent, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(sent, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %s", stamp)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if _, err := d.Take(t.Context(), handOver); err != nil {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"customerNumber":100017}`), 200)
	f.Add([]byte(`{}`), 204)
	f.Add([]byte(`nonsense`), 500)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		d, err := httpjson.New(httpjson.Config{URL: "https://crm.example/", Secret: secret, Transport: answer(func() *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(body)))}
		})})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Take(t.Context(), handOver)
		if got.CustomerNumber < 0 || err != nil && got != (order.Receipt{}) {
			t.Errorf("%d %q: %+v, %v", status, body, got, err)
		}
		if err == nil && status/100 != 2 {
			t.Errorf("%d counts as taken", status)
		}
	})
}

type answer func() *http.Response

func (a answer) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }
