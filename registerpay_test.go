package connectid_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// withShop sells by card and by Vipps, beside what is free.
func withShop(b *bank) func(*connectid.Config) {
	return func(c *connectid.Config) {
		withBank(b)(c)
		ctx := context.Background()
		for _, p := range []string{"TRY", "WEB"} {
			if err := c.Store.PutProduct(ctx, store.Product{PartnerID: "partner", Code: p, Description: "Web", Currency: "NOK", VATPercent: 2500, VATIncluded: true}); err != nil {
				panic(err)
			}
		}
		for _, o := range []store.Coupon{
			{Code: "free", Product: "TRY", Description: "Four weeks free", Terms: "0 kr", Offered: true},
			{Code: "web", Product: "WEB", Description: "Web", Price: 9900, Currency: "NOK", Offered: true, Period: store.Period{Length: 1, Unit: store.Months},
				Renewal: store.Renewal{Price: 29900, Period: store.Period{Length: 1, Unit: store.Months}}},
			{Code: "year", Product: "WEB", Description: "A year", Price: 123450, Currency: "NOK", Offered: true, Period: store.Period{Length: 1, Unit: store.Years}},
		} {
			o.PartnerID, o.Number = "partner", 1
			if err := c.Store.PutCoupon(ctx, o); err != nil {
				panic(err)
			}
		}
	}
}

// toOrder opens the form of a new subscription.
func (s *site) toOrder(b *browser) *browser {
	s.t.Helper()
	return b.open("register").wantState("searchSubscriberState").submit("prepareCreateSubscriberEvent").wantState("newSubscriberState")
}

var herOrder = []string{"offer", "year-1 creditcardPayex", "firstName", "Kari", "lastName", "Nordmann", "postalCode", "0150", "acceptTerms", "true"}

func with(pairs []string, more ...string) []string { return append(slices.Clone(pairs), more...) }

func TestRegisterPays(t *testing.T) {
	bank := newBank()
	var mu sync.Mutex
	var events []string
	s := newSite(t, withShop(bank), func(c *connectid.Config) {
		c.OnEvent = func(_ context.Context, h flows.Happening) {
			mu.Lock()
			defer mu.Unlock()
			if h.Flow == "register" {
				events = append(events, string(h.Event))
			}
		}
	})
	s.user(kari, password)
	b := s.toOrder(s.login(kari, password, false))
	// Only methods that suit: what goes on is not paid with one payment of Vipps.
	for _, want := range []string{"NOK\u00a099.00 for 1 month, then NOK\u00a0299.00 a month · by card", "NOK\u00a01,234.50 for 1 year · by card", "NOK\u00a01,234.50 for 1 year · with Vipps", "Four weeks free"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("%q is not offered", want)
		}
	}
	if strings.Contains(b.body, "web-1 vipps") {
		t.Error("a subscription that goes on is offered for one payment of Vipps")
	}
	b.submit("createSubscriberEvent", with(herOrder, "postalCode", "")...).wantState("newSubscriberState")
	b.submit("createSubscriberEvent", with(herOrder, "offer", "year-1 invoice")...).wantState("newSubscriberState")
	b.submit("createSubscriberEvent", with(herOrder, "offer", "year-1 creditcardPayex")...)
	p := bank.payments[strings.TrimPrefix(b.url.Path, "/pay/")]
	if p == nil || p.Start.Amount != 123450 || p.Start.Currency != "NOK" || p.Recurring {
		t.Fatalf("at %s, the payment is %+v", b.url, p)
	}
	b.get(bank.says(t, b.url, order.Authorized)).wantState("orderReceiptState")
	for _, want := range []string{"A year", "NOK\u00a01,234.50", "NOK\u00a0246.90", "Order number"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the receipt lacks %q: %s", want, b.body)
		}
	}
	if number := s.number(kari); number == 0 {
		t.Error("she is not tied to what she has bought")
	}
	b.submit("continueEvent").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in")
	}
	b.open("register").wantAt(returnURL)
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
	all := strings.Join(events, " ")
	for _, want := range []string{"prepareCreateSubscriberEvent", "paymentInitEvent", "paymentAcceptedEvent", "createSubscriberEvent"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s among %s", want, all)
		}
	}
}

