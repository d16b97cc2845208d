package connectid_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// customer makes a customer of the papers' partner.
func (s *site) customer(number int64, last, postal string, contacts ...string) {
	s.t.Helper()
	c := store.Customer{PartnerID: "partner", Number: number, FirstName: "Kari", LastName: last, PostalCode: postal, City: "Oslo"}
	for _, at := range contacts {
		kind := store.Email
		if at[0] == '+' {
			kind = store.Phone
		}
		c.Contacts = append(c.Contacts, store.Contact{Kind: kind, Identity: at})
	}
	if err := s.store.PutCustomer(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
}

// number returns the customer number that the user with the address is tied to.
func (s *site) number(email string) int64 {
	s.t.Helper()
	u, err := s.store.UserByCredential(context.Background(), store.Email, email)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.CustomerNumber("partner")
}

// search fills in the search form.
func (b *browser) search(number, last, postal string) *browser {
	b.t.Helper()
	return b.submit("searchForSubscriberEvent", "customerNumber", number, "lastName", last, "postalCode", postal)
}

// withOffers puts into the store what readers can order.
func withOffers(c *connectid.Config) {
	ctx := context.Background()
	for _, o := range []store.Coupon{
		{Code: "free", Product: "TRY", Description: "Four weeks free", Terms: "0 kr", Offered: true},
		{Code: "paper", Product: "PAPER", Description: "Paper", Terms: "399 kr a month", Price: 39900, Currency: "NOK", Invoice: true, Offered: true},
		{Code: "card", Product: "CARD", Description: "By card only", Terms: "99 kr", Price: 9900, Currency: "NOK", Offered: true},
		{Code: "shop", Product: "TRY", Description: "Not offered here", Terms: "9 kr"},
	} {
		o.PartnerID, o.Number = "partner", 1
		if err := errors.Join(c.Store.PutCoupon(ctx, o), c.Store.PutProduct(ctx, store.Product{PartnerID: "partner", Code: o.Product})); err != nil {
			panic(err)
		}
	}
}

func TestRegisterTiesACustomer(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(100017, "Nordmann", "0150")
	b := s.browser()
	b.open("register").wantStatus(200).wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("searchSubscriberState")
	if b.loggedIn() {
		t.Error("half-way is logged in")
	}
	b.search("100 017", "nordmann", "").wantAt(returnURL)
	if !b.loggedIn() {
		t.Error("not logged in at the returnUrl")
	}
	if got := s.number(kari); got != 100017 {
		t.Errorf("customer number %d", got)
	}
	// Who is tied has nothing to do here.
	b.open("register").wantAt(returnURL)
	s.browser().open("register").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantAt(returnURL)
}

func TestRegisterByCodeAsANewUser(t *testing.T) {
	s := newSite(t)
	s.customer(100017, "Nordmann", "0150", kari)
	b := s.browser()
	b.open("register", "credential", kari)
	b.submit("sendVerificationCodeEvent").submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
	b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantState("subscriberMatchState")
	if !strings.Contains(b.body, "100017") || !strings.Contains(b.body, "Kari Nordmann") {
		t.Errorf("the match is not shown: %s", b.body)
	}
	b.submit("continueEvent").wantAt(returnURL)
	if got := s.number(kari); got != 100017 || !b.loggedIn() {
		t.Errorf("customer number %d, logged in %v", got, b.loggedIn())
	}
}

func TestRegisterByCredentialSubmit(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	b := s.browser()
	b.open("register", "credential", kari, "credentialSubmit", "true").wantState("autoSubmitState")
	b.submit("continueEvent").wantState("verificationState")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("searchSubscriberState")
	b.search("1", "", "0150").wantAt(returnURL)
}

// Forgotten passwords lead on, too: to a new password and then to the search.
func TestRegisterWithAForgottenPassword(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	b := s.browser()
	b.open("register", "credential", kari).submit("forgotPasswordEvent").submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	b.submit("setPasswordEvent", "newPassword", password+"!", "newPasswordAgain", password+"!").wantState("searchSubscriberState")
	b.search("1", "Nordmann", "0150").wantAt(returnURL)
	s.login(kari, password+"!", false)
}

// Matches by verified credential are offered first.
func TestRegisterOffersMatches(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.customer(1, "Nordmann", "0150", kari)
	s.customer(2, "Hansen", "5003", ola, kari)
	s.customer(3, "Berg", "9008", ola)
	if err := s.store.PutSubscription(t.Context(), store.Subscription{ID: "x", PartnerID: "partner", CustomerNumber: 2, Name: "Paper every day", StartsAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b := s.login(kari, password, false)
	b.open("register").wantState("subscriberMatchState")
	for _, want := range []string{"Kari Nordmann", "Kari Hansen", "Paper every day", "5003 Oslo", kari} {
		if !strings.Contains(b.body, want) {
			t.Errorf("%q is not shown", want)
		}
	}
	if strings.Contains(b.body, "Berg") {
		t.Error("somebody else's customer is offered")
	}
	// Only what was offered can be taken.
	b.submit("continueEvent", "customerNumber", "3").wantState("subscriberMatchState")
	if s.number(kari) != 0 || !strings.Contains(b.body, `role="alert"`) {
		t.Error("a number that was not offered is taken")
	}
	b.submit("otherSubscriberEvent").wantState("searchSubscriberState")
	b = s.login(kari, password, false)
	b.open("register").submit("continueEvent", "customerNumber", "2").wantAt(returnURL)
	if got := s.number(kari); got != 2 {
		t.Errorf("tied to %d; want 2", got)
	}
	// What is tied to somebody is offered to nobody else.
	b = s.login(ola, password, false)
	b.open("register").wantState("subscriberMatchState")
	if strings.Contains(b.body, "Hansen") || !strings.Contains(b.body, "Berg") {
		t.Error("a customer who is tied to another user is offered, or a free one is not")
	}
}

func TestRegisterMatchesVerifiedCredentialsOnly(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	s.customer(1, "Nordmann", "0150", "other@example.com")
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Email, Identity: "other@example.com", Spelling: "other@example.com"})
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b := s.login(kari, password, false)
	b.open("register").wantState("searchSubscriberState")
}

// Locked credential: fixed when logged in with it, else log in first.
func TestRegisterLockedCredential(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.customer(1, "Nordmann", "0150")
	locked := regexp.MustCompile(`(?i)name="credential"[^>]* value="` + kari + `" readonly`)
	for name, pairs := range map[string][]string{"with it": {"credential", " KARI@example.com "}, "without one": nil} {
		b := s.login(kari, password, false)
		b.open("register", pairs...).wantState("searchSubscriberState")
		if !locked.MatchString(b.body) {
			t.Errorf("logged in %s: the credential is not fixed: %s", name, b.body)
		}
		// The server enforces it.
		b.submit("searchForSubscriberEvent", "credential", ola, "customerNumber", "1", "lastName", "Nordmann").wantState("searchSubscriberState")
		if !locked.MatchString(b.body) || s.number(kari) != 0 || s.number(ola) != 0 {
			t.Errorf("%s: a changed credential is taken", name)
		}
	}
	b := s.login(kari, password, false)
	b.open("register", "credential", ola).wantState("startLoginState")
	if got := b.form().fields.Get("credential"); got != ola || strings.Contains(b.body, "readonly") {
		t.Errorf("as somebody else: credential %q; want the given one, to be changed", got)
	}
	if !b.loggedIn("credential", kari) {
		t.Error("the link alone replaced the session")
	}
	b.submit("verifyCredentialsEvent", "password", password).wantState("searchSubscriberState")
	if !b.loggedIn("credential", kari) || b.loggedIn("credential", ola) {
		t.Error("the session is replaced before the login completes")
	}
	b.search("1", "Nordmann", "").wantAt(returnURL)
	if !b.loggedIn("credential", ola) || s.number(ola) != 1 || s.number(kari) != 0 {
		t.Error("the number went to the wrong user")
	}
}

// A page of one user is never answered for another who logged in meanwhile.
func TestRegisterPageOfAnotherUser(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.customer(1, "Nordmann", "0150")
	for _, stored := range []bool{false, true} {
		b := s.login(kari, password, false)
		b.open("register").wantState("searchSubscriberState")
		if stored {
			b.search("1", "Wrong", "").wantState("searchSubscriberState")
		}
		p, at := b.form(), b.url.String()
		b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
		b.submitPage(p, "searchForSubscriberEvent", "customerNumber", "1", "lastName", "Nordmann")
		if s.number(ola) != 0 || s.number(kari) != 0 {
			t.Fatal("a page made for one user tied another")
		}
		if b.get(at); strings.Contains(b.body, kari) {
			t.Error("the page of one user is shown to another")
		}
		b.open("logout").wantAt(returnURL)
		if b.get(at).wantState("startLoginState"); strings.Contains(b.body, kari) {
			t.Error("the page of a user is shown after logging out")
		}
	}
}

// Who chooses a new password ends what others have proven before: also a search
// that is open elsewhere.
func TestRegisterEndsWithANewPassword(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	thief := s.browser()
	thief.open("register").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("searchSubscriberState")
	elsewhere := s.login(kari, password, false)
	elsewhere.open("register").wantState("searchSubscriberState")
	owner := s.browser()
	owner.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent").submit("verificationEvent", "code", s.code(kari))
	owner.submit("setPasswordEvent", "newPassword", password+"!", "newPasswordAgain", password+"!").wantAt(returnURL)
	for _, b := range []*browser{thief, elsewhere} {
		if b.search("1", "Nordmann", ""); s.number(kari) != 0 || b.state() != "startLoginState" {
			t.Errorf("a proof of before the new password still ties: %d, at %q", s.number(kari), b.state())
		}
	}
}

// refusal returns what a refused search looks like, but for what differs between
// any two pages and what was typed.
func refusal(b *browser) string {
	body := b.body
	for _, mask := range []string{`name="(csrf_token|ticket)" value="[^"]*"`, `name="(customerNumber|lastName|postalCode)"([^>]*) value="[^"]*"`} {
		body = regexp.MustCompile(mask).ReplaceAllString(body, "")
	}
	var headers []string
	for name, values := range b.headers {
		if name != "Set-Cookie" && name != "Content-Length" {
			headers = append(headers, fmt.Sprint(name, values))
		}
	}
	slices.Sort(headers)
	return fmt.Sprint(b.status, headers, body)
}

// slowNames is a customer system that takes longer over a wrong name than over a
// wrong number.
type slowNames struct{ publisher.Customers }

func (s slowNames) Search(ctx context.Context, q publisher.Search) (publisher.Person, error) {
	time.Sleep(3 * time.Millisecond)
	if q.Number == "100017" {
		time.Sleep(180 * time.Millisecond)
	}
	return s.Customers.Search(ctx, q)
}

// A wrong number and a wrong name look alike: page, status, headers, time, limit.
func TestRegisterRefusalsLookAlike(t *testing.T) {
	mem := memstore.New()
	s := newSite(t, func(c *connectid.Config) {
		c.Store = mem
		c.Customers = map[string]publisher.Customers{"partner": slowNames{publisher.NewStoreCustomers(mem)}}
	})
	s.user(kari, password)
	s.customer(100017, "Nordmann", "0150")
	synctest.Test(t, func(t *testing.T) {
		var looks []string
		var times []time.Duration
		for _, typed := range [][3]string{{"100018", "Nordmann", ""}, {"100017", "Hansen", ""}, {"100017", "", "5003"}, {"100017", "Nordmann", "5003"}, {"999999999999999", "", "0150"}} {
			b := s.login(kari, password, false)
			b.open("register").wantState("searchSubscriberState")
			begun := time.Now()
			b.search(typed[0], typed[1], typed[2]).wantState("searchSubscriberState")
			times = append(times, time.Since(begun))
			looks = append(looks, refusal(b))
		}
		for i := range looks {
			if looks[i] != looks[0] {
				t.Errorf("refusal %d differs:\n%s\n\n%s", i, looks[i], looks[0])
			}
			if times[i] != times[0] {
				t.Errorf("refusal %d takes %v, the first %v", i, times[i], times[0])
			}
		}
	})
}

func TestRegisterLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits account.Limits
		// again says what may go on after the limit: another user, address or number.
		users, numbers bool
	}{
		{"user", account.Limits{SearchesPerUser: account.Budget{N: 3, Window: time.Hour}}, true, false},
		{"number", account.Limits{SearchesPerNumber: account.Budget{N: 3, Window: time.Hour}}, false, true},
		{"address", account.Limits{SearchesPerAddress: account.Budget{N: 3, Window: time.Hour}}, false, false},
		{"client", account.Limits{SearchesPerClient: account.Budget{N: 3, Window: time.Hour}}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(c *connectid.Config) { c.Limits = tt.limits })
			s.user(kari, password)
			s.user(ola, password)
			s.customer(1, "Nordmann", "0150")
			s.customer(2, "Hansen", "5003")
			synctest.Test(t, func(t *testing.T) {
				b := s.login(kari, password, false)
				b.open("register")
				for range 3 {
					b.search("1", "Wrong", "").wantState("searchSubscriberState")
				}
				limited := "Too many searches"
				if b.search("1", "Nordmann", "0150").wantState("searchSubscriberState"); !strings.Contains(b.body, limited) || s.number(kari) != 0 {
					t.Fatal("the right answer passes after the limit")
				}
				if !strings.Contains(b.body, `id="sendEmailToCustomerServiceButton"`) {
					t.Error("no way to customer care after the limit")
				}
				b.search("2", "Hansen", "")
				if got := s.number(kari) == 2; got != tt.numbers {
					t.Errorf("another number passes: %v", got)
				}
				other := s.login(ola, password, false)
				other.open("register").search("1", "Nordmann", "")
				if got := s.number(ola) == 1; got != tt.users {
					t.Errorf("another user passes: %v", got)
				}
				time.Sleep(time.Hour)
				if !tt.users && !tt.numbers {
					b = s.login(kari, password, false)
					b.open("register").search("1", "Nordmann", "").wantAt(returnURL)
				}
			})
		})
	}
}

