package connectid_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/internal/dpoptest"
	"github.com/connectid-kit/connectid/store"
)

const (
	capiURL    = host + "/capi"
	profileURL = capiURL + "/v1/customer/profile"
)

// answer is what an endpoint says in JSON.
type answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Pushed  string `json:"request_uri"`
	Error   string `json:"error"`
}

// endpoint sends a request to the kit: headers are name, value, …
func (s *site) endpoint(method, address string, form url.Values, headers ...string) (*httptest.ResponseRecorder, answer) {
	s.t.Helper()
	r := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
	r.Host = "evil.example" // what counts is configured
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	var a answer
	_ = json.Unmarshal(w.Body.Bytes(), &a) // what is no JSON says nothing
	return w, a
}

// A request that is pushed with a proof, a login, tokens that are bound, and the
// API, as a client goes through it.
func TestPushedAndBound(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	c := paper(clientID, "paper")
	c.RequirePAR, c.RequireDPoP, c.Resources = true, true, []string{capiURL}
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	key := dpoptest.NewKey(t)
	const verifier, callback = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "https://paper.example/callback"
	request := url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {callback}, "state": {"s"}, "resource": {capiURL},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	b := s.browser()
	if b.get(loginURL + "/oauth/authorize?" + request.Encode()); !strings.Contains(b.location(), "error=invalid_request") {
		t.Fatalf("a request that was not pushed leads to %q", b.location())
	}
	w, a := s.endpoint("POST", loginURL+"/oauth/par", request, "DPoP", key.Proof("POST", loginURL+"/oauth/par"))
	nonce := dpoptest.Nonce(w.Header().Get("DPoP-Nonce"))
	if w.Code != 400 || a.Error != "use_dpop_nonce" {
		t.Fatalf("a proof without nonce: %d %s", w.Code, w.Body)
	}
	w, a = s.endpoint("POST", loginURL+"/oauth/par", request, "DPoP", key.Proof("POST", loginURL+"/oauth/par", nonce))
	if w.Code != 201 || w.Header().Get("Strict-Transport-Security") == "" {
		t.Fatalf("push: %d %s %v", w.Code, w.Body, w.Header())
	}
	b.get(loginURL + "/oauth/authorize?" + url.Values{"client_id": {clientID}, "request_uri": {a.Pushed}}.Encode())
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password)
	back, err := url.Parse(b.location())
	if err != nil || back.Query().Get("code") == "" || back.Query().Get("state") != "s" {
		t.Fatalf("the login ends at %q", b.location())
	}
	exchange := url.Values{"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	w, a = s.endpoint("POST", loginURL+"/oauth/token", exchange, "DPoP", key.Proof("POST", loginURL+"/oauth/token", nonce))
	if w.Code != 200 || a.Type != "DPoP" {
		t.Fatalf("token: %d %s", w.Code, w.Body)
	}
	// One nonce serves the whole kit.
	for name, c := range map[string]struct {
		address, scheme, proof string
		status                 int
	}{
		"as it should be":   {profileURL, "DPoP ", key.Proof("GET", profileURL, nonce, dpoptest.For(a.Access)), 200},
		"with a query":      {profileURL + "?x=y", "DPoP ", key.Proof("GET", profileURL+"?z", nonce, dpoptest.For(a.Access)), 200},
		"HEAD":              {"HEAD", "DPoP ", key.Proof("HEAD", profileURL, nonce, dpoptest.For(a.Access)), 200},
		"as bearer":         {profileURL, "Bearer ", "", 401},
		"the Host header's": {profileURL, "DPoP ", key.Proof("GET", "https://evil.example/capi/v1/customer/profile", nonce, dpoptest.For(a.Access)), 401},
		"another call":      {profileURL, "DPoP ", key.Proof("GET", capiURL+"/v1/subscription", nonce, dpoptest.For(a.Access)), 401},
		"without ath":       {profileURL, "DPoP ", key.Proof("GET", profileURL, nonce), 401},
	} {
		method := "GET"
		if c.address == "HEAD" {
			method, c.address = "HEAD", profileURL
		}
		w, _ := s.endpoint(method, c.address, nil, "Authorization", c.scheme+a.Access, "DPoP", c.proof)
		if w.Code != c.status || (w.Code == 200) != (w.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, w.Header())
		}
		if w.Code == 200 && w.Header().Get("DPoP-Nonce") == "" {
			t.Errorf("%s: no nonce for the next call", name)
		}
	}
	if w, _ := s.endpoint("GET", profileURL, nil); len(w.Header().Values("WWW-Authenticate")) != 2 {
		t.Errorf("challenges %q, want one of each scheme", w.Header().Values("WWW-Authenticate"))
	}
}

// location is where the browser was last sent that is not the kit.
func (b *browser) location() string { return b.headers.Get("Location") }

// RFC 8707: the API takes tokens that name it, or nothing.
func TestResourceOfTheAPI(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	now := time.Now()
	i := 0
	for name, c := range map[string]struct {
		resources []string
		status    int
	}{
		"none":       {nil, 200},
		"the API":    {[]string{capiURL}, 200},
		"with port":  {[]string{"https://ID.example:443/capi"}, 200},
		"one of two": {[]string{"https://x.example", capiURL}, 200},
		"another":    {[]string{"https://x.example"}, 401},
		"the host":   {[]string{host}, 401},
		"the issuer": {[]string{loginURL}, 401},
		"one call":   {[]string{profileURL}, 401},
	} {
		i++
		grant, token := "grant-"+strconv.Itoa(i), "token-"+strconv.Itoa(i)
		err := s.store.CreateGrant(t.Context(), store.Grant{ID: grant, ClientID: clientID, UserID: u.ID, ExpiresAt: now.Add(time.Hour)}, store.AccessToken{
			Hash: store.DigestOf(token), GrantID: grant, ClientID: clientID, UserID: u.ID, Resources: c.resources, ExpiresAt: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		w, a := s.endpoint("GET", profileURL, nil, "Authorization", "Bearer "+token)
		if w.Code != c.status || c.status == 401 && a.Error != "invalid_token" {
			t.Errorf("token for %s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestBindingIsConfigured(t *testing.T) {
	for want, change := range map[string]func(*connectid.Config){
		"DPoPWindow":     func(c *connectid.Config) { c.DPoPWindow = -1 },
		"PushedLifetime": func(c *connectid.Config) { c.PushedLifetime = time.Millisecond },
	} {
		c := config(newSite(t).store, nil)
		change(&c)
		if _, err := connectid.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	s := newSite(t, func(c *connectid.Config) { c.InsecureSkipDPoPNonce = true; c.PushedLifetime = time.Minute })
	key := dpoptest.NewKey(t)
	w, _ := s.endpoint("POST", loginURL+"/oauth/par", url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {"https://paper.example/callback"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}, "DPoP", key.Proof("POST", loginURL+"/oauth/par"))
	if w.Code != http.StatusCreated || !strings.HasSuffix(w.Body.String(), `"expires_in":60}`) || w.Header().Get("DPoP-Nonce") != "" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}
