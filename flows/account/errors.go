package account

import (
	"errors"
	"fmt"
	"time"
)

// Errors that flows branch on. Any other error of this package is an outage: the
// store, or somebody else whom the kit needs, could not be asked. It is never
// to be shown as a wrong answer, and never to be taken for a right one.
var (
	ErrCredentialEmpty   = errors.New("account: no credential")
	ErrCredentialInvalid = errors.New("account: neither a mail address nor a phone number")
	// ErrCredentialPremium says that a number is not a mobile's: fixed-line,
	// premium-rate and the like get no codes and can not be registered.
	ErrCredentialPremium = errors.New("account: not a mobile number")

	// ErrWrong says that the password or code is not right. It says the same
	// for an unknown credential and for a blocked account.
	ErrWrong = errors.New("account: wrong")
	// ErrExpired says that there is no live code: it has expired, it has been
	// used, or this browser has not asked for one.
	ErrExpired = errors.New("account: no live code")
	// ErrBusy says that the password pool is full: try again in a few seconds
	// (503). The attempt was not counted.
	ErrBusy = errors.New("account: too many passwords at once")
	// ErrUndeliverable says that a code could not be handed over for delivery.
	ErrUndeliverable = errors.New("account: message not sent")

	// ErrTaken says that a credential has got an account since it was proven: it
	// has to be proven once more, to that account.
	ErrTaken = errors.New("account: credential has an account by now")
	// ErrMergeChanged says that a merge would not do any more what was shown.
	ErrMergeChanged = errors.New("account: the accounts have changed since")
	// ErrMergeRefused says that two accounts can not become one by themselves.
	ErrMergeRefused = errors.New("account: the accounts can not become one")
	// ErrUndoOver says that there is nothing to undo: no such merge, another
	// token, too late, undone before, or without a way to undo the host's share.
	ErrUndoOver = errors.New("account: no merge to undo")

	// ErrTheft says that an old token of a remember-me series was presented:
	// somebody has copied the cookie. The series has been ended.
	ErrTheft = errors.New("account: remember-me token used by somebody else")
	// ErrUserGone says that the user has been blocked or deleted meanwhile, or
	// has ended everything that came of earlier proofs, as a new password does:
	// whoever is here has to prove who she is once more.
	ErrUserGone = errors.New("account: user blocked or deleted, or the proof has ended")

	// ErrExternalID says that an external identity is none: empty, longer than
	// [ExternalMax], or with characters that do not show.
	ErrExternalID = errors.New("account: not an external identity")
	// ErrExternalType says that there are no external identities of that type.
	ErrExternalType = errors.New("account: unknown type of external identity")
	// ErrUsed says that a code has been used before.
	ErrUsed = errors.New("account: code used before")

	// ErrTied says that the number is tied to another user.
	ErrTied = errors.New("account: number tied to another user")
	// ErrTiedElsewhere says that the user is tied to another number of the kind
	// at that partner.
	ErrTiedElsewhere = errors.New("account: user tied to another number")
)

// LimitedError says that too much was tried or sent. It looks the same whether
// the account exists or not.
type LimitedError struct {
	Limit   Limit     // which one
	RetryAt time.Time // when it ends by itself
}

// Error names the limit.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("account: limit %s reached until %s", e.Limit, e.RetryAt.UTC().Format(time.RFC3339))
}

// Limit names a limit.
type Limit string

// The limits; their numbers are in [Limits].
const (
	LimitPasswordAccount Limit = "passwordAccount"
	LimitPasswordDevice  Limit = "passwordDevice"
	LimitPasswordAddress Limit = "passwordAddress"
	LimitCodeAccount     Limit = "codeAccount"
	LimitCodeDevice      Limit = "codeDevice"
	LimitGuessDevices    Limit = "guessDevices"
	LimitDevices         Limit = "devices"
	LimitSendCredential  Limit = "sendCredential"
	LimitSendDevice      Limit = "sendDevice"
	LimitSendDevices     Limit = "sendDevices"
	LimitSendAddress     Limit = "sendAddress"
	LimitRunAddress      Limit = "runAddress"
	LimitSendClient      Limit = "sendClient"
	LimitSendOverall     Limit = "sendOverall"
	LimitSearchUser      Limit = "searchUser"
	LimitSearchNumber    Limit = "searchNumber"
	LimitSearchAddress   Limit = "searchAddress"
	LimitSearchClient    Limit = "searchClient"
	LimitCareUser        Limit = "careUser"
	LimitCareAccount     Limit = "careAccount"
)
