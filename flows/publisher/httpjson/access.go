package httpjson

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// access is the [publisher.Access] of a [Client].
type access struct{ *caller }

type accessCall struct {
	PartnerID       string  `json:"partnerId"`
	ClientID        string  `json:"clientId,omitempty"`
	UserID          string  `json:"userId,omitempty"`
	CustomerNumbers []int64 `json:"customerNumbers"`
	// Domains and Tenants are what the kit knows of her: the domains of e-mail
	// addresses that she has proved to own, and the companies whose directories
	// she is registered with.
	Domains []string `json:"domains,omitempty"`
	Tenants []string `json:"tenants,omitempty"`

	Product      string `json:"product,omitempty"`
	ArticleID    string `json:"articleId,omitempty"`
	CategoryType string `json:"categoryType,omitempty"`
	IP           string `json:"ip,omitempty"`
	Domain       string `json:"domain,omitempty"`
	ByDomain     bool   `json:"accessDomain,omitempty"`
	ByDirectory  bool   `json:"accessAzureAd,omitempty"`
	WithFamily   bool   `json:"accessAidFamily,omitempty"`
	ListArticles bool   `json:"accessArticle,omitempty"`
}

// Right is a right to read.
type Right struct {
	Access      bool   `json:"access"`
	AccessLevel string `json:"accessLevel"` // A her own, B shared, C nobody's
	AccessType  string `json:"accessType"`  // A all, B between the times, D none
	StartTime   int64  `json:"startTime,omitempty"`
	EndTime     int64  `json:"endTime,omitempty"`
}

// Check implements [publisher.Access].
func (c *access) Check(ctx context.Context, q publisher.Question) (publisher.Verdict, error) {
	in := callOf(q.Reader)
	in.ClientID, in.Product, in.ArticleID, in.CategoryType = q.ClientID, q.Product, q.ArticleID, q.CategoryType
	in.Domain, in.ByDomain, in.ByDirectory, in.WithFamily, in.ListArticles = q.Domain, q.ByDomain, q.ByDirectory, q.WithFamily, q.ListArticles
	if q.Address.IsValid() {
		in.IP = q.Address.String()
	}
	var out struct {
		Access   *bool    `json:"access"`
		Accesses []Right  `json:"accesses"`
		Articles []string `json:"articles"`
	}
	err := c.call(ctx, "access/check", in, &out)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return publisher.Verdict{}, nil
	case err != nil:
		return publisher.Verdict{}, err
	case out.Access == nil:
		return publisher.Verdict{}, errors.New("httpjson: the answer does not say whether there is access")
	case len(out.Accesses) > maxPersons || len(out.Articles) > maxEntries:
		return publisher.Verdict{}, fmt.Errorf("httpjson: %d accesses, %d articles", len(out.Accesses), len(out.Articles))
	}
	v := publisher.Verdict{Allowed: *out.Access, Articles: out.Articles}
	if n := len(out.Accesses); n > 0 && *out.Access != slices.ContainsFunc(out.Accesses, func(r Right) bool { return r.Access }) {
		return publisher.Verdict{}, errors.New("httpjson: there is access, and none of the accesses has it, or the other way round")
	}
	for _, r := range out.Accesses {
		if !isType(r.AccessType) || len(r.AccessLevel) != 1 || r.AccessLevel < "A" || r.AccessLevel > "C" {
			return publisher.Verdict{}, errors.New("httpjson: an access of no known type or level")
		}
		v.Rights = append(v.Rights, publisher.Right{
			Allowed: r.Access, Level: publisher.AccessLevel(r.AccessLevel), Type: publisher.AccessType(r.AccessType), StartsAt: at(r.StartTime), EndsAt: at(r.EndTime),
		})
	}
	return v, plain(out.Articles...)
}

func callOf(r publisher.Reader) accessCall {
	return accessCall{PartnerID: r.PartnerID, UserID: r.UserID, CustomerNumbers: append([]int64{}, r.Customers...), Domains: r.Domains, Tenants: r.Tenants}
}

func isType(s string) bool {
	switch publisher.AccessType(s) {
	case publisher.AccessAll, publisher.AccessPeriod, publisher.AccessNone:
		return true
	}
	return false
}

// Products implements [publisher.Access].
func (c *access) Products(ctx context.Context, r publisher.Reader) ([]publisher.ProductAccess, error) {
	var out struct {
		Products []struct {
			ProductID  string `json:"productId"`
			AccessType string `json:"accessType"`
			StartTime  int64  `json:"startTime"`
			EndTime    int64  `json:"endTime"`
		} `json:"products"`
	}
	err := c.call(ctx, "access/products", callOf(r), &out)
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Products) > maxEntries:
		return nil, fmt.Errorf("httpjson: access to %d products", len(out.Products))
	}
	var all []publisher.ProductAccess
	for _, p := range out.Products {
		if p.ProductID == "" || !isType(p.AccessType) {
			return nil, errors.New("httpjson: access of no known type, or to no product")
		}
		if err := plain(p.ProductID); err != nil {
			return nil, err
		}
		all = append(all, publisher.ProductAccess{Product: p.ProductID, Type: publisher.AccessType(p.AccessType), StartsAt: at(p.StartTime), EndsAt: at(p.EndTime)})
	}
	return all, nil
}
