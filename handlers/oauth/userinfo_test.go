package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
)

var kari = store.User{
	ID: "user-1", Number: 1, FirstName: "Kari", LastName: "Nordmann", Language: "nn",
	Credentials: []store.Credential{
		{Kind: store.Email, Identity: "old@news.test", Spelling: "old@news.test"},
		{Kind: store.Phone, Identity: "+4791234567", Spelling: "912 34 567"},
		{Kind: store.Email, Identity: "kari@news.test", Spelling: "Kari@news.test", VerifiedAt: time.Unix(1e9, 0)},
		{Kind: store.Email, Identity: "kari2@news.test", Spelling: "kari2@news.test", VerifiedAt: time.Unix(1e9, 0)},
	},
	CreatedAt: time.Unix(1e9, 0), UpdatedAt: time.Unix(1.1e9, 0),
}

// ofUser returns an access token of kari's with a scope.
func (w *world) ofUser(client, scope string) string {
	w.tb.Helper()
	request := basic(client, webSecret, redeem(w.putCode(client, func(c *store.AuthorizationCode) { c.Scope = scope })))
	if client == "oidcspa" {
		request = newPost(with(redeem(w.putCode(client, func(c *store.AuthorizationCode) { c.Scope = scope })), "client_id", client).Encode())
	}
	return w.ok(request).Access
}

// userInfo asks the UserInfo endpoint.
func (w *world) userInfo(method, token string, headers ...string) reply {
	w.tb.Helper()
	r := httptest.NewRequest(method, "/oauth/userinfo", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return do(w.tb, w.server.UserInfo(), r)
}

func (w *world) putUser(u store.User) {
	w.tb.Helper()
	if err := w.store.CreateUser(w.tb.Context(), u); err != nil {
		w.tb.Fatal(err)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putUser(kari)
	for scope, want := range map[string]string{
		"openid":               `{"sub":"user-1"}`,
		"read openid":          `{"sub":"user-1"}`,
		"openid profile":       `{"sub":"user-1","name":"Kari Nordmann","given_name":"Kari","family_name":"Nordmann","locale":"nn","updated_at":1100000000}`,
		"openid email":         `{"sub":"user-1","email":"Kari@news.test","email_verified":true}`,
		"openid phone":         `{"sub":"user-1","phone_number":"+4791234567","phone_number_verified":false}`,
		"phone email openid":   `{"sub":"user-1","email":"Kari@news.test","email_verified":true,"phone_number":"+4791234567","phone_number_verified":false}`,
		"openid emails phones": `{"sub":"user-1"}`,
	} {
		token := w.ofUser("oidc", scope)
		for _, method := range []string{"GET", "POST"} {
			a := w.userInfo(method, token)
			if a.Status != 200 || a.Body != want || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s, scope %q: %d %s %v, want %s", method, scope, a.Status, a.Body, a.Header, want)
			}
		}
	}
	// Nothing is made up for a user who says nothing of herself.
	u, err := w.store.User(t.Context(), "user-1")
	if err != nil {
		t.Fatal(err)
	}
	u.FirstName, u.LastName, u.Language, u.UpdatedAt, u.Credentials = "", "Berg", "", time.Time{}, u.Credentials[1:2]
	if err := w.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if a := w.userInfo("GET", w.ofUser("oidc", "openid profile email")); a.Body != `{"sub":"user-1","name":"Berg","family_name":"Berg"}` {
		t.Errorf("answer %s", a.Body)
	}
}

func TestUserInfoRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putUser(kari)
	good := w.ofUser("oidc", "openid")
	client := w.ok(basic("oidc", webSecret, form("grant_type", "client_credentials", "scope", "openid"))).Access
	refresh := w.ok(basic("oidc", webSecret, redeem(w.putCode("oidc", openID)))).Refresh
	for name, tt := range map[string]struct {
		reply
		status    int
		challenge string
	}{
		"no token":          {w.userInfo("GET", ""), 401, `Bearer realm="connectid"`},
		"unknown token":     {w.userInfo("GET", "x"), 401, `error="invalid_token"`},
		"refresh token":     {w.userInfo("GET", refresh), 401, `error="invalid_token"`},
		"without openid":    {w.userInfo("GET", w.ofUser("oidc", "profile email")), 403, `error="insufficient_scope"`},
		"another's openid2": {w.userInfo("GET", w.ofUser("oidc", "openid2")), 403, `error="insufficient_scope"`},
		"of a client":       {w.userInfo("GET", client), 403, `error="insufficient_scope"`},
		"two headers":       {w.userInfo("GET", good, "Authorization", "Bearer "+good), 400, `error="invalid_request"`},
		"Basic":             {w.userInfo("GET", "", "Authorization", "Basic "+good), 401, `Bearer realm="connectid"`},
	} {
		if got := tt.Header.Get("WWW-Authenticate"); tt.Status != tt.status || !strings.Contains(got, tt.challenge) ||
			strings.Contains(tt.Body, "sub") || tt.Error == "" || tt.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %q, want %d %q", name, tt.Status, tt.Body, got, tt.status, tt.challenge)
		}
	}
	// The token stands nowhere but in the header.
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/oauth/userinfo?access_token="+good, nil), newPost("access_token=" + good),
	} {
		if a := do(t, w.server.UserInfo(), r); a.Status != 401 {
			t.Errorf("%s %s: %d %s", r.Method, r.URL, a.Status, a.Body)
		}
	}
	if a := w.userInfo("PUT", good); a.Status != 405 || a.Header.Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("PUT: %d %v", a.Status, a.Header)
	}

	u, err := w.store.User(t.Context(), "user-1")
	if err != nil {
		t.Fatal(err)
	}
	u.Blocked = true
	if err := w.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if a := w.userInfo("GET", good); a.Status != 401 || a.Error != "invalid_token" {
		t.Errorf("blocked: %d %s", a.Status, a.Body)
	}
	if err := w.store.DeleteUser(t.Context(), "user-1"); err != nil {
		t.Fatal(err)
	}
	if a := w.userInfo("GET", good); a.Status != 401 || a.Error != "invalid_token" {
		t.Errorf("deleted: %d %s", a.Status, a.Body)
	}
}

