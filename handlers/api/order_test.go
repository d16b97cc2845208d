package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// The rules of orders have their tests in flows/order; these are about the calls.

const (
	userOrder     = "/capi/v1/order"
	clientOrder   = "/capi/v1/client/order"
	userStatus    = "/capi/v1/order/status"
	clientStatus  = "/capi/v1/client/order/status/"
	history       = "/capi/v1/customer/order/product/history"
	fulfillment   = "/capi/v1/client/order/fulfillment"
	orderingToken = "ordering-token" // of another client of the same partner
	orderingUser  = "ordering-user"  // of the same user there
	pricingToken  = "pricing-token"  // of a client that names its own prices
)

// cashier is a provider whose payments stand as a test says.
type cashier struct {
	mu     sync.Mutex
	states map[string]order.State
	starts map[string]order.Start
	takes  int
}

func (p *cashier) set(id string, state order.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[id] = state
}

func (p *cashier) Start(_ context.Context, s order.Start) (order.Started, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starts[s.ID] = s; p.states[s.ID] == "" {
		p.states[s.ID] = order.Open
	}
	return order.Started{Ref: s.ID, RedirectURL: "https://cashier.example/" + s.ID}, nil
}

func (p *cashier) move(r order.Ref, to order.State, from ...order.State) (order.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, state := range from {
		if p.states[r.ID] != state {
			continue
		}
		if p.states[r.ID] = to; to == order.Captured {
			p.takes++
		}
		break
	}
	return order.Standing{State: p.states[r.ID], Amount: p.starts[r.ID].Amount, Currency: p.starts[r.ID].Currency}, nil
}

func (p *cashier) Standing(_ context.Context, r order.Ref) (order.Standing, error) {
	return p.move(r, "")
}

func (p *cashier) Capture(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return p.move(r, order.Captured, order.Authorized)
}

func (p *cashier) Cancel(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return p.move(r, order.Released, order.Open, order.Authorized)
}

func (p *cashier) Refund(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return p.move(r, order.Refunded, order.Captured)
}

func (p *cashier) Callback(context.Context, order.Callback) (string, error) {
	return "", order.ErrForged
}

// newsDesk is the publisher's system; it may be slow, or down.
type newsDesk struct {
	mu    sync.Mutex
	taken map[int64]int
	stuck bool
	err   error
}

func (d *newsDesk) Take(ctx context.Context, h order.HandOver) (order.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stuck {
		<-ctx.Done()
		return order.Receipt{}, ctx.Err()
	}
	if d.err == nil {
		d.taken[h.OrderID]++
	}
	return order.Receipt{}, d.err
}

// counter is the API with orders, over the catalogue of stock.
type counter struct {
	t testing.TB
	http.Handler
	orders  *order.Service
	store   *storetest.Faulty
	memory  *memstore.Store
	cashier *cashier
	desk    *newsDesk
	told    []string // callbackUrls that were fetched
	log     bytes.Buffer
}

