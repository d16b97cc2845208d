package theme

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestAssets(t *testing.T) {
	t.Parallel()
	s := newAssetSet("/user/")
	css := strings.Repeat("a{color:red}", 50)
	sheet := s.add("no.a.test", "custom.css", "text/css", []byte(css))
	logo := s.add("no.a.test", "logo.svg", "image/svg+xml", []byte("<svg/>"))
	photo := s.add("no.b.test", "x.jpg", "image/jpeg", []byte("jpg"))
	font := s.add("", "f.woff2", "font/woff2", []byte("wOF2"))
	odd := s.add("_", "f.woff2", "font/woff2", []byte("wOF2"))

	if !regexp.MustCompile(`^/user/theme/no\.a\.test/[0-9a-f]{20}/custom\.css$`).MatchString(sheet) {
		t.Errorf("address %q", sheet)
	}
	if !strings.HasPrefix(font, "/user/theme/_/") || odd == font {
		t.Errorf("the kit's own: %q; a client called _: %q", font, odd)
	}
	if again := s.add("no.a.test", "custom.css", "text/css", []byte(css)); again != sheet {
		t.Errorf("the same file is at %q and %q", sheet, again)
	}
	if other := s.add("no.a.test", "custom.css", "text/css", []byte(css+" ")); other == sheet {
		t.Error("another file has the same address")
	}

	get := func(method, path string, header ...string) *http.Response {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}
	body := func(r io.Reader) string {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	for _, c := range []struct{ path, mediaType, corp, policy string }{
		{sheet, "text/css; charset=utf-8", "same-origin", "default-src 'none'; frame-ancestors 'none'"},
		{logo, "image/svg+xml", "cross-origin", svgPolicy},
		{photo, "image/jpeg", "cross-origin", "default-src 'none'; frame-ancestors 'none'"},
		{font, "font/woff2", "same-origin", "default-src 'none'; frame-ancestors 'none'"},
		{odd, "font/woff2", "same-origin", "default-src 'none'; frame-ancestors 'none'"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := get(method, c.path)
			for name, want := range map[string]string{
				"Content-Type": c.mediaType, "Cross-Origin-Resource-Policy": c.corp, "Content-Security-Policy": c.policy,
				"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q, want %q", method, c.path, name, got, want)
				}
			}
			if r.StatusCode != 200 || r.Header.Get("ETag") == "" || r.Header.Get("Content-Length") == "" {
				t.Errorf("%s %s: %d %v", method, c.path, r.StatusCode, r.Header)
			}
			if got := body(r.Body); (got == "") != (method == "HEAD") {
				t.Errorf("%s %s: body %q", method, c.path, got)
			}
		}
	}

	zipped := get("GET", sheet, "Accept-Encoding", "br, gzip;q=0.5")
	z, err := gzip.NewReader(zipped.Body)
	if err != nil || zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("Vary") != "Accept-Encoding" || body(z) != css {
		t.Errorf("gzip: %v %v", zipped.Header, err)
	}
	plain := get("GET", sheet, "Accept-Encoding", "gzip;q=0")
	if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("ETag") == zipped.Header.Get("ETag") || body(plain.Body) != css {
		t.Errorf("plain: %v", plain.Header)
	}
	if r := get("GET", sheet, "If-None-Match", `"x", W/`+plain.Header.Get("ETag")); r.StatusCode != 304 || body(r.Body) != "" {
		t.Errorf("with its tag: %d", r.StatusCode)
	}
	if r := get("GET", sheet, "If-None-Match", `"x"`); r.StatusCode != 200 {
		t.Errorf("with another tag: %d", r.StatusCode)
	}

	hash := strings.Split(photo, "/")[4]
	for _, path := range []string{
		strings.Replace(sheet, "no.a.test", "no.b.test", 1), strings.Replace(photo, "no.b.test", "_", 1),
		strings.Replace(sheet, "custom.css", "other.css", 1), sheet + "/", "/user/theme/", "/user/theme/no.b.test/" + hash + "/",
		"/user/theme/no.b.test/../no.b.test/" + hash + "/x.jpg", "/user//theme/no.b.test/" + hash + "/x.jpg",
		"/user/theme/no.b.test/" + hash + "/%78.jpg", strings.ToUpper(photo),
	} {
		if r := get("GET", path); r.StatusCode != 404 || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
	if r := get("POST", sheet); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", r.StatusCode)
	}
}
