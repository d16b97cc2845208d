package theme_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/html"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/theme"
)

// element is a start tag with its attributes, and the text up to the next tag.
type element struct {
	tag   string
	attrs map[string]string
	text  string
}

// elements returns the elements of the page in their order.
func elements(t testing.TB, page string) (all []element) {
	t.Helper()
	lexer := html.NewLexer(parse.NewInputBytes([]byte(page)))
	for {
		kind, _ := lexer.Next()
		switch kind {
		case html.ErrorToken:
			if lexer.Err() != io.EOF {
				t.Fatal(lexer.Err())
			}
			return all
		case html.StartTagToken:
			all = append(all, element{tag: string(lexer.Text()), attrs: map[string]string{}})
		case html.AttributeToken:
			value := strings.Trim(string(lexer.AttrVal()), `"`)
			name := string(lexer.AttrKey())
			if _, twice := all[len(all)-1].attrs[name]; twice {
				t.Errorf("%s has %s twice", all[len(all)-1].tag, name)
			}
			all[len(all)-1].attrs[name] = value
		case html.TextToken:
			if len(all) > 0 {
				all[len(all)-1].text += strings.TrimSpace(string(lexer.Text()))
			}
		}
	}
}

func with(all []element, name, value string) (found []element) {
	for _, e := range all {
		if v, ok := e.attrs[name]; ok && (value == "" || v == value) {
			found = append(found, e)
		}
	}
	return found
}

// variants are the pages of a state with each flag and fault, and with all.
func variants(s theme.State, lang string) (all []theme.Page) {
	plain := page(s.Name, lang)
	all = append(all, plain)
	for _, f := range s.Flags {
		p := plain
		p.Flags = map[string]bool{f: true}
		all = append(all, p)
	}
	for _, f := range s.Faults {
		p := plain
		p.Faults = []theme.Fault{f}
		all = append(all, p)
	}
	if len(s.Lists)+len(s.Links) > 0 {
		p := plain
		p.Flags = map[string]bool{}
		for _, f := range s.Flags {
			p.Flags[f] = true
		}
		p.Lists, p.Links = map[string][]theme.Item{}, map[string]string{}
		for _, name := range s.Lists {
			p.Lists[name] = things
		}
		for _, name := range s.Links {
			p.Links[name] = "/user/login?clientId=a&lang=nb"
		}
		all = append(all, p)
	}
	full := plain
	full.Faults, full.Locked = s.Faults, true
	return append(all, full)
}

// things are items with every flag, with and without words of their own.
var things = []theme.Item{
	{Key: "nb", Title: `Kari's "<b>`, Detail: "Fjordposten", Age: 26 * time.Hour, Flags: map[string]bool{"chosen": true, "removable": true, "isPhone": true, "unverified": true}},
	{Key: "en", Detail: "Fjordposten", Age: 2 * time.Hour, Flags: map[string]bool{"current": true, "remembered": true, "removable": true}},
}

func TestMarkup(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		for _, p := range variants(s, "nb") {
			all := elements(t, render(t, themes, p))
			root := all[0]
			if root.attrs["lang"] != "nb" || root.attrs["data-flow"] != "login" || root.attrs["data-state"] != s.Name || root.attrs["class"] != "guiVersion2" {
				t.Errorf("%s: html element %v", s.Name, root.attrs)
			}
			checkNames(t, s, p, all)
			if n := len(with(all, "autofocus", "")); n > 1 {
				t.Errorf("%s: %d elements want the focus", s.Name, n)
			}
			if n := len(with(all, "class", "heading")); n != 1 {
				t.Errorf("%s: %d headings", s.Name, n)
			}
		}
	}
}

// My account lists scopes in the order of the consent page, the host's own last.
func TestScopesInOrder(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		if s.Name != "accountState" {
			continue
		}
		p := variants(s, "en")[0]
		p.Lists = map[string][]theme.Item{"sites": {{Key: "a", Title: "A", Detail: "archive email openid profile"}}}
		html, from := render(t, themes, p), 0
		for _, want := range []string{"Know that it is you", "See your name", "See your e-mail", "archive"} {
			at := strings.Index(html[from:], want)
			if at < 0 {
				t.Fatalf("no %q after what comes before it", want)
			}
			from += at
		}
		return
	}
	t.Fatal("there is no accountState")
}

