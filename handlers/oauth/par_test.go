package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/dpoptest"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const urn = "urn:ietf:params:oauth:request_uri:"

// pushAs sends a request to the pushed authorization request endpoint.
func (w *world) pushAs(r *http.Request) reply {
	w.tb.Helper()
	return do(w.tb, w.server.PushedAuthorization(), r)
}

// pushed pushes a request that has to be accepted and returns its request_uri.
func (w *world) pushed(v url.Values) string {
	w.tb.Helper()
	a := w.pushAs(basic(v.Get("client_id"), webSecret, v))
	if a.Status != http.StatusCreated || a.Pushed == "" {
		w.tb.Fatalf("answer %d %s, want a request_uri", a.Status, a.Body)
	}
	return a.Pushed
}

func pushedURL(clientID, requestURI string) string {
	return authorizeURL(form("client_id", clientID, "request_uri", requestURI))
}

// RFC 9126, section 2.2.
func TestPush(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	shape := regexp.MustCompile(`^\{"request_uri":"urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}","expires_in":90\}$`)
	seen := map[string]bool{}
	for name, r := range map[string]*http.Request{
		"basic":                   basic("web", webSecret, ask("web")),
		"basic, no client_id":     basic("web", webSecret, without(ask("web"), "client_id")),
		"secret in the body":      newPost(with(ask("web"), "client_secret", webSecret).Encode()),
		"public client":           newPost(ask("spa").Encode()),
		"client that has to push": basic("pushing", webSecret, ask("pushing")),
		"no redirect_uri":         basic("web", webSecret, without(ask("web"), "redirect_uri")),
		"query as the body":       withQuery(basic("web", webSecret, ask("web")), ask("web")),
		"long state":              basic("web", webSecret, with(ask("web"), "state", strings.Repeat("x", 2048))),
	} {
		a := p.pushAs(r)
		if a.Status != http.StatusCreated || !shape.MatchString(a.Body) || a.Header.Get("Cache-Control") != "no-store" || seen[a.Pushed] {
			t.Errorf("%s: %d %s %v", name, a.Status, a.Body, a.Header)
		}
		seen[a.Pushed] = true
	}

	// RFC 9126, section 4, and RFC 9101, section 5: what counts is what was pushed.
	b := p.browser()
	b.login()
	uri := p.pushed(ask("web"))
	noise := form("client_id", "web", "request_uri", uri, "redirect_uri", "https://evil.test/", "state", "evil", "scope", "admin",
		"response_type", "token", "code_challenge", "x", "response_mode", "fragment", "resource", "https://evil.test", "dpop_jkt", "x")
	q := answerOf(t, b.get(authorizeURL(noise)), appURI+"?")
	if q.Get("state") != "s1" || q.Get("iss") != issuer {
		t.Errorf("answer %v", q)
	}
	tok, err := p.store.AccessToken(t.Context(), store.DigestOf(p.ok(basic("web", webSecret, redeem(q.Get("code")))).Access))
	if err != nil || tok.Scope != "read" {
		t.Errorf("token %+v, %v", tok, err)
	}
	// Section 7.3: once.
	q = answerOf(t, b.get(pushedURL("web", uri)), appURI+"?")
	if q.Get("error") != oauth.InvalidRequestURI || q.Get("state") != "s1" || q.Get("iss") != issuer || q.Has("code") {
		t.Errorf("used again: %v", q)
	}
	// A post to the authorization endpoint carries it too.
	r := httptest.NewRequest("POST", issuer+"/oauth/authorize", strings.NewReader(form("client_id", "web", "request_uri", p.pushed(ask("web"))).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if q := answerOf(t, b.get(b.send(r).Header().Get("Location")), appURI+"?"); !q.Has("code") {
		t.Errorf("by post: %v", q)
	}
}

func withQuery(r *http.Request, v url.Values) *http.Request {
	r.URL.RawQuery = v.Encode()
	return r
}

// RFC 9126, sections 2.1 and 2.3.
func TestPushRefusals(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	key := dpoptest.NewKey(t)
	web := ask("web")
	again := func(name string) *http.Request {
		v := with(web, name, "x")
		v[name] = append(v[name], "x")
		r := newPost(v.Encode())
		r.SetBasicAuth("web", webSecret)
		return r
	}
	method := func(m string) *http.Request {
		r := basic("web", webSecret, web)
		r.Method = m
		return r
	}
	proof := func(address string, changes ...dpoptest.Change) *http.Request {
		r := basic("web", webSecret, web)
		r.Header.Set("DPoP", key.Proof("POST", address, append([]dpoptest.Change{p.nonce()}, changes...)...))
		return r
	}
	plain := basic("web", webSecret, web)
	plain.Header.Set("Content-Type", "application/json")
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"GET":                       {method("GET"), 405, oauth.InvalidRequest},
		"PUT":                       {method("PUT"), 405, oauth.InvalidRequest},
		"another content type":      {plain, 400, oauth.InvalidRequest},
		"oversized":                 {basic("web", webSecret, with(web, "x", strings.Repeat("x", 40<<10))), 413, oauth.InvalidRequest},
		"too much to keep":          {basic("web", webSecret, with(web, "x", strings.Repeat("x", 17<<10))), 413, oauth.InvalidRequest},
		"in the query alone":        {withQuery(basic("web", webSecret, url.Values{}), web), 400, oauth.InvalidRequest},
		"query differs":             {withQuery(basic("web", webSecret, web), with(web, "state", "s2")), 400, oauth.InvalidRequest},
		"no client":                 {newPost(without(web, "client_id").Encode()), 401, oauth.InvalidClient},
		"no secret":                 {newPost(web.Encode()), 401, oauth.InvalidClient},
		"wrong secret":              {basic("web", "wrong", web), 401, oauth.InvalidClient},
		"unknown client":            {basic("nobody", "wrong", ask("nobody")), 401, oauth.InvalidClient},
		"disabled client":           {basic("off", webSecret, ask("off")), 401, oauth.InvalidClient},
		"another client_id":         {basic("web", webSecret, ask("other")), 400, oauth.InvalidRequest},
		"request_uri":               {basic("web", webSecret, with(web, "request_uri", urn+strings.Repeat("A", 43))), 400, oauth.InvalidRequest},
		"foreign request_uri":       {basic("web", webSecret, with(web, "request_uri", "https://app.test/r")), 400, oauth.InvalidRequest},
		"request":                   {basic("web", webSecret, with(web, "request", "a.b.c")), 400, oauth.RequestNotSupported},
		"redirect_uri":              {basic("web", webSecret, with(web, "redirect_uri", "https://evil.test/")), 400, oauth.InvalidRequest},
		"malformed redirect_uri":    {basic("web", webSecret, with(web, "redirect_uri", "javascript:alert(1)")), 400, oauth.InvalidRequest},
		"no response_type":          {basic("web", webSecret, without(web, "response_type")), 400, oauth.InvalidRequest},
		"response_type token":       {basic("web", webSecret, with(web, "response_type", "token")), 400, oauth.UnsupportedResponseType},
		"response_mode fragment":    {basic("web", webSecret, with(web, "response_mode", "fragment")), 400, oauth.InvalidRequest},
		"scope":                     {basic("web", webSecret, with(web, "scope", "admin")), 400, oauth.InvalidScope},
		"grant not allowed":         {basic("nogrants", webSecret, ask("nogrants")), 400, oauth.UnauthorizedClient},
		"no PKCE":                   {basic("web", webSecret, without(without(web, "code_challenge"), "code_challenge_method")), 400, oauth.InvalidRequest},
		"plain PKCE":                {basic("web", webSecret, with(web, "code_challenge_method", "plain")), 400, oauth.InvalidRequest},
		"state too long":            {basic("web", webSecret, with(web, "state", strings.Repeat("x", 2049))), 400, oauth.InvalidRequest},
		"resource":                  {basic("web", webSecret, with(web, "resource", api1)), 400, oauth.InvalidTarget},
		"dpop_jkt malformed":        {basic("web", webSecret, with(web, "dpop_jkt", "x")), 400, oauth.InvalidRequest},
		"client_id twice":           {again("client_id"), 400, oauth.InvalidRequest},
		"redirect_uri twice":        {again("redirect_uri"), 400, oauth.InvalidRequest},
		"response_type twice":       {again("response_type"), 400, oauth.InvalidRequest},
		"response_mode twice":       {again("response_mode"), 400, oauth.InvalidRequest},
		"scope twice":               {again("scope"), 400, oauth.InvalidRequest},
		"state twice":               {again("state"), 400, oauth.InvalidRequest},
		"challenge twice":           {again("code_challenge"), 400, oauth.InvalidRequest},
		"challenge method twice":    {again("code_challenge_method"), 400, oauth.InvalidRequest},
		"dpop_jkt twice":            {again("dpop_jkt"), 400, oauth.InvalidRequest},
		"request_uri twice":         {again("request_uri"), 400, oauth.InvalidRequest},
		"proof of another endpoint": {proof(tokenURL), 400, middleware.InvalidDPoPProof},
		"proof without nonce":       {proof(parURL, dpoptest.Claim("nonce", nil)), 400, middleware.UseDPoPNonce},
	} {
		a := p.pushAs(c.r)
		if a.Status != c.status || a.Error != c.code || a.Pushed != "" || a.Detail == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d %s", name, a.Status, a.Body, c.status, c.code)
		}
		if c.status == 405 && a.Header.Get("Allow") == "" || c.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: headers %v", name, a.Header)
		}
	}
}

