package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

// SecurityHeadersConfig configures [SecurityHeaders].
type SecurityHeadersConfig struct {
	// Origin is the site's own, as browsers see it, such as
	// https://connectid.example: from configuration, never from a request.
	// Required.
	Origin string
	// FormActions are origins beside 'self' and all of https that a form may
	// lead to: those of http targets on loopback, in development.
	FormActions []string
}

// SecurityHeaders sets what tells a browser to distrust a page's surroundings.
// The defaults suit the kit's pages, whose scripts, styles and images are files
// of the same origin; a handler may set another value for its own answer.
//
// Cross-Origin-Opener-Policy and Cross-Origin-Resource-Policy are left out on
// purpose: the first would cut a payment window off from the page that opened
// it, the second would break loginCheck as a script of the client's page.
type SecurityHeaders struct {
	csp, hsts []string
}

// cspRest is the policy but for form-action.
const cspRest = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action "

// NewSecurityHeaders returns the middleware, or all that is wrong with c.
func NewSecurityHeaders(c SecurityHeadersConfig) (*SecurityHeaders, error) {
	var errs []error
	origin := store.TargetOrigin(c.Origin)
	if origin == "" || origin != c.Origin {
		errs = append(errs, fmt.Errorf("bad Origin %q: want scheme://host[:port]", c.Origin))
	}
	// Browsers check form-action at every hop after a post, and a login ends
	// with a redirect to the client and onwards from there.
	csp := cspRest + "'self' https:"
	for _, o := range c.FormActions {
		if !isOrigin(o) {
			errs = append(errs, fmt.Errorf("bad form action %q: want scheme://host[:port]", o))
			continue
		}
		csp += " " + o
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("security headers: %w", err)
	}
	s := &SecurityHeaders{csp: []string{csp}}
	// RFC 6797, section 7.2: not over plain http. Not for loopback either:
	// the browser would then refuse http on every other port of this machine.
	if u, err := url.Parse(c.Origin); err == nil && u.Scheme == "https" && !isLoopback(u.Hostname()) {
		s.hsts = []string{"max-age=31536000"}
	}
	return s, nil
}

// Values that never change are shared by all answers; each has no room behind
// it, so that adding to one answer's header copies.
var (
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
	deny          = []string{"DENY"}
	noPermissions = []string{"camera=(), geolocation=(), microphone=(), usb=()"}
	// same-origin keeps the run's id out of other sites' logs. no-referrer would
	// too, but makes browsers send "Origin: null" with our own forms.
	sameOrigin = []string{"same-origin"}
)

// Set writes the headers.
func (s *SecurityHeaders) Set(h http.Header) {
	h["Content-Security-Policy"] = s.csp
	h["X-Frame-Options"] = deny // browsers without frame-ancestors
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = sameOrigin
	h["Permissions-Policy"] = noPermissions
	h["Cache-Control"] = noStore
	s.SetTransport(h)
}

// SetTransport writes Strict-Transport-Security alone, for answers that are not
// pages. It writes nothing for a site that is not on https.
func (s *SecurityHeaders) SetTransport(h http.Header) {
	if s.hsts != nil {
		h["Strict-Transport-Security"] = s.hsts
	}
}

// AllowForms lets the forms of one answer lead to further places: origins of the
// page's own client that are http, and the private-use schemes of its apps
// (RFC 8252, section 7.1), such as "com.example.app:". What is not plainly one of
// the two is left out, so that no configuration can add to the policy.
func (s *SecurityHeaders) AllowForms(h http.Header, places ...string) {
	csp := s.csp[0]
	for _, o := range places {
		if isOrigin(o) && !strings.HasPrefix(o, "https:") || isPrivateScheme(o) {
			csp += " " + o
		}
	}
	h["Content-Security-Policy"] = []string{csp}
}

// AllowWidget lets one answer load a script, with the styles, frames and requests
// that it needs, from https origins. What is not plainly one is left out.
func (s *SecurityHeaders) AllowWidget(h http.Header, origins ...string) {
	var from strings.Builder
	for _, o := range origins {
		if isOrigin(o) && strings.HasPrefix(o, "https:") {
			from.WriteString(" " + o)
		}
	}
	if from.Len() == 0 {
		return
	}
	csp := h.Get("Content-Security-Policy")
	for _, d := range []string{"script-src", "style-src", "connect-src"} {
		csp = strings.Replace(csp, d+" 'self'", d+" 'self'"+from.String(), 1)
	}
	csp = strings.Replace(csp, "object-src", "frame-src"+from.String()+"; object-src", 1)
	h["Content-Security-Policy"] = []string{csp}
}

// isPrivateScheme reports whether s is a scheme in reverse domain form with its
// colon.
func isPrivateScheme(s string) bool {
	name, ok := strings.CutSuffix(s, ":")
	return ok && strings.Contains(name, ".") && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '+'
	})
}

// Handler sets the headers before next.
func (s *SecurityHeaders) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Set(w.Header())
		next.ServeHTTP(w, r)
	})
}

// isOrigin reports whether s is an origin that can stand in a policy.
func isOrigin(s string) bool {
	return s != "" && store.TargetOrigin(s) == s && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`;,'"*\`, c)
	})
}

func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return false
}
