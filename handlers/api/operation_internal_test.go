package api

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every endpoint is described, and the description speaks of what there is.
func TestEveryEndpointIsDescribed(t *testing.T) {
	ids, used := map[string]bool{}, map[string]bool{}
	chapter := map[string]bool{}
	for _, tag := range tags {
		chapter[tag.name] = true
	}
	types := &schemas{byName: map[string]*schema{}}
	(&Server{}).document(everyEndpoint(t), types)
	for _, e := range endpoints {
		op := e.operation
		if !regexp.MustCompile(`^[a-z][A-Za-z]+$`).MatchString(op.id) || ids[op.id] {
			t.Errorf("%s: id %q, want a name of its own", e.name(), op.id)
		}
		ids[op.id], used[op.tag] = true, true
		if !chapter[op.tag] {
			t.Errorf("%s: tag %q, want one of tags", e.name(), op.tag)
		}
		if op.summary == "" || op.answer == nil {
			t.Errorf("%s: the summary or the answer is missing", e.name())
		}
		if e.forUser() == e.forClient() {
			t.Errorf("%s: opened by a user's token %t, by a client's %t", e.name(), e.forUser(), e.forClient())
		}
		if (op.request != nil) != (e.method != "GET") {
			t.Errorf("%s: there is a request: %t", e.name(), op.request != nil)
		}
		for _, name := range e.pathParams() {
			if pathParams[name].text == "" || pathParams[name].example == nil {
				t.Errorf("%s: parameter %s is not in pathParams", e.name(), name)
			}
		}
		for _, name := range op.anyOf {
			if !has(types.byName[component(reflect.TypeOf(op.request))], name) {
				t.Errorf("%s: the request has no %s", e.name(), name)
			}
		}
		for _, f := range op.faults {
			if _, ok := shared[f.Status]; ok || f.Type == "" || f.Message == "" {
				t.Errorf("%s: fault %d %s: want a status of the endpoint's own, with its words", e.name(), f.Status, f.Type)
			}
		}
	}
	for name := range chapter {
		if !used[name] {
			t.Errorf("tag %s has no endpoint", name)
		}
	}
	for name, members := range requiredOf {
		for _, m := range members {
			if !has(types.byName[name], m) {
				t.Errorf("requiredOf: %s has no %s", name, m)
			}
		}
		if types.byName[name] == nil {
			t.Errorf("requiredOf: there is no %s", name)
		}
	}
	var everywhere []string
	owned := map[string]bool{}
	for _, e := range endpoints {
		for _, v := range []any{e.operation.request, e.operation.answer} {
			if v != nil {
				members(reflect.TypeOf(v), owned)
			}
		}
	}
	for key := range owned {
		_, name, _ := strings.Cut(key, ".")
		everywhere = append(everywhere, name)
	}
	for key := range facets {
		owner, name, _ := strings.Cut(key, ".")
		if owner == "*" && !slices.Contains(everywhere, name) || owner != "*" && !owned[key] {
			t.Errorf("facets: there is no %s", key)
		}
	}
	for name := range common {
		if !slices.Contains(everywhere, name) {
			t.Errorf("common: there is no %s", name)
		}
	}
}

func has(s *schema, name string) bool {
	return s != nil && slices.ContainsFunc(s.Properties, func(m member) bool { return m.name == name })
}

// members notes the members of a struct and of those in it, as facets names them.
func members(t reflect.Type, found map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for _, f := range fieldsOf(t) {
		found[f.owner+"."+f.name] = true
		members(f.typ, found)
	}
}
