package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// schema is a JSON Schema as OpenAPI 3.1 has it, of what the API's types need.
type schema struct {
	Ref         string     `json:"$ref,omitempty"`
	Type        string     `json:"type,omitempty"`
	Format      string     `json:"format,omitempty"`
	Description string     `json:"description,omitempty"`
	Enum        []any      `json:"enum,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	MinLength   int        `json:"minLength,omitempty"`
	MaxLength   int        `json:"maxLength,omitempty"`
	Minimum     *int       `json:"minimum,omitempty"`
	Maximum     *int       `json:"maximum,omitempty"`
	MultipleOf  float64    `json:"multipleOf,omitempty"`
	Items       *schema    `json:"items,omitempty"`
	Properties  object     `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	AnyOf       []*schema  `json:"anyOf,omitempty"`
	XML         *xmlSchema `json:"xml,omitempty"`
}

// xmlSchema says how a value is written in XML where that is not as in JSON.
type xmlSchema struct {
	Name    string `json:"name,omitempty"`
	Wrapped bool   `json:"wrapped,omitempty"`
}

// field is a member of the JSON object of a struct.
type field struct {
	name     string // in JSON
	owner    string // the struct that declares it
	index    []int
	typ      reflect.Type
	optional bool // left out when it is zero
	xmlName  string
	xmlItem  string // the name of each element of a list
}

// fieldsOf returns the members of a struct, those of embedded structs too.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case f.Anonymous && name == "":
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				all = append(all, inner)
			}
			continue
		}
		x, _, _ := strings.Cut(f.Tag.Get("xml"), ",")
		xmlName, item, _ := strings.Cut(x, ">")
		all = append(all, field{
			name: name, owner: t.Name(), index: f.Index, typ: f.Type, xmlName: xmlName, xmlItem: item,
			optional: strings.Contains(options, "omit"),
		})
	}
	return all
}

// commentsJSON is what the doc comments say of the API's types, by type and
// member; the type's own is "". TestComments writes it.
//
//go:embed comments.json
var commentsJSON []byte

var comments = sync.OnceValue(func() map[string]map[string]string {
	var all map[string]map[string]string
	if err := json.Unmarshal(commentsJSON, &all); err != nil {
		panic("api: comments.json: " + err.Error()) // it is part of the source
	}
	return all
})

// schemas collects the types of a document.
type schemas struct {
	byName map[string]*schema
	order  []string
}

const componentPath = "#/components/schemas/"

// component returns the name of the component of a type.
func component(t reflect.Type) string {
	return ownerName(t.Name())
}

// ownerName is component of the struct that declares a member.
func ownerName(name string) string {
	if name == reflect.TypeFor[errorBody]().Name() {
		return "Error"
	}
	return name
}

// of returns the schema of a type; structs are components and referred to.
func (c *schemas) of(t reflect.Type) *schema {
	switch {
	case t == reflect.TypeFor[json.Number]():
		return &schema{Type: "number", MultipleOf: 0.01}
	case t == reflect.TypeFor[When]():
		return &schema{AnyOf: []*schema{{Type: "integer", Format: "int64"}, {Type: "string"}}}
	case t.Kind() == reflect.Pointer:
		return c.of(t.Elem())
	}
	switch t.Kind() {
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int64:
		return &schema{Type: "integer", Format: "int64"}
	case reflect.Int:
		return &schema{Type: "integer"}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Slice:
		return &schema{Type: "array", Items: c.of(t.Elem())}
	case reflect.Struct:
		c.add(t)
		return &schema{Ref: componentPath + component(t)}
	}
	panic(fmt.Sprintf("api: no schema for %v", t)) // a mistake in the source
}

func (c *schemas) add(t reflect.Type) {
	name := component(t)
	if c.byName[name] != nil {
		return
	}
	s := &schema{Type: "object", Description: comments()[name][""]}
	c.byName[name] = s
	c.order = append(c.order, name)
	if f, ok := t.FieldByName("XMLName"); ok {
		s.XML = &xmlSchema{Name: f.Tag.Get("xml")}
	}
	demanded, isRequest := requiredOf[name]
	for _, f := range fieldsOf(t) {
		p := c.of(f.typ)
		p.Description = comments()[ownerName(f.owner)][f.name]
		if p.Description == "" {
			p.Description = common[f.name]
		}
		if refine := facets[f.owner+"."+f.name]; refine != nil {
			refine(p)
		} else if refine := facets["*."+f.name]; refine != nil {
			refine(p)
		}
		switch {
		case f.xmlItem != "":
			p.Items.XML = &xmlSchema{Name: f.xmlItem}
			p.XML = &xmlSchema{Wrapped: true}
			if f.xmlName != f.name {
				p.XML.Name = f.xmlName
			}
		case p.Type == "array" && f.xmlName != "":
			p.Items.XML = &xmlSchema{Name: f.xmlName}
		case f.xmlName != "" && f.xmlName != f.name:
			p.XML = &xmlSchema{Name: f.xmlName}
		}
		s.Properties = append(s.Properties, member{f.name, p})
		if isRequest && slices.Contains(demanded, f.name) || !isRequest && !f.optional {
			s.Required = append(s.Required, f.name)
		}
	}
}

// row is a member for readers, with those of what it holds.
type row struct {
	Name string // such as subscriptions[].product
	Type string
	Mark string // what is to be said of one that has to be there
	Text string
}

// rows lists the members of a component, below prefix. Those that have to be there
// are marked.
func (c *schemas) rows(name, prefix, mark string) []row {
	s := c.byName[name]
	var all []row
	for _, m := range s.Properties {
		p := m.value.(*schema)
		r := row{Name: prefix + m.name, Type: p.words(), Text: p.Description}
		if slices.Contains(s.Required, m.name) {
			r.Mark = mark
		}
		all = append(all, r)
		inner, dot := p, "."
		if p.Items != nil {
			inner, dot = p.Items, "[]."
		}
		if inner.Ref != "" {
			all = append(all, c.rows(strings.TrimPrefix(inner.Ref, componentPath), r.Name+dot, mark)...)
		}
	}
	return all
}

// words says a schema in a few words.
func (s *schema) words() string {
	var w string
	switch {
	case s.Ref != "":
		w = "object"
	case s.Items != nil && s.Items.Ref != "":
		w = "list of objects"
	case s.Items != nil:
		w = "list of " + s.Items.words() + "s"
	default:
		w = s.Type
	}
	if len(s.Enum) > 0 {
		var all []string
		for _, v := range s.Enum {
			all = append(all, fmt.Sprint(v))
		}
		w += ": " + strings.Join(all, ", ")
	}
	if s.MaxLength > 0 {
		w += fmt.Sprintf(", at most %d characters", s.MaxLength)
	}
	return w
}
