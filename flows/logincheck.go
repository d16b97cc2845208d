package flows

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

// LoginCheck is the flow of loginCheckUrl (ConnectID: "GUI: loginCheckUrl"). It
// never shows a page.
var LoginCheck = New("loginCheck",
	Compute("checkSessionState", checkSession, ProgrammaticLogin, Continue),
	Fail("notLoggedInState", ""),
	Return("returnState"),
	On(ProgrammaticLogin, "returnState"),
)

// Logout is the flow of logoutUrl (ConnectID: "URL: logout"): the session ends for
// all clients, the rememberMeCookie of this client alone.
var Logout = New("logout",
	Compute("endSessionState", endSession, Continue),
	Return("returnState"),
)

func endSession(ctx context.Context, r *Run) (Event, error) {
	if r.Browser.LoggedIn() {
		if err := r.Accounts.EndSession(ctx, r.Browser.Session.Handle); err != nil {
			return "", err
		}
		r.Browser.Session = store.Session{}
	}
	if r.Browser.Remember != "" {
		if err := r.Accounts.Forget(ctx, r.Request.Client.ID, r.Browser.Remember); err != nil {
			return "", err
		}
	}
	r.Effects.LogOut, r.Effects.Forget = true, true
	return Continue, nil
}
