package zitadel

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/connectid-kit/connectid/bench/peers/work"
)

var errNotFound = errors.New("not found")

// storage does what the library's example storage does for this work, with plain
// maps, each found by one key.
type storage struct {
	client client
	key    *ecdsa.PrivateKey

	mu       sync.RWMutex
	requests map[string]*authRequest
	codes    map[string]*authRequest
	tokens   map[string]*token
	refresh  map[string]*refreshToken
}

var (
	_ op.Storage                  = (*storage)(nil)
	_ op.ClientCredentialsStorage = (*storage)(nil)
)

func newStorage(key *ecdsa.PrivateKey, kind op.AccessTokenType) *storage {
	return &storage{
		client: client{kind: kind, hash: []byte(work.Hash(work.Secret))}, key: key,
		requests: map[string]*authRequest{}, codes: map[string]*authRequest{},
		tokens: map[string]*token{}, refresh: map[string]*refreshToken{},
	}
}

type token struct {
	clientID, subject string
	scopes            []string
	expires           time.Time
}

type refreshToken struct {
	clientID, subject, accessID string
	scopes                      []string
	authTime, expires           time.Time
}

// authRequest is a request of the authorization endpoint whose user has logged in.
type authRequest struct {
	id, code, clientID, redirectURI, subject, nonce, state string
	scopes                                                 []string
	challenge                                              oidc.CodeChallenge
	authTime                                               time.Time
}

func (a *authRequest) GetID() string                         { return a.id }
func (a *authRequest) GetACR() string                        { return "" }
func (a *authRequest) GetAMR() []string                      { return nil }
func (a *authRequest) GetAudience() []string                 { return []string{a.clientID} }
func (a *authRequest) GetAuthTime() time.Time                { return a.authTime }
func (a *authRequest) GetClientID() string                   { return a.clientID }
func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge { return &a.challenge }
func (a *authRequest) GetNonce() string                      { return a.nonce }
func (a *authRequest) GetRedirectURI() string                { return a.redirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType    { return oidc.ResponseTypeCode }
func (a *authRequest) GetResponseMode() oidc.ResponseMode    { return "" }
func (a *authRequest) GetScopes() []string                   { return a.scopes }
func (a *authRequest) GetState() string                      { return a.state }
func (a *authRequest) GetSubject() string                    { return a.subject }
func (a *authRequest) Done() bool                            { return true }

func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, userID string) (op.AuthRequest, error) {
	a := &authRequest{
		id: uuid.NewString(), clientID: r.ClientID, redirectURI: r.RedirectURI, subject: userID, nonce: r.Nonce, state: r.State,
		scopes: r.Scopes, challenge: oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod},
		authTime: time.Now(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[a.id] = a
	return a, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	return s.find(s.requests, id)
}

func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	return s.find(s.codes, code)
}

func (s *storage) find(from map[string]*authRequest, key string) (op.AuthRequest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := from[key]
	if !ok {
		return nil, errNotFound
	}
	return a, nil
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.requests[id]
	a.code = code
	s.codes[code] = a
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.requests[id]; ok {
		delete(s.codes, a.code)
		delete(s.requests, id)
	}
	return nil
}

const lifetime = 12 * time.Hour

func newToken(r op.TokenRequest) *token {
	return &token{clientID: r.GetAudience()[0], subject: r.GetSubject(), scopes: r.GetScopes(), expires: time.Now().Add(lifetime)}
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	id, t := uuid.NewString(), newToken(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = t
	return id, t.expires, nil
}

func (s *storage) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	id, next, t := uuid.NewString(), uuid.NewString(), newToken(r)
	n := &refreshToken{clientID: t.clientID, subject: t.subject, accessID: id, scopes: t.scopes, expires: time.Now().Add(60 * lifetime)}
	if request, ok := r.(interface{ GetAuthTime() time.Time }); ok {
		n.authTime = request.GetAuthTime()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current != "" {
		old, ok := s.refresh[current]
		if !ok {
			return "", "", time.Time{}, errNotFound
		}
		delete(s.refresh, current)
		delete(s.tokens, old.accessID)
	}
	s.tokens[id], s.refresh[next] = t, n
	return id, next, t.expires, nil
}

// refreshRequest is a refresh token that is presented.
type refreshRequest struct {
	*refreshToken
	scopes []string
}

func (r *refreshRequest) GetAMR() []string                 { return nil }
func (r *refreshRequest) GetAudience() []string            { return []string{r.clientID} }
func (r *refreshRequest) GetAuthTime() time.Time           { return r.authTime }
func (r *refreshRequest) GetClientID() string              { return r.clientID }
func (r *refreshRequest) GetScopes() []string              { return r.scopes }
func (r *refreshRequest) GetSubject() string               { return r.subject }
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.refresh[token]
	if !ok || time.Now().After(t.expires) {
		return nil, errNotFound
	}
	return &refreshRequest{t, t.scopes}, nil
}

