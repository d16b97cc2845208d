package vipps_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/vipps"
)

const (
	oldSecret = "090a478d-37ff-4e77-970e-d457aeb26a3a"
	secret    = "c0ffee00-37ff-4e77-970e-d457aeb26a3a"
	hook      = "https://connectid.example/capi/mcpay/callback/fjord/vippsEcommerce"
)

// The values of the guide "Request authentication".
func TestDocumentedSignature(t *testing.T) {
	t.Parallel()
	got := vipps.Sign("A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==", "https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63",
		"Thu, 30 Mar 2023 08:38:32 GMT", "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=")
	if want := "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U="; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// webhook is one as Vipps sends it.
func webhook(secret, address, body string, dated, at time.Time) order.Callback {
	sum := sha256.Sum256([]byte(body))
	digest, date := base64.StdEncoding.EncodeToString(sum[:]), dated.UTC().Format(http.TimeFormat)
	return order.Callback{
		MerchantID: "fjord", Method: order.VippsEcommerce, HTTPMethod: "POST", URL: address, Body: []byte(body), At: at,
		Header: map[string][]string{
			"X-Ms-Date": {date}, "X-Ms-Content-Sha256": {digest}, "Authorization": {vipps.Sign(secret, address, date, digest)}, "Content-Type": {"application/json"},
		},
	}
}

const authorized = `{"msn":"123456","reference":"` + paymentID + `","pspReference":"1234567891","name":"AUTHORIZED","amount":{"currency":"NOK","value":19905},` +
	`"timestamp":"2026-03-10T09:00:00.260Z","idempotencyKey":"49ca711a9487112e1def","success":true}`

func TestWebhooks(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSimulator(t), nil)
	at := time.Date(2026, 3, 10, 9, 0, 30, 0, time.UTC)
	for name, tt := range map[string]struct {
		body, want string
	}{
		"ePayment":          {authorized, paymentID},
		"charge":            {`{"agreementId":"agr_1","chargeId":"` + chargeID + `","agreementExternalId":"` + paymentID + `","amount":100,"eventType":"recurring.charge-captured.v1","msn":"123456"}`, chargeID},
		"agreement":         {`{"agreementId":"agr_1","agreementExternalId":"` + paymentID + `","eventType":"recurring.agreement-stopped.v1","actor":"USER"}`, paymentID},
		"no external ID":    {`{"agreementId":"agr_1","agreementExternalId":null,"eventType":"recurring.agreement-stopped.v1","msn":"123456"}`, ""},
		"another unit's":    {strings.Replace(authorized, "123456", "654321", 1), ""},
		"another system's":  {strings.Replace(authorized, paymentID, "acme-shop-123-order123abc", 1), ""},
		"of something else": {`{"eventType":"user.checked-in.v1","customerToken":"x"}`, ""},
		"no JSON":           {`<xml/>`, ""},
		"another type":      {`{"reference":17}`, ""},
		"nothing":           {``, ""},
		"with more fields":  {strings.Replace(authorized, "{", `{"new":[1,{"a":null}],`, 1), paymentID},
	} {
		for _, key := range []string{secret, oldSecret} { // of two registrations
			for range 2 { // a repetition is no less authentic
				got, err := p.Callback(t.Context(), webhook(key, hook, tt.body, at, at))
				if err != nil || got != tt.want {
					t.Errorf("%s: %q %v, want %q", name, got, err, tt.want)
				}
			}
		}
	}
	c := webhook(secret, hook+"?a=b%20c&d=%2f", authorized, at, at)
	if got, err := p.Callback(t.Context(), c); err != nil || got != paymentID {
		t.Errorf("with a query: %q %v", got, err)
	}
	c = webhook(secret, hook, authorized, at, at)
	if c.PaymentID = paymentID; second(p.Callback(t.Context(), c)) != nil {
		t.Error("of the payment of its address")
	}
	if c.PaymentID = chargeID; !errors.Is(second(p.Callback(t.Context(), c)), order.ErrForged) {
		t.Error("of another payment than its address")
	}
}

