package connectid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
	"github.com/connectid-kit/connectid/theme"
)

const karisMobile = "+4740612345"

// addPhone gives the user a second, verified credential.
func (s *site) addPhone(u store.User) store.User {
	s.t.Helper()
	u, err := s.store.User(context.Background(), u.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Phone, Identity: karisMobile, Spelling: "406 12 345", VerifiedAt: time.Now(), AddedAt: time.Now()})
	if err := s.store.UpdateUser(context.Background(), u); err != nil {
		s.t.Fatal(err)
	}
	return s.reread(u)
}

func (s *site) reread(u store.User) store.User {
	s.t.Helper()
	u, err := s.store.User(context.Background(), u.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// buttons returns what the buttons with the event send.
func (b *browser) buttons(event string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`name="event" value="([^"]*)"`).FindAllStringSubmatch(b.body, -1) {
		if m[1] == event || strings.HasPrefix(m[1], event+" ") {
			all = append(all, strings.ReplaceAll(m[1], "&#43;", "+"))
		}
	}
	return all
}

func (s *site) sent(kind message.Kind) (to []string) {
	for _, m := range s.outbox.List() {
		if m.Kind == kind {
			to = append(to, m.To)
		}
	}
	slices.Sort(to)
	return to
}

func count[T any](t *testing.T, seq func(func(T, error) bool)) (n int) {
	t.Helper()
	for _, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAccountShowsWhatThereIs(t *testing.T) {
	s := newSite(t)
	u := s.addPhone(s.user(kari, password))
	b := s.login(kari, password, true)
	tokens(t, b)
	b.open("account").wantStatus(200).wantState("accountState")
	for _, want := range []string{kari, "406 12 345", "You have a password.", "Firefox Windows", "This device", "Logged in at paper", "Remembers you at paper", "Remove access", "You haven’t told us your name."} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	// Two sessions (the sign-up's, this one) and a series; this browser's two are
	// marked, and only the other can be ended.
	if n := strings.Count(b.body, "This device"); n != 2 {
		t.Errorf("%d devices are this one; want session and series", n)
	}
	if got := b.buttons("endDeviceEvent"); len(got) != 1 {
		t.Errorf("%d devices can be ended: %q; want the sign-up's", len(got), got)
	}
	if !strings.Contains(b.body, "No membership is connected to the account.") {
		t.Error("the page does not say that there is no membership")
	}
	for sess, err := range s.store.UserSessions(t.Context(), u.ID) {
		if err != nil || strings.Contains(b.body, sess.Handle.String()) || strings.Contains(b.body, sess.Check.String()) {
			t.Errorf("the page holds the digest of a session (%v)", err)
		}
	}
	for series, err := range s.store.UserSeries(t.Context(), u.ID) {
		if err != nil || strings.Contains(b.body, series.ID) {
			t.Errorf("the page holds the ID of a series (%v)", err)
		}
	}
	b.submit("navigateAwayEvent").wantAt(returnURL)
}

func TestAccountLogsInFirst(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	b.open("account").wantState("startLoginState")
	b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("accountState")
	// Logged in as somebody else than the link names: she logs in, and it goes on.
	s.user(ola, password)
	o := s.login(ola, password, false)
	o.open("account", "credential", kari).submit("verifyCredentialsEvent", "password", password).wantState("accountState")
	if !strings.Contains(o.body, kari) || strings.Contains(o.body, ola) || !o.url.Query().Has("run") {
		t.Errorf("the page at %s is not Kari's, or not of this run", o.url)
	}
	away := s.browser()
	away.open("account").submit("navigateAwayEvent")
	if !strings.HasPrefix(away.url.String(), errorURL+"?error=access_denied") {
		t.Errorf("who leaves without logging in is at %s", away.url)
	}
	// Remembered: no question.
	r := s.login(kari, password, true)
	r.forget("-session")
	r.open("account").wantState("accountState")
	// A new password on the way in leads there too.
	f := s.browser()
	f.open("account").submit("forgotPasswordEvent", "credential", kari).submit("sendVerificationCodeEvent")
	f.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	f.submit("setPasswordEvent", "newPassword", "skog-og-strand-8", "newPasswordAgain", "skog-og-strand-8").wantState("accountState")
}

// forget removes the cookies whose name ends so, as closing the browser does.
func (b *browser) forget(end string) {
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/user/loginCheck"}) {
		if strings.HasSuffix(c.Name, end) {
			gone := *c
			gone.MaxAge, gone.Path, gone.Secure = -1, "/", true
			b.jar.SetCookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"}, append(b.jar.Cookies(b.url)[:0:0], &gone))
		}
	}
}

func TestAccountProfile(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	b := s.login(kari, password, false)
	b.open("account").submit("editProfileEvent").wantState("profileState")
	b.submit("saveProfileEvent", "firstName", strings.Repeat("x", 101), "lastName", "Ny", "language", "fi").wantState("profileState")
	if f := b.form().fields; f.Get("lastName") != "Ny" || f.Get("language") != "fi" || !strings.Contains(b.body, `role="alert"`) {
		t.Errorf("after a fault the page shows %v", f)
	}
	b.submit("saveProfileEvent", "firstName", " Kari ", "lastName", "Nordmann", "language", "sv").wantState("accountState")
	if u = s.reread(u); u.FirstName != "Kari" || u.LastName != "Nordmann" || u.Language != "sv" {
		t.Errorf("stored %+v", u)
	}
	// From now on her pages are Swedish, unless the URL asks for another language.
	if !strings.Contains(b.body, "Kari Nordmann") || !strings.Contains(b.body, "Ändringarna har sparats.") || !strings.Contains(b.body, `<html lang="sv"`) {
		t.Error("the overview does not show the new name, or not in her language")
	}
	b.open("account", "lang", "da")
	if !strings.Contains(b.body, `<html lang="da"`) {
		t.Error("the language that the URL asks for is not shown")
	}
	b.open("account").submit("editProfileEvent").submit("navigateAwayEvent").wantState("accountState")
	b.open("account").submit("editProfileEvent").submit("saveProfileEvent", "language", "klingon").wantState("accountState")
	if got := s.reread(u); got.Language != "sv" || got.Version != u.Version {
		t.Errorf("an unknown language is stored as %q, or nothing at all was stored anew", got.Language)
	}
}

func TestAccountRemoveCredential(t *testing.T) {
	s := newSite(t)
	u := s.addPhone(s.user(kari, password))
	b := s.login(kari, password, false)
	b.open("account")
	if got := b.buttons("removeCredentialEvent"); !slices.Equal(got, []string{"removeCredentialEvent A:" + kari, "removeCredentialEvent B:" + karisMobile}) {
		t.Fatalf("the buttons send %q", got)
	}
	b.submit("removeCredentialEvent A:" + kari).wantState("removeCredentialState")
	if len(s.reread(u).Credentials) != 2 {
		t.Fatal("removed before it was confirmed")
	}
	b.submit("navigateAwayEvent").wantState("accountState")
	b.submit("removeCredentialEvent A:" + kari).submit("credentialRemovedEvent").wantState("accountState")
	if c := s.reread(u).Credentials; len(c) != 1 || c[0].Identity != karisMobile {
		t.Errorf("credentials %+v", c)
	}
	if got := s.sent(message.CredentialRemoved); !slices.Equal(got, []string{karisMobile, kari}) {
		t.Errorf("the notice went to %q; want the other and the removed one", got)
	}
	// The last one has no button, and a page that still has it does nothing.
	if got := b.buttons("removeCredentialEvent"); len(got) != 0 {
		t.Errorf("the last credential can be removed: %q", got)
	}
	b.submit("removeCredentialEvent B:" + karisMobile).wantState("removeCredentialState")
	b.submit("credentialRemovedEvent").wantState("removeCredentialState")
	if !strings.Contains(b.body, "only one left") || len(s.reread(u).Credentials) != 1 {
		t.Error("the last credential was removed, or nothing is said")
	}
	b.submit("navigateAwayEvent")
	b.submit("removeCredentialEvent A:somebody@example.com").wantState("accountState")
}

// Two tabs that remove one of two credentials each leave one.
func TestAccountRemoveBothAtOnce(t *testing.T) {
	s := newSite(t)
	u := s.addPhone(s.user(kari, password))
	b := s.login(kari, password, false)
	one, two := *b, *b
	one.open("account").submit("removeCredentialEvent A:" + kari).wantState("removeCredentialState")
	two.open("account").submit("removeCredentialEvent B:" + karisMobile).wantState("removeCredentialState")
	one.submit("credentialRemovedEvent").wantState("accountState")
	two.submit("credentialRemovedEvent").wantState("removeCredentialState")
	if c := s.reread(u).Credentials; len(c) != 1 {
		t.Errorf("credentials %+v", c)
	}
}

func TestAccountDevices(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	phone, work := s.login(kari, password, true), s.login(kari, password, false)
	here := s.login(kari, password, true)
	here.open("account")
	ends := here.buttons("endDeviceEvent") // sign-up, phone, its series, work
	if len(ends) != 4 {
		t.Fatalf("%d others can be ended; want 4", len(ends))
	}
	// Somebody else's form does nothing to them.
	s.user(ola, password)
	foe := s.login(ola, password, false)
	foe.open("account")
	for _, e := range ends {
		foe.submit(e).wantState("accountState")
	}
	if !phone.loggedIn() || !work.loggedIn() {
		t.Fatal("another user has ended them")
	}
	for _, e := range ends {
		here.submit(e).wantState("accountState")
	}
	if got := here.buttons("endDeviceEvent"); len(got) != 0 {
		t.Errorf("still there: %q", got)
	}
	if phone.loggedIn() || work.loggedIn() {
		t.Error("an ended device is logged in, by session or remember-me")
	}
	if !here.loggedIn() {
		t.Error("this one has been ended too")
	}
	if n := count(t, s.store.UserSeries(t.Context(), u.ID)); n != 1 {
		t.Errorf("%d series are left; want this browser's", n)
	}
	here.submit(ends[0]).wantState("accountState") // once more is no fault
}

func TestAccountEndOthers(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	phone, here := s.login(kari, password, true), s.login(kari, password, true)
	here.open("account").submit("endOthersEvent").wantState("accountState")
	if phone.loggedIn() {
		t.Error("the other is logged in")
	}
	if !here.loggedIn() {
		t.Error("this one is not")
	}
	if len(here.buttons("endOthersEvent")) != 0 {
		t.Error("there is nothing to end, and a button for it")
	}
	here.forget("-session")
	if !here.loggedIn() {
		t.Error("this one's remember-me has been ended")
	}
}

func TestAccountSites(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	b := s.login(kari, password, false)
	first, second := tokens(t, b), tokens(t, b)
	b.open("account")
	if got := b.buttons("disconnectEvent"); !slices.Equal(got, []string{"disconnectEvent " + clientID}) {
		t.Fatalf("buttons %q; want one for the client with both grants", got)
	}
	b.submit("disconnectEvent " + otherID).wantState("accountState")
	if n := count(t, s.store.UserGrants(t.Context(), u.ID)); n != 2 {
		t.Fatalf("%d grants are left after another client was disconnected", n)
	}
	b.submit("disconnectEvent " + clientID).wantState("accountState")
	for _, answer := range []map[string]any{first, second} {
		if _, err := s.store.AccessToken(t.Context(), store.DigestOf(answer["access_token"].(string))); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the access token still works: %v", err)
		}
	}
	if !strings.Contains(b.body, "No site or app") {
		t.Error("the page does not say that no site has access")
	}
}

