package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// The values of grant_type that RFC 6749 defines and this server knows.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantClient  = "client_credentials"
)

// tombstone is how long a revoked grant stays known as revoked: far longer than
// any request that could still store tokens for it.
const tombstone = 24 * time.Hour

// Token returns the token endpoint (RFC 6749, section 3.2).
func (s *Server) Token() http.Handler { return s.handle("token", s.token) }

func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := s.authenticate(w, r, f) // before anything is taken
	if err != nil {
		return err
	}
	grantType := f.get("grant_type")
	extension, isExtension := s.extensions[grantType]
	switch {
	case grantType == "":
		return fault(InvalidRequest, "missing grant_type")
	case grantType != grantCode && grantType != grantRefresh && grantType != grantClient && !isExtension:
		return fault(UnsupportedGrantType, "unknown grant_type")
	case !slices.Contains(c.GrantTypes, grantType):
		return fault(UnauthorizedClient, "this client may not use this grant_type")
	}
	scope := f.get("scope")
	if !validScope(scope) {
		return fault(InvalidScope, "malformed scope")
	}
	if c.resources, err = resourcesOf(c.Client, f.all(paramResource)); err != nil {
		return err
	}
	if _, misplaced := f.query.find(paramResource); misplaced {
		// Not to take it would give a token that is good for more than was asked.
		return fault(InvalidRequest, "resource in the URL is not accepted: send it in the body")
	}
	if err := s.prove(w, r, c, "/oauth/token"); err != nil {
		return err
	}
	if err := s.needProof(w, c); err != nil {
		return err
	}
	var a answer
	switch grantType {
	case grantCode:
		a, err = s.exchangeCode(r.Context(), c, f.params)
	case grantRefresh:
		a, err = s.refresh(r.Context(), c, f.get("refresh_token"), scope)
	case grantClient:
		a, err = s.clientToken(r.Context(), c, scope)
	default:
		a, err = s.exchangeExtension(r.Context(), c, extension, f, scope)
	}
	if err != nil {
		return err
	}
	return a.write(w)
}

