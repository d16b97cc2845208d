package flows

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// Events of an authorization request.
const (
	SelectAccount    Event = "selectAccountEvent"    // the client wants the user to say as whom she goes on
	KeepUser         Event = "keepUserEvent"         // as who she is
	OtherUser        Event = "otherUserEvent"        // she is somebody else, or wants to be
	AskConsent       Event = "askConsentEvent"       // the client asks for what she has not agreed to
	Consent          Event = "consentEvent"          // she agrees
	LoginMissing     Event = "loginMissingEvent"     // no page may be shown, or she is not whom the client means
	ConsentMissing   Event = "consentMissingEvent"   // no page may be shown on which she could agree
	SelectionMissing Event = "selectionMissingEvent" // no page may be shown, and somebody else is logged in
)

// The error codes of an authorization request (OpenID Connect Core 1.0, section
// 3.1.2.6).
const (
	LoginRequired            = "login_required"
	ConsentRequired          = "consent_required"
	AccountSelectionRequired = "account_selection_required"
)

// Authorization is what an authorization request asks of its user (OpenID Connect
// Core 1.0, section 3.1.2.1).
type Authorization struct {
	Scopes        []string      // what the client asks for
	Silent        bool          // prompt=none: no page is shown
	Login         bool          // prompt=login, max_age=0: she proves who she is, whatever was before
	Consent       bool          // prompt=consent: she is asked although she has agreed
	SelectAccount bool          // prompt=select_account
	MaxAge        time.Duration // since she proved who she is; zero for any
	UserID        string        // who she has to be (id_token_hint); "" for anybody
}

// Plain reports whether a user of the client who is logged in has nothing to do.
func (a *Authorization) Plain(c *store.Client) bool {
	return !c.ConsentRequired && !a.Silent && !a.Login && !a.SelectAccount && a.MaxAge == 0 && a.UserID == ""
}

// Authorize is the flow of the authorization endpoint: it finds out who the user
// is, has her prove it again and agree where the request or the client's record
// demands it, and ends in a code (ConnectID: "Authorization endpoint"). What it
// demands is judged anew each time that the run goes on, so no page can be left out.
var Authorize = New("authorize",
	Compute("checkSessionState", checkAuthorization, ProgrammaticLogin, Continue, SelectAccount, LoginMissing, SelectionMissing),
	simpleAuthentication(),
	Compute("startSessionState", startSession, Continue),
	NewSequence("authorizeSequence",
		Compute("checkProofState", checkProof, Confirmed, Continue, LoginMissing),
		reauthentication(OtherUser),
		Compute("checkConsentState", checkConsent, Continue, AskConsent, ConsentMissing),
		Compute("finishState", finishAuthorization, Continue),
		On(Confirmed, "checkConsentState"),
	),
	Return("returnState"),
	Show("selectAccountState", submitSelectAccount, KeepUser, OtherUser, NavigateAway, StartLogin).Own(StartLogin).
		Load(loadOwnCredential).Entry(),
	NewSequence("consentSequence",
		Show("consentState", submitConsent, Consent, OtherUser, NavigateAway, StartLogin).Own(StartLogin).
			Load(loadConsent).Entry().Decision(),
		Fail("deniedState", AccessDenied),
		On(NavigateAway, "deniedState"),
	),
	newPassword(),
	Fail("leaveState", AccessDenied),
	Fail("loginRequiredState", LoginRequired),
	Fail("consentRequiredState", ConsentRequired),
	Fail("accountSelectionRequiredState", AccountSelectionRequired),
	On(ProgrammaticLogin, "authorizeSequence"),
	On(SelectAccount, "selectAccountState"),
	On(KeepUser, "authorizeSequence"),
	On(OtherUser, "simpleAuthenticationSequence"),
	On(AskConsent, "consentSequence"),
	On(Consent, "authorizeSequence"),
	On(StartLogin, "checkSessionState"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "startSessionState"),
	On(ProveAgain, "simpleAuthenticationSequence"),
	On(LoginMissing, "loginRequiredState"),
	On(ConsentMissing, "consentRequiredState"),
	On(SelectionMissing, "accountSelectionRequiredState"),
	On(NavigateAway, "leaveState"),
	Again("finishState"),
)

