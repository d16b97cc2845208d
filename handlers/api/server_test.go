package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const (
	userID      = "0123456789abcdef0123456789abcdef"
	userToken   = "user-token"
	clientToken = "client-token"
	bareToken   = "bare-token" // of a user without a customer, a name or a verified credential
	busyToken   = "busy-token" // of a client with limits of its own
)

func fill(t testing.TB, s store.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	end := now.Add(24 * time.Hour)
	token := func(raw, grant, client, user string) store.AccessToken {
		return store.AccessToken{Hash: store.DigestOf(raw), GrantID: grant, ClientID: client, UserID: user, CreatedAt: now, ExpiresAt: end}
	}
	ties := []store.Tie{
		{Kind: store.MembershipTie, PartnerID: "partner", Number: "12"}, {Kind: store.CustomerTie, PartnerID: "another", Number: "13"},
		{Kind: store.CustomerTie, PartnerID: "partner", Number: "4711"},
	}
	for _, err := range []error{
		s.PutClient(ctx, store.Client{ID: "site", PartnerID: "partner"}),
		s.PutClient(ctx, store.Client{ID: "busy", CallsPerMinute: 7, CallsPerSecond: 3}),
		s.CreateUser(ctx, store.User{ID: userID, Number: 42, Ties: ties, FirstName: "Åse", LastName: "<Nordmann>", CreatedAt: now, Credentials: []store.Credential{
			{Kind: store.Email, Identity: "new@example.com", Spelling: "new@example.com", AddedAt: now},
			{Kind: store.Phone, Identity: "+4791234567", Spelling: "912 34 567", VerifiedAt: now, AddedAt: now},
			{Kind: store.Email, Identity: "ase@example.com", Spelling: "Ase@Example.com", VerifiedAt: now, AddedAt: now},
		}}),
		s.CreateUser(ctx, store.User{ID: "bare", Number: 43, CreatedAt: now, Credentials: []store.Credential{{Kind: store.Email, Identity: "x@example.com", AddedAt: now}}}),
		s.CreateGrant(ctx, store.Grant{ID: "g", ClientID: "site", UserID: userID, CreatedAt: now, ExpiresAt: end}, token(userToken, "g", "site", userID)),
		s.CreateGrant(ctx, store.Grant{ID: "g2", ClientID: "site", UserID: "bare", CreatedAt: now, ExpiresAt: end}, token(bareToken, "g2", "site", "bare")),
		s.CreateGrant(ctx, store.Grant{ID: "g3", ClientID: "busy", UserID: "bare", CreatedAt: now, ExpiresAt: end}, token(busyToken, "g3", "busy", "bare")),
		s.PutAccessToken(ctx, token(clientToken, "", "site", "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func newHandler(t testing.TB, s store.Store, change ...func(*api.Config)) http.Handler {
	t.Helper()
	c := api.Config{Clients: s, Users: s, Grants: s, Counters: s, Publishers: systems(t, s, nil), Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	srv, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return srv.Handler()
}

func filled(t testing.TB, change ...func(*api.Config)) http.Handler {
	t.Helper()
	s := memstore.New()
	fill(t, s)
	return newHandler(t, s, change...)
}

// call makes one request; headers are pairs of name and value.
func call(h http.Handler, method, path, token string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const profile = "/capi/v1/customer/profile"

func TestProfileJSON(t *testing.T) {
	t.Parallel()
	w := call(filled(t), "GET", profile, userToken)
	want := `{"userId":42,"uniqueId":"` + userID + `","customerNumber":4711,` +
		`"credential":{"credential":"+4791234567","credentialType":"B"},` +
		`"loginCredential":{"credential":"+4791234567","credentialType":"phone","verificationLevel":1},` +
		`"userCredentials":[{"credential":"new@example.com","credentialType":"email","verificationLevel":0},` +
		`{"credential":"+4791234567","credentialType":"phone","verificationLevel":1},` +
		`{"credential":"Ase@Example.com","credentialType":"email","verificationLevel":1}],` +
		`"name":{"firstName":"Åse","lastName":"\u003cNordmann\u003e"},` +
		`"phoneNumbers":[{"phoneNumber":"+4791234567","phoneNumberType":"mobile"}],` +
		`"emails":["Ase@Example.com"],"externalSources":[]}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("got %d %s\nwant %s", w.Code, w.Body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Vary": "Accept", "X-Mediaconnect-Api-Version": api.Version, "X-RateLimit-Remaining": "1999", "X-RateLimit-Reset": "60",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	w = call(filled(t), "GET", profile, bareToken)
	want = `{"userId":43,"uniqueId":"bare","credential":{"credential":"x@example.com","credentialType":"A"},` +
		`"loginCredential":{"credential":"x@example.com","credentialType":"email","verificationLevel":0},` +
		`"userCredentials":[{"credential":"x@example.com","credentialType":"email","verificationLevel":0}],` +
		`"name":{},"phoneNumbers":[],"emails":[],"externalSources":[]}`
	if w.Body.String() != want {
		t.Errorf("little is known: got %s\nwant %s", w.Body, want)
	}
}

func TestProfileXML(t *testing.T) {
	t.Parallel()
	w := call(filled(t), "GET", profile, userToken, "Accept", "application/xml")
	want := xml.Header + `<profile><userId>42</userId><uniqueId>` + userID + `</uniqueId><customerNumber>4711</customerNumber>` +
		`<credential><credential>+4791234567</credential><credentialType>B</credentialType></credential>` +
		`<loginCredential><credential>+4791234567</credential><credentialType>phone</credentialType><verificationLevel>1</verificationLevel></loginCredential>` +
		`<userCredentials><userCredential><credential>new@example.com</credential><credentialType>email</credentialType><verificationLevel>0</verificationLevel></userCredential>` +
		`<userCredential><credential>+4791234567</credential><credentialType>phone</credentialType><verificationLevel>1</verificationLevel></userCredential>` +
		`<userCredential><credential>Ase@Example.com</credential><credentialType>email</credentialType><verificationLevel>1</verificationLevel></userCredential></userCredentials>` +
		`<name><firstName>Åse</firstName><lastName>&lt;Nordmann&gt;</lastName></name>` +
		`<phoneNumbers><phoneNumber><phoneNumber>+4791234567</phoneNumber><phoneNumberType>mobile</phoneNumberType></phoneNumber></phoneNumbers>` +
		`<emails><email>Ase@Example.com</email></emails><externalSources></externalSources></profile>`
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/xml; charset=utf-8" {
		t.Errorf("got %d %v %s\nwant %s", w.Code, w.Header(), w.Body, want)
	}
}

func TestContentNegotiation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		legacy bool
		accept string
		want   string
	}{
		{false, "", "json"}, {false, "*/*", "json"}, {false, "application/xml", "xml"},
		{true, "", "xml"}, {true, "*/*", "xml"}, {true, "application/json", "json"},
	} {
		h := filled(t, func(cfg *api.Config) { cfg.LegacyXML = c.legacy })
		var headers []string
		if c.accept != "" {
			headers = []string{"Accept", c.accept}
		}
		if got := call(h, "GET", profile, userToken, headers...).Header().Get("Content-Type"); got != "application/"+c.want+"; charset=utf-8" {
			t.Errorf("LegacyXML %t, Accept %q: got %s", c.legacy, c.accept, got)
		}
	}
}

// checkError holds what every error promises.
func checkError(t *testing.T, w *httptest.ResponseRecorder, status int) map[string]string {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("body %q: %v", w.Body, err)
	}
	h := w.Header()
	if w.Code != status || body["exceptionType"] == "" || body["errorMessage"] == "" ||
		h.Get("X-Mediaconnect-Api-Version") == "" || h.Get("X-RateLimit-Remaining") == "" || h.Get("X-RateLimit-Reset") == "" ||
		h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s; want %d", w.Code, h, w.Body, status)
	}
	if (status == 401 || status == 403) && (body["error"] == "" || body["error_description"] == "" || h.Get("WWW-Authenticate") == "") {
		t.Errorf("%d without what RFC 6750 asks for: %v %s", status, h, w.Body)
	}
	return body
}

func TestErrors(t *testing.T) {
	t.Parallel()
	h := filled(t)
	for _, c := range []struct {
		name, method, path, token string
		status                    int
		error                     string
	}{
		{"no token", "GET", profile, "", 401, "invalid_token"},
		{"unknown token", "GET", profile, "nobody", 401, "invalid_token"},
		{"token in the query", "GET", profile + "?access_token=" + userToken, "", 401, "invalid_token"},
		{"a client's token", "GET", profile, clientToken, 403, "insufficient_scope"},
		{"nothing there", "GET", "/capi/v1/nothing", userToken, 404, ""},
		{"nothing there, no token", "GET", "/capi/v1/nothing", "", 404, ""},
		{"below an endpoint", "GET", profile + "/", userToken, 404, ""},
		{"another version", "GET", "/capi/v3/customer/profile", userToken, 404, ""},
		{"outside", "GET", "/v1/customer/profile", userToken, 404, ""},
		{"dot segments", "GET", "/capi/v1/x/../customer/profile", userToken, 404, ""},
		{"escaped slashes", "GET", "/capi/v1/customer%2Fprofile", userToken, 404, ""},
		{"escaped slash beside one", "GET", "/capi/v1//customer/%2Fprofile", userToken, 404, ""},
		{"method", "POST", profile, userToken, 405, ""},
		{"method, no token", "DELETE", profile, "", 405, ""},
		{"OPTIONS", "OPTIONS", profile, "", 405, ""},
		{"query too long", "GET", profile + "?" + strings.Repeat("a", 21<<10), userToken, 414, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := call(h, c.method, c.path, c.token)
			body := checkError(t, w, c.status)
			if body["error"] != c.error {
				t.Errorf("error %q, want %q", body["error"], c.error)
			}
			if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (c.status == 405) {
				t.Errorf("Allow %q", allow)
			}
		})
	}
	w := call(h, "GET", profile, userToken, "Authorization", "Bearer "+userToken)
	if body := checkError(t, w, 400); body["error"] != "invalid_request" {
		t.Errorf("two Authorization headers: %v", body)
	}
	checkError(t, call(h, "GET", profile, userToken, "Cookie", strings.Repeat("a", 17<<10)), 431)
	r := httptest.NewRequest("POST", profile, strings.NewReader(strings.Repeat("a", 257<<10)))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	checkError(t, w, 413)
}

// A fault of a DPoP proof has all that errors have.
func TestProofErrors(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	bound := store.AccessToken{Hash: store.DigestOf("bound"), ClientID: "site", DPoPKey: store.DigestOf("a key"), ExpiresAt: time.Now().Add(time.Hour)}
	if err := s.PutAccessToken(t.Context(), bound); err != nil {
		t.Fatal(err)
	}
	d, err := middleware.NewDPoP(middleware.DPoPConfig{Tickets: s, Keys: [][]byte{bytes.Repeat([]byte{1, 2, 3, 4}, 8)}})
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, s, func(c *api.Config) { c.DPoP, c.URL = d, "https://connectid.example/capi" })
	w := call(h, "GET", "/capi/v1/client/product", "", "Authorization", "DPoP bound")
	if e := checkError(t, w, 401); e["error"] != "invalid_dpop_proof" || e["exceptionType"] != "InvalidDPoPProof" {
		t.Errorf("without a proof: %v", e)
	}
}

// Callers do write doubled slashes; a redirect would lose their token.
func TestDoubledSlashes(t *testing.T) {
	t.Parallel()
	h := filled(t)
	for i, p := range []string{"/capi//v1/customer/profile", "/capi/v1///customer//profile", "//capi/v1/customer/profile"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.RequestURI = p, p
		r.Header.Set("Authorization", "Bearer "+userToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Location") != "" {
			t.Errorf("%s: got %d %v", p, w.Code, w.Header())
		}
		if got, want := w.Header().Get("X-RateLimit-Remaining"), fmt.Sprint(1999-i); got != want {
			t.Errorf("%s: counted elsewhere: %s remaining, want %s", p, got, want)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	h := filled(t)
	body := call(h, "GET", profile, userToken).Body.Len()
	w := call(h, "HEAD", profile, userToken)
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(body) {
		t.Errorf("got %d %v %q", w.Code, w.Header(), w.Body)
	}
	if w := call(h, "HEAD", profile, ""); w.Code != 401 || w.Body.Len() != 0 {
		t.Errorf("without a token: got %d %q", w.Code, w.Body)
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	h := filled(t, func(c *api.Config) { c.Prefix, c.Version = "/", "7.1" })
	if w := call(h, "GET", "/v1/customer/profile", userToken); w.Code != 200 || w.Header().Get("X-Mediaconnect-Api-Version") != "7.1" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	h = http.StripPrefix("/host", filled(t))
	if w := call(h, "GET", "/host"+profile, userToken); w.Code != 200 {
		t.Errorf("behind StripPrefix: got %d", w.Code)
	}
}

func TestGoneUser(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fill(t, s)
	h := newHandler(t, s)
	u, err := s.User(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	u.Blocked = true
	if err := s.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	blocked := call(h, "GET", profile, userToken)
	checkError(t, blocked, 401)
	if err := s.DeleteUser(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	gone := call(h, "GET", profile, userToken)
	if body := checkError(t, gone, 401); body["error"] != "invalid_token" || gone.Body.String() != blocked.Body.String() {
		t.Errorf("gone: %s; blocked: %s", gone.Body, blocked.Body)
	}
}

func TestClientLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := filled(t)
		pass := func(token string, n int) (ok int) {
			for range n {
				if w := call(h, "GET", profile, token); w.Code == 200 {
					ok++
				} else {
					checkError(t, w, 429)
					if w.Header().Get("Retry-After") == "" {
						t.Error("no Retry-After")
					}
				}
			}
			return ok
		}
		if got := pass(userToken, 101); got != 100 {
			t.Errorf("in one second: %d calls passed, want 100", got)
		}
		if w := call(h, "GET", profile, bareToken); w.Code != 429 {
			t.Errorf("another user of the same client: %d, want 429", w.Code)
		}
		if got := pass(busyToken, 10); got != 3 {
			t.Errorf("limit of its own in one second: %d, want 3", got)
		}
		for range 25 { // within the window of the first call
			time.Sleep(time.Second)
			pass(userToken, 100)
			pass(busyToken, 1)
		}
		time.Sleep(time.Second)
		w := call(h, "GET", profile, userToken)
		checkError(t, w, 429)
		if got := w.Header().Get("X-RateLimit-Reset"); got != "34" || w.Header().Get("Retry-After") != "34" || w.Header().Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("over the window: %v", w.Header())
		}
		checkError(t, call(h, "GET", profile, busyToken), 429)
		time.Sleep(34 * time.Second)
		for _, token := range []string{userToken, busyToken} {
			if w := call(h, "GET", profile, token); w.Code != 200 {
				t.Errorf("%s in the next window: %d", token, w.Code)
			}
		}
	})
}

func TestClientWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := filled(t)
		passed := 0
		for range 50 {
			for range 60 {
				if call(h, "GET", profile, userToken).Code == 200 {
					passed++
				}
			}
			time.Sleep(time.Second)
		}
		if passed != 2000 {
			t.Errorf("%d calls passed in one window, want 2000", passed)
		}
	})
}

func TestAnonymousLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxies, err := middleware.NewAddresses([]netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}) // httptest's peer
		if err != nil {
			t.Fatal(err)
		}
		h := filled(t, func(c *api.Config) { c.Addresses = proxies })
		from := func(addr, token string) *httptest.ResponseRecorder {
			return call(h, "GET", profile, token, "X-Forwarded-For", addr)
		}
		for i := range 300 {
			if w := from("2001:db8::"+fmt.Sprintf("%x", i+1), "wrong"); w.Code != 401 {
				t.Fatalf("call %d: %d, want 401", i, w.Code)
			}
		}
		checkError(t, from("2001:db8::ffff", ""), 429) // the same /64
		if w := call(h, "GET", "/capi/nothing", "", "X-Forwarded-For", "2001:db8::1"); w.Code != 429 {
			t.Errorf("an unknown address of ours: %d, want 429", w.Code)
		}
		if w := from("2001:db8::1", userToken); w.Code != 200 {
			t.Errorf("with a good token from there: %d, want 200", w.Code)
		}
		if w := from("2001:db8:0:1::1", ""); w.Code != 401 {
			t.Errorf("another /64: %d, want 401", w.Code)
		}
		time.Sleep(time.Minute)
		if w := from("2001:db8::1", ""); w.Code != 401 {
			t.Errorf("in the next window: %d, want 401", w.Code)
		}
	})
}

var errDown = errors.New("dial tcp 10.9.8.7: refused")

// broken is a memstore of which one role fails or hangs.
type broken struct {
	*memstore.Store
	role   string
	frozen bool
}

func (s *broken) fail(ctx context.Context, role string) error {
	switch {
	case s.role != role:
		return nil
	case s.frozen:
		<-ctx.Done()
		return ctx.Err()
	}
	return errDown
}

func (s *broken) Client(ctx context.Context, id string) (store.Client, error) {
	if err := s.fail(ctx, "clients"); err != nil {
		return store.Client{}, err
	}
	return s.Store.Client(ctx, id)
}

func (s *broken) SharedClient(ctx context.Context, id string) (*store.Client, error) {
	c, err := s.Client(ctx, id)
	return &c, err
}

func (s *broken) User(ctx context.Context, id string) (store.User, error) {
	if err := s.fail(ctx, "users"); err != nil {
		return store.User{}, err
	}
	return s.Store.User(ctx, id)
}

func (s *broken) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	if err := s.fail(ctx, "grants"); err != nil {
		return store.AccessToken{}, err
	}
	return s.Store.AccessToken(ctx, hash)
}

func (s *broken) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	if err := s.fail(ctx, "counters"); err != nil {
		return store.Count{}, err
	}
	return s.Store.Add(ctx, key, n, window)
}

func TestOutage(t *testing.T) {
	for _, role := range []string{"clients", "users", "grants", "counters"} {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s frozen=%t", role, frozen), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &broken{Store: memstore.New()}
					fill(t, s)
					var log strings.Builder
					h := newHandler(t, s, func(c *api.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
					s.role, s.frozen = role, frozen
					start := time.Now()
					w := call(h, "GET", profile, userToken)
					if took := time.Since(start); took >= 5*time.Second {
						t.Errorf("took %v", took)
					}
					checkError(t, w, 503)
					if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.9.8.7") || strings.Contains(w.Body.String(), "uniqueId") {
						t.Errorf("got %v %s", w.Header(), w.Body)
					}
					if log.Len() == 0 || strings.Contains(log.String(), userToken) {
						t.Errorf("logged %q", &log)
					}
					s.role = ""
					if w := call(h, "GET", profile, userToken); w.Code != 200 {
						t.Errorf("after the outage: %d", w.Code)
					}
				})
			})
		}
	}
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	_, err := api.New(api.Config{Prefix: "capi", Version: "a b", CallsPerMinute: -1, CallsPerSecond: -1, AnonymousPerMinute: -1, MaxBody: -1, Timeout: -1})
	for _, want := range []string{"Clients", "Users", "Grants", "Counters", "Prefix", "version", "CallsPerMinute", "CallsPerSecond", "AnonymousPerMinute", "MaxBody", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	s := memstore.New()
	for _, prefix := range []string{"/capi", "//", "/a/../", "/{x}/", "/a b/"} {
		if _, err := api.New(api.Config{Clients: s, Users: s, Grants: s, Counters: s, Publishers: systems(t, s, nil), Prefix: prefix}); err == nil {
			t.Errorf("prefix %q: no error", prefix)
		}
	}
}

func ExampleServer() {
	s := memstore.New()
	systems, err := publisher.New(publisher.Config{Store: s})
	if err != nil {
		panic(err)
	}
	server, err := api.New(api.Config{Clients: s, Users: s, Grants: s, Counters: s, Publishers: systems})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/capi/", server.Handler())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/capi/v1/customer/profile", nil))
	body, _ := io.ReadAll(w.Body)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	fmt.Println(string(body))
	// Output:
	// 401 Bearer realm="connectid"
	// {"exceptionType":"InvalidToken","errorMessage":"the header Authorization has no bearer token","error":"invalid_token","error_description":"the header Authorization has no bearer token"}
}

// BenchmarkProfile is a whole call: token, limit, user, JSON.
func BenchmarkProfile(b *testing.B) {
	h := filled(b, func(c *api.Config) { c.CallsPerMinute, c.CallsPerSecond = 1<<40, 1<<40 })
	r := httptest.NewRequest("GET", profile, nil)
	r.Header.Set("Authorization", "Bearer "+userToken)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
