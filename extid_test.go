package connectid_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/store"
)

const outsideID = "no.example.outside"

// outsider is a client whose publisher knows its readers by an identity of its
// own, and the secret with which it says so.
func (s *site) outsider() (secret string) {
	s.t.Helper()
	secret, hash := oauth.NewSecret()
	if err := s.store.PutClient(s.t.Context(), store.Client{
		ID: outsideID, PartnerID: "partner", Secrets: []string{hash}, GrantTypes: []string{"client_credentials", "refresh_token", extid.Type},
	}); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// ask sends a request to the kit as a program does, and decodes the answer.
func (s *site) ask(method, address, body string, header func(*http.Request)) (int, map[string]any) {
	s.t.Helper()
	r := httptest.NewRequest(method, address, strings.NewReader(body))
	header(r)
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	answer := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		s.t.Errorf("%s %s: %d %q: %v", method, address, w.Code, w.Body, err)
	}
	return w.Code, answer
}

func (s *site) grantOf(secret string, form url.Values) (int, map[string]any) {
	s.t.Helper()
	return s.ask(http.MethodPost, loginURL+"/oauth/token", form.Encode(), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(outsideID, secret)
	})
}

func (s *site) call(method, path, token, body string) (int, map[string]any) {
	s.t.Helper()
	return s.ask(method, host+"/capi/"+path, body, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
	})
}

// The whole way: the client's own token, the identity, the user's token, her
// profile; tied to a customer, who is then in her profile.
func TestExternalIdentityWalk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret := s.outsider()
	s.customer(815, "Nordmann", "9008")
	_, answer := s.grantOf(secret, url.Values{"grant_type": {"client_credentials"}})
	client, _ := answer["access_token"].(string)
	status, x := s.call(http.MethodPost, "v1/client/extid", client, `{"externalId":"4711","credentialType":"D"}`)
	if status != 200 || x["credential"] != "AID:4711" || x["newUser"] != true || x["canLogin"] != false || x["enabled"] != true {
		t.Fatalf("extid: %d %v", status, x)
	}
	code, _ := x["extidCode"].(string)
	status, answer = s.grantOf(secret, url.Values{"grant_type": {extid.Type}, "code": {code}})
	token, _ := answer["access_token"].(string)
	refresh, _ := answer["refresh_token"].(string)
	if status != 200 || token == "" || refresh == "" {
		t.Fatalf("token: %d %v", status, answer)
	}
	status, profile := s.call(http.MethodGet, "v1/customer/profile", token, "")
	sources, _ := profile["externalSources"].([]any)
	if status != 200 || profile["uniqueId"] != x["uniqueId"] || len(sources) != 1 || profile["credential"] != nil || profile["loginCredential"] != nil {
		t.Errorf("profile: %d %v", status, profile)
	}
	if status, x = s.call(http.MethodPost, "v1/client/extid/customer", client, `{"externalId":"4711","credentialType":"D","customerNumber":815}`); status != 200 || x["customerNumber"] != 815.0 || x["newUser"] != false {
		t.Errorf("extid/customer: %d %v", status, x)
	}
	if _, profile = s.call(http.MethodGet, "v1/customer/profile", token, ""); profile["customerNumber"] != 815.0 {
		t.Errorf("the profile of a customer: %v", profile)
	}
	// One mode does not open the other.
	if status, answer := s.call(http.MethodPost, "v1/client/extid", token, `{"externalId":"4711","credentialType":"D"}`); status != 403 || answer["error"] != "insufficient_scope" {
		t.Errorf("extid with a user's token: %d %v", status, answer)
	}
	// A replay ends what the code gave, the refreshed tokens too.
	_, answer = s.grantOf(secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	renewed, _ := answer["access_token"].(string)
	if status, _ := s.call(http.MethodGet, "v1/customer/profile", renewed, ""); status != 200 {
		t.Errorf("a refreshed token: %d", status)
	}
	if status, answer := s.grantOf(secret, url.Values{"grant_type": {extid.Type}, "code": {code}}); status != 400 || answer["error"] != "invalid_grant" {
		t.Errorf("the code again: %d %v", status, answer)
	}
	for _, tok := range []string{token, renewed} {
		if status, _ := s.call(http.MethodGet, "v1/customer/profile", tok, ""); status != 401 {
			t.Errorf("a token of a code that was used twice: %d", status)
		}
	}
}

