package connectid_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// orderUser is what the call answers that makes an order somebody's.
type orderUser struct {
	OrderID       int64
	UniqueUserID  string
	IsNewUser     bool
	IsPasswordSet bool
	ExceptionType string
	ErrorMessage  string
}

// postOrderUser calls for the order, as a client of the papers' publisher does.
func (s *site) postOrderUser(client, id, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	token := "token-of-" + client
	if err := s.store.PutAccessToken(s.t.Context(), store.AccessToken{
		Hash: store.DigestOf(token), ClientID: client, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}); err != nil && !errors.Is(err, store.ErrConflict) {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, host+"/capi/v1/client/order/"+id+"/user", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	return w
}

// orderUser is postOrderUser by the client of the order, with the status that is
// wanted.
func (s *site) orderUser(id int64, status int, body string) (out orderUser) {
	s.t.Helper()
	w := s.postOrderUser(clientID, strconv.FormatInt(id, 10), body)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != status {
		s.t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, status)
	}
	return out
}

const noraAsks = `{"credential":" nora@example.com ","returnUrl":"` + returnURL + `","errorUrl":"` + errorURL + `"}`

// Somebody without an account gets the order, and an account into which the link
// leads, once she has confirmed it.
func TestOrderUserNew(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	got := s.orderUser(7, 200, noraAsks)
	u, err := s.store.UserByCredential(t.Context(), store.Email, nora)
	if want := (orderUser{OrderID: 7, UniqueUserID: u.ID, IsNewUser: true}); err != nil || got != want {
		t.Fatalf("%+v (%v), want %+v", got, err, want)
	}
	if o := s.orderIs(7); o.UserID != u.ID {
		t.Errorf("the order is %q's", o.UserID)
	}
	link := s.orderLink(nora)
	for range 3 { // as mail scanners do
		s.browser().get(link).wantState("orderLinkState")
	}
	if u, _ = s.store.User(t.Context(), u.ID); !u.Credentials[0].VerifiedAt.IsZero() || u.PasswordHash != "" {
		t.Errorf("opening has changed the account: %+v", u)
	}
	b := s.browser()
	b.get(link).submit("orderLinkEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in")
	}
	s.browser().get(link).wantState("orderLinkOverState").submit("navigateAwayEvent").wantAt("https://paper.example/")
	if again := s.orderUser(7, 200, noraAsks); again.IsNewUser || !again.IsPasswordSet || again.UniqueUserID != u.ID {
		t.Errorf("again: %+v", again)
	}
	if id := s.orderIs(7).UserID; id != u.ID {
		t.Errorf("again: the order is %q's", id)
	}
}

// Whoever has an account is logged in by confirming alone, and nobody else is.
func TestOrderUserKnown(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	s.order(7, "")
	s.order(8, u.ID)
	for _, id := range []int64{7, 8} { // nobody's, and hers
		got := s.orderUser(id, 200, `{"credential":"`+kari+`"}`)
		if want := (orderUser{OrderID: id, UniqueUserID: u.ID, IsPasswordSet: true}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		b := s.browser()
		b.get(s.orderLink(kari)).wantState("orderLinkState")
		if b.loggedIn() {
			t.Error("opening the link logs in")
		}
		b.submit("orderLinkEvent").wantAt("https://paper.example/") // the client's homepage
		if !b.loggedIn() {
			t.Error("not logged in")
		}
	}
	w := s.postOrderUser(clientID, "7", "<data><credential>"+kari+"</credential><isSendMessage>false</isSendMessage></data>", "Content-Type", "application/xml", "Accept", "application/xml")
	want := xml.Header + "<orderUser><orderId>7</orderId><uniqueUserId>" + u.ID + "</uniqueUserId><isNewUser>false</isNewUser><isPasswordSet>true</isPasswordSet></orderUser>"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("in XML: %d %s, want %s", w.Code, w.Body, want)
	}
}