// liveToken returns the client of an access token.
func (s *storage) liveToken(id string) (clientID string, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tokens[id]
	if !ok || time.Now().After(t.expires) {
		return "", false
	}
	return t.clientID, true
}

func (s *storage) ClientCredentials(ctx context.Context, clientID, secret string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, clientID, secret); err != nil {
		return nil, err
	}
	return &s.client, nil
}

// clientRequest is what a client asks for itself.
type clientRequest struct {
	clientID string
	scopes   []string
}

func (r *clientRequest) GetSubject() string    { return r.clientID }
func (r *clientRequest) GetAudience() []string { return []string{r.clientID} }
func (r *clientRequest) GetScopes() []string   { return r.scopes }

func (s *storage) ClientCredentialsTokenRequest(_ context.Context, clientID string, scopes []string) (op.TokenRequest, error) {
	for _, scope := range scopes {
		if !slices.Contains(work.Scopes, scope) {
			return nil, oidc.ErrInvalidScope()
		}
	}
	return &clientRequest{clientID, scopes}, nil
}

func (s *storage) GetClientByClientID(_ context.Context, clientID string) (op.Client, error) {
	if clientID != work.ClientID {
		return nil, errNotFound
	}
	return &s.client, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, clientID, secret string) error {
	if clientID != work.ClientID {
		return errNotFound
	}
	return work.Compare(s.client.hash, []byte(secret))
}

// SetUserinfoFromScopes names the user, and gives none of her profile: no server
// here does.
func (s *storage) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, userID, _ string, _ []string) error {
	info.Subject = userID
	return nil
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{s.key}, nil }

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.key}}, nil
}

type signingKey struct{ key *ecdsa.PrivateKey }

func (signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                  { return k.key }
func (signingKey) ID() string                                  { return "1" }

type publicKey struct{ key *ecdsa.PrivateKey }

func (publicKey) ID() string                         { return "1" }
func (publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                         { return &k.key.PublicKey }

// What the work does not come to.

var errUnused = errors.New("not part of the work")

func (s *storage) TerminateSession(context.Context, string, string) error { return errUnused }
func (s *storage) RevokeToken(context.Context, string, string, string) *oidc.Error {
	return oidc.ErrServerError().WithParent(errUnused)
}
func (s *storage) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}
func (s *storage) SetUserinfoFromToken(context.Context, *oidc.UserInfo, string, string, string) error {
	return errUnused
}
func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnused
}
func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnused
}
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnused
}
func (s *storage) Health(context.Context) error { return nil }

// client is the only client there is.
type client struct {
	kind op.AccessTokenType
	hash []byte
}

var grantTypes = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials}

func (c *client) GetID() string                       { return work.ClientID }
func (c *client) RedirectURIs() []string              { return []string{work.RedirectURI} }
func (c *client) PostLogoutRedirectURIs() []string    { return nil }
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *client) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType        { return grantTypes }
func (c *client) LoginURL(string) string              { return "https://id.example/login" }
func (c *client) AccessTokenType() op.AccessTokenType { return c.kind }
func (c *client) IDTokenLifetime() time.Duration      { return time.Hour }
func (c *client) DevMode() bool                       { return false }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (c *client) IsScopeAllowed(scope string) bool     { return slices.Contains(work.Scopes, scope) }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *client) ClockSkew() time.Duration             { return 0 }
