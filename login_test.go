package connectid_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/store"
)

const (
	kari     = "kari@example.com"
	ola      = "ola@example.com"
	password = "fjord-og-fjell-7"
)

func TestSignUpByCode(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser", "credential", " Kari@Example.com ").wantStatus(200).wantState("startCodeState")
	if got := b.form().fields.Get("credential"); got != "Kari@Example.com" {
		t.Errorf("the credential is shown as %q; want it as given, trimmed", got)
	}
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
	b.submit("verificationEvent", "code", s.code("Kari@example.com")).wantState("newUserState")
	if _, err := s.store.UserByCredential(t.Context(), store.Email, kari); err == nil {
		t.Error("the account exists before the user has accepted the terms")
	}
	if b.loggedIn() {
		t.Error("half-way is logged in")
	}
	b.submit("setPasswordEvent", "newPassword", password, "firstName", "Kari", "lastName", "Nordmann", "acceptTerms", "true").wantAt(returnURL)
	u, err := s.store.UserByCredential(t.Context(), store.Email, kari)
	if err != nil {
		t.Fatal(err)
	}
	if u.FirstName != "Kari" || u.LastName != "Nordmann" || u.TermsAt.IsZero() || u.Credentials[0].VerifiedAt.IsZero() || u.Credentials[0].Spelling != "Kari@Example.com" {
		t.Errorf("stored user %+v", u)
	}
	if !b.loggedIn() {
		t.Error("not logged in after signing up")
	}
	s.login(kari, password, false)
}

func TestSignUpFaultsLoseNothing(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
	for _, tt := range []struct {
		name   string
		fields []string
	}{
		{"no terms", []string{"newPassword", password}},
		{"no password", []string{"acceptTerms", "true"}},
		{"short password", []string{"newPassword", "1234567", "acceptTerms", "true"}},
		{"long password", []string{"newPassword", strings.Repeat("x", 257), "acceptTerms", "true"}},
		{"common password", []string{"newPassword", "Password1", "acceptTerms", "true"}},
		{"own address", []string{"newPassword", kari, "acceptTerms", "true"}},
	} {
		b.submit("setPasswordEvent", append(tt.fields, "firstName", "Kari <b>")...).wantState("newUserState")
		if !strings.Contains(b.body, `role="alert"`) {
			t.Errorf("%s: nothing is said", tt.name)
		}
		if got := b.form().fields.Get("firstName"); got != "Kari <b>" {
			t.Errorf("%s: the first name is shown as %q", tt.name, got)
		}
	}
	b.submit("continueEvent", "acceptTerms", "true").wantState("newUserState") // this client wants a password
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
}

func TestSignUpWithoutPassword(t *testing.T) {
	s := newSite(t)
	c := paper(clientID, "paper")
	c.PasswordOptional = true
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari))
	b.submit("continueEvent", "newPassword", "half typed", "acceptTerms", "true").wantAt(returnURL)
	u, err := s.store.UserByCredential(t.Context(), store.Email, kari)
	if err != nil || u.PasswordHash != "" {
		t.Errorf("user %+v, %v; want no password", u, err)
	}
	again := s.browser()
	again.open("login", "credential", kari).submit("verifyCredentialsEvent", "password", "half typed").wantState("startLoginState")
	again.submit("sendVerificationCodeEvent").wantState("verificationState")
	again.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
}

func TestLoginByPassword(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login").wantState("startLoginState")
	if b.form().fields.Get("rememberMe") == "" {
		t.Error("rememberMeCheckbox is not ticked by default")
	}
	b.submit("verifyCredentialsEvent", "credential", kari, "password", "wrong").wantState("startLoginState")
	if b.loggedIn() || b.form().fields.Get("credential") != kari || b.form().fields.Get("password") != "" {
		t.Error("after a wrong password the page has to show the credential, and no password")
	}
	b.submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	b.open("login").wantAt(returnURL)                     // no page: nobody in particular is asked for
	b.open("login", "credential", kari).wantAt(returnURL) // nor for oneself
	b.open("createUser", "credential", kari).wantAt(returnURL)
	b.open("login", "clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/").wantAt("https://other.example/")
}

func TestAssumeNewUserChoosesTheFirstQuestion(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct{ page, assume, want string }{
		{"login", "", "startLoginState"}, {"login", "false", "startLoginState"}, {"login", "true", "startCodeState"},
		{"createUser", "", "startCodeState"}, {"createUser", "true", "startCodeState"}, {"createUser", "false", "startLoginState"},
	} {
		s.browser().open(tt.page, "assumeNewUser", tt.assume).wantState(tt.want)
	}
	s.browser().open("login", "assumeNewUser", "perhaps").wantStatus(400)
}

