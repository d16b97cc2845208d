package connectid

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// folderClients are the clients of the theme folders before those of the store.
type folderClients struct {
	stored store.Clients
	own    map[string]*store.Client
}

func withFolders(s store.Clients, records []store.Client) (store.Clients, error) {
	if len(records) == 0 {
		return s, nil
	}
	f := folderClients{s, make(map[string]*store.Client, len(records))}
	var errs []error
	for _, c := range records {
		if err := target.Check(&c); err != nil {
			errs = append(errs, fmt.Errorf("bad Clients: %s/client.json: %w", c.ID, err))
		}
		f.own[c.ID] = &c
	}
	return f, errors.Join(errs...)
}

func (f folderClients) Client(ctx context.Context, id string) (store.Client, error) {
	if c, ok := f.own[id]; ok {
		return *c, ctx.Err()
	}
	return f.stored.Client(ctx, id)
}

func (f folderClients) SharedClient(ctx context.Context, id string) (*store.Client, error) {
	if c, ok := f.own[id]; ok {
		return c, ctx.Err()
	}
	return store.SharedClient(ctx, f.stored, id)
}

// PutClient refuses a record that nobody would read.
func (f folderClients) PutClient(ctx context.Context, c store.Client) error {
	if err := f.hides(c.ID); err != nil {
		return err
	}
	return f.stored.PutClient(ctx, c)
}

// DeleteClient refuses a client that would be there as before.
func (f folderClients) DeleteClient(ctx context.Context, id string) error {
	if err := f.hides(id); err != nil {
		return err
	}
	return f.stored.DeleteClient(ctx, id)
}

// hides returns an error when the client is a folder's: a change of the stored
// record, such as its being disabled, would be reported as done and change nothing.
func (f folderClients) hides(id string) error {
	if _, own := f.own[id]; own {
		return fmt.Errorf("client %s is configured by its folder: change its client.json", id)
	}
	return nil
}

func (f folderClients) ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[store.Client, error] {
	return f.merge(f.stored.ClientsByOrigin(ctx, origin), func(c store.Client) bool {
		return slices.ContainsFunc(c.Targets, func(t string) bool { return store.TargetOrigin(t) == origin })
	})
}

func (f folderClients) Clients(ctx context.Context) iter.Seq2[store.Client, error] {
	return f.merge(f.stored.Clients(ctx), func(store.Client) bool { return true })
}

// merge lists the stored clients that no folder stands before, and then the
// folders' that match, all in the order of their IDs.
func (f folderClients) merge(stored iter.Seq2[store.Client, error], match func(store.Client) bool) iter.Seq2[store.Client, error] {
	return func(yield func(store.Client, error) bool) {
		var all []store.Client
		for c, err := range stored {
			if err != nil {
				yield(store.Client{}, err)
				return
			}
			if _, hidden := f.own[c.ID]; !hidden {
				all = append(all, c)
			}
		}
		for _, c := range f.own {
			if match(*c) {
				all = append(all, *c)
			}
		}
		slices.SortFunc(all, func(a, b store.Client) int { return strings.Compare(a.ID, b.ID) })
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}
