package connectid_test

import (
	"context"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
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
