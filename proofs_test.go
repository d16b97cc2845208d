package connectid_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// hooked does things in the midst of others.
type hooked struct {
	*memstore.Store
	beforeSession func()
	beforeCode    func()
	runSizes      []int
	inserted      int  // runs
	down          bool // for the end of grants
}

func (h *hooked) RevokeUserGrants(ctx context.Context, u string, until time.Time) (int, error) {
	if h.down {
		return 0, errors.New("the store is down")
	}
	return h.Store.RevokeUserGrants(ctx, u, until)
}

func fire(f *func()) {
	if g := *f; g != nil {
		*f = nil
		g()
	}
}

func (h *hooked) CreateSession(ctx context.Context, s store.Session) error {
	fire(&h.beforeSession)
	return h.Store.CreateSession(ctx, s)
}

func (h *hooked) ReplaceSession(ctx context.Context, o store.Digest, s store.Session) error {
	fire(&h.beforeSession)
	return h.Store.ReplaceSession(ctx, o, s)
}

func (h *hooked) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	fire(&h.beforeCode)
	return h.Store.PutCode(ctx, c)
}

func (h *hooked) InsertRun(ctx context.Context, r store.Run) error {
	h.runSizes = append(h.runSizes, len(r.Data))
	h.inserted++
	return h.Store.InsertRun(ctx, r)
}

func (h *hooked) SwapRun(ctx context.Context, r store.Run) error {
	h.runSizes = append(h.runSizes, len(r.Data))
	return h.Store.SwapRun(ctx, r)
}

func newHooked(t *testing.T) (*site, *hooked) {
	h := &hooked{Store: memstore.New()}
	return newSite(t, func(c *connectid.Config) { c.Store = h }), h
}

const (
	thiefsPassword = "the thief's own, 9"
	nextPassword   = "the owner's next, 8"
)

// reset has the owner, in a browser of her own, set a new password by code.
func (s *site) reset() {
	s.t.Helper()
	o := s.browser()
	o.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
	o.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	o.submit("setPasswordEvent", "newPassword", nextPassword, "newPasswordAgain", nextPassword).wantAt(returnURL)
}

func (s *site) opens(password string) bool {
	s.t.Helper()
	b := s.browser()
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password)
	return b.loggedIn()
}

// A login by the old password that is under way during a reset comes to nothing,
// and leaves nothing behind.
func TestOldPasswordRacesReset(t *testing.T) {
	s, h := newHooked(t)
	u := s.user(kari, password)
	thief := s.browser()
	thief.open("login")
	h.beforeSession = s.reset
	thief.submit("verifyCredentialsEvent", "credential", kari, "password", password, "rememberMe", "true")
	thief.wantState("startLoginState")
	if s.opens(password) {
		t.Error("the old password still logs in")
	}
	if thief.loggedIn() || thief.rememberMe() != "" {
		t.Error("a login by the old password outlives the reset")
	}
	sessions, series := 0, 0
	for range h.UserSessions(t.Context(), u.ID) {
		sessions++
	}
	for range h.UserSeries(t.Context(), u.ID) {
		series++
	}
	if sessions != 1 || series != 0 {
		t.Errorf("%d sessions and %d series; want the owner's session alone", sessions, series)
	}
}

// A page that asks for a new password is worth no more than the proof that it
// stands on.
func TestParkedNewPassword(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(s *site, u store.User, b *browser)
		want string // the state in which the post ends
	}{
		{"after the owner's reset", func(s *site, _ store.User, _ *browser) { s.reset() }, "startCodeState"},
		{"after a logout", func(s *site, u store.User, _ *browser) {
			if _, err := s.store.EndUserSessions(context.Background(), u.ID, store.Digest{}); err != nil {
				s.t.Error(err)
			}
		}, "startCodeState"},
		{"when the login is not fresh any more", func(*site, store.User, *browser) { time.Sleep(6 * time.Minute) }, "startCodeState"},
		{"as somebody else", func(s *site, _ store.User, b *browser) {
			b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
		}, "startCodeState"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			u := s.user(kari, password)
			s.user(ola, password)
			synctest.Test(t, func(t *testing.T) {
				b := s.login(kari, password, false)
				b.open("resetPassword").wantState("newPasswordState")
				b.submit("setPasswordEvent", "newPassword", thiefsPassword, "newPasswordAgain", "x").wantState("newPasswordState")
				p := b.form()
				tt.then(s, u, b)
				b.submitRun(p, "setPasswordEvent", "newPassword", thiefsPassword, "newPasswordAgain", thiefsPassword)
				if b.state() != tt.want {
					t.Errorf("the post ends at %q (%s); want %q", b.state(), b.url, tt.want)
				}
				if s.opens(thiefsPassword) {
					t.Error("the password was changed")
				}
			})
		})
	}
	t.Run("also when nothing was posted before", func(t *testing.T) {
		s := newSite(t)
		u := s.user(kari, password)
		b := s.login(kari, password, false)
		b.open("resetPassword").wantState("newPasswordState")
		if _, err := s.store.EndUserSessions(t.Context(), u.ID, store.Digest{}); err != nil {
			t.Fatal(err)
		}
		b.submit("setPasswordEvent", "newPassword", thiefsPassword, "newPasswordAgain", thiefsPassword).wantState("startCodeState")
		if strings.Contains(b.body, `role="alert"`) || s.opens(thiefsPassword) {
			t.Error("the form of one page was taken for another's")
		}
	})
	t.Run("a code proves it for as long as the run lives", func(t *testing.T) {
		s := newSite(t)
		s.user(kari, password)
		synctest.Test(t, func(t *testing.T) {
			b := s.browser()
			b.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
			b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
			time.Sleep(25 * time.Minute)
			b.submit("setPasswordEvent", "newPassword", nextPassword, "newPasswordAgain", nextPassword).wantAt(returnURL)
			// The proof is 25 minutes old, so the session is not fresh.
			b.open("resetPassword").wantState("startCodeState")
		})
	})
	t.Run("but not beyond the owner's reset", func(t *testing.T) {
		s := newSite(t)
		s.user(kari, password)
		b := s.browser()
		b.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
		b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
		s.reset()
		b.submit("setPasswordEvent", "newPassword", thiefsPassword, "newPasswordAgain", thiefsPassword).wantState("startCodeState")
		if s.opens(thiefsPassword) || b.loggedIn() {
			t.Error("an old proof set a password")
		}
	})
}

