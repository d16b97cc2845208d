package theme

import (
	"cmp"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/internal/texts"
)

// The pages of My account, those on which a user proves again who she is, and
// those of an authorization request.
var (
	accountState = State{
		Name: "accountState",
		Events: []string{"navigateAwayEvent", "editProfileEvent", "removeCredentialEvent", "endDeviceEvent", "endOthersEvent",
			"disconnectEvent", "exportEvent", "deleteAccountEvent"},
		Flags:  []string{"named", "hasPassword", "others", "subscriptions", "memberships", "directories", "externals", "orders"},
		Values: []string{"firstName", "lastName"},
		Lists:  []string{"credentials", "devices", "sites", "subscriptions", "memberships", "directories", "externals", "orders", "languages"},
		Links:  []string{"password", "credential", "subscriptions", "memberships", "directories"},
		Faults: formFaults,
		Notices: []texts.ID{"notice.profile.saved", "notice.credential.removed", "notice.device.ended",
			"notice.devices.ended", "notice.site.disconnected"},
	}
	profileState = State{
		Name:   "profileState",
		Fields: []string{"firstName", "lastName", "language"},
		Events: []string{"saveProfileEvent", "navigateAwayEvent"},
		Values: []string{"firstName", "lastName"},
		Lists:  []string{"languages"},
		Faults: slices.Concat([]Fault{
			{Field: "firstName", Text: "fault.name.long", Args: []any{100}},
			{Field: "lastName", Text: "fault.name.long", Args: []any{100}},
		}, formFaults),
	}
	confirmUserState = State{
		Name:   "confirmUserState",
		Fields: []string{"password", "chosen"},
		Events: []string{"verifyCredentialsEvent", "sendVerificationCodeEvent", "navigateAwayEvent", "otherUserEvent"},
		Flags:  []string{"passwordless", "otherUser"},
		Values: []string{"credential"},
		Lists:  []string{"credentials"},
		Faults: slices.Concat([]Fault{
			{Field: "password", Text: "fault.password.empty"},
			{Field: "password", Text: "fault.confirm.password"},
			{Text: "fault.credential.premium"},
			{Text: "fault.limit.password"},
		}, sendFaults, formFaults),
	}
	selectAccountState = State{
		Name:   "selectAccountState",
		Events: []string{"keepUserEvent", "otherUserEvent", "navigateAwayEvent"},
		Args:   []string{"destination"},
		Faults: formFaults,
	}
	consentState = State{
		Name:   "consentState",
		Events: []string{"consentEvent", "navigateAwayEvent", "otherUserEvent"},
		Values: []string{"scope"},
		Args:   []string{"destination"},
		Lists:  []string{"scopes", "agreed"},
		Faults: formFaults,
	}
	confirmCodeState = State{
		Name:   "confirmCodeState",
		Fields: []string{"code"},
		Events: []string{"verificationEvent", "sendVerificationCodeEvent", "changeCredentialEvent", "navigateAwayEvent"},
		Flags:  []string{"isPhone"},
		Args:   []string{"destination"},
		Faults: slices.Concat([]Fault{
			{Field: "code", Text: "fault.code.empty"},
			{Field: "code", Text: "fault.code.wrong"},
			{Field: "code", Text: "fault.code.expired"},
			{Text: "fault.limit.code"},
		}, sendFaults, formFaults),
		Notices: []texts.ID{"notice.code.sent"},
	}
	removeCredentialState = State{
		Name:   "removeCredentialState",
		Events: []string{"credentialRemovedEvent", "navigateAwayEvent"},
		Args:   []string{"destination"},
		Faults: slices.Concat([]Fault{{Text: "fault.credential.last"}}, formFaults),
	}
	exportState = State{
		Name:   "exportState",
		Events: []string{"downloadEvent", "navigateAwayEvent"},
		Faults: formFaults,
	}
	deleteAccountState = State{
		Name:   "deleteAccountState",
		Fields: []string{"confirmation"},
		Events: []string{"accountDeletedEvent", "navigateAwayEvent"},
		Args:   []string{"destination"},
		Faults: slices.Concat([]Fault{{Field: "confirmation", Text: "fault.delete.confirmation"}}, formFaults),
	}
	accountDeletedState = State{
		Name:   "accountDeletedState",
		Events: []string{"navigateAwayEvent"},
	}
)

