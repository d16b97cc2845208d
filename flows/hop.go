package flows

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Hop returns a state at which the user leaves for an outside party, which sends
// her back with an answer.
//
// leave draws the state of the hop with [Run.HopState], calls [Run.Leave] with
// the address, and returns [Stay]; or it returns an event when there is nowhere
// to go. The run is stored before she leaves.
//
// back is called with what was kept and with the answer. An answer is judged
// once: what comes of it is stored before the next state runs, as the outside
// party may not say it again. An error of back leaves the question open.
func Hop(name string, leave func(context.Context, *Run) (Event, error),
	back func(ctx context.Context, r *Run, kept []byte, answer Form) (Event, error), events ...Event) *State {
	return &State{name: name, kind: hopping, leave: leave, back: back, fires: events}
}

// hopMemory is how long a run is remembered whose user is away. One who comes
// back after the run's lifetime is still sent to where she began.
const hopMemory = 24 * time.Hour

// hop is what a run keeps of the user's last way out.
type hop struct {
	Key    string `json:"key"`              // hexadecimal digest of the second half of the state
	Sealed string `json:"sealed,omitempty"` // a [parcel]
	Query  string `json:"query"`            // with which the run began
	Answer string `json:"answer,omitempty"` // digest of the answer that was judged
}

// parcel is what only the kit may read of a hop: the address holds its state, and
// kept may hold secrets.
type parcel struct {
	Address string `json:"a"`
	Kept    []byte `json:"k,omitempty"`
}

// HopState draws the state of a hop that begins: it finds the run again when the
// outside party hands it back, and can not be guessed.
func (r *Run) HopState() string {
	key := rand.Text()
	r.Data.Hop = &hop{Key: store.DigestOf(key).String(), Query: r.Request.Query}
	return r.ID + "." + key
}

// Leave sends the user to an address of an outside party. kept is sealed into
// the run, and given to the hop when she comes back.
func (r *Run) Leave(address string, kept []byte) error {
	if r.Data.Hop == nil || address == "" {
		return errors.New("flows: a hop without state or address")
	}
	plain, err := json.Marshal(parcel{address, kept})
	if err != nil {
		return fmt.Errorf("encode hop: %w", err)
	}
	r.Data.Hop.Sealed, err = r.engine.hops.Seal(r.ID+r.Data.Hop.Key, plain)
	r.away = address
	return err
}

// Keep stores the run with the state that was drawn, before an outside party is told
// of it: if she comes back, the run is found, whatever becomes of this request.
func (r *Run) Keep(ctx context.Context) error {
	if r.Data.Hop == nil {
		return errors.New("flows: a hop without state")
	}
	if r.rec == nil {
		rec, err := r.engine.insertHop(ctx, r, time.Now())
		if err == nil {
			r.rec = &rec
		}
		return lost(err)
	}
	// The run stays where it was, but for the way out: should nothing come of this
	// request, its page is still good.
	before := Data{}
	if err := json.Unmarshal(r.rec.Data, &before); err != nil {
		return fmt.Errorf("decode run: %w", err)
	}
	before.Hop = r.Data.Hop
	data, err := json.Marshal(before)
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	rec := *r.rec
	rec.Data, rec.ExpiresAt = data, time.Now().Add(hopMemory)
	if err := r.engine.runs.SwapRun(ctx, rec); err != nil {
		return lost(err)
	}
	rec.Version++
	*r.rec = rec
	return nil
}

// Away returns the address to which the user is to be sent, when the run waits
// for an outside party.
func (r *Run) Away() (address string, ok bool) { return r.away, r.away != "" }

func (r *Run) parcel() (p parcel, err error) {
	if r.Data.Hop == nil {
		return p, errors.New("flows: a hop that never began")
	}
	if r.Data.Hop.Sealed == "" { // what was kept was told, and what came of it could not be stored
		return p, nil
	}
	plain, err := r.engine.hops.Open(r.ID+r.Data.Hop.Key, r.Data.Hop.Sealed)
	if err != nil {
		return p, fmt.Errorf("open hop: %w", err)
	}
	return p, json.Unmarshal(plain, &p)
}

func (r *Run) awayAgain() error {
	p, err := r.parcel()
	r.away = p.Address
	return err
}

// depart stores a run whose user leaves before she has posted anything.
func (n *Engine) depart(ctx context.Context, r *Run, started time.Time) error {
	_, err := n.insertHop(ctx, r, started)
	return err
}

func (n *Engine) insertHop(ctx context.Context, r *Run, started time.Time) (store.Run, error) {
	rec := store.Run{
		ID: r.ID, Flow: r.flow.name, State: r.state.name, ClientID: r.Request.Client.ID, Browser: r.Browser.Cookie,
		CreatedAt: started, ExpiresAt: time.Now().Add(hopMemory),
	}
	var err error
	if rec.Data, err = json.Marshal(r.Data); err != nil {
		return rec, fmt.Errorf("encode run: %w", err)
	}
	err = n.runs.InsertRun(ctx, rec)
	rec.Version = 1
	return rec, err
}