// Cancel and decline lead back to the form: what she typed is there, and trying again
// works, by another way to pay too.
func TestRegisterPaysAgain(t *testing.T) {
	bank := newBank()
	s := newSite(t, withShop(bank))
	s.user(kari, password)
	b := s.toOrder(s.login(kari, password, false))
	for i, tt := range []struct {
		state order.State
		say   string
	}{{order.Cancelled, "was cancelled"}, {order.Failed, "did not go through"}, {order.Cancelled, "was cancelled"}} {
		pairs := herOrder
		if i == 2 {
			pairs = with(herOrder, "offer", "year-1 vippsEcommerce")
		}
		b.submit("createSubscriberEvent", pairs...)
		b.get(bank.says(t, b.url, tt.state)).wantState("newSubscriberState")
		if !strings.Contains(b.body, tt.say) || !strings.Contains(b.body, `value="Nordmann"`) || !strings.Contains(b.body, `value="0150"`) {
			t.Errorf("%s: %s", tt.state, b.body)
		}
	}
	b.submit("createSubscriberEvent", herOrder...)
	b.get(bank.says(t, b.url, order.Authorized)).wantState("orderReceiptState")
	if starts, captures := bank.counted(); starts != 4 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// The same asked for in two tabs, and sent twice, is one order and one payment.
func TestRegisterPaysOnce(t *testing.T) {
	bank := newBank()
	s := newSite(t, withShop(bank))
	s.user(kari, password)
	in := s.login(kari, password, false)
	tabs := make([]*browser, 6)
	for i := range tabs {
		x := *in
		tabs[i] = s.toOrder(&x)
	}
	var wg sync.WaitGroup
	for _, b := range tabs {
		wg.Go(func() { b.submit("createSubscriberEvent", herOrder...) })
	}
	wg.Wait()
	for _, b := range tabs {
		if b.url.String() != tabs[0].url.String() {
			t.Errorf("tabs lead to %s and %s", b.url, tabs[0].url)
		}
	}
	back := bank.says(t, tabs[0].url, order.Authorized)
	tabs[0].get(back).wantState("orderReceiptState")
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// She never comes back, or elsewhere: what she has paid for is found.
func TestRegisterPaidElsewhere(t *testing.T) {
	bank := newBank()
	s := newSite(t, withShop(bank))
	s.user(kari, password)
	b := s.toOrder(s.login(kari, password, false))
	b.submit("createSubscriberEvent", herOrder...)
	back := bank.says(t, b.url, order.Authorized)
	other := s.browser()
	other.get(back).wantState("startLoginState")
	other.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("orderReceiptState")
	other.submit("continueEvent").wantAt(returnURL)
	if s.number(kari) == 0 {
		t.Error("she is not tied")
	}
	b.get(back).wantState("orderReceiptState").submit("continueEvent").wantAt(returnURL)
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// slowDesk takes orders when the test says so.
type slowDesk struct{ up atomic.Bool }

func (d *slowDesk) Take(context.Context, order.HandOver) (order.Receipt, error) {
	if !d.up.Load() {
		return order.Receipt{}, errors.New("the publisher's system does not answer")
	}
	return order.Receipt{CustomerNumber: 4711}, nil
}

// The publisher's system is slow: the page says that it will come, and it does.
func TestRegisterHandedOverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank, desk := newBank(), new(slowDesk)
		s := newSite(t, withShop(bank), func(c *connectid.Config) { c.Desks = map[string]order.Desk{"partner": desk} })
		s.user(kari, password)
		if err := s.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 4711}); err != nil {
			t.Fatal(err)
		}
		b := s.toOrder(s.login(kari, password, false))
		b.submit("createSubscriberEvent", herOrder...)
		b.get(bank.says(t, b.url, order.Authorized)).wantState("orderReceiptState")
		if !strings.Contains(b.body, "as soon as it is registered") {
			t.Errorf("the page does not say that it will come: %s", b.body)
		}
		b.submit("continueEvent").wantAt(returnURL)
		desk.up.Store(true)
		time.Sleep(5 * time.Minute)
		if _, err := s.kit.Orders().Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.open("register")
		if b.state() == "orderReceiptState" {
			b.submit("continueEvent")
		}
		b.wantAt(returnURL)
		if got := s.number(kari); got != 4711 {
			t.Errorf("tied to %d", got)
		}
	})
}

