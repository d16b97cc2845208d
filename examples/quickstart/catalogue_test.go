package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What the demo's page tells developers to ask is answered.
func TestCatalogueAnswers(t *testing.T) {
	t.Parallel()
	origin, _ := start(t, "-addr", "127.0.0.1:0", "-data", t.TempDir())
	var i info
	getJSON(t, http.DefaultClient, origin+"/demo/info.json", &i)
	ask := func(client int, path, body string) (status int, answer string) {
		t.Helper()
		req, _ := http.NewRequest(http.MethodPost, i.LoginServer+"/oauth/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(i.Clients[client].ClientID, i.Clients[client].ClientSecret)
		var token struct {
			AccessToken string `json:"access_token"`
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
			t.Fatal(err)
		}
		method := http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
		req, _ = http.NewRequest(method, i.APIServer+"/v1/client/"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token.AccessToken)
		req.Header.Set("Content-Type", "application/json")
		if resp, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(raw)
	}
	for _, c := range []struct {
		client     int
		path, body string
		status     int
		want       string
	}{
		{0, "product", "", 200, `"product":"DIGITAL","description":"Fjordposten digitalt"`},
		{1, "product", "", 200, `"currency":"SEK"`},
		{0, "product?productId=BOOK", "", 200, `"retailPrice":399`},
		{0, "product/subscription", "", 200, `"WEEKEND"`},
		{0, "product", `{"onlyActive":true}`, 200, `"DIGITAL"`},
		{0, "coupon/DIGITAL?marketing=true", "", 200, `"marketing":{"project":"Newcomers"`},
		{0, "coupon/price", `{"couponCode":"PAPER","couponNumber":1,"countryCode":"NO","postalCode":"9008"}`, 200, `"distAmount":99`},
		{0, "coupon/price", `{"couponCode":"PAPER","couponNumber":1,"customerNumber":204117}`, 200, `"distAmount":99`},
		{1, "coupon/price", `{"couponCode":"PAPER","couponNumber":1}`, 200, `"vatAmount":22.58`},
		{0, "voucher/coupons/GAVE-FJORD-2026", "", 200, `"couponCode":"MONTH"`},
		{0, "voucher/coupons/GAVE-FJORD-BRUKT", "", 400, "InvalidVoucher"},
		{0, "voucher/coupons/GAVA-SKARG-2026", "", 400, "InvalidVoucher"},
		{0, "customer/info/204117", "", 200, `"postalPlace":"Tromsø"`},
		{1, "customer/info/204117", "", 404, "NotFound"},
		{0, "subscription/204118", "", 200, `"sharable":true,"shareType":"USERS"`},
		{0, "access", `{"credential":"kari.nordmann@example.com","articleId":"orgelet","accessAidFamily":true}`, 200, `{"access":true,"accessLevel":"B","accessType":"A"}`},
		{0, "access", `{"credential":"kari.nordmann@example.com","articleId":"orgelet"}`, 200, `"access":true`},
		{0, "access", `{"credential":"ola.svensson@example.com","articleId":"orgelet"}`, 200, `"access":false`},
		{1, "access", `{"credential":"kari.nordmann@example.com","articleId":"skarven"}`, 200, `"access":true`},
		{0, "access", `{"ip":"203.0.113.7","articleId":"orgelet"}`, 200, `"access":true`},
		{0, "access", `{"ip":"198.51.100.7","articleId":"orgelet"}`, 200, `"access":false`},
		{0, "access", `{"ip":"198.51.100.7","articleId":"ny-ferge"}`, 200, `"access":true`},
	} {
		if status, answer := ask(c.client, c.path, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", c.path, c.body, status, answer, c.status, c.want)
		}
	}
}