// What she agreed to is listed, also at a site that holds no grant, and goes with the
// access.
func TestAccountShowsConsent(t *testing.T) {
	s := newSite(t)
	reading := paper("no.example.reading", "reading")
	reading.ConsentRequired, reading.Scopes = true, []string{"openid", "email", "loans"}
	if err := s.store.PutClient(t.Context(), reading); err != nil {
		t.Fatal(err)
	}
	u := s.user(kari, password)
	b := s.login(kari, password, false)
	request := loginURL + "/oauth/authorize?" + url.Values{
		"client_id": {reading.ID}, "redirect_uri": {reading.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid email loans"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
	b.get(request).wantState("consentState")
	for _, want := range []string{"Give reading access?", "https://reading.example/terms", "https://reading.example/\"", "k•••@example.com", "See your e-mail address", "Use “loans”"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	b.submit("consentEvent")
	if b.url.Host != "reading.example" || b.url.Query().Get("code") == "" {
		t.Fatalf("at %s", b.url)
	}
	b.open("account").wantState("accountState")
	for _, want := range []string{"need not ask you again", "You have agreed to:", "See your e-mail address", "Use “loans” on your behalf"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if got := b.buttons("disconnectEvent"); !slices.Equal(got, []string{"disconnectEvent " + reading.ID}) {
		t.Fatalf("buttons %q", got)
	}
	b.submit("disconnectEvent " + reading.ID).wantState("accountState")
	if _, err := s.store.Consent(t.Context(), u.ID, reading.ID); !errors.Is(err, store.ErrNotFound) || !strings.Contains(b.body, "No site or app") {
		t.Errorf("consent is left: %v", err)
	}
	b.get(request).wantState("consentState")
}

func TestAccountExport(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) {
		c.Parts = []account.Part{{Name: "loyalty", List: func(_ context.Context, u store.User) ([]account.PartItem, error) {
			return []account.PartItem{{Title: "Gold", Data: map[string]int{"points": 7}}}, nil
		}}}
	})
	u := s.addPhone(s.user(kari, password))
	b := s.login(kari, password, true)
	answer := tokens(t, b)
	b.open("account").submit("exportEvent").wantState("exportState")
	page := b.form()
	b.submit("downloadEvent").wantStatus(200)
	if got := b.headers.Get("Content-Disposition"); got != `attachment; filename="account.json"` {
		t.Errorf("Content-Disposition %q", got)
	}
	if got := b.headers.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control %q", got)
	}
	var x account.Export
	if err := json.Unmarshal([]byte(b.body), &x); err != nil {
		t.Fatal(err)
	}
	if x.Account.ID != u.ID || len(x.Credentials) != 2 || len(x.Devices) != 3 || len(x.Sites) != 1 || x.Parts["loyalty"][0].Title != "Gold" || !x.Account.HasPassword {
		t.Errorf("exported %+v", x)
	}
	secrets := []string{u.PasswordHash, answer["access_token"].(string), answer["refresh_token"].(string), b.cookie("-session"), b.cookie("-check")}
	for sess := range s.store.UserSessions(t.Context(), u.ID) {
		secrets = append(secrets, sess.Handle.String(), sess.Check.String())
	}
	for g := range s.store.UserGrants(t.Context(), u.ID) {
		secrets = append(secrets, g.ID, g.Refresh.String())
	}
	for r := range s.store.UserSeries(t.Context(), u.ID) {
		secrets = append(secrets, r.ID, r.Current.String())
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(b.body, secret) {
			t.Errorf("the export holds the secret %q", secret)
		}
	}
	// The page stays open: it can be used at once, and downloads again.
	b.submitPage(page, "downloadEvent").wantStatus(200)
	if !strings.HasPrefix(b.body, "{") {
		t.Error("a second download is none")
	}
	b.submitPage(page, "navigateAwayEvent").wantState("accountState")
}

func TestAccountDelete(t *testing.T) {
	var hook error
	var told []string
	var events []flows.Event
	s := newSite(t, func(c *connectid.Config) {
		c.OnDelete = func(_ context.Context, u store.User) error {
			told = append(told, u.ID)
			return hook
		}
		c.OnEvent = func(_ context.Context, h flows.Happening) { events = append(events, h.Event) }
	})
	u := s.addPhone(s.user(kari, password))
	other := s.login(kari, password, true)
	b := s.login(kari, password, true)
	answer := tokens(t, b)
	coded := s.browser()
	coded.open("login").submit("sendVerificationCodeEvent", "credential", kari)

	b.open("account").submit("deleteAccountEvent").wantState("deleteAccountState")
	for _, typed := range []string{"", "delete", ola, "kari"} {
		b.submit("accountDeletedEvent", "confirmation", typed).wantState("deleteAccountState")
		if !strings.Contains(b.body, "It doesn’t match") {
			t.Errorf("%q: nothing is said", typed)
		}
	}
	hook = errors.New("the host's database is down")
	b.submit("accountDeletedEvent", "confirmation", kari).wantStatus(503)
	if _, err := s.store.User(t.Context(), u.ID); err != nil || !other.loggedIn() || len(told) != 1 {
		t.Fatalf("after the host's callback failed: %v, told %q", err, told)
	}
	hook = nil
	b.open("account").submit("deleteAccountEvent")
	b.submit("accountDeletedEvent", "confirmation", " 40 61 23 45 ").wantState("accountDeletedState")
	if strings.Contains(b.body, kari) {
		t.Error("the last page still shows the address")
	}
	if _, err := s.store.User(t.Context(), u.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user is %v", err)
	}
	if n := count(t, s.store.UserSessions(t.Context(), u.ID)) + count(t, s.store.UserSeries(t.Context(), u.ID)) + count(t, s.store.UserGrants(t.Context(), u.ID)); n != 0 {
		t.Errorf("%d sessions, series and grants are left", n)
	}
	if _, err := s.store.AccessToken(t.Context(), store.DigestOf(answer["access_token"].(string))); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the access token still works: %v", err)
	}
	if other.loggedIn() || b.loggedIn() {
		t.Error("somebody is still logged in")
	}
	coded.submit("verificationEvent", "code", s.code(kari)).wantState("verificationState") // the code has gone too
	if got := s.sent(message.AccountDeleted); !slices.Equal(got, []string{karisMobile, kari}) {
		t.Errorf("the notice went to %q", got)
	}
	if !slices.Equal(told, []string{u.ID, u.ID}) || !slices.Contains(events, flows.AccountDeleted) {
		t.Errorf("the host was told of %q, the observer of %q", told, events)
	}
	b.submit("navigateAwayEvent").wantAt(returnURL)
	if b.cookie("-session") != "" || b.cookie("-check") != "" {
		t.Error("cookies are left in the browser")
	}
	// The address is free again.
	s.user(kari, "et-helt-nytt-passord")
}