// List returns the items of the list with the name.
func (v *view) List(name string) []Item { return v.page.Lists[name] }

// Link returns the address of the link with the name, or "".
func (v *view) Link(name string) template.URL { return template.URL(v.page.Links[name]) }

// Used says how long ago something was last used.
func (v *view) Used(age time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case age < time.Hour:
		return v.text("account.used.now")
	case age < day:
		return v.text("account.used.hours", int(age/time.Hour))
	}
	return v.text("account.used.days", int(age/day))
}

// LanguageName is what a language calls itself.
func (v *view) LanguageName(lang string) string {
	switch lang {
	case "nb":
		return "Norsk bokmål"
	case "nn":
		return "Norsk nynorsk"
	case "sv":
		return "Svenska"
	case "da":
		return "Dansk"
	case "fi":
		return "Suomi"
	}
	return "English"
}

// Heading and other texts of the parts that an account may have. What is shown
// only when there is something, and to which nothing can be added, has a heading
// alone.
var partTexts = map[string]struct{ heading, none, add texts.ID }{
	"subscriptions": {"account.subscriptions", "account.subscriptions.none", "account.subscriptions.add"},
	"memberships":   {"account.memberships", "account.memberships.none", "account.memberships.add"},
	"directories":   {"account.directories", "account.directories.none", "account.directories.add"},
	"externals":     {heading: "account.externals"},
	"orders":        {heading: "account.orders"},
}

// orderTexts say how far an order has come.
var orderTexts = map[string]texts.ID{
	"preliminary":     "account.order.preliminary",
	"awaitingPayment": "account.order.awaitingPayment",
	"paid":            "account.order.paid",
	"handedOver":      "account.order.handedOver",
	"cancelled":       "account.order.cancelled",
	"failed":          "account.order.failed",
}

// ownPart is a part of an account on its page.
type ownPart struct {
	Name, Heading, None, Add string
	Items                    []Item
	Link                     template.URL
}

// Parts returns the parts of the account that are turned on.
func (v *view) Parts() (all []ownPart) {
	for _, name := range []string{"subscriptions", "memberships", "directories", "externals", "orders"} {
		if v.Flag(name) {
			t := partTexts[name]
			p := ownPart{Name: name, Heading: v.text(t.heading), Items: v.List(name), Link: v.Link(name)}
			if t.none != "" {
				p.None = v.text(t.none)
			}
			if t.add != "" {
				p.Add = v.text(t.add)
			}
			if name == "orders" {
				p.Items = v.orders()
			}
			all = append(all, p)
		}
	}
	return all
}

// orders returns the orders with how far each has come before its amount.
func (v *view) orders() []Item {
	all := slices.Clone(v.List("orders"))
	for i := range all {
		if id, ok := orderTexts[all[i].Key]; ok {
			parts := []string{v.text(id), all[i].Detail}
			all[i].Detail = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
		}
	}
	return all
}

// scopeOrder is the one in which pages list the scopes of OpenID Connect Core 1.0,
// sections 5.4 and 11.
var scopeOrder = []string{"openid", "profile", "email", "phone", "offline_access"}

// scopeTexts say what those scopes give a client.
var scopeTexts = map[string]texts.ID{
	"openid":         "consent.scope.openid",
	"profile":        "consent.scope.profile",
	"email":          "consent.scope.email",
	"phone":          "consent.scope.phone",
	"offline_access": "consent.scope.offline_access",
}

// Scope says what a scope gives a client; one that only the host knows is called
// by its name.
func (v *view) Scope(name string) string {
	if id, ok := scopeTexts[name]; ok {
		return v.text(id)
	}
	return v.text("consent.scope.other", name)
}

// Scopes is Scope of each of the scopes, which stand with a space between them;
// those that only the host knows come last.
func (v *view) Scopes(scope string) []string {
	rank := func(name string) int {
		if i := slices.Index(scopeOrder, name); i >= 0 {
			return i
		}
		return len(scopeOrder)
	}
	names := strings.Fields(scope)
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for i, name := range names {
		names[i] = v.Scope(name)
	}
	return names
}

// ClientName is what pages call the client.
func (v *view) ClientName() string { return cmp.Or(v.Client.Name, v.Client.ID) }
