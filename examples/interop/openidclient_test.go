package interop

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/store"
)

// nodeSite is a site by npm's openid-client, in a process of its own.
type nodeSite struct {
	t     *testing.T
	in    io.Writer
	lines *bufio.Scanner
}

type (
	object map[string]any
	pairs  [][2]string // of a query, in which a name may stand twice

	// refusal is an error of the library.
	refusal struct {
		Error   string // that the server named
		Status  int
		Code    string // the library's own
		Message string
	}

	tokenSet struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
		Type    string `json:"token_type"`
		Scope   string `json:"scope"`
		Claims  struct {
			claims
			Audience string   `json:"aud"`
			Methods  []string `json:"amr"`
		} `json:"claims"`
	}
)

// startNode starts the process, which lives until the test ends.
func startNode(t *testing.T) *nodeSite {
	t.Helper()
	const dir = "testdata/site"
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "there is no node"
	} else if _, err := os.Stat(dir + "/node_modules/openid-client"); err != nil {
		missing = "openid-client is not installed"
	}
	switch {
	case missing != "" && os.Getenv("CI") == "true":
		t.Fatal(missing, "; prepare.sh installs what is missing")
	case missing != "":
		t.Skip(missing, "; prepare.sh installs what is missing")
	}
	var stderr strings.Builder
	cmd := exec.Command("node", "site.js")
	cmd.Dir, cmd.Stderr = dir, &stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it ends with its standard input
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the site ended with %v, and said:\n%s", err, stderr.String())
		}
	})
	n := &nodeSite{t: t, in: in, lines: bufio.NewScanner(out)}
	n.lines.Buffer(nil, 1<<20)
	return n
}

// call calls a method of site.js. It returns the requests that the library made
// for it, such as "POST /user/oauth/token 200".
func (n *nodeSite) call(method string, params object, result any) (*refusal, []string) {
	n.t.Helper()
	line, err := json.Marshal([]any{method, params})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.in.Write(append(line, '\n')); err != nil {
		n.t.Fatal(err)
	}
	if !n.lines.Scan() {
		n.t.Fatalf("the site is silent: %v", n.lines.Err())
	}
	var answer struct {
		Result   json.RawMessage
		Refused  *refusal
		Requests []string
	}
	if err := json.Unmarshal(n.lines.Bytes(), &answer); err != nil {
		n.t.Fatalf("the site says %s: %v", n.lines.Bytes(), err)
	}
	if answer.Refused == nil && result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			n.t.Fatalf("%s returns %s: %v", method, answer.Result, err)
		}
	}
	return answer.Refused, answer.Requests
}

// do is call, and must work.
func (n *nodeSite) do(method string, params object, result any) (requests []string) {
	n.t.Helper()
	refused, requests := n.call(method, params, result)
	if refused != nil {
		n.t.Fatalf("%s: %+v, after %q", method, *refused, requests)
	}
	return requests
}

// refuse is call, and must not: the server names the error code, or else the
// library one of its own.
func (n *nodeSite) refuse(method string, params object, want string) {
	n.t.Helper()
	refused, requests := n.call(method, params, nil)
	if refused == nil || refused.Error != want && refused.Code != want {
		n.t.Errorf("%s: %+v, want %s, after %q", method, refused, want, requests)
	}
}

// started is an authorization request.
type started struct {
	URL   string
	State string
}

