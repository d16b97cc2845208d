package order_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// scripted begins a payment of the script for the coupon, and has it stand so.
func (m *market) scripted(t *testing.T, reference, code string, state order.State) string {
	t.Helper()
	p, err := m.StartScript(t.Context(), order.ScriptStart{
		Client: m.client, Token: "sign " + reference, Attempt: "AAAAAAAAAAAAAAAAAAAAAA",
		Claims: order.Claims{
			ClientCode: "site", PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Redirect, ProductSpecCode: code, ProductSpecNo: 1,
			ExternalReference: reference, ReturnURL: "https://site.example/back", IssuedAt: time.Now(), Expiry: time.Now().Add(time.Hour),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.till.set(p.ID, state)
	return p.ID
}

func TestPlaceWithScriptPayment(t *testing.T) {
	t.Parallel()
	for _, state := range []order.State{order.Authorized, order.Captured} {
		m := newMarket(t)
		id := m.scripted(t, "r-1", "A", state)
		p := m.of("", coupon("A"))
		p.PaymentRef = id
		o, err := m.Place(t.Context(), p)
		if err != nil || o.Status != store.OrderHandedOver || o.PaymentID != id || o.Amount != 29900 || o.MerchantID != "main" {
			t.Fatalf("%s: %+v, %v", state, o.Order, err)
		}
		pay, err := m.store.Payment(t.Context(), id)
		if err != nil || pay.Status != store.PaymentCaptured || !slices.Equal(pay.Orders, []int64{o.ID}) {
			t.Errorf("%s: payment %+v, %v", state, pay, err)
		}
		if h := m.desk.taken[o.ID]; h.PaymentRef != id || h.PaidAt.IsZero() {
			t.Errorf("%s: handed over as %+v", state, h)
		}
		if _, err := m.Place(t.Context(), p); field(err) != "mcPayRef" {
			t.Errorf("%s: again: %v", state, err)
		}
	}
}

func TestPlaceRefusesScriptPayment(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	good := m.scripted(t, "good", "A", order.Authorized)
	var other store.Client
	other, err := m.store.Client(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		state  order.State
		change func(p *order.Placement)
		want   string
	}{
		"open":             {order.Open, func(*order.Placement) {}, "mcPayRef"},
		"cancelled":        {order.Cancelled, func(*order.Placement) {}, "mcPayRef"},
		"failed":           {order.Failed, func(*order.Placement) {}, "mcPayRef"},
		"another client":   {order.Authorized, func(p *order.Placement) { p.Client = &other }, "mcPayRef"},
		"another coupon":   {order.Authorized, func(p *order.Placement) { p.Lines[0].SpecCode = "INV" }, "mcPayRef"},
		"more lines":       {order.Authorized, func(p *order.Placement) { p.Lines = append(p.Lines, coupon("INV")) }, "mcPayRef"},
		"two":              {order.Authorized, func(p *order.Placement) { p.Lines[0].Quantity = 2 }, "mcPayRef"},
		"another currency": {order.Authorized, func(p *order.Placement) { p.Currency = "EUR" }, "currency"},
		"another amount":   {order.Authorized, func(p *order.Placement) { p.Amount = new(int64(1)) }, "orderAmount"},
		"another method":   {order.Authorized, func(p *order.Placement) { p.Method = order.VippsEcommerce }, "paymentMethod"},
		"another merchant": {order.Authorized, func(p *order.Placement) { p.MerchantID = "second" }, "merchantId"},
	} {
		p := m.of("", coupon("A"))
		p.PaymentRef = m.scripted(t, name, "A", tt.state)
		tt.change(&p)
		if _, err := m.Place(t.Context(), p); field(err) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		pay, err := m.store.Payment(t.Context(), p.PaymentRef)
		if err != nil || len(pay.Orders) != 0 || pay.Status == store.PaymentCapturing || pay.Status == store.PaymentCaptured {
			t.Errorf("%s: the payment is %s for %v, %v", name, pay.Status, pay.Orders, err)
		}
	}
	m.till.down = true
	p := m.of(order.CreditCard, coupon("A"))
	p.PaymentRef = good
	if _, err := m.Place(t.Context(), p); err == nil || strings.HasPrefix(field(err), "mc") {
		t.Errorf("a provider that is down: %v", err)
	}
	m.till.down = false
	// What was paid for is not refused for a price that has risen since.
	c, err := m.store.Coupon(t.Context(), "p", store.CouponID{Code: "A", Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	c.Price = 99900
	if err := m.store.PutCoupon(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p.Payer.PostalCode = "9008"
	if o, err := m.Place(t.Context(), p); err != nil || o.Amount != 29900 || o.Content.Lines[0].Price != 29900 {
		t.Errorf("after the price has risen: %d, %v", o.Amount, err)
	}
	if m.till.captures != 1 {
		t.Errorf("%d captures", m.till.captures)
	}
}

func TestScriptPaymentClaimRace(t *testing.T) {
	t.Parallel()
	for _, state := range []order.State{order.Authorized, order.Captured} {
		for round := range rounds(t, 5) {
			m := newMarket(t)
			nodes := []*order.Service{m.Service, m.node(t)}
			id := m.scripted(t, "r", "A", state)
			var mu sync.Mutex
			var won []int64
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() {
					p := m.of("", coupon("A"))
					p.PaymentRef = id
					if i%3 > 0 {
						p.ExternalID, p.Body = fmt.Sprint("x-", i), sha256.Sum256([]byte{byte(i)})
					}
					o, err := nodes[i%2].Place(t.Context(), p)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						won = append(won, o.ID)
					} else if field(err) != "mcPayRef" {
						t.Errorf("%v", err)
					}
				})
			}
			wg.Wait()
			pay, err := m.store.Payment(t.Context(), id)
			if err != nil || len(won) != 1 || !slices.Equal(pay.Orders, won) || pay.Status != store.PaymentCaptured || len(m.desk.taken) != 1 || m.till.captures > 1 {
				t.Errorf("%s, round %d: orders %v, payment %+v, %d taken, %d captures, %v", state, round, won, pay, len(m.desk.taken), m.till.captures, err)
			}
		}
	}
}

// One order of many that are placed at once, with a payment of the script.
func TestSameOrderWithScriptPayment(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	nodes := []*order.Service{m.Service, m.node(t)}
	p := m.of("", coupon("A"))
	p.PaymentRef, p.ExternalID = m.scripted(t, "r", "A", order.Authorized), "x"
	ids := make([]int64, 64)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			o, err := nodes[i%2].Place(t.Context(), p)
			if err != nil {
				t.Error(err)
			}
			ids[i] = o.ID
		})
	}
	wg.Wait()
	if ids = slices.Compact(ids); len(ids) != 1 || m.till.captures != 1 || len(m.desk.taken) != 1 {
		t.Errorf("orders %v, %d captures, %d taken", ids, m.till.captures, len(m.desk.taken))
	}
}

