package theme

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
)

// Limits of a drawing.
const (
	maxSVG         = 256 << 10
	maxSVGDepth    = 64
	maxSVGElements = 10_000
	// maxSVGCopies bounds how many elements the use elements of a drawing make
	// when they are followed, one inside another.
	maxSVGCopies = 20_000
)

// The namespaces of drawings.
const (
	svgSpace   = "http://www.w3.org/2000/svg"
	xlinkSpace = "http://www.w3.org/1999/xlink"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
)

// svgPolicy goes with every drawing that is served: opened directly it runs
// nothing and loads nothing.
const svgPolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"

// SafeSVG checks a drawing and returns it written anew, or refuses it with a
// [FileFaults] that lists every fault.
//
// Elements and attributes are those of static drawings. What is another
// language's (the notes of drawing programs, metadata), attributes that are not
// listed, comments and a plain document type are left out. Scripts, event
// attributes, foreignObject, links, animations, entities, style sheets from
// elsewhere and addresses that leave the drawing are faults. An address is a part of the same
// drawing (#name), or an embedded png or jpg of an image element. Style elements
// and attributes go through [SafeCSS] with nothing else to resolve.
func SafeSVG(src []byte) ([]byte, error) {
	if len(src) > maxSVG {
		return nil, FileFaults{{Text: "too large: a drawing may have 256 KB"}}
	}
	s := &svgCleaner{dec: xml.NewDecoder(bytes.NewReader(src)), ids: map[string]bool{}, uses: map[string]map[string]int{}, sizes: map[string]int{}}
	s.src = src
	s.document()
	if err := s.faults().orNil(); err != nil {
		return nil, err
	}
	return s.out.Bytes(), nil
}

type svgCleaner struct {
	faultList
	dec   *xml.Decoder
	from  int // where the token that was read last begins
	out   bytes.Buffer
	open  []svgOpen
	count int
	ids   map[string]bool
	uses  map[string]map[string]int // id of an element, "" for the whole: ids that are used in it, how often
	sizes map[string]int            // id: how many elements it holds
}

type svgOpen struct{ name, id string }

// fault notes what is wrong with the tag or text that was read last.
func (s *svgCleaner) fault(format string, args ...any) {
	s.add(s.from, format, args...)
}

// next reads one token; false when there is none, or none that can be read.
func (s *svgCleaner) next() (xml.Token, bool) {
	s.from = int(s.dec.InputOffset())
	tok, err := s.dec.Token()
	return tok, s.readable(err)
}

// readable notes an error of the XML parser other than the end.
func (s *svgCleaner) readable(err error) bool {
	if err == nil || errors.Is(err, io.EOF) {
		return err == nil
	}
	text := err.Error()
	if bad, ok := errors.AsType[*xml.SyntaxError](err); ok {
		text = bad.Msg
	} else if strings.Contains(text, "encoding") {
		text = "a drawing has to be in UTF-8"
	}
	s.add(int(s.dec.InputOffset()), "bad XML: %s", text)
	return false
}

func (s *svgCleaner) document() {
	root := false
	for {
		tok, ok := s.next()
		if !ok {
			break
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(s.open) == 0 && (root || t.Name.Local != "svg") {
				s.fault("the outermost element has to be one svg, in the namespace %s", svgSpace)
				return
			}
			root = true
			if !s.start(t) {
				return
			}
		case xml.EndElement:
			s.out.WriteString("</" + t.Name.Local + ">")
			s.open = s.open[:len(s.open)-1]
		case xml.CharData:
			s.text(t)
		case xml.ProcInst:
			if t.Target != "xml" {
				s.fault("<?%s …?> is not allowed", shorten(t.Target))
			}
		case xml.Directive:
			if bytes.ContainsRune(t, '[') || !bytes.HasPrefix(bytes.ToUpper(t), []byte("DOCTYPE")) {
				s.fault("a document type with declarations is not allowed")
			}
		}
	}
	switch {
	case len(s.list) > 0:
	case !root:
		s.fault("this is no drawing")
	default:
		s.checkUses()
	}
}

// start handles a start tag and reports whether reading can go on.
func (s *svgCleaner) start(t xml.StartElement) bool {
	s.count++
	if len(s.open) >= maxSVGDepth || s.count > maxSVGElements {
		s.fault("too complex: %d elements, %d deep, are allowed", maxSVGElements, maxSVGDepth)
		return false
	}
	name := t.Name.Local
	if t.Name.Space != svgSpace || svgDropped[name] {
		if len(s.open) == 0 {
			s.fault("the outermost element has to be one svg, in the namespace %s", svgSpace)
			return false
		}
		return s.skip()
	}
	if !svgElements[name] {
		s.fault("the element %s is not allowed", shorten(name))
		return s.skip()
	}
	s.out.WriteString("<" + name)
	if len(s.open) == 0 {
		s.out.WriteString(` xmlns="` + svgSpace + `"`)
	}
	id := s.attributes(name, t.Attr)
	s.out.WriteByte('>')
	s.open = append(s.open, svgOpen{name, id})
	for _, o := range s.open {
		if o.id != "" {
			s.sizes[o.id]++
		}
	}
	if name == "style" {
		return s.style()
	}
	return true
}

// skip leaves out an element with all that is in it.
func (s *svgCleaner) skip() bool {
	return s.readable(s.dec.Skip())
}

// style reads the text of a style element up to its end.
func (s *svgCleaner) style() bool {
	var text []byte
	tag := s.from
	for {
		tok, ok := s.next()
		if !ok {
			return false
		}
		switch t := tok.(type) {
		case xml.CharData:
			text = append(text, t...)
		case xml.StartElement:
			s.fault("a style element holds text only")
			if !s.skip() {
				return false
			}
		case xml.EndElement:
			s.from = tag
			css, err := SafeCSS(text, s.resolve)
			s.cssFaults("style", err)
			s.text(css)
			s.out.WriteString("</style>")
			s.open = s.open[:len(s.open)-1]
			return true
		}
	}
}

// text writes what stands between tags.
func (s *svgCleaner) text(t []byte) {
	if len(s.open) == 0 {
		return
	}
	var b bytes.Buffer
	xml.EscapeText(&b, t) // a Buffer takes everything
	s.out.Write(bytes.ReplaceAll(b.Bytes(), []byte("&#xA;"), []byte("\n")))
}

// use notes that what is open uses the element with the given id.
func (s *svgCleaner) use(id string) {
	note := func(in string) {
		if s.uses[in] == nil {
			s.uses[in] = make(map[string]int)
		}
		s.uses[in][id]++
	}
	note("")
	for _, o := range s.open {
		if o.id != "" {
			note(o.id)
		}
	}
}

// checkUses follows what uses what, so that a small drawing can not make a
// browser draw without end.
func (s *svgCleaner) checkUses() {
	s.sizes[""] = s.count
	const endless = math.MaxInt32
	known := make(map[string]int)
	var size func(id string) int
	size = func(id string) int {
		if n, ok := known[id]; ok {
			return n
		}
		known[id] = endless // while it is being counted: a use of itself
		n := max(s.sizes[id], 1)
		for used, times := range s.uses[id] {
			n = min(n+times*size(used), endless)
		}
		known[id] = n
		return n
	}
	if size("") > maxSVGCopies {
		s.fault("too complex: its parts use one another in a circle or more than %d times", maxSVGCopies)
	}
}
