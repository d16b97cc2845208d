package connectid_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// company is a directory that believes what its page says: the code is the
// person's object ID, in tenant "havbruk" unless it begins with another and "/".
type company struct {
	mu       sync.Mutex
	spent    map[string]bool
	kept     map[string]string // by state
	err      error             // of Start
	delay    time.Duration     // of Finish
	signIns  []directory.SignIn
	finishes int
}

const companyPage = "https://login.company.example/authorize"

func (c *company) Start(_ context.Context, s directory.SignIn) (directory.Hop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return directory.Hop{}, c.err
	}
	c.signIns = append(c.signIns, s)
	if c.kept == nil {
		c.kept, c.spent = map[string]string{}, map[string]bool{}
	}
	c.kept[s.State] = "the verifier of " + s.State
	return directory.Hop{URL: companyPage + "?" + url.Values{"state": {s.State}}.Encode(), Kept: []byte(c.kept[s.State])}, nil
}

func (c *company) Finish(ctx context.Context, kept []byte, answer map[string]string) (directory.Identity, error) {
	if c.delay > 0 {
		select {
		case <-ctx.Done():
			return directory.Identity{}, ctx.Err()
		case <-time.After(c.delay):
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishes++
	if string(kept) != c.kept[answer["state"]] {
		return directory.Identity{}, fmt.Errorf("%w: not what was kept", directory.ErrRefused)
	}
	switch code := answer["code"]; {
	case answer["error"] != "":
		return directory.Identity{}, directory.ErrCancelled
	case code == "" || c.spent[code]:
		return directory.Identity{}, fmt.Errorf("%w: bad code", directory.ErrRefused)
	case code == "outage":
		return directory.Identity{}, errors.New("the directory is down")
	case code == "nobody":
		return directory.Identity{}, nil
	default:
		c.spent[code] = true
		tenant, person, ok := strings.Cut(code, "/")
		if !ok {
			tenant, person = "havbruk", code
		}
		return directory.Identity{Tenant: tenant, ObjectID: strings.TrimRight(person, "'")}, nil
	}
}

// azureSite is a site with two directories of one client and one of the other.
type azureSite struct {
	*site
	company, second *company
}

func newAzureSite(t testing.TB, change ...func(*connectid.Config)) *azureSite {
	a := &azureSite{company: &company{}, second: &company{}}
	a.site = newSite(t, append([]func(*connectid.Config){func(c *connectid.Config) {
		c.Directories = map[string]connectid.Directory{
			"fjord":  {ClientID: clientID, Directory: a.company},
			"fjord2": {ClientID: clientID, Directory: a.second},
			"other":  {ClientID: otherID, Directory: a.second},
		}
	}}, change...)...)
	return a
}

// member returns a new account, and a browser that is logged in to it.
func (a *azureSite) member(email string) (store.User, *browser) {
	a.t.Helper()
	b := a.browser()
	b.open("createUser", "credential", email)
	b.submit("sendVerificationCodeEvent", "rememberMe", "")
	b.submit("verificationEvent", "code", a.code(email))
	b.submit("setPasswordEvent", "newPassword", "nordlys over fjorden", "acceptTerms", "true")
	b.wantAt(returnURL)
	u, err := a.store.UserByCredential(context.Background(), store.Email, email)
	if err != nil {
		a.t.Fatal(err)
	}
	return u, b
}

const azureReturn = "https://paper.example/back?article=7"

// The two ends of azureReturn.
const (
	azureSuccess = "https://paper.example/back/callback?article=7&azureStatus=success"
	azureError   = "https://paper.example/back/callback?article=7&azureStatus=error"
)

func azureURL(id, returnURL string) string {
	return loginURL + "/azure/" + id + "?" + url.Values{"returnUrl": {returnURL}}.Encode()
}

func callbackURL(id string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return loginURL + "/azure/" + id + "/callback?" + q.Encode()
}

// leave opens azureUrl and returns the state with which the browser has left.
func (b *browser) leave(id string) string {
	b.t.Helper()
	b.get(azureURL(id, azureReturn))
	if !strings.HasPrefix(b.url.String(), companyPage) {
		b.t.Fatalf("the browser is at %s (%d); want it to have left for the directory\n%s", b.url, b.status, b.body)
	}
	return b.url.Query().Get("state")
}

// link is the user's link, the zero link if there is none.
func (a *azureSite) link(directory string, u store.User) store.DirectoryLink {
	a.t.Helper()
	l, err := a.store.DirectoryLink(context.Background(), directory, u.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		a.t.Fatal(err)
	}
	return l
}

func (a *azureSite) wantNoLink(u store.User) {
	a.t.Helper()
	for l, err := range a.store.DirectoryLinks(context.Background(), u.ID) {
		a.t.Errorf("the user is linked: %+v, %v", l, err)
	}
}

func TestAzure(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []string
	a := newAzureSite(t, func(c *connectid.Config) {
		c.OnEvent = func(_ context.Context, h flows.Happening) {
			mu.Lock()
			defer mu.Unlock()
			if h.Flow == "azure" {
				events = append(events, string(h.Event))
			}
		}
	})
	u, b := a.member("kari@example.com")
	state := b.leave("fjord")
	if got, want := a.company.signIns[0].ReturnURL, loginURL+"/azure/fjord/callback"; got != want {
		t.Errorf("the directory is to send users back to %s; want %s", got, want)
	}
	a.wantNoLink(u)
	b.get(callbackURL("fjord", "state", state, "code", "kari", "session_state", "x")).wantAt(azureSuccess)
	l := a.link("fjord", u)
	if l.Tenant != "havbruk" || l.ObjectID != "kari" || l.UserID != u.ID || time.Since(l.CreatedAt).Abs() > time.Minute {
		t.Errorf("the link is %+v", l)
	}
	if want := "startApplicationEvent programmaticLoginEvent continueEvent directoryVerifiedEvent continueEvent"; strings.Join(events, " ") != want {
		t.Errorf("events %q; want %s", events, want)
	}
	if !b.loggedIn() {
		t.Error("the user is not logged in any more")
	}
}

// A post of the directory's page is cross-site: it brings no cookies, and the GET
// to which it is answered does.
func TestAzureFormPost(t *testing.T) {
	t.Parallel()
	a := newAzureSite(t)
	u, b := a.member("kari@example.com")
	state := b.leave("fjord")
	post := func(form url.Values, contentType string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, loginURL+"/azure/fjord/callback", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Origin", "https://login.company.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		a.kit.ServeHTTP(w, r)
		return w
	}
	const form = "application/x-www-form-urlencoded"
	w := post(url.Values{"state": {state}, "code": {"kari&x=\r\nSet-Cookie: a=b"}, "session_state": {"s"}, "id_token": {"t"}}, form)
	want := "/user/azure/fjord/callback?code=kari%26x%3D%0D%0ASet-Cookie%3A+a%3Db&state=" + url.QueryEscape(state)
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
		t.Errorf("the post is answered %d to %s; want 303 to %s", w.Code, got, want)
	}
	if cookies := w.Result().Cookies(); len(cookies) > 0 {
		t.Errorf("the post sets cookies: %v", cookies)
	}
	a.wantNoLink(u)
	if w := post(url.Values{"state": {state, state}}, form); w.Code != http.StatusBadRequest {
		t.Errorf("state twice: %d", w.Code)
	}
	if w := post(url.Values{"state": {state}}, "text/plain"); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("a post that is no form: %d", w.Code)
	}
	if w := post(url.Values{"code": {strings.Repeat("x", 100<<10)}}, form); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge post: %d", w.Code)
	}
	w = post(url.Values{"state": {state}, "code": {"kari"}}, form)
	b.get(host + w.Header().Get("Location")).wantAt(azureSuccess)
}

