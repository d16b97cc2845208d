package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/bench/peers/work"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// openKit returns a whole kit, called as browsers and clients call it.
func openKit(tb testing.TB, _ string) work.Server {
	st := memstore.New()
	out, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	kit, err := connectid.New(connectid.Config{
		Store: st, Keys: [][]byte{key}, LoginURL: "https://id.example/user", Sender: out,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, now := tb.Context(), time.Now()
	err = st.PutClient(ctx, store.Client{
		ID: work.ClientID, Name: "The Paper", Homepage: "https://app.example/", Secrets: []string{"sha256:" + work.Hash(work.Secret)},
		Targets: []string{"https://app.example"}, RedirectURIs: []string{work.RedirectURI}, Language: "nb",
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Scopes: work.Scopes,
	})
	if err != nil {
		tb.Fatal(err)
	}
	session := store.DigestOf("session")
	err = st.CreateSession(ctx, store.Session{
		Handle: session, ID: "session", UserID: work.UserID, ClientID: work.ClientID, Method: "password", FreshAt: now,
		CreatedAt: now, UsedAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	bearer, err := middleware.NewBearer(middleware.BearerConfig{Grants: st, Clients: st})
	if err != nil {
		tb.Fatal(err)
	}
	return work.Server{
		TokenURL: "https://id.example/user/oauth/token",
		Token:    kit,
		Guard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, err := bearer.Check(r)
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, t.Client.ID)
		}),
		NewCode: func(ctx context.Context, scope string) (string, error) {
			code, now := work.Random(), time.Now()
			return code, st.PutCode(ctx, store.AuthorizationCode{
				Hash: store.DigestOf(code), ClientID: work.ClientID, GrantID: work.Random()[:22],
				UserID: work.UserID, Scope: scope, Session: session, SessionID: "session", Nonce: work.Nonce, RedirectURI: work.RedirectURI, Challenge: work.Challenge,
				AuthenticatedAt: now, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			})
		},
		Key: publicKey(tb, kit),
	}
}

// publicKey returns the key for ES256 that the kit publishes.
func publicKey(tb testing.TB, kit http.Handler) *ecdsa.PublicKey {
	w := httptest.NewRecorder()
	kit.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://id.example/user/oauth/jwks", nil))
	var set struct{ Keys []struct{ Crv, X, Y string } }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		tb.Fatalf("keys: %d: %v", w.Code, err)
	}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
		if k.Crv != "P-256" || err != nil || err2 != nil {
			continue
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			tb.Fatal(err)
		}
		return key
	}
	tb.Fatalf("no key for ES256 in %s", w.Body)
	return nil
}

func TestWork(t *testing.T) { work.Check(t, openKit) }

func BenchmarkWork(b *testing.B) {
	b.Run("connectid", func(b *testing.B) { work.Bench(b, openKit) })
}
