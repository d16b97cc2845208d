package openapi_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/errors"
)

// document is the OpenAPI document that a site serves.
type document struct {
	t         testing.TB
	raw       []byte
	root      map[string]any
	validator validator.Validator
	seen      map[string]bool // members of answers that a live answer had
}

func (s *site) document() *document {
	s.t.Helper()
	resp, err := plain.Get(s.api + "/openapi.json")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	d := &document{t: s.t, seen: map[string]bool{}}
	if d.raw, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		s.t.Fatalf("openapi.json: %s %s", resp.Status, d.raw)
	}
	if err := json.Unmarshal(d.raw, &d.root); err != nil {
		s.t.Fatal(err)
	}
	parsed, err := libopenapi.NewDocument(d.raw)
	if err != nil {
		s.t.Fatal(err)
	}
	v, faults := validator.NewValidator(parsed)
	if len(faults) > 0 {
		s.t.Fatalf("the document can not be read: %v", faults)
	}
	d.validator = v
	return d
}

func (d *document) report(what string, faults []*errors.ValidationError) {
	d.t.Helper()
	for _, f := range faults {
		d.t.Errorf("%s: %s: %s", what, f.Message, f.Reason)
		for _, s := range f.SchemaValidationErrors {
			d.t.Errorf("  %s: %s", s.FieldPath, s.Reason)
		}
	}
}

// resolve follows a $ref; what stands beside it is laid over.
func (d *document) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	target, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	at := any(d.root)
	for part := range strings.SplitSeq(strings.TrimPrefix(target, "#/"), "/") {
		at = at.(map[string]any)[part]
	}
	if at == nil {
		d.t.Fatalf("%s leads nowhere", target)
	}
	out := map[string]any{}
	for k, v := range d.resolve(at) {
		out[k] = v
	}
	for k, v := range m {
		if k != "$ref" {
			out[k] = v
		}
	}
	if _, ok := at.(map[string]any)["properties"]; ok {
		out["name"] = target[strings.LastIndexByte(target, '/')+1:]
	}
	return out
}

// operation is one operation of the document.
type operation struct {
	id, method, path string
	op               map[string]any
}

func (d *document) operations() []operation {
	var all []operation
	for path, item := range d.root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method != "parameters" {
				o := op.(map[string]any)
				all = append(all, operation{o["operationId"].(string), strings.ToUpper(method), path, o})
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.id, b.id) })
	return all
}

// response returns what the document says of an answer, nil for nothing.
func (d *document) response(o operation, status int) map[string]any {
	r, ok := o.op["responses"].(map[string]any)[strconv.Itoa(status)]
	if !ok {
		return nil
	}
	return d.resolve(r)
}

// strictly reports members of a live value that the schema does not have, which
// JSON Schema itself allows, and notes those that it has.
func (d *document) strictly(what string, schema, v any) {
	d.t.Helper()
	s := d.resolve(schema)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, member := range v {
			if properties[name] == nil {
				d.t.Errorf("%s: %v.%s is not documented", what, s["name"], name)
				continue
			}
			d.seen[fmt.Sprintf("%v.%s", s["name"], name)] = true
			d.strictly(what, properties[name], member)
		}
	case []any:
		for _, item := range v {
			d.strictly(what, s["items"], item)
		}
	}
}

// members returns the members of all answers, as strictly notes them.
func (d *document) members() []string {
	found := map[string]bool{}
	var walk func(schema any)
	walk = func(schema any) {
		s := d.resolve(schema)
		if s["items"] != nil {
			walk(s["items"])
		}
		properties, _ := s["properties"].(map[string]any)
		for name, p := range properties {
			key := fmt.Sprintf("%v.%s", s["name"], name)
			if !found[key] {
				found[key] = true
				walk(p)
			}
		}
	}
	for _, o := range d.operations() {
		for status := range o.op["responses"].(map[string]any) {
			code, _ := strconv.Atoi(status)
			content, _ := d.response(o, code)["content"].(map[string]any)
			for _, media := range content {
				walk(media.(map[string]any)["schema"])
			}
		}
	}
	var all []string
	for key := range found {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

// node is an XML element.
type node struct {
	name     string
	text     string
	children []*node
}

func parseXML(raw []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(raw))
	top := &node{}
	stack := []*node{top}
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			if len(top.children) != 1 {
				return nil, fmt.Errorf("%d roots", len(top.children))
			}
			return top.children[0], nil
		}
		if err != nil {
			return nil, err
		}
		last := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name.Local}
			last.children = append(last.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			last.text += string(tok)
		}
	}
}

func (n *node) all(name string) []*node {
	var found []*node
	for _, c := range n.children {
		if c.name == name {
			found = append(found, c)
		}
	}
	return found
}

