package target_test

import (
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := "https://a.test/" + strings.Repeat("x", target.MaxLength-len("https://a.test/"))
	for _, tt := range []struct{ raw, origin, path string }{
		{"https://a.test", "https://a.test", "/"},
		{"https://a.test/", "https://a.test", "/"},
		{"HTTPS://A.Test/B", "https://a.test", "/B"},
		{"hTTp://127.0.0.1:8080/cb", "http://127.0.0.1:8080", "/cb"},
		{"http://a.test:80/", "http://a.test", "/"},
		{"https://a.test:443", "https://a.test", "/"},
		{"https://a.test:80/", "https://a.test:80", "/"},
		{"http://a.test:443/", "http://a.test:443", "/"},
		{"https://a.test:65535/", "https://a.test:65535", "/"},
		{"http://[::1]:80/x", "http://[::1]", "/x"},
		{"https://[2001:DB8::1]/", "https://[2001:db8::1]", "/"},
		{"https://xn--bl-yia.test/", "https://xn--bl-yia.test", "/"},
		{"https://a_b.test/", "https://a_b.test", "/"},
		{"https://0.0.0.0/", "https://0.0.0.0", "/"},
		{"https://1a/", "https://1a", "/"},
		{"https://a.test?x", "https://a.test", "/"},
		{"https://a.test#x", "https://a.test", "/"},
		{"https://a.test?@evil.test/..", "https://a.test", "/"},
		{"https://a.test#@evil.test", "https://a.test", "/"},
		{"https://a.test//evil.test", "https://a.test", "//evil.test"},
		{"https://a.test/@evil.test", "https://a.test", "/@evil.test"},
		{"https://a.test/a/../b/./c/.", "https://a.test", "/b/c/"},
		{"https://a.test/../../b/..", "https://a.test", "/"},
		{"https://a.test/a/%2e%2E/b/%2e", "https://a.test", "/b/"},
		{"https://a.test/a/.%2e/b", "https://a.test", "/b"},
		{"https://a.test/a//../b", "https://a.test", "/a/b"},
		{"https://a.test/a/.../b", "https://a.test", "/a/.../b"},
		{"https://a.test/a;p=1/b", "https://a.test", "/a;p=1/b"},
		{"https://a.test/?q=%&{}|^`", "https://a.test", "/"},
		{"https://user.oauth.test/user/oauth/authorize?client_id=a&redirect_uri=https://b.test/x?y", "https://user.oauth.test", "/user/oauth/authorize"},
		{long, "https://a.test", long[len("https://a.test"):]},
	} {
		u, err := target.Parse(tt.raw)
		if err != nil || u.Origin() != tt.origin || u.Path() != tt.path || u.String() != tt.raw || u.IsZero() {
			t.Errorf("Parse(%q) = %q, %q, %v; want %q, %q", tt.raw, u.Origin(), u.Path(), err, tt.origin, tt.path)
		}
		if want := store.TargetOrigin(tt.raw); u.Origin() != want {
			t.Errorf("Parse(%q).Origin() = %q, store.TargetOrigin says %q", tt.raw, u.Origin(), want)
		}
	}
}

