package gui

import (
	"sync"

	"github.com/connectid-kit/connectid/store"
)

// openedCookies remembers what sealed session cookies hold, as a reader's browser
// sends the same one with every request and opening it is half the work of a
// login check. It says that we sealed a value, never that the session is live:
// that is asked of the store each time, which also keeps the bounds of its age.
// The zero value is ready, and safe for concurrent use.
type openedCookies struct {
	mu sync.RWMutex
	m  map[string]store.Digest // handles by sealed value
}

const maxOpened = 8192 // a full one is emptied: about 2 MB

func (o *openedCookies) get(sealed string) (handle store.Digest, ok bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	handle, ok = o.m[sealed]
	return handle, ok
}

func (o *openedCookies) put(sealed string, handle store.Digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil || len(o.m) >= maxOpened {
		o.m = map[string]store.Digest{}
	}
	o.m[sealed] = handle
}
