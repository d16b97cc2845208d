package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func directoryLink(u store.User, person string) store.DirectoryLink {
	return store.DirectoryLink{
		Directory: "fjord", UserID: u.ID, Tenant: "havbruk", ObjectID: person,
		CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
}

func TestLinkDirectory(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	kari, ola := e.addUser(t, "", "kari@example.com"), e.addUser(t, "", "ola@example.com")
	has := func(u store.User) bool {
		t.Helper()
		has, err := e.HasDirectory(t.Context(), "fjord", u.ID)
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	l := directoryLink(kari, "k")
	if has(kari) {
		t.Error("she is registered before she was")
	}
	for range 2 { // the second time by a caller who did not get the answer
		if err := e.LinkDirectory(t.Context(), clientA, l); err != nil {
			t.Fatal(err)
		}
	}
	if !has(kari) || has(ola) {
		t.Errorf("registered: %v and %v; want her alone", has(kari), has(ola))
	}
	later := l
	later.CreatedAt = later.CreatedAt.Add(time.Second)
	another := directoryLink(kari, "k2")
	another.CreatedAt = l.CreatedAt
	for name, refused := range map[string]store.DirectoryLink{
		"the same once more": later, "another person": another, "somebody else's person": directoryLink(ola, "k"),
	} {
		if err := e.LinkDirectory(t.Context(), clientA, refused); !errors.Is(err, account.ErrLinked) {
			t.Errorf("%s: %v; want %v", name, err, account.ErrLinked)
		}
	}
	if n := e.noticed(account.NoticeDirectoryTaken); n != 3 {
		t.Errorf("the observer heard of %d refusals; want 3", n)
	}
	if err := e.UnlinkDirectory(t.Context(), "fjord", kari.ID); err != nil || has(kari) {
		t.Errorf("UnlinkDirectory: %v, registered: %v", err, has(kari))
	}
	if err := e.LinkDirectory(t.Context(), clientA, directoryLink(ola, "k")); err != nil {
		t.Errorf("a person who is free again: %v", err)
	}
}

// A user who is deleted or blocked while she registers does not keep the person.
func TestLinkDirectoryOfNobody(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	gone, blocked := e.addUser(t, "", "gone@example.com"), e.addUser(t, "", "blocked@example.com")
	if err := e.store.DeleteUser(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	blocked.Blocked = true
	e.update(t, blocked)
	for _, u := range []store.User{gone, blocked} {
		if err := e.LinkDirectory(t.Context(), clientA, directoryLink(u, "k")); !errors.Is(err, account.ErrUserGone) {
			t.Errorf("LinkDirectory: %v; want %v", err, account.ErrUserGone)
		}
		if _, err := e.store.DirectoryUser(t.Context(), "havbruk", "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the person is somebody's: %v", err)
		}
	}
}
