package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Introspect returns the introspection endpoint (RFC 7662), for clients that
// prove a secret and are allowed to ([store.Client.MayIntrospect]).
func (s *Server) Introspect() http.Handler { return s.handle("introspect", s.introspect) }

// introspection is the answer of RFC 7662, section 2.2. A token that is not
// active says nothing else.
type introspection struct {
	Active    bool   `json:"active"`
	Issuer    string `json:"iss,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Scope     string `json:"scope,omitempty"`
	TokenType string `json:"token_type,omitempty"` // access tokens only
	// Audience are the resources that it is for (RFC 8707, section 2).
	Audience []string `json:"aud,omitempty"`
	// Confirmation names the key that it is bound to (RFC 9449, section 6.2).
	Confirmation *confirmation `json:"cnf,omitempty"`
	IssuedAt     int64         `json:"iat,omitempty"`
	ExpiresAt    int64         `json:"exp,omitempty"`
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := s.authenticate(w, r, f)
	if err != nil {
		return err
	}
	if !c.proven || !c.MayIntrospect {
		return &Error{Code: UnauthorizedClient, Description: "this client may not introspect tokens", Status: http.StatusForbidden}
	}
	token := f.get("token")
	if token == "" {
		return fault(InvalidRequest, "missing token")
	}
	var found introspection
	if grantID, ok := splitRefresh(token); ok {
		found, err = s.introspectRefresh(r, grantID, store.DigestOf(token))
	} else {
		found, err = s.introspectAccess(r, store.DigestOf(token))
	}
	if err != nil {
		return err
	}
	if found.Active { // of a client that is still one
		owner, err := s.config.Clients.Client(r.Context(), found.ClientID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("find client: %w", err)
		}
		if err != nil || owner.Disabled {
			found = introspection{}
		} else {
			found.Issuer = s.config.Issuer
		}
	}
	noStore(w)
	return json.NewEncoder(w).Encode(found)
}

func (s *Server) introspectAccess(r *http.Request, hash store.Digest) (introspection, error) {
	t, err := s.config.Grants.AccessToken(r.Context(), hash)
	if errors.Is(err, store.ErrNotFound) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, fmt.Errorf("find access token: %w", err)
	}
	if !time.Now().Before(t.ExpiresAt) {
		return introspection{}, nil
	}
	return introspection{
		Active: true, ClientID: t.ClientID, Subject: t.UserID, Scope: t.Scope, TokenType: tokenType(t.DPoPKey),
		Audience: t.Resources, Confirmation: confirm(t.DPoPKey),
		IssuedAt: t.CreatedAt.Unix(), ExpiresAt: t.ExpiresAt.Unix(),
	}, nil
}

func (s *Server) introspectRefresh(r *http.Request, grantID string, hash store.Digest) (introspection, error) {
	g, err := s.config.Grants.Grant(r.Context(), grantID)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrRevoked) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, fmt.Errorf("find grant: %w", err)
	}
	now := time.Now()
	if !same(hash, g.Refresh) || !now.Before(g.RefreshExpires) || !now.Before(g.ExpiresAt) {
		return introspection{}, nil
	}
	issued := g.CreatedAt
	if g.Generation > 0 {
		issued = g.RotatedAt
	}
	return introspection{
		Active: true, ClientID: g.ClientID, Subject: g.UserID, Scope: g.Scope,
		Audience: g.Resources, Confirmation: confirm(g.DPoPKey),
		IssuedAt: issued.Unix(), ExpiresAt: g.RefreshExpires.Unix(),
	}, nil
}
