package connectid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// bank is a payment provider that does what the test says, and counts.
type bank struct {
	mu       sync.Mutex
	payments map[string]*bankPayment
	keys     map[string]string // of Start, to the payment's ID
	starts   int               // payments that began
	captures int               // times that money was taken
	down     bool
}

type bankPayment struct {
	order.Start
	order.Standing
}

func newBank() *bank { return &bank{payments: map[string]*bankPayment{}, keys: map[string]string{}} }

var errBankDown = errors.New("the bank does not answer")

func (b *bank) Start(_ context.Context, s order.Start) (order.Started, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return order.Started{}, errBankDown
	}
	if _, again := b.keys[s.Key]; !again {
		b.starts++
		b.keys[s.Key] = s.ID
		b.payments[s.ID] = &bankPayment{s, order.Standing{State: order.Open, Currency: s.Currency}}
	}
	return order.Started{Ref: s.ID, RedirectURL: "https://bank.example/pay/" + s.ID}, nil
}

func (b *bank) Standing(_ context.Context, r order.Ref) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch p, ok := b.payments[r.ID]; {
	case b.down:
		return order.Standing{}, errBankDown
	case ok:
		return p.Standing, nil
	}
	return order.Standing{}, order.ErrUnknown
}

func (b *bank) become(id string, from, to order.State) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.payments[id]
	switch {
	case b.down:
		return order.Standing{}, errBankDown
	case p.State == to:
		return p.Standing, nil
	case p.State != from:
		return order.Standing{}, order.ErrRefused
	}
	if to == order.Captured {
		b.captures++
	}
	p.State = to
	return p.Standing, nil
}

func (b *bank) Capture(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return b.become(r.ID, order.Authorized, order.Captured)
}

func (b *bank) Cancel(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	if s, err := b.become(r.ID, order.Open, order.Released); err == nil {
		return s, nil
	}
	return b.become(r.ID, order.Authorized, order.Released)
}

func (b *bank) Refund(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return b.become(r.ID, order.Captured, order.Refunded)
}

func (b *bank) Callback(_ context.Context, c order.Callback) (string, error) { return c.PaymentID, nil }

// says has the payment that the browser was sent to become what the payer makes of it.
func (b *bank) says(t testing.TB, at *url.URL, s order.State) (back string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.payments[strings.TrimPrefix(at.Path, "/pay/")]
	if at.Host != "bank.example" || p == nil {
		t.Fatalf("the browser is not at the bank but at %s", at)
	}
	if p.State = s; s == order.Authorized {
		p.Standing.Amount = p.Start.Amount
	}
	return p.ReturnURL
}

func (b *bank) setDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

func (b *bank) counted() (starts, captures int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.starts, b.captures
}

// withBank gives the papers' partner a merchant.
func withBank(b *bank) func(*connectid.Config) {
	return func(c *connectid.Config) {
		c.Merchants = append(c.Merchants, order.Merchant{
			ID: "shop", PartnerID: "partner", Default: true,
			Providers: map[order.Method]order.Provider{order.CreditCardPayEx: b, order.VippsEcommerce: b},
		})
	}
}

