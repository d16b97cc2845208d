package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/examples/newspaper/paper"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// sale is what a publisher sells, for the demo's page.
type sale struct {
	Partner                               string
	Products, Coupons, Vouchers, Articles []string
}

// sales are filled in from what is put into the store.
var sales = []sale{
	summary(fjord, products(fjord), coupons(fjord), vouchers(fjord)),
	summary(skargard, products(skargard), coupons(skargard), vouchers(skargard)),
}

var currencies = map[string]string{fjord: "NOK", skargard: "SEK"}

// changed is when the catalogue was last changed: the same at each start, so
// that clients that keep it need not read it again.
var changed = time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)

func products(partner string) []store.Product {
	words := map[string][]string{
		fjord:    {"Fjordposten digitalt", "Fjordposten på papir, alle dager", "Helgeavisen, lørdag og søndag", "Fuglene langs leia, bok"},
		skargard: {"Skärgårdsnytt digitalt", "Skärgårdsnytt på papper, alla dagar", "Helgtidningen, lördag och söndag", "Fyrar i skärgården, bok"},
	}[partner]
	delivery := []store.Distribution{{Country: "NO", Price: 4900}, {Country: "NO", PostalPrefix: "9", Price: 9900}, {Country: "SE", Price: 6900}}
	all := []store.Product{
		{Code: "DIGITAL", Description: words[0], Type: store.SubscriptionProduct, WebOfferPrice: 24900, RetailPrice: 29900, Digital: true, CategoryTypes: []string{"NEWS", "CULTURE"}},
		{Code: "PAPER", Description: words[1], Type: store.SubscriptionProduct, WebOfferPrice: 39900, RetailPrice: 44900, Distribution: delivery, CategoryTypes: []string{"NEWS", "CULTURE", "PRINT"}},
		{Code: "WEEKEND", Description: words[2], Type: store.SubscriptionProduct, WebOfferPrice: 24900, RetailPrice: 26900, Distribution: delivery, CategoryTypes: []string{"PRINT"}},
		{Code: "BOOK", Description: words[3], Type: "book", WebOfferPrice: 34900, RetailPrice: 39900, Distribution: delivery},
	}
	for i := range all {
		p := &all[i]
		p.PartnerID, p.CompanyCode, p.Currency, p.UpdatedAt = partner, map[string]string{fjord: "FJORD", skargard: "SKARG"}[partner], currencies[partner], changed
		p.StartsAt, p.Shop, p.VATIncluded = changed.AddDate(-5, 0, 0), p.Code != "WEEKEND", true
		if partner == skargard {
			p.VATPercent = 600
		}
	}
	return all
}

func coupons(partner string) []store.Coupon {
	month, year := store.Period{Length: 1, Unit: store.Months}, store.Period{Length: 1, Unit: store.Years}
	words := map[string][]string{
		fjord: {"Digitalt, fire uker gratis", "0 kr", "Digitalt, månedlig", "249 kr i måneden", "Digitalt for studenter", "99 kr i måneden i et år", "Papir og digitalt", "399 kr i måneden",
			"Helg", "249 kr i måneden, faktura", "Kryssordhefte"},
		skargard: {"Digitalt, fyra veckor gratis", "0 kr", "Digitalt, månadsvis", "249 kr i månaden", "Digitalt för studenter", "99 kr i månaden i ett år", "Papper och digitalt", "399 kr i månaden",
			"Helg", "249 kr i månaden, faktura", "Korsordshäfte"},
	}[partner]
	all := []store.Coupon{
		{Code: "INTRO", Number: 1, Product: "DIGITAL", Description: words[0], Terms: words[1], Period: store.Period{Length: 4, Unit: store.Weeks}, Offered: true,
			Marketing: store.Marketing{Project: "Newcomers", Market: "READERS", SalesMethod: "WEB"}},
		{Code: "MONTH", Number: 1, Product: "DIGITAL", Description: words[2], Terms: words[3], Price: 24900, Period: month, Renewal: store.Renewal{Price: 24900, Period: month}, Offered: true},
		{Code: "STUDENT", Number: 1, Product: "DIGITAL", Description: words[4], Terms: words[5], Price: 9900, Period: month, Renewal: store.Renewal{Price: 9900, Period: month}, EndsAt: changed.AddDate(3, 0, 0)},
		{Code: "PAPER", Number: 1, Product: "PAPER", Description: words[6], Terms: words[7], Price: 39900, Period: month, Renewal: store.Renewal{Price: 39900, Period: month},
			ExtraProducts: []store.ExtraProduct{{Product: "PUZZLES", Description: words[10]}}},
		{Code: "PAPER", Number: 12, Product: "PAPER", Description: words[6], Price: 419000, Period: year, Renewal: store.Renewal{Price: 419000, Period: year}},
		{Code: "WEEKEND", Number: 1, Product: "WEEKEND", Description: words[8], Terms: words[9], Price: 24900, Period: month, Renewal: store.Renewal{Price: 24900, Period: month}, Offered: true, Invoice: true},
	}
	for i := range all {
		all[i].PartnerID, all[i].Currency, all[i].StartsAt, all[i].UpdatedAt = partner, currencies[partner], changed.AddDate(-1, 0, 0), changed
	}
	return all
}