// The end is exact: callback below the path of returnUrl, its query kept,
// azureStatus once.
func TestAzureEnds(t *testing.T) {
	t.Parallel()
	a := newAzureSite(t)
	for i, tt := range []struct{ returnURL, want string }{
		{"https://paper.example", "https://paper.example/callback?azureStatus="},
		{"https://paper.example/", "https://paper.example/callback?azureStatus="},
		{"https://paper.example/a/b", "https://paper.example/a/b/callback?azureStatus="},
		{"https://paper.example/a/b/", "https://paper.example/a/b/callback?azureStatus="},
		{"https://paper.example?x=1", "https://paper.example/callback?x=1&azureStatus="},
		{"https://paper.example/a?x=1&y&z=%2F", "https://paper.example/a/callback?x=1&y&z=%2F&azureStatus="},
		{"https://paper.example/a?u=https://b.example/c", "https://paper.example/a/callback?u=https://b.example/c&azureStatus="},
		{"https://paper.example/a?azureStatus=success&x=1&azureStatus=", "https://paper.example/a/callback?x=1&azureStatus="},
		{"https://paper.example/a?azure%53tatus=success", "https://paper.example/a/callback?azureStatus="},
		{"https://paper.example/callback", "https://paper.example/callback/callback?azureStatus="},
		{"https://paper.example/a#part", "https://paper.example/a/callback?azureStatus=@#part"},
	} {
		end := func(status string) string {
			if before, after, ok := strings.Cut(tt.want, "@"); ok {
				return before + status + after
			}
			return tt.want + status
		}
		a.browser().get(azureURL("fjord", tt.returnURL)).wantAt(end("error"))
		_, b := a.member(fmt.Sprintf("reader%d@example.com", i))
		b.get(azureURL("fjord", tt.returnURL))
		state := b.url.Query().Get("state")
		b.get(callbackURL("fjord", "state", state, "code", fmt.Sprint("person", i))).wantAt(end("success"))
	}
}

