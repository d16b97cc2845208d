package connectid_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackButton(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	synctest.Test(t, func(t *testing.T) {
		b := s.browser()
		b.open("login")
		first := b.form()
		b.submit("sendVerificationCodeEvent", "credential", "krai@example.com").wantState("verificationState")
		time.Sleep(20 * time.Second)
		// Back to the first page, and on with another address: taken up again.
		b.submitPage(first, "sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
		code := b.form()
		b.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
		// Back after the end: the same end again for a minute, then straight on.
		b.submitPage(code, "verificationEvent", "code", "123456").wantAt(returnURL)
		b.submitPage(first, "verifyCredentialsEvent", "credential", "x").wantAt(returnURL)
		time.Sleep(2 * time.Minute)
		b.submitPage(first, "verifyCredentialsEvent", "credential", "x").wantAt(returnURL)
	})
}

func TestReloadIsHarmless(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser").submit("sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
	at, n := b.url.String(), len(s.outbox.List())
	for range 3 {
		b.get(at).wantState("verificationState")
	}
	if len(s.outbox.List()) != n {
		t.Error("a reload sent another code")
	}
	b.submit("verificationEvent", "code", wrong(s.code(kari))).wantState("verificationState")
	if !strings.Contains(b.body, `role="alert"`) {
		t.Error("the fault is lost by the redirect after the post")
	}
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
}

// The second half of a double click is answered by what came of the first.
func TestDoubleClick(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login")
	p := b.form()
	n := len(s.outbox.List())
	b.submitPage(p, "sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
	b.submitPage(p, "sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
	if got := len(s.outbox.List()) - n; got != 1 {
		t.Errorf("a double click sent %d codes", got)
	}
}

// Many posts of one page at once: one does the work, all end where it ended.
func TestRacingPosts(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	for range 4 { // five codes an hour are the limit
		b := s.browser()
		b.open("login")
		p := b.form()
		n := len(s.outbox.List())
		var wg sync.WaitGroup
		for range 8 {
			tab := *b
			wg.Go(func() {
				tab.submitPage(p, "sendVerificationCodeEvent", "credential", kari)
				if tab.state() != "verificationState" {
					t.Errorf("a racing post ended at %q (%d)", tab.state(), tab.status)
				}
			})
		}
		wg.Wait()
		if got := len(s.outbox.List()) - n; got != 1 {
			t.Errorf("racing posts sent %d codes", got)
		}
		b.get(b.url.String()) // the jar has the browser's cookie: the run goes on
	}
}

func TestExpiredRun(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	synctest.Test(t, func(t *testing.T) {
		b := s.browser()
		b.open("login", "credential", kari)
		p := b.form()
		time.Sleep(30*time.Minute - time.Second)
		b.submitPage(p, "sendVerificationCodeEvent").wantState("verificationState")
		p = b.form()
		time.Sleep(2 * time.Second)
		b.submitPage(p, "verificationEvent", "code", s.code(kari)).wantState("expiredPage")
		// The way on leads to the same client and returnUrl.
		_, rest, ok := strings.Cut(b.body, "/user/login?")
		if !ok {
			t.Fatal("the page has no way to start again")
		}
		query, _, _ := strings.Cut(rest, `"`)
		b.get(loginURL + "/login?" + strings.ReplaceAll(query, "&amp;", "&")).wantState("startLoginState")
		b.submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	})
}

// The address of a run in another browser, or after cookies were lost, begins
// there anew, for the same client.
func TestRunInAnotherBrowser(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login", "credential", kari).submit("sendVerificationCodeEvent").wantState("verificationState")
	other := s.browser()
	other.get(b.url.String()).wantState("startLoginState")
	if got := other.form().fields.Get("credential"); got != kari {
		t.Errorf("the credential of the link is shown as %q", got)
	}
	other.submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)

	p := b.form()
	lost := s.browser()
	lost.submitPage(p, "verificationEvent", "code", s.code(kari))
	if lost.state() != "formExpiredPage" || lost.status != 400 || !strings.Contains(lost.body, "/user/login?") {
		t.Errorf("a form without its cookies is answered %d, %q", lost.status, lost.state())
	}
	if lost.loggedIn() {
		t.Error("a form without its cookies logged in")
	}
}

// Two tabs wake up when one of them has logged in.
func TestTwoTabs(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	tab1 := s.browser()
	tab1.open("login", "credential", kari)
	tab2 := *tab1
	tab2.open("login")
	second := tab2.form()
	tab1.submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	tab2.submitPage(second, "verifyCredentialsEvent", "credential", kari, "password", "whatever").wantAt(returnURL)
}

// Two tabs with two users: the one who finishes last is logged in.
func TestTwoTabsTwoUsers(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	b := s.login(kari, password, false)
	b.open("login", "credential", ola).wantState("startLoginState").submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	if !b.loggedIn("credential", ola) {
		t.Error("Ola is not logged in")
	}
	b.open("login", "credential", kari).wantState("startLoginState")
}

func TestForeignTickets(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("login")
	p := b.form()
	for name, ticket := range map[string]string{ // by what is wrong with it
		"none": "", "nonsense": "abc", "cut": p.fields.Get("ticket")[:40],
	} {
		t.Log(name)
		q := page{action: p.action, fields: url.Values{}}
		for k, v := range p.fields {
			q.fields[k] = v
		}
		q.fields.Set("ticket", ticket)
		b.submitPage(q, "verifyCredentialsEvent").wantStatus(400).wantState("formExpiredPage")
	}
	// A form of one page is none of another's.
	p.action, _ = url.Parse(loginURL + "/createUser")
	b.submitPage(p, "sendVerificationCodeEvent", "credential", kari).wantStatus(400).wantState("formExpiredPage")
	b.get(loginURL + "/login?run=abc").wantStatus(400)
	if len(s.outbox.List()) != 0 {
		t.Error("a foreign ticket sent a code")
	}
}

func TestUnknownEvent(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("login").submit("grantEverythingEvent").wantStatus(400).wantState("errorPage")
	b.open("login").submit("verificationEvent", "code", "123456").wantStatus(400)
}

// Skipping a page by naming its event, or its state, leads nowhere.
func TestStatesCanNotBeSkipped(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent").wantState("verificationState")
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantStatus(400)
	if b.loggedIn() {
		t.Error("logged in without a code")
	}
}

func TestLogoutEndsRepeatedEnds(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("login", "credential", kari)
	p := b.form()
	b.submitPage(p, "verifyCredentialsEvent", "password", password, "rememberMe", "").wantAt(returnURL)
	b.open("logout").wantAt(returnURL)
	b.submitPage(p, "verifyCredentialsEvent", "password", "whatever")
	if b.loggedIn() {
		t.Error("the next user of the computer went back and was logged in")
	}
}
