// Package work is what each authorization server is given to do: the same
// requests to a token endpoint and to a handler that checks access tokens, in one
// process, on memory stores, with the same hash of client secrets.
package work

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// What every server knows: one confidential client, one user.
const (
	ClientID    = "web"
	UserID      = "user-1"
	RedirectURI = "https://app.example/callback"
	Verifier    = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	Challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	Nonce       = "n-0S6_WzA2Mj"
)

// The scopes of the client. Every code has offline_access, as some servers give a
// refresh token for nothing else.
const (
	Plain  = "read offline_access"
	OpenID = "openid offline_access"
)

// Scopes are all that the client may ask for.
var Scopes = []string{"openid", "read", "offline_access"}

// Secret is the client's: 256 random bits, which is what makes one SHA-256 a
// sufficient hash of it.
var Secret = Random()

// Random returns 256 random bits.
func Random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash is the hash that every server compares client secrets with.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var errSecret = errors.New("wrong secret")

// Compare is the comparison for servers that take one.
func Compare(hash, secret []byte) error {
	var got [43]byte
	sum := sha256.Sum256(secret)
	base64.RawURLEncoding.Encode(got[:], sum[:])
	if subtle.ConstantTimeCompare(got[:], hash) != 1 {
		return errSecret
	}
	return nil
}

// NewKey returns a key for ES256.
func NewKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// Server is one authorization server, ready for work.
type Server struct {
	Token    http.Handler // the token endpoint
	TokenURL string
	// Guard checks the access token of a request as a resource server in the same
	// process does, and answers with the id of the token's client.
	Guard http.Handler
	// NewCode returns a live authorization code for the client, the user, the
	// scope, RedirectURI and Challenge (S256), as the authorization endpoint
	// would have issued it.
	NewCode func(ctx context.Context, scope string) (string, error)
	// Key verifies the ID tokens; nil for a server that issues none.
	Key *ecdsa.PublicKey
	// AlwaysIDToken says that a code exchange gives an ID token without the scope
	// openid, too.
	AlwaysIDToken bool
}

// caller sends one request again and again, with other bodies, and allocates
// nothing for it.
type caller struct {
	h        http.Handler
	template http.Request
	r        http.Request
	body     nopCloser
	w        recorder
}

func newCaller(h http.Handler, method, target string) *caller {
	r := httptest.NewRequest(method, target, nil)
	c := &caller{h: h, template: *r, w: recorder{header: http.Header{}}}
	return c
}

func (s Server) caller() *caller {
	c := newCaller(s.Token, http.MethodPost, s.TokenURL)
	c.template.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.template.SetBasicAuth(ClientID, Secret)
	return c
}

// do returns status and body of the answer, which the next call overwrites.
func (c *caller) do(body string) (int, []byte) {
	c.r = c.template
	c.body.Reset(body)
	c.r.Body = &c.body
	c.r.ContentLength = int64(len(body))
	clear(c.w.header)
	c.w.status, c.w.body = http.StatusOK, c.w.body[:0]
	c.h.ServeHTTP(&c.w, &c.r)
	return c.w.status, c.w.body
}

// tokens fails unless the answer is one with an access token.
func (c *caller) tokens(tb testing.TB, body string) []byte {
	status, answer := c.do(body)
	if status != http.StatusOK || len(member(answer, `"access_token":"`)) < 20 {
		tb.Fatalf("answered %d %s", status, answer)
	}
	return answer
}

type nopCloser struct{ strings.Reader }

func (*nopCloser) Close() error { return nil }

// recorder is what httptest.ResponseRecorder is, but for the allocations.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header    { return w.header }
func (w *recorder) WriteHeader(status int) { w.status = status }
func (w *recorder) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *recorder) WriteString(s string) (int, error) {
	w.body = append(w.body, s...)
	return len(s), nil
}

// member returns the string after a name in a JSON object of plain strings.
func member(object []byte, name string) []byte {
	_, rest, _ := bytes.Cut(object, []byte(name))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return value
}

