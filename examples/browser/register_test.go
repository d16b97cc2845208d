package browser_test

import (
	"strings"
	"testing"
)

// A reader finds her subscription by her address, and the newspaper shows it.
func TestRegisterByCredential(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	b.open(d.fjord() + "/me")
	b.click("#register")
	b.state("subscriberMatchState")
	if text := b.sees("main"); !strings.Contains(text, "204117") || !strings.Contains(text, "Nils Nordmann") {
		t.Errorf("the matches read %q", text)
	}
	b.click("#customerNumber-2")
	b.press("continueEvent")
	b.at(d.fjord() + "/me")
	if got := b.sees("#customer"); got != "204118" {
		t.Errorf("customer number %q", got)
	}
	if got := b.sees("#subscriptions"); got != "Helg" {
		t.Errorf("subscriptions %q", got)
	}
	if b.has("#register") {
		t.Error("who has found hers is asked again")
	}
}

// A story for subscribers opens for who is logged in only after she has found
// her subscription, from below the story.
func TestSubscribersStory(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	other := d.Users[2] // Kari's other account, which subscribes to nothing
	const story = "/article/orgelet"
	b.seesWall(d.fjord() + story)
	d.login(b, d.fjord(), other.Credential, other.Password)
	b.readsWhole(d.fjord() + cod)
	b.open(d.fjord() + story)
	b.sees("#subscribe")
	if b.has("#body") {
		b.fatalf("a login alone opens a story for subscribers")
	}
	b.click("#subscribe")
	b.state("searchSubscriberState")
	b.fill("#customerNumber", "198632")
	b.fill("#lastName", "Ødegård")
	b.press("searchForSubscriberEvent")
	b.at(d.fjord() + story)
	b.sees("#body")
	if b.has("#wall") {
		b.fatalf("who subscribes does not read")
	}
}

// A reader searches by number: wrong first, help opened by keyboard and without
// a script, then right. Then she takes somebody's number and asks for help.
func TestRegisterByNumber(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari, ola := d.Users[0], d.Users[1]
	d.login(b, d.skargard(), kari.Credential, kari.Password)
	b.open(d.skargard() + "/me")
	b.click("#register")
	b.state("subscriberMatchState")
	b.press("otherSubscriberEvent")
	b.state("searchSubscriberState")
	b.click(".customerNumberExplanationLabel")
	b.until("document.querySelector('.customerNumberExplanation').open")
	b.fill("#customerNumber", "301 509")
	b.fill("#lastName", "Hansen")
	b.press("searchForSubscriberEvent")
	b.sees("[role=alert]")
	b.fill("#lastName", "lindqvist")
	b.press("searchForSubscriberEvent")
	b.at(d.skargard() + "/me")
	if got := b.sees("#customer"); got != "301509" {
		t.Errorf("customer number %q", got)
	}

	b.click("#logout")
	b.at(d.skargard() + "/logged-out")
	b.open(d.skargard() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", ola.Credential)
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, ola.Credential, 1))
	b.press("verificationEvent")
	b.sees("#who")
	b.open(d.skargard() + "/me")
	b.click("#register")
	b.state("searchSubscriberState")
	b.fill("#customerNumber", "301509")
	b.fill("#postalCode", "114 52")
	b.press("searchForSubscriberEvent")
	b.state("subscriberTakenState")
	b.click("#sendEmailToCustomerServiceButton")
	b.state("customerServiceState")
	b.click("#leaveButton")
	b.at(d.skargard() + "/me")
	if got := b.sees("#customer"); strings.Contains(got, "301509") {
		t.Error("a number that is tied was taken over")
	}
}

// A newcomer orders a subscription on the way in.
func TestRegisterNewSubscription(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	ola := d.Users[1]
	b.open(d.LoginServer + "/register?clientId=" + d.Clients[0].ClientID + "&returnUrl=" + d.fjord() + "/me&errorUrl=" + d.fjord() + "/&credential=" + ola.Credential)
	b.state("startLoginState")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, ola.Credential, 1))
	b.press("verificationEvent")
	b.state("searchSubscriberState")
	b.press("prepareCreateSubscriberEvent")
	b.state("newSubscriberState")
	b.press("createSubscriberEvent")
	b.sees("[role=alert]")
	b.fill("#firstName", "Ola")
	b.fill("#lastName", "Svensson")
	b.click("#acceptTerms")
	b.press("createSubscriberEvent")
	b.at(d.fjord() + "/me")
	if got := b.sees("#subscriptions"); !strings.Contains(got, "Digital") {
		t.Errorf("subscriptions %q", got)
	}
}

func TestActivateMembership(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	d.login(b, d.fjord(), kari.Credential, kari.Password)
	b.open(d.fjord() + "/me")
	b.click("#membership")
	b.state("searchSubscriberState")
	b.fill("#customerNumber", "kl-17730")
	b.fill("#postalCode", "5005")
	b.press("searchForSubscriberEvent")
	b.at(d.fjord() + "/me")
	b.click("#membership") // nothing more to ask
	b.at(d.fjord() + "/me")
}
