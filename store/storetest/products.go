package storetest

import (
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var productRules = []rule[store.Products]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Products) {
		for name, r := range variants[store.Product]("PartnerID", "Code") {
			c.ok(s.PutProduct(c.ctx, r), "PutProduct, "+name)
			returns(c, "Product, "+name, r)(s.Product(c.ctx, r.PartnerID, r.Code))
			lists(c, "Products, "+name, s.Products(c.ctx, r.PartnerID), r)
		}
	}},
	{"a product is replaced whole", "PutProduct inserts the product or replaces the partner's one with that Code.", func(c *recorder, s store.Products) {
		first := fresh[store.Product]()
		for name, r := range variants[store.Product]("PartnerID", "Code") {
			r.PartnerID, r.Code = first.PartnerID, first.Code
			c.ok(s.PutProduct(c.ctx, r), "PutProduct over another, "+name)
			lists(c, "Products, "+name, s.Products(c.ctx, r.PartnerID), r)
		}
	}},
	{"a product without a key is refused", saysKey, func(c *recorder, s store.Products) {
		for _, r := range []store.Product{{}, {PartnerID: "p"}, {Code: "c"}} {
			if s.PutProduct(c.ctx, r) == nil {
				c.errorf("PutProduct took %+v", r)
			}
			fails[store.Product](c, "Product", store.ErrNotFound)(s.Product(c.ctx, r.PartnerID, r.Code))
		}
	}},
	{"products are their partner's", "Product returns the partner's product with the code, ended ones too, or ErrNotFound. Codes are compared exactly. Products lists the partner's products, ended ones too, ordered by Code.", func(c *recorder, s store.Products) {
		put := func(partner, code string) store.Product {
			r := fresh[store.Product]()
			r.PartnerID, r.Code, r.EndsAt = partner, code, past()
			c.ok(s.PutProduct(c.ctx, r), "PutProduct")
			return r
		}
		b, a, foreign := put("p", "B"), put("p", "A"), put("pq", "A")
		lists(c, "Products", s.Products(c.ctx, "p"), a, b)
		lists(c, "Products of another partner", s.Products(c.ctx, "pq"), foreign)
		lists(c, "Products of nobody", s.Products(c.ctx, ""))
		returns(c, "Product", a)(s.Product(c.ctx, "p", "A"))
		for _, code := range []string{"", "a", "A ", "%", "_"} {
			fails[store.Product](c, "Product("+code+")", store.ErrNotFound)(s.Product(c.ctx, "p", code))
		}
		fails[store.Product](c, "Product of another partner", store.ErrNotFound)(s.Product(c.ctx, "pq", "B"))
	}},
	{"a deleted product is gone", "DeleteProduct removes the product; no error when there is none.", func(c *recorder, s store.Products) {
		r, other := fresh[store.Product](), fresh[store.Product]()
		other.PartnerID = r.PartnerID
		c.ok(s.PutProduct(c.ctx, r), "PutProduct")
		c.ok(s.PutProduct(c.ctx, other), "PutProduct")
		for range 2 {
			c.ok(s.DeleteProduct(c.ctx, r.PartnerID, r.Code), "DeleteProduct")
		}
		fails[store.Product](c, "Product", store.ErrNotFound)(s.Product(c.ctx, r.PartnerID, r.Code))
		lists(c, "Products", s.Products(c.ctx, r.PartnerID), other)
	}},
	{"records are values", saysValues, func(c *recorder, s store.Products) {
		r := fresh[store.Product]()
		want := r
		want.CategoryTypes, want.Distribution = slices.Clone(r.CategoryTypes), slices.Clone(r.Distribution)
		c.ok(s.PutProduct(c.ctx, r), "PutProduct")
		spoil(r.CategoryTypes)
		spoil(r.Distribution)
		got, err := s.Product(c.ctx, want.PartnerID, want.Code)
		returns(c, "Product after what was given was changed", want)(got, err)
		spoil(got.CategoryTypes)
		spoil(got.Distribution)
		all, err := collect(s.Products(c.ctx, want.PartnerID))
		if c.ok(err, "Products"); len(all) == 1 {
			c.same(all[0], want, "Products after what was returned was changed")
			spoil(all[0].Distribution)
		}
		returns(c, "Product after what was listed was changed", want)(s.Product(c.ctx, want.PartnerID, want.Code))
	}},
	endedContexts[store.Products](),
	hammered[store.Products](),
}
