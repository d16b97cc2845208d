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

// askBreached calls the hook and waits for it no longer than breachedTimeout,
// even if it does not heed its context. Its error does not quote the password.
func (s *Service) askBreached(ctx context.Context, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, breachedTimeout)
	defer cancel()
	type answer struct {
		found bool
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = errors.New("Breached panics")
			}
			answers <- a
		}()
		a.found, a.err = s.breached(ctx, password)
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			a.err = errors.New(strings.ReplaceAll(a.err.Error(), password, "••••••"))
		}
		return a.found, a.err
	case <-ctx.Done():
		return false, fmt.Errorf("no answer in time: %w", ctx.Err())
	}
}
