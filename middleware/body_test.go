package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/middleware"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	b, err := middleware.NewBounds(middleware.BoundsConfig{MaxBody: 10, MaxURL: 100, MaxParams: 3, MaxHeaders: 200, MaxCookies: 50})
	if err != nil {
		t.Fatal(err)
	}
	h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); !ok {
				t.Errorf("got %v", err)
			}
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	with := func(name string, values ...string) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[name] = values
		return r
	}
	chunked := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("12345678901")))
	chunked.ContentLength = -1
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"small", httptest.NewRequest("GET", "/?a=1&b=2&c=3", nil), 200},
		{"body at the bound", httptest.NewRequest("POST", "/", strings.NewReader("1234567890")), 200},
		{"body over it", httptest.NewRequest("POST", "/", strings.NewReader("12345678901")), 413},
		{"body of unknown length over it", chunked, 413},
		{"address", httptest.NewRequest("GET", "/"+strings.Repeat("a", 100), nil), 414},
		{"query", httptest.NewRequest("GET", "/?"+strings.Repeat("a", 100), nil), 414},
		{"parameters", httptest.NewRequest("GET", "/?a&b&c&d", nil), 400},
		{"one cookie", with("Cookie", strings.Repeat("a", 51)), 431},
		{"cookies over several lines", with("Cookie", strings.Repeat("a", 26), strings.Repeat("b", 25)), 431},
		{"cookies at the bound", with("Cookie", strings.Repeat("a", 50)), 200},
		{"one header", with("X-A", strings.Repeat("a", 200)), 431},
		{"many headers", with("X-A", strings.Split(strings.Repeat("aaaaaaaaaa ", 20), " ")...), 431},
	} {
		w := serve(h, c.r)
		if w.Code != c.want {
			t.Errorf("%s: got %d, want %d", c.name, w.Code, c.want)
		}
		if w.Code >= 400 && w.Body.Len() > 0 && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: the answer may be cached", c.name)
		}
	}
}

func TestNewBoundsFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewBounds(middleware.BoundsConfig{MaxBody: -1, MaxURL: -1, MaxParams: -1, MaxHeaders: -1, MaxCookies: -1})
	for _, want := range []string{"MaxBody", "MaxURL", "MaxParams", "MaxHeaders", "MaxCookies"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
