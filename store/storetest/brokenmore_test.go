package storetest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

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
