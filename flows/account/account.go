// Package account is what flows do to accounts: credentials, passwords,
// one-time codes, sessions and remember-me, with the limits on guessing and
// sending. It knows nothing of HTTP: who asks is an [Origin].
//
// Everything fails closed. What a caller may branch on is listed with the
// errors of this package; every other error is an outage.
package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// Store is what the service needs of a backend.
type Store interface {
	store.Users
	store.Merges
	store.Sessions
	store.RememberSeries
	store.OneTimeCodes
	store.Grants
	store.Counters
	store.DirectoryLinks
	store.Consents
	store.Tickets
	store.Outbox
}

// Origin says who is asking.
type Origin struct {
	// Address is the client's, as the configured proxies tell it. The zero
	// Address counts as one address, shared by all who have none.
	Address netip.Addr
	// Browser is the digest of the browser's own cookie; codes are bound to it.
	Browser store.Digest
	// Agent is a short name of the browser, for the user's list of devices.
	Agent string
	// Device is the value of the device cookie, as the browser sent it; see
	// [Service.DeviceCookie]. A damaged one counts as none.
	Device string
	// Captchas carries challenges and answers; nil answers none.
	Captchas *Captchas
}

// Config configures a [Service].
type Config struct {
	Store    Store             // required
	Keys     *keys.Ring        // required
	Composer *message.Composer // required
	Sender   message.Sender    // required
	// Limits on guessing and sending; zero fields mean the defaults.
	Limits Limits
	// Lifetimes of sessions, series and codes; zero fields mean the defaults.
	Lifetimes Lifetimes
	// Passwords says how passwords are hashed; zero fields mean the defaults.
	Passwords Passwords
	// ResetURL returns the absolute address where users of the client change
	// their password, for the notice of a changed password. Optional.
	ResetURL func(store.Client) string
	// Merge says how two accounts become one; its zero value is the default.
	Merge MergeConfig
	// AccountURL returns the absolute address where users of the client see to
	// their account, for notices of what was changed there. Optional.
	AccountURL func(store.Client) string
	// OrderURL returns the absolute address at which a link to an order is opened.
	// Optional: without it none can be sent.
	OrderURL func(c store.Client, token string) string
	// Clients tells the names of the clients where a user is logged in. Optional:
	// without it their IDs are shown.
	Clients store.Clients
	// Parts are what else is kept of users. Optional.
	Parts []Part
	// OnDelete is called before an account is deleted, so that the host removes
	// what it keeps of the user. After an error nothing is deleted. It may be
	// called again for the same user: a deletion that failed later is repeated,
	// and two may race. Optional.
	OnDelete func(context.Context, store.User) error
	// OnSessionEnd is called when the end of a session was queued for clients that
	// want to be told of it; see [LogoutNews]. It must be quick. Optional.
	OnSessionEnd func()
	// Captcha is asked when CaptchaWhen says so; nil never asks anything.
	Captcha Captcha
	// CaptchaWhen says whether an attempt has to solve a challenge first. It is
	// called with each budget that the attempt draws on; default [HalfUsed].
	CaptchaWhen func(CaptchaCase) bool
	// SendTimeout bounds the hand-over of a message; default 4 seconds, so that
	// a frozen provider is answered within 5.
	SendTimeout time.Duration
	// Observer is told what happened; optional. It is called on the caller's
	// goroutine and must be quick.
	Observer func(context.Context, Notice)
	Logger   *slog.Logger // default slog.Default()
}

// Lifetimes are the times after which things end (security promises 3, 4 and 8).
type Lifetimes struct {
	SessionIdle    time.Duration // without use; default 20 minutes
	SessionTouch   time.Duration // how often use is written down; default 1 minute
	SessionMax     time.Duration // in any case; default 24 hours
	Fresh          time.Duration // how long a login counts as fresh; default 5 minutes
	Code           time.Duration // of a one-time code; default 10 minutes
	ExternalCode   time.Duration // of an extidCode; default 60 seconds
	RememberIdle   time.Duration // without use; default 90 days
	RememberMax    time.Duration // in any case; default 365 days
	RememberGrace  time.Duration // a predecessor after its successor was presented; default 30 seconds
	Device         time.Duration // how long a browser stays known; default 365 days
	GrantTombstone time.Duration // how long a revoked grant is recognised; default 30 days
}

