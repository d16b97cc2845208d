package browser_test

import (
	"strings"
	"testing"
)

// account opens My account from the newspaper's page about the reader.
func (d *demo) account(b *tab, paper string) {
	b.t.Helper()
	b.open(paper + "/me")
	b.click("#account")
	b.state("accountState")
}

// A reader sees where she is logged in, changes her name, ends another device,
// gets a copy of what is kept of her, and deletes the account.
func TestMyAccount(t *testing.T) {
	t.Parallel()
	b, phone := newBrowser(t), newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	d.login(phone, d.skargard(), kari.Credential, kari.Password)
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	d.account(b, d.fjord())
	for _, want := range []string{kari.Credential, kari.Name, "Fjordposten", "Skärgårdsnytt"} {
		if text := b.sees("main"); !strings.Contains(text, want) {
			t.Errorf("the page does not show %q:\n%s", want, text)
		}
	}

	b.press("editProfileEvent")
	b.state("profileState")
	b.fill("#firstName", "Kari Marie")
	b.press("saveProfileEvent")
	b.state("accountState")
	b.sees("[role=status]")
	if text := b.sees("main"); !strings.Contains(text, "Kari Marie Nordmann") {
		t.Errorf("the new name is not shown:\n%s", text)
	}

	b.press("endOthersEvent")
	b.until("!document.querySelector('#endOthersButton')")
	phone.forget("session") // the newspaper's own
	phone.open(d.skargard() + "/me")
	phone.state("startLoginState")

	// The file comes, the page stays, and goes on at once.
	b.press("exportEvent")
	b.state("exportState")
	b.press("downloadEvent")
	b.state("exportState")
	b.press("navigateAwayEvent")
	b.state("accountState")

	// The password, and back here.
	b.click("#passwordLink")
	b.state("newPasswordState")
	b.press("navigateAwayEvent")
	b.state("accountState")

	b.press("deleteAccountEvent")
	b.state("deleteAccountState")
	b.fill("#confirmation", "slett")
	b.press("accountDeletedEvent")
	b.sees("[role=alert]")
	b.fill("#confirmation", kari.Credential)
	b.press("accountDeletedEvent")
	b.state("accountDeletedState")
	b.press("navigateAwayEvent")
	b.state("startLoginState") // back at the newspaper's page about the reader, whose tokens have ended

	gone := newBrowser(t)
	gone.open(d.fjord() + "/")
	gone.click("#login")
	gone.signIn(kari.Credential, kari.Password)
	gone.sees("[role=alert]")
}

// A remembered reader proves that she is herself before anything is removed.
func TestMyAccountOfARememberedReader(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	b.forget("connectid-session")
	d.account(b, d.fjord())
	b.click(`button[value^="removeCredentialEvent B:"]`)
	b.state("confirmUserState")
	b.click("#chosen-1")
	b.press("sendVerificationCodeEvent")
	b.state("confirmCodeState")
	b.press("changeCredentialEvent")
	b.state("confirmUserState")
	b.fill("#j_password", kari.Password)
	b.press("verifyCredentialsEvent")
	b.state("removeCredentialState")
	b.press("credentialRemovedEvent")
	b.state("accountState")
	if text := b.sees("main"); strings.Contains(text, kari.Mobile) || b.has(`button[value^="removeCredentialEvent"]`) {
		t.Errorf("the number is still there, or the last credential can be removed:\n%s", text)
	}
}