// RFC 9126, section 4: what a browser may bring to the authorization endpoint.
func TestPushedAtAuthorize(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in := p.browser()
	in.login()
	uri := p.pushed(ask("web"))
	redirect := "&" + form("redirect_uri", appURI, "response_type", "code", "code_challenge", challengeOf(verifier), "code_challenge_method", "S256").Encode()
	ref := func(id, uri string) string { return form("client_id", id, "request_uri", uri).Encode() }
	for name, query := range map[string]string{
		"of another client":      ref("other", uri),
		"of another, redirected": ref("other", uri) + redirect,
		"without client_id":      form("request_uri", uri).Encode(),
		"unknown":                ref("web", urn+strings.Repeat("A", 43)) + redirect,
		"empty reference":        ref("web", urn) + redirect,
		"shorter":                ref("web", uri[:len(uri)-1]) + redirect,
		"longer":                 ref("web", uri+"A") + redirect,
		"not base64url":          ref("web", urn+strings.Repeat("+", 43)) + redirect,
		"oversized":              ref("web", urn+strings.Repeat("A", 8000)),
		"twice":                  ref("web", uri) + "&request_uri=" + url.QueryEscape(uri) + redirect,
		"with request":           ref("web", uri) + "&request=a.b.c" + redirect, // RFC 9101, section 5
		"of a disabled client":   ref("off", uri) + redirect,
	} {
		for _, b := range []*browser{in, p.browser()} {
			for _, path := range []string{"/oauth/authorize?", "/oauthLogin?"} {
				w := b.get(issuer + path + query)
				if w.Code < 400 || w.Code > 499 || w.Header().Get("Location") != "" {
					t.Errorf("%s at %s: answer %d %q, want a page", name, path, w.Code, w.Header().Get("Location"))
				}
			}
		}
	}
	for name, c := range map[string]struct{ query, code string }{
		"request object":   {with(ask("web"), "request", "a.b.c").Encode(), oauth.RequestNotSupported},
		"foreign URI":      {with(ask("web"), "request_uri", "https://app.test/request").Encode(), oauth.RequestURINotSupported},
		"in capitals":      {with(ask("web"), "request_uri", strings.ToUpper(uri)).Encode(), oauth.RequestURINotSupported},
		"request repeated": {ask("web").Encode() + "&request=a&request=b", oauth.InvalidRequest},
		"not pushed":       {ask("pushing").Encode(), oauth.InvalidRequest}, // section 6
	} {
		for _, b := range []*browser{in, p.browser()} {
			if q := answerOf(t, b.get(issuer+"/oauth/authorize?"+c.query), appURI+"?"); q.Get("error") != c.code || q.Has("code") || q.Get("state") != "s1" {
				t.Errorf("%s: %v, want %s", name, q, c.code)
			}
		}
		if w := in.get(issuer + "/oauthLogin?" + c.query); w.Code != 400 {
			t.Errorf("%s at oauthLogin: %d", name, w.Code)
		}
	}
	// An empty one counts as omitted, and nothing of the above has used the request up.
	for _, q := range []url.Values{with(ask("web"), "request_uri", ""), form("client_id", "web", "request_uri", uri), form("client_id", "pushing", "request_uri", p.pushed(ask("pushing")))} {
		if a := answerOf(t, in.get(authorizeURL(q)), appURI+"?"); !a.Has("code") {
			t.Errorf("%v: %v", q, a)
		}
	}
}

