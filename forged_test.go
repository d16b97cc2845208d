package connectid_test

import (
	"slices"
	"testing"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/theme"
)

// An event that a state can end in, but that is no button of its page, does
// nothing when a post names it.
func TestEventsThatAreNoButtons(t *testing.T) {
	s := newSite(t, withOffers)
	s.user(kari, password)
	for _, event := range []string{"newUserEvent", "choosePasswordEvent"} {
		b := s.browser()
		b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent").wantState("verificationState")
		b.submit(event).wantStatus(400)
	}
	b := s.login(kari, password, false)
	b.open("register").submit("prepareCreateSubscriberEvent").wantState("newSubscriberState")
	b.submit("alreadyTiedEvent").wantStatus(400)
}

// What a page can send is what its template has buttons for.
func TestButtonsAreThoseOfThePages(t *testing.T) {
	pages := map[string][]string{}
	for _, s := range theme.States() {
		pages[s.Name] = s.Events
	}
	for _, f := range []*flows.Flow{flows.Login, flows.CreateUser, flows.ResetPassword, flows.Register, flows.ActivateMembership,
		flows.Merge, flows.Unmerge, flows.Account, flows.Reauthenticate, flows.Azure} {
		for _, s := range f.States() {
			if !s.Visible() {
				continue
			}
			for _, e := range s.Buttons() {
				if !slices.Contains(pages[s.Name()], string(e)) {
					t.Errorf("%s: a post of %s can name %s, for which the page has no button", f.Name(), s.Name(), e)
				}
			}
		}
	}
}
