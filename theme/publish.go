package theme

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// published is where a folder's files are.
type published struct {
	// Stylesheet is the address of the client's own sheet, to be linked behind
	// login.css; "" for none. It sets --connectid-background, in the layer of the
	// standard look, and holds custom.css, in no layer.
	Stylesheet            string
	Logo                  string // "" for none
	LogoWidth, LogoHeight int    // in pixels; zeros when a drawing does not say
}

// publish puts everything of the folder into the set.
func (f Folder) publish(s *assetSet) (published, error) {
	var out published
	if f.Client.ID == "" {
		return out, errors.New("theme: the folder does not say whose it is: client.json is missing")
	}
	id := f.Client.ID
	urls := make(map[string]string) // of single files by path, or of a picture's largest rendition
	p := &imageVariables{urls: make(map[*Image][]string)}
	for name, a := range f.assets {
		if a.image == nil {
			urls[name] = s.add(id, path.Base(name), a.mediaType, a.data)
			continue
		}
		for _, file := range a.image.Files {
			urls[name] = s.add(id, file.Name, file.Type, file.Data)
			p.urls[a.image] = append(p.urls[a.image], urls[name])
		}
	}
	if f.Logo != nil {
		file := f.Logo.largest()
		out.Logo = s.add(id, file.Name, file.Type, file.Data)
		out.LogoWidth, out.LogoHeight = file.Width, file.Height
	}
	if f.Background != nil {
		p.variable(f.Background, "--connectid-background")
	}

	own, err := f.styles(urls, p)
	if err != nil {
		return out, err
	}
	if sheet := p.css() + own; sheet != "" {
		out.Stylesheet = s.add(id, "custom.css", "text/css", []byte(sheet))
	}
	return out, nil
}

// styles returns custom.css with the addresses of its files.
func (f Folder) styles(urls map[string]string, p *imageVariables) (string, error) {
	c, err := newCSSCleaner(f.CSS, func(ref string) (string, bool) {
		name, fragment, ok := assetRef(ref)
		if !ok {
			return "", false
		}
		u, ok := urls[name]
		return u + fragment, ok
	})
	if err != nil {
		return "", err
	}
	c.picture = func(ref string) (string, bool) {
		name, fragment, ok := assetRef(ref)
		m := f.assets[name].image
		if !ok || fragment != "" || m == nil || len(m.Files) < 2 {
			return "", false
		}
		return p.variable(m, fmt.Sprintf("--connectid-image-%d", len(p.list)+1)), true
	}
	c.items(rulesBlock, 0, false)
	css, err := c.result()
	return string(css), err
}

// assetRef returns the path in the folder that a reference of custom.css names,
// and the fragment behind it. Whatever is not a plain relative path inside the
// folder is no reference.
func assetRef(ref string) (name, fragment string, ok bool) {
	u, err := url.Parse(ref)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" || u.Path == "" ||
		strings.HasPrefix(u.Path, "/") || strings.ContainsRune(ref, '\\') {
		return "", "", false
	}
	if u.Fragment != "" {
		fragment = "#" + u.EscapedFragment()
	}
	return path.Clean(u.Path), fragment, true
}

// imageVariables are custom properties whose value is the rendition of a picture
// that suits the window.
type imageVariables struct {
	urls map[*Image][]string // of the renditions, from the smallest
	list []imageVariable
}

type imageVariable struct {
	name  string
	image *Image
}

// variable returns the property of the picture, which gets the given name if it
// has none.
func (p *imageVariables) variable(m *Image, name string) string {
	for _, v := range p.list {
		if v.image == m {
			return v.name
		}
	}
	p.list = append(p.list, imageVariable{name, m})
	return name
}

// renditionSteps say which width suits which window, in the order of the
// cascade. A picture covers the window, so it is about as wide as the window has
// pixels; a phone held upright makes do with less.
var renditionSteps = []struct {
	media string
	width int
}{
	{"", 1280},
	{"(max-width:640px) and (max-resolution:1.49dppx)", 640},
	{"(min-width:1281px),(min-width:641px) and (min-resolution:1.5dppx)", 1920},
	{"(min-width:1921px),(min-width:1281px) and (min-resolution:1.5dppx)", backgroundWidth},
}

// css returns the rules that set the properties.
func (p *imageVariables) css() string {
	if len(p.list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("@layer connectid{")
	for _, step := range renditionSteps {
		var rules strings.Builder
		for _, v := range p.list {
			i := 0
			for i < len(v.image.Files)-1 && v.image.Files[i].Width < step.width {
				i++
			}
			fmt.Fprintf(&rules, "%s:url(%s);", v.name, cssString(p.urls[v.image][i]))
		}
		if step.media == "" {
			b.WriteString(":root{" + rules.String() + "}")
		} else {
			b.WriteString("@media " + step.media + "{:root{" + rules.String() + "}}")
		}
	}
	b.WriteString("}\n")
	return b.String()
}
