package flows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Subscriber is what a run knows of the customer or member that its user may be.
type Subscriber struct {
	Number  string             `json:"number,omitempty"`  // to which the user is to be tied
	Matches []publisher.Person `json:"matches,omitempty"` // found by her credentials
	Offers  []publisher.Offer  `json:"offers,omitempty"`  // that she can order
	Failed  bool               `json:"failed,omitempty"`  // a search found nobody, or could not be made
	Other   bool               `json:"other,omitempty"`   // she has another number already
	// What she searched for, for customer service.
	Typed      string `json:"typed,omitempty"`
	LastName   string `json:"lastName,omitempty"`
	PostalCode string `json:"postalCode,omitempty"`
}

// maxChoices is how many matches or offers are shown.
const maxChoices = 5

// matchWithin bounds the search that nobody asked for, so that a frozen system
// costs the reader a moment and not the page.
const matchWithin = 2 * time.Second

// searchWithin bounds the search that the reader waits for.
const searchWithin = 3500 * time.Millisecond

// pace is the step in which refused searches are answered: a wrong name takes as
// long as a wrong number.
const pace = 250 * time.Millisecond

func (r *Run) tieKind() store.TieKind { return tieKinds[r.flow.name] }

// people is the system that is searched: that of the client's partner.
func (r *Run) people() publisher.People {
	if r.tieKind() == store.MembershipTie {
		return r.Publishers.Memberships(r.Request.Client.PartnerID)
	}
	return r.Publishers.Customers(r.Request.Client.PartnerID)
}

// checkSubscriber fires ProgrammaticLogin for a browser that is logged in with
// the given credential, or with any when none is given: that credential is
// fixed from then on (ConnectID: "the credential field will not be editable if
// the user already is logged in with this credential").
func checkSubscriber(ctx context.Context, r *Run) (Event, error) {
	e, err := checkSession(ctx, r)
	if err != nil || e != ProgrammaticLogin {
		return e, err
	}
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return Continue, err
	}
	cred, ok := ownOfType(r, user)
	if !ok {
		return Continue, nil // logged in as somebody else
	}
	r.Data.UserID, r.Data.Epoch, r.Data.Sent = user.ID, user.Epoch, cred
	return ProgrammaticLogin, nil
}

// ownOfType is ownCredential for flows that may want one kind of credential.
func ownOfType(r *Run, user store.User) (account.Credential, bool) {
	kind := r.Request.LoginType
	if r.Request.Credential != "" || kind == "" {
		cred, ok := ownCredential(r, user)
		return cred, ok && (kind == "" || cred.Kind == kind)
	}
	for _, c := range user.Credentials {
		if c.Kind == kind && !c.VerifiedAt.IsZero() {
			return account.Credential{Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling}, true
		}
	}
	return account.Credential{}, false
}

// sameUser guards the pages of a user who was logged in before the run: they
// are hers as long as she is. One who proved herself in the run is known by it.
func sameUser(r *Run) error {
	if r.Data.Method == "" && r.Browser.Session.UserID != r.Data.UserID {
		return account.ErrUserGone
	}
	return nil
}

// subscriber returns the user of the run. [account.ErrUserGone] when she has
// ended meanwhile what the run was proven by, as a new password does.
func (r *Run) subscriber(ctx context.Context) (store.User, error) {
	user, err := r.Accounts.User(ctx, r.Data.UserID)
	if err == nil && user.Epoch != r.Data.Epoch {
		err = account.ErrUserGone
	}
	return user, err
}

// startSessionOnce logs in whom the run has proven; who was logged in before
// stays so, no fresher than she was.
func startSessionOnce(ctx context.Context, r *Run) (Event, error) {
	if r.Data.Method == "" {
		return Continue, nil
	}
	return startSession(ctx, r)
}

// searchByCredential looks for customers who can be reached at what the user has
// proved to own. Who has her number already needs none.
func searchByCredential(ctx context.Context, r *Run) (Event, error) {
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	if !r.Data.Proven.IsZero() {
		r.Data.Sent = r.Data.Proven
	}
	r.Data.Credential, r.Data.Values = r.Data.Sent.Spelling, nil
	if _, ok := user.Tie(r.tieKind(), r.Request.Client.PartnerID); ok {
		return AlreadyTied, nil
	}
	if e, err := purchase(ctx, r, user); err != nil || e != "" {
		return e, err
	}
	searching, cancel := context.WithTimeout(ctx, matchWithin)
	defer cancel()
	r.Data.Subscriber.Offers = offers(searching, r)
	if r.Data.Subscriber.Matches, err = found(searching, r, user); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		r.Accounts.PublisherFailed(ctx, user.ID, r.Client(), err)
	}
	if len(r.Data.Subscriber.Matches) == 0 {
		return OtherSubscriber, nil
	}
	return SearchForSubscriber, nil
}

