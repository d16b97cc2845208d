package oauth

import (
	"net/url"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// InvalidTarget is the error code of RFC 8707, section 2.
const InvalidTarget = "invalid_target"

const (
	paramResource = "resource" // the one parameter that may be repeated
	maxResources  = 16         // of one request
)

// resourcesOf returns the resources that a client asks tokens for (RFC 8707,
// section 2), each once. A value that is empty counts as omitted (RFC 6749, section
// 3.1). They are compared exactly with those of the client's record, of which a
// client without any may ask for none.
func resourcesOf(c *store.Client, values []string) ([]string, error) {
	var asked []string
	for _, v := range values {
		switch {
		case v == "" || slices.Contains(asked, v):
			continue
		case !validResource(v):
			return nil, fault(InvalidTarget, "resource has to be an absolute URI without a fragment")
		case !slices.Contains(c.Resources, v):
			return nil, fault(InvalidTarget, "this client may not ask for this resource")
		case len(asked) == maxResources:
			return nil, fault(InvalidTarget, "too many resources")
		}
		asked = append(asked, v)
	}
	return asked, nil
}

// validResource reports whether s is an absolute URI (RFC 3986, section 4.3), which
// has no fragment, not even an empty one.
func validResource(s string) bool {
	if len(s) > 2048 || strings.Contains(s, "#") {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "" || u.Path != "")
}

// narrowed returns what a token is for: the resources that were asked for, which
// are among those that were granted (RFC 8707, section 2.2), or all of these when
// none were asked for. A grant that names none is for all that its scope opens, and
// whatever its client may ask for is less than that.
func narrowed(asked, granted []string) ([]string, error) {
	if len(asked) == 0 {
		return granted, nil
	}
	if !within(asked, granted) {
		return nil, fault(InvalidTarget, "the resource is not among those that were granted")
	}
	return asked, nil
}

// within reports whether what is for some resources is for none but the others. None
// named means all, on both sides.
func within(some, others []string) bool {
	if len(some) == 0 || len(others) == 0 {
		return len(others) == 0
	}
	for _, r := range some {
		if !slices.Contains(others, r) {
			return false
		}
	}
	return true
}
