package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

const (
	extid         = "/capi/v1/client/extid"
	extidCustomer = "/capi/v1/client/extid/customer"
)

// accounts are those of a store.
func accounts(t testing.TB, s account.Store) *account.Service {
	t.Helper()
	ring, err := keys.New([][]byte{bytes.Repeat([]byte{1, 2, 3, 4}, 8)})
	if err != nil {
		t.Fatal(err)
	}
	composer, err := message.NewComposer(message.ComposerConfig{BaseURL: "https://login.example/user"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := account.New(account.Config{
		Store: s, Keys: ring, Composer: composer, Passwords: account.Passwords{Memory: 8, Passes: 1}, Logger: slog.New(slog.DiscardHandler),
		Sender: message.SenderFunc(func(context.Context, message.Message) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// outside is an API server with external identities.
type outside struct {
	t        testing.TB
	store    *storetest.Faulty
	accounts *account.Service
	h        http.Handler
}

func newOutside(t testing.TB, customers map[string]publisher.Customers) *outside {
	t.Helper()
	o := &outside{t: t, store: storetest.NewFaulty(memstore.New())}
	fill(t, o.store)
	end := time.Now().Add(time.Hour)
	for _, err := range []error{
		o.store.PutClient(t.Context(), store.Client{ID: "sister", PartnerID: "partner"}),
		o.store.PutClient(t.Context(), store.Client{ID: "foreign", PartnerID: "another"}),
		o.store.PutClient(t.Context(), store.Client{ID: "alone"}),
		o.store.PutAccessToken(t.Context(), store.AccessToken{Hash: store.DigestOf("sister"), ClientID: "sister", ExpiresAt: end}),
		o.store.PutAccessToken(t.Context(), store.AccessToken{Hash: store.DigestOf("foreign"), ClientID: "foreign", ExpiresAt: end}),
		o.store.PutAccessToken(t.Context(), store.AccessToken{Hash: store.DigestOf("alone"), ClientID: "alone", ExpiresAt: end}),
		o.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 815, LastName: "Nordmann"}),
		o.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 816, LastName: "Nordmann"}),
		o.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 4711, LastName: "Nordmann"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o.accounts = accounts(t, o.store)
	o.h = newHandler(t, o.store, func(c *api.Config) {
		c.Accounts = o.accounts
		c.Publishers = systems(t, o.store, customers)
	})
	return o
}

func (o *outside) post(path, token, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	o.h.ServeHTTP(w, r)
	return w
}

// identity is post for a call that has to succeed.
func (o *outside) identity(path, token, body string) api.ExternalIdentity {
	o.t.Helper()
	w := o.post(path, token, body)
	var x api.ExternalIdentity
	if err := json.Unmarshal(w.Body.Bytes(), &x); w.Code != 200 || err != nil {
		o.t.Fatalf("%s: %d %s, %v", body, w.Code, w.Body, err)
	}
	return x
}

// refused is post for a call that has to fail.
func (o *outside) refused(path, token, body string, status int, exception string, headers ...string) {
	o.t.Helper()
	w := o.post(path, token, body, headers...)
	var e struct{ ExceptionType, ErrorMessage string }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != status || e.ExceptionType != exception || e.ErrorMessage == "" {
		o.t.Errorf("%.80q: %d %s, want %d %s", body, w.Code, w.Body, status, exception)
	}
	for _, name := range []string{"X-Mediaconnect-Api-Version", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		if w.Header().Get(name) == "" {
			o.t.Errorf("%.80q: no %s", body, name)
		}
	}
}

func TestExternalIdentity(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	w := o.post(extid, clientToken, `{"externalId":"æ 47","credentialType":"D"}`)
	fields := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &fields); w.Code != 200 || err != nil {
		t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	code, _ := fields["extidCode"].(string)
	id, _ := fields["uniqueId"].(string)
	if len(code) != 43 || len(id) != 32 {
		t.Errorf("code %q, id %q", code, id)
	}
	delete(fields, "extidCode")
	delete(fields, "uniqueId")
	got, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"canLogin":false,"credential":"AID:æ 47","credentialType":"D","enabled":true,"externalId":"æ 47","newUser":true}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Mediaconnect-Api-Version": api.Version, "X-RateLimit-Remaining": "1999",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Again, by another client of the same publisher, with what has to be ignored.
	again := o.identity(extid, "sister", ` {"unknown":{"externalId":[1]},"credentialType":"D","customerNumber":"x","externalId":"\u00e6 47"} `)
	if again.UniqueID != id || again.NewUser || again.ExtidCode == "" || again.ExtidCode == code {
		t.Errorf("again: %+v", again)
	}
	if other := o.identity(extid, "foreign", `{"externalId":"æ 47","credentialType":"D"}`); other.UniqueID == id || !other.NewUser {
		t.Errorf("of another publisher: %+v", other)
	}
	for _, kind := range []string{"E", "H", "I", "L", "M", "X", "Z"} {
		x := o.identity(extid, clientToken, `{"externalId":"æ 47","credentialType":"`+kind+`"}`)
		if x.UniqueID == id || !x.NewUser || x.CredentialType != kind || x.Credential != "æ 47" || x.ExternalID != "æ 47" {
			t.Errorf("type %s: %+v", kind, x)
		}
	}
	// Each code is for the client that got it.
	if x, err := o.accounts.TakeExternalCode(t.Context(), again.ExtidCode, "sister"); err != nil || x.UserID != id {
		t.Errorf("the code: %+v, %v", x, err)
	}
	if _, err := o.accounts.TakeExternalCode(t.Context(), code, "sister"); !errors.Is(err, account.ErrExpired) {
		t.Errorf("the code of another client: %v", err)
	}
	// A credential of her own lets her log in; a block ends that and the codes.
	cred, err := account.ParseCredential("kari@example.com", "NO")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.accounts.AddCredential(t.Context(), id, account.Addition{Client: store.Client{ID: "site"}, Credential: cred}); err != nil {
		t.Fatal(err)
	}
	if x := o.identity(extid, clientToken, `{"externalId":"æ 47","credentialType":"D"}`); !x.CanLogin || !x.Enabled {
		t.Errorf("with a credential: %+v", x)
	}
	if err := o.accounts.Block(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if x := o.identity(extid, clientToken, `{"externalId":"æ 47","credentialType":"D"}`); x.CanLogin || x.Enabled || x.NewUser || x.ExtidCode != "" || x.UniqueID != id {
		t.Errorf("blocked: %+v", x)
	}
}

func TestExternalIdentityXML(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	w := o.post(extid, clientToken, `{"externalId":"<1>","credentialType":"D"}`, "Accept", "application/xml")
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "<externalIdentity><credential>AID:&lt;1&gt;</credential>") || !strings.Contains(body, "<newUser>true</newUser>") {
		t.Errorf("%d %s", w.Code, body)
	}
}

func TestExternalIdentityBadInput(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	sixty := strings.Repeat("å", 60)
	if x := o.identity(extid, clientToken, `{"externalId":"`+sixty+`","credentialType":"D"}`); x.ExternalID != sixty {
		t.Errorf("60 characters: %+v", x)
	}
	o.store.Calls()
	for name, body := range map[string]string{
		"nothing": "", "no object": `"x"`, "null": "null", "an array": "[]", "half": `{"externalId":"1"`, "two": `{"externalId":"1","credentialType":"D"}{}`,
		"a form": "externalId=1&credentialType=D", "no id": `{"credentialType":"D"}`, "an empty id": `{"externalId":"","credentialType":"D"}`,
		"no type": `{"externalId":"1"}`, "an empty type": `{"externalId":"1","credentialType":""}`, "a null id": `{"externalId":null,"credentialType":"D"}`,
		"61 characters": `{"externalId":"` + sixty + `1","credentialType":"D"}`, "a number": `{"externalId":1,"credentialType":"D"}`,
		"an object": `{"externalId":{},"credentialType":"D"}`, "e-mail": `{"externalId":"a@example.com","credentialType":"A"}`,
		"an unknown type": `{"externalId":"1","credentialType":"Q"}`, "a small type": `{"externalId":"1","credentialType":"d"}`, "two types": `{"externalId":"1","credentialType":"DE"}`,
		"a control": `{"externalId":"1\u0000","credentialType":"D"}`, "a line end": `{"externalId":"1\n","credentialType":"D"}`, "DEL": `{"externalId":"1\u007f2","credentialType":"D"}`,
		"hidden": `{"externalId":"1\u200b2","credentialType":"D"}`, "spaces": `{"externalId":"  ","credentialType":"D"}`, "a space at the end": `{"externalId":"1 ","credentialType":"D"}`,
		"no text": "{\"externalId\":\"1\xff\",\"credentialType\":\"D\"}", "half a character": `{"externalId":"1\ud800","credentialType":"D"}`,
	} {
		t.Run(name, func(t *testing.T) { o.refused(extid, clientToken, body, 400, "InvalidRequest") })
	}
	id := `{"externalId":"1","credentialType":"D"}`
	o.refused(extid, clientToken, id, 415, "UnsupportedMediaType", "Content-Type", "application/x-www-form-urlencoded")
	o.refused(extid, clientToken, id, 415, "UnsupportedMediaType", "Content-Type", "application/json; charset=latin1")
	o.refused(extid, clientToken, id, 415, "UnsupportedMediaType", "Content-Type", "application/json;;")
	o.refused(extid, clientToken, `{"x":"`+strings.Repeat("x", 300<<10)+`"}`, 413, "RequestTooLarge")
	for name, number := range map[string]string{
		"none": "", "zero": `,"customerNumber":0`, "negative": `,"customerNumber":-1`, "a fraction": `,"customerNumber":1.5`, "huge": `,"customerNumber":99999999999999999999`,
		"text": `,"customerNumber":"815"`, "null": `,"customerNumber":null`, "empty": `,"customerNumber":""`,
	} {
		t.Run("customerNumber: "+name, func(t *testing.T) {
			o.refused(extidCustomer, clientToken, `{"externalId":"1","credentialType":"D"`+number+`}`, 400, "InvalidRequest")
		})
	}
	if calls := o.store.Calls(); slices.Contains(calls, "CreateUser") {
		t.Errorf("a bad call makes a user: %v", calls)
	}
	for _, ct := range []string{"", "application/json; charset=UTF-8", "APPLICATION/JSON"} {
		if w := o.post(extid, clientToken, id, "Content-Type", ct); w.Code != 200 {
			t.Errorf("content type %q: %d %s", ct, w.Code, w.Body)
		}
	}
	// An unannounced length ends at the same bound.
	r := httptest.NewRequest(http.MethodPost, extid, io.MultiReader(strings.NewReader(`{"x":"`), strings.NewReader(strings.Repeat("x", 300<<10))))
	r.Header.Set("Authorization", "Bearer "+clientToken)
	w := httptest.NewRecorder()
	if o.h.ServeHTTP(w, r); w.Code != 413 {
		t.Errorf("a long body of unknown length: %d %s", w.Code, w.Body)
	}
}

func TestExternalIdentityModes(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	for _, path := range []string{extid, extidCustomer} {
		body := `{"externalId":"1","credentialType":"D","customerNumber":815}`
		o.refused(path, userToken, body, 403, "InsufficientScope")
		o.refused(path, "unknown", body, 401, "InvalidToken")
		o.refused(path, "alone", body, 403, "InsufficientScope")
		if e := checkError(t, o.post(path, "alone", body), 403); e["error"] != "insufficient_scope" {
			t.Errorf("without a publisher: %v", e)
		}
		if w := call(o.h, "GET", path, clientToken); w.Code != 405 || w.Header().Get("Allow") != "POST" {
			t.Errorf("GET %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
		// A server without accounts has no such endpoints.
		if w := call(filled(t), "POST", path, clientToken); w.Code != 404 {
			t.Errorf("without accounts: %d %s", w.Code, w.Body)
		}
	}
	c, err := o.store.Client(t.Context(), "site")
	if err != nil {
		t.Fatal(err)
	}
	c.Disabled = true
	if err := o.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	o.refused(extid, clientToken, `{"externalId":"1","credentialType":"D"}`, 401, "InvalidToken")
}

// LegacyXML is for the endpoints that always answered in XML; these are not.
func TestExternalIdentityIsJSON(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	o.h = newHandler(t, o.store, func(c *api.Config) { c.Accounts, c.LegacyXML = o.accounts, true })
	for accept, want := range map[string]string{"": "json", "*/*": "json", "application/xml": "xml"} {
		for _, path := range []string{extid, extidCustomer} {
			w := o.post(path, clientToken, `{"externalId":"1","credentialType":"D","customerNumber":815}`, "Accept", accept)
			if got := w.Header().Get("Content-Type"); w.Code != 200 || got != "application/"+want+"; charset=utf-8" {
				t.Errorf("%s, Accept %q: %d %s, want %s", path, accept, w.Code, got, want)
			}
		}
	}
}

func TestExternalCustomer(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	const kari, ola = `{"externalId":"1","credentialType":"D","customerNumber":`, `{"externalId":"2","credentialType":"D","customerNumber":`
	first := o.identity(extidCustomer, clientToken, kari+"815}")
	if first.CustomerNumber != 815 || !first.NewUser || first.ExtidCode == "" || first.Credential != "AID:1" {
		t.Errorf("the first call: %+v", first)
	}
	if _, err := o.accounts.TakeExternalCode(t.Context(), first.ExtidCode, "site"); err != nil {
		t.Errorf("the code: %v", err)
	}
	for _, again := range []api.ExternalIdentity{
		o.identity(extidCustomer, clientToken, kari+"815}"), o.identity(extidCustomer, "sister", kari+"815}"), o.identity(extid, clientToken, kari+"1}"),
	} {
		if again.CustomerNumber != 815 || again.NewUser || again.UniqueID != first.UniqueID {
			t.Errorf("again: %+v", again)
		}
	}
	o.refused(extidCustomer, clientToken, kari+"816}", 409, "Conflict") // she is another customer
	o.refused(extidCustomer, clientToken, ola+"815}", 409, "Conflict")  // that customer is another user
	o.refused(extidCustomer, clientToken, ola+"4711}", 409, "Conflict") // of a user with an account
	o.refused(extidCustomer, clientToken, ola+"817}", 404, "NotFound")
	o.refused(extidCustomer, clientToken, ola+"9007199254740993}", 404, "NotFound")
	// The user is there after all of that, and untied.
	if x := o.identity(extid, clientToken, ola+"0}"); x.NewUser || x.CustomerNumber != 0 || strings.Contains(o.post(extid, clientToken, ola+"0}").Body.String(), "customerNumber") {
		t.Errorf("after refusals: %+v", x)
	}
	if x := o.identity(extidCustomer, clientToken, ola+"816}"); x.NewUser || x.CustomerNumber != 816 {
		t.Errorf("then: %+v", x)
	}
	o.refused(extidCustomer, "foreign", kari+"815}", 404, "NotFound") // that publisher has no such customer
	// A block unties nobody, and ties nobody.
	if err := o.accounts.Block(t.Context(), first.UniqueID); err != nil {
		t.Fatal(err)
	}
	if x := o.identity(extidCustomer, clientToken, kari+"815}"); x.Enabled || x.CustomerNumber != 815 || x.ExtidCode != "" {
		t.Errorf("blocked: %+v", x)
	}
	third := o.identity(extid, clientToken, `{"externalId":"3","credentialType":"D"}`)
	if err := o.accounts.Block(t.Context(), third.UniqueID); err != nil {
		t.Fatal(err)
	}
	if err := o.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 818}); err != nil {
		t.Fatal(err)
	}
	o.refused(extidCustomer, clientToken, `{"externalId":"3","credentialType":"D","customerNumber":818}`, 409, "Conflict")
}

// system is a publisher's own.
type system struct {
	publisher.Customers
	tie, untie error
	before     func() // the answer of Tie
	calls      []string
}

func (s *system) Tie(_ context.Context, t publisher.Tie) error {
	s.calls = append(s.calls, "tie "+t.Number+" "+t.PartnerID+" "+t.ClientID)
	if s.before != nil {
		s.before()
	}
	return s.tie
}

func (s *system) Untie(_ context.Context, t publisher.Tie) error {
	s.calls = append(s.calls, "untie "+t.Number)
	return s.untie
}

func TestExternalCustomerOfAPublishersSystem(t *testing.T) {
	t.Parallel()
	sys := &system{}
	o := newOutside(t, map[string]publisher.Customers{"partner": sys})
	const body = `{"externalId":"1","credentialType":"D","customerNumber":99}`
	sys.tie = publisher.ErrTied
	o.refused(extidCustomer, clientToken, body, 409, "Conflict")
	sys.tie = publisher.ErrNotFound
	o.refused(extidCustomer, clientToken, body, 404, "NotFound")
	sys.tie = errors.New("no route to the customer system")
	o.refused(extidCustomer, clientToken, body, 503, "ServiceUnavailable")
	if x := o.identity(extid, clientToken, body); x.CustomerNumber != 0 {
		t.Errorf("tied by a system that refused: %+v", x)
	}
	sys.tie, sys.calls = nil, nil
	if x := o.identity(extidCustomer, clientToken, body); x.CustomerNumber != 99 {
		t.Errorf("tied: %+v", x)
	}
	o.identity(extidCustomer, clientToken, body) // asks nobody any more
	if !slices.Equal(sys.calls, []string{"tie 99 partner site"}) {
		t.Errorf("the system was called %q", sys.calls)
	}
	// Somebody else gets the number while the system is asked: it is told so.
	sys.calls = nil
	sys.before = func() {
		u, err := o.store.User(t.Context(), "bare")
		if err != nil {
			t.Error(err)
		}
		u.Ties = append(u.Ties, store.Tie{Kind: store.CustomerTie, PartnerID: "partner", Number: "100"})
		if err := o.store.UpdateUser(t.Context(), u); err != nil {
			t.Error(err)
		}
		sys.before = nil
	}
	other := `{"externalId":"2","credentialType":"D","customerNumber":100}`
	o.refused(extidCustomer, clientToken, other, 409, "Conflict")
	if !slices.Equal(sys.calls, []string{"tie 100 partner site", "untie 100"}) {
		t.Errorf("the system was called %q", sys.calls)
	}
	// What is known beforehand is not asked.
	sys.calls = nil
	o.refused(extidCustomer, clientToken, `{"externalId":"3","credentialType":"D","customerNumber":99}`, 409, "Conflict")
	o.refused(extidCustomer, clientToken, `{"externalId":"1","credentialType":"D","customerNumber":98}`, 409, "Conflict")
	if err := o.accounts.Block(t.Context(), o.identity(extid, clientToken, `{"externalId":"3","credentialType":"D"}`).UniqueID); err != nil {
		t.Fatal(err)
	}
	o.refused(extidCustomer, clientToken, `{"externalId":"3","credentialType":"D","customerNumber":98}`, 409, "Conflict")
	if len(sys.calls) != 0 {
		t.Errorf("the system was called %q", sys.calls)
	}
	// One that can not be told is an outage.
	sys.before = func() {
		if _, err := o.store.User(t.Context(), "bare"); err != nil {
			t.Error(err)
		}
		u, err := o.store.UserByTie(t.Context(), store.ExternalTie("D"), "partner", "2")
		if err == nil {
			err = o.accounts.Block(t.Context(), u.ID)
		}
		if err != nil {
			t.Error(err)
		}
		sys.before = nil
	}
	sys.untie = errors.New("down")
	o.refused(extidCustomer, clientToken, `{"externalId":"2","credentialType":"D","customerNumber":101}`, 503, "ServiceUnavailable")
}

// A store that fails is 503 without details, and the same call does it later.
func TestExternalIdentityOutage(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"UserByTie", "CreateUser", "PutTicket", "UpdateUser"} {
		for _, after := range []bool{false, true} {
			o := newOutside(t, nil)
			const body = `{"externalId":"1","credentialType":"D","customerNumber":815}`
			o.store.Inject(storetest.Fault{Method: method, Nth: 1, After: after})
			w := o.post(extidCustomer, clientToken, body)
			if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "injected") || strings.Contains(w.Body.String(), "extidCode") {
				t.Errorf("%s (after: %t): %d %s", method, after, w.Code, w.Body)
			}
			o.store.Heal()
			x := o.identity(extidCustomer, clientToken, body)
			if x.CustomerNumber != 815 || x.ExtidCode == "" {
				t.Errorf("%s (after: %t), repeated: %+v", method, after, x)
			}
			if y := o.identity(extid, clientToken, body); y.UniqueID != x.UniqueID || y.NewUser {
				t.Errorf("%s (after: %t): two users: %+v, %+v", method, after, x, y)
			}
		}
	}
}

