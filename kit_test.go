package connectid_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store/memstore"
)

func outbox(t testing.TB) *message.Outbox {
	t.Helper()
	out, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	_, err := connectid.New(connectid.Config{APIURL: "capi", TrustedProxies: []netip.Prefix{{}}})
	if err == nil {
		t.Fatal("an empty configuration passes")
	}
	for _, want := range []string{"Store", "Keys", "LoginURL", "APIURL", "Sender", "TrustedProxies"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*connectid.Config)
		want   string
	}{
		{"short key", func(c *connectid.Config) { c.Keys = [][]byte{make([]byte, 16)} }, "too short"},
		{"constant key", func(c *connectid.Config) { c.Keys = [][]byte{make([]byte, 32)} }, "same byte"},
		{"plain http", func(c *connectid.Config) { c.LoginURL = "http://id.example/user" }, "use https"},
		{"plain http off this machine", func(c *connectid.Config) { c.LoginURL, c.InsecureAllowHTTP = "http://id.example/user", true }, "loopback"},
		{"a query", func(c *connectid.Config) { c.LoginURL += "?a=b" }, "plain path"},
		{"one path for both servers", func(c *connectid.Config) { c.APIURL = c.LoginURL }, "LoginURL and APIURL"},
		{"the default API's path", func(c *connectid.Config) { c.LoginURL = host + "/capi" }, "LoginURL and APIURL"},
		{"no function", func(c *connectid.Config) { c.Sender = message.SenderFunc(nil) }, "missing Sender"},
		{"no folder", func(c *connectid.Config) { c.Clients = os.DirFS("/no/such/folder") }, "bad Clients"},
		{"dots", func(c *connectid.Config) { c.LoginURL = "https://id.example/a/../user" }, "LoginURL"},
		{"no endpoint", func(c *connectid.Config) { c.Lifecycle = map[string]middleware.Lifecycle{"GET /v1/subscriptions": {}} }, `bad Lifecycle key "GET /v1/subscriptions"`},
		{"gone before it is deprecated", func(c *connectid.Config) {
			c.Lifecycle = map[string]middleware.Lifecycle{"GET /v1/subscription": {Deprecated: time.Unix(9, 0), Sunset: time.Unix(8, 0)}}
		}, "bad Sunset"},
		{"bad name", func(c *connectid.Config) { c.Name = "a kit" }, "bad Name"},
		{"short signing period", func(c *connectid.Config) { c.SigningPeriod = time.Hour }, "bad SigningPeriod"},
		{"ID tokens that outlive their key", func(c *connectid.Config) { c.IDTokenLifetime = 8 * 24 * time.Hour }, "bad IDTokenLifetime"},
		{"short ID tokens", func(c *connectid.Config) { c.IDTokenLifetime = time.Millisecond }, "bad IDTokenLifetime"},
		{"bad folder", func(c *connectid.Config) {
			c.Clients = fstest.MapFS{"no.example.paper/custom.css": {Data: []byte("@import url(https://evil.example/x.css);")}}
		}, "custom.css:1"},
	} {
		c := config(memstore.New(), outbox(t))
		tt.change(&c)
		if _, err := connectid.New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want it to say %q", tt.name, err, tt.want)
		}
	}
}

// Mounted at any place, by any router, the kit serves the same URLs.
func TestMounts(t *testing.T) {
	for _, tt := range []struct {
		name, login string
		mount       func(k *connectid.Kit) http.Handler
		get         []string // paths of the login page
	}{
		{"whole", host + "/user", func(k *connectid.Kit) http.Handler { return k }, []string{"/user/login", "/user//login", "//user/login"}},
		{"at the root", host, func(k *connectid.Kit) http.Handler { return k }, []string{"/login"}},
		{"in a mux", host + "/user", func(k *connectid.Kit) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/user/", k)
			return connectid.Clean(mux)
		}, []string{"/user/login", "/user//login"}},
		{"stripped", host + "/user", func(k *connectid.Kit) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/user/", http.StripPrefix("/user", k.LoginServer()))
			return mux
		}, []string{"/user/login"}},
		{"under a prefix, stripped", host + "/auth/user", func(k *connectid.Kit) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/auth/", http.StripPrefix("/auth", k))
			return mux
		}, []string{"/auth/user/login"}},
		{"one URL by hand", host + "/user", func(k *connectid.Kit) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/user/login", k.Login())
			return mux
		}, []string{"/user/login"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(c *connectid.Config) { c.LoginURL = tt.login })
			h := tt.mount(s.kit)
			for _, path := range tt.get {
				b := newBrowser(t, h)
				_, query, _ := strings.Cut(address("login"), "?")
				b.get(host + path + "?" + query).wantStatus(200).wantState("startLoginState")
				if action := b.form().action.Path; !strings.HasSuffix(tt.login+"/login", action) || !strings.HasSuffix(path, "login") {
					t.Errorf("%s: the form posts to %s", path, action)
				}
				b.submit("verifyCredentialsEvent", "credential", kari, "password", "wrong").wantStatus(200).wantState("startLoginState")
			}
		})
	}
}

