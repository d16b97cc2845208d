// Package flows is the state machines behind the GUI URLs, and the engine that
// runs them.
//
// A flow is an ordered list of steps. A step is a state or a sequence; both end
// in an event. A state is visible (it waits for the user), computing (it ends at
// once), a hop (the user is away at an outside party) or an end of the flow. These rules say which step an event selects
// (ConnectID: "About the URLs"):
//
//   - The step that the sequence of the state names for the event, else the one
//     that the nearest sequence or flow around it names.
//   - An event that nobody names selects the next step. After the last step of
//     a sequence, and for an event that the sequence lets out, that is the step
//     after the sequence.
//
// A state declares the events that it can end in; ending in another is an error,
// never a silent "next".
//
// No package below this one, and nothing in it, knows HTTP or HTML: a flow runs
// in a unit test or a terminal as it runs behind a URL.
package flows

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Part is what a flow or a sequence is made of: a [State], a [Sequence], or a
// rule made by [On] or [Out].
type Part interface{ add(*Sequence) }

// State is one state of a flow, made by [Show], [Compute], [Hop], [Return] or [Fail].
type State struct {
	name   string
	kind   kind
	fires  []Event
	run    func(ctx context.Context, r *Run) (Event, error)          // of a computing state
	submit func(ctx context.Context, r *Run, e Event) (Event, error) // of a visible state
	view   func(r *Run, v *View)                                     // of a visible state; may be nil
	load   func(ctx context.Context, r *Run, v *View) error          // of a visible state; may be nil
	leave  func(ctx context.Context, r *Run) (Event, error)          // of a hop
	back   func(ctx context.Context, r *Run, kept []byte, answer Form) (Event, error)
	entry  bool             // see [State.Entry]
	guard  func(*Run) error // see [State.Guard]
	asks   bool             // see [State.Decision]
	own    []Event          // see [State.Own]
	watch  func(context.Context, *Run) (Event, error)
	loose  bool   // see [State.AnyTrip]
	reason string // of a failing end
}

type kind int

const (
	computing kind = iota
	visible
	hopping
	returning
	failing
)

// Show returns a visible state. submit is called with what the user did, one of
// the events, and returns the event that the state ends in, or [Stay] after it
// has noted faults or a notice on the run.
func Show(name string, submit func(context.Context, *Run, Event) (Event, error), events ...Event) *State {
	return &State{name: name, kind: visible, submit: submit, fires: events}
}

// Stay is returned by the function of a visible state to be shown again.
const Stay Event = ""

// Compute returns a state that ends at once in one of the events.
func Compute(name string, run func(context.Context, *Run) (Event, error), events ...Event) *State {
	return &State{name: name, kind: computing, run: run, fires: events}
}

// Return returns the end at which the user goes to the returnUrl.
func Return(name string) *State { return &State{name: name, kind: returning} }

// Fail returns an end at which the user goes to the errorUrl with the given
// error code, such as [AccessDenied]. Without a code nothing is added.
func Fail(name, reason string) *State { return &State{name: name, kind: failing, reason: reason} }

// The error codes of the errorUrl.
const (
	AccessDenied           = "access_denied"
	TemporarilyUnavailable = "temporarily_unavailable"
	ServerError            = "server_error"
	InvalidRequest         = "invalid_request"
)

// View sets the function that adds to what the state shows, and returns s.
func (s *State) View(f func(*Run, *View)) *State { s.view = f; return s }

// Load sets the function that reads what the state shows and the run does not
// remember, each time that it is shown, and returns s. [account.ErrUserGone] says
// that the page is not for who is there now: the flow begins again.
func (s *State) Load(f func(context.Context, *Run, *View) error) *State { s.load = f; return s }

// Entry marks a visible state that needs nothing from the states before it: a
// post of its form is taken up again when the user has come back to it with the
// browser's back button. It returns s.
func (s *State) Entry() *State { s.entry = true; return s }

// Guard sets a function that says whether the state may still be shown to and
// answered by the browser that it is; it returns [account.ErrUserGone] when
// somebody else has logged in, or she has logged out, which begins the flow
// again. It returns s.
func (s *State) Guard(f func(*Run) error) *State { s.guard = f; return s }

