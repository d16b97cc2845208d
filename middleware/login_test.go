package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// loginConfig is a host at which the bearer of the cookie "kari" is logged in.
func loginConfig(fresh time.Time) middleware.LoginConfig {
	return middleware.LoginConfig{
		Session: func(r *http.Request) (store.Session, error) {
			if c, err := r.Cookie("kari"); err != nil || c.Value != "yes" {
				return store.Session{}, nil
			}
			return store.Session{Handle: store.Digest{1}, UserID: "karis-id", FreshAt: fresh}, nil
		},
		User: func(_ context.Context, id string) (store.User, error) {
			return store.User{ID: id, Number: 7, FirstName: "Kari", PasswordHash: "secret"}, nil
		},
		LoginURL: "https://id.example/user/login", ReauthenticateURL: "https://id.example/user/reauthenticate",
		ClientID: "paper", HostURL: "https://id.example/shop/",
	}
}

func newLogin(t testing.TB, c middleware.LoginConfig) *middleware.Login {
	t.Helper()
	l, err := middleware.NewLogin(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func karis(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.AddCookie(&http.Cookie{Name: "kari", Value: "yes"})
	return r
}

func TestLoginCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := loginConfig(time.Now())
		l := newLogin(t, c)
		c.MaxAge = time.Minute
		strict := newLogin(t, c)
		u, err := l.Check(karis("GET", "/a"))
		if err != nil || u.ID != "karis-id" || u.Number != 7 || u.FirstName != "Kari" || u.FreshAt.IsZero() {
			t.Errorf("user %+v, %v", u, err)
		}
		var refused *middleware.LoginError
		if _, err := l.Check(httptest.NewRequest("GET", "/a?b=c", nil)); !errors.As(err, &refused) || refused.Stale ||
			!strings.HasPrefix(refused.URL, c.LoginURL+"?") || !strings.Contains(refused.URL, url.QueryEscape("https://id.example/shop/a?b=c")) {
			t.Errorf("nobody: %v, %+v", err, refused)
		}
		time.Sleep(time.Minute - time.Second)
		if _, err := strict.Check(karis("GET", "/a")); err != nil {
			t.Errorf("after 59 seconds: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := strict.Check(karis("GET", "/a")); !errors.As(err, &refused) || !refused.Stale || !strings.Contains(refused.URL, "reauthenticate?") || !strings.Contains(refused.URL, "maxAge=60") {
			t.Errorf("after a minute: %v, %+v", err, refused)
		}
		if _, err := l.Check(karis("GET", "/a")); err != nil {
			t.Errorf("any login: %v", err)
		}
	})
}

// What can not be told is no login; a user who is gone has to log in.
func TestLoginCheckFailsClosed(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	c := loginConfig(time.Now())
	c.Session = func(*http.Request) (store.Session, error) { return store.Session{Handle: store.Digest{1}}, down }
	if u, err := newLogin(t, c).Check(karis("GET", "/")); !errors.Is(err, down) || u.ID != "" {
		t.Errorf("sessions down: %+v, %v", u, err)
	}
	c = loginConfig(time.Now())
	c.User = func(context.Context, string) (store.User, error) { return store.User{ID: "x"}, down }
	if u, err := newLogin(t, c).Check(karis("GET", "/")); !errors.Is(err, down) || u.ID != "" {
		t.Errorf("users down: %+v, %v", u, err)
	}
	c.User = func(context.Context, string) (store.User, error) { return store.User{ID: "x"}, account.ErrUserGone }
	var refused *middleware.LoginError
	if u, err := newLogin(t, c).Check(karis("GET", "/")); !errors.As(err, &refused) || u.ID != "" {
		t.Errorf("user gone: %+v, %v", u, err)
	}
	called := false
	c.Refuse = func(w http.ResponseWriter, _ *http.Request, err error) {
		called = errors.As(err, &refused)
		w.WriteHeader(http.StatusTeapot)
	}
	w := httptest.NewRecorder()
	newLogin(t, c).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let through") })).ServeHTTP(w, karis("GET", "/"))
	if !called || w.Code != http.StatusTeapot {
		t.Errorf("Refuse was called: %v; status %d", called, w.Code)
	}
}

func TestNewLoginReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewLogin(middleware.LoginConfig{HostURL: "/x", MaxAge: time.Second, Timeout: -1})
	for _, want := range []string{"Session", "User", "LoginURL", "ReauthenticateURL", "ClientID", "HostURL", "MaxAge", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	c := loginConfig(time.Now())
	c.ErrorURL = "javascript:alert(1)"
	if _, err := middleware.NewLogin(c); err == nil || !strings.Contains(err.Error(), "ErrorURL") {
		t.Errorf("a bad ErrorURL: %v", err)
	}
	if _, ok := middleware.UserFrom(t.Context()); ok {
		t.Error("a user in an empty context")
	}
}

// FuzzLoginBack holds that whatever the request says, the login leads back to the
// host alone.
func FuzzLoginBack(f *testing.F) {
	for _, s := range []string{"/a?b=c", "//evil.example/", `/\evil.example`, "http://evil.example/x", "/%2e%2e//", "/a\tb", "", "*", "/ä?ö", "?x", "https:evil"} {
		f.Add(s, s)
	}
	l := newLogin(f, loginConfig(time.Now()))
	f.Fuzz(func(t *testing.T, target, referer string) {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/", nil)
			r.RequestURI, r.Host = target, "evil.example"
			r.Header.Set("Referer", referer)
			_, err := l.Check(r)
			var refused *middleware.LoginError
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			u, err := url.Parse(refused.URL)
			if err != nil {
				t.Fatal(err)
			}
			if back := u.Query().Get("returnUrl"); !strings.HasPrefix(back, "https://id.example/shop/") || strings.ContainsAny(back, "\\\t\r\n ") {
				t.Errorf("%s %q from %q leads back to %q", method, target, referer, back)
			}
		}
	})
}

func ExampleLogin() {
	login, err := middleware.NewLogin(loginConfig(time.Now()))
	if err != nil {
		panic(err)
	}
	h := login.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := middleware.UserFrom(r.Context())
		fmt.Fprintln(w, "hello,", u.FirstName)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, karis("GET", "/me"))
	fmt.Print(w.Body)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/me", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// hello, Kari
	// 302 https://id.example/user/login?clientId=paper&errorUrl=https%3A%2F%2Fid.example%2Fshop%2F&returnUrl=https%3A%2F%2Fid.example%2Fshop%2Fme
}
