package theme_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

// client is a client with everything that a page can show.
var client = store.Client{
	ID: "no.mediaconnect.test", Name: "Fjordposten", Homepage: "https://fjordposten.example/",
	CustomerCarePhone: "+47 22 00 00 00", CustomerCareEmail: "kundeservice@fjordposten.example",
	SubscriptionTermsURL: "https://fjordposten.example/abonnement", UserTermsURL: "https://fjordposten.example/bruker",
}

func newThemes(t testing.TB, c theme.Config) *theme.Themes {
	t.Helper()
	themes, err := theme.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return themes
}

func render(t testing.TB, themes *theme.Themes, p theme.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := themes.Render(context.Background(), &b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// page returns the page of the state as a reader meets it.
func page(state, lang string) theme.Page {
	return theme.Page{
		Lines:  lines(state),
		Client: client, Lang: lang, Flow: "login", State: state, Action: "/user/login",
		Ticket: "ticket-of-the-run", CSRF: "csrf+token==",
		Values: map[string]string{"credential": "kari@example.com", "firstName": "Kari", "lastName": "Nordmann"},
		Args:   map[string]string{"destination": "k•••@example.com", "customerNumber": "100017"},
		Choices: []theme.Choice{
			{Value: "100017", Name: "Kari Nordmann", Detail: "100017 · Papir og digitalt · 0150 Oslo", Chosen: true},
			{Value: "100029", Name: "Ola Nordmann", Detail: "100029"},
		},
		Flags: map[string]bool{"rememberMe": true},
	}
}

// lines are the examples of what the page says that the next step would do.
func lines(state string) []theme.Line {
	i := slices.IndexFunc(theme.States(), func(s theme.State) bool { return s.Name == state })
	if i < 0 {
		return nil
	}
	return theme.States()[i].Lines
}

// hashes are those in the addresses of styles and scripts, which change with
// every change of them.
var hashes = regexp.MustCompile(`/[0-9a-f]{20}/`)

func TestGolden(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		for _, lang := range []string{"nb", "en"} {
			p := page(s.Name, lang)
			if s.Name == "errorPage" {
				p.Developer = `clientId "no.such.client" is not registered`
			}
			if len(s.Lists) > 0 {
				p = variants(s, lang)[len(s.Flags)+len(s.Faults)+1] // with all lists
			}
			if slices.Contains(s.Values, "restartQuery") {
				p.Values["restartQuery"] = "clientId=no.mediaconnect.test&returnUrl=https%3A%2F%2Ffjordposten.example%2F"
			}
			got := hashes.ReplaceAllString(render(t, themes, p), "/hash/")
			name := filepath.Join("testdata", "golden", s.Name+"."+lang+".html")
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; see what -update changes", name)
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for name, c := range map[string]struct {
		change func(*theme.Page)
		want   string
	}{
		"unknown state":    {func(p *theme.Page) { p.State = "../layout" }, "unknown state"},
		"layout as state":  {func(p *theme.Page) { p.State = "layout" }, "unknown state"},
		"foreign action":   {func(p *theme.Page) { p.Action = "https://evil.example/" }, "bad Action"},
		"protocol-less":    {func(p *theme.Page) { p.Action = "//evil.example/" }, "bad Action"},
		"backslash":        {func(p *theme.Page) { p.Action = `/\evil.example/` }, "bad Action"},
		"relative action":  {func(p *theme.Page) { p.Action = "login" }, "bad Action"},
		"unknown fault":    {func(p *theme.Page) { p.Faults = []theme.Fault{{Text: "no.such"}} }, "bad fault"},
		"missing argument": {func(p *theme.Page) { p.Faults = []theme.Fault{{Text: "fault.password.short"}} }, "bad fault"},
		"unknown line":     {func(p *theme.Page) { p.Lines = []theme.Line{{Text: "no.such"}} }, "bad line"},
		"line cut short":   {func(p *theme.Page) { p.Lines = []theme.Line{{Text: "merge.line.name"}} }, "bad line"},
		"unknown notice":   {func(p *theme.Page) { p.Notice = "no.such" }, "unknown notice"},
	} {
		p := page("startLoginState", "nb")
		c.change(&p)
		var b bytes.Buffer
		err := themes.Render(t.Context(), &b, p)
		if err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%s: error %v and %d bytes, want %q and none", name, err, b.Len(), c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := themes.Render(ctx, io.Discard, page("startLoginState", "nb")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"user/", "/user", "https://x/"} {
		if _, err := theme.New(theme.Config{Base: base}); err == nil {
			t.Errorf("Base %q passes", base)
		}
	}
}

// Under 30 KB with styles and script, without logo and background.
func TestPagesAreLight(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for _, s := range theme.States() {
		for _, lang := range []string{"nb", "nn", "sv", "da", "fi", "en"} {
			p := page(s.Name, lang)
			p.Faults = s.Faults
			html := render(t, themes, p)
			sum := len(html)
			for _, m := range regexp.MustCompile(`(?:href|src)="(/user/theme/[^"]*)"`).FindAllStringSubmatch(html, -1) {
				w := httptest.NewRecorder()
				themes.Assets().ServeHTTP(w, httptest.NewRequest("GET", m[1], nil))
				if w.Code != 200 {
					t.Fatalf("%s: %d", m[1], w.Code)
				}
				sum += w.Body.Len()
			}
			if sum > 30_000 {
				t.Errorf("%s in %s: %d bytes", s.Name, lang, sum)
			}
		}
	}
}

// A page runs under a policy without inline scripts and styles.
func TestPagesHoldNothingInline(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	inline := regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\sstyle=|\son[a-z]+=|javascript:`)
	for _, s := range theme.States() {
		p := page(s.Name, "en")
		p.Client.Homepage, p.Client.UserTermsURL, p.Client.SubscriptionTermsURL = "javascript:alert(1)", "javascript:alert(2)", "data:text/html,x"
		if got := inline.FindString(render(t, themes, p)); got != "" {
			t.Errorf("%s: found %q", s.Name, got)
		}
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	themes := newThemes(t, theme.Config{})
	for query, want := range map[string]string{
		"":                        "",
		"clientId=a&returnUrl=b":  `href="/user/login?clientId=a&amp;returnUrl=b"`,
		"a=%zz&b=\"><script>&c=1": `href="/user/login?b=%22%3E%3Cscript%3E&amp;c=1"`,
		"#x":                      `href="/user/login?%23x="`,
	} {
		p := page("expiredPage", "nb")
		p.Values["restartQuery"] = query
		got := regexp.MustCompile(`href="/user/login[^"]*"`).FindString(render(t, themes, p))
		if got != want {
			t.Errorf("%q: got %s, want %s", query, got, want)
		}
	}
}
