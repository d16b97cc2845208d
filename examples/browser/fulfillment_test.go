package browser_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/examples/clients"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// cashier is connectid with a newspaper that is paid by the sandbox.
type cashier struct {
	t      *testing.T
	base   string // of the login server
	home   string // of the newspaper
	db     *memstore.Store
	kit    *connectid.Kit
	outbox *message.Outbox
	orders int64
}

func newCashier(t *testing.T) *cashier {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(connectid.Clean(mux))
	t.Cleanup(server.Close)
	base := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	c := &cashier{t: t, base: base + "/user", home: server.URL, db: memstore.New()}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	box, err := sandbox.New(sandbox.Config{URL: base + "/mcpay/sandbox", Slow: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := pay.NewSandbox(pay.SandboxConfig{Provider: box, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if c.outbox, err = message.NewOutbox(message.OutboxConfig{}); err != nil {
		t.Fatal(err)
	}
	err = c.db.PutClient(t.Context(), store.Client{
		ID: "no.mediaconnect.test", PartnerID: "fjord", Name: "Fjordposten", Homepage: server.URL + "/", Targets: []string{server.URL}, Language: "nb", PasswordOptional: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.kit, err = connectid.New(connectid.Config{
		Store: c.db, Keys: [][]byte{[]byte("a key that this test alone can use")}, LoginURL: c.base, Sender: c.outbox, Clients: clients.Folders,
		InsecureAllowHTTP: true, Logger: quiet, Merchants: []order.Merchant{{
			ID: "fjord", PartnerID: "fjord", Default: true, Providers: map[order.Method]order.Provider{order.CreditCardPayEx: box},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/user/", c.kit)
	mux.Handle("/mcpay/sandbox/", pages)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<!doctype html><p id=home>home")) })
	return c
}

// toPay puts an order into the store, and returns the link that pays for it.
func (c *cashier) toPay() string {
	c.t.Helper()
	c.orders++
	data, err := json.Marshal(order.Content{Method: order.CreditCardPayEx, Lines: []order.Line{{
		SpecType: "coupon", SpecCode: "web", SpecNo: 1, Name: "Fjordposten Digital", Quantity: 1, Price: 123450, VATAmount: 24690, VATPercent: 2500,
		Renewal: store.Renewal{Price: 29900, Period: store.Period{Length: 1, Unit: store.Months}}, Period: store.Period{Length: 3, Unit: store.Months},
	}}})
	if err != nil {
		c.t.Fatal(err)
	}
	err = c.db.CommitOrders(c.t.Context(), []store.Order{{
		ID: c.orders, PartnerID: "fjord", ClientID: "no.mediaconnect.test", Status: store.OrderPreliminary, Method: string(order.CreditCardPayEx),
		MerchantID: "fjord", Amount: 123450, Currency: "NOK", Data: data, CreatedAt: time.Now(), UpdatedAt: time.Now(),
	}}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.base + "/fulfillment?" + url.Values{"orderId": {fmt.Sprint(c.orders)}, "returnUrl": {c.home + "/bought?a=1"}, "lang": {"nb"}}.Encode()
}

// signUp makes an account on the way to the payment, by a code.
func (c *cashier) signUp(b *tab, email string) {
	c.t.Helper()
	b.state("startLoginState")
	b.fill("#j_username", email)
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", lastCode(c.t, c.outbox))
	b.press("verificationEvent")
	b.state("newUserState")
	b.click("[name=acceptTerms]")
	b.press("continueEvent")
}

// A reader pays, cancels, is declined, and waits for a slow bank, without scripts.
func TestFulfillment(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	c := newCashier(t)
	b.open(c.toPay())
	c.signUp(b, "betaler@example.com")
	b.testCard(sandbox.Approved)
	b.click(`button[value="pay"]`)
	b.at(c.home + "/bought?a=1&fulfillmentStatus=success")

	b.open(c.toPay())
	b.click(`button[value="cancel"]`)
	b.at(c.home + "/bought?a=1&fulfillmentStatus=cancel")

	link := c.toPay()
	b.open(link)
	b.testCard(sandbox.Declined)
	b.click(`button[value="pay"]`)
	b.at(c.home + "/bought?a=1&fulfillmentStatus=error")
	b.open(link) // once more, by another card
	b.testCard(sandbox.Approved)
	b.click(`button[value="pay"]`)
	b.at(c.home + "/bought?a=1&fulfillmentStatus=success")

	b.open(c.toPay())
	b.testCard(sandbox.Slow)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.click(`button[value="pay"]`)
	b.at(c.home + "/bought?a=1&fulfillmentStatus=success")
}

// The page that waits says what for, goes back to the payment, and lets her leave.
func TestPaymentWait(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	c := newCashier(t)
	b.open(c.toPay())
	c.signUp(b, "venter@example.com")
	b.testCard(sandbox.NoAnswer)
	b.click(`button[value="pay"]`)
	b.until(`document.documentElement.dataset.step !== "card"`)
	b.click(`a[href*="fulfillment/callback"]`)
	b.state("paymentWaitState")
	text := b.sees("main")
	for _, want := range []string{"Fjordposten Digital", "1\u00a0234,50\u00a0kr", "246,90\u00a0kr", "for 3 måneder, deretter 299,00\u00a0kr per måned", "Ordrenummer 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	b.narrow(true)
	b.overflow("paymentWaitState")
	b.narrow(false)
	b.click("#cancelPaymentButton")
	b.at(c.home + "/bought?a=1&fulfillmentStatus=error")
}

// A link to an order: nothing until the button, then a password and in.
func TestOrderLink(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	c := newCashier(t)
	client, err := c.db.Client(t.Context(), "no.mediaconnect.test")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := account.ParseCredential("mottaker@example.com", "NO")
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.kit.Accounts().OrderUser(t.Context(), client, cred, "nb")
	if err != nil {
		t.Fatal(err)
	}
	err = c.kit.Accounts().SendOrderLink(t.Context(), account.OrderLink{
		Client: client, User: made.User, Credential: cred, OrderID: 7, Product: "Fjordposten Digital", ReturnURL: c.home + "/in", ErrorURL: c.home + "/out",
	})
	if err != nil {
		t.Fatal(err)
	}
	all := c.outbox.List()
	b.open(all[len(all)-1].Link)
	b.state("orderLinkState")
	b.press("orderLinkEvent")
	b.until("document.querySelector('#acceptTerms[aria-invalid]')")
	b.fill("#newPassword", "en hel setning om fjorden")
	b.click("#acceptTerms")
	b.press("orderLinkEvent")
	b.at(c.home + "/in")
	other := b.another()
	other.open(all[len(all)-1].Link)
	other.state("orderLinkOverState")
}
