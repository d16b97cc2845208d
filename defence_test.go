package connectid_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
)

// A password that the breached-password hook knows is refused on the page where
// it was chosen, and another is accepted there.
func TestBreachedPasswordIsRefused(t *testing.T) {
	const breached = "correct horse battery"
	s := newSite(t, func(c *connectid.Config) {
		c.Passwords.Breached = func(_ context.Context, password string) (bool, error) { return password == breached, nil }
	})
	b := s.browser()
	b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
	b.submit("setPasswordEvent", "newPassword", breached, "acceptTerms", "true").wantState("newUserState")
	if !strings.Contains(b.body, "on lists from break-ins") {
		t.Errorf("the page does not say why: %s", alerts(b.body))
	}
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)

	b = s.browser()
	b.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	b.submit("setPasswordEvent", "newPassword", breached, "newPasswordAgain", breached).wantState("newPasswordState")
	if !strings.Contains(b.body, "on lists from break-ins") {
		t.Errorf("the page does not say why: %s", alerts(b.body))
	}
	// What only the account knows: the client's name is no password either.
	b.submit("setPasswordEvent", "newPassword", clientID, "newPasswordAgain", clientID).wantState("newPasswordState")
	if !strings.Contains(b.body, "too easy to guess") {
		t.Errorf("the page does not say why: %s", alerts(b.body))
	}
	b.submit("setPasswordEvent", "newPassword", password+"2", "newPasswordAgain", password+"2").wantAt(returnURL)
}

// question asks for the number in its question.
type question struct{ down bool }

func (q *question) Ask(_ context.Context, a account.Asker) (account.Challenge, error) {
	if q.down {
		return account.Challenge{}, errors.New("no route")
	}
	return account.Challenge{State: "4711", Question: "Which number is <4711> in " + a.Lang + "?"}, nil
}

func (q *question) Solved(_ context.Context, _ account.Asker, c account.Challenge, answer string) (bool, error) {
	return answer == c.State, nil
}

// After half of a budget the page asks, on every page that an attempt is made
// from; the answer opens the way once, and a hook that is down lets nobody in.
func TestChallenge(t *testing.T) {
	hook := &question{}
	s := newSite(t, func(c *connectid.Config) { c.Captcha = hook })
	s.user(kari, password)
	b := s.browser()
	b.open("login", "credential", kari)
	const asks = "Which number is &lt;4711&gt; in en?"
	for i := range 5 {
		b.submit("verifyCredentialsEvent", "password", "not her password").wantState("startLoginState")
		if got := strings.Contains(b.body, asks); got != (i == 4) {
			t.Errorf("wrong password %d: asked %v", i+1, got)
		}
	}
	b.submit("verifyCredentialsEvent", "password", password).wantState("startLoginState")
	if !strings.Contains(b.body, asks) || !strings.Contains(alerts(b.body), "could not confirm") {
		t.Errorf("the right password without an answer: %s", alerts(b.body))
	}
	asked := b.form()
	b.submit("verifyCredentialsEvent", "password", "not her password", "captcha", "4711").wantState("startLoginState")
	if !strings.Contains(alerts(b.body), "password") {
		t.Errorf("an answer with a wrong password: %s", alerts(b.body))
	}
	b.submitPage(asked, "verifyCredentialsEvent", "password", password, "captcha", "")
	if b.loggedIn() {
		t.Error("an answer was used twice")
	}
	stranger := s.browser().open("login")
	stranger.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
	if !strings.Contains(stranger.body, asks) || !strings.Contains(alerts(stranger.body), "many attempts") {
		t.Errorf("another browser: %s", alerts(stranger.body))
	}
	hook.down = true
	stranger.submit("verifyCredentialsEvent", "password", password).wantStatus(http.StatusServiceUnavailable)
	hook.down = false
	b = s.browser().open("login")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "password", password, "captcha", "4711").wantAt(returnURL)

	// Sending: two in an hour are free.
	b = s.browser().open("createUser", "credential", "new@example.com", "credentialSubmit", "true")
	b.submit("continueEvent").wantState("verificationState")
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
	before := len(s.outbox.List())
	b.submit("sendVerificationCodeEvent").wantState("verificationState")
	if !strings.Contains(b.body, asks) || len(s.outbox.List()) != before {
		t.Errorf("a third code: %d messages, %s", len(s.outbox.List())-before, alerts(b.body))
	}
	b.submit("sendVerificationCodeEvent", "captcha", "4711").wantState("verificationState")
	if len(s.outbox.List()) != before+1 {
		t.Error("an answer did not send the code")
	}
}

// A widget's page may load what the widget needs, and no other page may.
func TestChallengeWidget(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		c.Captcha = widget{}
		c.CaptchaWhen = func(account.CaptchaCase) bool { return true }
	})
	b := s.browser().open("login", "credential", kari)
	if csp := b.headers.Get("Content-Security-Policy"); strings.Contains(csp, "captcha.example") {
		t.Errorf("before: %s", csp)
	}
	b.submit("verifyCredentialsEvent", "password", password).wantState("startLoginState")
	csp := b.headers.Get("Content-Security-Policy")
	for _, want := range []string{
		"script-src 'self' https://captcha.example https://frames.example;", "frame-src https://captcha.example https://frames.example;",
		"default-src 'none';", "base-uri 'none'", "object-src 'none'",
	} {
		if !strings.Contains(csp, want) {
			t.Errorf("%q is not in %s", want, csp)
		}
	}
	if strings.Contains(csp, "evil") {
		t.Errorf("a source that is none: %s", csp)
	}
	for _, want := range []string{`<div class="widget" data-sitekey="&#34;&gt;key"></div>`, `<script src="https://captcha.example/api.js" async defer></script>`} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	b.submit("verifyCredentialsEvent", "password", password, "widget-response", "solved").wantState("startLoginState")
	if !strings.Contains(alerts(b.body), "password") {
		t.Errorf("with the widget's answer: %s", alerts(b.body))
	}
}

type widget struct{}

func (widget) Ask(context.Context, account.Asker) (account.Challenge, error) {
	return account.Challenge{Widget: &account.Widget{
		Script: "https://captcha.example/api.js", Class: "widget", SiteKey: `">key`, Field: "widget-response",
		Sources: []string{"https://frames.example", "https://evil.example; script-src *", "http://evil.example", "*"},
	}}, nil
}

func (widget) Solved(_ context.Context, _ account.Asker, _ account.Challenge, answer string) (bool, error) {
	return answer == "solved", nil
}

// The puzzle's page holds a task for its script, and says how long to wait
// without one.
func TestChallengePuzzle(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		var err error
		if c.Captcha, err = account.NewPuzzle(account.PuzzleConfig{Counters: c.Store}); err != nil {
			t.Fatal(err)
		}
		c.CaptchaWhen = func(account.CaptchaCase) bool { return true }
	})
	b := s.browser().open("login", "credential", kari)
	b.submit("verifyCredentialsEvent", "password", password).wantState("startLoginState")
	for _, want := range []string{`data-task="14:8:`, "wait 15 seconds", `data-working="Your browser`} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if csp := b.headers.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
		t.Errorf("the policy is wider than it has to be: %s", csp)
	}
}
