package browser_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// choose picks a person, or "cancel", on the company directory's page.
func (b *tab) choose(person string) {
	b.t.Helper()
	b.until("document.title.startsWith('Havbruk AS')")
	if person == "cancel" {
		b.click("#cancel")
		return
	}
	b.click(fmt.Sprintf("[data-person=%q]", person))
}

// register goes from the newspaper's own page to the directory and back.
func (d *demo) register(b *tab, paper, person string) {
	b.t.Helper()
	b.open(paper + "/me")
	b.click("#company")
	b.choose(person)
	b.at(paper + "/me/callback")
}

func (d *demo) person(t *testing.T, name string) string {
	t.Helper()
	for _, p := range d.Directories[0].People {
		if strings.HasPrefix(p.Name, name) {
			return p.ObjectID
		}
	}
	t.Fatalf("nobody at the company is called %s: %+v", name, d.Directories)
	return ""
}

// A reader registers with her company: the directory's page posts across sites,
// so this is also whether browsers bring her cookies along afterwards.
func TestCompanyDirectory(t *testing.T) {
	for _, args := range [][]string{nil, {"-tls"}} {
		t.Run(strings.Join(append([]string{"http"}, args...), " "), func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t)
			d := startDemo(t, args...)
			kari, maja := d.person(t, "Kari"), d.person(t, "Maja")
			d.login(b, d.fjord(), d.Users[0].Credential, d.Users[0].Password)

			d.register(b, d.fjord(), "cancel")
			b.sees("#companyFailed")
			d.register(b, d.fjord(), maja) // of another company
			b.sees("#companyFailed")

			// Two tabs, and the answer of the first one comes last.
			other := b.another()
			b.open(d.fjord() + "/me")
			b.click("#company")
			b.until("document.title.startsWith('Havbruk AS')")
			d.register(other, d.fjord(), kari)
			other.sees("#companyDone")
			if want := d.fjord() + "/me/callback?azureStatus=success"; other.url() != want {
				t.Errorf("the browser is at %s; want %s", other.url(), want)
			}
			b.choose(d.person(t, "Ola"))
			b.sees("#companyFailed") // she is registered by now

			b.open(d.fjord() + "/me")
			b.click("#company") // and is told so at once
			b.sees("#companyFailed")
			b.sees("#who")

			// The other newspaper has another directory, and she is the same person.
			b.open(d.skargard() + "/me")
			b.sees("#who")
			d.register(b, d.skargard(), kari)
			b.sees("#companyDone")
		})
	}
}

// A link that is opened without being logged in comes back at once.
func TestCompanyDirectoryWithoutLogin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.open(d.LoginServer + "/azure/" + d.Directories[0].ID + "?returnUrl=" + url.QueryEscape(d.fjord()+"/me?x=1"))
	b.sees("#companyFailed")
	if want := d.fjord() + "/me/callback?x=1&azureStatus=error"; b.url() != want {
		t.Errorf("the browser is at %s; want %s", b.url(), want)
	}
}

// The back button leads from the newspaper to the directory's page, which still
// knows the answer: it is not taken twice, and the reader is not lost.
func TestCompanyDirectoryBack(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	d.login(b, d.fjord(), d.Users[0].Credential, d.Users[0].Password)
	d.register(b, d.fjord(), d.person(t, "Kari"))
	b.sees("#companyDone")
	b.back()
	b.choose(d.person(t, "Ola"))
	b.at(d.fjord() + "/me/callback?azureStatus=error")
}
