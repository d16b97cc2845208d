package openapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// call is a live call of an operation.
type call struct {
	id     string // the operationId
	path   string
	body   string // for POST
	status int    // 200 unless it says otherwise
	token  string // the operation's kind unless it says otherwise
}

// calls are at least one good call of each operation, and one for each fault that
// its documentation has of its own.
var calls = []call{
	{id: "getProfile", path: "/v1/customer/profile"},
	{id: "getCustomerInfo", path: "/v1/customer/info"},
	{id: "getCustomerInfo", path: "/v1/customer/info", token: untied, status: 404},
	{id: "replaceCustomerInfo", path: "/v1/customer/info", body: `{"name": {"firstName": "Kari", "middleName": "Moe", "lastName": "Nordmann", "companyName": "Nordmann AS", "departmentName": "Redaksjonen"}, ` +
		`"phoneNumbers": [{"phoneNumber": "+4791234567", "phoneNumberType": "personal"}], "emails": ["kari.nordmann@example.com"], "invoiceEmailAddress": "faktura@example.com", ` +
		`"address": {"street": "Strandgata 14", "postalCode": "9008", "postalPlace": "Tromsø", "countryCode": "NO"}}`},
	{id: "replaceCustomerInfo", path: "/v1/customer/info", body: `{"name": {"firstName": "Kari"}}`, status: 400},
	{id: "replaceCustomerInfo", path: "/v1/customer/info", body: `{"name": {"lastName": "Svensson"}}`, token: untied, status: 404},
	{id: "getCustomerInfoByNumber", path: "/v1/client/customer/info/" + customer},
	{id: "getCustomerInfoByNumber", path: "/v1/client/customer/info/1", status: 404},
	{id: "getCustomerInfoByNumber", path: "/v1/client/customer/info/0", status: 400},
	{id: "checkAccess", path: "/v1/customer/access", body: `{"product": "DIGITAL", "articleId": "torskekvoten"}`},
	{id: "checkAccess", path: "/v1/customer/access", body: `{"product": "DIGITAL", "accessArticle": true, "accessDomain": true, "accessAzureAd": true, "accessAidFamily": true}`},
	{id: "checkAccess", path: "/v1/customer/access", body: `{"accessArticle": true}`},
	{id: "checkAccess", path: "/v1/customer/access", body: `{"product": "OTHER", "customerNumber": 204117}`},
	{id: "checkAccess", path: "/v1/customer/access", body: `[]`, status: 400},
	{id: "checkClientAccess", path: "/v1/client/access", body: `{"product": "DIGITAL", "uniqueId": "` + kari + `"}`},
	{id: "checkClientAccess", path: "/v1/client/access", body: `{"ip": "192.0.2.7"}`},
	{id: "checkClientAccess", path: "/v1/client/access", body: `{"product": "DIGITAL"}`, status: 400},
	{id: "listCustomerProducts", path: "/v1/customer/product"},
	{id: "listSubscriptions", path: "/v1/subscription"},
	{id: "listSubscriptions", path: "/v1/subscription", token: untied},
	{id: "listCustomerSubscriptions", path: "/v1/client/subscription/" + customer},
	{id: "listCustomerSubscriptions", path: "/v1/client/subscription/1", status: 404},
	{id: "listCustomerSubscriptions", path: "/v1/client/subscription/x", status: 400},
	{id: "listProducts", path: "/v1/client/product?productId=DIGITAL&shop=true"},
	{id: "listProducts", path: "/v1/client/product?productId=OTHER", status: 404},
	{id: "listProducts", path: "/v1/client/product?shop=maybe", status: 400},
	{id: "listChangedProducts", path: "/v1/client/product?shop=true", body: `{"changedAfter": 1767222000000, "onlyActive": true}`},
	{id: "listChangedProducts", path: "/v1/client/product", body: `{"changedAfter": -1}`, status: 400},
	{id: "listSubscriptionProducts", path: "/v1/client/product/subscription?shop=true"},
	{id: "listSubscriptionProducts", path: "/v1/client/product/subscription?productId=OTHER", status: 404},
	{id: "listSubscriptionProducts", path: "/v1/client/product/subscription?shop=1", status: 400},
	{id: "listCoupons", path: "/v1/client/coupon/DIGITAL?marketing=true"},
	{id: "listCoupons", path: "/v1/client/coupon/OTHER", status: 404},
	{id: "listCoupons", path: "/v1/client/coupon/DIGITAL?marketing=1", status: 400},
	{id: "priceCoupon", path: "/v1/client/coupon/price", body: `{"couponCode": "INTRO", "couponNumber": 60, "customerNumber": 204117, "countryCode": "NO", "postalCode": "9008"}`},
	{id: "priceCoupon", path: "/v1/client/coupon/price", body: `{"couponCode": "INTRO", "couponNumber": 61}`, status: 404},
	{id: "priceCoupon", path: "/v1/client/coupon/price", body: `{"couponCode": "INTRO"}`, status: 400},
	{id: "listVoucherCoupons", path: "/v1/client/voucher/coupons/GAVE-2044"},
	{id: "listVoucherCoupons", path: "/v1/client/voucher/coupons/NONE", status: 400},
	{id: "openExternalIdentity", path: "/v1/client/extid", body: `{"externalId": "KL20481", "credentialType": "D"}`},
	{id: "openExternalIdentity", path: "/v1/client/extid", body: `{"externalId": "KL20481", "credentialType": "A"}`, status: 400},
	{id: "openExternalCustomer", path: "/v1/client/extid/customer", body: `{"externalId": "KL17730", "credentialType": "M", "customerNumber": 204118}`},
	{id: "openExternalCustomer", path: "/v1/client/extid/customer", body: `{"externalId": "KL17730", "credentialType": "M", "customerNumber": 204119}`, status: 409},
	{id: "openExternalCustomer", path: "/v1/client/extid/customer", body: `{"externalId": "KL17731", "credentialType": "M", "customerNumber": 1}`, status: 404},
	{id: "openExternalCustomer", path: "/v1/client/extid/customer", body: `{"externalId": "KL17730", "credentialType": "M"}`, status: 400},
	{id: "placeOrder", path: "/v1/order", body: prepaid(`"externalOrderId": "live-1", "orderAmount": 248.1, "currency": "NOK"`)},
	{id: "placeOrder", path: "/v1/order", body: prepaid(`"externalOrderId": "live-1", "orderAmount": 248.1, "currency": "NOK", "seller": "Per"`), status: 409},
	{id: "placeOrder", path: "/v1/order", body: prepaid(`"orderAmount": 1`), status: 400},
	{id: "placeOrder", path: "/v1/order", body: prepaid(`"orderDate": 1767222000000, "paymentMethod": "invoice", "merchantId": "", "marketingCouponCode": "INTRO", "marketingCouponNumber": 60, ` +
		`"companyCode": "FJORD", "customerReference": "Avdeling 7", "uniqueUserId": "` + kari + `", "salesMethod": "WEB", "recurring": true, "mcPayRef": ""`)},
	{id: "placeClientOrder", path: "/v1/client/order", body: prepaid(`"externalOrderId": "live-2"`)},
	{id: "placeClientOrder", path: "/v1/client/order", body: prepaid(`"externalOrderId": "live-1"`), status: 409},
	{id: "placeClientOrder", path: "/v1/client/order", body: `{"orderLines": []}`, status: 400},
	{id: "listOrderStatuses", path: "/v1/order/status"},
	{id: "listOrderStatuses", path: "/v1/order/status", token: untied},
	{id: "findOrder", path: "/v1/order/status", body: `{"orderId": 4503599627370}`},
	{id: "findOrder", path: "/v1/order/status", body: `{"externalOrderId": "web-2026-004411"}`},
	{id: "findOrder", path: "/v1/order/status", body: `{"orderId": 4503599627372}`, status: 404},
	{id: "findOrder", path: "/v1/order/status", body: `{"orderId": 0}`, status: 400},
	{id: "listOrderHistory", path: "/v1/customer/order/product/history"},
	{id: "getOrderStatus", path: "/v1/client/order/status/4503599627370"},
	{id: "getOrderStatus", path: "/v1/client/order/status/17", status: 404},
	{id: "getOrderStatus", path: "/v1/client/order/status/x", status: 400},
	{id: "fulfillOrder", path: "/v1/client/order/fulfillment", body: `{"orderId": 4503599627370, "callbackUrl": "https://news.example/orders/done"}`},
	{id: "fulfillOrder", path: "/v1/client/order/fulfillment", body: `{"orderId": 4503599627371}`},
	{id: "fulfillOrder", path: "/v1/client/order/fulfillment", body: `{"orderId": 17}`, status: 404},
	{id: "fulfillOrder", path: "/v1/client/order/fulfillment", body: `{"orderId": 4503599627370, "callbackUrl": "https://elsewhere.example/"}`, status: 400},
	{id: "assignOrder", path: "/v1/client/order/4503599627370/user", body: `{"credential": "kari.nordmann@example.com", "isSendMessage": false}`},
	{id: "assignOrder", path: "/v1/client/order/4503599627371/user", body: `{"credential": "stengt@example.com"}`, status: 409},
	{id: "assignOrder", path: "/v1/client/order/4503599627371/user", body: `{"credential": "nora@example.com", "isSendMessage": true, "returnUrl": "https://news.example/welcome", ` +
		`"errorUrl": "https://news.example/oops", "linkLifetime": 30, "overrideClientId": "site"}`},
	{id: "assignOrder", path: "/v1/client/order/4503599627372/user", body: `{"credential": "kari.nordmann@example.com"}`, status: 404},
	{id: "assignOrder", path: "/v1/client/order/4503599627371/user", body: `{"linkLifetime": 31}`, status: 400},
}

