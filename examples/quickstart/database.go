package main

import (
	"context"

	"github.com/connectid-kit/connectid/store/memstore"
)

type memory struct{ *memstore.Store }

func (memory) Close() error { return nil }

func openStore(context.Context, string) (closingStore, error) { return memory{memstore.New()}, nil }
