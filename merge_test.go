package connectid_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

const (
	work   = "kari.nordmann@work.example"
	mobile = "+4741234567"
)

// userOf returns the user who has the credential.
func (s *site) userOf(kind store.CredentialKind, identity string) store.User {
	s.t.Helper()
	u, err := s.store.UserByCredential(context.Background(), kind, identity)
	if err != nil {
		s.t.Fatalf("user of %s: %v", identity, err)
	}
	return u
}

// prove enters a credential on the merge page and proves it.
func (b *browser) prove(s *site, credential, to string) *browser {
	b.t.Helper()
	b.wantState("startMergeState").submit("sendVerificationCodeEvent", "credential", credential).wantState("mergeVerificationState")
	return b.submit("verificationEvent", "code", s.code(to))
}

// text is what a reader sees of the page.
func (b *browser) text() string { return html.UnescapeString(b.body) }

// messagesTo returns the messages of a kind to the address.
func (s *site) messagesTo(to string, kind message.Kind) (all []message.OutboxEntry) {
	for _, m := range s.outbox.List() {
		if m.To == to && m.Kind == kind {
			all = append(all, m)
		}
	}
	return all
}

func TestMergeAddsAFreeCredential(t *testing.T) {
	s := newSite(t)
	before := s.user(kari, password)
	b := s.login(kari, password, false)
	b.open("merge").prove(s, "412 34 567", mobile).wantAt(returnURL)
	u := s.userOf(store.Phone, mobile)
	if u.ID != before.ID || len(u.Credentials) != 2 || u.Credentials[1].Spelling != "412 34 567" || u.Credentials[1].VerifiedAt.IsZero() {
		t.Errorf("user %+v", u)
	}
	s.login("41234567", password, false) // by the same password
	if !b.loggedIn() {
		t.Error("the user's own session ended")
	}
	if got := s.messagesTo(kari, message.CredentialAdded); len(got) != 1 || strings.Contains(got[0].Text, "41234567") {
		t.Errorf("notices to the other credential: %+v", got)
	}
	if got := s.messagesTo(mobile, message.CredentialAdded); len(got) != 0 {
		t.Errorf("notices to the added credential: %+v", got)
	}
}

func TestMergeNeedsAFreshLogin(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.browser().open("merge").wantState("startLoginState")
	b := s.browser()
	b.open("merge").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startMergeState")
	if !b.loggedIn() {
		t.Error("not logged in after the login of the flow")
	}
	// A new user signs up on the way.
	n := s.browser()
	n.open("merge").submit("sendVerificationCodeEvent", "credential", ola).submit("verificationEvent", "code", s.code(ola))
	n.submit("setPasswordEvent", "newPassword", password, "acceptTerms", "true").wantState("startMergeState")
	// Who has forgotten the password gets through too.
	f := s.browser()
	f.open("merge").submit("forgotPasswordEvent", "credential", ola).submit("sendVerificationCodeEvent").submit("verificationEvent", "code", s.code(ola))
	f.submit("setPasswordEvent", "newPassword", "another, longer one", "newPasswordAgain", "another, longer one").wantState("startMergeState")

	synctest.Test(t, func(t *testing.T) {
		b := s.login(kari, password, true)
		time.Sleep(4 * time.Minute)
		b.open("merge").wantState("startMergeState")
		time.Sleep(2 * time.Minute) // too long ago by now
		b.submit("sendVerificationCodeEvent", "credential", work).wantState("startLoginState")
		if got := b.form().fields.Get("credential"); got != kari {
			t.Errorf("the page asks for %q again", got)
		}
		b.submit("verifyCredentialsEvent", "password", password).wantState("startMergeState")
		if got := b.form().fields.Get("credential"); got != work {
			t.Errorf("what was typed is %q after the login", got)
		}
		if n := len(s.messagesTo(work, message.MergeCode)); n != 0 {
			t.Errorf("%d codes were sent before the login", n)
		}
		time.Sleep(20 * time.Hour) // remember-me is no fresh login
		b.open("login").wantAt(returnURL)
		b.open("merge").wantState("startLoginState")
	})
}

