package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// maxSwaps bounds how often a change of a record is tried again after somebody
// else's change. So many in a row are no coincidence but a fault.
const maxSwaps = 100

// change applies edit to the user until nobody else has changed it meanwhile.
// edit returns false when there is nothing to write. It starts from u, and
// reads the user anew after a conflict; [ErrUserGone] when there is none.
func (s *Service) change(ctx context.Context, u store.User, edit func(*store.User) bool) (store.User, error) {
	for range maxSwaps {
		u.Credentials = slices.Clone(u.Credentials)
		if !edit(&u) {
			return u, nil
		}
		u.UpdatedAt = now()
		err := s.store.UpdateUser(ctx, u)
		switch {
		case err == nil:
			u.Version++
			return u, nil
		case errors.Is(err, store.ErrNotFound):
			return store.User{}, ErrUserGone
		case !errors.Is(err, store.ErrConflict):
			return store.User{}, fmt.Errorf("update user: %w", err)
		}
		if u, err = s.store.User(ctx, u.ID); errors.Is(err, store.ErrNotFound) {
			return store.User{}, ErrUserGone
		} else if err != nil {
			return store.User{}, fmt.Errorf("read user: %w", err)
		}
	}
	return store.User{}, fmt.Errorf("update user: %w again and again", store.ErrConflict)
}

func indexOf(u store.User, c Credential) int {
	return slices.IndexFunc(u.Credentials, func(own store.Credential) bool {
		return own.Kind == c.Kind && own.Identity == c.Identity
	})
}

// claim gives the credential to whom has just proven to own it: the user, if it
// is verified there, or whoever may have been registered with it. [ErrExpired]
// when the user is not in the epoch of the proof any more.
func (s *Service) claim(ctx context.Context, u store.User, c Credential) (Proof, error) {
	p := Proof{Credential: c}
	if u.ID == "" {
		return p, nil
	}
	epoch, late := u.Epoch, false
	u, err := s.change(ctx, u, func(u *store.User) bool {
		i := indexOf(*u, c)
		late = u.Epoch != epoch
		switch {
		case i < 0 || u.Blocked || late:
			return false // as it is
		case !u.Credentials[i].VerifiedAt.IsZero():
			u.Credentials[i].VerifiedAt = now()
		case hasOther(*u, i), isExternal(*u): // somebody's account that names a foreign address
			u.Credentials = slices.Delete(u.Credentials, i, i+1)
		default: // an account that nobody has confirmed yet: see below
			u.Epoch++
			u.PasswordHash = ""
		}
		return true
	})
	i := indexOf(u, c)
	switch {
	case errors.Is(err, ErrUserGone):
		return p, nil
	case err != nil:
		return Proof{}, err
	case u.Blocked:
		return Proof{}, ErrWrong
	case late:
		return Proof{}, ErrExpired
	case i < 0:
		s.notify(ctx, Notice{Kind: NoticeTakeover, UserID: u.ID}.about(c))
		return p, nil
	case u.Credentials[i].VerifiedAt.IsZero():
		// It stays unverified, so that no password opens the account, until all
		// that the first holder may have had is ended: a failure here is made
		// good by the next code.
		if err := errors.Join(s.endAll(ctx, u, store.Digest{}, false), s.endConsents(ctx, u.ID)); err != nil {
			return Proof{}, err
		}
		u, err = s.change(ctx, u, func(u *store.User) bool {
			i := indexOf(*u, c)
			if i < 0 || u.Blocked || u.Epoch != epoch+1 {
				return false
			}
			u.Credentials[i].VerifiedAt, u.Credentials[i].Spelling = now(), c.Spelling
			return true
		})
		switch {
		case errors.Is(err, ErrUserGone):
			return p, nil
		case err != nil:
			return Proof{}, err
		case !s.Owns(u, c): // blocked, or another's, meanwhile
			return Proof{}, ErrWrong
		}
		s.notify(ctx, Notice{Kind: NoticeTakeover, UserID: u.ID}.about(c))
	}
	p.User, p.Exists = u, true
	return p, nil
}

// hasOther reports whether the user has a verified credential beside the i-th.
func hasOther(u store.User, i int) bool {
	for j, c := range u.Credentials {
		if j != i && !c.VerifiedAt.IsZero() {
			return true
		}
	}
	return false
}

// endAll ends what lets somebody act as the user without asking again: series,
// sessions but the one to keep, open codes of all kinds, and grants. The user's epoch has
// been raised before, so that what is stored from then on by an older proof is
// undone by who stores it. Nothing stands before what it is made of: series make
// sessions, sessions make authorization codes, codes make grants. It tries all
// of it, and reports what could not be ended.
func (s *Service) endAll(ctx context.Context, u store.User, keep store.Digest, keepAll bool) error {
	var errs []error
	errs = append(errs, s.endLogins(ctx, u.ID, keep, keepAll))
	for _, c := range u.Credentials {
		errs = append(errs, ending("codes", s.store.DropOneTimeCodes(ctx, c.Kind, c.Identity)))
	}
	errs = append(errs, s.endTickets(ctx, u.ID))
	return errors.Join(append(errs, s.endGrants(ctx, u.ID))...)
}

// endLogins ends the user's series and sessions.
func (s *Service) endLogins(ctx context.Context, userID string, keep store.Digest, keepAll bool) error {
	_, err := s.store.EndUserSeries(ctx, userID)
	err = ending("series", err)
	if !keepAll {
		err = errors.Join(err, s.announceEnds(ctx, userID, keep))
		_, err2 := s.store.EndUserSessions(ctx, userID, keep)
		err = errors.Join(err, ending("sessions", err2))
	}
	return err
}

// endGrants revokes the user's grants and authorization codes.
func (s *Service) endGrants(ctx context.Context, userID string) error {
	_, err := s.store.RevokeUserGrants(ctx, userID, now().Add(s.life.GrantTombstone))
	return ending("grants", err)
}

func ending(what string, err error) error {
	if err != nil {
		return fmt.Errorf("end %s: %w", what, err)
	}
	return nil
}
