package middleware

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// BearerError is a refusal of RFC 6750, section 3.1, or RFC 9449, section 7.1.
type BearerError struct {
	Status      int    // 400, 401 or 403
	Code        string // the error code; see Missing
	Description string
	// Missing is set when the request had no token at all: then the challenge
	// names no error.
	Missing bool
	// DPoP is set when the refusal is of a token with a DPoP proof.
	DPoP bool
	Err  error // why, for the log; never sent

	offer bool   // the challenge also names DPoP, with its algorithms
	nonce string // for the next proof
}

func (e *BearerError) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Description + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns Err.
func (e *BearerError) Unwrap() error { return e.Err }

// Challenge writes WWW-Authenticate, as every 401 and 403 of a token has it (RFC
// 6750, section 3), and the nonce that a DPoP proof needs (RFC 9449, section 9). A
// server that takes both kinds of token names both schemes, each in a field of its
// own, when the token was none of a DPoP proof (RFC 9449, section 7.2).
func (e *BearerError) Challenge(h http.Header) {
	if e.nonce != "" {
		h.Set("DPoP-Nonce", e.nonce)
		h.Set("Cache-Control", "no-store") // RFC 9449, section 8.2
	}
	fault := ` realm="connectid"`
	if !e.Missing {
		fault += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	}
	if e.DPoP {
		h.Set("WWW-Authenticate", "DPoP"+fault+`, algs="`+proofAlgList+`"`)
		return
	}
	h.Set("WWW-Authenticate", "Bearer"+fault)
	if e.offer {
		h.Add("WWW-Authenticate", `DPoP algs="`+proofAlgList+`"`)
	}
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
		Description: "this call needs the access token of a user", DPoP: !t.DPoPKey.IsZero()}
}

// RequireClientToken returns the 403 for a call that only a client's own token
// may make (grant_type client_credentials).
func RequireClientToken(t Token) error {
	if !t.IsUser() {
		return nil
	}
	return &BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
		Description: "this call needs the access token of a client", DPoP: !t.DPoPKey.IsZero()}
}

