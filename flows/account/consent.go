package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ConsentState is how far a user has agreed to what a client asks for.
type ConsentState struct {
	Missing []string // the scopes to which she has not agreed, in the order asked
	Agreed  []string // those to which she has
	// Known says that she has agreed to something at the client, if only to being
	// known there.
	Known bool
}

// Complete reports whether she has agreed to all of it.
func (c ConsentState) Complete() bool { return c.Known && len(c.Missing) == 0 }

// Consent returns how far the user has agreed to the scopes that the client asks
// for.
func (s *Service) Consent(ctx context.Context, userID, clientID string, scopes []string) (ConsentState, error) {
	given, err := s.store.Consent(ctx, userID, clientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ConsentState{}, fmt.Errorf("read consent: %w", err)
	}
	c := ConsentState{Known: err == nil}
	for _, scope := range scopes {
		if slices.Contains(given.Scopes, scope) {
			c.Agreed = append(c.Agreed, scope)
		} else {
			c.Missing = append(c.Missing, scope)
		}
	}
	return c, nil
}

// GiveConsent writes down that the user has agreed to the scopes at the client.
// [ErrUserGone] when she has been blocked, deleted or absorbed meanwhile; of a user
// who is not there no consent stays behind.
func (s *Service) GiveConsent(ctx context.Context, userID, clientID string, scopes []string) error {
	sorted := slices.Compact(slices.Sorted(slices.Values(scopes)))
	err := s.store.AddConsent(ctx, store.Consent{UserID: userID, ClientID: clientID, Scopes: sorted, GivenAt: now()})
	if err != nil {
		return fmt.Errorf("add consent: %w", err)
	}
	// Asked when it is stored: who deletes the account from here on finds it.
	u, err := s.store.User(ctx, userID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return errors.Join(ErrUserGone, s.store.DeleteConsent(ctx, userID, clientID))
	case err != nil:
		return fmt.Errorf("read user: %w", err)
	case u.Blocked:
		return ErrUserGone
	}
	s.notify(ctx, Notice{Kind: NoticeConsentGiven, UserID: userID, ClientID: clientID})
	return nil
}
