package texts

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Overlay is a client's own wording of some texts. The nil Overlay has none.
type Overlay struct {
	own *catalogue
}

// ParseOverlay reads a client's texts.json: an object from language to an object
// from id to text, in the form of the package's own files. An unknown language or
// id, and a text whose placeholders are not those of the text that it replaces,
// are errors; all are reported at once.
func ParseOverlay(data []byte) (*Overlay, error) {
	var byLang map[string]json.RawMessage
	if err := json.Unmarshal(data, &byLang); err != nil {
		return nil, fmt.Errorf("want an object from language to texts: %w", err)
	}
	b := newBuilder()
	var errs []error
	for _, lang := range slices.Sorted(maps.Keys(byLang)) {
		if !slices.Contains(langs, lang) {
			errs = append(errs, fmt.Errorf("%s: want one of %v", lang, langs))
			continue
		}
		set, err := parse(byLang[lang])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", lang, err))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(set)) {
			if !Has(id) {
				errs = append(errs, fmt.Errorf("%s: %s: unknown id", lang, id))
			} else if want, got := all.langs[lang].uses[id], uses(set[id]); !slices.Equal(got, want) {
				errs = append(errs, fmt.Errorf("%s: %s: uses %v, want %v", lang, id, got, want))
			}
		}
		if err := b.add(lang, set); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", lang, err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Overlay{own: b.build()}, nil
}

// Get is the package's [Get], with the client's wording where it has one.
func (o *Overlay) Get(lang string, id ID, args ...any) string {
	if o != nil {
		if s, ok := o.own.get(known(lang), id, args); ok {
			return s
		}
	}
	return Get(lang, id, args...)
}