func TestOwnership(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	p := m.of(order.Free, coupon("TRY"))
	p.UserID, p.ExternalID = kari, "x"
	o, err := m.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.store.Client(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		client *store.Client
		user   string
		id     int64
		ext    string
		ok     bool
	}{
		"hers": {m.client, kari, o.ID, "x", true}, "the client's": {m.client, "", o.ID, "x", true}, "another user": {m.client, ola, o.ID, "x", false},
		"another client": {&other, "", o.ID, "x", false}, "unknown": {m.client, "", 1, "y", false}, "nothing": {m.client, "", 0, "", false},
	} {
		got, err := m.Order(t.Context(), tt.client, tt.user, tt.id)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, order.ErrNotFound) || err == nil && (got.ID != o.ID || len(got.Content.Lines) != 1) {
			t.Errorf("%s: Order = %+v, %v", name, got.Order, err)
		}
		got, err = m.OrderByExternalID(t.Context(), tt.client, tt.user, tt.ext)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, order.ErrNotFound) || err == nil && got.ID != o.ID {
			t.Errorf("%s: OrderByExternalID = %+v, %v", name, got.Order, err)
		}
	}
	for _, tt := range []struct {
		partner, user string
		want          int
	}{{"p", kari, 1}, {"", kari, 1}, {"q", kari, 0}, {"p", ola, 0}, {"p", "", 0}} {
		if all, err := m.Orders(t.Context(), tt.partner, tt.user); err != nil || len(all) != tt.want {
			t.Errorf("Orders(%q, %q) = %v, %v", tt.partner, tt.user, all, err)
		}
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	var ties []string
	m := newMarket(t, func(c *order.Config) {
		c.Tie = func(_ context.Context, clientID, userID, partnerID string, number int64) error {
			ties = append(ties, fmt.Sprint(clientID, " ", userID, " ", partnerID, " ", number))
			return nil
		}
	})
	l := coupon("TRY")
	l.AccessProduct, l.AccessSeconds = "PAPER", 3600
	o, err := m.Place(t.Context(), m.of(order.Free, l))
	if err != nil || o.UserID != "" || len(ties) != 0 {
		t.Fatalf("%+v, %v, %v", o.Order, err, ties)
	}
	for name, user := range map[string]string{"unknown": "nobody", "none": ""} {
		if _, err := m.Assign(t.Context(), m.client, o.ID, user); !errors.Is(err, order.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if got, err := m.Assign(t.Context(), m.client, o.ID, kari); err != nil || got.UserID != kari {
			t.Errorf("Assign = %+v, %v", got.Order, err)
		}
	}
	if _, err := m.Assign(t.Context(), m.client, o.ID, ola); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("another's order: %v", err)
	}
	if want := []string{"site " + kari + " p 555"}; !slices.Equal(ties, want) {
		t.Errorf("ties %v, want %v", ties, want)
	}
	if !m.reads(t, kari, publisher.Question{Product: "PAPER"}) {
		t.Error("what the order opens meanwhile is closed to its user")
	}
}

