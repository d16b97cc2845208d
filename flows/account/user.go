package account

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// NameMax is the greatest length of a first or last name, in code points.
const NameMax = 100

// ErrNameLong says that a name has more than [NameMax] code points.
var ErrNameLong = errors.New("account: name too long")

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

// CleanName returns the name as it is stored: in NFC, without controls and
// other characters that do not show, with single spaces; or [ErrNameLong].
func CleanName(name string) (string, error) {
	if len(name) > 8*NameMax || !utf8.ValidString(name) {
		return "", ErrNameLong
	}
	name = strings.Join(strings.Fields(norm.NFC.String(name)), " ")
	name = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, name)
	if utf8.RuneCountInString(name) > NameMax {
		return "", ErrNameLong
	}
	return name, nil
}

// CreateUser makes the account. When the credential has got an account since it
// was proven (by two tabs, or by whom it was given to meanwhile), the error is
// [ErrTaken]: that account is its owner's, and an older proof opens it to nobody.
// The credential ([ErrCredentialPremium]), the names ([ErrNameLong]) and the
// password ([Service.CheckNewPassword], [ErrPasswordBreached]) are checked before
// anything is done.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (store.User, error) {
	u, err := s.newUser(ctx, n)
	if err != nil {
		return store.User{}, err
	}
	for range maxSwaps {
		u.ID, u.Number = newID(), newNumber()
		err := s.store.CreateUser(ctx, u)
		if err == nil {
			u.Version = 1
			s.notify(ctx, Notice{Kind: NoticeUserCreated, UserID: u.ID, ClientID: n.Client.ID}.about(n.Credential))
			return u, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return store.User{}, fmt.Errorf("create user: %w", err)
		}
		there, _, err := s.find(ctx, n.Credential)
		switch {
		case err != nil:
			return store.User{}, err
		case there.ID != "":
			return store.User{}, ErrTaken
		}
		// It was the ID or the Number that was taken, or the account is gone again.
	}
	return store.User{}, fmt.Errorf("create user: %w again and again", store.ErrConflict)
}

// newUser checks all that was entered and returns the record without its ID.
func (s *Service) newUser(ctx context.Context, n NewUser) (store.User, error) {
	if n.Credential.IsZero() {
		return store.User{}, ErrCredentialEmpty
	}
	if err := n.Credential.Reachable(); err != nil {
		return store.User{}, err
	}
	first, err := CleanName(n.FirstName)
	if err != nil {
		return store.User{}, err
	}
	last, err := CleanName(n.LastName)
	if err != nil {
		return store.User{}, err
	}
	at := now()
	u := store.User{
		FirstName: first, LastName: last, Language: n.Lang, CreatedAt: at, UpdatedAt: at,
		Credentials: []store.Credential{{
			Kind: n.Credential.Kind, Identity: n.Credential.Identity, Spelling: n.Credential.Spelling,
			VerifiedAt: at, AddedAt: at,
		}},
	}
	if n.TermsAccepted {
		u.TermsAt = at
	}
	if n.Password != "" {
		if err := s.CheckNewPassword(n.Password, avoided(u, n.Client)...); err != nil {
			return store.User{}, err
		}
		if err := s.unbreached(ctx, n.Password, store.User{}, n.Client); err != nil {
			return store.User{}, err
		}
		if u.PasswordHash, err = s.hash(ctx, n.Password); err != nil {
			return store.User{}, err
		}
		u.PasswordSetAt = at
	}
	return u, nil
}

// avoided lists what the user's password must not be.
func avoided(u store.User, c store.Client) []string {
	out := []string{u.FirstName, u.LastName, u.FirstName + u.LastName, c.Name, c.ID}
	for _, c := range u.Credentials {
		out = append(out, c.Identity, c.Spelling)
	}
	return out
}

// newID returns 32 hexadecimal digits.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// newNumber returns a positive number that a JSON number holds exactly.
func newNumber() int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>11) | 1<<32
}

// User returns the user with the given ID; [ErrUserGone] when there is none, or
// when it is blocked.
func (s *Service) User(ctx context.Context, id string) (store.User, error) {
	u, err := s.store.User(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.User{}, ErrUserGone
	case err != nil:
		return store.User{}, fmt.Errorf("read user: %w", err)
	case u.Blocked:
		return store.User{}, ErrUserGone
	}
	return u, nil
}

