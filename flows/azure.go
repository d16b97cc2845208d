package flows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/store"
)

// Azure is the flow of azureUrl (ConnectID: "URL: azure"): a user who is logged in
// proves who she is in a company directory, and is tied to that person. It shows
// no page of its own.
var Azure = New("azure",
	Compute("checkSessionState", checkMember, ProgrammaticLogin, Continue),
	Fail("notLoggedInState", ""),
	Compute("checkDirectoryState", checkDirectory, Continue, AlreadyRegistered),
	Hop("directoryState", leaveForDirectory, backFromDirectory,
		DirectoryVerified, DirectoryRefused, DirectoryFailed, NavigateAway),
	Compute("linkDirectoryState", linkDirectory, Continue, AlreadyRegistered, SessionLost),
	Return("returnState"),
	Fail("alreadyRegisteredState", ""),
	Fail("refusedState", ""),
	Fail("leaveState", ""),
	On(ProgrammaticLogin, "checkDirectoryState"),
	On(SessionLost, "notLoggedInState"),
	On(AlreadyRegistered, "alreadyRegisteredState"),
	On(DirectoryRefused, "refusedState"),
	On(DirectoryFailed, "refusedState"),
	On(NavigateAway, "leaveState"),
)

// Directory is a configured company directory.
type Directory struct {
	ID        string
	Party     directory.Directory
	ReturnURL string // of our own, to which it sends users back
}

// checkMember fires ProgrammaticLogin for a live session of a user who is not
// blocked. Remember-me is not enough: the documents want her logged in already.
func checkMember(ctx context.Context, r *Run) (Event, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return Continue, err
	}
	r.Data.UserID, r.Data.Directory = user.ID, r.Request.Directory.ID
	return ProgrammaticLogin, nil
}

func checkDirectory(ctx context.Context, r *Run) (Event, error) {
	registered, err := r.Accounts.HasDirectory(ctx, r.Data.Directory, r.Data.UserID)
	if registered {
		return AlreadyRegistered, err
	}
	return Continue, err
}

func leaveForDirectory(ctx context.Context, r *Run) (Event, error) {
	d := r.Request.Directory
	hop, err := d.Party.Start(ctx, directory.SignIn{ReturnURL: d.ReturnURL, State: r.HopState(), Lang: r.Request.Lang})
	if err != nil {
		return directoryFault(ctx, r, err)
	}
	return Stay, r.Leave(hop.URL, hop.Kept)
}

func backFromDirectory(ctx context.Context, r *Run, kept []byte, answer Form) (Event, error) {
	if r.Data.Directory != r.Request.Directory.ID {
		// One directory's answer at the address of another (RFC 9700, section
		// 4.4: mix-up) is not even looked at.
		return directoryFault(ctx, r, fmt.Errorf("%w: it came back to the address of another directory", directory.ErrRefused))
	}
	who, err := r.Request.Directory.Party.Finish(ctx, kept, answer)
	if err == nil && (who.Tenant == "" || who.ObjectID == "") {
		err = fmt.Errorf("%w: nobody was named", directory.ErrRefused)
	}
	if err != nil {
		return directoryFault(ctx, r, err)
	}
	r.Data.Person, r.Data.PersonAt = who, time.Now().UTC().Truncate(time.Millisecond)
	return DirectoryVerified, nil
}

// directoryFault turns an error of the directory into an event. The user's own
// decision is no news to the operator.
func directoryFault(ctx context.Context, r *Run, err error) (Event, error) {
	if ctx.Err() != nil { // it is us who had no time
		return "", err
	}
	if errors.Is(err, directory.ErrCancelled) {
		return NavigateAway, nil
	}
	r.Accounts.DirectoryRefused(ctx, r.Client(), r.Request.Directory.ID, r.Data.UserID, err)
	if errors.Is(err, directory.ErrRefused) {
		return DirectoryRefused, nil
	}
	return DirectoryFailed, nil
}

// linkDirectory ties the user to the person she has proven to be, if she is still
// the one who is logged in.
func linkDirectory(ctx context.Context, r *Run) (Event, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil {
		return "", err
	}
	if !ok || user.ID != r.Data.UserID {
		return SessionLost, nil
	}
	err = r.Accounts.LinkDirectory(ctx, r.Client(), store.DirectoryLink{
		Directory: r.Data.Directory, UserID: user.ID, Tenant: r.Data.Person.Tenant, ObjectID: r.Data.Person.ObjectID,
		CreatedAt: r.Data.PersonAt,
	})
	switch {
	case errors.Is(err, account.ErrLinked):
		return AlreadyRegistered, nil
	case errors.Is(err, account.ErrUserGone):
		return SessionLost, nil
	}
	return Continue, err
}
