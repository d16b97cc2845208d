package connectid_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// sendOrderLink has a link to an order sent, as a client does for somebody.
func (s *site) sendOrderLink(email string, change ...func(*account.OrderLink)) account.OrderUser {
	s.t.Helper()
	c, err := s.store.Client(s.t.Context(), clientID)
	if err != nil {
		s.t.Fatal(err)
	}
	cred, err := account.ParseCredential(email, "NO")
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := s.kit.Accounts().OrderUser(s.t.Context(), c, cred, "en")
	if err != nil {
		s.t.Fatal(err)
	}
	l := account.OrderLink{Client: c, User: u.User, Credential: cred, OrderID: 7, Product: "Digital", ReturnURL: returnURL, ErrorURL: errorURL}
	for _, f := range change {
		f(&l)
	}
	if err := s.kit.Accounts().SendOrderLink(s.t.Context(), l); err != nil {
		s.t.Fatal(err)
	}
	return u
}

// orderLink returns the newest link to an order that was sent to the address.
func (s *site) orderLink(to string) string {
	s.t.Helper()
	link := ""
	for _, m := range s.outbox.List() {
		if m.To == to && m.Kind == message.OrderLink {
			link = m.Link
		}
	}
	if link == "" {
		s.t.Fatalf("no link was sent to %s", to)
	}
	return link
}

const nora = "nora@example.com" // has no account yet

// Somebody without an account gets one, with a password, by confirming the link.
func TestOrderLinkNewUser(t *testing.T) {
	s := newSite(t)
	made := s.sendOrderLink(nora)
	if !made.IsNew || made.HasPassword {
		t.Errorf("made %+v", made)
	}
	link := s.orderLink(nora)
	// Mail scanners open it, and change nothing.
	for range 3 {
		s.browser().get(link).wantStatus(200).wantState("orderLinkState")
	}
	u, err := s.store.User(t.Context(), made.User.ID)
	if err != nil || !u.Credentials[0].VerifiedAt.IsZero() || u.PasswordHash != "" {
		t.Fatalf("opening has changed the account: %+v, %v", u, err)
	}
	b := s.browser()
	b.get(link)
	if !strings.Contains(b.body, "n•••@example.com") || strings.Contains(b.body, nora) {
		t.Errorf("the page says as whom it logs in otherwise: %s", b.body)
	}
	b.submit("orderLinkEvent").wantState("orderLinkState")
	b.submit("orderLinkEvent", "newPassword", "short", "acceptTerms", "true").wantState("orderLinkState")
	b.submit("orderLinkEvent", "newPassword", password, "acceptTerms", "").wantState("orderLinkState")
	b.submit("orderLinkEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in")
	}
	if u, err = s.store.User(t.Context(), made.User.ID); err != nil || u.Credentials[0].VerifiedAt.IsZero() || u.TermsAt.IsZero() {
		t.Errorf("the account is %+v, %v", u, err)
	}
	s.login(nora, password, false)
	// It is used up, and has ended with all else that there was before the password.
	s.browser().get(link).wantState("orderLinkOverState").submit("navigateAwayEvent").wantAt("https://paper.example/")
	if again := s.sendOrderLink(nora); again.IsNew || !again.HasPassword || again.User.ID != made.User.ID {
		t.Errorf("the second time: %+v", again)
	}
}

// A user with a password is logged in by one click, and the login is not fresh.
func TestOrderLinkKnownUser(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	if u := s.sendOrderLink(kari); u.IsNew || !u.HasPassword {
		t.Errorf("%+v", u)
	}
	b := s.browser()
	b.get(s.orderLink(kari)).wantState("orderLinkState")
	if strings.Contains(b.body, `name="newPassword"`) || strings.Contains(b.body, `name="acceptTerms"`) {
		t.Error("she is asked for what she has")
	}
	// A password in the form changes nothing.
	b.submit("orderLinkEvent", "newPassword", "another good password").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in")
	}
	b.open("reauthenticate").wantState("confirmUserState")
	b.url = mustParse(t, host)
	b.get(s.orderLink(kari)).wantAt(returnURL) // she is logged in
	s.browser().get(s.orderLink(kari)).wantState("orderLinkOverState").submit("navigateAwayEvent").wantAt(errorURL)
	s.login(kari, password, false)
}

// Only one of many who have the link gets in.
func TestOrderLinkOnce(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.sendOrderLink(kari)
	link := s.orderLink(kari)
	browsers := make([]*browser, 12)
	for i := range browsers {
		browsers[i] = s.browser()
		browsers[i].get(link).wantState("orderLinkState")
	}
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() { b.submit("orderLinkEvent") })
	}
	wg.Wait()
	in := 0
	for _, b := range browsers {
		if b.url.String() == returnURL {
			in++
		} else {
			b.wantState("orderLinkOverState")
		}
	}
	if in != 1 {
		t.Errorf("%d browsers were let in", in)
	}
}

