package flows

import (
	"context"
	"errors"
	"slices"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// Events of a user who proves again who she is.
const (
	Confirmed         Event = "confirmedEvent"         // the login is fresh, or has just been made so
	StartConfirmation Event = "startConfirmationEvent" // it was fresh when the page was made, and is not any more
)

// Reauthenticate is the flow of reauthenticateUrl: a user who is logged in proves
// that she still is who she is, by password or code. Nobody else can pass in her
// place; who is not logged in at all logs in.
var Reauthenticate = New("reauthenticate",
	Compute("checkSessionState", checkSession, ProgrammaticLogin, Continue),
	simpleAuthentication(),
	Compute("startSessionState", startSession, Continue),
	Return("returnState"),
	reauthentication(),
	newPassword(),
	Fail("leaveState", AccessDenied),
	On(ProgrammaticLogin, "reauthenticationSequence"),
	On(StartLogin, "checkSessionState"),
	On(Confirmed, "returnState"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "startSessionState"),
	On(ProveAgain, "simpleAuthenticationSequence"),
	On(NavigateAway, "leaveState"),
	Again("renewSessionState"),
)

// reauthentication is the sequence that lets a fresh login pass and has an older
// one, or a remembered one, proven by the same user. It fires StartLogin when
// nobody is logged in any more, or somebody else than the page was made for, and
// what else its first page is to offer.
func reauthentication(more ...Event) *Sequence {
	return NewSequence("reauthenticationSequence",
		Compute("checkFreshState", checkFreshLogin, Confirmed, Continue, StartLogin),
		Show("confirmUserState", submitConfirmUser, append([]Event{VerifyCredentials, SendVerificationCode, NavigateAway, StartLogin}, more...)...).
			Own(StartLogin).Load(loadConfirmUser),
		Show("confirmCodeState", submitConfirmCode, Verification, SendVerificationCode, ChangeCredential, NavigateAway, StartLogin).Own(StartLogin).
			Load(loadConfirmCode),
		Compute("renewSessionState", renewSession, Confirmed),
		On(Continue, "confirmUserState"),
		On(VerifyCredentials, "renewSessionState"),
		On(Verification, "renewSessionState"),
		On(SendVerificationCode, "confirmCodeState"),
		On(ChangeCredential, "confirmUserState"),
		Out(Confirmed),
	)
}

// OwnData is what a run remembers on a user's own pages.
type OwnData struct {
	Owner  string             `json:"owner,omitempty"`  // whose pages they are
	Wanted Event              `json:"wanted,omitempty"` // what she wants to do once she has proven who she is
	Target account.Credential `json:"target,omitzero"`  // to what
	// AgreedBy is who has agreed in this run to what the client asks for.
	AgreedBy string `json:"agreedBy,omitempty"`
}

// IsZero reports whether nothing is remembered.
func (o OwnData) IsZero() bool { return o == OwnData{} }

// checkFreshLogin decides whether the login is fresh enough.
func checkFreshLogin(ctx context.Context, r *Run) (Event, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil {
		return "", err
	}
	if !ok {
		return notLoggedIn(r), nil
	}
	r.Data.Own.Owner = user.ID
	if r.isFresh() {
		return Confirmed, nil
	}
	return Continue, nil
}

// notLoggedIn has the flow begin with a login. A session whose user is gone is
// none.
func notLoggedIn(r *Run) Event {
	r.Browser.Session, r.Data.Own = store.Session{}, OwnData{}
	return StartLogin
}

func (r *Run) isFresh() bool {
	if a := r.Request.Authorization; a != nil {
		return a.provenEnough(r)
	}
	if r.Request.MaxAge > 0 {
		return account.IsFreshWithin(r.Browser.Session, r.Request.MaxAge)
	}
	return r.Accounts.IsFresh(r.Browser.Session)
}

// owner returns the user who is logged in if the posted page was made for her;
// otherwise the event with which the flow begins again.
func owner(ctx context.Context, r *Run) (store.User, Event, error) {
	user, ok, err := r.SessionUser(ctx)
	switch {
	case err != nil:
		return user, "", err
	case !ok:
		return user, notLoggedIn(r), nil
	case !r.Accounts.IsOwner(user.ID, r.Form["owner"]):
		r.Data.Own = OwnData{}
		return user, StartLogin, nil
	}
	return user, "", nil
}

// loadOwner returns the user for whom a page is made: who is logged in. A page
// that was another's is none of hers. Her own language counts unless the URL asks
// for one.
func loadOwner(ctx context.Context, r *Run, v *View) (store.User, error) {
	user, ok, err := r.SessionUser(ctx)
	switch {
	case err != nil:
		return user, err
	case !ok, r.Data.Own.Owner != "" && r.Data.Own.Owner != user.ID:
		return user, account.ErrUserGone
	}
	if user.Language != "" && !r.Request.LangAsked {
		r.Request.Lang = user.Language
	}
	v.Values["owner"] = r.Accounts.Owner(user.ID)
	return user, nil
}

func credentialOf(c store.Credential) account.Credential {
	return account.Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling}
}

