package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/justinas/nosurf"

	"github.com/connectid-kit/connectid/middleware"
)

const origin = "https://connectid.example"

func newCSRF(t testing.TB, c middleware.CSRFConfig) *middleware.CSRF {
	t.Helper()
	if c.Origin == "" {
		c.Origin = origin
	}
	s, err := middleware.NewCSRF(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// page answers with its token, or with "done" to a post, and renews the secret
// when asked to.
func page(s *middleware.CSRF) http.Handler {
	return s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			s.Renew(w, r)
		}
		if r.Method == "POST" {
			io.WriteString(w, "done "+r.PostForm.Get("name"))
			return
		}
		io.WriteString(w, s.Token(r))
	}))
}

// visit gets the page and returns its cookie and token.
func visit(t *testing.T, h http.Handler, path string, have *http.Cookie) (*http.Cookie, string) {
	t.Helper()
	r := httptest.NewRequest("GET", origin+path, nil)
	if have != nil {
		r.AddCookie(have)
	}
	res := serve(h, r).Result()
	body, _ := io.ReadAll(res.Body)
	switch cookies := res.Cookies(); len(cookies) {
	case 0:
		return have, string(body)
	case 1:
		return cookies[0], string(body)
	default:
		t.Fatalf("%d cookies in one answer: %v", len(cookies), cookies)
		return nil, ""
	}
}

func form(fields url.Values) *http.Request {
	r := httptest.NewRequest("POST", origin+"/", strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return r
}

func TestCSRFCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		c    middleware.CSRFConfig
		want http.Cookie
	}{
		{"https", middleware.CSRFConfig{}, http.Cookie{Name: "__Host-connectid-csrf", Secure: true}},
		{"own word", middleware.CSRFConfig{Kit: "paper-2"}, http.Cookie{Name: "__Host-paper-2-csrf", Secure: true}},
		{"http", middleware.CSRFConfig{Origin: "http://localhost:8080", InsecureAllowHTTP: true}, http.Cookie{Name: "connectid-csrf"}},
		{"http allowed, but https used", middleware.CSRFConfig{InsecureAllowHTTP: true}, http.Cookie{Name: "__Host-connectid-csrf", Secure: true}},
	} {
		s := newCSRF(t, c.c)
		got, token := visit(t, page(s), "/", nil)
		if got.Name != c.want.Name || got.Secure != c.want.Secure || s.CookieName() != c.want.Name {
			t.Errorf("%s: got %v", c.name, got)
		}
		// nosurf's default: one year and no attribute.
		if !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" || got.MaxAge != 0 || !got.Expires.IsZero() {
			t.Errorf("%s: attributes of %v", c.name, got)
		}
		if len(token) < 80 {
			t.Errorf("%s: token %q", c.name, token)
		}
	}
}

