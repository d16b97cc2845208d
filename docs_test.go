package connectid_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/account/pwned"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/flows/order/vipps"
	"github.com/connectid-kit/connectid/handlers/api"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/theme"
)

// configured are the structs of docs/configuration.md, each with a table under a
// heading that ends in its name.
var configured = []any{
	connectid.Config{}, account.Limits{}, account.Lifetimes{}, account.Passwords{}, store.Client{},
	oauth.ExtensionGrant{}, oauth.Config{}, api.Config{}, pay.Config{}, account.Config{}, account.MergeConfig{}, flows.EngineConfig{}, theme.Config{},
	middleware.RateLimitConfig{}, middleware.Lifecycle{}, middleware.LifecyclesConfig{}, middleware.BearerConfig{}, middleware.DPoPConfig{}, middleware.CSRFConfig{}, middleware.BoundsConfig{},
	middleware.SecurityHeadersConfig{}, middleware.RequestLogConfig{},
	message.ComposerConfig{}, message.OutboxConfig{}, memstore.Config{}, pwned.Config{}, payex.Config{}, vipps.Config{}, account.PuzzleConfig{},
}

var (
	tableRow     = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*$")
	commentValue = regexp.MustCompile(`(?i)\bdefaults?:? ((?:[^,;:.(]|\.\w)+)`)
	pageWords    = strings.NewReplacer("`", "", "[", "", "]", "")
)

// docs/configuration.md has a row for each exported field, and no other. Where
// the field's comment names a default, the row says the same.
func TestConfigurationIsDocumented(t *testing.T) {
	page := readDoc(t, "docs/configuration.md")
	for _, v := range configured {
		typ := reflect.TypeOf(v)
		_, section, ok := strings.Cut(page, " `"+typ.String()+"`\n")
		if !ok {
			t.Errorf("docs/configuration.md: no heading that ends in `%s`", typ)
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		rows := map[string]string{}
		for _, m := range tableRow.FindAllStringSubmatch(section, -1) {
			rows[m[1]] = pageWords.Replace(m[0])
		}
		comments := fieldComments(t, typ)
		for i := range typ.NumField() {
			f := typ.Field(i)
			row, ok := rows[f.Name]
			delete(rows, f.Name)
			if !f.IsExported() {
				continue
			}
			if !ok {
				t.Errorf("docs/configuration.md: `%s` has no row for %s", typ, f.Name)
				continue
			}
			if m := commentValue.FindStringSubmatch(comments[f.Name]); m != nil {
				if want := strings.TrimSpace(pageWords.Replace(m[1])); !strings.Contains(row, want) && !strings.HasPrefix(want, "is safe") {
					t.Errorf("docs/configuration.md: the row of `%s` %s does not say its default, %q", typ, f.Name, want)
				}
			}
		}
		for name := range rows {
			t.Errorf("docs/configuration.md: `%s` has no field %s", typ, name)
		}
	}
}

// fieldComments returns the comments of the fields of a struct of this module.
func fieldComments(t *testing.T, typ reflect.Type) map[string]string {
	t.Helper()
	dir := strings.TrimPrefix(strings.TrimPrefix(typ.PkgPath(), modulePath), "/")
	comments := map[string]string{}
	for _, f := range parseDir(t, filepath.Join(".", dir)) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != typ.Name() {
				return true
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				for _, name := range field.Names {
					comments[name.Name] = strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
				}
			}
			return false
		})
	}
	return comments
}

// parseDir returns the files of the package in dir, its tests left out.
func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// themeMarks are the ids and classes of the standard templates.
var themeMarks = regexp.MustCompile(`\b(id|class)="([\w -]+)"`)

