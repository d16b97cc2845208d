package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"time"
)

// When is a time as callers write it: milliseconds since 1970, yyyy-mm-dd, or ISO
// 8601. A day without a time is its beginning in UTC.
type When struct{ time.Time }

// whenForms are the forms of texts, as real callers write them.
var whenForms = []string{
	time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999", "20060102",
}

// earliest and latest bound what a time of an order can be.
var (
	earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// UnmarshalJSON implements [json.Unmarshaler].
func (w *When) UnmarshalJSON(b []byte) error {
	// The decoder adds which field it is.
	bad := &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[When]()}
	s := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &s); err != nil {
			return bad
		}
		for _, form := range whenForms {
			if t, err := time.Parse(form, s); err == nil {
				return w.set(t, bad)
			}
		}
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return bad
	}
	return w.set(time.UnixMilli(ms), bad)
}

func (w *When) set(t time.Time, bad error) error {
	if t.Before(earliest) || !t.Before(latest) {
		return bad
	}
	w.Time = t.UTC().Truncate(time.Millisecond)
	return nil
}

// MarshalJSON writes milliseconds since 1970.
func (w When) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, w.UnixMilli(), 10), nil }
