package connectid_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// The addresses of the tests' world.
const (
	host      = "https://id.example"
	loginURL  = host + "/user"
	returnURL = "https://paper.example/back?article=7"
	errorURL  = "https://paper.example/sorry"
	clientID  = "no.example.paper"
	otherID   = "no.example.other"
)

// site is a kit with a memory store and an outbox.
type site struct {
	t      testing.TB
	kit    *connectid.Kit
	store  store.Store
	outbox *message.Outbox
}

func testKeys() [][]byte {
	k := make([]byte, 32)
	for i := range k {
		k[i] = byte(i * 7)
	}
	return [][]byte{k}
}

// paper returns the client record of a newspaper at https://<name>.example.
func paper(id, name string) store.Client {
	return store.Client{
		ID: id, PartnerID: "partner", Name: name, Homepage: "https://" + name + ".example/",
		CustomerCareEmail: "help@" + name + ".example", UserTermsURL: "https://" + name + ".example/terms",
		Targets: []string{"https://" + name + ".example"}, RedirectURIs: []string{"https://" + name + ".example/callback"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Public: true, Language: "en",
	}
}

// config is the kit's configuration before the test changes it.
func config(s store.Store, out message.Sender) connectid.Config {
	return connectid.Config{
		Store: s, Keys: testKeys(), LoginURL: loginURL, Sender: out,
		Logger: slog.New(slog.DiscardHandler),
		// The least work that argon2id allows: what is tested here is not the hash.
		Passwords: account.Passwords{Memory: 64, Passes: 1},
	}
}

func newSite(t testing.TB, change ...func(*connectid.Config)) *site {
	t.Helper()
	out, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: memstore.New(), outbox: out}
	c := config(s.store, out)
	for _, f := range change {
		f(&c)
	}
	s.store = c.Store
	if s.kit, err = connectid.New(c); err != nil {
		t.Fatal(err)
	}
	for _, c := range []store.Client{paper(clientID, "paper"), paper(otherID, "other")} {
		if err := s.store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// user makes an account with the password by signing it up.
func (s *site) user(email, password string) store.User {
	s.t.Helper()
	b := s.browser()
	b.open("createUser", "credential", email)
	b.submit("sendVerificationCodeEvent", "rememberMe", "")
	b.submit("verificationEvent", "code", s.code(email))
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true")
	b.wantAt(returnURL)
	u, err := s.store.UserByCredential(context.Background(), store.Email, email)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// code returns the newest code that was sent to the address.
func (s *site) code(to string) string {
	s.t.Helper()
	code := ""
	for _, m := range s.outbox.List() {
		if m.To == to && m.Code != "" {
			code = m.Code
		}
	}
	if code == "" {
		s.t.Fatalf("no code was sent to %s", to)
	}
	return code
}

// wrong returns a code that is not the given one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// browser is a reader's browser: it keeps cookies and follows redirects within
// the kit. What leads elsewhere it only notes.
type browser struct {
	t       testing.TB
	kit     http.Handler
	jar     *cookiejar.Jar
	header  http.Header
	status  int
	headers http.Header
	body    string
	url     *url.URL // of the page, or the foreign address that was left for
}

func (s *site) browser() *browser { return newBrowser(s.t, s.kit) }

func newBrowser(t testing.TB, kit http.Handler) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, kit: kit, jar: jar, header: http.Header{}, url: &url.URL{Scheme: "https", Host: "id.example"}}
}

// address returns the address of a GUI URL with the usual parameters; an empty
// value removes one.
func address(page string, pairs ...string) string {
	q := url.Values{"clientId": {clientID}, "returnUrl": {returnURL}, "errorUrl": {errorURL}}
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return loginURL + "/" + page + "?" + q.Encode()
}

// open visits a GUI URL.
func (b *browser) open(page string, pairs ...string) *browser {
	b.t.Helper()
	return b.get(address(page, pairs...))
}

func (b *browser) get(address string) *browser {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

// do sends a request and follows redirects as a browser does.
func (b *browser) do(method, address string, form url.Values) *browser {
	b.t.Helper()
	for range 10 {
		u, err := b.url.Parse(address)
		if err != nil {
			b.t.Fatal(err)
		}
		b.url = u
		if u.Scheme+"://"+u.Host != host {
			b.body = ""
			return b
		}
		w := b.send(method, u, form)
		b.status, b.headers, b.body = w.Code, w.Header(), w.Body.String()
		b.jar.SetCookies(u, w.Result().Cookies())
		if w.Code < 300 || w.Code > 399 {
			return b
		}
		if method == http.MethodPost && w.Code != http.StatusSeeOther {
			b.t.Errorf("POST %s is answered %d; want 303", u.Path, w.Code)
		}
		method, form, address = http.MethodGet, nil, w.Header().Get("Location")
	}
	b.t.Fatalf("more than 10 redirects to %s", address)
	return b
}

func (b *browser) send(method string, u *url.URL, form url.Values) *httptest.ResponseRecorder {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, u.String(), body)
	r.Header = b.header.Clone()
	r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", host)
	}
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.kit.ServeHTTP(w, r)
	return w
}

