package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// Device is a place where a user is logged in: a session, or a remember-me
// series, which logs in by itself.
type Device struct {
	// Key names the device to [Service.EndDevice]. It is a MAC that means nothing
	// to anybody else; what the store keys the record by stays here.
	Key        string
	Agent      string // a short name of the browser, or ""
	Remembered bool   // a series
	ClientID   string // where it began
	ClientName string
	CreatedAt  time.Time
	UsedAt     time.Time
	EndsAt     time.Time // when not used before
	Current    bool      // the one that asks
	Clients    []string  // that are told when a session ends
}

// Here is the browser that asks.
type Here struct {
	Session  store.Digest // the handle of its session
	ClientID string
	Remember string // its rememberMeCookie of that client, or ""
}

// Devices lists where the user is logged in: sessions, then series, the newest
// first.
func (s *Service) Devices(ctx context.Context, userID string, here Here) ([]Device, error) {
	var all []Device
	t := time.Now()
	names := s.clientNames()
	for sess, err := range s.store.UserSessions(ctx, userID) {
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		if _, err := live(sess, nil); err != nil {
			continue
		}
		all = append(all, Device{
			Key: s.deviceKey(s.keys.ID(), userID, "session", sess.Handle.String()), Agent: sess.Agent,
			ClientID: sess.ClientID, CreatedAt: sess.CreatedAt, UsedAt: sess.UsedAt, EndsAt: earlier(sess.IdleAt, sess.ExpiresAt),
			Current: same(sess.Handle, here.Session), Clients: sess.Clients,
		})
	}
	own, err := s.ownSeries(ctx, here)
	if err != nil {
		return nil, err
	}
	for series, err := range s.store.UserSeries(ctx, userID) {
		if err != nil {
			return nil, fmt.Errorf("list series: %w", err)
		}
		if !t.Before(series.IdleAt) || !t.Before(series.ExpiresAt) {
			continue
		}
		all = append(all, Device{
			Key: s.deviceKey(s.keys.ID(), userID, "series", series.ID), Agent: series.Agent, Remembered: true,
			ClientID: series.ClientID, CreatedAt: series.CreatedAt, UsedAt: series.UsedAt, EndsAt: earlier(series.IdleAt, series.ExpiresAt),
			Current: series.ID == own,
		})
	}
	for i := range all {
		var err error
		if all[i].ClientName, err = names(ctx, all[i].ClientID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *Service) deviceKey(keyID, userID, kind, id string) string {
	d, _ := s.keys.MACWith(keyID, "device in a form", userID, kind, id)
	return keys.Token(d)
}

// Owner returns what names the user in a form, so that a page that was made for
// one user does nothing to another's account.
func (s *Service) Owner(userID string) string { return s.owner(s.keys.ID(), userID) }

func (s *Service) owner(keyID, userID string) string {
	d, _ := s.keys.MACWith(keyID, "owner of a form", userID)
	return keys.Token(d)
}

// IsOwner reports whether the form was made for the user.
func (s *Service) IsOwner(userID, owner string) bool {
	for _, id := range s.keys.IDs() {
		if owner != "" && s.owner(id, userID) == owner {
			return true
		}
	}
	return false
}

// ownSeries returns the ID of the series of the browser that asks, or "".
func (s *Service) ownSeries(ctx context.Context, here Here) (string, error) {
	series, token, err := s.series(ctx, here.ClientID, here.Remember)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if _, _, ok := s.present(series, token, now()); !ok {
		return "", nil // a stolen one is not marked, and not spared
	}
	return series.ID, nil
}

// EndDevice ends the user's session or series with the key of [Device]. It is no
// error when there is none (any more).
func (s *Service) EndDevice(ctx context.Context, userID, key string) error {
	is := func(kind, id string) bool {
		for _, k := range s.keys.IDs() {
			if s.deviceKey(k, userID, kind, id) == key {
				return true
			}
		}
		return false
	}
	var session store.Digest
	for sess, err := range s.store.UserSessions(ctx, userID) {
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		if is("session", sess.Handle.String()) {
			session = sess.Handle
		}
	}
	if !session.IsZero() {
		return s.EndSession(ctx, session)
	}
	var ended string
	for series, err := range s.store.UserSeries(ctx, userID) {
		if err != nil {
			return fmt.Errorf("list series: %w", err)
		}
		if is("series", series.ID) {
			ended = series.ID
		}
	}
	if ended == "" {
		return nil
	}
	if err := s.store.EndSeries(ctx, ended); err != nil {
		return fmt.Errorf("end series: %w", err)
	}
	return nil
}

// EndOtherDevices ends all of the user's sessions and series but those of the
// browser that asks.
func (s *Service) EndOtherDevices(ctx context.Context, userID string, here Here) error {
	own, err := s.ownSeries(ctx, here)
	if err != nil {
		return err
	}
	var others []string
	for series, err := range s.store.UserSeries(ctx, userID) {
		if err != nil {
			return fmt.Errorf("list series: %w", err)
		}
		if series.ID != own {
			others = append(others, series.ID)
		}
	}
	var errs []error
	for _, id := range others { // before the sessions, which they could make anew
		errs = append(errs, s.store.EndSeries(ctx, id))
	}
	errs = append(errs, s.announceEnds(ctx, userID, here.Session))
	_, err = s.store.EndUserSessions(ctx, userID, here.Session)
	if err := errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("end other devices: %w", err)
	}
	return nil
}

// clientNames returns a function that tells the name of a client, or its ID when
// it has none or is unknown, and asks the store once for each.
func (s *Service) clientNames() func(ctx context.Context, id string) (string, error) {
	known := map[string]string{}
	return func(ctx context.Context, id string) (string, error) {
		if name, ok := known[id]; ok {
			return name, nil
		}
		name := id
		if s.clients != nil {
			c, err := store.SharedClient(ctx, s.clients, id)
			switch {
			case errors.Is(err, store.ErrNotFound):
			case err != nil:
				return "", fmt.Errorf("read client: %w", err)
			case c.Name != "":
				name = c.Name
			}
		}
		known[id] = name
		return name, nil
	}
}
