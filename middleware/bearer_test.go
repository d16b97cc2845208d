package middleware_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	userToken   = "user-token-VmFsaWQ"
	clientToken = "client-token-VmFsaWQ="
)

func fill(t testing.TB, s store.Store) {
	t.Helper()
	ctx := t.Context()
	now := time.Now()
	for _, err := range []error{
		s.PutClient(ctx, store.Client{ID: "site"}),
		s.PutClient(ctx, store.Client{ID: "off", Disabled: true}),
		s.CreateGrant(ctx, store.Grant{ID: "g1", ClientID: "site", UserID: "u1", CreatedAt: now, ExpiresAt: now.Add(time.Hour)},
			store.AccessToken{Hash: store.DigestOf(userToken), GrantID: "g1", ClientID: "site", UserID: "u1", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf(clientToken), ClientID: "site", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf("off"), ClientID: "off", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		s.PutAccessToken(ctx, store.AccessToken{Hash: store.DigestOf("gone"), ClientID: "gone", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func newBearer(t testing.TB, s store.Store) *middleware.Bearer {
	t.Helper()
	b, err := middleware.NewBearer(middleware.BearerConfig{Grants: s, Clients: s})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func authorized(values ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = values
	return r
}

func TestBearer(t *testing.T) {
	s := memstore.New()
	fill(t, s)
	h := newBearer(t, s).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, ok := middleware.TokenFrom(r.Context())
		fmt.Fprintln(w, ok, tok.Client.ID, tok.UserID, tok.IsUser())
	}))
	invalid := `error="invalid_token"`
	for _, c := range []struct {
		name      string
		r         *http.Request
		status    int
		challenge string // part of WWW-Authenticate; "" means that there is none
		body      string
	}{
		{"user token", authorized("Bearer " + userToken), 200, "", "true site u1 true"},
		{"client token", authorized("Bearer " + clientToken), 200, "", "true site  false"},
		{"scheme in any case, several spaces", authorized("bEARER   " + userToken), 200, "", "true site u1 true"},
		{"nothing", httptest.NewRequest("GET", "/", nil), 401, `Bearer realm="connectid"`, `"error":"invalid_token"`},
		{"another scheme", authorized("Basic dTpw"), 401, `Bearer realm="connectid"`, ""},
		{"no token", authorized("Bearer "), 401, `Bearer realm="connectid"`, ""},
		{"scheme run into the token", authorized("Bearer" + userToken), 401, `Bearer realm="connectid"`, ""},
		{"token in the query", httptest.NewRequest("GET", "/?access_token="+userToken, nil), 401, `Bearer realm="connectid"`, ""},
		{"unknown", authorized("Bearer nobody"), 401, invalid, `"error_description":"`},
		{"two headers", authorized("Bearer "+userToken, "Bearer "+userToken), 400, `error="invalid_request"`, ""},
		{"not a b64token", authorized(`Bearer a"b`), 401, invalid, "malformed"},
		{"padding inside", authorized("Bearer a=b"), 401, invalid, "malformed"},
		{"padding alone", authorized("Bearer =="), 401, invalid, "malformed"},
		{"two tokens", authorized("Bearer a b"), 401, invalid, "malformed"},
		{"too long", authorized("Bearer " + strings.Repeat("a", 513)), 401, invalid, "malformed"},
		{"disabled client", authorized("Bearer off"), 401, invalid, ""},
		{"deleted client", authorized("Bearer gone"), 401, invalid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := serve(h, c.r)
			got := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || !strings.Contains(got, c.challenge) || (got == "") != (c.challenge == "") || !strings.Contains(w.Body.String(), c.body) {
				t.Errorf("got %d %q %s; want %d with %q and %q", w.Code, got, w.Body, c.status, c.challenge, c.body)
			}
			// RFC 6750, section 3.1: no error without authentication information.
			if c.challenge == `Bearer realm="connectid"` && strings.Contains(got, "error") {
				t.Errorf("challenge %q names an error", got)
			}
		})
	}
	if err := s.RevokeGrant(t.Context(), "g1", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if w := serve(h, authorized("Bearer "+userToken)); w.Code != 401 {
		t.Errorf("token of a revoked grant: %d", w.Code)
	}
}

func TestBearerExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		fill(t, s)
		b := newBearer(t, s)
		time.Sleep(time.Hour - time.Millisecond)
		if _, err := b.Check(authorized("Bearer " + userToken)); err != nil {
			t.Errorf("before its end: %v", err)
		}
		time.Sleep(time.Millisecond)
		if _, err := b.Check(authorized("Bearer " + userToken)); err == nil {
			t.Error("at its end: no error")
		}
	})
}

// lagging is a store whose own expiry lags behind.
type lagging struct{ *memstore.Store }

func (s lagging) AccessToken(_ context.Context, h store.Digest) (store.AccessToken, error) {
	return store.AccessToken{Hash: h, ClientID: "site", ExpiresAt: time.Now().Add(-time.Second)}, nil
}

func TestBearerChecksExpiryItself(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	if _, err := newBearer(t, lagging{s}).Check(authorized("Bearer x")); err == nil {
		t.Error("an expired token passed")
	}
}

func TestBearerOutage(t *testing.T) {
	for _, s := range []*brokenStore{{tokens: true}, {clients: true}, {tokens: true, frozen: true}, {clients: true, frozen: true}} {
		t.Run(fmt.Sprintf("%+v", *s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s.Store = memstore.New()
				fill(t, s)
				start := time.Now()
				w := serve(newBearer(t, s).Handler(okHandler), authorized("Bearer "+userToken))
				if took := time.Since(start); took >= 5*time.Second {
					t.Errorf("took %v", took)
				}
				if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" || strings.Contains(w.Body.String(), "10.9.8.7") {
					t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
				}
			})
		})
	}
}

func TestRequireToken(t *testing.T) {
	t.Parallel()
	user := middleware.Token{AccessToken: store.AccessToken{UserID: "u"}}
	client := middleware.Token{}
	for name, c := range map[string]struct {
		err error
		ok  bool
	}{
		"user on a user's call":     {middleware.RequireUserToken(user), true},
		"client on a client's call": {middleware.RequireClientToken(client), true},
		"client on a user's call":   {middleware.RequireUserToken(client), false},
		"user on a client's call":   {middleware.RequireClientToken(user), false},
	} {
		e, refused := errors.AsType[*middleware.BearerError](c.err)
		if refused == c.ok || refused && (e.Status != 403 || e.Code != "insufficient_scope") {
			t.Errorf("%s: got %v", name, c.err)
		}
	}
	if _, ok := middleware.TokenFrom(t.Context()); ok {
		t.Error("a token from nowhere")
	}
}

func TestNewBearerFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.NewBearer(middleware.BearerConfig{Timeout: -1})
	for _, want := range []string{"Grants", "Clients", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// BenchmarkBearer is the check of a token: one hash, the look-ups, no write.
func BenchmarkBearer(b *testing.B) {
	s := memstore.New()
	fill(b, s)
	bearer, r := newBearer(b, s), authorized("Bearer "+userToken)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bearer.Check(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloorBearer is one SHA-256 and one look-up in a map.
func BenchmarkFloorBearer(b *testing.B) {
	m := map[[32]byte]store.AccessToken{sha256.Sum256([]byte(userToken)): {ClientID: "site"}}
	r := authorized("Bearer " + userToken)
	b.ReportAllocs()
	for b.Loop() {
		_, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if t := m[sha256.Sum256([]byte(raw))]; t.ClientID == "" {
			b.Fatal("not found")
		}
	}
}
