package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// open returns an empty store in a file of its own.
func open(tb testing.TB) *sqlitestore.Store {
	tb.Helper()
	return openFile(tb, filepath.Join(tb.TempDir(), "connectid.db"))
}

func openFile(tb testing.TB, path string) *sqlitestore.Store {
	tb.Helper()
	s, err := sqlitestore.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStoreContracts(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}
