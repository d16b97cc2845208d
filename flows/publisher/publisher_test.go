package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

func TestDigits(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"100017": "100017", " 100 017 ": "100017", "100.017": "100017", "100-017": "100017", "0007": "7", "100\u00a0017": "100017",
		"": "", "0": "", "-": "", "12a": "", "１２": "", "1/2": "", "999999999999999": "999999999999999", "1000000000000000": "", "+47": "",
	} {
		if got, ok := publisher.Digits(typed); got != want && ok || ok != (want != "") {
			t.Errorf("Digits(%q) = %q, %v; want %q", typed, got, ok, want)
		}
	}
}

func TestSameName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typed, record string
		want          bool
	}{
		{"nordmann", "Nordmann", true}, {" NORDMANN ", "Nordmann", true}, {"Odegaard", "Ødegård", false}, {"Oedegaard", "Ødegård", true},
		{"ødegård", "Ødegård", true}, {"ØDEGÅRD", "Ødegård", true}, {"Odega\u030ard", "Ødegård", false}, {"Ødega\u030ard", "Ødegård", true},
		{"Lindstrom", "Lindström", false}, {"Lindstroem", "Lindström", true}, {"Andre", "André", true},
		{"Hansen", "Berg Hansen", true}, {"Hansen", "Berg-Hansen", true}, {"Berg", "Berg Hansen", false}, {"berg hansen", "Berg-Hansen", true},
		{"O'Brien", "O’Brien", true}, {"", "", false}, {"", "Nordmann", false}, {"-", "Nordmann", false}, {"-", "", false},
		{"Nordman", "Nordmann", false}, {"N%", "Nordmann", false}, {"岡田", "岡田", true},
	} {
		if got := publisher.SameName(tt.typed, tt.record); got != tt.want {
			t.Errorf("SameName(%q, %q) = %v", tt.typed, tt.record, got)
		}
	}
}

