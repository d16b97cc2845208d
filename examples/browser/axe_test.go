package browser_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"

	"github.com/connectid-kit/connectid/examples/clients"
	"github.com/connectid-kit/connectid/examples/gallery/exhibit"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
)

// axeSource is the accessibility checker.
var axeSource = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	return string(raw), err
})

// needAxe skips the test without axe-core; CI has it.
func needAxe(t *testing.T) string {
	t.Helper()
	source, err := axeSource()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("axe-core is missing: run npm ci in examples/browser: %v", err)
		}
		t.Skipf("axe-core is missing: run npm ci in examples/browser: %v", err)
	}
	return source
}

// violation is one thing that axe finds wrong.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// audit runs axe on the page as it is shown, with all of its rules.
func (b *tab) audit(source, what string) {
	b.t.Helper()
	b.inspect(source, what, "{resultTypes: ['violations']}")
}

// contrast runs only the rule that light and dark can make different.
func (b *tab) contrast(source, what string) {
	b.t.Helper()
	b.inspect(source, what, "{resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']}")
}

func (b *tab) inspect(source, what, options string) {
	b.t.Helper()
	loaded, err := eval[bool](b, "typeof axe !== 'undefined'")
	if err == nil && !loaded {
		_, err = eval[bool](b, source+"\n;true")
	}
	if err != nil {
		b.fatalf("load axe: %v", err)
	}
	js := "axe.run(document, " + options + ").then(r => JSON.stringify(r.violations))"
	result, err := evalPromise(b, js)
	if err != nil {
		b.fatalf("run axe: %v", err)
	}
	var found []violation
	if err := json.Unmarshal([]byte(result), &found); err != nil {
		b.fatalf("read what axe says: %v", err)
	}
	for _, v := range found {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s (%s)\n  %s\n  %s", what, v.Help, v.ID, n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n  "))
		}
	}
}

// evalPromise evaluates JavaScript that gives a promise of a string.
func evalPromise(b *tab, js string) (string, error) {
	ctx, cancel := withPatience(b)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](js, chromedp.EvalAwaitPromise))
}

// overflow reports what is wider than the window.
func (b *tab) overflow(what string) {
	b.t.Helper()
	wide, err := eval[string](b, `(() => {
		const room = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= room) return "";
		return [...document.querySelectorAll("body *")]
			.filter(e => e.getBoundingClientRect().right > room + 1)
			.map(e => e.outerHTML.slice(0, 120)).slice(0, 3).join("\n  ") || "something";
	})()`)
	if err != nil {
		b.fatalf("%v", err)
	}
	if wide != "" {
		b.t.Errorf("%s scrolls sideways, because of\n  %s", what, wide)
	}
}

func brokenFolder() fs.FS {
	return fstest.MapFS{"no.mediaconnect.test/custom.css": {Data: []byte("@import url(https://elsewhere.example/x.css);")}}
}

func openGallery(t *testing.T) *httptest.Server {
	t.Helper()
	g, err := exhibit.New(exhibit.Config{Folders: clients.Folders, Clients: exhibit.DemoClients()})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s
}

// whole are the languages in which every case is looked at. In the others it is
// those with the most text: the words differ there, not the pages.
var whole = []string{"nb", "en"}

// Every page of the login server, in every state and language, light and dark,
// on a desktop and on a 320 px wide phone: axe finds nothing, and nothing has to
// be scrolled sideways.
func TestEveryPage(t *testing.T) {
	source := needAxe(t)
	if browserCtx == nil {
		t.Skip(noBrowser)
	}
	gallery := openGallery(t)
	cases := exhibit.Cases()
	if len(cases) < 50 {
		t.Fatalf("%d cases: the gallery can not be whole", len(cases))
	}
	demo := exhibit.DemoClients()
	for i, lang := range exhibit.Langs() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t)
			dark := false // each page begins as the one before ended
			b.look(dark)
			for j, c := range cases {
				if !slices.Contains(whole, lang) && !c.Plain && !strings.HasSuffix(c.Name, "-faults") {
					continue
				}
				// What is special to a theme shows on the plain pages; the rest takes turns.
				shown := demo[(i+j)%len(demo) : (i+j)%len(demo)+1]
				if c.Plain && slices.Contains(whole, lang) {
					shown = demo
				}
				for _, client := range shown {
					what := fmt.Sprintf("%s in %s for %s", c.Name, lang, client.ID)
					b.open(gallery.URL + exhibit.URL(c, client.ID, lang))
					b.audit(source, what+looks(dark))
					b.overflow(what + looks(dark))
					dark = !dark
					b.look(dark)
					b.contrast(source, what+looks(dark))
					b.overflow(what + looks(dark))
				}
			}
		})
	}
}