// reads asks the access API's question of the user.
func (m *market) reads(t *testing.T, userID string, q publisher.Question) bool {
	t.Helper()
	u, err := m.store.User(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	q.Reader = publisher.ReaderOf(u, "p")
	v, err := m.systems.Check(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return v.Allowed
}

func TestTemporaryAccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		m.desk.err = errors.New("down")
		l := coupon("INV")
		l.AccessProduct, l.AccessSeconds = "APP", 7200
		p := m.of(order.Invoice, l)
		p.UserID = kari
		o, err := m.Place(t.Context(), p)
		if err != nil || o.Status != store.OrderPaid {
			t.Fatalf("%s, %v", o.Status, err)
		}
		if !m.reads(t, kari, publisher.Question{Product: "APP"}) || m.reads(t, kari, publisher.Question{Product: "PAPER"}) || m.reads(t, ola, publisher.Question{Product: "APP"}) {
			t.Error("the order opens what it should not, or not what it should")
		}
		for range 200 { // tried again and again, it is not prolonged
			time.Sleep(time.Minute)
			if _, err := m.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
			if open := m.reads(t, kari, publisher.Question{Product: "APP"}); open != (time.Since(o.CreatedAt) < 2*time.Hour) {
				t.Fatalf("open %v after %v", open, time.Since(o.CreatedAt))
			}
		}
		if m.desk.calls < 10 {
			t.Errorf("%d attempts in 200 minutes", m.desk.calls)
		}
		m.desk.err = nil
		time.Sleep(time.Hour)
		if _, err := m.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o, err := m.Order(t.Context(), m.client, "", o.ID); err != nil || o.Status != store.OrderHandedOver || o.CustomerNumber != 555 || m.desk.taken[o.ID].Contacts[0].Identity != "kari@example.com" {
			t.Errorf("%+v, %v", o.Order, err)
		}
	})
}

func TestHandOverRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		m.desk.err = fmt.Errorf("no such product: %w", order.ErrUnacceptable)
		o, err := m.Place(t.Context(), m.of(order.Invoice, coupon("INV")))
		if err != nil || o.Status != store.OrderPaid {
			t.Fatalf("%s, %v", o.Status, err)
		}
		for range 24 * 3 {
			time.Sleep(time.Hour)
			if _, err := m.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if o, _ := m.Order(t.Context(), m.client, "", o.ID); o.Status != store.OrderPaid || m.desk.calls < 3 || m.desk.calls > 5 {
			t.Errorf("%s after %d attempts in three days", o.Status, m.desk.calls)
		}
	})
}

