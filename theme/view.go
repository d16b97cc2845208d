package theme

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// view is what a template sees as its dot. Its exported fields and methods are
// the interface of a client's own templates.
//
// Ticket, CSRF, Heading, Developer, Value and Arg are a reader's own: to be put
// into text and double-quoted attributes, and not to be asked about with if or
// with. A template that does otherwise still works, but its page is rendered
// anew for each reader.
type view struct {
	Client     shown
	Lang       string
	Dir        string // direction of the language: "ltr" or "rtl"
	Flow       string
	State      string
	Class      string // of the html element: "guiVersion1" or "guiVersion2"
	Action     string
	Links      links
	Locked     bool
	Prefilled  bool // there is a value for the field "credential"
	HasHeading bool // Heading replaces the page's own
	HasDetails bool // Developer says something
	Wait       int  // seconds to wait instead of a task
	Widget     *Widget

	page *Page
	look *look
	conf *Config
	hole func(hole) any // the value of a hole, a string, or the mark that stands for it
}

// hole names one value of a reader.
type hole struct {
	kind, name string
}

// mark stands for the value of a hole. As it is no string, a template can print it
// and nothing else: comparing, measuring or cutting it fails.
type mark struct{ text string }

func (m mark) String() string { return m.text }

// marked returns s as a mark if it was made of one.
func marked(s string, args []any) any {
	for _, a := range args {
		if _, ok := a.(mark); ok {
			return mark{s}
		}
	}
	return s
}

// fill returns the page's value for the hole.
func (p *Page) fill(h hole) string {
	switch h.kind {
	case "value":
		return p.Values[h.name]
	case "arg":
		return p.Args[h.name]
	case "ticket":
		return p.Ticket
	case "csrf":
		return p.CSRF
	case "choiceValue", "choiceName", "choiceDetail":
		i, _ := strconv.Atoi(h.name)
		if i >= len(p.Choices) {
			return ""
		}
		return map[string]string{"choiceValue": p.Choices[i].Value, "choiceName": p.Choices[i].Name, "choiceDetail": p.Choices[i].Detail}[h.kind]
	case "heading":
		return p.Heading
	case "developer":
		return p.Developer
	}
	return ""
}

// shown is what pages show of a client's record.
type shown struct {
	ID, Name, Description, Product       string
	Homepage                             string
	CustomerCarePhone, CustomerCareEmail string
	SubscriptionTermsURL, UserTermsURL   string
	GUIVersion                           int
}

func show(c *store.Client) shown {
	return shown{c.ID, c.Name, c.Description, c.Product, c.Homepage, c.CustomerCarePhone, c.CustomerCareEmail,
		c.SubscriptionTermsURL, c.UserTermsURL, c.GUIVersion}
}

// PhoneURL returns the tel: link to customer care (RFC 3966).
func (s shown) PhoneURL() template.URL {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, s.CustomerCarePhone)
	return template.URL("tel:" + digits)
}

// EmailURL returns the mailto: link to customer care (RFC 6068).
func (s shown) EmailURL() string {
	return "mailto:" + url.PathEscape(s.CustomerCareEmail)
}

func (t *Themes) view(p *Page, l *look, hole func(hole) any) *view {
	v := &view{
		Client: show(&p.Client), Lang: p.Lang, Dir: "ltr", Flow: p.Flow, State: p.State, Class: "guiVersion2",
		Action: p.Action, Links: l.links, Locked: p.Locked,
		Prefilled: p.Values["credential"] != "", HasHeading: p.Heading != "", HasDetails: p.Developer != "",
		Wait: p.Wait, Widget: p.Widget,
		page: p, look: l, conf: &t.config, hole: hole,
	}
	if p.Client.GUIVersion == 1 {
		v.Class = "guiVersion1"
	}
	return v
}

// Ticket is the value of the hidden field "ticket".
func (v *view) Ticket() any { return v.hole(hole{kind: "ticket"}) }

// CSRF is the value of the hidden field "csrf_token".
func (v *view) CSRF() any { return v.hole(hole{kind: "csrf"}) }

// Heading replaces the heading when HasHeading.
func (v *view) Heading() any { return v.hole(hole{kind: "heading"}) }