func TestAzureBadLinks(t *testing.T) {
	t.Parallel()
	a := newAzureSite(t, func(c *connectid.Config) {
		c.Directories["gone"] = connectid.Directory{ClientID: "no.such.client", Directory: &company{}}
	})
	_, member := a.member("kari@example.com")
	for _, address := range []string{
		azureURL("unknown", azureReturn),
		azureURL("", azureReturn),
		azureURL("FJORD", azureReturn),
		azureURL("fjord%2F..", azureReturn),
		azureURL("gone", azureReturn),
		loginURL + "/azure/fjord",
		loginURL + "/azure/fjord?returnUrl=",
		loginURL + "/azure/fjord?returnUrl=" + url.QueryEscape(azureReturn) + "&returnUrl=" + url.QueryEscape(azureReturn),
		azureURL("fjord", "https://evil.example/"),
		azureURL("fjord", "https://paper.example.evil.example/"),
		azureURL("fjord", "https://paper.example@evil.example/"),
		azureURL("fjord", `https://paper.example\@evil.example/`),
		azureURL("fjord", "https://other.example/"), // another client's
		azureURL("other", azureReturn),
		azureURL("fjord", "//paper.example/"),
		azureURL("fjord", "javascript:alert(1)"),
		azureURL("fjord", "/back"),
		azureURL("fjord", loginURL+"/oauth/authorize?x=1"), // what is below it is no target
		azureURL("fjord", "https://paper.example/"+strings.Repeat("a", 2020)),
		callbackURL("fjord"),
		callbackURL("fjord", "state", "x", "code", "kari"),
		callbackURL("fjord", "state", "x.y", "code", "kari"),
		callbackURL("unknown", "state", "x", "code", "kari"),
		loginURL + "/azure/fjord/callback/more",
		loginURL + "/azure/",
	} {
		for _, b := range []*browser{a.browser(), member} {
			b.get(address)
			if b.status != http.StatusBadRequest && b.status != http.StatusNotFound || b.state() != "errorPage" {
				t.Errorf("%s: %d %q at %s; want a page that names the fault", address, b.status, b.state(), b.url)
			}
			if strings.Contains(b.body, "evil.example") {
				t.Errorf("%s: the page leads on", address)
			}
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		w := httptest.NewRecorder()
		a.kit.ServeHTTP(w, httptest.NewRequest(method, azureURL("fjord", azureReturn), nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d; want 405", method, w.Code)
		}
	}
}

// Whatever goes wrong, the user comes back with azureStatus=error, and nothing
// is linked.
func TestAzureErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		walk func(a *azureSite, u store.User, b *browser) *browser
	}{
		{"not logged in", func(a *azureSite, _ store.User, _ *browser) *browser {
			b := a.browser().get(azureURL("fjord", azureReturn))
			if len(a.company.signIns) > 0 {
				a.t.Error("somebody who is not logged in was sent to the directory")
			}
			return b
		}},
		{"remembered only", func(a *azureSite, _ store.User, _ *browser) *browser {
			b := a.login("kari@example.com", "nordlys over fjorden", true)
			b.jar.SetCookies(b.kitURL(), []*http.Cookie{{Name: "__Host-connectid-session", Path: "/", MaxAge: -1}})
			return b.get(azureURL("fjord", azureReturn))
		}},
		{"blocked", func(a *azureSite, u store.User, b *browser) *browser {
			u.Blocked = true
			if err := a.store.UpdateUser(context.Background(), u); err != nil {
				a.t.Fatal(err)
			}
			return b.get(azureURL("fjord", azureReturn))
		}},
		{"embedded in a page", func(a *azureSite, _ store.User, b *browser) *browser {
			b.header.Set("Sec-Fetch-Dest", "image")
			return b.get(azureURL("fjord", azureReturn))
		}},
		{"directory is down", func(a *azureSite, _ store.User, b *browser) *browser {
			a.company.err = errors.New("no metadata")
			return b.get(azureURL("fjord", azureReturn))
		}},
		{"cancelled", func(a *azureSite, _ store.User, b *browser) *browser {
			return b.get(callbackURL("fjord", "state", b.leave("fjord"), "error", "access_denied"))
		}},
		{"no code", func(a *azureSite, _ store.User, b *browser) *browser {
			return b.get(callbackURL("fjord", "state", b.leave("fjord")))
		}},
		{"directory is down at the end", func(a *azureSite, _ store.User, b *browser) *browser {
			return b.get(callbackURL("fjord", "state", b.leave("fjord"), "code", "outage"))
		}},
		{"directory names nobody", func(a *azureSite, _ store.User, b *browser) *browser {
			return b.get(callbackURL("fjord", "state", b.leave("fjord"), "code", "nobody"))
		}},
		{"another browser", func(a *azureSite, _ store.User, b *browser) *browser {
			return a.browser().get(callbackURL("fjord", "state", b.leave("fjord"), "code", "kari"))
		}},
		{"another user's browser", func(a *azureSite, _ store.User, b *browser) *browser {
			state := b.leave("fjord")
			_, thief := a.member("thief@example.com")
			return thief.get(callbackURL("fjord", "state", state, "code", "kari"))
		}},
		{"a guessed second half of the state", func(a *azureSite, _ store.User, b *browser) *browser {
			id, _, _ := strings.Cut(b.leave("fjord"), ".")
			return b.get(callbackURL("fjord", "state", id+".AAAAAAAAAAAAAAAAAAAAAAAAAA", "code", "kari"))
		}},
		{"at another directory's address", func(a *azureSite, _ store.User, b *browser) *browser {
			b.get(callbackURL("fjord2", "state", b.leave("fjord"), "code", "kari"))
			if n := a.second.finishes; n != 0 {
				a.t.Errorf("the other directory was asked %d times", n)
			}
			return b
		}},
		{"logged out meanwhile", func(a *azureSite, _ store.User, b *browser) *browser {
			state := b.leave("fjord")
			if err := a.endSessions("kari@example.com"); err != nil {
				a.t.Fatal(err)
			}
			return b.get(callbackURL("fjord", "state", state, "code", "kari"))
		}},
		{"logged in as somebody else meanwhile", func(a *azureSite, _ store.User, b *browser) *browser {
			a.user("ola@example.com", "nordlys over fjorden")
			state := b.leave("fjord")
			b.open("login", "credential", "ola@example.com")
			b.submit("verifyCredentialsEvent", "password", "nordlys over fjorden", "rememberMe", "").wantAt(returnURL)
			return b.get(callbackURL("fjord", "state", state, "code", "kari"))
		}},
		{"blocked meanwhile", func(a *azureSite, u store.User, b *browser) *browser {
			state := b.leave("fjord")
			u.Blocked = true
			if err := a.store.UpdateUser(context.Background(), u); err != nil {
				a.t.Fatal(err)
			}
			return b.get(callbackURL("fjord", "state", state, "code", "kari"))
		}},
		{"state used before, with another answer", func(a *azureSite, _ store.User, b *browser) *browser {
			state := b.leave("fjord")
			b.get(callbackURL("fjord", "state", state, "error", "access_denied")).wantAt(azureError)
			return b.get(callbackURL("fjord", "state", state, "code", "kari"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAzureSite(t)
			u, b := a.member("kari@example.com")
			tt.walk(a, u, b).wantAt(azureError)
			a.wantNoLink(u)
			if _, err := a.store.DirectoryUser(t.Context(), "havbruk", "kari"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the person is somebody's: %v", err)
			}
		})
	}
}

func (b *browser) kitURL() *url.URL { return &url.URL{Scheme: "https", Host: "id.example", Path: "/"} }

func (a *azureSite) endSessions(email string) error {
	u, err := a.store.UserByCredential(context.Background(), store.Email, email)
	if err == nil {
		_, err = a.store.EndUserSessions(context.Background(), u.ID, store.Digest{})
	}
	return err
}

// A replayed answer does nothing again: the same one gives its own browser the
// same end for a minute, any other use of the state is an error.
func TestAzureReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzureSite(t)
		u, b := a.member("kari@example.com")
		state := b.leave("fjord")
		answer := callbackURL("fjord", "state", state, "code", "kari")
		b.get(answer).wantAt(azureSuccess)
		first := a.link("fjord", u)
		b.get(answer).wantAt(azureSuccess) // an honest double click
		if a.company.finishes != 1 {
			t.Errorf("the answer was judged %d times", a.company.finishes)
		}
		a.browser().get(answer).wantAt(azureError)
		b.get(callbackURL("fjord", "state", state, "code", "ola")).wantAt(azureError)
		time.Sleep(2 * time.Minute)
		b.get(answer).wantAt(azureError)
		time.Sleep(6 * time.Hour)
		b.get(answer).wantAt(azureError)
		if got := a.link("fjord", u); got != first {
			t.Errorf("the link is %+v; want %+v", got, first)
		}
		time.Sleep(24 * time.Hour)
		b.get(answer).wantStatus(http.StatusBadRequest) // nothing is known of it any more
	})
}

func TestAzureExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzureSite(t)
		u, b := a.member("kari@example.com")
		state := b.leave("fjord")
		for range 4 { // the session goes on
			time.Sleep(10 * time.Minute)
			b.loggedIn()
		}
		b.get(callbackURL("fjord", "state", state, "code", "kari")).wantAt(azureError)
		a.wantNoLink(u)
		if a.company.finishes != 0 {
			t.Error("the answer to an expired run was judged")
		}
		state = b.leave("fjord") // and begins anew
		b.get(callbackURL("fjord", "state", state, "code", "kari")).wantAt(azureSuccess)
	})
}

// The session that asked for it has to live when she is back.
func TestAzureSessionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzureSite(t)
		u, b := a.member("kari@example.com")
		state := b.leave("fjord")
		time.Sleep(25 * time.Minute)
		b.get(callbackURL("fjord", "state", state, "code", "kari")).wantAt(azureError)
		a.wantNoLink(u)
	})
}

func TestAzureAlreadyRegistered(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var notices []account.NoticeKind
	a := newAzureSite(t, func(c *connectid.Config) {
		c.OnNotice = func(_ context.Context, n account.Notice) {
			mu.Lock()
			defer mu.Unlock()
			if n.Directory != "" {
				notices = append(notices, n.Kind)
			}
		}
	})
	u, b := a.member("kari@example.com")
	b.get(callbackURL("fjord", "state", b.leave("fjord"), "code", "kari")).wantAt(azureSuccess)
	asked := len(a.company.signIns)
	b.get(azureURL("fjord", azureReturn)).wantAt(azureError)
	if len(a.company.signIns) != asked {
		t.Error("a user who is registered was sent to the directory")
	}
	// The same person is nobody else, in no directory.
	other, c := a.member("ola@example.com")
	c.get(callbackURL("fjord", "state", c.leave("fjord"), "code", "kari'")).wantAt(azureError)
	c.get(callbackURL("fjord2", "state", c.leave("fjord2"), "code", "kari")).wantAt(azureError)
	a.wantNoLink(other)
	// She herself may register with another directory.
	b.get(callbackURL("fjord2", "state", b.leave("fjord2"), "code", "kari'")).wantAt(azureSuccess)
	if l := a.link("fjord", u); l.ObjectID != "kari" {
		t.Errorf("the link is %+v", l)
	}
	want := []account.NoticeKind{account.NoticeDirectoryLinked, account.NoticeDirectoryTaken, account.NoticeDirectoryTaken, account.NoticeDirectoryLinked}
	if !slices.Equal(notices, want) {
		t.Errorf("notices %v; want %v", notices, want)
	}
}

