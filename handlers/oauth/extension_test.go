package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// withEcho registers a grant that believes what it is told.
func withEcho(c *oauth.Config) {
	c.ExtensionGrants = []oauth.ExtensionGrant{{
		Type: extURN,
		Exchange: func(_ context.Context, r oauth.GrantRequest) (oauth.GrantResult, error) {
			switch r.Param("mode") {
			case "refuse":
				return oauth.GrantResult{}, &oauth.Error{Code: oauth.InvalidGrant, Description: "not\r\n\"you\"", Err: errors.New("inner")}
			case "fail":
				return oauth.GrantResult{}, errors.New("inner")
			case "wide":
				return oauth.GrantResult{UserID: "user-2", Scope: "admin"}, nil
			case "narrow":
				return oauth.GrantResult{UserID: "user-2", Scope: "read"}, nil
			case "once":
				return oauth.GrantResult{UserID: "user-2", NoRefreshToken: true}, nil
			}
			return oauth.GrantResult{UserID: r.Param("user")}, nil
		},
	}}
}

func TestExtensionGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	v := form("grant_type", extURN, "user", "user-2", "scope", "read write")
	a := w.ok(basic("web", webSecret, v))
	tok, err := w.store.AccessToken(t.Context(), store.DigestOf(a.Access))
	if err != nil || tok.UserID != "user-2" || tok.Scope != "read write" || a.Refresh == "" {
		t.Errorf("token %+v, %v, answer %s", tok, err, a.Body)
	}
	w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
	if a := w.ok(basic("web", webSecret, with(v, "mode", "narrow"))); a.Scope != "read" {
		t.Errorf("scope %q, want read", a.Scope)
	}
	if a := w.ok(basic("web", webSecret, with(v, "mode", "once"))); a.Refresh != "" {
		t.Errorf("answer %s, want no refresh token", a.Body)
	}
	if a := w.ok(basic("web", webSecret, without(v, "user"))); a.Refresh != "" {
		t.Errorf("answer %s, want a client token", a.Body)
	}
	a = w.refused(basic("web", webSecret, with(v, "mode", "refuse")), 400, oauth.InvalidGrant)
	if strings.ContainsAny(a.Detail, "\r\n\"") || strings.Contains(a.Body, "inner") {
		t.Errorf("answer %s", a.Body)
	}
	w.refused(basic("web", webSecret, with(v, "mode", "fail")), 503, oauth.TemporarilyUnavailable)
	w.refused(basic("web", webSecret, with(v, "mode", "wide")), 503, oauth.TemporarilyUnavailable)
	w.refused(basic("web", webSecret, with(v, "scope", "admin")), 400, oauth.InvalidScope)
	w.refused(basic("norefresh", webSecret, v), 400, oauth.UnauthorizedClient)
	r := newPost(v.Encode() + "&user=user-3")
	r.SetBasicAuth("web", webSecret)
	w.refused(r, 400, oauth.InvalidRequest)
}

// A client that has to ask its users gets no token of one who has not agreed, by
// whatever grant, and none outlives her consent.
func TestExtensionGrantConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	refused := func(scope string) {
		t.Helper()
		w.refused(basic("asking", webSecret, form("grant_type", extURN, "user", "user-2", "scope", scope)), 400, oauth.InvalidGrant)
		for g := range w.store.UserGrants(t.Context(), "user-2") {
			t.Errorf("grant %s is live", g.ID)
		}
	}
	refused("")
	refused("read")
	err := w.store.AddConsent(t.Context(), store.Consent{UserID: "user-2", ClientID: "asking", Scopes: []string{"email"}, GivenAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	refused("read email")
	a := w.ok(basic("asking", webSecret, form("grant_type", extURN, "user", "user-2", "scope", "email")))
	if err := w.store.RevokeGrant(t.Context(), strings.Split(a.Refresh, ".")[0], time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := w.store.DeleteConsent(t.Context(), "user-2", "asking"); err != nil {
		t.Fatal(err)
	}
	refused("email")
	w.ok(basic("asking", webSecret, form("grant_type", extURN))) // no user's
}

func TestExtensionGrantBasicOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho, func(c *oauth.Config) { c.ExtensionGrants[0].BasicOnly = true })
	v := form("grant_type", extURN, "user", "user-2")
	w.ok(basic("web", webSecret, v))
	w.refused(newPost(with(with(v, "client_id", "web"), "client_secret", webSecret).Encode()), 401, oauth.InvalidClient)
	w.refused(newPost(with(v, "client_id", "spa").Encode()), 401, oauth.InvalidClient)
}

