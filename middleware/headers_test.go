package middleware_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/middleware"
)

func newHeaders(t *testing.T, c middleware.SecurityHeadersConfig) *middleware.SecurityHeaders {
	t.Helper()
	s, err := middleware.NewSecurityHeaders(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := newHeaders(t, middleware.SecurityHeadersConfig{Origin: "https://connectid.example", FormActions: []string{"http://127.0.0.1:8081"}})
	h := get(s.Handler(okHandler), "/").Header()
	for name, want := range map[string]string{
		"Cache-Control":             "no-store",
		"X-Content-Type-Options":    "nosniff",
		"X-Frame-Options":           "DENY",
		"Referrer-Policy":           "same-origin",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self' https: http://127.0.0.1:8081", "script-src 'self'"} {
		if !strings.Contains(csp+";", want+";") {
			t.Errorf("no %q in %q", want, csp)
		}
	}
	for _, bad := range []string{"unsafe", "data:", "*"} {
		if strings.Contains(csp, bad) {
			t.Errorf("%q in %q", bad, csp)
		}
	}
	for _, left := range []string{"Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Embedder-Policy"} {
		if h.Get(left) != "" {
			t.Errorf("%s would break payment windows or loginCheck", left)
		}
	}
}

func TestSecurityHeadersOfOneAnswer(t *testing.T) {
	t.Parallel()
	s := newHeaders(t, middleware.SecurityHeadersConfig{Origin: "https://connectid.example"})
	h := get(s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.AllowForms(w.Header(), "http://localhost:8081", "https://a.example", "http://x; script-src *", "http://a.example/path", "http://*", "'unsafe-inline'", "")
		w.Header().Add("Cache-Control", "private")
	})), "/").Header()
	if got := h.Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self' https: http://localhost:8081") {
		t.Errorf("got %q", got)
	}
	h = get(s.Handler(okHandler), "/").Header()
	if got := h.Get("Content-Security-Policy"); strings.Contains(got, "localhost") || len(h["Cache-Control"]) != 1 {
		t.Errorf("one answer changed the next: %v", h)
	}
}

func TestSecurityHeadersHSTS(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"https://connectid.example": true,
		"http://connectid.example":  false,
		"https://localhost:8443":    false, // would turn http off on every port of the machine
		"https://a.localhost":       false,
		"https://127.0.0.1:8443":    false,
		"https://[::1]:8443":        false,
	} {
		h := get(newHeaders(t, middleware.SecurityHeadersConfig{Origin: origin}).Handler(okHandler), "/").Header()
		if got := h.Get("Strict-Transport-Security") != ""; got != want {
			t.Errorf("%s: sent %t, want %t", origin, got, want)
		}
	}
}

func TestNewSecurityHeadersFaults(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "connectid.example", "https://connectid.example/", "https://CONNECTID.example", "ftp://x"} {
		if _, err := middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{Origin: origin}); err == nil {
			t.Errorf("%q: no error", origin)
		}
	}
	_, err := middleware.NewSecurityHeaders(middleware.SecurityHeadersConfig{FormActions: []string{"http://a;b", "x"}})
	for _, want := range []string{"Origin", "http://a;b", `"x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v, err := middleware.NewVersion("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	w := get(v.Handler(http.NotFoundHandler()), "/")
	if w.Code != 404 || w.Header().Get("X-Mediaconnect-Api-Version") != "1.2.3" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	for _, bad := range []string{"", "1 2", "1\r\nSet-Cookie: a=b", "ø", strings.Repeat("1", 65)} {
		if _, err := middleware.NewVersion(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
