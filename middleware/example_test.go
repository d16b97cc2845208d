package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store/memstore"
)

func ExampleRateLimiter() {
	proxies, err := middleware.NewAddresses([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	if err != nil {
		panic(err)
	}
	limiter, err := middleware.NewRateLimiter(middleware.RateLimitConfig{
		Counters: memstore.New(),
		Name:     "search",
		Key:      proxies.KeyOf,
		Limit:    2, // per minute
	})
	if err != nil {
		panic(err)
	}
	h := limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	// Output:
	// 200 1
	// 200 0
	// 429 0
}

func ExampleBearer() {
	s := memstore.New()
	bearer, err := middleware.NewBearer(middleware.BearerConfig{Grants: s, Clients: s})
	if err != nil {
		panic(err)
	}
	h := bearer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := middleware.TokenFrom(r.Context())
		fmt.Fprintln(w, "hello,", t.UserID)
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer guessed")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer realm="connectid", error="invalid_token", error_description="the access token is unknown, expired or revoked"
}
