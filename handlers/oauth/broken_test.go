package oauth_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

var errDown = errors.New("the store is down: secret detail")

// broken is a memory store of which one method can fail or hang.
type broken struct {
	*memstore.Store
	method string
	on     atomic.Bool // from when on it fails
	hang   bool
}

func newBroken(method string) *broken {
	b := &broken{Store: memstore.New(), method: method}
	b.on.Store(true)
	return b
}

func (b *broken) fails(ctx context.Context, method string) error {
	if method != b.method || !b.on.Load() {
		return nil
	}
	if b.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return errDown
}

func (b *broken) Client(ctx context.Context, id string) (store.Client, error) {
	if err := b.fails(ctx, "Client"); err != nil {
		return store.Client{}, err
	}
	return b.Store.Client(ctx, id)
}

func (b *broken) SharedClient(ctx context.Context, id string) (*store.Client, error) {
	c, err := b.Client(ctx, id)
	return &c, err
}

func (b *broken) ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[store.Client, error] {
	if err := b.fails(ctx, "ClientsByOrigin"); err != nil {
		return func(yield func(store.Client, error) bool) { yield(store.Client{}, err) }
	}
	return b.Store.ClientsByOrigin(ctx, origin)
}

func (b *broken) TakeCode(ctx context.Context, hash store.Digest, id string) (store.AuthorizationCode, error) {
	if err := b.fails(ctx, "TakeCode"); err != nil {
		return store.AuthorizationCode{}, err
	}
	return b.Store.TakeCode(ctx, hash, id)
}

func (b *broken) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	return cmpErr(b.fails(ctx, "PutCode"), func() error { return b.Store.PutCode(ctx, c) })
}

func (b *broken) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	if err := b.fails(ctx, "Session"); err != nil {
		return store.Session{}, err
	}
	return b.Store.Session(ctx, handle)
}

func (b *broken) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	return cmpErr(b.fails(ctx, "CreateGrant"), func() error { return b.Store.CreateGrant(ctx, g, t) })
}

func (b *broken) SwapGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	return cmpErr(b.fails(ctx, "SwapGrant"), func() error { return b.Store.SwapGrant(ctx, g, t) })
}

func (b *broken) RevokeGrant(ctx context.Context, id string, until time.Time) error {
	return cmpErr(b.fails(ctx, "RevokeGrant"), func() error { return b.Store.RevokeGrant(ctx, id, until) })
}

func (b *broken) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	return cmpErr(b.fails(ctx, "PutAccessToken"), func() error { return b.Store.PutAccessToken(ctx, t) })
}

func (b *broken) DeleteAccessToken(ctx context.Context, hash store.Digest) error {
	return cmpErr(b.fails(ctx, "DeleteAccessToken"), func() error { return b.Store.DeleteAccessToken(ctx, hash) })
}

func (b *broken) Grant(ctx context.Context, id string) (store.Grant, error) {
	if err := b.fails(ctx, "Grant"); err != nil {
		return store.Grant{}, err
	}
	return b.Store.Grant(ctx, id)
}

func (b *broken) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	if err := b.fails(ctx, "AccessToken"); err != nil {
		return store.AccessToken{}, err
	}
	return b.Store.AccessToken(ctx, hash)
}

func (b *broken) RevokeClientGrants(ctx context.Context, id string, until time.Time) (int, error) {
	if err := b.fails(ctx, "RevokeClientGrants"); err != nil {
		return 0, err
	}
	return b.Store.RevokeClientGrants(ctx, id, until)
}

func (b *broken) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	if err := b.fails(ctx, "Add"); err != nil {
		return store.Count{}, err
	}
	return b.Store.Add(ctx, key, n, window)
}

func (b *broken) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	if err := b.fails(ctx, "SigningKeys"); err != nil {
		return func(yield func(store.SigningKey, error) bool) { yield(store.SigningKey{}, err) }
	}
	return b.Store.SigningKeys(ctx)
}

func (b *broken) User(ctx context.Context, id string) (store.User, error) {
	if err := b.fails(ctx, "User"); err != nil {
		return store.User{}, err
	}
	return b.Store.User(ctx, id)
}