func TestUnpaidOrderIsClosed(t *testing.T) {
	t.Parallel()
	for _, state := range []order.State{"", order.Open, order.Cancelled, order.Failed, order.Authorized, order.Captured} {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(t)
			l := coupon("A")
			l.VoucherCode = "GIFT"
			p := m.of(order.CreditCard, l, coupon("A"))
			p.UserID = kari
			o, err := m.Place(t.Context(), p)
			if err != nil || o.Status != store.OrderPreliminary || m.spentBy(t, "GIFT") == "" {
				t.Fatalf("%s, %v", o.Status, err)
			}
			if state != "" {
				due, err := m.Pay(t.Context(), order.Checkout{OrderIDs: []int64{o.ID}, UserID: kari, Lang: "nb", ReturnURL: "https://login.example/back"})
				if err != nil {
					t.Fatal(err)
				}
				m.till.set(due.PaymentID, state)
			}
			work := func(within time.Duration) {
				for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Minute) {
					if _, err := m.Work(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			work(23 * time.Hour)
			paid := state == order.Authorized || state == order.Captured
			if m.spentBy(t, "GIFT") == "" {
				t.Errorf("%q: the voucher is released while the order can be paid for", state)
			}
			work(5 * time.Hour)
			got, err := m.Order(t.Context(), m.client, "", o.ID)
			switch {
			case err != nil:
				t.Error(err)
			case paid && (got.Status != store.OrderHandedOver || m.spentBy(t, "GIFT") == "" || len(m.desk.taken) != 1):
				t.Errorf("%q: %s, voucher %q", state, got.Status, m.spentBy(t, "GIFT"))
			case !paid && (got.Status != store.OrderCancelled && got.Status != store.OrderFailed || m.spentBy(t, "GIFT") != "" || len(m.desk.taken) != 0):
				t.Errorf("%q: %s, voucher %q", state, got.Status, m.spentBy(t, "GIFT"))
			}
			if d, err := m.store.ClaimDelivery(t.Context(), store.OrderWork, time.Now().Add(100*time.Hour), time.Now()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: a delivery of %s is left, %v", state, d.ID, err)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		const back = "https://site.example/told?a=1&fulfillmentStatus=x"
		place := func(method order.Method, code string) int64 {
			p := m.of(method, coupon(code))
			p.UserID = kari
			o, err := m.Place(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			return o.ID
		}
		for _, bad := range []string{"https://evil.example/", "http://site.example/", "//site.example/", "nonsense", "https://site.example@evil.example/", "https://169.254.169.254/"} {
			if _, _, _, err := m.Complete(t.Context(), m.client, place(order.Free, "TRY"), bad); field(err) != "callbackUrl" {
				t.Errorf("%s: %v", bad, err)
			}
		}
		other, _ := m.store.Client(t.Context(), "other")
		free := place(order.Free, "TRY")
		for _, id := range []int64{free, 1} {
			if _, _, _, err := m.Complete(t.Context(), &other, id, ""); !errors.Is(err, order.ErrNotFound) {
				t.Errorf("another client's order %d: %v", id, err)
			}
		}
		pay := func(state order.State) int64 {
			id := place(order.CreditCard, "A")
			due, err := m.Pay(t.Context(), order.Checkout{OrderIDs: []int64{id}, UserID: kari, Lang: "nb", ReturnURL: "https://login.example/back"})
			if err != nil {
				t.Fatal(err)
			}
			m.till.set(due.PaymentID, state)
			return id
		}
		for name, tt := range map[string]struct {
			id   int64
			want order.Outcome
			told string
		}{
			"free": {free, order.Success, "success"}, "invoice": {place(order.Invoice, "INV"), order.Success, "success"},
			"to be paid": {place(order.CreditCard, "A"), order.Error, "failed"}, "paid": {pay(order.Authorized), order.Success, "success"},
			"cancelled": {pay(order.Cancelled), order.Error, "failed"}, "failed": {pay(order.Failed), order.Error, "failed"},
			"open": {pay(order.Open), order.Waiting, ""},
		} {
			*m.told = nil
			o, outcome, reason, err := m.Complete(t.Context(), m.client, tt.id, back)
			if err != nil || o.ID != tt.id || outcome != tt.want || (reason == "") != (tt.want == order.Success) {
				t.Errorf("%s: %q, %q, %v", name, outcome, reason, err)
			}
			if _, err := m.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := []string{"https://site.example/told?a=1&fulfillmentStatus=" + tt.told}
			if tt.told == "" {
				want = nil
			}
			if !slices.Equal(*m.told, want) {
				t.Errorf("%s: told %v, want %v", name, *m.told, want)
			}
			if name != "open" {
				continue
			}
			p, err := m.store.Order(t.Context(), tt.id)
			if err != nil {
				t.Fatal(err)
			}
			m.till.set(p.PaymentID, order.Captured)
			*m.notify = errors.New("the site is down")
			for i := range 120 {
				time.Sleep(time.Minute)
				if i == 60 {
					*m.notify = nil
					*m.told = nil
				}
				if _, err := m.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if want := []string{"https://site.example/told?a=1&fulfillmentStatus=success"}; !slices.Equal(*m.told, want) {
				t.Errorf("told %v, want %v", *m.told, want)
			}
		}
		// The client's record decides at the time of the call.
		*m.told = nil
		if _, _, _, err := m.Complete(t.Context(), m.client, free, back); err != nil {
			t.Fatal(err)
		}
		changed := *m.client
		changed.Targets = []string{"https://elsewhere.example/"}
		if err := m.store.PutClient(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Work(t.Context()); err != nil || len(*m.told) != 0 {
			t.Errorf("an address that is no longer the client's was fetched: %v, %v", *m.told, err)
		}
	})
}

// tie is what the kit does with the accounts, on the store alone.
func (m *market) tie(ctx context.Context, _, userID, partnerID string, number int64) error {
	u, err := m.store.User(ctx, userID)
	if err != nil || u.CustomerNumber(partnerID) != 0 {
		return err
	}
	u.Ties = append(slices.Clone(u.Ties), store.Tie{Kind: store.CustomerTie, PartnerID: partnerID, Number: strconv.FormatInt(number, 10)})
	return m.store.UpdateUser(ctx, u)
}

func newStoreMarket(t *testing.T) *market {
	var m *market
	m = newMarket(t, func(c *order.Config) {
		c.Desks = nil
		c.Tie = func(ctx context.Context, clientID, userID, partnerID string, number int64) error {
			return m.tie(ctx, clientID, userID, partnerID, number)
		}
	})
	return m
}

func TestStoreDesk(t *testing.T) {
	t.Parallel()
	m := newStoreMarket(t)
	gift := coupon("A")
	gift.VoucherCode, gift.AccessProduct, gift.AccessSeconds = "GIFT", "PAPER", 3600
	mother := order.Person{LastName: "Hansen", PostalCode: "5003", PhoneNumbers: []string{"+47 900 12 345"}, Street: "Torget", StreetNumber: "2", COAddress: "Berg", PostalPlace: "Bergen"}
	hers := order.Line{SpecType: "issue", SpecCode: "PAPER-47", Receiver: &mother, UnitPrice: new(int64(0))}
	article := order.Line{SpecType: "article", SpecCode: "a-1", UnitPrice: new(int64(0))}
	p := m.of(order.Free, gift, article, hers)
	c := *m.client
	c.PriceOverride = true
	p.Client, p.UserID = &c, kari
	o, err := m.Place(t.Context(), p)
	if err != nil || o.Status != store.OrderHandedOver || o.CustomerNumber != store.FirstCustomer {
		t.Fatalf("%+v, %v", o.Order, err)
	}
	for _, q := range []publisher.Question{{Product: "PAPER"}, {Product: "APP"}, {ArticleID: "a-1"}} {
		if !m.reads(t, kari, q) || m.reads(t, ola, q) {
			t.Errorf("%+v: kari %v, ola %v", q, m.reads(t, kari, q), m.reads(t, ola, q))
		}
	}
	if m.reads(t, kari, publisher.Question{Product: "PAPER-47"}) {
		t.Error("the payer has what another received")
	}
	mothers, err := m.store.Customer(t.Context(), "p", store.FirstCustomer+1)
	if err != nil || mothers.LastName != "Hansen" || mothers.Street != "c/o Berg, Torget 2" || len(mothers.Contacts) != 1 || mothers.Contacts[0].Identity != "+4790012345" {
		t.Errorf("%+v, %v", mothers, err)
	}
	if v, err := m.systems.Check(t.Context(), publisher.Question{Reader: publisher.Reader{PartnerID: "p", Customers: []int64{mothers.Number}}, Product: "PAPER-47"}); err != nil || !v.Allowed {
		t.Errorf("the receiver's issue: %+v, %v", v, err)
	}
	for a, err := range m.store.UserAccesses(t.Context(), "p", kari) {
		if err != nil || a.Product == "PAPER" {
			t.Errorf("temporary access lasts: %+v, %v", a, err)
		}
	}
	subs, err := m.systems.Customers("p").Subscriptions(t.Context(), "p", o.CustomerNumber)
	if err != nil || len(subs) != 2 {
		t.Fatalf("%+v, %v", subs, err)
	}
	for _, s := range subs {
		if !s.Paid || !s.EndsAt.Equal(publisher.PeriodEnd(store.Period{Length: 1, Unit: store.Months}, s.StartsAt)) || s.Price != 0 {
			t.Errorf("%+v", s)
		}
	}
	// Another order of hers is the same customer's.
	p = m.of(order.Invoice, coupon("INV"))
	p.UserID = kari
	start := time.Now().AddDate(0, 1, 0)
	p.Lines[0].StartDate, p.Lines[0].AccessProduct, p.Lines[0].AccessSeconds = start, "APP", 60
	again, err := m.Place(t.Context(), p)
	if err != nil || again.CustomerNumber != o.CustomerNumber {
		t.Fatalf("%+v, %v", again.Order, err)
	}
	s, err := m.store.Subscription(t.Context(), fmt.Sprintf("order:%d:0", again.ID))
	if err != nil || s.Paid || s.Payment != "invoice" || s.Price != 39900 || s.StartsAt.Sub(start).Abs() > time.Second || s.Name != "By invoice" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestStoreDeskRefuses(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	d := order.NewStoreDesk(m.store)
	h := order.HandOver{OrderID: 1, PartnerID: "p", CustomerNumber: 99, Content: order.Content{Payer: payer}}
	if _, err := d.Take(t.Context(), h); !errors.Is(err, order.ErrUnacceptable) {
		t.Errorf("a customer that does not exist: %v", err)
	}
	if _, err := d.Take(t.Context(), order.HandOver{}); !errors.Is(err, order.ErrUnacceptable) {
		t.Errorf("nothing: %v", err)
	}
}

// Cut off at any call, or taken by many at once, an order makes nothing twice.
func TestStoreDeskOnce(t *testing.T) {
	t.Parallel()
	mother := order.Person{LastName: "Hansen", PostalCode: "5003", PhoneNumbers: []string{"+4790012345"}}
	h := order.HandOver{
		OrderID: 7, PartnerID: "p", UserID: kari, Amount: 1, Currency: "NOK", OrderedAt: time.Now(), PaidAt: time.Now(),
		Content: order.Content{Method: order.CreditCard, Payer: payer, Lines: []order.Line{
			{SpecType: "coupon", SpecCode: "A", SpecNo: 1, Product: "PAPER", ProductType: store.SubscriptionProduct, Quantity: 1, Period: order.Period{Length: 1, Unit: store.Months}, ExtraProducts: []string{"APP"}},
			{SpecType: "article", SpecCode: "a-1", Quantity: 1, Receiver: &mother},
			{SpecType: "article", SpecCode: "a-2", Quantity: 1, Receiver: &mother},
			{SpecType: "product", SpecCode: "EBOOK", Product: "EBOOK", Digital: true, Quantity: 1},
		}},
	}
	check := func(name string, m *market, want order.Receipt) {
		t.Helper()
		if want.CustomerNumber != store.FirstCustomer {
			t.Errorf("%s: receipt %+v", name, want)
		}
		if _, err := m.store.Customer(t.Context(), "p", store.FirstCustomer+2); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: a third customer: %v", name, err)
		}
		for number, want := range map[int64][2]int{store.FirstCustomer: {2, 1}, store.FirstCustomer + 1: {0, 2}} {
			subs, accesses := 0, 0
			for _, err := range m.store.CustomerSubscriptions(t.Context(), "p", number) {
				if subs++; err != nil {
					t.Error(err)
				}
			}
			for _, err := range m.store.CustomerAccesses(t.Context(), "p", number) {
				if accesses++; err != nil {
					t.Error(err)
				}
			}
			if got := [2]int{subs, accesses}; got != want {
				t.Errorf("%s: customer %d has %v subscriptions and accesses, want %v", name, number, got, want)
			}
		}
	}
	for _, method := range []string{"CreateCustomer", "Subscription", "PutSubscription", "PutAccess", "CustomerAccesses", "Product"} {
		for nth := 1; nth <= 3; nth++ {
			for _, after := range []bool{false, true} {
				m := newMarket(t)
				d := order.NewStoreDesk(m.store)
				m.store.Inject(storetest.Fault{Method: method, Nth: nth, After: after})
				_, _ = d.Take(t.Context(), h)
				m.store.Heal()
				var got order.Receipt
				for range 2 {
					var err error
					if got, err = d.Take(t.Context(), h); err != nil {
						t.Errorf("%s, call %d: %v", method, nth, err)
					}
				}
				check(fmt.Sprintf("%s, call %d, after %v", method, nth, after), m, got)
			}
		}
	}
	m := newMarket(t)
	var got order.Receipt
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			r, err := order.NewStoreDesk(m.store).Take(t.Context(), h)
			if err != nil {
				t.Error(err)
			}
			_ = r
		})
	}
	wg.Wait()
	got, err := order.NewStoreDesk(m.store).Take(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	check("many at once", m, got)
	// What the publisher has changed since stays as it is.
	s, err := m.store.Subscription(t.Context(), "order:7:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Stopped = true
	if err := m.store.PutSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := order.NewStoreDesk(m.store).Take(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if s, err = m.store.Subscription(t.Context(), "order:7:0"); err != nil || !s.Stopped {
		t.Errorf("%+v, %v", s, err)
	}
}

// An order of an account that was deleted is nobody's for good, and is handed over
// with who pays all the same; then that is forgotten.
func TestForgottenOrder(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.desk.err = errors.New("down")
	p := m.of(order.Invoice, coupon("INV"))
	p.UserID = kari
	o, err := m.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.CommitOrders(t.Context(), []store.Order{order.Forget(o.Order)}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Assign(t.Context(), m.client, o.ID, ola); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("it becomes another's: %v", err)
	}
	m.desk.err = nil
	if _, outcome, _, err := m.Complete(t.Context(), m.client, o.ID, ""); err != nil || outcome != order.Success {
		t.Errorf("%q, %v", outcome, err)
	}
	if h := m.desk.taken[o.ID]; h.Content.Payer.LastName != "Nordmann" || h.UserID != "" {
		t.Errorf("handed over as %+v", h)
	}
	if got, err := m.Order(t.Context(), m.client, "", o.ID); err != nil || got.Status != store.OrderHandedOver || got.Content.Payer.LastName != "" {
		t.Errorf("kept as %+v, %v", got, err)
	}
}

func TestTieFollowsTheHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("down")
		var tied []int64
		m := newMarket(t, func(c *order.Config) {
			c.Tie = func(_ context.Context, _, _, _ string, number int64) error {
				if fault == nil {
					tied = append(tied, number)
				}
				return fault
			}
		})
		p := m.of(order.Free, coupon("TRY"))
		p.UserID = kari
		if o, err := m.Place(t.Context(), p); err != nil || o.Status != store.OrderHandedOver {
			t.Fatalf("%s, %v", o.Status, err)
		}
		fault = nil
		time.Sleep(time.Hour)
		if _, err := m.Work(t.Context()); err != nil || !slices.Equal(tied, []int64{555}) || m.desk.calls != 1 {
			t.Errorf("tied %v, %d calls, %v", tied, m.desk.calls, err)
		}
		// A number that an order names says nothing of its user.
		p = m.of(order.Free, coupon("TRY"))
		p.UniqueUserID, p.Payer.CustomerNumber = kari, 17
		if _, err := m.Place(t.Context(), p); err != nil || len(tied) != 1 {
			t.Errorf("tied %v, %v", tied, err)
		}
	})
}

// Anybody may write what an order says of its payer, and the publisher finds a
// customer by that.
func TestTieNeedsAProvedPayer(t *testing.T) {
	t.Parallel()
	victim, mixed, none := payer, payer, payer
	victim.Emails = []string{"victim@example.com"}
	mixed.Emails = []string{"kari@example.com", "victim@example.com"}
	none.Emails, none.PhoneNumbers = nil, []string{"+4790012345"}
	for name, tt := range map[string]struct {
		payer order.Person
		isNew bool
		late  bool // the order is nobody's when it is handed over
		tied  bool
	}{
		"her own":                              {payer: payer, tied: true},
		"another's address":                    {payer: victim},
		"another's beside hers":                {payer: mixed},
		"a number that is not proved":          {payer: none},
		"another's address, a new customer":    {payer: victim, isNew: true, tied: true},
		"her own, assigned":                    {payer: payer, late: true, tied: true},
		"another's address, assigned":          {payer: victim, late: true},
		"a customer that was new, and no hers": {payer: victim, isNew: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down, ties := true, 0
				m := newMarket(t, func(c *order.Config) {
					c.Tie = func(context.Context, string, string, string, int64) error {
						if down {
							return errors.New("down")
						}
						ties++
						return nil
					}
				})
				m.desk.isNew = tt.isNew
				p := m.of(order.Free, coupon("TRY"))
				if p.Payer = tt.payer; !tt.late {
					p.UserID = kari
				}
				o, err := m.Place(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if tt.late {
					if o, err = m.Assign(t.Context(), m.client, o.ID, kari); err != nil {
						t.Fatal(err)
					}
				}
				// It is the same when it is done later, from what is stored.
				down = false
				time.Sleep(time.Hour)
				if _, err := m.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !tt.late && (ties == 1) != tt.tied {
					t.Errorf("tied %d times, want %v", ties, tt.tied)
				}
				if o, err = m.Order(t.Context(), m.client, "", o.ID); err != nil {
					t.Fatal(err)
				}
				u, err := m.store.User(t.Context(), kari)
				if err != nil {
					t.Fatal(err)
				}
				if number, ok := o.CustomerOf(u); ok != tt.tied || ok && number != 555 {
					t.Errorf("her number by it is %d, %v", number, ok)
				}
				if _, ok := o.CustomerOf(store.User{ID: ola}); ok {
					t.Error("it is anybody's")
				}
			})
		})
	}
}

