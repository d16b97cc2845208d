package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/connectid-kit/connectid/store"
)

// Passwords says how passwords are hashed. Stored hashes made with other
// parameters, or by another system, are replaced at the next login.
type Passwords struct {
	Memory uint32 // KiB of argon2id; default 19456 (19 MiB)
	Passes uint32 // default 2
	// Workers is how many hashes run at once; default GOMAXPROCS. However many
	// people sign in, no more than Workers times Memory is in use; with what the
	// garbage collector has not taken back yet, the heap grows by about four
	// times that at most (GOGC=100), or to the process's GOMEMLIMIT.
	Workers int
	Wait    time.Duration // how long an attempt waits for a worker before ErrBusy; default 2 seconds
	// Verifiers check hashes that other systems made, in this order; see
	// [LegacyVerifiers]. An account with such a hash answers in that hash's time until
	// its first login, so it can be told from others by measuring.
	Verifiers []Verifier
	// Common lists further passwords that nobody may choose, beside the
	// built-in list; compared without regard to case.
	Common []string
	// Breached reports whether a new password is known from a breach, such as
	// the Breached method of package flows/account/pwned does; nil asks nobody.
	// It is asked once all other checks have passed, with the password in NFC,
	// and has 2 seconds. It is safe for concurrent use.
	Breached func(ctx context.Context, password string) (bool, error)
	// RefuseUnchecked makes an error of Breached an outage: nobody can choose a
	// password while it lasts. Without it the password is accepted, and the
	// observer gets a [NoticeBreachUnchecked].
	RefuseUnchecked bool
}

func (p Passwords) withDefaults() (Passwords, error) {
	p.Memory = cmp.Or(p.Memory, 19<<10)
	p.Passes = cmp.Or(p.Passes, 2)
	p.Workers = cmp.Or(p.Workers, runtime.GOMAXPROCS(0))
	p.Wait = cmp.Or(p.Wait, 2*time.Second)
	p.Verifiers = slices.Clone(p.Verifiers)
	var errs []error
	if p.Memory < 8 || p.Memory > argonMaxMemory {
		errs = append(errs, fmt.Errorf("bad Passwords.Memory %d KiB: want 8 to %d", p.Memory, argonMaxMemory))
	}
	if p.Passes > argonMaxPasses {
		errs = append(errs, fmt.Errorf("bad Passwords.Passes %d: want at most %d", p.Passes, argonMaxPasses))
	}
	if p.Workers < 0 || p.Workers > math.MaxInt16 {
		errs = append(errs, fmt.Errorf("bad Passwords.Workers %d", p.Workers))
	}
	if p.Wait < 0 {
		errs = append(errs, fmt.Errorf("bad Passwords.Wait %v: want 0 for the default or more", p.Wait))
	}
	if slices.Contains(p.Verifiers, nil) {
		errs = append(errs, errors.New("a nil Verifier in Passwords.Verifiers"))
	}
	return p, errors.Join(errs...)
}

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
// blocked one. Else the error is a [LimitedError], a
// [ChallengeError], [ErrBusy] or an outage.
func (s *Service) VerifyPassword(ctx context.Context, a PasswordAttempt) (store.User, error) {
	if len(a.Password) > maxPasswordBytes || a.Password == "" || a.Credential.IsZero() {
		return store.User{}, ErrWrong // whoever is asked for: nobody can have that one
	}
	user, verified, err := s.find(ctx, a.Credential)
	if err != nil {
		return store.User{}, err
	}
	charges := s.guesses(a.Credential, user, a.Origin,
		charge{limit: LimitPasswordAccount, budget: s.limits.PasswordsPerAccount},
		charge{limit: LimitPasswordDevice, budget: s.limits.PasswordsPerDevice})
	if charges[0].limit != LimitPasswordDevice {
		charges = append([]charge{{limit: LimitPasswordAddress, budget: s.limits.PasswordsPerAddress,
			key: s.counter(LimitPasswordAddress, addressKey(a.Origin.Address))}}, charges...)
	}
	spent, err := s.spend(ctx, charges...)
	if err != nil {
		return store.User{}, s.limited(ctx, err, user, a.Client, a.Credential)
	}
	about := Notice{UserID: user.ID, ClientID: a.Client.ID}.about(a.Credential)
	if err := s.challenge(ctx, spent, about, a.Origin); err != nil {
		return store.User{}, err
	}
	may := verified && !user.Blocked && user.PasswordHash != "" && spent.hidden == nil
	ok, renewed, err := s.matches(ctx, user.PasswordHash, a.Password, may)
	switch {
	case err != nil: // nothing was compared
		spent.giveBack(ctx)
		if errors.Is(err, ErrBusy) {
			s.notify(ctx, Notice{Kind: NoticeBusy, ClientID: a.Client.ID})
		}
		return store.User{}, err
	case !ok || !may:
		n := Notice{Kind: NoticePasswordWrong, UserID: user.ID, ClientID: a.Client.ID}
		if spent.hidden != nil {
			n.Kind, n.Limit = NoticeLimited, spent.hidden.Limit
		}
		s.notify(ctx, n.about(a.Credential))
		s.announce(ctx, spent, a.Client.ID, a.Origin)
		return store.User{}, ErrWrong
	}
	spent.giveBack(ctx)
	if renewed != "" {
		user = s.replaceHash(ctx, user, renewed)
	}
	return user, nil
}

