package storetest_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

type lookThenMark struct {
	*mem
	used sync.Map
}

func (s *lookThenMark) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	_, used := s.used.Load(hash)
	runtime.Gosched()
	c, err := s.mem.TakeCode(ctx, hash, clientID)
	if errors.Is(err, store.ErrUsed) && !used {
		err = nil
	}
	if err == nil {
		s.used.Store(hash, true)
	}
	return c, err
}

type anybodysCode struct {
	*mem
	owners sync.Map
}

func (s *anybodysCode) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	s.owners.Store(c.Hash, c.ClientID)
	return s.mem.PutCode(ctx, c)
}

func (s *anybodysCode) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	if owner, ok := s.owners.Load(hash); ok {
		clientID = owner.(string)
	}
	return s.mem.TakeCode(ctx, hash, clientID)
}

type forgetsUsed struct{ *mem }

func (s *forgetsUsed) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	c, err := s.mem.TakeCode(ctx, hash, clientID)
	if errors.Is(err, store.ErrUsed) {
		return store.AuthorizationCode{}, store.ErrNotFound
	}
	return c, err
}

type leavesTokens struct {
	*mem
	tokens sync.Map
}

func (s *leavesTokens) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	err := s.mem.CreateGrant(ctx, g, t)
	if err == nil {
		t.CreatedAt, t.ExpiresAt = t.CreatedAt.UTC(), t.ExpiresAt.UTC()
		s.tokens.Store(t.Hash, t)
	}
	return err
}

func (s *leavesTokens) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	t, err := s.mem.AccessToken(ctx, hash)
	if left, ok := s.tokens.Load(hash); ok && errors.Is(err, store.ErrNotFound) {
		return left.(store.AccessToken), nil
	}
	return t, err
}

func (s *leavesTokens) DeleteAccessToken(ctx context.Context, hash store.Digest) error {
	s.tokens.Delete(hash)
	return s.mem.DeleteAccessToken(ctx, hash)
}

type noTombstone struct{ *mem }

func (s *noTombstone) RevokeGrant(ctx context.Context, id string, _ time.Time) error {
	return s.mem.RevokeGrant(ctx, id, time.Unix(1, 0))
}

type leavesCodes struct {
	*mem
	codes sync.Map
}

func (s *leavesCodes) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	s.codes.Store(c.Hash, c)
	return s.mem.PutCode(ctx, c)
}

func (s *leavesCodes) RevokeUserGrants(ctx context.Context, userID string, until time.Time) (int, error) {
	n, err := s.mem.RevokeUserGrants(ctx, userID, until)
	s.codes.Range(func(_, c any) bool {
		_ = s.mem.PutCode(ctx, c.(store.AuthorizationCode))
		return true
	})
	return n, err
}

type halfGrant struct{ *mem }

func (s *halfGrant) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	first := t
	first.Hash[0] ^= 1
	if err := s.mem.CreateGrant(ctx, g, first); err != nil {
		return err
	}
	_ = s.mem.DeleteAccessToken(ctx, first.Hash)
	return s.PutAccessToken(ctx, t)
}

type blindSwap struct{ *mem }