// found returns the persons who can be reached at the user's own credentials and
// are nobody else.
func found(ctx context.Context, r *Run, user store.User) ([]publisher.Person, error) {
	var all []publisher.Person
	for _, c := range user.Credentials {
		if c.VerifiedAt.IsZero() || r.Request.LoginType != "" && c.Kind != r.Request.LoginType {
			continue
		}
		persons, err := r.people().ByCredential(ctx, publisher.CredentialSearch{
			PartnerID: r.Request.Client.PartnerID, ClientID: r.Request.Client.ID,
			Contact: store.Contact{Kind: c.Kind, Identity: c.Identity},
		})
		if err != nil {
			return nil, err
		}
		for _, p := range persons {
			if len(all) == maxChoices || slices.ContainsFunc(all, func(o publisher.Person) bool { return o.Number == p.Number }) {
				continue
			}
			owner, err := r.Accounts.TiedTo(ctx, r.tieKind(), r.Request.Client.PartnerID, p.Number)
			if err != nil {
				return nil, err
			}
			if owner == "" {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

func viewMatches(r *Run, v *View) {
	viewSubscriber(r, v)
	for i, p := range r.Data.Subscriber.Matches {
		about := slices.DeleteFunc([]string{p.Number, p.Detail, p.Place}, func(s string) bool { return s == "" })
		v.Choices = append(v.Choices, Choice{p.Number, p.Name, strings.Join(about, " · "), i == 0})
	}
}

func viewSubscriber(r *Run, v *View) {
	v.Values["credential"] = r.Data.Credential
	v.Locked = true
	v.Flags["membership"] = r.tieKind() == store.MembershipTie
	v.Flags["care"] = r.Request.Client.CustomerCareEmail != "" && (r.Data.Subscriber.Failed || r.state.name == "subscriberTakenState")
}

// submitMatch is subscriberMatchState: "is one of these you?"
func submitMatch(_ context.Context, r *Run, e Event) (Event, error) {
	if e != Continue {
		return e, nil
	}
	if stale(r) {
		return Stay, nil
	}
	number := r.Form["customerNumber"]
	if !slices.ContainsFunc(r.Data.Subscriber.Matches, func(p publisher.Person) bool { return p.Number == number }) {
		r.Fault("customerNumber", "fault.match.empty")
		return Stay, nil
	}
	r.Data.Subscriber.Number = number
	return Continue, nil
}

// stale notes that the page was made for another user than the run's. The
// credential on it can not be changed, so that it says whose page it was.
func stale(r *Run) bool {
	if shown, ok := r.Form["credential"]; ok && strings.TrimSpace(shown) != r.Data.Credential {
		r.Fault("", "fault.form.stale")
		return true
	}
	return false
}

func viewSearch(r *Run, v *View) {
	viewSubscriber(r, v)
	v.Flags["offers"] = len(r.Data.Subscriber.Offers) > 0
}

// typed returns what stands in a field that is searched for; "" when it is
// longer than anything that could be found.
func typed(r *Run, field string) string {
	s, err := account.CleanName(r.Form[field])
	if err != nil {
		return ""
	}
	return s
}

// submitSearch is searchSubscriberState: number, and last name or postal code.
func submitSearch(ctx context.Context, r *Run, e Event) (Event, error) {
	s := &r.Data.Subscriber
	s.Typed, s.LastName, s.PostalCode = typed(r, "customerNumber"), typed(r, "lastName"), typed(r, "postalCode")
	r.Data.Values = map[string]string{"customerNumber": s.Typed, "lastName": s.LastName, "postalCode": s.PostalCode}
	switch e {
	case PrepareCreateSubscriber:
		return prepareSubscriber(ctx, r)
	case SendEmailToCustomerService:
		return writeToCare(ctx, r)
	case SearchForSubscriber:
		return searchByNumber(ctx, r)
	}
	return e, nil
}

func searchByNumber(ctx context.Context, r *Run) (Event, error) {
	s := &r.Data.Subscriber
	if stale(r) {
		return Stay, nil
	}
	number, ok := publisher.Digits(s.Typed)
	empty, wrong := texts.ID("fault.customerNumber.empty"), texts.ID("fault.search.wrong")
	if r.tieKind() == store.MembershipTie {
		number, ok = publisher.MembershipNumber(s.Typed), true
		empty, wrong = "fault.membershipNumber.empty", "fault.search.wrong.membership"
	}
	switch {
	case s.Typed == "" || ok && number == "":
		r.Fault("customerNumber", empty)
	case !ok:
		r.Fault("customerNumber", "fault.customerNumber.invalid")
	}
	if s.LastName == "" && s.PostalCode == "" {
		r.Fault("lastName", "fault.search.proof")
	}
	if len(r.Data.Faults) > 0 {
		return Stay, nil
	}
	counted, err := r.Accounts.StartSearch(ctx, account.SearchAttempt{
		Client: r.Client(), UserID: r.Data.UserID, Kind: r.tieKind(), Number: number, Origin: r.Browser.Origin,
	})
	if limited(err) {
		s.Failed = true
		r.Fault("", "fault.limit.search")
		return Stay, nil
	}
	if err != nil {
		return "", err
	}
	begun := time.Now()
	searching, cancel := within(ctx, searchWithin)
	defer cancel()
	person, err := r.people().Search(searching, publisher.Search{
		PartnerID: r.Request.Client.PartnerID, ClientID: r.Request.Client.ID,
		Number: s.Typed, LastName: s.LastName, PostalCode: s.PostalCode,
	})
	switch {
	case err == nil:
		counted.Right(ctx)
		s.Number = person.Number
		return SearchForSubscriber, nil
	case errors.Is(err, publisher.ErrNotFound):
		counted.Wrong(ctx)
		s.Failed = true
		r.Fault("customerNumber", wrong)
		return Stay, await(ctx, begun)
	case ctx.Err() != nil:
		return "", err
	}
	counted.Right(ctx) // nobody has answered
	return outage(ctx, r, err)
}

// within bounds what a publisher's system may take so that something can still
// be answered afterwards.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	const rest = 500 * time.Millisecond
	if end, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(end)-rest)
	}
	return context.WithTimeout(ctx, d)
}

// outage shows the page again with the fault that the publisher's system did
// not answer.
func outage(ctx context.Context, r *Run, err error) (Event, error) {
	r.Accounts.PublisherFailed(ctx, r.Data.UserID, r.Client(), err)
	r.Data.Subscriber.Failed = true
	r.Fault("", "fault.outage")
	return Stay, nil
}

// await waits for the next full step of pace.
func await(ctx context.Context, begun time.Time) error {
	select {
	case <-time.After(pace - time.Since(begun)%pace):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tieUser ties the user to a person at a partner: first in the publisher's system,
// which may know better, then in her record, where a number is one user's. What is
// cut off between the two is made good by doing it again. [account.ErrTied],
// [account.ErrTiedElsewhere], [account.ErrUserGone], [publisher.ErrTied] or
// [publisher.ErrNotFound] when she can not be tied; any other error is an outage.
func tieUser(ctx context.Context, accounts *account.Service, people publisher.People, user store.User, clientID string, t store.Tie) error {
	switch owner, err := accounts.TiedTo(ctx, t.Kind, t.PartnerID, t.Number); {
	case err != nil:
		return err
	case owner != "" && owner != user.ID:
		return account.ErrTied
	}
	there := publisher.Tie{PartnerID: t.PartnerID, ClientID: clientID, Number: t.Number, UserID: user.ID}
	if err := people.Tie(ctx, there); err != nil {
		return fmt.Errorf("tie at the publisher: %w", err)
	}
	err := accounts.Tie(ctx, user, clientID, t)
	if errors.Is(err, account.ErrTied) || errors.Is(err, account.ErrTiedElsewhere) || errors.Is(err, account.ErrUserGone) {
		if untied := people.Untie(ctx, there); untied != nil {
			return fmt.Errorf("untie at the publisher: %w", untied)
		}
	}
	return err
}

// tieSubscriber ties the user of the run.
func tieSubscriber(ctx context.Context, r *Run) (Event, error) {
	s := &r.Data.Subscriber
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	err = tieUser(ctx, r.Accounts, r.people(), user, r.Request.Client.ID,
		store.Tie{Kind: r.tieKind(), PartnerID: r.Request.Client.PartnerID, Number: s.Number})
	switch {
	case errors.Is(err, account.ErrTied), errors.Is(err, account.ErrTiedElsewhere), errors.Is(err, publisher.ErrTied), errors.Is(err, publisher.ErrNotFound):
		s.Other = errors.Is(err, account.ErrTiedElsewhere)
		return SubscriberTaken, nil
	case err != nil:
		return "", err
	}
	return TieSubscriber, nil
}

func viewTaken(r *Run, v *View) {
	viewSubscriber(r, v)
	v.Args["customerNumber"] = r.Data.Subscriber.Number
	v.Flags["otherNumber"] = r.Data.Subscriber.Other
}

// submitTaken is subscriberTakenState: the number is another user's, or she has
// another number.
func submitTaken(ctx context.Context, r *Run, e Event) (Event, error) {
	if e == SendEmailToCustomerService {
		return writeToCare(ctx, r)
	}
	return leaveOrSearch(ctx, r, e)
}

func leaveOrSearch(_ context.Context, r *Run, e Event) (Event, error) {
	if e == OtherSubscriber {
		r.Data.Values = nil
	}
	return e, nil
}

// writeToCare asks the client's customer care to help.
func writeToCare(ctx context.Context, r *Run) (Event, error) {
	user, err := r.subscriber(ctx)
	if err != nil {
		return "", err
	}
	s := r.Data.Subscriber
	number := s.Typed
	if number == "" {
		number = s.Number
	}
	err = r.Accounts.WriteToCare(ctx, account.CareRequest{
		Client: r.Client(), User: user, Credential: r.Data.Sent, Kind: r.tieKind(),
		Number: number, LastName: s.LastName, PostalCode: s.PostalCode,
	})
	switch {
	case limited(err):
		r.Fault("", "fault.limit.care")
		return Stay, nil
	case errors.Is(err, account.ErrUndeliverable):
		r.Fault("", "fault.care.failed")
		return Stay, nil
	case err != nil:
		return "", err
	}
	return SendEmailToCustomerService, nil
}
