package api_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store/memstore"
)

const day = 24 * time.Hour

func withLife(name string, life middleware.Lifecycle) func(*api.Config) {
	return func(c *api.Config) { c.Lifecycle = map[string]middleware.Lifecycle{name: life} }
}

// At each edge of the life of one endpoint, a second before and after it: what it
// answers to whom, while the other endpoints do not change.
func TestLifecycle(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name          string
		life          func(edge time.Time) middleware.Lifecycle
		before, after int // for a user's token
		test          bool
	}{
		{"test, in production", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Test: edge} }, 404, 404, false},
		{"test, in test", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Test: edge} }, 404, 200, true},
		{"production, in production", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Production: edge} }, 404, 200, false},
		{"production, in test", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Production: edge} }, 200, 200, true},
		{"deprecated", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Deprecated: edge} }, 200, 200, false},
		{"warning", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Sunset: edge.Add(30 * day)} }, 200, 200, false},
		{"ready", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Sunset: edge.Add(10 * day)} }, 200, 200, false},
		{"sunset", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Sunset: edge} }, 200, 410, false},
		{"sunset, in test", func(edge time.Time) middleware.Lifecycle { return middleware.Lifecycle{Sunset: edge} }, 200, 410, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge := time.Now().Add(second)
				life := c.life(edge)
				life.Successor = "/capi/v2/customer/profile"
				h := filled(t, withLife("GET /v1/customer/profile", life), func(cfg *api.Config) { cfg.TestEnvironment = c.test })
				for _, want := range []int{c.before, c.after} {
					for _, method := range []string{"GET", "HEAD"} {
						w := call(h, method, profile, userToken)
						if w.Code != want {
							t.Errorf("%s: %d, want %d", method, w.Code, want)
						}
						if w.Header().Get("X-RateLimit-Remaining") == "" || w.Header().Get("X-Mediaconnect-Api-Version") == "" {
							t.Errorf("%d without the headers of every answer: %v", w.Code, w.Header())
						}
						announced := want != 404 && (!life.Deprecated.IsZero() || !life.Sunset.IsZero())
						if got := w.Header().Get("Deprecation") != "" && w.Header().Get("Sunset") != ""; got != announced {
							t.Errorf("%d: announced is %t, want %t: %v", want, got, announced, w.Header())
						}
						if got := w.Header().Get("Link") == `</capi/v2/customer/profile>; rel="successor-version"`; got != (want != 404) {
							t.Errorf("%d: Link is %q", want, w.Header().Get("Link"))
						}
					}
					w := call(h, "GET", profile, userToken)
					switch want {
					case 404: // as what never was
						never := call(h, "GET", "/capi/v1/never", userToken)
						never.Header().Set("X-RateLimit-Remaining", w.Header().Get("X-RateLimit-Remaining"))
						if w.Body.String() != never.Body.String() || fmt.Sprint(w.Header()) != fmt.Sprint(never.Header()) {
							t.Errorf("404 with %v %s, want %v %s", w.Header(), w.Body, never.Header(), never.Body)
						}
						checkError(t, call(h, "GET", profile, "wrong"), 404)
						if w := call(h, "POST", profile, userToken); w.Code != 404 || w.Header().Get("Allow") != "" {
							t.Errorf("another method: %d, Allow %q", w.Code, w.Header().Get("Allow"))
						}
					case 410:
						body := checkError(t, w, 410)
						if body["exceptionType"] != "Gone" || !strings.Contains(body["errorMessage"], edge.UTC().Format(time.DateOnly)+"; use /capi/v2/customer/profile") {
							t.Errorf("410 says %v", body)
						}
						checkError(t, call(h, "GET", profile, "wrong"), 410)
						if w := call(h, "GET", profile, userToken, "Accept", "application/xml"); w.Code != 410 {
							t.Errorf("to a caller who prefers XML: %d", w.Code)
						}
					default:
						checkError(t, call(h, "GET", profile, "wrong"), 401)
					}
					if w := call(h, "GET", subscription, userToken); w.Code != 200 || w.Header().Get("Sunset") != "" || w.Header().Get("Link") != "" {
						t.Errorf("another endpoint: %d %v", w.Code, w.Header())
					}
					time.Sleep(2 * second)
				}
			})
		})
	}
}

// Who calls what goes away is told with the client of the token, in every stage
// from Deprecated on, and Run writes it to the log.
func TestDeprecatedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []middleware.DeprecatedCall
		var log bytes.Buffer
		s := memstore.New()
		fill(t, s)
		sunset := time.Now().Add(time.Hour)
		srv, err := api.New(api.Config{
			Clients: s, Users: s, Grants: s, Counters: s, Publishers: systems(t, s, nil), Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Lifecycle:        map[string]middleware.Lifecycle{"GET /v1/customer/profile": {Sunset: sunset}},
			OnDeprecatedCall: func(_ context.Context, c middleware.DeprecatedCall) { told = append(told, c) },
		})
		if err != nil {
			t.Fatal(err)
		}
		h := srv.Handler()
		call(h, "GET", profile, userToken)
		call(h, "HEAD", profile, bareToken)
		call(h, "GET", profile, busyToken)
		call(h, "GET", profile, "wrong")
		call(h, "GET", subscription, userToken)
		call(h, "POST", profile, userToken)
		time.Sleep(time.Hour)
		call(h, "GET", profile, userToken)
		var got []string
		for _, c := range told {
			got = append(got, fmt.Sprintf("%s %v %s", c.Endpoint, c.Stage, c.Client))
		}
		const name = "GET /v1/customer/profile "
		want := []string{name + "Ready for sunset site", name + "Ready for sunset site", name + "Ready for sunset busy", name + "Ready for sunset ", name + "Sunset site"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("told %q, want %q", got, want)
		}
		if callers := srv.Callers(); len(callers) != 3 || callers[0].Client != "site" || callers[0].Calls != 3 || callers[0].Stage != middleware.StageSunset {
			t.Errorf("Callers = %+v", callers)
		}
		ctx, stop := context.WithTimeout(t.Context(), 25*time.Hour)
		defer stop()
		if err := srv.Run(ctx); err == nil {
			t.Error("Run returned nil")
		}
		if n := strings.Count(log.String(), "still called"); n != 3 || !strings.Contains(log.String(), "client=busy") {
			t.Errorf("%d lines, want one for each of 3 callers:\n%s", n, &log)
		}
	})
}

// A limit is spent before an endpoint says that it is gone, so that callers who do
// not listen cost no more than others.
func TestGoneCallsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := filled(t, withLife("GET /v1/customer/profile", middleware.Lifecycle{Sunset: time.Now().Add(-day)}))
		for range 3 {
			checkError(t, call(h, "GET", profile, busyToken), http.StatusGone)
		}
		checkError(t, call(h, "GET", profile, busyToken), http.StatusTooManyRequests)
	})
}

func TestLifecycleFaults(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	now := time.Now()
	_, err := api.New(api.Config{
		Clients: s, Users: s, Grants: s, Counters: s, Publishers: systems(t, s, nil),
		Lifecycle: map[string]middleware.Lifecycle{
			"GET v1/subscription": {}, "POST /v1/customer/profile": {}, "GET /v1/customer/profile": {Deprecated: now, Sunset: now.Add(-day)},
		},
	})
	for _, want := range []string{`"GET v1/subscription"`, `"POST /v1/customer/profile"`, "GET /v1/customer/profile, ", "bad Sunset"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
