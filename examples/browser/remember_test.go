package browser_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// What is remembered logs in again after the session has ended; what is not
// ticked does not.
func TestRememberMe(t *testing.T) {
	t.Parallel()
	for _, remember := range []bool{true, false} {
		b := newBrowser(t)
		d := startDemo(t)
		kari := d.Users[0]
		b.open(d.fjord() + "/")
		b.click("#login")
		b.state("startLoginState")
		if !b.has("#rememberMeCheckbox:checked") {
			t.Error("remember me is not ticked by default")
		}
		if !remember {
			b.click("#rememberMeCheckbox")
		}
		b.signIn(kari.Credential, kari.Password)
		b.sees("#who")

		b.forget("connectid-session")
		b.open(d.fjord() + "/")
		b.at(d.fjord())
		if got := b.has("#who"); got != remember {
			t.Errorf("remember %v: logged in again: %v", remember, got)
		}
		// It is one client's: the other newspaper asks, unless the session is back.
		if !remember {
			b.seesWall(d.skargard() + herring)
		}
	}
}

// The documents' story: remembered at A and B; log out at A; visit B: logged in
// again; visit A while that session lives: logged in; after it has ended: not.
func TestLogoutStory(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	// At B the session is there already, so B gets its own remember-me by a login
	// of its own: in a browser whose session has ended.
	b.forget("connectid-session")
	b.forget("fjordposten-session")
	d.login(b, d.skargard(), kari.Credential, kari.Password)

	b.open(d.fjord() + "/")
	b.sees("#who")
	b.click("#logout")
	b.at(d.fjord() + "/logged-out")

	b.open(d.skargard() + "/")
	b.at(d.skargard())
	b.sees("#who")

	b.open(d.fjord() + "/")
	b.at(d.fjord())
	b.sees("#who")

	b.forget("connectid-session") // as if 20 minutes had passed
	b.open(d.fjord() + "/")
	b.at(d.fjord())
	b.sees("#login")
	if b.has("#who") {
		t.Error("A still knows the reader after logging out there")
	}
}

// Forgotten password: proven by a code, set, and the new one works.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", kari.Credential)
	b.press("forgotPasswordEvent")
	b.until("['startCodeState', 'verificationState'].includes(document.documentElement.dataset.state)")
	if b.has("#j_username:not([hidden])") {
		b.press("sendVerificationCodeEvent")
	}
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, kari.Credential, 1))
	b.press("verificationEvent")
	b.state("newPasswordState")
	b.fill("[name=newPassword]", "password123")
	b.fill("[name=newPasswordAgain]", "password123")
	b.press("setPasswordEvent")
	b.sees("[role=alert]") // everybody's password
	b.fill("[name=newPassword]", "fjorden er blikk stille")
	b.fill("[name=newPasswordAgain]", "fjorden er blikk stille")
	b.press("setPasswordEvent")
	b.until("location.href.startsWith(" + quote(d.fjord()) + ") || document.documentElement.dataset.state")

	fresh := newBrowser(t)
	fresh.open(d.fjord() + "/")
	fresh.click("#login")
	fresh.signIn(kari.Credential, kari.Password)
	fresh.state("startLoginState")
	fresh.sees("[role=alert]")
	fresh.signIn(kari.Credential, "fjorden er blikk stille")
	fresh.sees("#who")
}

// Under https a script can ask, too: embedded loginCheck by fetch and by script.
func TestEmbeddedLoginCheck(t *testing.T) {
	t.Parallel()
	b := newProfileTab(t)
	d := startDemo(t, "-tls")
	if !strings.HasPrefix(d.LoginServer, "https://") {
		t.Fatalf("the login server is at %s", d.LoginServer)
	}
	kari := d.Users[0]
	answers := func() string { return b.sees("#ajax") + "/" + b.sees("#script") }
	settled := "!document.querySelector('#answers').innerText.includes('venter')"

	b.open(d.fjord() + "/embedded")
	b.until(settled)
	if got := answers(); got != "ikke innlogget/ikke innlogget" {
		t.Errorf("before the login: %s", got)
	}
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	b.open(d.fjord() + "/embedded")
	b.until(settled)
	if got := answers(); got != "innlogget/innlogget" {
		t.Errorf("logged in: %s", got)
	}
	b.click("#logout")
	b.at(d.fjord() + "/logged-out")
	b.open(d.fjord() + "/embedded") // embedded checks see the session only, never remember-me
	b.until(settled)
	if got := answers(); got != "ikke innlogget/ikke innlogget" {
		t.Errorf("logged out: %s", got)
	}
}
