package api

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"strings"
)

// The bounds of an XML body.
const (
	maxXMLDepth    = 8
	maxXMLElements = 10_000
)

// decodeEither is decode for the endpoints that read XML as well: the root is data,
// and the items of a list are item0, item1 and so on.
func decodeEither(r *http.Request, v any) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/xml" && kind != "text/xml" {
		return decode(r, v)
	}
	if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" {
		return &Error{Status: http.StatusUnsupportedMediaType, Type: "UnsupportedMediaType", Message: "the body has to be JSON or XML in UTF-8"}
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	members, err := parseXML(body, reflect.TypeOf(v))
	if err != nil {
		return err
	}
	said, err := json.Marshal(members)
	if err != nil {
		return internal(err)
	}
	return unmarshal(said, v)
}

// element is an XML element with what is in it.
type element struct {
	name     string
	text     strings.Builder
	children []*element
}

// parseXML returns the members of the JSON object that a body stands for. Document
// types and what is not UTF-8 are refused; names are compared without their space.
func parseXML(body []byte, t reflect.Type) (map[string]any, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var root *element
	var open []*element
	for n := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			break
		}
		if err != nil {
			return nil, badRequest("the body is no XML in UTF-8")
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, badRequest("the body has a document type, which is not read")
		case xml.StartElement:
			if n++; n > maxXMLElements || len(open) == maxXMLDepth {
				return nil, badRequest("the body has too many elements, or they stand too deep")
			}
			e := &element{name: token.Name.Local}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case root != nil || e.name != "data":
				return nil, badRequest("the root of the body has to be data")
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(token)
			}
		}
	}
	v, err := root.as(t, "data")
	if err != nil {
		return nil, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		members = map[string]any{} // an empty root
	}
	return members, nil
}

var (
	itemName   = regexp.MustCompile(`^item[0-9]+$`)
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	exponent   = regexp.MustCompile(`[eE][+-]?[0-9]+$`)
)

// as returns the element as the JSON value that a type is read from.
func (e *element) as(t reflect.Type, path string) (any, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := strings.TrimSpace(e.text.String())
	switch {
	case len(e.children) == 0 && text == "":
		return nil, nil
	case t == reflect.TypeFor[When]() && len(e.children) == 0:
		if len(text) != len("20060102") && jsonNumber.MatchString(text) { // that is a day, as a text in JSON
			return json.Number(text), nil
		}
		return text, nil
	case t.Kind() == reflect.Struct && len(e.children) == 0, t.Kind() == reflect.Slice && len(e.children) == 0:
		return nil, badRequest("%s has to hold elements", path)
	case t.Kind() == reflect.Struct:
		members := map[string]any{}
		fields := fieldsOf(t)
		for _, child := range e.children {
			for _, f := range fields {
				if f.name != child.name {
					continue
				}
				if _, twice := members[f.name]; twice {
					return nil, badRequest("%s stands twice in %s", f.name, path)
				}
				v, err := child.as(f.typ, f.name)
				if err != nil {
					return nil, err
				}
				members[f.name] = v
			}
		}
		return members, nil
	case t.Kind() == reflect.Slice:
		items := []any{}
		for _, child := range e.children {
			if !itemName.MatchString(child.name) {
				return nil, badRequest("the items of %s have to be item0, item1 and so on", path)
			}
			v, err := child.as(t.Elem(), path)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
		return items, nil
	case len(e.children) > 0:
		return nil, badRequest("%s has to be a text", path)
	case t.Kind() == reflect.Bool && (text == "true" || text == "false"):
		return text == "true", nil
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t == reflect.TypeFor[json.Number]()) && jsonNumber.MatchString(text):
		return json.Number(text), nil
	}
	return text, nil
}
