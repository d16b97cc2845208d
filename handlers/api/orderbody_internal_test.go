package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

func bodyOf(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

const jsonOrder = `{
	"externalOrderId": "a1", "orderDate": "2026-03-01", "paymentMethod": "invoice", "orderAmount": 299.50, "currency": "NOK", "merchantId": "",
	"unknown": {"x": [1]}, "prepaid": true,
	"payer": {"lastName": "Moe & Sønner", "postalCode": "0150", "emails": ["a@example.com", "b@example.com"], "customerNumber": 17},
	"orderLines": [
		{"productSpecType": "coupon", "productSpecCode": "INTRO", "productSpecNo": 60, "quantity": 2, "unitPrice": 149.75, "startInfo": {"startDate": 1772323200000}},
		{"productSpecType": "article", "productSpecCode": "a-7", "receiver": {"companyName": "AS", "postalCode": "9008", "phoneNumbers": ["91234567"]}}
	]}`

const xmlOrder = `<?xml version="1.0" encoding="UTF-8"?>
<!-- as an old caller writes it -->
<data>
	<externalOrderId> a1 </externalOrderId><orderDate>2026-03-01</orderDate><paymentMethod>invoice</paymentMethod>
	<orderAmount>299.50</orderAmount><currency>NOK</currency><merchantId/><unknown><x><item0>1</item0></x></unknown><prepaid>true</prepaid>
	<payer>
		<lastName>Moe &amp; S<![CDATA[ønner]]></lastName><postalCode>0150</postalCode>
		<emails><item0>a@example.com</item0><item1>b@example.com</item1></emails><customerNumber>17</customerNumber>
	</payer>
	<orderLines>
		<item0><productSpecType>coupon</productSpecType><productSpecCode>INTRO</productSpecCode><productSpecNo>60</productSpecNo><quantity>2</quantity>
			<unitPrice>149.75</unitPrice><startInfo><startDate>1772323200000</startDate></startInfo></item0>
		<item1><productSpecType>article</productSpecType><productSpecCode>a-7</productSpecCode>
			<receiver><companyName>AS</companyName><postalCode>9008</postalCode><phoneNumbers><item0>91234567</item0></phoneNumbers></receiver></item1>
	</orderLines>
</data>`

func TestOrderBodies(t *testing.T) {
	t.Parallel()
	var inJSON, inXML OrderRequest
	if err := decodeEither(bodyOf("application/json", jsonOrder), &inJSON); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"application/xml", "text/xml; charset=utf-8", "Application/XML"} {
		inXML = OrderRequest{}
		if err := decodeEither(bodyOf(kind, xmlOrder), &inXML); err != nil {
			t.Fatal(kind, err)
		}
		if !reflect.DeepEqual(inJSON, inXML) {
			t.Errorf("%s: the two forms of one order differ:\n%+v\n%+v", kind, inJSON, inXML)
		}
	}
	c, err := inJSON.content()
	if err != nil {
		t.Fatal(err)
	}
	first := c.Lines[0]
	if *c.Amount != 29950 || *first.UnitPrice != 14975 || first.SpecNo != 60 || first.Quantity != 2 || c.Payer.LastName != "Moe & Sønner" ||
		len(c.Payer.Emails) != 2 || c.Payer.CustomerNumber != 17 || !c.Prepaid || c.Lines[1].Receiver.PhoneNumbers[0] != "91234567" || c.Lines[1].UnitPrice != nil {
		t.Errorf("the order says %+v", c)
	}
	if day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !c.OrderDate.Equal(day) || !first.StartDate.Equal(day) {
		t.Errorf("it begins %v and was ordered %v, want %v for both", first.StartDate, c.OrderDate, day)
	}
}

func TestBadXMLBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":            "",
		"no XML":           "{}",
		"another root":     "<order/>",
		"two roots":        "<data/><data/>",
		"unfinished":       "<data><payer>",
		"a document type":  `<!DOCTYPE data [<!ENTITY a "b">]><data/>`,
		"an entity":        "<data><externalOrderId>&a;</externalOrderId></data>",
		"not UTF-8":        "<data><externalOrderId>\xff</externalOrderId></data>",
		"another charset":  `<?xml version="1.0" encoding="ISO-8859-1"?><data/>`,
		"a list otherwise": "<data><orderLines><orderLine><productSpecType>coupon</productSpecType></orderLine></orderLines></data>",
		"text for a list":  "<data><payer>Kari</payer></data>",
		"a list for text":  "<data><externalOrderId><item0>a</item0></externalOrderId></data>",
		"given twice":      "<data><externalOrderId>a</externalOrderId><externalOrderId>b</externalOrderId></data>",
		"no number":        "<data><orderAmount>ten</orderAmount></data>",
		"no bool":          "<data><prepaid>yes</prepaid></data>",
		"too deep":         "<data>" + strings.Repeat("<a>", maxXMLDepth) + strings.Repeat("</a>", maxXMLDepth) + "</data>",
		"too many":         "<data>" + strings.Repeat("<a/>", maxXMLElements) + "</data>",
	} {
		var in OrderRequest
		err := decodeEither(bodyOf("application/xml", body), &in)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 400 {
			t.Errorf("%s: %v, want a 400", name, err)
		}
	}
	almost := "<data>" + strings.Repeat("<a/>", maxXMLElements-1) + "</data>"
	if err := decodeEither(bodyOf("application/xml", almost), new(OrderRequest)); err != nil {
		t.Errorf("%d elements: %v", maxXMLElements, err)
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		`0`: "1970-01-01T00:00:00Z", `1772323200123`: "2026-03-01T00:00:00.123Z", `"1772323200000"`: "2026-03-01T00:00:00Z",
		`"2026-03-01"`: "2026-03-01T00:00:00Z", `"2026-03-01T10:00:00+01:00"`: "2026-03-01T09:00:00Z", `"2026-03-01T10:00:00.1239Z"`: "2026-03-01T10:00:00.123Z",
		`"2026-03-01T10:00:00"`: "2026-03-01T10:00:00Z", `"2026-03-01T10:00"`: "2026-03-01T10:00:00Z", `"2026-03-01T10:00:00+0100"`: "2026-03-01T09:00:00Z",
		`"2026-03-01 10:00:00"`: "2026-03-01T10:00:00Z", `"20260301"`: "2026-03-01T00:00:00Z", `-86400000`: "1969-12-31T00:00:00Z",
		`1.5`: "", `"2026-02-30"`: "", `"tomorrow"`: "", `true`: "", `{}`: "", `"0001-01-01"`: "", `99999999999999999`: "", `9223372036854775808`: "", `"2200-01-01"`: "",
	} {
		var w When
		err := json.Unmarshal([]byte(s), &w)
		if got := w.Format(time.RFC3339Nano); want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("%s is %s (%v), want %q", s, got, err, want)
		}
	}
}

// XML does not say what is a number and what a text.
func TestWhenInXML(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"20260301": day, "2026-03-01": day, " 1772323200000 ": day, "1772323200001": day.Add(time.Millisecond), "": {}, "0": time.UnixMilli(0),
	} {
		var in OrderRequest
		if err := decodeEither(bodyOf("application/xml", "<data><orderDate>"+text+"</orderDate></data>"), &in); err != nil || !in.OrderDate.Equal(want) {
			t.Errorf("%q is %v (%v), want %v", text, in.OrderDate, err, want)
		}
	}
}

func TestMinor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, currency string
		want        int64 // -1 for refused
	}{
		{"299", "NOK", 29900}, {"299.5", "NOK", 29950}, {"299.50", "", 29950}, {"0.01", "NOK", 1}, {"0", "NOK", 0}, {"0.00", "SEK", 0}, {"299.500", "NOK", 29950},
		{"2.99e2", "NOK", 29900}, {"3E+2", "NOK", 30000}, {"2990e-1", "NOK", 29900}, {"2990", "ISK", 2990}, {"2990.00", "ISK", 2990}, {"9999999999.99", "NOK", 999999999999},
		{"0.001", "NOK", -1}, {"299.505", "NOK", -1}, {"-1", "NOK", -1}, {"0.5", "ISK", -1}, {"10000000000", "NOK", -1}, {"10000000000.0", "NOK", -1},
		{"12345678901", "NOK", -1}, {"9e9", "NOK", 900000000000}, {"9999e9", "NOK", -1}, {"1e99", "NOK", -1}, {"1e-3", "NOK", -1}, {"10e-3", "NOK", 1}, {"1", "KWD", -1}, {"1", "nok", -1}, {"1", "XXY", -1},
	} {
		got, err := minor("orderAmount", json.Number(c.n), c.currency)
		switch {
		case c.want < 0 && err == nil:
			t.Errorf("%s %s was read as %d", c.n, c.currency, *got)
		case c.want >= 0 && (err != nil || *got != c.want):
			t.Errorf("%s %s: %v, %v, want %d", c.n, c.currency, got, err, c.want)
		}
	}
	if got, err := minor("orderAmount", "", "NOK"); got != nil || err != nil {
		t.Errorf("no amount: %v, %v", got, err)
	}
}

// FuzzOrderBody reads anything as an order: what is taken says the same when it is
// written again, and an amount is what it says.
func FuzzOrderBody(f *testing.F) {
	for _, kind := range []string{"application/json", "application/xml"} {
		f.Add(kind, jsonOrder)
		f.Add(kind, xmlOrder)
		f.Add(kind, `{"orderAmount": 1e-2, "orderLines": [{}, null, ""]}`)
		f.Add(kind, `<data><orderLines><item0/></orderLines><orderDate>1</orderDate></data>`)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		var in OrderRequest
		if err := decodeEither(bodyOf(kind, body), &in); err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Status < 400 || e.Status > 499 {
				t.Fatalf("%v", err)
			}
			return
		}
		c, err := in.content()
		if err != nil {
			return
		}
		written, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var again OrderRequest
		if err := decodeEither(bodyOf("application/json", string(written)), &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if c.Amount != nil && in.Currency == "" {
			if back := shifted(*c.Amount, 2); fmt.Sprint(mustFloat(t, back)) != fmt.Sprint(mustFloat(t, in.OrderAmount)) {
				t.Errorf("%s was read as %s", in.OrderAmount, back)
			}
		}
	})
}

func mustFloat(t *testing.T, n json.Number) float64 {
	v, err := n.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