// Trip is a run whose user has been sent to an outside party, found by the state
// that came back.
type Trip struct {
	Query string // with which the run began

	rec  store.Run
	key  string // hexadecimal digest
	data Data
}

// Started returns when the run began.
func (t Trip) Started() time.Time { return t.rec.CreatedAt }

// ErrNoTrip says that no run of the flow has that state, or that it was a day ago.
var ErrNoTrip = errors.New("flows: no such hop")

// Trip returns the run of a state. It says nothing about whose it is.
func (n *Engine) Trip(ctx context.Context, f *Flow, state string) (Trip, error) {
	id, key, ok := strings.Cut(state, ".")
	if !ok || id == "" || len(state) > 128 {
		return Trip{}, ErrNoTrip
	}
	rec, err := n.runs.Run(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && rec.Flow != f.name:
		return Trip{}, ErrNoTrip
	case err != nil:
		return Trip{}, err
	}
	t := Trip{rec: rec, key: store.DigestOf(key).String()}
	if err := json.Unmarshal(rec.Data, &t.data); err != nil {
		return Trip{}, fmt.Errorf("decode run: %w", err)
	}
	if t.data.Hop == nil {
		return Trip{}, ErrNoTrip
	}
	t.Query = t.data.Hop.Query
	return t, nil
}

// Back gives the answer of an outside party to the run and runs it on. Of
// requests that race with one answer, one is taken, and the others get the end
// of the run with it. The same answer again, from the same browser and within
// [EngineConfig.Again], gets the same end again; ErrOver says that the state was
// used before, ErrElsewhere that it is another browser's, ErrExpired that the
// run took too long, ErrLost that another request is still at work on it.
// Nothing has happened then.
func (n *Engine) Back(ctx context.Context, f *Flow, t Trip, req Request, b Browser, answer Form) (*Run, error) {
	if b.Cookie.IsZero() || t.rec.Browser != b.Cookie {
		return nil, ErrElsewhere
	}
	rec, err := n.settled(ctx, t.rec.ID)
	if err != nil {
		return nil, lost(err)
	}
	r, err := n.load(f, rec, req, b)
	if err != nil {
		return nil, err
	}
	given := answer.digest()
	loose := r.Data.Hop != nil && f.anyTrip()
	switch h := r.Data.Hop; {
	case h == nil || !loose && (h.Key != t.key || h.Answer != "" && h.Answer != given):
		return nil, ErrOver
	case !rec.FinishedAt.IsZero():
		return r, n.endAgain(ctx, r, rec)
	case time.Since(rec.CreatedAt) >= n.lifetime:
		return nil, ErrExpired
	case r.state.kind == visible && (h.Answer != "" || loose):
		return r, nil
	case rec.Claim != "" && time.Now().Before(rec.ClaimUntil):
		return nil, ErrLost
	case r.state.kind != hopping && h.Answer == "": // she has gone back to a page of ours
		return nil, ErrOver
	}
	rec.Claim, rec.ClaimUntil = rand.Text(), time.Now().Add(claimFor)
	if err := n.runs.SwapRun(ctx, rec); err != nil {
		return nil, lost(err)
	}
	rec.Version++
	r.rec = &rec
	if r.state.kind == hopping {
		if err := r.judge(ctx, given, answer); err != nil {
			return nil, n.release(ctx, rec, err)
		}
		if rec.Data, err = json.Marshal(r.Data); err != nil {
			return nil, fmt.Errorf("encode run: %w", err)
		}
		rec.State = r.state.name
		if err := n.runs.SwapRun(ctx, rec); err != nil {
			return nil, lost(err)
		}
		rec.Version++
	}
	if err := r.compute(ctx); err != nil {
		return nil, n.release(ctx, rec, err)
	}
	return r, n.save(ctx, r, rec)
}

// judge ends the hop in the event that the answer stands for.
func (r *Run) judge(ctx context.Context, digest string, answer Form) error {
	p, err := r.parcel()
	if err != nil {
		return err
	}
	e, err := r.state.back(ctx, r, p.Kept, answer)
	if err != nil {
		return fmt.Errorf("%s: %w", r.state.name, err)
	}
	r.Data.Hop.Answer, r.Data.Hop.Sealed = digest, ""
	return r.move(ctx, e)
}

// digest tells answers apart.
func (f Form) digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(f[name]), f[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// anyTrip reports whether the flow's hops are marked by [State.AnyTrip].
func (f *Flow) anyTrip() bool {
	for _, n := range f.nodes {
		if n.state.loose {
			return true
		}
	}
	return false
}