func TestForgedWebhooks(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	at := time.Date(2026, 3, 10, 9, 0, 30, 0, time.UTC)
	for name, tt := range map[string]func() order.Callback{
		"unknown secret": func() order.Callback { return webhook("guessed-guessed-guessed", hook, authorized, at, at) },
		"other body": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.Body = []byte(strings.Replace(authorized, paymentID, chargeID, 1))
			return c
		},
		"other body and digest": func() order.Callback {
			c, other := webhook(secret, hook, authorized, at, at), webhook(secret, hook, "{}", at, at)
			c.Body, c.Header["X-Ms-Content-Sha256"] = other.Body, other.Header["X-Ms-Content-Sha256"]
			return c
		},
		"other date": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.Header["X-Ms-Date"] = []string{at.Add(time.Second).Format(http.TimeFormat)}
			return c
		},
		"old":         func() order.Callback { return webhook(secret, hook, authorized, at.AddDate(0, 0, -9), at) },
		"of tomorrow": func() order.Callback { return webhook(secret, hook, authorized, at.Add(time.Hour), at) },
		"other host": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.URL = strings.Replace(hook, "example", "test", 1)
			return c
		},
		"other path":  func() order.Callback { c := webhook(secret, hook, authorized, at, at); c.URL += "2"; return c },
		"other query": func() order.Callback { c := webhook(secret, hook, authorized, at, at); c.URL += "?a=b"; return c },
		"no address":  func() order.Callback { c := webhook(secret, hook, authorized, at, at); c.URL = "/capi"; return c },
		"GET":         func() order.Callback { c := webhook(secret, hook, authorized, at, at); c.HTTPMethod = "GET"; return c },
		"no signature": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			delete(c.Header, "Authorization")
			return c
		},
		"no date": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			delete(c.Header, "X-Ms-Date")
			return c
		},
		"no digest": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			delete(c.Header, "X-Ms-Content-Sha256")
			return c
		},
		"two signatures": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.Header["Authorization"] = append(c.Header["Authorization"], "x")
			return c
		},
		"another scheme": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.Header["Authorization"] = []string{"Bearer x"}
			return c
		},
		"no header": func() order.Callback { c := webhook(secret, hook, authorized, at, at); c.Header = nil; return c },
		"a shorter claim": func() order.Callback {
			c := webhook(secret, hook, authorized, at, at)
			c.Header["Authorization"][0] = strings.Replace(c.Header["Authorization"][0], ";x-ms-content-sha256", "", 1)
			return c
		},
	} {
		if id, err := p.Callback(t.Context(), tt()); !errors.Is(err, order.ErrForged) || id != "" {
			t.Errorf("%s: %q %v", name, id, err)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "Signature=") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Vipps tries for 7 days.
	if id, err := p.Callback(t.Context(), webhook(secret, hook, authorized, at.AddDate(0, 0, -7), at)); err != nil || id != paymentID {
		t.Errorf("late: %q %v", id, err)
	}
	none := newProvider(t, s, func(c *vipps.Config) { c.WebhookSecrets = nil })
	if _, err := none.Callback(t.Context(), webhook("", hook, authorized, at, at)); !errors.Is(err, order.ErrForged) {
		t.Errorf("without a secret: %v", err)
	}
	if len(s.calls) > 0 {
		t.Errorf("calls %v", s.calls)
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	p := newProvider(t, s, nil)
	ctx := t.Context()
	for _, m := range methods {
		w, err := p.RegisterWebhook(ctx, "https://connectid.example/capi/mcpay/callback/fjord/"+string(m), vipps.Events(m))
		if err != nil || w.ID == "" || w.Secret != oldSecret || len(w.Events) < 7 {
			t.Errorf("%s: %+v %v", m, w, err)
		}
	}
	if vipps.Events(order.Invoice) != nil {
		t.Error("events of an invoice")
	}
	all, err := p.Webhooks(ctx)
	if err != nil || len(all) != 2 || all[0].Secret != "" || all[0].URL == "" || len(all[0].Events) == 0 {
		t.Fatalf("listed %+v %v", all, err)
	}
	if err := p.DeleteWebhook(ctx, all[0].ID); err != nil {
		t.Error(err)
	}
	if err := p.DeleteWebhook(ctx, all[0].ID); err == nil {
		t.Error("deleted twice")
	}
	for _, bad := range []string{"http://connectid.example/x", "/x", "https://a@connectid.example/x", "https://connectid.example/x#y", ""} {
		if _, err := p.RegisterWebhook(ctx, bad, vipps.Events(order.VippsEcommerce)); err == nil {
			t.Errorf("registered %q", bad)
		}
	}
	if _, err := p.RegisterWebhook(ctx, hook, nil); err == nil {
		t.Error("registered nothing")
	}
	if err := p.DeleteWebhook(ctx, "../x"); err == nil {
		t.Error("deleted ../x")
	}
	s.fail("registerWebhook", truncated)
	if w, err := p.RegisterWebhook(ctx, hook, vipps.Events(order.VippsEcommerce)); err == nil {
		t.Errorf("registered %+v", w)
	}
}

func FuzzWebhook(f *testing.F) {
	f.Add([]byte(authorized), "Thu, 30 Mar 2023 08:38:32 GMT", hook, "x")
	f.Add([]byte(`{"eventType":"recurring.charge-captured.v1","chargeId":"`+chargeID+`"}`), "", "::", "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=")
	c := vipps.Config{ClientID: clientID, ClientSecret: clientSecret, SubscriptionKey: subscriptionKey, MerchantSerialNumber: msn, WebhookSecrets: []string{secret}}
	p, err := vipps.New(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, date, address, authorization string) {
		if id := p.PaymentOf(body); id != "" && (len(id) < 8 || len(id) > 32) {
			t.Errorf("ID %q", id)
		}
		sum := sha256.Sum256(body)
		_, err := p.Callback(t.Context(), order.Callback{HTTPMethod: "POST", URL: address, Body: body, At: time.Now(), Header: map[string][]string{
			"X-Ms-Date": {date}, "Authorization": {authorization}, "X-Ms-Content-Sha256": {base64.StdEncoding.EncodeToString(sum[:])},
		}})
		if !errors.Is(err, order.ErrForged) {
			t.Errorf("not forged: %v", err)
		}
	})
}