func TestMergeOfTwoAccounts(t *testing.T) {
	var seen []flows.Happening
	s := newSite(t, func(c *connectid.Config) {
		c.OnEvent = func(_ context.Context, h flows.Happening) { seen = append(seen, h) }
	})
	old := s.user(work, "the other password")
	u := s.user(kari, password)
	elsewhere := s.login(work, "the other password", true)
	b := s.login(kari, password, true)
	own := s.login(kari, password, false)

	b.open("merge").prove(s, work, work).wantState("mergeState")
	for _, want := range []string{
		work, "moves to the account", "stops working", "logged out on 2 devices", "1 browser does not remember", "undone for 7 days",
	} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if s.userOf(store.Email, work).ID != old.ID || !elsewhere.loggedIn() {
		t.Error("the page that asks has already merged")
	}
	b.submit("mergeEvent").wantAt(returnURL)

	merged := s.userOf(store.Email, work)
	if merged.ID != u.ID || len(merged.Credentials) != 2 || merged.Number != u.Number {
		t.Errorf("after the merge: %+v", merged)
	}
	if got, err := s.store.ResolveUser(t.Context(), old.ID); err != nil || got.ID != u.ID {
		t.Errorf("the absorbed ID leads to %q, %v", got.ID, err)
	}
	if elsewhere.loggedIn() {
		t.Error("the absorbed account's session or remember-me goes on")
	}
	if !b.loggedIn("credential", work) || !own.loggedIn() {
		t.Error("the survivor's own sessions ended")
	}
	s.login(work, password, false)
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", work, "password", "the other password").wantState("startLoginState")
	for _, to := range []string{kari, work} {
		if got := s.messagesTo(to, message.AccountsMerged); len(got) != 1 || !strings.Contains(got[0].Link, "/unmerge?") {
			t.Errorf("notices to %s: %+v", to, got)
		}
	}
	var events []string
	for _, h := range seen {
		if h.Flow == "merge" {
			events = append(events, string(h.Event))
		}
	}
	if got := strings.Join(events, " "); got != "startApplicationEvent programmaticLoginEvent startApplicationEvent programmaticLoginEvent sendVerificationCodeEvent verificationEvent continueEvent mergeEvent" {
		t.Errorf("events %s", got)
	}
}

func TestUnmergeByLink(t *testing.T) {
	s := newSite(t)
	old := s.user(work, "the other password")
	u := s.user(kari, password)
	b := s.login(kari, password, true)
	b.open("merge").prove(s, work, work).submit("mergeEvent").wantAt(returnURL)
	link := s.messagesTo(work, message.AccountsMerged)[0].Link

	reader := s.browser() // anywhere, without a login
	for range 3 {         // as mail scanners do
		reader.get(link).wantState("unmergeState")
	}
	if s.userOf(store.Email, work).ID != u.ID {
		t.Fatal("opening the link has undone the merge")
	}
	if strings.Contains(reader.text(), kari) || strings.Contains(reader.text(), work) {
		t.Error("the page shows a whole address")
	}
	for name, change := range map[string]func(q url.Values){
		"another token": func(q url.Values) { q.Set("token", strings.Repeat("A", 43)) },
		"no token":      func(q url.Values) { q.Del("token") },
		"another merge": func(q url.Values) { q.Set("merge", "ABC") },
		"no merge":      func(q url.Values) { q.Del("merge") },
	} {
		at, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		q := at.Query()
		change(q)
		at.RawQuery = q.Encode()
		t.Log(name)
		s.browser().get(at.String()).wantState("undoOverState")
	}
	reader.submit("unmergeEvent").wantState("unmergedState")
	back, rest := s.userOf(store.Email, work), s.userOf(store.Email, kari)
	if back.ID != old.ID || back.Number != old.Number || rest.ID != u.ID || len(rest.Credentials) != 1 {
		t.Errorf("after the undo: %+v and %+v", back, rest)
	}
	if b.loggedIn() {
		t.Error("a login from the time of the merge goes on")
	}
	s.login(work, "the other password", false)
	s.login(kari, password, false)
	for _, to := range []string{kari, work} {
		if n := len(s.messagesTo(to, message.AccountsSeparated)); n != 1 {
			t.Errorf("%d notices to %s", n, to)
		}
	}
	reader.submit("continueEvent").wantAt("https://paper.example/")
	reader.get(link).wantState("undoOverState").submit("navigateAwayEvent").wantAt("https://paper.example/")
}

