package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

var errRefresh = fault(InvalidGrant, "unknown, expired or revoked refresh token")

// maxSwaps bounds how often a refresh starts again because another one came
// first. Two are enough: after the first, the presented token is a predecessor.
const maxSwaps = 4

// refresh serves the refresh token grant (RFC 6749, section 6) with rotation
// (RFC 9700, section 4.14.2).
//
// A used token shows theft and ends its family. Its immediate predecessor is
// excepted for [Config.RetryWindow]: the answer may have been lost, or two tabs
// have asked at once. It gets the same successor again, which can be derived
// from it, as only digests are stored.
func (s *Server) refresh(ctx context.Context, c *caller, token, scope string) (answer, error) {
	if token == "" {
		return answer{}, fault(InvalidRequest, "missing refresh_token")
	}
	grantID, ok := splitRefresh(token)
	if !ok {
		return answer{}, errRefresh
	}
	presented, spent := store.DigestOf(token), false
	for range maxSwaps {
		g, err := s.config.Grants.Grant(ctx, grantID)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrRevoked) {
			return answer{}, errRefresh
		}
		if err != nil {
			return answer{}, fmt.Errorf("find grant: %w", err)
		}
		// As stores keep it, for answers that are made again from what is stored.
		now := time.Now().Truncate(time.Millisecond)
		switch {
		case g.ClientID != c.ID:
			// Another client can neither use the token nor end the family.
			return answer{}, errRefresh
		case !g.DPoPKey.IsZero() && !same(g.DPoPKey, c.key()):
			// RFC 9449, section 5. Who has the token without the key can neither
			// use it nor end the family.
			return answer{}, fault(InvalidGrant, "the refresh token is bound to a key: send a DPoP proof of it")
		case g.Refresh.IsZero(), !now.Before(g.RefreshExpires), !now.Before(g.ExpiresAt):
			return answer{}, errRefresh
		case !covers(func(t string) bool { return slices.Contains(strings.Fields(g.Scope), t) }, scope):
			return answer{}, fault(InvalidScope, "the scope is wider than what was granted")
		}
		if scope == "" {
			scope = g.Scope
		}
		if hasScope(scope, scopeOpenID) {
			if err := s.mayNeedIDToken(ctx, c.Client); err != nil {
				return answer{}, err
			}
		}
		resources, err := narrowed(c.resources, g.Resources)
		if err != nil {
			return answer{}, err
		}
		current := same(presented, g.Refresh)
		again := !current && same(presented, g.Previous) && now.Sub(g.RotatedAt) <= s.config.RetryWindow
		if (current || again) && !spent {
			if err := s.spend(ctx, c); err != nil {
				return answer{}, err
			}
			spent = true
		}
		var a answer
		switch {
		case current && c.keeps(&g):
			a, err = s.renew(ctx, c, g, token, scope, resources, now)
		case current:
			a, err = s.rotate(ctx, c, g, token, scope, resources, now)
		case again:
			return s.repeat(ctx, c, g, token, scope, resources, now)
		default:
			if err := s.revoke(ctx, g.ID, now); err != nil {
				return answer{}, err
			}
			s.log.WarnContext(ctx, "a used refresh token was presented: its family is revoked", "client", c.ID, "user", g.UserID)
			return answer{}, errRefresh
		}
		switch {
		case err == nil:
			return a, nil
		case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrNotFound):
			return answer{}, errRefresh
		case !errors.Is(err, store.ErrConflict):
			return answer{}, err
		}
	}
	return answer{}, errors.New("refresh: too many conflicts")
}

// keeps reports whether the client's refresh tokens of the grant do not rotate.
// Those of a public client do, unless they are bound to a key (RFC 9700, section
// 4.14.2).
func (c *caller) keeps(g *store.Grant) bool {
	return c.KeepRefreshToken && (!c.Public || !g.DPoPKey.IsZero())
}

// identify adds the ID token to the answer to a refresh, if its scope has openid. It
// follows from what is stored, so that all answers to one race have the same. It
// says of whom and since when as the first one did, and repeats no nonce (OpenID
// Connect Core 1.0, section 12.2); how she logged in is not asked again.
func (s *Server) identify(ctx context.Context, c *caller, g *store.Grant, t *store.AccessToken, a answer) (answer, error) {
	if !hasScope(t.Scope, scopeOpenID) {
		return a, nil
	}
	var err error
	a.idToken, err = s.idToken(ctx, c.Client, idClaims{
		userID: g.UserID, sessionID: g.SessionID, access: a.access, authenticatedAt: g.AuthenticatedAt, at: t.CreatedAt,
	})
	return a, err
}

// splitRefresh returns the grant id of a refresh token of this server's form.
func splitRefresh(token string) (grantID string, ok bool) {
	grantID, secret, ok := strings.Cut(token, ".")
	return grantID, ok && isToken(grantID, grantIDLen) && isToken(secret, 43)
}

