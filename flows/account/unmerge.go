package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

const undoPurpose = "undo of a merge"

// undoToken returns what proves the right to undo the merge: it stands in the
// notices to both accounts, and nowhere else.
func (s *Service) undoToken(id string) string { return keys.Token(s.keys.MAC(undoPurpose, id)) }

// UndoLink is what the address in a notice says.
type UndoLink struct{ ID, Token string }

// checkUndo reports whether the token is the merge's, by any of the kit's keys.
func (s *Service) checkUndo(l UndoLink) bool {
	ok := 0
	for _, id := range s.keys.IDs() {
		d, _ := s.keys.MACWith(id, undoPurpose, l.ID)
		ok |= subtle.ConstantTimeCompare([]byte(keys.Token(d)), []byte(l.Token))
	}
	return ok == 1 && l.ID != ""
}

// PlanUnmerge says what the link of a notice would undo; it changes nothing.
// [ErrUndoOver] when there is nothing to undo.
func (s *Service) PlanUnmerge(ctx context.Context, l UndoLink) (store.Merge, []Line, error) {
	if !s.checkUndo(l) {
		return store.Merge{}, nil, ErrUndoOver
	}
	m, survivor, absorbed, err := s.planUnmerge(ctx, l.ID)
	if err != nil {
		return store.Merge{}, nil, err
	}
	var lines []Line
	for _, u := range []store.User{absorbed, survivor} {
		for _, c := range u.Credentials {
			text := Line{Text: "unmerge.line.stays", Words: []string{masked(c)}}
			if u.ID == absorbed.ID {
				text.Text = "unmerge.line.credential"
			}
			lines = append(lines, text)
		}
	}
	if absorbed.PasswordHash != "" {
		lines = append(lines, Line{Text: "unmerge.line.password"})
	}
	return m, append(lines, Line{Text: "unmerge.line.logins"}), nil
}

func masked(c store.Credential) string {
	return Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling}.Masked()
}

// UnmergeByLink undoes the merge of a link, as [Service.Unmerge] does.
func (s *Service) UnmergeByLink(ctx context.Context, l UndoLink, c store.Client) error {
	if !s.checkUndo(l) {
		return ErrUndoOver
	}
	return s.Unmerge(ctx, l.ID, c)
}

// Unmerge makes two accounts again of one. The absorbed account comes back with
// its ID, its password and the credentials that it brought, but for those that
// are somebody else's by now; what the survivor has got since stays hers. All
// sessions, series, grants and codes of the survivor end, as either of the two
// may have opened them, and none of the absorbed account comes back. All
// credentials of both are told. [ErrUndoOver] when it can not be undone.
func (s *Service) Unmerge(ctx context.Context, id string, c store.Client) error {
	for range maxSwaps {
		m, survivor, absorbed, err := s.planUnmerge(ctx, id)
		if err != nil {
			return err
		}
		at := now()
		m.UndoneAt, m.SettleAt = at, at.Add(settleIn)
		m.Owed = append(others(survivor, Credential{}), others(absorbed, Credential{})...)
		if keep := at.Add(settleFor + time.Hour); keep.After(m.ExpiresAt) {
			m.ExpiresAt = keep
		}
		both := survivor // her codes may be at any of them
		both.Credentials = append(slices.Clone(survivor.Credentials), absorbed.Credentials...)
		moved := false
		err = s.store.UnmergeUsers(ctx, m, survivor, absorbed, func(ctx context.Context) error {
			moved = true
			return inside(s.unmergeInside(ctx, m, both))
		})
		if err != nil && moved {
			err = errors.Join(err, s.moveAgain(ctx, m, survivor.ID))
		}
		switch {
		case err == nil:
			s.notify(ctx, Notice{Kind: NoticeUnmerged, UserID: survivor.ID, Other: absorbed.ID, ClientID: c.ID})
			m.Version++
			s.settleNow(ctx, m, c)
			return nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("undo merge: %w", err)
		}
	}
	return fmt.Errorf("undo merge: %w again and again", store.ErrConflict)
}

