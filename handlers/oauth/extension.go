package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ExtensionGrant is a grant type of its own (RFC 6749, section 4.5).
type ExtensionGrant struct {
	// Type is the value of grant_type: an absolute URI. A client may use it when
	// its GrantTypes have it.
	Type string
	// BasicOnly refuses clients that did not prove a secret in the
	// Authorization header.
	BasicOnly bool
	// Exchange judges a request. An [*Error] travels to the client, usually with
	// code [InvalidGrant]; every other error is answered with 503 and logged.
	// What is used once has to be taken by one atomic call, before it returns; a
	// second use returns the first one's GrantID with its error, and what that
	// grant gave is revoked. It is called by many goroutines at once.
	Exchange func(context.Context, GrantRequest) (GrantResult, error)
}

// GrantRequest is a token request with an extension grant. Its client has been
// authenticated and may use the grant.
type GrantRequest struct {
	Client store.Client
	// Authenticated reports whether the client proved a secret; false for a
	// public client.
	Authenticated bool
	Scope         string // that was asked for; the client may have it
	// Resources are those that were asked for (RFC 8707); the client may have them.
	Resources []string

	params params
}

// Param returns a parameter of the request's body, or "".
func (r GrantRequest) Param(name string) string { return r.params.get(name) }

// GrantResult is what an extension grant gives.
type GrantResult struct {
	// UserID is the user of a user token; empty for a client token. At a client with
	// ConsentRequired she has to have agreed to the scope, or the grant is refused.
	UserID string
	// Scope is what was granted; empty for the scope that was asked for.
	Scope string
	// AuthenticatedAt is when the user was; default now.
	AuthenticatedAt time.Time
	// GrantID is the ID of the user's grant where it was fixed beforehand, when the
	// code was issued that is exchanged here: 22 characters of base64url, as
	// [NewGrantID] makes them; default a random one.
	GrantID string
	// Confirm is asked when the tokens of a user are stored: whether what Exchange
	// has found is still so. Who blocks the user, and then ends all grants, has
	// done so before this question, or finds this grant. After an error, which is
	// answered as one of Exchange, the tokens are revoked. Optional.
	Confirm func(context.Context) error
	// NoRefreshToken leaves out the refresh token, which a user token has when
	// the client may use it.
	NoRefreshToken bool
}

// NewGrantID returns an ID for a grant that is given later; see [GrantResult].
func NewGrantID() string { return newGrantID() }

// checkExtensions reports every fault at once.
func checkExtensions(grants []ExtensionGrant) (map[string]ExtensionGrant, error) {
	m := map[string]ExtensionGrant{}
	var errs []error
	for i, g := range grants {
		u, err := url.Parse(g.Type)
		_, taken := m[g.Type]
		switch {
		case err != nil || u.Scheme == "":
			errs = append(errs, fmt.Errorf("bad Type %q of extension grant %d: want an absolute URI", g.Type, i))
		case taken:
			errs = append(errs, fmt.Errorf("extension grant %q is registered twice", g.Type))
		case g.Exchange == nil:
			errs = append(errs, fmt.Errorf("extension grant %q has no Exchange", g.Type))
		}
		m[g.Type] = g
	}
	return m, errors.Join(errs...)
}

// exchangeExtension serves an extension grant.
func (s *Server) exchangeExtension(ctx context.Context, c *caller, g ExtensionGrant, f form, scope string) (answer, error) {
	if g.BasicOnly && !(c.basic && c.proven) {
		return answer{}, fault(InvalidClient, "this grant_type needs HTTP Basic authentication")
	}
	if len(f.repeated) > 0 {
		return answer{}, fault(InvalidRequest, "a parameter is repeated")
	}
	allowed := func(t string) bool { return slices.Contains(c.Scopes, t) }
	if !covers(allowed, scope) {
		return answer{}, fault(InvalidScope, "this client may not ask for this scope")
	}
	if err := s.mayNeedIDToken(ctx, c.Client); err != nil {
		return answer{}, err
	}
	result, err := g.Exchange(ctx, GrantRequest{Client: *c.Client, Authenticated: c.proven, Scope: scope, Resources: c.resources, params: f.params})
	if result.GrantID != "" && !isToken(result.GrantID, grantIDLen) {
		return answer{}, fmt.Errorf("extension grant %q gave a GrantID that is none", g.Type)
	}
	if err != nil {
		if result.GrantID != "" { // a second use, as that of an authorization code
			s.awaitGrant(ctx, result.GrantID)
			if err := s.revoke(ctx, result.GrantID, time.Now()); err != nil {
				return answer{}, err
			}
		}
		return answer{}, fmt.Errorf("extension grant: %w", err)
	}
	if result.Scope == "" {
		result.Scope = scope
	}
	if !validScope(result.Scope) || !covers(allowed, result.Scope) {
		return answer{}, fmt.Errorf("extension grant %q gave a scope that the client may not have", g.Type)
	}
	if result.UserID == "" {
		return s.clientToken(ctx, c, result.Scope)
	}
	if result.AuthenticatedAt.IsZero() {
		result.AuthenticatedAt = time.Now()
	}
	if err := s.spend(ctx, c); err != nil {
		return answer{}, err
	}
	if result.GrantID == "" {
		result.GrantID = newGrantID()
	}
	a, err := s.startGrant(ctx, c, store.Grant{
		ID:              result.GrantID,
		ClientID:        c.ID,
		UserID:          result.UserID,
		Scope:           result.Scope,
		Resources:       c.resources,
		AuthenticatedAt: result.AuthenticatedAt,
	}, !result.NoRefreshToken && slices.Contains(c.GrantTypes, grantRefresh))
	if err != nil {
		return answer{}, err
	}
	if result.Confirm != nil {
		if err := result.Confirm(ctx); err != nil {
			if err := s.revoke(ctx, result.GrantID, time.Now()); err != nil {
				return answer{}, err
			}
			return answer{}, fmt.Errorf("extension grant: %w", err)
		}
	}
	if c.ConsentRequired {
		if err := s.stillAgreed(ctx, result.GrantID, c.Client, result.UserID, result.Scope); err != nil {
			return answer{}, err
		}
	}
	if !hasScope(result.Scope, scopeOpenID) {
		return a, nil
	}
	a.idToken, err = s.idToken(ctx, c.Client, idClaims{
		userID: result.UserID, access: a.access, authenticatedAt: result.AuthenticatedAt, at: time.Now(),
	})
	return a, err
}
