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

// consents is what the user has agreed that clients may have.
func (s *Service) consents() Part {
	return Part{
		Name: "consents",
		List: func(ctx context.Context, u store.User) (items []PartItem, err error) {
			names := s.clientNames()
			for c, err := range s.store.UserConsents(ctx, u.ID) {
				if err != nil {
					return nil, err
				}
				name, err := names(ctx, c.ClientID)
				if err != nil {
					return nil, err
				}
				items = append(items, PartItem{Title: name, Data: map[string]any{
					"clientId": c.ClientID, "scopes": append([]string{}, c.Scopes...), "givenAt": c.GivenAt,
				}})
			}
			return items, nil
		},
		Remove: func(ctx context.Context, u store.User) error { return s.endConsents(ctx, u.ID) },
	}
}

// endConsents takes back all that the user has agreed to. It goes with the
// account, and with its holder; a password that is changed leaves it as it is.
func (s *Service) endConsents(ctx context.Context, userID string) error {
	_, err := s.store.DeleteUserConsents(ctx, userID)
	return ending("consents", err)
}

// endAbsorbed ends what requests that were under way may have begun for an ID that
// is nobody's any more.
func (s *Service) endAbsorbed(ctx context.Context, userID string) []error {
	return []error{s.endLogins(ctx, userID, store.Digest{}, false), s.endTickets(ctx, userID), s.endGrants(ctx, userID), s.endConsents(ctx, userID)}
}

// endTickets drops the single-use codes that were issued for the user by other
// ways than messages.
func (s *Service) endTickets(ctx context.Context, userID string) error {
	_, err := s.store.DropUserTickets(ctx, userID)
	return ending("tickets", err)
}