// Decision marks a visible state at which the user says yes or no. A no counts
// whatever has become of the run meanwhile: when she has said yes in another tab,
// or has gone back, [NavigateAway] still ends where the state says. As nothing is
// granted there, nothing is stored of it. It returns s.
func (s *State) Decision() *State { s.asks = true; return s }

// Own names events of a visible state that only its function fires: no post of
// the page can name them. It returns s.
func (s *State) Own(events ...Event) *State { s.own = events; return s }

// Buttons returns the events that the page of the state can send.
func (s *State) Buttons() []Event {
	return slices.DeleteFunc(slices.Clone(s.fires), func(e Event) bool { return slices.Contains(s.own, e) })
}

// Watch sets the function that a state which waits asks each time that its page is
// fetched again, whether what it waits for has come: it returns the event that the
// state ends in then, or [Stay]. A hop has no page: it is asked before the user is
// sent to the outside party once more. It returns s.
func (s *State) Watch(f func(context.Context, *Run) (Event, error)) *State { s.watch = f; return s }

// AnyTrip marks a hop whose answers say nothing: the outside party is asked itself
// how it went. Whichever way out of the run comes back, and however often, is taken.
// It returns s.
func (s *State) AnyTrip() *State { s.loose = true; return s }

// Name returns the name of the state.
func (s *State) Name() string { return s.name }

// Visible reports whether the state waits for the user.
func (s *State) Visible() bool { return s.kind == visible }

// Events returns the events that the state can end in.
func (s *State) Events() []Event { return slices.Clone(s.fires) }

func (s *State) add(q *Sequence) { q.steps = append(q.steps, step{name: s.name, state: s}) }

// Sequence is a part of a flow that several flows use. It stands where a state
// can stand.
type Sequence struct {
	name  string
	steps []step
	on    map[Event]string
	out   map[Event]bool
	again string // of a flow; see [Again]
}

type step struct {
	name  string
	state *State
	seq   *Sequence
}

// NewSequence returns the sequence of the given parts.
func NewSequence(name string, parts ...Part) *Sequence {
	q := &Sequence{name: name, on: map[Event]string{}, out: map[Event]bool{}}
	for _, p := range parts {
		p.add(q)
	}
	return q
}

func (q *Sequence) add(outer *Sequence) {
	outer.steps = append(outer.steps, step{name: q.name, seq: q})
}

// On says that the event selects the step of that name in this sequence or flow.
func On(e Event, step string) Part { return rule{e, step} }

type rule struct {
	event  Event
	target string
}

func (r rule) add(q *Sequence) {
	if _, twice := q.on[r.event]; twice {
		panic(fmt.Sprintf("flows: %s names two steps for %s", q.name, r.event))
	}
	q.on[r.event] = r.target
}

// Out says that the events are not handled inside the sequence: they end it.
func Out(events ...Event) Part { return outs(events) }

type outs []Event

func (o outs) add(q *Sequence) {
	for _, e := range o {
		q.out[e] = true
	}
}

// Flow is a checked flow.
type Flow struct {
	name  string
	top   *Sequence
	nodes map[string]*node
	order []string // names of all states, as they stand
	again string   // see [Again]
}

// node is a state with its place: the sequences around it, outermost first.
type node struct {
	state *State
	place []place
}

type place struct {
	seq   *Sequence
	index int // of the step in seq.steps
}

// Again names the state from which a finished run is run once more when its own
// browser asks within a minute, so that a user who clicked twice gets the same
// end again. It is for as long as the session lives that the run has started: a
// new one takes its place, and there is never a second. Without Again the end
// alone is given again.
func Again(state string) Part { return again(state) }

type again string

func (a again) add(q *Sequence) { q.again = string(a) }

// New returns the flow of the given parts. It panics when the flow is not sound:
// a named step that does not exist, two states of one name, a state that can not
// be reached, an event that leads nowhere, a state from which no end can be
// reached. That is a mistake in the source, seen at start-up.
func New(name string, parts ...Part) *Flow {
	f := &Flow{name: name, top: NewSequence(name, parts...), nodes: map[string]*node{}}
	f.again = f.top.again
	errs := f.index(f.top, nil)
	if len(errs) == 0 {
		errs = f.check()
	}
	if err := errors.Join(errs...); err != nil {
		panic(fmt.Sprintf("flows: %s is not sound: %v", name, err))
	}
	return f
}

