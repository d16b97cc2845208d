package fosite

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	"github.com/connectid-kit/connectid/bench/peers/work"
)

// hasher compares client secrets as all servers here do.
type hasher struct{}

func (hasher) Compare(_ context.Context, hash, data []byte) error { return work.Compare(hash, data) }
func (hasher) Hash(_ context.Context, data []byte) ([]byte, error) {
	return []byte(work.Hash(string(data))), nil
}

// opener returns a server with the library's own memory store, with only the
// handlers that the work needs. jwts makes access tokens JWTs.
func opener(jwts bool) func(testing.TB, string) work.Server {
	return func(tb testing.TB, scope string) work.Server { return open(tb, scope, jwts) }
}

func open(tb testing.TB, scope string, jwts bool) work.Server {
	secret := make([]byte, 32)
	rand.Read(secret)
	key := work.NewKey(tb)
	config := &fosite.Config{
		AccessTokenLifespan: 12 * time.Hour,
		GlobalSecret:        secret,
		ClientSecretsHasher: hasher{},
		ScopeStrategy:       fosite.ExactScopeStrategy,
		EnforcePKCE:         true,
		IDTokenIssuer:       "https://id.example",
		AccessTokenIssuer:   "https://id.example",
	}
	store := storage.NewMemoryStore()
	store.Clients[work.ClientID] = &fosite.DefaultClient{
		ID: work.ClientID, Secret: []byte(work.Hash(work.Secret)), RedirectURIs: []string{work.RedirectURI},
		GrantTypes:    fosite.Arguments{"authorization_code", "refresh_token", "client_credentials"},
		ResponseTypes: fosite.Arguments{"code"}, Scopes: work.Scopes,
	}
	keyGetter := func(context.Context) (any, error) { return key, nil }
	var core oauth2.CoreStrategy = compose.NewOAuth2HMACStrategy(config)
	introspection := compose.OAuth2TokenIntrospectionFactory
	if jwts {
		core = compose.NewOAuth2JWTStrategy(keyGetter, core, config)
		introspection = compose.OAuth2StatelessJWTIntrospectionFactory
	}
	strategy := &compose.CommonStrategy{
		CoreStrategy:               core,
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(keyGetter, config),
		Signer:                     &jwt.DefaultSigner{GetPrivateKey: keyGetter},
	}
	factories := []compose.Factory{
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory,
		compose.OAuth2RefreshTokenGrantFactory, compose.OAuth2PKCEFactory, introspection,
	}
	if scope == work.OpenID {
		factories = append(factories, compose.OpenIDConnectExplicitFactory)
	}
	provider := compose.Compose(config, store, strategy, factories...)

	newSession := func(user string) fosite.Session {
		switch {
		case scope == work.OpenID:
			return &openid.DefaultSession{
				Subject: user,
				Claims:  &jwt.IDTokenClaims{Subject: user, AuthTime: time.Now(), RequestedAt: time.Now()},
				Headers: &jwt.Headers{},
			}
		case jwts:
			return &oauth2.JWTSession{Subject: user, JWTClaims: &jwt.JWTClaims{Subject: user}, JWTHeader: &jwt.Headers{}}
		}
		return &fosite.DefaultSession{Subject: user}
	}
	s := work.Server{
		TokenURL: "https://id.example/token",
		Token: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			request, err := provider.NewAccessRequest(ctx, r, newSession(""))
			if err != nil {
				provider.WriteAccessError(ctx, w, request, err)
				return
			}
			if request.GetGrantTypes().ExactOne("client_credentials") {
				for _, scope := range request.GetRequestedScopes() {
					request.GrantScope(scope)
				}
			}
			if session, ok := request.GetSession().(*oauth2.JWTSession); ok { // RFC 9068, section 2.2
				session.JWTClaims.Add("client_id", request.GetClient().GetID())
			}
			response, err := provider.NewAccessResponse(ctx, request)
			if err != nil {
				provider.WriteAccessError(ctx, w, request, err)
				return
			}
			provider.WriteAccessResponse(ctx, w, request, response)
		}),
		Guard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, token, err := provider.IntrospectToken(r.Context(), fosite.AccessTokenFromRequest(r), fosite.AccessToken, newSession(""))
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, token.GetClient().GetID())
		}),
		NewCode: func(ctx context.Context, scope string) (string, error) {
			q := url.Values{
				"client_id": {work.ClientID}, "response_type": {"code"}, "redirect_uri": {work.RedirectURI}, "scope": {scope},
				"state": {"state-of-the-site"}, "nonce": {work.Nonce},
				"code_challenge": {work.Challenge}, "code_challenge_method": {"S256"},
			}
			r := httptest.NewRequest(http.MethodGet, "https://id.example/authorize?"+q.Encode(), nil)
			request, err := provider.NewAuthorizeRequest(ctx, r)
			if err != nil {
				return "", err
			}
			for _, s := range request.GetRequestedScopes() {
				request.GrantScope(s)
			}
			response, err := provider.NewAuthorizeResponse(ctx, request, newSession(work.UserID))
			if err != nil {
				return "", err
			}
			return response.GetCode(), nil
		},
	}
	if !jwts { // both at once would take a session type of our own
		s.Key = &key.PublicKey
	}
	return s
}

func TestWork(t *testing.T) {
	t.Run("fosite", func(t *testing.T) { work.Check(t, opener(false)) })
	t.Run("fosite, JWT", func(t *testing.T) { work.Check(t, opener(true)) })
}

func BenchmarkWork(b *testing.B) {
	b.Run("fosite", func(b *testing.B) { work.Bench(b, opener(false)) })
	b.Run("fosite, JWT", func(b *testing.B) { work.Bench(b, opener(true)) })
}
