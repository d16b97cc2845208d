package browser_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The API's documentation is read without a token and without scripts, on a phone
// and on a desktop, light and dark; each endpoint of the OpenAPI document is at
// its anchor.
func TestAPIDocs(t *testing.T) {
	source := needAxe(t)
	b := newBrowser(t)
	d := startDemo(t)
	address := strings.TrimSuffix(d.APIServer, "/") + "/docs"

	for _, dark := range []bool{false, true} {
		b.look(dark)
		b.open(address)
		b.until("document.querySelector('main article')")
		b.audit(source, address+looks(dark))
		b.overflow(address + looks(dark))
		opened, err := eval[int](b, `(() => { const all = document.querySelectorAll("details"); all.forEach(d => d.open = true); return all.length })()`)
		if err != nil || opened == 0 {
			t.Errorf("%d parts to open: %v", opened, err)
		}
		b.audit(source, address+" with all parts open"+looks(dark))
		b.overflow(address + " with all parts open" + looks(dark))
	}
	foreign, err := eval[[]string](b, `performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.endsWith("/favicon.ico"))`)
	if err != nil || len(foreign) > 0 {
		t.Errorf("the page loads %v: %v", foreign, err)
	}
	scripts, err := eval[int](b, `document.scripts.length`)
	if err != nil || scripts != 0 {
		t.Errorf("%d scripts: %v", scripts, err)
	}
	styled, err := eval[string](b, `getComputedStyle(document.querySelector("pre")).whiteSpace`)
	if err != nil || styled != "pre-wrap" {
		t.Errorf("the styles do not apply under the page's own policy: white-space is %q (%v)", styled, err)
	}

	resp, err := d.http.Get(strings.TrimSuffix(d.APIServer, "/") + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("openapi.json: %s, %v", resp.Status, err)
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, item := range document.Paths {
		for method, op := range item {
			if method == "parameters" {
				continue
			}
			var o struct{ OperationID string }
			if err := json.Unmarshal(op, &o); err != nil {
				t.Fatal(err)
			}
			want = append(want, o.OperationID)
		}
	}
	got, err := eval[[]string](b, `[...document.querySelectorAll("article")].map(a => a.id)`)
	if err != nil {
		b.fatalf("%v", err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the page has %q, the document %q", got, want)
	}
	broken, err := eval[[]string](b, `[...document.querySelectorAll('a[href^="#"]')].map(a => a.hash).filter(h => !document.querySelector(h))`)
	if err != nil || len(broken) > 0 {
		t.Errorf("links that lead nowhere: %q (%v)", broken, err)
	}
	b.open(address + "#getProfile")
	b.until("document.querySelector(':target').getBoundingClientRect().top < 40")
}
