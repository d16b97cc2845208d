package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// Addition is a credential that a user adds to her account. Who asks has just
// proven to own both.
type Addition struct {
	Client     store.Client
	Credential Credential
	Lang       string // of the notices to a user without a language
}

// AddCredential adds a credential that nobody has to the user's account, where it
// logs in by the same password, and tells the others of her verified credentials.
// A credential that she has already stays as it is. [ErrCredentialPremium] comes
// first; [ErrTaken] when somebody has it meanwhile; [ErrUserGone] when the user
// has been blocked, deleted or absorbed.
func (s *Service) AddCredential(ctx context.Context, userID string, a Addition) (store.User, error) {
	if a.Credential.IsZero() {
		return store.User{}, ErrCredentialEmpty
	}
	if err := a.Credential.Reachable(); err != nil {
		return store.User{}, err
	}
	for range maxSwaps {
		u, err := s.User(ctx, userID)
		switch {
		case err != nil:
			return store.User{}, err
		case s.Owns(u, a.Credential):
			return u, nil
		}
		u.Credentials = slices.Clone(u.Credentials)
		at := now()
		added := store.Credential{
			Kind: a.Credential.Kind, Identity: a.Credential.Identity, Spelling: a.Credential.Spelling, VerifiedAt: at, AddedAt: at,
		}
		if i := indexOf(u, a.Credential); i >= 0 {
			u.Credentials[i] = added
		} else {
			u.Credentials = append(u.Credentials, added)
		}
		u.UpdatedAt = at
		err = s.store.UpdateUser(ctx, u)
		switch {
		case err == nil:
			u.Version++
			s.notify(ctx, Notice{Kind: NoticeCredentialAdded, UserID: u.ID, ClientID: a.Client.ID}.about(a.Credential))
			s.tellAdded(ctx, u, a)
			return u, nil
		case errors.Is(err, store.ErrNotFound):
			return store.User{}, ErrUserGone
		case !errors.Is(err, store.ErrConflict):
			return store.User{}, fmt.Errorf("add credential: %w", err)
		}
		switch other, _, err := s.find(ctx, a.Credential); {
		case err != nil:
			return store.User{}, err
		case other.ID != "" && other.ID != userID:
			return store.User{}, ErrTaken
		}
	}
	return store.User{}, fmt.Errorf("add credential: %w again and again", store.ErrConflict)
}

// tellAdded sends the notice of an added credential to the others.
func (s *Service) tellAdded(ctx context.Context, u store.User, a Addition) {
	letter := message.Letter{Kind: message.CredentialAdded, Lang: u.Language, Client: a.Client, About: a.Credential.Masked()}
	if letter.Lang == "" {
		letter.Lang = a.Lang
	}
	s.tell(ctx, u.ID, letter, others(u, a.Credential))
}

// others returns the verified credentials of the user but the one.
func others(u store.User, but Credential) []store.Credential {
	return slices.DeleteFunc(slices.Clone(u.Credentials), func(c store.Credential) bool {
		return c.VerifiedAt.IsZero() || c.Kind == but.Kind && c.Identity == but.Identity
	})
}

// tell sends the letter to each credential, from the budget of that credential,
// and returns those that it did not reach. What the letter is about stands
// whether or not it arrives.
func (s *Service) tell(ctx context.Context, userID string, letter message.Letter, to []store.Credential) (left []store.Credential) {
	ctx, cancel := context.WithTimeout(ctx, s.sendTimeout) // for all of them
	defer cancel()
	for _, own := range to {
		c := Credential{Kind: own.Kind, Identity: own.Identity, Spelling: own.Spelling}
		if c.Reachable() != nil {
			continue // it never was one to write to
		}
		// The user's own budget, wherever the change came from.
		charges := slices.DeleteFunc(s.sends(letter.Client, c, store.User{}, Origin{}), func(c charge) bool {
			return c.limit == LimitSendAddress
		})
		spent, err := s.spend(ctx, charges...)
		if err == nil {
			if err = s.send(ctx, letter, c); err != nil && !errors.Is(err, errUnsure) {
				spent.giveBack(ctx)
			}
		}
		if err != nil {
			if !errors.Is(err, errUnsure) { // it may have come, and shall not come again and again
				left = append(left, own)
			}
			s.notify(ctx, Notice{Kind: NoticeSendFailed, UserID: userID, ClientID: letter.Client.ID, Err: err}.about(c))
		}
	}
	return left
}
