package flows

import (
	"context"
	"fmt"
	"slices"
)

// post lets the visible state judge the event and runs on from there.
func (r *Run) post(ctx context.Context, e Event) error {
	if e == "" {
		e = r.state.fires[0] // sent without a button: the page's first one
	}
	if !slices.Contains(r.state.fires, e) || slices.Contains(r.state.own, e) {
		return fmt.Errorf("%w: %s has no %q", ErrEvent, r.state.name, e)
	}
	if err := r.guarded(); err != nil {
		return err
	}
	r.Data.Faults, r.Data.Notice = nil, ""
	r.answerChallenge()
	got, err := r.takeChallenge(r.state.submit(ctx, r, e))
	if err != nil {
		return fmt.Errorf("%s: %w", r.state.name, err)
	}
	if got == Stay {
		return nil
	}
	if err := r.move(ctx, got); err != nil {
		return err
	}
	return r.compute(ctx)
}

// guarded asks the state's guard.
func (r *Run) guarded() error {
	if r.state.guard == nil {
		return nil
	}
	return r.state.guard(r)
}

// compute runs computing states until the run waits for the user, or for an
// outside party, or ends.
func (r *Run) compute(ctx context.Context) error {
	for range 64 { // a circle of computing states is a mistake in the source
		do := r.state.run
		switch r.state.kind {
		case computing:
		case hopping:
			do = r.state.leave
		default:
			return nil
		}
		e, err := do(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.state.name, err)
		}
		if e == Stay && r.away != "" {
			return nil
		}
		if err := r.move(ctx, e); err != nil {
			return err
		}
	}
	return fmt.Errorf("flow %s goes round in %s", r.flow.name, r.state.name)
}

// move ends the state in the event.
func (r *Run) move(ctx context.Context, e Event) error {
	next, err := r.flow.Next(r.state.name, e)
	if err != nil {
		return err
	}
	from := r.state.name
	r.state = r.flow.nodes[next].state
	r.tell(ctx, from, e)
	return nil
}

// tell tells the observer of an event.
func (r *Run) tell(ctx context.Context, from string, e Event) {
	if r.engine.observe == nil {
		return
	}
	user := r.Data.UserID
	if user == "" {
		user = r.Browser.Session.UserID
	}
	r.engine.observe(ctx, Happening{r.ID, r.flow.name, from, e, r.state.name, r.Request.Client.ID, user})
}
