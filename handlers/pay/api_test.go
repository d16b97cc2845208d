package pay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/store"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*pay.Config)
		want   string
	}{
		"URL":              {func(c *pay.Config) { c.URL = "" }, "missing URL"},
		"relative":         {func(c *pay.Config) { c.URL = "/capi/mcpay" }, "bad URL"},
		"query":            {func(c *pay.Config) { c.URL = "https://a.example/x?y" }, "bad URL"},
		"dots":             {func(c *pay.Config) { c.URL = "https://a.example/x/../y" }, "bad URL"},
		"pattern":          {func(c *pay.Config) { c.URL = "https://a.example/{x}" }, "bad URL"},
		"Payments":         {func(c *pay.Config) { c.Payments = nil }, "missing Payments"},
		"Clients":          {func(c *pay.Config) { c.Clients = nil }, "missing Clients"},
		"Counters":         {func(c *pay.Config) { c.Counters = nil }, "missing Counters"},
		"prefix":           {func(c *pay.Config) { c.ScriptPrefix = "mcpay" }, "bad ScriptPrefix"},
		"prefix twice":     {func(c *pay.Config) { c.ScriptPrefix = "//mcpay/" }, "bad ScriptPrefix"},
		"CallsPerMinute":   {func(c *pay.Config) { c.CallsPerMinute = -1 }, "bad CallsPerMinute"},
		"AddressPerMinute": {func(c *pay.Config) { c.AddressPerMinute = -1 }, "bad AddressPerMinute"},
		"MaxCallback":      {func(c *pay.Config) { c.MaxCallback = -1 }, "bad MaxCallback"},
		"ScriptMaxAge":     {func(c *pay.Config) { c.ScriptMaxAge = -1 }, "bad ScriptMaxAge"},
		"Timeout":          {func(c *pay.Config) { c.Timeout = -1 }, "bad Timeout"},
		"Version":          {func(c *pay.Config) { c.Version = "1 0" }, "bad version"},
	} {
		s := newSite(t)
		c := pay.Config{Payments: s.fake, Clients: s.store, Counters: s.store, URL: "https://connectid.example/capi/mcpay"}
		tt.change(&c)
		if _, err := pay.New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pay.New(pay.Config{CallsPerMinute: -1}); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("not all faults at once: %v", err)
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var got order.ScriptStart
	s.fake.start = func(p order.ScriptStart) (order.ScriptPayment, error) {
		got = p
		return order.ScriptPayment{ID: "p1", Flow: order.Seamless, View: order.View{Kind: order.FrameView, URL: "https://provider.example/view"}}, nil
	}
	body := start()
	body["lang"], body["unknown"], body["page"] = "fi-FI", 1, origin+"/shop/buy?sign=1"
	w := s.post("init", body, "User-Agent", "A browser", "Content-Type", "application/json; charset=utf-8")
	if w.Code != 200 || w.Body.String() != `{"mcPayRef":"p1","status":"open","flow":"seamless","view":{"kind":"frame","url":"https://provider.example/view"}}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got.Client.ID != clientID || got.Claims.ClientCode != clientID || got.Token != "a.b.c" || got.Attempt != attempt || got.Lang != "fi" || got.UserAgent != "A browser" || got.PageURL != origin+"/shop/buy?sign=1" {
		t.Errorf("started with %+v", got)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "", "Cache-Control": "no-store", "Vary": "Origin",
		"X-Content-Type-Options": "nosniff", "X-Mediaconnect-Api-Version": "1.0", "Set-Cookie": "", "Strict-Transport-Security": "max-age=31536000",
		"X-RateLimit-Remaining": "299", "X-RateLimit-Reset": "60", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// The language: what the page says, else the browser, else the client.
	for _, tt := range []struct{ page, browser, want string }{{"da", "en", "da"}, {"", "en-GB", "en"}, {"", "", "sv"}} {
		body["lang"] = tt.page
		if s.post("init", body, "Accept-Language", tt.browser); got.Lang != tt.want {
			t.Errorf("%+v: %s", tt, got.Lang)
		}
	}
	// Begun by another call, which the provider has not answered yet.
	s.fake.start = func(order.ScriptStart) (order.ScriptPayment, error) { return order.ScriptPayment{ID: "p1"}, nil }
	if w := s.post("init", body); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("nothing to show: %d %s", w.Code, w.Body)
	}
	s.fake.start = func(order.ScriptStart) (order.ScriptPayment, error) {
		return order.ScriptPayment{ID: "p1", Outcome: order.Error}, nil
	}
	if w := s.post("init", body); w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"failure"`) {
		t.Errorf("refused by the provider: %d %s", w.Code, w.Body)
	}
	// A server that calls has no Origin.
	if w := s.post("init", body, "Origin", ""); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without Origin: %d %v", w.Code, w.Header())
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := object{"clientCode": clientID, "mcPayRef": "p1", "attempt": attempt}
	for outcome, want := range map[order.Outcome]string{
		order.Waiting: "open", order.Success: "success", order.Cancel: "cancel", order.Error: "failure", order.Uncertain: "failure",
	} {
		s.fake.standing = func(client, id, key string) (order.ScriptPayment, error) {
			if client != clientID || id != "p1" || key != attempt {
				t.Errorf("asked for %q of %q with %q", id, client, key)
			}
			return order.ScriptPayment{ID: id, Outcome: outcome}, nil
		}
		w := s.post("status", body)
		if w.Code != 200 || w.Body.String() != `{"mcPayRef":"p1","status":"`+want+`"}` || w.Header().Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%q: %d %s", outcome, w.Code, w.Body)
		}
	}
	for name, ref := range map[string]any{"none": nil, "empty": "", "long": strings.Repeat("x", 65), "number": 1} {
		body["mcPayRef"] = ref
		if w := s.post("status", body); w.Code != 400 {
			t.Errorf("mcPayRef %s: %d", name, w.Code)
		}
	}
}

