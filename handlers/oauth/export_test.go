package oauth

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// IDClaims are the claims of an ID token, for benchmarks.
type IDClaims struct {
	UserID, SessionID, Nonce, Access, Method string
	At                                       time.Time
}

// IDToken signs an ID token.
func (s *Server) IDToken(ctx context.Context, c *store.Client, i IDClaims) (string, error) {
	return s.idToken(ctx, c, idClaims{
		userID: i.UserID, sessionID: i.SessionID, nonce: i.Nonce, access: i.Access, method: i.Method,
		authenticatedAt: i.At, at: i.At,
	})
}
