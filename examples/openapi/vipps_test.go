package openapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/vipps"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// vippsServer answers as Vipps MobilePay does, and holds each request against
// testdata/vipps.yaml. What it answers is set by the test: the adapter's behaviour is
// tested beside it, with a simulator.
type vippsServer struct {
	t         *testing.T
	validator validator.Validator

	mu        sync.Mutex
	answers   map[string]string // by method and path
	seen      map[string]bool
	reference string
}

const vippsPayment, vippsCharge, vippsAgreement = "7K2QJ6ZP4M5XWTHN3VYB2RADCE", "M4T2V7QXHJ5ZKP3WNY6BRADC2E", "agr_5kSeqz"

func (s *vippsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok, faults := s.validator.ValidateHttpRequestSync(r); !ok {
		for _, f := range faults {
			s.t.Errorf("%s %s: %s: %s %v\n%s", r.Method, r.URL.Path, f.Message, f.Reason, f.SchemaValidationErrors, body)
		}
	}
	what := r.Method + " " + r.URL.Path
	s.seen[what] = true
	answer, ok := s.answers[what]
	if !ok {
		s.t.Errorf("%s is not answered", what)
	}
	status := http.StatusOK
	switch {
	case answer == "":
		status = http.StatusNoContent
	case answer == "404" || answer == "409":
		fmt.Sscan(answer, &status)
	}
	w.WriteHeader(status)
	if status == http.StatusOK {
		io.WriteString(w, answer)
	}
}

func (s *vippsServer) answer(what, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[what] = answer
}

// ePayment is a payment of 199.05 with these amounts.
func (s *vippsServer) ePayment(state string, authorized, captured, cancelled, refunded int) {
	s.answer("GET /epayment/v1/payments/"+vippsPayment, fmt.Sprintf(`{"reference":%q,"state":%q,"redirectUrl":"https://landing.vipps.no/","pspReference":"x","profile":{},"paymentMethod":{"type":"WALLET"},"amount":{"currency":"NOK","value":19905},"aggregate":{
		"authorizedAmount":{"currency":"NOK","value":%d},"capturedAmount":{"currency":"NOK","value":%d},"cancelledAmount":{"currency":"NOK","value":%d},"refundedAmount":{"currency":"NOK","value":%d}}}`,
		vippsPayment, state, authorized, captured, cancelled, refunded))
}

// charge is a charge, and agreement its agreement.
func (s *vippsServer) charge(id, kind, status string, captured, refunded int) {
	body := fmt.Sprintf(`{"id":%q,"agreementId":%q,"type":%q,"status":%q,"amount":19905,"currency":"NOK","description":"Fjordposten","summary":{"captured":%d,"refunded":%d,"cancelled":0},"history":[]}`,
		id, vippsAgreement, kind, status, captured, refunded)
	s.answer("GET /recurring/v3/agreements/"+vippsAgreement+"/charges/"+id, body)
	s.answer("GET /recurring/v3/charges/"+id, body)
}

func (s *vippsServer) agreement(status string) {
	s.answer("GET /recurring/v3/agreements/"+vippsAgreement, fmt.Sprintf(`{"id":%q,"status":%q,"pricing":{"type":"LEGACY","amount":24950,"currency":"NOK"},"vippsConfirmationUrl":"https://landing.vipps.no/"}`, vippsAgreement, status))
}

