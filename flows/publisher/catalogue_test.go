package publisher_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"NO": true, "SE": true, "FI": true, "GB": true, "no": false, "UK": false, "XX": false, "ZZ": false, "EU": false, "NOR": false, "578": false, "": false, "N": false} {
		if publisher.IsCountry(code) != want {
			t.Errorf("IsCountry(%q) = %v", code, !want)
		}
	}
	for code, want := range map[string]int{"NOK": 2, "SEK": 2, "EUR": 2, "ISK": 0, "JPY": 0, "nok": -1, "KWD": -1, "": -1, "XYZ": -1, "NO": -1} {
		digits, ok := publisher.MinorDigits(code)
		if ok != (want >= 0) || ok && digits != want || publisher.IsCurrency(code) != ok {
			t.Errorf("MinorDigits(%q) = %d, %v; want %d", code, digits, ok, want)
		}
	}
}

func TestPeriodEnd(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 12, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		period      publisher.Period
		start, want time.Time
	}{
		{store.Period{Length: 10, Unit: store.Days}, day(2026, 12, 25), day(2027, 1, 4)},
		{store.Period{Length: 4, Unit: store.Weeks}, day(2026, 1, 1), day(2026, 1, 29)},
		{store.Period{Length: 1, Unit: store.Months}, day(2026, 1, 31), day(2026, 2, 28)},
		{store.Period{Length: 1, Unit: store.Months}, day(2028, 1, 30), day(2028, 2, 29)},
		{store.Period{Length: 13, Unit: store.Months}, day(2026, 12, 31), day(2028, 1, 31)},
		{store.Period{Length: 1, Unit: store.Years}, day(2028, 2, 29), day(2029, 2, 28)},
		{store.Period{}, day(2026, 1, 1), day(2026, 1, 1)},
	} {
		if got := publisher.PeriodEnd(tt.period, tt.start); !got.Equal(tt.want) {
			t.Errorf("%+v from %v ends %v, want %v", tt.period, tt.start, got, tt.want)
		}
	}
}

// shop is a store with products at the partner p.
func shop(t *testing.T, s publisher.Store) *publisher.StoreCatalogue {
	t.Helper()
	ctx, past := t.Context(), time.Now().Add(-time.Hour)
	paper := store.Product{PartnerID: "p", Code: "PAPER", CompanyCode: "F", WebOfferPrice: 30000, Currency: "NOK", VATPercent: 2500, VATIncluded: true,
		Distribution: []store.Distribution{{Country: "NO", Price: 100}, {Country: "NO", PostalPrefix: "90", Price: 333}, {Country: "NO", PostalPrefix: "9", Price: 200}}}
	for _, err := range []error{
		s.PutProduct(ctx, paper),
		s.PutProduct(ctx, store.Product{PartnerID: "p", Code: "SOON", StartsAt: time.Now().Add(time.Hour)}),
		s.PutProduct(ctx, store.Product{PartnerID: "p", Code: "GONE", EndsAt: past}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "A", Number: 1, Product: "PAPER", Price: 999, Currency: "NOK"}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "A", Number: 2, Product: "PAPER", StartsAt: time.Now().Add(time.Hour)}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "G", Number: 1, Product: "GONE", Price: 5, Currency: "NOK"}),
		s.PutCoupon(ctx, store.Coupon{PartnerID: "p", Code: "E", Number: 1, Product: "PAPER", Price: 1000, Currency: "EUR"}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: "V", Coupons: []store.CouponID{{Code: "A", Number: 1}, {Code: "A", Number: 2}}}),
		s.PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: "LATE", Coupons: []store.CouponID{{Code: "A", Number: 1}}, EndsAt: past}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 1, PostalCode: "9008", Country: "NO"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return publisher.NewStoreCatalogue(s, nil)
}

