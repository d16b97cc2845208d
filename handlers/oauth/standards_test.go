package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
)

// The answers here are compared with what the standards print: docs/standards.md
// says which clause is whose.

// members returns the members of a JSON object, in order, and their values.
func members(tb testing.TB, body string) (names []string, values map[string]any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(body), &values); err != nil {
		tb.Fatalf("body %q: %v", body, err)
	}
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, values
}

// RFC 6749, section 5.2, at each endpoint that clients call.
func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	endpoints := map[string]http.Handler{
		"token": w.token, "revoke": w.server.Revoke(), "introspect": w.server.Introspect(), "par": w.server.PushedAuthorization(),
	}
	const challenge = `Basic realm="connectid"`
	for name, tt := range map[string]struct {
		r         func() *http.Request
		status    int
		code      string
		challenge string
	}{
		"wrong secret in the header": {func() *http.Request { return basic("web", "wrong", form()) }, 401, "invalid_client", challenge},
		"unknown client":             {func() *http.Request { return basic("nobody", "wrong", form()) }, 401, "invalid_client", challenge},
		"wrong secret in the body": {func() *http.Request { return newPost(form("client_id", "web", "client_secret", "wrong").Encode()) },
			401, "invalid_client", challenge},
		"no client":      {func() *http.Request { return newPost("") }, 401, "invalid_client", challenge},
		"another scheme": {func() *http.Request { return header(newPost(""), "Authorization", "Bearer x") }, 401, "invalid_client", challenge},
		"two headers": {func() *http.Request {
			r := basic("web", webSecret, form())
			r.Header.Add("Authorization", "Basic x")
			return r
		}, 400, "invalid_request", ""},
		"nothing asked":   {func() *http.Request { return basic("web", webSecret, form()) }, 400, "invalid_request", ""},
		"repeated":        {func() *http.Request { return rawQuery(basic("web", webSecret, form()), "token=a&token=a") }, 400, "invalid_request", ""},
		"GET":             {func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, 405, "invalid_request", ""},
		"JSON":            {func() *http.Request { return contentType(basic("web", webSecret, form()), "application/json") }, 400, "invalid_request", ""},
		"oversized":       {func() *http.Request { return basic("web", webSecret, form("x", strings.Repeat("x", 40000))) }, 413, "invalid_request", ""},
		"long query":      {func() *http.Request { return rawQuery(basic("web", webSecret, form()), "x="+strings.Repeat("x", 9000)) }, 414, "invalid_request", ""},
		"query and a lie": {func() *http.Request { return query(basic("web", webSecret, form("a", "b")), form("a", "c")) }, 400, "invalid_request", ""},
	} {
		for endpoint, h := range endpoints {
			r := tt.r()
			method := r.Method
			a := do(t, h, r)
			if a.Status != tt.status || a.Error != tt.code {
				t.Errorf("%s at %s: %d %s, want %d %s", name, endpoint, a.Status, a.Body, tt.status, tt.code)
			}
			checkError(t, name+" at "+endpoint, a, tt.challenge)
			if allow := a.Header.Get("Allow"); (allow == "OPTIONS, POST") != (method == "GET") {
				t.Errorf("%s at %s: Allow %q", name, endpoint, allow)
			}
		}
	}
	code := w.putCode("other")
	for name, tt := range map[string]struct {
		r    *http.Request
		code string
	}{
		"unknown grant_type":     {basic("web", webSecret, form("grant_type", "password")), "unsupported_grant_type"},
		"grant not allowed":      {basic("nogrants", webSecret, form("grant_type", "client_credentials")), "unauthorized_client"},
		"another client's code":  {basic("web", webSecret, redeem(code)), "invalid_grant"},
		"scope":                  {basic("web", webSecret, form("grant_type", "client_credentials", "scope", "admin")), "invalid_scope"},
		"words of an extension":  {basic("web", webSecret, form("grant_type", extURN, "mode", "refuse")), "invalid_grant"},
		"characters of a caller": {basic("web", webSecret, form("grant_type", "\"\\\r\nå")), "unsupported_grant_type"},
	} {
		a := w.do(tt.r)
		if a.Status != 400 || a.Error != tt.code {
			t.Errorf("%s: %d %s, want 400 %s", name, a.Status, a.Body, tt.code)
		}
		checkError(t, name, a, "")
	}
}

