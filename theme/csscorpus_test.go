package theme_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/theme"
)

var update = flag.Bool("update", false, "write the expectations of the corpora anew; read the difference before keeping it")

// corpusCase is one entry of a corpus file: "=== name", the source, "--- clean"
// or "--- faults", and what is expected.
type corpusCase struct{ name, src, want string }

func readCorpus(t testing.TB, file string) []corpusCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	for _, part := range strings.Split("\n"+string(data), "\n=== ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		src, want, ok := strings.Cut(rest, "\n--- ")
		if !ok && !*update {
			t.Fatalf("%s: case %q has no expectation", file, name)
		}
		cases = append(cases, corpusCase{name, src, strings.TrimSuffix(want, "\n")})
	}
	return cases
}

// runCorpus checks every case of a corpus and, with -update, writes it.
func runCorpus(t *testing.T, file string, clean func([]byte) ([]byte, error)) {
	cases := readCorpus(t, file)
	var out strings.Builder
	for _, c := range cases {
		got, err := clean([]byte(expand(c.src)))
		result := "clean\n" + string(got)
		if err != nil {
			if _, ok := errors.AsType[theme.FileFaults](err); !ok {
				t.Errorf("%s: error is a %T, want FileFaults", c.name, err)
			}
			if got != nil {
				t.Errorf("%s: refused, yet something was returned: %q", c.name, got)
			}
			result = "faults\n" + err.Error()
		}
		out.WriteString("=== " + c.name + "\n" + c.src + "\n--- " + result + "\n")
		t.Run(c.name, func(t *testing.T) {
			if result != c.want && !*update {
				t.Errorf("source:\n%s\ngot %s\nwant %s", c.src, result, c.want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// expand puts bytes into a case that a text file can not hold.
func expand(s string) string {
	return strings.NewReplacer("{NUL}", "\x00", "{BOM}", "\ufeff", "{BAD}", "\xff", "{CR}", "\r", "{FF}", "\f").Replace(s)
}
