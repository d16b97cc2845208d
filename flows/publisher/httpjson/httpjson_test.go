package httpjson_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/flows/publisher/httpjson"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const token = "token-of-the-kit"

var secret = []byte("0123456789abcdef0123456789abcdef")

func newClient(t *testing.T, h http.Handler, change ...func(*httpjson.Config)) *httpjson.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c := httpjson.Config{URL: server.URL + "/connectid", Token: token, InsecureAllowHTTP: true, Timeout: 2 * time.Second}
	for _, f := range change {
		f(&c)
	}
	client, err := httpjson.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// system is a publisher's own, on the records of a memory store: what an author
// of such a server would write.
func system(t *testing.T, check func(*http.Request, []byte) bool) http.Handler {
	s := memstore.New()
	for _, err := range []error{
		s.PutCustomer(t.Context(), store.Customer{PartnerID: "p", Number: 17, FirstName: "Kari", LastName: "Nordmann", PostalCode: "0150", Contacts: []store.Contact{{Kind: store.Email, Identity: "kari@example.com"}}}),
		s.PutSubscription(t.Context(), store.Subscription{ID: "1", PartnerID: "p", CustomerNumber: 17, Product: "PAPER", Name: "Paper", StartsAt: time.UnixMilli(1000), Price: 5, Currency: "NOK", Paid: true}),
		s.PutCoupon(t.Context(), store.Coupon{PartnerID: "p", Code: "free", Number: 1, Product: "TRY", Description: "Try it", Terms: "0 kr", Offered: true}),
		s.PutProduct(t.Context(), store.Product{PartnerID: "p", Code: "TRY"}),
		s.PutMembership(t.Context(), store.Membership{PartnerID: "p", Number: "NA17", LastName: "Nordmann"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	customers := publisher.NewStoreCustomers(s)
	members := publisher.NewStoreMemberships(s)
	ties := map[string]string{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var in struct {
			PartnerID, ClientID, Number, LastName, PostalCode, CredentialType, Credential, UserID, Key, OfferID, Payment, FirstName string
		}
		if r.Method != http.MethodPost || r.URL.RawQuery != "" || json.Unmarshal(body, &in) != nil || !check(r, body) {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		room, call, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/connectid/"), "/")
		var people publisher.People = customers
		if room == "memberships" {
			people = members
		}
		var out any = map[string]any{}
		var err error
		switch call {
		case "search":
			var p publisher.Person
			p, err = people.Search(r.Context(), publisher.Search{PartnerID: in.PartnerID, Number: in.Number, LastName: in.LastName, PostalCode: in.PostalCode})
			out = map[string]any{"person": p}
		case "by-credential":
			var all []publisher.Person
			all, err = people.ByCredential(r.Context(), publisher.CredentialSearch{PartnerID: in.PartnerID, Contact: store.Contact{Kind: store.CredentialKind(in.CredentialType), Identity: in.Credential}})
			out = map[string]any{"persons": all}
		case "tie":
			if owner := ties[room+in.Number]; owner != "" && owner != in.UserID {
				err = publisher.ErrTied
			} else {
				ties[room+in.Number] = in.UserID
			}
		case "untie":
			if ties[room+in.Number] == in.UserID {
				delete(ties, room+in.Number)
			}
			w.WriteHeader(http.StatusNoContent)
			return
		case "offers":
			var all []publisher.Offer
			all, err = customers.Offers(r.Context(), in.PartnerID, in.ClientID)
			out = map[string]any{"offers": all}
		case "create":
			var p publisher.Person
			p, err = customers.Create(r.Context(), publisher.NewSubscriber{Key: in.Key, PartnerID: in.PartnerID, OfferID: in.OfferID, Payment: in.Payment, FirstName: in.FirstName, LastName: in.LastName})
			out = map[string]any{"person": p}
		case "subscriptions":
			out = map[string]any{"subscriptions": []map[string]any{{"id": "1", "product": "PAPER", "name": "Paper", "startTime": 1000, "paid": true, "price": 5, "currency": "NOK"}}}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		switch {
		case errors.Is(err, publisher.ErrNotFound):
			w.WriteHeader(http.StatusNotFound)
		case errors.Is(err, publisher.ErrTied):
			w.WriteHeader(http.StatusConflict)
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

func TestEveryCall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config func(*httpjson.Config)
		check  func(*http.Request, []byte) bool
	}{
		"bearer": {func(*httpjson.Config) {}, func(r *http.Request, _ []byte) bool {
			return r.Header.Get("Authorization") == "Bearer "+token && r.Header.Get("X-Connectid-Signature") == ""
		}},
		"signed": {func(c *httpjson.Config) { c.Token, c.Secret = "", secret }, func(r *http.Request, body []byte) bool {
			return r.Header.Get("Authorization") == "" && httpjson.Verify(r, body, secret, time.Minute) == nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := newClient(t, system(t, tt.check), tt.config)
			kari, err := c.Search(ctx, publisher.Search{PartnerID: "p", ClientID: "c", Number: "0 17", LastName: "Nordmann"})
			if err != nil || kari.Number != "17" || kari.Name != "Kari Nordmann" || kari.Detail != "Paper" {
				t.Errorf("Search = %+v, %v", kari, err)
			}
			if _, err := c.Search(ctx, publisher.Search{PartnerID: "p", Number: "17", LastName: "Hansen"}); !errors.Is(err, publisher.ErrNotFound) {
				t.Errorf("Search with a wrong name = %v", err)
			}
			at := publisher.CredentialSearch{PartnerID: "p", Contact: publisher.Contact{Kind: "A", Identity: "kari@example.com"}}
			if all, err := c.ByCredential(ctx, at); err != nil || len(all) != 1 || all[0] != kari {
				t.Errorf("ByCredential = %v, %v", all, err)
			}
			tie := publisher.Tie{PartnerID: "p", Number: "17", UserID: "kari"}
			other := publisher.Tie{PartnerID: "p", Number: "17", UserID: "ola"}
			for i, step := range []struct {
				err, want error
			}{{c.Tie(ctx, tie), nil}, {c.Tie(ctx, tie), nil}, {c.Tie(ctx, other), publisher.ErrTied}, {c.Untie(ctx, other), nil}, {c.Tie(ctx, other), publisher.ErrTied}, {c.Untie(ctx, tie), nil}, {c.Tie(ctx, other), nil}} {
				if !errors.Is(step.err, step.want) {
					t.Errorf("step %d of tying: %v, want %v", i, step.err, step.want)
				}
			}
			if all, err := c.Offers(ctx, "p", "c"); err != nil || len(all) != 1 || all[0].Terms != "0 kr" {
				t.Errorf("Offers = %v, %v", all, err)
			}
			made, err := c.Create(ctx, publisher.NewSubscriber{Key: "k", PartnerID: "p", OfferID: "free-1", Payment: "free", LastName: "Berg", Contacts: []publisher.Contact{{Kind: "A", Identity: "x@y.no"}}})
			if err != nil || made.Number != fmt.Sprint(store.FirstCustomer) {
				t.Errorf("Create = %+v, %v", made, err)
			}
			if _, err := c.Create(ctx, publisher.NewSubscriber{Key: "k2", PartnerID: "p", OfferID: "x"}); !errors.Is(err, publisher.ErrNotFound) {
				t.Errorf("Create of an unknown offer = %v", err)
			}
			subs, err := c.Subscriptions(ctx, "p", 17)
			want := publisher.Subscription{ID: "1", PartnerID: "p", CustomerNumber: 17, Product: "PAPER", Name: "Paper", StartsAt: time.UnixMilli(1000).UTC(), Paid: true, Price: 5, Currency: "NOK"}
			if err != nil || len(subs) != 1 || subs[0] != want {
				t.Errorf("Subscriptions = %+v, %v", subs, err)
			}
			member, err := c.Memberships().Search(ctx, publisher.Search{PartnerID: "p", Number: "na-17", LastName: "nordmann"})
			if err != nil || member.Number != "NA17" {
				t.Errorf("membership %+v, %v", member, err)
			}
		})
	}
}

// Whatever the server does wrong is an outage: never a person, never "not found",
// and soon over.
func TestMisbehavingServers(t *testing.T) {
	t.Parallel()
	answer := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, body)
		}
	}
	const js = "application/json"
	good := `{"person":{"number":"17","name":"Kari"}}`
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Connectid-Signature") != "" {
			t.Error("the credentials were sent to another place")
		}
		answer(js, good)(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	for name, h := range map[string]http.HandlerFunc{
		"a page":            answer("text/html", good),
		"no type":           answer("", good),
		"no JSON":           answer(js, "<html>"),
		"half a JSON":       answer(js, good[:20]),
		"two values":        answer(js, good+good),
		"another JSON":      answer(js, `[]`),
		"null":              answer(js, `null`),
		"nothing":           answer(js, ``),
		"no person":         answer(js, `{}`),
		"no number":         answer(js, `{"person":{"name":"Kari"}}`),
		"number as number":  answer(js, `{"person":{"number":17}}`),
		"another number":    answer(js, `{"person":{"number":"18","name":"Kari"}}`),
		"number with zeros": answer(js, `{"person":{"number":"017"}}`),
		"no whole number":   answer(js, `{"person":{"number":"x17"}}`),
		"line break":        answer(js, `{"person":{"number":"17","name":"Kari\r\nBcc: x"}}`),
		"long name":         answer(js, `{"person":{"number":"17","name":"`+strings.Repeat("x", 300)+`"}}`),
		"not UTF-8":         answer(js, "{\"person\":{\"number\":\"17\",\"name\":\"\xff\"}}"),
		"huge":              answer(js, `{"person":{"number":"17","name":"`+strings.Repeat(" ", 2<<20)+`"}}`),
		"bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", js)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 64 {
				_, _ = z.Write(make([]byte, 1<<20))
			}
			_ = z.Close()
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", js)
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"frozen": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"dripping": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", js)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		},
		"hanging up":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"500":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"401":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"429":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) },
		"204":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"unknown address": http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"redirect to GET": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusSeeOther) },
		"short Content-Length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", js)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, good)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, h, func(c *httpjson.Config) { c.Timeout = 500 * time.Millisecond })
			begun := time.Now()
			p, err := c.Search(t.Context(), publisher.Search{PartnerID: "p", Number: "17", LastName: "Nordmann"})
			if err == nil || errors.Is(err, publisher.ErrNotFound) || errors.Is(err, publisher.ErrTied) || p != (publisher.Person{}) {
				t.Errorf("Search = %+v, %v; want an outage", p, err)
			}
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			if err != nil && (strings.Contains(err.Error(), "Nordmann") || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "Kari")) {
				t.Errorf("the error quotes what was asked or answered: %v", err)
			}
		})
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	body := ""
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	for body = range map[string]bool{
		`{"persons":[{"number":""}]}`: true, `{"persons":[{"number":"1"},{"number":"a"}]}`: true, `{"persons":{}}`: true,
		`{"persons":[` + strings.Repeat(`{"number":"1"},`, 60) + `{"number":"1"}]}`: true,
	} {
		if all, err := c.ByCredential(t.Context(), publisher.CredentialSearch{}); err == nil {
			t.Errorf("ByCredential takes %.60s: %v", body, all)
		}
	}
	for body = range map[string]bool{`{"offers":[{"id":"","name":"A"}]}`: true, `{"offers":[{"id":"a","name":"A","price":-1}]}`: true, `{"offers":[{"id":"a","name":"A\n"}]}`: true} {
		if all, err := c.Offers(t.Context(), "p", "c"); err == nil {
			t.Errorf("Offers takes %s: %v", body, all)
		}
	}
	for _, one := range []string{
		`{"product":"A\n"}`, `{"product":"A","name":"\u0000"}`, `{"product":"A","distributionLevel":"` + strings.Repeat("x", 2000) + `"}`,
		`{"product":""}`, `{"product":"A","price":-1,"currency":"NOK"}`, `{"product":"A","price":1,"currency":"kroner"}`,
		`{"product":"A","shareType":"ALL"}`, `{"product":"A","endTime":9007199254740993000}`, `{"product":"A","startTime":-99999999999999}`,
	} {
		body = `{"subscriptions":[{"product":"B","price":100,"currency":"NOK","shareType":"USERS"},` + one + `]}`
		if all, err := c.Subscriptions(t.Context(), "p", 1); err == nil {
			t.Errorf("Subscriptions takes %.60s: %v", one, all)
		}
	}
}

