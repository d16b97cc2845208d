package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Merge is the record of two accounts that became one: what is needed to finish
// it and to undo it. It holds both as they were, so it ends; that the absorbed
// ID leads to the survivor does not end with it.
type Merge struct {
	ID       string
	Version  int64  // see [Merges.SwapMerge]
	ClientID string // at which it was done
	Survivor string // the ID that stays
	Absorbed string // the ID that leads to it from then on
	Before   User   // the survivor as it was
	Taken    User   // the absorbed account as it was
	// Hosted says that the host's own rows were moved along.
	Hosted bool
	// Links are those of the absorbed account with company directories, which
	// moved along.
	Links []DirectoryLink
	// Owed are the credentials whose owners have yet to be told.
	Owed     []Credential
	MergedAt time.Time
	// SettleAt is when what follows is tried again; zero when all is done.
	SettleAt time.Time
	// EndedAt is when sessions, series and grants were last ended after the step.
	EndedAt   time.Time
	UndoUntil time.Time // zero: it can not be undone
	UndoneAt  time.Time // zero: it stands
	ExpiresAt time.Time
}

// Merges makes two accounts one, and two again. It is kept by the backend of
// [Users], as both change in one step.
//
// fn is the caller's share of that step; it may be nil. It is called when all
// else of the step has gone well, and not at all when the method fails with
// ErrConflict or ErrNotFound. Its context is the method's, in which a backend
// with transactions puts its own, for fn to take part in. An error of fn, or a
// context that has ended when it returns, undoes the step; that error is
// returned. While fn runs, nobody sees anything of the step, and whoever wants
// to change an account waits.
type Merges interface {
	// MergeUsers replaces the survivor as UpdateUser would, removes the user
	// m.Absorbed, whose stored version has to be m.Taken.Version, and stores m
	// with Version 1, in one step. The ID and the Number of the absorbed user
	// stay taken.
	// ErrConflict when a version differs, when a third user has one of the
	// survivor's credentials, when m.ID is taken, and for a user who would absorb
	// herself; ErrNotFound when there is no such survivor or absorbed user.
	MergeUsers(ctx context.Context, m Merge, survivor User, fn func(context.Context) error) error
	// UnmergeUsers replaces the survivor as UpdateUser would, inserts the absorbed
	// user with her old ID and Number and the next of absorbed.Version, and
	// swaps m as SwapMerge would, in one step. The survivor may be another than
	// m.Survivor, when that one has been absorbed since.
	// ErrConflict when the version of m or of the survivor differs, when another
	// user has one of the credentials, and when absorbed is not the user whom m
	// absorbed, or no longer leads anywhere; ErrNotFound when there is no live
	// merge or no survivor.
	UnmergeUsers(ctx context.Context, m Merge, survivor, absorbed User, fn func(context.Context) error) error

	// Merge returns the live merge with the given ID, or ErrNotFound.
	Merge(ctx context.Context, id string) (Merge, error)
	// SwapMerge replaces the merge if m.Version is the stored one, and stores it
	// with the next Version; ErrConflict when another version is stored,
	// ErrNotFound when there is no live merge with that ID. Of many concurrent
	// callers with one version exactly one succeeds. ID, Survivor and Absorbed
	// never change.
	SwapMerge(ctx context.Context, m Merge) error
	// PendingMerges lists live merges whose SettleAt is set and not after now.
	PendingMerges(ctx context.Context, now time.Time) iter.Seq2[Merge, error]
	// UserMerges lists the live merges by which the user absorbed others, the
	// newest first.
	UserMerges(ctx context.Context, survivorID string) iter.Seq2[Merge, error]
	// ResolveUser returns the user with the given ID, or the one who has absorbed
	// her, however many merges ago, in one consistent look; ErrNotFound when
	// there is neither.
	ResolveUser(ctx context.Context, id string) (User, error)
}

// ResolveUser returns the user with the given ID, or the one who has absorbed
// her, from a store that keeps merges; from any other it returns the user alone.
func ResolveUser(ctx context.Context, s Users, id string) (User, error) {
	u, err := s.User(ctx, id)
	if m, ok := s.(Merges); ok && errors.Is(err, ErrNotFound) {
		return m.ResolveUser(ctx, id)
	}
	return u, err
}
