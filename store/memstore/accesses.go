package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type accesses struct {
	mu sync.RWMutex
	t  table[string, store.Access] // index 0: user; 1: customer
}

func (t *accesses) init() {
	t.t = newTable[string](func(a *store.Access) string { return a.UserID }, func(a *store.Access) string {
		if a.CustomerNumber == 0 {
			return ""
		}
		return customerGroup(a.PartnerID, a.CustomerNumber)
	})
}

func customerGroup(partnerID string, number int64) string {
	return group(partnerID, strconv.FormatInt(number, 10))
}

func (t *accesses) sweep(now time.Time, limit int) int { return locked(&t.mu, t.t.sweep, now, limit) }

// PutAccess implements [store.Accesses].
func (s *Store) PutAccess(ctx context.Context, a store.Access) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.ID == "" || a.PartnerID == "" || a.UserID == "" && a.CustomerNumber == 0 {
		return errNoKey
	}
	a.Moved = slices.Clone(a.Moved)
	utc(&a.StartsAt, &a.ExpiresAt)
	s.accesses.mu.Lock()
	defer s.accesses.mu.Unlock()
	s.accesses.t.insert(a.ID, a, a.ExpiresAt, time.Now())
	return nil
}

// UserAccesses implements [store.Accesses].
func (s *Store) UserAccesses(ctx context.Context, partnerID, userID string) iter.Seq2[store.Access, error] {
	return s.accessesIn(ctx, 0, userID, partnerID)
}

// CustomerAccesses implements [store.Accesses].
func (s *Store) CustomerAccesses(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Access, error] {
	return s.accessesIn(ctx, 1, customerGroup(partnerID, number), partnerID)
}

func (s *Store) accessesIn(ctx context.Context, index int, value, partnerID string) iter.Seq2[store.Access, error] {
	return list(ctx, func() []store.Access {
		var all []store.Access
		s.accesses.mu.RLock()
		s.accesses.t.each(index, value, time.Now(), func(it *item[string, store.Access]) {
			if partnerID == "" || it.rec.PartnerID == partnerID {
				all = append(all, it.rec)
				all[len(all)-1].Moved = slices.Clone(it.rec.Moved)
			}
		})
		s.accesses.mu.RUnlock()
		slices.SortFunc(all, func(a, b store.Access) int {
			return cmp.Or(b.ExpiresAt.Compare(a.ExpiresAt), cmp.Compare(a.ID, b.ID))
		})
		return all
	})
}

// MoveAccesses implements [store.Accesses].
func (s *Store) MoveAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return s.moveAccesses(ctx, fromUser, toUser, func(moved []string) ([]string, bool) {
		return append(slices.Clone(moved), merge), true
	})
}

// ReturnAccesses implements [store.Accesses].
func (s *Store) ReturnAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	return s.moveAccesses(ctx, fromUser, toUser, func(moved []string) ([]string, bool) {
		i := slices.Index(moved, merge)
		if i < 0 {
			return nil, false
		}
		return slices.Clone(moved[:i]), true
	})
}

func (s *Store) moveAccesses(ctx context.Context, fromUser, toUser string, move func([]string) ([]string, bool)) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if toUser == "" {
		return 0, errNoKey
	}
	s.accesses.mu.Lock()
	defer s.accesses.mu.Unlock()
	var all []*item[string, store.Access]
	s.accesses.t.each(0, fromUser, time.Now(), func(it *item[string, store.Access]) { all = append(all, it) })
	n := 0
	for _, it := range all {
		rec := it.rec
		var ok bool
		if rec.Moved, ok = move(rec.Moved); ok {
			rec.UserID = toUser
			s.accesses.t.update(it, rec, rec.ExpiresAt)
			n++
		}
	}
	return n, nil
}

// DeleteAccess implements [store.Accesses].
func (s *Store) DeleteAccess(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.accesses.mu.Lock()
	defer s.accesses.mu.Unlock()
	if it := s.accesses.t.byKey[id]; it != nil {
		s.accesses.t.remove(it)
	}
	return nil
}

// DeleteUserAccesses implements [store.Accesses].
func (s *Store) DeleteUserAccesses(ctx context.Context, userID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	s.accesses.mu.Lock()
	defer s.accesses.mu.Unlock()
	s.accesses.t.each(0, userID, time.Now(), func(it *item[string, store.Access]) {
		s.accesses.t.remove(it)
		n++
	})
	return n, nil
}