func xmlName(schema map[string]any, otherwise string) string {
	x, _ := schema["xml"].(map[string]any)
	name, _ := x["name"].(string)
	return cmp.Or(name, otherwise)
}

// fromXML reads an element as the document describes it, into what the JSON of it
// would be.
func (d *document) fromXML(schema any, n *node) (any, error) {
	s := d.resolve(schema)
	switch s["type"] {
	case "object":
		out, known := map[string]any{}, map[string]bool{}
		for name, p := range s["properties"].(map[string]any) {
			ps := d.resolve(p)
			if ps["type"] != "array" {
				x := xmlName(map[string]any{"xml": p.(map[string]any)["xml"]}, name)
				known[x] = true
				for _, c := range n.all(x) {
					v, err := d.fromXML(p, c)
					if err != nil {
						return nil, err
					}
					out[name] = v
				}
				continue
			}
			items := ps["items"].(map[string]any)
			itemName, parents := xmlName(items, name), []*node{n}
			if x, _ := ps["xml"].(map[string]any); x["wrapped"] == true {
				known[xmlName(ps, name)] = true
				parents = n.all(xmlName(ps, name))
			} else {
				known[itemName] = true
			}
			list := []any{}
			for _, parent := range parents {
				for _, c := range parent.all(itemName) {
					v, err := d.fromXML(items, c)
					if err != nil {
						return nil, err
					}
					list = append(list, v)
				}
			}
			required, _ := s["required"].([]any)
			if len(list) > 0 || slices.Contains(required, any(name)) {
				out[name] = list
			}
		}
		for _, c := range n.children {
			if !known[c.name] {
				return nil, fmt.Errorf("%v has no element %s", s["name"], c.name)
			}
		}
		return out, nil
	case "integer", "number":
		return strconv.ParseFloat(n.text, 64)
	case "boolean":
		return strconv.ParseBool(n.text)
	}
	return n.text, nil
}

// TestDocument: the document is OpenAPI 3.1, and says of the server what the
// configuration says.
func TestDocument(t *testing.T) {
	s := seeded(t, func(c *connectid.Config) { c.Version = "7.3" })
	d := s.document()
	if ok, faults := d.validator.ValidateDocument(); !ok {
		d.report("the document", faults)
	}
	info := d.root["info"].(map[string]any)
	if info["version"] != "7.3" {
		t.Errorf("version %v, want 7.3", info["version"])
	}
	servers := d.root["servers"].([]any)
	if len(servers) != 1 || servers[0].(map[string]any)["url"] != s.api {
		t.Errorf("servers %v, want %s", servers, s.api)
	}
	var metadata struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	resp, err := plain.Get(s.host + "/.well-known/oauth-authorization-server/user")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&metadata); err != nil || metadata.Token == "" {
		t.Fatalf("metadata: %v %+v", err, metadata)
	}
	schemes := d.root["components"].(map[string]any)["securitySchemes"].(map[string]any)
	flow := func(scheme, name string) map[string]any {
		f, _ := schemes[scheme].(map[string]any)["flows"].(map[string]any)[name].(map[string]any)
		return f
	}
	if f := flow("userToken", "authorizationCode"); f["authorizationUrl"] != metadata.Authorize || f["tokenUrl"] != metadata.Token {
		t.Errorf("authorizationCode: %v, want %+v", f, metadata)
	}
	if f := flow("clientToken", "clientCredentials"); f["tokenUrl"] != metadata.Token {
		t.Errorf("clientCredentials: %v, want %+v", f, metadata)
	}
	ids := map[string]bool{}
	for _, o := range d.operations() {
		if ids[o.id] {
			t.Errorf("operationId %s is not unique", o.id)
		}
		ids[o.id] = true
	}
}

// Everybody may read the document, also scripts of other sites, and keep it.
func TestDocumentIsPublic(t *testing.T) {
	s := seeded(t, func(c *connectid.Config) { c.AnonymousPerMinute = 5 })
	get := func(headers ...string) *http.Response {
		t.Helper()
		r, _ := http.NewRequest("GET", s.api+"/openapi.json", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := plain.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	first := get("Origin", "https://tools.example")
	h := first.Header
	if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("ETag") == "" || !strings.Contains(h.Get("Cache-Control"), "max-age=") || h.Get("X-RateLimit-Remaining") != "4" {
		t.Errorf("headers %v", h)
	}
	if again := get("If-None-Match", h.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("with its ETag: %s", again.Status)
	}
	if again := get("Authorization", "Bearer wrong"); again.StatusCode != 200 {
		t.Errorf("with a bad token: %s", again.Status)
	}
	get()
	get()
	if over := get(); over.StatusCode != 429 || over.Header.Get("Retry-After") == "" {
		t.Errorf("over the limit of an address: %s", over.Status)
	}
}