func vouchers(partner string) []store.Voucher {
	good, used := map[string]string{fjord: "GAVE-FJORD-2026", skargard: "GAVA-SKARG-2026"}[partner], map[string]string{fjord: "GAVE-FJORD-BRUKT", skargard: "GAVA-SKARG-ANVAND"}[partner]
	pays := []store.CouponID{{Code: "MONTH", Number: 1}, {Code: "PAPER", Number: 1}}
	return []store.Voucher{{PartnerID: partner, Code: good, Coupons: pays, UpdatedAt: changed}, {PartnerID: partner, Code: used, Coupons: pays, UpdatedAt: changed}}
}

// articles are the rules of the newspapers' locked articles: most are for
// everybody with an account, which the newspaper asks for, some for subscribers.
func articles(partner string) ([]store.Article, error) {
	e, err := paper.LoadEdition(partner) // called like its publisher
	if err != nil {
		return nil, err
	}
	var all []store.Article
	for _, a := range e.Articles {
		rule := store.Article{PartnerID: partner, ID: a.Slug, Free: !a.Subscribers, UpdatedAt: changed}
		if a.Subscribers {
			rule.Products = []string{"DIGITAL", "PAPER", "WEEKEND"}
		}
		all = append(all, rule)
	}
	return all, nil
}

// addCatalogue writes what the publishers sell, and who may read what. A voucher
// that was spent stays spent.
func addCatalogue(ctx context.Context, s store.Store) error {
	for _, partner := range []string{fjord, skargard} {
		var errs []error
		for _, p := range products(partner) {
			errs = append(errs, s.PutProduct(ctx, p))
		}
		for _, c := range coupons(partner) {
			errs = append(errs, s.PutCoupon(ctx, c))
		}
		for _, v := range vouchers(partner) {
			errs = append(errs, s.PutVoucher(ctx, v))
		}
		_, err := s.SpendVoucher(ctx, partner, vouchers(partner)[1].Code, "an order of last year", changed)
		errs = append(errs, err)
		rules, err := articles(partner)
		errs = append(errs, err)
		for _, a := range rules {
			errs = append(errs, s.PutArticle(ctx, a))
		}
		errs = append(errs, s.PutOrganisation(ctx, store.Organisation{
			PartnerID: partner, ID: "havbruk", Name: companyName, Products: []string{"DIGITAL"}, UpdatedAt: changed,
			Marks: []store.Mark{
				{Kind: store.AddressMark, Value: "203.0.113.0/24"}, {Kind: store.AddressMark, Value: "2001:db8:4a56::/48"},
				{Kind: store.DomainMark, Value: "havbruk.example.com"}, {Kind: store.TenantMark, Value: companyTenant},
			},
		}))
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("%s: %w", partner, err)
		}
	}
	return shareWithKari(ctx, s)
}

// shareWithKari gives Kari a share in Nils's subscription, and one article.
func shareWithKari(ctx context.Context, s store.Store) error {
	c, err := account.ParseCredential(readers[0].Credential, "NO")
	if err != nil {
		return err
	}
	kari, err := s.UserByCredential(ctx, c.Kind, c.Identity)
	if errors.Is(err, store.ErrNotFound) {
		return nil // she has deleted her account or changed her address
	} else if err != nil {
		return err
	}
	return errors.Join(
		s.PutAccess(ctx, store.Access{ID: "demo-share", PartnerID: fjord, UserID: kari.ID, Subscription: subscriptionID(subscribers[1]), StartsAt: changed, ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "demo-article", PartnerID: skargard, UserID: kari.ID, ArticleID: "skarven", StartsAt: changed, ExpiresAt: store.NoEnd}),
	)
}

func summary(partner string, products []store.Product, coupons []store.Coupon, vouchers []store.Voucher) sale {
	s := sale{Partner: partner}
	for _, p := range products {
		s.Products = append(s.Products, p.Code)
	}
	for _, c := range coupons {
		s.Coupons = append(s.Coupons, fmt.Sprintf("%s-%d", c.Code, c.Number))
	}
	for _, v := range vouchers {
		s.Vouchers = append(s.Vouchers, v.Code)
	}
	rules, err := articles(partner)
	if err != nil {
		panic(err) // the editions are part of this program
	}
	for _, a := range rules {
		if !a.Free {
			s.Articles = append(s.Articles, a.ID)
		}
	}
	return s
}
