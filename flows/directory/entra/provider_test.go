package entra_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/directory/entra"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// startProvider runs npm's oidc-provider, an OpenID Provider that is not ours,
// until the test ends, and returns its address.
func startProvider(t *testing.T, redirectURI, tokenTenant string) string {
	t.Helper()
	const dir = "testdata/provider"
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "there is no node"
	} else if _, err := os.Stat(dir + "/node_modules/oidc-provider"); err != nil {
		missing = "oidc-provider is not installed"
	}
	switch {
	case missing != "" && os.Getenv("CI") == "true":
		t.Fatal(missing, "; prepare.sh installs what is missing")
	case missing != "":
		t.Skip(missing, "; prepare.sh installs what is missing")
	}
	options, err := json.Marshal(map[string]string{
		"tenant": tenant, "tokenTenant": tokenTenant, "person": person,
		"clientId": application, "clientSecret": secret, "redirectUri": redirectURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := exec.Command("node", "provider.js", string(options))
	cmd.Dir, cmd.Stderr = dir, &stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it ends with its standard input
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the provider ended with %v, and said:\n%s", err, stderr.String())
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the provider did not start: %v\n%s", lines.Err(), stderr.String())
	}
	go io.Copy(io.Discard, out)
	return lines.Text()
}

// world is the kit on a socket, with a provider as the directory "fjord".
type world struct {
	t      *testing.T
	login  string // LoginURL
	store  *memstore.Store
	outbox *message.Outbox
	client *http.Client
	body   string
	url    *url.URL // of the page, or the newspaper's address that was left for
}

// newspaper is where users come from. Nobody listens there.
const newspaper = "http://127.0.0.1:1/back?article=7"

