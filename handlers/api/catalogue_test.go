package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

const (
	appToken   = "app-token"   // of the same user, at a public client of the partner
	otherToken = "other-token" // of a client of another partner
)

// stock fills a store with a partner's catalogue, and a little of another's.
func stock(t testing.TB, s store.Store) {
	t.Helper()
	fill(t, s)
	ctx, now := t.Context(), time.Now()
	at := time.UnixMilli(1_700_000_000_000)
	end := now.Add(24 * time.Hour)
	for _, err := range []error{
		s.PutClient(ctx, store.Client{ID: "other", PartnerID: "another"}),
		s.PutClient(ctx, store.Client{ID: "app", PartnerID: "partner", Public: true}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf(otherToken), ClientID: "other", CreatedAt: now, ExpiresAt: end}),
		s.CreateGrant(ctx, store.Grant{ID: "app", ClientID: "app", UserID: userID, CreatedAt: now, ExpiresAt: end},
			store.AccessToken{Hash: store.DigestOf(appToken), GrantID: "app", ClientID: "app", UserID: userID, CreatedAt: now, ExpiresAt: end}),

		s.PutProduct(ctx, store.Product{PartnerID: "partner", Code: "DIGITAL", CompanyCode: "FJORD", Description: "Everything <digital>", Type: store.SubscriptionProduct,
			StartsAt: at, WebOfferPrice: 24950, RetailPrice: 29900, Currency: "NOK", VATPercent: 1500, VATIncluded: true, Digital: true, Shop: true, CategoryTypes: []string{"NEWS"}, UpdatedAt: at.Add(time.Hour)}),
		s.PutProduct(ctx, store.Product{PartnerID: "partner", Code: "PAPER", Description: "Paper", Type: store.SubscriptionProduct, RetailPrice: 39900, Currency: "NOK",
			Distribution: []store.Distribution{{Country: "NO", Price: 4900}, {Country: "NO", PostalPrefix: "9", Price: 9905}, {Country: "SE", Price: 12900}}, VATPercent: 2500, UpdatedAt: at}),
		s.PutProduct(ctx, store.Product{PartnerID: "partner", Code: "BOOK", Type: "book", EndsAt: at, UpdatedAt: at}),
		s.PutProduct(ctx, store.Product{PartnerID: "another", Code: "SECRET", Type: store.SubscriptionProduct}),

		s.PutCoupon(ctx, store.Coupon{PartnerID: "partner", Code: "INTRO", Number: 60, Product: "DIGITAL", Description: "Students only", StartsAt: at, Price: 4950, Currency: "NOK",
			Period: store.Period{Length: 1, Unit: store.Months}, ExtraProducts: []store.ExtraProduct{{Product: "PUZZLE", Description: "Crosswords"}},
			Renewal: store.Renewal{Price: 24900, Period: store.Period{Length: 3, Unit: store.Months}}, Marketing: store.Marketing{Project: "Autumn", SalesMethod: "WEB"}}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "partner", Code: "OLD", Number: 1, Product: "DIGITAL", EndsAt: at}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "partner", Code: "PAPER", Number: 2, Product: "PAPER", Price: 10000, Currency: "NOK"}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "another", Code: "THEIRS", Number: 1, Product: "SECRET", Price: 100, Currency: "NOK"}),

		s.PutVoucher(ctx, store.Voucher{PartnerID: "partner", Code: "GAVE-1", Coupons: []store.CouponID{{Code: "INTRO", Number: 60}, {Code: "OLD", Number: 1}, {Code: "GONE", Number: 9}}}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "partner", Code: "USED", Coupons: []store.CouponID{{Code: "INTRO", Number: 60}}}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "partner", Code: "OVER", Coupons: []store.CouponID{{Code: "INTRO", Number: 60}}, EndsAt: at}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "partner", Code: "EMPTY", Coupons: []store.CouponID{{Code: "OLD", Number: 1}}}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "another", Code: "THEIRS", Coupons: []store.CouponID{{Code: "THEIRS", Number: 1}}}),

		s.PutCustomer(ctx, store.Customer{PartnerID: "partner", Number: 4711, FirstName: "Åse", LastName: "<Nordmann>", Street: "Storgata 1", PostalCode: "9008", City: "Tromsø", Country: "NO",
			Contacts: []store.Contact{{Kind: store.Email, Identity: "ase@example.com"}, {Kind: store.Phone, Identity: "+4791234567", Use: "personal"}}, InvoiceEmail: "post@example.com"}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "another", Number: 13, LastName: "Hidden"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.SpendVoucher(ctx, "partner", "USED", "order", now); err != nil {
		t.Fatal(err)
	}
}