// A store that fails at any call of a deletion leaves an account that can be
// logged in to, and deleted again, or none.
func TestAccountDeleteIsNeverHalf(t *testing.T) {
	calls := 0
	for nth := 1; ; nth++ {
		for _, after := range []bool{false, true} {
			var faulty *storetest.Faulty
			s := newSite(t, func(c *connectid.Config) {
				faulty = storetest.NewFaulty(c.Store)
				c.Store = faulty
			})
			u := s.addPhone(s.user(kari, password))
			b := s.login(kari, password, true)
			tokens(t, b)
			b.open("account").submit("deleteAccountEvent").wantState("deleteAccountState")
			page := b.form()
			faulty.Calls()
			faulty.Inject(storetest.Fault{Nth: nth, After: after})
			b.submitPage(page, "accountDeletedEvent", "confirmation", kari)
			faulty.Heal()
			calls = len(faulty.Calls())
			name := fmt.Sprintf("call %d, after %v", nth, after)
			if _, err := s.store.User(t.Context(), u.ID); err == nil {
				again := s.login(kari, password, false)
				again.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari).wantState("accountDeletedState")
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			if _, err := s.store.UserByCredential(t.Context(), store.Phone, karisMobile); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: the number belongs to %v", name, err)
			}
			if b.loggedIn() {
				t.Errorf("%s: still logged in", name)
			}
			if n := count(t, s.store.UserSeries(t.Context(), u.ID)) + count(t, s.store.UserGrants(t.Context(), u.ID)); n != 0 {
				t.Errorf("%s: %d series and grants are left", name, n)
			}
		}
		if nth > calls {
			break
		}
	}
	if calls < 10 {
		t.Errorf("a deletion makes %d calls; the test can not be right", calls)
	}
}

