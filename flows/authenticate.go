package flows

import (
	"context"
	"errors"
	"strings"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// purpose returns what the run's codes are for: one that was sent to log in does
// not open the way to a new password, and the other way round.
func (r *Run) purpose() string {
	switch {
	case r.Data.Reset:
		return account.PurposeReset
	case r.Request.AssumeNewUser:
		return account.PurposeRegister
	}
	return account.PurposeLogin
}

// checkSession fires ProgrammaticLogin for a browser that is logged in with the
// given credential, or with any when none is given, and for one whose
// rememberMeCookie says so.
func checkSession(ctx context.Context, r *Run) (Event, error) {
	if ok, err := loggedIn(ctx, r); err != nil || ok {
		return ProgrammaticLogin, err
	}
	if ok, err := recall(ctx, r); err != nil || ok {
		return ProgrammaticLogin, err
	}
	return Continue, nil
}

func loggedIn(ctx context.Context, r *Run) (bool, error) {
	if !r.Browser.LoggedIn() {
		return false, nil
	}
	if r.Request.Credential == "" {
		return true, nil
	}
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return false, err
	}
	_, owned := ownCredential(r, user)
	return owned, nil
}

// recall logs in by the client's rememberMeCookie.
func recall(ctx context.Context, r *Run) (bool, error) {
	if r.Browser.Remember == "" {
		return false, nil
	}
	client := r.Request.Client.ID
	if r.Request.Credential != "" {
		if owned, err := rememberedOwns(ctx, r); err != nil || !owned {
			return false, err
		}
	}
	again, err := r.Accounts.Recall(ctx, client, r.Browser.Remember, r.Browser.Origin)
	if err != nil {
		return false, dropCookie(r, err)
	}
	handles, session, err := r.Accounts.StartSession(ctx, account.SessionStart{
		UserID: again.User.ID, Epoch: again.User.Epoch, ClientID: client, Method: account.MethodRemember,
		Replace: r.Browser.Session.Handle, Agent: r.Browser.Origin.Agent,
	})
	if err != nil {
		return false, dropCookie(r, err)
	}
	r.Browser.Session, r.Effects.Session, r.Effects.Remember = session, handles, again.Cookie
	r.user = nil // may be whose session it was
	return true, nil
}

// rememberedOwns reports whether the remembered user owns the credential of the
// request. A cookie that would not pass is left to be presented, so that a
// stolen one is recognised.
func rememberedOwns(ctx context.Context, r *Run) (bool, error) {
	userID, err := r.Accounts.Peek(ctx, r.Request.Client.ID, r.Browser.Remember)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	user, err := r.Accounts.User(ctx, userID)
	if err != nil {
		return false, dropCookie(r, err)
	}
	_, owned := ownCredential(r, user)
	return owned, nil
}

// dropCookie has a rememberMeCookie removed that is good for nothing; any other
// error it returns.
func dropCookie(r *Run, err error) error {
	for _, gone := range []error{store.ErrNotFound, account.ErrTheft, account.ErrUserGone} {
		if errors.Is(err, gone) {
			r.Effects.Forget = true
			return nil
		}
	}
	return err
}

// firstQuestion chooses the page that the user sees first.
func firstQuestion(_ context.Context, r *Run) (Event, error) {
	r.Data.Registration = r.flow.name == "createUser"
	switch {
	case r.Request.CredentialSubmit && r.Data.Credential != "":
		if _, err := r.credential(); err != nil {
			credentialFault(r, err) // shown back for correction
			return AssumeNewUser, nil
		}
		return SubmitCredential, nil
	case r.Request.AssumeNewUser || r.Data.Reset:
		return AssumeNewUser, nil
	}
	return Continue, nil
}

// credential returns the credential that the run is about.
func (r *Run) credential() (account.Credential, error) {
	c, err := account.ParseCredential(r.Data.Credential, r.Request.Client.Region)
	if kind := r.Request.LoginType; err == nil && kind != "" && c.Kind != kind {
		return c, errLoginType
	}
	return c, err
}

// errLoginType says that the credential is not of the kind that logs in here.
var errLoginType = errors.New("flows: a credential of another kind is asked for")

// maxCredential is the longest credential that a run remembers, in bytes. No
// address or number is longer.
const maxCredential = 320

// takeCredential reads what a page with a credential field sends. One that is too
// long to be any is not kept.
func takeCredential(r *Run) (ok bool) {
	ok = true
	if !r.Data.Locked {
		r.Data.Credential = strings.TrimSpace(r.Form["credential"])
		if ok = len(r.Data.Credential) <= maxCredential; !ok {
			r.Data.Credential = ""
		}
	}
	// The page on the way to a new password does not ask.
	if r.state.name == "startLoginState" || !r.Data.Reset {
		r.Data.NoRemember = r.Form["rememberMe"] == ""
	}
	return ok
}

func viewCredential(r *Run, v *View) {
	v.Values["credential"] = r.Data.Credential
	v.Locked = r.Data.Locked
	v.Flags["rememberMe"] = !r.Data.NoRemember
	v.Flags["reset"] = r.Data.Reset
	v.Flags["registration"] = r.Data.Registration
	v.Flags["onlyEmail"] = r.Request.LoginType == store.Email
	v.Flags["onlyPhone"] = r.Request.LoginType == store.Phone
}

// submitLogin is startLoginState: credential and password on one page.
func submitLogin(ctx context.Context, r *Run, e Event) (Event, error) {
	ok := takeCredential(r)
	r.Data.Reset = r.Data.AlwaysReset || e == ForgotPassword
	r.Data.Registration = e == StartRegistration
	switch {
	case e != SendVerificationCode && e != VerifyCredentials:
		return e, nil
	case !ok:
		credentialFault(r, account.ErrCredentialInvalid)
		return Stay, nil
	case e == SendVerificationCode:
		return sendCode(ctx, r)
	}
	return verifyPassword(ctx, r)
}