// Developer says what is wrong with the link when HasDetails.
func (v *view) Developer() any { return v.hole(hole{kind: "developer"}) }

// Value is the value of the form field with the name.
func (v *view) Value(name string) any { return v.hole(hole{"value", name}) }

// Arg is what a text calls by the name.
func (v *view) Arg(name string) any { return v.hole(hole{"arg", name}) }

// choice is one of what a reader takes one of. Its texts are the reader's own.
type choice struct {
	ID                  string // of its element
	Value, Name, Detail any
	First, Chosen       bool
}

// Choices are what the reader takes one of by the field with the name. The last
// one that is chosen counts.
func (v *view) Choices(field string) []choice {
	out := make([]choice, len(v.page.Choices))
	chosen := -1
	for i, c := range v.page.Choices {
		n := strconv.Itoa(i)
		out[i] = choice{
			ID: elementID(field), First: i == 0,
			Value: v.hole(hole{"choiceValue", n}), Name: v.hole(hole{"choiceName", n}), Detail: v.hole(hole{"choiceDetail", n}),
		}
		if i > 0 {
			out[i].ID += "-" + strconv.Itoa(i+1)
		}
		if c.Chosen {
			chosen = i
		}
	}
	if chosen >= 0 {
		out[chosen].Chosen = true
	}
	return out
}

// Flag reports whether the page's flag with the name is on.
func (v *view) Flag(name string) bool { return v.page.Flags[name] }

// T is the text with the id in the page's language.
func (v *view) T(id texts.ID, args ...any) any {
	return marked(v.text(id, args...), args)
}

func (v *view) text(id texts.ID, args ...any) string {
	return v.look.texts.Get(v.Lang, id, args...)
}

// Rich is the text with the id as HTML: its arguments are set apart, also from
// the direction of the sentence, and its marks <1>…</1> and <2>…</2> become
// links to the first and second address of links.
func (v *view) Rich(id texts.ID, arg any, links ...string) template.HTML {
	const place = "\uE000" // private use: stands in no text
	var args []any
	if texts.Arguments(id) > 0 {
		args = []any{place}
	}
	s := escape(v.text(id, args...))
	s = strings.ReplaceAll(s, place, `<bdi class="value">`+escape(fmt.Sprint(arg))+`</bdi>`)
	for i, link := range links {
		s = strings.ReplaceAll(s, fmt.Sprintf("&lt;%d&gt;", i+1), `<a href="`+escape(safeURL(link))+`" target="_blank" rel="noopener">`)
		s = strings.ReplaceAll(s, fmt.Sprintf("&lt;/%d&gt;", i+1), "</a>")
	}
	return template.HTML(s)
}

// safeURL returns the absolute http or https URL as it is and anything else as
// "#". Addresses of a client come from its configuration, which is not trusted to
// run scripts.
func safeURL(raw string) string {
	if store.TargetOrigin(raw) == "" {
		return "#"
	}
	return raw
}

