package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
)

// relyingParty notes what it is told and answers by its script: a status each,
// then 200. 0 hangs until the call is given up.
type relyingParty struct {
	mu     sync.Mutex
	script []int
	got    []*http.Request
	tokens []string
	at     []time.Time
}

func (rp *relyingParty) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	rp.mu.Lock()
	rp.got, rp.tokens, rp.at = append(rp.got, r), append(rp.tokens, form.Get("logout_token")), append(rp.at, time.Now())
	status := http.StatusOK
	if n := len(rp.got) - 1; n < len(rp.script) {
		status = rp.script[n]
	}
	rp.mu.Unlock()
	switch status {
	case 0:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case http.StatusFound:
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.test/"}}, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

func (rp *relyingParty) calls() int {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	return len(rp.got)
}

// logoutWorld delivers logouts to rp until the test ends.
func logoutWorld(t *testing.T, rp http.RoundTripper, change func(*store.Client)) *world {
	t.Helper()
	w := newWorld(t, func(c *oauth.Config) {
		c.LogoutClient = &http.Client{Transport: rp, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	})
	c, err := w.store.Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	c.BackchannelLogoutURI = "https://app.test/logout"
	change(&c)
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.server.DeliverLogouts(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("DeliverLogouts: %v, want the context's error", err)
		}
	})
	return w
}

// ended queues the end of a session.
func (w *world) ended(id, data string) {
	w.tb.Helper()
	now := time.Now()
	err := w.store.PutDelivery(w.tb.Context(), store.Delivery{
		Kind: store.BackchannelLogout, ID: id, Data: []byte(data), DueAt: now, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.server.WakeLogouts()
}

const aLogout = `{"clientId":"web","userId":"u1","sessionId":"s1"}`

// OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.5.
func TestLogoutToken(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "RS256"} {
		synctest.Test(t, func(t *testing.T) {
			rp := &relyingParty{}
			w := logoutWorld(t, rp, func(c *store.Client) { c.IDTokenAlg = alg })
			w.ended("a", aLogout)
			synctest.Wait()
			if rp.calls() != 1 {
				t.Fatalf("%s: %d calls, want one at once", alg, rp.calls())
			}
			r := rp.got[0]
			if r.Method != "POST" || r.URL.String() != "https://app.test/logout" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%s %s, %v", r.Method, r.URL, r.Header)
			}
			set, _, err := w.signer.KeySet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var keys jose.JSONWebKeySet
			if err := json.Unmarshal(set, &keys); err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSigned(rp.tokens[0], []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := jws.Verify(keys)
			if err != nil {
				t.Fatal(err)
			}
			if typ := jws.Signatures[0].Header.ExtraHeaders["typ"]; typ != "logout+jwt" {
				t.Errorf("typ %v", typ)
			}
			var claims map[string]any
			if err := json.Unmarshal(payload, &claims); err != nil {
				t.Fatal(err)
			}
			now := float64(time.Now().Unix())
			for name, want := range map[string]any{"iss": issuer, "sub": "u1", "aud": "web", "sid": "s1", "iat": now, "exp": now + 120} {
				if claims[name] != want {
					t.Errorf("%s is %v, want %v", name, claims[name], want)
				}
			}
			events, _ := claims["events"].(map[string]any)
			if event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !ok || len(event) > 0 || len(events) != 1 {
				t.Errorf("events %v", claims["events"])
			}
			if jti, _ := claims["jti"].(string); len(jti) < 20 {
				t.Errorf("jti %v", claims["jti"])
			}
			if _, ok := claims["nonce"]; ok {
				t.Error("a logout token has a nonce, which it must not")
			}
			if _, _, _, err := w.server.VerifyIDTokenHint(t.Context(), rp.tokens[0]); !errors.Is(err, oauth.ErrHint) {
				t.Errorf("a logout token passes for an ID token: %v", err)
			}
			time.Sleep(2 * time.Hour)
			if rp.calls() != 1 {
				t.Errorf("%d calls of a client that has taken it", rp.calls())
			}
		})
	}
}

// A client that does not take it is told again, ever more seldom, until it does
// or nobody would be logged in any more.
func TestLogoutIsToldAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rp := &relyingParty{script: []int{500, 0, 302, 400, 204}}
		w := logoutWorld(t, rp, func(*store.Client) {})
		begin := time.Now()
		w.ended("a", aLogout)
		time.Sleep(5 * time.Minute)
		if rp.calls() != 5 {
			t.Fatalf("%d calls, want 5", rp.calls())
		}
		last := time.Duration(0)
		for i, at := range rp.at[1:] {
			gap := at.Sub(rp.at[i])
			if gap < last/2 {
				t.Errorf("gap %d is %v after %v", i, gap, last)
			}
			last = gap
		}
		if rp.at[4].Sub(begin) > 2*time.Minute {
			t.Errorf("the fifth attempt came after %v", rp.at[4].Sub(begin))
		}
		if slices.Contains(rp.tokens[1:], rp.tokens[0]) {
			t.Error("a logout token was sent twice; each attempt has its own")
		}
		if host := rp.got[3].URL.Host; host != "app.test" {
			t.Errorf("a redirect led to %s", host)
		}
	})
	synctest.Test(t, func(t *testing.T) { // never takes it
		script := make([]int, 1000)
		for i := range script {
			script[i] = 503
		}
		rp := &relyingParty{script: script}
		w := logoutWorld(t, rp, func(*store.Client) {})
		w.ended("a", aLogout)
		time.Sleep(3 * time.Hour)
		calls := rp.calls()
		if calls < 8 || calls > 30 {
			t.Errorf("%d attempts in an hour", calls)
		}
		if last := rp.at[len(rp.at)-1].Sub(rp.at[0]); last > time.Hour {
			t.Errorf("tried %v after it was queued, when it was over", last)
		}
	})
}

