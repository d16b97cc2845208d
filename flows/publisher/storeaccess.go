package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// StoreAccess decides for partners that have no rules of their own: by what their
// customers subscribe to, and by the articles, accesses and organisations in the
// kit's store.
//
// A free article is everybody's. Any other is opened by a right to one of its
// products, or to itself; an article that the store does not know by a right to
// itself, or to the product that is asked for along with it.
type StoreAccess struct {
	store     Store
	customers func(partnerID string) Customers
}

var _ Access = (*StoreAccess)(nil)

// NewStoreAccess returns the rules on the store. customers returns the customer
// system of a partner, which knows the subscriptions.
func NewStoreAccess(s Store, customers func(partnerID string) Customers) *StoreAccess {
	return &StoreAccess{s, customers}
}

// claim is something that may open what is asked for.
type claim struct {
	level      AccessLevel
	products   []string
	article    string
	start, end time.Time // a zero end is none
	stopped    bool
}

// right says what the claim is worth now.
func (c claim) right(now time.Time) Right {
	r := Right{Level: c.level, Type: AccessAll}
	switch {
	case c.stopped:
		r.Level, r.Type = LevelNone, AccessNone
	case !c.end.IsZero() || now.Before(c.start):
		r.Type, r.StartsAt, r.EndsAt = AccessPeriod, c.start, c.end
		r.Allowed = within(c.start, c.end, now)
	default:
		r.Allowed = true
	}
	return r
}

// Check implements [Access].
func (s *StoreAccess) Check(ctx context.Context, q Question) (Verdict, error) {
	if q.Reader.PartnerID == "" { // whose articles and readers would it be?
		return Verdict{}, nil
	}
	var article *store.Article
	if q.ArticleID != "" {
		a, err := s.store.Article(ctx, q.Reader.PartnerID, q.ArticleID)
		switch {
		case err == nil:
			article = &a
		case !errors.Is(err, store.ErrNotFound):
			return Verdict{}, fmt.Errorf("look up article: %w", err)
		}
	}
	if article != nil && article.Free {
		return Verdict{Allowed: true, Rights: []Right{{Allowed: true, Level: LevelOwn, Type: AccessAll}}}, nil
	}
	var claims []claim
	var err error
	if q.throughOrganisation() {
		claims, err = s.organisations(ctx, q)
	} else {
		claims, err = s.own(ctx, q.Reader, q.WithFamily)
	}
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{}
	now := time.Now()
	for _, c := range claims {
		r := c.right(now)
		if q.ListArticles && q.ArticleID == "" && c.article != "" && r.Allowed && !slices.Contains(v.Articles, c.article) {
			v.Articles = append(v.Articles, c.article)
		}
		matches, err := s.matches(ctx, c, q, article)
		if err != nil {
			return Verdict{}, err
		}
		if matches {
			v.Allowed = v.Allowed || r.Allowed
			v.Rights = append(v.Rights, r)
		}
	}
	slices.Sort(v.Articles)
	return v, nil
}

// matches reports whether the claim is to all that is asked for. Of a claim to
// several products, as an organisation has, one has to have all of it.
func (s *StoreAccess) matches(ctx context.Context, c claim, q Question, article *store.Article) (bool, error) {
	products := c.products
	switch {
	case c.article != "": // to that article alone, of whatever product it is asked for with
		if q.ArticleID == "" {
			return q.ListArticles && q.Product == "" && q.CategoryType == "", nil
		}
		if q.ArticleID != c.article || q.Product != "" && len(products) > 0 && !slices.Contains(products, q.Product) {
			return false, nil
		}
		if article != nil {
			products = slices.Concat(products, article.Products)
		}
	case q.Product != "":
		if !slices.Contains(products, q.Product) {
			return false, nil
		}
		products = []string{q.Product}
	}
	if c.article == "" && q.ArticleID != "" {
		if products = opening(products, article, q.Product != ""); len(products) == 0 {
			return false, nil
		}
	}
	if q.CategoryType == "" {
		return true, nil
	}
	for _, code := range products {
		p, err := s.store.Product(ctx, q.Reader.PartnerID, code)
		switch {
		case err == nil && slices.Contains(p.CategoryTypes, q.CategoryType):
			return true, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return false, fmt.Errorf("look up product: %w", err)
		}
	}
	return false, nil
}

