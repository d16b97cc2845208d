package storetest

import (
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var articleRules = []rule[store.Articles]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Articles) {
		for name, r := range variants[store.Article]("PartnerID", "ID") {
			c.ok(s.PutArticle(c.ctx, r), "PutArticle, "+name)
			returns(c, "Article, "+name, r)(s.Article(c.ctx, r.PartnerID, r.ID))
		}
	}},
	{"an article is replaced whole", "PutArticle inserts the article or replaces the partner's one with that ID.", func(c *recorder, s store.Articles) {
		first := fresh[store.Article]()
		for name, r := range variants[store.Article]("PartnerID", "ID") {
			r.PartnerID, r.ID = first.PartnerID, first.ID
			c.ok(s.PutArticle(c.ctx, r), "PutArticle over another, "+name)
			returns(c, "Article, "+name, r)(s.Article(c.ctx, r.PartnerID, r.ID))
		}
	}},
	{"an article without a key is refused", saysKey, func(c *recorder, s store.Articles) {
		for _, r := range []store.Article{{}, {PartnerID: "p"}, {ID: "a"}} {
			if s.PutArticle(c.ctx, r) == nil {
				c.errorf("PutArticle took %+v", r)
			}
			fails[store.Article](c, "Article", store.ErrNotFound)(s.Article(c.ctx, r.PartnerID, r.ID))
		}
	}},
	{"an unknown article is not found", "Article returns the partner's article, or ErrNotFound. IDs are compared exactly.", func(c *recorder, s store.Articles) {
		r, foreign := fresh[store.Article](), fresh[store.Article]()
		r.ID, foreign.ID = "Torsk", "Torsk"
		c.ok(s.PutArticle(c.ctx, r), "PutArticle")
		c.ok(s.PutArticle(c.ctx, foreign), "PutArticle of another partner")
		for _, id := range []string{"", "torsk", "Torsk ", "%", "T_rsk"} {
			fails[store.Article](c, fmt.Sprintf("Article(%q)", id), store.ErrNotFound)(s.Article(c.ctx, r.PartnerID, id))
		}
		returns(c, "Article", r)(s.Article(c.ctx, r.PartnerID, r.ID))
		for range 2 {
			c.ok(s.DeleteArticle(c.ctx, r.PartnerID, r.ID), "DeleteArticle removes the article; no error when there is none")
		}
		fails[store.Article](c, "Article that was deleted", store.ErrNotFound)(s.Article(c.ctx, r.PartnerID, r.ID))
		returns(c, "Article of another partner", foreign)(s.Article(c.ctx, foreign.PartnerID, foreign.ID))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Articles) {
		r := fresh[store.Article]()
		want := r
		want.Products = slices.Clone(r.Products)
		c.ok(s.PutArticle(c.ctx, r), "PutArticle")
		spoil(r.Products)
		got, err := s.Article(c.ctx, want.PartnerID, want.ID)
		returns(c, "Article after what was given was changed", want)(got, err)
		spoil(got.Products)
		returns(c, "Article after what was returned was changed", want)(s.Article(c.ctx, want.PartnerID, want.ID))
	}},
	endedContexts[store.Articles](),
	hammered[store.Articles](),
}