// One client that hangs holds up no other.
func TestLogoutsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rp := &relyingParty{script: []int{0, 0, 0, 200}}
		w := logoutWorld(t, rp, func(*store.Client) {})
		begin := time.Now()
		for _, id := range []string{"a", "b", "c", "d"} {
			w.ended(id, aLogout)
		}
		synctest.Wait()
		if rp.calls() != 4 || !time.Now().Equal(begin) {
			t.Errorf("%d calls after %v, want all 4 at once", rp.calls(), time.Since(begin))
		}
	})
}

// hangingHost answers for all hosts but one, which takes part in no call any more
// until it is repaired.
type hangingHost struct {
	relyingParty
	repaired atomic.Bool
	tried    atomic.Int64
}

func (h *hangingHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "hangs.test" {
		h.tried.Add(1)
		if !h.repaired.Load() {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
	}
	return h.relyingParty.RoundTrip(r)
}

// Nor does one that hangs and is to be told of many logouts; it is told of all of them
// once it answers.
func TestManyLogoutsOfOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 400
		host := &hangingHost{}
		w := logoutWorld(t, host, func(c *store.Client) { c.BackchannelLogoutURI = "https://hangs.test/logout" })
		for i := range many {
			w.ended("a"+strconv.Itoa(i), aLogout)
		}
		time.Sleep(time.Second)
		for minute := range 20 { // also when it has been so for a while
			begin := time.Now()
			w.ended("b"+strconv.Itoa(minute), strings.Replace(aLogout, "web", "told", 1))
			for host.calls() <= minute && time.Since(begin) < 30*time.Second {
				time.Sleep(100 * time.Millisecond)
			}
			if waited := time.Since(begin); waited > 6*time.Second {
				t.Fatalf("minute %d: another client was told after %v", minute, waited)
			}
			time.Sleep(time.Minute)
		}
		if n := host.tried.Load(); n > 30 {
			t.Errorf("a client that hangs was called %d times in 20 minutes", n)
		}
		host.repaired.Store(true)
		time.Sleep(25 * time.Minute)
		if n := host.calls(); n != many+20 {
			t.Errorf("%d logouts were taken, want %d", n, many+20)
		}
	})
}

// What can not be delivered is dropped; other nodes' news are found without
// being woken.
func TestLogoutsOfNobody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		data   string
		change func(*store.Client)
	}{
		"unknown client":  {strings.Replace(aLogout, "web", "nobody", 1), func(*store.Client) {}},
		"disabled client": {aLogout, func(c *store.Client) { c.Disabled = true }},
		"no address":      {aLogout, func(c *store.Client) { c.BackchannelLogoutURI = "" }},
		"damaged":         {"{", func(*store.Client) {}},
	} {
		synctest.Test(t, func(t *testing.T) {
			rp := &relyingParty{}
			w := logoutWorld(t, rp, tt.change)
			w.ended("a", tt.data)
			time.Sleep(time.Minute)
			if rp.calls() != 0 {
				t.Errorf("%s: %d calls", name, rp.calls())
			}
			if _, err := w.store.ClaimDelivery(t.Context(), store.BackchannelLogout, time.Now().Add(time.Hour), time.Now()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: it is still queued: %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		rp := &relyingParty{}
		w := logoutWorld(t, rp, func(*store.Client) {})
		synctest.Wait()
		now := time.Now()
		err := w.store.PutDelivery(t.Context(), store.Delivery{Kind: store.BackchannelLogout, ID: "x", Data: []byte(aLogout), DueAt: now, CreatedAt: now, ExpiresAt: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if rp.calls() != 1 {
			t.Errorf("%d calls for what another node queued", rp.calls())
		}
	})
}

// A real server, by the default client: no redirect is followed.
func TestDefaultLogoutClient(t *testing.T) {
	t.Parallel()
	called := make(chan string, 2)
	rp := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer rp.Close()
	w := newWorld(t)
	c, err := w.store.Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	c.BackchannelLogoutURI = rp.URL + "/logout"
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.server.DeliverLogouts(ctx) }()
	w.ended("a", aLogout)
	if path := <-called; path != "/logout" {
		t.Errorf("called %s", path)
	}
	cancel()
	<-done
	if len(called) > 0 {
		t.Errorf("a redirect was followed to %s", <-called)
	}
}
