package pay_test

import (
	"context"
	"crypto/rand"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/internal/texts"
)

const (
	sandboxURL = "https://connectid.example/mcpay/sandbox"
	returnURL  = "https://connectid.example/user/fulfillment?run=1&x=%C3%A6"
)

// counter is a sandbox and its pages.
type counter struct {
	t *testing.T
	p *sandbox.Provider
	h http.Handler
}

func newCounter(t *testing.T, c sandbox.Config) *counter {
	t.Helper()
	if c.URL == "" {
		c.URL = sandboxURL
	}
	if c.Shops == nil {
		c.Shops = map[string]string{"fjord": "Fjordposten <AS>"}
	}
	p, err := sandbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	h, err := pay.NewSandbox(pay.SandboxConfig{Provider: p, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return &counter{t, p, h}
}

// begin starts a payment and returns the path of its page.
func (c *counter) begin(change func(*order.Start)) (string, order.Ref) {
	c.t.Helper()
	s := order.Start{
		ID: rand.Text(), Key: rand.Text(), MerchantID: "fjord", Method: order.CreditCardPayEx, Flow: order.Redirect,
		Amount: 129900, VATAmount: 25980, Currency: "NOK", Description: "Fjordposten i ein månad", Lang: "nn", ReturnURL: returnURL,
	}
	if change != nil {
		change(&s)
	}
	started, err := c.p.Start(c.t.Context(), s)
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := url.Parse(started.RedirectURL + started.View.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	return u.Path, order.Ref{ID: s.ID, Provider: started.Ref}
}

func seamless(s *order.Start) {
	s.Flow, s.Origins, s.ReturnURL = order.Seamless, []string{"https://fjord.example", "http://localhost:8080"}, ""
}

func (c *counter) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return w
}

func (c *counter) get(path string) *httptest.ResponseRecorder {
	return c.do(httptest.NewRequest(http.MethodGet, "https://connectid.example"+path, nil))
}

func (c *counter) post(path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://connectid.example"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, f := range change {
		f(r)
	}
	return c.do(r)
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

func (c *counter) token(path string) string {
	c.t.Helper()
	m := tokenField.FindStringSubmatch(c.get(path).Body.String())
	if m == nil {
		c.t.Fatalf("%s has no form", path)
	}
	return html.UnescapeString(m[1])
}

func cardForm(token string, o sandbox.Outcome) url.Values {
	f := url.Values{"token": {token}, "event": {"pay"}, "expiry": {"12/68"}, "cvc": {"123"}, "calls": {""}}
	for _, c := range sandbox.Cards() {
		if c.Outcome == o {
			f.Set("number", c.Number)
		}
	}
	return f
}

func (c *counter) state(r order.Ref) order.State {
	c.t.Helper()
	s, err := c.p.Standing(c.t.Context(), r)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.State
}

func (c *counter) wants(w *httptest.ResponseRecorder, status int, parts ...string) {
	c.t.Helper()
	if w.Code != status {
		c.t.Errorf("status %d, want %d", w.Code, status)
	}
	body := html.UnescapeString(w.Body.String())
	for _, p := range parts {
		if !strings.Contains(body, p) {
			c.t.Errorf("the page lacks %q:\n%s", p, body)
		}
	}
}

func TestSandboxNeedsAProvider(t *testing.T) {
	t.Parallel()
	if h, err := pay.NewSandbox(pay.SandboxConfig{}); err == nil || h != nil {
		t.Errorf("%v, %v", h, err)
	}
}

func TestSandboxCardPage(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, _ := c.begin(func(s *order.Start) {
		s.Lines = []order.StartLine{{Name: "Avis", Quantity: 2, Amount: 100000}, {Name: "Porto", Quantity: 1, Amount: 29900}}
		s.Recurring, s.Renewal, s.TermsURL = true, order.Renewal{Price: 19900}, "https://fjord.example/vilkar"
	})
	w := c.get(path)
	c.wants(w, http.StatusOK, `lang="nn"`, "Fjordposten <AS>", "1\u00a0299,00\u00a0kr", "Betal 1\u00a0299,00\u00a0kr", "2\u00a0× Avis", "199,00\u00a0kr frå kortet",
		`autocomplete="cc-number"`, `autocomplete="cc-exp"`, `autocomplete="cc-csc"`, `inputmode="numeric"`, "ingen ekte pengar", "4111 1111 1111 1111",
		`href="https://fjord.example/vilkar"`, "kortet blir avvist neste gong", `name="calls"`)
	if strings.Contains(w.Body.String(), "Fjordposten <AS>") {
		t.Error("the name of the shop is not escaped")
	}
	for _, forbidden := range []string{"<style", " style=", "onclick", "<script>", "data-origins"} {
		if strings.Contains(w.Body.String(), forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	if len(w.Result().Cookies()) != 0 {
		t.Error("a cookie is set")
	}
	c.wants(c.get(path+"?card=declined"), http.StatusOK, `value="4000 0000 0000 0002"`, `value="123"`)
	c.wants(c.get(path+"?card=<b>"), http.StatusOK, `name="number"`)
	if head := c.do(httptest.NewRequest(http.MethodHead, sandboxURL+strings.TrimPrefix(path, "/mcpay/sandbox"), nil)); head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
	}
}

func TestSandboxHeaders(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	redirect, _ := c.begin(nil)
	frame, _ := c.begin(seamless)
	for _, page := range []struct{ path, csp, xfo string }{
		{redirect, "frame-ancestors 'none'; form-action 'self' https:", "DENY"},
		{frame, "frame-ancestors https://fjord.example http://localhost:8080; form-action 'self'", ""},
		{"/mcpay/sandbox/UNKNOWN", "frame-ancestors 'none'; form-action 'self' https:", "DENY"},
	} {
		h := c.get(page.path).Header()
		want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; " + page.csp
		if got := h.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: policy %q, want %q", page.path, got, want)
		}
		for name, want := range map[string]string{
			"X-Frame-Options": page.xfo, "Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", page.path, name, got, want)
			}
		}
	}
	local := newCounter(t, sandbox.Config{URL: "https://127.0.0.1:8443/sandbox"})
	path, _ := local.begin(nil)
	if got := local.get(path).Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self' https: http://localhost:* http://127.0.0.1:*") {
		t.Errorf("on this machine: %q", got)
	}
}

