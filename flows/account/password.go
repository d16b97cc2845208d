package account

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Passwords says how passwords are hashed. Stored hashes made with other
// parameters, or by a [Verifier], are replaced at the next login.
type Passwords struct {
	Memory  uint32        // KiB of argon2id; default 19456 (19 MiB)
	Passes  uint32        // default 2
	Workers int           // hashes at once; default GOMAXPROCS
	Wait    time.Duration // how long an attempt waits for a worker before ErrBusy; default 2 seconds
	// Verifiers check hashes that other systems made, in this order; see [Bcrypt].
	Verifiers []Verifier
	// Common lists further passwords that nobody may choose, beside the
	// built-in list; compared without regard to case.
	Common []string
}

// Verifier checks passwords against hashes of another system, for users that
// were imported with them.
type Verifier interface {
	// Handles reports whether the stored hash is of this kind.
	Handles(hash string) bool
	// Verify reports whether the password is the hash's. An error says that the
	// hash is damaged, or would take more work than is sensible.
	Verify(hash, password string) (bool, error)
}

// The least and greatest length of a new password, in code points after NFC.
const (
	PasswordMin = 8
	PasswordMax = 256
)

// PasswordAttempt is somebody's try to log in with a password.
type PasswordAttempt struct {
	Client     store.Client
	Credential Credential
	Password   string
	Origin     Origin
}

// VerifyPassword returns the user whose password it is. [ErrWrong] says the
// same, after the same work, for a wrong password, an unknown credential, a
// credential that was never verified, an account without a password and a
// blocked one. Else the error is a [LimitedError], [ErrBusy] or an outage.
func (s *Service) VerifyPassword(ctx context.Context, a PasswordAttempt) (store.User, error) {
	panic("unwritten")
}

// CheckNewPassword returns [ErrPasswordShort], [ErrPasswordLong] or
// [ErrPasswordCommon] for a password that nobody may choose: one of the most
// common ones, or one of those to avoid (the user's credentials and names),
// without regard to case. There are no rules of composition.
func (s *Service) CheckNewPassword(password string, avoid ...string) error { panic("unwritten") }

// PoolStats tells how the password pool is doing.
type PoolStats struct {
	Workers int    // how many hashes may run at once
	Running int    // how many run now
	Peak    int    // the most that ever ran at once
	Hashed  uint64 // how many have run
	Shed    uint64 // how many found no worker in time
}

// PoolStats returns the state of the password pool.
func (s *Service) PoolStats() PoolStats { panic("unwritten") }
