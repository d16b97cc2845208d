package texts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// source is a text as a file gives it: either plain or a form for each plural
// category of the CLDR that the language has.
type source struct {
	plain string
	forms map[string]string
}

// all returns every wording of the text.
func (s source) all() []string {
	if s.forms == nil {
		return []string{s.plain}
	}
	return slices.Collect(maps.Values(s.forms))
}

var (
	verb  = regexp.MustCompile(`%(\[([1-9])\][sd]|%|.|$)`)
	mark  = regexp.MustCompile(`</?([^<>]*)>`)
	aMark = regexp.MustCompile(`^</?[1-9]>$`)
)

// placeholders returns the sorted arguments and marks that a wording uses.
func placeholders(s string) []string {
	var out []string
	for _, m := range verb.FindAllString(s, -1) {
		if m != "%%" {
			out = append(out, m)
		}
	}
	out = append(out, mark.FindAllString(s, -1)...)
	slices.Sort(out)
	return slices.Compact(out)
}

// check reports what a text must not hold.
func (s source) check() error {
	var errs []error
	if s.forms != nil && s.forms["other"] == "" {
		errs = append(errs, errors.New(`plural forms need at least "other"`))
	}
	for form := range s.forms {
		if !slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, form) {
			errs = append(errs, fmt.Errorf("%q is not a plural form", form))
		}
	}
	if s.forms != nil && !slices.Contains(uses(s), "%[1]d") {
		errs = append(errs, errors.New(`the form "other" needs the number, %[1]d`))
	}
	for _, w := range s.all() {
		if strings.TrimSpace(w) == "" {
			errs = append(errs, errors.New("empty text"))
		}
		if strings.Contains(w, "${") { // x/text would look for a variable
			errs = append(errs, errors.New("a text can not hold ${"))
		}
		for _, p := range placeholders(w) {
			if strings.HasPrefix(p, "%") && !strings.HasPrefix(p, "%[") || strings.HasPrefix(p, "<") && !aMark.MatchString(p) {
				errs = append(errs, fmt.Errorf("bad placeholder %q: want %%[1]s, %%[1]d, %%%% or <1>…</1>", p))
			}
		}
		if !slices.Equal(withoutNumber(placeholders(w)), withoutNumber(uses(s))) {
			errs = append(errs, errors.New("plural forms use different placeholders"))
		}
	}
	return errors.Join(errs...)
}

// parse reads a file of texts. An id that stands twice is an error.
func parse(data []byte) (map[ID]source, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("want an object from id to text"), err)
	}
	set := make(map[ID]source)
	var errs []error
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		id := ID(t.(string)) // what stands before a colon is a string
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		var s source
		if json.Unmarshal(raw, &s.plain) != nil {
			s.plain = ""
			if err := json.Unmarshal(raw, &s.forms); err != nil {
				errs = append(errs, fmt.Errorf("%s: want a text or an object of plural forms", id))
				continue
			}
		}
		if _, twice := set[id]; twice {
			errs = append(errs, fmt.Errorf("%s: stands twice", id))
		}
		if err := s.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
		set[id] = s
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return set, errors.Join(errs...)
}

// uses returns the placeholders of a text. Its wordings have the same ones, only
// the number may be left out where it is plain from the form.
func uses(s source) []string {
	if s.forms == nil {
		return placeholders(s.plain)
	}
	return placeholders(s.forms["other"])
}

func withoutNumber(placeholders []string) []string {
	return slices.DeleteFunc(slices.Clone(placeholders), func(p string) bool { return p == "%[1]d" })
}

// compiled is a text ready for use. One without arguments is kept as it is; the
// others are formatted by the language's printer.
type compiled struct {
	plain string
	args  int
}

func (c compiled) arguments() int { return c.args }

type langTexts struct {
	texts   map[ID]compiled
	uses    map[ID][]string // placeholders
	printer *message.Printer
}

// catalogue is a set of texts in some of the languages; immutable, so safe for
// concurrent use.
type catalogue struct {
	langs map[string]langTexts
}

func (c *catalogue) get(lang string, id ID, args []any) (string, bool) {
	l := c.langs[lang]
	t, ok := l.texts[id]
	if !ok {
		return "", false
	}
	if t.args == 0 {
		return t.plain, true
	}
	return l.printer.Sprintf(message.Key(string(id), ""), args...), true
}

// builder collects texts. A catalogue of x/text looks in the parents of a
// language too, so each language has its own.
type builder struct {
	langs    map[string]langTexts
	builders map[string]*catalog.Builder
}

func newBuilder() *builder {
	return &builder{langs: map[string]langTexts{}, builders: map[string]*catalog.Builder{}}
}

func (b *builder) add(lang string, set map[ID]source) error {
	tag := language.MustParse(lang)
	l, ok := b.langs[lang]
	if !ok {
		l = langTexts{texts: map[ID]compiled{}, uses: map[ID][]string{}}
		b.langs[lang] = l
		b.builders[lang] = catalog.NewBuilder(catalog.Fallback(tag))
	}
	var errs []error
	for id, s := range set {
		if _, twice := l.texts[id]; twice {
			errs = append(errs, fmt.Errorf("%s: another file has it too", id))
			continue
		}
		c := compiled{plain: strings.ReplaceAll(s.plain, "%%", "%")}
		for _, w := range s.all() {
			for _, m := range verb.FindAllStringSubmatch(w, -1) {
				if m[2] != "" {
					c.args = max(c.args, int(m[2][0]-'0'))
				}
			}
		}
		var err error
		switch {
		case s.forms != nil:
			c.args = max(c.args, 1)
			var cases []any
			for _, form := range []string{"zero", "one", "two", "few", "many", "other"} {
				if w, ok := s.forms[form]; ok {
					cases = append(cases, form, w)
				}
			}
			err = b.builders[lang].Set(tag, string(id), plural.Selectf(1, "%d", cases...))
		case c.args > 0:
			err = b.builders[lang].SetString(tag, string(id), s.plain)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
		l.texts[id], l.uses[id] = c, uses(s)
	}
	return errors.Join(errs...)
}

func (b *builder) build() *catalogue {
	for lang, l := range b.langs {
		l.printer = message.NewPrinter(language.MustParse(lang), message.Catalog(b.builders[lang]))
		b.langs[lang] = l
	}
	return &catalogue{langs: b.langs}
}
