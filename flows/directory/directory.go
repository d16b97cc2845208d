// Package directory is the contract to company directories: outside parties that
// prove who a user is in her company (ConnectID: "URL: azure"). Package
// flows/directory/entra implements it for Microsoft Entra ID.
//
// The contract knows no HTTP: a sign-in starts with an address to which the
// user's browser is to be sent, and finishes with the parameters with which it
// came back.
package directory

import (
	"context"
	"errors"
)

// Directory proves who users are. Implementations are safe for concurrent use.
type Directory interface {
	// Start begins a sign-in. An error is an outage: the directory could not be
	// asked where users sign in.
	Start(ctx context.Context, s SignIn) (Hop, error)
	// Finish judges the parameters with which the browser came back. kept is what
	// Start returned for this sign-in; the caller has seen to it that they belong
	// together and that the answer is judged once. An error that matches
	// [ErrCancelled] says that the user gave up, one that matches [ErrRefused]
	// that she has not proven anything; any other is an outage. Errors hold no
	// secret and can be logged. Finish returns early enough that a context which
	// ends in 4 seconds is still good for something afterwards.
	Finish(ctx context.Context, kept []byte, answer map[string]string) (Identity, error)
}

// SignIn is a sign-in that begins.
type SignIn struct {
	// ReturnURL is where the browser is to come back to: one address for each
	// configured directory, always the same.
	ReturnURL string
	// State comes back with the browser, as the parameter "state".
	State string
	// Lang is the language of the user's pages, such as "nb".
	Lang string
}

// Hop is where a sign-in goes on.
type Hop struct {
	// URL is the directory's own page, to which the browser is sent.
	URL string
	// Kept is given to Finish. It may hold secrets: the caller keeps it where
	// neither the browser nor a reader of the store can read it.
	Kept []byte
}

// Identity is a person in a company. Nothing in it can pass to another person,
// as e-mail addresses and user names do. It is never empty.
type Identity struct {
	Tenant   string // the company
	ObjectID string // the person in it
}

// Errors that callers of [Directory.Finish] branch on.
var (
	ErrCancelled = errors.New("directory: cancelled by the user")
	ErrRefused   = errors.New("directory: refused")
)
