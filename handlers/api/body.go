package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// badRequest is a fault of the call.
func badRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidRequest", Message: fmt.Sprintf(format, args...)}
}

// decode reads the request's JSON object into v, a pointer to a struct. Members
// that v does not have are ignored; empty strings and null count as absent, in
// lists too. An empty body is an empty object.
func decode(r *http.Request, v any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := checkJSON(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	return unmarshal(body, v)
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLarge", Message: fmt.Sprintf("the body has more than %d bytes", e.Limit)}
	}
	if err != nil {
		return nil, badRequest("the body could not be read")
	}
	return body, nil
}

// checkJSON refuses bodies that say they are something else than JSON in UTF-8.
// One that says nothing is taken at its word.
func checkJSON(contentType string) error {
	if contentType == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") || charset != "" && charset != "utf-8" {
		return &Error{Status: http.StatusUnsupportedMediaType, Type: "UnsupportedMediaType", Message: "the body has to be application/json in UTF-8"}
	}
	return nil
}

func unmarshal(body []byte, v any) error {
	if !utf8.Valid(body) {
		return badRequest("the body is not in UTF-8")
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&members); err != nil || members == nil {
		return badRequest("the body is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body has more than one JSON value")
	}
	said, err := json.Marshal(known(members, reflect.TypeOf(v)))
	if err != nil {
		return internal(fmt.Errorf("encode what was decoded: %w", err))
	}
	if err := json.Unmarshal(said, v); err != nil {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
			kind := kindOf(e.Type.Kind().String())
			switch e.Type {
			case reflect.TypeFor[json.Number]():
				kind = "a number"
			case reflect.TypeFor[When]():
				kind = "a time: milliseconds since 1970, yyyy-mm-dd or ISO 8601"
			}
			return badRequest("%s has to be %s", e.Field, kind)
		}
		return badRequest("the body is not what this address reads")
	}
	return nil
}

func kindOf(kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case kind == "string":
		return "a string"
	case kind == "slice":
		return "a list"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	}
	return "an object"
}

// known returns of a decoded JSON value what a value of type t has, without what
// counts as absent. Members go by their exact names: encoding/json takes them in
// other letters too, so that "uniqueid" would stand in for "uniqueId".
func known(v any, t reflect.Type) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return v // which json.Unmarshal refuses
		}
		kept := map[string]any{}
		for _, f := range fieldsOf(t) {
			if member := v[f.name]; member != nil && member != "" {
				kept[f.name] = known(member, f.typ)
			}
		}
		return kept
	case []any:
		if t.Kind() != reflect.Slice {
			return v
		}
		kept := v[:0]
		for _, member := range v {
			if member != nil && member != "" {
				kept = append(kept, known(member, t.Elem()))
			}
		}
		return kept
	case string:
		if t == reflect.TypeFor[json.Number]() && !jsonNumber.MatchString(exponent.ReplaceAllString(v, "")) {
			return false // which json.Unmarshal refuses by the name of the field
		}
	}
	return v
}

// maxText is how long a text that somebody sends may be where nothing says less.
const maxText = 100

// text returns a text without the space around it, or what is wrong with it.
func text(name, s string, maximum int) (string, error) {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maximum {
		return "", badRequest("%s is longer than %d characters", name, maximum)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) {
		return "", badRequest("%s has characters that can not be shown", name)
	}
	return s, nil
}

// texts checks each of the texts in place.
func texts(maximum int, all map[string]*string) error {
	for name, s := range all {
		checked, err := text(name, *s, maximum)
		if err != nil {
			return err
		}
		*s = checked
	}
	return nil
}

// flag reads a parameter of the query that is true or false; absent or empty is
// false.
func flag(r *http.Request, name string) (bool, error) {
	s, err := param(r, name)
	switch {
	case err != nil:
		return false, err
	case s == "" || s == "false":
		return false, nil
	case s == "true":
		return true, nil
	}
	return false, badRequest("%s has to be true or false", name)
}

// param returns a parameter of the query, "" if it is absent. One that stands
// twice could mean either.
func param(r *http.Request, name string) (string, error) {
	all := r.URL.Query()[name]
	if len(all) > 1 {
		return "", badRequest("%s stands %d times in the address", name, len(all))
	}
	if len(all) == 0 {
		return "", nil
	}
	return text(name, all[0], maxText)
}