func TestServersApart(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct {
		h    http.Handler
		path string
		want int
	}{
		{s.kit, "/capi/v1/customer/profile", 401},
		{s.kit, "/capi//v1/customer/profile", 401},
		{s.kit.APIServer(), "/capi/v1/customer/profile", 401},
		{http.StripPrefix("/capi", s.kit.APIServer()), "/capi/v1/customer/profile", 401},
		{s.kit, "/capi/nothing", 404},
		{s.kit, "/user/nothing", 404},
		{s.kit, "/nothing", 404},
		{s.kit, "/user/", 404},
		{s.kit, "/.well-known/oauth-authorization-server/user", 200},
		{s.kit, "/user/.well-known/oauth-authorization-server", 200},
		{s.kit.Metadata(), "/.well-known/oauth-authorization-server/user", 200},
		{s.kit, "/.well-known/openid-configuration/user", 200},
		{s.kit, "/user/.well-known/openid-configuration", 200},
		{s.kit, "/.well-known/openid-configuration", 404},
		{s.kit, "/user/oauth/jwks", 200},
		{s.kit, "/user/oauth/userinfo", 401},
		{s.kit, "/.well-known/oauth-authorization-server", 404},
		{s.kit, "/.well-known/other", 404},
		{s.kit, "/user/oauth/token", 405},
		{s.kit, "/user//oauth/token", 405},
	} {
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, host+tt.path, nil))
		if w.Code != tt.want {
			t.Errorf("GET %s: %d; want %d", tt.path, w.Code, tt.want)
		}
	}
}

// Two kits in one process share nothing: not by their cookies, not by their keys.
func TestTwoKits(t *testing.T) {
	one := newSite(t)
	two := newSite(t, func(c *connectid.Config) { c.Name = "second"; c.Keys[0][0]++ })
	one.user(kari, password)
	two.user(kari, password)
	mux := http.NewServeMux()
	mux.Handle("/one/", http.StripPrefix("/one", one.kit))
	mux.Handle("/user/", two.kit)
	b := one.login(kari, password, true)
	b.kit = mux
	if b.loggedIn() {
		t.Error("a session of the first kit is one of the second")
	}
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantAt(returnURL)
	b.kit = one.kit
	if !b.loggedIn() {
		t.Error("the second kit's login ended the first one's session")
	}
}

// A client's folder stands before its record in the store.
func TestClientFolders(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		c.Clients = fstest.MapFS{
			clientID + "/client.json": {Data: []byte(`{"clientId": "` + clientID + `", "name": "The Folder Times", "language": "sv",
				"description": "d", "homepage": "https://paper.example/", "customerCarePhone": "+47 22 00 00 00",
				"customerCareEmail": "help@paper.example", "product": "P", "subscriptionTermsUrl": "https://paper.example/terms",
				"userTermsUrl": "https://paper.example/terms",
				"targets": ["https://paper.example"], "redirectUris": ["https://paper.example/callback"]}`)},
			clientID + "/custom.css": {Data: []byte(".heading { color: #029675 }")},
			clientID + "/logo.svg":   {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 318 64"><path d="M0 0h318v64z"/></svg>`)},
		}
	})
	b := s.browser()
	b.open("login").wantStatus(200)
	if !strings.Contains(b.body, "The Folder Times") || !strings.Contains(b.body, `lang="sv"`) {
		t.Error("the page is not that of the folder's client")
	}
	sheets := 0
	for part := range strings.SplitSeq(b.body, `"`) {
		if strings.HasPrefix(part, "/user/theme/") {
			w := httptest.NewRecorder()
			s.kit.ServeHTTP(w, httptest.NewRequest(http.MethodGet, host+part, nil))
			if w.Code != 200 {
				t.Errorf("%s: %d", part, w.Code)
			}
			if strings.Contains(w.Body.String(), "#029675") {
				sheets++
			}
		}
	}
	if sheets != 1 {
		t.Errorf("custom.css is on the page %d times", sheets)
	}
	b.open("loginCheck", "clientId", "").wantAt(errorURL) // found by its targets
	b.open("login", "clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/").wantStatus(200)

	// What would change nothing is not reported as done.
	if err := s.kit.OAuth().DisableClient(t.Context(), clientID); err == nil || !strings.Contains(err.Error(), "client.json") {
		t.Errorf("a folder's client is disabled: %v", err)
	}
	if secret, err := s.kit.OAuth().ReplaceSecret(t.Context(), clientID); err == nil || secret != "" {
		t.Errorf("a folder's client has a new secret: %v", err)
	}
	if err := s.kit.OAuth().DisableClient(t.Context(), otherID); err != nil {
		t.Error(err)
	}
}

