package target_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

func TestSetAllows(t *testing.T) {
	t.Parallel()
	s, err := target.NewSet([]string{
		"https://whole.test",
		"https://Prefix.test/a",
		"https://slash.test/a/",
		"https://port.test:8443/",
		"http://localhost:3000",
		"http://127.0.0.1:3000",
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://whole.test":                     true,
		"https://whole.test:443/x?y#z":           true,
		"https://WHOLE.test/%2f%5c":              true, // one origin, whatever the path means
		"http://whole.test/":                     false,
		"https://whole.test:444/":                false,
		"https://sub.whole.test/":                false,
		"https://whole.test.evil.test/":          false,
		"https://evilwhole.test/":                false,
		"https://prefix.test/a":                  true,
		"https://prefix.test/a?x":                true,
		"https://prefix.test/a#x":                true,
		"https://prefix.test/a/":                 true,
		"https://prefix.test/a/b/../c":           true,
		"https://prefix.test/b/../a":             true,
		"https://prefix.test/":                   false,
		"https://prefix.test":                    false,
		"https://prefix.test/ab":                 false,
		"https://prefix.test/A":                  false,
		"https://prefix.test/%61":                false,
		"https://prefix.test//a":                 false,
		"https://prefix.test/a/..":               false,
		"https://prefix.test/a/../b":             false,
		"https://prefix.test/a/%2e%2E/b":         false,
		"https://prefix.test/a/.%2e/b":           false,
		"https://prefix.test/a/%2e./b":           false,
		"https://prefix.test/a/..%2fb":           false,
		"https://prefix.test/a/%2F../b":          false,
		"https://prefix.test/a%2f..%2fb":         false,
		"https://prefix.test/a/..%5cb":           false,
		"https://prefix.test/a/%252e%252e/b":     false,
		"https://prefix.test/a/%25252e%25252e/b": false,
		"https://prefix.test/a/..;/b":            false,
		"https://prefix.test/a/..;x=1/b":         false,
		"https://prefix.test/a/%2e%2e;/b":        false,
		"https://prefix.test/a/.;/b":             false,
		"https://prefix.test/a/x%00":             false,
		"https://prefix.test/a/100%25":           true,
		"https://prefix.test/a/x;y":              true,
		"https://prefix.test?/a":                 false,
		"https://prefix.test#/a":                 false,
		"https://slash.test/a/":                  true,
		"https://slash.test/a/b":                 true,
		"https://slash.test/a":                   false,
		"https://slash.test/ab":                  false,
		"https://port.test:8443/x":               true,
		"https://port.test/":                     false,
		"http://localhost:3000/":                 true,
		"http://localhost:3001/":                 false, // loopback ports count for targets
		"http://127.0.0.1:3000/":                 true,
		"http://127.0.0.2:3000/":                 false,
		"https://localhost:3000/":                false,
	} {
		u, err := target.Parse(raw)
		if err != nil {
			t.Errorf("Parse(%q): %v", raw, err)
			continue
		}
		if got := s.Allows(u); got != want {
			t.Errorf("Allows(%q) = %v, want %v", raw, got, want)
		}
		if (target.Set{}).Allows(u) {
			t.Errorf("the empty set allows %q", raw)
		}
	}
	if s.Allows(target.URL{}) {
		t.Error("a set allows the zero URL")
	}
	app, _ := target.ParseRedirect("com.example.app:/cb")
	if s.Allows(app) {
		t.Error("a set allows a private-use scheme")
	}
	want := []string{"https://whole.test", "https://prefix.test", "https://slash.test", "https://port.test:8443", "http://localhost:3000", "http://127.0.0.1:3000"}
	if got := s.Origins(); !slices.Equal(got, want) {
		t.Errorf("Origins() = %q, want %q", got, want)
	}
}

func TestNewSetFaults(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", "a.test", "*", "https://*.a.test", "https://a.test?x", "https://a.test/#", "https://a.test/a/../b",
		"https://a.test/%2e", "https://a.test/%2f", "http://a.test", "https://u@a.test", "com.example.app:/cb", "https://a.test/a/..;/",
	}
	s, err := target.NewSet(append(bad, "https://good.test"), false)
	if err == nil {
		t.Fatal("no error")
	}
	if got := strings.Count(err.Error(), "bad target "); got != len(bad) {
		t.Errorf("%d faults reported, want %d:\n%v", got, len(bad), err)
	}
	if got := s.Origins(); !slices.Equal(got, []string{"https://good.test"}) {
		t.Errorf("Origins() = %q, want the good entry", got)
	}
	if _, err := target.NewSet([]string{"http://a.test"}, true); err != nil {
		t.Errorf("http with allowHTTP: %v", err)
	}
}

