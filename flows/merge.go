package flows

import (
	"context"
	"errors"
	"strings"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// Merge is the flow of mergeUrl (ConnectID: "URL: merge"): a user who has just
// logged in brings in another credential and proves it by code. If nobody has it,
// it is added to her account; if another account has, she is shown what will
// happen, and both become one.
var Merge = New("merge",
	Compute("checkMergeState", checkMerge, ProgrammaticLogin, Continue),
	simpleAuthentication(),
	Compute("startSessionState", startSession, Continue),
	NewSequence("mergeSequence",
		Show("startMergeState", submitMergeCredential, SendVerificationCode, LoginAgain, NavigateAway).Own(LoginAgain).
			View(viewMergeCredential).Entry(),
		Show("mergeVerificationState", submitMergeCode,
			Verification, SendVerificationCode, ChangeCredential, LoginAgain, NavigateAway).Own(LoginAgain).
			View(viewMergeCode),
		Compute("planMergeState", planMerge, Continue, AddCredential, RefuseMerge, LoginAgain),
		Show("mergeState", submitMerge, MergeAccounts, PlanChanged, ChangeCredential, LoginAgain, NavigateAway).Own(PlanChanged, LoginAgain).
			View(viewMerge),
		Show("mergeRefusedState", submitRefused, SendEmailToCustomerService, ChangeCredential, LoginAgain, NavigateAway).Own(LoginAgain).
			View(viewRefused),
		Show("customerCareState", submitAsIs, NavigateAway),
		On(SendVerificationCode, "mergeVerificationState"),
		On(ChangeCredential, "startMergeState"),
		On(PlanChanged, "planMergeState"),
		On(RefuseMerge, "mergeRefusedState"),
		On(SendEmailToCustomerService, "customerCareState"),
		Out(AddCredential, MergeAccounts),
	),
	Return("returnState"),
	newPassword(),
	Fail("leaveState", AccessDenied),
	On(ProgrammaticLogin, "mergeSequence"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "startSessionState"),
	On(LoginAgain, "checkMergeState"),
	On(NavigateAway, "leaveState"),
)

// Merging is what a run of [Merge] remembers.
type Merging struct {
	Survivor string             `json:"survivor"`        // the user whose account it is about
	Sent     account.Credential `json:"sent,omitzero"`   // where the code went
	Proven   account.Credential `json:"proven,omitzero"` // verified by that code
	Owner    string             `json:"owner,omitempty"` // whose it was then; empty for nobody's
	Epoch    int64              `json:"epoch,omitempty"` // of the owner
}

func (m *Merging) owner() store.User { return store.User{ID: m.Owner, Epoch: m.Epoch} }

// checkMerge asks for a login unless there is one of the last few minutes: what
// is added here can log in from then on.
func checkMerge(ctx context.Context, r *Run) (Event, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return Continue, err
	}
	if r.Accounts.IsFresh(r.Browser.Session) {
		return ProgrammaticLogin, nil
	}
	if len(user.Credentials) > 0 && r.Data.Credential == "" {
		r.Data.Credential = user.Credentials[0].Spelling
	}
	return Continue, nil
}

// survivor returns the user whose account the run is about: who is logged in.
// It reports false when nobody is, or when somebody else is by now than the run
// began with.
func (r *Run) survivor(ctx context.Context) (store.User, bool, error) {
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok || r.Data.Merge != nil && r.Data.Merge.Survivor != user.ID {
		r.Data.Merge = nil
		return store.User{}, false, err
	}
	return user, true, nil
}

// userGone begins anew after the user whose account it is about has gone in the
// middle of this request, absorbed by another, or the proof has ended.
func (r *Run) userGone() Event {
	r.user, r.Data.Merge = nil, nil
	return LoginAgain
}

func viewMergeCredential(r *Run, v *View) {
	v.Heading = r.Request.Heading
	v.Flags["onlyEmail"] = r.Request.CredentialKind == store.Email
	v.Flags["onlyPhone"] = r.Request.CredentialKind == store.Phone
}

// submitMergeCredential is startMergeState: the credential to add. What it says
// is the same whoever has it.
func submitMergeCredential(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != SendVerificationCode {
		return e, nil
	}
	r.Data.Merge = nil // another user may be logged in by now: the page is hers
	typed := strings.TrimSpace(r.Form["credential"])
	r.Data.Values = map[string]string{"credential": typed} // also for after another login
	user, ok, err := r.survivor(ctx)
	if err != nil {
		return "", err
	}
	if !ok || !r.Accounts.IsFresh(r.Browser.Session) {
		return LoginAgain, nil
	}
	r.Data.Merge = &Merging{Survivor: user.ID}
	cred, err := account.ParseCredential(typed, r.Request.Client.Region)
	switch kind := r.Request.CredentialKind; {
	case errors.Is(err, account.ErrCredentialEmpty):
	case kind == store.Email && (err != nil || cred.Kind != store.Email):
		r.Fault("credential", "fault.credential.email")
		return Stay, nil
	case kind == store.Phone && (err != nil || cred.Kind != store.Phone):
		r.Fault("credential", "fault.credential.mobile")
		return Stay, nil
	case err == nil && r.Accounts.Owns(user, cred):
		r.Fault("credential", "fault.credential.own")
		return Stay, nil
	}
	return sendMergeCode(ctx, r, cred, err)
}