// TestJudgement is every state with every amount that matters.
func TestJudgement(t *testing.T) {
	t.Parallel()
	body := func(state string, authorized, captured, cancelled, refunded int64) string {
		return fmt.Sprintf(`{"reference":"r","state":%q,"amount":{"currency":"NOK","value":100},"aggregate":{"authorizedAmount":{"currency":"NOK","value":%d},"capturedAmount":{"currency":"NOK","value":%d},"cancelledAmount":{"currency":"NOK","value":%d},"refundedAmount":{"currency":"NOK","value":%d}}}`,
			state, authorized, captured, cancelled, refunded)
	}
	for name, tt := range map[string]struct {
		body   string
		want   order.State // or an error
		amount int64
	}{
		"created":                   {body("CREATED", 0, 0, 0, 0), order.Open, 100},
		"created with money":        {body("CREATED", 100, 0, 0, 0), "", 0},
		"aborted":                   {body("ABORTED", 0, 0, 0, 0), order.Cancelled, 100},
		"aborted with money":        {body("ABORTED", 100, 0, 0, 0), "", 0},
		"aborted, captured":         {body("ABORTED", 100, 100, 0, 0), "", 0},
		"expired":                   {body("EXPIRED", 0, 0, 0, 0), order.Failed, 100},
		"terminated":                {body("TERMINATED", 0, 0, 100, 0), order.Released, 100},
		"terminated, captured":      {body("TERMINATED", 100, 100, 0, 0), "", 0},
		"authorized":                {body("AUTHORIZED", 100, 0, 0, 0), order.Authorized, 100},
		"less":                      {body("AUTHORIZED", 60, 0, 0, 0), order.Authorized, 60},
		"more":                      {body("AUTHORIZED", 160, 0, 0, 0), order.Authorized, 160},
		"nothing":                   {body("AUTHORIZED", 0, 0, 0, 0), "", 0},
		"released":                  {body("AUTHORIZED", 100, 0, 100, 0), order.Released, 100},
		"partly released":           {body("AUTHORIZED", 100, 0, 30, 0), order.Authorized, 70},
		"captured":                  {body("AUTHORIZED", 100, 100, 0, 0), order.Captured, 100},
		"partly captured":           {body("AUTHORIZED", 100, 30, 0, 0), order.Captured, 30},
		"partly captured, the end":  {body("AUTHORIZED", 100, 30, 70, 0), order.Captured, 30},
		"partly refunded":           {body("AUTHORIZED", 100, 100, 0, 30), order.Captured, 100},
		"refunded":                  {body("AUTHORIZED", 100, 100, 0, 100), order.Refunded, 100},
		"refunded, still reserved":  {body("AUTHORIZED", 100, 30, 0, 30), order.Captured, 30},
		"captured more":             {body("AUTHORIZED", 100, 101, 0, 0), "", 0},
		"refunded more":             {body("AUTHORIZED", 100, 100, 0, 101), "", 0},
		"below zero":                {body("AUTHORIZED", 100, -1, 0, 0), "", 0},
		"CAPTURED is no state":      {body("CAPTURED", 100, 100, 0, 0), "", 0},
		"small letters are none":    {body("authorized", 100, 0, 0, 0), "", 0},
		"no state":                  {body("", 0, 0, 0, 0), "", 0},
		"two currencies":            {strings.Replace(body("AUTHORIZED", 100, 0, 0, 0), `"NOK"`, `"EUR"`, 1), "", 0},
		"no amounts":                {`{"reference":"r","state":"AUTHORIZED"}`, "", 0},
		"null":                      {`null`, "", 0},
		"an amount that is a text":  {strings.Replace(body("AUTHORIZED", 100, 0, 0, 0), "100", `"100"`, 1), "", 0},
		"an amount that is a fract": {strings.Replace(body("AUTHORIZED", 100, 0, 0, 0), "100", `100.5`, 1), "", 0},
	} {
		st, err := vipps.JudgePayment([]byte(tt.body))
		if (err == nil) != (tt.want != "") || st.State != tt.want || st.Amount != tt.amount && tt.want != "" {
			t.Errorf("%s: %+v %v, want %q %d", name, st, err, tt.want, tt.amount)
		}
	}
	charge := func(status string, captured, refunded, cancelled int64) string {
		return fmt.Sprintf(`{"id":"c","agreementId":"a","status":%q,"amount":100,"currency":"NOK","summary":{"captured":%d,"refunded":%d,"cancelled":%d},"history":[]}`, status, captured, refunded, cancelled)
	}
	for name, tt := range map[string]struct {
		body   string
		want   order.State
		amount int64
	}{
		"pending":              {charge("PENDING", 0, 0, 0), order.Open, 100},
		"due":                  {charge("DUE", 0, 0, 0), order.Open, 100},
		"processing":           {charge("PROCESSING", 0, 0, 0), order.Open, 100},
		"reserved":             {charge("RESERVED", 0, 0, 0), order.Authorized, 100},
		"reserved, captured":   {charge("RESERVED", 100, 0, 0), "", 0},
		"reserved a part":      {charge("RESERVED", 0, 0, 40), order.Authorized, 60},
		"reserved nothing":     {charge("RESERVED", 0, 0, 100), "", 0},
		"charged":              {charge("CHARGED", 100, 0, 0), order.Captured, 100},
		"charged a part":       {charge("CHARGED", 60, 0, 40), order.Captured, 60},
		"charged nothing":      {charge("CHARGED", 0, 0, 0), "", 0},
		"partly captured":      {charge("PARTIALLY_CAPTURED", 60, 0, 0), order.Captured, 60},
		"partly captured none": {charge("PARTIALLY_CAPTURED", 0, 0, 0), "", 0},
		"partly refunded":      {charge("PARTIALLY_REFUNDED", 100, 60, 0), order.Captured, 100},
		"refunded":             {charge("REFUNDED", 100, 100, 0), order.Refunded, 100},
		"refunded in part":     {charge("REFUNDED", 100, 60, 0), order.Captured, 100},
		"refunded nothing":     {charge("REFUNDED", 0, 0, 0), "", 0},
		"refunded more":        {charge("REFUNDED", 100, 101, 0), "", 0},
		"failed":               {charge("FAILED", 0, 0, 0), order.Failed, 100},
		"failed, captured":     {charge("FAILED", 100, 0, 0), "", 0},
		"cancelled":            {charge("CANCELLED", 0, 0, 100), order.Cancelled, 100},
		"cancelled after":      {strings.Replace(charge("CANCELLED", 0, 0, 100), "[]", `[{"event":"RESERVE","success":true}]`, 1), order.Released, 100},
		"cancelled after none": {strings.Replace(charge("CANCELLED", 0, 0, 100), "[]", `[{"event":"RESERVE","success":false}]`, 1), order.Cancelled, 100},
		"cancelled, captured":  {charge("CANCELLED", 100, 0, 0), "", 0},
		"unknown":              {charge("UNKNOWN", 0, 0, 0), "", 0},
		"other":                {charge("SETTLED", 100, 0, 0), "", 0},
		"no state":             {charge("", 0, 0, 0), "", 0},
		"below zero":           {charge("RESERVED", 0, 0, -1), "", 0},
		"no amount":            {`{"status":"RESERVED","currency":"NOK"}`, "", 0},
		"no currency":          {`{"status":"RESERVED","amount":100}`, "", 0},
	} {
		st, err := vipps.JudgeCharge("", []byte(tt.body))
		if (err == nil) != (tt.want != "") || st.State != tt.want || st.Amount != tt.amount && tt.want != "" {
			t.Errorf("%s: %+v %v, want %q %d", name, st, err, tt.want, tt.amount)
		}
	}
}

