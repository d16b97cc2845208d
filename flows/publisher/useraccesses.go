package publisher

import (
	"context"
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

// UserAccesses returns the user's live accesses at all partners.
func (s *Systems) UserAccesses(ctx context.Context, userID string) ([]store.Access, error) {
	all, err := collect(s.store.UserAccesses(ctx, "", userID))
	if err != nil {
		return nil, fmt.Errorf("list accesses: %w", err)
	}
	return all, nil
}

// RemoveAccesses removes the user's accesses at all partners.
func (s *Systems) RemoveAccesses(ctx context.Context, userID string) error {
	if _, err := s.store.DeleteUserAccesses(ctx, userID); err != nil {
		return fmt.Errorf("remove accesses: %w", err)
	}
	return nil
}

// MoveAccesses gives the accesses of a merge's absorbed user to its survivor.
// Doing it twice does no harm.
func (s *Systems) MoveAccesses(ctx context.Context, m store.Merge) error {
	if _, err := s.store.MoveAccesses(ctx, m.ID, m.Absorbed, m.Survivor); err != nil {
		return fmt.Errorf("move accesses: %w", err)
	}
	return nil
}

// ReturnAccesses undoes MoveAccesses.
func (s *Systems) ReturnAccesses(ctx context.Context, m store.Merge) error {
	if _, err := s.store.ReturnAccesses(ctx, m.ID, m.Survivor, m.Absorbed); err != nil {
		return fmt.Errorf("move accesses back: %w", err)
	}
	return nil
}