// A page that was made for one user does nothing to another who has logged in
// since, and is not shown to her.
func TestAccountPagesAreTheirOwners(t *testing.T) {
	s := newSite(t)
	s.addPhone(s.user(kari, password))
	olas := s.user(ola, password)
	b := s.login(kari, password, false)
	b.open("account")
	overview := b.form()
	edit := *b
	edit.submit("editProfileEvent").wantState("profileState")
	profile, at := edit.form(), edit.url.String()
	remove := *b
	remove.open("account").submit("removeCredentialEvent A:" + kari).wantState("removeCredentialState")
	confirm := remove.form()

	// Ola logs in with the same browser, without logging out first.
	b.open("login", "credential", ola).submit("verifyCredentialsEvent", "credential", ola, "password", password).wantAt(returnURL)
	elsewhere := s.login(ola, password, false)
	b.get(at).wantState("accountState")
	if strings.Contains(b.body, kari) || !strings.Contains(b.body, ola) {
		t.Error("Ola is shown Kari's page")
	}
	// The tokens of forms are renewed at login; a page that knows the new one is
	// what remains to be judged.
	token := b.form().fields.Get("csrf_token")
	for name, p := range map[string]page{"endOthersEvent": overview, "saveProfileEvent": profile, "credentialRemovedEvent": confirm} {
		p.fields.Set("csrf_token", token)
		b.submitPage(p, name, "firstName", "Kari")
		if b.state() != "accountState" || !strings.Contains(b.body, ola) {
			t.Errorf("%s of Kari's page leads to %q", name, b.state())
		}
	}
	if got := s.reread(olas); got.FirstName != "" || len(got.Credentials) != 1 || !elsewhere.loggedIn() {
		t.Errorf("Kari's page has changed Ola's account: %+v", got)
	}
}