// The customer whom register would tie is tied to one user, whoever comes first.
func TestExternalIdentityAndRegister(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret := s.outsider()
	s.customer(815, "Nordmann", "9008")
	s.user(kari, password)
	_, answer := s.grantOf(secret, url.Values{"grant_type": {"client_credentials"}})
	client, _ := answer["access_token"].(string)
	if status, x := s.call(http.MethodPost, "v1/client/extid/customer", client, `{"externalId":"4711","credentialType":"D","customerNumber":815}`); status != 200 {
		t.Fatalf("extid/customer: %d %v", status, x)
	}
	b := s.login(kari, password, false)
	b.open("register").wantState("searchSubscriberState")
	b.search("815", "Nordmann", "9008").wantState("subscriberTakenState")
}

// A user with an identity and no credential at all: her pages can be shown, and
// her account can be exported and deleted.
func TestAccountOfAnExternalUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	accounts := s.kit.Accounts()
	// Nobody logs in so: the session is of a time when she had a credential.
	u := s.user(ola, password)
	b := s.login(ola, password, false)
	u = s.reread(u)
	u.Ties = []store.Tie{{Kind: store.ExternalTie("D"), PartnerID: "partner", Number: "4711"}}
	u.Credentials, u.PasswordHash = nil, ""
	if err := s.store.UpdateUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	b.open("account").wantStatus(200).wantState("accountState")
	if !strings.Contains(b.body, "Connected logins") || !strings.Contains(b.body, "AID:4711") {
		t.Error("My account does not name the identity")
	}
	for _, page := range []string{"merge", "register", "activateMembership", "resetPassword", "reauthenticate", "login", "createUser", "loginCheck"} {
		if b.open(page); b.status >= 500 {
			t.Errorf("%s: %d", page, b.status)
		}
	}
	b.open("account").submit("deleteAccountEvent").wantState("deleteAccountState")
	b.submit("accountDeletedEvent", "confirmation", "").wantState("deleteAccountState") // she has nothing to type
	x, err := accounts.Export(ctx, u.ID)
	if err != nil || len(x.Account.Ties) != 1 || len(x.Credentials) != 0 {
		t.Errorf("the export: %+v, %v", x, err)
	}
	if err := accounts.Delete(ctx, account.Deletion{UserID: u.ID}); err != nil {
		t.Error(err)
	}
	site := store.Client{ID: outsideID, PartnerID: "partner"}
	if next, made, err := accounts.External(ctx, site, account.ExternalID{Type: "D", ID: "4711"}); err != nil || !made || next.ID == u.ID {
		t.Errorf("after the deletion the identity leads to %s, %v", next.ID, err)
	}
	// An account without an identity has no such heading.
	s.user(kari, password)
	if b := s.login(kari, password, false).open("account"); strings.Contains(b.body, "Connected logins") {
		t.Error("My account has a heading for what there is not")
	}
}

// A host may put a grant of its own in place of the kit's.
func TestExternalGrantOfTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *connectid.Config) {
		c.ExtensionGrants = []oauth.ExtensionGrant{{Type: extid.Type, Exchange: func(context.Context, oauth.GrantRequest) (oauth.GrantResult, error) {
			return oauth.GrantResult{}, &oauth.Error{Code: oauth.InvalidGrant, Description: "not here"}
		}}}
	})
	if status, answer := s.grantOf(s.outsider(), url.Values{"grant_type": {extid.Type}, "code": {"x"}}); status != 400 || answer["error_description"] != "not here" {
		t.Errorf("%d %v", status, answer)
	}
}