// Title is the page's heading, unless Heading replaces it.
func (v *view) Title() string {
	switch v.State {
	case "startLoginState":
		return v.text("login.heading")
	case "startCodeState":
		switch {
		case v.Flag("reset"):
			return v.text("code.heading.reset")
		case v.Flag("registration"):
			return v.text("code.heading.registration")
		}
		return v.text("code.heading.login")
	case "verificationState":
		if v.Flag("isPhone") {
			return v.text("verification.heading.phone")
		}
		return v.text("verification.heading.email")
	case "newUserState":
		return v.text("newUser.heading")
	case "newPasswordState":
		return v.text("newPassword.heading")
	case "autoSubmitState":
		return v.text("autoSubmit.heading")
	case "subscriberMatchState":
		return v.either("match.heading.membership", "match.heading")
	case "searchSubscriberState":
		return v.either("register.heading.membership", "register.heading")
	case "newSubscriberState":
		return v.text("order.heading")
	case "subscriberTakenState":
		return v.text("taken.heading")
	case "customerServiceState":
		return v.text("service.heading")
	case "startMergeState":
		return v.text(v.byKind("merge.heading.any", "merge.heading.email", "merge.heading.phone"))
	case "mergeVerificationState", "confirmCodeState":
		if v.Flag("isPhone") {
			return v.text("verification.heading.phone")
		}
		return v.text("verification.heading.email")
	case "mergeState":
		return v.text("merge.confirm.heading")
	case "mergeRefusedState":
		return v.text("merge.refused.heading")
	case "customerCareState":
		return v.text("care.heading")
	case "unmergeState":
		return v.text("unmerge.heading")
	case "unmergedState":
		return v.text("unmerged.heading")
	case "undoOverState":
		return v.text("undoOver.heading")
	case "paymentWaitState":
		return v.text("paymentWait.heading")
	case "orderReceiptState":
		if v.Flag("waiting") {
			return v.text("receipt.heading.waiting")
		}
		return v.text("receipt.heading")
	case "orderLinkState":
		return v.text("orderLink.heading")
	case "orderLinkOverState":
		return v.text("orderLinkOver.heading")
	case "accountState":
		return v.text("account.heading")
	case "profileState":
		return v.text("profile.heading")
	case "confirmUserState":
		return v.text("confirmUser.heading")
	case "selectAccountState":
		return v.text("selectAccount.heading")
	case "consentState":
		return v.text("consent.heading", v.ClientName())
	case "removeCredentialState":
		return v.text("removeCredential.heading")
	case "exportState":
		return v.text("export.heading")
	case "deleteAccountState":
		return v.text("deleteAccount.heading")
	case "accountDeletedState":
		return v.text("accountDeleted.heading")
	case "confirmLogoutState":
		return v.text("confirmLogout.heading")
	case "loggedOutState":
		return v.text("loggedOut.heading")
	case "expiredPage":
		return v.text("expired.heading")
	case "formExpiredPage":
		return v.text("formExpired.heading")
	case "busyPage":
		return v.text("busy.heading")
	}
	return v.text("error.heading")
}

// either is the first text on pages about a membership, else the second.
func (v *view) either(membership, customer texts.ID) string {
	if v.Flag("membership") {
		return v.text(membership)
	}
	return v.text(customer)
}

// byKind chooses among the texts for a credential of any kind, an e-mail address
// and a mobile number (ConnectID: credentialType).
func (v *view) byKind(whatever, email, phone texts.ID) texts.ID {
	switch {
	case v.Flag("onlyEmail"):
		return email
	case v.Flag("onlyPhone"):
		return phone
	}
	return whatever
}

// Intro says what the page that asks for another credential is for.
func (v *view) Intro() string {
	return v.text(v.byKind("merge.intro.any", "merge.intro.email", "merge.intro.phone"))
}

// CredentialLabel names the field of that page.
func (v *view) CredentialLabel() string {
	return v.text(v.byKind("field.credential", "field.email", "field.mobile"))
}

// Lines is what the next step would do: texts as HTML, with the reader's words
// set apart, also from the direction of the sentence.
func (v *view) Lines() []template.HTML {
	out := make([]template.HTML, len(v.page.Lines))
	for i, l := range v.page.Lines {
		args := slices.Clone(l.Args)
		words := map[string]string{}
		for j, a := range args {
			if s, ok := a.(string); ok {
				place := string(rune('\uE000' + j)) // private use: stands in no text
				args[j], words[place] = place, s
			}
		}
		s := escape(v.text(l.Text, args...))
		for place, word := range words {
			s = strings.ReplaceAll(s, place, `<bdi class="value">`+escape(word)+`</bdi>`)
		}
		out[i] = template.HTML(s)
	}
	return out
}

// Notice is what went well, or "".
func (v *view) Notice() string {
	if v.page.Notice == "" {
		return ""
	}
	return v.text(v.page.Notice)
}

// MinPassword is the least length of a new password.
func (v *view) MinPassword() int { return v.conf.MinPassword }

// CodeMinutes is how long a code is valid.
func (v *view) CodeMinutes() int { return v.conf.CodeMinutes }

// Restart leads back to the start of the flow, or is "" when the start is not
// known. What of the query is no query is dropped.
func (v *view) Restart() template.URL {
	raw := v.page.Values["restartQuery"] // no hole: such a page is never kept
	if v.Action == "" || raw == "" {
		return ""
	}
	query, _ := url.ParseQuery(raw) // keeps the pairs that can be read
	return template.URL((&url.URL{Path: v.Action, RawQuery: query.Encode()}).String())
}
