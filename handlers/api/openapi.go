package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/middleware"
)

// documents are the API's description as the endpoints stand in their lives.
type documents struct {
	stages  string // of all endpoints
	openAPI []byte // OpenAPI 3.1, as JSON
	page    []byte
	policy  string // the page's Content-Security-Policy
}

// describe returns the description. It is made once, and again when an endpoint
// has entered another stage of its life.
func (s *Server) describe() (*documents, error) {
	var stages strings.Builder
	all := make([]served, 0, len(endpoints))
	for _, e := range endpoints {
		live := served{e, s.life(e)}
		stage := middleware.StageInProduction
		if live.life != nil {
			stage = live.life.Stage()
		}
		fmt.Fprint(&stages, stage, ";")
		if live.exists() && stage != middleware.StageSunset && (e.operation.absent == nil || !e.operation.absent(s.c)) {
			all = append(all, live)
		}
	}
	if d := s.described.Load(); d != nil && d.stages == stages.String() {
		return d, nil
	}
	c := &schemas{byName: map[string]*schema{}}
	d := &documents{stages: stages.String()}
	var err error
	if d.openAPI, err = marshal(s.document(all, c)); err != nil {
		return nil, internal(fmt.Errorf("write the OpenAPI document: %w", err))
	}
	if d.page, d.policy, err = s.page(all, c); err != nil {
		return nil, internal(fmt.Errorf("write the documentation: %w", err))
	}
	s.described.Store(d)
	return d, nil
}

// openAPI serves GET openapi.json to everybody, scripts of other sites too.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) error {
	d, err := s.describe()
	if err != nil {
		return err
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return s.public(w, r, "application/json; charset=utf-8", d.openAPI)
}

// docs serves GET docs to everybody.
func (s *Server) docs(w http.ResponseWriter, r *http.Request) error {
	d, err := s.describe()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", d.policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	return s.public(w, r, "text/html; charset=utf-8", d.page)
}

// public answers with what is the same for all.
func (s *Server) public(w http.ResponseWriter, r *http.Request, contentType string, body []byte) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return &Error{Status: http.StatusMethodNotAllowed, Type: "MethodNotAllowed", Message: "this address answers GET, HEAD"}
	}
	cacheable(w, r, contentType, body, s.c.CacheFor)
	return nil
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// The names of what all operations share.
const (
	userScheme   = "userToken"
	clientScheme = "clientToken"
	bearerScheme = "bearer"
	dpopScheme   = "dpop"
)

func ref(kind, name string) object {
	return object{{"$ref", "#/components/" + kind + "/" + name}}
}

// shared are the answers that are the same everywhere, by status.
var shared = map[int]struct {
	name, text string
	example    Error
	header     string // besides those of every answer
}{
	http.StatusUnauthorized: {"Unauthorized", "There is no token, or it is unknown, expired or revoked.",
		Error{Type: "InvalidToken", Code: "invalid_token", Message: "the access token is unknown, expired or revoked"}, "WWW-Authenticate"},
	http.StatusForbidden: {"Forbidden", "The token is of the wrong kind.",
		Error{Type: "InsufficientScope", Code: "insufficient_scope", Message: "this call needs the access token of a user"}, "WWW-Authenticate"},
	http.StatusGone: {"Gone", "The endpoint was sunset.",
		Error{Type: "Gone", Message: "this endpoint was sunset on 2026-06-30; use /capi/v2/customer/profile"}, ""},
	http.StatusRequestEntityTooLarge: {"TooLarge", "The body is too large.",
		Error{Type: "RequestTooLarge", Message: "the body has more than 262144 bytes"}, ""},
	http.StatusUnsupportedMediaType: {"UnsupportedMediaType", "The body is not JSON in UTF-8.",
		Error{Type: "UnsupportedMediaType", Message: "the body has to be application/json in UTF-8"}, ""},
	http.StatusTooManyRequests: {"TooManyRequests", "The limit on calls is reached. Wait for the seconds in Retry-After.",
		Error{Type: "TooManyRequests", Message: "too many calls: wait for the seconds in Retry-After"}, "Retry-After"},
	http.StatusInternalServerError: {"InternalError", "The call failed, through no fault of the caller.",
		Error{Type: "InternalError", Message: "the call failed"}, ""},
	http.StatusServiceUnavailable: {"ServiceUnavailable", "The call can not be answered at the moment. Try again after the seconds in Retry-After.",
		Error{Type: "ServiceUnavailable", Message: "the call can not be answered now; try again later"}, "Retry-After"},
}

