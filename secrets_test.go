package connectid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/middleware"
)

// lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// tokens gets tokens for the browser, which is logged in.
func tokens(t *testing.T, b *browser) map[string]any {
	t.Helper()
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	b.get(loginURL + "/oauth/authorize?" + url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {"https://paper.example/callback"}, "state": {"xyz"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode())
	code := b.url.Query().Get("code")
	if code == "" {
		t.Fatalf("no code at %s", b.url)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code},
		"redirect_uri": {"https://paper.example/callback"}, "code_verifier": {verifier},
	}
	return tokenCall(t, b.kit, form)
}

func tokenCall(t *testing.T, kit http.Handler, form url.Values) map[string]any {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, loginURL+"//oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	kit.ServeHTTP(w, r)
	answer := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatalf("token endpoint: %d %s", w.Code, w.Body)
	}
	answer["code"] = form.Get("code")
	return answer
}

// A whole run leaves no secret in the log, and none with the observers: no
// password, code, cookie, ticket or token, and no whole address.
func TestLogsHoldNoSecret(t *testing.T) {
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var events []flows.Event
	s := newSite(t, func(c *connectid.Config) {
		c.Logger = logger
		c.OnEvent = func(_ context.Context, h flows.Happening) {
			events = append(events, h.Event)
			fmt.Fprintf(&log, "%+v\n", h)
		}
		c.OnNotice = func(_ context.Context, n account.Notice) { fmt.Fprintf(&log, "%+v\n", n) }
	})
	kit := middleware.NewRequestLog(middleware.RequestLogConfig{Logger: logger}).Handler(s.kit)
	secrets := map[string]string{"password": password, "address": kari, "another": "another-secret-9"}
	note := func(b *browser) {
		for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/user/loginCheck"}) {
			secrets["cookie "+c.Name+fmt.Sprint(len(secrets))] = c.Value
		}
		if strings.Contains(b.body, "<form") {
			secrets["ticket"+fmt.Sprint(len(secrets))] = b.form().fields.Get("ticket")
		}
	}
	b := newBrowser(t, kit)
	b.open("createUser", "credential", kari)
	note(b)
	b.submit("sendVerificationCodeEvent")
	secrets["code"] = s.code(kari)
	b.submit("verificationEvent", "code", wrong(secrets["code"]))
	b.submit("verificationEvent", "code", secrets["code"])
	note(b)
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	note(b)
	answer := tokens(t, b)
	for _, name := range []string{"access_token", "refresh_token", "code"} {
		secrets[name], _ = answer[name].(string)
	}
	refreshed := tokenCall(t, kit, url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {secrets["refresh_token"]}})
	secrets["second access_token"], _ = refreshed["access_token"].(string)
	secrets["second refresh_token"], _ = refreshed["refresh_token"].(string)
	r := httptest.NewRequest(http.MethodGet, host+"/capi/v1/customer/profile", nil)
	r.Header.Set("Authorization", "Bearer "+secrets["second access_token"])
	w := httptest.NewRecorder()
	kit.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), kari) {
		t.Errorf("profile: %d %s", w.Code, w.Body)
	}
	b.open("account").submit("removeCredentialEvent A:" + kari).wantState("removeCredentialState")
	note(b)
	b.submit("navigateAwayEvent").submit("exportEvent").submit("downloadEvent")
	b.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari+"x").wantState("deleteAccountState")
	secrets["owner"] = b.form().fields.Get("owner")
	b.open("logout")
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", "another-secret-9").wantState("startLoginState")
	b.submit("navigateAwayEvent")
	b.open("login", "returnUrl", "https://evil.example/?token="+secrets["code"]).wantStatus(400)
	b.get(loginURL + "/login?run=" + secrets["access_token"]).wantStatus(400)

	if log.b.Len() == 0 {
		t.Fatal("nothing was logged")
	}
	for name, secret := range secrets {
		if secret == "" {
			t.Errorf("%s: there was none", name)
		} else if strings.Contains(log.b.String(), secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	for _, e := range []flows.Event{
		flows.StartApplication, flows.SendVerificationCode, flows.NewUser, flows.SetPassword, flows.NavigateAway, flows.Continue,
		flows.RemoveCredential, flows.Export, flows.Download, flows.DeleteAccount, flows.Confirmed,
	} {
		if !slices.Contains(events, e) {
			t.Errorf("%s was not observed", e)
		}
	}
}

// The documented events fire where the table of the documents says.
func TestEventsOfAWalk(t *testing.T) {
	var got []string
	s := newSite(t, func(c *connectid.Config) {
		c.OnEvent = func(_ context.Context, h flows.Happening) {
			got = append(got, h.State+" "+string(h.Event)+" "+h.Next)
			if h.ClientID != clientID {
				t.Errorf("%+v names no client", h)
			}
		}
	})
	s.user(kari, password)
	for _, tt := range []struct {
		name string
		walk func(b *browser)
		want []string
	}{
		{"password", func(b *browser) {
			b.open("login")
			got = nil
			b.submit("verifyCredentialsEvent", "credential", kari, "password", password)
		}, []string{
			" startApplicationEvent checkSessionState", "checkSessionState continueEvent firstQuestionState",
			"firstQuestionState continueEvent startLoginState", "startLoginState verifyCredentialsEvent startSessionState",
			"startSessionState continueEvent returnState",
		}},
		{"registration link", func(b *browser) {
			b.open("login")
			got = nil
			b.submit("startRegistrationEvent")
		}, []string{
			" startApplicationEvent checkSessionState", "checkSessionState continueEvent firstQuestionState",
			"firstQuestionState continueEvent startLoginState", "startLoginState startRegistrationEvent startCodeState",
		}},
		{"code", func(b *browser) {
			b.open("login").submit("sendVerificationCodeEvent", "credential", kari)
			got = nil
			b.submit("verificationEvent", "code", s.code(kari))
		}, []string{"verificationState verificationEvent startSessionState", "startSessionState continueEvent returnState"}},
		{"already logged in", func(b *browser) {
			b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password)
			got = nil
			b.open("createUser")
		}, []string{" startApplicationEvent checkSessionState", "checkSessionState programmaticLoginEvent returnState"}},
	} {
		got = nil
		tt.walk(s.browser())
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}
