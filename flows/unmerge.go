package flows

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/flows/account"
)

// Unmerge is the flow of the link in the notices of a merge. Opening it changes
// nothing, as mail scanners open every link: the button undoes.
var Unmerge = New("unmerge",
	Compute("checkUndoState", checkUndo, Continue, UndoOver),
	Show("unmergeState", submitUnmerge, UnmergeAccounts, UndoOver, NavigateAway).Own(UndoOver).
		View(func(r *Run, v *View) { v.Lines = r.Data.Lines }),
	Show("undoOverState", submitAsIs, NavigateAway),
	Show("unmergedState", submitAsIs, Continue, NavigateAway).Own(NavigateAway),
	Return("returnState"),
	Fail("leaveState", ""),
	On(UnmergeAccounts, "unmergedState"),
	On(UndoOver, "undoOverState"),
	On(NavigateAway, "leaveState"),
)

func checkUndo(ctx context.Context, r *Run) (Event, error) {
	_, lines, err := r.Accounts.PlanUnmerge(ctx, r.Request.Undo)
	if errors.Is(err, account.ErrUndoOver) {
		return UndoOver, nil
	}
	r.Data.Lines = lines
	return Continue, err
}

func submitUnmerge(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != UnmergeAccounts {
		return e, nil
	}
	switch err := r.Accounts.UnmergeByLink(ctx, r.Request.Undo, r.Client()); {
	case errors.Is(err, account.ErrUndoOver):
		return UndoOver, nil
	case err != nil:
		return "", err
	}
	return UnmergeAccounts, nil
}
