package storetest_test

import (
	"context"
	"errors"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

type leadsNowhere struct{ *mem }

func (s *leadsNowhere) ResolveUser(ctx context.Context, id string) (store.User, error) {
	return s.User(ctx, id)
}

type callsLate struct{ *mem }

func (s *callsLate) MergeUsers(ctx context.Context, m store.Merge, survivor store.User, fn func(context.Context) error) error {
	if err := s.mem.MergeUsers(ctx, m, survivor, nil); err != nil || fn == nil {
		return err
	}
	return fn(ctx)
}

// mergesInSteps takes whatever version the absorbed user has by now.
type mergesInSteps struct{ *mem }

func (s *mergesInSteps) MergeUsers(ctx context.Context, m store.Merge, survivor store.User, fn func(context.Context) error) error {
	taken, err := s.User(ctx, m.Absorbed)
	if err != nil {
		return err
	}
	m.Taken.Version = taken.Version
	return s.mem.MergeUsers(ctx, m, survivor, fn)
}

// undoesTwice tells all who undo at once that they have.
type undoesTwice struct {
	*mem
	mu sync.Mutex
}

func (s *undoesTwice) UnmergeUsers(ctx context.Context, m store.Merge, survivor, absorbed store.User, fn func(context.Context) error) error {
	if _, err := s.Merge(ctx, m.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.mem.UnmergeUsers(ctx, m, survivor, absorbed, fn)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// freesAbsorbed lets anybody have the ID of an absorbed user.
type freesAbsorbed struct{ *mem }

func (s *freesAbsorbed) CreateUser(ctx context.Context, u store.User) error {
	if old, err := s.ResolveUser(ctx, u.ID); err == nil && old.ID != u.ID {
		u.ID += " "
	}
	return s.mem.CreateUser(ctx, u)
}
