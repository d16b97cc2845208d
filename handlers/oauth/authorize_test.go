package oauth_test

import (
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/theme"
)

const (
	email    = "kari@news.test"
	password = "blue cheese on the moon"
)

// portal is a world with login pages and one user.
type portal struct {
	*world
	http.Handler
	accounts *account.Service
	user     store.User
	outbox   *message.Outbox
}

func newPortal(tb testing.TB) *portal { return newPortalOn(tb, memstore.New()) }

func newPortalOn(tb testing.TB, st store.Store, change ...func(*oauth.Config)) *portal {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	keys := ring(tb, 7)
	base := must(url.Parse(issuer))
	p := &portal{outbox: must(message.NewOutbox(message.OutboxConfig{}))}
	p.accounts = must(account.New(account.Config{
		Store: st, Keys: keys, Sender: p.outbox, Logger: log,
		Composer:  must(message.NewComposer(message.ComposerConfig{BaseURL: issuer})),
		Passwords: account.Passwords{Memory: 64, Passes: 1},
	}))
	g := must(gui.New(gui.Config{
		Base: base, Kit: "kit", Keys: keys, Clients: st, Accounts: p.accounts, Logger: log,
		Engine:    must(flows.NewEngine(flows.EngineConfig{Accounts: p.accounts, Runs: st, Keys: keys})),
		Themes:    must(theme.New(theme.Config{Base: "/user/", Logger: log})),
		Addresses: must(middleware.NewAddresses(nil)),
	}))
	p.world = newWorldOn(tb, st, append([]func(*oauth.Config){func(c *oauth.Config) { c.GUI = g; c.Keys = keys }}, change...)...)
	mux := http.NewServeMux()
	mux.Handle("/user/oauth/authorize", p.server.Authorize())
	mux.Handle("/user/oauthLogin", p.server.OAuthLogin())
	mux.Handle("/user/oauth/token", p.server.Token())
	mux.Handle("/user/oauth/par", p.server.PushedAuthorization())
	p.Handler = mux
	var err error
	p.user, err = p.accounts.CreateUser(tb.Context(), account.NewUser{
		Client: clients()[0], Credential: must(account.ParseCredential(email, "NO")), Password: password, Lang: "en", TermsAccepted: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// browser keeps cookies and follows redirects as long as they stay at the portal.
type browser struct {
	p   *portal
	jar http.CookieJar
}

func (p *portal) browser() *browser {
	return &browser{p, must(cookiejar.New(nil))}
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	u := must(url.Parse("https://connectid.test" + r.URL.RequestURI()))
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.p.ServeHTTP(w, r)
	b.jar.SetCookies(u, w.Result().Cookies())
	return w
}

func (b *browser) get(address string) *httptest.ResponseRecorder {
	return b.send(httptest.NewRequest("GET", address, nil))
}

func (b *browser) follow(w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	for range 5 {
		to := w.Header().Get("Location")
		if strings.HasPrefix(to, "/") {
			to = "https://connectid.test" + to
		}
		if !strings.HasPrefix(to, "https://connectid.test/") {
			return w
		}
		w = b.get(to)
	}
	b.p.tb.Fatal("too many redirects")
	return nil
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(ticket|csrf_token|owner|scope)" value="([^"]*)"`)

// submit posts the form of a page with the given event and fields.
func (b *browser) submit(page *httptest.ResponseRecorder, event string, fields ...string) *httptest.ResponseRecorder {
	b.p.tb.Helper()
	v := form(fields...)
	v.Set("event", event)
	for _, m := range hidden.FindAllStringSubmatch(page.Body.String(), -1) {
		if !v.Has(m[1]) {
			v.Set(m[1], html.UnescapeString(m[2]))
		}
	}
	if v.Get("ticket") == "" || v.Get("csrf_token") == "" {
		b.p.tb.Fatalf("status %d, no form on the page:\n%s", page.Code, page.Body)
	}
	r := httptest.NewRequest("POST", "https://connectid.test/user/oauthLogin", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://connectid.test")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// login logs the browser in by way of an authorization request.
func (b *browser) login() *httptest.ResponseRecorder {
	b.p.tb.Helper()
	page := b.follow(b.get(authorizeURL(ask("web"))))
	w := b.submit(page, "verifyCredentialsEvent", "credential", email, "password", password)
	if !strings.HasPrefix(w.Header().Get("Location"), appURI) {
		b.p.tb.Fatalf("login: %d %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return w
}

// ask is an authorization request as it should be.
func ask(clientID string) url.Values {
	return form("client_id", clientID, "redirect_uri", appURI, "response_type", "code", "scope", "read",
		"state", "s1", "code_challenge", challengeOf(verifier), "code_challenge_method", "S256")
}

func authorizeURL(v url.Values) string { return issuer + "/oauth/authorize?" + v.Encode() }

// answerOf returns the parameters with which a redirect leads to want.
func answerOf(t *testing.T, w *httptest.ResponseRecorder, want string) url.Values {
	t.Helper()
	to := w.Header().Get("Location")
	if w.Code < 302 || w.Code > 303 || !strings.HasPrefix(to, want) {
		t.Fatalf("answer %d %q, want a redirect to %s\n%s", w.Code, to, want, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", w.Header().Get("Cache-Control"))
	}
	return must(url.Parse(to)).Query()
}

func TestAuthorizeWholePath(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	w := b.get(authorizeURL(ask("web")))
	if want := issuer + "/oauthLogin?" + ask("web").Encode(); w.Header().Get("Location") != want {
		t.Fatalf("answer %d %q, want %q", w.Code, w.Header().Get("Location"), want)
	}
	w = b.submit(b.follow(w), "verifyCredentialsEvent", "credential", email, "password", password)
	if w.Code != http.StatusSeeOther {
		t.Errorf("status %d after a post, want 303", w.Code)
	}
	q := answerOf(t, w, appURI+"?")
	if q.Get("state") != "s1" || q.Get("iss") != issuer || q.Get("error") != "" {
		t.Errorf("answer %v", q)
	}
	a := p.ok(basic("web", webSecret, redeem(q.Get("code"))))
	tok, err := p.store.AccessToken(t.Context(), store.DigestOf(a.Access))
	if err != nil || tok.UserID != p.user.ID || tok.Scope != "read" {
		t.Errorf("token %+v, %v", tok, err)
	}

	// Logged in: at once, for another client too.
	q = answerOf(t, b.get(authorizeURL(ask("other"))), appURI+"?")
	p.refused(basic("web", webSecret, redeem(q.Get("code"))), 400, oauth.InvalidGrant)
	p.ok(basic("other", otherSecret, redeem(q.Get("code"))))

	// A second tab that stood on the login page finds the session too.
	q = answerOf(t, b.get(issuer+"/oauthLogin?"+ask("web").Encode()), appURI+"?")
	p.ok(basic("web", webSecret, redeem(q.Get("code"))))
}

func TestAuthorizeGiveUp(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	page := b.follow(b.get(authorizeURL(ask("web"))))
	q := answerOf(t, b.submit(page, "navigateAwayEvent"), appURI+"?")
	if q.Get("error") != "access_denied" || q.Get("error_description") == "" || q.Get("state") != "s1" || q.Get("iss") != issuer || q.Has("code") {
		t.Errorf("answer %v", q)
	}
}

// Faults of client or redirect URI end on a page, at both doors, logged in or not.
func TestAuthorizeBadRequest(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in := p.browser()
	in.login()
	for name, q := range map[string]string{
		"nothing":                   "",
		"missing client_id":         without(ask("web"), "client_id").Encode(),
		"empty client_id":           with(ask("web"), "client_id", "").Encode(),
		"unknown client":            ask("nobody").Encode(),
		"disabled client":           ask("off").Encode(),
		"repeated client_id":        ask("web").Encode() + "&client_id=web",
		"unknown redirect_uri":      with(ask("web"), "redirect_uri", "https://evil.test/cb").Encode(),
		"redirect_uri, longer path": with(ask("web"), "redirect_uri", appURI+"/x").Encode(),
		"redirect_uri with query":   with(ask("web"), "redirect_uri", appURI+"?x").Encode(),
		"redirect_uri, fragment":    with(ask("web"), "redirect_uri", appURI+"#x").Encode(),
		"redirect_uri, userinfo":    with(ask("web"), "redirect_uri", "https://app.test@evil.test/cb").Encode(),
		"redirect_uri, backslash":   with(ask("web"), "redirect_uri", `https://evil.test\@app.test/cb`).Encode(),
		"redirect_uri, javascript":  with(ask("web"), "redirect_uri", "javascript:alert(1)").Encode(),
		"redirect_uri, line feed":   with(ask("web"), "redirect_uri", appURI+"\n").Encode(),
		"redirect_uri, oversized":   with(ask("web"), "redirect_uri", appURI+strings.Repeat("x", 3000)).Encode(),
		"repeated redirect_uri":     ask("web").Encode() + "&redirect_uri=" + url.QueryEscape(appURI),
		"query too long":            with(ask("web"), "x", strings.Repeat("x", 9000)).Encode(),
		"bad encoding":              ask("web").Encode() + "&x=%zz",
	} {
		for _, b := range []*browser{in, p.browser()} {
			for _, path := range []string{"/oauth/authorize?", "/oauthLogin?"} {
				w := b.get(issuer + path + q)
				if w.Code < 400 || w.Code >= 500 || w.Header().Get("Location") != "" {
					t.Errorf("%s at %s: answer %d %q, want 400", name, path, w.Code, w.Header().Get("Location"))
				}
				if strings.Contains(w.Body.String(), "//evil.test") || !strings.Contains(w.Header().Get("Content-Type"), "text/html") {
					t.Errorf("%s at %s: page leads away", name, path)
				}
				if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s at %s: headers %v", name, path, w.Header())
				}
			}
		}
	}
}

// Every other fault goes to the client, logged in or not.
func TestAuthorizeErrors(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in := p.browser()
	in.login()
	web := ask("web")
	for name, tt := range map[string]struct{ query, code string }{
		"missing response_type":       {without(web, "response_type").Encode(), oauth.InvalidRequest},
		"empty response_type":         {with(web, "response_type", "").Encode(), oauth.InvalidRequest},
		"implicit":                    {with(web, "response_type", "token").Encode(), oauth.UnsupportedResponseType},
		"hybrid":                      {with(web, "response_type", "code token").Encode(), oauth.UnsupportedResponseType},
		"response_type in upper case": {with(web, "response_type", "CODE").Encode(), oauth.UnsupportedResponseType},
		"repeated response_type":      {web.Encode() + "&response_type=code", oauth.InvalidRequest},
		"response_mode fragment":      {with(web, "response_mode", "fragment").Encode(), oauth.InvalidRequest},
		"unknown scope":               {with(web, "scope", "read admin").Encode(), oauth.InvalidScope},
		"malformed scope":             {with(web, "scope", "read  write").Encode(), oauth.InvalidScope},
		"repeated scope":              {web.Encode() + "&scope=read", oauth.InvalidRequest},
		"grant not allowed":           {ask("nogrants").Encode(), oauth.UnauthorizedClient},
		"no PKCE":                     {without(without(web, "code_challenge"), "code_challenge_method").Encode(), oauth.InvalidRequest},
		"no PKCE, public client":      {without(without(ask("spa"), "code_challenge"), "code_challenge_method").Encode(), oauth.InvalidRequest},
		"method without challenge":    {without(ask("oldnopkce"), "code_challenge").Encode(), oauth.InvalidRequest},
		"challenge without method":    {without(web, "code_challenge_method").Encode(), oauth.InvalidRequest},
		"plain":                       {with(web, "code_challenge_method", "plain").Encode(), oauth.InvalidRequest},
		"s256":                        {with(web, "code_challenge_method", "s256").Encode(), oauth.InvalidRequest},
		"short challenge":             {with(web, "code_challenge", "x").Encode(), oauth.InvalidRequest},
		"padded challenge":            {with(web, "code_challenge", challengeOf(verifier)+"=").Encode(), oauth.InvalidRequest},
		"challenge, not base64url":    {with(web, "code_challenge", strings.Repeat("+", 43)).Encode(), oauth.InvalidRequest},
		"repeated challenge":          {web.Encode() + "&code_challenge=x", oauth.InvalidRequest},
		"long nonce":                  {with(web, "nonce", strings.Repeat("n", 513)).Encode(), oauth.InvalidRequest},
		"repeated nonce":              {web.Encode() + "&nonce=a&nonce=a", oauth.InvalidRequest},
		"repeated method":             {web.Encode() + "&code_challenge_method=S256", oauth.InvalidRequest},
	} {
		for _, b := range []*browser{in, p.browser()} {
			q := answerOf(t, b.get(issuer+"/oauth/authorize?"+tt.query), appURI+"?")
			if q.Get("error") != tt.code || q.Get("error_description") == "" || q.Get("state") != "s1" || q.Get("iss") != issuer || q.Has("code") {
				t.Errorf("%s: answer %v, want %s", name, q, tt.code)
			}
		}
		// The login page can not be reached with it either.
		if w := in.get(issuer + "/oauthLogin?" + tt.query); w.Code != 400 || w.Header().Get("Location") != "" {
			t.Errorf("%s at oauthLogin: answer %d %q", name, w.Code, w.Header().Get("Location"))
		}
	}

	// A state that can not be trusted is not sent back.
	for _, query := range []string{web.Encode() + "&state=s2", with(web, "state", strings.Repeat("x", 3000)).Encode()} {
		q := answerOf(t, in.get(issuer+"/oauth/authorize?"+query), appURI+"?")
		if q.Get("error") != oauth.InvalidRequest || q.Has("state") {
			t.Errorf("answer %v", q)
		}
	}
}

func TestAuthorizeAccepts(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	const strange = "å&=#+%20 \r\n\t\\\"<>'\x00\x7f;/?"
	for name, tt := range map[string]struct {
		query url.Values
		state string
	}{
		"as it should be":         {ask("web"), "s1"},
		"unknown parameters":      {with(with(ask("web"), "colour", "x"), "credential", "y"), "s1"},
		"no scope":                {without(ask("web"), "scope"), "s1"},
		"no state":                {without(ask("web"), "state"), ""},
		"empty state":             {with(ask("web"), "state", ""), ""},
		"strange state":           {with(ask("web"), "state", strange), strange},
		"response_mode query":     {with(ask("web"), "response_mode", "query"), "s1"},
		"PKCE waived":             {without(without(ask("oldnopkce"), "code_challenge"), "code_challenge_method"), "s1"},
		"public client":           {ask("spa"), "s1"},
		"redirect_uri left out":   {without(ask("web"), "redirect_uri"), "s1"},
		"unknown parameter twice": {url.Values{"x": {"1", "2"}}, "s1"},
	} {
		if tt.query.Get("client_id") == "" {
			for k, v := range ask("web") {
				tt.query[k] = v
			}
		}
		q := answerOf(t, b.get(authorizeURL(tt.query)), appURI+"?")
		if q.Get("code") == "" || q.Get("state") != tt.state || q.Has("state") != (tt.state != "") || q.Has("error") {
			t.Errorf("%s: answer %v", name, q)
		}
	}

	// A redirect URI that was not named is not asked for again (RFC 6749, section 4.1.3).
	q := answerOf(t, b.get(authorizeURL(without(ask("web"), "redirect_uri"))), appURI+"?")
	p.ok(basic("web", webSecret, without(redeem(q.Get("code")), "redirect_uri")))
}

// The redirect URI comes back byte for byte, with the answer behind its query.
func TestAuthorizeRedirectURI(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	c, _ := p.store.Client(t.Context(), "web")
	c.RedirectURIs = []string{"https://app.test/cb?flag&x=%7e+%zz", "http://127.0.0.1/cb", "com.example.app:/cb", "https://app.test/with?code=old&a=1"}
	c.InsecureRedirectPrefixes = []string{"https://app.test/articles"}
	c.OmitIssuer = true
	if err := p.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	b := p.browser()
	b.jar = func() http.CookieJar {
		other := p.browser()
		page := other.follow(other.get(authorizeURL(ask("other"))))
		other.submit(page, "verifyCredentialsEvent", "credential", email, "password", password)
		return other.jar
	}()
	for uri, want := range map[string]string{
		"https://app.test/cb?flag&x=%7e+%zz":   "https://app.test/cb?flag&x=%7e+%zz&code=",
		"http://127.0.0.1:51234/cb":            "http://127.0.0.1:51234/cb?code=",
		"com.example.app:/cb":                  "com.example.app:/cb?code=",
		"https://app.test/with?code=old&a=1":   "https://app.test/with?a=1&code=",
		"https://app.test/articles/1?q=%C3%A5": "https://app.test/articles/1?q=%C3%A5&code=",
	} {
		w := b.get(authorizeURL(with(ask("web"), "redirect_uri", uri)))
		q := answerOf(t, w, want)
		if q.Has("iss") {
			t.Errorf("%s: iss is sent although the client is to have none", uri)
		}
		code := q["code"][len(q["code"])-1]
		p.refused(basic("web", webSecret, with(redeem(code), "redirect_uri", uri+"&")), 400, oauth.InvalidGrant)
		code = answerOf(t, b.get(authorizeURL(with(ask("web"), "redirect_uri", uri))), want).Get("code")
		p.ok(basic("web", webSecret, with(redeem(code), "redirect_uri", uri)))
	}
	for _, uri := range []string{"", "https://app.test/articles2", "https://app.test/articles/../x", "com.example.app:/cb2", "http://127.0.0.1:1/"} {
		if w := b.get(authorizeURL(with(ask("web"), "redirect_uri", uri))); w.Code != 400 {
			t.Errorf("%q: answer %d %q, want 400", uri, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestAuthorizePost(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	post := func(query, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", issuer+"/oauth/authorize?"+query, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://app.test")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Host = "evil.test"
		return p.browser().send(r) // a cross-site post carries no Lax cookie
	}
	v := with(ask("web"), "state", "å\r\n &=")
	for name, w := range map[string]*httptest.ResponseRecorder{
		"body":           post("", v.Encode()),
		"query":          post(v.Encode(), ""),
		"both":           post(v.Encode(), v.Encode()),
		"a part of each": post(form("client_id", "web").Encode(), v.Encode()),
	} {
		to := w.Header().Get("Location")
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, issuer+"/oauth/authorize?") {
			t.Errorf("%s: answer %d %q", name, w.Code, to)
			continue
		}
		q := answerOf(t, b.get(to), appURI+"?")
		if q.Get("code") == "" || q.Get("state") != v.Get("state") {
			t.Errorf("%s: answer %v", name, q)
		}
	}
	// Different values are left for the GET to refuse.
	if w := b.get(post(ask("other").Encode(), v.Encode()).Header().Get("Location")); w.Code != 400 {
		t.Errorf("two clients: status %d", w.Code)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"bad encoding": post("", "client_id=%zz"),
		"too long":     post("", with(v, "x", strings.Repeat("x", 9000)).Encode()),
		"oversized":    post("", with(v, "x", strings.Repeat("x", 90000)).Encode()),
	} {
		if w.Code < 400 || w.Code > 499 || w.Header().Get("Location") != "" {
			t.Errorf("%s: answer %d %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	r := httptest.NewRequest("DELETE", issuer+"/oauth/authorize", nil)
	if w := b.send(r); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("DELETE: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	r = httptest.NewRequest("OPTIONS", issuer+"/oauth/authorize", nil)
	r.Header.Set("Origin", "https://app.test")
	if w := b.send(r); w.Code != 405 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS: status %d, headers %v", w.Code, w.Header())
	}
}

// The stored code has everything that it is bound to.
func TestAuthorizeCodeRecord(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	p.browser().login()
	if len(st.codes) != 1 {
		t.Fatalf("%d codes, want 1", len(st.codes))
	}
	c := st.codes[0]
	if c.ClientID != "web" || c.UserID != p.user.ID || c.Scope != "read" || c.RedirectURI != appURI ||
		c.Challenge != challengeOf(verifier) || c.GrantID == "" || c.Session.IsZero() || c.AuthenticatedAt.IsZero() ||
		c.ExpiresAt.Sub(c.CreatedAt) != time.Minute {
		t.Errorf("code %+v", c)
	}
}

// spy notes the codes that are stored.
type spy struct {
	*memstore.Store
	codes []store.AuthorizationCode
}

func (s *spy) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	s.codes = append(s.codes, c)
	return s.Store.PutCode(ctx, c)
}

// A blocked user has no session any more, and gets no code from one that is left.
func TestAuthorizeBlockedUser(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	u, err := p.store.(store.Users).User(t.Context(), p.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	u.Blocked = true
	if err := p.store.(store.Users).UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w := b.get(authorizeURL(ask("web")))
	if q := answerOf(t, w, appURI+"?"); q.Has("code") || q.Get("error") != oauth.AccessDenied {
		t.Errorf("a blocked user is answered %v", q)
	}
}

func TestAuthorizeOutage(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Client", "PutCode"} {
		st := newBroken(method)
		st.on.Store(false)
		p := newPortalOn(t, st)
		b := p.browser()
		b.login()
		st.on.Store(true)
		w := b.get(authorizeURL(ask("web")))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Location") != "" || strings.Contains(w.Body.String(), "detail") {
			t.Errorf("%s: answer %d %v", method, w.Code, w.Header())
		}
		st.on.Store(false)
		answerOf(t, b.get(authorizeURL(ask("web"))), appURI)
	}
}
