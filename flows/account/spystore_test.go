package account_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// errDown is what a store that is down says.
var errDown = errors.New("the store is down")

// spyStore writes down which calls reach the store, and fails from the call
// that it is told to.
type spyStore struct {
	account.Store

	mu     sync.Mutex
	calls  []string
	failAt int  // the call that fails, counted from 1; 0 for none
	after  bool // fails after the call has been done, as a lost answer does
	once   bool // fails at that call alone

	cost func(call string) time.Duration // how long each call keeps a processor busy; nil for no time
}

func (s *spyStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.failAt = nil, 0
}

func (s *spyStore) saw(call string) (fail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if s.cost != nil {
		for end := time.Now().Add(s.cost(call)); time.Now().Before(end); {
		}
	}
	return s.failAt > 0 && (len(s.calls) == s.failAt || len(s.calls) > s.failAt && !s.once)
}

// do is one call; with after it fails once it has happened.
func (s *spyStore) do(call string, f func() error) error {
	if !s.saw(call) {
		return f()
	}
	if s.after {
		f()
	}
	return errDown
}

func get[T any](s *spyStore, call string, f func() (T, error)) (T, error) {
	var v T
	err := s.do(call, func() (err error) { v, err = f(); return err })
	if errors.Is(err, errDown) {
		var none T
		return none, err
	}
	return v, err
}

func (s *spyStore) CreateUser(ctx context.Context, u store.User) error {
	return s.do("CreateUser", func() error { return s.Store.CreateUser(ctx, u) })
}

func (s *spyStore) User(ctx context.Context, id string) (store.User, error) {
	return get(s, "User", func() (store.User, error) { return s.Store.User(ctx, id) })
}

func (s *spyStore) UserByCredential(ctx context.Context, k store.CredentialKind, id string) (store.User, error) {
	return get(s, "UserByCredential", func() (store.User, error) { return s.Store.UserByCredential(ctx, k, id) })
}

func (s *spyStore) UpdateUser(ctx context.Context, u store.User) error {
	return s.do("UpdateUser", func() error { return s.Store.UpdateUser(ctx, u) })
}

func (s *spyStore) CreateSession(ctx context.Context, x store.Session) error {
	return s.do("CreateSession", func() error { return s.Store.CreateSession(ctx, x) })
}

func (s *spyStore) ReplaceSession(ctx context.Context, old store.Digest, x store.Session) error {
	return s.do("ReplaceSession", func() error { return s.Store.ReplaceSession(ctx, old, x) })
}

func (s *spyStore) Session(ctx context.Context, h store.Digest) (store.Session, error) {
	return get(s, "Session", func() (store.Session, error) { return s.Store.Session(ctx, h) })
}

func (s *spyStore) SessionByCheck(ctx context.Context, h store.Digest) (store.Session, error) {
	return get(s, "SessionByCheck", func() (store.Session, error) { return s.Store.SessionByCheck(ctx, h) })
}

func (s *spyStore) TouchSession(ctx context.Context, h store.Digest, used, idle time.Time) error {
	return s.do("TouchSession", func() error { return s.Store.TouchSession(ctx, h, used, idle) })
}

func (s *spyStore) EndSession(ctx context.Context, h store.Digest) error {
	return s.do("EndSession", func() error { return s.Store.EndSession(ctx, h) })
}

func (s *spyStore) EndUserSessions(ctx context.Context, id string, except store.Digest) (int, error) {
	return get(s, "EndUserSessions", func() (int, error) { return s.Store.EndUserSessions(ctx, id, except) })
}

func (s *spyStore) CreateSeries(ctx context.Context, x store.Series) error {
	return s.do("CreateSeries", func() error { return s.Store.CreateSeries(ctx, x) })
}

func (s *spyStore) Series(ctx context.Context, id string) (store.Series, error) {
	return get(s, "Series", func() (store.Series, error) { return s.Store.Series(ctx, id) })
}

func (s *spyStore) SwapSeries(ctx context.Context, x store.Series) error {
	return s.do("SwapSeries", func() error { return s.Store.SwapSeries(ctx, x) })
}

func (s *spyStore) EndSeries(ctx context.Context, id string) error {
	return s.do("EndSeries", func() error { return s.Store.EndSeries(ctx, id) })
}

func (s *spyStore) EndUserSeries(ctx context.Context, id string) (int, error) {
	return get(s, "EndUserSeries", func() (int, error) { return s.Store.EndUserSeries(ctx, id) })
}

func (s *spyStore) RevokeUserGrants(ctx context.Context, id string, until time.Time) (int, error) {
	return get(s, "RevokeUserGrants", func() (int, error) { return s.Store.RevokeUserGrants(ctx, id, until) })
}

func (s *spyStore) DropUserTickets(ctx context.Context, id string) (int, error) {
	return get(s, "DropUserTickets", func() (int, error) { return s.Store.DropUserTickets(ctx, id) })
}

func (s *spyStore) DeleteUserConsents(ctx context.Context, id string) (int, error) {
	return get(s, "DeleteUserConsents", func() (int, error) { return s.Store.DeleteUserConsents(ctx, id) })
}

func (s *spyStore) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	return s.do("PutOneTimeCode", func() error { return s.Store.PutOneTimeCode(ctx, c) })
}

func (s *spyStore) TakeOneTimeCode(ctx context.Context, key, mac store.Digest) (store.OneTimeCode, error) {
	return get(s, "TakeOneTimeCode", func() (store.OneTimeCode, error) { return s.Store.TakeOneTimeCode(ctx, key, mac) })
}

func (s *spyStore) DropOneTimeCodes(ctx context.Context, k store.CredentialKind, id string) error {
	return s.do("DropOneTimeCodes", func() error { return s.Store.DropOneTimeCodes(ctx, k, id) })
}

func (s *spyStore) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	call := "Add"
	if n < 0 {
		call = "GiveBack"
	}
	return get(s, call, func() (store.Count, error) { return s.Store.Add(ctx, key, n, window) })
}

// lateStore returns a session and a series whatever their age.
type lateStore struct {
	account.Store
	session store.Session
	series  store.Series
}

func (s *lateStore) Session(context.Context, store.Digest) (store.Session, error) {
	return s.session, nil
}

func (s *lateStore) SessionByCheck(context.Context, store.Digest) (store.Session, error) {
	return s.session, nil
}

func (s *lateStore) Series(context.Context, string) (store.Series, error) { return s.series, nil }

func (s *spyStore) MergeUsers(ctx context.Context, m store.Merge, u store.User, fn func(context.Context) error) error {
	return s.do("MergeUsers", func() error { return s.Store.MergeUsers(ctx, m, u, fn) })
}

func (s *spyStore) UnmergeUsers(ctx context.Context, m store.Merge, u, absorbed store.User, fn func(context.Context) error) error {
	return s.do("UnmergeUsers", func() error { return s.Store.UnmergeUsers(ctx, m, u, absorbed, fn) })
}

func (s *spyStore) Merge(ctx context.Context, id string) (store.Merge, error) {
	return get(s, "Merge", func() (store.Merge, error) { return s.Store.Merge(ctx, id) })
}

func (s *spyStore) SwapMerge(ctx context.Context, m store.Merge) error {
	return s.do("SwapMerge", func() error { return s.Store.SwapMerge(ctx, m) })
}

func (s *spyStore) ResolveUser(ctx context.Context, id string) (store.User, error) {
	return get(s, "ResolveUser", func() (store.User, error) { return s.Store.ResolveUser(ctx, id) })
}
