package connectid_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// hostSite is a kit in a host's mux, with pages of the host's own.
func hostSite(t testing.TB, change ...func(*connectid.Config)) (*site, http.Handler) {
	s := newSite(t, append([]func(*connectid.Config){func(c *connectid.Config) { c.HostClient = clientID }}, change...)...)
	c := paper(clientID, "paper")
	c.Targets = append(c.Targets, host)
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := connectid.UserFrom(r.Context())
		fmt.Fprintf(w, "%s %v %s?%s", u.ID, ok, r.URL.Path, r.URL.RawQuery)
	})
	mux := http.NewServeMux()
	mux.Handle("/user/", s.kit)
	mux.Handle("/me", s.kit.RequireLogin(hello))
	mux.Handle("/bank/", http.StripPrefix("/bank", s.kit.RequireFresh(5*time.Minute)(hello)))
	mux.Handle("/soon", s.kit.RequireFresh(time.Minute)(hello))
	return s, connectid.Clean(mux)
}

// wantHost says that the host's handler has answered for the user.
func (b *browser) wantHost(u store.User, at string) *browser {
	b.t.Helper()
	if want := u.ID + " true " + at; b.status != 200 || b.body != want {
		b.t.Fatalf("%d at %s: %q; want %q", b.status, b.url, b.body[:min(len(b.body), 200)], want)
	}
	return b
}

