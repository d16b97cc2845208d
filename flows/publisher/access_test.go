package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// readers is a store with who may read what at the partner p: customer 1 has the
// digital paper and an old weekend one, 2 the paper and shares it with kari.
func readers(t *testing.T, s publisher.Store) *publisher.Systems {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	past, soon := now.Add(-time.Hour), now.Add(time.Hour)
	mark := func(kind store.MarkKind, value string) store.Mark { return store.Mark{Kind: kind, Value: value} }
	for _, err := range []error{
		s.PutProduct(ctx, store.Product{PartnerID: "p", Code: "DIGITAL", CategoryTypes: []string{"NEWS", "SPORT"}}),
		s.PutProduct(ctx, store.Product{PartnerID: "p", Code: "PAPER", CategoryTypes: []string{"PRINT"}}),
		s.PutSubscription(ctx, store.Subscription{ID: "1", PartnerID: "p", CustomerNumber: 1, Product: "DIGITAL", StartsAt: past}),
		s.PutSubscription(ctx, store.Subscription{ID: "2", PartnerID: "p", CustomerNumber: 1, Product: "WEEKEND", StartsAt: past.AddDate(-1, 0, 0), EndsAt: past}),
		s.PutSubscription(ctx, store.Subscription{ID: "3", PartnerID: "p", CustomerNumber: 1, Product: "SOON", StartsAt: soon}),
		s.PutSubscription(ctx, store.Subscription{ID: "4", PartnerID: "p", CustomerNumber: 1, Product: "STOPPED", StartsAt: past, Stopped: true}),
		s.PutSubscription(ctx, store.Subscription{ID: "5", PartnerID: "p", CustomerNumber: 1, Product: "TERM", StartsAt: past, EndsAt: soon}),
		s.PutSubscription(ctx, store.Subscription{ID: "shared", PartnerID: "p", CustomerNumber: 2, Product: "PAPER", StartsAt: past, Sharable: true, ShareType: store.ShareUsers}),
		s.PutSubscription(ctx, store.Subscription{ID: "private", PartnerID: "p", CustomerNumber: 2, Product: "PRIVATE", StartsAt: past}),
		s.PutSubscription(ctx, store.Subscription{ID: "nets", PartnerID: "p", CustomerNumber: 2, Product: "NETS", StartsAt: past, Sharable: true, ShareType: store.ShareNetworks}),
		s.PutArticle(ctx, store.Article{PartnerID: "p", ID: "free", Free: true}),
		s.PutArticle(ctx, store.Article{PartnerID: "p", ID: "digital", Products: []string{"DIGITAL", "PAPER"}}),
		s.PutArticle(ctx, store.Article{PartnerID: "p", ID: "any"}),
		s.PutAccess(ctx, store.Access{ID: "1", PartnerID: "p", UserID: "kari", ArticleID: "bought", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "2", PartnerID: "p", UserID: "kari", ArticleID: "digital2", Product: "DIGITAL", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "3", PartnerID: "p", UserID: "kari", CustomerNumber: 1, Product: "TRIAL", StartsAt: past, ExpiresAt: soon}),
		s.PutAccess(ctx, store.Access{ID: "4", PartnerID: "p", UserID: "kari", Subscription: "shared", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "5", PartnerID: "p", UserID: "kari", Subscription: "private", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "6", PartnerID: "p", UserID: "kari", Subscription: "nets", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "7", PartnerID: "p", UserID: "kari", Subscription: "deleted", ExpiresAt: store.NoEnd}),
		s.PutAccess(ctx, store.Access{ID: "8", PartnerID: "q", UserID: "kari", Product: "ELSEWHERE", ExpiresAt: store.NoEnd}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "p", ID: "havbruk", Products: []string{"DIGITAL"}, Marks: []store.Mark{
			mark(store.AddressMark, "192.0.2.0/24"), mark(store.AddressMark, "2001:db8::/32"), mark(store.DomainMark, "havbruk.example"), mark(store.TenantMark, "tenant")}}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "p", ID: "library", Products: []string{"PAPER"}, Marks: []store.Mark{mark(store.AddressMark, "192.0.2.128/25")}}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "p", ID: "ended", Products: []string{"WEEKEND"}, EndsAt: past, Marks: []store.Mark{mark(store.AddressMark, "198.51.100.0/24")}}),
		s.PutProduct(ctx, store.Product{PartnerID: "p", Code: "PUZZLE", CategoryTypes: []string{"GAMES"}}),
		s.PutArticle(ctx, store.Article{PartnerID: "p", ID: "print", Products: []string{"PAPER"}}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "p", ID: "school", Products: []string{"PAPER", "PUZZLE"}, Marks: []store.Mark{mark(store.AddressMark, "203.0.113.128/25")}}),
		s.PutOrganisation(ctx, store.Organisation{PartnerID: "q", ID: "q", Products: []string{"ELSEWHERE"}, Marks: []store.Mark{mark(store.AddressMark, "192.0.2.0/24")}}),
		s.PutDirectoryLink(ctx, store.DirectoryLink{Directory: "d", UserID: "kari", Tenant: "tenant", ObjectID: "o"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := publisher.New(publisher.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStoreAccess(t *testing.T) {
	t.Parallel()
	all := readers(t, memstore.New())
	addr := netip.MustParseAddr
	kari := publisher.Reader{PartnerID: "p", UserID: "kari", Customers: []int64{1}, Domains: []string{"example.com", "havbruk.example"}}
	stranger := publisher.Reader{PartnerID: "p", UserID: "stranger", Domains: []string{"example.com"}}
	for name, tt := range map[string]struct {
		reader *publisher.Reader // nil for kari
		q      publisher.Question
		want   string // allowed, then level and type of each right
	}{
		"anything":                        {nil, publisher.Question{}, "true AA AB AB AB AB CD"},
		"of a stranger":                   {&stranger, publisher.Question{}, "false"},
		"a product":                       {nil, publisher.Question{Product: "DIGITAL"}, "true AA"},
		"a product, by a stranger":        {&stranger, publisher.Question{Product: "DIGITAL"}, "false"},
		"what is over":                    {nil, publisher.Question{Product: "WEEKEND"}, "false AB"},
		"what begins later":               {nil, publisher.Question{Product: "SOON"}, "false AB"},
		"what is stopped":                 {nil, publisher.Question{Product: "STOPPED"}, "false CD"},
		"what has an end":                 {nil, publisher.Question{Product: "TERM"}, "true AB"},
		"temporary, by user and customer": {nil, publisher.Question{Product: "TRIAL"}, "true AB"},
		"nobody's":                        {nil, publisher.Question{Product: "NOTHING"}, "false"},
		"another partner's":               {nil, publisher.Question{Product: "ELSEWHERE"}, "false"},

		"a free article":                      {&stranger, publisher.Question{ArticleID: "free", Product: "NOTHING"}, "true AA"},
		"an article of her product":           {nil, publisher.Question{ArticleID: "digital"}, "true AA"},
		"the same, by a stranger":             {&stranger, publisher.Question{ArticleID: "digital"}, "false"},
		"of hers, asked with another product": {nil, publisher.Question{ArticleID: "digital", Product: "TERM"}, "false"},
		"of any product":                      {nil, publisher.Question{ArticleID: "any", Product: "TERM"}, "true AB"},
		"unknown":                             {nil, publisher.Question{ArticleID: "unknown"}, "false"},
		"unknown, with her product":           {nil, publisher.Question{ArticleID: "unknown", Product: "DIGITAL"}, "true AA"},
		"unknown, with another product":       {nil, publisher.Question{ArticleID: "unknown", Product: "PAPER"}, "false"},
		"bought":                              {nil, publisher.Question{ArticleID: "bought"}, "true AA"},
		"bought, asked with any product":      {nil, publisher.Question{ArticleID: "bought", Product: "PAPER"}, "true AA"},
		"bought of a product":                 {nil, publisher.Question{ArticleID: "digital2", Product: "PAPER"}, "false"},
		"bought by another":                   {&stranger, publisher.Question{ArticleID: "bought"}, "false"},

		"a category":                  {nil, publisher.Question{CategoryType: "SPORT"}, "true AA"},
		"a category and its product":  {nil, publisher.Question{CategoryType: "SPORT", Product: "DIGITAL"}, "true AA"},
		"a category of another":       {nil, publisher.Question{CategoryType: "SPORT", Product: "TERM"}, "false"},
		"a category that she has not": {nil, publisher.Question{CategoryType: "PRINT"}, "false"},

		"shared, not asked for": {nil, publisher.Question{Product: "PAPER"}, "false"},
		"shared":                {nil, publisher.Question{Product: "PAPER", WithFamily: true}, "true BA"},
		"shared article":        {nil, publisher.Question{ArticleID: "digital", WithFamily: true}, "true AA BA"},
		"not sharable":          {nil, publisher.Question{Product: "PRIVATE", WithFamily: true}, "false"},
		"shared with networks":  {nil, publisher.Question{Product: "NETS", WithFamily: true}, "false"},
		"not shared with her":   {&stranger, publisher.Question{Product: "PAPER", WithFamily: true}, "false"},

		"from an address":                   {&stranger, publisher.Question{Address: addr("192.0.2.7")}, "true BA"},
		"from an address of two":            {&stranger, publisher.Question{Address: addr("192.0.2.200")}, "true BA BA"},
		"from an address, mapped":           {&stranger, publisher.Question{Address: addr("::ffff:192.0.2.7"), Product: "DIGITAL"}, "true BA"},
		"from an address, IPv6":             {&stranger, publisher.Question{Address: addr("2001:db8:1::7"), ArticleID: "digital"}, "true BA"},
		"from an address, other product":    {nil, publisher.Question{Address: addr("192.0.2.7"), Product: "TERM"}, "false"},
		"from elsewhere, with her own":      {nil, publisher.Question{Address: addr("203.0.113.1"), Product: "DIGITAL"}, "false"},
		"from one that is over":             {nil, publisher.Question{Address: addr("198.51.100.1")}, "false BB"},
		"of two products, one":              {&stranger, publisher.Question{Address: addr("203.0.113.200"), Product: "PUZZLE", CategoryType: "GAMES"}, "true BA"},
		"the category of the other":         {&stranger, publisher.Question{Address: addr("203.0.113.200"), Product: "PUZZLE", CategoryType: "PRINT"}, "false"},
		"the article of the other":          {&stranger, publisher.Question{Address: addr("203.0.113.200"), Product: "PUZZLE", ArticleID: "print"}, "false"},
		"an article, another's category":    {&stranger, publisher.Question{Address: addr("203.0.113.200"), ArticleID: "print", CategoryType: "GAMES"}, "false"},
		"an article and its category":       {&stranger, publisher.Question{Address: addr("203.0.113.200"), ArticleID: "print", CategoryType: "PRINT"}, "true BA"},
		"by domain":                         {nil, publisher.Question{Domain: "havbruk.example"}, "true BA"},
		"by a domain that is not hers":      {&stranger, publisher.Question{Domain: "havbruk.example"}, "false"},
		"by any domain":                     {nil, publisher.Question{ByDomain: true, CategoryType: "NEWS"}, "true BA"},
		"by any domain, of a stranger":      {&stranger, publisher.Question{ByDomain: true}, "false"},
		"by directory":                      {nil, publisher.Question{ByDirectory: true, Product: "DIGITAL"}, "true BA"},
		"by directory, of a stranger":       {&stranger, publisher.Question{ByDirectory: true}, "false"},
		"by directory, another product":     {nil, publisher.Question{ByDirectory: true, Product: "PAPER"}, "false"},
		"by all":                            {nil, publisher.Question{ByDirectory: true, Domain: "havbruk.example", Address: addr("192.0.2.7")}, "true BA"},
		"by all, from elsewhere":            {nil, publisher.Question{ByDirectory: true, Domain: "havbruk.example", Address: addr("203.0.113.1")}, "false"},
		"by all, from a place of another's": {nil, publisher.Question{ByDomain: true, Address: addr("192.0.2.200"), Product: "PAPER"}, "false"},
	} {
		q := tt.q
		q.Reader = kari
		if tt.reader != nil {
			q.Reader = *tt.reader
		}
		v, err := all.Check(t.Context(), q)
		got := fmt.Sprint(v.Allowed)
		rights := []string{}
		for _, r := range v.Rights {
			rights = append(rights, string(r.Level)+string(r.Type))
		}
		slices.Sort(rights)
		for _, r := range rights {
			got += " " + r
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tt.want)
		}
	}
	v, err := all.Check(t.Context(), publisher.Question{Reader: kari, ListArticles: true})
	if err != nil || !slices.Equal(v.Articles, []string{"bought", "digital2"}) {
		t.Errorf("articles: %v, %v", v.Articles, err)
	}
	if v, err := all.Check(t.Context(), publisher.Question{Reader: kari, ListArticles: true, ArticleID: "bought"}); err != nil || v.Articles != nil {
		t.Errorf("articles along with one: %v, %v", v.Articles, err)
	}
}

func TestStoreAccessProducts(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	all := readers(t, s)
	// What lasts counts more than what has an end, and what holds more than what is over.
	for _, sub := range []store.Subscription{
		{ID: "6", Product: "DIGITAL", StartsAt: time.Now().AddDate(-2, 0, 0), EndsAt: time.Now().AddDate(-1, 0, 0)},
		{ID: "7", Product: "STOPPED", StartsAt: time.Now().AddDate(-2, 0, 0), EndsAt: time.Now().AddDate(-1, 0, 0)},
	} {
		sub.PartnerID, sub.CustomerNumber = "p", 1
		if err := s.PutSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	got, err := all.Access("p").Products(t.Context(), publisher.Reader{PartnerID: "p", UserID: "kari", Customers: []int64{1}})
	line := ""
	for _, p := range got {
		line += p.Product + string(p.Type) + " "
	}
	if err != nil || line != "DIGITALA SOONB STOPPEDB TERMB TRIALB WEEKENDB " {
		t.Errorf("Products = %s, %v", line, err)
	}
}

// A share ends with the subscription, and with the share.
func TestShareEnds(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	all := readers(t, s)
	q := publisher.Question{Reader: publisher.Reader{PartnerID: "p", UserID: "kari"}, Product: "PAPER", WithFamily: true}
	sub, err := s.Subscription(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*store.Subscription){
		"ended": func(o *store.Subscription) { o.EndsAt = time.Now().Add(-time.Minute) }, "stopped": func(o *store.Subscription) { o.Stopped = true },
		"not sharable": func(o *store.Subscription) { o.Sharable = false }, "another partner's": func(o *store.Subscription) { o.PartnerID = "q" },
		"later": func(o *store.Subscription) { o.StartsAt = time.Now().Add(time.Hour) },
	} {
		changed := sub
		change(&changed)
		if err := s.PutSubscription(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if v, err := all.Check(t.Context(), q); err != nil || v.Allowed {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	if err := s.PutSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	if v, err := all.Check(t.Context(), q); err != nil || !v.Allowed {
		t.Errorf("as it was: %+v, %v", v, err)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	s := memstore.New()
	mail := func(address string, proved bool) store.Credential {
		c := store.Credential{Kind: store.Email, Identity: address, AddedAt: now}
		if proved {
			c.VerifiedAt = now
		}
		return c
	}
	kari := store.User{ID: "kari", Number: 1, Ties: []store.Tie{{Kind: store.CustomerTie, PartnerID: "p", Number: "7"}},
		Credentials: []store.Credential{mail("kari@example.com", true), mail("kari@havbruk.example", false)}}
	blocked := store.User{ID: "blocked", Number: 2, Blocked: true, Credentials: []store.Credential{mail("blocked@example.com", true)}}
	for _, err := range []error{
		s.CreateUser(ctx, kari), s.CreateUser(ctx, blocked), s.CreateUser(ctx, store.User{ID: "ola", Number: 3}),
		s.CreateUser(ctx, store.User{ID: "lise", Number: 4, Credentials: []store.Credential{mail("lise@example.com", true)}}),
		s.CreateUser(ctx, store.User{ID: "friend", Number: 5, Credentials: []store.Credential{mail("friend@example.com", true)}}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 7, Contacts: []store.Contact{{Kind: store.Email, Identity: "friend@example.com"}}}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 10, Contacts: []store.Contact{{Kind: store.Email, Identity: "lise@example.com"}, {Kind: store.Email, Identity: "kari@example.com"}, {Kind: store.Email, Identity: "blocked@example.com"}}}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 8, Contacts: []store.Contact{{Kind: store.Email, Identity: "home@example.com"}}}),
		s.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 9, Contacts: []store.Contact{{Kind: store.Email, Identity: "home@example.com"}, {Kind: store.Email, Identity: "kari@havbruk.example"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := publisher.New(publisher.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	at := func(address string) publisher.Contact { return publisher.Contact{Kind: store.Email, Identity: address} }
	for name, tt := range map[string]struct {
		i    publisher.Identity
		user *store.User
		want string // user and customers; "" for nobody
	}{
		"logged in":                     {publisher.Identity{}, &kari, "kari [7] [example.com]"},
		"and herself":                   {publisher.Identity{UserID: "kari", Contact: at("kari@example.com"), CustomerNumber: 7}, &kari, "kari [7] [example.com]"},
		"and somebody else":             {publisher.Identity{UserID: "ola"}, &kari, ""},
		"and nobody":                    {publisher.Identity{UserID: "x"}, &kari, ""},
		"and another's number":          {publisher.Identity{CustomerNumber: 8}, &kari, ""},
		"and what she has not proved":   {publisher.Identity{Contact: at("kari@havbruk.example")}, &kari, ""},
		"and a customer's address":      {publisher.Identity{Contact: at("home@example.com")}, &kari, ""},
		"by id":                         {publisher.Identity{UserID: "kari"}, nil, "kari [7] [example.com]"},
		"by address":                    {publisher.Identity{Contact: at("kari@example.com")}, nil, "kari [7] [example.com]"},
		"by id and another's address":   {publisher.Identity{UserID: "ola", Contact: at("kari@example.com")}, nil, ""},
		"by id and a customer's":        {publisher.Identity{UserID: "ola", Contact: at("home@example.com")}, nil, ""},
		"blocked":                       {publisher.Identity{UserID: "blocked"}, nil, ""},
		"blocked, by address":           {publisher.Identity{Contact: at("blocked@example.com")}, nil, " [] []"},
		"by address, tied to nobody":    {publisher.Identity{Contact: at("lise@example.com")}, nil, "lise [10] [example.com]"},
		"by address and id, tied to":    {publisher.Identity{UserID: "lise", Contact: at("lise@example.com")}, nil, "lise [] [example.com]"},
		"by address, tied to another":   {publisher.Identity{Contact: at("friend@example.com")}, nil, "friend [] [example.com]"},
		"and by the other's number":     {publisher.Identity{Contact: at("friend@example.com"), CustomerNumber: 7}, nil, ""},
		"by address and number":         {publisher.Identity{Contact: at("lise@example.com"), CustomerNumber: 10}, nil, "lise [10] [example.com]"},
		"customers by address":          {publisher.Identity{Contact: at("home@example.com")}, nil, " [8 9] []"},
		"one of them by number":         {publisher.Identity{Contact: at("home@example.com"), CustomerNumber: 9}, nil, " [9] []"},
		"none of them by number":        {publisher.Identity{Contact: at("home@example.com"), CustomerNumber: 7}, nil, ""},
		"an address nobody proved":      {publisher.Identity{Contact: at("kari@havbruk.example")}, nil, " [9] []"},
		"an address of nobody":          {publisher.Identity{Contact: at("x@example.com")}, nil, " [] []"},
		"a number":                      {publisher.Identity{CustomerNumber: 8}, nil, " [8] []"},
		"nobody, as with an ip alone":   {publisher.Identity{}, nil, " [] []"},
		"a user without a customer":     {publisher.Identity{UserID: "ola"}, nil, "ola [] []"},
		"a number of one without a tie": {publisher.Identity{UserID: "ola", CustomerNumber: 8}, nil, ""},
	} {
		tt.i.PartnerID = "p"
		r, ok, err := all.Reader(ctx, tt.i, tt.user)
		got := ""
		if ok {
			got = fmt.Sprint(r.UserID, " ", r.Customers, " ", r.Domains)
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
	f := storetest.NewFaulty(s)
	f.Inject(storetest.Fault{Method: "UserByTie"})
	if all, err = publisher.New(publisher.Config{Store: f}); err != nil {
		t.Fatal(err)
	}
	if r, ok, err := all.Reader(ctx, publisher.Identity{PartnerID: "p", Contact: at("friend@example.com")}, nil); !errors.Is(err, storetest.ErrInjected) || ok {
		t.Errorf("ties can not be read: %+v, %t, %v", r, ok, err)
	}
	if r := publisher.ReaderOf(kari, "q"); len(r.Customers) != 0 {
		t.Errorf("at another partner: %+v", r)
	}
}

func TestAccessOutages(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Article", "CustomerSubscriptions", "UserAccesses", "CustomerAccesses", "Subscription", "Product", "MarkedOrganisations", "DirectoryLinks"} {
		f := storetest.NewFaulty(memstore.New())
		all := readers(t, f)
		f.Inject(storetest.Fault{Method: method})
		q := publisher.Question{Reader: publisher.Reader{PartnerID: "p", UserID: "kari", Customers: []int64{1}}, Product: "DIGITAL", ArticleID: "digital", CategoryType: "NEWS", WithFamily: true}
		if method == "MarkedOrganisations" || method == "DirectoryLinks" {
			q.ByDirectory = true
		}
		if v, err := all.Check(t.Context(), q); !errors.Is(err, storetest.ErrInjected) || v.Allowed {
			t.Errorf("%s fails: %+v, %v", method, v, err)
		}
	}
}

// A partner's own system is asked, and no other.
func TestAccessIsChosenByPartner(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	readers(t, s)
	all, err := publisher.New(publisher.Config{Store: s, Accesses: map[string]publisher.Access{"p": open{}}, Catalogues: map[string]publisher.Catalogue{"p": nothing{}}})
	if err != nil {
		t.Fatal(err)
	}
	for partner, want := range map[string]bool{"p": true, "q": false} {
		if v, err := all.Check(t.Context(), publisher.Question{Reader: publisher.Reader{PartnerID: partner}}); err != nil || v.Allowed != want {
			t.Errorf("%s: %+v, %v", partner, v, err)
		}
		if _, own := all.Catalogue(partner).(nothing); own != want {
			t.Errorf("%s: the wrong catalogue", partner)
		}
	}
}

type open struct{ publisher.Access }

func (open) Check(context.Context, publisher.Question) (publisher.Verdict, error) {
	return publisher.Verdict{Allowed: true}, nil
}

type nothing struct{ publisher.Catalogue }

func TestAddressMarks(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]int{"192.0.2.7": 32, "::ffff:192.0.2.7": 32, "2001:db8::1": 128, "fe80::1%eth0": 128} {
		marks := publisher.AddressMarks(netip.MustParseAddr(addr))
		if len(marks) != want || marks[0].Kind != store.AddressMark {
			t.Errorf("%s: %d marks, want %d", addr, len(marks), want)
		}
		for _, m := range marks {
			if p, err := netip.ParsePrefix(m.Value); err != nil || p != p.Masked() {
				t.Errorf("%s: %s is not canonical", addr, m.Value)
			}
		}
	}
}
