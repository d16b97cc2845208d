package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Profile is what a user says of herself.
type Profile struct {
	FirstName string
	LastName  string
	Language  string // one of texts.Langs; anything else leaves it as it was
}

// SetProfile changes what the user says of herself. [ErrNameLong] comes before
// anything is done; [ErrUserGone] when the account is blocked or gone.
func (s *Service) SetProfile(ctx context.Context, userID string, p Profile) (store.User, error) {
	first, err1 := CleanName(p.FirstName)
	last, err2 := CleanName(p.LastName)
	if err := errors.Join(err1, err2); err != nil {
		return store.User{}, err
	}
	u, err := s.User(ctx, userID)
	if err != nil {
		return store.User{}, err
	}
	u, err = s.change(ctx, u, func(u *store.User) bool {
		before := *u
		u.FirstName, u.LastName = first, last
		if slices.Contains(texts.Langs(), p.Language) {
			u.Language = p.Language
		}
		return !u.Blocked && (before.FirstName != first || before.LastName != last || before.Language != u.Language)
	})
	if err == nil && u.Blocked {
		return store.User{}, ErrUserGone
	}
	return u, err
}

// ErrLastCredential says that the account would be left without a verified
// credential: nobody could log in to it any more.
var ErrLastCredential = errors.New("account: the last verified credential")

// CredentialRemoval takes a credential from an account.
type CredentialRemoval struct {
	Credential Credential
	Client     store.Client
	Lang       string // of the notices to a user without a language
}

// RemoveCredential takes the credential from the user, and tells the others and
// the one that was taken. It is no error when the user does not have it. Of two
// callers who take the last two at once, one gets [ErrLastCredential].
func (s *Service) RemoveCredential(ctx context.Context, userID string, r CredentialRemoval) (store.User, error) {
	u, err := s.User(ctx, userID)
	if err != nil {
		return store.User{}, err
	}
	var before store.User
	last, had := false, false
	u, err = s.change(ctx, u, func(u *store.User) bool {
		i := indexOf(*u, r.Credential)
		before, had = *u, i >= 0
		last = had && !hasOther(*u, i)
		if !had || last || u.Blocked {
			return false
		}
		before.Credentials = slices.Clone(u.Credentials)
		u.Credentials = slices.Delete(u.Credentials, i, i+1)
		return true
	})
	switch {
	case err != nil:
		return store.User{}, err
	case u.Blocked:
		return store.User{}, ErrUserGone
	case last:
		return u, ErrLastCredential
	}
	// Also when it was taken before: what failed then is made good.
	if err := s.store.DropOneTimeCodes(ctx, r.Credential.Kind, r.Credential.Identity); err != nil {
		return store.User{}, fmt.Errorf("drop codes: %w", err)
	}
	if had {
		s.notify(ctx, Notice{Kind: NoticeCredentialRemoved, UserID: u.ID, ClientID: r.Client.ID}.about(r.Credential))
		s.tell(ctx, u.ID, message.Letter{
			Kind: message.CredentialRemoved, Lang: cmp.Or(before.Language, r.Lang), Client: r.Client, About: r.Credential.Masked(), Link: s.accountLink(r.Client),
		}, others(before, Credential{}))
	}
	return u, nil
}

// accountLink is where users of the client see to their account, or "".
func (s *Service) accountLink(c store.Client) string {
	if s.accountURL == nil {
		return ""
	}
	return s.accountURL(c)
}