func cmpErr(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

// A store that fails is never a success, and never the client's fault.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	type step struct {
		method, endpoint string
		request          func(w *world, a, b reply, code, used string) *http.Request
	}
	for _, tt := range []step{
		{"Client", "token", func(w *world, _, _ reply, code, _ string) *http.Request { return basic("web", webSecret, redeem(code)) }},
		{"TakeCode", "token", func(w *world, _, _ reply, code, _ string) *http.Request { return basic("web", webSecret, redeem(code)) }},
		{"Session", "token", func(w *world, _, _ reply, code, _ string) *http.Request { return basic("web", webSecret, redeem(code)) }},
		{"CreateGrant", "token", func(w *world, _, _ reply, code, _ string) *http.Request { return basic("web", webSecret, redeem(code)) }},
		{"RevokeGrant", "token", func(w *world, _, _ reply, _, used string) *http.Request { return basic("web", webSecret, redeem(used)) }},
		{"Grant", "token", func(w *world, a, _ reply, _, _ string) *http.Request {
			return basic("web", webSecret, refreshWith(a.Refresh))
		}},
		{"SwapGrant", "token", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, refreshWith(b.Refresh))
		}},
		{"AccessToken", "token", func(w *world, a, _ reply, _, _ string) *http.Request {
			return basic("web", webSecret, refreshWith(a.Refresh))
		}},
		{"PutAccessToken", "token", func(*world, reply, reply, string, string) *http.Request {
			return basic("web", webSecret, form("grant_type", "client_credentials"))
		}},
		{"Add", "token", func(*world, reply, reply, string, string) *http.Request {
			return basic("web", "wrong", form("grant_type", "client_credentials"))
		}},
		{"Grant", "revoke", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Refresh))
		}},
		{"RevokeGrant", "revoke", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Refresh))
		}},
		{"AccessToken", "revoke", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Access))
		}},
		{"DeleteAccessToken", "revoke", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Access))
		}},
		{"Grant", "introspect", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Refresh))
		}},
		{"AccessToken", "introspect", func(w *world, _, b reply, _, _ string) *http.Request {
			return basic("web", webSecret, form("token", b.Access))
		}},
	} {
		t.Run(tt.endpoint+" "+tt.method, func(t *testing.T) {
			t.Parallel()
			st := newBroken(tt.method)
			st.on.Store(false)
			w := newWorldOn(t, st)
			a := w.grant("web", webSecret)
			b := w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
			code, used := w.putCode("web"), w.putCode("web")
			w.ok(basic("web", webSecret, redeem(used)))
			h := map[string]http.Handler{"token": w.token, "revoke": w.server.Revoke(), "introspect": w.server.Introspect()}[tt.endpoint]

			st.on.Store(true)
			got := do(t, h, tt.request(w, a, b, code, used))
			if got.Status != 503 || got.Error != oauth.TemporarilyUnavailable || got.Header.Get("Retry-After") == "" ||
				got.Access != "" || strings.Contains(got.Body, "detail") {
				t.Errorf("answer %d %s %v", got.Status, got.Body, got.Header)
			}
			if !strings.Contains(w.log.String(), "secret detail") {
				t.Error("the log does not tell why")
			}
			// It recovers by itself.
			st.on.Store(false)
			w.grant("web", webSecret)
		})
	}
}

func TestStoreHangs(t *testing.T) {
	t.Parallel()
	st := newBroken("TakeCode")
	st.hang = true
	w := newWorldOn(t, st, func(c *oauth.Config) { c.Timeout = time.Second })
	start := time.Now()
	w.refused(basic("web", webSecret, redeem(w.putCode("web"))), 503, oauth.TemporarilyUnavailable)
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("answered after %v", d)
	}
}

// No log line has a secret, a code or a token.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.putCode("web")
	a := w.ok(basic("web", webSecret, redeem(code)))
	b := w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
	c := w.ok(basic("web", webSecret, refreshWith(b.Refresh)))
	w.do(basic("web", webSecret, redeem(code)))
	w.do(basic("web", webSecret, refreshWith(a.Refresh)))
	w.do(basic("web", "a wrong secret", refreshWith(c.Refresh)))
	w.do(basic("evil\nclient", "x", refreshWith(c.Refresh)))
	log := w.log.String()
	for _, secret := range []string{code, webSecret, "a wrong secret", a.Access, a.Refresh, b.Access, b.Refresh, c.Access, c.Refresh, verifier} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	if strings.Contains(log, "evil\n") {
		t.Error("a client broke the log's line")
	}
}

func TestDisableClientOutage(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, newBroken("RevokeClientGrants"))
	if err := w.server.DisableClient(t.Context(), "web"); !errors.Is(err, errDown) {
		t.Errorf("DisableClient: %v", err)
	}
	if secret, err := w.server.ReplaceSecret(t.Context(), "other"); !errors.Is(err, errDown) || secret != "" {
		t.Errorf("ReplaceSecret: %q, %v", secret, err)
	}
}