// exchangeCode serves the authorization code grant (RFC 6749, section 4.1.3).
func (s *Server) exchangeCode(ctx context.Context, c *caller, p params) (answer, error) {
	code, verifier := p.get("code"), p.get("code_verifier")
	if code == "" {
		return answer{}, fault(InvalidRequest, "missing code")
	}
	if verifier != "" && !validVerifier(verifier) {
		return answer{}, fault(InvalidRequest, "malformed code_verifier")
	}
	if err := s.mayNeedIDToken(ctx, c.Client); err != nil {
		return answer{}, err
	}
	now := time.Now()
	taken, err := s.config.Grants.TakeCode(ctx, store.DigestOf(code), c.ID)
	switch {
	case errors.Is(err, store.ErrUsed):
		// RFC 6749, section 4.1.2: a code that is used twice may have been
		// stolen, so what it gave is revoked.
		s.awaitGrant(ctx, taken.GrantID)
		if err := s.revoke(ctx, taken.GrantID, now); err != nil {
			return answer{}, err
		}
		return answer{}, fault(InvalidGrant, "the code was used before")
	case errors.Is(err, store.ErrNotFound):
		return answer{}, fault(InvalidGrant, "unknown or expired code")
	case err != nil:
		return answer{}, fmt.Errorf("take code: %w", err)
	case !now.Before(taken.ExpiresAt):
		return answer{}, fault(InvalidGrant, "unknown or expired code")
	case taken.RedirectURI != "" && taken.RedirectURI != p.get("redirect_uri"):
		return answer{}, fault(InvalidGrant, "redirect_uri is not the one of the authorization request")
	case taken.Challenge == "" && verifier != "":
		// RFC 9700, section 2.1.1: a stripped challenge must show.
		return answer{}, fault(InvalidGrant, "code_verifier without a code_challenge")
	case taken.Challenge != "" && !proves(verifier, taken.Challenge):
		return answer{}, fault(InvalidGrant, "code_verifier does not match")
	case !taken.DPoPKey.IsZero() && !same(taken.DPoPKey, c.key()):
		// RFC 9449, section 10.
		return answer{}, fault(InvalidGrant, "the code is bound to a key: send a DPoP proof of it")
	}
	if c.resources, err = narrowed(c.resources, taken.Resources); err != nil {
		return answer{}, err
	}
	if err := s.spend(ctx, c); err != nil {
		return answer{}, err
	}
	a, err := s.startGrant(ctx, c, store.Grant{
		ID:              taken.GrantID,
		ClientID:        c.ID,
		UserID:          taken.UserID,
		Scope:           taken.Scope,
		Resources:       taken.Resources,
		AuthenticatedAt: taken.AuthenticatedAt,
		SessionID:       taken.SessionID,
	}, slices.Contains(c.GrantTypes, grantRefresh))
	if err != nil {
		return answer{}, err
	}
	// Asked when the grant is stored: who ends the user's sessions, and then her
	// grants, either has ended the session by now or will find the grant.
	session, err := s.sessionOf(ctx, &taken)
	switch {
	case errors.Is(err, store.ErrNotFound),
		err == nil && (session.UserID != taken.UserID || !now.Before(session.IdleAt) || !now.Before(session.ExpiresAt)):
		if err := s.revoke(ctx, taken.GrantID, now); err != nil {
			return answer{}, err
		}
		return answer{}, fault(InvalidGrant, "the session of the code has ended")
	case err != nil:
		return answer{}, fmt.Errorf("find session: %w", err)
	}
	if c.ConsentRequired {
		if err := s.stillAgreed(ctx, taken.GrantID, c.Client, taken.UserID, taken.Scope); err != nil {
			return answer{}, err
		}
	}
	if !hasScope(taken.Scope, scopeOpenID) {
		return a, nil
	}
	a.idToken, err = s.idToken(ctx, c.Client, idClaims{
		userID: taken.UserID, sessionID: taken.SessionID, nonce: taken.Nonce, access: a.access,
		authenticatedAt: taken.AuthenticatedAt, method: session.Method, at: now,
	})
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

// sessionOf returns the session in which the code was issued, or the one that has
// taken its place since: the user has proved again who she is, and her login goes on
// with the same ID. How she did so then is not said of the code.
func (s *Server) sessionOf(ctx context.Context, code *store.AuthorizationCode) (store.Session, error) {
	session, err := s.config.Sessions.Session(ctx, code.Session)
	if !errors.Is(err, store.ErrNotFound) || code.SessionID == "" {
		return session, err
	}
	for next, err := range s.config.Sessions.UserSessions(ctx, code.UserID) {
		switch {
		case err != nil:
			return store.Session{}, err
		case next.ID == code.SessionID:
			next.Method = ""
			return next, nil
		}
	}
	return store.Session{}, store.ErrNotFound
}

// stillAgreed revokes a grant to which its user has not agreed, or does not any more.
// It is asked when the grant is stored, as the session is: who takes consent back
// deletes it, and then revokes the grants.
func (s *Server) stillAgreed(ctx context.Context, grantID string, c *store.Client, userID, scope string) error {
	consent, err := s.config.Consents.Consent(ctx, userID, c.ID)
	agreed := func(token string) bool { return slices.Contains(consent.Scopes, token) }
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !covers(agreed, scope):
		if err := s.revoke(ctx, grantID, time.Now()); err != nil {
			return err
		}
		return fault(InvalidGrant, "the user has not agreed, or has taken back her consent")
	case err != nil:
		return fmt.Errorf("find consent: %w", err)
	}
	return nil
}

