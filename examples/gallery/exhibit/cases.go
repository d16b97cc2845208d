// Package exhibit shows every page of connectid's login server in every state,
// language and theme.
package exhibit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// Case is one page as a reader may meet it.
type Case struct {
	Name  string // unique, such as "startLoginState-fault.password.wrong"
	State string
	About string // what is special, for people
	Plain bool   // the state as it is usually met
	page  theme.Page
}

// values are a reader's, for the fields and texts that show them.
var (
	values = map[string]string{
		"credential":     "kari.nordmann@example.com",
		"firstName":      "Kari",
		"lastName":       "Nordmann",
		"restartQuery":   "clientId=no.mediaconnect.test",
		"scope":          "openid profile email",
		"customerNumber": "100017", "postalCode": "0150", "street": "Storgata 1", "city": "Oslo",
	}
	choices = map[string][]theme.Choice{
		"customerNumber": {
			{Value: "100017", Name: "Kari Nordmann", Detail: "100017 · Papir og digitalt, alle dager · 0150 Oslo", Chosen: true},
			{Value: "100029", Name: "Ola Nordmann-Johannessen", Detail: "100029 · Helg · 9008 Tromsø"},
		},
		"offer": {
			{Value: "digital", Name: "Digital", Detail: "0 kr den første måneden, og så 199 kr i måneden", Chosen: true},
			{Value: "weekend", Name: "Helg: papir lørdag og søndag, digitalt alle dager", Detail: "299 kr i måneden på faktura"},
		},
	}
	args = map[string]string{
		"destination":     mailDestination,
		"order":           "5820417733162845",
		"total":           "1 234,50 kr",
		"vat":             "246,90 kr",
		"captchaTask":     "4:8:GALLERY",
		"captchaQuestion": "Hvilket tall står mellom sju og ni?",
	}
	phoneDestination = "+47 ••• •• 001"
	mailDestination  = "k•••@example.com"
)

// flowOf is a flow in which a state is met.
var flowOf = map[string]string{
	"startLoginState": "login", "startCodeState": "createUser", "verificationState": "login",
	"newUserState": "createUser", "newPasswordState": "resetPassword", "autoSubmitState": "createUser",
	"subscriberMatchState": "register", "searchSubscriberState": "register", "newSubscriberState": "register",
	"subscriberTakenState": "register", "customerServiceState": "register",
	"startMergeState": "merge", "mergeVerificationState": "merge", "mergeState": "merge", "mergeRefusedState": "merge", "customerCareState": "merge",
	"unmergeState": "unmerge", "unmergedState": "unmerge", "undoOverState": "unmerge",
	"accountState": "account", "profileState": "account", "removeCredentialState": "account", "exportState": "account",
	"deleteAccountState": "account", "accountDeletedState": "account",
	"confirmLogoutState": "endSession", "loggedOutState": "endSession",
	"paymentWaitState": "fulfillment", "orderReceiptState": "register", "orderLinkState": "orderLink", "orderLinkOverState": "orderLink",
	"confirmUserState": "reauthenticate", "confirmCodeState": "reauthenticate",
	"selectAccountState": "authorize", "consentState": "authorize",
}

// Cases returns all cases, grouped by state: each state as it usually is, with
// each of its switches, with each fault and notice, and with all that can stand
// on it at once. They are made from what the theme says of its states, so that a
// new state is shown without being listed here.
func Cases() []Case {
	var all []Case
	for _, s := range theme.States() {
		base := theme.Page{
			State: s.Name, Flow: flowOf[s.Name], Action: "/user/" + strings.TrimSuffix(flowOf[s.Name], "State"),
			Ticket: "ticket", CSRF: "token", Values: map[string]string{}, Args: map[string]string{}, Flags: map[string]bool{},
		}
		for _, name := range s.Values {
			base.Values[name] = values[name]
		}
		for _, name := range s.Args {
			base.Args[name] = args[name]
			if name == "destination" && (s.Name == "removeCredentialState" || s.Name == "deleteAccountState") { // her own, to herself
				base.Args[name] = values["credential"]
			}
		}
		base.Choices = choices[s.Choices]
		if s.Name == "subscriberTakenState" {
			base.Args["customerNumber"] = values["customerNumber"]
		}
		base.Flags["rememberMe"] = true
		base.Lines = s.Lines
		fillLists(&base, s)
		if s.Name == "errorPage" {
			base.Developer = `bad returnUrl "https://example.com/": the client no.mediaconnect.test does not list it`
		}
		add := func(suffix, about string, change func(*theme.Page)) {
			p := base
			p.Flags, p.Values = copyOf(base.Flags), copyOf(base.Values)
			change(&p)
			name := s.Name
			if suffix != "" {
				name += "-" + suffix
			}
			all = append(all, Case{Name: name, State: s.Name, About: about, Plain: suffix == "", page: p})
		}
		add("", "as usual", func(*theme.Page) {})
		if len(s.Values) > 0 && s.Name != "expiredPage" {
			add("empty", "nothing filled in", func(p *theme.Page) {
				p.Values, p.Lists, p.Links = map[string]string{}, nil, nil
				if !slices.Contains(s.Fields, "credential") { // the text names it
					p.Values["credential"] = values["credential"]
				}
			})
		}
		for _, f := range s.Flags {
			if f == "rememberMe" {
				continue
			}
			add(f, "with "+f, func(p *theme.Page) {
				p.Flags[f] = true
				p.Wait = 15
				if f == "isPhone" {
					p.Args = map[string]string{"destination": phoneDestination}
				}
			})
		}
		for _, f := range s.Fields {
			if f == "credential" {
				add("locked", "the credential can not be changed", func(p *theme.Page) { p.Locked = true })
			}
		}
		for _, f := range s.Faults {
			add(string(f.Text)+fieldSuffix(f), "fault "+string(f.Text), func(p *theme.Page) { p.Faults = []theme.Fault{f} })
		}
		if len(s.Faults) > 1 {
			add("faults", "a fault at every field", func(p *theme.Page) { p.Faults = onePerField(s.Faults) })
		}
		for _, n := range s.Notices {
			add(string(n), "notice "+string(n), func(p *theme.Page) { p.Notice = n })
		}
		add("heading", "a heading of the caller's, as long as allowed", func(p *theme.Page) {
			p.Heading = "Koble e-postadressen eller mobilnummeret ditt til abonnementet du allerede har &"
		})
		add("anonymous", "no client is known", func(p *theme.Page) { p.Client = store.Client{ID: "-"} })
	}
	return all
}

func copyOf[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func fieldSuffix(f theme.Fault) string {
	if f.Field == "" {
		return ""
	}
	return "-" + f.Field
}

// onePerField returns the first fault of each field, and the first of none.
func onePerField(faults []theme.Fault) []theme.Fault {
	var out []theme.Fault
	seen := map[string]bool{}
	for _, f := range faults {
		if !seen[f.Field] {
			seen[f.Field] = true
			out = append(out, f)
		}
	}
	return out
}

// Langs are the languages of all pages.
func Langs() []string { return texts.Langs() }

// find returns the case with the given name.
func find(name string) (Case, error) {
	for _, c := range Cases() {
		if c.Name == name {
			return c, nil
		}
	}
	return Case{}, fmt.Errorf("no case %q", name)
}
