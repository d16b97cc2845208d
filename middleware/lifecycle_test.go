package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

const day = 24 * time.Hour

func newLifecycles(t testing.TB, c middleware.LifecyclesConfig) *middleware.Lifecycles {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := middleware.NewLifecycles(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lifeOf returns the handler of an endpoint with the life.
func lifeOf(t testing.TB, life middleware.Lifecycle, test bool) http.Handler {
	l := newLifecycles(t, middleware.LifecyclesConfig{Endpoints: map[string]middleware.Lifecycle{"e": life}, TestEnvironment: test})
	return l.Endpoint("e").Handler(okHandler)
}

// One endpoint is walked through its whole life, a second before and at every
// edge, in production and in the test environment.
func TestLifecycleStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		life := middleware.Lifecycle{
			Test: begin.Add(10 * day), Production: begin.Add(20 * day), Sunset: begin.Add(400 * day),
			Successor: "/capi/v2/thing", Notice: "https://docs.example/thing#v1",
		}
		production, testing := lifeOf(t, life, false), lifeOf(t, life, true)
		const (
			absent = http.StatusNotFound
			ok     = http.StatusOK
			gone   = http.StatusGone
		)
		for _, step := range []struct {
			at                  time.Duration
			stage               middleware.Stage
			words               string
			production, testing int
		}{
			{0, middleware.StageProposed, "Proposed", absent, absent},
			{10*day - time.Second, middleware.StageProposed, "Proposed", absent, absent},
			{10 * day, middleware.StageInTest, "In Test", absent, ok},
			{20*day - time.Second, middleware.StageInTest, "In Test", absent, ok},
			{20 * day, middleware.StageInProduction, "In Production", ok, ok},
			{220*day - time.Second, middleware.StageInProduction, "In Production", ok, ok},
			{220 * day, middleware.StageDeprecated, "Deprecated", ok, ok}, // 180 days before its end
			{370*day - time.Second, middleware.StageDeprecated, "Deprecated", ok, ok},
			{370 * day, middleware.StageDeprecatedWarning, "Deprecated Warning", ok, ok},
			{390*day - time.Second, middleware.StageDeprecatedWarning, "Deprecated Warning", ok, ok},
			{390 * day, middleware.StageReadyForSunset, "Ready for sunset", ok, ok},
			{400*day - time.Nanosecond, middleware.StageReadyForSunset, "Ready for sunset", ok, ok},
			{400 * day, middleware.StageSunset, "Sunset", gone, gone},
			{4000 * day, middleware.StageSunset, "Sunset", gone, gone},
		} {
			time.Sleep(time.Until(begin.Add(step.at)))
			if got := life.Stage(time.Now()); got != step.stage || got.String() != step.words {
				t.Errorf("after %v: stage %v, want %v", step.at, got, step.words)
			}
			for _, c := range []struct {
				name string
				h    http.Handler
				want int
			}{{"production", production, step.production}, {"test", testing, step.testing}} {
				w := get(c.h, "/")
				if w.Code != c.want {
					t.Errorf("after %v, in %s: %d, want %d", step.at, c.name, w.Code, c.want)
				}
				want := http.Header{}
				if c.want != absent { // what is not here has no headers to tell it from what never was
					want["Deprecation"] = []string{fmt.Sprintf("@%d", begin.Add(220*day).Unix())}
					want["Sunset"] = []string{"Sun, 04 Feb 2001 00:00:00 GMT"} // the bubble begins with the year 2000
					want["Link"] = []string{
						`<https://docs.example/thing#v1>; rel="deprecation"`, `<https://docs.example/thing#v1>; rel="sunset"`,
						`</capi/v2/thing>; rel="successor-version"`,
					}
				}
				for _, name := range []string{"Deprecation", "Sunset", "Link"} {
					if got := w.Header()[name]; !slices.Equal(got, want[name]) {
						t.Errorf("after %v, in %s: %s is %q, want %q", step.at, c.name, name, got, want[name])
					}
				}
			}
		}
		w := get(production, "/")
		if body := w.Body.String(); !strings.Contains(body, `"exceptionType":"gone"`) || !strings.Contains(body, `"error":"gone"`) ||
			!strings.Contains(body, "was sunset on 2001-02-04; use /capi/v2/thing; see https://docs.example/thing#v1") {
			t.Errorf("410 says %s", body)
		}
	})
}

