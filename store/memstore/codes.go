package memstore

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type oneTimeCodes struct {
	mu sync.Mutex
	t  table[store.Digest, store.OneTimeCode] // index 0: credential
}

func (t *oneTimeCodes) init() {
	t.t = newTable[store.Digest](func(c *store.OneTimeCode) string { return sentTo(c.Kind, c.Identity) })
}

func (t *oneTimeCodes) sweep(now time.Time, limit int) int {
	return locked(&t.mu, t.t.sweep, now, limit)
}

// PutOneTimeCode implements [store.OneTimeCodes].
func (s *Store) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Key.IsZero() {
		return errNoKey
	}
	utc(&c.CreatedAt, &c.ExpiresAt)
	s.codes.mu.Lock()
	defer s.codes.mu.Unlock()
	s.codes.t.insert(c.Key, c, c.ExpiresAt, time.Now())
	return nil
}

// TakeOneTimeCode implements [store.OneTimeCodes].
func (s *Store) TakeOneTimeCode(ctx context.Context, key, mac store.Digest) (store.OneTimeCode, error) {
	if err := ctx.Err(); err != nil {
		return store.OneTimeCode{}, err
	}
	now := time.Now()
	s.codes.mu.Lock()
	defer s.codes.mu.Unlock()
	it := s.codes.t.live(key, now)
	if it == nil {
		return store.OneTimeCode{}, store.ErrNotFound
	}
	if mac.IsZero() || subtle.ConstantTimeCompare(it.rec.MAC[:], mac[:]) != 1 {
		return store.OneTimeCode{}, store.ErrMismatch
	}
	s.codes.t.remove(it)
	return it.rec, nil
}

// DropOneTimeCodes implements [store.OneTimeCodes].
func (s *Store) DropOneTimeCodes(ctx context.Context, kind store.CredentialKind, identity string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.codes.mu.Lock()
	defer s.codes.mu.Unlock()
	s.codes.t.each(0, sentTo(kind, identity), time.Now(), s.codes.t.remove)
	return nil
}

// sentTo joins kind and identity to one value; no kind contains a line break.
func sentTo(kind store.CredentialKind, identity string) string {
	return string(kind) + "\n" + identity
}
