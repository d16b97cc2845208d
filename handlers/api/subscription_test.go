package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// systems are those of publishers, with records in s.
func systems(t testing.TB, s store.Store, customers map[string]publisher.Customers) *publisher.Systems {
	t.Helper()
	all, err := publisher.New(publisher.Config{Store: s, Customers: customers})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const subscription = "/capi/v1/subscription"

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	at := time.UnixMilli(1_700_000_000_000)
	for _, sub := range []store.Subscription{
		{ID: "1", PartnerID: "partner", CustomerNumber: 4711, Product: "PAPER", Name: "Paper & digital", StartsAt: at, Paid: true, Price: 29950, Currency: "NOK", Sharable: true, ShareType: store.ShareUsers, DistributionLevel: "PAPER"},
		{ID: "2", PartnerID: "partner", CustomerNumber: 4711, Product: "OLD", StartsAt: at.Add(-time.Hour), EndsAt: at.Add(-time.Minute), Stopped: true},
		{ID: "3", PartnerID: "another", CustomerNumber: 13, Product: "ANOTHER", StartsAt: at},
		{ID: "4", PartnerID: "partner", CustomerNumber: 13, Product: "NOBODYS", StartsAt: at},
	} {
		if err := s.PutSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	h := newHandler(t, s)
	const want = `{"subscriptions":[` +
		`{"product":"PAPER","name":"Paper \u0026 digital","stopped":false,"startTime":1700000000000,"paid":true,"priceDetails":[{"price":299.5,"currency":"NOK"}],"sharable":true,"shareType":"USERS","distributionLevel":"PAPER"},` +
		`{"product":"OLD","stopped":true,"startTime":1699996400000,"endTime":1699999940000,"paid":false,"priceDetails":[],"sharable":false}]}`
	if w := call(h, "GET", subscription, userToken); w.Code != 200 || w.Body.String() != want {
		t.Errorf("of a customer: %d\n%s\nwant\n%s", w.Code, w.Body, want)
	}
	if w := call(h, "GET", subscription, bareToken); w.Code != 200 || w.Body.String() != `{"subscriptions":[]}` {
		t.Errorf("of a user without a customer: %d %s; want an empty list", w.Code, w.Body)
	}
	if err := s.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 4711, LastName: "Nordmann"}); err != nil {
		t.Fatal(err)
	}
	if w := call(h, "GET", "/capi/v1/client/subscription/4711", clientToken); w.Code != 200 || w.Body.String() != want {
		t.Errorf("in client mode: %d %s; want the same", w.Code, w.Body)
	}
	for path, status := range map[string]int{"13": 404, "99": 404, "0": 400, "x": 400, "-1": 400, "4711/x": 404} {
		checkError(t, call(h, "GET", "/capi/v1/client/subscription/"+path, clientToken), status)
	}
	checkError(t, call(h, "GET", "/capi/v1/client/subscription/4711", userToken), 403)
	if w := call(h, "GET", subscription, clientToken); w.Code != 403 {
		t.Errorf("with a client's token: %d; want 403", w.Code)
	}
	legacy := newHandler(t, s, func(c *api.Config) { c.LegacyXML = true })
	if w := call(legacy, "GET", subscription, userToken); !strings.Contains(w.Body.String(), "<subscriptions><subscription><product>PAPER</product>") {
		t.Errorf("as XML: %s", w.Body)
	}
}

// downCustomers is a customer system that does not answer.
type downCustomers struct{ publisher.Customers }

func (downCustomers) Subscriptions(context.Context, string, int64) ([]store.Subscription, error) {
	return nil, errors.New("secret detail")
}

func TestSubscriptionsOutage(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	h := newHandler(t, s, func(c *api.Config) {
		c.Publishers = systems(t, s, map[string]publisher.Customers{"partner": downCustomers{}})
	})
	if w := call(h, "GET", subscription, userToken); w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("a system that is down: %d %s; want 503 without details", w.Code, w.Body)
	}
}
