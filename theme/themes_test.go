package theme_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/connectid-kit/connectid/theme"
)

func folders(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 318 64"><path d="M0 0h318v64H0z"/></svg>`

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestFolderDressesItsOwnClientOnly(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{Base: "/login/", Logger: quiet(), Folders: folders(map[string]string{
		"no.mediaconnect.test/logo.svg":                         drawing,
		"no.mediaconnect.test/custom.css":                       `.guiVersion2 .heading { color: #029675 }`,
		"no.mediaconnect.test/texts.json":                       `{"nb": {"login.heading": "Velkommen inn"}}`,
		"no.mediaconnect.test/templates/verificationState.html": `{{define "content"}}<p id="own">{{.Arg "destination"}}</p>{{end}}`,
		"no.mediaconnect.test2/templates/parts.html":            `{{define "summary"}}{{end}}{{define "hidden"}}{{end}}{{define "credential"}}{{end}}{{define "rememberMe"}}{{end}}{{define "cancel"}}{{end}}{{define "faulty"}}{{end}}{{define "fault"}}{{end}}{{define "reveal"}}{{end}}{{define "username"}}{{end}}{{define "newPassword"}}{{end}}{{define "restart"}}{{end}}`,
	})})
	other := page("startLoginState", "nb")
	other.Client.ID = "no.mediaconnect.other"
	second := page("startLoginState", "nb")
	second.Client.ID = "no.mediaconnect.test2"
	for name, c := range map[string]struct {
		page    theme.Page
		has, no []string
	}{
		"own": {
			page("startLoginState", "nb"),
			[]string{"Velkommen inn", `<img class="logo" src="/login/theme/no.mediaconnect.test/`, `alt="Fjordposten"`, "/custom.css", "Passord"},
			[]string{"nameplate"},
		},
		"own in another language": {page("startLoginState", "nn"), []string{"Logg inn"}, []string{"Velkommen inn"}},
		"own template":            {page("verificationState", "nb"), []string{`<p id="own">k•••@example.com</p>`}, []string{`id="code"`}},
		"a client without folder": {other, []string{"Logg inn", "nameplate", "login.css"}, []string{"custom.css", "Velkommen", "/no.mediaconnect"}},
		"another client":          {second, []string{"nameplate"}, []string{"custom.css", "j_username", "Velkommen"}},
	} {
		out := render(t, themes, c.page)
		for _, want := range c.has {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", name, want, out)
			}
		}
		for _, bad := range c.no {
			if strings.Contains(out, bad) {
				t.Errorf("%s: %q in %s", name, bad, out)
			}
		}
	}
	if got := themes.Logo("no.mediaconnect.test"); !strings.HasPrefix(got, "/login/theme/no.mediaconnect.test/") {
		t.Errorf("logo at %q", got)
	}
	if got := themes.Logo("no.mediaconnect.test2"); got != "" {
		t.Errorf("another client's logo at %q", got)
	}
}

// The client's sheet comes behind the standard one and in no layer, so it wins.
func TestCustomStylesWin(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{Logger: quiet(), Folders: folders(map[string]string{
		"no.mediaconnect.test/custom.css": `.guiVersion1 .heading { display:none; }`,
	})})
	out := render(t, themes, page("startLoginState", "nb"))
	sheets := regexp.MustCompile(`<link rel="stylesheet" href="([^"]*)">`).FindAllStringSubmatch(out, -1)
	if len(sheets) != 2 || !strings.HasSuffix(sheets[0][1], "/login.css") || !strings.HasSuffix(sheets[1][1], "/custom.css") {
		t.Fatalf("sheets %v", sheets)
	}
	var bodies [2]string
	for i, s := range sheets {
		w := httptest.NewRecorder()
		themes.Assets().ServeHTTP(w, httptest.NewRequest("GET", s[1], nil))
		if bodies[i] = w.Body.String(); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
			t.Errorf("%s: %d %v", s[1], w.Code, w.Header())
		}
	}
	outside := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(bodies[0], "")
	if s := strings.TrimSpace(outside); !strings.HasPrefix(s, "@layer connectid {") || !strings.HasSuffix(s, "}") || strings.Contains(s, "!important") {
		t.Error("login.css: want all of it in the layer connectid and nothing important, as that would win over custom.css")
	}
	if strings.Contains(bodies[1], "@layer") || !strings.Contains(bodies[1], "display:none") {
		t.Errorf("custom.css: %s", bodies[1])
	}
}

func TestFolderFaultsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := theme.New(theme.Config{Logger: quiet(), Folders: folders(map[string]string{
		"a/templates/startLoginState.html":   `{{define "content"}}{{.NoSuchThing}}{{end}}`,
		"b/templates/startLoginStat.html":    `{{define "content"}}x{{end}}`,
		"c/templates/verificationState.html": `{{define "content"}}{{if}}{{end}}`,
		"d/custom.css":                       `@import "https://evil.example/x.css";`,
		"e/texts.json":                       `{"nb": {"login.headnig": "x"}}`,
		"f/templates/newUserState.html":      `{{define "content"}}<a href={{.T "login.heading"}} <script>{{end}}`,
	})})
	if _, ok := errors.AsType[theme.FileFaults](err); !ok {
		t.Fatalf("error %v, want FileFaults", err)
	}
	for _, want := range []string{"a/templates", "NoSuchThing", "b/templates", "there is no such page", "c/templates", "d/custom.css:1:1", "e/texts.json:1:", "f/templates"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// A client's template that uses a reader's value in an address is served all the
// same, guarded by html/template, and the log says what it costs.
func TestClientsTemplateWithUnsafeHole(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	themes := newThemes(t, theme.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Folders: folders(map[string]string{
		"no.mediaconnect.test/templates/startLoginState.html": `{{define "content"}}<a id="own" href="{{.Value "credential"}}">x</a>{{end}}`,
	})})
	for range 3 {
		p := page("startLoginState", "nb")
		p.Values["credential"] = "javascript:alert(1)"
		if out := render(t, themes, p); !strings.Contains(out, `<a id="own" href="#ZgotmplZ">x</a>`) {
			t.Error(out)
		}
	}
	if n := strings.Count(log.String(), "page is rendered whole"); n != 1 {
		t.Errorf("the log says it %d times, want once:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "javascript:") {
		t.Error("a reader's value is in the log")
	}
}
