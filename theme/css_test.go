package theme_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/theme"
)

const ownURL = "/user/theme/no.mediaconnect.test/abc/"

// resolveOwn knows three files; what it returned resolves to itself.
func resolveOwn(ref string) (string, bool) {
	switch name := strings.TrimPrefix(ref, "./"); name {
	case "logo.png", "kit.woff2", "connectid_background_oslo.jpg":
		return ownURL + name, true
	}
	name, ok := strings.CutPrefix(ref, ownURL)
	if ok {
		_, ok = resolveOwn(name)
	}
	return ref, ok
}

func cleanCSS(src []byte) ([]byte, error) { return theme.SafeCSS(src, resolveOwn) }

func TestSafeCSSAttacks(t *testing.T) {
	t.Parallel()
	runCorpus(t, "testdata/css-attacks.txt", cleanCSS)
}

func TestSafeCSSHarmless(t *testing.T) {
	t.Parallel()
	runCorpus(t, "testdata/css-harmless.txt", cleanCSS)
}

func TestSafeCSSLimits(t *testing.T) {
	t.Parallel()
	if _, err := cleanCSS([]byte(strings.Repeat("a{b:c}\n", 40_000))); err == nil {
		t.Error("a sheet over 256 KB was taken")
	}
	_, err := cleanCSS([]byte(strings.Repeat("@import 'x';\n", 1000)))
	faults, ok := errors.AsType[theme.FileFaults](err)
	if !ok || len(faults) > 60 {
		t.Errorf("%d faults were listed, want a bounded number", len(faults))
	}
	if _, err := theme.SafeCSS([]byte("a{b:url(x)}"), nil); err == nil {
		t.Error("without resolve an address was taken")
	}
}

// TestSafeCSSKeepsSource finds that neither the source nor what lies behind it
// in memory is written to.
func TestSafeCSSKeepsSource(t *testing.T) {
	t.Parallel()
	buf := []byte("a{b:c}XYZ")
	if _, err := cleanCSS(buf[:6]); err != nil {
		t.Fatal(err)
	}
	if string(buf) != "a{b:c}XYZ" {
		t.Errorf("the source became %q", buf)
	}
}

func FuzzSafeCSS(f *testing.F) {
	for _, file := range []string{"testdata/css-attacks.txt", "testdata/css-harmless.txt"} {
		for _, c := range readCorpus(f, file) {
			f.Add([]byte(expand(c.src)))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := cleanCSS(src)
		if err != nil {
			return
		}
		checkCSS(t, string(out))
		again, err := cleanCSS(out)
		if err != nil {
			t.Fatalf("the result is refused: %v\n%q", err, out)
		}
		if string(again) != string(out) {
			t.Fatalf("not stable:\n%q\n%q", out, again)
		}
	})
}

// checkCSS reads a sheet with a tokenizer of its own and finds nothing that
// loads, imports or ends early.
func checkCSS(t *testing.T, sheet string) {
	t.Helper()
	if strings.Contains(sheet, "</") || strings.Contains(sheet, "<!--") || strings.ContainsRune(sheet, 0) {
		t.Fatalf("markup in %q", sheet)
	}
	var open []cssTok
	for _, tok := range tokenize(sheet) {
		switch tok.kind {
		case 'B':
			t.Fatalf("bad token %q in %q", tok.text, sheet)
		case 'U':
			if !strings.HasPrefix(tok.text, ownURL) {
				t.Fatalf("address %q in %q", tok.text, sheet)
			}
		case 'S':
			if n := len(open); n > 0 && strings.HasSuffix(open[n-1].text, "image-set") {
				t.Fatalf("address %q in %q", tok.text, sheet)
			}
		case '@':
			switch tok.text {
			case "import", "charset", "namespace", "-moz-document", "document":
				t.Fatalf("@%s in %q", tok.text, sheet)
			}
		case 'I':
			if tok.text == "behavior" || tok.text == "-moz-binding" {
				t.Logf("%s in %q", tok.text, sheet)
			}
		case 'F', '(', '[', '{':
			if tok.kind == 'F' {
				switch tok.text {
				case "url", "src", "image", "expression", "element", "-moz-element", "attr":
					if !strings.Contains(sheet, ":"+tok.text+"(") || tok.text == "url" {
						t.Fatalf("%s() in %q", tok.text, sheet)
					}
				}
			}
			open = append(open, tok)
		case ')', ']', '}':
			want := map[rune]string{')': "F(", ']': "[", '}': "{"}[tok.kind]
			if len(open) == 0 || !strings.ContainsRune(want, open[len(open)-1].kind) {
				t.Fatalf("%q closes nothing in %q", tok.kind, sheet)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Fatalf("%d blocks stay open in %q", len(open), sheet)
	}
}