// A user who has to log in takes longer than a request may wait for its browser.
func TestPushedLogin(t *testing.T) {
	t.Parallel()
	p := newPortalOn(t, memstore.New(), func(c *oauth.Config) { c.PushedLifetime = time.Second })
	v := with(ask("web"), "ui_locales", "sv")
	uri, late := p.pushed(v), p.pushed(v)
	b := p.browser()
	login := b.get(pushedURL("web", uri))
	page := b.follow(login)
	time.Sleep(1100 * time.Millisecond)
	for range 2 { // reloading is harmless
		if page = b.follow(login); page.Code != 200 || !strings.Contains(page.Body.String(), `lang="sv"`) {
			t.Fatalf("reload: %d\n%s", page.Code, page.Body)
		}
	}
	// An expired request_uri is invalid (section 4), whoever brings it.
	if q := answerOf(t, p.browser().get(pushedURL("web", late)), appURI+"?"); q.Get("error") != oauth.InvalidRequestURI || q.Get("state") != "s1" {
		t.Errorf("expired: %v", q)
	}
	w := b.submit(page, "verifyCredentialsEvent", "credential", email, "password", password)
	q := answerOf(t, w, appURI+"?")
	p.ok(basic("web", webSecret, redeem(q.Get("code"))))
	// Another tab with the same page is too late.
	q = answerOf(t, b.follow(b.submit(page, "verifyCredentialsEvent", "credential", email, "password", password)), appURI+"?")
	if q.Get("error") != oauth.InvalidRequestURI || q.Has("code") {
		t.Errorf("a second tab: %v", q)
	}
	// Leaving uses nothing up.
	uri = p.pushed(v)
	other := p.browser()
	page = other.follow(other.get(pushedURL("web", uri)))
	if q := answerOf(t, other.submit(page, "navigateAwayEvent"), appURI+"?"); q.Get("error") != oauth.AccessDenied || q.Get("state") != "s1" {
		t.Errorf("left: %v", q)
	}
	if q := answerOf(t, b.get(pushedURL("web", uri)), appURI+"?"); !q.Has("code") {
		t.Errorf("after leaving: %v", q)
	}
}