func newCounter(t testing.TB, change ...func(*api.Config)) *counter {
	t.Helper()
	c := &counter{t: t, memory: memstore.New(), cashier: &cashier{states: map[string]order.State{}, starts: map[string]order.Start{}}, desk: &newsDesk{taken: map[int64]int{}}}
	c.store = storetest.NewFaulty(c.memory)
	s := c.memory
	stock(t, s)
	ctx, now := t.Context(), time.Now()
	end := now.AddDate(0, 0, 100)
	coupon := store.Coupon{PartnerID: "partner", Code: "BILL", Number: 1, Product: "DIGITAL", Description: "On paper", Price: 9900, Currency: "NOK", Invoice: true}
	for _, err := range []error{
		s.PutClient(ctx, store.Client{ID: "site", PartnerID: "partner", Targets: []string{"https://news.example/shop"}}),
		s.PutClient(ctx, store.Client{ID: "ordering", PartnerID: "partner"}),
		s.PutClient(ctx, store.Client{ID: "busy"}), // without a publisher, and without limits of its own
		s.PutClient(ctx, store.Client{ID: "pricing", PartnerID: "partner", PriceOverride: true}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf(orderingToken), ClientID: "ordering", CreatedAt: now, ExpiresAt: end}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf(pricingToken), ClientID: "pricing", CreatedAt: now, ExpiresAt: end}),
		s.CreateGrant(ctx, store.Grant{ID: "ordering", ClientID: "ordering", UserID: userID, CreatedAt: now, ExpiresAt: end},
			store.AccessToken{Hash: store.DigestOf(orderingUser), GrantID: "ordering", ClientID: "ordering", UserID: userID, CreatedAt: now, ExpiresAt: end}),
		s.PutCoupon(ctx, coupon),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "partner", Code: "FREE", Number: 1, Product: "DIGITAL", Description: "A taste"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ring, err := keys.New([][]byte{bytes.Repeat([]byte("kit key "), 4)})
	if err != nil {
		t.Fatal(err)
	}
	c.orders, err = order.New(order.Config{
		Store: c.store, Clients: s, Keys: ring, Publishers: systems(t, c.store, nil), Desks: map[string]order.Desk{"partner": c.desk},
		Merchants: []order.Merchant{{ID: "main", PartnerID: "partner", Default: true, Providers: map[order.Method]order.Provider{
			order.CreditCardPayEx: c.cashier, order.VippsRecurring: c.cashier,
		}}},
		CallbackURL: "https://login.example/capi/mcpay/callback", ScriptReturnURL: "https://login.example/capi/mcpay/return",
		Notify: func(_ context.Context, address string) error { c.told = append(c.told, address); return nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Handler = newHandler(t, c.store, append([]func(*api.Config){func(a *api.Config) {
		a.Orders, a.Publishers, a.CallsPerMinute, a.CallsPerSecond = c.orders, systems(t, c.store, nil), 1<<40, 1<<40
		a.Logger = slog.New(slog.NewTextHandler(&c.log, nil))
	}}, change...)...)
	return c
}

// place posts an order and returns its number.
func (c *counter) place(path, token, body string, contentType ...string) int64 {
	c.t.Helper()
	w := post(c, path, token, body, contentType...)
	var out struct{ OrderID int64 }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || out.OrderID <= 0 || out.OrderID >= 1<<53 {
		c.t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
	}
	return out.OrderID
}

func (c *counter) stored(id int64) store.Order {
	c.t.Helper()
	o, err := c.memory.Order(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

const (
	payerJSON  = `"payer":{"firstName":"Åse","lastName":"Nordmann","postalCode":"9008","emails":["ase@example.com"]}`
	introLine  = `"orderLines":[{"productSpecType":"coupon","productSpecCode":"INTRO","productSpecNo":60}]`
	cardOrder  = `{"paymentMethod":"creditcardPayex",` + payerJSON + `,` + introLine + `}`
	freeOrder  = `{"paymentMethod":"free",` + payerJSON + `,"orderLines":[{"productSpecType":"coupon","productSpecCode":"FREE","productSpecNo":1}]}`
	billOrder  = `{"paymentMethod":"invoice",` + payerJSON + `,"orderLines":[{"productSpecType":"coupon","productSpecCode":"BILL","productSpecNo":1}]}`
	prepaidOne = `{"prepaid":true,"paymentInfo":"paid at the counter",` + payerJSON + `,` + introLine + `}`
)

// with adds members to an order.
func with(body, members string) string { return "{" + members + "," + body[1:] }

func TestPlaceOrder(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for _, tt := range []struct {
		name, path, token, body string
		status                  store.OrderStatus
		user                    string
		method                  string
		amount                  int64
	}{
		{"a card", userOrder, userToken, cardOrder, store.OrderPreliminary, userID, "creditcardPayex", 4950},
		{"a card, the old name", userOrder, userToken, strings.Replace(cardOrder, "creditcardPayex", "creditcard", 1), store.OrderPreliminary, userID, "creditcard", 4950},
		{"nobody's", clientOrder, clientToken, cardOrder, store.OrderPreliminary, "", "creditcardPayex", 4950},
		{"somebody's", clientOrder, clientToken, with(cardOrder, `"uniqueUserId":"`+userID+`"`), store.OrderPreliminary, userID, "creditcardPayex", 4950},
		{"free", userOrder, userToken, freeOrder, store.OrderHandedOver, userID, "free", 0},
		{"free in a public client", userOrder, appToken, freeOrder, store.OrderHandedOver, userID, "free", 0},
		{"invoiced", clientOrder, clientToken, billOrder, store.OrderHandedOver, "", "invoice", 9900},
		{"prepaid", clientOrder, clientToken, prepaidOne, store.OrderHandedOver, "", "", 4950},
		{"named prices", userOrder, userToken, with(cardOrder, `"orderAmount":49.50,"currency":"NOK"`), store.OrderPreliminary, userID, "creditcardPayex", 4950},
		{"its own price", clientOrder, pricingToken, with(cardOrder, `"orderAmount":10`), store.OrderPreliminary, "", "creditcardPayex", 1000},
	} {
		o := c.stored(c.place(tt.path, tt.token, tt.body))
		if o.Status != tt.status || o.UserID != tt.user || o.Method != tt.method || o.Amount != tt.amount || o.PartnerID != "partner" {
			t.Errorf("%s: %+v", tt.name, o)
		}
		if taken := c.desk.taken[o.ID]; (taken == 1) != (tt.status == store.OrderHandedOver) {
			t.Errorf("%s: handed over %d times", tt.name, taken)
		}
	}
}

// What a token of the other mode, or none, opens is nothing.
func TestOrderModes(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for path, tokens := range map[string][2]string{
		"POST " + userOrder: {clientToken, userToken}, "POST " + userStatus: {clientToken, userToken}, "GET " + userStatus: {clientToken, userToken},
		"GET " + history: {clientToken, userToken}, "POST " + clientOrder: {userToken, clientToken},
		"GET " + clientStatus + "1": {userToken, clientToken}, "POST " + fulfillment: {userToken, clientToken},
	} {
		method, path, _ := strings.Cut(path, " ")
		ask := func(token string) *httptest.ResponseRecorder {
			if method == "POST" {
				return post(c, path, token, cardOrder)
			}
			return call(c, method, path, token)
		}
		if e := checkError(t, ask(tokens[0]), 403); e["error"] != "insufficient_scope" {
			t.Errorf("%s %s in the other mode: %v", method, path, e)
		}
		checkError(t, ask("nobody"), 401)
		if w := ask(tokens[1]); w.Code == 401 || w.Code == 403 {
			t.Errorf("%s %s: %d", method, path, w.Code)
		}
		other := map[string]string{"GET": "DELETE", "POST": "PUT"}[method]
		checkError(t, call(c, other, path, tokens[1]), 405)
		head := call(c, "HEAD", path, tokens[1])
		wantHead := map[bool]int{true: 200, false: 405}[path != userOrder && path != clientOrder && path != fulfillment]
		if path == clientStatus+"1" {
			wantHead = 404
		}
		if head.Code != wantHead || head.Body.Len() != 0 {
			t.Errorf("HEAD %s: %d %q", path, head.Code, head.Body)
		}
	}
	if all, err := c.orders.Orders(t.Context(), "partner", userID); err != nil || len(all) != 1 {
		t.Errorf("%d orders were placed (%v), want the one of the user's own token", len(all), err)
	}
}

// Without a service of orders there are none, and the documentation says so.
func TestWithoutOrders(t *testing.T) {
	t.Parallel()
	h, _ := stocked(t)
	for _, path := range []string{userOrder, clientOrder, fulfillment, userStatus} {
		token := map[bool]string{true: clientToken, false: userToken}[strings.Contains(path, "/client/")]
		checkError(t, post(h, path, token, cardOrder), 404)
	}
	for path, token := range map[string]string{userStatus: userToken, history: userToken, clientStatus + "1": clientToken} {
		checkError(t, call(h, "GET", path, token), 404)
	}
	if doc := call(h, "GET", "/capi/openapi.json", "").Body.String(); strings.Contains(doc, "/v1/order") || strings.Contains(doc, "/v1/client/order") {
		t.Error("the document has the endpoints of orders")
	}
}

// A client without a publisher has no orders: "" is not all publishers.
func TestOrdersWithoutPublisher(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.place(userOrder, bareToken, freeOrder) // of the user who has busyToken too
	for _, w := range []*httptest.ResponseRecorder{
		post(c, userOrder, busyToken, freeOrder), call(c, "GET", userStatus, busyToken), call(c, "GET", history, busyToken),
		post(c, userStatus, busyToken, `{"orderId":1}`),
	} {
		if e := checkError(t, w, 403); e["error"] != "insufficient_scope" {
			t.Errorf("got %v", e)
		}
	}
}

// Another client's order, another user's and one that does not exist are the same.
func TestOrderOwnership(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	named := c.place(userOrder, userToken, with(cardOrder, `"externalOrderId":"mine"`))
	nobodys := c.place(clientOrder, clientToken, with(cardOrder, `"externalOrderId":"nobodys"`))
	unknown := post(c, userStatus, userToken, `{"orderId":17}`)
	if e := checkError(t, unknown, 404); e["exceptionType"] != "NotFound" {
		t.Errorf("unknown: %v", e)
	}
	same := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code != 404 || w.Body.String() != unknown.Body.String() {
			t.Errorf("%s: %d %s, want %s", what, w.Code, w.Body, unknown.Body)
		}
	}
	body := func(id int64) string { return fmt.Sprintf(`{"orderId":%d}`, id) }
	same("another user", post(c, userStatus, bareToken, body(named)))
	same("another user, by name", post(c, userStatus, bareToken, `{"externalOrderId":"mine"}`))
	same("the same user at another client", post(c, userStatus, orderingUser, body(named)))
	same("the same user at another client, by name", post(c, userStatus, orderingUser, `{"externalOrderId":"mine"}`))
	same("nobody's", post(c, userStatus, userToken, body(nobodys)))
	same("nobody's, by name", post(c, userStatus, userToken, `{"externalOrderId":"nobodys"}`))
	same("one order by the number of another", post(c, userStatus, userToken, fmt.Sprintf(`{"orderId":%d,"externalOrderId":"nobodys"}`, named)))
	same("a name that nobody gave", post(c, userStatus, userToken, `{"externalOrderId":"none"}`))
	for _, token := range []string{orderingToken, otherToken} {
		same("another client", call(c, "GET", clientStatus+strconv.FormatInt(named, 10), token))
		same("another client completes it", post(c, fulfillment, token, body(named)))
	}
	same("an unknown one", call(c, "GET", clientStatus+"17", clientToken))
	same("an unknown one is completed", post(c, fulfillment, clientToken, body(17)))
	for _, id := range []int64{named, nobodys} {
		if w := call(c, "GET", clientStatus+strconv.FormatInt(id, 10), clientToken); w.Code != 200 {
			t.Errorf("the client's own: %d %s", w.Code, w.Body)
		}
	}
	if w := call(c, "GET", userStatus, bareToken); w.Body.String() != `{"orders":[]}` {
		t.Errorf("another user's orders: %s", w.Body)
	}
	for _, id := range []string{"0", "-1", "x", "1.5", "9223372036854775808", "%20"} {
		checkError(t, call(c, "GET", clientStatus+id, clientToken), 400)
	}
	for _, body := range []string{`{}`, `{"orderId":-1}`, `{"orderId":"x"}`, `{"orderId":1.5}`, `{"externalOrderId":7}`, `[]`, `{"orderId":0,"externalOrderId":""}`} {
		checkError(t, post(c, userStatus, userToken, body), 400)
	}
	for _, body := range []string{`{}`, `{"orderId":-1}`, `{"orderId":"x"}`, `[]`} {
		checkError(t, post(c, fulfillment, clientToken, body), 400)
	}
}

const cardXML = `<data><externalOrderId>%s</externalOrderId><paymentMethod>creditcardPayex</paymentMethod><orderAmount>49.50</orderAmount><currency>NOK</currency>
	<payer><firstName>Åse</firstName><lastName>Nordmann</lastName><postalCode>9008</postalCode><emails><item0>ase@example.com</item0></emails></payer>
	<orderLines><item0><productSpecType>coupon</productSpecType><productSpecCode>INTRO</productSpecCode><productSpecNo>60</productSpecNo></item0></orderLines></data>`

func TestSameOrderAgain(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for path, token := range map[string]string{userOrder: userToken, clientOrder: clientToken} {
		name := "web " + strings.ReplaceAll(path, "/", " ")
		again := with(cardOrder, `"orderAmount":49.5,"currency":"NOK","externalOrderId":"`+name+`"`)
		first := c.place(path, token, again)
		for what, id := range map[string]int64{
			"again": c.place(path, token, again), "in XML": c.place(path, token, fmt.Sprintf(cardXML, name), "application/xml"),
			"with more decimals":      c.place(path, token, strings.Replace(again, "49.5", "49.50", 1)),
			"with what says nothing":  c.place(path, token, with(again, `"seller":"","unknown":[1],"merchantId":null`)),
			"with its text in quotes": c.place(path, token, strings.Replace(again, "49.5", `"49.50"`, 1)),
		} {
			if id != first {
				t.Errorf("%s %s: %d, want %d", path, what, id, first)
			}
		}
		for what, body := range map[string]string{
			"another amount":  strings.Replace(again, "49.5", "49", 1),
			"another method":  strings.Replace(again, "creditcardPayex", "vippsRecurring", 1),
			"another payer":   strings.Replace(again, "Åse", "Eva", 1),
			"one member more": with(again, `"seller":"Per"`),
			"no such coupon":  strings.Replace(again, "INTRO", "NONE", 1),
		} {
			if e := checkError(t, post(c, path, token, body), 409); e["exceptionType"] != "Conflict" {
				t.Errorf("%s: %v", what, e)
			}
		}
	}
	// A name is the client's own, whoever of its users it is for.
	body := with(cardOrder, `"externalOrderId":"shared"`)
	first := c.place(userOrder, userToken, body)
	checkError(t, post(c, userOrder, bareToken, body), 409)
	checkError(t, post(c, clientOrder, clientToken, body), 409)
	if id := c.place(userOrder, orderingUser, body); id == first {
		t.Error("two clients have one order")
	}
	// Without a name, each is one of its own.
	if c.place(userOrder, userToken, cardOrder) == c.place(userOrder, userToken, cardOrder) {
		t.Error("two orders without a name are one")
	}
}

// Many calls at once with one name are one order.
func TestSameOrderRace(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	ids := make([]int64, 64)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if i%2 == 0 {
				ids[i] = c.place(clientOrder, clientToken, fmt.Sprintf(cardXML, "race"), "text/xml")
				return
			}
			ids[i] = c.place(clientOrder, clientToken, with(cardOrder, `"orderAmount":49.5,"currency":"NOK","externalOrderId":"race"`))
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one order has several numbers: %v", ids)
		}
	}
}

func TestOrderFaults(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	long := strings.Repeat("x", 1001)
	line := func(members string) string {
		return strings.Replace(cardOrder, `"productSpecNo":60}`, `"productSpecNo":60,`+members+`}`, 1)
	}
	replaced := func(old, now string) string {
		if !strings.Contains(cardOrder, old) {
			t.Fatalf("%s is not in the order", old)
		}
		return strings.Replace(cardOrder, old, now, 1)
	}
	payer := func(members string) string { return replaced(`"firstName":"Åse"`, members) }
	for _, tt := range []struct{ body, field string }{
		{with(cardOrder, `"externalOrderId":"`+long[:41]+`"`), "externalOrderId"},
		{with(cardOrder, `"externalOrderId":"a\u0000"`), "externalOrderId"},
		{with(cardOrder, `"externalOrderId":7`), "externalOrderId"},
		{with(cardOrder, `"orderDate":"yesterday"`), "orderDate"},
		{with(cardOrder, `"orderDate":true`), "orderDate"},
		{with(cardOrder, `"orderDate":{"day":1}`), "orderDate"},
		{with(cardOrder, `"orderDate":"2199-01-01"`), "orderDate"},
		{replaced("creditcardPayex", "cash"), "paymentMethod"},
		{replaced("creditcardPayex", ""), "paymentMethod"},
		{replaced("creditcardPayex", "free"), "paymentMethod"},
		{replaced("creditcardPayex", "invoice"), "paymentMethod"},
		{replaced("creditcardPayex", "vippsEcommerce"), "paymentMethod"}, // no provider is configured
		{replaced("creditcardPayex", "kco"), "paymentMethod"},
		{with(cardOrder, `"merchantId":"theirs"`), "merchantId"},
		{with(cardOrder, `"merchantId":"`+long[:101]+`"`), "merchantId"},
		{with(cardOrder, `"orderAmount":49`), "orderAmount"},
		{with(cardOrder, `"orderAmount":49.505`), "orderAmount"},
		{with(cardOrder, `"orderAmount":-49.5`), "orderAmount"},
		{with(cardOrder, `"orderAmount":"a lot"`), "orderAmount"},
		{with(cardOrder, `"orderAmount":true`), "orderAmount"},
		{with(cardOrder, `"currency":"SEK"`), "currency"},
		{with(cardOrder, `"currency":"nok","orderAmount":49.5`), "currency"},
		{with(cardOrder, `"currency":"XXY"`), "currency"},
		{with(cardOrder, `"marketingCouponCode":"INTRO"`), "marketingCouponNumber"},
		{with(cardOrder, `"marketingCouponNumber":60`), "marketingCouponCode"},
		{with(cardOrder, `"marketingCouponCode":"NONE","marketingCouponNumber":60`), "marketingCouponCode"},
		{with(cardOrder, `"marketingCouponNumber":"x"`), "marketingCouponNumber"},
		{with(cardOrder, `"companyCode":"`+long+`"`), "companyCode"},
		{with(cardOrder, `"customerReference":"`+long+`"`), "customerReference"},
		{with(cardOrder, `"uniqueUserId":"nobody"`), "uniqueUserId"},
		{with(cardOrder, `"seller":"`+long+`"`), "seller"},
		{with(cardOrder, `"salesMethod":"a\nb"`), "salesMethod"},
		{with(cardOrder, `"prepaid":true`), "paymentInfo"},
		{with(cardOrder, `"prepaid":"yes"`), "prepaid"},
		{with(cardOrder, `"paymentInfo":"`+long+`"`), "paymentInfo"},
		{with(cardOrder, `"mcPayRef":"none"`), "mcPayRef"},
		{with(cardOrder, `"prepaid":true,"paymentInfo":"x","mcPayRef":"none"`), "mcPayRef"},
		{replaced(payerJSON+",", ""), "payer"},
		{replaced(payerJSON, `"payer":"Åse"`), "payer"},
		{replaced(payerJSON, `"payer":{}`), "payer"},
		{replaced(`"lastName":"Nordmann",`, ""), "payer.lastName"},
		{replaced(`"postalCode":"9008",`, ""), "payer.postalCode"},
		{replaced(`,"emails":["ase@example.com"]`, ""), "payer.emails"},
		{replaced(`["ase@example.com"]`, `["ase"]`), "payer.emails[0]"},
		{replaced(`["ase@example.com"]`, `"ase@example.com"`), "payer.emails"},
		{payer(`"phoneNumbers":["+4791234567","91234567"]`), "payer.phoneNumbers[1]"},
		{payer(`"birthDate":"1.1.2001"`), "payer.birthDate"},
		{payer(`"countryCode":"XX"`), "payer.countryCode"},
		{payer(`"customerNumber":999999`), "payer.customerNumber"},
		{payer(`"customerNumber":-1`), "payer.customerNumber"},
		{payer(`"street":"` + long + `"`), "payer.street"},
		{replaced(introLine, `"orderLines":[]`), "orderLines"},
		{replaced(introLine, `"orderLines":{}`), "orderLines"},
		{replaced(introLine, `"orderLines":[`+strings.Repeat(`{"productSpecType":"coupon"},`, 100)+`{}]`), "orderLines"},
		{replaced(`"coupon"`, `"gift"`), "orderLines[0].productSpecType"},
		{replaced(`"productSpecType":"coupon",`, ""), "orderLines[0].productSpecType"},
		{replaced("INTRO", "NONE"), "orderLines[0].productSpecCode"},
		{replaced("INTRO", "THEIRS"), "orderLines[0].productSpecCode"}, // another publisher's
		{replaced(`,"productSpecNo":60`, ""), "orderLines[0].productSpecNo"},
		{replaced(`"productSpecNo":60`, `"productSpecNo":"sixty"`), "orderLines.productSpecNo"},
		{line(`"product":"PAPER"`), "orderLines[0].product"},
		{line(`"quantity":-1`), "orderLines[0].quantity"},
		{line(`"quantity":1.5`), "orderLines.quantity"},
		{line(`"unitPrice":1`), "orderLines[0].unitPrice"},
		{line(`"unitPrice":1.005`), "orderLines[0].unitPrice"},
		{line(`"unitPrice":"x"`), "orderLines.unitPrice"},
		{line(`"voucherCode":"NONE"`), "orderLines[0].voucherCode"},
		{line(`"voucherCode":"USED"`), "orderLines[0].voucherCode"},
		{line(`"voucherCode":"OVER"`), "orderLines[0].voucherCode"},
		{line(`"voucherCode":"GAVE-1","quantity":2`), "orderLines[0].quantity"},
		{line(`"allowAccessProduct":"DIGITAL"`), "orderLines[0].allowAccessSeconds"},
		{line(`"allowAccessProduct":"SECRET","allowAccessSeconds":60`), "orderLines[0].allowAccessProduct"},
		{line(`"allowAccessSeconds":99999999`), "orderLines[0].allowAccessSeconds"},
		{line(`"startInfo":{"startDate":"soon"}`), "orderLines.startInfo.startDate"},
		{line(`"startInfo":{"startDate":"2001-01-01"}`), "orderLines[0].startInfo.startDate"},
		{line(`"startInfo":1`), "orderLines.startInfo"},
		{line(`"receiver":{"lastName":"B"}`), "orderLines[0].receiver.postalCode"},
	} {
		for path, token := range map[string]string{userOrder: userToken, clientOrder: clientToken} {
			w := post(c, path, token, tt.body)
			e := checkError(t, w, 400)
			rest, ok := strings.CutPrefix(e["errorMessage"], tt.field)
			if ok = ok && strings.HasPrefix(rest, " "); !ok {
				t.Errorf("%s\nanswered %s, want it to name %s", tt.body, w.Body, tt.field)
			}
		}
	}
	for body, status := range map[string]int{"": 400, "[]": 400, "{": 400, `{"a":1}{}`: 400, `{"payer":"` + strings.Repeat("x", 257<<10) + `"}`: 413} {
		checkError(t, post(c, userOrder, userToken, body), status)
	}
	for contentType, status := range map[string]int{"text/plain": 415, "application/json; charset=iso-8859-1": 415, "application/xml; charset=iso-8859-1": 415, "application/xml": 400} {
		checkError(t, post(c, userOrder, userToken, cardOrder, contentType), status)
	}
	checkError(t, post(c, userOrder, userToken, "<data><x>"+strings.Repeat("x", 257<<10)+"</x></data>", "application/xml"), 413)
	checkError(t, post(c, userOrder, appToken, prepaidOne), 400) // of a client without a secret
	all, err := c.orders.Orders(t.Context(), "", userID)
	if err != nil || len(all) != 0 {
		t.Errorf("orders were placed: %v, %v", all, err)
	}
}

// One voucher pays for one of many orders at the same time.
func TestVoucherRace(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	body := strings.Replace(cardOrder, `"productSpecNo":60}`, `"productSpecNo":60,"voucherCode":"GAVE-1"}`, 1)
	codes := make([]int, 64)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			path, token := userOrder, userToken
			if i%4 != 0 { // a user may not try so many
				path, token = clientOrder, clientToken
			}
			w := post(c, path, token, with(body, fmt.Sprintf(`"externalOrderId":"voucher %d"`, i)))
			if codes[i] = w.Code; w.Code != 200 && !strings.Contains(w.Body.String(), "orderLines[0].voucherCode ") {
				t.Errorf("call %d: %s", i, w.Body)
			}
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[200] != 1 || count[400] != 63 {
		t.Errorf("the answers were %v, want one 200 and 63 times 400", count)
	}
}

// A user who guesses codes is stopped, and nobody else.
func TestVoucherGuesses(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	guess := func(path, token string, i int) *httptest.ResponseRecorder {
		return post(c, path, token, strings.Replace(cardOrder, `"productSpecNo":60}`, fmt.Sprintf(`"productSpecNo":60,"voucherCode":"GUESS-%d"}`, i), 1))
	}
	for i := range 20 {
		if w := guess(userOrder, userToken, i); w.Code != 400 {
			t.Fatalf("guess %d: %d %s", i, w.Code, w.Body)
		}
	}
	for _, token := range []string{userToken, orderingUser} { // of the same user
		w := post(c, userOrder, token, strings.Replace(cardOrder, `"productSpecNo":60}`, `"productSpecNo":60,"voucherCode":"GAVE-1"}`, 1))
		if w.Code != 429 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "TooManyRequests") {
			t.Errorf("a right code after 20 wrong ones: %d %s", w.Code, w.Body)
		}
	}
	c.place(userOrder, userToken, freeOrder)
	if w := guess(clientOrder, clientToken, 20); w.Code != 400 {
		t.Errorf("a client: %d", w.Code)
	}
}