// A site by npm's openid-client.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, auth string
		client     func(*store.Client)
	}{
		{"basic", "basic", func(*store.Client) {}},
		{"post and RS256", "post", func(c *store.Client) { c.IDTokenAlg = "RS256" }},
		{"public", "none", func(c *store.Client) { c.Public, c.Secrets, c.MayIntrospect = true, nil, false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, s := startNode(t), start(t)
			const origin, callback = "http://localhost:4711", "http://localhost:4711/callback" // nobody listens: the browser stops there
			id, secret := s.client(t, origin, func(c *store.Client) {
				c.MayIntrospect = true
				c.PostLogoutRedirectURIs = []string{origin + "/left"}
				tt.client(c)
			})
			b := newBrowser(t, origin)

			var document struct {
				PKCE       bool
				Issuer     string
				EndSession string `json:"end_session_endpoint"`
			}
			n.do("discover", object{"name": "site", "issuer": s.login, "clientId": id, "secret": secret, "auth": tt.auth}, &document)
			if !document.PKCE || document.Issuer != s.login || document.EndSession == "" {
				t.Errorf("discovery says %+v", document)
			}
			authorize := func(params ...[2]string) (a started) {
				t.Helper()
				n.do("authorize", object{"name": "site", "redirectUri": callback, "params": params}, &a)
				b.get(a.URL)
				return a
			}
			back := func(a started, params object) object {
				if b.at.Host != "localhost:4711" {
					t.Fatalf("the browser is at %s: %.1000s", b.at, b.body)
				}
				call := object{"name": "site", "state": a.State, "url": b.at.String()}
				for k, v := range params {
					call[k] = v
				}
				return call
			}

			n.refuse("callback", back(authorize([2]string{"prompt", "none"}), nil), "login_required")

			// The login.
			a := authorize()
			b.logIn()
			var set tokenSet
			n.do("callback", back(a, nil), &set)
			if set.Type != "bearer" || set.Refresh == "" || set.Claims.Subject != s.user.ID || set.Claims.Audience != id || set.Claims.Session == "" {
				t.Errorf("tokens %+v", set)
			}
			var info struct {
				Subject  string `json:"sub"`
				Email    string `json:"email"`
				Verified bool   `json:"email_verified"`
				Name     string `json:"name"`
			}
			n.do("userInfo", object{"name": "site", "token": set.Access, "subject": set.Claims.Subject}, &info)
			if info.Email != reader || !info.Verified || info.Name != "Kari Nordmann" {
				t.Errorf("UserInfo %+v", info)
			}

			// A code that is replayed costs what came of it.
			n.refuse("callback", back(a, nil), "invalid_grant")
			n.refuse("refresh", object{"name": "site", "token": set.Refresh}, "invalid_grant")
			n.refuse("userInfo", object{"name": "site", "token": set.Access, "subject": set.Claims.Subject}, "OAUTH_WWW_AUTHENTICATE_CHALLENGE")

			// Others who meddle.
			a = authorize([2]string{"prompt", "none"})
			good := back(a, nil)
			meddled := *b.at
			q := meddled.Query()
			q.Set("state", q.Get("state")+"x")
			meddled.RawQuery = q.Encode()
			n.refuse("callback", back(a, object{"url": meddled.String()}), "OAUTH_INVALID_RESPONSE")
			q = b.at.Query()
			q.Set("iss", "https://elsewhere.example")
			meddled.RawQuery = q.Encode()
			n.refuse("callback", back(a, object{"url": meddled.String()}), "OAUTH_INVALID_RESPONSE")
			n.do("callback", good, &set) // none of these has spent the code
			for _, wrong := range []struct {
				params object
				code   string
			}{
				{object{"wrong": object{"pkceCodeVerifier": strings.Repeat("v", 43)}}, "invalid_grant"},
				{object{"wrong": object{"expectedNonce": "another"}}, "OAUTH_JWT_CLAIM_COMPARISON_FAILED"},
			} {
				a = authorize()
				n.refuse("callback", back(a, wrong.params), wrong.code)
			}
			a = authorize()
			meddled = *b.at
			meddled.Path = "/elsewhere"
			n.refuse("callback", back(a, object{"url": meddled.String()}), "invalid_grant") // another redirect_uri
			var wrong started
			n.do("authorize", object{"name": "site", "redirectUri": origin + "/elsewhere"}, &wrong)
			b.get(wrong.URL).wantAt(s.login + "/oauth/authorize")

			// max_age, which the library checks in the ID token.
			a = authorize([2]string{"max_age", "3600"})
			n.do("callback", back(a, nil), &set)
			a = authorize([2]string{"prompt", "login"}, [2]string{"max_age", "60"})
			b.want("confirmUserState").press("verifyCredentialsEvent", "password", password)
			n.do("callback", back(a, nil), &set)

			// Refresh, introspection, revocation.
			before := set
			n.do("refresh", object{"name": "site", "token": set.Refresh}, &set)
			if set.Access == before.Access || set.Refresh == before.Refresh || set.ID == "" || set.Claims.claims != before.Claims.claims {
				t.Errorf("refreshed %+v, before %+v", set, before)
			}
			n.refuse("refresh", object{"name": "site", "token": set.Refresh, "params": pairs{{"scope", "openid phone"}}}, "invalid_scope")
			type introspection struct {
				Active  bool
				Subject string `json:"sub"`
				Client  string `json:"client_id"`
				Scope   string
			}
			active := func(token string) bool {
				t.Helper()
				var i introspection
				n.do("introspect", object{"name": "site", "token": token}, &i)
				if i.Active && (i.Subject != s.user.ID || i.Client != id || !slices.Contains(strings.Fields(i.Scope), "openid")) {
					t.Errorf("introspection says %+v", i)
				}
				return i.Active
			}
			if tt.auth == "none" {
				n.refuse("introspect", object{"name": "site", "token": set.Access}, "unauthorized_client")
			} else if !active(set.Access) || !active(set.Refresh) {
				t.Error("the tokens are not active")
			}
			n.do("revoke", object{"name": "site", "token": set.Refresh}, nil)
			n.do("revoke", object{"name": "site", "token": "nothing"}, nil) // RFC 7009, section 2.2
			if tt.auth != "none" && (active(set.Access) || active(set.Refresh)) {
				t.Error("tokens are active after their revocation")
			}
			n.refuse("refresh", object{"name": "site", "token": set.Refresh}, "invalid_grant")

			// Client mode.
			if tt.auth == "none" {
				n.refuse("clientCredentials", object{"name": "site"}, "unauthorized_client")
			} else {
				var own tokenSet
				n.do("clientCredentials", object{"name": "site"}, &own)
				if own.Refresh != "" || own.ID != "" || own.Type != "bearer" {
					t.Errorf("client mode: %+v", own)
				}
				n.refuse("clientCredentials", object{"name": "site", "params": pairs{{"scope", "everything"}}}, "invalid_scope")
				n.do("discover", object{"name": "forger", "issuer": s.login, "clientId": id, "secret": secret + "x", "auth": tt.auth}, nil)
				n.refuse("clientCredentials", object{"name": "forger"}, "OAUTH_WWW_AUTHENTICATE_CHALLENGE") // a 401 has one
			}

			// The logout.
			var leave string
			n.do("endSession", object{"name": "site", "params": pairs{{"id_token_hint", before.ID}, {"post_logout_redirect_uri", origin + "/left"}, {"state", "so long"}}}, &leave)
			if b.get(leave); b.wantAt(origin+"/left").Get("state") != "so long" {
				t.Errorf("the logout leads to %s", b.at)
			}
			n.refuse("callback", back(authorize([2]string{"prompt", "none"}), nil), "login_required")
		})
	}
}