func TestContextEndsACall(t *testing.T) {
	t.Parallel()
	c := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Tie(ctx, publisher.Tie{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Tie = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	body := []byte(`{"number":"17"}`)
	signed := func(at time.Time) *http.Request {
		r := httptest.NewRequest("POST", "https://crm.example/connectid/customers/search", nil)
		httpjson.Sign(r, body, secret, at)
		return r
	}
	now := time.Now()
	for name, tt := range map[string]struct {
		r      *http.Request
		body   []byte
		secret []byte
		want   error
	}{
		"good":            {signed(now), body, secret, nil},
		"a little early":  {signed(now.Add(20 * time.Second)), body, secret, nil},
		"old":             {signed(now.Add(-2 * time.Minute)), body, secret, httpjson.ErrSignature},
		"from the future": {signed(now.Add(2 * time.Minute)), body, secret, httpjson.ErrSignature},
		"another body":    {signed(now), []byte(`{"number":"18"}`), secret, httpjson.ErrSignature},
		"another secret":  {signed(now), body, []byte("another secret of 32 bytes......"), httpjson.ErrSignature},
		"unsigned":        {httptest.NewRequest("POST", "/", nil), body, secret, httpjson.ErrSignature},
	} {
		if err := httpjson.Verify(tt.r, tt.body, tt.secret, time.Minute); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	moved := signed(now)
	moved.URL.Path = "/connectid/customers/tie"
	if httpjson.Verify(moved, body, secret, time.Minute) == nil {
		t.Error("a signature holds for another address")
	}
	later := signed(now)
	later.Header.Set("X-Connectid-Timestamp", fmt.Sprint(now.Unix()+5))
	if httpjson.Verify(later, body, secret, time.Minute) == nil {
		t.Error("a signature holds for another time")
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		c    httpjson.Config
		want []string
	}{
		"nothing":          {httpjson.Config{}, []string{"bad URL", "either Token or Secret"}},
		"both":             {httpjson.Config{URL: "https://crm.example/", Token: "a", Secret: secret}, []string{"either Token or Secret"}},
		"short secret":     {httpjson.Config{URL: "https://crm.example/", Secret: []byte("short")}, []string{"bad Secret"}},
		"header in token":  {httpjson.Config{URL: "https://crm.example/", Token: "a\r\nb"}, []string{"bad Token"}},
		"http":             {httpjson.Config{URL: "http://crm.example/", Token: "a", InsecureAllowHTTP: true}, []string{"bad URL"}},
		"http on loopback": {httpjson.Config{URL: "http://127.0.0.1/", Token: "a"}, []string{"bad URL"}},
		"password in URL":  {httpjson.Config{URL: "https://a:b@crm.example/", Token: "a"}, []string{"bad URL"}},
		"query":            {httpjson.Config{URL: "https://crm.example/?a=b", Token: "a"}, []string{"bad URL"}},
		"ftp":              {httpjson.Config{URL: "ftp://crm.example/", Token: "a"}, []string{"bad URL"}},
		"negative":         {httpjson.Config{URL: "https://crm.example/", Token: "a", Timeout: -1}, []string{"negative"}},
	} {
		_, err := httpjson.New(tt.c)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want it to say %q", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "short\"") {
			t.Errorf("%s: the error quotes the secret", name)
		}
	}
}