// What only a fresh login may do asks again when the login has grown old, also on
// a page that was opened in time.
func TestAccountAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		u := s.addPhone(s.user(kari, password))
		b := s.login(kari, password, false)
		for _, event := range []string{"removeCredentialEvent A:" + kari, "exportEvent", "deleteAccountEvent"} {
			time.Sleep(5 * time.Minute)
			b.open("account").submit(event).wantState("confirmUserState")
			b.submit("verifyCredentialsEvent", "password", "wrong").wantState("confirmUserState")
			old := b.cookie("-session")
			b.submit("verifyCredentialsEvent", "password", password)
			if want := map[string]string{"removeCredentialEvent A:" + kari: "removeCredentialState", "exportEvent": "exportState", "deleteAccountEvent": "deleteAccountState"}[event]; b.state() != want {
				t.Fatalf("%s leads to %q", event, b.state())
			}
			if b.cookie("-session") == old {
				t.Errorf("%s: the session has its old handle", event)
			}
			// Left open for too long.
			time.Sleep(5 * time.Minute)
			b.submit(map[string]string{"removeCredentialState": "credentialRemovedEvent", "exportState": "downloadEvent", "deleteAccountState": "accountDeletedEvent"}[b.state()],
				"confirmation", kari).wantState("confirmUserState")
			b.submit("navigateAwayEvent").wantState("accountState")
		}
		if got := s.reread(u); len(got.Credentials) != 2 {
			t.Error("something was done by a login that was not fresh")
		}
		// A session that ends while a page is open: log in, and be where one was.
		page := b.form()
		time.Sleep(22 * time.Minute)
		b.submitPage(page, "editProfileEvent").wantState("startLoginState")
		b.submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("accountState")
	})
}