var errNoAuthorization = errors.New("flows: authorize without an authorization request")

// checkAuthorization finds out whether the browser is logged in as somebody with
// whom the request can go on.
func checkAuthorization(ctx context.Context, r *Run) (Event, error) {
	a := r.Request.Authorization
	if a == nil {
		return "", errNoAuthorization
	}
	known, err := knownUser(ctx, r)
	switch {
	case err != nil:
		return "", err
	case !known && !a.Silent:
		return Continue, nil
	case !known && r.Browser.LoggedIn() && a.UserID == "":
		return SelectionMissing, nil // somebody, but not whom login_hint names
	case !known:
		return LoginMissing, nil
	case a.SelectAccount:
		return SelectAccount, nil
	}
	return ProgrammaticLogin, nil
}

// knownUser reports whether the browser is logged in, or logs itself in by the
// client's rememberMeCookie, as whom the hints mean.
func knownUser(ctx context.Context, r *Run) (bool, error) {
	if want := r.Request.Authorization.UserID; want != "" {
		switch is, err := remembered(ctx, r, want); {
		case err != nil:
			return false, err
		case r.Browser.LoggedIn() && r.Browser.Session.UserID == want:
			return true, nil // the stronger of two hints
		case !is:
			return false, nil
		}
	} else if ok, err := loggedIn(ctx, r); err != nil || ok {
		return ok, err
	}
	return recall(ctx, r)
}

// remembered reports whether the rememberMeCookie is the user's. One that would not
// pass is not presented for her sake.
func remembered(ctx context.Context, r *Run, userID string) (bool, error) {
	if r.Browser.Remember == "" {
		return false, nil
	}
	is, err := r.Accounts.Peek(ctx, r.Request.Client.ID, r.Browser.Remember)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return is == userID, err
}

// checkProof decides whether who is logged in is whom the client means, and
// whether she has to prove it again.
func checkProof(_ context.Context, r *Run) (Event, error) {
	a, user := r.Request.Authorization, r.Browser.Session.UserID
	switch {
	case a == nil:
		return "", errNoAuthorization
	case r.Data.Own.Owner != user:
		r.Data.Own = OwnData{Owner: user}
	}
	switch {
	case a.UserID != "" && a.UserID != user:
		// OpenID Connect Core 1.0, section 3.1.2.1, id_token_hint: no answer
		// about anybody else.
		return LoginMissing, nil
	case r.isFresh():
		return Confirmed, nil
	case a.Silent:
		return LoginMissing, nil
	}
	return Continue, nil
}

// provenEnough reports whether the session is proof enough for the request. With
// Login only a proof counts that was given in this run; a session that was not
// made by it, or that has taken its place since, is none.
func (a *Authorization) provenEnough(r *Run) bool {
	s, d := r.Browser.Session, r.Data
	inRun := d.UserID != "" && d.UserID == s.UserID && d.BySession.IsZero() &&
		!d.ProvenAt.IsZero() && !s.FreshAt.Before(d.ProvenAt.Truncate(time.Millisecond))
	switch {
	case a.Login && !inRun:
		return false
	case a.MaxAge > 0:
		return account.IsFreshWithin(s, a.MaxAge)
	}
	return true
}

// asked returns the scopes that the user has to be asked about, and those of the
// request to which she has agreed; false when there is nothing to ask.
func asked(ctx context.Context, r *Run, userID string) (ask, agreed []string, needed bool, err error) {
	a := r.Request.Authorization
	if !r.Request.Client.ConsentRequired {
		return nil, nil, false, nil
	}
	c, err := r.Accounts.Consent(ctx, userID, r.Request.Client.ID, a.Scopes)
	switch {
	case err != nil:
		return nil, nil, false, err
	case a.Consent:
		return a.Scopes, nil, true, nil
	}
	return c.Missing, c.Agreed, !c.Complete(), nil
}