// Of many requests that bring one answer, one is judged, and all of them end the
// same; of two users who race for one person, one gets it.
func TestAzureRaces(t *testing.T) {
	t.Parallel()
	a := newAzureSite(t, func(c *connectid.Config) { c.Limits.SendsPerAddress = account.Budget{N: 1000, Window: time.Hour} })
	a.company.delay = 20 * time.Millisecond
	_, b := a.member("kari@example.com")
	answer := callbackURL("fjord", "state", b.leave("fjord"), "code", "kari")
	at := make([]string, 8)
	var wg sync.WaitGroup
	for i := range at {
		wg.Go(func() {
			tab := *b
			tab.get(answer)
			at[i] = tab.url.String()
		})
	}
	wg.Wait()
	for _, got := range at {
		if got != azureSuccess {
			t.Errorf("a tab is at %s; want %s", got, azureSuccess)
		}
	}
	if a.company.finishes != 1 {
		t.Errorf("the answer was judged %d times; want once", a.company.finishes)
	}

	for round := range 20 {
		var tabs [4]*browser
		for i := range tabs {
			_, tabs[i] = a.member(fmt.Sprintf("r%d-%d@example.com", round, i))
			state := tabs[i].leave("fjord")
			tabs[i].url, _ = url.Parse(callbackURL("fjord", "state", state, "code", fmt.Sprint("p", round, strings.Repeat("'", i))))
		}
		for _, tab := range tabs {
			wg.Go(func() { tab.get(tab.url.String()) })
		}
		wg.Wait()
		wins := 0
		for _, tab := range tabs {
			if tab.url.String() == azureSuccess {
				wins++
			} else {
				tab.wantAt(azureError)
			}
		}
		if wins != 1 {
			t.Fatalf("%d of %d users got the person; want one", wins, len(tabs))
		}
	}
}

