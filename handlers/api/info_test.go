package api_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/store"
)

const (
	infoPath   = "/capi/v1/customer/info"
	clientInfo = "/capi/v1/client/customer/info/"
	nordmann   = `"name":{"firstName":"Åse","lastName":"\u003cNordmann\u003e"},"phoneNumbers":[{"phoneNumber":"+4791234567","phoneNumberType":"personal"}],` +
		`"emails":["ase@example.com"],"invoiceEmailAddress":"post@example.com","address":{"street":"Storgata 1","postalCode":"9008","postalPlace":"Tromsø","countryCode":"NO"}`
	attached = `,"attachedUsers":[{"uniqueId":"` + userID + `"}]}`
)

func TestCustomerInfo(t *testing.T) {
	t.Parallel()
	h, s := stocked(t)
	want := `{"customerNumber":4711,` + nordmann + attached
	wantBody(t, "user mode", call(h, "GET", infoPath, userToken), want)
	wantBody(t, "client mode", call(h, "GET", clientInfo+"4711", clientToken), want)
	for path, status := range map[string]int{"13": 404, "99": 404, "0": 400, "-4711": 400, "x": 400, "9999999999999999999": 400} {
		checkError(t, call(h, "GET", clientInfo+path, clientToken), status)
	}
	checkError(t, call(h, "GET", clientInfo+"4711", otherToken), 404) // of another partner
	checkError(t, call(h, "GET", infoPath, bareToken), 404)           // tied to no customer
	checkError(t, post(h, infoPath, bareToken, `{"name":{"lastName":"x"}}`), 404)
	w := call(h, "GET", infoPath, userToken, "Accept", "application/xml")
	if want := `<customer><customerNumber>4711</customerNumber><name><firstName>Åse</firstName><lastName>&lt;Nordmann&gt;</lastName></name><phoneNumbers><phoneNumber><phoneNumber>+4791234567</phoneNumber><phoneNumberType>personal</phoneNumberType></phoneNumber></phoneNumbers><emails><email>ase@example.com</email></emails>`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("as XML: %s", w.Body)
	}
	if err := s.DeleteCustomer(t.Context(), "partner", 4711); err != nil {
		t.Fatal(err)
	}
	checkError(t, call(h, "GET", infoPath, userToken), 404)
	checkError(t, post(h, infoPath, userToken, `{"name":{"lastName":"x"}}`), 404)
}

// A change replaces everything that is known, but for an address that is not given.
func TestChangeCustomerInfo(t *testing.T) {
	t.Parallel()
	h, s := stocked(t)
	const address = `,"address":{"street":"Storgata 1","postalCode":"9008","postalPlace":"Tromsø","countryCode":"NO"}`
	for _, c := range []struct{ body, want string }{
		{`{"name":{"lastName":" Berg "}}`, `"name":{"lastName":"Berg"},"phoneNumbers":[],"emails":[]` + address},
		{`{"name":{"companyName":"Berg AS","departmentName":"Salg","firstName":"","lastName":null},"emails":["","Post@Berg.NO"],"phoneNumbers":"","unknown":[{}]}`,
			`"name":{"companyName":"Berg AS","departmentName":"Salg"},"phoneNumbers":[],"emails":["post@berg.no"]` + address},
		{`{"name":{"firstName":"A","middleName":"B","lastName":"C"},"phoneNumbers":[{"phoneNumber":"22 33 44 55","phoneNumberType":"company"},{"phoneNumber":"+46 70 123 45 67"}],"invoiceEmailAddress":"F@b.no","customerNumber":13}`,
			`"name":{"firstName":"A","middleName":"B","lastName":"C"},"phoneNumbers":[{"phoneNumber":"+4722334455","phoneNumberType":"company"},{"phoneNumber":"+46701234567"}],"emails":[],"invoiceEmailAddress":"f@b.no"` + address},
		{`{"name":{"lastName":"C"},"address":{"street":"Nygata 2","countryCode":"SE"}}`, `"name":{"lastName":"C"},"phoneNumbers":[],"emails":[],"address":{"street":"Nygata 2","countryCode":"SE"}`},
		{`{"name":{"lastName":"C"},"address":{}}`, `"name":{"lastName":"C"},"phoneNumbers":[],"emails":[]`},
	} {
		wantBody(t, c.body, post(h, infoPath, userToken, c.body), `{"success":true}`)
		wantBody(t, "after "+c.body, call(h, "GET", infoPath, userToken), `{"customerNumber":4711,`+c.want+attached)
	}
	other, err := s.Customer(t.Context(), "another", 13)
	if err != nil || other.LastName != "Hidden" {
		t.Errorf("another partner's customer was changed: %+v, %v", other, err)
	}
}

