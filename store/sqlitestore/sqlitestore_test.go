package sqlitestore_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// migrated is the file of an empty store. Under the race detector the migrations take
// longer than most tests, of which there are hundreds.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sqlitestore-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "empty.db")
	s, err := sqlitestore.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// open returns an empty store in a file of its own.
func open(tb testing.TB) *sqlitestore.Store {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "connectid.db")
	empty, err := migrated()
	if err == nil {
		err = os.WriteFile(path, empty, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return openFile(tb, path)
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
