package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/internal/deadline"
)

// The error codes of RFC 6749, sections 4.1.2.1 and 5.2.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	AccessDenied            = "access_denied"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
)

// Error is a failure that a client is told about (RFC 6749, section 5.2).
type Error struct {
	Code string
	// Description is for the client's developer: printable ASCII without
	// quotes and backslashes. It names no secret and no user.
	Description string
	// Status is the HTTP status; zero means 401 for [InvalidClient] and 400 for
	// everything else.
	Status int
	// RetryAfter is sent rounded up to seconds when it is positive.
	RetryAfter time.Duration
	// Err is the cause; it is logged and does not travel.
	Err error
}

// Error returns code and description, and the cause if there is one.
func (e *Error) Error() string {
	s := e.Code
	if e.Description != "" {
		s += ": " + e.Description
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fault(code, description string) *Error {
	return &Error{Code: code, Description: description}
}

// unavailable answers everything that is not the client's fault. The client
// learns no more than that.
func unavailable(err error) *Error {
	return &Error{Code: TemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second, Err: err}
}

// asError returns the error that travels for err.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return unavailable(err)
}

func (e *Error) status() int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.Code == InvalidClient:
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

// writeError answers as RFC 6749, section 5.2 says.
func writeError(w http.ResponseWriter, e *Error) {
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, printable(e.Description)})
	if err != nil {
		panic(err) // two strings
	}
	noStore(w)
	if e.status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="connectid"`)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.status())
	w.Write(body)
}

// printable keeps the characters that error_description may have (RFC 6749,
// section 5.2), so that a plugin's text can not break the answer.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			b[i] = '?'
		}
	}
	return string(b)
}

// Values that never change are shared by all answers; each has no room behind
// it, so that adding to one answer's header copies.
var (
	jsonType     = []string{"application/json"}
	noStoreValue = []string{"no-store"}
	noCache      = []string{"no-cache"}
	noSniff      = []string{"nosniff"}
)

// noStore sets the headers of every JSON answer but the metadata (RFC 6749,
// section 5.1).
func noStore(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStoreValue
	h["Pragma"] = noCache
	h["X-Content-Type-Options"] = noSniff
}

// handle is the only place that turns errors into JSON answers. The call ends
// when [Config.Timeout] is over: a store that hangs is answered with 503.
func (s *Server) handle(endpoint string, f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
		case http.MethodOptions:
			s.preflight(w, r)
			return
		default:
			w.Header().Set("Allow", "OPTIONS, POST")
			writeError(w, &Error{Code: InvalidRequest, Description: "use POST", Status: http.StatusMethodNotAllowed})
			return
		}
		ctx := deadline.New(r.Context(), time.Now(), s.config.Timeout)
		defer ctx.Stop()
		err := f(w, r.WithContext(ctx))
		if err == nil {
			return
		}
		e := asError(err)
		s.report(ctx, endpoint, e)
		writeError(w, e)
	})
}

// report logs what went wrong: quietly when the client did it.
func (s *Server) report(ctx context.Context, endpoint string, e *Error) {
	if e.status() >= 500 {
		s.log.ErrorContext(ctx, "oauth request failed", "endpoint", endpoint, "err", e)
		return
	}
	s.log.InfoContext(ctx, "oauth request refused", "endpoint", endpoint, "err", e)
}
