package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/connectid-kit/connectid/store"
)

// ErrPasswordBreached says that a new password is known from a breach of some
// other site: attackers try those first (NIST SP 800-63B, section 3.1.1.2).
var ErrPasswordBreached = errors.New("account: password known from a breach")

// The kinds of notice of [Passwords.Breached].
const (
	NoticePasswordBreached NoticeKind = "passwordBreached" // a new password was refused
	NoticeBreachUnchecked  NoticeKind = "breachUnchecked"  // the hook failed; Err says why
)

// breachedTimeout bounds the question to [Passwords.Breached].
const breachedTimeout = 2 * time.Second

// unbreached asks the hook about a new password that has passed all other
// checks. Without a hook every password is fine. When there is no answer in time
// it is too, and the observer is told, unless RefuseUnchecked: then the error is
// an outage.
func (s *Service) unbreached(ctx context.Context, password string, u store.User, client store.Client) error {
	if s.breached == nil {
		return nil
	}
	about := Notice{UserID: u.ID, ClientID: client.ID}
	found, err := s.askBreached(ctx, norm.NFC.String(password))
	switch {
	case ctx.Err() != nil: // the caller has gone away: no answer of the hook's
		return ctx.Err()
	case err != nil:
		about.Kind, about.Err = NoticeBreachUnchecked, err
		s.notify(ctx, about)
		if s.unchecked {
			return fmt.Errorf("check password for breaches: %w", err)
		}
		return nil
	case found:
		about.Kind = NoticePasswordBreached
		s.notify(ctx, about)
		return ErrPasswordBreached
	}
	return nil
}

// askBreached calls the hook. Its error does not quote the password.
func (s *Service) askBreached(ctx context.Context, password string) (bool, error) {
	found, err := bounded(ctx, breachedTimeout, func(ctx context.Context) (bool, error) { return s.breached(ctx, password) })
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), password, "••••••"))
	}
	return found, err
}
