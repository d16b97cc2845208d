package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// invalid is a fault of the call, in words for the developer who made it.
func invalid(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidRequest", Message: message}
}

// decode reads the body of a call, one JSON object in UTF-8, into v. Fields that
// v does not have are ignored. No word of the body comes back in an error.
func decode(r *http.Request, v any) error {
	if ct := r.Header.Get("Content-Type"); ct != "" && !isJSON(ct) {
		return &Error{Status: http.StatusUnsupportedMediaType, Type: "UnsupportedMediaType", Message: "the body has to be application/json in UTF-8"}
	}
	body, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLarge", Message: "the body is too large", Err: err}
	}
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Type: "InvalidRequest", Message: "the body can not be read", Err: err}
	}
	// Decoders put U+FFFD in place of what is no text, so that many would be one.
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return invalid("the body has to be a JSON object in UTF-8")
	}
	err = json.Unmarshal(body, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return invalid("bad " + wrong.Field + ": not of the type that it has to be")
	}
	if err != nil {
		return invalid("the body is no JSON")
	}
	return nil
}

func isJSON(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	return err == nil && t == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}
