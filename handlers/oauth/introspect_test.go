package oauth_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
)

func TestIntrospect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		introspect := w.server.Introspect()
		ask := func(token string) reply {
			a := do(t, introspect, basic("web", webSecret, form("token", token)))
			if a.Status != 200 || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, headers %v", a.Status, a.Header)
			}
			return a
		}
		inactive := func(what, token string) {
			t.Helper()
			// RFC 7662, section 2.2: nothing else is said.
			if a := ask(token); a.Body != "{\"active\":false}\n" {
				t.Errorf("%s: %s", what, a.Body)
			}
		}
		first := w.grant("short", webSecret)
		if a := ask(first.Access); !a.Active || a.Subject != "user-1" || a.Client != "short" || a.Scope != "read write" {
			t.Errorf("access token: %s", a.Body)
		}
		if a := ask(first.Refresh); !a.Active || a.Subject != "user-1" || a.Type != "" {
			t.Errorf("refresh token: %s", a.Body)
		}
		second := w.ok(basic("short", webSecret, refreshWith(first.Refresh)))
		inactive("used refresh token", first.Refresh)
		if a := ask(second.Refresh); !a.Active {
			t.Errorf("second refresh token: %s", a.Body)
		}
		own := w.ok(basic("other", otherSecret, form("grant_type", "client_credentials")))
		if a := ask(own.Access); !a.Active || a.Subject != "" || a.Client != "other" {
			t.Errorf("client token: %s", a.Body)
		}
		time.Sleep(time.Minute)
		inactive("expired access token", second.Access)
		time.Sleep(time.Hour)
		inactive("expired refresh token", second.Refresh)
		inactive("unknown token", "x")
		inactive("unknown refresh token", grantID(-1)+second.Refresh[22:])

		third := w.grant("other", otherSecret)
		if err := w.server.DisableClient(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		inactive("token of a disabled client", third.Access)
		inactive("refresh token of a disabled client", third.Refresh)
	})
}

// Disabling a client in the store alone stops its tokens here at once.
func TestIntrospectDisabledInStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("other", otherSecret)
	c, _ := w.store.Client(t.Context(), "other")
	c.Disabled = true
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := do(t, w.server.Introspect(), basic("web", webSecret, form("token", a.Access))); got.Active {
		t.Errorf("answer %s", got.Body)
	}
}

func TestIntrospectRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"not allowed":   {basic("other", otherSecret, form("token", a.Access)), 403, oauth.UnauthorizedClient},
		"public client": {newPost(form("client_id", "spa", "token", a.Access).Encode()), 403, oauth.UnauthorizedClient},
		"wrong secret":  {basic("web", "wrong", form("token", a.Access)), 401, oauth.InvalidClient},
		"no client":     {newPost(form("token", a.Access).Encode()), 401, oauth.InvalidClient},
		"no token":      {basic("web", webSecret, form()), 400, oauth.InvalidRequest},
	} {
		if got := do(t, w.server.Introspect(), tt.r); got.Status != tt.status || got.Error != tt.code || got.Active {
			t.Errorf("%s: answer %d %s, want %d %s", name, got.Status, got.Body, tt.status, tt.code)
		}
	}
}