func newWorld(t *testing.T, tokenTenant string, change ...func(*entra.Config)) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, login: "http://" + l.Addr().String() + "/user", store: memstore.New()}
	c := entra.Config{
		ClientID: application, ClientSecret: secret, Tenants: []string{tenant}, InsecureAllowHTTP: true,
		Authority: startProvider(t, w.login+"/azure/fjord/callback", tokenTenant),
		Prompt:    "login", // it knows no select_account
	}
	for _, do := range change {
		do(&c)
	}
	d, err := entra.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if w.outbox, err = message.NewOutbox(message.OutboxConfig{}); err != nil {
		t.Fatal(err)
	}
	kit, err := connectid.New(connectid.Config{
		Store: w.store, Keys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, LoginURL: w.login, Sender: w.outbox,
		InsecureAllowHTTP: true, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Passwords:   account.Passwords{Memory: 64, Passes: 1},
		Directories: map[string]connectid.Directory{"fjord": {ClientID: "no.example.paper", Directory: d}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.store.PutClient(t.Context(), store.Client{
		ID: "no.example.paper", Name: "Paper", Homepage: "http://127.0.0.1:1/", Targets: []string{"http://127.0.0.1:1"}, Language: "en",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(kit)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.client = &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Port() == "1" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return w
}

func (w *world) took(resp *http.Response, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.body, w.url = string(body), resp.Request.URL
	if at, err := resp.Location(); err == nil {
		w.url = at
	}
}

func (w *world) get(address string) { w.t.Helper(); w.took(w.client.Get(address)) }

var (
	formTag  = regexp.MustCompile(`<form[^>]*\saction="([^"]*)"`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	nameOf   = regexp.MustCompile(`\sname="([^"]*)"`)
	valueOf  = regexp.MustCompile(`\svalue="([^"]*)"`)
)

// submit fills in the form of the page.
func (w *world) submit(pairs ...string) {
	w.t.Helper()
	m := formTag.FindStringSubmatch(w.body)
	if m == nil {
		w.t.Fatalf("no form at %s:\n%s", w.url, w.body)
	}
	action, err := w.url.Parse(html.UnescapeString(m[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	form := url.Values{}
	for _, tag := range inputTag.FindAllString(w.body, -1) {
		name, value := nameOf.FindStringSubmatch(tag), valueOf.FindStringSubmatch(tag)
		if name != nil && value != nil && !strings.Contains(tag, `type="checkbox"`) {
			form.Set(html.UnescapeString(name[1]), html.UnescapeString(value[1]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, action.String(), strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", w.url.Scheme+"://"+w.url.Host)
	w.took(w.client.Do(r))
}

// member signs a reader up and returns her account.
func (w *world) member(email string) store.User {
	w.t.Helper()
	w.get(w.login + "/createUser?" + url.Values{
		"clientId": {"no.example.paper"}, "returnUrl": {newspaper}, "errorUrl": {newspaper}, "credential": {email},
	}.Encode())
	w.submit("event", "sendVerificationCodeEvent")
	code := ""
	for _, m := range w.outbox.List() {
		if m.To == email {
			code = m.Code
		}
	}
	w.submit("event", "verificationEvent", "code", code)
	w.submit("event", "setPasswordEvent", "newPassword", "nordlys over fjorden", "acceptTerms", "true")
	w.wantAt(newspaper)
	u, err := w.store.UserByCredential(w.t.Context(), store.Email, email)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) wantAt(want string) {
	w.t.Helper()
	if w.url.String() != want {
		w.t.Fatalf("the browser is at %s; want %s\n%s", w.url, want, w.body)
	}
}

func (w *world) azure() {
	w.t.Helper()
	w.get(w.login + "/azure/fjord?" + url.Values{"returnUrl": {newspaper}}.Encode())
}

// signIn goes through the provider's own pages: login, and consent.
func (w *world) signIn() {
	w.t.Helper()
	for range 4 {
		switch {
		case strings.Contains(w.body, `name="login"`):
			w.submit("login", "kari", "password", "any")
		case strings.Contains(w.body, `value="consent"`):
			w.submit()
		case strings.Contains(w.body, `name="code"`): // response_mode=form_post
			w.submit()
		default:
			return
		}
	}
}

const (
	wentWell  = "http://127.0.0.1:1/back/callback?article=7&azureStatus=success"
	wentWrong = "http://127.0.0.1:1/back/callback?article=7&azureStatus=error"
)

// The whole way, over sockets, with a provider that is not ours.
func TestProvider(t *testing.T) {
	for _, formPost := range []bool{false, true} {
		t.Run(fmt.Sprintf("form_post=%v", formPost), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tenant, func(c *entra.Config) { c.FormPost = formPost })
			u := w.member("kari@example.com")
			w.azure()
			w.signIn()
			w.wantAt(wentWell)
			l, err := w.store.DirectoryLink(t.Context(), "fjord", u.ID)
			if err != nil || l.Tenant != tenant || l.ObjectID != person {
				t.Errorf("the link is %+v, %v", l, err)
			}
			w.azure()
			w.wantAt(wentWrong) // registered already
		})
	}
}

func TestProviderRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tenant string // of the token
		config func(*entra.Config)
		walk   func(*world)
	}{
		{"person of another tenant", otherTenant, nil, (*world).signIn},
		{"wrong client secret", tenant, func(c *entra.Config) { c.ClientSecret = "wrong" }, (*world).signIn},
		{"cancelled", tenant, nil, func(w *world) {
			m := regexp.MustCompile(`href="([^"]*/abort)"`).FindStringSubmatch(w.body)
			if m == nil {
				w.t.Fatalf("no way to cancel:\n%s", w.body)
			}
			at, err := w.url.Parse(m[1])
			if err != nil {
				w.t.Fatal(err)
			}
			w.get(at.String())
		}},
		{"another code", tenant, nil, func(w *world) {
			follow := w.client.CheckRedirect
			w.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
				if q := r.URL.Query(); q.Get("code") != "" {
					q.Set("code", "another")
					r.URL.RawQuery = q.Encode()
				}
				return follow(r, via)
			}
			w.signIn()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var changes []func(*entra.Config)
			if tt.config != nil {
				changes = append(changes, tt.config)
			}
			w := newWorld(t, tt.tenant, changes...)
			u := w.member("kari@example.com")
			w.azure()
			tt.walk(w)
			w.wantAt(wentWrong)
			for l, err := range w.store.DirectoryLinks(t.Context(), u.ID) {
				t.Errorf("the user is linked: %+v, %v", l, err)
			}
		})
	}
}
