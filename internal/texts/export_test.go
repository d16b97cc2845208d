package texts

import (
	"fmt"
	"slices"
)

// Faults compares all languages with the default one.
func Faults() (faults []string) {
	want := all.langs[Default]
	for _, lang := range langs {
		got := all.langs[lang]
		for id := range want.texts {
			if _, ok := got.texts[id]; !ok {
				faults = append(faults, fmt.Sprintf("%s: %s is missing", lang, id))
			} else if !slices.Equal(got.uses[id], want.uses[id]) {
				faults = append(faults, fmt.Sprintf("%s: %s uses %v, want %v", lang, id, got.uses[id], want.uses[id]))
			}
		}
		for id := range got.texts {
			if _, ok := want.texts[id]; !ok {
				faults = append(faults, fmt.Sprintf("%s: %s has no %s text", lang, id, Default))
			}
		}
	}
	return faults
}
