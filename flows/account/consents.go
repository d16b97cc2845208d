package account

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

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
