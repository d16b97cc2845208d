package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// The purposes of one-time codes. A code for one is worthless for another.
const (
	PurposeLogin    = "login"
	PurposeRegister = "register"
	PurposeReset    = "reset"
	PurposeConfirm  = "confirm" // a user who is logged in proves again who she is
)

// PurposeMerge is the purpose of a code that connects a credential to the
// account of the user: a code for another's account is worthless.
func PurposeMerge(userID string) string { return mergePrefix + userID }

const mergePrefix = "merge "

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
// Errors: [ErrCredentialPremium], a [LimitedError], a [ChallengeError],
// [ErrUndeliverable].
func (s *Service) SendCode(ctx context.Context, r CodeRequest) error {
	if err := checkBinding(r.Credential, r.Purpose, r.Origin); err != nil {
		return err
	}
	if err := r.Credential.Reachable(); err != nil {
		return err
	}
	user, verified, err := s.find(ctx, r.Credential)
	if err != nil {
		return err
	}
	spent, err := s.spend(ctx, s.sends(r.Client, r.Credential, user, r.Origin)...)
	if err != nil {
		return s.limited(ctx, err, user, r.Client, r.Credential)
	}
	about := Notice{UserID: user.ID, ClientID: r.Client.ID}.about(r.Credential)
	if err := s.challenge(ctx, spent, about, r.Origin); err != nil {
		return err
	}
	to := r.Credential
	if verified { // the owner's spelling: not all hosts ignore case
		to = ownSpelling(user, to)
	}
	code := newCode()
	letter := message.Letter{Kind: letterOf(r.Purpose), Lang: r.Lang, Client: r.Client, Code: code, Valid: s.life.Code}
	blocked := letter
	blocked.Kind, blocked.Code = message.Blocked, ""
	mac := code
	if user.Blocked {
		mac = rand.Text() // nothing that anybody can type
		letter, blocked = blocked, letter
	}
	key := s.codeKey(s.keys.ID(), r.Client, r.Credential, r.Purpose, r.Origin)
	at := now()
	err = s.store.PutOneTimeCode(ctx, store.OneTimeCode{
		Key: key, MAC: s.codeMAC(s.keys.ID(), key, user.Epoch, mac),
		Kind: r.Credential.Kind, Identity: r.Credential.Identity,
		ClientID: r.Client.ID, Purpose: r.Purpose,
		CreatedAt: at, ExpiresAt: at.Add(s.life.Code),
	})
	if err != nil {
		spent.giveBack(ctx)
		return fmt.Errorf("put code: %w", err)
	}
	// The letter that is not sent is written too: both together take the same time
	// for everybody.
	if _, err := s.compose(blocked, to); err != nil {
		spent.giveBack(ctx)
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	if err := s.send(ctx, letter, to); err != nil {
		if !errors.Is(err, errUnsure) {
			spent.giveBack(ctx)
		}
		s.notify(ctx, Notice{Kind: NoticeSendFailed, UserID: user.ID, ClientID: r.Client.ID, Err: err}.about(to))
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	s.notify(ctx, Notice{Kind: NoticeCodeSent, UserID: user.ID, ClientID: r.Client.ID}.about(to))
	return nil
}

// checkBinding refuses a code that would not be bound to all that it has to be.
func checkBinding(c Credential, purpose string, o Origin) error {
	if c.IsZero() || purpose == "" || o.Browser.IsZero() {
		return errors.New("account: a code needs a credential, a purpose and a browser")
	}
	return nil
}

func letterOf(purpose string) message.Kind {
	switch {
	case purpose == PurposeRegister:
		return message.RegisterCode
	case purpose == PurposeReset:
		return message.ResetCode
	case strings.HasPrefix(purpose, mergePrefix):
		return message.MergeCode
	case purpose == PurposeConfirm:
		return message.ConfirmCode
	}
	return message.LoginCode
}

// newCode returns six digits, each code as likely as any other.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n.Int64())
}

func (s *Service) codeKey(keyID string, client store.Client, c Credential, purpose string, o Origin) store.Digest {
	d, _ := s.keys.MACWith(keyID, "code key", o.Browser.String(), purpose, string(c.Kind), c.Identity, client.ID)
	return d
}

// codeMAC binds the code to the epoch of its user too, or to none: a code that
// was on its way when everything ended is wrong from then on.
func (s *Service) codeMAC(keyID string, key store.Digest, epoch int64, code string) store.Digest {
	d, _ := s.keys.MACWith(keyID, "code", key.String(), strconv.FormatInt(epoch, 10), code)
	return d
}

// ownSpelling returns the credential as the user has it.
func ownSpelling(u store.User, c Credential) Credential {
	for _, own := range u.Credentials {
		if own.Kind == c.Kind && own.Identity == c.Identity {
			mine := Credential{Kind: own.Kind, Identity: own.Identity, Spelling: own.Spelling}
			if _, err := mine.address(); err == nil {
				return mine
			}
		}
	}
	return c
}

// errUnsure says that nobody knows whether a message was sent: the provider did
// not answer in time. It stays counted, or a slow provider could be made to send
// without end.
var errUnsure = errors.New("no answer in time")

// compose writes the letter to the credential.
func (s *Service) compose(l message.Letter, c Credential) (message.Message, error) {
	to, err := c.address()
	if err != nil {
		return message.Message{}, err
	}
	l.To, l.Channel = to, message.Email
	if c.Kind == store.Phone {
		l.Channel = message.SMS
	}
	return s.composer.Compose(l)
}

// send writes the letter to the credential and hands it over. The error names
// neither the recipient nor the code.
func (s *Service) send(ctx context.Context, l message.Letter, c Credential) error {
	m, err := s.compose(l, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.sendTimeout)
	defer cancel()
	if err := s.sender.Send(ctx, m); err != nil {
		// A provider's error may quote what it was given.
		hide := strings.NewReplacer(pairs(m.To, c.Masked(), c.Spelling, c.Masked(), l.Code, "••••••")...)
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w: %s", errUnsure, hide.Replace(err.Error()))
		}
		return errors.New(hide.Replace(err.Error()))
	}
	return nil
}

