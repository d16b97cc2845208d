package vipps_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// simulator is Vipps MobilePay, as far as the adapter needs it, written from
//
//   - vippsas/access-token-api: docs/swagger.yaml and README.md
//   - vippsas/vipps-epayment-api: docs/epayment.v1.yml, operations/create.md,
//     capture.md, cancel.md and refund.md, payment_states.md and faq.md ("What do all
//     the errors mean?")
//   - vippsas/vipps-recurring-api: docs/openapi.yaml (v3), recurring-api-guide.md
//     ("Idempotency Key header", "orderId recommendations", "Agreement states",
//     "Charge states", "Stop an agreement", "Due date") and
//     recurring-api-problems.md
//   - vippsas/webhooks-api: docs/swagger.yaml, api-guide.md, events.md
//
// It judges every request: a header that is missing, a field that is unknown, a
// pattern that is not kept fails the test.
type simulator struct {
	t   testing.TB
	srv *httptest.Server

	mu         sync.Mutex
	now        time.Time
	tokens     map[string]time.Time // access tokens and their ends
	fetches    int
	life       time.Duration
	payments   map[string]*simPayment
	agreements map[string]*simAgreement
	charges    map[string]*simCharge
	keys       map[string]keyed
	hooks      map[string]map[string]any
	faults     map[string][]fault // by operation
	calls      map[string]int
	moved      map[string]int64                // money by what was done to it: charged twice shows here
	landing    string                          // the origin of confirmation addresses
	stubborn   bool                            // pending agreements can not be stopped
	slow       bool                            // captures of charges are accepted, and done later
	alter      map[string]func(map[string]any) // changes the answers of an operation
}

type simPayment struct {
	State                                     string
	Currency                                  string
	Amount                                    int64
	Authorized, Captured, Cancelled, Refunded int64
	Phone                                     string
	busy                                      bool // the payer is confirming it: it can not be cancelled
}

type simAgreement struct {
	Status, Currency, ExternalID, Initial, Phone string
	Price                                        int64
	Unit                                         string
	Count                                        int
}

type simCharge struct {
	ID, Agreement, Type, Status, Currency, Description, Due, Reason string
	Amount, Captured, Refunded, Cancelled                           int64
	History                                                         []map[string]any
	hidden                                                          bool // not to be found yet
}

type keyed struct {
	request string
	status  int
	body    []byte
}

// fault is how an operation misbehaves, once.
type fault string

const (
	failBefore fault = "500 before"
	failAfter  fault = "500 after"
	dropAfter  fault = "no answer after"
	slowAfter  fault = "late answer after"
	tooMany    fault = "429"
	badGateway fault = "502 with HTML"
	truncated  fault = "half the JSON"
	oversized  fault = "too much JSON"
	html       fault = "200 with HTML"
	elsewhere  fault = "a redirect"
	expire     fault = "tokens expire"
	revoked    fault = "401"
	forbidden  fault = "403"
)

const (
	msn             = "123456"
	clientID        = "fb492b5e-7907-4d83-ba20-c7fb60ca35de"
	clientSecret    = "Y8Kteew6GE2ZmeycEt6egg=="
	subscriptionKey = "0f14ebcab0ec4b29ae0cb90d91b4a84a"
)

func newSimulator(t testing.TB) *simulator {
	s := &simulator{
		t: t, now: time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC), life: time.Hour,
		tokens: map[string]time.Time{}, payments: map[string]*simPayment{}, agreements: map[string]*simAgreement{}, charges: map[string]*simCharge{},
		keys: map[string]keyed{}, hooks: map[string]map[string]any{}, faults: map[string][]fault{}, calls: map[string]int{}, moved: map[string]int64{},
		landing: "https://landing.vipps.no", alter: map[string]func(map[string]any){},
	}
	s.srv = httptest.NewServer(s)
	t.Cleanup(s.srv.Close)
	return s
}

func (s *simulator) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *simulator) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *simulator) fail(op string, f ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[op] = append(s.faults[op], f...)
}

func (s *simulator) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// with changes what Vipps knows.
func (s *simulator) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// problem is an answer by RFC 7807.
type problem struct {
	status int
	title  string
}

func (p problem) Error() string { return p.title }

