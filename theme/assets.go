package theme

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

// ownAssets is the place of a client's name for the kit's own files.
const ownAssets = "_"

// assetSet serves files under addresses that hold a hash of what is in them:
//
//	{base}theme/{client}/{hash}/{name}
//
// An address never changes its meaning, so browsers keep what they have loaded
// for good (RFC 8246). A file is found under its own client only, whatever other
// client has the same. It is safe for concurrent use.
type assetSet struct {
	prefix string // such as /user/theme/

	mu    sync.RWMutex
	files map[string]*assetFile // by escaped path
}

type assetFile struct {
	mediaType string
	etag      string
	body      []byte
	gzipped   []byte // nil when it saves nothing
}

func newAssetSet(base string) *assetSet {
	return &assetSet{prefix: base + "theme/", files: make(map[string]*assetFile)}
}

// add puts a file of a client, or of the kit itself (client ""), into the set
// and returns its address. Adding the same twice is no error. A name is a single
// element of a path, and body is not changed afterwards.
func (s *assetSet) add(client, name, mediaType string, body []byte) string {
	place := ownAssets
	if client != "" {
		place = url.PathEscape(client)
		if client == ownAssets {
			place = "%5F" // the same to a reader, another file to the set
		}
	}
	sum := sha256.Sum256(append([]byte(mediaType+"\x00"), body...))
	hash := hex.EncodeToString(sum[:10])
	address := s.prefix + place + "/" + hash + "/" + url.PathEscape(path.Base(name))

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[address] == nil {
		s.files[address] = &assetFile{mediaType: withCharset(mediaType), etag: `"` + hash + `"`, body: body, gzipped: compress(mediaType, body)}
	}
	return address
}

func withCharset(mediaType string) string {
	if strings.HasPrefix(mediaType, "text/") && !strings.Contains(mediaType, "charset") {
		return mediaType + "; charset=utf-8"
	}
	return mediaType
}

// compress returns the body as gzip if it is text and becomes smaller.
func compress(mediaType string, body []byte) []byte {
	if !strings.HasPrefix(mediaType, "text/") && mediaType != "image/svg+xml" {
		return nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(body); err != nil || z.Close() != nil || b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// ServeHTTP answers GET and HEAD for the files of the set, and 404 for
// everything else.
//
// Images may be shown by other origins (Cross-Origin-Resource-Policy), as the
// mails of the kit hold the logo; styles, scripts and fonts may not. A drawing
// comes with a policy under which, opened by itself, it runs and loads nothing.
func (s *assetSet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	s.mu.RLock()
	f := s.files[r.URL.EscapedPath()]
	s.mu.RUnlock()
	if f == nil {
		h.Set("Cache-Control", "no-store") // a node that starts later may have it
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if strings.HasPrefix(f.mediaType, "image/") {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if f.mediaType == "image/svg+xml" {
		h.Set("Content-Security-Policy", svgPolicy)
	}
	body, etag := f.body, f.etag
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			body, etag = f.gzipped, strings.TrimSuffix(f.etag, `"`)+`-gz"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body) //nolint:errcheck // the browser has gone
	}
}

// acceptsGzip reports whether the request takes gzip (RFC 9110, section 12.5.3).
func acceptsGzip(values []string) bool {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, params, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, weighted := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !weighted {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}

// matches reports whether one of the tags is etag (RFC 9110, section 13.1.2).
func matches(values []string, etag string) bool {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if item = strings.TrimSpace(item); item == "*" || strings.TrimPrefix(item, "W/") == etag {
			return true
		}
	}
	return false
}
