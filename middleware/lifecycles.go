package middleware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// LifecyclesConfig configures [Lifecycles].
type LifecyclesConfig struct {
	// Endpoints are the lives of endpoints, by name, such as "GET /v1/search".
	Endpoints map[string]Lifecycle
	// TestEnvironment says that this is where endpoints are found that are in
	// test.
	TestEnvironment bool
	// Client names who calls, for reports; default: the client of the token that
	// [Bearer] has put into the context, and "" for calls without one.
	Client func(*http.Request) string
	// OnCall is told of each call of an endpoint that is deprecated or gone; default:
	// nobody. It must not block.
	OnCall func(context.Context, DeprecatedCall)
	// ReportEvery is how often Run writes who called; default 24 hours.
	ReportEvery time.Duration
	// MaxCallers is how many callers of endpoints a report tells apart; default
	// 500. The further callers of an endpoint are counted together.
	MaxCallers int
	// Refuse answers a call of an endpoint that is not in this environment (404,
	// [ErrAbsent]) or gone (410, [*GoneError]). The headers are set already.
	// Default: the API's error body as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)
	Logger *slog.Logger // default slog.Default()
}

func (c LifecyclesConfig) withDefaults() (LifecyclesConfig, error) {
	var errs []error
	c.ReportEvery = cmp.Or(c.ReportEvery, day)
	if c.ReportEvery < 0 {
		errs = append(errs, fmt.Errorf("bad ReportEvery %v", c.ReportEvery))
	}
	c.MaxCallers = cmp.Or(c.MaxCallers, 500)
	if c.MaxCallers < 0 {
		errs = append(errs, fmt.Errorf("bad MaxCallers %d: want at least 1", c.MaxCallers))
	}
	if c.Client == nil {
		c.Client = clientOfToken
	}
	if c.Refuse == nil {
		c.Refuse = refuseStage
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(errs...)
}

func clientOfToken(r *http.Request) string {
	t, _ := TokenFrom(r.Context())
	return t.ClientID
}

// Lifecycles leads endpoints through the stages of their lives, and knows who
// still calls those that go away.
type Lifecycles struct {
	c         LifecyclesConfig
	endpoints map[string]*Endpoint

	mu      sync.Mutex
	callers map[callerKey]*Caller // since the last report
}

type callerKey struct {
	endpoint, client string
	others           bool
}

// NewLifecycles returns the Lifecycles, or all that is wrong with c.
func NewLifecycles(c LifecyclesConfig) (*Lifecycles, error) {
	c, err := c.withDefaults()
	errs := []error{err}
	l := &Lifecycles{c: c, endpoints: map[string]*Endpoint{}, callers: map[callerKey]*Caller{}}
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		life, err := c.Endpoints[name].withDefaults()
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoint %q: %w", name, err))
		}
		l.endpoints[name] = &Endpoint{all: l, name: name, life: life, header: life.header()}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("lifecycles: %w", err)
	}
	return l, nil
}

// Endpoint returns the endpoint of a name that the configuration has. It panics
// at another, a mistake in the source.
func (l *Lifecycles) Endpoint(name string) *Endpoint {
	e := l.endpoints[name]
	if e == nil {
		panic("middleware: lifecycles: no endpoint " + name)
	}
	return e
}

// Endpoint is one endpoint with its life.
type Endpoint struct {
	all    *Lifecycles
	name   string
	life   Lifecycle
	header http.Header
}

// Lifecycle returns the endpoint's dates, with the defaults filled in.
func (e *Endpoint) Lifecycle() Lifecycle { return e.life }

// Stage returns the stage that the endpoint is in.
func (e *Endpoint) Stage() Stage { return e.life.stage(time.Now()) }

// Exists reports whether the endpoint is known in this environment, be it that it
// is gone.
func (e *Endpoint) Exists() bool { return e.exists(e.Stage()) }

func (e *Endpoint) exists(s Stage) bool {
	return s >= StageInProduction || s == StageInTest && e.all.c.TestEnvironment
}

// ErrAbsent says that an endpoint is not in this environment: proposed, or in test
// where this is not the test environment.
var ErrAbsent = errors.New("the endpoint is not in this environment")

// GoneError says that an endpoint was sunset.
type GoneError struct {
	Sunset    time.Time
	Successor string // what took its place; "" when nothing did
	Notice    string // where more is said; "" when nowhere
}

func (e *GoneError) Error() string {
	s := "this endpoint was sunset on " + e.Sunset.Format(time.DateOnly)
	if e.Successor != "" {
		s += "; use " + e.Successor
	}
	if e.Notice != "" {
		s += "; see " + e.Notice
	}
	return s
}