type operation struct {
	name, method string
	path         *regexp.Regexp
	keyed        bool // with an Idempotency-Key
	body         bool
	do           func(s *simulator, id []string, body []byte) (int, any)
}

const idPattern = `([a-zA-Z0-9_-]{1,64})`

var operations = []operation{
	{"createPayment", "POST", regexp.MustCompile(`^/epayment/v1/payments$`), true, true, (*simulator).createPayment},
	{"getPayment", "GET", regexp.MustCompile(`^/epayment/v1/payments/([a-zA-Z0-9-]{8,50})$`), false, false, (*simulator).getPayment},
	{"capturePayment", "POST", regexp.MustCompile(`^/epayment/v1/payments/([a-zA-Z0-9-]{8,50})/capture$`), true, true, (*simulator).capturePayment},
	{"cancelPayment", "POST", regexp.MustCompile(`^/epayment/v1/payments/([a-zA-Z0-9-]{8,50})/cancel$`), true, false, (*simulator).cancelPayment},
	{"refundPayment", "POST", regexp.MustCompile(`^/epayment/v1/payments/([a-zA-Z0-9-]{8,50})/refund$`), true, true, (*simulator).refundPayment},
	{"draftAgreement", "POST", regexp.MustCompile(`^/recurring/v3/agreements$`), true, true, (*simulator).draftAgreement},
	{"fetchAgreement", "GET", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `$`), false, false, (*simulator).fetchAgreement},
	{"patchAgreement", "PATCH", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `$`), true, true, (*simulator).patchAgreement},
	{"createCharge", "POST", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `/charges$`), true, true, (*simulator).createCharge},
	{"fetchCharge", "GET", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `/charges/` + idPattern + `$`), false, false, (*simulator).fetchCharge},
	{"fetchChargeById", "GET", regexp.MustCompile(`^/recurring/v3/charges/` + idPattern + `$`), false, false, (*simulator).fetchChargeByID},
	{"captureCharge", "POST", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `/charges/` + idPattern + `/capture$`), true, true, (*simulator).captureCharge},
	{"refundCharge", "POST", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `/charges/` + idPattern + `/refund$`), true, true, (*simulator).refundCharge},
	{"cancelCharge", "DELETE", regexp.MustCompile(`^/recurring/v3/agreements/` + idPattern + `/charges/` + idPattern + `$`), true, false, (*simulator).cancelCharge},
	{"registerWebhook", "POST", regexp.MustCompile(`^/webhooks/v1/webhooks$`), false, true, (*simulator).registerWebhook},
	{"listWebhooks", "GET", regexp.MustCompile(`^/webhooks/v1/webhooks$`), false, false, (*simulator).listWebhooks},
	{"deleteWebhook", "DELETE", regexp.MustCompile(`^/webhooks/v1/webhooks/` + idPattern + `$`), false, false, (*simulator).deleteWebhook},
}

// ServeHTTP implements [http.Handler].
func (s *simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	name, status, answer, f := s.serve(r, body)
	s.calls[name]++
	s.mu.Unlock()
	switch f {
	case failBefore, failAfter:
		status, answer = 500, []byte(`{"type":"https://developer.vippsmobilepay.com/docs/x#internal","title":"Internal error","status":500,"traceId":"0"}`)
	case tooMany:
		w.Header().Set("Retry-After", "30")
		status, answer = 429, []byte(`{"responseInfo":{"responseCode":429,"responseMessage":"Too Many Requests"},"result":{"message":"Rate limit is exceeded"}}`)
	case badGateway:
		w.Header().Set("Content-Type", "text/html")
		status, answer = 502, []byte("<html>Bad Gateway</html>")
	case html:
		w.Header().Set("Content-Type", "text/html")
		answer = []byte("<html>Maintenance</html>")
	case truncated:
		answer = answer[:len(answer)/2]
	case oversized:
		answer = append(answer, bytes.Repeat([]byte(" "), 2<<20)...)
	case elsewhere:
		w.Header().Set("Location", "https://attacker.example/")
		status, answer = 307, nil
	case revoked:
		status, answer = 401, []byte(`{"responseInfo":{"responseCode":401,"responseMessage":"Unauthorized"},"result":{"message":"invalid token"}}`)
	case forbidden:
		status, answer = 403, []byte(`{"type":"https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems#invalid-sale-unit","title":"Forbidden","status":403}`)
	case dropAfter:
		panic(http.ErrAbortHandler)
	case slowAfter:
		<-r.Context().Done()
		return
	}
	if w.Header().Get("Content-Type") == "" && len(answer) > 0 {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	}
	w.WriteHeader(status)
	w.Write(answer)
}