func TestSamePostalCode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typed, record string
		want          bool
	}{
		{"0150", "0150", true}, {"NO-0150", "0150", true}, {"n-0150", "0150", true}, {"111 22", "11122", true}, {"SE-111 22", "111 22", true},
		{"150", "0150", false}, {"", "", false}, {" ", "", false}, {"-", "", false}, {"0151", "0150", false}, {"SW1A 1AA", "sw1a1aa", true}, {"NO", "NO", true},
	} {
		if got := publisher.SamePostalCode(tt.typed, tt.record); got != tt.want {
			t.Errorf("SamePostalCode(%q, %q) = %v", tt.typed, tt.record, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("100 017", "Ødegård", "NO-0150")
	f.Add("\xff", "\u0301", "٣")
	f.Fuzz(func(t *testing.T, number, name, code string) {
		if d, ok := publisher.Digits(number); ok {
			if again, ok := publisher.Digits(d); !ok || again != d {
				t.Fatalf("Digits(%q) = %q, which is not canonical", number, d)
			}
		}
		if m := publisher.MembershipNumber(number); publisher.MembershipNumber(m) != m {
			t.Fatalf("MembershipNumber(%q) is not canonical", number)
		}
		if publisher.SameName("", name) || publisher.SamePostalCode("", code) {
			t.Fatal("nothing proves something")
		}
		if publisher.SameName(name, "Nordmann") && len([]rune(name)) < 8 {
			t.Fatalf("%q passes for Nordmann", name)
		}
	})
}

// coupons are what readers of the partner p are offered, and one that they are not.
var coupons = []store.Coupon{
	{Code: "free", Product: "TRY", Description: "Try it", Offered: true, Period: store.Period{Length: 4, Unit: store.Weeks}},
	{Code: "paper", Product: "PAPER", Description: "Paper", Price: 39900, Currency: "NOK", Invoice: true, Offered: true},
	{Code: "card", Product: "CARD", Description: "Card", Price: 9900, Currency: "NOK", Offered: true},
	{Code: "shop", Product: "PAPER", Description: "In the shop"},
	{Code: "over", Product: "PAPER", Description: "Over", Offered: true, EndsAt: time.Now().Add(-time.Hour)},
	{Code: "orphan", Product: "GONE", Description: "Of a product that is not sold", Offered: true},
}

func sell(t *testing.T, s publisher.Store) {
	t.Helper()
	for _, c := range coupons {
		c.PartnerID, c.Number = "p", 1
		if err := s.PutCoupon(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, code := range []string{"TRY", "PAPER", "CARD"} {
		if err := s.PutProduct(t.Context(), store.Product{PartnerID: "p", Code: code}); err != nil {
			t.Fatal(err)
		}
	}
}

func filled(t *testing.T) (*memstore.Store, *publisher.StoreCustomers) {
	t.Helper()
	s := memstore.New()
	for _, err := range []error{
		s.PutCustomer(t.Context(), store.Customer{PartnerID: "p", Number: 17, FirstName: "Kari", LastName: "Nordmann", PostalCode: "0150", City: "Oslo"}),
		s.PutCustomer(t.Context(), store.Customer{PartnerID: "p", Number: 18, CompanyName: "Fjord AS", PostalCode: "5003", Contacts: []store.Contact{{Kind: store.Email, Identity: "a@b.no"}}}),
		s.PutSubscription(t.Context(), store.Subscription{ID: "old", PartnerID: "p", CustomerNumber: 17, Name: "Old", StartsAt: time.Now(), EndsAt: time.Now().Add(-time.Hour)}),
		s.PutSubscription(t.Context(), store.Subscription{ID: "new", PartnerID: "p", CustomerNumber: 17, Name: "Weekend", StartsAt: time.Now().Add(-time.Hour)}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sell(t, s)
	return s, publisher.NewStoreCustomers(s)
}

func TestStoreCustomersSearch(t *testing.T) {
	t.Parallel()
	_, c := filled(t)
	kari := publisher.Person{Number: "17", Name: "Kari Nordmann", Place: "0150 Oslo", Detail: "Weekend"}
	for _, tt := range []struct {
		partner, number, last, postal string
		want                          publisher.Person
	}{
		{"p", "17", "Nordmann", "", kari}, {"p", "0 17", "", "0150", kari}, {"p", "17", "nordmann", "0150", kari},
		{"p", "18", "fjord as", "", publisher.Person{Number: "18", Name: "Fjord AS", Place: "5003"}},
		{"p", "17", "", "", publisher.Person{}}, {"p", "17", "Nordmann", "5003", publisher.Person{}}, {"p", "17", "Hansen", "0150", publisher.Person{}},
		{"p", "99", "Nordmann", "", publisher.Person{}}, {"q", "17", "Nordmann", "", publisher.Person{}}, {"p", "x", "Nordmann", "", publisher.Person{}},
		{"p", "18", "", "", publisher.Person{}}, {"p", "18", "AS", "", publisher.Person{}}, {"p", "18", "-", "", publisher.Person{}}, {"p", "17", "-", "", publisher.Person{}},
	} {
		got, err := c.Search(t.Context(), publisher.Search{PartnerID: tt.partner, Number: tt.number, LastName: tt.last, PostalCode: tt.postal})
		if got != tt.want || (tt.want == publisher.Person{}) != errors.Is(err, publisher.ErrNotFound) {
			t.Errorf("%+v: %+v, %v", tt, got, err)
		}
	}
	found, err := c.ByCredential(t.Context(), publisher.CredentialSearch{PartnerID: "p", Contact: store.Contact{Kind: store.Email, Identity: "a@b.no"}})
	if err != nil || len(found) != 1 || found[0].Number != "18" {
		t.Errorf("ByCredential = %v, %v", found, err)
	}
	for number, want := range map[string]error{"17": nil, "99": publisher.ErrNotFound} {
		if err := c.Tie(t.Context(), publisher.Tie{PartnerID: "p", Number: number, UserID: "u"}); !errors.Is(err, want) {
			t.Errorf("Tie(%s) = %v, want %v", number, err, want)
		}
	}
	if err := c.Untie(t.Context(), publisher.Tie{}); err != nil {
		t.Error(err)
	}
	subs, err := c.Subscriptions(t.Context(), "p", 17)
	if err != nil || len(subs) != 2 || subs[0].ID != "old" {
		t.Errorf("Subscriptions = %v, %v", subs, err)
	}
}

func TestStoreCustomersCreate(t *testing.T) {
	t.Parallel()
	s, c := filled(t)
	order := publisher.NewSubscriber{Key: "k", PartnerID: "p", OfferID: "paper-1", Payment: publisher.PayInvoice, FirstName: "Ola", LastName: "Berg"}
	for name, change := range map[string]func(*publisher.NewSubscriber){
		"not offered":              func(n *publisher.NewSubscriber) { n.OfferID = "shop-1" },
		"over":                     func(n *publisher.NewSubscriber) { n.OfferID = "over-1" },
		"not sold":                 func(n *publisher.NewSubscriber) { n.OfferID = "orphan-1" },
		"unknown offer":            func(n *publisher.NewSubscriber) { n.OfferID = "x" },
		"another partner's offer":  func(n *publisher.NewSubscriber) { n.PartnerID = "q" },
		"free, but it costs money": func(n *publisher.NewSubscriber) { n.Payment = publisher.PayFree },
		"by card":                  func(n *publisher.NewSubscriber) { n.OfferID, n.Payment = "card-1", "" },
		"card by invoice":          func(n *publisher.NewSubscriber) { n.OfferID = "card-1" },
	} {
		n := order
		change(&n)
		if _, err := c.Create(t.Context(), n); !errors.Is(err, publisher.ErrNotFound) {
			t.Errorf("%s: %v, want %v", name, err, publisher.ErrNotFound)
		}
	}
	var wg sync.WaitGroup
	for range 32 { // sent again and again: one customer, one subscription
		wg.Go(func() {
			if p, err := c.Create(t.Context(), order); err != nil || p.Number != fmt.Sprint(store.FirstCustomer) {
				t.Errorf("Create = %+v, %v", p, err)
			}
		})
	}
	wg.Wait()
	subs, err := c.Subscriptions(t.Context(), "p", store.FirstCustomer)
	if err != nil || len(subs) != 1 || subs[0].Paid || subs[0].Price != 39900 || subs[0].Payment != "invoice" || subs[0].Product != "PAPER" {
		t.Errorf("Subscriptions = %+v, %v", subs, err)
	}
	if _, err := s.Customer(t.Context(), "p", store.FirstCustomer+1); err == nil {
		t.Error("a second customer was made")
	}
}

// Cut off between any two calls, an order is made good by sending it again.
func TestStoreCustomersCreateIsRepeatable(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"CreateCustomer", "Subscription", "PutSubscription", "CustomerSubscriptions"} {
		for _, after := range []bool{false, true} {
			f := storetest.NewFaulty(memstore.New())
			sell(t, f)
			c := publisher.NewStoreCustomers(f)
			n := publisher.NewSubscriber{Key: "k", PartnerID: "p", OfferID: "free-1", Payment: publisher.PayFree, LastName: "Berg"}
			f.Inject(storetest.Fault{Method: method, After: after})
			// A list that is not read to its end does not see what comes after it.
			if _, err := c.Create(t.Context(), n); !errors.Is(err, storetest.ErrInjected) && method != "CustomerSubscriptions" {
				t.Errorf("%s: %v, want the fault", method, err)
			}
			f.Heal()
			p, err := c.Create(t.Context(), n)
			subs, _ := c.Subscriptions(t.Context(), "p", store.FirstCustomer)
			if err != nil || p.Detail != "Try it" || len(subs) != 1 {
				t.Errorf("%s, after %v: %+v, %v, %d subscriptions", method, after, p, err, len(subs))
			}
		}
	}
}

func TestOutagesAreNotAnswers(t *testing.T) {
	t.Parallel()
	f := storetest.NewFaulty(memstore.New())
	f.Inject(storetest.Fault{})
	c, m := publisher.NewStoreCustomers(f), publisher.NewStoreMemberships(f)
	search := publisher.Search{PartnerID: "p", Number: "17", LastName: "x"}
	for name, call := range map[string]func() error{
		"Search":                func() error { _, err := c.Search(t.Context(), search); return err },
		"ByCredential":          func() error { _, err := c.ByCredential(t.Context(), publisher.CredentialSearch{}); return err },
		"Tie":                   func() error { return c.Tie(t.Context(), publisher.Tie{PartnerID: "p", Number: "17"}) },
		"Subscriptions":         func() error { _, err := c.Subscriptions(t.Context(), "p", 17); return err },
		"Memberships.Search":    func() error { _, err := m.Search(t.Context(), search); return err },
		"Memberships.ByContact": func() error { _, err := m.ByCredential(t.Context(), publisher.CredentialSearch{}); return err },
		"Memberships.Tie":       func() error { return m.Tie(t.Context(), publisher.Tie{PartnerID: "p", Number: "17"}) },
	} {
		if err := call(); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("%s of a store that is down: %v, want its error", name, err)
		}
	}
}

func TestSystemsAreChosenByPartner(t *testing.T) {
	t.Parallel()
	s, own := filled(t)
	_, other := filled(t)
	all, err := publisher.New(publisher.Config{Store: s, Customers: map[string]publisher.Customers{"x": other},
		Memberships: map[string]publisher.Memberships{"x": other}})
	if err != nil {
		t.Fatal(err)
	}
	if all.Customers("x") != publisher.Customers(other) || all.Memberships("x") != publisher.Memberships(other) || all.Customers("p") == publisher.Customers(other) {
		t.Error("the wrong system")
	}
	got, err := all.Customers("p").Offers(t.Context(), "p", "c")
	if want, _ := own.Offers(t.Context(), "p", "c"); err != nil || !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("Offers = %v, %v", got, err)
	}
	_, err = publisher.New(publisher.Config{
		Customers: map[string]publisher.Customers{"x": nil, "y": other}, Memberships: map[string]publisher.Memberships{"": nil},
		Catalogues: map[string]publisher.Catalogue{"x": nil}, Accesses: map[string]publisher.Access{"": nil},
	})
	for _, want := range []string{"missing Store", `Customers["x"]`, `Memberships[""]`, `Catalogues["x"]`, `Accesses[""]`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v; want it to name %s", err, want)
		}
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, c := filled(t)
	if _, err := c.Offers(ctx, "p", "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("Offers = %v", err)
	}
	if err := c.Untie(ctx, publisher.Tie{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Untie = %v", err)
	}
}
