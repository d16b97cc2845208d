package texts

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Default is the language that is used when nothing else is known.
const Default = "nb"

var (
	langs   = []string{"nb", "nn", "sv", "da", "fi", "en"}
	matcher = func() language.Matcher {
		tags := make([]language.Tag, len(langs))
		for i, l := range langs {
			tags[i] = language.MustParse(l)
		}
		return language.NewMatcher(tags)
	}()
)

// Langs returns the languages: nb, nn, sv, da, fi and en.
func Langs() []string { return slices.Clone(langs) }

// maxPreference bounds how much of a preference is read: it comes from outside.
const maxPreference = 256

// matches remembers what the preferences of readers led to; browsers send few
// different ones. It is emptied when it is full.
var matches = struct {
	sync.RWMutex
	m map[string]string
}{m: make(map[string]string)}

const maxMatches = 1024

// Match returns the language of [Langs] for the first preference that leads to
// one, or [Default]. A preference is a language tag, a list of them separated by
// spaces (ui_locales; OpenID Connect Core 1.0, section 3.1.2.1) or the value of
// an Accept-Language header (RFC 9110, section 12.5.4). "no" is nb.
func Match(preferred ...string) string {
	for _, p := range preferred {
		if p == "" {
			continue
		}
		if slices.Contains(langs, p) {
			return p
		}
		if l := match(p); l != "" {
			return l
		}
	}
	return Default
}

func match(p string) string {
	if len(p) > maxPreference {
		p = p[:maxPreference]
		if i := strings.LastIndexAny(p, ", "); i >= 0 {
			p = p[:i] // not half a tag
		}
	}
	matches.RLock()
	l, ok := matches.m[p]
	matches.RUnlock()
	if ok {
		return l
	}
	parts := strings.Split(p, ",")
	if !strings.ContainsAny(p, ",;") {
		parts = strings.Fields(p)
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { // one bad tag does not spoil the rest
		_, _, err := language.ParseAcceptLanguage(part)
		return err != nil
	})
	tags, _, err := language.ParseAcceptLanguage(strings.Join(parts, ","))
	if err == nil && len(tags) > 0 {
		if _, i, confidence := matcher.Match(tags...); confidence != language.No {
			l = langs[i]
		}
	}
	matches.Lock()
	defer matches.Unlock()
	if len(matches.m) >= maxMatches {
		clear(matches.m)
	}
	matches.m[strings.Clone(p)] = l
	return l
}

// known returns lang if it is one of [Langs], else [Default].
func known(lang string) string {
	if slices.Contains(langs, lang) {
		return lang
	}
	return Default
}