func TestRequireLogin(t *testing.T) {
	s, mux := hostSite(t)
	u := s.user(kari, password)
	b := newBrowser(t, mux)
	b.get(host + "/me?page=2&q=a%20b&flag").wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password, "rememberMe", "true")
	b.wantHost(u, "/me?page=2&q=a%20b&flag")
	if got := b.headers.Get("Cache-Control"); got != "private, no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
	b.get(host+"/me").wantHost(u, "/me?")
	b.forget("-session")
	b.get(host+"/me").wantHost(u, "/me?") // remembered: no question
	// Who leaves comes to the host's front page.
	away := newBrowser(t, mux)
	away.get(host + "/me").submit("navigateAwayEvent")
	if away.url.Path != "/" || away.url.Host != "id.example" {
		t.Errorf("who leaves is at %s", away.url)
	}
	// A session ends at once when the account is blocked.
	u = s.reread(u)
	u.Blocked = true
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w := b.send("GET", mustURL(t, host+"/me"), nil)
	if w.Code != http.StatusFound || strings.Contains(w.Body.String(), u.ID) {
		t.Errorf("a blocked user is answered %d", w.Code)
	}
}

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRequireLoginOfCalls(t *testing.T) {
	_, mux := hostSite(t)
	for _, tt := range []struct {
		name, method, target string
		header               map[string]string
		status               int
		back                 string
	}{
		{"page", "GET", "/me?a=b", nil, 302, host + "/me?a=b"},
		{"head", "HEAD", "/me", nil, 302, host + "/me"},
		{"page of a browser", "GET", "/me", map[string]string{"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}, 302, host + "/me"},
		{"another Host", "GET", "/me", map[string]string{"Host": "evil.example", "X-Forwarded-Host": "evil.example"}, 302, host + "/me"},
		{"a path that looks like a host", "GET", "//evil.example/me", nil, 302, host + "//evil.example/me"},
		{"backslash", "GET", `/me?x=\\evil.example`, nil, 302, host + "/"},
		{"too long", "GET", "/me?x=" + strings.Repeat("y", 4000), nil, 302, host + "/"},
		{"post", "POST", "/me", nil, 401, host + "/"},
		{"post from a page", "POST", "/me", map[string]string{"Referer": host + "/page?x=1#y"}, 401, host + "/page?x=1"},
		{"post from elsewhere", "POST", "/me", map[string]string{"Referer": "https://evil.example/page"}, 401, host + "/"},
		{"fetch", "GET", "/me", map[string]string{"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Accept": "*/*"}, 401, host + "/"},
		{"frame", "GET", "/me", map[string]string{"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}, 401, host + "/"},
		{"XMLHttpRequest", "GET", "/me", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "*/*"}, 401, host + "/"},
		{"JSON", "GET", "/me", map[string]string{"Accept": "application/json"}, 401, host + "/"},
	} {
		r := httptest.NewRequest(tt.method, host+"/me", nil)
		r.RequestURI = tt.target
		for k, v := range tt.header {
			if r.Header.Set(k, v); k == "Host" {
				r.Host = v
			}
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		at := mustURL(t, w.Header().Get("Location"))
		if w.Code != tt.status || at.Scheme+"://"+at.Host+at.Path != loginURL+"/login" || at.Query().Get("returnUrl") != tt.back || at.Query().Get("clientId") != clientID {
			t.Errorf("%s: %d to %s; want %d with returnUrl %s", tt.name, w.Code, at, tt.status, tt.back)
		}
		if tt.status == 401 {
			var body struct{ Error, LoginURL string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error != "login_required" || body.LoginURL != at.String() {
				t.Errorf("%s: body %s, %v", tt.name, w.Body, err)
			}
			if w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Header().Get("Link"), at.String()) {
				t.Errorf("%s: headers %v", tt.name, w.Header())
			}
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", tt.name, got)
		}
	}
	r := httptest.NewRequest("POST", host+"/me", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if !strings.HasPrefix(w.Body.String(), "Log in first: "+loginURL) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("a form's post is answered %q", w.Body)
	}
}

// A client whose Targets do not allow the host is answered by the login server's
// page for developers, and nobody is sent anywhere.
func TestRequireLoginNeedsATarget(t *testing.T) {
	s, mux := hostSite(t)
	if err := s.store.PutClient(t.Context(), paper(clientID, "paper")); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, mux)
	b.get(host + "/me").wantStatus(400)
	if !strings.Contains(b.body, "returnUrl is not among the allowed targets") {
		t.Errorf("the page does not name the fault: %s", b.body)
	}
}

func TestRequireFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mux := hostSite(t)
		u := s.user(kari, password)
		s.user(ola, password)
		b := newBrowser(t, mux)
		b.get(host + "/bank/pay?amount=7").wantState("startLoginState") // nobody: one login is enough
		b.submit("verifyCredentialsEvent", "credential", kari, "password", password, "rememberMe", "").wantHost(u, "/pay?amount=7")
		time.Sleep(2 * time.Minute)
		b.get(host+"/bank/pay").wantHost(u, "/pay?")
		time.Sleep(3 * time.Minute)
		b.get(host+"/me").wantHost(u, "/me?") // logged in all the same

		// Stale: the same user, by password.
		b.get(host + "/bank/pay?amount=8").wantState("confirmUserState")
		if b.form().fields.Get("credential") != "" || !strings.Contains(b.body, kari) {
			t.Error("the credential can be changed, or is not shown")
		}
		old := b.cookie("-session")
		stolen := newBrowser(t, mux)
		stolen.jar.SetCookies(mustURL(t, host+"/"), b.jar.Cookies(mustURL(t, host+"/")))
		for name, fields := range map[string][]string{
			"somebody else":     {"credential", ola, "chosen", "A:" + ola, "password", password + "x"},
			"nothing":           {"password", ""},
			"a wrong one":       {"password", "wrong"},
			"an unknown choice": {"chosen", "A:" + ola, "password", password},
		} {
			b.submit("verifyCredentialsEvent", fields...).wantState("confirmUserState")
			if !strings.Contains(b.body, `role="alert"`) || b.cookie("-session") != old {
				t.Errorf("%s: nothing is said, or the session is new", name)
			}
		}
		// No button leads past the question.
		for _, event := range []string{"confirmedEvent", "verificationEvent", "continueEvent", "programmaticLoginEvent", "startLoginEvent"} {
			time.Sleep(11 * time.Second) // else it would be the second half of a double click
			x := *b
			x.submit(event).wantStatus(400)
		}
		b.submit("verifyCredentialsEvent", "password", password).wantHost(u, "/pay?amount=8")
		if b.cookie("-session") == old {
			t.Error("the session has its old handle")
		}
		stolen.get(host + "/me")
		if stolen.state() != "startLoginState" {
			t.Errorf("the old handle still works: %q", stolen.body)
		}

		// And by code.
		time.Sleep(5 * time.Minute)
		b.get(host + "/bank/pay").submit("sendVerificationCodeEvent").wantState("confirmCodeState")
		if got := s.sent(message.ConfirmCode); len(got) != 1 || got[0] != kari {
			t.Errorf("codes were sent to %q", got)
		}
		b.submit("verificationEvent", "code", wrong(s.code(kari))).wantState("confirmCodeState")
		b.submit("changeCredentialEvent").wantState("confirmUserState")
		b.submit("sendVerificationCodeEvent").submit("sendVerificationCodeEvent").wantState("confirmCodeState")
		b.submit("verificationEvent", "code", s.code(kari)).wantHost(u, "/pay?")

		// A stricter age than the kit's own does not go round in circles.
		time.Sleep(2 * time.Minute)
		b.get(host + "/soon").wantState("confirmUserState")
		b.submit("verifyCredentialsEvent", "password", password).wantHost(u, "/soon?")

		// A post is told where to go, and that somebody is logged in.
		time.Sleep(5 * time.Minute)
		w := b.send("POST", mustURL(t, host+"/bank/pay"), url.Values{})
		if w.Code != 401 || !strings.Contains(w.Body.String(), "reauthentication_required") || !strings.HasPrefix(w.Header().Get("Location"), loginURL+"/reauthenticate?") {
			t.Errorf("a post is answered %d %s", w.Code, w.Body)
		}
		// Who leaves is still logged in, and no fresher.
		b.get(host + "/bank/pay").submit("navigateAwayEvent")
		b.get(host+"/me").wantHost(u, "/me?")
		b.get(host + "/bank/pay").wantState("confirmUserState")
	})
}

