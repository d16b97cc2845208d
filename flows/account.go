package flows

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Events of a user's own pages, in the style of the documents.
const (
	EditProfile       Event = "editProfileEvent"       // wants to change name or language
	SaveProfile       Event = "saveProfileEvent"       // has changed them
	RemoveCredential  Event = "removeCredentialEvent"  // wants to remove a credential
	CredentialRemoved Event = "credentialRemovedEvent" // has removed it
	EndDevice         Event = "endDeviceEvent"         // ends one session or series
	EndOthers         Event = "endOthersEvent"         // ends all but this browser's
	Disconnect        Event = "disconnectEvent"        // takes back what a site was allowed
	Export            Event = "exportEvent"            // wants a copy of all that is kept of her
	Download          Event = "downloadEvent"          // gets it
	DeleteAccount     Event = "deleteAccountEvent"     // wants the account to be deleted
	AccountDeleted    Event = "accountDeletedEvent"    // it is
)

// Account is the flow of accountUrl: My account, where a user sees and changes
// what is kept of her.
var Account = New("account",
	Compute("checkSessionState", checkSession, ProgrammaticLogin, Continue),
	simpleAuthentication(),
	Compute("startSessionState", startSession, Continue),
	NewSequence("accountSequence",
		Compute("openAccountState", openAccount, Continue, StartLogin),
		NewSequence("overviewSequence",
			Show("accountState", submitAccount,
				NavigateAway, EditProfile, RemoveCredential, EndDevice, EndOthers, Disconnect, Export, DeleteAccount, StartLogin).Own(StartLogin).
				Load(loadAccount).Entry(),
			Return("returnState"),
			On(NavigateAway, "returnState"),
			On(EndDevice, "accountState"),
			On(EndOthers, "accountState"),
			On(Disconnect, "accountState"),
		),
		Show("profileState", submitProfile, SaveProfile, NavigateAway, StartLogin).Own(StartLogin).Load(loadProfile),
		stepUp(),
		NewSequence("deletedSequence",
			Show("accountDeletedState", leave, NavigateAway),
			Compute("forgetBrowserState", forgetBrowser, Continue),
			Return("deletedState"),
			On(NavigateAway, "forgetBrowserState"),
		),
		On(EditProfile, "profileState"),
		On(RemoveCredential, "stepUpSequence"),
		On(Export, "stepUpSequence"),
		On(DeleteAccount, "stepUpSequence"),
		On(SaveProfile, "openAccountState"),
		On(CredentialRemoved, "openAccountState"),
		On(AccountDeleted, "deletedSequence"),
		On(NavigateAway, "openAccountState"),
	),
	newPassword(),
	Fail("leaveState", AccessDenied),
	On(ProgrammaticLogin, "accountSequence"),
	On(StartLogin, "checkSessionState"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "startSessionState"),
	On(ProveAgain, "simpleAuthenticationSequence"),
	On(NavigateAway, "leaveState"),
)

// stepUp is the sequence of what only a user does who has just proven who she is.
func stepUp() *Sequence {
	return NewSequence("stepUpSequence",
		reauthentication(),
		Compute("openWantedState", openWanted, RemoveCredential, Export, DeleteAccount),
		Show("removeCredentialState", submitRemoveCredential, CredentialRemoved, NavigateAway, StartConfirmation, StartLogin).Own(StartConfirmation, StartLogin).
			Load(loadRemoveCredential),
		Show("exportState", submitExport, Download, NavigateAway, StartConfirmation, StartLogin).Own(StartConfirmation, StartLogin).Load(loadOwnPage),
		Show("deleteAccountState", submitDeleteAccount, AccountDeleted, NavigateAway, StartConfirmation, StartLogin).Own(StartConfirmation, StartLogin).
			Load(loadDeleteAccount),
		On(StartConfirmation, "reauthenticationSequence"),
		On(RemoveCredential, "removeCredentialState"),
		On(Export, "exportState"),
		On(Download, "exportState"),
		On(DeleteAccount, "deleteAccountState"),
	)
}

// openAccount opens the pages of who is logged in.
func openAccount(ctx context.Context, r *Run) (Event, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil {
		return "", err
	}
	if !ok {
		return notLoggedIn(r), nil
	}
	r.Data.Own = OwnData{Owner: user.ID}
	r.Data.Values, r.Data.Sent = nil, account.Credential{}
	return Continue, nil
}

func leave(_ context.Context, _ *Run, e Event) (Event, error) { return e, nil }

// here says which browser asks.
func (r *Run) here() account.Here {
	return account.Here{Session: r.Browser.Session.Handle, ClientID: r.Request.Client.ID, Remember: r.Browser.Remember}
}