// DeprecatedCall is a call of an endpoint that is deprecated or gone.
type DeprecatedCall struct {
	Endpoint  string // its name
	Stage     Stage
	Sunset    time.Time
	Successor string // "" when there is none
	Client    string // who called; "" when nobody knows
}

// Check judges a call of the endpoint, and writes to h what is known of its end:
// Deprecation, Sunset and Link. The error is [ErrAbsent] or a [*GoneError] when
// the endpoint can not be called. Calls of what is deprecated or gone are
// reported.
func (e *Endpoint) Check(h http.Header, r *http.Request) error {
	stage := e.Stage()
	if !e.exists(stage) {
		return ErrAbsent
	}
	for name, values := range e.header {
		if name == "Link" {
			values = append(h[name], values...) // the host may have set others
		}
		h[name] = values[:len(values):len(values)]
	}
	if stage >= StageDeprecated {
		e.all.note(r.Context(), DeprecatedCall{e.name, stage, e.life.Sunset, e.life.Successor, e.all.c.Client(r)})
	}
	if stage == StageSunset {
		return &GoneError{e.life.Sunset, e.life.Successor, e.life.Notice}
	}
	return nil
}

// Handler checks each request before next.
func (e *Endpoint) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch err := e.Check(w.Header(), r); {
		case err == nil:
			next.ServeHTTP(w, r)
		case errors.Is(err, ErrAbsent):
			e.all.c.Refuse(w, r, http.StatusNotFound, err)
		default:
			e.all.c.Refuse(w, r, http.StatusGone, err)
		}
	})
}

func refuseStage(w http.ResponseWriter, r *http.Request, status int, err error) {
	if status == http.StatusGone {
		writeError(w, r, status, "gone", err.Error()) // the configuration's words, no caller's
		return
	}
	writeError(w, r, status, "not_found", "there is nothing at this address")
}

// Caller is who calls an endpoint that is deprecated or gone.
type Caller struct {
	DeprecatedCall // the last one
	// Others says that this stands for all callers of the endpoint that found no
	// room in the report; Client is then "".
	Others bool
	Calls  int
	Last   time.Time
}

// note counts a call, and tells the observer.
func (l *Lifecycles) note(ctx context.Context, call DeprecatedCall) {
	call.Client = shorten(call.Client, 200)
	l.count(call, time.Now())
	if l.c.OnCall != nil {
		l.c.OnCall(ctx, call)
	}
}

func (l *Lifecycles) count(call DeprecatedCall, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := callerKey{endpoint: call.Endpoint, client: call.Client}
	if l.callers[k] == nil && len(l.callers) >= l.c.MaxCallers {
		k.client, k.others, call.Client = "", true, ""
	}
	c := l.callers[k]
	if c == nil {
		c = &Caller{Others: k.others}
		l.callers[k] = c
	}
	c.DeprecatedCall, c.Last = call, now
	c.Calls++
}

// Callers returns who called what is deprecated or gone since the last report:
// what goes first first, and who called most before the others. At most
// MaxCallers, and one more for each endpoint.
func (l *Lifecycles) Callers() []Caller {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sorted()
}

func (l *Lifecycles) sorted() []Caller {
	all := make([]Caller, 0, len(l.callers))
	for _, c := range l.callers {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Caller) int {
		return cmp.Or(a.Sunset.Compare(b.Sunset), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Client, b.Client))
	})
	return all
}

// Report writes a line for each caller to the log, and begins a new count.
func (l *Lifecycles) Report(ctx context.Context) {
	l.mu.Lock()
	all := l.sorted()
	l.callers = map[callerKey]*Caller{}
	l.mu.Unlock()
	for _, c := range all {
		l.c.Logger.LogAttrs(ctx, slog.LevelWarn, "an endpoint that goes away is still called",
			slog.String("endpoint", c.Endpoint), slog.String("stage", c.Stage.String()), slog.Time("sunset", c.Sunset),
			slog.String("client", c.Client), slog.Bool("others", c.Others), slog.Int("calls", c.Calls), slog.Time("last", c.Last))
	}
}

// Run reports every ReportEvery, and a last time when the context ends, whose
// error it returns.
func (l *Lifecycles) Run(ctx context.Context) error {
	tick := time.NewTicker(l.c.ReportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Report(context.WithoutCancel(ctx))
			return ctx.Err()
		case <-tick.C:
			l.Report(ctx)
		}
	}
}