// TestVippsRequests holds every request that the adapter for Vipps MobilePay makes
// against the schema of its operation. None of the operations is left out.
func TestVippsRequests(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vipps.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	v, faults := validator.NewValidator(document)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if ok, faults := v.ValidateDocument(); !ok {
		t.Fatalf("the document is none: %v", faults)
	}
	s := &vippsServer{t: t, validator: v, seen: map[string]bool{}, answers: map[string]string{
		"POST /accesstoken/get": `{"token_type":"Bearer","expires_in":"3600","access_token":"eyJ0eXAiOiJKV1Qi"}`,
	}}
	front := httptest.NewServer(s)
	defer front.Close()
	p, err := vipps.New(vipps.Config{
		BaseURL: front.URL, InsecureAllowHTTP: true, ClientID: "fb492b5e-7907-4d83-ba20-c7fb60ca35de", ClientSecret: "Y8Kteew6GE2ZmeycEt6egg==",
		SubscriptionKey: "0f14ebcab0ec4b29ae0cb90d91b4a84a", MerchantSerialNumber: "123456", AgreementURL: "https://fjordposten.example/abonnement",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	must := func(what string, want order.State, st order.Standing, err error) {
		t.Helper()
		if err != nil || st.State != want {
			t.Fatalf("%s: %+v %v", what, st, err)
		}
	}
	a := order.Action{Key: vippsPayment + "/action with a key of more than forty characters", Amount: 19905, Currency: "NOK", Description: strings.Repeat("Fjordposten ", 10)}

	// Texts, numbers and keys at their limits.
	starts := []order.Start{{}, {Description: "a"}, {Description: strings.Repeat("å", 300)}, {Payer: order.Payer{Phone: "+4791234567"}}, {Payer: order.Payer{Phone: "+4622"}}, {Currency: "EUR"}, {Currency: "DKK", Amount: 65_000_000}}
	for i, in := range starts {
		in.ID, in.Key, in.Flow, in.ReturnURL = vippsPayment, fmt.Sprint(strings.Repeat("/#?", 100), i), order.Redirect, "https://connectid.example/user/pay?run=æ%20b"
		if in.Amount == 0 {
			in.Amount = 19905
		}
		if in.Currency == "" {
			in.Currency = "NOK"
		}
		for _, m := range []order.Method{order.VippsEcommerce, order.VippsRecurring} {
			in.Method, in.Recurring = m, m == order.VippsRecurring
			in.Renewal = order.Renewal{Price: 100, Period: order.Period{Length: 31, Unit: "days"}}
			s.answer("POST /epayment/v1/payments", fmt.Sprintf(`{"reference":%q,"redirectUrl":"https://landing.vipps.no/"}`, vippsPayment))
			s.answer("POST /recurring/v3/agreements", fmt.Sprintf(`{"agreementId":%q,"chargeId":%q,"vippsConfirmationUrl":"https://landing.vipps.no/"}`, vippsAgreement, vippsPayment))
			if _, err := p.Start(ctx, in); err != nil {
				t.Errorf("start %d by %s: %v", i, m, err)
			}
		}
	}

	ref := order.Ref{ID: vippsPayment, Provider: "epayment:" + vippsPayment, Method: order.VippsEcommerce}
	for _, path := range []string{"capture", "cancel", "refund"} {
		s.answer("POST /epayment/v1/payments/"+vippsPayment+"/"+path, `{}`)
	}
	s.ePayment("AUTHORIZED", 19905, 0, 0, 0)
	st, err := p.Capture(ctx, ref, a)
	must("capture", order.Authorized, st, err)
	st, err = p.Cancel(ctx, ref, a)
	must("cancel", order.Authorized, st, err)
	s.ePayment("AUTHORIZED", 19905, 19905, 0, 0)
	st, err = p.Refund(ctx, ref, a)
	must("refund", order.Captured, st, err)

	charges := "/recurring/v3/agreements/" + vippsAgreement + "/charges"
	ref = order.Ref{ID: vippsPayment, Method: order.VippsRecurring, Recurring: true}
	s.agreement("ACTIVE")
	s.charge(vippsPayment, "INITIAL", "RESERVED", 0, 0)
	for _, what := range []string{"POST " + charges + "/" + vippsPayment + "/capture", "POST " + charges + "/" + vippsPayment + "/refund", "PATCH /recurring/v3/agreements/" + vippsAgreement, "DELETE " + charges + "/" + vippsPayment} {
		s.answer(what, "")
	}
	st, err = p.Capture(ctx, ref, a)
	must("capture", order.Authorized, st, err)
	st, err = p.Cancel(ctx, ref, order.Action{Key: "k"})
	must("cancel", order.Authorized, st, err)
	s.charge(vippsPayment, "INITIAL", "CHARGED", 19905, 0)
	st, err = p.Refund(ctx, ref, order.Action{Key: "k"})
	must("refund", order.Captured, st, err)

	s.answer("GET "+charges+"/"+vippsCharge, "404")
	s.answer("POST "+charges, fmt.Sprintf(`{"chargeId":%q}`, vippsCharge))
	for _, due := range []time.Time{{}, time.Now().AddDate(1, 0, 0)} {
		c := order.Charge{ID: vippsCharge, Key: "k", Method: order.VippsRecurring, Token: vippsAgreement, Amount: 100, Currency: "NOK", DueAt: due, Description: strings.Repeat("å", 99)}
		if _, err := p.Charge(ctx, c); err != nil {
			t.Error(err)
		}
	}

	const id = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
	s.answer("POST /webhooks/v1/webhooks", `{"id":"`+id+`","secret":"090a478d-37ff-4e77-970e-d457aeb26a3a"}`)
	s.answer("GET /webhooks/v1/webhooks", `{"webhooks":[]}`)
	s.answer("DELETE /webhooks/v1/webhooks/"+id, "")
	for _, m := range []order.Method{order.VippsEcommerce, order.VippsRecurring} {
		if _, err := p.RegisterWebhook(ctx, "https://connectid.example/capi/mcpay/callback/fjord/"+string(m), vipps.Events(m)); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Webhooks(ctx); err != nil {
		t.Error(err)
	}
	if err := p.DeleteWebhook(ctx, id); err != nil {
		t.Error(err)
	}

	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	param := regexp.MustCompile(`\\\{[^}]*\\\}`)
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		form := regexp.MustCompile("^" + param.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
		for method := range item.GetOperations().FromOldest() {
			made := false
			for what := range s.seen {
				m, p, _ := strings.Cut(what, " ")
				made = made || strings.EqualFold(m, method) && form.MatchString(p)
			}
			if !made {
				t.Errorf("%s %s was not called", method, path)
			}
		}
	}
}