// checkError checks the form of an answer that is an error.
func checkError(t *testing.T, name string, a reply, challenge string) {
	t.Helper()
	h := a.Header
	if h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: headers %v", name, h)
	}
	if got := h.Values("WWW-Authenticate"); strings.Join(got, "\n") != challenge {
		t.Errorf("%s: WWW-Authenticate %q, want %q", name, got, challenge)
	}
	names, values := members(t, a.Body)
	if !slices.Equal(names, []string{"error", "error_description"}) {
		t.Errorf("%s: members %q", name, names)
	}
	for member, v := range values { // %x20-21 / %x23-5B / %x5D-7E
		s, ok := v.(string)
		if !ok || s == "" || strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
			t.Errorf("%s: %s is %q", name, member, v)
		}
	}
}

// A limit is no failed authentication: 401 is for that alone (RFC 6749, section
// 5.2), and invalid_client is for nothing else.
func TestLimitIsNoFailedAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := form("grant_type", "client_credentials")
	for range 10 {
		checkError(t, "wrong secret", w.refused(basic("web", "wrong", v), 401, oauth.InvalidClient), `Basic realm="connectid"`)
	}
	a := w.refused(basic("web", "wrong", v), 429, oauth.TemporarilyUnavailable)
	checkError(t, "limited", a, "")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// RFC 6749, section 5.1: what a token answer has, and nothing else.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	granted := w.ok(basic("web", webSecret, redeem(w.putCode("web"))))
	for name, tt := range map[string]struct {
		r       *http.Request
		members string
		scope   any
	}{
		"code":               {basic("web", webSecret, redeem(w.putCode("web"))), "access_token expires_in refresh_token scope token_type", "read write"},
		"code with openid":   {basic("oidc", webSecret, redeem(w.putCode("oidc", openID))), "access_token expires_in id_token refresh_token scope token_type", "openid profile"},
		"refresh":            {basic("web", webSecret, refreshWith(granted.Refresh)), "access_token expires_in refresh_token scope token_type", "read write"},
		"client":             {basic("web", webSecret, form("grant_type", "client_credentials")), "access_token expires_in token_type", nil},
		"client with scope":  {basic("web", webSecret, form("grant_type", "client_credentials", "scope", "read")), "access_token expires_in scope token_type", "read"},
		"less than asked":    {basic("web", webSecret, form("grant_type", extURN, "mode", "narrow", "scope", "read write")), "access_token expires_in refresh_token scope token_type", "read"},
		"unknown parameters": {basic("web", webSecret, form("grant_type", "client_credentials", "colour", "blue", "scope", "")), "access_token expires_in token_type", nil},
	} {
		a := w.ok(tt.r)
		names, values := members(t, a.Body)
		if got := strings.Join(names, " "); got != tt.members {
			t.Errorf("%s: members %q, want %q", name, got, tt.members)
		}
		if s, ok := values["expires_in"].(float64); values["token_type"] != "Bearer" || !ok || s < 1 || values["scope"] != tt.scope {
			t.Errorf("%s: %s", name, a.Body)
		}
		if h := a.Header; h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" || h.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
}