func TestUnmergeIsForAWhile(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*connectid.Config)
		after  time.Duration
		open   bool
	}{
		"six days":             {func(*connectid.Config) {}, 6 * 24 * time.Hour, true},
		"eight days":           {func(*connectid.Config) {}, 8 * 24 * time.Hour, false},
		"half an hour of one":  {func(c *connectid.Config) { c.MergeUndo = time.Hour }, 30 * time.Minute, true},
		"two hours of one":     {func(c *connectid.Config) { c.MergeUndo = time.Hour }, 2 * time.Hour, false},
		"a month, after three": {func(c *connectid.Config) { c.MergeUndo = 30 * 24 * time.Hour }, 21 * 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tt.change)
			s.user(work, password)
			s.user(kari, password)
			synctest.Test(t, func(t *testing.T) {
				s.login(kari, password, false).open("merge").prove(s, work, work).submit("mergeEvent").wantAt(returnURL)
				link := s.messagesTo(kari, message.AccountsMerged)[0].Link
				time.Sleep(tt.after)
				want := "undoOverState"
				if tt.open {
					want = "unmergeState"
				}
				s.browser().get(link).wantState(want)
			})
		})
	}
	t.Run("never", func(t *testing.T) {
		s := newSite(t, func(c *connectid.Config) { c.MergeUndo = -1 })
		s.user(work, password)
		s.user(kari, password)
		b := s.login(kari, password, false).open("merge").prove(s, work, work)
		if !strings.Contains(b.text(), "can not be undone") {
			t.Error("the page does not say that it is for good")
		}
		b.submit("mergeEvent").wantAt(returnURL)
		if m := s.messagesTo(kari, message.AccountsMerged)[0]; m.Link != "" {
			t.Errorf("link %s", m.Link)
		}
	})
}

