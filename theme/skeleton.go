package theme

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/html"
)

// skeleton is a rendered page with holes where a reader's values belong.
type skeleton struct {
	parts []part
}

// part is some HTML and the hole that follows it, if any.
type part struct {
	html []byte
	hole *hole
}

// write writes the page with the reader's values.
func (s *skeleton) write(b *bytes.Buffer, fill func(hole) string) {
	for _, part := range s.parts {
		b.Write(part.html)
		if part.hole != nil {
			b.WriteString(escape(fill(*part.hole)))
		}
	}
}

// escape returns s as html/template writes it into text and into a quoted
// attribute: what its HTMLEscapeString does, and the plus sign, which some old
// browsers read as the start of another encoding.
func escape(s string) string {
	if !strings.ContainsAny(s, "<>&'\"+\x00") {
		return s
	}
	return strings.ReplaceAll(template.HTMLEscapeString(s), "+", "&#43;")
}

// probes are values that come out differently of every escaper of html/template
// but the ones for text and for quoted attributes, and that a condition can tell
// from a sentinel.
var probes = []string{
	"",
	"0",
	" a \"b' <c>&d;+e\x00 \\/`=?#%41-->]]></script></textarea></title>{{.}}\u2028\r\n\xff",
	"javascript:alert(1)",
	strings.Repeat("x", 4096),
}

// skeleton returns the page's skeleton, made if there is none yet, or nil if the
// page has to be rendered whole.
func (t *Themes) skeleton(p *Page, l *look) (*skeleton, error) {
	k, ok := keyOf(p, l)
	ok = ok && t.cache.max > 0
	if !ok {
		return nil, nil
	}
	shown := show(&p.Client)
	if s, ok := t.cache.get(k, shown); ok {
		return s, nil
	}
	s, err := t.cut(p, l)
	if err != nil {
		return nil, err
	}
	if s == nil {
		t.config.Logger.Warn("page is rendered whole: a template uses a reader's value other than as text or in a quoted attribute",
			"client", p.Client.ID, "state", p.State)
	}
	t.cache.put(k, shown, s)
	return s, nil
}

// cut renders the page with sentinels in its holes and cuts it there. It returns
// nil if the page would not be the same as rendered whole.
func (t *Themes) cut(p *Page, l *look) (*skeleton, error) {
	stem := "hole" + rand.Text() // nobody can have put it into a text
	byName := make(map[hole]string)
	var holes []hole
	var b bytes.Buffer
	err := t.execute(&b, p, l, func(h hole) any {
		s, ok := byName[h]
		if !ok {
			s = fmt.Sprintf("%s%03d", stem, len(holes))
			byName[h] = s
			holes = append(holes, h)
		}
		return mark{s}
	})
	if err != nil { // a template does something else with a mark than printing it
		return nil, t.execute(io.Discard, p, l, p.whole)
	}
	s := new(skeleton)
	rest := bytes.Clone(b.Bytes()) // without what the buffer has to spare
	for {
		before, after, found := bytes.Cut(rest, []byte(stem))
		if !found {
			s.parts = append(s.parts, part{html: rest})
			break
		}
		var n int
		if len(after) < 3 {
			return nil, nil
		}
		if _, err := fmt.Sscanf(string(after[:3]), "%03d", &n); err != nil || n >= len(holes) {
			return nil, nil
		}
		s.parts = append(s.parts, part{before, &holes[n]})
		rest = after[3:]
	}
	if !inert(b.Bytes(), stem) {
		return nil, nil
	}
	same, err := t.prove(s, p, l)
	if err != nil || !same {
		return nil, err
	}
	return s, nil
}

// prove reports whether the filled skeleton is what html/template makes of the
// page, for values that a wrong escaper or a condition would give away.
func (t *Themes) prove(s *skeleton, p *Page, l *look) (bool, error) {
	var whole, filled bytes.Buffer
	for _, probe := range probes {
		fill := func(h hole) string {
			if probe == "" {
				return ""
			}
			return probe + h.kind + h.name // no two alike
		}
		whole.Reset()
		if err := t.execute(&whole, p, l, func(h hole) any { return fill(h) }); err != nil {
			return false, err
		}
		filled.Reset()
		s.write(&filled, fill)
		if !bytes.Equal(whole.Bytes(), filled.Bytes()) {
			return false, nil
		}
	}
	return true, nil
}

// inert reports whether the stem stands only in text and in double-quoted values
// of attributes that are plain text to a browser.
func inert(page []byte, stem string) bool {
	in := parse.NewInputBytes(bytes.Clone(page)) // the lexer writes to its input
	lexer := html.NewLexer(in)
	tag := ""
	for {
		kind, token := lexer.Next()
		switch {
		case kind == html.ErrorToken:
			return lexer.Err() == io.EOF
		case kind == html.StartTagToken:
			tag = strings.ToLower(string(lexer.Text()))
		case kind == html.EndTagToken:
			tag = ""
		}
		if !bytes.Contains(token, []byte(stem)) {
			continue
		}
		switch kind {
		case html.TextToken:
			if slices.Contains(rawElements, tag) {
				return false
			}
		case html.AttributeToken:
			key, value := strings.ToLower(string(lexer.AttrKey())), lexer.AttrVal()
			plain := slices.Contains(plainAttributes, key) || strings.HasPrefix(key, "aria-") || strings.HasPrefix(key, "data-")
			if !plain || len(value) < 2 || value[0] != '"' || strings.Contains(key, stem) {
				return false
			}
		default:
			return false
		}
	}
}

var (
	// rawElements hold something else than text with character references.
	rawElements     = []string{"script", "style", "iframe", "noembed", "noframes", "noscript", "plaintext", "template", "xmp", "svg", "math"}
	plainAttributes = []string{"value", "title", "placeholder", "alt", "label"}
)
