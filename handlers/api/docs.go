package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"reflect"
	"strings"
)

var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.css
	docsCSS      string
	docsTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"path": breakable}).Parse(docsHTML))
)

// docsPolicy allows the page its own styles and nothing else.
var docsPolicy = func() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// docsPage is what the template shows.
type docsPage struct {
	Style                      template.CSS
	Version                    string
	URL                        string
	AuthorizationURL, TokenURL string
	Rules                      []rule
	Chapters                   []docsChapter
}

type docsChapter struct {
	ID, Name, Text string
	Operations     []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Text string
	Deprecated                      bool
	Token                           string // whose
	Params                          []row
	Request, Answer                 []row
	AnyOf                           string
	Statuses                        []docsStatus
	Curl                            string
	JSON, XML                       string // the answer
}

type docsStatus struct {
	Code int
	Text string
}

// page writes the documentation of the endpoints, whose types are in c.
func (s *Server) page(all []served, c *schemas) (page []byte, policy string, err error) {
	p := docsPage{Style: template.CSS(docsCSS), Version: s.c.Version, URL: s.address(), Rules: s.rules()}
	if p.TokenURL = s.c.TokenURL; s.hasOAuth() {
		p.AuthorizationURL = s.c.AuthorizationURL
	}
	for _, t := range tags {
		chapter := docsChapter{ID: strings.ReplaceAll(strings.ToLower(t.name), " ", "-"), Name: t.name, Text: t.text}
		for _, e := range all {
			if e.operation.tag != t.name {
				continue
			}
			o, err := s.docsOperation(e, c)
			if err != nil {
				return nil, "", err
			}
			chapter.Operations = append(chapter.Operations, o)
		}
		if len(chapter.Operations) > 0 {
			p.Chapters = append(p.Chapters, chapter)
		}
	}
	var b bytes.Buffer
	if err := docsTemplate.Execute(&b, p); err != nil {
		return nil, "", err
	}
	return b.Bytes(), docsPolicy, nil
}

func (s *Server) docsOperation(e served, c *schemas) (docsOperation, error) {
	op := e.operation
	o := docsOperation{
		ID: op.id, Method: e.method, Path: "/" + e.path, Summary: op.summary, Text: e.text(), Deprecated: e.deprecated(),
		Answer: c.rows(component(reflect.TypeOf(op.answer)), "", "always there"), AnyOf: strings.Join(op.anyOf, ", "), XML: asXML(op.answer),
	}
	for _, name := range e.pathParams() {
		o.Params = append(o.Params, row{name, pathParams[name].schema.words() + " in the path", "required", pathParams[name].text})
	}
	for _, q := range op.query {
		o.Params = append(o.Params, row{q.name, q.schema.words() + " in the query", "", q.text})
	}
	answer, err := indented(op.answer)
	if err != nil {
		return o, err
	}
	o.JSON = answer
	token := "$USER_TOKEN"
	if e.forClient() {
		token = "$CLIENT_TOKEN"
	}
	lines := []string{"curl -H \"Authorization: Bearer " + token + "\""}
	if op.request != nil {
		o.Request = c.rows(component(reflect.TypeOf(op.request)), "", "required")
		body, err := indented(said(reflect.ValueOf(op.request)))
		if err != nil {
			return o, err
		}
		lines = append(lines, "-H 'Content-Type: application/json'", "-d '"+body+"'")
	}
	lines = append(lines, "'"+s.address()+"/"+e.examplePath()+"'")
	o.Curl = strings.Join(lines, " \\\n  ")
	statuses, faults := op.faultsBy()
	for _, status := range statuses {
		for _, f := range faults[status] {
			o.Statuses = append(o.Statuses, docsStatus{status, f.Type + ": " + f.Message + "."})
		}
	}
	if op.cacheable {
		o.Statuses = append([]docsStatus{{304, "The answer is still what If-None-Match names."}}, o.Statuses...)
	}
	for _, status := range e.statuses() {
		o.Statuses = append(o.Statuses, docsStatus{status, shared[status].text})
	}
	return o, nil
}

// indented writes a value as JSON for reading.
func indented(v any) (string, error) {
	raw, err := marshal(v)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, raw, "", "  ")
	return b.String(), err
}

// breakable writes a path that lines may break in, before each slash.
func breakable(p string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(p), "/", "<wbr>/"))
}
