package memstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// grants has one lock for all its tables, since a revocation reaches them all.
type grants struct {
	mu      sync.RWMutex
	codes   table[store.Digest, code]              // index 0: user
	grants  table[string, store.Grant]             // index 0: user
	revoked table[string, struct{}]                // tombstones
	tokens  table[store.Digest, store.AccessToken] // index 0: grant, 1: user
}

type code struct {
	store.AuthorizationCode
	used bool
}

func (c *code) copied() store.AuthorizationCode {
	r := c.AuthorizationCode
	r.Resources = slices.Clone(r.Resources)
	return r
}

// errForeignToken answers a token that comes with a grant but names another.
var errForeignToken = errors.New("memstore: the access token names another grant")

func (t *grants) init() {
	t.codes = newTable[store.Digest](func(c *code) string { return c.UserID })
	t.grants = newTable[string](func(g *store.Grant) string { return g.UserID })
	t.revoked = newTable[string, struct{}]()
	t.tokens = newTable[store.Digest](
		func(a *store.AccessToken) string { return a.GrantID },
		func(a *store.AccessToken) string { return a.UserID },
	)
}

func (t *grants) sweep(now time.Time, limit int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.codes.sweep(now, limit)
	n += t.grants.sweep(now, limit-n)
	n += t.revoked.sweep(now, limit-n)
	return n + t.tokens.sweep(now, limit-n)
}

// PutCode implements [store.Grants].
func (s *Store) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Hash.IsZero() {
		return errNoKey
	}
	c.Resources = slices.Clone(c.Resources)
	utc(&c.AuthenticatedAt, &c.CreatedAt, &c.ExpiresAt)
	now := time.Now()
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	if s.grants.codes.live(c.Hash, now) != nil {
		return store.ErrConflict
	}
	s.grants.codes.insert(c.Hash, code{AuthorizationCode: c}, c.ExpiresAt, now)
	return nil
}

// TakeCode implements [store.Grants].
func (s *Store) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	if err := ctx.Err(); err != nil {
		return store.AuthorizationCode{}, err
	}
	now := time.Now()
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	it := s.grants.codes.live(hash, now)
	switch {
	case it == nil || it.rec.ClientID != clientID:
		return store.AuthorizationCode{}, store.ErrNotFound
	case it.rec.used:
		return it.rec.copied(), store.ErrUsed
	}
	it.rec.used = true
	return it.rec.copied(), nil
}

// CreateGrant implements [store.Grants].
func (s *Store) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkPair(&g, &t); err != nil {
		return err
	}
	g.Version = 1
	now := time.Now()
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	switch {
	case s.grants.revoked.live(g.ID, now) != nil:
		return store.ErrRevoked
	case s.grants.grants.live(g.ID, now) != nil, s.grants.tokens.live(t.Hash, now) != nil:
		return store.ErrConflict
	}
	s.grants.grants.insert(g.ID, g, g.ExpiresAt, now)
	s.grants.tokens.insert(t.Hash, t, t.ExpiresAt, now)
	return nil
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id string) (store.Grant, error) {
	if err := ctx.Err(); err != nil {
		return store.Grant{}, err
	}
	now := time.Now()
	s.grants.mu.RLock()
	defer s.grants.mu.RUnlock()
	it, err := s.grants.live(id, now)
	if err != nil {
		return store.Grant{}, err
	}
	return copyGrant(it.rec), nil
}

// live returns the grant's item, ErrRevoked or ErrNotFound. The lock is held.
func (t *grants) live(id string, now time.Time) (*item[string, store.Grant], error) {
	if t.revoked.live(id, now) != nil {
		return nil, store.ErrRevoked
	}
	it := t.grants.live(id, now)
	if it == nil {
		return nil, store.ErrNotFound
	}
	return it, nil
}

// SwapGrant implements [store.Grants].
func (s *Store) SwapGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkPair(&g, &t); err != nil {
		return err
	}
	now := time.Now()
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	it, err := s.grants.live(g.ID, now)
	if err != nil {
		return err
	}
	if it.rec.Version != g.Version || s.grants.tokens.live(t.Hash, now) != nil {
		return store.ErrConflict
	}
	g.Version++
	s.grants.grants.update(it, g, g.ExpiresAt)
	s.grants.tokens.insert(t.Hash, t, t.ExpiresAt, now)
	return nil
}

// UserGrants implements [store.Grants].
func (s *Store) UserGrants(ctx context.Context, userID string) iter.Seq2[store.Grant, error] {
	return list(ctx, func() []store.Grant {
		var all []store.Grant
		s.grants.mu.RLock()
		s.grants.grants.each(0, userID, time.Now(), func(it *item[string, store.Grant]) { all = append(all, copyGrant(it.rec)) })
		s.grants.mu.RUnlock()
		slices.SortStableFunc(all, func(a, b store.Grant) int { return b.CreatedAt.Compare(a.CreatedAt) })
		return all
	})
}

// PutAccessToken implements [store.Grants].
func (s *Store) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.Hash.IsZero() {
		return errNoKey
	}
	t.Resources = slices.Clone(t.Resources)
	utc(&t.CreatedAt, &t.ExpiresAt)
	now := time.Now()
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	if t.GrantID != "" {
		if _, err := s.grants.live(t.GrantID, now); err != nil {
			return err
		}
	}
	if s.grants.tokens.live(t.Hash, now) != nil {
		return store.ErrConflict
	}
	s.grants.tokens.insert(t.Hash, t, t.ExpiresAt, now)
	return nil
}

// AccessToken implements [store.Grants].
func (s *Store) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return store.AccessToken{}, err
	}
	now := time.Now()
	s.grants.mu.RLock()
	defer s.grants.mu.RUnlock()
	it := s.grants.tokens.live(hash, now)
	if it == nil {
		return store.AccessToken{}, store.ErrNotFound
	}
	r := it.rec
	r.Resources = slices.Clone(r.Resources)
	return r, nil
}

// DeleteAccessToken implements [store.Grants].
func (s *Store) DeleteAccessToken(ctx context.Context, hash store.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	if it := s.grants.tokens.byKey[hash]; it != nil {
		s.grants.tokens.remove(it)
	}
	return nil
}

// checkPair checks and normalises a grant and the token that goes with it.
func checkPair(g *store.Grant, t *store.AccessToken) error {
	switch {
	case g.ID == "" || t.Hash.IsZero():
		return errNoKey
	case t.GrantID != g.ID:
		return errForeignToken
	}
	g.Resources, t.Resources = slices.Clone(g.Resources), slices.Clone(t.Resources)
	utc(&g.AuthenticatedAt, &g.RotatedAt, &g.CreatedAt, &g.RefreshExpires, &g.ExpiresAt, &t.CreatedAt, &t.ExpiresAt)
	return nil
}

func copyGrant(g store.Grant) store.Grant {
	g.Resources = slices.Clone(g.Resources)
	return g
}