// What an order grants until it is handled is seen by the next call.
func TestOrderAccess(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.err = errors.New("closed until Monday")
	reads := func(product string) bool {
		w := post(c, userAccess, userToken, `{"product":"`+product+`"}`)
		return strings.HasPrefix(w.Body.String(), `{"access":true`)
	}
	if reads("DIGITAL") {
		t.Fatal("she may read before")
	}
	line := `,"allowAccessProduct":"DIGITAL","allowAccessSeconds":3600}`
	c.place(userOrder, userToken, strings.Replace(cardOrder, `"productSpecNo":60}`, `"productSpecNo":60`+line, 1))
	if reads("DIGITAL") {
		t.Error("she may read what is not paid for")
	}
	c.place(userOrder, userToken, strings.Replace(freeOrder, `"productSpecNo":1}`, `"productSpecNo":1`+line, 1))
	if !reads("DIGITAL") {
		t.Error("she may not read what she has ordered")
	}
	if reads("PAPER") {
		t.Error("she may read something else")
	}
}

func TestOrderStatus(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	first := c.place(userOrder, userToken, with(freeOrder, `"orderDate":1700000000000,"externalOrderId":"web-1"`))
	second := c.place(userOrder, userToken, with(strings.Replace(cardOrder, `"productSpecNo":60}`, `"productSpecNo":60,"quantity":2}`, 1), `"orderDate":"2026-03-01"`))
	// The records of one millisecond have no order that one could see from outside.
	for i, id := range []int64{first, second} {
		o := c.stored(id)
		o.UpdatedAt = o.UpdatedAt.Add(time.Duration(i) * time.Second)
		if err := c.memory.CommitOrders(t.Context(), []store.Order{o}, nil); err != nil {
			t.Fatal(err)
		}
	}
	bare := fmt.Sprintf(`{"orderId":%d,"externalOrderId":"web-1","orderTime":1700000000000,"orderStatus":"handedOver","orderAmount":0,"paymentMethod":"free","customerNumber":4711`, first)
	lines := `,"orderLines":[{"productSpecType":"coupon","productSpecCode":"FREE","productSpecNo":1,"product":"DIGITAL","description":"A taste","quantity":1,"unitPrice":0}]`
	other := fmt.Sprintf(`{"orderId":%d,"orderTime":1772323200000,"orderStatus":"preliminary","orderAmount":99,"currency":"NOK","paymentMethod":"creditcardPayex","customerNumber":4711`, second)
	otherLines := `,"orderLines":[{"productSpecType":"coupon","productSpecCode":"INTRO","productSpecNo":60,"product":"DIGITAL","description":"Students only","quantity":2,"unitPrice":49.5}]`
	list := func(all ...string) string { return `{"orders":[` + strings.Join(all, ",") + `]}` }

	w := call(c, "GET", userStatus, userToken)
	if got := w.Body.String(); got != list(other+"}", bare+"}") && got != list(bare+"}", other+"}") {
		t.Errorf("all: %s", got)
	}
	if atAnother := call(c, "GET", userStatus, orderingUser); len(atAnother.Body.String()) != w.Body.Len() {
		t.Errorf("at another client of the publisher: %s", atAnother.Body)
	}
	wantBody(t, "history", call(c, "GET", history, userToken), list(bare+lines+"}"))
	wantBody(t, "by number", post(c, userStatus, userToken, fmt.Sprintf(`{"orderId":%d}`, second)), list(other+otherLines+"}"))
	wantBody(t, "by name", post(c, userStatus, userToken, `{"externalOrderId":"web-1","orderId":0}`), list(bare+lines+"}"))
	wantBody(t, "by both", post(c, userStatus, userToken, fmt.Sprintf(`{"externalOrderId":"web-1","orderId":%d}`, first)), list(bare+lines+"}"))
	wantBody(t, "asked in XML", post(c, userStatus, userToken, `<data><externalOrderId>web-1</externalOrderId></data>`, "application/xml"), list(bare+lines+"}"))
	wantBody(t, "client", call(c, "GET", clientStatus+strconv.FormatInt(second, 10), clientToken), list(other+otherLines+"}"))
	wantBody(t, "nothing", call(c, "GET", userStatus, bareToken), list())

	inXML := xml.Header + fmt.Sprintf(`<orders><order><orderId>%d</orderId><externalOrderId>web-1</externalOrderId><orderTime>1700000000000</orderTime><orderStatus>handedOver</orderStatus>`+
		`<orderAmount>0</orderAmount><paymentMethod>free</paymentMethod><customerNumber>4711</customerNumber><orderLines><orderLine><productSpecType>coupon</productSpecType>`+
		`<productSpecCode>FREE</productSpecCode><productSpecNo>1</productSpecNo><product>DIGITAL</product><description>A taste</description><quantity>1</quantity><unitPrice>0</unitPrice>`+
		`</orderLine></orderLines></order></orders>`, first)
	wantBody(t, "history in XML", call(c, "GET", history, userToken, "Accept", "application/xml"), inXML)
	wantBody(t, "nothing in XML", call(c, "GET", userStatus, bareToken, "Accept", "text/xml"), xml.Header+"<orders></orders>")
}

