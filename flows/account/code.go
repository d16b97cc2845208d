package account

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

// The purposes of one-time codes. A code for one is worthless for another.
const (
	PurposeLogin    = "login"
	PurposeRegister = "register"
	PurposeReset    = "reset"
)

// CodeRequest asks for a one-time code.
type CodeRequest struct {
	Client     store.Client
	Credential Credential
	Purpose    string
	Origin     Origin
	Lang       string
}

// SendCode sends a six-digit code to the credential; it replaces an older one
// of the same browser, purpose, credential and client. Whether the credential
// is known shows nowhere but in the mailbox: an unknown one gets a code too (it
// can make an account), a blocked account gets a message without one.
//
// Errors: [ErrCredentialPremium], a [LimitedError], [ErrUndeliverable].
func (s *Service) SendCode(ctx context.Context, r CodeRequest) error { panic("unwritten") }

// CodeAttempt is somebody's try to use a code.
type CodeAttempt struct {
	Client     store.Client
	Credential Credential
	Purpose    string
	Origin     Origin
	Code       string // as it was typed; spaces are ignored
}

// Proof says that somebody has just proven to own a credential.
type Proof struct {
	Credential Credential
	User       store.User // whose it is; zero when Exists is false
	Exists     bool
}

// VerifyCode takes the code; of many callers with the right one exactly one
// succeeds. [ErrWrong] for another code or a blocked account, [ErrExpired] when
// there is no live code (it also is what the losers of a race get), a
// [LimitedError] after too many wrong ones.
//
// A credential that stood unverified on an account is the prover's from now on:
// if the account has another verified credential, it loses this one (Exists is
// false); otherwise the account is handed over, and its old password, sessions,
// remember-me series and grants end.
func (s *Service) VerifyCode(ctx context.Context, a CodeAttempt) (Proof, error) { panic("unwritten") }