func sendMergeCode(ctx context.Context, r *Run, cred account.Credential, fault error) (Event, error) {
	e, err := deliverCode(ctx, r, cred, fault, account.PurposeMerge(r.Data.Merge.Survivor))
	if e == SendVerificationCode {
		r.Data.Merge.Sent = cred
	}
	return e, err
}

// shown returns what the run remembers while the user is logged in whom it is
// about: on a shared computer it is nobody else's business.
func (r *Run) shown() *Merging {
	if m := r.Data.Merge; m != nil && m.Survivor == r.Browser.Session.UserID {
		return m
	}
	return nil
}

func viewMergeCode(r *Run, v *View) {
	v.Heading = r.Request.Heading
	if m := r.shown(); m != nil {
		v.Args["destination"] = m.Sent.Masked()
		v.Flags["isPhone"] = m.Sent.Kind == store.Phone
	}
}

// submitMergeCode is mergeVerificationState: the code that was sent.
func submitMergeCode(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != Verification && e != SendVerificationCode {
		return e, nil
	}
	if _, ok, err := r.survivor(ctx); err != nil || !ok || r.Data.Merge == nil {
		return LoginAgain, err
	}
	m := r.Data.Merge
	if e == SendVerificationCode {
		return sendMergeCode(ctx, r, m.Sent, nil)
	}
	proof, ok, err := takeCode(ctx, r, m.Sent, account.PurposeMerge(m.Survivor))
	if err != nil || !ok {
		return Stay, err
	}
	m.Proven, m.Owner, m.Epoch = proof.Credential, proof.User.ID, proof.User.Epoch
	return Verification, nil
}

// planMerge decides what becomes of a proven credential: one that nobody has is
// added at once.
func planMerge(ctx context.Context, r *Run) (Event, error) {
	m := r.Data.Merge
	if m == nil || m.Proven.IsZero() {
		return LoginAgain, nil
	}
	p, err := r.Accounts.PlanMerge(ctx, m.Survivor, m.Proven)
	switch {
	case errors.Is(err, account.ErrUserGone), errors.Is(err, account.ErrTaken):
		return r.userGone(), nil
	case err != nil:
		return "", err
	case p.Done():
		return AddCredential, nil
	case !p.Of(m.owner()): // it has to be proven once more, to whose it is now
		return r.userGone(), nil
	case p.Refused:
		return RefuseMerge, nil
	case p.Absorbed.ID != "":
		r.Data.Lines = p.Lines
		return Continue, nil
	}
	_, err = r.Accounts.AddCredential(ctx, m.Survivor, account.Addition{Client: r.Client(), Credential: m.Proven, Lang: r.Request.Lang})
	switch {
	case errors.Is(err, account.ErrUserGone), errors.Is(err, account.ErrTaken):
		return r.userGone(), nil
	case err != nil:
		return "", err
	}
	return AddCredential, nil
}

func viewMerge(r *Run, v *View) {
	if m := r.shown(); m != nil {
		v.Lines = r.Data.Lines
		v.Args["destination"] = m.Proven.Spelling
	}
}

// submitMerge is mergeState: the user has seen what will happen.
func submitMerge(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != MergeAccounts {
		return e, nil
	}
	if _, ok, err := r.survivor(ctx); err != nil || !ok || r.Data.Merge == nil {
		return LoginAgain, err
	}
	_, err := r.Accounts.Merge(ctx, account.MergeRequest{
		Client: r.Client(), Survivor: r.Data.Merge.Survivor, Proven: r.Data.Merge.Proven, Owner: r.Data.Merge.owner(), Seen: r.Data.Lines,
	})
	switch {
	case err == nil:
		return MergeAccounts, nil
	case errors.Is(err, account.ErrMergeChanged), errors.Is(err, account.ErrMergeRefused):
		r.Data.Notice = "notice.merge.changed"
		return PlanChanged, nil
	case errors.Is(err, account.ErrUserGone), errors.Is(err, account.ErrTaken):
		return r.userGone(), nil
	}
	return "", err
}

func viewRefused(r *Run, v *View) {
	if m := r.shown(); m != nil {
		v.Args["destination"] = m.Proven.Spelling
	}
	v.Flags["careEmail"] = r.Request.Client.CustomerCareEmail != ""
}

// submitRefused is mergeRefusedState: the way to customer care.
func submitRefused(ctx context.Context, r *Run, e Event) (Event, error) {
	if e != SendEmailToCustomerService {
		return e, nil
	}
	if _, ok, err := r.survivor(ctx); err != nil || !ok || r.Data.Merge == nil {
		return LoginAgain, err
	}
	p, err := r.Accounts.PlanMerge(ctx, r.Data.Merge.Survivor, r.Data.Merge.Proven)
	if err == nil {
		err = r.Accounts.AskForMerge(ctx, r.Client(), p)
	}
	switch {
	case err == nil:
		return SendEmailToCustomerService, nil
	case errors.Is(err, account.ErrUserGone), errors.Is(err, account.ErrTaken):
		return r.userGone(), nil
	case limited(err):
		r.Fault("", "fault.limit.care")
	case errors.Is(err, account.ErrUndeliverable), errors.Is(err, account.ErrNoCare):
		r.Fault("", "fault.care.failed")
	default:
		return "", err
	}
	return Stay, nil
}

// submitAsIs is a page that only leads on.
func submitAsIs(_ context.Context, _ *Run, e Event) (Event, error) { return e, nil }
