package connectid_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// standards are the documents of docs/standards.md, each with a table under a
// heading that begins with its name.
var standards = []string{
	"RFC 6749", "RFC 6750", "RFC 7009", "RFC 7636", "RFC 7662", "RFC 8252", "RFC 8414", "RFC 8707", "RFC 9126", "RFC 9207", "RFC 9449", "RFC 9700",
	"OpenID Connect Core 1.0", "OpenID Connect Discovery 1.0", "OpenID Connect RP-Initiated Logout 1.0", "OpenID Connect Back-Channel Logout 1.0",
}

var (
	sectionNumber = regexp.MustCompile(`^\d+(\.\d+)*$`)
	keptBy        = regexp.MustCompile("^`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`$")
	deviation     = regexp.MustCompile(`^deviates: \[([^\]]+)\]\(#([^)]+)\)`)
	notInASlug    = regexp.MustCompile(`[^a-z0-9 _-]`)
)

const notApplicable = "does not apply: "

// docs/standards.md names for each duty of the standards a test that keeps it, or
// says why it is not one of ours, or where we deviate.
func TestStandardsAreKept(t *testing.T) {
	t.Parallel()
	for _, f := range standardsFaults(readDoc(t, "docs/standards.md"), standards, builtTests()) {
		t.Errorf("docs/standards.md: %s", f)
	}
}

// The check above finds what it is there for.
func TestStandardsFaults(t *testing.T) {
	t.Parallel()
	tests := func(dir string) (map[string]string, error) {
		if dir != "." {
			return nil, os.ErrNotExist
		}
		return map[string]string{"TestGood": "", "TestTagged": "is left out by its build constraint", "TestSkipped": "is skipped"}, nil
	}
	const head = "## RFC 1: A\n\n| section | duty | kept by |\n| --- | --- | --- |\n"
	const good = "| 1.2 | do it | `connectid.TestGood` |\n"
	for name, tt := range map[string]struct{ page, want string }{
		"good":                {head + good, ""},
		"two tests":           {head + "| 1 | do it | `connectid.TestGood`, `connectid.TestGood` |\n", ""},
		"reason":              {head + "| 1 | do it | does not apply: it is not offered |\n", ""},
		"deviation":           {head + "| 1 | do it | deviates: [Our way, a bit](#our-way-a-bit), `connectid.TestGood` |\n\n## X\n\n### Our way, a bit\n", ""},
		"no document":         {strings.Replace(head, "RFC 1:", "RFC 11:", 1) + good, "there is no table of RFC 1"},
		"no rows":             {head, "there is no table of RFC 1"},
		"nothing":             {head + "| 1 | do it | |\n", "names neither"},
		"words":               {head + "| 1 | do it | our tests |\n", "names neither"},
		"short reason":        {head + "| 1 | do it | does not apply: no |\n", "no reason"},
		"unknown test":        {head + "| 1 | do it | `connectid.TestBad` |\n", "there is no test TestBad"},
		"unknown package":     {head + "| 1 | do it | `nowhere.TestGood` |\n", "there is no test TestGood"},
		"one of two":          {head + "| 1 | do it | `connectid.TestGood`, `connectid.TestBad` |\n", "there is no test TestBad"},
		"not built":           {head + "| 1 | do it | `connectid.TestTagged` |\n", "is left out"},
		"skipped":             {head + "| 1 | do it | `connectid.TestSkipped` |\n", "is skipped"},
		"no duty":             {head + "| 1 | | `connectid.TestGood` |\n", "no duty"},
		"no section":          {head + "| about | do it | `connectid.TestGood` |\n", "is no section"},
		"two cells":           {head + "| 1 | do it |\n", "3 cells"},
		"twice":               {head + good + good, "stands twice"},
		"deviates to nowhere": {head + "| 1 | do it | deviates: [Our way](#our-way) |\n", "there is no heading"},
		"hidden deviation":    {head + "| 1 | do it | deviates: [Our way](#our-way), see there |\n\n### Our way\n", "names neither"},
	} {
		got := strings.Join(standardsFaults(tt.page, []string{"RFC 1"}, tests), "\n")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: faults %q, want %q", name, got, tt.want)
		}
	}
}