// What ends all that a user had ends the links to her orders.
func TestOrderLinkEnds(t *testing.T) {
	for name, end := range map[string]func(s *site, u store.User){
		"a new password": func(s *site, _ store.User) {
			b := s.login(kari, password, false)
			b.open("resetPassword").submit("setPasswordEvent", "newPassword", password+"!", "newPasswordAgain", password+"!")
		},
		"a block": func(s *site, u store.User) {
			if err := s.kit.Accounts().Block(s.t.Context(), u.ID); err != nil {
				s.t.Fatal(err)
			}
		},
		"its lifetime": func(*site, store.User) { time.Sleep(3*24*time.Hour + time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				u := s.user(kari, password)
				s.sendOrderLink(kari, func(l *account.OrderLink) { l.Lifetime = 3 * 24 * time.Hour })
				link := s.orderLink(kari)
				open := s.browser()
				open.get(link).wantState("orderLinkState")
				end(s, u)
				b := s.browser()
				b.get(link).wantState("orderLinkOverState")
				if name != "its lifetime" { // the page too is too old then
					open.submit("orderLinkEvent").wantState("orderLinkOverState")
				}
				if b.loggedIn() {
					t.Error("logged in")
				}
			})
		})
	}
}

// Whoever registers somebody else's address beforehand gets nothing by it: what was
// there before the owner's proof ends with it.
func TestOrderLinkTakesNothingOver(t *testing.T) {
	s := newSite(t)
	made := s.sendOrderLink(nora)
	link := s.orderLink(nora)
	// A password that somebody has smuggled in opens nothing, and dies.
	u := made.User
	u.PasswordHash = s.user(ola, "a thief's password").PasswordHash
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", nora, "password", "a thief's password").wantState("startLoginState")
	s.browser().get(link).submit("orderLinkEvent", "newPassword", password, "acceptTerms", "true").wantAt(returnURL)
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", nora, "password", "a thief's password").wantState("startLoginState")
	s.login(nora, password, false)

	// The owner may come by a code first: the account is hers, and the link dies.
	s.sendOrderLink("ida@example.com")
	link = s.orderLink("ida@example.com")
	b := s.browser()
	b.open("createUser", "credential", "ida@example.com").submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code("ida@example.com")).wantAt(returnURL)
	s.browser().get(link).wantState("orderLinkOverState")
}

// A link is one client's, and leads to that client's places only.
func TestOrderLinkRefuses(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.sendOrderLink(kari)
	u := mustParse(t, s.orderLink(kari))
	q := u.Query()
	with := func(name, value string) string {
		q := url.Values{"clientId": q["clientId"], "token": q["token"]}
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		return loginURL + "/orderLink?" + q.Encode()
	}
	s.browser().get(with("clientId", "")).wantStatus(http.StatusBadRequest)
	s.browser().get(with("clientId", "x")).wantStatus(http.StatusBadRequest)
	s.browser().get(with("clientId", otherID)).wantState("orderLinkOverState").submit("navigateAwayEvent").wantAt("https://other.example/")
	s.browser().get(with("token", "x")).wantState("orderLinkOverState").submit("navigateAwayEvent").wantAt("https://paper.example/")
	s.browser().get(with("token", "")).wantState("orderLinkOverState")
	s.browser().get(with("returnUrl", "https://evil.example/")).submit("orderLinkEvent").wantAt(returnURL)
	// The client's targets are those of the moment.
	s.sendOrderLink(kari, func(l *account.OrderLink) { l.ReturnURL = "https://evil.example/" })
	s.browser().get(s.orderLink(kari)).wantStatus(http.StatusBadRequest)
}

// Nobody can have a reader flooded, and her codes are not counted with the links.
func TestOrderLinkLimits(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	c, _ := s.store.Client(t.Context(), clientID)
	cred, _ := account.ParseCredential(kari, "NO")
	u, _ := s.kit.Accounts().OrderUser(t.Context(), c, cred, "en")
	var err error
	for range 20 {
		if err = s.kit.Accounts().SendOrderLink(t.Context(), account.OrderLink{Client: c, User: u.User, Credential: cred, ReturnURL: returnURL, ErrorURL: errorURL}); err != nil {
			break
		}
	}
	if _, limited := err.(*account.LimitedError); !limited {
		t.Errorf("after 20 links: %v", err)
	}
	b := s.browser()
	b.open("login").submit("sendVerificationCodeEvent", "credential", kari).wantState("verificationState")
}