// find returns the user who has the credential, and whether it was ever
// verified there. An unknown credential gives a zero user and no error.
func (s *Service) find(ctx context.Context, c Credential) (user store.User, verified bool, err error) {
	user, err = s.store.UserByCredential(ctx, c.Kind, c.Identity)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.User{}, false, nil
	case err != nil:
		return store.User{}, false, fmt.Errorf("find credential: %w", err)
	}
	return user, s.Owns(user, c), nil
}

// matches compares the password with the hash, in the pool. Without a hash, or
// with one that nobody can read, it does the work on another one and says no.
// For a right password whose hash was made otherwise than today's, renewed is a
// new one, if that is of any use: made at the same worker, as a login that was
// let in must not wait again.
func (s *Service) matches(ctx context.Context, hash, password string, renew bool) (ok bool, renewed string, err error) {
	normal := norm.NFC.String(password)
	var fault error
	err = s.pool.do(ctx, func() {
		stale := true
		switch {
		case hash == "":
			s.pool.verify(s.dummy, normal)
		case isArgon(hash):
			var made argon
			if ok, made, fault = s.pool.verify(hash, normal); fault != nil {
				s.pool.verify(s.dummy, normal)
			}
			stale = made != s.argon
		default:
			ok, fault = s.matchesForeign(hash, password, normal)
			if errors.Is(fault, errHash) {
				s.pool.verify(s.dummy, normal)
			}
		}
		if ok && fault == nil && stale && renew {
			renewed = s.pool.newHash(s.argon, normal)
		}
	})
	if err != nil {
		return false, "", err
	}
	if fault != nil {
		s.log.ErrorContext(ctx, "password hash of an account can not be read", "err", fault)
		ok = false
	}
	return ok, renewed, nil
}

// matchesForeign asks the verifier of the hash's kind. The other system may not
// have normalised what it hashed, so both forms pass.
func (s *Service) matchesForeign(hash, password, normal string) (bool, error) {
	for _, v := range s.verifiers {
		if !v.Handles(hash) {
			continue
		}
		ok, err := v.Verify(hash, normal)
		if err == nil && !ok && password != normal {
			ok, err = v.Verify(hash, password)
		}
		return ok, err
	}
	return false, errHash
}

// hash returns the hash of a new password.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	normal := norm.NFC.String(password)
	var h string
	err := s.pool.do(ctx, func() { h = s.pool.newHash(s.argon, normal) })
	return h, err
}

// replaceHash stores the hash of the same password made with today's
// parameters. The login goes on without, when that fails: the next one tries again.
func (s *Service) replaceHash(ctx context.Context, user store.User, hash string) store.User {
	next := user
	next.PasswordHash, next.UpdatedAt = hash, now()
	if err := s.store.UpdateUser(ctx, next); err != nil {
		if !errors.Is(err, store.ErrConflict) {
			s.log.WarnContext(ctx, "password hash not replaced", "user", user.ID, "err", err)
		}
		return user
	}
	next.Version++
	return next
}
