package oauth_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
)

func TestJWKS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.server.JWKS()
	get := func(method string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/oauth/jwks", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		res := httptest.NewRecorder()
		h.ServeHTTP(res, r)
		return res
	}
	// The first to ask finds a key, before anything was signed.
	a := get("GET")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(a.Body.Bytes(), &set); err != nil || a.Code != 200 || len(set.Keys) != 1 {
		t.Fatalf("%d %s %v", a.Code, a.Body, err)
	}
	for name, want := range map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"} {
		if set.Keys[0][name] != want {
			t.Errorf("%s is %q, want %q", name, set.Keys[0][name], want)
		}
	}
	etag := a.Header().Get("ETag")
	if a.Header().Get("Content-Type") != "application/json" || a.Header().Get("Cache-Control") != "public, max-age=900" ||
		!strings.HasPrefix(etag, `"`) || a.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", a.Header())
	}
	for _, tag := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		if a := get("GET", "If-None-Match", tag); a.Code != 304 || a.Body.Len() != 0 || a.Header().Get("ETag") != etag || a.Header().Get("Cache-Control") == "" {
			t.Errorf("If-None-Match %s: %d %v", tag, a.Code, a.Header())
		}
	}
	if a := get("GET", "If-None-Match", `"x"`); a.Code != 200 {
		t.Errorf("another tag: %d", a.Code)
	}
	// Another key, another tag, and the private parts of neither.
	w.ok(basic("oidcrsa", webSecret, redeem(w.putCode("oidcrsa", openID))))
	a = get("GET", "If-None-Match", etag)
	if a.Code != 200 || a.Header().Get("ETag") == etag {
		t.Errorf("after a key was added: %d %v", a.Code, a.Header())
	}
	set.Keys = nil
	if err := json.Unmarshal(a.Body.Bytes(), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%s %v", a.Body, err)
	}
	for _, k := range set.Keys {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, leaks := k[name]; leaks {
				t.Errorf("the key set has %q (RFC 7518, section 6)", name)
			}
		}
	}
	if a := get("POST"); a.Code != 405 || a.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("POST: %d %v", a.Code, a.Header())
	}
	down := newWorldOn(t, newBroken("SigningKeys"))
	if a := do(t, down.server.JWKS(), httptest.NewRequest("GET", "/oauth/jwks", nil)); a.Status != 503 || a.Error != oauth.TemporarilyUnavailable ||
		a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("ETag") != "" {
		t.Errorf("without the store: %d %s %v", a.Status, a.Body, a.Header)
	}
}