// The host's own rows move along, or nothing does.
func TestMergeCallsTheHost(t *testing.T) {
	refuses := errors.New("the host says no")
	for name, tt := range map[string]struct {
		unmerge bool
		err     error
	}{"both ways": {true, nil}, "no way back": {false, nil}, "refused": {true, refuses}} {
		t.Run(name, func(t *testing.T) {
			bookmarks := map[string]string{}
			s := newSite(t, func(c *connectid.Config) {
				c.OnMerge = func(_ context.Context, m store.Merge) error {
					if tt.err == nil {
						bookmarks[m.Survivor], bookmarks[m.Absorbed] = bookmarks[m.Absorbed], ""
					}
					return tt.err
				}
				if tt.unmerge {
					c.OnUnmerge = func(_ context.Context, m store.Merge) error {
						bookmarks[m.Absorbed], bookmarks[m.Survivor] = bookmarks[m.Survivor], ""
						return nil
					}
				}
			})
			old, u := s.user(work, password), s.user(kari, password)
			bookmarks[old.ID] = "herring"
			b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState").submit("mergeEvent")
			if tt.err != nil {
				b.wantStatus(503).wantState("busyPage")
				if s.userOf(store.Email, work).ID != old.ID || bookmarks[old.ID] != "herring" {
					t.Error("something was merged")
				}
				s.login(work, password, false)
				return
			}
			b.wantAt(returnURL)
			if bookmarks[u.ID] != "herring" {
				t.Errorf("bookmarks %v", bookmarks)
			}
			link := s.messagesTo(work, message.AccountsMerged)[0].Link
			if (link != "") != tt.unmerge {
				t.Errorf("link %q", link)
			}
			if tt.unmerge {
				s.browser().get(link).submit("unmergeEvent").wantState("unmergedState")
				if bookmarks[old.ID] != "herring" {
					t.Errorf("bookmarks after the undo %v", bookmarks)
				}
			}
		})
	}
	for name, change := range map[string]func(*connectid.Config){
		"Undo without OnUnmerge": func(c *connectid.Config) {
			c.MergeUndo = time.Hour
			c.OnMerge = func(context.Context, store.Merge) error { return nil }
		},
		"OnUnmerge without OnMerge": func(c *connectid.Config) { c.OnUnmerge = func(context.Context, store.Merge) error { return nil } },
	} {
		c := config(memstore.New(), outbox(t))
		change(&c)
		if _, err := connectid.New(c); err == nil || !strings.Contains(err.Error(), "OnMerge") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMergeRefusesTwoCustomers(t *testing.T) {
	s := newSite(t, func(c *connectid.Config) { c.Limits.SendsPerCredential = account.Budget{N: 50, Window: time.Hour} })
	for i, email := range []string{kari, work} {
		u := s.user(email, password)
		u.Ties = []store.Tie{{Kind: store.CustomerTie, PartnerID: "partner", Number: fmt.Sprint(1000 + i)}}
		if err := s.store.UpdateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeRefusedState")
	if !strings.Contains(b.body, `id="sendEmailToCustomerServiceButton"`) {
		t.Error("no button to customer care")
	}
	b.submit("sendEmailToCustomerServiceEvent").wantState("customerCareState")
	got := s.messagesTo("help@paper.example", message.CareMerge)
	if len(got) != 1 {
		t.Fatalf("%d messages to customer care", len(got))
	}
	for _, want := range []string{"1000", "1001", kari, work, s.userOf(store.Email, work).ID} {
		if !strings.Contains(got[0].Text, want) {
			t.Errorf("customer care is not told %s:\n%s", want, got[0].Text)
		}
	}
	b.submit("navigateAwayEvent")
	if b.url.Path != "/sorry" || s.number(work) != 1001 {
		t.Errorf("at %s", b.url)
	}
	for range 3 { // three a day
		b.open("merge").prove(s, work, work).submit("sendEmailToCustomerServiceEvent")
	}
	if b.wantState("mergeRefusedState"); !strings.Contains(b.body, `role="alert"`) {
		t.Error("the limit is not said")
	}
	b.submit("changeCredentialEvent").wantState("startMergeState")

	// One number is no reason.
	u := s.userOf(store.Email, kari)
	u.Ties = nil
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.open("merge").prove(s, work, work).wantState("mergeState").submit("mergeEvent").wantAt(returnURL)
	if n := s.number(kari); n != 1001 {
		t.Errorf("customer number %d", n)
	}
}

func TestMergeCredentialType(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, false)
	for _, tt := range []struct{ kind, heading, label, refused, taken string }{
		{"", "Add an e-mail address or mobile number", "E-mail or mobile number", "neither", work},
		{"A", "Add an e-mail address", "E-mail address", "412 34 567", work},
		{"B", "Add a mobile number", "Mobile number", work, "412 34 567"},
	} {
		b.open("merge", "credentialType", tt.kind).wantState("startMergeState")
		if !strings.Contains(b.text(), tt.heading+"</h1>") || !strings.Contains(b.text(), ">"+tt.label+"</label>") {
			t.Errorf("type %q: the texts do not follow", tt.kind)
		}
		b.submit("sendVerificationCodeEvent", "credential", tt.refused).wantState("startMergeState")
		if !strings.Contains(b.body, `role="alert"`) || b.form().fields.Get("credential") != tt.refused {
			t.Errorf("type %q: %q is not refused and shown back", tt.kind, tt.refused)
		}
		b.submit("sendVerificationCodeEvent", "credential", "").wantState("startMergeState")
		b.submit("sendVerificationCodeEvent", "credential", " "+tt.taken+" ").wantState("mergeVerificationState")
	}
	b.open("merge").submit("sendVerificationCodeEvent", "credential", strings.ToUpper(kari)).wantState("startMergeState")
	if !strings.Contains(b.text(), "You log in with this one already") {
		t.Error("one's own credential is not recognised")
	}
	for _, bad := range []string{"C", "a", "AB", "email"} {
		b.open("merge", "credentialType", bad).wantStatus(400).wantState("errorPage")
	}
	// The URL has no parameter credential: it prefills nothing.
	b.open("merge", "credential", work).wantState("startMergeState")
	if got := b.form().fields.Get("credential"); got != "" {
		t.Errorf("prefilled with %q", got)
	}
}

func TestMergeHeading(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	b := s.login(kari, password, false)
	long := strings.Repeat("æ", 100)
	for heading, want := range map[string]string{
		"Knytt e-posten din til Fjordposten": "Knytt e-posten din til Fjordposten",
		"<script>alert(1)</script>":          "&lt;script&gt;alert(1)&lt;/script&gt;",
		"a\x00b\x1b[31mc\u202ed\u2066e":      "ab[31mcde",
		" two\r\nlines\t ":                   "two lines",
		long:                                 long[:160],
		"\xff\xfe":                           "Add an e-mail address or mobile number",
		"":                                   "Add an e-mail address or mobile number",
		"\u200b":                             "Add an e-mail address or mobile number",
	} {
		b.open("merge", "heading", heading).wantState("startMergeState")
		if !strings.Contains(b.body, `<h1 class="heading">`+want+`</h1>`) {
			_, h1, _ := strings.Cut(b.body, "<h1")
			t.Errorf("heading %q: got %.200s", heading, h1)
		}
	}
	b.open("merge", "heading", "Mine").submit("sendVerificationCodeEvent", "credential", work)
	if !strings.Contains(b.body, ">Mine</h1>") {
		t.Error("the heading is gone on the page of the code")
	}
	// What is about to happen has its own.
	s.user(ola, password)
	b.open("merge", "heading", "Mine").prove(s, ola, ola).wantState("mergeState")
	if strings.Contains(b.body, ">Mine</h1>") || !strings.Contains(b.body, "Two accounts become one") {
		t.Error("the caller's heading stands over the question")
	}
}

func TestMergeAbort(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(work, password)
	const abort = "https://paper.example/abort?x"
	walk := map[string]func(b *browser, pairs ...string){
		"startLoginState": func(b *browser, pairs ...string) { b.jar = s.browser().jar; b.open("merge", pairs...) },
		"startMergeState": func(b *browser, pairs ...string) { b.open("merge", pairs...) },
		"mergeVerificationState": func(b *browser, pairs ...string) {
			b.open("merge", pairs...).submit("sendVerificationCodeEvent", "credential", work)
		},
		"mergeState": func(b *browser, pairs ...string) { b.open("merge", pairs...).prove(s, work, work) },
	}
	for state, to := range walk {
		b := s.login(kari, password, false)
		to(b)
		if b.wantState(state); strings.Contains(b.body, `id="closeButton"`) {
			t.Errorf("%s: an X without abortUrl", state)
		}
		b.submit("navigateAwayEvent")
		if q := b.url.Query(); b.url.Path != "/sorry" || q.Get("error") != "access_denied" {
			t.Errorf("%s: leaving led to %s", state, b.url)
		}
		b = s.login(kari, password, false)
		to(b, "abortUrl", abort)
		if b.wantState(state); !strings.Contains(b.body, `id="closeButton"`) {
			t.Errorf("%s: no X", state)
		}
		b.submit("navigateAwayEvent").wantAt(abort)
	}
	if s.userOf(store.Email, work).ID == s.userOf(store.Email, kari).ID {
		t.Error("who left has merged")
	}
	b := s.browser()
	for _, bad := range []string{"https://evil.example/", "javascript:alert(1)", "//paper.example/", "https://other.example/"} {
		b.open("merge", "abortUrl", bad).wantStatus(400).wantState("errorPage")
	}
	b.get(address("merge") + "&abortUrl=" + url.QueryEscape(abort) + "&abortUrl=" + url.QueryEscape(abort)).wantStatus(400)
}

// Until a credential is proven, nobody learns whose it is: pages, headers and
// times aside, not even that a message was another one.
func TestMergeTellsNothing(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(work, password)
	blocked := s.user("blocked@example.com", password)
	blocked.Blocked = true
	if err := s.store.UpdateUser(t.Context(), blocked); err != nil {
		t.Fatal(err)
	}
	hide := func(b *browser, email string) string {
		body := b.body
		for _, field := range []string{"ticket", "csrf_token"} {
			body = strings.ReplaceAll(body, html.EscapeString(b.form().fields.Get(field)), "")
			body = strings.ReplaceAll(body, strings.ReplaceAll(b.form().fields.Get(field), "+", "&#43;"), "")
		}
		at := strings.IndexByte(email, '@')
		return strings.ReplaceAll(body, email[:1]+"•••"+email[at:], "")
	}
	var pages [3][]string
	for i, email := range []string{work, "nobody@example.com", "blocked@example.com"} {
		b := s.login(kari, password, false)
		b.open("merge").submit("sendVerificationCodeEvent", "credential", email).wantState("mergeVerificationState")
		pages[i] = append(pages[i], hide(b, email))
		b.submit("verificationEvent", "code", "000000").wantState("mergeVerificationState")
		pages[i] = append(pages[i], hide(b, email))
		b.submit("sendVerificationCodeEvent").wantState("mergeVerificationState")
		pages[i] = append(pages[i], hide(b, email))
	}
	for step := range pages[0] {
		if pages[0][step] != pages[1][step] || pages[0][step] != pages[2][step] {
			t.Errorf("step %d differs", step)
		}
	}
}

// A code for one purpose, user or browser is none for another, and guessing has
// an end.
func TestMergeCodes(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.user(work, password)
	b := s.login(kari, password, false)
	// A login code is no merge code.
	tab := *b
	other := &tab
	other.open("login", "credential", work).submit("sendVerificationCodeEvent").wantState("verificationState")
	login := s.code(work)
	b.open("merge").submit("sendVerificationCodeEvent", "credential", work).wantState("mergeVerificationState")
	code := s.code(work)
	if login != code {
		b.submit("verificationEvent", "code", login).wantState("mergeVerificationState")
		other.submit("verificationEvent", "code", code).wantState("verificationState")
	}
	// Somebody else logs in in the same browser: the code was for Kari.
	p, run := b.form(), b.url.String()
	b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	b.submitPage(p, "verificationEvent", "code", code).wantState("startMergeState")
	b.get(run).wantState("mergeVerificationState").submit("verificationEvent", "code", code).wantState("startMergeState")
	for _, email := range []string{kari, ola} {
		if s.userOf(store.Email, work).ID == s.userOf(store.Email, email).ID {
			t.Fatalf("%s got what Kari had proven for herself", email)
		}
	}
	b.open("merge").submit("sendVerificationCodeEvent", "credential", work).wantState("mergeVerificationState")
	// Ten wrong guesses in all: some were made above.
	for range 12 {
		b.submit("verificationEvent", "code", wrong(s.code(work)))
	}
	b.submit("verificationEvent", "code", s.code(work)).wantState("mergeVerificationState")
	if !strings.Contains(b.text(), "Too many wrong codes") {
		t.Errorf("the limit is not said: %s", alerts(b.body))
	}
}

func TestMergeShowsWhatHappensOrAsksAgain(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	u := s.user(work, password)
	b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState")
	// Another device logs in: that is passing, and does not ask again. A credential more does.
	u = s.userOf(store.Email, work)
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Phone, Identity: mobile, Spelling: mobile, VerifiedAt: time.Now()})
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.submit("mergeEvent").wantState("mergeState")
	if !strings.Contains(b.text(), "Something has changed") || !strings.Contains(b.text(), "+47 ••• •• 567") {
		t.Error("the change is not shown")
	}
	s.login(work, password, false)
	b.submit("mergeEvent").wantAt(returnURL)
	if len(s.userOf(store.Email, kari).Credentials) != 3 {
		t.Error("a credential is lost")
	}
}