// look is one of two: light on a desktop, dark on the narrowest phone.
func (b *tab) look(dark bool) {
	b.t.Helper()
	b.dark(dark)
	b.narrow(dark)
}

func looks(dark bool) string {
	if dark {
		return ", dark at 320 px"
	}
	return ", light at 1280 px"
}

// The gallery's own index, the quickstart's pages and the newspapers are pages
// that people read, too.
func TestDemoPages(t *testing.T) {
	source := needAxe(t)
	b := newBrowser(t)
	gallery := openGallery(t)
	d := startDemo(t)
	d.login(b, d.fjord(), d.Users[0].Credential, d.Users[0].Password)
	out := newBrowser(t)
	buyer := shopping(t, d)
	d.choose(buyer, "#pay-redirect") // and is about to pay
	buyer.until(`location.pathname.startsWith("/bank/")`)
	at := buyer.url()
	buyer.pays(sandbox.Approved)
	buyer.until(`document.querySelector("#doneBought") !== null`)
	for _, page := range []struct {
		b   *tab
		url string
	}{
		{out, gallery.URL + "/"},
		{out, d.base + "/demo"},
		{out, d.base + "/demo/outbox"},
		{out, d.base + "/demo/reading"},
		{out, d.fjord() + "/"},
		{out, d.fjord() + "/article/torskekvoten"},
		{out, d.fjord() + "/nowhere"},
		{out, d.fjord() + "/terms"},
		{out, d.fjord() + "/callback?state=forged"},
		{out, d.skargard() + "/"},
		{out, d.skargard() + "/article/sillen"},
		{out, d.skargard() + "/article/skarven"},
		{out, d.skargard() + "/embedded"},
		{b, d.fjord() + "/"},
		{b, d.fjord() + "/me"},
		{b, d.fjord() + "/article/torskekvoten"},
		{b, d.fjord() + "/article/orgelet"},
		{b, d.skargard() + "/me"},
		{b, d.skargard() + "/article/sillen"},
		{buyer, d.fjord() + "/subscribe"},
		{buyer, d.fjord() + "/subscribe/pay"}, // too late: what has become of it
		{buyer, d.fjord() + "/subscribe/done"},
		{buyer, d.fjord() + "/subscribe/paid?status=failure"},
		{buyer, at},
		{out, d.base + "/demo/orders"},
		{out, d.fjord() + "/me/callback?azureStatus=success"},
		{out, d.skargard() + "/me/callback?azureStatus=error"},
		{b, d.LoginServer + "/azure/" + d.Directories[0].ID + "?returnUrl=" + d.fjord()},
	} {
		page.b.look(false)
		page.b.open(page.url)
		page.b.until("document.body")
		page.b.audit(source, page.url)
		page.b.look(true)
		page.b.contrast(source, page.url+looks(true))
		page.b.overflow(page.url + looks(true))
	}
}

// A page of the login server loads only what is its own, and little of it.
func TestPageWeight(t *testing.T) {
	gallery := openGallery(t)
	b := newBrowser(t)
	const limit = 30 << 10 // with styles and scripts, without background and logo
	for _, c := range exhibit.Cases() {
		if !c.Plain {
			continue
		}
		b.open(gallery.URL + exhibit.URL(c, "no.mediaconnect.test", "nb"))
		type resource struct {
			Name string
			Size int
		}
		loaded, err := eval[[]resource](b, `performance.getEntries()
			.filter(e => e.entryType === "navigation" || e.entryType === "resource" && !/\.(svg|jpe?g|png|webp)$/.test(e.name))
			.map(e => ({Name: e.name, Size: e.decodedBodySize}))`)
		if err != nil {
			b.fatalf("%v", err)
		}
		total := 0
		for _, r := range loaded {
			if !strings.HasPrefix(r.Name, gallery.URL) {
				t.Errorf("%s loads %s from elsewhere", c.Name, r.Name)
			}
			total += r.Size
		}
		if total > limit || total == 0 {
			t.Errorf("%s weighs %d bytes, want at most %d: %v", c.Name, total, limit, loaded)
		}
	}
}

// A fault in a client's folder is shown, not hidden behind the last good state.
func TestGalleryShowsFaults(t *testing.T) {
	g, err := exhibit.New(exhibit.Config{Folders: brokenFolder(), Clients: exhibit.DemoClients()})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if body := rec.Body.String(); !strings.Contains(body, "custom.css") || !strings.Contains(body, "has faults") {
		t.Errorf("the index does not name the faulty file:\n%s", body)
	}
}