// The counters are raised before the check: a burst gets no more guesses than
// the limit.
func TestRegisterBurst(t *testing.T) {
	const tries = 12
	s := newSite(t, func(c *connectid.Config) {
		c.Limits = account.Limits{SearchesPerUser: account.Budget{N: 4, Window: time.Hour}}
	})
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	b := s.login(kari, password, false)
	var bodies [tries]string
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			tab := *b
			tab.t = t
			tab.open("register").search("1", "Wrong"+strconv.Itoa(i), "")
			bodies[i] = tab.body
		})
	}
	wg.Wait()
	looked := 0
	for _, body := range bodies {
		if strings.Contains(body, "We find no subscription") {
			looked++
		}
	}
	if looked != 4 {
		t.Errorf("%d of %d parallel guesses were looked at; want 4", looked, tries)
	}
}

// Searches that are right, or malformed, cost nothing.
func TestRegisterFaultsOfTheForm(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		c.Limits = account.Limits{SearchesPerUser: account.Budget{N: 1, Window: time.Hour}}
	})
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	b := s.login(kari, password, false)
	b.open("register")
	for _, typed := range [][3]string{
		{"", "Nordmann", ""}, {"1", "", ""}, {"1", " ", "\t"}, {"abc", "Nordmann", ""}, {"-", "Nordmann", ""}, {"1;2", "x", ""}, {strings.Repeat("1", 30), "x", ""},
		{strings.Repeat("1", 5000), "x", ""}, {"0", "x", ""}, {"１", "x", ""},
	} {
		b.search(typed[0], typed[1], typed[2]).wantStatus(200).wantState("searchSubscriberState")
		if !strings.Contains(b.body, `aria-invalid="true"`) {
			t.Errorf("%q: no fault at a field", typed)
		}
	}
	b.search("0001", "  NORDMANN ", "NO-0150").wantAt(returnURL)
}

