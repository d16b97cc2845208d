package order_test

import (
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

func TestNew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	card := func(m ...order.Merchant) func(*order.Config) {
		return func(c *order.Config) { c.Merchants = m }
	}
	one := map[order.Method]order.Provider{order.CreditCard: direct{s.bank}}
	for name, tt := range map[string]struct {
		change func(*order.Config)
		want   []string // what the error says; none for no error
	}{
		"as it should be": {func(*order.Config) {}, nil},
		"no merchants need no addresses": {func(c *order.Config) {
			c.Merchants, c.CallbackURL, c.ScriptReturnURL = nil, "", ""
		}, nil},
		"a slash at the end":      {func(c *order.Config) { c.CallbackURL += "/" }, nil},
		"loopback without https":  {func(c *order.Config) { c.CallbackURL = "http://localhost:8080/capi/mcpay/callback" }, nil},
		"two names of one method": {card(order.Merchant{ID: "m", PartnerID: "p", Providers: map[order.Method]order.Provider{order.CreditCard: direct{s.bank}, order.CreditCardPayEx: direct{s.bank}}}), []string{"creditcard and one for creditcardPayex, which are the same method"}},
		"everything is told at once": {func(c *order.Config) {
			*c = order.Config{PayWithin: time.Second, ClaimWithin: -1, Desks: map[string]order.Desk{"": nil}}
		}, []string{
			"missing Store", "missing Clients", "missing Keys", "missing Publishers", "bad PayWithin 1s", "bad ClaimWithin -1ns", `bad Desks[""]`,
		}},
		"merchants without addresses": {func(c *order.Config) { c.CallbackURL, c.ScriptReturnURL = "", "" }, []string{"missing CallbackURL", "missing ScriptReturnURL", "https://connectid.example/capi/mcpay/return"}},
		"bad addresses": {func(c *order.Config) {
			c.CallbackURL, c.ScriptReturnURL = "http://login.example/callback", "https://login.example/return?x=1"
		}, []string{"bad CallbackURL", "not https", "bad ScriptReturnURL", "a query"}},
		"relative":         {func(c *order.Config) { c.CallbackURL = "/capi/mcpay/callback" }, []string{"bad CallbackURL", "not absolute"}},
		"no merchant ID":   {card(order.Merchant{PartnerID: "p", Providers: one}), []string{`bad ID "" of Merchants[0]`}},
		"merchant ID":      {card(order.Merchant{ID: "a/b", PartnerID: "p", Providers: one}), []string{`bad ID "a/b"`}},
		"dots":             {card(order.Merchant{ID: "..", PartnerID: "p", Providers: one}), []string{`bad ID ".."`}},
		"no partner":       {card(order.Merchant{ID: "m", Providers: one}), []string{"missing PartnerID of merchant m"}},
		"twice":            {card(order.Merchant{ID: "m", PartnerID: "p", Providers: one}, order.Merchant{ID: "m", PartnerID: "q", Providers: one}), []string{"merchant m is given twice"}},
		"two defaults":     {card(order.Merchant{ID: "m", PartnerID: "p", Default: true, Providers: one}, order.Merchant{ID: "n", PartnerID: "p", Default: true, Providers: one}), []string{"both the Default of partner p"}},
		"two partners":     {card(order.Merchant{ID: "m", PartnerID: "p", Default: true, Providers: one}, order.Merchant{ID: "n", PartnerID: "q", Default: true, Providers: one}), nil},
		"no providers":     {card(order.Merchant{ID: "m", PartnerID: "p"}), []string{"missing Providers of merchant m"}},
		"a nil provider":   {card(order.Merchant{ID: "m", PartnerID: "p", Providers: map[order.Method]order.Provider{order.Nexi: nil}}), []string{"missing provider for nexi of merchant m"}},
		"an unknown word":  {card(order.Merchant{ID: "m", PartnerID: "p", Providers: map[order.Method]order.Provider{"visa": direct{s.bank}}}), []string{`bad method "visa"`}},
		"free needs none":  {card(order.Merchant{ID: "m", PartnerID: "p", Providers: map[order.Method]order.Provider{order.Free: direct{s.bank}}}), []string{`bad method "free"`}},
		"a nil desk":       {func(c *order.Config) { c.Desks = map[string]order.Desk{"p": nil} }, []string{`bad Desks["p"]`}},
		"defaults of time": {func(c *order.Config) { c.PayWithin, c.ClaimWithin = 0, 0 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := order.New(s.config(s.store, direct{s.bank}, tt.change))
			if len(tt.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}