// order puts an order into the store, as a client has placed it.
func (s *site) order(id int64, userID string, change ...func(*store.Order, *order.Content)) {
	s.t.Helper()
	content := order.Content{Method: order.CreditCardPayEx, Lines: []order.Line{{
		SpecType: "coupon", SpecCode: "web", SpecNo: 1, Name: "Digital", Quantity: 1, Price: 29900, VATAmount: 5980, VATPercent: 2500,
	}}}
	o := store.Order{
		ID: id, PartnerID: "partner", ClientID: clientID, UserID: userID, Status: store.OrderPreliminary, Method: string(order.CreditCardPayEx),
		Amount: 29900, Currency: "NOK", CreatedAt: time.Now(), UpdatedAt: time.Now(),
	}
	for _, f := range change {
		f(&o, &content)
	}
	var err error
	if o.Data, err = json.Marshal(content); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.CommitOrders(context.Background(), []store.Order{o}, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) orderIs(id int64) store.Order {
	s.t.Helper()
	o, err := s.store.Order(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// toPay returns the address of a fulfillment URL.
func toPay(pairs ...string) string {
	q := url.Values{"orderId": {"7"}, "returnUrl": {returnURL}}
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return loginURL + "/fulfillment?" + q.Encode()
}

func ended(status string) string { return returnURL + "&fulfillmentStatus=" + status }

// Every fulfillmentStatus of one order (ConnectID: "Return URL parameters").
func TestFulfillment(t *testing.T) {
	for _, tt := range []struct {
		state  order.State
		status string
		want   store.OrderStatus
		taken  int
	}{
		{order.Authorized, "success", store.OrderHandedOver, 1},
		{order.Cancelled, "cancel", store.OrderCancelled, 0},
		{order.Failed, "error", store.OrderFailed, 0},
	} {
		t.Run(tt.status, func(t *testing.T) {
			bank := newBank()
			var events []flows.Event
			s := newSite(t, withBank(bank), func(c *connectid.Config) {
				c.OnEvent = func(_ context.Context, h flows.Happening) {
					if h.Flow == "fulfillment" {
						events = append(events, h.Event)
					}
				}
			})
			u := s.user(kari, password)
			s.order(7, "")
			b := s.browser()
			b.get(toPay()).wantState("startLoginState")
			if starts, _ := bank.counted(); starts != 0 {
				t.Error("a payment began before the login")
			}
			b.submit("verifyCredentialsEvent", "credential", kari, "password", password)
			b.get(bank.says(t, b.url, tt.state)).wantAt(ended(tt.status))
			if o := s.orderIs(7); o.Status != tt.want && !(tt.want == store.OrderHandedOver && o.Status == store.OrderPaid) || o.UserID != u.ID {
				t.Errorf("the order is %s, of %q", o.Status, o.UserID)
			}
			if starts, captures := bank.counted(); starts != 1 || captures != tt.taken {
				t.Errorf("%d payments began, and money was taken %d times", starts, captures)
			}
			if !b.loggedIn() {
				t.Error("she is not logged in")
			}
			all := fmt.Sprint(events)
			word := map[string]flows.Event{"success": flows.PaymentAccepted, "cancel": flows.PaymentCancelled, "error": flows.PaymentFailed}[tt.status]
			if !strings.Contains(all, string(flows.PaymentInit)) || !strings.Contains(all, string(word)) {
				t.Errorf("events %s", all)
			}
		})
	}
}

// What needs no provider goes straight back, and the order becomes hers.
func TestFulfillmentWithoutPayment(t *testing.T) {
	for _, method := range []order.Method{order.Free, order.Invoice, order.CreditCard} {
		s := newSite(t, withBank(newBank()))
		u := s.user(kari, password)
		s.order(7, "", func(o *store.Order, _ *order.Content) { o.Status, o.Method = store.OrderPaid, string(method) })
		s.login(kari, password, false).get(toPay()).wantAt(ended("success"))
		if o := s.orderIs(7); o.UserID != u.ID {
			t.Errorf("%s: the order is %q's", method, o.UserID)
		}
		// Login comes first, for these too.
		s.browser().get(toPay()).wantState("startLoginState")
	}
}

// A value that stands in the returnUrl is replaced, and all else of it kept.
func TestFulfillmentStatusIsTheLastWord(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.order(7, "", func(o *store.Order, _ *order.Content) { o.Status = store.OrderPaid })
	b := s.login(kari, password, false)
	b.get(toPay("returnUrl", "https://paper.example/back?fulfillmentStatus=error&keep&x=%2f&fulfillment%53tatus=cancel#end"))
	b.wantAt("https://paper.example/back?keep&x=%2f&fulfillmentStatus=success#end")
}

// Unknown, somebody else's, another client's, not orders at all: one page says it
// all the same, before and after the login.
func TestFulfillmentRefuses(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank), func(c *connectid.Config) {
		c.Merchants = []order.Merchant{{ID: "other", PartnerID: "partner", Providers: map[order.Method]order.Provider{order.CreditCardPayEx: bank}}}
	}, withBank(bank))
	s.user(kari, password)
	ola := s.user(ola, password)
	s.order(7, "")
	s.order(8, ola.ID)
	s.order(9, "", func(o *store.Order, _ *order.Content) { o.ClientID = otherID })
	s.order(10, "", func(o *store.Order, _ *order.Content) { o.Method = string(order.VippsEcommerce) })
	s.order(11, "", func(o *store.Order, _ *order.Content) { o.MerchantID = "other" })
	s.order(12, "", func(o *store.Order, _ *order.Content) { o.ClientID = "no.such.client" })
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprint(1000+i))
	}
	in := s.login(kari, password, false)
	page := ""
	for _, bad := range []string{
		toPay("orderId", "404"), toPay("orderId", "8"), toPay("orderId", "9", "clientId", clientID), toPay("orderId", "7", "clientId", "x"),
		toPay("orderId", "12"), toPay("orderId", "7,9"), toPay("orderId", "7,10"), toPay("orderId", "7,11"), toPay("orderId", "7,8"),
		toPay("orderId", "0"), toPay("orderId", "-7"), toPay("orderId", "+7"), toPay("orderId", "07"), toPay("orderId", "7.0"),
		toPay("orderId", "9007199254740992"), toPay("orderId", "9223372036854775808"), toPay("orderId", "7,"), toPay("orderId", "x"),
		toPay("orderId", strings.Join(many, ",")), toPay() + "&orderId=404",
	} {
		in.get(bad).wantStatus(http.StatusBadRequest).wantState("errorPage")
		if page == "" {
			page = in.body
		}
		if in.body != page {
			t.Errorf("%s is told apart: %s", bad, in.body)
		}
	}
	for bad, say := range map[string]string{
		toPay("orderId", ""): "orderId", toPay("returnUrl", ""): "returnUrl", toPay("returnUrl", "https://evil.example/"): "returnUrl",
		toPay("returnUrl", "https://other.example/"): "returnUrl", toPay("errorUrl", "https://evil.example/"): "errorUrl",
		toPay() + "&returnUrl=" + url.QueryEscape(returnURL): "returnUrl", toPay("lang", "nb") + "&lang=en": "lang",
	} {
		for _, b := range []*browser{in, s.browser()} {
			if b.get(bad).wantStatus(http.StatusBadRequest); !strings.Contains(b.body, say) || strings.Contains(b.body, "evil.example") {
				t.Errorf("%s: %s", bad, b.body)
			}
		}
	}
	// Somebody else's order is told apart neither before the login nor by it.
	b := s.browser()
	b.get(toPay("orderId", "8")).wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantStatus(http.StatusBadRequest)
	if b.body != page {
		t.Errorf("after the login: %s", b.body)
	}
	if b.url = mustParse(t, host); b.loggedIn() {
		t.Error("a link that leads nowhere logged in")
	}
	if starts, _ := bank.counted(); starts != 0 {
		t.Errorf("%d payments began", starts)
	}
}