// A subscription that is tied to someone else is never taken over.
func TestRegisterTaken(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.customer(1, "Nordmann", "0150")
	s.login(kari, password, false).open("register").search("1", "Nordmann", "").wantAt(returnURL)
	b := s.login(ola, password, false)
	b.open("register").search("1", "Nordmann", "").wantState("subscriberTakenState")
	if s.number(kari) != 1 || s.number(ola) != 0 {
		t.Fatal("the tie moved")
	}
	before := len(s.outbox.List())
	b.submit("sendEmailToCustomerServiceEvent").wantState("customerServiceState")
	mails := s.outbox.List()[before:]
	if len(mails) != 1 || mails[0].To != "help@paper.example" {
		t.Fatalf("mails %+v; want one to customer care", mails)
	}
	for _, want := range []string{ola, "Customer number: 1", "Last name: Nordmann"} {
		if !strings.Contains(mails[0].Text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, mails[0].Text)
		}
	}
	b.submit("otherSubscriberEvent").wantState("searchSubscriberState")
	b.submit("navigateAwayEvent").wantAt(errorURL + "?error=access_denied&error_description=the+user+left+without+logging+in")
}

func TestRegisterCareMailsAreFew(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, false)
	for i := range 4 {
		b.open("register").search("7", "x", "").submit("sendEmailToCustomerServiceEvent", "customerNumber", "7\r\nBcc: x@y.no")
		if want := []string{"customerServiceState", "searchSubscriberState"}[i/3]; b.state() != want {
			t.Fatalf("mail %d: %q; want %q", i+1, b.state(), want)
		}
	}
	for _, m := range s.outbox.List() {
		if strings.Contains(m.Text, "\nBcc") {
			t.Error("a typed line break starts a line of the mail")
		}
	}
	// Without an address there is no button.
	c := paper(clientID, "paper")
	c.CustomerCareEmail = ""
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if b.open("register").search("7", "x", ""); strings.Contains(b.body, "sendEmailToCustomerServiceButton") {
		t.Error("a button that can not work")
	}
}