// A client gets an order into nobody's hands but those that it was placed for, and
// itself into nobody's account.
func TestOrderUserTakesNothingOver(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	s.order(7, u.ID)
	s.order(8, "")
	s.order(9, "", func(_ *store.Order, c *order.Content) { c.Forgotten = true })
	s.order(10, "gone")
	const unproven = "unproven@example.com"
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Email, Identity: unproven, Spelling: unproven, AddedAt: time.Now()})
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	blocked := s.user(ola, password)
	if err := s.kit.Accounts().Block(t.Context(), blocked.ID); err != nil {
		t.Fatal(err)
	}
	sent := len(s.outbox.List())

	unknown := s.postOrderUser(clientID, "6", noraAsks)
	for what, w := range map[string]*httptest.ResponseRecorder{
		"another user's":        s.postOrderUser(clientID, "7", noraAsks),
		"another client's":      s.postOrderUser(otherID, "7", `{"credential":"`+kari+`"}`),
		"nobody's at another":   s.postOrderUser(otherID, "8", `{"credential":"`+nora+`"}`),
		"nobody's for good":     s.postOrderUser(clientID, "9", noraAsks),
		"a user's who has gone": s.postOrderUser(clientID, "10", noraAsks),
	} {
		if w.Code != 404 || w.Body.String() != unknown.Body.String() {
			t.Errorf("%s: %d %s, want what an unknown one is: %d %s", what, w.Code, w.Body, unknown.Code, unknown.Body)
		}
	}
	if _, err := s.store.UserByCredential(t.Context(), store.Email, nora); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a user was made for an order that is not hers: %v", err)
	}
	for _, email := range []string{unproven, ola} {
		if got := s.orderUser(8, 409, `{"credential":"`+email+`"}`); got.ExceptionType != "Conflict" {
			t.Errorf("%s: %+v", email, got)
		}
	}
	for id, want := range map[int64]string{7: u.ID, 8: "", 9: "", 10: "gone"} {
		if o := s.orderIs(id); o.UserID != want {
			t.Errorf("order %d is %q's, want %q's", id, o.UserID, want)
		}
	}
	if n := len(s.outbox.List()); n != sent {
		t.Errorf("%d messages were sent", n-sent)
	}
	// With a user's token, nobody's order is anybody's.
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, host+"/capi/v1/client/order/8/user", strings.NewReader(noraAsks))
	s.kit.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
}

// Of many who are named at the same time one gets the order.
func TestOrderUserRace(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	answers := make([]orderUser, 32)
	codes := make([]int, len(answers))
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			w := s.postOrderUser(clientID, "7", fmt.Sprintf(`{"credential":"reader%d@example.com","isSendMessage":false}`, i%4))
			codes[i] = w.Code
			if err := json.Unmarshal(w.Body.Bytes(), &answers[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	owner := s.orderIs(7).UserID
	for i, a := range answers {
		if codes[i] != 404 && (codes[i] != 200 || a.UniqueUserID != owner) {
			t.Errorf("call %d: %d %+v, the order is %s's", i, codes[i], a, owner)
		}
	}
	if owner == "" {
		t.Error("nobody got it")
	}
}

func TestOrderUserFaults(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	for _, c := range []store.Client{{ID: "foreign", PartnerID: "another", Targets: []string{"https://foreign.example"}}, {ID: "disabled", PartnerID: "partner", Disabled: true}} {
		if err := s.store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ members, field string }{
		{`"credential":""`, "credential"}, {`"returnUrl":"` + returnURL + `"`, "credential"}, {`"credential":"nora"`, "credential"}, {`"credential":7`, "credential"},
		{`"credential":"22 12 34 56"`, "credential"}, // no mobile
		{`"credential":"nora@example.com","isSendMessage":"yes"`, "isSendMessage"},
		{`"credential":"nora@example.com","linkLifetime":0`, "linkLifetime"}, {`"credential":"nora@example.com","linkLifetime":31`, "linkLifetime"},
		{`"credential":"nora@example.com","linkLifetime":-1`, "linkLifetime"}, {`"credential":"nora@example.com","linkLifetime":1.5`, "linkLifetime"},
		{`"credential":"nora@example.com","returnUrl":"https://evil.example/"`, "returnUrl"}, {`"credential":"nora@example.com","returnUrl":"/here"`, "returnUrl"},
		{`"credential":"nora@example.com","returnUrl":"javascript:alert(1)"`, "returnUrl"},
		{`"credential":"nora@example.com","returnUrl":"https://paper.example.evil.example/"`, "returnUrl"},
		{`"credential":"nora@example.com","isSendMessage":false,"returnUrl":"https://evil.example/"`, "returnUrl"},
		{`"credential":"nora@example.com","returnUrl":"` + returnURL + `","errorUrl":"https://evil.example/"`, "errorUrl"},
		{`"credential":"nora@example.com","overrideClientId":"` + otherID + `","returnUrl":"` + returnURL + `"`, "returnUrl"}, // the caller's, not the other's
		{`"credential":"nora@example.com","overrideClientId":"foreign","returnUrl":"https://foreign.example/"`, "overrideClientId"},
		{`"credential":"nora@example.com","overrideClientId":"disabled"`, "overrideClientId"},
		{`"credential":"nora@example.com","overrideClientId":"none"`, "overrideClientId"},
	} {
		got := s.orderUser(7, 400, "{"+tt.members+"}")
		if !strings.HasPrefix(got.ErrorMessage, tt.field+" ") || got.ExceptionType != "InvalidRequest" {
			t.Errorf("%s: %+v, want it to name %s", tt.members, got, tt.field)
		}
	}
	for _, id := range []string{"0", "-1", "x", "9223372036854775808"} {
		if w := s.postOrderUser(clientID, id, noraAsks); w.Code != 400 {
			t.Errorf("order %s: %d %s", id, w.Code, w.Body)
		}
	}
	if _, err := s.store.UserByCredential(t.Context(), store.Email, nora); !errors.Is(err, store.ErrNotFound) || len(s.outbox.List()) > 0 || s.orderIs(7).UserID != "" {
		t.Errorf("a fault has done something: %v, %v", err, s.outbox.List())
	}
	// What looks like the address, and is none.
	for path, status := range map[string]int{"7/users": 404, "7/user/": 404, "7/status": 404, "status/user": 405, "7": 404} {
		r := httptest.NewRequest(http.MethodPost, host+"/capi/v1/client/order/"+path, strings.NewReader(noraAsks))
		r.Header.Set("Authorization", "Bearer token of "+clientID)
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, status)
		}
	}
}