// RFC 6749, sections 10.3 to 10.5 and 10.10: at least 128 random bits, none twice,
// and none of them in the store.
func TestTokensCanNotBeGuessed(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	seen := map[string]bool{}
	fresh := func(what, secret string) {
		t.Helper()
		bits, err := base64.RawURLEncoding.DecodeString(secret)
		if err != nil || len(bits) < 16 || seen[secret] {
			t.Errorf("%s %q: %d bytes, %v, seen %v", what, secret, len(bits), err, seen[secret])
		}
		seen[secret] = true
	}
	for range 20 {
		code := answerOf(t, b.get(authorizeURL(ask("web"))), appURI).Get("code")
		fresh("code", code)
		a := p.ok(basic("web", webSecret, redeem(code)))
		again := p.ok(basic("web", webSecret, refreshWith(a.Refresh)))
		for _, a := range []reply{a, again} {
			fresh("access token", a.Access)
			_, secret, _ := strings.Cut(a.Refresh, ".")
			fresh("refresh token", secret)
			if tok, err := p.store.AccessToken(t.Context(), store.DigestOf(a.Access)); err != nil || strings.Contains(string(must(json.Marshal(tok))), a.Access) {
				t.Errorf("access token as stored: %+v, %v", tok, err)
			}
			if g, err := p.store.Grant(t.Context(), grantOf(a.Refresh)); err != nil || strings.Contains(string(must(json.Marshal(g))), secret) {
				t.Errorf("grant as stored: %+v, %v", g, err)
			}
		}
	}
}

// A hint is no more than that (RFC 7009, section 2.1; RFC 7662, section 2.1).
func TestTokenTypeHints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, hint := range []string{"access_token", "refresh_token", "pat", "", "å"} {
		for _, kind := range []string{"access", "refresh"} {
			a := w.grant("web", webSecret)
			token := a.Access
			if kind == "refresh" {
				token = a.Refresh
			}
			v := form("token", token, "token_type_hint", hint)
			if got := do(t, w.server.Introspect(), basic("web", webSecret, v)); got.Status != 200 || !got.Active {
				t.Errorf("introspection of an %s token with hint %q: %d %s", kind, hint, got.Status, got.Body)
			}
			if got := do(t, w.server.Revoke(), basic("web", webSecret, v)); got.Status != 200 {
				t.Errorf("revocation of an %s token with hint %q: %d %s", kind, hint, got.Status, got.Body)
			}
			if got := do(t, w.server.Introspect(), basic("web", webSecret, v)); got.Body != "{\"active\":false}\n" {
				t.Errorf("revoked %s token with hint %q: %s", kind, hint, got.Body)
			}
		}
	}
}

// RFC 7662, section 2.2: the members of an answer, by their names.
func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("other", otherSecret)
	for kind, tt := range map[string]struct{ token, want string }{
		"access":  {a.Access, "active client_id exp iat iss scope sub token_type"},
		"refresh": {a.Refresh, "active client_id exp iat iss scope sub"},
	} {
		got := do(t, w.server.Introspect(), basic("web", webSecret, form("token", tt.token)))
		names, values := members(t, got.Body)
		if strings.Join(names, " ") != tt.want {
			t.Errorf("%s: members %q, want %q", kind, names, tt.want)
		}
		exp, _ := values["exp"].(float64)
		iat, _ := values["iat"].(float64)
		if now := float64(time.Now().Unix()); values["active"] != true || values["iss"] != issuer || exp <= now || iat > now || iat < now-60 {
			t.Errorf("%s: %s", kind, got.Body)
		}
	}
}

// metadataTypes are the fields that may stand in the metadata, by the registry of
// RFC 8414, section 7.1, and what each is.
var metadataTypes = map[string]string{
	"issuer": "url", "authorization_endpoint": "url", "token_endpoint": "url", "jwks_uri": "url", "userinfo_endpoint": "url",
	"revocation_endpoint": "url", "introspection_endpoint": "url", "pushed_authorization_request_endpoint": "url", "end_session_endpoint": "url",
	"scopes_supported": "list", "response_types_supported": "list", "response_modes_supported": "list", "grant_types_supported": "list",
	"token_endpoint_auth_methods_supported": "list", "revocation_endpoint_auth_methods_supported": "list", "introspection_endpoint_auth_methods_supported": "list",
	"code_challenge_methods_supported": "list", "ui_locales_supported": "list", "claims_supported": "list", "claim_types_supported": "list",
	"subject_types_supported": "list", "id_token_signing_alg_values_supported": "list", "dpop_signing_alg_values_supported": "list", "prompt_values_supported": "list",
	"authorization_response_iss_parameter_supported": "bool", "claims_parameter_supported": "bool", "request_parameter_supported": "bool",
	"request_uri_parameter_supported": "bool", "require_pushed_authorization_requests": "bool",
	"backchannel_logout_supported": "bool", "backchannel_logout_session_supported": "bool",
}