func TestCSRFPost(t *testing.T) {
	t.Parallel()
	var refused error
	s := newCSRF(t, middleware.CSRFConfig{Refuse: func(w http.ResponseWriter, r *http.Request, status int, err error) {
		refused = err
		w.WriteHeader(status)
	}})
	h := page(s)
	cookie, token := visit(t, h, "/", nil)
	other, otherToken := visit(t, h, "/", nil)
	good := url.Values{"csrf_token": {token}, "name": {"Ola"}}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		fields url.Values
		cookie *http.Cookie
		want   int
	}{
		{"good", nil, good, cookie, 200},
		{"token in the header", func(r *http.Request) { r.Header.Set(nosurf.HeaderName, token) }, url.Values{}, cookie, 200},
		{"no token", nil, url.Values{"name": {"Ola"}}, cookie, 403},
		{"no cookie", nil, good, nil, 403},
		{"another browser's cookie", nil, good, other, 403},
		{"another browser's token", nil, url.Values{"csrf_token": {otherToken}}, cookie, 403},
		{"the cookie's value as token", nil, url.Values{"csrf_token": {"x" + cookie.Value}}, cookie, 403},
		{"damaged cookie", nil, good, &http.Cookie{Name: cookie.Name, Value: "x"}, 403},
		{"cookie under the plain name", nil, good, &http.Cookie{Name: "csrf_token", Value: cookie.Value}, 403},
		{"token in the query", func(r *http.Request) { r.URL.RawQuery = url.Values{"csrf_token": {token}}.Encode() }, url.Values{}, cookie, 403},

		{"cross-site", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "null")
			r.Header.Set("Referer", origin+"/")
		}, good, cookie, 403},
		{"same-site from another origin", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Origin", "https://www.connectid.example")
		}, good, cookie, 403},
		{"foreign origin", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, good, cookie, 403},
		{"our name by http", func(r *http.Request) { r.Header.Set("Origin", "http://connectid.example") }, good, cookie, 403},
		{"null origin, same-origin", func(r *http.Request) {
			r.Header.Set("Origin", "null")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, good, cookie, 200},
		// nosurf counts null as absent and lets the Referer decide.
		{"null origin, our Referer", func(r *http.Request) {
			r.Header.Set("Origin", "null")
			r.Header.Set("Referer", origin+"/")
		}, good, cookie, 403},
		{"no origin, our Referer", func(r *http.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Referer", origin+"/user/login")
		}, good, cookie, 200},
		{"no origin, foreign Referer", func(r *http.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Referer", "https://evil.example/")
		}, good, cookie, 403},
		{"no Origin, no Referer, no Sec-Fetch-Site", func(r *http.Request) { r.Header.Del("Origin") }, good, cookie, 403},
		{"a proxy changed Host", func(r *http.Request) { r.Host = "10.0.0.5:8080" }, good, cookie, 200},
		// Exempt patterns see the decoded path; there are none.
		{"a path with escapes", func(r *http.Request) { r.URL.Path = "/a/../static/x.css" }, url.Values{}, cookie, 403},
		{"a method of its own", func(r *http.Request) { r.Method = "PURGE" }, url.Values{}, cookie, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused = nil
			r := form(c.fields)
			if c.change != nil {
				c.change(r)
			}
			if c.cookie != nil {
				r.AddCookie(c.cookie)
			}
			w := serve(h, r)
			if w.Code != c.want {
				t.Errorf("got %d (%v), want %d", w.Code, refused, c.want)
			}
			if c.want == 403 && !errors.Is(refused, middleware.ErrForged) {
				t.Errorf("refused with %v", refused)
			}
		})
	}
}

func TestCSRFPlainHTTP(t *testing.T) {
	t.Parallel()
	s := newCSRF(t, middleware.CSRFConfig{Origin: "http://localhost:8080", InsecureAllowHTTP: true})
	h := page(s)
	cookie, token := visit(t, h, "/", nil)
	for from, want := range map[string]int{"http://localhost:8080": 200, "https://localhost:8080": 403, "http://localhost:8081": 403} {
		r := form(url.Values{"csrf_token": {token}})
		r.Host = "localhost:8080"
		r.Header.Set("Origin", from)
		r.AddCookie(cookie)
		if w := serve(h, r); w.Code != want {
			t.Errorf("%s: got %d, want %d", from, w.Code, want)
		}
	}
}

func TestCSRFBody(t *testing.T) {
	t.Parallel()
	s := newCSRF(t, middleware.CSRFConfig{MaxBody: 1000, MaxFields: 5})
	h := page(s)
	cookie, token := visit(t, h, "/", nil)
	valid := "csrf_token=" + url.QueryEscape(token)
	for _, c := range []struct {
		name, kind, body string
		chunked          bool
		want             int
	}{
		{"at the bound", "application/x-www-form-urlencoded", valid + "&a=" + strings.Repeat("x", 1000-len(valid)-3), false, 200},
		{"over it", "application/x-www-form-urlencoded", valid + "&a=" + strings.Repeat("x", 1000-len(valid)-2), false, 413},
		{"over it, of unknown length", "application/x-www-form-urlencoded", valid + "&a=" + strings.Repeat("x", 1000), true, 413},
		{"charset", "application/x-www-form-urlencoded; charset=utf-8", valid, false, 200},
		{"multipart", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n" + token + "\r\n--x--\r\n", false, 415},
		{"text", "text/plain", valid, false, 415},
		{"no type", "", valid, false, 415},
		{"five fields", "application/x-www-form-urlencoded", valid + "&a&b&c&d", false, 200},
		{"six fields", "application/x-www-form-urlencoded", valid + "&a&a&a&a&a", false, 413},
		{"semicolon, which ParseQuery drops", "application/x-www-form-urlencoded", valid + "&a=1;b=2", false, 400},
		{"bad escape", "application/x-www-form-urlencoded", valid + "&a=%zz", false, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := form(nil)
			var body io.Reader = strings.NewReader(c.body)
			r.ContentLength = int64(len(c.body))
			if c.chunked {
				r.ContentLength = -1
			}
			r.Body = io.NopCloser(body)
			r.Header.Set("Content-Type", c.kind)
			r.AddCookie(cookie)
			w := serve(h, r)
			if w.Code != c.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, c.want)
			}
			if w.Code >= 400 && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the refusal may be cached")
			}
		})
	}
}

