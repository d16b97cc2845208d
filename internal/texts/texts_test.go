package texts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/internal/texts"
)

func TestGet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang, want string
		id         texts.ID
		args       []any
	}{
		{"nb", "Logg inn", "login.heading", nil},
		{"fi", "Kirjaudu sisään", "login.heading", nil},
		{"xx", "Logg inn", "login.heading", nil},
		{"en", "no.such.text", "no.such.text", nil},
		{"en", "The code is valid for 1 minute.", "verification.validity", []any{1}},
		{"en", "The code is valid for 10 minutes.", "verification.validity", []any{10}},
		{"fi", "Koodi on voimassa 1 minuutin.", "verification.validity", []any{1}},
		{"fi", "Koodi on voimassa 10 minuuttia.", "verification.validity", []any{10}},
		{"nn", "Éin ting må rettast", "page.errors", []any{1}},
		{"nn", "2 ting må rettast", "page.errors", []any{2}},
		{"sv", "Vi har skickat en sexsiffrig kod till %d${x}<b>.", "verification.intro", []any{"%d${x}<b>"}},
	} {
		if got := texts.Get(c.lang, c.id, c.args...); got != c.want {
			t.Errorf("Get(%q, %q, %v) = %q, want %q", c.lang, c.id, c.args, got, c.want)
		}
	}
}

func TestEveryTextInEveryLanguage(t *testing.T) {
	t.Parallel()
	if len(texts.IDs()) < 90 {
		t.Fatalf("only %d ids", len(texts.IDs()))
	}
	for _, fault := range texts.Faults() {
		t.Error(fault)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want      string
		preferred []string
	}{
		{"nb", nil},
		{"nb", []string{"", "no"}},
		{"nb", []string{"no-NO"}},
		{"nn", []string{"nn-NO,nn;q=0.9,nb;q=0.8"}},
		{"sv", []string{"sv-FI"}},
		{"en", []string{"en-US,en;q=0.5", "nb"}},
		{"da", []string{"de", "da"}},
		{"fi", []string{"de,fr;q=0.9", "fi"}},
		{"en", []string{"de,en;q=0.3", "fi"}},
		{"sv", []string{"xx sv en"}},
		{"fi", []string{"\x00\xff,;q==", "fi"}},
		{"fi", []string{strings.Repeat("a-", 100000), "fi"}},
		{"nb", []string{"*"}},
	} {
		for range 2 { // the second answer is remembered
			if got := texts.Match(c.preferred...); got != c.want {
				t.Errorf("Match(%.60q) = %q, want %q", c.preferred, got, c.want)
			}
		}
	}
}

func TestParseOverlay(t *testing.T) {
	t.Parallel()
	o, err := texts.ParseOverlay([]byte(`{"nb": {"login.heading": "Velkommen 100 %%", "verification.validity": {"other": "%[1]d min"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lang, want string
		id         texts.ID
		args       []any
	}{
		{"nb", "Velkommen 100 %", "login.heading", nil},
		{"nn", "Logg inn", "login.heading", nil},
		{"nb", "Passord", "field.password", nil},
		{"nb", "3 min", "verification.validity", []any{3}},
	} {
		if got := o.Get(c.lang, c.id, c.args...); got != c.want {
			t.Errorf("Get(%q, %q, %v) = %q, want %q", c.lang, c.id, c.args, got, c.want)
		}
	}
	if got := (*texts.Overlay)(nil).Get("en", "login.heading"); got != "Log in" {
		t.Errorf("nil overlay: got %q", got)
	}
}

func TestParseOverlayRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, want string }{
		"not JSON":         {`nb`, "want an object"},
		"unknown language": {`{"de": {}}`, "de: want one of"},
		"unknown id":       {`{"nb": {"login.headnig": "x"}}`, "login.headnig: unknown id"},
		"empty":            {`{"nb": {"login.heading": " "}}`, "empty text"},
		"twice":            {`{"nb": {"login.heading": "a", "login.heading": "b"}}`, "stands twice"},
		"argument missing": {`{"nb": {"verification.intro": "Kode sendt"}}`, "uses []"},
		"argument unasked": {`{"nb": {"login.heading": "%[1]s"}}`, "uses [%[1]s], want []"},
		"bare verb":        {`{"nb": {"login.heading": "100 %"}}`, "bad placeholder"},
		"markup":           {`{"nb": {"login.heading": "<b>Hei</b>"}}`, "bad placeholder"},
		"variable":         {`{"nb": {"login.heading": "${x}"}}`, "can not hold ${"},
		"no other":         {`{"nb": {"verification.validity": {"one": "%[1]d"}}}`, `at least "other"`},
		"unknown form":     {`{"nb": {"verification.validity": {"other": "%[1]d", "lots": "%[1]d"}}}`, "not a plural form"},
		"number":           {`{"nb": {"login.heading": 7}}`, "want a text"},
		"two faults":       {`{"nb": {"a": "x", "b": "y"}, "sv": 4}`, "b: unknown id"},
	} {
		_, err := texts.ParseOverlay([]byte(c.json))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func FuzzParseOverlay(f *testing.F) {
	f.Add([]byte(`{"nb": {"login.heading": "Hei", "verification.intro": "%[1]s!"}}`))
	f.Add([]byte(`{"en": {"verification.validity": {"one": "%[1]d", "other": "%[1]d %%"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := texts.ParseOverlay(data)
		if err != nil {
			return
		}
		for _, lang := range texts.Langs() {
			for _, id := range []texts.ID{"login.heading", "verification.intro", "verification.validity"} {
				if o.Get(lang, id, 3) == "" {
					t.Errorf("%s %s: empty", lang, id)
				}
			}
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("nb-NO,nb;q=0.9")
	f.Add("sv en")
	f.Fuzz(func(t *testing.T, s string) {
		if got := texts.Match(s); !slices.Contains(texts.Langs(), got) {
			t.Errorf("Match(%q) = %q", s, got)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		texts.Get("nb", "login.heading")
	}
}
