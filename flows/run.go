package flows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Request is what the URL asked for, parsed and checked by its handler.
type Request struct {
	Client           *store.Client // required; shared, and not to be changed
	Return           target.URL
	Error            target.URL
	Abort            target.URL // none unless the URL has an abortUrl
	Credential       string     // as spelled in the URL
	CredentialSubmit bool
	AssumeNewUser    bool
	Lang             string // of the pages; one of texts.Langs
	LangAsked        bool   // the URL asked for Lang, so that a user's own does not count
	// MaxAge is how old a login may be that reauthenticate lets pass; zero for
	// what the accounts' Lifetimes say.
	MaxAge    time.Duration
	Directory Directory
	// Authorization is what an authorization request asks of its user; nil on every
	// other URL.
	Authorization *Authorization
	// Query is that of the GET with which the run began. It is kept for as long as
	// the user is away at an outside party.
	Query string
	// OrderIDs are what is to be paid for, and PayReturn the address of our own to
	// which payment providers send users back.
	OrderIDs  []int64
	PayReturn string
	// LoginType, if set, is the only kind of credential that logs in
	// (activateMembershipUrl: credentialType).
	LoginType store.CredentialKind

	Heading        string               // replaces the heading where a credential is added
	CredentialKind store.CredentialKind // that is to be added; "" for any
	Undo           account.UndoLink     // of the link in a notice
	OrderLink      string               // token of the link to an order
	Hint           Hint
}

// Hint is whom a client believes to be logged in, by an ID token of its own that
// has been verified. Its zero value says nothing.
type Hint struct {
	UserID    string // sub
	SessionID string // sid
}

// Browser is what the user's browser brought along.
type Browser struct {
	Cookie   store.Digest  // of the cookie that binds a run to its browser
	Session  store.Session // with a zero Handle when nobody is logged in
	Remember string        // this client's rememberMeCookie, or ""
	Origin   account.Origin
}

// LoggedIn reports whether the browser has a live session.
func (b Browser) LoggedIn() bool { return !b.Session.Handle.IsZero() }

// Effects is what the browser is to be given when the run's answer is sent.
type Effects struct {
	Session  account.Handles // set when a session was started
	Remember string          // the new rememberMeCookie of this client
	Forget   bool            // the rememberMeCookie of this client is to be removed
	Device   string          // marks the browser as known to the user who logged in
	LogOut   bool            // the session cookies are to be removed
	Download *File           // is sent in place of the page, which stays open
}

// File is something for the user to keep.
type File struct {
	Name string // in ASCII, without quotes
	Type string // the media type
	Body []byte
}

// Data is what a run remembers between two requests. It holds no secret of
// the reader's.
type Data struct {
	Credential   string             `json:"credential"`             // as typed; the request's own when the run begins
	Sent         account.Credential `json:"sent,omitzero"`          // where the code went
	Proven       account.Credential `json:"proven,omitzero"`        // verified by code in this run
	UserID       string             `json:"userId,omitempty"`       // who is being logged in
	Epoch        int64              `json:"epoch,omitempty"`        // of her account when she proved it
	Method       string             `json:"method,omitempty"`       // how she proved it
	ProvenAt     time.Time          `json:"provenAt,omitzero"`      // when
	BySession    store.Digest       `json:"bySession,omitzero"`     // the fresh session that is her proof; zero for a proof in this run
	Started      store.Digest       `json:"started,omitzero"`       // the session that the run has started at its end
	Reset        bool               `json:"reset,omitempty"`        // she wants a new password
	AlwaysReset  bool               `json:"alwaysReset,omitempty"`  // the flow is there for nothing else
	Registration bool               `json:"registration,omitempty"` // she says that she is new
	Locked       bool               `json:"locked,omitempty"`       // Credential is hers and can not be changed
	NoRemember   bool               `json:"noRemember,omitempty"`   // rememberMeCheckbox is not ticked
	Merge        *Merging           `json:"merge,omitempty"`        // of the flow merge
	Lines        []account.Line     `json:"lines,omitempty"`        // what the next step would do, as shown
	Values       map[string]string  `json:"values,omitempty"`       // harmless fields as typed
	Subscriber   Subscriber         `json:"subscriber,omitzero"`
	Faults       []Fault            `json:"faults,omitempty"`
	Notice       texts.ID           `json:"notice,omitempty"`
	Challenge    *account.Challenge `json:"challenge,omitempty"` // that the page shows
	SavedAt      time.Time          `json:"savedAt,omitzero"`
	Paying       Paying             `json:"paying,omitzero"`
	Hop          *hop               `json:"hop,omitempty"`       // set when the user leaves for an outside party
	Directory    string             `json:"directory,omitempty"` // the id of the directory she is asked about
	Person       directory.Identity `json:"person,omitzero"`     // who she is there, proven in this run
	PersonAt     time.Time          `json:"personAt,omitzero"`   // when it was proven
	Kept         int64              `json:"kept,omitempty"`      // 1 + the version of the page that a download left open
	Own          OwnData            `json:"own,omitzero"`
}

