// Command peers measures this kit and other authorization servers written in Go
// at the same work (package work) and prints one table. `make bench-peers` runs it.
//
// Each server is measured in a process of its own, on one processor: the processor
// time of the operations and of the garbage that they leave, which is hardly
// longer on a busy machine. All are measured in turn, several times, each time the
// same number of operations; the table has the least of the rounds.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ours is the implementation that the others are compared with.
const ours = "connectid"

// dirs hold a package each, below this one; those of the peers are modules of
// their own, so that each is built with the versions that it asks for.
var dirs = []string{"..", "work", "fosite", "gooauth2", "zitadel"}

// modules are whose versions the table is of.
var modules = map[string]string{
	"fosite": "github.com/ory/fosite", "gooauth2": "github.com/go-oauth2/oauth2/v4", "zitadel": "github.com/zitadel/oidc/v3",
}

// operations are the sub-benchmarks in the order of the table, and how often each
// is done at a time, by every server as often: what is stored slows all alike.
var operations = []struct {
	name  string
	times int
}{
	{"client credentials", 10_000},
	{"code exchange", 10_000},
	{"code exchange with ID token", 4_000},
	{"refresh", 10_000},
	{"bearer check", 20_000},
}

func main() {
	rounds := flag.Int("rounds", 10, "how often each is measured")
	flag.Parse()
	if err := run(*rounds, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(rounds int, out io.Writer) error {
	tmp, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var programs []string
	for _, dir := range dirs {
		program := filepath.Join(tmp, strings.Trim(dir, "./")+".test")
		fmt.Fprintln(os.Stderr, "building", dir)
		// Tracing is off where a library can be built without it.
		if _, err := goCommand(dir, "test", "-c", "-tags", "no_otel", "-o", program, "."); err != nil {
			return err
		}
		// Who does not keep to the rules has no figures.
		if _, err := output(exec.Command(program, "-test.run", "^TestWork$")); err != nil {
			return err
		}
		programs = append(programs, program)
	}
	results := map[key]result{}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, program := range programs {
			for _, o := range operations {
				name := "^" + strings.ReplaceAll(o.name, " ", "_") + "$"
				text, err := output(exec.Command(program, "-test.run", "^$", "-test.bench", "^BenchmarkWork$/.*/"+name,
					"-test.benchtime", strconv.Itoa(o.times)+"x", "-test.cpu", "1", "-test.benchmem"))
				if err != nil {
					return err
				}
				for line := range strings.Lines(text) {
					add(results, line)
				}
			}
		}
	}
	if err := head(out, rounds); err != nil {
		return err
	}
	return table(out, results)
}

// goCommand runs go in a directory; only our own package is in the workspace.
func goCommand(dir string, args ...string) (string, error) {
	c := exec.Command("go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOWORK=off")
	if dir == ".." {
		c.Env = append(os.Environ(), "GOWORK=")
	}
	return output(c)
}

// output runs a command; its complaints are part of the error.
func output(c *exec.Cmd) (string, error) {
	var complaints bytes.Buffer
	c.Stderr = &complaints
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(c.Args, " "), err, text, complaints.Bytes())
	}
	return string(text), nil
}

type key struct{ operation, server string }

// result is what one operation costs.
type result struct{ ns, bytes, allocs float64 }

// add takes in a line such as
//
//	BenchmarkWork/fosite/refresh  10000  41173 ns/op  21798 cpu-ns/op  10754 B/op  148 allocs/op
func add(results map[key]result, line string) {
	f := strings.Fields(line)
	if len(f) < 8 || !strings.HasPrefix(f[0], "BenchmarkWork/") {
		return
	}
	name := strings.Split(strings.ReplaceAll(f[0], "_", " "), "/")
	var r result
	for i := 2; i+1 < len(f); i += 2 {
		v, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return
		}
		switch f[i+1] {
		case "cpu-ns/op":
			r.ns = v
		case "B/op":
			r.bytes = v
		case "allocs/op":
			r.allocs = v
		}
	}
	k := key{name[2], name[1]}
	if old, ok := results[k]; ok {
		r = result{min(r.ns, old.ns), min(r.bytes, old.bytes), min(r.allocs, old.allocs)}
	}
	results[k] = r
}

// head says what was measured on what.
func head(out io.Writer, rounds int) error {
	var versions []string
	for _, dir := range dirs {
		if path, ok := modules[dir]; ok {
			v, err := goCommand(dir, "list", "-m", "-f", "{{.Path}} {{.Version}}", path)
			if err != nil {
				return err
			}
			versions = append(versions, strings.TrimSpace(v))
		}
	}
	_, err := fmt.Fprintf(out, "%s %s/%s, %s; the least of %d rounds\n%s\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, processor(), rounds, strings.Join(versions, ", "))
	return err
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // elsewhere the name is not worth a program
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return "unknown processor"
}

// table prints one row for each operation and server, as a table of Markdown that
// is aligned as plain text, too.
func table(out io.Writer, results map[key]result) error {
	if len(results) == 0 {
		return errors.New("nothing was measured")
	}
	rows := [][]string{
		{"operation", "server", "CPU ns/op", "B/op", "allocs/op", "CPU × ours", "allocs × ours"},
		{"---", "---", "--:", "--:", "--:", "--:", "--:"},
	}
	for _, o := range operations {
		var servers []string
		for k := range results {
			if k.operation == o.name {
				servers = append(servers, k.server)
			}
		}
		slices.SortFunc(servers, func(a, b string) int {
			if (a == ours) != (b == ours) {
				return map[bool]int{true: -1, false: 1}[a == ours]
			}
			return cmp.Compare(results[key{o.name, a}].ns, results[key{o.name, b}].ns)
		})
		base, ok := results[key{o.name, ours}]
		for _, s := range servers {
			r := results[key{o.name, s}]
			cpu, allocs := "", ""
			if ok {
				cpu, allocs = fmt.Sprintf("%.1f", r.ns/base.ns), fmt.Sprintf("%.1f", r.allocs/base.allocs)
			}
			rows = append(rows, []string{
				o.name, s, fmt.Sprintf("%.0f", r.ns), fmt.Sprintf("%.0f", r.bytes), fmt.Sprintf("%.0f", r.allocs), cpu, allocs,
			})
		}
	}
	return align(out, rows)
}

// align pads the cells: text on the right, numbers on the left.
func align(out io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		line.WriteString("|")
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < 2 {
				line.WriteString(" " + cell + fill + " |")
			} else {
				line.WriteString(" " + fill + cell + " |")
			}
		}
		if _, err := fmt.Fprintln(out, line.String()); err != nil {
			return err
		}
	}
	return nil
}