// On a shared computer the next reader sees nothing of what was asked before.
func TestMergeShowsNobodyElse(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(ola, password)
	s.user(work, password)
	b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState")
	run := b.url.String()
	b.open("login", "credential", ola).submit("verifyCredentialsEvent", "password", password).wantAt(returnURL)
	b.get(run).wantState("mergeState")
	if strings.Contains(b.text(), work) || strings.Contains(b.text(), "undone for") {
		t.Error("Ola is shown what Kari was asked")
	}
	b.submit("mergeEvent").wantState("startMergeState")
	if s.userOf(store.Email, work).ID == s.userOf(store.Email, ola).ID || s.userOf(store.Email, work).ID == s.userOf(store.Email, kari).ID {
		t.Error("something was merged")
	}
}

func TestMergeDoublePosts(t *testing.T) {
	s := newSite(t)
	s.user(kari, password)
	s.user(work, password)
	b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState")
	p := b.form()
	var wg sync.WaitGroup
	for range 8 {
		tab := *b
		wg.Go(func() {
			if tab.submitPage(p, "mergeEvent"); tab.url.String() != returnURL {
				t.Errorf("a racing post ended at %s, %q (%d)", tab.url, tab.state(), tab.status)
			}
		})
	}
	wg.Wait()
	if n := len(s.messagesTo(kari, message.AccountsMerged)); n != 1 {
		t.Errorf("%d notices", n)
	}
	b.submitPage(p, "mergeEvent").wantAt(returnURL) // back, and once more
}

