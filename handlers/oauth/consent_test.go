package oauth_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

const consents = "openid profile"

// asks is a request of the client that has to ask.
func asks(scope string, pairs ...string) url.Values {
	return more("asking", append(pairs, "scope", scope)...)
}

func (p *portal) consent(userID string) []string {
	p.tb.Helper()
	c, err := p.store.Consent(p.tb.Context(), userID, "asking")
	if err != nil {
		return nil
	}
	return c.Scopes
}

func TestConsent(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	// From the login to the question, in one way.
	page := wantState(t, b.visit(asks(consents)), "startLoginState")
	page = wantState(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password), "consentState")
	for _, want := range []string{
		"Reading Room", "Know that it is you", "See your name", "k•••@news.test", `name="scope" value="openid profile"`,
	} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("the page does not say %q:\n%s", want, page.Body)
		}
	}
	if strings.Contains(page.Body.String(), email) || strings.Contains(page.Body.String(), "See your e-mail") {
		t.Errorf("the page says too much:\n%s", page.Body)
	}
	if got := p.consent(p.user.ID); got != nil {
		t.Fatalf("consent to %q before she said yes", got)
	}
	code := wantCode(t, b.press(page, "consentEvent"))
	if got := p.consent(p.user.ID); !slices.Equal(got, []string{"openid", "profile"}) {
		t.Fatalf("consent to %q", got)
	}
	a := p.ok(basic("asking", webSecret, redeem(code)))
	if a.Scope != consents {
		t.Errorf("scope %q", a.Scope)
	}

	// Remembered, for less too, in another browser.
	wantCode(t, b.visit(asks(consents)))
	wantCode(t, b.visit(asks("profile")))
	wantCode(t, b.visit(asks("")))
	b2 := p.browser()
	b2.loginAs(email)
	wantCode(t, b2.visit(asks("openid")))

	// Only what is new is asked about.
	page = wantState(t, b.visit(asks("openid email read")), "consentState")
	body := page.Body.String()
	if !strings.Contains(body, `name="scope" value="email read"`) || !strings.Contains(body, "See your e-mail") || !strings.Contains(body, "“read”") ||
		!strings.Contains(body, "You have agreed to this before") || strings.Contains(body, "See your name") {
		t.Errorf("the page:\n%s", body)
	}
	wantCode(t, b.press(page, "consentEvent"))
	if got := p.consent(p.user.ID); !slices.Equal(got, []string{"email", "openid", "profile", "read"}) {
		t.Fatalf("consent to %q", got)
	}

	// prompt=consent asks always, about all of it.
	page = wantState(t, b.visit(asks(consents, "prompt", "consent")), "consentState")
	if !strings.Contains(page.Body.String(), `name="scope" value="openid profile"`) {
		t.Errorf("the page:\n%s", page.Body)
	}
	wantCode(t, b.press(page, "consentEvent"))
	wantState(t, b.visit(asks(consents, "prompt", "consent")), "consentState")
	// The publisher's own clients ask nobody.
	wantCode(t, b.visit(more("web", "prompt", "consent")))
}

// Without a scope there is still the question who may know her.
func TestConsentToNothing(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	page := wantState(t, b.visit(asks("")), "consentState")
	code := wantCode(t, b.press(page, "consentEvent"))
	p.ok(basic("asking", webSecret, redeem(code)))
	wantCode(t, b.visit(asks("")))
	wantState(t, b.visit(asks("openid")), "consentState")
}

func TestConsentDenied(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	page := wantState(t, b.visit(asks(consents)), "consentState")
	wantError(t, b.press(page, "navigateAwayEvent"), "access_denied")
	if got := p.consent(p.user.ID); got != nil {
		t.Fatalf("consent to %q", got)
	}
	// She has gone back, and thinks better of it.
	wantCode(t, b.press(page, "consentEvent"))

	// Two tabs: a yes in one is no yes in the other, and a no after a yes is a no.
	request := asks("openid profile email")
	one, two := wantState(t, b.visit(request), "consentState"), wantState(t, b.visit(request), "consentState")
	wantCode(t, b.press(one, "consentEvent"))
	wantError(t, b.press(two, "navigateAwayEvent"), "access_denied")
	wantError(t, b.press(one, "navigateAwayEvent"), "access_denied")
	wantCode(t, b.press(two, "consentEvent"))
	if got := p.consent(p.user.ID); !slices.Equal(got, []string{"email", "openid", "profile"}) {
		t.Fatalf("consent to %q: what she agreed to is taken back in My account", got)
	}
}

