package openapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	partner  = "fjord"
	kari     = "5f0c6d4a9be7412c8d3e7a61f2b09c58"
	user     = "token-of-kari"
	client   = "token-of-the-site"
	untied   = "token-of-ola" // who is no customer
	customer = "204117"
)

// seed fills a store with a publisher's catalogue and two readers, so that every
// member of every answer occurs.
func seed(t testing.TB, s store.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Millisecond)
	end := now.AddDate(1, 0, 0)
	grant := func(user string) (store.Grant, store.AccessToken) {
		return store.Grant{ID: "grant-" + user, ClientID: "site", UserID: user, CreatedAt: now, ExpiresAt: end},
			store.AccessToken{GrantID: "grant-" + user, ClientID: "site", UserID: user, CreatedAt: now, ExpiresAt: end}
	}
	kariGrant, kariToken := grant(kari)
	kariToken.Hash = store.DigestOf(user)
	const ola = "0c1f7e52d6a84f0b9a3be4d87c6f1e20"
	olaGrant, olaToken := grant(ola)
	olaToken.Hash = store.DigestOf(untied)
	email := func(address string) store.Credential {
		return store.Credential{Kind: store.Email, Identity: address, Spelling: address, VerifiedAt: now, AddedAt: now}
	}
	ordered, err := json.Marshal(order.Content{Lines: []order.Line{{
		SpecType: "coupon", SpecCode: "INTRO", SpecNo: 60, Product: "DIGITAL", Quantity: 1, Price: 19905, Name: "Tre måneder for prisen av én",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		s.PutClient(ctx, store.Client{ID: "site", PartnerID: partner, Region: "NO", Homepage: "https://news.example/", Targets: []string{"https://news.example"}}),
		s.CreateUser(ctx, store.User{
			ID: kari, Number: 1042, FirstName: "Kari", LastName: "Nordmann", CreatedAt: now,
			Credentials: []store.Credential{email("kari.nordmann@example.com"), {Kind: store.Phone, Identity: "+4791234567", VerifiedAt: now, AddedAt: now}},
			Ties:        []store.Tie{{Kind: store.CustomerTie, PartnerID: partner, Number: customer}, {Kind: store.ExternalTie("D"), PartnerID: partner, Number: "AID20481"}},
		}),
		s.CreateUser(ctx, store.User{ID: ola, Number: 1043, FirstName: "Ola", LastName: "Svensson", CreatedAt: now, Credentials: []store.Credential{email("ola.svensson@example.com")}}),
		s.CreateUser(ctx, store.User{ID: "7a0c4d1be85f4f6c9d2e1b3a5c7f9081", Number: 1044, Blocked: true, CreatedAt: now, Credentials: []store.Credential{email("stengt@example.com")}}),
		s.CreateGrant(ctx, kariGrant, kariToken), s.CreateGrant(ctx, olaGrant, olaToken),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf(client), ClientID: "site", CreatedAt: now, ExpiresAt: end}),

		s.PutCustomer(ctx, store.Customer{
			PartnerID: partner, Number: 204117, FirstName: "Kari", MiddleName: "Moe", LastName: "Nordmann", CompanyName: "Nordmann AS", Department: "Redaksjonen",
			Street: "Strandgata 14", PostalCode: "9008", City: "Tromsø", Country: "NO", InvoiceEmail: "faktura@example.com",
			Contacts: []store.Contact{{Kind: store.Email, Identity: "kari.nordmann@example.com"}, {Kind: store.Phone, Identity: "+4791234567", Use: "personal"}},
		}),
		s.PutCustomer(ctx, store.Customer{PartnerID: partner, Number: 204118, LastName: "Ødegård"}),
		s.PutCustomer(ctx, store.Customer{PartnerID: partner, Number: 204119, LastName: "Lindqvist"}),
		s.PutSubscription(ctx, store.Subscription{
			ID: "1", PartnerID: partner, CustomerNumber: 204117, Product: "DIGITAL", Name: "Digitalt", StartsAt: now.AddDate(0, -3, 0), EndsAt: end, Paid: true,
			Price: 24950, Currency: "NOK", Sharable: true, ShareType: "USERS", DistributionLevel: "HOME",
		}),
		s.PutArticle(ctx, store.Article{PartnerID: partner, ID: "torskekvoten", Products: []string{"DIGITAL"}}),
		s.PutAccess(ctx, store.Access{ID: "bought", PartnerID: partner, UserID: kari, ArticleID: "sillen", ExpiresAt: store.NoEnd}),
		s.PutProduct(ctx, store.Product{
			PartnerID: partner, Code: "DIGITAL", CompanyCode: "FJORD", Description: "Fjordposten Digital", Type: store.SubscriptionProduct,
			StartsAt: now.AddDate(-1, 0, 0), EndsAt: end, WebOfferPrice: 19900, RetailPrice: 24950, Currency: "NOK", VATPercent: 2500, VATIncluded: true,
			Digital: true, Shop: true, UpdatedAt: now, Distribution: []store.Distribution{{Country: "NO", Price: 4905}},
		}),
		s.PutCoupon(ctx, store.Coupon{
			PartnerID: partner, Code: "INTRO", Number: 60, Product: "DIGITAL", Description: "Tre måneder for prisen av én", StartsAt: now.AddDate(0, -1, 0), EndsAt: end,
			Price: 19905, Currency: "NOK", Period: store.Period{Length: 3, Unit: store.Months}, ExtraProducts: []store.ExtraProduct{{Product: "KRYSSORD", Description: "Kryssord"}},
			Renewal:   store.Renewal{Price: 24950, Period: store.Period{Length: 1, Unit: store.Months}},
			Marketing: store.Marketing{Project: "Høst", Market: "Privat", Activity: "Nettside", SalesMethod: "WEB"},
		}),
		s.CommitOrders(ctx, []store.Order{
			{ID: 4503599627370, PartnerID: partner, ClientID: "site", ExternalID: "web-2026-004411", UserID: kari, CustomerNumber: 204117, Status: store.OrderHandedOver,
				Method: "invoice", Amount: 19905, Currency: "NOK", Data: ordered, OrderedAt: now, CreatedAt: now, UpdatedAt: now},
			{ID: 4503599627371, PartnerID: partner, ClientID: "site", Status: store.OrderPreliminary, Method: "creditcardPayex", Amount: 19905, Currency: "NOK",
				Data: ordered, OrderedAt: now, CreatedAt: now, UpdatedAt: now},
			{ID: 4503599627372, PartnerID: partner, ClientID: "site", UserID: ola, Status: store.OrderPreliminary, Method: "creditcardPayex", Amount: 19905, Currency: "NOK",
				Data: ordered, OrderedAt: now, CreatedAt: now, UpdatedAt: now},
		}, nil),
		s.PutVoucher(ctx, store.Voucher{PartnerID: partner, Code: "GAVE-2044", Coupons: []store.CouponID{{Code: "INTRO", Number: 60}}}),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// site is a running login server with its API.
type site struct {
	t    testing.TB
	host string // scheme and authority
	api  string // the API's address
}

// start runs the kit over a store until the test ends.
func start(t testing.TB, s store.Store, change ...func(*connectid.Config)) *site {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	host := "http://" + server.Listener.Addr().String()
	c := connectid.Config{
		Store: s, Keys: [][]byte{[]byte("only for the tests of the document")}, LoginURL: host + "/user", InsecureAllowHTTP: true,
		Logger: slog.New(slog.DiscardHandler),
		Sender: message.SenderFunc(func(context.Context, message.Message) error { return nil }),
	}
	for _, f := range change {
		f(&c)
	}
	kit, err := connectid.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = kit
	server.Start()
	t.Cleanup(server.Close)
	return &site{t: t, host: host, api: host + "/capi"}
}

// seeded runs the kit over the seeded catalogue.
func seeded(t testing.TB, change ...func(*connectid.Config)) *site {
	t.Helper()
	s := memstore.New()
	seed(t, s)
	fast := func(c *connectid.Config) { c.CallsPerSecond = 1 << 30 }
	return start(t, s, append([]func(*connectid.Config){fast}, change...)...)
}

var plain = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
