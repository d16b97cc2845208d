package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
)

// eachAlone gives every request an address of its own, so that no limit hides
// what is looked for.
func eachAlone(c *oauth.Config) {
	var n atomic.Int64
	c.AddressKey = func(*http.Request) string { return strconv.FormatInt(n.Add(1), 10) }
}

func FuzzAuthorizeRequest(f *testing.F) {
	for _, v := range []url.Values{ask("web"), ask("spa"), ask("off"), without(ask("web"), "code_challenge"), with(ask("web"), "state", "å\r\n\\")} {
		f.Add(v.Encode())
	}
	for _, extra := range []string{"prompt=none", "prompt=login+none", "max_age=0&run=x", "max_age=99999999999999999999", "login_hint=kari@news.test&run=a&run=b", "prompt=select_account&lang=a&lang=b"} {
		f.Add(ask("web").Encode() + "&" + extra)
	}
	f.Add("client_id=web&redirect_uri=https://app.test/cb&response_type=code;x&state=%zz")
	f.Add("client_id=web&redirect_uri=//evil.test&client_id=web")
	p := newPortal(f)
	in := p.browser()
	in.login()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/user/oauth/authorize", nil)
		r.URL.RawQuery = query
		r.RequestURI = "/user/oauth/authorize"
		for _, c := range in.jar.Cookies(must(url.Parse(issuer))) {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		switch w.Code {
		case http.StatusFound:
			if strings.HasPrefix(to, issuer+"/oauthLogin?") { // what is asked of the user needs a page
				if w := in.get(to); w.Code == http.StatusFound && !strings.HasPrefix(w.Header().Get("Location"), appURI+"?") || w.Code >= 400 {
					t.Fatalf("%q: the page is answered %d %q", query, w.Code, w.Header().Get("Location"))
				}
				return
			}
			if !strings.HasPrefix(to, appURI+"?") || strings.ContainsAny(to, "\r\n\t \\") {
				t.Fatalf("%q leads to %q", query, to)
			}
			q := must(url.Parse(to)).Query()
			sent, _ := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
			if q.Has("code") == q.Has("error") || len(q["code"]) > 1 || len(q["iss"]) != 1 {
				t.Fatalf("%q is answered %q", query, to)
			}
			if q.Has("state") && q.Get("state") != sent.Get("state") || q.Has("code") && q.Get("state") != sent.Get("state") {
				t.Fatalf("%q: state %q", query, q.Get("state"))
			}
			if q.Has("code") && sent.Get("client_id") != "oldnopkce" && sent.Get("code_challenge_method") != "S256" {
				t.Fatalf("%q: a code without PKCE", query)
			}
		case http.StatusBadRequest, http.StatusRequestURITooLong:
			if to != "" {
				t.Fatalf("%q is refused and leads to %q", query, to)
			}
		default:
			t.Fatalf("%q: status %d", query, w.Code)
		}
	})
}

func FuzzTokenRequest(f *testing.F) {
	const secret = "8Yl5_Jm1xq0ZVn3cK7TgPw2aBdE9fHiLoRuSvXyQtMk" // of the client "fuzz"
	w := newWorld(f, withEcho, eachAlone)
	c := clients()[0]
	c.ID, c.Secrets = "fuzz", []string{must(oauth.HashSecret(secret))}
	if err := w.store.PutClient(f.Context(), c); err != nil {
		f.Fatal(err)
	}
	auth := rawBasic("fuzz:" + secret)
	tokens := w.ok(basic("fuzz", secret, redeem(w.putCode("fuzz"))))
	f.Add("grant_type=client_credentials", "", auth, "application/x-www-form-urlencoded")
	f.Add("grant_type=client_credentials&client_id=fuzz&client_secret="+secret, "client_id=fuzz", "", "application/x-www-form-urlencoded;charset=utf-8")
	f.Add(redeem("code").Encode(), "code=x", auth, "application/x-www-form-urlencoded")
	f.Add(refreshWith(tokens.Refresh).Encode(), "", auth, "application/x-www-form-urlencoded")
	f.Add("grant_type="+extURN+"&user=u&user=u", "", auth, "application/x-www-form-urlencoded")
	f.Add("grant_type=refresh_token&client_id=spa&refresh_token=a.b&scope=\"", "%zz", "", "text/plain")
	endpoints := []http.Handler{w.token, w.server.Revoke(), w.server.Introspect()}
	f.Fuzz(func(t *testing.T, body, query, authorization, contentType string) {
		for _, h := range endpoints {
			r := newPost(body)
			r.URL.RawQuery = query
			r.Header.Set("Content-Type", contentType)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			a := do(t, h, r)
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("headers %v", a.Header)
			}
			switch a.Status {
			case 200:
				if a.Error != "" {
					t.Fatalf("200 %s", a.Body)
				}
				form, _ := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
				proven := form.Get("client_secret") == secret || strings.HasPrefix(strings.ToLower(authorization), "basic ")
				if a.Access != "" && !proven && form.Get("client_id") != "spa" {
					t.Fatalf("a token for body %q, authorization %q", body, authorization)
				}
			case 400, 401, 403, 413, 414:
				if a.Error == "" || a.Access != "" || a.Refresh != "" {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
			default:
				t.Fatalf("status %d %s", a.Status, a.Body)
			}
		}
	})
}

func FuzzBasicAuth(f *testing.F) {
	for _, s := range []string{"a", ":", "%", "+", "%41", "a b", "æ", "\x00", "\xff", "%zz", "=", strings.Repeat("x", 256)} {
		f.Add("client", s)
		f.Add(s, "secret")
	}
	f.Fuzz(func(t *testing.T, id, secret string) {
		if id == "" || secret == "" || len(id) > 256 || len(secret) > 256 {
			t.Skip()
		}
		w := newWorld(t, eachAlone)
		sum := sha256.Sum256([]byte(secret))
		c := store.Client{
			ID: id, GrantTypes: []string{"client_credentials"},
			Secrets: []string{"sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])},
		}
		if err := w.store.PutClient(t.Context(), c); err != nil {
			t.Skip()
		}
		v := form("grant_type", "client_credentials")
		w.ok(basic(id, secret, v))
		w.ok(newPost(with(with(v, "client_id", id), "client_secret", secret).Encode()))
		if !strings.Contains(id, ":") && !isClient(must2(url.QueryUnescape(id))) && len(id)+len(secret) > 0 {
			r := newPost(v.Encode())
			r.Header.Set("Authorization", rawBasic(id+":"+secret))
			w.ok(r)
		}
		for _, wrong := range []string{secret + "x", "x" + secret, secret[1:]} {
			if wrong == secret || len(wrong) > 256 || wrong == "" {
				continue
			}
			if a := w.do(newPost(with(with(v, "client_id", id), "client_secret", wrong).Encode())); a.Status != 401 {
				t.Fatalf("client %q, secret %q for %q: %d %s", id, wrong, secret, a.Status, a.Body)
			}
		}
	})
}

// isClient reports whether the id is one that every test's world has.
func isClient(id string) bool {
	for _, c := range clients() {
		if c.ID == id {
			return true
		}
	}
	return false
}

func must2(s string, _ error) string { return s }