// A remembered user is who she was, and has to prove it.
func TestRequireFreshOfARememberedUser(t *testing.T) {
	s, mux := hostSite(t)
	u := s.user(kari, password)
	b := newBrowser(t, mux)
	b.get(host+"/me").submit("verifyCredentialsEvent", "credential", kari, "password", password, "rememberMe", "true")
	b.forget("-session")
	b.get(host + "/bank/pay").wantState("confirmUserState")
	b.submit("verifyCredentialsEvent", "password", password).wantHost(u, "/pay?")
}

func TestRequireFreshWithoutPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mux := hostSite(t)
		u := s.addPhone(s.user(kari, password))
		u.PasswordHash = ""
		if err := s.store.UpdateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, mux)
		b.get(host+"/me").submit("sendVerificationCodeEvent", "credential", kari)
		b.submit("verificationEvent", "code", s.code(kari)).wantHost(u, "/me?")
		time.Sleep(5 * time.Minute)
		b.get(host + "/bank/pay").wantState("confirmUserState")
		if strings.Contains(b.body, "j_password") {
			t.Error("a user without a password is asked for one")
		}
		// Her mailbox is lost: the code goes to the phone that she chooses.
		b.submit("sendVerificationCodeEvent", "chosen", "B:"+karisMobile).wantState("confirmCodeState")
		b.submit("verificationEvent", "code", s.code(karisMobile)).wantHost(u, "/pay?")
	})
}

// A number that gets no codes is said to be one, where there is no field for it.
func TestReauthenticationByAFixedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mux := hostSite(t)
		u := s.addPhone(s.user(kari, password))
		u.Credentials[1].Identity, u.Credentials[1].Spelling = "+4722000000", "22 00 00 00"
		if err := s.store.UpdateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, mux)
		b.get(host+"/me").submit("verifyCredentialsEvent", "credential", kari, "password", password)
		time.Sleep(5 * time.Minute)
		b.get(host+"/bank/pay").submit("sendVerificationCodeEvent", "chosen", "B:+4722000000").wantState("confirmUserState")
		if !strings.Contains(b.body, "send a text message to this number") {
			t.Error("nothing is said")
		}
		b.submit("verifyCredentialsEvent", "password", password).wantHost(s.reread(u), "/pay?")
	})
}