// Of many users who race for one number one gets it, and nobody else.
func TestRegisterRace(t *testing.T) {
	const users = 8
	s := newSite(t)
	s.customer(1, "Nordmann", "0150")
	var browsers [users]*browser
	for i := range users {
		email := fmt.Sprintf("u%d@example.com", i)
		s.user(email, password)
		browsers[i] = s.login(email, password, false)
		browsers[i].open("register").wantState("searchSubscriberState")
	}
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() { b.search("1", "Nordmann", "") })
	}
	wg.Wait()
	won := 0
	for i, b := range browsers {
		tied := s.number(fmt.Sprintf("u%d@example.com", i)) == 1
		if tied != (b.url.String() == returnURL) {
			t.Errorf("user %d: tied %v, but at %s", i, tied, b.url)
		}
		if tied {
			won++
		} else if b.state() != "subscriberTakenState" {
			t.Errorf("user %d ended at %q", i, b.state())
		}
	}
	if won != 1 {
		t.Errorf("%d users got the number", won)
	}
}

// Two tabs of one user: the second number is refused, the first stays.
func TestRegisterTwoTabs(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	s.customer(2, "Nordmann", "0150")
	b := s.login(kari, password, false)
	other := *b
	b.open("register")
	other.open("register").search("2", "Wrong", "").wantState("searchSubscriberState")
	b.search("1", "Nordmann", "").wantAt(returnURL)
	other.search("2", "Nordmann", "").wantState("subscriberTakenState")
	if !strings.Contains(other.body, "already connected to another customer number") || s.number(kari) != 1 {
		t.Errorf("number %d: %s", s.number(kari), other.body)
	}
	other.submit("otherSubscriberEvent").search("1", "Nordmann", "").wantAt(returnURL) // her own
}

