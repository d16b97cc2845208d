package bench

import (
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

const (
	loginURL  = "https://id.example/user"
	returnURL = "https://paper.example/back?article=7"
	errorURL  = "https://paper.example/sorry"
	clientID  = "no.example.paper"
	email     = "kari@example.com"
	password  = "fjord-og-fjell-7"
)

// world is a kit with one client and one user.
type world struct {
	kit    *connectid.Kit
	store  store.Store
	outbox *message.Outbox
}

// onStores runs the benchmark on each bundled store.
func onStores(b *testing.B, f func(b *testing.B, w world)) {
	b.Run("memory", func(b *testing.B) { f(b, newWorld(b, memstore.New())) })
	b.Run("sqlite", func(b *testing.B) {
		s, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
		f(b, newWorld(b, s))
	})
}

func newWorld(b testing.TB, s store.Store) world {
	out, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		b.Fatal(err)
	}
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i * 3)
	}
	kit, err := connectid.New(connectid.Config{
		Store: s, Keys: [][]byte{key}, LoginURL: loginURL, Sender: out,
		Logger:    slog.New(slog.DiscardHandler),
		Passwords: account.Passwords{Memory: 64, Passes: 1},
	})
	if err != nil {
		b.Fatal(err)
	}
	err = s.PutClient(b.Context(), store.Client{
		ID: clientID, Name: "The Paper", Homepage: "https://paper.example/", CustomerCareEmail: "help@paper.example",
		Targets: []string{"https://paper.example"}, RedirectURIs: []string{redirect}, Language: "nb", Public: true,
		GrantTypes: []string{"authorization_code", "refresh_token"}, CallsPerMinute: 1 << 30, CallsPerSecond: 1 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	return world{kit, s, out}
}

// sink is a response that keeps only what a benchmark asks of it.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(status int) {
	s.status = status
}
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

// serve sends the request b.N times and checks the last answer.
func serve(b *testing.B, h http.Handler, r *http.Request, status int, location string) {
	b.Helper()
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.status, w.bytes = 0, 0
		h.ServeHTTP(w, r)
	}
	if w.status != status || w.header.Get("Location") != location {
		b.Fatalf("answered %d to %q; want %d to %q", w.status, w.header.Get("Location"), status, location)
	}
}

func get(page string) *http.Request {
	q := url.Values{"clientId": {clientID}, "returnUrl": {returnURL}, "errorUrl": {errorURL}}
	r := httptest.NewRequest(http.MethodGet, loginURL+"/"+page+"?"+q.Encode(), nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
	return r
}

// reader walks through the pages as a browser would.
type reader struct {
	b       testing.TB
	kit     http.Handler
	cookies map[string]*http.Cookie
	form    url.Values // of the page that is open
	at      string     // where she is
}

// signUp makes the user's account through the pages and returns her cookies.
func (w world) signUp(b testing.TB) map[string]*http.Cookie {
	b.Helper()
	r := &reader{b: b, kit: w.kit, cookies: map[string]*http.Cookie{}, at: get("createUser").URL.String()}
	r.send(http.MethodGet, nil)
	r.post("event", "sendVerificationCodeEvent", "credential", email)
	list := w.outbox.List()
	r.post("event", "verificationEvent", "code", list[len(list)-1].Code)
	r.post("event", "setPasswordEvent", "newPassword", password, "acceptTerms", "true")
	if r.at != returnURL {
		b.Fatalf("the sign-up ended at %s", r.at)
	}
	return r.cookies
}

func (r *reader) post(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		r.form.Set(pairs[i], pairs[i+1])
	}
	r.at = loginURL + "/createUser"
	r.send(http.MethodPost, r.form)
}

// send sends a request and follows redirects within the kit.
func (r *reader) send(method string, form url.Values) {
	for strings.HasPrefix(r.at, loginURL) {
		q := httptest.NewRequest(method, r.at, strings.NewReader(form.Encode()))
		if form != nil {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			q.Header.Set("Origin", "https://id.example")
		}
		for _, c := range r.cookies {
			q.AddCookie(c)
		}
		w := httptest.NewRecorder()
		r.kit.ServeHTTP(w, q)
		for _, c := range w.Result().Cookies() {
			r.cookies[c.Name] = c
		}
		location := w.Header().Get("Location")
		if location == "" {
			r.form = url.Values{}
			for _, name := range []string{"ticket", "csrf_token"} {
				r.form.Set(name, between(w.Body.String(), `name="`+name+`" value="`))
			}
			return
		}
		u, err := q.URL.Parse(location)
		if err != nil {
			r.b.Fatal(err)
		}
		r.at, method, form = u.String(), http.MethodGet, nil
	}
}

// between returns the attribute value that follows start.
func between(s, start string) string {
	_, rest, _ := strings.Cut(s, start)
	v, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(v)
}

// BenchmarkRedirect is the floor of loginCheck: a handler that only redirects.
func BenchmarkRedirect(b *testing.B) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, returnURL, http.StatusFound)
	})
	serve(b, h, get("loginCheck"), http.StatusFound, returnURL)
}

// BenchmarkLoginCheck is loginCheck with a live session.
func BenchmarkLoginCheck(b *testing.B) {
	onStores(b, func(b *testing.B, w world) {
		r := get("loginCheck")
		r.AddCookie(w.signUp(b)["__Host-connectid-session"])
		serve(b, w.kit, r, http.StatusFound, returnURL)
	})
}

// BenchmarkLoginCheckAnonymous is loginCheck for a stranger.
func BenchmarkLoginCheckAnonymous(b *testing.B) {
	onStores(b, func(b *testing.B, w world) {
		serve(b, w.kit, get("loginCheck"), http.StatusFound, errorURL)
	})
}

// BenchmarkLoginPage is a stranger's GET of the login page.
func BenchmarkLoginPage(b *testing.B) {
	onStores(b, func(b *testing.B, w world) {
		serve(b, w.kit, get("login"), http.StatusOK, "")
	})
}
