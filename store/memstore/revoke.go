package memstore

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// RevokeGrant implements [store.Grants].
func (s *Store) RevokeGrant(ctx context.Context, id string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if id == "" {
		return errNoKey
	}
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	s.grants.revoke(id, until, time.Now())
	return nil
}

// RevokeUserGrants implements [store.Grants].
func (s *Store) RevokeUserGrants(ctx context.Context, userID string, until time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, now := 0, time.Now()
	t := &s.grants
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grants.each(0, userID, now, func(it *item[string, store.Grant]) {
		t.revoke(it.key, until, now)
		n++
	})
	t.codes.each(0, userID, now, func(it *item[store.Digest, code]) { t.dropCode(it, until, now) })
	t.tokens.each(1, userID, now, t.tokens.remove)
	return n, nil
}

// RevokeClientGrants implements [store.Grants].
func (s *Store) RevokeClientGrants(ctx context.Context, clientID string, until time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, now := 0, time.Now()
	t := &s.grants
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, it := range t.grants.byKey {
		if it.rec.ClientID == clientID && it.expires.After(now) {
			t.revoke(id, until, now)
			n++
		}
	}
	for _, it := range t.codes.byKey {
		if it.rec.ClientID == clientID {
			t.dropCode(it, until, now)
		}
	}
	for _, it := range t.tokens.byKey {
		if it.rec.ClientID == clientID {
			t.tokens.remove(it)
		}
	}
	return n, nil
}

// revoke ends the grant and its tokens. The lock is held.
func (t *grants) revoke(id string, until, now time.Time) {
	if it := t.grants.byKey[id]; it != nil {
		t.grants.remove(it)
	}
	t.tokens.each(0, id, now, t.tokens.remove)
	if stone := t.revoked.live(id, now); stone != nil {
		if until.After(stone.expires) {
			t.revoked.postpone(stone, until.UTC())
		}
		return
	}
	t.revoked.insert(id, struct{}{}, until.UTC(), now)
}

// dropCode removes an unused code. A used one stays, for replays to be seen, but
// what is being made of it in this moment is revoked. The lock is held.
func (t *grants) dropCode(it *item[store.Digest, code], until, now time.Time) {
	switch {
	case !it.rec.used:
		t.codes.remove(it)
	case it.rec.GrantID != "":
		t.revoke(it.rec.GrantID, until, now)
	}
}
