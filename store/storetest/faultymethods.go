package storetest

import (
	"context"
	"iter"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// PutClient implements [store.Clients].
func (f *Faulty) PutClient(ctx context.Context, c store.Client) error {
	return f.do(ctx, "PutClient", func() error { return f.Store.PutClient(ctx, c) })
}

// Client implements [store.Clients].
func (f *Faulty) Client(ctx context.Context, id string) (store.Client, error) {
	return get(ctx, f, "Client", func() (store.Client, error) { return f.Store.Client(ctx, id) })
}

// ClientsByOrigin implements [store.Clients].
func (f *Faulty) ClientsByOrigin(ctx context.Context, origin string) iter.Seq2[store.Client, error] {
	return list(ctx, f, "ClientsByOrigin", f.Store.ClientsByOrigin(ctx, origin))
}

// Clients implements [store.Clients].
func (f *Faulty) Clients(ctx context.Context) iter.Seq2[store.Client, error] {
	return list(ctx, f, "Clients", f.Store.Clients(ctx))
}

// DeleteClient implements [store.Clients].
func (f *Faulty) DeleteClient(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteClient", func() error { return f.Store.DeleteClient(ctx, id) })
}

// CreateUser implements [store.Users].
func (f *Faulty) CreateUser(ctx context.Context, u store.User) error {
	return f.do(ctx, "CreateUser", func() error { return f.Store.CreateUser(ctx, u) })
}

// User implements [store.Users].
func (f *Faulty) User(ctx context.Context, id string) (store.User, error) {
	return get(ctx, f, "User", func() (store.User, error) { return f.Store.User(ctx, id) })
}

// UserByCredential implements [store.Users].
func (f *Faulty) UserByCredential(ctx context.Context, kind store.CredentialKind, identity string) (store.User, error) {
	return get(ctx, f, "UserByCredential", func() (store.User, error) { return f.Store.UserByCredential(ctx, kind, identity) })
}

// UserByTie implements [store.Users].
func (f *Faulty) UserByTie(ctx context.Context, kind store.TieKind, partnerID, number string) (store.User, error) {
	return get(ctx, f, "UserByTie", func() (store.User, error) { return f.Store.UserByTie(ctx, kind, partnerID, number) })
}

// UpdateUser implements [store.Users].
func (f *Faulty) UpdateUser(ctx context.Context, u store.User) error {
	return f.do(ctx, "UpdateUser", func() error { return f.Store.UpdateUser(ctx, u) })
}

// DeleteUser implements [store.Users].
func (f *Faulty) DeleteUser(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteUser", func() error { return f.Store.DeleteUser(ctx, id) })
}

// MergeUsers implements [store.Merges].
func (f *Faulty) MergeUsers(ctx context.Context, m store.Merge, survivor store.User, fn func(context.Context) error) error {
	return f.do(ctx, "MergeUsers", func() error { return f.Store.MergeUsers(ctx, m, survivor, fn) })
}

// UnmergeUsers implements [store.Merges].
func (f *Faulty) UnmergeUsers(ctx context.Context, m store.Merge, survivor, absorbed store.User, fn func(context.Context) error) error {
	return f.do(ctx, "UnmergeUsers", func() error { return f.Store.UnmergeUsers(ctx, m, survivor, absorbed, fn) })
}

// Merge implements [store.Merges].
func (f *Faulty) Merge(ctx context.Context, id string) (store.Merge, error) {
	return get(ctx, f, "Merge", func() (store.Merge, error) { return f.Store.Merge(ctx, id) })
}

// SwapMerge implements [store.Merges].
func (f *Faulty) SwapMerge(ctx context.Context, m store.Merge) error {
	return f.do(ctx, "SwapMerge", func() error { return f.Store.SwapMerge(ctx, m) })
}

// PendingMerges implements [store.Merges].
func (f *Faulty) PendingMerges(ctx context.Context, now time.Time) iter.Seq2[store.Merge, error] {
	return list(ctx, f, "PendingMerges", f.Store.PendingMerges(ctx, now))
}

// UserMerges implements [store.Merges].
func (f *Faulty) UserMerges(ctx context.Context, survivorID string) iter.Seq2[store.Merge, error] {
	return list(ctx, f, "UserMerges", f.Store.UserMerges(ctx, survivorID))
}

// ResolveUser implements [store.Merges].
func (f *Faulty) ResolveUser(ctx context.Context, id string) (store.User, error) {
	return get(ctx, f, "ResolveUser", func() (store.User, error) { return f.Store.ResolveUser(ctx, id) })
}

// CreateSession implements [store.Sessions].
func (f *Faulty) CreateSession(ctx context.Context, s store.Session) error {
	return f.do(ctx, "CreateSession", func() error { return f.Store.CreateSession(ctx, s) })
}

// Session implements [store.Sessions].
func (f *Faulty) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	return get(ctx, f, "Session", func() (store.Session, error) { return f.Store.Session(ctx, handle) })
}

// SessionByCheck implements [store.Sessions].
func (f *Faulty) SessionByCheck(ctx context.Context, check store.Digest) (store.Session, error) {
	return get(ctx, f, "SessionByCheck", func() (store.Session, error) { return f.Store.SessionByCheck(ctx, check) })
}

