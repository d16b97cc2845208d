package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// LogoutNews is what a client is told of a session that has ended, if it asked for
// it when it was visited: the data of a [store.BackchannelLogout] delivery.
type LogoutNews struct {
	ClientID  string `json:"clientId"`
	UserID    string `json:"userId"`    // the sub of its ID tokens
	SessionID string `json:"sessionId"` // their sid
}

// ParseLogoutNews reads the data of a delivery.
func ParseLogoutNews(data []byte) (LogoutNews, error) {
	var n LogoutNews
	if err := json.Unmarshal(data, &n); err != nil {
		return n, fmt.Errorf("read a logout to deliver: %w", err)
	}
	return n, nil
}

// newsLifetime is how long a client is told of a logout that it does not take:
// as long as a session could have lasted.
func (s *Service) newsLifetime() time.Duration { return s.life.SessionMax }

// announceEnd queues the news for the clients that want to be told of the session's
// end. It is done before the end, so that a crash between the two tells a client
// too early, and never not at all. It tries all of them.
func (s *Service) announceEnd(ctx context.Context, sess store.Session) error {
	if sess.ID == "" || len(sess.Clients) == 0 {
		return nil
	}
	at := now()
	var errs []error
	for _, clientID := range sess.Clients {
		data, err := json.Marshal(LogoutNews{clientID, sess.UserID, sess.ID})
		if err != nil {
			return fmt.Errorf("announce the end of a session: %w", err)
		}
		err = s.store.PutDelivery(ctx, store.Delivery{
			Kind: store.BackchannelLogout, ID: sess.ID + " " + clientID, Data: data,
			DueAt: at, CreatedAt: at, ExpiresAt: at.Add(s.newsLifetime()),
		})
		if err != nil && !errors.Is(err, store.ErrConflict) { // told already
			errs = append(errs, fmt.Errorf("announce the end of a session: %w", err))
		}
	}
	if s.announced != nil {
		s.announced()
	}
	return errors.Join(errs...)
}

// announceEnds is [Service.announceEnd] for all of the user's sessions but one.
func (s *Service) announceEnds(ctx context.Context, userID string, except store.Digest) error {
	var errs []error
	for sess, err := range s.store.UserSessions(ctx, userID) {
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("list sessions: %w", err))
		case sess.Handle != except:
			errs = append(errs, s.announceEnd(ctx, sess))
		}
	}
	return errors.Join(errs...)
}