// everyHeader are the headers of every answer.
var everyHeader = []string{"X-Mediaconnect-Api-Version", "X-RateLimit-Remaining", "X-RateLimit-Reset"}

// headers describes each header of answers.
func (s *Server) headers() object {
	text := func(description string, example any) object {
		return object{{"description", description}, {"schema", &schema{Type: "string"}}, {"example", example}}
	}
	number := func(description string, minimum, example int) object {
		return object{{"description", description}, {"schema", &schema{Type: "integer", Minimum: new(minimum)}}, {"example", example}}
	}
	return object{
		{"X-Mediaconnect-Api-Version", text("The version of the API that the answer is based upon.", s.c.Version)},
		{"X-RateLimit-Remaining", number("How many calls are left before a 429.", 0, s.c.CallsPerMinute-1)},
		{"X-RateLimit-Reset", number("In how many seconds the limit is renewed, 1 to 60.", 1, 42)},
		{"Retry-After", number("After how many seconds to try again.", 1, 42)},
		{"WWW-Authenticate", text("What is wrong with the token (RFC 6750, section 3).", `Bearer realm="connectid", error="invalid_token"`)},
		{"ETag", text("Names this state of the answer. Send it in If-None-Match to learn whether there is another.", `"dGhlIHRhZw"`)},
		{"Cache-Control", text("How long the answer may be kept.", "private, max-age="+strconv.Itoa(int(s.c.CacheFor/time.Second)))},
		{"Deprecation", text("Since when nobody should begin to use the endpoint (RFC 9745).", "@1767222000")},
		{"Sunset", text("From when the endpoint is gone (RFC 8594).", "Tue, 30 Jun 2026 22:00:00 GMT")},
		{"Link", text("What takes the endpoint's place (successor-version), and where more is said (deprecation, sunset).", `</capi/v2/customer/profile>; rel="successor-version"`)},
	}
}

func headerRefs(names ...string) object {
	var o object
	for _, n := range names {
		o = append(o, member{n, ref("headers", n)})
	}
	return o
}

// document returns the OpenAPI document of the endpoints. Types go to c.
func (s *Server) document(all []served, c *schemas) object {
	paths := object{}
	at := map[string]int{}
	used := map[string]bool{}
	for _, e := range all {
		used[e.operation.tag] = true
		p := "/" + e.path
		i, ok := at[p]
		if !ok {
			i = len(paths)
			at[p] = i
			item := object{}
			var params []object
			for _, name := range e.pathParams() {
				q := pathParams[name]
				params = append(params, object{{"name", name}, {"in", "path"}, {"required", true}, {"description", q.text}, {"schema", q.schema}, {"example", q.example}})
			}
			paths = append(paths, member{p, item.put("parameters", params)})
		}
		paths[i].value = append(paths[i].value.(object), member{strings.ToLower(e.method), s.operationObject(e, c)})
	}
	var chapters []object
	for _, t := range tags {
		if used[t.name] {
			chapters = append(chapters, object{{"name", t.name}, {"description", t.text}})
		}
	}
	responses := object{}
	for _, status := range []int{401, 403, 410, 413, 415, 429, 500, 503} {
		responses = append(responses, member{shared[status].name, sharedAnswer(status, c)})
	}
	responses = append(responses, member{"NotModified", unchanged(append([]string{"ETag", "Cache-Control"}, everyHeader...))})
	types := object{}
	for _, name := range c.order {
		types = append(types, member{name, c.byName[name]})
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "ConnectID API"}, {"version", s.c.Version}, {"description", s.introduction()}}},
		{"servers", []object{{{"url", s.address()}}}},
		{"tags", chapters},
		{"paths", paths},
		{"components", object{
			{"schemas", types}, {"responses", responses}, {"headers", s.headers()}, {"securitySchemes", s.securitySchemes()},
			{"parameters", object{{"IfNoneMatch", object{
				{"name", "If-None-Match"}, {"in", "header"}, {"description", "The ETag of the answer that the caller has kept."},
				{"schema", &schema{Type: "string"}}, {"example", `"dGhlIHRhZw"`},
			}}}},
		}},
	}
}

