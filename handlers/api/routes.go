package api

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/middleware"
)

// endpoint is one method of one path. What it returns is turned into an answer
// by handle.
type endpoint struct {
	method string
	path   string // below the prefix, as http.ServeMux writes patterns
	// allow says whose token opens it.
	allow func(middleware.Token) error
	serve func(s *Server, w http.ResponseWriter, r *http.Request, t middleware.Token) error
	// operation describes it to developers.
	operation operation
}

// endpoints lists the API: what a user's token opens stands under v1/, what a
// client's own opens under v1/client/.
var endpoints = []endpoint{
	{http.MethodGet, "v1/customer/profile", middleware.RequireUserToken, (*Server).profile, getProfile},
	{http.MethodGet, "v1/customer/info", middleware.RequireUserToken, (*Server).info, getCustomerInfo},
	{http.MethodPost, "v1/customer/info", middleware.RequireUserToken, (*Server).changeInfo, replaceCustomerInfo},
	{http.MethodPost, "v1/customer/access", middleware.RequireUserToken, (*Server).userAccess, checkAccess},
	{http.MethodGet, "v1/customer/product", middleware.RequireUserToken, (*Server).customerProducts, listCustomerProducts},
	{http.MethodGet, "v1/subscription", middleware.RequireUserToken, (*Server).subscriptions, listSubscriptions},

	{http.MethodPost, "v1/order", middleware.RequireUserToken, (*Server).placeUserOrder, placeUserOrder},
	{http.MethodGet, "v1/order/status", middleware.RequireUserToken, (*Server).orderStatuses, listOrderStatuses},
	{http.MethodPost, "v1/order/status", middleware.RequireUserToken, (*Server).findOrder, findOrder},
	{http.MethodGet, "v1/customer/order/product/history", middleware.RequireUserToken, (*Server).orderHistory, listOrderHistory},

	{http.MethodGet, "v1/client/customer/info/{customerNumber}", middleware.RequireClientToken, (*Server).clientInfo, getCustomerInfoByNumber},
	{http.MethodPost, "v1/client/access", middleware.RequireClientToken, (*Server).clientAccess, checkClientAccess},
	{http.MethodGet, "v1/client/subscription/{customerNumber}", middleware.RequireClientToken, (*Server).clientSubscriptions, listCustomerSubscriptions},
	{http.MethodGet, "v1/client/product", middleware.RequireClientToken, (*Server).products, listProducts},
	{http.MethodPost, "v1/client/product", middleware.RequireClientToken, (*Server).changedProducts, listChangedProducts},
	{http.MethodGet, "v1/client/product/subscription", middleware.RequireClientToken, (*Server).subscriptionProducts, listSubscriptionProducts},
	{http.MethodGet, "v1/client/coupon/{productCode}", middleware.RequireClientToken, (*Server).coupons, listCoupons},
	{http.MethodPost, "v1/client/coupon/price", middleware.RequireClientToken, (*Server).couponPrice, priceCoupon},
	{http.MethodGet, "v1/client/voucher/coupons/{voucherCode}", middleware.RequireClientToken, (*Server).voucherCoupons, listVoucherCoupons},
	{http.MethodPost, "v1/client/order", middleware.RequireClientToken, (*Server).placeClientOrder, placeClientOrder},
	{http.MethodGet, "v1/client/order/status/{orderId}", middleware.RequireClientToken, (*Server).clientOrderStatus, getOrderStatus},
	{http.MethodPost, "v1/client/order/fulfillment", middleware.RequireClientToken, (*Server).fulfill, fulfillOrder},
	{http.MethodPost, "v1/client/order/{orderId}/user", middleware.RequireClientToken, (*Server).assignOrder, assignOrder},
	{http.MethodPost, "v1/client/extid", middleware.RequireClientToken, (*Server).openExternal, openExternal},
	{http.MethodPost, "v1/client/extid/customer", middleware.RequireClientToken, (*Server).openExternalCustomer, openExternalCustomer},
}