// Several orders are one payment.
func TestFulfillmentOfSeveral(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	for id := range int64(3) {
		s.order(7+id, "", func(o *store.Order, _ *order.Content) {
			if id == 1 {
				o.Method = string(order.CreditCard) // the same by its old name
			}
		})
	}
	b := s.login(kari, password, false)
	b.get(toPay("orderId", "7, 8") + "&orderId=9&orderId=7")
	p := bank.payments[strings.TrimPrefix(b.url.Path, "/pay/")]
	if p == nil || p.Start.Amount != 3*29900 || len(p.Lines) != 3 {
		t.Fatalf("at %s, payment %+v", b.url, p)
	}
	b.get(bank.says(t, b.url, order.Authorized)).wantAt(ended("success"))
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
	// One that can not be paid for leaves the list in doubt.
	s.order(20, "", func(o *store.Order, _ *order.Content) { o.Status = store.OrderPaid })
	s.order(21, "", func(o *store.Order, _ *order.Content) { o.Status = store.OrderFailed })
	b.get(toPay("orderId", "20,21")).wantAt(ended("unknown"))
}

// Login comes first and may fail: she leaves without paying.
func TestFulfillmentLeftAtTheLogin(t *testing.T) {
	s := newSite(t, withBank(newBank()))
	s.order(7, "")
	s.browser().get(toPay()).submit("navigateAwayEvent").wantAt(ended("cancel"))
	b := s.browser().get(toPay("errorUrl", errorURL)).submit("navigateAwayEvent")
	if !strings.HasPrefix(b.url.String(), errorURL+"?error=access_denied") {
		t.Errorf("left for %s", b.url)
	}
}