// address is that of the server, as clients see it.
func (s *Server) address() string { return strings.TrimSuffix(cmp.Or(s.c.URL, s.c.Prefix), "/") }

// hasOAuth reports whether it is known where tokens come from.
func (s *Server) hasOAuth() bool { return s.c.AuthorizationURL != "" && s.c.TokenURL != "" }

func (s *Server) securitySchemes() object {
	o := object{{bearerScheme, object{{"type", "http"}, {"scheme", "bearer"}, {"description", "An access token, in the header Authorization alone (RFC 6750, section 2.1)."}}}}
	if s.c.DPoP != nil {
		o = append(o, member{dpopScheme, object{{"type", "http"}, {"scheme", "DPoP"}, {"description", "An access token that is bound to a key, with a proof in the header DPoP (RFC 9449, section 7)."}}})
	}
	if !s.hasOAuth() {
		return o
	}
	return append(o,
		member{userScheme, object{
			{"type", "oauth2"}, {"description", "The access token of a user."},
			{"flows", object{{"authorizationCode", object{
				{"authorizationUrl", s.c.AuthorizationURL}, {"tokenUrl", s.c.TokenURL}, {"refreshUrl", s.c.TokenURL}, {"scopes", object{}},
			}}}},
		}},
		member{clientScheme, object{
			{"type", "oauth2"}, {"description", "The access token of the client itself."},
			{"flows", object{{"clientCredentials", object{{"tokenUrl", s.c.TokenURL}, {"scopes", object{}}}}}},
		}})
}

// security returns what opens the endpoint.
func (s *Server) security(e endpoint) []object {
	var all []object
	if s.hasOAuth() && e.forUser() {
		all = append(all, object{{userScheme, []string{}}})
	}
	if s.hasOAuth() && e.forClient() {
		all = append(all, object{{clientScheme, []string{}}})
	}
	all = append(all, object{{bearerScheme, []string{}}})
	if s.c.DPoP != nil {
		all = append(all, object{{dpopScheme, []string{}}})
	}
	return all
}

// introduction says what holds for all endpoints, in Markdown: paragraphs with a
// word in front.
func (s *Server) introduction() string {
	var b strings.Builder
	for i, p := range s.rules() {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString("**" + p.Title + ".** " + p.Text)
	}
	return b.String()
}

// rule is one thing that holds for all endpoints.
type rule struct{ Title, Text string }

func (s *Server) rules() []rule {
	legacy := ""
	if s.c.LegacyXML {
		legacy = " The profile, subscriptions and products are answered in XML to whoever asks for nothing, so ask for application/json."
	}
	return []rule{
		{"Tokens", "Each call carries an access token in the header Authorization. What a user's token opens is about that user; what a client's own token opens stands below /v1/client/ and is about the publisher of that client."},
		{"JSON and XML", "Bodies are JSON in UTF-8. Answers are JSON, or XML where the header Accept prefers application/xml; errors are JSON always. Expect members that you do not know: adding them is no new version. In requests, members that are unknown are ignored, and empty strings count as absent." + legacy},
		{"Numbers", "Times are milliseconds since 1970. Amounts are numbers with two decimals at most. What is not known is left out."},
		{"Limits", fmt.Sprintf("A client may make %d calls per minute, counted from its first, and %d per second; it may have been given limits of its own. Without a good token, an address may make %d per minute. X-RateLimit-Remaining says how many are left, X-RateLimit-Reset in how many seconds they are renewed. Beyond, the answer is 429 with Retry-After.", s.c.CallsPerMinute, s.c.CallsPerSecond, s.c.AnonymousPerMinute)},
		{"Errors", "Each has an exceptionType for programs and an errorMessage for developers; faults of the token also have the error of RFC 6750. After a 503, try again after the seconds in Retry-After."},
		{"Lives of endpoints", "X-Mediaconnect-Api-Version says which version answers. What is going to go away says so in the headers Deprecation, Sunset and Link, as a rule 180 days before; afterwards it answers 410."},
	}
}
