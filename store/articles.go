package store

import (
	"context"
	"time"
)

// Article says who may read an article of a publisher.
type Article struct {
	PartnerID string
	ID        string // the publisher's own; unique at the partner
	Free      bool   // for everybody
	// Products are those that open it; none: any product of the partner does.
	Products  []string
	UpdatedAt time.Time
}

// Articles keeps the rules of articles.
type Articles interface {
	// PutArticle inserts the article or replaces the partner's one with that ID.
	PutArticle(ctx context.Context, a Article) error
	// Article returns the partner's article, or ErrNotFound. IDs are compared exactly.
	Article(ctx context.Context, partnerID, id string) (Article, error)
	// DeleteArticle removes the article; no error when there is none.
	DeleteArticle(ctx context.Context, partnerID, id string) error
}