// loadAccount reads all that accountState shows.
func loadAccount(ctx context.Context, r *Run, v *View) error {
	user, err := loadOwner(ctx, r, v)
	if err != nil {
		return err
	}
	v.Values["firstName"], v.Values["lastName"] = user.FirstName, user.LastName
	v.Flags["named"] = user.FirstName+user.LastName != ""
	v.Flags["hasPassword"] = user.PasswordHash != ""
	listLanguages(v, user)
	verified := 0
	for _, own := range user.Credentials {
		if !own.VerifiedAt.IsZero() {
			verified++
		}
	}
	for _, own := range user.Credentials {
		c := credentialOf(own)
		v.Lists["credentials"] = append(v.Lists["credentials"], Item{Key: credentialKey(c), Title: c.Spelling, Flags: map[string]bool{
			"isPhone": own.Kind == store.Phone, "unverified": own.VerifiedAt.IsZero(),
			"removable": verified > 1 || own.VerifiedAt.IsZero(),
		}})
	}
	devices, err := r.Accounts.Devices(ctx, user.ID, r.here())
	if err != nil {
		return err
	}
	for _, d := range devices {
		v.Flags["others"] = v.Flags["others"] || !d.Current
		v.Lists["devices"] = append(v.Lists["devices"], Item{
			Key: d.Key, Title: d.Agent, Detail: d.ClientName, Age: time.Since(d.UsedAt),
			Flags: map[string]bool{"current": d.Current, "remembered": d.Remembered},
		})
	}
	sites, err := r.Accounts.Sites(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, s := range sites {
		v.Lists["sites"] = append(v.Lists["sites"], Item{
			Key: s.ClientID, Title: s.Name, Detail: strings.Join(s.Agreed, " "), Age: time.Since(s.UsedAt),
			Flags: map[string]bool{"idle": s.EndsAt.IsZero()},
		})
	}
	loadParts(ctx, r, v, user)
	return nil
}

// shownParts are the parts that accountState has a heading for.
var shownParts = map[string]bool{"subscriptions": true, "memberships": true, "directories": true, "externals": true, "orders": true}

// rareParts are those that most readers have nothing of: they are shown when there
// is something.
var rareParts = map[string]bool{"directories": true, "externals": true, "orders": true}

func loadParts(ctx context.Context, r *Run, v *View, user store.User) {
	down := false
	for _, p := range r.Accounts.PartsOf(ctx, user) {
		if p.Err != nil { // the rest of the account is hers to see all the same
			down = down || shownParts[p.Name]
			continue
		}
		if !shownParts[p.Name] || rareParts[p.Name] && len(p.Items) == 0 {
			continue
		}
		v.Flags[p.Name] = true
		if p.Page != "" {
			v.Links[p.Name] = p.Page
		}
		for _, i := range p.Items {
			item := Item{Title: i.Title, Detail: i.Detail}
			if o, ok := i.Data.(OrderItem); ok { // in the reader's own language
				item.Key, item.Detail = o.Status, ""
				if o.MinorUnits != 0 {
					item.Detail = texts.Money(r.Request.Lang, o.MinorUnits, o.Currency)
				}
			}
			v.Lists[p.Name] = append(v.Lists[p.Name], item)
		}
	}
	if down {
		v.Faults = append(slices.Clone(v.Faults), Fault{Text: "fault.outage"})
	}
}

// listLanguages lists the languages of pages and messages, the user's marked.
func listLanguages(v *View, user store.User) {
	for _, lang := range texts.Langs() {
		v.Lists["languages"] = append(v.Lists["languages"], Item{Key: lang, Flags: map[string]bool{"chosen": lang == user.Language}})
	}
}

// submitAccount is accountState.
func submitAccount(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return begin, err
	}
	r.Data.Own = OwnData{Owner: user.ID, Wanted: e}
	switch e {
	case EditProfile, Export, DeleteAccount:
		return e, nil
	case RemoveCredential:
		for _, own := range user.Credentials {
			if c := credentialOf(own); credentialKey(c) == r.Form["item"] {
				r.Data.Own.Target = c
				return e, nil
			}
		}
	case EndDevice:
		r.Data.Notice = "notice.device.ended"
		return e, r.Accounts.EndDevice(ctx, user.ID, r.Form["item"])
	case EndOthers:
		r.Data.Notice = "notice.devices.ended"
		return e, r.Accounts.EndOtherDevices(ctx, user.ID, r.here())
	case Disconnect:
		r.Data.Notice = "notice.site.disconnected"
		return e, r.Accounts.Disconnect(ctx, user.ID, r.Form["item"])
	}
	return Stay, nil
}

// openWanted opens the page for which the user has proven who she is.
func openWanted(_ context.Context, r *Run) (Event, error) {
	switch e := r.Data.Own.Wanted; e {
	case RemoveCredential, Export, DeleteAccount:
		return e, nil
	}
	return "", errors.New("nothing is wanted")
}

// forgetBrowser has the browser drop what an account left there that is deleted or
// logged out.
func forgetBrowser(_ context.Context, r *Run) (Event, error) {
	r.Effects.LogOut, r.Effects.Forget = true, true
	return Continue, nil
}
