package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// The rules of access have their tests in flows/publisher; these are about the calls.

const (
	userAccess   = "/capi/v1/customer/access"
	clientAccess = "/capi/v1/client/access"

	refused = `{"access":false,"accesses":[{"access":false,"accessLevel":"C","accessType":"D"}]}`
	own     = `{"access":true,"accesses":[{"access":true,"accessLevel":"A","accessType":"A"}]}`
	shared  = `{"access":true,"accesses":[{"access":true,"accessLevel":"B","accessType":"A"}]}`
)

// library is the store of stock with who may read what.
func library(t testing.TB) (http.Handler, store.Store) {
	t.Helper()
	h, s := stocked(t)
	ctx, at := t.Context(), time.UnixMilli(1_700_000_000_000)
	for _, err := range []error{
		s.PutSubscription(ctx, store.Subscription{ID: "1", PartnerID: "partner", CustomerNumber: 4711, Product: "DIGITAL", StartsAt: at, Paid: true}),
		s.PutSubscription(ctx, store.Subscription{ID: "2", PartnerID: "partner", CustomerNumber: 4711, Product: "PAPER", StartsAt: at, EndsAt: at.Add(time.Hour)}),
		s.PutSubscription(ctx, store.Subscription{ID: "3", PartnerID: "partner", CustomerNumber: 4711, Product: "STOPPED", StartsAt: at, Stopped: true}),
		s.PutSubscription(ctx, store.Subscription{ID: "4", PartnerID: "another", CustomerNumber: 13, Product: "SECRET", StartsAt: at}),
		s.PutSubscription(ctx, store.Subscription{ID: "5", PartnerID: "partner", CustomerNumber: 4712, Product: "PAPER", StartsAt: at}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "partner", Number: 4712, Contacts: []store.Contact{{Kind: store.Email, Identity: "per@example.com"}}}),
		s.PutArticle(ctx, store.Article{PartnerID: "partner", ID: "a1", Products: []string{"DIGITAL"}}),
		s.PutArticle(ctx, store.Article{PartnerID: "partner", ID: "free", Free: true}),
		s.PutAccess(ctx, store.Access{ID: "bought", PartnerID: "partner", UserID: userID, ArticleID: "a2", ExpiresAt: store.NoEnd}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "partner", ID: "o", Products: []string{"DIGITAL"}, Marks: []store.Mark{{Kind: store.AddressMark, Value: "192.0.2.0/24"}, {Kind: store.DomainMark, Value: "example.com"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h, s
}

func TestUserAccess(t *testing.T) {
	t.Parallel()
	h, _ := library(t)
	period := `{"access":false,"accesses":[{"access":false,"accessLevel":"A","accessType":"B","startTime":1700000000000,"endTime":1700003600000}]}`
	for body, want := range map[string]string{
		`{"product":"DIGITAL"}`: own, `{"product":"PAPER"}`: period, `{"product":"STOPPED"}`: refused, `{"product":"SECRET"}`: refused, `{"product":"digital"}`: refused,
		`{"articleId":"a1"}`: own, `{"articleId":"a2"}`: own, `{"articleId":"a3"}`: refused, `{"articleId":"free"}`: own,
		`{"product":"DIGITAL","articleId":"a3"}`: own, `{"product":"PAPER","articleId":"a1"}`: refused,
		`{"product":"DIGITAL","uniqueId":"` + userID + `","customerNumber":4711,"credential":"912 34 567"}`: own,
		`{"product":"DIGITAL","uniqueId":"bare"}`:                                                           refused, `{"product":"DIGITAL","customerNumber":13}`: refused, `{"product":"PAPER","customerNumber":4712}`: refused,
		`{"product":"DIGITAL","credential":"ola@example.com"}`: refused, `{"product":"PAPER","credential":"per@example.com"}`: refused,
		`{"product":"DIGITAL","credential":"new@example.com"}`:              refused, // hers, but never proved
		`{"product":"DIGITAL","uniqueId":"","customerNumber":null,"ip":""}`: own,
		`{"product":"DIGITAL","categoryType":"NEWS"}`:                       own, `{"categoryType":"SPORT"}`: refused,
		`{"ip":"192.0.2.7"}`: shared, `{"ip":"::ffff:192.0.2.7","product":"DIGITAL"}`: shared, `{"ip":"192.0.3.7","product":"DIGITAL"}`: refused,
		`{"domain":"Example.com"}`: shared, `{"accessDomain":true,"product":"DIGITAL"}`: shared, `{"domain":"example.org"}`: refused, `{"accessAzureAd":true}`: refused,
		`{"accessArticle":true,"product":"DIGITAL"}`: own[:len(own)-1] + `,"articles":["a2"]}`,
	} {
		wantBody(t, body, post(h, userAccess, userToken, body), want)
	}
	wantBody(t, "of a user without a customer", post(h, userAccess, bareToken, `{"product":"DIGITAL"}`), refused)
	for _, body := range []string{`{"ip":"x"}`, `{"ip":"fe80::1%eth0"}`, `{"ip":"192.0.2.0/24"}`, `{"domain":"a b"}`, `{"domain":"localhost"}`, `{"credential":"x"}`, `{"customerNumber":-1}`, `{"customerNumber":"4711"}`, `{"accessDomain":"yes"}`, `{"product":["A"]}`, `{"articleId":"a\nb"}`} {
		checkError(t, post(h, userAccess, userToken, body), 400)
	}
}

func TestClientAccess(t *testing.T) {
	t.Parallel()
	h, _ := library(t)
	for body, want := range map[string]string{
		`{"uniqueId":"` + userID + `","product":"DIGITAL"}`: own, `{"credential":"ase@example.com","articleId":"a1"}`: own, `{"credential":"+4791234567","customerNumber":4711,"product":"DIGITAL"}`: own,
		`{"uniqueId":"nobody","product":"DIGITAL"}`: refused, `{"uniqueId":"bare","product":"DIGITAL"}`: refused, `{"uniqueId":"` + userID + `","customerNumber":4712,"product":"PAPER"}`: refused,
		`{"uniqueId":"bare","credential":"ase@example.com","product":"DIGITAL"}`:     refused,
		`{"credential":"per@example.com","product":"PAPER"}`:                         own, // a customer without an account
		`{"credential":"per@example.com","customerNumber":4711,"product":"DIGITAL"}`: refused,
		`{"credential":"x@example.com","product":"DIGITAL"}`:                         refused, // an account that never proved it
		`{"credential":"nobody@example.com","product":"DIGITAL"}`:                    refused,
		`{"ip":"192.0.2.7"}`: shared, `{"ip":"192.0.2.7","product":"DIGITAL","articleId":"a1"}`: shared, `{"ip":"192.0.2.7","product":"PAPER"}`: refused, `{"ip":"198.51.100.1"}`: refused,
		`{"ip":"192.0.2.7","uniqueId":"` + userID + `"}`: shared, `{"ip":"198.51.100.1","uniqueId":"` + userID + `","product":"DIGITAL"}`: refused,
		`{"ip":"192.0.2.7","customerNumber":99,"articleId":"free"}`: own,
	} {
		wantBody(t, body, post(h, clientAccess, clientToken, body), want)
	}
	wantBody(t, "at another partner", post(h, clientAccess, otherToken, `{"uniqueId":"`+userID+`","product":"DIGITAL"}`), refused)
	wantBody(t, "her product there", post(h, clientAccess, otherToken, `{"uniqueId":"`+userID+`","product":"SECRET"}`), own)
	for _, body := range []string{"", "{}", `{"product":"DIGITAL"}`, `{"customerNumber":4711,"product":"DIGITAL"}`, `{"uniqueId":"","product":"DIGITAL"}`, `{"uniqueId":" ","customerNumber":4711,"product":"DIGITAL"}`,
		`{"uniqueId":"\u00a0","articleId":"free"}`, `{"accessDomain":true,"ip":"192.0.2.7","uniqueId":" "}`, `{"accessDomain":true,"ip":"192.0.2.7"}`, `{"accessAidFamily":true,"ip":"192.0.2.7"}`} {
		checkError(t, post(h, clientAccess, clientToken, body), 400)
	}
}

// A member is meant by its own name alone: one in other letters is unknown, and what
// is unknown is ignored. Else two readers of one body could take it for two persons.
func TestMembersInOtherLetters(t *testing.T) {
	t.Parallel()
	h, s := library(t)
	wantBody(t, "after its own", post(h, clientAccess, clientToken, `{"uniqueId":"bare","uniqueid":"`+userID+`","product":"DIGITAL"}`), refused)
	wantBody(t, "folded", post(h, clientAccess, clientToken, `{"uniqueId":"`+userID+`","articleId":"a1","\u0131p":"198.51.100.1","IP":"198.51.100.1"}`), own)
	for _, body := range []string{`{"uniqueid":"` + userID + `"}`, `{"CREDENTIAL":"ase@example.com"}`, `{"credential":"","Credential":"ase@example.com"}`} {
		checkError(t, post(h, clientAccess, clientToken, body), 400)
	}
	const body = `{"name":{"lastName":"Berg","LASTNAME":"Hansen","lastname":"Olsen"},"Emails":["x@example.com"],"emails":[]}`
	wantBody(t, body, post(h, "/capi/v1/customer/info", userToken, body), `{"success":true}`)
	c, err := s.Customer(t.Context(), "partner", 4711)
	if err != nil || c.LastName != "Berg" || len(c.Contacts) != 0 {
		t.Errorf("%s: %+v, %v", body, c, err)
	}
}

// A client without a partner has nobody's readers, articles and accesses.
func TestAccessWithoutPartner(t *testing.T) {
	t.Parallel()
	h, s := library(t)
	if err := s.PutAccess(t.Context(), store.Access{ID: "b", PartnerID: "partner", UserID: "bare", Product: "DIGITAL", ExpiresAt: store.NoEnd}); err != nil {
		t.Fatal(err)
	}
	wantBody(t, "access", post(h, userAccess, busyToken, `{"product":"DIGITAL"}`), refused)
	wantBody(t, "products", call(h, "GET", "/capi/v1/customer/product", busyToken), `{"products":[]}`)
	wantBody(t, "at the partner", call(h, "GET", "/capi/v1/customer/product", bareToken), `{"products":[{"partnerId":"partner","productId":"DIGITAL","accessType":"A"}]}`)
}

// Whoever has an app's token could name any address: it is believed its own only.
func TestAppsAddress(t *testing.T) {
	t.Parallel()
	h, _ := library(t)
	checkError(t, post(h, userAccess, appToken, `{"ip":"192.0.2.7"}`), 400)
	wantBody(t, "its own", post(h, userAccess, appToken, `{"ip":"192.0.2.1"}`), shared) // httptest's peer
}

// What an order grants is seen at once, and ends by itself.
func TestTemporaryAccess(t *testing.T) {
	t.Parallel()
	h, s := library(t)
	const body = `{"product":"WEEKEND","articleId":"x"}`
	wantBody(t, "before", post(h, userAccess, userToken, body), refused)
	start := time.Now().Truncate(time.Second)
	end := start.Add(time.Hour)
	for _, a := range []store.Access{
		{ID: "user", PartnerID: "partner", UserID: userID, Product: "WEEKEND", StartsAt: start, ExpiresAt: end},
		{ID: "customer", PartnerID: "partner", CustomerNumber: 4711, Product: "WEEKEND", StartsAt: start, ExpiresAt: end},
	} {
		if err := s.PutAccess(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"access":true,"accesses":[{"access":true,"accessLevel":"A","accessType":"B","startTime":%d,"endTime":%d}]}`, start.UnixMilli(), end.UnixMilli())
		wantBody(t, a.ID, post(h, userAccess, userToken, body), want)
		a.ExpiresAt = start.Add(-time.Minute)
		if err := s.PutAccess(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		wantBody(t, a.ID+", over", post(h, userAccess, userToken, body), refused)
	}
}

func TestCustomerProducts(t *testing.T) {
	t.Parallel()
	h, _ := library(t)
	const path = "/capi/v1/customer/product"
	wantBody(t, "products", call(h, "GET", path, userToken), `{"products":[{"partnerId":"partner","productId":"DIGITAL","accessType":"A"},`+
		`{"partnerId":"partner","productId":"PAPER","accessType":"B","startTime":1700000000000,"endTime":1700003600000},{"partnerId":"partner","productId":"STOPPED","accessType":"D"}]}`)
	wantBody(t, "of who has none", call(h, "GET", path, bareToken), `{"products":[]}`)
	w := call(h, "GET", path, userToken, "Accept", "application/xml")
	if want := "<products><product><partnerId>partner</partnerId><productId>DIGITAL</productId><accessType>A</accessType></product>"; w.Code != 200 || !contains(w, want) {
		t.Errorf("as XML: %s", w.Body)
	}
}

// A publisher's client learns nothing of who has an account: an address of
// nobody, of another publisher's reader and of a blocked user are one.
func TestAccessTellsNoAccounts(t *testing.T) {
	t.Parallel()
	h, s := library(t)
	now := time.Now()
	for i, u := range []store.User{{ID: "elsewhere"}, {ID: "barred", Blocked: true}} {
		u.Number, u.Credentials = int64(500+i), []store.Credential{{Kind: store.Email, Identity: u.ID + "@example.net", Spelling: u.ID + "@example.net", VerifiedAt: now, AddedAt: now}}
		if err := s.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for body, want := range map[string]string{
		`"articleId":"free"`:                                     own,
		`"product":"DIGITAL"`:                                    refused,
		`"product":"DIGITAL","ip":"192.0.2.7"`:                   shared, // whoever reads there
		`"articleId":"free","customerNumber":4711`:               refused,
		`"product":"DIGITAL","ip":"192.0.2.7","uniqueId":"bare"`: refused,
	} {
		for _, who := range []string{"nobody", "elsewhere", "barred"} {
			w := post(h, clientAccess, clientToken, `{"credential":"`+who+`@example.net",`+body+`}`)
			if got := w.Body.String(); w.Code != http.StatusOK || got != want {
				t.Errorf("%s, %s: %d %s, want %s", who, body, w.Code, got, want)
			}
		}
	}
}