// LegacyXML makes XML the answer to those who name nothing, as the real server does.
func TestOrderLegacyXML(t *testing.T) {
	t.Parallel()
	c := newCounter(t, func(c *api.Config) { c.LegacyXML = true })
	w := post(c, userOrder, userToken, with(freeOrder, `"externalOrderId":"web-1"`))
	o, err := c.memory.OrderByExternalID(t.Context(), "site", "web-1")
	if err != nil {
		t.Fatal(err)
	}
	wantBody(t, "placed", w, xml.Header+fmt.Sprintf("<order><orderId>%d</orderId></order>", o.ID))
	wantBody(t, "completed", post(c, fulfillment, clientToken, fmt.Sprintf("<data><orderId>%d</orderId></data>", o.ID), "text/xml"),
		xml.Header+fmt.Sprintf("<fulfillment><fulfillmentStatus>OK</fulfillmentStatus><orderId>%d</orderId></fulfillment>", o.ID))
	for _, w := range []*httptest.ResponseRecorder{
		call(c, "GET", userStatus, userToken), call(c, "GET", history, userToken), post(c, userStatus, userToken, `{"externalOrderId":"web-1"}`),
		call(c, "GET", clientStatus+strconv.FormatInt(o.ID, 10), clientToken, "Accept", "*/*"),
	} {
		if !strings.HasPrefix(w.Body.String(), xml.Header+"<orders><order>") || w.Header().Get("Content-Type") != "application/xml; charset=utf-8" {
			t.Errorf("%v %s", w.Header(), w.Body)
		}
	}
	if w := call(c, "GET", userStatus, userToken, "Accept", "application/json"); !strings.HasPrefix(w.Body.String(), `{"orders":[{`) {
		t.Errorf("in JSON: %s", w.Body)
	}
	checkError(t, post(c, userStatus, userToken, `{"externalOrderId":"none"}`), 404) // faults are JSON
}