func TestStoreCatalogue(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := shop(t, memstore.New())
	for _, tt := range []struct {
		filter publisher.ProductFilter
		want   string
	}{
		{publisher.ProductFilter{}, "[GONE PAPER SOON]"}, {publisher.ProductFilter{OnlyActive: true}, "[PAPER]"}, {publisher.ProductFilter{Code: "GONE"}, "[GONE]"},
		{publisher.ProductFilter{Code: "GONE", OnlyActive: true}, "[]"}, {publisher.ProductFilter{Code: "X"}, "[]"}, {publisher.ProductFilter{Shop: true}, "[]"}, {publisher.ProductFilter{Type: "book"}, "[]"},
	} {
		all, err := c.Products(ctx, "p", tt.filter)
		codes := []string{}
		for _, p := range all {
			codes = append(codes, p.Code)
		}
		if err != nil || fmt.Sprint(codes) != tt.want {
			t.Errorf("Products(%+v) = %v, %v, want %s", tt.filter, codes, err, tt.want)
		}
	}
	all, err := c.Coupons(ctx, "p", "PAPER")
	if err != nil || len(all) != 2 || all[0].Number != 1 || all[1].Code != "E" {
		t.Errorf("Coupons = %+v, %v", all, err)
	}
	if all, err := c.Coupons(ctx, "p", "GONE"); err != nil || len(all) != 0 {
		t.Errorf("Coupons of what is not sold = %+v, %v", all, err)
	}
	for _, q := range [][2]string{{"p", "X"}, {"q", "PAPER"}, {"", "PAPER"}} {
		if _, err := c.Coupons(ctx, q[0], q[1]); !errors.Is(err, publisher.ErrNotFound) {
			t.Errorf("Coupons(%q) = %v", q, err)
		}
	}
}