// A new password that was stored, but did not end everything, can be sent again:
// the proof goes on in the epoch that it began itself.
func TestResetIsRepeatedAfterAnOutage(t *testing.T) {
	s, h := newHooked(t)
	s.user(kari, password)
	b := s.browser()
	b.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
	b.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
	run := b.url.String()
	h.down = true
	b.submit("setPasswordEvent", "newPassword", nextPassword, "newPasswordAgain", nextPassword).wantStatus(503)
	if b.loggedIn() {
		t.Error("a reset that did not end everything logs in")
	}
	h.down = false
	b.get(run).submit("setPasswordEvent", "newPassword", nextPassword, "newPasswordAgain", nextPassword).wantAt(returnURL)
	if !b.loggedIn() || !s.opens(nextPassword) {
		t.Error("the second try did not do it")
	}
}

// submitRun posts a kept page of a run, with the token that the browser has now.
func (b *browser) submitRun(p page, event string, pairs ...string) *browser {
	b.t.Helper()
	other := *b
	other.open("login", "credential", "nobody@example.com")
	if other.state() != "" {
		p.fields.Set("csrf_token", other.form().fields.Get("csrf_token"))
	}
	return b.submitPage(p, event, pairs...)
}

// askCode is the authorization request of a public client, with its verifier.
func askCode() (address, verifier string) {
	verifier = strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	return loginURL + "/oauth/authorize?" + url.Values{
		"client_id": {clientID}, "redirect_uri": {"https://paper.example/callback"}, "response_type": {"code"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode(), verifier
}

// exchange gives the status of the token request for a code.
func (s *site) exchange(code, verifier string) int {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {"https://paper.example/callback"},
	}
	r := httptest.NewRequest(http.MethodPost, loginURL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	return w.Code
}

// A code that is issued while everything ends, or was issued before a logout, is
// exchanged for nothing.
func TestCodesEndWithTheSession(t *testing.T) {
	ask, verifier := askCode()
	for name, end := range map[string]func(s *site, h *hooked, b *browser) (code string){
		"live": func(_ *site, _ *hooked, b *browser) string { return b.get(ask).url.Query().Get("code") },
		"logout": func(_ *site, _ *hooked, b *browser) string {
			code := b.get(ask).url.Query().Get("code")
			b.open("logout")
			return code
		},
		"reset": func(s *site, _ *hooked, b *browser) string {
			code := b.get(ask).url.Query().Get("code")
			s.reset()
			return code
		},
		"in the midst of a reset": func(s *site, h *hooked, b *browser) (code string) {
			h.beforeCode = s.reset // asked for by a session that is live when it is read
			return b.get(ask).url.Query().Get("code")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := newHooked(t)
			s.user(kari, password)
			b := s.login(kari, password, false)
			code, want := end(s, h, b), http.StatusBadRequest
			if name == "live" {
				want = http.StatusOK
			}
			if code == "" {
				t.Fatal("no code")
			}
			if got := s.exchange(code, verifier); got != want {
				t.Errorf("status %d, want %d", got, want)
			}
		})
	}
}

// An address that was proven before it had an account opens no account that was
// made since.
func TestParkedNewUser(t *testing.T) {
	s := newSite(t)
	thief := s.browser()
	thief.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
	thief.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
	s.user(kari, password)
	thief.submit("setPasswordEvent", "newPassword", thiefsPassword, "acceptTerms", "true").wantState("startCodeState")
	if thief.loggedIn() || s.opens(thiefsPassword) {
		t.Error("an older proof opened the account")
	}
	// It is no dead end for an owner with two browsers.
	thief.submit("sendVerificationCodeEvent").submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
	if !thief.loggedIn() {
		t.Error("a fresh proof does not log in")
	}
}

// replay asks for a finished run with nothing but its address and the cookie
// that binds it to its browser.
func (s *site) replay(run, cookie string) *browser {
	s.t.Helper()
	b := s.browser()
	b.jar.SetCookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"}, []*http.Cookie{
		{Name: "__Host-connectid-browser", Value: cookie, Path: "/", Secure: true},
	})
	return b.get(run)
}

