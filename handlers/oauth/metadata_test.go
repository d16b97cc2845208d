package oauth_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	h := w.server.Metadata()
	res := httptest.NewRecorder()
	h.ServeHTTP(res, httptest.NewRequest("GET", "/.well-known/oauth-authorization-server/user", nil))
	var m struct {
		Issuer    string   `json:"issuer"`
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Revoke    string   `json:"revocation_endpoint"`
		Intro     string   `json:"introspection_endpoint"`
		Types     []string `json:"response_types_supported"`
		Grants    []string `json:"grant_types_supported"`
		PKCE      []string `json:"code_challenge_methods_supported"`
		Auth      []string `json:"token_endpoint_auth_methods_supported"`
		IntroAuth []string `json:"introspection_endpoint_auth_methods_supported"`
		Prompts   []string `json:"prompt_values_supported"`
		Claims    *bool    `json:"claims_parameter_supported"`
		Iss       bool     `json:"authorization_response_iss_parameter_supported"`
		Pushed    string   `json:"pushed_authorization_request_endpoint"`
		MustPush  *bool    `json:"require_pushed_authorization_requests"`
		ByRef     *bool    `json:"request_uri_parameter_supported"`
		Proofs    []string `json:"dpop_signing_alg_values_supported"`
	}
	if err := json.Unmarshal(res.Body.Bytes(), &m); err != nil || res.Code != 200 || res.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", res.Code, err, res.Body)
	}
	// RFC 8414, section 3.3: the issuer is the one that was asked.
	if m.Issuer != issuer || m.Authorize != issuer+"/oauth/authorize" || m.Token != issuer+"/oauth/token" ||
		m.Revoke != issuer+"/oauth/revoke" || m.Intro != issuer+"/oauth/introspect" || !m.Iss {
		t.Errorf("metadata %s", res.Body)
	}
	if m.Claims == nil || *m.Claims {
		t.Error("claims_parameter_supported is not false")
	}
	if m.Pushed != issuer+"/oauth/par" || m.MustPush == nil || *m.MustPush || m.ByRef == nil || *m.ByRef { // RFC 9126, section 5
		t.Errorf("metadata %s", res.Body)
	}
	for _, tt := range []struct{ got, want []string }{
		{m.Proofs, []string{"ES256", "RS256", "PS256", "EdDSA"}}, // RFC 9449, section 5.1
		{m.Types, []string{"code"}},
		{m.PKCE, []string{"S256"}},
		{m.Prompts, []string{"none", "login", "consent", "select_account"}},
		{m.Grants, []string{"authorization_code", "refresh_token", "client_credentials", extURN}},
		{m.Auth, []string{"client_secret_basic", "client_secret_post", "none"}},
		{m.IntroAuth, []string{"client_secret_basic", "client_secret_post"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	res = httptest.NewRecorder()
	h.ServeHTTP(res, httptest.NewRequest("POST", "/", nil))
	if res.Code != 405 || !strings.Contains(res.Header().Get("Allow"), "GET") {
		t.Errorf("POST: status %d, Allow %q", res.Code, res.Header().Get("Allow"))
	}
}

var update = flag.Bool("update", false, "write the golden files")

// The whole document, as clients get it: testdata/metadata.json.
func TestMetadataDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	res := httptest.NewRecorder()
	w.server.Metadata().ServeHTTP(res, httptest.NewRequest("GET", "/", nil))
	var got bytes.Buffer
	if err := json.Indent(&got, res.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const golden = "testdata/metadata.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(must(os.ReadFile(golden))); got.String() != want {
		t.Errorf("the document is\n%s\nwant\n%s", got.String(), want)
	}
	var m map[string]any
	if err := json.Unmarshal(got.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	// OpenID Connect Discovery 1.0, section 3: what has to be there, and
	// RS256 among the algorithms.
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
		"subject_types_supported", "id_token_signing_alg_values_supported"} {
		if m[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if algs, _ := m["id_token_signing_alg_values_supported"].([]any); !slices.Contains(algs, any("RS256")) || slices.Contains(algs, any("none")) {
		t.Errorf("algorithms %v", algs)
	}
	// RFC 8414, section 2: an absolute URL on the issuer; absent claims are not null.
	for name, v := range m {
		if s, ok := v.(string); ok && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(s, issuer+"/") || v == nil {
			t.Errorf("%s is %v", name, v)
		}
	}
	etag := res.Header().Get("ETag")
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("If-None-Match", etag)
	res = httptest.NewRecorder()
	if w.server.Metadata().ServeHTTP(res, r); etag == "" || res.Code != 304 {
		t.Errorf("ETag %s: status %d", etag, res.Code)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ id, origin string }{{"web", "https://web.test"}, {"spa", "https://spa.test:8443"}, {"off", "https://off.test"}} {
		r, _ := w.store.Client(t.Context(), c.id)
		r.Targets = []string{c.origin + "/app"}
		r.Public = c.id != "web"
		r.RedirectURIs = append(r.RedirectURIs, "https://redirect-"+c.id+".test/cb")
		if err := w.store.PutClient(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for origin, want := range map[string]bool{
		"https://spa.test:8443": true,
		"https://web.test":      false, // not a public client
		"https://off.test":      false, // disabled
		"https://spa.test":      false,
		"http://spa.test:8443":  false,
		"HTTPS://spa.test:8443": false,
		"https://evil.test":     false,
		"null":                  false,
		"":                      false,
		"*":                     false,
	} {
		wanted := ""
		if want {
			wanted = origin
		}
		for _, h := range []struct{ name, method string }{
			{"token", "OPTIONS"}, {"revoke", "OPTIONS"}, {"metadata", "OPTIONS"}, {"metadata", "GET"},
		} {
			req := httptest.NewRequest(h.method, "/", nil)
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			req.Header.Set("Access-Control-Request-Method", "POST")
			res := httptest.NewRecorder()
			switch h.name {
			case "token":
				w.server.Token().ServeHTTP(res, req)
			case "revoke":
				w.server.Revoke().ServeHTTP(res, req)
			default:
				w.server.Metadata().ServeHTTP(res, req)
			}
			if got := res.Header().Get("Access-Control-Allow-Origin"); got != wanted {
				t.Errorf("%s %s from %q: allowed origin %q, want %q", h.method, h.name, origin, got, wanted)
			}
			if res.Header().Get("Vary") != "Origin" || res.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s from %q: headers %v", h.method, h.name, origin, res.Header())
			}
		}
	}

	// The answers themselves: only to the client's own origin, errors too.
	spa := with(redeem(w.putCode("spa")), "client_id", "spa")
	for _, tt := range []struct {
		id, origin string
		allowed    bool
	}{
		{"spa", "https://spa.test:8443", true},
		{"spa", "https://redirect-spa.test", true},
		{"spa", "https://web.test", false},
		{"web", "https://web.test", false},
	} {
		a := w.do(header(newPost(with(spa, "client_id", tt.id).Encode()), "Origin", tt.origin))
		if got := a.Header.Get("Access-Control-Allow-Origin"); (got == tt.origin) != tt.allowed || got != "" && got != tt.origin {
			t.Errorf("%s from %s: allowed origin %q", tt.id, tt.origin, got)
		}
	}
}

func TestPreflightOfBrokenStore(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, newBroken("ClientsByOrigin"))
	r := httptest.NewRequest("OPTIONS", "/", nil)
	r.Header.Set("Origin", "https://app.test")
	if a := w.do(r); a.Status != 503 || a.Error != oauth.TemporarilyUnavailable || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answer %d %s", a.Status, a.Body)
	}
}
