package oauth_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const otherEmail = "ola@news.test"

// other makes a second user with the same password.
func (p *portal) other() store.User {
	p.tb.Helper()
	u, err := p.accounts.CreateUser(p.tb.Context(), account.NewUser{
		Client: clients()[0], Credential: must(account.ParseCredential(otherEmail, "NO")), Password: password, Lang: "en", TermsAccepted: true,
	})
	if err != nil {
		p.tb.Fatal(err)
	}
	return u
}

// loginAs logs the browser in with the credential.
func (b *browser) loginAs(credential string, fields ...string) {
	b.p.tb.Helper()
	page := b.follow(b.get(authorizeURL(ask("web"))))
	w := b.submit(page, "verifyCredentialsEvent", append([]string{"credential", credential, "password", password}, fields...)...)
	if !strings.HasPrefix(w.Header().Get("Location"), appURI) {
		b.p.tb.Fatalf("login: %d %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
}

// copy returns a browser as this one is now: what it sends, the other has not yet
// been answered.
func (b *browser) copy() *browser {
	c, u := b.p.browser(), must(url.Parse(issuer+"/oauthLogin"))
	c.jar.SetCookies(u, b.jar.Cookies(u))
	return c
}

// visit opens the authorization request and follows it to a page or an answer.
func (b *browser) visit(v url.Values) *httptest.ResponseRecorder {
	b.p.tb.Helper()
	return b.follow(b.get(authorizeURL(v)))
}

// press presses a button of the page and follows to the next.
func (b *browser) press(page *httptest.ResponseRecorder, event string, fields ...string) *httptest.ResponseRecorder {
	b.p.tb.Helper()
	return b.follow(b.submit(page, event, fields...))
}

// wantState fails unless the page is that of the state.
func wantState(t testing.TB, w *httptest.ResponseRecorder, state string) *httptest.ResponseRecorder {
	t.Helper()
	if w.Code != 200 || !strings.Contains(w.Body.String(), `data-state="`+state+`"`) {
		t.Fatalf("answer %d %q, want the page %s\n%s", w.Code, w.Header().Get("Location"), state, w.Body)
	}
	return w
}

// wantCode fails unless the answer has a code, and returns it.
func wantCode(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	q := answerOf(t, w, appURI+"?")
	if q.Get("code") == "" || q.Has("error") || q.Get("state") != "s1" || q.Get("iss") != issuer {
		t.Fatalf("answer %v, want a code", q)
	}
	return q.Get("code")
}

// wantError fails unless the answer is the error, as OpenID Connect Core 1.0,
// section 3.1.2.6 prints it.
func wantError(t *testing.T, w *httptest.ResponseRecorder, code string) {
	t.Helper()
	q := answerOf(t, w, appURI+"?")
	if q.Get("error") != code || q.Get("error_description") == "" || q.Has("code") || q.Get("state") != "s1" || q.Get("iss") != issuer {
		t.Fatalf("answer %v, want %s", q, code)
	}
}

// last returns the code that was stored last.
func (s *spy) last(t *testing.T) store.AuthorizationCode {
	t.Helper()
	if len(s.codes) == 0 {
		t.Fatal("no code was stored")
	}
	return s.codes[len(s.codes)-1]
}

func more(clientID string, pairs ...string) url.Values {
	v := ask(clientID)
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// Nobody is shown anything with prompt=none.
func TestPromptNone(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	p.other()
	none := func(pairs ...string) url.Values { return more("web", append(pairs, "prompt", "none")...) }
	anonymous := p.browser()
	wantError(t, anonymous.visit(none()), "login_required")
	wantError(t, anonymous.visit(none("login_hint", email)), "login_required")
	wantError(t, anonymous.visit(none("max_age", "100")), "login_required")

	b := p.browser()
	b.loginAs(email)
	wantCode(t, b.visit(none()))
	wantCode(t, b.visit(none("max_age", "100")))
	wantCode(t, b.visit(none("login_hint", strings.ToUpper(email))))
	wantCode(t, b.visit(none("login_hint", "neither an address nor a number")))
	wantError(t, b.visit(none("login_hint", otherEmail)), "account_selection_required")
	wantError(t, b.visit(none("max_age", "0")), "login_required")
	asking := more("asking", "scope", "openid", "prompt", "none")
	wantError(t, b.visit(asking), "consent_required")
	wantCode(t, b.press(b.visit(without(asking, "prompt")), "consentEvent"))
	wantCode(t, b.visit(asking))
	wantError(t, b.visit(with(asking, "scope", "openid email")), "consent_required")

	for _, prompt := range []string{"none login", "login none", "none consent", "none select_account", "none none"} {
		wantError(t, b.visit(more("web", "prompt", prompt)), "invalid_request")
	}
	for _, prompt := range []string{"create", "NONE", "login,consent", "none\t", "\u00a0none"} {
		wantError(t, b.visit(more("web", "prompt", prompt)), "invalid_request")
	}
}

// A remember-me cookie is as good as a session, but proves nothing.
func TestPromptNoneRemembered(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	ola := p.other()
	b := p.browser()
	b.loginAs(email, "rememberMe", "true")
	proven := st.last(t)
	endSessions(t, p, p.user.ID)
	wantCode(t, b.visit(more("web", "prompt", "none")))
	if c := st.last(t); !c.AuthenticatedAt.IsZero() || c.UserID != p.user.ID || proven.AuthenticatedAt.IsZero() {
		t.Errorf("remember-me counts as a proof of %v", c.AuthenticatedAt)
	}
	wantError(t, b.visit(more("web", "prompt", "none", "max_age", "1000")), "login_required")
	page := wantState(t, b.visit(more("web", "max_age", "1000")), "confirmUserState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "password", password))
	if c := st.last(t); c.AuthenticatedAt.IsZero() {
		t.Error("a proof is not noted in the code")
	}
	// A hint at somebody else is not answered by who is remembered.
	endSessions(t, p, p.user.ID)
	wantError(t, b.visit(more("web", "prompt", "none", "login_hint", otherEmail)), "login_required")
	wantError(t, b.visit(more("web", "prompt", "none", "id_token_hint", p.idToken("web", ola.ID))), "login_required")
	for range p.store.UserSessions(t.Context(), p.user.ID) {
		t.Error("who is not meant was logged in all the same")
	}
	wantCode(t, b.visit(more("web", "prompt", "none", "id_token_hint", p.idToken("web", p.user.ID))))
}

func endSessions(t *testing.T, p *portal, userID string) {
	t.Helper()
	if _, err := p.store.EndUserSessions(t.Context(), userID, store.Digest{}); err != nil {
		t.Fatal(err)
	}
}

// With prompt=login, and with max_age=0, the user proves who she is each time.
func TestPromptLogin(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"prompt", "login"}, {"max_age", "0"}, {"prompt", "consent login"}} {
		st := &spy{Store: memstore.New()}
		p := newPortalOn(t, st)
		b := p.browser()
		b.loginAs(email)
		before := st.last(t)
		request := more("web", pair[0], pair[1])
		time.Sleep(2 * time.Millisecond)
		page := wantState(t, b.visit(request), "confirmUserState")
		if len(st.codes) != 1 {
			t.Fatalf("%s: a code without a proof", pair)
		}
		page = wantState(t, b.press(page, "verifyCredentialsEvent", "password", "wrong one"), "confirmUserState")
		double := b.copy()
		answer := b.submit(page, "verifyCredentialsEvent", "password", password)
		wantCode(t, answer)
		c := st.last(t)
		if !c.AuthenticatedAt.After(before.AuthenticatedAt) || c.Session == before.Session || c.UserID != p.user.ID {
			t.Errorf("%s: the code is of the old proof: %v, %v", pair, before.AuthenticatedAt, c.AuthenticatedAt)
		}
		p.ok(basic("web", webSecret, redeem(answerOf(t, answer, appURI).Get("code"))))
		// The same address once more: the proof was for the request before.
		wantState(t, b.visit(request), "confirmUserState")
		wantState(t, b.get(issuer+"/oauthLogin?"+request.Encode()), "confirmUserState")
		// A double click gets the same end, of the same proof.
		n := len(st.codes)
		wantCode(t, double.press(page, "verifyCredentialsEvent", "password", password))
		if again := st.last(t); len(st.codes) != n+1 || !again.AuthenticatedAt.Equal(c.AuthenticatedAt) {
			t.Errorf("%s: the second half of a double click: %v, want %v", pair, again.AuthenticatedAt, c.AuthenticatedAt)
		}

		// Nobody is logged in: one login, and no second question.
		b = p.browser()
		page = wantState(t, b.visit(request), "startLoginState")
		wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password))
	}
}