// RFC 8414, sections 2 and 3.2; OpenID Connect Discovery 1.0, sections 3 and 4.2.
func TestMetadataFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	res := httptest.NewRecorder()
	w.server.Metadata().ServeHTTP(res, httptest.NewRequest("GET", "/", nil))
	names, m := members(t, res.Body.String())
	for _, name := range names {
		switch v := m[name].(type) {
		case string:
			u, err := url.Parse(v)
			if metadataTypes[name] != "url" || err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(v, "?#") {
				t.Errorf("%s is %q", name, v)
			}
		case []any:
			if metadataTypes[name] != "list" || len(v) == 0 { // a list without elements is left out
				t.Errorf("%s is %v", name, v)
			}
			for i, e := range v {
				if s, ok := e.(string); !ok || s == "" || slices.Contains(v[:i], e) {
					t.Errorf("%s has %v", name, e)
				}
			}
		case bool:
			if metadataTypes[name] != "bool" {
				t.Errorf("%s is %v", name, v)
			}
		default:
			t.Errorf("%s is %v", name, v)
		}
	}
	for _, name := range []string{
		"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported", "subject_types_supported",
		"id_token_signing_alg_values_supported", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported",
		// Absent, these would say what is not so: implicit, request_uri, Basic alone.
		"grant_types_supported", "response_modes_supported", "request_uri_parameter_supported", "token_endpoint_auth_methods_supported",
	} {
		if m[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	// No method that would need token_endpoint_auth_signing_alg_values_supported.
	for _, name := range []string{"token_endpoint", "revocation_endpoint", "introspection_endpoint"} {
		for _, method := range m[name+"_auth_methods_supported"].([]any) {
			if method != "client_secret_basic" && method != "client_secret_post" && (method != "none" || name == "introspection_endpoint") {
				t.Errorf("%s takes %v", name, method)
			}
		}
	}
	if res.Code != 200 || res.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", res.Code, res.Header())
	}
}

// A request of OpenID Connect names its redirect URI, also where plain OAuth could
// do without (OpenID Connect Core 1.0, sections 3.1.2.1 and 3.1.2.2).
func TestOpenIDNeedsRedirectURI(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in := p.browser()
	in.login()
	for _, b := range []*browser{in, p.browser()} {
		for _, scope := range []string{"openid", "read openid"} {
			for _, v := range []url.Values{without(ask("oidc"), "redirect_uri"), with(ask("oidc"), "redirect_uri", "")} {
				v.Set("scope", scope)
				for _, path := range []string{"/oauth/authorize?", "/oauthLogin?"} {
					if w := b.get(issuer + path + v.Encode()); w.Code != 400 || w.Header().Get("Location") != "" {
						t.Errorf("scope %q at %s: %d %q, want 400", scope, path, w.Code, w.Header().Get("Location"))
					}
				}
			}
		}
	}
	v := with(without(ask("oidc"), "redirect_uri"), "scope", "openid")
	if a := p.pushAs(basic("oidc", webSecret, v)); a.Status != 400 || a.Error != oauth.InvalidRequest {
		t.Errorf("pushed: %d %s", a.Status, a.Body)
	}
	v = with(without(ask("oidc"), "redirect_uri"), "scope", "read")
	if q := answerOf(t, in.get(authorizeURL(v)), appURI); q.Get("code") == "" {
		t.Errorf("without openid: %v", q)
	}
	v = with(ask("oidc"), "scope", "openid")
	if q := answerOf(t, in.get(authorizeURL(v)), appURI); q.Get("code") == "" {
		t.Errorf("with the redirect URI: %v", q)
	}
}

