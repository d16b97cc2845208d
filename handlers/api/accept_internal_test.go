package api

import (
	"strings"
	"testing"
)

func TestPrefersXML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept      string // "-" for no header
		xml, legacy bool   // the answer, and the answer with LegacyXML
	}{
		{"-", false, true},
		{"*/*", false, true},
		{"application/*", false, true},
		{"*/*;q=0.1", false, true},
		{"application/json", false, false},
		{"application/xml", true, true},
		{"text/xml", true, true},
		{"Application/XML", true, true},
		{"application/xml, */*", true, true},
		{"application/json, */*", false, false},
		{"application/json, application/xml", false, false},
		{"application/xml, application/json", false, false},
		{"application/json;q=0.9, application/xml", true, true},
		{"application/json, application/xml;q=0.9", false, false},
		{"application/xml;q=0.5, */*;q=0.8", false, false},
		{"application/xml;q=0", false, false},
		{"application/json;q=0, */*", true, true},
		{"application/xml;q=0, */*", false, false},
		{"application/json;q=0, application/xml;q=0", false, false},
		{"*/*;q=0", false, false},
		{"text/html", false, false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true, true}, // a browser
		{"application/xml;charset=utf-8;q=1.0, application/json;q=0.2", true, true},
		{"application/xml;q=2", false, false}, // malformed: not said
		{"application/xml;q=", false, false},
		{"application/xml;q=0.1234", false, false},
		{"application/xml;q=1.5", false, false},
		{"", false, false},
		{",,", false, false},
		{"application/xml-dtd", false, false},
		{strings.Repeat("a/b,", 60) + "application/xml", false, false}, // too far back
	} {
		accept := []string{c.accept}
		if c.accept == "-" {
			accept = nil
		}
		if got := prefersXML(accept, false); got != c.xml {
			t.Errorf("%q: got %t, want %t", c.accept, got, c.xml)
		}
		if got := prefersXML(accept, true); got != c.legacy {
			t.Errorf("%q, LegacyXML: got %t, want %t", c.accept, got, c.legacy)
		}
	}
	if !prefersXML([]string{"application/json;q=0.5", "application/xml"}, false) {
		t.Error("the second line does not count")
	}
}

// FuzzAccept holds that LegacyXML never turns XML off, and that nothing beats
// JSON where it was named with the highest quality.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/xml;q=0.5", "a;q=", ";;,", "application/json;q=1.000", "application/*;q=0.001", "text/xml;q=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if prefersXML([]string{s}, false) && !prefersXML([]string{s}, true) {
			t.Errorf("%q: LegacyXML turns XML off", s)
		}
		if prefersXML([]string{"application/json;q=1," + s}, true) {
			t.Errorf("%q: XML beats application/json;q=1", s)
		}
		if mediaRange, q, ok := parseRange(s); ok && (q < 0 || q > 1000 || mediaRange == "") {
			t.Errorf("%q: got %q %d", s, mediaRange, q)
		}
	})
}