func stocked(t testing.TB, change ...func(*api.Config)) (http.Handler, *memstore.Store) {
	t.Helper()
	s := memstore.New()
	stock(t, s)
	fast := func(c *api.Config) { c.CallsPerMinute, c.CallsPerSecond = 1<<40, 1<<40 }
	return newHandler(t, s, append([]func(*api.Config){fast}, change...)...), s
}

// post sends a body, as JSON unless another type is given.
func post(h http.Handler, path, token, body string, contentType ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", cmp.Or(append(contentType, "application/json")...))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantBody checks a good answer.
func wantBody(t *testing.T, what string, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%s: %d\n%s\nwant\n%s", what, w.Code, w.Body, want)
	}
}

const (
	digital = `{"companyCode":"FJORD","product":"DIGITAL","description":"Everything \u003cdigital\u003e","productType":"subscription","startTime":1700000000000,` +
		`"webOfferPrice":249.5,"retailPrice":299,"currency":"NOK","vatPercent":15,"digital":true}`
	paper = `{"product":"PAPER","description":"Paper","productType":"subscription","webOfferPrice":0,"retailPrice":399,"currency":"NOK","vatPercent":25,"digital":false}`
	book  = `{"product":"BOOK","productType":"book","endTime":1700000000000,"vatPercent":0,"digital":false}`
)

func TestProducts(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	list := func(all ...string) string { return `{"products":[` + strings.Join(all, ",") + `]}` }
	const path = "/capi/v1/client/product"
	for query, want := range map[string]string{
		"": list(book, digital, paper), "?shop=": list(book, digital, paper), "?shop=false": list(book, digital, paper), "?unknown=1": list(book, digital, paper),
		"?shop=true": list(digital), "?productId=PAPER": list(paper), "?productId=": list(book, digital, paper), "?productId=DIGITAL&shop=true": list(digital),
		"/subscription": list(digital, paper), "/subscription?productId=PAPER": list(paper), "/subscription?shop=true": list(digital),
	} {
		wantBody(t, query, call(h, "GET", path+query, clientToken), want)
	}
	wantBody(t, "another partner", call(h, "GET", path, otherToken), list(`{"product":"SECRET","productType":"subscription","vatPercent":0,"digital":false}`))
	for query, status := range map[string]int{
		"?productId=SECRET": 404, "?productId=paper": 404, "?productId=PAPER&shop=true": 404, "/subscription?productId=BOOK": 404, "/issue": 404,
		"?shop=yes": 400, "?shop=true&shop=false": 400, "?productId=A&productId=B": 400, "?productId=" + strings.Repeat("A", 200): 400, "?productId=%00": 400,
	} {
		checkError(t, call(h, "GET", path+query, clientToken), status)
	}
	for body, want := range map[string]string{
		"": list(book, digital, paper), "{}": list(book, digital, paper), `{"changedAfter":"","onlyActive":null,"unknown":{"a":[1]}}`: list(book, digital, paper),
		`{"onlyActive":true}`: list(digital, paper), `{"changedAfter":1700000000000}`: list(digital), `{"changedAfter":1700000000000,"onlyActive":true}`: list(digital),
		`{"changedAfter":1800000000000}`: list(),
	} {
		w := post(h, path, clientToken, body)
		wantBody(t, body, w, want)
		if w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("POST may be kept: %v", w.Header())
		}
	}
	wantBody(t, "POST for the shop", post(h, path+"?shop=true", clientToken, "{}"), list(digital))
	checkError(t, post(h, path, clientToken, `{"changedAfter":-1}`), 400)
	w := call(h, "GET", path+"?productId=PAPER", clientToken, "Accept", "application/xml")
	if want := "<products><product><product>PAPER</product><description>Paper</description><productType>subscription</productType><webOfferPrice>0</webOfferPrice><retailPrice>399</retailPrice><currency>NOK</currency><vatPercent>25</vatPercent><digital>false</digital></product></products>"; !strings.HasSuffix(w.Body.String(), want) {
		t.Errorf("as XML: %s\nwant %s", w.Body, want)
	}
}

