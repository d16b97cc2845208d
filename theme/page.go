package theme

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Page is one page for one reader: a state of a flow, or one of the pages that
// stand outside flows (see [States]).
//
// Ticket, CSRF, Values, Args, Lists, Links, the texts of Choices, Heading and
// Developer may differ between any two readers. All else is one of few and is
// part of what a rendered page is kept by.
type Page struct {
	Client store.Client // the zero Client when none is known
	Lang   string       // see texts.Match; one of texts.Langs
	Flow   string       // name of the flow, for <html data-flow>
	State  string       // one of [States]; names the template
	Action string       // where the form posts and "start again" leads: a path on this server

	Ticket string // hidden field "ticket"
	CSRF   string // hidden field "csrf_token"

	// Values are the values of form fields by name, and restartQuery: the query
	// with which Action starts again.
	Values map[string]string
	// Args are what texts name by a word: destination, captchaQuestion, and those of a
	// receipt: order, total, vat; and captchaTask, for the page's script.
	Args map[string]string
	// Flags turn parts of the page on; [State.Flags] lists those of each state.
	Flags map[string]bool
	// Lists are lists of a reader's things by name. A page with any is rendered
	// whole.
	Lists map[string][]Item
	// Links are addresses on this server by name: of pages that lead back here.
	Links map[string]string
	// Choices are what the reader takes one of; [State.Choices] names the field.
	Choices []Choice
	// Locked shows the credential but does not let it be changed.
	Locked bool

	// Lines are what the next step would do, one after the other. A page with
	// any is rendered whole.
	Lines []Line
	// Wait is how many seconds a reader without scripts waits instead of the task
	// of a challenge (Flags captchaTask).
	Wait int
	// Widget is a challenge of somebody else's script.
	Widget *Widget

	Faults []Fault  // what is wrong, in the order of the fields
	Notice texts.ID // what went well, such as "notice.code.sent"

	Heading   string // replaces the heading
	Developer string // errorPage: what is wrong, for who made the link
}

// Item is one line of a list.
type Item struct {
	Key    string // what a button of the line sends after its event, and a space
	Title  string // the reader's words, or those of whom she knows
	Detail string
	Amount string        // what it costs, in the page's language
	Age    time.Duration // since it was last used
	Flags  map[string]bool
}

// Is reports whether the item's flag with the name is on.
func (i Item) Is(flag string) bool { return i.Flags[flag] }

// Widget is an element that a script of its own fills.
type Widget struct {
	Script  string // address of the file
	Class   string
	SiteKey string
}

// Choice is one of [Page.Choices]. Which one is chosen may not differ between
// readers more than their number does.
type Choice struct {
	Value        string // of the form field
	Name, Detail string // what the reader sees
	Chosen       bool
}

// Fault is something that the reader has to correct or know.
type Fault struct {
	Field string // name of the form field, or "" when it is about none of them
	Text  texts.ID
	Args  []any // of the text: whole numbers
}

// Line is a text with its arguments: whole numbers, and words of the reader's.
type Line struct {
	Text texts.ID
	Args []any
}

// check returns what makes p a page that can not be shown: mistakes of the
// program, not of the reader.
func (p *Page) check() error {
	if _, ok := states[p.State]; !ok {
		return fmt.Errorf("unknown state %q", p.State)
	}
	if p.Action != "" && !onServer(p.Action) {
		return fmt.Errorf("bad Action %q: want a path on this server", p.Action)
	}
	if p.Notice != "" && !texts.Has(p.Notice) {
		return fmt.Errorf("unknown notice %q", p.Notice)
	}
	for name, link := range p.Links {
		if !onServer(link) {
			return fmt.Errorf("bad link %s %q: want a path on this server", name, link)
		}
	}
	for _, f := range p.Faults {
		if !texts.Has(f.Text) || len(f.Args) < texts.Arguments(f.Text) {
			return fmt.Errorf("bad fault %q: unknown, or %d arguments are too few", f.Text, len(f.Args))
		}
	}
	for _, l := range p.Lines {
		if !texts.Has(l.Text) || len(l.Args) < texts.Arguments(l.Text) {
			return fmt.Errorf("bad line %q: unknown, or %d arguments are too few", l.Text, len(l.Args))
		}
	}
	return nil
}

