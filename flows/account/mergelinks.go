package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/connectid-kit/connectid/store"
)

// mergeLinks is the [MergePart] of the links with company directories: they come
// along, and go back when the merge is undone.
type mergeLinks struct{ s *Service }

// PlanMerge refuses two accounts that are registered with one directory: they
// are two people there.
func (p mergeLinks) PlanMerge(ctx context.Context, survivor, absorbed store.User) ([]Line, error) {
	own, err := p.s.links(ctx, survivor.ID)
	if err != nil {
		return nil, err
	}
	others, err := p.s.links(ctx, absorbed.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range others {
		for _, o := range own {
			if o.Directory == l.Directory {
				return nil, ErrMergeRefused
			}
		}
	}
	if len(others) == 0 {
		return nil, nil
	}
	return []Line{{Text: "merge.line.directories", Numbers: []int{len(others)}}}, nil
}

func (p mergeLinks) Merge(ctx context.Context, m store.Merge) error {
	return p.s.moveLinks(ctx, m.Links, m.Absorbed, m.Survivor)
}

func (p mergeLinks) Unmerge(ctx context.Context, m store.Merge) error {
	return p.s.moveLinks(ctx, m.Links, m.Survivor, m.Absorbed)
}

// links returns the user's links with company directories.
func (s *Service) links(ctx context.Context, userID string) ([]store.DirectoryLink, error) {
	var all []store.DirectoryLink
	for l, err := range s.store.DirectoryLinks(ctx, userID) {
		if err != nil {
			return nil, fmt.Errorf("list directory links: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

// moveLinks gives the links to another user. One that has been removed since
// stays removed, one that has moved already is left alone: doing it twice, or
// after a part of it, does no harm.
func (s *Service) moveLinks(ctx context.Context, links []store.DirectoryLink, from, to string) error {
	for _, l := range links {
		switch owner, err := s.store.DirectoryUser(ctx, l.Tenant, l.ObjectID); {
		case errors.Is(err, store.ErrNotFound), err == nil && owner != from:
			continue
		case err != nil:
			return fmt.Errorf("read directory link: %w", err)
		}
		if err := s.store.DeleteDirectoryLink(ctx, l.Directory, from); err != nil {
			return fmt.Errorf("move directory link: %w", err)
		}
		l.UserID = to
		if err := s.store.PutDirectoryLink(ctx, l); err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("move directory link: %w", err)
		}
	}
	return nil
}