// refused are the known ways to make a check and a browser disagree.
var refused = map[string]string{
	"empty":                       "",
	"relative":                    "/path",
	"scheme relative":             "//evil.test/",
	"three slashes":               "https:///evil.test",
	"one slash":                   "https:/evil.test",
	"no slash":                    "https:evil.test",
	"backslash path":              `/\evil.test`,
	"backslashes for slashes":     `https:\\evil.test`,
	"backslash in the authority":  `https://evil.test\@a.test`,
	"backslash after the host":    `https://a.test\.evil.test`,
	"backslash in the path":       `https://a.test/\evil`,
	"backslash in the query":      `https://a.test/?\`,
	"backslash in the fragment":   `https://a.test/#\`,
	"tab in the scheme":           "ht\ttps://evil.test",
	"tab in the slashes":          "https:/\t/evil.test",
	"tab in the host":             "https://a.t\test",
	"line feed":                   "https://a.test/\n",
	"carriage return":             "https://a.test/\r\nSet-Cookie: a=b",
	"zero byte":                   "https://a.test/\x00",
	"delete":                      "https://a.test/\x7f",
	"space before":                " https://a.test/",
	"space behind":                "https://a.test/ ",
	"space in the query":          "https://a.test/?a b",
	"control before":              "\x01https://a.test/",
	"quote":                       `https://a.test/?"`,
	"angle brackets":              "https://a.test/?<x>",
	"userinfo":                    "https://a.test@evil.test/",
	"password":                    "https://a.test:443@evil.test/",
	"empty userinfo":              "https://@a.test/",
	"encoded at sign":             "https://a.test%40evil.test/",
	"javascript":                  "javascript:alert(1)",
	"javascript, mixed case":      "JaVaScRiPt://a.test/%0aalert(1)",
	"data":                        "data:text/html,x",
	"vbscript":                    "vbscript:x",
	"file":                        "file:///etc/passwd",
	"ftp":                         "ftp://a.test/",
	"blob":                        "blob:https://a.test/x",
	"view-source":                 "view-source:https://a.test/",
	"websocket":                   "wss://a.test/",
	"private-use scheme":          "com.example.app:/cb",
	"empty host":                  "https://",
	"empty host, path":            "https:///",
	"empty host, query":           "https://?a.test",
	"empty host, port":            "https://:443/",
	"full-width host":             "https://ａ.test/",
	"ideographic full stop":       "https://a。test/",
	"ignorable character":         "https://a\u00ad.test/",
	"raw IDN":                     "https://blå.test/",
	"fraction slash":              "https://a.test⁄evil.test/",
	"raw non-ASCII path":          "https://a.test/blå",
	"invalid UTF-8":               "https://a.test/\xff",
	"encoded host":                "https://%61.test/",
	"encoded dot in the host":     "https://a%2etest/",
	"trailing dot":                "https://a.test./",
	"leading dot":                 "https://.a.test/",
	"two dots":                    "https://a..test/",
	"asterisk":                    "https://*.test/",
	"comma":                       "https://a.test,evil.test/",
	"semicolon":                   "https://a.test;evil.test/",
	"ampersand":                   "https://a.test&evil.test/",
	"exclamation mark":            "https://a.test!evil.test/",
	"IPv4, hexadecimal":           "http://0x7f.1/",
	"IPv4, one hexadecimal":       "http://0x7f000001/",
	"IPv4, empty hexadecimal":     "http://1.0x/",
	"IPv4, octal":                 "http://0177.0.0.1/",
	"IPv4, octal zeros":           "http://127.0.00.1/",
	"IPv4, short":                 "http://127.1/",
	"IPv4, decimal":               "http://2130706433/",
	"IPv4, five parts":            "http://127.0.0.0.1/",
	"IPv4, too great":             "http://127.0.0.256/",
	"IPv4, trailing dot":          "http://127.0.0.1./",
	"IPv4, sign":                  "http://-1/",
	"IPv4, sign behind 0x":        "http://0x-80/",
	"hyphen at the end":           "https://a-.test/",
	"IPv4, name before":           "http://a.1/",
	"IPv6, zone":                  "http://[fe80::1%25eth0]/",
	"IPv6, raw zone":              "http://[fe80::1%eth0]/",
	"IPv6, long form":             "http://[0:0:0:0:0:0:0:1]/",
	"IPv6, leading zeros":         "http://[::01]/",
	"IPv6, mapped":                "http://[::ffff:127.0.0.1]/",
	"IPv6, no bracket":            "http://[::1/",
	"IPv6, bare":                  "http://::1/",
	"IPv6, text behind":           "http://[::1].evil.test/",
	"IPv6, text before":           "http://a[::1]/",
	"IPvFuture":                   "http://[v1.a]/",
	"IPv6, IPv4 in brackets":      "http://[127.0.0.1]/",
	"port, empty":                 "https://a.test:/",
	"port, zero":                  "https://a.test:0/",
	"port, leading zero":          "https://a.test:0443/",
	"port, too great":             "https://a.test:65536/",
	"port, too long":              "https://a.test:4294967739/",
	"port, sign":                  "https://a.test:+443/",
	"port, letters":               "https://a.test:https/",
	"port, two":                   "https://a.test:1:2/",
	"port, other digits":          "https://a.test:４43/",
	"bad percent in the path":     "https://a.test/%",
	"bad percent in the path, 2":  "https://a.test/%2",
	"bad percent in the path, 3":  "https://a.test/%g0",
	"brace in the path":           "https://a.test/{x}",
	"backquote in the path":       "https://a.test/`",
	"too long":                    "https://a.test/" + strings.Repeat("x", target.MaxLength),
	"host too long":               "https://" + strings.Repeat("a.", 130) + "test/",
	"two URLs":                    "https://a.test/, https://evil.test/",
	"scheme only":                 "https",
	"word before":                 "url:https://a.test/",
	"encoded scheme separator":    "https%3a//a.test/",
	"slash encoded in authority":  "https://a.test%2f.evil.test/",
	"backslash encoded in a host": "https://evil.test%5c.a.test/",
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range refused {
		if u, err := target.Parse(raw); err == nil || !u.IsZero() {
			t.Errorf("%s: Parse(%q) = %q, %v; want an error", name, raw, u.Origin(), err)
		}
	}
}

