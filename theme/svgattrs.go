package theme

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// attributes writes the attributes of an element and returns its id.
func (s *svgCleaner) attributes(element string, attrs []xml.Attr) (id string) {
	seen := make(map[string]bool)
	for _, a := range attrs {
		name := a.Name.Local
		switch a.Name.Space {
		case "":
		case xlinkSpace:
			if name != "href" {
				continue // titles and the like
			}
		case xmlSpace:
			if name != "space" && name != "lang" {
				continue
			}
			name = "xml:" + name
		default:
			continue // another language's
		}
		if name == "xmlns" || seen[name] && name == "href" {
			continue
		}
		if seen[name] {
			s.fault("the attribute %s is there twice", shorten(name))
			continue
		}
		seen[name] = true
		value, ok := s.attribute(element, name, a.Value)
		if !ok {
			continue
		}
		if name == "id" {
			id = value
			if s.ids[id] {
				s.fault("the id %q is there twice", shorten(id))
			}
			s.ids[id] = true
		}
		s.out.WriteString(" " + name + `="`)
		xml.EscapeText(&s.out, []byte(value)) // a Buffer takes everything
		s.out.WriteByte('"')
	}
	return id
}

var (
	svgFragment = regexp.MustCompile(`^#[\pL\pN_.:-]+$`)
	svgData     = regexp.MustCompile(`^data:image/(png|jpe?g);base64,([A-Za-z0-9+/=\s]+)$`)
)

// attribute returns the value to write for an attribute, and false to leave it
// out.
func (s *svgCleaner) attribute(element, name, value string) (string, bool) {
	switch {
	case strings.HasPrefix(strings.ToLower(name), "on"):
		s.fault("the attribute %s is not allowed: a drawing runs no script", shorten(name))
	case name == "href" && element == "image":
		if !s.embedded(value) {
			s.fault("an image has to be embedded, as data:image/png or data:image/jpeg in base64")
		}
		return value, true
	case name == "href":
		if !svgFragment.MatchString(value) {
			s.fault("%q leaves the drawing: only #name is allowed", shorten(value))
		} else {
			s.use(value[1:])
		}
		return value, true
	case name == "style":
		css, err := safeDeclarations(value, s.resolve)
		s.cssFaults("style", err)
		return css, err == nil
	case svgStyles[name]:
		css, err := safeDeclarations(name+":"+value, s.resolve)
		s.cssFaults(name, err)
		_, css, _ = strings.Cut(css, ":")
		return css, err == nil
	case svgAttributes[name], name == "xml:space", name == "xml:lang":
		return value, true
	}
	return "", false
}

// resolve lets style name parts of the same drawing.
func (s *svgCleaner) resolve(ref string) (string, bool) {
	if !svgFragment.MatchString(ref) {
		return "", false
	}
	s.use(ref[1:])
	return ref, true
}

func (s *svgCleaner) cssFaults(where string, err error) {
	faults, ok := errors.AsType[FileFaults](err)
	if err != nil && !ok {
		s.fault("%s: %v", where, err)
	}
	for _, f := range faults {
		s.fault("%s, at %d:%d: %s", where, f.Line, f.Column, strings.Replace(f.Text, notOwn, "leaves the drawing", 1))
	}
}

// embedded reports whether an address is a png or jpg of reasonable size.
func (s *svgCleaner) embedded(address string) bool {
	m := svgData.FindStringSubmatch(address)
	if m == nil {
		return false
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(m[2]), ""))
	if err != nil {
		return false
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	return err == nil && (format == "png" || format == "jpeg") && c.Width*c.Height <= maxLogoPixels
}

// svgSize returns the size that a clean drawing asks for, by its width and
// height or its viewBox; zeros when it does not say.
func svgSize(clean []byte) (width, height int) {
	tok, err := xml.NewDecoder(bytes.NewReader(clean)).Token()
	start, ok := tok.(xml.StartElement)
	if err != nil || !ok {
		return 0, 0
	}
	var w, h, bw, bh, x, y float64
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "width":
			w = svgLength(a.Value)
		case "height":
			h = svgLength(a.Value)
		case "viewBox":
			box := strings.ReplaceAll(a.Value, ",", " ")
			if _, err := fmt.Sscan(box, &x, &y, &bw, &bh); err != nil {
				bw, bh = 0, 0
			}
		}
	}
	switch {
	case w > 0 && h > 0:
	case w > 0 && bw > 0:
		h = w * bh / bw
	case h > 0 && bh > 0:
		w = h * bw / bh
	default:
		w, h = bw, bh
	}
	if !(w >= 1 && h >= 1 && w < 1e5 && h < 1e5) {
		return 0, 0
	}
	return int(math.Round(w)), int(math.Round(h))
}

// svgLength reads a length in pixels; 0 for other units.
func svgLength(s string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(s), "px"), 64)
	if err != nil || math.IsNaN(v) {
		return 0
	}
	return v
}
