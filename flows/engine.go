package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// EngineConfig configures an [Engine].
type EngineConfig struct {
	Accounts *account.Service // required
	Runs     store.Runs       // required
	Keys     *keys.Ring       // required; seals what a run keeps while its user is away
	// Publishers is who knows customers and members. [Register] and
	// [ActivateMembership] can not be run without it.
	Publishers *publisher.Systems
	// Lifetime is how long a run may take from its first page; default 30 minutes.
	Lifetime time.Duration
	// Again is how long a finished run gives its own browser the same end;
	// default 1 minute.
	Again time.Duration
	// Observer is told of every event; default none. It must not block.
	Observer func(context.Context, Happening)
}

// Happening is one event of one run, for those who count their funnel. It holds
// no secret.
type Happening struct {
	RunID    string
	Flow     string
	State    string // the state that ended in the event; empty when the flow starts
	Event    Event
	Next     string
	ClientID string
	UserID   string // who is or is being logged in, if known
}

// Engine runs flows. It is safe for concurrent use.
type Engine struct {
	accounts *account.Service
	systems  *publisher.Systems
	runs     store.Runs
	hops     *keys.Codec
	lifetime time.Duration
	again    time.Duration
	observe  func(context.Context, Happening)
	spare    sync.Pool // of runs; see [Engine.Recycle]
}

// claimFor is how long a post may work on a run before another may take it.
const claimFor = 10 * time.Second

