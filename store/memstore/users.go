package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type users struct {
	mu           sync.RWMutex
	byID         map[string]*store.User
	byNumber     map[int64]*store.User
	byCredential map[credential]*store.User
	byTie        map[tie]*store.User
	merges       merges
	gate         gate // of all who change accounts
}

// tie is what makes a tie unique.
type tie struct {
	kind            store.TieKind
	partner, number string
}

func tieOf(t store.Tie) tie { return tie{t.Kind, t.PartnerID, t.Number} }

// credential is what makes a credential unique.
type credential struct {
	kind     store.CredentialKind
	identity string
}

func (t *users) init() {
	t.byID = map[string]*store.User{}
	t.byNumber = map[int64]*store.User{}
	t.byCredential = map[credential]*store.User{}
	t.byTie = map[tie]*store.User{}
	t.merges.init()
}

// CreateUser implements [store.Users].
func (s *Store) CreateUser(ctx context.Context, u store.User) error {
	if u.ID == "" {
		return cmp.Or(ctx.Err(), errNoKey)
	}
	u = copyUser(u)
	u.Version = 1

	t := &s.users
	if err := t.gate.enter(ctx, s); err != nil {
		return err
	}
	defer t.gate.leave()
	t.mu.Lock()
	defer t.mu.Unlock()
	_, left := t.merges.absorbed[u.ID]
	if left || t.merges.numbers[u.Number] || t.byID[u.ID] != nil || t.byNumber[u.Number] != nil || t.taken(u) {
		return store.ErrConflict
	}
	t.add(&u)
	return nil
}

// User implements [store.Users].
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	if err := ctx.Err(); err != nil {
		return store.User{}, err
	}
	s.users.mu.RLock()
	u := s.users.byID[id] // never changed in place
	s.users.mu.RUnlock()
	if u == nil {
		return store.User{}, store.ErrNotFound
	}
	return copyUser(*u), nil
}

// UserByCredential implements [store.Users].
func (s *Store) UserByCredential(ctx context.Context, kind store.CredentialKind, identity string) (store.User, error) {
	if err := ctx.Err(); err != nil {
		return store.User{}, err
	}
	s.users.mu.RLock()
	u := s.users.byCredential[credential{kind, identity}]
	s.users.mu.RUnlock()
	if u == nil {
		return store.User{}, store.ErrNotFound
	}
	return copyUser(*u), nil
}

// UserByTie implements [store.Users].
func (s *Store) UserByTie(ctx context.Context, kind store.TieKind, partnerID, number string) (store.User, error) {
	if err := ctx.Err(); err != nil {
		return store.User{}, err
	}
	s.users.mu.RLock()
	u := s.users.byTie[tie{kind, partnerID, number}]
	s.users.mu.RUnlock()
	if u == nil {
		return store.User{}, store.ErrNotFound
	}
	return copyUser(*u), nil
}

// UpdateUser implements [store.Users].
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	u = copyUser(u)

	t := &s.users
	if err := t.gate.enter(ctx, s); err != nil {
		return err
	}
	defer t.gate.leave()
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byID[u.ID]
	switch {
	case old == nil:
		return store.ErrNotFound
	case old.Version != u.Version || t.taken(u):
		return store.ErrConflict
	}
	u.Version++
	u.Number, u.CreatedAt = old.Number, old.CreatedAt
	t.drop(old)
	t.add(&u)
	return nil
}

// DeleteUser implements [store.Users].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	if err := s.users.gate.enter(ctx, s); err != nil {
		return err
	}
	defer s.users.gate.leave()
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if u := s.users.byID[id]; u != nil {
		s.users.drop(u)
		s.users.merges.forget(id, time.Now())
	}
	return nil
}

// taken reports whether another user than those named has one of u's
// credentials or ties, or u has one of them twice. The lock is held.
func (t *users) taken(u store.User, but ...string) bool {
	for i, c := range u.Credentials {
		if o := t.byCredential[credential{c.Kind, c.Identity}]; o != nil && o.ID != u.ID && !slices.Contains(but, o.ID) {
			return true
		}
		for _, d := range u.Credentials[:i] {
			if c.Kind == d.Kind && c.Identity == d.Identity {
				return true
			}
		}
	}
	for i, c := range u.Ties {
		if o := t.byTie[tieOf(c)]; o != nil && o.ID != u.ID && !slices.Contains(but, o.ID) {
			return true
		}
		for _, d := range u.Ties[:i] {
			if tieOf(c) == tieOf(d) {
				return true
			}
		}
	}
	return false
}

func (t *users) add(u *store.User) {
	t.byID[u.ID], t.byNumber[u.Number] = u, u
	for _, c := range u.Credentials {
		t.byCredential[credential{c.Kind, c.Identity}] = u
	}
	for _, c := range u.Ties {
		t.byTie[tieOf(c)] = u
	}
}

func (t *users) drop(u *store.User) {
	delete(t.byID, u.ID)
	delete(t.byNumber, u.Number)
	for _, c := range u.Credentials {
		delete(t.byCredential, credential{c.Kind, c.Identity})
	}
	for _, c := range u.Ties {
		delete(t.byTie, tieOf(c))
	}
}

// copyUser returns a user that shares nothing with u.
func copyUser(u store.User) store.User {
	u.Credentials = copyCredentials(u.Credentials)
	u.Ties = slices.Clone(u.Ties)
	for i := range u.Ties {
		utc(&u.Ties[i].TiedAt)
	}
	utc(&u.PasswordSetAt, &u.TermsAt, &u.CreatedAt, &u.UpdatedAt)
	return u
}

func copyCredentials(all []store.Credential) []store.Credential {
	all = slices.Clone(all)
	for i := range all {
		utc(&all[i].VerifiedAt, &all[i].AddedAt)
	}
	return all
}
