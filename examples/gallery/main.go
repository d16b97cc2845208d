// Command gallery shows every page of the login server in every state, language
// and theme, on a phone and on a desktop.
//
//	go run ./examples/gallery
//	go run ./examples/gallery -folder path/to/my.client
//
// With -folder it shows one client's folder (logo, background, custom.css, …)
// and shows it anew whenever a file in it is saved.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/connectid-kit/connectid/examples/clients"
	"github.com/connectid-kit/connectid/examples/gallery/exhibit"
	"github.com/connectid-kit/connectid/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	folder := flag.String("folder", "", "a client's folder to preview, named by the client ID (default: the demo clients)")
	flag.Parse()

	config := exhibit.Config{Folders: clients.Folders, Clients: exhibit.DemoClients()}
	if *folder != "" {
		path, err := filepath.Abs(*folder)
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return fmt.Errorf("-folder %s is not a folder", *folder)
		}
		id := filepath.Base(path)
		config.Folders = single{id, os.DirFS(filepath.Dir(path))}
		config.Clients = []store.Client{exhibit.ClientLike(id)}
	}
	gallery, err := exhibit.New(config)
	if err != nil {
		return err
	}
	go gallery.Watch(ctx)
	server := &http.Server{
		Addr: *addr, Handler: gallery,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	context.AfterFunc(ctx, func() { server.Close() }) // open pages wait for changes for ever
	log.Printf("gallery at http://%s/", *addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// single is a folder of which only one sub-folder is there.
type single struct {
	name string
	fs.FS
}

// Open opens what is in the one sub-folder.
func (s single) Open(name string) (fs.File, error) {
	if name != "." && name != s.name && !strings.HasPrefix(name, s.name+"/") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return s.FS.Open(name)
}

// ReadDir lists the one sub-folder as all there is.
func (s single) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	if name != "." || err != nil {
		return entries, err
	}
	for _, e := range entries {
		if e.Name() == s.name {
			return []fs.DirEntry{e}, nil
		}
	}
	return nil, nil
}
