package middleware

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/justinas/nosurf"
)

// CSRFField is the name of the form field that carries the token.
const CSRFField = nosurf.FormFieldName

// CSRFConfig configures [CSRF].
type CSRFConfig struct {
	// Origin is the site's own, as browsers see it, such as
	// https://connectid.example: from configuration, as a proxy may change Host.
	// Required.
	Origin string
	// InsecureAllowHTTP permits an http Origin, for development: the cookie then
	// has neither the __Host- prefix nor Secure.
	InsecureAllowHTTP bool
	// Kit is the word in the cookie's name, so that two kits on one host do not
	// meet: lower-case letters, digits and hyphens. Default "connectid".
	Kit string
	// MaxBody is the largest form in bytes; default 64 KiB.
	MaxBody int64
	// MaxFields is how many fields a form may have; default 100.
	MaxFields int
	// Refuse answers a post that is not let through: 403 with an error that
	// matches [ErrForged], 413, 415, or 400 for a body that is no form. Default:
	// a line of text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)
}

// ErrForged says that a post does not come from a form which this site gave to
// this browser, or that the browser has lost its cookie since.
var ErrForged = errors.New("form not given to this browser by this site")

// CSRF protects forms: by [http.CrossOriginProtection], which trusts what
// browsers say of a request's origin, and by the tokens of justinas/nosurf. The
// login form is protected like any other, against being logged in as someone
// else.
type CSRF struct {
	c       CSRFConfig
	https   bool
	cookie  http.Cookie
	origins *http.CrossOriginProtection
	allowed func(*url.URL) bool
}

var kitWord = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// NewCSRF returns the middleware, or all that is wrong with c.
func NewCSRF(c CSRFConfig) (*CSRF, error) {
	var errs []error
	c.Kit = cmp.Or(c.Kit, "connectid")
	if !kitWord.MatchString(c.Kit) {
		errs = append(errs, fmt.Errorf("bad Kit %q: want up to 32 lower-case letters, digits and inner hyphens", c.Kit))
	}
	https := strings.HasPrefix(c.Origin, "https://")
	switch {
	case !isOrigin(c.Origin):
		errs = append(errs, fmt.Errorf("bad Origin %q: want scheme://host[:port]", c.Origin))
	case !https && !c.InsecureAllowHTTP:
		errs = append(errs, fmt.Errorf("bad Origin %q: want https, or InsecureAllowHTTP in development", c.Origin))
	}
	c.MaxBody, c.MaxFields = cmp.Or(c.MaxBody, 64<<10), cmp.Or(c.MaxFields, 100)
	if c.MaxBody < 0 || c.MaxFields < 0 {
		errs = append(errs, fmt.Errorf("bad MaxBody %d or MaxFields %d: want at least 1", c.MaxBody, c.MaxFields))
	}
	if c.Refuse == nil {
		c.Refuse = refuseForm
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("csrf: %w", err)
	}
	s := &CSRF{c: c, https: https, origins: http.NewCrossOriginProtection()}
	// nosurf's own cookie lasts a year and has no attribute at all. This one
	// ends with the browser; __Host- (RFC 6265bis, section 4.1.3.2) keeps
	// sub-domains from setting it.
	s.cookie = http.Cookie{Name: c.Kit + "-csrf", Path: "/", HttpOnly: true, Secure: https, SameSite: http.SameSiteLaxMode}
	if https {
		s.cookie.Name = "__Host-" + s.cookie.Name
	}
	var err1, err2 error
	err1 = s.origins.AddTrustedOrigin(c.Origin)
	s.allowed, err2 = nosurf.StaticOrigins(c.Origin)
	return s, errors.Join(err1, err2)
}

// CookieName is the name of the token's cookie.
func (s *CSRF) CookieName() string { return s.cookie.Name }

// Token returns the token for a form on the page that answers r, to go into the
// field [CSRFField]; a different one each time it is made. It is "" when r did
// not come through Handler.
func (s *CSRF) Token(r *http.Request) string { return nosurf.Token(r) }

// Renew replaces the browser's secret: at each login, so that who knew it before
// cannot forge posts of the session. Forms on other open pages stop working.
func (s *CSRF) Renew(w http.ResponseWriter, r *http.Request) {
	// One answer sets the cookie once (RFC 6265, section 4.1.1), and nosurf
	// already has when the request had none.
	h := w.Header()
	if lines := h["Set-Cookie"]; len(lines) > 0 {
		kept := make([]string, 0, len(lines))
		for _, line := range lines {
			if !strings.HasPrefix(line, s.cookie.Name+"=") {
				kept = append(kept, line)
			}
		}
		h["Set-Cookie"] = kept
	}
	if nosurf.Token(r) != "" {
		s.nosurf(nil).RegenerateToken(w, r)
		return
	}
	// Where nosurf does not stand before the handler it would panic.
	secret := make([]byte, 32)
	rand.Read(secret)
	cookie := s.cookie
	cookie.Value = base64.StdEncoding.EncodeToString(secret)
	http.SetCookie(w, &cookie)
}

// Handler protects next: requests that only read pass and get a cookie, a post
// needs its token. The size and the kind of a post are checked before anything
// is parsed; next finds the fields in r.PostForm.
func (s *CSRF) Handler(next http.Handler) http.Handler {
	tokens := s.nosurf(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, err := s.Check(w, r); err != nil {
			s.c.Refuse(w, r, status, err)
			return
		}
		tokens.ServeHTTP(w, r)
	})
}

// Check judges all but the token: who sent the request, and that its body is a
// form of bearable size, which it parses. It returns the status to refuse it
// with.
func (s *CSRF) Check(w http.ResponseWriter, r *http.Request) (status int, err error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return 0, nil
	}
	if err := s.origins.Check(r); err != nil {
		return http.StatusForbidden, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if r.ContentLength > s.c.MaxBody {
		return http.StatusRequestEntityTooLarge, &http.MaxBytesError{Limit: s.c.MaxBody}
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.c.MaxBody)
	// Our pages send this type only. multipart/form-data would be parsed into
	// up to 32 MB of memory and files.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return http.StatusUnsupportedMediaType, errors.New("want a form (application/x-www-form-urlencoded)")
	}
	// Parsed here because nosurf's FormValue hides the error: of a body that is
	// too large, and of pairs that url.ParseQuery drops (";", a bad escape).
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return http.StatusRequestEntityTooLarge, err
		}
		return http.StatusBadRequest, fmt.Errorf("parse form: %w", err)
	}
	fields := 0
	for _, values := range r.PostForm {
		fields += len(values)
	}
	if fields > s.c.MaxFields {
		return http.StatusRequestEntityTooLarge, fmt.Errorf("%d fields: want at most %d", fields, s.c.MaxFields)
	}
	return 0, nil
}

func (s *CSRF) nosurf(next http.Handler) *nosurf.CSRFHandler {
	h := nosurf.New(next)
	h.SetBaseCookie(s.cookie)
	// It takes every request for https otherwise, and r.TLS is no answer behind
	// a proxy.
	h.SetIsTLSFunc(func(*http.Request) bool { return s.https })
	h.SetIsAllowedOriginFunc(s.allowed)
	h.SetFailureHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.c.Refuse(w, r, http.StatusForbidden, fmt.Errorf("%w: %w", ErrForged, nosurf.Reason(r)))
	}))
	return h
}

func refuseForm(w http.ResponseWriter, r *http.Request, status int, _ error) {
	message := http.StatusText(status)
	if status == http.StatusForbidden {
		message = "This form is not valid any more. Go back, reload the page and try again."
	}
	writeText(w, r, status, message)
}