func TestStoreCataloguePrice(t *testing.T) {
	t.Parallel()
	c := shop(t, memstore.New())
	a := publisher.CouponID{Code: "A", Number: 1}
	price := func(amount, vat, dist, distVAT int64) publisher.Price {
		return publisher.Price{CompanyCode: "F", Product: "PAPER", Currency: "NOK", Price: amount, VATAmount: vat, VATPercent: 2500, VATIncluded: true, Distribution: dist, DistributionVAT: distVAT}
	}
	inEuro := price(1000, 200, 0, 0)
	inEuro.Currency = "EUR"
	for name, tt := range map[string]struct {
		q    publisher.PriceQuestion
		want publisher.Price
	}{
		"a coupon":              {publisher.PriceQuestion{Coupon: a}, price(999, 200, 0, 0)},
		"delivered":             {publisher.PriceQuestion{Coupon: a, Country: "NO", PostalCode: "0150"}, price(999, 200, 100, 20)},
		"the longest prefix":    {publisher.PriceQuestion{Coupon: a, Country: "NO", PostalCode: "9008"}, price(999, 200, 333, 67)},
		"a shorter prefix":      {publisher.PriceQuestion{Coupon: a, Country: "NO", PostalCode: "N-9510"}, price(999, 200, 200, 40)},
		"to nowhere":            {publisher.PriceQuestion{Coupon: a, Country: "SE", PostalCode: "9008"}, price(999, 200, 0, 0)},
		"to the customer":       {publisher.PriceQuestion{Coupon: a, CustomerNumber: 1}, price(999, 200, 333, 67)},
		"elsewhere":             {publisher.PriceQuestion{Coupon: a, CustomerNumber: 1, Country: "NO", PostalCode: "1"}, price(999, 200, 100, 20)},
		"a product":             {publisher.PriceQuestion{Product: "PAPER"}, price(30000, 6000, 0, 0)},
		"delivery, no currency": {publisher.PriceQuestion{Coupon: publisher.CouponID{Code: "E", Number: 1}, Country: "NO"}, inEuro},
	} {
		tt.q.PartnerID = "p"
		if got, err := c.Price(t.Context(), tt.q); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
	for name, q := range map[string]publisher.PriceQuestion{
		"not yet": {Coupon: publisher.CouponID{Code: "A", Number: 2}}, "of what is gone": {Coupon: publisher.CouponID{Code: "G", Number: 1}}, "unknown": {Coupon: publisher.CouponID{Code: "A", Number: 3}},
		"unknown product": {Product: "X"}, "product that is gone": {Product: "GONE"}, "unknown customer": {Coupon: a, CustomerNumber: 9}, "nothing": {},
	} {
		q.PartnerID = "p"
		if got, err := c.Price(t.Context(), q); !errors.Is(err, publisher.ErrNotFound) || got != (publisher.Price{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSpendVoucher(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := memstore.New()
	c := shop(t, s)
	a := publisher.CouponID{Code: "A", Number: 1}
	good := publisher.VoucherUse{PartnerID: "p", Code: "V", Coupon: a, Use: "order 1"}
	for name, u := range map[string]publisher.VoucherUse{
		"unknown": {PartnerID: "p", Code: "X", Coupon: a, Use: "o"}, "another partner's": {PartnerID: "q", Code: "V", Coupon: a, Use: "o"},
		"over": {PartnerID: "p", Code: "LATE", Coupon: a, Use: "o"}, "for another coupon": {PartnerID: "p", Code: "V", Coupon: publisher.CouponID{Code: "G", Number: 1}, Use: "o"},
	} {
		if err := c.SpendVoucher(ctx, u); !errors.Is(err, publisher.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := c.VoucherCoupons(ctx, "p", "V"); err != nil || len(all) != 1 {
		t.Errorf("VoucherCoupons = %v, %v", all, err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() {
			u := good
			u.Use = fmt.Sprint("order ", i)
			errs[i] = c.SpendVoucher(ctx, u)
		})
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	for i, err := range errs {
		if i != winner && !errors.Is(err, publisher.ErrSpent) {
			t.Errorf("caller %d: %v, want %v", i, err, publisher.ErrSpent)
		}
	}
	if winner < 0 {
		t.Fatal("nobody got it")
	}
	if _, err := c.VoucherCoupons(ctx, "p", "V"); !errors.Is(err, publisher.ErrSpent) {
		t.Errorf("VoucherCoupons of a spent voucher: %v", err)
	}
	good.Use = fmt.Sprint("order ", winner)
	// An order that is sent again gets what it got, also after the voucher's time.
	if err := s.PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: "V", Coupons: []store.CouponID{a}, EndsAt: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := c.SpendVoucher(ctx, good); err != nil {
		t.Errorf("the same use again: %v", err)
	}
	if err := c.ReleaseVoucher(ctx, good); err != nil {
		t.Error(err)
	}
	if err := c.SpendVoucher(ctx, good); !errors.Is(err, publisher.ErrNotFound) {
		t.Errorf("after it was given back, too late: %v", err)
	}
}

func TestCatalogueOutages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := storetest.NewFaulty(memstore.New())
	c := shop(t, f)
	customers := publisher.NewStoreCustomers(f)
	f.Inject(storetest.Fault{})
	for name, call := range map[string]func() error{
		"Products":    func() error { _, err := c.Products(ctx, "p", publisher.ProductFilter{}); return err },
		"one product": func() error { _, err := c.Products(ctx, "p", publisher.ProductFilter{Code: "PAPER"}); return err },
		"Coupons":     func() error { _, err := c.Coupons(ctx, "p", "PAPER"); return err },
		"Price": func() error {
			_, err := c.Price(ctx, publisher.PriceQuestion{PartnerID: "p", Product: "PAPER"})
			return err
		},
		"VoucherCoupons": func() error { _, err := c.VoucherCoupons(ctx, "p", "V"); return err },
		"SpendVoucher":   func() error { return c.SpendVoucher(ctx, publisher.VoucherUse{PartnerID: "p", Code: "V", Use: "o"}) },
		"ReleaseVoucher": func() error { return c.ReleaseVoucher(ctx, publisher.VoucherUse{PartnerID: "p", Code: "V", Use: "o"}) },
		"Offers":         func() error { _, err := customers.Offers(ctx, "p", "c"); return err },
		"Info":           func() error { _, err := customers.Info(ctx, "p", 1); return err },
		"Replace":        func() error { return customers.Replace(ctx, "p", 1, publisher.CustomerInfo{LastName: "x"}) },
	} {
		if err := call(); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("%s of a store that is down: %v, want its error", name, err)
		}
	}
	if err := customers.Replace(ctx, "p", 1, publisher.CustomerInfo{FirstName: "x", LastName: " "}); !errors.Is(err, publisher.ErrNameless) {
		t.Errorf("Replace without a name: %v", err)
	}
}
