package pay_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/connectid-kit/connectid/handlers/pay"
)

func readScript(t *testing.T, version, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("lib", version, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const exact, dynamic = "public, max-age=31536000, immutable", "public, max-age=300"
	for path, want := range map[string]struct{ version, cache string }{
		"v/1": {"1.1.0", dynamic}, "v/1.0": {"1.0.0", dynamic}, "v/1.1": {"1.1.0", dynamic}, "v/1.0.0": {"1.0.0", dynamic},
		"public/1.0.0": {"1.0.0", exact}, "public/1.1.0": {"1.1.0", exact}, "beta": {"1.1.0", dynamic},
	} {
		for name, contentType := range map[string]string{"mediaconnectpay.js": "text/javascript; charset=utf-8", "mediaconnectpay.d.ts": "application/typescript; charset=utf-8"} {
			w := s.do(s.scripts, http.MethodGet, "/mcpay/lib/"+path+"/"+name, "")
			h := w.Header()
			if w.Code != 200 || w.Body.String() != readScript(t, want.version, name) || h.Get("Content-Type") != contentType || h.Get("Cache-Control") != want.cache {
				t.Errorf("%s/%s: %d %v", path, name, w.Code, h)
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin", "Vary": "Accept-Encoding",
				"Set-Cookie": "", "Strict-Transport-Security": "max-age=31536000", "Content-Encoding": "",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %s: %q, want %q", path, name, got, want)
				}
			}
		}
	}
	for _, path := range []string{
		"v/2", "v/1.2", "v/1.1.1", "v/0", "v/01", "v/1.", "v/.1", "v/1.0.0.0", "v/+1", "v/-1", "v/1a", "v/", "v", "v/latest", "v/99999999999999999999", "v/beta",
		"public/1", "public/1.0", "public/1.2.0", "public/01.0.0", "public/beta", "public/../v/1", "beta/1.0.0", "next", "", "1.0.0",
	} {
		w := s.do(s.scripts, http.MethodGet, "/mcpay/lib/"+path+"/mediaconnectpay.js", "")
		if w.Code != 404 || w.Header().Get("Cache-Control") != "public, max-age=60" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/mcpay/lib/v/1/other.js", "/mcpay/lib/v/1/", "/mcpay/lib/v/1", "/mcpay/", "/mcpay/lib/", "/lib/v/1/mediaconnectpay.js", "/mcpay/lib/v/1/mediaconnectpay.js/x"} {
		if w := s.do(s.scripts, http.MethodGet, path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodOptions} {
		if w := s.do(s.scripts, method, "/mcpay/lib/v/1/mediaconnectpay.js", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	other := newSite(t, func(c *pay.Config) { c.ScriptPrefix, c.ScriptMaxAge = "/", time.Hour })
	if w := other.do(other.scripts, http.MethodGet, "/lib/v/1/mediaconnectpay.js", ""); w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("at the root: %d %v", w.Code, w.Header())
	}
}

func TestScriptRevalidation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const path = "/mcpay/lib/v/1/mediaconnectpay.js"
	for _, encoding := range []string{"", "gzip, deflate, br", "identity", "gzip;q=0", "*", "br;q=1.0, GZIP;q=0.5", "gzip;q=x", "*;q=0"} {
		w := s.do(s.scripts, http.MethodGet, path, "", "Accept-Encoding", encoding)
		compressed := map[string]bool{"gzip, deflate, br": true, "*": true, "br;q=1.0, GZIP;q=0.5": true}[encoding]
		var body io.Reader = bytes.NewReader(w.Body.Bytes())
		if (w.Header().Get("Content-Encoding") == "gzip") != compressed {
			t.Errorf("%q: %v", encoding, w.Header())
			continue
		}
		if compressed {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := io.ReadAll(body); err != nil || string(b) != readScript(t, "1.1.0", "mediaconnectpay.js") {
			t.Errorf("%q: another file: %v", encoding, err)
		}
		tag := w.Header().Get("ETag")
		for match, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200} {
			again := s.do(s.scripts, http.MethodGet, path, "", "Accept-Encoding", encoding, "If-None-Match", match)
			if again.Code != want || again.Header().Get("ETag") != tag || want == 304 && (again.Body.Len() != 0 || again.Header().Get("Cache-Control") == "" || again.Header().Get("Vary") == "") {
				t.Errorf("%q %s: %d %v", encoding, match, again.Code, again.Header())
			}
		}
		head := s.do(s.scripts, http.MethodHead, path, "", "Accept-Encoding", encoding)
		if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("%q: HEAD %d %v", encoding, head.Code, head.Header())
		}
	}
}

type listing struct {
	Versions []struct {
		Version, Script, Integrity, Types, TypesIntegrity string
		Bytes, GzippedBytes                               int
	}
	Dynamic map[string]string
}

