package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// MergeConfig says how two accounts become one.
type MergeConfig struct {
	// Undo is how long a merge can be undone; default 7 days, negative for never.
	// Where OnMerge is set and OnUnmerge is not, nothing can be undone.
	Undo time.Duration
	// OnMerge moves what the host has of m.Absorbed to m.Survivor, and OnUnmerge
	// back. They are called last in the step that changes the accounts, with a
	// context in which the store has put its transaction, if it has any; an error
	// undoes the step. A step that is undone may come again. If the survivor has
	// been absorbed since, OnUnmerge's m.Survivor is who has absorbed her.
	OnMerge   func(context.Context, store.Merge) error
	OnUnmerge func(context.Context, store.Merge) error
	// Parts are what else an account has: each other room of the kit that keeps
	// something for users brings one.
	Parts []MergePart
	// UndoURL returns the absolute address where the merge is undone, for the
	// notices; "" for none. Optional.
	UndoURL func(c store.Client, id, token string) string
}

// MergePart is what one room of the kit keeps for accounts: subscriptions,
// memberships, external identities, orders. It is safe for concurrent use.
type MergePart interface {
	// PlanMerge says what of the absorbed user would come to the survivor, and
	// changes nothing. An error that matches [ErrMergeRefused] says that the two
	// accounts can not become one; any other is an outage.
	PlanMerge(ctx context.Context, survivor, absorbed store.User) ([]Line, error)
	// Merge moves it, and Unmerge moves it back, inside the step that changes the
	// accounts: an error undoes that. What is kept in another backend has to be
	// moved so that doing it twice, or in vain, does no harm.
	Merge(ctx context.Context, m store.Merge) error
	Unmerge(ctx context.Context, m store.Merge) error
}

const (
	defaultUndo = 7 * 24 * time.Hour
	// settleIn is when what follows a merge is tried again, the first time so
	// that requests that were under way have come to their end.
	settleIn = time.Minute
	// settleFor is how long it is tried.
	settleFor = 24 * time.Hour
	// settlePatience is how long the user waits for it.
	settlePatience = 2 * time.Second
)

func (c MergeConfig) withDefaults() (MergeConfig, error) {
	switch {
	case c.OnUnmerge != nil && c.OnMerge == nil:
		return c, errors.New("bad Merge.OnUnmerge: there is no OnMerge whose work it could undo")
	case c.OnMerge != nil && c.OnUnmerge == nil && c.Undo > 0:
		return c, errors.New("bad Merge.Undo: OnMerge needs an OnUnmerge that undoes its work, or an Undo below zero")
	case c.OnMerge != nil && c.OnUnmerge == nil, c.Undo < 0:
		c.Undo = -1
	case c.Undo == 0:
		c.Undo = defaultUndo
	}
	return c, nil
}

// Line is one thing that a merge, or its undoing, does: a text with its
// arguments, first the numbers, then the words.
type Line struct {
	Text    texts.ID `json:"text"`
	Numbers []int    `json:"numbers,omitempty"`
	Words   []string `json:"words,omitempty"`
	// Passing marks what may change by itself: how many devices are logged in.
	Passing bool `json:"passing,omitempty"`
}

// MergeRequest asks for a merge that was shown. Who asks is logged in as the
// survivor and has just proven to own a credential of the other account.
type MergeRequest struct {
	Client   store.Client
	Survivor string     // the user's ID
	Proven   Credential // of the other account
	Owner    store.User // whose it was when it was proven; its ID and Epoch count
	Seen     []Line     // what was shown: nothing else is done
}

// Merge makes both accounts one: the survivor gets the credentials of the other
// account, whose ID leads to her from then on, and whose sessions, remember-me
// series, grants, codes and consents end, before the step is done (a failure
// leaves both accounts as they were) and again after it. The survivor's own go on. All
// verified credentials of both are told.
//
// [ErrMergeChanged] when it would not do what was seen, [ErrMergeRefused] and
// [ErrTaken] as in [Service.PlanMerge], [ErrUserGone] when the survivor is blocked or gone. An
// error that is none of these is an outage; whether the merge was done can then
// be seen from a new plan.
func (s *Service) Merge(ctx context.Context, r MergeRequest) (store.User, error) {
	for range maxSwaps {
		p, err := s.PlanMerge(ctx, r.Survivor, r.Proven)
		switch {
		case err != nil:
			return store.User{}, err
		case p.Done():
			return p.Survivor, nil
		case !p.Of(r.Owner):
			return store.User{}, ErrTaken
		case p.Refused:
			return store.User{}, ErrMergeRefused
		case p.Absorbed.ID == "" || !sameLines(p.Lines, r.Seen):
			return store.User{}, ErrMergeChanged
		}
		m := s.mergeOf(r.Client, p)
		if m.Links, err = s.links(ctx, p.Absorbed.ID); err != nil {
			return store.User{}, err
		}
		survivor := joined(p.Survivor, p.Absorbed)
		moved := false
		err = s.store.MergeUsers(ctx, m, survivor, func(ctx context.Context) error {
			moved = true
			return inside(s.mergeInside(ctx, m, p.Absorbed))
		})
		if err != nil && moved {
			err = errors.Join(err, s.moveBack(ctx, m))
		}
		switch {
		case err == nil:
			survivor.Version++
			s.notify(ctx, Notice{Kind: NoticeMerged, UserID: m.Survivor, Other: m.Absorbed, ClientID: r.Client.ID}.about(r.Proven))
			m.Version = 1
			s.settleNow(ctx, m, r.Client)
			return survivor, nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound):
			return store.User{}, fmt.Errorf("merge: %w", err)
		}
	}
	return store.User{}, fmt.Errorf("merge: %w again and again", store.ErrConflict)
}