// pairs drops the pairs whose first half is empty: a Replacer would match them everywhere.
func pairs(oldNew ...string) []string {
	var out []string
	for i := 0; i+1 < len(oldNew); i += 2 {
		if oldNew[i] != "" {
			out = append(out, oldNew[i], oldNew[i+1])
		}
	}
	return out
}

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
// [LimitedError] after too many wrong ones, a [ChallengeError] before that.
//
// A credential that stood unverified on an account is the prover's from now on:
// if the account has another verified credential, it loses this one (Exists is
// false); otherwise the account is handed over, and its old password, sessions,
// remember-me series and grants end.
func (s *Service) VerifyCode(ctx context.Context, a CodeAttempt) (Proof, error) {
	if err := checkBinding(a.Credential, a.Purpose, a.Origin); err != nil {
		return Proof{}, err
	}
	code, ok := typedCode(a.Code)
	if !ok {
		return Proof{}, ErrWrong // no guess: it can be nobody's code
	}
	user, _, err := s.find(ctx, a.Credential)
	if err != nil {
		return Proof{}, err
	}
	spent, err := s.spend(ctx, s.guesses(a.Credential, user, a.Origin,
		charge{limit: LimitCodeAccount, budget: s.limits.CodesPerAccount},
		charge{limit: LimitCodeDevice, budget: s.limits.CodesPerDevice})...)
	if err != nil {
		return Proof{}, s.limited(ctx, err, user, a.Client, a.Credential)
	}
	about := Notice{UserID: user.ID, ClientID: a.Client.ID}.about(a.Credential)
	if err := s.challenge(ctx, spent, about, a.Origin); err != nil {
		return Proof{}, err
	}
	if spent.hidden != nil {
		code = rand.Text() // the same work, without a chance
	}
	wrong := Notice{Kind: NoticeCodeWrong, UserID: user.ID, ClientID: a.Client.ID}.about(a.Credential)
	switch err := s.takeCode(ctx, a, user.Epoch, code); {
	case errors.Is(err, store.ErrMismatch):
		if spent.hidden != nil {
			wrong.Kind, wrong.Limit = NoticeLimited, spent.hidden.Limit
		}
		s.notify(ctx, wrong)
		s.announce(ctx, spent, a.Client.ID, a.Origin)
		return Proof{}, ErrWrong
	case errors.Is(err, store.ErrNotFound): // nothing that could be guessed
		spent.giveBack(ctx)
		return Proof{}, ErrExpired
	case err != nil: // whether it was wrong is not known: it stays counted
		return Proof{}, fmt.Errorf("take code: %w", err)
	}
	if user.Blocked {
		s.notify(ctx, wrong)
		s.announce(ctx, spent, a.Client.ID, a.Origin)
		return Proof{}, ErrWrong
	}
	spent.giveBack(ctx)
	return s.claim(ctx, user, a.Credential)
}

// typedCode returns the six digits that somebody typed, without white space.
func typedCode(s string) (string, bool) {
	if len(s) > 64 {
		return "", false
	}
	s = strings.Join(strings.Fields(s), "")
	return s, len(s) == 6 && strings.Trim(s, "0123456789") == ""
}

// takeCode takes the code under the newest key that there is one for.
func (s *Service) takeCode(ctx context.Context, a CodeAttempt, epoch int64, code string) error {
	var err error
	for _, id := range s.keys.IDs() {
		key := s.codeKey(id, a.Client, a.Credential, a.Purpose, a.Origin)
		var c store.OneTimeCode
		c, err = s.store.TakeOneTimeCode(ctx, key, s.codeMAC(id, key, epoch, code))
		if err == nil && !c.ExpiresAt.After(now()) { // a backend may be late
			return store.ErrNotFound
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return err
}