func TestRegisterDoubleClick(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	b := s.browser()
	b.open("register").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("searchSubscriberState")
	p := b.form()
	lost := *b // the answer to the first click never arrives
	lost.jar = copyOf(t, b)
	lost.submitPage(p, "searchForSubscriberEvent", "customerNumber", "1", "lastName", "Nordmann").wantAt(returnURL)
	b.submitPage(p, "searchForSubscriberEvent", "customerNumber", "1", "lastName", "Nordmann").wantAt(returnURL)
	if !b.loggedIn() || s.number(kari) != 1 {
		t.Error("who clicked twice is lost")
	}
}

// copyOf returns a jar with what the browser's holds.
func copyOf(t *testing.T, b *browser) *cookiejar.Jar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := &url.URL{Scheme: "https", Host: "id.example", Path: "/user/register"}
	jar.SetCookies(at, b.jar.Cookies(at))
	return jar
}

// A session made from remember-me does not become a fresh one on the way.
func TestRegisterRefreshesNothing(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.customer(1, "Nordmann", "0150")
	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, true)
		time.Sleep(time.Hour)
		b.open("register").wantState("searchSubscriberState")
		p := b.form()
		b.search("1", "Nordmann", "").wantAt(returnURL)
		b.submitPage(p, "searchForSubscriberEvent", "customerNumber", "1", "lastName", "Nordmann").wantAt(returnURL)
		b.open("resetPassword").wantState("startCodeState")
	})
}

