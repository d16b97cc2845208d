package middleware

import (
	"fmt"
	"net/http"
	"strings"
)

// Version says on every answer which version of the API it is based upon, in the
// header X-Mediaconnect-Api-Version (ConnectID, "API: HTTP headers").
type Version struct {
	value []string
}

// NewVersion returns the middleware for a version such as "1.0": printable ASCII
// without spaces, at most 64 bytes.
func NewVersion(version string) (*Version, error) {
	if version == "" || len(version) > 64 || strings.ContainsFunc(version, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return nil, fmt.Errorf("bad version %q: want 1 to 64 printable ASCII characters without spaces", version)
	}
	return &Version{value: []string{version}}, nil
}

// Set writes the header.
func (v *Version) Set(h http.Header) { h["X-Mediaconnect-Api-Version"] = v.value }

// Handler sets the header before next, so that errors carry it too.
func (v *Version) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.Set(w.Header())
		next.ServeHTTP(w, r)
	})
}
