package theme

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed templates
var standardTemplates embed.FS

// shared are the templates that every page is made of.
var shared = []string{"layout", "parts", "choices"}

// functions replace those of text/template that would make a plain string of a
// mark.
var functions = template.FuncMap{
	"print":   func(args ...any) any { return marked(fmt.Sprint(args...), args) },
	"println": func(args ...any) any { return marked(fmt.Sprintln(args...), args) },
	"printf":  func(format string, args ...any) any { return marked(fmt.Sprintf(format, args...), args) },
}

// parseTemplates returns the template of each state: the standard ones, or those
// that own, a client's folder of templates, replaces by name. A template that
// would replace nothing is a fault, as its name is likely misspelt.
func parseTemplates(own fs.FS) (map[string]*template.Template, error) {
	standard, err := fs.Sub(standardTemplates, "templates")
	if err != nil {
		return nil, err
	}
	var errs []error
	replaced := make(map[string]string)
	if own != nil {
		names, err := fs.Glob(own, "*.html")
		errs = append(errs, err)
		for _, file := range names {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if _, ok := states[name]; !ok && !slices.Contains(shared, name) {
				errs = append(errs, fmt.Errorf("templates/%s: there is no such page", file))
				continue
			}
			data, err := fs.ReadFile(own, file)
			errs = append(errs, err)
			replaced[name] = string(data)
		}
	}
	read := func(name string) string {
		data, err := fs.ReadFile(standard, name+".html")
		errs = append(errs, err)
		return string(data)
	}
	parse := func(t *template.Template, name string) {
		text, ok := replaced[name]
		if !ok {
			text = read(name)
		}
		_, err := t.Parse(text)
		errs = append(errs, err)
	}
	// missingkey is for templates that index a map of the client's own making.
	base := template.New("page").Option("missingkey=error").Funcs(functions)
	for _, name := range shared {
		parse(base, name)
		if _, ok := replaced[name]; !ok {
			continue
		}
		// What a client's own file does not define stays the standard's, so that it
		// goes on working with pages that are younger than it is.
		rest, err := template.New(name).Funcs(functions).Parse(read(name))
		errs = append(errs, err)
		for _, t := range rest.Templates() {
			if t.Tree != nil && t.Name() != name && base.Lookup(t.Name()) == nil {
				_, err := base.AddParseTree(t.Name(), t.Tree)
				errs = append(errs, err)
			}
		}
	}
	all := make(map[string]*template.Template, len(states))
	for name := range states {
		t, err := base.Clone()
		if err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		parse(t, name)
		all[name] = t
	}
	return all, errors.Join(errs...)
}
