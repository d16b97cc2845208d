package flows

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// The pages that My account leads to. What only a fresh login may do asks again
// when the page was left open for too long.

func loadProfile(ctx context.Context, r *Run, v *View) error {
	user, err := loadOwner(ctx, r, v)
	if err != nil {
		return err
	}
	if r.Data.Values == nil {
		v.Values["firstName"], v.Values["lastName"] = user.FirstName, user.LastName
	} else if lang := v.Values["language"]; lang != "" {
		user.Language = lang
	}
	delete(v.Values, "language")
	if user.Language == "" {
		user.Language = r.Request.Lang // what she sees now
	}
	listLanguages(v, user)
	return nil
}

// submitProfile is profileState: name and language.
func submitProfile(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return begin, err
	}
	p := account.Profile{FirstName: takeName(r, "firstName"), LastName: takeName(r, "lastName"), Language: r.Form["language"]}
	if len(r.Data.Faults) > 0 {
		r.Data.Values = map[string]string{"firstName": p.FirstName, "lastName": p.LastName}
		if slices.Contains(texts.Langs(), p.Language) {
			r.Data.Values["language"] = p.Language
		}
		return Stay, nil
	}
	if _, err := r.Accounts.SetProfile(ctx, user.ID, p); err != nil {
		return "", err
	}
	r.Data.Notice = "notice.profile.saved"
	return SaveProfile, nil
}

// loadOwnPage is for pages that show nothing but themselves.
func loadOwnPage(ctx context.Context, r *Run, v *View) error {
	_, err := loadOwner(ctx, r, v)
	return err
}

func loadRemoveCredential(ctx context.Context, r *Run, v *View) error {
	v.Args["destination"] = r.Data.Own.Target.Spelling
	return loadOwnPage(ctx, r, v)
}

// freshOwner returns the event with which a page can not go on: its user is not
// there any more, or has to prove again who she is.
func freshOwner(ctx context.Context, r *Run) (store.User, Event, error) {
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return user, begin, err
	}
	if !r.Accounts.IsFresh(r.Browser.Session) {
		return user, StartConfirmation, nil
	}
	return user, "", nil
}

// submitRemoveCredential is removeCredentialState.
func submitRemoveCredential(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, instead, err := freshOwner(ctx, r)
	if err != nil || instead != "" {
		return instead, err
	}
	_, err = r.Accounts.RemoveCredential(ctx, user.ID, account.CredentialRemoval{
		Credential: r.Data.Own.Target, Client: r.Client(), Lang: r.Request.Lang,
	})
	switch {
	case errors.Is(err, account.ErrLastCredential):
		r.Fault("", "fault.credential.last")
		return Stay, nil
	case err != nil:
		return "", err
	}
	r.Data.Notice = "notice.credential.removed"
	return CredentialRemoved, nil
}

// submitExport is exportState.
func submitExport(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, instead, err := freshOwner(ctx, r)
	if err != nil || instead != "" {
		return instead, err
	}
	export, err := r.Accounts.Export(ctx, user.ID)
	if err != nil {
		return "", err
	}
	body, err := json.MarshalIndent(export, "", "  ")
	if err != nil {
		return "", err
	}
	r.Effects.Download = &File{Name: "account.json", Type: "application/json", Body: append(body, '\n')}
	return Download, nil
}

func loadDeleteAccount(ctx context.Context, r *Run, v *View) error {
	user, err := loadOwner(ctx, r, v)
	if err != nil {
		return err
	}
	own, _ := ownByKey(user, "")
	v.Args["destination"] = own.Spelling
	return nil
}

// submitDeleteAccount is deleteAccountState: the user types one of her own
// credentials, so that no slip of the finger deletes an account.
func submitDeleteAccount(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, instead, err := freshOwner(ctx, r)
	if err != nil || instead != "" {
		return instead, err
	}
	typed, err := account.ParseCredential(r.Form["confirmation"], r.Request.Client.Region)
	if err != nil || !r.Accounts.Owns(user, typed) {
		r.Fault("confirmation", "fault.delete.confirmation")
		return Stay, nil
	}
	err = r.Accounts.Delete(ctx, account.Deletion{UserID: user.ID, Client: r.Client(), Lang: r.Request.Lang})
	if err != nil && !errors.Is(err, account.ErrUserGone) { // gone: by another tab
		return "", err
	}
	r.Data = Data{} // nothing of her is kept in the run
	return AccountDeleted, nil
}