// Twenty GETs at once, from one browser and from two, are one payment; so are back,
// reload and a second return.
func TestFulfillmentPaysOnce(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	in := [2]*browser{s.login(kari, password, false), s.login(kari, password, false)}
	var wg sync.WaitGroup
	places := make([]string, 20)
	for i := range places {
		wg.Go(func() {
			b := *in[i%2]
			places[i] = b.get(toPay()).url.String()
		})
	}
	wg.Wait()
	for _, place := range places {
		if place != places[0] || !strings.HasPrefix(place, "https://bank.example/pay/") {
			t.Fatalf("led to %q", places)
		}
	}
	back := bank.says(t, mustParse(t, places[0]), order.Authorized)
	for i := range places {
		wg.Go(func() {
			b := *in[i%2]
			address := back
			if i >= 10 { // in another tab, from the beginning
				address = toPay()
			}
			places[i] = b.get(address).url.String()
		})
	}
	wg.Wait()
	for _, place := range places {
		if place != ended("success") {
			t.Errorf("ended at %s", place)
		}
	}
	in[0].get(back).wantAt(ended("success"))
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// A payer who did not want to can try again, and pays once.
func TestFulfillmentAfterACancel(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	first := bank.says(t, b.get(toPay()).url, order.Cancelled)
	b.get(first).wantAt(ended("cancel"))
	// Coming back again begins nothing.
	b.get(first).wantAt(ended("cancel"))
	if starts, _ := bank.counted(); starts != 1 {
		t.Fatalf("%d payments", starts)
	}
	second := bank.says(t, b.get(toPay()).url, order.Authorized)
	b.get(second).wantAt(ended("success"))
	b.get(first).wantAt(ended("success"))
	if starts, captures := bank.counted(); starts != 2 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// The payer comes back in another browser, as from an app: it is told how it ended,
// and given nothing.
func TestFulfillmentElsewhere(t *testing.T) {
	for state, status := range map[order.State]string{order.Authorized: "success", order.Cancelled: "cancel", order.Open: "error"} {
		bank := newBank()
		s := newSite(t, withBank(bank))
		s.user(kari, password)
		s.order(7, "")
		b := s.login(kari, password, false)
		back := bank.says(t, b.get(toPay()).url, state)
		elsewhere := s.browser()
		elsewhere.get(back).wantAt(ended(status))
		if elsewhere.loggedIn() {
			t.Errorf("%s: the other browser is logged in", status)
		}
		if _, captures := bank.counted(); captures != map[string]int{"success": 1}[status] {
			t.Errorf("%s: %d captures", status, captures)
		}
	}
	bank := newBank() // of two orders in doubt there is a word for that
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	s.order(8, "")
	back := bank.says(t, s.login(kari, password, false).get(toPay("orderId", "7,8")).url, order.Open)
	s.browser().get(back).wantAt(ended("unknown"))
	s.browser().get(loginURL + "/fulfillment/callback?state=forged.key").wantStatus(http.StatusBadRequest)
	s.browser().get(loginURL + "/fulfillment/callback").wantStatus(http.StatusBadRequest)
	s.browser().get(loginURL + "/fulfillment/nothing").wantStatus(http.StatusNotFound)
}

// The provider's word counts, never the address that the browser comes back to.
func TestFulfillmentForgedReturn(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	back := bank.says(t, b.get(toPay()).url, order.Open)
	b.get(back + "&status=success&fulfillmentStatus=success&paid=true").wantState("paymentWaitState")
	if o := s.orderIs(7); o.Status != store.OrderAwaitingPayment {
		t.Errorf("the order is %s", o.Status)
	}
}

// Nobody knows yet: a page waits and looks again without scripts, goes on when it is
// known, and ends by itself.
func TestFulfillmentWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank := newBank()
		s := newSite(t, withBank(bank))
		s.user(kari, password)
		for i, tt := range []struct {
			name string
			do   func(b *browser, at *url.URL) *browser
			want string
		}{
			{"it is paid", func(b *browser, at *url.URL) *browser {
				bank.says(t, at, order.Authorized)
				return b.refresh()
			}, "success"},
			{"she looks again", func(b *browser, at *url.URL) *browser {
				b.submit("continueEvent").wantState("paymentWaitState")
				if !strings.Contains(b.body, `role="status"`) {
					t.Error("the page does not say that nothing has come")
				}
				bank.says(t, at, order.Failed)
				return b.submit("continueEvent")
			}, "error"},
			{"she goes on paying", func(b *browser, at *url.URL) *browser {
				if b.submit("paymentInitEvent"); b.url.String() != at.String() {
					t.Errorf("led to %s; want %s", b.url, at)
				}
				return b.get(bank.says(t, at, order.Cancelled))
			}, "cancel"},
			{"she leaves", func(b *browser, _ *url.URL) *browser { return b.submit("navigateAwayEvent") }, "error"},
			{"she waits for too long", func(b *browser, _ *url.URL) *browser {
				for range 60 {
					time.Sleep(10 * time.Second)
					if b.refresh(); b.url.Host != "id.example" {
						break
					}
				}
				return b
			}, "error"},
		} {
			id := int64(7_000_000 + i)
			s.order(id, "")
			b := s.login(kari, password, false)
			at := b.get(toPay("orderId", fmt.Sprint(id))).url
			b.get(bank.says(t, at, order.Open)).wantState("paymentWaitState")
			if !strings.Contains(b.body, "NOK\u00a0299.00") || !strings.Contains(b.body, fmt.Sprint(id)) || !strings.Contains(b.body, "NOK\u00a059.80") {
				t.Errorf("%s: the page does not say what it is about: %s", tt.name, b.body)
			}
			b.refresh().wantState("paymentWaitState")
			tt.do(b, at)
			if got := b.url.String(); got != ended(tt.want) {
				t.Errorf("%s: ended at %s (%d)", tt.name, got, b.status)
			}
		}
	})
}

