package browser_test

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/handlers/pay"
)

// counter is the sandbox with a shop on another origin.
type counter struct {
	t    *testing.T
	p    *sandbox.Provider
	shop *httptest.Server
}

// shopPage frames the view and writes down what it is told.
var shopPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>
{{if .}}<iframe title="Payment" src="{{.}}" width="400" height="200"></iframe>{{end}}<ol id="told"></ol><script>
addEventListener("message", (e) => {
	if (e.source !== document.querySelector("iframe").contentWindow || e.origin !== new URL({{.}}).origin) return;
	if (e.data.event === "height") { document.querySelector("iframe").height = e.data.height; return }
	const li = document.createElement("li");
	li.textContent = e.data.mcPayRef + " " + e.data.event;
	document.getElementById("told").append(li);
})</script>`))

func newCounter(t *testing.T) *counter {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p, err := sandbox.New(sandbox.Config{
		URL: server.URL + "/sandbox", Slow: time.Second, Shops: map[string]string{"fjord": "Fjordposten"},
		Storage: sandbox.File(filepath.Join(t.TempDir(), "payments.json")),
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := pay.NewSandbox(pay.SandboxConfig{Provider: p, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/sandbox/", pages)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := shopPage.Execute(w, r.URL.Query().Get("frame")); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(shop.Close)
	shop.URL = strings.Replace(shop.URL, "127.0.0.1", "localhost", 1) // another site, not merely another port
	return &counter{t, p, shop}
}

// begin returns the address of the page of a payment.
func (c *counter) begin(flow order.PaymentFlow, lang string) (string, order.Ref) {
	c.t.Helper()
	s := order.Start{
		ID: rand.Text(), Key: rand.Text(), MerchantID: "fjord", Method: order.CreditCardPayEx, Flow: flow, Lang: lang,
		Amount: 129900, VATAmount: 25980, Currency: "NOK", Description: "Fjordposten komplett, 12 måneder", ReturnURL: c.shop.URL + "/back",
		Recurring: true, TermsURL: c.shop.URL + "/terms", Renewal: order.Renewal{Price: 34900},
		Lines: []order.StartLine{{Name: "Papiravis og digital tilgang", Quantity: 1, Amount: 124900}, {Name: "Porto", Quantity: 2, Amount: 5000}},
	}
	if flow == order.Seamless {
		s.ReturnURL, s.Origins = "", []string{"https://elsewhere.example", c.shop.URL}
	}
	started, err := c.p.Start(c.t.Context(), s)
	if err != nil {
		c.t.Fatal(err)
	}
	return started.RedirectURL + started.View.URL, order.Ref{ID: s.ID, Provider: started.Ref}
}

func (c *counter) state(r order.Ref) order.State {
	c.t.Helper()
	s, err := c.p.Standing(c.t.Context(), r)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.State
}

// testCard clicks a test card.
func (b *tab) testCard(o sandbox.Outcome) {
	b.t.Helper()
	b.click(fmt.Sprintf(`a[href$="?card=%s"]`, o))
	b.until(`document.querySelector("#number").value.length > 15`)
}

// The card page as a payer sees it: light and dark, wide and narrow, in all
// languages, and whatever became of the payment.
func TestSandboxPages(t *testing.T) {
	source := needAxe(t)
	b := newBrowser(t)
	c := newCounter(t)
	look := func(what string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			b.look(dark)
			b.audit(source, what+looks(dark))
			b.overflow(what + looks(dark))
		}
	}
	for _, lang := range []string{"nb", "nn", "sv", "da", "fi", "en"} {
		for _, flow := range []order.PaymentFlow{order.Redirect, order.Seamless} {
			address, _ := c.begin(flow, lang)
			b.open(address)
			what := fmt.Sprintf("card page, %s, %s", flow, lang)
			look(what)
			if flow == order.Seamless {
				b.click(".drawer summary") // closed in a frame
			}
			b.testCard(sandbox.Challenge)
			b.fill("#cvc", "1")
			b.fill("#number", "4111 1111 1111 1112")
			b.click(`button[value="pay"]`)
			b.until(`document.querySelectorAll("[aria-invalid]").length === 2`)
			look(what + " with faults")
			if flow == order.Seamless {
				b.click(".drawer summary")
			}
			b.testCard(sandbox.Challenge)
			b.click(`button[value="pay"]`)
			b.until(`document.documentElement.dataset.step === "confirm"`)
			look(what + ": 3-D Secure")
		}
	}
	for _, o := range []sandbox.Outcome{sandbox.NeverReturns, sandbox.NoAnswer} {
		address, _ := c.begin(order.Redirect, "fi")
		b.open(address)
		b.testCard(o)
		b.click(`button[value="pay"]`)
		b.until(`document.documentElement.dataset.step !== "card"`)
		look("card " + string(o))
	}
	address, _ := c.begin(order.Redirect, "sv")
	b.open(address)
	b.testCard(sandbox.Declined)
	b.click(`button[value="pay"]`)
	b.at(c.shop.URL)
	b.open(address)
	look("declined")
	b.open(address + "x")
	look("no such payment")
}

// Redirect: the payer types a card with the keyboard alone, and comes back once;
// going back shows how it ended.
func TestSandboxRedirect(t *testing.T) {
	b := newBrowser(t)
	c := newCounter(t)
	address, ref := c.begin(order.Redirect, "nb")
	b.open(address)
	b.click("#number")
	b.do(chromedp.SendKeys(chromedp.CSS("#number"), "4111111111111111\t0768\t123\r"))
	b.at(c.shop.URL + "/back")
	if s := c.state(ref); s != order.Authorized {
		t.Errorf("the payment is %s", s)
	}
	b.back()
	b.until(`document.documentElement.dataset.state === "authorized"`)
	if text := b.sees("main"); !strings.Contains(text, "Du har betalt 1\u00a0299,00\u00a0kr til Fjordposten") {
		t.Errorf("the page says %q", text)
	}
	b.click(".button")
	b.at(c.shop.URL + "/back")

	address, ref = c.begin(order.Redirect, "nb")
	b.open(address)
	b.click(`button[value="cancel"]`)
	b.at(c.shop.URL + "/back")
	if s := c.state(ref); s != order.Cancelled {
		t.Errorf("the payment is %s", s)
	}

	address, ref = c.begin(order.Redirect, "nb")
	b.open(address)
	b.testCard(sandbox.Slow)
	b.click(`button[value="pay"]`)
	b.at(c.shop.URL + "/back")
	for end := time.Now().Add(patience); c.state(ref) == order.Open && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if s := c.state(ref); s != order.Authorized {
		t.Errorf("a slow payment is %s", s)
	}
}

// Seamless: a page of another origin frames the view, without cookies, and is told
// how it ended. A page that is not among the origins frames nothing.
func TestSandboxFrame(t *testing.T) {
	b := newBrowser(t)
	c := newCounter(t)
	inside := func(js string) string {
		return fmt.Sprintf(`(() => { try { return Boolean(%s) } catch { return false } })()`, js)
	}
	for _, o := range []struct {
		card  sandbox.Outcome
		event string
	}{{sandbox.Approved, "success"}, {sandbox.Declined, "failure"}, {sandbox.Slow, "success"}, {"", "cancel"}} {
		address, ref := c.begin(order.Seamless, "en")
		if o.card != "" {
			address += "?card=" + string(o.card)
		}
		b.open(c.shop.URL + "/?frame=" + template.URLQueryEscaper(address))
		b.until(inside(`Number(document.querySelector("iframe").height) > 300`)) // it says how high it is
		frame := b.frame(regexp.MustCompile("^" + regexp.QuoteMeta(strings.TrimSuffix(address, "?card="+string(o.card)))))
		button := `button[value="pay"]`
		if o.card == "" {
			button = `button[value="cancel"]`
		}
		frame.click(button)
		b.until(fmt.Sprintf(`document.querySelector("#told").innerText.trim() === %q`, ref.ID+" "+o.event))
	}

	address, _ := c.begin(order.Redirect, "en")
	for _, framed := range []string{address, strings.Replace(address, "/sandbox/", "/sandbox/x", 1)} {
		b.open(c.shop.URL + "/?frame=" + template.URLQueryEscaper(framed))
		b.until(`document.querySelector("iframe")`)
		time.Sleep(300 * time.Millisecond)
		told, err := eval[string](b, `document.querySelector("#told").innerText + document.querySelector("iframe").height`)
		if err != nil || told != "200" {
			t.Errorf("a page that may not be framed says %q, %v", told, err)
		}
	}
	// Another site is not among the origins.
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := shopPage.Execute(w, r.URL.Query().Get("frame")); err != nil {
			t.Error(err)
		}
	}))
	defer stranger.Close()
	address, _ = c.begin(order.Seamless, "en")
	b.open(stranger.URL + "/?frame=" + template.URLQueryEscaper(address))
	time.Sleep(300 * time.Millisecond)
	if told, err := eval[string](b, `document.querySelector("#told").innerText + document.querySelector("iframe").height`); err != nil || told != "200" {
		t.Errorf("a stranger is told %q, %v", told, err)
	}
}

// frame returns the frame of another site whose address matches, as a tab.
func (b *tab) frame(address *regexp.Regexp) *tab {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := withPatience(b)
		targets, err := chromedp.Targets(ctx)
		cancel()
		if err != nil {
			b.fatalf("%v", err)
		}
		for _, found := range targets {
			if found.Type == "iframe" && address.MatchString(found.URL) {
				ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(found.TargetID))
				b.t.Cleanup(cancel)
				if err := chromedp.Do(ctx); err != nil {
					b.fatalf("%v", err)
				}
				return &tab{b.t, ctx}
			}
		}
	}
	b.fatalf("no frame of another site at %s", address)
	return nil
}