// onServer reports whether the address is a path on this server. A browser reads
// //host and /\host as another one.
func onServer(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.HasPrefix(path, `/\`)
}

// State describes a page: what a program that fills it in, a gallery or a test
// needs to know.
type State struct {
	Name    string
	Fields  []string   // names of the form fields, as shown from top to bottom; captcha, which a challenge puts first, at the end
	Events  []string   // values of the buttons "event"; the first is the default
	Flags   []string   // that [Page.Flags] may turn on
	Values  []string   // of [Page.Values] that are shown
	Args    []string   // of [Page.Args] that are shown
	Choices string     // the field of [Page.Choices]; "" when it shows none
	Lines   []Line     // examples of those that it can show
	Lists   []string   // of [Page.Lists] that are shown
	Links   []string   // of [Page.Links] that are shown
	Faults  []Fault    // that it can show
	Notices []texts.ID // that it can show
}

// States returns all pages by name.
func States() []State {
	return slices.SortedFunc(maps.Values(states), func(a, b State) int { return strings.Compare(a.Name, b.Name) })
}

var (
	credentialFaults = []Fault{
		{Field: "credential", Text: "fault.credential.empty"},
		{Field: "credential", Text: "fault.credential.invalid"},
		{Field: "credential", Text: "fault.credential.premium"},
		{Field: "credential", Text: "fault.credential.email"},
		{Field: "credential", Text: "fault.credential.mobile"},
	}
	sendFaults = []Fault{
		{Text: "fault.limit.send"},
		{Text: "fault.send.failed"},
	}
	passwordFaults = []Fault{
		{Field: "newPassword", Text: "fault.password.short", Args: []any{8}},
		{Field: "newPassword", Text: "fault.password.long", Args: []any{256}},
		{Field: "newPassword", Text: "fault.password.common"},
		{Field: "newPassword", Text: "fault.password.breached"},
	}
	careFaults = []Fault{
		{Text: "fault.limit.care"},
		{Text: "fault.care.failed"},
	}
	// formFaults can happen to any form.
	formFaults = []Fault{
		{Text: "fault.captcha.asked"},
		{Text: "fault.captcha.wrong"},
		{Text: "fault.form.stale"},
		{Text: "fault.outage"},
	}
)

// states are the pages that have a template, by name.
var states = func() map[string]State {
	list := []State{
		{
			Name:   "startLoginState",
			Fields: []string{"credential", "password", "rememberMe", "captcha"},
			Events: []string{"verifyCredentialsEvent", "sendVerificationCodeEvent", "forgotPasswordEvent", "startRegistrationEvent", "navigateAwayEvent"},
			Flags:  []string{"rememberMe", "onlyEmail", "onlyPhone", "closable", "captchaTask", "captchaQuestion"},
			Values: []string{"credential"},
			Args:   []string{"captchaTask", "captchaQuestion"},
			Faults: slices.Concat(credentialFaults, []Fault{
				{Field: "password", Text: "fault.password.empty"},
				{Field: "password", Text: "fault.password.wrong"},
				{Text: "fault.limit.password"},
				{Text: "fault.limit.code"},
			}, sendFaults, formFaults),
			Notices: []texts.ID{"notice.password.saved"},
		},
		{
			Name:   "startCodeState",
			Fields: []string{"credential", "rememberMe", "captcha"},
			Events: []string{"sendVerificationCodeEvent", "startLoginEvent", "navigateAwayEvent"},
			Flags:  []string{"rememberMe", "registration", "reset", "onlyEmail", "onlyPhone", "closable", "captchaTask", "captchaQuestion"},
			Values: []string{"credential"},
			Args:   []string{"captchaTask", "captchaQuestion"},
			Faults: slices.Concat(credentialFaults, []Fault{{Text: "fault.limit.code"}}, sendFaults, formFaults),
		},
		{
			Name:   "verificationState",
			Fields: []string{"code", "captcha"},
			Events: []string{"verificationEvent", "sendVerificationCodeEvent", "changeCredentialEvent", "navigateAwayEvent"},
			Flags:  []string{"isPhone", "closable", "captchaTask", "captchaQuestion"},
			Args:   []string{"destination", "captchaTask", "captchaQuestion"},
			Faults: slices.Concat([]Fault{
				{Field: "code", Text: "fault.code.empty"},
				{Field: "code", Text: "fault.code.wrong"},
				{Field: "code", Text: "fault.code.expired"},
				{Text: "fault.limit.code"},
			}, sendFaults, formFaults),
			Notices: []texts.ID{"notice.code.sent"},
		},
		{
			Name:   "newUserState",
			Fields: []string{"firstName", "lastName", "newPassword", "acceptTerms"},
			Events: []string{"setPasswordEvent", "continueEvent", "navigateAwayEvent"},
			Flags:  []string{"passwordOptional", "acceptTerms", "closable"},
			Values: []string{"credential", "firstName", "lastName"},
			Faults: slices.Concat([]Fault{
				{Field: "firstName", Text: "fault.name.long", Args: []any{100}},
				{Field: "lastName", Text: "fault.name.long", Args: []any{100}},
				{Field: "newPassword", Text: "fault.password.choose"},
			}, passwordFaults, []Fault{{Field: "acceptTerms", Text: "fault.terms"}}, formFaults),
		},
		{
			Name:   "newPasswordState",
			Fields: []string{"newPassword", "newPasswordAgain", "keepSessions"},
			Events: []string{"setPasswordEvent", "navigateAwayEvent"},
			Flags:  []string{"keepSessions", "closable"},
			Values: []string{"credential"},
			Faults: slices.Concat([]Fault{{Field: "newPassword", Text: "fault.password.choose"}}, passwordFaults, []Fault{
				{Field: "newPasswordAgain", Text: "fault.password.differ"},
			}, formFaults),
		},
		{
			Name:   "autoSubmitState",
			Events: []string{"continueEvent", "navigateAwayEvent"},
			Flags:  []string{"closable"},
			Values: []string{"credential"},
		},
		{
			Name:    "subscriberMatchState",
			Fields:  []string{"customerNumber"},
			Events:  []string{"continueEvent", "otherSubscriberEvent", "navigateAwayEvent"},
			Flags:   []string{"membership"},
			Values:  []string{"credential"},
			Choices: "customerNumber",
			Faults:  slices.Concat([]Fault{{Field: "customerNumber", Text: "fault.match.empty"}}, formFaults),
		},
		{
			Name:   "searchSubscriberState",
			Fields: []string{"credential", "customerNumber", "lastName", "postalCode"},
			Events: []string{"searchForSubscriberEvent", "prepareCreateSubscriberEvent", "sendEmailToCustomerServiceEvent", "navigateAwayEvent"},
			Flags:  []string{"membership", "offers", "care"},
			Values: []string{"credential", "customerNumber", "lastName", "postalCode"},
			Faults: slices.Concat([]Fault{
				{Field: "customerNumber", Text: "fault.customerNumber.empty"},
				{Field: "customerNumber", Text: "fault.customerNumber.invalid"},
				{Field: "customerNumber", Text: "fault.membershipNumber.empty"},
				{Field: "customerNumber", Text: "fault.search.wrong"},
				{Field: "customerNumber", Text: "fault.search.wrong.membership"},
				{Field: "lastName", Text: "fault.search.proof"},
				{Text: "fault.limit.search"},
				{Text: "fault.offers.none"},
			}, careFaults, formFaults),
		},
		{
			Name:    "newSubscriberState",
			Fields:  []string{"offer", "firstName", "lastName", "street", "postalCode", "city", "acceptTerms"},
			Events:  []string{"createSubscriberEvent", "otherSubscriberEvent", "navigateAwayEvent"},
			Flags:   []string{"invoice", "payment", "acceptTerms"},
			Values:  []string{"credential", "firstName", "lastName", "street", "postalCode", "city"},
			Choices: "offer",
			Faults: slices.Concat([]Fault{
				{Field: "offer", Text: "fault.offer.empty"},
				{Field: "offer", Text: "fault.offer.gone"},
				{Field: "firstName", Text: "fault.firstName.empty"},
				{Field: "firstName", Text: "fault.name.long", Args: []any{100}},
				{Field: "lastName", Text: "fault.lastName.empty"},
				{Field: "lastName", Text: "fault.name.long", Args: []any{100}},
				{Field: "street", Text: "fault.street.empty"},
				{Field: "street", Text: "fault.name.long", Args: []any{100}},
				{Field: "postalCode", Text: "fault.postalCode.empty"},
				{Field: "postalCode", Text: "fault.name.long", Args: []any{100}},
				{Field: "city", Text: "fault.city.empty"},
				{Field: "city", Text: "fault.name.long", Args: []any{100}},
				{Field: "acceptTerms", Text: "fault.terms.order"},
				{Text: "fault.payment.cancelled"},
				{Text: "fault.payment.failed"},
			}, formFaults),
		},
		{
			Name:   "subscriberTakenState",
			Events: []string{"otherSubscriberEvent", "sendEmailToCustomerServiceEvent", "navigateAwayEvent"},
			Flags:  []string{"membership", "otherNumber", "care"},
			Values: []string{"credential"},
			Args:   []string{"customerNumber"},
			Faults: slices.Concat(careFaults, formFaults),
		},
		{
			Name:   "customerServiceState",
			Events: []string{"navigateAwayEvent", "otherSubscriberEvent"},
			Flags:  []string{"membership"},
			Values: []string{"credential"},
		},
		{
			Name:   "startMergeState",
			Fields: []string{"credential"},
			Events: []string{"sendVerificationCodeEvent", "navigateAwayEvent"},
			Flags:  []string{"onlyEmail", "onlyPhone", "closable"},
			Values: []string{"credential"},
			Faults: slices.Concat(credentialFaults, []Fault{
				{Field: "credential", Text: "fault.credential.own"},
			}, sendFaults, formFaults),
		},
		{
			Name:   "mergeVerificationState",
			Fields: []string{"code"},
			Events: []string{"verificationEvent", "sendVerificationCodeEvent", "changeCredentialEvent", "navigateAwayEvent"},
			Flags:  []string{"isPhone", "closable"},
			Args:   []string{"destination"},
			Faults: slices.Concat([]Fault{
				{Field: "code", Text: "fault.code.empty"},
				{Field: "code", Text: "fault.code.wrong"},
				{Field: "code", Text: "fault.code.expired"},
				{Text: "fault.limit.code"},
			}, sendFaults, formFaults),
			Notices: []texts.ID{"notice.code.sent"},
		},
		{
			Name:   "mergeState",
			Events: []string{"mergeEvent", "changeCredentialEvent", "navigateAwayEvent"},
			Flags:  []string{"closable"},
			Args:   []string{"destination"},
			Lines: []Line{
				{Text: "merge.line.credential", Args: []any{"k•••@example.com"}},
				{Text: "merge.line.credential", Args: []any{"+47 ••• •• 001"}},
				{Text: "merge.line.password.other"},
				{Text: "merge.line.password.same"},
				{Text: "merge.line.password.ends"},
				{Text: "merge.line.name", Args: []any{"Kari Nordmann"}},
				{Text: "merge.line.customer", Args: []any{"1234567"}},
				{Text: "merge.line.external", Args: []any{"AID:48213"}},
				{Text: "merge.line.sessions", Args: []any{2}},
				{Text: "merge.line.remember", Args: []any{1}},
				{Text: "merge.line.apps", Args: []any{3}},
				{Text: "merge.line.directories", Args: []any{1}},
				{Text: "merge.undo.days", Args: []any{7}},
				{Text: "merge.undo.hours", Args: []any{1}},
				{Text: "merge.line.final"},
			},
			Faults:  formFaults,
			Notices: []texts.ID{"notice.merge.changed"},
		},
		{
			Name:   "mergeRefusedState",
			Events: []string{"changeCredentialEvent", "sendEmailToCustomerServiceEvent", "navigateAwayEvent"},
			Flags:  []string{"careEmail", "closable"},
			Args:   []string{"destination"},
			Faults: slices.Concat([]Fault{{Text: "fault.limit.care"}, {Text: "fault.care.failed"}}, formFaults),
		},
		{Name: "customerCareState", Events: []string{"navigateAwayEvent"}, Flags: []string{"closable"}},
		{
			Name:   "unmergeState",
			Events: []string{"unmergeEvent", "navigateAwayEvent"},
			Lines: []Line{
				{Text: "unmerge.line.credential", Args: []any{"k•••@example.com"}},
				{Text: "unmerge.line.stays", Args: []any{"o•••@example.com"}},
				{Text: "unmerge.line.password"},
				{Text: "unmerge.line.logins"},
			},
			Faults: formFaults,
		},
		{Name: "unmergedState", Events: []string{"continueEvent"}},
		{Name: "undoOverState", Events: []string{"navigateAwayEvent"}},
		paymentWaitState,
		orderReceiptState,
		orderLinkState,
		orderLinkOverState,
		accountState,
		profileState,
		confirmUserState,
		selectAccountState,
		consentState,
		confirmCodeState,
		removeCredentialState,
		exportState,
		deleteAccountState,
		accountDeletedState,
		{Name: "confirmLogoutState", Events: []string{"logoutEvent", "navigateAwayEvent"}, Faults: formFaults},
		{Name: "loggedOutState", Events: []string{"navigateAwayEvent"}},
		{Name: "errorPage"},
		{Name: "expiredPage", Values: []string{"restartQuery"}},
		{Name: "formExpiredPage", Values: []string{"restartQuery"}},
		{Name: "busyPage", Values: []string{"restartQuery"}},
	}
	byName := make(map[string]State, len(list))
	for _, s := range list {
		byName[s.Name] = s
	}
	return byName
}()