// Sections come from the parts that the kit is given.
func TestAccountParts(t *testing.T) {
	removed := 0
	fail := false
	s := newSite(t, func(c *connectid.Config) {
		c.Parts = []account.Part{
			{Name: "memberships", Page: "login", List: func(_ context.Context, u store.User) ([]account.PartItem, error) {
				if fail {
					return nil, errors.New("down")
				}
				return []account.PartItem{{Title: "Turlaget <b>", Detail: "since 2020"}}, nil
			}, Remove: func(context.Context, store.User) error { removed++; return nil }},
			{Name: "subscriptions", List: func(context.Context, store.User) ([]account.PartItem, error) { return nil, nil }},
		}
	})
	s.user(kari, password)
	b := s.login(kari, password, false)
	b.open("account")
	for _, want := range []string{"Memberships", "Turlaget &lt;b&gt;", "since 2020", "Activate a membership", "No subscription is connected"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(b.body, "Workplaces") {
		t.Error("a part is shown that there is not")
	}
	u, err := s.store.UserByCredential(t.Context(), store.Email, kari)
	if err != nil {
		t.Fatal(err)
	}
	link := store.DirectoryLink{Directory: "acme", UserID: u.ID, Tenant: "tenant", ObjectID: "person", CreatedAt: time.Now()}
	if err := s.store.PutDirectoryLink(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	if b.open("account"); !strings.Contains(b.body, "Workplaces") || !strings.Contains(b.body, "acme") {
		t.Error("her workplace is not shown")
	}
	fail = true
	if b.open("account").wantStatus(200); !strings.Contains(b.body, "Workplaces") || !strings.Contains(b.body, `role="alert"`) {
		t.Error("a part that can not be asked takes others away, or nothing is said of it")
	}
	fail = false
	b.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari).wantState("accountDeletedState")
	if removed != 1 {
		t.Errorf("the part was told to remove %d times", removed)
	}
	if _, err := s.store.DirectoryUser(t.Context(), "tenant", "person"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the person of the workplace is %v; want free for another account", err)
	}
	if _, err := connectid.New(func() connectid.Config {
		c := config(s.store, s.outbox)
		c.Parts = []account.Part{{Name: "x"}}
		return c
	}()); err == nil {
		t.Error("a part without a List passes")
	}
}

// The link to the password comes back to the account.
func TestAccountPasswordLink(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, false)
	b.open("account")
	m := regexp.MustCompile(`id="passwordLink" href="([^"]*)"`).FindStringSubmatch(b.body)
	if m == nil {
		t.Fatal("no link to the password")
	}
	b.get(strings.ReplaceAll(m[1], "&amp;", "&")).wantState("newPasswordState")
	b.submit("setPasswordEvent", "newPassword", "skog-og-strand-8", "newPasswordAgain", "skog-og-strand-8").wantState("accountState")
	s.login(kari, "skog-og-strand-8", false)
	// So does the one to another address.
	if m = regexp.MustCompile(`id="addCredentialLink" href="([^"]*)"`).FindStringSubmatch(b.body); m == nil {
		t.Fatal("no link to another credential")
	}
	b.get(strings.ReplaceAll(m[1], "&amp;", "&")).wantState("startMergeState")
	b.submit("sendVerificationCodeEvent", "credential", "kari2@example.com").submit("verificationEvent", "code", s.code("kari2@example.com")).wantState("accountState")
	if len(b.buttons("removeCredentialEvent")) != 2 {
		t.Errorf("the new address is not shown")
	}
	// An account that became part of hers is in the export, and goes with her.
	s.user(ola, password)
	b.get(strings.ReplaceAll(m[1], "&amp;", "&")).submit("sendVerificationCodeEvent", "credential", ola)
	b.submit("verificationEvent", "code", s.code(ola)).submit("mergeEvent").wantState("accountState")
	b.submit("exportEvent").submit("downloadEvent")
	var x account.Export
	if err := json.Unmarshal([]byte(b.body), &x); err != nil || len(x.Parts["merges"]) != 1 || !strings.Contains(b.body, `"absorbed"`) {
		t.Errorf("exported %+v, %v", x.Parts, err)
	}
	gone, err := s.store.UserByCredential(t.Context(), store.Email, ola)
	if err != nil {
		t.Fatal(err)
	}
	deleting := *b
	deleting.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", ola).wantState("accountDeletedState")
	if n := count(t, s.store.UserMerges(t.Context(), gone.ID)); n != 0 {
		t.Errorf("%d merges of a deleted account are left", n)
	}
	// Only the account pages themselves: nothing else of ours is a target.
	for back, want := range map[string]int{loginURL + "/account?clientId=x": 200, loginURL + "/accounts": 400, loginURL + "/account/../logout": 400, loginURL + "/logout": 400} {
		s.browser().open("login", "returnUrl", back).wantStatus(want)
	}
}

