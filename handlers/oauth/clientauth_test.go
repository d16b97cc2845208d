package oauth_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/connectid-kit/connectid/handlers/oauth"
)

func rawBasic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

// request builds a client_credentials request with the given header, body and
// query parameters (name, value, …).
func request(auth string, body, query []string) *http.Request {
	v := form(body...)
	v.Set("grant_type", "client_credentials")
	r := newPost(v.Encode())
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	r.URL.RawQuery = form(query...).Encode()
	return r
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	good := rawBasic("web:" + webSecret)
	idSecret := []string{"client_id", "web", "client_secret", webSecret}
	for name, tt := range map[string]struct {
		auth        string
		body, query []string
		want        string
	}{
		"Basic":                         {good, nil, nil, ""},
		"Basic, scheme in lower case":   {"basic" + strings.TrimPrefix(good, "Basic"), nil, nil, ""},
		"body":                          {"", idSecret, nil, ""},
		"Basic and the same in body":    {good, idSecret, nil, ""},
		"Basic and client_id":           {good, idSecret[:2], nil, ""},
		"Basic and the same in query":   {good, nil, idSecret, ""},
		"body and the same in query":    {"", idSecret, idSecret, ""},
		"all three":                     {good, idSecret, idSecret, ""},
		"Basic, form-encoded":           {rawBasic("human:" + url.QueryEscape(humanSecret)), nil, nil, ""},
		"Basic, unencoded":              {rawBasic("human:" + humanSecret), nil, nil, ""},
		"body, human":                   {"", []string{"client_id", "human", "client_secret", humanSecret}, nil, ""},
		"Basic, unencoded, body agrees": {rawBasic("human:" + humanSecret), []string{"client_secret", humanSecret}, nil, ""},

		"nothing":                           {"", nil, nil, oauth.InvalidClient},
		"query alone":                       {"", nil, idSecret, oauth.InvalidClient},
		"secret in the query":               {"", idSecret[:2], idSecret, oauth.InvalidClient},
		"id alone":                          {"", idSecret[:2], nil, oauth.InvalidClient},
		"secret alone":                      {"", idSecret[2:], nil, oauth.InvalidClient},
		"empty secret":                      {"", []string{"client_id", "web", "client_secret", ""}, nil, oauth.InvalidClient},
		"wrong secret":                      {"", []string{"client_id", "web", "client_secret", "x"}, nil, oauth.InvalidClient},
		"secret with a space behind":        {"", []string{"client_id", "web", "client_secret", webSecret + " "}, nil, oauth.InvalidClient},
		"the hash as the secret":            {"", []string{"client_id", "web", "client_secret", webHash}, nil, oauth.InvalidClient},
		"another client's secret":           {"", []string{"client_id", "web", "client_secret", otherSecret}, nil, oauth.InvalidClient},
		"unknown client":                    {"", []string{"client_id", "nobody", "client_secret", webSecret}, nil, oauth.InvalidClient},
		"client id in another case":         {"", []string{"client_id", "Web", "client_secret", webSecret}, nil, oauth.InvalidClient},
		"disabled client":                   {"", []string{"client_id", "off", "client_secret", webSecret}, nil, oauth.InvalidClient},
		"public client with a secret":       {"", []string{"client_id", "spa", "client_secret", webSecret}, nil, oauth.InvalidClient},
		"oversized secret":                  {"", []string{"client_id", "web", "client_secret", strings.Repeat("x", 10000)}, nil, oauth.InvalidClient},
		"oversized id":                      {"", []string{"client_id", strings.Repeat("x", 10000), "client_secret", "x"}, nil, oauth.InvalidClient},
		"oversized Basic":                   {rawBasic("web:" + strings.Repeat("x", 10000)), nil, nil, oauth.InvalidClient},
		"Basic, empty secret":               {rawBasic("web:"), nil, nil, oauth.InvalidClient},
		"Basic, no colon":                   {rawBasic("web"), nil, nil, oauth.InvalidClient},
		"Basic, empty id":                   {rawBasic(":" + webSecret), nil, nil, oauth.InvalidClient},
		"Basic, not base64":                 {"Basic !", nil, nil, oauth.InvalidClient},
		"Basic, base64url":                  {"Basic " + base64.RawURLEncoding.EncodeToString([]byte("web:"+webSecret+"??>")), nil, nil, oauth.InvalidClient},
		"Basic, no value":                   {"Basic", nil, nil, oauth.InvalidClient},
		"Bearer":                            {"Bearer " + webSecret, nil, nil, oauth.InvalidClient},
		"Bearer beside a body":              {"Bearer x", idSecret, nil, oauth.InvalidClient},
		"Basic wrong, body right":           {rawBasic("web:x"), idSecret, nil, oauth.InvalidRequest},
		"Basic right, body wrong":           {good, []string{"client_secret", "x"}, nil, oauth.InvalidRequest},
		"Basic right, other id in body":     {good, []string{"client_id", "other"}, nil, oauth.InvalidRequest},
		"Basic right, other id in query":    {good, nil, []string{"client_id", "other"}, oauth.InvalidRequest},
		"Basic right, wrong query":          {good, nil, []string{"client_secret", "x"}, oauth.InvalidRequest},
		"body right, other id in query":     {"", idSecret, []string{"client_id", "other"}, oauth.InvalidRequest},
		"body right, other secret in query": {"", idSecret, []string{"client_secret", "x"}, oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := request(tt.auth, tt.body, tt.query)
			if tt.want == "" {
				w.ok(r)
				return
			}
			status := http.StatusBadRequest
			if tt.want == oauth.InvalidClient {
				status = http.StatusUnauthorized
			}
			a := w.refused(r, status, tt.want)
			if challenge := a.Header.Get("WWW-Authenticate"); (challenge != "") != (status == 401) {
				t.Errorf("WWW-Authenticate %q with status %d", challenge, status)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q on an error", a.Header.Get("Cache-Control"))
			}
		})
	}
}

func TestSeveralAuthorizationHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request(rawBasic("web:"+webSecret), nil, nil)
	r.Header.Add("Authorization", rawBasic("web:"+webSecret))
	w.refused(r, 400, oauth.InvalidRequest)
}

// Every printable secret works in all three places.
func TestPrintableSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, secret := range []string{" ", ":", "%", "+", "a b", "a:b:c", "100%", "%41", "1+1", "%zz", `"\<>&=;?#`, "æøå", "%2B+%2B", "=="} {
		c, _ := w.store.Client(t.Context(), "other")
		// A cheap hash: what is tested here is the way of the secret.
		c.Secrets = []string{cheapArgon(secret)}
		if err := w.store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.ok(request(rawBasic("other:"+secret), nil, nil))
		w.ok(request(rawBasic("other:"+url.QueryEscape(secret)), nil, nil))
		w.ok(request("", []string{"client_id", "other", "client_secret", secret}, nil))
	}
}

func cheapArgon(secret string) string {
	salt := []byte("salt of 16 bytes")
	key := argon2.IDKey([]byte(secret), salt, 1, 8, 1, 32)
	enc := base64.RawStdEncoding
	return "$argon2id$v=19$m=8,t=1,p=1$" + enc.EncodeToString(salt) + "$" + enc.EncodeToString(key)
}

// Rotation of secrets: each of several passes.
func TestSeveralSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.store.Client(t.Context(), "other")
	c.Secrets = []string{webHash, "plain", "sha256:", "", humanHash, otherHash, "$argon2id$broken", "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"}
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{webSecret, humanSecret, otherSecret} {
		w.ok(basic("other", s, form("grant_type", "client_credentials")))
	}
	w.refused(basic("other", "plain", form("grant_type", "client_credentials")), 401, oauth.InvalidClient)
}

// Unknown, disabled and wrong are one answer.
func TestUnknownClientLooksLikeWrongSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok(basic("human", humanSecret, form("grant_type", "client_credentials")))
	var bodies []string
	for _, id := range []string{"web", "human", "nobody", "off", "spa"} {
		start := time.Now()
		a := w.refused(basic(id, "wrong", form("grant_type", "client_credentials")), 401, oauth.InvalidClient)
		bodies = append(bodies, a.Body)
		// Since a client with an argon2id hash is known, every failure takes one.
		if d := time.Since(start); d < 5*time.Millisecond {
			t.Errorf("%s: answered after %v", id, d)
		}
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("answers differ: %s and %s", b, bodies[0])
		}
	}
}

func TestWrongSecretsAreLimited(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"web", "human", "nobody"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				v := form("grant_type", "client_credentials")
				from := func(addr, secret string) *http.Request {
					r := basic(id, secret, v)
					r.RemoteAddr = addr
					return r
				}
				for range 10 {
					w.refused(from("thief", "wrong"), 401, oauth.InvalidClient)
				}
				a := w.refused(from("thief", "wrong"), 429, oauth.TemporarilyUnavailable)
				if a.Header.Get("Retry-After") != "900" {
					t.Errorf("Retry-After %q, want 900", a.Header.Get("Retry-After"))
				}
				w.refused(from("elsewhere", "wrong"), 401, oauth.InvalidClient)
				switch id { // the owner, elsewhere, is not locked out
				case "web":
					w.ok(from("elsewhere", webSecret))
				case "human":
					w.ok(from("elsewhere", humanSecret))
				}
				time.Sleep(15 * time.Minute)
				w.refused(from("thief", "wrong"), 401, oauth.InvalidClient)
			})
		})
	}
}