// pay begins the payment of an order and says how it stands.
func (c *counter) pay(id int64, state order.State) {
	c.t.Helper()
	due, err := c.orders.Pay(c.t.Context(), order.Checkout{OrderIDs: []int64{id}, UserID: userID, Lang: "nb", ReturnURL: "https://login.example/user/fulfillment/callback"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.cashier.set(due.PaymentID, state)
}

func TestFulfillment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))) // when the catalogue is sold
		c := newCounter(t)
		ask := func(id int64, callback string) *httptest.ResponseRecorder {
			return post(c, fulfillment, clientToken, fmt.Sprintf(`{"orderId":%d,"callbackUrl":"%s"}`, id, callback))
		}
		want := func(what string, id int64, status, message string) {
			t.Helper()
			if message != "" {
				message = `,"errorMessage":"` + message + `"`
			}
			wantBody(t, what, ask(id, ""), fmt.Sprintf(`{"fulfillmentStatus":"%s","orderId":%d%s}`, status, id, message))
		}
		tell := func() string {
			t.Helper()
			if _, err := c.orders.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			got := strings.Join(c.told, " ")
			c.told = nil
			return got
		}
		const address = "https://news.example/shop/done?a=1"

		done := c.place(clientOrder, clientToken, freeOrder)
		want("a free order", done, "OK", "")
		if w := ask(done, address); w.Code != 200 {
			t.Errorf("with an address: %d %s", w.Code, w.Body)
		}
		if got := tell(); got != address+"&fulfillmentStatus=success" {
			t.Errorf("the client was told %q", got)
		}
		if got := tell(); got != "" {
			t.Errorf("it was told again: %q", got)
		}

		c.desk.err = errors.New("closed until Monday")
		waiting := c.place(clientOrder, clientToken, billOrder)
		want("an order that the publisher has yet to take", waiting, "OK", "")
		c.desk.err = nil
		want("and takes", waiting, "OK", "")
		if o := c.stored(waiting); o.Status != store.OrderHandedOver {
			t.Errorf("it is %s", o.Status)
		}
		c.desk.stuck = true
		slow := c.place(clientOrder, clientToken, billOrder)
		began := time.Now()
		want("a publisher's system that does not answer", slow, "OK", "")
		if took := time.Since(began); took >= 4*time.Second {
			t.Errorf("took %v", took)
		}
		c.desk.stuck = false

		unpaid := c.place(clientOrder, clientToken, cardOrder)
		want("an order that is to be paid for", unpaid, "ERROR", "the order is to be paid for with creditcardPayex: send its payer to the fulfillment URL")
		c.pay(unpaid, order.Open)
		want("one that is being paid for", unpaid, "PENDING", "the payment has begun, and its outcome is not known yet")
		if w := ask(unpaid, address); !strings.Contains(w.Body.String(), "PENDING") {
			t.Errorf("with an address: %s", w.Body)
		}
		if got := tell(); got != "" {
			t.Errorf("the client was told %q of what nobody knows", got)
		}
		c.cashier.set(c.stored(unpaid).PaymentID, order.Authorized)
		want("one that is paid for", unpaid, "OK", "")
		if c.cashier.takes != 1 {
			t.Errorf("the money was taken %d times", c.cashier.takes)
		}
		time.Sleep(time.Hour)
		if got := tell(); got != address+"&fulfillmentStatus=success" {
			t.Errorf("the client was told %q", got)
		}

		for state, message := range map[order.State]string{order.Cancelled: "the order was cancelled", order.Failed: "the payment failed"} {
			id := c.place(clientOrder, clientToken, cardOrder)
			c.pay(id, state)
			want(string(state), id, "ERROR", message)
			if w := ask(id, address); w.Code != 200 {
				t.Errorf("with an address: %d %s", w.Code, w.Body)
			}
			if got := tell(); got != address+"&fulfillmentStatus=failed" {
				t.Errorf("%s: the client was told %q", state, got)
			}
		}

		for _, refused := range []string{
			"https://elsewhere.example/", "https://news.example/", "https://news.example.evil.example/shop", "http://news.example/shop", "/shop", "news.example/shop", "javascript:alert(1)",
			"https://news.example/shop/../admin", "https://kari@news.example/shop", "https://127.0.0.1/shop", "https://[::1]/shop", "https://news.example:8443/shop",
		} {
			e := checkError(t, ask(done, refused), 400)
			if !strings.HasPrefix(e["errorMessage"], "callbackUrl ") || e["exceptionType"] != "InvalidRequest" {
				t.Errorf("%s: %v", refused, e)
			}
		}
		if got := tell(); got != "" {
			t.Errorf("somebody was told: %q", got)
		}
	})
}

