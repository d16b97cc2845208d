package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

func TestExchangeCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.grant("web", webSecret)
		if a.Seconds != 12*3600 || a.Scope != "read write" || a.Refresh == "" {
			t.Errorf("answer %s", a.Body)
		}
		// RFC 6749, section 5.1.
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
			t.Errorf("headers %v", a.Header)
		}
		tok, err := w.store.AccessToken(t.Context(), store.DigestOf(a.Access))
		if err != nil || tok.UserID != "user-1" || tok.ClientID != "web" || tok.Scope != "read write" {
			t.Errorf("token %+v, %v", tok, err)
		}
		g, err := w.store.Grant(t.Context(), strings.Split(a.Refresh, ".")[0])
		if err != nil || g.UserID != "user-1" || g.Refresh != store.DigestOf(a.Refresh) ||
			!g.RefreshExpires.Equal(time.Now().Add(30*24*time.Hour)) || !g.ExpiresAt.Equal(time.Now().Add(365*24*time.Hour)) {
			t.Errorf("grant %+v, %v", g, err)
		}

		short := w.grant("short", webSecret)
		if short.Seconds != 60 {
			t.Errorf("expires_in %d, want the client's 60", short.Seconds)
		}
		time.Sleep(time.Minute)
		if w.live(short.Access) || !w.live(a.Access) {
			t.Error("access tokens do not end when they should")
		}
		time.Sleep(time.Hour)
		w.refused(basic("short", webSecret, refreshWith(short.Refresh)), 400, oauth.InvalidGrant)
		w.ok(basic("web", webSecret, refreshWith(a.Refresh)))
	})
}

func TestExchangeCodeWithoutRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ok(basic("norefresh", webSecret, redeem(w.putCode("norefresh"))))
	if a.Refresh != "" || strings.Contains(a.Body, "refresh_token") {
		t.Errorf("answer %s, want no refresh token", a.Body)
	}
}

func TestExchangeCodeRefuses(t *testing.T) {
	t.Parallel()
	noChallenge := func(c *store.AuthorizationCode) { c.Challenge = "" }
	noURI := func(c *store.AuthorizationCode) { c.RedirectURI = "" }
	expired := func(c *store.AuthorizationCode) { c.ExpiresAt = time.Now() }
	nothing := func(*store.AuthorizationCode) {}
	for name, tt := range map[string]struct {
		code   func(*store.AuthorizationCode)
		change func(url.Values) url.Values
		want   string // "" for success
	}{
		"as it should be":           {nothing, func(v url.Values) url.Values { return v }, ""},
		"no redirect_uri needed":    {noURI, func(v url.Values) url.Values { return without(v, "redirect_uri") }, ""},
		"no challenge, no verifier": {noChallenge, func(v url.Values) url.Values { return without(v, "code_verifier") }, ""},
		"unknown parameter":         {nothing, func(v url.Values) url.Values { return with(v, "x", "y") }, ""},
		"missing code":              {nothing, func(v url.Values) url.Values { return without(v, "code") }, oauth.InvalidRequest},
		"empty code":                {nothing, func(v url.Values) url.Values { return with(v, "code", "") }, oauth.InvalidRequest},
		"unknown code":              {nothing, func(v url.Values) url.Values { return with(v, "code", "x") }, oauth.InvalidGrant},
		"oversized code":            {nothing, func(v url.Values) url.Values { return with(v, "code", strings.Repeat("x", 20000)) }, oauth.InvalidGrant},
		"expired code":              {expired, func(v url.Values) url.Values { return v }, oauth.InvalidGrant},
		"missing redirect_uri":      {nothing, func(v url.Values) url.Values { return without(v, "redirect_uri") }, oauth.InvalidGrant},
		"other redirect_uri":        {nothing, func(v url.Values) url.Values { return with(v, "redirect_uri", appURI+"?") }, oauth.InvalidGrant},
		"missing verifier":          {nothing, func(v url.Values) url.Values { return without(v, "code_verifier") }, oauth.InvalidGrant},
		"other verifier":            {nothing, func(v url.Values) url.Values { return with(v, "code_verifier", strings.Repeat("a", 43)) }, oauth.InvalidGrant},
		"the challenge itself":      {nothing, func(v url.Values) url.Values { return with(v, "code_verifier", challengeOf(verifier)) }, oauth.InvalidGrant},
		"short verifier":            {nothing, func(v url.Values) url.Values { return with(v, "code_verifier", verifier[:42]) }, oauth.InvalidRequest},
		"long verifier":             {nothing, func(v url.Values) url.Values { return with(v, "code_verifier", strings.Repeat("a", 129)) }, oauth.InvalidRequest},
		"verifier with a space":     {nothing, func(v url.Values) url.Values { return with(v, "code_verifier", verifier+" ") }, oauth.InvalidRequest},
		"verifier, no challenge":    {noChallenge, func(v url.Values) url.Values { return v }, oauth.InvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := basic("web", webSecret, tt.change(redeem(w.putCode("web", tt.code))))
			if tt.want == "" {
				w.ok(r)
			} else {
				w.refused(r, http.StatusBadRequest, tt.want)
			}
		})
	}
}

