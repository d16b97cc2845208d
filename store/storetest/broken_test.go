package storetest_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
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

type stealsCredential struct{ *mem }

func (s *stealsCredential) UpdateUser(ctx context.Context, u store.User) error {
	for _, c := range u.Credentials {
		owner, err := s.UserByCredential(ctx, c.Kind, c.Identity)
		if err != nil || owner.ID == u.ID {
			continue
		}
		owner.Credentials = slices.DeleteFunc(owner.Credentials, func(o store.Credential) bool { return o.Identity == c.Identity })
		_ = s.mem.UpdateUser(ctx, owner)
	}
	return s.mem.UpdateUser(ctx, u)
}

type keepsVersion struct{ *mem }

func (s *keepsVersion) CreateUser(ctx context.Context, u store.User) error {
	err := s.mem.CreateUser(ctx, u)
	if err == nil && u.Version < 100 { // those of other cases are great numbers
		now := u
		for now.Version = 1; now.Version < u.Version; now.Version++ {
			_ = s.UpdateUser(ctx, now)
		}
	}
	return err
}

type shares struct {
	*mem
	mu    sync.Mutex
	users map[string]store.User
}

func (s *shares) User(ctx context.Context, id string) (store.User, error) {
	u, err := s.mem.User(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cached, ok := s.users[id]; ok && err == nil && cached.Version == u.Version {
		return cached, nil
	}
	if s.users == nil {
		s.users = map[string]store.User{}
	}
	s.users[id] = u
	return u, err
}

type ignoresCase struct{ *mem }

func (s *ignoresCase) Client(ctx context.Context, id string) (store.Client, error) {
	for c, err := range s.Clients(ctx) {
		if err != nil {
			return store.Client{}, err
		}
		if strings.EqualFold(c.ID, id) {
			return c, nil
		}
	}
	return s.mem.Client(ctx, id)
}

type dropsFlag struct{ *mem }

func (s *dropsFlag) PutClient(ctx context.Context, c store.Client) error {
	c.MayIntrospect = false
	return s.mem.PutClient(ctx, c)
}

type seconds struct{ *mem }

func (s *seconds) InsertRun(ctx context.Context, r store.Run) error {
	r.CreatedAt = r.CreatedAt.Truncate(time.Second).Add(time.Nanosecond)
	return s.mem.InsertRun(ctx, r)
}

type localTime struct{ *mem }

func (s *localTime) Run(ctx context.Context, id string) (store.Run, error) {
	r, err := s.mem.Run(ctx, id)
	if err == nil {
		r.CreatedAt = r.CreatedAt.In(time.FixedZone("local", 3600))
	}
	return r, err
}

type epoch struct{ *mem }

func (s *epoch) Run(ctx context.Context, id string) (store.Run, error) {
	r, err := s.mem.Run(ctx, id)
	if err == nil && r.FinishedAt.IsZero() {
		r.FinishedAt = time.Unix(0, 0).UTC()
	}
	return r, err
}

type olderPasses struct {
	*mem
	older sync.Map
}

func (s *olderPasses) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	if err := s.mem.PutOneTimeCode(ctx, c); err != nil {
		return err
	}
	c.Key[0] ^= c.MAC[0] | 1
	s.older.Store(c.MAC, c.Key)
	return s.mem.PutOneTimeCode(ctx, c)
}

func (s *olderPasses) TakeOneTimeCode(ctx context.Context, key, mac store.Digest) (store.OneTimeCode, error) {
	c, err := s.mem.TakeOneTimeCode(ctx, key, mac)
	if older, ok := s.older.Load(mac); ok && errors.Is(err, store.ErrMismatch) {
		return s.mem.TakeOneTimeCode(ctx, older.(store.Digest), mac)
	}
	return c, err
}

type burns struct {
	*mem
	codes sync.Map
}

func (s *burns) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	s.codes.Store(c.Key, c.MAC)
	return s.mem.PutOneTimeCode(ctx, c)
}

func (s *burns) TakeOneTimeCode(ctx context.Context, key, mac store.Digest) (store.OneTimeCode, error) {
	c, err := s.mem.TakeOneTimeCode(ctx, key, mac)
	if right, ok := s.codes.Load(key); ok && errors.Is(err, store.ErrMismatch) {
		_, _ = s.mem.TakeOneTimeCode(ctx, key, right.(store.Digest))
	}
	return c, err
}

// ownCounter counts by itself, in one of several wrong ways.
type ownCounter struct {
	*mem
	how    counterFault
	mu     sync.Mutex
	counts map[string]store.Count
}

type counterFault int

const (
	slides counterFault = iota
	loses
	negative
)

func (s *ownCounter) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	if err := ctx.Err(); err != nil {
		return store.Count{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, now := s.counts[key], time.Now()
	running := c.ResetAt.After(now)
	if !running {
		c = store.Count{}
	}
	if s.how == loses {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	c.N += n
	if s.how != negative {
		c.N = max(0, c.N)
	}
	if !running || s.how == slides {
		c.ResetAt = now.Add(window).UTC()
	}
	if running || n > 0 {
		s.counts[key] = c
	}
	return c, nil
}

type sweepsHalf struct{ *mem }

func (s *sweepsHalf) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return s.mem.Sweep(ctx, now, (limit+1)/2)
}

func newOwnCounter(how counterFault) *ownCounter {
	return &ownCounter{mem: memstore.New(), how: how, counts: map[string]store.Count{}}
}