// scripted begins a payment of the script that stands as is said.
func (c *counter) scripted(reference, code string, state order.State) string {
	c.t.Helper()
	client, err := c.memory.Client(c.t.Context(), "site")
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := c.orders.StartScript(c.t.Context(), order.ScriptStart{
		Client: &client, Token: reference, Attempt: base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes 01")), Lang: "nb",
		Claims: order.Claims{
			ClientCode: "site", PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Redirect, ProductSpecCode: code, ProductSpecNo: 60,
			ExternalReference: reference, ReturnURL: "https://news.example/shop",
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.cashier.set(p.ID, state)
	return p.ID
}

// A payment of the script pays for one order, of its client, if it has succeeded.
func TestScriptPaymentPaysOnce(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	paid := c.scripted("paid", "INTRO", order.Authorized)
	body := func(ref string) string {
		return strings.Replace(with(cardOrder, `"mcPayRef":"`+ref+`"`), `"paymentMethod":"creditcardPayex",`, "", 1)
	}
	refused := func(what, path, token, body string) {
		t.Helper()
		if e := checkError(t, post(c, path, token, body), 400); !strings.HasPrefix(e["errorMessage"], "mcPayRef ") {
			t.Errorf("%s: %v", what, e)
		}
	}
	refused("another client", clientOrder, orderingToken, body(paid))
	refused("another publisher", clientOrder, otherToken, body(paid))
	refused("one that is not done", clientOrder, clientToken, body(c.scripted("open", "INTRO", order.Open)))
	refused("one that failed", clientOrder, clientToken, body(c.scripted("failed", "INTRO", order.Failed)))
	refused("one for something else", clientOrder, clientToken, strings.Replace(body(paid), `"INTRO","productSpecNo":60`, `"FREE","productSpecNo":1`, 1))
	if c.cashier.takes != 0 {
		t.Fatalf("money was taken %d times for nothing", c.cashier.takes)
	}
	codes := make([]int, 64)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = post(c, clientOrder, clientToken, body(paid)).Code })
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[200] != 1 || count[400] != 63 || c.cashier.takes != 1 {
		t.Errorf("the answers were %v, and the money was taken %d times", count, c.cashier.takes)
	}
	refused("again", clientOrder, clientToken, body(paid))
}

// With a store that fails each call is 503, says nothing of why, and leaves nothing.
func TestOrderOutage(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	id := c.place(userOrder, userToken, with(cardOrder, `"externalOrderId":"mine"`))
	named := with(cardOrder, `"externalOrderId":"next"`)
	for _, tt := range []struct{ fault, method, path, token, body string }{
		{"OrderByExternalID", "POST", userOrder, userToken, named},
		{"User", "POST", userOrder, userToken, cardOrder},
		{"Coupon", "POST", userOrder, userToken, cardOrder},
		{"PutDelivery", "POST", clientOrder, clientToken, cardOrder},
		{"CommitOrders", "POST", clientOrder, clientToken, cardOrder},
		{"UserOrders", "GET", userStatus, userToken, ""},
		{"UserOrders", "GET", history, userToken, ""},
		{"Order", "POST", userStatus, userToken, fmt.Sprintf(`{"orderId":%d}`, id)},
		{"OrderByExternalID", "POST", userStatus, userToken, `{"externalOrderId":"mine"}`},
		{"Order", "GET", clientStatus + strconv.FormatInt(id, 10), clientToken, ""},
		{"Order", "POST", fulfillment, clientToken, fmt.Sprintf(`{"orderId":%d}`, id)},
		{"PutDelivery", "POST", fulfillment, clientToken, fmt.Sprintf(`{"orderId":%d,"callbackUrl":"https://news.example/shop"}`, id)},
	} {
		c.log.Reset()
		c.store.Inject(storetest.Fault{Method: tt.fault, Err: errDown})
		ask := func() *httptest.ResponseRecorder {
			if tt.method == "POST" {
				return post(c, tt.path, tt.token, tt.body)
			}
			return call(c, tt.method, tt.path, tt.token)
		}
		w := ask()
		e := checkError(t, w, 503)
		if e["exceptionType"] != "ServiceUnavailable" || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.9.8.7") || strings.Contains(w.Body.String(), "order") {
			t.Errorf("%s fails in %s: %v %s", tt.fault, tt.path, w.Header(), w.Body)
		}
		if !strings.Contains(c.log.String(), "10.9.8.7") || strings.Contains(c.log.String(), tt.token) {
			t.Errorf("%s fails in %s: the log says %s", tt.fault, tt.path, &c.log)
		}
		c.store.Heal()
		if w := ask(); w.Code != 200 {
			t.Errorf("%s after %s has failed: %d %s", tt.path, tt.fault, w.Code, w.Body)
		}
	}
	if all, err := c.orders.Orders(t.Context(), "partner", userID); err != nil || len(all) != 4 {
		t.Errorf("there are %d orders (%v), want one for each call that was answered", len(all), err)
	}
}
