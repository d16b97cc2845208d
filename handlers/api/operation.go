package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// operation describes an endpoint to developers. The OpenAPI document and the
// page of documentation are made of it, with the types of its examples.
type operation struct {
	id      string // of code that is generated; also the anchor
	tag     string // one of tags
	summary string
	text    string // what else there is to know; may be empty
	query   []queryParam
	// request is an example of the body, of the type that the handler decodes. Nil
	// for none. Fields that are zero are left out.
	request any
	alsoXML bool     // the body may be XML as well
	anyOf   []string // of these fields of the request one has to be there
	answer  any      // an example of the type that the handler answers with
	// cacheable says that the answer carries an ETag and may be kept.
	cacheable bool
	// absent reports whether a configuration goes without the endpoint; nil for never.
	absent func(Config) bool
	// faults are what this endpoint refuses, apart from what all do.
	faults []Error
}

// queryParam is a parameter of the query.
type queryParam struct {
	name    string
	text    string
	schema  *schema
	example any
}

// pathParam is a parameter of the path, wherever it stands.
type pathParam struct {
	text    string
	schema  *schema
	example any
}

// forUser reports whether a user's token opens the endpoint.
func (e endpoint) forUser() bool {
	return e.allow(middleware.Token{AccessToken: store.AccessToken{UserID: "user"}}) == nil
}

// forClient reports whether a client's own token opens it.
func (e endpoint) forClient() bool { return e.allow(middleware.Token{}) == nil }

// pathParams returns the names of the parameters in the endpoint's path.
func (e endpoint) pathParams() []string {
	var names []string
	for part := range strings.SplitSeq(e.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// examplePath is the path with the examples of its parameters, and a query with
// those that have one.
func (e endpoint) examplePath() string {
	p := e.path
	for _, name := range e.pathParams() {
		p = strings.Replace(p, "{"+name+"}", fmt.Sprint(pathParams[name].example), 1)
	}
	sep := "?"
	for _, q := range e.operation.query {
		if q.example != nil {
			p += sep + q.name + "=" + fmt.Sprint(q.example)
			sep = "&"
		}
	}
	return p
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// put adds a member, unless its value is empty.
func (o object) put(name string, value any) object {
	if v := reflect.ValueOf(value); !v.IsValid() || v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return o
	}
	return append(o, member{name, value})
}

// said returns a request without the fields that are zero, which count as absent.
func said(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return said(v.Elem())
	case reflect.Slice:
		all := make([]any, v.Len())
		for i := range all {
			all[i] = said(v.Index(i))
		}
		return all
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[When]() {
			return v.Interface()
		}
		o := object{}
		for _, f := range fieldsOf(v.Type()) {
			if fv := v.FieldByIndex(f.index); !fv.IsZero() {
				o = append(o, member{f.name, said(fv)})
			}
		}
		return o
	}
	return v.Interface()
}

// statuses returns what every call of the endpoint may be refused with, apart from
// its own faults.
func (e served) statuses() []int {
	all := []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	if e.operation.request != nil {
		all = append(all, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if e.life != nil && !e.life.Lifecycle().Sunset.IsZero() {
		all = append(all, http.StatusGone)
	}
	slices.Sort(all)
	return all
}

// faultsBy returns the operation's own faults by status.
func (o operation) faultsBy() (statuses []int, byStatus map[int][]Error) {
	byStatus = map[int][]Error{}
	for _, f := range o.faults {
		byStatus[f.Status] = append(byStatus[f.Status], f)
	}
	return slices.Sorted(maps.Keys(byStatus)), byStatus
}
