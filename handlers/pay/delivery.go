package pay

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scripts has a folder for each version of the payment script. What was released
// under a version never changes: browsers keep it for a year.
//
//go:embed lib
var scripts embed.FS

const (
	scriptName = "mediaconnectpay.js"
	typesName  = "mediaconnectpay.d.ts"
	// betaFolder has what is under development; without it that is the newest version.
	betaFolder = "beta"
)

// scriptVersion is a version by its numbers.
type scriptVersion [3]int

func (v scriptVersion) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v scriptVersion) compare(w scriptVersion) int {
	return cmp.Or(cmp.Compare(v[0], w[0]), cmp.Compare(v[1], w[1]), cmp.Compare(v[2], w[2]))
}

// parseVersion reads one to three numbers with dots between them, without leading
// zeros.
func parseVersion(s string) (v []int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return nil, false
	}
	for _, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || strconv.Itoa(n) != p || n < 0 {
			return nil, false
		}
		v = append(v, n)
	}
	return v, true
}

// asset is one file as it is sent.
type asset struct {
	contentType     string
	body, gzipped   []byte
	etag, gzippedID string
	integrity       string // Subresource Integrity
}

func newAsset(contentType string, body []byte) (asset, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return asset{}, err
	}
	sum, long := sha256.Sum256(body), sha512.Sum384(body)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return asset{
		contentType: contentType, body: body, gzipped: b.Bytes(), etag: `"` + tag + `"`, gzippedID: `"` + tag + `-gzip"`,
		integrity: "sha384-" + base64.StdEncoding.EncodeToString(long[:]),
	}, nil
}

// library is all that Scripts serves, made once.
type library struct {
	versions []scriptVersion             // the newest last
	files    map[string]map[string]asset // by folder, then by name
	index    asset                       // versions.json
}

// index says what there is, for those who pin a version.
type index struct {
	Versions []indexEntry      `json:"versions"` // the newest first
	Dynamic  map[string]string `json:"dynamic"`  // which version lib/v/{key} is
	Beta     indexEntry        `json:"beta"`
}

// indexEntry is one version. Paths are relative to that of versions.json.
type indexEntry struct {
	Version        string `json:"version"`
	Script         string `json:"script"`
	Integrity      string `json:"integrity"`
	Types          string `json:"types"`
	TypesIntegrity string `json:"typesIntegrity"`
	Bytes          int    `json:"bytes"`
	GzippedBytes   int    `json:"gzippedBytes"`
}

// newLibrary reads the folders of the versions.
func newLibrary(lib fs.FS) (*library, error) {
	folders, err := fs.ReadDir(lib, ".")
	if err != nil {
		return nil, fmt.Errorf("scripts: %w", err)
	}
	l := &library{files: map[string]map[string]asset{}}
	for _, f := range folders {
		v, ok := parseVersion(f.Name())
		if !f.IsDir() || f.Name() != betaFolder && (!ok || len(v) != 3) {
			return nil, fmt.Errorf("scripts: %s is not the folder of a version", f.Name())
		}
		if ok {
			l.versions = append(l.versions, scriptVersion(v))
		}
		files := map[string]asset{}
		for name, contentType := range map[string]string{scriptName: "text/javascript; charset=utf-8", typesName: "application/typescript; charset=utf-8"} {
			body, err := fs.ReadFile(lib, path.Join(f.Name(), name))
			if err != nil {
				return nil, fmt.Errorf("scripts: %w", err)
			}
			if files[name], err = newAsset(contentType, body); err != nil {
				return nil, fmt.Errorf("scripts: %w", err)
			}
		}
		l.files[f.Name()] = files
	}
	if len(l.versions) == 0 {
		return nil, errors.New("scripts: there is no version")
	}
	slices.SortFunc(l.versions, scriptVersion.compare)
	newest := l.versions[len(l.versions)-1].String()
	beta := newest
	if l.files[betaFolder] == nil {
		l.files[betaFolder] = l.files[newest]
	} else {
		beta = betaFolder
	}
	return l, l.describe(beta)
}