// Either way both kinds of user get through.
func TestEveryWayLeadsIn(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	for _, tt := range []struct {
		name string
		walk func(b *browser)
	}{
		{"code instead of password", func(b *browser) {
			b.open("login").submit("sendVerificationCodeEvent", "credential", kari)
			b.submit("verificationEvent", "code", s.code(kari))
		}},
		{"password instead of code", func(b *browser) {
			b.open("createUser").submit("startLoginEvent", "credential", kari).wantState("startLoginState")
			b.submit("verifyCredentialsEvent", "password", password)
		}},
		{"registration by someone known", func(b *browser) {
			b.open("login").submit("startRegistrationEvent", "credential", kari).wantState("startCodeState")
			b.submit("sendVerificationCodeEvent")
			b.submit("verificationEvent", "code", s.code(kari))
		}},
		{"another address after all", func(b *browser) {
			b.open("createUser", "credential", "krai@example.com").submit("sendVerificationCodeEvent")
			b.submit("changeCredentialEvent").wantState("startCodeState")
			b.submit("sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
			b.submit("verificationEvent", "code", s.code(kari))
		}},
		{"a code with spaces", func(b *browser) {
			b.open("login").submit("sendVerificationCodeEvent", "credential", kari)
			c := s.code(kari)
			b.submit("verificationEvent", "code", " "+c[:3]+" "+c[3:]+" ")
		}},
		{"a button that the browser did not name", func(b *browser) {
			b.open("login").submit("", "credential", kari, "password", password)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := s.browser()
			tt.walk(b)
			b.wantAt(returnURL)
		})
	}
}

func TestForgottenPassword(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	elsewhere := s.login(kari, password, true)
	b := s.browser()
	b.open("login").submit("forgotPasswordEvent", "credential", kari).wantState("startCodeState")
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	if b.loggedIn() {
		t.Error("logged in before the new password is chosen")
	}
	b.submit("setPasswordEvent", "newPassword", "a new one, longer", "newPasswordAgain", "a new one, lunger").wantState("newPasswordState")
	b.submit("setPasswordEvent", "newPassword", "a new one, longer", "newPasswordAgain", "a new one, longer").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in with the new password")
	}
	if elsewhere.loggedIn() {
		t.Error("another session, or its remember-me, goes on after the password has changed")
	}
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
	s.login(kari, "a new one, longer", false)
}

func TestSwitchOfUser(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	b := s.login(kari, password, false)
	before := b.cookie("-session")
	b.open("login", "credential", ola).wantState("startLoginState")
	if !b.loggedIn("credential", kari) {
		t.Error("opening the link logged Kari out; only a complete login may")
	}
	b.submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	if !b.loggedIn("credential", ola) || b.loggedIn("credential", kari) {
		t.Error("the session is not Ola's alone")
	}
	if b.cookie("-session") == before {
		t.Error("the session's value did not change with its user")
	}
}

func TestNavigateAway(t *testing.T) {
	s := newSite(t)
	walk := map[string]func(b *browser){
		"startLoginState": func(b *browser) { b.open("login") },
		"startCodeState":  func(b *browser) { b.open("createUser") },
		"autoSubmitState": func(b *browser) { b.open("createUser", "credential", ola, "credentialSubmit", "true") },
		"verificationState": func(b *browser) {
			b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
		},
		"newUserState": func(b *browser) {
			b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
			b.submit("verificationEvent", "code", s.code(kari))
		},
	}
	for state, to := range walk {
		b := s.browser()
		to(b)
		b.wantState(state).submit("navigateAwayEvent")
		if q := b.url.Query(); b.url.Path != "/sorry" || q.Get("error") != "access_denied" || q.Get("error_description") == "" {
			t.Errorf("leaving %s led to %s", state, b.url)
		}
		if b.loggedIn() {
			t.Errorf("leaving %s logged in", state)
		}
	}
}

func TestCredentialSubmit(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser", "credential", kari, "credentialSubmit", "true").wantState("autoSubmitState")
	if len(s.outbox.List()) != 0 {
		t.Fatal("a GET has sent a code")
	}
	b.submit("continueEvent").wantState("verificationState")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
	// A value that is no credential is shown back for correction.
	b = s.browser()
	b.open("createUser", "credential", "kari@", "credentialSubmit", "true").wantState("startCodeState")
	if b.form().fields.Get("credential") != "kari@" || !strings.Contains(b.body, `role="alert"`) {
		t.Error("a damaged credential is not shown back with a word about it")
	}
	s.browser().open("createUser", "credentialSubmit", "true").wantState("startCodeState")
}

func TestMobileNumber(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser", "credential", "412 34 567").submit("sendVerificationCodeEvent").wantState("verificationState")
	b.submit("verificationEvent", "code", s.code("+4741234567"))
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	for _, spelling := range []string{"+47 41 23 45 67", "0047 412 34 567", "41234567"} {
		s.browser().open("login").submit("verifyCredentialsEvent", "credential", spelling, "password", password).wantAt(returnURL)
	}
	for _, refused := range []string{"829 12 345", "22 22 22 22"} { // premium rate, fixed line
		s.browser().open("createUser").submit("sendVerificationCodeEvent", "credential", refused).wantState("startCodeState")
	}
}

