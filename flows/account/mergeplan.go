package account

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// MergePlan is what a merge would do. It changes nothing.
type MergePlan struct {
	Survivor store.User
	Absorbed store.User // the zero User when nobody has the credential
	Lines    []Line
	// Refused says that the two can not become one by themselves: each is tied
	// to another customer, say. Customer care can help.
	Refused bool
}

// Of reports whether what would be absorbed is the account that was proven: the
// same user, who has not ended everything since. The zero User stands for a
// credential that nobody had.
func (p MergePlan) Of(proven store.User) bool {
	return p.Absorbed.ID == proven.ID && p.Absorbed.Epoch == proven.Epoch
}

// Done reports whether the credential is the survivor's own already.
func (p MergePlan) Done() bool { return p.Survivor.ID == p.Absorbed.ID }

// PlanMerge says what would happen if the user with the given ID, who is logged
// in, brought in the credential that she has just proven to own: nobody has it,
// or it is hers already, or her account and another one would become one.
// [ErrTaken] when it has to be proven once more, [ErrUserGone] when she has been
// blocked, deleted or absorbed.
func (s *Service) PlanMerge(ctx context.Context, survivorID string, proven Credential) (MergePlan, error) {
	u, err := s.User(ctx, survivorID)
	if err != nil {
		return MergePlan{}, err
	}
	p := MergePlan{Survivor: u}
	other, verified, err := s.find(ctx, proven)
	if err != nil {
		return MergePlan{}, err
	}
	if other.ID != "" && !verified && !other.Blocked {
		return MergePlan{}, ErrTaken // registered since it was proven, by somebody who did not
	}
	p.Absorbed = other
	switch {
	case other.ID == "", p.Done():
		return p, nil
	case other.Blocked, tiesDiffer(u, other):
		p.Refused = true
		return p, nil
	}
	if p.Lines, err = s.mergeLines(ctx, u, other, proven); err != nil {
		return MergePlan{}, err
	}
	for _, part := range s.merging.Parts {
		lines, err := part.PlanMerge(ctx, u, other)
		switch {
		case errors.Is(err, ErrMergeRefused):
			return MergePlan{Survivor: u, Absorbed: other, Refused: true}, nil
		case err != nil:
			return MergePlan{}, fmt.Errorf("plan merge: %w", err)
		}
		p.Lines = append(p.Lines, lines...)
	}
	if s.merging.Undo > 0 {
		p.Lines = append(p.Lines, s.undoLine(s.merging.Undo))
	} else {
		p.Lines = append(p.Lines, Line{Text: "merge.line.final"})
	}
	return p, nil
}

// tiesDiffer reports whether the two are tied to different persons in the system
// of one partner: who is who there, the kit can not know.
func tiesDiffer(u, other store.User) bool {
	return slices.ContainsFunc(other.Ties, func(t store.Tie) bool {
		_, tied := u.Tie(t.Kind, t.PartnerID)
		return tied
	})
}

// mergeLines says what a merge does to the accounts themselves. Only the proven
// credential is shown whole.
func (s *Service) mergeLines(ctx context.Context, u, other store.User, proven Credential) ([]Line, error) {
	var lines []Line
	for _, c := range other.Credentials {
		own := Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling}
		shown := own.Masked()
		if c.Kind == proven.Kind && c.Identity == proven.Identity {
			shown = c.Spelling
		}
		lines = append(lines, Line{Text: "merge.line.credential", Words: []string{shown}})
	}
	switch {
	case u.PasswordHash != "" && other.PasswordHash != "":
		lines = append(lines, Line{Text: "merge.line.password.other"})
	case u.PasswordHash != "":
		lines = append(lines, Line{Text: "merge.line.password.same"})
	case other.PasswordHash != "":
		lines = append(lines, Line{Text: "merge.line.password.ends"})
	}
	if u.FirstName == "" && u.LastName == "" && other.FirstName+other.LastName != "" {
		name := other.FirstName
		if other.LastName != "" {
			name += " " + other.LastName
		}
		lines = append(lines, Line{Text: "merge.line.name", Words: []string{name}})
	}
	for _, t := range other.Ties {
		text, number := texts.ID("merge.line.customer"), t.Number
		if t.Kind == store.MembershipTie {
			text = "merge.line.membership"
		}
		if x, ok := ExternalOf(t); ok {
			text, number = "merge.line.external", x.Credential()
		}
		lines = append(lines, Line{Text: text, Words: []string{number}})
	}
	sessions, err1 := count(s.store.UserSessions(ctx, other.ID))
	series, err2 := count(s.store.UserSeries(ctx, other.ID))
	grants, err3 := count(s.store.UserGrants(ctx, other.ID))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("plan merge: %w", err)
	}
	for _, l := range []Line{
		{Text: "merge.line.sessions", Numbers: []int{sessions}},
		{Text: "merge.line.remember", Numbers: []int{series}},
		{Text: "merge.line.apps", Numbers: []int{grants}},
	} {
		if l.Passing = true; l.Numbers[0] > 0 {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// maxCount bounds what is counted for a page.
const maxCount = 100

func count[R any](seq iter.Seq2[R, error]) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return 0, err
		}
		if n++; n == maxCount {
			break
		}
	}
	return n, nil
}

// undoLine says for how long the merge can be undone.
func (s *Service) undoLine(left time.Duration) Line {
	if left < 48*time.Hour {
		return Line{Text: "merge.undo.hours", Numbers: []int{max(1, int(left/time.Hour))}}
	}
	return Line{Text: "merge.undo.days", Numbers: []int{int(math.Round(left.Hours() / 24))}}
}

// sameLines reports whether two plans say the same, but for what is passing.
func sameLines(a, b []Line) bool {
	lasting := func(all []Line) []Line {
		return slices.DeleteFunc(slices.Clone(all), func(l Line) bool { return l.Passing })
	}
	return slices.EqualFunc(lasting(a), lasting(b), func(a, b Line) bool {
		return a.Text == b.Text && slices.Equal(a.Numbers, b.Numbers) && slices.Equal(a.Words, b.Words)
	})
}
