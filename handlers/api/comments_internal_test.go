package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	commandline "flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = commandline.Bool("update", false, "write comments.json anew; read the difference")

// comments.json is what the doc comments say of the types of the API, so that the
// documentation says the same as the source.
func TestComments(t *testing.T) {
	c := &schemas{byName: map[string]*schema{}}
	(&Server{}).document(everyEndpoint(t), c)
	owners := map[string]bool{"errorBody": true}
	for name := range c.byName {
		owners[name] = true
	}
	for _, e := range endpoints {
		for _, v := range []any{e.operation.request, e.operation.answer} {
			if v != nil {
				embeddedIn(reflect.TypeOf(v), owners)
			}
		}
	}
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), n.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				spec := s.(*ast.TypeSpec)
				if st, ok := spec.Type.(*ast.StructType); ok && owners[spec.Name.Name] {
					name := spec.Name.Name
					all[name] = saidOf(name, g.Doc, st)
					if name == "errorBody" {
						all["Error"] = all[name]
						delete(all, name)
					}
				}
			}
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("comments.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), commentsJSON) {
		t.Errorf("comments.json is not what the doc comments say: run go test ./handlers/api -run TestComments -update")
	}
}

// everyEndpoint returns the endpoints as if all were in production.
func everyEndpoint(t *testing.T) []served {
	t.Helper()
	var all []served
	for _, e := range endpoints {
		if e.operation.answer == nil {
			t.Fatalf("%s is not described: its operation has no answer", e.name())
		}
		all = append(all, served{endpoint: e})
	}
	return all
}

func embeddedIn(t reflect.Type, names map[string]bool) {
	for f := range t.Fields() {
		if f.Anonymous {
			names[f.Type.Name()] = true
			embeddedIn(f.Type, names)
		}
	}
}

// saidOf returns the comments of a struct and its members, with the names that
// the members have in JSON.
func saidOf(name string, doc *ast.CommentGroup, st *ast.StructType) map[string]string {
	rename := map[string]string{}
	type commented struct{ goName, name, text string }
	var fields []commented
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) != 1 {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
		jsonName, _, _ := strings.Cut(tag, ",")
		if jsonName == "-" {
			continue
		}
		rename[f.Names[0].Name] = jsonName
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		fields = append(fields, commented{f.Names[0].Name, jsonName, text})
	}
	all := map[string]string{}
	if text := worded(doc.Text(), name, rename); text != "" {
		all[""] = text
	}
	for _, f := range fields {
		if text := worded(f.text, f.goName, rename); text != "" {
			all[f.name] = text
		}
	}
	return all
}

var goName = regexp.MustCompile(`\[?\b[A-Z]\w+\b\]?`)

// elsewhere is what the documentation shows at the endpoints themselves.
var elsewhere = regexp.MustCompile(`: the (answer|request) of [^.]*\.`)

// worded writes the comment of a struct or a member, known by its Go name, as a
// sentence for callers, who know members by their names in JSON.
func worded(text, name string, rename map[string]string) string {
	text = elsewhere.ReplaceAllString(strings.Join(strings.Fields(text), " "), ".")
	if text == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, name+" "); ok {
		text = rest
		for _, verb := range []string{"is ", "are "} {
			text = strings.TrimPrefix(text, verb)
		}
	}
	isMember := false
	text = goName.ReplaceAllStringFunc(text, func(s string) string {
		n := rename[s]
		isMember = isMember || n != "" && strings.HasPrefix(text, s)
		return cmp.Or(n, strings.Trim(s, "[]"))
	})
	if !isMember {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return strings.TrimSuffix(text, ".") + "."
}