func (s *blindSwap) SwapSeries(ctx context.Context, r store.Series) error {
	for {
		now, err := s.Series(ctx, r.ID)
		if err != nil {
			return err
		}
		r.Version = now.Version
		if err := s.mem.SwapSeries(ctx, r); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

type dropsField struct{ *mem }

func (s *dropsField) SwapSeries(ctx context.Context, r store.Series) error {
	if old, err := s.Series(ctx, r.ID); err == nil {
		r.KeyID = old.KeyID
	}
	return s.mem.SwapSeries(ctx, r)
}

type ignoresIdle struct {
	*mem
	idle sync.Map
}

func (s *ignoresIdle) CreateSession(ctx context.Context, r store.Session) error {
	idle := r.IdleAt.UTC()
	r.IdleAt = r.ExpiresAt
	err := s.mem.CreateSession(ctx, r)
	if err == nil {
		s.idle.Store(r.Handle, idle)
	}
	return err
}

func (s *ignoresIdle) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	r, err := s.mem.Session(ctx, handle)
	if idle, ok := s.idle.Load(handle); ok && err == nil {
		r.IdleAt = idle.(time.Time)
	}
	return r, err
}

type expiredInTheWay struct {
	*mem
	ids sync.Map
}

func (s *expiredInTheWay) InsertRun(ctx context.Context, r store.Run) error {
	if _, taken := s.ids.Load(r.ID); taken {
		return store.ErrConflict
	}
	err := s.mem.InsertRun(ctx, r)
	if err == nil {
		s.ids.Store(r.ID, true)
	}
	return err
}

type resurrects struct {
	*mem
	ended sync.Map
}

func (s *resurrects) EndSession(ctx context.Context, handle store.Digest) error {
	if r, err := s.Session(ctx, handle); err == nil {
		s.ended.Store(handle, r)
	}
	return s.mem.EndSession(ctx, handle)
}

func (s *resurrects) TouchSession(ctx context.Context, handle store.Digest, usedAt, idleAt time.Time) error {
	err := s.mem.TouchSession(ctx, handle, usedAt, idleAt)
	if r, ok := s.ended.Load(handle); ok && errors.Is(err, store.ErrNotFound) { // "update or insert"
		return s.CreateSession(ctx, r.(store.Session))
	}
	return err
}

type touchesBack struct{ *mem }

func (s *touchesBack) TouchSession(ctx context.Context, handle store.Digest, usedAt, idleAt time.Time) error {
	r, err := s.Session(ctx, handle)
	if err != nil {
		return err
	}
	r.UsedAt, r.IdleAt = usedAt, idleAt
	_ = s.EndSession(ctx, handle)
	return s.CreateSession(ctx, r)
}

type endThenCreate struct{ *mem }

func (s *endThenCreate) ReplaceSession(ctx context.Context, old store.Digest, r store.Session) error {
	if err := s.EndSession(ctx, old); err != nil {
		return err
	}
	runtime.Gosched()
	return s.CreateSession(ctx, r)
}

type zeroIsKey struct{ *mem }

var zeroKey = store.DigestOf("zero")

func (s *zeroIsKey) CreateSession(ctx context.Context, r store.Session) error {
	if r.Check.IsZero() {
		r.Check = zeroKey
	}
	return s.mem.CreateSession(ctx, r)
}

func (s *zeroIsKey) SessionByCheck(ctx context.Context, check store.Digest) (store.Session, error) {
	if check.IsZero() {
		check = zeroKey
	}
	return s.mem.SessionByCheck(ctx, check)
}

type oldestFirst struct{ *mem }

func (s *oldestFirst) UserSessions(ctx context.Context, userID string) iter.Seq2[store.Session, error] {
	return func(yield func(store.Session, error) bool) {
		var all []store.Session
		for r, err := range s.mem.UserSessions(ctx, userID) {
			if err != nil {
				yield(r, err)
				return
			}
			all = append(all, r)
		}
		for _, r := range slices.Backward(all) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

type ignoresContext struct{ *mem }

func (s *ignoresContext) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	return s.mem.Session(context.WithoutCancel(ctx), handle)
}

// looksThenLinks looks whether the person is free, and then inserts.
type looksThenLinks struct{ *mem }

func (s *looksThenLinks) PutDirectoryLink(ctx context.Context, l store.DirectoryLink) error {
	_, err := s.mem.DirectoryUser(ctx, l.Tenant, l.ObjectID)
	runtime.Gosched()
	if put := s.mem.PutDirectoryLink(ctx, l); put == nil || !errors.Is(put, store.ErrConflict) || err == nil {
		return put
	}
	return nil // the look was good enough
}

// perDirectory lets a person be somebody else in another directory.
type perDirectory struct{ *mem }

func (s *perDirectory) PutDirectoryLink(ctx context.Context, l store.DirectoryLink) error {
	err := s.mem.PutDirectoryLink(ctx, l)
	if _, linked := s.mem.DirectoryLink(ctx, l.Directory, l.UserID); errors.Is(err, store.ErrConflict) && linked != nil {
		l.Tenant += " again"
		return s.mem.PutDirectoryLink(ctx, l)
	}
	return err
}