// A grant of one's own: a voucher printed in the newspaper opens a user's
// account once.
func ExampleExtensionGrant() {
	vouchers := make(chan string, 1) // stands for a store with an atomic take
	vouchers <- "SPRING"
	voucher := oauth.ExtensionGrant{
		Type: "https://news.example/grant_type/voucher",
		Exchange: func(_ context.Context, r oauth.GrantRequest) (oauth.GrantResult, error) {
			select {
			case v := <-vouchers:
				if v == r.Param("voucher") {
					return oauth.GrantResult{UserID: "5d41402abc4b2a76b9719d911017c592"}, nil
				}
			default:
			}
			return oauth.GrantResult{}, &oauth.Error{Code: oauth.InvalidGrant, Description: "the voucher is not valid"}
		},
	}

	ctx := context.Background()
	st := memstore.New()
	secret, hash := oauth.NewSecret()
	st.PutClient(ctx, store.Client{ID: "news", Secrets: []string{hash}, GrantTypes: []string{voucher.Type}, AccessLifetime: time.Hour})
	ring, _ := keys.New([][]byte{[]byte("a key of at least 32 random bytes")})
	signer, _ := signing.New(signing.Config{Store: st, Keys: ring})
	server, err := oauth.New(oauth.Config{
		Clients: st, Grants: st, Sessions: st, Counters: st, Tickets: st, Consents: st, Users: st, Signer: signer, Outbox: st, Keys: ring, Issuer: "https://login.example/user",
		AddressKey:      func(r *http.Request) string { return r.RemoteAddr },
		ExtensionGrants: []oauth.ExtensionGrant{voucher},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r := httptest.NewRequest("POST", "/user/oauth/token", strings.NewReader("grant_type=https://news.example/grant_type/voucher&voucher=SPRING"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("news", secret)
		w := httptest.NewRecorder()
		server.Token().ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Contains(w.Body.String(), `"expires_in":3600`))
	}
	// Output:
	// 200 true
	// 400 false
}

// withOnce registers a grant whose codes name, as ID, the grant that each gives
// once, and asks still before it keeps what it gave.
func withOnce(still func(ctx context.Context) error) func(*oauth.Config) {
	var used sync.Map
	return func(c *oauth.Config) {
		c.ExtensionGrants = []oauth.ExtensionGrant{{Type: extURN, Exchange: func(_ context.Context, r oauth.GrantRequest) (oauth.GrantResult, error) {
			id := r.Param("code")
			if _, again := used.LoadOrStore(id, true); again {
				return oauth.GrantResult{GrantID: id}, &oauth.Error{Code: oauth.InvalidGrant, Description: "used"}
			}
			return oauth.GrantResult{UserID: "user-2", GrantID: id, Confirm: still}, nil
		}}}
	}
}

// The second use of what is used once ends what the first gave.
func TestExtensionGrantReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withOnce(nil))
	id, other := oauth.NewGrantID(), oauth.NewGrantID()
	first, untouched := w.ok(basic("web", webSecret, form("grant_type", extURN, "code", id))), w.ok(basic("web", webSecret, form("grant_type", extURN, "code", other)))
	if !strings.HasPrefix(first.Refresh, id+".") {
		t.Errorf("the grant of %s is that of %s", first.Refresh, id)
	}
	w.refused(basic("web", webSecret, form("grant_type", extURN, "code", id)), 400, oauth.InvalidGrant)
	if w.live(first.Access) || !w.live(untouched.Access) {
		t.Error("the replay does not revoke what the first use gave, or more than that")
	}
	w.refused(basic("web", webSecret, refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
	// A used ID can not be given again, whatever the grant believes.
	w = newWorld(t, func(c *oauth.Config) {
		c.ExtensionGrants = []oauth.ExtensionGrant{{Type: extURN, Exchange: func(context.Context, oauth.GrantRequest) (oauth.GrantResult, error) {
			return oauth.GrantResult{UserID: "user-2", GrantID: id}, nil
		}}}
	})
	w.ok(basic("web", webSecret, form("grant_type", extURN)))
	w.refused(basic("web", webSecret, form("grant_type", extURN)), 503, oauth.TemporarilyUnavailable)
	if err := w.store.RevokeGrant(t.Context(), id, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.refused(basic("web", webSecret, form("grant_type", extURN)), 400, oauth.InvalidGrant)
	// One that is not of the form of a grant's ID would not survive a refresh.
	w = newWorld(t, withOnce(nil))
	for _, bad := range []string{"short", strings.Repeat("A", 23), id[:21] + "."} {
		w.refused(basic("web", webSecret, form("grant_type", extURN, "code", bad)), 503, oauth.TemporarilyUnavailable)
	}
}

// What is not so any more when the tokens are stored gives none.
func TestExtensionGrantConfirm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"refused":    {&oauth.Error{Code: oauth.InvalidGrant, Description: "gone"}, 400, oauth.InvalidGrant},
		"an outage":  {errors.New("inner"), 503, oauth.TemporarilyUnavailable},
		"still fine": {nil, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, stored := oauth.NewGrantID(), false
			var w *world
			w = newWorld(t, withOnce(func(ctx context.Context) error {
				_, err := w.store.Grant(ctx, id)
				stored = err == nil
				return c.err
			}))
			a := w.do(basic("web", webSecret, form("grant_type", extURN, "code", id)))
			if a.Status != c.status || a.Error != c.code || (a.Access != "") != (c.err == nil) || strings.Contains(a.Body, "inner") {
				t.Errorf("answer %d %s, want %d %s", a.Status, a.Body, c.status, c.code)
			}
			if !stored {
				t.Error("asked before the grant was stored, when somebody may still end all grants that there are")
			}
			if _, err := w.store.Grant(t.Context(), id); (err == nil) != (c.err == nil) {
				t.Errorf("the grant afterwards: %v", err)
			}
		})
	}
	// Tokens that can not be taken back are not given either.
	id := oauth.NewGrantID()
	st := newBroken("RevokeGrant")
	w := newWorldOn(t, st, withOnce(func(context.Context) error { return &oauth.Error{Code: oauth.InvalidGrant} }))
	w.refused(basic("web", webSecret, form("grant_type", extURN, "code", id)), 503, oauth.TemporarilyUnavailable)
	w.refused(basic("web", webSecret, form("grant_type", extURN, "code", id)), 503, oauth.TemporarilyUnavailable)
}
