package payex_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/internal/payextest"
)

const (
	paymentID = "9Vx4aQ0zSD7mN2bT6kY1wPfGhJ3LcRe5" // 32
	userID    = "00112233445566778899aabbccddeeff"
)

func config(s *payextest.Server) payex.Config {
	return payex.Config{
		BaseURL: s.URL, Token: payextest.Token, PayeeID: payextest.PayeeID, PayeeName: payextest.PayeeName,
		InsecureAllowHTTP: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func newProvider(t testing.TB, s *payextest.Server, change ...func(*payex.Config)) *payex.Provider {
	t.Helper()
	c := config(s)
	for _, f := range change {
		f(&c)
	}
	p, err := payex.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inBubble runs f on the clock of testing/synctest, with a simulator in memory, so that
// what takes too long takes no time.
func inBubble(t *testing.T, f func(t *testing.T, sim *payextest.Server, p *payex.Provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := payextest.NewInMemory(t)
		f(t, sim, newProvider(t, sim, func(c *payex.Config) { c.HTTPClient = &http.Client{Transport: sim.Transport()} }))
		time.Sleep(time.Hour) // what hangs comes to its end
	})
}

func start(change ...func(*order.Start)) order.Start {
	s := order.Start{
		ID: paymentID, Key: paymentID + "/start", MerchantID: "bladet", Method: order.CreditCardPayEx, Flow: order.Redirect,
		Amount: 19900, VATAmount: 3980, Currency: "NOK", Description: "Bladet, 4 uker", Lang: "nb",
		Lines:       []order.StartLine{{Reference: "weekly-4", Name: "Bladet, 4 uker", Quantity: 1, Amount: 19900, VATAmount: 3980, VATPercent: 2500}},
		Payer:       order.Payer{UserID: userID, Email: "kari@example.no", Phone: "+4791234567", UserAgent: "Mozilla/5.0"},
		ReturnURL:   "https://connectid.example/capi/mcpay/return/abc",
		CallbackURL: "https://connectid.example/capi/mcpay/callback/bladet/creditcardPayex/" + paymentID + "/proof",
		TermsURL:    "https://bladet.example/terms", LogoURL: "https://bladet.example/logo.png",
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func seamless(s *order.Start) {
	s.Flow, s.Origins, s.PageURL = order.Seamless, []string{"https://bladet.example"}, "https://bladet.example/buy"
}
func recurring(s *order.Start) { s.Recurring = true }
func bySwish(s *order.Start)   { s.Method, s.Currency = order.SwishPayEx, "SEK" }

func ref(s order.Start, started order.Started) order.Ref {
	return order.Ref{ID: s.ID, Provider: started.Ref, MerchantID: s.MerchantID, Method: s.Method, Recurring: s.Recurring}
}

func action(s order.Start, key string) order.Action {
	return order.Action{Key: s.ID + "/" + key, Amount: s.Amount, VATAmount: s.VATAmount, Currency: s.Currency, Description: s.Description}
}

func begin(t testing.TB, p *payex.Provider, s order.Start) (order.Ref, string) {
	t.Helper()
	started, err := p.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	address := started.RedirectURL
	if s.Flow == order.Seamless {
		address = started.View.URL
	}
	return ref(s, started), address
}

// paid is a payment that the payer has paid.
func paid(t testing.TB, sim *payextest.Server, p *payex.Provider, s order.Start) order.Ref {
	t.Helper()
	r, address := begin(t, p, s)
	if _, err := sim.Pay(address); err != nil {
		t.Fatal(err)
	}
	return r
}

func wantState(t testing.TB, p *payex.Provider, r order.Ref, want order.State) order.Standing {
	t.Helper()
	s, err := p.Standing(t.Context(), r)
	if err != nil || s.State != want {
		t.Fatalf("standing: got %+v, %v, want %s", s, err, want)
	}
	return s
}

// outage says that err is one after which the call is made again.
func outage(err error) bool {
	return err != nil && !errors.Is(err, order.ErrRefused) && !errors.Is(err, order.ErrUnknown)
}

func TestNewSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := payex.New(payex.Config{
		BaseURL: "http://api.payex.com/psp", Token: "secret\n", PayeeName: "a\x00b", UserAgent: "ü",
		CallbackAddresses: []netip.Prefix{{}}, Hosts: []string{"https://payex.com"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"BaseURL", "Token", "PayeeID", "PayeeName", "UserAgent", "CallbackAddresses", "Hosts"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: nothing of %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the error shows the token")
	}
	if _, err := payex.New(payex.Config{}); err == nil || !strings.Contains(err.Error(), "missing Token") {
		t.Errorf("an empty Config: got %v", err)
	}
	good := payex.Config{Token: "t", PayeeID: "p", PayeeName: "n"}
	for base, ok := range map[string]bool{
		"": true, payex.ExternalIntegration: true, payex.Production + "/": true,
		"http://127.0.0.1:80": false, "ftp://api.payex.com": false, "https://u@api.payex.com": false, "https://api.payex.com?a=b": false, "api.payex.com": false,
	} {
		c := good
		c.BaseURL = base
		if _, err := payex.New(c); (err == nil) != ok {
			t.Errorf("BaseURL %q: got %v", base, err)
		}
	}
	good.BaseURL, good.InsecureAllowHTTP = "http://payex.example", true
	if _, err := payex.New(good); err == nil {
		t.Error("http on a host that is not loopback")
	}
}

// The token never goes to another place, and neither does a caller's client change.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	other := payextest.New(t)
	client := &http.Client{}
	p := newProvider(t, sim, func(c *payex.Config) { c.HTTPClient = client })
	sim.Fail(payextest.Create, func(w http.ResponseWriter, _ func() *recorder) {
		w.Header().Set("Location", other.URL+"/psp/paymentorders")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if _, err := p.Start(t.Context(), start()); !outage(err) {
		t.Errorf("a redirect: got %v", err)
	}
	if n := other.Calls(payextest.Create); n != 0 {
		t.Errorf("%d calls at the other place", n)
	}
	if client.CheckRedirect != nil || client.Timeout != 0 {
		t.Error("the caller's client was changed")
	}
}
