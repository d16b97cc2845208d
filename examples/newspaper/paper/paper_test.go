package paper_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/connectid-kit/connectid/examples/newspaper/paper"
)

// world is a newspaper and a stand-in for connectid that answers as told.
type world struct {
	t          *testing.T
	paper      *httptest.Server
	id         *httptest.Server
	loggedIn   atomic.Bool
	api        atomic.Int32 // status of the API; 0 for 200
	access     atomic.Int32 // status of the access API; 0 for 200
	subscribes atomic.Int32 // 1 by herself, 2 through her company
	iss        atomic.Value // of the authorization answer
	checks     atomic.Int32
	verifier   atomic.Value // what the token endpoint was given
	revoked    atomic.Value
	browser    *http.Client
}

func newWorld(t *testing.T, slug string) *world {
	t.Helper()
	w := &world{t: t}
	mux := http.NewServeMux()
	w.id = httptest.NewServer(mux)
	t.Cleanup(w.id.Close)
	w.iss.Store(w.id.URL + "/user")
	mux.HandleFunc("GET /user/loginCheck", func(rw http.ResponseWriter, r *http.Request) {
		w.checks.Add(1)
		to := r.FormValue("errorUrl")
		if w.loggedIn.Load() && r.FormValue("credential") != "somebody.else@example.com" {
			to = r.FormValue("returnUrl")
		}
		http.Redirect(rw, r, to, http.StatusFound)
	})
	mux.HandleFunc("GET /user/oauth/authorize", func(rw http.ResponseWriter, r *http.Request) {
		q := url.Values{"state": {r.FormValue("state")}, "iss": {w.iss.Load().(string)}}
		if r.FormValue("code_challenge_method") != "S256" || r.FormValue("code_challenge") == "" {
			t.Error("authorize without PKCE")
		}
		if w.loggedIn.Load() {
			q.Set("code", "the code")
		} else {
			q.Set("error", "access_denied")
		}
		http.Redirect(rw, r, r.FormValue("redirect_uri")+"?"+q.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /user/oauth/token", func(rw http.ResponseWriter, r *http.Request) {
		w.verifier.Store(r.FormValue("code_verifier"))
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, `{"access_token": "the token", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "another"}`)
	})
	mux.HandleFunc("POST /user/oauth/revoke", func(_ http.ResponseWriter, r *http.Request) { w.revoked.Store(r.FormValue("token")) })
	mux.HandleFunc("GET /user/logout", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, r.FormValue("returnUrl"), http.StatusFound)
	})
	mux.HandleFunc("GET /capi/v1/customer/profile", func(rw http.ResponseWriter, r *http.Request) {
		if status := w.api.Load(); status != 0 {
			rw.WriteHeader(int(status))
			return
		}
		if r.Header.Get("Authorization") != "Bearer the token" {
			t.Errorf("the API is asked with %q", r.Header.Get("Authorization"))
		}
		json.NewEncoder(rw).Encode(map[string]any{
			"userId": 7, "name": map[string]string{"firstName": "Kari", "lastName": "Nordmann"},
			"loginCredential": map[string]string{"credential": "kari@example.com"},
		})
	})

	mux.HandleFunc("POST /capi/v1/customer/access", func(rw http.ResponseWriter, r *http.Request) {
		var in struct {
			ArticleID string `json:"articleId"`
			AzureAd   bool   `json:"accessAzureAd"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.ArticleID == "" || r.Header.Get("Authorization") != "Bearer the token" {
			t.Errorf("the API is asked %+v, %v", in, err)
		}
		if status := w.access.Load(); status != 0 {
			rw.WriteHeader(int(status))
			return
		}
		json.NewEncoder(rw).Encode(map[string]any{"access": in.ArticleID == "torskekvoten" || w.subscribes.Load() == 1 && !in.AzureAd || w.subscribes.Load() == 2 && in.AzureAd})
	})

	w.paper = httptest.NewUnstartedServer(nil)
	w.paper.Start()
	t.Cleanup(w.paper.Close)
	edition, err := paper.LoadEdition(slug)
	if err != nil {
		t.Fatal(err)
	}
	site, err := paper.New(paper.Config{
		Edition: edition, Base: w.paper.URL, LoginServer: w.id.URL + "/user", APIServer: w.id.URL + "/capi",
		ClientID: "no.mediaconnect.test", HashKey: []byte(strings.Repeat("h", 32)), BlockKey: []byte(strings.Repeat("b", 32)),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.paper.Config.Handler = site
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.browser = &http.Client{Jar: jar}
	return w
}

// visit opens a page as a reader who arrives from elsewhere, and returns where
// she ends and what she sees.
func (w *world) visit(path string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.paper.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "none")
	req.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := w.browser.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func TestEditionsAreWhole(t *testing.T) {
	t.Parallel()
	var first map[string]string
	for _, slug := range paper.Editions() {
		w := newWorld(t, slug)
		e, err := paper.LoadEdition(slug)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = e.UI
		}
		for key := range first {
			if e.UI[key] == "" {
				t.Errorf("%s has no text %q", slug, key)
			}
		}
		locked := 0
		for _, a := range e.Articles {
			if a.Locked {
				locked++
			}
			if resp, body := w.visit("/article/" + a.Slug); resp.StatusCode != http.StatusOK || !strings.Contains(body, a.Lead[:20]) {
				t.Errorf("%s: article %s: %s", slug, a.Slug, resp.Status)
			}
			if resp, _ := w.visit("/static/" + a.Art + ".svg"); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: drawing %s: %s", slug, a.Art, resp.Status)
			}
		}
		if locked < 2 || locked == len(e.Articles) {
			t.Errorf("%s: %d of %d articles are locked", slug, locked, len(e.Articles))
		}
	}
}

func TestLockedArticleNeedsToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	last := "god plass på kaia"
	if _, body := w.visit("/article/torskekvoten"); strings.Contains(body, last) || !strings.Contains(body, `id="wall"`) {
		t.Error("a stranger reads the whole article")
	}
	w.loggedIn.Store(true)
	resp, body := w.visit("/article/torskekvoten")
	if resp.Request.URL.Path != "/article/torskekvoten" || !strings.Contains(body, last) || !strings.Contains(body, "Kari Nordmann") {
		t.Errorf("a reader who is logged in elsewhere ends at %s and does not read", resp.Request.URL)
	}
	if got, _ := w.verifier.Load().(string); len(got) < 43 {
		t.Errorf("code_verifier %q", got)
	}

	w.api.Store(http.StatusInternalServerError) // fail closed: no article, no login
	if resp, body := w.visit("/article/torskekvoten"); resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, last) {
		t.Errorf("with the API down: %s", resp.Status)
	}
	w.api.Store(http.StatusUnauthorized)
	if _, body := w.visit("/article/torskekvoten"); strings.Contains(body, last) || strings.Contains(body, "Kari") {
		t.Error("a revoked token still opens the article")
	}
}

// A login alone opens no article for subscribers.
func TestSubscribersArticle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	const page, last = "/article/orgelet", "helt ned til torget"
	_, body := w.visit(page)
	if strings.Contains(body, last) || !strings.Contains(body, `id="join"`) {
		t.Error("a stranger is not asked to log in")
	}
	if !strings.Contains(body, "Denne saken er for abonnenter") || strings.Contains(body, "for innloggede lesere") {
		t.Error("a stranger is promised the story for a login")
	}
	w.loggedIn.Store(true)
	_, body = w.visit(page)
	if strings.Contains(body, last) || !strings.Contains(body, `id="subscribe"`) || strings.Contains(body, `id="join"`) || !strings.Contains(body, "/user/register?") {
		t.Error("who does not subscribe is not asked to")
	}
	for by := range int32(2) {
		w.subscribes.Store(by + 1)
		if _, body := w.visit(page); !strings.Contains(body, last) || strings.Contains(body, `id="wall"`) {
			t.Errorf("a subscriber (%d) does not read", by+1)
		}
	}
	for status, want := range map[int32]int{500: 503, 403: 503, 401: 200} {
		w.access.Store(status)
		if resp, body := w.visit(page); resp.StatusCode != want || strings.Contains(body, last) {
			t.Errorf("the access API answers %d: %s", status, resp.Status)
		}
	}
}

func TestSomebodyElsesLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	w.loggedIn.Store(true)
	w.visit("/")
	w.loggedIn.Store(false)
	before := w.checks.Load()
	if _, body := w.visit("/"); strings.Contains(body, "Kari Nordmann") {
		t.Error("still greeted after the login has ended")
	}
	if got := w.checks.Load() - before; got != 2 {
		t.Errorf("%d checks, want one for her and one for anybody", got)
	}
}

func TestLogoutGivesTokensBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	w.loggedIn.Store(true)
	w.visit("/")
	req, err := http.NewRequest(http.MethodPost, w.paper.URL+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := w.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("logout posted by another site: %s", resp.Status)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if resp, err = w.browser.Do(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Request.URL.Path != "/logged-out" || w.revoked.Load() != "another" {
		t.Errorf("ended at %s, revoked %v", resp.Request.URL, w.revoked.Load())
	}
}

// Where a reader is sent never comes from outside.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	w.loggedIn.Store(true)
	for _, page := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/article/../../evil", "javascript:alert(1)", "/article/none", "%0d%0aX: y"} {
		for _, way := range []string{"/login?page=", "/checked?in=yes&page=", "/join?page="} {
			resp, _ := w.visit(way + url.QueryEscape(page))
			if got := resp.Request.URL; got.Host != strings.TrimPrefix(w.paper.URL, "http://") && got.Host != strings.TrimPrefix(w.id.URL, "http://") {
				t.Errorf("%s%s leads to %s", way, page, got)
			}
		}
	}
}

func TestForgedCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	for _, q := range []string{"", "code=x", "code=x&state=", "code=x&state=short", "code=x&state=AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if resp, _ := w.visit("/callback?" + q); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("callback?%s: %s", q, resp.Status)
		}
	}
	w.loggedIn.Store(true)
	w.iss.Store("https://evil.example/user") // RFC 9207: another server's answer
	if resp, body := w.visit("/login"); resp.StatusCode != http.StatusBadRequest || strings.Contains(body, "Kari") {
		t.Errorf("an answer of another issuer: %s", resp.Status)
	}
}

// Back leads into the login that is over: a reader who is logged in gets the page
// she was at, and one who is not can try again from there.
func TestBackAfterLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "skargardsnytt")
	w.loggedIn.Store(true)
	var callback, asked *url.URL
	w.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		switch r.URL.Path {
		case "/callback":
			callback = r.URL
		case "/user/oauth/authorize":
			asked = r.URL
		}
		return nil
	}
	w.visit("/login?page=/section/%C3%85sikter")
	if callback == nil || asked.Query().Get("ui_locales") != "sv" {
		t.Fatalf("callback %v after %v", callback, asked)
	}
	for _, c := range asked.Query().Get("state") { // RFC 6749, appendix A.5
		if c < 0x20 || c > 0x7e {
			t.Errorf("state %q", asked.Query().Get("state"))
		}
	}
	if resp, _ := w.visit(callback.RequestURI()); resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/section/Åsikter" {
		t.Errorf("the same answer once more: %s at %s", resp.Status, resp.Request.URL)
	}
	w.browser.Jar = nil
	if resp, body := w.visit(callback.RequestURI()); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, `/login?page=%2fsection%2f%c3%85sikter`) {
		t.Errorf("without a session: %s\n%s", resp.Status, body)
	}
	if resp, _ := w.visit("/callback?state=AAAAAAAAAAAAAAAAAAAAAAAAAA.%252F%252Fevil.example"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged page: %s", resp.Status)
	}
}

// A browser without cookies is served, not sent round in circles.
func TestWithoutCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "skargardsnytt")
	w.browser.Jar = nil
	if resp, _ := w.visit("/"); resp.StatusCode != http.StatusOK {
		t.Errorf("%s", resp.Status)
	}
}

// After a redirect browsers send "Origin: null" (Fetch standard): the answers
// to embedded checks allow it, and only they do.
func TestEmbeddedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fjordposten")
	for path, want := range map[string]string{"/embedded/yes.json": "null", "/embedded/no.js": "null", "/": "", "/me": ""} {
		req, err := http.NewRequest(http.MethodGet, w.paper.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "null")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", path, got, want)
		}
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := paper.New(paper.Config{})
	for _, part := range []string{"Edition", "Base", "LoginServer", "APIServer", "ClientID", "HashKey"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}