// checkNames checks that what refers to an element finds it.
func checkNames(t *testing.T, s theme.State, p theme.Page, all []element) {
	t.Helper()
	ids := map[string]int{}
	labels := map[string]bool{}
	for i, e := range all {
		if id := e.attrs["id"]; id != "" {
			ids[id]++
		}
		if e.tag == "label" {
			labels[e.attrs["for"]] = true
			if e.attrs["for"] == "" { // around its field
				labels[all[i+1].attrs["id"]] = true
			}
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: id %q stands %d times", s.Name, id, n)
		}
	}
	for _, e := range all {
		refs := strings.Fields(e.attrs["aria-describedby"])
		if to, ok := strings.CutPrefix(e.attrs["href"], "#"); ok {
			refs = append(refs, to)
		}
		for _, ref := range refs {
			if ids[ref] == 0 {
				t.Errorf("%s with %v: nothing has the id %q", s.Name, p.Faults, ref)
			}
		}
		_, hidden := e.attrs["hidden"]
		if (e.tag == "input" || e.tag == "select") && e.attrs["type"] != "hidden" && !hidden && !labels[e.attrs["id"]] {
			t.Errorf("%s: no label for %v", s.Name, e.attrs)
		}
		if e.tag == "img" && e.attrs["alt"] == "" {
			t.Errorf("%s: an image without words", s.Name)
		}
	}
}

func TestFieldsAndEvents(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		var fields, events []string
		for _, p := range variants(s, "en") {
			for _, e := range elements(t, render(t, themes, p)) {
				name := e.attrs["name"]
				event, _, _ := strings.Cut(e.attrs["value"], " ") // what follows is the item's key
				if e.tag == "button" && name == "event" && !slices.Contains(events, event) {
					events = append(events, event)
				}
				if (e.tag == "input" || e.tag == "select") && name != "" && e.attrs["type"] != "hidden" && !slices.Contains(fields, name) {
					fields = append(fields, name)
				}
			}
		}
		if !slices.Equal(fields, s.Fields) {
			t.Errorf("%s: fields %v, want %v", s.Name, fields, s.Fields)
		}
		first := ""
		if len(events) > 0 {
			first = events[0]
		}
		slices.Sort(events)
		want := slices.Sorted(slices.Values(s.Events))
		if !slices.Equal(events, want) || len(s.Events) > 0 && first != s.Events[0] {
			t.Errorf("%s: events %v from %s, want %v", s.Name, events, first, s.Events)
		}
	}
}

// Every form carries what proves where it comes from, and its first button is the
// one that Enter presses.
func TestForms(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		all := elements(t, render(t, themes, page(s.Name, "nb")))
		for _, e := range all {
			if e.tag != "form" {
				continue
			}
			if e.attrs["method"] != "post" || e.attrs["action"] != "/user/login" {
				t.Errorf("%s: form %v", s.Name, e.attrs)
			}
			for name, want := range map[string]string{"ticket": "ticket-of-the-run", "csrf_token": "csrf&#43;token=="} {
				if in := with(all, "name", name); len(in) != 1 || in[0].attrs["value"] != want || in[0].attrs["type"] != "hidden" {
					t.Errorf("%s: %s is %v", s.Name, name, in)
				}
			}
			if b := with(all, "class", "primary"); s.Name == "accountState" && len(b) == 0 {
				continue // many things to do, none before the others, and nothing to type
			} else if len(b) != 1 || b[0].attrs["value"] != s.Events[0] {
				t.Errorf("%s: default button %v", s.Name, b)
			}
		}
	}
}

// The marks that clients' styles, tests and password managers rely on.
func TestMarks(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	all := elements(t, render(t, themes, page("startLoginState", "nb")))
	var order []string
	for _, e := range all {
		if id := e.attrs["id"]; id != "" && (e.tag == "input" || e.tag == "button") {
			order = append(order, id)
		}
	}
	want := []string{"j_username", "j_password", "rememberMeCheckbox", "loginButton", "sendCodeButton", "forgotPasswordLink", "startRegistrationLink"}
	if !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
	for id, attrs := range map[string]map[string]string{
		"j_username":         {"name": "credential", "autocomplete": "username", "value": "kari@example.com"},
		"j_password":         {"name": "password", "autocomplete": "current-password", "type": "password"},
		"rememberMeCheckbox": {"name": "rememberMe", "type": "checkbox", "checked": ""},
	} {
		e := with(all, "id", id)[0]
		for name, want := range attrs {
			if got, ok := e.attrs[name]; !ok || got != want {
				t.Errorf("%s: %s is %q (%v), want %q", id, name, got, ok, want)
			}
		}
	}
	code := with(elements(t, render(t, themes, page("verificationState", "nb"))), "id", "code")[0]
	if code.attrs["autocomplete"] != "one-time-code" || code.attrs["inputmode"] != "numeric" {
		t.Errorf("code: %v", code.attrs)
	}
	if n := len(with(elements(t, render(t, themes, page("newUserState", "nb"))), "class", "check acceptTermsLabel")); n != 1 {
		t.Errorf("%d elements of class acceptTermsLabel", n)
	}
	old := page("startLoginState", "nb")
	old.Client.GUIVersion = 1
	if got := elements(t, render(t, themes, old))[0].attrs["class"]; got != "guiVersion1" {
		t.Errorf("class %q, want guiVersion1", got)
	}
	off := page("startLoginState", "nb")
	off.Flags = nil
	if e := with(elements(t, render(t, themes, off)), "id", "rememberMeCheckbox")[0]; len(with([]element{e}, "checked", "")) > 0 {
		t.Error("the box is ticked without the flag")
	}
}

