package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// over opens a store in the file with settings that Open would not make.
func over(t *testing.T, file, query string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.New(t.Context(), rawDB(t, file, query))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestReadOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	first, r := openFile(t, file), session()
	must(t, first.CreateSession(t.Context(), r))
	s := over(t, file, "?_pragma=query_only(1)")
	if _, err := s.Session(t.Context(), r.Handle); err != nil {
		t.Errorf("Session of a read-only file: %v", err)
	}
	for name, err := range map[string]error{
		"CreateSession": s.CreateSession(t.Context(), session()),
		"EndSession":    s.EndSession(t.Context(), r.Handle),
		"RevokeGrant":   s.RevokeGrant(t.Context(), "grant", time.Now().Add(time.Hour)),
		"Ping":          s.Ping(t.Context()),
	} {
		if err == nil || isAnswer(err) {
			t.Errorf("%s of a read-only file: %v, want a fault", name, err)
		}
	}
	if _, err := first.Session(t.Context(), r.Handle); err != nil {
		t.Errorf("Session after a write that failed: %v", err)
	}
}

func isAnswer(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrRevoked)
}

// TestDiskFull fills a file that may not grow, sees faults and nothing else, and
// goes on when there is room again.
func TestDiskFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	openFile(t, file)
	s := over(t, file, "?_pragma=max_page_count(120)")
	run := func(i int) store.Run {
		return store.Run{ID: fmt.Sprint("run ", i), Data: make([]byte, 8<<10), ExpiresAt: time.Now().Add(time.Hour)}
	}
	var wg sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		wg.Go(func() { errs[i] = s.InsertRun(t.Context(), run(i)) })
	}
	wg.Wait()
	full := 0
	for i, err := range errs {
		_, found := s.Run(t.Context(), run(i).ID)
		switch {
		case err == nil && found != nil:
			t.Errorf("run %d was acknowledged: %v", i, found)
		case err != nil && !errors.Is(found, store.ErrNotFound):
			t.Errorf("run %d was refused, and is there: %v", i, found)
		case err != nil:
			if full++; isAnswer(err) || !strings.Contains(err.Error(), "full") {
				t.Errorf("run %d: %v, want that the disk is full", i, err)
			}
		}
	}
	if full == 0 || full == len(errs) {
		t.Fatalf("%d of %d writes found the disk full, want some", full, len(errs))
	}
	// Removing still works on a full disk, and makes room.
	if n, err := s.Sweep(t.Context(), time.Now().Add(2*time.Hour), 1000); err != nil || n != len(errs)-full {
		t.Errorf("Sweep = %d, %v, want %d", n, err, len(errs)-full)
	}
	if err := s.InsertRun(t.Context(), run(1000)); err != nil {
		t.Errorf("InsertRun with room again: %v", err)
	}
}

// A write that fails for a reason of its own takes no other of its group along.
func TestGroupOutlivesAFault(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			r := session()
			if i%10 == 0 {
				r.Handle = store.Digest{} // the schema refuses it
			}
			if err := s.CreateSession(t.Context(), r); (err != nil) != (i%10 == 0) {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, err := range s.UserSessions(t.Context(), "user") {
		must(t, err)
		n++
	}
	if n != 180 {
		t.Errorf("%d sessions, want 180", n)
	}
}

// Another process that holds the lock delays a write; a caller that will not wait
// for so long gets its context's error, and its write never happens.
func TestLockedByOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	s := openFile(t, file)
	conn, err := rawDB(t, file, "").Conn(t.Context())
	must(t, err)
	exec := func(query string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), query)
		must(t, err)
	}
	exec("BEGIN IMMEDIATE")
	patient, hasty := session(), session()
	done := make(chan error)
	go func() { done <- s.CreateSession(t.Context(), patient) }()
	time.Sleep(20 * time.Millisecond) // the writer is waiting for the lock now
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.CreateSession(ctx, hasty); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CreateSession of a hasty caller: %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := s.Session(t.Context(), patient.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("reading beside a lock: %v, want %v", err, store.ErrNotFound)
	}
	exec("COMMIT")
	if err := <-done; err != nil {
		t.Errorf("CreateSession of a patient caller: %v", err)
	}
	if _, err := s.Session(t.Context(), hasty.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the hasty caller's session: %v, want %v", err, store.ErrNotFound)
	}
}

func TestClose(t *testing.T) {
	s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "connectid.db"))
	must(t, err)
	var wg sync.WaitGroup
	for range 50 { // what was queued is written, what comes later fails
		wg.Go(func() {
			r := session()
			if err := s.CreateSession(t.Context(), r); err != nil && isAnswer(err) {
				t.Errorf("CreateSession of a store that closes: %v, want no error or a fault", err)
			}
		})
	}
	must(t, s.Close())
	wg.Wait()
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping of a closed store succeeded")
	}
	if _, err := s.Session(t.Context(), digest()); err == nil || isAnswer(err) {
		t.Errorf("Session of a closed store: %v, want a fault", err)
	}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "text")
	must(t, os.WriteFile(notADatabase, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	newer := filepath.Join(dir, "newer.db")
	must(t, openFile(t, newer).Close())
	_, err := rawDB(t, newer, "").Exec("INSERT INTO connectid_migrations (version_id, is_applied) VALUES (9999, 1)")
	must(t, err)
	for name, path := range map[string]string{"a folder": dir, "no folder": filepath.Join(dir, "none", "x.db"), "not a database": notADatabase, "a newer schema": newer} {
		if s, err := sqlitestore.Open(t.Context(), path); err == nil {
			t.Errorf("Open of %s succeeded", name)
			_ = s.Close()
		}
	}
	one := rawDB(t, filepath.Join(dir, "one.db"), "")
	one.SetMaxOpenConns(1)
	for name, db := range map[string]*sql.DB{"one connection": one, "memory": rawDB(t, ":memory:", "")} {
		if _, err := sqlitestore.New(t.Context(), db); err == nil {
			t.Errorf("New with %s succeeded", name)
		}
	}
}

// The file holds addresses and names: nobody else may read it, and a path may
// have any character.
func TestOpenCreates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "50% of #1? ø.db")
	s, r := openFile(t, file), session()
	must(t, s.CreateSession(t.Context(), r))
	entries, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 || !strings.HasPrefix(e.Name(), filepath.Base(file)) {
			t.Errorf("%s has mode %v, want %v and the name given", e.Name(), info.Mode(), os.FileMode(0o600))
		}
	}
	must(t, s.Close())
	if _, err := openFile(t, file).Session(t.Context(), r.Handle); err != nil {
		t.Errorf("Session after reopening: %v", err)
	}
}
