package httpjson_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/flows/publisher/httpjson"
	"github.com/connectid-kit/connectid/store"
)

// asked answers each address with a body, and keeps what was asked.
type asked struct {
	answers map[string]string // by path below the base; "404" and the like is a status
	calls   map[string]map[string]any
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/connectid/")
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	a.calls[path] = in
	w.Header().Set("Content-Type", "application/json")
	answer := cmp.Or(a.answers[path], "{}")
	var status int
	if n, _ := fmt.Sscan(answer, &status); n == 1 {
		w.WriteHeader(status)
		answer = "{}"
	}
	_, _ = io.WriteString(w, answer)
}

func ask(t *testing.T) (*httpjson.Client, *asked) {
	a := &asked{map[string]string{}, map[string]map[string]any{}}
	return newClient(t, a), a
}

func (a *asked) want(t *testing.T, path, body string) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.calls[path], want) {
		t.Errorf("%s was asked %v, want %v", path, a.calls[path], want)
	}
}

func TestCustomerInfo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, a := ask(t)
	a.answers["customers/info"] = `{"info":{"firstName":"Kari","lastName":"Nordmann","contacts":[{"credentialType":"A","credential":"k@b.no"},{"credentialType":"B","credential":"+4791234567","use":"company"}],"invoiceEmail":"f@b.no","address":{"street":"A 1","postalCode":"0150","city":"Oslo","country":"NO"}}}`
	want := publisher.CustomerInfo{FirstName: "Kari", LastName: "Nordmann", InvoiceEmail: "f@b.no", Address: &publisher.Address{Street: "A 1", PostalCode: "0150", City: "Oslo", Country: "NO"},
		Contacts: []publisher.Contact{{Kind: "A", Identity: "k@b.no"}, {Kind: "B", Identity: "+4791234567", Use: "company"}}}
	if got, err := c.Info(ctx, "p", 17); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Info = %+v, %v", got, err)
	}
	a.want(t, "customers/info", `{"partnerId":"p","number":"17"}`)
	if err := c.Replace(ctx, "p", 17, want); err != nil {
		t.Error(err)
	}
	a.want(t, "customers/replace", `{"partnerId":"p","number":"17",`+strings.TrimPrefix(a.answers["customers/info"], "{"))
	if err := c.Replace(ctx, "p", 17, publisher.CustomerInfo{LastName: "x"}); err != nil {
		t.Error(err)
	}
	a.want(t, "customers/replace", `{"partnerId":"p","number":"17","info":{"lastName":"x","contacts":[]}}`)
	a.answers["customers/info"], a.answers["customers/replace"] = "404", "404"
	if _, err := c.Info(ctx, "p", 17); !errors.Is(err, publisher.ErrNotFound) {
		t.Errorf("Info of nobody: %v", err)
	}
	if err := c.Replace(ctx, "p", 17, want); !errors.Is(err, publisher.ErrNotFound) {
		t.Errorf("Replace of nobody: %v", err)
	}
	for _, body := range []string{`{}`, `{"info":{"contacts":[{"credentialType":"C","credential":"x"}]}}`, `{"info":{"contacts":[{"credentialType":"A"}]}}`, `{"info":{"lastName":"a\u0000"}}`, `{"info":{"lastName":"` + strings.Repeat("x", 2000) + `"}}`, "500"} {
		a.answers["customers/info"] = body
		if i, err := c.Info(ctx, "p", 17); err == nil || errors.Is(err, publisher.ErrNotFound) {
			t.Errorf("Info takes %.60s: %+v, %v", body, i, err)
		}
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client, a := ask(t)
	c := client.Catalogue()
	a.answers["catalogue/products"] = `{"products":[{"code":"A","companyCode":"F","description":"All","type":"subscription","categoryTypes":["NEWS"],"startTime":1000,"endTime":4102444800000,"webOfferPrice":100,"retailPrice":200,"currency":"NOK","vatPercent":2500,"vatIncluded":true,"digital":true,"shop":true,"distribution":[{"country":"NO","postalPrefix":"9","price":5}],"changedTime":2000},{"code":"B"}]}`
	all, err := c.Products(ctx, "p", publisher.ProductFilter{Shop: true, ChangedAfter: time.UnixMilli(1500)})
	want := publisher.Product{PartnerID: "p", Code: "A", CompanyCode: "F", Description: "All", Type: "subscription", CategoryTypes: []string{"NEWS"}, StartsAt: time.UnixMilli(1000).UTC(), EndsAt: time.UnixMilli(4102444800000).UTC(),
		WebOfferPrice: 100, RetailPrice: 200, Currency: "NOK", VATPercent: 2500, VATIncluded: true, Digital: true, Shop: true, Distribution: []publisher.Distribution{{Country: "NO", PostalPrefix: "9", Price: 5}}, UpdatedAt: time.UnixMilli(2000).UTC()}
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("Products = %+v, %v", all, err)
	}
	a.want(t, "catalogue/products", `{"partnerId":"p","shop":true,"onlyActive":false,"changedAfter":1500}`)
	if all, err := c.Products(ctx, "p", publisher.ProductFilter{}); err != nil || len(all) != 2 {
		t.Errorf("Products = %+v, %v", all, err)
	}
	coupon := `{"coupons":[{"code":"C","number":7,"product":"A","description":"One","price":4950,"currency":"NOK","periodLength":1,"periodType":"months","extraProducts":[{"product":"X","description":"Extra"}],"renewal":{"price":9900,"periodLength":3,"periodType":"months"},"marketing":{"project":"P"},"offered":true,"invoice":true}]}`
	a.answers["catalogue/coupons"], a.answers["catalogue/voucher"] = coupon, coupon
	one := publisher.Coupon{PartnerID: "p", Code: "C", Number: 7, Product: "A", Description: "One", Price: 4950, Currency: "NOK", Period: publisher.Period{Length: 1, Unit: store.Months}, ExtraProducts: []publisher.ExtraProduct{{Product: "X", Description: "Extra"}},
		Renewal: publisher.Renewal{Price: 9900, Period: publisher.Period{Length: 3, Unit: store.Months}}, Marketing: publisher.Marketing{Project: "P"}, Offered: true, Invoice: true}
	if all, err := c.Coupons(ctx, "p", "A"); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], one) {
		t.Errorf("Coupons = %+v, %v", all, err)
	}
	a.want(t, "catalogue/coupons", `{"partnerId":"p","product":"A"}`)
	if all, err := c.VoucherCoupons(ctx, "p", "V"); err != nil || len(all) != 1 {
		t.Errorf("VoucherCoupons = %+v, %v", all, err)
	}
	a.want(t, "catalogue/voucher", `{"partnerId":"p","code":"V"}`)
	a.answers["catalogue/price"] = `{"price":{"companyCode":"F","product":"A","currency":"NOK","price":10000,"vatAmount":2500,"vatPercent":2500,"distribution":4900,"distributionVat":1225}}`
	price, err := c.Price(ctx, publisher.PriceQuestion{PartnerID: "p", Coupon: publisher.CouponID{Code: "C", Number: 7}, CustomerNumber: 17, Country: "NO", PostalCode: "9008"})
	if err != nil || price != (publisher.Price{CompanyCode: "F", Product: "A", Currency: "NOK", Price: 10000, VATAmount: 2500, VATPercent: 2500, Distribution: 4900, DistributionVAT: 1225}) {
		t.Errorf("Price = %+v, %v", price, err)
	}
	a.want(t, "catalogue/price", `{"partnerId":"p","couponCode":"C","couponNumber":7,"customerNumber":"17","country":"NO","postalCode":"9008"}`)
	use := publisher.VoucherUse{PartnerID: "p", Code: "V", Coupon: publisher.CouponID{Code: "C", Number: 7}, Use: "order 1"}
	for path, call := range map[string]func() error{"catalogue/voucher/spend": func() error { return c.SpendVoucher(ctx, use) }, "catalogue/voucher/release": func() error { return c.ReleaseVoucher(ctx, use) }} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		a.want(t, path, `{"partnerId":"p","code":"V","couponCode":"C","couponNumber":7,"use":"order 1"}`)
		for status, want := range map[string]error{"404": publisher.ErrNotFound, "409": publisher.ErrSpent} {
			a.answers[path] = status
			if strings.HasSuffix(path, "release") {
				want = nil
			}
			if err := call(); !errors.Is(err, want) {
				t.Errorf("%s answers %s: %v, want %v", path, status, err, want)
			}
		}
		a.answers[path] = "500"
		if err := call(); err == nil || errors.Is(err, publisher.ErrNotFound) || errors.Is(err, publisher.ErrSpent) {
			t.Errorf("%s is down: %v", path, err)
		}
	}
}

