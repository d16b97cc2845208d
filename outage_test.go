package connectid_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// A store that is down or frozen gives 503 within 5 seconds with Retry-After,
// never a login, and recovery needs no restart.
func TestOutage(t *testing.T) {
	for name, methods := range map[string][]string{
		"everything":      {""},
		"all but clients": {"Session", "SessionByCheck", "TouchSession", "EndSession", "Run", "InsertRun", "SwapRun", "Add", "User", "UserByCredential", "Series"},
	} {
		t.Run(name, func(t *testing.T) {
			var faulty *storetest.Faulty
			s := newSite(t, func(c *connectid.Config) {
				faulty = storetest.NewFaulty(c.Store)
				c.Store = faulty
			})
			s.user(kari, password)
			in := s.login(kari, password, true)
			code := s.browser()
			code.open("login").submit("sendVerificationCodeEvent", "credential", kari)
			synctest.Test(t, func(t *testing.T) {
				for how, fault := range map[string]storetest.Fault{"down": {}, "frozen": {Delay: time.Hour}} {
					for _, m := range methods {
						fault.Method = m
						faulty.Inject(fault)
					}
					for walk, f := range map[string]func() *browser{
						"login page of a session":  func() *browser { x := *in; return x.open("login") },
						"loginCheck of a session":  func() *browser { x := *in; return x.open("loginCheck") },
						"logout of a session":      func() *browser { x := *in; return x.open("logout") },
						"resetPassword, logged in": func() *browser { x := *in; return x.open("resetPassword") },
						"a code":                   func() *browser { x := *code; return x.submit("verificationEvent", "code", s.code(kari)) },
					} {
						start := time.Now()
						x := f()
						if x.status != http.StatusServiceUnavailable || x.headers.Get("Retry-After") == "" {
							t.Errorf("%s, %s: %d at %s", how, walk, x.status, x.url)
						}
						if took := time.Since(start); took > 5*time.Second {
							t.Errorf("%s, %s: took %s", how, walk, took)
						}
						if strings.Contains(x.body, "injected") {
							t.Errorf("%s, %s: the page tells why", how, walk)
						}
						for _, c := range x.headers["Set-Cookie"] {
							if strings.Contains(c, "-session=") {
								t.Errorf("%s, %s: a session cookie was set: %s", how, walk, c)
							}
						}
					}
					faulty.Heal()
				}
			})
			if !in.loggedIn() {
				t.Error("the session is gone after the outage")
			}
			code.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
			in.open("logout").wantAt(returnURL)
			if in.loggedIn() {
				t.Error("the logout after the outage did not log out")
			}
		})
	}
}

// An anonymous GET of any URL reads the client's record and does nothing else.
func TestAnonymousGetWritesNothing(t *testing.T) {
	var faulty *storetest.Faulty
	s := newSite(t, func(c *connectid.Config) {
		faulty = storetest.NewFaulty(c.Store)
		c.Store = faulty
	})
	for _, page := range guiPages {
		faulty.Calls()
		s.browser().open(page)
		for _, call := range faulty.Calls() {
			if call != "Client" {
				t.Errorf("an anonymous GET of %s calls %s", page, call)
			}
		}
	}
}

// A mail host that is down shows on the page, and nothing is lost.
func TestMailOutage(t *testing.T) {
	down := true
	var out *message.Outbox
	s := newSite(t, func(c *connectid.Config) {
		out = c.Sender.(*message.Outbox)
		c.Sender = senderFunc(func(ctx context.Context, m message.Message) error {
			if down {
				return errors.New("no route to host")
			}
			return out.Send(ctx, m)
		})
	})
	b := s.browser()
	b.open("createUser").submit("sendVerificationCodeEvent", "credential", kari).wantStatus(200).wantState("startCodeState")
	if !strings.Contains(b.body, `role="alert"`) || strings.Contains(b.body, "no route") || b.form().fields.Get("credential") != kari {
		t.Error("the page does not say that no code was sent, or loses the address, or tells too much")
	}
	down = false
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
}

type senderFunc func(context.Context, message.Message) error

func (f senderFunc) Send(ctx context.Context, m message.Message) error { return f(ctx, m) }

// FuzzForm posts anything to the login page: it is answered by a page or a
// redirect of ours, never by a failure, and never logs in.
func FuzzForm(f *testing.F) {
	s := newSite(f)
	s.user(kari, password)
	f.Add("verifyCredentialsEvent", kari, "wrong", "", "")
	f.Add("sendVerificationCodeEvent", "+47 412 34 567", "", "123456", "true")
	f.Add("navigateAwayEvent", "\x00\r\nBcc: x@y.no", "ø", "１２３", "<script>")
	f.Add("", "a@b", strings.Repeat("x", 300), "-", ";")
	f.Fuzz(func(t *testing.T, event, credential, pw, code, remember string) {
		if pw == password {
			t.Skip("that is the password")
		}
		s := &site{t: t, kit: s.kit, store: s.store, outbox: s.outbox}
		b := s.browser()
		b.open("login")
		b.submit(event, "credential", credential, "password", pw, "code", code, "rememberMe", remember)
		if b.status >= 500 || b.url.Host != "id.example" && !strings.HasPrefix(b.url.String(), errorURL) {
			t.Fatalf("%d at %s", b.status, b.url)
		}
		for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"}) {
			if strings.HasSuffix(c.Name, "-session") {
				t.Fatal("logged in")
			}
		}
	})
}

// FuzzQuery opens any query: the answer is a page, a 4xx or a redirect to a
// target of the client, byte for byte one that was asked for.
func FuzzQuery(f *testing.F) {
	s := newSite(f)
	for _, q := range []string{
		"clientId=no.example.paper&returnUrl=https://paper.example/&errorUrl=https://paper.example/x",
		"clientId=no.example.paper&returnUrl=https://paper.example/%5c@evil&errorUrl=https:%2F%2Fpaper.example", "run=x&&=;%", "credential=%0d%0a",
	} {
		for _, page := range guiPages {
			f.Add(page, q)
		}
	}
	for _, q := range []string{
		"orderId=7&returnUrl=https://paper.example/", "orderId=7,8&orderId=%39&returnUrl=https://paper.example/?fulfillmentStatus=success",
		"orderId=9007199254740993&orderId=-1", "orderId=,%2c,&returnUrl=https:%2F%2Fpaper.example", "state=a.b&orderId=0x7",
	} {
		for _, page := range []string{"fulfillment", "fulfillment/callback", "orderLink"} {
			f.Add(page, q)
		}
	}
	s.order(7, "", func(o *store.Order, _ *order.Content) { o.Status = store.OrderPaid })
	f.Fuzz(func(t *testing.T, page, query string) {
		u := &url.URL{Scheme: "https", Host: "id.example", Path: "/user/" + page, RawQuery: query}
		r, err := http.NewRequest(http.MethodGet, "https://id.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d for %q", w.Code, u)
		}
		if to := w.Header().Get("Location"); to != "" {
			at, err := url.Parse(to)
			if err != nil || at.Scheme != "https" || at.Host != "paper.example" && at.Host != "other.example" {
				t.Fatalf("%q leads to %q", query, to)
			}
		}
	})
}
