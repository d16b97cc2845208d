package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxBody   = 32 << 10 // bytes of a form
	maxQuery  = 8 << 10  // bytes of a query
	maxParams = 64       // in either
)

// param is one request parameter.
type param struct{ name, value string }

// params are request parameters, each with its first value.
type params []param

// get returns the value of a parameter. One without a value counts as omitted
// (RFC 6749, section 3.1).
func (p params) get(name string) string {
	v, _ := p.find(name)
	return v
}

// all returns the values of a parameter that may be repeated.
func (p params) all(name string) (values []string) {
	for i := range p {
		if p[i].name == name {
			values = append(values, p[i].value)
		}
	}
	return values
}

func (p params) find(name string) (string, bool) {
	for i := range p {
		if p[i].name == name {
			return p[i].value, true
		}
	}
	return "", false
}

var (
	errEncoding = errors.New("bad percent-encoding")
	errTooMany  = errors.New("too many parameters")
	errTooLarge = &Error{Code: InvalidRequest, Description: "body too large", Status: http.StatusRequestEntityTooLarge}
)

// parseParams reads an application/x-www-form-urlencoded string: the first value
// of each parameter, all those of resource, and the names of those that are repeated
// and may not be.
func parseParams(s string) (p params, repeated []string, err error) {
	if s == "" {
		return nil, nil, nil
	}
	p = make(params, 0, min(strings.Count(s, "&")+1, maxParams))
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := unescape(name)
		value, err2 := unescape(value)
		if err1 != nil || err2 != nil {
			return nil, nil, errEncoding
		}
		if _, ok := p.find(name); ok && name != paramResource {
			repeated = append(repeated, name)
			if len(repeated) > maxParams {
				return nil, nil, errTooMany
			}
			continue
		}
		if len(p) == maxParams {
			return nil, nil, errTooMany
		}
		p = append(p, param{name, value})
	}
	return p, repeated, nil
}

func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	return url.QueryUnescape(s)
}

// form is what a client posted.
type form struct {
	params
	// query holds the parameters that stand in the URL only. They are not
	// taken: RFC 6749, section 2.3.1 forbids credentials there.
	query params
	// repeated are the names that were given twice. Those that this server
	// knows have been refused, others are for an extension grant to refuse.
	repeated []string
}

// known are the parameters of the endpoints that take a form. They are not sent
// twice (RFC 6749, section 3.2); others are ignored.
var known = []string{
	"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope",
	"client_id", "client_secret", "token", "token_type_hint",
}

func refuseRepeated(names []string) error {
	for _, name := range names {
		if slices.Contains(known, name) {
			return fault(InvalidRequest, name+" is repeated")
		}
	}
	return nil
}

// readForm reads the body once. The same parameter in the body and in the URL is
// accepted when both say the same: real clients repeat theirs.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	var f form
	body, err := readBody(w, r)
	if err != nil {
		return f, err
	}
	if f.params, f.repeated, err = parseParams(body); err != nil {
		return f, fault(InvalidRequest, err.Error())
	}
	if err := refuseRepeated(f.repeated); err != nil {
		return f, err
	}
	if r.URL.RawQuery == "" {
		return f, nil
	}
	if len(r.URL.RawQuery) > maxQuery {
		return f, &Error{Code: InvalidRequest, Description: "query too long", Status: http.StatusRequestURITooLong}
	}
	query, repeated, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return f, fault(InvalidRequest, err.Error())
	}
	if err := refuseRepeated(repeated); err != nil {
		return f, err
	}
	for _, q := range query {
		switch v, ok := f.find(q.name); {
		case !ok:
			f.query = append(f.query, q)
		case q.name == paramResource:
			if !slices.Equal(query.all(paramResource), f.all(paramResource)) {
				return f, fault(InvalidRequest, "a parameter differs between query and body")
			}
		case v != q.value:
			return f, fault(InvalidRequest, "a parameter differs between query and body")
		}
	}
	return f, nil
}

// readBody returns the form as it was posted.
func readBody(w http.ResponseWriter, r *http.Request) (string, error) {
	if ct := r.Header.Get("Content-Type"); ct != "application/x-www-form-urlencoded" {
		if ct, _, err := mime.ParseMediaType(ct); err != nil || ct != "application/x-www-form-urlencoded" {
			return "", fault(InvalidRequest, "the content type has to be application/x-www-form-urlencoded")
		}
	}
	if r.PostForm != nil { // somebody in front has read the body
		return r.PostForm.Encode(), nil
	}
	var body []byte
	var err error
	switch n := r.ContentLength; {
	case n > maxBody:
		return "", errTooLarge
	case n >= 0: // net/http ends the body there
		body = make([]byte, n)
		_, err = io.ReadFull(r.Body, body)
	default:
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", errTooLarge
	}
	if err != nil {
		return "", &Error{Code: InvalidRequest, Description: "the body can not be read", Err: err}
	}
	return string(body), nil
}

// validScope reports whether s is a scope of RFC 6749, section 3.3: tokens of
// printable characters with one space between them.
func validScope(s string) bool {
	if s == "" {
		return true
	}
	if len(s) > 1024 || s[0] == ' ' || s[len(s)-1] == ' ' || strings.Contains(s, "  ") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// covers reports whether each token of scope is one of those allowed.
func covers(allowed func(token string) bool, scope string) bool {
	if scope == "" {
		return true
	}
	for token := range strings.SplitSeq(scope, " ") {
		if !allowed(token) {
			return false
		}
	}
	return true
}
