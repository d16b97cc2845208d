package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// Deletion ends an account for good.
type Deletion struct {
	UserID string
	Client store.Client
	Lang   string // of the notices to a user without a language
}

// Delete deletes the account with all that hangs on it. [ErrUserGone] when it is
// gone already, or blocked.
//
// The host's OnDelete comes first, then what the [Part]s keep, then all that
// lets somebody act as the user, and the account itself last, by one call. An
// error or a crash before that call leaves an account that its user can log in
// to, and delete again; after it there is none. Nothing lies between.
func (s *Service) Delete(ctx context.Context, d Deletion) error {
	u, err := s.User(ctx, d.UserID)
	if err != nil {
		return err
	}
	if s.onDelete != nil {
		if err := s.onDelete(ctx, u); err != nil {
			return fmt.Errorf("the host's OnDelete: %w", err)
		}
	}
	for _, p := range s.parts {
		if p.Remove == nil {
			continue
		}
		if err := p.Remove(ctx, u); err != nil {
			return fmt.Errorf("remove %s: %w", p.Name, err)
		}
	}
	if err := s.endAll(ctx, u, store.Digest{}, false); err != nil {
		return err
	}
	if err := s.store.DeleteUser(ctx, u.ID); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	// Who logged in, or was given tokens, between the last two calls. From here
	// on nobody can.
	after := context.WithoutCancel(ctx)
	if err := errors.Join(s.endAll(after, u, store.Digest{}, false), s.endConsents(after, u.ID)); err != nil {
		s.log.ErrorContext(ctx, "account: what began while an account was deleted may go on until it expires", "user", u.ID, "err", err)
	}
	s.notify(ctx, Notice{Kind: NoticeUserDeleted, UserID: u.ID, ClientID: d.Client.ID})
	s.tell(ctx, u.ID, message.Letter{Kind: message.AccountDeleted, Lang: cmp.Or(u.Language, d.Lang), Client: d.Client}, others(u, Credential{}))
	return nil
}