// page is a page that a reader has before her, with the form on it.
type page struct {
	action *url.URL
	fields url.Values
}

// form reads the form of the page that is open.
func (b *browser) form() page {
	b.t.Helper()
	doc, err := html.Parse(strings.NewReader(b.body))
	if err != nil {
		b.t.Fatal(err)
	}
	p := page{fields: url.Values{}}
	for n := range doc.Descendants() {
		a := attributes(n)
		switch n.Data {
		case "form":
			if p.action, err = b.url.Parse(a["action"]); err != nil {
				b.t.Fatal(err)
			}
		case "option":
			if _, chosen := a["selected"]; chosen {
				p.fields.Set(attributes(n.Parent)["name"], a["value"])
			}
		case "input":
			_, ticked := a["checked"]
			if (a["type"] == "checkbox" || a["type"] == "radio") && !ticked || a["name"] == "" {
				continue
			}
			p.fields.Set(a["name"], a["value"])
		}
	}
	if p.action == nil {
		b.t.Fatalf("no form on the page of %s (%d): %s", b.url.Path, b.status, b.body)
	}
	return p
}

func attributes(n *html.Node) map[string]string {
	m := map[string]string{}
	for _, a := range n.Attr {
		m[a.Key] = a.Val
	}
	return m
}

// submit fills in the form of the open page and presses a button; an empty
// value unticks or empties a field.
func (b *browser) submit(event string, pairs ...string) *browser {
	b.t.Helper()
	return b.submitPage(b.form(), event, pairs...)
}

// submitPage does so with a page that was kept, as in another tab or after the
// back button.
func (b *browser) submitPage(p page, event string, pairs ...string) *browser {
	b.t.Helper()
	form := url.Values{}
	for k, v := range p.fields {
		form[k] = v
	}
	if event != "" {
		form.Set("event", event)
	}
	for i := 0; i < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" && pairs[i] == "rememberMe" {
			form.Del(pairs[i])
		}
	}
	return b.do(http.MethodPost, p.action.String(), form)
}

// state returns data-state of the open page.
func (b *browser) state() string {
	_, rest, ok := strings.Cut(b.body, `data-state="`)
	if !ok {
		return ""
	}
	state, _, _ := strings.Cut(rest, `"`)
	return state
}

func (b *browser) wantState(want string) *browser {
	b.t.Helper()
	if got := b.state(); got != want {
		b.t.Fatalf("the page is %q at %s (%d); want %q", got, b.url, b.status, want)
	}
	return b
}

func (b *browser) wantStatus(want int) *browser {
	b.t.Helper()
	if b.status != want {
		b.t.Fatalf("status %d at %s; want %d", b.status, b.url, want)
	}
	return b
}

// wantAt says that the browser has left for an address.
func (b *browser) wantAt(want string) *browser {
	b.t.Helper()
	if got := b.url.String(); got != want {
		b.t.Fatalf("the browser is at %s (%d, state %q); want %s\n%s", got, b.status, b.state(), want, alerts(b.body))
	}
	return b
}

// alerts returns what the page says is wrong, for messages.
func alerts(body string) string {
	_, rest, ok := strings.Cut(body, `role="alert"`)
	if !ok {
		return ""
	}
	return rest[:min(len(rest), 400)]
}

// loggedIn reports what loginCheck says of the browser, without changing it.
func (b *browser) loggedIn(pairs ...string) bool {
	b.t.Helper()
	other := *b
	other.open("loginCheck", pairs...)
	switch at := other.url.String(); at {
	case returnURL:
		return true
	case errorURL:
		return false
	default:
		b.t.Fatalf("loginCheck led to %s", at)
		return false
	}
}

// cookie returns the value of a cookie of the kit whose name ends so.
func (b *browser) cookie(end string) string {
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/user/loginCheck"}) {
		if strings.HasSuffix(c.Name, end) {
			return c.Value
		}
	}
	return ""
}

// login logs a new browser in by password, remembered or not.
func (s *site) login(email, password string, remember bool, pairs ...string) *browser {
	s.t.Helper()
	b := s.browser()
	b.open("login", pairs...)
	ticked := ""
	if remember {
		ticked = "true"
	}
	b.submit("verifyCredentialsEvent", "credential", email, "password", password, "rememberMe", ticked)
	b.wantAt(returnURL)
	return b
}