// When run and request are over, the reference leads nowhere.
func TestPushedExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *oauth.Config) { c.RunLifetime = time.Minute })
		uri := w.pushed(ask("web"))
		hash := store.DigestOf(strings.TrimPrefix(uri, urn))
		r, err := w.store.Ticket(t.Context(), store.PushedRequest, hash)
		if err != nil || r.ClientID != "web" || strings.Contains(string(r.Data), webSecret) || r.ExpiresAt.Sub(r.CreatedAt) != 150*time.Second {
			t.Fatalf("ticket %+v, %v", r, err)
		}
		post := w.pushAs(newPost(with(ask("web"), "client_secret", webSecret).Encode()))
		r, err = w.store.Ticket(t.Context(), store.PushedRequest, store.DigestOf(strings.TrimPrefix(post.Pushed, urn)))
		if err != nil || strings.Contains(string(r.Data), url.QueryEscape(webSecret)) || strings.Contains(string(r.Data), "secret") {
			t.Errorf("the secret is kept with the request: %s, %v", r.Data, err)
		}
	})
}

// Of 64 browsers with one pushed request one gets a code.
func TestPushedRace(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	cookies := b.jar.Cookies(must(url.Parse(issuer)))
	for round := range rounds(t) {
		uri := p.pushed(ask("web"))
		var mu sync.Mutex
		codes, refused := 0, 0
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				r := httptest.NewRequest("GET", pushedURL("web", uri), nil)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				to, _ := url.Parse(w.Header().Get("Location"))
				mu.Lock()
				defer mu.Unlock()
				switch q := to.Query(); {
				case w.Code == 302 && q.Get("code") != "":
					codes++
				case w.Code == 302 && q.Get("error") == oauth.InvalidRequestURI:
					refused++
				}
			})
		}
		wg.Wait()
		if codes != 1 || refused != 63 {
			t.Fatalf("round %d: %d codes, %d refusals", round, codes, refused)
		}
	}
}

// RFC 9449, section 10.1: a proof at the endpoint binds like dpop_jkt, and both have
// to say the same.
func TestPushedDPoP(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	key, other := dpoptest.NewKey(t), dpoptest.NewKey(t)
	push := func(v url.Values, k *dpoptest.Key) reply {
		r := basic("web", webSecret, v)
		if k != nil {
			r.Header.Set("DPoP", k.Proof("POST", parURL, p.nonce()))
		}
		return p.pushAs(r)
	}
	named := with(ask("web"), "dpop_jkt", key.JKT())
	for name, a := range map[string]reply{"proof": push(ask("web"), key), "dpop_jkt": push(named, nil), "both": push(named, key)} {
		if a.Status != 201 || (name != "dpop_jkt") != (a.Header.Get("DPoP-Nonce") != "") {
			t.Fatalf("%s: %d %s %v", name, a.Status, a.Body, a.Header)
		}
		code := answerOf(t, b.get(pushedURL("web", a.Pushed)), appURI+"?").Get("code")
		p.boundTo(key, p.proved(key, basic("web", webSecret, redeem(code))))
	}
	code := answerOf(t, b.get(pushedURL("web", push(ask("web"), key).Pushed)), appURI+"?").Get("code")
	p.refused(p.proved(other, basic("web", webSecret, redeem(code))), 400, oauth.InvalidGrant)
	if a := push(named, other); a.Status != 400 || a.Error != oauth.InvalidRequest {
		t.Errorf("proof of another key: %d %s", a.Status, a.Body)
	}
	proof := key.Proof("POST", parURL, p.nonce())
	for i := range 2 {
		r := basic("web", webSecret, ask("web"))
		r.Header.Set("DPoP", proof)
		if a := p.pushAs(r); (a.Status == 201) != (i == 0) || i == 1 && a.Error != middleware.InvalidDPoPProof {
			t.Errorf("proof shown %d times: %d %s", i+1, a.Status, a.Body)
		}
	}
	// Section 5: a client that has to bind its tokens may push without a proof.
	if a := p.pushAs(basic("keyed", webSecret, ask("keyed"))); a.Status != 201 {
		t.Errorf("answer %d %s", a.Status, a.Body)
	}
}