func TestRegisterPartnersAreApart(t *testing.T) {
	s := newSite(t)
	other := paper(otherID, "other")
	other.PartnerID = "another"
	if err := s.store.PutClient(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.user(kari, password)
	s.user(ola, password)
	s.customer(1, "Nordmann", "0150", kari)
	at := []string{"clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/"}
	b := s.login(kari, password, false)
	b.open("register", at...).wantState("searchSubscriberState") // no match here
	b.search("1", "Nordmann", "").wantState("searchSubscriberState")
	if err := s.store.PutCustomer(t.Context(), store.Customer{PartnerID: "another", Number: 1, LastName: "Hansen", PostalCode: "1"}); err != nil {
		t.Fatal(err)
	}
	b.search("1", "Hansen", "").wantAt("https://other.example/")
	s.login(ola, password, false).open("register").search("1", "Nordmann", "").wantAt(returnURL)
	u, err := s.store.UserByCredential(t.Context(), store.Email, kari)
	if err != nil || u.CustomerNumber("another") != 1 || u.CustomerNumber("partner") != 0 || s.number(ola) != 1 {
		t.Errorf("ties %v, %v", u.Ties, err)
	}
}

func TestRegisterNewSubscription(t *testing.T) {
	for _, tt := range []struct {
		offer  string
		fields []string
		want   store.Subscription
	}{
		{"free-1", nil, store.Subscription{Product: "TRY", Name: "Four weeks free", Paid: true, Payment: "free"}},
		{"paper-1", []string{"street", "Storgata 1", "postalCode", "0150", "city", "Oslo"},
			store.Subscription{Product: "PAPER", Name: "Paper", Price: 39900, Currency: "NOK", Payment: "invoice"}},
	} {
		t.Run(tt.offer, func(t *testing.T) {
			s := newSite(t, withOffers)
			s.user(kari, password)
			b := s.login(kari, password, false)
			b.open("register").submit("prepareCreateSubscriberEvent").wantState("newSubscriberState")
			if strings.Contains(b.body, "By card only") || strings.Contains(b.body, "Not offered here") {
				t.Error("an offer that needs a payment provider is shown")
			}
			order := append([]string{"offer", tt.offer, "firstName", "Kari", "lastName", "Nordmann", "acceptTerms", "true"}, tt.fields...)
			for i := 0; i < len(order); i += 2 { // each of the fields is needed
				without := slices.Clone(order)
				without[i+1] = ""
				b.submit("createSubscriberEvent", without...).wantState("newSubscriberState")
				if !strings.Contains(b.body, `name="`+order[i]+`"`) || !strings.Contains(b.body, `aria-invalid="true"`) {
					t.Errorf("without %s: no fault", order[i])
				}
			}
			b.submit("createSubscriberEvent", append(slices.Clone(order), "offer", "card-1")...).wantState("newSubscriberState")
			p := b.form()
			b.submit("createSubscriberEvent", order...).wantAt(returnURL)
			b.submitPage(p, "createSubscriberEvent", order...).wantAt(returnURL) // clicked twice
			number := s.number(kari)
			if number != store.FirstCustomer {
				t.Fatalf("customer number %d", number)
			}
			c, err := s.store.Customer(t.Context(), "partner", number)
			if err != nil || c.LastName != "Nordmann" || len(c.Contacts) != 1 || c.Contacts[0].Identity != kari || c.Street != strings.TrimSuffix("Storgata 1", map[bool]string{true: "Storgata 1"}[tt.fields == nil]) {
				t.Errorf("customer %+v, %v", c, err)
			}
			n := 0
			for sub, err := range s.store.CustomerSubscriptions(t.Context(), "partner", number) {
				n++
				sub.ID, sub.PartnerID, sub.CustomerNumber, sub.StartsAt, sub.CreatedAt = "", "", 0, time.Time{}, time.Time{}
				if err != nil || sub != tt.want {
					t.Errorf("subscription %+v, %v; want %+v", sub, err, tt.want)
				}
			}
			if n != 1 {
				t.Errorf("%d subscriptions; want 1", n)
			}
		})
	}
	s := newSite(t)
	s.user(kari, password)
	if b := s.login(kari, password, false).open("register"); strings.Contains(b.body, "prepareCreateSubscriberEvent") {
		t.Error("a button for nothing to order")
	}
}

// The documented events fire where the documents say.
func TestRegisterEvents(t *testing.T) {
	var mu sync.Mutex
	var events []string
	s := newSite(t, withOffers, func(c *connectid.Config) {
		c.OnEvent = func(_ context.Context, h flows.Happening) {
			mu.Lock()
			defer mu.Unlock()
			if h.Flow == "register" {
				events = append(events, string(h.Event))
			}
		}
	})
	s.user(kari, password)
	s.user(ola, password)
	for _, tt := range []struct {
		name string
		walk func()
		want string
	}{
		{"log in, search wrong, ask, search", func() {
			s.customer(1, "Nordmann", "0150")
			b := s.browser()
			b.open("register").submit("verifyCredentialsEvent", "credential", kari, "password", password)
			b.search("1", "x", "").submit("sendEmailToCustomerServiceEvent").submit("otherSubscriberEvent").search("1", "Nordmann", "")
		}, "startApplicationEvent continueEvent continueEvent verifyCredentialsEvent otherSubscriberEvent sendEmailToCustomerServiceEvent " +
			"otherSubscriberEvent searchForSubscriberEvent tieSubscriberEvent continueEvent continueEvent"},
		{"already tied", func() {
			s.login(kari, password, false).open("register")
		}, "startApplicationEvent programmaticLoginEvent alreadyTiedEvent continueEvent continueEvent"},
		{"order", func() {
			b := s.login(ola, password, false)
			b.open("register").submit("prepareCreateSubscriberEvent")
			b.submit("createSubscriberEvent", "offer", "free-1", "firstName", "Ola", "lastName", "Hansen", "acceptTerms", "true")
		}, "startApplicationEvent programmaticLoginEvent otherSubscriberEvent prepareCreateSubscriberEvent createSubscriberEvent tieSubscriberEvent continueEvent continueEvent"},
		{"match, and leave", func() {
			s.customer(5, "Berg", "0150", "new@example.com")
			b := s.browser()
			b.open("register").submit("startRegistrationEvent").submit("sendVerificationCodeEvent", "credential", "new@example.com")
			b.submit("verificationEvent", "code", s.code("new@example.com"))
			b.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantState("subscriberMatchState").submit("navigateAwayEvent")
		}, "startApplicationEvent continueEvent continueEvent startRegistrationEvent sendVerificationCodeEvent newUserEvent setPasswordEvent searchForSubscriberEvent navigateAwayEvent"},
	} {
		events = nil
		tt.walk()
		// A first post starts the run once more; what it computes again is told again.
		if got := strings.Join(once(events), " "); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// once drops what was told again because the first post started the run anew.
func once(events []string) []string {
	last := 0
	for i, e := range events {
		if e == "startApplicationEvent" {
			last = i
		}
	}
	return events[last:]
}

// Whatever call to the store fails, nothing is half-way, and the same click works
// once the store is back.
func TestRegisterFaults(t *testing.T) {
	order := []string{"offer", "free-1", "firstName", "Kari", "lastName", "Nordmann", "acceptTerms", "true"}
	walks := map[string]struct {
		open  func(*browser)
		event string
		form  []string
	}{
		"search": {func(*browser) {}, "searchForSubscriberEvent", []string{"customerNumber", "1", "lastName", "Nordmann"}},
		"order":  {func(b *browser) { b.submit("prepareCreateSubscriberEvent").wantState("newSubscriberState") }, "createSubscriberEvent", order},
	}
	failed := map[string]bool{}
	for name, walk := range walks {
		for _, method := range []string{"User", "UserByTie", "UpdateUser", "Customer", "CustomerSubscriptions", "CreateCustomer",
			"Subscription", "PutSubscription", "Add", "SwapRun", "Run", "CreateSession", "ReplaceSession"} {
			for nth := 1; nth <= 3; nth++ {
				for _, after := range []bool{false, true} {
					faulty := storetest.NewFaulty(memstore.New())
					s := newSite(t, func(c *connectid.Config) { c.Store = faulty }, withOffers)
					s.user(kari, password)
					s.customer(1, "Nordmann", "0150")
					synctest.Test(t, func(t *testing.T) {
						b := s.browser()
						b.open("register").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("searchSubscriberState")
						walk.open(b)
						p := b.form()
						what := fmt.Sprintf("%s, call %d of %s fails, after its work: %v", name, nth, method, after)

						faulty.Inject(storetest.Fault{Method: method, Nth: nth, After: after})
						b.submitPage(p, walk.event, walk.form...)
						faulty.Heal()
						if b.url.String() != returnURL {
							failed[method] = true
							if b.status != 200 && b.status != 503 {
								t.Errorf("%s: status %d", what, b.status)
							}
						} else if s.number(kari) == 0 {
							t.Errorf("%s: the reader is told that all is well", what)
						}
						time.Sleep(11 * time.Second) // a claim that nobody knows of has lapsed
						b.submitPage(p, walk.event, walk.form...)
						if b.state() == "searchSubscriberState" || b.state() == "newSubscriberState" {
							b.submit(walk.event, walk.form...)
						}
						if b.url.String() != returnURL {
							t.Fatalf("%s: a second try ends at %q (%d): %s", what, b.state(), b.status, alerts(b.body))
						}
						u, err := s.store.UserByCredential(t.Context(), store.Email, kari)
						if err != nil || len(u.Ties) != 1 {
							t.Fatalf("%s: ties %v, %v; want one", what, u.Ties, err)
						}
						if owner, err := s.store.UserByTie(t.Context(), store.CustomerTie, "partner", u.Ties[0].Number); err != nil || owner.ID != u.ID {
							t.Errorf("%s: the number is %q's, %v", what, owner.ID, err)
						}
						if _, err := s.store.Customer(t.Context(), "partner", store.FirstCustomer+1); err == nil {
							t.Errorf("%s: two customers were made", what)
						}
					})
				}
			}
		}
	}
	for _, method := range []string{"User", "UserByTie", "UpdateUser", "Customer", "CreateCustomer", "PutSubscription", "Add", "SwapRun", "Run"} {
		if !failed[method] {
			t.Errorf("%s never failed: the test tests nothing", method)
		}
	}
}

// downPeople is a customer system that can not be asked.
type downPeople struct {
	publisher.Customers
	calls *[]string
	err   error
	wait  time.Duration
}

func (d downPeople) fail(ctx context.Context, name string) error {
	*d.calls = append(*d.calls, name)
	select {
	case <-time.After(d.wait):
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.err
}

func (d downPeople) Search(ctx context.Context, q publisher.Search) (publisher.Person, error) {
	if err := d.fail(ctx, "Search"); err != nil {
		return publisher.Person{}, err
	}
	return publisher.Person{Number: q.Number}, nil
}

func (d downPeople) ByCredential(ctx context.Context, _ publisher.CredentialSearch) ([]publisher.Person, error) {
	return nil, d.fail(ctx, "ByCredential")
}

func (d downPeople) Offers(ctx context.Context, _, _ string) ([]publisher.Offer, error) {
	return nil, d.fail(ctx, "Offers")
}

func (d downPeople) Tie(ctx context.Context, _ publisher.Tie) error { return d.fail(ctx, "Tie") }

func (d downPeople) Untie(ctx context.Context, _ publisher.Tie) error { return d.fail(ctx, "Untie") }

// A publisher's system that is down or frozen costs the reader a moment and
// neither the page nor a guess; the fault is told within 5 seconds.
func TestRegisterOutageOfThePublisher(t *testing.T) {
	for name, wait := range map[string]time.Duration{"down": 0, "frozen": time.Hour} {
		var calls []string
		s := newSite(t, func(c *connectid.Config) {
			c.Limits = account.Limits{SearchesPerUser: account.Budget{N: 1, Window: time.Hour}}
			c.Customers = map[string]publisher.Customers{"partner": downPeople{calls: &calls, err: errors.New("boom"), wait: wait}}
		})
		s.user(kari, password)
		synctest.Test(t, func(t *testing.T) {
			b := s.login(kari, password, false)
			var began time.Time
			within := func(what string) {
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s: %s took %v", name, what, took)
				}
			}
			began = time.Now()
			b.open("register").wantStatus(200).wantState("searchSubscriberState")
			within("the page")
			for range 3 {
				began = time.Now()
				b.search("1", "Nordmann", "").wantStatus(200).wantState("searchSubscriberState")
				within("the search")
				if !strings.Contains(b.body, "isn’t answering") {
					t.Errorf("%s: %s", name, alerts(b.body))
				}
			}
		})
	}
}

// The publisher's system says no at the last step: nothing is tied.
func TestRegisterPublisherRefusesTie(t *testing.T) {
	for _, refusal := range []error{publisher.ErrTied, publisher.ErrNotFound} {
		s := newSite(t, func(c *connectid.Config) {
			c.Customers = map[string]publisher.Customers{"partner": refusingTie{publisher.NewStoreCustomers(c.Store.(publisher.Store)), refusal}}
		})
		s.user(kari, password)
		s.customer(1, "Nordmann", "0150")
		b := s.login(kari, password, false)
		b.open("register").search("1", "Nordmann", "").wantState("subscriberTakenState")
		if s.number(kari) != 0 {
			t.Errorf("%v: tied all the same", refusal)
		}
	}
}

type refusingTie struct {
	publisher.Customers
	err error
}

func (r refusingTie) Tie(context.Context, publisher.Tie) error { return r.err }