func TestCaching(t *testing.T) {
	t.Parallel()
	h, s := stocked(t)
	for _, path := range []string{"/capi/v1/client/product", "/capi/v1/client/product/subscription", "/capi/v1/client/coupon/DIGITAL"} {
		first := call(h, "GET", path, clientToken)
		tag := first.Header().Get("ETag")
		if tag == "" || first.Header().Get("Cache-Control") != "private, max-age=300" || !strings.Contains(strings.Join(first.Header()["Vary"], ","), "Authorization") {
			t.Errorf("%s: %v", path, first.Header())
		}
		for header, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, tag[:len(tag)-2] + `"`: 200, "": 200, strings.Trim(tag, `"`): 200, `x, ` + tag: 200, `"unterminated`: 200,
		} {
			w := call(h, "GET", path, clientToken, "If-None-Match", header)
			if w.Code != want || want == 304 && (w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("X-RateLimit-Remaining") == "") {
				t.Errorf("%s, If-None-Match %s: %d %v %s", path, header, w.Code, w.Header(), w.Body)
			}
		}
		if w := call(h, "HEAD", path, clientToken); w.Header().Get("ETag") != tag || w.Body.Len() > 0 {
			t.Errorf("HEAD: %v", w.Header())
		}
		if w := call(h, "GET", path, clientToken, "Accept", "application/xml"); w.Header().Get("ETag") == tag {
			t.Error("XML has the tag of JSON")
		}
	}
	before := call(h, "GET", "/capi/v1/client/product", clientToken).Header().Get("ETag")
	if err := s.DeleteProduct(t.Context(), "partner", "BOOK"); err != nil {
		t.Fatal(err)
	}
	if w := call(h, "GET", "/capi/v1/client/product", clientToken, "If-None-Match", before); w.Code != 200 {
		t.Errorf("after a change: %d", w.Code)
	}
	if w := call(h, "GET", "/capi/v1/client/product?productId=X", clientToken); w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" {
		t.Errorf("an error may be kept: %v", w.Header())
	}
	short, _ := stocked(t, func(c *api.Config) { c.CacheFor = time.Minute })
	if got := call(short, "GET", "/capi/v1/client/product", clientToken).Header().Get("Cache-Control"); got != "private, max-age=60" {
		t.Errorf("CacheFor: %s", got)
	}
}

// What is wrong with a body is 400, 413 or 415, never 500.
func TestBodies(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t, func(c *api.Config) { c.MaxBody = 1 << 10 })
	for _, path := range []string{"/capi/v1/client/product", "/capi/v1/client/access", "/capi/v1/client/coupon/price", "/capi/v1/customer/info", "/capi/v1/customer/access"} {
		token := clientToken
		if strings.Contains(path, "customer/") {
			token = userToken
		}
		for _, body := range []string{"[]", "1", `"x"`, "null", "{", "{}{}", "{} x", `{"a":1,}`, "\xff", `{"a":"` + "\xff" + `"}`, "<a/>", `{"a":NaN}`, strings.Repeat("[", 1000)} {
			if w := post(h, path, token, body); w.Code != 400 {
				t.Errorf("%s %.20q: %d %s", path, body, w.Code, w.Body)
			}
		}
		for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json"} {
			r := httptest.NewRequest("POST", path, strings.NewReader("{}"))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			checkError(t, w, 415)
		}
		checkError(t, post(h, path, token, `{"a":"`+strings.Repeat("x", 1<<10)+`"}`), 413)
		for _, kind := range []string{"application/json", "Application/JSON; charset=UTF-8", "application/problem+json"} {
			if w := post(h, path, token, "{}", kind); w.Code == 415 {
				t.Errorf("%s: %d", kind, w.Code)
			}
		}
	}
}