// docs/themes.md names all that a theme or a test of a client's site can hold on
// to: custom properties, pages, flows, states, events, fields, ids and classes,
// and the members of client.json.
func TestThemesAreDocumented(t *testing.T) {
	page := readDoc(t, "docs/themes.md")
	want := func(kind, name string) {
		t.Helper()
		if !regexp.MustCompile("[`.#]" + regexp.QuoteMeta(name) + "[`:]").MatchString(page) {
			t.Errorf("docs/themes.md does not name the %s %s", kind, name)
		}
	}
	for _, p := range regexp.MustCompile(`--connectid-[a-z-]+`).FindAllString(readDoc(t, "theme/static/login.css"), -1) {
		want("custom property", p)
	}
	for _, s := range theme.States() {
		want("page", s.Name)
		for kind, names := range map[string][]string{"field": s.Fields, "event": s.Events, "flag": s.Flags, "argument": s.Args} {
			for _, name := range names {
				want(kind, name)
			}
		}
	}
	for _, f := range []*flows.Flow{flows.Login, flows.CreateUser, flows.ResetPassword, flows.Merge, flows.Unmerge, flows.Register, flows.ActivateMembership, flows.Authorize} {
		want("flow", f.Name())
		for _, s := range f.States() {
			if s.Visible() {
				want("state", s.Name())
			}
		}
	}
	templates, err := filepath.Glob("theme/templates/*.html")
	if err != nil || len(templates) == 0 {
		t.Fatal("no templates", err)
	}
	for _, name := range templates {
		for _, m := range themeMarks.FindAllStringSubmatch(readDoc(t, name), -1) {
			for mark := range strings.FieldsSeq(m[2]) {
				want(m[1], mark)
			}
		}
	}
	source := readDoc(t, "theme/clientfile.go")
	_, members, _ := strings.Cut(source, "return map[string]any{")
	members, _, _ = strings.Cut(members, "}")
	for _, m := range regexp.MustCompile(`"(\w+)": &c\.`).FindAllStringSubmatch(members, -1) {
		want("member of client.json", m[1])
	}
}

// namedTest is a test as the documents name it: its package's folder, a dot, its
// name.
var namedTest = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`")

// docs/security.md names, for each of the 16 promises, tests that exist.
func TestNamedTestsExist(t *testing.T) {
	page := readDoc(t, "docs/security.md")
	for i := range 16 {
		_, section, ok := strings.Cut(page, fmt.Sprintf("\n### %d. ", i+1))
		section, _, _ = strings.Cut(section, "\n#")
		if !ok || !namedTest.MatchString(section) {
			t.Errorf("docs/security.md: promise %d is missing or names no test", i+1)
		}
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range docs {
		for _, m := range namedTest.FindAllStringSubmatch(readDoc(t, name), -1) {
			dir := m[1]
			if dir == "connectid" {
				dir = "."
			}
			files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			declares := regexp.MustCompile(`(?m)^func ` + m[2] + `\(`)
			if !slices.ContainsFunc(files, func(f string) bool { return declares.MatchString(readDoc(t, f)) }) {
				t.Errorf("%s: there is no test %s in %s", name, m[2], dir)
			}
		}
	}
}

// member is a method or a field as docs/house.md names it: Type.Name.
var member = regexp.MustCompile("`(?:[a-z]+\\.)*([A-Z]\\w*)\\.([A-Za-z]\\w*)`")

// docs/house.md follows a request through functions that exist.
func TestHouseNamesWhatExists(t *testing.T) {
	exists := map[string]bool{}
	for _, dir := range goDirs(t) {
		for _, f := range parseDir(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv != nil {
						recv := n.Recv.List[0].Type
						if star, ok := recv.(*ast.StarExpr); ok {
							recv = star.X
						}
						if id, ok := recv.(*ast.Ident); ok {
							exists[id.Name+"."+n.Name.Name] = true
						}
					}
				case *ast.TypeSpec:
					if st, ok := n.Type.(*ast.StructType); ok {
						for _, field := range st.Fields.List {
							for _, name := range field.Names {
								exists[n.Name.Name+"."+name.Name] = true
							}
						}
					}
				}
				return true
			})
		}
	}
	found := member.FindAllStringSubmatch(readDoc(t, "docs/house.md"), -1)
	if len(found) == 0 {
		t.Error("docs/house.md names no function")
	}
	for _, m := range found {
		if name := m[1] + "." + m[2]; !exists[name] {
			t.Errorf("docs/house.md: there is no %s", name)
		}
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)\s]*)?\)`)

// What README.md and the documents link to is there.
func TestDocumentLinks(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(docs, "README.md", "CHANGELOG.md") {
		for _, m := range markdownLink.FindAllStringSubmatch(readDoc(t, name), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(path.Join(path.Dir(filepath.ToSlash(name)), m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

// Every package of every module says what it is.
func TestPackageComments(t *testing.T) {
	for _, dir := range goDirs(t) {
		if !slices.ContainsFunc(parseDir(t, dir), func(f *ast.File) bool {
			return strings.HasPrefix(f.Doc.Text(), "Package ") || strings.HasPrefix(f.Doc.Text(), "Command ")
		}) {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// goDirs returns the folders of all packages of all modules, those with nothing
// but tests too.
func goDirs(t *testing.T) []string {
	t.Helper()
	dirs := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			dirs[filepath.Dir(name)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(dirs))
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