// What a system says is outside input: what could not be shown, priced or counted
// is refused, and 404 and 409 mean what they say.
func TestCatalogueFaults(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client, a := ask(t)
	c := client.Catalogue()
	products := func() error { _, err := c.Products(ctx, "p", publisher.ProductFilter{}); return err }
	coupons := func() error { _, err := c.Coupons(ctx, "p", "A"); return err }
	voucher := func() error { _, err := c.VoucherCoupons(ctx, "p", "V"); return err }
	price := func() error { _, err := c.Price(ctx, publisher.PriceQuestion{}); return err }
	for _, tt := range []struct {
		path, answer string
		call         func() error
		want         error // nil: an outage
	}{
		{"catalogue/products", `{"products":[{}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A","retailPrice":-1}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A","retailPrice":1}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A","retailPrice":1,"currency":"kroner"}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A","vatPercent":10001}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A\n"}]}`, products, nil},
		{"catalogue/products", `{"products":[{"code":"A","retailPrice":1.5}]}`, products, nil},
		{"catalogue/products", `{"products":{}}`, products, nil},
		{"catalogue/products", "500", products, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":0,"product":"A"}]}`, coupons, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":1}]}`, coupons, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":1,"product":"A","price":5}]}`, coupons, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":1,"product":"A","price":-5,"currency":"NOK"}]}`, coupons, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":1,"product":"A","periodLength":1,"periodType":"fortnights"}]}`, coupons, nil},
		{"catalogue/coupons", `{"coupons":[{"code":"A","number":1,"product":"A","renewal":{"price":1,"periodLength":-1,"periodType":"days"}}]}`, coupons, nil},
		{"catalogue/coupons", "404", coupons, publisher.ErrNotFound},
		{"catalogue/voucher", "404", voucher, publisher.ErrNotFound},
		{"catalogue/voucher", "409", voucher, publisher.ErrSpent},
		{"catalogue/voucher", `{"coupons":[]}`, voucher, publisher.ErrNotFound},
		{"catalogue/price", "404", price, publisher.ErrNotFound},
		{"catalogue/price", `{}`, price, nil},
		{"catalogue/price", `{"price":{"price":1}}`, price, nil},
		{"catalogue/price", `{"price":{"price":-1,"currency":"NOK"}}`, price, nil},
		{"catalogue/price", `{"price":{"price":1,"currency":"NOK","distribution":-1}}`, price, nil},
	} {
		a.answers[tt.path] = tt.answer
		err := tt.call()
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && (err == nil || errors.Is(err, publisher.ErrNotFound) || errors.Is(err, publisher.ErrSpent)) {
			t.Errorf("%s answers %s: %v, want %v", tt.path, tt.answer, err, tt.want)
		}
	}
	a.answers["catalogue/products"] = "404"
	if err := products(); err != nil {
		t.Errorf("no products: %v", err)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client, a := ask(t)
	c := client.Access()
	a.answers["access/check"] = `{"access":true,"accesses":[{"access":true,"accessLevel":"B","accessType":"B","startTime":1000,"endTime":2000}],"articles":["x"]}`
	v, err := c.Check(ctx, publisher.Question{
		Reader:   publisher.Reader{PartnerID: "p", UserID: "u", Customers: []int64{17}, Domains: []string{"b.no"}, Tenants: []string{"t"}},
		ClientID: "c", Product: "A", ArticleID: "a", CategoryType: "N", Address: netip.MustParseAddr("192.0.2.7"), Domain: "b.no", ByDomain: true, ByDirectory: true, WithFamily: true, ListArticles: true,
	})
	want := publisher.Verdict{Allowed: true, Rights: []publisher.Right{{Allowed: true, Level: "B", Type: "B", StartsAt: time.UnixMilli(1000).UTC(), EndsAt: time.UnixMilli(2000).UTC()}}, Articles: []string{"x"}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("Check = %+v, %v", v, err)
	}
	a.want(t, "access/check", `{"partnerId":"p","clientId":"c","userId":"u","customerNumbers":[17],"domains":["b.no"],"tenants":["t"],"product":"A","articleId":"a","categoryType":"N","ip":"192.0.2.7","domain":"b.no","accessDomain":true,"accessAzureAd":true,"accessAidFamily":true,"accessArticle":true}`)
	if _, err := c.Check(ctx, publisher.Question{Reader: publisher.Reader{PartnerID: "p"}}); err != nil {
		t.Error(err)
	}
	a.want(t, "access/check", `{"partnerId":"p","customerNumbers":[]}`)
	a.answers["access/products"] = `{"products":[{"productId":"A","accessType":"A"},{"productId":"B","accessType":"B","startTime":1000,"endTime":2000}]}`
	all, err := c.Products(ctx, publisher.Reader{PartnerID: "p", UserID: "u"})
	if err != nil || !slices.Equal(all, []publisher.ProductAccess{{Product: "A", Type: "A"}, {Product: "B", Type: "B", StartsAt: time.UnixMilli(1000).UTC(), EndsAt: time.UnixMilli(2000).UTC()}}) {
		t.Errorf("Products = %+v, %v", all, err)
	}
	// Nobody is let in by an answer that does not say so.
	for _, answer := range []string{`{}`, `{"access":null}`, `{"access":"yes"}`, `{"access":true,"accesses":[{"access":true,"accessLevel":"A","accessType":"C"}]}`, `{"access":true,"accesses":[{"accessLevel":"Z","accessType":"A"}]}`, `{"access":true,"articles":["a\n"]}`, "500",
		// Nor by one that contradicts itself, which callers would read as they like.
		`{"access":true,"accesses":[{"access":false,"accessLevel":"C","accessType":"D"}]}`, `{"access":false,"accesses":[{"access":true,"accessLevel":"A","accessType":"A"}]}`} {
		a.answers["access/check"] = answer
		if v, err := c.Check(ctx, publisher.Question{}); err == nil {
			t.Errorf("Check takes %s: %+v", answer, v)
		}
	}
	a.answers["access/check"], a.answers["access/products"] = "404", "404"
	if v, err := c.Check(ctx, publisher.Question{}); err != nil || v.Allowed {
		t.Errorf("Check of nobody = %+v, %v", v, err)
	}
	if all, err := c.Products(ctx, publisher.Reader{}); err != nil || all != nil {
		t.Errorf("Products of nobody = %+v, %v", all, err)
	}
	for _, answer := range []string{`{"products":[{"productId":"A","accessType":"C"}]}`, `{"products":[{"accessType":"A"}]}`, "500"} {
		a.answers["access/products"] = answer
		if all, err := c.Products(ctx, publisher.Reader{}); err == nil {
			t.Errorf("Products takes %s: %+v", answer, all)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`{"access":true}`, `{"products":[{"code":"A","retailPrice":1,"currency":"NOK"}]}`, `{"coupons":[{"code":"A","number":1,"product":"A","periodType":"x"}]}`, `{"price":{"currency":"NOK"}}`, `{"info":{"contacts":[{}]}}`} {
		f.Add(s)
	}
	var body string
	client := newFuzzClient(f, &body)
	f.Fuzz(func(t *testing.T, s string) {
		body = s
		ctx := t.Context()
		if all, err := client.Catalogue().Products(ctx, "p", publisher.ProductFilter{}); err == nil {
			for _, p := range all {
				if p.Code == "" || p.RetailPrice < 0 || p.WebOfferPrice < 0 || p.RetailPrice > 0 && !publisher.IsCurrency(p.Currency) {
					t.Errorf("took %+v", p)
				}
			}
		}
		if all, err := client.Catalogue().Coupons(ctx, "p", "A"); err == nil {
			for _, c := range all {
				if c.Code == "" || c.Number <= 0 || c.Price < 0 || !c.Period.Known() {
					t.Errorf("took %+v", c)
				}
			}
		}
		if p, err := client.Catalogue().Price(ctx, publisher.PriceQuestion{}); err == nil && (p.Price < 0 || !publisher.IsCurrency(p.Currency)) {
			t.Errorf("took %+v", p)
		}
		if v, err := client.Access().Check(ctx, publisher.Question{}); err == nil && v.Allowed && !strings.Contains(strings.ToLower(s), "access") {
			t.Errorf("%q lets in", s)
		}
		_, _ = client.Info(ctx, "p", 1)
	})
}

// canned answers every call with the body.
type canned struct{ body *string }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(*c.body))}, nil
}

func newFuzzClient(f *testing.F, body *string) *httpjson.Client {
	c, err := httpjson.New(httpjson.Config{URL: "https://crm.example/", Token: token, Transport: canned{body}})
	if err != nil {
		f.Fatal(err)
	}
	return c
}
