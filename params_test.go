package connectid_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

var guiPages = []string{"login", "createUser", "loginCheck", "logout", "resetPassword", "merge", "unmerge", "register", "activateMembership", "account", "reauthenticate"}

// A link with a fault ends on a page that names it and leads to no foreign
// place: on every path, also for a user who is logged in.
func TestFaultyLinks(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	disabled := paper("no.example.disabled", "paper")
	disabled.Disabled = true
	nowhere := paper("no.example.nowhere", "paper")
	nowhere.Targets = nil
	if err := s.store.PutClient(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}
	if err := s.store.PutClient(t.Context(), nowhere); err != nil {
		t.Fatal(err)
	}
	b := s.login(kari, password, false)
	anonymous := s.browser()
	for _, tt := range []struct {
		name  string
		pairs []string
		say   string
	}{
		{"unknown client", []string{"clientId", "no.such.client"}, "clientId"},
		{"disabled client", []string{"clientId", "no.example.disabled"}, "clientId"},
		{"client without targets", []string{"clientId", "no.example.nowhere"}, "returnUrl"},
		{"no returnUrl", []string{"returnUrl", ""}, "returnUrl"},
		{"no errorUrl", []string{"errorUrl", ""}, "errorUrl"},
		{"foreign returnUrl", []string{"returnUrl", "https://evil.example/"}, "returnUrl"},
		{"foreign errorUrl", []string{"errorUrl", "https://evil.example/"}, "errorUrl"},
		{"another client's target", []string{"returnUrl", "https://other.example/"}, "returnUrl"},
		{"sub-domain", []string{"returnUrl", "https://x.paper.example/"}, "returnUrl"},
		{"longer host", []string{"returnUrl", "https://paper.example.evil.example/"}, "returnUrl"},
		{"another port", []string{"returnUrl", "https://paper.example:8443/"}, "returnUrl"},
		{"http", []string{"returnUrl", "http://paper.example/"}, "returnUrl"},
		{"script", []string{"returnUrl", "javascript:alert(1)"}, "returnUrl"},
		{"relative", []string{"returnUrl", "/back"}, "returnUrl"},
		{"no scheme", []string{"returnUrl", "//paper.example/"}, "returnUrl"},
		{"userinfo", []string{"returnUrl", "https://paper.example@evil.example/"}, "returnUrl"},
		{"backslash", []string{"returnUrl", `https://paper.example\@evil.example/`}, "returnUrl"},
		{"tab", []string{"returnUrl", "https://paper.example/\t/evil"}, "returnUrl"},
		{"line break", []string{"errorUrl", "https://paper.example/\r\nSet-Cookie: a=b"}, "errorUrl"},
		{"control in credential", []string{"credential", "a@b.no\r\nBcc: x@y.no"}, "credential"},
		{"long credential", []string{"credential", strings.Repeat("a", 400) + "@example.com"}, "credential"},
	} {
		for _, page := range guiPages {
			for who, b := range map[string]*browser{"logged in": b, "anonymous": anonymous} {
				b.open(page, tt.pairs...)
				if b.url.Host != "id.example" {
					t.Errorf("%s, %s, %s: led to %s", tt.name, page, who, b.url)
					b.url = &url.URL{Scheme: "https", Host: "id.example"}
					continue
				}
				if b.status != 400 || b.state() != "errorPage" || !strings.Contains(b.body, tt.say) {
					t.Errorf("%s, %s, %s: %d, %q", tt.name, page, who, b.status, b.state())
				}
				if strings.Contains(b.body, "evil.example") {
					t.Errorf("%s, %s: the page names the foreign place", tt.name, page)
				}
			}
		}
	}
	if !b.loggedIn() {
		t.Error("a faulty logout link logged out")
	}
}

func TestParametersGivenTwice(t *testing.T) {
	s := newSite(t)
	for _, page := range guiPages {
		for _, name := range []string{"clientId", "returnUrl", "errorUrl", "credential"} {
			u := address(page, "credential", kari)
			q := u[strings.Index(u, "?")+1:]
			v, err := url.ParseQuery(q)
			if err != nil {
				t.Fatal(err)
			}
			b := s.browser()
			b.get(u + "&" + name + "=" + url.QueryEscape(v.Get(name))).wantStatus(400)
			if !strings.Contains(b.body, name) {
				t.Errorf("%s: the page does not name %s", page, name)
			}
		}
		b := s.browser()
		b.get(address(page) + "&unknown=1&unknown=2")
		if b.url.Host == "id.example" && b.status != 200 {
			t.Errorf("%s: unknown parameters are not ignored: %d", page, b.status)
		}
	}
}

