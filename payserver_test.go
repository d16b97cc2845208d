package connectid_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The payment script and its API are found wherever the kit is mounted, and not
// taken for each other.
func TestPayServers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stripped := http.StripPrefix("/capi", s.kit.APIServer())
	for _, c := range []struct {
		handler      http.Handler
		method, path string
		status       int
		kind         string
	}{
		{s.kit, "GET", "/mcpay/lib/v/1/mediaconnectpay.js", 200, "text/javascript"},
		{s.kit, "GET", "/mcpay//lib/versions.json", 200, "application/json"},
		{s.kit, "GET", "/mcpay/lib/v/9/mediaconnectpay.js", 404, "text/plain"},
		{s.kit.ScriptServer(), "GET", "/mcpay/lib/v/1.0/mediaconnectpay.d.ts", 200, ""},
		{s.kit, "POST", "/capi/mcpay/init", 400, "application/json"},
		{s.kit, "POST", "/capi//mcpay/init", 400, "application/json"},
		{s.kit.APIServer(), "POST", "/capi/mcpay/init", 400, "application/json"},
		{s.kit.PayServer(), "POST", "/capi/mcpay/init", 400, "application/json"},
		{stripped, "POST", "/capi/mcpay/init", 400, "application/json"},
		{s.kit, "POST", "/capi/mcpay/callback/nobody/creditcardPayex", 404, "application/json"},
		{s.kit.APIServer(), "GET", "/capi/v1/customer/profile", 401, "application/json"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader("{}"))
		if c.method == "POST" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), c.kind) {
			t.Errorf("%s %s: %d %s %s, want %d %s", c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.kind)
		}
	}
}
