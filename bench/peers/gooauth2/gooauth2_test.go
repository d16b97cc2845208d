package gooauth2

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/errors"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	"github.com/go-oauth2/oauth2/v4/store"

	"github.com/connectid-kit/connectid/bench/peers/work"
)

// client compares its secret as all servers here do.
type client struct {
	models.Client
	hash []byte
}

func (c *client) VerifyPassword(secret string) bool {
	return work.Compare(c.hash, []byte(secret)) == nil
}

func opener(newStore func() (oauth2.TokenStore, error)) func(testing.TB, string) work.Server {
	return func(testing.TB, string) work.Server { return open(newStore) }
}

func open(newStore func() (oauth2.TokenStore, error)) work.Server {
	manager := manage.NewDefaultManager()
	manager.MustTokenStorage(newStore())
	record := &client{models.Client{ID: work.ClientID, Domain: "https://app.example"}, []byte(work.Hash(work.Secret))}
	clients := store.NewClientStore()
	if err := clients.Set(work.ClientID, record); err != nil {
		panic(err)
	}
	manager.MapClientStorage(clients)

	config := server.NewConfig()
	config.ForcePKCE = true
	s := server.NewServer(config, manager)
	// The manager asks for the secret at every grant but a refresh.
	s.SetClientInfoHandler(func(r *http.Request) (string, string, error) {
		id, secret, err := server.ClientBasicHandler(r)
		if err != nil || r.FormValue("grant_type") != "refresh_token" {
			return id, secret, err
		}
		c, err := clients.GetByID(r.Context(), id)
		if err != nil || !c.(*client).VerifyPassword(secret) {
			return "", "", errors.ErrInvalidClient
		}
		return id, secret, nil
	})
	s.SetClientScopeHandler(func(r *oauth2.TokenGenerateRequest) (bool, error) {
		for scope := range strings.SplitSeq(r.Scope, " ") {
			if !slices.Contains(work.Scopes, scope) {
				return false, nil
			}
		}
		return true, nil
	})
	return work.Server{
		TokenURL: "https://id.example/token",
		Token: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := s.HandleTokenRequest(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}),
		Guard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := s.ValidationBearerToken(r)
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, token.GetClientID())
		}),
		NewCode: func(ctx context.Context, scope string) (string, error) {
			token, err := s.GetAuthorizeToken(ctx, &server.AuthorizeRequest{
				ResponseType: oauth2.Code, ClientID: work.ClientID, UserID: work.UserID, Scope: scope, RedirectURI: work.RedirectURI,
				CodeChallenge: work.Challenge, CodeChallengeMethod: oauth2.CodeChallengeS256,
			})
			if err != nil {
				return "", err
			}
			return token.GetCode(), nil
		},
	}
}

// maps is a token store of plain maps.
type maps struct {
	mu                    sync.RWMutex
	code, access, refresh map[string]models.Token
}

func newMaps() (oauth2.TokenStore, error) {
	return &maps{code: map[string]models.Token{}, access: map[string]models.Token{}, refresh: map[string]models.Token{}}, nil
}

func (m *maps) Create(_ context.Context, info oauth2.TokenInfo) error {
	t := *info.(*models.Token)
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.Code != "" {
		m.code[t.Code] = t
		return nil
	}
	m.access[t.Access] = t
	if t.Refresh != "" {
		m.refresh[t.Refresh] = t
	}
	return nil
}

func (m *maps) remove(from map[string]models.Token, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(from, key)
	return nil
}

func (m *maps) get(from map[string]models.Token, key string) (oauth2.TokenInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	t, ok := from[key]
	if !ok {
		return nil, nil
	}
	return &t, nil
}

func (m *maps) RemoveByCode(_ context.Context, code string) error { return m.remove(m.code, code) }
func (m *maps) RemoveByAccess(_ context.Context, access string) error {
	return m.remove(m.access, access)
}
func (m *maps) RemoveByRefresh(_ context.Context, refresh string) error {
	return m.remove(m.refresh, refresh)
}
func (m *maps) GetByCode(_ context.Context, code string) (oauth2.TokenInfo, error) {
	return m.get(m.code, code)
}
func (m *maps) GetByAccess(_ context.Context, access string) (oauth2.TokenInfo, error) {
	return m.get(m.access, access)
}
func (m *maps) GetByRefresh(_ context.Context, refresh string) (oauth2.TokenInfo, error) {
	return m.get(m.refresh, refresh)
}

func TestWork(t *testing.T) {
	t.Run("go-oauth2", func(t *testing.T) { work.Check(t, opener(store.NewMemoryTokenStore)) })
	t.Run("go-oauth2, maps", func(t *testing.T) { work.Check(t, opener(newMaps)) })
}

func BenchmarkWork(b *testing.B) {
	b.Run("go-oauth2", func(b *testing.B) { work.Bench(b, opener(store.NewMemoryTokenStore)) })
	b.Run("go-oauth2, maps", func(b *testing.B) { work.Bench(b, opener(newMaps)) })
}