func TestParseRedirect(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"https://a.test/cb":             true,
		"https://a.test/cb?x=1":         true,
		"http://127.0.0.1/cb":           true,
		"com.example.app:/cb":           true,
		"com.example.app://cb":          true,
		"com.example.app:cb":            true,
		"com.example+x-1.app:/cb":       true,
		"https://a.test/cb#":            false, // RFC 6749, section 3.1.2
		"https://a.test/#x":             false,
		"com.example.app:/cb#x":         false,
		"com.example.app:":              false,
		"com.example.app":               false,
		"myapp:/cb":                     false, // not in reverse domain form
		"javascript:alert(1)":           false,
		"javascript.x(1):1":             false,
		"1com.example:/cb":              false,
		".example:/cb":                  false,
		"com.exa%6dple:/cb":             false,
		"//com.example.app:/cb":         false,
		"com.example.app:/\\cb":         false,
		"com.example.app:/c b":          false,
		"urn:ietf:wg:oauth:2.0:oob":     false,
		"/cb":                           false,
		"":                              false,
		"https://a.test/\r\nLocation:x": false,
	} {
		u, err := target.ParseRedirect(raw)
		if (err == nil) != ok {
			t.Errorf("ParseRedirect(%q) = %v, want ok %v", raw, err, ok)
		}
		if ok && u.String() != raw {
			t.Errorf("ParseRedirect(%q).String() = %q", raw, u.String())
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"http://localhost/":       true,
		"http://LocalHost:3000/":  true,
		"http://app.localhost/":   true,
		"http://127.0.0.1/":       true,
		"http://127.8.9.10/":      true,
		"http://[::1]/":           true,
		"http://0.0.0.0/":         false,
		"http://localhost.test/":  false,
		"http://evillocalhost/":   false,
		"http://127.0.0.1.test/":  false,
		"http://[::2]/":           false,
		"http://[::7f00:1]/":      false,
		"http://10.0.0.1/":        false,
		"https://a.test/loopback": false,
	} {
		u, err := target.Parse(raw)
		if err != nil || u.IsLoopback() != want {
			t.Errorf("Parse(%q).IsLoopback() = %v, %v; want %v", raw, u.IsLoopback(), err, want)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw   string
		pairs []string
		want  string
	}{
		{"https://a.test", nil, "https://a.test"},
		{"https://a.test/?", nil, "https://a.test/?"},
		{"https://a.test", []string{"code", "x"}, "https://a.test?code=x"},
		{"HTTPS://A.test/%7e/../%2E?B", []string{"code", "x"}, "HTTPS://A.test/%7e/../%2E?B&code=x"},
		{"https://a.test/?", []string{"code", "x"}, "https://a.test/?code=x"},
		{"https://a.test/?&", []string{"code", "x"}, "https://a.test/?&code=x"},
		{"https://a.test/?a&", []string{"code", "x"}, "https://a.test/?a&code=x"},
		{"https://a.test/#f?code=1", []string{"code", "x"}, "https://a.test/?code=x#f?code=1"},
		{"https://a.test/?a=1#f", []string{"code", "x"}, "https://a.test/?a=1&code=x#f"},
		{"https://a.test/?#", []string{"code", "x"}, "https://a.test/?code=x#"},
		{"https://a.test/?flag&b=%41+%zz&&c==d?e", []string{"k", ""}, "https://a.test/?flag&b=%41+%zz&&c==d?e&k="},
		{"https://a.test/?error=1&a=2&error=3", []string{"error", "x"}, "https://a.test/?a=2&error=x"},
		{"https://a.test/?error", []string{"error", "x"}, "https://a.test/?error=x"},
		{"https://a.test/?%65rror=1&e%72ror&Error=2&error2=3", []string{"error", "x"}, "https://a.test/?Error=2&error2=3&error=x"},
		{"https://a.test/?a+b=1&a%20b=2&a%=3", []string{"a b", "x"}, "https://a.test/?a%=3&a+b=x"},
		{"https://a.test/?a=1&b=2&c=3", []string{"a", "x", "c", "y"}, "https://a.test/?b=2&a=x&c=y"},
		{"https://a.test/?a=1;error=2", []string{"error", "x"}, "https://a.test/?a=1;error=2&error=x"},
		{"https://a.test/", []string{"state", "å&=#+ \r\n\\\x00\""}, "https://a.test/?state=%C3%A5%26%3D%23%2B+%0D%0A%5C%00%22"},
		{"com.example.app:/cb?x", []string{"code", "x"}, "com.example.app:/cb?x&code=x"},
		{"com.example.app:cb", []string{"code", "x"}, "com.example.app:cb?code=x"},
	} {
		u, err := target.Parse(tt.raw)
		if strings.HasPrefix(tt.raw, "com.") {
			u, err = target.ParseRedirect(tt.raw)
		}
		if err != nil {
			t.Fatalf("Parse(%q): %v", tt.raw, err)
		}
		if got := u.With(tt.pairs...); got != tt.want {
			t.Errorf("%q With(%q)\n got %q\nwant %q", tt.raw, tt.pairs, got, tt.want)
		}
	}
	if got := (target.URL{}).With("a", "b"); got != "" {
		t.Errorf("zero URL With = %q, want nothing", got)
	}
}

func TestWithOddPairs(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("With(one) did not panic")
		}
	}()
	u, _ := target.Parse("https://a.test/")
	//lint:ignore SA5012 that the odd one is refused is what is tested
	u.With("one")
}

func TestBelow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want, path string }{
		{"https://a.example", "https://a.example/x", "/x"},
		{"https://a.example/", "https://a.example/x", "/x"},
		{"https://a.example?q", "https://a.example/x?q", "/x"},
		{"https://a.example#f", "https://a.example/x#f", "/x"},
		{"https://a.example:8443/b/c/?q=/#f/", "https://a.example:8443/b/c/x?q=/#f/", "/b/c/x"},
		{"https://a.example/b/..", "https://a.example/b/../x", "/x"},
		{"https://a.example/b/%2e%2e/", "https://a.example/b/%2e%2e/x", "/x"},
		{"https://a.example/b//", "https://a.example/b//x", "/b//x"},
	} {
		u, err := target.Parse(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Below("x")
		if err != nil || got.String() != tt.want || got.Path() != tt.path || got.Origin() != u.Origin() {
			t.Errorf("%s: Below = %s with path %s, %v; want %s with path %s", tt.raw, got, got.Path(), err, tt.want, tt.path)
		}
	}
	u, err := target.Parse("https://a.example/" + strings.Repeat("a", target.MaxLength-len("https://a.example/")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Below("x"); err == nil {
		t.Errorf("Below is longer than a URL may be: %s", got)
	}
}