// opening returns those of the products that open the article, which is nil if the
// store does not know it.
func opening(products []string, article *store.Article, productAsked bool) []string {
	switch {
	case article == nil && !productAsked:
		return nil
	case article == nil || len(article.Products) == 0:
		return products
	}
	var all []string
	for _, p := range products {
		if slices.Contains(article.Products, p) {
			all = append(all, p)
		}
	}
	return all
}

// own returns what the reader has herself, and, with the family, what is shared
// with her.
func (s *StoreAccess) own(ctx context.Context, r Reader, family bool) ([]claim, error) {
	var claims []claim
	for _, number := range r.Customers {
		subs, err := s.customers(r.PartnerID).Subscriptions(ctx, r.PartnerID, number)
		if err != nil {
			return nil, fmt.Errorf("look up subscriptions: %w", err)
		}
		for _, sub := range subs {
			claims = append(claims, claim{level: LevelOwn, products: []string{sub.Product}, start: sub.StartsAt, end: sub.EndsAt, stopped: sub.Stopped})
		}
	}
	accesses, err := s.accesses(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, a := range accesses {
		c := claim{level: LevelOwn, article: a.ArticleID, start: a.StartsAt, end: a.ExpiresAt}
		if a.ExpiresAt.Equal(store.NoEnd) {
			c.end = time.Time{}
		}
		if a.Product != "" {
			c.products = []string{a.Product}
		}
		if a.Subscription != "" {
			shared, err := s.share(ctx, &c, a)
			if err != nil {
				return nil, err
			}
			if !shared || !family {
				continue
			}
		}
		claims = append(claims, c)
	}
	return claims, nil
}

// accesses returns the reader's accesses, each once.
func (s *StoreAccess) accesses(ctx context.Context, r Reader) ([]store.Access, error) {
	var all []store.Access
	var err error
	if r.UserID != "" {
		if all, err = collect(s.store.UserAccesses(ctx, r.PartnerID, r.UserID)); err != nil {
			return nil, fmt.Errorf("list accesses: %w", err)
		}
	}
	for _, number := range r.Customers {
		hers, err := collect(s.store.CustomerAccesses(ctx, r.PartnerID, number))
		if err != nil {
			return nil, fmt.Errorf("list accesses: %w", err)
		}
		for _, a := range hers {
			if !slices.ContainsFunc(all, func(o store.Access) bool { return o.ID == a.ID }) {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// share makes the claim as good as the subscription that is shared; false when
// that is not, or not any more.
func (s *StoreAccess) share(ctx context.Context, c *claim, a store.Access) (bool, error) {
	sub, err := s.store.Subscription(ctx, a.Subscription)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up a shared subscription: %w", err)
	case sub.PartnerID != a.PartnerID || !sub.Sharable || sub.ShareType != "" && sub.ShareType != store.ShareUsers:
		return false, nil
	}
	c.level, c.stopped = LevelShared, sub.Stopped
	if len(c.products) == 0 {
		c.products = []string{sub.Product}
	} else if c.products[0] != sub.Product {
		return false, nil
	}
	if sub.StartsAt.After(c.start) {
		c.start = sub.StartsAt
	}
	if !sub.EndsAt.IsZero() && (c.end.IsZero() || sub.EndsAt.Before(c.end)) {
		c.end = sub.EndsAt
	}
	return true, nil
}

// Products implements [Access].
func (s *StoreAccess) Products(ctx context.Context, r Reader) ([]ProductAccess, error) {
	if r.PartnerID == "" {
		return nil, nil
	}
	claims, err := s.own(ctx, r, false)
	if err != nil {
		return nil, err
	}
	best := map[string]Right{}
	now := time.Now()
	for _, c := range claims {
		right := c.right(now)
		for _, p := range c.products {
			if c.article != "" {
				continue
			}
			if old, ok := best[p]; !ok || better(right, old) {
				best[p] = right
			}
		}
	}
	var all []ProductAccess
	for p, right := range best {
		all = append(all, ProductAccess{p, right.Type, right.StartsAt, right.EndsAt})
	}
	slices.SortFunc(all, func(a, b ProductAccess) int { return strings.Compare(a.Product, b.Product) })
	return all, nil
}

// better reports whether a is worth more than b: what holds now, then what lasts
// longer.
func better(a, b Right) bool {
	rank := func(r Right) int {
		switch {
		case r.Type == AccessAll:
			return 3
		case r.Allowed:
			return 2
		case r.Type == AccessPeriod:
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.EndsAt.Compare(b.EndsAt)) > 0
}