// checkConsent decides whether the user has to be asked what the client may have.
func checkConsent(ctx context.Context, r *Run) (Event, error) {
	user := r.Browser.Session.UserID
	if r.Data.Own.AgreedBy == user { // in this run
		return Continue, nil
	}
	_, _, needed, err := asked(ctx, r, user)
	switch {
	case err != nil:
		return "", err
	case !needed:
		return Continue, nil
	case r.Request.Authorization.Silent:
		return ConsentMissing, nil
	}
	return AskConsent, nil
}

// finishAuthorization is the last state before the code. At a finished run it puts
// a session in place of the one that the run has started, if it has, unless the
// user has taken back meanwhile what she agreed to; one that has started none goes on
// with a session that is proof enough alone.
func finishAuthorization(ctx context.Context, r *Run) (Event, error) {
	if !r.again {
		if r.Data.Started != r.Browser.Session.Handle {
			r.Data.Started = store.Digest{} // another one has taken its place
		}
		return Continue, nil
	}
	if r.Request.Client.ConsentRequired {
		c, err := r.Accounts.Consent(ctx, r.Data.Own.Owner, r.Request.Client.ID, r.Request.Authorization.Scopes)
		if err != nil {
			return "", err
		}
		if !c.Complete() {
			return "", ErrOver
		}
	}
	if r.Data.Started.IsZero() {
		if !r.Request.Authorization.provenEnough(r) { // by a session that is another one since
			return "", ErrOver
		}
		return Continue, nil
	}
	return startSession(ctx, r)
}

// loadOwnCredential shows as whom the user is logged in.
func loadOwnCredential(ctx context.Context, r *Run, v *View) error {
	user, err := loadOwner(ctx, r, v)
	if err != nil {
		return err
	}
	own, ok := ownCredential(r, user)
	if !ok {
		own, _ = ownByKey(user, "")
	}
	if v.Args["destination"] = own.Masked(); own.IsZero() {
		v.Args["destination"] = strings.TrimSpace(user.FirstName + " " + user.LastName)
	}
	return nil
}

// submitSelectAccount is selectAccountState: she goes on as who she is, or logs in
// as somebody else.
func submitSelectAccount(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	if _, begin, err := owner(ctx, r); err != nil || begin != "" {
		return begin, err
	}
	return otherUser(r, e), nil
}

// otherUser asks for another credential than the one before.
func otherUser(r *Run, e Event) Event {
	if e == OtherUser {
		r.Data.Credential = ""
	}
	return e
}

func loadConsent(ctx context.Context, r *Run, v *View) error {
	if err := loadOwnCredential(ctx, r, v); err != nil {
		return err
	}
	ask, agreed, needed, err := asked(ctx, r, r.Browser.Session.UserID)
	if err != nil {
		return err
	}
	if !needed { // agreed to in another tab: the page asks all the same
		ask, agreed = r.Request.Authorization.Scopes, nil
	}
	v.Values["scope"] = strings.Join(ask, " ")
	for _, scope := range ask {
		v.Lists["scopes"] = append(v.Lists["scopes"], Item{Key: scope})
	}
	for _, scope := range agreed {
		v.Lists["agreed"] = append(v.Lists["agreed"], Item{Key: scope})
	}
	return nil
}

// submitConsent is consentState. What counts is what the page has shown: when
// there is more to ask by now, it is shown first.
func submitConsent(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == NavigateAway {
		return e, nil
	}
	user, begin, err := owner(ctx, r)
	if err != nil || begin != "" {
		return begin, err
	}
	if e != Consent {
		return otherUser(r, e), nil
	}
	shown := strings.Fields(r.Form["scope"])
	ask, _, _, err := asked(ctx, r, user.ID)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(ask, func(scope string) bool { return !slices.Contains(shown, scope) }) {
		r.Fault("", "fault.form.stale")
		return Stay, nil
	}
	if err := r.Accounts.GiveConsent(ctx, user.ID, r.Request.Client.ID, ask); err != nil {
		return "", err
	}
	r.Data.Own = OwnData{Owner: user.ID, AgreedBy: user.ID}
	return Consent, nil
}