// The examples that the RFCs print.
func TestLifecycleHeaders(t *testing.T) {
	t.Parallel()
	oslo := time.FixedZone("CEST", 2*3600)
	for _, c := range []struct {
		name                string
		life                middleware.Lifecycle
		deprecation, sunset string
	}{
		// RFC 9745, sections 2.1 and 4.
		{"Friday, June 30, 2023 at 23:59:59 UTC", middleware.Lifecycle{
			Deprecated: time.Date(2023, 6, 30, 23, 59, 59, 0, time.UTC), Sunset: time.Date(2024, 6, 30, 23, 59, 59, 0, time.UTC),
		}, "@1688169599", "Sun, 30 Jun 2024 23:59:59 GMT"},
		// RFC 8594, section 3.
		{"a zone and parts of seconds", middleware.Lifecycle{
			Deprecated: time.Date(2018, 6, 1, 2, 0, 0, 999, oslo), Sunset: time.Date(2019, 1, 1, 1, 59, 59, 999_999_999, oslo),
		}, "@1527811200", "Mon, 31 Dec 2018 23:59:59 GMT"},
		{"before the epoch", middleware.Lifecycle{Deprecated: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)}, "@-1", "Mon, 29 Jun 1970 23:59:59 GMT"},
		{"stays", middleware.Lifecycle{}, "", ""},
		{"stays, and has a successor", middleware.Lifecycle{Successor: "/v2"}, "", ""},
	} {
		w := get(lifeOf(t, c.life, false), "/")
		if got := w.Header().Get("Deprecation"); got != c.deprecation {
			t.Errorf("%s: Deprecation is %q, want %q", c.name, got, c.deprecation)
		}
		if got := w.Header().Get("Sunset"); got != c.sunset {
			t.Errorf("%s: Sunset is %q, want %q", c.name, got, c.sunset)
		}
	}
	h := http.Header{"Link": {"</>; rel=index"}}
	l := newLifecycles(t, middleware.LifecyclesConfig{Endpoints: map[string]middleware.Lifecycle{"e": {Successor: "/v2"}}})
	for range 2 { // what one answer adds is not the next one's
		if err := l.Endpoint("e").Check(h, httptest.NewRequest("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"</>; rel=index", `</v2>; rel="successor-version"`}; !slices.Equal(h["Link"], want) {
			t.Errorf("Link is %q, want %q", h["Link"], want)
		}
		h = http.Header{"Link": {"</>; rel=index"}}
	}
}