// credentialKey names a credential in a form.
func credentialKey(c account.Credential) string { return string(c.Kind) + ":" + c.Identity }

// ownByKey returns the user's verified credential of that key, or her first one
// for "".
func ownByKey(user store.User, key string) (account.Credential, bool) {
	for _, own := range user.Credentials {
		if c := credentialOf(own); !own.VerifiedAt.IsZero() && (key == "" || credentialKey(c) == key) {
			return c, true
		}
	}
	return account.Credential{}, false
}

func loadConfirmUser(ctx context.Context, r *Run, v *View) error {
	user, err := loadOwner(ctx, r, v)
	if err != nil {
		return err
	}
	v.Flags["passwordless"] = user.PasswordHash == ""
	v.Flags["otherUser"] = slices.Contains(r.state.fires, OtherUser)
	for _, own := range user.Credentials {
		if own.VerifiedAt.IsZero() {
			continue
		}
		c := credentialOf(own)
		first := len(v.Lists["credentials"]) == 0
		if first {
			v.Values["credential"] = c.Spelling
		}
		v.Lists["credentials"] = append(v.Lists["credentials"], Item{
			Key: credentialKey(c), Title: c.Spelling,
			Flags: map[string]bool{"chosen": first && r.Data.Sent.IsZero() || c == r.Data.Sent},
		})
	}
	return nil
}

// submitConfirmUser is confirmUserState: the password, or the wish for a code.
// The credential is one of the user's own, whatever the form says.
func submitConfirmUser(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway || e == OtherUser {
		return otherUser(r, e), nil
	}
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return begin, err
	}
	cred, ok := ownByKey(user, r.Form["chosen"])
	if !ok {
		r.Fault("", "fault.form.stale") // she has removed it meanwhile
		return Stay, nil
	}
	r.Data.Sent = cred // it stays chosen
	switch e {
	case SendVerificationCode:
		e, err := deliverCode(ctx, r, cred, nil, account.PurposeConfirm)
		for i := range r.Data.Faults { // there is no field to correct it in
			r.Data.Faults[i].Field = ""
		}
		return e, err
	case VerifyCredentials:
		return confirmPassword(ctx, r, user, cred)
	}
	return Stay, nil
}

func confirmPassword(ctx context.Context, r *Run, user store.User, cred account.Credential) (Event, error) {
	if r.Form["password"] == "" {
		r.Fault("password", "fault.password.empty")
		return Stay, nil
	}
	proven, err := r.Accounts.VerifyPassword(ctx, account.PasswordAttempt{
		Client: r.Client(), Credential: cred, Password: r.Form["password"], Origin: r.Browser.Origin,
	})
	switch {
	case errors.Is(err, account.ErrWrong), err == nil && proven.ID != user.ID:
		r.Fault("password", "fault.confirm.password")
		return Stay, nil
	case limited(err):
		r.Fault("", "fault.limit.password")
		return Stay, nil
	case err != nil:
		return "", err
	}
	r.prove(proven, account.MethodPassword)
	return VerifyCredentials, nil
}

func loadConfirmCode(ctx context.Context, r *Run, v *View) error {
	viewCode(r, v)
	_, err := loadOwner(ctx, r, v)
	return err
}

// submitConfirmCode is confirmCodeState: the code that was sent to a credential
// of the user.
func submitConfirmCode(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway || e == ChangeCredential {
		return e, nil
	}
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return begin, err
	}
	if !r.Accounts.Owns(user, r.Data.Sent) { // she has removed it meanwhile
		return ChangeCredential, nil
	}
	switch e {
	case SendVerificationCode:
		return deliverCode(ctx, r, r.Data.Sent, nil, account.PurposeConfirm)
	case Verification:
	default:
		return Stay, nil
	}
	proof, ok, err := takeCode(ctx, r, r.Data.Sent, account.PurposeConfirm)
	if err != nil || !ok {
		return Stay, err
	}
	if !proof.Exists || proof.User.ID != user.ID {
		return ChangeCredential, nil
	}
	r.prove(proof.User, account.MethodCode)
	return Verification, nil
}

// renewSession puts a fresh session, with new handles, in place of the old one; at
// a finished run, in place of the one that the run has started.
func renewSession(ctx context.Context, r *Run) (Event, error) {
	r.Data.NoRemember = true // an existing cookie stays as it is
	_, err := startSession(ctx, r)
	return Confirmed, err
}