// What counts is what she has read.
func TestConsentToWhatIsShown(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	wantCode(t, b.press(wantState(t, b.visit(asks("openid")), "consentState"), "consentEvent"))
	page := wantState(t, b.visit(asks("openid email")), "consentState") // asks for email alone
	if err := p.accounts.Disconnect(t.Context(), p.user.ID, "asking"); err != nil {
		t.Fatal(err)
	}
	page = wantState(t, b.press(page, "consentEvent"), "consentState")
	if got := p.consent(p.user.ID); got != nil || !strings.Contains(page.Body.String(), `name="scope" value="openid email"`) {
		t.Fatalf("consent to %q; the page:\n%s", got, page.Body)
	}
	// Nor does the form say what she agrees to beyond the request.
	wantCode(t, b.press(page, "consentEvent", "scope", "openid email profile read admin"))
	if got := p.consent(p.user.ID); !slices.Equal(got, []string{"email", "openid"}) {
		t.Fatalf("consent to %q", got)
	}
	for _, scope := range []string{"", "openid", "x"} {
		page = wantState(t, b.visit(asks("openid email profile read")), "consentState")
		wantState(t, b.press(page, "consentEvent", "scope", scope), "consentState")
	}
}

// A page that was made for one user says nothing for another.
func TestConsentOfAnother(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	ola := p.other()
	b := p.browser()
	b.loginAs(email)
	page := wantState(t, b.visit(asks(consents)), "consentState")
	login := wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
	second := wantState(t, b.press(login, "verifyCredentialsEvent", "credential", otherEmail, "password", password), "consentState")
	n := len(st.codes)
	got := b.press(page, "consentEvent") // with the back button
	if len(st.codes) != n || p.consent(p.user.ID) != nil || p.consent(ola.ID) != nil {
		t.Fatalf("answer %d %q: the page of one user agreed for another", got.Code, got.Header().Get("Location"))
	}
	wantCode(t, b.press(b.follow(b.visit(asks(consents))), "consentEvent"))
	if c := st.last(t); c.UserID != ola.ID || p.consent(ola.ID) == nil || p.consent(p.user.ID) != nil {
		t.Errorf("the code is of %s, want %s", c.UserID, ola.ID)
	}
	_ = second

	// She agrees, has to prove who she is, and is somebody else: who is asked again.
	b = p.browser()
	b.loginAs(email)
	p.store.DeleteConsent(t.Context(), ola.ID, "asking")
	page = wantState(t, b.visit(asks(consents, "prompt", "login")), "confirmUserState")
	page = wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
	wantState(t, b.press(page, "verifyCredentialsEvent", "credential", otherEmail, "password", password), "consentState")
	if p.consent(ola.ID) != nil {
		t.Error("consent of nobody")
	}

	// Logged out meanwhile: who comes next is asked herself.
	b = p.browser()
	b.loginAs(email)
	page = wantState(t, b.visit(asks(consents)), "consentState")
	endSessions(t, p, p.user.ID)
	page = wantState(t, b.press(page, "consentEvent"), "startLoginState")
	if p.consent(p.user.ID) != nil {
		t.Error("a user who is not logged in agreed")
	}
	wantState(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password), "consentState")
}

// 64 clicks on the same button: each gets a code of one consent, or the page's own
// address again, and each code is good once.
func TestConsentRace(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	for _, prompt := range []string{"", "consent"} {
		page := wantState(t, b.visit(asks(consents, "prompt", prompt)), "consentState")
		clicks := make([]*browser, 64)
		for i := range clicks {
			clicks[i] = b.copy()
		}
		answers := make([]*httptest.ResponseRecorder, len(clicks))
		var all sync.WaitGroup
		for i, c := range clicks {
			all.Go(func() { answers[i] = c.press(page, "consentEvent") })
		}
		all.Wait()
		codes := map[string]bool{}
		for _, w := range answers {
			if w.Code == http.StatusOK && prompt == "consent" { // over: asked anew
				wantState(t, w, "consentState")
				continue
			}
			code := wantCode(t, w)
			if codes[code] {
				t.Error("one code twice")
			}
			codes[code] = true
		}
		if len(codes) == 0 {
			t.Fatal("no code")
		}
		for code := range codes {
			p.ok(basic("asking", webSecret, redeem(code)))
			p.refused(basic("asking", webSecret, redeem(code)), 400, oauth.InvalidGrant)
		}
		if err := p.accounts.Disconnect(t.Context(), p.user.ID, "asking"); err != nil {
			t.Fatal(err)
		}
	}
}

