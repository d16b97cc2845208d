package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// checkTicket says whether the ticket is this browser's and not too old.
func (n *Engine) checkTicket(t Ticket, b Browser) error {
	switch {
	case t.Browser != b.Cookie || b.Cookie.IsZero():
		return ErrElsewhere
	case time.Since(t.Started) >= n.lifetime:
		return ErrExpired
	}
	return nil
}

// settled returns the record once no post is at work on it, or after 3 seconds.
func (n *Engine) settled(ctx context.Context, id string) (store.Run, error) {
	deadline := time.Now().Add(3 * time.Second)
	for {
		rec, err := n.runs.Run(ctx, id)
		if err != nil || rec.Claim == "" || !time.Now().Before(rec.ClaimUntil) || !time.Now().Before(deadline) {
			return rec, err
		}
		select {
		case <-ctx.Done():
			return rec, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// claim makes this post the one that works on the run. It returns the run in
// the state of the posted page, or at its end.
func (n *Engine) claim(ctx context.Context, f *Flow, t Ticket, req Request, b Browser) (*Run, store.Run, error) {
	rec, err := n.runs.Run(ctx, t.Run)
	if errors.Is(err, store.ErrNotFound) {
		return n.claimFirst(ctx, f, t, req, b)
	}
	if err != nil {
		return nil, rec, err
	}
	r, err := n.load(f, rec, req, b)
	if err != nil {
		return nil, rec, err
	}
	now := time.Now()
	if !rec.FinishedAt.IsZero() {
		return r, rec, n.endAgain(ctx, r, rec)
	}
	if rec.Claim != "" && now.Before(rec.ClaimUntil) {
		return nil, rec, ErrLost
	}
	// The second half of a double click brings a page that has been answered.
	if t.Version < rec.Version && t.Version+1 != r.Data.Kept && now.Sub(r.Data.SavedAt) < claimFor {
		return nil, rec, ErrLost
	}
	if t.State != rec.State {
		posted, ok := f.nodes[t.State]
		if !ok || !posted.state.entry {
			return nil, rec, ErrLost
		}
		r.state = posted.state
		r.Data = r.Data.restart()
	}
	rec.Claim, rec.ClaimUntil = rand.Text(), now.Add(claimFor)
	if err := n.runs.SwapRun(ctx, rec); err != nil {
		return nil, rec, lost(err)
	}
	rec.Version++
	return r, rec, nil
}

// claimFirst inserts the run of a first post, claimed.
func (n *Engine) claimFirst(ctx context.Context, f *Flow, t Ticket, req Request, b Browser) (*Run, store.Run, error) {
	r, err := n.begin(ctx, f, t.Run, req, b)
	if err != nil {
		return nil, store.Run{}, err
	}
	if r.rec != nil { // an outside party has been told of it
		err := n.save(ctx, r, *r.rec)
		if err == nil && r.state.kind == visible { // another page than the one that was posted
			err = ErrLost
		}
		return r, store.Run{}, err
	}
	if _, ended := r.End(); ended { // logged in meanwhile, in another tab
		return r, store.Run{}, nil
	}
	if r.away != "" {
		return r, store.Run{}, lost(n.depart(ctx, r, t.Started))
	}
	// The page that was posted may be another than today's first one: the user
	// logged out meanwhile, say. An entry needs nothing from before it; of any
	// other page the form is not what the first one asks for.
	if t.State != r.state.name {
		posted, ok := f.nodes[t.State]
		if !ok || !posted.state.entry {
			return nil, store.Run{}, ErrLost
		}
		r.state = posted.state
	}
	if err := n.accounts.CountRun(ctx, b.Origin); limited(err) {
		if next, none := f.Next(r.state.name, Continue); none == nil { // a page that submits itself would do so for ever
			r.state = f.nodes[next].state
		}
		r.Fault("", "fault.outage")
		return r, store.Run{}, err
	} else if err != nil {
		return nil, store.Run{}, err
	}
	now := time.Now()
	rec := store.Run{
		ID: r.ID, Flow: f.name, State: r.state.name, ClientID: req.Client.ID, Browser: b.Cookie,
		Claim: rand.Text(), ClaimUntil: now.Add(claimFor), CreatedAt: t.Started, ExpiresAt: t.Started.Add(n.lifetime),
	}
	if rec.Data, err = json.Marshal(r.Data); err != nil {
		return nil, rec, fmt.Errorf("encode run: %w", err)
	}
	if err := n.runs.InsertRun(ctx, rec); err != nil {
		return nil, rec, lost(err)
	}
	rec.Version = 1
	return r, rec, nil
}

// release gives up the claim after an error. Nothing of the work is kept; the
// user may try again at once.
func (n *Engine) release(ctx context.Context, rec store.Run, err error) error {
	rec.Claim, rec.ClaimUntil = "", time.Time{}
	return errors.Join(err, ignoreConflict(n.runs.SwapRun(context.WithoutCancel(ctx), rec)))
}

// lost turns a lost race into ErrLost.
func lost(err error) error {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return ErrLost
	}
	return err
}

func ignoreConflict(err error) error {
	if errors.Is(lost(err), ErrLost) {
		return nil
	}
	return err
}

// load returns the run of a stored record.
func (n *Engine) load(f *Flow, rec store.Run, req Request, b Browser) (*Run, error) {
	at, ok := f.nodes[rec.State]
	if rec.Flow != f.name || !ok || rec.ClientID != req.Client.ID {
		return nil, ErrExpired // the kit was upgraded under the run, or the ticket is another URL's
	}
	if rec.Browser != b.Cookie {
		return nil, ErrElsewhere
	}
	r := n.newRun(f, rec.ID, req, b)
	r.state, r.version = at.state, rec.Version
	if err := json.Unmarshal(rec.Data, &r.Data); err != nil {
		return nil, fmt.Errorf("decode run: %w", err)
	}
	return r, nil
}

// save stores what came of a post, and frees the run.
func (n *Engine) save(ctx context.Context, r *Run, rec store.Run) error {
	now := time.Now()
	r.Data.SavedAt = now
	data, err := json.Marshal(r.Data)
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	rec.Data, rec.State, rec.Claim, rec.ClaimUntil = data, r.state.name, "", time.Time{}
	if _, ended := r.End(); ended {
		rec.FinishedAt = now
		// A run that ends in its last second is still recognised as over.
		if until := now.Add(n.lifetime); r.Data.Hop == nil || until.After(rec.ExpiresAt) {
			rec.ExpiresAt = until
		}
	}
	if r.away != "" {
		rec.ExpiresAt = now.Add(hopMemory)
	}
	if err := n.runs.SwapRun(ctx, rec); err != nil {
		return lost(err)
	}
	r.version = rec.Version + 1
	return nil
}

// endAgain runs the end of a finished run once more. Of several who ask for it at
// once one is the winner; the others get ErrOver.
func (n *Engine) endAgain(ctx context.Context, r *Run, rec store.Run) error {
	if time.Since(rec.FinishedAt) >= n.again {
		return ErrOver
	}
	if r.flow.again == "" || r.state.kind != returning {
		return nil
	}
	s, user, err := n.sessionAgain(ctx, r)
	switch {
	case errors.Is(err, store.ErrNotFound): // she has logged out, or somebody has ended all
		return ErrOver
	case err != nil:
		return err
	case s.UserID != user:
		return ErrOver
	}
	r.state, r.again = r.flow.nodes[r.flow.again].state, true
	if err := r.compute(ctx); err != nil {
		return err
	}
	if rec.Data, err = json.Marshal(r.Data); err == nil {
		err = n.runs.SwapRun(ctx, rec)
	}
	if err != nil { // nobody is told of a session that the run does not know
		err = errors.Join(lost(err), n.accounts.EndSession(context.WithoutCancel(ctx), r.Data.Started))
		if errors.Is(err, ErrLost) {
			return ErrOver
		}
		return err
	}
	return nil
}

// sessionAgain returns the session with which a finished run goes on, and whose it
// has to be: the one that the run has started, or, of an authorization for which it
// did not need to, the browser's own.
func (n *Engine) sessionAgain(ctx context.Context, r *Run) (store.Session, string, error) {
	if r.Data.Started.IsZero() && r.Request.Authorization != nil && r.Browser.LoggedIn() {
		return r.Browser.Session, r.Data.Own.Owner, nil
	}
	s, err := n.accounts.SessionOf(ctx, r.Data.Started)
	return s, r.Data.UserID, err
}

// watch asks a state that waits whether it has come to its end, and runs on from
// there. Of several who see it one goes on; the others are shown what came of that.
func (n *Engine) watch(ctx context.Context, r *Run, rec store.Run) error {
	e, err := r.state.watch(ctx, r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.state.name, err)
	}
	if e == Stay {
		return nil
	}
	if rec.Claim != "" && time.Now().Before(rec.ClaimUntil) {
		return nil // somebody is at work on it: the page is fetched again
	}
	rec.Claim, rec.ClaimUntil = rand.Text(), time.Now().Add(claimFor)
	if err := n.runs.SwapRun(ctx, rec); err != nil {
		return lost(err)
	}
	rec.Version++
	r.rec = &rec
	r.Data.Faults, r.Data.Notice = nil, ""
	if err = r.move(ctx, e); err == nil {
		err = r.compute(ctx)
	}
	if err != nil {
		return n.release(ctx, rec, err)
	}
	return n.save(ctx, r, rec)
}
