package theme

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// textFaults gives the errors of a texts.json, which begin with the language and
// the id that they mean, a place in the file.
func textFaults(src []byte, err error) error {
	if err == nil {
		return nil
	}
	l := &faultList{src: src}
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		l.add(int(max(bad.Offset-1, 0)), "bad JSON: %v", bad)
		return l.faults()
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, e := range errs {
		lang, rest, _ := strings.Cut(e.Error(), ": ")
		id, _, _ := strings.Cut(rest, ": ")
		at := keyOffset(src, 0, lang)
		if inner := keyOffset(src, at, id); inner > at {
			at = inner
		}
		l.add(at, "%v", e)
	}
	return l.faults()
}

// keyOffset returns where the key stands behind from, and from when it is not
// found.
func keyOffset(src []byte, from int, key string) int {
	quoted, err := json.Marshal(key)
	if err != nil {
		return from
	}
	for at := from; at < len(src); {
		i := bytes.Index(src[at:], quoted)
		if i < 0 {
			break
		}
		at += i
		if rest := bytes.TrimLeft(src[at+len(quoted):], " \t\r\n"); bytes.HasPrefix(rest, []byte(":")) {
			return at
		}
		at += len(quoted)
	}
	return from
}