// What a target carries is kept byte for byte, and only documented parameters
// are added.
func TestTargetsKeepTheirBytes(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, false)
	for _, target := range []string{
		"https://paper.example/a?b", "https://paper.example/a?b=&c=%20+%2B&b=2", "https://paper.example/%C3%A6?x=%c3%a6#frag",
		"https://paper.example", "https://PAPER.example/?", "https://paper.example/a;b?c;d",
	} {
		for _, page := range []string{"login", "loginCheck"} {
			w := b.send(http.MethodGet, mustParse(t, address(page, "returnUrl", target)), nil)
			if got := w.Header().Get("Location"); got != target {
				t.Errorf("%s: returnUrl %q became %q", page, target, got)
			}
		}
	}
	w := s.browser().send(http.MethodGet, mustParse(t, address("loginCheck", "errorUrl", "https://paper.example/no?error=old&keep")), nil)
	if got := w.Header().Get("Location"); got != "https://paper.example/no?error=old&keep" {
		t.Errorf("loginCheck added something to the errorUrl: %q", got)
	}
	b = s.browser()
	b.open("login", "errorUrl", "https://paper.example/no?error=old&keep&a=%2f").submit("navigateAwayEvent")
	if got := b.url.String(); !strings.HasPrefix(got, "https://paper.example/no?keep&a=%2f&error=access_denied&error_description=") {
		t.Errorf("the errorUrl became %q", got)
	}
	// Some callers forget to percent-encode: the rest of their URL is parameters
	// that nobody knows, and a semicolon is an ordinary character.
	q := "?clientId=" + clientID + "&returnUrl=https://paper.example/a;b?c=d&e=f&errorUrl=" + errorURL
	w = s.login(kari, password, false).send(http.MethodGet, mustParse(t, loginURL+"/login"+q), nil)
	if got := w.Header().Get("Location"); got != "https://paper.example/a;b?c=d" {
		t.Errorf("an unencoded returnUrl became %q (%d)", got, w.Code)
	}
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestMethods(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	for _, path := range []string{"fulfillment?orderId=7", "fulfillment/callback", "register/callback", "orderLink"} {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			w := httptest.NewRecorder()
			s.kit.ServeHTTP(w, httptest.NewRequest(method, loginURL+"/"+path, nil))
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	for _, page := range guiPages {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, address(page), nil)
			s.kit.ServeHTTP(w, r)
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s %s: %d", method, page, w.Code)
			}
		}
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, httptest.NewRequest(http.MethodHead, address(page), nil))
		if w.Code != 200 && w.Code != 302 {
			t.Errorf("HEAD %s: %d", page, w.Code)
		}
	}
	for _, page := range []string{"loginCheck", "logout"} {
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, httptest.NewRequest(http.MethodPost, address(page), nil))
		if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d", page, w.Code)
		}
	}
}