func TestSandboxFiles(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, _ := c.begin(nil)
	page := c.get(path).Body.String()
	for name, kind := range map[string]string{"sandbox.css": "text/css; charset=utf-8", "sandbox.js": "text/javascript; charset=utf-8"} {
		m := regexp.MustCompile(`"(/mcpay/sandbox/` + regexp.QuoteMeta(name) + `\?v=[0-9a-f]{16})"`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the page does not load %s", name)
		}
		w := c.get(m[1])
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if w := c.post("/mcpay/sandbox/"+name, nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d", name, w.Code)
		}
	}
}

func TestSandboxUnknown(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, ref := c.begin(nil)
	for _, p := range []string{"/mcpay/sandbox/", "/mcpay/sandbox/" + ref.ID, "/mcpay/sandbox/" + ref.Provider, path + "/", path + "x", "/elsewhere", "/mcpay/sandbox/page.html"} {
		r := httptest.NewRequest(http.MethodGet, "https://connectid.example"+p, nil)
		r.Header.Set("Accept-Language", "fi, en;q=0.5")
		c.wants(c.do(r), http.StatusNotFound, `lang="fi"`, "Maksua ei löydy")
	}
	c.wants(c.post("/mcpay/sandbox/NONE", cardForm("x", sandbox.Approved)), http.StatusNotFound)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, "TRACE"} {
		w := c.do(httptest.NewRequest(method, "https://connectid.example"+path, nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

// Where each card leads the payer of either flow.
func TestSandboxOutcomes(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		card            sandbox.Outcome
		state           order.State
		back            bool
		redirect, frame string // what the page says then
		event           string
	}{
		{sandbox.Approved, order.Authorized, true, "Betalinga er gjennomført", "Du har betalt 1\u00a0299,00\u00a0kr", "success"},
		{sandbox.Declined, order.Failed, true, "avviste kortet", "Betalinga mislykkast", "failure"},
		{sandbox.InsufficientFunds, order.Failed, true, "ikkje nok pengar", "ikkje nok pengar", "failure"},
		{sandbox.Challenge, order.Open, false, "Stadfest betalinga", "Stadfest betalinga", ""},
		{sandbox.Slow, order.Open, true, "Vi ventar på banken", `data-wait="3000"`, ""},
		{sandbox.NeverReturns, order.Authorized, false, "sender deg ikkje tilbake", "sender deg ikkje tilbake", ""},
		{sandbox.NoAnswer, order.Open, false, "Vi ventar på banken", "Vi ventar på banken", ""},
	} {
		c := newCounter(t, sandbox.Config{})
		path, ref := c.begin(nil)
		form := cardForm(c.token(path), o.card)
		want := path
		if o.back {
			want = returnURL
		}
		for range 2 { // a double click
			w := c.post(path, form)
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
				t.Errorf("%s: %d to %s, want %s", o.card, w.Code, w.Header().Get("Location"), want)
			}
		}
		if got := c.state(ref); got != o.state {
			t.Errorf("%s: %s, want %s", o.card, got, o.state)
		}
		w := c.get(path) // what the back button shows
		c.wants(w, http.StatusOK, o.redirect)
		body := html.UnescapeString(w.Body.String())
		if linked := strings.Contains(body, `href="`+returnURL+`"`); linked != (o.card != sandbox.NeverReturns && o.card != sandbox.Challenge) {
			t.Errorf("%s: a link back: %v", o.card, linked)
		}
		if strings.Contains(body, "data-event") || strings.Contains(body, `name="number"`) {
			t.Errorf("%s: the page is\n%s", o.card, body)
		}

		path, _ = c.begin(seamless)
		if w := c.post(path, cardForm(c.token(path), o.card)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != path {
			t.Errorf("%s in a frame: %d to %s", o.card, w.Code, w.Header().Get("Location"))
		}
		w = c.get(path)
		c.wants(w, http.StatusOK, o.frame, `data-origins="https://fjord.example http://localhost:8080"`)
		m := regexp.MustCompile(`data-event="([a-z]*)"`).FindStringSubmatch(w.Body.String())
		if o.event == "" && m != nil || o.event != "" && (m == nil || m[1] != o.event) {
			t.Errorf("%s: tells %v, want %q", o.card, m, o.event)
		}
	}
}

func TestSandboxConfirmation(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]order.State{"approve": order.Authorized, "reject": order.Failed, "cancel": order.Cancelled} {
		c := newCounter(t, sandbox.Config{})
		path, ref := c.begin(nil)
		token := c.token(path)
		c.post(path, cardForm(token, sandbox.Challenge))
		w := c.post(path, url.Values{"token": {c.token(path)}, "event": {event}})
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != returnURL || c.state(ref) != want {
			t.Errorf("%s: %d to %s, %s", event, w.Code, w.Header().Get("Location"), c.state(ref))
		}
	}
}

func TestSandboxFaults(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, ref := c.begin(nil)
	token := c.token(path)
	w := c.post(path, url.Values{"token": {token}, "event": {"pay"}, "number": {"4111 1111 1111 1112"}, "expiry": {"0101"}, "cvc": {"9876"}, "calls": {"twice"}})
	c.wants(w, http.StatusUnprocessableEntity, `role="alert"`, "3 ting må rettast", `href="#number"`, `aria-invalid="true" aria-describedby="numberFault"`,
		`aria-describedby="expiryHint expiryFault"`, `value="4111 1111 1111 1112"`, `value="twice" selected`, "Kortet har gått ut", "tre siffer")
	if strings.Contains(w.Body.String(), "9876") {
		t.Error("the security code comes back")
	}
	real := cardForm(token, sandbox.Approved)
	real.Set("number", "4242 4242 4242 4242")
	w = c.post(path, real)
	c.wants(w, http.StatusUnprocessableEntity, "Éin ting må rettast", "ikkje eit testkort")
	if strings.Contains(w.Body.String(), "4242") {
		t.Error("what may be a real card comes back")
	}
	if c.state(ref) != order.Open {
		t.Error("paid")
	}
	// It is still the same form, with a token that holds.
	if w := c.post(path, cardForm(token, sandbox.Approved)); w.Code != http.StatusSeeOther {
		t.Errorf("status %d", w.Code)
	}
}

func TestSandboxForged(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, ref := c.begin(nil)
	other, _ := c.begin(nil)
	good := cardForm(c.token(path), sandbox.Approved)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, try := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		status int
	}{
		"no token":        {cardForm("", sandbox.Approved), nil, 403},
		"another's token": {cardForm(c.token(other), sandbox.Approved), nil, 403},
		"from elsewhere":  {good, header("Sec-Fetch-Site", "cross-site"), 403},
		"from a sub-site": {good, header("Sec-Fetch-Site", "same-site"), 403},
		"other origin": {good, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		}, 403},
		"JSON":         {good, header("Content-Type", "application/json"), 415},
		"multipart":    {good, header("Content-Type", "multipart/form-data; boundary=x"), 415},
		"no type":      {good, header("Content-Type", ""), 415},
		"bad escape":   {good, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("token=%zz")) }, 400},
		"too large":    {url.Values{"number": {strings.Repeat("1", 20<<10)}}, nil, 413},
		"no event":     {url.Values{"token": good["token"]}, nil, 400},
		"bad event":    {url.Values{"token": good["token"], "event": {"refund"}}, nil, 400},
		"bad callback": {url.Values{"token": good["token"], "event": {"pay"}, "calls": {"x"}}, nil, 400},
	} {
		change := try.change
		if change == nil {
			change = func(*http.Request) {}
		}
		w := c.post(path, try.form, change)
		if w.Code != try.status || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: status %d, want %d", name, w.Code, try.status)
		}
	}
	if c.state(ref) != order.Open {
		t.Error("paid")
	}
}