// mergeOf returns the record of what the plan says.
func (s *Service) mergeOf(c store.Client, p MergePlan) store.Merge {
	at := now()
	m := store.Merge{
		ID: rand.Text(), ClientID: c.ID, Survivor: p.Survivor.ID, Absorbed: p.Absorbed.ID,
		Before: p.Survivor, Taken: p.Absorbed, Hosted: s.merging.OnMerge != nil,
		Owed:     append(others(p.Survivor, Credential{}), others(p.Absorbed, Credential{})...),
		MergedAt: at, SettleAt: at.Add(settleIn), ExpiresAt: at.Add(settleFor + time.Hour),
	}
	if s.merging.Undo > 0 {
		m.UndoUntil = at.Add(s.merging.Undo)
		if m.UndoUntil.After(m.ExpiresAt) {
			m.ExpiresAt = m.UndoUntil
		}
	}
	return m
}

// mergeInside is done in the step, before it is committed: what can be done in
// vain first, the host's share last.
func (s *Service) mergeInside(ctx context.Context, m store.Merge, absorbed store.User) error {
	if err := errors.Join(s.endAll(ctx, absorbed, store.Digest{}, false), s.endConsents(ctx, absorbed.ID)); err != nil {
		return err
	}
	for _, part := range s.merging.Parts {
		if err := part.Merge(ctx, m); err != nil {
			return fmt.Errorf("move what belongs to the account: %w", err)
		}
	}
	if s.merging.OnMerge != nil {
		if err := s.merging.OnMerge(ctx, m); err != nil {
			return fmt.Errorf("OnMerge: %w", err)
		}
	}
	return nil
}

// moveBack takes back what the parts have moved for a merge that was not done, in
// backends that did not do so with it.
func (s *Service) moveBack(ctx context.Context, m store.Merge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	if _, err := s.store.Merge(ctx, m.ID); !errors.Is(err, store.ErrNotFound) {
		return err // it was done after all, or nobody knows
	}
	for _, part := range slices.Backward(s.merging.Parts) {
		if err := part.Unmerge(ctx, m); err != nil {
			return fmt.Errorf("take back what was moved: %w", err)
		}
	}
	return nil
}

// inside keeps the error of a callback from being taken for one of the store
// that calls it: a conflict of somebody else's is not to be tried again.
func inside(err error) error {
	if err == nil {
		return nil
	}
	return insideError{err.Error()}
}

type insideError struct{ text string }

func (e insideError) Error() string { return e.text }

// joined returns the survivor with what she gets of the absorbed account: all
// credentials, and what she has none of herself. Her password stays hers.
func joined(u, absorbed store.User) store.User {
	u.Credentials = append(append([]store.Credential(nil), u.Credentials...), absorbed.Credentials...)
	if u.FirstName == "" && u.LastName == "" {
		u.FirstName, u.LastName = absorbed.FirstName, absorbed.LastName
	}
	if u.Language == "" {
		u.Language = absorbed.Language
	}
	if u.TermsAt.IsZero() {
		u.TermsAt = absorbed.TermsAt
	}
	u.Ties = append(slices.Clone(u.Ties), absorbed.Ties...)
	u.UpdatedAt = now()
	return u
}

// Resolve returns the user with the given ID, or the one who has absorbed her:
// what an old token, a client's records or the host's mean by that ID.
// [ErrUserGone] when there is neither, or when that user is blocked.
func (s *Service) Resolve(ctx context.Context, id string) (store.User, error) {
	u, err := s.store.ResolveUser(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && u.Blocked:
		return store.User{}, ErrUserGone
	case err != nil:
		return store.User{}, fmt.Errorf("resolve user: %w", err)
	}
	return u, nil
}
