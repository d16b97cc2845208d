package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// SettleMerges does what follows merges and has not been done yet: logins that
// came up in the very moment end, and who has not been told is told. It is to be
// called every minute or so, on any number of nodes; [connectid.Kit.Run] does.
func (s *Service) SettleMerges(ctx context.Context, clients store.Clients) error {
	var errs []error
	var due []store.Merge
	for m, err := range s.store.PendingMerges(ctx, now()) {
		if err != nil {
			return fmt.Errorf("list merges: %w", err)
		}
		due = append(due, m)
	}
	for _, m := range due {
		m.SettleAt = now().Add(settleIn) // nobody else's for so long
		if err := s.store.SwapMerge(ctx, m); errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			errs = append(errs, fmt.Errorf("claim merge: %w", err))
			continue
		}
		m.Version++
		c, err := clients.Client(ctx, m.ClientID)
		if err != nil { // it has gone, or can not be read: its ID has to do
			c = store.Client{ID: m.ClientID}
		}
		errs = append(errs, s.settle(ctx, m, c, false))
	}
	return errors.Join(errs...)
}

// settleNow is the first time, right after the step. The step stands, so the
// caller is not told of a failure: [Service.SettleMerges] tries again.
func (s *Service) settleNow(ctx context.Context, m store.Merge, c store.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(s.sendTimeout, settlePatience))
	defer cancel()
	_ = s.settle(ctx, m, c, true)
}

func (s *Service) settle(ctx context.Context, m store.Merge, c store.Client, first bool) error {
	at := now()
	// The absorbed ID is nobody's: it can be ended as often as one likes. The
	// survivor of an undone merge may have logged in again.
	var err error
	switch {
	case m.UndoneAt.IsZero():
		err = errors.Join(s.endAbsorbed(ctx, m.Absorbed)...)
	case m.EndedAt.Before(m.UndoneAt):
		var u store.User // who may have been absorbed since
		if u, err = s.store.ResolveUser(ctx, m.Survivor); err == nil {
			err = errors.Join(s.endLogins(ctx, u.ID, store.Digest{}, false), s.endTickets(ctx, u.ID), s.endGrants(ctx, u.ID))
		} else if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	if err == nil {
		m.EndedAt = at
	}
	m.Owed = s.tellOwed(ctx, m, c)
	began := m.MergedAt
	if !m.UndoneAt.IsZero() {
		began = m.UndoneAt
	}
	switch done := err == nil && len(m.Owed) == 0; {
	case done && (!first || !m.UndoneAt.IsZero()), at.Sub(began) > settleFor:
		m.SettleAt = time.Time{}
	case done: // once more, for requests that are under way
		m.SettleAt = at.Add(settleIn)
	default:
		m.SettleAt = at.Add(5 * settleIn)
	}
	if m.SettleAt.IsZero() {
		m.Owed = nil
	}
	if err2 := s.store.SwapMerge(ctx, m); err2 != nil && !errors.Is(err2, store.ErrConflict) && !errors.Is(err2, store.ErrNotFound) {
		err = errors.Join(err, fmt.Errorf("save merge: %w", err2))
	}
	if err != nil {
		s.notify(ctx, Notice{Kind: NoticeUnsettled, UserID: m.Survivor, Other: m.Absorbed, ClientID: m.ClientID, Err: err})
	}
	return err
}

// tellOwed tells those who have to be told and returns who is left.
func (s *Service) tellOwed(ctx context.Context, m store.Merge, c store.Client) []store.Credential {
	letter := message.Letter{Kind: message.AccountsMerged, Client: c}
	switch {
	case !m.UndoneAt.IsZero():
		letter.Kind = message.AccountsSeparated
		if s.resetURL != nil {
			letter.Link = s.resetURL(c)
		}
	case !m.UndoUntil.IsZero() && s.merging.UndoURL != nil && (!m.Hosted || s.merging.OnUnmerge != nil):
		if left := time.Until(m.UndoUntil); left > 0 {
			letter.Link = s.merging.UndoURL(c, m.ID, s.undoToken(m.ID))
			line := s.undoLine(left)
			letter.Undo, letter.UndoIn = line.Text, line.Numbers[0]
		}
	}
	var ours, theirs []store.Credential
	for _, owed := range m.Owed {
		if indexOf(m.Taken, Credential{Kind: owed.Kind, Identity: owed.Identity}) >= 0 {
			theirs = append(theirs, owed)
		} else {
			ours = append(ours, owed)
		}
	}
	letter.Lang = m.Before.Language
	left := s.tell(ctx, m.Survivor, letter, ours)
	letter.Lang = m.Taken.Language
	return append(left, s.tell(ctx, m.Survivor, letter, theirs)...)
}