// routes returns the handler of all endpoints, which answers 404 and 405 in the
// API's own form.
func (s *Server) routes() http.Handler {
	methods := map[string]map[string]served{} // by path and method
	for _, e := range endpoints {
		if methods[e.path] == nil {
			methods[e.path] = map[string]served{}
		}
		methods[e.path][e.method] = served{e, s.life(e)}
	}
	mux := http.NewServeMux()
	mux.Handle(s.c.Prefix+"openapi.json", s.handle(s.openAPI))
	mux.Handle(s.c.Prefix+"docs", s.handle(s.docs))
	for p, byMethod := range methods {
		pattern, last := split(p)
		serve := s.dispatch(byMethod)
		mux.Handle(s.c.Prefix+pattern, s.handle(func(w http.ResponseWriter, r *http.Request) error {
			if last != "" && r.PathValue("last") != last {
				return notFound()
			}
			return serve(w, r)
		}))
	}
	mux.Handle("/", s.handle(func(http.ResponseWriter, *http.Request) error { return notFound() }))
	return plainPath(mux)
}

// split returns what http.ServeMux is told of a path. One that ends in a name after a
// parameter is told to end in anything, and its last name is returned: to
// http.ServeMux, order/{orderId}/user and order/status/{orderId} contradict each
// other, as order/status/user is both.
func split(p string) (pattern, last string) {
	if before, name := path.Split(p); strings.HasSuffix(before, "}/") {
		return before + "{last}", name
	}
	return p, ""
}

// dispatch chooses by method. HEAD is GET without its body. What its life keeps
// from this environment is not there for anybody, whatever his token.
func (s *Server) dispatch(byMethod map[string]served) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		m := r.Method
		if m == http.MethodHead {
			m = http.MethodGet
		}
		e, ok := byMethod[m]
		if !ok || !e.exists() {
			return notAllowed(w, byMethod)
		}
		if e.life != nil {
			if err := e.life.Check(w.Header(), r); err != nil {
				return err
			}
		}
		t, ok := middleware.TokenFrom(r.Context())
		if !ok {
			if err, ok := r.Context().Value(tokenErrKey{}).(error); ok {
				return err
			}
			return internal(errors.New("a call was served without its token being checked"))
		}
		if err := e.allow(t); err != nil {
			return err
		}
		return e.serve(s, w, r, t)
	}
}

// notAllowed is the answer to a method that a path does not have, which names
// those that it has.
func notAllowed(w http.ResponseWriter, byMethod map[string]served) error {
	allowed := []string{}
	for m, e := range byMethod {
		if !e.exists() {
			continue
		}
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) == 0 {
		return notFound()
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	w.Header().Set("Allow", allow)
	return &Error{Status: http.StatusMethodNotAllowed, Type: "MethodNotAllowed", Message: "this address answers " + allow}
}

// plainPath serves doubled slashes as one: callers do write them, and
// http.ServeMux would answer with a redirect, as it would for "." and "..",
// which are not found here.
func plainPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		if isClean(escaped) && r.Method != http.MethodConnect {
			next.ServeHTTP(w, r)
			return
		}
		// Joined in the escaped form: %2F is no slash between segments.
		var b strings.Builder
		for i := range len(escaped) {
			if escaped[i] != '/' || i == 0 || escaped[i-1] != '/' {
				b.WriteByte(escaped[i])
			}
		}
		escaped = b.String()
		decoded, err := url.PathUnescape(escaped)
		if err != nil || !isClean(escaped) {
			escaped, decoded = "/", "/" // where nothing is found
		}
		r2 := *r
		r2.URL = new(*r.URL)
		r2.URL.Path, r2.URL.RawPath = decoded, escaped
		next.ServeHTTP(w, &r2)
	})
}

// isClean reports whether http.ServeMux would serve the path as it is.
func isClean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	clean := path.Clean(p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean == p
}
