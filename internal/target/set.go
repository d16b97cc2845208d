package target

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Set is a compiled list of origins, each optionally with a path prefix. The
// zero Set allows nothing.
type Set struct {
	entries []entry
}

type entry struct {
	origin string
	prefix string // at least "/"
}

// NewSet compiles the entries of a client's Targets: absolute origins such as
// https://www.example.com, optionally with a path prefix. http is for loopback
// hosts only, unless allowHTTP is set. All faults are reported at once; the set
// then holds the entries without a fault.
func NewSet(entries []string, allowHTTP bool) (Set, error) {
	var s Set
	var errs []error
	for _, raw := range entries {
		e, err := newEntry(raw, allowHTTP)
		if err != nil {
			errs = append(errs, fmt.Errorf("bad target %q: %w", raw, err))
			continue
		}
		s.entries = append(s.entries, e)
	}
	return s, errors.Join(errs...)
}

func newEntry(raw string, allowHTTP bool) (entry, error) {
	u, err := Parse(raw)
	if err != nil {
		return entry{}, err
	}
	_, afterScheme, _ := strings.Cut(raw, "//")
	_, path, _ := strings.Cut(afterScheme, "/")
	switch {
	case strings.ContainsAny(raw, "?#"):
		return entry{}, errors.New("it has a query or a fragment")
	case u.unclear, u.path != "/"+path:
		return entry{}, errors.New("its path is not in the form that a browser requests")
	}
	return entry{u.origin, u.path}, checkHTTP(u, allowHTTP)
}

func checkHTTP(u URL, allowHTTP bool) error {
	if u.http && !u.loopback && !allowHTTP {
		return errors.New("http is for loopback hosts only (InsecureAllowHTTP changes that)")
	}
	return nil
}

// Allows reports whether u lies in the set: scheme, host and port are those of an
// entry, and its prefix covers the path up to a segment boundary ("/a" covers
// "/a" and "/a/b", not "/ab"; "/a/" covers "/a/b", not "/a"). A path that servers
// read in different ways lies under no prefix but "/".
func (s Set) Allows(u URL) bool {
	if u.origin == "" {
		return false
	}
	for _, e := range s.entries {
		if e.origin == u.origin && e.covers(u) {
			return true
		}
	}
	return false
}

func (e entry) covers(u URL) bool {
	if e.prefix == "/" {
		return true
	}
	if u.unclear || !strings.HasPrefix(u.path, e.prefix) {
		return false
	}
	return len(u.path) == len(e.prefix) || strings.HasSuffix(e.prefix, "/") || u.path[len(e.prefix)] == '/'
}

// Origins returns the origins of the entries, each once, in their order.
func (s Set) Origins() []string {
	var origins []string
	for _, e := range s.entries {
		if !slices.Contains(origins, e.origin) {
			origins = append(origins, e.origin)
		}
	}
	return origins
}

// RedirectSet is a compiled list of redirect URIs. The zero RedirectSet allows
// nothing.
type RedirectSet struct {
	exact    []URL
	prefixes Set
}

// NewRedirectSet compiles a client's RedirectURIs and InsecureRedirectPrefixes.
// The same rule for http holds as in [NewSet]. All faults are reported at once;
// the set then holds the entries without a fault.
func NewRedirectSet(exact, prefixes []string, allowHTTP bool) (RedirectSet, error) {
	var s RedirectSet
	var errs []error
	for _, raw := range exact {
		u, err := ParseRedirect(raw)
		if err == nil {
			err = checkHTTP(u, allowHTTP)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("bad redirect URI %q: %w", raw, err))
			continue
		}
		s.exact = append(s.exact, u)
	}
	var err error
	s.prefixes, err = NewSet(prefixes, allowHTTP)
	return s, errors.Join(append(errs, err)...)
}

// Allows reports whether u is one of the redirect URIs, compared as a string
// (RFC 6749, section 3.1.2.3; RFC 9700, section 2.1), or lies under one of the
// prefixes. Of an http URI on a loopback host the port is not compared (RFC
// 8252, section 7.3).
func (s RedirectSet) Allows(u URL) bool {
	if u.IsZero() {
		return false
	}
	for _, e := range s.exact {
		if e.raw == u.raw || e.http && e.loopback && u.http && e.withoutPort() == u.withoutPort() {
			return true
		}
	}
	return !strings.Contains(u.raw, "#") && s.prefixes.Allows(u)
}

func (u URL) withoutPort() string { return u.raw[:u.port[0]] + u.raw[u.port[1]:] }

// Only returns the single redirect URI of the set, for requests that name none
// (RFC 6749, section 3.1.2.3); false when there are none, several, or prefixes.
func (s RedirectSet) Only() (URL, bool) {
	if len(s.exact) != 1 || len(s.prefixes.entries) > 0 {
		return URL{}, false
	}
	return s.exact[0], true
}

// Origins returns the origins of the redirect URIs and prefixes, each once.
// Private-use schemes have none.
func (s RedirectSet) Origins() []string {
	var origins []string
	for _, u := range s.exact {
		if u.origin != "" && !slices.Contains(origins, u.origin) {
			origins = append(origins, u.origin)
		}
	}
	for _, o := range s.prefixes.Origins() {
		if !slices.Contains(origins, o) {
			origins = append(origins, o)
		}
	}
	return origins
}
