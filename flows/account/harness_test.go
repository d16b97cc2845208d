package account_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

var soakRounds = flag.Int("soak.rounds", envRounds(), "rounds of each race")

func envRounds() int {
	if n, err := strconv.Atoi(os.Getenv("SOAK_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 200
}

// secretKey is a kit key that differs from another's in its first byte.
func secretKey(first byte) []byte {
	k := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	k[0] = first
	return k
}

func ring(t testing.TB, firsts ...byte) *keys.Ring {
	t.Helper()
	var secrets [][]byte
	for _, f := range firsts {
		secrets = append(secrets, secretKey(f))
	}
	r, err := keys.New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func composer(t testing.TB) *message.Composer {
	t.Helper()
	c, err := message.NewComposer(message.ComposerConfig{BaseURL: "https://login.example.com/user/"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// quick are parameters for tests that are not about the cost of hashing.
var quick = account.Passwords{Memory: 8, Passes: 1}

// env is a service with all that it talks to.
type env struct {
	*account.Service
	store  *memstore.Store
	outbox *message.Outbox
	log    *bytes.Buffer
	born   time.Time
	device string     // a cookie for the tests to use
	hook   *hookStore // of tests that have one

	mu      sync.Mutex
	notices []account.Notice
}

// setUp returns a service on an empty memory store; edit may change its configuration.
func setUp(t testing.TB, edit ...func(*account.Config)) *env {
	t.Helper()
	e := &env{store: memstore.New(), log: &bytes.Buffer{}, born: time.Now()}
	var err error
	if e.outbox, err = message.NewOutbox(message.OutboxConfig{Limit: 100000}); err != nil {
		t.Fatal(err)
	}
	c := account.Config{
		Store: e.store, Keys: ring(t, 'a'), Composer: composer(t), Sender: e.outbox, Passwords: quick,
		Logger: slog.New(slog.NewTextHandler(io.Writer(e.log), nil)),
		Observer: func(_ context.Context, n account.Notice) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.notices = append(e.notices, n)
		},
	}
	for _, f := range edit {
		f(&c)
	}
	if e.Service, err = account.New(c); err != nil {
		t.Fatal(err)
	}
	return e
}

// noticed returns how many notices of a kind there were.
func (e *env) noticed(kind account.NoticeKind) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.notices {
		if x.Kind == kind {
			n++
		}
	}
	return n
}

// lastCode is the code of the newest message.
func (e *env) lastCode(t testing.TB) string {
	t.Helper()
	all := e.outbox.List()
	if len(all) == 0 {
		t.Fatal("no message was sent")
	}
	return all[len(all)-1].Code
}

var (
	clientA = store.Client{ID: "no.mediaconnect.test", Name: "Avisen", Language: "nb", CustomerCarePhone: "22 00 00 00"}
	clientB = store.Client{ID: "no.mediaconnect.test2", Name: "Tidningen", Language: "sv"}
)

// from is somebody at the n-th address with the n-th browser.
func from(n byte) account.Origin {
	return account.Origin{
		Address: netip.AddrFrom4([4]byte{192, 0, 2, n}),
		Browser: store.DigestOf("browser " + string('0'+rune(n))),
		Agent:   "Firefox",
	}
}

func cred(t testing.TB, raw string) account.Credential {
	t.Helper()
	c, err := account.ParseCredential(raw, "NO")
	if err != nil {
		t.Fatalf("ParseCredential(%q): %v", raw, err)
	}
	return c
}

const goodPassword = "riktig hest batteri"

// addUser makes an account whose credentials are verified.
func (e *env) addUser(t testing.TB, password string, credentials ...string) store.User {
	t.Helper()
	u, err := e.CreateUser(t.Context(), account.NewUser{
		Client: clientA, Credential: cred(t, credentials[0]), FirstName: "Kari", LastName: "Nordmann", Password: password, Lang: "nb",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range credentials[1:] {
		c := cred(t, raw)
		u.Credentials = append(u.Credentials, store.Credential{
			Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling, VerifiedAt: time.Now(), AddedAt: time.Now(),
		})
	}
	return e.update(t, u)
}

func (e *env) update(t testing.TB, u store.User) store.User {
	t.Helper()
	if err := e.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	u, err := e.store.User(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// login tries a password.
func (e *env) login(t testing.TB, credential, password string, o account.Origin) error {
	t.Helper()
	_, err := e.VerifyPassword(t.Context(), account.PasswordAttempt{
		Client: clientA, Credential: cred(t, credential), Password: password, Origin: o,
	})
	return err
}

// send asks for a login code.
func (e *env) send(t testing.TB, credential string, o account.Origin) error {
	t.Helper()
	return e.SendCode(t.Context(), account.CodeRequest{
		Client: clientA, Credential: cred(t, credential), Purpose: account.PurposeLogin, Origin: o, Lang: "en",
	})
}

// try tries a login code.
func (e *env) try(t testing.TB, credential, code string, o account.Origin) (account.Proof, error) {
	t.Helper()
	return e.VerifyCode(t.Context(), account.CodeAttempt{
		Client: clientA, Credential: cred(t, credential), Purpose: account.PurposeLogin, Origin: o, Code: code,
	})
}

// wrongCode is a code that is not the given one.
func wrongCode(code string) string {
	return string('0'+('9'-code[0])) + code[1:5] + string('0'+(code[5]-'0'+1)%10)
}

// brokenSender fails while it is down; its errors quote what they were given,
// as those of real providers do.
type brokenSender struct {
	next message.Sender
	down bool
}

func (b *brokenSender) Send(ctx context.Context, m message.Message) error {
	if b.down {
		return fmt.Errorf("550 mailbox %s refused %q", m.To, m.Text)
	}
	return b.next.Send(ctx, m)
}

// discard takes every message and keeps none.
type discard struct{}

func (discard) Send(context.Context, message.Message) error { return nil }
