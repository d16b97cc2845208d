package browser_test

import (
	"strings"
	"testing"
	"time"
)

// link returns the newest link in a message to the address.
func (d *demo) link(t testing.TB, to string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var messages []struct{ To, Link string }
		d.get(t, "/demo/outbox.json", &messages)
		found := ""
		for _, m := range messages {
			if m.To == to && m.Link != "" {
				found = m.Link
			}
		}
		if found != "" {
			return found
		}
	}
	t.Fatalf("no link was sent to %s", to)
	return ""
}

// A reader adds a mobile number, thinks better of another one, brings in her
// other account, and undoes that by the link in the notice.
func TestMerge(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	ola, other := d.Users[1], d.Users[2]

	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", ola.Credential)
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, ola.Credential, 1))
	b.press("verificationEvent")
	b.sees("#who")

	b.open(d.fjord() + "/me")
	b.click("#merge")
	b.state("startMergeState")
	b.fill("#j_username", "400 00 002")
	b.press("sendVerificationCodeEvent")
	b.state("mergeVerificationState")
	b.fill("[name=code]", d.code(t, "+4740000002", 1))
	b.press("verificationEvent")
	b.at(d.fjord() + "/me")
	if got := b.sees("#credentials"); !strings.Contains(got, "+4740000002") {
		t.Errorf("the credentials are %q", got)
	}

	b.click("#merge")
	b.state("startMergeState")
	b.click("#closeButton")
	b.at(d.fjord() + "/me")

	b.click("#merge")
	b.state("startMergeState")
	b.fill("#j_username", other.Credential)
	b.press("sendVerificationCodeEvent")
	b.state("mergeVerificationState")
	b.fill("[name=code]", d.code(t, other.Credential, 1))
	b.press("verificationEvent")
	b.state("mergeState")
	if got := b.sees(".lines"); !strings.Contains(got, other.Credential) {
		t.Errorf("the page says %q", got)
	}
	here := b.url()
	b.back()
	b.until("location.href !== " + quote(here) + " || document.documentElement.dataset.state === 'mergeState'")
	b.open(here) // on from where she was
	b.state("mergeState")
	b.press("mergeEvent")
	b.at(d.fjord() + "/me")
	if got := b.sees("#credentials"); !strings.Contains(got, other.Credential) || !strings.Contains(got, ola.Credential) {
		t.Errorf("the credentials are %q", got)
	}

	// The link, in another browser, as on another device.
	elsewhere := newBrowser(t)
	elsewhere.open(d.link(t, other.Credential))
	elsewhere.state("unmergeState")
	b.open(d.fjord() + "/me") // opening it has changed nothing
	if got := b.sees("#credentials"); !strings.Contains(got, other.Credential) {
		t.Errorf("the credentials are %q", got)
	}
	elsewhere.press("unmergeEvent")
	elsewhere.state("unmergedState")
	elsewhere.press("continueEvent")
	elsewhere.at(d.fjord())
	d.login(elsewhere, d.fjord(), other.Credential, other.Password)
	elsewhere.open(d.fjord() + "/me")
	if got := elsewhere.sees("#credentials"); got != other.Credential {
		t.Errorf("after the undo the credentials are %q", got)
	}
	b.forget("-rm-") // whoever logged in while the two were one logs in again
	b.open(d.fjord() + "/me")
	b.state("startLoginState")
}
