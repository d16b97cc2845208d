package browser_test

import (
	"net/url"
	"strings"
	"testing"
)

// signIn fills in the login page with a password.
func (b *tab) signIn(credential, password string) {
	b.t.Helper()
	b.state("startLoginState")
	b.fill("#j_username", credential)
	b.fill("#j_password", password)
	b.click("#loginButton")
}

// login signs in at a newspaper, by way of its own button.
func (d *demo) login(b *tab, paper, credential, password string) {
	b.t.Helper()
	b.open(paper + "/")
	b.click("#login")
	b.signIn(credential, password)
	b.sees("#who")
}

// wholeArticles are the last words of locked articles that only readers see.
const (
	cod     = "/article/torskekvoten"
	herring = "/article/sillen"
)

func (b *tab) readsWhole(article string) {
	b.t.Helper()
	b.open(article)
	b.sees("#body")
	if b.has("#wall") {
		b.fatalf("the article is behind the wall")
	}
}

func (b *tab) seesWall(article string) {
	b.t.Helper()
	b.open(article)
	b.sees("#wall")
	if b.has("#body") {
		b.fatalf("a reader who is not logged in sees the whole article")
	}
}

// A newcomer reads a locked article: account, code from the outbox, one login
// for both newspapers, logout.
func TestSignUpAndSingleSignOn(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.seesWall(d.fjord() + cod)
	b.click("#join")
	b.state("startCodeState")
	b.fill("#j_username", "Ny.Leser@example.com")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	if text := b.sees("main"); strings.Contains(strings.ToLower(text), "ny.leser@example.com") {
		t.Errorf("the page shows the whole address: %s", text)
	}

	code := d.code(t, "Ny.Leser@example.com", 1)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	b.fill("[name=code]", wrong)
	b.press("verificationEvent")
	b.sees("[role=alert]")
	b.fill("[name=code]", code)
	b.press("verificationEvent")

	b.state("newUserState")
	b.fill("[name=firstName]", "Ny")
	b.fill("[name=lastName]", "Leser")
	b.fill("[name=newPassword]", "kort")
	b.press("setPasswordEvent")
	b.sees("[role=alert]")
	b.fill("[name=newPassword]", "en lang og god setning")
	if b.has("[name=acceptTerms]:not(:checked)") {
		b.click("[name=acceptTerms]")
	}
	b.press("setPasswordEvent")

	b.at(d.fjord() + cod)
	b.sees("#body")
	if who := b.sees("#who"); !strings.Contains(who, "Ny Leser") {
		t.Errorf("the newspaper greets %q", who)
	}

	b.open(d.skargard() + herring)
	b.at(d.skargard() + herring)
	b.sees("#body")

	b.click("#logout")
	b.at(d.skargard() + "/logged-out")
	b.forget("-rm-") // neither newspaper is to remember
	b.seesWall(d.fjord() + cod)
	b.seesWall(d.skargard() + herring)

	// The account is there: the password that was chosen logs in.
	d.login(b, d.skargard(), "ny.leser@example.com", "en lang og god setning")
	b.readsWhole(d.skargard() + herring)
}

// Log in by password, wrong first; then back and reload lead nowhere bad.
func TestPasswordBackAndReload(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	b.open(d.fjord() + "/")
	b.click("#login")
	b.signIn(kari.Credential, "not the password")
	b.state("startLoginState")
	wrong := b.sees("[role=alert]")
	b.signIn("nobody@example.com", "not the password")
	b.until("document.querySelector('#j_username').value === 'nobody@example.com'")
	if unknown := b.sees("[role=alert]"); unknown != wrong {
		t.Errorf("an unknown name reads %q, a wrong password %q", unknown, wrong)
	}

	// Back to the page before, and in from there.
	here := b.url()
	b.back()
	b.until("location.href !== " + quote(here))
	b.signIn(kari.Credential, kari.Password)
	b.sees("#who")

	// Back from the newspaper into the finished login leads to the newspaper.
	b.back()
	b.at(d.fjord() + "/")
	b.sees("#who")
	b.open(d.fjord() + "/me")
	if got := b.sees("#credential"); got != kari.Credential {
		t.Errorf("logged in with %q, want %q", got, kari.Credential)
	}

	// The mobile number is the same account.
	b.click("#logout")
	b.at(d.fjord() + "/logged-out")
	d.login(b, d.fjord(), "400 00 001", kari.Password)
	b.open(d.fjord() + "/me")
	if got := b.sees("#name"); got != kari.Name {
		t.Errorf("logged in as %q, want %q", got, kari.Name)
	}
}

// An account without a password logs in by code, and going back to another
// credential on the way is possible.
func TestCodeAndChangeOfMind(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	ola := d.Users[1]
	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", "ola.svenson@example.com") // misspelt
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.press("changeCredentialEvent")
	b.until("document.querySelector('#j_username')")
	b.fill("#j_username", ola.Credential)
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.press("sendVerificationCodeEvent") // once more: the newest counts
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, ola.Credential, 2))
	b.press("verificationEvent")
	b.sees("#who")
	b.open(d.fjord() + "/me")
	if got := b.sees("#name"); got != ola.Name {
		t.Errorf("logged in as %q, want %q", got, ola.Name)
	}
}

// A code by SMS.
func TestCodeBySMS(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", "40 00 00 01")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, d.Users[0].Mobile, 1))
	b.press("verificationEvent")
	b.sees("#who")
}

// Two tabs at the login page; the second one comes late and is let through.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	first := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	first.open(d.fjord() + "/")
	first.click("#login")
	first.state("startLoginState")
	second := first.another()
	second.open(d.skargard() + "/")
	second.click("#login")
	second.state("startLoginState")

	first.signIn(kari.Credential, kari.Password)
	first.sees("#who")
	second.signIn(kari.Credential, kari.Password)
	second.sees("#who")
	second.readsWhole(d.skargard() + herring)
	first.readsWhole(d.fjord() + cod)
}

// A link that asks for somebody else's login switches users when that login is
// complete, not before.
func TestSwitchOfUser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari, ola := d.Users[0], d.Users[1]
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	link := d.LoginServer + "/login?" + url.Values{
		"clientId": {d.Clients[0].ClientID}, "returnUrl": {d.fjord() + "/me"}, "errorUrl": {d.fjord() + "/"}, "credential": {ola.Credential},
	}.Encode()
	b.open(link)
	b.state("startLoginState")
	b.until("document.querySelector('#j_username').value === " + quote(ola.Credential))

	b.open(d.fjord() + "/me") // opening the link has changed nothing
	if got := b.sees("#name"); got != kari.Name {
		t.Errorf("logged in as %q, want %q still", got, kari.Name)
	}

	b.open(link)
	b.state("startLoginState")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, ola.Credential, 1))
	b.press("verificationEvent")
	b.at(d.fjord() + "/me")
	if got := b.sees("#name"); got != ola.Name {
		t.Errorf("logged in as %q, want %q", got, ola.Name)
	}
	b.open(d.skargard() + "/me")
	if got := b.sees("#name"); got != ola.Name {
		t.Errorf("logged in at the other newspaper as %q, want %q", got, ola.Name)
	}
}

// A reader who gives up comes back to the newspaper, and is not logged in.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.seesWall(d.fjord() + cod)
	b.click("#read")
	b.state("startLoginState")
	b.press("navigateAwayEvent")
	b.at(d.fjord())
	if b.has("#who") {
		t.Error("logged in")
	}
	b.seesWall(d.fjord() + cod)
}