func TestUserInfoOutage(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"AccessToken", "Client", "User"} {
		st := newBroken(method)
		st.on.Store(false)
		w := newWorldOn(t, st)
		w.putUser(kari)
		token := w.ofUser("oidc", "openid")
		st.on.Store(true)
		if a := w.userInfo("GET", token); a.Status != 503 || a.Error != oauth.TemporarilyUnavailable || a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "detail") {
			t.Errorf("%s: %d %s", method, a.Status, a.Body)
		}
	}
}

// A public client's script may read the answer, from its own origins.
func TestUserInfoCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putUser(kari)
	spa := must(w.store.Client(t.Context(), "oidcspa"))
	spa.Targets = []string{"https://spa.test"}
	if err := w.store.PutClient(t.Context(), spa); err != nil {
		t.Fatal(err)
	}
	public, secret := w.ofUser("oidcspa", "openid"), w.ofUser("oidc", "openid")
	narrow := w.ofUser("oidcspa", "profile")
	for _, tt := range []struct {
		name, method, token, origin string
		status                      int
		allowed                     bool
	}{
		{"its own", "GET", public, "https://spa.test", 200, true},
		{"of another site", "GET", public, "https://evil.test", 200, false},
		{"a confidential client's", "GET", secret, "https://app.test", 200, false},
		{"preflight", "OPTIONS", "", "https://spa.test", 204, true},
		{"preflight of another site", "OPTIONS", "", "https://evil.test", 204, false},
		{"expired", "GET", "x", "https://spa.test", 401, true},
		{"expired, of another site", "GET", "x", "https://evil.test", 401, false},
		{"refused", "GET", narrow, "https://spa.test", 403, true},
		{"refused, of another site", "GET", narrow, "https://evil.test", 403, false},
	} {
		a := w.userInfo(tt.method, tt.token, "Origin", tt.origin)
		got := a.Header.Get("Access-Control-Allow-Origin")
		if a.Status != tt.status || (got == tt.origin) != tt.allowed || got != "" && got != tt.origin || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", tt.name, a.Status, a.Header)
		}
		if tt.allowed && len(a.Header.Values("Vary")) != 1 {
			t.Errorf("%s: Vary %q", tt.name, a.Header.Values("Vary"))
		}
	}
}

// sub is the same in the ID token and here (OpenID Connect Core 1.0, section
// 5.3.2), whatever the store says the account is called.
func TestUserInfoSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putUser(kari)
	a := w.ok(basic("oidc", webSecret, redeem(w.putCode("oidc", openID))))
	var info struct{ Sub string }
	if err := json.Unmarshal([]byte(w.userInfo("GET", a.Access).Body), &info); err != nil || info.Sub != w.claims(a.IDToken)["sub"] {
		t.Errorf("sub %q and %q", info.Sub, w.claims(a.IDToken)["sub"])
	}
}
