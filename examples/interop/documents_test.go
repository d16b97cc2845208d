package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/store"
)

// A site that was written with the words of the ConnectID documents alone: no
// PKCE, no state, no scope, the secret in the form, the same parameters in query
// and form, another article as redirect_uri each time. Its client record says what
// it can not do.
func TestSiteByTheDocuments(t *testing.T) {
	t.Parallel()
	s := start(t)
	const origin = "http://localhost:4711" // nobody listens: the browser stops there
	id, secret := s.client(t, origin, func(c *store.Client) {
		c.InsecureSkipPKCE, c.OmitIssuer = true, true
		c.RedirectURIs, c.InsecureRedirectPrefixes = nil, []string{origin + "/articles/"}
		c.Scopes = nil
	})
	other, _ := s.client(t, origin, func(c *store.Client) { c.ID = "no.example.other"; c.Targets = []string{"http://localhost:4712"} })
	if other == id {
		t.Fatal("one client has replaced the other")
	}
	b := newBrowser(t, origin)
	article := origin + "/articles/7?from=front"
	loginCheck := s.login + "/loginCheck?" + url.Values{"clientId": {id}, "returnUrl": {article + "&in=1"}, "errorUrl": {article + "&in=0"}}.Encode()

	// Nobody is logged in; a login by loginUrl; then somebody is.
	if b.get(loginCheck); b.at.String() != article+"&in=0" {
		t.Fatalf("loginCheck leads to %s", b.at)
	}
	b.get(s.login + "/login?" + url.Values{"clientId": {id}, "returnUrl": {article}, "errorUrl": {origin + "/"}}.Encode()).logIn()
	if b.at.String() != article {
		t.Fatalf("login leads to %s", b.at)
	}
	if b.get(loginCheck); b.at.String() != article+"&in=1" {
		t.Fatalf("loginCheck leads to %s", b.at)
	}

	// The authorization endpoint answers at once, with the code alone.
	b.get(s.login + "/oauth/authorize?" + url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {article}}.Encode())
	code, found := strings.CutPrefix(b.at.String(), article+"&code=")
	if !found || strings.Contains(code, "&") {
		t.Fatalf("authorize leads to %s", b.at)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {article}, "client_id": {id}, "client_secret": {secret},
	}
	user := token(t, s.login+"//oauth/token?"+form.Encode(), form, http.StatusOK) // as real callers write it
	if user.Refresh == "" || user.Expires != 12*60*60 || !strings.EqualFold(user.Type, "bearer") {
		t.Errorf("token answer %+v", user)
	}
	var profile struct {
		UniqueID   string `json:"uniqueId"`
		Credential struct {
			Credential string `json:"credential"`
		} `json:"credential"`
	}
	call(t, s.url+"/capi/v1/customer/profile", user.Access, http.StatusOK, &profile)
	if profile.UniqueID != s.user.ID || profile.Credential.Credential != reader {
		t.Errorf("profile %+v", profile)
	}
	again := token(t, s.login+"/oauth/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {user.Refresh}, "client_id": {id}, "client_secret": {secret}, "redirect_uri": {article},
	}, http.StatusOK)
	call(t, s.url+"/capi/v1/subscription", again.Access, http.StatusOK, new(any))

	// Client mode, which opens nothing of a user's.
	client := token(t, s.login+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}, http.StatusOK)
	if client.Refresh != "" {
		t.Error("client mode has a refresh token")
	}
	call(t, s.url+"/capi/v1/customer/profile", client.Access, http.StatusForbidden, new(any))

	// The logout ends the session; the same code can not be used twice.
	b.get(s.login + "/logout?" + url.Values{"clientId": {id}, "returnUrl": {article}, "errorUrl": {article}}.Encode())
	if b.get(loginCheck); b.at.String() != article+"&in=0" {
		t.Errorf("after the logout loginCheck leads to %s", b.at)
	}
	if refused := token(t, s.login+"/oauth/token", form, http.StatusBadRequest); refused.Error != "invalid_grant" {
		t.Errorf("the code once more: %+v", refused)
	}

	// What this record waives, another client's does not.
	b.get(s.login + "/oauth/authorize?" + url.Values{"response_type": {"code"}, "client_id": {other}, "redirect_uri": {origin + "/callback"}}.Encode())
	if b.at.Query().Get("error") != "invalid_request" || b.at.Query().Get("iss") != s.login {
		t.Errorf("a client without the waiver is led to %s", b.at)
	}
}

type tokenAnswer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Error   string `json:"error"`
}

// token posts a form to the token endpoint.
func token(t *testing.T, endpoint string, form url.Values, status int) (a tokenAnswer) {
	t.Helper()
	resp, err := http.PostForm(endpoint, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || json.Unmarshal(body, &a) != nil {
		t.Fatalf("%s answers %s, want %d: %s, %v", form.Get("grant_type"), resp.Status, status, body, err)
	}
	return a
}

// call asks the API.
func call(t *testing.T, address, token string, status int, answer any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Fatalf("%s answers %s, want %d", address, resp.Status, status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}