// Pushed requests, tokens that are bound to the library's key, with the server's
// nonces, and to what they are for.
func TestOpenIDClientBound(t *testing.T) {
	t.Parallel()
	n, s := startNode(t), start(t)
	const (
		origin, callback = "http://localhost:4711", "http://localhost:4711/callback"
		orders           = "https://orders.example/v2"
	)
	capi := s.url + "/capi"
	id, secret := s.client(t, origin, func(c *store.Client) {
		c.RequirePAR, c.RequireDPoP, c.MayIntrospect = true, true, true
		c.Resources = []string{capi, s.login, orders}
	})
	b := newBrowser(t, origin)
	for _, name := range []string{"site", "other key"} {
		n.do("discover", object{"name": name, "issuer": s.login, "clientId": id, "secret": secret, "auth": "basic"}, nil)
	}
	var thumbprint string
	n.do("thumbprint", object{"name": "site"}, &thumbprint)

	// A request that was not pushed is refused, and so is one without a proof or one
	// that would be refused at the authorization endpoint.
	var plain, a started
	n.do("authorize", object{"name": "site", "redirectUri": callback}, &plain)
	b.get(plain.URL)
	n.refuse("callback", object{"name": "site", "state": plain.State, "url": b.at.String()}, "invalid_request")
	n.refuse("authorize", object{"name": "site", "redirectUri": origin + "/elsewhere", "par": true, "dpop": true}, "invalid_request")
	n.refuse("authorize", object{"name": "site", "redirectUri": callback, "par": true, "dpop": true, "params": pairs{{"resource", "https://elsewhere.example"}}}, "invalid_target")

	// The library learns the nonce by the refusal of its first proof.
	push := object{"name": "other key", "redirectUri": callback, "par": true, "dpop": true, "params": pairs{{"resource", capi}, {"resource", s.login}}}
	if requests := n.do("authorize", push, &a); !slices.Equal(requests, []string{"POST /user/oauth/par 400", "POST /user/oauth/par 201"}) {
		t.Errorf("the first push makes the requests %q", requests)
	}
	push["name"] = "site"
	n.do("authorize", push, &a)
	if u, err := url.Parse(a.URL); err != nil || len(u.Query()) != 2 || u.Query().Get("client_id") != id || !strings.HasPrefix(u.Query().Get("request_uri"), "urn:") {
		t.Errorf("a pushed request leads to %s, %v", a.URL, err)
	}
	b.get(a.URL).logIn()
	back := object{"name": "site", "state": a.State, "url": b.at.String(), "dpop": true}
	var set tokenSet
	n.do("callback", back, &set)
	if set.Type != "dpop" || set.Claims.Subject != s.user.ID {
		t.Errorf("tokens %+v", set)
	}
	b.get(a.URL) // the request_uri once more
	n.refuse("callback", object{"name": "site", "state": a.State, "url": b.at.String(), "dpop": true}, "invalid_request_uri")

	// The tokens pass with the key alone.
	n.do("userInfo", object{"name": "site", "token": set.Access, "subject": s.user.ID, "dpop": true}, nil)
	profile := object{"name": "site", "token": set.Access, "url": capi + "/v1/customer/profile", "dpop": true}
	var got struct {
		Status int
		Body   struct {
			UniqueID string `json:"uniqueId"`
		}
	}
	if n.do("resource", profile, &got); got.Status != 200 || got.Body.UniqueID != s.user.ID {
		t.Errorf("the profile: %+v", got)
	}
	profile["name"] = "other key"
	n.refuse("resource", profile, "OAUTH_WWW_AUTHENTICATE_CHALLENGE")
	profile["name"], profile["dpop"] = "site", false
	n.refuse("resource", profile, "OAUTH_WWW_AUTHENTICATE_CHALLENGE")
	type introspection struct {
		Active   bool
		Type     string   `json:"token_type"`
		Audience []string `json:"aud"`
		Confirm  struct {
			JKT string
		} `json:"cnf"`
	}
	var i introspection
	if n.do("introspect", object{"name": "site", "token": set.Access}, &i); !i.Active || i.Confirm.JKT != thumbprint || i.Type != "DPoP" {
		t.Errorf("introspection says %+v, the key is %s", i, thumbprint)
	}

	// Refresh: a token for less, which opens no more than that.
	n.refuse("refresh", object{"name": "site", "token": set.Refresh}, "invalid_dpop_proof")
	n.refuse("refresh", object{"name": "site", "token": set.Refresh, "dpop": true, "params": pairs{{"resource", orders}}}, "invalid_target")
	before := set
	n.do("refresh", object{"name": "site", "token": before.Refresh, "dpop": true, "params": pairs{{"resource", s.login}}}, &set)
	n.do("userInfo", object{"name": "site", "token": set.Access, "subject": s.user.ID, "dpop": true}, nil)
	n.refuse("resource", object{"name": "site", "token": set.Access, "url": capi + "/v1/customer/profile", "dpop": true}, "OAUTH_WWW_AUTHENTICATE_CHALLENGE")

	// Client mode, bound to the key and to one resource.
	n.refuse("clientCredentials", object{"name": "site"}, "invalid_dpop_proof")
	var own tokenSet
	n.do("clientCredentials", object{"name": "site", "dpop": true, "params": pairs{{"resource", orders}}}, &own)
	i = introspection{}
	if n.do("introspect", object{"name": "site", "token": own.Access}, &i); !i.Active || i.Confirm.JKT != thumbprint || !slices.Equal(i.Audience, []string{orders}) {
		t.Errorf("introspection of client mode says %+v", i)
	}

	// A code that was stolen with all its secrets is of no use without the key.
	n.do("authorize", push, &a)
	b.get(a.URL)
	n.refuse("callback", object{"name": "other key", "state": a.State, "url": b.at.String(), "dpop": true}, "invalid_grant")
}
