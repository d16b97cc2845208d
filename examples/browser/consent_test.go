package browser_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// A reader is asked once what somebody else's app may have, is asked again for more,
// says no, and takes it back in My account.
func TestConsent(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	app := d.base + "/demo/reading"
	b.open(app)
	b.click("#connect")
	b.signIn(kari.Credential, kari.Password)
	b.state("consentState")
	if text := b.sees("main"); !strings.Contains(text, "Lesesirkelen") || !strings.Contains(text, "•••@") || strings.Contains(text, kari.Credential) {
		t.Errorf("the page says:\n%s", text)
	}
	b.press("navigateAwayEvent")
	if text := b.sees("#refused"); !strings.Contains(text, "access_denied") {
		t.Errorf("after a no: %q", text)
	}

	b.click("#connect")
	b.state("consentState")
	b.press("consentEvent")
	if text := b.sees("#allowed"); !strings.Contains(text, "openid, profile") {
		t.Errorf("after a yes: %q", text)
	}
	b.open(app)
	b.click("#connect") // at once
	b.sees("#allowed")
	b.click("#more")
	b.state("consentState")
	if text := b.sees("main ul.lines"); !strings.Contains(text, "e-postadressen") || strings.Contains(text, "navnet") {
		t.Errorf("asked for:\n%s", text)
	}
	b.press("consentEvent")
	if text := b.sees("#allowed"); !strings.Contains(text, "email") {
		t.Errorf("after a second yes: %q", text)
	}
	b.click("#ask")
	b.state("consentState")
	b.press("otherUserEvent")
	b.state("startLoginState")

	b.open(app)
	b.click("#login")
	b.state("confirmUserState")
	b.fill("#j_password", kari.Password)
	b.press("verifyCredentialsEvent")
	b.sees("#allowed")
	b.click("#select")
	b.state("selectAccountState")
	b.press("keepUserEvent")
	b.sees("#allowed")

	d.account(b, d.fjord())
	if text := b.sees("main"); !strings.Contains(text, "Lesesirkelen") || !strings.Contains(text, "Se e-postadressen din") {
		t.Errorf("My account does not say what she agreed to:\n%s", text)
	}
	b.click("button[value='disconnectEvent no.mediaconnect.reading']")
	b.until(`!document.querySelector("button[value='disconnectEvent no.mediaconnect.reading']")`)
	b.open(app)
	b.click("#connect")
	b.state("consentState")
}

// The reading circle is a site by a stock OpenID Connect library: it learns her name,
// logs her out everywhere, and is told when she logs out elsewhere.
func TestStockLibrary(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t, "-tls") // so that the back channel has to trust the demo's certificate
	kari := d.Users[0]
	app := d.base + "/demo/reading"
	connect := func() {
		t.Helper()
		b.open(app)
		b.click("#connect")
	}
	connect()
	b.signIn(kari.Credential, kari.Password)
	b.state("consentState")
	b.press("consentEvent")
	b.sees("#allowed")
	b.open(app)
	if text := b.sees("#who"); !strings.Contains(text, kari.Name) || strings.Contains(text, kari.Credential) {
		t.Errorf("the site says %q", text)
	}
	b.click("#logout")
	b.until(`location.pathname == "/demo/reading" && !document.querySelector("#who")`)
	connect() // logged out at the login server, too
	b.state("startLoginState")
	b.signIn(kari.Credential, kari.Password)
	b.sees("#allowed")

	home := d.Clients[0].Homepage
	b.open(d.LoginServer + "/logout?" + url.Values{"clientId": {d.Clients[0].ClientID}, "returnUrl": {home}, "errorUrl": {home}}.Encode())
	b.at(home)
	for range 50 { // the back channel takes its time
		if b.open(app); b.has("h1") && !b.has("#who") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the site was not told of the logout")
}
