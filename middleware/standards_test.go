package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store/memstore"
)

// RFC 6750, section 3: the whole challenge, each attribute once, and no error where
// nobody has shown a token (section 3.1).
func TestChallenges(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	h := newBearer(t, s).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, _ := middleware.TokenFrom(r.Context())
		if e, ok := middleware.RequireUserToken(tok).(*middleware.BearerError); ok {
			e.Challenge(w.Header())
			w.WriteHeader(e.Status)
		}
	}))
	const realm = `Bearer realm="connectid"`
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"no token":          {httptest.NewRequest("GET", "/", nil), 401, realm},
		"another scheme":    {authorized("Basic dTpw"), 401, realm},
		"unknown":           {authorized("Bearer x"), 401, realm + `, error="invalid_token", error_description="the access token is unknown, expired or revoked"`},
		"malformed":         {authorized(`Bearer "`), 401, realm + `, error="invalid_token", error_description="the access token is malformed"`},
		"two headers":       {authorized("Bearer x", "Bearer y"), 400, realm + `, error="invalid_request", error_description="the header Authorization is there more than once"`},
		"of another kind":   {authorized("Bearer " + clientToken), 403, realm + `, error="insufficient_scope", error_description="this call needs the access token of a user"`},
		"as it has to be":   {authorized("Bearer " + userToken), 200, ""},
		"token in the form": {posted("access_token=" + userToken), 401, realm},
	} {
		w := serve(h, c.r)
		if got := strings.Join(w.Header().Values("WWW-Authenticate"), "\n"); w.Code != c.status || got != c.want {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, got, c.status, c.want)
		}
	}
}

// posted returns a post that RFC 6750, section 2.2 allows servers to take.
func posted(body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}