func TestChangeCustomerInfoFaults(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	for body, names := range map[string]string{
		``: "lastName", `{}`: "lastName", `{"name":{}}`: "lastName", `{"name":{"firstName":"Kari"}}`: "lastName", `{"name":{"lastName":"  "}}`: "lastName", `{"name":{"lastName":""}}`: "lastName",
		`{"name":"Kari"}`: "name has to be an object", `{"name":{"lastName":1}}`: "name.lastName has to be a string",
		`{"name":{"lastName":"` + strings.Repeat("x", 101) + `"}}`: "name.lastName", `{"name":{"lastName":"a\u0000b"}}`: "name.lastName",
		`{"name":{"lastName":"x"},"emails":"a@b.no"}`: "emails has to be a list", `{"name":{"lastName":"x"},"emails":["a"]}`: "emails has to be an e-mail", `{"name":{"lastName":"x"},"emails":["+4791234567"]}`: "emails",
		`{"name":{"lastName":"x"},"phoneNumbers":[{"phoneNumber":"123"}]}`: "phoneNumber has to be a phone", `{"name":{"lastName":"x"},"phoneNumbers":[{"phoneNumberType":"x"}]}`: "phoneNumber",
		`{"name":{"lastName":"x"},"phoneNumbers":[{"phoneNumber":"a@b.no"}]}`: "phoneNumber", `{"name":{"lastName":"x"},"phoneNumbers":["+4791234567"]}`: "phoneNumbers",
		`{"name":{"lastName":"x"},"invoiceEmailAddress":"x"}`: "invoiceEmailAddress", `{"name":{"lastName":"x"},"invoiceEmailAddress":"` + strings.Repeat("a", 55) + `@b.example"}`: "60",
		`{"name":{"lastName":"x"},"address":{"countryCode":"NOR"}}`: "countryCode", `{"name":{"lastName":"x"},"address":{"countryCode":"UK"}}`: "countryCode", `{"name":{"lastName":"x"},"address":{"street":"` + strings.Repeat("x", 101) + `"}}`: "street",
		`{"name":{"lastName":"x"},"emails":[` + strings.Repeat(`"a@b.no",`, 20) + `"a@b.no"]}`: "more than 20",
	} {
		if got := checkError(t, post(h, infoPath, userToken, body), 400); !strings.Contains(got["errorMessage"], names) {
			t.Errorf("%.60s: %s; want it to name %s", body, got["errorMessage"], names)
		}
	}
	wantBody(t, "after all that", call(h, "GET", infoPath, userToken), `{"customerNumber":4711,`+nordmann+attached)
}

// Of changes that race each other one wins as a whole.
func TestChangesRace(t *testing.T) {
	t.Parallel()
	h, s := stocked(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			body := fmt.Sprintf(`{"name":{"lastName":"Name %d"},"emails":["mail%d@example.com"]}`, i, i)
			if w := post(h, infoPath, userToken, body); w.Code != 200 {
				t.Errorf("%d: %d", i, w.Code)
			}
		})
	}
	wg.Wait()
	c, err := s.Customer(context.Background(), "partner", 4711)
	if err != nil || len(c.Contacts) != 1 || "mail"+strings.TrimPrefix(c.LastName, "Name ")+"@example.com" != c.Contacts[0].Identity {
		t.Errorf("the customer is a mixture: %+v, %v", c, err)
	}
	n := 0
	for i := range 64 {
		for range s.CustomersByContact(context.Background(), "partner", store.Contact{Kind: store.Email, Identity: fmt.Sprintf("mail%d@example.com", i)}) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the customer is found by %d addresses, want 1", n)
	}
}
