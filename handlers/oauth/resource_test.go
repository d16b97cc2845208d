package oauth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/store"
)

// resourcesOf returns what a token is for.
func (w *world) resourcesOf(a reply) []string {
	w.tb.Helper()
	t, err := w.store.AccessToken(w.tb.Context(), store.DigestOf(a.Access))
	if err != nil {
		w.tb.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
	return t.Resources
}

func withAll(v url.Values, name string, values ...string) url.Values {
	c := without(v, name)
	c[name] = values
	return c
}

// What is wrong with resource, at each endpoint that takes it (RFC 8707, section 2).
var badResources = map[string][]string{
	"not the client's":     {"https://api.three.test"},
	"one of two is not":    {api1, "https://api.three.test"},
	"a longer path":        {api1 + "/x"},
	"in another case":      {strings.ToUpper(api1)},
	"with a fragment":      {api1 + "#f"},
	"with an empty one":    {api1 + "#"},
	"with a query":         {api1 + "?x"},
	"relative":             {"/v1"},
	"without a scheme":     {"api.one.test"},
	"a scheme alone":       {"https:"},
	"with a space":         {api1 + " " + api2},
	"with a line feed":     {api1 + "\n"},
	"oversized":            {"https://api.one.test/" + strings.Repeat("x", 3000)},
	"a list in one string": {api1 + "," + api2},
}

func TestResourceAtToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withEcho)
	granted := func(c *store.AuthorizationCode) { c.Resources = []string{api1, api2} }
	refresh := w.ok(basic("apis", webSecret, redeem(w.putCode("apis", granted)))).Refresh
	for name, values := range badResources {
		code := w.putCode("apis", granted)
		for _, v := range []url.Values{clientCredentials, redeem(code), refreshWith(refresh), form("grant_type", extURN, "user", "u")} {
			w.refused(basic("apis", webSecret, withAll(v, "resource", values...)), 400, oauth.InvalidTarget)
		}
		// A code is not used up by a request that names a wrong resource.
		if a := w.do(basic("apis", webSecret, redeem(code))); a.Status != 200 {
			t.Errorf("%s: the code is gone: %s", name, a.Body)
		}
	}
	w.refused(basic("web", webSecret, with(clientCredentials, "resource", api1)), 400, oauth.InvalidTarget) // it has none

	for name, c := range map[string]struct{ values, want []string }{
		"absent":         {nil, nil},
		"empty":          {[]string{""}, nil},
		"one":            {[]string{api1}, []string{api1}},
		"another":        {[]string{api2}, []string{api2}},
		"repeated":       {[]string{api2, api1}, []string{api2, api1}},
		"the same twice": {[]string{api1, api1}, []string{api1}},
		"empty and one":  {[]string{"", api1}, []string{api1}},
	} {
		for _, v := range []url.Values{clientCredentials, form("grant_type", extURN, "user", "u"), redeem(w.putCode("apis"))} {
			a := w.ok(basic("apis", webSecret, withAll(v, "resource", c.values...)))
			if got := w.resourcesOf(a); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
			if i := w.introspect(a.Access); !slices.Equal(i.Audience, c.want) {
				t.Errorf("%s: introspection %s", name, i.Body)
			}
		}
	}
	// In the wrong place: not to take it would widen the token.
	r := basic("apis", webSecret, clientCredentials)
	r.URL.RawQuery = form("resource", api1).Encode()
	w.refused(r, 400, oauth.InvalidRequest)
	r = basic("apis", webSecret, with(clientCredentials, "resource", api1))
	r.URL.RawQuery = form("resource", api1).Encode()
	w.ok(r) // the same in both
	r = basic("apis", webSecret, with(clientCredentials, "resource", api1))
	r.URL.RawQuery = form("resource", api2).Encode()
	w.refused(r, 400, oauth.InvalidRequest)
	r = basic("apis", webSecret, withAll(clientCredentials, "resource", api1, api2))
	r.URL.RawQuery = form("resource", api1).Encode()
	w.refused(r, 400, oauth.InvalidRequest)

	// Too many are refused without being compared one by one.
	c, _ := w.store.Client(t.Context(), "apis")
	c.Resources = nil
	for i := range 20 {
		c.Resources = append(c.Resources, api1+"/"+strings.Repeat("x", i+1))
	}
	c.ID = "many"
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.ok(basic("many", webSecret, withAll(clientCredentials, "resource", c.Resources[:16]...)))
	w.refused(basic("many", webSecret, withAll(clientCredentials, "resource", c.Resources[:17]...)), 400, oauth.InvalidTarget)
	w.refused(basic("many", webSecret, withAll(clientCredentials, "resource", slices.Repeat(c.Resources, 10)...)), 400, oauth.InvalidRequest)
}

