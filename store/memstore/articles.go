package memstore

import (
	"context"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

type articles struct{ shelf[coded, store.Article] }

func (t *articles) init() {
	t.shelf.init()
	t.clone = func(a store.Article) store.Article {
		a.Products = slices.Clone(a.Products)
		utc(&a.UpdatedAt)
		return a
	}
}

// PutArticle implements [store.Articles].
func (s *Store) PutArticle(ctx context.Context, a store.Article) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.PartnerID == "" || a.ID == "" {
		return errNoKey
	}
	s.articles.put(coded{a.PartnerID, a.ID}, a)
	return nil
}

// Article implements [store.Articles].
func (s *Store) Article(ctx context.Context, partnerID, id string) (store.Article, error) {
	if err := ctx.Err(); err != nil {
		return store.Article{}, err
	}
	return s.articles.get(coded{partnerID, id})
}

// DeleteArticle implements [store.Articles].
func (s *Store) DeleteArticle(ctx context.Context, partnerID, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.articles.remove(coded{partnerID, id})
	return nil
}