// Many look at once whether it is paid: each is told, and it is taken once.
func TestFulfillmentWaitRace(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	at := *b.get(toPay()).url
	b.get(bank.says(t, &at, order.Open)).wantState("paymentWaitState")
	page, _, _ := strings.Cut(b.headers.Get("Refresh"), ";")
	if page == "" {
		t.Fatal("the page is not fetched again")
	}
	bank.says(t, &at, order.Authorized)
	form := b.form()
	var wg sync.WaitGroup
	places := make([]string, 16)
	for i := range places {
		wg.Go(func() {
			x := *b
			if i%2 == 0 {
				places[i] = x.refresh().url.String()
			} else {
				places[i] = x.submitPage(form, "continueEvent").url.String()
			}
		})
	}
	wg.Wait()
	for _, place := range places {
		if place != ended("success") {
			t.Errorf("ended at %s", place)
		}
	}
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// refresh fetches what the page says it will be followed by.
func (b *browser) refresh() *browser {
	b.t.Helper()
	_, address, ok := strings.Cut(b.headers.Get("Refresh"), ";url=")
	if !ok {
		b.t.Fatalf("the page is not fetched again: %v", b.headers)
	}
	return b.get(address)
}

// A payer whom the browser remembers proves who she is before she pays, and does not
// for what costs nothing.
func TestFulfillmentRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank := newBank()
		s := newSite(t, withBank(bank))
		s.user(kari, password)
		s.order(7, "")
		s.order(8, "", func(o *store.Order, _ *order.Content) { o.Status = store.OrderPaid })
		b := s.login(kari, password, true)
		time.Sleep(30 * time.Minute)
		b.get(toPay("orderId", "8")).wantAt(ended("success"))
		b.get(toPay()).wantState("confirmUserState")
		if starts, _ := bank.counted(); starts != 0 {
			t.Error("a payment began")
		}
		b.submit("verifyCredentialsEvent", "password", "wrong").wantState("confirmUserState")
		b.submit("verifyCredentialsEvent", "password", password)
		b.get(bank.says(t, b.url, order.Authorized)).wantAt(ended("success"))
	})
}

