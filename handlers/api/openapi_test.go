package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/middleware"
)

// That the document is OpenAPI 3.1 and what the endpoints answer has its tests in
// examples/openapi, with a validator.

func TestDocumentationIsPublic(t *testing.T) {
	t.Parallel()
	for path, contentType := range map[string]string{"/capi/openapi.json": "application/json; charset=utf-8", "/capi/docs": "text/html; charset=utf-8"} {
		h := filled(t, func(c *api.Config) { c.AnonymousPerMinute = 6 })
		w := call(h, "GET", path, "")
		if w.Code != 200 || w.Header().Get("Content-Type") != contentType || w.Header().Get("X-RateLimit-Remaining") != "5" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if again := call(h, "GET", path, "", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 || again.Body.Len() > 0 {
			t.Errorf("%s with its ETag: %d", path, again.Code)
		}
		if head := call(h, "HEAD", path, ""); head.Code != 200 || head.Body.Len() > 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v", path, head.Code, head.Header())
		}
		if w := call(h, "GET", path, userToken); w.Code != 200 {
			t.Errorf("%s with a token: %d", path, w.Code)
		}
		if w := call(h, "POST", path, "wrong"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "script") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if cors := w.Header().Get("Access-Control-Allow-Origin"); (cors == "*") != strings.HasSuffix(path, ".json") {
			t.Errorf("%s: Access-Control-Allow-Origin %q", path, cors)
		}
		call(h, "GET", path, "")
		call(h, "GET", path, "")
		checkError(t, call(h, "GET", path, ""), 429)
	}
}

// The documentation changes with the stage of an endpoint's life, at once and only
// then.
func TestDocumentationFollowsTheDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life := middleware.Lifecycle{Test: time.Now(), Production: time.Now().Add(time.Hour), Deprecated: time.Now().Add(2 * time.Hour), Sunset: time.Now().Add(200 * day)}
		h := filled(t, withLife("GET /v1/customer/profile", life))
		last := ""
		for _, want := range []string{"absent", "there", "deprecated"} {
			w := call(h, "GET", "/capi/openapi.json", "")
			var d struct {
				Paths map[string]struct{ Get *struct{ Deprecated bool } }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
				t.Fatal(err)
			}
			got := "absent"
			if op := d.Paths["/v1/customer/profile"].Get; op != nil {
				got = map[bool]string{false: "there", true: "deprecated"}[op.Deprecated]
			}
			if got != want {
				t.Errorf("the endpoint is %s, want %s", got, want)
			}
			page := call(h, "GET", "/capi/docs", "").Body.String()
			if strings.Contains(page, `id="getProfile"`) != (want != "absent") || strings.Contains(page, `class="deprecated"`) != (want == "deprecated") {
				t.Errorf("the page does not say that the endpoint is %s", want)
			}
			if tag := w.Header().Get("ETag"); tag == last {
				t.Errorf("the ETag is the same where the endpoint is %s", want)
			} else if again := call(h, "GET", "/capi/openapi.json", ""); again.Header().Get("ETag") != tag {
				t.Error("the ETag differs from call to call")
			} else {
				last = tag
			}
			time.Sleep(time.Hour + time.Second)
		}
		time.Sleep(200 * day)
		if w := call(h, "GET", "/capi/openapi.json", ""); strings.Contains(w.Body.String(), `"/v1/customer/profile":`) {
			t.Error("an endpoint that is gone is in the document")
		}
	})
}

// What a configuration goes without is not described, and who has no address or
// authorization server to name names none.
func TestDocumentationOfASmallServer(t *testing.T) {
	t.Parallel()
	w := call(filled(t, func(c *api.Config) { c.Accounts = nil; c.LegacyXML = true; c.Prefix = "/x/" }), "GET", "/x/openapi.json", "")
	body := w.Body.String()
	for text, want := range map[string]bool{"/v1/client/extid": false, `"servers":[{"url":"/x"}]`: true, "oauth2": false, `"security":[{"bearer":[]}]`: true, "ask for application/json": true} {
		if strings.Contains(body, text) != want {
			t.Errorf("%q is there: %t, want %t", text, !want, want)
		}
	}
}