// BearerConfig configures a [Bearer].
type BearerConfig struct {
	Grants  store.Grants  // required
	Clients store.Clients // required
	// DPoP checks the proofs of tokens that are bound to a key (RFC 9449). Without
	// it they are refused.
	DPoP *DPoP
	// URL is the address at which callers see the path "/" of the requests, such as
	// https://api.example, or https://www.example/api behind
	// http.StripPrefix("/api", …). Required with DPoP, as a proof names the
	// address of its call.
	URL string
	// Resource is the URI by which clients ask for tokens that are for this server
	// alone (RFC 8707); default URL. A token that names resources has to name it,
	// and is refused when it is empty.
	Resource string
	// Timeout is how long the stores may take; default 3 seconds.
	Timeout time.Duration
	// Refuse answers a call without a good token. err is a [*BearerError], or
	// another error when a store could not be asked, which is no reason to let
	// anybody in (503). Default: the API's error body as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Bearer checks access tokens: bearer tokens (RFC 6750), and those that are bound
// to a key (RFC 9449). They are taken from the header Authorization alone: what
// stands in a query or a form ends up in logs.
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
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.Resource = cmp.Or(c.Resource, c.URL)
	if _, ok := normalURI(c.URL); !ok && (c.URL != "" || c.DPoP != nil) || strings.ContainsAny(c.URL, "?#") {
		errs = append(errs, fmt.Errorf("bad URL %q: want the address at which callers see this server", c.URL))
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
// token, one of the client, no write. A token that is bound to a key also costs
// the check of its proof, and one write that uses the proof up. The error is a
// [*BearerError] when the caller is at fault, and any other when a store is.
func (b *Bearer) Check(r *http.Request) (Token, error) { return b.CheckAt(r, "") }

// CheckAt is Check for a handler whose address, as callers see it, does not follow
// from URL and the path of the request.
func (b *Bearer) CheckAt(r *http.Request, address string) (Token, error) {
	raw, bound, fault := accessToken(r.Header["Authorization"], b.c.DPoP != nil)
	if fault != nil {
		return Token{}, b.refusal(fault, bound)
	}
	now := time.Now()
	ctx := deadline.New(r.Context(), now, b.c.Timeout)
	defer ctx.Stop()
	t, err := b.c.Grants.AccessToken(ctx, store.DigestOf(raw))
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRevoked):
		return Token{}, b.refusal(InvalidToken(err), bound)
	case err != nil:
		return Token{}, fmt.Errorf("look up an access token: %w", err)
	case !now.Before(t.ExpiresAt):
		return Token{}, b.refusal(InvalidToken(errors.New("expired")), bound)
	}
	client, err := store.SharedClient(ctx, b.c.Clients, t.ClientID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Token{}, b.refusal(InvalidToken(err), bound)
	case err != nil:
		return Token{}, fmt.Errorf("look up the client of an access token: %w", err)
	case client.Disabled:
		return Token{}, b.refusal(InvalidToken(errors.New("the client is disabled")), bound)
	}
	if len(t.Resources) > 0 && !slices.ContainsFunc(t.Resources, b.names) {
		return Token{}, b.refusal(InvalidToken(errors.New("the token is for other resource servers")), bound)
	}
	switch unbound := t.DPoPKey.IsZero(); {
	case bound:
		if err := b.checkProof(ctx, r, address, raw, &t); err != nil {
			return Token{}, err
		}
	case !unbound:
		// RFC 9449, section 7.2: a token that is bound is no bearer token.
		return Token{}, b.refusal(&BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the access token is bound to a key: send it as DPoP, with a proof"}, false)
	}
	return Token{AccessToken: t, Client: client}, nil
}

// names reports whether a resource is this server.
func (b *Bearer) names(resource string) bool {
	return b.c.Resource != "" &&
		(resource == b.c.Resource || !strings.ContainsAny(resource, "?#") && sameURI(resource, b.c.Resource))
}

// checkProof checks the proof of a bound token, and uses it up.
func (b *Bearer) checkProof(ctx context.Context, r *http.Request, address, raw string, t *store.AccessToken) error {
	if t.DPoPKey.IsZero() {
		return b.refusal(&BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the access token is not bound to a key: send it as Bearer"}, true)
	}
	if address == "" {
		address = b.c.URL + r.URL.EscapedPath()
	}
	p, err := b.c.DPoP.Check(r, address, raw)
	if err == nil && subtle.ConstantTimeCompare(p.Key[:], t.DPoPKey[:]) != 1 {
		return b.refusal(&BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the access token is bound to another key"}, true)
	}
	if err == nil {
		err = b.c.DPoP.Spend(ctx, p, t.ClientID)
	}
	if e, ok := errors.AsType[*ProofError](err); ok {
		return &BearerError{Status: http.StatusUnauthorized, Code: e.Code, Description: e.Description,
			DPoP: true, Err: e.Err, nonce: b.c.DPoP.nonce()}
	}
	return err
}

// refusal completes e: whether it is about a token that came with a proof, and, if
// not, whether a 401 says that such tokens pass too.
func (b *Bearer) refusal(e *BearerError, bound bool) *BearerError {
	e.DPoP = bound
	e.offer = !bound && b.c.DPoP != nil && e.Status == http.StatusUnauthorized
	return e
}

// Renew hands the caller of a token that is bound to a key the nonce for its next
// proof; for any other token it does nothing. Handler calls it.
func (b *Bearer) Renew(h http.Header, t Token) {
	if !t.DPoPKey.IsZero() && b.c.DPoP != nil {
		b.c.DPoP.SetNonce(h)
	}
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
		b.Renew(w.Header(), t)
		next.ServeHTTP(w, r.WithContext(WithToken(r.Context(), t)))
	})
}

// accessToken returns the token in the values of Authorization, and whether it
// came as one that is bound to a key.
func accessToken(values []string, dpop bool) (token string, bound bool, fault *BearerError) {
	if len(values) > 1 {
		// RFC 6750, section 3.1: more than one method, or a parameter repeated.
		return "", false, &BearerError{Status: http.StatusBadRequest, Code: "invalid_request",
			Description: "the header Authorization is there more than once"}
	}
	var scheme string
	if len(values) == 1 {
		scheme, token, _ = strings.Cut(values[0], " ")
		token = strings.Trim(token, " ")
	}
	bearer := strings.EqualFold(scheme, "Bearer") // RFC 9110, section 11.1
	bound = !bearer && dpop && strings.EqualFold(scheme, "DPoP")
	if token == "" || !bearer && !bound {
		return "", false, &BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the header Authorization has no bearer token", Missing: true}
	}
	if len(token) > maxToken || !isB64Token(token) {
		return "", bound, &BearerError{Status: http.StatusUnauthorized, Code: "invalid_token",
			Description: "the access token is malformed"}
	}
	return token, bound, nil
}

// isB64Token reports whether s is a b64token (RFC 6750, section 2.1).
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !b64Token[s[i]] {
			return false
		}
	}
	return s != ""
}

// b64Token marks the characters of a b64token.
var b64Token = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

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
