package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
)

// The scopes of OpenID Connect Core 1.0, sections 3.1.2.1, 5.4 and 11. There is no
// address, as the kit has none of its users.
//
// A client gets a refresh token when its GrantTypes say so, whether it asks for
// offline_access or not: section 11 leaves that to the server, and the ConnectID
// documents promise one without a scope. Who may ask for the scope gets it back.
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopePhone   = "phone"
	scopeOffline = "offline_access"
)

// hasScope reports whether a scope has a token.
func hasScope(scope, token string) bool {
	for t := range strings.SplitSeq(scope, " ") {
		if t == token {
			return true
		}
	}
	return false
}

// mayNeedIDToken makes sure that ID tokens can be signed for a client that may ask
// for them: before a code is used up, or a refresh token.
func (s *Server) mayNeedIDToken(ctx context.Context, c *store.Client) error {
	if !slices.Contains(c.Scopes, scopeOpenID) {
		return nil
	}
	alg, err := signing.Alg(c)
	if err != nil {
		return fmt.Errorf("client %s: %w", c.ID, err)
	}
	return s.config.Signer.Ready(ctx, alg)
}

// idClaims are what an ID token says (OpenID Connect Core 1.0, section 2).
type idClaims struct {
	userID    string
	sessionID string // empty for none
	nonce     string // empty for none
	access    string // the access token beside it
	method    string // [store.Session.Method]; empty for not known

	authenticatedAt time.Time
	at              time.Time // when it is issued
}

// idToken signs the claims for the client. It is the same whenever they are.
func (s *Server) idToken(ctx context.Context, c *store.Client, claims idClaims) (string, error) {
	alg, err := signing.Alg(c)
	if err != nil {
		return "", fmt.Errorf("client %s: %w", c.ID, err)
	}
	token, err := s.config.Signer.SignAt(ctx, claims.at, signing.IDToken, alg, s.idPayload(c.ID, claims))
	if err != nil {
		return "", fmt.Errorf("sign an ID token: %w", err)
	}
	return token, nil
}

func (s *Server) idPayload(clientID string, claims idClaims) []byte {
	at := claims.at.Unix()
	b := make([]byte, 0, 512)
	b = append(b, `{"iss":`...)
	b = appendString(b, s.config.Issuer)
	b = append(b, `,"sub":`...)
	b = appendString(b, claims.userID)
	b = append(b, `,"aud":`...)
	b = appendString(b, clientID)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, at+int64(s.config.IDTokenLifetime/time.Second), 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, at, 10)
	if !claims.authenticatedAt.IsZero() {
		b = append(b, `,"auth_time":`...)
		b = strconv.AppendInt(b, claims.authenticatedAt.Unix(), 10)
	}
	if claims.nonce != "" {
		b = append(b, `,"nonce":`...)
		b = appendString(b, claims.nonce)
	}
	if claims.sessionID != "" {
		b = append(b, `,"sid":`...)
		b = appendString(b, claims.sessionID)
	}
	b = append(b, methodClaims(claims.method)...)
	// Section 3.1.3.6: the left half of the hash that the algorithm names.
	hash := sha256.Sum256([]byte(claims.access))
	b = append(b, `,"at_hash":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, hash[:sha256.Size/2])
	return append(b, `"}`...)
}

// methodClaims says how the user proved who she is, in values of RFC 8176, where
// one fits. For remember-me she proved nothing: it has the acr that section 2
// names for "a long-lived browser cookie".
func methodClaims(method string) string {
	switch method {
	case account.MethodPassword:
		return `,"amr":["pwd"]`
	case account.MethodCode:
		return `,"amr":["otp"]`
	case account.MethodRemember:
		return `,"acr":"0"`
	}
	return ""
}

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