// The second half of a double click gets the same end, of a run that has started no
// session too; for who is logged in by then it is none.
func TestConsentDoubleClick(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	p.other()
	b := p.browser()
	b.loginAs(email)
	page := wantState(t, b.visit(asks(consents, "prompt", "consent")), "consentState")
	double := b.copy()
	wantCode(t, b.press(page, "consentEvent"))
	wantCode(t, double.press(page, "consentEvent"))
	v := url.Values{"run": {html.UnescapeString(hidden.FindAllStringSubmatch(page.Body.String(), 2)[1][2])}}
	again := issuer + "/oauthLogin?" + v.Encode()
	wantCode(t, b.follow(b.get(again)))
	n := len(st.codes)

	login := wantState(t, b.press(wantState(t, b.visit(more("web", "prompt", "select_account")), "selectAccountState"), "otherUserEvent"), "startLoginState")
	wantCode(t, b.press(login, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	wantState(t, b.follow(b.get(again)), "consentState") // hers
	endSessions(t, p, st.last(t).UserID)
	wantState(t, b.follow(b.get(again)), "startLoginState")
	if len(st.codes) != n+1 {
		t.Errorf("%d codes of a finished run for somebody else", len(st.codes)-n-1)
	}
}

// What the request demands of the login is demanded of the one with which a finished
// run goes on, too.
func TestFinishedRunOfAnotherLogin(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	b := p.browser()
	b.loginAs(email, "rememberMe", "true")
	page := wantState(t, b.visit(asks(consents, "max_age", "1000")), "consentState")
	wantCode(t, b.press(page, "consentEvent"))
	again := issuer + "/oauthLogin?" + form("run", html.UnescapeString(hidden.FindAllStringSubmatch(page.Body.String(), 2)[1][2])).Encode()
	wantCode(t, b.follow(b.get(again)))
	// She has left, and is known by her cookie alone.
	endSessions(t, p, p.user.ID)
	wantCode(t, b.visit(ask("web")))
	n := len(st.codes)
	wantState(t, b.follow(b.get(again)), "confirmUserState")
	if len(st.codes) != n {
		t.Errorf("a code of a login whose proof is %v, for a request with max_age", st.last(t).AuthenticatedAt)
	}
}

// A code is worth no more than the consent that it was given by.
func TestCodeOfWithdrawnConsent(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	code := wantCode(t, b.press(wantState(t, b.visit(asks(consents)), "consentState"), "consentEvent"))
	if err := p.accounts.Disconnect(t.Context(), p.user.ID, "asking"); err != nil {
		t.Fatal(err)
	}
	p.refused(basic("asking", webSecret, redeem(code)), 400, oauth.InvalidGrant)
	for g := range p.store.UserGrants(t.Context(), p.user.ID) {
		t.Errorf("grant %+v", g)
	}
	// Also of a code whose consent covers less by now.
	code = wantCode(t, b.press(wantState(t, b.visit(asks(consents)), "consentState"), "consentEvent"))
	p.store.DeleteConsent(t.Context(), p.user.ID, "asking")
	p.store.AddConsent(t.Context(), store.Consent{UserID: p.user.ID, ClientID: "asking", Scopes: []string{"openid"}})
	p.refused(basic("asking", webSecret, redeem(code)), 400, oauth.InvalidGrant)

	// The page of a finished run gives no code again.
	page := wantState(t, b.visit(asks(consents)), "consentState")
	double := b.copy()
	wantCode(t, b.press(page, "consentEvent"))
	if err := p.accounts.Disconnect(t.Context(), p.user.ID, "asking"); err != nil {
		t.Fatal(err)
	}
	wantState(t, double.press(page, "consentEvent"), "consentState")
}

// Whoever is first, taking consent back or exchanging a code: no token outlives both.
func TestWithdrawalRacesCode(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email)
	lost := 0
	for range rounds(t) {
		if err := p.accounts.GiveConsent(t.Context(), p.user.ID, "asking", []string{"openid", "profile"}); err != nil {
			t.Fatal(err)
		}
		code := wantCode(t, b.visit(asks(consents)))
		var a reply
		var err error
		var both sync.WaitGroup
		both.Go(func() { a = p.do(basic("asking", webSecret, redeem(code))) })
		both.Go(func() { err = p.accounts.Disconnect(t.Context(), p.user.ID, "asking") })
		both.Wait()
		if err != nil || a.Status != 200 && a.Error != oauth.InvalidGrant {
			t.Fatalf("answer %d %s, %v", a.Status, a.Body, err)
		}
		if a.Status == 200 {
			lost++
			if p.live(a.Access) {
				t.Fatal("a token outlives the consent")
			}
			p.refused(basic("asking", webSecret, refreshWith(a.Refresh)), 400, oauth.InvalidGrant)
		}
		if p.consent(p.user.ID) != nil {
			t.Fatal("consent is back")
		}
	}
	t.Logf("%d codes were exchanged first", lost)
}

// Without the answer of the store nobody has agreed.
func TestConsentOutage(t *testing.T) {
	t.Parallel()
	st := storetest.NewFaulty(memstore.New())
	p := newPortalOn(t, st)
	b := p.browser()
	b.loginAs(email)
	down := func(w *httptest.ResponseRecorder, method string) {
		t.Helper()
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Location") != "" {
			t.Errorf("%s fails: answer %d %q", method, w.Code, w.Header().Get("Location"))
		}
		st.Heal()
	}
	page := wantState(t, b.visit(asks(consents)), "consentState")
	for _, method := range []string{"AddConsent", "Consent"} {
		st.Inject(storetest.Fault{Method: method})
		down(b.press(page, "consentEvent"), method)
		if p.consent(p.user.ID) != nil {
			t.Fatal("consent without a store")
		}
	}
	st.Inject(storetest.Fault{Method: "Consent"})
	down(b.visit(asks(consents)), "Consent")
	code := wantCode(t, b.press(page, "consentEvent"))
	st.Inject(storetest.Fault{Method: "Consent"})
	if a := p.do(basic("asking", webSecret, redeem(code))); a.Status != 503 || a.Access != "" {
		t.Errorf("answer %d %s", a.Status, a.Body)
	}
	st.Heal()

	// The publisher's own clients do not wait for that role.
	for _, method := range []string{"Consent", "AddConsent", "UserConsents", "VisitSession"} {
		st.Inject(storetest.Fault{Method: method})
	}
	p.ok(basic("web", webSecret, redeem(wantCode(t, b.visit(ask("web"))))))
	wantCode(t, b.visit(more("web", "max_age", "1000")))
}