// The provider is down: 503, and a reload goes on, with one payment.
func TestFulfillmentProviderDown(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	bank.setDown(true)
	b.get(toPay()).wantStatus(http.StatusServiceUnavailable)
	b.get(toPay()).wantStatus(http.StatusServiceUnavailable)
	bank.setDown(false)
	at := b.get(toPay()).url
	back := bank.says(t, at, order.Authorized)
	bank.setDown(true)
	b.get(back).wantState("paymentWaitState")
	bank.setDown(false)
	b.refresh().wantAt(ended("success"))
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// The store is down at any one step: nothing is lost, and trying again goes on.
func TestFulfillmentStoreDown(t *testing.T) {
	for _, method := range []string{"Order", "CommitOrders", "Payment", "InsertRun", "SwapRun", "PutDelivery", "Run"} {
		for nth := range 6 {
			after := nth%2 == 1 // it was done, and nobody knows
			nth /= 2
			t.Run(fmt.Sprint(method, nth, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bank := newBank()
					var faulty *storetest.Faulty
					s := newSite(t, withBank(bank), func(c *connectid.Config) {
						faulty = storetest.NewFaulty(c.Store)
						c.Store = faulty
					})
					s.user(kari, password)
					s.order(7, "")
					b := s.login(kari, password, false)
					do := func(address string) {
						faulty.Inject(storetest.Fault{Method: method, Nth: nth + 1, After: after})
						b.get(address)
						faulty.Heal()
						for range 3 {
							if b.url.Host == "id.example" && b.status == http.StatusServiceUnavailable {
								b.get(address)
							}
						}
					}
					do(toPay())
					back := bank.says(t, b.url, order.Authorized)
					do(back)
					if b.state() == "paymentWaitState" {
						b.refresh()
					}
					b.wantAt(ended("success"))
					if starts, captures := bank.counted(); starts != 1 || captures != 1 {
						t.Errorf("%d payments, %d captures", starts, captures)
					}
				})
			})
		}
	}
}

// The browser aborts its first request, as by a double click, after the payment has
// begun: the way back is known all the same.
func TestFulfillmentAborted(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	ctx, cancel := context.WithCancel(t.Context())
	bank.mu.Lock() // holds Start
	done := make(chan struct{})
	go func() {
		defer close(done)
		u := mustParse(t, toPay())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		for _, c := range b.jar.Cookies(u) {
			r.AddCookie(c)
		}
		s.kit.ServeHTTP(httptest.NewRecorder(), r)
	}()
	for s.orderIs(7).PaymentID == "" {
		time.Sleep(time.Millisecond)
	}
	cancel()
	bank.mu.Unlock()
	<-done
	b.get(toPay())
	b.get(bank.says(t, b.url, order.Authorized)).wantAt(ended("success"))
	if starts, captures := bank.counted(); starts != 1 || captures != 1 {
		t.Errorf("%d payments, %d captures", starts, captures)
	}
}

// A run that took too long, and one whose user has logged out meanwhile: the outcome
// is told all the same.
func TestFulfillmentLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank := newBank()
		s := newSite(t, withBank(bank))
		s.user(kari, password)
		s.order(7, "")
		b := s.login(kari, password, false)
		back := bank.says(t, b.get(toPay()).url, order.Authorized)
		time.Sleep(2 * time.Hour)
		b.get(back).wantAt(ended("success"))
		if _, captures := bank.counted(); captures != 1 {
			t.Errorf("%d captures", captures)
		}
	})
}

// Her session is somebody else's by now: the page that waits is not for that one.
func TestFulfillmentWaitIsHers(t *testing.T) {
	bank := newBank()
	s := newSite(t, withBank(bank))
	s.user(kari, password)
	s.user(ola, password)
	s.order(7, "")
	b := s.login(kari, password, false)
	b.get(bank.says(t, b.get(toPay()).url, order.Open)).wantState("paymentWaitState")
	waiting := b.headers.Get("Refresh")
	b.open("logout")
	b.open("login").submit("verifyCredentialsEvent", "credential", ola, "password", password).wantAt(returnURL)
	_, address, _ := strings.Cut(waiting, ";url=")
	b.url = mustParse(t, host)
	b.get(address)
	if b.state() == "paymentWaitState" || strings.Contains(b.body, "299") {
		t.Errorf("another user sees what waits: %s", b.body)
	}
}
