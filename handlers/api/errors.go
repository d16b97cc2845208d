package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/connectid-kit/connectid/middleware"
)

// Error is an answer that says what is wrong (ConnectID, "API: errors").
type Error struct {
	Status  int
	Type    string // exceptionType
	Message string // errorMessage
	// Code is the error of RFC 6750; errors of tokens and rights have one.
	Code string
	Err  error // why, for the log; never sent
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Type + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Type + ": " + e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func notFound() *Error {
	return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is nothing at this address"}
}

// internal is a fault of the kit itself, of which the caller learns nothing.
func internal(err error) *Error {
	return &Error{Status: http.StatusInternalServerError, Type: "InternalError", Message: "the call failed", Err: err}
}

// handle is the only place that turns errors into answers.
func (s *Server) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := answerTo(err)
	if e.Status >= 500 {
		// The call's context may be what has ended; the line is written all the same.
		s.c.Logger.ErrorContext(context.WithoutCancel(r.Context()), "api call failed", "route", r.Pattern, "status", e.Status, "err", err)
	}
	if b, ok := errors.AsType[*middleware.BearerError](err); ok {
		b.Challenge(w.Header())
	}
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	body, marshalErr := json.Marshal(e.body())
	if marshalErr != nil {
		body = []byte("{}") // four strings always marshal
	}
	write(w, r, e.Status, "application/json; charset=utf-8", body)
}

// errorBody is the body of every answer that says what is wrong.
type errorBody struct {
	// ExceptionType is the kind of fault, for programs.
	ExceptionType string `json:"exceptionType"`
	// ErrorMessage is for the developer of the calling program, not for readers.
	ErrorMessage string `json:"errorMessage"`
	// Error is the code of RFC 6750, section 3.1, of faults of the token.
	Error string `json:"error,omitempty"`
	// ErrorDescription stands beside Error and says the same as ErrorMessage.
	ErrorDescription string `json:"error_description,omitempty"`
}

func (e *Error) body() errorBody {
	b := errorBody{ExceptionType: e.Type, ErrorMessage: e.Message, Error: e.Code}
	if e.Code != "" {
		b.ErrorDescription = e.Message
	}
	return b
}

// tokenFaults are the exceptionTypes of the error codes of tokens and their proofs.
var tokenFaults = map[string]string{
	"invalid_token": "InvalidToken", "insufficient_scope": "InsufficientScope", "invalid_request": "InvalidRequest",
	middleware.InvalidDPoPProof: "InvalidDPoPProof", middleware.UseDPoPNonce: "UseDPoPNonce",
}

// answerTo returns what the caller is told of err. A store that failed is 503
// without details: the call may be repeated, and nobody was let in.
func answerTo(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if b, ok := errors.AsType[*middleware.BearerError](err); ok {
		return &Error{Status: b.Status, Type: tokenFaults[b.Code], Message: b.Description, Code: b.Code}
	}
	if errors.Is(err, middleware.ErrAbsent) {
		return notFound()
	}
	if gone, ok := errors.AsType[*middleware.GoneError](err); ok {
		return &Error{Status: http.StatusGone, Type: "Gone", Message: gone.Error()}
	}
	return &Error{Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable", Message: "the call can not be answered now; try again later"}
}

func (s *Server) refuseCall(w http.ResponseWriter, r *http.Request, status int, err error) {
	if status == http.StatusTooManyRequests {
		err = &Error{Status: status, Type: "TooManyRequests", Message: "too many calls: wait for the seconds in Retry-After"}
	}
	s.fail(w, r, err)
}

func (s *Server) refuseBound(w http.ResponseWriter, r *http.Request, err *middleware.BoundError) {
	s.fail(w, r, &Error{Status: err.Status, Type: "RequestTooLarge", Message: fmt.Sprintf("%s: %s", http.StatusText(err.Status), err)})
}

// write sends a whole answer; HEAD gets the headers of it.
func write(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
