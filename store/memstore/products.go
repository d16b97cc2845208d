package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// coded is what has a code or an ID of its own at a partner.
type coded struct{ partner, code string }

type products struct{ shelf[coded, store.Product] }

func (t *products) init() {
	t.shelf.init()
	t.groupOf = func(p *store.Product) []string { return []string{group(p.PartnerID)} }
	t.compare = func(a, b store.Product) int { return strings.Compare(a.Code, b.Code) }
	t.clone = func(p store.Product) store.Product {
		p.CategoryTypes, p.Distribution = slices.Clone(p.CategoryTypes), slices.Clone(p.Distribution)
		utc(&p.StartsAt, &p.EndsAt, &p.UpdatedAt)
		return p
	}
}

// PutProduct implements [store.Products].
func (s *Store) PutProduct(ctx context.Context, p store.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.PartnerID == "" || p.Code == "" {
		return errNoKey
	}
	s.products.put(coded{p.PartnerID, p.Code}, p)
	return nil
}

// Product implements [store.Products].
func (s *Store) Product(ctx context.Context, partnerID, code string) (store.Product, error) {
	if err := ctx.Err(); err != nil {
		return store.Product{}, err
	}
	return s.products.get(coded{partnerID, code})
}

// Products implements [store.Products].
func (s *Store) Products(ctx context.Context, partnerID string) iter.Seq2[store.Product, error] {
	return list(ctx, func() []store.Product { return s.products.in(group(partnerID)) })
}

// DeleteProduct implements [store.Products].
func (s *Store) DeleteProduct(ctx context.Context, partnerID, code string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.products.remove(coded{partnerID, code})
	return nil
}