// A session that takes the place of the one that was proven is no proof, though it
// is the same user's.
func TestPromptLoginThenRemembered(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	b := p.browser()
	page := wantState(t, b.visit(more("asking", "scope", "openid", "prompt", "login")), "startLoginState")
	page = wantState(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password, "rememberMe", "true"), "consentState")
	endSessions(t, p, p.user.ID)
	page = wantState(t, b.press(page, "consentEvent"), "confirmUserState") // remembered
	if len(st.codes) != 0 {
		t.Error("a code without a proof")
	}
	page = wantState(t, b.press(page, "verifyCredentialsEvent", "password", password), "consentState")
	wantCode(t, b.press(page, "consentEvent"))
	if c := st.last(t); c.AuthenticatedAt.IsZero() {
		t.Error("a code without a proof")
	}
}

// A code counts while its login goes on, also by the session of a later proof: the
// user has answered another client in a second tab, or clicked twice.
func TestCodeOfRenewedSession(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	p.other()
	b := p.browser()
	b.loginAs(email)
	request := func(prompt string) url.Values { return more("oidc", "scope", "openid", "prompt", prompt) }
	renew := func() string { // a code of before
		t.Helper()
		code := wantCode(t, b.visit(request("")))
		page := wantState(t, b.visit(request("login")), "confirmUserState")
		double := b.copy()
		first := wantCode(t, double.press(page, "verifyCredentialsEvent", "password", password))
		wantCode(t, b.press(page, "verifyCredentialsEvent", "password", password))
		if claims := p.claims(p.ok(basic("oidc", webSecret, redeem(first))).IDToken); claims["auth_time"] == nil {
			t.Errorf("claims %v of the first half of a double click", claims)
		}
		return code
	}
	claims := p.claims(p.ok(basic("oidc", webSecret, redeem(renew()))).IDToken)
	if _, says := claims["amr"]; says || claims["sub"] != p.user.ID {
		t.Errorf("claims %v; how she proved it later is not said of the code", claims)
	}

	code := renew()
	endSessions(t, p, p.user.ID)
	p.refused(basic("oidc", webSecret, redeem(code)), 400, oauth.InvalidGrant)

	b = p.browser()
	b.loginAs(email)
	code = renew()
	page := wantState(t, b.visit(request("login")), "confirmUserState")
	page = wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	p.refused(basic("oidc", webSecret, redeem(code)), 400, oauth.InvalidGrant)
}