// No answer makes a success without the amounts of one.
func FuzzAnswers(f *testing.F) {
	f.Add("ACTIVE", []byte(`{"id":"c","agreementId":"a","status":"RESERVED","amount":100,"currency":"NOK"}`))
	f.Add("", []byte(`{"id":"c","agreementId":"a","status":"CHARGED","amount":100,"currency":"NOK","summary":{"captured":100},"history":[{"event":"RESERVE","success":true}]}`))
	f.Add("STOPPED", []byte(`{"state":"AUTHORIZED","amount":{"currency":"NOK","value":100},"aggregate":{"authorizedAmount":{"currency":"NOK","value":100},"capturedAmount":{"currency":"NOK","value":0},"cancelledAmount":{"currency":"NOK","value":0},"refundedAmount":{"currency":"NOK","value":0}}}`))
	f.Fuzz(func(t *testing.T, agreement string, body []byte) {
		p, err := vipps.JudgePayment(body)
		c, err2 := vipps.JudgeCharge(agreement, body)
		for _, one := range []struct {
			order.Standing
			err error
		}{{p, err}, {c, err2}} {
			switch {
			case one.err != nil:
				if one.Standing != (order.Standing{}) {
					t.Errorf("%+v with %v", one.Standing, one.err)
				}
			case one.State == "":
				t.Error("no state and no error")
			case (one.State == order.Authorized || one.State == order.Captured || one.State == order.Refunded) && (one.Amount <= 0 || len(one.Currency) != 3):
				t.Errorf("%+v", one.Standing)
			}
		}
	})
}