// Each date alone means what its comment says.
func TestLifecycleDefaults(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	past, future := now.Add(-day), now.Add(day)
	for _, c := range []struct {
		name string
		life middleware.Lifecycle
		want middleware.Stage
	}{
		{"nothing", middleware.Lifecycle{}, middleware.StageInProduction},
		{"test to come", middleware.Lifecycle{Test: future}, middleware.StageProposed},
		{"test, production not known", middleware.Lifecycle{Test: past}, middleware.StageInTest},
		{"production to come", middleware.Lifecycle{Production: future}, middleware.StageInTest},
		{"production", middleware.Lifecycle{Production: past}, middleware.StageInProduction},
		{"deprecated to come", middleware.Lifecycle{Deprecated: future}, middleware.StageInProduction},
		{"deprecated", middleware.Lifecycle{Deprecated: past}, middleware.StageDeprecated},
		{"deprecated 150 days ago", middleware.Lifecycle{Deprecated: now.Add(-150 * day)}, middleware.StageDeprecatedWarning},
		{"deprecated 170 days ago", middleware.Lifecycle{Deprecated: now.Add(-170 * day)}, middleware.StageReadyForSunset},
		{"deprecated 180 days ago", middleware.Lifecycle{Deprecated: now.Add(-180 * day)}, middleware.StageSunset},
		{"sunset in 180 days", middleware.Lifecycle{Sunset: now.Add(180 * day)}, middleware.StageDeprecated},
		{"sunset in 181 days", middleware.Lifecycle{Sunset: now.Add(181 * day)}, middleware.StageInProduction},
		{"a longer notice", middleware.Lifecycle{Deprecated: past, Sunset: now.Add(1000 * day)}, middleware.StageDeprecated},
		{"a shorter notice", middleware.Lifecycle{Deprecated: past, Sunset: now.Add(5 * day)}, middleware.StageReadyForSunset},
		{"a shorter notice to come", middleware.Lifecycle{Deprecated: future, Sunset: now.Add(5 * day)}, middleware.StageInProduction},
	} {
		if got := c.life.Stage(now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNewLifecyclesFaults(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life middleware.Lifecycle
		want string
	}{
		{middleware.Lifecycle{Test: at, Production: at.Add(-day)}, "bad Production"},
		{middleware.Lifecycle{Production: at, Deprecated: at.Add(-day)}, "bad Deprecated"},
		{middleware.Lifecycle{Production: at, Sunset: at.Add(day)}, "bad Deprecated"}, // 180 days before its Sunset
		{middleware.Lifecycle{Deprecated: at, Sunset: at.Add(-time.Second)}, "bad Sunset"},
		{middleware.Lifecycle{Test: at, Sunset: at.Add(day)}, "missing Production"},
		{middleware.Lifecycle{Successor: "v2"}, "bad Successor"},
		{middleware.Lifecycle{Successor: "//evil.example"}, "bad Successor"},
		{middleware.Lifecycle{Successor: "ftp://docs.example/"}, "bad Successor"},
		{middleware.Lifecycle{Successor: "https://me@docs.example/"}, "bad Successor"},
		{middleware.Lifecycle{Successor: "https:///x"}, "bad Successor"},
		{middleware.Lifecycle{Notice: `https://docs.example/>; rel="next", <`}, "bad Notice"},
		{middleware.Lifecycle{Notice: "https://docs.example/\r\nSet-Cookie: a=b"}, "bad Notice"},
		{middleware.Lifecycle{Notice: "https://docs.example/å"}, "bad Notice"},
		{middleware.Lifecycle{Notice: "/%zz"}, "bad Notice"},
	} {
		_, err := middleware.NewLifecycles(middleware.LifecyclesConfig{Endpoints: map[string]middleware.Lifecycle{"GET /v1/a": c.life, "good": {}}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `endpoint "GET /v1/a"`) {
			t.Errorf("%+v: %v, want %s", c.life, err, c.want)
		}
	}
	_, err := middleware.NewLifecycles(middleware.LifecyclesConfig{ReportEvery: -1, MaxCallers: -1})
	for _, want := range []string{"ReportEvery", "MaxCallers"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Endpoint of an unknown name did not panic")
		}
	}()
	newLifecycles(t, middleware.LifecyclesConfig{Endpoints: map[string]middleware.Lifecycle{}}).Endpoint("typo")
}

// lines is a log that one goroutine writes and another reads.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was written since the last time.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// Who calls what goes away is told to the observer at once and to the log once a
// day; who calls what stays is not.
func TestLifecycleReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		var told []middleware.DeprecatedCall
		sunset := time.Now().Add(20 * day)
		l := newLifecycles(t, middleware.LifecyclesConfig{
			Endpoints: map[string]middleware.Lifecycle{"GET /v1/old": {Sunset: sunset, Successor: "/v2/old"}, "GET /v2/old": {}, "GET /v1/later": {Sunset: sunset.Add(300 * day)}},
			OnCall:    func(_ context.Context, c middleware.DeprecatedCall) { told = append(told, c) },
			Logger:    slog.New(slog.NewTextHandler(&log, nil)),
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		as := func(endpoint, client string) {
			r := httptest.NewRequest("GET", "/", nil)
			if client != "" {
				r = r.WithContext(middleware.WithToken(r.Context(), middleware.Token{AccessToken: store.AccessToken{ClientID: client}}))
			}
			serve(l.Endpoint(endpoint).Handler(okHandler), r)
		}
		for range 3 {
			as("GET /v1/old", "site")
		}
		as("GET /v1/old", "")
		as("GET /v2/old", "site")
		as("GET /v1/later", "site")
		if want := (middleware.DeprecatedCall{Endpoint: "GET /v1/old", Stage: middleware.StageDeprecatedWarning, Sunset: sunset.UTC(), Successor: "/v2/old", Client: "site"}); len(told) != 4 || told[0] != want {
			t.Errorf("the observer was told %+v, want 4 calls, the first %+v", told, want)
		}
		callers := l.Callers()
		if len(callers) != 2 || callers[0].Client != "site" || callers[0].Calls != 3 || callers[1].Client != "" || callers[1].Calls != 1 || !callers[0].Last.Equal(time.Now()) {
			t.Errorf("Callers = %+v", callers)
		}
		if got := log.take(); got != "" {
			t.Errorf("logged at once: %s", got)
		}
		time.Sleep(day)
		synctest.Wait()
		if got := log.take(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `level=WARN msg="an endpoint that goes away is still called" endpoint="GET /v1/old" stage="Deprecated Warning" sunset=2000-01-21T00:00:00.000Z client=site others=false calls=3`) {
			t.Errorf("the report says:\n%s", got)
		}
		time.Sleep(day)
		synctest.Wait()
		if got := log.take(); got != "" || len(l.Callers()) != 0 {
			t.Errorf("a day without calls: %s", got)
		}
		time.Sleep(18 * day)
		as("GET /v1/old", "site") // it is gone, and called all the same
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		if got := log.take(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "stage=Sunset") {
			t.Errorf("the last report says:\n%s", got)
		}
	})
}

// Strangers can be callers, as many as they like: a report keeps its size.
func TestLifecycleReportIsBounded(t *testing.T) {
	t.Parallel()
	l := newLifecycles(t, middleware.LifecyclesConfig{
		Endpoints:  map[string]middleware.Lifecycle{"a": {Deprecated: time.Now()}, "b": {Deprecated: time.Now()}},
		Client:     func(r *http.Request) string { return r.URL.Query().Get("client") },
		MaxCallers: 10,
	})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 10 {
				for _, name := range []string{"a", "b"} {
					get(l.Endpoint(name).Handler(okHandler), fmt.Sprintf("/?client=%d-%d%s", i, j, strings.Repeat("x", 1000)))
				}
			}
		})
	}
	wg.Wait()
	callers, calls, others := l.Callers(), 0, 0
	for _, c := range callers {
		calls += c.Calls
		if c.Others {
			others++
		}
		if len(c.Client) > 210 {
			t.Errorf("a name of %d bytes is kept", len(c.Client))
		}
	}
	if len(callers) > 12 || others < 1 || calls != 64*10*2 {
		t.Errorf("%d callers, of which %d stand for others, with %d calls; want at most 12, with 1280", len(callers), others, calls)
	}
}

func TestLifecycleRefuse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLifecycles(t, middleware.LifecyclesConfig{
		Endpoints: map[string]middleware.Lifecycle{"gone": {Sunset: now, Successor: "/v2"}, "to come": {Test: now.Add(day)}},
		Refuse: func(w http.ResponseWriter, r *http.Request, status int, err error) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "mine: %v", err)
		},
	})
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") })
	if w := get(l.Endpoint("gone").Handler(never), "/"); w.Code != 410 || !strings.HasPrefix(w.Body.String(), "mine: this endpoint was sunset on ") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(l.Endpoint("to come").Handler(never), "/"); w.Code != 404 || w.Body.String() != "mine: "+middleware.ErrAbsent.Error() {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