// What is wrong with a call, and what the page may learn of it.
func TestCallFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("no.mediaconnect.gone", origin, func(c *store.Client) { c.Disabled = true })
	s.client("no.mediaconnect.other", "https://other.example")
	with := func(member string, v any) object {
		b := start()
		if b[member] = v; v == nil {
			delete(b, member)
		}
		return b
	}
	refused := &order.RefusedError{Field: "amount", Reason: "is not above zero"}
	for _, tt := range []struct {
		name     string
		body     any
		headers  []string
		verify   error
		err      error
		status   int
		kind     string
		code     string
		readable bool // by the page
	}{
		{name: "no client", body: with("clientCode", nil), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "client a number", body: with("clientCode", 1), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "a list", body: []int{1}, status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "unknown client", body: with("clientCode", "no.mediaconnect.unknown"), status: 404, kind: "UnknownClient", code: "unknown_client", readable: true},
		{name: "disabled client", body: with("clientCode", "no.mediaconnect.gone"), status: 404, kind: "UnknownClient", code: "unknown_client", readable: true},
		{name: "no attempt", body: with("attempt", nil), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "short attempt", body: with("attempt", attempt[:21]), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "long attempt", body: with("attempt", attempt+"AA"), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "attempt with odd bits", body: with("attempt", attempt[:21]+"x"), status: 400, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "form", body: start(), headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "plain text", body: start(), headers: []string{"Content-Type", "text/plain"}, status: 415, kind: "InvalidRequest", code: "invalid_request", readable: true},
		{name: "large", body: with("sign", strings.Repeat("x", 17<<10)), status: 413, kind: "RequestTooLarge", code: "invalid_request", readable: true},
		{name: "far too large", body: with("sign", strings.Repeat("x", 300<<10)), status: 413, kind: "RequestTooLarge", code: "invalid_request"},
		{name: "foreign page", body: start(), headers: []string{"Origin", "https://evil.example"}, status: 403, kind: "OriginNotAllowed", code: "origin_not_allowed"},
		{name: "another client's page", body: start(), headers: []string{"Origin", "https://other.example"}, status: 403, kind: "OriginNotAllowed", code: "origin_not_allowed"},
		{name: "origin null", body: start(), headers: []string{"Origin", "null"}, status: 403, kind: "OriginNotAllowed", code: "origin_not_allowed"},
		{name: "origin in capitals", body: start(), headers: []string{"Origin", strings.ToUpper(origin)}, status: 403, kind: "OriginNotAllowed", code: "origin_not_allowed"},
		{name: "sign", body: start(), verify: fmt.Errorf("%w: %w", order.ErrSign, &order.RefusedError{Field: "exp", Reason: "is in the past"}), status: 401, kind: "InvalidSign", code: "invalid_sign", readable: true},
		{name: "claim", body: start(), verify: refused, status: 400, kind: "InvalidClaim", code: "invalid_claim", readable: true},
		{name: "secret that does not open", body: start(), verify: errors.New("keys"), status: 503, kind: "ServiceUnavailable", code: "temporarily_unavailable", readable: true},
		{name: "catalogue says no", body: start(), err: refused, status: 400, kind: "InvalidClaim", code: "invalid_claim", readable: true},
		{name: "repeated", body: start(), err: order.ErrRepeated, status: 409, kind: "RepeatedReference", code: "repeated_reference", readable: true},
		{name: "closed", body: start(), err: order.ErrClosed, status: 409, kind: "RepeatedReference", code: "repeated_reference", readable: true},
		{name: "refused by the provider", body: start(), err: fmt.Errorf("%w: card", order.ErrRefused), status: 400, kind: "PaymentRefused", code: "payment_refused", readable: true},
		{name: "unknown payment", body: start(), err: order.ErrNotFound, status: 404, kind: "UnknownPayment", code: "unknown_payment", readable: true},
		{name: "outage", body: start(), err: errors.New("disk on fire"), status: 503, kind: "ServiceUnavailable", code: "temporarily_unavailable", readable: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.fake.calls, s.fake.verify = 0, tt.verify
			s.fake.start = func(order.ScriptStart) (order.ScriptPayment, error) { return order.ScriptPayment{}, tt.err }
			w := s.post("init", tt.body, tt.headers...)
			f := faultOf(t, w)
			if w.Code != tt.status || f.ExceptionType != tt.kind || f.Error != tt.code || f.ErrorMessage == "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if readable := w.Header().Get("Access-Control-Allow-Origin") != ""; readable != tt.readable {
				t.Errorf("readable %v: %v", readable, w.Header())
			}
			if (tt.status == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
			if tt.verify == nil && tt.err == nil && s.fake.calls != 0 {
				t.Error("a refused call reaches the payments")
			}
			if strings.Contains(w.Body.String(), "disk on fire") || w.Header().Get("X-Mediaconnect-Api-Version") == "" {
				t.Errorf("answer %s %v", w.Body, w.Header())
			}
		})
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
		if w := s.do(s, method, "/capi/mcpay/init", ""); w.Code != 405 || w.Header().Get("Allow") != "OPTIONS, POST" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	for _, path := range []string{"/capi/mcpay/", "/capi/mcpay/nothing", "/capi/mcpay/callback/", "/elsewhere", "/capi/mcpay/sandbox/card"} {
		if w := s.do(s, http.MethodPost, path, "{}"); w.Code != 404 || faultOf(t, w).ExceptionType != "NotFound" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("no.mediaconnect.gone", "https://gone.example", func(c *store.Client) { c.Disabled = true })
	s.client("no.mediaconnect.unpaid", "https://unpaid.example", func(c *store.Client) { c.PaymentSecrets = nil })
	for from, want := range map[string]string{
		origin: origin, "https://evil.example": "", "https://gone.example": "", "https://unpaid.example": "", "null": "", "": "", origin + "/": "", "http://news.example": "",
	} {
		w := s.do(s, http.MethodOptions, "/capi/mcpay/init", "", "Origin", from, "Access-Control-Request-Method", "POST")
		h := w.Header()
		if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != want || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" ||
			want != "" && (h.Get("Access-Control-Allow-Headers") != "Content-Type" || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Max-Age") != "600") {
			t.Errorf("%q: %d %v", from, w.Code, h)
		}
	}
	broken := newSite(t, func(c *pay.Config) { c.Clients = failing{} })
	if w := broken.do(broken, http.MethodOptions, "/capi/mcpay/init", "", "Origin", origin); w.Code != 503 {
		t.Errorf("a store that fails: %d", w.Code)
	}
	if w := broken.post("init", start()); w.Code != 503 || broken.fake.calls != 0 {
		t.Errorf("a store that fails: %d", w.Code)
	}
}

func TestCallLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *pay.Config) { c.AddressPerMinute = 5 })
		s.client(clientID, origin, func(c *store.Client) { c.CallsPerMinute = 3 })
		for i, want := range []struct {
			status    int
			remaining string
		}{{200, "2"}, {200, "1"}, {200, "0"}, {429, "0"}, {429, "0"}, {429, "0"}} {
			w := s.post("init", start())
			if w.Code != want.status || w.Header().Get("X-RateLimit-Remaining") != want.remaining {
				t.Errorf("call %d: %d, %q remain", i, w.Code, w.Header().Get("X-RateLimit-Remaining"))
			}
			if w.Code == 429 && (faultOf(t, w).Error != "rate_limited" || w.Header().Get("Retry-After") != "60" || w.Header().Get("Access-Control-Allow-Origin") != origin) {
				t.Errorf("call %d: %s %v", i, w.Body, w.Header())
			}
		}
		// The client is used up for all; the address for what has no client too.
		if w := s.post("init", object{}); w.Code != 429 {
			t.Errorf("a seventh call of the address: %d", w.Code)
		}
		if s.fake.calls != 6 {
			t.Errorf("%d calls reached the payments", s.fake.calls)
		}
		// Preflights are counted too, and apart from calls.
		for i := range 6 {
			w := s.do(s, http.MethodOptions, "/capi/mcpay/status", "", "Origin", "https://evil.example")
			if want := map[bool]int{true: 204, false: 429}[i < 5]; w.Code != want {
				t.Errorf("preflight %d: %d, want %d", i, w.Code, want)
			}
		}
		time.Sleep(time.Minute)
		if w := s.post("init", start()); w.Code != 200 {
			t.Errorf("a minute later: %d", w.Code)
		}
	})
}