// The pages of an authorization request can be neither framed nor forged (RFC 6749,
// sections 10.12 and 10.13; RFC 9700, section 4.16), and no redirect repeats a post
// (RFC 9700, section 4.12).
func TestLoginPagesAreArmed(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	redirect := b.get(authorizeURL(ask("web")))
	page := b.follow(redirect)
	for name, w := range map[string]*httptest.ResponseRecorder{"redirect": redirect, "page": page, "error": b.get(authorizeURL(ask("nobody")))} {
		h := w.Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
	fields := form("event", "verifyCredentialsEvent", "credential", email, "password", password)
	for _, m := range hidden.FindAllStringSubmatch(page.Body.String(), -1) {
		fields.Set(m[1], html.UnescapeString(m[2]))
	}
	post := func(v url.Values, origin, site string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "https://connectid.test/user/oauthLogin", strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", site)
		return b.send(r)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"without the token": post(without(fields, "csrf_token"), "https://connectid.test", "same-origin"),
		"of another site":   post(fields, "https://evil.test", "cross-site"),
	} {
		if strings.HasPrefix(w.Header().Get("Location"), appURI) || w.Code < 400 && w.Code != http.StatusSeeOther {
			t.Errorf("a post %s: %d %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	if w := post(fields, "https://connectid.test", "same-origin"); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), appURI+"?code=") {
		t.Errorf("the post itself: %d %q", w.Code, w.Header().Get("Location"))
	}
}

// Refresh tokens of public clients rotate, whatever the record says, unless they are
// bound to a key (RFC 9700, sections 2.2.2 and 4.14.2).
func TestPublicClientsRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := must(w.store.Client(t.Context(), "spa"))
	c.KeepRefreshToken = true
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	public := func(v url.Values) *http.Request { return newPost(with(v, "client_id", "spa").Encode()) }
	first := w.ok(public(redeem(w.putCode("spa"))))
	second := w.ok(public(refreshWith(first.Refresh)))
	if second.Refresh == first.Refresh {
		t.Fatal("the refresh token of a public client does not rotate")
	}
	third := w.ok(public(refreshWith(second.Refresh)))
	w.refused(public(refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
	w.refused(public(refreshWith(third.Refresh)), 400, oauth.InvalidGrant)
}

// OpenID Connect Back-Channel Logout 1.0, section 2.2.
func TestBackchannelURI(t *testing.T) {
	t.Parallel()
	for uri, called := range map[string]bool{
		"https://app.test/logout":           true,
		"https://app.test/logout?a=%2f&b&a": true,
		"https://app.test/logout#f":         false,
		"https://app.test/logout#":          false,
		"/logout":                           false,
		"app.test/logout":                   false,
		"https:/logout":                     false,
	} {
		synctest.Test(t, func(t *testing.T) {
			rp := &relyingParty{}
			w := logoutWorld(t, rp, func(c *store.Client) { c.BackchannelLogoutURI = uri })
			w.ended("a", aLogout)
			time.Sleep(time.Hour)
			if (rp.calls() == 1) != called || rp.calls() > 1 {
				t.Fatalf("%s: %d calls", uri, rp.calls())
			}
			if called && rp.got[0].URL.String() != uri {
				t.Errorf("%s: called %s", uri, rp.got[0].URL)
			}
		})
	}
}

// OpenID Connect Core 1.0, sections 2, 5.7 and 8: a sub is short, and of one user
// for ever.
func TestSubjects(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	users := p.store.(store.Users)
	seen := map[string]bool{}
	for u := p.user; len(seen) < 5; {
		if len(u.ID) < 22 || len(u.ID) > 255 || seen[u.ID] || strings.ContainsFunc(u.ID, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Errorf("sub %q, after %v", u.ID, seen)
		}
		seen[u.ID] = true
		if err := users.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		var err error
		u, err = p.accounts.CreateUser(t.Context(), account.NewUser{
			Client: clients()[0], Credential: must(account.ParseCredential(email, "NO")), Password: password, Lang: "en", TermsAccepted: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