func verifyPassword(ctx context.Context, r *Run) (Event, error) {
	cred, err := r.credential()
	if err != nil {
		credentialFault(r, err)
		return Stay, nil
	}
	if r.Form["password"] == "" {
		r.Fault("password", "fault.password.empty")
		return Stay, nil
	}
	user, err := r.Accounts.VerifyPassword(ctx, account.PasswordAttempt{
		Client: r.Client(), Credential: cred, Password: r.Form["password"], Origin: r.Browser.Origin,
	})
	switch {
	case errors.Is(err, account.ErrWrong):
		r.Fault("password", "fault.password.wrong")
		return Stay, nil
	case limited(err):
		r.Fault("", "fault.limit.password")
		return Stay, nil
	case err != nil:
		return "", err
	}
	r.prove(user, account.MethodPassword)
	r.Data.Sent = cred
	return VerifyCredentials, nil
}

// submitCredential is startCodeState: the credential alone.
func submitCredential(ctx context.Context, r *Run, e Event) (Event, error) {
	ok := takeCredential(r)
	switch {
	case e != SendVerificationCode:
		return e, nil
	case !ok:
		credentialFault(r, account.ErrCredentialInvalid)
		return Stay, nil
	}
	return sendCode(ctx, r)
}

// submitGiven is autoSubmitState: the credential of the URL, submitted by the
// page itself. If no code can be sent to it, the user is asked for another.
func submitGiven(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != Continue {
		return e, nil
	}
	sent, err := sendCode(ctx, r)
	if sent == Stay && err == nil {
		return Continue, nil
	}
	return sent, err
}

// sendCode sends a code to the credential of the run.
func sendCode(ctx context.Context, r *Run) (Event, error) {
	cred, err := r.credential()
	e, err := deliverCode(ctx, r, cred, err, r.purpose())
	if e == SendVerificationCode {
		r.Data.Sent = cred
	}
	return e, err
}

// deliverCode sends a code to the credential unless that is faulty, and notes
// what is wrong.
func deliverCode(ctx context.Context, r *Run, cred account.Credential, fault error, purpose string) (Event, error) {
	err := fault
	if err == nil {
		err = r.Accounts.SendCode(ctx, account.CodeRequest{
			Client: r.Client(), Credential: cred, Purpose: purpose, Origin: r.Browser.Origin, Lang: r.Request.Lang,
		})
	}
	switch {
	case err == nil:
		switch r.state.name {
		case "verificationState", "mergeVerificationState", "confirmCodeState": // one more
			r.Data.Notice = "notice.code.sent"
		}
		return SendVerificationCode, nil
	case errors.Is(err, account.ErrCredentialEmpty), errors.Is(err, account.ErrCredentialInvalid), errors.Is(err, account.ErrCredentialPremium),
		errors.Is(err, errLoginType):
		credentialFault(r, err)
	case limited(err):
		r.Fault("", "fault.limit.send")
	case errors.Is(err, account.ErrUndeliverable):
		r.Fault("", "fault.send.failed")
	default:
		return "", err
	}
	return Stay, nil
}

// limited reports whether the error says that too much was tried or sent.
func limited(err error) bool {
	_, ok := errors.AsType[*account.LimitedError](err)
	return ok
}

func credentialFault(r *Run, err error) {
	switch {
	case errors.Is(err, account.ErrCredentialEmpty):
		r.Fault("credential", "fault.credential.empty")
	case errors.Is(err, account.ErrCredentialPremium):
		r.Fault("credential", "fault.credential.premium")
	case errors.Is(err, errLoginType) && r.Request.LoginType == store.Phone:
		r.Fault("credential", "fault.credential.mobile")
	case errors.Is(err, errLoginType):
		r.Fault("credential", "fault.credential.email")
	default:
		r.Fault("credential", "fault.credential.invalid")
	}
}

// startSession logs the user in: a new session in place of the browser's old
// one, and remember-me if its box was ticked. At a finished run it only puts a
// session in place of the one that the run has started.
func startSession(ctx context.Context, r *Run) (Event, error) {
	old := r.Browser.Session.Handle
	if r.again {
		old = r.Data.Started
	}
	handles, session, err := r.Accounts.StartSession(ctx, account.SessionStart{
		UserID: r.Data.UserID, Epoch: r.Data.Epoch, ClientID: r.Request.Client.ID,
		Method: r.Data.Method, Fresh: true, ProvenAt: r.Data.ProvenAt,
		Replace: old, Agent: r.Browser.Origin.Agent,
	})
	if err != nil {
		return "", err
	}
	r.Browser.Session, r.Effects.Session, r.Data.Started = session, handles, session.Handle
	r.user = nil
	if r.again {
		return Continue, nil
	}
	user := store.User{ID: r.Data.UserID, Epoch: r.Data.Epoch}
	if r.Effects.Device, err = r.Accounts.DeviceCookie(ctx, r.Browser.Origin.Device, user); err != nil {
		return "", err
	}
	if r.Data.NoRemember {
		return Continue, nil // an existing cookie stays as it is
	}
	r.Effects.Remember, err = r.Accounts.Remember(ctx, account.RememberStart{
		UserID: r.Data.UserID, Epoch: r.Data.Epoch, ClientID: r.Request.Client.ID, Agent: r.Browser.Origin.Agent, Old: r.Browser.Remember,
	})
	return Continue, err
}
