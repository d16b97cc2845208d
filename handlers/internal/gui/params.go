package gui

import (
	"net/url"
	"strings"
)

// Params are the parameters of a query, in the order in which they were sent.
type Params []Param

// Param is one parameter, decoded.
type Param struct{ Name, Value string }

// Query parses a query as strictly as it can without refusing what real callers
// send: a semicolon is an ordinary character (net/url would drop the pair). A
// broken percent-encoding, or a documented parameter that is given twice, is a
// [Fault]; unknown parameters are nobody's business.
func Query(raw string) (Params, error) { return parse(raw, true) }

// Pairs is [Query] for a URL that judges itself what is given twice.
func Pairs(raw string) (Params, error) { return parse(raw, false) }

func parse(raw string, strict bool) (Params, error) {
	if raw == "" {
		return nil, nil
	}
	params := make(Params, 0, strings.Count(raw, "&")+1)
	for part, rest, more := strings.Cut(raw, "&"); part != "" || more; part, rest, more = strings.Cut(rest, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		var p Param
		var err1, err2 error
		p.Name, err1 = url.QueryUnescape(name)
		p.Value, err2 = url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, &Fault{Param: "query", Reason: "is not percent-encoded"}
		}
		if strict && once(p.Name) && params.has(p.Name) {
			return nil, &Fault{Param: p.Name, Reason: "is given twice"}
		}
		params = append(params, p)
	}
	return params, nil
}

// once reports whether the parameter may not be given twice.
func once(name string) bool {
	switch name {
	case "clientId", "returnUrl", "errorUrl", "abortUrl", "credential", "credentialSubmit", "assumeNewUser",
		"heading", "credentialType", "maxAge", "lang", "ui_locales", "run", "merge", "token", "order":
		return true
	}
	return false
}

// ForPage returns the query, raw as p was read from it, for a redirect to a page:
// without what pages would take for their own, which to p's URL means nothing, and
// in printable ASCII.
func (p Params) ForPage(raw string) string {
	kept := make(Params, 0, len(p))
	for _, q := range p {
		if q.Name != "run" && !(once(q.Name) && kept.has(q.Name)) {
			kept = append(kept, q)
		}
	}
	strange := func(c rune) bool { return c <= ' ' || c >= 0x7f }
	if len(kept) == len(p) && !strings.ContainsFunc(raw, strange) {
		return raw
	}
	var b strings.Builder
	for _, q := range kept {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(q.Name) + "=" + url.QueryEscape(q.Value))
	}
	return b.String()
}

func (p Params) has(name string) bool {
	for i := range p {
		if p[i].Name == name {
			return true
		}
	}
	return false
}

// Get returns the value of the first parameter of that name, or "".
func (p Params) Get(name string) string {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value
		}
	}
	return ""
}

// Values returns the parameters as [url.Values].
func (p Params) Values() url.Values {
	v := make(url.Values, len(p))
	for _, q := range p {
		v.Add(q.Name, q.Value)
	}
	return v
}