// Owns reports whether the credential is a verified one of the user: what
// "logged in with this credential" means.
func (s *Service) Owns(u store.User, c Credential) bool {
	i := indexOf(u, c)
	return i >= 0 && !u.Credentials[i].VerifiedAt.IsZero()
}

// PasswordChange is a new password.
type PasswordChange struct {
	Password    string
	Epoch       int64        // of the user when she proved who she is
	KeepSession store.Digest // the session that goes on: the user's own; zero for none
	KeepAll     bool         // the user chose to stay logged in elsewhere
	Client      store.Client
	Used        Credential // by which the user is here: it gets no notice
	Lang        string     // of the notices to a user without a language
}

// SetPassword stores the password, ends the user's other sessions (unless
// KeepAll), all remember-me series, all grants and open codes, and tells the
// user's other verified credentials. The user that it returns is in the next
// epoch. The new password is stored first: an error after that is an outage, and
// the call can be repeated in the epoch of the user that came with the error.
// Errors of [Service.CheckNewPassword], [ErrPasswordBreached] and [ErrBusy] come before anything is
// done; [ErrUserGone] when the user has been blocked or deleted meanwhile, or is
// in another epoch than the proof.
func (s *Service) SetPassword(ctx context.Context, u store.User, c PasswordChange) (store.User, error) {
	if err := s.CheckNewPassword(c.Password, avoided(u, c.Client)...); err != nil {
		return store.User{}, err
	}
	if err := s.unbreached(ctx, c.Password, u, c.Client); err != nil {
		return store.User{}, err
	}
	h, err := s.hash(ctx, c.Password)
	if err != nil {
		return store.User{}, err
	}
	u, err = s.User(ctx, u.ID)
	if err != nil {
		return store.User{}, err
	}
	changed := false
	u, err = s.change(ctx, u, func(u *store.User) bool {
		if changed = !u.Blocked && u.Epoch == c.Epoch; changed {
			u.PasswordHash, u.PasswordSetAt = h, now()
			u.Epoch++
		}
		return changed
	})
	if err != nil {
		return store.User{}, err
	}
	if !changed {
		return store.User{}, ErrUserGone
	}
	if err := s.endAll(ctx, u, c.KeepSession, c.KeepAll); err != nil {
		return u, err
	}
	s.notify(ctx, Notice{Kind: NoticePasswordChanged, UserID: u.ID, ClientID: c.Client.ID})
	s.tellOthers(ctx, u, c)
	return u, nil
}

// tellOthers sends the notice of a changed password. The change stands whether
// or not it arrives.
func (s *Service) tellOthers(ctx context.Context, u store.User, c PasswordChange) {
	letter := message.Letter{Kind: message.PasswordChanged, Lang: u.Language, Client: c.Client}
	if letter.Lang == "" {
		letter.Lang = c.Lang
	}
	if s.resetURL != nil {
		letter.Link = s.resetURL(c.Client)
	}
	s.tell(ctx, u.ID, letter, others(u, c.Used))
}

// Block blocks the account and ends its sessions, series, grants and open
// codes. [ErrUserGone] when there is no such account.
func (s *Service) Block(ctx context.Context, userID string) error {
	u, err := s.block(ctx, userID, true)
	if err != nil {
		return err
	}
	// Also for an account that was blocked before: what failed then ends now.
	if err := s.endAll(ctx, u, store.Digest{}, false); err != nil {
		return err
	}
	s.notify(ctx, Notice{Kind: NoticeBlocked, UserID: userID})
	return nil
}

// Unblock lets the user log in again. What Block ended stays ended.
func (s *Service) Unblock(ctx context.Context, userID string) error {
	if _, err := s.block(ctx, userID, false); err != nil {
		return err
	}
	s.notify(ctx, Notice{Kind: NoticeUnblocked, UserID: userID})
	return nil
}

func (s *Service) block(ctx context.Context, userID string, blocked bool) (store.User, error) {
	u, err := s.store.User(ctx, userID)
	if errors.Is(err, store.ErrNotFound) {
		return store.User{}, ErrUserGone
	} else if err != nil {
		return store.User{}, fmt.Errorf("read user: %w", err)
	}
	return s.change(ctx, u, func(u *store.User) bool {
		was := u.Blocked
		u.Blocked = blocked
		if blocked && !was {
			u.Epoch++
		}
		return was != blocked
	})
}
