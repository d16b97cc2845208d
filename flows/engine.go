package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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
	// Orders is orders and their payments. [Fulfillment] can not be run without it,
	// and [Register] sells nothing then that is paid with a provider.
	Orders Orders
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
	orders   Orders
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
		accounts: c.Accounts, systems: c.Publishers, orders: c.Orders, runs: c.Runs, hops: c.Keys.Codec("hop", hopMemory, true),
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
// Nothing is stored of it, unless the user leaves for an outside party, or one has
// to be told of the run.
func (n *Engine) Start(ctx context.Context, f *Flow, id string, req Request, b Browser) (*Run, error) {
	r, err := n.begin(ctx, f, id, req, b)
	switch {
	case err != nil:
		return r, err
	case r.rec != nil:
		return r, n.save(ctx, r, *r.rec)
	case r.away != "":
		return r, n.depart(ctx, r, time.Now())
	}
	return r, nil
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
	r.ID, r.Request, r.Browser, r.Accounts, r.Publishers, r.Orders, r.engine, r.flow = id, req, b, n.accounts, n.systems, n.orders, n, f
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
		if r.state.watch != nil {
			if err := n.watch(ctx, r, rec); err != nil || r.state.kind != hopping || r.away != "" {
				return r, err
			}
		}
		if r.Data.Hop == nil || r.Data.Hop.Sealed == "" { // she never got the address
			return nil, ErrOver
		}
		return r, r.awayAgain()
	case computing: // the request that was at work on it never finished
		return nil, ErrOver
	}
	if err := r.guarded(); err != nil || r.state.watch == nil {
		return r, err
	}
	return r, n.watch(ctx, r, rec)
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
	if posted, ok := f.nodes[t.State]; ok && posted.state.asks && e == NavigateAway {
		r := n.newRun(f, t.Run, req, b)
		r.state = posted.state
		return r, r.move(ctx, e)
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
	r.Form, r.Data.Kept, r.rec = form, 0, &rec
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