// A store that fails at any call, before or after it did its work, leaves a user
// who can reload the page and gets the end that is true.
func TestAzureOutages(t *testing.T) {
	t.Parallel()
	lost := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			faulty := storetest.NewFaulty(memstore.New())
			a := newAzureSite(t, func(c *connectid.Config) { c.Store = faulty })
			u, b := a.member("kari@example.com")
			state := b.leave("fjord")
			answer := callbackURL("fjord", "state", state, "code", "kari")
			faulty.Calls()
			faulty.Inject(storetest.Fault{Nth: n, After: after})
			b.get(answer)
			faulty.Heal()
			if len(faulty.Calls()) < n {
				break
			}
			switch at := b.url.String(); {
			case at == azureSuccess:
			case b.status != http.StatusServiceUnavailable:
				t.Errorf("call %d, after %v: the browser is at %s (%d)", n, after, at, b.status)
			default:
				// A request that died at work holds its claim for ten seconds.
				rec, err := a.store.Run(t.Context(), strings.Split(state, ".")[0])
				if err == nil && rec.Claim != "" {
					rec.Claim = ""
					err = a.store.SwapRun(t.Context(), rec)
				}
				if err != nil {
					t.Fatal(err)
				}
				b.get(answer)
			}
			linked := a.link("fjord", u).ObjectID == "kari"
			if at := b.url.String(); at == azureSuccess != linked || at != azureSuccess && at != azureError {
				t.Errorf("call %d, after %v: the browser is at %s; linked: %v", n, after, at, linked)
			}
			if !linked {
				lost++
			}
		}
	}
	// The directory says it once: if that can not be written down it is lost.
	if lost > 1 {
		t.Errorf("%d outages made her begin anew; want one", lost)
	}
}

func TestAzureFrozenDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzureSite(t)
		a.company.delay = time.Minute
		u, b := a.member("kari@example.com")
		state := b.leave("fjord")
		began := time.Now()
		b.get(callbackURL("fjord", "state", state, "code", "kari")).wantStatus(http.StatusServiceUnavailable)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		a.wantNoLink(u)
		a.company.delay = 0
		b.get(callbackURL("fjord", "state", state, "code", "kari")).wantAt(azureSuccess)
	})
}

// What a directory keeps of a sign-in stays out of the store, of logs and of
// what the browser sees.
func TestAzureKeepsSecrets(t *testing.T) {
	t.Parallel()
	spy := &runSpy{Store: memstore.New()}
	var log bytes.Buffer
	a := newAzureSite(t, func(c *connectid.Config) {
		c.Store = spy
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, b := a.member("kari@example.com")
	state := b.leave("fjord")
	a.browser().get(callbackURL("fjord", "state", state, "code", "secret-code"))
	b.get(callbackURL("fjord", "state", state, "code", "outage"))
	_, key, _ := strings.Cut(state, ".")
	for name, text := range map[string]string{"store": strings.Join(spy.data, "\n"), "log": log.String()} {
		for _, word := range []string{"verifier", key, "secret-code"} {
			if strings.Contains(text, word) {
				t.Errorf("the %s has %q:\n%s", name, word, text)
			}
		}
	}
	if len(spy.data) < 3 || !strings.Contains(log.String(), "directoryRefused") {
		t.Errorf("the spy saw %d runs, and the log is\n%s", len(spy.data), log.String())
	}
}

// runSpy keeps what runs are stored with.
type runSpy struct {
	store.Store
	mu   sync.Mutex
	data []string
}

func (s *runSpy) InsertRun(ctx context.Context, r store.Run) error {
	s.mu.Lock()
	s.data = append(s.data, string(r.Data))
	s.mu.Unlock()
	return s.Store.InsertRun(ctx, r)
}

func (s *runSpy) SwapRun(ctx context.Context, r store.Run) error {
	s.mu.Lock()
	s.data = append(s.data, string(r.Data))
	s.mu.Unlock()
	return s.Store.SwapRun(ctx, r)
}

// Somebody who is not logged in writes nothing to the store.
func TestAzureAnonymousWritesNothing(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(memstore.New())
	a := newAzureSite(t, func(c *connectid.Config) { c.Store = faulty })
	b := a.browser()
	faulty.Calls()
	b.get(azureURL("fjord", azureReturn)).wantAt(azureError)
	for _, call := range faulty.Calls() {
		if call != "Client" {
			t.Errorf("the store was asked for %s", call)
		}
	}
}

func TestDirectoriesAreChecked(t *testing.T) {
	t.Parallel()
	c := config(memstore.New(), nil)
	c.Directories = map[string]connectid.Directory{
		"": {ClientID: "a", Directory: &company{}}, "a/b": {ClientID: "a", Directory: &company{}}, "..": {ClientID: "a", Directory: &company{}},
		"noClient": {Directory: &company{}}, "noDirectory": {ClientID: "a"},
	}
	_, err := connectid.New(c)
	if err == nil {
		t.Fatal("New took it")
	}
	for _, want := range []string{`id ""`, `id "a/b"`, `id ".."`, `["noClient"].ClientID`, `["noDirectory"].Directory`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}