// isToken reports whether s is n characters of base64url.
func isToken(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func same(a, b store.Digest) bool {
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && !a.IsZero()
}

// rotate stores the successor of the presented token.
func (s *Server) rotate(ctx context.Context, c *caller, g store.Grant, token, scope string, resources []string, now time.Time) (answer, error) {
	keyID := s.config.Keys.ID()
	a, err := s.derive(keyID, g.ID, token, g.Generation)
	if err != nil {
		return answer{}, err
	}
	a.scope, a.dpop = scope, c.proof != nil
	bindRefresh(&g, c)
	g.Previous, g.Refresh = g.Refresh, store.DigestOf(a.refresh)
	g.Generation++
	g.RotatedAt = now
	g.KeyID = keyID
	g.RefreshExpires = earlier(now.Add(s.refreshLifetime(c.Client)), g.ExpiresAt)
	t := s.accessToken(c, &g, a.access, scope, resources, now)
	if err := s.config.Grants.SwapGrant(ctx, g, t); err != nil {
		return answer{}, fmt.Errorf("rotate refresh token: %w", err)
	}
	a.expiresIn(t.ExpiresAt, now)
	return s.identify(ctx, c, &g, &t, a)
}

// bindRefresh binds the refresh tokens of a public client to the key that it has
// proved, also when its first came without one (RFC 9449, section 5).
func bindRefresh(g *store.Grant, c *caller) (bound bool) {
	if key := c.refreshKey(); g.DPoPKey.IsZero() && !key.IsZero() {
		g.DPoPKey, bound = key, true
	}
	return bound
}

// repeat answers the predecessor of the current refresh token as it was answered
// the first time, and says what the token can do. It hands out no more than what is
// asked for now, and nothing to another key.
func (s *Server) repeat(ctx context.Context, c *caller, g store.Grant, token, scope string, resources []string, now time.Time) (answer, error) {
	a, err := s.derive(g.KeyID, g.ID, token, g.Generation-1)
	if err != nil {
		return answer{}, err
	}
	if !same(store.DigestOf(a.refresh), g.Refresh) {
		return answer{}, errors.New("the successor of a refresh token can not be derived again")
	}
	t, err := s.config.Grants.AccessToken(ctx, store.DigestOf(a.access))
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, errRefresh // revoked meanwhile
	}
	if err != nil {
		return answer{}, fmt.Errorf("find access token: %w", err)
	}
	switch {
	case !covers(func(t string) bool { return slices.Contains(strings.Fields(scope), t) }, t.Scope):
		return answer{}, fault(InvalidScope, "the retry asks for a narrower scope than the first request")
	case !within(t.Resources, resources):
		return answer{}, fault(InvalidTarget, "the retry asks for other resources than the first request")
	case t.DPoPKey != c.key():
		return answer{}, fault(InvalidGrant, "the retry has another key than the first request")
	}
	a.scope, a.dpop = t.Scope, c.proof != nil
	a.expiresIn(t.ExpiresAt, now)
	return s.identify(ctx, c, &g, &t, a)
}

// derive returns the tokens that follow from a refresh token.
func (s *Server) derive(keyID, grantID, token string, generation int) (answer, error) {
	n := strconv.Itoa(generation)
	refresh, ok := s.config.Keys.MACWith(keyID, "refresh token", token, n)
	access, ok2 := s.config.Keys.MACWith(keyID, "access token of refresh token", token, n)
	if !ok || !ok2 {
		return answer{}, errors.New("the key that derived a refresh token is gone")
	}
	return answer{access: keys.Token(access), refresh: grantID + "." + keys.Token(refresh)}, nil
}

// touchEvery is how far the end of a refresh token that does not rotate has to
// move before it is stored.
const touchEvery = time.Minute

// renew gives another access token for a refresh token that does not rotate.
func (s *Server) renew(ctx context.Context, c *caller, g store.Grant, token, scope string, resources []string, now time.Time) (answer, error) {
	a := answer{access: randomToken(), refresh: token, scope: scope, dpop: c.proof != nil}
	t := s.accessToken(c, &g, a.access, scope, resources, now)
	until := earlier(now.Add(s.refreshLifetime(c.Client)), g.ExpiresAt)
	var err error
	if bindRefresh(&g, c) || until.Sub(g.RefreshExpires) >= touchEvery {
		g.RefreshExpires = until
		err = s.config.Grants.SwapGrant(ctx, g, t)
	} else {
		err = s.config.Grants.PutAccessToken(ctx, t)
	}
	if err != nil {
		return answer{}, fmt.Errorf("renew access token: %w", err)
	}
	a.expiresIn(t.ExpiresAt, now)
	return s.identify(ctx, c, &g, &t, a)
}
