// Package browser_test walks connectid in Chromium as people use it: through the
// quickstart's newspapers, and through the gallery of all pages.
package browser_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to become what a test waits for.
const patience = 15 * time.Second

var (
	browserCtx context.Context // nil when there is no Chromium
	noBrowser  string          // why
	binary     string          // the quickstart
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "connectid-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "quickstart")
	if out, err := exec.Command("go", "build", "-o", binary, "../quickstart").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the quickstart: %v\n%s", err, out)
		return 1
	}
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if chromium, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if chromium == "" {
		noBrowser = "there is no Chromium; examples/browser/prepare.sh installs it where it may"
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "FAIL:", noBrowser)
			return 1
		}
		fmt.Fprintln(os.Stderr, "SKIPPED:", noBrowser)
		return m.Run()
	}
	// Debian's Chromium blocks third-party cookies; embedded checks need them.
	profile := filepath.Join(dir, "profile")
	preferences := []byte(`{"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": false}}`)
	err = errors.Join(os.MkdirAll(filepath.Join(profile, "Default"), 0o700),
		os.WriteFile(filepath.Join(profile, "Default", "Preferences"), preferences, 0o600))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.NoSandbox, // CI runs as root
		chromedp.DisableGPU,
		chromedp.UserDataDir(profile),
		// A page that comes back out of the cache is one that DevTools has lost.
		chromedp.Flag("disable-features", "Translate,BackForwardCache"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // the quickstart's own certificate
		chromedp.Flag("enable-automation", false),
		chromedp.WindowSize(1280, 900),
	)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium:", err)
		return 1
	}
	browserCtx = ctx
	return m.Run()
}

// info is what /demo/info.json says.
type info struct {
	LoginServer string
	APIServer   string
	Clients     []struct{ ClientID, ClientSecret, Name, RedirectURI, ReturnURL, ErrorURL, Homepage string }
	Users       []struct{ Credential, Password, Mobile, Name string }
	Directories []struct {
		ID     string
		People []struct{ Name, ObjectID string }
	}
}

// demo is a running quickstart.
type demo struct {
	info
	base string
	cmd  *exec.Cmd
	http *http.Client
}

// fjord and skargard are the newspapers' addresses.
func (d *demo) fjord() string    { return strings.TrimSuffix(d.Clients[0].Homepage, "/") }
func (d *demo) skargard() string { return strings.TrimSuffix(d.Clients[1].Homepage, "/") }

// startDemo runs the quickstart's binary on free ports until the test ends.
func startDemo(t testing.TB, args ...string) *demo {
	t.Helper()
	d := &demo{cmd: exec.Command(binary, append([]string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}, args...)...)}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	d.cmd.Stderr = &stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the quickstart: %v", err)
		}
		if err := d.cmd.Wait(); err != nil {
			t.Errorf("the quickstart ended with %v\n%s", err, stderr.String())
		}
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("the quickstart logged:\n%s", stderr.String())
		}
	})
	var printed bytes.Buffer
	if _, err := fmt.Fscanf(io.TeeReader(out, &printed), "connectid is running. Start here:\n\n  %s\n", &d.base); err != nil {
		t.Fatalf("the quickstart printed %q: %v\n%s", printed.String(), err, stderr.String())
	}
	go io.Copy(io.Discard, out)
	d.base = strings.TrimSuffix(d.base, "/demo")
	d.http = &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // the quickstart's own certificate
	}
	d.get(t, "/demo/info.json", &d.info)
	return d
}

func (d *demo) get(t testing.TB, path string, into any) {
	t.Helper()
	resp, err := d.http.Get(d.base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// code returns the code in the newest message to the address, waiting for it if
// need be.
func (d *demo) code(t testing.TB, to string, sent int) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var messages []struct{ To, Code string }
		d.get(t, "/demo/outbox.json", &messages)
		var codes []string
		for _, m := range messages {
			if m.To == to && m.Code != "" {
				codes = append(codes, m.Code)
			}
		}
		if len(codes) >= sent {
			return codes[len(codes)-1]
		}
	}
	t.Fatalf("fewer than %d codes were sent to %s", sent, to)
	return ""
}

