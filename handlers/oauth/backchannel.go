package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
)

const (
	// logoutTimeout bounds one call of a client.
	logoutTimeout = 5 * time.Second
	// logoutClaim is for how long nobody else tries a delivery.
	logoutClaim = 30 * time.Second
	// logoutWorkers is how many clients are told at once, so that one that hangs
	// holds up no other.
	logoutWorkers = 8
	// logoutPoll is how often the outbox is looked into without being asked to:
	// for what another node queued, and for what has to be tried again.
	logoutPoll = 10 * time.Second
	// logoutPause is the longest pause between two attempts.
	logoutPause = 10 * time.Minute
	// logoutSlow is how long an attempt may fail before its client is given a rest.
	logoutSlow = time.Second
)

// logoutEvent is the member of events in a logout token (OpenID Connect
// Back-Channel Logout 1.0, section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// newLogoutClient returns the HTTP client that tells clients of logouts. It
// follows no redirect: the token is for the registered address alone.
func newLogoutClient() *http.Client {
	return &http.Client{
		Timeout:       logoutTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// WakeLogouts says that there may be a logout to deliver. It never blocks.
func (s *Server) WakeLogouts() {
	select {
	case s.wake <- struct{}{}:
	default: // somebody is about to look
	}
}

// DeliverLogouts tells clients of sessions that have ended (OpenID Connect
// Back-Channel Logout 1.0), again and again until they have taken it or a session
// would be over in any case. Any number of nodes may run it. It returns when the
// context ends, with its error.
func (s *Server) DeliverLogouts(ctx context.Context) error {
	slots := make(chan struct{}, logoutWorkers)
	var under sync.WaitGroup
	defer under.Wait()
	for {
		for {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			now := time.Now()
			d, err := s.config.Outbox.ClaimDelivery(ctx, store.BackchannelLogout, now, now.Add(logoutClaim))
			if err != nil {
				<-slots
				if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
					s.log.WarnContext(ctx, "the outbox of logouts can not be read", "err", err)
				}
				break
			}
			under.Go(func() {
				defer func() { <-slots }()
				s.deliverLogout(ctx, d)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-time.After(logoutPoll):
		}
	}
}

// deliverLogout makes one attempt.
func (s *Server) deliverLogout(ctx context.Context, d store.Delivery) {
	done, err := s.tellLogout(ctx, d)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Timeout)
	defer cancel()
	if done {
		err = errors.Join(err, s.config.Outbox.FinishDelivery(ctx, d.Kind, d.ID))
	} else {
		due := time.Now().Add(logoutPauseAfter(d.Attempts))
		if rest, ok := errors.AsType[*restError](err); ok {
			err = nil // has been said of the attempt for which the client is given a rest
			if rest.until.After(due) {
				due = rest.until
			}
		}
		err = errors.Join(err, s.config.Outbox.RetryDelivery(ctx, d.Kind, d.ID, d.Attempts, due))
	}
	if err != nil {
		s.log.WarnContext(ctx, "a client was not told of a logout", "delivery", d.ID, "attempt", d.Attempts, "again", !done, "err", err)
	}
}

// logoutPauseAfter is the pause after that many attempts.
func logoutPauseAfter(attempts int) time.Duration {
	return min(logoutPause, time.Second<<min(attempts, 16))
}

// rests are the clients that were slow to fail. While one rests nobody calls it, and
// then one at a time does, so that those that hang leave the workers to the others,
// however many logouts they are to be told of.
type rests struct {
	mu   sync.Mutex
	slow map[string]*rest // by client
}

type rest struct {
	attempts int
	until    time.Time
	trying   bool // somebody calls
}

// restError says that a client is not called now.
type restError struct{ until time.Time }

func (e *restError) Error() string { return "the client rests" }

// begin returns a [*restError] when the client is not to be called.
func (r *rests) begin(clientID string) error {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c := r.slow[clientID]; {
	case c == nil:
	case now.Before(c.until):
		return &restError{c.until}
	case c.trying:
		return &restError{now.Add(logoutTimeout)}
	default:
		c.trying = true
	}
	return nil
}

// end notes what came of a call.
func (r *rests) end(clientID string, slow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.slow[clientID]
	switch {
	case !slow:
		delete(r.slow, clientID)
		return
	case c == nil:
		c = &rest{}
		r.slow[clientID] = c
	case !c.trying:
		return // called at the same time as the one that was noted
	}
	c.attempts++
	c.until, c.trying = time.Now().Add(logoutPauseAfter(c.attempts)), false
}

// tellLogout posts a logout token to the client. done says that nobody has to try
// again: the client has taken it, or does not want it any more.
func (s *Server) tellLogout(ctx context.Context, d store.Delivery) (done bool, err error) {
	news, err := account.ParseLogoutNews(d.Data)
	if err != nil {
		return true, err
	}
	c, err := store.SharedClient(ctx, s.config.Clients, news.ClientID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("find the client: %w", err)
	case c.Disabled || c.BackchannelLogoutURI == "":
		return true, nil
	}
	// Section 2.2. A query is kept.
	if u, err := url.Parse(c.BackchannelLogoutURI); err != nil || !u.IsAbs() || u.Host == "" || strings.Contains(c.BackchannelLogoutURI, "#") {
		return true, fmt.Errorf("bad BackchannelLogoutURI of %s: want an absolute URL without a fragment", c.ID)
	}
	if err := s.rests.begin(c.ID); err != nil {
		return false, err
	}
	begun := time.Now()
	defer func() { s.rests.end(c.ID, !done && time.Since(begun) >= logoutSlow) }()
	token, err := s.logoutToken(ctx, c, news)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackchannelLogoutURI, body)
	if err != nil {
		return true, fmt.Errorf("bad BackchannelLogoutURI: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.config.LogoutClient.Do(req)
	if err != nil {
		return false, fmt.Errorf("tell %s: %w", c.ID, err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return false, fmt.Errorf("tell %s: it answers %s", c.ID, resp.Status)
	}
	return true, nil
}

// logoutToken returns the token of OpenID Connect Back-Channel Logout 1.0, section
// 2.4. It lives for two minutes, as section 4 advises, and is made anew for each
// attempt; it has no nonce, so that it is no ID token.
func (s *Server) logoutToken(ctx context.Context, c *store.Client, news account.LogoutNews) (string, error) {
	now := time.Now()
	alg, err := signing.Alg(c)
	if err != nil {
		return "", err
	}
	token, err := s.config.Signer.Sign(ctx, signing.LogoutToken, alg, map[string]any{
		"iss":    s.config.Issuer,
		"sub":    news.UserID,
		"aud":    c.ID,
		"iat":    now.Unix(),
		"exp":    now.Add(2 * time.Minute).Unix(),
		"jti":    randomToken(),
		"events": map[string]any{logoutEvent: struct{}{}},
		"sid":    news.SessionID,
	})
	if err != nil {
		return "", fmt.Errorf("sign a logout token: %w", err)
	}
	return token, nil
}