func (s *simulator) serve(r *http.Request, body []byte) (name string, status int, answer []byte, f fault) {
	next := func(name string) fault {
		if q := s.faults[name]; len(q) > 0 {
			s.faults[name] = q[1:]
			return q[0]
		}
		return ""
	}
	early := func(f fault) bool {
		return f == failBefore || f == tooMany || f == badGateway || f == revoked || f == elsewhere || f == forbidden
	}
	s.checkHeaders(r, body)
	if r.Method == "POST" && r.URL.Path == "/accesstoken/get" {
		f = next("token")
		if early(f) {
			return "token", 0, nil, f
		}
		s.fetches++
		if len(body) > 0 || r.Header.Get("client_id") != clientID || r.Header.Get("client_secret") != clientSecret || r.Header.Get("Authorization") != "" {
			s.t.Errorf("bad request for a token: %v %s", r.Header, body)
		}
		value := "eyJ0eXAiOiJKV1Qi." + rand.Text()
		s.tokens[value] = s.now.Add(s.life)
		answer, _ = json.Marshal(map[string]string{
			"token_type": "Bearer", "expires_in": fmt.Sprint(int(s.life.Seconds())), "ext_expires_in": "0", "expires_on": fmt.Sprint(s.now.Add(s.life).Unix()),
			"not_before": fmt.Sprint(s.now.Unix()), "resource": "00000002-0000-0000-c000-000000000000", "access_token": value,
		})
		return "token", 200, s.altered("token", answer), f
	}
	for _, op := range operations {
		m := op.path.FindStringSubmatch(r.URL.Path)
		if op.method != r.Method || m == nil {
			continue
		}
		if r.URL.RawQuery != "" {
			s.t.Errorf("%s with a query", op.name)
		}
		f = next(op.name)
		if f == expire {
			clear(s.tokens)
			f = ""
		}
		if early(f) {
			return op.name, 0, nil, f
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if end, ok := s.tokens[token]; !ok || !s.now.Before(end) {
			return op.name, 401, []byte(`{"responseInfo":{"responseCode":401,"responseMessage":"Unauthorized"},"result":{"message":"expired"}}`), f
		}
		status, answer = s.run(op, r, m[1:], body)
		return op.name, status, s.altered(op.name, answer), f
	}
	s.t.Errorf("unknown operation %s %s", r.Method, r.URL.Path)
	return "unknown", 404, nil, ""
}

func (s *simulator) altered(name string, answer []byte) []byte {
	change := s.alter[name]
	if change == nil {
		return answer
	}
	var m map[string]any
	if err := json.Unmarshal(answer, &m); err != nil {
		s.t.Error(err)
	}
	change(m)
	answer, _ = json.Marshal(m)
	return answer
}

// run does an operation, once for each idempotency key.
func (s *simulator) run(op operation, r *http.Request, id []string, body []byte) (int, []byte) {
	key := r.Header.Get("Idempotency-Key")
	if op.keyed != (key != "") || op.keyed && (len(key) > 40 || strings.ContainsAny(key, `#?/\`)) {
		s.t.Errorf("%s with the idempotency key %q", op.name, key)
	}
	if op.body != (len(body) > 0) {
		s.t.Errorf("%s with the body %q", op.name, body)
	}
	request := r.Method + " " + r.URL.Path + " " + string(body)
	if old, ok := s.keys[key]; ok && key != "" {
		if old.request != request {
			return encode(409, problem{409, "idempotency-conflict"})
		}
		return old.status, old.body
	}
	status, out := op.do(s, id, body)
	code, answer := encode(status, out)
	if key != "" {
		s.keys[key] = keyed{request, code, answer}
	}
	return code, answer
}

func encode(status int, v any) (int, []byte) {
	if p, ok := v.(problem); ok {
		status = p.status
		v = map[string]any{
			"type": "https://developer.vippsmobilepay.com/docs/x#" + strings.ReplaceAll(strings.ToLower(p.title), " ", "-"), "title": p.title, "status": p.status, "traceId": "00-bb84",
			"detail": "not for logs: +4791234567",
		}
	}
	if v == nil {
		return status, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return status, b
}

var known = []string{
	"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent", "Client_id", "Client_secret", "Idempotency-Key",
	"Merchant-Serial-Number", "Ocp-Apim-Subscription-Key", "Vipps-System-Name", "Vipps-System-Version", "Vipps-System-Plugin-Name", "Vipps-System-Plugin-Version",
}

func (s *simulator) checkHeaders(r *http.Request, body []byte) {
	for name, values := range r.Header {
		if !slices.Contains(known, name) || len(values) != 1 {
			s.t.Errorf("%s %s: header %s: %q", r.Method, r.URL.Path, name, values)
		}
		if strings.HasPrefix(name, "Vipps-System-") && (values[0] == "" || len(values[0]) > 30) {
			s.t.Errorf("header %s: %q", name, values)
		}
	}
	for name, want := range map[string]string{
		"Merchant-Serial-Number": msn, "Ocp-Apim-Subscription-Key": subscriptionKey, "Vipps-System-Name": "acme", "Vipps-System-Version": "3.1.2",
		"Vipps-System-Plugin-Name": "acme-webshop", "Vipps-System-Plugin-Version": "4.5.6",
	} {
		if got := r.Header.Get(name); got != want {
			s.t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL.Path, name, got, want)
		}
	}
	if got, want := r.Header.Get("Content-Type"), "application/json"; len(body) > 0 && got != want || len(body) == 0 && got != "" {
		s.t.Errorf("%s %s: %d bytes of %q", r.Method, r.URL.Path, len(body), got)
	}
	if strings.Contains(r.URL.RawQuery+r.URL.Path, clientSecret) {
		s.t.Error("a secret in an address")
	}
}

// read reads a body and knows each of its fields.
func (s *simulator) read(body []byte, into any) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		s.t.Errorf("bad body %s: %v", body, err)
	}
}

func (s *simulator) want(ok bool, format string, args ...any) {
	if !ok {
		s.t.Helper()
		s.t.Errorf(format, args...)
	}
}

type amount struct {
	Currency string `json:"currency"`
	Value    int64  `json:"value"`
}

var currencies = []string{"NOK", "DKK", "EUR"}

func (s *simulator) createPayment(_ []string, body []byte) (int, any) {
	var in struct {
		Amount              *amount `json:"amount"`
		Customer            *struct{ PhoneNumber string }
		CustomerInteraction string
		PaymentMethod       struct{ Type string }
		Reference           string
		ReturnURL           string
		UserFlow            string
		PaymentDescription  *string
	}
	s.read(body, &in)
	s.want(in.Amount != nil && slices.Contains(currencies, in.Amount.Currency) && in.Amount.Value >= 0 && in.Amount.Value <= 65000000, "amount %v", in.Amount)
	s.want(in.CustomerInteraction == "CUSTOMER_NOT_PRESENT" && in.PaymentMethod.Type == "WALLET" && in.UserFlow == "WEB_REDIRECT", "%s", body)
	s.want(regexp.MustCompile(`^[a-zA-Z0-9-]{8,50}$`).MatchString(in.Reference), "reference %q", in.Reference)
	u, err := url.Parse(in.ReturnURL)
	s.want(err == nil && u.Scheme == "https" && u.Host != "", "returnUrl %q", in.ReturnURL)
	if d := in.PaymentDescription; d != nil {
		s.want(utf8.RuneCountInString(*d) >= 3 && utf8.RuneCountInString(*d) <= 100, "paymentDescription %q", *d)
	}
	p := &simPayment{State: "CREATED", Currency: in.Amount.Currency, Amount: in.Amount.Value}
	if in.Customer != nil {
		p.Phone = in.Customer.PhoneNumber
		s.want(regexp.MustCompile(`^\d{10,15}$`).MatchString(p.Phone), "phoneNumber %q", p.Phone)
	}
	if in.Amount.Value < 100 {
		return 0, problem{400, "Amount too small"}
	}
	if s.payments[in.Reference] != nil {
		return 0, problem{409, "Idempotency error"}
	}
	s.payments[in.Reference] = p
	return 201, map[string]any{"redirectUrl": s.landing + "/?token=" + in.Reference, "reference": in.Reference}
}

func (p *simPayment) answer(id string) map[string]any {
	m := func(v int64) amount { return amount{p.Currency, v} }
	return map[string]any{
		"amount": m(p.Amount), "state": p.State, "reference": id, "pspReference": "70b6ebe0-b400-4652-a3ea-70645e025035",
		"aggregate": map[string]amount{"authorizedAmount": m(p.Authorized), "cancelledAmount": m(p.Cancelled), "capturedAmount": m(p.Captured), "refundedAmount": m(p.Refunded)},
	}
}

func (s *simulator) getPayment(id []string, _ []byte) (int, any) {
	p := s.payments[id[0]]
	if p == nil {
		return 0, problem{404, "Reference not found"}
	}
	out := p.answer(id[0])
	out["paymentMethod"], out["profile"] = map[string]string{"type": "WALLET"}, map[string]string{}
	if p.State == "CREATED" {
		out["redirectUrl"] = s.landing + "/?token=" + id[0]
	}
	return 200, out
}

func (s *simulator) modification(body []byte) amount {
	var in struct {
		ModificationAmount *amount
	}
	s.read(body, &in)
	if in.ModificationAmount == nil {
		s.t.Errorf("no modificationAmount: %s", body)
		return amount{}
	}
	return *in.ModificationAmount
}

func (s *simulator) capturePayment(id []string, body []byte) (int, any) {
	a, p := s.modification(body), s.payments[id[0]]
	switch {
	case p == nil:
		return 0, problem{404, "Reference not found"}
	case p.State != "AUTHORIZED":
		return 0, problem{400, "Cannot capture before reservation"}
	case p.Cancelled > 0:
		return 0, problem{400, "Cannot capture a cancelled payment"}
	case a.Currency != p.Currency || a.Value > p.Authorized-p.Captured:
		return 0, problem{400, "Capture amount too high"}
	}
	p.Captured += a.Value
	s.moved["captured"] += a.Value
	return 200, p.answer(id[0])
}

func (s *simulator) cancelPayment(id []string, _ []byte) (int, any) {
	p := s.payments[id[0]]
	switch {
	case p == nil:
		return 0, problem{404, "Reference not found"}
	case p.busy:
		return 0, problem{400, "Cannot cancel pending"}
	case p.State == "CREATED":
		p.State, p.Cancelled = "TERMINATED", p.Amount
	case p.State == "AUTHORIZED" && p.Captured+p.Cancelled < p.Authorized:
		s.moved["released"] += p.Authorized - p.Captured - p.Cancelled
		p.Cancelled = p.Authorized - p.Captured
	case p.Captured > 0:
		return 0, problem{400, "Cannot cancel a captured payment"}
	default:
		return 0, problem{400, "Payment cannot be cancelled"}
	}
	return 200, p.answer(id[0])
}

func (s *simulator) refundPayment(id []string, body []byte) (int, any) {
	a, p := s.modification(body), s.payments[id[0]]
	switch {
	case p == nil:
		return 0, problem{404, "Reference not found"}
	case a.Value < 100:
		return 0, problem{400, "Amount too small"}
	case a.Currency != p.Currency || a.Value > p.Captured-p.Refunded:
		return 0, problem{400, "Not enough refundable"}
	}
	p.Refunded += a.Value
	s.moved["refunded"] += a.Value
	return 200, p.answer(id[0])
}

func (s *simulator) draftAgreement(_ []string, body []byte) (int, any) {
	var in struct {
		Pricing struct {
			Type, Currency string
			Amount         int64
		}
		Interval struct {
			Unit  string
			Count int
		}
		InitialCharge *struct {
			Amount                                            int64
			Description, TransactionType, OrderID, ExternalID string
		}
		PhoneNumber, MerchantAgreementURL, MerchantRedirectURL, ProductName, ExternalID string
	}
	s.read(body, &in)
	c := in.InitialCharge
	if c == nil {
		s.t.Errorf("no initialCharge: %s", body)
		return 0, problem{400, "validation-error"}
	}
	s.want(in.Pricing.Type == "LEGACY" && slices.Contains(currencies, in.Pricing.Currency) && in.Pricing.Amount >= 100, "pricing %v", in.Pricing)
	s.want(slices.Contains([]string{"YEAR", "MONTH", "WEEK", "DAY"}, in.Interval.Unit) && in.Interval.Count >= 1 && in.Interval.Count <= 31, "interval %v", in.Interval)
	s.want(c.Amount > 0 && c.TransactionType == "RESERVE_CAPTURE" && c.Description != "" && utf8.RuneCountInString(c.Description) <= 45, "initialCharge %v", c)
	s.want(regexp.MustCompile(`^[a-zA-Z0-9-]{1,50}$`).MatchString(c.OrderID), "orderId %q", c.OrderID)
	s.want(len(c.ExternalID) >= 1 && len(c.ExternalID) <= 64 && len(in.ExternalID) >= 1 && len(in.ExternalID) <= 64, "externalId")
	s.want(utf8.RuneCountInString(in.ProductName) >= 1 && utf8.RuneCountInString(in.ProductName) <= 45, "productName %q", in.ProductName)
	s.want(strings.HasPrefix(in.MerchantAgreementURL, "https://") && len(in.MerchantAgreementURL) <= 1024, "merchantAgreementUrl %q", in.MerchantAgreementURL)
	s.want(strings.HasPrefix(in.MerchantRedirectURL, "https://") && len(in.MerchantRedirectURL) <= 1024, "merchantRedirectUrl %q", in.MerchantRedirectURL)
	s.want(in.PhoneNumber == "" || regexp.MustCompile(`^\d{10,15}$`).MatchString(in.PhoneNumber), "phoneNumber %q", in.PhoneNumber)
	if s.charges[c.OrderID] != nil {
		return 0, problem{409, "conflict"}
	}
	id := "agr_" + rand.Text()[:7]
	s.agreements[id] = &simAgreement{
		Status: "PENDING", Currency: in.Pricing.Currency, Price: in.Pricing.Amount, ExternalID: in.ExternalID, Initial: c.OrderID, Phone: in.PhoneNumber,
		Unit: in.Interval.Unit, Count: in.Interval.Count,
	}
	s.charges[c.OrderID] = &simCharge{ID: c.OrderID, Agreement: id, Type: "INITIAL", Status: "PENDING", Currency: in.Pricing.Currency, Amount: c.Amount, Description: c.Description}
	return 201, map[string]any{
		"agreementId": id, "uuid": "9c2ca95c-245f-4a2e-aab2-4a08eb78e6fb", "vippsConfirmationUrl": s.landing + "/agree?token=" + id, "chargeId": c.OrderID,
	}
}

func (s *simulator) fetchAgreement(id []string, _ []byte) (int, any) {
	a := s.agreements[id[0]]
	if a == nil {
		return 0, problem{404, "resource-not-found"}
	}
	out := map[string]any{
		"id": id[0], "status": a.Status, "created": "2026-03-10T09:00:00Z", "start": nil, "stop": nil, "campaign": nil, "sub": nil, "countryCode": "NO",
		"uuid": "9c2ca95c-245f-4a2e-aab2-4a08eb78e6fb", "externalId": a.ExternalID, "productName": "x", "merchantAgreementUrl": "https://example.com", "merchantRedirectUrl": "https://example.com",
		"pricing":  map[string]any{"type": "LEGACY", "amount": a.Price, "currency": a.Currency},
		"interval": map[string]any{"unit": a.Unit, "count": a.Count, "text": "hver måned"},
	}
	if a.Status == "PENDING" {
		out["vippsConfirmationUrl"] = s.landing + "/agree?token=" + id[0]
	}
	return 200, out
}

func (s *simulator) patchAgreement(id []string, body []byte) (int, any) {
	var in struct{ Status string }
	s.read(body, &in)
	s.want(in.Status == "STOPPED", "status %q", in.Status)
	a := s.agreements[id[0]]
	switch {
	case a == nil:
		return 0, problem{404, "resource-not-found"}
	case a.Status != "ACTIVE" && (a.Status != "PENDING" || s.stubborn):
		return 0, problem{400, "illegal-agreement-update"}
	}
	a.Status = "STOPPED"
	for _, c := range s.charges {
		if c.Agreement == id[0] && slices.Contains([]string{"PENDING", "DUE", "RESERVED"}, c.Status) {
			s.cancelled(c)
		}
	}
	return 204, nil
}

func (s *simulator) cancelled(c *simCharge) {
	if c.Status == "RESERVED" {
		s.moved["released"] += c.Amount
	}
	c.Status, c.Cancelled = "CANCELLED", c.Amount
	c.event("CANCEL", c.Amount)
}

func (c *simCharge) event(name string, amount int64) {
	c.History = append(c.History, map[string]any{"occurred": "2026-03-10T09:00:00Z", "event": name, "amount": amount, "idempotencyKey": "k", "success": true})
}

func (s *simulator) charge(id []string) *simCharge {
	if c := s.charges[id[1]]; c != nil && c.Agreement == id[0] && !c.hidden {
		return c
	}
	return nil
}

func (c *simCharge) answer() (int, any) {
	if c == nil {
		return 0, problem{404, "resource-not-found"}
	}
	out := map[string]any{
		"id": c.ID, "agreementId": c.Agreement, "type": c.Type, "status": c.Status, "amount": c.Amount, "currency": c.Currency, "description": c.Description,
		"transactionType": "RESERVE_CAPTURE", "transactionId": nil, "due": "2026-03-12T00:00:00Z", "retryDays": 5, "externalId": c.ID, "failureReason": nil,
		"summary": map[string]int64{"captured": c.Captured, "refunded": c.Refunded, "cancelled": c.Cancelled}, "history": append([]map[string]any{}, c.History...),
	}
	if c.Reason != "" {
		out["failureReason"] = c.Reason
	}
	return 200, out
}

func (s *simulator) fetchCharge(id []string, _ []byte) (int, any) { return s.charge(id).answer() }

func (s *simulator) fetchChargeByID(id []string, _ []byte) (int, any) {
	return s.charges[id[0]].answer()
}

func (s *simulator) createCharge(id []string, body []byte) (int, any) {
	var in struct {
		Amount                                                 int64
		TransactionType, Description, Due, OrderID, ExternalID string
		RetryDays                                              *int
	}
	s.read(body, &in)
	due, err := time.Parse(time.DateOnly, in.Due)
	s.want(err == nil, "due %q", in.Due)
	s.want(in.Amount >= 100 && in.TransactionType == "RESERVE_CAPTURE" && in.Description != "" && utf8.RuneCountInString(in.Description) <= 45, "%s", body)
	s.want(in.RetryDays != nil && *in.RetryDays >= 0 && *in.RetryDays <= 14, "retryDays %v", in.RetryDays)
	s.want(regexp.MustCompile(`^[a-zA-Z\d-]{1,50}$`).MatchString(in.OrderID) && in.ExternalID != "" && len(in.ExternalID) <= 64, "orderId %q", in.OrderID)
	a := s.agreements[id[0]]
	today := s.now.UTC().Truncate(24 * time.Hour)
	switch {
	case a == nil:
		return 0, problem{404, "resource-not-found"}
	case a.Status != "ACTIVE":
		return 0, problem{422, "charge-creation-failed"}
	case due.Before(today.AddDate(0, 0, 2)):
		return 0, problem{400, "charge-due-too-soon"}
	case due.After(today.AddDate(2, 0, 0)):
		return 0, problem{400, "charge-due-in-too-long"}
	case in.Amount > 5*a.Price:
		return 0, problem{400, "charge-amount-too-high"}
	case s.charges[in.OrderID] != nil:
		return 0, problem{409, "conflict"}
	}
	c := &simCharge{ID: in.OrderID, Agreement: id[0], Type: "RECURRING", Status: "PENDING", Currency: a.Currency, Amount: in.Amount, Description: in.Description, Due: in.Due}
	c.event("CREATE", in.Amount)
	s.charges[c.ID] = c
	s.moved["drawn"] += in.Amount
	return 201, map[string]any{"chargeId": c.ID}
}

func (s *simulator) chargeModification(body []byte) int64 {
	var in struct {
		Amount      int64
		Description string
	}
	s.read(body, &in)
	s.want(in.Amount >= 100 && in.Description != "", "%s", body)
	return in.Amount
}

func (s *simulator) captureCharge(id []string, body []byte) (int, any) {
	n, c := s.chargeModification(body), s.charge(id)
	switch {
	case c == nil:
		return 0, problem{404, "resource-not-found"}
	case c.Status != "RESERVED" && c.Status != "PARTIALLY_CAPTURED" || n > c.Amount-c.Captured-c.Cancelled:
		return 0, problem{400, "charge-capture-failed"}
	case s.slow:
		return 202, nil
	}
	if c.Captured += n; c.Captured == c.Amount {
		c.Status = "CHARGED"
	} else {
		c.Status = "PARTIALLY_CAPTURED"
	}
	c.event("CAPTURE", n)
	s.moved["captured"] += n
	return 204, nil
}

func (s *simulator) refundCharge(id []string, body []byte) (int, any) {
	n, c := s.chargeModification(body), s.charge(id)
	switch {
	case c == nil:
		return 0, problem{404, "resource-not-found"}
	case n > c.Captured-c.Refunded:
		return 0, problem{400, "operation-failed"}
	}
	if c.Refunded += n; c.Refunded == c.Captured {
		c.Status = "REFUNDED"
	} else {
		c.Status = "PARTIALLY_REFUNDED"
	}
	c.event("REFUND", n)
	s.moved["refunded"] += n
	return 204, nil
}

func (s *simulator) cancelCharge(id []string, _ []byte) (int, any) {
	c := s.charge(id)
	switch {
	case c == nil:
		return 0, problem{404, "resource-not-found"}
	case c.Status == "PARTIALLY_CAPTURED":
		s.moved["released"] += c.Amount - c.Captured
		c.Cancelled, c.Status = c.Amount-c.Captured, "CHARGED"
	case slices.Contains([]string{"PENDING", "DUE", "RESERVED"}, c.Status):
		s.cancelled(c)
	default:
		return 0, problem{400, "cancel-charge-failed"}
	}
	return 204, nil
}

func (s *simulator) registerWebhook(_ []string, body []byte) (int, any) {
	var in struct {
		URL    string
		Events []string
	}
	s.read(body, &in)
	for _, e := range in.Events {
		s.want(regexp.MustCompile(`^(epayments\.payment|recurring)\.(created|aborted|expired|cancelled|captured|refunded|authorized|terminated|agreement-(activated|rejected|stopped|expired)|charge-(reserved|captured|canceled|failed))\.v1$`).MatchString(e), "event %q", e)
	}
	s.want(strings.HasPrefix(in.URL, "https://") && len(in.Events) > 0, "%s", body)
	if len(s.hooks) == 5 {
		return 0, problem{400, "Bad Request"}
	}
	id := fmt.Sprintf("497f6eca-6276-4993-bfeb-%012d", len(s.hooks))
	s.hooks[id] = map[string]any{"id": id, "url": in.URL, "events": in.Events}
	return 201, map[string]string{"id": id, "secret": "090a478d-37ff-4e77-970e-d457aeb26a3a"}
}

func (s *simulator) listWebhooks(_ []string, _ []byte) (int, any) {
	all := []map[string]any{}
	for _, h := range s.hooks {
		all = append(all, h)
	}
	return 200, map[string]any{"webhooks": all}
}

func (s *simulator) deleteWebhook(id []string, _ []byte) (int, any) {
	if s.hooks[id[0]] == nil {
		return 0, problem{400, "Bad Request"}
	}
	delete(s.hooks, id[0])
	return 204, nil
}

// What payers do in the app.

func (s *simulator) approve(id string) {
	s.with(func() { s.payments[id].State, s.payments[id].Authorized = "AUTHORIZED", s.payments[id].Amount })
}

func (s *simulator) accept(agreement string) {
	s.with(func() {
		a := s.agreements[agreement]
		a.Status = "ACTIVE"
		c := s.charges[a.Initial]
		c.Status = "RESERVED"
		c.event("RESERVE", c.Amount)
	})
}