// restart returns what is left of the data when the user goes back to an entry.
func (d Data) restart() Data {
	return Data{Credential: d.Credential, Locked: d.Locked, Reset: d.Reset, AlwaysReset: d.AlwaysReset, Registration: d.Registration, NoRemember: d.NoRemember}
}

// Fault is something wrong with a field of the form, or with the form when
// Field is empty.
type Fault struct {
	Field string   `json:"field,omitempty"`
	Text  texts.ID `json:"text"`
	Args  []int    `json:"args,omitempty"`
}

// View is what a visible state shows.
type View struct {
	Flow, State string
	Values      map[string]string // of form fields, by name
	Locked      bool              // the credential can not be changed
	Faults      []Fault
	Notice      texts.ID
	Heading     string            // replaces the page's own
	Lines       []account.Line    // what the next step would do
	Args        map[string]string // the reader's values that texts name
	Flags       map[string]bool   // switches that the page knows
	Lists       map[string][]Item
	Links       map[string]string // names of links, and the GUI pages they lead to
	Wait        int               // seconds that stand for a task without scripts
	Widget      *account.Widget   // of somebody else's challenge
	Choices     []Choice          // of which the user takes one
	Refresh     int               // seconds after which the page is fetched again; zero for never
}

// Item is one line of a list on a page.
type Item struct {
	Key    string // names it in the form: what a button sends after its event
	Title  string // in the words of the user, or of whom she knows
	Detail string
	Amount string        // what it costs, as the page's language writes it
	Age    time.Duration // since it was last used
	Flags  map[string]bool
}

// Choice is one of those that a state offers.
type Choice struct {
	Value        string // of the form field
	Name, Detail string // what the user reads
	Chosen       bool
}

// Form is what the user sent: the values of the fields by name.
type Form map[string]string

// Run is one user's way through one flow. The functions of states read and
// change it; it is used by one goroutine at a time.
type Run struct {
	ID      string
	Request Request
	Browser Browser
	Form    Form // of the post that is being handled
	Data    Data
	Effects Effects

	// Accounts is what states do things with.
	Accounts *account.Service
	// Publishers is who knows customers and members.
	Publishers *publisher.Systems
	// Orders is orders and their payments; nil when there are none.
	Orders Orders

	engine  *Engine
	flow    *Flow
	state   *State
	version int64 // of the stored record; zero while there is none
	epoch   int64 // that the user's account has got by this post; zero for none
	again   bool  // it has ended before: see [Again]
	user    *store.User
	away    string     // the address at an outside party; see [Run.Away]
	rec     *store.Run // as it is stored, while a request works on it; see [Run.Keep]
}