const clientCredentials = "grant_type=client_credentials&scope=read"

func exchange(code string) string {
	return "grant_type=authorization_code&code=" + url.QueryEscape(code) +
		"&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code_verifier=" + Verifier
}

func refresh(token string) string {
	return "grant_type=refresh_token&refresh_token=" + url.QueryEscape(token)
}

// batch is how many codes are issued at a time, while the clock stands.
const batch = 1000

// Bench runs every operation on a server of its own. open is told the scope of
// the codes.
func Bench(b *testing.B, open func(tb testing.TB, scope string) Server) {
	b.Run("client credentials", func(b *testing.B) {
		c := open(b, Plain).caller()
		m := measure(b)
		for b.Loop() {
			c.tokens(b, clientCredentials)
		}
		m.report()
	})
	b.Run("code exchange", func(b *testing.B) { benchExchange(b, open(b, Plain), Plain) })
	if open(b, OpenID).Key != nil {
		b.Run("code exchange with ID token", func(b *testing.B) { benchExchange(b, open(b, OpenID), OpenID) })
	}
	b.Run("refresh", func(b *testing.B) {
		s := open(b, Plain)
		c := s.caller()
		answer := c.tokens(b, exchange(s.code(b, Plain)))
		m := measure(b)
		for b.Loop() {
			answer = c.tokens(b, refresh(string(member(answer, `"refresh_token":"`))))
		}
		m.report()
	})
	b.Run("bearer check", func(b *testing.B) {
		s := open(b, Plain)
		c := s.caller()
		headers := make([]http.Header, batch)
		for i := range headers {
			token := string(member(c.tokens(b, clientCredentials), `"access_token":"`))
			headers[i] = http.Header{"Authorization": {"Bearer " + token}}
		}
		c = newCaller(s.Guard, http.MethodGet, "https://api.example/articles/7")
		i := 0
		m := measure(b)
		for b.Loop() {
			c.template.Header = headers[i%batch]
			i++
			if status, body := c.do(""); status != http.StatusOK || string(body) != ClientID {
				b.Fatalf("answered %d %s", status, body)
			}
		}
		m.report()
	})
}

func benchExchange(b *testing.B, s Server, scope string) {
	c := s.caller()
	bodies := make([]string, 0, batch)
	m := measure(b)
	for b.Loop() {
		if len(bodies) == 0 {
			m.pause()
			for range batch {
				bodies = append(bodies, exchange(s.code(b, scope)))
			}
			m.resume()
		}
		answer := c.tokens(b, bodies[len(bodies)-1])
		bodies = bodies[:len(bodies)-1]
		if len(member(answer, `"refresh_token":"`)) < 20 {
			b.Fatalf("no refresh token: %s", answer)
		}
		if scope == OpenID && len(member(answer, `"id_token":"`)) < 100 {
			b.Fatalf("no ID token: %s", answer)
		}
	}
	m.report()
}

func (s Server) code(tb testing.TB, scope string) string {
	code, err := s.NewCode(tb.Context(), scope)
	if err != nil || code == "" {
		tb.Fatalf("code %q: %v", code, err)
	}
	return code
}

