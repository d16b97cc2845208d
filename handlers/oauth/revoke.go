package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Revoke returns the revocation endpoint (RFC 7009). A refresh token ends its
// grant with all its access tokens; an access token ends alone.
func (s *Server) Revoke() http.Handler { return s.handle("revoke", s.revokeToken) }

// errForeign answers a token of another client (RFC 7009, section 2.1: "the
// request is refused and the client is informed of the error").
var errForeign = fault(InvalidGrant, "the token was issued to another client")

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := s.authenticate(w, r, f)
	if err != nil {
		return err
	}
	token := f.get("token")
	if token == "" {
		return fault(InvalidRequest, "missing token")
	}
	// token_type_hint is not needed: the two kinds differ in their form.
	if grantID, ok := splitRefresh(token); ok {
		err = s.revokeRefresh(r, c, grantID)
	} else {
		err = s.revokeAccess(r, c, token)
	}
	if err != nil {
		return err
	}
	noStore(w)
	w.Write([]byte("{}"))
	return nil
}

// revokeRefresh ends a grant for any refresh token that it ever had: the client
// that holds an old one wants it ended too.
func (s *Server) revokeRefresh(r *http.Request, c *caller, grantID string) error {
	g, err := s.config.Grants.Grant(r.Context(), grantID)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRevoked):
		return nil // RFC 7009, section 2.2: an invalid token is no error
	case err != nil:
		return fmt.Errorf("find grant: %w", err)
	case g.ClientID != c.ID:
		return errForeign
	}
	return s.revoke(r.Context(), g.ID, time.Now())
}

func (s *Server) revokeAccess(r *http.Request, c *caller, token string) error {
	t, err := s.config.Grants.AccessToken(r.Context(), store.DigestOf(token))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find access token: %w", err)
	case t.ClientID != c.ID:
		return errForeign
	}
	if err := s.config.Grants.DeleteAccessToken(r.Context(), t.Hash); err != nil {
		return fmt.Errorf("delete access token: %w", err)
	}
	return nil
}