// moveAgain is [Service.moveBack] for a merge that was not undone after all.
func (s *Service) moveAgain(ctx context.Context, m store.Merge, survivor string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	if stored, err := s.store.Merge(ctx, m.ID); err != nil || !stored.UndoneAt.IsZero() {
		return err
	}
	m.Survivor = survivor
	for _, part := range s.merging.Parts {
		if err := part.Merge(ctx, m); err != nil {
			return fmt.Errorf("move what belongs to the account: %w", err)
		}
	}
	return nil
}

func (s *Service) unmergeInside(ctx context.Context, m store.Merge, survivor store.User) error {
	if err := s.endAll(ctx, survivor, store.Digest{}, false); err != nil {
		return err
	}
	m.Survivor = survivor.ID // who has it all by now
	for _, part := range slices.Backward(s.merging.Parts) {
		if err := part.Unmerge(ctx, m); err != nil {
			return fmt.Errorf("move back what belongs to the account: %w", err)
		}
	}
	if s.merging.OnUnmerge != nil && m.Hosted {
		if err := s.merging.OnUnmerge(ctx, m); err != nil {
			return fmt.Errorf("OnUnmerge: %w", err)
		}
	}
	return nil
}

// planUnmerge returns the merge and both accounts as they would be without it.
func (s *Service) planUnmerge(ctx context.Context, id string) (m store.Merge, survivor, absorbed store.User, err error) {
	fail := func(what string, err error) (store.Merge, store.User, store.User, error) {
		if errors.Is(err, store.ErrNotFound) {
			err = ErrUndoOver
		}
		return store.Merge{}, store.User{}, store.User{}, fmt.Errorf("%s: %w", what, err)
	}
	if m, err = s.store.Merge(ctx, id); err != nil {
		return fail("read merge", err)
	}
	if !m.UndoneAt.IsZero() || !now().Before(m.UndoUntil) || m.Hosted && s.merging.OnUnmerge == nil {
		return fail("read merge", ErrUndoOver)
	}
	if survivor, err = s.store.ResolveUser(ctx, m.Survivor); err != nil {
		return fail("read survivor", err)
	}
	absorbed = m.Taken
	absorbed.Credentials = nil
	for _, was := range m.Taken.Credentials {
		c := Credential{Kind: was.Kind, Identity: was.Identity}
		if i := indexOf(survivor, c); i >= 0 { // as it is by now
			absorbed.Credentials = append(absorbed.Credentials, survivor.Credentials[i])
			survivor.Credentials = slices.Delete(slices.Clone(survivor.Credentials), i, i+1)
			continue
		}
		switch other, _, err := s.find(ctx, c); {
		case err != nil:
			return fail("read owner", err)
		case other.ID == "":
			absorbed.Credentials = append(absorbed.Credentials, was)
		}
	}
	absorbed.Ties = nil
	for _, was := range m.Taken.Ties {
		if i := slices.IndexFunc(survivor.Ties, func(t store.Tie) bool { return t.Names(was) }); i >= 0 {
			absorbed.Ties = append(absorbed.Ties, survivor.Ties[i])
			survivor.Ties = slices.Delete(slices.Clone(survivor.Ties), i, i+1)
		}
	}
	if !reachable(survivor) || !reachable(absorbed) {
		return fail("accounts without a credential", ErrUndoOver)
	}
	giveBack(&survivor, m)
	// What was proven while they were one is worth nothing now.
	survivor.Epoch++
	absorbed.Epoch++
	absorbed.UpdatedAt = now()
	survivor.UpdatedAt = absorbed.UpdatedAt
	return m, survivor, absorbed, nil
}

// reachable reports whether anybody can log in to the account, or come to it by
// an external identity.
func reachable(u store.User) bool {
	return isExternal(u) || slices.ContainsFunc(u.Credentials, func(c store.Credential) bool { return !c.VerifiedAt.IsZero() })
}

// giveBack takes from the survivor what she had of the absorbed account and has
// not changed since.
func giveBack(u *store.User, m store.Merge) {
	was, took := m.Before, m.Taken
	if was.FirstName == "" && was.LastName == "" && u.FirstName == took.FirstName && u.LastName == took.LastName {
		u.FirstName, u.LastName = "", ""
	}
	if was.Language == "" && u.Language == took.Language {
		u.Language = ""
	}
	if was.TermsAt.IsZero() && u.TermsAt.Equal(took.TermsAt) {
		u.TermsAt = time.Time{}
	}
}
