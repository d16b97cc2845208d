package memstore_test

import (
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

func TestStoreContracts(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
}
