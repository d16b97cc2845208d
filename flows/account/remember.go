package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// A remember-me cookie is the ID of its series and a token, both base64url:
// 16 + 32 characters. The first token is random. Each next one is derived from
// its predecessor with a kit key, so that all who present one token at the same
// time are given the same successor without any of them storing it readably.
const (
	seriesLen = 16
	tokenLen  = 32
	tokenSize = 24 // bytes
)

func splitCookie(cookie string) (series, token string, ok bool) {
	if len(cookie) != seriesLen+tokenLen {
		return "", "", false
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(cookie); err != nil {
		return "", "", false
	}
	return cookie[:seriesLen], cookie[seriesLen:], true
}

// RememberStart asks to remember a user at a client.
type RememberStart struct {
	UserID   string
	Epoch    int64 // of the user when she proved who she is
	ClientID string
	Agent    string
	Old      string // the browser's present cookie of this client; its series ends
}

// Remember starts a series and returns the value of its cookie: 48 characters.
// [ErrUserGone] as for [Service.StartSession].
func (s *Service) Remember(ctx context.Context, r RememberStart) (cookie string, err error) {
	var b [seriesLen*3/4 + tokenSize]byte
	rand.Read(b[:])
	cookie = base64.RawURLEncoding.EncodeToString(b[:])
	id, token := cookie[:seriesLen], cookie[seriesLen:]
	at := now()
	err = s.store.CreateSeries(ctx, store.Series{
		ID: id, UserID: r.UserID, Epoch: r.Epoch, ClientID: r.ClientID, Agent: r.Agent,
		Current: store.DigestOf(token), KeyID: s.keys.ID(),
		FreshAt: at, CreatedAt: at, UsedAt: at,
		IdleAt: at.Add(s.life.RememberIdle), ExpiresAt: at.Add(s.life.RememberMax),
	})
	if err != nil {
		return "", fmt.Errorf("create series: %w", err)
	}
	err = s.still(ctx, r.UserID, r.Epoch)
	if err == nil {
		err = s.Forget(ctx, r.ClientID, r.Old)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return "", errors.Join(err, s.store.EndSeries(ctx, id))
	}
	return cookie, nil
}

// Recalled is a user who came back by remember-me.
type Recalled struct {
	User   store.User
	Cookie string // the value to set; the same as presented when nothing rotated
	Series store.Series
}

// Recall presents a remember-me cookie of the client. All callers that present
// the same token at once get the same answer, and one successor is stored.
//
// The predecessor of the current token still passes until its successor has
// been presented, plus 30 seconds (two tabs, an aborted navigation). Presented
// later than 30 seconds after its successor was handed out, it gets another one:
// that answer was lost, or somebody else has it. Any older token, and one that
// counts as lost, ends the series: [ErrTheft]. So of two who hold the same cookie
// the second is noticed, whichever of them follows the other. [store.ErrNotFound] for a cookie that is
// damaged, another client's, ended or expired, or whose user is gone, blocked,
// or in another epoch; the cookie can be removed then.
func (s *Service) Recall(ctx context.Context, clientID, cookie string, o Origin) (Recalled, error) {
	var user store.User
	for range maxSwaps {
		series, token, err := s.series(ctx, clientID, cookie)
		if err != nil {
			return Recalled{}, err
		}
		if user.ID != series.UserID {
			user, err = s.User(ctx, series.UserID)
			if err == nil && user.Epoch != series.Epoch {
				err = ErrUserGone // a series that its end has not reached yet
			}
			if errors.Is(err, ErrUserGone) {
				return Recalled{}, errors.Join(store.ErrNotFound, s.store.EndSeries(ctx, series.ID))
			} else if err != nil {
				return Recalled{}, err
			}
		}
		next, answer, ok := s.present(series, token, now())
		if !ok {
			if err := s.store.EndSeries(ctx, series.ID); err != nil {
				return Recalled{}, fmt.Errorf("end stolen series: %w", err)
			}
			s.notify(ctx, Notice{Kind: NoticeRememberTheft, UserID: series.UserID, ClientID: clientID})
			return Recalled{}, ErrTheft
		}
		if next != series {
			if o.Agent != "" {
				next.Agent = o.Agent
			}
			err := s.store.SwapSeries(ctx, next)
			switch {
			case errors.Is(err, store.ErrConflict): // somebody else presented it: look again
				continue
			case err != nil:
				return Recalled{}, fmt.Errorf("swap series: %w", err)
			}
			next.Version++
		}
		return Recalled{User: user, Cookie: series.ID + answer, Series: next}, nil
	}
	return Recalled{}, fmt.Errorf("swap series: %w again and again", store.ErrConflict)
}

// series returns the live series of the client's cookie and the token in it, or
// [store.ErrNotFound].
func (s *Service) series(ctx context.Context, clientID, cookie string) (store.Series, string, error) {
	id, token, ok := splitCookie(cookie)
	if !ok {
		return store.Series{}, "", store.ErrNotFound
	}
	series, err := s.store.Series(ctx, id)
	if err != nil {
		return store.Series{}, "", fmt.Errorf("read series: %w", err)
	}
	t := time.Now()
	if series.ClientID != clientID || !t.Before(series.IdleAt) || !t.Before(series.ExpiresAt) {
		return store.Series{}, "", store.ErrNotFound
	}
	return series, token, nil
}

// present is the rule of rotation. It returns the series as it is after the
// token has been presented, and the token to answer with; false for a token
// that is not valid any more, or never was.
//
//   - The current token is rotated, unless its predecessor's predecessor is
//     still within its grace: three generations never pass at once.
//   - The previous one is answered with the current one, until grace after that
//     has been presented. When that never was, grace after it was handed out for
//     the last time, it is given up for another one.
//   - The one before is answered with the current one too, within its grace.
func (s *Service) present(series store.Series, token string, at time.Time) (store.Series, string, bool) {
	digest, next := store.DigestOf(token), series
	used := func() {
		// An answer that was written down less than a day ago need not be again.
		if at.Sub(series.UsedAt) >= 24*time.Hour || next != series {
			next.UsedAt, next.IdleAt = at, at.Add(s.life.RememberIdle)
		}
	}
	switch {
	case same(digest, series.Current):
		if series.PresentedAt.IsZero() {
			next.PresentedAt = at
		}
		if !series.Older.IsZero() && at.Before(series.OlderUntil) {
			used()
			return next, token, true
		}
		next.Older, next.OlderUntil = series.Previous, next.PresentedAt.Add(s.life.RememberGrace)
		if next.Older.IsZero() {
			next.OlderUntil = time.Time{}
		}
		next.KeyID = s.keys.ID()
		successor := s.derive(next.KeyID, series.ID, token, next.Lost)
		next.Previous, next.Current, next.PresentedAt, next.RotatedAt = digest, store.DigestOf(successor), time.Time{}, at
		used()
		return next, successor, true
	case same(digest, series.Previous):
		if !series.PresentedAt.IsZero() && !at.Before(series.PresentedAt.Add(s.life.RememberGrace)) {
			return series, "", false
		}
		answer := s.successor(series, token, series.Current)
		switch since := at.Sub(series.RotatedAt); {
		case !series.PresentedAt.IsZero(): // it has arrived
		case since >= s.life.RememberGrace:
			next.Lost++
			next.KeyID = s.keys.ID()
			answer = s.derive(next.KeyID, series.ID, token, next.Lost)
			next.Current, next.RotatedAt = store.DigestOf(answer), at
			next.Older, next.OlderUntil = store.Digest{}, time.Time{} // its grace was over before
		case since >= s.life.RememberGrace/3: // handed out once more, which need not be written down each time
			next.RotatedAt = at
		}
		used()
		return next, answer, true
	case same(digest, series.Older) && at.Before(series.OlderUntil):
		used()
		previous := s.successor(series, token, series.Previous)
		return next, s.successor(series, previous, series.Current), true
	}
	return series, "", false
}

// same compares digests; the zero Digest is none.
func same(a, b store.Digest) bool {
	return !b.IsZero() && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// derive returns the successor of a token. lost tells it from those that were
// given up.
func (s *Service) derive(keyID, series, token string, lost int) string {
	d, ok := s.keys.MACWith(keyID, "remember", series, token, strconv.Itoa(lost))
	if !ok {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(d[:tokenSize])
}

// successor returns the token with the digest want, which was derived from the
// given one with one of the ring's keys. (Nothing is given up while three
// generations pass, so their successors have the same count.) When that key is gone the token cannot
// be told any more, and the given one has to do until it ends.
func (s *Service) successor(series store.Series, token string, want store.Digest) string {
	for _, id := range s.keys.IDs() {
		if t := s.derive(id, series.ID, token, series.Lost); same(store.DigestOf(t), want) {
			return t
		}
	}
	return token
}

// Peek returns whose cookie it is without presenting it: nothing is written.
// [store.ErrNotFound] when [Service.Recall] would not let it pass.
func (s *Service) Peek(ctx context.Context, clientID, cookie string) (userID string, err error) {
	series, token, err := s.series(ctx, clientID, cookie)
	if err != nil {
		return "", err
	}
	if _, _, ok := s.present(series, token, now()); !ok {
		return "", store.ErrNotFound
	}
	return series.UserID, nil
}

// Forget ends the series of the client's cookie; no error when there is none.
func (s *Service) Forget(ctx context.Context, clientID, cookie string) error {
	series, _, err := s.series(ctx, clientID, cookie)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := s.store.EndSeries(ctx, series.ID); err != nil {
		return fmt.Errorf("end series: %w", err)
	}
	return nil
}