// What a line of an issue or an article says of a product opens no more than what is
// bought.
func TestTemporaryAccessOfArticle(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"product", "allowAccessProduct"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMarket(t)
			m.client.Public = true
			m.desk.err = errors.New("down")
			l := order.Line{SpecType: "article", SpecCode: "PAPER-47", Product: "PAPER", AccessSeconds: 7200}
			if name == "allowAccessProduct" {
				l.AccessProduct = "PAPER"
			}
			p := m.of(order.CreditCardPayEx, l)
			p.UserID = kari
			o, err := m.Place(t.Context(), p)
			if name == "allowAccessProduct" {
				if got := field(err); got != "orderLines[0].allowAccessProduct" {
					t.Errorf("placed: %v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			due, err := m.Pay(t.Context(), order.Checkout{OrderIDs: []int64{o.ID}, UserID: kari, ReturnURL: "https://login.example/back"})
			if err != nil {
				t.Fatal(err)
			}
			m.till.set(due.PaymentID, order.Authorized)
			if _, err := m.Settle(t.Context(), due.PaymentID); err != nil {
				t.Fatal(err)
			}
			if m.reads(t, kari, publisher.Question{Product: "PAPER"}) {
				t.Error("an article opens the whole paper")
			}
			if !m.reads(t, kari, publisher.Question{Product: "PAPER", ArticleID: "PAPER-47"}) && !m.reads(t, kari, publisher.Question{Product: "PAPER-47"}) {
				t.Error("the article is not open")
			}
		})
	}
}

