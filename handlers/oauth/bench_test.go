package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// Each benchmark stands beside a Floor: the same look-ups, hashes, random
// numbers, writes and JSON without HTTP, parameters and rules.

// sink is a ResponseWriter that keeps the body only.
type sink struct {
	header http.Header
	body   []byte
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.body = append(s.body[:0], b...); return len(b), nil }

// client sends one request again and again with other bodies.
type benchClient struct {
	h    http.Handler
	r    *http.Request
	body *strings.Reader
	w    sink
}

func newBenchClient(h http.Handler) *benchClient {
	c := &benchClient{h: h, r: basic("web", webSecret, nil), body: strings.NewReader(""), w: sink{header: http.Header{}}}
	return c
}

func (c *benchClient) post(b *testing.B, body string) []byte {
	c.body.Reset(body)
	c.r.Body = nopCloser{c.body}
	c.r.ContentLength = int64(len(body))
	clear(c.w.header)
	c.w.status = 200
	c.h.ServeHTTP(&c.w, c.r)
	if c.w.status != 200 {
		b.Fatalf("%d %s", c.w.status, c.w.body)
	}
	return c.w.body
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

// answerJSON is what a floor encodes.
type answerJSON struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Seconds int64  `json:"expires_in"`
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

func floorToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func floorAuth(ctx context.Context, b *testing.B, st *memstore.Store) store.Client {
	c, err := st.Client(ctx, "web")
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte(webSecret))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.Secrets[0][len("sha256:"):])) != 1 {
		b.Fatal("wrong secret")
	}
	return c
}

func BenchmarkClientCredentials(b *testing.B) {
	c := newBenchClient(newWorld(b).token)
	b.ReportAllocs()
	for b.Loop() {
		c.post(b, "grant_type=client_credentials&scope=read")
	}
}

func BenchmarkClientCredentialsFloor(b *testing.B) {
	st := newWorld(b).store.(*memstore.Store)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		c := floorAuth(ctx, b, st)
		now := time.Now()
		a := answerJSON{Access: floorToken(), Type: "Bearer", Seconds: 43200, Scope: "read"}
		err := st.PutAccessToken(ctx, store.AccessToken{
			Hash: store.DigestOf(a.Access), ClientID: c.ID, Scope: a.Scope, CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour),
		})
		if _, err2 := json.Marshal(a); err != nil || err2 != nil {
			b.Fatal(err, err2)
		}
	}
}