func TestRedirectSetAllows(t *testing.T) {
	t.Parallel()
	s, err := target.NewRedirectSet([]string{
		"https://a.test/cb",
		"https://q.test/cb?x=1",
		"http://127.0.0.1/cb",
		"http://[::1]:4000/cb",
		"http://localhost/cb?x",
		"https://localhost:8443/cb",
		"com.example.app:/cb",
	}, []string{"https://news.test/articles"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://a.test/cb":                 true,
		"https://A.test/cb":                 false, // compared as a string
		"https://a.test:443/cb":             false,
		"https://a.test/cb?":                false,
		"https://a.test/cb/":                false,
		"https://a.test/x/../cb":            false,
		"https://a.test/%63b":               false,
		"http://a.test/cb":                  false,
		"https://q.test/cb?x=1":             true,
		"https://q.test/cb?x=1&y=2":         false,
		"https://q.test/cb":                 false,
		"http://127.0.0.1/cb":               true,
		"http://127.0.0.1:51004/cb":         true, // RFC 8252, section 7.3
		"http://127.0.0.1:51004/cb?x":       false,
		"http://127.0.0.1:51004/":           false,
		"http://127.0.0.2:51004/cb":         false,
		"https://127.0.0.1:51004/cb":        false,
		"http://[::1]:1/cb":                 true,
		"http://[::1]/cb":                   true,
		"http://localhost:3000/cb?x":        true,
		"https://localhost:8443/cb":         true,
		"https://localhost:8444/cb":         false,
		"com.example.app:/cb":               true,
		"com.example.app://cb":              false,
		"COM.example.app:/cb":               false,
		"com.example.app:/cb?x":             false,
		"https://news.test/articles/1?x=y":  true,
		"https://news.test/articles":        true,
		"https://news.test/articles2":       false,
		"https://news.test/articles/../x":   false,
		"https://news.test/articles/..%2fx": false,
		"https://news.test:444/articles/1":  false,
	} {
		u, err := target.ParseRedirect(raw)
		if err != nil {
			t.Errorf("ParseRedirect(%q): %v", raw, err)
			continue
		}
		if got := s.Allows(u); got != want {
			t.Errorf("Allows(%q) = %v, want %v", raw, got, want)
		}
		if (target.RedirectSet{}).Allows(u) {
			t.Errorf("the empty set allows %q", raw)
		}
	}
	if s.Allows(target.URL{}) {
		t.Error("a set allows the zero URL")
	}
	if u, _ := target.Parse("https://news.test/articles/#x"); s.Allows(u) {
		t.Error("a prefix allows a redirect URI with a fragment")
	}
	want := []string{"https://a.test", "https://q.test", "http://127.0.0.1", "http://[::1]:4000", "http://localhost", "https://localhost:8443", "https://news.test"}
	if got := s.Origins(); !slices.Equal(got, want) {
		t.Errorf("Origins() = %q, want %q", got, want)
	}
}

func TestRedirectSetOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		exact, prefixes []string
		want            string
	}{
		{nil, nil, ""},
		{[]string{"https://a.test/cb"}, nil, "https://a.test/cb"},
		{[]string{"https://a.test/cb", "https://b.test/cb"}, nil, ""},
		{[]string{"https://a.test/cb"}, []string{"https://b.test/"}, ""},
		{nil, []string{"https://b.test/"}, ""},
	} {
		s, err := target.NewRedirectSet(tt.exact, tt.prefixes, false)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := s.Only(); u.String() != tt.want || ok != (tt.want != "") {
			t.Errorf("Only() of %q, %q = %q, %v; want %q", tt.exact, tt.prefixes, u.String(), ok, tt.want)
		}
	}
}

