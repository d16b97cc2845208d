package connectid

import (
	"io/fs"

	"github.com/connectid-kit/connectid/store"
)

func withFolders(s store.Store, folders fs.FS) (store.Clients, error) { return s, nil }