// A finished run gives its end again for as long as its session lives, which
// then gives way to a new one.
func TestFinishedRun(t *testing.T) {
	for name, end := range map[string]func(s *site, b *browser){
		"logout": func(_ *site, b *browser) { b.open("logout") },
		"reset":  func(s *site, _ *browser) { s.reset() },
		"reset that keeps other sessions": func(s *site, _ *browser) {
			o := s.browser()
			o.open("resetPassword", "credential", kari).submit("sendVerificationCodeEvent")
			o.submit("verificationEvent", "code", s.code(kari)).wantState("newPasswordState")
			o.submit("setPasswordEvent", "newPassword", nextPassword, "newPasswordAgain", nextPassword, "keepSessions", "true").wantAt(returnURL)
		},
	} {
		t.Run("after "+name, func(t *testing.T) {
			s := newSite(t)
			s.user(kari, password)
			b := s.browser()
			b.open("login", "assumeNewUser", "true", "credential", kari).submit("sendVerificationCodeEvent")
			run, cookie := b.url.String(), b.cookie("-browser")
			b.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
			end(s, b)
			if s.replay(run, cookie).wantState("startCodeState").loggedIn() {
				t.Error("the run's address logs in again")
			}
		})
	}
	t.Run("again and again", func(t *testing.T) {
		s := newSite(t)
		u := s.user(kari, password)
		if _, err := s.store.EndUserSessions(t.Context(), u.ID, store.Digest{}); err != nil {
			t.Fatal(err)
		}
		b := s.browser()
		b.open("login", "assumeNewUser", "true", "credential", kari).submit("sendVerificationCodeEvent", "rememberMe", "true")
		run, cookie := b.url.String(), b.cookie("-browser")
		b.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
		var wg sync.WaitGroup
		for range 4 {
			for range 8 {
				wg.Go(func() {
					c := s.replay(run, cookie)
					if c.cookie("-device") != "" || c.rememberMe() != "" {
						t.Error("a finished run gives more than a session")
					}
				})
			}
			wg.Wait()
		}
		last := s.replay(run, cookie).wantAt(returnURL)
		if !last.loggedIn() {
			t.Error("the end was not given again")
		}
		n := 0
		for range s.store.UserSessions(t.Context(), u.ID) {
			n++
		}
		if n != 1 {
			t.Errorf("%d sessions; want 1", n)
		}
	})
}

// What a post leaves in the store is bounded: each, and all of one address.
func TestStoredRunsAreBounded(t *testing.T) {
	t.Run("size", func(t *testing.T) {
		long := strings.Repeat("x", 20000)
		s, h := newHooked(t)
		for _, page := range []string{"login", "createUser", "resetPassword"} {
			b := s.browser()
			b.open(page)
			first := b.state()
			event := map[string]string{"startLoginState": "verifyCredentialsEvent", "startCodeState": "sendVerificationCodeEvent"}[first]
			b.submit(event, "credential", long, "password", "x").wantState(first)
			if !strings.Contains(b.body, `role="alert"`) || b.form().fields.Get("credential") != "" {
				t.Errorf("%s: no fault, or the field is filled in", page)
			}
		}
		b := s.browser()
		b.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
		b.submit("verificationEvent", "code", s.code(kari)).wantState("newUserState")
		b.submit("setPasswordEvent", "firstName", long, "acceptTerms", long).wantState("newUserState")
		s.user(ola, password)
		b = s.login(ola, password, false)
		b.open("resetPassword").submit("setPasswordEvent", "newPassword", "x", "keepSessions", long).wantState("newPasswordState")
		for _, n := range h.runSizes {
			if n > 1500 {
				t.Errorf("a run of %d bytes", n)
			}
		}
	})
	t.Run("number", func(t *testing.T) {
		s, h := newHooked(t)
		s.user(kari, password)
		b := s.login(kari, password, false)
		stranger := s.browser()
		for range 310 {
			stranger.open("login").submit("verifyCredentialsEvent", "credential", "x").wantState("startLoginState").wantStatus(200)
		}
		if !strings.Contains(stranger.body, `role="alert"`) {
			t.Error("nothing says why")
		}
		stranger.submit("sendVerificationCodeEvent", "credential", kari).wantState("startLoginState") // the page shown in its place has a form
		s.browser().open("createUser", "credential", kari, "credentialSubmit", "true").submit("continueEvent").wantState("startCodeState")
		if h.inserted != 300 {
			t.Errorf("%d runs are stored, want 300", h.inserted)
		}
		b.open("login").wantAt(returnURL) // who is logged in needs no run
	})
}