// RFC 8707, section 2.2: less than what was granted, never more, and again all of it.
func TestResourceNarrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	only1 := func(c *store.AuthorizationCode) { c.Resources = []string{api1} }
	both := func(c *store.AuthorizationCode) { c.Resources = []string{api1, api2} }
	exchange := func(code string, resources ...string) *http.Request {
		return basic("apis", webSecret, withAll(redeem(code), "resource", resources...))
	}
	w.refused(exchange(w.putCode("apis", only1), api2), 400, oauth.InvalidTarget)
	w.refused(exchange(w.putCode("apis", only1), api1, api2), 400, oauth.InvalidTarget)
	a := w.ok(exchange(w.putCode("apis", both), api2))
	if got := w.resourcesOf(a); !slices.Equal(got, []string{api2}) {
		t.Errorf("token for %q", got)
	}
	if i := w.introspect(a.Refresh); !slices.Equal(i.Audience, []string{api1, api2}) {
		t.Errorf("introspection of the refresh token %s", i.Body)
	}
	a = w.ok(basic("apis", webSecret, with(refreshWith(a.Refresh), "resource", api1)))
	if got := w.resourcesOf(a); !slices.Equal(got, []string{api1}) {
		t.Errorf("token for %q", got)
	}
	a = w.ok(basic("apis", webSecret, refreshWith(a.Refresh)))
	if got := w.resourcesOf(a); !slices.Equal(got, []string{api1, api2}) {
		t.Errorf("token for %q", got)
	}
	b := w.ok(exchange(w.putCode("apis", only1)))
	if got := w.resourcesOf(b); !slices.Equal(got, []string{api1}) {
		t.Errorf("token for %q", got)
	}
	w.refused(basic("apis", webSecret, with(refreshWith(b.Refresh), "resource", api2)), 400, oauth.InvalidTarget)
	if got := w.resourcesOf(w.ok(basic("apis", webSecret, refreshWith(b.Refresh)))); !slices.Equal(got, []string{api1}) {
		t.Errorf("token for %q", got)
	}
}

func TestResourceAtAuthorize(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.login()
	for name, values := range badResources {
		for _, in := range []*browser{b, p.browser()} {
			q := answerOf(t, in.get(authorizeURL(withAll(ask("apis"), "resource", values...))), appURI+"?")
			if q.Get("error") != oauth.InvalidTarget || q.Get("state") != "s1" || q.Has("code") {
				t.Errorf("%s: %v", name, q)
			}
		}
	}
	if q := answerOf(t, b.get(authorizeURL(with(ask("web"), "resource", api1))), appURI+"?"); q.Get("error") != oauth.InvalidTarget {
		t.Errorf("client without resources: %v", q)
	}
	for _, c := range []struct{ values, want []string }{{nil, nil}, {[]string{""}, nil}, {[]string{api2, api1}, []string{api2, api1}}, {[]string{api1, api1}, []string{api1}}} {
		q := answerOf(t, b.get(authorizeURL(withAll(ask("apis"), "resource", c.values...))), appURI+"?")
		if got := p.resourcesOf(p.ok(basic("apis", webSecret, redeem(q.Get("code"))))); !slices.Equal(got, c.want) {
			t.Errorf("asked for %q: token for %q", c.values, got)
		}
	}
}
