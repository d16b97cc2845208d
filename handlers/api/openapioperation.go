package api

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/middleware"
)

// text says in words what there is to know of the endpoint.
func (e served) text() string {
	var all []string
	if e.operation.text != "" {
		all = append(all, e.operation.text)
	}
	switch {
	case e.forUser() && !e.forClient():
		all = append(all, "Needs the access token of a user.")
	case e.forClient() && !e.forUser():
		all = append(all, "Needs the access token of a client.")
	}
	if e.operation.cacheable {
		all = append(all, "The answer may be kept, see Cache-Control and ETag.")
	}
	if e.life == nil {
		return strings.Join(all, " ")
	}
	life := e.life.Lifecycle()
	if stage := e.life.Stage(); stage == middleware.StageInTest {
		all = append(all, "In test: it is found in the test environment only.")
	} else if !life.Sunset.IsZero() {
		verb := "Deprecated since "
		if stage < middleware.StageDeprecated {
			verb = "To be deprecated on "
		}
		all = append(all, verb+life.Deprecated.Format(time.DateOnly)+", and gone on "+life.Sunset.Format(time.DateOnly)+".")
	}
	if life.Successor != "" {
		all = append(all, "Use "+life.Successor+" in its place.")
	}
	if life.Notice != "" {
		all = append(all, "See "+life.Notice+".")
	}
	return strings.Join(all, " ")
}

// deprecated reports whether nobody should begin to use the endpoint.
func (e served) deprecated() bool {
	return e.life != nil && e.life.Stage() >= middleware.StageDeprecated
}

// answerHeaders returns the headers of the endpoint's good answers.
func (e served) answerHeaders() []string {
	names := e.lifeHeaders()
	if e.operation.cacheable {
		names = append(names, "ETag", "Cache-Control")
	}
	return append(names, everyHeader...)
}

// lifeHeaders returns the headers that tell of the endpoint's end.
func (e served) lifeHeaders() []string {
	if e.life == nil {
		return nil
	}
	var names []string
	life := e.life.Lifecycle()
	if !life.Sunset.IsZero() {
		names = append(names, "Deprecation", "Sunset")
	}
	if life.Successor != "" || life.Notice != "" && !life.Sunset.IsZero() {
		names = append(names, "Link")
	}
	return names
}

func (s *Server) operationObject(e served, c *schemas) object {
	op := e.operation
	o := object{{"operationId", op.id}, {"tags", []string{op.tag}}, {"summary", op.summary}, {"description", e.text()}}
	if e.deprecated() {
		o = append(o, member{"deprecated", true})
	}
	var params []object
	for _, q := range op.query {
		p := object{{"name", q.name}, {"in", "query"}, {"description", q.text}, {"schema", q.schema}}
		params = append(params, p.put("example", q.example))
	}
	if op.cacheable {
		params = append(params, ref("parameters", "IfNoneMatch"))
	}
	o = o.put("parameters", params).put("security", s.security(e.endpoint))
	if op.request != nil {
		in := c.of(reflect.TypeOf(op.request))
		for _, name := range op.anyOf {
			in.AnyOf = append(in.AnyOf, &schema{Required: []string{name}})
		}
		media := object{{"schema", in}, {"example", said(reflect.ValueOf(op.request))}}
		content := object{{"application/json", media}}
		if op.alsoXML {
			content = append(content, member{"application/xml", object{{"schema", &schema{Type: "object",
				Description: "The same members as elements of data; the items of a list are item0, item1 and so on.", XML: &xmlSchema{Name: "data"}}}}})
		}
		o = append(o, member{"requestBody", object{
			{"required", len(requiredOf[component(reflect.TypeOf(op.request))])+len(op.anyOf) > 0},
			{"content", content},
		}})
	}
	out := c.of(reflect.TypeOf(op.answer))
	responses := object{{"200", object{
		{"description", "What was asked for."}, {"headers", headerRefs(e.answerHeaders()...)},
		{"content", object{
			{"application/json", object{{"schema", out}, {"example", op.answer}}},
			{"application/xml", object{{"schema", out}, {"example", asXML(op.answer)}}},
		}},
	}}}
	if op.cacheable {
		answer := ref("responses", "NotModified")
		if len(e.lifeHeaders()) > 0 {
			answer = unchanged(e.answerHeaders())
		}
		responses = append(responses, member{"304", answer})
	}
	own, faults := op.faultsBy()
	for _, status := range own {
		var texts []string
		var examples object
		for i, f := range faults[status] {
			texts = append(texts, strings.ToUpper(f.Message[:1])+f.Message[1:]+".")
			examples = append(examples, member{f.Type + strconv.Itoa(i+1), object{{"value", f.body()}}})
		}
		responses = append(responses, member{strconv.Itoa(status), object{
			{"description", strings.Join(texts, " ")}, {"headers", headerRefs(append(e.lifeHeaders(), everyHeader...)...)},
			{"content", object{{"application/json", object{{"schema", c.of(reflect.TypeFor[errorBody]())}, {"examples", examples}}}}},
		}})
	}
	ending := e.lifeHeaders()
	for _, status := range e.statuses() {
		answer := ref("responses", shared[status].name)
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusGone, http.StatusUnsupportedMediaType:
			if len(ending) > 0 {
				answer = sharedAnswer(status, c, ending...)
			}
		}
		responses = append(responses, member{strconv.Itoa(status), answer})
	}
	return append(o, member{"responses", responses})
}

// unchanged is the answer to who has it already.
func unchanged(headers []string) object {
	return object{{"description", "The answer is still what If-None-Match names."}, {"headers", headerRefs(headers...)}}
}

// sharedAnswer is the answer of a status that is the same everywhere, with more
// headers.
func sharedAnswer(status int, c *schemas, headers ...string) object {
	r := shared[status]
	if r.header != "" {
		headers = append(headers, r.header)
	}
	return object{
		{"description", r.text}, {"headers", headerRefs(append(headers, everyHeader...)...)},
		{"content", object{{"application/json", object{{"schema", c.of(reflect.TypeFor[errorBody]())}, {"example", r.example.body()}}}}},
	}
}

// asXML returns an example as the API would write it in XML.
func asXML(v any) string {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("api: example %T: %v", v, err)) // a mistake in the source
	}
	return xml.Header + string(body)
}