// Whatever happens to the session or the account while a page of My account is
// open, each of its buttons leads somewhere.
func TestAccountNoWall(t *testing.T) {
	ways := map[string][]string{ // the events that lead to a page of a stale login
		"accountState": nil, "profileState": {"editProfileEvent"},
		"confirmUserState":      {"exportEvent"},
		"confirmCodeState":      {"exportEvent", "sendVerificationCodeEvent"},
		"removeCredentialState": {"removeCredentialEvent A:" + kari, "verifyCredentialsEvent"},
		"exportState":           {"exportEvent", "verifyCredentialsEvent"},
		"deleteAccountState":    {"deleteAccountEvent", "verifyCredentialsEvent"},
	}
	happens := map[string]func(s *site, u store.User) error{
		"nothing": func(*site, store.User) error { return nil },
		"the session ends": func(s *site, u store.User) error {
			_, err := s.store.EndUserSessions(s.t.Context(), u.ID, store.Digest{})
			return err
		},
		"the account goes": func(s *site, u store.User) error { return s.store.DeleteUser(s.t.Context(), u.ID) },
		"the account is blocked": func(s *site, u store.User) error {
			u = s.reread(u)
			u.Blocked = true
			return s.store.UpdateUser(s.t.Context(), u)
		},
		"the credentials go": func(s *site, u store.User) error {
			u = s.reread(u)
			u.Credentials = u.Credentials[:1]
			u.Credentials[0].Identity, u.Credentials[0].Spelling = "kari2@example.com", "kari2@example.com"
			return s.store.UpdateUser(s.t.Context(), u)
		},
	}
	for _, state := range theme.States() {
		way, ok := ways[state.Name]
		if !ok {
			continue
		}
		for what, happen := range happens {
			for _, event := range state.Events {
				if event == "otherUserEvent" { // offered at the authorization endpoint alone
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t)
					u := s.addPhone(s.user(kari, password))
					b := s.login(kari, password, false)
					time.Sleep(6 * time.Minute)
					b.open("account")
					for _, e := range way {
						b.submit(e, "password", password)
					}
					b.wantState(state.Name)
					if err := happen(s, u); err != nil {
						t.Fatal(err)
					}
					page := b.form()
					look := *b
					if look.get(b.url.String()); look.status != 200 {
						t.Errorf("%s, %s: reload gives %d", state.Name, what, look.status)
					}
					b.submitPage(page, event, "code", "123456", "password", password, "confirmation", "kari2@example.com", "firstName", "Kari")
					left := b.url.String() == returnURL || b.url.String() == errorURL
					if !left && (b.status != 200 || b.state() == "" && event != "downloadEvent") {
						t.Errorf("%s, %s: %s leads to %d at %s", state.Name, what, event, b.status, b.url.Path)
					}
				})
			}
		}
	}
}

