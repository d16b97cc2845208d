package flows

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func viewCode(r *Run, v *View) {
	v.Args["destination"] = r.Data.Sent.Masked()
	v.Flags["isPhone"] = r.Data.Sent.Kind == store.Phone
	v.Flags["reset"] = r.Data.Reset
}

// submitCode is verificationState: the code that was sent.
func submitCode(ctx context.Context, r *Run, e Event) (Event, error) {
	switch e {
	case Verification:
	case SendVerificationCode:
		return sendCode(ctx, r)
	default:
		return e, nil
	}
	proof, ok, err := takeCode(ctx, r, r.Data.Sent, r.purpose())
	if err != nil || !ok {
		return Stay, err
	}
	r.prove(proof.User, account.MethodCode)
	r.Data.Proven = proof.Credential
	switch {
	case !proof.Exists:
		return NewUser, nil
	case r.Data.Reset:
		return ChoosePassword, nil
	}
	return Verification, nil
}

func viewNewUser(r *Run, v *View) {
	v.Values["credential"] = r.Data.Proven.Spelling // for password managers
	v.Flags["passwordOptional"] = r.passwordOptional()
	v.Flags["acceptTerms"] = r.Data.Values["acceptTerms"] != ""
	delete(v.Values, "acceptTerms")
}

func (r *Run) passwordOptional() bool { return r.Request.Client.PasswordOptional && !r.Data.Reset }

// takeCode takes the code that was sent to the credential; false after it has
// noted what is wrong.
func takeCode(ctx context.Context, r *Run, sent account.Credential, purpose string) (account.Proof, bool, error) {
	code := strings.Map(func(c rune) rune { // people paste "123 456"
		if unicode.IsSpace(c) || c == '-' {
			return -1
		}
		return c
	}, r.Form["code"])
	if code == "" {
		r.Fault("code", "fault.code.empty")
		return account.Proof{}, false, nil
	}
	proof, err := r.Accounts.VerifyCode(ctx, account.CodeAttempt{
		Client: r.Client(), Credential: sent, Purpose: purpose, Origin: r.Browser.Origin, Code: code,
	})
	switch {
	case errors.Is(err, account.ErrWrong):
		r.Fault("code", "fault.code.wrong")
	case errors.Is(err, account.ErrExpired):
		r.Fault("code", "fault.code.expired")
	case limited(err):
		r.Fault("", "fault.limit.code")
	default:
		return proof, err == nil, err
	}
	return account.Proof{}, false, nil
}

// submitNewUser is newUserState: it creates the account of a credential that was
// just proven.
func submitNewUser(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	n := account.NewUser{
		Client: r.Client(), Credential: r.Data.Proven, Lang: r.Request.Lang,
		FirstName: takeName(r, "firstName"), LastName: takeName(r, "lastName"),
		Password: r.Form["newPassword"], TermsAccepted: r.Form["acceptTerms"] != "",
	}
	r.Data.Values = map[string]string{"firstName": n.FirstName, "lastName": n.LastName, "acceptTerms": ticked(r.Form["acceptTerms"])}
	switch {
	case e == Continue && r.passwordOptional():
		n.Password = "" // skipped, whatever stands in the field
	case n.Password == "":
		r.Fault("newPassword", "fault.password.choose")
	default:
		passwordFault(r, r.Accounts.CheckNewPassword(n.Password, n.Credential.Identity, n.FirstName, n.LastName))
	}
	if !n.TermsAccepted {
		r.Fault("acceptTerms", "fault.terms")
	}
	if len(r.Data.Faults) > 0 {
		return Stay, nil
	}
	user, err := r.Accounts.CreateUser(ctx, n)
	switch {
	case refusedPassword(r, err):
		return Stay, nil
	case errors.Is(err, account.ErrTaken): // whose it is, only a proof to it can tell
		r.forgetProof()
		return ProveAgain, nil
	case err != nil:
		return "", err
	}
	r.Data.UserID, r.Data.Epoch, r.Data.Values = user.ID, user.Epoch, nil
	if n.Password == "" {
		return Continue, nil
	}
	return SetPassword, nil
}

// ticked returns what a run remembers of a box: not what was sent.
func ticked(value string) string {
	if value == "" {
		return ""
	}
	return "true"
}

// takeName reads a name; one that is too long is a fault.
func takeName(r *Run, field string) string {
	name, err := account.CleanName(r.Form[field])
	if err != nil {
		r.Fault(field, "fault.name.long", account.NameMax)
	}
	return name
}

// passwordFault notes why a new password is refused, if it is.
func passwordFault(r *Run, err error) {
	switch {
	case errors.Is(err, account.ErrPasswordShort):
		r.Fault("newPassword", "fault.password.short", account.PasswordMin)
	case errors.Is(err, account.ErrPasswordLong):
		r.Fault("newPassword", "fault.password.long", account.PasswordMax)
	case errors.Is(err, account.ErrPasswordBreached):
		r.Fault("newPassword", "fault.password.breached")
	case err != nil:
		r.Fault("newPassword", "fault.password.common")
	}
}

// refusedPassword reports whether the error is about the new password itself,
// and notes why it is refused. What accounts check knows more of the user than
// the page before it.
func refusedPassword(r *Run, err error) bool {
	for _, refusal := range []error{account.ErrPasswordShort, account.ErrPasswordLong, account.ErrPasswordCommon, account.ErrPasswordBreached} {
		if errors.Is(err, refusal) {
			passwordFault(r, refusal)
			return true
		}
	}
	return false
}

func viewNewPassword(r *Run, v *View) {
	v.Values["credential"] = r.Data.Sent.Spelling
	v.Flags["keepSessions"] = r.Data.Values["keepSessions"] != ""
	delete(v.Values, "keepSessions")
}

// submitNewPassword is newPasswordState: the user is proven, and chooses.
func submitNewPassword(ctx context.Context, r *Run, e Event) (Event, error) {
	switch {
	case e == NavigateAway:
		return e, nil
	case !r.proofHolds():
		r.forgetProof()
		return ProveAgain, nil
	}
	password := r.Form["newPassword"]
	r.Data.Values = map[string]string{"keepSessions": ticked(r.Form["keepSessions"])}
	switch {
	case password == "":
		r.Fault("newPassword", "fault.password.choose")
	case password != r.Form["newPasswordAgain"]:
		r.Fault("newPasswordAgain", "fault.password.differ")
	default:
		passwordFault(r, r.Accounts.CheckNewPassword(password, r.Data.Sent.Identity))
	}
	if len(r.Data.Faults) > 0 {
		return Stay, nil
	}
	user, err := r.Accounts.User(ctx, r.Data.UserID)
	if err != nil {
		return "", err
	}
	user, err = r.Accounts.SetPassword(ctx, user, account.PasswordChange{
		Password: password, Epoch: r.Data.Epoch, KeepSession: r.Browser.Session.Handle, KeepAll: r.Form["keepSessions"] != "",
		Client: r.Client(), Used: r.Data.Sent, Lang: r.Request.Lang,
	})
	if refusedPassword(r, err) { // before anything was done
		return Stay, nil
	}
	r.epoch = user.Epoch
	if err != nil {
		return "", err
	}
	r.Data.Epoch = user.Epoch
	return SetPassword, nil
}
