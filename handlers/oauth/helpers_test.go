package oauth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	issuer   = "https://connectid.test/user"
	appURI   = "https://app.test/cb"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	api1     = "https://api.one.test/v1"
	api2     = "urn:api:two"
	extURN   = "https://connectid.test/grant/echo"
)

// The secrets of the clients "web" and "other" are random, that of "human" is not.
var (
	webSecret, webHash     = oauth.NewSecret()
	otherSecret, otherHash = oauth.NewSecret()
	humanSecret            = "blåbær & 100%+ kaffe: ja"
	humanHash              = must(oauth.HashSecret(humanSecret))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var allGrants = []string{"authorization_code", "refresh_token", "client_credentials", extURN}

var oidcScopes = []string{"openid", "profile", "email", "phone", "offline_access", "read"}

// clients are the records that every test begins with.
func clients() []store.Client {
	base := store.Client{
		Name: "News", GrantTypes: allGrants, Scopes: []string{"read", "write", "a&b"},
		Targets: []string{"https://app.test"}, RedirectURIs: []string{appURI},
	}
	with := func(id string, change func(*store.Client)) store.Client {
		c := base
		c.ID = id
		change(&c)
		return c
	}
	return []store.Client{
		with("web", func(c *store.Client) { c.Secrets = []string{webHash}; c.MayIntrospect = true }),
		with("other", func(c *store.Client) { c.Secrets = []string{otherHash} }),
		with("human", func(c *store.Client) { c.Secrets = []string{humanHash} }),
		// What a public client can not have is not given to it by a setting.
		with("spa", func(c *store.Client) { c.Public, c.InsecureSkipPKCE, c.MayIntrospect = true, true, true }),
		with("off", func(c *store.Client) { c.Secrets = []string{webHash}; c.Disabled = true }),
		with("keep", func(c *store.Client) { c.Secrets = []string{webHash}; c.KeepRefreshToken = true }),
		with("short", func(c *store.Client) {
			c.Secrets = []string{webHash}
			c.AccessLifetime, c.RefreshLifetime = time.Minute, time.Hour
		}),
		with("norefresh", func(c *store.Client) { c.Secrets = []string{webHash}; c.GrantTypes = []string{"authorization_code"} }),
		with("nogrants", func(c *store.Client) { c.Secrets = []string{webHash}; c.GrantTypes = nil }),
		with("asking", func(c *store.Client) {
			c.Name, c.Secrets, c.ConsentRequired = "Reading Room", []string{webHash}, true
			c.Scopes = []string{"openid", "profile", "email", "read"}
		}),
		with("told", func(c *store.Client) {
			c.Secrets, c.BackchannelLogoutURI = []string{webHash}, "https://app.test/ended"
		}),
		with("apis", func(c *store.Client) {
			c.Secrets = []string{webHash}
			c.MayIntrospect = true
			c.Resources = []string{api1, api2}
		}),
		with("keyed", func(c *store.Client) { c.Secrets = []string{webHash}; c.RequireDPoP = true }),
		with("keyedspa", func(c *store.Client) { c.Public = true; c.KeepRefreshToken = true; c.Resources = []string{api1} }),
		with("pushing", func(c *store.Client) { c.Secrets = []string{webHash}; c.RequirePAR = true }),
		with("oldnopkce", func(c *store.Client) { c.Secrets = []string{webHash}; c.InsecureSkipPKCE = true }),
		// Those of OpenID Connect.
		with("oidc", func(c *store.Client) { c.Secrets = []string{webHash}; c.Scopes = oidcScopes }),
		with("oidcrsa", func(c *store.Client) { c.Secrets = []string{webHash}; c.Scopes = oidcScopes; c.IDTokenAlg = "RS256" }),
		with("oidcspa", func(c *store.Client) { c.Public = true; c.Scopes = oidcScopes }),
		with("oidckeep", func(c *store.Client) { c.Secrets = []string{webHash}; c.Scopes = oidcScopes; c.KeepRefreshToken = true }),
		with("oidcbad", func(c *store.Client) { c.Secrets = []string{webHash}; c.Scopes = oidcScopes; c.IDTokenAlg = "none" }),
	}
}

func ring(tb testing.TB, seed byte) *keys.Ring {
	tb.Helper()
	secret := bytes.Repeat([]byte{seed, 1, 2, 3}, 8)
	r, err := keys.New([][]byte{secret})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func newDPoP(tb testing.TB, st store.Tickets, change ...func(*middleware.DPoPConfig)) *middleware.DPoP {
	tb.Helper()
	c := middleware.DPoPConfig{Tickets: st, Keys: [][]byte{bytes.Repeat([]byte{1, 1, 2, 3}, 8)}}
	for _, f := range change {
		f(&c)
	}
	d, err := middleware.NewDPoP(c)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// everything is what a test may put a failing store in place of.
type everything interface {
	store.Clients
	store.Grants
	store.Sessions
	store.Counters
	store.Outbox
	store.Consents
	store.Users
	store.SigningKeys
	store.Tickets
}

// world is an authorization server on a memory store.
type world struct {
	tb     testing.TB
	store  everything
	server *oauth.Server
	signer *signing.Signer
	log    *lockedBuffer
	token  http.Handler
	calls  int
}

func newWorld(tb testing.TB, change ...func(*oauth.Config)) *world {
	tb.Helper()
	return newWorldOn(tb, memstore.New(), change...)
}

func newWorldOn(tb testing.TB, st everything, change ...func(*oauth.Config)) *world {
	tb.Helper()
	for _, c := range clients() {
		if err := st.PutClient(tb.Context(), c); err != nil {
			tb.Fatal(err)
		}
	}
	w := &world{tb: tb, store: st, log: &lockedBuffer{}}
	var err error
	w.signer, err = signing.New(signing.Config{Store: st, Keys: ring(tb, 1), Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		tb.Fatal(err)
	}
	config := oauth.Config{
		Clients: st, Grants: st, Sessions: st, Counters: st, Tickets: st, Consents: st, Users: st, Signer: w.signer, Outbox: st, Keys: ring(tb, 1), Issuer: issuer,
		DPoP:       newDPoP(tb, st),
		AddressKey: func(r *http.Request) string { return r.RemoteAddr },
		Logger:     slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&config)
	}
	if w.server, err = oauth.New(config); err != nil {
		tb.Fatal(err)
	}
	w.token = w.server.Token()
	return w
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// form builds values from name, value, …
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func newPost(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// basic returns a post with form-encoded Basic authentication.
func basic(id, secret string, v url.Values) *http.Request {
	r := newPost(v.Encode())
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return r
}

// reply is what an endpoint answered.
type reply struct {
	Status  int
	Header  http.Header
	Body    string
	Error   string `json:"error"`
	Detail  string `json:"error_description"`
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Seconds int64  `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	Active  bool   `json:"active"`
	Subject string `json:"sub"`
	Client  string `json:"client_id"`
	IDToken string `json:"id_token"`

	Audience []string          `json:"aud"`
	Confirm  map[string]string `json:"cnf"`
	Pushed   string            `json:"request_uri"`
}

func do(tb testing.TB, h http.Handler, r *http.Request) reply {
	tb.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	body, _ := io.ReadAll(res.Body)
	a := reply{Status: res.StatusCode, Header: res.Header, Body: string(body)}
	if res.StatusCode != http.StatusNoContent {
		if got := res.Header.Get("Content-Type"); got != "application/json" {
			tb.Errorf("Content-Type %q, want application/json", got)
		}
		if err := json.Unmarshal(body, &a); err != nil {
			tb.Errorf("answer %q: %v", body, err)
		}
	}
	return a
}

func (w *world) do(r *http.Request) reply {
	w.tb.Helper()
	return do(w.tb, w.token, r)
}

// ok is do for a request that has to succeed.
func (w *world) ok(r *http.Request) reply {
	w.tb.Helper()
	a := w.do(r)
	if a.Status != http.StatusOK || a.Access == "" || a.Type != "Bearer" {
		w.tb.Fatalf("answer %d %s, want a token", a.Status, a.Body)
	}
	return a
}

// refused is do for a request that has to fail in one way.
func (w *world) refused(r *http.Request, status int, code string) reply {
	w.tb.Helper()
	a := w.do(r)
	if a.Status != status || a.Error != code || a.Access != "" || a.Refresh != "" {
		w.tb.Fatalf("answer %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	return a
}

// putCode stores an authorization code as the authorization endpoint does.
func (w *world) putCode(clientID string, change ...func(*store.AuthorizationCode)) string {
	w.tb.Helper()
	w.calls++
	w.putSession("session", "user-1")
	code := "code-" + clientID + "-" + strconv.Itoa(w.calls)
	c := store.AuthorizationCode{
		Hash: store.DigestOf(code), ClientID: clientID, GrantID: grantID(w.calls), UserID: "user-1",
		Scope: "read write", RedirectURI: appURI, Challenge: challengeOf(verifier), Session: store.DigestOf("session"),
		AuthenticatedAt: time.Now(), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute),
	}
	for _, f := range change {
		f(&c)
	}
	if err := w.store.PutCode(w.tb.Context(), c); err != nil {
		w.tb.Fatal(err)
	}
	return code
}

// putSession stores a session, if there is none yet.
func (w *world) putSession(handle, userID string) {
	w.tb.Helper()
	at := time.Now()
	err := w.store.CreateSession(w.tb.Context(), store.Session{
		Handle: store.DigestOf(handle), UserID: userID, CreatedAt: at, UsedAt: at, IdleAt: at.Add(time.Hour), ExpiresAt: at.Add(time.Hour),
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		w.tb.Fatal(err)
	}
}

// grantID returns an id of the form that the server gives.
func grantID(n int) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// redeem is the token request for a code.
func redeem(code string) url.Values {
	return form("grant_type", "authorization_code", "code", code, "redirect_uri", appURI, "code_verifier", verifier)
}

// grant gives the client tokens of user-1.
func (w *world) grant(clientID, secret string) reply {
	w.tb.Helper()
	return w.ok(basic(clientID, secret, redeem(w.putCode(clientID))))
}

func refreshWith(token string) url.Values {
	return form("grant_type", "refresh_token", "refresh_token", token)
}

// live reports whether an access token is stored and live.
func (w *world) live(token string) bool {
	w.tb.Helper()
	_, err := w.store.AccessToken(w.tb.Context(), store.DigestOf(token))
	return err == nil
}

// without returns v without a parameter.
func without(v url.Values, name string) url.Values {
	c := url.Values{}
	for k, vs := range v {
		if k != name {
			c[k] = slices.Clone(vs)
		}
	}
	return c
}

func with(v url.Values, name, value string) url.Values {
	c := without(v, name)
	c.Set(name, value)
	return c
}

// rounds is how often a race is run; SOAK_ROUNDS sets another number.
func rounds(tb testing.TB) int {
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatalf("SOAK_ROUNDS: %v", err)
		}
		return n
	}
	if testing.Short() {
		return 20
	}
	return 200
}