// prepaid is an order that was paid for elsewhere, with the members.
func prepaid(members string) string {
	return `{"prepaid": true, "paymentInfo": "Kiosk 4", "payer": {"firstName": "Kari", "lastName": "Nordmann", "street": "Strandgata", "streetNumber": "14", "postalCode": "9008", ` +
		`"postalPlace": "Tromsø", "countryCode": "NO", "emails": ["kari.nordmann@example.com"], "phoneNumbers": ["+4791234567"]}, ` +
		`"orderLines": [{"productSpecType": "coupon", "productSpecCode": "INTRO", "productSpecNo": 60, "allowAccessProduct": "DIGITAL", "allowAccessSeconds": 3600, ` +
		`"startInfo": {"startDate": "` + time.Now().Format(time.DateOnly) + `"}}], ` + members + `}`
}

// exchange is a call as it went.
type exchange struct {
	status int
	header http.Header
	body   []byte
}

// do makes a call of an operation and judges what comes back by the document.
// Calls that are good are judged, too.
func (d *document) do(s *site, o operation, path, body, token string, headers ...string) exchange {
	d.t.Helper()
	request := func() *http.Request {
		var in io.Reader
		if body != "" {
			in = strings.NewReader(body)
		}
		r, err := http.NewRequest(o.method, s.api+path, in)
		if err != nil {
			d.t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	what := fmt.Sprintf("%s %s %s", o.method, path, strings.Join(headers, " "))
	resp, err := plain.Do(request())
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		d.t.Fatal(err)
	}
	out := exchange{resp.StatusCode, resp.Header, raw}
	answer := d.response(o, resp.StatusCode)
	if answer == nil {
		d.t.Errorf("%s: %d is not documented: %s", what, resp.StatusCode, raw)
		return out
	}
	d.checkHeaders(what, answer, resp.Header)
	content, _ := answer["content"].(map[string]any)
	if len(raw) == 0 {
		if len(content) > 0 {
			d.t.Errorf("%s: %d without a body", what, resp.StatusCode)
		}
		return out
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	media, ok := content[mediaType].(map[string]any)
	if !ok {
		d.t.Errorf("%s: %d with %s, which is not documented", what, resp.StatusCode, mediaType)
		return out
	}
	if mediaType != "application/json" {
		return out // asXML compares it with the JSON
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	if ok, faults := d.validator.ValidateHttpResponse(request(), resp); !ok {
		d.report(fmt.Sprintf("%s: %d %s", what, resp.StatusCode, raw), faults)
	}
	if resp.StatusCode == 200 {
		if ok, faults := d.validator.ValidateHttpRequestSync(request()); !ok {
			d.report(what+": a good call", faults)
		}
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		d.t.Errorf("%s: %v", what, err)
	}
	d.strictly(what, media["schema"], v)
	return out
}

// checkHeaders holds an answer's headers against the document.
func (d *document) checkHeaders(what string, answer map[string]any, h http.Header) {
	d.t.Helper()
	documented, _ := answer["headers"].(map[string]any)
	for name, described := range documented {
		value := h.Get(name)
		switch schema := d.resolve(described)["schema"].(map[string]any); {
		case value == "":
			d.t.Errorf("%s: no %s, which is documented: %v", what, name, h)
		case schema["type"] == "integer":
			if n, err := strconv.Atoi(value); err != nil || float64(n) < schema["minimum"].(float64) {
				d.t.Errorf("%s: %s is %q", what, name, value)
			}
		}
	}
	for _, name := range []string{"X-Mediaconnect-Api-Version", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "WWW-Authenticate", "ETag", "Deprecation", "Sunset", "Link"} {
		if h.Get(name) != "" && documented[name] == nil {
			d.t.Errorf("%s: %s is not documented", what, name)
		}
	}
}

// tokens returns a token that opens the operation, by its path, and one that does not.
func tokens(o operation) (good, bad string) {
	if strings.HasPrefix(o.path, "/v1/client/") {
		return client, user
	}
	return user, client
}

// Every operation is called as it is documented, for each answer that its
// documentation names, and answers as it is documented.
func TestLive(t *testing.T) {
	s := seeded(t)
	d := s.document()
	byID := map[string]operation{}
	for _, o := range d.operations() {
		byID[o.id] = o
	}
	got := map[string]map[int]bool{}
	first := map[string]call{}
	for _, c := range calls {
		o, ok := byID[c.id]
		if !ok {
			t.Errorf("operation %s is not documented", c.id)
			continue
		}
		if c.status == 0 {
			c.status = 200
		}
		if c.token == "" {
			c.token, _ = tokens(o)
		}
		if got[c.id] == nil {
			got[c.id] = map[int]bool{}
		}
		e := d.do(s, o, c.path, c.body, c.token)
		if e.status != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", o.method, c.path, c.body, e.status, e.body, c.status)
		}
		got[c.id][e.status] = true
		if c.status >= 400 {
			d.checkFault(t, o, e)
		}
		if _, ok := first[c.id]; !ok && c.status == 200 {
			first[c.id] = c
			d.asXML(t, s, o, c, e)
		}
	}
	for id, o := range byID {
		c, ok := first[id]
		if !ok {
			t.Errorf("no good call of %s %s: add one to calls", o.method, o.path)
			continue
		}
		good, bad := tokens(o)
		got[id][d.do(s, o, c.path, c.body, "").status] = true
		got[id][d.do(s, o, c.path, c.body, bad).status] = true
		if o.op["requestBody"] != nil {
			got[id][d.do(s, o, c.path, c.body, good, "Content-Type", "text/plain").status] = true
			got[id][d.do(s, o, c.path, `{"x": "`+strings.Repeat("x", 300<<10)+`"}`, good).status] = true
		}
		if e := d.do(s, o, c.path, c.body, good); e.header.Get("ETag") != "" {
			again := d.do(s, o, c.path, c.body, good, "If-None-Match", e.header.Get("ETag"))
			got[id][again.status] = true
		}
		for status := range o.op["responses"].(map[string]any) {
			code, _ := strconv.Atoi(status)
			if !got[id][code] && !slices.Contains([]int{429, 500, 503}, code) {
				t.Errorf("%s is documented to answer %d, and no call brought it about", id, code)
			}
		}
		for code := range got[id] {
			if code >= 500 {
				t.Errorf("%s answered %d", id, code)
			}
		}
	}
	for _, m := range d.members() {
		if !d.seen[m] {
			t.Errorf("%s is documented, and no answer had it", m)
		}
	}
}

// checkFault holds the kind of a fault against the examples of the document.
func (d *document) checkFault(t *testing.T, o operation, e exchange) {
	t.Helper()
	var body struct{ ExceptionType string }
	if err := json.Unmarshal(e.body, &body); err != nil {
		t.Error(err)
	}
	answer := d.response(o, e.status)
	if answer == nil {
		return
	}
	media := answer["content"].(map[string]any)["application/json"].(map[string]any)
	examples, _ := media["examples"].(map[string]any)
	var kinds []any
	for _, x := range examples {
		kinds = append(kinds, x.(map[string]any)["value"].(map[string]any)["exceptionType"])
	}
	if x, ok := media["example"].(map[string]any); ok {
		kinds = append(kinds, x["exceptionType"])
	}
	if !slices.Contains(kinds, any(body.ExceptionType)) {
		t.Errorf("%s: %d is a %s, documented are %v", o.id, e.status, body.ExceptionType, kinds)
	}
}

// asXML makes a call again in XML, and reads the answer as the document says that
// it is written: it has to be the same as the JSON.
func (d *document) asXML(t *testing.T, s *site, o operation, c call, e exchange) {
	t.Helper()
	x := d.do(s, o, c.path, c.body, c.token, "Accept", "application/xml")
	if x.status != 200 || !strings.HasPrefix(x.header.Get("Content-Type"), "application/xml") {
		t.Errorf("%s as XML: %d %s", o.id, x.status, x.header.Get("Content-Type"))
		return
	}
	n, err := parseXML(x.body)
	if err != nil {
		t.Errorf("%s as XML: %v", o.id, err)
		return
	}
	schema := d.response(o, 200)["content"].(map[string]any)["application/xml"].(map[string]any)["schema"]
	if root := xmlName(d.resolve(schema), ""); n.name != root {
		t.Errorf("%s as XML: the root is %s, documented is %s", o.id, n.name, root)
	}
	got, err := d.fromXML(schema, n)
	if err != nil {
		t.Errorf("%s as XML: %v\n%s", o.id, err, x.body)
		return
	}
	var want any
	json.Unmarshal(e.body, &want)
	// A code that is made anew in each answer differs.
	for _, v := range []any{got, want} {
		if m, ok := v.(map[string]any); ok && m["extidCode"] != nil {
			m["extidCode"], m["newUser"] = "", nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s as XML is\n%v\nand as JSON\n%v", o.id, got, want)
	}
}

// Over the limit and with a store that fails, every operation answers as it is
// documented.
func TestLiveRefusals(t *testing.T) {
	paths := map[string]call{}
	for _, c := range calls {
		if _, ok := paths[c.id]; !ok {
			paths[c.id] = c
		}
	}
	limited := seeded(t, func(c *connectid.Config) { c.AnonymousPerMinute = 1 })
	d := limited.document() // which is the one call
	for _, o := range d.operations() {
		if e := d.do(limited, o, paths[o.id].path, paths[o.id].body, ""); e.status != 429 {
			t.Errorf("%s over the limit: %d", o.id, e.status)
		}
	}
	m := memstore.New()
	seed(t, m)
	faulty := storetest.NewFaulty(m)
	broken := start(t, faulty)
	d = broken.document()
	faulty.Inject(storetest.Fault{Method: "AccessToken"})
	for _, o := range d.operations() {
		good, _ := tokens(o)
		if e := d.do(broken, o, paths[o.id].path, paths[o.id].body, good); e.status != 503 {
			t.Errorf("%s with a broken store: %d %s", o.id, e.status, e.body)
		}
	}
}

// The examples are as good as live calls: what is sent is accepted by the schema,
// and so is what is answered.
func TestExamples(t *testing.T) {
	s := seeded(t)
	d := s.document()
	for _, o := range d.operations() {
		path := o.path
		for _, p := range d.pathParameters(o) {
			path = strings.Replace(path, "{"+p["name"].(string)+"}", fmt.Sprint(exact(p["example"])), 1)
		}
		var body io.Reader
		if in, ok := o.op["requestBody"].(map[string]any); ok {
			raw, _ := json.Marshal(in["content"].(map[string]any)["application/json"].(map[string]any)["example"])
			body = bytes.NewReader(raw)
		}
		r, err := http.NewRequest(o.method, s.api+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer x")
		if ok, faults := d.validator.ValidateHttpRequestSync(r); !ok {
			d.report(o.id+": the example of the request", faults)
		}
		media := d.response(o, 200)["content"].(map[string]any)
		example := media["application/json"].(map[string]any)["example"]
		raw, _ := json.Marshal(example)
		answer := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(raw)), Request: r}
		if ok, faults := d.validator.ValidateHttpResponse(r, answer); !ok {
			d.report(o.id+": the example of the answer", faults)
		}
		inXML := media["application/xml"].(map[string]any)
		n, err := parseXML([]byte(inXML["example"].(string)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.fromXML(inXML["schema"], n); err != nil || !reflect.DeepEqual(got, example) {
			t.Errorf("%s: the example in XML is\n%v (%v)\nand in JSON\n%v", o.id, got, err, example)
		}
	}
}

func (d *document) pathParameters(o operation) []map[string]any {
	var all []map[string]any
	list, _ := d.root["paths"].(map[string]any)[o.path].(map[string]any)["parameters"].([]any)
	for _, p := range list {
		all = append(all, d.resolve(p))
	}
	return all
}

// exact writes whole numbers without an exponent.
func exact(v any) any {
	if n, ok := v.(float64); ok {
		return int64(n)
	}
	return v
}

// What the dates say of endpoints is in the document, and the document and the
// answers agree in each stage.
func TestLifecycle(t *testing.T) {
	const profile, info = "GET /v1/customer/profile", "GET /v1/customer/info"
	now := time.Now()
	s := seeded(t, func(c *connectid.Config) {
		c.Lifecycle = map[string]middleware.Lifecycle{
			profile:                    {Deprecated: now.AddDate(0, 0, -1), Successor: "/capi/v2/customer/profile", Notice: "/news"},
			info:                       {Deprecated: now.AddDate(0, 1, 0)},
			"POST /v1/customer/access": {Test: now.AddDate(0, 0, -1)},
			"GET /v1/customer/product": {Production: now.Add(time.Hour)},
			"GET /v1/subscription":     {Sunset: now.AddDate(0, 0, -1)},
			"GET /v1/client/product":   {Sunset: now.Add(1500 * time.Millisecond)},
			"POST /v1/client/product":  {Successor: "/capi/v2/client/product"},
		}
	})
	d := s.document()
	if ok, faults := d.validator.ValidateDocument(); !ok {
		d.report("the document", faults)
	}
	found := map[string]operation{}
	for _, o := range d.operations() {
		found[o.method+" "+o.path] = o
	}
	for _, hidden := range []string{"POST /v1/customer/access", "GET /v1/customer/product", "GET /v1/subscription"} {
		if _, ok := found[hidden]; ok {
			t.Errorf("%s is in the document", hidden)
		}
	}
	for name, want := range map[string]bool{profile: true, info: false, "GET /v1/client/product": true, "POST /v1/client/product": false} {
		o, ok := found[name]
		if got := o.op["deprecated"] == true; !ok || got != want {
			t.Errorf("%s: deprecated is %t, want %t", name, got, want)
			continue
		}
		body := ""
		if o.method == "POST" {
			body = "{}"
		}
		good, bad := tokens(o)
		for _, token := range []string{good, bad, ""} {
			if e := d.do(s, o, o.path, body, token); e.header.Get("ETag") != "" {
				d.do(s, o, o.path, body, token, "If-None-Match", e.header.Get("ETag"))
			}
		}
	}
	if text := found[profile].op["description"].(string); !regexp.MustCompile(`Deprecated since .* gone on .* Use /capi/v2/customer/profile in its place\. See /news\.`).MatchString(text) {
		t.Errorf("the description says %q", text)
	}
	for range 200 { // the endpoint leaves the document when it goes
		time.Sleep(50 * time.Millisecond)
		fresh := s.document()
		if !slices.ContainsFunc(fresh.operations(), func(o operation) bool { return o.id == "listProducts" }) {
			o := found["GET /v1/client/product"]
			if e := d.do(s, o, o.path, "", client); e.status != 410 {
				t.Errorf("after its sunset: %d", e.status)
			}
			return
		}
	}
	t.Error("the document still has an endpoint that is gone")
}