// RFC 7636, appendix B.
func TestPKCEVector(t *testing.T) {
	t.Parallel()
	if got := challengeOf(verifier); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Fatalf("challenge %q", got)
	}
	w := newWorld(t)
	w.grant("web", webSecret)
}

func TestCodeReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.putCode("web")

	// Another client neither takes the code nor revokes what it gives.
	w.refused(basic("other", otherSecret, redeem(code)), 400, oauth.InvalidGrant)
	w.refused(basic("web", "wrong", redeem(code)), 401, oauth.InvalidClient)
	a := w.ok(basic("web", webSecret, redeem(code)))
	w.refused(basic("other", otherSecret, redeem(code)), 400, oauth.InvalidGrant)
	w.refused(basic("web", "wrong", redeem(code)), 401, oauth.InvalidClient)
	if !w.live(a.Access) {
		t.Fatal("another client revoked the grant")
	}

	// RFC 6749, section 4.1.2: the second use by the same client does.
	w.refused(basic("web", webSecret, redeem(code)), 400, oauth.InvalidGrant)
	if w.live(a.Access) {
		t.Error("the access token outlives the replay")
	}
	w.refused(basic("web", webSecret, refreshWith(a.Refresh)), 400, oauth.InvalidGrant)
}

// endedMeanwhile is a store in which somebody ends the user's sessions, and then
// her grants, while a code is exchanged.
type endedMeanwhile struct {
	*memstore.Store
	before, after bool // the grant is stored
}

func (s *endedMeanwhile) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	if s.before { // it has revoked all grants that there were
		if _, err := s.EndUserSessions(ctx, g.UserID, store.Digest{}); err != nil {
			return err
		}
	}
	err := s.Store.CreateGrant(ctx, g, t)
	if err == nil && s.after {
		_, err1 := s.EndUserSessions(ctx, g.UserID, store.Digest{})
		_, err2 := s.RevokeUserGrants(ctx, g.UserID, time.Now().Add(time.Hour))
		err = errors.Join(err1, err2)
	}
	return err
}

// A code is worth no more than the session in which it was issued: after its end
// there are no tokens, whenever it comes.
func TestCodeOfEndedSession(t *testing.T) {
	t.Parallel()
	ofSession := func(handle string) func(*store.AuthorizationCode) {
		return func(c *store.AuthorizationCode) { c.Session = store.DigestOf(handle) }
	}
	for name, prepare := range map[string]func(w *world, st *endedMeanwhile) string{
		"logged out": func(w *world, st *endedMeanwhile) string {
			code := w.putCode("web")
			if err := st.EndSession(t.Context(), store.DigestOf("session")); err != nil {
				t.Error(err)
			}
			return code
		},
		"of no session":         func(w *world, _ *endedMeanwhile) string { return w.putCode("web", ofSession("")) },
		"of an unknown session": func(w *world, _ *endedMeanwhile) string { return w.putCode("web", ofSession("unknown")) },
		"of another user's": func(w *world, _ *endedMeanwhile) string {
			w.putSession("other", "user-2")
			return w.putCode("web", ofSession("other"))
		},
		"ended before the grant": func(w *world, st *endedMeanwhile) string { st.before = true; return w.putCode("web") },
		"ended after the grant":  func(w *world, st *endedMeanwhile) string { st.after = true; return w.putCode("web") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &endedMeanwhile{Store: memstore.New()}
			w := newWorldOn(t, st)
			w.refused(basic("web", webSecret, redeem(prepare(w, st))), 400, oauth.InvalidGrant)
			for g := range st.UserGrants(t.Context(), "user-1") {
				t.Errorf("grant %s is live", g.ID)
			}
		})
	}
}

// A code that was redeemed with a wrong proof is spent.
func TestCodeFailedUseSpends(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.putCode("web")
	w.refused(basic("web", webSecret, with(redeem(code), "code_verifier", strings.Repeat("a", 43))), 400, oauth.InvalidGrant)
	w.refused(basic("web", webSecret, redeem(code)), 400, oauth.InvalidGrant)
}

