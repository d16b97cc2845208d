package connectid_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoginCheck(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	anonymous := s.browser()
	anonymous.open("loginCheck").wantAt(errorURL) // nothing is added
	if len(anonymous.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"})) != 0 {
		t.Error("loginCheck gave a stranger a cookie")
	}
	b := s.login(kari, password, false)
	for _, tt := range []struct {
		pairs []string
		want  string
	}{
		{nil, returnURL},
		{[]string{"credential", kari}, returnURL},
		{[]string{"credential", " KARI@example.COM"}, returnURL},
		{[]string{"credential", ola}, errorURL},
		{[]string{"credential", "neither"}, errorURL},
		{[]string{"clientId", ""}, returnURL}, // the documents' own example: the one client that allows both URLs
	} {
		b.open("loginCheck", tt.pairs...).wantAt(tt.want)
	}
	b.open("loginCheck").wantAt(returnURL) // and the session is unchanged
}

func TestLoginCheckWithoutClient(t *testing.T) {
	s := newSite(t)
	twin := paper("no.example.twin", "paper")
	b := s.browser()
	b.open("loginCheck", "clientId", "", "returnUrl", "https://nobody.example/", "errorUrl", "https://nobody.example/").wantStatus(400)
	b.open("loginCheck", "clientId", "", "errorUrl", "https://other.example/").wantStatus(400)
	b.open("loginCheck", "clientId", "").wantAt(errorURL)
	if err := s.store.PutClient(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	b.open("loginCheck", "clientId", "").wantStatus(400) // two clients allow both
	b.open("login", "clientId", "").wantStatus(400)      // elsewhere it is required
}

// embedded sends a request as a page of the newspaper does.
func embedded(b *browser, dest string, cookies []*http.Cookie, pairs ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, address("loginCheck", pairs...), nil)
	r.Header.Set("Sec-Fetch-Dest", dest)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://paper.example")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.kit.ServeHTTP(w, r)
	return w
}

func TestEmbeddedLoginCheck(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, true)
	var check, rest []*http.Cookie
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/user/loginCheck"}) {
		if strings.HasSuffix(c.Name, "-check") {
			check = append(check, c)
		} else if !strings.HasSuffix(c.Name, "-session") {
			rest = append(rest, c)
		}
	}
	if len(check) != 1 || check[0].Name != "__Secure-connectid-check" {
		t.Fatalf("check cookies %v", check)
	}
	for _, dest := range []string{"script", "empty", "image", "iframe"} {
		w := embedded(b, dest, check)
		if got := w.Header().Get("Location"); got != returnURL {
			t.Errorf("%s: with the check cookie: %s", dest, got)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "https://paper.example" || w.Header().Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: CORS allows %q", dest, got)
		}
		if got := embedded(b, dest, rest).Header().Get("Location"); got != errorURL {
			t.Errorf("%s: with remember-me alone: %s; want the errorUrl", dest, got)
		}
	}
	if w := embedded(b, "empty", check, "clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS allows the origin of another client")
	}
	// The narrow cookie is no session: not at the top, not on a page.
	r := httptest.NewRequest(http.MethodGet, address("login"), nil)
	r.AddCookie(&http.Cookie{Name: "__Host-connectid-session", Value: check[0].Value})
	r.AddCookie(check[0])
	w := httptest.NewRecorder()
	s.kit.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "startLoginState") {
		t.Errorf("the check cookie opens the login page's session: %d", w.Code)
	}
	b.open("logout")
	if got := embedded(b, "script", check).Header().Get("Location"); got != errorURL {
		t.Errorf("the check cookie lives on after logout: %s", got)
	}
}

// A session ends 20 to 21 minutes after its last use, never earlier, and after a
// day in any case.
func TestSessionAge(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, false)
		for range 3 {
			time.Sleep(20*time.Minute - time.Second)
			if !b.loggedIn() { // extends it
				t.Fatal("the session ended although it was used within 20 minutes")
			}
		}
		time.Sleep(30 * time.Second) // a touch within the minute may be left out
		b.loggedIn()
		time.Sleep(20*time.Minute - time.Second)
		if !b.loggedIn() {
			t.Fatal("a coalesced touch made the session end early")
		}
		time.Sleep(21*time.Minute + time.Second)
		if b.loggedIn() {
			t.Fatal("the session lives on after 21 minutes without use")
		}
		b = s.login(kari, password, false)
		for range 24 * 4 {
			time.Sleep(15 * time.Minute)
			b.loggedIn()
		}
		if b.loggedIn() {
			t.Error("the session outlives 24 hours of constant use")
		}
	})
}

