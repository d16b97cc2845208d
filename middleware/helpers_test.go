package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

var okHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	return serve(h, httptest.NewRequest("GET", target, nil))
}

var errDown = errors.New("connection refused to 10.9.8.7")

// brokenStore is a memstore whose methods can be made to fail or to hang.
type brokenStore struct {
	*memstore.Store
	counters, tokens, clients bool
	frozen                    bool // waits for the context instead of failing at once
	adds                      int
}

func (s *brokenStore) fail(ctx context.Context) error {
	if s.frozen {
		<-ctx.Done()
		return ctx.Err()
	}
	return errDown
}

func (s *brokenStore) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	s.adds++
	if s.counters {
		return store.Count{}, s.fail(ctx)
	}
	return s.Store.Add(ctx, key, n, window)
}

func (s *brokenStore) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	if s.tokens {
		return store.AccessToken{}, s.fail(ctx)
	}
	return s.Store.AccessToken(ctx, hash)
}

func (s *brokenStore) Client(ctx context.Context, id string) (store.Client, error) {
	if s.clients {
		return store.Client{}, s.fail(ctx)
	}
	return s.Store.Client(ctx, id)
}

func (s *brokenStore) SharedClient(ctx context.Context, id string) (*store.Client, error) {
	c, err := s.Client(ctx, id)
	return &c, err
}
