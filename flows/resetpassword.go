package flows

import (
	"context"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// ResetPassword is the flow of resetPasswordUrl (ConnectID: "URL: resetPassword").
// A login of the last few minutes is enough; an older one, or none, has to be
// backed by a code first.
var ResetPassword = New("resetPassword",
	Compute("checkFreshState", checkFresh, ProgrammaticLogin, Continue),
	simpleAuthentication(),
	newPassword(),
	Compute("startSessionState", startSession, Continue),
	Return("returnState"),
	Fail("leaveState", AccessDenied),
	On(ProgrammaticLogin, "newPasswordState"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "startSessionState"),
	On(ProveAgain, "simpleAuthenticationSequence"),
	On(NavigateAway, "leaveState"),
	Again("startSessionState"),
)

// checkFresh decides whether the session is proof enough for a new password, and
// whether its credential is fixed (ConnectID: the credential field is not
// editable for a user who is logged in with it).
func checkFresh(ctx context.Context, r *Run) (Event, error) {
	r.Data.Reset, r.Data.AlwaysReset, r.Data.NoRemember = true, true, true
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return Continue, err
	}
	cred, ok := ownCredential(r, user)
	if !ok {
		return Continue, nil // logged in as somebody else
	}
	r.Data.Credential, r.Data.Locked = cred.Spelling, true
	if !r.Accounts.IsFresh(r.Browser.Session) {
		return Continue, nil
	}
	s := r.Browser.Session
	r.prove(user, s.Method)
	r.Data.ProvenAt, r.Data.BySession, r.Data.Sent = s.FreshAt, s.Handle, cred
	return ProgrammaticLogin, nil
}

// ownCredential returns the credential that the request names if it is the
// user's, or her first verified one if the request names none.
func ownCredential(r *Run, user store.User) (account.Credential, bool) {
	if r.Request.Credential == "" {
		for _, c := range user.Credentials {
			if !c.VerifiedAt.IsZero() {
				return account.Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling}, true
			}
		}
		return account.Credential{}, false
	}
	cred, err := account.ParseCredential(r.Request.Credential, r.Request.Client.Region)
	if err != nil || !r.Accounts.Owns(user, cred) {
		return account.Credential{}, false
	}
	return cred, true
}
