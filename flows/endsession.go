package flows

import "context"

// Events of a logout that a client asks for.
const (
	ConfirmLogout Event = "confirmLogoutEvent" // nothing shows that the user asked for it
	LogOut        Event = "logoutEvent"        // she did
	LoggedOut     Event = "loggedOutEvent"     // and there is nowhere to go back to
)

// EndSession is the flow of a logout that a client asks for (OpenID Connect
// RP-Initiated Logout 1.0, section 2): the session ends for all clients, as with
// [Logout], after the user has confirmed it, unless an ID token of this very
// login shows that the client may ask.
var EndSession = New("endSession",
	Compute("checkLogoutState", checkLogout, ConfirmLogout, LogOut),
	Show("confirmLogoutState", submitAsIs, LogOut, NavigateAway).Entry(),
	Compute("endSessionState", endSession, Continue),
	Compute("afterLogoutState", afterLogout, Continue, LoggedOut),
	Return("returnState"),
	NewSequence("loggedOutSequence",
		Show("loggedOutState", submitAsIs, NavigateAway).Entry(),
		Compute("forgetBrowserState", forgetBrowser, Continue),
		Fail("homeState", ""),
		On(NavigateAway, "forgetBrowserState"),
	),
	Fail("stayState", ""),
	On(LogOut, "endSessionState"),
	On(LoggedOut, "loggedOutSequence"),
	On(NavigateAway, "stayState"),
)

// checkLogout finds out whether the user has to be asked: any site can send her
// browser here.
func checkLogout(ctx context.Context, r *Run) (Event, error) {
	hint := r.Request.Hint
	if r.Browser.LoggedIn() {
		if s := r.Browser.Session; hint.UserID == s.UserID && hint.SessionID == s.ID && s.ID != "" {
			return LogOut, nil
		}
		return ConfirmLogout, nil
	}
	// Nobody is logged in; what is left is the client's own rememberMeCookie.
	if r.Browser.Remember == "" {
		return LogOut, nil
	}
	hers, err := remembered(ctx, r, hint.UserID)
	switch {
	case err != nil:
		return "", err
	case hers:
		return LogOut, nil
	}
	return ConfirmLogout, nil
}

func afterLogout(_ context.Context, r *Run) (Event, error) {
	if r.Request.Return.IsZero() {
		r.Effects.LogOut = false // the page that says so is bound to the browser's cookie
		return LoggedOut, nil
	}
	return Continue, nil
}
