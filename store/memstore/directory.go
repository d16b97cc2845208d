package memstore

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

type directories struct {
	mu       sync.RWMutex
	byUser   map[string][]store.DirectoryLink // the oldest first
	byPerson map[person]*linked
}

// person is someone in a company directory.
type person struct{ tenant, objectID string }

// linked says who a person is, and in how many directories.
type linked struct {
	userID string
	n      int
}

func (t *directories) init() {
	t.byUser = map[string][]store.DirectoryLink{}
	t.byPerson = map[person]*linked{}
}

// PutDirectoryLink implements [store.DirectoryLinks].
func (s *Store) PutDirectoryLink(ctx context.Context, l store.DirectoryLink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.Directory == "" || l.UserID == "" || l.Tenant == "" || l.ObjectID == "" {
		return errNoKey
	}
	utc(&l.CreatedAt)
	t := &s.directories
	t.mu.Lock()
	defer t.mu.Unlock()
	who := t.byPerson[person{l.Tenant, l.ObjectID}]
	if who != nil && who.userID != l.UserID || t.find(l.Directory, l.UserID) >= 0 {
		return store.ErrConflict
	}
	if who == nil {
		who = &linked{userID: l.UserID}
		t.byPerson[person{l.Tenant, l.ObjectID}] = who
	}
	who.n++
	links := append(t.byUser[l.UserID], l)
	slices.SortStableFunc(links, func(a, b store.DirectoryLink) int { return a.CreatedAt.Compare(b.CreatedAt) })
	t.byUser[l.UserID] = links
	return nil
}

// DirectoryLink implements [store.DirectoryLinks].
func (s *Store) DirectoryLink(ctx context.Context, directory, userID string) (store.DirectoryLink, error) {
	if err := ctx.Err(); err != nil {
		return store.DirectoryLink{}, err
	}
	t := &s.directories
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := t.find(directory, userID)
	if i < 0 {
		return store.DirectoryLink{}, store.ErrNotFound
	}
	return t.byUser[userID][i], nil
}

// DirectoryLinks implements [store.DirectoryLinks].
func (s *Store) DirectoryLinks(ctx context.Context, userID string) iter.Seq2[store.DirectoryLink, error] {
	return list(ctx, func() []store.DirectoryLink {
		s.directories.mu.RLock()
		defer s.directories.mu.RUnlock()
		return slices.Clone(s.directories.byUser[userID])
	})
}

// DirectoryUser implements [store.DirectoryLinks].
func (s *Store) DirectoryUser(ctx context.Context, tenant, objectID string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.directories.mu.RLock()
	defer s.directories.mu.RUnlock()
	who := s.directories.byPerson[person{tenant, objectID}]
	if who == nil {
		return "", store.ErrNotFound
	}
	return who.userID, nil
}

// DeleteDirectoryLink implements [store.DirectoryLinks].
func (s *Store) DeleteDirectoryLink(ctx context.Context, directory, userID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &s.directories
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(directory, userID); i >= 0 {
		t.drop(userID, i)
	}
	return nil
}

// DeleteUserDirectoryLinks implements [store.DirectoryLinks].
func (s *Store) DeleteUserDirectoryLinks(ctx context.Context, userID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	t := &s.directories
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.byUser[userID])
	for i := n - 1; i >= 0; i-- {
		t.drop(userID, i)
	}
	return n, nil
}

// find returns where the user's link in the directory stands, or -1. A lock is held.
func (t *directories) find(directory, userID string) int {
	return slices.IndexFunc(t.byUser[userID], func(l store.DirectoryLink) bool { return l.Directory == directory })
}

// drop removes the user's i-th link. The lock is held.
func (t *directories) drop(userID string, i int) {
	links := t.byUser[userID]
	who := person{links[i].Tenant, links[i].ObjectID}
	if p := t.byPerson[who]; p.n > 1 {
		p.n--
	} else {
		delete(t.byPerson, who)
	}
	if links = slices.Delete(links, i, i+1); len(links) == 0 {
		delete(t.byUser, userID)
		return
	}
	t.byUser[userID] = links
}