func TestPushedResources(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	uri := p.pushed(withAll(ask("apis"), "resource", api2, api1))
	code := answerOf(t, b.get(pushedURL("apis", uri)), appURI+"?").Get("code")
	if got := p.resourcesOf(p.ok(basic("apis", webSecret, redeem(code)))); len(got) != 2 || got[0] != api2 {
		t.Errorf("token for %q", got)
	}
}

// RFC 9126, section 2.3: too many requests.
func TestPushLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	push := func(address string, r *http.Request) reply {
		r.RemoteAddr = address
		return w.pushAs(r)
	}
	for range 100 {
		if a := push("192.0.2.1:1", newPost(ask("spa").Encode())); a.Status != 201 {
			t.Fatalf("answer %d %s", a.Status, a.Body)
		}
	}
	a := push("192.0.2.1:1", newPost(ask("spa").Encode()))
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); a.Status != 429 || a.Pushed != "" || err != nil || seconds < 1 || seconds > 300 {
		t.Errorf("answer %d %s %v", a.Status, a.Body, a.Header)
	}
	// Others are not affected, nor are clients that prove who they are.
	if a := push("192.0.2.2:1", newPost(ask("spa").Encode())); a.Status != 201 {
		t.Errorf("another address: %d %s", a.Status, a.Body)
	}
	if a := push("192.0.2.1:1", basic("web", webSecret, ask("web"))); a.Status != 201 {
		t.Errorf("a confidential client: %d %s", a.Status, a.Body)
	}
	for range 6000 - 1 {
		push("192.0.2.3:1", basic("web", webSecret, ask("web")))
	}
	if a := push("192.0.2.4:1", basic("web", webSecret, ask("web"))); a.Status != 429 {
		t.Errorf("6001 requests of one client: %d %s", a.Status, a.Body)
	}
	if a := push("192.0.2.4:1", basic("other", otherSecret, ask("other"))); a.Status != 201 {
		t.Errorf("another client: %d %s", a.Status, a.Body)
	}
	// Wrong secrets are limited as at the token endpoint.
	for range 10 {
		push("192.0.2.9:1", basic("other", "wrong", ask("other")))
	}
	if a := push("192.0.2.9:1", basic("other", "wrong", ask("other"))); a.Status != 429 || a.Error != oauth.TemporarilyUnavailable {
		t.Errorf("wrong secrets: %d %s", a.Status, a.Body)
	}
}

// A store that fails is never a request_uri, a code or the client's fault.
func TestPushOutage(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PutTicket", "Ticket", "TakeTicket"} {
		st := &ticketSpy{Store: memstore.New(), down: method}
		p := newPortalOn(t, st)
		b := p.browser()
		b.login()
		uri := p.pushed(ask("web"))
		st.on.Store(true)
		if method == "PutTicket" {
			a := p.pushAs(basic("web", webSecret, ask("web")))
			if a.Status != 503 || a.Error != oauth.TemporarilyUnavailable || a.Pushed != "" || strings.Contains(a.Body, "detail") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		} else if w := b.get(pushedURL("web", uri)); w.Code != 503 || w.Header().Get("Location") != "" || strings.Contains(w.Body.String(), "detail") {
			t.Errorf("%s: answer %d %q", method, w.Code, w.Header().Get("Location"))
		}
		st.on.Store(false)
		if q := answerOf(t, b.get(pushedURL("web", uri)), appURI+"?"); !q.Has("code") {
			t.Errorf("%s: afterwards %v", method, q)
		}
	}
	counters := newBroken("Add")
	counters.on.Store(false)
	p := newPortalOn(t, counters)
	counters.on.Store(true)
	if a := p.pushAs(basic("web", webSecret, ask("web"))); a.Status != 503 || a.Pushed != "" {
		t.Errorf("counters: %d %s", a.Status, a.Body)
	}
}
