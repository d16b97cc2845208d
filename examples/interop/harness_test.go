package interop

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/net/html"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	reader   = "kari@example.com"
	password = "et tre i full blomst"
)

// idServer is a kit that listens on a port, with one reader.
type idServer struct {
	url   string // without a slash at the end
	login string // the issuer
	kit   *connectid.Kit
	store store.Store
	user  store.User
}

// start starts a kit, and its work beside requests, until the test ends.
func start(t *testing.T) *idServer {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(connectid.Clean(mux))
	t.Cleanup(server.Close)
	outbox, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	s := &idServer{url: server.URL, login: server.URL + "/user", store: memstore.New()}
	s.kit, err = connectid.New(connectid.Config{
		Store: s.store, Keys: [][]byte{key}, LoginURL: s.login, Sender: outbox, InsecureAllowHTTP: true,
		Passwords: account.Passwords{Memory: 64, Passes: 1}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", s.kit)
	salt, now := []byte("a salt of 16 byte"), time.Now()
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b64 := base64.RawStdEncoding.EncodeToString
	s.user = store.User{
		ID: "0123456789abcdef0123456789abcdef", Number: 42, FirstName: "Kari", LastName: "Nordmann", Language: "nb", CreatedAt: now, UpdatedAt: now,
		PasswordHash: fmt.Sprintf("$argon2id$v=%d$m=64,t=1,p=1$%s$%s", argon2.Version, b64(salt), b64(sum)), PasswordSetAt: now,
		Credentials: []store.Credential{{Kind: store.Email, Identity: reader, Spelling: reader, VerifiedAt: now, AddedAt: now}},
	}
	if err := s.store.CreateUser(t.Context(), s.user); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.kit.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

// client registers a client whose site is at origin and returns its secret.
func (s *idServer) client(t *testing.T, origin string, change func(*store.Client)) (id, secret string) {
	t.Helper()
	secret, hash := oauth.NewSecret()
	c := store.Client{
		ID: "no.example.site", PartnerID: "partner", Name: "Site", Homepage: origin + "/", Language: "en",
		Targets: []string{origin}, RedirectURIs: []string{origin + "/callback"}, Secrets: []string{hash},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		Scopes:     []string{"openid", "profile", "email"},
	}
	change(&c)
	if err := s.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c.ID, secret
}

// browser is a reader's browser: it keeps cookies and follows redirects, and stops
// before it goes to an address that begins with one of stops.
type browser struct {
	t     *testing.T
	http  *http.Client
	stops []string
	at    *url.URL
	body  string
}

func newBrowser(t *testing.T, stops ...string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, stops: stops}
	b.http = &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		for _, stop := range b.stops {
			if strings.HasPrefix(r.URL.String(), stop) {
				b.at = r.URL
				return http.ErrUseLastResponse
			}
		}
		if len(via) > 12 {
			return fmt.Errorf("too many redirects, to %s", r.URL)
		}
		return nil
	}}
	return b
}

func (b *browser) do(r *http.Request, err error) *browser {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	b.at = nil
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.body = string(body); b.at == nil {
		b.at = resp.Request.URL
	}
	return b
}

func (b *browser) get(address string) *browser {
	b.t.Helper()
	return b.do(http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil))
}

// press fills in the form of the open page and presses the button of the event.
func (b *browser) press(event string, pairs ...string) *browser {
	b.t.Helper()
	doc, err := html.Parse(strings.NewReader(b.body))
	if err != nil {
		b.t.Fatal(err)
	}
	var action *url.URL
	form := url.Values{"event": {event}}
	for n := range doc.Descendants() {
		a := map[string]string{}
		for _, attr := range n.Attr {
			a[attr.Key] = attr.Val
		}
		switch n.Data {
		case "form":
			if action, err = b.at.Parse(a["action"]); err != nil {
				b.t.Fatal(err)
			}
		case "input":
			if a["type"] == "hidden" {
				form.Set(a["name"], a["value"])
			}
		}
	}
	if action == nil {
		b.t.Fatalf("there is no form at %s: %s", b.at, b.body)
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, action.String(), strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", action.Scheme+"://"+action.Host)
	}
	return b.do(r, err)
}

// logIn fills in the login page that is open.
func (b *browser) logIn() *browser {
	b.t.Helper()
	b.want("startLoginState")
	return b.press("verifyCredentialsEvent", "credential", reader, "password", password)
}

// want says which page of the kit is open.
func (b *browser) want(state string) *browser {
	b.t.Helper()
	if !strings.Contains(b.body, `data-state="`+state+`"`) {
		b.t.Fatalf("the page at %s is not %s: %.2000s", b.at, state, b.body)
	}
	return b
}

// wantAt says where the browser is, without the query, and returns the query.
func (b *browser) wantAt(want string) url.Values {
	b.t.Helper()
	if at := *b.at; at.String() != want {
		if at.RawQuery = ""; at.String() != want {
			b.t.Fatalf("the browser is at %s, want %s: %.500s", b.at, want, b.body)
		}
	}
	return b.at.Query()
}
