package pay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	clientID = "no.mediaconnect.test"
	origin   = "https://news.example"
	attempt  = "AAECAwQFBgcICQoLDA0ODw"
)

// fake is an order service whose answers a test decides.
type fake struct {
	mu       sync.Mutex
	verify   error
	start    func(order.ScriptStart) (order.ScriptPayment, error)
	standing func(client, id, attempt string) (order.ScriptPayment, error)
	back     func(sealed string) (string, error)
	callback func(proof string, c order.Callback) error
	calls    int
}

func (f *fake) called() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
}

func (f *fake) VerifySign(_ context.Context, c *store.Client, _ string) (order.Claims, error) {
	f.called()
	return order.Claims{ClientCode: c.ID}, f.verify
}

func (f *fake) StartScript(_ context.Context, p order.ScriptStart) (order.ScriptPayment, error) {
	f.called()
	return f.start(p)
}

func (f *fake) ScriptStanding(_ context.Context, client, id, attempt string) (order.ScriptPayment, error) {
	f.called()
	return f.standing(client, id, attempt)
}

func (f *fake) ScriptReturn(_ context.Context, sealed string) (string, error) {
	f.called()
	return f.back(sealed)
}

func (f *fake) ReadCallback(_ context.Context, proof string, c order.Callback) error {
	f.called()
	return f.callback(proof, c)
}

// site is a server with one client that pays by script.
type site struct {
	t     testing.TB
	fake  *fake
	store *memstore.Store
	log   *bytes.Buffer
	http.Handler
	scripts http.Handler
}

func newSite(t testing.TB, change ...func(*pay.Config)) *site {
	t.Helper()
	s := &site{t: t, store: memstore.New(), log: new(bytes.Buffer)}
	s.fake = &fake{
		start: func(order.ScriptStart) (order.ScriptPayment, error) {
			return order.ScriptPayment{ID: "p1", Flow: order.Redirect, RedirectURL: "https://provider.example/pay"}, nil
		},
		standing: func(string, string, string) (order.ScriptPayment, error) { return order.ScriptPayment{ID: "p1"}, nil },
		back:     func(string) (string, error) { return "", nil },
		callback: func(string, order.Callback) error { return nil },
	}
	s.client(clientID, origin+"/shop")
	c := pay.Config{
		Payments: s.fake, Clients: s.store, Counters: s.store, URL: "https://connectid.example/capi/mcpay",
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	server, err := pay.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler, s.scripts = server.API(), server.Scripts()
	return s
}

// client stores a client with the target.
func (s *site) client(id, target string, change ...func(*store.Client)) {
	s.t.Helper()
	c := store.Client{ID: id, PartnerID: "partner", Targets: []string{target}, PaymentSecrets: []string{"sealed"}, Language: "sv"}
	for _, f := range change {
		f(&c)
	}
	if err := s.store.PutClient(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
}

// do sends a request; headers are name, value, name, value.
func (s *site) do(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post calls the API as the script does.
func (s *site) post(path string, body any, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(s, http.MethodPost, "/capi/mcpay/"+path, string(b), append([]string{"Content-Type", "application/json", "Origin", origin}, headers...)...)
}

type object = map[string]any

func start() object { return object{"clientCode": clientID, "sign": "a.b.c", "attempt": attempt} }

func faultOf(t testing.TB, w *httptest.ResponseRecorder) (f struct{ ExceptionType, ErrorMessage, Error string }) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return f
}

// failing is a store of clients that is down.
type failing struct{ clients }

type clients interface{ store.Clients }

func (failing) ClientsByOrigin(context.Context, string) iter.Seq2[store.Client, error] {
	return func(yield func(store.Client, error) bool) { yield(store.Client{}, context.DeadlineExceeded) }
}

func (failing) Client(context.Context, string) (store.Client, error) {
	return store.Client{}, context.DeadlineExceeded
}