// Links, cookies and forms come from configuration, never from Host.
func TestHostHeaderCountsForNothing(t *testing.T) {
	s := newSite(t)
	r := httptest.NewRequest(http.MethodGet, address("login"), nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "evil") {
		t.Error("the page names the request's host")
	}
	for _, v := range w.Header() {
		if strings.Contains(strings.Join(v, " "), "evil") {
			t.Errorf("a header names the request's host: %s", v)
		}
	}
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodGet, host+"/user/.well-known/oauth-authorization-server", nil)
	r.Host = "evil.example"
	s.kit.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "evil") {
		t.Error("the metadata names the request's host")
	}
}

// Our own authorization endpoint may be a returnUrl.
func TestAuthorizeAsReturnURL(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	own := loginURL + "/oauth/authorize?" + url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {"https://paper.example/callback"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "state": {"s"},
	}.Encode()
	b := s.browser()
	b.open("login", "returnUrl", own).submit("verifyCredentialsEvent", "credential", kari, "password", password)
	if b.url.Host != "paper.example" || b.url.Path != "/callback" || b.url.Query().Get("code") == "" {
		t.Errorf("the login led to %s", b.url)
	}
	s.browser().open("login", "returnUrl", loginURL+"/logout?clientId="+clientID).wantStatus(400)
}

// All faults are told in one go, those of the parts too.
func TestNewReportsFaultsOfAllParts(t *testing.T) {
	_, err := connectid.New(connectid.Config{
		Name: "a kit", AccessLifetime: -1, CallsPerMinute: -1, RunLifetime: -1,
		Lifecycle: map[string]middleware.Lifecycle{"GET /v1/typo": {}},
		Limits:    account.Limits{SendsOverall: account.Budget{N: -1}}, Passwords: account.Passwords{Workers: -1},
	})
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	for _, want := range []string{"Store", "Keys", "LoginURL", "Sender", "bad Name", "AccessLifetime", "CallsPerMinute", "bad RunLifetime", "SendsOverall", "Workers", "GET /v1/typo"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "missing Accounts") {
		t.Errorf("the error names what is not the host's:\n%v", err)
	}
}

// The page says for how long a code is valid as it is configured.
func TestCodeLifetimeOnThePage(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) { c.Lifetimes.Code = 7 * time.Minute })
	b := s.browser()
	b.open("createUser").submit("sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
	if !strings.Contains(b.body, "7 minutes") {
		t.Error("the page does not say 7 minutes")
	}
}

// Answers that are no pages are armed too.
func TestTransportSecurityEverywhere(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/user/oauth/token", "/user/oauth/revoke", "/user/oauth/par", "/capi/v1/customer/profile", "/user/theme/x", "/.well-known/oauth-authorization-server/user"} {
		w := httptest.NewRecorder()
		s.kit.ServeHTTP(w, httptest.NewRequest(http.MethodGet, host+path, nil))
		if w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: no Strict-Transport-Security", path)
		}
	}
	r := httptest.NewRequest(http.MethodPost, loginURL+"/oauth/token", nil)
	r.Header.Set("Cookie", strings.Repeat("a=b; ", 5000))
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	if w.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("25 kB of cookies at the token endpoint: %d", w.Code)
	}
}

// What a host does to accounts and clients counts at once.
func TestBlockAndDisable(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	b := s.login(kari, password, true)
	answer := tokens(t, b)
	b.url = mustParse(t, host)
	if err := s.kit.Accounts().Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if b.loggedIn() {
		t.Error("a blocked user is still logged in")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {answer["refresh_token"].(string)}}
	r := httptest.NewRequest(http.MethodPost, loginURL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("a blocked user's refresh token: %d", w.Code)
	}
	if err := s.kit.OAuth().DisableClient(t.Context(), clientID); err != nil {
		t.Fatal(err)
	}
	b.open("login").wantStatus(400)
}
