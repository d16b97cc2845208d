package store

import (
	"context"
	"strconv"
	"strings"
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
	PasswordHash  string
	PasswordSetAt time.Time
	FirstName     string
	LastName      string
	Language      string
	TermsAt       time.Time // when the terms were accepted
	// Ties say who the user is in the systems of publishers: at most one of
	// each kind at each partner.
	Ties      []Tie
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TieKind is what a user is tied to.
type TieKind string

// The kinds of tie; those to external identities are [ExternalTie]'s.
const (
	CustomerTie   TieKind = "customer"   // a customer, by customer number
	MembershipTie TieKind = "membership" // a member, by the number in the partner's membership system
)

// externalTie begins the kinds of tie to external identities.
const externalTie = "external:"

// ExternalTie is the kind of tie to an identity of the given type in a system
// outside that the partner trusts to know its users (ConnectID: External Identity
// API; its credentialType). Each type is a kind of its own.
func ExternalTie(t CredentialKind) TieKind { return TieKind(externalTie + t) }

// External returns the type of the external identities that ties of the kind lead
// to; false for every other kind.
func (k TieKind) External() (CredentialKind, bool) {
	t, ok := strings.CutPrefix(string(k), externalTie)
	return CredentialKind(t), ok
}

// Tie ties a user to one person in a system of a publisher. It is part of the
// user's record, so that it is made, moved by a merge and ended with the account
// in one step.
type Tie struct {
	Kind      TieKind
	PartnerID string
	// Number names the person in the partner's system; unique over all users,
	// together with Kind and PartnerID.
	Number string
	TiedAt time.Time
}

// Names reports whether both name the same person.
func (t Tie) Names(o Tie) bool {
	return t.Kind == o.Kind && t.PartnerID == o.PartnerID && t.Number == o.Number
}

// Tie returns the user's tie of the kind at the partner; false when there is none.
func (u User) Tie(kind TieKind, partnerID string) (Tie, bool) {
	for _, t := range u.Ties {
		if t.Kind == kind && t.PartnerID == partnerID {
			return t, true
		}
	}
	return Tie{}, false
}

// CustomerNumber returns the number of the partner's customer to whom the user
// is tied, and zero when she is tied to none.
func (u User) CustomerNumber(partnerID string) int64 {
	t, _ := u.Tie(CustomerTie, partnerID)
	n, _ := strconv.ParseInt(t.Number, 10, 64) // "" when there is none
	return n
}

// Users keeps accounts with their credentials.
type Users interface {
	// CreateUser inserts the user with Version 1, whatever u.Version says, or
	// returns ErrConflict when the ID, the Number, one of the credentials or one
	// of the ties is taken. The ID and Number of an absorbed user (see [Merges])
	// are taken too.
	CreateUser(ctx context.Context, u User) error
	// User returns the user with the given ID, or ErrNotFound.
	User(ctx context.Context, id string) (User, error)
	// UserByCredential returns the user who has the credential, or ErrNotFound.
	UserByCredential(ctx context.Context, kind CredentialKind, identity string) (User, error)
	// UserByTie returns the user who is tied to the number, or ErrNotFound.
	UserByTie(ctx context.Context, kind TieKind, partnerID, number string) (User, error)
	// UpdateUser replaces the user, its credentials and ties included, if
	// u.Version is the stored one, and stores it with the next Version.
	// ErrConflict says that the version differs or that another user has one of
	// the credentials or ties; ErrNotFound that there is no such user. Number and
	// CreatedAt never change.
	UpdateUser(ctx context.Context, u User) error
	// DeleteUser removes the user and frees the credentials and ties; no error
	// when there is none. What is left of the users whom she absorbed goes with her.
	DeleteUser(ctx context.Context, id string) error
}
