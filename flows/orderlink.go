package flows

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/flows/account"
)

// Events of the link to an order.
const (
	FollowOrderLink Event = "orderLinkEvent"     // she confirms that it is to log her in
	OrderLinkOver   Event = "orderLinkOverEvent" // it logs nobody in any more
)

// OrderLink is the flow of the link that a client has sent to the user of an order.
// Opening it changes nothing, as mail scanners open every link: the button logs in,
// after a password was chosen where there is none.
var OrderLink = New("orderLink",
	Compute("checkLinkState", checkOrderLink, Continue, ProgrammaticLogin, OrderLinkOver),
	Show("orderLinkState", submitOrderLink, FollowOrderLink, OrderLinkOver, NavigateAway).Own(OrderLinkOver).
		Load(loadOrderLink),
	Compute("startSessionState", startLinkSession, Continue),
	Return("returnState"),
	Show("orderLinkOverState", submitAsIs, NavigateAway),
	Fail("leaveState", ""),
	On(ProgrammaticLogin, "returnState"),
	On(OrderLinkOver, "orderLinkOverState"),
	On(NavigateAway, "leaveState"),
	Again("startSessionState"),
)

// checkOrderLink sends on who is logged in already; the link stays as it is then.
func checkOrderLink(ctx context.Context, r *Run) (Event, error) {
	l, err := r.Accounts.OrderLink(ctx, r.Request.Client.ID, r.Request.OrderLink)
	switch {
	case errors.Is(err, account.ErrExpired):
		return OrderLinkOver, nil
	case err != nil:
		return "", err
	case l.User.ID != "" && r.Browser.Session.UserID == l.User.ID:
		return ProgrammaticLogin, nil
	case l.Over:
		return OrderLinkOver, nil
	}
	return Continue, nil
}

// loadOrderLink shows as whom the link logs in. One that is over by now is seen when
// it is used.
func loadOrderLink(ctx context.Context, r *Run, v *View) error {
	l, err := r.Accounts.OrderLink(ctx, r.Request.Client.ID, r.Request.OrderLink)
	if errors.Is(err, account.ErrExpired) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.User.Language != "" && !r.Request.LangAsked {
		r.Request.Lang = l.User.Language
	}
	v.Args["destination"] = l.Credential.Masked()
	v.Values["credential"] = l.Credential.Masked()
	v.Flags["hasPassword"] = l.User.PasswordHash != "" && r.Accounts.Owns(l.User, l.Credential)
	v.Flags["passwordOptional"] = r.Request.Client.PasswordOptional
	v.Flags["agreed"] = !l.User.TermsAt.IsZero()
	v.Flags["acceptTerms"] = r.Data.Values["acceptTerms"] != ""
	delete(v.Values, "acceptTerms")
	return nil
}

// submitOrderLink is orderLinkState.
func submitOrderLink(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != FollowOrderLink {
		return e, nil
	}
	v := View{Args: map[string]string{}, Values: map[string]string{}, Flags: map[string]bool{}}
	if err := loadOrderLink(ctx, r, &v); err != nil {
		return "", err
	}
	use := account.OrderLinkUse{
		Client: r.Client(), Token: r.Request.OrderLink, TermsAccepted: r.Form["acceptTerms"] != "", Lang: r.Request.Lang,
	}
	r.Data.Values = map[string]string{"acceptTerms": ticked(r.Form["acceptTerms"])}
	if !v.Flags["hasPassword"] {
		use.Password = r.Form["newPassword"]
	}
	switch {
	case !v.Flags["hasPassword"] && use.Password == "" && !v.Flags["passwordOptional"]:
		r.Fault("newPassword", "fault.password.choose")
	case use.Password != "":
		passwordFault(r, r.Accounts.CheckNewPassword(use.Password))
	}
	if !v.Flags["agreed"] && !use.TermsAccepted {
		r.Fault("acceptTerms", "fault.terms")
	}
	if len(r.Data.Faults) > 0 {
		return Stay, nil
	}
	user, cred, err := r.Accounts.UseOrderLink(ctx, use)
	switch {
	case refusedPassword(r, err):
		return Stay, nil
	case errors.Is(err, account.ErrExpired), errors.Is(err, account.ErrUserGone):
		return OrderLinkOver, nil
	case err != nil:
		return "", err
	}
	r.Data.UserID, r.Data.Epoch, r.Data.Method, r.Data.Sent = user.ID, user.Epoch, account.MethodLink, cred
	return FollowOrderLink, nil
}

// startLinkSession logs in by the link. It is no fresh login: the message may be
// days old, and somebody else's eyes on it.
func startLinkSession(ctx context.Context, r *Run) (Event, error) {
	old := r.Browser.Session.Handle
	if r.again {
		old = r.Data.Started
	}
	handles, session, err := r.Accounts.StartSession(ctx, account.SessionStart{
		UserID: r.Data.UserID, Epoch: r.Data.Epoch, ClientID: r.Request.Client.ID, Method: r.Data.Method,
		Replace: old, Agent: r.Browser.Origin.Agent,
	})
	if err != nil {
		return "", err
	}
	r.Browser.Session, r.Effects.Session, r.Data.Started = session, handles, session.Handle
	r.user = nil
	return Continue, nil
}