// Every answer of the login server is uncacheable and armed, errors too.
func TestSecurityHeaders(t *testing.T) {
	s := newSite(t)
	s.order(7, "")
	for _, u := range []string{
		toPay(), toPay("orderId", "404"), loginURL + "/fulfillment/callback?state=x", loginURL + "/register/callback", loginURL + "/orderLink?clientId=" + clientID + "&token=x",
		address("login"), address("createUser"), address("loginCheck"), address("logout"), address("resetPassword"), address("register"), address("activateMembership"),
		address("login", "clientId", "x"), loginURL + "/nothing", loginURL + "/login?run=x", host + "/nothing",
	} {
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, httptest.NewRequest(http.MethodGet, u, nil))
		h := w.Header()
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self' https:", "script-src 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: CSP %q lacks %q", u, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") == "" || !strings.Contains(h.Get("Strict-Transport-Security"), "max-age=") {
			t.Errorf("%s: headers %v", u, h)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login")
	form := b.form()
	form.fields.Set("event", "verifyCredentialsEvent")
	form.fields.Set("credential", kari)
	form.fields.Set("password", password)
	w := b.send(http.MethodPost, form.action, form.fields)
	if w.Code != 303 {
		t.Fatalf("login: %d", w.Code)
	}
	seen := map[string]*http.Cookie{}
	for _, c := range w.Result().Cookies() {
		name := strings.TrimPrefix(strings.TrimPrefix(c.Name, "__Host-"), "__Secure-")
		if strings.HasPrefix(name, "connectid-rm-") {
			name = "remember"
			if len(c.Value) > 50 {
				t.Errorf("the rememberMeCookie has %d bytes", len(c.Value))
			}
		}
		seen[name] = c
		if !c.HttpOnly || !c.Secure || c.Domain != "" {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
	for name, want := range map[string]struct {
		path     string
		sameSite http.SameSite
		age      bool
	}{
		"connectid-session": {"/", http.SameSiteLaxMode, false},
		"connectid-check":   {"/user/loginCheck", http.SameSiteNoneMode, false},
		"connectid-device":  {"/", http.SameSiteLaxMode, true},
		"connectid-csrf":    {"/", http.SameSiteLaxMode, false},
		"remember":          {"/", http.SameSiteLaxMode, true},
	} {
		c := seen[name]
		if c == nil {
			t.Errorf("no %s cookie", name)
			continue
		}
		if c.Path != want.path || c.SameSite != want.sameSite || (c.MaxAge > 0) != want.age {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A damaged or oversized cookie means a stranger, never an error.
func TestDamagedCookies(t *testing.T) {
	s := newSite(t)
	for _, value := range []string{"x", strings.Repeat("A", 4000), "MTIz|abc|def", "%00", strings.Repeat("=", 100)} {
		for _, name := range []string{"__Host-connectid-session", "__Secure-connectid-check", "__Host-connectid-browser", "__Host-connectid-device", "__Host-connectid-csrf"} {
			for _, page := range []string{"login", "loginCheck"} {
				r := httptest.NewRequest(http.MethodGet, address(page), nil)
				r.Header.Set("Cookie", name+"="+value)
				r.Header.Set("Sec-Fetch-Dest", "document")
				w := httptest.NewRecorder()
				s.kit.ServeHTTP(w, r)
				if w.Code != 200 && w.Header().Get("Location") != errorURL {
					t.Errorf("%s with %s=%.20s: %d", page, name, value, w.Code)
				}
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, address("login"), nil)
	r.Header.Set("Cookie", "a="+strings.Repeat("b", 20000))
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	if w.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("20 kB of cookies: %d", w.Code)
	}
}

func TestOversizedRequests(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("login")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", strings.Repeat("x", 100_000)).wantStatus(413).wantState("errorPage")
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", strings.Repeat("x", 20_000)).wantStatus(200).wantState("startLoginState")
	if w := b.send(http.MethodGet, mustParse(t, address("login", "credential", strings.Repeat("x", 9000))), nil); w.Code != 414 {
		t.Errorf("9 kB of query: %d", w.Code)
	}
	if w := b.send(http.MethodGet, mustParse(t, address("login")+strings.Repeat("&a", 200)), nil); w.Code != 400 {
		t.Errorf("200 parameters: %d", w.Code)
	}
}

// A post from another site does nothing, whatever it says.
func TestForgedPosts(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login")
	p := b.form()
	p.fields.Set("event", "verifyCredentialsEvent")
	p.fields.Set("credential", kari)
	p.fields.Set("password", password)
	for name, change := range map[string]func(r *http.Request){
		"foreign origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"cross-site": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Del("Origin")
		},
		"no token": func(r *http.Request) {
			q := url.Values{}
			for k, v := range p.fields {
				if k != "csrf_token" {
					q[k] = v
				}
			}
			*r = *newPost(p.action, q, b)
		},
		"another browser's cookies": func(r *http.Request) {
			other := s.browser()
			other.open("login")
			*r = *newPost(p.action, p.fields, other)
		},
		"no cookies": func(r *http.Request) { r.Header.Del("Cookie") },
	} {
		r := newPost(p.action, p.fields, b)
		change(r)
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, r)
		if w.Code == 303 || len(w.Header()["Location"]) > 0 {
			t.Errorf("%s: %d to %s", name, w.Code, w.Header().Get("Location"))
		}
		for _, c := range w.Result().Cookies() {
			if strings.HasSuffix(c.Name, "-session") {
				t.Errorf("%s: a session was made", name)
			}
		}
	}
	b.submitPage(p, "verifyCredentialsEvent").wantAt(returnURL) // the form itself is good
}

func newPost(u *url.URL, form url.Values, b *browser) *http.Request {
	r := httptest.NewRequest(http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", host)
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	return r
}

// Browsers check form-action at every hop after a post, so a login that ends in
// an app, or on a developer's machine, has to be allowed to.
func TestFormsLeadToApps(t *testing.T) {
	s := newSite(t)
	app := paper("no.example.app", "paper")
	app.RedirectURIs = []string{"http://127.0.0.1/cb", "com.example.app:/cb"}
	app.Targets = append(app.Targets, "http://localhost:3000")
	if err := s.store.PutClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for redirect, want := range map[string]string{
		"http://127.0.0.1:43521/cb": " http://127.0.0.1:43521", "com.example.app:/cb": " com.example.app:",
	} {
		b := s.browser()
		b.get(loginURL + "/oauth/authorize?" + url.Values{
			"client_id": {app.ID}, "response_type": {"code"}, "redirect_uri": {redirect},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}.Encode()).wantState("startLoginState")
		if csp := b.headers.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "form-action 'self' https:"+want) {
			t.Errorf("%s: %s", redirect, csp)
		}
	}
	b := s.browser()
	b.open("login", "clientId", app.ID, "returnUrl", "http://localhost:3000/in").wantState("startLoginState")
	if csp := b.headers.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "https: http://localhost:3000") {
		t.Errorf("a target on this machine: %s", csp)
	}
	b.open("login")
	if csp := b.headers.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "form-action 'self' https:") {
		t.Errorf("a client of the web: %s", csp)
	}
}