func TestFor(t *testing.T) {
	t.Parallel()
	u, _ := target.Parse("https://a.test/x")
	c := store.Client{ID: t.Name(), Targets: []string{"https://a.test"}, RedirectURIs: []string{"https://a.test/x", "myapp:/bad"}}
	for range 2 {
		if !target.For(&c).Allows(u) || !target.RedirectsFor(&c).Allows(u) {
			t.Error("refused, want allowed")
		}
	}
	if err := target.Check(&c); err == nil || !strings.Contains(err.Error(), "myapp:/bad") {
		t.Errorf("Check = %v, want a fault for myapp:/bad", err)
	}
	// A change of the record shows at once, also one of an element.
	c.Targets[0] = "https://b.test"
	c.RedirectURIs = nil
	if target.For(&c).Allows(u) || target.RedirectsFor(&c).Allows(u) {
		t.Error("allowed after the client's record changed")
	}
	if err := target.Check(&c); err != nil {
		t.Errorf("Check = %v", err)
	}
}

func FuzzTarget(f *testing.F) {
	for _, raw := range refused {
		f.Add(raw, "error", "x")
	}
	f.Add("https://a.test/a/b?x&error=1&&y=%zz#f", "error", "å\r\n\\")
	f.Add("http://127.0.0.1:8080/../a?a+b=c", "a b", "")
	f.Add("com.example.app:/cb", "code", "x")
	set, err := target.NewSet([]string{"https://a.test/a", "http://127.0.0.1:8080"}, false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw, key, value string) {
		u, err := target.Parse(raw)
		if err != nil {
			if !u.IsZero() || set.Allows(u) {
				t.Fatalf("refused %q is not zero", raw)
			}
			return
		}
		std, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("passed %q, but net/url says %v", raw, err)
		}
		if got := store.TargetOrigin(raw); got != u.Origin() {
			t.Fatalf("origin of %q: %q and %q", raw, u.Origin(), got)
		}
		if u.String() != raw || std.User != nil || std.Opaque != "" {
			t.Fatalf("String() of %q is %q", raw, u.String())
		}
		if !strings.HasPrefix(u.Path(), "/") || strings.Contains(u.Path()+"/", "/../") || strings.Contains(u.Path()+"/", "/./") {
			t.Fatalf("path of %q: %q", raw, u.Path())
		}
		if set.Allows(u) && u.Origin() != "https://a.test" && u.Origin() != "http://127.0.0.1:8080" {
			t.Fatalf("allowed %q", raw)
		}
		if u.Origin() == "https://a.test" && set.Allows(u) && u.Path() != "/a" && !strings.HasPrefix(u.Path(), "/a/") {
			t.Fatalf("allowed path of %q", raw)
		}

		got := u.With(key, value)
		for i := range len(got) {
			if got[i] <= ' ' || got[i] >= 0x7f || got[i] == '\\' {
				t.Fatalf("With of %q: byte %#x in %q", raw, got[i], got)
			}
		}
		// Only the query differs, and in it only the parts of that key.
		wantHead, _, _ := strings.Cut(raw, "#")
		wantHead, _, _ = strings.Cut(wantHead, "?")
		head, rest, _ := strings.Cut(got, "?")
		_, fragment, has := strings.Cut(raw, "#")
		query, gotFragment, gotHas := strings.Cut(rest, "#")
		if head != wantHead || fragment != gotFragment || has != gotHas {
			t.Fatalf("With of %q changed more than the query: %q", raw, got)
		}
		added := url.QueryEscape(key) + "=" + url.QueryEscape(value)
		if !strings.HasSuffix(query, added) {
			t.Fatalf("With of %q: %q does not end with %q", raw, query, added)
		}
		values, _ := url.ParseQuery(query)
		if len(values[key]) != 1 || values.Get(key) != value {
			t.Fatalf("With of %q: %q has %q", raw, query, values[key])
		}
		kept := strings.TrimSuffix(strings.TrimSuffix(query, added), "&")
		if !isSubsequence(strings.Split(kept, "&"), strings.Split(std.RawQuery, "&")) {
			t.Fatalf("With of %q: kept %q", raw, kept)
		}
	})
}

// isSubsequence reports whether every non-empty part of a stands in b, in order.
func isSubsequence(a, b []string) bool {
	for _, part := range a {
		if part == "" {
			continue
		}
		i := slices.Index(b, part)
		if i < 0 {
			return false
		}
		b = b[i+1:]
	}
	return true
}