func TestCSRFRenew(t *testing.T) {
	t.Parallel()
	s := newCSRF(t, middleware.CSRFConfig{})
	h := page(s)
	cookie, token := visit(t, h, "/", nil)
	renewed, newToken := visit(t, h, "/login", cookie)
	if renewed.Value == cookie.Value || renewed.Name != cookie.Name || !renewed.Secure || !renewed.HttpOnly || renewed.Path != "/" || renewed.MaxAge != 0 {
		t.Errorf("got %v after %v", renewed, cookie)
	}
	for _, c := range []struct {
		name   string
		token  string
		cookie *http.Cookie
		want   int
	}{
		{"the page that was answered with it", newToken, renewed, 200},
		{"a page from before", token, renewed, 403},
	} {
		r := form(url.Values{"csrf_token": {c.token}})
		r.AddCookie(c.cookie)
		if w := serve(h, r); w.Code != c.want {
			t.Errorf("%s: got %d, want %d", c.name, w.Code, c.want)
		}
	}
	// Without a cookie before, nosurf sets one and Renew another: visit fails
	// when the answer has both.
	if first, _ := visit(t, h, "/login", nil); first == nil {
		t.Error("no cookie")
	}
	// Where nosurf does not stand before, it is set all the same, and good.
	w := httptest.NewRecorder()
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	r := httptest.NewRequest("GET", origin+"/loginCheck", nil)
	if got := s.Token(r); got != "" {
		t.Errorf("token %q", got)
	}
	s.Renew(w, r)
	cookies := w.Result().Cookies()
	if len(cookies) != 2 || cookies[1].Name != s.CookieName() {
		t.Fatalf("got %v", cookies)
	}
	if kept, token := visit(t, h, "/", cookies[1]); kept != cookies[1] || !nosurf.VerifyToken(kept.Value, token) {
		t.Errorf("the cookie %v was not taken", cookies[1])
	}
}

// A token is masked anew each time, so that compressed pages do not give it away.
func TestCSRFTokenDiffers(t *testing.T) {
	t.Parallel()
	h := page(newCSRF(t, middleware.CSRFConfig{}))
	cookie, first := visit(t, h, "/", nil)
	_, second := visit(t, h, "/", cookie)
	if first == second {
		t.Error("the same token twice")
	}
}

func TestNewCSRFFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewCSRF(middleware.CSRFConfig{Origin: "http://connectid.example", Kit: "Bad;word", MaxBody: -1})
	for _, want := range []string{"InsecureAllowHTTP", "Kit", "MaxBody"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	for _, bad := range []string{"", "connectid.example", "https://connectid.example/user"} {
		if _, err := middleware.NewCSRF(middleware.CSRFConfig{Origin: bad}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func ExampleCSRF() {
	forms, err := middleware.NewCSRF(middleware.CSRFConfig{Origin: "https://connectid.example"})
	if err != nil {
		panic(err)
	}
	h := forms.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<form method="post"><input type="hidden" name="%s" value="%s">`, middleware.CSRFField, forms.Token(r))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "https://connectid.example/", nil)) // not from the form
	fmt.Println(w.Code)
	// Output: 415
}
