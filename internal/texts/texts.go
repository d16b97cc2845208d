// Package texts is the one catalogue of everything that a person reads on
// pages, in mails and in SMS: each meaning has one stable id and a text in each
// language.
//
// The texts are JSON files in messages/, named <room>.<language>.json: an object
// from id to text. Arguments stand in a text as %[1]s (anything) and %[1]d (a
// whole number), a literal per cent sign as %%. A text whose form depends on the
// number that is its first argument is an object of plural forms:
//
//	"verification.validity": {"one": "… %[1]d minute.", "other": "… %[1]d minutes."}
//
// Links inside a sentence are marked <1>like this</1>; whoever shows the text
// knows where the first link leads. Every id stands in all languages with the
// same arguments and marks; a test holds the files to it.
package texts

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// ID names a meaning, such as "login.heading". IDs are stable: clients override
// texts by them.
type ID string

//go:embed messages/*.json
var files embed.FS

// all is what the embedded files hold. They are part of the source, so a fault in
// them may panic at start-up.
var all = func() *catalogue {
	c, err := load(files)
	if err != nil {
		panic("texts: " + err.Error())
	}
	return c
}()

// Get returns the text of the id in the language with its arguments filled in.
// For a language that is none of [Langs] it is that of [Default], and for an
// unknown id the id itself, so that the result is never empty. Arguments are not
// escaped. Safe for concurrent use.
func Get(lang string, id ID, args ...any) string {
	if s, ok := all.get(known(lang), id, args); ok {
		return s
	}
	return string(id)
}

// Has reports whether there is a text with the id.
func Has(id ID) bool {
	_, ok := all.langs[Default].texts[id]
	return ok
}

// IDs returns all ids, sorted.
func IDs() []ID {
	return slices.Sorted(maps.Keys(all.langs[Default].texts))
}

// Arguments returns how many arguments the text of the id takes; 0 for an unknown id.
func Arguments(id ID) int {
	return all.langs[Default].texts[id].arguments()
}

func load(fsys fs.FS) (*catalogue, error) {
	names, err := fs.Glob(fsys, "messages/*.json")
	if err != nil {
		return nil, err
	}
	b := newBuilder()
	for _, name := range names {
		lang := strings.TrimPrefix(path.Ext(strings.TrimSuffix(name, ".json")), ".")
		if !slices.Contains(langs, lang) {
			return nil, fmt.Errorf("%s: no language %q", name, lang)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		set, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := b.add(lang, set); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return b.build(), nil
}