// Who is somebody else logs in as that, and the code is hers.
func TestPromptLoginAsAnother(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	ola := p.other()
	b := p.browser()
	b.loginAs(email)
	page := wantState(t, b.visit(more("web", "prompt", "login")), "confirmUserState")
	// Another's password does not pass for hers.
	page = wantState(t, b.press(page, "verifyCredentialsEvent", "password", password, "chosen", "A:"+otherEmail), "confirmUserState")
	page = wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	if c := st.last(t); c.UserID != ola.ID || c.AuthenticatedAt.IsZero() {
		t.Errorf("the code is of %s, want %s", c.UserID, ola.ID)
	}

	// The page was made for who was there before.
	b2 := p.browser()
	b2.loginAs(email)
	page = wantState(t, b2.visit(more("web", "prompt", "login")), "confirmUserState")
	b2.get(authorizeURL(ask("web")))
	second := wantState(t, b2.visit(more("web", "prompt", "select_account")), "selectAccountState")
	second = wantState(t, b2.press(second, "otherUserEvent"), "startLoginState")
	wantCode(t, b2.press(second, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	n := len(st.codes)
	got := b2.press(page, "verifyCredentialsEvent", "password", password)
	wantState(t, got, "confirmUserState")
	if len(st.codes) != n || !strings.Contains(got.Body.String(), otherEmail) {
		t.Error("a page of one user did something for another")
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &spy{Store: memstore.New()}
		p := newPortalOn(t, st)
		b := p.browser()
		b.loginAs(email)
		proven := st.last(t).AuthenticatedAt
		time.Sleep(99 * time.Second)
		wantCode(t, b.visit(more("web", "max_age", "100")))
		if c := st.last(t); !c.AuthenticatedAt.Equal(proven) {
			t.Errorf("auth_time %v, want the time of the proof, %v", c.AuthenticatedAt, proven)
		}
		time.Sleep(time.Second)
		wantCode(t, b.visit(more("web", "max_age", "101")))
		for _, long := range []string{"99999999999999999999999", "18446744074", "9223372037"} { // some overflow a Duration
			wantCode(t, b.visit(more("web", "max_age", long)))
		}
		wantError(t, b.visit(more("web", "max_age", "100", "prompt", "none")), "login_required")
		page := wantState(t, b.visit(more("web", "max_age", "100")), "confirmUserState")
		wantCode(t, b.press(page, "verifyCredentialsEvent", "password", password))
		if c := st.last(t); !c.AuthenticatedAt.Equal(proven.Add(100 * time.Second)) {
			t.Errorf("auth_time %v, want %v", c.AuthenticatedAt, proven.Add(100*time.Second))
		}
		wantCode(t, b.visit(more("web", "max_age", "100")))
		for _, bad := range []string{"-1", "+1", "1.5", "1e3", "a", "0x10", " 1", "1 "} {
			wantError(t, b.visit(more("web", "max_age", bad)), "invalid_request")
		}

		// Who reads the consent page for longer proves it again, and is not asked twice.
		request := more("asking", "scope", "openid", "max_age", "100", "prompt", "consent")
		page = wantState(t, b.visit(request), "consentState")
		time.Sleep(2 * time.Minute)
		n := len(st.codes)
		page = wantState(t, b.press(page, "consentEvent"), "confirmUserState")
		if len(st.codes) != n {
			t.Error("a code of a proof that is too old")
		}
		wantCode(t, b.press(page, "verifyCredentialsEvent", "password", password))

		// Who has agreed is not who goes on: the other one is asked herself.
		ola := p.other()
		page = wantState(t, b.visit(request), "consentState")
		time.Sleep(2 * time.Minute)
		page = wantState(t, b.press(page, "consentEvent"), "confirmUserState")
		page = wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
		page = wantState(t, b.press(page, "verifyCredentialsEvent", "credential", otherEmail, "password", password), "consentState")
		if p.consent(ola.ID) != nil {
			t.Error("consent of nobody")
		}
		wantCode(t, b.press(page, "consentEvent"))
		if c := st.last(t); c.UserID != ola.ID || p.consent(ola.ID) == nil {
			t.Errorf("the code is of %s, want %s", c.UserID, ola.ID)
		}
	})
}

func TestSelectAccount(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	ola := p.other()
	request := more("web", "prompt", "select_account")
	b := p.browser()
	page := wantState(t, b.visit(request), "startLoginState") // nobody to choose from
	wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password))

	page = wantState(t, b.visit(request), "selectAccountState")
	if body := page.Body.String(); !strings.Contains(body, "k•••@news.test") || strings.Contains(body, email) {
		t.Errorf("the page does not show the credential shortened:\n%s", body)
	}
	wantCode(t, b.press(page, "keepUserEvent"))
	if c := st.last(t); c.UserID != p.user.ID {
		t.Errorf("the code is of %s", c.UserID)
	}
	page = wantState(t, b.visit(request), "selectAccountState")
	wantError(t, b.press(page, "navigateAwayEvent"), "access_denied")
	page = wantState(t, b.visit(more("web", "prompt", "select_account", "login_hint", email)), "selectAccountState")
	login := wantState(t, b.press(page, "otherUserEvent"), "startLoginState")
	if strings.Contains(login.Body.String(), email) {
		t.Error("who wants another account is offered the one before")
	}
	wantCode(t, b.press(login, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	if c := st.last(t); c.UserID != ola.ID {
		t.Errorf("the code is of %s, want %s", c.UserID, ola.ID)
	}
	// The page of who was there before chooses nothing for who is there now.
	if got := b.press(page, "keepUserEvent"); got.Code != 200 && got.Code != 303 && got.Code != 302 {
		t.Errorf("answer %d", got.Code)
	}
	if c := st.last(t); c.UserID != ola.ID {
		t.Errorf("a page of %s gave a code of %s", p.user.ID, c.UserID)
	}

	// With login: she chooses, and proves it.
	page = wantState(t, b.visit(more("web", "prompt", "select_account login")), "selectAccountState")
	page = wantState(t, b.press(page, "keepUserEvent"), "confirmUserState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "password", password))
}

func TestLoginHint(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	p.other()
	for _, tt := range []struct{ hint, shown string }{
		{email, email}, {" Kari@News.Test ", "Kari@News.Test"}, {"900 00 001", "900 00 001"}, {"+4790000001", "&#43;4790000001"},
		{"", ""}, {"sub:1234", ""}, {"kari@", ""}, {strings.Repeat("a", 400) + "@news.test", ""}, {"kari\r\n@news.test", ""}, {"<script>", ""},
	} {
		page := wantState(t, p.browser().visit(more("web", "login_hint", tt.hint)), "startLoginState")
		if !strings.Contains(page.Body.String(), `spellcheck="false" value="`+tt.shown+`"`) {
			t.Errorf("%q is not shown as %q:\n%s", tt.hint, tt.shown, page.Body)
		}
	}
	b := p.browser()
	b.loginAs(email)
	wantCode(t, b.visit(more("web", "login_hint", email)))
	wantCode(t, b.visit(more("web", "login_hint", "sub:1234")))
	page := wantState(t, b.visit(more("web", "login_hint", otherEmail)), "startLoginState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password)) // a hint, and no more
}

// idToken returns an ID token of the user for the client.
func (p *portal) idToken(clientID, userID string) string {
	p.tb.Helper()
	return signHint(p, map[string]any{"iss": issuer, "sub": userID, "aud": clientID, "exp": time.Now().Add(-time.Hour).Unix(), "iat": 1})
}

func TestIDTokenHint(t *testing.T) {
	t.Parallel()
	st := &spy{Store: memstore.New()}
	p := newPortalOn(t, st)
	ola := p.other()
	kari := p.idToken("web", p.user.ID)
	b := p.browser()
	b.loginAs(email)
	wantCode(t, b.visit(more("web", "id_token_hint", kari)))
	wantCode(t, b.visit(more("web", "id_token_hint", kari, "login_hint", otherEmail))) // the stronger one counts
	wantError(t, b.visit(more("web", "id_token_hint", p.idToken("web", ola.ID), "prompt", "none")), "login_required")
	wantError(t, b.visit(more("web", "id_token_hint", p.idToken("web", "nobody"), "prompt", "none")), "login_required")
	for name, hint := range map[string]string{
		"of another client": p.idToken("other", p.user.ID),
		"of another issuer": signHint(p, map[string]any{"iss": "https://evil.test", "sub": p.user.ID, "aud": "web"}),
		"no token":          "x.y.z",
		"unsigned":          "eyJhbGciOiJub25lIn0.e30.",
		"changed":           kari[:len(kari)-4] + "AAAA",
	} {
		t.Log(name)
		wantError(t, b.visit(more("web", "id_token_hint", hint)), "invalid_request")
	}
	// Nobody but her: OpenID Connect Core 1.0, section 3.1.2.1.
	page := wantState(t, b.visit(more("web", "id_token_hint", p.idToken("web", ola.ID))), "startLoginState")
	wantError(t, b.press(page, "verifyCredentialsEvent", "credential", email, "password", password), "login_required")
	n := len(st.codes)
	page = wantState(t, b.visit(more("web", "id_token_hint", p.idToken("web", ola.ID))), "startLoginState")
	wantCode(t, b.press(page, "verifyCredentialsEvent", "credential", otherEmail, "password", password))
	if c := st.last(t); len(st.codes) != n+1 || c.UserID != ola.ID {
		t.Errorf("the code is of %s", c.UserID)
	}
}

func signHint(p *portal, claims map[string]any) string {
	p.tb.Helper()
	token, err := p.signer.Sign(p.tb.Context(), signing.IDToken, "ES256", claims)
	if err != nil {
		p.tb.Fatal(err)
	}
	return token
}