// A client that wants to be told of the end of a session is in it before it has a
// code; others are not written down.
func TestCodeVisitsSession(t *testing.T) {
	t.Parallel()
	st := storetest.NewFaulty(memstore.New())
	p := newPortalOn(t, st)
	b := p.browser()
	b.loginAs(email)
	session := func() (s store.Session) {
		for s = range p.store.UserSessions(t.Context(), p.user.ID) {
		}
		return s
	}
	if got := session().Clients; len(got) != 0 {
		t.Errorf("clients %q", got)
	}
	st.Inject(storetest.Fault{Method: "VisitSession"})
	if w := b.visit(ask("told")); w.Code != 503 {
		t.Errorf("answer %d without a visit", w.Code)
	}
	st.Heal()
	st.Inject(storetest.Fault{Method: "VisitSession", Err: store.ErrNotFound})
	wantError(t, b.visit(ask("told")), "login_required")
	st.Heal()
	wantCode(t, b.visit(ask("told")))
	if got := session().Clients; !slices.Equal(got, []string{"told"}) {
		t.Errorf("clients %q", got)
	}
	st.Inject(storetest.Fault{Method: "VisitSession"}) // once is enough
	wantCode(t, b.visit(ask("told")))
	wantCode(t, b.visit(ask("web")))
}
