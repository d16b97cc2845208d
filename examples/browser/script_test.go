package browser_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// shop is a site with the payment script, each of its servers on an origin of its
// own: the shop's pages, the API with the script, and a payment provider.
type shop struct {
	t                     testing.TB
	pages, api, provider  *httptest.Server
	client                store.Client
	secret                []byte
	service               *order.Service
	clients               store.Clients
	mu                    sync.Mutex
	handler               http.Handler            // of api
	payments              map[string]*shopPayment // by mcPayRef
	clicked               int                     // in the provider's pages
	inits, statuses, lost int                     // calls of the API, and how many of the next answers are lost
}

// shopPayment is a payment as the service and the provider see it.
type shopPayment struct {
	order.ScriptPayment
	reference, token, attempt, returnURL string
	starts                               int
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{t: t, payments: map[string]*shopPayment{}, secret: make([]byte, 64)}
	rand.Read(s.secret)
	ring, err := keys.New([][]byte{s.secret[:32]})
	if err != nil {
		t.Fatal(err)
	}
	db := memstore.New()
	systems, err := publisher.New(publisher.Config{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	if s.service, err = order.New(order.Config{Store: db, Clients: db, Keys: ring, Publishers: systems}); err != nil {
		t.Fatal(err)
	}
	s.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		h := s.handler
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	s.provider = httptest.NewServer(http.HandlerFunc(s.provide))
	// Another site, as providers are.
	s.provider.URL = strings.Replace(s.provider.URL, "127.0.0.1", "localhost", 1)
	s.pages = httptest.NewServer(http.HandlerFunc(s.page))
	for _, server := range []*httptest.Server{s.api, s.provider, s.pages} {
		t.Cleanup(server.Close)
	}
	s.client = store.Client{ID: "no.mediaconnect.test", PartnerID: "partner", Targets: []string{s.pages.URL}}
	sealed, err := order.SealSecret(ring, s.client.ID, s.secret)
	if err != nil {
		t.Fatal(err)
	}
	s.client.PaymentSecrets = []string{sealed}
	s.clients = db
	if err := db.PutClient(t.Context(), s.client); err != nil {
		t.Fatal(err)
	}
	server, err := pay.New(pay.Config{Payments: s, Clients: db, Counters: db, URL: s.api.URL + "/capi/mcpay"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcpay/", server.Scripts())
	mux.Handle("/capi/mcpay/", s.unreliable(server.API()))
	s.serve(mux)
	return s
}

// serve makes h what the API's server answers with.
func (s *shop) serve(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// newSandboxShop is a shop with everything real but the money.
func newSandboxShop(t testing.TB) *shop {
	t.Helper()
	s := newShop(t)
	db := memstore.New()
	ctx := t.Context()
	ring, err := keys.New([][]byte{s.secret[:32]}) // which sealed the client's secret
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.PutClient(ctx, s.client),
		db.PutProduct(ctx, store.Product{PartnerID: "partner", Code: "FJORD", Description: "Fjordposten", Type: store.SubscriptionProduct, Currency: "NOK"}),
		db.PutCoupon(ctx, store.Coupon{PartnerID: "partner", Code: "TOTT", Number: 1, Product: "FJORD", Description: "Fjordposten, en måned", Price: 299_00, Currency: "NOK", Period: store.Period{Length: 1, Unit: store.Months}}))
	if err != nil {
		t.Fatal(err)
	}
	systems, err := publisher.New(publisher.Config{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	base := s.api.URL + "/capi/mcpay"
	provider, err := sandbox.New(sandbox.Config{URL: base + "/sandbox"})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := pay.NewSandbox(pay.SandboxConfig{Provider: provider})
	if err != nil {
		t.Fatal(err)
	}
	service, err := order.New(order.Config{
		Store: db, Clients: db, Keys: ring, Publishers: systems, CallbackURL: base + "/callback", ScriptReturnURL: base + "/return",
		Merchants: []order.Merchant{{ID: "fjord", PartnerID: "partner", Default: true, Providers: map[order.Method]order.Provider{
			order.CreditCardPayEx: provider, order.VippsRecurring: provider, order.VippsEcommerce: provider,
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := pay.New(pay.Config{Payments: service, Clients: db, Counters: db, URL: base, Sandbox: pages})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcpay/", server.Scripts())
	mux.Handle("/capi/mcpay/", s.unreliable(server.API()))
	s.serve(mux)
	s.provider = s.api
	return s
}

// The script, the payments and the sandbox together.
func TestScriptWithSandbox(t *testing.T) {
	t.Parallel()
	t.Run("seamless", func(t *testing.T) {
		b, s := newBrowser(t), newSandboxShop(t)
		b.open(s.checkout("v/1", s.sign(func(*order.Claims) {})))
		b.click("#pay")
		ref := strings.Split(b.told("onInit"), `"`)[5]
		b.until("document.querySelector('iframe') && document.querySelector('iframe').style.height !== '600px'")
		if _, err := eval[bool](b, "document.querySelector('iframe').src += '?card=approved', true"); err != nil {
			t.Fatal(err)
		}
		// From the page's button the next field is the card's, which the sandbox has
		// filled in.
		for end := time.Now().Add(patience); !strings.Contains(b.log(), "onSuccess") && time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			if _, err := eval[bool](b, "document.getElementById('pay').focus() || true"); err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
		}
		paid := fmt.Sprintf(`["onSuccess",[{"mcPayRef":%q},"undefined"]]]`, ref)
		if log := b.told("onSuccess"); !strings.HasSuffix(log, ","+paid) {
			t.Errorf("told %s", log)
		}
		b.clean()
		b.open(b.url()) // paid already
		b.click("#pay")
		if log := b.told("onSuccess"); log != "["+paid {
			t.Errorf("after a reload: told %s", log)
		}
	})
	for method, recurring := range map[order.Method]bool{order.CreditCardPayEx: true, order.VippsRecurring: true, order.VippsEcommerce: false} {
		t.Run("redirect "+string(method), func(t *testing.T) {
			b, s := newBrowser(t), newSandboxShop(t)
			sign := s.sign(func(c *order.Claims) {
				c.PaymentMethod, c.PaymentFlow, c.Recurring, c.ReturnURL = method, order.Redirect, recurring, s.pages.URL+"/back?keep=this"
			})
			b.open(s.checkout("v/1", sign))
			b.click("#pay")
			b.at(s.api.URL + "/capi/mcpay/sandbox/")
			b.open(b.url() + "?card=approved")
			b.click("button[value=pay]")
			b.at(s.pages.URL + "/back?keep=this&mcPayRef=")
			if u := b.url(); !strings.HasSuffix(u, "&status=success") {
				t.Errorf("back at %s", u)
			}
			// She goes back and pays again: she ends there once more.
			done := b.url()
			b.open(s.checkout("v/1", sign))
			b.click("#pay")
			b.at(done)
		})
	}
}

// unreliable counts the calls, and loses answers.
func (s *shop) unreliable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		lose := false
		if r.Method == http.MethodPost {
			switch r.URL.Path {
			case "/capi/mcpay/init":
				s.inits++
			case "/capi/mcpay/status":
				s.statuses++
			}
			if lose = s.lost > 0; lose {
				s.lost--
			}
		}
		s.mu.Unlock()
		if !lose {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	})
}

func (s *shop) VerifySign(ctx context.Context, c *store.Client, token string) (order.Claims, error) {
	return s.service.VerifySign(ctx, c, token)
}

func (s *shop) StartScript(_ context.Context, p order.ScriptStart) (order.ScriptPayment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.payments {
		if old.reference == p.Claims.ExternalReference {
			if old.token != p.Token || old.attempt != p.Attempt || old.Outcome != order.Waiting {
				return order.ScriptPayment{}, order.ErrRepeated
			}
			old.starts++
			return old.ScriptPayment, nil
		}
	}
	if !strings.HasPrefix(p.PageURL, s.pages.URL+"/checkout?") || strings.Contains(p.PageURL, "#") {
		s.t.Errorf("the script is on the page %q", p.PageURL)
	}
	begun := &shopPayment{reference: p.Claims.ExternalReference, token: p.Token, attempt: p.Attempt, returnURL: p.Claims.ReturnURL, starts: 1}
	begun.ID, begun.Flow = rand.Text(), p.Claims.PaymentFlow
	switch {
	case begun.Flow == order.Redirect:
		begun.RedirectURL = s.provider.URL + "/redirect/" + begun.ID
	case strings.HasPrefix(begun.reference, "payex"):
		begun.View = order.View{Kind: order.PayExView, URL: s.provider.URL + "/payex/" + begun.ID}
	default:
		begun.View = order.View{Kind: order.FrameView, URL: s.provider.URL + "/frame/" + begun.ID}
	}
	s.payments[begun.ID] = begun
	return begun.ScriptPayment, nil
}

func (s *shop) ScriptStanding(_ context.Context, _, id, attempt string) (order.ScriptPayment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[id]
	if p == nil || p.attempt != attempt {
		return order.ScriptPayment{}, order.ErrNotFound
	}
	return p.ScriptPayment, nil
}

func (s *shop) ScriptReturn(_ context.Context, sealed string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[sealed]
	switch {
	case p == nil:
		return "", order.ErrNotFound
	case p.Outcome == order.Waiting:
		return "", nil
	case p.Outcome == order.Success:
		return p.returnURL + "?mcPayRef=" + p.ID + "&status=success", nil
	}
	return p.returnURL + "?mcPayRef=" + p.ID + "&status=failure", nil
}

func (s *shop) ReadCallback(context.Context, string, order.Callback) error { return order.ErrForged }

// settle makes the provider know how the payment ended.
func (s *shop) settle(id string, o order.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.payments[id]; p != nil {
		p.Outcome = o
	}
}

// only returns the one payment that there is.
func (s *shop) only() shopPayment {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.payments) != 1 {
		s.t.Fatalf("there are %d payments", len(s.payments))
	}
	for _, p := range s.payments {
		return *p
	}
	panic("unreachable")
}

func (s *shop) count() (payments, inits, statuses int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.payments), s.inits, s.statuses
}

// providerButtons stand below each other on the provider's pages. The last says that
// it was a success, and does nothing.
var providerButtons = []string{"success", "failure", "cancel", "lie"}

// provide serves the provider: its page, its frame and its script.
func (s *shop) provide(w http.ResponseWriter, r *http.Request) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	id, event, _ := strings.Cut(rest, "/")
	outcomes := map[string]order.Outcome{"success": order.Success, "failure": order.Error, "cancel": order.Cancel}
	buttons := ""
	for i, name := range providerButtons {
		buttons += fmt.Sprintf(`<button id="%s" style="position: absolute; left: 0; width: 100px; height: 40px; top: %dpx">%[1]s</button>`, name, 50*i+50)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch kind {
	case "settle":
		s.mu.Lock()
		s.clicked++
		s.mu.Unlock()
		if event != "lie" {
			s.settle(id, outcomes[event])
		}
		w.WriteHeader(http.StatusNoContent)
	case "redirect":
		fmt.Fprintf(w, `<!doctype html><title>Bank</title>%s<script>
			for (const b of document.querySelectorAll('button')) b.onclick = async () => {
				await fetch('/settle/%s/' + b.id);
				location = %q;
			};</script>`, buttons, id, s.api.URL+"/capi/mcpay/return/"+id)
	case "frame":
		// The sandbox's protocol: it tells the shop's page alone.
		fmt.Fprintf(w, `<!doctype html><title>Card</title>%s<script>
			const tell = (m) => parent.postMessage({ mcPayRef: %q, ...m }, %q);
			for (const b of document.querySelectorAll('button')) b.onclick = async () => {
				await fetch('/settle/%s/' + b.id);
				tell({ event: b.id === 'lie' ? 'success' : b.id });
			};
			tell({ event: 'height', height: 321 });</script>`, buttons, id, s.pages.URL, id)
	case "stranger":
		fmt.Fprintf(w, `<!doctype html><script>
			for (const mcPayRef of [%q, undefined]) parent.postMessage({ mcPayRef, event: 'success' }, '*');
			parent.postMessage({ mcPayRef: %[1]q, event: 'height', height: 99 }, '*');</script>`, id)
	case "payex":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, `window.payex = { hostedView: { checkout(options) {
			if (options) window.payexOptions = options;
			return { open() { document.getElementById(window.payexOptions.container.checkout).append('the payment menu'); }, close() { window.payexClosed = true; } };
		} } };
		window.payexDo = async (event, handler) => { if (event) await fetch(%q + event, { mode: 'no-cors' }); window.payexOptions[handler]({ event: handler }); };`, s.provider.URL+"/settle/"+id+"/")
	}
}

// sign signs what the shop sells.
func (s *shop) sign(change func(*order.Claims)) string {
	s.t.Helper()
	c := order.Claims{ClientCode: s.client.ID, PaymentMethod: order.CreditCardPayEx, ProductSpecCode: "TOTT", ProductSpecNo: 1, ExternalReference: rand.Text()}
	change(&c)
	sign, err := order.Sign(s.secret, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return sign
}

// checkout returns the address of a page with a button that pays.
func (s *shop) checkout(version, sign string, more ...string) string {
	q := url.Values{"version": {version}, "sign": {sign}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return s.pages.URL + "/checkout?" + q.Encode()
}

// page serves the shop's pages. Their policy allows what the documents say that the
// script needs, and nothing else.
func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch r.URL.Path {
	case "/page.js":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, pageScript)
	case "/checkout":
		policy := fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s %[2]s; connect-src %[1]s %[2]s; frame-src %[2]s; require-trusted-types-for 'script'; trusted-types mediaconnectpay; "+
			"base-uri 'none'; form-action 'none'; report-to none", s.api.URL, s.provider.URL)
		w.Header().Set("Content-Security-Policy", policy)
		fmt.Fprintf(w, `<!doctype html><html lang="nb"><head><title>Fjordposten</title></head><body>
			<button id="pay">Betal</button><div id="mediaconnectpay-id"></div>
			<script src="%[1]s/mcpay/lib/%[2]s/mediaconnectpay.js" crossorigin></script>
			<script src="/page.js" data-base="%[1]s/capi/mcpay" data-client="%[3]s" data-sign="%[4]s" data-redirect="%[5]s"></script></body></html>`,
			s.api.URL, html.EscapeString(q.Get("version")), s.client.ID, html.EscapeString(q.Get("sign")), html.EscapeString(q.Get("redirect")))
	case "/framed":
		fmt.Fprintf(w, `<!doctype html><title>Frame</title><iframe src="%s"></iframe>`, html.EscapeString(q.Get("of")))
	default:
		fmt.Fprint(w, `<!doctype html><title>Shop</title><h1 id="back">Takk</h1>`)
	}
}

// pageScript keeps a log of what the payment script tells the page.
const pageScript = `
const { base, client, sign, redirect } = document.currentScript.dataset;
window.log = [];
window.violations = [];
window.slow = [];
window.longTasks = 0;
document.addEventListener('securitypolicyviolation', (e) => window.violations.push(e.violatedDirective + ' ' + e.blockedURI));
window.observed = 0;
try {
  new PerformanceObserver((list) => { window.longTasks += list.getEntries().length; }).observe({ type: 'longtask', buffered: true });
  window.observed++;
  new PerformanceObserver((list) => list.getEntries().forEach((frame) => frame.scripts.forEach((s) => {
    if (s.sourceURL.includes('mediaconnectpay.js') && s.duration >= 50) window.slow.push(s.invoker + ' ' + s.duration);
  }))).observe({ type: 'long-animation-frame', buffered: true });
  window.observed++;
} catch (e) { window.slow.push(String(e)); }
const note = (name) => (...args) => window.log.push([name, args.map((a) => a === undefined ? 'undefined' : a)]);
const callbacks = { onInit: note('onInit'), onSuccess: note('onSuccess'), onFailure: note('onFailure') };
if (redirect) callbacks.onRedirect = note('onRedirect');
window.start = () => mediaconnectpay.Api.paymentInit({ clientCode: client, sign }, callbacks);
try {
  mediaconnectpay.Api.init({ baseUrl: base, elementId: 'mediaconnectpay-id' });
} catch (e) {
  note('threw')(e.message);
}
document.getElementById('pay').addEventListener('click', () => {
  try { window.start(); } catch (e) { note('threw')(e.message); }
});
`

// told waits until the page was told something, and returns all of it.
func (b *tab) told(name string) string {
	b.t.Helper()
	b.until(fmt.Sprintf("window.log && window.log.some(([n]) => n === %q)", name))
	return b.log()
}

func (b *tab) log() string {
	b.t.Helper()
	log, err := eval[string](b, "JSON.stringify(window.log)")
	if err != nil {
		b.fatalf("%v", err)
	}
	return log
}

// inFrame clicks on a button in the provider's frame, where the shop's page can not
// reach.
func (b *tab) inFrame(s *shop, id string) {
	b.t.Helper()
	b.until("document.querySelector('iframe').style.height === '321px'") // it has loaded
	top, err := eval[float64](b, "document.querySelector('iframe').getBoundingClientRect().top")
	if err != nil {
		b.fatalf("%v", err)
	}
	left, err := eval[float64](b, "document.querySelector('iframe').getBoundingClientRect().left")
	if err != nil {
		b.fatalf("%v", err)
	}
	clicked := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.clicked
	}
	// A click on a frame that was never painted goes to the page behind it.
	before := clicked()
	for end := time.Now().Add(patience); clicked() == before; {
		if time.Now().After(end) {
			b.fatalf("nobody hears the click on %s", id)
		}
		b.do(chromedp.MouseClickXY(left+50, top+70+50*float64(slices.Index(providerButtons, id))))
		for wait := time.Now().Add(500 * time.Millisecond); clicked() == before && time.Now().Before(wait); {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// current is the payment in the tab's frame.
func (s *shop) current(b *tab) string {
	src, err := eval[string](b, "(document.querySelector('iframe') || {}).src || ''")
	if err != nil {
		return ""
	}
	return src[strings.LastIndex(src, "/")+1:]
}

// clean checks what holds at the end of every walk: nothing broke the page's policy,
// and nothing is kept but in sessionStorage.
func (b *tab) clean() {
	b.t.Helper()
	state, err := eval[string](b, `JSON.stringify({ violations: window.violations, cookie: document.cookie, local: localStorage.length,
		session: Object.keys(sessionStorage).filter((k) => !k.startsWith('mediaconnectpay.')) })`)
	if err != nil || state != `{"violations":[],"cookie":"","local":0,"session":[]}` {
		b.t.Errorf("the page: %s, %v", state, err)
	}
	ctx, cancel := withPatience(b)
	defer cancel()
	all, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	if err != nil || len(all.Cookies) != 0 {
		b.t.Errorf("cookies %v, %v", all.Cookies, err)
	}
}

// The script makes no long task: whatever it does takes less than 50 ms. A machine
// that does other things too gets three attempts.
func TestScriptMakesNoLongTask(t *testing.T) {
	var slow string
	for range 3 {
		b, s := newBrowser(t), newShop(t)
		b.open(s.checkout("v/1", s.sign(func(*order.Claims) {})))
		b.click("#pay")
		b.told("onInit")
		b.inFrame(s, "failure")
		b.told("onFailure")
		var err error
		if slow, err = eval[string](b, "JSON.stringify({ slow: window.slow, tasks: window.longTasks, observed: window.observed })"); err != nil {
			t.Fatal(err)
		}
		if slow == `{"slow":[],"tasks":0,"observed":2}` {
			return
		}
		t.Log(slow)
	}
	t.Errorf("long tasks: %s", slow)
}

var scriptVersions = []string{"public/1.0.0", "public/1.1.0"}

// The seamless flow, with each version: arguments and callbacks as the documents
// describe them.
func TestScriptSeamless(t *testing.T) {
	t.Parallel()
	for _, version := range scriptVersions {
		for _, tt := range []struct{ button, last string }{
			{"success", `["onSuccess",[{"mcPayRef":"REF"},"undefined"]]`},
			{"failure", `["onFailure",[{"mcPayRef":"REF"},{"exceptionType":"PaymentFailed","errorMessage":"the payment has failed"},"undefined"]]`},
			{"cancel", `["onFailure",[{"mcPayRef":"REF"},{"exceptionType":"PaymentCancelled","errorMessage":"the payer has cancelled the payment"},"undefined","cancel"]]`},
		} {
			t.Run(version+"/"+tt.button, func(t *testing.T) {
				b, s := newBrowser(t), newShop(t)
				b.open(s.checkout(version, s.sign(func(*order.Claims) {})))
				b.click("#pay")
				b.told("onInit")
				ref := s.only().ID
				b.until("document.querySelector('iframe').style.height === '321px'")
				b.inFrame(s, tt.button)
				want := strings.ReplaceAll(`[["onInit",[{"mcPayRef":"REF"}]],`+tt.last+`]`, "REF", ref)
				if got := b.told(map[bool]string{true: "onSuccess", false: "onFailure"}[tt.button == "success"]); got != want {
					t.Errorf("told %s\nwant %s", got, want)
				}
				if b.has("iframe") {
					t.Error("the view is left behind")
				}
				b.clean()
			})
		}
	}
}

// The redirect flow: the same window, unless the page wants to do it.
func TestScriptRedirect(t *testing.T) {
	t.Parallel()
	for _, version := range scriptVersions {
		for button, status := range map[string]string{"success": "success", "failure": "failure", "cancel": "failure"} {
			t.Run(version+"/"+button, func(t *testing.T) {
				b, s := newBrowser(t), newShop(t)
				b.open(s.checkout(version, s.sign(func(c *order.Claims) { c.PaymentFlow, c.ReturnURL = order.Redirect, s.pages.URL+"/back" })))
				b.click("#pay")
				b.at(s.provider.URL + "/redirect/")
				b.click("#" + button)
				b.at(s.pages.URL + "/back?mcPayRef=" + s.only().ID + "&status=" + status)
				// She goes back and pays again: it is over, and no second payment.
				b.open(s.checkout(version, s.only().token))
				b.click("#pay")
				if button == "success" {
					b.at(s.provider.URL + "/redirect/")
				} else {
					b.told("onFailure")
				}
				s.only()
			})
		}
	}
	t.Run("onRedirect", func(t *testing.T) {
		b, s := newBrowser(t), newShop(t)
		b.open(s.checkout("v/1", s.sign(func(c *order.Claims) {
			c.PaymentMethod, c.Recurring, c.ReturnURL = order.VippsRecurring, true, s.pages.URL+"/back"
		}), "redirect", "yes"))
		b.click("#pay")
		log := b.told("onRedirect")
		p := s.only()
		if want := fmt.Sprintf(`[["onInit",[{"mcPayRef":%q}]],["onRedirect",[{"mcPayRef":%[1]q,"redirectUrl":%q}]]]`, p.ID, p.RedirectURL); log != want {
			t.Errorf("told %s\nwant %s", log, want)
		}
		b.clean()
	})
}

// The provider has not told yet when she comes back: the page waits, and goes on by
// itself.
func TestScriptReturnWaits(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	b.open(s.checkout("v/1", s.sign(func(c *order.Claims) { c.PaymentFlow, c.ReturnURL = order.Redirect, s.pages.URL+"/back" })))
	b.click("#pay")
	b.at(s.provider.URL + "/redirect/")
	b.click("#lie")
	b.at(s.api.URL + "/capi/mcpay/return/")
	b.sees("[role=status]")
	if style, err := eval[string](b, "getComputedStyle(document.querySelector('main')).borderTopWidth"); err != nil || style != "1px" {
		t.Errorf("the page's policy forbids its style: %s, %v", style, err)
	}
	b.narrow(true)
	if wide, err := eval[bool](b, "document.documentElement.scrollWidth > innerWidth"); err != nil || wide {
		t.Errorf("the page does not fit a phone: %v", err)
	}
	s.settle(s.only().ID, order.Success)
	b.at(s.pages.URL + "/back?mcPayRef=")
}

// The page of a way back that leads nowhere, in the light and in the dark.
func TestScriptReturnPage(t *testing.T) {
	t.Parallel()
	source := needAxe(t)
	b, s := newBrowser(t), newShop(t)
	for _, dark := range []bool{false, true} {
		b.dark(dark)
		b.open(s.api.URL + "/capi/mcpay/return/nothing")
		b.audit(source, "return page, "+looks(dark))
	}
}

// Double clicks, lost answers and reloads make one payment.
func TestScriptMakesOnePayment(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	s.lost = 2
	b.open(s.checkout("v/1", s.sign(func(*order.Claims) {})))
	if _, err := eval[bool](b, "document.getElementById('pay').click() || document.getElementById('pay').click() || true"); err != nil {
		t.Fatal(err)
	}
	b.told("onInit")
	b.sees("iframe")
	if _, inits, _ := s.count(); inits != 3 {
		t.Errorf("%d calls: two answers were lost, and the second click makes none", inits)
	}
	p := s.only()
	if log, want := b.log(), fmt.Sprintf(`[["onInit",[{"mcPayRef":%q}]]]`, p.ID); log != want || p.starts != 3 {
		t.Errorf("told %s after %d starts", log, p.starts)
	}
	// A reload in the middle goes on with it; so does a page that threw the view away.
	b.open(s.checkout("v/1", p.token))
	b.click("#pay")
	b.told("onInit")
	if _, err := eval[bool](b, "document.querySelector('iframe').remove() || window.start() || true"); err != nil {
		t.Fatal(err)
	}
	b.until("document.querySelectorAll('iframe').length === 1")
	if s.current(b) != s.only().ID {
		t.Error("the view is of another payment")
	}
	// Paid, but the page was gone before it heard of it.
	s.settle(p.ID, order.Success)
	b.open(s.checkout("v/1", p.token))
	b.click("#pay")
	if log, want := b.told("onSuccess"), fmt.Sprintf(`[["onSuccess",[{"mcPayRef":%q},"undefined"]]]`, p.ID); log != want {
		t.Errorf("told %s", log)
	}
	s.only()
	b.clean()
	// Another tab has another key: it gets nothing of it.
	other := newBrowser(t)
	other.open(s.checkout("v/1", p.token))
	other.click("#pay")
	if log := other.told("onFailure"); !strings.Contains(log, `["onFailure",["undefined",{"exceptionType":"RepeatedReference"`) {
		t.Errorf("told %s", log)
	}
	s.only()
}

// Status answers may get lost too.
func TestScriptStatusIsAskedAgain(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	b.open(s.checkout("v/1", s.sign(func(*order.Claims) {})))
	b.click("#pay")
	b.told("onInit")
	b.sees("iframe")
	s.mu.Lock()
	s.lost = 3
	s.mu.Unlock()
	b.inFrame(s, "success")
	b.told("onSuccess")
	if _, _, statuses := s.count(); statuses < 4 {
		t.Errorf("asked %d times", statuses)
	}
}

// What a frame says is only a hint, and what others say is nothing.
func TestScriptMessages(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	b.open(s.checkout("v/1", s.sign(func(*order.Claims) {})))
	b.click("#pay")
	b.told("onInit")
	b.until("document.querySelector('iframe').style.height === '321px'")
	id := s.only().ID
	if _, err := eval[bool](b, fmt.Sprintf(`(() => {
		const f = document.createElement('iframe'); f.id = 'stranger'; f.src = %q; document.body.append(f); // of the provider's origin, in another frame
		window.postMessage({ mcPayRef: %q, event: 'success' }, '*');
		window.postMessage(null, '*'); window.postMessage('success', '*');
		return true; })()`, s.provider.URL+"/stranger/"+id, id)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond)
	if _, _, statuses := s.count(); statuses != 0 {
		t.Errorf("strangers made the script ask %d times", statuses)
	}
	if height, err := eval[string](b, "document.querySelector('iframe').style.height"); err != nil || height != "321px" {
		t.Errorf("a stranger changed the view: %s, %v", height, err)
	}
	// The frame itself lies: the API is asked, and knows better.
	b.inFrame(s, "lie")
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, _, statuses := s.count(); statuses >= 2 {
			break
		} else if time.Now().After(end) {
			t.Fatal("the API is not asked")
		}
	}
	if log := b.log(); strings.Contains(log, "onSuccess") || strings.Contains(log, "onFailure") {
		t.Errorf("told %s", log)
	}
	s.settle(id, order.Success)
	b.told("onSuccess")
}

// Swedbank Pay's menu instead of a frame of ours.
func TestScriptPayEx(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ event, handler, want string }{
		{"success", "onPaid", `["onSuccess",[{"mcPayRef":"REF"},{"event":"onPaid"}]]`},
		{"failure", "onPaid", `["onFailure",[{"mcPayRef":"REF"},{"exceptionType":"PaymentFailed","errorMessage":"the payment has failed"},{"event":"onPaid"}]]`},
		{"cancel", "onAborted", `["onFailure",[{"mcPayRef":"REF"},{"exceptionType":"PaymentCancelled","errorMessage":"the payer has cancelled the payment"},{"event":"onAborted"},"cancel"]]`},
		{"", "onError", `["onFailure",[{"mcPayRef":"REF"},{"exceptionType":"ProviderError","errorMessage":"the view of the payment provider has reported an error"},{"event":"onError"}]]`},
	} {
		t.Run(tt.handler+tt.event, func(t *testing.T) {
			b, s := newBrowser(t), newShop(t)
			b.open(s.checkout("v/1.0", s.sign(func(c *order.Claims) { c.ExternalReference = "payex" })))
			b.click("#pay")
			b.until("document.getElementById('mediaconnectpay-id').innerText === 'the payment menu'")
			if culture, err := eval[string](b, "window.payexOptions.culture"); err != nil || culture != "nb-NO" {
				t.Errorf("culture %q, %v", culture, err)
			}
			if _, err := eval[bool](b, fmt.Sprintf("window.payexDo(%q, %q) && true", tt.event, tt.handler)); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tt.want, "REF", s.only().ID)
			if log := b.told(want[2:strings.Index(want, `",`)]); !strings.HasSuffix(log, ","+want+"]") {
				t.Errorf("told %s\nwant %s", log, want)
			}
			b.until("window.payexClosed && document.getElementById('mediaconnectpay-id').childNodes.length === 0")
			b.clean()
		})
	}
}

// Inside an iframe nothing is begun, and the error says why.
func TestScriptRefusesFrames(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	page := s.checkout("v/1", s.sign(func(*order.Claims) {}))
	b.open(s.pages.URL + "/framed?" + url.Values{"of": {page}}.Encode())
	b.until("document.querySelector('iframe').contentWindow.log && document.querySelector('iframe').contentWindow.log.length === 1")
	if _, err := eval[bool](b, "document.querySelector('iframe').contentDocument.getElementById('pay').click() || true"); err != nil {
		t.Fatal(err)
	}
	log, err := eval[string](b, "JSON.stringify(document.querySelector('iframe').contentWindow.log)")
	const threw = `["threw",["mediaconnectpay does not run inside an iframe: show the payment in the top window"]]`
	if err != nil || log != "["+threw+","+threw+"]" {
		t.Errorf("told %s, %v", log, err)
	}
	if payments, inits, _ := s.count(); payments+inits != 0 {
		t.Errorf("%d payments after %d calls", payments, inits)
	}
}

// What is refused is told to onFailure, with what the API says of it.
func TestScriptFailures(t *testing.T) {
	t.Parallel()
	b, s := newBrowser(t), newShop(t)
	good := s.sign(func(*order.Claims) {})
	ecommerce := s.sign(func(c *order.Claims) { c.PaymentMethod, c.ReturnURL = order.VippsEcommerce, s.pages.URL+"/back" })
	for _, tt := range []struct{ name, version, sign, want string }{
		{"forged", "v/1", good[:len(good)-4] + "AAAA", `"exceptionType":"InvalidSign"`},
		{"none", "v/1", "", `"exceptionType":"InvalidRequest"`},
		{"nonsense", "v/1", "nonsense", `"exceptionType":"InvalidSign"`},
		{"a method of 1.1", "v/1.0", ecommerce, `"exceptionType":"InvalidClaim","errorMessage":"paymentMethod is none that version 1.0.0 of the script knows"`},
	} {
		b.open(s.checkout(tt.version, tt.sign))
		b.click("#pay")
		if log := b.told("onFailure"); !strings.HasPrefix(log, `[["onFailure",["undefined",{`) || !strings.Contains(log, tt.want) {
			t.Errorf("%s: told %s", tt.name, log)
		}
	}
	if payments, _, _ := s.count(); payments != 0 {
		t.Errorf("%d payments", payments)
	}
	b.open(s.checkout("v/1.1", ecommerce))
	b.click("#pay")
	b.at(s.provider.URL + "/redirect/")

	// A page of an origin that is not the client's begins nothing, and its developer
	// learns why.
	s.client.Targets = []string{"https://other.example"}
	if err := s.clients.PutClient(t.Context(), s.client); err != nil {
		t.Fatal(err)
	}
	before, _, _ := s.count()
	b.open(s.checkout("v/1", good))
	b.click("#pay")
	if log := b.told("onFailure"); !strings.Contains(log, "NetworkError") || !strings.Contains(log, "not registered for the client") {
		t.Errorf("told %s", log)
	}
	if after, _, _ := s.count(); after != before {
		t.Error("a foreign page has begun a payment")
	}
}