func (l Lifetimes) withDefaults() (Lifetimes, error) {
	const day = 24 * time.Hour
	var errs []error
	for _, f := range []struct {
		name string
		d    *time.Duration
		def  time.Duration
	}{
		{"SessionIdle", &l.SessionIdle, 20 * time.Minute},
		{"SessionTouch", &l.SessionTouch, time.Minute},
		{"SessionMax", &l.SessionMax, day},
		{"Fresh", &l.Fresh, 5 * time.Minute},
		{"Code", &l.Code, 10 * time.Minute},
		{"ExternalCode", &l.ExternalCode, time.Minute},
		{"RememberIdle", &l.RememberIdle, 90 * day},
		{"RememberMax", &l.RememberMax, 365 * day},
		{"RememberGrace", &l.RememberGrace, 30 * time.Second},
		{"Device", &l.Device, 365 * day},
		{"GrantTombstone", &l.GrantTombstone, 30 * day},
	} {
		if *f.d < 0 {
			errs = append(errs, fmt.Errorf("bad Lifetimes.%s %v: want 0 for the default or more", f.name, *f.d))
		}
		*f.d = cmp.Or(*f.d, f.def)
	}
	return l, errors.Join(errs...)
}

// Service is the accounts of a kit. It is safe for concurrent use.
type Service struct {
	store       Store
	keys        *keys.Ring
	composer    *message.Composer
	sender      message.Sender
	limits      Limits
	life        Lifetimes
	resetURL    func(store.Client) string
	merging     MergeConfig
	accountURL  func(store.Client) string
	orderURL    func(store.Client, string) string
	clients     store.Clients
	parts       []Part
	onDelete    func(context.Context, store.User) error
	announced   func()
	sendTimeout time.Duration
	observer    func(context.Context, Notice)
	log         *slog.Logger

	pool      *pool
	argon     argon
	dummy     string // a hash of nothing, for accounts that have none
	verifiers []Verifier
	breached  func(ctx context.Context, password string) (bool, error)
	unchecked bool // an error of breached refuses the password

	captcha     Captcha
	captchaWhen func(CaptchaCase) bool

	common  map[string]struct{}
	devices *keys.Codec
}

// New returns the service, or an error that names every fault of the configuration.
func New(c Config) (*Service, error) {
	var errs []error
	for name, missing := range map[string]bool{
		"Store": c.Store == nil, "Keys": c.Keys == nil, "Composer": c.Composer == nil, "Sender": c.Sender == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("missing %s", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	var err error
	if c.Limits, err = c.Limits.withDefaults(); err != nil {
		errs = append(errs, err)
	}
	if c.Lifetimes, err = c.Lifetimes.withDefaults(); err != nil {
		errs = append(errs, err)
	}
	if c.Passwords, err = c.Passwords.withDefaults(); err != nil {
		errs = append(errs, err)
	}
	if c.Merge, err = c.Merge.withDefaults(); err != nil {
		errs = append(errs, err)
	}
	for i, p := range c.Parts {
		if p.Name == "" || p.List == nil {
			errs = append(errs, fmt.Errorf("bad Parts[%d] %q: want a Name and a List", i, p.Name))
		}
	}
	if c.SendTimeout < 0 {
		errs = append(errs, fmt.Errorf("bad SendTimeout %v: want 0 for the default or more", c.SendTimeout))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	s := &Service{
		store: c.Store, keys: c.Keys, composer: c.Composer, sender: c.Sender,
		limits: c.Limits, life: c.Lifetimes,
		resetURL:    c.ResetURL,
		merging:     c.Merge,
		accountURL:  c.AccountURL,
		orderURL:    c.OrderURL,
		clients:     c.Clients,
		parts:       c.Parts,
		onDelete:    c.OnDelete,
		announced:   c.OnSessionEnd,
		sendTimeout: cmp.Or(c.SendTimeout, 4*time.Second),
		observer:    c.Observer,
		log:         cmp.Or(c.Logger, slog.Default()),
		pool:        newPool(c.Passwords.Workers, c.Passwords.Wait),
		argon:       argon{memory: c.Passwords.Memory, passes: c.Passwords.Passes},
		verifiers:   c.Passwords.Verifiers,
		breached:    c.Passwords.Breached,
		unchecked:   c.Passwords.RefuseUnchecked,
		captcha:     c.Captcha,
		captchaWhen: c.CaptchaWhen,
		common:      map[string]struct{}{},
		devices:     c.Keys.Codec("device cookie", c.Lifetimes.Device, false),
	}
	s.merging.Parts = append([]MergePart{mergeLinks{s}}, c.Merge.Parts...)
	s.parts = append([]Part{s.directories(), s.externals(), s.consents(), s.merges()}, s.parts...)
	if s.captchaWhen == nil {
		s.captchaWhen = HalfUsed
	}
	s.dummy = s.pool.newHash(s.argon, rand.Text())
	for _, p := range c.Passwords.Common {
		s.common[folded(p)] = struct{}{}
	}
	return s, nil
}

// now is the time as records carry it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Lifetimes returns the times after which things end, with the defaults filled in.
func (s *Service) Lifetimes() Lifetimes { return s.life }