// One address can not try many clients either, and right secrets cost nothing.
func TestWrongSecretsOfOneAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := form("grant_type", "client_credentials")
	for i := range 100 {
		w.refused(basic("client-"+string(rune('a'+i%20)), "wrong", v), 401, oauth.InvalidClient)
		if i%10 == 0 {
			w.ok(basic("web", webSecret, v))
		}
		if i == 0 {
			w.ok(basic("human", humanSecret, v)) // slow once, proven from then on
		}
	}
	w.refused(basic("web", "wrong", v), 429, oauth.TemporarilyUnavailable)
	w.ok(basic("web", webSecret, v))
	w.ok(basic("human", humanSecret, v))
}

// A burst in parallel gets no more guesses than one after the other.
func TestWrongSecretsInParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	checked := 0
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			a := do(t, w.token, basic("human", "wrong", form("grant_type", "client_credentials")))
			mu.Lock()
			defer mu.Unlock()
			if a.Status != 429 {
				checked++
			}
		})
	}
	wg.Wait()
	if checked > 10 {
		t.Errorf("%d secrets were checked, want at most 10", checked)
	}
}

// A program that starts sends its right secret many times at once: that is one
// to compare, and no wrong one, here and on the next node.
func TestRightSecretsInParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := form("grant_type", "client_credentials")
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if a := do(t, w.token, basic("human", humanSecret, v)); a.Status != 200 {
				t.Errorf("status %d", a.Status)
			}
		})
	}
	wg.Wait()
	second := newWorldOn(t, w.store)
	for range 9 { // one less than are allowed
		second.refused(basic("human", "wrong", v), 401, oauth.InvalidClient)
	}
	second.ok(basic("human", humanSecret, v))
}

func TestPublicClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := with(redeem(w.putCode("spa")), "client_id", "spa")
	a := w.ok(newPost(v.Encode()))
	a = w.ok(newPost(with(refreshWith(a.Refresh), "client_id", "spa").Encode()))
	// x/oauth2 sends the id of a public client by Basic with an empty password.
	r := newPost(refreshWith(a.Refresh).Encode())
	r.Header.Set("Authorization", rawBasic("spa:"))
	w.ok(r)
}

func TestHashSecret(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", strings.Repeat("x", 257)} {
		if h, err := oauth.HashSecret(bad); err == nil {
			t.Errorf("HashSecret(%d bytes) = %q, want an error", len(bad), h)
		}
	}
	for secret, prefix := range map[string]string{
		webSecret: "sha256:",
		"3f786850e387550fdab836ed7e6dc881de23001b9f1c4a7d05e8b9d3c6a2f417": "sha256:",
		"3F786850E387550FDAB836ED7E6DC881DE23001B9F1C4A7D05E8B9D3C6A2F417": "$argon2id$",
		"secret":                        "$argon2id$",
		strings.Repeat("a", 64):         "$argon2id$",
		strings.Repeat("0123456789", 7): "$argon2id$",
		"correct-horse-battery-staple-and-some-more-words": "$argon2id$",
		webSecret[:42]:  "$argon2id$",
		webSecret + " ": "$argon2id$",
	} {
		h, err := oauth.HashSecret(secret)
		if err != nil || !strings.HasPrefix(h, prefix) || strings.Contains(h, secret) {
			t.Errorf("HashSecret(%q) = %q, %v; want %s…", secret, h, err, prefix)
		}
	}
	a, hash := oauth.NewSecret()
	b, _ := oauth.NewSecret()
	if again, err := oauth.HashSecret(a); a == b || err != nil || again != hash {
		t.Errorf("NewSecret %q %q, HashSecret says %q", a, hash, again)
	}
}

func TestDisableClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	own := w.ok(basic("web", webSecret, form("grant_type", "client_credentials")))
	other := w.grant("other", otherSecret)
	if err := w.server.DisableClient(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	w.refused(basic("web", webSecret, refreshWith(a.Refresh)), 401, oauth.InvalidClient)
	if w.live(a.Access) || w.live(own.Access) || !w.live(other.Access) {
		t.Error("disabling a client ends its tokens, and only these")
	}
	if err := w.server.DisableClient(t.Context(), "nobody"); err == nil {
		t.Error("an unknown client was disabled")
	}
}

func TestReplaceSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	code := w.putCode("web")
	secret, err := w.server.ReplaceSecret(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	w.refused(basic("web", webSecret, refreshWith(a.Refresh)), 401, oauth.InvalidClient)
	w.refused(basic("web", secret, refreshWith(a.Refresh)), 400, oauth.InvalidGrant)
	w.refused(basic("web", secret, redeem(code)), 400, oauth.InvalidGrant)
	w.grant("web", secret)
	if _, err := w.server.ReplaceSecret(t.Context(), "nobody"); err == nil {
		t.Error("an unknown client got a secret")
	}
	if c, _ := w.store.Client(t.Context(), "web"); len(c.Secrets) != 1 || strings.Contains(c.Secrets[0], secret) {
		t.Errorf("stored secrets %q", c.Secrets)
	}
}
