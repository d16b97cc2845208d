package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

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

// The old version of an endpoint stands beside the one that takes its place, and
// says until when.
func ExampleLifecycles() {
	lives, err := middleware.NewLifecycles(middleware.LifecyclesConfig{
		Endpoints: map[string]middleware.Lifecycle{
			"GET /v1/search": {
				Deprecated: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
				Sunset:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
				Successor:  "/v2/search",
				Notice:     "https://developer.example/search",
			},
		},
	})
	if err != nil {
		panic(err)
	}
	search := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("GET /v1/search", lives.Endpoint("GET /v1/search").Handler(search))
	mux.Handle("GET /v2/search", search)
	// go lives.Run(ctx) writes once a day who still calls v1.

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/v1/search", nil))
	fmt.Println(w.Code, w.Header().Get("Deprecation"))
	fmt.Println(w.Header().Get("Sunset"))
	for _, link := range w.Header()["Link"] {
		fmt.Println(link)
	}
	// Output:
	// 200 @1767225600
	// Thu, 01 Jan 2099 00:00:00 GMT
	// <https://developer.example/search>; rel="deprecation"
	// <https://developer.example/search>; rel="sunset"
	// </v2/search>; rel="successor-version"
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

// A host's own API that takes tokens bound to a key, beside bearer tokens. With the
// kit's keys and store its nonces and proofs are those of the kit.
func ExampleDPoP() {
	s := memstore.New()
	keys := [][]byte{[]byte("the kit's own 32 bytes or longer")}
	dpop, err := middleware.NewDPoP(middleware.DPoPConfig{Tickets: s, Keys: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	bearer, err := middleware.NewBearer(middleware.BearerConfig{
		Grants: s, Clients: s, DPoP: dpop, URL: "https://news.example",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	articles := bearer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := middleware.TokenFrom(r.Context())
		fmt.Fprintln(w, "for", token.UserID)
	}))
	w := httptest.NewRecorder()
	articles.ServeHTTP(w, httptest.NewRequest("GET", "/articles", nil))
	fmt.Println(w.Code)
	for _, challenge := range w.Header().Values("WWW-Authenticate") {
		fmt.Println(challenge)
	}
	// Output:
	// 401
	// Bearer realm="connectid"
	// DPoP algs="ES256 RS256 PS256 EdDSA"
}
