package pay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/store"
)

// frozen is a service that answers when the caller gives up.
type frozen struct{ pay.Payments }

func (frozen) VerifySign(ctx context.Context, _ *store.Client, _ string) (order.Claims, error) {
	<-ctx.Done()
	return order.Claims{}, ctx.Err()
}

func (frozen) ReadCallback(ctx context.Context, _ string, _ order.Callback) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var got order.Callback
	var proof string
	s.fake.callback = func(p string, c order.Callback) error {
		got, proof = c, p
		return nil
	}
	w := s.do(s, http.MethodPost, "/capi/mcpay/callback/fjord%20a%2Fs/creditcardPayex/p1/proof?a=b%20c", `{"a": 1}`, "Webhook-Id", "7", "Host", "evil.example")
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got.MerchantID != "fjord a/s" || got.Method != order.CreditCardPayEx || got.PaymentID != "p1" || proof != "proof" || got.HTTPMethod != http.MethodPost ||
		got.URL != "https://connectid.example/capi/mcpay/callback/fjord%20a%2Fs/creditcardPayex/p1/proof?a=b%20c" || string(got.Body) != `{"a": 1}` ||
		got.Header["Webhook-Id"][0] != "7" || got.Address.String() != "192.0.2.1" || time.Since(got.At) > time.Minute {
		t.Errorf("callback %+v with %q", got, proof)
	}
	// An address of all payments.
	if w := s.do(s, http.MethodPost, "/capi/mcpay/callback/fjord/vippsRecurring", "{}"); w.Code != 200 || got.PaymentID != "" || proof != "" {
		t.Errorf("%d, callback %+v with %q", w.Code, got, proof)
	}
	for _, tt := range []struct {
		err    error
		status int
	}{
		{order.ErrForged, 403}, {fmt.Errorf("vipps: %w", order.ErrForged), 403}, {order.ErrNotFound, 404}, {&order.RefusedError{Field: "body", Reason: "is nothing"}, 400},
		{errors.New("the store is down"), 503}, {context.DeadlineExceeded, 503}, {store.ErrConflict, 503},
	} {
		s.fake.callback = func(string, order.Callback) error { return tt.err }
		w := s.do(s, http.MethodPost, "/capi/mcpay/callback/fjord/creditcardPayex/p1/aSecretProof", "{}")
		if w.Code != tt.status || (tt.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: %d %v", tt.err, w.Code, w.Header())
		}
	}
	if log := s.log.String(); strings.Contains(log, "aSecretProof") || !strings.Contains(log, "the store is down") {
		t.Errorf("logged: %s", log)
	}
	s.fake.calls = 0
	for path, want := range map[string]int{
		"callback/fjord": 404, "callback/fjord/creditcardPayex/p1": 404, "callback/fjord/creditcardPayex/p1/proof/more": 404,
	} {
		if w := s.do(s, http.MethodPost, "/capi/mcpay/"+path, "{}"); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := s.do(s, http.MethodPost, "/capi/mcpay/callback/fjord/vippsRecurring", strings.Repeat("x", 257<<10)); w.Code != 413 {
		t.Errorf("a large body: %d", w.Code)
	}
	if w := s.do(s, http.MethodDelete, "/capi/mcpay/callback/fjord/vippsRecurring", ""); w.Code != 405 {
		t.Errorf("DELETE: %d", w.Code)
	}
	if s.fake.calls != 0 {
		t.Errorf("%d of them reached the payments", s.fake.calls)
	}
}

func TestCallbackLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *pay.Config) { c.CallbacksPerMinute = 2 })
	for i, want := range []int{200, 200, 429} {
		if w := s.do(s, http.MethodPost, "/capi/mcpay/callback/fjord/vippsRecurring", "{}"); w.Code != want {
			t.Errorf("callback %d: %d", i, w.Code)
		}
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	address, err := "", error(nil)
	s.fake.back = func(sealed string) (string, error) {
		if sealed != "sealed-secret" {
			t.Errorf("sealed %q", sealed)
		}
		return address, err
	}
	const path = "/capi/mcpay/return/sealed-secret"
	get := func(query string) (int, http.Header, string) {
		w := s.do(s, http.MethodGet, path+query, "", "Accept-Language", "fi")
		return w.Code, w.Header(), w.Body.String()
	}
	// Nobody knows yet: the page looks again, more and more rarely, and gives up.
	for query, want := range map[string]string{"": "1; url=?waits=1", "?waits=1": "2; url=?waits=2", "?waits=9&x=y": "5; url=?waits=10", "?waits=-4": "1; url=?waits=1", "?waits=x": "1; url=?waits=1", "?waits=70": "", "?waits=99999999999999999999": ""} {
		status, h, body := get(query)
		if status != 200 || h.Get("Refresh") != want || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Frame-Options") != "DENY" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Set-Cookie") != "" {
			t.Errorf("%q: %d %v", query, status, h)
		}
		if heading := map[bool]string{true: "Maksua vahvistetaan", false: "Vastaus viipyy"}[want != ""]; !strings.Contains(body, heading) || !strings.Contains(body, `lang="fi"`) || strings.Contains(body, "sealed-secret") {
			t.Errorf("%q: %s", query, body)
		}
	}
	address = "https://news.example/shop?mcPayRef=p1&status=success"
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
		if w := s.do(s, method, path, ""); w.Code != 303 || w.Header().Get("Location") != address || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
	address, err = "", order.ErrNotFound
	if status, h, body := get(""); status != 404 || h.Get("Refresh") != "" || !strings.Contains(body, "Linkki ei toimi") {
		t.Errorf("%d %v %s", status, h, body)
	}
	err = errors.New("the store is down")
	if status, h, body := get(""); status != 503 || h.Get("Refresh") == "" || h.Get("Retry-After") == "" || !strings.Contains(body, "Maksua vahvistetaan") || strings.Contains(body, "store") {
		t.Errorf("%d %v %s", status, h, body)
	}
	if strings.Contains(s.log.String(), "sealed-secret") {
		t.Error("the address is logged")
	}
	if w := s.do(s, http.MethodPut, path, ""); w.Code != 405 {
		t.Errorf("PUT: %d", w.Code)
	}
	limited := newSite(t, func(c *pay.Config) { c.AddressPerMinute = 1 })
	for i, want := range []int{200, 429} {
		if w := limited.do(limited, http.MethodGet, path, ""); w.Code != want || w.Header().Get("Refresh") == "" {
			t.Errorf("visit %d: %d %v", i, w.Code, w.Header())
		}
	}
}