// TouchSession implements [store.Sessions].
func (f *Faulty) TouchSession(ctx context.Context, handle store.Digest, usedAt, idleAt time.Time) error {
	return f.do(ctx, "TouchSession", func() error { return f.Store.TouchSession(ctx, handle, usedAt, idleAt) })
}

// VisitSession implements [store.Sessions].
func (f *Faulty) VisitSession(ctx context.Context, handle store.Digest, clientID string) error {
	return f.do(ctx, "VisitSession", func() error { return f.Store.VisitSession(ctx, handle, clientID) })
}

// ReplaceSession implements [store.Sessions].
func (f *Faulty) ReplaceSession(ctx context.Context, old store.Digest, s store.Session) error {
	return f.do(ctx, "ReplaceSession", func() error { return f.Store.ReplaceSession(ctx, old, s) })
}

// EndSession implements [store.Sessions].
func (f *Faulty) EndSession(ctx context.Context, handle store.Digest) error {
	return f.do(ctx, "EndSession", func() error { return f.Store.EndSession(ctx, handle) })
}

// EndUserSessions implements [store.Sessions].
func (f *Faulty) EndUserSessions(ctx context.Context, userID string, except store.Digest) (int, error) {
	return get(ctx, f, "EndUserSessions", func() (int, error) { return f.Store.EndUserSessions(ctx, userID, except) })
}

// UserSessions implements [store.Sessions].
func (f *Faulty) UserSessions(ctx context.Context, userID string) iter.Seq2[store.Session, error] {
	return list(ctx, f, "UserSessions", f.Store.UserSessions(ctx, userID))
}

// CreateSeries implements [store.RememberSeries].
func (f *Faulty) CreateSeries(ctx context.Context, s store.Series) error {
	return f.do(ctx, "CreateSeries", func() error { return f.Store.CreateSeries(ctx, s) })
}

// Series implements [store.RememberSeries].
func (f *Faulty) Series(ctx context.Context, id string) (store.Series, error) {
	return get(ctx, f, "Series", func() (store.Series, error) { return f.Store.Series(ctx, id) })
}

// SwapSeries implements [store.RememberSeries].
func (f *Faulty) SwapSeries(ctx context.Context, s store.Series) error {
	return f.do(ctx, "SwapSeries", func() error { return f.Store.SwapSeries(ctx, s) })
}

// EndSeries implements [store.RememberSeries].
func (f *Faulty) EndSeries(ctx context.Context, id string) error {
	return f.do(ctx, "EndSeries", func() error { return f.Store.EndSeries(ctx, id) })
}

// EndUserSeries implements [store.RememberSeries].
func (f *Faulty) EndUserSeries(ctx context.Context, userID string) (int, error) {
	return get(ctx, f, "EndUserSeries", func() (int, error) { return f.Store.EndUserSeries(ctx, userID) })
}

// UserSeries implements [store.RememberSeries].
func (f *Faulty) UserSeries(ctx context.Context, userID string) iter.Seq2[store.Series, error] {
	return list(ctx, f, "UserSeries", f.Store.UserSeries(ctx, userID))
}

// PutOneTimeCode implements [store.OneTimeCodes].
func (f *Faulty) PutOneTimeCode(ctx context.Context, c store.OneTimeCode) error {
	return f.do(ctx, "PutOneTimeCode", func() error { return f.Store.PutOneTimeCode(ctx, c) })
}

// TakeOneTimeCode implements [store.OneTimeCodes].
func (f *Faulty) TakeOneTimeCode(ctx context.Context, key, mac store.Digest) (store.OneTimeCode, error) {
	return get(ctx, f, "TakeOneTimeCode", func() (store.OneTimeCode, error) { return f.Store.TakeOneTimeCode(ctx, key, mac) })
}

// DropOneTimeCodes implements [store.OneTimeCodes].
func (f *Faulty) DropOneTimeCodes(ctx context.Context, kind store.CredentialKind, identity string) error {
	return f.do(ctx, "DropOneTimeCodes", func() error { return f.Store.DropOneTimeCodes(ctx, kind, identity) })
}

// InsertRun implements [store.Runs].
func (f *Faulty) InsertRun(ctx context.Context, r store.Run) error {
	return f.do(ctx, "InsertRun", func() error { return f.Store.InsertRun(ctx, r) })
}

// Run implements [store.Runs].
func (f *Faulty) Run(ctx context.Context, id string) (store.Run, error) {
	return get(ctx, f, "Run", func() (store.Run, error) { return f.Store.Run(ctx, id) })
}

// SwapRun implements [store.Runs].
func (f *Faulty) SwapRun(ctx context.Context, r store.Run) error {
	return f.do(ctx, "SwapRun", func() error { return f.Store.SwapRun(ctx, r) })
}

// PutCode implements [store.Grants].
func (f *Faulty) PutCode(ctx context.Context, c store.AuthorizationCode) error {
	return f.do(ctx, "PutCode", func() error { return f.Store.PutCode(ctx, c) })
}

