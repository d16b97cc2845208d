package connectid_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/connectid-kit/connectid"

// room is a place of the layout and what its packages may import from this
// repository. The first room whose pattern matches is a package's room; every
// room may import internal/... and itself is what its pattern says.
type room struct {
	pattern string   // a package without modulePath; "/..." at the end means everything below too
	imports []string // the same form
}

// rooms lists who imports whom: downwards only.
var rooms = []room{
	{"examples/...", []string{"..."}},
	{"cmd/...", []string{"..."}},
	{"bench/...", []string{"..."}},
	{".", []string{"handlers/...", "middleware", "flows/...", "theme", "store/memstore", "store"}},

	{"handlers", []string{"handlers/internal/gui", "flows/...", "theme", "middleware", "store"}},
	{"handlers/internal/gui", []string{"flows/...", "theme", "middleware", "store"}},
	{"handlers/oauth", []string{"handlers/internal/gui", "flows/...", "theme", "middleware", "store"}},
	{"handlers/oauth/extid", []string{"handlers/oauth", "flows/account"}}, // a grant type as anybody writes one
	{"handlers/pay", []string{"handlers/internal/gui", "flows/...", "theme", "middleware", "store"}},
	{"handlers/api", []string{"flows/...", "middleware", "store"}},
	{"middleware", []string{"flows/account", "store"}},

	// Adapters import the contract that they implement and nothing else.
	{"flows/order/payex", []string{"flows/order"}},
	{"flows/order/vipps", []string{"flows/order"}},
	{"flows/order/sandbox", []string{"flows/order"}},
	{"flows/order/httpjson", []string{"flows/order"}},
	{"flows/order/ordertest", []string{"flows/order"}}, // what adapters' tests call
	{"flows/directory/entra", []string{"flows/directory"}},
	{"flows/publisher/httpjson", []string{"flows/publisher"}},
	{"flows/message/smtp", []string{"flows/message"}},
	{"flows/account/pwned", []string{"flows/account"}},

	{"flows", []string{"flows/...", "store"}},
	{"flows/directory", nil},
	{"flows/account", []string{"flows/message", "store"}},
	{"flows/order", []string{"flows/publisher", "flows/message", "store"}},
	{"flows/publisher", []string{"store"}},
	{"flows/message", []string{"store"}},
	{"theme", []string{"store"}},

	{"store", nil},
	{"store/...", []string{"store"}},
	{"internal/...", []string{"store"}},
}

func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

// pkgInfo is what go list tells of a package.
type pkgInfo struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
	Module     *struct{ Path string }
}

// goList runs go list in dir.
func goList(t *testing.T, dir string, args ...string) []pkgInfo {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,GoFiles,Imports,Deps,Standard,Module"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in %s: %v\n%s", cmd.Args, dir, err, stderr.String())
	}
	var pkgs []pkgInfo
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkgInfo
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// moduleDirs returns the folders of all modules of the workspace.
func moduleDirs(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// inside returns a package's path below the root, "." for the root itself, and
// whether it is one of this repository at all.
func inside(importPath string) (string, bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, dir := range moduleDirs(t) {
		for _, p := range goList(t, dir, "./...") {
			pkg, ok := inside(p.ImportPath)
			if !ok {
				continue
			}
			seen++
			i := slices.IndexFunc(rooms, func(r room) bool { return matches(r.pattern, pkg) })
			if i < 0 {
				t.Errorf("package %s has no room in the layout", p.ImportPath)
				continue
			}
			for _, imported := range p.Imports {
				below, ok := inside(imported)
				if !ok || matches("internal/...", below) && pkg != "store" {
					continue
				}
				if !slices.ContainsFunc(rooms[i].imports, func(pattern string) bool { return matches(pattern, below) }) {
					t.Errorf("%s imports %s: its room may import %q only", pkg, below, rooms[i].imports)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("saw %d packages: the list can not be whole", seen)
	}
}

// A flow can run in a unit test or a terminal: it knows no HTTP and no HTML.
// Adapters speak to others over HTTP, and messages are written as HTML too.
func TestFlowsKnowNoHTTP(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"flows/message html/template",
		"flows/order/httpjson net/http", "flows/order/payex net/http", "flows/order/vipps net/http",
		"flows/directory/entra net/http", "flows/publisher/httpjson net/http", "flows/account/pwned net/http",
		"internal/payextest net/http",
	}
	for _, p := range goList(t, ".", "./flows/...", "./internal/...", "./store/...") {
		pkg, _ := inside(p.ImportPath)
		for _, imported := range p.Imports {
			if (imported == "net/http" || imported == "html/template") && !slices.Contains(allowed, pkg+" "+imported) {
				t.Errorf("%s imports %s", pkg, imported)
			}
		}
	}
}

// What needs a driver is a module of its own: nothing in the root module may
// bring one in.
func TestRootImportsNoDriver(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, ".", "-deps", "./...") {
		if p.ImportPath == "database/sql/driver" || p.Module != nil && p.Module.Path != modulePath && strings.HasPrefix(p.Module.Path, modulePath+"/") {
			t.Errorf("the root module depends on %s", p.ImportPath)
		}
	}
}

// The suite for stores is imported by plugin authors' tests: it brings nothing
// along.
func TestStoretestIsStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, ".", "-deps", "./store/...") {
		if !p.Standard && p.Module.Path != modulePath {
			t.Errorf("store/... depends on %s", p.ImportPath)
		}
	}
}

const maxModules = 11

// The README states how many modules are compiled into a program that imports
// the kit; this keeps the number true and small.
func TestModulesCompiledIn(t *testing.T) {
	t.Parallel()
	var modules []string
	for _, p := range goList(t, ".", "-deps", ".") {
		if p.Module != nil && p.Module.Path != modulePath && !slices.Contains(modules, p.Module.Path) {
			modules = append(modules, p.Module.Path)
		}
	}
	slices.Sort(modules)
	t.Logf("%d modules: %s", len(modules), strings.Join(modules, " "))
	if len(modules) == 0 || len(modules) > maxModules {
		t.Errorf("%d modules are compiled into the root package, want 1 to %d", len(modules), maxModules)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(\d+) modules`).FindSubmatch(readme)
	if m == nil {
		t.Fatalf(`README.md does not say how many modules are compiled in; write "%d modules"`, len(modules))
	}
	if got, _ := strconv.Atoi(string(m[1])); got != len(modules) {
		t.Errorf("README.md says %d modules, %d are compiled in: %s", got, len(modules), strings.Join(modules, " "))
	}
}
