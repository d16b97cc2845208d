package theme

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFaults bounds how many faults of one file are reported.
const maxFaults = 50

// FileFault is something wrong in a file of a client's folder, or a warning
// about it.
type FileFault struct {
	File   string // "" when a single source was checked
	Line   int    // counted from 1; 0 when the whole file is meant
	Column int    // in characters, counted from 1
	Text   string
}

// String returns the fault as file:line:column: text.
func (f FileFault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File + ":")
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", f.Line, f.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(f.Text)
	return b.String()
}

// FileFaults is the error of a check that lists everything it found, in the
// order of the files and of their lines.
type FileFaults []FileFault

// Error returns one line for each fault.
func (f FileFaults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// orNil returns f as an error, and nil when there is no fault.
func (f FileFaults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// in returns the faults with the file's name set.
func (f FileFaults) in(file string) FileFaults {
	for i := range f {
		f[i].File = file
	}
	return f
}

// faultList collects the faults of one source by byte offset.
type faultList struct {
	src  []byte
	list []placedFault
}

type placedFault struct {
	at   int
	text string
}

func (l *faultList) add(at int, format string, args ...any) {
	if len(l.list) < maxFaults {
		l.list = append(l.list, placedFault{min(at, len(l.src)), fmt.Sprintf(format, args...)})
	}
}

// faults returns what was collected, in the order of the source, each place and
// text once.
func (l *faultList) faults() FileFaults {
	slices.SortStableFunc(l.list, func(a, b placedFault) int { return a.at - b.at })
	var out FileFaults
	for i, f := range slices.Compact(l.list) {
		line, column := position(l.src, f.at)
		out = append(out, FileFault{Line: line, Column: column, Text: f.text})
		if i == maxFaults-1 {
			out = append(out, FileFault{Line: line, Column: column, Text: "there may be more; the list ends here"})
		}
	}
	return out
}

// position returns the line and column of a byte offset.
func position(src []byte, at int) (line, column int) {
	before := src[:min(max(at, 0), len(src))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