// Of 64 callers with one code exactly one gets tokens, and a replay revokes them.
func TestCodeRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range rounds(t) {
		code := w.putCode("web")
		replies := race(t, w.token, 64, func() *http.Request { return basic("web", webSecret, redeem(code)) })
		var won []reply
		for _, a := range replies {
			switch {
			case a.Status == 200:
				won = append(won, a)
			case a.Status != 400 || a.Error != oauth.InvalidGrant:
				t.Fatalf("answer %d %s", a.Status, a.Body)
			}
		}
		// The replay may come before the winner has stored its tokens: then not
		// even the winner has any.
		if len(won) > 1 {
			t.Fatalf("%d callers got tokens", len(won))
		}
		for _, a := range won {
			if w.live(a.Access) {
				t.Fatal("the tokens outlive the replay")
			}
			w.refused(basic("web", webSecret, refreshWith(a.Refresh)), 400, oauth.InvalidGrant)
		}
	}
}

// race sends n requests at once.
func race(t *testing.T, h http.Handler, n int, request func() *http.Request) []reply {
	t.Helper()
	replies := make([]reply, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		r := request()
		wg.Go(func() {
			<-start
			replies[i] = do(t, h, r)
		})
	}
	close(start)
	wg.Wait()
	return replies
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := form("grant_type", "client_credentials", "scope", "read a&b")
	a := w.ok(basic("web", webSecret, v))
	if a.Refresh != "" || a.Scope != "read a&b" || a.Seconds != 12*3600 {
		t.Errorf("answer %s", a.Body)
	}
	tok, err := w.store.AccessToken(t.Context(), store.DigestOf(a.Access))
	if err != nil || tok.UserID != "" || tok.GrantID != "" || tok.ClientID != "web" {
		t.Errorf("token %+v, %v", tok, err)
	}
	if a := w.ok(basic("web", webSecret, without(v, "scope"))); a.Scope != "" || strings.Contains(a.Body, "scope") {
		t.Errorf("answer %s, want no scope", a.Body)
	}
	w.refused(basic("web", webSecret, with(v, "scope", "admin")), 400, oauth.InvalidScope)
	w.refused(basic("web", webSecret, with(v, "scope", "read  write")), 400, oauth.InvalidScope)
	w.refused(basic("web", webSecret, with(v, "scope", `re"ad`)), 400, oauth.InvalidScope)
	w.refused(newPost(with(v, "client_id", "spa").Encode()), 400, oauth.UnauthorizedClient)
	w.refused(basic("nogrants", webSecret, v), 400, oauth.UnauthorizedClient)
}

func TestTokenRequestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ok := form("grant_type", "client_credentials")
	auth := func(r *http.Request) *http.Request { r.SetBasicAuth("web", webSecret); return r }
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"missing grant_type":           {basic("web", webSecret, url.Values{}), 400, oauth.InvalidRequest},
		"empty grant_type":             {basic("web", webSecret, form("grant_type", "")), 400, oauth.InvalidRequest},
		"unknown grant_type":           {basic("web", webSecret, form("grant_type", "password")), 400, oauth.UnsupportedGrantType},
		"unregistered extension":       {basic("web", webSecret, form("grant_type", extURN)), 400, oauth.UnsupportedGrantType},
		"oversized body":               {basic("web", webSecret, with(ok, "x", strings.Repeat("x", 40000))), 413, oauth.InvalidRequest},
		"too many parameters":          {auth(newPost(ok.Encode() + manyParams(70))), 400, oauth.InvalidRequest},
		"bad encoding":                 {auth(newPost("grant_type=%zz")), 400, oauth.InvalidRequest},
		"grant_type in the query only": {auth(query(newPost(""), ok)), 400, oauth.InvalidRequest},
		"query agrees":                 {query(basic("web", webSecret, ok), ok), 200, ""},
		"query differs":                {query(basic("web", webSecret, ok), form("grant_type", "refresh_token")), 400, oauth.InvalidRequest},
		"oversized query":              {query(basic("web", webSecret, ok), form("x", strings.Repeat("x", 9000))), 414, oauth.InvalidRequest},
		"bad query":                    {rawQuery(basic("web", webSecret, ok), "x=%zz"), 400, oauth.InvalidRequest},
		"unknown repeated":             {auth(newPost("grant_type=client_credentials&x=1&x=2")), 200, ""}, // unknown is ignored
		"semicolon is no separator":    {auth(newPost("grant_type=client_credentials&x=1;grant_type=2")), 200, ""},
		"empty pairs":                  {auth(newPost("&&grant_type=client_credentials&")), 200, ""},
		"with a charset":               {contentType(basic("web", webSecret, ok), "application/x-www-form-urlencoded; charset=UTF-8"), 200, ""},
		"JSON":                         {contentType(basic("web", webSecret, ok), "application/json"), 400, oauth.InvalidRequest},
		"no content type":              {contentType(basic("web", webSecret, ok), ""), 400, oauth.InvalidRequest},
		"multipart":                    {contentType(basic("web", webSecret, ok), "multipart/form-data; boundary=x"), 400, oauth.InvalidRequest},
		"Accept is ignored":            {header(basic("web", webSecret, ok), "Accept", "text/html"), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if a := do(t, w.token, tt.r); a.Status != tt.status || a.Error != tt.code {
				t.Errorf("answer %d %s, want %d %s", a.Status, a.Body, tt.status, tt.code)
			}
		})
	}
}