// The link is that of another of the publisher's clients, and leads to its places.
func TestOrderUserAtAnotherClient(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	s.orderUser(7, 200, `{"credential":"`+nora+`","overrideClientId":"`+otherID+`","returnUrl":"https://other.example/read"}`)
	link := s.orderLink(nora)
	if got := mustParse(t, link).Query().Get("clientId"); got != otherID {
		t.Errorf("the link is that of %s", got)
	}
	s.browser().get(link).submit("orderLinkEvent", "newPassword", password, "acceptTerms", "true").wantAt("https://other.example/read")
}

func TestOrderUserSendsNothing(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	c := paper(clientID, "paper")
	c.Homepage = "" // so that a link would need its addresses
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := s.orderUser(7, 400, `{"credential":"`+nora+`"}`); !strings.HasPrefix(got.ErrorMessage, "returnUrl ") {
		t.Errorf("without an address: %+v", got)
	}
	for range 20 { // no limit of messages counts what is not sent
		s.orderUser(7, 200, `{"credential":"`+nora+`","isSendMessage":false}`)
	}
	if sent := s.outbox.List(); len(sent) > 0 || s.orderIs(7).UserID == "" {
		t.Errorf("sent %+v, the order is %q's", sent, s.orderIs(7).UserID)
	}
}

// Nobody can have a reader flooded.
func TestOrderUserLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.order(7, "")
		for range 5 {
			s.orderUser(7, 200, noraAsks)
		}
		w := s.postOrderUser(clientID, "7", noraAsks)
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != 429 || err != nil || wait < 1 || wait > 3600 || !strings.Contains(w.Body.String(), "TooManyRequests") || strings.Contains(w.Body.String(), "nora") {
			t.Errorf("the sixth link: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if n := len(s.messagesTo(nora, message.OrderLink)); n != 5 {
			t.Errorf("%d links were sent", n)
		}
		s.orderUser(7, 200, strings.Replace(noraAsks, "{", `{"isSendMessage":false,`, 1))
		time.Sleep(time.Duration(wait) * time.Second)
		s.orderUser(7, 200, noraAsks)
	})
}

// A link lives for as many days as it was asked to.
func TestOrderUserLifetime(t *testing.T) {
	for body, days := range map[string]int{noraAsks: 7, strings.Replace(noraAsks, "{", `{"linkLifetime":1,`, 1): 1, strings.Replace(noraAsks, "{", `{"linkLifetime":30,`, 1): 30} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.order(7, "")
			s.orderUser(7, 200, body)
			link := s.orderLink(nora)
			time.Sleep(time.Duration(days)*24*time.Hour - time.Minute)
			s.browser().get(link).wantState("orderLinkState")
			time.Sleep(2 * time.Minute)
			s.browser().get(link).wantState("orderLinkOverState")
		})
	}
}

// An outage tells nothing, and the same call later does what was left.
func TestOrderUserOutage(t *testing.T) {
	for _, method := range []string{"Order", "UserByCredential", "CreateUser", "CommitOrders", "PutTicket", "Add"} {
		faulty := storetest.NewFaulty(memstore.New())
		s := newSite(t, func(c *connectid.Config) { c.Store = faulty })
		s.order(7, "")
		if w := s.postOrderUser(clientID, "1", noraAsks); w.Code != 404 { // the token is there
			t.Fatal(w.Code)
		}
		faulty.Inject(storetest.Fault{Method: method})
		w := s.postOrderUser(clientID, "7", noraAsks)
		if w.Code != 503 || !strings.Contains(w.Body.String(), "ServiceUnavailable") || strings.Contains(w.Body.String(), "injected") || strings.Contains(w.Body.String(), "nora") {
			t.Errorf("%s fails: %d %s", method, w.Code, w.Body)
		}
		faulty.Heal()
		if got := s.orderUser(7, 200, noraAsks); got.UniqueUserID == "" || s.orderIs(7).UserID != got.UniqueUserID {
			t.Errorf("after %s has failed: %+v", method, got)
		}
		if n := len(s.messagesTo(nora, message.OrderLink)); n != 1 {
			t.Errorf("after %s has failed: %d links", method, n)
		}
	}
}
