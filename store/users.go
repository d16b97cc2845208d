package store

import (
	"context"
	"time"
)

// CredentialKind is what a credential is (ConnectID: credentialType).
type CredentialKind string

// The kinds of credential.
const (
	Email CredentialKind = "A"
	Phone CredentialKind = "B"
)

// Credential is one e-mail address or mobile number that a user logs in with.
// All credentials of a user are equal.
type Credential struct {
	Kind CredentialKind
	// Identity is the canonical form by which credentials are compared; unique
	// over all users, together with Kind.
	Identity string
	// Spelling is what the user wrote; messages are sent to it.
	Spelling string
	// VerifiedAt is when the user last proved to own it; zero for never.
	VerifiedAt time.Time
	AddedAt    time.Time
}

// User is a reader's account.
type User struct {
	ID     string // uniqueId: 32 hexadecimal digits; also the OAuth subject
	Number int64  // userId of the API: a positive number, unique
	// Version counts the changes; see [Users.UpdateUser].
	Version int64
	// Epoch counts what ended everything that the account had: changes of the
	// password, blocks, takeovers, merges. What somebody proved before such an
	// end is worth nothing after it.
	Epoch       int64
	Blocked     bool
	Credentials []Credential // in the order in which they were added
	// PasswordHash is empty for an account without a password.
	PasswordHash   string
	PasswordSetAt  time.Time
	FirstName      string
	LastName       string
	Language       string
	TermsAt        time.Time // when the terms were accepted
	CustomerNumber int64     // zero when not tied to a customer
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Users keeps accounts with their credentials.
type Users interface {
	// CreateUser inserts the user with Version 1, whatever u.Version says, or
	// returns ErrConflict when the ID, the Number or one of the credentials is
	// taken. Those of an absorbed user (see [Merges]) are taken too, but for the
	// credentials.
	CreateUser(ctx context.Context, u User) error
	// User returns the user with the given ID, or ErrNotFound.
	User(ctx context.Context, id string) (User, error)
	// UserByCredential returns the user who has the credential, or ErrNotFound.
	UserByCredential(ctx context.Context, kind CredentialKind, identity string) (User, error)
	// UpdateUser replaces the user, its credentials included, if u.Version is
	// the stored one, and stores it with the next Version. ErrConflict says that
	// the version differs or that another user has one of the credentials;
	// ErrNotFound that there is no such user. Number and CreatedAt never change.
	UpdateUser(ctx context.Context, u User) error
	// DeleteUser removes the user and frees the credentials; no error when
	// there is none. What is left of the users whom she absorbed goes with her.
	DeleteUser(ctx context.Context, id string) error
}
