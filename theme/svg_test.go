package theme_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/theme"
)

func TestSafeSVGAttacks(t *testing.T) {
	t.Parallel()
	runCorpus(t, "testdata/svg-attacks.txt", theme.SafeSVG)
}

func TestSafeSVGHarmless(t *testing.T) {
	t.Parallel()
	runCorpus(t, "testdata/svg-harmless.txt", theme.SafeSVG)
}

func TestSafeSVGLimits(t *testing.T) {
	t.Parallel()
	const head, tail = `<svg xmlns="http://www.w3.org/2000/svg">`, `</svg>`
	for name, body := range map[string]string{
		"size":     "<title>" + strings.Repeat("x", 256<<10) + "</title>",
		"depth":    strings.Repeat("<g>", 70) + strings.Repeat("</g>", 70),
		"elements": strings.Repeat("<g/>", 10_001),
	} {
		if _, err := theme.SafeSVG([]byte(head + body + tail)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := theme.SafeSVG([]byte(head + strings.Repeat("<g>", 60) + strings.Repeat("</g>", 60) + tail)); err != nil {
		t.Errorf("60 levels: %v", err)
	}
}

func FuzzSafeSVG(f *testing.F) {
	for _, file := range []string{"testdata/svg-attacks.txt", "testdata/svg-harmless.txt"} {
		for _, c := range readCorpus(f, file) {
			f.Add([]byte(c.src))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := theme.SafeSVG(src)
		if err != nil {
			return
		}
		checkSVG(t, out)
		again, err := theme.SafeSVG(out)
		if err != nil {
			t.Fatalf("the result is refused: %v\n%q", err, out)
		}
		if !bytes.Equal(again, out) {
			t.Fatalf("not stable:\n%q\n%q", out, again)
		}
	})
}

// checkSVG reads a drawing again, without namespaces as a page's parser would,
// and finds nothing in it that runs or loads.
func checkSVG(t *testing.T, drawing []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(drawing))
	depth := 0
	style := false
	for {
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %q", err, drawing)
		}
		switch tok := tok.(type) {
		case xml.ProcInst, xml.Directive, xml.Comment:
			t.Fatalf("%T in %q", tok, drawing)
		case xml.CharData:
			if style {
				checkSVGStyle(t, string(tok))
			}
		case xml.EndElement:
			depth--
			style = false
		case xml.StartElement:
			depth++
			style = tok.Name.Local == "style"
			switch strings.ToLower(tok.Name.Local) {
			case "script", "foreignobject", "a", "iframe", "animate", "set", "animatetransform", "feimage", "handler", "discard":
				t.Fatalf("<%s> in %q", tok.Name.Local, drawing)
			}
			if tok.Name.Space != "" {
				t.Fatalf("prefix %s in %q", tok.Name.Space, drawing)
			}
			for _, a := range tok.Attr {
				name := strings.ToLower(a.Name.Local)
				switch {
				case strings.HasPrefix(name, "on"), name == "src", name == "action":
					t.Fatalf("%s in %q", name, drawing)
				case name == "href":
					if !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/png;base64,") &&
						!strings.HasPrefix(a.Value, "data:image/jpeg;base64,") && !strings.HasPrefix(a.Value, "data:image/jpg;base64,") {
						t.Fatalf("href %q in %q", a.Value, drawing)
					}
				case strings.Contains(strings.ToLower(a.Value), "url("), name == "style":
					checkSVGStyle(t, a.Value)
				}
			}
		}
	}
	if depth != 0 {
		t.Fatalf("not balanced: %q", drawing)
	}
}

func checkSVGStyle(t *testing.T, css string) {
	t.Helper()
	for _, tok := range tokenize(css) {
		if tok.kind == 'U' && !strings.HasPrefix(tok.text, "#") || tok.kind == '@' && tok.text == "import" ||
			tok.kind == 'F' && (tok.text == "src" || tok.text == "image") && !strings.Contains(css, ":"+tok.text) {
			t.Fatalf("%c %q in %q", tok.kind, tok.text, css)
		}
	}
}
