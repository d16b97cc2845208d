package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/connectid-kit/connectid/store"
)

// fault turns what the driver returns into what a store returns: the context's
// error when that has ended, one of the store's, or a fault with the driver's
// words in it.
func fault(ctx context.Context, err error) error {
	switch {
	case err == nil || isAnswer(err):
		return err
	case ctx.Err() != nil: // whatever the driver makes of it
		return ctx.Err()
	case errors.Is(err, sql.ErrNoRows):
		return store.ErrNotFound
	case isUnique(err):
		return store.ErrConflict
	}
	return fmt.Errorf("sqlitestore: %w", err)
}

// isAnswer reports whether err is an answer of the store rather than a fault.
func isAnswer(err error) bool {
	for _, answer := range []error{store.ErrNotFound, store.ErrConflict, store.ErrUsed, store.ErrMismatch, store.ErrRevoked} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// isUnique reports whether a unique key is taken. Only that is a conflict; a
// missing or forbidden value is a fault.
func isUnique(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// isBusy reports whether another connection is in the way.
func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// retryBusy runs f until it is not in another process's way any more, for as
// long as a writer waits. Changing the journal mode and migrating do not wait by
// themselves.
func retryBusy(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(busyTimeout)
	for {
		err := f()
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