// released are the hashes of what browsers keep for a year: a change needs a new
// version.
var released = map[string]string{
	"1.0.0": "sha384-MPzEIMshxYLxjuokG0V2TwcjlPwWYwPHzCC6MhRf1Y3+lfkejxmuCFFOz+J0bEsf",
	"1.1.0": "sha384-Gb+vPeP7wLZGAA2TSGF/9NsgwzKwLs+R6SkxybB66nlXkGkNYFgeqx/x6rbT50yt",
}

func TestScriptIntegrity(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.do(s.scripts, http.MethodGet, "/mcpay/lib/versions.json", "")
	var all listing
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("ETag") == "" {
		t.Fatalf("%v %v %s", err, w.Header(), w.Body)
	}
	if len(all.Versions) != len(released) || all.Versions[0].Version != "1.1.0" || all.Dynamic["1"] != "1.1.0" || all.Dynamic["1.0"] != "1.0.0" || all.Dynamic["1.1"] != "1.1.0" || len(all.Dynamic) != 3 {
		t.Errorf("listed %+v", all)
	}
	for _, v := range all.Versions {
		if released[v.Version] != v.Integrity {
			t.Errorf("version %s is %s: it was released as %q", v.Version, v.Integrity, released[v.Version])
		}
		for path, integrity := range map[string]string{v.Script: v.Integrity, v.Types: v.TypesIntegrity} {
			w := s.do(s.scripts, http.MethodGet, "/mcpay/lib/"+path, "")
			sum := sha512.Sum384(w.Body.Bytes())
			if w.Code != 200 || "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) != integrity {
				t.Errorf("%s: %d, not %s", path, w.Code, integrity)
			}
		}
	}
}

// What the issue promises of each version's size and manners.
func TestScriptIsSmall(t *testing.T) {
	t.Parallel()
	versions, err := filepath.Glob("lib/*")
	if err != nil || len(versions) < 2 {
		t.Fatal(versions, err)
	}
	for _, dir := range versions {
		version := filepath.Base(dir)
		source := readScript(t, version, "mediaconnectpay.js")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, source); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d compressed", version, len(source), b.Len())
		if b.Len() >= 8<<10 {
			t.Errorf("%s: %d bytes compressed, want less than 8 KiB", version, b.Len())
		}
		if bad := regexp.MustCompile(`cookie|localStorage|eval\(|new Function|innerHTML|document\.write|setAttribute|https?://|import |require\(`).FindString(source); bad != "" {
			t.Errorf("%s has %q", version, bad)
		}
		for _, name := range []string{"mediaconnectpay.js", "mediaconnectpay.d.ts"} {
			if !strings.Contains(readScript(t, version, name), "mediaconnectpay "+version) {
				t.Errorf("%s/%s does not say its version", version, name)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	folder := func(versions ...string) fstest.MapFS {
		lib := fstest.MapFS{}
		for _, v := range versions {
			lib[v+"/mediaconnectpay.js"] = &fstest.MapFile{Data: []byte(v)}
			lib[v+"/mediaconnectpay.d.ts"] = &fstest.MapFile{Data: []byte("types of " + v)}
		}
		return lib
	}
	l, err := pay.NewLibrary(folder("1.0.0", "1.0.1", "1.1.0", "1.1.2", "1.9.0", "1.10.0", "2.0.0", "10.0.0", "beta"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"v/1": "1.10.0", "v/1.0": "1.0.1", "v/1.1": "1.1.2", "v/1.9": "1.9.0", "v/1.10": "1.10.0", "v/2": "2.0.0", "v/10": "10.0.0", "beta": "beta",
		"public/1.0.0": "1.0.0", "public/1.1.2": "1.1.2",
	} {
		if got, exact, ok := l.Find(path + "/mediaconnectpay.js"); !ok || got != want || exact != strings.HasPrefix(path, "public/") {
			t.Errorf("%s: %q, %v", path, got, ok)
		}
		if got, _, _ := l.Find(path + "/mediaconnectpay.d.ts"); got != "types of "+want {
			t.Errorf("%s: %q", path, got)
		}
	}
	noTypes := folder("1.0.0")
	delete(noTypes, "1.0.0/mediaconnectpay.d.ts")
	for name, lib := range map[string]fstest.MapFS{"nothing": {}, "beta alone": folder("beta"), "a half version": folder("1.0"), "no types": noTypes, "a file": {"1.0.0": {}}} {
		if _, err := pay.NewLibrary(lib); err == nil {
			t.Errorf("%s is a library", name)
		}
	}
}

// FuzzScripts: whatever the path, it is a file of the library or 404.
func FuzzScripts(f *testing.F) {
	l, err := pay.NewLibrary(os.DirFS("lib"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("v/1/mediaconnectpay.js")
	f.Add("public/1.0.0/../../x")
	f.Fuzz(func(t *testing.T, path string) {
		if body, _, ok := l.Find(path); ok && !strings.Contains(body, "mediaconnectpay") {
			t.Errorf("%q is %q", path, body)
		}
	})
}
