package oauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
)

func TestRevokeRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoke := w.server.Revoke()
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	for range 2 { // RFC 7009, section 2.2: an invalid token is no error
		if a := do(t, revoke, basic("web", webSecret, form("token", second.Refresh, "token_type_hint", "access_token"))); a.Status != 200 {
			t.Errorf("status %d, want 200", a.Status)
		}
	}
	if w.live(first.Access) || w.live(second.Access) {
		t.Error("access tokens outlive the refresh token")
	}
	w.refused(basic("web", webSecret, refreshWith(second.Refresh)), 400, oauth.InvalidGrant)
}

// A client that lost the answer to its last refresh can still log the user out.
func TestRevokeOldRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	if a := do(t, w.server.Revoke(), basic("web", webSecret, form("token", first.Refresh))); a.Status != 200 {
		t.Errorf("status %d, want 200", a.Status)
	}
	if w.live(second.Access) {
		t.Error("the grant lives on")
	}
}

func TestRevokeAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	if got := do(t, w.server.Revoke(), basic("web", webSecret, form("token", a.Access, "token_type_hint", "refresh_token"))); got.Status != 200 {
		t.Errorf("status %d, want 200", got.Status)
	}
	if w.live(a.Access) {
		t.Error("the access token lives on")
	}
	w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
}

func TestRevokeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoke := w.server.Revoke()
	a := w.grant("web", webSecret)
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"another client's refresh token": {basic("other", otherSecret, form("token", a.Refresh)), 400, oauth.InvalidGrant},
		"another client's access token":  {basic("other", otherSecret, form("token", a.Access)), 400, oauth.InvalidGrant},
		"public client, foreign token":   {newPost(form("client_id", "spa", "token", a.Refresh).Encode()), 400, oauth.InvalidGrant},
		"wrong secret":                   {basic("web", "wrong", form("token", a.Refresh)), 401, oauth.InvalidClient},
		"no client":                      {newPost(form("token", a.Refresh).Encode()), 401, oauth.InvalidClient},
		"missing token":                  {basic("web", webSecret, form("token_type_hint", "access_token")), 400, oauth.InvalidRequest},
		"token in the query":             {query(basic("web", webSecret, form()), form("token", a.Refresh)), 400, oauth.InvalidRequest},
		"unknown token":                  {basic("web", webSecret, form("token", "x")), 200, ""},
		"unknown refresh token":          {basic("web", webSecret, form("token", grantID(-1)+"."+strings.Repeat("a", 43))), 200, ""},
		"unknown hint":                   {basic("web", webSecret, form("token", "x", "token_type_hint", "y")), 200, ""},
		"oversized token":                {basic("web", webSecret, form("token", strings.Repeat("x", 20000))), 200, ""},
	} {
		if got := do(t, revoke, tt.r); got.Status != tt.status || got.Error != tt.code {
			t.Errorf("%s: answer %d %s, want %d %s", name, got.Status, got.Body, tt.status, tt.code)
		}
	}
	if !w.live(a.Access) {
		t.Error("a refused revocation took effect")
	}
	w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
}

func TestRevokePublicClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ok(newPost(with(redeem(w.putCode("spa")), "client_id", "spa").Encode()))
	if got := do(t, w.server.Revoke(), newPost(form("client_id", "spa", "token", a.Refresh).Encode())); got.Status != 200 {
		t.Errorf("status %d, want 200", got.Status)
	}
	if w.live(a.Access) {
		t.Error("the grant lives on")
	}
}