// The profile of whom only an external identity leads to leaves out what she has
// not, and names the identities that this publisher knows.
func TestProfileOfAnExternalUser(t *testing.T) {
	t.Parallel()
	o := newOutside(t, nil)
	x := o.identity(extid, clientToken, `{"externalId":"1","credentialType":"D"}`)
	u, err := o.store.User(t.Context(), x.UniqueID)
	if err != nil {
		t.Fatal(err)
	}
	u.Ties = append(u.Ties, store.Tie{Kind: store.ExternalTie("X"), PartnerID: "partner", Number: "<2>"}, store.Tie{Kind: store.ExternalTie("D"), PartnerID: "another", Number: "3"})
	if err := o.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	if err := o.store.CreateGrant(t.Context(), store.Grant{ID: "external", ClientID: "site", UserID: u.ID, ExpiresAt: end},
		store.AccessToken{Hash: store.DigestOf("external"), GrantID: "external", ClientID: "site", UserID: u.ID, ExpiresAt: end}); err != nil {
		t.Fatal(err)
	}
	w := call(o.h, "GET", profile, "external")
	var got map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != 200 || err != nil {
		t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	for name, want := range map[string]string{
		"uniqueId": `"` + u.ID + `"`, "credential": "", "loginCredential": "", "customerNumber": "", "userCredentials": "[]", "name": "{}", "phoneNumbers": "[]", "emails": "[]",
		"externalSources": `[{"source":"D","externalId":"1"},{"source":"X","externalId":"\u003c2\u003e"}]`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
	if w := call(o.h, "GET", profile, "external", "Accept", "application/xml"); !strings.Contains(w.Body.String(),
		"<externalSources><externalSource><source>D</source><externalId>1</externalId></externalSource>") {
		t.Errorf("XML: %s", w.Body)
	}
}

func FuzzExternalIdentity(f *testing.F) {
	f.Add(`{"externalId":"1","credentialType":"D","customerNumber":815}`)
	f.Add(`{"externalId":"\ud800","credentialType":"D"}`)
	f.Add("{\"externalId\":\"\xff\"")
	s := memstore.New()
	fill(f, s)
	a := accounts(f, s)
	h := newHandler(f, s, func(c *api.Config) { c.Accounts, c.CallsPerMinute, c.CallsPerSecond = a, 1<<40, 1<<30 })
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{extid, extidCustomer} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+clientToken)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			switch w.Code {
			case 200, 400, 404, 409, 413:
			default:
				t.Errorf("%q: %d %s", body, w.Code, w.Body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%q: %s is no JSON", body, w.Body)
			}
		}
	})
}