func TestSandboxRacePosts(t *testing.T) {
	t.Parallel()
	for range 20 {
		c := newCounter(t, sandbox.Config{})
		path, ref := c.begin(nil)
		token := c.token(path)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				form := cardForm(token, sandbox.Approved)
				if i%2 == 1 {
					form = url.Values{"token": {token}, "event": {"cancel"}}
				}
				if w := c.post(path, form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != returnURL {
					t.Errorf("status %d", w.Code)
				}
			})
		}
		wg.Wait()
		if s := c.state(ref); s != order.Authorized && s != order.Cancelled {
			t.Errorf("it is %s", s)
		}
	}
}

// A page left open too long says so, and leads back.
func TestSandboxExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, sandbox.Config{})
		path, ref := c.begin(nil)
		token := c.token(path)
		time.Sleep(30 * time.Minute)
		c.wants(c.get(path), http.StatusOK, "Det tok for lang tid", "Tilbake til Fjordposten")
		if w := c.post(path, cardForm(token, sandbox.Approved)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != returnURL {
			t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
		}
		if s := c.state(ref); s != order.Failed {
			t.Errorf("it is %s", s)
		}
	})
}

func TestSandboxLaterStates(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	path, ref := c.begin(nil)
	a := order.Action{Key: "a", Amount: 129900, Currency: "NOK"}
	if _, err := c.p.Cancel(t.Context(), ref, a); err != nil {
		t.Fatal(err)
	}
	c.wants(c.get(path), http.StatusOK, "Betalinga er avbroten")
	path, ref = c.begin(nil)
	c.post(path, cardForm(c.token(path), sandbox.Approved))
	if _, err := c.p.Cancel(t.Context(), ref, a); err != nil {
		t.Fatal(err)
	}
	c.wants(c.get(path), http.StatusOK, "ikkje lenger reserverte")
	path, ref = c.begin(nil)
	c.post(path, cardForm(c.token(path), sandbox.Approved))
	if _, err := c.p.Capture(t.Context(), ref, a); err != nil {
		t.Fatal(err)
	}
	c.wants(c.get(path), http.StatusOK, "Betalinga er gjennomført")
	if _, err := c.p.Refund(t.Context(), ref, a); err != nil {
		t.Fatal(err)
	}
	c.wants(c.get(path), http.StatusOK, "betalte tilbake")
}