// Name returns the name of the flow.
func (f *Flow) Name() string { return f.name }

// States returns all states, in the order in which they stand.
func (f *Flow) States() []*State {
	all := make([]*State, len(f.order))
	for i, n := range f.order {
		all[i] = f.nodes[n].state
	}
	return all
}

func (f *Flow) index(q *Sequence, around []place) (errs []error) {
	if len(q.steps) == 0 {
		errs = append(errs, fmt.Errorf("%s has no step", q.name))
	}
	for i, st := range q.steps {
		here := append(slices.Clone(around), place{q, i})
		switch {
		case st.seq != nil:
			errs = append(errs, f.index(st.seq, here)...)
		case f.nodes[st.name] != nil:
			errs = append(errs, fmt.Errorf("two states are named %s", st.name))
		default:
			f.nodes[st.name] = &node{state: st.state, place: here}
			f.order = append(f.order, st.name)
		}
	}
	for e, target := range q.on {
		if !slices.ContainsFunc(q.steps, func(s step) bool { return s.name == target }) {
			errs = append(errs, fmt.Errorf("%s leads %s to %s, which is no step of it", q.name, e, target))
		}
	}
	return errs
}

// first returns the name of the state at which the step begins.
func (s step) first() string {
	for s.seq != nil {
		s = s.seq.steps[0]
	}
	return s.name
}

func (f *Flow) first() string { return f.top.steps[0].first() }

// Next returns the name of the state that the event selects after the given
// state.
func (f *Flow) Next(state string, e Event) (string, error) {
	n, ok := f.nodes[state]
	if !ok {
		return "", fmt.Errorf("flow %s has no state %s", f.name, state)
	}
	if !slices.Contains(n.state.fires, e) {
		return "", fmt.Errorf("flow %s: %s can not end in %s", f.name, state, e)
	}
	level := len(n.place) - 1 // of the sequence whose next step is taken
	for i := level; i >= 0; i-- {
		q := n.place[i].seq
		if target, ok := q.on[e]; ok {
			at := slices.IndexFunc(q.steps, func(s step) bool { return s.name == target })
			return q.steps[at].first(), nil
		}
		if q.out[e] {
			level = i - 1
		}
	}
	for ; level >= 0; level-- {
		if p := n.place[level]; p.index+1 < len(p.seq.steps) {
			return p.seq.steps[p.index+1].first(), nil
		}
	}
	return "", fmt.Errorf("flow %s: %s in %s leads out of the flow", f.name, e, state)
}

// check walks the flow and returns what is not sound about it.
func (f *Flow) check() (errs []error) {
	into := map[string][]string{} // states by the states that lead to them
	reached, queue := map[string]bool{}, []string{f.first()}
	if f.again != "" {
		if _, ok := f.nodes[f.again]; !ok {
			errs = append(errs, fmt.Errorf("it is to run again from %s, which is no state", f.again))
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if reached[name] {
			continue
		}
		reached[name] = true
		s := f.nodes[name].state
		if s.kind < returning && len(s.fires) == 0 {
			errs = append(errs, fmt.Errorf("%s has no event", name))
		}
		for _, e := range s.fires {
			next, err := f.Next(name, e)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			into[next] = append(into[next], name)
			queue = append(queue, next)
		}
	}
	leads := map[string]bool{} // states from which an end can be reached
	for _, name := range f.order {
		if !reached[name] {
			errs = append(errs, fmt.Errorf("%s can not be reached", name))
		}
		if f.nodes[name].state.kind >= returning {
			queue = append(queue, name)
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if !leads[name] {
			leads[name] = true
			queue = append(queue, into[name]...)
		}
	}
	for _, name := range f.order {
		if reached[name] && !leads[name] {
			errs = append(errs, fmt.Errorf("no end can be reached from %s", name))
		}
	}
	return errs
}