// interrupted is a store at which something happens when a payment is read.
type interrupted struct {
	order.Store
	at func()
}

func (s *interrupted) Payment(ctx context.Context, id string) (store.Payment, error) {
	if at := s.at; at != nil {
		s.at = nil
		at()
	}
	return s.Store.Payment(ctx, id)
}

// An order that is paid for by another payment while it is being closed stays paid.
func TestOrderIsPaidWhileItIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		o, err := m.Place(t.Context(), m.of(order.CreditCardPayEx, coupon("A")))
		if err != nil {
			t.Fatal(err)
		}
		due, err := m.Pay(t.Context(), order.Checkout{OrderIDs: []int64{o.ID}, UserID: kari, ReturnURL: "https://login.example/back"})
		if err != nil {
			t.Fatal(err)
		}
		m.till.set(due.PaymentID, order.Failed)
		if _, err := m.Settle(t.Context(), due.PaymentID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // the payment's own work is done
		if _, err := m.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		m.config.Store = &interrupted{Store: m.store, at: func() {
			o, err := m.store.Order(t.Context(), o.ID)
			if err != nil {
				t.Fatal(err)
			}
			p, err := m.store.Payment(t.Context(), due.PaymentID)
			if err != nil {
				t.Fatal(err)
			}
			p.ID, p.Version, p.Status = "ANOTHERPAYMENT", 0, store.PaymentCaptured
			o.PaymentID, o.Status = p.ID, store.OrderPaid
			if err := m.store.CommitOrders(t.Context(), []store.Order{o}, []store.Payment{p}); err != nil {
				t.Fatal(err)
			}
		}}
		late := m.node(t)
		for range 5 {
			if _, err := late.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if o, err := m.store.Order(t.Context(), o.ID); err != nil || o.Status != store.OrderHandedOver {
			t.Errorf("the order is %s, %v", o.Status, err)
		}
	})
}
