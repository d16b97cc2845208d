package exhibit_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/examples/gallery/exhibit"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

func TestCasesCoverEveryState(t *testing.T) {
	t.Parallel()
	names, plain := map[string]bool{}, map[string]bool{}
	for _, c := range exhibit.Cases() {
		if names[c.Name] {
			t.Errorf("two cases are named %s", c.Name)
		}
		names[c.Name] = true
		plain[c.State] = plain[c.State] || c.Plain
	}
	for _, s := range theme.States() {
		if !plain[s.Name] {
			t.Errorf("%s is not shown", s.Name)
		}
		for _, f := range s.Faults {
			if !names[s.Name+"-"+string(f.Text)] && !names[s.Name+"-"+string(f.Text)+"-"+f.Field] {
				t.Errorf("%s is not shown with %s", s.Name, f.Text)
			}
		}
	}
}

// The pages of the payment sandbox can be looked at in every language, and framed.
func TestSandboxCases(t *testing.T) {
	t.Parallel()
	g, err := exhibit.New(exhibit.Config{Folders: os.DirFS(t.TempDir()), Clients: exhibit.DemoClients()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"sandbox-faults": http.StatusUnprocessableEntity, "sandbox-unknown": http.StatusNotFound}
	for _, lang := range exhibit.Langs() {
		cases := g.SandboxCases(lang)
		if len(cases) < 10 {
			t.Errorf("%s: %d cases", lang, len(cases))
		}
		for _, c := range cases {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.Src, nil))
			status := want[c.Name]
			if status == 0 {
				status = http.StatusOK
			}
			if w.Code != status || w.Header().Get("X-Frame-Options") != "" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'self';") {
				t.Errorf("%s in %s: %d %v", c.Name, lang, w.Code, w.Header())
			}
		}
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?state=sandbox&lang=fi", nil))
	if n := strings.Count(w.Body.String(), `src="/sandbox/`); n < 20 {
		t.Errorf("the index frames %d pages of the sandbox", n)
	}
}

// A saved file is shown anew, a fault is shown while it is there, and open index
// pages are told.
func TestReloadOnSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	css := filepath.Join(dir, "my.paper", "custom.css")
	save := func(style string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(css), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(css, []byte(style), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save(":root { --connectid-accent: #112233; }")
	g, err := exhibit.New(exhibit.Config{Folders: os.DirFS(dir), Clients: []store.Client{exhibit.ClientLike("my.paper")}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	go g.Watch(t.Context())

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/changes", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	changed := func() {
		t.Helper()
		for events.Scan() {
			if strings.HasPrefix(events.Text(), "data:") {
				return
			}
		}
		t.Fatalf("no change was told: %v", events.Err())
	}
	index := func() string {
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
		return rec.Body.String()
	}
	if strings.Contains(index(), "has faults") {
		t.Fatalf("a good folder has faults:\n%s", index())
	}
	save("@import url(https://elsewhere.example/a.css);")
	changed()
	if !strings.Contains(index(), "has faults") {
		t.Error("the fault is not shown")
	}
	save("body { color: #123456; }")
	changed()
	if strings.Contains(index(), "has faults") {
		t.Error("the fault is shown after it was mended")
	}
}

func TestUnknownCase(t *testing.T) {
	t.Parallel()
	g, err := exhibit.New(exhibit.Config{Folders: os.DirFS(t.TempDir()), Clients: exhibit.DemoClients()})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/page?case=none", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", rec.Code)
	}
}
