package middleware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/internal/deadline"
	"github.com/connectid-kit/connectid/store"
)

// maxToken is the longest access token that is hashed.
const maxToken = 512

// Token is the access token of a call, checked, with the client that it was
// issued to.
type Token struct {
	store.AccessToken
	Client *store.Client // shared by all who see this call: read only
}

// IsUser reports whether the token stands for a user, rather than for the client
// itself (RFC 6749, section 4.4).
func (t Token) IsUser() bool { return t.UserID != "" }

type tokenKey struct{}

// WithToken returns ctx with the token of the call.
func WithToken(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, tokenKey{}, &t)
}

// TokenFrom returns the token that [Bearer.Handler] accepted; false when there is
// none.
func TokenFrom(ctx context.Context) (Token, bool) {
	t, ok := ctx.Value(tokenKey{}).(*Token)
	if !ok {
		return Token{}, false
	}
	return *t, true
}

// BearerError is a refusal of RFC 6750, section 3.1.
type BearerError struct {
	Status      int    // 400, 401 or 403
	Code        string // the error code; see Missing
	Description string
	// Missing is set when the request had no token at all: then the challenge
	// names no error.
	Missing bool
	Err     error // why, for the log; never sent
}

func (e *BearerError) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Description + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns Err.
func (e *BearerError) Unwrap() error { return e.Err }

// Challenge writes WWW-Authenticate, as every 401 and 403 of a bearer token has
// it (RFC 6750, section 3).
func (e *BearerError) Challenge(h http.Header) {
	if e.Missing {
		h.Set("WWW-Authenticate", `Bearer realm="connectid"`)
		return
	}
	h.Set("WWW-Authenticate", `Bearer realm="connectid", error="`+e.Code+`", error_description="`+e.Description+`"`)
}

// InvalidToken returns the 401 for a token that is unknown, expired or revoked,
// or whose user is gone. err is for the log.
func InvalidToken(err error) *BearerError {
	return &BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
		Description: "the access token is unknown, expired or revoked", Err: err}
}

// RequireUserToken returns the 403 for a call that only a user's token may make.
func RequireUserToken(t Token) error {
	if t.IsUser() {
		return nil
	}
	return &BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
		Description: "this call needs the access token of a user"}
}

// RequireClientToken returns the 403 for a call that only a client's own token
// may make (grant_type client_credentials).
func RequireClientToken(t Token) error {
	if !t.IsUser() {
		return nil
	}
	return &BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
		Description: "this call needs the access token of a client"}
}

// BearerConfig configures a [Bearer].
type BearerConfig struct {
	Grants  store.Grants  // required
	Clients store.Clients // required
	// Timeout is how long the stores may take; default 3 seconds.
	Timeout time.Duration
	// Refuse answers a call without a good token. err is a [*BearerError], or
	// another error when a store could not be asked, which is no reason to let
	// anybody in (503). Default: the API's error body as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Bearer checks access tokens (RFC 6750). They are taken from the header
// Authorization alone: what stands in a query or a form ends up in logs.
type Bearer struct {
	c BearerConfig
}

// NewBearer returns a Bearer, or all that is wrong with c.
func NewBearer(c BearerConfig) (*Bearer, error) {
	var errs []error
	if c.Grants == nil {
		errs = append(errs, errors.New("missing Grants"))
	}
	if c.Clients == nil {
		errs = append(errs, errors.New("missing Clients"))
	}
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("bad Timeout %v", c.Timeout))
	}
	if c.Refuse == nil {
		c.Refuse = refuseToken
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bearer: %w", err)
	}
	return &Bearer{c: c}, nil
}

// Check returns the token of r with its client: one hash and one look-up of the
// token, one of the client, no write. The error is a [*BearerError] when the
// caller is at fault, and any other when a store is.
func (b *Bearer) Check(r *http.Request) (Token, error) {
	raw, err := bearerToken(r.Header["Authorization"])
	if err != nil {
		return Token{}, err
	}
	now := time.Now()
	ctx := deadline.New(r.Context(), now, b.c.Timeout)
	defer ctx.Stop()
	t, err := b.c.Grants.AccessToken(ctx, store.DigestOf(raw))
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRevoked):
		return Token{}, InvalidToken(err)
	case err != nil:
		return Token{}, fmt.Errorf("look up an access token: %w", err)
	case !now.Before(t.ExpiresAt):
		return Token{}, InvalidToken(errors.New("expired"))
	}
	client, err := b.c.Clients.Client(ctx, t.ClientID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Token{}, InvalidToken(err)
	case err != nil:
		return Token{}, fmt.Errorf("look up the client of an access token: %w", err)
	case client.Disabled:
		return Token{}, InvalidToken(errors.New("the client is disabled"))
	}
	return Token{AccessToken: t, Client: &client}, nil
}

// Handler lets requests with a good token through to next, which finds it with
// [TokenFrom].
func (b *Bearer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := b.Check(r)
		if err != nil {
			b.c.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithToken(r.Context(), t)))
	})
}

// bearerToken returns the token in the values of Authorization.
func bearerToken(values []string) (string, error) {
	if len(values) > 1 {
		// RFC 6750, section 3.1: more than one method, or a parameter repeated.
		return "", &BearerError{Status: http.StatusBadRequest, Code: "invalid_request",
			Description: "the header Authorization is there more than once"}
	}
	var scheme, token string
	if len(values) == 1 {
		scheme, token, _ = strings.Cut(values[0], " ")
		token = strings.Trim(token, " ")
	}
	if token == "" || !strings.EqualFold(scheme, "Bearer") { // RFC 9110, section 11.1
		return "", &BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the header Authorization has no bearer token", Missing: true}
	}
	if len(token) > maxToken || !isB64Token(token) {
		return "", &BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the access token is malformed"}
	}
	return token, nil
}

// isB64Token reports whether s is a b64token (RFC 6750, section 2.1).
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/') {
			return false
		}
	}
	return s != ""
}

func refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*BearerError](err)
	if !ok {
		w.Header().Set("Retry-After", "5")
		writeError(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", "the access token could not be checked; try again later")
		return
	}
	e.Challenge(w.Header())
	writeError(w, r, e.Status, e.Code, e.Description)
}
