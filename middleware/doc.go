// Package middleware holds what stands before the kit's handlers and can stand
// before the host's own: client addresses behind proxies, limits on calls,
// bearer tokens, the lives of endpoints, protection of forms, security headers,
// bounds on what is read, and the request log.
//
// Each is a type with a constructor that reports every fault of its
// configuration at once, a method that decides (Take, Check, Of), and a method
// Handler that wraps an [net/http.Handler]. All are safe for concurrent use, and
// none starts a goroutine.
package middleware

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// retryAfter is what an answer says, in seconds, when something that the kit
// depends on is out of reach.
const retryAfter = 5

// writeError answers with the error body of the API (ConnectID, "API: errors"):
// exceptionType and errorMessage, and the error code of RFC 6750 where there is
// one. The texts are the kit's own, never a caller's.
func writeError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	body, err := json.Marshal(struct {
		ExceptionType    string `json:"exceptionType"`
		ErrorMessage     string `json:"errorMessage"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}{code, message, code, message})
	if err != nil {
		panic(err) // four strings always marshal
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