// Two tabs, two users: the page of one is worth nothing to the other, neither is
// a code that was sent to her.
func TestReauthenticationIsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mux := hostSite(t)
		s.user(kari, password)
		olas := s.user(ola, password+"2")
		b := newBrowser(t, mux)
		b.get(host+"/me").submit("verifyCredentialsEvent", "credential", kari, "password", password)
		time.Sleep(5 * time.Minute)
		b.get(host + "/bank/pay").wantState("confirmUserState")
		karis := b.form()
		b.get(host + "/bank/pay").submit("sendVerificationCodeEvent").wantState("confirmCodeState")
		karisCode := b.form()
		b.get(address("login", "credential", ola)).submit("verifyCredentialsEvent", "credential", ola, "password", password+"2")
		time.Sleep(5 * time.Minute)
		b.get(host + "/bank/pay").wantState("confirmUserState")
		token := b.form().fields.Get("csrf_token")
		for name, p := range map[string]struct {
			page
			event string
		}{"password": {karis, "verifyCredentialsEvent"}, "code": {karisCode, "verificationEvent"}} {
			p.fields.Set("csrf_token", token)
			b.submitPage(p.page, p.event, "password", password, "code", s.code(kari))
			if b.state() != "confirmUserState" || !strings.Contains(b.body, ola) {
				t.Errorf("Kari's %s for Ola's session leads to %q", name, b.state())
			}
		}
		// A form that names the other owner does not help.
		page := b.form()
		page.fields.Set("owner", karis.fields.Get("owner"))
		b.submitPage(page, "verifyCredentialsEvent", "password", password+"2").wantState("confirmUserState")
		b.submit("verifyCredentialsEvent", "password", password+"2").wantHost(olas, "/pay?")
	})
}

// Who clicks twice is let in once, and not logged out.
func TestReauthenticationTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mux := hostSite(t)
		u := s.user(kari, password)
		b := newBrowser(t, mux)
		b.get(host+"/me").submit("verifyCredentialsEvent", "credential", kari, "password", password)
		time.Sleep(5 * time.Minute)
		b.get(host + "/bank/pay").wantState("confirmUserState")
		page, old := b.form(), *b
		old.jar = newBrowser(t, mux).jar // the answer of the first click never arrived
		old.jar.SetCookies(mustURL(t, host+"/user/login"), b.jar.Cookies(mustURL(t, host+"/user/login")))
		b.submitPage(page, "verifyCredentialsEvent", "password", password).wantHost(u, "/pay?")
		old.submitPage(page, "verifyCredentialsEvent", "password", password).wantHost(u, "/pay?")
	})
}

func TestRequireLoginOutage(t *testing.T) {
	var faulty *storetest.Faulty
	s, mux := hostSite(t, func(c *connectid.Config) {
		faulty = storetest.NewFaulty(c.Store)
		c.Store = faulty
	})
	u := s.user(kari, password)
	b := newBrowser(t, mux)
	b.get(host+"/me").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantHost(u, "/me?")
	synctest.Test(t, func(t *testing.T) {
		for _, method := range []string{"Session", "User", "TouchSession", ""} {
			for how, fault := range map[string]storetest.Fault{"down": {Method: method}, "frozen": {Method: method, Delay: time.Hour}} {
				faulty.Inject(fault)
				for _, path := range []string{"/me", "/bank/pay"} {
					start := time.Now()
					w := b.send("GET", mustURL(t, host+path), nil)
					if method == "TouchSession" && w.Code == 200 {
						continue // it is touched once a minute
					}
					if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "injected") || time.Since(start) > 5*time.Second {
						t.Errorf("%s %s, %s: %d after %v: %s", path, method, how, w.Code, time.Since(start), w.Body)
					}
				}
				faulty.Heal()
			}
		}
	})
	b.get(host+"/me").wantHost(u, "/me?")
}

func TestRequireRefuses(t *testing.T) {
	plain := newSite(t)
	for name, f := range map[string]func(){
		"missing HostClient": func() { plain.kit.RequireLogin(http.NotFoundHandler()) },
		"10 seconds or more": func() {
			s, _ := hostSite(t)
			s.kit.RequireFresh(time.Second)
		},
		"RequireFresh(0s)": func() {
			s, _ := hostSite(t)
			s.kit.RequireFresh(0)
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, name) {
					t.Errorf("panic %q; want %q", got, name)
				}
			}()
			f()
		}()
	}
	for raw, want := range map[string]string{"https://other.example": "session's cookie", "http://id.example": "use https", "/x": "HostURL"} {
		c := config(plain.store, plain.outbox)
		c.HostURL = raw
		if _, err := connectid.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HostURL %q: %v; want %q", raw, err, want)
		}
	}
	for _, maxAge := range []string{"0", "-1", "x", "99999999999", "1.5"} {
		plain.browser().open("reauthenticate", "maxAge", maxAge).wantStatus(400)
	}
	plain.browser().open("reauthenticate", "maxAge", "60").wantState("startLoginState")
}
