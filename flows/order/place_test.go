package order_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

const (
	kari = "0123456789abcdef0123456789abcdef"
	ola  = "fedcba9876543210fedcba9876543210"
)

// till is a provider whose payments stand as a test says.
type till struct {
	mu       sync.Mutex
	states   map[string]order.State
	amounts  map[string]order.Start
	captures int
	down     bool
}

func (p *till) Start(_ context.Context, s order.Start) (order.Started, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.amounts[s.ID] = s
	if p.states[s.ID] == "" {
		p.states[s.ID] = order.Open
	}
	return order.Started{Ref: "ref-" + s.ID, RedirectURL: "https://till.example/" + s.ID}, nil
}

func (p *till) set(id string, state order.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[id] = state
}

func (p *till) Standing(_ context.Context, r order.Ref) (order.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return order.Standing{}, errors.New("the till is down")
	}
	s := p.amounts[r.ID]
	return order.Standing{State: p.states[r.ID], Amount: s.Amount, Currency: s.Currency}, nil
}

func (p *till) act(r order.Ref, from, to order.State) (order.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.amounts[r.ID]
	if p.states[r.ID] == from {
		p.states[r.ID] = to
		if to == order.Captured {
			p.captures++
		}
	}
	return order.Standing{State: p.states[r.ID], Amount: s.Amount, Currency: s.Currency}, nil
}

func (p *till) Capture(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return p.act(r, order.Authorized, order.Captured)
}

func (p *till) Cancel(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	if _, err := p.act(r, order.Open, order.Released); err != nil {
		return order.Standing{}, err
	}
	return p.act(r, order.Authorized, order.Released)
}

func (p *till) Refund(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return p.act(r, order.Captured, order.Refunded)
}

func (p *till) Callback(context.Context, order.Callback) (string, error) {
	return "", order.ErrForged
}

// counter is a publisher's system that takes each order once.
type counter struct {
	mu    sync.Mutex
	taken map[int64]order.HandOver
	calls int
	err   error
	isNew bool // the customers that it names
}

func (c *counter) Take(_ context.Context, h order.HandOver) (order.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.err != nil {
		return order.Receipt{}, c.err
	}
	c.taken[h.OrderID] = h
	return order.Receipt{CustomerNumber: 555, New: c.isNew}, nil
}

// market is a service with a small catalogue at the partner p.
type market struct {
	*order.Service
	store   *storetest.Faulty
	systems *publisher.Systems
	till    *till
	desk    *counter
	client  *store.Client
	config  order.Config
	told    *[]string
	notify  *error
}