// prove notes who the user has just proven to be.
func (r *Run) prove(user store.User, method string) {
	r.Data.UserID, r.Data.Epoch = user.ID, user.Epoch
	r.Data.Method, r.Data.ProvenAt, r.Data.BySession = method, time.Now().UTC(), store.Digest{}
}

// forgetProof takes back what the user has proven, so that she has to do it once
// more, and says so.
func (r *Run) forgetProof() {
	r.Data.Proven, r.Data.UserID, r.Data.Epoch, r.Data.Values = account.Credential{}, "", 0, nil
	r.Data.Method, r.Data.ProvenAt, r.Data.BySession = "", time.Time{}, store.Digest{}
	r.Fault("", "fault.form.stale")
}

// proofHolds reports whether the proof that a state stands on is still one. What
// was proven in this run is, for its lifetime and while the account's epoch is
// the same, which is judged where the proof is used. A session is while it
// lives, is the same user's, and is fresh.
func (r *Run) proofHolds() bool {
	s := r.Browser.Session
	return r.Data.BySession.IsZero() && r.Data.UserID != "" ||
		r.Browser.LoggedIn() && s.Handle == r.Data.BySession && s.UserID == r.Data.UserID && r.Accounts.IsFresh(s)
}

// Client returns the client that sent the user.
func (r *Run) Client() store.Client { return *r.Request.Client }

// Flow returns the name of the flow.
func (r *Run) Flow() string { return r.flow.name }

// State returns the name of the state.
func (r *Run) State() string { return r.state.name }

// Version counts the changes of the stored run; zero before it is stored. A form
// carries it, so that a second post of one form can be told from a new one.
func (r *Run) Version() int64 { return r.version }

// Fault notes what is wrong with a field, to be shown with the state.
func (r *Run) Fault(field string, text texts.ID, args ...int) {
	r.Data.Faults = append(r.Data.Faults, Fault{field, text, args})
}

// SessionUser returns the user of the browser's session, read at most once in a
// request; false when nobody is logged in or the account is gone or blocked.
func (r *Run) SessionUser(ctx context.Context) (store.User, bool, error) {
	if !r.Browser.LoggedIn() {
		return store.User{}, false, nil
	}
	if r.user == nil || r.user.ID != r.Browser.Session.UserID {
		u, err := r.Accounts.User(ctx, r.Browser.Session.UserID)
		switch {
		case errors.Is(err, account.ErrUserGone):
			return store.User{}, false, nil
		case err != nil:
			return store.User{}, false, err
		}
		r.user = &u
	}
	return *r.user, true, nil
}

// End is how a flow ended.
type End struct {
	State  string
	Reason string // the error code for the errorUrl; empty for none
	Failed bool   // to the errorUrl rather than the returnUrl
}

// End returns how the run ended; false while it waits for the user.
func (r *Run) End() (End, bool) {
	switch r.state.kind {
	case returning:
		return End{State: r.state.name}, true
	case failing:
		return End{State: r.state.name, Reason: r.state.reason, Failed: true}, true
	}
	return End{}, false
}

// View returns what the run shows while it waits for the user.
func (r *Run) View(ctx context.Context) (View, error) {
	v := View{
		Flow:   r.flow.name,
		State:  r.state.name,
		Values: map[string]string{},
		Faults: r.Data.Faults,
		Notice: r.Data.Notice,
		Args:   map[string]string{},
		Flags:  map[string]bool{},
		Lists:  map[string][]Item{},
		Links:  map[string]string{},
	}
	for k, val := range r.Data.Values {
		v.Values[k] = val
	}
	if !r.Request.Abort.IsZero() {
		v.Flags["closable"] = true
	}
	if r.state.view != nil {
		r.state.view(r, &v)
	}
	if r.state.load != nil {
		if err := r.state.load(ctx, r, &v); err != nil {
			return View{}, fmt.Errorf("%s: %w", r.state.name, err)
		}
	}
	r.viewChallenge(&v)
	return v, nil
}