// full is a disk that is full from some time on.
type full struct{ is bool }

func (f *full) Load(context.Context) ([]byte, error) { return nil, nil }
func (f *full) Save(context.Context, []byte) error {
	if f.is {
		return errors.New("disk full")
	}
	return nil
}

func TestSandboxOutage(t *testing.T) {
	t.Parallel()
	disk := &full{}
	c := newCounter(t, sandbox.Config{Storage: disk})
	path, ref := c.begin(nil)
	form := cardForm(c.token(path), sandbox.Approved)
	disk.is = true
	w := c.post(path, form)
	c.wants(w, http.StatusServiceUnavailable)
	if strings.Contains(w.Body.String(), "disk") || c.state(ref) != order.Open {
		t.Errorf("%s\n%s", c.state(ref), w.Body)
	}
	disk.is = false
	if w := c.post(path, form); w.Code != http.StatusSeeOther || c.state(ref) != order.Authorized {
		t.Errorf("%d, %s", w.Code, c.state(ref))
	}
}

func TestSandboxMoney(t *testing.T) {
	t.Parallel()
	c := newCounter(t, sandbox.Config{})
	for _, m := range []struct {
		lang, currency string
		amount         int64
		want           string
	}{
		{"nb", "NOK", 19905, "199,05\u00a0kr"}, {"nn", "NOK", 123456789, "1\u00a0234\u00a0567,89\u00a0kr"}, {"nb", "SEK", 100, "1,00\u00a0SEK"},
		{"sv", "SEK", 129900, "1\u00a0299,00\u00a0kr"}, {"da", "DKK", 129900, "1.299,00\u00a0kr."}, {"fi", "EUR", 990, "9,90\u00a0€"},
		{"en", "NOK", 129900, "NOK\u00a01,299.00"}, {"en", "EUR", 1, "EUR\u00a00.01"}, {"nb", "JPY", 1500, "1\u00a0500\u00a0JPY"}, {"nb", "XQQ", 1, "0,01\u00a0XQQ"},
	} {
		path, _ := c.begin(func(s *order.Start) { s.Lang, s.Currency, s.Amount, s.VATAmount = m.lang, m.currency, m.amount, 0 })
		if body := c.get(path).Body.String(); !strings.Contains(body, `<strong class="sum">`+m.want+`</strong>`) {
			t.Errorf("%s %s %d: want %q in\n%s", m.lang, m.currency, m.amount, m.want, body)
		}
	}
}

// Every language has every page.
func TestSandboxLanguages(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, lang := range texts.Langs() {
		c := newCounter(t, sandbox.Config{})
		path, _ := c.begin(func(s *order.Start) { s.Lang = lang })
		w := c.get(path)
		c.wants(w, 200, `lang="`+lang+`"`)
		body := w.Body.String()
		if strings.Contains(body, ">sandbox.") || seen[body] {
			t.Errorf("%s: a text is missing:\n%s", lang, body)
		}
		seen[body] = true
	}
}