// benchCode stores a code in all benchmarks of the exchange alike; for a client of
// OpenID Connect it is one of that.
func benchCode(ctx context.Context, b *testing.B, st store.Grants, challenge string, n int, openID ...string) string {
	code := "benchmark-code-" + strconv.Itoa(n)
	now := time.Now()
	c := store.AuthorizationCode{
		Hash: store.DigestOf(code), ClientID: "web", GrantID: "grant-of-22-charac-" + strconv.Itoa(n), UserID: "user-1", Scope: "read",
		Session: store.DigestOf("session"), RedirectURI: appURI, Challenge: challenge, AuthenticatedAt: now, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if len(openID) == 1 {
		c.ClientID, c.Scope, c.Nonce, c.SessionID = openID[0], "openid", "n-0S6_WzA2Mj", "sid"
	}
	if err := st.PutCode(ctx, c); err != nil {
		b.Fatal(err)
	}
	return code
}

func BenchmarkExchangeCode(b *testing.B) {
	w := newWorld(b)
	w.putSession("session", "user-1")
	c := newBenchClient(w.token)
	ctx, challenge, n := b.Context(), challengeOf(verifier), 0
	rest := "&grant_type=authorization_code&code_verifier=" + verifier + "&redirect_uri=https%3A%2F%2Fapp.test%2Fcb"
	b.ReportAllocs()
	for b.Loop() {
		n++
		c.post(b, "code="+benchCode(ctx, b, w.store, challenge, n)+rest)
	}
}

// The same with an ID token.
func BenchmarkExchangeCodeOpenID(b *testing.B) {
	for _, client := range []string{"oidc", "oidcrsa"} {
		b.Run(client, func(b *testing.B) {
			w := newWorld(b)
			w.putSession("session", "user-1")
			c := newBenchClient(w.token)
			c.r.SetBasicAuth(client, webSecret)
			ctx, challenge, n := b.Context(), challengeOf(verifier), 0
			rest := "&grant_type=authorization_code&code_verifier=" + verifier + "&redirect_uri=https%3A%2F%2Fapp.test%2Fcb"
			b.ReportAllocs()
			for b.Loop() {
				n++
				c.post(b, "code="+benchCode(ctx, b, w.store, challenge, n, client)+rest)
			}
		})
	}
}

// An ID token of ES256, from claims to string, and the bare signature that it
// can not be cheaper than.
func BenchmarkIDToken(b *testing.B) {
	w := newWorld(b)
	claims := oauth.IDClaims{UserID: "5d41402abc4b2a76b9719d911017c592", SessionID: "o0tCoGdT2Yb0ebrqvTWKlA", Nonce: "n-0S6_WzA2Mj",
		Access: floorToken(), Method: "password", At: time.Now()}
	c := must(w.store.Client(b.Context(), "oidc"))
	if _, err := w.server.IDToken(b.Context(), &c, claims); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.server.IDToken(b.Context(), &c, claims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIDTokenFloor(b *testing.B) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	hash := sha256.Sum256([]byte("header.payload"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ecdsa.Sign(rand.Reader, key, hash[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExchangeCodeFloor(b *testing.B) {
	w := newWorld(b)
	w.putSession("session", "user-1")
	st := w.store.(*memstore.Store)
	ctx, challenge, n := b.Context(), challengeOf(verifier), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		code := benchCode(ctx, b, st, challenge, n)
		floorAuth(ctx, b, st)
		taken, err := st.TakeCode(ctx, store.DigestOf(code), "web")
		if err != nil || challengeOf(verifier) != taken.Challenge {
			b.Fatal(err)
		}
		now := time.Now()
		a := answerJSON{Access: floorToken(), Type: "Bearer", Seconds: 43200, Refresh: taken.GrantID + "." + floorToken(), Scope: taken.Scope}
		err = st.CreateGrant(ctx, store.Grant{
			ID: taken.GrantID, ClientID: "web", UserID: taken.UserID, Scope: taken.Scope, AuthenticatedAt: taken.AuthenticatedAt,
			Refresh: store.DigestOf(a.Refresh), CreatedAt: now, RefreshExpires: now.Add(720 * time.Hour), ExpiresAt: now.Add(8760 * time.Hour),
		}, store.AccessToken{
			Hash: store.DigestOf(a.Access), GrantID: taken.GrantID, ClientID: "web", UserID: taken.UserID, Scope: taken.Scope,
			CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour),
		})
		if session, err := st.Session(ctx, taken.Session); err != nil || session.UserID != taken.UserID {
			b.Fatal(err)
		}
		if _, err2 := json.Marshal(a); err != nil || err2 != nil {
			b.Fatal(err, err2)
		}
	}
}

func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b)
	token := w.grant("web", webSecret).Refresh
	c := newBenchClient(w.token)
	b.ReportAllocs()
	for b.Loop() {
		body := c.post(b, "grant_type=refresh_token&refresh_token="+token)
		_, after, _ := strings.Cut(string(body), `"refresh_token":"`)
		token, _, _ = strings.Cut(after, `"`)
	}
}

func BenchmarkRefreshFloor(b *testing.B) {
	w := newWorld(b)
	st := w.store.(*memstore.Store)
	token := w.grant("web", webSecret).Refresh
	ring := ring(b, 1)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		floorAuth(ctx, b, st)
		id, _, _ := strings.Cut(token, ".")
		g, err := st.Grant(ctx, id)
		if err != nil || g.Refresh != store.DigestOf(token) {
			b.Fatal(err)
		}
		n := strconv.Itoa(g.Generation)
		now := time.Now()
		a := answerJSON{
			Access: keys.Token(ring.MAC("a", token, n)), Refresh: id + "." + keys.Token(ring.MAC("r", token, n)),
			Type: "Bearer", Seconds: 43200, Scope: g.Scope,
		}
		g.Previous, g.Refresh, g.RotatedAt, g.KeyID = g.Refresh, store.DigestOf(a.Refresh), now, ring.ID()
		g.Generation++
		err = st.SwapGrant(ctx, g, store.AccessToken{
			Hash: store.DigestOf(a.Access), GrantID: g.ID, ClientID: "web", UserID: g.UserID, Scope: g.Scope,
			CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour),
		})
		if _, err2 := json.Marshal(a); err != nil || err2 != nil {
			b.Fatal(err, err2)
		}
		token = a.Refresh
	}
}