// TakeCode implements [store.Grants].
func (f *Faulty) TakeCode(ctx context.Context, hash store.Digest, clientID string) (store.AuthorizationCode, error) {
	return get(ctx, f, "TakeCode", func() (store.AuthorizationCode, error) { return f.Store.TakeCode(ctx, hash, clientID) })
}

// CreateGrant implements [store.Grants].
func (f *Faulty) CreateGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	return f.do(ctx, "CreateGrant", func() error { return f.Store.CreateGrant(ctx, g, t) })
}

// Grant implements [store.Grants].
func (f *Faulty) Grant(ctx context.Context, id string) (store.Grant, error) {
	return get(ctx, f, "Grant", func() (store.Grant, error) { return f.Store.Grant(ctx, id) })
}

// SwapGrant implements [store.Grants].
func (f *Faulty) SwapGrant(ctx context.Context, g store.Grant, t store.AccessToken) error {
	return f.do(ctx, "SwapGrant", func() error { return f.Store.SwapGrant(ctx, g, t) })
}

// RevokeGrant implements [store.Grants].
func (f *Faulty) RevokeGrant(ctx context.Context, id string, until time.Time) error {
	return f.do(ctx, "RevokeGrant", func() error { return f.Store.RevokeGrant(ctx, id, until) })
}

// RevokeUserGrants implements [store.Grants].
func (f *Faulty) RevokeUserGrants(ctx context.Context, userID string, until time.Time) (int, error) {
	return get(ctx, f, "RevokeUserGrants", func() (int, error) { return f.Store.RevokeUserGrants(ctx, userID, until) })
}

// RevokeClientGrants implements [store.Grants].
func (f *Faulty) RevokeClientGrants(ctx context.Context, clientID string, until time.Time) (int, error) {
	return get(ctx, f, "RevokeClientGrants", func() (int, error) { return f.Store.RevokeClientGrants(ctx, clientID, until) })
}

// UserGrants implements [store.Grants].
func (f *Faulty) UserGrants(ctx context.Context, userID string) iter.Seq2[store.Grant, error] {
	return list(ctx, f, "UserGrants", f.Store.UserGrants(ctx, userID))
}

// PutAccessToken implements [store.Grants].
func (f *Faulty) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	return f.do(ctx, "PutAccessToken", func() error { return f.Store.PutAccessToken(ctx, t) })
}

// AccessToken implements [store.Grants].
func (f *Faulty) AccessToken(ctx context.Context, hash store.Digest) (store.AccessToken, error) {
	return get(ctx, f, "AccessToken", func() (store.AccessToken, error) { return f.Store.AccessToken(ctx, hash) })
}

// DeleteAccessToken implements [store.Grants].
func (f *Faulty) DeleteAccessToken(ctx context.Context, hash store.Digest) error {
	return f.do(ctx, "DeleteAccessToken", func() error { return f.Store.DeleteAccessToken(ctx, hash) })
}

// Add implements [store.Counters].
func (f *Faulty) Add(ctx context.Context, key string, n int, window time.Duration) (store.Count, error) {
	return get(ctx, f, "Add", func() (store.Count, error) { return f.Store.Add(ctx, key, n, window) })
}

// PutDirectoryLink implements [store.DirectoryLinks].
func (f *Faulty) PutDirectoryLink(ctx context.Context, l store.DirectoryLink) error {
	return f.do(ctx, "PutDirectoryLink", func() error { return f.Store.PutDirectoryLink(ctx, l) })
}

// DirectoryLink implements [store.DirectoryLinks].
func (f *Faulty) DirectoryLink(ctx context.Context, directory, userID string) (store.DirectoryLink, error) {
	return get(ctx, f, "DirectoryLink", func() (store.DirectoryLink, error) { return f.Store.DirectoryLink(ctx, directory, userID) })
}

// DirectoryLinks implements [store.DirectoryLinks].
func (f *Faulty) DirectoryLinks(ctx context.Context, userID string) iter.Seq2[store.DirectoryLink, error] {
	return list(ctx, f, "DirectoryLinks", f.Store.DirectoryLinks(ctx, userID))
}

// DirectoryUser implements [store.DirectoryLinks].
func (f *Faulty) DirectoryUser(ctx context.Context, tenant, objectID string) (string, error) {
	return get(ctx, f, "DirectoryUser", func() (string, error) { return f.Store.DirectoryUser(ctx, tenant, objectID) })
}

// DeleteDirectoryLink implements [store.DirectoryLinks].
func (f *Faulty) DeleteDirectoryLink(ctx context.Context, directory, userID string) error {
	return f.do(ctx, "DeleteDirectoryLink", func() error { return f.Store.DeleteDirectoryLink(ctx, directory, userID) })
}

// DeleteUserDirectoryLinks implements [store.DirectoryLinks].
func (f *Faulty) DeleteUserDirectoryLinks(ctx context.Context, userID string) (int, error) {
	return get(ctx, f, "DeleteUserDirectoryLinks", func() (int, error) { return f.Store.DeleteUserDirectoryLinks(ctx, userID) })
}