// validVerifier checks the form of RFC 7636, section 4.1.
func validVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		switch c := v[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// proves checks a verifier as RFC 7636, section 4.6 does for S256.
func proves(verifier, challenge string) bool {
	var got [43]byte
	sum := store.DigestOf(verifier)
	base64.RawURLEncoding.Encode(got[:], sum[:])
	return verifier != "" && subtle.ConstantTimeCompare(got[:], []byte(challenge)) == 1
}

// startGrant stores a grant with its first tokens, for the caller's resources and
// key.
func (s *Server) startGrant(ctx context.Context, c *caller, g store.Grant, withRefresh bool) (answer, error) {
	now := time.Now()
	g.CreatedAt = now
	g.ExpiresAt = now.Add(s.config.GrantLifetime)
	a := answer{access: randomToken(), scope: g.Scope, dpop: c.proof != nil}
	if withRefresh {
		g.DPoPKey = c.refreshKey()
		a.refresh = g.ID + "." + randomToken()
		g.Refresh = store.DigestOf(a.refresh)
		g.RefreshExpires = earlier(now.Add(s.refreshLifetime(c.Client)), g.ExpiresAt)
	}
	t := s.accessToken(c, &g, a.access, g.Scope, c.resources, now)
	if !withRefresh {
		g.ExpiresAt = t.ExpiresAt
	}
	err := s.config.Grants.CreateGrant(ctx, g, t)
	if errors.Is(err, store.ErrRevoked) {
		return answer{}, fault(InvalidGrant, "the code was used before")
	}
	if err != nil {
		return answer{}, fmt.Errorf("create grant: %w", err)
	}
	a.expiresIn(t.ExpiresAt, now)
	return a, nil
}

// accessToken returns the record of an access token of a grant.
func (s *Server) accessToken(c *caller, g *store.Grant, token, scope string, resources []string, now time.Time) store.AccessToken {
	return store.AccessToken{
		Hash:      store.DigestOf(token),
		GrantID:   g.ID,
		ClientID:  c.ID,
		UserID:    g.UserID,
		Scope:     scope,
		Resources: resources,
		DPoPKey:   c.key(),
		CreatedAt: now,
		ExpiresAt: earlier(now.Add(s.accessLifetime(c.Client)), g.ExpiresAt),
	}
}

// clientToken serves the client credentials grant (RFC 6749, section 4.4). A
// client that asks for no scope gets none.
func (s *Server) clientToken(ctx context.Context, c *caller, scope string) (answer, error) {
	if !c.proven {
		return answer{}, fault(UnauthorizedClient, "client_credentials needs a client secret")
	}
	if !covers(func(t string) bool { return slices.Contains(c.Scopes, t) }, scope) {
		return answer{}, fault(InvalidScope, "this client may not ask for this scope")
	}
	if err := s.spend(ctx, c); err != nil {
		return answer{}, err
	}
	now := time.Now()
	a := answer{access: randomToken(), scope: scope, dpop: c.proof != nil}
	t := store.AccessToken{
		Hash:      store.DigestOf(a.access),
		ClientID:  c.ID,
		Scope:     scope,
		Resources: c.resources,
		DPoPKey:   c.key(),
		CreatedAt: now,
		ExpiresAt: now.Add(s.accessLifetime(c.Client)),
	}
	if err := s.config.Grants.PutAccessToken(ctx, t); err != nil {
		return answer{}, fmt.Errorf("put access token: %w", err)
	}
	a.expiresIn(t.ExpiresAt, now)
	return a, nil
}

// revoke ends a grant, also when the caller has gone away.
func (s *Server) revoke(ctx context.Context, grantID string, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Timeout)
	defer cancel()
	if err := s.config.Grants.RevokeGrant(ctx, grantID, now.Add(tombstone)); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return nil
}

// awaitGrant waits a moment for the tokens of a code that another call has just
// taken, so that of calls that race with one code one gets an answer (which the
// revocation then makes worthless) and the outcome does not hang on who is first
// at the store. That nobody stores tokens of a revoked grant is the store's rule.
func (s *Server) awaitGrant(ctx context.Context, grantID string) {
	const most, pause = 1500 * time.Millisecond, 5 * time.Millisecond
	for end := time.Now().Add(most); time.Now().Before(end); {
		if _, err := s.config.Grants.Grant(ctx, grantID); !errors.Is(err, store.ErrNotFound) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// grantIDLen is the length of a grant's ID: 16 bytes in base64url.
const grantIDLen = 22

// newGrantID returns 128 random bits as 22 characters.
func newGrantID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// answer is a successful answer of the token endpoint (RFC 6749, section 5.1).
type answer struct {
	access, refresh, scope string
	idToken                string // OpenID Connect Core 1.0, section 3.1.3.3
	seconds                int64
	dpop                   bool // the access token is bound to a key
}

// expiresIn sets the lifetime in whole seconds, rounded up, so that all answers
// to one race say the same.
func (a *answer) expiresIn(at, now time.Time) {
	a.seconds = int64((at.Sub(now) + time.Second - 1) / time.Second)
}

func (a *answer) write(w http.ResponseWriter) error {
	b := make([]byte, 0, 128+len(a.access)+len(a.refresh)+len(a.scope)+len(a.idToken)) // with room for the names
	b = append(b, `{"access_token":`...)
	b = appendString(b, a.access)
	if a.dpop {
		b = append(b, `,"token_type":"DPoP","expires_in":`...)
	} else {
		b = append(b, `,"token_type":"Bearer","expires_in":`...)
	}
	b = strconv.AppendInt(b, a.seconds, 10)
	if a.refresh != "" {
		b = append(b, `,"refresh_token":`...)
		b = appendString(b, a.refresh)
	}
	if a.scope != "" {
		b = append(b, `,"scope":`...)
		b = appendString(b, a.scope)
	}
	if a.idToken != "" {
		b = append(b, `,"id_token":"`...)
		b = append(b, a.idToken...)
		b = append(b, '"')
	}
	b = append(b, '}')
	noStore(w)
	w.Write(b) // a client that has gone away can ask again
	return nil
}

// appendString appends s as encoding/json writes it.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
