package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/api"
)

const intro = `{"couponCode":"INTRO","couponNumber":60,"product":"DIGITAL","startTime":1700000000000,"description":"Students only","couponPrice":49.5,"currency":"NOK",` +
	`"periodLength":1,"periodType":"months","extraProducts":[{"productId":"PUZZLE","description":"Crosswords"}],"renewal":{"renewalPrice":249,"periodLength":3,"periodType":"months"}`

func TestCoupons(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	const path = "/capi/v1/client/coupon/"
	wantBody(t, "coupons", call(h, "GET", path+"DIGITAL", clientToken), `{"coupons":[`+intro+`}]}`)
	wantBody(t, "with marketing", call(h, "GET", path+"DIGITAL?marketing=true", clientToken), `{"coupons":[`+intro+`,"marketing":{"project":"Autumn","salesMethod":"WEB"}}]}`)
	wantBody(t, "of what is not sold", call(h, "GET", path+"BOOK", clientToken), `{"coupons":[]}`)
	for product, status := range map[string]int{"SECRET": 404, "nothing": 404, "DIGITAL?marketing=1": 400} {
		checkError(t, call(h, "GET", path+product, clientToken), status)
	}
	checkError(t, call(h, "GET", path+"DIGITAL", userToken), 403)
	w := call(h, "GET", path+"PAPER", clientToken, "Accept", "text/xml")
	if want := "<coupons><coupon><couponCode>PAPER</couponCode><couponNumber>2</couponNumber><product>PAPER</product><couponPrice>100</couponPrice><currency>NOK</currency><extraProducts></extraProducts></coupon></coupons>"; !strings.HasSuffix(w.Body.String(), want) {
		t.Errorf("as XML: %s", w.Body)
	}
	legacy, _ := stocked(t, func(c *api.Config) { c.LegacyXML = true })
	for path, want := range map[string]string{"coupon/DIGITAL": "json", "product": "xml", "product/subscription": "xml", "voucher/coupons/GAVE-1": "json", "customer/info/4711": "json", "subscription/4711": "xml"} {
		if got := call(legacy, "GET", "/capi/v1/client/"+path, clientToken).Header().Get("Content-Type"); got != "application/"+want+"; charset=utf-8" {
			t.Errorf("LegacyXML, %s: %s, want %s", path, got, want)
		}
	}
}

func TestVoucherCoupons(t *testing.T) {
	t.Parallel()
	h, s := stocked(t)
	const path = "/capi/v1/client/voucher/coupons/"
	w := call(h, "GET", path+"GAVE-1", clientToken)
	wantBody(t, "a good voucher", w, `{"coupons":[`+intro+`}]}`)
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("may be kept: %v", w.Header())
	}
	unknown := checkError(t, call(h, "GET", path+"NOBODYS", clientToken), 400)
	for _, code := range []string{"USED", "OVER", "EMPTY", "THEIRS", "gave-1", "GAVE-1%20"} {
		if body := checkError(t, call(h, "GET", path+code, clientToken), 400); body["errorMessage"] != unknown["errorMessage"] {
			t.Errorf("%s: %v", code, body)
		}
	}
	if _, err := s.SpendVoucher(t.Context(), "partner", "GAVE-1", "order 7", time.Now()); err != nil {
		t.Fatal(err)
	}
	checkError(t, call(h, "GET", path+"GAVE-1", clientToken), 400)
}

func TestCouponPrice(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	const path = "/capi/v1/client/coupon/price"
	price := func(vat, dist, distVAT, customer string) string {
		return `{"product":"PAPER","price":100,"vatAmount":` + vat + `,"vatpercent":25,"vatInclude":false,"currency":"NOK","distAmount":` + dist + `,"distAmountvat":` + distVAT + customer + `}`
	}
	for body, want := range map[string]string{
		`{"couponCode":"PAPER","couponNumber":2}`:                                          price("25", "0", "0", ""),
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"NO"}`:                       price("25", "49", "12.25", ""),
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"NO","postalCode":"0150"}`:   price("25", "49", "12.25", ""),
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"NO","postalCode":"9 008"}`:  price("25", "99.05", "24.76", ""),
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"SE","postalCode":"98765"}`:  price("25", "129", "32.25", ""),
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"DK"}`:                       price("25", "0", "0", ""),
		`{"couponCode":"PAPER","couponNumber":2,"customerNumber":4711,"countryCode":""}`:   price("25", "99.05", "24.76", `,"customerNumber":4711`),
		`{"couponCode":"PAPER","couponNumber":2,"customerNumber":4711,"countryCode":"SE"}`: price("25", "129", "32.25", `,"customerNumber":4711`),
		`{"couponCode":"INTRO","couponNumber":60}`:                                         `{"companyCode":"FJORD","product":"DIGITAL","price":49.5,"vatAmount":6.46,"vatpercent":15,"vatInclude":true,"currency":"NOK","distAmount":0,"distAmountvat":0}`,
	} {
		wantBody(t, body, post(h, path, clientToken, body), want)
	}
	for body, status := range map[string]int{
		`{}`: 400, `{"couponCode":"PAPER"}`: 400, `{"couponNumber":2}`: 400, `{"couponCode":"","couponNumber":2}`: 400, `{"couponCode":"PAPER","couponNumber":0}`: 400,
		`{"couponCode":"PAPER","couponNumber":"2"}`: 400, `{"couponCode":"PAPER","couponNumber":2.5}`: 400, `{"couponCode":"PAPER","couponNumber":2,"countryCode":"NOR"}`: 400,
		`{"couponCode":"PAPER","couponNumber":2,"countryCode":"no"}`: 400, `{"couponCode":"PAPER","couponNumber":2,"countryCode":"XX"}`: 400, `{"couponCode":"PAPER","couponNumber":2,"customerNumber":-1}`: 400,
		`{"couponCode":"PAPER","couponNumber":1}`: 404, `{"couponCode":"OLD","couponNumber":1}`: 404, `{"couponCode":"THEIRS","couponNumber":1}`: 404,
		`{"couponCode":"PAPER","couponNumber":2,"customerNumber":13}`: 404, `{"couponCode":"PAPER","couponNumber":2,"customerNumber":99}`: 404,
	} {
		if checkError(t, post(h, path, clientToken, body), status); t.Failed() {
			t.Fatal(body)
		}
	}
	checkError(t, post(h, path, userToken, `{"couponCode":"PAPER","couponNumber":2}`), 403)
	if w := call(h, "GET", path, clientToken); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
}
