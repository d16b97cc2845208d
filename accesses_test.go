package connectid_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// give gives the user something to read.
func (s *site) give(id, userID string) {
	s.t.Helper()
	err := s.store.PutAccess(context.Background(), store.Access{ID: id, PartnerID: "partner", UserID: userID, ArticleID: id, ExpiresAt: store.NoEnd})
	if err != nil {
		s.t.Fatal(err)
	}
}

// reads returns the IDs of what the user was given.
func (s *site) reads(userID string) (ids []string) {
	s.t.Helper()
	for a, err := range s.store.UserAccesses(context.Background(), "", userID) {
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	return ids
}

// What a user was given to read comes along in a merge, and goes back when it is
// undone; what she was given since stays.
func TestAccessesAreMerged(t *testing.T) {
	s := newSite(t)
	old := s.user(work, "the other password")
	u := s.user(kari, password)
	s.give("hers", u.ID)
	s.give("old", old.ID)
	b := s.login(kari, password, true)
	b.open("merge").prove(s, work, work).wantState("mergeState")
	if !strings.Contains(b.text(), "given to read comes along") {
		t.Errorf("the page does not say it: %s", b.text())
	}
	b.submit("mergeEvent").wantAt(returnURL)
	if got := s.reads(u.ID); !slices.Equal(got, []string{"hers", "old"}) || len(s.reads(old.ID)) != 0 {
		t.Errorf("after the merge she has %q", got)
	}
	s.give("since", u.ID)
	s.browser().get(s.messagesTo(work, message.AccountsMerged)[0].Link).wantState("unmergeState").submit("unmergeEvent").wantState("unmergedState")
	if hers, others := s.reads(u.ID), s.reads(old.ID); !slices.Equal(hers, []string{"hers", "since"}) || !slices.Equal(others, []string{"old"}) {
		t.Errorf("after the undo they have %q and %q", hers, others)
	}
}

func TestAccessesGoWithTheAccount(t *testing.T) {
	s := newSite(t)
	u, other := s.user(kari, password), s.user(ola, password)
	s.give("article", u.ID)
	s.give("another", other.ID)
	b := s.login(kari, password, true)
	b.open("account").submit("exportEvent").wantState("exportState").submit("downloadEvent").wantStatus(200)
	var x account.Export
	if err := json.Unmarshal([]byte(b.body), &x); err != nil || len(x.Parts["accesses"]) != 1 || x.Parts["accesses"][0].Title != "article" {
		t.Errorf("exported %+v, %v", x.Parts["accesses"], err)
	}
	b.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari).wantState("accountDeletedState")
	if got := s.reads(u.ID); len(got) != 0 {
		t.Errorf("what is left of a deleted account: %q", got)
	}
	if got := s.reads(other.ID); len(got) != 1 {
		t.Errorf("another account has %q", got)
	}
}
