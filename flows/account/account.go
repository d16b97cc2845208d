// Package account is what flows do to accounts: credentials, passwords,
// one-time codes, sessions and remember-me, with the limits on guessing and
// sending. It knows nothing of HTTP: who asks is an [Origin].
//
// Everything fails closed. What a caller may branch on is listed with the
// errors of this package; every other error is an outage.
package account

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// Store is what the service needs of a backend.
type Store interface {
	store.Users
	store.Sessions
	store.RememberSeries
	store.OneTimeCodes
	store.Grants
	store.Counters
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
	RememberIdle   time.Duration // without use; default 90 days
	RememberMax    time.Duration // in any case; default 365 days
	RememberGrace  time.Duration // a predecessor after its successor was presented; default 30 seconds
	Device         time.Duration // how long a browser stays known; default 365 days
	GrantTombstone time.Duration // how long a revoked grant is recognised; default 30 days
}

// Service is the accounts of a kit. It is safe for concurrent use.
type Service struct{}

// New returns the service, or an error that names every fault of the configuration.
func New(c Config) (*Service, error) { panic("unwritten") }
