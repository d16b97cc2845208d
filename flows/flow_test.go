package flows_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/flows"
)

var update = flag.Bool("update", false, "write golden files")

// all are the flows of the kit.
var all = []*flows.Flow{flows.Login, flows.CreateUser, flows.ResetPassword, flows.Merge, flows.Unmerge,
	flows.Register, flows.ActivateMembership, flows.Reauthenticate, flows.Authorize, flows.Account, flows.Fulfillment, flows.OrderLink, flows.LoginCheck, flows.Logout, flows.EndSession, flows.Azure}

func step(context.Context, *flows.Run) (flows.Event, error) { return flows.Continue, nil }

func TestNextFollowsTheDocuments(t *testing.T) {
	compute := func(name string, events ...flows.Event) *flows.State { return flows.Compute(name, step, events...) }
	f := flows.New("example",
		compute("one", "a", "b", "mentioned", flows.Continue),
		flows.NewSequence("outer",
			compute("two", flows.Continue, "inside", "mentioned", "leaving"),
			flows.NewSequence("inner",
				compute("three", flows.Continue, "deep", "inside", "mentioned", "let out"),
				compute("four", flows.Continue, "again"),
				flows.On("deep", "three"),
				flows.Out("let out"),
			),
			compute("five", flows.Continue, "inside"),
			flows.On("inside", "inner"),
			flows.Out("leaving"),
		),
		compute("six", flows.Continue),
		flows.Return("end"),
		flows.On("mentioned", "end"),
	)
	for _, tt := range []struct {
		from string
		e    flows.Event
		want string
		why  string
	}{
		{"one", "a", "two", "an event that nobody mentions selects the next step, a sequence by its first state"},
		{"one", "mentioned", "end", "the flow names the step"},
		{"two", flows.Continue, "three", "the next step of the sequence, a sequence itself"},
		{"two", "inside", "three", "handled inside the sequence"},
		{"two", "mentioned", "end", "not handled inside, so it leaves the sequence"},
		{"two", "leaving", "six", "let out: the step after the sequence"},
		{"three", flows.Continue, "four", "next inside the inner sequence"},
		{"three", "deep", "three", "handled by the innermost sequence"},
		{"three", "inside", "three", "handled by the sequence around it"},
		{"three", "let out", "five", "let out of the inner sequence only"},
		{"three", "mentioned", "end", "leaves both sequences"},
		{"four", "again", "five", "after the last step of a sequence comes the step after the sequence"},
		{"five", flows.Continue, "six", "after the last step of the outer sequence"},
	} {
		if got, err := f.Next(tt.from, tt.e); got != tt.want || err != nil {
			t.Errorf("Next(%s, %s) = %q, %v; want %q: %s", tt.from, tt.e, got, err, tt.want, tt.why)
		}
	}
	if next, err := f.Next("five", "mentioned"); err == nil {
		t.Errorf("an event that five does not declare selects %s; want an error", next)
	}
	if _, err := f.Next("nowhere", flows.Continue); err == nil {
		t.Error("an unknown state has a next one")
	}
}

func TestNewPanicsOnUnsoundFlows(t *testing.T) {
	compute := func(name string, events ...flows.Event) *flows.State { return flows.Compute(name, step, events...) }
	end := flows.Return("end")
	for _, tt := range []struct {
		name  string
		parts []flows.Part
		want  string
	}{
		{"no step", nil, "has no step"},
		{"missing target", []flows.Part{compute("a", flows.Continue), end, flows.On(flows.Continue, "b")}, "no step of it"},
		{"target inside a sequence", []flows.Part{
			compute("a", flows.Continue, "x"), flows.NewSequence("s", compute("b", flows.Continue)), end, flows.On("x", "b"),
		}, "no step of it"},
		{"twice the name", []flows.Part{compute("a", flows.Continue), compute("a", flows.Continue), end}, "two states are named a"},
		{"out of reach", []flows.Part{compute("a", flows.Continue), compute("b", flows.Continue), end, flows.On(flows.Continue, "end")}, "b can not be reached"},
		{"no event", []flows.Part{compute("a", flows.Continue), compute("b"), end}, "b has no event"},
		{"over the edge", []flows.Part{compute("a", flows.Continue)}, "leads out of the flow"},
		{"round and round", []flows.Part{compute("a", "x"), compute("b", "x"), flows.On("x", "a"), end}, "no end can be reached from a"},
		{"two targets", []flows.Part{compute("a", "x"), end, flows.On("x", "a"), flows.On("x", "end")}, "two steps for x"},
		{"no such state to run again", []flows.Part{compute("a", flows.Continue), end, flows.Again("b")}, "which is no state"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q; want it to say %q", got, tt.want)
				}
			}()
			flows.New("unsound", tt.parts...)
		})
	}
}

// TestEveryStateEveryEvent walks all flows: each event that a state declares
// selects a state, each other event is refused, from each state an end can be
// reached, and each visible state can be left without logging in.
func TestEveryStateEveryEvent(t *testing.T) {
	var events []flows.Event
	for _, f := range all {
		for _, s := range f.States() {
			events = append(events, s.Events()...)
		}
	}
	events = append(events, "neverHeardOfEvent")
	slices.Sort(events)
	events = slices.Compact(events)
	pairs := 0
	for _, f := range all {
		for _, s := range f.States() {
			for _, e := range events {
				next, err := f.Next(s.Name(), e)
				pairs++
				if declared := slices.Contains(s.Events(), e); declared != (err == nil) {
					t.Errorf("%s: %s × %s leads to %q, %v; declared: %v", f.Name(), s.Name(), e, next, err, declared)
				}
			}
			if s.Visible() && !slices.Contains(s.Events(), flows.NavigateAway) {
				t.Errorf("%s: the page %s has no way out", f.Name(), s.Name())
			}
		}
	}
	t.Logf("%d pairs of state and event", pairs)
}

// TestDrawings keeps docs/flows.md, which shows every flow as it is.
func TestDrawings(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# The flows

Drawn from the code: ` + "`go test ./flows -run TestDrawings -update`" + ` writes this page, and the test fails when it is out of date.
A state says in brackets what it is; sequences are boxes; the events on the arrows have the names of the ConnectID documents where those have one.
`)
	for _, f := range all {
		fmt.Fprintf(&b, "\n## %s\n\n```mermaid\n%s```\n", f.Name(), f.Mermaid())
	}
	const file = "../docs/flows.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Error("docs/flows.md is not what the flows are; run with -update and read the diff")
	}
}
