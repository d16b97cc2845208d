package main

import (
	"context"
	"io"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// database is a store that is closed at the end.
type database interface {
	store.Store
	io.Closer
}

func openDatabase(ctx context.Context, path string) (database, error) {
	return sqlitestore.Open(ctx, path)
}
