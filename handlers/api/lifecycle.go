package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/middleware"
)

// served is an endpoint with its life; nil when it stays in production.
type served struct {
	endpoint
	life *middleware.Endpoint
}

// exists reports whether the endpoint is known in this environment.
func (e served) exists() bool { return e.life == nil || e.life.Exists() }

// name is what [Config] Lifecycle calls the endpoint.
func (e endpoint) name() string { return e.method + " /" + e.path }

// newLives returns the lives of the endpoints that have one, or all that is wrong
// with them.
func newLives(c Config) (*middleware.Lifecycles, error) {
	known := map[string]bool{}
	for _, e := range endpoints {
		known[e.name()] = true
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Lifecycle)) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("bad Lifecycle key %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	lives, err := middleware.NewLifecycles(middleware.LifecyclesConfig{
		Endpoints: c.Lifecycle, TestEnvironment: c.TestEnvironment, OnCall: c.OnDeprecatedCall, Logger: c.Logger,
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("bad Lifecycle: %w", err))
	}
	return lives, errors.Join(errs...)
}

// life returns the life of an endpoint, or nil.
func (s *Server) life(e endpoint) *middleware.Endpoint {
	if _, ok := s.c.Lifecycle[e.name()]; !ok {
		return nil
	}
	return s.lives.Endpoint(e.name())
}

// Callers returns who called endpoints that are deprecated or gone since the last
// report.
func (s *Server) Callers() []middleware.Caller { return s.lives.Callers() }

// Run writes once a day to the log who called endpoints that are deprecated or
// gone. It returns when the context ends, with its error.
func (s *Server) Run(ctx context.Context) error { return s.lives.Run(ctx) }