// standardsFaults returns what is wrong with the tables of a page. tests returns
// the tests of a folder, each with the reason for which it does not run, if there is
// one.
func standardsFaults(page string, documents []string, tests func(dir string) (map[string]string, error)) (faults []string) {
	headings := map[string]bool{}
	for line := range strings.Lines(page) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			slug := notInASlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(name)), "")
			headings[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	for _, document := range documents {
		_, table, _ := strings.Cut(page, "\n## "+document+": ")
		if rest, ok := strings.CutPrefix(page, "## "+document+": "); ok {
			table = rest
		}
		table, _, _ = strings.Cut(table, "\n## ")
		seen := map[string]bool{}
		for line := range strings.Lines(table) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| section |") || strings.HasPrefix(line, "| ---") {
				continue
			}
			fault := func(format string, args ...any) {
				faults = append(faults, fmt.Sprintf("%s: %s: %s", document, line, fmt.Sprintf(format, args...)))
			}
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if len(cells) != 3 {
				fault("want 3 cells, not %d", len(cells))
				continue
			}
			if seen[cells[0]+cells[1]] {
				fault("the row stands twice")
			}
			seen[cells[0]+cells[1]] = true
			for n := range strings.SplitSeq(cells[0], ", ") {
				if !sectionNumber.MatchString(n) {
					fault("%q is no section", n)
				}
			}
			if cells[1] == "" {
				fault("no duty")
			}
			for _, f := range keptFaults(cells[2], headings, tests) {
				fault("%s", f)
			}
		}
		if len(seen) == 0 {
			faults = append(faults, "there is no table of "+document)
		}
	}
	return faults
}

// keptFaults returns what is wrong with the last cell of a row.
func keptFaults(cell string, headings map[string]bool, tests func(dir string) (map[string]string, error)) (faults []string) {
	if reason, ok := strings.CutPrefix(cell, notApplicable); ok {
		if len(strings.Fields(reason)) < 3 {
			faults = append(faults, "no reason for what does not apply")
		}
		return faults
	}
	if m := deviation.FindStringSubmatch(cell); m != nil {
		if !headings[m[2]] {
			faults = append(faults, "there is no heading #"+m[2])
		}
		if cell = strings.TrimPrefix(cell[len(m[0]):], ", "); cell == "" {
			return faults
		}
	}
	for name := range strings.SplitSeq(cell, ", ") {
		m := keptBy.FindStringSubmatch(name)
		if m == nil {
			faults = append(faults, "it names neither a test nor a reason")
			continue
		}
		dir := m[1]
		if dir == "connectid" {
			dir = "."
		}
		declared, err := tests(dir)
		why, ok := declared[m[2]]
		switch {
		case err != nil || !ok:
			faults = append(faults, fmt.Sprintf("there is no test %s in %s", m[2], dir))
		case why != "":
			faults = append(faults, m[2]+" "+why)
		}
	}
	return faults
}

// builtTests returns a function that lists the tests of a folder: those that a plain
// `go test` of its module leaves out with the reason. Folders are read once.
func builtTests() func(dir string) (map[string]string, error) {
	read := map[string]map[string]string{}
	return func(dir string) (map[string]string, error) {
		if tests, ok := read[dir]; ok {
			return tests, nil
		}
		names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return nil, err
		}
		tests := map[string]string{}
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			built, err := build.Default.MatchFile(dir, filepath.Base(name))
			if err != nil {
				return nil, err
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				switch {
				case !ok || fn.Recv != nil || fn.Type.Params.NumFields() != 1:
				case !built:
					tests[fn.Name.Name] = "is left out by the build constraint of " + name
				case slices.ContainsFunc(fn.Body.List, skips):
					tests[fn.Name.Name] = "is skipped"
				default:
					tests[fn.Name.Name] = ""
				}
			}
		}
		read[dir] = tests
		return tests, nil
	}
}

// skips reports whether a statement of a test's own body is an unconditional t.Skip.
func skips(s ast.Stmt) bool {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	return ok && strings.HasPrefix(method.Sel.Name, "Skip")
}