// The documented story: remember at A and B; log out at A; visit B: logged in
// again; visit A within 20 minutes: logged in; after that: not.
func TestLogoutStory(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	atB := []string{"clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/no"}
	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, true)
		b = s.forgetSession(b)
		b.open("login", append(atB, "credential", kari)...)
		b.submit("verifyCredentialsEvent", "password", password, "rememberMe", "true").wantAt("https://other.example/")
		b.open("logout").wantAt(returnURL)
		b.open("loginCheck").wantAt(errorURL)
		b.open("loginCheck", atB...).wantAt("https://other.example/")
		b.open("loginCheck").wantAt(returnURL)
		time.Sleep(22 * time.Minute)
		b.open("loginCheck").wantAt(errorURL)
		b.open("loginCheck", atB...).wantAt("https://other.example/")
	})
}

func TestLogout(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.browser().open("logout").wantAt(returnURL) // without a session too
	b := s.login(kari, password, true)
	for _, dest := range []string{"image", "iframe", "script", "empty"} {
		b.header.Set("Sec-Fetch-Dest", dest)
		b.open("logout").wantAt(errorURL)
	}
	b.header.Set("Sec-Fetch-Dest", "document")
	if !b.loggedIn() {
		t.Error("an embedded logout logged out")
	}
	old := s.browser()
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/user/loginCheck"}) {
		old.jar.SetCookies(&url.URL{Scheme: "https", Host: "id.example"}, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	}
	b.open("logout").wantAt(returnURL)
	if b.loggedIn() {
		t.Error("logged in after logout")
	}
	// The next user of a shared computer is another browser to runs and codes.
	for _, name := range []string{"-session", "-browser", "-check"} {
		if b.cookie(name) != "" {
			t.Errorf("the cookie %s is left after logout", name)
		}
	}
	if old.loggedIn() {
		t.Error("cookies that were copied before the logout still log in")
	}
}

func TestRememberMe(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, true)
		time.Sleep(time.Hour)
		b.open("login").wantAt(returnURL) // no question asked
		b.open("resetPassword").wantState("startCodeState")
		other := []string{"clientId", otherID, "returnUrl", "https://other.example/", "errorUrl", "https://other.example/no"}
		time.Sleep(time.Hour)
		b.open("loginCheck", other...).wantAt("https://other.example/no") // remember-me is one client's

		// Not ticked: an existing cookie stays as it is, even another user's.
		before := b.rememberMe()
		b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password, "rememberMe", "").wantAt(returnURL)
		if b.rememberMe() != before || !b.loggedIn("credential", ola) {
			t.Error("a login without the box changed the cookie of another login")
		}
		time.Sleep(time.Hour)
		if b.loggedIn("credential", ola) {
			t.Error("Ola is remembered although she did not tick the box")
		}
		if !b.loggedIn("credential", kari) {
			t.Error("Kari is not remembered any more")
		}
		// Ticked: the cookie is bound to the new user.
		b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password, "rememberMe", "true").wantAt(returnURL)
		time.Sleep(time.Hour)
		if b.loggedIn("credential", kari) || !b.loggedIn("credential", ola) {
			t.Error("the cookie was not bound to Ola")
		}
	})
}

func (b *browser) rememberMe() string {
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "id.example", Path: "/"}) {
		if strings.HasPrefix(c.Name, "__Host-connectid-rm-") {
			return c.Value
		}
	}
	return ""
}

// A copied cookie that is used after its owner has moved on ends the series.
func TestRememberMeTheft(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, true)
		thief := s.forgetSession(b)
		for range 3 {
			time.Sleep(time.Hour)
			if !b.loggedIn() {
				t.Fatal("the owner is not remembered")
			}
		}
		if thief.loggedIn() {
			t.Error("an old token logs in")
		}
		time.Sleep(time.Hour)
		if b.loggedIn() {
			t.Error("the series lives on after a theft")
		}
	})
}

func TestAtMostFortyRememberMeCookies(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.browser()
	root := &url.URL{Scheme: "https", Host: "id.example", Path: "/"}
	for i := range 45 {
		b.jar.SetCookies(root, []*http.Cookie{{Name: "__Host-connectid-rm-" + strings.Repeat("a", 1+i), Value: "old", Path: "/", Secure: true}})
	}
	b.open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantAt(returnURL)
	n := 0
	for _, c := range b.jar.Cookies(root) {
		if strings.HasPrefix(c.Name, "__Host-connectid-rm-") {
			n++
		}
	}
	if n > 40 {
		t.Errorf("%d rememberMeCookies are kept; want at most 40", n)
	}
	if b.rememberMe() == "" {
		t.Error("the newest one was dropped")
	}
}