// Check holds a server to the rules without which its figures would say nothing.
func Check(t *testing.T, open func(tb testing.TB, scope string) Server) {
	s := open(t, Plain)
	refused := func(t *testing.T, c *caller, body string) {
		t.Helper()
		if status, answer := c.do(body); status != http.StatusBadRequest && status != http.StatusUnauthorized {
			t.Errorf("answered %d %s", status, answer)
		}
	}
	guard := func(token string) (int, string) {
		c := newCaller(s.Guard, http.MethodGet, "https://api.example/articles/7")
		c.template.Header.Set("Authorization", "Bearer "+token)
		status, body := c.do("")
		return status, string(body)
	}
	passes := func(t *testing.T, answer []byte) {
		t.Helper()
		if status, body := guard(string(member(answer, `"access_token":"`))); status != http.StatusOK || body != ClientID {
			t.Errorf("the access token of %s: %d %s", answer, status, body)
		}
	}
	wrong := s.caller()
	wrong.template.Header = wrong.template.Header.Clone()
	wrong.template.SetBasicAuth(ClientID, Random())

	t.Run("client credentials", func(t *testing.T) {
		first := string(member(s.caller().tokens(t, clientCredentials), `"access_token":"`))
		answer := s.caller().tokens(t, clientCredentials)
		passes(t, answer)
		if string(member(answer, `"access_token":"`)) == first {
			t.Error("twice the same token")
		}
		refused(t, wrong, clientCredentials)
		refused(t, s.caller(), "grant_type=client_credentials&scope=admin")
	})
	t.Run("code exchange", func(t *testing.T) {
		code := s.code(t, Plain)
		refused(t, wrong, exchange(code))
		body := exchange(s.code(t, Plain))
		refused(t, s.caller(), strings.Replace(body, Verifier, strings.ToUpper(Verifier), 1))
		body = exchange(s.code(t, Plain))
		refused(t, s.caller(), strings.Replace(body, "callback", "elsewhere", 1))
		refused(t, s.caller(), exchange(code[:len(code)-4]+"AAAA"))
		body = exchange(s.code(t, Plain))
		answer := bytes.Clone(s.caller().tokens(t, body))
		passes(t, answer)
		if hasID := bytes.Contains(answer, []byte(`"id_token"`)); hasID != s.AlwaysIDToken {
			t.Errorf("an ID token in %s: %v", answer, hasID)
		}
		refused(t, s.caller(), body)
	})
	t.Run("refresh", func(t *testing.T) {
		answer := bytes.Clone(s.caller().tokens(t, exchange(s.code(t, Plain))))
		body := refresh(string(member(answer, `"refresh_token":"`)))
		refused(t, wrong, body)
		second := bytes.Clone(s.caller().tokens(t, body))
		passes(t, second)
		for _, name := range []string{`"refresh_token":"`, `"access_token":"`} {
			if len(member(second, name)) < 20 || bytes.Equal(member(answer, name), member(second, name)) {
				t.Errorf("%s is not another one: %s %s", name, answer, second)
			}
		}
		passes(t, s.caller().tokens(t, refresh(string(member(second, `"refresh_token":"`)))))
		refused(t, s.caller(), body) // its successor has been used
	})
	t.Run("bearer check", func(t *testing.T) {
		token := string(member(s.caller().tokens(t, clientCredentials), `"access_token":"`))
		for _, bad := range []string{"", Random(), token[:len(token)-4] + "AAAA", token + "A"} {
			if status, body := guard(bad); status != http.StatusUnauthorized {
				t.Errorf("%q: %d %s", bad, status, body)
			}
		}
	})
	if s = open(t, OpenID); s.Key != nil {
		t.Run("code exchange with ID token", func(t *testing.T) {
			answer := s.caller().tokens(t, exchange(s.code(t, OpenID)))
			passes(t, answer)
			checkIDToken(t, s.Key, string(member(answer, `"id_token":"`)))
		})
	}
}

// checkIDToken verifies an ID token without the library that made it.
func checkIDToken(t *testing.T, key *ecdsa.PublicKey, token string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	var header struct{ Alg string }
	var claims struct {
		Sub, Nonce string
		Aud        any
		Exp, Iat   float64
	}
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := errors.Join(json.Unmarshal(decode(parts[0]), &header), json.Unmarshal(decode(parts[1]), &claims)); err != nil {
		t.Fatal(err)
	}
	if header.Alg != "ES256" || claims.Sub != UserID || claims.Nonce != Nonce || claims.Aud == nil || claims.Exp <= claims.Iat {
		t.Errorf("header %+v, claims %+v", header, claims)
	}
	sig := decode(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature is wrong")
	}
}