// NewEngine returns an engine, or what is wrong with the configuration.
func NewEngine(c EngineConfig) (*Engine, error) {
	var errs []error
	if c.Accounts == nil {
		errs = append(errs, errors.New("missing Accounts"))
	}
	if c.Runs == nil {
		errs = append(errs, errors.New("missing Runs"))
	}
	if c.Keys == nil {
		errs = append(errs, errors.New("missing Keys"))
	}
	if c.Lifetime < 0 {
		errs = append(errs, fmt.Errorf("bad lifetime of runs %s: want more than nothing", c.Lifetime))
	}
	if c.Again < 0 {
		errs = append(errs, fmt.Errorf("bad Again %s: want more than nothing", c.Again))
	}
	if c.Lifetime == 0 {
		c.Lifetime = 30 * time.Minute
	}
	if c.Again == 0 {
		c.Again = time.Minute
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Engine{
		accounts: c.Accounts, systems: c.Publishers, runs: c.Runs, hops: c.Keys.Codec("hop", hopMemory, true),
		lifetime: c.Lifetime, again: c.Again, observe: c.Observer,
	}, nil
}

// NewID draws the id of a run that is about to start.
func NewID() string { return rand.Text() }

// Ticket is what the browser holds of a run: sealed, in the form and in the
// address. It says all that is needed to begin again when the run is gone.
type Ticket struct {
	Run     string       `json:"r"`
	Query   string       `json:"q"` // of the GET that started it
	Browser store.Digest `json:"b"`
	Started time.Time    `json:"t"`
	State   string       `json:"s,omitempty"` // of the page; in forms only
	Version int64        `json:"v,omitempty"` // of the run when the page was made
}

// Errors of [Engine.Resume] and [Engine.Post], each with a way on for the user.
var (
	// ErrExpired says that the run took too long; it can be started again.
	ErrExpired = errors.New("flows: run expired")
	// ErrOver says that the run was finished a while ago.
	ErrOver = errors.New("flows: run is over")
	// ErrElsewhere says that the run belongs to another browser.
	ErrElsewhere = errors.New("flows: run of another browser")
	// ErrLost says that the post was not taken: another post of the same page
	// is, or was, the winner. The run itself shows what came of that.
	ErrLost = errors.New("flows: post not taken")
	// ErrEvent says that the page has no such button.
	ErrEvent = errors.New("flows: unknown event")
)

// Start runs the flow from its beginning until it waits for the user or ends.
// Nothing is stored of it, unless the user leaves for an outside party.
func (n *Engine) Start(ctx context.Context, f *Flow, id string, req Request, b Browser) (*Run, error) {
	r, err := n.begin(ctx, f, id, req, b)
	if err == nil && r.away != "" {
		err = n.depart(ctx, r, time.Now())
	}
	return r, err
}

func (n *Engine) begin(ctx context.Context, f *Flow, id string, req Request, b Browser) (*Run, error) {
	r := n.newRun(f, id, req, b)
	r.state = f.nodes[f.first()].state
	r.tell(ctx, "", StartApplication)
	return r, r.compute(ctx)
}

func (n *Engine) newRun(f *Flow, id string, req Request, b Browser) *Run {
	r, ok := n.spare.Get().(*Run)
	if !ok {
		r = new(Run)
	}
	r.ID, r.Request, r.Browser, r.Accounts, r.Publishers, r.engine, r.flow = id, req, b, n.accounts, n.systems, n, f
	r.Data.Credential = req.Credential
	return r
}

// Recycle takes back a run that nobody uses any more. It need not be called;
// login checks do, as half of what they would leave to the garbage collector is
// the run.
func (n *Engine) Recycle(r *Run) {
	*r = Run{}
	n.spare.Put(r)
}

// Resume returns the run as it stands, to be shown: it changes nothing, but the
// end of a run that was just finished is given again. While a post is at work
// on the run, Resume waits for it for a few seconds.
func (n *Engine) Resume(ctx context.Context, f *Flow, t Ticket, req Request, b Browser) (*Run, error) {
	if err := n.checkTicket(t, b); err != nil {
		return nil, err
	}
	rec, err := n.settled(ctx, t.Run)
	if errors.Is(err, store.ErrNotFound) {
		return n.Start(ctx, f, t.Run, req, b)
	}
	if err != nil {
		return nil, err
	}
	r, err := n.load(f, rec, req, b)
	if err != nil {
		return nil, err
	}
	if !rec.FinishedAt.IsZero() {
		return r, n.endAgain(ctx, r, rec)
	}
	switch r.state.kind {
	case hopping: // by the back button: she is sent there again
		return r, r.awayAgain()
	case computing: // the request that was at work on it never finished
		return nil, ErrOver
	}
	return r, r.guarded()
}

// Post gives the event of a form to the run and runs it on until it waits for
// the user or ends. Of posts that race for one run, one is taken; the others
// get ErrLost. The run is stored with the first post, unless the visitor's address
// has started too many: with an [account.LimitedError] comes the page to be shown
// in place of one that is stored.
func (n *Engine) Post(ctx context.Context, f *Flow, t Ticket, req Request, b Browser, e Event, form Form) (*Run, error) {
	if err := n.checkTicket(t, b); err != nil {
		return nil, err
	}
	r, rec, err := n.claim(ctx, f, t, req, b)
	if limited(err) {
		return r, err
	}
	if err != nil {
		return nil, err
	}
	if _, ended := r.End(); ended || r.away != "" {
		return r, nil
	}
	r.Form, r.Data.Kept = form, 0
	if err := r.post(ctx, e); err != nil {
		// Nothing of the work is kept, but the epoch that it began; the user may
		// try again at once.
		if r.epoch != 0 {
			before := Data{}
			if json.Unmarshal(rec.Data, &before) == nil {
				before.Epoch = r.epoch
				rec.Data, _ = json.Marshal(before)
			}
		}
		return nil, n.release(ctx, rec, err)
	}
	if r.Effects.Download != nil {
		r.Data.Kept = t.Version + 1 // what the browser shows is still the run's page
	}
	return r, n.save(ctx, r, rec)
}

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
	switch s, err := n.accounts.SessionOf(ctx, r.Data.Started); {
	case errors.Is(err, store.ErrNotFound): // she has logged out, or somebody has ended all
		return ErrOver
	case err != nil:
		return err
	case s.UserID != r.Data.UserID:
		return ErrOver
	}
	r.state, r.again = r.flow.nodes[r.flow.again].state, true
	if err := r.compute(ctx); err != nil {
		return err
	}
	var err error
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