func TestFaultsAreSaidWhereTheyAre(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		for _, f := range s.Faults {
			p := page(s.Name, "en")
			p.Faults = []theme.Fault{f}
			out := render(t, themes, p)
			all := elements(t, out)
			if n := len(with(all, "role", "alert")); n != 1 {
				t.Errorf("%s: %s: %d alerts", s.Name, f.Text, n)
			}
			text := strings.ReplaceAll(texts.Get("en", f.Text, f.Args...), "'", "&#39;")
			if n := strings.Count(out, text); n != 1 {
				t.Errorf("%s: %q stands %d times", s.Name, text, n)
			}
			focused := with(all, "autofocus", "")
			if len(focused) != 1 {
				t.Fatalf("%s: %s: %d elements want the focus", s.Name, f.Text, len(focused))
			}
			e := focused[0]
			if f.Field == "" {
				if e.attrs["role"] != "alert" || e.attrs["tabindex"] != "-1" {
					t.Errorf("%s: %s: focus on %v", s.Name, f.Text, e.attrs)
				}
			} else if e.attrs["name"] != f.Field || e.attrs["aria-invalid"] != "true" || !strings.Contains(e.attrs["aria-describedby"], "-fault") {
				t.Errorf("%s: %s: focus on %v", s.Name, f.Text, e.attrs)
			}
		}
		if len(s.Faults) > 1 {
			p := page(s.Name, "en")
			p.Faults = s.Faults
			all := elements(t, render(t, themes, p))
			if n := len(with(all, "role", "alert")); n != 1 {
				t.Errorf("%s with all faults: %d alerts", s.Name, n)
			}
			if n := len(with(all, "class", "summary")); n != 1 {
				t.Errorf("%s with all faults: %d summaries", s.Name, n)
			}
		}
	}
}

func TestLockedCredential(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, state := range []string{"startLoginState", "startCodeState"} {
		for _, locked := range []bool{false, true} {
			p := page(state, "nb")
			p.Locked = locked
			e := with(elements(t, render(t, themes, p)), "id", "j_username")[0]
			if _, got := e.attrs["readonly"]; got != locked {
				t.Errorf("%s: readonly %v, want %v", state, got, locked)
			}
		}
	}
}

// Without a client nothing leads away, and a page of a known client has no
// address that its record does not name.
func TestErrorPageLeadsNowhere(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	p := theme.Page{State: "errorPage", Lang: "en", Developer: "bad returnUrl https://evil.example/"}
	out := render(t, themes, p)
	if links := with(elements(t, out), "href", ""); len(links) != 1 || links[0].tag != "link" {
		t.Errorf("links %v, want the style sheet only", links)
	}
	if !strings.Contains(out, "bad returnUrl https://evil.example/") {
		t.Error("the developer is told nothing")
	}
}

func TestEveryLanguageHasItsOwnPages(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		seen := map[string]string{}
		for _, lang := range texts.Langs() {
			p := page(s.Name, lang)
			p.Faults = s.Faults
			out := render(t, themes, p)
			if bytes.Contains([]byte(out), []byte("%!")) || strings.Contains(out, "&lt;1&gt;") {
				t.Errorf("%s in %s: an argument or mark is left over", s.Name, lang)
			}
			body := out[strings.Index(out, "<body>"):]
			if other, ok := seen[body]; ok {
				t.Errorf("%s is the same in %s and %s", s.Name, other, lang)
			}
			seen[body] = lang
		}
	}
}
