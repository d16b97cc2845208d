package exhibit

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"
)

// changes tells open pages that something has changed, by server-sent events.
type changes struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next change
}

func newChanges() *changes { return &changes{next: make(chan struct{})} }

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.next)
	c.next = make(chan struct{})
}

func (c *changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

func (c *changes) serve(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		next := c.wait()
		if _, err := fmt.Fprint(w, ": open\n\n"); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-next:
			if _, err := fmt.Fprint(w, "data: changed\n\n"); err != nil {
				return
			}
		}
	}
}

// Watch calls [Gallery.Reload] when a file of the folders has been saved, until
// ctx ends. It looks twice a second: a client's folder is small, and every
// editor's way of saving is seen.
func (g *Gallery) Watch(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	last := g.stamp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if now := g.stamp(); now != last {
				last = now
				g.Reload()
			}
		}
	}
}

// stamp changes when a file is saved, added or removed.
func (g *Gallery) stamp() string {
	var stamp string
	err := fs.WalkDir(g.config.Folders, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stamp += fmt.Sprintf("%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return stamp
}