// Two accounts that absorb each other at once, in two browsers: one does, and
// neither reader stands before a wall.
func TestMergesThatCross(t *testing.T) {
	for range 5 {
		s := newSite(t)
		s.user(kari, password)
		s.user(work, password)
		one := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState")
		two := s.login(work, password, false).open("merge").prove(s, kari, kari).wantState("mergeState")
		var wg sync.WaitGroup
		for _, b := range []*browser{one, two} {
			wg.Go(func() { b.submit("mergeEvent") })
		}
		wg.Wait()
		a, b := s.userOf(store.Email, kari), s.userOf(store.Email, work)
		if a.ID != b.ID || len(a.Credentials) != 2 {
			t.Fatalf("%+v and %+v", a, b)
		}
		for _, b := range []*browser{one, two} {
			if at := b.url.String(); at != returnURL && b.state() != "startLoginState" && b.state() != "mergeState" {
				t.Errorf("a reader is at %s, %q (%d)", at, b.state(), b.status)
			}
		}
	}
}

// The absorbed account's tokens end; a subject that a client knows leads on.
func TestMergeAndTokens(t *testing.T) {
	s := newSite(t)
	old, u := s.user(work, password), s.user(kari, password)
	late := store.AccessToken{Hash: store.DigestOf("late"), ClientID: clientID, GrantID: "late", UserID: old.ID, ExpiresAt: time.Now().Add(time.Hour)}
	grant := store.Grant{ID: "early", ClientID: clientID, UserID: old.ID, Refresh: store.DigestOf("r"), RefreshExpires: time.Now().Add(time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
	early := late
	early.Hash, early.GrantID = store.DigestOf("early"), "early"
	if err := s.store.CreateGrant(t.Context(), grant, early); err != nil {
		t.Fatal(err)
	}
	s.login(kari, password, false).open("merge").prove(s, work, work).submit("mergeEvent").wantAt(returnURL)
	if _, err := s.store.Grant(t.Context(), "early"); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("the grant: %v", err)
	}
	grant.ID = "late" // what was under way in that moment
	if err := s.store.CreateGrant(t.Context(), grant, late); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	for token, want := range map[string]int{"early": 401, "late": 200} {
		b.header.Set("Authorization", "Bearer "+token)
		b.get(host + "/capi/v1/customer/profile").wantStatus(want)
		if want == 200 && !strings.Contains(b.body, `"uniqueId":"`+u.ID+`"`) {
			t.Errorf("the profile of an absorbed subject is %s", b.body)
		}
	}
}

// A crash between any two calls of the store, before or after the call: both
// accounts stay usable, nothing is half-way, and the same way leads to the end.
func TestMergeSurvivesCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			f := storetest.NewFaulty(memstore.New())
			s := newSite(t, func(c *connectid.Config) { c.Store = f })
			old, u := s.user(work, "the other password"), s.user(kari, password)
			b := s.login(kari, password, false).open("merge").prove(s, work, work).wantState("mergeState")
			f.Calls()
			f.Inject(storetest.Fault{Nth: n, After: after})
			b.submit("mergeEvent")
			calls := f.Calls()
			f.Heal()
			a, c := s.userOf(store.Email, kari), s.userOf(store.Email, work)
			switch {
			case a.ID != u.ID:
				t.Fatalf("call %d of %v: Kari's account is %s", n, calls, a.ID)
			case c.ID == old.ID: // nothing happened
				if len(a.Credentials) != 1 || len(c.Credentials) != 1 {
					t.Fatalf("call %d of %v: half-way: %+v and %+v", n, calls, a, c)
				}
				s.login(work, "the other password", false)
			case c.ID == u.ID: // all of it
				s.login(work, password, false)
			}
			s.login(kari, password, false)
			// On from where the reader stands, or from the link.
			if b.url.String() != returnURL {
				b.open("merge").wantState("startMergeState")
				if b.submit("sendVerificationCodeEvent", "credential", work); b.state() == "mergeVerificationState" {
					if b.submit("verificationEvent", "code", s.code(work)); b.state() == "mergeState" {
						b.submit("mergeEvent")
					}
					b.wantAt(returnURL)
				}
			}
			if got := s.userOf(store.Email, work); got.ID != u.ID || len(got.Credentials) != 2 {
				t.Fatalf("call %d of %v: in the end %+v", n, calls, got)
			}
			if n > len(calls) {
				t.Logf("%d calls: %s", len(calls), strings.Join(calls, " "))
				break
			}
		}
	}
}