// A frozen service is answered in time.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		frozen := newSite(t, func(c *pay.Config) { c.Payments = frozen{s.fake} })
		begin := time.Now()
		if w := frozen.post("init", start()); w.Code != 503 || time.Since(begin) > 5*time.Second {
			t.Errorf("%d after %v", w.Code, time.Since(begin))
		}
		begin = time.Now()
		if w := frozen.do(frozen, http.MethodPost, "/capi/mcpay/callback/m/vippsRecurring", "{}"); w.Code != 503 || time.Since(begin) > 5*time.Second {
			t.Errorf("%d after %v", w.Code, time.Since(begin))
		}
	})
}

func TestSandboxMount(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *pay.Config) {
		c.Sandbox = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	})
	if w := s.do(s, http.MethodGet, "/capi/mcpay/sandbox/card/1", ""); w.Body.String() != "/capi/mcpay/sandbox/card/1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzCall: whatever is posted gets an answer in the API's form.
func FuzzCall(f *testing.F) {
	s := newSite(f, func(c *pay.Config) { c.AddressPerMinute, c.CallsPerMinute, c.CallsPerSecond = 1e9, 1e9, 1e9 })
	b, err := json.Marshal(start())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("init", string(b))
	f.Add("status", `{"clientCode":"no.mediaconnect.test","mcPayRef":"p1","attempt":"`+attempt+`"}`)
	f.Add("init", `{"clientCode":{}}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if path != "init" {
			path = "status"
		}
		s := &site{t: t, fake: s.fake, store: s.store, log: s.log, Handler: s.Handler}
		w := s.do(s, http.MethodPost, "/capi/mcpay/"+path, body, "Content-Type", "application/json", "Origin", origin)
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		s.log.Reset()
	})
}