// Many posts of one form do its work once.
func TestAccountRacingPosts(t *testing.T) {
	for range 10 {
		var told atomic.Int32
		s := newSite(t, func(c *connectid.Config) {
			c.OnDelete = func(context.Context, store.User) error { told.Add(1); return nil }
		})
		u := s.addPhone(s.user(kari, password))
		b := s.login(kari, password, false)
		for _, step := range [][2]string{{"removeCredentialEvent B:" + karisMobile, "credentialRemovedEvent"}, {"deleteAccountEvent", "accountDeletedEvent"}} {
			b.open("account").submit(step[0])
			page := b.form()
			page.fields.Set("event", step[1])
			page.fields.Set("confirmation", kari)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if w := b.send("POST", page.action, page.fields); w.Code != 303 {
						t.Errorf("%s: %d", step[1], w.Code)
					}
				})
			}
			wg.Wait()
		}
		if n := len(s.sent(message.CredentialRemoved)); n != 2 {
			t.Errorf("%d notices of the removed credential; want 2", n)
		}
		if n := len(s.sent(message.AccountDeleted)); n != 1 || told.Load() != 1 {
			t.Errorf("%d notices of the deletion, the host was told %d times", n, told.Load())
		}
		if _, err := s.store.User(t.Context(), u.ID); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
}

// ties is a customer system that notes which ties it is told of.
type ties struct {
	publisher.Customers
	ended  []publisher.Tie
	down   bool
	frozen bool
}

func (p *ties) Subscriptions(ctx context.Context, partnerID string, number int64) ([]publisher.Subscription, error) {
	if p.frozen {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if p.down {
		return nil, errors.New("no route to the publisher")
	}
	return []publisher.Subscription{{ID: "1", PartnerID: partnerID, CustomerNumber: number, Name: "The weekend paper", Paid: true}}, nil
}

func (p *ties) Untie(_ context.Context, t publisher.Tie) error {
	p.ended = append(p.ended, t)
	return nil
}

// What publishers know of a reader is shown, exported, and told to end with her
// account.
func TestAccountAndPublishers(t *testing.T) {
	system := &ties{}
	s := newSite(t, func(c *connectid.Config) { c.Customers = map[string]publisher.Customers{"partner": system} })
	u := s.user(kari, password)
	u.Ties = []store.Tie{
		{Kind: store.CustomerTie, PartnerID: "partner", Number: "4711", TiedAt: time.Now()},
		{Kind: store.MembershipTie, PartnerID: "partner", Number: "M-13", TiedAt: time.Now()},
	}
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b := s.login(kari, password, false)
	b.open("account").wantState("accountState")
	for _, want := range []string{"The weekend paper", "4711", "M-13"} {
		if !strings.Contains(b.body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	// A publisher's outage takes no more than its own part of the page away; an
	// export is whole or none.
	synctest.Test(t, func(t *testing.T) {
		for _, frozen := range []bool{false, true} {
			system.down, system.frozen = true, frozen
			b.open("account").wantStatus(200).wantState("accountState")
			if strings.Contains(b.body, "no route") || !strings.Contains(b.body, `role="alert"`) || !strings.Contains(b.body, "M-13") || !strings.Contains(b.body, kari) {
				t.Errorf("with a publisher that is down (frozen: %t), the page lacks what is there, or tells too much", frozen)
			}
			if _, err := s.kit.Accounts().Export(t.Context(), u.ID); err == nil {
				t.Error("an export lacks what a publisher knows")
			}
		}
		system.down, system.frozen = false, false
	})
	b.open("account").wantState("accountState")
	x, err := s.kit.Accounts().Export(t.Context(), u.ID)
	if err != nil || len(x.Account.Ties) != 2 || len(x.Parts["subscriptions"]) != 1 || len(x.Parts["memberships"]) != 1 {
		t.Errorf("the export holds %+v, %v", x, err)
	}
	b.submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari).wantState("accountDeletedState")
	if want := (publisher.Tie{PartnerID: "partner", Number: "4711", UserID: u.ID}); len(system.ended) != 1 || system.ended[0] != want {
		t.Errorf("the publisher was told of %+v; want %+v", system.ended, want)
	}
}