func TestLanguages(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct{ lang, locales, accept, want string }{
		{"", "", "", "en"}, // the client's
		{"", "", "fi, en;q=0.5", "fi"},
		{"sv", "", "fi", "sv"},
		{"", "da nb", "fi", "da"},
		{"", "xx", "no", "nb"},
		{"", "", "nn-NO", "nn"},
	} {
		b := s.browser()
		b.header.Set("Accept-Language", tt.accept)
		b.open("login", "lang", tt.lang, "ui_locales", tt.locales)
		if !strings.Contains(b.body, `lang="`+tt.want+`"`) || b.headers.Get("Content-Language") != tt.want {
			t.Errorf("%+v: got %s", tt, b.headers.Get("Content-Language"))
		}
		b.submit("verifyCredentialsEvent", "credential", "x")
		if b.headers.Get("Content-Language") != tt.want {
			t.Errorf("%+v: the page after a post is in %s", tt, b.headers.Get("Content-Language"))
		}
	}
}

func TestResetPassword(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	next := "a new one, longer"
	t.Run("fresh login goes straight to the new password", func(t *testing.T) {
		b := s.login(kari, password, false)
		b.open("resetPassword").wantState("newPasswordState")
		b.submit("setPasswordEvent", "newPassword", next, "newPasswordAgain", next).wantAt(returnURL)
		if !b.loggedIn() {
			t.Error("the user's own session ended")
		}
	})
	t.Run("as someone else: code first", func(t *testing.T) {
		s.user(ola, password)
		b := s.login(ola, password, false)
		b.open("resetPassword", "credential", kari).wantState("startCodeState")
		b.submit("sendVerificationCodeEvent").submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
		if !b.loggedIn("credential", ola) {
			t.Error("Ola's session ended before Kari's began")
		}
		b.submit("setPasswordEvent", "newPassword", password, "newPasswordAgain", password).wantAt(returnURL)
		if !b.loggedIn("credential", kari) || b.loggedIn("credential", ola) {
			t.Error("the session is not Kari's alone")
		}
	})
	t.Run("by password", func(t *testing.T) {
		b := s.browser()
		b.open("resetPassword", "credential", kari).submit("startLoginEvent").submit("verifyCredentialsEvent", "password", password).wantState("newPasswordState")
	})
	t.Run("keep other sessions", func(t *testing.T) {
		other := s.login(kari, password, false)
		b := s.login(kari, password, false)
		b.open("resetPassword").submit("setPasswordEvent", "newPassword", next, "newPasswordAgain", next, "keepSessions", "true").wantAt(returnURL)
		if !other.loggedIn() {
			t.Error("the other session ended although the user wanted to keep it")
		}
	})
	t.Run("unknown address gets an account", func(t *testing.T) {
		b := s.browser()
		b.open("resetPassword", "credential", "new@example.com").submit("sendVerificationCodeEvent")
		b.submit("verificationEvent", "code", s.code("new@example.com")).wantState("newUserState")
		b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	})
}

// A code for logging in does not open the way to a new password, nor the other
// way round.
func TestCodePurposesAreApart(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login").submit("sendVerificationCodeEvent", "credential", kari)
	forLogin := s.code(kari)
	b.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
	if s.code(kari) == forLogin {
		t.Skip("one in a million: both codes are the same")
	}
	b.submit("verificationEvent", "code", forLogin).wantState("verificationState")
}

func TestLockedCredential(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, true)
	// A session made from remember-me is not fresh, so a code is asked for.
	b.jar.SetCookies(b.url, nil)
	b = s.forgetSession(b)
	b.open("login").wantAt(returnURL)
	b.open("resetPassword").wantState("startCodeState")
	b.submit("sendVerificationCodeEvent", "credential", ola).wantState("verificationState")
	for _, m := range s.outbox.List() {
		if m.To == ola {
			t.Error("a locked credential was changed by the form")
		}
	}
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
}

// forgetSession returns a browser with the same cookies but the session's, as
// after 20 minutes.
func (s *site) forgetSession(b *browser) *browser {
	s.t.Helper()
	again := s.browser()
	u := &url.URL{Scheme: "https", Host: "id.example", Path: "/"}
	for _, c := range b.jar.Cookies(u) {
		if !strings.HasSuffix(c.Name, "-session") {
			c.Path, c.Secure = "/", true
			again.jar.SetCookies(u, append(again.jar.Cookies(u)[:0:0], c))
		}
	}
	return again
}

func TestBlockedUser(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	u.Blocked = true
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
	for _, m := range s.outbox.List()[1:] {
		if m.Code != "" {
			t.Error("a blocked user got a code")
		}
	}
}

func TestExtraClient(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) { c.Name = "paper-kit" })
	b := s.browser()
	b.open("login")
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"}) {
		if !strings.HasPrefix(c.Name, "__Host-paper-kit-") {
			t.Errorf("cookie %s does not carry the kit's name", c.Name)
		}
	}
}