func (l *library) describe(beta string) error {
	entry := func(version, folder string) indexEntry {
		script, types := l.files[version][scriptName], l.files[version][typesName]
		return indexEntry{
			Version: version, Script: folder + "/" + scriptName, Integrity: script.integrity,
			Types: folder + "/" + typesName, TypesIntegrity: types.integrity, Bytes: len(script.body), GzippedBytes: len(script.gzipped),
		}
	}
	all := index{Dynamic: map[string]string{}, Beta: entry(beta, betaFolder)}
	for _, v := range slices.Backward(l.versions) {
		all.Versions = append(all.Versions, entry(v.String(), "public/"+v.String()))
		for _, key := range []string{fmt.Sprint(v[0]), fmt.Sprintf("%d.%d", v[0], v[1])} {
			if _, newer := all.Dynamic[key]; !newer {
				all.Dynamic[key] = v.String()
			}
		}
	}
	body, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	l.index, err = newAsset("application/json; charset=utf-8", append(body, '\n'))
	return err
}

// newestOf returns the newest version that begins with the numbers of a dynamic
// version: by numbers, as 1.1 is not the beginning of 1.10.0.
func (l *library) newestOf(dynamic string) (string, bool) {
	prefix, ok := parseVersion(dynamic)
	if !ok {
		return "", false
	}
	for _, v := range slices.Backward(l.versions) {
		if slices.Equal(v[:len(prefix)], prefix) {
			return v.String(), true
		}
	}
	return "", false
}

// find returns the file at a path below lib/, and whether it may ever be another.
func (l *library) find(rest string) (a asset, exact, ok bool) {
	if rest == "versions.json" {
		return l.index, false, true
	}
	kind, rest, _ := strings.Cut(rest, "/")
	folder, name := betaFolder, rest
	switch kind {
	case "v", "public":
		var version string
		version, name, _ = strings.Cut(rest, "/")
		folder = version
		if kind == "v" {
			if folder, ok = l.newestOf(version); !ok {
				return asset{}, false, false
			}
		} else if version == betaFolder {
			return asset{}, false, false
		}
	case betaFolder:
	default:
		return asset{}, false, false
	}
	a, ok = l.files[folder][name]
	return a, kind == "public", ok
}

// Scripts returns the handler of the payment script, to be mounted at
// [Config.ScriptPrefix]. Pages of every origin may load it.
func (s *Server) Scripts() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		s.headers.SetTransport(h)
		h.Set("Access-Control-Allow-Origin", "*") // needed by integrity and crossorigin
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Timing-Allow-Origin", "*")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			h.Set("Cache-Control", "no-store")
			write(w, r, http.StatusMethodNotAllowed, "text/plain; charset=utf-8", []byte("this address answers GET and HEAD\n"))
			return
		}
		rest, below := strings.CutPrefix(r.URL.Path, s.c.ScriptPrefix+"lib/")
		a, exact, ok := s.library.find(rest)
		if !below || !ok {
			h.Set("Cache-Control", "public, max-age=60")
			write(w, r, http.StatusNotFound, "text/plain; charset=utf-8", []byte("there is no such version of the payment script: see "+s.c.ScriptPrefix+"lib/versions.json\n"))
			return
		}
		if exact {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(s.c.ScriptMaxAge/time.Second)))
		}
		a.serve(w, r)
	})
}

// serve sends the file, compressed to those who accept that, or 304 to those who
// have it already (RFC 9110, section 13.1.2).
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	body, tag := a.body, a.etag
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		body, tag = a.gzipped, a.gzippedID
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if holds(r.Header["If-None-Match"], tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, r, http.StatusOK, a.contentType, body)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(lines []string) bool {
	star := false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			weight := 1.0
			if q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q="); ok {
				weight, _ = strconv.ParseFloat(q, 64) // malformed: not accepted
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				return weight > 0
			case "*":
				star = weight > 0
			}
		}
	}
	return star
}

// holds reports whether an If-None-Match header names the tag, by the weak
// comparison (RFC 9110, section 8.8.3.2).
func holds(lines []string, tag string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") { // no tag of ours has a comma
			part = strings.TrimSpace(part)
			if part == "*" || strings.TrimPrefix(part, "W/") == tag {
				return true
			}
		}
	}
	return false
}