// The provider is down: the form stands as it was, and nothing is ordered twice.
func TestRegisterProviderDown(t *testing.T) {
	bank := newBank()
	s := newSite(t, withShop(bank))
	s.user(kari, password)
	b := s.toOrder(s.login(kari, password, false))
	bank.setDown(true)
	b.submit("createSubscriberEvent", herOrder...).wantState("newSubscriberState")
	if !strings.Contains(b.body, `value="Nordmann"`) || !strings.Contains(b.body, `role="alert"`) {
		t.Errorf("the form does not stand as it was: %s", b.body)
	}
	b.submit("createSubscriberEvent", herOrder...).wantState("newSubscriberState")
	bank.setDown(false)
	b.submit("createSubscriberEvent", herOrder...)
	b.get(bank.says(t, b.url, order.Authorized)).wantState("orderReceiptState")
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// A remembered reader proves who she is before she pays.
func TestRegisterRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank := newBank()
		s := newSite(t, withShop(bank))
		s.user(kari, password)
		b := s.login(kari, password, true)
		time.Sleep(time.Hour)
		s.toOrder(b).submit("createSubscriberEvent", herOrder...).wantState("confirmUserState")
		b.submit("verifyCredentialsEvent", "password", password)
		b.get(bank.says(t, b.url, order.Authorized)).wantState("orderReceiptState")
		b.submit("continueEvent").wantAt(returnURL)
	})
}

// Nobody knows yet whether it is paid: she waits, and may go on without.
func TestRegisterWaits(t *testing.T) {
	bank := newBank()
	s := newSite(t, withShop(bank))
	s.user(kari, password)
	b := s.toOrder(s.login(kari, password, false))
	b.submit("createSubscriberEvent", herOrder...)
	at := *b.url
	b.get(bank.says(t, &at, order.Open)).wantState("paymentWaitState").refresh().wantState("paymentWaitState")
	bank.says(t, &at, order.Authorized)
	b.refresh().wantState("orderReceiptState")

	s.user(ola, password)
	b = s.toOrder(s.login(ola, password, false))
	b.submit("createSubscriberEvent", herOrder...)
	at = *b.url
	b.get(bank.says(t, &at, order.Open)).wantState("paymentWaitState").submit("navigateAwayEvent").wantState("orderReceiptState")
	if !strings.Contains(b.body, "not confirmed yet") {
		t.Errorf("the receipt says that it is paid: %s", b.body)
	}
	b.submit("continueEvent").wantAt(returnURL)
}

// A reader may place orders under any name, for whomever: they make her nobody else.
func TestRegisterTakesNoOtherCustomer(t *testing.T) {
	s := newSite(t, withShop(newBank()))
	u := s.user(kari, password)
	if err := s.store.PutCustomer(t.Context(), store.Customer{PartnerID: "partner", Number: 4711}); err != nil {
		t.Fatal(err)
	}
	s.order(7, u.ID, func(o *store.Order, c *order.Content) {
		o.ExternalID, o.Status, o.CustomerNumber = "register-x", store.OrderHandedOver, 4711
		c.Payer = order.Person{LastName: "Nordmann", PostalCode: "0150", Emails: []string{"victim@example.com"}}
	})
	b := s.login(kari, password, false).open("register")
	if b.state() == "orderReceiptState" {
		b.submit("continueEvent")
	}
	if got := s.number(kari); got != 0 {
		t.Errorf("tied to %d, which the publisher has found by another's address", got)
	}
}
