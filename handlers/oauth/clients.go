package oauth

import (
	"context"
	"fmt"
	"time"
)

// DisableClient marks the client as disabled and ends everything that was issued
// to it: unused codes, refresh tokens, access tokens. From then on it is answered
// like an unknown one.
func (s *Server) DisableClient(ctx context.Context, clientID string) error {
	c, err := s.config.Clients.Client(ctx, clientID)
	if err != nil {
		return fmt.Errorf("disable client: %w", err)
	}
	c.Disabled = true
	c.UpdatedAt = time.Now()
	if err := s.config.Clients.PutClient(ctx, c); err != nil {
		return fmt.Errorf("disable client: %w", err)
	}
	_, err = s.RevokeClient(ctx, clientID)
	return err
}

// ReplaceSecret gives the client a new secret in place of all it had, ends
// everything that was issued to it, and returns the secret, which can not be had
// again. After an error the old secrets may be gone already: call it again.
func (s *Server) ReplaceSecret(ctx context.Context, clientID string) (secret string, err error) {
	c, err := s.config.Clients.Client(ctx, clientID)
	if err != nil {
		return "", fmt.Errorf("replace client secret: %w", err)
	}
	secret, hash := NewSecret()
	c.Secrets = []string{hash}
	c.UpdatedAt = time.Now()
	if err := s.config.Clients.PutClient(ctx, c); err != nil {
		return "", fmt.Errorf("replace client secret: %w", err)
	}
	if _, err := s.RevokeClient(ctx, clientID); err != nil {
		return "", err
	}
	return secret, nil
}

// RevokeClient ends everything that was issued to the client and returns how
// many grants it ended. Hosts that change client records themselves call it when
// they disable a client or replace its secret.
func (s *Server) RevokeClient(ctx context.Context, clientID string) (int, error) {
	n, err := s.config.Grants.RevokeClientGrants(ctx, clientID, time.Now().Add(tombstone))
	if err != nil {
		return n, fmt.Errorf("revoke client: %w", err)
	}
	return n, nil
}
