package connectid_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func (s *site) member(number, last, postal string, contacts ...store.Contact) {
	s.t.Helper()
	if err := s.store.PutMembership(context.Background(), store.Membership{
		PartnerID: "partner", Number: number, FirstName: "Kari", LastName: last, PostalCode: postal, Organisation: "Turlaget", Contacts: contacts,
	}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) membership(email string) string {
	s.t.Helper()
	u, err := s.store.UserByCredential(context.Background(), store.Email, email)
	if err != nil {
		s.t.Fatal(err)
	}
	t, _ := u.Tie(store.MembershipTie, "partner")
	return t.Number
}

func TestActivateMembership(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(17, "Nordmann", "0150", kari) // no membership
	s.member("NA17", "Nordmann", "0150")
	b := s.browser()
	b.open("activateMembership").wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("searchSubscriberState")
	if !strings.Contains(b.body, "Membership number") || strings.Contains(b.body, "prepareCreateSubscriberEvent") {
		t.Errorf("the page is not about a membership: %s", b.body)
	}
	b.search("17", "Nordmann", "").wantState("searchSubscriberState")
	b.search("na-17", "nordmann", "").wantAt(returnURL)
	if got := s.membership(kari); got != "NA17" || s.number(kari) != 0 || !b.loggedIn() {
		t.Errorf("membership %q, customer %d, logged in %v", got, s.number(kari), b.loggedIn())
	}
	b.open("activateMembership").wantAt(returnURL)
	b.open("register").wantState("subscriberMatchState") // another tie altogether
	b.submit("continueEvent").wantAt(returnURL)
	if s.membership(kari) != "NA17" || s.number(kari) != 17 {
		t.Error("one tie displaced the other")
	}
}

func TestActivateMembershipMatches(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.member("A1", "Nordmann", "0150", store.Contact{Kind: store.Email, Identity: kari})
	s.member("A2", "Nordmann", "0150", store.Contact{Kind: store.Email, Identity: kari})
	gone := store.Membership{PartnerID: "partner", Number: "A3", LastName: "Gone", PostalCode: "1", EndsAt: time.Now().Add(-time.Hour),
		Contacts: []store.Contact{{Kind: store.Email, Identity: kari}}}
	if err := s.store.PutMembership(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	b := s.login(kari, password, false)
	b.open("activateMembership").wantState("subscriberMatchState")
	if strings.Contains(b.body, "Gone") || !strings.Contains(b.body, "Turlaget") {
		t.Error("an ended membership is offered, or a live one is not")
	}
	b.submit("continueEvent", "customerNumber", "A2").wantAt(returnURL)
	if got := s.membership(kari); got != "A2" {
		t.Errorf("membership %q", got)
	}
	b = s.login(ola, password, false)
	b.open("activateMembership").search("a3", "gone", "").wantState("searchSubscriberState")
	b.search("a2", "nordmann", "").wantState("subscriberTakenState")
	if s.membership(ola) != "" || s.membership(kari) != "A2" {
		t.Error("a membership was taken over")
	}
}

// credentialType A and B restrict; any other value prefills, and so does credential.
func TestActivateMembershipCredentialType(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		many := account.Budget{N: 1000, Window: time.Hour}
		c.Limits = account.Limits{SendsPerCredential: many, SendsPerAddress: many}
	})
	u := s.user(kari, password)
	s.user(ola, password)
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Phone, Identity: "+4741234567", Spelling: "412 34 567", VerifiedAt: time.Now()})
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		pairs    []string
		prefill  string
		mail     bool // an e-mail address passes
		phone    bool
		language string
	}{
		{"none", nil, "", true, true, "E-mail or mobile number"},
		{"A", []string{"credentialType", "A"}, "", true, false, `>E-mail address<`},
		{"B", []string{"credentialType", "B"}, "", false, true, ">Mobile number<"},
		{"an address", []string{"credentialType", ola}, ola, true, true, "E-mail or mobile number"},
		{"a number", []string{"credentialType", "412 34 567"}, "412 34 567", true, true, ""},
		{"credential", []string{"credential", ola}, ola, true, true, ""},
		{"both", []string{"credential", ola, "credentialType", "A"}, ola, true, false, ">E-mail address<"},
		{"two credentials", []string{"credential", ola, "credentialType", "x@example.com"}, ola, true, true, ""},
		{"lower case is no type", []string{"credentialType", "a"}, "a", true, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := s.browser()
			b.open("activateMembership", tt.pairs...).wantState("startLoginState")
			if got := b.form().fields.Get("credential"); got != tt.prefill {
				t.Errorf("prefilled with %q, want %q", got, tt.prefill)
			}
			if !strings.Contains(b.body, tt.language) {
				t.Errorf("the label does not say %s", tt.language)
			}
			for typed, passes := range map[string]bool{kari: tt.mail, "+47 412 34 567": tt.phone} {
				b := s.browser()
				b.open("activateMembership", tt.pairs...)
				page := b.form()
				b.submitPage(page, "verifyCredentialsEvent", "credential", typed, "password", password)
				want := "searchSubscriberState"
				if !passes {
					want = "startLoginState"
				}
				if b.state() != want {
					t.Errorf("password with %s: %q, want %q", typed, b.state(), want)
				}
				b = s.browser()
				b.open("activateMembership", tt.pairs...).submit("sendVerificationCodeEvent", "credential", typed)
				if got := b.state() == "verificationState"; got != passes {
					t.Errorf("code to %s: %q (%s)", typed, b.state(), alerts(b.body))
				}
			}
		})
	}
	// Logged in: the credential of that kind is the one that is fixed; without
	// one it has to be verified first.
	shown := regexp.MustCompile(`name="credential"[^>]* value="([^"]*)" readonly`)
	b := s.login(kari, password, false)
	for kind, want := range map[string]string{"A": kari, "B": "412 34 567"} {
		b.open("activateMembership", "credentialType", kind).wantState("searchSubscriberState")
		if m := shown.FindStringSubmatch(b.body); m == nil || m[1] != want {
			t.Errorf("credentialType=%s shows %v, want %s fixed", kind, m, want)
		}
	}
	s.login(ola, password, false).open("activateMembership", "credentialType", "B").wantState("startLoginState")
	s.login(ola, password, false).open("activateMembership", "credentialType", kari).wantState("startLoginState")
	for _, bad := range []string{"a\x00b", strings.Repeat("x", 400)} {
		s.browser().open("activateMembership", "credentialType", bad).wantStatus(400)
	}
	s.browser().get(address("activateMembership") + "&credentialType=A&credentialType=B").wantStatus(400)
}

// The kind restricts what is searched by, too.
func TestActivateMembershipSearchesByThatKind(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.member("M1", "Nordmann", "0150", store.Contact{Kind: store.Email, Identity: kari})
	b := s.browser()
	phone := "+4741234568"
	b.open("activateMembership", "credentialType", "B").submit("sendVerificationCodeEvent", "credential", phone)
	b.submit("verificationEvent", "code", s.code(phone)).submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantState("searchSubscriberState")
	s.login(kari, password, false).open("activateMembership", "credentialType", "A").wantState("subscriberMatchState")
}
