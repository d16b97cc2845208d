package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

// ErrLinked says that the user is registered with the directory already, or
// that the person there is somebody else's.
var ErrLinked = errors.New("account: already linked")

// HasDirectory reports whether the user is registered with the directory.
func (s *Service) HasDirectory(ctx context.Context, directory, userID string) (bool, error) {
	_, err := s.store.DirectoryLink(ctx, directory, userID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read directory link: %w", err)
	}
	return true, nil
}

// LinkDirectory ties a user to the person whom she has proven to be, by one
// insert. The same link, to the millisecond of CreatedAt, may be given again: a
// caller who does not know what came of it asks once more. [ErrLinked] and
// [ErrUserGone] say that nothing was tied.
func (s *Service) LinkDirectory(ctx context.Context, client store.Client, l store.DirectoryLink) error {
	err := s.store.PutDirectoryLink(ctx, l)
	if errors.Is(err, store.ErrConflict) {
		if err = s.sameLink(ctx, l); errors.Is(err, ErrLinked) {
			s.notify(ctx, Notice{Kind: NoticeDirectoryTaken, UserID: l.UserID, ClientID: client.ID, Directory: l.Directory})
		}
	}
	switch {
	case errors.Is(err, ErrLinked):
		return err
	case err != nil:
		return fmt.Errorf("link directory: %w", err)
	}
	// A user who was deleted meanwhile must not keep the person for ever.
	if _, err := s.User(ctx, l.UserID); err != nil {
		if errors.Is(err, ErrUserGone) {
			if err := s.store.DeleteDirectoryLink(ctx, l.Directory, l.UserID); err != nil {
				return fmt.Errorf("unlink directory: %w", err)
			}
		}
		return err
	}
	s.notify(ctx, Notice{Kind: NoticeDirectoryLinked, UserID: l.UserID, ClientID: client.ID, Directory: l.Directory})
	return nil
}

// sameLink returns ErrLinked unless the stored link is this one.
func (s *Service) sameLink(ctx context.Context, l store.DirectoryLink) error {
	old, err := s.store.DirectoryLink(ctx, l.Directory, l.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrLinked
	case err != nil:
		return err
	case old.Tenant != l.Tenant || old.ObjectID != l.ObjectID || old.CreatedAt.UnixMilli() != l.CreatedAt.UnixMilli():
		return ErrLinked
	}
	return nil
}

// directories is what the service itself keeps of users beside their accounts.
func (s *Service) directories() Part {
	return Part{
		Name: "directories",
		List: func(ctx context.Context, u store.User) (items []PartItem, err error) {
			for l, err := range s.store.DirectoryLinks(ctx, u.ID) {
				if err != nil {
					return nil, err
				}
				items = append(items, PartItem{Title: l.Directory, Data: map[string]any{
					"directory": l.Directory, "tenant": l.Tenant, "objectId": l.ObjectID, "createdAt": l.CreatedAt,
				}})
			}
			return items, nil
		},
		Remove: func(ctx context.Context, u store.User) error {
			_, err := s.store.DeleteUserDirectoryLinks(ctx, u.ID)
			return err
		},
	}
}

// UnlinkDirectory ends the user's registration with the directory.
func (s *Service) UnlinkDirectory(ctx context.Context, directory, userID string) error {
	if err := s.store.DeleteDirectoryLink(ctx, directory, userID); err != nil {
		return fmt.Errorf("unlink directory: %w", err)
	}
	s.notify(ctx, Notice{Kind: NoticeDirectoryUnlinked, UserID: userID, Directory: directory})
	return nil
}

// DirectoryRefused tells observers and the log that a sign-in at a directory
// proved nothing, and why.
func (s *Service) DirectoryRefused(ctx context.Context, client store.Client, directory, userID string, reason error) {
	s.notify(ctx, Notice{Kind: NoticeDirectoryRefused, UserID: userID, ClientID: client.ID, Directory: directory, Err: reason})
}
