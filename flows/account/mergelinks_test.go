package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// A merge takes the absorbed account's company directories along, and its undoing
// gives them back; a merge that is not done leaves them where they were.
func TestMergeMovesDirectoryLinks(t *testing.T) {
	refuse := errors.New("the host refuses")
	var fail error
	e := setUp(t, func(c *account.Config) {
		c.Merge.OnMerge = func(context.Context, store.Merge) error { return fail }
		c.Merge.OnUnmerge = func(context.Context, store.Merge) error { return fail }
	})
	a, b := e.addUser(t, "", "a@example.com"), e.addUser(t, "", "b@example.com")
	link := store.DirectoryLink{Directory: "company", UserID: b.ID, Tenant: "t", ObjectID: "o", CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
	if err := e.store.PutDirectoryLink(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	owner := func(want string, when string) {
		t.Helper()
		if got, err := e.store.DirectoryUser(t.Context(), "t", "o"); err != nil || got != want {
			t.Errorf("%s: the person is %q, %v; want %q", when, got, err, want)
		}
	}
	fail = refuse
	if _, err := e.merge(t.Context(), a, b.Credentials[0]); err == nil {
		t.Fatal("the merge was done although the host refused")
	}
	owner(b.ID, "after a merge that was not done")
	fail = nil
	if _, err := e.merge(t.Context(), a, b.Credentials[0]); err != nil {
		t.Fatal(err)
	}
	owner(a.ID, "after the merge")
	id := e.mergesOf(t, a.ID)[0].ID
	fail = refuse
	if err := e.Unmerge(t.Context(), id, store.Client{ID: "no.example.client", Name: "C"}); err == nil {
		t.Fatal("the merge was undone although the host refused")
	}
	owner(a.ID, "after an undoing that was not done")
	fail = nil
	if err := e.Unmerge(t.Context(), id, store.Client{ID: "no.example.client", Name: "C"}); err != nil {
		t.Fatal(err)
	}
	owner(b.ID, "after the undoing")
}
