package memstore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type signingKeys struct {
	mu sync.RWMutex
	t  table[string, store.SigningKey] // few: looked through
}

func (t *signingKeys) init() { t.t = newTable[string, store.SigningKey]() }

func (t *signingKeys) sweep(now time.Time, limit int) int {
	return locked(&t.mu, t.t.sweep, now, limit)
}

// CreateSigningKey implements [store.SigningKeys].
func (s *Store) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.ID == "" {
		return errNoKey
	}
	k = copyKey(k)
	utc(&k.CreatedAt, &k.SignsAt, &k.ExpiresAt)
	now := time.Now()
	t := &s.signingKeys
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, it := range t.t.byKey {
		same := it.key == k.ID || it.rec.Alg == k.Alg && it.rec.Generation == k.Generation
		if same && it.expires.After(now) {
			return store.ErrConflict
		}
	}
	t.t.insert(k.ID, k, k.ExpiresAt, now)
	return nil
}

// SigningKeys implements [store.SigningKeys].
func (s *Store) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	return list(ctx, func() []store.SigningKey {
		now, t := time.Now(), &s.signingKeys
		t.mu.RLock()
		defer t.mu.RUnlock()
		var all []store.SigningKey
		for _, it := range t.t.byKey {
			if it.expires.After(now) {
				all = append(all, copyKey(it.rec))
			}
		}
		slices.SortFunc(all, func(a, b store.SigningKey) int {
			return cmp.Or(cmp.Compare(a.Alg, b.Alg), cmp.Compare(b.Generation, a.Generation))
		})
		return all
	})
}

// DeleteSigningKey implements [store.SigningKeys].
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.signingKeys.mu.Lock()
	defer s.signingKeys.mu.Unlock()
	if it := s.signingKeys.t.byKey[id]; it != nil {
		s.signingKeys.t.remove(it)
	}
	return nil
}

func copyKey(k store.SigningKey) store.SigningKey {
	k.Private, k.Public = bytes.Clone(k.Private), bytes.Clone(k.Public)
	return k
}
