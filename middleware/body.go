package middleware

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// BoundsConfig configures [Bounds]. Sizes are in bytes.
type BoundsConfig struct {
	MaxBody    int64 // default 64 KiB
	MaxURL     int   // path and query; default 20 KiB: three return URLs of 2 KiB, escaped
	MaxParams  int   // in the query; default 100
	MaxHeaders int   // names and values together; default 64 KiB
	MaxCookies int   // all Cookie headers; default 16 KiB
	// Refuse answers a request that is out of bounds: 400, 413, 414 or 431.
	// Default: a line of text that says which bound it was.
	Refuse func(w http.ResponseWriter, r *http.Request, err *BoundError)
}

// BoundError says which bound a request broke.
type BoundError struct {
	Status int    // 400, 413, 414 or 431 (RFC 9110 and RFC 6585)
	What   string // such as "cookies"
	Max    int64
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("%s: more than %d", e.What, e.Max)
}

// Bounds refuses requests that are too large before anything in them is parsed
// or hashed. The http.Server's own MaxHeaderBytes, 1 MiB, comes before it.
type Bounds struct {
	c BoundsConfig
}

// NewBounds returns the middleware, or all that is wrong with c.
func NewBounds(c BoundsConfig) (*Bounds, error) {
	c.MaxBody = cmp.Or(c.MaxBody, 64<<10)
	c.MaxURL = cmp.Or(c.MaxURL, 20<<10)
	c.MaxParams = cmp.Or(c.MaxParams, 100)
	c.MaxHeaders = cmp.Or(c.MaxHeaders, 64<<10)
	c.MaxCookies = cmp.Or(c.MaxCookies, 16<<10)
	var errs []error
	for _, b := range []struct {
		name  string
		value int64
	}{
		{"MaxBody", c.MaxBody}, {"MaxURL", int64(c.MaxURL)}, {"MaxParams", int64(c.MaxParams)},
		{"MaxHeaders", int64(c.MaxHeaders)}, {"MaxCookies", int64(c.MaxCookies)},
	} {
		if b.value < 1 {
			errs = append(errs, fmt.Errorf("bad %s %d: want at least 1", b.name, b.value))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bounds: %w", err)
	}
	if c.Refuse == nil {
		c.Refuse = refuseBound
	}
	return &Bounds{c: c}, nil
}

// Check returns the bound that r breaks, or nil. A body whose length is not
// announced passes here; Handler ends its reading at the bound.
func (b *Bounds) Check(r *http.Request) *BoundError {
	if n := len(r.URL.Path) + len(r.URL.RawQuery); max(n, len(r.RequestURI)) > b.c.MaxURL {
		return &BoundError{http.StatusRequestURITooLong, "bytes of the address", int64(b.c.MaxURL)}
	}
	if r.URL.RawQuery != "" && strings.Count(r.URL.RawQuery, "&")+1 > b.c.MaxParams {
		return &BoundError{http.StatusBadRequest, "parameters", int64(b.c.MaxParams)}
	}
	headers, cookies := 0, 0
	for name, values := range r.Header {
		for _, v := range values {
			headers += len(name) + len(v)
			if name == "Cookie" {
				cookies += len(v)
			}
		}
	}
	switch {
	case cookies > b.c.MaxCookies:
		return &BoundError{http.StatusRequestHeaderFieldsTooLarge, "bytes of cookies", int64(b.c.MaxCookies)}
	case headers > b.c.MaxHeaders:
		return &BoundError{http.StatusRequestHeaderFieldsTooLarge, "bytes of headers", int64(b.c.MaxHeaders)}
	case r.ContentLength > b.c.MaxBody:
		return &BoundError{http.StatusRequestEntityTooLarge, "bytes of the body", b.c.MaxBody}
	}
	return nil
}

// Handler refuses requests that are out of bounds. In next, reading more than
// the bound from the body fails with [http.MaxBytesError].
func (b *Bounds) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.Check(r); err != nil {
			b.c.Refuse(w, r, err)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, b.c.MaxBody)
		}
		next.ServeHTTP(w, r)
	})
}

func refuseBound(w http.ResponseWriter, r *http.Request, err *BoundError) {
	writeText(w, r, err.Status, http.StatusText(err.Status)+": "+err.Error())
}

// writeText answers with a line of text that no cache keeps.
func writeText(w http.ResponseWriter, r *http.Request, status int, text string) {
	text += "\n"
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text)
	}
}
