package browser_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/examples/clients"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// Everything works without scripts: an account, a login, a forgotten password's
// first steps.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(d.skargard() + herring)
	b.click("#join")
	b.state("startCodeState")
	b.fill("#j_username", "utan.skript@example.com")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, "utan.skript@example.com", 1))
	b.press("verificationEvent")
	b.state("newUserState")
	b.click("[name=acceptTerms]")
	b.press("continueEvent") // this newspaper lets readers do without a password
	b.at(d.skargard() + herring)
	b.sees("#body")

	// credentialSubmit sends itself by script; without one it is a button.
	b.click("#logout")
	b.at(d.skargard() + "/logged-out")
	b.open(d.LoginServer + "/createUser?" + url.Values{
		"clientId": {d.Clients[1].ClientID}, "returnUrl": {d.skargard() + "/me"}, "errorUrl": {d.skargard() + "/"},
		"credential": {"utan.skript@example.com"}, "credentialSubmit": {"true"},
	}.Encode())
	b.state("autoSubmitState")
	b.press("continueEvent")
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, "utan.skript@example.com", 2))
	b.press("verificationEvent")
	b.at(d.skargard() + "/me")
}

// With scripts, credentialSubmit needs no click.
func TestCredentialSubmit(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.open(d.LoginServer + "/createUser?" + url.Values{
		"clientId": {d.Clients[1].ClientID}, "returnUrl": {d.skargard() + "/me"}, "errorUrl": {d.skargard() + "/"},
		"credential": {d.Users[1].Credential}, "credentialSubmit": {"true"},
	}.Encode())
	b.state("verificationState")
	b.fill("[name=code]", d.code(t, d.Users[1].Credential, 1))
	b.press("verificationEvent")
	b.at(d.skargard() + "/me")
	if got := b.sees("#name"); got != d.Users[1].Name {
		t.Errorf("logged in as %q, want %q", got, d.Users[1].Name)
	}
}

// A login by keyboard alone: focus starts where work starts, the password
// follows the name, Enter sends the form, and a fault takes the focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	kari := d.Users[0]
	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	focus := func() string {
		id, err := eval[string](b, "document.activeElement.id || document.activeElement.getAttribute('role') || document.activeElement.tagName")
		if err != nil {
			b.fatalf("%v", err)
		}
		return id
	}
	if got := focus(); got != "j_username" {
		t.Fatalf("focus is on %s, want j_username", got)
	}
	b.do(chromedp.KeyEvent(kari.Credential), chromedp.KeyEvent(kb.Tab))
	for range 3 { // "show the password" may stand between
		if focus() == "j_password" {
			break
		}
		b.do(chromedp.KeyEvent(kb.Tab))
	}
	b.do(chromedp.KeyEvent("wrong"), chromedp.KeyEvent(kb.Enter))
	b.sees("[role=alert]")
	b.state("startLoginState")
	// A page takes its focus a moment after it can be seen.
	b.until(`["j_username", "j_password"].includes(document.activeElement.id) || document.activeElement.getAttribute("role") === "alert"`)
	b.fill("#j_password", kari.Password)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("#who")
}

// small is connectid with a memory store and numbers that a test can wait for.
func small(t *testing.T, change func(*connectid.Config)) (base string, outbox *message.Outbox) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(connectid.Clean(mux))
	t.Cleanup(server.Close)
	base = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	outbox, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	db := memstore.New()
	err = db.PutClient(t.Context(), store.Client{
		ID: "no.mediaconnect.test", Name: "Fjordposten", Homepage: server.URL + "/", Targets: []string{server.URL}, Language: "nb",
	})
	if err != nil {
		t.Fatal(err)
	}
	c := connectid.Config{
		Store: db, Keys: [][]byte{[]byte("a key that this test alone can use")}, LoginURL: base + "/user",
		Sender: outbox, Clients: clients.Folders, InsecureAllowHTTP: true,
	}
	change(&c)
	kit, err := connectid.New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/user/", kit)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<!doctype html><p id=home>home")) })
	return base + "/user/login?" + url.Values{"clientId": {"no.mediaconnect.test"}, "returnUrl": {server.URL + "/in"}, "errorUrl": {server.URL + "/out"}}.Encode(), outbox
}

func lastCode(t *testing.T, outbox *message.Outbox) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if all := outbox.List(); len(all) > 0 {
			return all[len(all)-1].Code
		}
	}
	t.Fatal("no code was sent")
	return ""
}

// A reader who comes back from lunch finds a page that says so, and starts
// again from there.
func TestExpiredRun(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	link, outbox := small(t, func(c *connectid.Config) { c.RunLifetime = 3 * time.Second })
	b.open(link)
	b.state("startLoginState")
	b.fill("#j_username", "sen@example.com")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	time.Sleep(3200 * time.Millisecond) // the run's own clock
	b.fill("[name=code]", lastCode(t, outbox))
	b.press("verificationEvent")
	b.state("expiredPage")
	b.click(".button")
	b.until("['startLoginState', 'startCodeState'].includes(document.documentElement.dataset.state)")
}

// A form whose cookies are gone (another browser, cookies cleared) is not
// accepted, and offers a new start.
func TestLostCookies(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	link, outbox := small(t, func(*connectid.Config) {})
	b.open(link)
	b.state("startLoginState")
	b.fill("#j_username", "borte@example.com")
	b.press("sendVerificationCodeEvent")
	b.state("verificationState")
	b.forget("connectid-")
	b.fill("[name=code]", lastCode(t, outbox))
	b.press("verificationEvent")
	b.until("['formExpiredPage', 'expiredPage', 'startLoginState', 'startCodeState'].includes(document.documentElement.dataset.state)")
	if strings.Contains(b.url(), "/in") {
		t.Error("logged in without the browser's cookies")
	}
	if b.has("a.button") {
		b.click("a.button")
	}
	b.until("['startLoginState', 'startCodeState'].includes(document.documentElement.dataset.state)")
}

// A double click sends the form twice; the reader is logged in, not lost.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	b.open(d.fjord() + "/")
	b.click("#login")
	b.state("startLoginState")
	b.fill("#j_username", d.Users[0].Credential)
	b.fill("#j_password", d.Users[0].Password)
	b.do(chromedp.DoubleClick(chromedp.CSS("#loginButton")))
	b.sees("#who")
}
