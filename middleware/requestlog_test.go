package middleware_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/middleware"
)

// logged runs h once and returns its line.
func logged(t *testing.T, h http.Handler, r *http.Request) map[string]any {
	t.Helper()
	var buf bytes.Buffer
	l := middleware.NewRequestLog(middleware.RequestLogConfig{Logger: slog.New(slog.NewJSONHandler(&buf, nil)), Addresses: newAddresses(t)})
	func() {
		defer func() { recover() }()
		serve(l.Handler(h), r)
	}()
	for _, secret := range []string{"secret", "ola@example.com"} {
		if strings.Contains(buf.String(), secret) {
			t.Errorf("%q in the log: %s", secret, &buf)
		}
	}
	if strings.Count(buf.String(), "\n") != 1 {
		t.Errorf("not one line: %q", &buf)
	}
	var line map[string]any
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestRequestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequest("POST", "/user/login?code=secret&credential=ola@example.com", strings.NewReader("password=secret"))
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("Cookie", "session=secret")
		r.RemoteAddr = "[2001:db8::1]:4"
		line := logged(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second)
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, "four")
		}), r)
		for key, want := range map[string]any{"level": "INFO", "method": "POST", "path": "/user/login", "status": 418.0, "bytes": 4.0, "duration": 3e9, "address": "2001:db8::/64"} {
			if line[key] != want {
				t.Errorf("%s: got %v, want %v", key, line[key], want)
			}
		}
	})
}

func TestRequestLogStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h      http.HandlerFunc
		status float64
		level  string
	}{
		"nothing written":  {func(http.ResponseWriter, *http.Request) {}, 200, "INFO"},
		"only a body":      {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }, 200, "INFO"},
		"a server's fault": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, 503, "ERROR"},
		"an early hint":    {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, 404, "INFO"},
		"panic":            {func(http.ResponseWriter, *http.Request) { panic("secret") }, 500, "ERROR"},
	} {
		line := logged(t, c.h, httptest.NewRequest("GET", "/", nil))
		if line["status"] != c.status || line["level"] != c.level {
			t.Errorf("%s: got %v", name, line)
		}
	}
}

func TestRequestLogHostileRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path = "/a\nlevel=ERROR\x1b[31m\xff" + strings.Repeat("x", 1000)
	r.Method = strings.Repeat("M", 1000)
	line := logged(t, okHandler, r)
	path, method := line["path"].(string), line["method"].(string)
	if strings.ContainsAny(path, "\n\x1b") || len(path) > 220 || len(method) > 20 {
		t.Errorf("got %q %q", method, path)
	}
}

// Through the wrapped writer a handler still reaches the server's own.
func TestRequestLogUnwrap(t *testing.T) {
	t.Parallel()
	l := middleware.NewRequestLog(middleware.RequestLogConfig{Logger: slog.New(slog.DiscardHandler)})
	w := get(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})), "/")
	if !w.Flushed {
		t.Error("not flushed")
	}
}