func newMarket(t *testing.T, change ...func(*order.Config)) *market {
	t.Helper()
	ring, err := keys.New([][]byte{[]byte("an odd key of thirty-two bytes..")})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	var fault error
	var mu sync.Mutex
	m := &market{store: storetest.NewFaulty(memstore.New()), told: &told, notify: &fault,
		till: &till{states: map[string]order.State{}, amounts: map[string]order.Start{}}, desk: &counter{taken: map[int64]order.HandOver{}}}
	if m.systems, err = publisher.New(publisher.Config{Store: m.store}); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	month := store.Period{Length: 1, Unit: store.Months}
	m.client = &store.Client{ID: "site", PartnerID: "p", Name: "The Paper", Targets: []string{"https://site.example/"}}
	other := *m.client
	other.ID = "other"
	paper := store.Product{PartnerID: "p", Code: "PAPER", Description: "The Paper", Type: store.SubscriptionProduct, Currency: "NOK", VATPercent: 2500, VATIncluded: true, WebOfferPrice: 100,
		Distribution: []store.Distribution{{Country: "NO", PostalPrefix: "9", Price: 5000}}}
	for _, err := range []error{
		m.store.PutClient(ctx, *m.client), m.store.PutClient(ctx, other),
		m.store.PutProduct(ctx, paper),
		m.store.PutProduct(ctx, store.Product{PartnerID: "p", Code: "APP", Description: "The app", Type: store.SubscriptionProduct, Digital: true, Currency: "NOK", VATIncluded: true}),
		m.store.PutProduct(ctx, store.Product{PartnerID: "p", Code: "BOOK", Description: "A book", Type: "book", WebOfferPrice: 20000, Currency: "NOK", VATPercent: 2500}),
		m.store.PutProduct(ctx, store.Product{PartnerID: "p", Code: "EBOOK", Description: "An e-book", Type: "book", Digital: true, WebOfferPrice: 9900, Currency: "EUR", VATIncluded: true}),
		m.store.PutProduct(ctx, store.Product{PartnerID: "p", Code: "PAPER-47", Description: "No. 47", Type: "issue", Digital: true, WebOfferPrice: 4000, Currency: "NOK", VATIncluded: true}),
		m.store.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "A", Number: 1, Product: "PAPER", Description: "A month", Price: 29900, Currency: "NOK", Period: month,
			Renewal: store.Renewal{Price: 39900, Period: month}, ExtraProducts: []store.ExtraProduct{{Product: "APP"}}}),
		m.store.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "INV", Number: 1, Product: "PAPER", Description: "By invoice", Price: 39900, Currency: "NOK", Invoice: true, Period: month}),
		m.store.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "TRY", Number: 1, Product: "APP", Description: "Try it", Period: month}),
		m.store.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "EUR", Number: 1, Product: "APP", Price: 900, Currency: "EUR", Period: month}),
		m.store.PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: "GIFT", Coupons: []store.CouponID{{Code: "A", Number: 1}}}),
		m.store.PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: "GIFT2", Coupons: []store.CouponID{{Code: "A", Number: 1}}}),
		m.store.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 17, LastName: "Nordmann", PostalCode: "0150"}),
		m.store.CreateUser(ctx, store.User{ID: kari, Number: 1, Credentials: []store.Credential{{Kind: store.Email, Identity: "kari@example.com", Spelling: "kari@example.com", VerifiedAt: time.Now()}}}),
		m.store.CreateUser(ctx, store.User{ID: ola, Number: 2, Ties: []store.Tie{{Kind: store.CustomerTie, PartnerID: "p", Number: "17"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.config = order.Config{
		Store: m.store, Clients: m.store, Keys: ring, Publishers: m.systems,
		Merchants: []order.Merchant{
			{ID: "main", PartnerID: "p", Default: true, Providers: map[order.Method]order.Provider{order.CreditCardPayEx: m.till, order.VippsRecurring: m.till, order.VippsEcommerce: m.till}},
			{ID: "second", PartnerID: "p", Providers: map[order.Method]order.Provider{order.CreditCardPayEx: m.till}},
			{ID: "foreign", PartnerID: "q", Default: true, Providers: map[order.Method]order.Provider{order.KlarnaCheckout: m.till}},
		},
		Desks:       map[string]order.Desk{"p": m.desk},
		CallbackURL: "https://login.example/callback", ScriptReturnURL: "https://login.example/return",
		Notify: func(_ context.Context, address string) error {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, address)
			return fault
		},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, f := range change {
		f(&m.config)
	}
	if m.Service, err = order.New(m.config); err != nil {
		t.Fatal(err)
	}
	return m
}

// node is another service on the same store.
func (m *market) node(t *testing.T) *order.Service {
	t.Helper()
	s, err := order.New(m.config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var payer = order.Person{FirstName: "Kari", LastName: "Nordmann", Street: "Storgata", StreetNumber: "1", PostalCode: "0150", PostalPlace: "Oslo", Emails: []string{"Kari@Example.com"}}

// of is a placement of the lines with the method.
func (m *market) of(method order.Method, lines ...order.Line) order.Placement {
	return order.Placement{Client: m.client, Content: order.Content{Method: method, Payer: payer, Lines: lines}}
}

func coupon(code string) order.Line {
	return order.Line{SpecType: "coupon", SpecCode: code, SpecNo: 1}
}

func (m *market) spentBy(t *testing.T, code string) string {
	t.Helper()
	v, err := m.store.Voucher(t.Context(), "p", code)
	if err != nil {
		t.Fatal(err)
	}
	return v.SpentBy
}

func field(err error) string {
	if e, ok := errors.AsType[*order.RefusedError](err); ok {
		return e.Field
	}
	return fmt.Sprint(err)
}

func TestPlaceRefuses(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	now := time.Now()
	type c = order.Content
	line := func(f func(l *order.Line)) func(*c) { return func(p *c) { f(&p.Lines[0]) } }
	for _, tt := range []struct {
		want   string
		change func(p *c)
	}{
		{"externalOrderId", func(p *c) { p.ExternalID = strings.Repeat("å", 41) }},
		{"externalOrderId", func(p *c) { p.ExternalID = "a\x00b" }},
		{"orderDate", func(p *c) { p.OrderDate = now.Add(48 * time.Hour) }},
		{"orderDate", func(p *c) { p.OrderDate = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"paymentMethod", func(p *c) { p.Method = "cheque" }},
		{"paymentMethod", func(p *c) { p.Method = "" }},
		{"paymentMethod", func(p *c) { p.Method = order.Free }},
		{"paymentMethod", func(p *c) { p.Method = order.Invoice }},
		{"paymentMethod", func(p *c) { p.Method = order.SMS }},
		{"paymentMethod", func(p *c) { p.Method = order.KlarnaCheckout }},
		{"paymentMethod", func(p *c) { p.Method = order.SwishPayEx }},
		{"paymentMethod", func(p *c) { p.Method = order.Nexi }},
		{"paymentMethod", func(p *c) { p.Method = order.OtherMethod }},
		{"recurring", func(p *c) { p.Method, p.Recurring = order.VippsEcommerce, true }},
		{"merchantId", func(p *c) { p.MerchantID = "foreign" }},
		{"merchantId", func(p *c) { p.MerchantID = "nobody" }},
		{"merchantId", func(p *c) { p.MerchantID, p.Method = "second", order.VippsEcommerce }},
		{"orderAmount", func(p *c) { p.Amount = new(int64(29901)) }},
		{"orderAmount", func(p *c) { p.Amount = new(int64(-1)) }},
		{"currency", func(p *c) { p.Currency = "nok" }},
		{"currency", func(p *c) { p.Currency = "SEK" }},
		{"marketingCouponNumber", func(p *c) { p.MarketingCode = "A" }},
		{"marketingCouponCode", func(p *c) { p.MarketingNumber = 1 }},
		{"marketingCouponCode", func(p *c) { p.MarketingCode, p.MarketingNumber = "X", 1 }},
		{"companyCode", func(p *c) { p.CompanyCode = strings.Repeat("x", 101) }},
		{"customerReference", func(p *c) { p.CustomerReference = "a\nb" }},
		{"seller", func(p *c) { p.Seller = "\xff" }},
		{"salesMethod", func(p *c) { p.SalesMethod = strings.Repeat("x", 201) }},
		{"uniqueUserId", func(p *c) { p.UniqueUserID = "nobody" }},
		{"paymentInfo", func(p *c) { p.Prepaid = true }},
		{"mcPayRef", func(p *c) { p.Prepaid, p.PaymentInfo, p.PaymentRef = true, "x", "y" }},
		{"mcPayRef", func(p *c) { p.PaymentRef = "unknown" }},
		{"orderLines", func(p *c) { p.Lines = nil }},
		{"orderLines", func(p *c) { p.Lines = make([]order.Line, 101) }},
		{"payer", func(p *c) { p.Payer = order.Person{} }},
		{"payer.lastName", func(p *c) { p.Payer.LastName = " " }},
		{"payer.postalCode", func(p *c) { p.Payer.PostalCode = "" }},
		{"payer.countryCode", func(p *c) { p.Payer.CountryCode = "UK" }},
		{"payer.emails", func(p *c) { p.Payer.Emails = nil }},
		{"payer.emails", func(p *c) { p.Payer.Emails = make([]string, 11) }},
		{"payer.emails[0]", func(p *c) { p.Payer.Emails = []string{"kari"} }},
		{"payer.emails[1]", func(p *c) { p.Payer.Emails = []string{"a@b.no", "Kari <a@b.no>"} }},
		{"payer.phoneNumbers[0]", func(p *c) { p.Payer.PhoneNumbers = []string{"90012345"} }},
		{"payer.phoneNumbers[0]", func(p *c) { p.Payer.PhoneNumbers = []string{"+4712"} }},
		{"payer.birthDate", func(p *c) { p.Payer.BirthDate = "1.2.1990" }},
		{"payer.birthDate", func(p *c) { p.Payer.BirthDate = now.AddDate(1, 0, 0).Format(time.DateOnly) }},
		{"payer.street", func(p *c) { p.Payer.Street = strings.Repeat("x", 201) }},
		{"payer.customerNumber", func(p *c) { p.Payer.CustomerNumber = -1 }},
		{"payer.customerNumber", func(p *c) { p.Payer.CustomerNumber = 99 }},
		{"orderLines[0].productSpecType", line(func(l *order.Line) { l.SpecType = "" })},
		{"orderLines[0].productSpecType", line(func(l *order.Line) { l.SpecType = "Coupon" })},
		{"orderLines[0].productSpecCode", line(func(l *order.Line) { l.SpecCode = "" })},
		{"orderLines[0].productSpecCode", line(func(l *order.Line) { l.SpecCode = "X" })},
		{"orderLines[0].productSpecNo", line(func(l *order.Line) { l.SpecNo = 0 })},
		{"orderLines[0].productSpecCode", line(func(l *order.Line) { l.SpecNo = 2 })},
		{"orderLines[0].product", line(func(l *order.Line) { l.Product = "APP" })},
		{"orderLines[0].quantity", line(func(l *order.Line) { l.Quantity = -1 })},
		{"orderLines[0].quantity", line(func(l *order.Line) { l.Quantity = 10001 })},
		{"orderLines[0].quantity", line(func(l *order.Line) { l.Quantity, l.VoucherCode = 2, "GIFT" })},
		{"orderLines[0].unitPrice", line(func(l *order.Line) { l.UnitPrice = new(int64(1)) })},
		{"orderLines[0].unitPrice", line(func(l *order.Line) { l.UnitPrice = new(int64(-1)) })},
		{"orderLines[0].voucherCode", line(func(l *order.Line) { l.VoucherCode = "nope" })},
		{"orderLines[0].voucherCode", line(func(l *order.Line) { l.SpecCode, l.VoucherCode = "INV", "GIFT" })},
		{"orderLines[0].voucherCode", line(func(l *order.Line) {
			*l = order.Line{SpecType: "product", SpecCode: "BOOK", VoucherCode: "GIFT"}
		})},
		{"orderLines[1].voucherCode", func(p *c) {
			p.Lines[0].VoucherCode = "GIFT"
			p.Lines = append(p.Lines, p.Lines[0])
		}},
		{"orderLines[0].allowAccessSeconds", line(func(l *order.Line) { l.AccessProduct = "PAPER" })},
		{"orderLines[0].allowAccessSeconds", line(func(l *order.Line) { l.AccessSeconds = 32 * 24 * 3600 })},
		{"orderLines[0].allowAccessProduct", line(func(l *order.Line) { l.AccessProduct, l.AccessSeconds = "NOPE", 60 })},
		{"orderLines[0].startInfo.startDate", line(func(l *order.Line) { l.StartDate = now.AddDate(2, 0, 0) })},
		{"orderLines[0].receiver.postalCode", line(func(l *order.Line) { l.Receiver = &order.Person{LastName: "x", Emails: payer.Emails} })},
		{"orderLines[0].receiver.customerNumber", line(func(l *order.Line) { r := payer; r.CustomerNumber = 99; l.Receiver = &r })},
		{"orderLines[0].productSpecType", line(func(l *order.Line) { *l = order.Line{SpecType: "product", SpecCode: "PAPER"} })},
		{"orderLines[0].productSpecCode", line(func(l *order.Line) { *l = order.Line{SpecType: "product", SpecCode: "NOPE"} })},
		{"orderLines[0].product", line(func(l *order.Line) { *l = order.Line{SpecType: "product", SpecCode: "BOOK", Product: "APP"} })},
		{"orderLines[0].unitPrice", line(func(l *order.Line) { *l = order.Line{SpecType: "article", SpecCode: "article-1"} })},
		{"orderLines[0].unitPrice", line(func(l *order.Line) {
			*l = order.Line{SpecType: "article", SpecCode: "article-1", UnitPrice: new(int64(100))}
		})},
		{"orderLines[1]", func(p *c) { p.Lines = append(p.Lines, coupon("EUR")) }},
	} {
		p := m.of(order.CreditCard, coupon("A"))
		tt.change(&p.Content)
		_, err := m.Place(t.Context(), p)
		if field(err) != tt.want {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
	m.client.Public, m.client.PriceOverride = true, true
	p := m.of(order.OtherMethod, coupon("A"))
	p.Prepaid, p.PaymentInfo = true, "in the shop"
	if _, err := m.Place(t.Context(), p); field(err) != "prepaid" {
		t.Errorf("a public client says that it was paid: %v", err)
	}
	p = m.of(order.CreditCard, coupon("A"))
	p.Lines[0].UnitPrice = new(int64(1))
	if _, err := m.Place(t.Context(), p); field(err) != "orderLines[0].unitPrice" {
		t.Errorf("a public client sets its price: %v", err)
	}
	for _, code := range []string{"GIFT", "GIFT2"} {
		if by := m.spentBy(t, code); by != "" {
			t.Errorf("%s is spent on %s", code, by)
		}
	}
	if d, err := m.store.ClaimDelivery(t.Context(), store.OrderWork, now.Add(time.Hour), now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a delivery is left: %+v, %v", d, err)
	}
	if m.desk.calls != 0 {
		t.Error("something was handed over")
	}
}

func TestPlaceForUsers(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	for _, tt := range []struct {
		token, named string
		customer     int64
		wantField    string
		wantUser     string
		wantCustomer int64
	}{
		{kari, "", 0, "", kari, 0}, {kari, kari, 0, "", kari, 0}, {kari, ola, 0, "uniqueUserId", "", 0},
		{"", kari, 0, "", kari, 0}, {"", "nobody", 0, "uniqueUserId", "", 0}, {"", "", 0, "", "", 0},
		{ola, "", 0, "", ola, 17}, {ola, "", 17, "", ola, 17}, {kari, "", 17, "payer.customerNumber", "", 0},
		{kari, "", 99, "payer.customerNumber", "", 0}, // not told apart
		{"", "", 17, "", "", 17}, {"", kari, 17, "", kari, 17},
	} {
		p := m.of(order.CreditCard, coupon("A"))
		p.UserID, p.UniqueUserID, p.Payer.CustomerNumber = tt.token, tt.named, tt.customer
		o, err := m.Place(t.Context(), p)
		if tt.wantField != "" {
			if field(err) != tt.wantField {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if err != nil || o.UserID != tt.wantUser || o.CustomerNumber != tt.wantCustomer || o.ID <= 0 || o.ID >= 1<<53 {
			t.Errorf("%+v: %+v, %v", tt, o.Order, err)
		}
	}
	p := m.of(order.CreditCard, coupon("A"))
	receiver := payer
	receiver.CustomerNumber, receiver.FirstName = 17, "Other"
	p.UserID, p.Lines[0].Receiver = kari, &receiver
	if _, err := m.Place(t.Context(), p); field(err) != "orderLines[0].receiver.customerNumber" {
		t.Errorf("a user names another customer: %v", err)
	}
}

func TestPlacePrices(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	far := payer
	far.PostalCode = "9008"
	for name, tt := range map[string]struct {
		change   func(p *order.Placement)
		override bool
		amount   int64
		vat      int64 // of the first line
		currency string
	}{
		"a coupon":                 {func(p *order.Placement) {}, false, 29900, 5980, "NOK"},
		"two":                      {func(p *order.Placement) { p.Lines[0].Quantity = 2 }, false, 59800, 5980, "NOK"},
		"named prices":             {func(p *order.Placement) { p.Lines[0].UnitPrice, p.Amount = new(int64(29900)), new(int64(29900)) }, false, 29900, 5980, "NOK"},
		"delivery to the payer":    {func(p *order.Placement) { p.Payer = far }, false, 34900, 6980, "NOK"},
		"price without delivery":   {func(p *order.Placement) { p.Payer = far; p.Lines[0].UnitPrice = new(int64(29900)) }, false, 34900, 6980, "NOK"},
		"price with delivery":      {func(p *order.Placement) { p.Payer = far; p.Lines[0].UnitPrice = new(int64(34900)) }, false, 34900, 6980, "NOK"},
		"delivery to the receiver": {func(p *order.Placement) { p.Lines[0].Receiver = &far }, false, 34900, 6980, "NOK"},
		"another country":          {func(p *order.Placement) { p.Payer = far; p.Payer.CountryCode = "se" }, false, 29900, 5980, "NOK"},
		"VAT on top":               {func(p *order.Placement) { p.Lines = []order.Line{{SpecType: "product", Product: "BOOK"}} }, false, 25000, 5000, "NOK"},
		"several":                  {func(p *order.Placement) { p.Lines = append(p.Lines, coupon("INV"), coupon("TRY")) }, false, 69800, 5980, "NOK"},
		"an issue":                 {func(p *order.Placement) { p.Lines = []order.Line{{SpecType: "issue", SpecCode: "PAPER-47"}} }, false, 4000, 0, "NOK"},
		"a voucher":                {func(p *order.Placement) { p.Lines = append(p.Lines, coupon("A")); p.Lines[1].VoucherCode = "GIFT" }, false, 29900, 5980, "NOK"},
		"a campaign":               {func(p *order.Placement) { p.MarketingCode, p.MarketingNumber = "TRY", 1 }, false, 29900, 5980, "NOK"},
		"its own price":            {func(p *order.Placement) { p.Lines[0].UnitPrice = new(int64(10000)) }, true, 10000, 2000, "NOK"},
		"its own amount":           {func(p *order.Placement) { p.Amount = new(int64(20000)); p.Lines[0].Quantity = 2 }, true, 20000, 2000, "NOK"},
		"an article": {func(p *order.Placement) {
			p.Currency = "NOK"
			p.Lines = []order.Line{{SpecType: "article", SpecCode: "a-1", UnitPrice: new(int64(900))}}
		}, true, 900, 0, "NOK"},
	} {
		c := *m.client
		c.PriceOverride = tt.override
		p := m.of(order.CreditCard, coupon("A"))
		p.Client = &c
		tt.change(&p)
		o, err := m.Place(t.Context(), p)
		if err != nil || o.Amount != tt.amount || o.Currency != tt.currency || o.Content.Lines[0].VATAmount != tt.vat || o.Status != store.OrderPreliminary || o.MerchantID != "main" {
			t.Errorf("%s: %d %s, lines %+v, %s: %v", name, o.Amount, o.Currency, o.Content.Lines, o.Status, err)
		}
		var sum int64
		for _, l := range o.Content.Lines {
			sum += l.Price * int64(l.Quantity)
		}
		if sum != o.Amount {
			t.Errorf("%s: the lines cost %d, the order %d", name, sum, o.Amount)
		}
	}
	for name, change := range map[string]func(p *order.Placement){
		"an amount that can not be divided": func(p *order.Placement) { p.Amount, p.Lines[0].Quantity = new(int64(20001)), 2 },
		"an amount beside a price":          func(p *order.Placement) { p.Amount, p.Lines[0].UnitPrice = new(int64(1)), new(int64(2)) },
	} {
		c := *m.client
		c.PriceOverride = true
		p := m.of(order.CreditCard, coupon("A"))
		p.Client = &c
		change(&p)
		if _, err := m.Place(t.Context(), p); field(err) != "orderAmount" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p := m.of(order.CreditCard, coupon("A")); p.Lines[0].Price != 0 {
		t.Error("the caller's lines were changed")
	}
}

func TestPlaceMethods(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	gift := coupon("A")
	gift.VoucherCode = "GIFT"
	for name, tt := range map[string]struct {
		p          order.Placement
		status     store.OrderStatus
		merchantID string
		method     order.Method
	}{
		"free":               {m.of(order.Free, coupon("TRY")), store.OrderHandedOver, "", order.Free},
		"nothing to pay":     {m.of(order.CreditCard, coupon("TRY")), store.OrderHandedOver, "", order.Free},
		"no method":          {m.of("", coupon("TRY")), store.OrderHandedOver, "", order.Free},
		"voucher":            {m.of(order.Free, gift), store.OrderHandedOver, "", order.Free},
		"invoice":            {m.of(order.Invoice, coupon("INV")), store.OrderHandedOver, "", order.Invoice},
		"invoice and free":   {m.of(order.Invoice, coupon("INV"), coupon("TRY")), store.OrderHandedOver, "", order.Invoice},
		"card":               {m.of(order.CreditCard, coupon("A")), store.OrderPreliminary, "main", order.CreditCard},
		"card by its name":   {m.of(order.CreditCardPayEx, coupon("A")), store.OrderPreliminary, "main", order.CreditCardPayEx},
		"vipps":              {m.of(order.VippsEcommerce, coupon("A")), store.OrderPreliminary, "main", order.VippsEcommerce},
		"vipps, recurring":   {m.of(order.VippsRecurring, coupon("A")), store.OrderPreliminary, "main", order.VippsRecurring},
		"prepaid":            {m.of(order.OtherMethod, coupon("A")), store.OrderHandedOver, "", order.OtherMethod},
		"merchant of choice": {m.of(order.CreditCard, coupon("A")), store.OrderPreliminary, "second", order.CreditCard},
	} {
		if name == "prepaid" {
			tt.p.Prepaid, tt.p.PaymentInfo = true, "receipt 12"
		}
		if name == "merchant of choice" {
			tt.p.MerchantID = "second"
		}
		o, err := m.Place(t.Context(), tt.p)
		if err != nil || o.Status != tt.status || o.MerchantID != tt.merchantID || order.Method(o.Method) != tt.method {
			t.Errorf("%s: %+v, %v", name, o.Order, err)
		}
		h, taken := m.desk.taken[o.ID]
		if taken != (tt.status == store.OrderHandedOver) || taken && (h.Amount != o.Amount || o.CustomerNumber != 555) {
			t.Errorf("%s: taken %v %+v", name, taken, h)
		}
		if name == "vipps, recurring" && !o.Content.Recurring {
			t.Error("vippsRecurring is recurring")
		}
	}
	if by := m.spentBy(t, "GIFT"); !strings.HasPrefix(by, "order:") || !strings.HasSuffix(by, ":0") {
		t.Errorf("the voucher was spent on %q", by)
	}
	p := m.of(order.Free, gift)
	if _, err := m.Place(t.Context(), p); field(err) != "orderLines[0].voucherCode" {
		t.Errorf("a voucher again: %v", err)
	}
}

func TestPlaceAgain(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	p := m.of(order.CreditCard, coupon("A"))
	p.ExternalID, p.Body = "x-1", sha256.Sum256([]byte("one"))
	first, err := m.Place(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Place(t.Context(), p); err != nil || again.ID != first.ID {
		t.Errorf("the same again: %d, %v; want %d", again.ID, err, first.ID)
	}
	q := p
	q.Body = sha256.Sum256([]byte("two"))
	if _, err := m.Place(t.Context(), q); !errors.Is(err, order.ErrRepeated) {
		t.Errorf("another body: %v", err)
	}
	q = p
	q.UserID = kari
	if _, err := m.Place(t.Context(), q); !errors.Is(err, order.ErrRepeated) {
		t.Errorf("another user: %v", err)
	}
	other, err := m.store.Client(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	q = p
	q.Client = &other
	if o, err := m.Place(t.Context(), q); err != nil || o.ID == first.ID {
		t.Errorf("another client's name for an order: %d, %v", o.ID, err)
	}
	// It is the same order also when its coupon has ended.
	if err := m.store.DeleteCoupon(t.Context(), "p", store.CouponID{Code: "A", Number: 1}); err != nil {
		t.Fatal(err)
	}
	if again, err := m.Place(t.Context(), p); err != nil || again.ID != first.ID {
		t.Errorf("the same again, later: %d, %v", again.ID, err)
	}
}

// rounds is how many rounds a race runs: SOAK_ROUNDS, or what it is here.
func rounds(t *testing.T, usual int) int {
	t.Helper()
	s := os.Getenv("SOAK_ROUNDS")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("SOAK_ROUNDS: %v", err)
	}
	return n
}

func TestPlaceRace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		external, differ bool
		orders           int
	}{
		{"identical", true, false, 1}, {"one name for different ones", true, true, 1}, {"one voucher", false, false, 1},
	} {
		for round := range rounds(t, 10) {
			m := newMarket(t)
			nodes := []*order.Service{m.Service, m.node(t)}
			var mu sync.Mutex
			ids := map[int64]int{}
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() {
					l := coupon("A")
					l.VoucherCode = "GIFT"
					p := m.of(order.Free, l, coupon("A"))
					p.Lines[1].VoucherCode = "GIFT2"
					if tt.external {
						p.ExternalID = "x"
					}
					if tt.differ {
						p.Body = sha256.Sum256([]byte{byte(i)})
					}
					o, err := nodes[i%2].Place(t.Context(), p)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						ids[o.ID]++
					case !tt.external || tt.differ:
						if f := field(err); !errors.Is(err, order.ErrRepeated) && !strings.HasPrefix(f, "orderLines[") {
							t.Errorf("%s: %v", tt.name, err)
						}
					default:
						t.Errorf("%s: %v", tt.name, err)
					}
				})
			}
			wg.Wait()
			if len(ids) > tt.orders || tt.name == "identical" && len(ids) != 1 {
				t.Errorf("%s, round %d: orders %v", tt.name, round, ids)
			}
			for id, n := range ids {
				if tt.name == "identical" && n != 64 {
					t.Errorf("%d of 64 got the order", n)
				}
				if by, by2 := m.spentBy(t, "GIFT"), m.spentBy(t, "GIFT2"); by != fmt.Sprintf("order:%d:0", id) || by2 != fmt.Sprintf("order:%d:1", id) {
					t.Errorf("%s: order %d, vouchers spent on %q and %q", tt.name, id, by, by2)
				}
			}
			if len(m.desk.taken) != len(ids) {
				t.Errorf("%s: %d orders, %d taken", tt.name, len(ids), len(m.desk.taken))
			}
		}
	}
}

// Cut off at any call of the store, a placing leaves no voucher spent for ever and no
// order without its hand-over, and can be made again.
func TestPlaceWithFaults(t *testing.T) {
	t.Parallel()
	methods := []string{"OrderByExternalID", "Order", "PutDelivery", "SpendVoucher", "CommitOrders", "FinishDelivery", "Product", "Coupon", "ReleaseVoucher", "PutAccess", "Voucher"}
	for _, method := range methods {
		for nth := 1; nth <= 4; nth++ {
			for _, after := range []bool{false, true} {
				for _, lasting := range []bool{false, true} {
					synctest.Test(t, func(t *testing.T) {
						name := fmt.Sprintf("%s, call %d, after %v, lasting %v", method, nth, after, lasting)
						m := newMarket(t)
						l := coupon("A")
						l.VoucherCode, l.AccessSeconds = "GIFT", 3600
						p := m.of(order.Free, l, coupon("A"))
						p.Lines[1].VoucherCode = "GIFT2"
						p.ExternalID, p.UserID = "x", kari
						m.store.Inject(storetest.Fault{Method: method, Nth: nth, After: after})
						if lasting { // the process dies: nothing that follows is done
							for n := nth + 1; n < nth+20; n++ {
								m.store.Inject(storetest.Fault{Method: method, Nth: n})
							}
						}
						first, err := m.Place(t.Context(), p)
						m.store.Heal()
						if nth%2 == 0 { // sent again at once
							again, err2 := m.Place(t.Context(), p)
							if err2 != nil || err == nil && again.ID != first.ID {
								t.Errorf("%s: %v, then %d, %v", name, err, again.ID, err2)
							}
						}
						for range 20 {
							time.Sleep(time.Minute)
							if _, err := m.Work(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
						o, err2 := m.store.OrderByExternalID(t.Context(), "site", "x")
						by, by2 := m.spentBy(t, "GIFT"), m.spentBy(t, "GIFT2")
						switch {
						case err2 == nil:
							if by != fmt.Sprintf("order:%d:0", o.ID) || by2 != fmt.Sprintf("order:%d:1", o.ID) || o.Status != store.OrderHandedOver || len(m.desk.taken) != 1 {
								t.Errorf("%s: %s, vouchers %q %q, %d taken", name, o.Status, by, by2, len(m.desk.taken))
							}
						case errors.Is(err2, store.ErrNotFound):
							if by != "" || by2 != "" || err == nil || len(m.desk.taken) != 0 {
								t.Errorf("%s: no order, but vouchers are spent on %q, %q; Place said %v; %d taken", name, by, by2, err, len(m.desk.taken))
							}
							if o, err := m.Place(t.Context(), p); err != nil || o.Status != store.OrderHandedOver {
								t.Errorf("%s: placed again: %s, %v", name, o.Status, err)
							}
						default:
							t.Error(err2)
						}
						if d, err := m.store.ClaimDelivery(t.Context(), store.OrderWork, time.Now().Add(100*time.Hour), time.Now()); !errors.Is(err, store.ErrNotFound) {
							t.Errorf("%s: a delivery of %s is left after %d attempts, due %v: %v (now %v)", name, d.ID, d.Attempts, d.DueAt, err, time.Now())
						}
					})
				}
			}
		}
	}
}

// meddled is a store whose node does something else after a delivery is put, and
// dies at its next commit.
type meddled struct {
	order.Store
	after func()
	dead  bool
}

func (s *meddled) PutDelivery(ctx context.Context, d store.Delivery) error {
	err := s.Store.PutDelivery(ctx, d)
	s.after()
	return err
}

func (s *meddled) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	s.dead = true
	return errFault
}

func (s *meddled) Order(ctx context.Context, id int64) (store.Order, error) {
	if s.dead {
		return store.Order{}, errFault
	}
	return s.Store.Order(ctx, id)
}

// refusing is a store that refuses the first commit.
type refusing struct {
	order.Store
	refused bool
}

func (s *refusing) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	if !s.refused {
		s.refused = true
		return errFault
	}
	return s.Store.CommitOrders(ctx, orders, payments)
}

// A voucher is given back that a node has spent which crashes then, while another
// that has placed the same order gives that up.
func TestVoucherIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(t)
		l := coupon("A")
		l.VoucherCode = "GIFT"
		p := m.of("", l)
		p.ExternalID = "e1"
		healthy := m.config.Store
		m.config.Store = &refusing{Store: healthy}
		other := m.node(t)
		dies := &meddled{Store: healthy}
		dies.after = func() {
			if _, err := other.Place(t.Context(), p); err == nil {
				t.Error("the other has placed it")
			}
		}
		m.config.Store = dies
		if _, err := m.node(t).Place(t.Context(), p); err == nil {
			t.Error("it is placed")
		}
		if by := m.spentBy(t, "GIFT"); by == "" {
			t.Fatal("the voucher was not spent")
		}
		for range 10 {
			time.Sleep(time.Minute)
			if _, err := m.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if by := m.spentBy(t, "GIFT"); by != "" {
			t.Errorf("the voucher stays spent by %q", by)
		}
		if _, err := m.store.ClaimDelivery(t.Context(), store.OrderWork, store.NoEnd, store.NoEnd); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a delivery is left: %v", err)
		}
	})
}
