package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/connectid-kit/connectid/internal/signing"
)

// ErrHint says that an id_token_hint is not an ID token of this server, or that
// the key that signed it is gone.
var ErrHint = errors.New("not an ID token of this server")

// audience is the claim aud: one string, or a list of them (RFC 7519, section
// 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// VerifyIDTokenHint returns of whom an ID token of this server is, in which
// session it was given (empty when it says none), and to which clients. One that
// has expired is as good: the server that gave it should believe it while the
// session lasts (OpenID Connect Core 1.0, section 3.1.2.1; RP-Initiated Logout
// 1.0, section 2). The error matches [ErrHint] unless a store is to blame. It is
// no login: whoever has seen the token has it.
func (s *Server) VerifyIDTokenHint(ctx context.Context, raw string) (sub, sid string, aud []string, err error) {
	payload, err := s.config.Signer.Verify(ctx, signing.IDToken, raw)
	if errors.Is(err, signing.ErrToken) {
		return "", "", nil, fmt.Errorf("%w: %w", ErrHint, err)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("check an ID token: %w", err)
	}
	var claims struct {
		Issuer    string   `json:"iss"`
		Subject   string   `json:"sub"`
		SessionID string   `json:"sid"`
		Audience  audience `json:"aud"`
	}
	switch err := json.Unmarshal(payload, &claims); {
	case err != nil:
		return "", "", nil, fmt.Errorf("%w: %w", ErrHint, err)
	case claims.Issuer != s.config.Issuer:
		return "", "", nil, fmt.Errorf("%w: it is of another issuer", ErrHint)
	case claims.Subject == "" || len(claims.Audience) == 0:
		return "", "", nil, fmt.Errorf("%w: it does not say of whom or for whom", ErrHint)
	}
	return claims.Subject, claims.SessionID, claims.Audience, nil
}