// tab is one tab of a browser.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// newBrowser returns the first tab of a browser without cookies.
func newBrowser(t testing.TB) *tab {
	t.Helper()
	if browserCtx == nil {
		t.Skip(noBrowser)
	}
	ctx, cancel := chromedp.NewContext(browserCtx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return openTab(t, ctx)
}

// newProfileTab returns a tab of the browser's own profile: in the private
// windows of [newBrowser] Chromium blocks third-party cookies. One test uses it.
func newProfileTab(t testing.TB) *tab {
	t.Helper()
	if browserCtx == nil {
		t.Skip(noBrowser)
	}
	ctx, cancel := chromedp.NewContext(browserCtx)
	t.Cleanup(cancel)
	return openTab(t, ctx)
}

// another opens a second tab in the same browser.
func (b *tab) another() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	return openTab(b.t, ctx)
}

func openTab(t testing.TB, ctx context.Context) *tab {
	t.Helper()
	if err := chromedp.Do(ctx); err != nil { // without a time-out: it would be the tab's
		t.Fatal(err)
	}
	b := &tab{t, ctx}
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := withPatience(b)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fatalf("%v", err)
	}
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// eval evaluates JavaScript in the page; an error means that the page is going
// away, or has none of what is asked for.
func eval[T any](b *tab, js string) (T, error) {
	ctx, cancel := withPatience(b)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](js))
}

// until waits until the JavaScript condition holds.
func (b *tab) until(condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds, err := eval[bool](b, "document.readyState === 'complete' && !!("+condition+")"); err == nil && holds {
			return
		}
	}
	b.fatalf("never came true: %s", condition)
}

// state waits for the login server's page of that state.
func (b *tab) state(name string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.documentElement.dataset.state === %q", name))
}

// at waits until the tab is at an address that begins like that.
func (b *tab) at(prefix string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.href.startsWith(%q)", prefix))
}

func (b *tab) has(selector string) bool {
	b.t.Helper()
	found, err := eval[bool](b, fmt.Sprintf("document.querySelector(%q) !== null", selector))
	if err != nil {
		b.fatalf("%v", err)
	}
	return found
}

// sees waits for an element and returns its text.
func (b *tab) sees(selector string) string {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)", selector))
	text, err := eval[string](b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
	if err != nil {
		b.fatalf("%v", err)
	}
	return strings.TrimSpace(text)
}

func (b *tab) url() string {
	u, err := eval[string](b, "location.href")
	if err != nil {
		return err.Error()
	}
	return u
}

// fill replaces what is in a field by typing.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	if _, err := eval[bool](b, fmt.Sprintf("document.querySelector(%q).select() || true", selector)); err != nil {
		b.fatalf("%v", err)
	}
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// press clicks the button that sends the event.
func (b *tab) press(event string) {
	b.t.Helper()
	b.click(fmt.Sprintf(`button[value=%q]`, event))
}

// back goes back as the button does.
func (b *tab) back() {
	b.t.Helper()
	if _, err := eval[bool](b, "history.back() || true"); err != nil {
		b.fatalf("%v", err)
	}
}

// dark switches between the light and the dark look, without transitions: a
// colour half-way is nobody's.
func (b *tab) dark(on bool) {
	b.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// narrow switches between the narrowest phone and a desktop.
func (b *tab) narrow(on bool) {
	b.t.Helper()
	width := int64(1280)
	if on {
		width = 320
	}
	b.do(chromedp.EmulateViewport(width, 900))
}

func withPatience(b *tab) (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, patience)
}

// call sends a command of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := withPatience(b)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.fatalf("%v", err)
	}
	return result
}

// forget removes the cookies whose name contains the word: what happens when a
// session ends by itself, or the reader closes the browser.
func (b *tab) forget(word string) {
	b.t.Helper()
	var names []string
	removed := false
	ctx, cancel := withPatience(b)
	defer cancel()
	all, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	})
	if err != nil {
		b.fatalf("%v", err)
	}
	for _, c := range all.Cookies {
		names = append(names, c.Name)
		if strings.Contains(c.Name, word) {
			removed = true
			call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: c.Name, Domain: c.Domain, Path: c.Path})
		}
	}
	if !removed {
		b.fatalf("no cookie is named like %q: there are %q", word, names)
	}
}

// fatalf ends the test and keeps a picture of what the reader saw.
func (b *tab) fatalf(format string, args ...any) {
	b.t.Helper()
	picture := "none"
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 800)"))
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		picture = filepath.Join("failures", strings.ReplaceAll(b.t.Name(), "/", "_")+".png")
		if err := errors.Join(os.MkdirAll("failures", 0o755), os.WriteFile(picture, png, 0o644)); err != nil {
			picture = err.Error()
		}
	}
	b.t.Fatalf("%s\nat %s, picture %s, which says:\n%s", fmt.Sprintf(format, args...), b.url(), picture, text)
}