// Whatever fails is 503 without details, and lets nobody in.
func TestCatalogueOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, token, body, fault string }{
		{"GET", "client/product", clientToken, "", "Products"},
		{"GET", "client/product?productId=PAPER", clientToken, "", "Product"},
		{"GET", "client/coupon/DIGITAL", clientToken, "", "ProductCoupons"},
		{"GET", "client/coupon/DIGITAL", clientToken, "", "Product"},
		{"POST", "client/coupon/price", clientToken, `{"couponCode":"PAPER","couponNumber":2,"customerNumber":4711}`, "Coupon"},
		{"POST", "client/coupon/price", clientToken, `{"couponCode":"PAPER","couponNumber":2,"customerNumber":4711}`, "Customer"},
		{"GET", "client/voucher/coupons/GAVE-1", clientToken, "", "Voucher"},
		{"GET", "client/voucher/coupons/GAVE-1", clientToken, "", "Coupon"},
		{"GET", "client/customer/info/4711", clientToken, "", "Customer"},
		{"GET", "client/customer/info/4711", clientToken, "", "UserByTie"},
		{"GET", "client/subscription/4711", clientToken, "", "CustomerSubscriptions"},
		{"POST", "customer/info", userToken, `{"name":{"lastName":"Berg"}}`, "ReplaceCustomer"},
		{"GET", "customer/product", userToken, "", "CustomerSubscriptions"},
		{"GET", "customer/product", userToken, "", "UserAccesses"},
		{"POST", "customer/access", userToken, `{"articleId":"free"}`, "Article"},
		{"POST", "customer/access", userToken, `{"product":"DIGITAL"}`, "CustomerAccesses"},
		{"POST", "customer/access", userToken, `{"accessAzureAd":true}`, "DirectoryLinks"},
		{"POST", "client/access", clientToken, `{"ip":"192.0.2.7"}`, "MarkedOrganisations"},
		{"POST", "client/access", clientToken, `{"credential":"ase@example.com"}`, "UserByCredential"},
		{"POST", "client/access", clientToken, `{"credential":"nobody@example.com"}`, "CustomersByContact"},
		{"POST", "client/access", clientToken, `{"uniqueId":"x"}`, "User"},
	} {
		s := storetest.NewFaulty(memstore.New())
		stock(t, s)
		h := newHandler(t, s)
		s.Inject(storetest.Fault{Method: c.fault})
		w := call(h, c.method, "/capi/v1/"+c.path, c.token)
		if c.method == "POST" {
			w = post(h, "/capi/v1/"+c.path, c.token, c.body)
		}
		checkError(t, w, 503)
		if strings.Contains(w.Body.String(), "injected") || t.Failed() {
			t.Errorf("%s %s, %s fails: %d %s", c.method, c.path, c.fault, w.Code, w.Body)
		}
	}
}

// A user's token opens nothing under v1/client, a client's nothing else.
func TestModes(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	for _, path := range []string{"customer/profile", "customer/info", "customer/product", "subscription"} {
		if w := call(h, "GET", "/capi/v1/"+path, userToken); w.Code != 200 {
			t.Errorf("%s in user mode: %d %s", path, w.Code, w.Body)
		}
		checkError(t, call(h, "GET", "/capi/v1/"+path, clientToken), 403)
		checkError(t, call(h, "GET", "/capi/v1/"+path, ""), 401)
	}
	for _, path := range []string{"customer/info/4711", "subscription/4711", "product", "product/subscription", "coupon/DIGITAL", "voucher/coupons/GAVE-1"} {
		if w := call(h, "GET", "/capi/v1/client/"+path, clientToken); w.Code != 200 {
			t.Errorf("%s in client mode: %d %s", path, w.Code, w.Body)
		}
		checkError(t, call(h, "GET", "/capi/v1/client/"+path, userToken), 403)
		checkError(t, call(h, "GET", "/capi/v1/client/"+path, ""), 401)
	}
	for _, path := range []string{"customer/info", "customer/access", "client/access", "client/product", "client/coupon/price"} {
		wrong := userToken
		if strings.HasPrefix(path, "customer") {
			wrong = clientToken
		}
		checkError(t, post(h, "/capi/v1/"+path, wrong, "{}"), 403)
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{}`, `{"product":"A","ip":"192.0.2.1"}`, `{"name":{"lastName":"x"},"emails":["",null,"a@b.no"]}`, `{"customerNumber":1e3}`, "[", "\xff", `{"ip":"fe80::1%eth0"}`, `{"a":{"a":{"a":""}}}`} {
		f.Add([]byte(s))
	}
	h, _ := stocked(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range []struct{ path, token string }{
			{"client/access", clientToken}, {"customer/access", userToken}, {"client/coupon/price", clientToken}, {"client/product", clientToken}, {"customer/info", userToken},
		} {
			w := post(h, "/capi/v1/"+c.path, c.token, string(body))
			if w.Code != 200 && w.Code != 400 && w.Code != 404 && w.Code != 413 {
				t.Fatalf("%s: %d %s", c.path, w.Code, w.Body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s: the answer is no JSON: %s", c.path, w.Body)
			}
		}
	})
}

func BenchmarkAccess(b *testing.B) {
	h, _ := stocked(b)
	b.ReportAllocs()
	for b.Loop() {
		if w := post(h, "/capi/v1/customer/access", userToken, `{"product":"DIGITAL","articleId":"a1"}`); w.Code != 200 {
			b.Fatal(w.Code, fmt.Sprint(w.Body))
		}
	}
}

func contains(w *httptest.ResponseRecorder, s string) bool {
	return strings.Contains(w.Body.String(), s)
}
