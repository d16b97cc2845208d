package account

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

// NewUser is an account to make. Its credential has been proven by code.
type NewUser struct {
	Client        store.Client
	Credential    Credential
	FirstName     string // optional
	LastName      string // optional
	Password      string // optional: empty makes an account without password
	Lang          string
	TermsAccepted bool // sets TermsAt
}

// CreateUser makes the account. When the credential has got an account
// meanwhile (two tabs, two first posts), that account is returned as
// [Service.VerifyCode] would have: the caller has proven to own it. The
// password is checked with [Service.CheckNewPassword] before anything is done.
// [ErrWrong] when that account is blocked.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (store.User, error) { panic("unwritten") }

// User returns the user with the given ID; [ErrUserGone] when there is none, or
// when it is blocked.
func (s *Service) User(ctx context.Context, id string) (store.User, error) { panic("unwritten") }

// Owns reports whether the credential is a verified one of the user: what
// "logged in with this credential" means.
func (s *Service) Owns(u store.User, c Credential) bool { panic("unwritten") }

// PasswordChange is a new password.
type PasswordChange struct {
	Password    string
	KeepSession store.Digest // the session that goes on: the user's own; zero for none
	KeepAll     bool         // the user chose to stay logged in elsewhere
	Client      store.Client
	Used        Credential // by which the user is here: it gets no notice
	Lang        string
}

// SetPassword stores the password, ends the user's other sessions (unless
// KeepAll), all remember-me series, all grants and open codes, and tells the
// user's other verified credentials. The new password is stored first: an error
// after that is an outage, and the call can be repeated. Errors of
// [Service.CheckNewPassword] come before anything is done.
func (s *Service) SetPassword(ctx context.Context, u store.User, c PasswordChange) (store.User, error) {
	panic("unwritten")
}

// Block blocks the account and ends its sessions, series, grants and open codes.
func (s *Service) Block(ctx context.Context, userID string) error { panic("unwritten") }

// Unblock lets the user log in again. What Block ended stays ended.
func (s *Service) Unblock(ctx context.Context, userID string) error { panic("unwritten") }