// Every known parameter twice is refused, in the body and in the query, also
// with one value and also empty.
func TestRepeatedParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{
		"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope",
		"client_id", "client_secret", "token", "token_type_hint",
	} {
		for _, pair := range []string{name + "=x&" + name + "=y", name + "=x&" + name + "=x", name + "&" + name + "=", name + "=x&%" + hexOf(name) + "=x"} {
			r := newPost(pair)
			r.SetBasicAuth("web", webSecret)
			w.refused(r, 400, oauth.InvalidRequest)
			r = rawQuery(basic("web", webSecret, form("grant_type", "client_credentials")), pair)
			w.refused(r, 400, oauth.InvalidRequest)
		}
	}
}

// hexOf percent-encodes the first letter, without its percent sign.
func hexOf(name string) string { return strings.ToUpper(hexDigits(name[0])) + name[1:] }

func hexDigits(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, h := range []http.Handler{w.server.Token(), w.server.Revoke(), w.server.Introspect()} {
		for _, m := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			a := httptest.NewRecorder()
			h.ServeHTTP(a, httptest.NewRequest(m, "/?grant_type=client_credentials", nil))
			if a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") == "" {
				t.Errorf("%s: status %d, Allow %q", m, a.Code, a.Header().Get("Allow"))
			}
		}
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&p" + strings.Repeat("x", i) + "=1")
	}
	return b.String()
}

func query(r *http.Request, v url.Values) *http.Request { return rawQuery(r, v.Encode()) }

func rawQuery(r *http.Request, q string) *http.Request { r.URL.RawQuery = q; return r }

func contentType(r *http.Request, ct string) *http.Request { return header(r, "Content-Type", ct) }

func header(r *http.Request, name, value string) *http.Request { r.Header.Set(name, value); return r }

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	_, err := oauth.New(oauth.Config{
		Issuer: "https://a.test/user/", AccessLifetime: time.Millisecond,
		ExtensionGrants: []oauth.ExtensionGrant{{Type: "echo"}, {Type: "urn:x"}},
	})
	for _, want := range []string{"Clients", "Grants", "Sessions", "Counters", "Keys", "AddressKey", "Issuer", "AccessLifetime", `"echo"`, `"urn:x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want a word about %s", err, want)
		}
	}
}

// The hand-written encoding is that of encoding/json.
func TestAnswerEncoding(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	w := newWorldOn(t, st)
	c, _ := st.Client(t.Context(), "web")
	c.Scopes = []string{"<b>", "a&b", "'", "~!#$%^*()[]{}|;:,./?`=+@", "plain"}
	if err := st.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, scope := range append(c.Scopes, strings.Join(c.Scopes, " ")) {
		a := w.ok(basic("web", webSecret, form("grant_type", "client_credentials", "scope", scope)))
		want, err := json.Marshal(struct {
			A string `json:"access_token"`
			T string `json:"token_type"`
			E int64  `json:"expires_in"`
			S string `json:"scope"`
		}{a.Access, "Bearer", a.Seconds, scope})
		if err != nil || a.Body != string(want) || a.Scope != scope {
			t.Errorf("answer %s, want %s", a.Body, want)
		}
	}
}

// A verifier has 43 characters at least (RFC 7636, section 4.1): none proves
// nothing, whatever the challenge was computed from.
func TestNoVerifierProvesNothing(t *testing.T) {
	w := newWorld(t)
	for _, challenge := range []string{challengeOf(""), strings.Repeat("A", 43)} {
		code := w.putCode("web", func(c *store.AuthorizationCode) { c.Challenge = challenge })
		w.refused(basic("web", webSecret, without(redeem(code), "code_verifier")), 400, "invalid_grant")
	}
}
